package imageservice

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// Company says how long a read waits for others, to share its request with them.
// It waits for nobody when as many are there, or rest for longer, as were ever at
// work at once, which is Terraform's limit.
type Company struct {
	// Quiet is how long nobody else has to come before it leaves without them.
	// Those who rest are known to come: for them it waits longer.
	Quiet time.Duration
	// Most is how long it waits while others keep coming, or rest until then.
	Most time.Duration
	// ForWork makes it wait, within Most, also for work under way that nothing
	// was heard of during Quiet.
	ForWork bool
	// Half lets it leave when half of Terraform's limit is there and nobody's
	// rest ends within Quiet. So Terraform hands out work to one half while the
	// other half rests, instead of waiting for all of them.
	Half bool
}

// promptly is the company of a read that something waits for. Terraform hands
// out the next resource every few milliseconds, on a busy machine every twenty;
// the wait is over as soon as all are there.
var promptly = Company{Quiet: 25 * time.Millisecond, Most: 100 * time.Millisecond}

const (
	// mostTogether is how many images one list request asks for: 39 characters
	// each keep the address far below the 8 KiB that servers accept.
	mostTogether = 50
	// leastHalf is how many reads are the least that count as half: of a limit
	// below twice that, all are waited for.
	leastHalf = 3
	// restOver is how long after its rest an operation is still expected.
	restOver = time.Second
)

// ask is one read that waits to be carried out together with others.
type ask struct {
	ctx     context.Context //nolint:containedctx // It travels with the others of its batch, each of which has its own.
	id      string
	secrets []string
	company Company
	recent  bool // an answer from a list of a moment ago would do

	until    time.Time // when it leaves at the latest
	answered chan struct{}
	once     sync.Once
	image    *Image
	err      error
	leave    func() // tells the batch under way that nobody waits for this
}

// answer ends the wait. Only the first answer counts.
func (a *ask) answer(image *Image, err error) {
	a.once.Do(func() {
		a.image, a.err = image, err
		close(a.answered)
	})
}

// gathering brings reads together that come at the same time. A batch leaves
// when everybody who can come is there: all operations under way, and as many as
// were ever under way at once, which is Terraform's limit. Else it leaves after a
// moment in which nobody came.
type gathering struct {
	carry func(context.Context, []*ask)

	mu           sync.Mutex
	busy, peak   int // operations under way, and the most at once so far
	waiting      []*ask
	resting      map[string]time.Time // by image, when its rest ends
	last         time.Time            // when the last of those waiting came
	timer        *time.Timer
	timerVersion int
}

func (g *gathering) work() func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy++
	g.peak = max(g.peak, g.busy)
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.busy--
		g.schedule()
	})
}

// Rest waits before a read of an image that follows at once, and lets other reads
// know when that will be: they wait for one whose rest ends soon, and not for one
// that could only come later. So operations that rest at the same time read
// together without having to wait for each other much longer than they rest. It
// returns the cause of the context's end when that comes first.
func (c *Client) Rest(ctx context.Context, id string, d time.Duration) error {
	return c.gathering.rest(ctx, id, d)
}

func (g *gathering) rest(ctx context.Context, id string, d time.Duration) error {
	due := time.Now().Add(d)
	timer := time.NewTimer(d)
	defer timer.Stop()
	g.mu.Lock()
	if g.resting == nil {
		g.resting = map[string]time.Time{}
	}
	g.resting[id] = due
	g.schedule()
	g.mu.Unlock()
	select {
	case <-timer.C:
		return nil // It stays one of those who come until it asks, which is now.
	case <-ctx.Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.resting, id)
		g.schedule()
		return context.Cause(ctx)
	}
}

// ask joins the next batch and waits for the answer, or for the end of the context.
func (g *gathering) ask(a *ask) (*Image, error) {
	a.answered = make(chan struct{})
	g.mu.Lock()
	now := time.Now()
	g.last = now
	if due, rested := g.resting[a.id]; rested && !due.After(now) {
		delete(g.resting, a.id)
	}
	a.until = now.Add(a.company.Most)
	g.waiting = append(g.waiting, a)
	g.peak = max(g.peak, len(g.waiting))
	g.schedule()
	g.mu.Unlock()

	// A caller that is cancelled while its context goes on for a grace waits for
	// no company any more.
	stop := context.AfterFunc(transport.Patience(a.ctx), func() { g.hurry(a) })
	defer stop()
	defer g.withdraw(a)
	select {
	case <-a.answered:
	case <-a.ctx.Done():
		a.answer(nil, fmt.Errorf("reading image %s: %w", a.id, context.Cause(a.ctx)))
	}
	return a.image, a.err
}

// hurry lets a batch leave at once for the sake of one that cannot wait.
func (g *gathering) hurry(a *ask) {
	if a.ctx.Err() != nil {
		return // It has given up.
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.waiting {
		if w == a {
			g.depart()
			return
		}
	}
}

// withdraw takes out one that gives up or has its answer.
func (g *gathering) withdraw(a *ask) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == a {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			g.schedule()
			return
		}
	}
	if a.leave != nil {
		a.leave()
	}
}

// schedule lets the batch leave now or sets the time at which it will.
func (g *gathering) schedule() {
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	g.timerVersion++
	now := time.Now()
	maps.DeleteFunc(g.resting, func(_ string, due time.Time) bool { return now.Sub(due) > restOver })
	if len(g.waiting) == 0 {
		return
	}
	leaves := g.leaves(now)
	if !leaves.After(now) {
		g.depart()
		return
	}
	version := g.timerVersion
	g.timer = time.AfterFunc(time.Until(leaves), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if version == g.timerVersion {
			g.depart()
		}
	})
}

// leaves returns when the batch leaves if nobody else comes.
func (g *gathering) leaves(now time.Time) time.Time {
	until, quiet, half := g.waiting[0].until, g.waiting[0].company.Quiet, false
	for _, a := range g.waiting {
		if a.until.Before(until) {
			until = a.until
		}
		quiet = min(quiet, a.company.Quiet)
		half = half || a.company.Half && len(g.waiting) >= max(leastHalf, (g.peak+1)/2)
	}
	coming, soon := 0, 0 // of those who rest
	for _, due := range g.resting {
		if !due.After(until) {
			coming++
		}
		if !due.After(now.Add(quiet)) {
			soon++
		}
	}
	nobodyElse := coming == 0 && len(g.waiting)+len(g.resting) >= g.peak
	switch {
	case nobodyElse, half && soon == 0, len(g.waiting) >= mostTogether:
		return now
	case coming > 0:
		return until
	}
	all := len(g.waiting) >= g.busy
	for _, a := range g.waiting {
		if alone := g.last.Add(a.company.Quiet); (all || !a.company.ForWork) && alone.Before(until) {
			until = alone
		}
	}
	return until
}

// depart sends those who wait on their way.
func (g *gathering) depart() {
	batch := g.waiting
	g.waiting = nil
	g.timerVersion++
	ctx, done := together(batch)
	go func() {
		defer done()
		g.carry(ctx, batch)
	}()
}

// together returns a context for a batch. It ends when nobody waits for the
// batch any more, and its patience when that of everybody has ended.
func together(batch []*ask) (context.Context, func()) {
	if len(batch) == 1 {
		return batch[0].ctx, func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(batch[0].ctx))
	patience, impatient := context.WithCancel(ctx)
	if latest, all := latestDeadline(batch); all {
		// Repeats that nobody could wait for are not begun.
		patience, impatient = context.WithDeadline(ctx, latest)
	}
	var left, hurried atomic.Int64
	stops := make([]func() bool, 0, len(batch))
	for _, a := range batch {
		a.leave = sync.OnceFunc(func() {
			if left.Add(1) == int64(len(batch)) {
				cancel()
			}
		})
		stops = append(stops, context.AfterFunc(transport.Patience(a.ctx), func() {
			if hurried.Add(1) == int64(len(batch)) {
				impatient()
			}
		}))
	}
	return transport.WithPatience(ctx, patience), func() {
		for _, stop := range stops {
			stop()
		}
		impatient()
		cancel()
	}
}

// latestDeadline returns the latest end of the patience of a batch, and whether
// everybody's ends.
func latestDeadline(batch []*ask) (latest time.Time, all bool) {
	for _, a := range batch {
		deadline, ok := transport.Patience(a.ctx).Deadline()
		if !ok {
			return time.Time{}, false
		}
		if deadline.After(latest) {
			latest = deadline
		}
	}
	return latest, true
}
