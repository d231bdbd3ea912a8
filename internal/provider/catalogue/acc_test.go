package catalogue_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// example reads a file below examples/.
func example(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// workspace returns a workspace with a provider that signs in to the pod.
func workspace(t *testing.T, pod *acceptance.Pod, configuration string) *acceptance.Workspace {
	t.Helper()
	w := acceptance.NewWorkspace(t, acceptance.Options{Environment: pod.Environment()})
	w.Write("provider.tf", `terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
provider "imageops" {
  horizon = { poll_interval = "20ms" }
}
`)
	w.Write("main.tf", configuration)
	return w
}

// noop fails the test unless a plan changes nothing.
func noop(t *testing.T, w *acceptance.Workspace, args ...string) {
	t.Helper()
	if r := w.Plan(append([]string{"-detailed-exitcode"}, args...)...); r.ExitCode != 0 {
		t.Fatalf("the plan is not empty:\n%s%s", r.Stdout, r.Stderr)
	}
}

func idOf(t *testing.T, w *acceptance.Workspace, address string) string {
	t.Helper()
	id, _ := w.Attributes(address)["id"].(string)
	if id == "" {
		t.Fatalf("%s has no id", address)
	}
	return id
}

// expect compares members of an object of the pod; nil is one that is absent.
func expect(t *testing.T, pod *acceptance.Pod, id string, want map[string]any) {
	t.Helper()
	object := pod.CatalogueObject(id)
	if object == nil {
		t.Fatalf("%s is not in the catalogue", id)
	}
	for name, value := range want {
		if fmt.Sprint(object[name]) != fmt.Sprint(value) {
			t.Errorf("%s of %s is %v, want %v", name, id, object[name], value)
		}
	}
}

// change returns the planned change of a resource.
func change(t *testing.T, plan *tfjson.Plan, address string) *tfjson.Change {
	t.Helper()
	for _, r := range plan.ResourceChanges {
		if r.Address == address {
			return r.Change
		}
	}
	t.Fatalf("the plan has no %s", address)
	return nil
}

// plannedChanges returns the lines of planned_changes.
func plannedChanges(t *testing.T, c *tfjson.Change) []string {
	t.Helper()
	after, _ := c.After.(map[string]any)
	return texts(after["planned_changes"])
}

func texts(list any) []string {
	var lines []string
	elements, _ := list.([]any)
	for _, line := range elements {
		lines = append(lines, fmt.Sprint(line))
	}
	return lines
}

func equalLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// writes counts what was sent to change the catalogue.
func writes(pod *acceptance.Pod) int {
	n := 0
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		for _, route := range []string{"im-streams", "im-versions", "im-tags", "im-assets"} {
			n += pod.Count(method, "config/v1/"+route)
		}
	}
	return n
}

// TestAccACatalogueOnEveryRelease applies the example of a whole catalogue, moves
// the tag to the second version, disables the first, and takes everything away, on
// each release, with every request and answer held against the vendor's document.
func TestAccACatalogueOnEveryRelease(t *testing.T) {
	t.Parallel()
	for _, release := range contract.Releases() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			pod := acceptance.HorizonPod(t, simulator.Options{Release: release, Empty: true})
			w := acceptance.NewWorkspace(t, acceptance.Options{Environment: pod.Environment()})
			w.Write("main.tf", example(t, "image-catalogue/main.tf"))
			w.Apply().MustSucceed(t).MustContain(t, "Resources: 6 added")
			noop(t, w)

			first, second := idOf(t, w, `imageops_image_management_version.each["2026-10"]`), idOf(t, w, `imageops_image_management_version.each["2026-11"]`)
			tag := idOf(t, w, "imageops_image_management_tag.production")
			asset := idOf(t, w, `imageops_image_management_asset.each["2026-11"]`)
			expect(t, pod, tag, map[string]any{"im_version_id": first, "name": "production"})
			expect(t, pod, asset, map[string]any{"im_version_id": second, "status": "AVAILABLE", "additional_details": map[string]any{"pipeline": "golden-2026-11"}})

			w.Write("next.auto.tfvars", `production = "2026-11"
versions = {
  "2026-10" = { snapshot = "v1", status = "DISABLED" }
  "2026-11" = { snapshot = "v2" }
}
`)
			saved := "next.plan"
			w.PlanSaved(saved).MustSucceed(t)
			plan := w.ShowPlan(saved)
			equalLines(t, "the tag's changes", plannedChanges(t, change(t, plan, "imageops_image_management_tag.production")),
				[]string{fmt.Sprintf("replace /im_version_id %q -> %q", first, second)})
			equalLines(t, "the version's changes", plannedChanges(t, change(t, plan, `imageops_image_management_version.each["2026-10"]`)),
				[]string{`replace /status "AVAILABLE" -> "DISABLED"`})
			w.ApplySaved(saved).MustSucceed(t).MustContain(t, "0 added, 3 changed, 0 destroyed")
			expect(t, pod, tag, map[string]any{"im_version_id": second})
			expect(t, pod, first, map[string]any{"status": "DISABLED"})
			noop(t, w)

			w.Destroy().MustSucceed(t)
			for _, id := range []string{first, second, tag, asset} {
				if pod.CatalogueObject(id) != nil {
					t.Errorf("%s is still there", id)
				}
			}
		})
	}
}

const stream = `resource "imageops_image_management_stream" "this" {
  name             = "Office"
  operating_system = "WINDOWS_10"
  source           = "UPLOADED"
%s
}
`

func TestAccAnUpdateChangesWhatTheConfigurationNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
	w := workspace(t, pod, fmt.Sprintf(stream, `  description = "office"
  additional_details = { owner = "desk", cost = "12", gone = null }`))
	w.Apply().MustSucceed(t)
	const address = "imageops_image_management_stream.this"
	id := idOf(t, w, address)
	expect(t, pod, id, map[string]any{"description": "office", "publisher": nil, "additional_details": map[string]any{"owner": "desk", "cost": "12"}})

	// Somebody else adds what nobody here owns: no drift, and it survives.
	must(t, pod.WriteCatalogueObject(id, map[string]any{
		"publisher": "someone", "additional_details": map[string]string{"owner": "desk", "cost": "12", "foreign": "yes"},
	}))
	noop(t, w)
	w.Write("main.tf", fmt.Sprintf(stream, `  description = "office and CAD"
  additional_details = { owner = "vdi", new = "1", gone = null }`))
	w.PlanSaved("p").MustSucceed(t)
	planned := change(t, w.ShowPlan("p"), address)
	equalLines(t, "planned_changes", plannedChanges(t, planned), []string{
		`remove /additional_details/cost "12"`,
		`add /additional_details/new "1"`,
		`replace /additional_details/owner "desk" -> "vdi"`,
		`replace /description "office" -> "office and CAD"`,
	})
	after, _ := planned.After.(map[string]any)
	const patch = `[{"op":"remove","path":"/additional_details/cost"},{"op":"add","path":"/additional_details/new","value":"1"},` +
		`{"op":"replace","path":"/additional_details/owner","value":"vdi"},{"op":"replace","path":"/description","value":"office and CAD"}]`
	if got := after["planned_patch"]; got != patch {
		t.Errorf("planned_patch is %v", got)
	}
	w.ApplySaved("p").MustSucceed(t)
	expect(t, pod, id, map[string]any{
		"description": "office and CAD", "publisher": "someone", "additional_details": map[string]any{"owner": "vdi", "new": "1", "foreign": "yes"},
	})
	noop(t, w)

	// What is owned and changed outside is drift, also a key that must not exist.
	must(t, pod.WriteCatalogueObject(id, map[string]any{
		"additional_details": map[string]string{"owner": "other", "new": "1", "gone": "back", "foreign": "yes"},
	}))
	w.PlanSaved("p").MustSucceed(t)
	equalLines(t, "planned_changes after drift", plannedChanges(t, change(t, w.ShowPlan("p"), address)), []string{
		`remove /additional_details/gone "back"`, `replace /additional_details/owner "other" -> "vdi"`,
	})
	w.ApplySaved("p").MustSucceed(t)
	expect(t, pod, id, map[string]any{"additional_details": map[string]any{"owner": "vdi", "new": "1", "foreign": "yes"}})

	// What this resource wrote goes when it is not named any more.
	w.Write("main.tf", fmt.Sprintf(stream, ""))
	w.Apply().MustSucceed(t)
	expect(t, pod, id, map[string]any{"description": "", "publisher": "someone", "additional_details": map[string]any{"foreign": "yes"}})
	noop(t, w)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAccAConflictIsReportedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	for policy, overwrites := range map[string]bool{"fail": false, "overwrite": true} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
			configuration := func(owner, description string) string {
				return fmt.Sprintf(stream, fmt.Sprintf("  on_conflict = %q\n  description = %q\n  additional_details = { owner = %q }", policy, description, owner))
			}
			w := workspace(t, pod, configuration("desk", "office"))
			w.Apply().MustSucceed(t)
			id := idOf(t, w, "imageops_image_management_stream.this")
			w.Write("main.tf", configuration("vdi", "CAD"))
			w.PlanSaved("p").MustSucceed(t)
			must(t, pod.WriteCatalogueObject(id, map[string]any{"additional_details": map[string]string{"owner": "other", "foreign": "x"}}))
			pod.ResetRequests()
			r := w.ApplySaved("p")
			if overwrites {
				r.MustSucceed(t).MustContain(t, "of somebody else was overwritten", `/additional_details/owner was "desk" when this was planned and "other" when it was applied. It is "vdi" now`)
				expect(t, pod, id, map[string]any{"description": "CAD", "additional_details": map[string]any{"owner": "vdi", "foreign": "x"}})
				noop(t, w)
				return
			}
			r.MustFail(t, "Unable to update image management stream: somebody else changed it", "additional_details",
				`/additional_details/owner was "desk" when this was planned, it is "other" now, and this configuration wants "vdi". Nothing was sent.`)
			if n := writes(pod); n != 0 {
				t.Errorf("%d writes were sent", n)
			}
			w.Apply().MustSucceed(t).MustContain(t, `replace /additional_details/owner \"other\" -> \"vdi\"`)
			expect(t, pod, id, map[string]any{"description": "CAD", "additional_details": map[string]any{"owner": "vdi", "foreign": "x"}})
		})
	}
}

func TestAccImportAdoptsAndReleases(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
	id := pod.CreateCatalogueObject("im-streams", map[string]any{
		"name": "Office", "operating_system": "WINDOWS_10", "source": "UPLOADED", "status": "AVAILABLE", "publisher": "someone",
		"additional_details": map[string]string{"owner": "desk", "cost": "12"},
	})
	// The configuration that Terraform writes plans nothing.
	w := workspace(t, pod, "")
	w.Write("import.tf", fmt.Sprintf("import {\n  to = imageops_image_management_stream.this\n  id = %q\n}\n", id))
	r := w.Plan("-generate-config-out=generated.tf")
	r.MustSucceed(t).MustContain(t, "1 to import, 0 to add, 0 to change, 0 to destroy")
	w.Apply().MustSucceed(t)
	noop(t, w)
	must(t, os.Remove(filepath.Join(w.Folder(), "generated.tf")))

	// Dropped again, what was found stays; what is changed is owned.
	w.Write("import.tf", fmt.Sprintf(stream, `  additional_details = { cost = "13" }`))
	w.PlanSaved("p").MustSucceed(t)
	equalLines(t, "planned_changes", plannedChanges(t, change(t, w.ShowPlan("p"), "imageops_image_management_stream.this")), []string{
		`replace /additional_details/cost "12" -> "13"`, "release /additional_details/owner (left as it is)", "release /publisher (left as it is)",
	})
	w.ApplySaved("p").MustSucceed(t)
	expect(t, pod, id, map[string]any{"publisher": "someone", "additional_details": map[string]any{"owner": "desk", "cost": "13"}})
	noop(t, w)
	w.Write("import.tf", fmt.Sprintf(stream, ""))
	w.Apply().MustSucceed(t)
	expect(t, pod, id, map[string]any{"additional_details": map[string]any{"owner": "desk"}})

	w.Run("state", "rm", "imageops_image_management_stream.this").MustSucceed(t)
	w.Import("imageops_image_management_stream.this", "Office and CAD").MustFail(t, "Invalid import ID", "imageops_image_management_stream finds it by name")
	w.Import("imageops_image_management_stream.this", "11111111-2222-4333-8444-555555555555").MustFail(t, "Unable to import image management stream", "There is no image management stream 11111111")
}

func TestAccWhatDestroyingDoes(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{"delete": "", "disable": "DISABLED", "keep": "AVAILABLE"} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
			w := workspace(t, pod, fmt.Sprintf(stream, ""))
			w.Apply().MustSucceed(t)
			id := idOf(t, w, "imageops_image_management_stream.this")
			w.Write("main.tf", fmt.Sprintf(stream, fmt.Sprintf("  on_destroy = %q", rule)))
			before := writes(pod)
			w.Apply().MustSucceed(t)
			if n := writes(pod); n != before {
				t.Errorf("changing a setting sent %d writes", n-before)
			}
			w.Destroy().MustSucceed(t)
			if want == "" {
				if pod.CatalogueObject(id) != nil {
					t.Error("the stream is still there")
				}
				return
			}
			expect(t, pod, id, map[string]any{"status": want})
		})
	}
}

// catalogue is a configuration with one version, its asset and its tag.
const catalogue = `
resource "imageops_image_management_stream" "this" {
  name             = "Office"
  operating_system = "WINDOWS_10"
  source           = "UPLOADED"
}
resource "imageops_image_management_version" "this" {
  im_stream_id = imageops_image_management_stream.this.id
  name         = "v1"
}
resource "imageops_image_management_asset" "this" {
  im_stream_id     = imageops_image_management_stream.this.id
  im_version_id    = imageops_image_management_version.this.id
  vcenter_id       = "` + simulator.HorizonVCenterID + `"
  base_vm_id       = %q
  base_snapshot_id = %q
  clone_type       = "INSTANT_CLONE"
  image_type       = "VDI_DESKTOP"
%s
}
resource "imageops_image_management_tag" "this" {
  im_stream_id  = imageops_image_management_stream.this.id
  im_version_id = imageops_image_management_version.this.id
  name          = "production"
}
`

func TestAccWhatIsInUseStays(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"400", "409"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			pod := acceptance.HorizonPod(t, simulator.Options{Empty: true, Assumptions: map[string]string{"horizon-delete-in-use": status}})
			vm, snapshots := pod.AddBaseVM(simulator.BaseVM{Name: "gold", Snapshots: []string{"s1", "s2"}})
			w := workspace(t, pod, fmt.Sprintf(catalogue, vm, snapshots[0], ""))
			w.Apply().MustSucceed(t)
			tag, asset := idOf(t, w, "imageops_image_management_tag.this"), idOf(t, w, "imageops_image_management_asset.this")
			must(t, pod.FollowTag("ENGINEERING", tag))
			must(t, pod.FollowTag("SALES", tag))

			// Replacing the asset is warned of where the pools would notice.
			w.Write("main.tf", fmt.Sprintf(catalogue, vm, snapshots[1], ""))
			w.Plan().MustSucceed(t).MustContain(t, "Asset in use is going to be replaced", "ENGINEERING, SALES", "Better make a new version with a new asset", "must be replaced")
			w.Write("main.tf", fmt.Sprintf(catalogue, vm, snapshots[0], ""))

			w.Destroy("-target=imageops_image_management_asset.this").MustFail(t, "Unable to delete image management asset", "ENGINEERING", "SALES", `on_destroy = "disable"`)
			expect(t, pod, asset, map[string]any{"status": "AVAILABLE"})
			w.Destroy("-target=imageops_image_management_tag.this").MustFail(t, "Unable to delete image management tag", "ENGINEERING", "SALES", `on_destroy = "keep"`)

			// The way out works.
			w.Write("main.tf", fmt.Sprintf(catalogue, vm, snapshots[0], `  on_destroy = "disable"`))
			w.Apply().MustSucceed(t)
			w.Destroy("-target=imageops_image_management_asset.this").MustSucceed(t)
			expect(t, pod, asset, map[string]any{"status": "DISABLED"})
		})
	}
}

func TestAccGoneIsCreatedAgain(t *testing.T) {
	t.Parallel()
	for _, deletion := range []string{"removed", "marked"} {
		t.Run(deletion, func(t *testing.T) {
			t.Parallel()
			pod := acceptance.HorizonPod(t, simulator.Options{Empty: true, Assumptions: map[string]string{"horizon-delete": deletion}})
			w := workspace(t, pod, fmt.Sprintf(stream, ""))
			w.Apply().MustSucceed(t)
			id := idOf(t, w, "imageops_image_management_stream.this")
			if deletion == "removed" {
				pod.DeleteCatalogueObject(id)
			} else {
				must(t, pod.WriteCatalogueObject(id, map[string]any{"status": "DELETED"}))
			}
			w.Apply().MustSucceed(t).MustContain(t, "1 added, 0 changed, 0 destroyed")
			if again := idOf(t, w, "imageops_image_management_stream.this"); again == id {
				t.Error("it has the same id")
			}
			w.Destroy().MustSucceed(t)
		})
	}
}

// TestAccAnotherPodHasNotLostIt looks for an object at a pod that never had it.
func TestAccAnotherPodHasNotLostIt(t *testing.T) {
	t.Parallel()
	pod, other := acceptance.HorizonPod(t, simulator.Options{Empty: true}), acceptance.HorizonPod(t, simulator.Options{Empty: true})
	w := workspace(t, pod, fmt.Sprintf(stream, ""))
	w.Apply().MustSucceed(t)
	for name, value := range other.Environment() {
		w.SetEnvironment(name, value)
	}
	w.Plan().MustFail(t, "Unable to read image management stream", "is not visible from the Horizon pod at", "it was managed from the Horizon pod at", "terraform state rm")
	if w.State().Resources["imageops_image_management_stream.this"] == nil {
		t.Error("the state was emptied")
	}
}

// TestAccAPlanOfManyAssetsAsksForThemTogether counts the requests of a plan that
// changes nothing, and its sign-ins. Each asset is in a vCenter of its own, since
// Horizon may refuse a second one of a version in the same.
func TestAccAPlanOfManyAssetsAsksForThemTogether(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
	var places strings.Builder
	for i := range 100 {
		vcenter := pod.AddVirtualCenter(fmt.Sprintf("vc%d.demo.example", i), "DC1")
		vm, snapshots := pod.AddBaseVM(simulator.BaseVM{VCenterID: vcenter, Name: "gold", Snapshots: []string{"s"}})
		fmt.Fprintf(&places, "    %q = { vm = %q, snapshot = %q }\n", vcenter, vm, snapshots[0])
	}
	w := workspace(t, pod, fmt.Sprintf(stream, "")+`
resource "imageops_image_management_version" "this" {
  im_stream_id = imageops_image_management_stream.this.id
  name         = "v1"
}
resource "imageops_image_management_asset" "each" {
  for_each = {
`+places.String()+`  }
  im_stream_id     = imageops_image_management_stream.this.id
  im_version_id    = imageops_image_management_version.this.id
  vcenter_id       = each.key
  base_vm_id       = each.value.vm
  base_snapshot_id = each.value.snapshot
  clone_type       = "INSTANT_CLONE"
  image_type       = "VDI_DESKTOP"
}
`)
	w.Apply().MustSucceed(t)
	pod.ResetRequests()
	noop(t, w)
	if n := pod.Count("", "config/v1/im-assets"); n > 3 {
		t.Errorf("a plan of 100 assets takes %d requests for assets, want 3 at most", n)
	}
	if logins, logouts := pod.Count(http.MethodPost, "login"), pod.Count(http.MethodPost, "logout"); logins != 1 || logouts != 1 {
		t.Errorf("the plan signed in %d times and out %d times, want once each", logins, logouts)
	}
	w.Destroy().MustSucceed(t)
}

func TestAccTerraformIsToldWhatHorizonRefuses(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{})
	w := workspace(t, pod, "")
	const unknown = "11111111-2222-4333-8444-555555555555"
	asset := func(lines string) string {
		return `resource "imageops_image_management_asset" "this" {
  im_stream_id  = "` + simulator.HorizonStreamID + `"
  im_version_id = "` + simulator.HorizonVersionID + `"
  vcenter_id    = "` + simulator.HorizonVCenterID + `"
  clone_type    = "INSTANT_CLONE"
` + lines + "\n}\n"
	}
	for name, c := range map[string]struct {
		configuration string
		texts         []string
	}{
		"the View API's spelling": {asset(`image_type = "RDSH_APP"
base_vm_id = "vm-1"
base_snapshot_id = "snapshot-1"`), []string{"Invalid image_type", `write image_type = "RDSH_APPS"`}},
		"a template and a VM": {asset(`image_type = "VDI_DESKTOP"
base_vm_id = "vm-1"
base_snapshot_id = "snapshot-1"
vm_template_id = "vm-2"`), []string{"Asset of two images", "keep one of them"}},
		"neither": {asset(`image_type = "VDI_DESKTOP"`), []string{"Asset of no image", "imageops_base_vm and imageops_base_snapshot"}},
		"a VM without snapshot": {asset(`image_type = "VDI_DESKTOP"
base_vm_id = "vm-1"`), []string{"Missing base_snapshot_id"}},
		"a snapshot without VM": {asset(`image_type = "VDI_DESKTOP"
base_snapshot_id = "snapshot-1"`), []string{"Missing base_vm_id"}},
		"a status that means deletion": {asset(`image_type = "VDI_DESKTOP"
base_vm_id = "vm-1"
base_snapshot_id = "snapshot-1"
status = "DELETED"`), []string{"Invalid status", "counts as gone", `status "DISABLED"`}},
		"an unknown status": {asset(`image_type = "VDI_DESKTOP"
base_vm_id = "vm-1"
base_snapshot_id = "snapshot-1"
status = "available"`), []string{"Invalid status", `"available" is none of the values of status: AVAILABLE, DEPLOYING_VM`}},
		"a name with a blank": {strings.Replace(fmt.Sprintf(stream, ""), `"Office"`, `"Office 2026"`, 1), []string{"Invalid name", "1 to 64 letters, digits, hyphens and underscores"}},
		"an operating system of another release line": {strings.Replace(fmt.Sprintf(stream, ""), "WINDOWS_10", "WINDOWS_SERVER_2016", 1),
			[]string{"Invalid operating_system", "WINDOWS_SERVER_2016_OR_ABOVE"}},
		"a name where an id belongs": {`resource "imageops_image_management_version" "this" {
  im_stream_id = "Win 11"
  name         = "v2"
}`, []string{"Invalid im_stream_id", "A name does not work here"}},
		"a stream that does not exist": {`resource "imageops_image_management_version" "this" {
  im_stream_id = "` + unknown + `"
  name         = "v2"
}`, []string{"Unable to plan image management version: unknown im_stream_id", "There is no image management stream " + unknown, "imageops_image_management_stream finds it by name"}},
		"a name that is taken": {strings.Replace(fmt.Sprintf(stream, ""), `"Office"`, `"Win11"`, 1),
			[]string{"Unable to create image management stream", simulator.HorizonStreamID, "import {"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.Write("main.tf", c.configuration)
			if name == "a name that is taken" {
				w.Apply().MustFail(t, c.texts...)
				return
			}
			w.Plan().MustFail(t, c.texts...)
		})
	}
	if n := writes(pod); n != 1 {
		t.Errorf("%d writes were sent, want the one that was refused", n)
	}
}

// TestAccWhatOnlySomeReleasesKnowIsRefusedInThePlan holds for names with dots and
// for operating systems.
func TestAccWhatOnlySomeReleasesKnowIsRefusedInThePlan(t *testing.T) {
	t.Parallel()
	for release, c := range map[string]struct{ dots, windows11, macos bool }{
		"2106": {true, false, false}, "2212": {true, true, false}, "2303": {false, true, false}, "2306": {false, true, false},
		"2309": {true, true, false}, "2506": {true, true, false}, "2512": {true, true, true},
	} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			pod := acceptance.HorizonPod(t, simulator.Options{Release: release, Empty: true})
			w := workspace(t, pod, "")
			try := func(configuration string, taken bool, text string) {
				t.Helper()
				w.Write("main.tf", configuration)
				if taken {
					w.Apply().MustSucceed(t)
					return
				}
				w.Plan().MustFail(t, text)
			}
			try(strings.Replace(fmt.Sprintf(stream, ""), "WINDOWS_10", "WINDOWS_11", 1), c.windows11, `"WINDOWS_11" is known to Horizon since release 2209`)
			try(strings.Replace(fmt.Sprintf(stream, ""), "WINDOWS_10", "MACOS_15", 1), c.macos, `"MACOS_15" is known to Horizon since release 2512`)
			version := `resource "imageops_image_management_version" "this" {
  im_stream_id = imageops_image_management_stream.this.id
  name         = "2026.11"
}`
			try(fmt.Sprintf(stream, "")+version, c.dots, "Use a hyphen instead")
		})
	}
}

// TestAccACatalogueUnderEveryAssumption keeps a catalogue whichever way Horizon
// behaves where no document says how. What each value does is in ASSUMPTIONS.md of
// the simulator.
func TestAccACatalogueUnderEveryAssumption(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"horizon-location": {"absolute", "path", "absent"}, "horizon-unknown-fields": {"refused", "ignored"}, "horizon-put-omitted": {"cleared", "kept"},
		"horizon-delete-in-use": {"400", "409"}, "horizon-delete": {"removed", "marked"}, "horizon-asset-twins": {"refused", "accepted"},
		"horizon-password": {"string", "array"}, "horizon-refresh-refused": {"400", "401"}, "horizon-between": {"snake-case", "camel-case"},
	} {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				t.Parallel()
				pod := acceptance.UnguardedPod(t, simulator.Options{Empty: true, Assumptions: map[string]string{name: value}})
				vm, snapshots := pod.AddBaseVM(simulator.BaseVM{Name: "gold", Snapshots: []string{"s1", "s2"}})
				w := workspace(t, pod, fmt.Sprintf(catalogue, vm, snapshots[0], `  additional_details = { owner = "desk", gone = "soon" }`))
				w.Apply().MustSucceed(t)
				id := idOf(t, w, asset)
				must(t, pod.WriteCatalogueObject(id, map[string]any{"additional_details": map[string]string{"owner": "desk", "gone": "soon", "foreign": "x"}}))
				w.Write("main.tf", fmt.Sprintf(catalogue, vm, snapshots[0], `  additional_details = { owner = "vdi" }`))
				w.Apply().MustSucceed(t)
				expect(t, pod, id, map[string]any{"additional_details": map[string]any{"owner": "vdi", "foreign": "x"}})
				// A replacement, the old one first.
				w.Write("main.tf", fmt.Sprintf(catalogue, vm, snapshots[1], ""))
				w.Apply().MustSucceed(t).MustContain(t, "1 added, 0 changed, 1 destroyed")
				noop(t, w)
				w.Destroy().MustSucceed(t)
				for _, collection := range []string{"im-streams", "im-versions", "im-tags", "im-assets"} {
					if left := pod.CatalogueObjects(collection); len(left) > 0 {
						t.Errorf("%d of %s are left", len(left), collection)
					}
				}
			})
		}
	}
}

// TestAccWhatWasFoundStaysWhenItIsGivenUp names a key that somebody else has given
// the wanted value already, and drops it again.
func TestAccWhatWasFoundStaysWhenItIsGivenUp(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
	w := workspace(t, pod, fmt.Sprintf(stream, ""))
	w.Apply().MustSucceed(t)
	id := idOf(t, w, "imageops_image_management_stream.this")
	must(t, pod.WriteCatalogueObject(id, map[string]any{"additional_details": map[string]string{"theirs": "1", "other": "2"}}))
	w.Write("main.tf", fmt.Sprintf(stream, `  additional_details = { theirs = "1", other = "3" }`))
	w.Apply().MustSucceed(t)
	w.Write("main.tf", fmt.Sprintf(stream, ""))
	w.PlanSaved("p").MustSucceed(t)
	equalLines(t, "planned_changes", plannedChanges(t, change(t, w.ShowPlan("p"), "imageops_image_management_stream.this")),
		[]string{`remove /additional_details/other "3"`, "release /additional_details/theirs (left as it is)"})
	w.ApplySaved("p").MustSucceed(t)
	expect(t, pod, id, map[string]any{"additional_details": map[string]any{"theirs": "1"}})
	noop(t, w)
}

// TestAccAFailedUpdateForgetsNothingThatWasAdopted lets the apply fail that was to
// give up what an import had found.
func TestAccAFailedUpdateForgetsNothingThatWasAdopted(t *testing.T) {
	t.Parallel()
	pod := acceptance.UnguardedPod(t, simulator.Options{Empty: true})
	id := pod.CreateCatalogueObject("im-streams", map[string]any{
		"name": "Office", "operating_system": "WINDOWS_10", "source": "UPLOADED", "status": "AVAILABLE", "additional_details": map[string]string{"theirs": "1"},
	})
	w := workspace(t, pod, fmt.Sprintf(stream, `  additional_details = { theirs = "1" }`))
	w.Write("import.tf", fmt.Sprintf("import {\n  to = imageops_image_management_stream.this\n  id = %q\n}\n", id))
	w.Apply().MustSucceed(t)
	w.Write("main.tf", fmt.Sprintf(stream, `  description = "office"`))
	must(t, pod.AddFault(simulator.Fault{Method: http.MethodPut, Effect: simulator.EffectStatus, Status: http.StatusForbidden}))
	w.Apply().MustFail(t, "Unable to update image management stream")
	w.Apply().MustSucceed(t).MustContain(t, "release /additional_details/theirs (left as it is)")
	expect(t, pod, id, map[string]any{"description": "office", "additional_details": map[string]any{"theirs": "1"}})
	noop(t, w)
}

// TestAccADestroyOfAnotherPodsObjectsSendsNothing applies the destroy plan of one
// pod at another one.
func TestAccADestroyOfAnotherPodsObjectsSendsNothing(t *testing.T) {
	t.Parallel()
	pod, other := acceptance.HorizonPod(t, simulator.Options{Empty: true}), acceptance.HorizonPod(t, simulator.Options{Empty: true})
	w := workspace(t, pod, fmt.Sprintf(stream, ""))
	w.Apply().MustSucceed(t)
	w.PlanSaved("p", "-destroy").MustSucceed(t)
	for name, value := range other.Environment() {
		w.SetEnvironment(name, value)
	}
	w.ApplySaved("p").MustFail(t, "Unable to delete image management stream", "is not visible from the Horizon pod at")
	if n := writes(other); n != 0 {
		t.Errorf("%d writes were sent", n)
	}
}

// TestAccTheSameDriftTwiceIsShownTwice brings the same difference of one key twice.
func TestAccTheSameDriftTwiceIsShownTwice(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
	w := workspace(t, pod, fmt.Sprintf(stream, `  additional_details = { owner = "desk" }`))
	w.Apply().MustSucceed(t)
	id := idOf(t, w, "imageops_image_management_stream.this")
	for range 2 {
		must(t, pod.WriteCatalogueObject(id, map[string]any{"additional_details": map[string]string{"owner": "other"}}))
		w.Apply().MustSucceed(t).MustContain(t, `+ "replace /additional_details/owner \"other\" -> \"desk\""`)
	}
}
