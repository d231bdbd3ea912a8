package horizon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

const (
	// renewalMargin is how long before its end an access token is renewed: longer
	// than a request with its repeats takes. Of short-lived tokens it is a tenth.
	renewalMargin = 2 * time.Minute

	// failureHeld is how long a failed sign-in stands for all that ask for one.
	failureHeld = 30 * time.Second

	// refusalHeld is the same for credentials that were refused. Terraform goes on
	// to the next resource after a failure, and Active Directory locks an account
	// after a few wrong passwords within, commonly, ten minutes or more.
	refusalHeld = 10 * time.Minute
)

// session is a sign-in that worked. A renewal makes another one.
type session struct {
	access, refresh string
	renewed         bool      // made from a refresh token
	renewAt, endsAt time.Time // by this machine's clock, zero when the token does not say

	// opener is the client that signed in, or renewed the session.
	opener *Client

	// worked is set when the server has accepted the access token.
	worked atomic.Bool
}

// identity is what two clients have in common that may share a session. A
// client with another idea of the server's certificate signs in by itself, so
// that neither a failure nor a token gets from the one to the other.
type identity struct {
	base, domain, name string
	password           [sha256.Size]byte
	cacert             string
	insecure           bool
}

// registry holds what the clients of a process share, per identity.
type registry struct {
	mu      sync.Mutex
	servers map[identity]*server
}

// registered is the registry of this process.
var registered = &registry{}

// server is what is known about a server as a user sees it.
type server struct {
	sessions  sessions
	routes    routes
	creations creations
	recent    recent
	pools     recentPools
	tags      kept[tagIn, Resolved]
	sources   kept[source, Source]
	release   release
	ahead     atomic.Pointer[time.Duration] // by which its clock is ahead of this machine's; nil: not known
	poolNames sync.Map                      // by id in lower case, as last shown
	users     int                           // clients that are not closed
}

func (g *registry) join(key identity) *server {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.servers[key]
	if s == nil {
		s = &server{release: release{turn: make(chan struct{}, 1)}}
		if g.servers == nil {
			g.servers = map[identity]*server{}
		}
		g.servers[key] = s
	}
	s.users++
	return s
}

// at returns what is known about the server at an address, per user.
func (g *registry) at(base string) []*server {
	g.mu.Lock()
	defer g.mu.Unlock()
	var found []*server
	for key, s := range g.servers {
		if key.base == base {
			found = append(found, s)
		}
	}
	return found
}

// leave returns the session that nobody uses any more, nil for none.
func (g *registry) leave(key identity, s *server) *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.users--
	if s.users > 0 {
		return nil
	}
	if g.servers[key] == s {
		delete(g.servers, key)
	}
	return s.sessions.take()
}

// closeAll signs out of every session.
func (g *registry) closeAll(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range g.take() {
		all.Go(func() {
			if err := s.opener.logout(ctx, s); err != nil {
				s.opener.note(ctx, "could not sign out of Horizon, the session ends by itself", map[string]any{"url": s.opener.base, "error": err.Error()})
			}
		})
	}
	all.Wait()
}

// take removes all sessions and returns them.
func (g *registry) take() []*session {
	g.mu.Lock()
	defer g.mu.Unlock()
	var taken []*session
	for _, s := range g.servers {
		if current := s.sessions.take(); current != nil {
			taken = append(taken, current)
		}
	}
	return taken
}

// sessions keeps the one session of an identity: many ask for it at once, and
// one sign-in serves them all.
type sessions struct {
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
func (s *sessions) get(ctx context.Context, c *Client, rejected *session) (*session, error) {
	s.mu.Lock()
	now := c.now()
	from := s.current
	if from != nil && (from == rejected || (!from.endsAt.IsZero() && !now.Before(from.endsAt))) {
		s.current = nil
	}
	held := s.failure != nil && now.Before(s.failureUntil)
	if current := s.current; current != nil {
		if !current.renewAt.IsZero() && !now.Before(current.renewAt) && !held {
			s.start(ctx, c, current)
		}
		s.mu.Unlock()
		return current, nil
	}
	if held {
		defer s.mu.Unlock()
		return nil, s.failure
	}
	f := s.start(ctx, c, from)
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

// start returns the sign-in under way, which it starts when there is none. A
// sign-in does not end with the context that started it, but when the last one
// that waited for it has left.
func (s *sessions) start(ctx context.Context, c *Client, from *session) *flight {
	if s.flight == nil {
		flying, cancel := context.WithCancel(context.WithoutCancel(ctx))
		flying = transport.WithPatience(flying, flying) // Not that of the one who happened to come first.
		s.flight = &flight{done: make(chan struct{}), cancel: cancel}
		go s.fly(flying, c, from, s.flight)
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

func (s *sessions) fly(ctx context.Context, c *Client, from *session, f *flight) {
	defer f.cancel()
	f.session, f.err = c.open(ctx, from)

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
	held := failureHeld
	var signIn *SignInError
	if errors.As(f.err, &signIn) && signIn.Refused {
		held = refusalHeld
	}
	s.failure, s.failureUntil = f.err, c.now().Add(held)
}

// take removes the session and returns it, nil for none.
func (s *sessions) take() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.current
	s.current = nil
	return current
}

// SignIn makes sure that there is a session. Its errors are a *SignInError or the
// context's.
func (c *Client) SignIn(ctx context.Context) error {
	_, err := c.server.sessions.get(ctx, c, nil)
	return err
}

// send sends a request in a session to a path of the API, beginning with
// "/rest/". When the server does not accept the access token, the request is
// sent again whatever its method, since that is checked before anything else is
// done: in a session that was renewed, and then in one from a new sign-in.
func (c *Client) send(ctx context.Context, r transport.Request, path string) (transport.Request, *transport.Response, error) {
	const mostSessions = 3
	var rejected *session
	for n := 1; ; n++ {
		s, err := c.server.sessions.get(ctx, c, rejected)
		if err != nil {
			return r, nil, err
		}
		r.URL = c.base + path
		r.Header = header()
		r.Header.Set("Authorization", "Bearer "+s.access)
		r.Secrets = []string{s.access, s.refresh, c.user.password}
		resp, err := c.do(ctx, r)
		if err != nil {
			return r, nil, err
		}
		if resp.StatusCode != http.StatusUnauthorized {
			s.worked.Store(true)
			return r, resp, nil
		}
		if n == mostSessions {
			return r, resp, nil
		}
		rejected = s
	}
}
