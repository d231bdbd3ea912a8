package catalogue_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// dataWorld is a pod with something for every data source to find, and with
// names that several things have.
type dataWorld struct {
	*acceptance.Pod
	// siteB is a vCenter with datacenters DC1 and DC2 and a VM "gold" in each.
	siteB, goldDC1, goldDC2 string
	// secondV1 is the snapshot of win11-golden on top of v1, v2 and v3 that is
	// called v1 as well, secondV1At when it was made.
	secondV1, secondV1At string
	// tag and the assets are in the stream Win11 and on its version v1.
	tag, asset, templateAsset string
}

const (
	dataVCenter    = simulator.HorizonVCenterID
	dataDatacenter = "datacenter-1001"
	dataGolden     = "vm-1002"
	dataStream     = simulator.HorizonStreamID
	dataVersion    = simulator.HorizonVersionID
	dataPool       = "d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3b01"
)

func newDataWorld(t *testing.T, release string) *dataWorld {
	t.Helper()
	now := time.Now()
	w := &dataWorld{Pod: acceptance.HorizonPod(t, simulator.Options{Release: release, Clock: func() time.Time { return now }}), secondV1At: now.UTC().Format(time.RFC3339)}
	w.siteB = w.AddVirtualCenter("Site-B.demo.example", "DC1", "DC2")
	w.goldDC1, _ = w.AddBaseVM(simulator.BaseVM{VCenterID: w.siteB, Datacenter: "DC1", Name: "gold", Snapshots: []string{"a"}})
	w.goldDC2, _ = w.AddBaseVM(simulator.BaseVM{VCenterID: w.siteB, Datacenter: "DC2", Name: "gold", Folder: "/Golden images", Snapshots: []string{"a"}})
	w.secondV1 = w.AddSnapshot(dataVCenter, dataGolden, "v1")
	w.tag = w.CreateCatalogueObject("im-tags", map[string]any{"im_stream_id": dataStream, "im_version_id": dataVersion, "name": "production"})
	w.asset = w.CreateCatalogueObject("im-assets", map[string]any{
		"im_stream_id": dataStream, "im_version_id": dataVersion, "vcenter_id": dataVCenter, "base_vm_id": dataGolden, "base_snapshot_id": "snapshot-1005",
		"datacenter_id": dataDatacenter, "clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE",
		"additional_details": map[string]string{"owner": "desk"},
	})
	w.templateAsset = w.CreateCatalogueObject("im-assets", map[string]any{
		"im_stream_id": dataStream, "im_version_id": dataVersion, "vcenter_id": dataVCenter, "vm_template_id": "vm-1010", "datacenter_id": dataDatacenter,
		"clone_type": "FULL_CLONE", "image_type": "VDI_DESKTOP", "status": "DISABLED",
	})
	if err := w.FollowTag("SALES", w.tag); err != nil {
		t.Fatal(err)
	}
	return w
}

// workspace returns a workspace that signs in by its environment.
func (w *dataWorld) workspace(t *testing.T, configuration string) *acceptance.Workspace {
	t.Helper()
	return dataWorkspace(t, w.Environment(), configuration)
}

func dataWorkspace(t *testing.T, environment map[string]string, configuration string) *acceptance.Workspace {
	t.Helper()
	w := acceptance.NewWorkspace(t, acceptance.Options{Environment: environment})
	w.Write("versions.tf", "terraform {\n  required_providers {\n    imageops = { source = \"imageops/imageops\" }\n  }\n}\n")
	w.Write("main.tf", configuration)
	return w
}

// dataBlock writes a data source.
func dataBlock(kind, name string, arguments ...string) string {
	return fmt.Sprintf("data \"imageops_%s\" %q {\n  %s\n}\n", kind, name, strings.Join(arguments, "\n  "))
}

// dataFound returns what the data sources in state show, by their addresses
// without the provider's name.
func dataFound(t *testing.T, w *acceptance.Workspace) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for address, instance := range w.State().Resources {
		if name, ok := strings.CutPrefix(address, "data.imageops_"); ok {
			found[name] = instance.Attributes
		}
	}
	return found
}

// dataSame compares what a data source shows with what it is to show.
func dataSame(t *testing.T, address string, got, want map[string]any) {
	t.Helper()
	if got == nil {
		t.Errorf("%s is not in state", address)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		g, _ := json.Marshal(got[name])
		w, _ := json.Marshal(want[name])
		if string(g) != string(w) {
			t.Errorf("%s: %s is %s, want %s", address, name, g, w)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, named := want[name]; !named {
			t.Errorf("%s: %s is %v, which nothing was said about", address, name, got[name])
		}
	}
}

// dataWith returns a copy of what is to be shown, with changes.
func dataWith(want, changes map[string]any) map[string]any {
	changed := maps.Clone(want)
	maps.Copy(changed, changes)
	return changed
}

// dataLists returns how many lists and reads reached the pod, by route.
func (w *dataWorld) dataLists() map[string]int {
	counts := map[string]int{}
	for _, r := range w.Requests() {
		_, route, _ := strings.Cut(r.Path, "/rest/")
		if r.Method == "POST" {
			route = "POST " + route
		}
		counts[route]++
	}
	return counts
}
