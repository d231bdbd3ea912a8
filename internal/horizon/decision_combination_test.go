package horizon

import (
	"slices"
	"testing"
	"time"
)

// combination is one of everything that the table asks for.
type combination struct {
	operation, state string
	pending          string // none, wanted, other
	current          string // wanted, other
	claim            string // none, adopted, full, selective: of the pending image
	triggered        bool
	selective        string // none, canary, promote, stale
	hold             string // push, hold, hold-new: with another wish than last
	overwrite        bool
	settings         string // equal, differ, time
}

func (c combination) input() DecisionInput {
	image := map[string]PoolImage{"wanted": v2, "other": v3}
	p := at(c.operation, c.state, image[c.pending])
	if c.current == "wanted" {
		p.Current = v2
	}
	start := night
	if c.triggered {
		start = time.Time{}
	}
	if c.operation == "SCHEDULE_PUSH_IMAGE" {
		p.PushSettings = scheduledPush(v2, start).PushSettings
	}
	in := wants(p, nil)
	claims := map[string]*Claim{"adopted": adopted(p.Pending), "full": pushed(p.Pending), "selective": pushed(p.Pending, ann)}
	in.Claim = claims[c.claim]
	in.Selective = map[string]*Selective{"canary": {Names: []string{"BEA"}}, "promote": {Names: []string{"BEA"}, PromoteImage: "snapshot-2"}, "stale": {PromoteImage: "snapshot-1"}}[c.selective]
	if c.hold != "push" {
		in.OnDrift, in.LastWanted = HoldDrift, &Target{Image: map[string]PoolImage{"hold": v2, "hold-new": v1}[c.hold]}
	}
	if c.overwrite {
		in.OnConflict = OverwriteConflict
	}
	switch c.settings {
	case "differ":
		in.LogoffPolicy = ForceLogoff
	case "time":
		in.StartTime = later
	}
	return in
}

// ours says whether the pending image can be the claimed one: what was pushed to the whole
// pool is never held.
func (c combination) ours() bool {
	held := c.operation == "NONE" && c.state == "READY_HELD"
	return c.state != "" && c.pending != "none" && c.claim != "none" && (c.claim != "full" || !held)
}

// row reads the table once more, from the combination instead of the documents.
func (c combination) row() int {
	push, idle := c.operation == "SCHEDULE_PUSH_IMAGE", c.operation == "NONE"
	known := slices.Contains([]string{"NONE", "INITIAL_PUBLISH", "SCHEDULE_PUSH_IMAGE", "CANCEL_SCHEDULED_PUSH_IMAGE", "INFRASTRUCTURE_CHANGE", "FINAL_UNPUBLISH"}, c.operation) &&
		slices.Contains([]string{"", "PENDING_PUBLISH", "PUBLISHING", "READY", "READY_HELD", "FAILED", "UNPUBLISHING"}, c.state)
	there, ours := c.state != "" && c.pending != "none", c.ours()
	pw, cw := there && c.pending == "wanted", c.current == "wanted"
	may := ours || c.overwrite

	publishes := idle && (c.state == "PENDING_PUBLISH" || c.state == "PUBLISHING") && (pw || ours)
	effectiveIsPending := there && (publishes || push && c.state != "FAILED" && c.state != "UNPUBLISHING" || idle && c.state == "READY_HELD" && ours)
	drift := !cw
	if effectiveIsPending {
		drift = !pw && !ours
	}
	others := c.settings == "differ" || ours && c.claim == "full" && c.selective != "none"
	time := c.settings == "time"
	transitional := c.state == "PENDING_PUBLISH" || c.state == "PUBLISHING" || c.state == "READY"
	switch {
	case c.operation == "FINAL_UNPUBLISH":
		return 1
	case c.hold == "hold" && drift && (c.state != "FAILED" || !pw):
		return 2
	case !known:
		return 21
	case c.operation == "INITIAL_PUBLISH" && c.state == "FAILED":
		return 3
	case push && c.state == "FAILED":
		return 4
	case !idle && !push, c.state == "UNPUBLISHING", push && !there:
		return 5
	case idle && transitional:
		return 6
	case push && pw && !others && !time:
		return 7
	case push && pw && c.triggered:
		return 8
	case push && pw && !others:
		return 9
	case push && pw:
		return 10
	case push && c.triggered:
		return 13
	case push && !ours && cw:
		return 11
	case push:
		return 12
	case c.state != "READY_HELD":
		return 20
	case pw && cw:
		return 14
	case pw && (c.selective == "promote" || c.selective == "none" && may):
		return 15
	case pw && c.selective != "none":
		return 16
	case !ours && cw:
		return 17
	case !may:
		return 18
	}
	return 19
}

func TestEveryCombinationLandsInItsRow(t *testing.T) {
	t.Parallel()
	operations := append(slices.Clone(knownOperations), "", "SUSPEND")
	states := append(slices.Clone(knownStates), "RESTING")
	seen := map[int]int{}
	for _, operation := range operations {
		for _, state := range states {
			for _, pending := range []string{"none", "wanted", "other"} {
				for _, current := range []string{"wanted", "other"} {
					for _, claim := range []string{"none", "adopted", "full", "selective"} {
						for _, triggered := range []bool{false, true} {
							for _, selective := range []string{"none", "canary", "promote", "stale"} {
								for _, hold := range []string{"push", "hold", "hold-new"} {
									for _, overwrite := range []bool{false, true} {
										for _, settings := range []string{"equal", "differ", "time"} {
											c := combination{operation, state, pending, current, claim, triggered, selective, hold, overwrite, settings}
											if triggered && operation != "SCHEDULE_PUSH_IMAGE" {
												continue // Nothing is.
											}
											in := c.input()
											d := Decide(in)
											seen[d.Row]++
											c.check(t, d)
											if settings != "time" && !overwrite {
												in.Purpose = WithdrawPush
												c.checkWithdrawal(t, Decide(in))
											}
											if t.Failed() {
												t.FailNow()
											}
										}
									}
								}
							}
						}
					}
				}
			}
		}
	}
	for row := 1; row <= 21; row++ {
		if seen[row] == 0 {
			t.Errorf("no combination is in row %d", row)
		}
	}
}

func (c combination) check(t *testing.T, d Decision) {
	t.Helper()
	if want := c.row(); d.Row != want {
		t.Errorf("%+v is in row %d, want %d", c, d.Row, want)
	}
	ours := c.ours()
	for _, call := range d.Calls {
		if call.Kind == CallCancel && !ours && !c.overwrite {
			t.Errorf("%+v: somebody else's image is cancelled", c)
		}
		if call.String() == "" {
			t.Errorf("%+v: %+v", c, call)
		}
	}
	if d.Refusal != nil && (d.Calls != nil || d.Pause != nil) {
		t.Errorf("%+v is refused, and %+v", c, d)
	}
	if d.Pause != nil && d.NeedsMachines {
		t.Errorf("%+v needs machines before its wait", c)
	}
	if d.Pause != nil || len(d.Calls) == 0 {
		return
	}
	// What is sent now has to be allowed now.
	first := d.Calls[0]
	idle, held := c.operation == "NONE", c.operation == "NONE" && c.state == "READY_HELD"
	waiting := c.operation == "SCHEDULE_PUSH_IMAGE" && !c.triggered
	allowed := map[CallKind]bool{
		CallPush: idle && (c.state == "" || c.state == "FAILED"), CallCancel: waiting || held, CallReschedule: waiting && c.pending == "wanted",
		CallPromote: held && c.pending == "wanted", CallApplyPending: held && c.pending == "wanted", CallApplyCurrent: held,
	}
	if !allowed[first.Kind] {
		t.Errorf("%+v sends %s", c, first)
	}
	if c.current == "wanted" && slices.ContainsFunc(d.Calls, func(call Call) bool { return call.Kind == CallPush }) {
		t.Errorf("%+v pushes what runs: %v", c, d.Calls)
	}
}

func (c combination) checkWithdrawal(t *testing.T, d Decision) {
	t.Helper()
	ours := c.ours() && c.claim != "adopted"
	waiting := c.operation == "SCHEDULE_PUSH_IMAGE" && !c.triggered && c.state != "FAILED" && c.state != "UNPUBLISHING" && c.state != "RESTING"
	held := c.operation == "NONE" && c.state == "READY_HELD"
	cancels := len(d.Calls) > 0 && d.Calls[len(d.Calls)-1].Kind == CallCancel
	if d.Refusal != nil || d.Pause != nil || cancels != (ours && (waiting || held)) || !cancels && d.Calls != nil ||
		slices.ContainsFunc(d.Calls, func(call Call) bool { return call.Kind != CallCancel && call.Kind != CallApplyCurrent }) {
		t.Errorf("%+v: withdrawn by %+v", c, d)
	}
}
