package horizon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Governor keeps the pushes of a process apart. Publishing an image is heavy work
// for vCenter and its storage, so that only so many pools do it at a time, and a
// push follows the one before at a distance. Pools of all servers count together.
// It is safe for concurrent use.
type Governor struct {
	limit    int
	interval time.Duration

	mu sync.Mutex
	// slots are those that are taken.
	slots []*Slot
	// queue are those who wait, in the order in which they came. Only the first one
	// is admitted, and only that one looks at pools.
	queue []*applicant
	// nextPush and nextLook are when there may be another one. Zero: now.
	nextPush, nextLook time.Time
	// looks counts the looks, and failure is what the last one failed with.
	looks   int
	failure error
}

// NewGovernor makes a governor that lets at most limit pools (at least 1) be under
// way from the push to its publishing, and two pushes be sent at a distance of at
// least an interval; 0 means none.
func NewGovernor(limit int, interval time.Duration) *Governor {
	return &Governor{limit: max(limit, 1), interval: interval}
}

// GovernorWait says how to wait for a turn.
type GovernorWait struct {
	// Interval is the least time between two looks at pools. 0 means 15 s.
	Interval time.Duration
	// Sleep waits; it returns an error when the context ends first. Nil: by the clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Waiting is told what it waits for, once for each of the reasons that there are. It may
	// be nil.
	Waiting func(reason string)
}

// Slot is the permission to push to one pool. It is safe for concurrent use.
type Slot struct {
	governor *Governor
	client   *Client
	poolID   string

	// What follows is guarded by the governor.
	push *Publishing // nil until it is sent
	left bool        // nobody but the governor looks at the pool
	// unlisted says that a list does not show the pool, which may be there all the same.
	unlisted bool
	looked   int // the number of the last look, 0 for none
}

// applicant is one who waits for a slot.
type applicant struct {
	client *Client
	// wake ends what it waits with at the moment, which may be a look.
	wake    context.CancelFunc
	looking bool
	// failed counts the looks in a row that have failed since it came, whoever made them.
	failed int
}

// obstacle is why somebody waits. Each is told once.
type obstacle int

const (
	limitReached obstacle = iota
	pushBeingSent
	pushTooEarly
	othersFirst
)

// standstill is how an applicant goes on that cannot be admitted.
type standstill struct {
	obstacle obstacle
	words    string

	// One of these at most is set. None: it waits until something changes.
	err   error
	look  []*Slot
	timer *time.Time // one of the governor's
	// until is what it says, and rest the time until then.
	until time.Time
	rest  time.Duration
}

// Admit waits until one more pool may be pushed to, behind those who came before.
// With an interval nobody else is admitted until the slot is Pushed or given back,
// so that it is to be asked for right before the push; who holds a slot of the pool
// gives that one back first.
//
// While a limit is reached, it looks after pools whose pusher has gone: all who
// wait make one request per interval together. Troubles of that pass are waited
// out; other errors are those of Pools. The end of the context is told with what
// it waited for.
func (g *Governor) Admit(ctx context.Context, c *Client, poolID string, w GovernorWait) (*Slot, error) {
	if w.Interval <= 0 {
		w.Interval = defaultInterval
	}
	if w.Sleep == nil {
		w.Sleep = sleep
	}
	a := g.enter(c)
	defer g.withdraw(a)
	told := map[obstacle]bool{}
	what := "waiting to push to the desktop pool " + poolID
	for ctx.Err() == nil {
		waiting, stop := context.WithCancel(ctx)
		slot, s := g.admit(a, poolID, w.Interval, stop)
		if slot != nil {
			stop()
			return slot, nil
		}
		if w.Waiting != nil && !told[s.obstacle] {
			told[s.obstacle] = true
			w.Waiting(s.words)
		}
		what = fmt.Sprintf("waiting to push to the desktop pool %s (%s)", poolID, s.words)
		err := g.wait(waiting, a, s, w.Sleep)
		stop()
		if err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil, fmt.Errorf("%s: %w", what, context.Cause(ctx))
}

func (g *Governor) enter(c *Client) *applicant {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := &applicant{client: c}
	g.queue = append(g.queue, a)
	return a
}

// withdraw takes out one who waits, and hands on to the next.
func (g *Governor) withdraw(a *applicant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(g.queue, a)
	if at < 0 {
		return // It was admitted.
	}
	g.queue = slices.Delete(g.queue, at, at+1)
	if at == 0 {
		g.changed()
	}
}

// changed lets the first one see how things are now. A look is broken off for a
// free slot only, or looks might never come to their end.
func (g *Governor) changed() {
	if len(g.queue) == 0 || g.queue[0].wake == nil || g.queue[0].looking && len(g.slots) >= g.limit {
		return
	}
	g.queue[0].wake()
}

// admit takes a slot for an applicant, or says how to go on. Wake ends that.
func (g *Governor) admit(a *applicant, poolID string, interval time.Duration, wake context.CancelFunc) (*Slot, standstill) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a.wake = wake
	now := a.client.now()
	before := slices.Index(g.queue, a)
	early := g.nextPush.Sub(now)
	switch {
	case len(g.slots) >= g.limit:
		s := standstill{obstacle: limitReached, words: g.full()}
		if before == 0 {
			g.lookAfter(a, now, interval, &s)
		}
		return nil, s
	case g.interval > 0 && slices.ContainsFunc(g.slots, func(s *Slot) bool { return s.push == nil }):
		return nil, standstill{obstacle: pushBeingSent, words: "another push is being sent, from which publish_interval keeps this one apart"}
	case early > 0:
		s := standstill{obstacle: pushTooEarly, words: fmt.Sprintf("the next push may be sent in %s (publish_interval)", upToASecond(early))}
		if before > 0 {
			s.words += fmt.Sprintf(", and %d come before this one", before)
			return nil, s
		}
		s.timer, s.until, s.rest = &g.nextPush, g.nextPush, early
		return nil, s
	case before > 0:
		return nil, standstill{obstacle: othersFirst, words: fmt.Sprintf("%d come before this one", before)}
	}
	slot := &Slot{governor: g, client: a.client, poolID: poolID}
	g.slots = append(g.slots, slot)
	g.queue = g.queue[1:]
	g.changed()
	return slot, standstill{}
}

// lookAfter lets the first one look at pools whose pusher has gone, when it is
// time for that.
func (g *Governor) lookAfter(a *applicant, now time.Time, interval time.Duration, s *standstill) {
	due := g.due()
	rest := g.nextLook.Sub(now)
	switch {
	case len(due) == 0:
	case a.failed > mostFailedLooks:
		s.err = g.failure
	case rest > 0:
		s.timer, s.until, s.rest = &g.nextLook, g.nextLook, rest
	default:
		s.look, a.looking, g.nextLook = due, true, now.Add(interval)
		g.looks++
		for _, slot := range due {
			slot.looked = g.looks
		}
	}
}

// due returns the slots to look after next: the one whose pusher has gone that was
// looked after longest ago, and those that one list shows together with it.
func (g *Governor) due() []*Slot {
	var first *Slot
	for _, s := range g.slots {
		if s.left && (first == nil || s.looked < first.looked) {
			first = s
		}
	}
	if first == nil {
		return nil
	}
	due := []*Slot{first}
	for _, s := range g.slots {
		if s != first && s.left && !s.unlisted && !first.unlisted && s.client.server == first.client.server {
			due = append(due, s)
		}
	}
	return due
}

// wait waits as a standstill says, and no longer than its context. It returns nil when
// it is to be seen again how things are.
func (g *Governor) wait(ctx context.Context, a *applicant, s standstill, sleep func(context.Context, time.Duration) error) error {
	switch {
	case s.err != nil:
		return s.err
	case len(s.look) > 0:
		return g.look(ctx, a, s.look)
	case s.timer == nil:
		<-ctx.Done()
		return nil
	}
	err := sleep(ctx, s.rest)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	// The sleep counts, whatever clock it went by.
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.timer.Equal(s.until) {
		*s.timer = time.Time{}
	}
	return nil
}

// look reads pools whose pusher has gone, and frees the slots of those that do not publish
// any more.
func (g *Governor) look(ctx context.Context, a *applicant, slots []*Slot) error {
	pools, err := poolsOf(ctx, slots)
	g.mu.Lock()
	defer g.mu.Unlock()
	a.looking = false
	if err != nil && ctx.Err() != nil {
		return nil
	}
	if err != nil {
		g.failure = err
		for _, b := range g.queue {
			b.failed++
		}
		if !isPassing(err) || a.failed > mostFailedLooks {
			return err
		}
		return nil
	}
	for _, b := range g.queue {
		b.failed = 0
	}
	for i, s := range slots {
		switch {
		case pools[i] == nil && len(slots) > 1:
			s.unlisted, s.looked = true, 0
		case pools[i] == nil || s.over(pools[i]):
			g.free(s)
		}
	}
	return nil
}

// poolsOf reads the pools of slots, all of one server. Nil is a pool that is not there.
func poolsOf(ctx context.Context, slots []*Slot) ([]*Pool, error) {
	c, shown := slots[0].client, make([]*Pool, len(slots))
	if len(slots) == 1 {
		pool, err := c.Pool(ctx, slots[0].poolID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		shown[0] = pool
		return shown, nil
	}
	pools, err := c.Pools(ctx)
	if err != nil {
		return nil, err
	}
	for i, s := range slots {
		if at := slices.IndexFunc(pools, func(p *Pool) bool { return strings.EqualFold(p.ID, s.poolID) }); at >= 0 {
			shown[i] = pools[at]
		}
	}
	return shown, nil
}

// over says whether nothing is being published of what was pushed to a pool. That
// is also so when somebody has taken it back, and another image is held or scheduled.
func (s *Slot) over(p *Pool) bool {
	now := s.client.now()
	if done, err := s.push.Done(p, now); done || err != nil {
		return true
	}
	if !p.ServerTime.IsZero() {
		now = p.ServerTime
	}
	held := p.Operation == operationNone && p.PendingState == stateReadyHeld
	scheduled := p.Operation == operationPush && p.PendingState == stateReady && p.PushSettings != nil && p.PushSettings.StartTime.After(now)
	return (held || scheduled) && (s.push.seen || now.Sub(s.push.Since) >= unseenFor)
}

// free gives a slot back. One that was given back is not there any more.
func (g *Governor) free(s *Slot) {
	taken := len(g.slots)
	g.slots = slices.DeleteFunc(g.slots, func(t *Slot) bool { return s == t })
	if len(g.slots) == taken {
		return
	}
	if s.push != nil {
		s.client.forgetPools() // A list may show what was until now.
	}
	g.changed()
}

// Pushed says that a push has been sent, or may have been. The slot stays taken
// until the pool has published it, also when the caller has gone. The caller does
// not use p any more. A second push to the pool takes the place of the first.
func (s *Slot) Pushed(p *Publishing) {
	g := s.governor
	g.mu.Lock()
	defer g.mu.Unlock()
	s.push = p
	if g.interval > 0 {
		g.nextPush = s.client.now().Add(g.interval)
	}
	g.changed()
}

// Published says that the caller has seen the pool published, or that it came to
// nothing, which frees the slot.
func (s *Slot) Published() {
	s.governor.mu.Lock()
	defer s.governor.mu.Unlock()
	s.governor.free(s)
}

// Release says that nothing was sent, which frees the slot, and nobody has to keep
// a distance from it. It has no effect after Pushed.
func (s *Slot) Release() {
	s.governor.mu.Lock()
	defer s.governor.mu.Unlock()
	if s.push == nil {
		s.governor.free(s)
	}
}

// Leave says that the caller does not look at the pool any more: from now on those
// who wait do. Before Pushed it is Release.
func (s *Slot) Leave() {
	s.governor.mu.Lock()
	defer s.governor.mu.Unlock()
	if s.push == nil {
		s.governor.free(s)
		return
	}
	s.left = true
	s.governor.changed()
}

// full names the pools that the limit has been reached with.
func (g *Governor) full() string {
	const mostNames = 8
	var list []string
	for _, s := range g.slots[:min(len(g.slots), mostNames)] {
		list = append(list, s.client.poolName(s.poolID))
	}
	if more := len(g.slots) - mostNames; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	are := "pools are"
	if len(g.slots) == 1 {
		are = "pool is"
	}
	return fmt.Sprintf("%d %s being published, as max_concurrent_publishes allows: %s", len(g.slots), are, strings.Join(list, ", "))
}

// upToASecond rounds a wait up for people.
func upToASecond(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}
