package horizon

import (
	"slices"
	"strings"
	"time"
)

// The operations of a pool and the states of its pending image (vendor's OpenAPI,
// DesktopPoolProvisioningStatusData).
const (
	operationNone           = "NONE"
	operationPush           = "SCHEDULE_PUSH_IMAGE"
	operationCancel         = "CANCEL_SCHEDULED_PUSH_IMAGE"
	operationInitialPublish = "INITIAL_PUBLISH"
	operationInfrastructure = "INFRASTRUCTURE_CHANGE"
	operationFinalUnpublish = "FINAL_UNPUBLISH"

	statePendingPublish = "PENDING_PUBLISH"
	statePublishing     = "PUBLISHING"
	stateReady          = "READY"
	stateReadyHeld      = "READY_HELD"
	stateFailed         = "FAILED"
	stateUnpublishing   = "UNPUBLISHING"
)

var (
	knownOperations = []string{operationNone, operationPush, operationCancel, operationInitialPublish, operationInfrastructure, operationFinalUnpublish}
	knownStates     = []string{"", statePendingPublish, statePublishing, stateReady, stateReadyHeld, stateFailed, stateUnpublishing}
)

const (
	// unseenFor is how long a pool may not show what was sent to it.
	unseenFor = 2 * time.Minute

	// leastNotice is how far ahead the start of a push has to lie when it is sent.
	leastNotice = time.Minute

	// failureFades is how long a failed push may be under way still, and
	// stateSettles how long a pool may show a pending image in a state that comes
	// with an operation, without one.
	failureFades = 5 * time.Minute
	stateSettles = 2 * time.Minute
)

// Purpose is what a decision is for.
type Purpose string

// The purposes. The zero value is that a pool is to run an image.
const (
	// RunImage brings a pool to the wanted image.
	RunImage Purpose = ""
	// WithdrawPush takes back what was pushed, and is neither triggered nor promoted. The
	// wanted image is then the current one, whatever else is wanted.
	WithdrawPush Purpose = "withdraw"
)

// OnDrift is what to do about a pool that runs an image that nobody here chose.
type OnDrift string

// The ways to treat drift. The zero value is PushDrift.
const (
	PushDrift OnDrift = "push"
	HoldDrift OnDrift = "hold"
)

// OnConflict is what to do about an image that somebody else holds on a pool or
// has scheduled.
type OnConflict string

// The ways to treat conflicts. The zero value is FailOnConflict.
const (
	FailOnConflict    OnConflict = "fail"
	OverwriteConflict OnConflict = "overwrite"
)

// DecisionInput is all that a decision is made of.
type DecisionInput struct {
	// Pool is the pool as the server shows it.
	Pool    *Pool
	Purpose Purpose
	Wanted  Target
	// LastWanted is what was wanted when it was last reached. Nil: it never was.
	LastWanted *Target
	// Claim is the pending image that is, or was, of one's own; nil for none.
	Claim *Claim

	// Selective is set for an image that some machines are to have first.
	Selective *Selective
	// LogoffPolicy is ForceLogoff or WaitForLogoff; empty: not configured, which a push
	// takes for the latter. StopOnFirstError is likewise true.
	LogoffPolicy     string
	StopOnFirstError *bool
	// StartTime is zero if it is not configured.
	StartTime time.Time
	// AllowPastStartTime lets a push begin at once whose time has passed.
	AllowPastStartTime bool
	// Reschedule lets a changed time move a push that waits.
	Reschedule bool
	OnDrift    OnDrift
	OnConflict OnConflict

	// Now is the server's clock. Zero, for one that is not known, makes every push one
	// that cannot be taken back any more.
	Now time.Time
	// Began is when, by the server's clock, the work began that this decision is a
	// part of; zero for a plan.
	Began time.Time
	// Sent are the calls that were made since the pending image came, and those of
	// the last 2 min, oldest first.
	Sent []SentCall
	// Adopted says that the work has found on its way what it was to bring there.
	Adopted bool
	// Waited says for how long a row has made the caller wait without a break.
	Waited Waited
	// Machines are the pool's, if they were read; nil if not.
	Machines *MachineList

	// Halted is the push whose task has failed or halted machines; nil if none is known.
	Halted *HaltedTask
	// RetryFailedMachines lets such a task go on, once for every set of failed
	// machines: Retried are the names of those that it was done for last.
	RetryFailedMachines bool
	Retried             []string
}

// MachineList is the list of all machines of a pool.
type MachineList struct{ Machines []*Machine }

// Claim is an image that was pushed, or adopted, by the one for whom is decided.
type Claim struct {
	Target Target
	// Spec is the push as it was sent. Nil: the image was adopted, which is known
	// less of.
	Spec *PushSpec
	// Canaries are the machines that it was for when that was last acted upon.
	Canaries []MachineRef
	// Replaces is what the pool ran when it was pushed; empty if it was adopted.
	Replaces PoolImage
	// Over says that it was seen not to be pending any more: an image like it that is
	// pending later is somebody else's.
	Over bool
}

// mayBe says whether nothing that a pool shows at a time speaks against its pending image being
// what was claimed.
func (c *Claim) mayBe(p *Pool, now time.Time) bool {
	if !pendingOf(p).may(c.Target) {
		return false
	}
	if c.Spec == nil {
		return true
	}
	if p.Operation == operationNone && p.PendingState == stateReadyHeld && c.Spec.Selective == nil {
		return false // What was pushed to the whole pool is not held.
	}
	shown := p.PushSettings
	if shown == nil || now.IsZero() || !shown.StartTime.After(now) {
		return true
	}
	// What was pushed at once does not wait, and of what waits only the time can be changed.
	return !c.Spec.StartTime.IsZero() && agrees(shown.AddVirtualTPM, &c.Spec.AddVirtualTPM, nil)
}

// Seen returns the claim as it is for those who have seen a pool since the calls that were
// sent to it.
func (c *Claim) Seen(p *Pool, sent []SentCall, now time.Time) *Claim {
	if c == nil || c.Over {
		return c
	}
	as := p.AsSent(sent, now)
	gone := as.Operation == operationNone && as.PendingState == ""
	other := as.PendingState != "" && !as.Pending.isZero() && !c.mayBe(as, now)
	if !gone && !other {
		return c
	}
	over := *c
	over.Over = true
	return &over
}

// MachineRef is a machine by what is known of it: its name stays when a clone is made
// anew, its id may not.
type MachineRef struct{ ID, Name string }

func (m MachineRef) String() string {
	if m.Name != "" {
		return m.Name
	}
	return m.ID
}

func (m MachineRef) same(n MachineRef) bool {
	return m.ID != "" && strings.EqualFold(m.ID, n.ID) || m.Name != "" && strings.EqualFold(m.Name, n.Name)
}

// Selective are the machines that are to have an image first.
type Selective struct {
	// Names and IDs together are the machines; none: the image is published only.
	Names, IDs []string
	// PromoteImage is the snapshot, or the version of the catalogue, that is released to
	// the whole pool if it is the wanted one.
	PromoteImage string
}

// Waited is how long a row has made the caller wait.
type Waited struct {
	Row int
	For time.Duration
}

// CallKind is what a call asks for.
type CallKind string

// The calls.
const (
	CallCancel       CallKind = "cancel"
	CallPush         CallKind = "push"
	CallReschedule   CallKind = "reschedule"
	CallPromote      CallKind = "promote"
	CallApplyPending CallKind = "apply-pending"
	CallApplyCurrent CallKind = "apply-current"
	CallResume       CallKind = "resume"
)

// Call is a call to be made.
type Call struct {
	Kind CallKind
	// Target is what the call is about: what is pushed or promoted, and of the other
	// kinds the pending image. Of that, it is what is known.
	Target Target
	// Spec is set for pushes, the rescheduled ones included. Its machines have ids once
	// the machines were read. Of a promotion it is the push of the image, if that is known.
	Spec *PushSpec
	// ScheduledFor is the time of the push that is cancelled or moved; zero for an image that is
	// held.
	ScheduledFor time.Time
	// Machines are those that an image is applied to, or that a selective push is for,
	// with an id where it is known.
	Machines []MachineRef
	// Shown are the same as they are configured, or were, which a plan shows. Of a
	// call on whatever machines have the pending image there are none.
	Shown []MachineRef
	// TaskID is the task that goes on.
	TaskID string
	// Again says that the pool runs already what is pushed, so that its image does not
	// tell when the push has ended.
	Again bool
}

// SentCall is a call that was made.
type SentCall struct {
	Call
	// At is the server's time.
	At time.Time
	// FailedBefore is the error of a pending image that had failed before a push.
	FailedBefore string
}

// Until is what to wait for.
type Until string

// What there is to wait for.
const (
	// UntilIdle: no push is under way any more.
	UntilIdle Until = "idle"
	// UntilSettled: nothing is under way that allows no call.
	UntilSettled Until = "settled"
	// UntilPublished: the pending image is published.
	UntilPublished Until = "published"
	// UntilMachinesLeave: no machine is on the pending image.
	UntilMachinesLeave Until = "machines leave"
)

// Pause is a wait before anything is sent. After it is to be decided again.
type Pause struct {
	Until Until
	// Limit is how long the row waits at most; 0: within the time for the whole.
	Limit time.Duration
	// EndUnknown says that it cannot be told what will be sent after it.
	EndUnknown bool
	// Machines are those that are waited for.
	Machines []MachineRef
}

// Over says whether a pool has come to what is waited for. For machines it is
// always false: they are not shown by the pool.
func (w *Pause) Over(p *Pool) bool {
	switch w.Until {
	case UntilIdle:
		return p.Operation != operationPush
	case UntilSettled:
		return !settling(p) && !publishesIdly(p)
	case UntilPublished:
		return p.Operation != operationPush || p.PendingState != statePendingPublish && p.PendingState != statePublishing
	}
	return false
}

// Matter is what a Finding is about.
type Matter string

// What a decision finds. Each comment names the members of the Finding that say more.
const (
	// PoolDeleted: the pool is being deleted.
	PoolDeleted Matter = "the pool is being deleted"
	// PublishFailed: Image could not be published; Message.
	PublishFailed Matter = "publishing has failed"
	// SettingsConflict: the wanted image is scheduled by somebody else with other
	// settings; Image, Start.
	SettingsConflict Matter = "scheduled with other settings"
	// ScheduleConflict: Image is scheduled by somebody else; Start, Current.
	ScheduleConflict Matter = "another image is scheduled"
	// HoldConflict: Image is held by somebody else; Current.
	HoldConflict Matter = "an image is held"
	// StateUnknown: there is no rule for the states of the pool; Operation, PendingState,
	// CurrentState.
	StateUnknown Matter = "the state is unknown"
	// StartTimePassed: the push of Image would not begin at Start; Message is that of
	// the push of it that failed.
	StartTimePassed Matter = "the start time has passed"
	// MachinesMissing: the pool has no machines of these names or ids; Machines.
	MachinesMissing Matter = "machines are missing"

	// DriftHeld: the pool has Image, which nobody here chose, and is left alone.
	DriftHeld Matter = "drift is left alone"
	// SettingsStay: the push under way keeps its settings; Image, Start.
	SettingsStay Matter = "the settings stay"
	// TimeStays: the push that waits keeps its time, as it is configured; Image, Start.
	TimeStays Matter = "the time stays"
	// TimeFixed: the same, since its other parameters are not known.
	TimeFixed Matter = "the time cannot be moved"
	// ScheduledElsewhere: Image is scheduled by somebody else on a pool that runs what
	// it should; Start.
	ScheduledElsewhere Matter = "scheduled by somebody else"
	// HeldElsewhere: Image is held by somebody else on a pool that runs what it should.
	HeldElsewhere Matter = "held by somebody else"
	// PushGoesOn: the push of Image is triggered and is not taken back.
	PushGoesOn Matter = "the push goes on"
	// MachinesHalted: machines did not get Image, which the pool runs; Message is the
	// first error, Machines those that have failed, Count how many wait for them.
	MachinesHalted Matter = "machines have failed"
)

// Finding is a reason to send nothing, or something that is worth a warning.
type Finding struct {
	Matter Matter
	// Image is the image that it is about, Wanted and Current those of the pool.
	Image, Wanted, Current PoolImage
	// Start is when Image is scheduled for; zero: at once, or not at all.
	Start   time.Time
	Message string

	Operation, PendingState, CurrentState string
	Machines                              []MachineRef
	Count                                 int64
}

// Decision is what is to be done to a pool.
type Decision struct {
	// Row is the number of the first row that matches.
	Row int
	// Refusal says why nothing can be done; nil if something can.
	Refusal *Finding
	// Pause comes before the calls; nil if there is nothing to wait for.
	Pause *Pause
	// Calls are to be made in this order, one at a time: after each one, and after a
	// pause, is to be decided again. Those after a pause are what it is expected to
	// come to.
	Calls    []Call
	Warnings []Finding
	// NeedsMachines says that Calls cannot be made before the machines are read, and
	// then decided again.
	NeedsMachines bool
	// UnderWay says that an order waits for what the pool does already.
	UnderWay bool
}

// adopts says whether the wanted image is on its way already.
func (d Decision) adopts() bool {
	return d.Row >= 7 && d.Row <= 9 && len(d.Calls) == 0 || d.Row == 7 && d.Pause != nil || d.Row == 6 && d.Pause != nil && !d.Pause.EndUnknown && len(d.Calls) == 0
}

// Decide says what brings a pool to what is wanted of it: it is the first row of
// the table that matches (Rows). It is a pure function.
func Decide(in DecisionInput) Decision {
	s := newSituation(in)
	if d, ordered := s.order(); ordered {
		return s.conclude(d)
	}
	for _, r := range newTable() {
		if s.unknownNames && !r.anyNames || !r.when(s) {
			continue
		}
		d := r.then(s)
		d.Row = r.Number
		return s.conclude(d)
	}
	panic("the last row matches always") // Row 21 has no condition; a test goes through all combinations.
}

// Effective returns the image that a pool has, or will have once what is under way
// or scheduled has ended, with all that is known of it. Of an image that is held, and of
// one that somebody else has scheduled on a pool that has what is wanted, it is the
// pool's own one, unless the claim is on the held one. True: that is what is wanted.
func Effective(in DecisionInput) (Target, bool) {
	s := newSituation(in)
	e, isWanted := s.effective()
	if s.scheduled() && !s.ours && !s.pw && s.cw {
		e, isWanted = currentOf(s.pool), true
	}
	t := Target{Image: e.image, AddVirtualTPM: e.tpm, Compute: e.compute, GridVGPUsEnabled: e.vgpus, VGPUGridProfile: e.profile}
	if c := s.claimed(); c != nil && s.comes() {
		t.AddVirtualTPM, t.Compute = or(t.AddVirtualTPM, c.AddVirtualTPM), or(t.Compute, c.Compute)
		t.GridVGPUsEnabled, t.VGPUGridProfile = or(t.GridVGPUsEnabled, c.GridVGPUsEnabled), or(t.VGPUGridProfile, c.VGPUGridProfile)
	}
	return t, isWanted
}

// conclude adds what holds for all rows.
func (s *situation) conclude(d Decision) Decision {
	if s.in.Purpose == WithdrawPush {
		d = s.withdraw(d)
	}
	if d.Refusal != nil {
		d.Pause, d.Calls = nil, nil
	}
	d.NeedsMachines = d.Pause == nil && s.in.Machines == nil && slices.ContainsFunc(d.Calls, Call.needsMachines)
	return d
}

// withdraw keeps what takes back a push: a push that is triggered is left alone.
func (s *situation) withdraw(d Decision) Decision {
	switch {
	case d.Row == 12, d.Row == 14, d.Row == 19:
		return d
	case d.Row == 5 && s.sentNow(CallCancel):
		return Decision{Row: d.Row, Pause: d.Pause}
	}
	left := Decision{Row: d.Row}
	if s.ours && s.pool.Operation == operationPush && s.triggered {
		left.Warnings = []Finding{s.finding(PushGoesOn, s.pool.Pending)}
	}
	return left
}

// needsMachines says whether a call is on machines, and not on none.
func (c Call) needsMachines() bool {
	switch c.Kind {
	case CallApplyCurrent, CallApplyPending:
		return true
	case CallPush:
		return len(c.Shown) > 0
	}
	return false
}

// AsSent returns the pool as it will be shown once it shows the last of the calls
// that were made: for 2 min a server may not show it yet. It returns p itself where that
// shows all of them.
func (p *Pool) AsSent(calls []SentCall, now time.Time) *Pool {
	for _, c := range slices.Backward(calls) {
		if !c.isOnPool() {
			continue
		}
		if !c.isRecent(now) {
			return p
		}
		as := *p
		if c.foretell(&as) {
			return &as
		}
		return p
	}
	return p
}

// isOnPool says whether it is a pool that shows the call, and not its machines or tasks.
func (c Call) isOnPool() bool {
	return c.Kind != CallApplyCurrent && c.Kind != CallApplyPending && c.Kind != CallResume
}

// isRecent says whether a pool may not show the call yet. One of the future, by a clock that was
// wrong then, is not waited for.
func (c *SentCall) isRecent(now time.Time) bool { return now.Sub(c.At).Abs() < unseenFor }

// isShown says whether a pool shows that a call took effect.
func (c *SentCall) isShown(p *Pool) bool {
	as := *p
	if c.foretell(&as) {
		return false
	}
	return c.Kind != CallPush || p.PendingState != "" && pendingOf(p).may(c.Target) || p.PendingState == "" && currentOf(p).matches(c.Target, nil)
}

// foretell changes a pool that does not show the call.
func (c *SentCall) foretell(p *Pool) bool {
	pending, idle := p.PendingState != "" && pendingOf(p).may(c.Target), p.Operation == operationNone
	switch c.Kind {
	case CallPush:
		failedNow := p.PendingState == stateFailed && pending && (c.FailedBefore == "" || p.PendingError != c.FailedBefore)
		// Not every server may have an operation for a push that begins at once.
		there := pending && (p.PendingState == stateReadyHeld || publishesIdly(p))
		reached := !c.Again && p.PendingState == "" && currentOf(p).matches(c.Target, nil)
		if idle && (failedNow || there || reached) || !idle && (p.Operation != operationPush || p.PendingState != "") {
			return false
		}
		p.forgetPending()
		p.Operation, p.PendingState = operationPush, statePendingPublish
		p.Pending, p.PendingCompute = c.Target.Image, c.Target.Compute
		p.PushSettings = c.Spec.settings()
		return true
	case CallReschedule:
		if p.Operation != operationPush || !pending || p.PushSettings == nil || sameMoment(p.PushSettings.StartTime, c.Spec.StartTime) {
			return false
		}
		p.PushSettings = c.Spec.settings()
		return true
	case CallPromote:
		if !idle || !pending || p.PendingState != stateReadyHeld {
			return false
		}
		p.become(c.Target.visible())
		return true
	case CallCancel:
		if !pending || p.PendingState == stateUnpublishing || p.PendingState == stateFailed {
			return false
		}
		p.PendingState = stateUnpublishing
		return true
	}
	return false
}

func (s *PushSpec) settings() *PushSettings {
	if s == nil {
		return nil
	}
	return &PushSettings{LogoffPolicy: s.LogoffPolicy, StopOnFirstError: &s.StopOnFirstError, AddVirtualTPM: &s.AddVirtualTPM, StartTime: s.StartTime}
}

// sameMoment compares times as the API has them, in milliseconds.
func sameMoment(a, b time.Time) bool {
	return a.IsZero() == b.IsZero() && (a.IsZero() || a.UnixMilli() == b.UnixMilli())
}
