package catalogue_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// waiting is a catalogue whose asset is registered while it is being deployed.
func waiting(t *testing.T, assumptions map[string]string, timeouts string) (*acceptance.Pod, *acceptance.Workspace) {
	t.Helper()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true, Assumptions: assumptions})
	vm, snapshots := pod.AddBaseVM(simulator.BaseVM{Name: "gold", Snapshots: []string{"s1"}})
	w := workspace(t, pod, fmt.Sprintf(catalogue, vm, snapshots[0], `  status          = "DEPLOYING_VM"
  wait_for_status = "AVAILABLE"
`+timeouts))
	return pod, w
}

// deployed returns the asset as soon as it is there.
func deployed(t *testing.T, pod *acceptance.Pod) string {
	t.Helper()
	for range 2000 {
		if assets := pod.CatalogueObjects("im-assets"); len(assets) == 1 {
			id, _ := assets[0]["id"].(string)
			return id
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no asset was created")
	return ""
}

const asset = "imageops_image_management_asset.this"

func TestAccACreateWaitsForTheStatus(t *testing.T) {
	t.Parallel()
	pod, w := waiting(t, nil, "")
	p := w.Start("apply", "-no-color", "-auto-approve")
	id := deployed(t, pod)
	before := pod.Count(http.MethodGet, "config/v1/im-assets/"+id)
	for pod.Count(http.MethodGet, "config/v1/im-assets/"+id) < before+3 {
		time.Sleep(5 * time.Millisecond)
	}
	if p.Ended() {
		t.Fatal("the apply did not wait")
	}
	must(t, pod.WriteCatalogueObject(id, map[string]any{"status": "AVAILABLE"}))
	p.Wait().MustSucceed(t)
	if got := w.Attributes(asset); got["current_status"] != "AVAILABLE" || got["status"] != "DEPLOYING_VM" {
		t.Errorf("the state has status %v, current_status %v", got["status"], got["current_status"])
	}
	noop(t, w)
	// The status is not compared any more; that it went away again is noticed.
	must(t, pod.WriteCatalogueObject(id, map[string]any{"status": "REPLICATING"}))
	if r := w.Plan("-detailed-exitcode"); r.ExitCode != 2 {
		t.Errorf("the plan ends with %d:\n%s", r.ExitCode, r.Stdout)
	}
	must(t, pod.WriteCatalogueObject(id, map[string]any{"status": "AVAILABLE"}))
	noop(t, w)
	w.Destroy().MustSucceed(t)
}

func TestAccAStatusThatFailsEndsTheWait(t *testing.T) {
	t.Parallel()
	pod, w := waiting(t, nil, "")
	p := w.Start("apply", "-no-color", "-auto-approve")
	id := deployed(t, pod)
	must(t, pod.WriteCatalogueObject(id, map[string]any{"status": "FAILED"}))
	p.Wait().MustFail(t, "Unable to create image management asset", "has the status FAILED, and was to become AVAILABLE", "terraform apply -replace=ADDRESS")

	// It is there, and the next apply makes a new one in its place.
	p = w.Start("apply", "-no-color", "-auto-approve")
	for pod.CatalogueObject(id) != nil {
		time.Sleep(5 * time.Millisecond)
	}
	must(t, pod.WriteCatalogueObject(deployed(t, pod), map[string]any{"status": "AVAILABLE"}))
	p.Wait().MustSucceed(t)
	noop(t, w)
	if n := len(pod.CatalogueObjects("im-assets")); n != 1 {
		t.Errorf("there are %d assets", n)
	}
}

func TestAccAWaitEndsWithItsTime(t *testing.T) {
	t.Parallel()
	pod, w := waiting(t, nil, `  timeouts = { create = "1s" }`)
	w.Apply().MustFail(t, "Unable to create image management asset", "to become AVAILABLE, its status is DEPLOYING_VM", "Allow more", "terraform untaint keeps it")
	id := deployed(t, pod)
	w.Run("untaint", asset).MustSucceed(t)
	must(t, pod.WriteCatalogueObject(id, map[string]any{"status": "AVAILABLE"}))
	w.Apply().MustSucceed(t)
	expect(t, pod, id, map[string]any{"status": "AVAILABLE"})
	noop(t, w)
}

func TestAccCtrlCEndsAWaitAndLosesNothing(t *testing.T) {
	t.Parallel()
	pod, w := waiting(t, nil, "")
	p := w.Start("apply", "-no-color", "-auto-approve")
	id := deployed(t, pod)
	time.Sleep(100 * time.Millisecond) // It is most likely waiting now; if not, the test holds all the same.
	began := time.Now()
	p.Interrupt()
	r := p.Wait().MustFail(t)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the wait went on for %s after Ctrl-C:\n%s", took, r.Stderr)
	}
	expect(t, pod, id, map[string]any{"status": "DEPLOYING_VM"})
	must(t, pod.WriteCatalogueObject(id, map[string]any{"status": "AVAILABLE"}))
	w.Apply().MustSucceed(t)
	if got := idOf(t, w, asset); got != id {
		t.Errorf("another asset was made: %s", got)
	}
	if n := len(pod.CatalogueObjects("im-assets")); n != 1 {
		t.Errorf("there are %d assets", n)
	}
	noop(t, w)
}

// TestAccAStatusThatMovesByItself lets Horizon go on from the status that an
// asset is created with, as its own image service may.
func TestAccAStatusThatMovesByItself(t *testing.T) {
	t.Parallel()
	pod, w := waiting(t, map[string]string{"horizon-status": "progresses"}, "")
	p := w.Start("apply", "-no-color", "-auto-approve")
	for !p.Ended() {
		pod.Advance(time.Minute)
		time.Sleep(20 * time.Millisecond)
	}
	p.Wait().MustSucceed(t)
	noop(t, w)
	if got := w.Attributes(asset)["current_status"]; got != "AVAILABLE" {
		t.Errorf("current_status is %v", got)
	}
}

// TestAccAStatusThatIsWaitedForIsNotSent changes the status of an asset that has
// been waited for, which says that nothing comes of it.
func TestAccAStatusThatIsWaitedForIsNotSent(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
	vm, snapshots := pod.AddBaseVM(simulator.BaseVM{Name: "gold", Snapshots: []string{"s1"}})
	configuration := func(lines string) string { return fmt.Sprintf(catalogue, vm, snapshots[0], lines) }
	w := workspace(t, pod, configuration(`  wait_for_status = "AVAILABLE"`))
	w.Apply().MustSucceed(t)
	id := idOf(t, w, asset)
	before := writes(pod)
	w.Write("main.tf", configuration("  wait_for_status = \"AVAILABLE\"\n  status = \"DISABLED\""))
	w.Apply().MustSucceed(t).MustContain(t, "Status is not sent", "take wait_for_status out in the same change")
	if n := writes(pod); n != before {
		t.Errorf("%d writes were sent", n-before)
	}
	w.Write("main.tf", configuration(`  status = "DISABLED"`))
	w.Apply().MustSucceed(t).MustContain(t, `replace /status \"AVAILABLE\" -> \"DISABLED\"`)
	expect(t, pod, id, map[string]any{"status": "DISABLED"})
}
