package horizon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// Wait says how to wait for the server.
type Wait struct {
	// Interval is the time between two looks. 0 means 15 s.
	Interval time.Duration
	// Sleep waits; it returns an error when the context ends first. Nil: by the clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress is told the status at each look. It may be nil.
	Progress func(status string)
}

const (
	defaultInterval = 15 * time.Second

	// mostFailedLooks is how many looks in a row may fail because the server or
	// the way to it is in trouble: a Connection Server restarts in minutes.
	mostFailedLooks = 20
)

// StatusError says that an object came to a status from which it does not come
// to the one that was waited for.
type StatusError struct {
	Ref            Ref
	Status, Wanted string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the %s %s has the status %s, and was to become %s", e.Ref.Kind, e.Ref.ID, e.Status, e.Wanted)
}

// WaitForStatus reads an object until it has a status, and returns it. The status
// FAILED ends the wait with a *StatusError, and so does an object that is gone, with ErrNotFound.
// Other errors are those of Read; the end of the context is told with the last status.
func (c *Client) WaitForStatus(ctx context.Context, ref Ref, wanted string, w Wait) (*Object, error) {
	if w.Interval <= 0 {
		w.Interval = defaultInterval
	}
	if w.Sleep == nil {
		w.Sleep = sleep
	}
	last, failed := "not known yet", 0
	for {
		o, err := c.Read(ctx, ref)
		switch {
		case ctx.Err() != nil:
		case err != nil && failed < mostFailedLooks && isPassing(err):
			failed++
		case err != nil:
			return nil, err
		default:
			failed, last = 0, o.Text("status")
			if w.Progress != nil {
				w.Progress(last)
			}
			if last == wanted {
				return o, nil
			}
			if last == "FAILED" {
				return nil, &StatusError{Ref: ref, Status: last, Wanted: wanted}
			}
		}
		if ctx.Err() != nil || w.Sleep(ctx, w.Interval) != nil {
			return nil, fmt.Errorf("waiting for the %s %s to become %s, its status is %s: %w", ref.Kind, ref.ID, wanted, last, context.Cause(ctx))
		}
	}
}

// isPassing says whether the same request may well succeed a minute later.
func isPassing(err error) bool {
	var (
		refusal *transport.APIError
		failure *transport.Error
		signIn  *SignInError
	)
	if errors.As(err, &signIn) && signIn.Refused {
		return false
	}
	if errors.As(err, &refusal) {
		return refusal.StatusCode >= http.StatusInternalServerError || refusal.StatusCode == http.StatusTooManyRequests
	}
	return errors.As(err, &failure)
}
