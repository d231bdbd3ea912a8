package acceptance

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// backend is a server that counts what has taken effect on it.
type backend struct {
	*httptest.Server
	effects atomic.Int64
}

const backendAnswer = `{"name":"golden"}`

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.effects.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Answered-By", "backend")
		w.Header().Set("X-User-Agent", strings.Join(r.Header["User-Agent"], ","))
		_, _ = io.WriteString(w, backendAnswer)
	}))
	t.Cleanup(b.Close)
	return b
}

// client is one that neither keeps connections nor repeats requests.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
}

// patch sends a PATCH; with an error it returns what had come until then.
func patch(ctx context.Context, address, body string) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, address, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", PatchV21)
	response, err := client().Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return Answer{Status: response.StatusCode, Header: response.Header, Body: string(content)}, err
}

func TestProxyPassesAnswersOnUnchanged(t *testing.T) {
	t.Parallel()
	server := newBackend(t)
	proxy := NewProxy(t, server.URL+"/image")
	if !strings.HasSuffix(proxy.URL(), "/image") {
		t.Errorf("URL %s has lost the path of the target", proxy.URL())
	}
	answer, err := patch(t.Context(), proxy.URL()+"/v2/images/1", "[]")
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusOK || answer.Body != backendAnswer || answer.Header.Get("X-Answered-By") != "backend" {
		t.Errorf("got %d %v %s", answer.Status, answer.Header, answer.Body)
	}
	if agent := answer.Header.Get("X-User-Agent"); agent != "Go-http-client/1.1" {
		t.Errorf("the server saw the user agent %q", agent)
	}
}

func TestProxyRecordsRequests(t *testing.T) {
	t.Parallel()
	proxy := NewProxy(t, newBackend(t).URL)
	if _, err := patch(t.Context(), proxy.URL()+"/v2/images/a%20b?limit=1&x=%2F", `[{"op":"remove"}]`); err != nil {
		t.Fatal(err)
	}
	response, err := client().Get(proxy.URL() + "/v2/schemas/image")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()

	writes := proxy.Writes()
	if len(writes) != 1 {
		t.Fatalf("%d writes, want 1", len(writes))
	}
	got := writes[0]
	if got.Method != http.MethodPatch || got.Path != "/v2/images/a b" || got.RawQuery != "limit=1&x=%2F" ||
		got.Header.Get("Content-Type") != PatchV21 || got.Body != `[{"op":"remove"}]` ||
		got.Forwarded != http.StatusOK || got.Status != http.StatusOK {
		t.Errorf("recorded %+v", got)
	}
	for _, c := range []struct {
		method, prefix string
		want           int
	}{
		{"", "", 2}, {http.MethodGet, "", 1}, {"", "/v2/images/", 1}, {http.MethodGet, "/v2/images/", 0},
	} {
		if found := proxy.Requests(c.method, c.prefix); len(found) != c.want {
			t.Errorf("Requests(%q, %q): %d, want %d", c.method, c.prefix, len(found), c.want)
		}
	}
	proxy.Reset()
	if left := proxy.Requests("", ""); len(left) != 0 {
		t.Errorf("%d requests after Reset", len(left))
	}
}

func TestProxyAnswersInsteadOfTheServer(t *testing.T) {
	t.Parallel()
	server := newBackend(t)
	proxy := NewProxy(t, server.URL)
	proxy.Before(Match{Method: http.MethodPatch}, Respond(http.StatusServiceUnavailable, http.Header{"Retry-After": {"7"}}, "busy"))
	answer, err := patch(t.Context(), proxy.URL(), "[]")
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "7" || answer.Body != "busy" {
		t.Errorf("got %d %v %q", answer.Status, answer.Header, answer.Body)
	}
	if effects := server.effects.Load(); effects != 0 {
		t.Errorf("%d requests reached the server", effects)
	}
	if recorded := proxy.Writes()[0]; recorded.Forwarded != 0 || recorded.Status != http.StatusServiceUnavailable {
		t.Errorf("recorded %+v", recorded)
	}
}

func TestProxyReplacesAnAnswerAfterTheEffect(t *testing.T) {
	t.Parallel()
	server := newBackend(t)
	proxy := NewProxy(t, server.URL)
	proxy.After(Match{}, Respond(http.StatusBadGateway, nil, ""))
	answer, err := patch(t.Context(), proxy.URL(), "[]")
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusBadGateway || answer.Body != "" || server.effects.Load() != 1 {
		t.Errorf("got %d %q, %d effects", answer.Status, answer.Body, server.effects.Load())
	}
	if recorded := proxy.Writes()[0]; recorded.Forwarded != http.StatusOK || recorded.Status != http.StatusBadGateway {
		t.Errorf("recorded %+v", recorded)
	}
}

func TestProxyResetsTheConnection(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		install func(*Proxy)
		effects int64
	}{
		{"before the effect", func(p *Proxy) { p.Before(Match{}, ResetConnection()) }, 0},
		{"after the effect", func(p *Proxy) { p.After(Match{}, ResetConnection()) }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := newBackend(t)
			proxy := NewProxy(t, server.URL)
			c.install(proxy)
			_, err := patch(t.Context(), proxy.URL(), "[]")
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("error %v, want a connection reset", err)
			}
			if effects := server.effects.Load(); effects != c.effects {
				t.Errorf("%d effects, want %d", effects, c.effects)
			}
			if recorded := proxy.Writes()[0]; recorded.Status != 0 {
				t.Errorf("recorded %+v", recorded)
			}
		})
	}
}

func TestProxyTruncatesTheBody(t *testing.T) {
	t.Parallel()
	proxy := NewProxy(t, newBackend(t).URL)
	proxy.After(Match{}, Truncate(5))
	answer, err := patch(t.Context(), proxy.URL(), "[]")
	if !errors.Is(err, io.ErrUnexpectedEOF) || answer.Body != backendAnswer[:5] {
		t.Errorf("got %q, %v; want the first 5 bytes and an unexpected end", answer.Body, err)
	}
}

func TestProxyHangsUntilTheClientLeaves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		install func(*Proxy, ...Action)
		effects int64
	}{
		{"before the effect", func(p *Proxy, a ...Action) { p.Before(Match{}, a...) }, 0},
		{"after the effect", func(p *Proxy, a ...Action) { p.After(Match{}, a...) }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := newBackend(t)
			proxy := NewProxy(t, server.URL)
			ctx, leave := context.WithCancel(t.Context())
			c.install(proxy, Call(leave), Hang())
			if _, err := patch(ctx, proxy.URL(), "[]"); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that the client left", err)
			}
			if effects := server.effects.Load(); effects != c.effects {
				t.Errorf("%d effects, want %d", effects, c.effects)
			}
		})
	}
}

func TestProxyEndsWhileARequestHangs(t *testing.T) {
	t.Parallel()
	done := make(chan error, 1)
	t.Run("hang", func(t *testing.T) {
		proxy := NewProxy(t, newBackend(t).URL)
		arrived := make(chan struct{})
		proxy.Before(Match{}, Call(func() { close(arrived) }), Hang())
		go func() {
			_, err := patch(context.Background(), proxy.URL(), "[]")
			done <- err
		}()
		<-arrived
	})
	if err := <-done; err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the request ended with %v, want a connection that ended with the proxy", err)
	}
}

func TestProxyDelays(t *testing.T) {
	t.Parallel()
	const delay = 30 * time.Millisecond
	proxy := NewProxy(t, newBackend(t).URL)
	proxy.Before(Match{}, Delay(delay))
	proxy.After(Match{}, Delay(delay))
	if _, err := patch(t.Context(), proxy.URL(), "[]"); err != nil {
		t.Fatal(err)
	}
	if recorded := proxy.Writes()[0]; recorded.Ended.Sub(recorded.Began) < 2*delay {
		t.Errorf("the request took %v", recorded.Ended.Sub(recorded.Began))
	}
}

func TestProxyCallsBetweenReadAndWrite(t *testing.T) {
	t.Parallel()
	server := newBackend(t)
	proxy := NewProxy(t, server.URL)
	var before, after int64
	proxy.Before(Match{Method: http.MethodPatch}, Call(func() { before = server.effects.Load() }))
	proxy.After(Match{Method: http.MethodPatch}, Call(func() { after = server.effects.Load() }))
	if _, err := patch(t.Context(), proxy.URL(), "[]"); err != nil {
		t.Fatal(err)
	}
	if before != 0 || after != 1 {
		t.Errorf("called with %d and %d effects, want 0 and 1", before, after)
	}
}

func TestProxyMatchesMethodPathAndCount(t *testing.T) {
	t.Parallel()
	proxy := NewProxy(t, newBackend(t).URL)
	proxy.Before(Match{Method: http.MethodPatch, PathPrefix: "/v2/images/1", Nth: 2}, Respond(http.StatusTeapot, nil, ""))
	for i, c := range []struct {
		path string
		want int
	}{
		{"/v2/images/1", http.StatusOK},
		{"/v2/images/2", http.StatusOK},
		{"/v2/images/1", http.StatusTeapot},
		{"/v2/images/1", http.StatusOK},
	} {
		answer, err := patch(t.Context(), proxy.URL()+c.path, "[]")
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != c.want {
			t.Errorf("request %d for %s: status %d, want %d", i+1, c.path, answer.Status, c.want)
		}
	}
}

func TestProxyReportsAnUnreachableServer(t *testing.T) {
	t.Parallel()
	server := newBackend(t)
	address := server.URL
	server.Close()
	answer, err := patch(t.Context(), NewProxy(t, address).URL(), "[]")
	if err != nil {
		t.Fatal(err)
	}
	if answer.Status != http.StatusBadGateway {
		t.Errorf("status %d", answer.Status)
	}
}

func TestProxyServesManyAtOnce(t *testing.T) {
	t.Parallel()
	proxy := NewProxy(t, newBackend(t).URL)
	const count = 20
	var group sync.WaitGroup
	for range count {
		group.Go(func() {
			proxy.After(Match{Nth: 3}, Delay(time.Microsecond))
			if _, err := patch(t.Context(), proxy.URL(), "[]"); err != nil {
				t.Error(err)
			}
			_ = proxy.Writes()
		})
	}
	group.Wait()
	if writes := proxy.Writes(); len(writes) != count {
		t.Errorf("%d requests recorded, want %d", len(writes), count)
	}
}
