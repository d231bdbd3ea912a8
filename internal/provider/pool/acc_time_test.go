package pool_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

func startsAt(at time.Time) string {
	return fmt.Sprintf("start_time = %q", at.UTC().Format(time.RFC3339))
}

// seenAtOnce spares tests on a real clock the time in which a pool does not show a call.
var seenAtOnce = map[string]string{"horizon-call-visible": "0s"}

func TestAccAScheduledPush(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: 600})
	vm, s := golden(t, pod)
	night := pod.Now().Add(30 * 24 * time.Hour)
	w := workspace(t, pod, resource(engineering, vm, s["v2"], startsAt(night)))
	w.Apply().MustSucceed(t)
	noop(t, w)

	// Moved.
	later := night.Add(24 * time.Hour)
	w.Write("main.tf", resource(engineering, vm, s["v2"], startsAt(later)))
	w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v2, rescheduled from")
	w.Apply().MustSucceed(t)
	noop(t, w)

	// Left where it is.
	w.Write("main.tf", resource(engineering, vm, s["v2"], startsAt(later.Add(24*time.Hour)), "reschedule = false"))
	w.Apply().MustSucceed(t)
	noop(t, w)
	expectCalls(t, pod, "schedule-push-image", "schedule-push-image")

	// Another image takes its place.
	w.Write("main.tf", resource(engineering, vm, s["v3"], startsAt(later)))
	w.Plan().MustSucceed(t).MustContain(t, "cancel-scheduled-push-image (win11-golden v2, scheduled for", "schedule-push-image: win11-golden v3")
	w.Apply().MustSucceed(t)
	noop(t, w)

	// Its time has passed: nothing is left to do.
	pod.Advance(later.Add(48 * time.Hour).Sub(pod.Now()))
	noop(t, w)
	if got := currentSnapshot(pod, "ENGINEERING"); got != s["v3"] {
		t.Errorf("the pool runs %v", got)
	}
	if image, _ := w.Attributes("imageops_desktop_pool_image.this")["current_image"].(map[string]any); image["snapshot_id"] == nil {
		t.Errorf("%v", image)
	}

	// The same with an image that is missing.
	w.Write("main.tf", resource(engineering, vm, s["v1"], startsAt(later)))
	w.Plan().MustFail(t, "win11-golden v1 is missing on it", "start_time", "allow_past_start_time")
	w.Write("main.tf", resource(engineering, vm, s["v1"], startsAt(later), "allow_past_start_time = true"))
	w.Apply().MustSucceed(t)
	noop(t, w)
	w.Destroy().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image", "schedule-push-image", "cancel-scheduled-push-image", "schedule-push-image", "schedule-push-image")
}

func TestAccATimeThatEachRunComputesAnew(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Assumptions: seenAtOnce})
	vm, s := golden(t, pod)
	w := workspaceWith(t, pod, `horizon = { poll_interval = "100ms" }`, resource(engineering, vm, s["v2"], `start_time = timeadd(plantimestamp(), "12h")`, "reschedule = false", `wait_for = "accepted"`))
	w.Apply().MustSucceed(t)
	pod.Advance(time.Hour)
	noop(t, w)
	pod.Advance(24 * time.Hour)
	noop(t, w)
	expectCalls(t, pod, "schedule-push-image")
	if got := currentSnapshot(pod, "ENGINEERING"); got != s["v2"] {
		t.Errorf("the pool runs %v", got)
	}
}

func TestAccClocksThatDiffer(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		began := time.Now()
		pod := acceptance.HorizonPod(t, simulator.Options{Clock: func() time.Time { return time.Now().Add(ahead) }, Assumptions: seenAtOnce})
		vm, s := golden(t, pod)
		// Five minutes from now by this machine's clock.
		w := workspaceWith(t, pod, `horizon = { poll_interval = "100ms" }`, resource(engineering, vm, s["v2"], startsAt(began.Add(5*time.Minute)), `wait_for = "accepted"`))
		if ahead > 0 {
			w.Plan().MustFail(t, "is not at least 60 s ahead of the Connection Server's clock")
			expectCalls(t, pod)
			continue
		}
		w.Apply().MustSucceed(t)
		expectCalls(t, pod, "schedule-push-image")
		noop(t, w)
	}
}

func TestAccAFailedScheduledPushIsTold(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: 600})
	vm, s := golden(t, pod)
	night := pod.Now().Add(30 * 24 * time.Hour)
	w := workspace(t, pod, resource(engineering, vm, s["v2"], startsAt(night), `wait_for = "accepted"`))
	if err := pod.FailPublish("ENGINEERING", "no space on datastore"); err != nil {
		t.Fatal(err)
	}
	w.Apply().MustSucceed(t)
	pod.Advance(60 * 24 * time.Hour)
	w.Plan().MustFail(t, "win11-golden v2 is missing on it", "No space on datastore")
	expectCalls(t, pod, "schedule-push-image")
}
