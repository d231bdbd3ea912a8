package simulator

import "net/http"

// putTag adds one tag. It reads and writes the whole image, so it bumps
// updated_at also when the tag is there already, and it drops the properties
// that the caller may not read.
func (rq *imageRequest) putTag(arguments []string) *apiError {
	id, tag := arguments[0], arguments[1]
	partial := newJSONObject()
	partial.set("tags", []any{tag})
	if fault := validateImage(partial); fault != nil {
		return fault
	}
	w, fault := rq.lookupForTag(id, "update")
	if fault != nil {
		return fault
	}
	w.tags = unique(append(append([]string(nil), w.tags...), tag))
	if fault := w.quotas.checkTags(len(w.tags)); fault != nil {
		return explainf(fault.status, "Image tag limit exceeded for image %s: %s:", id, fault.explanation)
	}
	if _, fault := rq.save(w); fault != nil {
		return rq.tagFault(id, "update", fault)
	}
	rq.noContent()
	return nil
}

func (rq *imageRequest) deleteTag(arguments []string) *apiError {
	id, tag := arguments[0], arguments[1]
	w, fault := rq.lookupForTag(id, "delete")
	if fault != nil {
		return fault
	}
	var kept []string
	for _, t := range w.tags {
		if t != tag {
			kept = append(kept, t)
		}
	}
	if len(kept) == len(w.tags) {
		return bare(http.StatusNotFound)
	}
	w.tags = kept
	if _, fault := rq.save(w); fault != nil {
		return rq.tagFault(id, "delete", fault)
	}
	rq.noContent()
	return nil
}

// lookupForTag finds an image whose tags the caller may write. The tag API has
// its own words for what the image API says otherwise.
func (rq *imageRequest) lookupForTag(id, verb string) (*workingImage, *apiError) {
	w, fault := rq.lookup(id)
	if fault != nil {
		return nil, rq.tagFault(id, verb, fault)
	}
	policy := rq.policy()
	if fault := policy.enforceOnImage("modify_image", rq.caller, w.target()); fault != nil {
		return nil, fault
	}
	if policy == PolicyLegacy {
		if fault := rq.caller.mutable(w.owner); fault != nil {
			return nil, rq.tagFault(id, verb, fault)
		}
	}
	return w, nil
}

func (rq *imageRequest) tagFault(id, verb string, fault *apiError) *apiError {
	switch fault.status {
	case http.StatusNotFound:
		return explainf(fault.status, "Image %s not found.", id)
	case http.StatusForbidden:
		return explainf(fault.status, "Not allowed to %s tags for image %s.", verb, id)
	case http.StatusBadRequest:
		return explainf(fault.status, "Could not update image: %s", fault.explanation)
	default:
		return fault
	}
}
