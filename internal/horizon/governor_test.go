package horizon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// estate are pools of pods that run v1 and get v2, and the requests that are made
// for them, by the clock of a synctest bubble. The pods are outside of it, and no
// connection to them stays, since a bubble's clock stands still while one does.
type estate struct {
	pods    []*pod
	clients []*Client

	mu     sync.Mutex
	looks  []look
	broken func(n int) bool // whether the request after n others is refused for a while
}

// look is a request for one pool, or for the list of them.
type look struct {
	at     time.Time
	pod    int
	poolID string // empty for a list
}

func newEstate(t *testing.T, pods int) *estate {
	e := &estate{}
	for i := range pods {
		p := newPod(t)
		p.Config.SetKeepAlivesEnabled(false)
		p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
			w.Header()["Date"] = nil // The pod's clock is another one.
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.broken == nil || !e.broken(len(e.looks)) {
				return false
			}
			page(w, http.StatusServiceUnavailable)
			return true
		}
		client := p.client(t, func(c *Config) {
			c.Log = func(_ context.Context, message string, fields map[string]any) {
				_, route, ok := strings.Cut(fmt.Sprint(fields["url"]), "/desktop-pools")
				if message != "HTTP request" || !ok || fields["status"] == nil {
					return
				}
				e.mu.Lock()
				defer e.mu.Unlock()
				id := strings.TrimPrefix(route, "/")
				if strings.HasPrefix(route, "?") {
					id = ""
				}
				e.looks = append(e.looks, look{time.Now(), i, id})
			}
		})
		client.now = time.Now
		// It signs in and finds its way outside of the bubble.
		if _, err := client.Pools(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.pods, e.clients = append(e.pods, p), append(e.clients, client)
	}
	e.looks = nil
	return e
}

func estatePool(n int) string { return fmt.Sprintf("c0ffee00-0000-4000-8000-%012d", n) }

// show makes a pool show a state; nil takes it away.
func (e *estate) show(pod int, id string, status map[string]any, runs PoolImage) {
	p := e.pods[pod]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pools = slices.DeleteFunc(slices.Clone(p.pools), func(o map[string]any) bool { return o["id"] == id })
	if status == nil {
		return
	}
	p.pools = append(p.pools, map[string]any{
		"id": id, "name": "P" + strings.TrimLeft(id[24:], "0"), "type": "AUTOMATED", "source": "INSTANT_CLONE",
		"provisioning_settings":    map[string]any{"parent_vm_id": runs.ParentVMID, "base_snapshot_id": runs.SnapshotID},
		"provisioning_status_data": status,
	})
}

func pending(operation, state string, image PoolImage) map[string]any {
	return map[string]any{
		"instant_clone_operation": operation, "instant_clone_pending_image_state": state,
		"instant_clone_pending_image_parent_vm_id": image.ParentVMID, "instant_clone_pending_image_snapshot_id": image.SnapshotID,
	}
}

func (e *estate) publish(pod int, id string) {
	e.show(pod, id, pending("SCHEDULE_PUSH_IMAGE", "PUBLISHING", v2), v1)
}

// ends are the ways in which the publishing of an image comes to its end.
var ends = map[string]func(e *estate, pod int, id string){
	"published": func(e *estate, pod int, id string) {
		e.show(pod, id, map[string]any{"instant_clone_operation": "NONE"}, v2)
	},
	"held":   func(e *estate, pod int, id string) { e.show(pod, id, pending("NONE", "READY_HELD", v2), v1) },
	"failed": func(e *estate, pod int, id string) { e.show(pod, id, pending("NONE", "FAILED", v2), v1) },
	"gone":   func(e *estate, pod int, id string) { e.show(pod, id, nil, PoolImage{}) },
	"cancelled": func(e *estate, pod int, id string) {
		e.show(pod, id, map[string]any{"instant_clone_operation": "NONE"}, v1)
	},
	"scheduled": func(e *estate, pod int, id string) { e.show(pod, id, scheduledFor(v2), v1) },
	// Somebody else has come after it.
	"another image is held":      func(e *estate, pod int, id string) { e.show(pod, id, pending("NONE", "READY_HELD", v3), v1) },
	"another image is scheduled": func(e *estate, pod int, id string) { e.show(pod, id, scheduledFor(v3), v1) },
}

func scheduledFor(image PoolImage) map[string]any {
	status := pending("SCHEDULE_PUSH_IMAGE", "READY", image)
	status["instant_clone_push_image_settings"] = map[string]any{"start_time": noon.UnixMilli()}
	return status
}

// breakDown lets requests fail; nil: none.
func (e *estate) breakDown(broken func(n int) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken = broken
}

func (e *estate) take() []look {
	e.mu.Lock()
	defer e.mu.Unlock()
	looks := e.looks
	e.looks = nil
	return looks
}

func pushedNow() *Publishing { return &Publishing{Target: Target{Image: v2}, Since: time.Now()} }

// occupied takes a slot for a pool that is being published.
func (e *estate) occupied(t *testing.T, g *Governor, pod, n int) *Slot {
	t.Helper()
	slot, err := g.Admit(t.Context(), e.clients[pod], estatePool(n), GovernorWait{})
	if err != nil {
		t.Fatal(err)
	}
	e.publish(pod, estatePool(n))
	slot.Pushed(pushedNow())
	return slot
}

// entry is how somebody has come to a slot.
type entry struct {
	slot    *Slot
	err     error
	after   time.Duration
	reasons []string
}

// admit asks for a slot, for a day at most, and says how that went.
func (e *estate) admit(ctx context.Context, g *Governor, n int) <-chan entry {
	begun, came := time.Now(), make(chan entry, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, 24*time.Hour)
		defer cancel()
		var a entry
		a.slot, a.err = g.Admit(ctx, e.clients[0], estatePool(n), GovernorWait{Waiting: func(reason string) { a.reasons = append(a.reasons, reason) }})
		a.after = time.Since(begun)
		came <- a
	}()
	synctest.Wait()
	return came
}

func TestGovernorLetsSoManyPublishAtATime(t *testing.T) {
	for name, free := range map[string]func(*Slot){
		"published":             func(s *Slot) { s.Pushed(pushedNow()); s.Published() },
		"published, told twice": func(s *Slot) { s.Pushed(pushedNow()); s.Published(); s.Published() },
		"nothing sent":          (*Slot).Release,
		"left before a push":    (*Slot).Leave,
	} {
		e := newEstate(t, 1)
		for n := range 3 {
			e.show(0, estatePool(n+1), map[string]any{}, v1)
		}
		if _, err := e.clients[0].Pools(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.take()
		synctest.Test(t, func(t *testing.T) {
			g := NewGovernor(2, 0)
			e.occupied(t, g, 0, 1)
			second, err := g.Admit(t.Context(), e.clients[0], estatePool(2), GovernorWait{})
			if err != nil {
				t.Fatal(err)
			}
			third, fourth := e.admit(t.Context(), g, 3), e.admit(t.Context(), g, 4)
			time.Sleep(time.Hour) // In a bubble, whose clock costs no time; so do those below.
			if len(third) > 0 || len(fourth) > 0 {
				t.Fatalf("%s: more than two at a time", name)
			}
			free(second)
			a := <-third
			if want := []string{"2 pools are being published, as max_concurrent_publishes allows: P1, P2"}; a.err != nil || a.after != time.Hour || !slices.Equal(a.reasons, want) {
				t.Errorf("%s: %v after %s: %q", name, a.err, a.after, a.reasons)
			}
			synctest.Wait()
			if len(fourth) > 0 {
				t.Errorf("%s: more than two at a time", name)
			}
			a.slot.Release()
			if a := <-fourth; a.err != nil || a.after != time.Hour || len(a.reasons) != 1 {
				t.Errorf("%s: %v after %s: %q", name, a.err, a.after, a.reasons)
			}
		})
		if looks := e.take(); len(looks) > 0 {
			t.Errorf("%s: pools are looked at whose pusher does that: %v", name, looks)
		}
	}
}

func TestGovernorNamesNotTooManyPools(t *testing.T) {
	e := newEstate(t, 1)
	synctest.Test(t, func(t *testing.T) {
		for n, want := range map[int]string{
			1:  "1 pool is being published, as max_concurrent_publishes allows: " + estatePool(0),
			10: estatePool(7) + ", and 2 more",
		} {
			g := NewGovernor(n, 0)
			for i := range n {
				e.occupied(t, g, 0, i)
			}
			ctx, cancel := context.WithCancel(t.Context())
			came := e.admit(ctx, g, 99)
			cancel()
			a := <-came
			if !errors.Is(a.err, context.Canceled) || !strings.HasSuffix(a.reasons[0], want) || !strings.Contains(a.err.Error(), want) {
				t.Errorf("%v %q, want %s", a.err, a.reasons, want)
			}
		}
	})
}

func TestGovernorKeepsPushesApart(t *testing.T) {
	e := newEstate(t, 1)
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(10, 30*time.Second)
		first, err := g.Admit(t.Context(), e.clients[0], estatePool(1), GovernorWait{})
		if err != nil {
			t.Fatal(err)
		}
		second, third := e.admit(t.Context(), g, 2), e.admit(t.Context(), g, 3)
		time.Sleep(20 * time.Second) // In a bubble.
		if len(second) > 0 {
			t.Fatal("it is admitted while another push is being sent")
		}
		first.Pushed(pushedNow())
		first.Release() // Has no effect any more.
		a := <-second
		want := []string{"another push is being sent, from which publish_interval keeps this one apart", "the next push may be sent in 30s (publish_interval)"}
		if a.err != nil || a.after != 50*time.Second || !slices.Equal(a.reasons, want) {
			t.Errorf("%v after %s: %q", a.err, a.after, a.reasons)
		}
		// Nothing was sent, so that nobody keeps a distance from it.
		a.slot.Release()
		a = <-third
		if a.err != nil || a.after != 50*time.Second {
			t.Errorf("%v after %s: %q", a.err, a.after, a.reasons)
		}
		a.slot.Pushed(pushedNow())
		time.Sleep(100 * time.Millisecond) // In a bubble.
		fourth, fifth := e.admit(t.Context(), g, 4), e.admit(t.Context(), g, 5)
		a = <-fourth
		if a.err != nil || a.after != 29900*time.Millisecond || a.reasons[0] != want[1] {
			t.Errorf("%v after %s: %q", a.err, a.after, a.reasons)
		}
		a.slot.Pushed(pushedNow())
		a = <-fifth
		if a.err != nil || a.after != 59900*time.Millisecond || a.reasons[0] != want[1]+", and 1 come before this one" {
			t.Errorf("%v after %s: %q", a.err, a.after, a.reasons)
		}
	})
}

func TestGovernorLooksAfterPoolsWhosePusherHasGone(t *testing.T) {
	for name, end := range ends {
		for _, many := range []int{1, 3} {
			e := newEstate(t, 1)
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				g := NewGovernor(many, 0)
				for n := range many {
					e.occupied(t, g, 0, n).Leave()
				}
				var waiting []<-chan entry
				for n := range many {
					waiting = append(waiting, e.admit(t.Context(), g, 10+n))
				}
				time.Sleep(35 * time.Second) // In a bubble.
				for n := range many {
					end(e, 0, estatePool(n))
				}
				// A pool that a list does not show is asked for by its address.
				after := 45 * time.Second
				for i, came := range waiting {
					if name == "gone" && many > 1 {
						after = time.Duration(60+15*i) * time.Second
					}
					if a := <-came; a.err != nil || a.after != after {
						t.Errorf("%s, %d: %v after %s", name, many, a.err, a.after)
					}
				}
				looks := e.take()
				if len(looks) != int(after/(15*time.Second))+1 {
					t.Errorf("%s, %d: %v", name, many, looks)
				}
				for i, l := range looks {
					if l.at.Sub(began) != time.Duration(i)*15*time.Second || (l.poolID == "") != (many > 1 && i <= 3) {
						t.Errorf("%s, %d: look %d is %v", name, many, i, l)
					}
				}
			})
		}
	}
}

func TestGovernorReadsSinglyWhatAListDoesNotShow(t *testing.T) {
	e := newEstate(t, 1)
	p := e.pods[0]
	others := p.Intercept
	p.Intercept = func(w http.ResponseWriter, r *http.Request, body string) bool {
		if others(w, r, body) {
			return true
		}
		if !strings.HasSuffix(r.URL.Path, "/desktop-pools") {
			return false
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		shown := slices.DeleteFunc(slices.Clone(p.pools), func(o map[string]any) bool { return o["id"] == estatePool(1) })
		reply(w, http.StatusOK, shown)
		return true
	}
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(3, 0)
		for n := range 3 {
			e.occupied(t, g, 0, n).Leave()
		}
		came := e.admit(t.Context(), g, 9)
		time.Sleep(80 * time.Second)
		if len(came) > 0 {
			t.Error("it takes a pool for gone that a list does not show")
		}
		ends["published"](e, 0, estatePool(1))
		if a := <-came; a.err != nil || a.after != 105*time.Second {
			t.Errorf("%v after %s", a.err, a.after)
		}
		var ids []string
		for _, l := range e.take() {
			ids = append(ids, strings.TrimLeft(strings.TrimPrefix(l.poolID, "c0ffee00-0000-4000-8000-"), "0"))
		}
		if want := []string{"", "1", "", "1", "", "1", "", "1"}; !slices.Equal(ids, want) {
			t.Errorf("%q, want %q", ids, want)
		}
	})
}

func TestGovernorAsksTheServerThatAPoolIsOn(t *testing.T) {
	e := newEstate(t, 2)
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(5, 0)
		for n, pod := range []int{1, 0, 1, 0} {
			e.occupied(t, g, pod, n+1).Leave()
		}
		e.occupied(t, g, 0, 5)
		came := e.admit(t.Context(), g, 9)
		time.Sleep(20 * time.Second)
		ends["published"](e, 1, estatePool(3))
		if a := <-came; a.err != nil || a.after != 30*time.Second {
			t.Errorf("%v after %s", a.err, a.after)
		}
		looks := e.take()
		if len(looks) != 3 || looks[0].pod != 1 || looks[0].poolID != "" || looks[1].pod != 0 || looks[1].poolID != "" || looks[2].pod != 1 || looks[2].poolID != "" {
			t.Errorf("%v", looks)
		}
	})
}

func TestGovernorWaitsTroubleOut(t *testing.T) {
	e := newEstate(t, 1)
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(1, 0)
		e.occupied(t, g, 0, 1).Leave()
		e.breakDown(func(n int) bool { return n%(mostFailedLooks+1) != mostFailedLooks })
		came := e.admit(t.Context(), g, 2)
		time.Sleep(45*mostFailedLooks*time.Second + time.Second)
		if len(came) > 0 {
			t.Fatalf("trouble that passes is not waited out: %v", (<-came).err)
		}
		ends["published"](e, 0, estatePool(1))
		if a := <-came; a.err != nil {
			t.Errorf("%v after %s", a.err, a.after)
		}
	})
}

func TestGovernorReturnsTroubleThatLasts(t *testing.T) {
	e := newEstate(t, 1)
	const lasting = mostFailedLooks * 15 * time.Second
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(1, 0)
		slot := e.occupied(t, g, 0, 1)
		e.breakDown(func(int) bool { return true })
		first, second := e.admit(t.Context(), g, 2), e.admit(t.Context(), g, 3)
		slot.Leave()
		time.Sleep(lasting / 2)
		third := e.admit(t.Context(), g, 4)
		for i, came := range []<-chan entry{first, second} {
			if a := <-came; a.err == nil || !strings.Contains(a.err.Error(), "Gateway of the house") || a.slot != nil || a.after != lasting {
				t.Errorf("%d: %v after %s", i, a.err, a.after)
			}
		}
		// Who came later waits as long, and goes on when it is over.
		time.Sleep(lasting/2 - time.Minute)
		if len(third) > 0 {
			t.Fatalf("it has not waited long enough: %v", (<-third).err)
		}
		e.breakDown(nil)
		ends["published"](e, 0, estatePool(1))
		if a := <-third; a.err != nil {
			t.Errorf("%v after %s", a.err, a.after)
		}
	})
}

func TestGovernorLetsNobodyPushIn(t *testing.T) {
	e := newEstate(t, 1)
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			g := NewGovernor(1, 0)
			slot := e.occupied(t, g, 0, 1)
			first := e.admit(t.Context(), g, 2)
			slot.Published()
			// It is there before the other one has noticed.
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := g.Admit(ctx, e.clients[0], estatePool(3), GovernorWait{}); err == nil {
				t.Error("it is admitted before one who came earlier")
			}
			if len(first) == 0 {
				t.Fatal("who came first is not admitted")
			}
		})
		if t.Failed() {
			return
		}
	}
}

func TestGovernorReturnsAnErrorThatDoesNotPass(t *testing.T) {
	e := newEstate(t, 1)
	p := e.pods[0]
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(1, 0)
		e.occupied(t, g, 0, 1).Leave()
		p.Intercept = onlyFor("GET", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "k", "not yours") })
		first, second := e.admit(t.Context(), g, 2), e.admit(t.Context(), g, 3)
		if a := <-first; a.err == nil || a.after != 0 || !strings.Contains(a.err.Error(), "not yours") {
			t.Errorf("%v after %s", a.err, a.after)
		}
		// The next one looks for itself.
		if a := <-second; a.err == nil || a.after != 15*time.Second || !strings.Contains(a.err.Error(), "not yours") {
			t.Errorf("%v after %s", a.err, a.after)
		}
	})
}

func TestGovernorLetsGoWhoIsCancelled(t *testing.T) {
	e := newEstate(t, 1)
	gone := errors.New("interrupted")
	synctest.Test(t, func(t *testing.T) {
		g := NewGovernor(1, 0)
		e.occupied(t, g, 0, 1).Leave()
		ctx, cancel := context.WithCancelCause(t.Context())
		first, second, third := e.admit(ctx, g, 2), e.admit(ctx, g, 3), e.admit(t.Context(), g, 4)
		time.Sleep(20 * time.Second)
		cancel(gone)
		for _, came := range []<-chan entry{first, second} {
			if a := <-came; !errors.Is(a.err, gone) || a.after != 20*time.Second || !strings.Contains(a.err.Error(), "P1") {
				t.Errorf("%v after %s", a.err, a.after)
			}
		}
		ends["published"](e, 0, estatePool(1))
		if a := <-third; a.err != nil || a.after != 30*time.Second {
			t.Errorf("%v after %s", a.err, a.after)
		}
		// Nor is one admitted, though there is room, whose context has ended before.
		if a := <-e.admit(ctx, NewGovernor(1, 0), 2); !errors.Is(a.err, gone) || a.slot != nil {
			t.Errorf("%v", a.err)
		}
	})
}

func TestGovernorBreaksALookOffForAFreeSlotAlone(t *testing.T) {
	e := newEstate(t, 1)
	arrived, answer := make(chan struct{}, 1), make(chan struct{})
	e.pods[0].Intercept = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
			return true
		case <-answer:
			return false
		}
	}
	g := NewGovernor(2, 0)
	e.occupied(t, g, 0, 1).Leave()
	other := e.occupied(t, g, 0, 2)
	ends["published"](e, 0, estatePool(1))
	admitted := make(chan *Slot, 1)
	admit := func(n int) {
		slot, err := g.Admit(inTime(t), e.clients[0], estatePool(n), GovernorWait{})
		if err != nil {
			t.Error(err)
		}
		admitted <- slot
	}
	go admit(3)
	<-arrived
	other.Leave() // There is one more to look at, but no room.
	answer <- struct{}{}
	third := <-admitted
	e.publish(0, estatePool(3))
	third.Pushed(pushedNow())

	g.mu.Lock()
	g.nextLook = time.Time{}
	g.mu.Unlock()
	go admit(4)
	<-arrived
	third.Published()
	<-admitted
}

func TestGovernorGoesByItsSleepAlone(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil) // Its clock stands still.
	g := NewGovernor(1, 40*time.Second)
	slot, err := g.Admit(inTime(t), client, poolA, GovernorWait{})
	if err != nil {
		t.Fatal(err)
	}
	p.status("SCHEDULE_PUSH_IMAGE", "PUBLISHING", nil)
	slot.Pushed(&Publishing{Target: Target{Image: v2}, Since: p.clock.Now()})
	slot.Leave()
	w := &waited{then: func(n int) {
		if n == 2 {
			p.status("NONE", "READY_HELD", map[string]any{"instant_clone_pending_image_snapshot_id": "snapshot-2", "instant_clone_pending_image_parent_vm_id": "vm-7"})
		}
	}}
	if slot, err = g.Admit(inTime(t), client, poolB, GovernorWait{Interval: 5 * time.Second, Sleep: w.sleep}); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{5 * time.Second, 5 * time.Second, 40 * time.Second}; !slices.Equal(w.waits, want) {
		t.Errorf("%v, want %v", w.waits, want)
	}
	slot.Pushed(&Publishing{Target: Target{Image: v2}, Since: p.clock.Now()})
	slot.Leave()
	broken := errors.New("broken")
	if _, err := g.Admit(inTime(t), client, poolA, GovernorWait{Sleep: func(context.Context, time.Duration) error { return broken }}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// pushStory is one pool of the property: what its pusher does, and what becomes of it.
type pushStory struct {
	pod                             int
	comes, patience, sends, lasts   time.Duration
	end                             string
	releases, stays                 bool
	leaves                          time.Duration // after the push, unless it stays
	id                              string
	came, admitted, sent, published time.Time
	err                             error
	left                            time.Time
}

// TestGovernorProperty lets pushers come, push, stay or leave, give up, and lose
// patience at random, while the servers are in trouble now and then.
func TestGovernorProperty(t *testing.T) {
	e := newEstate(t, 2)
	const patient = 24 * time.Hour
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 4).Draw(rt, "limit")
		interval := rapid.SampledFrom([]time.Duration{0, 7 * time.Second, 40 * time.Second}).Draw(rt, "interval")
		faults := rapid.SliceOfN(rapid.Bool(), 7, 7).Draw(rt, "faults")
		faults[0] = false
		seconds := func(most int, label string) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(rt, label)) * time.Second
		}
		stories := make([]*pushStory, rapid.IntRange(1, 12).Draw(rt, "pushers"))
		for i := range stories {
			stories[i] = &pushStory{
				id: estatePool(i), pod: rapid.IntRange(0, 1).Draw(rt, "pod"), comes: seconds(200, "comes") + time.Duration(i)*time.Millisecond, patience: patient,
				sends: seconds(5, "sends"), lasts: seconds(300, "lasts"), end: rapid.SampledFrom(slices.Sorted(maps.Keys(ends))).Draw(rt, "end"),
				releases: rapid.IntRange(0, 4).Draw(rt, "releases") == 0, stays: rapid.Bool().Draw(rt, "stays"), leaves: seconds(100, "leaves"),
			}
			if rapid.IntRange(0, 3).Draw(rt, "impatient") == 0 {
				stories[i].patience = seconds(200, "patience") + time.Microsecond
			}
		}
		e.take()
		e.breakDown(func(n int) bool { return faults[n%len(faults)] })
		synctest.Test(t, func(t *testing.T) {
			g := NewGovernor(limit, interval)
			var all sync.WaitGroup
			for _, s := range stories {
				e.show(s.pod, s.id, map[string]any{"instant_clone_operation": "NONE"}, v1)
				all.Go(func() { s.happens(t, e, g, &all) })
			}
			all.Wait()
			if len(g.queue) > 0 {
				t.Errorf("%d still wait", len(g.queue))
			}
		})
		checkStories(rt, stories, limit, interval, e.take())
	})
}

// happens is all that a pusher does. The pool goes on when it has gone.
func (s *pushStory) happens(t *testing.T, e *estate, g *Governor, all *sync.WaitGroup) {
	time.Sleep(s.comes)
	s.came = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), s.patience)
	defer cancel()
	slot, err := g.Admit(ctx, e.clients[s.pod], s.id, GovernorWait{})
	if s.err = err; err != nil {
		s.left = time.Now()
		return
	}
	s.admitted = time.Now()
	defer slot.Release()
	time.Sleep(s.sends)
	if s.releases {
		return
	}
	e.publish(s.pod, s.id)
	s.sent, s.published = time.Now(), time.Now().Add(s.lasts)
	slot.Pushed(pushedNow())
	all.Go(func() {
		time.Sleep(s.lasts)
		ends[s.end](e, s.pod, s.id)
	})
	if !s.stays {
		time.Sleep(s.leaves)
		s.left = time.Now()
		slot.Leave()
		return
	}
	time.Sleep(s.lasts + time.Microsecond)
	slot.Published()
	slot.Published()
}

func checkStories(rt *rapid.T, stories []*pushStory, limit int, interval time.Duration, looks []look) {
	byArrival := slices.SortedFunc(slices.Values(stories), func(a, b *pushStory) int { return a.came.Compare(b.came) })
	var before *pushStory
	for _, s := range byArrival {
		switch {
		case errors.Is(s.err, context.DeadlineExceeded) && s.left.Sub(s.came) == s.patience && s.patience < 300*time.Second:
			continue
		case s.err != nil:
			rt.Fatalf("%s waited from %s to %s: %v", s.id, s.came, s.left, s.err)
		case before != nil && s.admitted.Before(before.admitted):
			rt.Fatalf("%s was admitted before %s, which came first", s.id, before.id)
		}
		before = s
		if s.sent.IsZero() {
			continue
		}
		publishing := 0
		for _, o := range stories {
			if !o.sent.IsZero() && !o.sent.After(s.sent) && o.published.After(s.sent) {
				publishing++
			}
			if apart := s.sent.Sub(o.sent).Abs(); o != s && !o.sent.IsZero() && apart < interval {
				rt.Fatalf("%s and %s are pushed to %s after one another", s.id, o.id, apart)
			}
		}
		if publishing > limit {
			rt.Fatalf("%d pools are being published at %s", publishing, s.sent)
		}
	}
	for i, l := range looks {
		if i > 0 && l.at.Sub(looks[i-1].at) < defaultInterval {
			rt.Fatalf("looks at %s and %s", looks[i-1].at, l.at)
		}
		if l.poolID == "" {
			continue
		}
		s := stories[slices.IndexFunc(stories, func(s *pushStory) bool { return s.id == l.poolID })]
		if s.pod != l.pod || s.sent.IsZero() || s.stays || l.at.Before(s.left) {
			rt.Fatalf("%v is looked at, which is nobody else's matter: %+v", l, s)
		}
	}
}
