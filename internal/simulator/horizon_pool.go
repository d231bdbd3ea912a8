package simulator

import (
	"fmt"
	"net/http"
	"time"
)

// desktopPool is a pool of virtual desktops.
type desktopPool struct {
	id, name string
	// automated pools are made of instant clones of an image; the others are
	// machines that somebody has added.
	automated bool
	vcenter   *virtualCenter
	machines  []*machine
	vtpm      bool
	// vm and snapshot are the image.
	vm       *baseVM
	snapshot *baseSnapshot
	// streamID and tagID are set when the image is the one that a tag of the
	// catalogue names.
	streamID, tagID string
	made            time.Time
}

// poolFollows tells whether a pool takes its image from a stream and, unless tag
// is empty, from that tag of it.
func (h *horizon) poolFollows(stream, tag string) bool {
	return find(h.pools, func(p *desktopPool) bool {
		return p.streamID != "" && p.streamID == stream && (tag == "" || p.tagID == tag)
	}) != nil
}

// poolReleases are the releases that brought the versions of a pool's form.
var poolReleases = []string{"", "", "", "2103", "2111", "2206", "2306", "2312", "2406", "2412", "2503", "2512"}

// The fields by which lists of pools can be filtered, and sorted from 2303 on.
var poolFields = []listField{
	{"access_group_id", byValue, neverReleased}, {"delete_in_progress", byValue, releaseSorting}, {"description", byText, releaseSorting},
	{"display_name", byText, releaseSorting}, {"enable_provisioning", byValue, releaseSorting}, {"enabled", byValue, releaseSorting},
	{"id", byValue, neverReleased}, {"image_source", byValue, releaseSorting}, {"name", byText, releaseSorting},
	{"session_type", byValue, releaseSorting}, {"source", byValue, releaseSorting}, {"stop_provisioning_on_error", "", releaseSorting},
	{"type", byValue, releaseSorting}, {"user_assignment", byValue, releaseSorting}, {"vcenter_id", byValue, neverReleased},
}

func poolRoutes() []horizonRoute {
	var routes []horizonRoute
	for i, since := range poolReleases {
		version := i + 1
		path := fmt.Sprintf("/inventory/v%d/desktop-pools", version)
		routes = append(routes,
			horizonRoute{method: http.MethodGet, path: pathOf(path), since: since,
				serve: func(rq *horizonRequest, _ []string) (horizonAnswer, *horizonError) { return rq.listPools(version) }},
			horizonRoute{method: http.MethodGet, path: pathOf(path + "/{}"), since: since, privileges: []privilege{poolView},
				serve: func(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError) {
					return rq.getPool(version, arguments[0])
				}},
		)
	}
	return routes
}

// listPools lists the pools that the caller may see, which can be none.
func (rq *horizonRequest) listPools(version int) (horizonAnswer, *horizonError) {
	rows := []map[string]any{}
	for _, p := range rq.horizon.pools {
		if rq.session.has(poolView) {
			rows = append(rows, rq.poolForm(p, version))
		}
	}
	rules := listRules{fields: poolFields}
	if version == 1 {
		rules.since = neverReleased
	}
	return rq.list(rows, rules)
}

func (rq *horizonRequest) getPool(version int, id string) (horizonAnswer, *horizonError) {
	p := find(rq.horizon.pools, func(p *desktopPool) bool { return p.id == id })
	if p == nil {
		return horizonAnswer{}, refuse(http.StatusNotFound, "inventory.desktop-pool.not.found", "Desktop pool %s does not exist.", id)
	}
	return horizonAnswer{status: http.StatusOK, body: rq.poolForm(p, version)}, nil
}

// poolForm is a pool in a version of its form, of which the first shows nothing
// of images.
func (rq *horizonRequest) poolForm(p *desktopPool, version int) map[string]any {
	kind, source := p.kind()
	out := form(version, []versioned{
		{1, "id", p.id}, {1, "name", p.name}, {1, "display_name", p.name}, {1, "enabled", true}, {1, "type", kind}, {1, "source", source},
	})
	if version == 1 {
		out["settings"] = map[string]any{"delete_in_progress": false, "session_type": "DESKTOP"}
		return out
	}
	fields := []versioned{
		{2, "access_group_id", accessGroupID}, {2, "delete_in_progress", false}, {2, "session_type", "DESKTOP"},
		{2, "user_assignment", "FLOATING"}, {2, "vcenter_id", p.vcenter.id},
		{8, "created_at", p.made.UnixMilli()}, {8, "updated_at", p.made.UnixMilli()},
		{10, "vcenter_name", p.vcenter.name}, {10, "num_sessions", 0}, {12, "num_machines", len(p.machines)}, {12, "entra_sso_enabled", false},
	}
	if p.automated {
		fields = append(fields, versioned{2, "enable_provisioning", true}, versioned{2, "stop_provisioning_on_error", true},
			versioned{2, "image_source", p.imageSource()}, versioned{2, "provisioning_settings", rq.provisioningForm(p, version)},
			versioned{2, "provisioning_status_data", map[string]any{
				"instant_clone_operation": "NONE", "instant_clone_current_image_state": "READY",
			}},
			versioned{5, "naming_method", "PATTERN"})
	}
	for name, value := range form(version, fields) {
		out[name] = value
	}
	return out
}

// kind is the type of a pool, and where its machines come from.
func (p *desktopPool) kind() (kind, source string) {
	if p.automated {
		return "AUTOMATED", "INSTANT_CLONE"
	}
	return "MANUAL", "VIRTUAL_CENTER"
}

func (p *desktopPool) imageSource() string {
	if p.streamID != "" {
		return "IMAGE_CATALOG"
	}
	return "VIRTUAL_CENTER"
}

// provisioningForm is what machines of a pool are made of.
func (rq *horizonRequest) provisioningForm(p *desktopPool, version int) map[string]any {
	fields := []versioned{
		{2, "parent_vm_id", p.vm.id}, {2, "base_snapshot_id", p.snapshot.id}, {2, "datacenter_id", p.vm.datacenter.id},
		{2, "add_virtual_tpm", p.vtpm},
		{6, "compute_profile_num_cpus", 4}, {6, "compute_profile_num_cores_per_socket", 2}, {6, "compute_profile_ram_mb", 8192},
		{10, "parent_vm_path", p.vm.path()}, {10, "snapshot_path", p.snapshot.path}, {12, "datacenter_name", p.vm.datacenter.name},
	}
	if p.streamID != "" {
		fields = append(fields, versioned{2, "im_stream_id", p.streamID}, versioned{2, "im_tag_id", p.tagID},
			versioned{10, "im_stream_name", rq.horizon.nameOf(p.streamID)}, versioned{10, "im_tag_name", rq.horizon.nameOf(p.tagID)})
	}
	return form(version, fields)
}

// nameOf is the name of an object of the catalogue.
func (h *horizon) nameOf(id string) string {
	if o := h.object(nil, id); o != nil {
		return o.values.text("name")
	}
	return ""
}
