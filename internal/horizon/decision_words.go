package horizon

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// String says what a call does, in the words of a plan. Nothing is in it that
// changes by itself.
func (c Call) String() string {
	image := c.Target.Image.String()
	switch c.Kind {
	case CallCancel:
		if c.ScheduledFor.IsZero() {
			return fmt.Sprintf("cancel-scheduled-push-image (%s, held)", image)
		}
		return fmt.Sprintf("cancel-scheduled-push-image (%s, scheduled for %s)", image, clockTime(c.ScheduledFor))
	case CallReschedule:
		return fmt.Sprintf("schedule-push-image: %s, rescheduled from %s to %s", image, clockTime(c.ScheduledFor), clockTime(c.Spec.StartTime))
	case CallPromote:
		if c.Spec != nil && c.Spec.LogoffPolicy == ForceLogoff {
			image += ", " + ForceLogoff // As it was pushed.
		}
		return "promote-pending-image: " + image
	case CallApplyPending:
		return fmt.Sprintf("apply-image (pending, %s): %s", image, names(c.Shown))
	case CallResume:
		return "resume-task: the push of " + image + ", with the machines that have failed"
	case CallApplyCurrent:
		if len(c.Shown) == 0 {
			return "apply-image (current): " + anyMachines + image
		}
		return "apply-image (current): " + names(c.Shown)
	}
	return "schedule-push-image: " + strings.Join(c.pushWords(), ", ")
}

func (c Call) pushWords() []string {
	words := []string{c.Target.Image.String()}
	if s := c.Spec.Selective; s != nil && len(c.Shown) > 0 {
		words = append(words, "held for "+names(c.Shown))
	} else if s != nil {
		words = append(words, "held for no machine yet")
	}
	start := "now"
	if !c.Spec.StartTime.IsZero() {
		start = "at " + clockTime(c.Spec.StartTime)
	}
	words = append(words, c.Spec.LogoffPolicy, start)
	if !c.Spec.StopOnFirstError {
		words = append(words, "going on after errors")
	}
	words = append(words, switchWords("vTPM", c.Target.AddVirtualTPM))
	if p := c.Spec.Compute; p != nil {
		words = append(words, fmt.Sprintf("%d CPUs with %d cores per socket, %d MB RAM", p.NumCPUs, p.NumCoresPerSocket, p.RAMMB))
	}
	if c.Spec.GridVGPUsEnabled != nil {
		words = append(words, switchWords("vGPUs", c.Target.GridVGPUsEnabled))
		profile := "vGPU profile kept"
		if p := c.Target.VGPUGridProfile; p != nil {
			profile = "vGPU profile " + *p
		}
		words = append(words, profile)
	}
	return words
}

func switchWords(what string, is *bool) string {
	switch {
	case is == nil:
		return what + " kept"
	case *is:
		return what + " on"
	}
	return what + " off"
}

func clockTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// anyMachines begin the list of machines that are not known in a plan.
const anyMachines = "the machines on "

// names lists machines in an order that does not depend on where they come from.
func names(refs []MachineRef) string {
	all := make([]string, len(refs))
	for i, m := range refs {
		all[i] = m.String()
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// PlannedCalls are the calls that a plan has shown, in the words of Call.String.
type PlannedCalls struct{ left []string }

// NewPlannedCalls are planned calls none of which has been made.
func NewPlannedCalls(lines []string) *PlannedCalls { return &PlannedCalls{left: slices.Clone(lines)} }

func (p *PlannedCalls) lines() []string {
	if p == nil {
		return nil
	}
	return p.left
}

// allow says whether calls do no more than what was planned and not made yet: they
// are the same, but that an image may be applied to fewer machines, or to none, or
// that there is nothing left to do. Nil allows any.
func (p *PlannedCalls) allow(calls []Call) bool {
	if p == nil || len(calls) == 0 {
		return true
	}
	i := 0
	for _, line := range p.left {
		if i < len(calls) && within(calls[i].String(), line) {
			i++
			continue
		}
		if !strings.HasPrefix(line, applyWords) {
			return false
		}
	}
	return i == len(calls)
}

// made takes away what was planned up to a call that was made.
func (p *PlannedCalls) made(c Call) {
	if p == nil {
		return
	}
	if i := slices.IndexFunc(p.left, func(line string) bool { return within(c.String(), line) }); i >= 0 {
		p.left = p.left[i+1:]
	}
}

// within says whether a call does what was planned, or the same to fewer machines.
func within(call, planned string) bool {
	if call == planned {
		return true
	}
	head, machines, ok := cutMachines(call)
	plannedHead, plannedMachines, plannedOK := cutMachines(planned)
	return ok && plannedOK && head == plannedHead && !slices.ContainsFunc(machines, func(m string) bool { return !slices.Contains(plannedMachines, m) })
}

// applyWords begin the calls on machines, cutMachines finds these in them.
const applyWords = "apply-image ("

func cutMachines(line string) (head string, machines []string, ok bool) {
	head, list, ok := strings.Cut(line, "): ")
	if !ok || !strings.HasPrefix(line, applyWords) || strings.HasPrefix(list, anyMachines) {
		return line, nil, false
	}
	return head, strings.Split(list, ", "), true
}
