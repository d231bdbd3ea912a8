package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustAdd(t *testing.T, s *Simulator, f Fault) {
	t.Helper()
	if err := s.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

const addX = `[{"op":"add","path":"/x","value":"1"}]`

func TestFaultsThatAnswer(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	for _, tc := range []struct {
		name        string
		fault       Fault
		status      int
		contentType string
		body        string
		retryAfter  string
	}{
		{"status in the service's form", Fault{Effect: EffectStatus, Status: 503, RetryAfter: "2"}, 503, "application/json", `"title":"Service Unavailable"`, "2"},
		{"status with a body", Fault{Effect: EffectStatus, Status: 429, Body: `{"x":1}`}, 429, "application/json", `{"x":1}`, ""},
		{"status with a body of a type", Fault{Effect: EffectStatus, Status: 500, Body: `no`, ContentType: "text/plain"}, 500, "text/plain", `no`, ""},
		{"page of a gateway", Fault{Effect: EffectHTMLPage}, 502, "text/html", "<h1>502 Bad Gateway</h1>", ""},
		{"page with success", Fault{Effect: EffectHTMLPage, Status: 200}, 200, "text/html", "<h1>200 OK</h1>", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			mustAdd(t, c.Simulator, tc.fault)
			got := c.patch("demo", id, addX)
			if got.status != tc.status || got.header.Get("Content-Type") != tc.contentType || !strings.Contains(got.text, tc.body) || got.header.Get("Retry-After") != tc.retryAfter {
				t.Errorf("got %d %s %q %q", got.status, got.header.Get("Content-Type"), got.text, got.header.Get("Retry-After"))
			}
			expectValue(t, c.Document(id), "x", nil)
		})
	}
	expect(t, c.patch("demo", id, addX), 200, "")
}

func TestFaultsMatchMethodPathSkipAndCount(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	mustAdd(t, c.Simulator, Fault{Method: "PATCH", Path: `^/image/v2/images/[^/]+$`, Skip: 1, Count: 2, Effect: EffectStatus, Status: 503})
	var statuses []int
	for range 5 {
		statuses = append(statuses, c.patch("demo", id, addX).status)
		expect(t, c.get("demo", id), 200, "")
		expect(t, c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + id + "/tags/x"}), 204, "")
	}
	for i, want := range []int{200, 503, 503, 200, 200} {
		if statuses[i] != want {
			t.Fatalf("statuses are %v", statuses)
		}
	}
	mustAdd(t, c.Simulator, Fault{Count: Forever, Effect: EffectStatus, Status: 500})
	for range 3 {
		expect(t, c.get("demo", id), 500, "")
	}
	c.ClearFaults()
	expect(t, c.get("demo", id), 200, "")
}

func TestFaultsInARow(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	mustAdd(t, c.Simulator, Fault{Effect: EffectStatus, Status: 500})
	mustAdd(t, c.Simulator, Fault{Effect: EffectStatus, Status: 503})
	for _, want := range []int{500, 503, 200} {
		if got := c.get("demo", id).status; got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
	}
}

func TestFaultsThatBreakTheConnection(t *testing.T) {
	for _, tc := range []struct {
		effect Effect
		stored any
		status int // that the record shows
	}{{EffectResetBefore, nil, 0}, {EffectResetAfter, "1", 0}, {EffectTruncatedBody, "1", 200}} {
		t.Run(string(tc.effect), func(t *testing.T) {
			c := newTestCloud(t, Options{Empty: true})
			id := c.CreateImage(Image{})
			mustAdd(t, c.Simulator, Fault{Effect: tc.effect})
			request, _ := http.NewRequest("PATCH", c.server.URL+"/image/v2/images/"+id, strings.NewReader(addX))
			request.Header.Set("Content-Type", mediaTypeV21)
			request.Header.Set("X-Auth-Token", c.token("demo"))
			response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
			if err == nil {
				var body []byte
				body, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
				if tc.effect != EffectTruncatedBody || json.Valid(body) {
					t.Errorf("got %d %s", response.StatusCode, body)
				}
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("reading ends with %v", err)
				}
			} else if tc.effect == EffectTruncatedBody {
				t.Errorf("no answer: %v", err)
			}
			expectValue(t, c.Document(id), "x", tc.stored)
			requests := c.Requests()
			if last := requests[len(requests)-1]; last.Fault != tc.effect || last.Status != tc.status {
				t.Errorf("recorded with fault %q and status %d", last.Fault, last.Status)
			}
		})
	}
}

func TestMalformedBody(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	mustAdd(t, c.Simulator, Fault{Effect: EffectMalformedBody})
	request, _ := http.NewRequest("GET", c.server.URL+"/image/v2/images/"+id, nil)
	request.Header.Set("X-Auth-Token", c.token("demo"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || len(body) == 0 || json.Valid(body) {
		t.Errorf("got %d %q, %v", response.StatusCode, body, err)
	}
}

func TestHangLastsUntilTheClientLeaves(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	mustAdd(t, c.Simulator, Fault{Method: "PATCH", Effect: EffectHang})
	ctx, cancel := context.WithCancel(context.Background())
	request, _ := http.NewRequestWithContext(ctx, "PATCH", c.server.URL+"/image/v2/images/"+id, strings.NewReader(addX))
	request.Header.Set("Content-Type", mediaTypeV21)
	request.Header.Set("X-Auth-Token", c.token("demo"))
	done := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		done <- err
	}()
	arrived := func(r Request) bool { return r.Method == "PATCH" }
	for !slices.ContainsFunc(c.Requests(), arrived) {
		expect(t, c.get("demo", id), 200, "")
	}
	select {
	case err := <-done:
		t.Fatalf("answered: %v", err)
	default:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	expectValue(t, c.Document(id), "x", nil)
}

func TestLostWriteAndSilentDrop(t *testing.T) {
	for _, tc := range []struct {
		effect Effect
		echo   any
	}{{EffectLostWrite, "1"}, {EffectSilentDrop, nil}} {
		t.Run(string(tc.effect), func(t *testing.T) {
			c := newTestCloud(t, Options{Empty: true})
			id := c.CreateImage(Image{Visibility: "shared", Tags: []string{"old"}})
			mustAdd(t, c.Simulator, Fault{Effect: tc.effect, Count: 4})
			got := c.patch("demo", id, addX)
			expect(t, got, 200, "")
			expectValue(t, got.value, "x", tc.echo)
			expect(t, c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + id + "/tags/new"}), 204, "")
			expect(t, c.post("demo", "/v2/images/"+id+"/members", `{"member":"m"}`), 200, "")
			expect(t, c.do(call{user: "demo", method: "DELETE", path: "/v2/images/" + id}), 204, "")
			doc := c.get("demo", id).value
			expectValue(t, doc, "x", nil)
			if tagsOf(doc) != "old" {
				t.Errorf("tags are %s", tagsOf(doc))
			}
			expect(t, c.do(call{user: "demo", method: "GET", path: "/v2/images/" + id + "/members/m"}), 404, "")
		})
	}
}

// A write that reads, is overtaken and then saves takes the other write away:
// the race in which Glance loses an acknowledged write.
func TestLateCommitLosesTheOvertakingWrite(t *testing.T) {
	held, overtaken := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c := newTestCloud(t, Options{Empty: true, Wait: func(context.Context, time.Duration) error {
		once.Do(func() { close(held) })
		<-overtaken
		return nil
	}})
	id := c.CreateImage(Image{Tags: []string{"old"}})
	c.token("demo")
	mustAdd(t, c.Simulator, Fault{Method: "PATCH", Effect: EffectLateCommit, Latency: time.Second})
	slow := make(chan answer)
	go func() { slow <- c.patch("demo", id, `[{"op":"add","path":"/slow","value":"1"}]`) }()
	<-held
	quick := c.patch("demo", id, `[{"op":"add","path":"/quick","value":"1"},{"op":"replace","path":"/name","value":"quick"},{"op":"replace","path":"/tags","value":["new"]}]`)
	expect(t, quick, 200, "")
	expectValue(t, quick.value, "quick", "1")
	close(overtaken)
	expect(t, <-slow, 200, "")
	doc := c.Document(id)
	expectValue(t, doc, "slow", "1")
	expectValue(t, doc, "quick", nil)
	expectValue(t, doc, "name", "")
	if tagsOf(doc) != "old" {
		t.Errorf("tags are %s", tagsOf(doc))
	}
}

func TestExpiredTokenAndLatency(t *testing.T) {
	var waited []time.Duration
	c := newTestCloud(t, Options{Empty: true, Wait: func(_ context.Context, d time.Duration) error {
		waited = append(waited, d)
		return nil
	}})
	id := c.CreateImage(Image{})
	mustAdd(t, c.Simulator, Fault{Effect: EffectDelay, Latency: 3 * time.Second})
	expect(t, c.get("demo", id), 200, "")
	if len(waited) != 1 || waited[0] != 3*time.Second {
		t.Errorf("waited %v", waited)
	}
	mustAdd(t, c.Simulator, Fault{Effect: EffectExpireToken})
	expect(t, c.get("demo", id), 401, "")
	expect(t, c.get("demo", id), 401, "")
	delete(c.tokens, "demo")
	expect(t, c.get("demo", id), 200, "")
}

func TestFaultsThatCannotBe(t *testing.T) {
	s := New(Options{})
	for name, f := range map[string]Fault{
		"no effect":      {},
		"unknown effect": {Effect: "x"},
		"bad path":       {Effect: EffectHang, Path: "("},
		"no status":      {Effect: EffectStatus},
		"bad status":     {Effect: EffectStatus, Status: 1000},
	} {
		if err := s.AddFault(f); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestControlAddresses(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Empty: true, Clock: at.now, ClockRate: 60})
	id := c.CreateImage(Image{})
	control := func(method, path, body string) answer {
		return c.do(call{method: method, path: "/" + path, body: body, accept: "none"})
	}
	c.patch("demo", id, `[]`)
	got := control("GET", "/_requests?reset=1", "")
	requests := got.value["requests"].([]any)
	if len(requests) != 1 {
		t.Fatalf("%d requests: %s", len(requests), got.text)
	}
	first := requests[0].(map[string]any)
	for name, want := range map[string]string{"method": "PATCH", "path": "/image/v2/images/" + id, "body": "[]", "status": "200"} {
		expectValue(t, first, name, want)
	}
	if got := control("GET", "/_requests", "").value["requests"].([]any); len(got) != 0 {
		t.Errorf("%d requests after the reset", len(got))
	}

	got = control("POST", "/_faults", `{"method":"GET","effect":"status","status":503,"latency":"0s","count":2}`)
	if got.status != 200 || len(got.value["faults"].([]any)) != 1 {
		t.Errorf("got %d %s", got.status, got.text)
	}
	expect(t, c.get("demo", id), 503, "")
	left := control("GET", "/_faults", "").value["faults"].([]any)[0].(map[string]any)
	expectValue(t, left, "count", "1")
	if got := control("POST", "/_faults", `[{"effect":"hang"},{"effect":"delay","latency":"1h"}]`); len(got.value["faults"].([]any)) != 3 || !strings.Contains(got.text, `"latency":"1h0m0s"`) {
		t.Errorf("got %s", got.text)
	}
	for _, body := range []string{"", "{", `{"effect":"x"}`, `{"effect":"delay","latency":"soon"}`} {
		if got := control("POST", "/_faults", body); got.status != 400 {
			t.Errorf("%q answers %d", body, got.status)
		}
	}
	if got := control("DELETE", "/_faults", ""); len(got.value["faults"].([]any)) != 0 {
		t.Errorf("got %s", got.text)
	}

	got = control("POST", "/_clock", `{"advance":"1h"}`)
	expectValue(t, got.value, "now", "2026-03-01T13:00:00Z")
	at.at = at.at.Add(time.Minute)
	expectValue(t, control("GET", "/_clock", "").value, "now", "2026-03-01T14:00:00Z")
	for _, body := range []string{"", `{}`, `{"advance":"-1h"}`, `{"advance":"soon"}`} {
		if got := control("POST", "/_clock", body); got.status != 400 {
			t.Errorf("%q answers %d", body, got.status)
		}
	}
	if got := control("PUT", "/_clock", ""); got.status != 405 {
		t.Errorf("PUT answers %d", got.status)
	}
	if got := control("GET", "/_nope", ""); got.status != 404 {
		t.Errorf("an unknown address answers %d", got.status)
	}
}

func TestControlAddressesAreForLoopbackOnly(t *testing.T) {
	s := New(Options{})
	for address, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "192.0.2.1:1": 403, "nonsense": 403} {
		request := httptest.NewRequest("GET", "/_requests", nil)
		request.RemoteAddr = address
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, request)
		if recorder.Code != want {
			t.Errorf("%s gets %d", address, recorder.Code)
		}
	}
}
