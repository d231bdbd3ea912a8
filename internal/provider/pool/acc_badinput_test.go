package pool_test

import (
	"fmt"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

func TestAccBadInput(t *testing.T) {
	t.Parallel()
	old := acceptance.HorizonPod(t, simulator.Options{Release: "2111", ClockRate: fast})
	mid := acceptance.HorizonPod(t, simulator.Options{Release: "2412", ClockRate: fast})
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	other, shots := pod.AddBaseVM(simulator.BaseVM{Name: "other", Snapshots: []string{"x1"}})
	second := pod.AddVirtualCenter("vcenter2.demo.example", "DC2")
	for range 5 { // IDs repeat from vCenter to vCenter; these are of the other one alone.
		pod.AddBaseVM(simulator.BaseVM{VCenterID: second, Name: "some-vm", Snapshots: []string{"f0"}})
	}
	foreign, foreignShots := pod.AddBaseVM(simulator.BaseVM{VCenterID: second, Name: "foreign-vm", Snapshots: []string{"f1"}})
	full, _ := pod.AddPool(simulator.DesktopPool{Name: "FULL", Kind: simulator.FullClones, VMID: vm, Machines: 2})
	for _, c := range []struct {
		name          string
		pod           *acceptance.Pod
		configuration string
		says          []string
	}{
		{"two images", pod, resource(engineering, vm, s["v1"], `im_stream_id = "a"`, `im_tag_id = "b"`), []string{"Two images", "take one out"}},
		{"no image", pod, fmt.Sprintf("resource \"imageops_desktop_pool_image\" \"this\" {\n  desktop_pool_id = %q\n}\n", engineering), []string{"Missing image"}},
		{"half an image", pod, fmt.Sprintf("resource \"imageops_desktop_pool_image\" \"this\" {\n  desktop_pool_id = %q\n  snapshot_id = \"snapshot-1\"\n}\n", engineering), []string{"Half an image", "parent_vm_id"}},
		{"half a compute profile", pod, resource(engineering, vm, s["v1"], `compute_profile = { num_cpus = 4 }`), []string{"compute_profile", "ram_mb"}},
		{"1,000 MB of RAM", pod, resource(engineering, vm, s["v1"], `compute_profile = { num_cpus = 4, num_cores_per_socket = 2, ram_mb = 1000 }`), []string{"ram_mb", "at least 1024"}},
		{"half a socket", pod, resource(engineering, vm, s["v1"], `compute_profile = { num_cpus = 5, num_cores_per_socket = 2, ram_mb = 4096 }`), []string{"num_cpus", "no multiple of num_cores_per_socket"}},
		{"machine that is not there", pod, resource(engineering, vm, s["v2"], canary("null", "ENG-001", "ENG-999")), []string{"has no machine ENG-999", "selective"}},
		{"selective on 2111", old, resource(engineering, vm, s["v2"], canary("null", "ENG-001")), []string{"selective", "2206"}},
		{"compute profile on 2111", old, resource(engineering, vm, s["v2"], `compute_profile = { num_cpus = 4, num_cores_per_socket = 2, ram_mb = 4096 }`), []string{"compute_profile", "2206"}},
		{"vGPUs on 2412", mid, resource(engineering, vm, s["v2"], `vgpu_grid_profile = "grid_m10-4q"`), []string{"vGPU", "2512"}},
		{"full clones", pod, resource(full, vm, s["v2"]), []string{"desktop_pool_id", "automated pools of instant clones"}},
		{"manual pool", pod, resource(kiosk, vm, s["v2"]), []string{"desktop_pool_id", "automated pools of instant clones"}},
		{"VM of another vCenter", pod, resource(engineering, foreign, foreignShots[0]), []string{"parent_vm_id"}},
		{"snapshot of another VM", pod, resource(engineering, vm, shots[0]), []string{"snapshot_id", shots[0]}},
		{"pool that is not there", pod, resource("d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3bff", vm, s["v2"]), []string{"desktop_pool_id", "does not know it"}},
		{"id with a slash", pod, resource("a/b", vm, s["v2"]), []string{"desktop_pool_id", "must be an ID"}},
		{"wait beyond the timeout", pod, resource(engineering, vm, s["v2"], `start_time = timeadd(plantimestamp(), "87600h")`, `wait_for = "machines"`), []string{"start_time", "later than the timeout"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := workspace(t, c.pod, c.configuration)
			w.Plan().MustFail(t, c.says...)
		})
	}
	_ = other
	for _, p := range []*acceptance.Pod{pod, old, mid} {
		expectCalls(t, p)
	}
}

func TestAccAnImageOfAnotherDatacenter(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vc := pod.AddVirtualCenter("two.demo.example", "DC1", "DC2")
	here, _ := pod.AddBaseVM(simulator.BaseVM{VCenterID: vc, Datacenter: "DC1", Name: "here", Snapshots: []string{"a"}})
	there, shots := pod.AddBaseVM(simulator.BaseVM{VCenterID: vc, Datacenter: "DC2", Name: "there", Snapshots: []string{"b"}})
	id, _ := pod.AddPool(simulator.DesktopPool{Name: "NEAR", VCenterID: vc, VMID: here, Machines: 2})
	w := workspace(t, pod, resource(id, there, shots[0]))
	w.Plan().MustFail(t, "parent_vm_id", "datacenter")
	expectCalls(t, pod)
}

func TestAccWithoutThePrivilege(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	if err := pod.GrantOnPool("ENGINEERING", "other", "POOL_VIEW", "MACHINE_VIEW"); err != nil {
		t.Fatal(err)
	}
	w := workspace(t, pod, resource(engineering, vm, s["v2"]))
	other := pod.Describe(pod.URL).Accounts["other"]
	w.SetEnvironment("HORIZON_USERNAME", "other")
	w.SetEnvironment("HORIZON_PASSWORD", other.Password)
	w.Apply().MustFail(t, "POOL_SVI_IMAGE_MANAGEMENT", "access group", "ENGINEERING")
	if got := currentSnapshot(pod, "ENGINEERING"); got != s["v1"] {
		t.Errorf("the pool runs %v", got)
	}
}
