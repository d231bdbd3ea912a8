package transport

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const maxRedirects = 5

// exchange is one request on its way: its repeats, its redirects, and what is known about its effect.
type exchange struct {
	client  *Client
	ctx     context.Context //nolint:containedctx // An exchange lives as long as the call that brought the context.
	body    []byte
	secrets []string
	prepare func(*http.Request)

	attempts int
	repeats  int
	reached  bool   // Some attempt had a connection to the server, so that its effect cannot be ruled out.
	answered string // The status of the last answer that led to a repeat.
}

// outcome is what one attempt brought: an answer with its body, an error, or both when the body broke off.
type outcome struct {
	answer  *http.Response
	body    []byte
	err     error
	reached bool
}

func (o outcome) statusCode() int {
	if o.answer == nil {
		return 0
	}
	return o.answer.StatusCode
}

// run sends the request and follows redirects. The error is a *Error.
func (x *exchange) run(req *http.Request) (*http.Response, []byte, error) {
	for redirects := 0; ; redirects++ {
		answer, body, err := x.send(req)
		if err != nil {
			return nil, nil, err
		}
		target, err := redirectTarget(req, answer)
		if err != nil {
			return nil, nil, x.failure(req, err)
		}
		if target == nil {
			return answer, body, nil
		}
		if redirects == maxRedirects {
			return nil, nil, x.failure(req, &explained{text: fmt.Sprintf("the server answers with more than %d redirects", maxRedirects)})
		}
		req = req.Clone(req.Context())
		req.URL = target
	}
}

// send makes attempts until one brings an answer that stands, or nothing more can be done.
func (x *exchange) send(req *http.Request) (*http.Response, []byte, error) {
	for {
		if x.ctx.Err() != nil {
			return nil, nil, x.failure(req, contextEnded(x.ctx))
		}
		x.attempts++
		started := x.client.now()
		o := x.attempt(req)
		x.reached = x.reached || o.reached
		x.logAttempt(req, o, x.client.now().Sub(started))

		wait, repeat := x.next(req, o)
		if !repeat {
			if o.err != nil {
				return nil, nil, x.failure(req, o.err)
			}
			return o.answer, o.body, nil
		}
		if o.answer != nil {
			x.answered = statusText(o.answer.StatusCode)
		}
		x.logWait(req, wait)
		if err := x.pause(wait); err != nil && x.ctx.Err() == nil {
			if Patience(x.ctx).Err() != nil && o.err == nil {
				return o.answer, o.body, nil // Nobody waits for another one.
			}
			return nil, nil, x.failure(req, err)
		}
		x.repeats++
	}
}

// pause waits, until the context that repeats are made for ends at the latest.
func (x *exchange) pause(wait time.Duration) error {
	ctx, cancel := context.WithCancelCause(x.ctx)
	defer cancel(nil)
	patient := Patience(x.ctx)
	defer context.AfterFunc(patient, func() { cancel(context.Cause(patient)) })()
	return x.client.sleep(ctx, wait)
}

// next decides whether the outcome leads to another attempt, and after which wait. What does not is final: the caller
// gets the last answer rather than a message of our own.
func (x *exchange) next(req *http.Request, o outcome) (time.Duration, bool) {
	patient := Patience(x.ctx)
	once, _ := x.ctx.Value(onceKey{}).(bool)
	if once || x.repeats >= x.client.maxRetries || patient.Err() != nil || x.ctx.Err() != nil {
		return 0, false
	}
	asked, hasAsked := time.Duration(0), false
	if o.answer != nil {
		asked, hasAsked = RetryAfter(o.answer.Header, x.client.now())
	}
	throttled := isThrottled(o)
	if !throttled && !repeatable(x.ctx, req.Method, o, hasAsked) {
		return 0, false
	}
	wait := backoff(x.repeats, asked, hasAsked, x.client.jitter())
	if throttled && !hasAsked {
		wait = throttleWait(x.repeats, x.client.jitter())
	}
	deadline, hasDeadline := patient.Deadline()
	if !hasDeadline {
		return wait, asked <= MaxRetryAfter
	}
	// Contexts end by the real clock, whatever clock is injected.
	return wait, wait < time.Until(deadline)
}

// attempt sends the request once and reads the whole answer.
func (x *exchange) attempt(req *http.Request) outcome {
	timeout := x.client.requestTimeout
	ctx, cancel := context.WithTimeout(x.ctx, timeout)
	defer cancel()
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// Called when dialling and the TLS handshake are over: before it, nothing of the request can have left.
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})

	answer, err := x.client.base.RoundTrip(x.outgoing(ctx, req)) //nolint:bodyclose // read closes it.
	var body []byte
	if err == nil {
		body, err = x.read(req.Method, answer)
	}
	if err != nil && ctx.Err() != nil {
		err = attemptTimedOut(timeout)
		if x.ctx.Err() != nil {
			err = contextEnded(x.ctx)
		}
	}
	return outcome{answer: answer, body: body, err: err, reached: connected.Load() && !neverEstablished(err)}
}

func (x *exchange) outgoing(ctx context.Context, req *http.Request) *http.Request {
	out := req.Clone(ctx)
	if x.client.userAgent != "" && out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", x.client.userAgent)
	}
	out.TransferEncoding = nil
	out.ContentLength = int64(len(x.body))
	out.Body, out.GetBody = nil, nil
	if len(x.body) > 0 {
		// net/http repeats by itself on a kept-alive connection that turns out to be closed before anything was written.
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.body)), nil }
		out.Body, _ = out.GetBody()
	}
	if x.prepare != nil {
		x.prepare(out)
		x.secrets = headerSecrets(x.secrets, out.Header)
	}
	return out
}

// read takes the body to its end, so that the connection can be used again, and closes it.
func (x *exchange) read(method string, answer *http.Response) ([]byte, error) {
	defer func() { _ = answer.Body.Close() }()
	limit := x.client.maxResponseBytes
	if method != http.MethodHead && answer.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	readAtMost := limit
	if readAtMost < math.MaxInt64 {
		readAtMost++
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, readAtMost))
	if err != nil {
		return nil, brokenOff(answer.StatusCode, len(body), err)
	}
	if int64(len(body)) > limit {
		return nil, tooLarge(limit)
	}
	return body, nil
}

// failure is the error of an exchange that brought no whole answer.
func (x *exchange) failure(req *http.Request, err error) *Error {
	hide := newHiding(req.URL, req.Header, x.body, x.secrets)
	text := explain(err, req.URL)
	if x.answered != "" {
		text += fmt.Sprintf(" (an earlier attempt was answered with %s)", x.answered)
	}
	return &Error{
		Method:             req.Method,
		URL:                cut(hide.text(redactURL(req.URL)), maxText),
		Attempts:           x.attempts,
		MayHaveTakenEffect: x.reached && !isSafe(req.Method),
		Err:                &explained{text: cut(hide.text(text), 2*maxText), err: err},
	}
}

func (x *exchange) logAttempt(req *http.Request, o outcome, took time.Duration) {
	if x.client.log == nil {
		return
	}
	hide := newHiding(req.URL, req.Header, nil, x.secrets)
	fields := map[string]any{
		"method":      req.Method,
		"url":         cut(hide.text(redactURL(req.URL)), maxText),
		"attempt":     x.attempts,
		"duration_ms": took.Milliseconds(),
	}
	if o.answer != nil {
		fields["status"] = o.answer.StatusCode
		if id := requestID(o.answer.Header); id != "" {
			fields["request_id"] = cut(hide.text(id), maxIDText)
		}
	}
	if o.err != nil {
		fields["error"] = x.failure(req, o.err).Err.Error()
	}
	x.client.log(x.ctx, "HTTP request", fields)
}

func (x *exchange) logWait(req *http.Request, wait time.Duration) {
	if x.client.log == nil {
		return
	}
	x.client.log(x.ctx, "HTTP request is going to be repeated", map[string]any{
		"method":  req.Method,
		"url":     cut(newHiding(req.URL, req.Header, nil, x.secrets).text(redactURL(req.URL)), maxText),
		"attempt": x.attempts,
		"wait_ms": wait.Milliseconds(),
	})
}

// redirectTarget returns where the answer sends the request, or nil when it does not. Only the same scheme, host and port
// get the request again, since its header holds credentials.
func redirectTarget(req *http.Request, answer *http.Response) (*url.URL, error) {
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := answer.Header.Get("Location")
	if location == "" {
		return nil, nil
	}
	status := statusText(answer.StatusCode)
	target, err := req.URL.Parse(location)
	if err != nil {
		return nil, &explained{text: fmt.Sprintf("the server redirects (%s) to an address that is not valid", status)}
	}
	if origin := originOf(target); origin != originOf(req.URL) {
		return nil, &explained{text: fmt.Sprintf("the server redirects (%s) to %s, and credentials are not sent there; if that is the right server, use its address in the configuration",
			status, CleanText(origin))}
	}
	keepsMethod := answer.StatusCode == http.StatusTemporaryRedirect || answer.StatusCode == http.StatusPermanentRedirect
	if !keepsMethod && !isSafe(req.Method) {
		// RFC 9110 section 15.4 lets a client turn the request into a GET, whose success would be taken for the write's.
		return nil, &explained{text: fmt.Sprintf("the server redirects (%s) a %s, which would arrive as a GET", status, req.Method)}
	}
	target.User = nil
	return target, nil
}

func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

func statusText(statusCode int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", statusCode, http.StatusText(statusCode)))
}
