package pool_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// minutes is the step of most tests, moments one within which a pool may not show what
// was sent to it.
const (
	minutes = 2 * time.Minute
	moments = 10 * time.Second
)

// pushed is the body of a push of a snapshot to ENGINEERING.
func pushed(snapshot string) string {
	return `schedule-push-image {"parent_vm_id":"vm-1002","snapshot_id":"` + snapshot + `","logoff_policy":"WAIT_FOR_LOGOFF","stop_on_first_error":true,"add_virtual_tpm":true}`
}

// canaryOf is the selective push of a snapshot to so many machines.
func canaryOf(snapshot string, machines int) string {
	ids := strings.TrimSuffix(strings.Repeat(`"<id>",`, machines), ",")
	return `v2 ` + strings.TrimSuffix(pushed(snapshot), "}") + `,"selective_push_image":true,"machine_ids":[` + ids + `]}`
}

const pushOfV2 = "schedule-push-image: win11-golden v2, WAIT_FOR_LOGOFF, now, vTPM kept"

func TestActionPushEndsWhenTheImageIsPublished(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	a := actionsOn(t, pod.Pod)
	push := members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]}
	published := []string{pushOfV2, "publishing 11 %", "publishing 33 %", "publishing 55 %", "publishing 77 %"}
	a.invoke("push_image", push).succeeded(published...)
	pod.sent(t, pushed(snapshots["v2"]))
	if got := currentSnapshot(pod.Pod, "ENGINEERING"); got != snapshots["v2"] {
		t.Errorf("the pool runs %v", got)
	}

	// Once more: an action has no state that it would find the pool in.
	pod.EndPush(t)
	a.invoke("push_image", push).succeeded(published...)
	pod.sent(t, pushed(snapshots["v2"]))
}

// EndPush lets the machines come to the image of the pool.
func (p *steppedPod) EndPush(t *testing.T) {
	t.Helper()
	p.Advance(time.Hour)
	if tasks := p.PoolTasks("ENGINEERING"); len(tasks) > 0 {
		t.Fatalf("there are tasks left: %v", tasks)
	}
}

func TestActionPushEndsWhenThePoolShowsIt(t *testing.T) {
	t.Parallel()
	for _, again := range []string{"v2", "v1"} {
		pod := newSteppedPod(t, moments, simulator.Options{})
		vm, snapshots := golden(t, pod.Pod)
		a := actionsOn(t, pod.Pod)
		a.invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots[again], "wait_for": "accepted"}).
			succeeded(strings.Replace(pushOfV2, "v2", again, 1), "SCHEDULE_PUSH_IMAGE, PENDING_PUBLISH")
		pod.sent(t, pushed(snapshots[again]))
	}
}

func TestActionPushWaitsForMachines(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	a := actionsOn(t, pod.Pod)
	push := members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"], "wait_for": "machines", "wait_for_machines_percent": 60}
	to60 := []string{pushOfV2, "publishing 11 %", "publishing 33 %", "publishing 55 %", "publishing 77 %", "machines 0/10", "machines 2/10", "machines 4/10", "machines 6/10"}
	a.invoke("push_image", push).succeeded(to60...)
	pod.sent(t, pushed(snapshots["v2"]))

	// That the pool runs the image before does not make its machines new.
	pod.EndPush(t)
	a.invoke("push_image", push).succeeded(to60...)
}

// TestActionPushOfTheSameImageToAServerThatDoesNothing ends, since a pool that does not show a
// push for two minutes is not going to.
func TestActionPushOfTheSameImageToAServerThatDoesNothing(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, moments, simulator.Options{Assumptions: map[string]string{"horizon-push-same": "no-op"}})
	vm, snapshots := golden(t, pod.Pod)
	actionsOn(t, pod.Pod).invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v1"]}).
		succeeded(strings.Replace(pushOfV2, "v2", "v1", 1))
	pod.sent(t, pushed(snapshots["v1"]))
}

func TestActionPushOfTheSameImageThatFailsIsToldToFail(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, 30*time.Second, simulator.Options{Assumptions: map[string]string{"horizon-failed-image": "removed"}})
	vm, snapshots := golden(t, pod.Pod)
	if err := pod.FailPublish("ENGINEERING", "no space left on datastore1"); err != nil {
		t.Fatal(err)
	}
	actionsOn(t, pod.Pod).invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v1"]}).
		failed("Unable to push the image of the desktop pool", "No space left on datastore1.")
}

func TestActionPushAdoptsTheSameImage(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	if err := pod.PushAsSomebodyElse("ENGINEERING", simulator.Push{VMID: vm, SnapshotID: snapshots["v2"], LogoffPolicy: "FORCE_LOGOFF", VirtualTPM: true}); err != nil {
		t.Fatal(err)
	}
	a := actionsOn(t, pod.Pod)
	push := members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"], "logoff_policy": "WAIT_FOR_LOGOFF"}
	got := a.invoke("push_image", push)
	got.succeeded("publishing 55 %", "publishing 77 %", "nothing was sent: the image was on its way already")
	pod.sent(t)

	// One that waits for its time is waited for until it is published.
	if err := pod.PushAsSomebodyElse("ENGINEERING", simulator.Push{VMID: vm, SnapshotID: snapshots["v3"], StartTime: pod.Now().Add(48 * time.Hour), VirtualTPM: true}); err != nil {
		t.Fatal(err)
	}
	push = members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v3"], "start_time": pod.Now().Add(24 * time.Hour).Format(time.RFC3339)}
	a.invoke("push_image", push).warned("A push keeps its time", "actions move no push")
	pod.sent(t)
}

func TestActionPushLeavesAloneWhatIsSomebodyElses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		other simulator.Push
		wait  time.Duration
		image string
		says  []string
	}{
		{"a scheduled image", simulator.Push{StartTime: time.Now().Add(48 * time.Hour)}, 0, "v2", []string{"win11-golden v3 is scheduled for ", "imageops_cancel_push_image", "Nothing was sent."}},
		{"a scheduled image, and the pool runs the pushed one", simulator.Push{StartTime: time.Now().Add(48 * time.Hour)}, 0, "v1", []string{"win11-golden v3 is scheduled for "}},
		{"a held image", simulator.Push{Selective: true, Machines: []string{"ENG-001"}}, time.Hour, "v2", []string{"win11-golden v3 is held on it for some machines", "imageops_promote_pending_image"}},
		{"a held image, and the pool runs the pushed one", simulator.Push{Selective: true}, time.Hour, "v1", []string{"win11-golden v3 is held on it"}},
		{"the same image, held", simulator.Push{Selective: true}, time.Hour, "v3", []string{"win11-golden v3 is held on it"}},
		{"the same image, scheduled otherwise", simulator.Push{StartTime: time.Now().Add(48 * time.Hour), LogoffPolicy: "FORCE_LOGOFF"}, 0, "v3", []string{"with other settings"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pod := newSteppedPod(t, minutes, simulator.Options{})
			vm, snapshots := golden(t, pod.Pod)
			c.other.VMID, c.other.SnapshotID, c.other.VirtualTPM = vm, snapshots["v3"], true
			if err := pod.PushAsSomebodyElse("ENGINEERING", c.other); err != nil {
				t.Fatal(err)
			}
			pod.Advance(c.wait)
			push := members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots[c.image], "logoff_policy": "WAIT_FOR_LOGOFF"}
			actionsOn(t, pod.Pod).invoke("push_image", push).failed(c.says...).told()
			pod.sent(t)
		})
	}
}

func TestActionPushComesAfterAPushThatHasBegun(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	if err := pod.PushAsSomebodyElse("ENGINEERING", simulator.Push{VMID: vm, SnapshotID: snapshots["v3"], VirtualTPM: true}); err != nil {
		t.Fatal(err)
	}
	actionsOn(t, pod.Pod).invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]}).
		succeeded("publishing 55 %", "publishing 77 %", pushOfV2, "publishing 11 %", "publishing 33 %", "publishing 55 %", "publishing 77 %")
	pod.sent(t, pushed(snapshots["v2"]))
}

func TestActionPushFollowsATag(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	pod.CreateCatalogueObject("im-assets", map[string]any{
		"im_stream_id": simulator.HorizonStreamID, "im_version_id": simulator.HorizonVersionID, "vcenter_id": simulator.HorizonVCenterID,
		"base_vm_id": vm, "base_snapshot_id": snapshots["v2"], "clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE",
	})
	other := pod.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": simulator.HorizonStreamID, "name": "v9", "status": "AVAILABLE"})
	tag := pod.CreateCatalogueObject("im-tags", map[string]any{"im_stream_id": simulator.HorizonStreamID, "im_version_id": simulator.HorizonVersionID, "name": "live"})
	a := actionsOn(t, pod.Pod)
	push := members{"desktop_pool_id": engineering, "im_stream_id": simulator.HorizonStreamID, "im_tag_id": tag, "wait_for": "accepted"}
	push["im_version_id"] = other
	a.invoke("push_image", push).failed("Nothing was sent.").told()
	pod.sent(t)
	push["im_version_id"] = simulator.HorizonVersionID
	if got := a.invoke("push_image", push); len(rules.Errors(got.diags)) > 0 {
		t.Fatal(rules.Printed(got.diags))
	}
	pod.sent(t, `schedule-push-image {"im_stream_id":"<id>","im_tag_id":"<id>","logoff_policy":"WAIT_FOR_LOGOFF","stop_on_first_error":true,"add_virtual_tpm":true}`)
}

func TestActionsOfACanary(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	a := actionsOn(t, pod.Pod)
	push := members{
		"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"], "wait_for": "machines",
		"selective": members{"machine_names": []string{"eng-001", "ENG-002", "ENG-003"}},
	}
	a.invoke("push_image", push).succeeded("schedule-push-image: win11-golden v2, held for ENG-002, ENG-003, eng-001, WAIT_FOR_LOGOFF, now, vTPM kept",
		"publishing 11 %", "publishing 33 %", "publishing 55 %", "publishing 77 %", "NONE, READY_HELD", "machines 0/3", "machines 2/3", "machines 3/3")
	pod.sent(t, strings.Replace(canaryOf(snapshots["v2"], 3), "v2 schedule-push-image", "schedule-push-image", 1))

	id, _ := pod.PoolMachines("ENGINEERING")["ENG-005"]["id"].(string)
	apply := members{"desktop_pool_id": engineering, "machine_names": []string{"ENG-004"}, "machine_ids": []string{id}, "image": "pending", "wait_for": "machines"}
	a.invoke("apply_image", apply).succeeded("apply-image (pending, win11-golden v2): "+strings.Join(slices.Sorted(slices.Values([]string{"ENG-004", id})), ", "), "machines 0/2", "machines 2/2")
	pod.sent(t, `apply-image?pending_image=true ["<id>","<id>"]`)

	a.invoke("apply_image", members{"desktop_pool_id": engineering, "machine_names": []string{"ENG-001"}, "image": "current"}).succeeded("apply-image (current): ENG-001")
	pod.sent(t, `apply-image?pending_image=false ["<id>"]`)
	pod.EndPush(t)
	if got := machinesOnSnapshot(pod.Pod, snapshots["v2"]); got != "ENG-002 ENG-003 ENG-004 ENG-005" {
		t.Errorf("on v2 are %s", got)
	}

	wrong := members{"desktop_pool_id": engineering, "snapshot_id": snapshots["v3"]}
	a.invoke("promote_pending_image", wrong).failed("Unable to promote the image of the desktop pool", "its pending image is win11-golden v2, and this action is about "+snapshots["v3"], "Nothing was sent.").told()
	a.invoke("cancel_push_image", wrong).failed("its pending image is win11-golden v2").told()
	pod.sent(t)

	a.invoke("promote_pending_image", members{"desktop_pool_id": engineering, "snapshot_id": snapshots["v2"], "wait_for": "machines"}).
		succeeded("promote-pending-image: win11-golden v2", "machines 4/10", "machines 6/10", "machines 8/10", "machines 10/10")
	pod.sent(t, "promote-pending-image ")
	if got := currentSnapshot(pod.Pod, "ENGINEERING"); got != snapshots["v2"] {
		t.Errorf("the pool runs %v", got)
	}

	for _, kind := range []string{"promote_pending_image", "cancel_push_image"} {
		a.invoke(kind, members{"desktop_pool_id": engineering, "snapshot_id": snapshots["v2"]}).failed("it has no pending image; it runs win11-golden v2. Nothing was sent.").told()
	}
	a.invoke("apply_image", members{"desktop_pool_id": engineering, "machine_names": []string{"ENG-001"}, "image": "pending"}).failed("it has no pending image").told()
	pod.sent(t)
}

func TestActionPushHoldsTheImageThatThePoolRuns(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	push := members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v1"], "selective": members{"machine_names": []string{"ENG-001"}}}
	if got := actionsOn(t, pod.Pod).invoke("push_image", push); len(got.diags) > 0 {
		t.Error(rules.Printed(got.diags))
	}
	pod.sent(t, strings.TrimPrefix(canaryOf(snapshots["v1"], 1), "v2 "))
}

func TestActionsDoNotWaitForATerraformThatHasGone(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	a := actionsOn(t, pod.Pod)
	push := members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]}
	ctx, gone := context.WithCancel(t.Context())
	stream, err := a.server.(tfprotov6.ActionServer).InvokeAction(ctx, &tfprotov6.InvokeActionRequest{ActionType: "imageops_push_image", Config: a.config("push_image", push)})
	if err != nil {
		t.Fatal(err)
	}
	for range stream.Events {
		break
	}
	gone()
	// It would keep the pool to itself.
	if got := a.invoke("push_image", push); len(got.diags) > 0 {
		t.Error(rules.Printed(got.diags))
	}
}

// machinesOnSnapshot names the machines that are made of a snapshot.
func machinesOnSnapshot(pod *acceptance.Pod, snapshot string) string {
	var on []string
	for name, m := range pod.PoolMachines("ENGINEERING") {
		if managed, _ := m["managed_machine_data"].(map[string]any); managed["base_vm_snapshot_id"] == snapshot {
			on = append(on, name)
		}
	}
	slices.Sort(on)
	return strings.Join(on, " ")
}

func TestActionPromoteWaitsForTheImageAndNamesItsVersion(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	pod.CreateCatalogueObject("im-assets", map[string]any{
		"im_stream_id": simulator.HorizonStreamID, "im_version_id": simulator.HorizonVersionID, "vcenter_id": simulator.HorizonVCenterID,
		"base_vm_id": vm, "base_snapshot_id": snapshots["v2"], "clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE",
	})
	if err := pod.PushAsSomebodyElse("ENGINEERING", simulator.Push{VMID: vm, SnapshotID: snapshots["v2"], Selective: true, VirtualTPM: true}); err != nil {
		t.Fatal(err)
	}
	actionsOn(t, pod.Pod).invoke("promote_pending_image", members{"desktop_pool_id": engineering, "im_version_id": simulator.HorizonVersionID}).
		succeeded("publishing 55 %", "publishing 77 %", "NONE, READY_HELD", "promote-pending-image: win11-golden v2")
	pod.sent(t, "promote-pending-image ")
}

func TestActionCancelTakesAScheduledPushBack(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, 15*time.Second, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	a := actionsOn(t, pod.Pod)
	start := pod.Now().Add(72 * time.Hour)
	scheduled := simulator.Push{VMID: vm, SnapshotID: snapshots["v2"], StartTime: start, VirtualTPM: true}
	if err := pod.PushAsSomebodyElse("ENGINEERING", scheduled); err != nil {
		t.Fatal(err)
	}
	pod.Advance(time.Hour)
	a.invoke("promote_pending_image", members{"desktop_pool_id": engineering, "snapshot_id": snapshots["v2"]}).
		failed("win11-golden v2 is not held, but scheduled for "+start.Format(time.RFC3339), "Nothing was sent.").told()
	pod.sent(t)

	cancel := members{"desktop_pool_id": engineering, "snapshot_id": snapshots["v2"]}
	call := "cancel-scheduled-push-image (win11-golden v2, scheduled for " + start.Format(time.RFC3339) + ")"
	a.invoke("cancel_push_image", cancel).succeeded(call, "SCHEDULE_PUSH_IMAGE, READY", "CANCEL_SCHEDULED_PUSH_IMAGE, UNPUBLISHING")
	pod.sent(t, "cancel-scheduled-push-image ")

	if err := pod.PushAsSomebodyElse("ENGINEERING", scheduled); err != nil {
		t.Fatal(err)
	}
	pod.Advance(time.Hour)
	cancel["wait_for"] = "accepted"
	a.invoke("cancel_push_image", cancel).succeeded(call, "SCHEDULE_PUSH_IMAGE, READY", "CANCEL_SCHEDULED_PUSH_IMAGE, UNPUBLISHING")
	if state := pod.Pool("ENGINEERING")["provisioning_status_data"].(map[string]any)["instant_clone_pending_image_state"]; state != "UNPUBLISHING" {
		t.Errorf("it has waited until the image was %v", state)
	}
}

func TestActionCancelLeavesCanariesAndWhatHasBegun(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, moments, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	a := actionsOn(t, pod.Pod)
	cancel := members{"desktop_pool_id": engineering, "snapshot_id": snapshots["v2"]}
	if err := pod.PushAsSomebodyElse("ENGINEERING", simulator.Push{VMID: vm, SnapshotID: snapshots["v2"], Selective: true, Machines: []string{"ENG-007"}, VirtualTPM: true}); err != nil {
		t.Fatal(err)
	}
	a.invoke("cancel_push_image", cancel).failed("Unable to cancel the push of the image of the desktop pool", "the push of win11-golden v2 has begun, and cannot be taken back. Nothing was sent.").told()
	a.invoke("apply_image", members{"desktop_pool_id": engineering, "machine_names": []string{"ENG-001"}, "image": "pending"}).failed("is not held").told()
	a.invoke("apply_image", members{"desktop_pool_id": engineering, "machine_names": []string{"ENG-001"}, "image": "current"}).failed("its operation is SCHEDULE_PUSH_IMAGE").told()
	pod.sent(t)
	pod.Advance(time.Hour)
	a.invoke("cancel_push_image", cancel).succeeded("cancel-scheduled-push-image (win11-golden v2, held)", "NONE, READY_HELD", "CANCEL_SCHEDULED_PUSH_IMAGE, UNPUBLISHING").
		warned("Machines keep the image that was taken back", "1 machines have win11-golden v2 (ENG-007)", "imageops_apply_image")
	pod.sent(t, "cancel-scheduled-push-image ")
}

func TestActionPushThatCannotBePublished(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	if err := pod.FailPublish("ENGINEERING", "no space left on datastore1"); err != nil {
		t.Fatal(err)
	}
	a := actionsOn(t, pod.Pod)
	push := members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]}
	a.invoke("push_image", push).failed("win11-golden v2 could not be published: No space left on datastore1.").
		told(pushOfV2, "publishing 11 %", "publishing 33 %", "SCHEDULE_PUSH_IMAGE, FAILED")
	pod.sent(t, pushed(snapshots["v2"]))
	pod.Advance(time.Hour)
	a.invoke("promote_pending_image", members{"desktop_pool_id": engineering, "snapshot_id": snapshots["v2"]}).failed("No space left on datastore1.", "Nothing was sent.").told()
	pod.sent(t)
	// The next one pushes anew.
	if got := a.invoke("push_image", push); len(rules.Errors(got.diags)) > 0 {
		t.Error(rules.Printed(got.diags))
	}
	pod.sent(t, pushed(snapshots["v2"]))
}

func TestActionResumeGoesOnAfterMachinesFailed(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	a := actionsOn(t, pod.Pod)
	resume := members{"desktop_pool_id": engineering, "wait_for": "machines"}
	a.invoke("resume_push_image", resume).failed("Unable to resume the push of the image of the desktop pool", "it has no push that was halted. Nothing was sent.").told()
	resumed(t, pod)

	if err := pod.FailMachine("ENGINEERING", "ENG-003", "customization timed out"); err != nil {
		t.Fatal(err)
	}
	push := members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"], "wait_for": "machines"}
	a.invoke("push_image", push).failed("ENG-003: customization timed out", "imageops_resume_push_image")
	pod.ResetRequests()

	// The one that has failed is left, and the others go on.
	a.invoke("resume_push_image", resume).failed("ENG-003")
	resumed(t, pod, `{"retry_failed_vms":false,"stop_on_error":true}`)
	a.invoke("resume_push_image", resume).failed("no machine waits for a push to go on; 1 have failed (ENG-003). Nothing was sent.", "retry_failed_machines = true").told()
	resumed(t, pod)

	resume["retry_failed_machines"] = true
	a.invoke("resume_push_image", resume).succeeded("resume-task: the push of win11-golden v2", "machines 9/10", "machines 10/10")
	resumed(t, pod, `{"retry_failed_vms":true,"stop_on_error":true}`)
}

// resumed fails the test unless tasks were resumed with these bodies.
func resumed(t *testing.T, pod *steppedPod, want ...string) {
	t.Helper()
	var got []string
	for _, r := range pod.Requests() {
		if strings.HasSuffix(r.Path, "/action/resume") {
			got = append(got, r.Body)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("resumed with %q, want %q", got, want)
	}
	pod.ResetRequests()
}

func TestActionsWithMachinesThatAreNotThere(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	a := actionsOn(t, pod.Pod)
	a.invoke("apply_image", members{"desktop_pool_id": engineering, "machine_names": []string{"ENG-001", "ENG-099"}, "image": "current"}).failed("it has no machine ENG-099, or more than one. Nothing was sent.").told()
	a.invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"], "selective": members{"machine_names": []string{"ENG-099"}}}).
		failed("it has no machine ENG-099").told()
	a.invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": "snapshot-404"}).failed("snapshot-404").told()
	pod.sent(t)
}

func TestActionsOfOldReleases(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		release, kind, says string
		config              func(vm string, snapshots map[string]string) members
	}{
		{"2111", "promote_pending_image", "Promoting a pending image needs Horizon 2206 or newer", func(_ string, s map[string]string) members { return members{"snapshot_id": s["v2"]} }},
		{"2111", "apply_image", "Applying an image to machines needs Horizon 2206 or newer", func(string, map[string]string) members {
			return members{"machine_names": []string{"ENG-001"}, "image": "current"}
		}},
		{"2111", "push_image", "A selective push needs Horizon 2206 or newer", func(vm string, s map[string]string) members {
			return members{"parent_vm_id": vm, "snapshot_id": s["v2"], "selective": members{"machine_names": []string{"ENG-001"}}}
		}},
		{"2106", "resume_push_image", "Resuming a task needs Horizon 2111 or newer", func(string, map[string]string) members { return members{} }},
	} {
		pod := newSteppedPod(t, minutes, simulator.Options{Release: c.release})
		vm, snapshots := golden(t, pod.Pod)
		a := actionsOn(t, pod.Pod)
		config := c.config(vm, snapshots)
		config["desktop_pool_id"] = engineering
		// A push under way would be waited for, if it was of any use.
		if err := pod.PushAsSomebodyElse("ENGINEERING", simulator.Push{VMID: vm, SnapshotID: snapshots["v3"], VirtualTPM: true}); err != nil {
			t.Fatal(err)
		}
		got := a.invokeUnplanned(t.Context(), c.kind, config, nil).told()
		for what, diags := range map[string][]*tfprotov6.Diagnostic{"plan": a.plan(c.kind, config), "invoke": got.diags} {
			if all := rules.Errors(diags); len(all) != 1 || !strings.Contains(all[0].Detail, c.says) || !strings.Contains(all[0].Detail, "Nothing was sent.") {
				t.Errorf("%s of %s on %s: %s", what, c.kind, c.release, rules.Printed(diags))
			}
		}
		pod.sent(t)
	}
	pod := newSteppedPod(t, minutes, simulator.Options{Release: "2111"})
	vm, snapshots := golden(t, pod.Pod)
	if got := actionsOn(t, pod.Pod).invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]}); len(rules.Errors(got.diags)) > 0 {
		t.Error(rules.Printed(got.diags))
	}
	pod.sent(t, pushed(snapshots["v2"]))
}

func TestActionsWithoutThePrivilege(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	if err := pod.PushAsSomebodyElse("SALES", simulator.Push{VMID: vm, SnapshotID: snapshots["v2"], Selective: true}); err != nil {
		t.Fatal(err)
	}
	pod.Advance(time.Hour)
	a := actionsOn(t, pod.Pod, members{"username": "reader", "password": "reader-password"})
	for kind, config := range map[string]members{
		"push_image":            {"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]},
		"promote_pending_image": {"desktop_pool_id": sales, "snapshot_id": snapshots["v2"]},
		"cancel_push_image":     {"desktop_pool_id": sales, "snapshot_id": snapshots["v2"]},
		"apply_image":           {"desktop_pool_id": sales, "machine_names": []string{"SAL-001"}, "image": "pending"},
	} {
		a.invoke(kind, config).failed("POOL_SVI_IMAGE_MANAGEMENT on the access group").told()
	}
	if len(posts(pod.Pod)) != 4 {
		t.Errorf("the calls are %q", posts(pod.Pod))
	}
}

func TestActionsEndWithTheRunWithinASecond(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, moments, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	a := actionsOn(t, pod.Pod, members{"poll_interval": "30s"})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var stopped time.Time
	got := a.invokeUnplanned(ctx, "push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]}, func(progress string) {
		if progress == pushOfV2 {
			stopped = time.Now()
			cancel(context.Canceled)
		}
	})
	if took := time.Since(stopped); took > time.Second {
		t.Errorf("it took %s to end", took)
	}
	got.failed("The run was cancelled.", "Sent was "+pushOfV2+", which goes on in Horizon by itself").told(pushOfV2)
	pod.sent(t, pushed(snapshots["v2"]))

	// One that was cancelled before it has begun sends nothing.
	got = a.invokeUnplanned(ctx, "push_image", members{"desktop_pool_id": sales, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]}, nil)
	got.failed("The run was cancelled. Nothing was sent.").told()
	pod.sent(t)
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Error("the run goes on")
	}

	// The next one waits for the push that is under way.
	b := actionsOn(t, pod.Pod)
	pod.step.Store(int64(minutes))
	b.invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]})
	pod.sent(t)
}

func TestActionsEndAtTheirTimeout(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, 0, simulator.Options{})
	vm, snapshots := golden(t, pod.Pod)
	began := time.Now()
	defer func() {
		if took := time.Since(began); took > mostTime/2 {
			t.Errorf("it took %s", took)
		}
	}()
	actionsOn(t, pod.Pod).invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"], "timeout": "1s"}).
		failed("The time that the timeout argument allows was over. Sent was " + pushOfV2).told(pushOfV2)
	pod.sent(t, pushed(snapshots["v2"]))
}

func TestActionsNeverTellThePassword(t *testing.T) {
	t.Parallel()
	pod := acceptance.UnguardedPod(t, simulator.Options{})
	vm, snapshots := golden(t, pod)
	// A proxy that shows in its refusal what it was sent.
	for _, r := range []string{"schedule-push-image", "promote-pending-image", "cancel-scheduled-push-image"} {
		if err := pod.AddFault(simulator.Fault{Method: http.MethodPost, Path: r, Effect: simulator.EffectStatus, Status: 400, Body: `{"errors":["refused for ` + pod.Password + `"]}`}); err != nil {
			t.Fatal(err)
		}
	}
	a := actionsOn(t, pod)
	got := a.invoke("push_image", members{"desktop_pool_id": engineering, "parent_vm_id": vm, "snapshot_id": snapshots["v2"]})
	if len(rules.Errors(got.diags)) != 1 || strings.Contains(rules.Printed(got.diags)+strings.Join(got.progress, "\n"), pod.Password) {
		t.Errorf("%s%q", rules.Printed(got.diags), got.progress)
	}
}

func TestActionConfigurationsThatCannotBe(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, minutes, simulator.Options{})
	a := actionsOn(t, pod.Pod)
	for _, c := range []struct {
		kind   string
		config members
		says   string
	}{
		{"push_image", members{"desktop_pool_id": engineering}, "Missing image"},
		{"push_image", members{"desktop_pool_id": engineering, "parent_vm_id": "vm-1", "snapshot_id": "snapshot-1", "timeout": "soon"}, "Invalid duration"},
		{"push_image", members{"desktop_pool_id": engineering, "parent_vm_id": "vm-1", "snapshot_id": "snapshot-1", "wait_for": "cancelled"}, "wait_for"},
		{"promote_pending_image", members{"desktop_pool_id": engineering}, "Missing image"},
		{"promote_pending_image", members{"desktop_pool_id": engineering, "snapshot_id": "snapshot-1", "im_version_id": simulator.HorizonVersionID}, "Missing image"},
		{"cancel_push_image", members{"desktop_pool_id": engineering, "snapshot_id": "snapshot-1", "wait_for": "machines"}, "wait_for"},
		{"apply_image", members{"desktop_pool_id": engineering, "image": "pending"}, "Missing machines"},
		{"apply_image", members{"desktop_pool_id": engineering, "image": "next", "machine_names": []string{"ENG-001"}}, "image"},
		{"apply_image", members{"desktop_pool_id": engineering, "image": "current", "machine_ids": []string{"no id"}}, "Invalid machine"},
		{"resume_push_image", members{"desktop_pool_id": "a b"}, "Invalid ID"},
	} {
		diags := a.validate(c.kind, c.config)
		if len(rules.Errors(diags)) != 1 || !strings.Contains(rules.Printed(diags), c.says) {
			t.Errorf("%s %v: %s", c.kind, c.config, rules.Printed(diags))
		}
	}
	unknown := tftypes.NewValue(tftypes.String, tftypes.UnknownValue)
	for kind, config := range map[string]members{
		"push_image":            {"desktop_pool_id": unknown, "parent_vm_id": unknown, "snapshot_id": unknown},
		"promote_pending_image": {"desktop_pool_id": unknown, "snapshot_id": unknown},
		"cancel_push_image":     {"desktop_pool_id": unknown, "im_version_id": unknown},
		"apply_image":           {"desktop_pool_id": unknown, "image": unknown, "machine_names": tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, tftypes.UnknownValue)},
		"resume_push_image":     {"desktop_pool_id": unknown},
	} {
		if diags := append(a.validate(kind, config), a.plan(kind, config)...); len(diags) > 0 {
			t.Errorf("%s with what is not known: %s", kind, rules.Printed(diags))
		}
	}
	if n := len(pod.Requests()); n > 0 {
		t.Errorf("%d requests for what is not known", n)
	}
	if diags := a.plan("resume_push_image", members{"desktop_pool_id": kiosk}); !strings.Contains(rules.Printed(diags), "automated pools of instant clones only") {
		t.Errorf("the plan for a pool of another kind: %s", rules.Printed(diags))
	}
	pod.sent(t)
}

// TestAccTerraformWithoutActionsUsesTheResource holds for Terraform before 1.14 and for
// OpenTofu, which do not know actions.
func TestAccTerraformWithoutActionsUsesTheResource(t *testing.T) {
	pod := acceptance.HorizonPod(t, simulator.Options{})
	vm, snapshots := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, snapshots["v2"]))
	w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v2")
	expectCalls(t, pod)
}

// exampleArgument finds what an example sets in the block config, without what is nested.
var exampleArgument = regexp.MustCompile(`(?m)^ {4}(\w+) +=`)

func TestActionsAreDescribedAndHaveExamples(t *testing.T) {
	t.Parallel()
	a := actionsOn(t, acceptance.HorizonPod(t, simulator.Options{}))
	if len(a.schemas) != 5 {
		t.Errorf("%d actions", len(a.schemas))
	}
	for kind, action := range a.schemas {
		if !strings.HasSuffix(action.Schema.Block.Description, ".") {
			t.Errorf("%s is described as %q", kind, action.Schema.Block.Description)
		}
		known := map[string]bool{}
		for _, attribute := range action.Schema.Block.Attributes {
			known[attribute.Name] = true
			described := attribute.Description
			choice := strings.Contains(described, "efault") || strings.Contains(described, "Either") || strings.HasPrefix(described, "ID ")
			if !strings.HasSuffix(described, ".") || attribute.Optional && !choice {
				t.Errorf("%s of %s is described as %q", attribute.Name, kind, described)
			}
		}
		example, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "actions", kind, "action.tf"))
		if err != nil {
			t.Error(err)
			continue
		}
		set := exampleArgument.FindAllStringSubmatch(string(example), -1)
		if len(set) < 2 {
			t.Errorf("the example of %s sets %v", kind, set)
		}
		for _, argument := range set {
			if !known[argument[1]] {
				t.Errorf("the example of %s sets %s", kind, argument[1])
			}
		}
	}
}
