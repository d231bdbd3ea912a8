package transport

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 30 * time.Second

	// MaxRetryAfter is the longest wait that is granted to a server when the context has no deadline. A service in
	// maintenance asks for hours; its answer says so better than a Terraform run that stands still.
	MaxRetryAfter = 5 * time.Minute
)

// isSafe says that the method changes nothing (RFC 9110 section 9.2.1).
func isSafe(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return false
}

// isIdempotent says that doing it twice has the effect of doing it once (RFC 9110 section 9.2.2).
func isIdempotent(method string) bool {
	return isSafe(method) || method == http.MethodPut || method == http.MethodDelete
}

// repeatable is the retry policy. A request that is not idempotent is only repeated when it provably did nothing: it
// never reached the server, or the server says that it did not take it (429, and 503 with the time to come back).
func repeatable(ctx context.Context, method string, o outcome, hasRetryAfter bool) bool {
	marked, _ := ctx.Value(repeatableKey{}).(bool)
	harmless := marked || isIdempotent(method)
	switch o.statusCode() {
	case 0:
		return isTransient(o) && (harmless || !o.reached)
	case http.StatusTooManyRequests:
		return true
	case http.StatusServiceUnavailable:
		return harmless || hasRetryAfter
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return harmless
	}
	return o.err != nil && isTransient(o) && harmless
}

// isTransient says that the same request may well succeed a moment later. A certificate that is not trusted, a name that
// does not exist or an answer that is too large stay what they are.
func isTransient(o outcome) bool {
	var (
		own     *explained
		dns     *net.DNSError
		record  tls.RecordHeaderError
		network net.Error
		errno   syscall.Errno
	)
	switch err := o.err; {
	case errors.As(err, &own):
		return own.transient
	case isCertificateError(err), isAlert(err), errors.As(err, &record):
		return false
	case errors.As(err, &dns):
		return !dns.IsNotFound
	case o.reached:
		return true
	default:
		// Without a connection, what is no trouble of the network is a request that cannot be sent at all.
		return errors.As(err, &network) || errors.As(err, &errno) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isUnusedHTTP2(err)
	}
}

// throttleCodes are the codes by which Huawei Cloud and Open Telekom Cloud say that they did not take a request: their
// API gateway (with 429) and the task flow control of the Image Management Service (with 400). Source: the vendors'
// tables of error codes.
var throttleCodes = map[string]bool{"APIG.0308": true, "APIGW.0308": true, "IMG.0060": true}

const (
	// The vendors advise to come back after 2 to 5 seconds, and mostly say no Retry-After.
	leastThrottleWait = 2 * time.Second
	throttleSpread    = 3 * time.Second

	// maxThrottleBytes bounds the bodies that are looked through for such a code.
	maxThrottleBytes = 16 << 10
)

// isThrottled says that the answer has one of the codes, so that the request is harmless to repeat whatever its method.
func isThrottled(o outcome) bool {
	if o.err != nil || (o.statusCode() != http.StatusTooManyRequests && o.statusCode() != http.StatusBadRequest) || len(o.body) > maxThrottleBytes {
		return false
	}
	var document map[string]any
	return json.Unmarshal(o.body, &document) == nil && throttleCodes[findRefusal(document, 0).code]
}

// throttleWait is the wait before a repeat of what was throttled and not told when to come back.
func throttleWait(repeats int, jitter float64) time.Duration {
	least := backoffCap
	if repeats < 4 {
		least = leastThrottleWait << repeats
	}
	return least + time.Duration(jitter*float64(throttleSpread))
}

// backoff is the wait before a repeat: full jitter under an exponential ceiling, on top of what the server asked for, so
// that ten requests that were told the same second do not come back as one.
func backoff(repeats int, asked time.Duration, hasAsked bool, jitter float64) time.Duration {
	if hasAsked {
		return asked + time.Duration(jitter*float64(backoffBase))
	}
	ceiling := backoffCap
	if repeats < 6 {
		ceiling = min(backoffCap, backoffBase<<repeats)
	}
	return time.Duration(jitter * float64(ceiling))
}

// RetryAfter reads how long the server wants to be left alone: Retry-After in seconds or as a date (RFC 9110 section
// 10.2.3), or the header that Horizon's REST API has instead since release 2406.
func RetryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	for _, name := range []string{"Retry-After", "X-Rate-Limit-Retry-After-Seconds"} {
		value := strings.TrimSpace(header.Get(name))
		if value == "" {
			continue
		}
		seconds, err := strconv.ParseUint(value, 10, 31)
		if err == nil || errors.Is(err, strconv.ErrRange) {
			return time.Duration(seconds) * time.Second, true
		}
		if date, err := http.ParseTime(value); err == nil {
			return max(date.Sub(now), 0), true
		}
	}
	return 0, false
}
