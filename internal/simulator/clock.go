package simulator

import (
	"sync"
	"time"
)

// clock is the time of the simulated cloud. It starts at the time of its source,
// runs at a multiple of its speed, and can be moved forward.
type clock struct {
	source func() time.Time
	rate   float64

	mu      sync.Mutex
	started time.Time
	offset  time.Duration
}

func newClock(source func() time.Time, rate float64) *clock {
	return &clock{source: source, rate: rate, started: source()}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	elapsed := c.source().Sub(c.started)
	return c.started.Add(time.Duration(float64(elapsed)*c.rate) + c.offset).Truncate(time.Microsecond)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}
