package catalogue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// store is an object of the catalogue as the object of a change.
type store struct{ *object }

// patient lets a request under way finish after a cancellation, but no waits.
func patient(ctx context.Context) context.Context {
	return transport.WithPatience(ctx, change.Caller(ctx))
}

func (s store) Read(ctx context.Context) (patch.Document, error) {
	found, err := s.client.Read(patient(ctx), s.ref)
	if err != nil {
		return nil, err
	}
	return found.Document(), nil
}

func (s store) Write(ctx context.Context, current patch.Document, p patch.Patch) (patch.Document, error) {
	written, err := s.client.Patch(patient(ctx), s.ref, current, p)
	if err != nil {
		return nil, writeError(err)
	}
	return written, nil
}

// writeError says what an error of the client means for the object.
func writeError(err error) *change.WriteError {
	failed := &change.WriteError{Effect: change.Unknown, Err: err}
	var cause *horizon.WriteError
	if !errors.As(err, &cause) {
		return failed
	}
	switch {
	case cause.Effect == horizon.Refused:
		failed.Effect = change.Refused
	case cause.Effect == horizon.Unsent && cause.RetryAfter > 0:
		failed.Effect, failed.Wait = change.Stale, cause.RetryAfter
	case cause.Effect == horizon.Unsent:
		failed.Effect = change.Unsent
	}
	return failed
}

// write is one create or update under way. What it brings about stands in the
// planned values, which become the state.
type write struct {
	*object
	*step
	verb     string
	interval time.Duration
	seen     patch.Document // the object as it was seen last
	wrote    patch.Want     // what was sent
}

func (o *object) write(s *step, verb string, interval time.Duration) *write {
	return &write{object: o, step: s, verb: verb, interval: interval, seen: s.stored.Document}
}

// private returns what is kept beside the state, which is the planned one if that
// was reached and else the one before. A pointer that was adopted and is written or
// given up is not adopted any more; one that joined with the value that it had
// already is.
func (w *write) private(reached bool) plan.Private {
	adopted := slices.DeleteFunc(slices.Clone(w.stored.Adopted), func(p patch.Pointer) bool {
		_, wrote := w.wrote[p]
		_, owned := w.after.want[p]
		return wrote || (reached && !owned)
	})
	if !reached {
		return w.object.private(w.seen, adopted)
	}
	for p, value := range w.after.want {
		_, wrote := w.wrote[p]
		_, before := w.before.want[p]
		if w.prior != nil && !wrote && !before && value != patch.Absent {
			adopted = append(adopted, p)
		}
	}
	slices.Sort(adopted)
	return w.object.private(w.seen, adopted)
}

// made fills what is known of an object as soon as it is made.
func (w *write) made() {
	w.planned.SetText(attrID, w.ref.ID)
	spec := w.spec()
	if w.object.kind.waits {
		w.planned[attrCurrentStatus] = textOrNull(spec[statusPointer])
	}
	if !w.planned[plan.PlannedPatchAttribute].IsKnown() || !w.planned[plan.PlannedChangesAttribute].IsKnown() {
		_ = w.describe(w.difference(patch.Document{})) // What cannot be encoded could not have been sent.
	}
	w.seen = spec
}

// verify looks at what a create has made, corrects what the server did not store,
// and waits for the status. The object is there, so that an error taints the
// resource: one that leaves it as it was asked for is a warning.
func (w *write) verify(ctx context.Context) diag.Diagnostics {
	unlock, err := change.Lock(ctx, w.key())
	if err != nil {
		return diag.Diagnostics{w.unverified(err)}
	}
	defer unlock()
	want := w.object.kind.changeable(w.after.want)
	result, err := change.Apply(ctx, store{w.object}, change.Change{Want: want, Equal: w.object.kind.equal}, change.Timing{})
	w.note(ctx, result)
	switch {
	case err == nil:
		w.memory.First(w.key(), w.seen)
	case result.Document == nil && !errors.Is(err, horizon.ErrNotFound):
		return w.waitUnseen(ctx, err)
	case errors.Is(err, horizon.ErrNotFound):
		return w.diagnose(result, err)
	default:
		// An error would have it made anew, which does not help: the next plan shows
		// the difference, and mends it in place.
		return append(w.incomplete(w.diagnose(result, err)), w.wait(ctx)...)
	}
	return w.wait(ctx)
}

// incomplete makes warnings of what went wrong after an object was made.
func (w *write) incomplete(diags diag.Diagnostics) diag.Diagnostics {
	var softened diag.Diagnostics
	for _, d := range diags {
		warning := diag.NewWarningDiagnostic(plan.UpperFirst(w.object.kind.String())+" was created, and is not as configured",
			fmt.Sprintf("%s\n\nThe %s itself is there and in the state. The next plan shows what differs, and its apply mends that in place.", d.Detail(), w.object.kind))
		if at, ok := d.(diag.DiagnosticWithPath); ok {
			softened.Append(diag.WithPath(at.Path(), warning))
			continue
		}
		softened.Append(warning)
	}
	return softened
}

// waitUnseen waits for the status of an object that could not be looked at when it
// was made. What the wait sees is the look.
func (w *write) waitUnseen(ctx context.Context, cause error) diag.Diagnostics {
	if !w.object.kind.awaits(w.planned) {
		return diag.Diagnostics{w.unverified(cause)}
	}
	diags := w.wait(ctx)
	if diags.HasError() || len(patch.Diff(w.seen, w.object.kind.changeable(w.after.want), w.object.kind.equal)) == 0 {
		return diags
	}
	return append(diags, w.unverified(cause))
}

// unverified warns that nobody has looked at an object that was made.
func (w *write) unverified(err error) diag.Diagnostic {
	return diag.NewWarningDiagnostic(plan.UpperFirst(w.object.kind.String())+" was created, and not looked at again",
		fmt.Sprintf("Horizon has created the %s %s. Reading it again failed: %s The next plan shows whether it is as configured.", w.object.kind, w.ref.ID, plan.Sentence(err)))
}

// update carries the change of an existing object out. It says whether the object
// became what was planned, even if something else failed afterwards.
func (w *write) update(ctx context.Context) (written bool, diags diag.Diagnostics) {
	unlock, err := change.Lock(ctx, w.key())
	if err != nil {
		return false, diag.Diagnostics{w.failure(w.verb, err)}
	}
	defer unlock()
	if !w.silent() {
		if diags = w.apply(ctx); diags.HasError() {
			return false, diags
		}
	}
	diags.Append(w.wait(ctx)...)
	return true, diags
}

func (w *write) apply(ctx context.Context) diag.Diagnostics {
	release, _ := w.released()
	c := change.Change{
		Seen: w.stored.Document, Want: w.object.kind.changeable(w.after.want), Release: release,
		Equal: w.object.kind.equal, OnConflict: w.planned.Policy(),
	}
	if c.Seen == nil {
		c.Seen = w.memory.Known(w.key())
	}
	result, err := change.Apply(ctx, store{w.object}, c, change.Timing{})
	w.note(ctx, result)
	if err != nil {
		return w.diagnose(result, err)
	}
	var diags diag.Diagnostics
	for _, k := range result.Overwritten {
		diags.Append(w.wording(w.verb).Overwritten(k))
	}
	diags.Append(w.kept(result.Kept)...)
	if !w.planned[plan.PlannedPatchAttribute].IsKnown() || !w.planned[plan.PlannedChangesAttribute].IsKnown() {
		diags.Append(w.describe(plan.Difference{
			Patch: patch.Diff(result.Found, result.Effect(), w.object.kind.equal), On: result.Found,
		})...)
	}
	if w.object.kind.waits && !w.planned[attrCurrentStatus].IsKnown() {
		w.planned[attrCurrentStatus] = textOrNull(w.seen[statusPointer])
	}
	return diags
}

// note keeps what a change showed, and logs what it sent.
func (w *write) note(ctx context.Context, result *change.Result) {
	if result.Document != nil {
		w.seen = result.Document
	}
	w.wrote = result.Effect()
	for i, p := range result.Sent {
		d := plan.Difference{Patch: p, On: result.Found}
		tflog.Info(ctx, "sent a change of an object of the catalogue", map[string]any{"kind": w.object.kind.String(), "id": w.ref.ID, "attempt": i + 1, "changes": d.PlannedChanges()})
	}
}

// wait waits for the status that is wanted, if one is.
func (w *write) wait(ctx context.Context) diag.Diagnostics {
	if !w.object.kind.awaits(w.planned) {
		return nil
	}
	wanted := w.planned.Text(attrWaitForStatus)
	status, _ := w.seen[statusPointer].AsString()
	found, err := w.client.WaitForStatus(ctx, w.ref, wanted, horizon.Wait{Interval: w.interval, Progress: func(now string) {
		status = now
		tflog.Info(ctx, "waiting for a status", map[string]any{"kind": w.object.kind.String(), "id": w.ref.ID, "status": now, "wanted": wanted})
	}})
	w.planned.SetText(attrCurrentStatus, status)
	switch {
	case err == nil:
		w.seen = found.Document()
		return nil
	case errors.Is(err, context.Canceled):
		return diag.Diagnostics{diag.NewWarningDiagnostic("Waiting for the "+w.object.kind.String()+" was cancelled",
			fmt.Sprintf("The %s %s is there, its status is %s. The next apply waits again until it is %s.", w.object.kind, w.ref.ID, status, wanted))}
	}
	return diag.Diagnostics{w.failure(w.verb, err)}
}

// disable takes an object out of use that is to be kept.
func (o *object) disable(ctx context.Context) diag.Diagnostics {
	unlock, err := change.Lock(ctx, o.key())
	if err != nil {
		return diag.Diagnostics{o.failure("disable", err)}
	}
	defer unlock()
	w := o.write(&step{kind: o.kind}, "disable", 0)
	c := change.Change{Want: patch.Want{statusPointer: patch.StringValue(statusDisabled)}, Equal: o.kind.equal, OnConflict: change.Overwrite}
	result, err := change.Apply(ctx, store{o}, c, change.Timing{})
	w.note(ctx, result)
	if err == nil || errors.Is(err, horizon.ErrNotFound) {
		return nil
	}
	return w.diagnose(result, err)
}
