package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// poolImageManagement is the privilege to change the image of a pool.
const poolImageManagement privilege = "POOL_SVI_IMAGE_MANAGEMENT"

const (
	// releaseTasks is the first whose tasks can be paused and resumed.
	releaseTasks = "2111"
	// releaseSelective is the first that can hold an image.
	releaseSelective = "2206"
)

// pushReleases are the releases that brought the versions of the push.
var pushReleases = []string{"", releaseSelective, "2512"}

func pushRoutes() []horizonRoute {
	action := func(version int, name, since string, act poolAction) horizonRoute {
		return horizonRoute{
			method: http.MethodPost, path: pathOf(fmt.Sprintf("/inventory/v%d/desktop-pools/{}/action/%s", version, name)), since: since, writes: true,
			serve: func(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError) {
				return rq.actOnPool(arguments[0], act)
			},
		}
	}
	routes := []horizonRoute{
		action(1, "cancel-scheduled-push-image", "", (*horizonRequest).cancelPush),
		action(1, "promote-pending-image", releaseSelective, (*horizonRequest).promotePending),
		action(1, "apply-image", releaseSelective, (*horizonRequest).applyImage),
	}
	for i, since := range pushReleases {
		routes = append(routes, action(i+1, "schedule-push-image", since, func(rq *horizonRequest, p *desktopPool) (poolEffect, *horizonError) {
			return rq.schedulePush(p, i+1)
		}))
	}
	return routes
}

// poolAction checks a request about the image of a pool.
type poolAction func(rq *horizonRequest, p *desktopPool) (poolEffect, *horizonError)

// poolEffect is what an accepted request is answered with, and does. A nil body
// means none.
type poolEffect struct {
	answer []any
	carry  func(at time.Time)
	// hidden effects are not seen at once.
	hidden bool
}

func (rq *horizonRequest) actOnPool(id string, act poolAction) (horizonAnswer, *horizonError) {
	p, refused := rq.poolFor(id, poolImageManagement)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	effect, refused := act(rq, p)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	if rq.write == writeStored && effect.carry != nil {
		now, before := rq.sim.clock.now(), p.seen()
		effect.carry(now)
		p.dispatch(now)
		if effect.hidden {
			p.hide(before, now)
		}
	}
	if effect.answer == nil {
		return horizonAnswer{status: http.StatusNoContent}, nil
	}
	return horizonAnswer{status: http.StatusOK, body: effect.answer}, nil
}

// usable refuses what has no image that could be changed.
func (p *desktopPool) usable() *horizonError {
	switch {
	case !p.automated:
		return invalid("inventory.desktop-pool.not.instant.clone", "Desktop pool %s is not an automated pool of instant clones.", p.id)
	case p.deleting:
		return invalid("inventory.desktop-pool.delete.in.progress", "Desktop pool %s is being deleted.", p.id)
	}
	return nil
}

func (p *desktopPool) inState(state string) bool { return p.pending != nil && p.pending.state == state }

// unable is the objection of a pool's state to a request.
func (p *desktopPool) unable(what string) *horizonError {
	state := "no pending image"
	if p.pending != nil {
		state = "a pending image in state " + p.pending.state
	}
	return invalid("inventory.desktop-pool.invalid.state", "Unable to %s: desktop pool %s has operation %s and %s.", what, p.id, p.operation, state)
}

// schedulePush begins a push, or moves one whose time has not come to another
// time. Nothing else can be changed on the way.
func (rq *horizonRequest) schedulePush(p *desktopPool, version int) (poolEffect, *horizonError) {
	values, refused := rq.readFields(pushFields, version)
	if refused != nil {
		return poolEffect{}, refused
	}
	if refused := p.usable(); refused != nil {
		return poolEffect{}, refused
	}
	now := rq.sim.clock.now()
	moved := p.waits(now)
	if !moved && (p.operation != operationNone || p.pending != nil && p.pending.state != pendingFailed) {
		return poolEffect{}, p.unable("schedule the push of an image")
	}
	push, problems := rq.newPush(p, values, version)
	items, refused := rq.choose(p, push)
	if refused != nil {
		problems = append(problems, refused.messages...)
	}
	if len(problems) > 0 {
		return poolEffect{}, &horizonError{http.StatusBadRequest, problems}
	}
	effect := poolEffect{hidden: true}
	if version > 1 {
		effect.answer = items
	}
	switch same := rq.sim.assumption(assumeSameImage); {
	case moved && !push.sameAs(p.pending.push):
		return poolEffect{}, invalid("inventory.desktop-pool.reschedule.differs",
			"Unable to reschedule the push of an image: only the start time can differ from the scheduled push.")
	case moved:
		effect.carry = func(at time.Time) { p.reschedule(push.start, at) }
	case push.image == p.poolImage && same == "refused":
		return poolEffect{}, invalid("inventory.desktop-pool.image.unchanged", "Desktop pool %s has this image already.", p.id)
	case push.image == p.poolImage && same == "no-op":
	default:
		effect.carry = func(at time.Time) { p.begin(push, at) }
	}
	return effect, nil
}

// reschedule moves a push to another time, which is now if it is past.
func (p *desktopPool) reschedule(start, at time.Time) {
	push := *p.pending.push
	push.start = start
	p.pending.push = &push
	p.drop(func(t *poolTask) bool { return !t.begun })
	switch {
	case p.pending.state != pendingReady:
	case start.After(at):
		p.await(start)
	default:
		p.trigger(at)
	}
}

// newPush makes a push of the fields of a request, and says all that is wrong
// with them.
func (rq *horizonRequest) newPush(p *desktopPool, values horizonValues, version int) (*imagePush, []horizonMessage) {
	image, problems := rq.newImage(p, values)
	object := func(key, format string, args ...any) { problems = append(problems, message(key, format, args...)) }
	push := &imagePush{
		image: image, logoff: values.text("logoff_policy"), stopOnError: values.flag("stop_on_first_error", true),
		selective: values.flag("selective_push_image", false), asked: values.set("machine_ids"),
	}
	if start := values.whole("start_time", 0); start != 0 && time.UnixMilli(start).After(rq.sim.clock.now()) {
		push.start = time.UnixMilli(start).UTC()
	}
	if push.logoff == "" {
		object("common.field.required", "Field logoff_policy is required.")
	}
	if len(push.asked) > 0 && !push.selective {
		object("inventory.desktop-pool.machines.not.selective", "machine_ids can be set only if selective_push_image is true.")
	}
	// The documented default drops the device from a pool that has it.
	push.image.vtpm = values.flag("add_virtual_tpm", false)
	var wrong string
	if push.image.profile, wrong = p.newProfile(values); wrong != "" {
		object("inventory.desktop-pool.compute-profile.invalid", "%s", wrong)
	}
	push.image.vgpus, push.image.vgpuProfile = p.vgpus, p.vgpuProfile
	if version >= 3 {
		push.image.vgpus, push.image.vgpuProfile = values.flag("grid_vgpus_enabled", false), values.text("vgpu_grid_profile")
	}
	if push.image.vgpus && p.renderer != rendererVSphere {
		object("inventory.desktop-pool.vgpu.renderer", "grid_vgpus_enabled can be true only if 3D rendering is managed by the vSphere Client.")
	}
	return push, problems
}

// newProfile is the hardware that a request asks for. What it leaves out stays.
func (p *desktopPool) newProfile(values horizonValues) (computeProfile, string) {
	out := computeProfile{
		cpus:           values.whole("compute_profile_num_cpus", p.profile.cpus),
		coresPerSocket: values.whole("compute_profile_num_cores_per_socket", p.profile.coresPerSocket),
		ramMB:          values.whole("compute_profile_ram_mb", p.profile.ramMB),
	}
	switch {
	case values["compute_profile_num_cores_per_socket"] != nil && (values["compute_profile_num_cpus"] == nil || values["compute_profile_ram_mb"] == nil):
		return out, "compute_profile_num_cores_per_socket needs compute_profile_num_cpus and compute_profile_ram_mb."
	case out.cpus%out.coresPerSocket != 0:
		return out, "compute_profile_num_cpus must be a multiple of compute_profile_num_cores_per_socket."
	}
	return out, ""
}

// newImage finds the image that a request names: by VM and snapshot, or by stream
// and tag, of one of the two both.
func (rq *horizonRequest) newImage(p *desktopPool, values horizonValues) (poolImage, []horizonMessage) {
	given := func(name string) bool { return values.text(name) != "" }
	vm, snapshot, stream, tag := given("parent_vm_id"), given("snapshot_id"), given("im_stream_id"), given("im_tag_id")
	image := poolImage{}
	var wrong []horizonMessage
	switch {
	case vm && snapshot && !stream && !tag:
		image, wrong = rq.namedImage(p, values.text("parent_vm_id"), values.text("snapshot_id"))
	case stream && tag && !vm && !snapshot:
		image, wrong = rq.catalogueImage(p, values.text("im_stream_id"), values.text("im_tag_id"))
	default:
		wrong = []horizonMessage{message("inventory.desktop-pool.image.incomplete",
			"Either parent_vm_id and snapshot_id or im_stream_id and im_tag_id must be set.")}
	}
	if len(wrong) == 0 && image.vm.datacenter != p.vm.datacenter {
		wrong = []horizonMessage{message("inventory.desktop-pool.image.datacenter", "Base VM %s is not in the datacenter of the image of the desktop pool.", image.vm.id)}
	}
	return image, wrong
}

func (rq *horizonRequest) namedImage(p *desktopPool, vmID, snapshotID string) (poolImage, []horizonMessage) {
	vm := p.vcenter.vm(vmID)
	if vm == nil {
		return poolImage{}, []horizonMessage{message("external.base-vm.not.found", "Base VM %s does not exist.", vmID)}
	}
	snapshot := vm.snapshot(snapshotID)
	if snapshot == nil {
		return poolImage{}, []horizonMessage{message("external.base-snapshot.not.found", "Base snapshot %s is not a snapshot of base VM %s.", snapshotID, vmID)}
	}
	return poolImage{vm: vm, snapshot: snapshot}, nil
}

// catalogueImage follows a tag to the image that the catalogue has for instant
// clones of desktops in the vCenter of a pool.
func (rq *horizonRequest) catalogueImage(p *desktopPool, streamID, tagID string) (poolImage, []horizonMessage) {
	h := rq.horizon
	if problems := slices.Concat(h.missing(streamKind, streamID), h.missing(tagKind, tagID)); len(problems) > 0 {
		return poolImage{}, problems
	}
	tag := h.object(tagKind, tagID)
	if tag.values.text("im_stream_id") != streamID {
		return poolImage{}, []horizonMessage{message("config.im-tag.stream.mismatch", "Image management tag %s is not a tag of image management stream %s.", tagID, streamID)}
	}
	for _, asset := range h.within(assetKind, "im_version_id", tag.values.text("im_version_id")) {
		v := asset.values
		if v.text("vcenter_id") != p.vcenter.id || v.text("clone_type") != "INSTANT_CLONE" || v.text("image_type") != "VDI_DESKTOP" || v.text("status") != statusAvailable {
			continue
		}
		image, problems := rq.namedImage(p, v.text("base_vm_id"), v.text("base_snapshot_id"))
		image.streamID, image.tagID = streamID, tagID
		return image, problems
	}
	return poolImage{}, []horizonMessage{message("config.im-asset.not.available",
		"Image management tag %s leads to no available image for instant-clone desktops in Virtual Center %s.", tagID, p.vcenter.id)}
}

// choose finds the machines of a selective push. The result is what a push
// answers: of a selective one an item for each machine, of another what is assumed.
func (rq *horizonRequest) choose(p *desktopPool, push *imagePush) ([]any, *horizonError) {
	items := []any{}
	done := func(id string) { items = append(items, rq.itemResult(id, nil)) }
	for _, id := range push.asked {
		m, missing := p.machine(id)
		switch {
		case missing == nil:
			push.chosen = append(push.chosen, m)
			done(id)
		case rq.sim.assumption(assumePushMachines) == "refused":
			return nil, missing
		default:
			items = append(items, rq.itemResult(id, missing))
		}
	}
	if push.selective {
		return items, nil
	}
	switch rq.sim.assumption(assumePushAnswer) {
	case "pool":
		done(p.id)
	case "machines":
		for _, m := range p.machines {
			done(m.id)
		}
	}
	return items, nil
}

// machine finds a machine of a pool by Horizon's id.
func (p *desktopPool) machine(id string) (*machine, *horizonError) {
	m := find(p.machines, func(m *machine) bool { return m.id == id })
	if m == nil {
		return nil, refuse(http.StatusNotFound, "inventory.machine.not.found", "Machine %s does not exist in desktop pool %s.", id, p.id)
	}
	return m, nil
}

// itemResult is the result for one object of an action.
func (rq *horizonRequest) itemResult(id string, refused *horizonError) map[string]any {
	item := rq.bulkResult(id, refused)
	item["id"] = id
	if refused == nil {
		item["status_code"] = http.StatusOK
	}
	return item
}

// cancelPush takes back an image whose time has not come, or, by what clients do,
// one that is held.
func (rq *horizonRequest) cancelPush(p *desktopPool) (poolEffect, *horizonError) {
	if refused := p.usable(); refused != nil {
		return poolEffect{}, refused
	}
	unable := p.unable("cancel the push of an image")
	switch waits := p.waits(rq.sim.clock.now()); {
	case p.operation == operationNone && p.inState(pendingHeld):
		if rq.sim.assumption(assumeCancelHeld) == "refused" {
			return poolEffect{}, unable
		}
		if rq.sim.assumption(assumeCancelCanaries) == "refused" && len(p.canaries()) > 0 {
			return poolEffect{}, invalid("inventory.desktop-pool.pending.image.in.use", "The pending image of desktop pool %s is in use by machines.", p.id)
		}
	case p.operation != operationPush || p.pending == nil || p.inState(pendingFailed) || p.inState(pendingUnpublishing):
		return poolEffect{}, unable
	case !waits && rq.sim.assumption(assumeCancelTriggered) == "refused":
		return poolEffect{}, unable
	}
	return poolEffect{carry: p.cancel, hidden: true}, nil
}

// promotePending makes a held image that of the pool.
func (rq *horizonRequest) promotePending(p *desktopPool) (poolEffect, *horizonError) {
	if refused := p.usable(); refused != nil {
		return poolEffect{}, refused
	}
	if p.operation != operationNone || !p.inState(pendingHeld) {
		return poolEffect{}, p.unable("promote the pending image")
	}
	return poolEffect{carry: p.promote, hidden: true}, nil
}

// applyImage makes machines anew: with the held image if the request asks for
// the pending one, else with that of the pool.
func (rq *horizonRequest) applyImage(p *desktopPool) (poolEffect, *horizonError) {
	body, refused := rq.decodeBody()
	if refused != nil {
		return poolEffect{}, refused
	}
	ids, why := asSet(body)
	if why != "" {
		return poolEffect{}, errNotMapped(why)
	}
	asked := horizonValues{"ids": ids}.set("ids")
	if len(asked) == 0 {
		return poolEffect{}, invalid("common.field.required", "At least one machine is required.")
	}
	which := rq.query.Get("pending_image")
	if which != "" && which != "true" && which != "false" {
		return poolEffect{}, invalid("common.parameter.invalid", "Parameter pending_image is not valid.")
	}
	if refused := p.usable(); refused != nil {
		return poolEffect{}, refused
	}
	if p.operation != operationNone || which == "true" && !p.inState(pendingHeld) {
		return poolEffect{}, p.unable("apply the image")
	}
	items := []any{}
	var chosen []*machine
	for _, id := range asked {
		m, refused := p.machine(id)
		if refused == nil {
			refused = rq.unappliable(m)
		}
		if refused == nil {
			chosen = append(chosen, m)
		}
		items = append(items, rq.itemResult(id, refused))
	}
	push := &imagePush{image: p.poolImage, stopOnError: true}
	if which == "true" {
		push = p.pending.push
	}
	logoff := waitForLogoff
	if rq.sim.assumption(assumeApplySessions) == "logged-off" {
		logoff = forceLogoff
	}
	return poolEffect{answer: items, carry: func(at time.Time) { p.give(newTask(push, chosen, logoff, at)) }}, nil
}

// unappliable says why a machine cannot be made anew by itself.
func (rq *horizonRequest) unappliable(m *machine) *horizonError {
	switch {
	case !m.touchable():
		return invalid("inventory.machine.invalid.state", "Machine %s cannot get an image in its state.", m.id)
	case m.sessions > 0 && rq.sim.assumption(assumeApplySessions) == "refused":
		return invalid("inventory.machine.session", "Machine %s has a session.", m.id)
	}
	return nil
}
