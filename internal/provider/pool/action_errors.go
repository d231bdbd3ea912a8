package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// failure is the diagnostic for what has ended an action. What the resource says of
// the same error holds for actions, unless it speaks of a next apply or of arguments that
// they do not have.
func (o *order) failure(in *inputs, err error) diag.Diagnostic {
	var (
		refused *horizon.RefusalError
		publish *horizon.PublishError
		halted  *horizon.HaltedError
		feature *horizon.UnsupportedError
		unseen  *horizon.UnseenError
		partial *horizon.PartialError
		write   *horizon.WriteError
	)
	at := path.Root(attrPool)
	switch {
	case errors.As(err, &refused):
		return o.refusal(in, refused.Finding)
	case errors.As(err, &publish):
		return o.errorAt(at, fmt.Sprintf("%s could not be published: %s\n\nThe pool keeps the image that it runs. Mend the cause, which Horizon Console and the logs of vCenter tell more about, and invoke the action again: the image is then pushed anew.",
			publish.Image, serverSays(publish.Message)))
	case errors.As(err, &halted):
		return o.errorAt(path.Root(attrWaitFor), plan.Sentence(err)+"\n\nMachines that were not reached keep the former image. Mend the cause, and invoke imageops_resume_push_image with retry_failed_machines = true.")
	case errors.As(err, &feature):
		return o.errorAt(at, plan.Sentence(err)+" Nothing was sent. Upgrade the Connection Server, or do without it.")
	case errors.Is(err, context.Canceled):
		return o.ended("The run was cancelled.", err)
	case errors.Is(err, context.DeadlineExceeded):
		return o.ended("The time that the timeout argument allows was over.", err)
	case errors.As(err, &partial):
		return o.errorAt(at, plan.Sentence(err)+"\n\nHorizon has accepted the call, and refuses it for these machines. For the others it goes on.")
	case errors.As(err, &unseen), errors.As(err, &write) && write.Effect == horizon.Unknown:
		return o.errorAt(at, plan.Sentence(err)+"\n\nIt is not known whether the call has taken effect. Look at the pool in Horizon Console before the action is invoked again.")
	}
	return o.desktop.failure(in, err)
}

// ended is the diagnostic for an action that was ended before it was over.
func (o *order) ended(why string, err error) diag.Diagnostic {
	goesOn := "Nothing was sent."
	if len(o.made) > 0 {
		goesOn = fmt.Sprintf("Sent was %s, which goes on in Horizon by itself: nothing is taken back.", strings.Join(o.made, "; "))
		if o.verb == pushVerb {
			goesOn += " As long as that push is under way, the same action waits for it, and sends nothing; afterwards it pushes once more."
		}
	}
	return diag.NewErrorDiagnostic(o.unable(), fmt.Sprintf("%s: %s\n\n%s %s", o.text(), plan.Sentence(err), why, goesOn))
}

// refusal is the diagnostic for a reason to send nothing, or nothing more.
func (o *order) refusal(in *inputs, f horizon.Finding) diag.Diagnostic {
	at := path.Root(attrPool)
	sent := "Nothing was sent."
	if len(o.made) > 0 {
		sent = "Nothing more was sent."
	}
	refuse := func(format string, args ...any) diag.Diagnostic {
		return o.errorAt(at, fmt.Sprintf(format, args...)+" "+sent)
	}
	advise := func(d diag.Diagnostic, advice string) diag.Diagnostic {
		return diag.NewAttributeErrorDiagnostic(at, d.Summary(), d.Detail()+"\n\n"+advice)
	}
	switch f.Matter {
	case horizon.PoolDeleted:
		return refuse("it is being deleted.")
	case horizon.PublishFailed:
		return advise(refuse("%s could not be published: %s", f.Image, serverSays(f.Message)), "Mend the cause, which Horizon Console and the logs of vCenter tell more about, and push the image anew.")
	case horizon.SettingsConflict:
		return advise(refuse("the image %s %s with other settings than these.", f.Image, scheduled(f)), "Wait until it is over, or cancel that push with imageops_cancel_push_image.")
	case horizon.ScheduleConflict:
		return advise(refuse("%s %s; this action is about %s, and the pool runs %s.", f.Image, scheduled(f), f.Wanted, f.Current), "Ask who has scheduled it. Wait until it is over, or cancel that push with imageops_cancel_push_image.")
	case horizon.HoldConflict:
		return advise(refuse("%s is held on it for some machines; this action is about %s, and the pool runs %s.", f.Image, f.Wanted, f.Current),
			"Ask who tries it out. imageops_promote_pending_image makes it the image of the pool, imageops_cancel_push_image does away with it.")
	case horizon.NothingPending:
		return refuse("it has no pending image; it runs %s.", f.Current)
	case horizon.OtherPending:
		return refuse("its pending image is %s, and this action is about %s.", f.Image, f.Wanted)
	case horizon.NotHeld:
		if !f.Start.IsZero() {
			return refuse("%s is not held, but scheduled for %s.", f.Image, moment(f.Start))
		}
		return refuse("%s is not held: its state is %s, and the operation of the pool is %s.", f.Image, orNone(f.PendingState), orNone(f.Operation))
	case horizon.PushGoesOn:
		return advise(refuse("the push of %s has begun, and cannot be taken back.", f.Image), "An image that is held afterwards, as the canaries' is, can be cancelled then.")
	case horizon.PoolBusy:
		return advise(refuse("its operation is %s, and its pending image is %s, which allows no other call.", orNone(f.Operation), orNone(f.PendingState)), "Invoke the action again when that is over.")
	case horizon.NothingHalted:
		if len(f.Machines) > 0 {
			return advise(refuse("no machine waits for a push to go on; %d have failed (%s).", len(f.Machines), machineList(f.Machines)), "retry_failed_machines = true tries them again.")
		}
		return refuse("it has no push that was halted.")
	case horizon.MachinesMissing:
		missing := make([]string, len(f.Machines))
		for i, m := range f.Machines {
			missing[i] = m.String()
		}
		return advise(refuse("it has no machine %s, or more than one.", strings.Join(missing, ", ")), "Machines are named as Horizon Console lists them in the pool, without a domain.")
	}
	return o.desktop.refusal(in, f)
}

// notice is the warning for something that was found by an action that has succeeded.
func (o *order) notice(f horizon.Finding) diag.Diagnostic {
	switch f.Matter {
	case horizon.SettingsStay:
		return o.warning("A push under way keeps its settings", fmt.Sprintf("%s was on its way with other settings than these, and was not pushed once more.", f.Image))
	case horizon.TimeStays, horizon.TimeFixed:
		return o.warning("A push keeps its time", fmt.Sprintf("%s stays scheduled for %s: actions move no push. Cancel it with imageops_cancel_push_image, and push anew.", f.Image, moment(f.Start)))
	}
	return o.desktop.notice(f)
}

// isUnsupported says whether a release is too old.
func isUnsupported(err error) bool {
	var feature *horizon.UnsupportedError
	return errors.As(err, &feature)
}
