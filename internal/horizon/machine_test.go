package horizon

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

func TestMachinesOfAPool(t *testing.T) {
	p := newPod(t)
	p.MostPerPage = 2
	held := map[string]any{
		"id": "m-1", "name": "AL-1", "state": "PROVISIONING_ERROR", "desktop_pool_id": poolA, "held_machine": true, "managed_machine_data": map[string]any{
			"base_vm_id": "vm-1", "base_vm_path": "/DC/vm/one", "base_vm_snapshot_id": "snapshot-1", "base_snapshot_path": "/one",
			"image_management_stream_id": "s-1", "im_stream_name": "stream-one", "image_management_tag_id": "t-1", "im_tag_name": "tag-one",
			"pending_base_vm_id": "vm-2", "pending_base_vm_path": "/DC/vm/two", "pending_base_vm_snapshot_id": "snapshot-2", "pending_base_snapshot_path": "/two",
			"pending_image_management_stream_id": "s-2", "pending_im_stream_name": "stream-two", "pending_image_management_tag_id": "t-2", "pending_im_tag_name": "tag-two",
			"operation": "PUSH_IMAGE", "operation_state": "FAULT", "clone_error_message": "no\nspace",
		},
	}
	p.machines = []map[string]any{
		held,
		{"id": "m-2", "name": "BE-1", "desktop_pool_id": poolB},
		{"id": "m-3", "name": "AL-2", "state": "AVAILABLE", "desktop_pool_id": poolA},
		{"id": "m-4", "name": "AL-3", "state": "AVAILABLE", "desktop_pool_id": poolA, "managed_machine_data": nil},
	}
	want := Machine{
		ID: "m-1", Name: "AL-1", State: "PROVISIONING_ERROR", DesktopPoolID: poolA, Held: true,
		Image:     PoolImage{"vm-1", "/DC/vm/one", "snapshot-1", "/one", "s-1", "stream-one", "t-1", "tag-one"},
		Pending:   PoolImage{"vm-2", "/DC/vm/two", "snapshot-2", "/two", "s-2", "stream-two", "t-2", "tag-two"},
		Operation: "PUSH_IMAGE", OperationState: "FAULT", CloneError: "no space",
	}
	for _, filters := range []bool{true, false} {
		client := p.client(t, nil)
		p.forget()
		if !filters {
			p.Intercept = onlyFor("GET /rest/inventory/v6/machines", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Has("filter") {
					refuse(w, 400, "filter", "not by this field")
					return
				}
				p.serveList(w, r, p.machines, true)
			})
		}
		machines, err := client.Machines(t.Context(), poolA)
		if err != nil || len(machines) != 3 || *machines[0] != want || machines[1].Name != "AL-2" || machines[2].Name != "AL-3" {
			t.Fatalf("%v %v", machines, err)
		}
		if got := strings.Contains(p.seen()[1], "desktop_pool_id"); !got {
			t.Errorf("%q", p.seen())
		}
		if machines, err := client.Machines(t.Context(), strings.ToUpper(otherID)); err != nil || len(machines) != 0 {
			t.Errorf("%v %v", machines, err)
		}
	}
	if _, err := p.client(t, nil).Machines(t.Context(), "../x"); err == nil {
		t.Error("../x is an id")
	}
}

func TestMachinesComeInTheNewestVersion(t *testing.T) {
	for release, want := range map[int]struct {
		version string
		probes  int
	}{2512: {"v6", 1}, 2406: {"v3", 2}, 2111: {"v2", 3}} {
		p := newPod(t)
		p.Release = release
		client := p.client(t, nil)
		for range 2 {
			if _, err := client.Machines(t.Context(), poolA); err != nil {
				t.Error(err)
			}
		}
		p.wantCounts(t, map[string]int{"GET": want.probes + 1, fmt.Sprintf("GET /rest/inventory/%s/machines?", want.version): 2})
	}
}

func TestMachinesThatMayNotBeSeen(t *testing.T) {
	p := newPod(t)
	p.Intercept = onlyFor("GET", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "x", "no") })
	_, err := p.client(t, nil).Machines(t.Context(), poolA)
	var refusal *transport.APIError
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "MACHINE_VIEW") {
		t.Errorf("%v", err)
	}
}
