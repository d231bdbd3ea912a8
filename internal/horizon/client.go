// Package horizon is the client for the Server REST API of Omnissa (formerly
// VMware) Horizon: its session, the image catalogue, what stands around it in
// vCenter, and the desktop pools that follow it. It speaks to releases from 2012
// on, and finds out by itself which versions of a route a server has.
package horizon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// Client talks to one Horizon pod as one user. It is safe for concurrent use,
// and meant to be shared. Clients of a process that talk to the same server as
// the same user share one session.
type Client struct {
	transport *transport.Client
	base      string
	host      string
	insecure  bool
	user      user

	registry *registry
	identity identity
	server   *server
	closed   atomic.Bool

	log   func(ctx context.Context, message string, fields map[string]any)
	now   func() time.Time
	sleep func(ctx context.Context, d time.Duration) error
}

// New makes a client. It reads the environment and certificates, and no network:
// the first use signs in. Its errors are a *ConfigError.
func New(config Config) (*Client, error) {
	t, err := config.resolve()
	if err != nil {
		return nil, err
	}
	return newClient(t, registered, time.Now)
}

func newClient(t *target, shared *registry, now func() time.Time) (*Client, error) {
	core, err := transport.New(t.transport)
	if err != nil {
		return nil, err
	}
	key := identity{
		base: t.base, domain: strings.ToLower(t.user.domain), name: strings.ToLower(t.user.name), password: sha256.Sum256([]byte(t.user.password)),
		cacert: t.transport.CACert, insecure: t.transport.Insecure,
	}
	return &Client{
		transport: core,
		base:      t.base,
		host:      t.host,
		insecure:  t.transport.Insecure,
		user:      t.user,
		registry:  shared,
		identity:  key,
		server:    shared.join(key),
		log:       t.transport.Log,
		now:       now,
		sleep:     sleep,
	}, nil
}

// Close signs out when no other client of this process uses the session. The
// session would otherwise end by itself, so that its error is worth a line in a
// log at most: a *transport.APIError, a *transport.Error or the context's.
func (c *Client) Close(ctx context.Context) error {
	if c.closed.Swap(true) {
		return nil
	}
	s := c.registry.leave(c.identity, c.server)
	if s == nil {
		return nil
	}
	return c.logout(ctx, s)
}

// CloseAll signs out of every session that the process has, all at the same time,
// for its end: sessions would end by themselves hours later. What fails is logged.
// A client that is used afterwards signs in again.
func CloseAll(ctx context.Context) { registered.closeAll(ctx) }

// Insecure says whether any certificate is accepted, wherever that was set.
func (c *Client) Insecure() bool { return c.insecure }

// Host returns the server's name, with the port where it is not the usual one:
// where the client looks. What it finds on one host says nothing about another.
func (c *Client) Host() string { return c.host }

// EndpointKey returns the address of the server in a form that is equal for
// equal addresses, without the API's path.
func (c *Client) EndpointKey() string { return c.base }

// ErrNotFound says that there is definitely no such object: Horizon itself said
// so about this id, or a list that would show the object does not, or the
// object's status is DELETED.
var ErrNotFound = errors.New("not found in Horizon")

// objectID is the form of the ids of Horizon (UUIDs) and of vSphere (vm-12).
var objectID = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_-]*$`)

// ValidID says whether a text can be the id of an object, in Horizon or in vSphere.
func ValidID(id string) bool { return objectID.MatchString(id) }

func checkID(noun, id string) error {
	if !ValidID(id) {
		return fmt.Errorf("%q is no id (%s): ids are made of letters, digits and hyphens", id, noun)
	}
	return nil
}

// get reads a path. It returns the answer whatever its status.
func (c *Client) get(ctx context.Context, path string, query url.Values) (transport.Request, *transport.Response, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.send(ctx, transport.Request{Method: http.MethodGet}, path)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
