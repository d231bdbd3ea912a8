package horizon

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// PoolWait says how to wait for a pool.
type PoolWait struct {
	// Interval is the time between two looks. 0 means 15 s.
	Interval time.Duration
	// Limit is how long to wait at most, by the client's clock; 0 means as long as
	// the context lasts.
	Limit time.Duration
	// Sleep waits; it returns an error when the context ends first. Nil: by the clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress is told how far the pool is, when that has changed. It may be nil.
	Progress func(progress string)
}

// ErrStillWaiting says that what was waited for has not come within the limit.
var ErrStillWaiting = errors.New("it has not come to that within the time for it")

// WaitForPool reads a pool until done says that the wait is over, or returns an
// error, and returns the pool as it was last seen; nil if it never was. Troubles
// that pass are waited out. At the limit the error is ErrStillWaiting; others are
// those of Pool; the end of the context is told with the last progress.
func (c *Client) WaitForPool(ctx context.Context, id string, done func(*Pool) (bool, error), w PoolWait) (*Pool, error) {
	if w.Interval <= 0 {
		w.Interval = defaultInterval
	}
	if w.Sleep == nil {
		w.Sleep = sleep
	}
	// What was listed meanwhile may be older than what was waited for.
	defer c.forgetPools()
	var last *Pool
	told, failed, began := "", 0, c.now()
	for {
		pool, err := c.Pool(ctx, id)
		switch {
		case ctx.Err() != nil:
		case err != nil && failed < mostFailedLooks && isPassing(err):
			failed++
		case err != nil:
			return last, err
		default:
			failed, last = 0, pool
			if now := pool.Progress(); now != told {
				told = now
				if w.Progress != nil {
					w.Progress(now)
				}
			}
			if over, err := done(pool); over || err != nil {
				return pool, err
			}
		}
		rest := w.Interval
		if w.Limit > 0 {
			rest = min(rest, w.Limit-c.now().Sub(began))
		}
		end := context.Cause(ctx)
		if end == nil && rest <= 0 {
			end = ErrStillWaiting
		}
		if end == nil {
			end = w.Sleep(ctx, rest)
		}
		if end != nil {
			if told == "" {
				told = "not known yet"
			}
			return last, fmt.Errorf("waiting for the desktop pool %s, its state is %s: %w", id, told, end)
		}
	}
}

// Progress says in a few words what a pool is doing to its image.
func (p *Pool) Progress() string {
	switch {
	case p.PendingState == statePublishing && p.PendingProgress != nil:
		return fmt.Sprintf("publishing %d %%", *p.PendingProgress)
	case p.PendingState != "":
		return p.Operation + ", " + p.PendingState
	}
	return p.Operation
}

// PublishError says that the publishing of an image has come to nothing.
type PublishError struct {
	PoolID string
	Image  PoolImage
	// Message is the server's; empty when it says nothing.
	Message string
}

func (e *PublishError) Error() string {
	text := fmt.Sprintf("the desktop pool %s did not get the image %s", e.PoolID, e.Image)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Publishing follows one push to the end of its publishing. It is not safe for
// concurrent use.
type Publishing struct {
	// Target is what was pushed.
	Target Target
	// FailedBefore is the error of a pending image that had failed before the push.
	FailedBefore string
	// Since is the server's time of the push.
	Since time.Time
	// Again says that the pool ran the target already when it was pushed.
	Again bool

	seen bool
}

// Done says whether the image is published: it is the pool's own, or it is held, or
// it waits for the time it is scheduled for. Its error is a *PublishError. A pool
// that does not show the push is given 2 min by its own clock, or by now where it
// does not say that.
func (f *Publishing) Done(p *Pool, now time.Time) (bool, error) {
	if !p.ServerTime.IsZero() {
		now = p.ServerTime
	}
	fresh := now.Sub(f.Since) < unseenFor
	pending := p.PendingState != "" && pendingOf(p).may(f.Target)
	ofBefore := fresh && !f.seen && p.PendingError == f.FailedBefore && f.FailedBefore != ""
	failed := pending && p.PendingState == stateFailed && !ofBefore
	// Whatever operation the pool has meanwhile.
	f.seen = f.seen || pending && publishesIdly(p)
	switch {
	case failed:
		return false, &PublishError{PoolID: p.ID, Image: f.Target.Image, Message: p.PendingError}
	case pending && p.PendingState == stateReadyHeld && p.Operation == operationNone:
		return true, nil
	case pending && p.PendingState == stateReady && p.Operation == operationPush:
		f.seen = true
		return p.PushSettings != nil && p.PushSettings.StartTime.After(now), nil
	case p.Operation != operationNone:
		f.seen = f.seen || p.Operation == operationPush
		return false, nil
	case p.PendingState == "" && currentOf(p).matches(f.Target, nil) && (!f.Again || f.seen || !fresh):
		return true, nil
	// Members that the server does not show cannot be told apart from before.
	case p.PendingState == "" && f.seen && currentOf(p).may(f.Target):
		return true, nil
	case !f.seen && fresh || p.PendingState != "" && p.PendingState != stateFailed:
		return false, nil
	}
	message := p.PendingError
	if message == "" && !p.LastProvisioningErrorTime.Before(f.Since) {
		message = p.LastProvisioningError
	}
	return false, &PublishError{PoolID: p.ID, Image: f.Target.Image, Message: message}
}
