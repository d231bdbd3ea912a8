package horizon

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// situation is what the table asks for. The letters are those of the table: W is
// what is wanted, C what the pool runs, P its pending image.
type situation struct {
	in   DecisionInput
	pool *Pool
	// wanted is W.
	wanted Target

	unknownNames bool
	pending      bool // there is a P
	cw, pw       bool // C = W, P = W
	ours         bool // P is what was pushed or adopted last
	triggered    bool // the push under way cannot be taken back

	// start is when the push under way begins, or began; zero for at once, and if it
	// is not known. timeDiffers and othersDiffer compare its settings.
	start                     time.Time
	timeDiffers, othersDiffer bool

	drifted bool // the effective image is neither W nor ours
}

func newSituation(in DecisionInput) *situation {
	s := &situation{in: in, pool: in.Pool.AsSent(in.Sent, in.Now), wanted: in.Wanted}
	if in.Purpose == WithdrawPush {
		s.wantCurrent()
	}
	p, now, next := s.pool, currentOf(s.pool), pendingOf(s.pool)
	s.unknownNames = !slices.Contains(knownOperations, p.Operation) || !slices.Contains(knownStates, p.PendingState)
	s.pending = p.PendingState != "" && !p.Pending.isZero()
	s.ours = s.pending && in.Claim != nil && !in.Claim.Over && in.Claim.mayBe(p, in.Now) && (in.Purpose != WithdrawPush || in.Claim.Spec != nil)
	s.cw = in.Purpose == WithdrawPush || now.matches(s.wanted, s.remembered())
	if in.Purpose == OrderPush {
		s.cw = s.cw && s.runsOrdered()
	}
	s.pw = s.pending && next.matches(s.wanted, s.claimed())
	if in.Purpose == WithdrawPush && p.Operation == operationPush {
		s.pw = false // What is withdrawn is not wanted.
	}
	s.compareSettings()
	s.drifted = s.isDrift()
	return s
}

// wantCurrent makes the current image the wanted one, and takes away what is said
// about pushing it.
func (s *situation) wantCurrent() {
	s.in.Selective, s.in.OnDrift, s.in.OnConflict = nil, PushDrift, FailOnConflict
	s.in.StartTime, s.in.LogoffPolicy, s.in.StopOnFirstError = time.Time{}, "", nil
	now := currentOf(s.pool)
	s.wanted = Target{Image: now.image, AddVirtualTPM: now.tpm, Compute: now.compute, GridVGPUsEnabled: now.vgpus, VGPUGridProfile: now.profile}
}

// claimed is what is known of P beyond what the server shows.
func (s *situation) claimed() *Target {
	if !s.ours {
		return nil
	}
	return &s.in.Claim.Target
}

// remembered is what is known of C beyond what the server shows: what was pushed
// just now, or reached last, if nothing speaks against it.
func (s *situation) remembered() *Target {
	now := currentOf(s.pool)
	if c := s.lastPush(); c != nil && s.now(c) && now.may(c.Target) {
		return &c.Target
	}
	if last := s.in.LastWanted; last != nil && now.may(Target{Image: last.Image}) {
		return last
	}
	return nil
}

func (s *situation) lastPush() *SentCall {
	for i := range slices.Backward(s.in.Sent) {
		if s.in.Sent[i].Kind == CallPush {
			return &s.in.Sent[i]
		}
	}
	return nil
}

// now says whether a call was made in the work that this decision is a part of.
func (s *situation) now(c *SentCall) bool { return !s.in.Began.IsZero() && !c.At.Before(s.in.Began) }

func (s *situation) sentNow(kind CallKind) bool {
	return slices.ContainsFunc(s.in.Sent, func(c SentCall) bool { return c.Kind == kind && s.now(&c) })
}

// claimedSpec is P's push as it was sent, nil if that is not known.
func (s *situation) claimedSpec() *PushSpec {
	if !s.ours {
		return nil
	}
	return s.in.Claim.Spec
}

// compareSettings reads the settings of P as the server shows them, and as they
// were sent where it does not. What is not known differs from nothing.
func (s *situation) compareSettings() {
	var is PushSettings
	spec := s.claimedSpec()
	if spec != nil {
		is = *spec.settings()
	}
	s.triggered = s.pool.PushSettings == nil && spec == nil
	if shown := s.pool.PushSettings; shown != nil {
		is.StartTime = shown.StartTime
		if shown.LogoffPolicy != "" {
			is.LogoffPolicy = shown.LogoffPolicy
		}
		if shown.StopOnFirstError != nil {
			is.StopOnFirstError = shown.StopOnFirstError
		}
	}
	s.start = is.StartTime
	// Without a clock nothing is known to be taken back in time.
	s.triggered = s.triggered || s.in.Now.IsZero() || !s.start.After(s.in.Now)

	policy, stop, selective := s.in.LogoffPolicy, s.in.StopOnFirstError, s.in.Selective
	s.othersDiffer = policy != "" && is.LogoffPolicy != "" && policy != is.LogoffPolicy ||
		stop != nil && is.StopOnFirstError != nil && *stop != *is.StopOnFirstError ||
		// The reverse ends well: what is held can be promoted.
		selective != nil && spec != nil && spec.Selective == nil
	s.timeDiffers = !s.in.StartTime.IsZero() && !sameMoment(s.in.StartTime, s.start)
	if s.triggered {
		// A time that has passed is none to be kept any more.
		s.timeDiffers = s.timeDiffers && s.in.StartTime.After(s.in.Now)
	}
}

// isDrift says whether the image that the pool has, or will have, is one that
// nobody here chose.
func (s *situation) isDrift() bool {
	if s.pool.PendingState == stateFailed && s.pw {
		return false // Nobody chose what the pool has instead.
	}
	if s.comes() {
		return !s.pw && !s.ours
	}
	// What was pushed last, and is over, is what brought the pool there.
	return !s.cw && (s.in.Claim == nil || !currentOf(s.pool).may(s.in.Claim.Target))
}

// comes says whether the pool will have P once what is under way has ended. An
// image that somebody else holds does not come.
func (s *situation) comes() bool {
	underWay := s.pool.Operation == operationPush && s.pool.PendingState != stateFailed && s.pool.PendingState != stateUnpublishing
	return s.pending && (underWay || s.publishesIdly() || s.held() && s.ours)
}

// effective is the image that the pool has, or will have, and whether that is W.
func (s *situation) effective() (visible, bool) {
	if s.comes() {
		return pendingOf(s.pool), s.pw
	}
	return currentOf(s.pool), s.cw
}

func (s *situation) mayOverwrite() bool { return s.ours || s.in.OnConflict == OverwriteConflict }

// promoteIsWanted says whether the image that may be promoted is W.
func (s *situation) promoteIsWanted() bool {
	if s.in.Selective == nil {
		return false
	}
	wanted := s.wanted.Image.SnapshotID
	if s.wanted.Image.StreamID != "" {
		wanted = s.wanted.VersionID
	}
	return wanted != "" && strings.EqualFold(s.in.Selective.PromoteImage, wanted)
}

// settling says whether an operation is under way that allows no call.
func settling(p *Pool) bool {
	switch p.Operation {
	case operationInitialPublish, operationInfrastructure, operationCancel:
		return true
	case operationPush:
		return p.PendingState == "" || p.PendingState == stateUnpublishing || p.Pending.isZero()
	}
	return p.PendingState == stateUnpublishing
}

// publishesIdly says whether there is a pending image in a state that comes with
// an operation, and none.
func publishesIdly(p *Pool) bool {
	return p.Operation == operationNone && slices.Contains([]string{statePendingPublish, statePublishing, stateReady}, p.PendingState)
}

// publishesIdly says whether W, or what was pushed here, is being published, and the
// pool has no operation. What it has during a push that begins at once is not documented.
func (s *situation) publishesIdly() bool {
	return (s.pw || s.ours) && publishesIdly(s.pool) && s.pool.PendingState != stateReady
}

func (s *situation) held() bool {
	return s.pool.Operation == operationNone && s.pool.PendingState == stateReadyHeld
}

func (s *situation) pushing() bool { return s.pool.Operation == operationPush }

func (s *situation) scheduled() bool { return s.pushing() && !s.triggered }

func (s *situation) finding(m Matter, image PoolImage) Finding {
	f := Finding{
		Matter: m, Image: image, Wanted: s.wanted.Image, Current: s.pool.Current,
		Operation: s.pool.Operation, PendingState: s.pool.PendingState, CurrentState: s.pool.CurrentState,
	}
	if s.pushing() {
		f.Start = s.start
	}
	return f
}

func (s *situation) refuse(m Matter, image PoolImage) Decision {
	f := s.finding(m, image)
	return Decision{Refusal: &f}
}

func (s *situation) failed() Decision {
	d := s.refuse(PublishFailed, s.pool.Pending)
	d.Refusal.Message = s.pool.PendingError
	return d
}

// waitedEnough says whether a row has made the caller wait for as long as it may.
func (s *situation) waitedEnough(row int, limit time.Duration) bool {
	return s.in.Waited.Row == row && s.in.Waited.For >= limit
}

// push is the push of W, after the cancel of what is in its way.
func (s *situation) push(before ...Call) Decision {
	if f := s.checkStart(); f != nil {
		return Decision{Refusal: f}
	}
	c := Call{Kind: CallPush, Target: s.wanted, Spec: &PushSpec{
		Image: s.wanted.Image, LogoffPolicy: s.in.LogoffPolicy, StopOnFirstError: s.in.StopOnFirstError == nil || *s.in.StopOnFirstError,
		StartTime: s.in.StartTime, Compute: s.wanted.Compute, GridVGPUsEnabled: s.wanted.GridVGPUsEnabled,
	}, Again: s.in.Purpose == OrderPush && currentOf(s.pool).matches(s.wanted, s.remembered())}
	if c.Spec.LogoffPolicy == "" {
		c.Spec.LogoffPolicy = WaitForLogoff
	}
	now := currentOf(s.pool)
	c.Spec.AddVirtualTPM = *or(s.wanted.AddVirtualTPM, now.tpm)
	if s.wanted.GridVGPUsEnabled != nil || s.wanted.VGPUGridProfile != nil {
		// The two go together, and what is not said would be turned off.
		c.Spec.GridVGPUsEnabled = or(s.wanted.GridVGPUsEnabled, now.vgpus)
		none := ""
		c.Spec.VGPUGridProfile = *or(s.wanted.VGPUGridProfile, or(now.profile, &none))
	}
	if s.in.Selective != nil {
		canaries, missing := s.configured()
		if missing != nil {
			return Decision{Refusal: missing}
		}
		c.name(canaries...)
		c.Spec.Selective = &SelectiveSpec{}
		for _, m := range c.Machines {
			c.Spec.Selective.MachineIDs = append(c.Spec.Selective.MachineIDs, m.ID)
		}
	}
	calls := append(before, c)
	if s.in.Purpose == RunImage && s.promoteIsWanted() && !s.in.StartTime.After(s.in.Now) {
		// It is released already, and held only on its way there.
		calls = append(calls, Call{Kind: CallPromote, Target: s.wanted, Spec: c.Spec})
	}
	return Decision{Calls: calls}
}

func or[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// checkStart says why a push with the configured time must not be sent; nil if it
// may, or has no time. When the way for it has been cleared, it is enough that the time
// lies ahead.
func (s *situation) checkStart() *Finding {
	notice := leastNotice
	if n := len(s.in.Sent); n > 0 && s.in.Sent[n-1].Kind == CallCancel && s.now(&s.in.Sent[n-1]) {
		notice = time.Millisecond
	}
	if s.in.StartTime.IsZero() || s.in.AllowPastStartTime || !s.in.StartTime.Before(s.in.Now.Add(notice)) {
		return nil
	}
	f := s.finding(StartTimePassed, s.wanted.Image)
	f.Start = s.in.StartTime
	if s.pool.PendingState == stateFailed && s.pw {
		f.Message = s.pool.PendingError
	}
	return &f
}

func (s *situation) cancel() Call {
	c := Call{Kind: CallCancel, Target: s.pendingTarget()}
	if s.pushing() {
		c.ScheduledFor = s.start
	}
	return c
}

// replace takes P away, and pushes W if the pool does not run it.
func (s *situation) replace() Decision {
	if s.cw {
		return Decision{Calls: []Call{s.cancel()}}
	}
	return s.push(s.cancel())
}

// pendingTarget is P as far as it is known.
func (s *situation) pendingTarget() Target {
	if s.ours {
		t := s.in.Claim.Target
		// Its names could perhaps not be looked up then.
		t.Image.ParentVMPath = cmp.Or(t.Image.ParentVMPath, s.pool.Pending.ParentVMPath)
		t.Image.SnapshotPath = cmp.Or(t.Image.SnapshotPath, s.pool.Pending.SnapshotPath)
		return t
	}
	if s.pw {
		return s.wanted
	}
	next := pendingOf(s.pool)
	return Target{Image: next.image, AddVirtualTPM: next.tpm, Compute: next.compute}
}

// after decides for the pool as it will be when what is under way has ended.
func (s *situation) after(change func(*Pool)) Decision {
	pool := *s.pool
	pool.Operation, pool.PushSettings = operationNone, nil
	change(&pool)
	in := s.in
	in.Adopted = in.Adopted || s.pw || s.sentNow(CallPush)
	in.Pool, in.Sent, in.Waited, in.Began = &pool, nil, Waited{}, time.Time{}
	return Decide(in)
}

// afterPush is after for a push under way, which is a selective one only if it is
// known to be.
func (s *situation) afterPush() Decision {
	spec := s.claimedSpec()
	if spec != nil && spec.Selective != nil {
		return s.after(func(p *Pool) { p.PendingState = stateReadyHeld })
	}
	next := pendingOf(s.pool)
	switch {
	case s.pw:
		next = s.wanted.visible()
	case s.ours:
		next = s.in.Claim.Target.visible()
	}
	return s.after(func(p *Pool) { p.become(next) })
}

// pause puts a wait before what was decided for afterwards.
func pause(w Pause, then Decision) Decision {
	return Decision{Pause: &w, Calls: then.Calls, Refusal: then.Refusal, Warnings: then.Warnings}
}

// adopt waits for W, which is being pushed or scheduled.
func (s *situation) adopt(warnings ...Finding) Decision {
	d := Decision{Warnings: warnings}
	switch {
	case s.triggered:
		then := s.afterPush()
		d.Pause, d.Calls, d.Refusal = &Pause{Until: UntilIdle}, then.Calls, then.Refusal
	case s.pool.PendingState == statePendingPublish, s.pool.PendingState == statePublishing:
		d.Pause = &Pause{Until: UntilPublished}
	}
	return d
}

// alike says that P and C are one image with other members, so that a machine does
// not show which of the two it has.
func (s *situation) alike() bool { return s.pool.Pending.same(s.pool.Current) }

// onPending returns the machines that have P, or are to get it, as far as they show it.
func (s *situation) onPending() []MachineRef {
	var refs []MachineRef
	if s.alike() {
		return nil
	}
	for _, m := range s.machines() {
		if m.goesTo(s.pool.Pending) || m.Image.same(s.pool.Pending) {
			refs = append(refs, MachineRef{m.ID, m.Name})
		}
	}
	return refs
}

func (s *situation) machines() []*Machine {
	if s.in.Machines == nil {
		return nil
	}
	return s.in.Machines.Machines
}

// told says whether a machine is on its way to the pool's current image, or to the
// pending one. What was said before another call on the pool was about other images.
func (s *situation) told(m MachineRef, kind CallKind) bool {
	for _, c := range slices.Backward(s.in.Sent) {
		if c.isOnPool() && c.Kind != CallReschedule {
			return false
		}
		if c.Kind != CallApplyCurrent && c.Kind != CallApplyPending || !slices.ContainsFunc(c.Machines, m.same) {
			continue
		}
		return c.Kind == kind
	}
	return false
}

// canary is a machine as it was named, and as it was found: without an id if the
// machines were not read.
type canary struct{ named, found MachineRef }

// resolve finds a machine in the list, if that was read. False: it is not there, or
// there are two of that name, and it cannot be told which one is meant.
func (s *situation) resolve(m MachineRef) (canary, bool) {
	if s.in.Machines == nil {
		return canary{m, m}, true
	}
	var is []canary
	for _, found := range s.machines() {
		// By its name first: the id of a clone may change.
		if m.Name != "" && strings.EqualFold(m.Name, found.Name) || m.Name == "" && strings.EqualFold(m.ID, found.ID) {
			is = append(is, canary{m, MachineRef{found.ID, found.Name}})
		}
	}
	if len(is) != 1 {
		return canary{}, false
	}
	return is[0], true
}

// configured returns the machines that are configured, or what is wrong with them.
func (s *situation) configured() ([]canary, *Finding) {
	var all []canary
	missing := s.finding(MachinesMissing, s.wanted.Image)
	add := func(m MachineRef) {
		c, found := s.resolve(m)
		if !found {
			missing.Machines = append(missing.Machines, m)
			return
		}
		all = append(all, c)
	}
	for _, name := range s.in.Selective.Names {
		add(MachineRef{Name: name})
	}
	for _, id := range s.in.Selective.IDs {
		add(MachineRef{ID: id})
	}
	if missing.Machines != nil {
		return nil, &missing
	}
	return all, nil
}

// name adds machines to a call. One that is named twice is in it once.
func (c *Call) name(machines ...canary) {
	for _, m := range machines {
		c.Shown = append(c.Shown, m.named)
		if !slices.ContainsFunc(c.Machines, m.found.same) {
			c.Machines = append(c.Machines, m.found)
		}
	}
}

// apply puts machines on an image; no call without machines.
func (s *situation) apply(kind CallKind, machines []canary) []Call {
	if len(machines) == 0 {
		return nil
	}
	c := Call{Kind: kind, Target: s.pendingTarget()}
	c.name(machines...)
	return []Call{c}
}

// spread brings the canaries of W to the ones that are configured.
func (s *situation) spread() Decision {
	wanted, missing := s.configured()
	if missing != nil {
		return Decision{Refusal: missing}
	}
	var has []MachineRef
	if s.ours {
		has = s.in.Claim.Canaries
	}
	var add, back []canary
	for _, c := range wanted {
		on := slices.ContainsFunc(has, c.found.same) || s.told(c.found, CallApplyPending) ||
			!s.ours && slices.ContainsFunc(s.onPending(), c.found.same)
		if !on {
			add = append(add, c)
		}
	}
	for _, m := range has {
		c, there := s.resolve(m)
		isWanted := func(w canary) bool { return w.found.same(c.found) }
		if there && !slices.ContainsFunc(wanted, isWanted) && !s.told(c.found, CallApplyCurrent) {
			back = append(back, c)
		}
	}
	return Decision{Calls: append(s.apply(CallApplyPending, add), s.apply(CallApplyCurrent, back)...)}
}

// canaries are the machines that were put on P, those that are still there and
// were not told to leave it.
func (s *situation) canaries() []canary {
	var all []canary
	if !s.ours {
		return nil
	}
	for _, m := range s.in.Claim.Canaries {
		if c, there := s.resolve(m); there && !s.told(c.found, CallApplyCurrent) {
			all = append(all, c)
		}
	}
	return all
}

// giveWay takes P away when no machine is on it any more.
func (s *situation) giveWay() Decision {
	on := s.onPending()
	var leave []MachineRef
	for _, m := range on {
		if !s.leaving(m) {
			leave = append(leave, m)
		}
	}
	d := s.replace()
	switch {
	case d.Refusal != nil:
	case s.alike():
		d.Calls = append(s.apply(CallApplyCurrent, s.canaries()), d.Calls...)
	case s.in.Machines == nil || len(leave) > 0:
		back := Call{Kind: CallApplyCurrent, Target: s.pendingTarget(), Machines: leave}
		d.Calls = append([]Call{back}, d.Calls...)
	case len(on) > 0:
		d.Pause = &Pause{Until: UntilMachinesLeave, Machines: on}
	}
	return d
}

// leaving says whether a machine on P is on its way to the current image: it was told
// so, in the work at hand, or shows it.
func (s *situation) leaving(ref MachineRef) bool {
	sent := s.in.Sent
	for len(sent) > 0 && !s.now(&sent[0]) && s.in.Now.Sub(sent[0].At) >= unseenFor {
		sent = sent[1:]
	}
	if (&situation{in: DecisionInput{Sent: sent}}).told(ref, CallApplyCurrent) {
		return true
	}
	for _, m := range s.machines() {
		if ref.same(MachineRef{m.ID, m.Name}) {
			return m.goesTo(s.pool.Current)
		}
	}
	return false
}
