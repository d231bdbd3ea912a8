package horizon

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	noon  = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
	night = noon.Add(10 * time.Hour)
	later = night.Add(time.Hour)

	v1 = PoolImage{ParentVMID: "vm-7", ParentVMPath: "/DC/vm/gold", SnapshotID: "snapshot-1", SnapshotPath: "/v1"}
	v2 = PoolImage{ParentVMID: "vm-7", ParentVMPath: "/DC/vm/gold", SnapshotID: "snapshot-2", SnapshotPath: "/v1/v2"}
	v3 = PoolImage{ParentVMID: "vm-7", ParentVMPath: "/DC/vm/gold", SnapshotID: "snapshot-3", SnapshotPath: "/v1/v2/v3"}

	ann  = MachineRef{"m-1", "ANN"}
	bea  = MachineRef{"m-2", "BEA"}
	cleo = MachineRef{"m-3", "CLEO"}
)

func the[T any](v T) *T { return &v }

// at is a pool that runs v1.
func at(operation, state string, pending PoolImage) *Pool {
	return &Pool{ID: poolA, Operation: operation, CurrentState: "READY", Current: v1, AddVirtualTPM: the(true), PendingState: state, Pending: pending}
}

// scheduledPush is a pool that runs v1 and gets another image at a time; at once for none.
func scheduledPush(image PoolImage, start time.Time) *Pool {
	p := at("SCHEDULE_PUSH_IMAGE", "READY", image)
	p.PushSettings = &PushSettings{LogoffPolicy: WaitForLogoff, StopOnFirstError: the(true), AddVirtualTPM: the(true), StartTime: start}
	return p
}

func pushed(image PoolImage, canaries ...MachineRef) *Claim {
	spec := &PushSpec{Image: image, LogoffPolicy: WaitForLogoff, StopOnFirstError: true, AddVirtualTPM: true, StartTime: night}
	if canaries != nil {
		spec.Selective = &SelectiveSpec{}
		for _, m := range canaries {
			spec.Selective.MachineIDs = append(spec.Selective.MachineIDs, m.ID)
		}
	}
	return &Claim{Target: Target{Image: image}, Spec: spec, Canaries: canaries}
}

func adopted(image PoolImage) *Claim { return &Claim{Target: Target{Image: image}} }

// wants is an input that wants v2.
func wants(p *Pool, change func(*DecisionInput)) DecisionInput {
	in := DecisionInput{Pool: p, Wanted: Target{Image: v2}, LogoffPolicy: WaitForLogoff, StopOnFirstError: the(true), Reschedule: true, Now: noon}
	if change != nil {
		change(&in)
	}
	return in
}

func running(p *Pool, image PoolImage) *Pool {
	p.Current = image
	return p
}

func listed(refs map[MachineRef][2]PoolImage) *MachineList {
	l := &MachineList{}
	for ref, images := range refs {
		l.Machines = append(l.Machines, &Machine{ID: ref.ID, Name: ref.Name, Image: images[0], Pending: images[1]})
	}
	slices.SortFunc(l.Machines, func(a, b *Machine) int { return strings.Compare(a.ID, b.ID) })
	return l
}

const fullPush = "schedule-push-image: gold v2, WAIT_FOR_LOGOFF, now, vTPM kept"

func TestEveryRowDecidesWhatItSays(t *testing.T) {
	everyone := listed(map[MachineRef][2]PoolImage{ann: {v1}, bea: {v1}, cleo: {v1}})
	for _, c := range []struct {
		name string
		in   DecisionInput
		row  int
		// said is all there is to the decision: "refuse MATTER", "wait UNTIL LIMIT", "warn
		// MATTER", the calls, "needs machines".
		said []string
	}{
		{"pool being unpublished", wants(at("FINAL_UNPUBLISH", "", PoolImage{}), nil), 1, []string{"refuse the pool is being deleted"}},
		{"pool being deleted", wants(at("NONE", "", PoolImage{}), func(in *DecisionInput) { in.Pool.DeleteInProgress = true }), 1, []string{"refuse the pool is being deleted"}},
		{"two machines of one name", wants(at("NONE", "", PoolImage{}), func(in *DecisionInput) {
			in.Selective, in.Machines = &Selective{Names: []string{"ann"}}, &MachineList{Machines: []*Machine{{ID: "m-1", Name: "ANN"}, {ID: "m-2", Name: "ann"}}}
		}), 20, []string{"refuse machines are missing"}},
		{"drift is left alone", wants(running(at("NONE", "", PoolImage{}), v3), func(in *DecisionInput) {
			in.OnDrift, in.LastWanted = HoldDrift, &Target{Image: v2}
		}), 2, []string{"warn drift is left alone: gold v3"}},
		{"drift to come is left alone", wants(running(scheduledPush(v3, night), v2), func(in *DecisionInput) {
			in.OnDrift, in.LastWanted = HoldDrift, &Target{Image: v2}
		}), 2, []string{"warn drift is left alone: gold v3"}},
		{"drift ends with another wish", wants(running(at("NONE", "", PoolImage{}), v3), func(in *DecisionInput) {
			in.OnDrift, in.LastWanted = HoldDrift, &Target{Image: v1}
		}), 20, []string{fullPush}},
		{"somebody's canary is no drift", wants(running(at("NONE", "READY_HELD", v3), v2), func(in *DecisionInput) {
			in.OnDrift, in.LastWanted = HoldDrift, &Target{Image: v2}
		}), 17, []string{"warn held by somebody else: gold v3"}},
		{"one's own canary is no drift", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) {
			in.OnDrift, in.LastWanted, in.Claim = HoldDrift, &Target{Image: v2}, pushed(v2, ann)
			in.Selective = &Selective{Names: []string{"ANN"}}
		}), 16, nil},
		{"what one has pushed before is no drift", wants(scheduledPush(v3, night), func(in *DecisionInput) {
			in.OnDrift, in.LastWanted, in.Claim = HoldDrift, &Target{Image: v2}, pushed(v3)
		}), 12, []string{"cancel-scheduled-push-image (gold v3, scheduled for 2031-05-06T22:00:00Z)", fullPush}},
		{"pool that was never published", wants(at("INITIAL_PUBLISH", "FAILED", v2), nil), 3, []string{"refuse publishing has failed"}},
		{"push that fails", wants(at("SCHEDULE_PUSH_IMAGE", "FAILED", v2), nil), 4, []string{"wait idle 5m0s", fullPush}},
		{"push that fails for long", wants(at("SCHEDULE_PUSH_IMAGE", "FAILED", v2), func(in *DecisionInput) { in.Waited = Waited{4, 5 * time.Minute} }), 4, []string{"refuse publishing has failed"}},
		{"push of one's own that fails", wants(at("SCHEDULE_PUSH_IMAGE", "FAILED", v2), func(in *DecisionInput) {
			in.Began, in.Sent = noon.Add(-time.Hour), []SentCall{{Call: Call{Kind: CallPush, Target: Target{Image: v2}, Spec: &PushSpec{}}, At: noon.Add(-time.Hour)}}
		}), 4, []string{"refuse publishing has failed"}},
		{"pool that is being made", wants(at("INITIAL_PUBLISH", "PUBLISHING", v1), nil), 5, []string{"wait settled 0s ?"}},
		{"infrastructure that changes", wants(at("INFRASTRUCTURE_CHANGE", "READY", v1), nil), 5, []string{"wait settled 0s ?"}},
		{"cancel under way", wants(at("CANCEL_SCHEDULED_PUSH_IMAGE", "UNPUBLISHING", v2), nil), 5, []string{"wait settled 0s ?"}},
		{"image that goes", wants(at("NONE", "UNPUBLISHING", v2), nil), 5, []string{"wait settled 0s ?"}},
		{"push that has no image yet", wants(at("SCHEDULE_PUSH_IMAGE", "", PoolImage{}), nil), 5, []string{"wait settled 0s ?"}},
		{"publishing without an operation", wants(at("NONE", "PUBLISHING", v3), nil), 6, []string{"wait settled 2m0s ?"}},
		{"publishing of what is wanted without an operation", wants(at("NONE", "PUBLISHING", v2), nil), 6, []string{"wait settled 0s"}},
		{"publishing of what was wanted without an operation", wants(at("NONE", "PENDING_PUBLISH", v3), func(in *DecisionInput) { in.Claim = pushed(v3) }), 6, []string{"wait settled 0s", fullPush}},
		{"publishing without an operation for long", wants(at("NONE", "READY", v2), func(in *DecisionInput) { in.Waited = Waited{6, 2 * time.Minute} }), 6, []string{"refuse the state is unknown"}},
		{"adoption of a push under way", wants(scheduledPush(v2, time.Time{}), nil), 7, []string{"wait idle 0s"}},
		{"adoption of a push that waits", wants(scheduledPush(v2, night), nil), 7, nil},
		{"adoption of a push that is to wait", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Pool.PendingState = "PUBLISHING" }), 7, []string{"wait published 0s"}},
		{"adoption of a push whose hardware one has not chosen before", wants(scheduledPush(v2, time.Time{}), func(in *DecisionInput) {
			in.Claim, in.Wanted.Compute, in.Pool.PendingCompute = pushed(v2), &ComputeProfile{8, 2, 8192}, &ComputeProfile{8, 2, 8192}
		}), 7, []string{"wait idle 0s"}},
		{"canary under way that is released", wants(scheduledPush(v2, time.Time{}), func(in *DecisionInput) { in.Claim = pushed(v2, ann) }), 7,
			[]string{"wait idle 0s", "promote-pending-image: gold v2"}},
		{"canary under way that is promoted", wants(scheduledPush(v2, time.Time{}), func(in *DecisionInput) {
			in.Claim, in.Selective = pushed(v2, ann), &Selective{Names: []string{"ANN"}, PromoteImage: "snapshot-2"}
		}), 7, []string{"wait idle 0s", "promote-pending-image: gold v2"}},
		{"canary under way that stays", wants(scheduledPush(v2, time.Time{}), func(in *DecisionInput) {
			in.Claim, in.Selective = pushed(v2, ann), &Selective{Names: []string{"ANN"}, PromoteImage: "snapshot-1"}
		}), 7, []string{"wait idle 0s"}},
		{"time that has passed is not compared", wants(scheduledPush(v2, noon.Add(-time.Hour)), func(in *DecisionInput) { in.StartTime = noon.Add(-2 * time.Hour) }), 7, []string{"wait idle 0s"}},
		{"push under way with another policy", wants(scheduledPush(v2, time.Time{}), func(in *DecisionInput) { in.LogoffPolicy = ForceLogoff }), 8,
			[]string{"wait idle 0s", "warn the settings stay: gold v2"}},
		{"push under way that was to wait", wants(scheduledPush(v2, time.Time{}), func(in *DecisionInput) { in.StartTime = night }), 8,
			[]string{"wait idle 0s", "warn the settings stay: gold v2"}},
		{"another time", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Claim, in.StartTime = pushed(v2), later }), 9,
			[]string{"schedule-push-image: gold v2, rescheduled from 2031-05-06T22:00:00Z to 2031-05-06T23:00:00Z"}},
		{"another time that has passed", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Claim, in.StartTime = pushed(v2), noon.Add(59*time.Second) }), 9,
			[]string{"refuse the start time has passed"}},
		{"another time, which is not to move", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Claim, in.StartTime, in.Reschedule = pushed(v2), later, false }), 9,
			[]string{"warn the time stays: gold v2"}},
		{"another time of a push that is not known", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Claim, in.StartTime = adopted(v2), later }), 9,
			[]string{"warn the time cannot be moved: gold v2"}},
		{"another policy, and one's own", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Claim, in.StopOnFirstError = pushed(v2), the(false) }), 10,
			[]string{"cancel-scheduled-push-image (gold v2, scheduled for 2031-05-06T22:00:00Z)", "schedule-push-image: gold v2, WAIT_FOR_LOGOFF, now, going on after errors, vTPM kept"}},
		{"another policy, and adopted", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Claim, in.StopOnFirstError, in.StartTime = adopted(v2), the(false), later }), 10,
			[]string{"cancel-scheduled-push-image (gold v2, scheduled for 2031-05-06T22:00:00Z)", "schedule-push-image: gold v2, WAIT_FOR_LOGOFF, at 2031-05-06T23:00:00Z, going on after errors, vTPM kept"}},
		{"another policy, and somebody else's", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.LogoffPolicy = ForceLogoff }), 10, []string{"refuse scheduled with other settings"}},
		{"another policy, and overwritten", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.LogoffPolicy, in.OnConflict = ForceLogoff, OverwriteConflict }), 10,
			[]string{"cancel-scheduled-push-image (gold v2, scheduled for 2031-05-06T22:00:00Z)", "schedule-push-image: gold v2, FORCE_LOGOFF, now, vTPM kept"}},
		{"full push that is to be a canary", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Claim, in.Selective = pushed(v2), &Selective{} }), 10,
			[]string{"cancel-scheduled-push-image (gold v2, scheduled for 2031-05-06T22:00:00Z)", "schedule-push-image: gold v2, held for no machine yet, WAIT_FOR_LOGOFF, now, vTPM kept"}},
		{"another policy, and a time that has passed", wants(scheduledPush(v2, night), func(in *DecisionInput) {
			in.Claim, in.LogoffPolicy, in.StartTime = pushed(v2), ForceLogoff, noon
		}), 10, []string{"refuse the start time has passed"}},
		{"somebody schedules another image on what runs", wants(running(scheduledPush(v3, night), v2), func(in *DecisionInput) { in.OnConflict = OverwriteConflict }), 11,
			[]string{"warn scheduled by somebody else: gold v3"}},
		{"one's own other image", wants(scheduledPush(v3, night), func(in *DecisionInput) { in.Claim = pushed(v3) }), 12,
			[]string{"cancel-scheduled-push-image (gold v3, scheduled for 2031-05-06T22:00:00Z)", fullPush}},
		{"one's own other image on what runs", wants(running(scheduledPush(v3, night), v2), func(in *DecisionInput) { in.Claim = pushed(v3) }), 12,
			[]string{"cancel-scheduled-push-image (gold v3, scheduled for 2031-05-06T22:00:00Z)"}},
		{"somebody's other image", wants(scheduledPush(v3, night), nil), 12, []string{"refuse another image is scheduled"}},
		{"somebody's other image, overwritten", wants(scheduledPush(v3, night), func(in *DecisionInput) { in.OnConflict = OverwriteConflict }), 12,
			[]string{"cancel-scheduled-push-image (gold v3, scheduled for 2031-05-06T22:00:00Z)", fullPush}},
		{"canary instead of another image", wants(scheduledPush(v3, night), func(in *DecisionInput) {
			in.Claim, in.Selective = pushed(v3), &Selective{Names: []string{"BEA", "ANN"}}
		}), 12,
			[]string{"cancel-scheduled-push-image (gold v3, scheduled for 2031-05-06T22:00:00Z)", "schedule-push-image: gold v2, held for ANN, BEA, WAIT_FOR_LOGOFF, now, vTPM kept", "needs machines"}},
		{"another push under way", wants(scheduledPush(v3, noon), func(in *DecisionInput) { in.OnConflict = OverwriteConflict }), 13, []string{"wait idle 0s", fullPush}},
		{"another push under way, of which nothing is known", wants(at("SCHEDULE_PUSH_IMAGE", "PUBLISHING", v3), func(in *DecisionInput) { in.OnConflict = OverwriteConflict }), 13, []string{"wait idle 0s", fullPush}},
		{"another canary of one's own under way", wants(scheduledPush(v3, time.Time{}), func(in *DecisionInput) { in.Claim = pushed(v3, ann) }), 13,
			[]string{"wait idle 0s", "apply-image (current): the machines on gold v3", "cancel-scheduled-push-image (gold v3, held)", fullPush}},
		{"canary of what runs", wants(running(at("NONE", "READY_HELD", v2), v2), func(in *DecisionInput) { in.Claim = pushed(v2, ann) }), 14,
			[]string{"apply-image (current): ANN", "cancel-scheduled-push-image (gold v2, held)", "needs machines"}},
		{"canary of what runs, of somebody else", wants(running(at("NONE", "READY_HELD", v2), v2), func(in *DecisionInput) { in.OnConflict = OverwriteConflict }), 14, nil},
		{"canary that is promoted", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) { in.Selective = &Selective{PromoteImage: "snapshot-2"} }), 15,
			[]string{"promote-pending-image: gold v2"}},
		{"canary that is released", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) { in.Claim = pushed(v2, ann) }), 15, []string{"promote-pending-image: gold v2"}},
		{"canary that is overwritten", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) { in.OnConflict = OverwriteConflict }), 15, []string{"promote-pending-image: gold v2"}},
		{"other canaries", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) {
			in.Claim, in.Selective, in.Machines = pushed(v2, ann, bea), &Selective{Names: []string{"CLEO", "bea"}}, everyone
		}), 16, []string{"apply-image (pending, gold v2): CLEO", "apply-image (current): ANN"}},
		{"canaries by id", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) {
			in.Claim, in.Selective = pushed(v2, ann), &Selective{IDs: []string{"M-1", "m-2"}}
		}), 16, []string{"apply-image (pending, gold v2): m-2", "needs machines"}},
		{"canary by name and by id", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) {
			in.Claim, in.Selective, in.Machines = pushed(v2, MachineRef{ID: "m-1"}), &Selective{Names: []string{"ANN"}}, everyone
		}), 16, nil},
		{"canary that is gone", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) {
			in.Claim, in.Selective, in.Machines = pushed(v2, MachineRef{"m-9", "ZOE"}), &Selective{}, everyone
		}), 16, nil},
		{"canaries that there are none", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) {
			in.Claim, in.Selective, in.Machines = pushed(v2), &Selective{Names: []string{"ZOE"}}, everyone
		}), 16, []string{"refuse machines are missing"}},
		{"canaries of an adopted image", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) {
			in.Selective = &Selective{Names: []string{"ANN", "BEA", "CLEO"}}
			in.Machines = listed(map[MachineRef][2]PoolImage{ann: {v2}, bea: {v1, v2}, cleo: {v1}})
		}), 16, []string{"apply-image (pending, gold v2): CLEO"}},
		{"canaries that were told", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) {
			in.Claim, in.Selective, in.Machines = pushed(v2, ann), &Selective{Names: []string{"BEA"}}, everyone
			in.Sent = []SentCall{{Call: Call{Kind: CallApplyPending, Machines: []MachineRef{bea}}}, {Call: Call{Kind: CallApplyCurrent, Machines: []MachineRef{ann}}}}
		}), 16, nil},
		{"canaries that were told about another image", wants(at("NONE", "READY_HELD", v2), func(in *DecisionInput) {
			in.Claim, in.Selective, in.Machines = pushed(v2, ann), &Selective{Names: []string{"BEA"}}, everyone
			in.Sent = []SentCall{
				{Call: Call{Kind: CallApplyPending, Machines: []MachineRef{bea}}}, {Call: Call{Kind: CallApplyCurrent, Machines: []MachineRef{ann}}},
				{Call: Call{Kind: CallPush, Target: Target{Image: v2}, Spec: &PushSpec{}}},
			}
		}), 16, []string{"apply-image (pending, gold v2): BEA", "apply-image (current): ANN"}},
		{"somebody holds another image on what runs", wants(running(at("NONE", "READY_HELD", v3), v2), func(in *DecisionInput) { in.OnConflict = OverwriteConflict }), 17,
			[]string{"warn held by somebody else: gold v3"}},
		{"somebody holds another image", wants(at("NONE", "READY_HELD", v3), nil), 18, []string{"refuse an image is held"}},
		{"somebody holds the image", wants(at("NONE", "READY_HELD", v2), nil), 18, []string{"refuse an image is held"}},
		{"another canary of one's own, in a plan", wants(at("NONE", "READY_HELD", v3), func(in *DecisionInput) { in.Claim = pushed(v3, ann) }), 19,
			[]string{"apply-image (current): the machines on gold v3", "cancel-scheduled-push-image (gold v3, held)", fullPush, "needs machines"}},
		{"another canary of one's own", wants(at("NONE", "READY_HELD", v3), func(in *DecisionInput) {
			in.Claim, in.Machines = pushed(v3, ann), listed(map[MachineRef][2]PoolImage{ann: {v3}, bea: {v1, v3}, cleo: {v1}})
		}), 19, []string{"apply-image (current): the machines on gold v3 [m-1 m-2]", "cancel-scheduled-push-image (gold v3, held)", fullPush}},
		{"another canary whose machines leave", wants(at("NONE", "READY_HELD", v3), func(in *DecisionInput) {
			in.Claim, in.Machines = pushed(v3, ann), listed(map[MachineRef][2]PoolImage{ann: {v3, v1}, bea: {v3}, cleo: {v1}})
			in.Sent = []SentCall{{Call: Call{Kind: CallApplyCurrent, Machines: []MachineRef{bea}}, At: noon}}
		}), 19, []string{"wait machines leave 0s [ANN BEA]", "cancel-scheduled-push-image (gold v3, held)", fullPush}},
		{"another canary whose machine was told long ago, and stays", wants(at("NONE", "READY_HELD", v3), func(in *DecisionInput) {
			in.Claim, in.Machines = pushed(v3, ann), listed(map[MachineRef][2]PoolImage{ann: {v3, v1}, bea: {v3}, cleo: {v1}})
			in.Sent = []SentCall{{Call: Call{Kind: CallApplyCurrent, Machines: []MachineRef{ann, bea}}, At: noon.Add(-time.Hour)}}
		}), 19, []string{"apply-image (current): the machines on gold v3 [m-2]", "cancel-scheduled-push-image (gold v3, held)", fullPush}},
		{"another canary without machines", wants(at("NONE", "READY_HELD", v3), func(in *DecisionInput) { in.Claim, in.Machines = pushed(v3, ann), everyone }), 19,
			[]string{"cancel-scheduled-push-image (gold v3, held)", fullPush}},
		{"another canary on what runs", wants(running(at("NONE", "READY_HELD", v3), v2), func(in *DecisionInput) { in.Claim, in.Machines = pushed(v3, ann), everyone }), 19,
			[]string{"cancel-scheduled-push-image (gold v3, held)"}},
		{"another canary, overwritten", wants(at("NONE", "READY_HELD", v3), func(in *DecisionInput) {
			in.OnConflict, in.StartTime = OverwriteConflict, noon.Add(time.Minute)
			in.Machines = everyone
		}), 19, []string{"cancel-scheduled-push-image (gold v3, held)", "schedule-push-image: gold v2, WAIT_FOR_LOGOFF, at 2031-05-06T12:01:00Z, vTPM kept"}},
		{"canary of one's own with other hardware alone", wants(at("NONE", "READY_HELD", v1), func(in *DecisionInput) {
			in.Claim, in.Machines, in.Wanted.Image = pushed(v1, ann), everyone, v1
			in.Claim.Target.Compute, in.Pool.PendingCompute = &ComputeProfile{8, 2, 8192}, &ComputeProfile{8, 2, 8192}
			in.Wanted.Compute, in.Pool.Compute = &ComputeProfile{4, 2, 8192}, &ComputeProfile{4, 2, 8192}
		}), 19, []string{"apply-image (current): ANN", "cancel-scheduled-push-image (gold v1, held)"}},
		{"pool that runs it", wants(running(at("NONE", "", PoolImage{}), v2), func(in *DecisionInput) {
			in.Selective, in.StartTime = &Selective{Names: []string{"ZOE"}}, noon.Add(-time.Hour)
		}), 20, nil},
		{"pool that runs it after a failure", wants(running(at("NONE", "FAILED", v3), v2), nil), 20, nil},
		{"pool that does not run it", wants(at("NONE", "", PoolImage{}), nil), 20, []string{fullPush}},
		{"push that has failed before", wants(at("NONE", "FAILED", v2), nil), 20, []string{fullPush}},
		{"push that has failed now", wants(at("NONE", "FAILED", v2), func(in *DecisionInput) {
			in.Began, in.Sent = noon, []SentCall{{Call: Call{Kind: CallPush, Target: Target{Image: v2}, Spec: &PushSpec{}}, At: noon}}
		}), 20, []string{"refuse publishing has failed"}},
		{"push that has failed in an earlier run", wants(at("NONE", "FAILED", v2), func(in *DecisionInput) {
			in.Began, in.Sent = noon, []SentCall{{Call: Call{Kind: CallPush, Target: Target{Image: v2}, Spec: &PushSpec{}}, At: noon.Add(-time.Hour)}}
		}), 20, []string{fullPush}},
		{"push of another image before", wants(at("NONE", "FAILED", v2), func(in *DecisionInput) {
			in.Began, in.Sent = noon.Add(-time.Hour), []SentCall{{Call: Call{Kind: CallPush, Target: Target{Image: v3}, Spec: &PushSpec{}}, At: noon.Add(-time.Hour)}}
		}), 20, []string{fullPush}},
		{"canary", wants(at("NONE", "", PoolImage{}), func(in *DecisionInput) {
			in.Selective, in.Machines = &Selective{Names: []string{"ann"}, IDs: []string{"m-1", "m-3"}}, everyone
		}), 20,
			[]string{"schedule-push-image: gold v2, held for ann, m-1, m-3, WAIT_FOR_LOGOFF, now, vTPM kept [m-1 m-3]"}},
		{"push at a time that has passed", wants(at("NONE", "FAILED", v2), func(in *DecisionInput) { in.StartTime = noon.Add(-time.Second) }), 20, []string{"refuse the start time has passed"}},
		{"push at a time that may have passed", wants(at("NONE", "", PoolImage{}), func(in *DecisionInput) { in.StartTime, in.AllowPastStartTime = noon.Add(-time.Second), true }), 20,
			[]string{"schedule-push-image: gold v2, WAIT_FOR_LOGOFF, at 2031-05-06T11:59:59Z, vTPM kept"}},
		{"push whose time is near after its cancel", wants(at("NONE", "", PoolImage{}), func(in *DecisionInput) {
			in.StartTime, in.Began, in.Sent = noon.Add(time.Second), noon.Add(-time.Minute), []SentCall{{Call: Call{Kind: CallCancel, Target: Target{Image: v3}}, At: noon}}
		}), 20, []string{"schedule-push-image: gold v2, WAIT_FOR_LOGOFF, at 2031-05-06T12:00:01Z, vTPM kept"}},
		{"push whose time has passed after its cancel", wants(at("NONE", "", PoolImage{}), func(in *DecisionInput) {
			in.StartTime, in.Began, in.Sent = noon, noon.Add(-time.Minute), []SentCall{{Call: Call{Kind: CallCancel, Target: Target{Image: v3}}, At: noon}}
		}), 20, []string{"refuse the start time has passed"}},
		{"state without a rule", wants(at("SUSPEND", "", PoolImage{}), nil), 21, []string{"refuse the state is unknown"}},
		{"pending state without a rule", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Pool.PendingState = "RESTING" }), 21, []string{"refuse the state is unknown"}},
		{"pool that is no clone pool", wants(at("", "", PoolImage{}), nil), 21, []string{"refuse the state is unknown"}},
	} {
		d := Decide(c.in)
		if said := say(d); d.Row != c.row || !slices.Equal(said, c.said) {
			t.Errorf("%s: row %d\n%q, want row %d\n%q", c.name, d.Row, said, c.row, c.said)
		}
	}
}

// say puts a decision into lines.
func say(d Decision) []string {
	var lines []string
	if d.Refusal != nil {
		lines = append(lines, "refuse "+string(d.Refusal.Matter))
	}
	if d.Pause != nil {
		line := fmt.Sprintf("wait %s %s", d.Pause.Until, d.Pause.Limit)
		if d.Pause.EndUnknown {
			line += " ?"
		}
		if d.Pause.Machines != nil {
			line += fmt.Sprint(" ", d.Pause.Machines)
		}
		lines = append(lines, line)
	}
	for _, c := range d.Calls {
		line := c.String()
		if len(c.Machines) > 0 && (c.Kind == CallPush || len(c.Shown) == 0) && c.Machines[0].ID != "" {
			line += " ["
			for i, m := range c.Machines {
				line += strings.Repeat(" ", min(i, 1)) + m.ID
			}
			line += "]"
		}
		lines = append(lines, line)
	}
	for _, w := range d.Warnings {
		lines = append(lines, fmt.Sprintf("warn %s: %s", w.Matter, w.Image))
	}
	if d.NeedsMachines {
		lines = append(lines, "needs machines")
	}
	return lines
}

func TestWithdrawalTakesBackOnlyWhatWasPushedAndNotTriggered(t *testing.T) {
	cancelled := "cancel-scheduled-push-image (gold v2, scheduled for 2031-05-06T22:00:00Z)"
	for _, c := range []struct {
		name string
		pool *Pool
		in   DecisionInput
		said []string
	}{
		{"scheduled", scheduledPush(v2, night), DecisionInput{Claim: pushed(v2)}, []string{cancelled}},
		{"scheduled, whatever else is wanted", scheduledPush(v2, night), DecisionInput{
			Claim: pushed(v2), Selective: &Selective{Names: []string{"ANN"}}, LogoffPolicy: ForceLogoff, StartTime: noon, OnDrift: HoldDrift, OnConflict: OverwriteConflict,
		}, []string{cancelled}},
		{"scheduled, what runs", running(scheduledPush(v2, night), v2), DecisionInput{Claim: pushed(v2)}, []string{cancelled}},
		{"scheduled, and it is not shown what runs", running(scheduledPush(v2, night), PoolImage{}), DecisionInput{Claim: pushed(v2)}, []string{cancelled}},
		{"adopted", scheduledPush(v2, night), DecisionInput{Claim: adopted(v2)}, nil},
		{"somebody else's", scheduledPush(v3, night), DecisionInput{Claim: pushed(v2), OnConflict: OverwriteConflict}, nil},
		{"triggered", scheduledPush(v2, noon), DecisionInput{Claim: pushed(v2)}, []string{"warn the push goes on: gold v2"}},
		{"triggered by somebody else", scheduledPush(v3, noon), DecisionInput{Claim: pushed(v2)}, nil},
		{"held", at("NONE", "READY_HELD", v2), DecisionInput{Claim: pushed(v2, ann)},
			[]string{"apply-image (current): the machines on gold v2", "cancel-scheduled-push-image (gold v2, held)", "needs machines"}},
		{"held, what runs", running(at("NONE", "READY_HELD", v2), v2), DecisionInput{Claim: pushed(v2, ann)},
			[]string{"apply-image (current): ANN", "cancel-scheduled-push-image (gold v2, held)", "needs machines"}},
		{"held by somebody else", at("NONE", "READY_HELD", v3), DecisionInput{Claim: pushed(v2, ann), OnConflict: OverwriteConflict}, nil},
		{"nothing", at("NONE", "", PoolImage{}), DecisionInput{Claim: pushed(v2), Wanted: Target{Image: v3}}, nil},
		{"pool that goes", at("FINAL_UNPUBLISH", "", PoolImage{}), DecisionInput{}, nil},
		{"being taken back", at("CANCEL_SCHEDULED_PUSH_IMAGE", "UNPUBLISHING", v2), DecisionInput{
			Claim: pushed(v2), Began: noon, Sent: []SentCall{{Call: Call{Kind: CallCancel, Target: Target{Image: v2}}, At: noon}},
		}, []string{"wait settled 0s ?"}},
		{"being taken back by somebody else", at("CANCEL_SCHEDULED_PUSH_IMAGE", "UNPUBLISHING", v2), DecisionInput{Claim: pushed(v2)}, nil},
	} {
		c.in.Pool, c.in.Purpose, c.in.Now = c.pool, WithdrawPush, noon
		if said := say(Decide(c.in)); !slices.Equal(said, c.said) {
			t.Errorf("%s: %q, want %q", c.name, said, c.said)
		}
	}
}

func TestMembersCountAsFarAsTheyAreConfigured(t *testing.T) {
	four, eight := &ComputeProfile{4, 2, 8192}, &ComputeProfile{8, 2, 8192}
	runs := func(change func(*Pool)) *Pool {
		p := running(at("NONE", "", PoolImage{}), v2)
		if change != nil {
			change(p)
		}
		return p
	}
	words := func(member string) []string {
		return []string{"schedule-push-image: gold v2, WAIT_FOR_LOGOFF, now, " + member}
	}
	for _, c := range []struct {
		name string
		in   DecisionInput
		said []string
	}{
		{"vTPM as it is", wants(runs(nil), func(in *DecisionInput) { in.Wanted.AddVirtualTPM = the(true) }), nil},
		{"vTPM off", wants(runs(nil), func(in *DecisionInput) { in.Wanted.AddVirtualTPM = the(false) }), words("vTPM off")},
		{"vTPM off where there is none", wants(runs(func(p *Pool) { p.AddVirtualTPM = nil }), func(in *DecisionInput) { in.Wanted.AddVirtualTPM = the(false) }), nil},
		{"compute profile as it is", wants(runs(func(p *Pool) { p.Compute = four }), func(in *DecisionInput) { in.Wanted.Compute = the(*four) }), nil},
		{"another compute profile", wants(runs(func(p *Pool) { p.Compute = four }), func(in *DecisionInput) { in.Wanted.Compute = eight }), words("vTPM kept, 8 CPUs with 2 cores per socket, 8192 MB RAM")},
		{"a compute profile of its own", wants(runs(nil), func(in *DecisionInput) { in.Wanted.Compute = eight }), words("vTPM kept, 8 CPUs with 2 cores per socket, 8192 MB RAM")},
		{"a compute profile that is never shown", wants(runs(nil), func(in *DecisionInput) {
			in.Wanted.Compute, in.LastWanted = eight, &Target{Image: v2, Compute: the(*eight)}
		}), nil},
		{"a compute profile that was another one", wants(runs(nil), func(in *DecisionInput) { in.Wanted.Compute, in.LastWanted = eight, &Target{Image: v2, Compute: four} }), words("vTPM kept, 8 CPUs with 2 cores per socket, 8192 MB RAM")},
		{"a compute profile of another image", wants(runs(nil), func(in *DecisionInput) { in.Wanted.Compute, in.LastWanted = eight, &Target{Image: v1, Compute: eight} }), words("vTPM kept, 8 CPUs with 2 cores per socket, 8192 MB RAM")},
		{"a compute profile that was pushed and is not shown", wants(runs(nil), func(in *DecisionInput) {
			in.Wanted.Compute, in.Began = eight, noon.Add(-time.Hour)
			in.Sent = []SentCall{{Call: Call{Kind: CallPush, Target: in.Wanted, Spec: &PushSpec{}}, At: noon.Add(-time.Hour)}}
		}), nil},
		{"vGPUs on", wants(runs(func(p *Pool) { p.VGPUGridProfile = "grid-a" }), func(in *DecisionInput) { in.Wanted.GridVGPUsEnabled = the(true) }), words("vTPM kept, vGPUs on, vGPU profile kept")},
		{"another vGPU profile", wants(runs(func(p *Pool) { p.GridVGPUsEnabled, p.VGPUGridProfile = the(true), "grid-a" }), func(in *DecisionInput) { in.Wanted.VGPUGridProfile = the("grid-b") }), words("vTPM kept, vGPUs kept, vGPU profile grid-b")},
		{"vGPUs off as they are", wants(runs(nil), func(in *DecisionInput) { in.Wanted.GridVGPUsEnabled = the(false) }), nil},
		{"vTPM of a push that shows it", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Wanted.AddVirtualTPM = the(true) }), nil},
		{"compute profile of a push that shows it", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Pool.PendingCompute, in.Wanted.Compute = eight, the(*eight) }), nil},
		{"compute profile of a push that does not", wants(scheduledPush(v2, night), func(in *DecisionInput) { in.Wanted.Compute = eight }), []string{"refuse another image is scheduled"}},
		{"compute profile of one's own push", wants(scheduledPush(v2, night), func(in *DecisionInput) {
			in.Wanted.Compute, in.Claim = eight, pushed(v2)
			in.Claim.Target.Compute = the(*eight)
		}), nil},
		{"another compute profile than one has pushed is somebody else's", wants(scheduledPush(v2, night), func(in *DecisionInput) {
			in.Pool.PendingCompute, in.Wanted.Compute, in.Claim = four, eight, pushed(v2)
			in.Claim.Target.Compute = eight
		}), []string{"refuse another image is scheduled"}},
	} {
		if said := say(Decide(c.in)); !slices.Equal(said, c.said) {
			t.Errorf("%s: %q, want %q", c.name, said, c.said)
		}
	}
}

func TestPushRepeatsWhatItWouldTakeAway(t *testing.T) {
	p := at("NONE", "", PoolImage{})
	p.GridVGPUsEnabled, p.VGPUGridProfile, p.Compute = the(true), "grid-a", &ComputeProfile{4, 2, 8192}
	spec := func(change func(*DecisionInput)) PushSpec { return *Decide(wants(p, change)).Calls[0].Spec }
	want := PushSpec{Image: v2, LogoffPolicy: WaitForLogoff, StopOnFirstError: true, AddVirtualTPM: true}
	if got := spec(func(in *DecisionInput) { in.LogoffPolicy, in.StopOnFirstError = "", nil }); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	want.AddVirtualTPM, want.GridVGPUsEnabled, want.VGPUGridProfile = false, the(true), "grid-b"
	if got := spec(func(in *DecisionInput) {
		in.Wanted.AddVirtualTPM, in.Wanted.VGPUGridProfile = the(false), the("grid-b")
	}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	want.AddVirtualTPM, want.GridVGPUsEnabled, want.VGPUGridProfile = true, the(false), "grid-a"
	if got := spec(func(in *DecisionInput) { in.Wanted.GridVGPUsEnabled = the(false) }); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestRescheduleRepeatsTheCall(t *testing.T) {
	claim := pushed(v2, ann)
	claim.Spec.Compute = &ComputeProfile{4, 2, 8192}
	in := wants(scheduledPush(v2, night), func(in *DecisionInput) {
		in.Claim, in.StartTime, in.Wanted.AddVirtualTPM, in.Selective = claim, later, the(true), &Selective{Names: []string{"BEA"}}
	})
	want := *claim.Spec
	want.StartTime = later
	d := Decide(in)
	if len(d.Calls) != 1 || d.Calls[0].Kind != CallReschedule || !reflect.DeepEqual(*d.Calls[0].Spec, want) || !claim.Spec.StartTime.Equal(night) {
		t.Errorf("%+v", d)
	}
}

func TestCatalogueImageIsWhatItsTagStandsFor(t *testing.T) {
	tagged := v2
	tagged.StreamID, tagged.StreamName, tagged.TagID, tagged.TagName = "s-1", "Win", "t-1", "prod"
	tagOnly := PoolImage{StreamID: "S-1", TagID: "t-1"}
	moved := tagged
	moved.SnapshotID, moved.SnapshotPath = v3.SnapshotID, v3.SnapshotPath
	call := "schedule-push-image: Win prod (gold v2), WAIT_FOR_LOGOFF, now, vTPM kept"
	for _, c := range []struct {
		name    string
		current PoolImage
		last    *Target
		said    []string
	}{
		{"the pool shows its snapshot", tagged, nil, nil},
		{"the pool came to it without a tag", v2, nil, nil},
		{"the tag has moved", moved, nil, []string{call}},
		{"the pool shows the tag alone, which stood for it", tagOnly, &Target{Image: tagged}, nil},
		{"the pool shows the tag alone, which stood for another", tagOnly, &Target{Image: moved}, []string{call}},
		{"the pool shows the tag alone, and nothing is known", tagOnly, nil, []string{call}},
		{"the pool shows another tag", PoolImage{StreamID: "s-1", TagID: "t-2"}, &Target{Image: tagged}, []string{call}},
	} {
		in := wants(running(at("NONE", "", PoolImage{}), c.current), func(in *DecisionInput) { in.Wanted, in.LastWanted = Target{Image: tagged, VersionID: "ver-2"}, c.last })
		d := Decide(in)
		if said := say(d); !slices.Equal(said, c.said) || len(d.Calls) > 0 && d.Calls[0].Spec.Image != tagged {
			t.Errorf("%s: %q, want %q", c.name, said, c.said)
		}
	}
	held := wants(at("NONE", "READY_HELD", tagged), func(in *DecisionInput) { in.Wanted = Target{Image: tagged, VersionID: "ver-2"} })
	for approved, row := range map[string]int{"VER-2": 15, "ver-1": 16, "snapshot-2": 16, "": 16} {
		held.Selective = &Selective{PromoteImage: approved}
		if d := Decide(held); d.Row != row {
			t.Errorf("%s: row %d, want %d", approved, d.Row, row)
		}
	}
}

func TestPoolThatDoesNotShowACallYetIsTreatedAsIfItDid(t *testing.T) {
	spec := &PushSpec{Image: v2, LogoffPolicy: ForceLogoff, StartTime: night}
	push := Call{Kind: CallPush, Target: Target{Image: v2}, Spec: spec}
	moved := Call{Kind: CallReschedule, Target: Target{Image: v2}, Spec: &PushSpec{StartTime: later}}
	cancel, promote := Call{Kind: CallCancel, Target: Target{Image: v2}}, Call{Kind: CallPromote, Target: Target{Image: v2}}
	failing := func(message string) *Pool {
		p := at("NONE", "FAILED", v2)
		p.PendingError = message
		return p
	}
	for _, c := range []struct {
		name string
		pool *Pool
		call Call
		want string // operation, pending state, pending image, current image, start; empty: as it is
	}{
		{"push on an idle pool", at("NONE", "", PoolImage{}), push, "SCHEDULE_PUSH_IMAGE PENDING_PUBLISH gold v2, gold v1, 22:00"},
		{"push without its image", at("SCHEDULE_PUSH_IMAGE", "", PoolImage{}), push, "SCHEDULE_PUSH_IMAGE PENDING_PUBLISH gold v2, gold v1, 22:00"},
		{"push after a failure of before", failing("old"), push, "SCHEDULE_PUSH_IMAGE PENDING_PUBLISH gold v2, gold v1, 22:00"},
		{"push after another failure", at("NONE", "FAILED", v3), push, "SCHEDULE_PUSH_IMAGE PENDING_PUBLISH gold v2, gold v1, 22:00"},
		{"push that has failed", failing("new"), push, ""},
		{"push under way", scheduledPush(v2, night), push, ""},
		{"push that has ended", running(at("NONE", "", PoolImage{}), v2), push, ""},
		{"push that is held", at("NONE", "READY_HELD", v2), push, ""},
		{"push under way without an operation", at("NONE", "PUBLISHING", v2), push, ""},
		{"push of somebody else", scheduledPush(v3, night), push, ""},
		{"push before something else", at("INFRASTRUCTURE_CHANGE", "", PoolImage{}), push, ""},
		{"reschedule", scheduledPush(v2, night), moved, "SCHEDULE_PUSH_IMAGE READY gold v2, gold v1, 23:00"},
		{"reschedule that is shown", scheduledPush(v2, later), moved, ""},
		{"promote", at("NONE", "READY_HELD", v2), promote, "NONE  , gold v2, -"},
		{"promote that is shown", scheduledPush(v2, time.Time{}), promote, ""},
		{"promote of another", at("NONE", "READY_HELD", v3), promote, ""},
		{"cancel", scheduledPush(v2, night), cancel, "SCHEDULE_PUSH_IMAGE UNPUBLISHING gold v2, gold v1, 22:00"},
		{"cancel of what is held", at("NONE", "READY_HELD", v2), cancel, "NONE UNPUBLISHING gold v2, gold v1, -"},
		{"cancel that is shown", at("CANCEL_SCHEDULED_PUSH_IMAGE", "UNPUBLISHING", v2), cancel, ""},
		{"cancel that has ended", at("NONE", "", PoolImage{}), cancel, ""},
		{"cancel before another image", scheduledPush(v3, night), cancel, ""},
	} {
		before := *c.pool
		sent := []SentCall{{Call: push, At: noon.Add(-time.Hour)}, {Call: c.call, At: noon, FailedBefore: "old"}, {Call: Call{Kind: CallApplyCurrent}, At: noon}}
		as := c.pool.AsSent(sent, noon.Add(unseenFor-time.Second))
		start := "-"
		if as.PushSettings != nil {
			start = as.PushSettings.StartTime.Format("15:04")
		}
		got := fmt.Sprintf("%s %s %s, %s, %s", as.Operation, as.PendingState, as.Pending, as.Current, start)
		if c.want == "" && as != c.pool || c.want != "" && got != c.want || !reflect.DeepEqual(*c.pool, before) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if c.pool.AsSent(sent, noon.Add(unseenFor)) != c.pool {
			t.Errorf("%s: it is believed for too long", c.name)
		}
	}
	// What was pushed a moment ago is not pushed again.
	again := wants(at("NONE", "", PoolImage{}), func(in *DecisionInput) {
		in.LogoffPolicy, in.StopOnFirstError, in.Sent = ForceLogoff, nil, []SentCall{{Call: push, At: noon}}
	})
	if d := Decide(again); d.Row != 7 || d.Calls != nil {
		t.Errorf("%+v", d)
	}
}

func TestEffectiveImageIsTheOneToCome(t *testing.T) {
	four := &ComputeProfile{4, 2, 8192}
	known := pushed(v2)
	known.Target.Compute, known.Target.VGPUGridProfile = four, the("grid-a")
	canary := pushed(v2, ann)
	canary.Target = known.Target
	for _, c := range []struct {
		name  string
		pool  *Pool
		claim *Claim
		want  Target
	}{
		{"nothing is under way", at("NONE", "", PoolImage{}), nil, Target{Image: v1, AddVirtualTPM: the(true), GridVGPUsEnabled: the(false)}},
		{"a push has failed", at("NONE", "FAILED", v2), known, Target{Image: v1, AddVirtualTPM: the(true), GridVGPUsEnabled: the(false)}},
		{"a push is taken back", at("SCHEDULE_PUSH_IMAGE", "UNPUBLISHING", v2), known, Target{Image: v1, AddVirtualTPM: the(true), GridVGPUsEnabled: the(false)}},
		{"a push of the same image has failed", at("NONE", "FAILED", v1), &Claim{Target: Target{Image: v1, Compute: four}}, Target{Image: v1, AddVirtualTPM: the(true), GridVGPUsEnabled: the(false)}},
		{"a push waits", scheduledPush(v2, night), nil, Target{Image: v2, AddVirtualTPM: the(true)}},
		{"a push of one's own waits", scheduledPush(v2, night), known, Target{Image: v2, AddVirtualTPM: the(true), Compute: four, VGPUGridProfile: the("grid-a")}},
		{"a push of another one's waits", scheduledPush(v3, night), known, Target{Image: v3, AddVirtualTPM: the(true)}},
		{"an image is held", at("NONE", "READY_HELD", v2), nil, Target{Image: v1, AddVirtualTPM: the(true), GridVGPUsEnabled: the(false)}},
		{"an image of one's own is held", at("NONE", "READY_HELD", v2), canary, Target{Image: v2, Compute: four, VGPUGridProfile: the("grid-a")}},
		{"what is held was not pushed to the whole pool", at("NONE", "READY_HELD", v2), known, Target{Image: v1, AddVirtualTPM: the(true), GridVGPUsEnabled: the(false)}},
	} {
		in := DecisionInput{Pool: c.pool, Claim: c.claim, Now: noon}
		if got, _ := Effective(in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestWithoutAClockNothingIsTakenBack(t *testing.T) {
	in := wants(scheduledPush(v3, night), func(in *DecisionInput) { in.OnConflict, in.Now = OverwriteConflict, time.Time{} })
	if d := Decide(in); d.Row != 13 {
		t.Errorf("row %d", d.Row)
	}
}

func TestCallsAreHeldAgainstThePlan(t *testing.T) {
	push, other := Call{Kind: CallPush, Target: Target{Image: v2}, Spec: &PushSpec{}}, Call{Kind: CallPush, Target: Target{Image: v3}, Spec: &PushSpec{}}
	forced := push
	forced.Spec = &PushSpec{LogoffPolicy: ForceLogoff}
	cancel := Call{Kind: CallCancel, Target: Target{Image: v3}}
	scheduled := cancel
	scheduled.ScheduledFor = night
	back := Call{Kind: CallApplyCurrent, Target: Target{Image: v3}}
	two := Call{Kind: CallApplyPending, Target: Target{Image: v3}, Shown: []MachineRef{ann, bea}}
	named := back
	named.Shown = []MachineRef{ann}
	one, third := two, two
	one.Shown, third.Shown = []MachineRef{bea}, []MachineRef{bea, cleo}
	for _, c := range []struct {
		planned, calls []Call
		within         bool
	}{
		{[]Call{cancel, push}, []Call{cancel, push}, true},
		{[]Call{cancel, push}, nil, true},
		{nil, nil, true},
		{nil, []Call{push}, false},
		{[]Call{cancel, push}, []Call{push}, false},
		{[]Call{cancel, push}, []Call{cancel}, false},
		{[]Call{push}, []Call{cancel, push}, false},
		{[]Call{push}, []Call{other}, false},
		{[]Call{push}, []Call{forced}, false},
		{[]Call{cancel}, []Call{scheduled}, false},
		{[]Call{back, cancel, push}, []Call{cancel, push}, true},
		{[]Call{back, cancel, push}, []Call{back, cancel, push}, true},
		{[]Call{cancel, push}, []Call{back, cancel, push}, false},
		{[]Call{two}, []Call{one}, true},
		{[]Call{two}, []Call{third}, false},
		{[]Call{one}, []Call{two}, false},
		{[]Call{two}, []Call{back}, false},
		{[]Call{named}, []Call{back}, false},
		{[]Call{back}, []Call{named}, false},
	} {
		if got := planned(c.planned).allow(c.calls); got != c.within {
			t.Errorf("%v of %v: %t", c.calls, c.planned, got)
		}
	}
}

// planned are calls as a plan shows them.
func planned(calls []Call) *PlannedCalls {
	lines := make([]string, len(calls))
	for i, c := range calls {
		lines[i] = c.String()
	}
	return NewPlannedCalls(lines)
}

func TestCallsSurviveBeingKept(t *testing.T) {
	in := wants(at("NONE", "READY_HELD", v3), func(in *DecisionInput) {
		in.Claim, in.StartTime, in.Selective = pushed(v3, ann), later, &Selective{Names: []string{"BEA"}}
		in.Wanted.Compute, in.Wanted.VGPUGridProfile = &ComputeProfile{4, 2, 8192}, the("grid-a")
	})
	d := Decide(in)
	kept, err := json.Marshal(d.Calls)
	var calls []Call
	if err != nil || json.Unmarshal(kept, &calls) != nil || len(calls) != 3 || !reflect.DeepEqual(calls, d.Calls) || !planned(calls).allow(d.Calls) {
		t.Errorf("%v %s", err, kept)
	}
}

func TestRowsAreNumberedAndSaid(t *testing.T) {
	for i, r := range Rows() {
		if r.Number != i+1 || r.Operation == "" || r.Pending == "" || r.Effect == "" {
			t.Errorf("%+v", r)
		}
	}
	if n := len(Rows()); n != 21 {
		t.Errorf("%d rows", n)
	}
}
