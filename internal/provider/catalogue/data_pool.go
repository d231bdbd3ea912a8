package catalogue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

const attrWithMachines = "with_machines"

var poolTable = &dataTable[poolFound]{
	name: "desktop_pool", noun: "desktop pool",
	description: "Finds a desktop pool, by its ID or its name, and shows the image that it runs and the one that is being published to it. None or several matches are an error.",
	keys:        []string{attrID, attrName},
	arguments:   []dataArgument{idKey("ID (UUID) of the desktop pool."), nameKey("Name of the desktop pool. Its display name, which users see, does not count.")},
	flags: []dataFlag{{
		name:        attrWithMachines,
		description: "Whether to count the machines of the pool as well, in `machines`, which reads all of them. Default `false`.",
	}},
	results: []dataResult[poolFound]{
		textResult(attrID, "", func(p poolFound) string { return p.ID }),
		textResult(attrName, "", func(p poolFound) string { return p.Name }),
		textResult("display_name", "Name of the pool that users see.", func(p poolFound) string { return p.DisplayName }),
		textResult("type", "Type of the pool: `AUTOMATED`, `MANUAL` or `RDS`. An image can be pushed to automated pools of instant clones only.", func(p poolFound) string { return p.Type }),
		textResult("source", "Where the machines come from, such as `INSTANT_CLONE` or `VIRTUAL_CENTER`.", func(p poolFound) string { return p.Source }),
		textResult("image_source", "Where the image comes from: `VIRTUAL_CENTER` (a VM and its snapshot) or `IMAGE_CATALOG` (a stream and its tag). Null for pools without an image.", func(p poolFound) string { return p.ImageSource }),
		textResult("user_assignment", "Whether users keep their machine: `DEDICATED` or `FLOATING`. Null for pools of RDS hosts.", func(p poolFound) string { return p.UserAssignment }),
		textResult(attrVCenterID, "ID (UUID) that Horizon has for the vCenter of the machines. Null for pools without one.", func(p poolFound) string { return p.VCenterID }),
		textResult("access_group_id", "ID (UUID) of the access group of the pool, by which privileges are granted.", func(p poolFound) string { return p.AccessGroupID }),
		flagResult("enabled", "Whether users can get desktops of the pool. Null if Horizon does not say.", func(p poolFound) *bool { return p.Enabled }),
		flagResult("enable_provisioning", "Whether Horizon makes machines for the pool. Null for pools that are not automated.", func(p poolFound) *bool { return p.EnableProvisioning }),
		flagResult("add_virtual_tpm", "Whether machines get a virtual TPM. Null for pools without an image.", func(p poolFound) *bool { return p.AddVirtualTPM }),
		imageResult("current_image", "2412", "The image that the pool runs. Null for pools without an image.", func(p poolFound) horizon.PoolImage { return p.Current }),
		imageResult("pending_image", "2512", "The image that is being published to the pool, or is published and held. Null if there is none.", func(p poolFound) horizon.PoolImage { return p.Pending }),
		textResult("current_image_state", "State of the current image: `READY`, `FAILED`, `PENDING_UNPUBLISH` or `UNPUBLISHING`. Null for pools that are not of instant clones.", func(p poolFound) string { return p.CurrentState }),
		textResult("pending_image_state", "State of the pending image: `PENDING_PUBLISH`, `PUBLISHING`, `READY` (published, and waits for its time), `READY_HELD` (published, and held until it is promoted or cancelled), `FAILED` or `UNPUBLISHING`. "+
			"Null if there is none.", func(p poolFound) string { return p.PendingState }),
		numberResult("pending_image_progress", "How much of the pending image is published, in percent. Null if Horizon does not say.", func(p poolFound) *int64 { return p.PendingProgress }),
		textResult("pending_image_error", "Why publishing the pending image failed. Null if it did not.", func(p poolFound) string { return p.PendingError }),
		textResult("operation", "What the pool is undergoing: `NONE`, `INITIAL_PUBLISH`, `SCHEDULE_PUSH_IMAGE`, `CANCEL_SCHEDULED_PUSH_IMAGE`, `INFRASTRUCTURE_CHANGE` or `FINAL_UNPUBLISH`. Null for pools that are not of instant clones.", func(p poolFound) string { return p.Operation }),
		machinesResult(),
	},
	apart: "Give the id of the one that is meant.",
	find:  findPool,
}

// poolFound is a pool, with its machines if they were asked for.
type poolFound struct {
	*horizon.Pool
	withMachines bool
	machines     []*horizon.Machine
}

func findPool(ctx context.Context, client *horizon.Client, v plan.Values) (poolFound, error) {
	p, err := poolByKey(ctx, client, v)
	found := poolFound{Pool: p, withMachines: isTrue(v, attrWithMachines)}
	if err != nil || !found.withMachines {
		return found, err
	}
	found.machines, err = client.Machines(ctx, p.ID)
	return found, err
}

func poolByKey(ctx context.Context, client *horizon.Client, v plan.Values) (*horizon.Pool, error) {
	if id := v.Text(attrID); id != "" {
		return poolByID(ctx, client, id)
	}
	return client.FindPool(ctx, v.Text(attrName))
}

// poolByID reads a pool. One that is not there is a *horizon.LookupError.
func poolByID(ctx context.Context, client *horizon.Client, id string) (*horizon.Pool, error) {
	p, err := client.Pool(ctx, id)
	if !errors.Is(err, horizon.ErrNotFound) {
		return p, err
	}
	pools, err := client.Pools(ctx)
	if err != nil {
		return nil, err
	}
	missing := &horizon.LookupError{Noun: "desktop pool", Wanted: horizon.Named{ID: id}.String()}
	for _, other := range pools {
		missing.Candidates = append(missing.Candidates, fmt.Sprintf("%s (%s)", other.Name, other.ID))
	}
	return nil, missing
}

// poolImageMembers are the attributes of an image of a pool. The names and paths
// among them came with a release.
var poolImageMembers = []struct {
	name, description string
	value             func(horizon.PoolImage) string
}{
	{"parent_vm_id", "ID of the base VM in vSphere.", func(i horizon.PoolImage) string { return i.ParentVMID }},
	{"parent_vm_path", "Path of the base VM, from Horizon %s on.", func(i horizon.PoolImage) string { return i.ParentVMPath }},
	{"snapshot_id", "ID of the snapshot in vSphere.", func(i horizon.PoolImage) string { return i.SnapshotID }},
	{"snapshot_path", "Path of the snapshot, from Horizon %s on.", func(i horizon.PoolImage) string { return i.SnapshotPath }},
	{attrStreamID, "ID (UUID) of the stream of the catalogue. Null for images that are not of the catalogue.", func(i horizon.PoolImage) string { return i.StreamID }},
	{"im_stream_name", "Name of the stream, from Horizon %s on.", func(i horizon.PoolImage) string { return i.StreamName }},
	{"im_tag_id", "ID (UUID) of the tag of the catalogue. Null for images that are not of the catalogue.", func(i horizon.PoolImage) string { return i.TagID }},
	{"im_tag_name", "Name of the tag, from Horizon %s on.", func(i horizon.PoolImage) string { return i.TagName }},
}

// imageResult shows an image of a pool, with names and paths since a release; null
// if there is none.
func imageResult(name, since, description string, value func(poolFound) horizon.PoolImage) dataResult[poolFound] {
	attributes := map[string]schema.Attribute{}
	like := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
	for _, m := range poolImageMembers {
		attributes[m.name] = schema.StringAttribute{Computed: true, MarkdownDescription: strings.ReplaceAll(m.description, "%s", since)}
		like.AttributeTypes[m.name] = tftypes.String
	}
	return dataResult[poolFound]{
		name:      name,
		attribute: schema.SingleNestedAttribute{Computed: true, Attributes: attributes, MarkdownDescription: description},
		value: func(p poolFound) tftypes.Value {
			image := value(p)
			if image == (horizon.PoolImage{}) {
				return tftypes.NewValue(like, nil)
			}
			members := map[string]tftypes.Value{}
			for _, m := range poolImageMembers {
				members[m.name] = filledText(m.value(image))
			}
			return tftypes.NewValue(like, members)
		},
	}
}
