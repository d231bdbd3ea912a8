package transport

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestRepeatsEndWithTheirOwnContext(t *testing.T) {
	var requests atomic.Int32
	patient, impatient := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	client, err := New(Options{MaxRetries: 4, Sleep: func(ctx context.Context, _ time.Duration) error {
		impatient() // The caller leaves during the wait.
		<-ctx.Done()
		return ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	deadline, cancel := context.WithTimeout(patient, 2*time.Hour)
	defer cancel()
	resp, err := client.Do(WithPatience(t.Context(), deadline), Request{Method: http.MethodPatch, URL: server.URL})
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || requests.Load() != 1 {
		t.Fatalf("%v, %+v after %d requests; want the last answer after one", err, resp, requests.Load())
	}
	resp, err = client.Do(WithPatience(t.Context(), deadline), Request{Method: http.MethodGet, URL: server.URL})
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || requests.Load() != 2 {
		t.Fatalf("%v, %+v after %d requests; want no repeat for a caller that has left", err, resp, requests.Load())
	}
}
