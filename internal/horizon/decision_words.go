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
		return "promote-pending-image: " + image
	case CallApplyPending:
		return fmt.Sprintf("apply-image (pending, %s): %s", image, names(c.Shown))
	case CallApplyCurrent:
		if len(c.Shown) == 0 {
			return "apply-image (current): the machines on " + image
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

// names lists machines in an order that does not depend on where they come from.
func names(refs []MachineRef) string {
	all := make([]string, len(refs))
	for i, m := range refs {
		all[i] = m.String()
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Within says whether calls do no more than what was planned: they are the same,
// but that an image may be applied to fewer machines, or to none, or that there is
// nothing left to do.
func Within(planned, calls []Call) bool {
	if len(calls) == 0 {
		return true
	}
	i := 0
	for _, p := range planned {
		if i < len(calls) && calls[i].within(p) {
			i++
			continue
		}
		if p.Kind != CallApplyCurrent && p.Kind != CallApplyPending {
			return false
		}
	}
	return i == len(calls)
}

func (c Call) within(planned Call) bool {
	switch {
	case c.Kind != planned.Kind || !c.Target.Image.same(planned.Target.Image):
		return false
	case c.Kind == CallPush:
		return c.Target.equal(&planned.Target) && c.String() == planned.String()
	case c.Kind != CallApplyCurrent && c.Kind != CallApplyPending:
		return c.String() == planned.String()
	}
	unplanned := func(m MachineRef) bool { return !slices.ContainsFunc(planned.Shown, m.same) }
	return (len(planned.Shown) == 0) == (len(c.Shown) == 0) && !slices.ContainsFunc(c.Shown, unplanned)
}
