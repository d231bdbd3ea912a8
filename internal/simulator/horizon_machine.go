package simulator

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// machine is a virtual machine of a pool.
type machine struct {
	id, name string
	moid     string // in vCenter
	// image is what it was made of, and push the request that brought it, nil for
	// that of the beginning.
	image poolImage
	push  *imagePush
	made  time.Time
	// sessions are those of users, sessionID is the id of the last one.
	sessions  int
	sessionID string
	MachineState

	// failure is why it cannot be made anew the next time, cloneError why it could
	// not be the last time; "" if there is no such reason.
	failure      string
	cloneError   string
	cloneErrorAt time.Time
}

// newMachine makes a machine of a pool by the pool's pattern for names. Its ids
// follow from its number, so that they are the same in every run.
func newMachine(pool, number int, pattern string, image poolImage, at time.Time) *machine {
	return &machine{
		image: image, made: at,
		id:   fmt.Sprintf("e2c94d70-61fb-4d38-9%03d-5a8f1c3e%04d", pool, number),
		name: fmt.Sprintf(pattern, number), moid: fmt.Sprintf("vm-%d", 1000*(pool+1)+number),
	}
}

// touchable tells whether pushes are for a machine.
func (m *machine) touchable() bool { return m.MachineState == MachineState{} }

func (m *machine) dnsName() string { return strings.ToLower(m.name) + ".demo.example" }

// machineReleases are the releases that brought the versions of a machine's form.
var machineReleases = []string{"", "", "2206", "2212", "2306", "2412", "2503", "2506", "2512", "2512"}

// machineField is a field of the lists of machines from a version of the form on,
// in releases from since on.
type machineField struct {
	listField

	version int
	since   string
}

// The fields of machines themselves by which lists can be filtered, and sorted from
// 2303 on. How a filter would name most of those of managed_machine_data is not
// documented.
var machineFields = []machineField{
	{listField{"agent_build_number", byValue, releaseSorting}, 1, ""}, {listField{"agent_version", byValue, releaseSorting}, 1, ""},
	{listField{"desktop_pool_id", byValue, neverReleased}, 1, ""}, {listField{"dns_name", byText + " EndsWith", releaseSorting}, 1, ""},
	{listField{"id", byValue, neverReleased}, 1, ""}, {listField{"message_security_mode", byValue, releaseSorting}, 1, ""},
	{listField{"name", byText, releaseSorting}, 1, ""}, {listField{"operating_system", "", releaseSorting}, 1, ""},
	{listField{"remote_experience_agent_build_number", byValue, releaseSorting}, 1, ""},
	{listField{"remote_experience_agent_version", byValue, releaseSorting}, 1, ""}, {listField{"state", byValue, releaseSorting}, 1, ""},
	{listField{"type", byValue, releaseSorting}, 1, ""}, {listField{"user_ids", "Equals NotEquals Contains", neverReleased}, 1, ""},
	{listField{"held_machine", byValue, releaseSorting}, 3, ""},
	{listField{"agent_upgrade_error_message", "", releaseSorting}, 4, ""}, {listField{"agent_upgrade_result", "", releaseSorting}, 4, ""},
	{listField{"agent_upgrade_state", "", releaseSorting}, 4, ""}, {listField{"agent_id", byValue, neverReleased}, 5, ""},
	{listField{"desktop_pool_name", byText, releaseSorting}, 6, ""}, {listField{"desktop_pool_source", byValue, releaseSorting}, 6, "2512"},
	{listField{"aws_workspace_id", byValue, neverReleased}, 7, "2506"},
	{listField{"alias_names", "Contains", neverReleased}, 8, ""}, {listField{"alias_user_ids", "Contains", neverReleased}, 8, ""},
	{listField{"uem_enrolment_last_error_code", byValue, releaseSorting}, 9, ""}, {listField{"uem_enrolment_status", byText, releaseSorting}, 9, ""},
}

func machineRoutes() []horizonRoute {
	var routes []horizonRoute
	for i, since := range machineReleases {
		version := i + 1
		path := fmt.Sprintf("/inventory/v%d/machines", version)
		routes = append(routes,
			horizonRoute{method: http.MethodGet, path: pathOf(path), since: since,
				serve: func(rq *horizonRequest, _ []string) (horizonAnswer, *horizonError) { return rq.listMachines(version) }},
			horizonRoute{method: http.MethodGet, path: pathOf(path + "/{}"), since: since,
				serve: func(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError) {
					return rq.getMachine(version, arguments[0])
				}},
		)
	}
	return routes
}

// listMachines lists the machines that the caller may see, which can be none. All
// of them are managed: with GLOBAL_CONFIG_VIEW alone one sees others.
func (rq *horizonRequest) listMachines(version int) (horizonAnswer, *horizonError) {
	rows := []map[string]any{}
	for _, p := range rq.horizon.pools {
		if !rq.may(p, machineView) {
			continue
		}
		p.proceed()
		for _, m := range p.machines {
			rows = append(rows, rq.machineForm(p, m, version))
		}
	}
	var rules listRules
	for _, f := range machineFields {
		if version >= f.version && rq.release >= f.since {
			rules.fields = append(rules.fields, f.listField)
		}
	}
	return rq.list(rows, rules)
}

func (rq *horizonRequest) getMachine(version int, id string) (horizonAnswer, *horizonError) {
	for _, p := range rq.horizon.pools {
		p.proceed()
		m, missing := p.machine(id)
		switch {
		case missing != nil:
			continue
		case !rq.may(p, machineView):
			return horizonAnswer{}, forbidden([]privilege{machineView})
		}
		return horizonAnswer{status: http.StatusOK, body: rq.machineForm(p, m, version)}, nil
	}
	return horizonAnswer{}, refuse(http.StatusNotFound, "inventory.machine.not.found", "Machine %s does not exist.", id)
}

// machineForm is a machine in a version of its form.
func (rq *horizonRequest) machineForm(p *desktopPool, m *machine, version int) map[string]any {
	system, _ := windowsOf(rq.release, m.image.vm.system)
	kind, source := p.kind()
	fields := []versioned{
		{1, "id", m.id}, {1, "name", m.name}, {1, "dns_name", m.dnsName()}, {1, "desktop_pool_id", p.id}, {1, "type", "MANAGED_MACHINE"},
		{1, "state", p.stateOf(m)}, {1, "operating_system", system}, {1, "operating_system_architecture", "BIT_64"},
		{1, "agent_version", productVersions[rq.release]}, {1, "agent_build_number", "2400" + rq.release}, {1, "pairing_state", "PAIRED_AND_SECURED"},
		{1, "message_security_mode", "ENHANCED"}, {1, "message_security_enhanced_mode_supported", true},
		{1, "configured_by_connection_server", []string{"cs01.demo.example"}}, {1, "managed_machine_data", rq.managedMachineForm(p, m, version)},
		{2, "access_group_id", p.group.id}, {3, "held_machine", m.Held}, {4, "agent_upgrade_state", "UNKNOWN"}, {5, "agent_id", m.id},
		{6, "desktop_pool_name", p.name}, {6, "desktop_pool_type", kind}, {6, "desktop_pool_source", source}, {6, "desktop_pool_user_assignment", "FLOATING"},
		{10, "hze_agent_version_build", productVersions[rq.release] + "-2400" + rq.release}, {10, "hze_has_new_agent_version", false},
	}
	if m.sessions > 0 {
		fields = append(fields, versioned{2, "session_id", m.sessionID})
	}
	return form(version, fields)
}

// stateOf is the state of a machine. One that is made anew is first deleted, then
// customized.
func (p *desktopPool) stateOf(m *machine) string {
	_, work := p.work(m)
	switch {
	case m.Missing:
		return "UNKNOWN"
	case m.Maintenance:
		return "MAINTENANCE"
	case m.Disabled:
		return "DISABLED"
	case work != nil && work.state == vmProgressing && work.until.Sub(p.sim.clock.now()) > cloneTime/2:
		return "DELETING"
	case work != nil && work.state == vmProgressing:
		return "CUSTOMIZING"
	case m.cloneError != "":
		return "PROVISIONING_ERROR"
	case m.sessions > 0:
		return "CONNECTED"
	default:
		return "AVAILABLE"
	}
}

// managedMachineForm is what vCenter and the pool know of a machine, with the
// image if it is a clone. The numbers are those of the machine's form.
func (rq *horizonRequest) managedMachineForm(p *desktopPool, m *machine, version int) map[string]any {
	fields := []versioned{
		{1, "virtual_center_id", p.vcenter.id}, {1, "host_name", "esx01.demo.example"}, {1, "path", m.image.vm.datacenter.path() + "/vm/" + p.name + "/" + m.name},
		{1, "virtual_machine_power_state", "POWERED_ON"}, {1, "memory_mb", m.image.profile.ramMB}, {1, "create_time", m.made.UnixMilli()},
		{1, "storage_accelerator_state", "OFF"}, {1, "missing_in_vcenter", m.Missing}, {1, "in_hold_customization", false}, {1, "in_maintenance_mode", m.Maintenance},
		{2, "datastore_ids", []string{"datastore-11"}}, {5, "vm_moid", m.moid}, {6, "datastore_paths", []string{m.image.vm.datacenter.path() + "/datastore/pools"}},
	}
	if p.automated {
		fields = append(fields, versioned{2, "base_vm_id", m.image.vm.id}, versioned{2, "base_vm_snapshot_id", m.image.snapshot.id},
			versioned{6, "base_vm_path", m.image.vm.path()}, versioned{6, "base_snapshot_path", m.image.snapshot.path})
	}
	if m.image.streamID != "" {
		fields = append(fields, versioned{2, "image_management_stream_id", m.image.streamID}, versioned{2, "image_management_tag_id", m.image.tagID},
			versioned{6, "im_stream_name", rq.horizon.nameOf(m.image.streamID)}, versioned{6, "im_tag_name", rq.horizon.nameOf(m.image.tagID)})
	}
	if m.cloneError != "" {
		fields = append(fields, versioned{1, "clone_error_message", m.cloneError}, versioned{1, "clone_error_time", m.cloneErrorAt.UnixMilli()})
	}
	return form(version, append(fields, rq.operationForm(p, m)...))
}

// operationForm is what is being done to a machine, and the image that it is to
// get.
func (rq *horizonRequest) operationForm(p *desktopPool, m *machine) []versioned {
	var image poolImage
	var state, logoff string
	task, work := p.work(m)
	standby := p.inState(pendingHeld) && p.pending.push != m.push && m.touchable() && rq.sim.assumption(assumeStandby) == "shown"
	switch {
	case work != nil:
		image, state, logoff = task.push.image, work.state, task.logoff
	case standby:
		image, state, logoff = p.pending.push.image, "STANDBY", p.pending.push.logoff
	default:
		return nil
	}
	fields := []versioned{
		{2, "operation", "PUSH_IMAGE"}, {2, "operation_state", state}, {2, "logoff_policy", logoff},
		{2, "pending_base_vm_id", image.vm.id}, {2, "pending_base_vm_snapshot_id", image.snapshot.id},
		{6, "pending_base_vm_path", image.vm.path()}, {6, "pending_base_snapshot_path", image.snapshot.path},
	}
	if image.streamID != "" {
		fields = append(fields, versioned{2, "pending_image_management_stream_id", image.streamID}, versioned{2, "pending_image_management_tag_id", image.tagID},
			versioned{6, "pending_im_stream_name", rq.horizon.nameOf(image.streamID)}, versioned{6, "pending_im_tag_name", rq.horizon.nameOf(image.tagID)})
	}
	return fields
}
