package catalogue

import (
	"context"
	"errors"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// ofStream is the argument of what a stream holds.
var ofStream = dataArgument{
	name: attrStreamID, narrows: true, needed: true, validators: idOf(attrStreamID), check: checkStream,
	description: "ID (UUID) of the stream, within which names are unique.",
}

func checkStream(ctx context.Context, client *horizon.Client, v plan.Values) error {
	_, err := objectByID(ctx, client, horizon.Stream, v.Text(attrStreamID))
	return err
}

// filterOf narrows a search among the assets of a version.
func filterOf(name, description string) dataArgument {
	return dataArgument{name: name, narrows: true, validators: idOf(name), description: "Filter: " + description}
}

var streamTable = &dataTable[*horizon.Object]{
	name: "image_management_stream", noun: horizon.Stream.String(),
	description: "Finds a stream of the Horizon image catalogue, by its ID or its name. None or several matches are an error.",
	keys:        []string{attrID, attrName},
	arguments:   []dataArgument{idKey("ID (UUID) of the stream."), nameKey("Name of the stream.")},
	results: []dataResult[*horizon.Object]{
		memberResult(attrID, ""), memberResult(attrName, ""),
		memberResult("description", "Description of the stream. Null if it has none."),
		memberResult(attrSystem, "Operating system of the image, such as `WINDOWS_11`."),
		memberResult("source", "Where the image comes from, such as `UPLOADED`."),
		memberResult(attrStatus, "Status of the stream, such as `AVAILABLE`."),
		memberResult("publisher", "Publisher of the stream. Null if it has none."),
		usableResult(), detailsResult(),
	},
	apart: "Give the id of the one that is meant.",
	find: func(ctx context.Context, client *horizon.Client, v plan.Values) (*horizon.Object, error) {
		return objectByKey(ctx, client, horizon.Stream, "", v)
	},
}

var versionTable = &dataTable[*horizon.Object]{
	name: "image_management_version", noun: horizon.Version.String(),
	description: "Finds a version of a stream of the Horizon image catalogue, by its ID, or by its stream and name. None or several matches are an error.",
	keys:        []string{attrID, attrName},
	arguments:   []dataArgument{idKey("ID (UUID) of the version."), nameKey("Name of the version."), ofStream},
	results: []dataResult[*horizon.Object]{
		memberResult(attrID, ""), memberResult(attrName, ""), memberResult(attrStreamID, ""),
		memberResult("description", "Description of the version. Null if it has none."),
		memberResult(attrStatus, "Status of the version, such as `AVAILABLE`."),
		detailsResult(),
	},
	apart: "Give the id of the one that is meant.",
	find: func(ctx context.Context, client *horizon.Client, v plan.Values) (*horizon.Object, error) {
		return objectByKey(ctx, client, horizon.Version, v.Text(attrStreamID), v)
	},
}

var tagTable = &dataTable[*horizon.Object]{
	name: "image_management_tag", noun: horizon.Tag.String(),
	description: "Finds a tag of a stream of the Horizon image catalogue, by its ID, or by its stream and name, and the version that it is on. None or several matches are an error.",
	keys:        []string{attrID, attrName},
	arguments:   []dataArgument{idKey("ID (UUID) of the tag."), nameKey("Name of the tag."), ofStream},
	results: []dataResult[*horizon.Object]{
		memberResult(attrID, ""), memberResult(attrName, ""), memberResult(attrStreamID, ""),
		memberResult(attrVersionID, "ID (UUID) of the version that the tag is on."),
		memberResult("description", "Description of the tag, which Horizon's API cannot set. Null if it has none."),
		detailsResult(),
	},
	apart: "Give the id of the one that is meant.",
	find: func(ctx context.Context, client *horizon.Client, v plan.Values) (*horizon.Object, error) {
		return objectByKey(ctx, client, horizon.Tag, v.Text(attrStreamID), v)
	},
}

// assetFilters are the arguments that narrow a search among assets.
var assetFilters = []dataArgument{
	filterOf(attrVCenterID, "ID (UUID) that Horizon has for the vCenter."),
	filterOf(attrVMID, "ID of the base VM in vSphere, such as `vm-1001`."),
	filterOf(attrSnapshotID, "ID of the snapshot in vSphere, such as `snapshot-1002`."),
	filterOf(attrTemplateID, "ID of the VM template in vSphere, such as `vm-1003`."),
	{
		name: attrCloneType, narrows: true, validators: oneOf(attrCloneType, cloneTypes, nil),
		description: "Filter: what clones are made of the asset, `INSTANT_CLONE` or `FULL_CLONE`.",
	},
	{
		name: attrImageType, narrows: true, validators: oneOf(attrImageType, imageTypes, map[string]string{"RDSH_APP": "RDSH_APPS"}),
		description: "Filter: what the asset is for, `VDI_DESKTOP`, `RDSH_DESKTOP` or `RDSH_APPS`.",
	},
	{
		name: attrStatus, narrows: true, validators: oneOf(attrStatus, assetStatuses, nil),
		description: "Filter: the status of the asset, such as `AVAILABLE`.",
	},
}

var assetTable = &dataTable[*horizon.Object]{
	name: "image_management_asset", noun: horizon.Asset.String(),
	description: "Finds an asset of the Horizon image catalogue: what a version is in one vCenter, a base VM with its snapshot or a VM template. " +
		"It is found by its ID, or by its version and any of the filters, each of which is a result as well. None or several matches are an error.",
	keys: []string{attrID, attrVersionID},
	arguments: append([]dataArgument{
		idKey("ID (UUID) of the asset."),
		{
			name: attrVersionID, validators: idOf(attrVersionID), description: "ID (UUID) of the version that the asset belongs to.",
			check: func(ctx context.Context, client *horizon.Client, v plan.Values) error {
				_, err := objectByID(ctx, client, horizon.Version, v.Text(attrVersionID))
				return err
			},
		},
	}, assetFilters...),
	results: []dataResult[*horizon.Object]{
		memberResult(attrID, ""), memberResult(attrVersionID, ""), memberResult(attrVCenterID, ""), memberResult(attrVMID, ""),
		memberResult(attrSnapshotID, ""), memberResult(attrTemplateID, ""), memberResult(attrCloneType, ""), memberResult(attrImageType, ""), memberResult(attrStatus, ""),
		memberResult(attrStreamID, "ID (UUID) of the stream that the version belongs to."),
		memberResult(attrDatacenterID, "ID of the datacenter in vSphere, such as `datacenter-3`. Null if Horizon does not say."),
		detailsResult(),
	},
	apart: "Add a filter that tells them apart, such as vcenter_id, clone_type or status, or give the id of the one that is meant.",
	find: func(ctx context.Context, client *horizon.Client, v plan.Values) (*horizon.Object, error) {
		if id := v.Text(attrID); id != "" {
			return objectByID(ctx, client, horizon.Asset, id)
		}
		where := patch.Want{}
		for _, a := range assetFilters {
			if text := v.Text(a.name); text != "" {
				where[patch.NewPointer(a.name)] = patch.StringValue(text)
			}
		}
		return client.Find(ctx, horizon.Asset, v.Text(attrVersionID), where)
	},
}

// objectByKey finds an object by its id, or by its name below a parent.
func objectByKey(ctx context.Context, client *horizon.Client, kind horizon.Kind, parentID string, v plan.Values) (*horizon.Object, error) {
	if id := v.Text(attrID); id != "" {
		return objectByID(ctx, client, kind, id)
	}
	return client.Find(ctx, kind, parentID, patch.Want{patch.NewPointer(attrName): patch.StringValue(v.Text(attrName))})
}

// objectByID reads an object. One that is not there is a *horizon.LookupError,
// which can name candidates only where a list needs no parent.
func objectByID(ctx context.Context, client *horizon.Client, kind horizon.Kind, id string) (*horizon.Object, error) {
	o, err := client.Read(ctx, horizon.Ref{Kind: kind, ID: id})
	if !errors.Is(err, horizon.ErrNotFound) {
		return o, err
	}
	if kind == horizon.Stream {
		return client.Find(ctx, kind, "", patch.Want{patch.NewPointer(attrID): patch.StringValue(id)})
	}
	return nil, &horizon.LookupError{Noun: kind.String(), Wanted: horizon.Named{ID: id}.String()}
}
