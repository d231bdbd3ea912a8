package horizon

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// rolloutSwitches are the assumptions that a rollout meets, with all their values.
var rolloutSwitches = map[string][]string{
	"horizon-call-visible":        {"20s", "0s", "90s"},
	"horizon-immediate-operation": {"NONE"},
	"horizon-push-answer":         {"pool", "machines"},
	"horizon-push-machines":       {"refused"},
	"horizon-push-same":           {"no-op", "refused"},
	"horizon-failed-image":        {"removed"},
	"horizon-catalogue-image":     {"hidden"},
	"horizon-cancel-triggered":    {"accepted"},
	"horizon-cancel-held":         {"refused"},
	"horizon-cancel-canaries":     {"returned", "refused"},
	"horizon-apply-sessions":      {"logged-off", "refused"},
	"horizon-machine-ids":         {"kept"},
	"horizon-standby":             {"shown"},
}

// answerSwitches are those of them that change what answers look like.
var answerSwitches = []string{"horizon-push-answer", "horizon-push-machines", "horizon-catalogue-image", "horizon-standby"}

// course is a story on a pod that ends in the same way whatever is assumed, but for
// what otherwise says: NAME=VALUE to the end there, "; " between its parts.
type course struct {
	name      string
	play      func(*stage) error
	ends      string // the verdict of the last rollout, and the pool
	otherwise map[string]string
}

func courses() []course {
	tonight := noon.Add(10 * time.Hour)
	roll := func(st *stage, image PoolImage, change func(*DecisionInput)) error {
		out, err := st.run(st.t.Context(), st.rollout(image, func(r *Rollout) {
			if change != nil {
				change(&r.Input)
			}
		}))
		if err != nil {
			return err
		}
		if r := st.rollout(image, nil); !out.Reached && r.Input.Purpose == RunImage {
			st.t.Errorf("it is not reached: %+v", out)
		}
		return nil
	}
	selected := func(names ...string) func(*DecisionInput) {
		return func(in *DecisionInput) { in.Selective = canaries(names...) }
	}
	withdraw := func(st *stage) error {
		_, err := st.run(st.t.Context(), st.rollout(gold3, func(r *Rollout) { r.Input.Purpose = WithdrawPush }))
		return err
	}
	steps := func(all ...func() error) error {
		for _, step := range all {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}
	return []course{
		{name: "full push", ends: "; NONE, runs 2", play: func(st *stage) error { return roll(st, gold2, nil) }},
		{name: "push that waits", ends: "; NONE, runs 2", play: func(st *stage) error {
			return steps(func() error { return roll(st, gold2, func(in *DecisionInput) { in.StartTime = tonight }) }, func() error {
				st.Advance(11 * time.Hour)
				return roll(st, gold2, func(in *DecisionInput) { in.StartTime = tonight })
			})
		}},
		{name: "canary, more canaries, promoted", ends: "; NONE, runs 2", play: func(st *stage) error {
			return steps(
				func() error { return roll(st, gold2, selected("001")) },
				func() error { return roll(st, gold2, selected("001", "002", "003")) },
				func() error { return roll(st, gold2, selected("002", "003")) },
				func() error {
					return roll(st, gold2, func(in *DecisionInput) { in.Selective = &Selective{PromoteImage: gold2.SnapshotID} })
				})
		}},
		{name: "canary that is withdrawn", ends: "; NONE, runs 1", play: func(st *stage) error {
			return steps(func() error { return roll(st, gold2, selected("001", "002")) }, func() error {
				st.Advance(5 * time.Minute)
				return withdraw(st)
			})
		}, otherwise: map[string]string{"horizon-cancel-held=refused": "write 2; NONE, READY_HELD 2, runs 1"}},
		{name: "canary that is withdrawn at once", ends: "; NONE, runs 1", play: func(st *stage) error {
			return steps(func() error { return roll(st, gold2, selected("001", "002")) }, func() error { return withdraw(st) })
		}, otherwise: map[string]string{"horizon-cancel-held=refused": "write 2; NONE, READY_HELD 2, runs 1"}},
		{name: "canary that is replaced", ends: "; NONE, READY_HELD 3, runs 1", play: func(st *stage) error {
			return steps(func() error { return roll(st, gold2, selected("001")) }, func() error { return roll(st, gold3, selected("001", "004")) })
		}, otherwise: map[string]string{"horizon-cancel-held=refused": "write 2; NONE, READY_HELD 2, runs 1"}},
		{name: "canary that is withdrawn from a machine with a session", ends: "; NONE, runs 1", play: func(st *stage) error {
			return steps(func() error { return roll(st, gold2, selected("001")) }, func() error {
				st.Advance(5 * time.Minute)
				st.must(st.SetSessions(engineering, "ENG-001", 1))
				st.in(20*time.Minute, func() { st.must(st.SetSessions(engineering, "ENG-001", 0)) })
				return withdraw(st)
			})
		}, otherwise: map[string]string{
			"horizon-cancel-held=refused":    "write 2; NONE, READY_HELD 2, runs 1",
			"horizon-apply-sessions=refused": "write 0; NONE, READY_HELD 2, runs 1",
		}},
		{name: "push that is withdrawn", ends: "; NONE, runs 1", play: func(st *stage) error {
			return steps(func() error { return roll(st, gold2, func(in *DecisionInput) { in.StartTime = tonight }) }, func() error { return withdraw(st) })
		}},
		{name: "push that fails", ends: "publish: no space; NONE, runs 1", play: func(st *stage) error {
			st.must(st.FailPublish(engineering, "no space"))
			err := roll(st, gold2, nil)
			st.Advance(5 * time.Minute)
			if got := st.state(); strings.Contains(got, "FAILED") {
				st.roll(gold2, nil)
				st.roll(gold1, nil)
			}
			return err
		}},
		{name: "adoption of a push", ends: "; NONE, runs 2", play: func(st *stage) error {
			st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID}, 3*time.Minute)
			return roll(st, gold2, nil)
		}},
		{name: "adoption of a canary", ends: "; NONE, READY_HELD 2, runs 1", play: func(st *stage) error {
			st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID, Selective: true, Machines: []string{"ENG-001"}}, 3*time.Minute)
			return roll(st, gold2, selected("001", "002"))
		}},
		{name: "another push of one's own", ends: "; NONE, runs 3", play: func(st *stage) error {
			return steps(func() error {
				_, err := st.run(st.t.Context(), st.rollout(gold2, func(r *Rollout) { r.WaitFor = WaitAccepted }))
				return err
			}, func() error { return roll(st, gold3, nil) })
		}},
		{name: "another time, and none", ends: "; NONE, runs 3", play: func(st *stage) error {
			return steps(
				func() error { return roll(st, gold2, func(in *DecisionInput) { in.StartTime = tonight }) },
				func() error {
					return roll(st, gold2, func(in *DecisionInput) { in.StartTime = tonight.Add(time.Hour) })
				},
				func() error { return roll(st, gold3, nil) })
		}},
	}
}

// TestRolloutsEndAsWantedWhateverIsAssumed plays every course with each value of each
// assumption about pushes.
func TestRolloutsEndAsWantedWhateverIsAssumed(t *testing.T) {
	t.Parallel()
	for name, values := range rolloutSwitches {
		for _, value := range values {
			assumed := name + "=" + value
			t.Run(assumed, func(t *testing.T) {
				t.Parallel()
				for _, c := range courses() {
					t.Run(c.name, func(t *testing.T) {
						st := newStage(t, staging{assumed: []string{assumed}, free: !slices.Contains(answerSwitches, name)})
						err := c.play(st)
						want := c.ends
						if other, ok := c.otherwise[assumed]; ok {
							want = other
						}
						if got := verdict(err) + "; " + st.state(); got != want {
							t.Errorf("it ends with %q, want %q: %v; %q took effect", got, want, err, st.effects())
						}
						effects := st.effects()
						if n := len(effects); n > 9 {
							t.Errorf("%d calls: %q", n, effects)
						}
						if st.state() == "NONE, runs 1" {
							st.Advance(30 * time.Minute)
							if on := st.on(gold1); len(strings.Fields(on)) != 10 {
								t.Errorf("only %s are on what the pool runs", on)
							}
						}
					})
				}
			})
		}
	}
}

// TestATagThatMovesIsRolledOut follows a tag, which moves, on a pod that shows what the
// tag leads to, and on one that shows the tag alone.
func TestATagThatMovesIsRolledOut(t *testing.T) {
	t.Parallel()
	for _, assumed := range []string{"horizon-catalogue-image=shown", "horizon-catalogue-image=hidden", "horizon-immediate-operation=NONE"} {
		for _, wait := range []WaitFor{WaitAccepted, WaitPublished, WaitMachines} {
			t.Run(assumed+"/"+string(wait), func(t *testing.T) {
				t.Parallel()
				st := newStage(t, staging{assumed: []string{assumed, "horizon-catalogue-image=hidden"}})
				if assumed == "horizon-catalogue-image=shown" {
					st = newStage(t, staging{})
				}
				version := func(name string, image PoolImage) string {
					id := st.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": simulator.HorizonStreamID, "name": name, "status": "AVAILABLE"})
					st.CreateCatalogueObject("im-assets", map[string]any{
						"im_stream_id": simulator.HorizonStreamID, "im_version_id": id, "vcenter_id": simulator.HorizonVCenterID, "clone_type": "INSTANT_CLONE",
						"image_type": "VDI_DESKTOP", "status": "AVAILABLE", "base_vm_id": image.ParentVMID, "base_snapshot_id": image.SnapshotID,
					})
					return id
				}
				first, second := version("2", gold2), version("3", gold3)
				tag := st.CreateCatalogueObject("im-tags", map[string]any{"im_stream_id": simulator.HorizonStreamID, "im_version_id": first, "name": "live"})
				follow := func() *Outcome {
					resolved, err := st.client.ResolveTag(t.Context(), simulator.HorizonStreamID, tag, simulator.HorizonVCenterID)
					st.must(err)
					out, err := st.run(t.Context(), st.rollout(resolved.Image(simulator.HorizonStreamID, tag), func(r *Rollout) {
						r.WaitFor, r.Input.Wanted.VersionID = wait, resolved.VersionID
					}))
					if err != nil || !out.Reached {
						t.Fatalf("%v %+v", err, out)
					}
					return out
				}
				follow()
				st.Advance(time.Hour)
				follow()
				st.must(st.WriteCatalogueObject(tag, map[string]any{"im_version_id": second}))
				out := follow()
				if wait == WaitMachines && (st.on(gold3) == "" || out.Machines.OnImage != 10 || len(strings.Fields(st.on(gold3))) != 10) {
					t.Errorf("%s are on it, counted %+v", st.on(gold3), out.Machines)
				}
				st.Advance(time.Hour)
				follow()
				if on := strings.Fields(st.on(gold3)); len(on) != 10 {
					t.Errorf("only %s are on it", on)
				}
				if got := st.effects(); !slices.Equal(got, []string{"push", "push"}) {
					t.Errorf("%q took effect", got)
				}
			})
		}
	}
}

// TestMachineThatASelectivePushRefusesIsApplied pushes to a machine that goes right
// before the call, and then comes back.
func TestMachineThatASelectivePushRefusesIsApplied(t *testing.T) {
	t.Parallel()
	for assumed, want := range map[string]struct{ first, state string }{
		"horizon-push-machines=reported": {"write 0", "NONE, READY_HELD 2, runs 1"},
		"horizon-push-machines=refused":  {"write 1", "NONE, READY_HELD 2, runs 1"},
	} {
		st := newStage(t, staging{assumed: []string{assumed, "horizon-machine-ids=new"}})
		if assumed == "horizon-push-machines=refused" {
			want.first = "write 2"
		}
		change := func(r *Rollout) { r.Input.Selective = canaries("001", "002") }
		gone := st.rollout(gold2, change)
		gone.BeforePush = func(context.Context) error {
			// The machine gets another id between its reading and the push.
			st.must(st.ApplyCurrentAsSomebodyElse(engineering, "ENG-002"))
			st.Advance(3 * time.Minute)
			return nil
		}
		out, err := st.run(t.Context(), gone)
		if got := verdict(err); got != want.first || out.Reached {
			t.Errorf("%s: %q %v", assumed, got, err)
		}
		st.Advance(15 * time.Minute)
		st.roll(gold2, change)
		st.Advance(10 * time.Minute)
		if on := st.on(gold2); on != "001 002" || st.state() != want.state {
			t.Errorf("%s: %s are on it, %s", assumed, on, st.state())
		}
		if got := st.effects(); strings.Count(strings.Join(got, " "), "push") != 1 {
			t.Errorf("%s: %q", assumed, got)
		}
	}
}
