package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// The states of the task of a machine, as its managed_machine_data calls them.
const (
	vmScheduled   = "SCHEDULED"
	vmProgressing = "PROGRESSING"
	vmHolding     = "HOLDING"
	vmFault       = "FAULT"
	vmCancelled   = "CANCELLING"
	vmCompleted   = "COMPLETED"
)

// startable are the states from which a machine can still be made anew.
var startable = []string{vmScheduled, vmHolding, vmFault}

// How fast machines are made anew.
const (
	cloneTime    = 2 * time.Minute
	clonesAtOnce = 2
)

// vmTask is what a task does to one machine.
type vmTask struct {
	machine *machine
	state   string
	// until is when a machine in progress is done.
	until time.Time
}

// poolTask brings an image to machines of a pool.
type poolTask struct {
	id          string
	push        *imagePush
	logoff      string
	stopOnError bool
	scheduled   time.Time
	// begun is false while the time of a push has not come.
	begun bool
	vms   []*vmTask
}

func newTask(push *imagePush, machines []*machine, logoff string, at time.Time) *poolTask {
	t := &poolTask{id: newUUID(), push: push, logoff: logoff, stopOnError: push.stopOnError, scheduled: at}
	for _, m := range machines {
		t.vms = append(t.vms, &vmTask{machine: m, state: vmScheduled})
	}
	return t
}

// count counts the machines of a task in any of some states.
func (t *poolTask) count(states ...string) int {
	sum := 0
	for _, vm := range t.vms {
		if slices.Contains(states, vm.state) {
			sum++
		}
	}
	return sum
}

// move puts the machines that are in a state into another.
func (t *poolTask) move(from, to string) {
	for _, vm := range t.vms {
		if vm.state == from {
			vm.state = to
		}
	}
}

// cancel ends a task for the machines that are not in progress.
func (t *poolTask) cancel() {
	for _, state := range startable {
		t.move(state, vmCancelled)
	}
}

// open tells whether something is left to do, by itself or by a resumption.
func (t *poolTask) open() bool { return t.count(startable...)+t.count(vmProgressing) > 0 }

// drop forgets tasks.
func (p *desktopPool) drop(which func(*poolTask) bool) {
	p.tasks = slices.DeleteFunc(p.tasks, which)
}

// give begins a task. It takes the place of what other tasks were to do to its
// machines; what is in progress goes on, and comes first.
func (p *desktopPool) give(task *poolTask) {
	for _, other := range p.tasks {
		other.vms = slices.DeleteFunc(other.vms, func(vm *vmTask) bool {
			return slices.Contains(startable, vm.state) && task.has(vm.machine, vmScheduled)
		})
		task.vms = slices.DeleteFunc(task.vms, func(vm *vmTask) bool { return other.push == task.push && other.has(vm.machine, vmProgressing) })
	}
	task.begun = true
	p.tasks = append(p.tasks, task)
}

// has tells whether a machine of a task is in a state.
func (t *poolTask) has(m *machine, state string) bool {
	return slices.ContainsFunc(t.vms, func(vm *vmTask) bool { return vm.machine == m && vm.state == state })
}

// work is the task that a machine is part of, nil if there is none: that in
// progress, else the last one that is not at its end.
func (p *desktopPool) work(m *machine) (*poolTask, *vmTask) {
	var task *poolTask
	var work *vmTask
	for _, t := range p.tasks {
		for _, vm := range t.vms {
			ended := vm.state == vmCompleted || vm.state == vmCancelled
			if vm.machine == m && !ended && (work == nil || work.state != vmProgressing) {
				task, work = t, vm
			}
		}
	}
	return task, work
}

// dispatch begins what can be begun, and forgets tasks that are at their end.
func (p *desktopPool) dispatch(at time.Time) {
	busy := 0
	for _, t := range p.tasks {
		busy += t.count(vmProgressing)
	}
	for _, t := range p.tasks {
		for _, vm := range t.vms {
			if busy < clonesAtOnce && vm.state == vmScheduled && p.canStart(t, vm.machine) {
				vm.state, vm.until, vm.machine.sessions = vmProgressing, at.Add(cloneTime), 0
				vm.machine.cloneError = ""
				busy++
			}
		}
	}
	p.drop(func(t *poolTask) bool { return !t.open() })
}

// canStart tells whether a machine can be made anew now. One with sessions waits
// for their end, unless the task ends them.
func (p *desktopPool) canStart(t *poolTask, m *machine) bool {
	_, work := p.work(m)
	busy := work != nil && work.state == vmProgressing
	return t.begun && !p.provisioningDisabled && m.touchable() && !busy && (m.sessions == 0 || t.logoff == forceLogoff)
}

// finishClone ends the making of a machine. Where it fails, a task that stops on
// errors holds what it has not begun.
func (p *desktopPool) finishClone(t *poolTask, vm *vmTask, at time.Time) {
	m := vm.machine
	if m.failure != "" {
		vm.state = vmFault
		m.cloneError, m.cloneErrorAt, m.failure = m.failure, at, ""
		p.recordError(m.name+": "+m.cloneError, at)
		if t.stopOnError {
			t.move(vmScheduled, vmHolding)
		}
		return
	}
	vm.state = vmCompleted
	m.image, m.push, m.made = t.push.image, t.push, at
	p.vcenter.last++
	m.moid = fmt.Sprintf("vm-%d", 1_000_000+p.vcenter.last)
	if p.sim.assumption(assumeMachineIDs) == "new" {
		m.id = newUUID()
	}
}

func taskRoutes() []horizonRoute {
	tasks := "/inventory/v1/desktop-pools/{}/tasks"
	action := func(name, since string, act func(*horizonRequest, *desktopPool, *poolTask) (func(), *horizonError)) horizonRoute {
		return horizonRoute{method: http.MethodPost, path: pathOf(tasks + "/{}/action/" + name), since: since, writes: true,
			serve: func(rq *horizonRequest, arguments []string) (horizonAnswer, *horizonError) {
				return rq.actOnTask(arguments, act)
			}}
	}
	return []horizonRoute{
		{method: http.MethodGet, path: pathOf(tasks), serve: (*horizonRequest).listTasks},
		{method: http.MethodGet, path: pathOf(tasks + "/{}"), serve: (*horizonRequest).getTask},
		action("cancel", "", (*horizonRequest).cancelTask),
		action("pause", releaseTasks, (*horizonRequest).pauseTask),
		action("resume", releaseTasks, (*horizonRequest).resumeTask),
	}
}

func (rq *horizonRequest) listTasks(arguments []string) (horizonAnswer, *horizonError) {
	p, refused := rq.poolFor(arguments[0], poolView)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	rows := make([]map[string]any, len(p.tasks))
	for i, t := range p.tasks {
		rows[i] = t.form()
	}
	return horizonAnswer{status: http.StatusOK, body: rows}, nil
}

func (rq *horizonRequest) getTask(arguments []string) (horizonAnswer, *horizonError) {
	p, refused := rq.poolFor(arguments[0], poolView)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	t, refused := p.task(arguments[1])
	if refused != nil {
		return horizonAnswer{}, refused
	}
	return horizonAnswer{status: http.StatusOK, body: t.form()}, nil
}

func (p *desktopPool) task(id string) (*poolTask, *horizonError) {
	t := find(p.tasks, func(t *poolTask) bool { return t.id == id })
	if t == nil {
		return nil, refuse(http.StatusNotFound, "inventory.desktop-pool.task.not.found", "Task %s does not exist.", id)
	}
	return t, nil
}

// form shows a task, which has counts and no state.
func (t *poolTask) form() map[string]any {
	return map[string]any{
		"id": t.id, "operation": "PUSH_IMAGE", "schedule_time": t.scheduled.UnixMilli(),
		"description":            fmt.Sprintf("Changing %d user(s) to image %s - %s.", len(t.vms), t.push.image.vm.path(), t.push.image.snapshot.path),
		"remaining_vmtask_count": t.count(vmScheduled, vmProgressing), "error_vmtask_count": t.count(vmFault),
		"halted_vmtask_count": t.count(vmHolding), "cancelled_vmtask_count": t.count(vmCancelled),
	}
}

// actOnTask carries out what a request asks of a task, which has to have begun.
func (rq *horizonRequest) actOnTask(arguments []string, act func(*horizonRequest, *desktopPool, *poolTask) (func(), *horizonError)) (horizonAnswer, *horizonError) {
	p, refused := rq.poolFor(arguments[0], poolImageManagement)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	t, refused := p.task(arguments[1])
	if refused != nil {
		return horizonAnswer{}, refused
	}
	if !t.begun {
		return horizonAnswer{}, invalid("inventory.desktop-pool.task.not.begun", "Task %s has not begun.", t.id)
	}
	effect, refused := act(rq, p, t)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	if rq.write == writeStored {
		effect()
		p.dispatch(rq.sim.clock.now())
	}
	return horizonAnswer{status: http.StatusNoContent}, nil
}

func (rq *horizonRequest) cancelTask(_ *desktopPool, t *poolTask) (func(), *horizonError) {
	if t.count(startable...) == 0 {
		return nil, invalid("inventory.desktop-pool.task.not.cancellable", "Task %s has nothing left to cancel.", t.id)
	}
	return t.cancel, nil
}

func (rq *horizonRequest) pauseTask(_ *desktopPool, t *poolTask) (func(), *horizonError) {
	if t.count(vmScheduled) == 0 {
		return nil, invalid("inventory.desktop-pool.task.not.running", "Task %s has nothing left to pause.", t.id)
	}
	return func() { t.move(vmScheduled, vmHolding) }, nil
}

var resumeFields = []pushField{{"retry_failed_vms", 1, asFlag}, {"stop_on_error", 1, asFlag}}

// resumeTask lets a task go on that was paused, or halted by an error. Without
// a body it goes on as with an empty one.
func (rq *horizonRequest) resumeTask(_ *desktopPool, t *poolTask) (func(), *horizonError) {
	values := horizonValues{}
	if len(rq.body) > 0 {
		var refused *horizonError
		if values, refused = rq.readFields(resumeFields, 1); refused != nil {
			return nil, refused
		}
	}
	if t.count(vmHolding, vmFault) == 0 {
		return nil, invalid("inventory.desktop-pool.task.not.halted", "Task %s is not halted.", t.id)
	}
	return func() {
		t.stopOnError = values.flag("stop_on_error", true)
		t.move(vmHolding, vmScheduled)
		if values.flag("retry_failed_vms", false) {
			t.move(vmFault, vmScheduled)
		}
	}, nil
}
