package horizon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

const (
	// grace is how long a create in flight and the look at what it made may take
	// when the caller's context has ended.
	grace = 10 * time.Second

	// looks is how often a new object is looked for; lookAgain is the wait between.
	looks     = 3
	lookAgain = time.Second
)

// ExistsError says that the server refuses a create because there is such an
// object already (409).
type ExistsError struct {
	Kind Kind
	// ID is the object that has what the new one was to have. It may be empty.
	ID  string
	Err *transport.APIError
}

func (e *ExistsError) Error() string {
	if e.ID == "" {
		return fmt.Sprintf("there is such an %s already: %v", e.Kind, e.Err)
	}
	return fmt.Sprintf("there is such an %s already, %s, which can be imported: %v", e.Kind, e.ID, e.Err)
}

// Unwrap returns the refusal.
func (e *ExistsError) Unwrap() error { return e.Err }

// UnidentifiedError says that an object was made, or may have been, whose id is
// not known.
type UnidentifiedError struct {
	Kind Kind
	// Candidates are the ids of the objects that came into being meanwhile and are
	// what was to be made; none if a list does not show any.
	Candidates []string
	// Err says why the answer does not help. It may be nil.
	Err error
}

func (e *UnidentifiedError) Error() string {
	text := fmt.Sprintf("the %s may have been created, but Horizon does not list it; look for it before it is created again", e.Kind)
	if len(e.Candidates) > 0 {
		text = fmt.Sprintf("%d objects that are such an %s came into being at the same time, so that its id is not known: %s; import the right one",
			len(e.Candidates), e.Kind, candidates(e.Candidates))
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *UnidentifiedError) Unwrap() error { return e.Err }

// creations lets one caller at a time create objects that cannot be told apart.
type creations struct {
	mu    sync.Mutex
	turns map[string]chan struct{}
}

func (c *creations) turn(key string) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turns == nil {
		c.turns = map[string]chan struct{}{}
	}
	if c.turns[key] == nil {
		c.turns[key] = make(chan struct{}, 1)
	}
	return c.turns[key]
}

// Create makes an object and returns its id: the one in the answer's Location, as
// Horizon's other creates have it, else the one that a list shows in addition to
// what it showed before. So an object that was there before is never taken for
// the new one, and a create whose answer got lost is found. Its errors are a
// *WriteError, around an *ExistsError or an *UnidentifiedError where that is
// what it is.
//
// When the context ends, a request in flight and the search for what it made are
// finished within 10 s.
func (c *Client) Create(ctx context.Context, kind Kind, spec patch.Document) (string, error) {
	n := &creation{client: c, kind: kind, spec: spec}
	body, refused := n.body()
	if refused != nil {
		return "", refused
	}
	turn := c.server.creations.turn(n.key())
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return "", &WriteError{Effect: Unsent, Err: context.Cause(ctx)}
	}
	var err error
	if n.before, err = c.listObjects(ctx, kind, n.text(catalogue[kind].parent), nil); err != nil {
		return "", &WriteError{Effect: Unsent, Err: fmt.Errorf("nothing was created, since what there is could not be listed: %w", err)}
	}
	finish, release := withGrace(ctx)
	defer release()
	id, err := n.send(finish, ctx, body)
	c.wrote(Ref{Kind: kind, ID: id}) // Without an id it may be any of them.
	return id, err
}

// creation is one create under way.
type creation struct {
	client *Client
	kind   Kind
	spec   patch.Document
	before []*Object
}

func (n *creation) text(member string) string {
	text, _ := n.spec[patch.NewPointer(member)].AsString()
	return text
}

// key is equal for objects that cannot be told apart.
func (n *creation) key() string {
	key := []string{string(n.kind)}
	for _, member := range catalogue[n.kind].key {
		key = append(key, string(n.spec[patch.NewPointer(member)]))
	}
	return strings.Join(key, "\n")
}

func (n *creation) body() ([]byte, *WriteError) {
	rules := catalogue[n.kind]
	for p := range n.spec {
		name, top := p.Key()
		_, detail := p.MemberOf(AdditionalDetails)
		if !detail && (!top || !slices.Contains(rules.created, name)) {
			return nil, unsent("%s of an %s cannot be set", p, n.kind)
		}
	}
	content, err := json.Marshal(members(n.spec, rules.created))
	if err != nil {
		return nil, unsent("writing the %s: %w", n.kind, err)
	}
	return content, nil
}

func (n *creation) send(ctx, caller context.Context, body []byte) (string, error) {
	c := n.client
	r, resp, err := c.send(ctx, transport.Request{Method: http.MethodPost, Body: body}, n.kind.path())
	if err != nil {
		effect := effectOfFailure(err)
		if effect == Unsent {
			return "", &WriteError{Effect: effect, Err: err}
		}
		return n.find(ctx, caller, err)
	}
	switch status := resp.StatusCode; {
	case status == http.StatusConflict:
		return "", &WriteError{Effect: Refused, Err: n.exists(transport.NewAPIError(r, resp))}
	case status >= http.StatusMultipleChoices && effectOfRefusal(status) != Unknown:
		return "", &WriteError{Effect: effectOfRefusal(status), Err: c.refusal(r, resp, "GLOBAL_CONFIG_MANAGEMENT")}
	case status >= http.StatusMultipleChoices:
		return n.find(ctx, caller, c.refusal(r, resp, ""))
	}
	items, err := c.accepted(r, resp)
	var partial *PartialError
	if errors.As(err, &partial) {
		return "", &WriteError{Effect: Refused, Err: err}
	}
	id := n.located(resp.Header.Get("Location"))
	if id == "" && len(items) == 1 && ValidID(items[0].ID) && !n.wasThere(items[0].ID) {
		id = items[0].ID
	}
	if id != "" {
		return id, nil
	}
	return n.find(ctx, caller, err)
}

// uuid is the form of the ids of the catalogue.
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// located returns the id in a Location; empty if there is none, or none of a new
// object.
func (n *creation) located(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return ""
	}
	segments := strings.Split(strings.TrimRight(u.Path, "/"), "/")
	id := segments[len(segments)-1]
	below := len(segments) > 1 && segments[len(segments)-2] == string(n.kind)
	if (!below && !uuid.MatchString(id)) || !ValidID(id) || n.wasThere(id) {
		return ""
	}
	return id
}

func (n *creation) wasThere(id string) bool {
	return slices.ContainsFunc(n.before, func(o *Object) bool { return strings.EqualFold(o.ID, id) })
}

// sameMember says whether two values of a member are the same; ids are in upper and
// in lower case.
func sameMember(member string, a, b patch.Value) bool {
	return a == b || strings.HasSuffix(member, "_id") && strings.EqualFold(string(a), string(b))
}

// isSuch says whether an object is what is to be made. Members that the server
// does not show do not speak against it.
func (n *creation) isSuch(o *Object) bool {
	for _, member := range catalogue[n.kind].key {
		p := patch.NewPointer(member)
		if found := o.document[p]; found != patch.Absent && !sameMember(member, found, n.spec[p]) {
			return false
		}
	}
	return true
}

func (n *creation) exists(refusal *transport.APIError) *ExistsError {
	e := &ExistsError{Kind: n.kind, Err: refusal}
	for _, o := range n.before {
		if n.isSuch(o) && !o.isDeleted() {
			e.ID = o.ID
		}
	}
	return e
}

// find looks for the object in a list, when the answer to its create was cause, or
// did not name it.
func (n *creation) find(ctx, caller context.Context, cause error) (string, error) {
	unidentified := &UnidentifiedError{Kind: n.kind, Err: cause}
	for look := range looks {
		if look > 0 {
			// A wait that the caller ends early is followed by the look at once.
			_ = n.client.sleep(caller, lookAgain)
		}
		now, err := n.client.listObjects(ctx, n.kind, n.text(catalogue[n.kind].parent), nil)
		if err != nil {
			unidentified.Err = errors.Join(cause, fmt.Errorf("looking for it: %w", err))
			continue
		}
		unidentified.Err = cause
		found := slices.DeleteFunc(now, func(o *Object) bool { return n.wasThere(o.ID) || !n.isSuch(o) })
		if len(found) == 1 {
			return found[0].ID, nil
		}
		if len(found) > 1 {
			for _, o := range found {
				unidentified.Candidates = append(unidentified.Candidates, o.ID)
			}
			break
		}
	}
	return "", &WriteError{Effect: Unknown, Err: unidentified}
}

// withGrace returns a context that outlives ctx by grace at most, in which no
// request is repeated for a caller who has left.
func withGrace(ctx context.Context) (context.Context, func()) {
	finish, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, func() { cancel(context.Cause(ctx)) })
		context.AfterFunc(finish, func() { timer.Stop() })
	})
	return transport.WithPatience(finish, transport.Patience(ctx)), func() {
		stop()
		cancel(context.Canceled)
	}
}
