package horizon

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// SignInError says why there is no session with Horizon.
type SignInError struct {
	// Message says what is wrong and what to do.
	Message string
	// Refused says that the server has looked at the credentials and does not
	// accept them. They are not tried again for a while.
	Refused bool
	// Err is the refusal or the failure that it was found by.
	Err error
}

func (e *SignInError) Error() string { return e.Message + ": " + e.Err.Error() }

// Unwrap returns the cause, a *transport.APIError or a *transport.Error.
func (e *SignInError) Unwrap() error { return e.Err }

// header returns what every request says. Messages of the server are in the
// language that is asked for.
func header() http.Header {
	return http.Header{"Accept": {"application/json"}, "Accept-Language": {"en"}, "Content-Type": {"application/json"}}
}

// open makes a session: with the refresh token of the one before, and with the
// password when there is none, or when it has come to its end. A renewed session
// that the server never accepted is not renewed once more.
func (c *Client) open(ctx context.Context, from *session) (*session, error) {
	started := c.now()
	if from != nil && from.refresh != "" && (!from.renewed || from.worked.Load()) {
		// Not marked as harmless to repeat: 500 is a documented answer to a refresh
		// token that the server does not know any more.
		_, answer, err := c.authenticate(ctx, "/rest/refresh", map[string]any{"refresh_token": from.refresh})
		if err == nil {
			s := c.newSession(answer, started)
			s.refresh, s.renewed = from.refresh, true // The answer holds an access token only.
			c.logSession(ctx, "renewed the session with Horizon", s)
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, &SignInError{Message: "the session could not be renewed", Err: err}
		}
		c.note(ctx, "the session with Horizon could not be renewed, signing in again", map[string]any{"user": c.user.String(), "error": err.Error()})
	}
	answer, err := c.login(ctx)
	if err != nil {
		return nil, c.explain(err)
	}
	s := c.newSession(answer, started)
	c.logSession(ctx, "signed in to Horizon", s)
	return s, nil
}

// tokens is the answer to a sign-in, and to a renewal without its second member.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// login signs in with the password. The vendor's OpenAPI has it as a list of
// strings, in every release, as documents come out for a Java char[]; the vendor's
// own examples send one string, which a char[] is read from as well. A server that
// cannot read it so ("cannot be mapped") gets the characters, and then the list
// with the password as its one string.
func (c *Client) login(ctx context.Context) (tokens, error) {
	// A session too many does no harm: nobody knows its tokens, and they expire.
	ctx = transport.WithRepeatable(ctx)
	var (
		status int
		answer tokens
		err    error
	)
	for _, password := range []any{c.user.password, strings.Split(c.user.password, ""), []string{c.user.password}} {
		status, answer, err = c.authenticate(ctx, "/rest/login", map[string]any{"username": c.user.name, "domain": c.user.domain, "password": password})
		var refusal *transport.APIError
		if status != http.StatusBadRequest || !errors.As(err, &refusal) || !strings.Contains(refusal.Message, "cannot be mapped") {
			break
		}
	}
	return answer, err
}

// authenticate sends a request without a session, and reads the tokens in its
// answer. Its secrets stand in the body under names that transport hides. Its errors are a *transport.Error or a *transport.APIError.
func (c *Client) authenticate(ctx context.Context, path string, content map[string]any) (int, tokens, error) {
	body, err := json.Marshal(content)
	if err != nil {
		return 0, tokens{}, fmt.Errorf("writing the request: %w", err)
	}
	r := transport.Request{Method: http.MethodPost, URL: c.base + path, Header: header(), Body: body}
	resp, err := c.do(ctx, r)
	if err != nil {
		return 0, tokens{}, err
	}
	var answer tokens
	if resp.StatusCode != http.StatusOK || json.Unmarshal(resp.Body, &answer) != nil || answer.Access == "" {
		return resp.StatusCode, tokens{}, &answered{APIError: transport.NewAPIError(r, resp), own: isOwn(resp.Body)}
	}
	return resp.StatusCode, answer, nil
}

// answered is a refusal, with what tells one of Horizon's from one of somebody
// in between.
type answered struct {
	*transport.APIError

	own bool
}

func (e *answered) Unwrap() error { return e.APIError }

// logout ends a session on the server.
func (c *Client) logout(ctx context.Context, s *session) error {
	if s.refresh == "" {
		return nil
	}
	body, err := json.Marshal(map[string]string{"refresh_token": s.refresh})
	if err != nil {
		return fmt.Errorf("writing the request: %w", err)
	}
	r := transport.Request{Method: http.MethodPost, URL: c.base + "/rest/logout", Header: header(), Body: body}
	resp, err := c.do(ctx, r)
	if err != nil {
		return fmt.Errorf("signing out of Horizon: %w", err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("signing out of Horizon: %w", transport.NewAPIError(r, resp))
	}
	return nil
}

// newSession reads from an access token, where it says so, when it ends. Its
// times are the server's: only their difference is used.
func (c *Client) newSession(answer tokens, started time.Time) *session {
	s := &session{access: answer.Access, refresh: answer.Refresh, opener: c}
	lifetime := lifetimeOf(answer.Access)
	if lifetime <= 0 {
		return s
	}
	s.endsAt = started.Add(lifetime)
	s.renewAt = s.endsAt.Add(-min(renewalMargin, lifetime/10))
	return s
}

// lifetimeOf reads a JSON Web Token (RFC 7519 section 4.1); 0 says that the token
// is none, or does not say. The vendor documents neither the form nor the
// lifetime; published tokens have both exp and nbf, half an hour apart.
func lifetimeOf(token string) time.Duration {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return 0
	}
	var times struct {
		End       float64 `json:"exp"`
		Issued    float64 `json:"iat"`
		NotBefore float64 `json:"nbf"`
	}
	if json.Unmarshal(claims, &times) != nil {
		return 0
	}
	begin := max(times.Issued, times.NotBefore)
	if begin <= 0 || times.End <= begin || times.End-begin > (30*24*time.Hour).Seconds() {
		return 0
	}
	return time.Duration((times.End - begin) * float64(time.Second))
}

// explain puts the trouble of a sign-in into words.
func (c *Client) explain(err error) error {
	var refusal *answered
	if !errors.As(err, &refusal) {
		return &SignInError{Message: fmt.Sprintf("no answer from Horizon at %s (url)", c.base), Err: err}
	}
	e := &SignInError{Err: refusal.APIError}
	switch status := refusal.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Refused = true
		e.Message = fmt.Sprintf("Horizon at %s does not accept %s with this password: check username, password and domain; the user also needs an administrator role in Horizon (before release 2106 on the root access group). It is not tried again for %d minutes, so that the account is not locked",
			c.base, c.user, int(refusalHeld.Minutes()))
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		e.Message = fmt.Sprintf("Horizon at %s cannot answer at the moment; try again later", c.base)
	case status < http.StatusMultipleChoices:
		e.Message = fmt.Sprintf("what answers at %s is not Horizon's REST API, or something in between changes its answers; check url and the proxy settings", c.base)
	case status < http.StatusBadRequest, !refusal.own && status == http.StatusNotFound:
		e.Message = fmt.Sprintf("there is no Horizon Server REST API at %s; url is the address of a Connection Server, without a path", c.base)
	default:
		e.Refused = refusal.own
		e.Message = fmt.Sprintf("Horizon at %s refuses the sign-in of %s; check username and domain", c.base, c.user)
	}
	return e
}

func (c *Client) logSession(ctx context.Context, message string, s *session) {
	fields := map[string]any{"url": c.base, "user": c.user.String()}
	if !s.endsAt.IsZero() {
		fields["ends_at"] = s.endsAt.UTC().Format(time.RFC3339)
	}
	c.note(ctx, message, fields)
}

func (c *Client) note(ctx context.Context, message string, fields map[string]any) {
	if c.log != nil {
		c.log(ctx, message, fields)
	}
}
