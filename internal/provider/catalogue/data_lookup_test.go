package catalogue_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
)

// dataSearch is a data source with what it is to show.
type dataSearch struct {
	kind, name string
	arguments  []string
	want       map[string]any
}

func (s dataSearch) address() string { return s.kind + "." + s.name }

// searches are all data sources by each of their keys.
func (w *dataWorld) searches(release string) []dataSearch {
	var all []dataSearch
	add := func(kind, name string, want map[string]any, arguments ...string) {
		all = append(all, dataSearch{kind, name, arguments, want})
	}
	quoted := func(name, value string) string { return fmt.Sprintf("%s = %q", name, value) }
	inVCenter := quoted("vcenter_id", dataVCenter)

	vcenter := map[string]any{
		"id": dataVCenter, "name": "vcenter.demo.example", "display_name": "vcenter.demo.example", "version": "8.0.2", "enabled": true, "instance_uuid": nil,
	}
	add("virtual_center", "id", vcenter, quoted("id", dataVCenter))
	add("virtual_center", "name", vcenter, quoted("name", "vcenter.demo.example"))
	add("virtual_center", "other_case", dataWith(vcenter, map[string]any{"name": "VCenter.Demo.example"}), quoted("name", "VCenter.Demo.example"))

	datacenter := map[string]any{"vcenter_id": dataVCenter, "id": dataDatacenter, "name": "DC1", "path": "/DC1"}
	add("datacenter", "id", datacenter, inVCenter, quoted("id", dataDatacenter))
	add("datacenter", "name", datacenter, inVCenter, quoted("name", "DC1"))
	add("datacenter", "path", datacenter, inVCenter, quoted("path", "/DC1"))

	system, systemName := "WINDOWS_11", "Microsoft Windows 11 (64-bit)"
	if release < "2209" {
		system, systemName = "WINDOWS_10", "Microsoft Windows 10 (64-bit)"
	}
	vm := map[string]any{
		"vcenter_id": dataVCenter, "datacenter_id": dataDatacenter, "id": dataGolden, "name": "win11-golden", "path": "/DC1/vm/win11-golden",
		"operating_system": system, "operating_system_display_name": systemName, "incompatible_reasons": []string{},
	}
	add("base_vm", "id", vm, inVCenter, quoted("id", dataGolden))
	add("base_vm", "name", vm, inVCenter, quoted("name", "win11-golden"))
	add("base_vm", "path", vm, inVCenter, quoted("path", "/DC1/vm/win11-golden"))
	add("base_vm", "path_with_a_slash", dataWith(vm, map[string]any{"path": "/DC1/vm/win11-golden/"}), inVCenter, quoted("path", "/DC1/vm/win11-golden/"))
	gold := dataWith(vm, map[string]any{"vcenter_id": w.siteB, "id": w.goldDC2, "datacenter_id": "datacenter-1002", "name": "gold", "path": "/DC2/vm/Golden images/gold"})
	add("base_vm", "in_datacenter", gold, quoted("vcenter_id", w.siteB), quoted("datacenter_id", "datacenter-1002"), quoted("name", "gold"))
	add("base_vm", "in_datacenter_by_id", gold, quoted("vcenter_id", w.siteB), quoted("datacenter_id", "datacenter-1002"), quoted("id", w.goldDC2))
	add("base_vm", "in_folder", gold, quoted("vcenter_id", w.siteB), quoted("path", "/DC2/vm/Golden images/gold"))

	ofVM := quoted("base_vm_id", dataGolden)
	snapshot := map[string]any{
		"vcenter_id": dataVCenter, "base_vm_id": dataGolden, "id": "snapshot-1005", "name": "v2", "path": "/v1/v2", "most_recent": nil, "description": nil,
		"created_at": "2025-12-06T07:30:00Z", "disk_size_mb": 65536, "memory_mb": 8192, "hardware_version": 20, "incompatible_reasons": []string{},
	}
	add("base_snapshot", "id", snapshot, inVCenter, ofVM, quoted("id", "snapshot-1005"))
	add("base_snapshot", "name", snapshot, inVCenter, ofVM, quoted("name", "v2"))
	add("base_snapshot", "path", snapshot, inVCenter, ofVM, quoted("path", "/v1/v2"))
	add("base_snapshot", "path_of_two_names", dataWith(snapshot, map[string]any{"id": "snapshot-1004", "name": "v1", "path": "/v1", "created_at": "2025-11-06T07:30:00Z"}),
		inVCenter, ofVM, quoted("path", "/v1"))
	newest := dataWith(snapshot, map[string]any{"id": w.secondV1, "name": "v1", "path": "/v1/v2/v3/v1", "most_recent": true, "created_at": w.secondV1At})
	add("base_snapshot", "newest", newest, inVCenter, ofVM, "most_recent = true")
	add("base_snapshot", "newest_of_name", newest, inVCenter, ofVM, quoted("name", "v1"), "most_recent = true")
	add("base_snapshot", "newest_of_path", dataWith(snapshot, map[string]any{"most_recent": true}), inVCenter, ofVM, quoted("path", "/v1/v2"), "most_recent = true")

	stream := map[string]any{
		"id": dataStream, "name": "Win11", "description": nil, "operating_system": system, "source": "UPLOADED", "status": "AVAILABLE",
		"publisher": "Desktop team", "usable": true, "additional_details": map[string]any{},
	}
	add("image_management_stream", "id", stream, quoted("id", dataStream))
	add("image_management_stream", "name", stream, quoted("name", "Win11"))

	ofStream := quoted("im_stream_id", dataStream)
	version := map[string]any{"id": dataVersion, "im_stream_id": dataStream, "name": "v1", "status": "AVAILABLE", "description": nil, "additional_details": map[string]any{}}
	add("image_management_version", "id", version, quoted("id", dataVersion))
	add("image_management_version", "name", version, ofStream, quoted("name", "v1"))

	tag := map[string]any{
		"id": w.tag, "im_stream_id": dataStream, "im_version_id": dataVersion, "name": "production", "description": nil, "additional_details": map[string]any{},
	}
	add("image_management_tag", "id", tag, quoted("id", w.tag))
	add("image_management_tag", "name", tag, ofStream, quoted("name", "production"))

	ofVersion := quoted("im_version_id", dataVersion)
	asset := map[string]any{
		"id": w.asset, "im_stream_id": dataStream, "im_version_id": dataVersion, "vcenter_id": dataVCenter, "datacenter_id": dataDatacenter, "base_vm_id": dataGolden,
		"base_snapshot_id": "snapshot-1005", "vm_template_id": nil, "clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE",
		"additional_details": map[string]any{"owner": "desk"},
	}
	template := dataWith(asset, map[string]any{
		"id": w.templateAsset, "base_vm_id": nil, "base_snapshot_id": nil, "vm_template_id": "vm-1010", "clone_type": "FULL_CLONE", "status": "DISABLED",
		"additional_details": map[string]any{},
	})
	add("image_management_asset", "id", asset, quoted("id", w.asset))
	for _, filter := range []string{"base_vm_id", "base_snapshot_id", "clone_type", "status"} {
		add("image_management_asset", "by_"+filter, asset, ofVersion, quoted(filter, fmt.Sprint(asset[filter])))
	}
	add("image_management_asset", "by_template", template, ofVersion, quoted("vm_template_id", "vm-1010"))
	add("image_management_asset", "by_many", template, ofVersion, inVCenter, quoted("image_type", "VDI_DESKTOP"), quoted("status", "DISABLED"))

	return append(all, w.poolSearches(release)...)
}

// TestAccDataByEveryKeyOnEveryRelease finds everything by each of its keys in one
// run of Terraform per release.
func TestAccDataByEveryKeyOnEveryRelease(t *testing.T) {
	t.Parallel()
	for _, release := range contract.Releases() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := newDataWorld(t, release)
			searches := w.searches(release)
			var text strings.Builder
			for _, s := range searches {
				text.WriteString(dataBlock(s.kind, s.name, s.arguments...))
			}
			terraform := w.workspace(t, text.String())
			result := terraform.Apply().MustSucceed(t)
			if strings.Contains(result.Text(), "Warning: Unfit") {
				t.Errorf("there is a warning about what is fit:\n%s", result.Text())
			}
			found := dataFound(t, terraform)
			for _, s := range searches {
				want := s.want
				if uuid, there := want["instance_uuid"]; there && uuid == nil {
					// The simulator makes another one in every run.
					got := found[s.address()]["instance_uuid"]
					if text, _ := got.(string); len(text) != 36 {
						t.Errorf("%s: instance_uuid is %v", s.address(), got)
					}
					want = dataWith(want, map[string]any{"instance_uuid": got})
				}
				dataSame(t, s.address(), found[s.address()], want)
			}
			w.costs(t, release, searches)
		})
	}
}

// costs holds the number of requests against what the searches need: a list or
// a read for each, one sign-in, and once per route that has versions the question
// which of them the release has.
func (w *dataWorld) costs(t *testing.T, release string, searches []dataSearch) {
	t.Helper()
	got, searched := map[string]int{}, map[string]int{}
	for route, n := range w.dataLists() {
		for _, kind := range slices.Sorted(maps.Keys(dataRoutes)) {
			if strings.Contains(route, dataRoutes[kind]) {
				got[kind] += n
			}
		}
		if route == "POST login" {
			got[route] = n
		}
	}
	for _, s := range searches {
		searched[s.kind]++
		if s.want["with_machines"] == true {
			searched["machines"]++
		}
	}
	if got["POST login"] != 1 {
		t.Errorf("there were %d sign-ins", got["POST login"])
	}
	for kind, n := range searched {
		least := n
		if kind == "desktop_pool" {
			least = 1 // Those by name share a list.
		}
		if got[kind] < least || got[kind] > n+dataVersions[kind] {
			t.Errorf("release %s: %d searches for a %s took %d requests", release, n, kind, got[kind])
		}
	}
}

// dataRoutes are the routes that the data sources read.
var dataRoutes = map[string]string{
	"virtual_center": "/virtual-centers", "datacenter": "/datacenters", "base_vm": "/base-vms", "base_snapshot": "/base-snapshots",
	"image_management_stream": "/im-streams", "image_management_version": "/im-versions", "image_management_tag": "/im-tags", "image_management_asset": "/im-assets",
	"desktop_pool": "/desktop-pools", "machines": "/machines",
}

// dataVersions are the versions that some of the routes have.
var dataVersions = map[string]int{"base_vm": 2, "desktop_pool": 5, "machines": 3}
