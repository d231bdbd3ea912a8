package image

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
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
	sensitive func(patch.Pointer) bool
	secrets   []string // texts that no error may show
}

// note adds what a document holds at sensitive pointers to the secrets.
func (s *store) note(d patch.Document) {
	for p, value := range d {
		if text, ok := value.AsString(); ok && text != "" && s.sensitive(p) && !slices.Contains(s.secrets, text) {
			s.secrets = append(s.secrets, text)
		}
	}
}

func (s *store) Read(ctx context.Context) (patch.Document, error) {
	image, err := s.service.Image(patient(ctx), s.id, s.secrets...)
	if err != nil {
		return nil, err
	}
	d := image.Document()
	s.memory.First(s.key, d)
	s.note(d)
	return d, nil
}

func (s *store) Write(ctx context.Context, current patch.Document, p patch.Patch) (patch.Document, error) {
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
	unlock, err := change.Lock(ctx, w.object.key)
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

// succeeded makes the answer of a change that reached everything.
func (w *write) succeeded(planned values, result *change.Result) outcome {
	state := planned.clone()
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
	out.setRecord(record, func(p patch.Pointer) bool { return w.step.after.sensitive[p] || w.hidden[p] })
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
	return outcome{state: state, diags: diags, private: plan.Private{Document: result.Document, Place: &w.object.place, Instance: w.before.Instance}}
}

// known gives the planned_* attributes that the plan could not know what was sent.
func (w *write) known(state values, result *change.Result) diag.Diagnostics {
	var diags diag.Diagnostics
	if state[attrPlannedPatch].IsKnown() && state[attrPlannedChanges].IsKnown() {
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
	state.setText(attrPlannedPatch, text)
	state[attrPlannedChanges] = stringList(d.PlannedChanges())
	return diags
}

// warnings says what a person should know after a change that succeeded.
func (w *write) warnings(joining []patch.Pointer, result *change.Result) diag.Diagnostics {
	var diags diag.Diagnostics
	for _, k := range result.Overwritten {
		diags.AddAttributeWarning(w.step.path(k.Path), "Image metadata of somebody else was overwritten",
			fmt.Sprintf("Image %s: %s was %s when this was planned and %s when it was applied. It is %s now, because on_conflict is %q.",
				w.object.id, k.Path, w.show(k.Path, k.Expected), w.show(k.Path, k.Found), w.show(k.Path, k.Wanted), conflictOverwrite))
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

// failed makes the answer of a change that ended in an error: what of it took
// effect is saved, so that the next apply goes on from there.
func (w *write) failed(ctx context.Context, planned values, result *change.Result, err error) outcome {
	out := outcome{diags: w.diagnose(result, err)}
	took := w.took(result)
	if len(result.Sent) == 0 || len(took) == 0 && w.step.fresh {
		if w.step.prior != nil || len(w.step.record)+len(w.leftover) == 0 {
			return out
		}
	}
	switch {
	case w.step.fresh:
		out.state = w.begun(planned, result, took)
	default:
		out.state = w.partial(planned, result, took)
	}
	out.private = plan.Private{Document: result.Document, Place: &w.object.place, Instance: w.before.Instance, Review: true}
	if out.private.Document == nil {
		out.private.Document = result.Found
	}
	w.object.memory.Hold(w.object.key, w.before.Instance, took)
	if errors.Is(ctx.Err(), context.Canceled) {
		w.interrupted(&out, planned, result, err)
	}
	return out
}

// interrupted makes the answer after Ctrl-C. An error would taint a resource
// that is being created; a warning lets its state stand, which then has to be
// the planned one: the next read finds what is missing. An update answers with
// an error and what took effect, since a planned state would forget what was
// not given back yet.
func (w *write) interrupted(out *outcome, planned values, result *change.Result, err error) {
	text := w.cancelled(result, err)
	if w.step.prior != nil {
		out.diags = diag.Diagnostics{diag.NewErrorDiagnostic("Unable to update image metadata: the run was cancelled", text)}
		return
	}
	out.diags = diag.Diagnostics{diag.NewWarningDiagnostic("Image metadata was not written completely", text)}
	for name, value := range planned {
		if value.IsFullyKnown() {
			out.state[name] = value
		}
	}
}

// took returns what the sent patches set as far as it took effect, or may have.
func (w *write) took(result *change.Result) patch.Want {
	effect := result.Effect()
	if result.Document != nil {
		maps.DeleteFunc(effect, func(p patch.Pointer, value patch.Value) bool { return !result.Holds(p, value, attribute.Equal) })
	}
	return effect
}

// begun is the state of a create, or of a new image, that did not reach its end.
func (w *write) begun(planned values, result *change.Result, took patch.Want) values {
	state := planned.clone()
	if !state[attrPlannedPatch].IsKnown() || !state[attrPlannedChanges].IsKnown() {
		state.setText(attrPlannedPatch, "[]")
		state[attrPlannedChanges] = stringList(nil)
	}
	record := w.step.record.Merge(w.leftover).Merge(w.entries(took, result))
	state.setRecord(record, w.sensitive)
	if result.Document != nil {
		state.refresh(w.step.after, record, result.Document)
	}
	return state
}

// entries makes the record of what took effect: what the record says already
// was found, else what stood there before the first write.
func (w *write) entries(took patch.Want, result *change.Result) patch.Patch {
	entries := patch.Expect(result.Found, took).Inverse()
	for i, entry := range entries {
		if known, ok := w.step.record.Find(entry.Path); ok {
			entries[i].New = known.New
		}
	}
	return entries.Without(func(p patch.Pointer) bool { return !w.step.owns(p) })
}

// partial is the state of an update that did not reach its end: the former one,
// with what joined and took effect, and without what was released.
func (w *write) partial(planned values, result *change.Result, took patch.Want) values {
	s := w.step
	state := s.prior.clone()
	released := func(p patch.Pointer) bool {
		_, done := took[p]
		return done && !s.owns(p)
	}
	joins := func(p patch.Pointer) bool {
		_, done := took[p]
		return done && s.owns(p) && !s.ownedBefore(p)
	}
	for i := range attribute.Table {
		a := &attribute.Table[i]
		p := a.Pointer()
		if _, typed := s.after.typed[p]; typed && joins(p) {
			state[a.Name] = planned[a.Name]
		}
		if _, typed := s.before.typed[p]; typed && released(p) {
			state[a.Name] = tftypes.NewValue(state[a.Name].Type(), nil)
		}
	}
	for _, name := range []string{attrProperties, attrSensitive} {
		state[name] = mergeProperties(state[name], planned[name], joins, released)
	}
	if !planned[attrTags].IsNull() || !state[attrTags].IsNull() {
		var tags []string
		for p := range s.before.want {
			if m, ok := p.MemberOf(attribute.Tags); ok && !released(p) {
				tags = append(tags, m)
			}
		}
		for p := range s.after.want {
			if m, ok := p.MemberOf(attribute.Tags); ok && joins(p) {
				tags = append(tags, m)
			}
		}
		state[attrTags] = stringSet(tags)
	}
	record := s.record.Without(released).Merge(w.entries(took, result))
	state.setRecord(record, w.sensitive)
	if result.Document != nil {
		state.refresh(state.owns(), record, result.Document)
	}
	state.setText(attrPlannedPatch, "[]")
	state[attrPlannedChanges] = stringList(nil)
	return state
}

func mergeProperties(before, planned tftypes.Value, joins, released func(patch.Pointer) bool) tftypes.Value {
	merged := map[string]tftypes.Value{}
	for key, value := range keysOf(before) {
		if !released(patch.NewPointer(key)) {
			merged[key] = value
		}
	}
	for key, value := range keysOf(planned) {
		if joins(patch.NewPointer(key)) {
			merged[key] = value
		}
	}
	if len(merged) == 0 && before.IsNull() {
		return before
	}
	return tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, merged)
}

// show writes a value for people, unless it is sensitive.
func (w *write) show(p patch.Pointer, value patch.Value) string {
	if value != patch.Absent && w.sensitive(p) {
		return plan.Show(plan.Hidden)
	}
	return plan.Show(value)
}

// logSent notes what was sent, which may not be what was planned.
func (w *write) logSent(ctx context.Context, seen patch.Document, result *change.Result) {
	for i, p := range result.Sent {
		d := plan.Difference{Patch: p, On: result.Found, Sets: []patch.Pointer{attribute.Tags}, Sensitive: w.sensitive}
		tflog.Info(ctx, "sent a patch of image metadata", map[string]any{
			"image_id": w.object.id, "attempt": i + 1, "changes": d.PlannedChanges(),
		})
	}
	if seen == nil || len(result.Sent) == 0 {
		return
	}
	if planned := w.step.difference(seen); !slices.Equal(planned.Patch, result.Sent[0]) {
		tflog.Info(ctx, "the patch differs from the planned one, because the image changed in between", map[string]any{
			"image_id": w.object.id, "planned": planned.PlannedChanges(),
		})
	}
}

// administrator says whether the token has the role that default policies ask for.
func (o *object) administrator() bool { return slices.Contains(o.roles, "admin") }

// keptWarning lists, in one warning, the releases that were left out.
func keptWarning(id string, kept []patch.Conflict, show func(patch.Pointer, patch.Value) string) diag.Diagnostics {
	if len(kept) == 0 {
		return nil
	}
	var diags diag.Diagnostics
	lines := make([]string, len(kept))
	for i, k := range kept {
		lines[i] = fmt.Sprintf("%s is %s, this resource wrote %s and had found %s", k.Path, show(k.Path, k.Found), show(k.Path, k.Expected), show(k.Path, k.Wanted))
		if k.Found == k.Expected {
			lines[i] = fmt.Sprintf("%s stays %s: the image service refused to have %s put back", k.Path, show(k.Path, k.Found), show(k.Path, k.Wanted))
		}
	}
	diags.AddWarning("Image metadata was left as it is",
		fmt.Sprintf("Image %s was not put back where somebody else has changed it since, or where the image service refuses:\n%s", id, strings.Join(lines, "\n")))
	return diags
}

// heldByOther says whether another instance of this run has the pointer, or the
// whole set that it is a member of.
func (o *object) heldByOther(instance string, p patch.Pointer) bool {
	_, tag := p.MemberOf(attribute.Tags)
	return o.memory.HeldByOther(o.key, instance, p) || tag && o.memory.HeldByOther(o.key, instance, attribute.Tags)
}

// restoresAny says whether an on_destroy rule sends anything.
func restoresAny(rule string, record patch.Patch) bool {
	return slices.ContainsFunc(record, func(entry patch.Operation) bool { return restores(rule, entry) })
}

// restore gives everything back that the rule gives back.
func (r *metadataResource) restore(ctx context.Context, o *object, rule string, record patch.Patch, owns *owned, private plan.Private) diag.Diagnostics {
	var diags diag.Diagnostics
	unlock, err := change.Lock(ctx, o.key)
	if err != nil {
		return diag.Diagnostics{failure("delete", o.id, err)}
	}
	defer unlock()
	show := owns.show
	var release patch.Patch
	var held []string
	for _, entry := range record {
		switch {
		case !restores(rule, entry):
		case o.heldByOther(private.Instance, entry.Path):
			held = append(held, fmt.Sprintf("%s, which this resource had found as %s", entry.Path, show(entry.Path, entry.New)))
		default:
			release = append(release, entry)
		}
	}
	if len(held) > 0 {
		diags.AddWarning("Image metadata belongs to another resource now",
			fmt.Sprintf("Image %s: another resource of this configuration has taken over:\n%s\nIt was left alone. "+
				"If the resource was only renamed, a moved block keeps what was found before.", o.id, strings.Join(held, "\n")))
	}
	diags.Append(unrestorable(rule, o.id, record, owns)...)
	if len(release) == 0 {
		return diags
	}
	result, err := tolerant(ctx, &store{object: o, sensitive: owns.isSensitive, secrets: secretsOf(owns, record, private.Document)}, change.Change{Release: release, Equal: attribute.Equal}, change.Timing{VerifyAfter: r.clients.VerifyAfter})
	if errors.Is(err, imageservice.ErrNotFound) {
		if elsewhere := o.elsewhere("delete", private.Place); elsewhere != nil {
			diags.Append(elsewhere)
		}
		return diags
	}
	diags.Append(keptWarning(o.id, result.Kept, show)...)
	for i, p := range result.Sent {
		d := plan.Difference{Patch: p, On: result.Found, Sets: []patch.Pointer{attribute.Tags}, Sensitive: owns.isSensitive}
		tflog.Info(ctx, "sent a patch that restores image metadata", map[string]any{"image_id": o.id, "attempt": i + 1, "changes": d.PlannedChanges()})
	}
	if result.Document != nil {
		o.memory.Hold(o.key, change.Nobody, change.Values(result.Document, result.Effect()))
	}
	if err != nil {
		diags.Append(failure("delete", o.id, err))
	}
	return diags
}

// show writes a value for people, unless it is sensitive.
func (o *owned) show(p patch.Pointer, value patch.Value) string {
	if value != patch.Absent && o.sensitive[p] {
		return plan.Show(plan.Hidden)
	}
	return plan.Show(value)
}

// unrestorable warns of what the rule would give back and nobody can.
func unrestorable(rule, id string, record patch.Patch, owns *owned) diag.Diagnostics {
	var diags diag.Diagnostics
	if rule != destroyRestore {
		return nil
	}
	for _, entry := range record {
		if !attribute.Writable(entry.Path, entry.New) && entry.Old != entry.New {
			diags.AddAttributeWarning(path.Root(attrProperties), "Image metadata cannot be restored",
				fmt.Sprintf("Image %s: %s was %s before, which the image service shows but does not accept. It stays as it is.", id, entry.Path, owns.show(entry.Path, entry.New)))
		}
	}
	return diags
}
