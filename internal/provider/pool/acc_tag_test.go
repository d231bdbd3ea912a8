package pool_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// catalogueOf is a stream with a version and an asset for each of some snapshots, in two
// vCenters, the tag on one of them, and pools that follow it.
func catalogueOf(vms, snapshots map[string]map[string]string, vcenters map[string]string, pools map[string]string, tagged string, more ...string) string {
	var b strings.Builder
	b.WriteString(`resource "imageops_image_management_stream" "s" {
  name             = "Monthly"
  operating_system = "WINDOWS_10"
  source           = "UPLOADED"
}
`)
	for name := range snapshots {
		fmt.Fprintf(&b, "resource \"imageops_image_management_version\" %q {\n  im_stream_id = imageops_image_management_stream.s.id\n  name = %q\n}\n", name, name)
		for vc, id := range vcenters {
			fmt.Fprintf(&b, `resource "imageops_image_management_asset" "%s-%s" {
  im_stream_id     = imageops_image_management_stream.s.id
  im_version_id    = imageops_image_management_version.%s.id
  vcenter_id       = %q
  base_vm_id       = %q
  base_snapshot_id = %q
  clone_type       = "INSTANT_CLONE"
  image_type       = "VDI_DESKTOP"
}
`, name, vc, name, id, vms[vc]["vm"], snapshots[name][vc])
		}
	}
	fmt.Fprintf(&b, "resource \"imageops_image_management_tag\" \"prod\" {\n  im_stream_id = imageops_image_management_stream.s.id\n  im_version_id = imageops_image_management_version.%s.id\n  name = \"prod\"\n", tagged)
	var assets []string
	for name := range snapshots {
		for vc := range vcenters {
			assets = append(assets, fmt.Sprintf("imageops_image_management_asset.%s-%s", name, vc))
		}
	}
	fmt.Fprintf(&b, "  depends_on = [%s]\n}\n", strings.Join(assets, ", "))
	for name, id := range pools {
		fmt.Fprintf(&b, `resource "imageops_desktop_pool_image" %q {
  desktop_pool_id = %q
  im_stream_id    = imageops_image_management_stream.s.id
  im_tag_id       = imageops_image_management_tag.prod.id
  im_version_id   = imageops_image_management_tag.prod.im_version_id
  %s
}
`, name, id, strings.Join(more, "\n  "))
	}
	return b.String()
}

func TestAccTheMonthlyChangeByTag(t *testing.T) {
	t.Parallel()
	for _, shown := range []string{"shown", "hidden"} {
		t.Run(shown, func(t *testing.T) {
			t.Parallel()
			pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast, Assumptions: map[string]string{"horizon-catalogue-image": shown}})
			vm, s := golden(t, pod)
			second := pod.AddVirtualCenter("vcenter2.demo.example", "DC2")
			vm2, s2 := pod.AddBaseVM(simulator.BaseVM{VCenterID: second, Name: "win11-golden", Snapshots: []string{"v1", "v2"}})
			far, _ := pod.AddPool(simulator.DesktopPool{Name: "FAR", VCenterID: second, VMID: vm2, Machines: 2})
			vms := map[string]map[string]string{"here": {"vm": vm}, "there": {"vm": vm2}}
			vcenters := map[string]string{"here": simulator.HorizonVCenterID, "there": second}
			pools := map[string]string{"eng": engineering, "sales": sales, "far": far}
			snapshots := map[string]map[string]string{"october": {"here": s["v1"], "there": s2[0]}, "november": {"here": s["v2"], "there": s2[1]}}

			w := workspace(t, pod, catalogueOf(vms, snapshots, vcenters, pools, "october"))
			w.Apply().MustSucceed(t)
			noop(t, w)
			if n := len(calls(pod)); n != 0 {
				t.Fatalf("the pools ran the image already: %v", calls(pod))
			}

			// Moving the tag rolls all that follow it, in the same apply.
			w.Write("main.tf", catalogueOf(vms, snapshots, vcenters, pools, "november"))
			w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v2", "im_version_id")
			w.Apply().MustSucceed(t)
			expectCalls(t, pod, "schedule-push-image", "schedule-push-image", "schedule-push-image")
			for pool, want := range map[string]string{"ENGINEERING": s["v2"], "SALES": s["v2"], "FAR": s2[1]} {
				if n := machinesOn(pod, pool, want); shown == "shown" && currentSnapshot(pod, pool) != want {
					t.Errorf("%s runs %v, want %s; %d machines have it", pool, currentSnapshot(pod, pool), want, n)
				}
			}
			noop(t, w)

			// A tag moved by hand is drift of the tag, and of the pools that follow it.
			tag, _ := w.Attributes("imageops_image_management_tag.prod")["id"].(string)
			october, _ := w.Attributes("imageops_image_management_version.october")["id"].(string)
			if err := pod.WriteCatalogueObject(tag, map[string]any{"im_version_id": october}); err != nil {
				t.Fatal(err)
			}
			w.Apply().MustSucceed(t)
			noop(t, w)
			if n := len(calls(pod)); n != 3 {
				t.Errorf("the pools run the version of the configuration: %v", calls(pod))
			}
		})
	}
}

func TestAccATagMovedByHandIsDriftOfThePool(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	stream := pod.CreateCatalogueObject("im-streams", map[string]any{"name": "Hand", "operating_system": "WINDOWS_10", "source": "UPLOADED", "status": "AVAILABLE"})
	var versions []string
	for _, name := range []string{"v1", "v2"} {
		v := pod.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": stream, "name": name, "status": "AVAILABLE"})
		pod.CreateCatalogueObject("im-assets", map[string]any{
			"im_stream_id": stream, "im_version_id": v, "vcenter_id": simulator.HorizonVCenterID, "base_vm_id": vm, "base_snapshot_id": s[name],
			"clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE",
		})
		versions = append(versions, v)
	}
	tag := pod.CreateCatalogueObject("im-tags", map[string]any{"im_stream_id": stream, "im_version_id": versions[0], "name": "prod"})
	configuration := func(more string) string {
		return fmt.Sprintf("resource \"imageops_desktop_pool_image\" \"this\" {\n  desktop_pool_id = %q\n  im_stream_id = %q\n  im_tag_id = %q\n  %s\n}\n", engineering, stream, tag, more)
	}
	w := workspace(t, pod, configuration(""))
	w.Apply().MustSucceed(t)
	noop(t, w)
	if err := pod.WriteCatalogueObject(tag, map[string]any{"im_version_id": versions[1]}); err != nil {
		t.Fatal(err)
	}
	w.Plan().MustSucceed(t).MustContain(t, "schedule-push-image: win11-golden v2", "resolved_image")
	w.Apply().MustSucceed(t)
	expectCalls(t, pod, "schedule-push-image")
	noop(t, w)

	// A tag that is not where it has to be at apply.
	w.Write("main.tf", configuration(fmt.Sprintf("im_version_id = %q", versions[0])))
	w.Apply().MustFail(t, "is on the version "+versions[1], "was planned from the version "+versions[0], "Nothing was sent")
	expectCalls(t, pod, "schedule-push-image")

	// A version without an asset for the vCenter of the pool.
	empty := pod.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": stream, "name": "v3", "status": "AVAILABLE"})
	if err := pod.WriteCatalogueObject(tag, map[string]any{"im_version_id": empty}); err != nil {
		t.Fatal(err)
	}
	w.Write("main.tf", configuration(""))
	w.Plan().MustFail(t, "has no asset", "INSTANT_CLONE", "im_tag_id")
}
