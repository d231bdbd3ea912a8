// Package transport is the HTTP core that the provider's API clients share: one connection pool with its TLS settings,
// repeats where they are safe, limits on what is read, redacted log lines, and error texts that a person can act on.
package transport

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	defaultRequestTimeout   = 60 * time.Second
	defaultMaxResponseBytes = 64 << 20

	// idleConnectionsPerHost covers Terraform's default of ten operations at once and the -parallelism=50 that large
	// estates use; net/http's default of two closes and opens connections all the time.
	idleConnectionsPerHost = 64
)

// Options configures a Client. The zero value is usable.
type Options struct {
	// UserAgent is sent with every request that sets none, e.g. "terraform-provider-imageops/1.2.3".
	UserAgent string

	// CACert, ClientCert and ClientKey are each a path or PEM text. CACert is trusted in addition to the system's
	// certificates. ClientKey may be empty when ClientCert holds the key as well.
	CACert, ClientCert, ClientKey string

	// Insecure accepts any certificate of the server.
	Insecure bool

	// RequestTimeout is the time for one attempt, from dialling to the last byte of the answer. 0 means 60 s.
	RequestTimeout time.Duration

	// MaxRetries is the number of repeats after the first attempt. A negative number means none.
	MaxRetries int

	// MaxResponseBytes bounds the (uncompressed) body of an answer; a longer one is an error. 0 means 64 MiB.
	MaxResponseBytes int64

	// Log receives one line per attempt and one per wait, without credentials and without bodies. It may be nil.
	Log func(ctx context.Context, message string, fields map[string]any)

	// Proxy chooses the proxy of a request. nil means HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment.
	Proxy func(*http.Request) (*url.URL, error)

	// Sleep waits between attempts and returns early, with an error, when the context ends. nil means a timer.
	Sleep func(ctx context.Context, d time.Duration) error

	// Now is the clock for the dates of Retry-After and for logged durations. nil means time.Now.
	Now func() time.Time

	// Jitter returns a number in [0,1) that scales a wait. nil means a random one.
	Jitter func() float64
}

// Client sends requests. It is safe for concurrent use, and meant to be shared: the connections belong to it.
type Client struct {
	base             http.RoundTripper
	userAgent        string
	requestTimeout   time.Duration
	maxRetries       int
	maxResponseBytes int64
	log              func(ctx context.Context, message string, fields map[string]any)
	sleep            func(ctx context.Context, d time.Duration) error
	now              func() time.Time
	jitter           func() float64
}

// New makes a Client. It opens no connection. Its errors are about the certificates and the key in the options.
func New(o Options) (*Client, error) {
	tlsConfig, err := newTLSConfig(o)
	if err != nil {
		return nil, err
	}
	c := &Client{
		userAgent:        o.UserAgent,
		requestTimeout:   o.RequestTimeout,
		maxRetries:       o.MaxRetries,
		maxResponseBytes: o.MaxResponseBytes,
		log:              o.Log,
		sleep:            o.Sleep,
		now:              o.Now,
		jitter:           o.Jitter,
	}
	if c.requestTimeout <= 0 {
		c.requestTimeout = defaultRequestTimeout
	}
	if c.maxResponseBytes <= 0 {
		c.maxResponseBytes = defaultMaxResponseBytes
	}
	if c.sleep == nil {
		c.sleep = sleep
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.jitter == nil {
		c.jitter = rand.Float64
	}
	proxy := o.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	c.base = &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			u, err := proxy(r)
			if err != nil {
				// The original text quotes the address, which may hold the proxy's password.
				return nil, errProxyAddress
			}
			return u, nil
		},
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			return proxyRefused(proxy, answer.StatusCode)
		},
		DialContext:            dialer.DialContext,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    15 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           4 * idleConnectionsPerHost,
		MaxIdleConnsPerHost:    idleConnectionsPerHost,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		// An HTTP/2 connection that a firewall dropped in silence would otherwise swallow every request until its timeout.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	return c, nil
}

// Request is one request with its whole body.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        []byte

	// Secrets are texts that must not appear in an error or a log line about this request. Credentials that the header
	// or a JSON body show by their names (X-Auth-Token, "password") need not be repeated here.
	Secrets []string

	// Prepare completes every attempt on its own, repeats and redirects included, after everything else was set: a
	// signature with the attempt's date, for one. Credentials that it puts into the header under their names are hidden
	// like those of Header. It may be nil.
	Prepare func(attempt *http.Request)
}

// Response is a whole answer, whatever its status.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte

	// Attempts is the number of requests that were sent until this answer came, redirects included.
	Attempts int

	secrets []string // Credentials that Request.Prepare put into the attempts.
}

// Do sends a request, repeats it where that is safe, and returns the last answer, whatever its status. An error says that
// there was no whole answer, and is always a *Error.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil || req.URL.Host == "" || (req.URL.Scheme != "http" && req.URL.Scheme != "https") {
		// The text of a parse error quotes parts of the URL, and a URL that does not parse cannot be redacted.
		return nil, &Error{Method: r.Method, Err: errBadRequest}
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if user := req.URL.User; user != nil && req.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	x := &exchange{client: c, ctx: ctx, body: r.Body, secrets: slices.Clip(r.Secrets), prepare: r.Prepare}
	answer, body, err := x.run(req) //nolint:bodyclose // The body was read and closed.
	if err != nil {
		return nil, err
	}
	return &Response{StatusCode: answer.StatusCode, Header: answer.Header, Body: body, Attempts: x.attempts, secrets: x.secrets}, nil
}

// HTTPClient returns the same core (connections, repeats, limits, redirects, log lines) for a library that wants an
// http.Client. Its bodies are read whole before it returns. Errors that such a library returns go through SafeError
// before anybody sees them.
func (c *Client) HTTPClient() *http.Client {
	return &http.Client{Transport: roundTripper{c}}
}

// roundTripper keeps RoundTrip out of Client's own methods. It goes beyond what net/http expects of one: redirects are
// followed here, under the rules for credentials, so that http.Client never sees one that it would follow.
type roundTripper struct{ client *Client }

func (t roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	x := &exchange{client: t.client, ctx: req.Context()}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		closeErr := req.Body.Close()
		if err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, x.failure(req, &explained{text: "the request's body cannot be read", err: err})
		}
		x.body = body
	}
	answer, body, err := x.run(req)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if req.Method != http.MethodHead {
		answer.ContentLength = int64(len(body))
	}
	return answer, nil
}

func (t roundTripper) CloseIdleConnections() {
	if pool, ok := t.client.base.(interface{ CloseIdleConnections() }); ok {
		pool.CloseIdleConnections()
	}
}

type repeatableKey struct{}

// WithRepeatable marks the requests made with the context as harmless to repeat whatever their method: a POST that only
// signs in, for one. Use the context for that request alone.
func WithRepeatable(ctx context.Context) context.Context {
	return context.WithValue(ctx, repeatableKey{}, true)
}

type onceKey struct{}

// WithoutRepeats marks the requests made with the context as made for this moment: one that writes back what was read
// just before, for which a repeat would have to read again.
func WithoutRepeats(ctx context.Context) context.Context {
	return context.WithValue(ctx, onceKey{}, true)
}

type patienceKey struct{}

// WithPatience makes repeats, and the waits before them, end with another context than the request itself: a caller that
// is cancelled finishes the attempt that is under way, and makes no more.
func WithPatience(ctx, patient context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, patient)
}

// Patience returns the context that repeats are made for: the one that WithPatience was given, else ctx itself.
func Patience(ctx context.Context) context.Context {
	if patient, ok := ctx.Value(patienceKey{}).(context.Context); ok {
		return patient
	}
	return ctx
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
