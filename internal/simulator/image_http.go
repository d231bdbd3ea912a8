package simulator

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// imageRequest is one request to an image service.
type imageRequest struct {
	writeCourse

	sim    *Simulator
	store  *imageStore
	base   string // the service's address, without a slash at its end
	caller caller
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	// chunked tells that the request announced a body without its length.
	chunked bool
}

// policy returns the rules of the region's image service.
func (rq *imageRequest) policy() Policy {
	if policy, ok := rq.sim.options.RegionPolicies[rq.store.region]; ok {
		return policy
	}
	return rq.sim.options.Policy
}

// writeFate is what becomes of a write that succeeds.
type writeFate int

const (
	writeStored  writeFate = iota
	writeLost              // answered with the new document, not stored
	writeDropped           // answered with the old document, not stored
)

// writeCourse is what a programmed fault makes of a request's write.
type writeCourse struct {
	write  writeFate
	commit func(context.Context) error
}

// hold lets a programmed fault hold a write between its read and its save, so
// that other writes fall in between.
func (c writeCourse) hold(ctx context.Context) {
	if c.commit != nil {
		// An interrupted wait changes nothing: the save goes on, as Glance's does.
		_ = c.commit(ctx)
	}
}

func (rq *imageRequest) awaitCommit() { rq.hold(rq.r.Context()) }

// imageVersions are the versions that Glance 25.1 lists with a multi-store
// configuration, the current one first.
var imageVersions = []string{"v2.15", "v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.8", "v2.7", "v2.6", "v2.5",
	"v2.4", "v2.3", "v2.2", "v2.1", "v2.0"}

// imagePathVersions are the first path segments that lead to the API.
var imagePathVersions = nameSet(append([]string{"v2"}, imageVersions...)...)

// serveImage answers a request to the image service of a store; path is the
// escaped rest of the URL's path.
func (s *Simulator) serveImage(rq *imageRequest, path string) {
	w, r := rq.w, rq.r
	decoded, err := url.PathUnescape(path)
	if err != nil || !utf8.ValidString(decoded) {
		// The server's own layer fails, before anything could render an error.
		w.Header().Set("Content-Type", "text/plain")
		writeBody(w, r, http.StatusInternalServerError, nil)
		return
	}
	segments := splitPath(decoded)
	if len(segments) > 0 && segments[0] == "versions" {
		writeJSON(w, r, http.StatusOK, versionDocument(rq.base))
		return
	}
	if len(segments) == 0 || !imagePathVersions[segments[0]] {
		writeJSON(w, r, http.StatusMultipleChoices, versionDocument(rq.base))
		return
	}
	identity, ok := s.identity.authenticate(r.Header.Get("X-Auth-Token"), s.clock.now())
	if !ok {
		fault := bare(http.StatusUnauthorized)
		fault.header = http.Header{"Www-Authenticate": {fmt.Sprintf("Keystone uri=%q", baseURL(r)+"/identity")}}
		fault.write(w, r)
		return
	}
	rq.caller = identity
	requestID, fault := requestIDOf(r)
	if fault != nil {
		fault.write(w, r)
		return
	}
	w.Header().Set("X-Openstack-Request-Id", requestID)
	if fault := rq.route(segments[1:]); fault != nil {
		fault.write(w, r)
	}
}

// splitPath cuts a decoded path into segments. Slashes in a row count as one; a
// slash at the end leaves an empty last segment, which no route has.
func splitPath(path string) []string {
	var segments []string
	for _, segment := range strings.Split(path, "/") {
		if segment != "" {
			segments = append(segments, segment)
		}
	}
	if len(segments) > 0 && strings.HasSuffix(path, "/") {
		segments = append(segments, "")
	}
	return segments
}

// maxRequestID is the length from which Glance refuses a request id, with a
// 500 by its own mistake.
const maxRequestID = 64

func requestIDOf(r *http.Request) (string, *apiError) {
	id := r.Header.Get("X-Openstack-Request-Id")
	if id == "" {
		return "req-" + newUUID(), nil
	}
	if len(id) > maxRequestID {
		return "", errProgram()
	}
	if !strings.HasPrefix(id, "req-") {
		id = "req-" + id
	}
	return id, nil
}

func versionDocument(base string) any {
	type link struct {
		Rel  string `json:"rel"`
		Href string `json:"href"`
	}
	type version struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		Links  []link `json:"links"`
	}
	var versions []version
	for i, id := range imageVersions {
		status := "SUPPORTED"
		if i == 0 {
			status = "CURRENT"
		}
		versions = append(versions, version{ID: id, Status: status, Links: []link{{Rel: "self", Href: base + "/v2/"}}})
	}
	return map[string]any{"versions": versions}
}

// imageRoute is an address of the API: its segments, where {} stands for any
// one, and what answers each method.
type imageRoute struct {
	pattern []string
	methods []imageMethod
}

type imageMethod struct {
	name string
	// bodiless refuses a request that has a body.
	bodiless bool
	serve    func(rq *imageRequest, arguments []string) *apiError
}

// imageRoutes are the addresses that the simulator offers.
var imageRoutes []imageRoute

func init() {
	imageRoutes = []imageRoute{
		{[]string{"images"}, []imageMethod{
			{"GET", false, (*imageRequest).listImages},
			{"POST", false, (*imageRequest).createImage},
		}},
		{[]string{"images", "{}"}, []imageMethod{
			{"GET", true, (*imageRequest).showImage},
			{"PATCH", false, (*imageRequest).patchImage},
			{"DELETE", true, (*imageRequest).deleteImage},
		}},
		{[]string{"images", "{}", "file"}, []imageMethod{
			{"PUT", false, (*imageRequest).uploadImage},
		}},
		{[]string{"images", "{}", "actions", "deactivate"}, []imageMethod{
			{"POST", true, (*imageRequest).deactivateImage},
		}},
		{[]string{"images", "{}", "actions", "reactivate"}, []imageMethod{
			{"POST", true, (*imageRequest).reactivateImage},
		}},
		{[]string{"images", "{}", "tags", "{}"}, []imageMethod{
			{"PUT", true, (*imageRequest).putTag},
			{"DELETE", true, (*imageRequest).deleteTag},
		}},
		{[]string{"images", "{}", "members"}, []imageMethod{
			{"GET", true, (*imageRequest).listMembers},
			{"POST", false, (*imageRequest).createMember},
		}},
		{[]string{"images", "{}", "members", "{}"}, []imageMethod{
			{"GET", true, (*imageRequest).showMember},
			{"PUT", false, (*imageRequest).updateMember},
			{"DELETE", true, (*imageRequest).deleteMember},
		}},
		{[]string{"schemas", "image"}, []imageMethod{
			{"GET", false, (*imageRequest).showSchema},
		}},
	}
}

// match returns the segments that stand where the pattern has {}. Glance reads
// the bytes of a path as Latin-1, so a tag of é arrives as Ã© (measured on 25.1).
func (route imageRoute) match(segments []string) ([]string, bool) {
	if len(segments) != len(route.pattern) {
		return nil, false
	}
	var arguments []string
	for i, want := range route.pattern {
		switch {
		case want == "{}" && segments[i] != "":
			arguments = append(arguments, latin1(segments[i]))
		case want != segments[i]:
			return nil, false
		}
	}
	return arguments, true
}

// latin1 reads the bytes of s as one character each.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func (rq *imageRequest) route(segments []string) *apiError {
	if len(segments) == 0 {
		rq.w.Header().Set("Location", rq.base+"/v2/")
		rq.w.Header().Set("Content-Type", "text/plain; charset=utf8")
		writeBody(rq.w, rq.r, http.StatusFound, nil)
		return nil
	}
	for _, route := range imageRoutes {
		arguments, ok := route.match(segments)
		if !ok {
			continue
		}
		i := slices.IndexFunc(route.methods, func(m imageMethod) bool { return m.name == rq.r.Method })
		if i < 0 {
			return methodNotAllowed(route.methods)
		}
		if route.methods[i].bodiless && (len(rq.body) > 0 || rq.hasChunkedBody()) {
			return explain(http.StatusBadRequest, "A body is not expected with this request.")
		}
		return route.methods[i].serve(rq, arguments)
	}
	return bare(http.StatusNotFound)
}

// hasChunkedBody tells whether Glance takes a request without a length for one
// with a body, whether or not anything follows.
func (rq *imageRequest) hasChunkedBody() bool {
	switch rq.r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return rq.chunked
	default:
		return false
	}
}

func methodNotAllowed(methods []imageMethod) *apiError {
	var names []string
	for _, m := range methods {
		names = append(names, m.name)
	}
	fault := bare(http.StatusMethodNotAllowed)
	fault.header = http.Header{"Allow": {strings.Join(names, ", ")}}
	return fault
}

// requestBody reads a JSON body. A chunked one without content is malformed,
// any other without content is missing.
func (rq *imageRequest) requestBody() (any, *apiError) {
	if len(rq.body) == 0 && rq.hasChunkedBody() {
		return nil, explain(http.StatusBadRequest, "Malformed JSON in request body.")
	}
	return deserializeBody(rq.body)
}

// lookup finds an image that the caller can see.
func (rq *imageRequest) lookup(id string) (*workingImage, *apiError) {
	r := rq.store.get(id)
	if r == nil || !rq.caller.sees(r.visibility, r.owner, r) {
		return nil, explainf(http.StatusNotFound, "No image found with ID %s", id)
	}
	return rq.open(r), nil
}

func (rq *imageRequest) showSchema([]string) *apiError {
	rq.w.Header().Set("Content-Type", "application/json")
	writeBody(rq.w, rq.r, http.StatusOK, imageSchemaText)
	return nil
}

func (rq *imageRequest) showImage(arguments []string) *apiError {
	w, fault := rq.lookup(arguments[0])
	if fault != nil {
		return fault
	}
	if fault := rq.policy().enforceOnImage("get_image", rq.caller, w.target()); fault != nil {
		return fault
	}
	rq.w.Header().Set("Content-Type", "application/json")
	writeBody(rq.w, rq.r, http.StatusOK, rq.encode(w))
	return nil
}

// encode is the JSON of an unchanged image. Without property protections it
// depends on nothing but whether the caller sees the stores, and is kept.
func (rq *imageRequest) encode(w *workingImage) []byte {
	if rq.sim.protections != nil {
		return encodeJSON(w.document(w.record.updated))
	}
	slot := &w.record.encoded[0]
	if w.located {
		slot = &w.record.encoded[1]
	}
	if kept := slot.Load(); kept != nil {
		return *kept
	}
	encoded := encodeJSON(w.document(w.record.updated))
	slot.Store(&encoded)
	return encoded
}

func (rq *imageRequest) patchImage(arguments []string) *apiError {
	form, fault := patchDialect(rq.r.Header)
	if fault != nil {
		return fault
	}
	body, fault := rq.requestBody()
	if fault != nil {
		return fault
	}
	changes, fault := deserializePatch(body, form)
	if fault != nil {
		return fault
	}
	w, fault := rq.lookup(arguments[0])
	if fault != nil {
		return fault
	}
	for _, c := range changes {
		if fault := rq.apply(w, c); fault != nil {
			return fault
		}
	}
	updated := w.record.updated
	if len(changes) > 0 {
		if updated, fault = rq.save(w); fault != nil {
			return fault
		}
	}
	rq.respondWith(w, updated)
	return nil
}

// respondWith answers a write with the image as the request left it in memory,
// or as it is stored when the write was dropped.
func (rq *imageRequest) respondWith(w *workingImage, updated time.Time) {
	if rq.write == writeDropped {
		w = rq.open(w.record)
		updated = w.record.updated
	}
	writeJSON(rq.w, rq.r, http.StatusOK, w.document(updated))
}

func (rq *imageRequest) deleteImage(arguments []string) *apiError {
	id := arguments[0]
	w, fault := rq.lookup(id)
	if fault != nil {
		return explainf(http.StatusNotFound, "Failed to find image %s to delete", id)
	}
	if fault := rq.policy().enforceWrite("delete_image", rq.caller, w); fault != nil {
		return fault
	}
	if w.protected {
		return explainf(http.StatusForbidden, "Image %s is protected and cannot be deleted.", id)
	}
	rq.awaitCommit()
	rq.store.mu.Lock()
	defer rq.store.mu.Unlock()
	if rq.store.images[id] == nil {
		return explainf(http.StatusNotFound, "Failed to find image %s to delete", id)
	}
	if rq.write == writeStored {
		delete(rq.store.images, id)
		rq.store.deleted[id] = true
	}
	rq.noContent()
	return nil
}

func (rq *imageRequest) noContent() {
	rq.w.WriteHeader(http.StatusNoContent)
}
