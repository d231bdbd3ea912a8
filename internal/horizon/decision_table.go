package horizon

// Row is a row of the table by which is decided about a pool, in words.
type Row struct {
	Number int
	// Operation and Pending are the pool's operation and the state of its pending
	// image. And is what else has to hold.
	Operation, Pending, And string
	Effect                  string
}

// rule is a row of the table. anyNames lets it match names of states that are not
// known.
type rule struct {
	Row
	anyNames bool
	when     func(*situation) bool
	then     func(*situation) Decision
}

// Rows returns the table by which Decide decides: the first row that matches.
// W is the wanted image, C the current one, P the pending one; a push is triggered
// when it has no start time, or the server's clock is past it.
func Rows() []Row {
	table := newTable()
	rows := make([]Row, len(table))
	for i := range table {
		rows[i] = table[i].Row
	}
	return rows
}

// newTable is a function, since rows decide by the table, too, what comes after a
// wait.
func newTable() []rule {
	return []rule{
		{
			Row: Row{
				1, "FINAL_UNPUBLISH, or any while the pool is being deleted", "any", "",
				"error: the pool is being deleted",
			},
			anyNames: true,
			when:     func(s *situation) bool { return s.pool.Operation == operationFinalUnpublish || s.pool.DeleteInProgress },
			then:     func(s *situation) Decision { return s.refuse(PoolDeleted, s.pool.Current) },
		},
		{
			Row: Row{
				2, "any", "any", `on_drift = "hold", W is what it was and has not failed, and the pool has an image that is neither W nor of this resource`,
				"nothing is sent; warning",
			},
			anyNames: true,
			when: func(s *situation) bool {
				return s.in.OnDrift == HoldDrift && s.in.LastWanted != nil && s.in.LastWanted.equal(&s.wanted) && s.drifted
			},
			then: func(s *situation) Decision {
				effective, _ := s.effective()
				return Decision{Warnings: []Finding{s.finding(DriftHeld, effective.image)}}
			},
		},
		{
			Row:  Row{3, "INITIAL_PUBLISH", "FAILED", "", "error with the pool's message"},
			when: func(s *situation) bool { return s.is(operationInitialPublish, stateFailed) },
			then: (*situation).failed,
		},
		{
			Row:  Row{4, "SCHEDULE_PUSH_IMAGE", "FAILED", "", "wait for NONE, 5 minutes at most, and decide again; then error with the server's message"},
			when: func(s *situation) bool { return s.is(operationPush, stateFailed) },
			then: func(s *situation) Decision {
				if s.waitedEnough(4, failureFades) || s.failedNow() {
					return s.failed()
				}
				return pause(Pause{Until: UntilIdle, Limit: failureFades}, s.after(func(*Pool) {}))
			},
		},
		{
			Row: Row{
				5, "INITIAL_PUBLISH, INFRASTRUCTURE_CHANGE, CANCEL_SCHEDULED_PUSH_IMAGE; any with UNPUBLISHING; SCHEDULE_PUSH_IMAGE without a pending image yet", "any", "",
				"wait, and decide again",
			},
			when: func(s *situation) bool { return settling(s.pool) },
			then: func(*situation) Decision { return Decision{Pause: &Pause{Until: UntilSettled, EndUnknown: true}} },
		},
		{
			Row: Row{
				6, "NONE", "PENDING_PUBLISH, PUBLISHING, READY", "",
				"wait, and decide again: as for a push that is triggered if P = W or of this resource, and is being published; else 2 minutes at most, and then error that names the states",
			},
			when: func(s *situation) bool { return publishesIdly(s.pool) },
			then: func(s *situation) Decision {
				if s.publishesIdly() {
					return pause(Pause{Until: UntilSettled}, s.afterPush())
				}
				if s.waitedEnough(6, stateSettles) {
					return s.refuse(StateUnknown, s.pool.Pending)
				}
				return Decision{Pause: &Pause{Until: UntilSettled, Limit: stateSettles, EndUnknown: true}}
			},
		},
		{
			Row: Row{
				7, "SCHEDULE_PUSH_IMAGE", "P = W", "the settings are equal, or not configured",
				"wait (adoption); then promote a selective push of this resource that is not to be selective any more, or is released",
			},
			when: func(s *situation) bool { return s.pushing() && s.pw && !s.othersDiffer && !s.timeDiffers },
			then: func(s *situation) Decision { return s.adopt() },
		},
		{
			Row:  Row{8, "SCHEDULE_PUSH_IMAGE, triggered", "P = W", "settings differ", "wait as in row 7; warning that the push keeps its settings"},
			when: func(s *situation) bool { return s.pushing() && s.triggered && s.pw },
			then: func(s *situation) Decision { return s.adopt(s.finding(SettingsStay, s.pool.Pending)) },
		},
		{
			Row: Row{
				9, "SCHEDULE_PUSH_IMAGE, not triggered", "P = W", "only start_time differs",
				"with reschedule, and if this resource has pushed it: reschedule; else as row 7, with a warning that the time stays",
			},
			when: func(s *situation) bool { return s.scheduled() && s.pw && !s.othersDiffer },
			then: (*situation).reschedule,
		},
		{
			Row:  Row{10, "SCHEDULE_PUSH_IMAGE, not triggered", "P = W", "other settings differ", `of this resource, or on_conflict = "overwrite": cancel, wait; then push, unless C = W; else error`},
			when: func(s *situation) bool { return s.scheduled() && s.pw },
			then: func(s *situation) Decision {
				if !s.mayOverwrite() {
					return s.refuse(SettingsConflict, s.pool.Pending)
				}
				return s.replace()
			},
		},
		{
			Row:  Row{11, "SCHEDULE_PUSH_IMAGE, not triggered", "P is not W", "P is not of this resource, C = W", "nothing is sent; warning"},
			when: func(s *situation) bool { return s.scheduled() && !s.ours && s.cw },
			then: func(s *situation) Decision {
				return Decision{Warnings: []Finding{s.finding(ScheduledElsewhere, s.pool.Pending)}}
			},
		},
		{
			Row: Row{
				12, "SCHEDULE_PUSH_IMAGE, not triggered", "P is not W", "",
				`P of this resource, or on_conflict = "overwrite": cancel, wait; then push, unless C = W; else error`,
			},
			when: (*situation).scheduled,
			then: func(s *situation) Decision {
				if !s.mayOverwrite() {
					return s.refuse(ScheduleConflict, s.pool.Pending)
				}
				return s.replace()
			},
		},
		{
			Row:  Row{13, "SCHEDULE_PUSH_IMAGE, triggered", "P is not W", "", "wait until it is over, and decide again; it is never cancelled"},
			when: (*situation).pushing,
			then: func(s *situation) Decision { return pause(Pause{Until: UntilIdle}, s.afterPush()) },
		},
		{
			Row:  Row{14, "NONE", "READY_HELD, P = W", "C = W", "P of this resource: apply-image (current) for its canaries, cancel; else nothing"},
			when: func(s *situation) bool { return s.held() && s.pw && s.cw },
			then: func(s *situation) Decision {
				if !s.ours {
					return Decision{}
				}
				return Decision{Calls: append(s.apply(CallApplyCurrent, s.canaries()), s.cancel())}
			},
		},
		{
			Row: Row{
				15, "NONE", "READY_HELD, P = W", `promote_image = W; or no selective, and P of this resource or on_conflict = "overwrite"`,
				"promote",
			},
			when: func(s *situation) bool {
				return s.held() && s.pw && (s.promoteIsWanted() || s.in.Selective == nil && s.mayOverwrite())
			},
			then: func(s *situation) Decision {
				return Decision{Calls: []Call{{Kind: CallPromote, Target: s.wanted, Spec: s.claimedSpec()}}}
			},
		},
		{
			Row: Row{
				16, "NONE", "READY_HELD, P = W", "selective",
				"apply-image (pending) for the machines that are configured and were not, (current) for the reverse; of P that is not of this resource: (pending) for machines that are not on it",
			},
			when: func(s *situation) bool { return s.held() && s.pw && s.in.Selective != nil },
			then: (*situation).spread,
		},
		{
			Row:  Row{17, "NONE", "READY_HELD", "P is not of this resource, C = W", "nothing is sent; warning"},
			when: func(s *situation) bool { return s.held() && !s.ours && s.cw },
			then: func(s *situation) Decision {
				return Decision{Warnings: []Finding{s.finding(HeldElsewhere, s.pool.Pending)}}
			},
		},
		{
			Row:  Row{18, "NONE", "READY_HELD", `P is not of this resource, C is not W, on_conflict = "fail"`, "error"},
			when: func(s *situation) bool { return s.held() && !s.mayOverwrite() },
			then: func(s *situation) Decision { return s.refuse(HoldConflict, s.pool.Pending) },
		},
		{
			Row: Row{
				19, "NONE", "READY_HELD, P is not W", `P of this resource, or on_conflict = "overwrite"`,
				"apply-image (current) for the machines on P, wait until none is, cancel, wait; then push, unless C = W",
			},
			when: (*situation).held,
			then: (*situation).giveWay,
		},
		{
			Row:  Row{20, "NONE", "none, or FAILED", "", "C = W: nothing, or the task that was halted goes on, if that is asked for; else push, selective if that is configured"},
			when: func(s *situation) bool { return s.pool.Operation == operationNone },
			then: func(s *situation) Decision {
				switch {
				case s.cw:
					return s.resume()
				case s.failedNow():
					return s.failed()
				}
				return s.push()
			},
		},
		{
			Row:      Row{21, "anything else, or a name that is not known", "anything else, or a name that is not known", "", "error that names the operation and the states"},
			anyNames: true,
			when:     func(*situation) bool { return true },
			then:     func(s *situation) Decision { return s.refuse(StateUnknown, s.pool.Pending) },
		},
	}
}

func (s *situation) is(operation, state string) bool {
	return s.pool.Operation == operation && s.pool.PendingState == state
}

// failedNow says whether W was pushed in the work at hand, and that has come to
// nothing: who pushes again has to be asked for it.
func (s *situation) failedNow() bool {
	c := s.lastPush()
	return c != nil && s.now(c) && c.Target.equal(&s.wanted) && (s.pool.PendingState == "" || s.pool.PendingState == stateFailed && pendingOf(s.pool).may(s.wanted))
}

// reschedule moves a push that waits. Other parameters than the time have to be
// those of the call that scheduled it, which only its sender knows.
func (s *situation) reschedule() Decision {
	spec := s.claimedSpec()
	switch {
	case !s.in.Reschedule:
		return s.adopt(s.finding(TimeStays, s.pool.Pending))
	case spec == nil:
		return s.adopt(s.finding(TimeFixed, s.pool.Pending))
	}
	if f := s.checkStart(); f != nil {
		return Decision{Refusal: f}
	}
	moved := *spec
	moved.StartTime = s.in.StartTime
	return Decision{Calls: []Call{{Kind: CallReschedule, Target: s.in.Claim.Target, Spec: &moved, ScheduledFor: s.start}}}
}
