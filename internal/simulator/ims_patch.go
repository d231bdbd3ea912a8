package simulator

import (
	"net/http"
)

// patchDialect finds the dialect of a patch: the Glance-derived API takes
// Glance's two media types, the vendor's own one JSON and, as the vendor's
// Terraform provider sends it, the newer of the two.
func (rq *imsRequest) patchDialect() (dialect, refusal) {
	if rq.api == nativeAPI {
		form, fault := patchDialect(rq.r.Header)
		if fault != nil {
			return 0, rq.native(imsError(imsMalformed), fault)
		}
		return form, nil
	}
	switch mediaType(rq.r.Header) {
	case "application/json", mediaTypeV21:
		return dialectV21, nil
	default:
		return 0, imsError(imsMalformed)
	}
}

// imsChange is one operation of a patch after deserialization.
type imsChange struct {
	op    string
	name  string
	value any
}

// changes reads the body of a patch. Its form is the one that Glance reads, but
// for a list without operations, which no document shows.
func (rq *imsRequest) changes(form dialect) ([]imsChange, refusal) {
	if len(rq.body) == 0 {
		return nil, rq.native(imsError(imsEmptyBody), explain(http.StatusBadRequest, "Body expected in request."))
	}
	body, fault := deserializeBody(rq.body)
	if fault != nil {
		return nil, rq.native(imsError(imsMalformed), fault)
	}
	list, ok := body.([]any)
	if !ok {
		return nil, rq.native(imsError(imsMalformed), explain(http.StatusBadRequest, "Request body must be a JSON array of operation objects."))
	}
	if len(list) == 0 {
		return nil, imsError(imsEmptyBody)
	}
	var changes []imsChange
	for _, raw := range list {
		c, refused := rq.change(raw, form)
		if refused != nil {
			return nil, refused
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func (rq *imsRequest) change(raw any, form dialect) (imsChange, refusal) {
	malformed := func(fault *apiError) (imsChange, refusal) {
		return imsChange{}, rq.native(imsError(imsMalformed), fault)
	}
	object, ok := raw.(*jsonObject)
	if !ok {
		return malformed(explain(http.StatusBadRequest, "Operations must be JSON objects."))
	}
	read := operationV21
	if form == dialectV20 {
		read = operationV20
	}
	op, pointer, fault := read(object)
	if fault != nil {
		return malformed(fault)
	}
	text, ok := pointer.(string)
	if !ok {
		return malformed(errProgram())
	}
	path, fault := decodePointer(text)
	if fault == nil && len(path) != 1 {
		fault = explainf(http.StatusBadRequest, "Invalid JSON pointer for this resource: '%s'", text)
	}
	if fault != nil {
		return malformed(fault)
	}
	value, given := object.get("value")
	required := op != "remove" || rq.api == vendorAPI && rq.sim.assumption(assumeRemoveValue) == "required"
	if required && !given {
		return malformed(explainf(http.StatusBadRequest, `Operation "%s" requires a member named "value".`, op))
	}
	return imsChange{op, path[0], value}, nil
}

// patch answers a PATCH of either API. Like the Glance inside it, IMS is assumed
// to read the whole image, to change it in memory, and to write all of it back.
func (rq *imsRequest) patch(arguments []string) refusal {
	form, refused := rq.patchDialect()
	if refused != nil {
		return refused
	}
	changes, refused := rq.changes(form)
	if refused != nil {
		return refused
	}
	stored, refused := rq.lookupToWrite(arguments[0])
	if refused != nil {
		return refused
	}
	if rq.api == vendorAPI && stored.text("status") != "active" {
		return imsError(imsUnavailable)
	}
	next := stored.clone()
	for _, c := range changes {
		if refused := rq.apply(next, c, form); refused != nil {
			return refused
		}
	}
	if !next.consistent() {
		return imsError(imsConflict)
	}
	next.updated = rq.sim.clock.now()
	rq.hold(rq.r.Context())
	if refused := rq.save(next); refused != nil {
		return refused
	}
	if rq.write == writeDropped {
		next = stored
	}
	writeJSON(rq.w, rq.r, http.StatusOK, rq.document(next))
	return nil
}

// save stores an image that a request has changed, unless it was deleted
// meanwhile or a fault lets the write get lost.
func (rq *imsRequest) save(next *imsImage) refusal {
	rq.store.mu.Lock()
	defer rq.store.mu.Unlock()
	if rq.store.images[next.id] == nil {
		return rq.notFound(next.id)
	}
	if rq.write == writeStored {
		rq.store.images[next.id] = next
	}
	return nil
}

// apply carries out one change in memory.
func (rq *imsRequest) apply(i *imsImage, c imsChange, form dialect) refusal {
	if c.name == "tags" && rq.sim.assumption(assumePatchTags) == "accepted" {
		return rq.applyTags(i, c)
	}
	attribute := imsAttributeOf(c.name)
	if refused := rq.mayModify(c.name, attribute); refused != nil {
		return refused
	}
	_, present := i.attributes[c.name]
	switch {
	case c.op != "add" && !present:
		return rq.native(imsError(imsConflict), detailf(http.StatusConflict, "Property %s does not exist.", c.name))
	case c.op == "add" && present && !rq.addReplaces(form):
		return rq.native(imsError(imsConflict), detailf(http.StatusConflict, "Property %s already present.", c.name))
	case c.op == "remove" && attribute.core:
		return rq.native(imsError(imsUnsupported), detailf(http.StatusForbidden, "Property %s may not be removed.", c.name))
	case c.op == "remove":
		delete(i.attributes, c.name)
		return nil
	}
	value, code := attribute.check(rq, c.value)
	if code != "" {
		return imsError(code)
	}
	i.attributes[c.name] = value
	return nil
}

// addReplaces tells whether an add overwrites an attribute that is there. The
// Glance-derived API says so of the newer dialect; nothing does of the older one
// and of the vendor's own API.
func (rq *imsRequest) addReplaces(form dialect) bool {
	return rq.api == nativeAPI && form == dialectV21 || rq.sim.assumption(assumeAddPresent) == "replaces"
}

// applyTags replaces all tags.
func (rq *imsRequest) applyTags(i *imsImage, c imsChange) refusal {
	list, ok := c.value.([]any)
	if c.op == "remove" || !ok {
		return imsError(imsTagInvalid)
	}
	var tags []imsTag
	for _, element := range list {
		text, ok := element.(string)
		tag := tagOf(text)
		if !ok || !tag.valid() {
			return imsError(imsTagInvalid)
		}
		tags = setTag(tags, tag)
	}
	if len(tags) > maxIMSTags {
		return imsError(imsTagQuota)
	}
	i.tags = tags
	return nil
}
