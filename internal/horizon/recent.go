package horizon

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

const (
	// quiet is how long a read waits for others of the same parent after the last
	// one came: Terraform hands out the next resource every few milliseconds.
	quiet = 10 * time.Millisecond

	// mostQuiet is how long it waits while others keep coming.
	mostQuiet = 100 * time.Millisecond

	// recentHeld is how long a list stands for what was on it, from the beginning
	// of its request.
	recentHeld = 30 * time.Second

	// listLimit is how long a list may take on behalf of single reads.
	listLimit = 10 * time.Second

	// mostFailedLists is how many lists of a kind in a row may fail before no more
	// are tried.
	mostFailedLists = 3
)

// RecentObject is Read for a run that reads many objects: callers who come at the
// same time for objects of one kind and parent share one list of them, as does who
// comes while another one is being read by its address; and that
// list answers for up to 30 s, about each object once at most and never about one
// that this process has written, or read by itself, since the list began. All
// else is read by its own address, as by Read, whose errors these are: that an
// object is missing from a list says nothing. An object without a ParentID,
// unless it is a stream, is in no list.
//
// For every parent there is at most one request more than there were reads, as
// long as lists do not fail.
func (c *Client) RecentObject(ctx context.Context, ref Ref) (*Object, error) {
	if err := checkID(ref.Kind.String(), ref.ID); err != nil {
		return nil, err
	}
	if catalogue[ref.Kind].parent != "" && !ValidID(ref.ParentID) {
		return c.Read(ctx, ref)
	}
	o, read := c.server.recent.find(ctx, c, ref)
	defer read()
	if o == nil && ctx.Err() != nil {
		return nil, fmt.Errorf("reading the %s %s: %w", ref.Kind, ref.ID, context.Cause(ctx))
	}
	if o == nil {
		return c.Read(ctx, ref)
	}
	return o.existing()
}

// wrote notes that an object was written, or may have been, so that no list from
// before answers about it, to no client of this process at the same address.
func (c *Client) wrote(ref Ref) {
	c.server.recent.forget(ref.Kind, ref.ID)
	c.server.tags.forget()
	for _, s := range c.registry.at(c.base) {
		s.recent.forget(ref.Kind, ref.ID)
		s.tags.forget()
	}
}

// family is what one list shows: the objects of a kind under a parent, which is
// empty for streams.
type family struct {
	kind     Kind
	parentID string
}

// member is one object, by its id in lower case.
type member struct {
	kind Kind
	id   string
}

// recent keeps what lists have just shown. The order of events is told by
// counting them, which a clock cannot do.
type recent struct {
	// after calls a function after a time, unless it is stopped before. Nil: by the clock.
	after func(d time.Duration, f func()) (stop func() bool)

	mu       sync.Mutex
	events   int
	families map[family]*relatives
	known    map[member]int // the event at which something newer than older lists was known
	failed   map[Kind]int   // lists that failed in a row
	unlisted map[Kind]bool  // kinds of which no more lists are tried
}

// relatives are the reads of a family.
type relatives struct {
	waiting []*visitor
	since   time.Time // when the first of those waiting came
	stop    func() bool
	round   int
	alone   int // how many left alone, and are still being read by their addresses

	under *joint[struct{}] // the list under way, nil for none
	next  *shown           // what it will show
	held  *shown

	// owed is the number of lists less that of reads that they have answered. A
	// list that is not paid for is the last one.
	owed int
}

// visitor is a read that waits for others.
type visitor struct {
	// leaves tells it the list that it shares; nil: it is alone.
	leaves chan *joint[struct{}]
}

// shown is what a list has shown.
type shown struct {
	begun   time.Time
	event   int
	objects map[string]*Object // by id in lower case
}

// find returns an object from a list; nil if it has to be read by its address, or
// the context has ended. The caller says when that read is over.
func (r *recent) find(ctx context.Context, c *Client, ref Ref) (o *Object, read func()) {
	read = func() {}
	f := family{ref.Kind, ""}
	if catalogue[ref.Kind].parent != "" {
		f.parentID = strings.ToLower(ref.ParentID)
	}
	r.mu.Lock()
	m := r.relatives(f)
	if o := r.take(m, ref, c.now()); o != nil || r.unlisted[ref.Kind] {
		r.mu.Unlock()
		return o, read
	}
	under := m.under
	var v *visitor
	if under == nil || !under.join() {
		if m.owed > 0 {
			r.mu.Unlock()
			return nil, read
		}
		under, v = nil, &visitor{leaves: make(chan *joint[struct{}], 1)}
		r.gather(ctx, c, f, m, v)
	}
	r.mu.Unlock()

	// Who is cancelled, and goes on for a grace, waits for no company any more.
	patience := transport.Patience(ctx)
	if v != nil {
		select {
		case under = <-v.leaves:
		case <-patience.Done():
			if r.withdraw(m, v) {
				return nil, read
			}
		}
	}
	if under == nil {
		return nil, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			m.alone--
		}
	}
	if _, err := under.wait(patience); err != nil {
		return nil, read
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.take(m, ref, c.now()), read
}

func (r *recent) relatives(f family) *relatives {
	if r.families == nil {
		r.families, r.known, r.failed, r.unlisted = map[family]*relatives{}, map[member]int{}, map[Kind]int{}, map[Kind]bool{}
	}
	m := r.families[f]
	if m == nil {
		m = &relatives{}
		r.families[f] = m
	}
	return m
}

// take returns what the held list may say about an object, once.
func (r *recent) take(m *relatives, ref Ref, now time.Time) *Object {
	if m.held == nil || now.Sub(m.held.begun) > recentHeld {
		return nil
	}
	id := strings.ToLower(ref.ID)
	o := m.held.objects[id]
	if o == nil || max(r.known[member{ref.Kind, id}], r.known[member{ref.Kind, ""}]) > m.held.event {
		return nil
	}
	r.note(ref.Kind, id)
	m.owed--
	return o
}

func (r *recent) note(kind Kind, id string) {
	r.events++
	if r.known == nil {
		r.known = map[member]int{}
	}
	r.known[member{kind, strings.ToLower(id)}] = r.events
}

// saw notes that an object was read by its address, so that no older list says
// later what it was before.
func (r *recent) saw(kind Kind, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(kind, id)
}

// forget notes that an object was written. Whether a stream is usable follows from
// its versions and tags, so that with them all streams may have changed.
func (r *recent) forget(kind Kind, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(kind, id)
	if kind != Stream {
		r.note(Stream, "")
	}
}

// gather lets a read wait for others.
func (r *recent) gather(ctx context.Context, c *Client, f family, m *relatives, v *visitor) {
	now := c.now()
	if len(m.waiting) == 0 {
		m.since = now
	}
	m.waiting = append(m.waiting, v)
	if m.stop != nil {
		m.stop()
	}
	m.round++
	if now.Sub(m.since) >= mostQuiet {
		r.depart(ctx, c, f, m)
		return
	}
	after := r.after
	if after == nil {
		after = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	round := m.round
	m.stop = after(quiet, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if round == m.round {
			r.depart(ctx, c, f, m)
		}
	})
}

// depart sends those who wait on their way: with a list of the family, unless it
// is one alone while no other is being read. For one that costs no more.
func (r *recent) depart(ctx context.Context, c *Client, f family, m *relatives) {
	party := m.waiting
	m.waiting = nil
	m.round++
	var under *joint[struct{}]
	switch {
	case len(party) == 1 && m.alone == 0:
		m.alone++
	case len(party) > 0:
		r.events++
		list := &shown{begun: c.now(), event: r.events, objects: map[string]*Object{}}
		m.owed++
		under = begin(ctx, len(party), func(ctx context.Context) (struct{}, error) {
			err := c.show(ctx, f, list)
			r.arrive(ctx, c, f, m, list, err)
			return struct{}{}, err
		})
		m.under, m.next = under, list
	}
	for _, v := range party {
		v.leaves <- under
	}
}

// withdraw takes out a read that does not wait any more. False says that it has
// left alone meanwhile.
func (r *recent) withdraw(m *relatives, v *visitor) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(m.waiting, v); i >= 0 {
		m.waiting = slices.Delete(m.waiting, i, i+1)
		return true
	}
	under := <-v.leaves
	if under == nil {
		return false
	}
	under.leave()
	return true
}

// show reads the list of a family in one request, which is not repeated: without
// page and size a list is whole (vendor's guide on pagination and filters). What
// a server leaves out all the same is read by its address.
func (c *Client) show(ctx context.Context, f family, list *shown) error {
	ctx, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	once, over := context.WithCancel(ctx)
	over()
	query := url.Values{}
	if f.parentID != "" {
		query.Set(catalogue[f.kind].parent, f.parentID)
	}
	answer, err := c.page(transport.WithPatience(ctx, once), f.kind.listing(false), f.kind.path(), query)
	for _, raw := range answer.elements {
		// What cannot be read here says what is wrong with it at its own address.
		if o, err := decode(f.kind, raw); err == nil {
			list.objects[strings.ToLower(o.ID)] = o
		}
	}
	return err
}

// arrive keeps a list, or decides what its failure says about others.
func (r *recent) arrive(ctx context.Context, c *Client, f family, m *relatives, list *shown, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.next == list {
		m.under, m.next = nil, nil
	}
	if err == nil {
		m.held = list
		r.failed[f.kind] = 0
		return
	}
	if ctx.Err() != nil {
		m.owed-- // Nobody waits for it any more.
		return
	}
	if statusOf(err) == http.StatusNotFound && ownRefusal(err) {
		return // There is no such parent, which says nothing about others.
	}
	m.owed--
	r.failed[f.kind]++
	if isFinal(err) || r.failed[f.kind] >= mostFailedLists {
		r.unlisted[f.kind] = true
		c.note(ctx, "Horizon does not list objects of the image catalogue; reading them one by one", map[string]any{"kind": f.kind.String(), "reason": err.Error()})
	}
}

// isFinal says whether a list was refused in a way that will not change by itself.
func isFinal(err error) bool {
	status := statusOf(err)
	return status != 0 && status < http.StatusInternalServerError && status != http.StatusUnauthorized && status != http.StatusTooManyRequests
}
