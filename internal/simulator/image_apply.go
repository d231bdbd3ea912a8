package simulator

import (
	"maps"
	"net/http"
	"strings"
)

// attributeKind says what Glance does with a patched name that is no property
// because the Python object behind the image has an attribute of that name.
type attributeKind int

const (
	notAttribute attributeKind = iota
	// coreAttribute is a documented attribute, whose setter stores it.
	coreAttribute
	// swallowedAttribute takes the value and forgets it with the request: the
	// answer is 200 and nothing is stored.
	swallowedAttribute
	// unsettableAttribute cannot be set at all, which ends in 500.
	unsettableAttribute
	// detachingAttribute replaces the object that would be saved: 500 at the end.
	detachingAttribute
	// propertiesAttribute replaces the table of properties with a string.
	propertiesAttribute
	// idAttribute changes the id under which the image is saved.
	idAttribute
	// memberAttribute changes the project to which policies compare the caller.
	memberAttribute
)

// attributes lists the names that collide (measured on Glance 25.1). The
// outermost object differs when property protections are on, see attributeOf.
var attributes = func() map[string]attributeKind {
	table := map[string]attributeKind{
		"__class__": unsettableAttribute, "__dict__": unsettableAttribute, "__weakref__": unsettableAttribute,
		"base": detachingAttribute, "extra_properties": propertiesAttribute,
		"image_id": idAttribute, "member": memberAttribute,
	}
	for _, name := range []string{"name", "visibility", "min_disk", "min_ram", "protected", "os_hidden", "owner",
		"disk_format", "container_format", "tags", "locations", "created_at", "updated_at", "status", "checksum",
		"size", "virtual_size", "os_hash_algo", "os_hash_value"} {
		table[name] = coreAttribute
	}
	for _, name := range []string{"context", "helper", "delete", "deactivate", "reactivate", "get_data", "set_data",
		"__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__", "__getstate__",
		"__gt__", "__hash__", "__init__", "__init_subclass__", "__le__", "__lt__", "__module__", "__ne__", "__new__",
		"__reduce__", "__reduce_ex__", "__repr__", "__setattr__", "__sizeof__", "__str__", "__subclasshook__"} {
		table[name] = swallowedAttribute
	}
	return table
}()

// unprotectedAttributes are further swallowed names without property
// protections, protectedAttributes those with them.
var (
	unprotectedAttributes = nameSet("repo", "notifier", "get_payload", "send_notification", "get_super_class",
		"_abc_impl", "__abstractmethods__", "_format_image_send", "_format_import_properties", "_get_chunk_data_iterator")
	protectedAttributes = nameSet("image", "property_rules")
)

// attributeOf classifies a patched name.
func (p protections) attributeOf(name string) attributeKind {
	if kind, ok := attributes[name]; ok {
		return kind
	}
	if p == nil && unprotectedAttributes[name] || p != nil && protectedAttributes[name] {
		return swallowedAttribute
	}
	return notAttribute
}

// present tells whether the object still has the attribute: those that it hands
// on to the object behind it are gone once that is replaced.
func (w *workingImage) present(kind attributeKind) bool {
	if kind == notAttribute {
		return false
	}
	if !w.detached {
		return true
	}
	switch kind {
	case swallowedAttribute, unsettableAttribute, detachingAttribute:
		return true
	default:
		return false
	}
}

// errProgram stands for any Python error that Glance does not expect.
func errProgram() *apiError { return bare(http.StatusInternalServerError) }

// holds tells whether there is a property of this name that the caller may read.
func (rq *imageRequest) holds(w *workingImage, name string) (bool, *apiError) {
	if w.detached {
		return false, errProgram()
	}
	if w.propertiesText != nil {
		return strings.Contains(*w.propertiesText, name), nil
	}
	_, ok := w.properties[name]
	return ok && rq.sim.protections.allow(readProperty, name, rq.caller), nil
}

// apply carries out one change in memory. Nothing of a patch is stored before
// all of its changes have gone through.
func (rq *imageRequest) apply(w *workingImage, c change) *apiError {
	name := c.path[0]
	if name == "locations" {
		return rq.applyLocations(w, c)
	}
	if c.op == "replace" && name == "owner" && !rq.caller.admin() {
		return detailf(http.StatusForbidden, "Owner can't be updated by non admin.")
	}
	if fault := rq.mayUpdate(w, c); fault != nil {
		return fault
	}
	kind := rq.sim.protections.attributeOf(name)
	present := w.present(kind)
	switch c.op {
	case "replace":
		if present {
			return w.setAttribute(kind, name, c.value)
		}
		held, fault := rq.holds(w, name)
		if fault != nil {
			return fault
		}
		if !held {
			return detailf(http.StatusConflict, "Property %s does not exist.", name)
		}
		return rq.setProperty(w, name, c.value)
	case "add":
		held := false
		if !present {
			var fault *apiError
			if held, fault = rq.holds(w, name); fault != nil {
				return fault
			}
		}
		if (present || held) && c.dialect == dialectV20 {
			return detailf(http.StatusConflict, "Property %s already present.", name)
		}
		if present {
			return w.setAttribute(kind, name, c.value)
		}
		return rq.setProperty(w, name, c.value)
	default:
		if present {
			return detailf(http.StatusForbidden, "Property %s may not be removed.", name)
		}
		held, fault := rq.holds(w, name)
		if fault != nil {
			return fault
		}
		if !held {
			return detailf(http.StatusConflict, "Property %s does not exist.", name)
		}
		return rq.removeProperty(w, name)
	}
}

// mayUpdate checks the policies of a change.
func (rq *imageRequest) mayUpdate(w *workingImage, c change) *apiError {
	policy := rq.policy()
	if c.path[0] == "visibility" && c.op != "remove" {
		if fault := policy.enforceVisibility(as[string](c.value), rq.caller, w.target()); fault != nil {
			return fault
		}
	}
	if w.detached && policy == PolicyLegacy && !rq.caller.admin() {
		return errProgram()
	}
	return policy.enforceWrite("modify_image", rq.caller, w)
}

// applyLocations refuses every change of where the data is: a client may only
// make one when the operator shows locations, which 25.1 does not by default.
func (rq *imageRequest) applyLocations(w *workingImage, c change) *apiError {
	verbs := map[string]string{"add": "add", "replace": "update", "remove": "remove"}
	if list, ok := c.value.([]any); c.op == "replace" && ok && len(list) == 0 {
		return detailf(http.StatusForbidden, "Cannot set locations to empty list.")
	}
	rule := "set_image_location"
	if c.op == "remove" {
		rule = "delete_image_location"
	}
	policy := rq.policy()
	if fault := policy.enforceOnImage(rule, rq.caller, w.target()); fault != nil {
		return fault
	}
	if c.op == "remove" && policy == PolicyLegacy {
		if w.detached && !rq.caller.admin() {
			return errProgram()
		}
		if fault := rq.caller.mutable(w.owner); fault != nil {
			return fault
		}
	}
	return explainf(http.StatusForbidden, "It's not allowed to %s locations if locations are invisible.", verbs[c.op])
}

// setAttribute is Python's setattr on the image.
func (w *workingImage) setAttribute(kind attributeKind, name string, value any) *apiError {
	switch kind {
	case swallowedAttribute:
		return nil
	case unsettableAttribute:
		return errProgram()
	case detachingAttribute:
		w.detached = true
		return nil
	case propertiesAttribute:
		text := as[string](value)
		w.propertiesText = &text
		return nil
	case idAttribute:
		w.id = as[string](value)
		return nil
	case memberAttribute:
		w.member = as[string](value)
		return nil
	default:
		return w.setCore(name, value)
	}
}

func (w *workingImage) setCore(name string, value any) *apiError {
	switch name {
	case "name":
		w.name = stringOrNull(value)
	case "owner":
		w.owner = stringOrNull(value)
	case "visibility":
		w.visibility = as[string](value)
	case "protected":
		w.protected = as[bool](value)
	case "os_hidden":
		w.hidden = as[bool](value)
	case "min_disk":
		return setSize(&w.minDisk, name, value)
	case "min_ram":
		return setSize(&w.minRAM, name, value)
	case "disk_format":
		return w.setFormat(&w.diskFormat, name, value)
	case "container_format":
		return w.setFormat(&w.containerFormat, name, value)
	case "tags":
		return w.setTags(as[[]any](value))
	}
	return nil
}

func stringOrNull(v any) *string {
	if v == nil {
		return nil
	}
	s := as[string](v)
	return &s
}

func setSize(to *number, name string, value any) *apiError {
	n := number{value}
	if n.negative() {
		return explainf(http.StatusBadRequest, "Invalid value '%s' for parameter '%s': Cannot be a negative value", pythonStr(value), name)
	}
	*to = n
	return nil
}

// setFormat refuses a format once there is data, also the one that is there.
func (w *workingImage) setFormat(to **string, name string, value any) *apiError {
	if w.status != "queued" && w.status != "importing" {
		return explainf(http.StatusForbidden, "Attribute %s can be only replaced for a queued image.", name)
	}
	*to = stringOrNull(value)
	return nil
}

// setTags counts repeated tags against the quota before it merges them.
func (w *workingImage) setTags(list []any) *apiError {
	tags := make([]string, len(list))
	for i, t := range list {
		tags[i] = as[string](t)
	}
	if fault := w.quotas.checkTags(len(tags)); fault != nil {
		return fault
	}
	w.tags = unique(tags)
	return nil
}

// setProperty stores a property in memory, as far as protections allow.
func (rq *imageRequest) setProperty(w *workingImage, name string, value any) *apiError {
	if w.propertiesText != nil || w.detached {
		return errProgram()
	}
	p := rq.sim.protections
	if p == nil {
		w.properties[name] = stringOrNull(value)
		return nil
	}
	current, ok := w.properties[name]
	action := createProperty
	if ok && p.allow(readProperty, name, rq.caller) {
		if current == nil {
			// Glance takes a null for a value that is not there and then does nothing.
			return nil
		}
		action = updateProperty
	}
	if !p.allow(action, name, rq.caller) {
		return explainf(http.StatusForbidden, "Attribute '%s' is reserved.", name)
	}
	w.properties[name] = stringOrNull(value)
	return nil
}

func (rq *imageRequest) removeProperty(w *workingImage, name string) *apiError {
	if w.propertiesText != nil {
		return errProgram()
	}
	if !rq.sim.protections.allow(deleteProperty, name, rq.caller) {
		return explainf(http.StatusForbidden, "Attribute '%s' is reserved.", name)
	}
	delete(w.properties, name)
	return nil
}

// open starts a request's work on an image: the caller's own copy of all that
// it may read.
func (rq *imageRequest) open(r *imageRecord) *workingImage {
	w := rq.shell(r)
	if rq.sim.protections != nil {
		w.properties = rq.sim.protections.visible(r.properties, rq.caller)
		return w
	}
	w.properties = make(map[string]*string, len(r.properties)+1)
	maps.Copy(w.properties, r.properties)
	return w
}

// shell is open without the properties.
func (rq *imageRequest) shell(r *imageRecord) *workingImage {
	w := &workingImage{
		record: r, id: r.id, name: r.name, status: r.status, visibility: r.visibility,
		protected: r.protected, hidden: r.hidden, minDisk: integer(r.minDisk), minRAM: integer(r.minRAM),
		owner: r.owner, diskFormat: r.diskFormat, containerFormat: r.containerFormat,
		tags: r.tags, located: r.located, quotas: rq.sim.quotas,
	}
	if r.visibility == "shared" && !rq.caller.owns(r.owner) {
		w.member = rq.caller.project
	}
	if r.status == "deactivated" && !rq.caller.admin() {
		w.located = false
	}
	return w
}
