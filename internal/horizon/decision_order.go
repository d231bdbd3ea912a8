package horizon

// The orders. An order is carried out once, and wants no state: what the pool runs
// already is no reason to leave it out.
const (
	// OrderPush pushes the wanted image by the table of a pool that is to run it,
	// also to a pool that runs it. What somebody else holds or has scheduled stops it;
	// the wanted image, if it is on its way already, is not pushed once more.
	OrderPush Purpose = "order-push"
	// OrderPromote makes the wanted image that of the pool, which has to be the
	// pending one. One that is still being published is waited for.
	OrderPromote Purpose = "order-promote"
	// OrderCancel takes the wanted image back, which has to be the pending one, and
	// waits until it is gone.
	OrderCancel Purpose = "order-cancel"
	// OrderApplyPending and OrderApplyCurrent put the machines of Selective on the
	// image, which is the wanted one.
	OrderApplyPending Purpose = "order-apply-pending"
	OrderApplyCurrent Purpose = "order-apply-current"
	// OrderResume lets the push of Halted go on, with the machines that have failed if
	// RetryFailedMachines says so.
	OrderResume Purpose = "order-resume"
)

// What only orders find.
const (
	// NothingPending: the pool has no pending image; Current.
	NothingPending Matter = "there is no pending image"
	// OtherPending: the pending image is Image, and not the wanted one.
	OtherPending Matter = "another image is pending"
	// NotHeld: the pending image is not held; Image, Start, Operation, PendingState.
	NotHeld Matter = "the pending image is not held"
	// PoolBusy: what is under way allows no call; Operation, PendingState.
	PoolBusy Matter = "an operation is under way"
	// NothingHalted: no push waits to be resumed; Machines are those that have failed in
	// one that nobody waits for.
	NothingHalted Matter = "no push was halted"
)

// order decides about an order; false for what is decided by the table.
func (s *situation) order() (Decision, bool) {
	carryOut := s.orderOf(s.in.Purpose)
	if carryOut == nil {
		return Decision{}, false
	}
	switch {
	case s.pool.Operation == operationFinalUnpublish || s.pool.DeleteInProgress:
		return s.refuse(PoolDeleted, s.pool.Current), true
	case s.unknownNames:
		return s.refuse(StateUnknown, s.pool.Pending), true
	}
	return carryOut(), true
}

func (s *situation) orderOf(p Purpose) func() Decision {
	switch p {
	case OrderPromote:
		return s.orderPromote
	case OrderCancel:
		return s.orderCancel
	case OrderApplyPending:
		return s.orderApplyPending
	case OrderApplyCurrent:
		return s.orderApplyCurrent
	case OrderResume:
		return s.orderResume
	}
	return nil
}

// runsOrdered says whether a pool that runs W does so since W was pushed by this work,
// or was found on its way. While W is held, the pool's own W is the former one.
func (s *situation) runsOrdered() bool { return !s.held() && (s.in.Adopted || s.sentNow(CallPush)) }

// pendingIsOther says why P is not what an order is about; nil if it is.
func (s *situation) pendingIsOther() *Finding {
	var f Finding
	switch {
	case !s.pending:
		f = s.finding(NothingPending, s.pool.Current)
	case !s.pw:
		f = s.finding(OtherPending, s.pool.Pending)
	case s.pool.PendingState == stateFailed:
		f = *s.failed().Refusal
	default:
		return nil
	}
	return &f
}

func (s *situation) orderPromote() Decision {
	promote := Call{Kind: CallPromote, Target: s.shownPending()}
	switch {
	case s.held() && s.pw:
		return Decision{Calls: []Call{promote}}
	case s.sentNow(CallPromote), s.in.Adopted && !s.pending && s.cw:
		// A push under way that was no selective one needs no promotion.
		return Decision{}
	}
	if f := s.pendingIsOther(); f != nil {
		return Decision{Refusal: f}
	}
	switch {
	case settling(s.pool):
		return s.refuse(PoolBusy, s.pool.Pending)
	case s.pushing() && s.triggered:
		return Decision{UnderWay: true, Pause: &Pause{Until: UntilIdle}, Calls: []Call{promote}}
	case publishesIdly(s.pool) && s.pool.PendingState != stateReady:
		return Decision{UnderWay: true, Pause: &Pause{Until: UntilSettled}, Calls: []Call{promote}}
	}
	return s.refuse(NotHeld, s.pool.Pending)
}

// shownPending is P with what the server shows of it.
func (s *situation) shownPending() Target {
	next := pendingOf(s.pool)
	t := Target{Image: s.wanted.Image, AddVirtualTPM: next.tpm, Compute: next.compute}
	if t.Image.isZero() {
		t.Image = next.image
	}
	return t
}

func (s *situation) orderCancel() Decision {
	if s.sentNow(CallCancel) {
		switch {
		case settling(s.pool):
			return Decision{UnderWay: true, Pause: &Pause{Until: UntilSettled}}
		case !s.pw:
			return Decision{}
		}
	}
	if f := s.pendingIsOther(); f != nil {
		return Decision{Refusal: f}
	}
	switch {
	case settling(s.pool), publishesIdly(s.pool):
		return s.refuse(PoolBusy, s.pool.Pending)
	case s.pushing() && s.triggered:
		return s.refuse(PushGoesOn, s.pool.Pending)
	}
	return Decision{Calls: []Call{s.cancel()}}
}

func (s *situation) orderApplyPending() Decision {
	if s.sentNow(CallApplyPending) {
		return Decision{}
	}
	if f := s.pendingIsOther(); f != nil {
		return Decision{Refusal: f}
	}
	if !s.held() {
		return s.refuse(NotHeld, s.pool.Pending)
	}
	return s.orderApply(CallApplyPending)
}

func (s *situation) orderApplyCurrent() Decision {
	switch {
	case s.sentNow(CallApplyCurrent):
		return Decision{}
	case s.pool.Operation != operationNone:
		return s.refuse(PoolBusy, s.pool.Pending)
	}
	return s.orderApply(CallApplyCurrent)
}

func (s *situation) orderApply(kind CallKind) Decision {
	machines, missing := s.configured()
	if missing != nil {
		return Decision{Refusal: missing}
	}
	return Decision{Calls: s.apply(kind, machines)}
}

func (s *situation) orderResume() Decision {
	halted := s.in.Halted
	if s.sentNow(CallResume) {
		return Decision{}
	}
	if halted == nil || halted.Halted == 0 && !s.in.RetryFailedMachines {
		f := s.finding(NothingHalted, s.pool.Current)
		if halted != nil {
			for _, name := range halted.Failed {
				f.Machines = append(f.Machines, MachineRef{Name: name})
			}
		}
		return Decision{Refusal: &f}
	}
	return Decision{Calls: []Call{{Kind: CallResume, Target: Target{Image: s.pool.Current}, TaskID: halted.ID}}}
}

// applied are the machines that an order has put on an image, as they were then: a
// machine may have another id afterwards, and keeps its name.
func (s *situation) applied() []MachineRef {
	if s.in.Purpose != OrderApplyPending && s.in.Purpose != OrderApplyCurrent {
		return nil
	}
	for _, c := range s.in.Sent {
		if c.Kind == CallApplyPending || c.Kind == CallApplyCurrent {
			return c.Machines
		}
	}
	return nil
}
