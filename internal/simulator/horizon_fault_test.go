package simulator

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (p *pod) fault(f Fault) {
	p.t.Helper()
	if err := p.AddFault(f); err != nil {
		p.t.Fatal(err)
	}
}

func TestHorizonLimitsRequestsThroughAFault(t *testing.T) {
	p := newPod(t, newestRelease)
	p.do("GET", "/config/v1/im-streams", "")
	p.fault(Fault{Path: "/im-streams", Effect: EffectStatus, Status: 429, RetryAfter: "7"})
	got := p.do("GET", "/config/v1/im-streams", "")
	if got.status != 429 || got.object()["status"] != "TOO_MANY_REQUESTS" || got.header.Get("X-Rate-Limit-Retry-After-Seconds") != "7" || got.header.Get("Retry-After") != "" ||
		!strings.Contains(got.text, "common.api-throttle-limit.exceeded.error") {
		t.Errorf("the limit is answered with %d %s %v", got.status, got.text, got.header)
	}
	if got := p.do("GET", "/config/v1/im-streams", ""); got.status != 200 {
		t.Errorf("the next one is answered with %d", got.status)
	}
	p.fault(Fault{Effect: EffectStatus, Status: 503, RetryAfter: "3"})
	got = p.do("GET", "/config/v1/im-streams", "")
	if got.status != 503 || got.header.Get("Retry-After") != "3" || got.object()["status"] != "SERVICE_UNAVAILABLE" {
		t.Errorf("a failure is answered with %d %s %v", got.status, got.text, got.header)
	}
}

func TestALoadBalancerAnswersInHTML(t *testing.T) {
	p := newPod(t, newestRelease)
	p.fault(Fault{Path: "/rest/login", Effect: EffectHTMLPage, Status: 504})
	if got := p.login("demo"); got.status != 504 || got.header.Get("Content-Type") != "text/html" || !strings.Contains(got.text, "<h1>504 Gateway Timeout") {
		t.Errorf("a login is answered with %d %s", got.status, got.text)
	}
}

func TestFaultsExpireTheTokensOfHorizon(t *testing.T) {
	p := newPod(t, newestRelease)
	tokens := p.login("demo").object()
	access, refresh := tokens["access_token"].(string), `{"refresh_token":"`+tokens["refresh_token"].(string)+`"}`
	p.fault(Fault{Path: "/im-streams", Effect: EffectExpireToken})
	if got := p.status(access); got != 401 {
		t.Errorf("the expired token is answered with %d", got)
	}
	if got := p.send("POST", "/refresh", refresh, nil); got.status != 200 {
		t.Errorf("its session is refreshed with %d", got.status)
	}
	p.fault(Fault{Path: "/refresh", Effect: EffectExpireToken})
	if got := p.send("POST", "/refresh", refresh, nil); got.status != 400 {
		t.Errorf("an expired refresh token is answered with %d", got.status)
	}
}

func TestFaultsLoseWritesOfTheCatalogue(t *testing.T) {
	for _, effect := range []Effect{EffectLostWrite, EffectSilentDrop} {
		s := newStocked(t, newestRelease)
		for _, row := range []struct {
			method, path, body string
			status             int
		}{
			{"POST", "/config/v1/im-streams", streamBody("New"), 201},
			{"PUT", s.path("im-streams"), streamBody("Renamed"), 204},
			{"DELETE", s.path("im-assets"), "", 204},
		} {
			s.fault(Fault{Method: row.method, Effect: effect})
			if got := s.do(row.method, row.path, row.body); got.status != row.status {
				t.Errorf("%s: %s is answered with %d", effect, row.method, got.status)
			}
		}
		if len(s.horizon.catalogue) != 4 || s.CatalogueObject(s.stream)["name"] != "Desktops" {
			t.Errorf("%s: the catalogue has changed", effect)
		}
	}
}

func TestFaultsHoldWritesOfTheCatalogue(t *testing.T) {
	held := make(chan struct{})
	proceed := make(chan struct{})
	s := New(Options{Empty: true, Wait: func(context.Context, time.Duration) error {
		close(held)
		<-proceed
		return nil
	}})
	p := (&pod{Simulator: s, t: t, tokens: map[string]string{}}).behind(s)
	id := p.make("im-streams", streamBody("A"))
	p.fault(Fault{Method: http.MethodPut, Effect: EffectLateCommit, Latency: time.Second})
	answered := make(chan reply)
	go func() { answered <- p.do("PUT", "/config/v1/im-streams/"+id, streamBody("Late")) }()
	<-held
	if got := p.CatalogueObject(id)["name"]; got != "A" {
		t.Errorf("a held write has made it %v", got)
	}
	if err := p.WriteCatalogueObject(id, map[string]any{"publisher": "somebody else"}); err != nil {
		t.Error(err)
	}
	close(proceed)
	if got := <-answered; got.status != 204 {
		t.Errorf("the write is answered with %d", got.status)
	}
	if got := p.CatalogueObject(id); got["name"] != "Late" || got["publisher"] != nil {
		t.Errorf("after it the stream is %v", got)
	}
}

func TestFaultsBreakAfterTheEffect(t *testing.T) {
	p := newPod(t, newestRelease)
	p.do("GET", "/config/v1/im-streams", "")
	p.fault(Fault{Method: "POST", Path: "/im-streams", Effect: EffectResetAfter})
	request, err := http.NewRequest("POST", p.address+"/config/v1/im-streams", strings.NewReader(streamBody("A")))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+p.tokens["demo"])
	if response, err := http.DefaultClient.Do(request); err == nil {
		_ = response.Body.Close()
		t.Errorf("answered with %d", response.StatusCode)
	}
	if len(p.ids("im-streams")) != 1 {
		t.Error("the stream is not there")
	}
}

func TestRequestsToHorizonAreRecorded(t *testing.T) {
	p := newPod(t, newestRelease)
	p.login("demo")
	requests := p.Requests()
	if len(requests) != 1 || requests[0].Path != "/horizon/rest/login" || requests[0].Status != 200 {
		t.Errorf("recorded %+v", requests)
	}
}
