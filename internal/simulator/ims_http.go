package simulator

import (
	"net/http"
	"net/url"
	"slices"
)

// imsAPI is one of the two APIs of IMS.
type imsAPI int

const (
	// nativeAPI is derived from Glance: /v2/images.
	nativeAPI imsAPI = iota
	// vendorAPI is the vendor's own: /v2/cloudimages and the tags of a project.
	vendorAPI
)

// imsRequest is one request to an image service of IMS.
type imsRequest struct {
	writeCourse

	sim    *Simulator
	store  *imsStore
	base   string // the service's address, without a slash at its end
	api    imsAPI
	caller caller
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	// imageID is the image that the request writes; empty for a new one.
	imageID string
}

// imsRoute is an address of an API of IMS.
type imsRoute struct {
	path   imageRoute
	method string
	api    imsAPI
	serve  func(rq *imsRequest, arguments []string) refusal
}

// imsRoutes are the addresses that the simulator offers.
var imsRoutes []imsRoute

func init() {
	route := func(method string, api imsAPI, serve func(*imsRequest, []string) refusal, pattern ...string) imsRoute {
		return imsRoute{imageRoute{pattern: pattern}, method, api, serve}
	}
	imsRoutes = []imsRoute{
		route("GET", nativeAPI, (*imsRequest).list, "images"),
		route("POST", nativeAPI, (*imsRequest).create, "images"),
		route("GET", nativeAPI, (*imsRequest).show, "images", "{}"),
		route("PATCH", nativeAPI, (*imsRequest).patch, "images", "{}"),
		route("DELETE", nativeAPI, (*imsRequest).delete, "images", "{}"),
		route("PUT", nativeAPI, (*imsRequest).upload, "images", "{}", "file"),
		route("PUT", nativeAPI, (*imsRequest).putNativeTag, "images", "{}", "tags", "{}"),
		route("DELETE", nativeAPI, (*imsRequest).deleteNativeTag, "images", "{}", "tags", "{}"),
		route("GET", vendorAPI, (*imsRequest).list, "cloudimages"),
		route("PATCH", vendorAPI, (*imsRequest).patch, "cloudimages", "{}"),
		route("GET", vendorAPI, (*imsRequest).showTags, "{}", "images", "{}", "tags"),
		route("POST", vendorAPI, (*imsRequest).addTag, "{}", "images", "{}", "tags"),
		route("DELETE", vendorAPI, (*imsRequest).removeTag, "{}", "images", "{}", "tags", "{}"),
		route("POST", vendorAPI, (*imsRequest).tagAction, "{}", "images", "{}", "tags", "action"),
	}
}

// imsVersions are the versions that IMS lists ("Querying API Versions (Native
// OpenStack API)").
var imsVersions = []struct{ id, status, path string }{
	{"v2.2", "CURRENT", "/v2/"}, {"v2.1", "SUPPORTED", "/v2/"}, {"v2.0", "SUPPORTED", "/v2/"},
	{"v1.1", "DEPRECATED", "/v1/"}, {"v1.0", "DEPRECATED", "/v1/"},
}

func imsVersionDocument(base string) any {
	versions := []any{}
	for _, v := range imsVersions {
		versions = append(versions, map[string]any{"id": v.id, "status": v.status,
			"links": []any{map[string]any{"rel": "self", "href": base + v.path}}})
	}
	return map[string]any{"versions": versions}
}

// serveIMS answers a request to an image service of IMS; path is the escaped
// rest of the URL's path.
func (rq *imsRequest) serveIMS(path string) {
	rq.w.Header().Set("X-Request-Id", randomHex())
	if refused := rq.route(path); refused != nil {
		refused.write(rq.w, rq.r)
	}
}

func (rq *imsRequest) route(path string) refusal {
	segments := splitPath(path)
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return rq.sim.gateway(gatewayUnknownAPI, "")
		}
		segments[i] = plain
	}
	if len(segments) == 0 && rq.r.Method == http.MethodGet {
		writeJSON(rq.w, rq.r, http.StatusMultipleChoices, imsVersionDocument(rq.base))
		return nil
	}
	if len(segments) == 0 || segments[0] != "v2" {
		return rq.sim.gateway(gatewayUnknownAPI, "")
	}
	for _, route := range imsRoutes {
		arguments, ok := route.path.match(segments[1:])
		if !ok || route.method != rq.r.Method {
			continue
		}
		if refused := rq.authenticate(); refused != nil {
			return refused
		}
		rq.api = route.api
		return route.serve(rq, arguments)
	}
	return rq.sim.gateway(gatewayUnknownAPI, "")
}

// authenticate finds out who sends the request, by its signature or its token.
// IMS is a service of projects, so it takes no other token.
func (rq *imsRequest) authenticate() refusal {
	if signed(rq.r) {
		pair, refused := rq.sim.signer(rq.r, rq.body)
		if refused != nil {
			return refused
		}
		p, refused := rq.sim.projectOfSigner(rq.r, pair)
		if refused != nil {
			return refused
		}
		rq.caller = caller{project: p.id, roles: pair.user.grants[p.id]}
		return nil
	}
	id := rq.r.Header.Get("X-Auth-Token")
	if id == "" {
		return rq.sim.unauthenticated("x-auth-token not found")
	}
	t := rq.sim.identity.issued(id)
	switch {
	case t == nil:
		return rq.sim.unauthenticated("decrypt token fail")
	case !t.expires.After(rq.sim.clock.now()):
		return rq.sim.unauthenticated("token expires, expires_at: " + identityTime(t.expires))
	case t.project == nil:
		return imsError(imsWrongProject)
	}
	rq.caller = caller{project: t.project.id, roles: t.roles}
	return nil
}

// native picks the refusal of the Glance-derived API where it is assumed to
// hand Glance's errors through; everywhere else the refusal is the vendor's.
func (rq *imsRequest) native(own *vendorError, glance *apiError) refusal {
	if rq.api == nativeAPI && rq.sim.assumption(assumeNativeErrors) == "glance" {
		return glance
	}
	return own
}

// notFound is the answer for an image that is missing or not the caller's to see.
func (rq *imsRequest) notFound(id string) refusal {
	how := rq.sim.assumption(assumeNotFound)
	switch {
	case how == "404" && rq.api == vendorAPI:
		return imsErrorWith(http.StatusNotFound, imsImageUnknown)
	case rq.api == vendorAPI:
		return imsError(imsImageUnknown)
	case how == "400":
		return imsError(imsIDUnknown)
	default:
		return explainf(http.StatusNotFound, "No image found with ID %s", id)
	}
}

// sees tells whether an image is the caller's project's or public.
func (rq *imsRequest) sees(i *imsImage) bool {
	return i.text("owner") == rq.caller.project || i.text("visibility") == "public"
}

func (rq *imsRequest) lookup(id string) (*imsImage, refusal) {
	i := rq.store.get(id)
	if i == nil || !rq.sees(i) {
		return nil, rq.notFound(id)
	}
	return i, nil
}

// lookupToWrite finds an image that the caller may write: one of its project's,
// which is not published, with a role that can write.
func (rq *imsRequest) lookupToWrite(id string) (*imsImage, refusal) {
	i, refused := rq.lookup(id)
	if refused != nil {
		return nil, refused
	}
	if refused := rq.mayWrite(); refused != nil {
		return nil, refused
	}
	switch {
	case i.text("visibility") == "public":
		return nil, rq.native(imsError(imsPublicImage), explain(http.StatusForbidden, "You do not own this image"))
	case rq.api == vendorAPI && i.text("visibility") != "private":
		return nil, imsError(imsUnsupported)
	}
	rq.imageID = id
	return i, nil
}

func (rq *imsRequest) mayWrite() refusal {
	if !slices.Contains(rq.caller.roles, "member") {
		return imsError(imsForbidden)
	}
	return nil
}

// document is an image as the request's API shows it.
func (rq *imsRequest) document(i *imsImage) map[string]any {
	separator := "="
	if rq.api == vendorAPI && rq.sim.assumption(assumeListedTags) == "key.value" {
		separator = "."
	}
	return rq.sim.imsDocument(i, separator)
}

func (rq *imsRequest) show(arguments []string) refusal {
	i, refused := rq.lookup(arguments[0])
	if refused != nil {
		return refused
	}
	writeJSON(rq.w, rq.r, http.StatusOK, rq.document(i))
	return nil
}

func (rq *imsRequest) delete(arguments []string) refusal {
	i, refused := rq.lookupToWrite(arguments[0])
	if refused != nil {
		return refused
	}
	if i.attributes["protected"] == true {
		return imsError(imsProtected)
	}
	rq.hold(rq.r.Context())
	rq.store.mu.Lock()
	defer rq.store.mu.Unlock()
	if rq.write == writeStored {
		delete(rq.store.images, i.id)
	}
	rq.w.WriteHeader(http.StatusNoContent)
	return nil
}
