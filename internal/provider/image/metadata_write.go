package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// store is an image as the object of a change.
type store struct {
	*object
	sensitive   secrecy
	secrets     []string // texts that no error may show
	verifyAfter time.Duration
	written     bool
}

// note adds what a document holds at sensitive pointers to the secrets.
func (s *store) note(d patch.Document) {
	for p, value := range d {
		if text, ok := value.AsString(); ok && text != "" && s.sensitive(p) && !slices.Contains(s.secrets, text) {
			s.secrets = append(s.secrets, text)
		}
	}
}

// Read reads the image. Before the first write it waits for one that is still being
// made, where the service does not let such images be written.
func (s *store) Read(ctx context.Context) (patch.Document, error) {
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		image, err := s.service.ImageWith(patient(ctx), s.company(), s.id, s.secrets...)
		if err != nil {
			return nil, err
		}
		d := image.Document()
		s.memory.First(s.key, d)
		s.note(d)
		var early *imageservice.NotReadyError
		if s.written || !errors.As(s.service.CheckWritable(s.id, d), &early) || !early.Waitable() {
			return d, nil
		}
		tflog.Info(ctx, "waiting for the image to become active", map[string]any{"image_id": s.id, "status": early.Status})
		if err := s.pause(ctx, pause); err != nil {
			return nil, &waitError{early, err}
		}
	}
}

// waitError is a wait for an image that ended before the image was active.
type waitError struct {
	early *imageservice.NotReadyError
	cause error
}

func (e *waitError) Error() string { return e.early.Error() }

// Unwrap returns what was waited for and why that ended.
func (e *waitError) Unwrap() []error { return []error{e.early, e.cause} }

// pause waits, unless the context of the run ends before.
func (s *store) pause(ctx context.Context, d time.Duration) error {
	s.done() // Nobody is to wait for this one's next read.
	defer func() { s.done = s.service.Work() }()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-change.Caller(ctx).Done():
		return context.Cause(change.Caller(ctx))
	}
}

// How long to wait before an image that is still being made is looked at again.
const (
	leastPause = time.Second
	mostPause  = 10 * time.Second
)

// company says how long a read waits for others. Who has asked for a wait after
// each write does not mind a fraction of it before the write, and a smaller one
// when it is over, for those whose own ends a moment later. The fractions keep ten
// operations at work in two halves that take turns: the one rests while Terraform
// hands out work to the other.
func (s *store) company() imageservice.Company {
	after := s.verifyAfter
	switch rests := after > 0; {
	case s.written && rests:
		return imageservice.Company{Quiet: min(max(leastQuiet, after/10), mostQuiet), Most: min(max(leastWait, after*3/8), mostWait), Half: true}
	case s.written:
		return imageservice.Company{Quiet: leastQuiet, Most: leastWait, ForWork: true}
	case rests:
		return imageservice.Company{Quiet: min(max(leastQuiet, after/5), mostQuiet), Most: min(max(leastWait, after*3/4), mostWait), Half: true}
	default:
		return imageservice.Company{Quiet: leastQuiet, Most: leastWait}
	}
}

const (
	leastQuiet = 10 * time.Millisecond
	mostQuiet  = 100 * time.Millisecond
	leastWait  = 100 * time.Millisecond
	mostWait   = 500 * time.Millisecond
)

func (s *store) Write(ctx context.Context, current patch.Document, p patch.Patch) (patch.Document, error) {
	s.written = true
	image, err := s.service.Patch(patient(ctx), s.id, current, p, s.secrets...)
	if err != nil {
		return nil, &change.WriteError{Effect: effectOf(err), Err: err}
	}
	return image.Document(), nil
}

// patient lets a request under way finish after a cancellation, but no waits.
func patient(ctx context.Context) context.Context {
	return transport.WithPatience(ctx, change.Caller(ctx))
}

// effectOf says what an error of the client means for the image.
func effectOf(err error) change.Effect {
	var failed *imageservice.PatchError
	if !errors.As(err, &failed) {
		return change.Unknown
	}
	switch failed.Effect {
	case imageservice.Stale:
		return change.Stale
	case imageservice.Refused:
		return change.Refused
	case imageservice.Unsent:
		return change.Unsent
	default:
		return change.Unknown
	}
}

// write is one create or update under way.
type write struct {
	object   *object
	step     *step
	verb     string
	clients  *plan.Clients
	before   plan.Private
	leftover patch.Patch // entries handed over for pointers that nobody owns now
	hidden   map[patch.Pointer]bool
}

// outcome is what a create or update answers: no state means that the one
// before holds.
type outcome struct {
	state   values
	private plan.Private
	diags   diag.Diagnostics
}

func (r *metadataResource) newWrite(o *object, s *step, verb string, before plan.Private) *write {
	return &write{object: o, step: s, verb: verb, clients: r.clients, before: before, hidden: map[patch.Pointer]bool{}}
}

func (w *write) run(ctx context.Context, planned values) outcome {
	unlock, err := w.object.lock(ctx)
	if err != nil {
		return outcome{diags: diag.Diagnostics{w.failure(nil, err)}}
	}
	defer unlock()
	seen := w.before.Document
	if w.step.fresh {
		seen = nil
	}
	if seen == nil {
		seen = w.object.memory.Known(w.object.key)
	}
	if w.step.prior == nil {
		w.takeOver()
	}
	release, _ := w.step.released()
	c := change.Change{
		Seen: seen, Want: w.step.after.want, Exclusive: w.step.after.sets(), Release: release, Equal: attribute.Equal,
		Ours: func(p patch.Pointer, value patch.Value) bool {
			return w.object.memory.WroteHere(w.object.key, p, value)
		},
	}
	if w.step.overwrite {
		c.OnConflict = change.Overwrite
	}
	result, err := tolerant(ctx, &store{object: w.object, sensitive: w.sensitive, secrets: w.secrets(seen)}, c, change.Timing{VerifyAfter: w.clients.VerifyAfter})
	w.logSent(ctx, seen, result)
	if err != nil {
		return w.failed(ctx, planned, result, err)
	}
	out := w.succeeded(planned, result)
	if ctx.Err() != nil {
		out.diags.AddWarning("Image metadata was written while the run was being cancelled",
			fmt.Sprintf("Image %s holds what was planned, as one last look showed. Whether another writer has lost it again was not waited for; the next plan shows it.", w.object.id))
	}
	return out
}

// takeOver makes what a replaced instance handed over this one's own.
func (w *write) takeOver() {
	handover := w.object.memory.TakeOver(w.object.key, w.step.owns)
	for _, entry := range handover.Record {
		if w.step.owns(entry.Path) {
			w.step.record = append(w.step.record, entry)
			continue
		}
		w.leftover = append(w.leftover, entry)
		w.hidden[entry.Path] = handover.Sensitive[entry.Path]
	}
}

// tolerant carries a change out, leaving out releases that the server names in a
// refusal: a key that may be created but not changed could never be dropped else.
func tolerant(ctx context.Context, s *store, c change.Change, t change.Timing) (*change.Result, error) {
	s.verifyAfter = t.VerifyAfter
	t.Sleep = func(ctx context.Context, d time.Duration) error { return s.service.Rest(ctx, s.id, d) }
	var refused []patch.Conflict
	for {
		result, err := change.Apply(ctx, s, c, t)
		result.Kept = append(result.Kept, refused...)
		var api *change.WriteError
		if !errors.As(err, &api) || api.Effect != change.Refused {
			return result, err
		}
		p, ok := blamed(err)
		entry, release := c.Release.Find(p)
		if !ok || !release {
			return result, err
		}
		refused = append(refused, patch.Conflict{Path: p, Expected: entry.Old, Found: entry.Old, Wanted: entry.New})
		c.Release = c.Release.Without(func(q patch.Pointer) bool { return p == q })
	}
}

// sensitive says whether a value is shown nowhere.
func (w *write) sensitive(p patch.Pointer) bool { return w.step.sensitive(p) || w.hidden[p] }

func (w *write) show(p patch.Pointer, value patch.Value) string {
	return secrecy(w.sensitive).show(p, value)
}

// succeeded makes the answer of a change that reached everything.
func (w *write) succeeded(planned values, result *change.Result) outcome {
	state := planned.Clone()
	joining := w.step.joins(result.Found)
	// A record that the plan knew has to come out as planned.
	joining = slices.DeleteFunc(joining, func(p patch.Pointer) bool {
		if w.step.after.sensitive[p] {
			return planned[attrSensitiveRestore].IsKnown()
		}
		return planned[attrRestorePatch].IsKnown()
	})
	record := w.step.next(joining, result.Found).Merge(w.leftover)
	out := values{}
	setRecord(out, record, func(p patch.Pointer) bool { return w.step.after.sensitive[p] || w.hidden[p] })
	for _, name := range []string{attrRestorePatch, attrSensitiveRestore} {
		if !state[name].IsKnown() {
			state[name] = out[name]
		}
	}
	diags := w.known(state, result)
	diags.Append(w.warnings(joining, result)...)
	memory, key := w.object.memory, w.object.key
	wanted := w.step.after.wanted(result.Found)
	memory.Hold(key, change.Nobody, change.Values(result.Document, result.Effect()))
	memory.Hold(key, w.before.Instance, change.Values(result.Document, wanted))
	for _, root := range w.step.after.sets() {
		memory.Hold(key, w.before.Instance, patch.Want{root: patch.Absent}) // Also the members that nobody has yet.
	}
	return outcome{state: state, diags: diags, private: w.object.private(result.Document, w.before.Instance)}
}

// known gives the planned_* attributes that the plan could not know what was sent.
func (w *write) known(state values, result *change.Result) diag.Diagnostics {
	var diags diag.Diagnostics
	if state[plan.PlannedPatchAttribute].IsKnown() && state[plan.PlannedChangesAttribute].IsKnown() {
		return nil
	}
	d := plan.Difference{
		Patch: patch.Diff(result.Found, result.Effect(), attribute.Equal),
		On:    result.Found, Sets: []patch.Pointer{attribute.Tags}, Sensitive: w.sensitive,
	}
	text, err := d.PlannedPatch()
	if err != nil {
		diags.AddError("Unable to save image metadata", err.Error())
		return diags
	}
	state.SetText(plan.PlannedPatchAttribute, text)
	state.SetTexts(plan.PlannedChangesAttribute, d.PlannedChanges())
	return diags
}

// warnings says what a person should know after a change that succeeded.
func (w *write) warnings(joining []patch.Pointer, result *change.Result) diag.Diagnostics {
	var diags diag.Diagnostics
	for _, k := range result.Overwritten {
		diags.Append(w.wording().Overwritten(k))
	}
	diags.Append(keptWarning(w.object.id, result.Kept, w.show)...)
	for _, p := range joining {
		if why := w.cannotReturn(p, result.Found[p]); why != "" {
			diags.AddAttributeWarning(w.step.path(p), "Image metadata cannot be restored later",
				fmt.Sprintf("Image %s: %s was %s when this resource took it over; %s.", w.object.id, p, w.show(p, result.Found[p]), why))
		}
	}
	return diags
}

// cannotReturn says why a value that was found could not be put back; "" if it can.
func (w *write) cannotReturn(p patch.Pointer, found patch.Value) string {
	if !attribute.Writable(p, found) {
		return "the image service shows this value but does not accept it, so that it cannot be put back when the resource is destroyed"
	}
	if p == "/visibility" && found == `"public"` && w.step.after.want[p] != found && !w.object.administrator() {
		return "making an image public usually needs an administrator, so that it may be impossible to put back when the resource is destroyed"
	}
	return ""
}

// logSent notes what was sent, which may not be what was planned.
func (w *write) logSent(ctx context.Context, seen patch.Document, result *change.Result) {
	logPatches(ctx, w.object.id, result, w.sensitive)
	if seen == nil || len(result.Sent) == 0 {
		return
	}
	if planned := w.step.difference(seen); !slices.Equal(planned.Patch, result.Sent[0]) {
		tflog.Info(ctx, "the patch differs from the planned one, because the image changed in between", map[string]any{
			"image_id": w.object.id, "planned": planned.PlannedChanges(),
		})
	}
}

func logPatches(ctx context.Context, id string, result *change.Result, sensitive secrecy) {
	for i, p := range result.Sent {
		d := plan.Difference{Patch: p, On: result.Found, Sets: []patch.Pointer{attribute.Tags}, Sensitive: sensitive}
		tflog.Info(ctx, "sent a patch of image metadata", map[string]any{"image_id": id, "attempt": i + 1, "changes": d.PlannedChanges()})
	}
}

// administrator says whether the token has the role that default policies ask for.
func (o *object) administrator() bool { return slices.Contains(o.roles, "admin") }
