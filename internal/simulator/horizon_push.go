package simulator

import (
	"slices"
	"time"
)

// The operations on the image of a pool that the simulator begins itself.
const (
	operationNone   = "NONE"
	operationPush   = "SCHEDULE_PUSH_IMAGE"
	operationCancel = "CANCEL_SCHEDULED_PUSH_IMAGE"
)

// The states of a pending image.
const (
	pendingPublish      = "PENDING_PUBLISH"
	pendingPublishing   = "PUBLISHING"
	pendingReady        = "READY"
	pendingHeld         = "READY_HELD"
	pendingFailed       = "FAILED"
	pendingUnpublishing = "UNPUBLISHING"
)

// How long what is done about an image takes.
const (
	// publishQueued is how long an image waits to be published.
	publishQueued = time.Minute
	// publishTime is how long it is then published.
	publishTime = 9 * time.Minute
	// publishFails is how long it is published when it fails.
	publishFails = 5 * time.Minute
	// failedTime is how long the push of an image that failed goes on.
	failedTime = time.Minute
	// unpublishTime is how long an image is taken back.
	unpublishTime = 2 * time.Minute
)

// What becomes of machines with sessions.
const (
	forceLogoff   = "FORCE_LOGOFF"
	waitForLogoff = "WAIT_FOR_LOGOFF"
)

// imagePush is a request to bring an image to the machines of a pool.
type imagePush struct {
	image       poolImage
	logoff      string
	stopOnError bool
	// start is when the machines are to get it; zero means at once.
	start time.Time
	// selective pushes hold the image, and bring it to the chosen machines alone.
	selective bool
	chosen    []*machine
	// asked are the ids in the request, in the order of the alphabet.
	asked []string
}

// sameAs tells whether two requests differ in nothing but the time.
func (push *imagePush) sameAs(other *imagePush) bool {
	return push.image == other.image && push.logoff == other.logoff && push.stopOnError == other.stopOnError &&
		push.selective == other.selective && slices.Equal(push.asked, other.asked)
}

// settingsForm shows what a reader gets of a push. A push that begins at once
// has no time.
func (push *imagePush) settingsForm() map[string]any {
	out := map[string]any{"add_virtual_tpm": push.image.vtpm, "logoff_policy": push.logoff, "stop_on_first_error": push.stopOnError}
	if !push.start.IsZero() {
		out["start_time"] = push.start.UnixMilli()
	}
	return out
}

// pendingImage is an image on its way to a pool.
type pendingImage struct {
	push  *imagePush
	state string
	// since is when it got into the state.
	since   time.Time
	failure string
}

func (i *pendingImage) enter(state string, at time.Time) { i.state, i.since = state, at }

// progress is how much of the image is published, in percent.
func (i *pendingImage) progress(now time.Time) int {
	switch i.state {
	case pendingReady, pendingHeld:
		return 100
	case pendingPublishing:
		return int(min(99, 100*now.Sub(i.since)/publishTime))
	default:
		return 0
	}
}

// waits tells whether a push has a time that has not come.
func (p *desktopPool) waits(now time.Time) bool {
	return p.operation == operationPush && p.pending != nil && p.pending.push.start.After(now)
}

// proceed lets what is being done about a pool go on up to now.
func (p *desktopPool) proceed() {
	now := p.sim.clock.now()
	for {
		at, step := p.nextStep()
		if step == nil || at.After(now) {
			return
		}
		step(at)
		p.dispatch(at)
	}
}

// nextStep is what happens next to the image or to a machine of a pool, and when.
// Without anything under way it is nil.
func (p *desktopPool) nextStep() (time.Time, func(time.Time)) {
	at, step := p.nextImageStep()
	for _, task := range p.tasks {
		for _, vm := range task.vms {
			if vm.state == vmProgressing && (step == nil || vm.until.Before(at)) {
				at, step = vm.until, func(at time.Time) { p.finishClone(task, vm, at) }
			}
		}
	}
	return at, step
}

func (p *desktopPool) nextImageStep() (time.Time, func(time.Time)) {
	i := p.pending
	if i == nil || p.steered {
		return time.Time{}, nil
	}
	switch {
	case i.state == pendingPublish:
		return i.since.Add(publishQueued), func(at time.Time) { i.enter(pendingPublishing, at) }
	case i.state == pendingPublishing && p.failureOf(i.push.image) != "":
		return i.since.Add(publishFails), p.failPublish
	case i.state == pendingPublishing:
		return i.since.Add(publishTime), p.published
	case i.state == pendingReady:
		return later(i.since, i.push.start), p.trigger
	case i.state == pendingFailed && p.operation == operationPush:
		return i.since.Add(failedTime), p.endFailed
	case i.state == pendingUnpublishing:
		return i.since.Add(unpublishTime), func(time.Time) { p.operation, p.pending = operationNone, nil }
	default:
		return time.Time{}, nil
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// failureOf is why an image cannot be published in a pool, "" if it can.
func (p *desktopPool) failureOf(image poolImage) string {
	if p.publishFailure != "" {
		return p.publishFailure
	}
	return p.badImages[image.snapshot]
}

// begin begins a push, whatever there was before.
func (p *desktopPool) begin(push *imagePush, at time.Time) {
	p.drop(func(t *poolTask) bool { return !t.begun })
	p.operation, p.steered = operationPush, false
	p.pending = &pendingImage{push: push, state: pendingPublish, since: at}
}

// published ends the publishing.
func (p *desktopPool) published(at time.Time) {
	// The time of the last error stays when the error itself has been overcome.
	p.lastError = ""
	p.pending.enter(pendingReady, at)
	if start := p.pending.push.start; start.After(at) {
		p.await(start)
	}
}

// await lets a published image wait for its time, together with the task that
// will bring it to the machines.
func (p *desktopPool) await(start time.Time) {
	push, from := p.pending.push, p.machines
	if push.selective {
		from = push.chosen
	}
	p.tasks = append(p.tasks, newTask(push, p.targets(push, from), push.logoff, start))
}

// trigger brings a published image to the machines: to all, as the image of the
// pool, or of a selective push to the chosen ones while the pool keeps its own.
func (p *desktopPool) trigger(at time.Time) {
	push := p.pending.push
	p.operation = operationNone
	p.drop(func(t *poolTask) bool { return !t.begun })
	if push.selective {
		p.pending.enter(pendingHeld, at)
		p.give(newTask(push, p.targets(push, push.chosen), push.logoff, at))
		return
	}
	p.promote(at)
}

// promote makes the pending image that of the pool, and of all its machines.
func (p *desktopPool) promote(at time.Time) {
	push := p.pending.push
	p.poolImage, p.pending, p.operation, p.steered = push.image, nil, operationNone, false
	p.give(newTask(push, p.targets(push, p.machines), push.logoff, at))
}

// targets are those of some machines that a push is for. Those that run its very
// image since it was held are left, those that no push touches, and those that
// have been removed since they were chosen.
func (p *desktopPool) targets(push *imagePush, from []*machine) []*machine {
	return slices.DeleteFunc(slices.Clone(from), func(m *machine) bool {
		return !m.touchable() || m.push == push || !slices.Contains(p.machines, m)
	})
}

// failPublish ends the publishing with an error.
func (p *desktopPool) failPublish(at time.Time) {
	p.pending.failure = p.failureOf(p.pending.push.image)
	p.publishFailure = ""
	p.pending.enter(pendingFailed, at)
	p.recordError("Push image failed: "+p.pending.failure, at)
}

// recordError keeps an error of a pool that stops on errors, as its form says.
func (p *desktopPool) recordError(text string, at time.Time) {
	if p.stopsOnError {
		p.lastError, p.lastErrorAt = text, at
	}
}

// endFailed ends the push of an image that could not be published, which is
// assumed to stay as it is or to be taken back.
func (p *desktopPool) endFailed(at time.Time) {
	if p.sim.assumption(assumeFailedImage) == "removed" {
		p.pending.enter(pendingUnpublishing, at)
		return
	}
	p.operation = operationNone
}

// cancel takes a pending image back.
func (p *desktopPool) cancel(at time.Time) {
	held := p.pending
	p.operation, p.steered = operationCancel, false
	// A task that has not begun ends with its push, one of canaries that are still
	// to come likewise.
	p.drop(func(t *poolTask) bool { return !t.begun })
	for _, t := range p.tasks {
		if t.push == held.push {
			t.cancel()
		}
	}
	if p.sim.assumption(assumeCancelCanaries) == "returned" {
		if canaries := p.canaries(); len(canaries) > 0 {
			p.give(newTask(&imagePush{image: p.poolImage, logoff: held.push.logoff, stopOnError: true}, canaries, held.push.logoff, at))
		}
	}
	p.pending = &pendingImage{push: held.push, state: pendingUnpublishing, since: at}
}

// canaries are the machines that run the pending image, or are on the way to it.
func (p *desktopPool) canaries() []*machine {
	var out []*machine
	for _, m := range p.machines {
		task, vm := p.work(m)
		coming := vm != nil && vm.state == vmProgressing && task.push == p.pending.push
		if m.push == p.pending.push || coming {
			out = append(out, m)
		}
	}
	return out
}

// seen is the state that a reader would keep.
func (s poolState) seen() *poolState {
	if s.pending != nil {
		copied := *s.pending
		s.pending = &copied
	}
	return &s
}

// hide lets readers see a state that was seen before a call for the assumed while.
func (p *desktopPool) hide(before *poolState, at time.Time) {
	delay, err := time.ParseDuration(p.sim.assumption(assumeVisible))
	if err != nil {
		panic("simulator: " + err.Error()) // the values of the switch are durations
	}
	p.stale, p.staleUntil = before, at.Add(delay)
}
