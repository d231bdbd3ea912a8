package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestImagesAreAppliedToMachines(t *testing.T) {
	p := held(t)
	got := p.must("ENGINEERING", applyPending, strings.Replace(p.machineIDs("ENGINEERING", "ENG-004", "ENG-005"), "]", `,"gone"]`, 1))
	var found []string
	for _, item := range got.list() {
		found = append(found, fmt.Sprint(item.(map[string]any)["status_code"]))
	}
	if strings.Count(strings.Join(found, " "), "200") != 2 || strings.Count(strings.Join(found, " "), "404") != 1 {
		t.Errorf("answered %s", got.text)
	}
	p.Advance(2 * time.Minute)
	if on := p.on("ENGINEERING", goldenV2); on != "001 004 005" {
		t.Errorf("%q have the held image", on)
	}
	id := p.machineOf("ENGINEERING", "ENG-008")["id"]
	p.must("ENGINEERING", applyCurrent, p.machineIDs("ENGINEERING", "ENG-004", "ENG-008"))
	p.Advance(2 * time.Minute)
	if on := p.on("ENGINEERING", goldenV2); on != "001 005" {
		t.Errorf("after their return %q have the held image", on)
	}
	if p.machineOf("ENGINEERING", "ENG-008")["id"] == id {
		t.Error("a machine on the image of the pool was not made anew")
	}
	p.done(p.SetMachine("ENGINEERING", "ENG-006", MachineState{Maintenance: true}))
	if got := p.must("ENGINEERING", applyPending, p.machineIDs("ENGINEERING", "ENG-006")); !strings.Contains(got.text, "cannot get an image in its state") {
		t.Errorf("a machine in maintenance is answered with %s", got.text)
	}
	for body, message := range map[string]string{"[]": "At least one machine", `{"machine_ids":["x"]}`: "cannot be mapped", `[1]`: "cannot be mapped", `["x","x"]`: "an element repeats"} {
		expectReply(t, body, p.act("ENGINEERING", applyPending, body), 400, message)
	}
	expectReply(t, "neither true nor false", p.act("ENGINEERING", "apply-image?pending_image=yes", `["x"]`), 400, "pending_image is not valid")
}

func TestFaultsLoseCallsAboutImages(t *testing.T) {
	for _, effect := range []Effect{EffectLostWrite, EffectSilentDrop} {
		p := held(t, "horizon-call-visible=0s")
		p.must("SALES", pushV1, pushBody(""))
		p.Advance(12 * time.Minute)
		before := p.summary("ENGINEERING") + p.on("ENGINEERING", goldenV2) + p.counts("SALES")
		clear(p.tokens)
		p.fault(Fault{Path: "/action/", Count: Forever, Effect: effect})
		for action, body := range map[string]string{cancelPush: "", promote: "", applyPending: p.machineIDs("ENGINEERING", "ENG-005")} {
			p.must("ENGINEERING", action, body)
		}
		if got := p.do("POST", p.taskPath("SALES", "/action/cancel"), ""); got.status != 204 {
			t.Errorf("%s: cancelling a task is answered with %d", effect, got.status)
		}
		if after := p.summary("ENGINEERING") + p.on("ENGINEERING", goldenV2) + p.counts("SALES"); after != before {
			t.Errorf("%s: was %s, is %s", effect, before, after)
		}
	}
}

func TestSomebodyElseCanDoWhatTheAPIRefuses(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(`"start_time":`+p.at(60)))
	p.Advance(12 * time.Minute)
	p.done(p.PushAsSomebodyElse("ENGINEERING", Push{VMID: goldenVM, SnapshotID: goldenV3, StartTime: p.Now().Add(time.Hour), LogoffPolicy: forceLogoff, GoesOnAfterErrors: true,
		VirtualTPM: true, CPUs: 2, CoresPerSocket: 1, RAMMB: 2048}))
	p.expectPool("a push in place of another", "ENGINEERING", "SCHEDULE_PUSH_IMAGE, PENDING_PUBLISH "+goldenV3+", "+goldenV1)
	settings := p.poolStatus("ENGINEERING")["instant_clone_push_image_settings"].(map[string]any)
	if settings["logoff_policy"] != forceLogoff || settings["stop_on_first_error"] != false || settings["add_virtual_tpm"] != true {
		t.Errorf("its settings are %v", settings)
	}
	p.done(p.PromoteAsSomebodyElse("ENGINEERING"))
	p.expectPool("a promotion before the publishing", "ENGINEERING", "NONE, none, "+goldenV3)
	if got := fmt.Sprint(p.image("ENGINEERING")["compute_profile_ram_mb"]); got != "2048" {
		t.Errorf("the machines have %s MB", got)
	}
	p.done(p.PushAsSomebodyElse("ENGINEERING", Push{VMID: goldenVM, SnapshotID: goldenV2, Selective: true, Machines: []string{"ENG-003"}}))
	p.done(p.CancelAsSomebodyElse("ENGINEERING"))
	p.expectPool("a cancellation of what was triggered", "ENGINEERING", "CANCEL_SCHEDULED_PUSH_IMAGE, UNPUBLISHING "+goldenV2+", "+goldenV3)
	p.Advance(time.Hour)
	p.done(p.PushAsSomebodyElse("ENGINEERING", Push{VMID: goldenVM, SnapshotID: goldenV2, Selective: true, Machines: []string{"ENG-003"}}))
	p.Advance(12 * time.Minute)
	p.done(p.ApplyPendingAsSomebodyElse("ENGINEERING", "ENG-004"))
	p.done(p.ApplyCurrentAsSomebodyElse("ENGINEERING", "ENG-003"))
	p.Advance(2 * time.Minute)
	if on := p.on("ENGINEERING", goldenV2); on != "004" {
		t.Errorf("%q have the held image", on)
	}
	clear(p.tokens)
	s := stock(p)
	s.done(s.PushAsSomebodyElse("SALES", Push{TagID: s.tag}))
	if got := s.poolStatus("SALES")["instant_clone_pending_im_tag_id"]; got != s.tag {
		t.Errorf("a push by tag is of %v", got)
	}
}

func TestAnOperationThatIsSetStays(t *testing.T) {
	p := newPod(t, newestRelease)
	p.done(p.SetPoolOperation("ENGINEERING", PoolOperation{Operation: "INITIAL_PUBLISH", PendingState: pendingFailed, PendingSnapshotID: goldenV3, Error: "No network"}))
	p.Advance(24 * time.Hour)
	p.expectPool("set", "ENGINEERING", "INITIAL_PUBLISH, FAILED "+goldenV3+", "+goldenV1)
	if got := p.poolStatus("ENGINEERING")["instant_clone_pending_image_error"]; got != "No network" {
		t.Errorf("the error is %v", got)
	}
	p.done(p.SetPoolOperation("ENGINEERING", PoolOperation{Operation: operationNone}))
	p.expectPool("ended", "ENGINEERING", "NONE, none, "+goldenV1)
	p.done(p.SetPoolOperation("ENGINEERING", PoolOperation{Operation: operationNone, PendingState: pendingFailed, PendingSnapshotID: goldenV2}))
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.Advance(10 * time.Minute)
	p.expectPool("a push after it", "ENGINEERING", "NONE, none, "+goldenV2)
	p.must("ENGINEERING", pushV1, pushBody(`"snapshot_id":"`+goldenV3+`"`))
	p.Advance(2 * time.Minute)
	p.done(p.SetPoolOperation("ENGINEERING", PoolOperation{Operation: "INFRASTRUCTURE_CHANGE"}))
	p.expectPool("in place of a push", "ENGINEERING", "INFRASTRUCTURE_CHANGE, none, "+goldenV2)
}

func TestPoolsAreAddedAndRemoved(t *testing.T) {
	p := newPod(t, newestRelease)
	paris := p.AddVirtualCenter("paris.demo.example", "DC7")
	vm, snapshots := p.AddBaseVM(BaseVM{VCenterID: paris, Name: "win11-paris", Snapshots: []string{"a", "b"}})
	id, machines := p.AddPool(DesktopPool{Name: "PARIS", VCenterID: paris, VMID: vm, SnapshotID: snapshots[1], AccessGroupID: HorizonBranchAccessGroupID, Machines: 3, VirtualTPM: true})
	pool := p.Pool("paris")
	if pool["id"] != id || pool["vcenter_id"] != paris || pool["access_group_id"] != HorizonBranchAccessGroupID || p.image("PARIS")["base_snapshot_id"] != snapshots[1] ||
		p.image("PARIS")["add_virtual_tpm"] != true || fmt.Sprint(pool["num_machines"]) != "3" || p.machineOf("PARIS", "PARIS-003")["id"] != machines[2] {
		t.Errorf("the pool is %v", pool)
	}
	p.must("PARIS", pushV1, pushBody(`"parent_vm_id":"`+vm+`","snapshot_id":"`+snapshots[0]+`"`))
	p.Advance(time.Hour)
	p.expectPool("pushed", "PARIS", "NONE, none, "+snapshots[0])
	p.done(p.RemovePool("PARIS"))
	clear(p.tokens)
	if got := p.do("GET", "/inventory/v2/desktop-pools/"+id, ""); got.status != 404 || p.Pool("PARIS") != nil || p.PoolMachines("PARIS") != nil || p.PoolTasks("PARIS") != nil {
		t.Errorf("a removed pool is answered with %d", got.status)
	}
	for kind, want := range map[PoolKind]string{InstantClones: "AUTOMATED INSTANT_CLONE", FullClones: "AUTOMATED VIRTUAL_CENTER", ManualMachines: "MANUAL VIRTUAL_CENTER"} {
		name := fmt.Sprintf("KIND%d", kind)
		p.AddPool(DesktopPool{Name: name, Kind: kind, VMID: goldenVM, Machines: 1})
		if got := fmt.Sprint(p.Pool(name)["type"], " ", p.Pool(name)["source"]); got != want {
			t.Errorf("a pool is %s, want %s", got, want)
		}
	}
}

func TestMachinesAndSnapshotsAreRemoved(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.Advance(10 * time.Minute)
	p.done(p.RemoveMachine("ENGINEERING", "ENG-001"))
	p.done(p.RemoveMachine("ENGINEERING", "ENG-010"))
	p.Advance(time.Hour)
	if on := p.on("ENGINEERING", goldenV2); on != "002 003 004 005 006 007 008 009" || p.counts("ENGINEERING") != "0 tasks" {
		t.Errorf("%q have the image, there are %s", on, p.counts("ENGINEERING"))
	}
	p.done(p.RemoveSnapshot(HorizonVCenterID, goldenVM, goldenV1))
	expectReply(t, "a push of a snapshot that is gone", p.act("ENGINEERING", pushV1, pushBody(`"snapshot_id":"`+goldenV1+`"`)), 400, "is not a snapshot of")
	p.expectPool("a pool that runs it", "SALES", "NONE, none, "+goldenV1)
}

func TestAChosenMachineThatIsRemovedIsNotMade(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV2, pushBody(`"selective_push_image":true,"machine_ids":`+p.machineIDs("ENGINEERING", "ENG-001", "ENG-002")))
	p.done(p.RemoveMachine("ENGINEERING", "ENG-001"))
	p.Advance(11 * time.Minute)
	if got := p.counts("ENGINEERING"); got != "1 left, 0 failed, 0 halted, 0 cancelled" {
		t.Errorf("the task has %s", got)
	}
}

func TestAPoolThatGoesOnAfterErrorsKeepsNone(t *testing.T) {
	p := newPod(t, newestRelease)
	p.done(p.SetPool("ENGINEERING", PoolSettings{GoesOnAfterErrors: true}))
	p.done(p.FailPublish("ENGINEERING", "no"))
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.Advance(time.Hour)
	if status := p.poolStatus("ENGINEERING"); status["last_provisioning_error"] != nil || status["last_provisioning_error_time"] != nil || p.Pool("ENGINEERING")["stop_provisioning_on_error"] != false {
		t.Errorf("the pool has %v", status)
	}
}

func TestSteeringWhatIsNotThereIsAnError(t *testing.T) {
	p := newPod(t, newestRelease)
	for what, err := range map[string]error{
		"a pool":                    p.FailPublish("NOWHERE", "x"),
		"a machine":                 p.FailMachine("SALES", "ENG-001", "x"),
		"a vCenter":                 p.FailImage("nowhere", goldenV1, "x"),
		"a snapshot":                p.FailImage(HorizonVCenterID, "snapshot-9", "x"),
		"a snapshot to remove":      p.RemoveSnapshot(HorizonVCenterID, rdsVM, goldenV1),
		"a snapshot of the pool":    p.SetPoolOperation("SALES", PoolOperation{Operation: operationPush, PendingState: pendingReady, PendingSnapshotID: rdsV1}),
		"a pending image":           p.PromoteAsSomebodyElse("SALES"),
		"a pending image to cancel": p.CancelAsSomebodyElse("SALES"),
		"a pending image to apply":  p.ApplyPendingAsSomebodyElse("SALES", "SAL-001"),
		"a machine to apply":        p.ApplyCurrentAsSomebodyElse("SALES", "ENG-001"),
		"an image":                  p.PushAsSomebodyElse("SALES", Push{VMID: goldenVM, SnapshotID: rdsV1}),
		"a tag":                     p.PushAsSomebodyElse("SALES", Push{TagID: "none"}),
		"a canary":                  p.PushAsSomebodyElse("SALES", Push{VMID: goldenVM, SnapshotID: goldenV2, Selective: true, Machines: []string{"ENG-001"}}),
	} {
		if err == nil {
			t.Errorf("%s that is not there is no error", what)
		}
	}
	p.expectPool("after that", "SALES", "NONE, none, "+goldenV1)
	for what, add := range map[string]func(){
		"a vCenter":  func() { p.AddPool(DesktopPool{Name: "X", VCenterID: "nowhere", VMID: goldenVM}) },
		"a VM":       func() { p.AddPool(DesktopPool{Name: "X", VMID: "vm-9"}) },
		"a snapshot": func() { p.AddPool(DesktopPool{Name: "X", VMID: goldenVM, SnapshotID: rdsV1}) },
		"a name":     func() { p.AddPool(DesktopPool{Name: "SALES", VMID: goldenVM}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a pool with %s that cannot be is added", what)
				}
			}()
			add()
		}()
	}
}
