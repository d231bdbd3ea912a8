package pool_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

func rowWorldOn(t *testing.T, options simulator.Options) *rowWorld {
	t.Helper()
	pod := newSteppedPod(t, 40*time.Second, options)
	w := &rowWorld{served: serve(t, pod)}
	vm, s := golden(t, pod.Pod)
	w.vm, w.v1, w.v2, w.v3 = vm, s["v1"], s["v2"], s["v3"]
	return w
}

func (w *rowWorld) planned(texts ...string) {
	w.t.Helper()
	w.begin()
	planned, _, failed := w.plan()
	all := failed + planned.String() + w.warned
	for _, text := range texts {
		if !strings.Contains(all, text) {
			w.t.Errorf("%q is missing in %s", text, all)
		}
	}
}

// A canary of an image that this resource has pushed long ago is somebody else's.
func TestAClaimEndsWithItsPush(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v2, members{"on_drift": "hold"})
	w.applied()
	w.others(simulator.Push{SnapshotID: w.v1})
	w.pod.Advance(time.Hour)
	w.unchanged() // It is held.
	w.others(simulator.Push{SnapshotID: w.v2, Selective: true, Machines: []string{"ENG-001"}})
	w.pod.Advance(time.Hour)
	w.unchanged()
	w.succeeds()
	expectCalls(t, w.pod.Pod)
	if got := currentSnapshot(w.pod.Pod, "ENGINEERING"); got != w.v1 {
		t.Errorf("somebody else's canary was promoted: the pool runs %v", got)
	}
}

// What was pushed before the configuration chose what the pool runs is nobody's choice any more.
func TestHoldHoldsAFormerImage(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v2, members{"on_drift": "hold"})
	w.applied()
	w.others(simulator.Push{SnapshotID: w.v3})
	w.pod.Advance(time.Hour)
	w.image(w.v3, members{"on_drift": "hold", "on_destroy": "keep"}) // Terraform applies what changes a state.
	w.applied()
	w.others(simulator.Push{SnapshotID: w.v2})
	w.unchanged() // It is on its way.
	w.pod.Advance(time.Hour)
	w.unchanged()
	expectCalls(t, w.pod.Pod)
}

// An image that somebody else has scheduled is left alone, and what the configuration has come
// to want is what the next look is about.
func TestAnImageThatIsThereIsChosenBesideAScheduledOne(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v2, nil)
	w.applied()
	w.others(simulator.Push{SnapshotID: w.v1})
	w.pod.Advance(time.Hour)
	w.others(simulator.Push{SnapshotID: w.v3, StartTime: w.in(day)})
	w.image(w.v1, nil)
	w.applied()
	expectCalls(t, w.pod.Pod)
	if got := w.snapshotIn("snapshot_id"); got != w.v1 {
		t.Errorf("the state says %s, configured is %s", got, w.v1)
	}
}

// snapshotIn is the snapshot that an attribute of the state names, or that it has as an object;
// empty for null.
func (w *rowWorld) snapshotIn(names ...string) string {
	w.t.Helper()
	value := w.state
	for _, name := range names {
		var members map[string]tftypes.Value
		w.must(value.As(&members))
		if value = members[name]; value.IsNull() {
			return ""
		}
	}
	var snapshot string
	w.must(value.As(&snapshot))
	return snapshot
}

func (w *rowWorld) previous(want string) {
	w.t.Helper()
	w.begin()
	w.plan()
	if got := w.snapshotIn("previous_image", "snapshot_id"); got != want {
		w.t.Errorf("previous_image is %q, want %q", got, want)
	}
}

// The way back is from what this resource has pushed, as long as the pool runs that.
func TestThePreviousImageIsThatOfOnesOwnPush(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v2, nil)
	w.applied()
	w.previous(w.v1)
	w.others(simulator.Push{SnapshotID: w.v3})
	w.previous(w.v1) // It is not there yet.
	w.pod.Advance(time.Hour)
	w.previous("")
}

// What is pushed once more replaces what the pool runs then.
func TestThePreviousImageOfARepeatedPush(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v2, nil)
	w.applied()
	w.others(simulator.Push{SnapshotID: w.v1})
	w.pod.Advance(time.Hour)
	w.applied()
	w.previous(w.v1)
}

func TestAPushThatNeverCameHasNoPreviousImage(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v2, members{"start_time": at(w.in(day))})
	w.applied()
	w.previous("")
	w.must(w.pod.CancelAsSomebodyElse("ENGINEERING"))
	w.pod.Advance(5 * time.Minute)
	w.others(simulator.Push{SnapshotID: w.v3})
	w.pod.Advance(time.Hour)
	w.previous("")
}

// A push that waits is not the one that began at once, nor one with another vTPM.
func TestAnotherPushOfTheSameImageIsSomebodyElses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more  members
		other simulator.Push
	}{
		"it began": {members{"selective": on("ENG-001")}, simulator.Push{VirtualTPM: true}},
		"vTPM":     {members{"start_time": at(time.Now().Add(day))}, simulator.Push{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := rowWorldOn(t, simulator.Options{})
			w.image(w.v2, c.more)
			w.applied()
			w.must(w.pod.CancelAsSomebodyElse("ENGINEERING"))
			w.pod.Advance(5 * time.Minute)
			c.other.VMID, c.other.SnapshotID, c.other.StartTime = w.vm, w.v2, w.in(2*day)
			w.must(w.pod.PushAsSomebodyElse("ENGINEERING", c.other))
			w.image(w.v3, nil)
			w.fails("by somebody else", "Nothing was sent")
			expectCalls(t, w.pod.Pod)
		})
	}
}

func TestAPromotionSaysThatItLogsUsersOff(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v2, members{"selective": on("ENG-001"), "logoff_policy": "FORCE_LOGOFF"})
	w.applied()
	w.must(w.pod.SetSessions("ENGINEERING", "ENG-007", 1))
	w.image(w.v2, members{"logoff_policy": "WAIT_FOR_LOGOFF"})
	w.planned("promote-pending-image: win11-golden v2, FORCE_LOGOFF", "Users will be logged off", "1 of 10 machines")
}

func TestAPublishThatFailsLaterIsNoDrift(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.must(w.pod.FailPublish("ENGINEERING", "no space on datastore"))
	w.image(w.v2, members{"on_drift": "hold", "wait_for": "accepted"})
	w.succeeds()
	w.pod.Advance(time.Hour)
	w.planned("schedule-push-image: win11-golden v2")
}

func TestHoldSurvivesTheLossOfPrivateState(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v2, members{"on_drift": "hold"})
	w.applied()
	w.private = nil
	w.unchanged()
	w.others(simulator.Push{SnapshotID: w.v1})
	w.pod.Advance(time.Hour)
	w.unchanged()
	expectCalls(t, w.pod.Pod)
}

func TestAnErrorSaysWhatWasSentBefore(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v2, members{"start_time": at(w.in(day))})
	w.applied()
	w.image(w.v3, members{"start_time": at(w.in(day))})
	looks := 0
	w.pod.seen = func(int) {
		if looks++; len(calls(w.pod.Pod)) == 1 && looks > 0 {
			w.pod.seen = nil
			w.others(simulator.Push{SnapshotID: w.v1, StartTime: w.in(2 * day)})
		}
	}
	w.fails("somebody else", "Sent before that: cancel-scheduled-push-image (win11-golden v2", "nothing after it")
}

func TestAccRollbackOfATagPushesTheSnapshot(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	vms := map[string]map[string]string{"here": {"vm": vm}}
	vcenters := map[string]string{"here": simulator.HorizonVCenterID}
	pools := map[string]string{"eng": engineering}
	snapshots := map[string]map[string]string{"october": {"here": s["v2"]}, "november": {"here": s["v3"]}}
	w := workspace(t, pod, catalogueOf(vms, snapshots, vcenters, pools, "october", `on_destroy = "rollback"`))
	w.Apply().MustSucceed(t)
	w.Write("main.tf", catalogueOf(vms, snapshots, vcenters, pools, "november", `on_destroy = "rollback"`))
	w.Apply().MustSucceed(t)
	w.Run("destroy", "-auto-approve", "-no-color", "-target=imageops_desktop_pool_image.eng").MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v2")
	if got := currentSnapshot(pod, "ENGINEERING"); got != s["v2"] {
		t.Errorf("the pool runs %v, want %s", got, s["v2"])
	}
}

func TestAccTwoResourcesOnOnePool(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, s["v2"])+strings.Replace(resource(engineering, vm, s["v3"]), `"this"`, `"other"`, 1))
	w.Apply().MustFail(t, "another resource has brought it to its image in this run", "moved block")
	expectCalls(t, pod, "schedule-push-image")
}

func TestAccImportBeforeVGPUs(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Release: "2306", ClockRate: fast})
	w := workspace(t, pod, "import {\n  to = imageops_desktop_pool_image.this\n  id = \""+engineering+"\"\n}\n")
	w.Run("plan", "-generate-config-out=generated.tf", "-no-color").MustSucceed(t)
	w.Apply().MustSucceed(t)
	noop(t, w)
}

// Machines that get other hardware show the image before they are made anew.
func TestMachinesAreWaitedForThatGetOtherHardware(t *testing.T) {
	t.Parallel()
	w := rowWorldOn(t, simulator.Options{})
	w.image(w.v1, members{"compute_profile": members{"num_cpus": 2, "num_cores_per_socket": 1, "ram_mb": 4096}, "wait_for": "machines"})
	w.succeeds()
	for name, m := range w.pod.PoolMachines("ENGINEERING") {
		managed, _ := m["managed_machine_data"].(map[string]any)
		if fmt.Sprint(managed["memory_mb"]) != "4096" {
			t.Errorf("%s has %v MB", name, managed["memory_mb"])
		}
	}
}
