package horizon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MachineCount says how far the machines of a pool have come to an image.
type MachineCount struct {
	Total int64
	// OnImage have it. Held are kept as they are, or on an image that somebody else holds. Failed could not be made, or are in
	// error. Unreachable are in a state that no push touches: in maintenance, disabled, or
	// missing in vCenter.
	OnImage, Held, Failed, Unreachable int64
	// FirstError is why the first one has failed, with its name.
	FirstError string
}

// Reachable are the machines that a push can bring to an image.
func (n *MachineCount) Reachable() int64 { return n.Total - n.Unreachable - n.Held }

// unreachable says whether no push touches a machine as it is.
func (m *Machine) unreachable() bool {
	return m.InMaintenance || m.MissingInVCenter || m.State == "MAINTENANCE" || m.State == "DISABLED" || m.State == "DISABLE_IN_PROGRESS"
}

// idle says that nothing is done to the machine: to be left out of a selective push
// (STANDBY) is nothing.
func (m *Machine) idle() bool {
	return slices.Contains([]string{"", "STANDBY", "COMPLETED", "UNDEFINED"}, m.OperationState)
}

// isFailed says whether a machine could not be made.
func (m *Machine) isFailed() bool {
	return m.OperationState == "FAULT" || m.State == "PROVISIONING_ERROR" || m.State == "ERROR"
}

// CountMachines counts those of a pool's machines that have an image; if only is set,
// of those alone.
func CountMachines(all []*Machine, image PoolImage, only []MachineRef) *MachineCount {
	n := &MachineCount{}
	for _, m := range all {
		if only != nil && !slices.ContainsFunc(only, MachineRef{m.ID, m.Name}.same) {
			continue
		}
		n.Total++
		switch {
		case m.Image.same(image) && m.idle() && !m.isFailed():
			n.OnImage++
		case m.Held:
			n.Held++
		case m.unreachable():
			n.Unreachable++
		case m.isFailed():
			n.Failed++
			if n.FirstError == "" && m.CloneError != "" {
				n.FirstError = m.Name + ": " + m.CloneError
			}
		}
	}
	return n
}

// HaltedTask is a push that machines have failed in.
type HaltedTask struct {
	ID string
	// Failed are the names of the machines that have failed, in order; Halted is how
	// many others wait since then.
	Failed []string
	Halted int64
	// FirstError is why the first one has failed, with its name; empty if that is not known.
	FirstError string
}

// PushTasks says how the tasks of a pool stand that bring machines to an image:
// whether there are any, and the one in which machines have failed or wait, nil for none. It
// reads the machines only in the latter case. Its errors are those of Tasks and
// Machines.
func (c *Client) PushTasks(ctx context.Context, poolID string) (there bool, halted *HaltedTask, err error) {
	tasks, err := c.Tasks(ctx, poolID)
	if err != nil {
		return false, nil, err
	}
	for _, t := range tasks {
		if t.Operation != PushTask {
			continue
		}
		there = true
		// While machines are under way it is not known how it ends.
		if t.Halted > 0 || t.Failed > 0 && t.Remaining == 0 {
			halted = &HaltedTask{ID: t.ID, Halted: t.Halted}
		}
	}
	if halted == nil {
		return there, nil, nil
	}
	all, err := c.Machines(ctx, poolID)
	if err != nil {
		return there, nil, err
	}
	for _, m := range all {
		if !m.isFailed() {
			continue
		}
		halted.Failed = append(halted.Failed, m.Name)
		if halted.FirstError == "" && m.CloneError != "" {
			halted.FirstError = m.Name + ": " + m.CloneError
		}
	}
	slices.Sort(halted.Failed)
	return there, halted, nil
}

// HaltedError says that not all machines come to an image by themselves.
type HaltedError struct {
	PoolID   string
	Image    PoolImage
	Task     *HaltedTask
	Machines *MachineCount
}

func (e *HaltedError) Error() string {
	text := fmt.Sprintf("%d of %d machines of the desktop pool %s are on %s; %d have failed", e.Machines.OnImage, e.Machines.Reachable(), e.PoolID, e.Image, len(e.Task.Failed))
	if len(e.Task.Failed) > 0 {
		text += " (" + strings.Join(e.Task.Failed[:min(len(e.Task.Failed), mostNamed)], ", ") + ")"
	}
	if e.Task.Halted > 0 {
		text += fmt.Sprintf(" and %d wait for them", e.Task.Halted)
	}
	if e.Task.FirstError != "" {
		text += "; " + e.Task.FirstError
	}
	return text
}

// mostNamed is how many machines a message names.
const mostNamed = 10

// resume lets a push go on that machines have failed in, if that is asked for and was
// not done for these machines yet.
func (s *situation) resume() Decision {
	halted := s.in.Halted
	if halted == nil || s.sentNow(CallResume) {
		return Decision{}
	}
	if s.in.RetryFailedMachines && !slices.Equal(halted.Failed, s.in.Retried) {
		return Decision{Calls: []Call{{Kind: CallResume, Target: Target{Image: s.pool.Current}, TaskID: halted.ID}}}
	}
	f := s.finding(MachinesHalted, s.pool.Current)
	f.Message, f.Count = halted.FirstError, halted.Halted
	for _, name := range halted.Failed {
		f.Machines = append(f.Machines, MachineRef{Name: name})
	}
	return Decision{Warnings: []Finding{f}}
}

// settle says whether enough machines are on the image, after an interval if they
// are not.
func (w *rollout) settle(ctx context.Context) (bool, error) {
	percent := w.Percent
	if percent == 0 {
		percent = 100
	}
	s := newSituation(w.input())
	if s.scheduled() {
		return true, nil // Its time is not waited for.
	}
	var only []MachineRef
	if applied := s.applied(); applied != nil {
		only = applied
	} else if s.held() && s.pw {
		only = s.adopted()
		if s.ours {
			only = w.out.Claim.Canaries
		}
		only = append([]MachineRef{}, only...)
	}
	w.paused = true
	if err := w.readMachines(ctx); err != nil {
		return false, err
	}
	// What is wanted says which snapshot it is, which a pool may not.
	image := s.wanted.Image
	n := CountMachines(w.machines.Machines, image, only)
	if s.held() && !s.pw {
		n.Held += canariesOf(w.machines.Machines, s.pool.Pending)
	}
	w.machines, w.out.Machines = nil, n
	w.tell(fmt.Sprintf("machines %d/%d", n.OnImage, n.Reachable()))
	if still := w.remakes(n, image); !still && n.OnImage*100 >= percent*n.Reachable() {
		return true, nil
	}
	if err := w.halted(ctx, n, image); err != nil {
		return false, err
	}
	if w.Sleep(ctx, w.Interval) != nil {
		return false, w.stopped(ctx)
	}
	return false, w.look(ctx)
}

// remakes says whether machines may still begin to be made anew although they show the
// image: it is the one that they had, with other hardware. Once some are under way, they
// do not count until they are done.
func (w *rollout) remakes(n *MachineCount, image PoolImage) bool {
	c := w.out.Claim
	if c == nil || c.Spec == nil || !c.Replaces.same(image) {
		return false
	}
	if w.settling.IsZero() {
		w.settling = w.serverNow()
	}
	w.remade = w.remade || n.OnImage < n.Reachable()
	return !w.remade && w.serverNow().Sub(w.settling) < unseenFor
}

// canariesOf counts the machines that somebody else has put on an image that is held: they do
// not leave it by themselves.
func canariesOf(all []*Machine, image PoolImage) int64 {
	n := int64(0)
	for _, m := range all {
		if !m.Held && !m.unreachable() && !m.isFailed() && (m.Image.same(image) || m.goesTo(image)) {
			n++
		}
	}
	return n
}

// isUnseen says whether a call of this work that begins with machines, or begins anew, may
// not show in them yet.
func (w *rollout) isUnseen() bool {
	for _, c := range slices.Backward(w.out.Sent) {
		if (c.Kind == CallResume || c.Kind == CallPush || c.Kind == CallPromote) && !c.At.Before(w.began) {
			return w.serverNow().Sub(c.At) < unseenFor
		}
	}
	return false
}

// halted returns the error for machines that do not come by themselves any more; nil while
// some are under way.
func (w *rollout) halted(ctx context.Context, n *MachineCount, image PoolImage) error {
	if n.Failed == 0 || w.isUnseen() {
		return nil
	}
	_, task, err := w.client.PushTasks(ctx, w.PoolID)
	if err != nil || task == nil {
		var passing error
		if err != nil && !isPassing(err) && !errors.Is(err, context.Canceled) {
			passing = err
		}
		return passing
	}
	return &HaltedError{PoolID: w.PoolID, Image: image, Task: task, Machines: n}
}
