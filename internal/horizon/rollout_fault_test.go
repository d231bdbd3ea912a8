package horizon

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// faultyWork are rollouts with all calls, one after the other in which a request goes wrong.
var faultyWork = []struct {
	name    string
	prepare func(*stage)
	image   PoolImage
	change  func(*Rollout)
	effects []string
	state   string
	on2     string // the machines on the second image half an hour later
}{
	{
		"plans that change", func(st *stage) { st.roll(gold3, func(r *Rollout) { r.Input.StartTime = noon.Add(10 * time.Hour) }) }, gold2, nil,
		[]string{"cancel", "push"}, "NONE, runs 2", "001 002 003 004 005 006 007 008 009 010",
	},
	{
		"plans that move", func(st *stage) { st.roll(gold2, func(r *Rollout) { r.Input.StartTime = noon.Add(10 * time.Hour) }) }, gold2,
		func(r *Rollout) { r.Input.StartTime = noon.Add(12 * time.Hour) }, []string{"push"}, "SCHEDULE_PUSH_IMAGE, READY 2, runs 1", "",
	},
	{
		"canary in place of another", func(st *stage) {
			st.roll(gold3, func(r *Rollout) { r.Input.Selective = canaries("001") })
			st.Advance(5 * time.Minute)
		}, gold2, func(r *Rollout) { r.Input.Selective = canaries("002") },
		[]string{"apply current", "cancel", "push"}, "NONE, READY_HELD 2, runs 1", "002",
	},
	{
		"other canaries", func(st *stage) {
			st.roll(gold2, func(r *Rollout) { r.Input.Selective = canaries("001") })
			st.Advance(5 * time.Minute)
		}, gold2, func(r *Rollout) { r.Input.Selective, r.WaitFor = canaries("002"), WaitMachines },
		[]string{"apply pending", "apply current"}, "NONE, READY_HELD 2, runs 1", "002",
	},
	{
		"canary for all", func(st *stage) {
			st.roll(gold2, func(r *Rollout) { r.Input.Selective = canaries("001") })
			st.Advance(5 * time.Minute)
		}, gold2, nil,
		[]string{"promote"}, "NONE, runs 2", "001 002 003 004 005 006 007 008 009 010",
	},
}

// troubles are what happens to a request. Cancel is the end of the caller's context.
var troubles = []struct {
	name   string
	fault  simulator.Fault
	cancel bool
	posts  bool // it is a trouble of calls on the pool alone
}{
	{name: "token that ends", fault: simulator.Fault{Effect: simulator.EffectExpireToken}},
	{name: "403", fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 403}},
	{name: "429", fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 429, RetryAfter: "7"}},
	{name: "503", fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 503}},
	{name: "reset before", fault: simulator.Fault{Effect: simulator.EffectResetBefore}},
	{name: "reset after", fault: simulator.Fault{Effect: simulator.EffectResetAfter}},
	{name: "truncated", fault: simulator.Fault{Effect: simulator.EffectTruncatedBody}},
	{name: "hang", fault: simulator.Fault{Effect: simulator.EffectHang}},
	{name: "dropped", fault: simulator.Fault{Effect: simulator.EffectSilentDrop}, posts: true},
	{name: "cancel", cancel: true},
}

// rest are the requests of a session.
const rest = "/horizon/rest/(inventory|external|config)/"

// TestRolloutSurvivesTroubleAtEveryRequest lets each kind of request in turn go wrong
// once: it ends in success or in an error, and the next rollouts end as the first one
// would have, with each call on the pool made once.
func TestRolloutSurvivesTroubleAtEveryRequest(t *testing.T) {
	t.Parallel()
	for _, w := range faultyWork {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			change := func(r *Rollout) {
				r.Interval = time.Minute
				if w.change != nil {
					w.change(r)
				}
			}
			calm := newStage(t, staging{unruly: true})
			w.prepare(calm)
			calm.ResetRequests()
			calm.roll(w.image, change)
			requests := calm.Requests()
			if got := calm.effects(); !slices.Equal(got, w.effects) || calm.state() != w.state {
				t.Fatalf("without trouble %q took effect: %s", got, calm.state())
			}
			for _, n := range kinds(requests) {
				for _, trouble := range troubles {
					call := requests[n-1].Method == http.MethodPost
					if trouble.posts && (!call || strings.HasSuffix(requests[n-1].Path, "apply-image")) {
						continue // What is applied is believed, since only machines show it.
					}
					t.Run(fmt.Sprintf("%s/%d %s %s", trouble.name, n, requests[n-1].Method, requests[n-1].Path), func(t *testing.T) {
						deadline := time.Duration(0)
						if trouble.name == "hang" {
							deadline = 150 * time.Millisecond
						}
						st := newStage(t, staging{unruly: true, deadline: deadline})
						w.prepare(st)
						st.ResetRequests()
						st.server.Config.SetKeepAlivesEnabled(false) // Else net/http repeats by itself on a connection that was used before.
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if trouble.cancel {
							st.arrives = func(arrived int) {
								if arrived == n {
									cancel()
								}
							}
						} else {
							fault := trouble.fault
							fault.Path, fault.Skip = rest, n-1
							st.must(st.AddFault(fault))
						}
						out, err := st.run(ctx, st.rollout(w.image, change))
						st.arrives = nil
						if (err == nil) != out.Reached {
							t.Errorf("%v, and reached is %t", err, out.Reached)
						}
						if late := len(st.Requests()) - n; trouble.cancel && (err == nil && late > 0 || late > 2) {
							t.Errorf("cancelled, it ends with %v after %d more requests", err, late)
						}
						if made := st.effects(); len(out.Made) != len(made) && !trouble.cancel && !trouble.posts {
							t.Errorf("noted are %q, and %q took effect: %v", out.Made, made, err)
						}
						failed := err
						for range 4 {
							if err == nil && out.Reached {
								break
							}
							out, err = st.run(t.Context(), st.rollout(w.image, change))
						}
						if err != nil || !out.Reached || st.state() != w.state {
							t.Fatalf("after %v it does not come to an end: %v, %s, %q", failed, err, st.state(), st.effects())
						}
						count := map[string]int{}
						for _, effect := range st.effects() {
							count[effect]++
						}
						for _, effect := range w.effects {
							if n := count[effect]; n != 1 && (n != 2 || !strings.HasPrefix(effect, "apply")) {
								t.Errorf("%s %d times, after %v: %q", effect, n, failed, st.effects())
							}
						}
						st.Advance(30 * time.Minute)
						if on := st.on(gold2); on != w.on2 {
							t.Errorf("after %v %q are on it, want %q; %q", failed, on, w.on2, st.effects())
						}
					})
				}
			}
		})
	}
}

// kinds are the numbers of each call and the request after it, and of the first request of
// each kind.
func kinds(all []simulator.Request) []int {
	var numbers []int
	seen := map[string]bool{}
	post := func(i int) bool { return i >= 0 && i < len(all) && all[i].Method == http.MethodPost }
	for i, r := range all {
		first := !seen[r.Method+r.Path]
		seen[r.Method+r.Path] = true
		if first || post(i-1) || post(i) {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}

// TestServerThatStaysInTroubleIsGivenUp keeps all looks at a pool from succeeding after
// the push.
func TestServerThatStaysInTroubleIsGivenUp(t *testing.T) {
	t.Parallel()
	st := newStage(t, staging{unruly: true})
	st.must(st.AddFault(simulator.Fault{Method: http.MethodGet, Path: rest, Skip: 3, Count: simulator.Forever, Effect: simulator.EffectStatus, Status: 503}))
	out, err := st.run(t.Context(), st.rollout(gold2, nil))
	if err == nil || !strings.Contains(err.Error(), "503") || out.Reached || out.Claim == nil || len(out.Sent) != 1 {
		t.Errorf("%v %+v", err, out)
	}
	st.ClearFaults()
	st.roll(gold2, nil)
	if got := st.effects(); !slices.Equal(got, []string{"push"}) {
		t.Errorf("%q", got)
	}
}

// TestCallThatIsAcknowledgedAndLostIsNotRepeated lets a server swallow a call for good.
func TestCallThatIsAcknowledgedAndLostIsNotRepeated(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]string{"promote-pending-image": "unseen", "cancel-scheduled-push-image": "unseen", "schedule-push-image": string(PublishFailed)} {
		st := newStage(t, staging{unruly: true})
		r := st.rollout(gold2, nil)
		if action != "schedule-push-image" {
			st.roll(gold2, func(r *Rollout) { r.Input.Selective = canaries() })
			r = st.rollout(gold2, nil)
		}
		if action == "cancel-scheduled-push-image" {
			r = st.rollout(gold1, nil)
		}
		st.must(st.AddFault(simulator.Fault{Path: action, Count: simulator.Forever, Effect: simulator.EffectSilentDrop}))
		st.ResetRequests()
		out, err := st.run(t.Context(), r)
		got := verdict(err)
		if strings.HasPrefix(got, "publish") {
			got = string(PublishFailed)
		}
		if got != want || out.Reached || st.asked() != 1 {
			t.Errorf("%s: %q, asked %d times: %v", action, got, st.asked(), err)
		}
	}
}
