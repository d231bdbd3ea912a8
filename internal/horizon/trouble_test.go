package horizon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<html><head><title>Gateway of the house</title></head><body>no</body></html>")
}

func throttle(w http.ResponseWriter) {
	w.Header().Set("X-Rate-Limit-Retry-After-Seconds", "7")
	refuse(w, http.StatusTooManyRequests, "common.api-throttle-limit.exceeded.error", "API throttling limit has been exceeded")
}

func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

func reset(w http.ResponseWriter, _ *http.Request) {
	conn := hijack(w)
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func truncated(w http.ResponseWriter, _ *http.Request) {
	conn := hijack(w)
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n[{\"id\":\"sentinel-broken")
	_ = conn.Close()
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// operations are all requests that this client makes in a session.
var operations = []struct {
	name, request string
	idempotent    bool
	filtered      bool
	call          func(context.Context, *Client) error
}{
	{"read", "GET /rest/config/v1/im-streams/", true, false, func(ctx context.Context, c *Client) error {
		_, err := c.Read(ctx, stream)
		return err
	}},
	{"list", "GET /rest/config/v1/im-versions", true, false, func(ctx context.Context, c *Client) error {
		_, err := c.Objects(ctx, Version, streamID, nil)
		return err
	}},
	{"patch", "PUT /rest/config/v1/im-streams/", true, false, func(ctx context.Context, c *Client) error {
		current := patch.Document{"/name": text("Gold"), "/operating_system": text("WINDOWS_11"), "/source": text("UPLOADED"), "/status": text("AVAILABLE")}
		_, err := c.Patch(ctx, stream, current, patch.Diff(current, patch.Want{"/name": text("Silver")}, Equal))
		return err
	}},
	{"delete", "DELETE /rest/config/v1/im-streams/", true, false, func(ctx context.Context, c *Client) error { return c.Delete(ctx, stream) }},
	{"create", "POST /rest/config/v1/im-streams", false, false, func(ctx context.Context, c *Client) error {
		_, err := c.Create(ctx, Stream, newStream())
		return err
	}},
	{"pool", "GET /rest/inventory/v12/desktop-pools/", true, false, func(ctx context.Context, c *Client) error {
		_, err := c.Pool(ctx, poolA)
		return err
	}},
	{"base VM", "GET /rest/external/v3/base-vms", true, true, func(ctx context.Context, c *Client) error {
		_, err := c.BaseVM(ctx, vcenterID, "", Named{Name: "gold-w11"})
		return err
	}},
	{"snapshot", "GET /rest/external/v1/base-snapshots", true, false, func(ctx context.Context, c *Client) error {
		_, err := c.BaseSnapshot(ctx, vcenterID, "vm-7", Named{Name: "s1"})
		return err
	}},
}

func TestEveryRequestSurvivesEveryTrouble(t *testing.T) {
	const retries = 2
	for _, trouble := range []struct {
		name   string
		handle http.HandlerFunc
		// attempts are those of an idempotent request, and of another.
		attempts, others int
		status           int
		effect           Effect
		says             string
	}{
		{"400", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "k", "bad thing") }, 1, 1, 400, Refused, "bad thing"},
		{"401", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 401, "k", "who are you") }, 3, 3, 401, Unsent, "who are you"},
		{"403", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "k", "not yours") }, 1, 1, 403, Refused, "lacks a privilege"},
		{"404 of a route", func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, 1, 1, 404, Refused, "404"},
		{"409", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 409, "k", "taken") }, 1, 1, 409, Refused, "taken"},
		{"429", func(w http.ResponseWriter, _ *http.Request) { throttle(w) }, 1 + retries, 1 + retries, 429, Unsent, "throttling limit"},
		{"503", func(w http.ResponseWriter, _ *http.Request) { page(w, 503) }, 1 + retries, 1, 503, Unknown, "Gateway of the house"},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { page(w, 200) }, 1, 1, 200, Unknown, "Gateway of the house"},
		{"reset", reset, 1 + retries, 1, 0, Unknown, "connection"},
		{"truncated", truncated, 1 + retries, 1, 0, Unknown, "broke off"},
		{"hang", hang, 1 + retries, 1, 0, Unknown, "no whole answer"},
	} {
		for _, o := range operations {
			if o.filtered && trouble.name == "404 of a route" {
				continue // Its older version answers.
			}
			t.Run(trouble.name+"/"+o.name, func(t *testing.T) {
				t.Parallel() // Some of them wait for the end of an attempt's time.
				p := newPod(t)
				p.Config.SetKeepAlivesEnabled(false) // Else net/http repeats by itself on a connection that was used before.
				log := &journal{}
				client := p.client(t, func(c *Config) {
					c.MaxRetries, c.Log = retries, log.log
					if trouble.name == "hang" {
						c.RequestTimeout = 200 * time.Millisecond
					}
				})
				p.Intercept = onlyFor(o.request, trouble.handle)
				err := o.call(t.Context(), client)
				if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), trouble.says) {
					t.Fatalf("%v; want %s", err, trouble.says)
				}
				var refusal *transport.APIError
				if errors.As(err, &refusal) != (trouble.status != 0) || (trouble.status != 0 && refusal.StatusCode != trouble.status) {
					t.Errorf("%v; want the status %d", err, trouble.status)
				}
				var write *WriteError
				if errors.As(err, &write) && write.Effect != trouble.effect && trouble.name != "404 of a route" {
					t.Errorf("%v; the effect is %d, want %d", err, write.Effect, trouble.effect)
				}
				want := trouble.attempts
				if !o.idempotent {
					want = trouble.others
				}
				if o.filtered && trouble.status == 400 {
					want = 2 // The second one without the filter.
				}
				if o.name == "patch" && trouble.name != "401" {
					want = 1 // A repeat would write back what was read before the wait for it.
					if again := trouble.name == "429"; errors.As(err, &write) && (write.RetryAfter > 0) != again {
						t.Errorf("the write is to be made anew after %s", write.RetryAfter)
					}
				}
				p.wantCounts(t, map[string]int{o.request: want})
				if shown := fmt.Sprintf("%v %+v", err, err) + log.String(); strings.Contains(shown, "sentinel") {
					t.Errorf("a secret is shown: %s", shown)
				}
			})
		}
	}
}

func TestRefusalsOfOldReleasesAreRead(t *testing.T) {
	for _, body := range []map[string]any{
		{"status": "BAD_REQUEST", "timestamp": 1, "error_message": "first thing; second thing"},
		{"status": "BAD_REQUEST", "timestamp": 1, "error_messages": []string{"first thing", "second thing"}},
		{"status": "BAD_REQUEST", "timestamp": 1, "errors": []map[string]any{{"error_key": "a.b", "error_message": "first thing"}, {"error_key": "a.b", "error_message": "second thing"}}},
	} {
		p := newPod(t)
		client := p.client(t, nil)
		p.Intercept = onlyFor("GET /rest/config", func(w http.ResponseWriter, _ *http.Request) { reply(w, 400, body) })
		if _, err := client.Read(t.Context(), stream); err == nil || !strings.Contains(err.Error(), "first thing; second thing") {
			t.Errorf("%v", err)
		}
	}
}

// What a server quotes is hidden wherever it quotes it.
func TestSecretsThatTheServerQuotesAreHidden(t *testing.T) {
	for _, o := range operations {
		p := newPod(t)
		log := &journal{}
		client := p.client(t, func(c *Config) { c.Log = log.log })
		p.Intercept = onlyFor(o.request, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			defer p.mu.Unlock()
			quoted := r.Header.Get("Authorization") + " " + password
			for token := range p.refresh {
				quoted += " " + token
			}
			refuse(w, 400, "key "+password, "you sent "+quoted)
		})
		err := o.call(t.Context(), client)
		if err == nil || !strings.Contains(err.Error(), "you sent") || strings.Contains(fmt.Sprintf("%v %+v", err, err)+log.String(), "sentinel") {
			t.Errorf("%s: %v", o.name, err)
		}
	}
}
