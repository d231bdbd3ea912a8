package contract

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// exchange is a request and its answer.
type exchange struct {
	method, path, body string
	status             int
	answer             string
}

const (
	versionBody = `{"im_stream_id":"5f0e8c6a","name":"march","status":"AVAILABLE"}`
	assetInfo   = `{"id":"b1","status":"AVAILABLE","clone_type":"INSTANT_CLONE","image_type":"VDI_DESKTOP","im_stream_id":"s1",` +
		`"im_version_id":"v1","vcenter_id":"c1","datacenter_id":"datacenter-2","base_vm_id":"vm-7","base_snapshot_id":"snapshot-8"}`
)

// refused is a body with which a release refuses.
func refused(release string) string {
	if release < firstWithKeys {
		return `{"status":"REFUSED","timestamp":1604401593260,"error_message":"no"}`
	}
	return `{"status":"REFUSED","timestamp":1604401593260,"errors":[{"error_key":"a.b","error_message":"no"}]}`
}

func (e exchange) request() *http.Request {
	r := httptest.NewRequest(e.method, "https://horizon.example/rest"+e.path, strings.NewReader(e.body))
	if e.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if !strings.HasPrefix(e.path, "/login") {
		r.Header.Set("Authorization", "Bearer token")
	}
	return r
}

// check holds both halves against a contract.
func (e exchange) check(c *Contract) (request, answer error) {
	header := http.Header{"Content-Type": {"application/json"}}
	return c.CheckRequest(e.request(), []byte(e.body)), c.CheckAnswer(e.request(), []byte(e.body), e.status, header, []byte(e.answer))
}

func TestAcceptsWhatEveryReleaseDocuments(t *testing.T) {
	for _, release := range Releases() {
		for name, e := range map[string]exchange{
			"login":      {"POST", "/login", `{"username":"anna","password":"secret","domain":"DEMO"}`, 200, `{"access_token":"a","refresh_token":"r"}`},
			"characters": {"POST", "/login", `{"username":"anna","password":["s","e"],"domain":"DEMO"}`, 200, `{"access_token":"a","refresh_token":"r"}`},
			"logout":     {"POST", "/logout", `{"refresh_token":"r"}`, 200, ``},
			"refused":    {"POST", "/login", `{"username":"anna","password":"wrong","domain":"DEMO"}`, 401, refused(release)},
			"create":     {"POST", "/config/v1/im-versions", versionBody, 201, ``},
			"bulk":       {"POST", "/config/v1/im-versions/action/bulk-create", `[` + versionBody + `]`, 200, `[{"id":"v1","status_code":201,"timestamp":1}]`},
			"get":        {"GET", "/config/v1/im-assets/b1", ``, 200, assetInfo},
			"list":       {"GET", "/config/v1/im-assets?im_version_id=v1", ``, 200, `[` + assetInfo + `]`},
			"map": {"PUT", "/config/v1/im-assets/b1",
				`{"status":"DISABLED","clone_type":"INSTANT_CLONE","image_type":"VDI_DESKTOP","additional_details":{"any":"thing"}}`, 204, ``},
			"throttled": {"GET", "/config/v1/im-assets/b1", ``, 429, `too many`},
			"gateway":   {"GET", "/config/v1/im-assets/b1", ``, 502, `<html>`},
			"in use":    {"DELETE", "/config/v1/im-assets/b1", ``, 409, refused(release)},
			"page":      {"GET", "/config/v1/im-assets?im_version_id=v1", ``, 400, refused(release)},
			"expired":   {"POST", "/refresh", `{"refresh_token":"r"}`, 401, refused(release)},
		} {
			request, answer := e.check(Load(t, release))
			if request != nil || answer != nil {
				t.Errorf("%s of %s: request %v, answer %v", name, release, request, answer)
			}
		}
	}
}

// following are, for each release, what the next one brings: an operation, and a
// field of a body that the release itself takes without it.
var following = map[string]struct {
	operation string
	push      string
	field     string
}{
	"2012": {"/inventory/v4/desktop-pools", "v1", `"selective_push_image":true`},
	"2106": {"/inventory/v5/desktop-pools", "v1", `"machine_ids":[]`},
	"2111": {"/inventory/v6/desktop-pools", "v1", `"compute_profile_num_cpus":2`},
	"2206": {"/external/v2/base-vms?vcenter_id=c1", "v2", `"grid_vgpus_enabled":true`},
	"2212": {"/config/v3/virtual-centers", "v2", `"grid_vgpus_enabled":true`},
	"2303": {"/inventory/v7/desktop-pools", "v2", `"grid_vgpus_enabled":true`},
	"2306": {"/config/v5/virtual-centers", "v2", `"grid_vgpus_enabled":true`},
	"2309": {"/inventory/v8/desktop-pools", "v2", `"grid_vgpus_enabled":true`},
	"2312": {"/inventory/v9/desktop-pools", "v2", `"grid_vgpus_enabled":true`},
	"2406": {"/inventory/v10/desktop-pools", "v2", `"vgpu_grid_profile":"grid_m10-4q"`},
	"2412": {"/inventory/v11/desktop-pools", "v2", `"vgpu_grid_profile":"grid_m10-4q"`},
	"2503": {"/external/v3/base-snapshots?vcenter_id=c1&base_vm_id=vm-7", "v2", `"vgpu_grid_profile":"grid_m10-4q"`},
	"2506": {"/inventory/v12/desktop-pools", "v2", `"vgpu_grid_profile":"grid_m10-4q"`},
	"2512": {"/inventory/v13/desktop-pools", "v3", `"bundle_id":"b1"`},
}

func TestRefusesWhatAReleaseDoesNotDocument(t *testing.T) {
	for _, release := range Releases() {
		c, next := Load(t, release), following[release]
		push := "/inventory/" + next.push + "/desktop-pools/p1/action/schedule-push-image"
		pushed, answer := 200, `[]`
		if next.push == "v1" {
			pushed, answer = 204, ``
		}
		plain := exchange{"POST", push, `{"logoff_policy":"WAIT_FOR_LOGOFF"}`, pushed, answer}
		if request, answer := plain.check(c); request != nil || answer != nil {
			t.Errorf("release %s refuses the body without the later field: %v, %v", release, request, answer)
		}
		requests := map[string]exchange{
			"a misspelt field":         {method: "POST", path: "/config/v1/im-versions", body: strings.Replace(versionBody, `"status"`, `"statuss"`, 1)},
			"a misspelt optional one":  {method: "POST", path: "/config/v1/im-versions", body: strings.Replace(versionBody, `{`, `{"desription":"x",`, 1)},
			"a misspelt one in bulk":   {method: "POST", path: "/config/v1/im-versions/action/bulk-create", body: `[` + strings.Replace(versionBody, `{`, `{"desription":"x",`, 1) + `]`},
			"a field of a later push":  {method: "POST", path: push, body: `{"logoff_policy":"WAIT_FOR_LOGOFF",` + next.field + `}`},
			"a later operation":        {method: "GET", path: next.operation},
			"another method":           {method: "PATCH", path: "/config/v1/im-assets/b1", body: `{}`},
			"a missing field":          {method: "POST", path: "/config/v1/im-versions", body: `{"name":"march","status":"AVAILABLE"}`},
			"a value of no list":       {method: "POST", path: "/config/v1/im-versions", body: strings.Replace(versionBody, "AVAILABLE", "READY", 1)},
			"a null":                   {method: "POST", path: "/config/v1/im-versions", body: strings.Replace(versionBody, `{`, `{"description":null,`, 1)},
			"a number for a string":    {method: "POST", path: "/login", body: `{"username":"anna","password":7,"domain":"DEMO"}`},
			"a misspelt parameter":     {method: "GET", path: "/config/v1/im-versions?im_stream_id=s1&im_streamid=s1"},
			"a missing parameter":      {method: "GET", path: "/config/v1/im-versions"},
			"a body where none is":     {method: "DELETE", path: "/config/v1/im-versions/v1", body: `{}`},
			"no body where one has to": {method: "POST", path: "/config/v1/im-versions"},
			"a path outside":           {method: "GET", path: "/../identity"},
		}
		for name, e := range requests {
			if request, _ := e.check(c); request == nil {
				t.Errorf("release %s lets %s pass in a request", release, name)
			}
		}
		unsigned := exchange{method: "GET", path: "/config/v1/im-assets/b1"}.request()
		unsigned.Header.Del("Authorization")
		if err := c.CheckRequest(unsigned, nil); err == nil {
			t.Errorf("release %s lets a request without a token pass", release)
		}
		for name, e := range map[string]exchange{
			"a misspelt field":        {"GET", "/config/v1/im-assets/b1", ``, 200, strings.Replace(assetInfo, "base_vm_id", "basevm_id", 1)},
			"a misspelt one in lists": {"GET", "/config/v1/im-assets?im_version_id=v1", ``, 200, `[` + strings.Replace(assetInfo, "base_vm_id", "basevm_id", 1) + `]`},
			"a nested one":            {"GET", "/inventory/v2/desktop-pools/p1", ``, 200, `{"provisioning_settings":{"snapshot_id":"snapshot-8"}}`},
			"a later field":           {"GET", "/inventory/v2/desktop-pools/p1", ``, 200, `{"num_machines":3}`},
			"another status":          {"POST", "/config/v1/im-versions", versionBody, 200, ``},
			"an error of no list":     {"PUT", "/config/v1/im-versions/v1", versionBody, 409, `{}`},
			"a body where none is":    {"POST", "/config/v1/im-versions", versionBody, 201, `{"id":"v1"}`},
			"a later operation":       {"GET", next.operation, ``, 200, `[]`},
			"a null":                  {"GET", "/config/v1/im-assets/b1", ``, 200, strings.Replace(assetInfo, `"vm-7"`, `null`, 1)},
			"an object for a list":    {"GET", "/config/v1/im-assets?im_version_id=v1", ``, 200, assetInfo},
			"a missing field":         {"GET", "/config/v1/im-assets/b1", ``, 200, strings.Replace(assetInfo, `"vcenter_id":"c1",`, ``, 1)},
			"one that a list lacks":   {"GET", "/config/v1/im-assets?im_version_id=v1", ``, 200, `[` + assetInfo + `,` + strings.Replace(assetInfo, `"id":"b1",`, ``, 1) + `]`},
		} {
			if _, answer := e.check(c); answer == nil {
				t.Errorf("release %s lets %s pass in an answer", release, name)
			}
		}
	}
}

func TestRefusalsHaveTheFormOfTheirRelease(t *testing.T) {
	const (
		one   = `{"status":"UNAUTHORIZED","timestamp":1604401593260,"error_message":"no"}`
		many  = `{"status":"BAD_REQUEST","timestamp":1604401593260,"error_messages":["no","never"]}`
		keyed = `{"status":"BAD_REQUEST","timestamp":1604401593260,"errors":[{"error_key":"a.b","error_message":"no"}],"error_messages":["no"]}`
	)
	for _, release := range Releases() {
		older := release < "2206"
		for body, right := range map[string]bool{
			one: older, many: older, keyed: !older, `{}`: false, `no`: false, `{"status":401,"timestamp":1604401593260,"error_message":"no"}`: false,
			strings.Replace(keyed, "timestamp", "time", 1): false, strings.Replace(keyed, "error_key", "key", 1): false, strings.Replace(one, "1604401593260", "1604401593", 1): false,
		} {
			e := exchange{"GET", "/config/v1/im-assets/b1", ``, 401, body}
			if _, answer := e.check(Load(t, release)); (answer == nil) != right {
				t.Errorf("release %s: %s: %v", release, body, answer)
			}
		}
	}
}

func TestFieldsComeWithTheirRelease(t *testing.T) {
	for _, row := range []struct {
		what, since string
		exchange    exchange
	}{
		{"the errors of a bulk item", "2206", exchange{"POST", "/config/v1/im-tags/action/bulk-create", `[]`, 200, `[{"status_code":400,"timestamp":1,"errors":[]}]`}},
		{"the key of a bulk item", "2106", exchange{"POST", "/config/v1/im-tags/action/bulk-create", `[]`, 200, `[{"status_code":400,"timestamp":1,"key":"k"}]`}},
		{"pages", "2309", exchange{"GET", "/config/v1/im-tags?im_stream_id=s1&page=1&size=2", ``, 200, `[]`}},
		{"Windows 11", "2212", exchange{"POST", "/config/v1/im-streams",
			`{"name":"w","operating_system":"WINDOWS_11","source":"UPLOADED","status":"AVAILABLE"}`, 201, ``}},
	} {
		for _, release := range Releases() {
			request, answer := row.exchange.check(Load(t, release))
			if passed := request == nil && answer == nil; passed != (release >= row.since) {
				t.Errorf("%s in release %s: %v, %v", row.what, release, request, answer)
			}
		}
	}
}

func TestPatternsMatchTheWholeValue(t *testing.T) {
	stream := `{"name":"%s","description":"%s","operating_system":"WINDOWS_10","source":"UPLOADED","status":"AVAILABLE"}`
	for _, release := range Releases() {
		long := strings.Repeat("d", 1024)
		for body, want := range map[string]bool{
			fmt.Sprintf(stream, "Win_11-x", long):              true,
			fmt.Sprintf(stream, "Win 11", "d"):                 release < "2303",
			fmt.Sprintf(stream, strings.Repeat("n", 65), "d"):  release < "2303",
			fmt.Sprintf(stream, "Win11", long+"d"):             release < "2303",
			fmt.Sprintf(stream, "Win11", `a line\nand a line`): true,
		} {
			request := exchange{method: "POST", path: "/config/v1/im-streams", body: body}.request()
			if err := Load(t, release).CheckRequest(request, []byte(body)); (err == nil) != want {
				t.Errorf("release %s and %.60s: %v", release, body, err)
			}
		}
	}
}

// verdict collects what a guard reports.
type verdict struct {
	testing.TB
	failures []string
}

func (v *verdict) Errorf(format string, arguments ...any) {
	v.failures = append(v.failures, fmt.Sprintf(format, arguments...))
}

func TestGuardsReport(t *testing.T) {
	good := exchange{method: "GET", path: "/config/v1/im-assets/b1"}
	misspelt := exchange{method: "GET", path: "/config/v1/im-assets?im_versionid=v1"}
	unknown := exchange{method: "GET", path: "/config/v7/im-assets"}
	answering := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, row := range map[string]struct {
		exchange       exchange
		handler        http.HandlerFunc
		guard, answers string // what each of them reports; nothing if empty
	}{
		"documented":          {good, answering(200, assetInfo), "", ""},
		"bad answer":          {good, answering(200, `{"idd":"b1"}`), "the answer 200", "the answer 200"},
		"bad request":         {misspelt, answering(200, `[]`), "is not documented", "is answered with 200"},
		"bad request refused": {misspelt, answering(400, `{}`), "is not documented", ""},
		"unknown refused":     {unknown, answering(404, `{}`), "is not documented", ""},
		"unknown with 400":    {unknown, answering(400, `{}`), "is not documented", "is answered with 400"},
		"no word":             {good, func(http.ResponseWriter, *http.Request) {}, "the answer 200", "the answer 200"},
	} {
		for want, guard := range map[*string]func(testing.TB, string, http.Handler) http.Handler{&row.guard: Guard, &row.answers: GuardAnswers} {
			seen := &verdict{TB: t}
			guard(seen, "2512", row.handler).ServeHTTP(httptest.NewRecorder(), row.exchange.request())
			reported := strings.Join(seen.failures, "\n")
			if (reported == "") != (*want == "") || !strings.Contains(reported, *want) {
				t.Errorf("%s: reported %q, want %q", name, reported, *want)
			}
		}
	}
}

func TestGuardLetsABrokenConnectionPass(t *testing.T) {
	seen := &verdict{TB: t}
	breaking := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	guarded := Guard(seen, "2512", breaking)
	defer func() {
		if broken := recover(); broken == nil || len(seen.failures) > 0 {
			t.Errorf("panicked with %v, reported %q", broken, seen.failures)
		}
	}()
	guarded.ServeHTTP(httptest.NewRecorder(), exchange{method: "GET", path: "/config/v1/im-assets/b1"}.request())
}

func TestGuardHandsTheRequestOn(t *testing.T) {
	const login = `{"username":"anna","password":"secret","domain":"DEMO"}`
	var body string
	handler := Guard(t, "2512", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content := make([]byte, 200)
		n, _ := r.Body.Read(content)
		body = string(content[:n])
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(refused("2512")))
	}))
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, exchange{method: "POST", path: "/login", body: login}.request())
	if body != login || recorder.Code != http.StatusUnauthorized {
		t.Errorf("handed on %q, answered %d", body, recorder.Code)
	}
	recorder = httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/_requests", nil))
	if recorder.Code != http.StatusUnauthorized {
		t.Errorf("a control address is answered with %d", recorder.Code)
	}
}
