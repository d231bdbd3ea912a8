package simulator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
)

func TestPushesThatBreakRulesAreRefused(t *testing.T) {
	s := newStocked(t, newestRelease)
	paris := s.AddVirtualCenter("paris.demo.example", "DC1")
	_, repeated := s.AddBaseVM(BaseVM{VCenterID: paris, Name: "twin", Snapshots: []string{"v1"}}) // its id is that of win11-golden
	far, _ := s.AddBaseVM(BaseVM{VCenterID: paris, Name: "far", Snapshots: []string{"v1"}})
	s.horizon.vcenters[0].datacenters = append(s.horizon.vcenters[0].datacenters, &datacenter{id: "datacenter-77", name: "DC2"})
	other, snapshots := s.AddBaseVM(BaseVM{Name: "elsewhere", Datacenter: "DC2", Snapshots: []string{"v1"}})
	disabled := s.make("im-versions", versionBody(s.stream, "disabled"))
	s.make("im-assets", strings.Replace(assetBody(s.stream, disabled), statusAvailable, "DISABLED", 1))
	s.make("im-assets", assetBody(s.stream, disabled, "image_type", "RDSH_DESKTOP"))
	s.make("im-assets", assetBody(s.stream, disabled, "clone_type", "FULL_CLONE"))
	unusable := s.make("im-tags", tagBody(s.stream, disabled, "unusable"))
	twin := s.make("im-streams", streamBody("Twin"))
	catalogue := func(stream, tag string) string {
		return `"parent_vm_id":null,"snapshot_id":null,"im_stream_id":"` + stream + `","im_tag_id":"` + tag + `"`
	}
	for _, row := range []struct{ version, changes, message string }{
		{pushV1, `"logoff_policy":null`, "logoff_policy is required"},
		{pushV1, `"logoff_policy":"NEVER"`, "logoff_policy is not valid"},
		{pushV1, `"logoff_policy":7`, "logoff_policy is not valid"},
		{pushV1, `"snapshot_id":null`, "Either parent_vm_id"},
		{pushV1, `"parent_vm_id":null`, "Either parent_vm_id"},
		{pushV1, `"parent_vm_id":null,"snapshot_id":null`, "Either parent_vm_id"},
		{pushV1, `"im_stream_id":"` + s.stream + `","im_tag_id":"` + s.tag + `"`, "Either parent_vm_id"},
		{pushV1, catalogue(s.stream, ""), "Either parent_vm_id"},
		{pushV1, catalogue("", s.tag), "Either parent_vm_id"},
		{pushV1, `"im_tag_id":"` + s.tag + `"`, "Either parent_vm_id"},
		{pushV1, `"parent_vm_id":"vm-9"`, "Base VM vm-9 does not exist"},
		{pushV1, `"parent_vm_id":"` + far + `"`, "Base VM " + far + " does not exist"},
		{pushV1, `"snapshot_id":"` + repeated[0] + `"`, "is not a snapshot of"},
		{pushV1, `"snapshot_id":"` + rdsV1 + `"`, "is not a snapshot of"},
		{pushV1, `"snapshot_id":"v2"`, "is not a snapshot of"},
		{pushV1, `"parent_vm_id":"` + other + `","snapshot_id":"` + snapshots[0] + `"`, "not in the datacenter"},
		{pushV1, catalogue(s.version, s.tag), "does not exist"},
		{pushV1, catalogue(s.stream, s.version), "does not exist"},
		{pushV1, catalogue(twin, s.tag), "is not a tag of"},
		{pushV1, catalogue(s.stream, unusable), "no available image"},
		{pushV1, `"start_time":"2026-12-05T21:00:00Z"`, "start_time is not valid"},
		{pushV1, `"start_time":1796508000.5`, "start_time is not valid"},
		{pushV1, `"stop_on_first_error":"true"`, "stop_on_first_error is not valid"},
		{pushV1, `"snapshotId":"` + goldenV2 + `"`, "snapshotId is not known"},
		{pushV1, `"selective_push_image":true`, "selective_push_image is not known"},
		{pushV1, `"compute_profile_ram_mb":4096`, "compute_profile_ram_mb is not known"},
		{pushV2, `"grid_vgpus_enabled":true`, "grid_vgpus_enabled is not known"},
		{pushV2, `"compute_profile_num_cpus":3`, "must be a multiple"},
		{pushV2, `"compute_profile_num_cpus":5,"compute_profile_num_cores_per_socket":2,"compute_profile_ram_mb":4096`, "must be a multiple"},
		{pushV2, `"compute_profile_num_cores_per_socket":2`, "needs compute_profile_num_cpus and compute_profile_ram_mb"},
		{pushV2, `"compute_profile_num_cores_per_socket":2,"compute_profile_num_cpus":4`, "needs compute_profile_num_cpus and compute_profile_ram_mb"},
		{pushV2, `"compute_profile_num_cores_per_socket":0,"compute_profile_num_cpus":4,"compute_profile_ram_mb":4096`, "compute_profile_num_cores_per_socket is not valid"},
		{pushV2, `"compute_profile_ram_mb":1023`, "compute_profile_ram_mb is not valid"},
		{pushV2, `"compute_profile_ram_mb":4294967296`, "compute_profile_ram_mb is not valid"},
		{pushV2, `"machine_ids":` + s.machineIDs("ENGINEERING", "ENG-001"), "only if selective_push_image is true"},
		{pushV2, `"selective_push_image":false,"machine_ids":` + s.machineIDs("ENGINEERING", "ENG-001"), "only if selective_push_image is true"},
		{pushV2, `"selective_push_image":true,"machine_ids":["a","a"]`, "an element repeats"},
		{pushV2, `"selective_push_image":true,"machine_ids":"a"`, "it is not an array"},
		{pushV2, `"selective_push_image":true,"machine_ids":[1]`, "it is not an array of strings"},
		{pushV3, `"grid_vgpus_enabled":true`, "3D rendering is managed by the vSphere Client"},
	} {
		expectReply(t, row.changes, s.act("ENGINEERING", row.version, pushBody(row.changes)), 400, row.message)
	}
	for _, body := range []string{"[]", "{", "null"} {
		expectReply(t, body, s.act("ENGINEERING", pushV1, body), 400, "cannot be mapped")
	}
	s.expectPool("after all that", "ENGINEERING", "NONE, none, "+goldenV1)
	if all := s.act("ENGINEERING", pushV2, pushBody(`"logoff_policy":null,"parent_vm_id":null,"compute_profile_num_cpus":3`)); strings.Count(all.messages(), "\n") != 2 {
		t.Errorf("three errors are answered with %s", all.text)
	}
}

func TestLaterFieldsOfAPushAreIgnoredWhereFieldsAre(t *testing.T) {
	p := newUnguardedPod(t, newestRelease, "horizon-unknown-fields=ignored")
	p.must("ENGINEERING", pushV1, pushBody(`"selective_push_image":true,"machine_ids":"x","snapshotId":3`))
	p.Advance(10 * time.Minute)
	p.expectPool("with what v1 does not have", "ENGINEERING", "NONE, none, "+goldenV2)
}

func TestOnlyPoolsOfInstantClonesHaveAnImage(t *testing.T) {
	// No document lists the status 400 of the cancellation.
	p := newUnguardedPod(t, newestRelease)
	p.AddPool(DesktopPool{Name: "FULL", Kind: FullClones, VMID: goldenVM, Machines: 2})
	p.AddPool(DesktopPool{Name: "MANUAL", Kind: ManualMachines, VMID: goldenVM, Machines: 2})
	for _, pool := range []string{"FULL", "MANUAL", "KIOSK"} {
		for action, body := range map[string]string{pushV1: pushBody(""), pushV2: pushBody(""), cancelPush: "", promote: "", applyCurrent: `["x"]`} {
			expectReply(t, pool+" "+action, p.act(pool, action, body), 400, "is not an automated pool of instant clones")
		}
	}
}

func TestAPoolHasOneOperationAtATime(t *testing.T) {
	// What is not allowed in a state is refused.
	expect := func(what string, p *pod, allowed ...string) {
		t.Helper()
		for _, action := range []string{pushV2, cancelPush, promote, applyCurrent, applyPending} {
			body := map[string]string{
				pushV2: pushBody(`"snapshot_id":"` + goldenV3 + `"`), applyCurrent: p.machineIDs("ENGINEERING", "ENG-009"), applyPending: p.machineIDs("ENGINEERING", "ENG-009"),
			}[action]
			if !slices.Contains(allowed, action) {
				expectReply(t, what+": "+action, p.act("ENGINEERING", action, body), 400, "Unable to")
			}
		}
	}
	start := func() *pod { return newUnguardedPod(t, newestRelease) }
	p := start()
	expect("idle", p, pushV2, applyCurrent)
	p.must("ENGINEERING", pushV1, pushBody(""))
	expect("just pushed, not yet seen", p)
	p.Advance(time.Minute)
	expect("being published", p)
	p = start()
	p.must("ENGINEERING", pushV1, pushBody(`"start_time":`+p.at(60)))
	p.Advance(20 * time.Minute)
	expect("waiting", p, cancelPush)
	p.must("ENGINEERING", cancelPush, "")
	expect("being cancelled", p)
	p = hold(start())
	expect("holding", p, cancelPush, promote, applyCurrent, applyPending)
	p = start()
	p.done(p.FailPublish("ENGINEERING", "no"))
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.Advance(6 * time.Minute)
	expect("failing", p)
	p.Advance(time.Minute)
	expect("failed", p, pushV2, applyCurrent)
	for _, row := range []struct {
		set     PoolOperation
		allowed []string
	}{
		{PoolOperation{Operation: "INITIAL_PUBLISH", PendingState: pendingPublishing}, nil},
		{PoolOperation{Operation: "INFRASTRUCTURE_CHANGE"}, nil},
		{PoolOperation{Operation: "FINAL_UNPUBLISH"}, nil},
		{PoolOperation{Operation: operationPush}, nil},
		{PoolOperation{Operation: operationNone, PendingState: pendingReady}, []string{applyCurrent}},
	} {
		p = start()
		p.done(p.SetPoolOperation("ENGINEERING", row.set))
		expect(row.set.Operation, p, row.allowed...)
	}
}

func TestAPoolThatIsDeletedTakesNoImage(t *testing.T) {
	p := newPod(t, newestRelease)
	p.done(p.SetPool("ENGINEERING", PoolSettings{DeleteInProgress: true}))
	expectReply(t, "a push", p.act("ENGINEERING", pushV1, pushBody("")), 400, "is being deleted")
	if p.Pool("ENGINEERING")["delete_in_progress"] != true {
		t.Error("the pool does not show it")
	}
}

func TestPoolsThatAreNotThereAreNotFound(t *testing.T) {
	p := newPod(t, newestRelease)
	for _, path := range []string{"/action/schedule-push-image", "/action/cancel-scheduled-push-image", "/action/promote-pending-image", "/tasks", "/tasks/x", "/tasks/x/action/resume"} {
		method, body := "POST", ""
		if strings.HasSuffix(path, "schedule-push-image") {
			body = pushBody("")
		}
		if strings.HasPrefix(path, "/tasks") && !strings.Contains(path, "action") {
			method = "GET"
		}
		expectReply(t, path, p.do(method, "/inventory/v1/desktop-pools/nowhere"+path, body), 404, "Desktop pool nowhere does not exist")
	}
	expectReply(t, "a task", p.do("GET", "/inventory/v1/desktop-pools/"+p.poolID("SALES")+"/tasks/none", ""), 404, "Task none does not exist")
}

func TestAPushNeedsItsPrivilegeOnTheAccessGroup(t *testing.T) {
	for _, release := range []string{"2106", newestRelease} {
		p := newPod(t, release)
		p.done(p.MovePool("SALES", HorizonBranchAccessGroupID))
		p.done(p.GrantOnPool("SALES", "other", "POOL_VIEW", "MACHINE_VIEW", "POOL_SVI_IMAGE_MANAGEMENT"))
		if p.Pool("SALES")["access_group_id"] != HorizonBranchAccessGroupID || p.Pool("ENGINEERING")["access_group_id"] == HorizonBranchAccessGroupID {
			t.Errorf("%s: the access groups are %v and %v", release, p.Pool("SALES")["access_group_id"], p.Pool("ENGINEERING")["access_group_id"])
		}
		if got := p.as("other", "GET", "/inventory/v2/desktop-pools", "").names("name"); got != "SALES" {
			t.Errorf("%s: sees %s", release, got)
		}
		if got := len(p.as("other", "GET", "/inventory/v2/machines", "").list()); got != 50 {
			t.Errorf("%s: sees %d machines", release, got)
		}
		expectReply(t, "a pool elsewhere", p.as("other", "GET", "/inventory/v2/desktop-pools/"+p.poolID("ENGINEERING"), ""), 403, "POOL_VIEW")
		id := p.machineOf("ENGINEERING", "ENG-001")["id"].(string)
		expectReply(t, "a machine elsewhere", p.as("other", "GET", "/inventory/v2/machines/"+id, ""), 403, "MACHINE_VIEW")
		expectReply(t, "pushing elsewhere", p.as("other", "POST", p.poolPath("ENGINEERING", pushV1), pushBody("")), 403, "POOL_SVI_IMAGE_MANAGEMENT")
		expectReply(t, "tasks elsewhere", p.as("other", "GET", "/inventory/v1/desktop-pools/"+p.poolID("ENGINEERING")+"/tasks", ""), 403, "POOL_VIEW")
		expectReply(t, "cancelling elsewhere", p.as("other", "POST", p.poolPath("ENGINEERING", cancelPush), ""), 403, "POOL_SVI_IMAGE_MANAGEMENT")
		expectReply(t, "reading alone", p.as("reader", "POST", p.poolPath("SALES", pushV1), pushBody("")), 403, "POOL_SVI_IMAGE_MANAGEMENT")
		refused := p.as("reader", "POST", p.poolPath("SALES", pushV1), pushBody("")).object()
		if _, keyed := refused["errors"]; keyed != (release == newestRelease) {
			t.Errorf("%s: the error is %v", release, refused)
		}
		expectReply(t, "pushing there", p.as("other", "POST", p.poolPath("SALES", pushV1), pushBody("")), 204, "")
		p.Advance(11 * time.Minute)
		expectReply(t, "pausing without the privilege", p.as("reader", "POST", p.taskPath("SALES", "/action/cancel"), ""), 403, "POOL_SVI_IMAGE_MANAGEMENT")
		expectReply(t, "cancelling the task there", p.as("other", "POST", p.taskPath("SALES", "/action/cancel"), ""), 204, "")
	}
}

// TestPushesKeepTheContractOfEveryRelease goes through all states of a pool, and
// reads everything in every version in each of them.
func TestPushesKeepTheContractOfEveryRelease(t *testing.T) {
	for _, release := range contract.Releases() {
		t.Run(release, func(t *testing.T) {
			s := stock(newUnguardedPod(t, release, "horizon-standby=shown"))
			s.behind(contract.Guard(t, release, s.Simulator))
			s.done(s.RemovePool("SALES"))
			carried := map[string]bool{}
			read := func() {
				t.Helper()
				clear(s.tokens)
				id, machine := s.poolID("ENGINEERING"), s.machineOf("ENGINEERING", "ENG-001")["id"].(string)
				for _, route := range horizonRoutes {
					path := "/" + strings.Join(route.path.pattern, "/")
					if route.since > release || route.method != "GET" || !strings.Contains(path, "/desktop-pools") && !strings.Contains(path, "/machines") {
						continue
					}
					one := strings.Replace(strings.Replace(path, "desktop-pools/{}", "desktop-pools/"+id, 1), "machines/{}", "machines/"+machine, 1)
					if strings.HasSuffix(one, "{}") {
						tasks := s.PoolTasks("ENGINEERING")
						if len(tasks) == 0 {
							continue
						}
						one = strings.TrimSuffix(one, "{}") + tasks[len(tasks)-1]["id"].(string)
					}
					if got := s.do("GET", one, ""); got.status != 200 {
						t.Errorf("%s is answered with %d", one, got.status)
					}
					carried["GET "+path] = true
				}
			}
			act := func(action, body string) {
				t.Helper()
				s.must("ENGINEERING", action, body)
				version, name, ok := strings.Cut(action, " ")
				if !ok {
					version, name = "v1", action
				}
				name, _, _ = strings.Cut(name, "?")
				carried["POST /inventory/"+version+"/desktop-pools/{}/action/"+name] = true
				read()
				s.Advance(time.Minute)
				read()
			}
			task := func(action, body string) {
				t.Helper()
				clear(s.tokens)
				if got := s.do("POST", s.taskPath("ENGINEERING", "/action/"+action), body); got.status != 204 {
					t.Errorf("%s is answered with %d %s", action, got.status, got.text)
				}
				carried["POST /inventory/v1/desktop-pools/{}/tasks/{}/action/"+action] = true
				read()
			}
			s.done(s.FailMachine("ENGINEERING", "ENG-002", "no space"))
			s.done(s.SetSessions("ENGINEERING", "ENG-004", 1))
			act(pushV1, pushBody(`"parent_vm_id":null,"snapshot_id":null,"im_stream_id":"`+s.stream+`","im_tag_id":"`+s.tag+`","start_time":`+s.at(30)))
			s.Advance(20 * time.Minute)
			read()
			act(cancelPush, "")
			s.Advance(2 * time.Minute)
			act(pushV1, pushBody(""))
			s.Advance(11 * time.Minute)
			read()
			s.Advance(2 * time.Minute)
			if release >= releaseTasks {
				task("resume", `{"retry_failed_vms":true}`)
				s.Advance(time.Minute)
				task("pause", "")
				task("resume", "")
			}
			task("cancel", "")
			s.Advance(5 * time.Minute)
			s.done(s.FailPublish("ENGINEERING", "no network"))
			act(pushV1, pushBody(`"snapshot_id":"`+goldenV3+`"`))
			s.Advance(7 * time.Minute)
			read()
			if release >= "2512" {
				act(pushV3, pushBody(`"snapshot_id":"`+goldenV3+`","vgpu_grid_profile":"grid_m10-4q"`))
				s.Advance(time.Hour)
			}
			if release >= releaseSelective {
				act(pushV2, pushBody(`"snapshot_id":"`+goldenV3+`","selective_push_image":true,"machine_ids":`+strings.Replace(s.machineIDs("ENGINEERING", "ENG-001"), "]", `,"gone"]`, 1)))
				s.Advance(12 * time.Minute)
				read()
				act(applyPending, s.machineIDs("ENGINEERING", "ENG-005"))
				act(applyCurrent, strings.Replace(s.machineIDs("ENGINEERING", "ENG-001"), "]", `,"gone"]`, 1))
				act(promote, "")
			}
			s.done(s.SetMachine("ENGINEERING", "ENG-001", MachineState{Maintenance: true, Missing: true, Held: true}))
			s.AddPool(DesktopPool{Name: "FULL", Kind: FullClones, VMID: goldenVM, Machines: 1})
			s.AddPool(DesktopPool{Name: "CAD", VMID: rdsVM, Machines: 1, VGPUProfile: "grid_m10-4q"})
			s.Advance(time.Hour)
			read()
			for _, route := range horizonRoutes {
				name := route.method + " /" + strings.Join(route.path.pattern, "/")
				if route.since <= release && imageOfPool(route) && !carried[name] {
					t.Errorf("%s has not been carried out", name)
				}
			}
		})
	}
}
