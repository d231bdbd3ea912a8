package simulator

import "slices"

// pick picks the objects of a list by the parameters of the request.
func (rq *horizonRequest) pick(kind *catalogueKind) ([]*catalogueObject, *horizonError) {
	switch kind {
	case streamKind:
		return rq.pickStreams()
	case versionKind:
		return rq.pickVersions()
	case tagKind:
		return rq.pickTags()
	default:
		return rq.pickAssets()
	}
}

// parameter is a query parameter, "" where the release does not know it yet.
func (rq *horizonRequest) parameter(name, since string) string {
	if rq.release < since {
		return ""
	}
	return rq.query.Get(name)
}

// neededParameter is a query parameter that has to be there.
func (rq *horizonRequest) neededParameter(name string) (string, *horizonError) {
	value := rq.query.Get(name)
	if value == "" {
		return "", invalid("common.parameter.required", "Required request parameter '%s' is not present.", name)
	}
	return value, nil
}

// assetQuery is what lists of streams and tags ask of the assets behind them.
type assetQuery map[string]string

// assetQuery reads the parameters that ask for assets; typesSince is the release
// since which the list can be asked by type.
func (rq *horizonRequest) assetQuery(typesSince string) (assetQuery, *horizonError) {
	wanted := assetQuery{
		"vcenter_id": rq.parameter("vcenter_id", releaseLists),
		"clone_type": rq.parameter("clone_type", typesSince), "image_type": rq.parameter("image_type", typesSince),
	}
	for name, values := range map[string][]releasedValue{"clone_type": cloneTypes, "image_type": imageTypes} {
		if f := (horizonField{values: values}); wanted[name] != "" && !f.has(rq.release, wanted[name]) {
			return nil, invalid("common.parameter.invalid", "Parameter %s is not valid.", name)
		}
	}
	if rq.parameter("fetch_available_assets_only", releaseTagQueries) == "true" {
		wanted["status"] = statusAvailable
	}
	return wanted, nil
}

// met tells whether some asset with a reference is as asked for. Nothing asked
// needs no asset.
func (rq *horizonRequest) met(wanted assetQuery, reference, id string) bool {
	asked := false
	for _, value := range wanted {
		asked = asked || value != ""
	}
	return !asked || slices.ContainsFunc(rq.horizon.within(assetKind, reference, id), func(asset *catalogueObject) bool {
		for name, value := range wanted {
			if value != "" && asset.values.text(name) != value {
				return false
			}
		}
		return true
	})
}

// objects are all objects of a kind for which a condition holds.
func (h *horizon) objects(kind *catalogueKind, holds func(o *catalogueObject) bool) []*catalogueObject {
	var out []*catalogueObject
	for _, o := range h.catalogue {
		if o.kind == kind && holds(o) {
			out = append(out, o)
		}
	}
	return out
}

func (rq *horizonRequest) pickStreams() ([]*catalogueObject, *horizonError) {
	wanted, refused := rq.assetQuery(releaseLists)
	if refused != nil {
		return nil, refused
	}
	return rq.horizon.objects(streamKind, func(o *catalogueObject) bool { return rq.met(wanted, "im_stream_id", o.id) }), nil
}

func (rq *horizonRequest) pickVersions() ([]*catalogueObject, *horizonError) {
	stream, refused := rq.neededParameter("im_stream_id")
	if refused != nil {
		return nil, refused
	}
	return rq.horizon.objects(versionKind, func(o *catalogueObject) bool { return o.values.text("im_stream_id") == stream }), nil
}

func (rq *horizonRequest) pickTags() ([]*catalogueObject, *horizonError) {
	stream, refused := rq.neededParameter("im_stream_id")
	if refused != nil {
		return nil, refused
	}
	wanted, refused := rq.assetQuery(releaseTagQueries)
	if refused != nil {
		return nil, refused
	}
	if refused := rq.parent(streamKind, stream); refused != nil {
		return nil, refused
	}
	return rq.horizon.objects(tagKind, func(o *catalogueObject) bool {
		return o.values.text("im_stream_id") == stream && rq.met(wanted, "im_version_id", o.values.text("im_version_id"))
	}), nil
}

// parent refuses a list of what belongs to nothing, in releases that document a
// 404 for it. Before, the list is empty.
func (rq *horizonRequest) parent(kind *catalogueKind, id string) *horizonError {
	if rq.release < releaseTagQueries || rq.horizon.object(kind, id) != nil {
		return nil
	}
	return kind.notFound(id)
}

// pickAssets picks by version and, where the release can, by tag. Both are
// optional from then on.
func (rq *horizonRequest) pickAssets() ([]*catalogueObject, *horizonError) {
	version, tag := rq.query.Get("im_version_id"), rq.parameter("im_tag_id", releaseTagQueries)
	if rq.release < releaseTagQueries {
		if _, refused := rq.neededParameter("im_version_id"); refused != nil {
			return nil, refused
		}
	}
	versions := map[string]bool{}
	if version != "" {
		if refused := rq.parent(versionKind, version); refused != nil {
			return nil, refused
		}
		versions[version] = true
	}
	if tag != "" {
		if refused := rq.parent(tagKind, tag); refused != nil {
			return nil, refused
		}
		followed := rq.horizon.object(tagKind, tag).values.text("im_version_id")
		if version != "" && followed != version {
			return nil, nil
		}
		versions[followed] = true
	}
	return rq.horizon.objects(assetKind, func(o *catalogueObject) bool {
		return len(versions) == 0 || versions[o.values.text("im_version_id")]
	}), nil
}
