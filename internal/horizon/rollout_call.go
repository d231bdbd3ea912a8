package horizon

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// call makes a call, and takes note of it.
func (w *rollout) call(ctx context.Context, c Call) error {
	if ctx.Err() != nil {
		return w.stopped(ctx)
	}
	if c.Kind == CallPush {
		if again, err := w.admit(ctx); again || err != nil {
			return err
		}
	}
	if w.BeforePush != nil && (c.Kind == CallPush || c.Kind == CallReschedule) {
		if err := w.BeforePush(ctx); err != nil {
			return err
		}
	}
	if last := w.lastMade(); last != nil && last.Kind == c.Kind && last.String() == c.String() {
		return &UnseenError{Call: c, At: last.At}
	}
	sent := SentCall{Call: c}
	if w.out.Pool.PendingState == stateFailed {
		sent.FailedBefore = w.out.Pool.PendingError
	}
	err := w.send(ctx, c)
	// Of a call that took long it is not known when it was taken: the pool has the time
	// from its answer on to show it.
	sent.At = w.serverNow()
	var failed *WriteError
	switch {
	case err == nil:
		w.unsent = 0
		w.note(sent, w.out.Pool)
		return nil
	case errors.As(err, &failed) && failed.Effect == Unsent && failed.RetryAfter > 0 && w.unsent < mostUnsent && ctx.Err() == nil:
		w.unsent++
		if w.Sleep(ctx, failed.RetryAfter) != nil {
			return err
		}
		w.machines = nil
		return w.look(ctx)
	case errors.As(err, &failed) && failed.Effect != Unknown:
		return err
	}
	return w.seek(ctx, sent, err)
}

// lastMade is the last call of this work that pools show; nil for none.
func (w *rollout) lastMade() *SentCall {
	for i := len(w.out.Sent) - 1; i >= len(w.Input.Sent); i-- {
		if c := &w.out.Sent[i]; c.isOnPool() {
			return c
		}
	}
	return nil
}

// admit waits until one more pool may be pushed to. True: that took a while, so
// that it is to be decided again.
func (w *rollout) admit(ctx context.Context) (bool, error) {
	if w.Governor == nil || w.slot != nil {
		return false, nil
	}
	waited := false
	slot, err := w.Governor.Admit(ctx, w.client, w.PoolID, GovernorWait{Interval: w.Interval, Sleep: w.Sleep, Waiting: func(reason string) {
		waited = true
		w.tell(reason)
	}})
	if err != nil {
		return false, err
	}
	w.slot, w.unused = slot, true
	if !waited {
		return false, nil
	}
	w.machines = nil
	return true, w.look(ctx)
}

func (w *rollout) send(ctx context.Context, c Call) error {
	switch c.Kind {
	case CallCancel:
		return w.client.CancelScheduledPush(ctx, w.PoolID)
	case CallPromote:
		return w.client.PromotePendingImage(ctx, w.PoolID)
	case CallApplyPending:
		return w.client.ApplyImage(ctx, w.PoolID, ids(c.Machines), PendingImage)
	case CallApplyCurrent:
		return w.client.ApplyImage(ctx, w.PoolID, ids(c.Machines), CurrentImage)
	case CallPush, CallReschedule:
		return w.client.SchedulePush(ctx, w.PoolID, *c.Spec)
	case CallResume:
		return w.client.ResumeTask(ctx, w.PoolID, c.TaskID, ResumeSpec{RetryFailedMachines: w.Input.RetryFailedMachines, StopOnFirstError: w.Input.StopOnFirstError == nil || *w.Input.StopOnFirstError})
	}
	return unsent("there is no call %s", c.Kind)
}

func ids(refs []MachineRef) []string {
	all := make([]string, len(refs))
	for i, m := range refs {
		all[i] = m.ID
	}
	return all
}

// note takes a call as made, to a pool as it was then.
func (w *rollout) note(sent SentCall, before *Pool) {
	w.out.Sent = append(w.out.Sent, sent)
	w.out.Made = append(w.out.Made, sent.String())
	w.out.Resumed = w.out.Resumed || sent.Kind == CallResume
	w.Planned.made(sent.Call)
	if w.Called != nil {
		w.Called(sent.Call)
	}
	switch sent.Kind {
	case CallPush:
		w.out.Claim = &Claim{Target: sent.Target, Spec: sent.Spec, Canaries: sent.Machines, Replaces: before.Current}
		w.out.Claimed = true
		w.watch = &Publishing{Target: sent.Target, FailedBefore: sent.FailedBefore, Since: sent.At, Again: sent.Again}
		if w.slot != nil {
			w.unused = false
			w.slot.Pushed(&Publishing{Target: sent.Target, FailedBefore: sent.FailedBefore, Since: sent.At, Again: sent.Again})
		}
	case CallReschedule:
		claim := *w.out.Claim
		claim.Spec = sent.Spec
		w.out.Claim = &claim
	case CallApplyPending, CallApplyCurrent:
		if w.out.Claim != nil && pendingOf(before).may(w.out.Claim.Target) {
			w.out.Claim = w.out.Claim.with(sent.Call)
		}
	}
}

// with is a claim after its image, or the current one, was applied to machines.
func (c *Claim) with(call Call) *Claim {
	changed := *c
	changed.Canaries = slices.DeleteFunc(slices.Clone(c.Canaries), func(m MachineRef) bool { return slices.ContainsFunc(call.Machines, m.same) })
	if call.Kind == CallApplyPending {
		changed.Canaries = append(changed.Canaries, call.Machines...)
	}
	return &changed
}

// seek finds out what became of a call whose answer is not known, or says that a
// part of it has failed. A call that shows counts as made. So does one of which
// nobody can find out, as in a run that is cancelled: for two minutes nobody repeats it.
func (w *rollout) seek(ctx context.Context, sent SentCall, cause error) error {
	before := w.out.Pool
	var partial *PartialError
	isPartial := errors.As(cause, &partial)
	if isPartial {
		sent.Machines = slices.DeleteFunc(slices.Clone(sent.Machines), func(m MachineRef) bool {
			return slices.ContainsFunc(partial.Items, func(i FailedItem) bool { return strings.EqualFold(i.ID, m.ID) })
		})
	}
	switch sent.Kind {
	case CallResume:
		return cause // The task tells the next run.
	case CallApplyPending, CallApplyCurrent:
		return w.seekOnMachines(ctx, sent, cause)
	}
	err := w.await(ctx, unseenFor, sent.isShown)
	if errors.Is(err, ErrStillWaiting) {
		return cause
	}
	w.note(sent, before)
	switch {
	case ctx.Err() != nil:
		return errors.Join(cause, w.stopped(ctx))
	case err != nil || isPartial:
		return cause
	}
	return nil
}

// seekOnMachines is seek for what only machines show. If they do not, it may be
// made again without harm.
func (w *rollout) seekOnMachines(ctx context.Context, sent SentCall, cause error) error {
	var partial *PartialError
	if errors.As(cause, &partial) {
		if len(sent.Machines) > 0 {
			w.note(sent, w.out.Pool)
		}
		return cause
	}
	from, to := w.out.Pool.Current, w.out.Pool.Pending
	if sent.Kind == CallApplyCurrent {
		from, to = to, from
	}
	for until := w.client.now().Add(unseenFor); !from.same(to) && w.client.now().Before(until); {
		if w.Sleep(ctx, w.Interval) != nil {
			return errors.Join(cause, w.stopped(ctx))
		}
		if w.readMachines(ctx) != nil {
			return cause
		}
		comes := func(ref MachineRef) bool {
			return slices.ContainsFunc(w.machines.Machines, func(m *Machine) bool {
				on := m.goesTo(to) || m.Image.same(to) && !m.goesTo(from)
				return on && ref.same(MachineRef{m.ID, m.Name})
			})
		}
		if !slices.ContainsFunc(sent.Machines, func(m MachineRef) bool { return !comes(m) }) {
			w.note(sent, w.out.Pool)
			return w.look(ctx)
		}
	}
	return cause
}
