package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// failing is a connection pool that never gets a connection.
type failing struct {
	err   error
	calls int
}

func (f *failing) RoundTrip(*http.Request) (*http.Response, error) {
	f.calls++
	return nil, f.err
}

type slowHandshake struct{}

func (slowHandshake) Error() string   { return "net/http: TLS handshake timeout" }
func (slowHandshake) Timeout() bool   { return true }
func (slowHandshake) Temporary() bool { return true }

// connected is a connection pool whose connections fail before they are used.
type connected struct{ err error }

func (c connected) RoundTrip(r *http.Request) (*http.Response, error) {
	httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
	return nil, c.err
}

// In TLS 1.3 the server judges our certificate when the connection counts as made on our side.
func TestALateRefusalOfTheClientCertificateHasNoEffect(t *testing.T) {
	tests := map[string]struct {
		err    error
		effect bool
	}{
		"certificate required": {&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, false},
		"handshake failure":    {&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, false},
		"alert lost in HTTP/2": {errors.New("http2: client conn could not be established"), false},
		"another alert":        {&net.OpError{Op: "remote error", Err: errors.New("tls: internal error")}, true},
		"another error":        {io.EOF, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client, err := New(Options{})
			if err != nil {
				t.Fatal(err)
			}
			client.base = connected{test.err}
			_, err = client.Do(t.Context(), Request{Method: "POST", URL: "https://glance.example"})
			var failure *Error
			if !errors.As(err, &failure) || failure.MayHaveTakenEffect != test.effect {
				t.Errorf("%v", err)
			}
		})
	}
}

// answering is a connection pool that has one answer, and knows whether its body was closed.
type answering struct {
	io.Reader
	closed bool
}

func (a *answering) Close() error {
	a.closed = true
	return nil
}

func (a *answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: a}, nil
}

func TestBodiesAreClosedWhateverTheyBring(t *testing.T) {
	for name, body := range map[string]io.Reader{"whole": strings.NewReader("x"), "broken": iotest.ErrReader(io.ErrUnexpectedEOF), "too long": strings.NewReader("xxxxxxxxxxx")} {
		t.Run(name, func(t *testing.T) {
			client, err := New(Options{MaxResponseBytes: 10})
			if err != nil {
				t.Fatal(err)
			}
			base := &answering{Reader: body}
			client.base = base
			_, err = client.Do(t.Context(), Request{Method: "GET", URL: "https://glance.example"})
			if !base.closed || (err == nil) != (name == "whole") {
				t.Errorf("closed: %t, error: %v", base.closed, err)
			}
		})
	}
}

// Troubles that a test on loopback cannot have for real.
func TestTroublesBeforeAConnectionAreExplained(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: err}
	}
	unknown := &net.DNSError{Err: "no such host", Name: "glance.example", Server: "192.0.2.53:53", IsNotFound: true}
	tests := map[string]struct {
		err    error
		text   string
		repeat bool
	}{
		"unknown name":          {dial(unknown), "the name glance.example of glance.example is not known (DNS); check the address", false},
		"DNS trouble":           {dial(&net.DNSError{Err: "server misbehaving", Name: "glance.example", IsTemporary: true}), "could not be looked up (DNS): server misbehaving", true},
		"unknown proxy":         {&net.OpError{Op: "proxyconnect", Err: dial(&net.DNSError{Err: "no such host", Name: "proxy.example", IsNotFound: true})}, "the name proxy.example of the proxy (HTTP_PROXY, HTTPS_PROXY) is not known", false},
		"no route":              {dial(syscall.EHOSTUNREACH), "glance.example cannot be reached from this machine (no route)", true},
		"no network":            {dial(syscall.ENETUNREACH), "glance.example cannot be reached from this machine (no route)", true},
		"dial timeout":          {dial(os.ErrDeadlineExceeded), "glance.example did not answer in time", true},
		"handshake timeout":     {slowHandshake{}, "glance.example did not answer in time (net/http: TLS handshake timeout)", true},
		"closed in handshake":   {io.EOF, "glance.example closed the connection before it had answered", true},
		"broken in handshake":   {io.ErrUnexpectedEOF, "glance.example closed the connection before it had answered", true},
		"reset in handshake":    {dial(syscall.ECONNRESET), "glance.example reset the connection", true},
		"unused HTTP/2":         {errors.New("http2: client conn could not be established"), "closed the connection right after the TLS handshake; it may ask for a client certificate", true},
		"cannot be sent at all": {errors.New("net/http: invalid header field name"), "net/http: invalid header field name", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client, err := New(Options{MaxRetries: 1, Sleep: func(context.Context, time.Duration) error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
			base := &failing{err: test.err}
			client.base = base
			_, err = client.Do(t.Context(), Request{Method: "PATCH", URL: "https://glance.example/v2"})
			var failure *Error
			if !errors.As(err, &failure) || failure.MayHaveTakenEffect || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v\nwant %s", err, test.text)
			}
			if repeated := base.calls == 2; repeated != test.repeat {
				t.Errorf("%d attempts", base.calls)
			}
		})
	}
}
