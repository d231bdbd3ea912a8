package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The image that ENGINEERING runs at first is v1.
const (
	goldenVM = "vm-1002"
	rdsVM    = "vm-1003"
	goldenV1 = "snapshot-1004"
	goldenV2 = "snapshot-1005"
	goldenV3 = "snapshot-1006"
	rdsV1    = "snapshot-1007"
)

// Addresses below that of a pool.
const (
	pushV1       = "schedule-push-image"
	pushV2       = "v2 schedule-push-image"
	pushV3       = "v3 schedule-push-image"
	cancelPush   = "cancel-scheduled-push-image"
	promote      = "promote-pending-image"
	applyCurrent = "apply-image"
	applyPending = "apply-image?pending_image=true"
)

// pushBody is the body of a push of v2, with changes that are JSON; what becomes
// null is left out.
func pushBody(changes string) string {
	fields := map[string]any{"parent_vm_id": goldenVM, "snapshot_id": goldenV2, "logoff_policy": waitForLogoff}
	if err := json.Unmarshal([]byte("{"+changes+"}"), &fields); err != nil {
		panic(err)
	}
	for name, value := range fields {
		if value == nil {
			delete(fields, name)
		}
	}
	body, _ := json.Marshal(fields)
	return string(body)
}

func (p *pod) poolID(pool string) string {
	p.t.Helper()
	id, ok := p.Pool(pool)["id"].(string)
	if !ok {
		p.t.Fatalf("there is no pool %s", pool)
	}
	return id
}

// poolPath is the address of an action on a pool.
func (p *pod) poolPath(pool, action string) string {
	version, name, ok := strings.Cut(action, " ")
	if !ok {
		version, name = "v1", action
	}
	return "/inventory/" + version + "/desktop-pools/" + p.poolID(pool) + "/action/" + name
}

// act asks for an action on a pool. Tests move the clock further than tokens live.
func (p *pod) act(pool, action, body string) reply {
	p.t.Helper()
	clear(p.tokens)
	return p.do("POST", p.poolPath(pool, action), body)
}

// must is act for what has to succeed.
func (p *pod) must(pool, action, body string) reply {
	p.t.Helper()
	got := p.act(pool, action, body)
	if got.status >= 300 {
		p.t.Fatalf("%s: answered %d %s", action, got.status, got.text)
	}
	return got
}

// status is the provisioning_status_data of a pool.
func (p *pod) poolStatus(pool string) map[string]any {
	status, _ := p.Pool(pool)["provisioning_status_data"].(map[string]any)
	return status
}

// image is what a pool shows that it runs.
func (p *pod) image(pool string) map[string]any {
	settings, _ := p.Pool(pool)["provisioning_settings"].(map[string]any)
	return settings
}

// summary is a pool in one line: its operation, the pending image with its state
// and the image that it runs.
func (p *pod) summary(pool string) string {
	status := p.poolStatus(pool)
	pending := "none"
	if state := status["instant_clone_pending_image_state"]; state != nil {
		pending = fmt.Sprintf("%v %v", state, status["instant_clone_pending_image_snapshot_id"])
	}
	return fmt.Sprintf("%v, %s, %v", status["instant_clone_operation"], pending, p.image(pool)["base_snapshot_id"])
}

func (p *pod) expectPool(what, pool, want string) {
	p.t.Helper()
	if got := p.summary(pool); got != want {
		p.t.Errorf("%s: pool %s is %q, want %q", what, pool, got, want)
	}
}

// machineOf is the managed_machine_data of a machine, with its id and its state.
func (p *pod) machineOf(pool, name string) map[string]any {
	p.t.Helper()
	m := p.PoolMachines(pool)[name]
	if m == nil {
		p.t.Fatalf("there is no machine %s", name)
	}
	out, _ := m["managed_machine_data"].(map[string]any)
	out["id"], out["state"], out["session_id"] = m["id"], m["state"], m["session_id"]
	return out
}

// ids are those of machines, as a JSON array.
func (p *pod) machineIDs(pool string, names ...string) string {
	p.t.Helper()
	ids := []any{}
	for _, name := range names {
		ids = append(ids, p.machineOf(pool, name)["id"])
	}
	out, _ := json.Marshal(ids)
	return string(out)
}

// on lists the machines of a pool that are made of a snapshot.
func (p *pod) on(pool, snapshot string) string {
	var names []string
	for name, m := range p.PoolMachines(pool) {
		if m["managed_machine_data"].(map[string]any)["base_vm_snapshot_id"] == snapshot {
			names = append(names, strings.TrimPrefix(name, "ENG-"))
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// counts are those of the only task of a pool.
func (p *pod) counts(pool string) string {
	tasks := p.PoolTasks(pool)
	if len(tasks) != 1 {
		return fmt.Sprintf("%d tasks", len(tasks))
	}
	t := tasks[0]
	return fmt.Sprintf("%v left, %v failed, %v halted, %v cancelled", t["remaining_vmtask_count"], t["error_vmtask_count"], t["halted_vmtask_count"], t["cancelled_vmtask_count"])
}

// taskPath is the address of the only task of a pool.
func (p *pod) taskPath(pool, action string) string {
	p.t.Helper()
	tasks := p.PoolTasks(pool)
	if len(tasks) != 1 {
		p.t.Fatalf("there are %d tasks", len(tasks))
	}
	return "/inventory/v1/desktop-pools/" + p.poolID(pool) + "/tasks/" + tasks[0]["id"].(string) + action
}

// done fails the test on an error of steering.
func (p *pod) done(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// at is a time that many minutes from now, in milliseconds.
func (p *pod) at(minutes int) string {
	return fmt.Sprint(p.Now().Add(time.Duration(minutes) * time.Minute).UnixMilli())
}

// held is a pod whose pool ENGINEERING holds v2, which ENG-001 runs.
func held(t *testing.T, assumed ...string) *pod {
	t.Helper()
	return hold(newPod(t, newestRelease, assumed...))
}

func hold(p *pod) *pod {
	p.t.Helper()
	p.must("ENGINEERING", pushV2, pushBody(`"selective_push_image":true,"machine_ids":`+p.machineIDs("ENGINEERING", "ENG-001")))
	p.Advance(12 * time.Minute)
	return p
}
