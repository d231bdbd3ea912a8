package catalogue_test

import (
	"fmt"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// poolSearches are searches for desktop pools, of which SALES follows a tag.
func (w *dataWorld) poolSearches(release string) []dataSearch {
	names := func(text string) any {
		if release < "2412" {
			return nil
		}
		return text
	}
	image := map[string]any{
		"parent_vm_id": dataGolden, "parent_vm_path": names("/DC1/vm/win11-golden"), "snapshot_id": "snapshot-1004", "snapshot_path": names("/v1"),
		"im_stream_id": nil, "im_stream_name": nil, "im_tag_id": nil, "im_tag_name": nil,
	}
	engineering := map[string]any{
		"id": dataPool, "name": "ENGINEERING", "display_name": "ENGINEERING", "type": "AUTOMATED", "source": "INSTANT_CLONE", "image_source": "VIRTUAL_CENTER",
		"user_assignment": "FLOATING", "vcenter_id": dataVCenter, "access_group_id": "0f6a1c52-0b1d-4a43-8c11-6f0e4b6a9d01",
		"enabled": true, "enable_provisioning": true, "add_virtual_tpm": true, "current_image": image, "pending_image": nil,
		"current_image_state": "READY", "pending_image_state": nil, "pending_image_progress": nil, "pending_image_error": nil, "operation": "NONE",
		"with_machines": nil, "machines": nil,
	}
	sales := dataWith(engineering, map[string]any{
		"id": dataPool[:len(dataPool)-1] + "2", "name": "SALES", "display_name": "SALES", "image_source": "IMAGE_CATALOG", "add_virtual_tpm": false,
		"current_image": dataWith(image, map[string]any{
			"im_stream_id": dataStream, "im_stream_name": names("Win11"), "im_tag_id": w.tag, "im_tag_name": names("production"),
		}),
	})
	kiosk := dataWith(engineering, map[string]any{
		"id": dataPool[:len(dataPool)-1] + "3", "name": "KIOSK", "display_name": "KIOSK", "type": "MANUAL", "source": "VIRTUAL_CENTER", "image_source": nil,
		"enable_provisioning": nil, "add_virtual_tpm": nil, "current_image": nil, "current_image_state": nil, "operation": nil,
	})
	return []dataSearch{
		{"desktop_pool", "id", []string{fmt.Sprintf("id = %q", dataPool)}, engineering},
		{"desktop_pool", "name", []string{`name = "ENGINEERING"`}, engineering},
		{"desktop_pool", "of_tag", []string{`name = "SALES"`}, sales},
		{"desktop_pool", "without_image", []string{`name = "KIOSK"`}, kiosk},
		{"desktop_pool", "counted", []string{`name = "SALES"`, "with_machines = true"}, dataWith(sales, dataCounted(50, 50))},
		{"desktop_pool", "counted_without_image", []string{`name = "KIOSK"`, "with_machines = true"}, dataWith(kiosk, dataCounted(1, 0))},
	}
}

// dataCounted are machines that all work, with how many run the current image.
func dataCounted(total, current int) map[string]any {
	return map[string]any{"with_machines": true, "machines": map[string]any{
		"total": total, "on_current_image": current, "on_pending_image": 0, "on_other_images": 0,
		"by_state": map[string]int{"AVAILABLE": total}, "failed": []string{},
	}}
}

// dataAnswer lets a route of a pod answer with a text.
func dataAnswer(t *testing.T, pod *acceptance.Pod, path, body string) {
	t.Helper()
	fault := simulator.Fault{Method: "GET", Path: path, Count: simulator.Forever, Effect: simulator.EffectStatus, Status: 200, Body: body, ContentType: "application/json"}
	if err := pod.AddFault(fault); err != nil {
		t.Fatal(err)
	}
}

// TestAccDataOfAPoolInTheMiddleOfAPush reads a pool with a canary: the answers are
// written by hand after the vendor's forms, with a machine for every case there is.
func TestAccDataOfAPoolInTheMiddleOfAPush(t *testing.T) {
	t.Parallel()
	pod := acceptance.UnguardedPod(t, simulator.Options{})
	pool := `{
  "id": "5f0c7f3e-0000-4000-8000-00000000000a", "name": "DESIGN", "type": "AUTOMATED", "source": "INSTANT_CLONE", "enabled": false,
  "provisioning_settings": {"parent_vm_id": "vm-1", "base_snapshot_id": "snapshot-1", "add_virtual_tpm": false},
  "provisioning_status_data": {
    "instant_clone_operation": "NONE", "instant_clone_current_image_state": "READY", "instant_clone_pending_image_state": "READY_HELD",
    "instant_clone_pending_image_progress": 100, "instant_clone_pending_image_parent_vm_id": "vm-1", "instant_clone_pending_image_parent_vm_path": "/DC1/vm/gold",
    "instant_clone_pending_image_snapshot_id": "snapshot-2", "instant_clone_pending_image_snapshot_path": "/a/b",
    "instant_clone_pending_im_stream_id": "st", "instant_clone_pending_im_stream_name": "Gold", "instant_clone_pending_im_tag_id": "tg", "instant_clone_pending_im_tag_name": "production",
    "instant_clone_pending_image_error": "Could not sign in to the domain."
  }
}`
	dataAnswer(t, pod, "/desktop-pools$", "["+pool+"]")
	machine := func(name, state, image string) string {
		return fmt.Sprintf(`{"id": "m-%s", "name": %q, "state": %q, "desktop_pool_id": "5F0C7F3E-0000-4000-8000-00000000000A", "managed_machine_data": {%s}}`, name, name, state, image)
	}
	const first, second = `"base_vm_id": "vm-1", "base_vm_snapshot_id": "snapshot-1"`, `"base_vm_id": "vm-1", "base_vm_snapshot_id": "snapshot-2"`
	// The tag has moved: it says nothing where VM and snapshot are said.
	const tag = `"image_management_stream_id": "ST", "image_management_tag_id": "TG"`
	dataAnswer(t, pod, "/machines$", "["+machine("d-09", "AVAILABLE", first)+","+machine("d-08", "CONNECTED", first+", "+tag)+","+
		machine("d-07", "AVAILABLE", second+", "+tag)+","+machine("d-06", "AGENT_ERROR_STARTUP_IN_PROGRESS", second)+","+
		machine("d-05", "ERROR", `"base_vm_id": "vm-1", "base_vm_snapshot_id": "snapshot-0", `+tag)+","+
		machine("d-04", "PROVISIONING_ERROR", `"base_vm_id": "vm-2", "base_vm_snapshot_id": "snapshot-1"`)+","+
		machine("d-03", "AGENT_UNREACHABLE", tag)+","+machine("d-02", "AGENT_ERROR_DISABLED", `"image_management_stream_id": "other", "image_management_tag_id": "tg"`)+","+
		machine("d-10", "AVAILABLE", `"base_vm_id": "vm-1"`)+","+machine("d-01", "AGENT_CONFIG_ERROR", "")+`,{"id": "m-x", "name": "x", "state": "ERROR", "desktop_pool_id": "another"}]`)
	w := dataWorkspace(t, pod.Environment(), dataBlock("desktop_pool", "x", `name = "DESIGN"`, "with_machines = true"))
	w.Apply().MustSucceed(t)
	dataSame(t, "desktop_pool.x", dataFound(t, w)["desktop_pool.x"], map[string]any{
		"id": "5f0c7f3e-0000-4000-8000-00000000000a", "name": "DESIGN", "display_name": nil, "type": "AUTOMATED", "source": "INSTANT_CLONE", "image_source": nil,
		"user_assignment": nil, "vcenter_id": nil, "access_group_id": nil, "enabled": false, "enable_provisioning": nil, "add_virtual_tpm": false,
		"current_image": map[string]any{
			"parent_vm_id": "vm-1", "parent_vm_path": nil, "snapshot_id": "snapshot-1", "snapshot_path": nil, "im_stream_id": nil, "im_stream_name": nil, "im_tag_id": nil, "im_tag_name": nil,
		},
		"pending_image": map[string]any{
			"parent_vm_id": "vm-1", "parent_vm_path": "/DC1/vm/gold", "snapshot_id": "snapshot-2", "snapshot_path": "/a/b",
			"im_stream_id": "st", "im_stream_name": "Gold", "im_tag_id": "tg", "im_tag_name": "production",
		},
		"current_image_state": "READY", "pending_image_state": "READY_HELD", "pending_image_progress": 100, "pending_image_error": "Could not sign in to the domain.", "operation": "NONE",
		"with_machines": true, "machines": map[string]any{
			// On the current image are d-09 and d-08, on the pending one d-07, d-06 and
			// d-03, on none d-01.
			"total": 10, "on_current_image": 2, "on_pending_image": 3, "on_other_images": 4,
			"by_state": map[string]int{
				"AVAILABLE": 3, "CONNECTED": 1, "AGENT_ERROR_STARTUP_IN_PROGRESS": 1, "ERROR": 1, "PROVISIONING_ERROR": 1, "AGENT_UNREACHABLE": 1, "AGENT_ERROR_DISABLED": 1, "AGENT_CONFIG_ERROR": 1,
			},
			"failed": []string{"d-01", "d-02", "d-03", "d-04", "d-05"},
		},
	})
}
