package transport

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

// deadlines records how long the requests that pass may still take.
type deadlines []time.Duration

func (d *deadlines) RoundTrip(r *http.Request) (*http.Response, error) {
	end, ok := r.Context().Deadline()
	if !ok {
		return nil, errors.New("a request without an end")
	}
	*d = append(*d, time.Until(end))
	return nil, errors.New("no server")
}

func TestEachAttemptHasTheRequestTimeout(t *testing.T) {
	client, err := New(Options{RequestTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var seen deadlines
	client.base = &seen
	_, err = client.Do(t.Context(), Request{Method: http.MethodGet, URL: "http://127.0.0.1:1/"})
	if err == nil || len(seen) != 1 || seen[0] > time.Hour || seen[0] < 59*time.Minute {
		t.Errorf("attempts may take %v: %v", seen, err)
	}
}
