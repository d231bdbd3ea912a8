package simulator

import (
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"slices"
)

// disallowedAttributes are refused in the body of a create before anything else.
var disallowedAttributes = []string{"direct_url", "self", "file", "schema", "stores"}

// readOnlyAtCreate are refused by the object that a create makes, in this order.
var readOnlyAtCreate = []string{"created_at", "updated_at", "status", "checksum", "size", "virtual_size"}

// baseAttributes are the members of a create that are no properties. The hashes
// are missing, so a create stores them as properties that nobody ever sees.
var baseAttributes = nameSet("checksum", "created_at", "container_format", "disk_format", "id", "min_disk", "min_ram",
	"name", "size", "virtual_size", "status", "tags", "owner", "updated_at", "visibility", "protected", "os_hidden")

func (rq *imageRequest) createImage([]string) *apiError {
	body, fault := rq.requestBody()
	if fault != nil {
		return fault
	}
	image, fault := deserializeCreate(body)
	if fault != nil {
		return fault
	}
	w, fault := rq.newImage(image)
	if fault != nil {
		return fault
	}
	stored, fault := rq.insert(w)
	if fault != nil {
		return fault
	}
	rq.w.Header().Set("Location", rq.location()+"/v2/images/"+w.id)
	rq.w.Header().Set("Openstack-Image-Import-Methods", "glance-direct,web-download,copy-image")
	rq.w.Header().Set("Openstack-Image-Store-Ids", storeID)
	writeJSON(rq.w, rq.r, http.StatusCreated, w.document(stored.updated))
	return nil
}

// location is what the Location header starts with. Glance joins the image's path
// to the host, so a path under which the service is reached gets lost.
func (rq *imageRequest) location() string {
	if rq.sim.assumption(assumeLocation) == "kept" {
		return rq.base
	}
	return baseURL(rq.r)
}

func deserializeCreate(body any) (*jsonObject, *apiError) {
	image, isObject := body.(*jsonObject)
	for _, name := range disallowedAttributes {
		var present bool
		if isObject {
			_, present = image.get(name)
		} else {
			present = slices.Contains(as[[]any](body), any(name))
		}
		if present {
			return nil, explainf(http.StatusForbidden, "Attribute '%s' is read-only.", name)
		}
	}
	if !isObject {
		return nil, errProgram()
	}
	if fault := validateImage(image); fault != nil {
		return nil, fault
	}
	for _, name := range image.keys {
		if baseAttributes[name] {
			continue
		}
		if len(codePoints(name)) > 255 {
			return nil, explain(http.StatusBadRequest, "Custom property should not be greater than 255 characters.")
		}
		if reservedName(name) {
			return nil, detailf(http.StatusForbidden, "Attribute '%s' is reserved.", name)
		}
	}
	return image, nil
}

// newImage builds the image of a create and checks who may make it.
func (rq *imageRequest) newImage(body *jsonObject) (*workingImage, *apiError) {
	now := rq.sim.clock.now()
	w := &workingImage{
		record: &imageRecord{created: now, updated: now},
		id:     newUUID(), status: "queued", visibility: "shared",
		minDisk: integer(0), minRAM: integer(0),
		properties: map[string]*string{}, quotas: rq.sim.quotas,
	}
	if project := rq.caller.project; project != "" {
		w.owner = &project
	}
	if owner, ok := body.get("owner"); ok {
		w.owner = stringOrNull(owner)
	}
	target := policyTarget{owner: w.owner, visibility: "private"}
	if v, ok := body.get("visibility"); ok {
		w.visibility = as[string](v)
		target.visibility = w.visibility
	}
	if fault := rq.mayCreate(target); fault != nil {
		return nil, fault
	}
	for _, name := range body.keys {
		if baseAttributes[name] {
			continue
		}
		if !rq.sim.protections.allow(createProperty, name, rq.caller) {
			return nil, explainf(http.StatusForbidden, "Attribute '%s' is reserved.", name)
		}
		if name != "locations" {
			w.properties[name] = stringOrNull(body.members[name])
		}
	}
	if tags, ok := body.get("tags"); ok {
		if fault := w.setTags(as[[]any](tags)); fault != nil {
			return nil, fault
		}
	}
	for _, name := range readOnlyAtCreate {
		if _, ok := body.get(name); ok {
			return nil, explainf(http.StatusForbidden, "Attribute '%s' is read-only.", name)
		}
	}
	if _, ok := body.get("locations"); ok {
		return nil, explain(http.StatusForbidden, "Attribute 'locations' is reserved.")
	}
	if id, ok := body.get("id"); ok {
		w.id = as[string](id)
	}
	for _, name := range []string{"name", "min_disk", "min_ram", "protected", "os_hidden", "disk_format", "container_format"} {
		value, ok := body.get(name)
		if !ok {
			continue
		}
		if fault := w.setCore(name, value); fault != nil {
			return nil, fault
		}
	}
	if rq.sim.protections != nil {
		w.properties = rq.sim.protections.visible(w.properties, rq.caller)
	}
	return w, nil
}

// mayCreate checks the policies of a create. Only an administrator makes an
// image for somebody else.
func (rq *imageRequest) mayCreate(target policyTarget) *apiError {
	policy := rq.policy()
	foreign := "None"
	if target.owner != nil {
		foreign = *target.owner
	}
	own := target.owner == nil && rq.caller.project == "" || rq.caller.owns(target.owner)
	if fault := policy.enforce("add_image", rq.caller, target); fault != nil {
		if !own {
			return detailf(http.StatusForbidden, "You are not permitted to create images owned by '%s'", foreign)
		}
		return fault
	}
	if fault := policy.enforceVisibility(target.visibility, rq.caller, target); fault != nil {
		return fault
	}
	if policy == PolicyLegacy && !own && !rq.caller.admin() {
		return explainf(http.StatusForbidden, "You are not permitted to create images owned by '%s'.", foreign)
	}
	return nil
}

// insert stores a new image in the two steps of save: a tag that cannot be
// stored leaves the image behind without it.
func (rq *imageRequest) insert(w *workingImage) (*imageRecord, *apiError) {
	if fault := w.quotas.checkProperties(w.properties); fault != nil {
		return nil, fault
	}
	if fault := checkCharacters(w); fault != nil {
		return nil, fault
	}
	minDisk, minRAM, fault := checkSizes(w)
	if fault != nil {
		return nil, fault
	}
	rq.awaitCommit()
	st := rq.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.images[w.id] != nil || st.deleted[w.id] {
		return nil, explainf(http.StatusConflict, "Image ID %s already exists!", w.id)
	}
	next := &imageRecord{
		id: w.id, name: w.name, status: w.status, visibility: w.visibility,
		protected: w.protected, hidden: w.hidden, minDisk: minDisk, minRAM: minRAM,
		owner: w.owner, diskFormat: w.diskFormat, containerFormat: w.containerFormat,
		properties: w.properties, created: w.record.created, updated: w.record.updated,
	}
	if next.owner != nil && *next.owner == "" {
		next.owner = nil
	}
	if !storable(next) {
		return nil, errProgram()
	}
	if fault := rq.sim.checkDatabase(next); fault != nil {
		return nil, fault
	}
	next.tags, fault = commitTags(nil, w.tags)
	rq.put(next)
	return next, fault
}

// uploadImage takes the data of a queued image, which makes it active. The
// simulator keeps its size and hashes and forgets the data.
func (rq *imageRequest) uploadImage(arguments []string) *apiError {
	if mediaType(rq.r.Header) != "application/octet-stream" {
		return bare(http.StatusUnsupportedMediaType)
	}
	id := arguments[0]
	w, fault := rq.lookup(id)
	if fault != nil {
		return fault
	}
	policy := rq.policy()
	if fault := policy.enforceOnImage("upload_image", rq.caller, w.target()); fault != nil {
		return fault
	}
	if policy == PolicyLegacy && rq.caller.mutable(w.owner) != nil {
		return explainf(http.StatusForbidden, "Not allowed to upload image data for image %s", id)
	}
	if w.status != "queued" {
		return explainf(http.StatusConflict, "Image status transition from %s to saving is not allowed", w.status)
	}
	switch {
	case w.diskFormat == nil && w.containerFormat == nil:
		return explain(http.StatusBadRequest, "Properties disk_format, container_format must be set prior to saving data.")
	case w.diskFormat == nil:
		return explain(http.StatusBadRequest, "Property disk_format must be set prior to saving data.")
	case w.containerFormat == nil:
		return explain(http.StatusBadRequest, "Property container_format must be set prior to saving data.")
	}
	w.status = "active"
	w.record = withData(w.record, rq.body)
	if _, fault := rq.save(w); fault != nil {
		return fault
	}
	rq.noContent()
	return nil
}

// withData returns a record with the size and the hashes of its data.
func withData(r *imageRecord, data []byte) *imageRecord {
	next := r.clone()
	size := int64(len(data))
	next.size = &size
	if size > 0 && inspected(next) {
		next.virtualSize = &size
	}
	next.located = true
	md5Sum, sha := md5.Sum(data), sha512.Sum512(data)
	checksum, algorithm, hash := hex.EncodeToString(md5Sum[:]), "sha512", hex.EncodeToString(sha[:])
	next.checksum, next.hashAlgorithm, next.hashValue = &checksum, &algorithm, &hash
	return next
}

// inspected tells whether the virtual size is known: Glance looks at the data of
// bare images only, and what it finds of a raw one is its size.
func inspected(r *imageRecord) bool {
	return r.containerFormat != nil && *r.containerFormat == "bare" && r.diskFormat != nil && *r.diskFormat == "raw"
}

func (rq *imageRequest) deactivateImage(arguments []string) *apiError {
	return rq.changeStatus(arguments[0], "deactivate", "active", "deactivated")
}

func (rq *imageRequest) reactivateImage(arguments []string) *apiError {
	return rq.changeStatus(arguments[0], "reactivate", "deactivated", "active")
}

// changeStatus moves an image between active and deactivated; it is no change
// when the image is there already.
func (rq *imageRequest) changeStatus(id, rule, from, to string) *apiError {
	w, fault := rq.lookup(id)
	if fault != nil {
		return fault
	}
	if fault := rq.policy().enforceWrite(rule, rq.caller, w); fault != nil {
		return fault
	}
	switch w.status {
	case from:
		w.status = to
		if _, fault := rq.save(w); fault != nil {
			return fault
		}
	case to:
	default:
		return explainf(http.StatusForbidden, "Not allowed to %s image in status '%s'", rule, w.status)
	}
	rq.noContent()
	return nil
}
