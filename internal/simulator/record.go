package simulator

import (
	"net/http"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// Request is a request that the simulator received, whatever became of it.
type Request struct {
	// Time is the simulator's time of arrival.
	Time time.Time `json:"time"`
	// Method and Path are those of the request line; Path is as it was sent,
	// with its escapes, Query the part after the question mark.
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Query  string      `json:"query,omitempty"`
	Header http.Header `json:"header"`
	// Body is the request's body. A body that is not UTF-8 or is longer than
	// 64 KiB, which only the data of an image is, is left out.
	Body string `json:"body,omitempty"`
	// Status is the answer's status; 0 when the connection was broken before
	// one was sent.
	Status int `json:"status"`
	// Fault is the effect of the programmed fault that acted, if one did.
	Fault Effect `json:"fault,omitempty"`
}

const (
	maxRecordedBody     = 64 << 10
	maxRecordedRequests = 50_000
)

// recorder keeps the latest requests in order of arrival.
type recorder struct {
	mu       sync.Mutex
	requests []*Request
}

// begin records a request. Its status follows when it is answered.
func (rec *recorder) begin(r *http.Request, body []byte, now time.Time) *Request {
	entry := &Request{
		Time: now, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header.Clone(),
	}
	if len(body) <= maxRecordedBody && utf8.Valid(body) {
		entry.Body = string(body)
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.requests) >= maxRecordedRequests {
		rec.requests = append(rec.requests[:0:0], rec.requests[maxRecordedRequests/2:]...)
	}
	rec.requests = append(rec.requests, entry)
	return entry
}

func (rec *recorder) finish(entry *Request, status int, effect Effect) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	entry.Status, entry.Fault = status, effect
}

// Requests returns the requests received since the start or the last reset, in
// order of arrival, the newest 25,000 at least. Requests to the control
// addresses are not among them.
func (s *Simulator) Requests() []Request {
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	out := make([]Request, len(s.recorder.requests))
	for i, entry := range s.recorder.requests {
		out[i] = *entry
	}
	return out
}

// ResetRequests forgets the recorded requests.
func (s *Simulator) ResetRequests() {
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	s.recorder.requests = slices.Clip(s.recorder.requests[:0])
}
