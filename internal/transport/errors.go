package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Error says that a request got no whole answer. Its text, and that of Err, hold no credential.
type Error struct {
	Method string

	// URL has no user, no password and no secret query values. It is empty when the URL was not valid.
	URL string

	// Attempts is the number of requests that were sent or tried, redirects included. It is 0 when nothing was tried.
	Attempts int

	// MayHaveTakenEffect is false for methods that change nothing, and for others only if no attempt ever had a
	// connection to the server: the name was not found, the connection was refused, the TLS handshake failed.
	MayHaveTakenEffect bool

	// Err leads to the cause: context.Canceled, syscall.ECONNREFUSED, x509.UnknownAuthorityError and so on.
	Err error
}

// Error is one line: the request, the cause, the attempts, and whether it may have taken effect.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %v", strings.TrimSpace(e.Method+" "+e.URL), e.Err)
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (%d attempts)", e.Attempts)
	}
	if e.MayHaveTakenEffect {
		text += "; the request may have taken effect"
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// SafeError returns the *Error in an error that came through an http.Client of HTTPClient. net/http wraps it in a
// *url.Error, whose text quotes the URL with its query. Other errors are returned as they are.
func SafeError(err error) error {
	var failure *Error
	if errors.As(err, &failure) {
		return failure
	}
	var wrapped *url.Error
	if !errors.As(err, &wrapped) {
		return err
	}
	u, parseErr := url.Parse(wrapped.URL)
	if parseErr != nil {
		u = nil
	}
	hide := newHiding(u, nil, nil, nil)
	return &Error{
		Method: strings.ToUpper(wrapped.Op),
		URL:    cut(hide.text(redactURL(u)), maxText),
		// What net/http says without a word of our transport, it said before anything was sent.
		Err: &explained{text: CleanText(hide.text(explain(wrapped.Err, u))), err: wrapped.Err},
	}
}

// explained is a cause with a text that a person can act on and that holds no secret.
type explained struct {
	text      string
	err       error
	transient bool // The same request may well succeed a moment later.
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

var (
	errBadRequest   = &explained{text: "the request's method or URL is not valid; a URL begins with http:// or https:// and names a host"}
	errProxyAddress = &explained{text: "the address of the proxy is not valid; check HTTP_PROXY and HTTPS_PROXY in the environment"}
)

// proxyRefused is a proxy's answer to CONNECT; nothing has reached the server.
func proxyRefused(proxy *url.URL, statusCode int) error {
	text := fmt.Sprintf("the proxy %s refused the connection: %s", proxy.Host, statusText(statusCode))
	return &explained{text: text, transient: statusCode >= http.StatusInternalServerError}
}

// attemptTimedOut is the end of one attempt's time, which is not the end of the caller's.
func attemptTimedOut(after time.Duration) error {
	return &explained{text: fmt.Sprintf("no whole answer within %s (request_timeout)", after), transient: true}
}

// contextEnded is the end of the caller's context. The package net's own timeouts, too, claim to be
// context.DeadlineExceeded, so that the context itself has to be asked.
func contextEnded(ctx context.Context) error {
	text := "cancelled"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		text = "the time for the whole operation ran out"
	}
	return &explained{text: text, err: ctx.Err()}
}

func tooLarge(limit int64) error {
	return &explained{text: fmt.Sprintf("the answer is longer than the limit of %d bytes", limit)}
}

// brokenOff is an answer whose body did not come to its end.
func brokenOff(statusCode, read int, err error) error {
	text := fmt.Sprintf("the answer (%s) broke off after %d bytes", statusText(statusCode), read)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		text += ": " + CleanText(err.Error())
	}
	return &explained{text: text, err: err, transient: true}
}

func isCertificateError(err error) bool {
	// crypto/tls wraps everything that crypto/x509 has against a chain in this.
	var verification *tls.CertificateVerificationError
	return errors.As(err, &verification)
}

// isAlert says that the server ended the TLS connection with an alert; crypto/tls keeps the alert's type to itself.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// neverEstablished says that a connection which counted as made was none: in TLS 1.3 the server judges our certificate
// when our side of the handshake is over. Its alert may get lost, and what is left is HTTP/2's word that no request was
// ever sent on the connection; net/http keeps that error to itself, too.
func neverEstablished(err error) bool {
	if err == nil {
		return false
	}
	if isAlert(err) {
		return strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "handshake failure")
	}
	return isUnusedHTTP2(err)
}

func isUnusedHTTP2(err error) bool {
	return err.Error() == "http2: client conn could not be established"
}

// explain says what happened and, where there is something to do, what.
func explain(err error, u *url.URL) string {
	server := "the server"
	if u != nil && u.Host != "" {
		server = u.Host
	}
	var (
		own    *explained
		record tls.RecordHeaderError
		dns    *net.DNSError
		op     *net.OpError
	)
	switch {
	case errors.As(err, &own):
		return own.text
	case isCertificateError(err):
		return explainCertificate(err, server)
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Sprintf("%s ended the TLS handshake (%s); it may ask for a client certificate, or for another one", server, CleanText(op.Err.Error()))
	case isUnusedHTTP2(err):
		return server + " closed the connection right after the TLS handshake; it may ask for a client certificate, or for another one"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return server + " does not speak TLS on this port; check the port, and whether the URL should begin with http://"
	}
	// A proxy that cannot be reached is not the server's fault, and its address comes from elsewhere.
	if errors.As(err, &op) && op.Op == "proxyconnect" {
		server = "the proxy (HTTP_PROXY, HTTPS_PROXY)"
	}
	if errors.As(err, &dns) {
		if dns.IsNotFound {
			return fmt.Sprintf("the name %s of %s is not known (DNS); check the address", CleanText(dns.Name), server)
		}
		return fmt.Sprintf("the name %s of %s could not be looked up (DNS): %s", CleanText(dns.Name), server, CleanText(dns.Err))
	}
	return explainConnection(err, server)
}

func explainConnection(err error, server string) string {
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return server + " refuses connections; check the address and the port, and whether the service runs"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return server + " reset the connection before it had answered"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return server + " cannot be reached from this machine (no route); check the address, VPN and firewalls"
	case errors.As(err, &network) && network.Timeout():
		return server + " did not answer in time (" + CleanText(err.Error()) + "); check the address, VPN and firewalls"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return server + " closed the connection before it had answered"
	}
	return CleanText(err.Error())
}

func explainCertificate(err error, server string) string {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &authority):
		issuer := ""
		if authority.Cert != nil {
			issuer = fmt.Sprintf(" by %q", CleanText(authority.Cert.Issuer.String()))
		}
		return fmt.Sprintf("the certificate of %s is not trusted: it was issued%s, which no known CA vouches for; give the CA with cacert", server, issuer)
	case errors.As(err, &hostname):
		return fmt.Sprintf("the certificate of %s is for another name: %s; use a name that the certificate holds", server, CleanText(hostname.Error()))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s has expired or is not valid yet (%s); check this machine's clock, else the server's certificate has to be renewed",
			server, CleanText(invalid.Detail))
	}
	return fmt.Sprintf("the certificate of %s cannot be accepted: %s", server, CleanText(err.Error()))
}
