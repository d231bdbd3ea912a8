package acceptance

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and a server, records what passes, and can
// disturb it before the server sees a request or after the server has done it.
// It is safe for use by several goroutines.
type Proxy struct {
	target    *url.URL
	server    *httptest.Server
	transport *http.Transport

	mu       sync.Mutex
	requests []*Request
	rules    []*rule
}

// Request is one request that a Proxy received.
type Request struct {
	Method string
	// Path is decoded, RawQuery is not.
	Path     string
	RawQuery string
	// Header holds everything that the client sent, credentials too.
	Header http.Header
	Body   string
	// Forwarded is the status that the server answered; 0 while, or because, it
	// has not been asked.
	Forwarded int
	// Status is the status that the client was sent; 0 while, or because, it got none.
	Status int
	// Began and Ended enclose the time in the proxy, without the sending of the
	// answer; Ended is zero before the end.
	Began, Ended time.Time
}

// Match selects requests. The zero value selects all.
type Match struct {
	// Method is the request's method; empty is any.
	Method string
	// PathPrefix is the beginning of the decoded path.
	PathPrefix string
	// Query is a text that the query, as it was sent, contains.
	Query string
	// Nth selects the nth request, from 1, of those that the other fields
	// select; 0 is every one.
	Nth int
}

func (m Match) selects(r *Request) bool {
	return (m.Method == "" || m.Method == r.Method) && strings.HasPrefix(r.Path, m.PathPrefix) && strings.Contains(r.RawQuery, m.Query)
}

// Action is one thing that a Proxy does to an exchange: Delay, Respond,
// ResetConnection, Truncate, Hang or Call.
type Action func(*exchange)

type moment int

const (
	beforeForwarding moment = iota
	afterEffect
)

// rule is a set of actions for the requests it matches.
type rule struct {
	match   Match
	moment  moment
	actions []Action
	seen    int
}

// exchange is a request on its way through the proxy.
type exchange struct {
	request *http.Request
	body    []byte
	// answer is what the client will be sent; nil before the server has answered.
	answer *answer
	// reset ends the connection instead of an answer.
	reset bool
	// left says that the client is gone.
	left bool
}

// decided reports whether later actions and the server no longer matter.
func (x *exchange) decided() bool {
	return x.reset || x.left
}

type answer struct {
	status int
	header http.Header
	body   []byte
	// length is how much of body is sent.
	length int
}

// NewProxy starts a proxy in front of target, an address with scheme and host
// and perhaps a path, and ends it with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	address, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		target:    address,
		transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
	}
	// life ends with the test, and with it the requests to the server; those of
	// clients end with their connections.
	life, end := context.WithCancel(context.Background())
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.serve(life, w, r)
	}))
	t.Cleanup(func() {
		end()
		p.server.CloseClientConnections()
		p.server.Close()
		p.transport.CloseIdleConnections()
	})
	return p
}

// URL returns the target's address with the proxy's host in place of its own.
func (p *Proxy) URL() string {
	return p.server.URL + p.target.Path
}

// Before does actions, in their order, to matching requests before the server
// sees them. A Respond or a ResetConnection keeps the request from the server.
// Rules apply in the order in which they were made.
func (p *Proxy) Before(match Match, actions ...Action) {
	p.add(&rule{match: match, moment: beforeForwarding, actions: actions})
}

// After does actions, in their order, to matching requests when the server has
// done and answered them.
func (p *Proxy) After(match Match, actions ...Action) {
	p.add(&rule{match: match, moment: afterEffect, actions: actions})
}

func (p *Proxy) add(added *rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, added)
}

// Reset forgets all requests and all rules.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.rules = nil, nil
}

// Requests returns the recorded requests with that method and that beginning of
// their path, in the order of their arrival. Empty strings select everything.
func (p *Proxy) Requests(method, pathPrefix string) []Request {
	match := Match{Method: method, PathPrefix: pathPrefix}
	return p.recorded(match.selects)
}

// Writes returns the recorded requests whose method may change something:
// everything but GET, HEAD and OPTIONS.
func (p *Proxy) Writes() []Request {
	reads := []string{http.MethodGet, http.MethodHead, http.MethodOptions}
	return p.recorded(func(r *Request) bool { return !slices.Contains(reads, r.Method) })
}

func (p *Proxy) recorded(selected func(*Request) bool) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Request
	for _, request := range p.requests {
		if selected(request) {
			found = append(found, *request)
		}
	}
	return found
}

// Delay holds a request or its answer back, shorter if the client leaves.
func Delay(duration time.Duration) Action {
	return func(x *exchange) {
		timer := time.NewTimer(duration)
		defer timer.Stop()
		x.wait(timer.C)
	}
}

// Hang never answers; it ends when the client leaves.
func Hang() Action {
	return func(x *exchange) {
		x.wait(nil)
		x.left = true
	}
}

func (x *exchange) wait(until <-chan time.Time) {
	select {
	case <-until:
	case <-x.request.Context().Done():
		x.left = true
	}
}

// Respond answers in the server's place: instead of asking it (Before), or
// instead of what it answered (After). Nil is a header without members.
func Respond(status int, header http.Header, body string) Action {
	return func(x *exchange) {
		x.answer = &answer{status: status, header: header.Clone(), body: []byte(body), length: len(body)}
	}
}

// ResetConnection ends the connection with a TCP reset and without an answer.
func ResetConnection() Action {
	return func(x *exchange) { x.reset = true }
}

// Truncate announces the whole body, sends its first length bytes and ends the
// connection. It acts on an answer: After, or after a Respond.
func Truncate(length int) Action {
	return func(x *exchange) {
		if x.answer != nil {
			x.answer.length = min(length, len(x.answer.body))
		}
	}
}

// Call calls function, which may change the server behind the client's back.
func Call(function func()) Action {
	return func(*exchange) { function() }
}

// serve handles one request of a client; life is the proxy's.
func (p *Proxy) serve(life context.Context, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		abort() // The client left in the middle of its request.
	}
	recorded := &Request{
		Method: r.Method, Path: r.URL.Path, RawQuery: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: string(body), Began: time.Now(),
	}
	before, after := p.record(recorded)

	x := &exchange{request: r, body: body}
	x.run(before)
	if !x.decided() && x.answer == nil {
		x.answer = p.forward(life, x)
		p.note(func() { recorded.Forwarded = x.answer.status })
		x.run(after)
	}
	// Noted before the client can have the answer and look.
	p.note(func() {
		recorded.Ended = time.Now()
		if !x.decided() {
			recorded.Status = x.answer.status
		}
	})
	switch {
	case x.reset:
		reset(w)
	case x.left:
		abort()
	default:
		x.answer.send(w, r.Method)
	}
}

// record keeps the request and returns the actions that its arrival selects.
func (p *Proxy) record(request *Request) (before, after []Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, request)
	for _, r := range p.rules {
		if !r.match.selects(request) {
			continue
		}
		r.seen++
		switch {
		case r.match.Nth != 0 && r.match.Nth != r.seen:
		case r.moment == beforeForwarding:
			before = append(before, r.actions...)
		default:
			after = append(after, r.actions...)
		}
	}
	return before, after
}

// note changes a recorded request under the lock.
func (p *Proxy) note(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (x *exchange) run(actions []Action) {
	for _, action := range actions {
		if x.decided() {
			return
		}
		action(x)
	}
}

// forward asks the server. A client that leaves meanwhile does not take the
// request back, as it could not from a real server either.
func (p *Proxy) forward(life context.Context, x *exchange) *answer {
	request := x.request.Clone(life)
	request.URL.Scheme, request.URL.Host, request.Host = p.target.Scheme, p.target.Host, p.target.Host
	request.RequestURI = ""
	request.Body = io.NopCloser(bytes.NewReader(x.body))
	request.ContentLength = int64(len(x.body))
	request.Header.Del("Connection")
	if _, found := request.Header["User-Agent"]; !found {
		// Else net/http sends its own name.
		request.Header["User-Agent"] = nil
	}
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return failed(err)
	}
	return &answer{status: response.StatusCode, header: response.Header, body: content, length: len(content)}
}

// failed is the answer when the server could not be asked, with the status of
// RFC 9110, section 15.6.3.
func failed(err error) *answer {
	text := "proxy: " + err.Error()
	return &answer{status: http.StatusBadGateway, body: []byte(text), length: len(text)}
}

func (a *answer) send(w http.ResponseWriter, method string) {
	for name, values := range a.header {
		if name != "Transfer-Encoding" && name != "Connection" {
			w.Header()[name] = values
		}
	}
	// A HEAD keeps the length that the server named, and status 204 and 304 have none.
	if method != http.MethodHead && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body[:a.length])
	if a.length < len(a.body) {
		_ = http.NewResponseController(w).Flush()
		abort()
	}
}

// abort ends the connection in the middle of an answer. A panic with this value
// is the way that net/http has for it; the server catches it and logs nothing.
func abort() { panic(http.ErrAbortHandler) }

// reset closes the client's connection so that the kernel sends RST.
func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		abort()
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}
