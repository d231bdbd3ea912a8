package imageservice

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

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

// The company of reads before and after a write with the default verify_after,
// and of those without one.
var (
	rest              = 400 * time.Millisecond
	beforeWrite       = Company{Quiet: rest / 5, Most: rest * 3 / 4, Half: true}
	afterRest         = Company{Quiet: rest / 10, Most: rest * 3 / 8, Half: true}
	hastyBeforeWrite  = Company{Quiet: 10 * time.Millisecond, Most: 100 * time.Millisecond}
	hastyAfterWriting = Company{Quiet: 10 * time.Millisecond, Most: 100 * time.Millisecond, ForWork: true}
)

// look rests and reads.
func (d *departures) look(t *testing.T, id string, rest time.Duration) {
	defer d.work()()
	if err := d.rest(t.Context(), id, rest); err != nil {
		t.Error(err)
	}
	if image, err := d.ask(&ask{ctx: t.Context(), id: id, company: afterRest}); err != nil || image.ID != id {
		t.Errorf("%s is answered with %v, %v", id, image, err)
	}
}

func TestReadsWhoseRestsEndSoonLeaveTogether(t *testing.T) {
	for _, c := range []struct {
		rests []int // ms
		want  []string
	}{
		{[]int{400}, []string{"1 at 400ms"}},
		{[]int{400, 400, 400}, []string{"3 at 400ms"}},
		{[]int{400, 430, 460}, []string{"3 at 460ms"}},
		{[]int{400, 540}, []string{"2 at 540ms"}},
		{[]int{400, 560}, []string{"1 at 400ms", "1 at 600ms"}}, // Later than the first one waits.
		{[]int{400, 500, 600, 700}, []string{"2 at 500ms", "2 at 740ms"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDepartures(0)
			var all sync.WaitGroup
			for i, rest := range c.rests {
				all.Go(func() { d.look(t, fmt.Sprint(i), time.Duration(rest)*time.Millisecond) })
			}
			all.Wait()
			d.expect(t, c.want...)
		})
	}
}

func TestHalfLeavesWithoutThoseWhoRestLonger(t *testing.T) {
	for _, c := range []struct {
		later int // ms, when the rest of the other half ends
		want  []string
	}{
		{430, []string{"10 at 430ms"}},
		{450, []string{"5 at 400ms", "5 at 450ms"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDepartures(0)
			var all sync.WaitGroup
			for i := range 10 {
				rest := 400 * time.Millisecond
				if i >= 5 {
					rest = time.Duration(c.later) * time.Millisecond
				}
				all.Go(func() { d.look(t, fmt.Sprint(i), rest) })
			}
			all.Wait()
			d.expect(t, c.want...)
		})
	}
}

func TestReadBeforeAWriteLeavesWithHalfOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		for range 5 {
			defer d.work()() // Which do not come.
		}
		d.arrive(t, 5, 20*time.Millisecond, beforeWrite)
		d.expect(t, "5 at 80ms")
	})
}

func TestFewReadsAreNoHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		for range 4 {
			defer d.work()()
		}
		d.arrive(t, 2, 20*time.Millisecond, beforeWrite)
		d.expect(t, "2 at 100ms")
	})
}

func TestNobodyWaitsForThoseWhoRestLonger(t *testing.T) {
	for _, c := range []struct {
		rest int // ms
		want []string
	}{
		{200, []string{"3 at 200ms"}}, // Soon enough for those who come at once.
		{310, []string{"2 at 0s", "1 at 350ms"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newDepartures(0)
			var all sync.WaitGroup
			all.Go(func() { d.look(t, "resting", time.Duration(c.rest)*time.Millisecond) })
			synctest.Wait()
			done := []func(){d.work(), d.work()}
			for i := range 2 {
				all.Go(func() {
					done[i]()
					d.read(t, fmt.Sprint(i), beforeWrite)
				})
			}
			all.Wait()
			d.expect(t, c.want...)
		})
	}
}

func TestRestEndsWithItsContextAndNobodyWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		because := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Millisecond, func() { cancel(because) })
		defer d.work()()
		var all sync.WaitGroup
		all.Go(func() {
			if err := d.rest(ctx, "resting", 200*time.Millisecond); !errors.Is(err, because) || time.Since(d.began) != 10*time.Millisecond {
				t.Errorf("after %s: %v", time.Since(d.began), err)
			}
		})
		synctest.Wait()
		d.read(t, "a", beforeWrite)
		all.Wait()
		d.expect(t, "1 at 80ms")
	})
}

func TestOneThatRestedAndDoesNotComeIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		defer d.work()()
		if err := d.rest(t.Context(), "elsewhere", rest); err != nil {
			t.Error(err)
		}
		d.read(t, "a", beforeWrite)
		time.Sleep(2 * restOver)
		d.read(t, "b", beforeWrite)
		d.expect(t, "1 at 700ms", "1 at 2.78s")
	})
}

// Another read of an image that rests is not the one it rests for.
func TestReadOfARestingImageDoesNotEndItsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepartures(0)
		var all sync.WaitGroup
		all.Go(func() { d.look(t, "a", rest) })
		all.Go(func() { d.look(t, "b", rest+100*time.Millisecond) })
		synctest.Wait()
		d.read(t, "b", promptly)
		all.Wait()
		d.expect(t, "1 at 0s", "2 at 540ms")
	})
}

// changes is a run that changes many images, ten at a time, as Terraform does:
// its own work on each is serial. All times are means.
type changes struct {
	count               int
	serial, read, write time.Duration
	// late is how long each look came after its rest; waits are the rests of all,
	// ten at a time.
	took, waits, late time.Duration
	lists             int
}

func (c *changes) run(t *testing.T, rest time.Duration, before, after Company) {
	const atOnce = 10
	synctest.Test(t, func(t *testing.T) {
		var g gathering
		var mu sync.Mutex
		random := rand.New(rand.NewSource(1))
		uneven := func(mean time.Duration) {
			mu.Lock()
			d := time.Duration(float64(mean) * (0.4 + 0.6*random.ExpFloat64()))
			mu.Unlock()
			time.Sleep(d)
		}
		cores, terraform := make(chan struct{}, 2), make(chan struct{}, 1)
		g.carry = func(_ context.Context, batch []*ask) {
			cores <- struct{}{}
			uneven(c.read)
			<-cores
			mu.Lock()
			c.lists++
			mu.Unlock()
			for _, a := range batch {
				a.answer(&Image{ID: a.id}, nil)
			}
		}
		began, todo := time.Now(), make(chan int, c.count)
		for i := range c.count {
			todo <- i
		}
		close(todo)
		var all sync.WaitGroup
		for range atOnce {
			all.Go(func() {
				for i := range todo {
					id := fmt.Sprint(i)
					terraform <- struct{}{}
					uneven(c.serial)
					<-terraform
					done := g.work()
					if _, err := g.ask(&ask{ctx: t.Context(), id: id, company: before}); err != nil {
						t.Error(err)
					}
					cores <- struct{}{}
					uneven(c.write)
					<-cores
					if rest > 0 {
						if err := g.rest(t.Context(), id, rest); err != nil {
							t.Error(err)
						}
					}
					due := time.Now()
					look := &ask{ctx: t.Context(), id: id, company: after}
					if _, err := g.ask(look); err != nil {
						t.Error(err)
					}
					mu.Lock()
					c.late += time.Since(due) / time.Duration(c.count)
					c.waits += rest / atOnce
					mu.Unlock()
					done()
				}
			})
		}
		all.Wait()
		c.took = time.Since(began)
	})
}

// What the default verify_after costs, against none: no more than its own waits.
func TestLookingAgainCostsNoMoreThanItsOwnWaits(t *testing.T) {
	for _, c := range []changes{
		{count: 200, serial: 20 * time.Millisecond, read: 8 * time.Millisecond, write: 3 * time.Millisecond},
		{count: 200, serial: 25 * time.Millisecond, read: 8 * time.Millisecond, write: 3 * time.Millisecond},
		{count: 200, serial: 50 * time.Millisecond, read: 8 * time.Millisecond, write: 3 * time.Millisecond},
		{count: 200, serial: 40 * time.Millisecond, read: 15 * time.Millisecond, write: 15 * time.Millisecond},
		{count: 200, serial: 50 * time.Millisecond, read: 30 * time.Millisecond, write: 40 * time.Millisecond},
	} {
		hasty, calm := c, c
		hasty.run(t, 0, hastyBeforeWrite, hastyAfterWriting)
		calm.run(t, rest, beforeWrite, afterRest)
		t.Logf("serial %s, write %s: %s more, of which it waits %s, late by %s each; %d lists", c.serial, c.write, calm.took-hasty.took, calm.waits, calm.late, calm.lists)
		if more := calm.took - hasty.took; more > calm.waits {
			t.Errorf("serial %s, write %s: it costs %s more, and its waits are only %s", c.serial, c.write, more, calm.waits)
		}
		if late := calm.late - c.read; late > 60*time.Millisecond {
			t.Errorf("serial %s, write %s: a look comes %s late", c.serial, c.write, late)
		}
		// With 200 writes, and some for the refresh, that is 1.5 requests an image.
		if calm.lists > 90 {
			t.Errorf("serial %s, write %s: %d lists", c.serial, c.write, calm.lists)
		}
	}
}

// Whoever rests, comes and goes: nobody is read before its rest is over, nobody
// waits longer than it is willing to, and each is read once, unless it gave up.
func TestReadsLeaveBetweenTheirRestAndTheEndOfTheirPatience(t *testing.T) {
	type read struct {
		arrives, rest, gives time.Duration
		company              Company
	}
	milliseconds := func(from, to int) *rapid.Generator[time.Duration] {
		return rapid.Map(rapid.IntRange(from, to), func(n int) time.Duration { return time.Duration(n) * time.Millisecond })
	}
	reads := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) read {
		r := read{arrives: milliseconds(0, 2000).Draw(t, "arrives"), company: rapid.SampledFrom([]Company{promptly, beforeWrite, hastyBeforeWrite, hastyAfterWriting}).Draw(t, "company")}
		if rapid.Bool().Draw(t, "rests") {
			r.rest, r.company = milliseconds(1, 800).Draw(t, "rest"), afterRest
		}
		if rapid.IntRange(0, 4).Draw(t, "gives up") == 0 {
			r.gives = milliseconds(1, 500).Draw(t, "after")
		}
		return r
	}), 1, 30)
	rapid.Check(t, func(rt *rapid.T) {
		all := reads.Draw(rt, "reads")
		var mu sync.Mutex
		left := map[string][]time.Duration{}
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			g := gathering{carry: func(_ context.Context, batch []*ask) {
				mu.Lock()
				defer mu.Unlock()
				for _, a := range batch {
					left[a.id] = append(left[a.id], time.Since(began))
					a.answer(&Image{ID: a.id}, nil)
				}
			}}
			for i, r := range all {
				go func() {
					time.Sleep(r.arrives)
					defer g.work()()
					ctx, cancel := t.Context(), func() {}
					if r.gives > 0 {
						ctx, cancel = context.WithTimeout(ctx, r.gives)
					}
					defer cancel()
					if r.rest > 0 && g.rest(ctx, fmt.Sprint(i), r.rest) != nil {
						return
					}
					_, _ = g.ask(&ask{ctx: ctx, id: fmt.Sprint(i), company: r.company})
				}()
			}
			time.Sleep(time.Minute)
			if len(g.waiting) > 0 || g.busy > 0 {
				t.Errorf("%d still wait, %d are at work", len(g.waiting), g.busy)
			}
		})
		for i, r := range all {
			times := left[fmt.Sprint(i)]
			if len(times) == 0 && r.gives > 0 {
				continue
			}
			from := r.arrives + r.rest
			if len(times) != 1 || times[0] < from || times[0] > from+r.company.Most {
				rt.Errorf("%d left at %v, and was there at %s, for %s at most", i, times, from, r.company.Most)
			}
		}
	})
}
