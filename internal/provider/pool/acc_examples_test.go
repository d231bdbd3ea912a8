package pool_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// exampleFile reads a file below examples/.
func exampleFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var (
	emptyHorizon    = regexp.MustCompile(`(?m)^(  horizon\s+= )\{\}`)
	publishInterval = regexp.MustCompile(`(?m)^(\s+)publish_interval\s+= "30s"`)
)

// exampleWorkspace returns a workspace with an example, whose waits are as short as
// the clock of the pod is fast.
func exampleWorkspace(t *testing.T, name string, environments ...map[string]string) *acceptance.Workspace {
	t.Helper()
	environment := map[string]string{}
	for _, e := range environments {
		maps.Copy(environment, e)
	}
	w := acceptance.NewWorkspace(t, acceptance.Options{Environment: environment})
	written := exampleFile(t, name)
	hurried := emptyHorizon.ReplaceAllString(written, `$1{ poll_interval = "20ms" }`)
	hurried = publishInterval.ReplaceAllString(hurried, "${1}publish_interval = \"50ms\"\n${1}poll_interval = \"20ms\"")
	if hurried == written {
		t.Fatalf("%s has no section that can be hurried", name)
	}
	w.Write("main.tf", hurried)
	return w
}

// hcl writes a value of a variable.
func hcl(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestAccResourceExample applies the example of the resource, and imports the pool
// in the ways that its page shows. (By identity takes a newer Terraform.)
func TestAccResourceExample(t *testing.T) {
	t.Parallel()
	const folder, address = "resources/imageops_desktop_pool_image", "imageops_desktop_pool_image.engineering"
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	_, snapshots := golden(t, pod)
	w := workspace(t, pod, exampleFile(t, folder+"/resource.tf"))
	w.Apply().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image")
	if got := currentSnapshot(pod, "ENGINEERING"); got != snapshots["v2"] {
		t.Errorf("the pool runs %v", got)
	}
	noop(t, w)

	w.Run("state", "rm", address).MustSucceed(t)
	w.Write("import.tf", exampleFile(t, folder+"/import-by-string-id.tf"))
	w.Apply().MustSucceed(t).MustContain(t, "1 imported, 0 added", "0 destroyed")
	noop(t, w)

	fields := strings.Fields(exampleFile(t, folder+"/import.sh"))
	if len(fields) != 4 || fields[2] != address {
		t.Fatalf("%q imports something else than %s", fields, address)
	}
	w.Write("import.tf", "")
	w.Run("state", "rm", address).MustSucceed(t)
	w.Import(fields[2], fields[3]).MustSucceed(t)
	// An import fills what the pool has; leaving it out of the configuration sends nothing.
	w.Apply().MustSucceed(t).MustContain(t, "0 added, 1 changed, 0 destroyed")
	noop(t, w)
	w.Destroy().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image")
	if !strings.Contains(exampleFile(t, folder+"/import-by-identity.tf"), `desktop_pool_id = "`+fields[3]+`"`) {
		t.Error("the import by identity is of another pool")
	}
}

// TestAccGoldenImageExample lives through a month with the example: the first
// version, the next one for a canary, its release, and the way back.
func TestAccGoldenImageExample(t *testing.T) {
	t.Parallel()
	cloud, image := acceptance.Simulator(t, simulator.Options{})
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	_, snapshots := golden(t, pod)
	w := exampleWorkspace(t, "golden-image/main.tf", cloud.Environment(acceptance.UserDemo, acceptance.RegionOne), pod.Environment())
	type month = map[string]string
	october := month{"image_id": image.CreateImage(simulator.Image{Name: "windows-11-2026-10"}), "snapshot": "v1"}
	november := month{"image_id": image.CreateImage(simulator.Image{Name: "windows-11-2026-11"}), "snapshot": "v2"}
	set := func(versions map[string]month, production, approved string) {
		w.SetEnvironment("TF_VAR_versions", hcl(t, versions))
		w.SetEnvironment("TF_VAR_production", production)
		w.SetEnvironment("TF_VAR_approved", approved)
	}

	// The pool runs the first version already.
	set(map[string]month{"2026-10": october}, "2026-10", "2026-10")
	w.Apply().MustSucceed(t)
	expectCalls(t, pod)
	noop(t, w)

	both := map[string]month{"2026-10": october, "2026-11": november}
	set(both, "2026-10", "2026-10")
	w.Apply().MustSucceed(t).MustContain(t, "3 added, 0 changed, 0 destroyed")
	expectCalls(t, pod)
	set(both, "2026-11", "2026-10")
	w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v2, held for ENG-001, ENG-002, WAIT_FOR_LOGOFF, now, vTPM kept", "0 to add, 2 to change, 0 to destroy")
	w.Apply().MustSucceed(t)
	if got := currentSnapshot(pod, "ENGINEERING"); got != snapshots["v1"] {
		t.Errorf("the pool runs %v before its image is released", got)
	}
	noop(t, w)

	set(both, "2026-11", "2026-11")
	w.Plan().MustSucceed(t).MustContain(t, "promote-pending-image: win11-golden v2")
	w.Apply().MustSucceed(t)
	if got := currentSnapshot(pod, "ENGINEERING"); got != snapshots["v2"] {
		t.Errorf("the pool runs %v", got)
	}
	expectCalls(t, pod, "schedule-push-image", "promote-pending-image")
	noop(t, w)

	// The way back is the former version, which is approved already.
	set(both, "2026-10", "2026-10")
	w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v1, held for ENG-001, ENG-002, WAIT_FOR_LOGOFF, now, vTPM kept", "promote-pending-image: win11-golden v1")
	w.Apply().MustSucceed(t)
	if got := currentSnapshot(pod, "ENGINEERING"); got != snapshots["v1"] {
		t.Errorf("the pool runs %v after the way back", got)
	}
	noop(t, w)

	// Without a canary there is one call.
	set(both, "2026-11", "2026-10")
	w.SetEnvironment("TF_VAR_canary", "[]")
	w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v2, WAIT_FOR_LOGOFF, now, vTPM kept", "0 to add, 2 to change")
}

// TestAccOneApplyMovesTheTagAndPushes adds a version and moves the tag in one
// apply, whose plan cannot name the calls.
func TestAccOneApplyMovesTheTagAndPushes(t *testing.T) {
	t.Parallel()
	cloud, image := acceptance.Simulator(t, simulator.Options{})
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	w := exampleWorkspace(t, "golden-image/main.tf", cloud.Environment(acceptance.UserDemo, acceptance.RegionOne), pod.Environment())
	versions := map[string]map[string]string{"2026-10": {"image_id": image.CreateImage(simulator.Image{}), "snapshot": "v1"}}
	w.SetEnvironment("TF_VAR_versions", hcl(t, versions))
	w.SetEnvironment("TF_VAR_production", "2026-10")
	w.SetEnvironment("TF_VAR_approved", "2026-10")
	w.SetEnvironment("TF_VAR_on_destroy", "rollback")
	w.Apply().MustSucceed(t)
	versions["2026-11"] = map[string]string{"image_id": image.CreateImage(simulator.Image{}), "snapshot": "v2"}
	w.SetEnvironment("TF_VAR_versions", hcl(t, versions))
	w.SetEnvironment("TF_VAR_production", "2026-11")
	w.Apply().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image")
	noop(t, w)
	w.SetEnvironment("TF_VAR_approved", "2026-11")
	w.Apply().MustSucceed(t)
	w.Destroy().MustSucceed(t).MustContain(t, "Destroying this resource re-images a desktop pool", "schedule-push-image: win11-golden v1")
	expectCalls(t, pod, "schedule-push-image", "promote-pending-image", "schedule-push-image")
	if n := len(pod.CatalogueObjects("im-streams")); n != 1 {
		t.Errorf("%d streams are left, want the one that was there before", n)
	}
}

func TestAccMaintenanceWindowExample(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: 600})
	w := exampleWorkspace(t, "maintenance-window/main.tf", pod.Environment())
	// Days ahead, which the pod's clock does not come to.
	day := (int(time.Now().UTC().Weekday()) + 4) % 7
	w.SetEnvironment("TF_VAR_snapshot", "v2")
	w.SetEnvironment("TF_VAR_weekday", hcl(t, day))
	planned := w.Plan().MustSucceed(t)
	at := regexp.MustCompile(`schedule-push-image: win11-golden v2, FORCE_LOGOFF, at (\S+),`).FindStringSubmatch(planned.Stdout)
	if at == nil {
		t.Fatalf("the plan shows no push at a time:\n%s", planned.Stdout)
	}
	start, err := time.Parse(time.RFC3339, at[1])
	if err != nil || int(start.Weekday()) != day || start.Hour() != 21 || start.Minute() != 0 || time.Until(start) > 7*24*time.Hour {
		t.Errorf("the push is for %s (%v)", start, err)
	}
	w.Apply().MustSucceed(t)
	noop(t, w)
	// Another run computes another time, here that of another day.
	w.SetEnvironment("TF_VAR_weekday", hcl(t, (day+1)%7))
	noop(t, w).MustContain(t, "A push keeps its time")
	expectCalls(t, pod, "schedule-push-image")
	// After the window the pool runs the image, and later windows concern the next one.
	pod.Advance(8 * 24 * time.Hour)
	noop(t, w)
	w.SetEnvironment("TF_VAR_weekday", hcl(t, (day+2)%7))
	noop(t, w)
	expectCalls(t, pod, "schedule-push-image")
}

func TestAccWavesExample(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, snapshots := golden(t, pod)
	waves := map[string][]string{"first": {"ENGINEERING"}, "second": {"SALES", "LAB-1"}, "third": {"LAB-2", "LAB-3"}}
	for _, name := range []string{"LAB-1", "LAB-2", "LAB-3"} {
		pod.AddPool(simulator.DesktopPool{Name: name, VMID: vm, Machines: 2})
	}
	w := exampleWorkspace(t, "pools-in-waves/main.tf", pod.Environment())
	w.SetEnvironment("TF_VAR_waves", hcl(t, waves))
	w.SetEnvironment("TF_VAR_snapshot", "v2")

	// The second wave fails, so the third one does not begin.
	if err := pod.FailPublish("LAB-1", "The datastore is full."); err != nil {
		t.Fatal(err)
	}
	w.Apply().MustFail(t, "The datastore is full.")
	running := func(want string, pools ...string) {
		t.Helper()
		for _, pool := range pools {
			if got := currentSnapshot(pod, pool); got != snapshots[want] {
				t.Errorf("%s runs %v, want %s", pool, got, want)
			}
		}
	}
	running("v2", "ENGINEERING")
	running("v1", "LAB-1", "LAB-2", "LAB-3")

	w.Apply().MustSucceed(t)
	running("v2", "ENGINEERING", "SALES", "LAB-1", "LAB-2", "LAB-3")
	noop(t, w)
	if n := len(calls(pod)); n != 6 {
		t.Errorf("%d pushes were sent, want 5 and the one that failed", n)
	}
	order := slices.DeleteFunc(pod.Requests(), func(r simulator.Request) bool {
		return r.Method != http.MethodPost || !strings.Contains(r.Path, "/action/")
	})
	if first := order[0].Path; !strings.Contains(first, engineering) {
		t.Errorf("the first push is %s", first)
	}
}

func TestAccUnattendedExample(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, snapshots := golden(t, pod)
	w := exampleWorkspace(t, "unattended/main.tf", pod.Environment())
	set := func(engineering, sales string) {
		w.SetEnvironment("TF_VAR_pools", hcl(t, map[string]string{"ENGINEERING": engineering, "SALES": sales}))
	}
	set("v2", "v1")
	w.Apply().MustSucceed(t)
	noop(t, w)

	// An administrator has an answer to a broken image, which the next night keeps.
	if err := pod.PushAsSomebodyElse("ENGINEERING", simulator.Push{VMID: vm, SnapshotID: snapshots["v3"], VirtualTPM: true}); err != nil {
		t.Fatal(err)
	}
	pod.Advance(time.Hour)
	noop(t, w).MustContain(t, "A desktop pool is left on another image", "ENGINEERING")
	expectCalls(t, pod, "schedule-push-image")

	// A line that changes is a decision.
	set("v1", "v1")
	w.Apply().MustSucceed(t)
	if got := currentSnapshot(pod, "ENGINEERING"); got != snapshots["v1"] {
		t.Errorf("the pool runs %v", got)
	}
}

// TestAccPolicyExample asks the policy about plans that it lets pass, and about those
// that it has to refuse.
func TestAccPolicyExample(t *testing.T) {
	t.Parallel()
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skip("jq is not on PATH")
	}
	policy, err := filepath.Abs(filepath.Join("..", "..", "..", "examples", "unattended", "policy.jq"))
	if err != nil {
		t.Fatal(err)
	}
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, snapshots := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, snapshots["v1"]))
	w.Apply().MustSucceed(t)
	for _, c := range []struct{ name, configuration, want string }{
		{"nothing", resource(engineering, vm, snapshots["v1"]), ""},
		{"a push that waits for users", resource(engineering, vm, snapshots["v2"]), ""},
		{
			"a push that ends sessions", resource(engineering, vm, snapshots["v2"], `logoff_policy = "FORCE_LOGOFF"`),
			"imageops_desktop_pool_image.this: schedule-push-image: win11-golden v2, FORCE_LOGOFF, now, vTPM kept\n",
		},
		{
			"a push that takes the vTPM", resource(engineering, vm, snapshots["v2"], `add_virtual_tpm = false`),
			"imageops_desktop_pool_image.this: schedule-push-image: win11-golden v2, WAIT_FOR_LOGOFF, now, vTPM off\n",
		},
		{"a destruction", "", "imageops_desktop_pool_image.this: is destroyed\n"},
		{
			"calls that are not known", resource(engineering, vm, snapshots["v2"]) + "\nresource \"terraform_data\" \"later\" {}\n",
			"imageops_desktop_pool_image.this: its calls are not known before the apply\n",
		},
	} {
		configuration := c.configuration
		if c.name == "calls that are not known" {
			configuration = strings.Replace(configuration, `"`+snapshots["v2"]+`"`, `"snapshot-${terraform_data.later.id}"`, 1)
		}
		w.Write("main.tf", configuration)
		w.PlanSaved("night.plan").MustSucceed(t)
		shown := w.Run("show", "-json", "night.plan").MustSucceed(t).Stdout
		command := exec.Command(jq, "-r", "-f", policy)
		command.Stdin = strings.NewReader(shown)
		got, err := command.Output()
		if err != nil || string(got) != c.want {
			t.Errorf("%s: the policy says %q (%v), want %q", c.name, got, err, c.want)
		}
	}
}
