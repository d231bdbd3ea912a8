package simulator

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// pushed is a pod whose pool ENGINEERING has just got v2, so that its machines
// begin to be made anew.
func pushed(t *testing.T, body string, prepare func(p *pod), assumed ...string) *pod {
	t.Helper()
	p := newPod(t, newestRelease, assumed...)
	if prepare != nil {
		prepare(p)
	}
	p.must("ENGINEERING", pushV2, body)
	p.Advance(10 * time.Minute)
	clear(p.tokens)
	return p
}

func TestMachinesAreMadeAnewTwoAtATime(t *testing.T) {
	p := pushed(t, pushBody(""), nil)
	first := p.machineOf("ENGINEERING", "ENG-001")
	for _, step := range []struct {
		after             time.Duration
		on, counts, state string
	}{
		{0, "", "10 left, 0 failed, 0 halted, 0 cancelled", "DELETING PROGRESSING " + goldenV2},
		{time.Minute, "", "10 left, 0 failed, 0 halted, 0 cancelled", "CUSTOMIZING PROGRESSING " + goldenV2},
		{time.Minute - time.Second, "", "10 left, 0 failed, 0 halted, 0 cancelled", "CUSTOMIZING PROGRESSING " + goldenV2},
		{time.Second, "001 002", "8 left, 0 failed, 0 halted, 0 cancelled", "AVAILABLE <nil> <nil>"},
		{2 * time.Minute, "001 002 003 004", "6 left, 0 failed, 0 halted, 0 cancelled", "AVAILABLE <nil> <nil>"},
		{6 * time.Minute, "001 002 003 004 005 006 007 008 009 010", "0 tasks", "AVAILABLE <nil> <nil>"},
	} {
		p.Advance(step.after)
		m := p.machineOf("ENGINEERING", "ENG-001")
		state := fmt.Sprint(m["state"], " ", m["operation_state"], " ", m["pending_base_vm_snapshot_id"])
		if on, counts := p.on("ENGINEERING", goldenV2), p.counts("ENGINEERING"); on != step.on || counts != step.counts || state != step.state {
			t.Errorf("after another %s: %q have it, %s, the first is %s; want %+v", step.after, on, counts, state, step)
		}
	}
	again := p.machineOf("ENGINEERING", "ENG-001")
	if again["id"] == first["id"] || again["vm_moid"] == first["vm_moid"] || again["create_time"] == first["create_time"] {
		t.Errorf("the first machine is %v, and was %v", again, first)
	}
	if got := p.do("GET", "/inventory/v1/machines/"+fmt.Sprint(first["id"]), ""); got.status != 404 {
		t.Errorf("its former id is answered with %d", got.status)
	}
}

func TestTheClockCanBeMovedInOneStep(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.Advance(20 * time.Minute)
	if got := p.on("ENGINEERING", goldenV2); got != "001 002 003 004 005 006 007 008 009 010" {
		t.Errorf("in one step %q have the image", got)
	}
}

func TestAnErrorHaltsTheTask(t *testing.T) {
	p := pushed(t, pushBody(""), func(p *pod) { p.done(p.FailMachine("ENGINEERING", "ENG-003", "No space is left")) })
	p.Advance(4 * time.Minute)
	if got := p.counts("ENGINEERING"); got != "0 left, 1 failed, 6 halted, 0 cancelled" {
		t.Errorf("the task has %s", got)
	}
	p.Advance(time.Hour)
	if got := p.on("ENGINEERING", goldenV2); got != "001 002 004" {
		t.Errorf("%q have the image", got)
	}
	m := p.machineOf("ENGINEERING", "ENG-003")
	if m["state"] != "PROVISIONING_ERROR" || m["operation_state"] != "FAULT" || m["clone_error_message"] != "No space is left" || m["clone_error_time"] == nil || m["base_vm_snapshot_id"] != goldenV1 {
		t.Errorf("the machine is %v", m)
	}
	if m := p.machineOf("ENGINEERING", "ENG-005"); m["operation_state"] != "HOLDING" {
		t.Errorf("another is %v", m)
	}
	if status := p.poolStatus("ENGINEERING"); status["last_provisioning_error"] != "ENG-003: No space is left" {
		t.Errorf("the pool has %v", status)
	}
}

func TestATaskGoesOnAfterErrorsIfToldSo(t *testing.T) {
	p := pushed(t, pushBody(`"stop_on_first_error":false`), func(p *pod) { p.done(p.FailMachine("ENGINEERING", "ENG-003", "No space is left")) })
	p.Advance(time.Hour)
	if on, counts := p.on("ENGINEERING", goldenV1), p.counts("ENGINEERING"); on != "003" || counts != "0 left, 1 failed, 0 halted, 0 cancelled" {
		t.Errorf("%q are left, the task has %s", on, counts)
	}
}

func TestAHaltedTaskIsResumed(t *testing.T) {
	for _, row := range []struct{ body, counts, left string }{
		{"", "0 left, 1 failed, 0 halted, 0 cancelled", "003"},
		{"{}", "0 left, 1 failed, 0 halted, 0 cancelled", "003"},
		{`{"retry_failed_vms":true}`, "0 tasks", ""},
		{`{"retry_failed_vms":false,"stop_on_error":false}`, "0 left, 2 failed, 0 halted, 0 cancelled", "003 006"},
		{`{"retry_failed_vms":true,"stop_on_error":true}`, "0 tasks", ""},
	} {
		p := pushed(t, pushBody(""), func(p *pod) { p.done(p.FailMachine("ENGINEERING", "ENG-003", "No space is left")) })
		p.Advance(10 * time.Minute)
		if row.left == "003 006" {
			p.done(p.FailMachine("ENGINEERING", "ENG-006", "No address is left"))
		}
		expectReply(t, row.body, p.do("POST", p.taskPath("ENGINEERING", "/action/resume"), row.body), 204, "")
		p.Advance(time.Hour)
		if on, counts := p.on("ENGINEERING", goldenV1), p.counts("ENGINEERING"); on != row.left || counts != row.counts {
			t.Errorf("%s: %q are left, the task has %s", row.body, on, counts)
		}
	}
}

func TestAResumedTaskStopsAtTheNextError(t *testing.T) {
	p := pushed(t, pushBody(`"stop_on_first_error":false`), nil)
	clear(p.tokens)
	expectReply(t, "pausing", p.do("POST", p.taskPath("ENGINEERING", "/action/pause"), ""), 204, "")
	p.done(p.FailMachine("ENGINEERING", "ENG-003", "No space is left"))
	expectReply(t, "resuming", p.do("POST", p.taskPath("ENGINEERING", "/action/resume"), ""), 204, "")
	p.Advance(time.Hour)
	if got := p.counts("ENGINEERING"); got != "0 left, 1 failed, 6 halted, 0 cancelled" {
		t.Errorf("the task has %s", got)
	}
}

func TestATaskIsPausedAndCancelled(t *testing.T) {
	p := pushed(t, pushBody(""), nil)
	act := func(action string) reply {
		clear(p.tokens)
		return p.do("POST", p.taskPath("ENGINEERING", "/action/"+action), "")
	}
	expectReply(t, "resuming what runs", act("resume"), 400, "is not halted")
	expectReply(t, "pausing", act("pause"), 204, "")
	expectReply(t, "pausing again", act("pause"), 400, "nothing left to pause")
	p.Advance(time.Hour)
	if on, counts := p.on("ENGINEERING", goldenV2), p.counts("ENGINEERING"); on != "001 002" || counts != "0 left, 0 failed, 8 halted, 0 cancelled" {
		t.Errorf("paused: %q have it, the task has %s", on, counts)
	}
	expectReply(t, "resuming", act("resume"), 204, "")
	p.Advance(time.Minute)
	expectReply(t, "cancelling", act("cancel"), 204, "")
	if counts := p.counts("ENGINEERING"); counts != "2 left, 0 failed, 0 halted, 6 cancelled" {
		t.Errorf("cancelled: the task has %s", counts)
	}
	expectReply(t, "cancelling again", act("cancel"), 400, "nothing left to cancel")
	p.Advance(time.Hour)
	if on, counts := p.on("ENGINEERING", goldenV2), p.counts("ENGINEERING"); on != "001 002 003 004" || counts != "0 tasks" {
		t.Errorf("cancelled: %q have it, there are %s", on, counts)
	}
	if m := p.machineOf("ENGINEERING", "ENG-009"); m["operation"] != nil || m["pending_base_vm_snapshot_id"] != nil {
		t.Errorf("a machine that was not reached is %v", m)
	}
}

func TestAResumptionHasTheFieldsOfItsDocument(t *testing.T) {
	p := pushed(t, pushBody(""), nil)
	expectReply(t, "pausing", p.do("POST", p.taskPath("ENGINEERING", "/action/pause"), ""), 204, "")
	for body, message := range map[string]string{
		`{"retry":true}`: "retry is not known", `{"retry_failed_vms":"yes"}`: "retry_failed_vms is not valid", `[]`: "cannot be mapped",
	} {
		expectReply(t, body, p.do("POST", p.taskPath("ENGINEERING", "/action/resume"), body), 400, message)
	}
}

func TestATaskThatHasNotBegunIsLeft(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(`"start_time":`+p.at(60)))
	p.Advance(20 * time.Minute)
	for _, action := range []string{"pause", "resume", "cancel"} {
		expectReply(t, action, p.do("POST", p.taskPath("ENGINEERING", "/action/"+action), ""), 400, "has not begun")
	}
	got := p.do("GET", p.taskPath("ENGINEERING", ""), "").object()
	if fmt.Sprint(got["schedule_time"]) != p.at(40) || got["operation"] != "PUSH_IMAGE" || got["description"] != "Changing 10 user(s) to image /DC1/vm/win11-golden - /v1/v2." {
		t.Errorf("the task is %v", got)
	}
}

func TestMachinesWithSessionsWait(t *testing.T) {
	p := pushed(t, pushBody(""), func(p *pod) {
		p.done(p.SetSessions("ENGINEERING", "ENG-002", 1))
		p.done(p.SetSessions("ENGINEERING", "ENG-005", 2))
	})
	p.Advance(24 * time.Hour)
	if on, counts := p.on("ENGINEERING", goldenV1), p.counts("ENGINEERING"); on != "002 005" || counts != "2 left, 0 failed, 0 halted, 0 cancelled" {
		t.Errorf("%q are left, the task has %s", on, counts)
	}
	if m := p.machineOf("ENGINEERING", "ENG-002"); m["state"] != "CONNECTED" || m["session_id"] == nil || m["operation_state"] != "SCHEDULED" || m["logoff_policy"] != waitForLogoff {
		t.Errorf("a machine with a session is %v", m)
	}
	if got := fmt.Sprint(p.Pool("ENGINEERING")["num_sessions"]); got != "3" {
		t.Errorf("the pool has %s sessions", got)
	}
	p.done(p.SetSessions("ENGINEERING", "ENG-002", 0))
	p.Advance(2 * time.Minute)
	if on := p.on("ENGINEERING", goldenV1); on != "005" {
		t.Errorf("after the end of a session %q are left", on)
	}
	p.done(p.EndSessions("ENGINEERING"))
	p.Advance(2 * time.Minute)
	if on := p.on("ENGINEERING", goldenV1); on != "" {
		t.Errorf("after the end of all sessions %q are left", on)
	}
}

func TestForcedLogoffsEndSessions(t *testing.T) {
	p := pushed(t, pushBody(`"logoff_policy":"FORCE_LOGOFF"`), func(p *pod) { p.done(p.SetSessions("ENGINEERING", "ENG-009", 1)) })
	if got := fmt.Sprint(p.Pool("ENGINEERING")["num_sessions"]); got != "1" {
		t.Errorf("before its turn the machine has %s sessions", got)
	}
	p.Advance(10 * time.Minute)
	if on, sessions := p.on("ENGINEERING", goldenV1), p.Pool("ENGINEERING")["num_sessions"]; on != "" || fmt.Sprint(sessions) != "0" {
		t.Errorf("%q are left, with %v sessions", on, sessions)
	}
}

func TestSomeMachinesAreNotTouched(t *testing.T) {
	p := pushed(t, pushBody(""), func(p *pod) {
		p.done(p.SetMachine("ENGINEERING", "ENG-001", MachineState{Maintenance: true}))
		p.done(p.SetMachine("ENGINEERING", "ENG-002", MachineState{Disabled: true}))
		p.done(p.SetMachine("ENGINEERING", "ENG-003", MachineState{Missing: true}))
		p.done(p.SetMachine("ENGINEERING", "ENG-004", MachineState{Held: true}))
	})
	p.done(p.SetMachine("ENGINEERING", "ENG-010", MachineState{Maintenance: true}))
	p.Advance(24 * time.Hour)
	if on, counts := p.on("ENGINEERING", goldenV1), p.counts("ENGINEERING"); on != "001 002 003 004 010" || counts != "1 left, 0 failed, 0 halted, 0 cancelled" {
		t.Errorf("%q are left, the task has %s", on, counts)
	}
	for name, want := range map[string]string{"ENG-001": "MAINTENANCE", "ENG-002": "DISABLED", "ENG-003": "UNKNOWN", "ENG-004": "AVAILABLE"} {
		if got := p.machineOf("ENGINEERING", name)["state"]; got != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
	p.done(p.SetMachine("ENGINEERING", "ENG-010", MachineState{}))
	p.Advance(2 * time.Minute)
	if on := p.on("ENGINEERING", goldenV1); on != "001 002 003 004" {
		t.Errorf("after its maintenance %q are left", on)
	}
}

func TestMachinesWaitForTheProvisioning(t *testing.T) {
	p := pushed(t, pushBody(""), func(p *pod) {
		p.done(p.SetPool("ENGINEERING", PoolSettings{Disabled: true, ProvisioningDisabled: true}))
	})
	p.Advance(time.Hour)
	if pool := p.Pool("ENGINEERING"); pool["enabled"] != false || pool["enable_provisioning"] != false {
		t.Errorf("the pool is %v", pool)
	}
	if on := p.on("ENGINEERING", goldenV2); on != "" {
		t.Errorf("%q have the image", on)
	}
	p.done(p.SetProvisioningError("ENGINEERING", "Something was wrong", p.Now()))
	p.done(p.SetPool("ENGINEERING", PoolSettings{Disabled: true}))
	p.Advance(2 * time.Minute)
	if on := p.on("ENGINEERING", goldenV2); on != "001 002" {
		t.Errorf("with provisioning %q have the image", on)
	}
	if status := p.poolStatus("ENGINEERING"); status["last_provisioning_error"] != nil || status["last_provisioning_error_time"] == nil {
		t.Errorf("the errors are %v", status)
	}
}

func TestTheNextImageReplacesTheRestOfATask(t *testing.T) {
	p := pushed(t, pushBody(""), func(p *pod) { p.done(p.SetSessions("ENGINEERING", "ENG-004", 1)) })
	p.Advance(time.Minute)
	p.done(p.PushAsSomebodyElse("ENGINEERING", Push{VMID: goldenVM, SnapshotID: goldenV3}))
	p.Advance(11 * time.Minute)
	if on := p.on("ENGINEERING", goldenV3); on != "" {
		t.Errorf("%q have the next image already", on)
	}
	p.Advance(time.Hour)
	if v2, v3, counts := p.on("ENGINEERING", goldenV2), p.on("ENGINEERING", goldenV3), p.counts("ENGINEERING"); v2 != "" || v3 != "001 002 003 005 006 007 008 009 010" ||
		counts != "1 left, 0 failed, 0 halted, 0 cancelled" {
		t.Errorf("%q have the former, %q the next image; the task has %s", v2, v3, counts)
	}
	if m := p.machineOf("ENGINEERING", "ENG-004"); m["base_vm_snapshot_id"] != goldenV1 || m["pending_base_vm_snapshot_id"] != goldenV3 {
		t.Errorf("the machine that waits is %v", m)
	}
}

func TestAMachineInProgressGetsTheNextImageAfterwards(t *testing.T) {
	p := held(t)
	p.must("ENGINEERING", applyPending, p.machineIDs("ENGINEERING", "ENG-002"))
	p.Advance(time.Minute)
	p.must("ENGINEERING", applyCurrent, p.machineIDs("ENGINEERING", "ENG-002"))
	p.Advance(time.Minute)
	if on := p.on("ENGINEERING", goldenV2); on != "001 002" {
		t.Errorf("%q have the held image", on)
	}
	p.Advance(2*time.Minute - time.Second)
	if on := p.on("ENGINEERING", goldenV2); on != "001 002" {
		t.Errorf("before the end of the next %q have the held image", on)
	}
	p.Advance(time.Second)
	if on := p.on("ENGINEERING", goldenV2); on != "001" {
		t.Errorf("later %q have the held image", on)
	}
}

func TestAPromotionFinishesTheCanaries(t *testing.T) {
	p := held(t)
	p.done(p.SetSessions("ENGINEERING", "ENG-003", 1))
	p.must("ENGINEERING", applyPending, p.machineIDs("ENGINEERING", "ENG-002", "ENG-003"))
	p.must("ENGINEERING", promote, "")
	machines := 0
	for _, task := range p.PoolTasks("ENGINEERING") {
		left, _ := strconv.Atoi(fmt.Sprint(task["remaining_vmtask_count"]))
		machines += left
	}
	if machines != 9 { // all but the canary that has the image
		t.Errorf("after the promotion %d machines are left", machines)
	}
	p.Advance(time.Hour)
	if on, counts := p.on("ENGINEERING", goldenV1), p.counts("ENGINEERING"); on != "003" || counts != "1 left, 0 failed, 0 halted, 0 cancelled" {
		t.Errorf("%q are left, the task has %s", on, counts)
	}
}
