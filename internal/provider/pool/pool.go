// Package pool brings images to desktop pools of Horizon: the resource
// imageops_desktop_pool_image, and the actions on pushes.
package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// desktop is a pool through the eyes of one call.
type desktop struct {
	id      string
	client  *horizon.Client
	clients *plan.Clients
	place   plan.Place
	// pool is what is known of it; nil for nothing.
	pool *horizon.Pool
	verb string
	// made are the calls that were made, in the words of a plan.
	made []string
}

func open(clients *plan.Clients, id, verb string) (*desktop, diag.Diagnostics) {
	client, diags := clients.Horizon.Client()
	if diags.HasError() {
		return nil, diags
	}
	return &desktop{id: id, client: client, clients: clients, place: plan.Place{Host: client.Host()}, verb: verb}, nil
}

func (d *desktop) key() change.Key {
	return change.Key{Endpoint: d.client.EndpointKey(), ID: strings.ToLower(d.id)}
}

// held is the pointer by which a process remembers who has pushed to a pool last.
var held = patch.NewPointer("image")

func (d *desktop) hold(instance string) {
	d.clients.Memory.Hold(d.key(), instance, patch.Want{held: patch.StringValue(instance)})
}

func (d *desktop) isHeldByOther(instance string) bool {
	return d.clients.Memory.HeldByOther(d.key(), instance, held)
}

func (d *desktop) leftToOther() diag.Diagnostic {
	return d.warning("The desktop pool is left as it is", "another resource has pushed an image to it, or adopted one, in this run.")
}

// look reads the pool with one list for all pools of a run; one that the list does
// not show is read by itself.
func (d *desktop) look(ctx context.Context) error {
	pools, err := d.client.RecentPools(ctx)
	if err == nil {
		for _, p := range pools {
			if strings.EqualFold(p.ID, d.id) {
				d.pool = p
				return nil
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.pool, err = d.client.Pool(ctx, d.id)
	return err
}

// now is the server's clock when the pool was read.
func (d *desktop) now() time.Time {
	if d.pool != nil && !d.pool.ServerTime.IsZero() {
		return d.pool.ServerTime
	}
	return time.Now().UTC()
}

// mostUnsettled is how long a plan waits for a pool whose operation has no known
// end.
const mostUnsettled = 30 * time.Second

// settle reads a pool again for as long as it cannot be told what is going to be sent
// to it.
func (d *desktop) settle(ctx context.Context, in horizon.DecisionInput) (horizon.Decision, error) {
	in.Pool, in.Now = d.pool, d.now()
	decision := horizon.Decide(in)
	if decision.Pause == nil || !decision.Pause.EndUnknown {
		return decision, nil
	}
	_, err := d.client.WaitForPool(ctx, d.id, func(p *horizon.Pool) (bool, error) {
		d.pool = p
		in.Pool, in.Now = d.pool, d.now()
		decision = horizon.Decide(in)
		return decision.Pause == nil || !decision.Pause.EndUnknown, nil
	}, horizon.PoolWait{Interval: min(d.clients.PollInterval, mostUnsettled/6), Limit: mostUnsettled})
	return decision, err
}

// effective is the image that the pool has, or is about to have, as a document.
func document(t horizon.Target, fromCatalogue bool) patch.Document {
	doc := patch.Document{}
	text := func(name, value string) {
		if value != "" {
			doc[patch.NewPointer(name)] = patch.StringValue(value)
		}
	}
	if fromCatalogue {
		text(attrStream, t.Image.StreamID)
		text(attrTag, t.Image.TagID)
		text(attrVersion, t.VersionID)
	}
	text(attrParentVM, t.Image.ParentVMID)
	text(attrSnapshot, t.Image.SnapshotID)
	flag := func(name string, value *bool) {
		if value != nil {
			doc[patch.NewPointer(name)] = patch.BoolValue(*value)
		}
	}
	flag(attrVirtualTPM, t.AddVirtualTPM)
	flag(attrGridVGPUs, t.GridVGPUsEnabled)
	if t.VGPUGridProfile != nil {
		text(attrVGPUProfile, *t.VGPUGridProfile)
	}
	if p := t.Compute; p != nil {
		for name, value := range map[string]int64{attrCPUs: p.NumCPUs, attrCores: p.NumCoresPerSocket, attrRAM: p.RAMMB} {
			doc[patch.NewPointer("compute_profile_"+name)] = patch.IntValue(value)
		}
	}
	return doc
}

// difference is what becomes of the effective image. It names what is wanted only.
func difference(effective, wanted horizon.Target) plan.Difference {
	have := document(effective, wanted.Image.StreamID != "")
	want := patch.Want{}
	for p, v := range document(wanted, wanted.Image.StreamID != "") {
		want[p] = v
	}
	return plan.Difference{Patch: patch.Diff(have, want, nil), On: have}
}

// wanted completes what is wanted by what the catalogue says about a tag. A nil target
// is one that cannot be known before something else has been applied.
func (d *desktop) wanted(ctx context.Context, in *inputs, seen *horizon.Resolved) (*horizon.Target, *horizon.Resolved, error) {
	t := in.target()
	if !in.fromCatalogue() {
		return &t, nil, nil
	}
	resolved, version := seen, in.IMVersionID.ValueString()
	if resolved == nil {
		found, err := d.client.RecentTag(ctx, in.IMStreamID.ValueString(), in.IMTagID.ValueString(), d.pool.VCenterID)
		if err != nil && version == "" {
			return nil, nil, err
		}
		resolved = &found
	}
	if version != "" && !strings.EqualFold(version, resolved.VersionID) {
		// The tag is about to be moved, and the version may be about to get its asset.
		found, err := d.client.ResolveVersion(ctx, version, d.pool.VCenterID)
		var unfit *horizon.ResolveError
		if errors.As(err, &unfit) && unfit.Usable == 0 || errors.Is(err, horizon.ErrNotFound) {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
		resolved = &found
	}
	t.Image = resolved.Image(t.Image.StreamID, t.Image.TagID)
	t.VersionID = resolved.VersionID
	return &t, resolved, nil
}

// name gives an image the names of its VM and its snapshot, which calls are shown with. A
// user who may not look them up sees their ids.
func (d *desktop) name(ctx context.Context, t *horizon.Target) (horizon.Source, error) {
	found, err := d.client.RecentSource(ctx, d.pool.VCenterID, t.Image.ParentVMID, t.Image.SnapshotID)
	if err != nil {
		return found, err
	}
	t.Image.ParentVMPath, t.Image.SnapshotPath = found.VM.Path, found.Snapshot.Path
	if t.Image.SnapshotPath == "" {
		t.Image.SnapshotPath = found.Snapshot.Name
	}
	if t.Image.ParentVMPath == "" {
		t.Image.ParentVMPath = found.VM.Name
	}
	return found, nil
}

// TagMovedError says that a tag is not on the version that it has to be on.
type tagMovedError struct{ tagID, is, wanted string }

func (e *tagMovedError) Error() string {
	return fmt.Sprintf("the tag %s is on the version %s, and the image was planned from the version %s", e.tagID, e.is, e.wanted)
}

// confirm looks, right before a push, whether the tag still stands for what was planned:
// Horizon resolves it once more by itself.
func (d *desktop) confirm(ctx context.Context, t horizon.Target) error {
	if t.Image.TagID == "" {
		return nil
	}
	found, err := d.client.ResolveTag(ctx, t.Image.StreamID, t.Image.TagID, d.pool.VCenterID)
	if err != nil {
		return err
	}
	if !strings.EqualFold(found.VersionID, t.VersionID) || found.SnapshotID != t.Image.SnapshotID {
		return &tagMovedError{tagID: t.Image.TagID, is: found.VersionID, wanted: t.VersionID}
	}
	return nil
}

// imagePath is where the image stands in a configuration.
func imagePath(fromCatalogue bool) path.Path {
	if fromCatalogue {
		return path.Root(attrTag)
	}
	return path.Root(attrSnapshot)
}
