package horizon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

func TestRolloutEndsWithWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		wait  WaitFor
		least time.Duration
		most  time.Duration
		state string
		on    int
	}{
		{"accepted", WaitAccepted, 0, 2 * time.Minute, "SCHEDULE_PUSH_IMAGE, PENDING_PUBLISH 2, runs 1", 0},
		{"published", WaitPublished, 10 * time.Minute, 11 * time.Minute, "NONE, runs 2", 0},
		{"machines", WaitMachines, 20 * time.Minute, 21 * time.Minute, "NONE, runs 2", 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, staging{})
			began := st.Now()
			out := st.roll(gold2, func(r *Rollout) { r.WaitFor = c.wait })
			if took := st.Now().Sub(began); took < c.least || took > c.most || st.state() != c.state {
				t.Errorf("it took %s: %s", took, st.state())
			}
			if c.wait == WaitMachines && (len(strings.Fields(st.on(gold2))) != c.on || out.Machines.OnImage != 10 || out.Machines.Total != 10) {
				t.Errorf("on it are %s, counted %+v", st.on(gold2), out.Machines)
			}
			if got := slices.Compact(slices.Clone(st.progress)); len(got) != len(st.progress) {
				t.Errorf("progress is told twice: %q", st.progress)
			}
		})
	}
}

// TestMachinesAreWaitedForAsFarAsAPushReachesThem has machines that no push touches,
// one with a session, and asks for a part of them.
func TestMachinesAreWaitedForAsFarAsAPushReachesThem(t *testing.T) {
	t.Parallel()
	st := newStage(t, staging{})
	st.must(st.SetMachine(engineering, "ENG-001", simulator.MachineState{Maintenance: true}))
	st.must(st.SetMachine(engineering, "ENG-002", simulator.MachineState{Disabled: true}))
	st.must(st.SetMachine(engineering, "ENG-003", simulator.MachineState{Missing: true}))
	st.must(st.SetMachine(engineering, "ENG-004", simulator.MachineState{Held: true}))
	st.must(st.SetSessions(engineering, "ENG-005", 1))
	began := st.Now()
	out := st.roll(gold2, func(r *Rollout) { r.WaitFor, r.Percent = WaitMachines, 80 })
	want := MachineCount{Total: 10, OnImage: 5, Unreachable: 3, Held: 1}
	if *out.Machines != want || out.Machines.Reachable() != 6 {
		t.Errorf("%+v", out.Machines)
	}
	if took := st.Now().Sub(began); took > 20*time.Minute {
		t.Errorf("it took %s", took)
	}
	st.in(2*time.Hour, func() { st.must(st.EndSessions(engineering)) })
	out = st.roll(gold2, func(r *Rollout) { r.WaitFor, r.Interval = WaitMachines, 5*time.Minute })
	if took := st.Now().Sub(began); out.Machines.OnImage != 6 || took < 2*time.Hour || took > 3*time.Hour {
		t.Errorf("%+v after %s", out.Machines, took)
	}
	if got := st.effects(); !slices.Equal(got, []string{"push"}) {
		t.Errorf("%q", got)
	}
}

// TestSomebodysCanariesAreNotWaitedFor has another image held for a machine.
func TestSomebodysCanariesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	st := newStage(t, staging{})
	st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, Selective: true, Machines: []string{"ENG-007"}}, 15*time.Minute)
	out := st.roll(gold1, func(r *Rollout) { r.WaitFor = WaitMachines })
	if want := (MachineCount{Total: 10, OnImage: 9, Held: 1}); *out.Machines != want {
		t.Errorf("%+v", out.Machines)
	}
}

// TestFailedMachinesAreReportedAndRetriedOnce lets two machines fail.
func TestFailedMachinesAreReportedAndRetriedOnce(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"2111", "2206", "2512"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			st := newStage(t, staging{release: release})
			st.must(st.FailMachine(engineering, "ENG-002", "no address"))
			waits := func(r *Rollout) { r.WaitFor = WaitMachines }
			_, err := st.run(t.Context(), st.rollout(gold2, waits))
			var halted *HaltedError
			if !errors.As(err, &halted) || !slices.Equal(halted.Task.Failed, []string{"ENG-002"}) || halted.Task.FirstError != "ENG-002: no address" || halted.Task.Halted == 0 ||
				halted.Machines.Failed != 1 || !strings.Contains(err.Error(), "ENG-002") {
				t.Fatalf("%v", err)
			}
			look := func() *HaltedTask {
				t.Helper()
				there, task, err := st.client.PushTasks(t.Context(), st.poolID)
				if err != nil || !there || task == nil {
					t.Fatalf("%t %+v %v", there, task, err)
				}
				return task
			}
			// Without leave it is a warning.
			st.ResetRequests()
			task := look()
			out := st.roll(gold2, func(r *Rollout) { r.Input.Halted = task })
			if len(out.Warnings) != 1 || out.Warnings[0].Matter != MachinesHalted || out.Warnings[0].Count != task.Halted || st.asked() != 0 {
				t.Errorf("%+v", out.Warnings)
			}
			st.must(st.FailMachine(engineering, "ENG-002", "no address"))
			retry := func(r *Rollout) {
				r.WaitFor, r.Input.Halted, r.Input.RetryFailedMachines = WaitMachines, look(), true
			}
			if _, err = st.run(t.Context(), st.rollout(gold2, retry)); verdict(err) != "halted" || !slices.Equal(st.effects(), []string{"resume"}) {
				t.Fatalf("%v %q", err, st.effects())
			}
			// The same machines are not retried once more, others are.
			out = st.roll(gold2, func(r *Rollout) {
				retry(r)
				r.WaitFor, r.Input.Retried = WaitPublished, []string{"ENG-002"}
			})
			if len(out.Made) != 0 || len(out.Warnings) != 1 {
				t.Errorf("%+v", out)
			}
			out = st.roll(gold2, func(r *Rollout) {
				retry(r)
				r.Input.Retried = []string{"ENG-009"}
			})
			if len(out.Made) != 1 || out.Machines.OnImage != 10 || len(strings.Fields(st.on(gold2))) != 10 {
				t.Errorf("%+v: %s", out, st.on(gold2))
			}
			if there, task, err := st.client.PushTasks(t.Context(), st.poolID); there || task != nil || err != nil {
				t.Errorf("%t %+v %v", there, task, err)
			}
		})
	}
}

func TestMachineThatDoesNotLeaveIsNamedAtTheEndOfTheTime(t *testing.T) {
	t.Parallel()
	st := newStage(t, staging{})
	st.roll(gold2, func(r *Rollout) { r.Input.Selective = canaries("001", "002") })
	st.Advance(10 * time.Minute)
	st.must(st.SetSessions(engineering, "ENG-002", 1))
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("the time is up")
	st.in(time.Hour, func() { cancel(late) })
	_, err := st.run(ctx, st.rollout(gold3, nil))
	var leaving *LeavingError
	if !errors.As(err, &leaving) || len(leaving.Machines) != 1 || leaving.Machines[0].Name != "ENG-002" || !errors.Is(err, late) {
		t.Fatalf("%v", err)
	}
	if got := st.effects(); !slices.Equal(got, []string{"push", "apply current"}) {
		t.Errorf("%q", got)
	}
	st.must(st.EndSessions(engineering))
	st.roll(gold3, nil)
	if got := st.effects(); !slices.Equal(got, []string{"push", "apply current", "cancel", "push"}) {
		t.Errorf("%q", got)
	}
}

// TestAnotherPushWhileMachinesAreWaitedForEndsTheWait has somebody push in between.
func TestAnotherPushWhileMachinesAreWaitedForEndsTheWait(t *testing.T) {
	t.Parallel()
	st := newStage(t, staging{})
	st.must(st.SetSessions(engineering, "ENG-010", 1))
	st.in(time.Hour, func() { st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID}, 0) })
	r := st.rollout(gold2, func(r *Rollout) { r.WaitFor = WaitMachines })
	r.Planned = NewPlannedCalls([]string{st.first(r).Calls[0].String()})
	out, err := st.run(t.Context(), r)
	if err != nil || out.Reached || len(out.Unplanned) != 1 {
		// A push of what was pushed already is not made anew in one run.
		if verdict(err) != string(PublishFailed) {
			t.Errorf("%v %+v", err, out)
		}
	}
	if got := st.effects(); !slices.Equal(got, []string{"push"}) {
		t.Errorf("%q", got)
	}
}

// TestWhatWasNotPlannedIsNotSent changes the world between the plan and the rollout, and
// during it.
func TestWhatWasNotPlannedIsNotSent(t *testing.T) {
	t.Parallel()
	tonight := noon.Add(10 * time.Hour)
	plan := func(st *stage, r *Rollout) {
		r.Planned = &PlannedCalls{}
		for _, c := range st.first(*r).Calls {
			r.Planned.left = append(r.Planned.left, c.String())
		}
	}
	t.Run("before it", func(t *testing.T) {
		t.Parallel()
		st := newStage(t, staging{})
		r := st.rollout(gold2, func(r *Rollout) { r.Input.OnConflict = OverwriteConflict })
		plan(st, &r)
		st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, StartTime: tonight}, time.Hour)
		out, err := st.run(t.Context(), r)
		var unplanned *UnplannedError
		if !errors.As(err, &unplanned) || len(unplanned.Planned) != 1 || len(unplanned.Needed) != 2 || st.asked() != 0 || out.Reached || out.Claim != nil {
			t.Errorf("%v %+v", err, out)
		}
	})
	t.Run("after a wait", func(t *testing.T) {
		t.Parallel()
		st := newStage(t, staging{})
		st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID}, 2*time.Minute)
		r := st.rollout(gold2, func(r *Rollout) { r.Input.OnConflict = OverwriteConflict })
		plan(st, &r)
		if r.Planned.left != nil {
			t.Fatalf("%q", r.Planned.left)
		}
		st.in(time.Minute, func() { st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID}, 0) })
		out, err := st.run(t.Context(), r)
		if verdict(err) == "" && (out.Reached || len(out.Unplanned) == 0) || st.asked() != 0 {
			t.Errorf("%v %+v", err, out)
		}
	})
	t.Run("after a wait of which the end was not known", func(t *testing.T) {
		t.Parallel()
		st := newStage(t, staging{})
		st.must(st.SetPoolOperation(engineering, simulator.PoolOperation{Operation: "INFRASTRUCTURE_CHANGE"}))
		r := st.rollout(gold2, nil)
		plan(st, &r)
		st.in(3*time.Minute, func() { st.must(st.SetPoolOperation(engineering, simulator.PoolOperation{Operation: "NONE"})) })
		out, err := st.run(t.Context(), r)
		if err != nil || out.Reached || len(out.Unplanned) != 1 || out.Unplanned[0].Kind != CallPush || st.asked() != 0 {
			t.Errorf("%v %+v", err, out)
		}
		// The next plan shows it.
		again := st.rollout(gold2, nil)
		plan(st, &again)
		if out, err := st.run(t.Context(), again); err != nil || !out.Reached {
			t.Errorf("%v %+v", err, out)
		}
	})
	t.Run("in the middle", func(t *testing.T) {
		t.Parallel()
		st := newStage(t, staging{})
		st.roll(gold3, func(r *Rollout) { r.Input.StartTime = tonight })
		st.ResetRequests()
		r := st.rollout(gold2, func(r *Rollout) { r.Input.OnConflict = OverwriteConflict })
		plan(st, &r)
		// While its own push is taken back, somebody holds an image.
		st.in(110*time.Second, func() { st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, StartTime: tonight}, 0) })
		out, err := st.run(t.Context(), r)
		if got := st.effects(); err != nil || out.Reached || !slices.Equal(got, []string{"cancel"}) || len(out.Unplanned) == 0 || len(out.Made) != 1 {
			t.Errorf("%v %q %+v", err, got, out)
		}
	})
	t.Run("fewer machines", func(t *testing.T) {
		t.Parallel()
		st := newStage(t, staging{})
		st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID, Selective: true, Machines: []string{"ENG-001"}}, 15*time.Minute)
		r := st.rollout(gold2, func(r *Rollout) { r.Input.Selective = canaries("002", "003") })
		plan(st, &r)
		st.must(st.ApplyPendingAsSomebodyElse(engineering, "ENG-002"))
		out, err := st.run(t.Context(), r)
		st.Advance(10 * time.Minute)
		if err != nil || !out.Reached || st.on(gold2) != "001 002 003" {
			t.Errorf("%v %+v: %s", err, out, st.on(gold2))
		}
	})
}

// TestSlotsAreGivenBack rolls out behind a governor: a push leaves the slot when it is
// published, and one that is not made leaves it at once.
func TestSlotsAreGivenBack(t *testing.T) {
	t.Parallel()
	free := func(st *stage, g *Governor) {
		t.Helper()
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.slots) != 0 || len(g.queue) != 0 {
			t.Errorf("%d slots are taken, %d wait", len(g.slots), len(g.queue))
		}
	}
	governed := func(g *Governor, change func(*Rollout)) func(*Rollout) {
		return func(r *Rollout) {
			r.Governor = g
			if change != nil {
				change(r)
			}
		}
	}
	st, g := newStage(t, staging{unruly: true}), NewGovernor(1, 0)
	st.roll(gold2, governed(g, nil))
	free(st, g)
	st.roll(gold3, governed(g, func(r *Rollout) { r.Input.Selective = canaries("001") }))
	free(st, g)
	st.roll(gold1, governed(g, func(r *Rollout) { r.Input.StartTime = st.Now().Add(time.Hour) }))
	free(st, g)

	refused := newStage(t, staging{unruly: true})
	refused.must(refused.AddFault(simulator.Fault{Path: "schedule-push-image", Effect: simulator.EffectStatus, Status: 403}))
	if _, err := refused.run(t.Context(), refused.rollout(gold2, governed(g, nil))); verdict(err) != "write 2" {
		t.Errorf("%v", err)
	}
	free(refused, g)
	not := errors.New("not now")
	if _, err := refused.run(t.Context(), refused.rollout(gold2, governed(g, func(r *Rollout) {
		r.BeforePush = func(context.Context) error { return not }
	}))); !errors.Is(err, not) {
		t.Errorf("%v", err)
	}
	free(refused, g)
	// A server that asks for patience is asked again, and meanwhile somebody pushes.
	refused.must(refused.AddFault(simulator.Fault{Path: "schedule-push-image", Effect: simulator.EffectStatus, Status: 429, RetryAfter: "30"}))
	refused.in(20*time.Second, func() { refused.somebody(simulator.Push{SnapshotID: gold2.SnapshotID}, 0) })
	refused.in(time.Minute, func() { free(refused, g) })
	if out := refused.roll(gold2, governed(g, nil)); len(out.Made) != 0 {
		t.Errorf("%+v", out)
	}
	free(refused, g)
}
