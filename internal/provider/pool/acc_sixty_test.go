package pool_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

func sixty(t *testing.T, pod *acceptance.Pod) (vm string, snapshots map[string]string, pools []string) {
	t.Helper()
	vm, snapshots = golden(t, pod)
	for i := range 60 {
		id, _ := pod.AddPool(simulator.DesktopPool{Name: fmt.Sprintf("POOL-%02d", i), VMID: vm, Machines: 3})
		pools = append(pools, id)
	}
	return vm, snapshots, pools
}

func poolsOf(pools []string, vm, snapshot string, more ...string) string {
	return fmt.Sprintf("resource \"imageops_desktop_pool_image\" \"each\" {\n  for_each = toset([\"%s\"])\n  desktop_pool_id = each.key\n  parent_vm_id = %q\n  snapshot_id = %q\n  %s\n}\n",
		strings.Join(pools, `", "`), vm, snapshot, strings.Join(more, "\n  "))
}

func TestAccSixtyPools(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: 900})
	vm, s, pools := sixty(t, pod)
	var most int
	stop := watchPublishing(pod, &most)
	w := workspaceWith(t, pod, `horizon = { poll_interval = "50ms", max_concurrent_publishes = 7 }`, poolsOf(pools, vm, s["v2"]))
	pod.ResetRequests()
	began := time.Now()
	w.Apply("-parallelism=10").MustSucceed(t)
	took := time.Since(began)
	stop()
	if n := pod.Count("POST", "login"); n != 2 { // The plan and the apply are a process each.
		t.Errorf("%d sign-ins", n)
	}
	if n := len(calls(pod)); n != 60 {
		t.Errorf("%d calls", n)
	}
	if most > 7 || most < 2 {
		t.Errorf("%d pools were publishing at once", most)
	}
	// Ten resources wait at a time, and each looks once per interval; besides, each looks when
	// it begins and when it is admitted, and whoever waits for a turn looks for the others.
	if looks, most := pod.Count("GET", "inventory"), int(took/(50*time.Millisecond))*11+60*4; looks > most {
		t.Errorf("%d requests for pools in %s, want at most %d", looks, took, most)
	}
	t.Logf("%d requests for pools, at most %d publishing at once", pod.Count("GET", "inventory"), most)
	w.Run("apply", "-refresh-only", "-auto-approve", "-no-color").MustSucceed(t)
	pod.Advance(1e15)
	w.Run("apply", "-refresh-only", "-auto-approve", "-no-color").MustSucceed(t)
	pod.ResetRequests()
	noop(t, w)
	count := 0
	for _, r := range pod.Requests() {
		if strings.Contains(r.Path, "/inventory/") {
			count++
			if strings.Contains(r.Path, "/machines") {
				t.Errorf("a request for machines: %s", r.Path)
			}
		}
	}
	if count > 3 {
		t.Errorf("%d requests for pools in a plan without changes", count)
	}
}

// watchPublishing notes how many pools publish at once, until it is stopped.
func watchPublishing(pod *acceptance.Pod, most *int) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
			}
			n := 0
			for i := range 60 {
				if status, _ := pod.Pool(fmt.Sprintf("POOL-%02d", i))["provisioning_status_data"].(map[string]any); status["instant_clone_operation"] == "SCHEDULE_PUSH_IMAGE" {
					n++
				}
			}
			*most = max(*most, n)
			time.Sleep(20 * time.Millisecond) // The pace of looking, which leaves the pod to the provider.
		}
	}()
	return func() { close(done); <-ended }
}

func TestAccAWaveStopsAtTheFirstBadPool(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s, pools := sixty(t, pod)
	if err := pod.FailPublish("POOL-02", "no space on datastore"); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, id := range pools[:6] {
		wave := ""
		if i > 0 {
			wave = fmt.Sprintf("depends_on = [imageops_desktop_pool_image.p%d]", i-1)
		}
		fmt.Fprintf(&b, "resource \"imageops_desktop_pool_image\" \"p%d\" {\n  desktop_pool_id = %q\n  parent_vm_id = %q\n  snapshot_id = %q\n  %s\n}\n", i, id, vm, s["v2"], wave)
	}
	w := workspace(t, pod, b.String())
	w.Apply().MustFail(t, "POOL-02", "No space on datastore")
	expectCalls(t, pod, "schedule-push-image", "schedule-push-image", "schedule-push-image")
	w.Apply().MustSucceed(t)
	if n := len(calls(pod)); n != 7 {
		t.Errorf("%d calls", n)
	}
	noop(t, w)
}
