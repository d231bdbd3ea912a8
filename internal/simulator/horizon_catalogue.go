package simulator

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// catalogueKind is a kind of object of the image catalogue, which the vendor
// calls image management.
type catalogueKind struct {
	// path is that of the collection below /config/v1.
	path string
	// title and key stand in messages and in their keys.
	title, key string
	// views are the privileges of which a reader has to have one.
	views  []privilege
	fields []horizonField
	// listed are the fields by which lists can be filtered and sorted.
	listed []listField
	// named are the fields whose values only one object can have together. Names
	// are unique within a stream, a tag's by the documents, a version's by analogy.
	named []string
	// progress is what follows each status where the catalogue is assumed to work
	// on its objects.
	progress map[string]string
}

// The statuses of objects of the catalogue that mean something to others.
const (
	statusAvailable = "AVAILABLE"
	statusPartially = "PARTIALLY_AVAILABLE"
	statusDeleted   = "DELETED"
)

var (
	assetStatuses = valuesOf("AVAILABLE DELETED DEPLOYING_VM DEPLOYMENT_DONE DISABLED FAILED REPLICATING RETRY_PENDING SPECIALIZING_VM")
	cloneTypes    = valuesOf("FULL_CLONE INSTANT_CLONE")
	imageTypes    = valuesOf("RDSH_APPS RDSH_DESKTOP VDI_DESKTOP")
	systems       = append(valuesOf("LINUX_CENTOS LINUX_OTHER LINUX_RHEL LINUX_SERVER_OTHER LINUX_SUSE LINUX_UBUNTU UNKNOWN WINDOWS_10 "+
		"WINDOWS_7 WINDOWS_8 WINDOWS_SERVER_2003 WINDOWS_SERVER_2008 WINDOWS_SERVER_2008_R2 WINDOWS_SERVER_2012 "+
		"WINDOWS_SERVER_2012_R2 WINDOWS_SERVER_2016_OR_ABOVE WINDOWS_VISTA WINDOWS_XP"),
		releasedValue{"WINDOWS_11", "2209"}, releasedValue{"MACOS_15", "2512"})

	details     = horizonField{name: "additional_details", create: optional, update: optional, kind: detailsField}
	description = horizonField{name: "description", create: optional, update: optional, check: checkCatalogueText}
	streamOf    = horizonField{name: "im_stream_id", create: required}
)

var streamKind = &catalogueKind{
	path: "im-streams", title: "Image management stream", key: "config.im-stream",
	views: []privilege{globalConfigView, vcConfigView},
	fields: []horizonField{
		details, description,
		{name: "name", create: required, update: required, check: checkName},
		{name: "operating_system", create: required, update: required, values: systems},
		{name: "publisher", create: optional, update: optional},
		{name: "source", create: required, update: required, values: valuesOf("COPIED_FROM_STREAM COPIED_FROM_VERSION MARKET_PLACE UPLOADED")},
		{name: "status", create: required, update: required,
			values: valuesOf("AVAILABLE DELETED DISABLED FAILED IN_PROGRESS PARTIALLY_AVAILABLE PENDING")},
	},
	listed: []listField{
		{"description", "", releaseLists}, {"id", byValue, neverReleased}, {"name", byText, releaseLists}, {"operating_system", byValue, releaseLists},
		{"publisher", byText, releaseLists}, {"source", byValue, releaseLists}, {"status", byValue, releaseLists}, {"usable", "", releaseLists},
	},
	named:    []string{"name"},
	progress: map[string]string{"PENDING": "IN_PROGRESS", "IN_PROGRESS": statusAvailable},
}

var versionKind = &catalogueKind{
	path: "im-versions", title: "Image management version", key: "config.im-version",
	views: []privilege{globalConfigView},
	fields: []horizonField{
		details, description, streamOf,
		{name: "name", create: required, update: required, check: checkVersionName},
		{name: "status", create: required, update: required,
			values: valuesOf("AVAILABLE DELETED DEPLOYING_VM DEPLOYMENT_DONE DISABLED FAILED PARTIALLY_AVAILABLE PUBLISHING REPLICATING")},
	},
	listed: []listField{
		{"description", byText, releaseLists}, {"id", byValue, neverReleased}, {"im_stream_id", byValue, neverReleased},
		{"name", byText, releaseLists}, {"status", byValue, releaseLists},
	},
	named: []string{"im_stream_id", "name"},
	progress: map[string]string{
		"DEPLOYING_VM": "DEPLOYMENT_DONE", "DEPLOYMENT_DONE": "PUBLISHING", "PUBLISHING": "REPLICATING", "REPLICATING": statusAvailable,
	},
}

var tagKind = &catalogueKind{
	path: "im-tags", title: "Image management tag", key: "config.im-tag",
	views: []privilege{globalConfigView, vcConfigView},
	fields: []horizonField{
		details, streamOf,
		{name: "im_version_id", create: required, update: required},
		{name: "name", create: required, update: required, check: checkName},
	},
	listed: []listField{
		{"description", byText, releaseLists}, {"id", byValue, neverReleased}, {"im_stream_id", byValue, neverReleased}, {"im_version_id", byValue, neverReleased},
		{"name", byText, neverReleased},
	},
	named: []string{"im_stream_id", "name"},
}

var assetKind = &catalogueKind{
	path: "im-assets", title: "Image management asset", key: "config.im-asset",
	views: []privilege{globalConfigView},
	fields: []horizonField{
		details,
		{name: "base_snapshot_id", create: optional},
		{name: "base_vm_id", create: optional},
		{name: "clone_type", create: required, update: required, values: cloneTypes},
		streamOf,
		{name: "im_version_id", create: required},
		{name: "image_type", create: required, update: required, values: imageTypes},
		{name: "status", create: required, update: required, values: assetStatuses},
		{name: "vcenter_id", create: required},
		{name: "vm_template_id", create: optional},
	},
	listed: []listField{
		{"base_snapshot_id", byValue, neverReleased}, {"base_vm_id", byValue, neverReleased}, {"clone_type", byValue, releaseLists}, {"datacenter_id", byValue, neverReleased},
		{"id", byValue, neverReleased}, {"im_stream_id", byValue, neverReleased}, {"im_version_id", byValue, neverReleased}, {"image_type", byValue, releaseLists},
		{"status", byValue, releaseLists}, {"vcenter_id", byValue, neverReleased}, {"vm_template_id", byValue, neverReleased},
	},
	progress: map[string]string{
		"RETRY_PENDING": "DEPLOYING_VM", "DEPLOYING_VM": "DEPLOYMENT_DONE", "DEPLOYMENT_DONE": "SPECIALIZING_VM",
		"SPECIALIZING_VM": "REPLICATING", "REPLICATING": statusAvailable,
	},
}

var catalogueKinds = []*catalogueKind{streamKind, versionKind, tagKind, assetKind}

// inUse tells whether something depends on an object. The asset's rule is the
// View API's: it can be deleted only if its stream is not in use.
func (h *horizon) inUse(o *catalogueObject) bool {
	switch o.kind {
	case streamKind:
		return h.poolFollows(o.id, "") || len(h.within(versionKind, "im_stream_id", o.id)) > 0 || len(h.within(tagKind, "im_stream_id", o.id)) > 0
	case versionKind:
		return len(h.within(assetKind, "im_version_id", o.id)) > 0 || len(h.within(tagKind, "im_version_id", o.id)) > 0
	case tagKind:
		return h.poolFollows(o.values.text("im_stream_id"), o.id)
	default:
		return h.poolFollows(o.values.text("im_stream_id"), "")
	}
}

// check returns what is wrong with the references of an object.
func (h *horizon) check(kind *catalogueKind, values horizonValues) []horizonMessage {
	switch kind {
	case versionKind:
		return h.missing(streamKind, values.text("im_stream_id"))
	case tagKind:
		return h.checkVersionOfStream(values)
	case assetKind:
		return h.checkAsset(values)
	default:
		return nil
	}
}

// assetTwin are the fields of which the catalogue is assumed to take one asset
// with the same values.
var assetTwin = []string{"im_version_id", "vcenter_id", "clone_type", "image_type"}

// catalogueObject is a stream, a version, a tag or an asset.
type catalogueObject struct {
	kind   *catalogueKind
	id     string
	values horizonValues
	// since is when it got its status.
	since time.Time
}

// live tells whether an object counts: what is marked as deleted does not.
func (o *catalogueObject) live() bool { return o.values.text("status") != statusDeleted }

// catalogue holds the objects in the order of their creation.
type catalogue []*catalogueObject

func (c catalogue) clone() catalogue {
	out := make(catalogue, len(c))
	for i, o := range c {
		copied := *o
		copied.values = maps.Clone(o.values)
		out[i] = &copied
	}
	return out
}

// statusStep is how long an object stays in a status of its progress.
const statusStep = time.Minute

// proceed lets objects progress up to now, where they are assumed to.
func (c catalogue) proceed(s *Simulator) {
	if s.assumption(assumeStatus) != "progresses" {
		return
	}
	now := s.clock.now()
	for _, o := range c {
		for {
			next, ok := o.kind.progress[o.values.text("status")]
			if !ok || now.Sub(o.since) < statusStep {
				break
			}
			o.values["status"], o.since = next, o.since.Add(statusStep)
		}
	}
}

// object finds an object of a kind; a nil kind means any.
func (h *horizon) object(kind *catalogueKind, id string) *catalogueObject {
	i := slices.IndexFunc(h.catalogue, func(o *catalogueObject) bool { return o.id == id && (kind == nil || o.kind == kind) })
	if i < 0 {
		return nil
	}
	return h.catalogue[i]
}

// within lists the live objects of a kind that refer to another.
func (h *horizon) within(kind *catalogueKind, field, id string) []*catalogueObject {
	var out []*catalogueObject
	for _, o := range h.catalogue {
		if o.kind == kind && o.live() && o.values.text(field) == id {
			out = append(out, o)
		}
	}
	return out
}

// missing is the objection to a reference to what is not there.
func (h *horizon) missing(kind *catalogueKind, id string) []horizonMessage {
	if o := h.object(kind, id); o != nil && o.live() {
		return nil
	}
	return []horizonMessage{message(kind.key+".not.found", "%s %s does not exist.", kind.title, id)}
}

func (h *horizon) checkVersionOfStream(values horizonValues) []horizonMessage {
	stream, version := values.text("im_stream_id"), values.text("im_version_id")
	problems := slices.Concat(h.missing(streamKind, stream), h.missing(versionKind, version))
	if len(problems) == 0 && h.object(versionKind, version).values.text("im_stream_id") != stream {
		problems = append(problems, message("config.im-version.stream.mismatch",
			"Image management version %s does not belong to image management stream %s.", version, stream))
	}
	return problems
}

// checkAsset holds an asset against the catalogue and against the vCenter that
// it says it is in.
func (h *horizon) checkAsset(values horizonValues) []horizonMessage {
	problems := h.checkVersionOfStream(values)
	vm, snapshot, template := values.text("base_vm_id"), values.text("base_snapshot_id"), values.text("vm_template_id")
	vc := h.vcenter(values.text("vcenter_id"))
	bad := func(format string, args ...any) {
		problems = append(problems, message("config.im-asset.image.invalid", format, args...))
	}
	switch {
	case vc == nil:
		bad("Virtual Center %s does not exist.", values.text("vcenter_id"))
	case template == "" && (vm == "" || snapshot == ""):
		bad("Base VM ID and base snapshot ID must be set if VM template ID is unset.")
	case template != "" && (vm != "" || snapshot != ""):
		bad("Base VM ID and base snapshot ID must not be set if VM template ID is set.")
	case template != "":
		if vc.template(template) == nil {
			bad("VM template %s does not exist.", template)
		}
	case vc.vm(vm) == nil:
		bad("Base VM %s does not exist.", vm)
	case vc.vm(vm).snapshot(snapshot) == nil:
		bad("Base snapshot %s is not a snapshot of base VM %s.", snapshot, vm)
	}
	return problems
}

// datacenterOf is the datacenter of an asset's image, "" when it is gone.
func (h *horizon) datacenterOf(values horizonValues) string {
	vc := h.vcenter(values.text("vcenter_id"))
	if vc == nil {
		return ""
	}
	if vm := vc.vm(values.text("base_vm_id")); vm != nil {
		return vm.datacenter.id
	}
	if template := vc.template(values.text("vm_template_id")); template != nil {
		return template.datacenter.id
	}
	return ""
}

// usable is a stream from which pools can be made.
func (h *horizon) usable(o *catalogueObject) bool {
	available := func(o *catalogueObject) bool {
		return o != nil && (o.values.text("status") == statusAvailable || o.values.text("status") == statusPartially)
	}
	return available(o) && slices.ContainsFunc(h.within(tagKind, "im_stream_id", o.id), func(tag *catalogueObject) bool {
		return available(h.object(versionKind, tag.values.text("im_version_id")))
	})
}

// document is an object as its answers show it. What is not set is left out.
func (h *horizon) document(o *catalogueObject) map[string]any {
	out := map[string]any{}
	maps.Copy(out, o.values)
	out["id"] = o.id
	switch o.kind {
	case streamKind:
		out["usable"] = h.usable(o)
	case assetKind:
		if id := h.datacenterOf(o.values); id != "" {
			out["datacenter_id"] = id
		}
	}
	return out
}

// twin finds another live object with the same values of some fields.
func (h *horizon) twin(kind *catalogueKind, fields []string, values horizonValues, self string) *catalogueObject {
	if len(fields) == 0 {
		return nil
	}
	for _, o := range h.catalogue {
		same := func(field string) bool { return o.values.text(field) == values.text(field) }
		if o.kind == kind && o.id != self && o.live() && !slices.ContainsFunc(fields, func(f string) bool { return !same(f) }) {
			return o
		}
	}
	return nil
}

// add checks and stores a new object.
func (rq *horizonRequest) add(kind *catalogueKind, values horizonValues) (*catalogueObject, *horizonError) {
	h := rq.horizon
	if problems := h.check(kind, values); len(problems) > 0 {
		return nil, &horizonError{http.StatusBadRequest, problems}
	}
	if h.twin(kind, kind.named, values, "") != nil {
		return nil, refuse(http.StatusConflict, kind.key+".name.exists", "%s with name %s already exists.", kind.title, values.text("name"))
	}
	if kind == assetKind && rq.sim.assumption(assumeAssetTwins) == "refused" && h.twin(kind, assetTwin, values, "") != nil {
		return nil, refuse(http.StatusConflict, kind.key+".exists",
			"%s for the version, the Virtual Center, the clone type and the image type already exists.", kind.title)
	}
	o := &catalogueObject{kind: kind, id: newUUID(), values: values, since: rq.sim.clock.now()}
	h.catalogue = append(h.catalogue, o)
	return o, nil
}

func (k *catalogueKind) notFound(id string) *horizonError {
	return refuse(http.StatusNotFound, k.key+".not.found", "%s %s does not exist.", k.title, id)
}

func catalogueRoutes() []horizonRoute {
	var routes []horizonRoute
	for _, k := range catalogueKinds {
		collection, one := "/config/v1/"+k.path, "/config/v1/"+k.path+"/{}"
		manage := []privilege{globalConfigManagement}
		routes = append(routes,
			horizonRoute{method: http.MethodGet, path: pathOf(collection), privileges: k.views, serve: k.serveList},
			horizonRoute{method: http.MethodPost, path: pathOf(collection), privileges: manage, writes: true, serve: k.serveCreate},
			horizonRoute{method: http.MethodPost, path: pathOf(collection + "/action/bulk-create"), privileges: manage, writes: true, serve: k.serveBulkCreate},
			horizonRoute{method: http.MethodGet, path: pathOf(one), privileges: k.views, serve: k.serveGet},
			horizonRoute{method: http.MethodPut, path: pathOf(one), privileges: manage, writes: true, serve: k.serveUpdate},
			horizonRoute{method: http.MethodDelete, path: pathOf(one), privileges: manage, writes: true, serve: k.serveDelete},
		)
	}
	return routes
}

func (k *catalogueKind) serveList(rq *horizonRequest, _ []string) (horizonAnswer, *horizonError) {
	objects, refused := rq.pick(k)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	rows := make([]map[string]any, len(objects))
	for i, o := range objects {
		rows[i] = rq.horizon.document(o)
	}
	return rq.list(rows, listRules{fields: k.listed, since: releaseLists})
}

func (k *catalogueKind) serveGet(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError) {
	o := rq.horizon.object(k, arguments[0])
	if o == nil {
		return horizonAnswer{}, k.notFound(arguments[0])
	}
	return horizonAnswer{status: http.StatusOK, body: rq.horizon.document(o)}, nil
}

func (k *catalogueKind) serveCreate(rq *horizonRequest, _ []string) (horizonAnswer, *horizonError) {
	values, refused := rq.readObject(k.fields, onCreate)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	o, refused := rq.add(k, values)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	return horizonAnswer{status: http.StatusCreated, header: rq.location("/config/v1/" + k.path + "/" + o.id)}, nil
}

// location is the header that names what was created, in the assumed form.
func (rq *horizonRequest) location(path string) map[string]string {
	switch rq.sim.assumption(assumeHorizonLocation) {
	case "absent":
		return nil
	case "path":
		return map[string]string{"Location": horizonPath + "/rest" + path}
	default:
		return map[string]string{"Location": rq.base + path}
	}
}

// serveBulkCreate creates what it can, and answers 200 with a result for each
// object, in their order.
func (k *catalogueKind) serveBulkCreate(rq *horizonRequest, _ []string) (horizonAnswer, *horizonError) {
	value, refused := rq.decodeBody()
	if refused != nil {
		return horizonAnswer{}, refused
	}
	objects, ok := value.([]any)
	if !ok {
		return horizonAnswer{}, errNotMapped("it is not an array")
	}
	results := make([]any, len(objects))
	for i, object := range objects {
		results[i] = rq.bulkItem(k, object)
	}
	return horizonAnswer{status: http.StatusOK, body: results}, nil
}

func (rq *horizonRequest) bulkItem(k *catalogueKind, object any) map[string]any {
	values, refused := rq.mapObject(object, k.fields, onCreate)
	if refused != nil {
		return rq.bulkResult("", refused)
	}
	o, refused := rq.add(k, values)
	if refused != nil {
		return rq.bulkResult("", refused)
	}
	return rq.bulkResult(o.id, nil)
}

// bulkResult is the result of one of several: of a success with the status of
// a creation, of a failure with its messages and without an id.
func (rq *horizonRequest) bulkResult(id string, refused *horizonError) map[string]any {
	at := rq.sim.clock.now()
	if refused == nil {
		return map[string]any{"id": id, "status_code": http.StatusCreated, "timestamp": at.UnixMilli()}
	}
	e := horizonRefusal{refused, rq.release, rq.session.language, at}
	item := map[string]any{"status_code": refused.status, "timestamp": at.UnixMilli(), "error_messages": e.texts()}
	if rq.release >= releaseErrorKeys {
		item["errors"] = e.keyed()
	}
	return item
}

// serveUpdate replaces the fields that an update has; the others stay.
func (k *catalogueKind) serveUpdate(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError) {
	o := rq.horizon.object(k, arguments[0])
	if o == nil {
		return horizonAnswer{}, k.notFound(arguments[0])
	}
	given, refused := rq.readObject(k.fields, onUpdate)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	next := maps.Clone(o.values)
	if rq.sim.assumption(assumeOmitted) == "cleared" {
		for _, f := range k.fields {
			if f.update != notTaken {
				delete(next, f.name)
			}
		}
	}
	maps.Copy(next, given)
	if k == tagKind {
		if problems := rq.horizon.checkVersionOfStream(next); len(problems) > 0 {
			return horizonAnswer{}, &horizonError{http.StatusBadRequest, problems}
		}
	}
	if rq.horizon.twin(k, k.named, next, o.id) != nil {
		return horizonAnswer{}, invalid(k.key+".name.exists", "%s with name %s already exists.", k.title, next.text("name"))
	}
	if next.text("status") != o.values.text("status") {
		o.since = rq.sim.clock.now()
	}
	o.values = next
	return horizonAnswer{status: http.StatusNoContent}, nil
}

// serveDelete removes an object that nothing depends on, or marks it as deleted.
func (k *catalogueKind) serveDelete(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError) {
	o := rq.horizon.object(k, arguments[0])
	marks := rq.sim.assumption(assumeDelete) == "marked"
	if o == nil || marks && !o.live() {
		return horizonAnswer{}, k.notFound(arguments[0])
	}
	if rq.horizon.inUse(o) {
		status := http.StatusBadRequest
		if rq.sim.assumption(assumeInUse) == "409" {
			status = http.StatusConflict
		}
		return horizonAnswer{}, refuse(status, k.key+".in.use", "%s %s is in use.", k.title, o.id)
	}
	if _, hasStatus := o.values["status"]; marks && hasStatus {
		o.values["status"] = statusDeleted
	} else {
		rq.horizon.catalogue = slices.DeleteFunc(rq.horizon.catalogue, func(each *catalogueObject) bool { return each == o })
	}
	return horizonAnswer{status: http.StatusNoContent}, nil
}
