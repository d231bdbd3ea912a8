package simulator

import (
	"fmt"
	"net/http"
	"strings"
)

// machine is a virtual machine of a pool.
type machine struct {
	id, name string
	moid     string // in vCenter
}

// newMachine makes a machine of a pool by the pool's pattern for names. Its ids
// follow from its number, so that they are the same in every run.
func newMachine(pool, number int, pattern string) *machine {
	return &machine{
		id:   fmt.Sprintf("e2c94d70-61fb-4d38-9%03d-5a8f1c3e%04d", pool, number),
		name: fmt.Sprintf(pattern, number), moid: fmt.Sprintf("vm-%d", 1000*(pool+1)+number),
	}
}

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
			horizonRoute{method: http.MethodGet, path: pathOf(path + "/{}"), since: since, privileges: []privilege{machineView},
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
		for _, m := range p.machines {
			if rq.session.has(machineView) {
				rows = append(rows, rq.machineForm(p, m, version))
			}
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
		if m := find(p.machines, func(m *machine) bool { return m.id == id }); m != nil {
			return horizonAnswer{status: http.StatusOK, body: rq.machineForm(p, m, version)}, nil
		}
	}
	return horizonAnswer{}, refuse(http.StatusNotFound, "inventory.machine.not.found", "Machine %s does not exist.", id)
}

// machineForm is a machine in a version of its form.
func (rq *horizonRequest) machineForm(p *desktopPool, m *machine, version int) map[string]any {
	system, _ := windowsOf(rq.release, p.vm.system)
	kind, source := p.kind()
	return form(version, []versioned{
		{1, "id", m.id}, {1, "name", m.name}, {1, "dns_name", m.dnsName()}, {1, "desktop_pool_id", p.id}, {1, "type", "MANAGED_MACHINE"},
		{1, "state", "AVAILABLE"}, {1, "operating_system", system}, {1, "operating_system_architecture", "BIT_64"},
		{1, "agent_version", productVersions[rq.release]}, {1, "agent_build_number", "2400" + rq.release}, {1, "pairing_state", "PAIRED_AND_SECURED"},
		{1, "message_security_mode", "ENHANCED"}, {1, "message_security_enhanced_mode_supported", true},
		{1, "configured_by_connection_server", []string{"cs01.demo.example"}}, {1, "managed_machine_data", rq.managedMachineForm(p, m, version)},
		{2, "access_group_id", accessGroupID}, {3, "held_machine", false}, {4, "agent_upgrade_state", "UNKNOWN"}, {5, "agent_id", m.id},
		{6, "desktop_pool_name", p.name}, {6, "desktop_pool_type", kind}, {6, "desktop_pool_source", source}, {6, "desktop_pool_user_assignment", "FLOATING"},
		{10, "hze_agent_version_build", productVersions[rq.release] + "-2400" + rq.release}, {10, "hze_has_new_agent_version", false},
	})
}

// managedMachineForm is what vCenter and the pool know of a machine, with the
// image if it is a clone. The numbers are those of the machine's form.
func (rq *horizonRequest) managedMachineForm(p *desktopPool, m *machine, version int) map[string]any {
	fields := []versioned{
		{1, "virtual_center_id", p.vcenter.id}, {1, "host_name", "esx01.demo.example"}, {1, "path", p.vm.datacenter.path() + "/vm/" + p.name + "/" + m.name},
		{1, "virtual_machine_power_state", "POWERED_ON"}, {1, "memory_mb", 8192}, {1, "create_time", p.made.UnixMilli()},
		{1, "storage_accelerator_state", "OFF"}, {1, "missing_in_vcenter", false}, {1, "in_hold_customization", false}, {1, "in_maintenance_mode", false},
		{2, "datastore_ids", []string{"datastore-11"}}, {5, "vm_moid", m.moid}, {6, "datastore_paths", []string{p.vm.datacenter.path() + "/datastore/pools"}},
	}
	if p.automated {
		fields = append(fields, versioned{2, "base_vm_id", p.vm.id}, versioned{2, "base_vm_snapshot_id", p.snapshot.id},
			versioned{6, "base_vm_path", p.vm.path()}, versioned{6, "base_snapshot_path", p.snapshot.path})
	}
	if p.streamID != "" {
		fields = append(fields, versioned{2, "image_management_stream_id", p.streamID}, versioned{2, "image_management_tag_id", p.tagID},
			versioned{6, "im_stream_name", rq.horizon.nameOf(p.streamID)}, versioned{6, "im_tag_name", rq.horizon.nameOf(p.tagID)})
	}
	return form(version, fields)
}
