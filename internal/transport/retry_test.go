package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// The expected number of requests per status and method, with two repeats allowed.
func TestStatusIsRepeatedOnlyWhereThePolicyAllows(t *testing.T) {
	always := []int{429}
	idempotentOnly := []int{500, 502, 503, 504}
	never := []int{200, 201, 202, 204, 300, 304, 400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 422, 423, 501, 505, 507}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST"} {
		idempotent := method != "PATCH" && method != "POST"
		for _, status := range slices.Concat(always, idempotentOnly, never) {
			for _, retryAfter := range []string{"", "1", "soon"} {
				for _, marked := range []bool{false, true} {
					want := 1
					switch {
					case slices.Contains(always, status),
						slices.Contains(idempotentOnly, status) && (idempotent || marked),
						status == 503 && retryAfter == "1":
						want = 3
					}
					t.Run(fmt.Sprintf("%s %d Retry-After %q marked %t", method, status, retryAfter, marked), func(t *testing.T) {
						server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
							if retryAfter != "" {
								w.Header().Set("Retry-After", retryAfter)
							}
							w.WriteHeader(status)
							_, _ = fmt.Fprintf(w, "answer %d", n)
						})
						client, _ := newClient(t, transport.Options{MaxRetries: 2})
						ctx := t.Context()
						if marked {
							ctx = transport.WithRepeatable(ctx)
						}
						answer, err := client.Do(ctx, transport.Request{Method: method, URL: server.URL, Body: []byte("body")})
						if err != nil {
							t.Fatal(err)
						}
						if seen.count() != want || answer.Attempts != want {
							t.Errorf("the server saw %d requests and the answer counts %d, want %d", seen.count(), answer.Attempts, want)
						}
						if answer.StatusCode != status {
							t.Errorf("status %d, want the server's %d", answer.StatusCode, status)
						}
						hasBody := method != "HEAD" && status != 204 && status != 304
						if last := fmt.Sprintf("answer %d", want); hasBody && string(answer.Body) != last {
							t.Errorf("body %q, want that of the last answer, %q", answer.Body, last)
						}
						for i, body := range seen.bodies {
							if body != "body" {
								t.Errorf("request %d had the body %q", i+1, body)
							}
						}
					})
				}
			}
		}
	}
}

func TestNoRepeatsWithoutRetries(t *testing.T) {
	for _, retries := range []int{0, -3} {
		server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(503) })
		client, _ := newClient(t, transport.Options{MaxRetries: retries})
		answer, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: server.URL})
		if err != nil || answer.StatusCode != 503 || seen.count() != 1 {
			t.Errorf("MaxRetries %d: answer %v, error %v, %d requests", retries, answer, err, seen.count())
		}
	}
}

func TestBrokenConnections(t *testing.T) {
	tests := map[string]struct {
		method    string
		marked    bool
		behaviour func(net.Conn, *seen)
		requests  int  // Expected at the server, of which the last is answered whole when there are two.
		succeeds  bool // The second connection is answered.
		effect    bool
		text      string
	}{
		"GET after a reset":                          {method: "GET", behaviour: resetAfterRequest, requests: 2, succeeds: true},
		"PUT after a reset":                          {method: "PUT", behaviour: resetAfterRequest, requests: 2, succeeds: true},
		"DELETE after a reset":                       {method: "DELETE", behaviour: resetAfterRequest, requests: 2, succeeds: true},
		"PATCH is not repeated after a reset":        {method: "PATCH", behaviour: resetAfterRequest, requests: 1, effect: true, text: "reset the connection"},
		"POST is not repeated after a reset":         {method: "POST", behaviour: resetAfterRequest, requests: 1, effect: true, text: "reset the connection"},
		"marked POST after a reset":                  {method: "POST", marked: true, behaviour: resetAfterRequest, requests: 2, succeeds: true},
		"PATCH is not repeated after a close":        {method: "PATCH", behaviour: closeAfterRequest, requests: 1, effect: true, text: "closed the connection"},
		"GET after a truncated body":                 {method: "GET", behaviour: answerTruncated, requests: 2, succeeds: true},
		"PUT after a truncated body":                 {method: "PUT", behaviour: answerTruncated, requests: 2, succeeds: true},
		"PATCH is not repeated after a truncation":   {method: "PATCH", behaviour: answerTruncated, requests: 1, effect: true, text: "the answer (200 OK) broke off after 9 bytes"},
		"POST is not repeated after a cut-off chunk": {method: "POST", behaviour: answerTruncatedChunk, requests: 1, effect: true, text: "broke off after 9 bytes"},
		"GET after a cut-off chunk":                  {method: "GET", behaviour: answerTruncatedChunk, requests: 2, succeeds: true},
		"GET after silence":                          {method: "GET", behaviour: hang, requests: 2, succeeds: true},
		"PATCH is not repeated after silence":        {method: "PATCH", behaviour: hang, requests: 1, effect: true, text: "no whole answer within 80ms (request_timeout)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, seen, _ := rawServer(t, test.behaviour, answerWhole)
			client, _ := newClient(t, transport.Options{MaxRetries: 3, RequestTimeout: 80 * time.Millisecond})
			ctx := t.Context()
			if test.marked {
				ctx = transport.WithRepeatable(ctx)
			}
			answer, err := client.Do(ctx, transport.Request{Method: test.method, URL: url, Body: []byte("body")})
			if seen.count() != test.requests {
				t.Errorf("the server saw %d requests, want %d", seen.count(), test.requests)
			}
			if test.succeeds {
				if err != nil || string(answer.Body) != "whole" {
					t.Fatalf("answer %v, error %v", answer, err)
				}
				return
			}
			failure := asError(t, err)
			if failure.MayHaveTakenEffect != test.effect || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %q, effect %t; want %q, %t", err, failure.MayHaveTakenEffect, test.text, test.effect)
			}
		})
	}
}

func TestReadsNeverTakeEffect(t *testing.T) {
	url, seen, _ := rawServer(t, resetAfterRequest)
	client, _ := newClient(t, transport.Options{MaxRetries: 1})
	_, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: url})
	if failure := asError(t, err); failure.MayHaveTakenEffect || failure.Attempts != 2 || seen.count() != 2 {
		t.Errorf("%+v after %d requests", failure, seen.count())
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the cause is not to be found in %v", err)
	}
}

func TestRefusedConnectionIsRepeatedForEveryMethodAndHasNoEffect(t *testing.T) {
	for _, method := range []string{"GET", "PUT", "PATCH", "POST"} {
		client, waits := newClient(t, transport.Options{MaxRetries: 2})
		_, err := client.Do(t.Context(), transport.Request{Method: method, URL: refusedURL(t), Body: []byte("body")})
		failure := asError(t, err)
		if failure.MayHaveTakenEffect || failure.Attempts != 3 || len(waits.list) != 2 {
			t.Errorf("%s: %+v, waits %v", method, failure, waits.list)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "refuses connections") || !strings.Contains(err.Error(), "3 attempts") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestAnEarlierAttemptThatReachedTheServerIsNotForgotten(t *testing.T) {
	var listener net.Listener
	ready := make(chan struct{})
	url, _, listener := rawServer(t, func(conn net.Conn, s *seen) {
		<-ready
		_ = listener.Close()
		resetAfterRequest(conn, s)
	})
	close(ready)
	client, _ := newClient(t, transport.Options{MaxRetries: 1})
	_, err := client.Do(t.Context(), transport.Request{Method: "PUT", URL: url, Body: []byte("body")})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("the second attempt should have been refused: %v", err)
	}
	if !asError(t, err).MayHaveTakenEffect {
		t.Error("the first attempt reached the server, and may have taken effect")
	}
}

func TestTheErrorNamesAnEarlierAnswer(t *testing.T) {
	url, _, _ := rawServer(t, func(conn net.Conn, s *seen) {
		readRequest(conn, s)
		_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}, resetAfterRequest)
	client, _ := newClient(t, transport.Options{MaxRetries: 1})
	_, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: url})
	if err == nil || !strings.Contains(err.Error(), "an earlier attempt was answered with 503 Service Unavailable") {
		t.Errorf("got %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	jittered := 250 * time.Millisecond
	tests := map[string]struct {
		header, value string
		want          []time.Duration
	}{
		"seconds":                       {"Retry-After", "7", []time.Duration{7*time.Second + jittered, 7*time.Second + jittered}},
		"zero":                          {"Retry-After", "0", []time.Duration{jittered, jittered}},
		"date":                          {"Retry-After", "Sun, 01 Mar 2026 12:00:09 GMT", []time.Duration{9*time.Second + jittered, 9*time.Second + jittered}},
		"date that is over":             {"Retry-After", "Sun, 01 Mar 2026 11:00:00 GMT", []time.Duration{jittered, jittered}},
		"Horizon's own header":          {"X-Rate-Limit-Retry-After-Seconds", "3", []time.Duration{3*time.Second + jittered, 3*time.Second + jittered}},
		"nonsense means backoff":        {"Retry-After", "soon", []time.Duration{250 * time.Millisecond, 500 * time.Millisecond}},
		"negative means backoff":        {"Retry-After", "-1", []time.Duration{250 * time.Millisecond, 500 * time.Millisecond}},
		"hours are not waited":          {"Retry-After", "7200", nil},
		"a number beyond all bounds":    {"Retry-After", "99999999999999999999", nil},
		"a date beyond what is granted": {"Retry-After", "Sun, 01 Mar 2026 13:00:00 GMT", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.Header().Set(test.header, test.value)
				w.WriteHeader(429)
				_, _ = io.WriteString(w, "slow down")
			})
			client, waits := newClient(t, transport.Options{MaxRetries: 2, Now: func() time.Time { return now }})
			answer, err := client.Do(context.Background(), transport.Request{Method: "POST", URL: server.URL})
			if err != nil || string(answer.Body) != "slow down" {
				t.Fatalf("answer %v, error %v", answer, err)
			}
			if !slices.Equal(waits.list, test.want) || seen.count() != len(test.want)+1 {
				t.Errorf("waits %v after %d requests, want %v", waits.list, seen.count(), test.want)
			}
		})
	}
}

func TestAWaitBeyondTheDeadlineEndsWithTheServersAnswer(t *testing.T) {
	server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(503)
		_, _ = io.WriteString(w, "in maintenance")
	})
	client, waits := newClient(t, transport.Options{MaxRetries: 4})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := client.Do(ctx, transport.Request{Method: "GET", URL: server.URL})
	if err != nil || answer.StatusCode != 503 || string(answer.Body) != "in maintenance" || seen.count() != 1 || len(waits.list) != 0 {
		t.Errorf("answer %v, error %v, %d requests, waits %v", answer, err, seen.count(), waits.list)
	}
}

func TestADeadlineGrantsALongRetryAfter(t *testing.T) {
	server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.Header().Set("Retry-After", "1200")
			w.WriteHeader(503)
		}
	})
	client, waits := newClient(t, transport.Options{MaxRetries: 1})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	answer, err := client.Do(ctx, transport.Request{Method: "GET", URL: server.URL})
	if err != nil || answer.StatusCode != 200 || len(waits.list) != 1 || waits.list[0] < 20*time.Minute {
		t.Errorf("answer %v, error %v, waits %v", answer, err, waits.list)
	}
}

func TestBackoffGrowsUnderItsCeilingWithFullJitter(t *testing.T) {
	server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(500) })
	for jitter, want := range map[float64][]time.Duration{
		0: {0, 0, 0, 0, 0, 0, 0, 0},
		1: {500e6, 1e9, 2e9, 4e9, 8e9, 16e9, 30e9, 30e9},
	} {
		client, waits := newClient(t, transport.Options{MaxRetries: 8, Jitter: func() float64 { return jitter }})
		if _, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: server.URL}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(waits.list, want) {
			t.Errorf("jitter %v: waits %v, want %v", jitter, waits.list, want)
		}
	}
}

func TestCancellationEndsAWaitAtOnce(t *testing.T) {
	server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(503)
	})
	ctx, cancel := context.WithCancel(t.Context())
	client, err := transport.New(transport.Options{MaxRetries: 3, Log: func(_ context.Context, message string, _ map[string]any) {
		if strings.Contains(message, "repeated") {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	_, err = client.Do(ctx, transport.Request{Method: "PUT", URL: server.URL})
	if took := time.Since(started); took > time.Second {
		t.Errorf("it took %s", took)
	}
	failure := asError(t, err)
	if !errors.Is(err, context.Canceled) || !failure.MayHaveTakenEffect || seen.count() != 1 {
		t.Errorf("%v after %d requests", err, seen.count())
	}
	if !strings.Contains(err.Error(), "cancelled") || !strings.Contains(err.Error(), "503 Service Unavailable") {
		t.Errorf("the text is %q", err)
	}
}

func TestTheCallersContextEndsAnAttempt(t *testing.T) {
	for name, test := range map[string]struct {
		context func(context.Context) (context.Context, context.CancelFunc)
		want    error
	}{
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled},
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			url, seen, _ := rawServer(t, hang)
			client, _ := newClient(t, transport.Options{MaxRetries: 3})
			ctx, cancel := test.context(t.Context())
			defer cancel()
			_, err := client.Do(ctx, transport.Request{Method: "PUT", URL: url})
			if failure := asError(t, err); !errors.Is(err, test.want) || !failure.MayHaveTakenEffect || failure.Attempts != 1 || seen.count() != 1 {
				t.Errorf("%v, %+v", err, failure)
			}
		})
	}
}

func TestASleepThatFailsEndsTheExchange(t *testing.T) {
	server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(500) })
	awake := errors.New("awake")
	client, _ := newClient(t, transport.Options{MaxRetries: 1, Sleep: func(context.Context, time.Duration) error { return awake }})
	if _, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: server.URL}); !errors.Is(err, awake) {
		t.Errorf("got %v", err)
	}
}

func TestTheDefaultsRepeat(t *testing.T) {
	server, seen := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.WriteHeader(500)
		}
	})
	client, err := transport.New(transport.Options{MaxRetries: 1, Jitter: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := client.Do(t.Context(), transport.Request{Method: "GET", URL: server.URL}); err != nil || answer.StatusCode != 200 || seen.count() != 2 {
		t.Errorf("%v, %v after %d requests", answer, err, seen.count())
	}
}

func TestACancelledContextSendsNothing(t *testing.T) {
	server, seen := serve(t, func(http.ResponseWriter, *http.Request, int) {})
	client, _ := newClient(t, transport.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.Do(ctx, transport.Request{Method: "PATCH", URL: server.URL})
	if failure := asError(t, err); !errors.Is(err, context.Canceled) || failure.MayHaveTakenEffect || failure.Attempts != 0 || seen.count() != 0 {
		t.Errorf("%+v after %d requests", failure, seen.count())
	}
}

func asError(t *testing.T, err error) *transport.Error {
	t.Helper()
	var failure *transport.Error
	if !errors.As(err, &failure) {
		t.Fatalf("%v (%T) is not a *transport.Error", err, err)
	}
	return failure
}
