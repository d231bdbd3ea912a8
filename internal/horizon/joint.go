package horizon

import (
	"context"
	"sync"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// joint is one piece of work for all who ask for the same while it is under way.
// It does not end with the context of the one who came first, but with its
// result, or when nobody waits for it any more.
type joint[T any] struct {
	done   chan struct{}
	cancel context.CancelFunc

	mu      sync.Mutex
	waiting int
	over    bool // it has a result, or was given up

	result T
	err    error
}

// begin starts the work for a number of callers, each of which has to wait.
func begin[T any](ctx context.Context, callers int, work func(context.Context) (T, error)) *joint[T] {
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	working = transport.WithPatience(working, working)
	j := &joint[T]{done: make(chan struct{}), cancel: cancel, waiting: callers}
	go func() {
		defer cancel()
		result, err := work(working)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.result, j.err, j.over = result, err, true
		close(j.done)
	}()
	return j
}

// join makes the caller one of those who wait. False says that it is too late.
func (j *joint[T]) join() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over {
		return false
	}
	j.waiting++
	return true
}

// leave takes one out who does not wait any more.
func (j *joint[T]) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting--
	if j.waiting == 0 {
		j.over = true
		j.cancel()
	}
}

// wait returns the result, or the cause of the end of the caller's context.
func (j *joint[T]) wait(ctx context.Context) (T, error) {
	select {
	case <-j.done:
		return j.result, j.err
	case <-ctx.Done():
		j.leave()
		var none T
		return none, context.Cause(ctx)
	}
}
