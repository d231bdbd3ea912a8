package horizon

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

var stream = Ref{Kind: Stream, ID: streamID}

func mustRead(t *testing.T, client *Client) {
	t.Helper()
	if _, err := client.Read(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
}

// settled waits for a renewal that nobody waits for.
func settled(client *Client) {
	s := &client.server.sessions
	s.mu.Lock()
	f := s.flight
	s.mu.Unlock()
	if f != nil {
		<-f.done
	}
}

// awaitWaiting returns when so many callers wait for the sign-in under way.
func awaitWaiting(t *testing.T, client *Client, callers int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		s := &client.server.sessions
		s.mu.Lock()
		waiting := 0
		if s.flight != nil {
			waiting = s.flight.waiting
		}
		s.mu.Unlock()
		if waiting == callers {
			return
		}
	}
	t.Errorf("%d callers never wait for one sign-in", callers)
}

func TestFirstUsesAtTheSameTimeSignInOnce(t *testing.T) {
	p := newPod(t)
	shared := &registry{}
	clients := []*Client{p.clientIn(t, shared, nil), p.clientIn(t, shared, func(c *Config) { c.Username, c.Domain = `corp\DESK`, "" })}
	begun := make(chan struct{})
	p.Intercept = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path == "/rest/login" {
			<-begun // Until all of them have asked.
		}
		return false
	}
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			if _, err := clients[i%2].Read(t.Context(), stream); err != nil {
				t.Error(err)
			}
		})
	}
	awaitWaiting(t, clients[0], 40)
	close(begun)
	wait.Wait()
	p.wantCounts(t, map[string]int{"POST /rest/login": 1})
}

func TestClientsThatDifferInWhatMattersSignInByThemselves(t *testing.T) {
	p := newPod(t)
	shared := &registry{}
	right := p.clientIn(t, shared, nil)
	insecure := p.clientIn(t, shared, func(c *Config) { c.Insecure = new(true) })
	wrong := p.clientIn(t, shared, func(c *Config) { c.Password = "sentinel-wrong" })
	mustRead(t, right)
	mustRead(t, insecure)
	if _, err := wrong.Read(t.Context(), stream); err == nil {
		t.Error("a wrong password gets in by the session of another client")
	}
	mustRead(t, right)
	p.wantCounts(t, map[string]int{"POST /rest/login": 3})
}

func TestTokenIsRenewedBeforeItsEndWithoutAWait(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	mustRead(t, client)
	p.clock.advance(p.Lifetime - renewalMargin - time.Second)
	mustRead(t, client)
	settled(client)
	p.wantCounts(t, map[string]int{"POST /rest/refresh": 0})
	p.clock.advance(2 * time.Second)
	mustRead(t, client) // Begins the renewal.
	settled(client)
	p.wantCounts(t, map[string]int{"POST /rest/refresh": 1})
	p.clock.advance(p.Lifetime - renewalMargin - time.Second)
	mustRead(t, client)
	p.wantCounts(t, map[string]int{"POST /rest/refresh": 1, "POST /rest/login": 1, "GET /rest/config/v1/im-streams/": 4})
}

func TestTokenPastItsEndIsNotSent(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	mustRead(t, client)
	p.clock.advance(p.Lifetime + time.Minute)
	mustRead(t, client)
	p.wantCounts(t, map[string]int{"POST /rest/refresh": 1, "POST /rest/login": 1, "GET /rest/config/v1/im-streams/": 2})
}

func TestRefusedTokenIsRenewedOnceForAll(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	mustRead(t, client)
	p.revoke(p.access)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := client.Read(t.Context(), stream); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	p.wantCounts(t, map[string]int{"POST /rest/refresh": 1, "POST /rest/login": 1})
}

func TestDeadRefreshTokenLeadsToANewSignIn(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		p := newPod(t)
		p.Opaque = opaque
		lines := &journal{}
		client := p.client(t, func(c *Config) { c.Log = lines.log })
		mustRead(t, client)
		p.revoke(p.access, p.refresh)
		mustRead(t, client)
		p.wantCounts(t, map[string]int{"POST /rest/refresh": 1, "POST /rest/login": 2, "GET /rest/config/v1/im-streams/": 3})
		if strings.Contains(lines.String(), "sentinel") || !strings.Contains(lines.String(), "signing in again") {
			t.Errorf("%s", lines)
		}
	}
}

func TestRefreshThatFailsInAnyWayLeadsToANewSignIn(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"500":       func(w http.ResponseWriter, _ *http.Request) { refuse(w, 500, "x", "unknown token") },
		"HTML":      func(w http.ResponseWriter, _ *http.Request) { page(w, 200) },
		"reset":     reset,
		"truncated": truncated,
	} {
		p := newPod(t)
		client := p.client(t, func(c *Config) { c.MaxRetries = 4 })
		mustRead(t, client)
		p.revoke(p.access)
		p.Intercept = onlyFor("POST /rest/refresh", handle)
		mustRead(t, client)
		if n := p.count("POST /rest/refresh"); n != 1 || p.count("POST /rest/login") != 2 {
			t.Errorf("%s: %q", name, p.seen())
		}
	}
}

func TestServerThatAcceptsNoTokenIsAskedThreeTimes(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = onlyFor("GET /rest/config", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusUnauthorized, "auth", "User is not authenticated")
	})
	_, err := client.Read(t.Context(), stream)
	var refusal *transport.APIError
	if !errors.As(err, &refusal) || refusal.StatusCode != 401 || !strings.Contains(err.Error(), "load balancer") {
		t.Errorf("%v", err)
	}
	p.wantCounts(t, map[string]int{"GET /rest/config/v1/im-streams/": 3, "POST /rest/login": 2, "POST /rest/refresh": 1})
}

func TestWaiterOutlivesTokensAndTheSession(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	for range 30 * 60 {
		mustRead(t, client)
		settled(client)
		p.clock.advance(time.Minute)
	}
	if logins, refreshes := p.count("POST /rest/login"), p.count("POST /rest/refresh"); logins > 5 || refreshes > 70 {
		t.Errorf("%d sign-ins and %d renewals in 30 hours", logins, refreshes)
	}
	p.wantCounts(t, map[string]int{"GET /rest/config/v1/im-streams/": 1800})
}

func TestWrongPasswordIsTriedOnceInTenMinutes(t *testing.T) {
	p := newPod(t)
	log := &journal{}
	client := p.client(t, func(c *Config) { c.Password, c.Log, c.MaxRetries = "sentinel-wrong", log.log, 4 })
	attempt := func() {
		t.Helper()
		for range 10 {
			_, err := client.Read(t.Context(), stream)
			var signIn *SignInError
			if !errors.As(err, &signIn) || !signIn.Refused || !strings.Contains(err.Error(), `CORP\desk`) || !strings.Contains(err.Error(), "Unknown user name") {
				t.Errorf("%v", err)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, err)+log.String(), "sentinel") {
				t.Errorf("%v\n%s", err, log)
			}
		}
	}
	attempt()
	p.clock.advance(refusalHeld - time.Second)
	attempt()
	p.wantCounts(t, map[string]int{"POST /rest/login": 1})
	p.clock.advance(2 * time.Second)
	attempt()
	p.wantCounts(t, map[string]int{"POST /rest/login": 2})
}

func TestTroubleOfASignInIsExplainedAndHeldForAMoment(t *testing.T) {
	for _, c := range []struct {
		name    string
		handle  http.HandlerFunc
		says    string
		logins  int
		refused bool
	}{
		{"403", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 403, map[string]any{"status": "UNAUTHORIZED", "error_message": "Only administrators on root"})
		}, "Only administrators on root", 1, true},
		{"400", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 400, map[string]any{"error_messages": []string{"one thing", "and another"}})
		}, "one thing; and another", 1, true},
		{"404 of a route", func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, "no Horizon Server REST API", 1, false},
		{"429", func(w http.ResponseWriter, _ *http.Request) { throttle(w) }, "throttling limit", 3, false},
		{"503", func(w http.ResponseWriter, _ *http.Request) { page(w, 503) }, "cannot answer at the moment", 3, false},
		{"reset", reset, "no answer from Horizon", 3, false},
		{"truncated", truncated, "no answer from Horizon", 3, false},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { page(w, 200) }, "is not Horizon's REST API", 1, false},
		{"no token", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, map[string]any{"refresh_token": "sentinel-r"})
		}, "is not Horizon's REST API", 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPod(t)
			log := &journal{}
			client := p.client(t, func(cfg *Config) { cfg.MaxRetries, cfg.Log = 2, log.log })
			p.Intercept = onlyFor("POST /rest/login", c.handle)
			for range 3 {
				_, err := client.Read(t.Context(), stream)
				var signIn *SignInError
				if !errors.As(err, &signIn) || signIn.Refused != c.refused || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error()+log.String(), "sentinel") {
					t.Errorf("%v", err)
				}
			}
			p.wantCounts(t, map[string]int{"POST /rest/login": c.logins, "GET": 0})
			p.mu.Lock()
			p.Intercept = nil
			p.mu.Unlock()
			p.clock.advance(failureHeld + time.Second)
			if _, err := client.Read(t.Context(), stream); (err == nil) == c.refused {
				t.Errorf("after %s: %v", failureHeld, err)
			}
		})
	}
}

func TestPasswordIsSentAsAListToAServerThatCannotReadIt(t *testing.T) {
	characters, err := json.Marshal(strings.Split(password, ""))
	if err != nil {
		t.Fatal(err)
	}
	for form, logins := range map[string]int{string(characters): 2, `["` + password + `"]`: 3} {
		p := newPod(t)
		client := p.client(t, nil)
		p.Intercept = func(w http.ResponseWriter, r *http.Request, body string) bool {
			if r.URL.Path != "/rest/login" {
				return false
			}
			if !strings.Contains(body, form) {
				refuse(w, 400, "json", "JSON cannot be mapped: "+body)
				return true
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			reply(w, 200, map[string]any{"access_token": p.issue(p.access, "access", p.Lifetime), "refresh_token": "r"})
			return true
		}
		mustRead(t, client)
		p.wantCounts(t, map[string]int{"POST /rest/login": logins})
	}
}

// TestAPasswordThatIsSpeltIsNotShown lets a server that can read no form of the
// password quote each of them.
func TestAPasswordThatIsSpeltIsNotShown(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = func(w http.ResponseWriter, r *http.Request, body string) bool {
		if r.URL.Path != "/rest/login" {
			return false
		}
		refuse(w, 400, "json", "JSON cannot be mapped: "+body+" or "+password)
		return true
	}
	_, err := client.Read(t.Context(), stream)
	spelt := strings.Join(strings.Split(password, ""), `","`)
	if err == nil || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), spelt) {
		t.Errorf("the error is %v", err)
	}
	p.wantCounts(t, map[string]int{"POST /rest/login": 3})
}

func TestWhoLeavesASignInDoesNotEndItForOthers(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	release := make(chan struct{})
	p.Intercept = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path == "/rest/login" {
			<-release
		}
		return false
	}
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 2)
	go func() {
		_, err := client.Read(ctx, stream)
		errs <- err
	}()
	go func() {
		_, err := client.Read(t.Context(), stream)
		errs <- err
	}()
	awaitWaiting(t, client, 2)
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(release)
	if err := <-errs; err != nil {
		t.Error(err)
	}
	p.wantCounts(t, map[string]int{"POST /rest/login": 1})
}

// A caller who has left wants no repeats; others may wait for the same sign-in.
func TestSignInIsRepeatedWhoeverBeganIt(t *testing.T) {
	p := newPod(t)
	client := p.client(t, func(c *Config) { c.MaxRetries = 2 })
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		first := r.URL.Path == "/rest/login" && p.count("POST /rest/login") == 1
		if first {
			page(w, 503)
		}
		return first
	}
	left, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Read(transport.WithPatience(t.Context(), left), stream); err != nil {
		t.Error(err)
	}
	p.wantCounts(t, map[string]int{"POST /rest/login": 2})
}

func TestLastClientToCloseSignsOut(t *testing.T) {
	p := newPod(t)
	shared := &registry{}
	one, other := p.clientIn(t, shared, nil), p.clientIn(t, shared, nil)
	mustRead(t, one)
	for range 2 {
		if err := one.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	p.wantCounts(t, map[string]int{"POST /rest/logout": 0})
	mustRead(t, other)
	if err := other.Close(t.Context()); err != nil {
		t.Error(err)
	}
	p.wantCounts(t, map[string]int{"POST /rest/logout": 1, "POST /rest/login": 1})
	if !strings.Contains(p.lastBody("POST /rest/logout"), "sentinel-refresh") || len(p.refresh) != 0 {
		t.Errorf("%s", p.lastBody("POST /rest/logout"))
	}
	if unused := p.client(t, nil); unused.Close(t.Context()) != nil || p.count("POST /rest/logout") != 1 {
		t.Error("a client that never signed in signs out")
	}
}

func TestFailedSignOutShowsNoToken(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	mustRead(t, client)
	p.revoke(p.refresh)
	if err := client.Close(t.Context()); err == nil || strings.Contains(err.Error(), "sentinel") || !strings.Contains(err.Error(), "not valid") {
		t.Errorf("%v", err)
	}
}

func TestSignInThatNobodyWaitsForIsGivenUp(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan struct{})
	p.Intercept = onlyFor("POST /rest/login", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
		close(given)
	})
	if _, err := client.Read(ctx, stream); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-given
	p.mu.Lock()
	p.Intercept = nil
	p.mu.Unlock()
	mustRead(t, client)
	p.wantCounts(t, map[string]int{"POST /rest/login": 2})
}

func TestLifetimeIsReadFromTheToken(t *testing.T) {
	token := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".s"
	}
	for given, want := range map[string]time.Duration{
		token(`{"nbf":1000,"exp":2800}`):            30 * time.Minute,
		token(`{"iat":1000,"nbf":1100,"exp":2800}`): 1700 * time.Second,
		token(`{"exp":2800}`):                       0, // By whose clock?
		token(`{"nbf":2800,"exp":2800}`):            0,
		token(`{"nbf":1,"exp":99999999999}`):        0,
		token(`{"nbf":"1","exp":"2"}`):              0,
		token(`broken`):                             0,
		"e30.???.s":                                 0,
		"opaque":                                    0,
	} {
		if got := lifetimeOf(given); got != want {
			t.Errorf("%s: %s, want %s", given, got, want)
		}
	}
}

func TestCertificateIsCheckedAsConfigured(t *testing.T) {
	p := newPod(t)
	secure := httptest.NewUnstartedServer(p.Config.Handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	shared := &registry{}
	for _, c := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"unknown", func(*Config) {}, "cacert"},
		{"insecure", func(c *Config) { c.Insecure = new(true) }, ""},
		{"still unknown", func(*Config) {}, "cacert"},
		{"known", func(c *Config) { c.CACert = ca }, ""},
	} {
		client := p.clientIn(t, shared, func(cfg *Config) {
			cfg.URL = secure.URL
			c.change(cfg)
		})
		_, err := client.Read(t.Context(), stream)
		var signIn *SignInError
		if (err == nil) != (c.says == "") || (err != nil && (!errors.As(err, &signIn) || !strings.Contains(err.Error(), c.says))) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	p.wantCounts(t, map[string]int{"POST /rest/login": 2})
}

func TestCloseAllSignsOutOfEverySession(t *testing.T) {
	p := newPod(t)
	shared := &registry{}
	first, second, third := p.clientIn(t, shared, nil), p.clientIn(t, shared, nil), p.clientIn(t, shared, func(c *Config) { c.Insecure = new(true) })
	unused := p.clientIn(t, shared, func(c *Config) { c.Domain = "OTHER" })
	for _, client := range []*Client{first, second, third} {
		if _, err := client.Read(t.Context(), asset1); err != nil {
			t.Fatal(err)
		}
	}
	shared.closeAll(t.Context())
	p.wantCounts(t, map[string]int{"POST /rest/login": 2, "POST /rest/logout": 2})
	shared.closeAll(t.Context())
	for _, client := range []*Client{first, unused} {
		if err := client.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	p.wantCounts(t, map[string]int{"POST /rest/logout": 2})
	if _, err := second.Read(t.Context(), asset1); err != nil {
		t.Errorf("a client is of no use any more: %v", err)
	}
	p.wantCounts(t, map[string]int{"POST /rest/login": 3})
}

func TestCloseAllGoesOnAfterAFailure(t *testing.T) {
	p := newPod(t)
	shared := &registry{}
	var log journal
	for _, insecure := range []bool{true, false} {
		client := p.clientIn(t, shared, func(c *Config) { c.Insecure, c.Log = &insecure, log.log })
		if _, err := client.Read(t.Context(), asset1); err != nil {
			t.Fatal(err)
		}
	}
	p.Intercept = onlyFor("POST /rest/logout", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "x", "no such session") })
	shared.closeAll(t.Context())
	p.wantCounts(t, map[string]int{"POST /rest/logout": 2})
	if n := strings.Count(log.String(), "could not sign out"); n != 2 || strings.Contains(log.String(), "sentinel") {
		t.Errorf("%s", log.String())
	}
}
