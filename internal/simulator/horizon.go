package simulator

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// horizonReleases are the releases of Horizon 8 that can be simulated, oldest
// first. Their names order as text.
var horizonReleases = []string{"2012", "2106", "2111", "2206", "2212", "2303", "2306", "2309", "2312", "2406", "2412", "2503", "2506", "2512"}

// The releases at which an area of the API changed.
const (
	// releaseDelegated is the first to which others than the administrators of
	// the root access group can sign in.
	releaseDelegated = "2106"
	// releaseErrorKeys is the first whose errors have keys.
	releaseErrorKeys = "2206"
	// releaseLanguages is the first whose login takes a language.
	releaseLanguages = "2206"
	// releasePatterns is the first that documents how names have to look.
	releasePatterns = "2303"
	// releaseSorting is the first to sort lists.
	releaseSorting = "2303"
	// releaseLists is the first that pages, filters and sorts the catalogue and
	// the lookups.
	releaseLists = "2309"
	// releaseTagQueries is the first that lists assets by tag and tags by asset.
	releaseTagQueries = "2312"
)

// ParseRelease reads the name of a release of Horizon, such as "2312", of which
// "" means the newest. Any other name is an error.
func ParseRelease(name string) (string, error) {
	if name == "" {
		return horizonReleases[len(horizonReleases)-1], nil
	}
	if !slices.Contains(horizonReleases, name) {
		return "", fmt.Errorf("unknown release %q, only one of: %s", name, strings.Join(horizonReleases, ", "))
	}
	return name, nil
}

// horizonPath is where Horizon is served; its API is below /rest.
const horizonPath = "/horizon"

// horizon is a pod of Horizon with one Connection Server.
type horizon struct {
	mu        sync.Mutex
	sessions  horizonSessions
	catalogue catalogue
	vcenters  []*virtualCenter
	pools     []*desktopPool
}

func newHorizon() *horizon {
	return &horizon{sessions: newHorizonSessions()}
}

// horizonRequest is one request to the REST API of Horizon.
type horizonRequest struct {
	writeCourse

	sim     *Simulator
	horizon *horizon
	release string
	base    string // the address of /rest, without a slash at its end
	session *horizonSession
	r       *http.Request
	query   url.Values
	body    []byte
}

// horizonAnswer is a success; a nil body means none.
type horizonAnswer struct {
	status int
	header map[string]string
	body   any
}

// horizonRoute is an operation of the API.
type horizonRoute struct {
	method string
	path   imageRoute
	// since is the release that brought it.
	since string
	// privileges are those of which the caller has to have one; none means that
	// every session will do.
	privileges []privilege
	// open needs no session.
	open bool
	// writes can be lost, dropped and held by faults.
	writes bool
	serve  func(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError)
}

// horizonRoutes are the operations that the simulator offers. Nothing that a
// release brought was taken away again up to 2512.
var horizonRoutes []horizonRoute

func init() {
	horizonRoutes = slices.Concat(sessionRoutes(), catalogueRoutes(), lookupRoutes(), poolRoutes(), machineRoutes(), monitorRoutes())
}

// pathOf splits a path such as /config/v1/im-tags/{} for matching.
func pathOf(path string) imageRoute { return imageRoute{pattern: splitPath(path)} }

// serveHorizon answers a request to Horizon; path is the escaped rest of the
// URL's path.
func (rq *horizonRequest) serveHorizon(w http.ResponseWriter, path string) {
	answer, refused := rq.route(path)
	if refused != nil {
		rq.sim.horizonRefusal(refused, rq.session).write(w, rq.r)
		return
	}
	for name, value := range answer.header {
		w.Header().Set(name, value)
	}
	if answer.body == nil {
		w.WriteHeader(answer.status)
		return
	}
	writeJSON(w, rq.r, answer.status, answer.body)
}

// route finds the operation, then the session, then carries the operation out:
// an address that a release does not have is not found also without a token,
// which is how clients tell the versions of an API.
func (rq *horizonRequest) route(path string) (horizonAnswer, *horizonError) {
	rest, ok := under(path, "/rest")
	if !ok {
		return horizonAnswer{}, refuse(http.StatusNotFound, "common.path.not.found", "No resource is found at %s.", path)
	}
	segments := splitPath(rest)
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return horizonAnswer{}, refuse(http.StatusBadRequest, "common.path.invalid", "The path cannot be read.")
		}
		segments[i] = plain
	}
	found := false
	for _, route := range horizonRoutes {
		arguments, ok := route.path.match(segments)
		if !ok || rq.release < route.since {
			continue
		}
		found = true
		if route.method == rq.r.Method {
			return rq.carryOut(route, arguments)
		}
	}
	if found {
		return horizonAnswer{}, refuse(http.StatusMethodNotAllowed, "common.method.not.allowed", "Request method '%s' not supported", rq.r.Method)
	}
	return horizonAnswer{}, refuse(http.StatusNotFound, "common.path.not.found", "No resource is found at %s.", path)
}

func (rq *horizonRequest) carryOut(route horizonRoute, arguments []string) (horizonAnswer, *horizonError) {
	if route.writes {
		rq.hold(rq.r.Context())
	}
	rq.horizon.mu.Lock()
	defer rq.horizon.mu.Unlock()
	if !route.open {
		if refused := rq.authenticate(); refused != nil {
			return horizonAnswer{}, refused
		}
		if len(route.privileges) > 0 && !slices.ContainsFunc(route.privileges, rq.session.has) {
			return horizonAnswer{}, forbidden(route.privileges)
		}
	}
	rq.horizon.catalogue.proceed(rq.sim)
	if route.writes && rq.write != writeStored {
		kept := rq.horizon.catalogue.clone()
		defer func() { rq.horizon.catalogue = kept }()
	}
	return route.serve(rq, arguments)
}
