package pool

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

const thing = "the image of the desktop pool"

func (d *desktop) unable() string { return fmt.Sprintf("Unable to %s %s", d.verb, thing) }

func (d *desktop) text() string { return poolText(d.id, d.pool) }

// wording is how diagnostics speak of the pool.
func (d *desktop) wording() plan.Wording {
	return plan.Wording{Thing: thing, Object: d.text(), Service: "Connection Server", Verb: d.verb}
}

func (d *desktop) errorAt(at path.Path, detail string) diag.Diagnostic {
	if len(d.made) > 0 {
		detail = strings.ReplaceAll(detail, nothingSent, "Sent before that: "+callList(d.made)+"; nothing after it.")
	}
	return diag.NewAttributeErrorDiagnostic(at, d.unable(), d.text()+": "+detail)
}

func (d *desktop) warning(summary, detail string) diag.Diagnostic {
	return diag.NewWarningDiagnostic(summary, d.text()+": "+detail)
}

// nothingSent ends the first half of an error before the first call.
const nothingSent = "Nothing was sent."

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// scheduled says when an image is to come.
func scheduled(f horizon.Finding) string {
	if f.Start.IsZero() {
		return "is being published"
	}
	return "is scheduled for " + moment(f.Start)
}

// refusal is the error for a reason to send nothing.
func (d *desktop) refusal(in *inputs, f horizon.Finding) diag.Diagnostic {
	image := path.Root(attrPool)
	if in != nil {
		image = imagePath(in.fromCatalogue())
	}
	switch f.Matter {
	case horizon.PoolDeleted:
		return d.errorAt(path.Root(attrPool), "it is being deleted, so no image is pushed to it. Take it out of the configuration, or name another pool.")
	case horizon.PublishFailed:
		if f.Image == (horizon.PoolImage{}) {
			f.Image = f.Wanted
		}
		return d.errorAt(image, fmt.Sprintf("%s could not be published: %s\n\n%s", f.Image, serverSays(f.Message), publishAdvice))
	case horizon.SettingsConflict:
		return d.errorAt(image, fmt.Sprintf("the wanted image %s %s by somebody else, with other settings than these. Nothing was sent.\n\n"+
			"Take the settings over, wait until it is over, or set on_conflict = %q to cancel that push and send one with these settings.", f.Image, scheduled(f), plan.ConflictOverwrite))
	case horizon.ScheduleConflict:
		return d.errorAt(image, fmt.Sprintf("%s %s by somebody else; this configuration wants %s, and the pool runs %s. Nothing was sent.\n\n"+
			"Ask who has scheduled it. Wait until it is over, or set on_conflict = %q to cancel it.", f.Image, scheduled(f), f.Wanted, f.Current, plan.ConflictOverwrite))
	case horizon.HoldConflict:
		return d.errorAt(image, fmt.Sprintf("somebody else holds %s on it for some machines; this configuration wants %s, and the pool runs %s. Nothing was sent.\n\n"+
			"Ask who tries it out. Once it is promoted or cancelled in Horizon Console this can be applied; on_conflict = %q does away with it.", f.Image, f.Wanted, f.Current, plan.ConflictOverwrite))
	case horizon.StartTimePassed:
		detail := fmt.Sprintf("%s is missing on it, and the start_time %s is not at least 60 s ahead of the Connection Server's clock, which shows %s: Horizon would begin at once. Nothing was sent.", f.Image, moment(f.Start), moment(d.now()))
		if f.Message != "" {
			detail += " The push that was scheduled before has failed: " + serverSays(f.Message)
		}
		return d.errorAt(path.Root(attrStartTime), detail+"\n\nGive a start_time ahead, take it out to begin now, or set allow_past_start_time = true.")
	case horizon.MachinesMissing:
		missing := make([]string, len(f.Machines))
		for i, m := range f.Machines {
			missing[i] = m.String()
		}
		return d.errorAt(path.Root(attrSelective), fmt.Sprintf("it has no machine %s, or more than one. Nothing was sent.\n\nMachines are named as Horizon Console lists them in the pool, without a domain.", strings.Join(missing, ", ")))
	}
	return d.errorAt(path.Root(attrPool), fmt.Sprintf("its operation is %s, its pending image is %s and its current image is %s, for which this provider has no rule. Nothing was sent.\n\n"+
		"Look at the pool in Horizon Console, and run it again when its operation is over.", orNone(f.Operation), orNone(f.PendingState), orNone(f.CurrentState)))
}

func orNone(s string) string {
	if s == "" {
		return "not said"
	}
	return s
}

// serverSays quotes a message of Horizon as a sentence.
func serverSays(message string) string {
	if message == "" {
		return "Horizon does not say why."
	}
	return plan.Sentence(errors.New(message))
}

const publishAdvice = "The pool keeps the image that it runs. Mend the cause, which Horizon Console and the logs of vCenter tell more about, and apply again: the image is then pushed anew."

// notice is the warning for something that was found.
func (d *desktop) notice(f horizon.Finding) diag.Diagnostic {
	switch f.Matter {
	case horizon.DriftHeld:
		return d.warning("A desktop pool is left on another image", fmt.Sprintf("it has %s, which neither this resource nor its configuration chose; configured is %s. on_drift is %q, so nothing is planned until another image is configured.",
			f.Image, f.Wanted, horizon.HoldDrift))
	case horizon.SettingsStay:
		return d.warning("A push under way keeps its settings", fmt.Sprintf("%s is on its way with other settings than these, and has begun. They hold for the next push.", f.Image))
	case horizon.TimeStays:
		return d.warning("A push keeps its time", fmt.Sprintf("%s stays scheduled for %s, since reschedule is false.", f.Image, moment(f.Start)))
	case horizon.TimeFixed:
		return d.warning("A push keeps its time", fmt.Sprintf("%s stays scheduled for %s: moving it takes all parameters of the call that scheduled it, which this resource did not make.", f.Image, moment(f.Start)))
	case horizon.ScheduledElsewhere:
		return d.warning("Somebody else has scheduled an image", fmt.Sprintf("the pool runs the wanted image, and %s %s by somebody else. It is left alone.", f.Image, scheduled(f)))
	case horizon.HeldElsewhere:
		return d.warning("Somebody else holds an image", fmt.Sprintf("the pool runs the wanted image, and somebody else holds %s on it for some machines. It is left alone.", f.Image))
	case horizon.PushGoesOn:
		return d.warning("A push goes on", fmt.Sprintf("the push of %s has begun, and is not taken back.", f.Image))
	case horizon.MachinesHalted:
		detail := fmt.Sprintf("machines did not get %s: %d have failed", f.Image, len(f.Machines))
		if len(f.Machines) > 0 {
			detail += " (" + machineList(f.Machines) + ")"
		}
		if f.Count > 0 {
			detail += fmt.Sprintf(", and %d wait since then", f.Count)
		}
		if f.Message != "" {
			detail += ". " + serverSays(f.Message)
		} else {
			detail += "."
		}
		return d.warning("Machines did not get the image", detail+"\n\nMend the cause, and set retry_failed_machines = true, or resume the task in Horizon Console.")
	}
	return d.warning("Notice about "+thing, string(f.Matter))
}

const mostNamed = 10

func machineList(refs []horizon.MachineRef) string {
	var all []string
	for _, m := range refs[:min(len(refs), mostNamed)] {
		all = append(all, m.String())
	}
	text := strings.Join(all, ", ")
	if more := len(refs) - mostNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// failure is the diagnostic for an error of the client or of a rollout.
func (d *desktop) failure(in *inputs, err error) diag.Diagnostic {
	image := path.Root(attrPool)
	if in != nil {
		image = imagePath(in.fromCatalogue())
	}
	var (
		refused   *horizon.RefusalError
		unplanned *horizon.UnplannedError
		publish   *horizon.PublishError
		halted    *horizon.HaltedError
		leaving   *horizon.LeavingError
		moved     *tagMovedError
		resolve   *horizon.ResolveError
		lookup    *horizon.LookupError
		feature   *horizon.UnsupportedError
		signIn    *horizon.SignInError
	)
	switch {
	case errors.As(err, &signIn):
		return diag.NewErrorDiagnostic(d.unable(), plan.Sentence(err))
	case errors.As(err, &refused):
		return d.refusal(in, refused.Finding)
	case errors.As(err, &unplanned):
		return d.errorAt(path.Root(attrPool), fmt.Sprintf("it is not as it was when this was planned. Planned %s; now it would take %s. Nothing of that was sent.\n\nRun terraform plan to see what it is now, and apply that.",
			callList(unplanned.Planned), callLines(unplanned.Needed)))
	case errors.As(err, &publish):
		return d.errorAt(image, fmt.Sprintf("%s could not be published: %s\n\n%s", publish.Image, serverSays(publish.Message), publishAdvice))
	case errors.As(err, &halted):
		return d.errorAt(path.Root(attrWaitFor), plan.Sentence(err)+"\n\nThe pool runs the image; machines that were not reached keep the former one. Mend the cause, and set retry_failed_machines = true, or resume the task in Horizon Console.")
	case errors.As(err, &leaving):
		return d.errorAt(path.Root(plan.TimeoutsAttribute), plan.Sentence(err)+"\n\nThe image is held until they have left it: they wait for their users to log off. Apply again, which waits again, or end those sessions.")
	case errors.As(err, &moved):
		return d.errorAt(path.Root(attrTag), plan.Sentence(err)+" Nothing was sent.\n\nMove the tag, or give im_version_id from the tag's resource, and run terraform plan again.")
	case errors.As(err, &resolve):
		return d.errorAt(path.Root(attrTag), plan.Sentence(err)+"\n\nMake one asset for this vCenter, or move the tag to a version that has one.")
	case errors.As(err, &feature):
		return d.errorAt(featurePath(feature.Feature), plan.Sentence(err)+" Take it out, or upgrade the Connection Server.")
	case errors.As(err, &lookup):
		return d.errorAt(image, plan.Sentence(err))
	case errors.Is(err, horizon.ErrNotFound):
		return d.errorAt(path.Root(attrPool), "Horizon does not know it, or the user may not see it. "+plan.Sentence(err))
	}
	detail := d.text() + ": " + plan.Sentence(err)
	if advice := adviceFor(err); advice != "" {
		detail += "\n\n" + advice
	}
	return diag.NewErrorDiagnostic(d.unable(), detail)
}

// featurePath is the attribute that a release does not have.
func featurePath(f horizon.Feature) path.Path {
	switch f {
	case horizon.PushComputeProfile:
		return path.Root(attrComputeProfile)
	case horizon.PushVirtualGPUs:
		return path.Root(attrGridVGPUs)
	case horizon.ResumePushTask:
		return path.Root(attrRetryFailed)
	}
	return path.Root(attrSelective)
}

func callLines(calls []horizon.Call) string {
	lines := make([]string, len(calls))
	for i, c := range calls {
		lines[i] = c.String()
	}
	return callList(lines)
}

func callList(lines []string) string {
	if len(lines) == 0 {
		return "no call"
	}
	return strings.Join(lines, "; ")
}

func adviceFor(err error) string {
	var partial *horizon.PartialError
	var write *horizon.WriteError
	var api *transport.APIError
	switch {
	case errors.Is(err, context.Canceled):
		return "The run was cancelled. What was sent goes on in Horizon; the next apply picks it up and sends nothing twice."
	case errors.Is(err, context.DeadlineExceeded):
		return "The time that the timeouts argument allows was over. What was sent goes on in Horizon; the next apply picks it up and sends nothing twice. With logoff_policy = \"WAIT_FOR_LOGOFF\" it is over when the last user has logged off."
	case errors.As(err, &partial):
		return "Horizon has accepted the call and refuses it for these machines. The next apply sees what has become of it."
	case errors.As(err, &write) && write.Effect == horizon.Unknown:
		return "It is not known whether the call has taken effect; the pool does not show it. Run it again: the pool is read first, and what is under way is not sent twice."
	case errors.As(err, &api) && api.StatusCode == http.StatusForbidden:
		return "Ask a Horizon administrator for a role with this privilege on that access group."
	case errors.As(err, &api) && api.StatusCode == http.StatusBadRequest:
		return "Horizon does not accept this. Only one operation at a time is possible on a pool; a snapshot that has just been deleted, or an image of another datacenter, is refused like this, too."
	}
	return "Run it again: the pool is read first, and what is under way is not sent twice."
}
