package horizon

import (
	"testing"
	"time"
)

// TestAPushOfWhatThePoolRunsIsOverWhenItWasSeen holds the slot of such a push until then.
func TestAPushOfWhatThePoolRunsIsOverWhenItWasSeen(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 5, 6, 22, 0, 0, 0, time.UTC)
	image := PoolImage{ParentVMID: "vm-7", SnapshotID: "snapshot-8"}
	idle := Pool{Current: image, Operation: operationNone}
	pushing := Pool{Current: image, Pending: image, Operation: operationPush, PendingState: statePublishing}
	for _, c := range []struct {
		name  string
		pools []Pool
		after time.Duration
		over  bool
	}{
		{"not shown yet", []Pool{idle}, time.Minute, false},
		{"under way", []Pool{idle, pushing}, time.Minute, false},
		{"seen", []Pool{pushing, idle}, time.Minute, true},
		{"never shown", []Pool{idle}, unseenFor, true},
	} {
		f := Publishing{Target: Target{Image: image}, Since: at, Again: true}
		over := false
		for i := range c.pools {
			var err error
			if over, err = f.Done(&c.pools[i], at.Add(c.after)); err != nil {
				t.Fatal(err)
			}
		}
		if over != c.over {
			t.Errorf("%s: over is %v", c.name, over)
		}
	}
}

func TestOrdersAreRefusedForAPoolThatIsDeleted(t *testing.T) {
	t.Parallel()
	for _, order := range []Purpose{OrderPush, OrderPromote, OrderCancel, OrderApplyPending, OrderApplyCurrent, OrderResume} {
		in := DecisionInput{Purpose: order, Pool: &Pool{Operation: operationNone, DeleteInProgress: true}, Halted: &HaltedTask{ID: "t", Halted: 1}, Selective: &Selective{Names: []string{"VDI-1"}}}
		if d := Decide(in); d.Refusal == nil || d.Refusal.Matter != PoolDeleted {
			t.Errorf("%s: %+v", order, d)
		}
		in.Pool = &Pool{Operation: "SOMETHING_NEW"}
		if d := Decide(in); d.Refusal == nil || d.Refusal.Matter != StateUnknown {
			t.Errorf("%s in an unknown state: %+v", order, d)
		}
	}
}
