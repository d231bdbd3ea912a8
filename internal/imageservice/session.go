package imageservice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/signature"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

const (
	// renewalMargin is how long before its end a token is renewed: longer than
	// a request with its repeats takes. Of short-lived tokens it is a tenth.
	renewalMargin = 2 * time.Minute

	// failureHeld is how long a failed sign-in stands for all that ask for one.
	// Terraform goes on to the next resource after a failure, and a thousand
	// wrong passwords lock the account.
	failureHeld = 30 * time.Second
)

// Place is where a client looks for images: what it finds in one place says
// nothing about another.
type Place struct {
	// Region is empty when neither the configuration nor the catalogue names one.
	Region                 string
	ProjectID, ProjectName string
	// Roles are the names of the roles on the project, sorted.
	Roles []string
}

// session is a sign-in that worked, or an access key with what is known about it. It does not change; a renewal makes another one.
type session struct {
	token     string
	form      signature.Form // of the signatures with an access key
	expiresAt time.Time      // by Keystone's clock, zero when not known
	renewAt   time.Time      // by this machine's clock, zero for never
	images    string         // address of the image service, canonical, without the version
	place     Place
	unsent    []string // secrets that no request carries, and no message shows either
}

// sessions keeps the one session of a client: many ask for it at once, and one
// sign-in serves them all.
type sessions struct {
	signIn func(context.Context) (*session, error)
	now    func() time.Time

	mu      sync.Mutex
	current *session
	flight  *flight

	failure      error
	failureUntil time.Time
}

// flight is a sign-in under way.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int

	session *session
	err     error
}

// get returns the session, after a sign-in when there is none, or when the
// server refused rejected, the session that the caller had from here before. A
// token whose end comes near is renewed meanwhile, and nobody waits for that.
func (s *sessions) get(ctx context.Context, rejected *session) (*session, error) {
	s.mu.Lock()
	if s.current == rejected {
		s.current = nil
	}
	now := s.now()
	held := s.failure != nil && now.Before(s.failureUntil)
	if current := s.current; current != nil {
		if !current.renewAt.IsZero() && !now.Before(current.renewAt) && !held {
			s.start(ctx)
		}
		s.mu.Unlock()
		return current, nil
	}
	if held {
		defer s.mu.Unlock()
		return nil, s.failure
	}
	f := s.start(ctx)
	f.waiting++
	s.mu.Unlock()

	select {
	case <-f.done:
		return f.session, f.err
	case <-ctx.Done():
		s.leave(f)
		return nil, fmt.Errorf("signing in: %w", context.Cause(ctx))
	}
}

// latest returns the session that there is, without a sign-in; nil for none.
func (s *sessions) latest() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// start returns the sign-in under way, which it starts when there is none. A
// sign-in does not end with the context that started it, but when the last one
// that waited for it has left.
func (s *sessions) start(ctx context.Context) *flight {
	if s.flight == nil {
		flying, cancel := context.WithCancel(context.WithoutCancel(ctx))
		flying = transport.WithPatience(flying, flying) // Not that of the one who happened to come first.
		s.flight = &flight{done: make(chan struct{}), cancel: cancel}
		go s.fly(flying, s.flight)
	}
	return s.flight
}

func (s *sessions) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.waiting--
	if f.waiting > 0 {
		return
	}
	f.cancel()
	if s.flight == f {
		s.flight = nil
	}
}

func (s *sessions) fly(ctx context.Context, f *flight) {
	defer f.cancel()
	f.session, f.err = s.signIn(ctx)

	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	if s.flight != f {
		return
	}
	s.flight = nil
	if f.err == nil {
		s.current, s.failure = f.session, nil
		return
	}
	s.failure, s.failureUntil = f.err, s.now().Add(failureHeld)
}

// authority is a way to show the image service who asks.
type authority interface {
	// open makes a session. Its errors are a *SignInError, a *TokenExpiredError or
	// the context's.
	open(ctx context.Context) (*session, error)
	// authorize completes one attempt of a request in a session.
	authorize(s *session, attempt *http.Request, body []byte)
	// again says, of an answer in a session, whether the request is to be sent once
	// more in another one. It was sent before in a session that was refused.
	again(s, before *session, sent transport.Request, resp *transport.Response) bool
}

func newAuthority(c *Client, t *target) authority {
	if t.credentials.method == byAccessKey {
		return newKeyAuthority(c, t)
	}
	return &tokenAuthority{
		client: c,
		signer: signer{keystone: &keystone{transport: c.transport, url: t.authURL}, credentials: t.credentials},
	}
}

// tokenAuthority shows a token of Keystone.
type tokenAuthority struct {
	client    *Client
	signer    signer
	expiresAt atomic.Pointer[time.Time] // of a token that cannot be renewed
}

func (a *tokenAuthority) open(ctx context.Context) (*session, error) {
	c := a.client
	started := c.now()
	g, err := a.signer.sign(ctx)
	if err != nil {
		return nil, a.tokenExpired(err)
	}
	images, region, err := c.locate(g.catalog)
	if err != nil {
		return nil, err
	}
	session := &session{
		token:     g.token,
		expiresAt: g.expiresAt,
		images:    images,
		place: Place{
			Region:      region,
			ProjectID:   g.project.ID,
			ProjectName: g.project.Name,
		},
	}
	for _, role := range g.roles {
		session.place.Roles = append(session.place.Roles, role.Name)
	}
	slices.Sort(session.place.Roles)
	if a.signer.credentials.method == byToken {
		a.expiresAt.Store(&g.expiresAt)
	} else if g.lifetime > 0 {
		session.renewAt = started.Add(g.lifetime - min(renewalMargin, g.lifetime/10))
	}
	c.logSession(ctx, "signed in to the image service", a.signer.keystone.url, session)
	return session, nil
}

func (a *tokenAuthority) authorize(s *session, attempt *http.Request, _ []byte) {
	attempt.Header.Set("X-Auth-Token", s.token)
}

// again is for a token that was refused for the first time.
func (a *tokenAuthority) again(_, before *session, _ transport.Request, resp *transport.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized && before == nil
}

func (c *Client) logSession(ctx context.Context, message, authURL string, s *session) {
	if c.log == nil {
		return
	}
	fields := map[string]any{
		"auth_url":   authURL,
		"endpoint":   s.images,
		"region":     s.place.Region,
		"project_id": s.place.ProjectID,
	}
	if !s.expiresAt.IsZero() {
		fields["expires_at"] = s.expiresAt.UTC().Format(time.RFC3339)
	}
	c.log(ctx, message, fields)
}

// TokenExpiredError says that a token from elsewhere, which cannot be renewed,
// is not accepted any more in the middle of the work.
type TokenExpiredError struct {
	// ExpiresAt is when it expired or was to expire, zero when not known.
	ExpiresAt time.Time
	// Begun and Done count the changes of this client, to all images.
	Begun, Done int64
	// Err is Keystone's refusal.
	Err error

	early bool
	torn  bool // a part of the change that it ended is written
}

func (e *TokenExpiredError) Error() string {
	when := "expired"
	switch at := e.ExpiresAt.UTC().Format(time.RFC3339); {
	case e.ExpiresAt.IsZero():
	case e.early:
		when = fmt.Sprintf("was refused, though it was to expire at %s only (it may have been revoked)", at)
	default:
		when = "expired at " + at
	}
	state := "; nothing is half written"
	if e.torn {
		state = ""
	}
	return fmt.Sprintf("the token %s, after %d of %d changes begun in this run%s: run again with a new token", when, e.Done, e.Begun, state)
}

// Unwrap returns Keystone's refusal.
func (e *TokenExpiredError) Unwrap() error { return e.Err }

// tokenExpired turns the refusal of a token that worked before into a TokenExpiredError.
func (a *tokenAuthority) tokenExpired(err error) error {
	var refused *refusedTokenError
	if !errors.As(err, &refused) {
		return err
	}
	expiresAt := a.expiresAt.Load()
	if expiresAt == nil {
		return refused.SignInError
	}
	return &TokenExpiredError{ExpiresAt: *expiresAt, Err: refused.SignInError, early: a.client.now().Before(*expiresAt)}
}

// counted returns the error with the changes counted now, since it stands for a while.
func (c *Client) counted(err error) error {
	var expired *TokenExpiredError
	if !errors.As(err, &expired) {
		return err
	}
	counted := *expired
	counted.Begun, counted.Done = c.begun.Load(), c.done.Load()
	return &counted
}

// send sends a request in a session to a path of the image service. When the
// service does not accept who asks, the request is sent again in another session,
// whatever its method: that is checked before anything else is done.
func (c *Client) send(ctx context.Context, r transport.Request, path string) (transport.Request, *transport.Response, error) {
	var refused *session
	secrets := slices.Clip(r.Secrets)
	for {
		s, err := c.sessions.get(ctx, refused)
		if err != nil {
			return r, nil, c.counted(err)
		}
		r.URL = s.images + path
		r.Secrets = append(secrets, s.unsent...)
		r.Prepare = func(attempt *http.Request) { c.authority.authorize(s, attempt, r.Body) }
		resp, err := c.transport.Do(ctx, r)
		if err != nil {
			return r, nil, err
		}
		if !c.authority.again(s, refused, r, resp) {
			return r, resp, nil
		}
		refused = s
	}
}
