package horizon

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

const (
	password = "sentinel-password"

	streamID  = "5b1f0c52-64c4-4d5c-8a56-0d4b3f7f1a01"
	versionID = "5b1f0c52-64c4-4d5c-8a56-0d4b3f7f1a02"
	tagID     = "5b1f0c52-64c4-4d5c-8a56-0d4b3f7f1a03"
	assetID   = "5b1f0c52-64c4-4d5c-8a56-0d4b3f7f1a04"
	otherID   = "5b1f0c52-64c4-4d5c-8a56-0d4b3f7f1aff"
	vcenterID = "9d0e7b1c-1111-4a3e-9b55-2f6d7c8e9f00"
	poolA     = "c0ffee00-0000-4000-8000-00000000000a"
	poolB     = "c0ffee00-0000-4000-8000-00000000000b"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)} }

func (k *clock) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

func (k *clock) advance(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = k.now.Add(d)
}

// pod is a Connection Server, as far as this client can tell.
type pod struct {
	*httptest.Server
	clock *clock

	// Intercept answers a request instead of the pod when it returns true.
	Intercept func(w http.ResponseWriter, r *http.Request, body string) bool
	// After is called after a create took effect, and answers instead when it returns true.
	After func(w http.ResponseWriter, r *http.Request) bool

	Release         int // such as 2512
	Lifetime        time.Duration
	RefreshLifetime time.Duration
	Opaque          bool // the tokens are no JSON Web Tokens
	NoLocation      bool
	MostPerPage     int

	mu       sync.Mutex
	requests []string // "GET /rest/config/v1/im-streams?page=1"
	bodies   []string
	issued   int
	access   map[string]time.Time
	refresh  map[string]time.Time
	made     int
	objects  map[Kind]map[string]map[string]any
	pools    []map[string]any
	vms      []map[string]any
	shots    []map[string]any
	machines []map[string]any
	faults   []string // what no client should ask for
}

func newPod(t *testing.T) *pod {
	p := &pod{
		clock: newClock(), Release: 2512, Lifetime: 30 * time.Minute, RefreshLifetime: 8 * time.Hour, MostPerPage: 1000,
		access: map[string]time.Time{}, refresh: map[string]time.Time{},
		objects: map[Kind]map[string]map[string]any{
			Stream: {streamID: {"name": "Gold", "operating_system": "WINDOWS_11", "source": "UPLOADED", "status": "AVAILABLE",
				"description": "office", "publisher": nil, "usable": true, "additional_details": map[string]any{"owner": "desk", "a/b": "slash"}}},
			Version: {versionID: {"im_stream_id": streamID, "name": "1.0", "status": "AVAILABLE"}},
			Tag:     {tagID: {"im_stream_id": streamID, "im_version_id": versionID, "name": "prod", "description": "fixed"}},
			Asset: {assetID: {"im_stream_id": streamID, "im_version_id": versionID, "vcenter_id": vcenterID, "base_vm_id": "vm-7", "base_snapshot_id": "snapshot-8",
				"clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE", "datacenter_id": "datacenter-2", "additional_details": map[string]any{}}},
		},
		pools: []map[string]any{
			{"id": poolA, "name": "Alpha", "type": "AUTOMATED", "source": "INSTANT_CLONE", "enabled": true, "image_source": "IMAGE_CATALOG",
				"provisioning_settings":    map[string]any{"parent_vm_id": "vm-7", "base_snapshot_id": "snapshot-8", "im_stream_id": streamID, "im_tag_id": tagID, "add_virtual_tpm": true},
				"provisioning_status_data": map[string]any{"instant_clone_operation": "NONE", "instant_clone_current_image_state": "READY"}},
			{"id": poolB, "name": "Beta", "type": "MANUAL", "source": "UNMANAGED", "enabled": false},
		},
		vms: []map[string]any{
			{"id": "vm-7", "name": "gold-w11", "path": "/DC/vm/gold-w11", "vcenter_id": vcenterID, "datacenter_id": "datacenter-2", "incompatible_reasons": []string{}},
			{"id": "vm-8", "name": "twin", "path": "/DC/vm/a/twin", "vcenter_id": vcenterID, "datacenter_id": "datacenter-2"},
			{"id": "vm-9", "name": "twin", "path": "/DC/vm/b/twin", "vcenter_id": vcenterID, "datacenter_id": "datacenter-3"},
		},
		shots: []map[string]any{
			{"id": "snapshot-8", "name": "s1", "path": "/s1", "created_timestamp": 1000, "vcenter_id": vcenterID},
			{"id": "snapshot-9", "name": "s2", "path": "/s1/s2", "created_timestamp": 3000, "vcenter_id": vcenterID},
			{"id": "snapshot-10", "name": "s2", "path": "/s2", "created_timestamp": 2000, "vcenter_id": vcenterID},
		},
	}
	for _, objects := range p.objects {
		for id, o := range objects {
			o["id"] = id
		}
	}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	// A request that is broken off may leave a connection behind on which nothing is sent.
	p.Config.ReadHeaderTimeout = 3 * time.Second
	p.Start()
	t.Cleanup(func() {
		p.Close()
		for _, fault := range p.faults {
			t.Errorf("the client asked for what the release does not have: %s", fault)
		}
	})
	return p
}

func (p *pod) config() Config {
	return Config{URL: p.URL, Domain: "CORP", Username: "desk", Password: password, Getenv: func(string) string { return "" }}
}

// client makes a client with a registry of its own.
func (p *pod) client(t *testing.T, change func(*Config)) *Client {
	return p.clientIn(t, &registry{}, change)
}

func (p *pod) clientIn(t *testing.T, shared *registry, change func(*Config)) *Client {
	t.Helper()
	config := p.config()
	if change != nil {
		change(&config)
	}
	target, err := config.resolve()
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	target.transport.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	client, err := newClient(target, shared, p.clock.Now)
	if err != nil {
		t.Fatalf("newClient: %v", err)
	}
	client.sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	t.Cleanup(client.transport.HTTPClient().CloseIdleConnections)
	return client
}

// count returns how many requests began with prefix.
func (p *pod) count(prefix string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

// wantCounts compares the numbers of requests by prefix.
func (p *pod) wantCounts(t *testing.T, want map[string]int) {
	t.Helper()
	for prefix, n := range want {
		if got := p.count(prefix); got != n {
			t.Errorf("%d requests %s, want %d; all: %q", got, prefix, n, p.seen())
		}
	}
}

func (p *pod) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func (p *pod) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.bodies = nil, nil
}

// lastBody returns the body of the last request that began with prefix.
func (p *pod) lastBody(prefix string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.requests) - 1; i >= 0; i-- {
		if strings.HasPrefix(p.requests[i], prefix) {
			return p.bodies[i]
		}
	}
	return ""
}

// revoke makes tokens invalid: of the access tokens, of the refresh tokens.
func (p *pod) revoke(kinds ...map[string]time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, kind := range kinds {
		clear(kind)
	}
}

// put adds an object as somebody else would.
func (p *pod) put(kind Kind, id string, object map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	object["id"] = id
	p.objects[kind][id] = object
}

func (p *pod) issue(kind map[string]time.Time, name string, lifetime time.Duration) string {
	p.issued++
	now := p.clock.Now()
	token := fmt.Sprintf("sentinel-%s-%d", name, p.issued)
	if !p.Opaque {
		claims := fmt.Sprintf(`{"sub":"desk","nbf":%d,"iat":%d,"exp":%d}`, now.Unix(), now.Unix(), now.Add(lifetime).Unix())
		token = "eyJhbGciOiJIUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + token
	}
	kind[token] = now.Add(lifetime)
	return token
}

func (p *pod) serve(w http.ResponseWriter, r *http.Request) {
	content, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	p.requests = append(p.requests, r.Method+" "+r.URL.RequestURI())
	p.bodies = append(p.bodies, string(content))
	intercept := p.Intercept
	p.mu.Unlock()
	if intercept != nil && intercept(w, r, string(content)) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/rest")
	switch {
	case !ok:
		noRoute(w)
	case path == "/login" || path == "/refresh" || path == "/logout":
		p.serveAuth(w, path, content)
	case !p.clock.Now().Before(p.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]):
		refuse(w, http.StatusUnauthorized, "auth.expired", "User is not authenticated")
	case strings.HasPrefix(path, "/config/v1/im-"):
		kind, id, _ := strings.Cut(strings.TrimPrefix(path, "/config/v1/"), "/")
		p.serveCatalogue(w, r, Kind(kind), id, content)
	default:
		p.serveInventory(w, r, path)
	}
}

func (p *pod) serveAuth(w http.ResponseWriter, path string, content []byte) {
	var body struct {
		Username, Password, Domain string
		Refresh                    string `json:"refresh_token"`
	}
	if json.Unmarshal(content, &body) != nil {
		refuse(w, http.StatusBadRequest, "json", "The request cannot be mapped")
		return
	}
	alive := p.clock.Now().Before(p.refresh[body.Refresh])
	switch {
	case path == "/login" && (!strings.EqualFold(body.Username, "desk") || body.Password != password || !strings.EqualFold(body.Domain, "corp")):
		refuse(w, http.StatusUnauthorized, "auth.failed", "Unknown user name or bad password "+body.Password)
	case path == "/login":
		reply(w, http.StatusOK, map[string]any{"access_token": p.issue(p.access, "access", p.Lifetime), "refresh_token": p.issue(p.refresh, "refresh", p.RefreshLifetime)})
	case !alive:
		refuse(w, http.StatusBadRequest, "auth.refresh", "The refresh token is not valid: "+body.Refresh)
	case path == "/refresh":
		reply(w, http.StatusOK, map[string]any{"access_token": p.issue(p.access, "access", p.Lifetime)})
	default:
		clear(p.access)
		delete(p.refresh, body.Refresh)
	}
}

func (p *pod) serveCatalogue(w http.ResponseWriter, r *http.Request, kind Kind, id string, content []byte) {
	objects := p.objects[kind]
	if id == "" && r.Method == http.MethodGet {
		parent := catalogue[kind].parent
		if parent != "" && r.URL.Query().Get(parent) == "" {
			refuse(w, http.StatusBadRequest, "param", parent+" is missing")
			return
		}
		var list []map[string]any
		for _, id := range slices.Sorted(maps.Keys(objects)) {
			if parent == "" || objects[id][parent] == r.URL.Query().Get(parent) {
				list = append(list, objects[id])
			}
		}
		p.serveList(w, r, list, p.Release >= 2309)
		return
	}
	var body map[string]any
	if len(content) > 0 && json.Unmarshal(content, &body) != nil {
		refuse(w, http.StatusBadRequest, "json", "broken")
		return
	}
	if r.Method == http.MethodPost {
		p.made++
		made := fmt.Sprintf("5b1f0c52-64c4-4d5c-8a56-%012d", p.made)
		body["id"] = made
		objects[made] = body
		if p.After != nil && p.After(w, r) {
			return
		}
		if !p.NoLocation {
			w.Header().Set("Location", p.URL+r.URL.Path+"/"+made)
		}
		w.WriteHeader(http.StatusCreated)
		return
	}
	if objects[id] == nil {
		refuse(w, http.StatusNotFound, "entity.not.found", "Entity "+id+" does not exist")
		return
	}
	switch r.Method {
	case http.MethodGet:
		reply(w, http.StatusOK, objects[id])
	case http.MethodPut:
		updated := maps.Clone(objects[id])
		maps.Copy(updated, body)
		objects[id] = updated
		w.WriteHeader(http.StatusNoContent)
	case http.MethodDelete:
		delete(objects, id)
		w.WriteHeader(http.StatusNoContent)
	}
}

// introduced are the releases that brought a version of a route.
var introduced = map[string]int{
	"/inventory/v12/desktop-pools": 2512, "/inventory/v10/desktop-pools": 2412, "/inventory/v8/desktop-pools": 2312,
	"/inventory/v6/desktop-pools": 2206, "/inventory/v2/desktop-pools": 2000,
	"/inventory/v11/desktop-pools": 2503, "/inventory/v9/desktop-pools": 2406, "/inventory/v7/desktop-pools": 2306,
	"/inventory/v5/desktop-pools": 2111, "/inventory/v4/desktop-pools": 2103,
	"/inventory/v6/machines": 2412, "/inventory/v3/machines": 2206, "/inventory/v2/machines": 2012,
	"/config/v6/virtual-centers": 2312, "/config/v5/virtual-centers": 2309, "/config/v4/virtual-centers": 2306, "/config/v3/virtual-centers": 2303,
	"/external/v2/base-vms": 2212,
	"/external/v3/base-vms": 2312, "/external/v1/base-vms": 1912, "/external/v1/base-snapshots": 2000,
	"/external/v1/datacenters": 1912, "/config/v1/virtual-centers": 1909,
}

func (p *pod) serveInventory(w http.ResponseWriter, r *http.Request, path string) {
	id := ""
	if i := strings.Index(path, "/desktop-pools/"); i >= 0 {
		path, id = path[:i+len("/desktop-pools")], path[i+len("/desktop-pools/"):]
	}
	if since, there := introduced[path]; !there || since > p.Release {
		noRoute(w)
		return
	}
	switch {
	case id != "":
		for _, pool := range p.pools {
			if pool["id"] == id {
				reply(w, http.StatusOK, pool)
				return
			}
		}
		refuse(w, http.StatusNotFound, "pool.not.found", "no such pool")
	case strings.HasSuffix(path, "/desktop-pools"):
		p.serveList(w, r, p.pools, true)
	case strings.HasSuffix(path, "/machines"):
		p.serveList(w, r, p.machines, true)
	case strings.HasSuffix(path, "/base-vms") && !r.URL.Query().Has("vcenter_id"):
		refuse(w, http.StatusBadRequest, "param", "vcenter_id is missing")
	case strings.HasSuffix(path, "/virtual-centers"):
		p.serveList(w, r, []map[string]any{{"id": vcenterID, "server_name": "vc.corp.example", "display_name": "Main", "enabled": true, "port": 443}}, false)
	case r.URL.Query().Get("vcenter_id") != vcenterID:
		refuse(w, http.StatusNotFound, "vc.not.found", "no such virtual center")
	case strings.HasSuffix(path, "/datacenters"):
		p.serveList(w, r, []map[string]any{{"id": "datacenter-2", "name": "DC", "path": "/DC"}, {"id": "datacenter-3", "name": "DC", "path": "/f/DC"}}, false)
	case strings.HasSuffix(path, "/base-vms"):
		in := r.URL.Query().Get("datacenter_id")
		vms := slices.DeleteFunc(slices.Clone(p.vms), func(v map[string]any) bool { return in != "" && v["datacenter_id"] != in })
		p.serveList(w, r, vms, path == "/external/v3/base-vms")
	default:
		p.serveList(w, r, p.shots, false)
	}
}

// serveList follows the vendor's guide on pagination and filters.
func (p *pod) serveList(w http.ResponseWriter, r *http.Request, list []map[string]any, paged bool) {
	q := r.URL.Query()
	if !paged && (q.Has("page") || q.Has("size") || q.Has("filter")) {
		p.faults = append(p.faults, r.URL.RequestURI())
	}
	if text := q.Get("filter"); text != "" {
		var f struct {
			Type, Name, Value string
			Filters           []struct{ Type, Name, Value string }
		}
		if json.Unmarshal([]byte(text), &f) != nil {
			refuse(w, http.StatusBadRequest, "filter", "broken filter")
			return
		}
		if f.Type == "Equals" {
			f.Filters = append(f.Filters, struct{ Type, Name, Value string }{f.Type, f.Name, f.Value})
		}
		for _, one := range f.Filters {
			list = slices.DeleteFunc(slices.Clone(list), func(o map[string]any) bool { return o[one.Name] != one.Value })
		}
	}
	if q.Has("page") && q.Has("size") {
		page, _ := strconv.Atoi(q.Get("page"))
		size, _ := strconv.Atoi(q.Get("size"))
		size = min(size, p.MostPerPage)
		if page > 1 && (page-1)*size >= len(list) {
			refuse(w, http.StatusBadRequest, "page", "past the end")
			return
		}
		if page*size < len(list) {
			w.Header()["HAS_MORE_RECORDS"] = []string{"TRUE"}
		}
		list = list[min((page-1)*size, len(list)):min(page*size, len(list))]
	}
	if list == nil {
		list = []map[string]any{}
	}
	reply(w, http.StatusOK, list)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse answers in the form of releases since 2206.
func refuse(w http.ResponseWriter, status int, key, message string) {
	reply(w, status, map[string]any{
		"status": strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_")), "timestamp": 1700000000000,
		"errors": []map[string]any{{"error_key": key, "error_message": message}},
	})
}

// noRoute answers as a web server does that has no such page.
func noRoute(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "<!doctype html><html><head><title>HTTP Status 404 - Not Found</title></head><body><h1>Not Found</h1></body></html>")
}

// onlyFor intercepts the requests that begin with prefix ("GET /rest/config").
func onlyFor(prefix string, handle http.HandlerFunc) func(http.ResponseWriter, *http.Request, string) bool {
	return func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if !strings.HasPrefix(r.Method+" "+r.URL.Path, prefix) {
			return false
		}
		handle(w, r)
		return true
	}
}

// journal keeps everything that is logged.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) log(_ context.Context, message string, fields map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintln(&j.text, message, fields)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func text(s string) patch.Value { return patch.StringValue(s) }
