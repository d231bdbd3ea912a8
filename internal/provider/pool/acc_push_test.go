package pool_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// canary is the attribute that brings an image to some machines first.
func canary(promote string, machines ...string) string {
	return fmt.Sprintf("selective = { machine_names = [%s], promote_image = %s }", `"`+strings.Join(machines, `", "`)+`"`, promote)
}

// machinesOn counts the machines of a pool that have a snapshot.
func machinesOn(pod *acceptance.Pod, pool, snapshot string) int {
	n := 0
	for _, m := range pod.PoolMachines(pool) {
		if managed, _ := m["managed_machine_data"].(map[string]any); managed["base_vm_snapshot_id"] == snapshot {
			n++
		}
	}
	return n
}

func TestAccACanaryIsPromoted(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, s["v2"], canary("null", "ENG-001", "ENG-002"), `wait_for = "machines"`))
	w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v2, held for ENG-001, ENG-002, WAIT_FOR_LOGOFF, now, vTPM kept")
	w.Apply().MustSucceed(t)
	if n := machinesOn(pod, "ENGINEERING", s["v2"]); n != 2 {
		t.Errorf("%d machines are on the canary", n)
	}
	noop(t, w)

	w.Write("main.tf", resource(engineering, vm, s["v2"], canary("null", "ENG-002", "ENG-003")))
	w.Plan().MustSucceed(t).MustContain(t, "apply-image (pending, win11-golden v2): ENG-003", "apply-image (current): ENG-001")
	w.Apply().MustSucceed(t)
	noop(t, w)

	// Last month's approval releases nothing.
	w.Write("main.tf", resource(engineering, vm, s["v2"], canary(`"`+s["v1"]+`"`, "ENG-002", "ENG-003")))
	w.Apply().MustSucceed(t)
	if got := currentSnapshot(pod, "ENGINEERING"); got != s["v1"] {
		t.Errorf("the pool runs %v", got)
	}

	w.Write("main.tf", resource(engineering, vm, s["v2"], canary(`"`+s["v2"]+`"`, "ENG-002", "ENG-003")))
	w.Plan().MustSucceed(t).MustContain(t, "promote-pending-image: win11-golden v2")
	w.Apply().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image", "apply-image", "apply-image", "promote-pending-image")
	if got := currentSnapshot(pod, "ENGINEERING"); got != s["v2"] {
		t.Errorf("the pool runs %v", got)
	}
	noop(t, w)
	if image, _ := w.Attributes("imageops_desktop_pool_image.this")["previous_image"].(map[string]any); image["snapshot_id"] != s["v1"] {
		t.Errorf("the previous image is %v", image)
	}
	// The names of machines do not matter any more.
	w.Write("main.tf", resource(engineering, vm, s["v2"], canary(`"`+s["v2"]+`"`, "GONE-001")))
	w.Apply().MustSucceed(t)
	w.Write("main.tf", resource(engineering, vm, s["v2"]))
	w.Apply().MustSucceed(t)
	noop(t, w)
	w.Destroy().MustSucceed(t)
	if n := len(calls(pod)); n != 4 {
		t.Errorf("the calls are %v", calls(pod))
	}
}

func TestAccADestroyedCanaryGoesBack(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, s["v2"], canary("null", "ENG-001"), `wait_for = "machines"`))
	w.Apply().MustSucceed(t)
	w.Plan("-destroy").MustSucceed(t).MustContain(t, "Destroying this resource takes back a push", "apply-image (current): the machines on win11-golden v2", "cancel-scheduled-push-image (win11-golden v2, held)")
	w.Destroy().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image", "apply-image", "cancel-scheduled-push-image")
}

func TestAccRollback(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, s["v1"], `on_destroy = "rollback"`))
	w.Apply().MustSucceed(t)
	w.Plan("-destroy").MustFail(t, "it is not known what the pool ran before", `on_destroy = "keep"`)
	w.Write("main.tf", resource(engineering, vm, s["v2"], `on_destroy = "rollback"`))
	w.Apply().MustSucceed(t)
	w.Plan("-destroy").MustSucceed(t).MustContain(t, "re-images", "schedule-push-image: win11-golden v1")
	w.Destroy().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image", "schedule-push-image")
	if got := currentSnapshot(pod, "ENGINEERING"); got != s["v1"] {
		t.Errorf("the pool runs %v", got)
	}
}

func TestAccRollbackToASnapshotThatIsGone(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, s["v2"], `on_destroy = "rollback"`))
	w.Apply().MustSucceed(t)
	for _, pool := range []string{"SALES"} { // Which runs the snapshot, too.
		if err := pod.RemovePool(pool); err != nil {
			t.Fatal(err)
		}
	}
	if err := pod.RemoveSnapshot(simulator.HorizonVCenterID, vm, s["v1"]); err != nil {
		t.Fatal(err)
	}
	w.Plan("-destroy").MustFail(t, "is not there any more", `on_destroy = "keep"`)
	expectCalls(t, pod, "schedule-push-image")
}

func TestAccTaintAndReplaceSendNothing(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	at := pod.Now().Add(365 * 24 * time.Hour).UTC().Format(time.RFC3339)
	for _, rule := range []string{"cancel", "rollback"} {
		pod.ResetRequests()
		w := workspace(t, pod, resource(engineering, vm, s["v2"], fmt.Sprintf("start_time = %q", at), fmt.Sprintf("on_destroy = %q", rule)))
		w.Apply().MustSucceed(t)
		w.Apply("-replace=imageops_desktop_pool_image.this").MustSucceed(t)
		w.Run("taint", "imageops_desktop_pool_image.this").MustSucceed(t)
		w.Apply().MustSucceed(t)
		noop(t, w)
		w.Write("dependent.tf", `resource "terraform_data" "wave" {
  triggers_replace = imageops_desktop_pool_image.this.desktop_pool_id
  lifecycle { create_before_destroy = true }
}`)
		w.Apply().MustSucceed(t)
		w.Apply("-replace=imageops_desktop_pool_image.this").MustSucceed(t)
		noop(t, w)
		expectCalls(t, pod, "schedule-push-image")
		if rule == "cancel" {
			// What a replacement has adopted is not the resource's own any more.
			w.Destroy().MustSucceed(t)
			expectCalls(t, pod, "schedule-push-image")
			if err := pod.CancelAsSomebodyElse("ENGINEERING"); err != nil {
				t.Fatal(err)
			}
			pod.Advance(time.Hour)
		}
	}
}

func TestAccAFailedFirstApplyIsTakenUp(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	if err := pod.SetSessions("ENGINEERING", "ENG-004", 1); err != nil {
		t.Fatal(err)
	}
	w := workspace(t, pod, resource(engineering, vm, s["v2"], `wait_for = "machines"`, `timeouts = { create = "2s", update = "2s" }`))
	w.Apply().MustFail(t, "timeouts", "goes on in Horizon")
	if resources := w.State().Resources; len(resources) > 0 {
		t.Errorf("there is a state: %v", resources)
	}
	w.Apply().MustFail(t, "timeouts")
	if err := pod.EndSessions("ENGINEERING"); err != nil {
		t.Fatal(err)
	}
	w.Apply().MustSucceed(t)
	noop(t, w)
	w.Destroy().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image")
}

func TestAccInterruptWhilePublishing(t *testing.T) {
	t.Parallel()
	for _, created := range []bool{true, false} {
		pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: 180}) // Three seconds of publishing.
		vm, s := golden(t, pod)
		w := workspace(t, pod, resource(engineering, vm, s["v1"]))
		if created { // It is interrupted before the first look after the call.
			w = workspaceWith(t, pod, `horizon = { poll_interval = "2s" }`, "")
		} else {
			w.Apply().MustSucceed(t)
		}
		w.Write("main.tf", resource(engineering, vm, s["v2"]))
		p := w.Start("apply", "-auto-approve", "-no-color")
		waitForCall(t, pod, 1)
		began := time.Now()
		p.Interrupt()
		r := p.Wait()
		took := time.Since(began)
		t.Logf("it ended %s after the signal", took)
		if took > 5*time.Second {
			t.Errorf("it took %s to end", took)
		}
		if r.ExitCode == 0 || !strings.Contains(r.Text(), "The run was cancelled") {
			t.Errorf("%s", r.Text())
		}
		w.Plan("-detailed-exitcode").MustContain(t, "operation")
		w.Apply().MustSucceed(t)
		expectCalls(t, pod, "schedule-push-image")
		if got := currentSnapshot(pod, "ENGINEERING"); got != s["v2"] {
			t.Errorf("the next apply has not waited: the pool runs %v", got)
		}
		noop(t, w)
	}
}

// waitForCall waits until the pod has answered so many calls.
func waitForCall(t *testing.T, pod *acceptance.Pod, n int) {
	t.Helper()
	for range 600 {
		if len(calls(pod)) >= n {
			return
		}
		time.Sleep(20 * time.Millisecond) // The pace of asking: terraform is a process of its own.
	}
	t.Fatalf("no call within 12 s: %v", calls(pod))
}

func TestAccAcceptedIsPushedOnce(t *testing.T) {
	t.Parallel()
	for _, visible := range []string{"0s", "20s", "90s"} {
		pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: 20, Assumptions: map[string]string{"horizon-call-visible": visible}})
		vm, s := golden(t, pod)
		w := workspace(t, pod, resource(engineering, vm, s["v2"], `wait_for = "accepted"`))
		w.Apply().MustSucceed(t)
		noop(t, w)
		w.Apply().MustSucceed(t)
		expectCalls(t, pod, "schedule-push-image")
	}
}

func TestAccAFailedPublish(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	if err := pod.FailPublish("ENGINEERING", "Could not authenticate with domain administrator credentials"); err != nil {
		t.Fatal(err)
	}
	w := workspace(t, pod, resource(engineering, vm, s["v2"]))
	w.Apply().MustFail(t, "Could not authenticate with domain administrator credentials", "ENGINEERING", "win11-golden v2", "apply again")
	w.Apply().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image", "schedule-push-image")
	noop(t, w)
	if err := pod.FailPublish("ENGINEERING", "no space on datastore"); err != nil {
		t.Fatal(err)
	}
	w.Write("main.tf", resource(engineering, vm, s["v3"]))
	w.Apply().MustFail(t, "No space on datastore")
	w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v3")
	w.Apply().MustSucceed(t)
	noop(t, w)
}

func TestAccOneMachineOfFiftyFails(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	if err := pod.FailMachine("SALES", "SAL-017", "customization timed out"); err != nil {
		t.Fatal(err)
	}
	w := workspace(t, pod, resource(sales, vm, s["v2"], `wait_for = "machines"`))
	w.Apply().MustFail(t, "SAL-017", "customization timed out", "retry_failed_machines")
	w.Write("main.tf", resource(sales, vm, s["v2"]))
	w.Apply().MustSucceed(t)
	w.Plan().MustSucceed(t).MustContain(t, "Machines did not get the image", "SAL-017", "customization timed out")
	w.Write("main.tf", resource(sales, vm, s["v2"], `wait_for = "machines"`, "retry_failed_machines = true"))
	w.Plan().MustSucceed(t).MustContain(t, "resume-task: the push of win11-golden v2, with the machines that have failed")
	w.Apply().MustSucceed(t)
	if n := machinesOn(pod, "SALES", s["v2"]); n != 50 {
		t.Errorf("%d machines are on the image", n)
	}
	noop(t, w)
	if got := calls(pod); !slices.Equal(got, []string{"schedule-push-image"}) && len(got) != 2 {
		t.Errorf("the calls are %q", got)
	}
}

func TestAccDrift(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, s["v1"], `on_drift = "hold"`))
	w.Apply().MustSucceed(t)
	if err := pod.PushAsSomebodyElse("ENGINEERING", simulator.Push{VMID: vm, SnapshotID: s["v3"], VirtualTPM: true}); err != nil {
		t.Fatal(err)
	}
	pod.Advance(time.Hour)
	noop(t, w).MustContain(t, "A desktop pool is left on another image", "win11-golden v3")
	w.Write("main.tf", resource(engineering, vm, s["v2"], `on_drift = "hold"`))
	w.Apply().MustSucceed(t)
	noop(t, w)
	if err := pod.PushAsSomebodyElse("ENGINEERING", simulator.Push{VMID: vm, SnapshotID: s["v3"], VirtualTPM: true}); err != nil {
		t.Fatal(err)
	}
	pod.Advance(time.Hour)
	w.Write("main.tf", resource(engineering, vm, s["v2"]))
	w.Plan().MustSucceed(t).MustContain(t, `replace /snapshot_id \"`+s["v3"], "schedule-push-image: win11-golden v2")
	w.Apply().MustSucceed(t)
	noop(t, w)
	expectCalls(t, pod, "schedule-push-image", "schedule-push-image")
}

func TestAccImport(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	w := workspace(t, pod, "import {\n  to = imageops_desktop_pool_image.this\n  id = \""+engineering+"\"\n}\n")
	w.Run("plan", "-generate-config-out=generated.tf", "-no-color").MustSucceed(t)
	w.Apply().MustSucceed(t)
	noop(t, w)
	expectCalls(t, pod)
	if got := w.Attributes("imageops_desktop_pool_image.this")["snapshot_id"]; got != s["v1"] || vm == "" {
		t.Errorf("imported %v", got)
	}
}
