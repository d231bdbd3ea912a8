package horizon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// WaitFor is what a rollout ends with.
type WaitFor string

// The ends of a rollout. The zero value is WaitPublished.
const (
	// WaitAccepted: the pool shows what was called for.
	WaitAccepted WaitFor = "accepted"
	// WaitPublished: the image is the pool's, or is held, or waits for its time.
	WaitPublished WaitFor = "published"
	// WaitMachines: the machines are on the image.
	WaitMachines WaitFor = "machines"
)

// mostUnsent is how many times in a row a call is made anew that the server did not take.
const mostUnsent = 8

// Rollout is the work that brings a pool to what is wanted: it decides, makes one
// call, waits, and decides again, until there is nothing left to do.
type Rollout struct {
	PoolID string
	// Input says what is wanted and what is known. What comes from the server (Pool,
	// Now, Machines) and from the work itself (Began, Waited) is filled in.
	Input DecisionInput
	// Planned are the calls that may be made. Nil: any.
	Planned *PlannedCalls
	WaitFor WaitFor
	// Percent is how many of the machines that can be reached have to be on the
	// image for WaitMachines. 0 means 100.
	Percent int64
	// BeforePush is asked right before a push is sent or moved; its error ends the work.
	// It may be nil.
	BeforePush func(ctx context.Context) error
	// Governor keeps the pushes of a process apart. It may be nil.
	Governor *Governor
	// Interval is the time between two looks at the pool. 0 means 15 s.
	Interval time.Duration
	// Sleep waits; it returns an error when the context ends first. Nil: by the clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress is told how far it is, when that has changed. It may be nil.
	Progress func(progress string)
	// Called is told each call that was made. It may be nil.
	Called func(c Call)
}

// Outcome is what is known at the end of a rollout, also of one that failed.
type Outcome struct {
	// Pool is the pool as it was last seen, nil if it never was, and Now the server's
	// time of that.
	Pool *Pool
	Now  time.Time
	// Claim and Sent are those of the input, with what the work added. Claimed says that
	// Claim is about another push than that of the input.
	Claim   *Claim
	Claimed bool
	Sent    []SentCall
	// Made are the calls that this work has made, in the words of a plan. Resumed says that
	// a task that was halted is among them.
	Made    []string
	Resumed bool
	// Reached says that the pool is as wanted, as far as was waited for.
	Reached bool
	// Warnings are those of the last decision.
	Warnings []Finding
	// Unplanned are calls that became needed after a wait, and were not made.
	Unplanned []Call
	// Machines is set if the machines were waited for.
	Machines *MachineCount
}

// RefusalError says why nothing can be done to a pool.
type RefusalError struct{ Finding Finding }

func (e *RefusalError) Error() string {
	return fmt.Sprintf("nothing was sent to the pool: %s", e.Finding.Matter)
}

// UnseenError says that the server has acknowledged a call, and the pool does not show
// what it was for: it is not made once more.
type UnseenError struct {
	Call Call
	// At is the server's time of the call.
	At time.Time
}

func (e *UnseenError) Error() string {
	return fmt.Sprintf("the Connection Server has acknowledged %q at %s, and the pool shows no effect of it", e.Call, clockTime(e.At))
}

// UnplannedError says that a pool needs other calls than those that were planned.
type UnplannedError struct {
	Planned []string
	Needed  []Call
}

func (e *UnplannedError) Error() string { return "the pool needs other calls than were planned" }

// LeavingError says that machines have not left a held image in the time for it.
type LeavingError struct {
	Machines []MachineRef
	Err      error
}

func (e *LeavingError) Error() string {
	return fmt.Sprintf("the machines %s are still on the image that is held: %v", names(e.Machines), e.Err)
}

// Unwrap returns why the wait has ended.
func (e *LeavingError) Unwrap() error { return e.Err }

// RollOut does the work. Its errors are a *RefusalError and an *UnplannedError,
// before anything was sent or after a part of it; a *PublishError; a *WriteError of
// a call; an *UnseenError; a *HaltedError; a *LeavingError and the end of the context, with what goes on by
// itself; and those of Pool. The outcome is there in any case.
func (c *Client) RollOut(ctx context.Context, r Rollout) (*Outcome, error) {
	if r.Interval <= 0 {
		r.Interval = defaultInterval
	}
	if r.Sleep == nil {
		r.Sleep = sleep
	}
	defer c.forgetPools() // A list from before says nothing about this pool any more.
	w := &rollout{Rollout: r, client: c, out: &Outcome{Claim: r.Input.Claim, Sent: slices.Clone(r.Input.Sent)}}
	err := w.run(ctx)
	w.leave()
	w.remember(err)
	return w.out, err
}

// rollout is a Rollout under way.
type rollout struct {
	Rollout
	client *Client
	out    *Outcome

	began    time.Time
	machines *MachineList
	waited   Waited
	since    time.Time // when the row began to make it wait, by the client's clock
	paused   bool      // it has waited before a decision
	adopted  bool      // what was wanted was on its way
	watch    *Publishing
	slot     *Slot // nil: none is held
	unused   bool  // nothing was pushed in the slot
	unsent   int
	settling time.Time // since when it looks at machines that had the image before
	remade   bool      // some of them were seen to be made anew
	told     string
}

func (w *rollout) run(ctx context.Context) error {
	if err := w.look(ctx); err != nil {
		return err
	}
	w.began = w.out.Now
	for {
		d, err := w.decide(ctx)
		if err != nil {
			return err
		}
		w.out.Warnings = d.Warnings
		switch {
		case d.Refusal != nil:
			return &RefusalError{Finding: *d.Refusal}
		case !w.Planned.allow(d.Calls):
			if w.paused {
				w.out.Unplanned = d.Calls
				return nil
			}
			return &UnplannedError{Planned: w.Planned.lines(), Needed: d.Calls}
		case d.Pause != nil && w.accepted(d):
			w.reach()
			return nil
		case d.Pause != nil:
			err = w.pause(ctx, d)
		case len(d.Calls) > 0:
			err = w.call(ctx, d.Calls[0])
		default:
			var over bool
			if over, err = w.conclude(ctx); over {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// look reads the pool.
func (w *rollout) look(ctx context.Context) error {
	return w.read(ctx, func() error {
		p, err := w.client.Pool(ctx, w.PoolID)
		w.saw(p)
		return err
	})
}

// read reads, and waits out troubles that pass once the work has begun.
func (w *rollout) read(ctx context.Context, find func() error) error {
	for failed := 0; ; failed++ {
		err := find()
		switch begun := w.paused || len(w.out.Made) > 0; {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return w.stopped(ctx)
		case !begun || failed == mostFailedLooks || !isPassing(err):
			return err
		}
		if w.Sleep(ctx, w.Interval) != nil {
			return w.stopped(ctx)
		}
	}
}

func (w *rollout) saw(p *Pool) {
	if p == nil {
		return
	}
	w.out.Pool, w.out.Now = p, w.client.timeOf(p)
}

// timeOf is the server's time of an answer, or one's own where it does not say it.
func (c *Client) timeOf(p *Pool) time.Time {
	if !p.ServerTime.IsZero() {
		return p.ServerTime
	}
	return c.now()
}

// serverNow is the server's clock, which goes on after the last look at the pool.
func (w *rollout) serverNow() time.Time {
	if now := w.client.ServerNow(); now.After(w.out.Now) {
		return now
	}
	return w.out.Now
}

func (w *rollout) input() DecisionInput {
	in := w.Input
	in.Pool, in.Now, in.Began = w.out.Pool, w.serverNow(), w.began
	in.Claim, in.Sent, in.Waited, in.Machines = w.out.Claim, w.out.Sent, w.waited, w.machines
	in.Adopted = w.adopted
	return in
}

// decide reads the machines where a call needs them.
func (w *rollout) decide(ctx context.Context) (Decision, error) {
	d := Decide(w.input())
	if d.NeedsMachines {
		if err := w.readMachines(ctx); err != nil {
			return d, err
		}
		d = Decide(w.input())
	}
	if d.Pause == nil {
		w.waited = Waited{}
	}
	w.adopted = w.adopted || d.adopts() || d.UnderWay
	if w.watch == nil && d.adopts() && d.Pause != nil {
		// It is the push of somebody else, or of an earlier run, which is waited for.
		w.watch = &Publishing{Target: w.Input.Wanted, Since: w.out.Now, seen: true}
	}
	return d, nil
}

// accepted says whether the pool shows the wanted image to be on its way, and no
// more is waited for.
func (w *rollout) accepted(d Decision) bool {
	return w.WaitFor == WaitAccepted && len(d.Calls) == 0 && (d.adopts() || d.UnderWay) && w.shown(w.out.Pool)
}

// shown says whether a pool shows all that was sent to it.
func (w *rollout) shown(p *Pool) bool { return p.AsSent(w.out.Sent, w.client.timeOf(p)) == p }

// pause waits for what a decision waits for, or for its limit.
func (w *rollout) pause(ctx context.Context, d Decision) error {
	w.paused = true
	w.giveUpSlot()
	if w.waited.Row != d.Row {
		w.waited, w.since = Waited{Row: d.Row}, w.client.now()
	}
	defer func() { w.waited.For = w.client.now().Sub(w.since) }()
	if d.Pause.Until == UntilMachinesLeave {
		return w.awaitMachines(ctx, d.Pause)
	}
	w.machines = nil
	err := w.await(ctx, d.Pause.Limit, func(p *Pool) bool {
		return d.Pause.Over(p.AsSent(w.out.Sent, w.client.timeOf(p))) || w.WaitFor == WaitAccepted && w.shown(p)
	})
	if errors.Is(err, ErrStillWaiting) {
		return nil
	}
	return err
}

// await looks at the pool once per interval, the first time after one, until it is
// over, and ends with a *PublishError when what is watched has failed.
func (w *rollout) await(ctx context.Context, limit time.Duration, over func(p *Pool) bool) error {
	first := w.Interval
	if limit > 0 {
		limit = max(limit-w.waited.For, time.Millisecond)
		first = min(first, limit)
		limit = max(limit-first, time.Millisecond)
	}
	if err := w.Sleep(ctx, first); err != nil {
		return w.stopped(ctx)
	}
	p, err := w.client.WaitForPool(ctx, w.PoolID, func(p *Pool) (bool, error) {
		if err := w.follow(p); err != nil {
			return false, err
		}
		return over(p), nil
	}, PoolWait{Interval: w.Interval, Limit: limit, Sleep: w.Sleep, Progress: w.tell})
	w.saw(p)
	return err
}

// follow looks after the push under way.
func (w *rollout) follow(p *Pool) error {
	if w.watch == nil {
		return nil
	}
	published, err := w.watch.Done(p, w.client.timeOf(p))
	if published || err != nil {
		w.watch = nil
		w.published()
	}
	return err
}

func (w *rollout) published() {
	if w.slot != nil {
		w.slot.Published()
		w.slot = nil
	}
}

// giveUpSlot gives a slot back in which nothing was pushed, and is not to be for now.
func (w *rollout) giveUpSlot() {
	if w.slot != nil && w.unused {
		w.slot.Release()
		w.slot = nil
	}
}

// leave gives the slot back, or leaves the pool to those who come after.
func (w *rollout) leave() {
	if w.slot != nil {
		w.slot.Leave()
	}
}

// stopped is the error for a context that has ended.
func (w *rollout) stopped(ctx context.Context) error {
	state := "not known yet"
	if w.out.Pool != nil {
		state = w.out.Pool.Progress()
	}
	return fmt.Errorf("waiting for the desktop pool %s, its state is %s: %w", w.PoolID, state, context.Cause(ctx))
}

// awaitMachines waits for one interval until machines have left.
func (w *rollout) awaitMachines(ctx context.Context, p *Pause) error {
	w.tell(fmt.Sprintf("waiting for %d machines to leave the image that is held", len(p.Machines)))
	err := w.Sleep(ctx, w.Interval)
	if err == nil {
		err = w.readMachines(ctx)
	}
	if err == nil {
		err = w.look(ctx)
	}
	if ctx.Err() != nil {
		return &LeavingError{Machines: p.Machines, Err: w.stopped(ctx)}
	}
	return err
}

func (w *rollout) readMachines(ctx context.Context) error {
	return w.read(ctx, func() error {
		all, err := w.client.Machines(ctx, w.PoolID)
		if err == nil {
			w.machines = &MachineList{Machines: all}
		}
		return err
	})
}

func (w *rollout) tell(progress string) {
	if w.Progress != nil && progress != w.told {
		w.told = progress
		w.Progress(progress)
	}
}

// conclude ends the work when nothing is left to do. False: it is to be decided again.
func (w *rollout) conclude(ctx context.Context) (bool, error) {
	if !w.shown(w.out.Pool) {
		// A call that no pause waited for.
		w.paused = true
		err := w.await(ctx, unseenFor, w.shown)
		if errors.Is(err, ErrStillWaiting) {
			err = nil
		}
		return err != nil, err
	}
	if w.WaitFor == WaitMachines && w.wanted() {
		if settled, err := w.settle(ctx); !settled || err != nil {
			return err != nil, err
		}
	}
	w.reach()
	return true, nil
}

// wanted says whether the pool is as wanted when nothing is left to do. One that is
// left alone is not.
func (w *rollout) wanted() bool {
	return !slices.ContainsFunc(w.out.Warnings, func(f Finding) bool { return f.Matter == DriftHeld || f.Matter == PushGoesOn })
}

func (w *rollout) reach() { w.out.Reached = w.wanted() }

// remember adopts what was come to, and forgets calls that do not matter any more.
func (w *rollout) remember(err error) {
	if w.out.Pool == nil {
		return
	}
	s := newSituation(w.input())
	// An image that is held on a pool that runs it already is none to be taken back.
	if err == nil && w.out.Reached && w.Input.Purpose == RunImage && s.pw && !s.ours && (!s.held() || !s.cw) {
		w.out.Claim, w.out.Claimed = &Claim{Target: s.wanted, Canaries: s.adopted()}, true
	}
	w.out.Claim = w.out.Claim.Seen(w.out.Pool, w.out.Sent, w.out.Now)
	w.out.Sent = Recent(w.out.Sent, s.pool, w.out.Now)
}

// adopted are the machines that are configured for an image of somebody else.
func (s *situation) adopted() []MachineRef {
	if s.in.Selective == nil {
		return nil
	}
	var refs []MachineRef
	wanted, _ := s.configured()
	for _, c := range wanted {
		refs = append(refs, c.found)
	}
	return refs
}

// Recent returns the calls that a later decision asks for: those of the last 2 min,
// and all of them while there is a pending image.
func Recent(sent []SentCall, p *Pool, now time.Time) []SentCall {
	if p.PendingState != "" {
		return sent
	}
	return slices.DeleteFunc(slices.Clone(sent), func(c SentCall) bool { return !c.isRecent(now) })
}
