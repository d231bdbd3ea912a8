package simulator

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
)

// offered are the documented addresses of the areas that the simulator offers.
var offered = regexp.MustCompile(`^(POST /(login|refresh|logout)|\w+ /config/v1/im-.*|GET /config/v\d/virtual-centers.*|GET /external/.*|` +
	`GET /inventory/v\d+/(desktop-pools|machines)(/\{\})?|\w+ /inventory/v\d/desktop-pools/\{\}/(tasks.*|` +
	`action/(schedule-push-image|cancel-scheduled-push-image|promote-pending-image|apply-image))|GET /monitor(/v\d)?/(virtual-centers|connection-servers))$`)

func TestOffersWhatEachReleaseDocuments(t *testing.T) {
	for _, release := range contract.Releases() {
		documented := slices.DeleteFunc(contract.Load(t, release).Operations(), func(o string) bool { return !offered.MatchString(o) })
		var routes []string
		for _, route := range horizonRoutes {
			if route.since <= release {
				routes = append(routes, route.method+" /"+strings.Join(route.path.pattern, "/"))
			}
		}
		slices.Sort(routes)
		for _, o := range documented {
			if !slices.Contains(routes, o) {
				t.Errorf("release %s has %s, which is not offered", release, o)
			}
		}
		for _, o := range routes {
			if !slices.Contains(documented, o) {
				t.Errorf("release %s has no %s, which is offered", release, o)
			}
		}
	}
}

func TestKnowsTheReleasesThatHaveDocuments(t *testing.T) {
	if !slices.Equal(horizonReleases, contract.Releases()) {
		t.Errorf("releases are %v, documents are of %v", horizonReleases, contract.Releases())
	}
}

// example fills in an address and its body.
func (s stocked) example(route horizonRoute) (path, body string) {
	path = "/" + strings.Join(route.path.pattern, "/")
	needed := map[string]string{
		"/external/": "?vcenter_id=" + HorizonVCenterID + "&base_vm_id=vm-1002", "/im-versions": "?im_stream_id=" + s.stream,
		"/im-tags": "?im_stream_id=" + s.stream, "/im-assets": "?im_version_id=" + s.version,
	}
	single := map[string]string{
		"im-streams": s.stream, "im-versions": s.version, "im-tags": s.tag, "im-assets": s.asset,
		"virtual-centers": HorizonVCenterID, "base-vms": "vm-1002", "desktop-pools": s.horizon.pools[0].id, "machines": s.horizon.pools[0].machines[0].id,
	}
	for part, query := range needed {
		one := strings.HasPrefix(part, "/im-") && strings.HasSuffix(path, "{}")
		if route.method == "GET" && strings.Contains(path, part) && !one {
			if !strings.Contains(path, "snapshots") {
				query = strings.TrimSuffix(query, "&base_vm_id=vm-1002")
			}
			path += query
		}
	}
	for part, id := range single {
		path = strings.Replace(path, part+"/{}", part+"/"+id, 1)
	}
	create := map[string]string{
		"im-streams": streamBody("Another"), "im-versions": versionBody(s.stream, "april"), "im-tags": tagBody(s.stream, s.version, "next"),
		"im-assets": assetBody(s.stream, s.version, "image_type", "RDSH_DESKTOP"),
	}
	update := map[string]string{
		"im-streams": streamBody("Renamed"), "im-versions": `{"name":"may","status":"DISABLED"}`,
		"im-tags":   `{"name":"test","im_version_id":"` + s.version + `","additional_details":{"owner":"anna"}}`,
		"im-assets": `{"status":"DISABLED","clone_type":"FULL_CLONE","image_type":"RDSH_APPS"}`,
	}
	for part := range create {
		switch {
		case !strings.Contains(path, part):
		case route.method == "PUT":
			body = update[part]
		case strings.HasSuffix(path, "bulk-create"):
			// The second is refused, inside the 200.
			one := strings.NewReplacer("Another", "Fourth", "april", "june", "next", "beta", "RDSH_DESKTOP", "RDSH_APPS").Replace(create[part])
			body = "[" + one + "," + one + "]"
		case route.method == "POST":
			body = create[part]
		}
	}
	if strings.HasPrefix(path, "/refresh") || strings.HasPrefix(path, "/logout") {
		body = `{"refresh_token":"` + s.login("demo").object()["refresh_token"].(string) + `"}`
	}
	if path == "/login" {
		body = `{"username":"demo","password":"demo-password","domain":"DEMO"}`
	}
	return path, body
}

func TestEveryOperationOfEveryReleaseKeepsTheContract(t *testing.T) {
	for _, release := range contract.Releases() {
		t.Run(release, func(t *testing.T) {
			s := stock(newUnguardedPod(t, release))
			s.follow("ENGINEERING", s.tag)
			s.do("GET", "/config/v1/im-streams", "")
			s.behind(contract.Guard(t, release, s.Simulator))
			routes := slices.Clone(horizonRoutes)
			// What is deleted is not there for the others.
			slices.SortStableFunc(routes, func(a, b horizonRoute) int { return strings.Compare(last(a.method), last(b.method)) })
			for _, route := range routes {
				if route.since > release || imageOfPool(route) {
					continue
				}
				if route.method == "DELETE" {
					s.follow("ENGINEERING", "")
				}
				path, body := s.example(route)
				if got := s.do(route.method, path, body); got.status >= 300 && route.method != "DELETE" || strings.Contains(path, "{") {
					t.Errorf("%s %s is answered with %d %s", route.method, path, got.status, got.text)
				}
			}
		})
	}
}

// imageOfPool tells whether a route needs a pool in some state, for which there is
// a test of its own.
func imageOfPool(route horizonRoute) bool {
	path := strings.Join(route.path.pattern, "/")
	return strings.Contains(path, "desktop-pools/{}/")
}

// last puts deletions after everything else.
func last(method string) string {
	if method == "DELETE" {
		return "1"
	}
	return "0"
}

func TestLaterOperationsAreNotFound(t *testing.T) {
	for _, release := range contract.Releases() {
		s := newStocked(t, release)
		for _, route := range horizonRoutes {
			if route.since <= release {
				continue
			}
			path, body := s.example(route)
			if got := s.do(route.method, path, body); got.status != 404 {
				t.Errorf("release %s answers %s %s with %d", release, route.method, path, got.status)
			}
		}
		if got := s.do("GET", "/inventory/v13/desktop-pools", ""); got.status != 404 {
			t.Errorf("release %s answers with %d what none has", release, got.status)
		}
	}
}
