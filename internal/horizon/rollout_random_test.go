package horizon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// TestRandomHistoriesOfRollouts rolls random images out between random steps of somebody
// else. What the pool already runs is never pushed, nothing is cancelled that is not
// one's own unless that is asked for, what is reached is what was wanted and left
// alone by the next rollout, and no more is sent than was planned.
func TestRandomHistoriesOfRollouts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		assumed := []string{}
		for _, name := range []string{"horizon-call-visible", "horizon-immediate-operation", "horizon-failed-image", "horizon-cancel-canaries", "horizon-standby", "horizon-machine-ids"} {
			if values := rolloutSwitches[name]; rapid.Bool().Draw(rt, name) {
				assumed = append(assumed, name+"="+rapid.SampledFrom(values).Draw(rt, "is"))
			}
		}
		st := newStage(t, staging{free: true, assumed: assumed})
		defer st.server.Close()
		h := &history{rt: rt, stage: st}
		for range rapid.IntRange(1, 5).Draw(rt, "steps") {
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				h.meddle()
			case 1:
				h.pass()
			default:
				h.roll()
			}
		}
	})
}

// history is what has happened to a pod.
type history struct {
	*stage

	rt   *rapid.T
	says []string
}

func (h *history) say(format string, args ...any) {
	h.says = append(h.says, fmt.Sprintf("%s: ", h.Now().Format(time.TimeOnly))+fmt.Sprintf(format, args...)+" -> "+h.state())
}

func (h *history) fatal(format string, args ...any) {
	h.rt.Helper()
	h.rt.Fatalf(format+"\n%s", append(args, strings.Join(h.says, "\n"))...)
}

func (h *history) pass() {
	d := rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Second, 3 * time.Minute, 7 * time.Minute, 2 * time.Hour}).Draw(h.rt, "passes")
	h.Advance(d)
	h.say("%s pass", d)
}

var golds = []PoolImage{gold1, gold2, gold3}

// meddle is a step of somebody else.
func (h *history) meddle() {
	what := rapid.SampledFrom([]string{"push", "schedule", "hold", "promote", "cancel", "fail"}).Draw(h.rt, "somebody")
	p := simulator.Push{VMID: gold1.ParentVMID, SnapshotID: rapid.SampledFrom(golds).Draw(h.rt, "their image").SnapshotID}
	idle := !strings.Contains(h.state(), ",") || strings.HasPrefix(h.state(), "NONE, runs")
	var err error
	switch {
	case what == "promote" && strings.Contains(h.state(), "READY_HELD"):
		err = h.PromoteAsSomebodyElse(engineering)
	case what == "cancel" && (strings.Contains(h.state(), "READY")):
		err = h.CancelAsSomebodyElse(engineering)
	case what == "fail":
		err = h.FailPublish(engineering, "no space")
	case !idle || what == "promote" || what == "cancel":
		return
	default:
		if what == "schedule" {
			p.StartTime = h.Now().Add(3 * time.Hour).Truncate(time.Second)
		}
		if what == "hold" {
			p.Selective, p.Machines = true, []string{"ENG-007"}
		}
		h.claim = h.forget(h.claim, p.SnapshotID)
		err = h.PushAsSomebodyElse(engineering, p)
	}
	if err != nil {
		h.fatal("%s: %v", what, err)
	}
	h.say("somebody: %s %s", what, p.SnapshotID)
}

// forget drops a claim on an image that somebody else pushes now: who cannot tell the
// two apart takes it for one's own.
func (h *history) forget(c *Claim, snapshot string) *Claim {
	if c != nil && c.Target.Image.SnapshotID == snapshot {
		return nil
	}
	return c
}

func (h *history) roll() {
	rt := h.rt
	image := rapid.SampledFrom(golds).Draw(rt, "image")
	r := h.rollout(image, func(r *Rollout) {
		r.Interval = 2 * time.Minute
		r.WaitFor = rapid.SampledFrom([]WaitFor{WaitAccepted, WaitPublished, WaitPublished, WaitMachines}).Draw(rt, "wait for")
		in := &r.Input
		in.OnConflict = rapid.SampledFrom([]OnConflict{FailOnConflict, OverwriteConflict}).Draw(rt, "conflict")
		in.OnDrift = rapid.SampledFrom([]OnDrift{PushDrift, PushDrift, HoldDrift}).Draw(rt, "drift")
		in.LogoffPolicy = rapid.SampledFrom([]string{"", ForceLogoff}).Draw(rt, "policy")
		in.Reschedule = rapid.Bool().Draw(rt, "reschedule")
		in.Purpose = rapid.SampledFrom([]Purpose{RunImage, RunImage, RunImage, WithdrawPush}).Draw(rt, "purpose")
		if rapid.Bool().Draw(rt, "later") {
			in.StartTime = h.Now().Add(rapid.SampledFrom([]time.Duration{-time.Hour, 2 * time.Hour, 4 * time.Hour}).Draw(rt, "start")).Truncate(time.Second)
			in.AllowPastStartTime = true
		}
		in.Selective = rapid.SampledFrom([]*Selective{nil, nil, canaries(), canaries("001"), canaries("002", "003"), {Names: []string{"ENG-001"}, PromoteImage: image.SnapshotID}}).Draw(rt, "selective")
	})
	var plan []string
	if rapid.Bool().Draw(rt, "planned") {
		for _, c := range h.first(r).Calls {
			plan = append(plan, c.String())
		}
		r.Planned = NewPlannedCalls(plan)
	}
	h.ResetRequests()
	r.BeforePush = func(context.Context) error {
		if h.runs(image) {
			h.fatal("what runs is pushed")
		}
		return nil
	}
	claimed := h.claim
	out, err := h.run(h.t.Context(), r)
	effects := h.effects()
	h.say("rolling %s out for %q with %+v, wait %s, plan %q: %v, %q, reached %t", image.SnapshotID, r.Input.Purpose, r.Input.Selective, r.WaitFor, plan, err, out.Made, out.Reached)
	if h.requests > mostRequests {
		h.fatal("it does not end")
	}
	for _, sent := range out.Sent {
		if !slices.Contains(out.Made, sent.String()) {
			continue
		}
		if sent.Kind == CallCancel && r.Input.OnConflict != OverwriteConflict && (claimed == nil || !claimed.Target.Image.same(sent.Target.Image)) && !slices.ContainsFunc(out.Made, func(m string) bool {
			return strings.HasPrefix(m, "schedule-push-image: "+sent.Target.Image.String())
		}) {
			h.fatal("somebody else's image was cancelled: %s", sent)
		}
	}
	if r.Planned != nil && len(out.Made) > len(plan) {
		h.fatal("more was sent than was planned: %q", out.Made)
	}
	if r.Input.Purpose == WithdrawPush && slices.ContainsFunc(effects, func(e string) bool { return e == "push" || e == "promote" || e == "apply pending" }) {
		h.fatal("a withdrawal does more: %q", effects)
	}
	if err != nil || !out.Reached || r.Input.Purpose == WithdrawPush {
		return
	}
	if e, _ := Effective(DecisionInput{Pool: out.Pool, Claim: out.Claim, Sent: out.Sent, Now: out.Now}); !e.Image.same(image) && !h.runs(image) {
		h.fatal("reached is %s instead of %s", e.Image, image)
	}
	h.ResetRequests()
	r.Planned, r.Input.Claim, r.Input.Sent, r.Input.LastWanted, r.WaitFor = nil, h.claim, h.sent, h.last, WaitAccepted
	if d := h.first(r); len(d.Calls) != 0 && d.Pause == nil {
		h.fatal("once more it would send %v in row %d", d.Calls, d.Row)
	}
}

// runs says whether the pool runs an image.
func (h *history) runs(image PoolImage) bool {
	settings, _ := h.Pool(engineering)["provisioning_settings"].(map[string]any)
	return settings["base_snapshot_id"] == image.SnapshotID
}
