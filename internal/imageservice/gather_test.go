package imageservice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// departures records the batches that left, and answers them.
type departures struct {
	gathering
	began time.Time
	mu    sync.Mutex
	seen  []string
}

// newDepartures makes a gathering whose batches take a while. In a synctest
// bubble no real time passes.
func newDepartures(took time.Duration) *departures {
	d := &departures{began: time.Now()}
	d.carry = func(ctx context.Context, batch []*ask) {
		d.mu.Lock()
		d.seen = append(d.seen, fmt.Sprintf("%d at %s", len(batch), time.Since(d.began)))
		d.mu.Unlock()
		select {
		case <-time.After(took):
		case <-ctx.Done():
		}
		for _, a := range batch {
			a.answer(&Image{ID: a.id}, nil)
		}
	}
	return d
}

func (d *departures) read(t *testing.T, id string, company Company) {
	defer d.work()()
	image, err := d.ask(&ask{ctx: t.Context(), id: id, company: company})
	if err != nil || image.ID != id {
		t.Errorf("%s is answered with %v, %v", id, image, err)
	}
}

// arrive lets reads come one after the other, the first at once, and waits for
// their answers. In a bubble the pauses pass without taking time.
func (d *departures) arrive(t *testing.T, count int, gap time.Duration, company Company) {
	var wait sync.WaitGroup
	for i := range count {
		wait.Go(func() {
			time.Sleep(time.Duration(i) * gap)
			d.read(t, fmt.Sprint(i), company)
		})
	}
	wait.Wait()
}

func (d *departures) expect(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.seen, want) {
		t.Errorf("batches left: %q, want %q", d.seen, want)
	}
}

func TestReadWithoutCompanyLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		d.read(t, "a", promptly)
		d.read(t, "b", promptly)
		d.expect(t, "1 at 0s", "1 at 0s")
	})
}

func TestReadsOfWorkUnderWayLeaveTogetherWhenAllAreThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(time.Millisecond)
		var wait sync.WaitGroup
		for i := range 10 {
			done := d.work()
			wait.Go(func() {
				time.Sleep(time.Duration(i) * 4 * time.Millisecond) // In a bubble, so no real time passes.
				done()
				d.read(t, fmt.Sprint(i), promptly)
			})
		}
		wait.Wait()
		d.expect(t, "10 at 36ms")
	})
}

func TestReadsLeaveAfterAQuietMomentWithoutThoseWhoDoNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		busyElsewhere := d.work()
		defer busyElsewhere()
		d.arrive(t, 3, 5*time.Millisecond, promptly)
		d.expect(t, "3 at 35ms")
	})
}

func TestReadsDoNotWaitForEverWhileOthersKeepComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		defer d.work()()
		d.arrive(t, 30, 8*time.Millisecond, promptly)
		if d.seen[0] != "13 at 100ms" {
			t.Errorf("batches left: %q", d.seen)
		}
	})
}

func TestReadForWorkWaitsForWorkUnderWay(t *testing.T) {
	company := Company{Quiet: 10 * time.Millisecond, Most: 400 * time.Millisecond, ForWork: true}
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		writing := d.work()
		time.AfterFunc(350*time.Millisecond, writing)
		d.arrive(t, 3, 150*time.Millisecond, company)
		d.expect(t, "3 at 350ms")
	})
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		defer d.work()()
		d.read(t, "a", company)
		d.expect(t, "1 at 400ms")
	})
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		other := d.work()
		time.AfterFunc(50*time.Millisecond, other)
		d.read(t, "a", company) // Two were at work once: it waits a moment for another.
		d.expect(t, "1 at 50ms")
	})
}

func TestBatchIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		var wait sync.WaitGroup
		defer d.work()() // Which does not come.
		for i := range mostTogether + 5 {
			wait.Go(func() { d.read(t, fmt.Sprint(i), promptly) })
		}
		wait.Wait()
		d.expect(t, fmt.Sprintf("%d at 0s", mostTogether), "5 at 25ms")
	})
}

func TestCancelledCallerWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		defer d.work()()
		caller, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		a := &ask{ctx: transport.WithPatience(t.Context(), caller), id: "a", company: Company{Quiet: time.Second, Most: time.Minute, ForWork: true}}
		defer d.work()()
		if _, err := d.ask(a); err != nil {
			t.Error(err)
		}
		b := &ask{ctx: transport.WithPatience(t.Context(), caller), id: "b", company: a.company}
		if _, err := d.ask(b); err != nil {
			t.Error(err)
		}
		d.expect(t, "1 at 20ms", "1 at 20ms")
	})
}

func TestBatchEndsWhenNobodyWaitsForItAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(time.Hour)
		var wait sync.WaitGroup
		began := time.Now()
		for i := range 2 {
			done := d.work()
			wait.Go(func() {
				defer done()
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Minute)
				defer cancel()
				_, err := d.ask(&ask{ctx: ctx, id: fmt.Sprint(i), company: promptly})
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Duration(i+1)*time.Minute {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
			})
		}
		wait.Wait()
		synctest.Wait()
		if since := time.Since(began); since != 2*time.Minute {
			t.Errorf("the batch ended after %s", since)
		}
		d.expect(t, "2 at 0s")
	})
}

func TestReadThatGivesUpBeforeTheBatchLeavesIsNotInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		defer d.work()()
		defer d.work()()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		var wait sync.WaitGroup
		wait.Go(func() { d.read(t, "b", promptly) })
		if _, err := d.ask(&ask{ctx: ctx, id: "a", company: promptly}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		wait.Wait()
		d.expect(t, "1 at 25ms")
	})
}
