package horizon

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// recentPools keeps the list of desktop pools.
type recentPools struct {
	mu    sync.Mutex
	under *joint[[]*Pool]
	// forgotten counts what has made older lists worthless.
	forgotten int

	pools []*Pool
	err   error
	until time.Time // zero: nothing is kept
}

// RecentPools is Pools for many who ask in one run: those who come while the list
// is under way share it, and it is kept for 30 s from the beginning of its
// request, also when it is refused for good. What this process does to a pool, and
// sees come of it, ends that. The caller owns the pools.
func (c *Client) RecentPools(ctx context.Context) ([]*Pool, error) {
	r := &c.server.pools
	r.mu.Lock()
	if c.now().Before(r.until) {
		defer r.mu.Unlock()
		return clonePools(r.pools), r.err
	}
	if r.under == nil || !r.under.join() {
		until, forgotten := c.now().Add(recentHeld), r.forgotten
		r.under = begin(ctx, 1, func(ctx context.Context) ([]*Pool, error) {
			pools, err := c.Pools(ctx)
			r.mu.Lock()
			defer r.mu.Unlock()
			if forgotten == r.forgotten && (err == nil || isFinal(err)) {
				r.pools, r.err, r.until = pools, err, until
			}
			return pools, err
		})
	}
	under := r.under
	r.mu.Unlock()
	pools, err := under.wait(ctx)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("listing the desktop pools: %w", context.Cause(ctx))
	}
	return clonePools(pools), err
}

func clonePools(pools []*Pool) []*Pool {
	if pools == nil {
		return nil
	}
	clones := make([]*Pool, len(pools))
	for i, p := range pools {
		clone := *p
		clones[i] = &clone
	}
	return clones
}
