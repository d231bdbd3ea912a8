package horizon

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// podModel is a pool as the vendor's documents describe its states. Each tick is
// half a minute.
type podModel struct {
	t *rapid.T

	now              time.Time
	operation, state string
	current, pending PoolImage
	spec             *PushSpec // of the push under way
	machines         map[string][2]PoolImage
	message          string
	healing          bool // nobody else acts, and nothing fails, any more

	shown   *Pool // what it still shows
	stale   int   // ticks for which it does
	history []string
}

const tick = 30 * time.Second

// illegal fails for what a server refuses, or what must not be done to it.
func (m *podModel) illegal(what string) {
	m.t.Fatalf("%s in %s, %s; it came to that by %q", what, m.operation, m.state, m.history)
}

func (m *podModel) pool() *Pool {
	p := at(m.operation, m.state, m.pending)
	p.Current, p.PendingError = m.current, m.message
	if m.spec != nil && m.operation == operationPush {
		p.PushSettings = m.spec.settings()
	}
	if m.stale > 0 {
		return m.shown
	}
	return p
}

func (m *podModel) list() *MachineList {
	l := &MachineList{}
	for _, id := range slices.Sorted(maps.Keys(m.machines)) {
		l.Machines = append(l.Machines, &Machine{ID: id, Name: "N" + id, Image: m.machines[id][0], Pending: m.machines[id][1]})
	}
	return l
}

func (m *podModel) triggered() bool { return !m.spec.StartTime.After(m.now) }

func (m *podModel) idle() {
	m.operation, m.state, m.pending, m.spec = operationNone, "", PoolImage{}, nil
}

func (m *podModel) tick() {
	m.now = m.now.Add(tick)
	m.stale = max(m.stale-1, 0)
	for id, images := range m.machines {
		if images[1] != (PoolImage{}) && rapid.Bool().Draw(m.t, "logs off") {
			m.machines[id] = [2]PoolImage{images[1], {}}
		}
	}
	switch {
	case m.operation != operationNone && m.operation != operationPush:
		m.idle()
	case m.operation == operationPush:
		m.proceed()
	case m.state == stateUnpublishing, m.state == stateReady, m.state == statePublishing, m.state == statePendingPublish:
		m.idle()
	}
	// What others do while old news are shown cannot be known: a server refuses then.
	if !m.healing && m.stale == 0 && rapid.IntRange(0, 9).Draw(m.t, "somebody else") == 0 {
		m.meddle()
	}
}

func (m *podModel) proceed() {
	switch m.state {
	case "":
		m.state = statePendingPublish
	case statePendingPublish:
		m.state = statePublishing
	case statePublishing:
		m.state = stateReady
		if !m.healing && rapid.IntRange(0, 4).Draw(m.t, "fails") == 0 {
			m.state, m.message = stateFailed, "no space"
		}
	case stateFailed:
		m.operation, m.spec = operationNone, nil
	case stateUnpublishing:
		m.idle()
	case stateReady:
		switch {
		case !m.triggered():
		case m.spec.Selective != nil:
			for _, id := range m.spec.Selective.MachineIDs {
				m.machines[id] = [2]PoolImage{m.machines[id][0], m.pending}
			}
			m.operation, m.state, m.spec = operationNone, stateReadyHeld, nil
		default:
			m.current = m.pending
			m.idle()
		}
	}
}

// meddle is what somebody else does.
func (m *podModel) meddle() {
	m.history = append(m.history, "somebody else")
	switch {
	case m.operation == operationNone && m.state == "":
		m.accept(&PushSpec{Image: rapid.SampledFrom([]PoolImage{v1, v2, v3}).Draw(m.t, "their image"), LogoffPolicy: WaitForLogoff, StartTime: m.someTime()})
	case m.operation == operationNone && m.state == stateReadyHeld && rapid.Bool().Draw(m.t, "they promote"):
		m.current = m.pending
		m.idle()
	case m.operation == operationPush && m.state == stateReady && !m.triggered():
		m.state = stateUnpublishing
	}
}

func (m *podModel) someTime() time.Time {
	return rapid.SampledFrom([]time.Time{{}, m.now.Add(4 * tick), m.now.Add(time.Hour)}).Draw(m.t, "start")
}

func (m *podModel) accept(spec *PushSpec) {
	m.operation, m.state, m.pending, m.spec, m.message = operationPush, "", spec.Image, spec, ""
}

// call is what the server does with a call.
func (m *podModel) call(c Call) {
	m.history = append(m.history, c.String())
	before := m.pool()
	waits := m.operation == operationPush && m.spec != nil && !m.triggered()
	held := m.operation == operationNone && m.state == stateReadyHeld
	switch c.Kind {
	case CallPush:
		if m.operation != operationNone || m.state != "" && m.state != stateFailed {
			m.illegal("a push")
		}
		if m.current == c.Target.Image {
			m.illegal("a push of what runs")
		}
		m.accept(c.Spec)
	case CallReschedule:
		if !waits {
			m.illegal("a reschedule")
		}
		m.spec = c.Spec
	case CallCancel:
		if !waits && !held {
			m.illegal("a cancel")
		}
		for id, images := range m.machines {
			if held && images[0] == m.pending && m.pending != m.current {
				m.illegal("a cancel while " + id + " is on it")
			}
		}
		m.state = stateUnpublishing
	case CallPromote:
		if !held {
			m.illegal("a promotion")
		}
		m.current = m.pending
		m.idle()
	default:
		image := m.current
		if c.Kind == CallApplyPending {
			image = m.pending
		}
		for _, ref := range c.Machines {
			if _, there := m.machines[ref.ID]; !there || !held {
				m.illegal("an image for " + ref.String())
			}
			m.machines[ref.ID] = [2]PoolImage{m.machines[ref.ID][0], image}
		}
		return
	}
	m.shown, m.stale = before, rapid.IntRange(0, 3).Draw(m.t, "shown late")
}

// TestDecisionsComeToAnEnd acts upon decisions, on a server that shows things late,
// fails, and serves others as well.
func TestDecisionsComeToAnEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &podModel{t: t, now: noon, operation: rapid.SampledFrom(knownOperations[:5]).Draw(t, "operation"), current: rapid.SampledFrom([]PoolImage{v1, v2}).Draw(t, "current")}
		m.machines = map[string][2]PoolImage{"m-1": {m.current}, "m-2": {m.current}, "m-3": {m.current}}
		m.state = rapid.SampledFrom(knownStates).Draw(t, "state")
		if m.operation == operationPush && (m.state == stateReadyHeld || m.state == "") {
			m.state = statePublishing
		}
		if m.state != "" {
			m.pending = rapid.SampledFrom([]PoolImage{v2, v3}).Draw(t, "pending")
		}
		if m.operation == operationPush {
			m.spec = &PushSpec{Image: m.pending, LogoffPolicy: WaitForLogoff, StartTime: m.someTime()}
			if rapid.Bool().Draw(t, "selective") {
				m.spec.Selective = &SelectiveSpec{MachineIDs: []string{"m-1"}}
			}
		}
		in := DecisionInput{
			Wanted: Target{Image: v2}, LogoffPolicy: rapid.SampledFrom([]string{"", ForceLogoff, WaitForLogoff}).Draw(t, "policy"), StopOnFirstError: the(true),
			Reschedule: rapid.Bool().Draw(t, "reschedule"), AllowPastStartTime: rapid.Bool().Draw(t, "past"), StartTime: m.someTime(), Began: noon,
			OnConflict: rapid.SampledFrom([]OnConflict{FailOnConflict, OverwriteConflict}).Draw(t, "conflict"),
			Purpose:    rapid.SampledFrom([]Purpose{RunImage, RunImage, WithdrawPush}).Draw(t, "purpose"),
			Selective:  rapid.SampledFrom([]*Selective{nil, {Names: []string{"Nm-1", "Nm-2"}}, {IDs: []string{"m-3"}, PromoteImage: "snapshot-2"}}).Draw(t, "wanted canaries"),
		}
		if m.state != "" && rapid.Bool().Draw(t, "ours") {
			in.Claim = &Claim{Target: Target{Image: m.pending}, Spec: m.spec}
			if m.state == stateReadyHeld {
				in.Claim.Spec = &PushSpec{Image: m.pending, Selective: &SelectiveSpec{}}
				in.Claim.Canaries = []MachineRef{{"m-1", "Nm-1"}}
			}
		}
		if m.state == stateReadyHeld {
			m.machines["m-1"] = [2]PoolImage{m.pending}
		}
		settle(t, m, in)
	})
}

// settle follows decisions until there is nothing left to do.
func settle(t *rapid.T, m *podModel, in DecisionInput) {
	const mostSteps = 300
	sent := 0
	for step := range mostSteps {
		m.healing = step > mostSteps/3
		in.Pool, in.Now = m.pool(), m.now
		d := Decide(in)
		if d.NeedsMachines {
			in.Machines = m.list()
			d = Decide(in)
		}
		if in.Machines != nil {
			in.Machines = m.list()
		}
		switch {
		case d.Refusal != nil:
			return
		case d.Pause == nil && len(d.Calls) == 0:
			waits, holds := m.operation == operationPush && m.pending == v2, m.state == stateReadyHeld && m.pending == v2 && in.Selective != nil
			if in.Purpose == RunImage && m.current != v2 && !waits && !holds {
				t.Fatalf("it ends with %s in %s, by %q", m.current, m.operation, m.history)
			}
			return
		case d.Pause != nil:
			if in.Waited.Row != d.Row {
				in.Waited = Waited{Row: d.Row}
			}
			m.tick()
			in.Waited.For += tick
			continue
		}
		c := d.Calls[0]
		if sent++; sent > 20 {
			t.Fatalf("the calls do not end: %q", m.history)
		}
		failure := ""
		if m.state == stateFailed {
			failure = m.message
		}
		m.call(c)
		in.Sent = append(in.Sent, SentCall{Call: c, At: m.now, FailedBefore: failure})
		switch c.Kind {
		case CallPush, CallReschedule:
			in.Claim = &Claim{Target: c.Target, Spec: c.Spec, Canaries: c.Machines}
		}
		in.Waited = Waited{}
	}
	t.Fatalf("it does not end, by %q", m.history)
}

// TestServerThatNeverMovesIsGivenUpWhereItMust holds a pool in each state for hours.
func TestServerThatNeverMovesIsGivenUpWhereItMust(t *testing.T) {
	for _, c := range []struct {
		pool  *Pool
		after time.Duration
	}{
		{at("SCHEDULE_PUSH_IMAGE", "FAILED", v2), 5 * time.Minute},
		{at("NONE", "PENDING_PUBLISH", v3), 2 * time.Minute},
		{at("NONE", "PENDING_PUBLISH", v2), 0},
		{at("NONE", "PUBLISHING", v3), 2 * time.Minute},
		{at("NONE", "READY", v3), 2 * time.Minute},
		{at("SCHEDULE_PUSH_IMAGE", "PUBLISHING", v3), 0},
		{at("INFRASTRUCTURE_CHANGE", "", PoolImage{}), 0},
	} {
		in := wants(c.pool, nil)
		var ended time.Duration
		for waited := time.Duration(0); waited < 3*time.Hour && ended == 0; waited += tick {
			d := Decide(in)
			if d.Refusal != nil {
				ended = waited
			} else if limited := d.Pause.Limit > 0; limited != (c.after > 0) || d.Pause.Over(c.pool) {
				t.Errorf("%s: %+v", c.pool.Progress(), d.Pause)
			}
			in.Waited = Waited{Row: d.Row, For: waited + tick}
			in.Now = in.Now.Add(tick)
		}
		if ended != c.after {
			t.Errorf("%s, %s: given up after %s, want %s", c.pool.Operation, c.pool.PendingState, ended, c.after)
		}
	}
}

func TestWaitIsOverWhenThePoolHasMoved(t *testing.T) {
	scheduled := scheduledPush(v2, night)
	publishing := scheduledPush(v2, night)
	publishing.PendingState = statePublishing
	for _, c := range []struct {
		until Until
		pool  *Pool
		over  bool
	}{
		{UntilIdle, scheduled, false},
		{UntilIdle, at("NONE", "FAILED", v2), true},
		{UntilSettled, at("NONE", "UNPUBLISHING", v2), false},
		{UntilSettled, at("NONE", "READY", v2), false},
		{UntilSettled, at("SCHEDULE_PUSH_IMAGE", "", PoolImage{}), false},
		{UntilSettled, scheduled, true},
		{UntilSettled, at("NONE", "", PoolImage{}), true},
		{UntilPublished, publishing, false},
		{UntilPublished, scheduled, true},
		{UntilPublished, at("NONE", "", PoolImage{}), true},
		{UntilMachinesLeave, at("NONE", "", PoolImage{}), false},
	} {
		if got := (&Pause{Until: c.until}).Over(c.pool); got != c.over {
			t.Errorf("%s at %s: %t", c.until, fmt.Sprint(c.pool.Progress()), got)
		}
	}
}
