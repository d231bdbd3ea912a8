package catalogue_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// dataError fails the test unless a plan, or a validation, ends in exactly one
// error, with all texts in it.
func dataError(t *testing.T, r acceptance.Result, texts ...string) {
	t.Helper()
	r.MustFail(t, texts...)
	if n := strings.Count(r.Stdout+r.Stderr, "Error: "); n != 1 {
		t.Errorf("there are %d errors:\n%s%s", n, r.Stdout, r.Stderr)
	}
}

func TestAccDataThatNoConfigurationMayHave(t *testing.T) {
	t.Parallel()
	const inVCenter, ofVM = `vcenter_id = "6b7c0e11-4f0a-4a2e-8d53-0c9b1e7a2f01"`, `base_vm_id = "vm-1002"`
	cases := map[string]struct {
		block string
		texts []string
	}{
		"no key": {
			dataBlock("virtual_center", "x"),
			[]string{"No virtual center chosen", "Give one of id and name."},
		},
		"no key of three": {
			dataBlock("base_vm", "x", inVCenter),
			[]string{"No base VM chosen", "Give one of id, name and path."},
		},
		"most_recent is false": {
			dataBlock("base_snapshot", "x", inVCenter, ofVM, "most_recent = false"),
			[]string{"No base snapshot chosen", "Give one of id, name and path."},
		},
		"a parent alone": {
			dataBlock("image_management_tag", "x", `im_stream_id = "a41d7c9e-52b6-4b6f-9a6e-1d2f3c4b5a01"`),
			[]string{"No image management tag chosen", "Give one of id and name."},
		},
		"a filter alone": {
			dataBlock("image_management_asset", "x", `status = "AVAILABLE"`),
			[]string{"No image management asset chosen", "Give one of id and im_version_id."},
		},
		"two keys": {
			dataBlock("desktop_pool", "x", `id = "d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3b01"`, `name = "ENGINEERING"`),
			[]string{"Desktop pool chosen twice", "Each of id and name says which desktop pool is meant."},
		},
		"three keys": {
			dataBlock("datacenter", "x", inVCenter, `id = "datacenter-1001"`, `name = "DC1"`, `path = "/DC1"`),
			[]string{"Datacenter chosen twice", "Each of id, name and path says"},
		},
		"a parent beside an id": {
			dataBlock("image_management_version", "x", `id = "a41d7c9e-52b6-4b6f-9a6e-1d2f3c4b5a02"`, `im_stream_id = "a41d7c9e-52b6-4b6f-9a6e-1d2f3c4b5a01"`),
			[]string{"Image management version chosen twice", "im_stream_id would have nothing to choose from"},
		},
		"filters beside an id": {
			dataBlock("image_management_asset", "x", `id = "a41d7c9e-52b6-4b6f-9a6e-1d2f3c4b5a02"`, `status = "AVAILABLE"`, `clone_type = "FULL_CLONE"`),
			[]string{"Image management asset chosen twice", "clone_type and status would have nothing to choose from"},
		},
		"the newest beside an id": {
			dataBlock("base_snapshot", "x", inVCenter, ofVM, `id = "snapshot-1004"`, "most_recent = true"),
			[]string{"Base snapshot chosen twice", "most_recent would have nothing to choose from"},
		},
		"a name without its parent": {
			dataBlock("image_management_version", "x", `name = "v1"`),
			[]string{"Missing im_stream_id", "By its name, the image management version is found with im_stream_id only."},
		},
		"no vCenter": {
			dataBlock("datacenter", "x", `name = "DC1"`),
			[]string{`The argument "vcenter_id" is required`},
		},
		"an empty name": {
			dataBlock("desktop_pool", "x", `name = ""`),
			[]string{"Invalid Attribute Value Length", "name string length must be at least 1"},
		},
		"a name as an id": {
			dataBlock("datacenter", "x", `vcenter_id = "vcenter.demo.example"`, `name = "DC1"`),
			[]string{"Invalid vcenter_id", `"vcenter.demo.example" is no ID`, "A name does not work here"},
		},
		"a path as an id": {
			dataBlock("base_snapshot", "x", inVCenter, `base_vm_id = "/DC1/vm/win11-golden"`, `name = "v1"`),
			[]string{"Invalid base_vm_id", "is no ID"},
		},
		"the spelling of the View API": {
			dataBlock("image_management_asset", "x", `im_version_id = "a41d7c9e-52b6-4b6f-9a6e-1d2f3c4b5a02"`, `image_type = "RDSH_APP"`),
			[]string{"Invalid image_type", `write image_type = "RDSH_APPS"`},
		},
		"no status": {
			dataBlock("image_management_asset", "x", `im_version_id = "a41d7c9e-52b6-4b6f-9a6e-1d2f3c4b5a02"`, `status = "available"`),
			[]string{"Invalid status", `"available" is none of the values of status`, "AVAILABLE"},
		},
		"no kind of clones": {
			dataBlock("image_management_asset", "x", `im_version_id = "a41d7c9e-52b6-4b6f-9a6e-1d2f3c4b5a02"`, `clone_type = "LINKED"`),
			[]string{"Invalid clone_type", "FULL_CLONE, INSTANT_CLONE"},
		},
	}
	w := dataWorkspace(t, nil, "")
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			w.Write("main.tf", cases[name].block)
			dataError(t, w.Run("validate", "-no-color"), cases[name].texts...)
		})
	}
}

func TestAccDataThatIsNotOne(t *testing.T) {
	t.Parallel()
	pod := newDataWorld(t, "")
	inVCenter, inSiteB := fmt.Sprintf("vcenter_id = %q", dataVCenter), fmt.Sprintf("vcenter_id = %q", pod.siteB)
	ofVM, ofStream, ofVersion := fmt.Sprintf("base_vm_id = %q", dataGolden), fmt.Sprintf("im_stream_id = %q", dataStream), fmt.Sprintf("im_version_id = %q", dataVersion)
	bare, _ := pod.AddBaseVM(simulator.BaseVM{Name: "bare"})
	empty := pod.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": dataStream, "name": "v0", "status": "AVAILABLE"})
	deleted := pod.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": dataStream, "name": "gone", "status": "DELETED"})
	const nothing = "0b1e7a2f-0000-4a2e-8d53-0c9b1e7a2fff"
	for name, c := range map[string]struct {
		block string
		texts []string
	}{
		"a virtual center by an unknown name": {
			dataBlock("virtual_center", "x", `name = "vcenter"`),
			[]string{"Unable to find virtual center: none matches", `There is no virtual center with name "vcenter". There are:`,
				"vcenter.demo.example (" + dataVCenter + ")", "Site-B.demo.example (" + pod.siteB + ")"},
		},
		"a virtual center by an unknown id": {
			dataBlock("virtual_center", "x", fmt.Sprintf("id = %q", nothing)),
			[]string{"none matches", nothing, "vcenter.demo.example (" + dataVCenter + ")"},
		},
		"a datacenter by an unknown name": {
			dataBlock("datacenter", "x", inSiteB, `name = "DC3"`),
			[]string{"Unable to find datacenter: none matches", `vcenter_id "` + pod.siteB + `" and name "DC3"`, "/DC1 (datacenter-1001)", "/DC2 (datacenter-1002)"},
		},
		"a base VM by an unknown name": {
			dataBlock("base_vm", "x", inVCenter, `name = "win11"`),
			[]string{"Unable to find base VM: none matches", "/DC1/vm/win11-golden (vm-1002)", "/DC1/vm/win11-rds (vm-1003)", "/DC1/vm/bare (" + bare + ")"},
		},
		"two base VMs of one name": {
			dataBlock("base_vm", "x", inSiteB, `name = "gold"`),
			[]string{"Unable to find base VM: several match", "2 base VMs match", "/DC1/vm/gold (" + pod.goldDC1 + ")", "/DC2/vm/Golden images/gold (" + pod.goldDC2 + ")",
				"Give the path or the id of the one that is meant; datacenter_id leaves those of one datacenter."},
		},
		"a base VM in another datacenter": {
			dataBlock("base_vm", "x", inSiteB, `datacenter_id = "datacenter-1001"`, fmt.Sprintf("id = %q", pod.goldDC2)),
			[]string{"none matches", "/DC1/vm/gold (" + pod.goldDC1 + ")"},
		},
		"a base snapshot by an unknown path": {
			dataBlock("base_snapshot", "x", inVCenter, ofVM, `path = "/v2"`),
			[]string{"Unable to find base snapshot: none matches", "/v1/v2 (snapshot-1005, of 2025-12-06T07:30:00Z)"},
		},
		"two base snapshots of one name": {
			dataBlock("base_snapshot", "x", inVCenter, ofVM, `name = "v1"`),
			[]string{"Unable to find base snapshot: several match", `2 base snapshots match`, "/v1 (snapshot-1004", "/v1/v2/v3/v1 (" + pod.secondV1,
				"Give the path or the id of the one that is meant, or set most_recent = true to take the newest."},
		},
		"the newest of none": {
			dataBlock("base_snapshot", "x", inVCenter, fmt.Sprintf("base_vm_id = %q", bare), "most_recent = true"),
			[]string{"Unable to find base snapshot: none matches", `base_vm_id "` + bare + `", and none at all there`},
		},
		"the newest of an unknown name": {
			dataBlock("base_snapshot", "x", inVCenter, ofVM, `name = "v9"`, "most_recent = true"),
			[]string{"none matches", "/v1/v2/v3 (snapshot-1006"},
		},
		"a stream by an unknown name": {
			dataBlock("image_management_stream", "x", `name = "win11"`),
			[]string{"Unable to find image management stream: none matches", "Win11 (" + dataStream + ")"},
		},
		"a stream by an unknown id": {
			dataBlock("image_management_stream", "x", fmt.Sprintf("id = %q", nothing)),
			[]string{"Unable to find image management stream: none matches", "Win11 (" + dataStream + ")"},
		},
		"a version by an unknown name": {
			dataBlock("image_management_version", "x", ofStream, `name = "v2"`),
			[]string{"Unable to find image management version: none matches", "v1 (" + dataVersion + ")"},
		},
		"a version by an unknown id": {
			dataBlock("image_management_version", "x", fmt.Sprintf("id = %q", nothing)),
			[]string{"Unable to find image management version: none matches", `no image management version with id "` + nothing + `"`},
		},
		"a version that is only a record": {
			dataBlock("image_management_version", "x", fmt.Sprintf("id = %q", deleted)),
			[]string{"Unable to find image management version: none matches", deleted},
		},
		"a tag by an unknown name": {
			dataBlock("image_management_tag", "x", ofStream, `name = "canary"`),
			[]string{"Unable to find image management tag: none matches", "production (" + pod.tag + ")"},
		},
		"two assets": {
			dataBlock("image_management_asset", "x", ofVersion, inVCenter),
			[]string{"Unable to find image management asset: several match", "2 image management assets match", pod.asset, pod.templateAsset, "Add a filter that tells them apart"},
		},
		"no asset with a filter": {
			dataBlock("image_management_asset", "x", ofVersion, `image_type = "RDSH_APPS"`),
			[]string{"Unable to find image management asset: none matches", `image_type "RDSH_APPS"`, pod.asset},
		},
		"no asset at all": {
			dataBlock("image_management_asset", "x", fmt.Sprintf("im_version_id = %q", empty)),
			[]string{"Unable to find image management asset: none matches", "and none at all there"},
		},
		"a desktop pool by an unknown name": {
			dataBlock("desktop_pool", "x", `name = "Engineering"`),
			[]string{"Unable to find desktop pool: none matches", "ENGINEERING (" + dataPool + ")", "SALES (", "KIOSK ("},
		},
		"a desktop pool by its name as an id": {
			dataBlock("desktop_pool", "x", `id = "ENGINEERING"`),
			[]string{"Unable to find desktop pool: none matches", "ENGINEERING (" + dataPool + ")"},
		},

		// What says where to look.
		"a wrong vCenter of a datacenter": {
			dataBlock("datacenter", "x", fmt.Sprintf("vcenter_id = %q", nothing), `name = "DC1"`),
			[]string{"Unable to find datacenter: vcenter_id names no virtual center", nothing, "vcenter.demo.example (" + dataVCenter + ")"},
		},
		"a wrong vCenter of a base VM": {
			dataBlock("base_vm", "x", fmt.Sprintf("vcenter_id = %q", nothing), `name = "gold"`),
			[]string{"Unable to find base VM: vcenter_id names no virtual center", "vcenter.demo.example (" + dataVCenter + ")"},
		},
		"a wrong datacenter": {
			dataBlock("base_vm", "x", inVCenter, `datacenter_id = "DC1"`, `name = "win11-golden"`),
			[]string{"Unable to find base VM: datacenter_id names no datacenter", "/DC1 (datacenter-1001)"},
		},
		"a wrong base VM": {
			dataBlock("base_snapshot", "x", inVCenter, `base_vm_id = "vm-9"`, "most_recent = true"),
			[]string{"Unable to find base snapshot: base_vm_id names no base VM", "/DC1/vm/win11-golden (vm-1002)"},
		},
		"a wrong stream of a version": {
			dataBlock("image_management_version", "x", fmt.Sprintf("im_stream_id = %q", nothing), `name = "v1"`),
			[]string{"Unable to find image management version: im_stream_id names no image management stream", "Win11 (" + dataStream + ")"},
		},
		"a wrong stream of a tag": {
			dataBlock("image_management_tag", "x", fmt.Sprintf("im_stream_id = %q", nothing), `name = "production"`),
			[]string{"Unable to find image management tag: im_stream_id names no image management stream", "Win11 (" + dataStream + ")"},
		},
		"a wrong version": {
			dataBlock("image_management_asset", "x", fmt.Sprintf("im_version_id = %q", nothing)),
			[]string{"Unable to find image management asset: im_version_id names no image management version", nothing},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dataError(t, pod.workspace(t, c.block).Plan(), c.texts...)
		})
	}
}

func TestAccDataOfWhatReleasesListAsEmpty(t *testing.T) {
	t.Parallel()
	// Before 2312 the lists of a parent that does not exist are empty.
	pod := newDataWorld(t, "2306")
	const nothing = "0b1e7a2f-0000-4a2e-8d53-0c9b1e7a2fff"
	for name, c := range map[string]struct{ block, text string }{
		"stream":  {dataBlock("image_management_tag", "x", fmt.Sprintf("im_stream_id = %q", nothing), `name = "production"`), "im_stream_id names no image management stream"},
		"version": {dataBlock("image_management_asset", "x", fmt.Sprintf("im_version_id = %q", nothing)), "im_version_id names no image management version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dataError(t, pod.workspace(t, c.block).Plan(), c.text)
		})
	}
}

func TestAccDataListsManyCandidatesInPart(t *testing.T) {
	t.Parallel()
	pod := newDataWorld(t, "")
	for i := range 12 {
		pod.AddBaseVM(simulator.BaseVM{VCenterID: pod.siteB, Datacenter: "DC1", Name: fmt.Sprintf("other-%02d", i), Snapshots: []string{"a"}})
	}
	pod.AddBaseVM(simulator.BaseVM{VCenterID: pod.siteB, Datacenter: "DC1", Name: "win11-2026-11", Snapshots: []string{"a"}})
	w := pod.workspace(t, dataBlock("base_vm", "x", fmt.Sprintf("vcenter_id = %q", pod.siteB), `name = "win11"`))
	// 15 VMs: the one that looks like it, nine others, and five more.
	dataError(t, w.Plan(), "There are: /DC1/vm/win11-2026-11 (", "and 5 more")
}

func TestAccDataOfAnUnfitImage(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{})
	pod.AddBaseVM(simulator.BaseVM{Name: "used", IncompatibleReasons: []string{"IN_USE_BY_DESKTOP_POOL", "IN_USE_BY_INSTANT_CLONE_DESKTOP_POOL", "UNSUPPORTED_OS_FOR_FARM"}, Snapshots: []string{"a"}})
	pod.AddBaseVM(simulator.BaseVM{Name: "bare", IncompatibleReasons: []string{"IN_USE_BY_DESKTOP_POOL"}})
	inVCenter := fmt.Sprintf("vcenter_id = %q", dataVCenter)
	w := dataWorkspace(t, pod.Environment(), dataBlock("base_vm", "used", inVCenter, `name = "used"`))
	if r := w.Apply().MustSucceed(t); strings.Contains(r.Text(), "Warning: Unfit") {
		t.Errorf("a warning about a VM that is in use:\n%s", r.Text())
	}
	if got := fmt.Sprint(dataFound(t, w)["base_vm.used"]["incompatible_reasons"]); !strings.Contains(got, "UNSUPPORTED_OS_FOR_FARM") {
		t.Errorf("incompatible_reasons is %s", got)
	}
	w.Write("main.tf", dataBlock("base_vm", "bare", inVCenter, `name = "bare"`))
	r := w.Plan().MustSucceed(t).MustContain(t, "Warning: Unfit base VM", "/DC1/vm/bare (vm-", "NO_SNAPSHOTS: it has no snapshot")
	if strings.Contains(r.Text(), "IN_USE") {
		t.Errorf("the warning names what is harmless:\n%s", r.Text())
	}

	// A snapshot, in an answer of the vendor's form, with a reason that no release
	// so far has beside one that all have.
	pod = acceptance.UnguardedPod(t, simulator.Options{})
	dataAnswer(t, pod, "/base-snapshots$", `[{"id": "snapshot-7", "name": "live", "path": "/live", "incompatible_reasons": ["POWERED_ON", "ENCRYPTED_DISK"]}]`)
	w = dataWorkspace(t, pod.Environment(), dataBlock("base_snapshot", "live", inVCenter, `base_vm_id = "vm-1002"`, "most_recent = true"))
	w.Apply().MustSucceed(t).MustContain(t, "Warning: Unfit base snapshot", "/live (snapshot-7)", "POWERED_ON: its VM was running when it was taken", "ENCRYPTED_DISK")
	dataSame(t, "base_snapshot.live", dataFound(t, w)["base_snapshot.live"], map[string]any{
		"vcenter_id": dataVCenter, "base_vm_id": dataGolden, "id": "snapshot-7", "name": "live", "path": "/live", "most_recent": true, "description": nil,
		"created_at": nil, "disk_size_mb": nil, "memory_mb": nil, "hardware_version": nil, "incompatible_reasons": []string{"POWERED_ON", "ENCRYPTED_DISK"},
	})
}

func TestAccDataOfAUserWithoutPrivileges(t *testing.T) {
	t.Parallel()
	pod := newDataWorld(t, "")
	environment := pod.Environment()
	account := pod.Describe("").Accounts["other"]
	environment["HORIZON_USERNAME"], environment["HORIZON_PASSWORD"] = "other", account.Password
	for name, c := range map[string]struct{ block, text string }{
		"virtual center": {dataBlock("virtual_center", "x", `name = "vcenter.demo.example"`), "VC_CONFIG_VIEW"},
		"base VM":        {dataBlock("base_vm", "x", fmt.Sprintf("vcenter_id = %q", dataVCenter), `name = "gold"`), "VC_CONFIG_VIEW"},
		"stream":         {dataBlock("image_management_stream", "x", `name = "Win11"`), "GLOBAL_CONFIG_VIEW"},
		"tag":            {dataBlock("image_management_tag", "x", fmt.Sprintf("id = %q", pod.tag)), "GLOBAL_CONFIG_VIEW"},
		"pool":           {dataBlock("desktop_pool", "x", fmt.Sprintf("id = %q", dataPool)), "POOL_VIEW"},
		// Lists of pools hold what the user may see, here nothing.
		"pool by name": {dataBlock("desktop_pool", "x", `name = "SALES"`), "none at all there that this user may see"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dataError(t, dataWorkspace(t, environment, c.block).Plan(), c.text)
		})
	}
}

func TestAccDataOfAProviderThatIsNotReady(t *testing.T) {
	t.Parallel()
	pod := newDataWorld(t, "")
	block := dataBlock("desktop_pool", "x", `name = "SALES"`)
	t.Run("without a section", func(t *testing.T) {
		t.Parallel()
		dataError(t, dataWorkspace(t, nil, block).Plan(), "Missing horizon", "HORIZON_URL, HORIZON_DOMAIN and HORIZON_USERNAME")
	})
	t.Run("with an argument that is not known yet", func(t *testing.T) {
		t.Parallel()
		w := dataWorkspace(t, pod.Environment(), block+fmt.Sprintf(`
resource "terraform_data" "pod" { input = %q }
provider "imageops" {
  horizon = { url = terraform_data.pod.output }
}
`, pod.URL))
		dataError(t, w.Plan(), "Unable to find desktop pool: the provider is not configured yet", "horizon.url is not known yet")
		w.Apply("-target=terraform_data.pod").MustSucceed(t)
		w.Apply().MustSucceed(t)
	})
}

// TestAccDataWithArgumentsThatAreNotKnownYet plans what can be checked only when
// it is applied, and checks it then.
func TestAccDataWithArgumentsThatAreNotKnownYet(t *testing.T) {
	t.Parallel()
	pod := newDataWorld(t, "")
	with := func(name, id, snapshot string) string {
		return fmt.Sprintf(`
resource "terraform_data" "given" { input = { name = %s, id = %s, newest = %s } }
data "imageops_desktop_pool" "x" {
  id   = terraform_data.given.output.id
  name = terraform_data.given.output.name
}
data "imageops_base_snapshot" "x" {
  vcenter_id  = %q
  base_vm_id  = terraform_data.given.output.newest ? "vm-1002" : "vm-1003"
  most_recent = terraform_data.given.output.newest
}
resource "terraform_data" "result" {
  input = [data.imageops_desktop_pool.x.current_image.snapshot_id, data.imageops_desktop_pool.x.name, data.imageops_base_snapshot.x.id]
}
`, name, id, snapshot, dataVCenter)
	}
	w := pod.workspace(t, with(`"SALES"`, "null", "true"))
	w.Apply().MustSucceed(t)
	for address, name := range map[string]string{"desktop_pool.x": "SALES", "base_snapshot.x": "v1"} {
		if got := dataFound(t, w)[address]["name"]; got != name {
			t.Errorf("the name of %s is %v", address, got)
		}
	}
	w = pod.workspace(t, with(`"SALES"`, fmt.Sprintf("%q", dataPool), "true"))
	w.Plan().MustSucceed(t)
	dataError(t, w.Apply(), "Desktop pool chosen twice")
	w = pod.workspace(t, with("null", fmt.Sprintf("%q", dataPool), "false"))
	w.Plan().MustSucceed(t)
	dataError(t, w.Apply(), "No base snapshot chosen")
}

func TestAccDataInterrupted(t *testing.T) {
	t.Parallel()
	pod := acceptance.UnguardedPod(t, simulator.Options{})
	if err := pod.AddFault(simulator.Fault{Path: "/im-streams$", Count: simulator.Forever, Effect: simulator.EffectHang}); err != nil {
		t.Fatal(err)
	}
	w := dataWorkspace(t, pod.Environment(), dataBlock("image_management_stream", "x", `name = "Win11"`))
	process := w.Start("plan", "-no-color")
	// A stop that overtakes the request on its way to the provider is lost.
	for pod.Count("GET", "config/v1/im-streams") == 0 && !process.Ended() {
		time.Sleep(10 * time.Millisecond)
	}
	process.Interrupt()
	// A request would be given up after a minute only.
	if r := process.Wait(); r.ExitCode != 1 || r.Duration > 30*time.Second {
		t.Errorf("terraform ended with %d after %v:\n%s%s", r.ExitCode, r.Duration, r.Stdout, r.Stderr)
	}
}
