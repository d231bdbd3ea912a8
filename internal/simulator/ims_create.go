package simulator

import (
	"maps"
	"net/http"
	"strconv"
)

// imsCreateAttributes are what the body of a create may have besides extension
// attributes ("Creating Image Metadata (Native OpenStack API)"). The values
// stand for those that are left out.
var imsCreateAttributes = map[string]any{
	"name": nil, "__os_version": nil, "container_format": "bare", "disk_format": "zvhd2", "min_disk": int64(0), "min_ram": int64(0),
	"visibility": "private", "protected": false, "tags": nil,
}

// imsFormats are the formats of image files.
var imsFormats = oneOf(imsFormatInvalid, "zvhd2", "vhd", "zvhd", "raw", "iso", "qcow2")

// create makes the record of an image, which is queued until its data comes.
func (rq *imsRequest) create([]string) refusal {
	if refused := rq.mayWrite(); refused != nil {
		return refused
	}
	body, refused := rq.object()
	if refused != nil {
		return refused
	}
	now := rq.sim.clock.now()
	next := &imsImage{id: newUUID(), attributes: maps.Clone(imsCreateAttributes), created: now, updated: now}
	maps.Copy(next.attributes, map[string]any{
		"status": "queued", "owner": rq.caller.project, "checksum": nil, "size": nil, "virtual_size": nil,
	})
	delete(next.attributes, "tags")
	delete(next.attributes, "__os_version")
	for _, name := range body.keys {
		if refused := rq.createAttribute(next, name, body.members[name]); refused != nil {
			return refused
		}
	}
	if !next.consistent() {
		return imsError(imsConflict)
	}
	rq.hold(rq.r.Context())
	rq.store.mu.Lock()
	defer rq.store.mu.Unlock()
	if rq.write == writeStored {
		rq.store.images[next.id] = next
	}
	writeJSON(rq.w, rq.r, http.StatusCreated, rq.document(next))
	return nil
}

// createAttribute takes one member of the body of a create.
func (rq *imsRequest) createAttribute(next *imsImage, name string, value any) refusal {
	check := imsAttributeOf(name).check
	switch name {
	case "tags":
		return rq.applyTags(next, imsChange{op: "add", name: name, value: value})
	case "visibility":
		check = oneOf(imsMalformed, "private")
	case "container_format":
		check = oneOf(imsFormatInvalid, "bare")
	case "disk_format":
		check = imsFormats
	default:
		if _, listed := imsCreateAttributes[name]; listed {
			break
		}
		if refused := rq.mayModify(name, imsAttributeOf(name)); refused != nil {
			return refused
		}
	}
	stored, code := check(rq, value)
	if code != "" {
		return imsError(code)
	}
	next.attributes[name] = stored
	return nil
}

// upload takes the data of a queued image, which makes it active. The simulator
// keeps what IMS adds to an image and forgets the data.
func (rq *imsRequest) upload(arguments []string) refusal {
	i, refused := rq.lookupToWrite(arguments[0])
	if refused != nil {
		return refused
	}
	if mediaType(rq.r.Header) != "application/octet-stream" {
		return imsError(imsMalformed)
	}
	if i.text("status") != "queued" {
		return imsError(imsUnavailable)
	}
	next := i.clone()
	for name, value := range rq.sim.imsServerAttributes("private") {
		if stored, ok := next.attributes[name]; !ok || stored == nil {
			next.attributes[name] = value
		}
	}
	next.attributes["status"] = "active"
	next.attributes["__image_size"] = strconv.Itoa(len(rq.body))
	next.updated = rq.sim.clock.now()
	if refused := rq.save(next); refused != nil {
		return refused
	}
	rq.w.WriteHeader(http.StatusNoContent)
	return nil
}
