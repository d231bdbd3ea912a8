package transport_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

func TestEveryAttemptIsPreparedAnew(t *testing.T) {
	server, seen := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		switch {
		case n == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/from":
			http.Redirect(w, r, "/to", http.StatusTemporaryRedirect)
		}
	})
	client, _ := newClient(t, transport.Options{MaxRetries: 1, UserAgent: "agent/1"})
	prepared := 0
	request := transport.Request{Method: "PUT", URL: server.URL + "/from", Header: http.Header{"X-Own": {"1"}}, Body: []byte("body")}
	request.Prepare = func(r *http.Request) {
		prepared++
		r.Header.Set("X-Sdk-Date", fmt.Sprint(prepared))
		r.Header.Set("X-Target", r.Method+" "+r.URL.Path+" "+r.Header.Get("User-Agent")+r.Header.Get("X-Own"))
	}
	if _, err := client.Do(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"PUT /from agent/11", "PUT /from agent/11", "PUT /to agent/11"} {
		got := seen.requests[i].Header
		if got.Get("X-Sdk-Date") != fmt.Sprint(i+1) || got.Get("X-Target") != want || seen.bodies[i] != "body" {
			t.Errorf("attempt %d was prepared as %q %q", i+1, got.Get("X-Sdk-Date"), got.Get("X-Target"))
		}
	}
	if request.Header.Get("X-Sdk-Date") != "" || seen.count() != 3 {
		t.Errorf("the caller's header became %v, after %d attempts", request.Header, seen.count())
	}
}

func TestCredentialsOfAPreparedAttemptAreHidden(t *testing.T) {
	for _, answered := range []bool{true, false} {
		t.Run(fmt.Sprintf("answered %t", answered), func(t *testing.T) {
			server, _ := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
				if n > 1 && !answered {
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("X-Request-Id", r.Header.Get("Authorization"))
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = fmt.Fprintf(w, `{"error_msg":"got %s, no key SENTINEL-KEY","error_code":"%s"}`, r.Header, r.Header.Get("X-Security-Token"))
			})
			server.Config.ErrorLog = silent()
			lines := &logged{}
			client, _ := newClient(t, transport.Options{MaxRetries: 1, Log: lines.log})
			sent := 0
			request := transport.Request{Method: "GET", URL: server.URL, Prepare: func(r *http.Request) {
				sent++
				r.Header.Set("Authorization", fmt.Sprintf("SDK-HMAC-SHA256 Credential=SENTINEL-KEY/20260102///sdk_request, SignedHeaders=host, Signature=SENTINEL-%d", sent))
				r.Header.Set("X-Security-Token", "SENTINEL-TOKEN")
				r.Header.Set("X-Sdk-Content-Sha256", "SENTINEL-HASH")
			}}
			response, err := client.Do(t.Context(), request)
			texts := lines.String()
			if answered {
				refusal := transport.NewAPIError(request, response)
				if !strings.Contains(refusal.Message, "got ") {
					t.Errorf("the message is gone: %v", refusal)
				}
				texts += fmt.Sprintf("%+v %v", *refusal, refusal)
			} else {
				texts += asError(t, err).Error()
			}
			if strings.Contains(texts, "SENTINEL") {
				t.Errorf("a credential is shown in\n%s", texts)
			}
		})
	}
}

func TestThrottlingByCodeIsWaitedOutWhateverTheMethod(t *testing.T) {
	tests := map[string]struct {
		status     int
		body       string
		retryAfter string
		waits      []time.Duration // none: the answer stands
	}{
		"gateway": {
			status: 429, body: `{"error_msg":"The throttling threshold has been reached: policy user over ratelimit,limit:10,time:1 minute","error_code":"APIGW.0308","request_id":"1"}`,
			waits: []time.Duration{3500 * time.Millisecond, 5500 * time.Millisecond},
		},
		"older gateway":  {status: 429, body: `{"error_msg":"x","error_code":"APIG.0308"}`, waits: []time.Duration{3500 * time.Millisecond, 5500 * time.Millisecond}},
		"flow control":   {status: 400, body: `{"error":{"message":"x","code":"IMG.0060"}}`, waits: []time.Duration{3500 * time.Millisecond, 5500 * time.Millisecond}},
		"told when":      {status: 400, body: `{"error":{"message":"x","code":"IMG.0060"}}`, retryAfter: "7", waits: []time.Duration{7250 * time.Millisecond, 7250 * time.Millisecond}},
		"no code":        {status: 429, body: `busy`, waits: []time.Duration{250 * time.Millisecond, 500 * time.Millisecond}},
		"another code":   {status: 400, body: `{"error":{"message":"IMG.0060","code":"IMG.0035"}}`},
		"another status": {status: 403, body: `{"error":{"message":"x","code":"IMG.0060"}}`},
		"too long":       {status: 400, body: `{"error":{"message":"` + strings.Repeat("x", 20<<10) + `","code":"IMG.0060"}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				if test.retryAfter != "" {
					w.Header().Set("Retry-After", test.retryAfter)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			client, waited := newClient(t, transport.Options{MaxRetries: 2})
			answer, err := client.Do(t.Context(), transport.Request{Method: "PATCH", URL: server.URL, Body: []byte("[]")})
			if err != nil || answer.StatusCode != test.status {
				t.Fatalf("%v, %v", answer, err)
			}
			if fmt.Sprint(waited.list) != fmt.Sprint(test.waits) || seen.count() != len(test.waits)+1 {
				t.Errorf("waited %v over %d requests, want %v", waited.list, seen.count(), test.waits)
			}
		})
	}
}

func TestWaitsForAThrottlingServiceAreBounded(t *testing.T) {
	server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error_code":"APIG.0308"}`)
	})
	client, waited := newClient(t, transport.Options{MaxRetries: 80})
	if _, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: server.URL}); err != nil {
		t.Fatal(err)
	}
	for i, wait := range waited.list {
		if wait < 2*time.Second || wait > 33*time.Second {
			t.Errorf("wait %d is %s", i+1, wait)
		}
	}
}
