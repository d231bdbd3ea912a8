package pool_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

const (
	engineering = "d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3b01"
	sales       = "d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3b02"
	kiosk       = "d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3b03"

	// fast is how many times as fast as the machine's the pod's clock runs: a push of
	// minutes takes a part of a second.
	fast = 3600
)

// workspace returns a workspace with a provider that signs in to the pod.
func workspace(t *testing.T, pod *acceptance.Pod, configuration string) *acceptance.Workspace {
	t.Helper()
	return workspaceWith(t, pod, `horizon = { poll_interval = "20ms" }`, configuration)
}

func workspaceWith(t *testing.T, pod *acceptance.Pod, section, configuration string) *acceptance.Workspace {
	t.Helper()
	w := acceptance.NewWorkspace(t, acceptance.Options{Environment: pod.Environment()})
	w.Write("provider.tf", `terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
provider "imageops" {
  `+section+`
}
`)
	w.Write("main.tf", configuration)
	return w
}

// golden are the ids of the VM win11-golden and of its snapshots by name.
func golden(t *testing.T, pod *acceptance.Pod) (vm string, snapshots map[string]string) {
	t.Helper()
	settings, _ := pod.Pool("ENGINEERING")["provisioning_settings"].(map[string]any)
	vm, _ = settings["parent_vm_id"].(string)
	if vm == "" {
		t.Fatal("ENGINEERING runs no image")
	}
	return vm, pod.SnapshotsOf(simulator.HorizonVCenterID, vm)
}

// resource is a configuration of the resource, with further lines.
func resource(pool, vm, snapshot string, more ...string) string {
	return fmt.Sprintf("resource \"imageops_desktop_pool_image\" \"this\" {\n  desktop_pool_id = %q\n  parent_vm_id    = %q\n  snapshot_id     = %q\n  %s\n}\n", pool, vm, snapshot, strings.Join(more, "\n  "))
}

// noop fails the test unless a plan changes nothing.
func noop(t *testing.T, w *acceptance.Workspace, args ...string) acceptance.Result {
	t.Helper()
	r := w.Plan(append([]string{"-detailed-exitcode"}, args...)...)
	if r.ExitCode != 0 {
		t.Fatalf("the plan is not empty:\n%s%s", r.Stdout, r.Stderr)
	}
	return r
}

// calls returns the actions on pools that the pod was asked for and knew who asked, in order.
func calls(pod *acceptance.Pod) []string {
	var all []string
	for _, r := range pod.Requests() {
		if r.Status == http.StatusUnauthorized {
			continue // Where the pod's clock runs fast, a token ends in between.
		}
		if _, action, ok := strings.Cut(r.Path, "/action/"); ok && r.Method == http.MethodPost && strings.Contains(r.Path, "/desktop-pools/") {
			all = append(all, action)
		}
	}
	return all
}

func expectCalls(t *testing.T, pod *acceptance.Pod, want ...string) {
	t.Helper()
	if got := calls(pod); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the calls are %q, want %q", got, want)
	}
}

func currentSnapshot(pod *acceptance.Pod, pool string) any {
	settings, _ := pod.Pool(pool)["provisioning_settings"].(map[string]any)
	return settings["base_snapshot_id"]
}

func TestAccAnImageIsPushedOnceAndAdopted(t *testing.T) {
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, snapshots := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, snapshots["v1"]))
	w.Apply().MustSucceed(t)
	expectCalls(t, pod)
	noop(t, w)

	w.Write("main.tf", resource(engineering, vm, snapshots["v2"]))
	w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v2, WAIT_FOR_LOGOFF, now, vTPM kept", "replace /snapshot_id")
	w.Apply().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image")
	if got := currentSnapshot(pod, "ENGINEERING"); got != snapshots["v2"] {
		t.Errorf("the pool runs %v", got)
	}
	noop(t, w)
	w.Destroy().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image")
}
