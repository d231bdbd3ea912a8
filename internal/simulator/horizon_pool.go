package simulator

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// computeProfile is the hardware of a pool's machines.
type computeProfile struct{ cpus, coresPerSocket, ramMB int64 }

// poolImage is what machines are made of: an image, and what they get besides.
// Two of them are the same when they are equal.
type poolImage struct {
	vm       *baseVM
	snapshot *baseSnapshot
	// streamID and tagID are set when the image is the one that a tag of the
	// catalogue named when the pool got it.
	streamID, tagID string
	vtpm            bool
	profile         computeProfile
	vgpus           bool
	vgpuProfile     string
}

// poolState is what a pool runs, and what is being done about it.
type poolState struct {
	poolImage
	operation string
	pending   *pendingImage
}

// desktopPool is a pool of virtual desktops.
type desktopPool struct {
	poolState

	// sim is the pod that it belongs to.
	sim      *Simulator
	id, name string
	// automated pools are made of instant clones of an image.
	automated bool
	// fullClones pools are made of copies of a template. Pools of neither sort are
	// machines that somebody has added.
	fullClones bool
	vcenter    *virtualCenter
	group      *accessGroup
	machines   []*machine
	tasks      []*poolTask
	made       time.Time
	// renderer is who renders in three dimensions.
	renderer string

	disabled, provisioningDisabled, deleting bool
	// stopsOnError is stop_provisioning_on_error.
	stopsOnError bool
	lastError    string
	lastErrorAt  time.Time

	// stale is shown in place of the state until staleUntil: a call is answered
	// before what it does can be seen.
	stale      *poolState
	staleUntil time.Time
	// publishFailure is why the next image cannot be published, "" if it can.
	publishFailure string
	// badImages are the images that can never be published, and why.
	badImages map[*baseSnapshot]string
	// steered says that a test has set the operation, which then stays.
	steered bool
}

// accessGroup is a part of a pod with rights of its own.
type accessGroup struct {
	id string
	// rights are those that users have in it beyond those that they have in all of
	// the pod, by the names of the users.
	rights map[string][]privilege
}

// group finds an access group by its id, or makes it.
func (h *horizon) group(id string) *accessGroup {
	for _, p := range h.pools {
		if p.group != nil && p.group.id == id {
			return p.group
		}
	}
	return &accessGroup{id: id, rights: map[string][]privilege{}}
}

// may tells whether the caller has a privilege on a pool.
func (rq *horizonRequest) may(p *desktopPool, wanted privilege) bool {
	return rq.session.has(wanted) || slices.Contains(p.group.rights[rq.session.user.name], wanted)
}

// poolFor finds a pool, as it is now, for a caller who needs a privilege on it.
func (rq *horizonRequest) poolFor(id string, needed privilege) (*desktopPool, *horizonError) {
	p := find(rq.horizon.pools, func(p *desktopPool) bool { return p.id == id })
	if p == nil {
		return nil, refuse(http.StatusNotFound, "inventory.desktop-pool.not.found", "Desktop pool %s does not exist.", id)
	}
	if !rq.may(p, needed) {
		return nil, forbidden([]privilege{needed})
	}
	p.proceed()
	return p, nil
}

// poolFollows tells whether a pool takes its image from a stream and, unless tag
// is empty, from that tag of it. An image that is pending counts.
func (h *horizon) poolFollows(stream, tag string) bool {
	follows := func(i poolImage) bool {
		return i.streamID != "" && i.streamID == stream && (tag == "" || i.tagID == tag)
	}
	return slices.ContainsFunc(h.pools, func(p *desktopPool) bool {
		p.proceed()
		return follows(p.poolImage) || p.pending != nil && follows(p.pending.push.image)
	})
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
			horizonRoute{method: http.MethodGet, path: pathOf(path + "/{}"), since: since,
				serve: func(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError) {
					return rq.getPool(version, arguments[0])
				}},
		)
	}
	return slices.Concat(routes, pushRoutes(), taskRoutes())
}

// listPools lists the pools that the caller may see, which can be none.
func (rq *horizonRequest) listPools(version int) (horizonAnswer, *horizonError) {
	rows := []map[string]any{}
	for _, p := range rq.horizon.pools {
		if rq.may(p, poolView) {
			p.proceed()
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
	p, refused := rq.poolFor(id, poolView)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	return horizonAnswer{status: http.StatusOK, body: rq.poolForm(p, version)}, nil
}

// poolForm is a pool in a version of its form, of which the first shows nothing
// of images.
func (rq *horizonRequest) poolForm(p *desktopPool, version int) map[string]any {
	kind, source := p.kind()
	out := form(version, []versioned{
		{1, "id", p.id}, {1, "name", p.name}, {1, "display_name", p.name}, {1, "enabled", !p.disabled}, {1, "type", kind}, {1, "source", source},
	})
	if version == 1 {
		out["settings"] = map[string]any{"delete_in_progress": p.deleting, "session_type": "DESKTOP"}
		return out
	}
	fields := []versioned{
		{2, "access_group_id", p.group.id}, {2, "delete_in_progress", p.deleting}, {2, "session_type", "DESKTOP"},
		{2, "user_assignment", "FLOATING"}, {2, "vcenter_id", p.vcenter.id},
		{8, "created_at", p.made.UnixMilli()}, {8, "updated_at", p.made.UnixMilli()},
		{10, "vcenter_name", p.vcenter.name}, {10, "num_sessions", p.sessions()}, {12, "num_machines", len(p.machines)}, {12, "entra_sso_enabled", false},
	}
	if p.automated || p.fullClones {
		fields = append(fields, versioned{2, "enable_provisioning", !p.provisioningDisabled}, versioned{2, "stop_provisioning_on_error", p.stopsOnError},
			versioned{5, "naming_method", "PATTERN"})
	}
	switch {
	case p.automated:
		shown := p.shown()
		fields = append(fields, versioned{2, "image_source", shown.imageSource()}, versioned{2, "display_protocol_settings", p.displayForm(shown.poolImage)},
			versioned{2, "provisioning_settings", rq.provisioningForm(shown.poolImage, version)},
			versioned{2, "provisioning_status_data", rq.statusForm(p, shown, version)})
	case p.fullClones:
		fields = append(fields, versioned{2, "image_source", "VIRTUAL_CENTER"}, versioned{2, "provisioning_settings", p.templateForm()})
	}
	maps.Copy(out, form(version, fields))
	return out
}

// kind is the type of a pool, and where its machines come from.
func (p *desktopPool) kind() (kind, source string) {
	switch {
	case p.automated:
		return "AUTOMATED", "INSTANT_CLONE"
	case p.fullClones:
		return "AUTOMATED", "VIRTUAL_CENTER"
	default:
		return "MANUAL", "VIRTUAL_CENTER"
	}
}

// sessions counts those on all machines.
func (p *desktopPool) sessions() int {
	sum := 0
	for _, m := range p.machines {
		sum += m.sessions
	}
	return sum
}

// shown is the state that readers get.
func (p *desktopPool) shown() poolState {
	if p.stale != nil && p.sim.clock.now().Before(p.staleUntil) {
		return *p.stale
	}
	return p.poolState
}

// shownOperation is the operation that readers get.
func (s poolState) shownOperation(sim *Simulator) string {
	if s.operation == operationPush && s.pending != nil && s.pending.push.start.IsZero() {
		return sim.assumption(assumeImmediate)
	}
	return s.operation
}

func (i poolImage) imageSource() string {
	if i.streamID != "" {
		return "IMAGE_CATALOG"
	}
	return "VIRTUAL_CENTER"
}

// rendererVSphere is the renderer with which machines can have vGPUs.
const rendererVSphere = "MANAGE_BY_VSPHERE_CLIENT"

// displayForm shows what a pool's machines have of vGPUs, and what older releases
// cannot leave out.
func (p *desktopPool) displayForm(image poolImage) map[string]any {
	out := map[string]any{
		"renderer3d": p.renderer, "grid_vgpus_enabled": image.vgpus, "allow_users_to_choose_protocol": true, "default_display_protocol": "BLAST",
		"display_protocols": []string{"RDP", "PCOIP", "BLAST"}, "html_access_enabled": true, "session_collaboration_enabled": false, "vram_size_mb": 96,
	}
	if image.vgpuProfile != "" {
		out["vgpu_grid_profile"] = image.vgpuProfile
	}
	return out
}

// templateForm is what full clones are made of.
func (p *desktopPool) templateForm() map[string]any {
	out := map[string]any{"datacenter_id": p.vm.datacenter.id}
	if len(p.vcenter.templates) > 0 {
		out["vm_template_id"] = p.vcenter.templates[0].id
	}
	return out
}

// resolved tells whether the VM and the snapshot of an image are shown: always
// but, by an assumption, when it comes from the catalogue.
func (rq *horizonRequest) resolved(i poolImage) bool {
	return i.streamID == "" || rq.sim.assumption(assumeCatalogueImage) == "shown"
}

// provisioningForm is what machines of a pool are made of.
func (rq *horizonRequest) provisioningForm(i poolImage, version int) map[string]any {
	fields := []versioned{
		{2, "datacenter_id", i.vm.datacenter.id}, {2, "add_virtual_tpm", i.vtpm},
		{6, "compute_profile_num_cpus", i.profile.cpus}, {6, "compute_profile_num_cores_per_socket", i.profile.coresPerSocket},
		{6, "compute_profile_ram_mb", i.profile.ramMB}, {12, "datacenter_name", i.vm.datacenter.name},
	}
	if rq.resolved(i) {
		fields = append(fields, versioned{2, "parent_vm_id", i.vm.id}, versioned{2, "base_snapshot_id", i.snapshot.id},
			versioned{10, "parent_vm_path", i.vm.path()}, versioned{10, "snapshot_path", i.snapshot.path})
	}
	if i.streamID != "" {
		fields = append(fields, versioned{2, "im_stream_id", i.streamID}, versioned{2, "im_tag_id", i.tagID},
			versioned{10, "im_stream_name", rq.horizon.nameOf(i.streamID)}, versioned{10, "im_tag_name", rq.horizon.nameOf(i.tagID)})
	}
	return form(version, fields)
}

// statusForm is how far the operation on a pool's image is. What belongs to
// a pending image is not there without one.
func (rq *horizonRequest) statusForm(p *desktopPool, shown poolState, version int) map[string]any {
	operation := shown.shownOperation(rq.sim)
	fields := []versioned{{2, "instant_clone_operation", operation}, {2, "instant_clone_current_image_state", "READY"}}
	if p.lastError != "" {
		fields = append(fields, versioned{2, "last_provisioning_error", p.lastError})
	}
	if !p.lastErrorAt.IsZero() {
		fields = append(fields, versioned{2, "last_provisioning_error_time", p.lastErrorAt.UnixMilli()})
	}
	if shown.pending == nil {
		return form(version, fields)
	}
	pending, image := shown.pending, shown.pending.push.image
	fields = append(fields, versioned{2, "instant_clone_pending_image_state", pending.state},
		versioned{2, "instant_clone_pending_image_progress", pending.progress(rq.sim.clock.now())},
		versioned{6, "pending_compute_profile_num_cpus", image.profile.cpus},
		versioned{6, "pending_compute_profile_num_cores_per_socket", image.profile.coresPerSocket},
		versioned{6, "pending_compute_profile_ram_mb", image.profile.ramMB})
	if rq.resolved(image) {
		fields = append(fields, versioned{2, "instant_clone_pending_image_parent_vm_id", image.vm.id},
			versioned{2, "instant_clone_pending_image_snapshot_id", image.snapshot.id},
			versioned{12, "instant_clone_pending_image_parent_vm_path", image.vm.path()},
			versioned{12, "instant_clone_pending_image_snapshot_path", image.snapshot.path})
	}
	if image.streamID != "" {
		fields = append(fields, versioned{2, "instant_clone_pending_im_stream_id", image.streamID}, versioned{2, "instant_clone_pending_im_tag_id", image.tagID},
			versioned{12, "instant_clone_pending_im_stream_name", rq.horizon.nameOf(image.streamID)},
			versioned{12, "instant_clone_pending_im_tag_name", rq.horizon.nameOf(image.tagID)})
	}
	if pending.failure != "" {
		fields = append(fields, versioned{2, "instant_clone_pending_image_error", pending.failure})
	}
	if operation == operationPush {
		fields = append(fields, versioned{2, "instant_clone_push_image_settings", pending.push.settingsForm()})
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
