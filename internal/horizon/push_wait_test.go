package horizon

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// status makes the pod show pool A in a state.
func (p *pod) status(operation, state string, more map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	data := map[string]any{"instant_clone_operation": operation}
	if state != "" {
		data["instant_clone_pending_image_state"] = state
	}
	for name, value := range more {
		data[name] = value
	}
	p.pools[0]["provisioning_status_data"] = data
}

func isIdle(p *Pool) (bool, error) { return p.Operation == operationNone, nil }

func TestWaitForAPoolTellsWhatHasChanged(t *testing.T) {
	p := newPod(t)
	p.status("SCHEDULE_PUSH_IMAGE", "PENDING_PUBLISH", nil)
	w := &waited{then: func(n int) {
		switch {
		case n >= 6:
			p.status("NONE", "", nil)
		case n >= 2:
			p.status("SCHEDULE_PUSH_IMAGE", "PUBLISHING", map[string]any{"instant_clone_pending_image_progress": 20 * (n / 2)})
		}
	}}
	var told []string
	pool, err := p.client(t, nil).WaitForPool(t.Context(), poolA, isIdle, PoolWait{Interval: 5 * time.Second, Sleep: w.sleep, Progress: func(s string) { told = append(told, s) }})
	want := []string{"SCHEDULE_PUSH_IMAGE, PENDING_PUBLISH", "publishing 20 %", "publishing 40 %", "NONE"}
	if err != nil || pool.Operation != "NONE" || len(w.waits) != 6 || w.waits[0] != 5*time.Second || !slices.Equal(told, want) {
		t.Errorf("%v %v %q", err, w.waits, told)
	}
}

func TestWaitForAPoolEndsWithWhatIsFound(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	broken := errors.New("broken")
	w := &waited{}
	if pool, err := client.WaitForPool(t.Context(), poolA, func(*Pool) (bool, error) { return false, broken }, PoolWait{Sleep: w.sleep}); !errors.Is(err, broken) || pool.ID != poolA {
		t.Errorf("%v", err)
	}
	if _, err := client.WaitForPool(t.Context(), otherID, isIdle, PoolWait{Sleep: w.sleep}); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	p.Intercept = onlyFor("GET /rest/inventory", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "x", "no") })
	if _, err := client.WaitForPool(t.Context(), poolA, isIdle, PoolWait{Sleep: w.sleep}); err == nil {
		t.Error("no error")
	}
	if len(w.waits) > 0 {
		t.Errorf("%v", w.waits)
	}
}

func TestWaitForAPoolSurvivesTroubleThatPasses(t *testing.T) {
	p := newPod(t)
	p.status("SCHEDULE_PUSH_IMAGE", "READY", nil)
	client := p.client(t, nil)
	down := true
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if down {
			page(w, 503)
		}
		return down
	}
	w := &waited{then: func(n int) {
		p.clock.advance(time.Minute)
		down = n%mostFailedLooks != 0
		if n > mostFailedLooks {
			p.status("NONE", "", nil)
		}
	}}
	if _, err := client.WaitForPool(t.Context(), poolA, isIdle, PoolWait{Sleep: w.sleep}); err != nil || len(w.waits) != 2*mostFailedLooks || w.waits[0] != defaultInterval {
		t.Errorf("%v after %d", err, len(w.waits))
	}
	w = &waited{then: func(int) { p.clock.advance(time.Minute) }}
	down = true
	if pool, err := client.WaitForPool(t.Context(), poolA, isIdle, PoolWait{Sleep: w.sleep}); err == nil || pool != nil || len(w.waits) != mostFailedLooks {
		t.Errorf("%v %v after %d", pool, err, len(w.waits))
	}
}

func TestWaitForAPoolEndsAtItsLimit(t *testing.T) {
	p := newPod(t)
	p.status("SCHEDULE_PUSH_IMAGE", "READY", nil)
	w := &waited{}
	w.then = func(n int) { p.clock.advance(w.waits[n-1]) }
	pool, err := p.client(t, nil).WaitForPool(t.Context(), poolA, isIdle, PoolWait{Interval: 20 * time.Second, Limit: 30 * time.Second, Sleep: w.sleep})
	if !errors.Is(err, ErrStillWaiting) || pool.PendingState != "READY" || !slices.Equal(w.waits, []time.Duration{20 * time.Second, 10 * time.Second}) || !strings.Contains(err.Error(), "SCHEDULE_PUSH_IMAGE, READY") {
		t.Errorf("%v %v", err, w.waits)
	}
	p.wantCounts(t, map[string]int{"GET /rest/inventory/v12/desktop-pools/" + poolA: 3})
}

func TestWaitForAPoolEndsWithItsContext(t *testing.T) {
	p := newPod(t)
	p.status("SCHEDULE_PUSH_IMAGE", "READY", nil)
	ctx, cancel := context.WithCancel(t.Context())
	w := &waited{then: func(int) { cancel() }}
	_, err := p.client(t, nil).WaitForPool(ctx, poolA, isIdle, PoolWait{Sleep: w.sleep})
	if !errors.Is(err, context.Canceled) || len(w.waits) != 1 || !strings.Contains(err.Error(), "READY") {
		t.Errorf("%v", err)
	}
	if _, err := p.client(t, nil).WaitForPool(ctx, poolA, isIdle, PoolWait{Sleep: w.sleep}); !errors.Is(err, context.Canceled) || len(w.waits) != 1 || !strings.Contains(err.Error(), "not known yet") {
		t.Errorf("%v", err)
	}
}

func TestPublishingIsFollowedToItsEnd(t *testing.T) {
	const begun, over = "goes on", "is over"
	failing := func(p *Pool, message string) *Pool {
		p.PendingError = message
		return p
	}
	with := func(p *Pool, change func(*Pool)) *Pool {
		change(p)
		return p
	}
	idle := at("NONE", "", PoolImage{})
	publishing := with(scheduledPush(v2, time.Time{}), func(p *Pool) { p.PendingState = "PUBLISHING" })
	for _, c := range []struct {
		name  string
		looks []*Pool
		late  bool // the last look is late
		end   string
	}{
		{"not begun", []*Pool{idle}, false, begun},
		{"never begun", []*Pool{idle}, true, "gold v2"},
		{"failure of before", []*Pool{failing(at("NONE", "FAILED", v2), "old")}, false, begun},
		{"failure of before, for long", []*Pool{failing(at("NONE", "FAILED", v2), "old")}, true, "old"},
		{"another image failed before", []*Pool{failing(at("NONE", "FAILED", v3), "old")}, false, begun},
		{"failure", []*Pool{failing(at("SCHEDULE_PUSH_IMAGE", "FAILED", v2), "no space")}, false, "no space"},
		{"the same failure again", []*Pool{publishing, failing(at("NONE", "FAILED", v2), "old")}, false, "old"},
		{"under way", []*Pool{publishing}, true, begun},
		{"published, and being put in its place", []*Pool{publishing, scheduledPush(v2, time.Time{})}, true, begun},
		{"published, and waiting", []*Pool{publishing, scheduledPush(v2, night)}, false, over},
		{"held", []*Pool{publishing, at("NONE", "READY_HELD", v2)}, false, over},
		{"held already, of another", []*Pool{at("NONE", "READY_HELD", v3)}, false, begun},
		{"the pool's own", []*Pool{with(at("NONE", "", PoolImage{}), func(p *Pool) { p.Current = v2 })}, false, over},
		{"gone", []*Pool{publishing, idle}, false, "gold v2"},
		{"gone, with an error of then", []*Pool{publishing, with(at("NONE", "", PoolImage{}), func(p *Pool) {
			p.LastProvisioningError, p.LastProvisioningErrorTime = "no host", noon
		})}, false, "no host"},
		{"gone, with an error of before", []*Pool{publishing, with(at("NONE", "", PoolImage{}), func(p *Pool) {
			p.LastProvisioningError, p.LastProvisioningErrorTime = "no host", noon.Add(-time.Hour)
		})}, false, "gold v2"},
		{"being made", []*Pool{at("INITIAL_PUBLISH", "PUBLISHING", v1)}, true, begun},
	} {
		f := &Publishing{Target: Target{Image: v2}, FailedBefore: "old", Since: noon}
		var done bool
		var err error
		for i, p := range c.looks {
			now := noon.Add(time.Minute)
			if c.late && i == len(c.looks)-1 {
				now = noon.Add(unseenFor)
			}
			// The clock of the server counts where it is known.
			if p := *p; i%2 == 0 {
				p.ServerTime = now
				done, err = f.Done(&p, noon.Add(-time.Hour))
			} else {
				done, err = f.Done(&p, now)
			}
		}
		var failed *PublishError
		end := begun
		if done {
			end = over
		}
		if errors.As(err, &failed) {
			end = err.Error()
		}
		if end != c.end && (failed == nil || !strings.Contains(end, c.end) || strings.Contains(end, "no host") != (c.end == "no host")) {
			t.Errorf("%s: %s, want %s", c.name, end, c.end)
		}
	}
}

func TestPushOfTheSameImageIsFollowedByItsMembers(t *testing.T) {
	f := &Publishing{Target: Target{Image: v1, Compute: &ComputeProfile{8, 2, 8192}}, Since: noon}
	before := at("NONE", "", PoolImage{})
	before.Compute = &ComputeProfile{4, 2, 8192}
	if done, err := f.Done(before, noon); done || err != nil {
		t.Errorf("%t %v", done, err)
	}
	if done, err := f.Done(at("SCHEDULE_PUSH_IMAGE", "", PoolImage{}), noon); done || err != nil {
		t.Errorf("%t %v", done, err)
	}
	unsaid := at("NONE", "", PoolImage{})
	if done, err := f.Done(unsaid, noon); !done || err != nil {
		t.Errorf("%t %v", done, err)
	}
	var failed *PublishError
	if done, err := f.Done(before, noon); done || !errors.As(err, &failed) {
		t.Errorf("%t %v", done, err)
	}
}
