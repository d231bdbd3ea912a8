package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// virtualCenter is a vCenter server that Horizon knows. The ids of what is in it
// are unique within it only, as vSphere's are.
type virtualCenter struct {
	id          string
	instance    string
	name        string
	datacenters []*datacenter
	vms         []*baseVM
	templates   []*vmTemplate
	added       time.Time
	last        int // number in the last id that was given
}

type datacenter struct{ id, name string }

func (d *datacenter) path() string { return "/" + d.name }

// baseVM is a virtual machine that can be the image of pools.
type baseVM struct {
	id, name     string
	datacenter   *datacenter
	folder       string // below the datacenter, empty or with a slash before it
	system       string
	incompatible []string
	snapshots    []*baseSnapshot
	made         time.Time
}

func (vm *baseVM) path() string { return vm.datacenter.path() + "/vm" + vm.folder + "/" + vm.name }

type baseSnapshot struct {
	id, name, path string
	description    string
	incompatible   []string
	made           time.Time
}

// vmTemplate is the image of full clones.
type vmTemplate struct {
	id, name   string
	datacenter *datacenter
	system     string
	made       time.Time
}

func (t *vmTemplate) path() string { return t.datacenter.path() + "/vm/" + t.name }

// nextID makes an id in vSphere's form, such as vm-1001.
func (vc *virtualCenter) nextID(kind string) string {
	vc.last++
	return fmt.Sprintf("%s-%d", kind, 1000+vc.last)
}

func (h *horizon) vcenter(id string) *virtualCenter {
	return find(h.vcenters, func(vc *virtualCenter) bool { return vc.id == id })
}

func (vc *virtualCenter) vm(id string) *baseVM {
	return find(vc.vms, func(vm *baseVM) bool { return vm.id == id })
}

func (vc *virtualCenter) template(id string) *vmTemplate {
	return find(vc.templates, func(t *vmTemplate) bool { return t.id == id })
}

func (vm *baseVM) snapshot(id string) *baseSnapshot {
	return find(vm.snapshots, func(s *baseSnapshot) bool { return s.id == id })
}

// find is the first element for which a condition holds, or nil.
func find[T any](all []*T, holds func(*T) bool) *T {
	i := slices.IndexFunc(all, holds)
	if i < 0 {
		return nil
	}
	return all[i]
}

// The fields of the lookups that lists can be filtered and sorted by.
var (
	baseVMFields = []listField{
		{"datacenter_id", byValue, neverReleased}, {"id", byValue, neverReleased}, {"incompatible_reasons", byValue, neverReleased}, {"name", byText, "2512"},
		{"network_type", byValue, neverReleased}, {"operating_system", byValue, neverReleased}, {"operating_system_display_name", byText, neverReleased},
		{"path", byText, "2512"}, {"vcenter_id", byValue, neverReleased}, {"num_nics", byValue, neverReleased},
		{"created_at", byRange, neverReleased}, {"updated_at", byRange, neverReleased},
	}
	snapshotFields = []listField{
		{"created_timestamp", byRange, neverReleased}, {"description", byValue, neverReleased}, {"disk_size_mb", byRange, neverReleased},
		{"hardware_version", byValue, neverReleased}, {"id", byValue, neverReleased}, {"incompatible_reasons", byValue, neverReleased},
		{"memory_mb", byValue, neverReleased}, {"name", byText, neverReleased}, {"path", byValue, neverReleased}, {"vcenter_id", byValue, neverReleased},
		{"num_cpus", byValue, neverReleased}, {"num_cores_per_socket", byValue, neverReleased},
	}
	templateFields = []listField{
		{"datacenter_id", byValue, neverReleased}, {"disk_size_in_bytes", byRange, neverReleased}, {"id", byValue, neverReleased},
		{"incompatible_reasons", byValue, neverReleased}, {"memory_mb", byRange, neverReleased}, {"name", byText, "2512"},
		{"operating_system", byValue, neverReleased}, {"operating_system_display_name", byValue, neverReleased}, {"path", byText, "2512"},
		{"vcenter_id", byValue, neverReleased}, {"created_at", byRange, neverReleased}, {"updated_at", byRange, neverReleased},
	}
)

func lookupRoutes() []horizonRoute {
	var routes []horizonRoute
	config := []privilege{globalConfigView, vcConfigView}
	get := func(path, since string, privileges []privilege, version int, serve func(*horizonRequest, int, []string) (horizonAnswer, *horizonError)) {
		routes = append(routes, horizonRoute{
			method: http.MethodGet, path: pathOf(path), since: since, privileges: privileges,
			serve: func(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError) {
				return serve(rq, version, arguments)
			},
		})
	}
	for i, since := range []string{"", "", "2303", "2306", "2309", "2312"} {
		version := i + 1
		path := fmt.Sprintf("/config/v%d/virtual-centers", version)
		get(path, since, config, version, (*horizonRequest).listVirtualCenters)
		if version >= 3 && version <= 5 {
			get(path+"/{}", since, config, version, (*horizonRequest).getVirtualCenter)
		}
	}
	get("/external/v1/datacenters", "", []privilege{vcConfigView}, 1, (*horizonRequest).listDatacenters)
	for i, since := range []string{"", "2212", "2312"} {
		get(fmt.Sprintf("/external/v%d/base-vms", i+1), since, config, i+1, (*horizonRequest).listBaseVMs)
	}
	get("/external/v2/base-vms/{}", releaseLists, config, 2, (*horizonRequest).getBaseVM)
	for i, since := range []string{"", "2206", "2506"} {
		get(fmt.Sprintf("/external/v%d/base-snapshots", i+1), since, config, i+1, (*horizonRequest).listBaseSnapshots)
	}
	for i, since := range []string{"", "2312"} {
		get(fmt.Sprintf("/external/v%d/vm-templates", i+1), since, config, i+1, (*horizonRequest).listVMTemplates)
	}
	return routes
}

// versioned are fields that versions of an object's form brought.
type versioned struct {
	from  int
	name  string
	value any
}

// form makes an object of a version of its form.
func form(version int, fields []versioned) map[string]any {
	out := map[string]any{}
	for _, f := range fields {
		if version >= f.from {
			out[f.name] = f.value
		}
	}
	return out
}

func (rq *horizonRequest) virtualCenterForm(vc *virtualCenter, version int) map[string]any {
	limits := map[string]any{"instant_clone_engine_provisioning_limit": 20, "power_operations_limit": 50, "provisioning_limit": 20}
	if version >= 3 {
		limits["instant_clone_maintenance_limit"] = 3
	}
	out := form(version, []versioned{
		{1, "id", vc.id}, {1, "server_name", vc.name}, {1, "display_name", vc.name}, {1, "instance_uuid", vc.instance}, {1, "enabled", true},
		{1, "port", 443}, {1, "use_ssl", true}, {1, "user_name", "horizon@vsphere.local"}, {1, "version", "8.0.2"}, {1, "limits", limits},
		{1, "se_sparse_reclamation_enabled", false}, {1, "storage_accelerator_data", map[string]any{"enabled": false}},
		{2, "deployment_type", "GENERAL"}, {2, "maintenance_mode", false},
		{4, "instant_clone_debug_enabled", false}, {5, "vsan_validation_status", "NOT_CONFIGURED"},
		{6, "created_at", vc.added.UnixMilli()}, {6, "updated_at", vc.added.UnixMilli()},
	})
	if version == 1 {
		out["vmc_deployment"] = false
	}
	return out
}

func (rq *horizonRequest) listVirtualCenters(version int, _ []string) (horizonAnswer, *horizonError) {
	rows := make([]map[string]any, 0, len(rq.horizon.vcenters))
	for _, vc := range rq.horizon.vcenters {
		rows = append(rows, rq.virtualCenterForm(vc, version))
	}
	return rq.list(rows, listRules{since: neverReleased})
}

func vcenterNotFound(id string) *horizonError {
	return refuse(http.StatusNotFound, "config.virtual-center.not.found", "Virtual Center %s does not exist.", id)
}

func (rq *horizonRequest) getVirtualCenter(version int, arguments []string) (horizonAnswer, *horizonError) {
	vc := rq.horizon.vcenter(arguments[0])
	if vc == nil {
		return horizonAnswer{}, vcenterNotFound(arguments[0])
	}
	return horizonAnswer{status: http.StatusOK, body: rq.virtualCenterForm(vc, version)}, nil
}

// neededVCenter is the vCenter that a lookup has to name.
func (rq *horizonRequest) neededVCenter() (*virtualCenter, *horizonError) {
	id, refused := rq.neededParameter("vcenter_id")
	if refused != nil {
		return nil, refused
	}
	vc := rq.horizon.vcenter(id)
	if vc == nil {
		return nil, vcenterNotFound(id)
	}
	return vc, nil
}

func (rq *horizonRequest) listDatacenters(int, []string) (horizonAnswer, *horizonError) {
	vc, refused := rq.neededVCenter()
	if refused != nil {
		return horizonAnswer{}, refused
	}
	rows := make([]map[string]any, 0, len(vc.datacenters))
	for _, d := range vc.datacenters {
		rows = append(rows, map[string]any{"id": d.id, "name": d.name, "path": d.path()})
	}
	return rq.list(rows, listRules{since: neverReleased})
}

// neededPlace is the vCenter and, if the request names one, the datacenter.
func (rq *horizonRequest) neededPlace() (*virtualCenter, string, *horizonError) {
	vc, refused := rq.neededVCenter()
	if refused != nil {
		return nil, "", refused
	}
	id := rq.query.Get("datacenter_id")
	if id != "" && find(vc.datacenters, func(d *datacenter) bool { return d.id == id }) == nil {
		return nil, "", refuse(http.StatusNotFound, "external.datacenter.not.found", "Datacenter %s does not exist.", id)
	}
	return vc, id, nil
}

// windowsOf is how a release calls an operating system: older ones do not know
// Windows 11.
func windowsOf(release, system string) (value, display string) {
	switch {
	case system == "WINDOWS_11" && release >= "2209":
		return system, "Microsoft Windows 11 (64-bit)"
	case system == "WINDOWS_11":
		return "WINDOWS_10", "Microsoft Windows 10 (64-bit)"
	default:
		return system, "Microsoft Windows Server 2022 (64-bit)"
	}
}

func (rq *horizonRequest) baseVMForm(vc *virtualCenter, vm *baseVM, version int) map[string]any {
	system, display := windowsOf(rq.release, vm.system)
	reasons := slices.Clone(vm.incompatible)
	if len(vm.snapshots) == 0 {
		reasons = append(reasons, "NO_SNAPSHOTS")
	}
	if reasons == nil {
		reasons = []string{}
	}
	return form(version, []versioned{
		{1, "id", vm.id}, {1, "name", vm.name}, {1, "path", vm.path()}, {1, "vcenter_id", vc.id}, {1, "datacenter_id", vm.datacenter.id},
		{1, "operating_system", system}, {1, "operating_system_display_name", display}, {1, "network_type", "STANDARD_NETWORK"},
		{1, "incompatible_reasons", reasons}, {2, "num_nics", int64(1)},
		{3, "created_at", vm.made.UnixMilli()}, {3, "updated_at", vm.made.UnixMilli()},
	})
}

func (rq *horizonRequest) listBaseVMs(version int, _ []string) (horizonAnswer, *horizonError) {
	vc, place, refused := rq.neededPlace()
	if refused != nil {
		return horizonAnswer{}, refused
	}
	rows := []map[string]any{}
	for _, vm := range vc.vms {
		row := rq.baseVMForm(vc, vm, version)
		compatible := len(vm.incompatible) == 0 && len(vm.snapshots) > 0
		if place != "" && vm.datacenter.id != place || rq.query.Get("filter_incompatible_vms") == "true" && !compatible {
			continue
		}
		rows = append(rows, row)
	}
	return rq.list(rows, listRules{fields: baseVMFields, since: listsOf(version)})
}

// listsOf is the release since which a version of a lookup has pages and
// filters. The first never got them.
func listsOf(version int) string {
	if version == 1 {
		return neverReleased
	}
	return releaseLists
}

func vmNotFound(id string) *horizonError {
	return refuse(http.StatusNotFound, "external.base-vm.not.found", "Base VM %s does not exist.", id)
}

func (rq *horizonRequest) getBaseVM(version int, arguments []string) (horizonAnswer, *horizonError) {
	vc, place, refused := rq.neededPlace()
	if refused != nil {
		return horizonAnswer{}, refused
	}
	vm := vc.vm(arguments[0])
	if vm == nil || place != "" && vm.datacenter.id != place {
		return horizonAnswer{}, vmNotFound(arguments[0])
	}
	return horizonAnswer{status: http.StatusOK, body: rq.baseVMForm(vc, vm, version)}, nil
}

func (rq *horizonRequest) listBaseSnapshots(version int, _ []string) (horizonAnswer, *horizonError) {
	vc, refused := rq.neededVCenter()
	if refused != nil {
		return horizonAnswer{}, refused
	}
	id, refused := rq.neededParameter("base_vm_id")
	if refused != nil {
		return horizonAnswer{}, refused
	}
	vm := vc.vm(id)
	if vm == nil {
		return horizonAnswer{}, vmNotFound(id)
	}
	rows := make([]map[string]any, 0, len(vm.snapshots))
	for _, s := range vm.snapshots {
		reasons := s.incompatible
		if reasons == nil {
			reasons = []string{}
		}
		rows = append(rows, form(version, []versioned{
			{1, "id", s.id}, {1, "name", s.name}, {1, "path", s.path}, {1, "description", s.description}, {1, "vcenter_id", vc.id},
			{1, "created_timestamp", s.made.UnixMilli()}, {1, "disk_size_mb", int64(65536)}, {1, "memory_mb", int64(8192)},
			{1, "memory_reservation_mb", int64(0)}, {1, "hardware_version", int64(20)}, {1, "renderer3d", "AUTOMATIC"},
			{1, "incompatible_reasons", reasons}, {2, "num_cpus", int64(4)}, {2, "num_cores_per_socket", int64(2)},
			{3, "carbon_black_ready_to_clone", true},
		}))
	}
	return rq.list(rows, listRules{fields: snapshotFields, since: listsOf(version)})
}

func (rq *horizonRequest) listVMTemplates(version int, _ []string) (horizonAnswer, *horizonError) {
	vc, place, refused := rq.neededPlace()
	if refused != nil {
		return horizonAnswer{}, refused
	}
	rows := []map[string]any{}
	for _, t := range vc.templates {
		if place != "" && t.datacenter.id != place {
			continue
		}
		system, display := windowsOf(rq.release, t.system)
		rows = append(rows, form(version, []versioned{
			{1, "id", t.id}, {1, "name", t.name}, {1, "path", t.path()}, {1, "vcenter_id", vc.id}, {1, "datacenter_id", t.datacenter.id},
			{1, "operating_system", system}, {1, "operating_system_display_name", display}, {1, "memory_mb", int64(8192)},
			{1, "disk_size_in_bytes", int64(64) << 30}, {1, "incompatible_reasons", []string{}},
			{2, "created_at", t.made.UnixMilli()}, {2, "updated_at", t.made.UnixMilli()},
		}))
	}
	return rq.list(rows, listRules{fields: templateFields, since: releaseLists})
}

// connectionServerID is the id of the pod's one Connection Server.
const connectionServerID = "c9d1b0a7-5a3e-4f77-9c55-2b8f6f0e4a11"

// productVersions are the versions of Horizon 8 by release.
var productVersions = map[string]string{
	"2012": "8.1.0", "2106": "8.3.0", "2111": "8.4.0", "2206": "8.6.0", "2212": "8.8.0", "2303": "8.9.0", "2306": "8.10.0", "2309": "8.11.0",
	"2312": "8.12.0", "2406": "8.13.0", "2412": "8.14.0", "2503": "8.15.0", "2506": "8.16.0", "2512": "8.17.0",
}

// monitorRoutes are the pages that say how the servers of a pod are. They need
// no privilege.
func monitorRoutes() []horizonRoute {
	var routes []horizonRoute
	get := func(path, since string, serve func(*horizonRequest, []string) (horizonAnswer, *horizonError)) {
		routes = append(routes, horizonRoute{method: http.MethodGet, path: pathOf(path), since: since, serve: serve})
	}
	for i, since := range []string{"", "", "2209", "2412"} {
		get(monitorPath(i+1, "connection-servers"), since, (*horizonRequest).monitorServers)
	}
	for i, since := range []string{"", "", "2306", "2412"} {
		get(monitorPath(i+1, "virtual-centers"), since, func(rq *horizonRequest, _ []string) (horizonAnswer, *horizonError) {
			return rq.monitorVirtualCenters(i + 1)
		})
	}
	return routes
}

// monitorPath is the path of a list, whose first version has no number.
func monitorPath(version int, what string) string {
	if version == 1 {
		return "/monitor/" + what
	}
	return fmt.Sprintf("/monitor/v%d/%s", version, what)
}

func (rq *horizonRequest) monitorServers([]string) (horizonAnswer, *horizonError) {
	now := rq.sim.clock.now()
	return horizonAnswer{status: http.StatusOK, body: []any{map[string]any{
		"id": connectionServerID, "name": "CS01", "status": "OK",
		"details":     map[string]any{"version": productVersions[rq.release], "build": "2400" + rq.release},
		"certificate": map[string]any{"valid": true, "valid_from": now.AddDate(-1, 0, 0).UnixMilli(), "valid_to": now.AddDate(1, 0, 0).UnixMilli()},
	}}}, nil
}

// monitorVirtualCenters shows the vCenters, in the first versions with lists
// that have to be there.
func (rq *horizonRequest) monitorVirtualCenters(version int) (horizonAnswer, *horizonError) {
	rows := []any{}
	for _, vc := range rq.horizon.vcenters {
		row := map[string]any{"id": vc.id, "name": vc.name, "details": map[string]any{"api_version": "8.0.2.0", "version": "8.0.2", "build": "22385739"},
			"datastores": []any{}}
		switch version {
		case 1:
			row["desktops_count"], row["connection_servers"], row["hosts"] = len(rq.horizon.pools), []any{}, []any{}
		case 2:
			row["desktop_pools_and_farms_count"], row["connection_servers"], row["hosts"] = len(rq.horizon.pools), []any{}, []any{}
		default:
			row["desktop_pools_and_farms_count"] = len(rq.horizon.pools)
		}
		rows = append(rows, row)
	}
	return horizonAnswer{status: http.StatusOK, body: rows}, nil
}
