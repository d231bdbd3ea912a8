package contract

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

// Guard returns a handler that hands every request to another one and fails the
// test for a request or an answer that the release does not document. It is put
// between a client and a Horizon server, real or simulated. Requests that do not
// go to /rest pass unseen. An answer that a fault cuts short is none that the
// release documents, so tests of such faults go without it.
func Guard(t testing.TB, release string, handler http.Handler) http.Handler {
	t.Helper()
	return guard{t: t, contract: Load(t, release), handler: handler, report: reportViolation}
}

// GuardAnswers is Guard for tests of a server, which send what they must not: it
// fails the test for an answer that is not documented, and for a request that is
// not documented and yet is not refused with a status of 400 to 499.
func GuardAnswers(t testing.TB, release string, handler http.Handler) http.Handler {
	t.Helper()
	return guard{t: t, contract: Load(t, release), handler: handler, report: reportAccepted}
}

type guard struct {
	t        testing.TB
	contract *Contract
	handler  http.Handler
	// report judges a request that the contract refuses.
	report func(t testing.TB, r *http.Request, violation error, status int)
}

// ServeHTTP checks the request, lets the handler answer it, and checks the
// answer. A handler that panics to break the connection still does.
func (g guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, ok := restPath(r.URL.Path); !ok {
		g.handler.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		g.t.Errorf("reading the body of %s %s: %v", r.Method, r.URL, err)
	}
	violation := g.contract.CheckRequest(r, body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	seen := &seenAnswer{ResponseWriter: w}
	defer func() {
		switch {
		case violation != nil:
			g.report(g.t, r, violation, seen.status)
		case seen.status == 0:
			// The connection was broken before an answer.
		default:
			if err := g.contract.CheckAnswer(r, body, seen.status, w.Header(), seen.body.Bytes()); err != nil {
				g.t.Errorf("the answer %d to %s %s is not release %s's: %v\n%s",
					seen.status, r.Method, r.URL, g.contract.release, err, seen.body.Bytes())
			}
		}
	}()
	g.handler.ServeHTTP(seen, r)
	if seen.status == 0 {
		// net/http answers so for a handler that says nothing.
		seen.status = http.StatusOK
	}
}

func reportViolation(t testing.TB, r *http.Request, violation error, _ int) {
	t.Errorf("%s %s is not documented: %v", r.Method, r.URL, violation)
}

func reportAccepted(t testing.TB, r *http.Request, violation error, status int) {
	refused := status >= 400 && status < 500
	if errors.Is(violation, ErrNoOperation) {
		refused = status == http.StatusNotFound || status == http.StatusMethodNotAllowed
	}
	if !refused {
		t.Errorf("%s %s is answered with %d, though it is not documented: %v", r.Method, r.URL, status, violation)
	}
}

// seenAnswer is an answer that passes, with a copy of what passed.
type seenAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// Unwrap lets the handler reach the connection.
func (a *seenAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader passes the status on.
func (a *seenAnswer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *seenAnswer) Write(content []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.body.Write(content)
	return a.ResponseWriter.Write(content)
}
