package image

import (
	"context"
	"errors"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// failed makes the answer of a change that ended in an error: what of it took
// effect is saved, so that the next apply goes on from there.
func (w *write) failed(ctx context.Context, planned values, result *change.Result, err error) outcome {
	out := outcome{diags: w.diagnose(result, err)}
	took := w.took(result)
	nothing := len(result.Sent) == 0 || (w.step.fresh && len(took) == 0)
	handedOver := w.step.prior == nil && len(w.step.record)+len(w.leftover) > 0
	if nothing && !handedOver {
		return out
	}
	if w.step.fresh {
		out.state = w.begun(planned, result, took)
	} else {
		out.state = w.partial(planned, result, took)
	}
	seen := result.Document
	if seen == nil {
		seen = result.Found
	}
	out.private = w.object.private(seen, w.before.Instance)
	out.private.Review = true
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
	maps.DeleteFunc(effect, func(p patch.Pointer, value patch.Value) bool {
		if result.Document == nil {
			return !w.step.owns(p) // A release that may not have happened is sent again, which does no harm.
		}
		return !result.Holds(p, value, attribute.Equal)
	})
	return effect
}

// begun is the state of a create, or of a new image, that did not reach its end.
func (w *write) begun(planned values, result *change.Result, took patch.Want) values {
	state := planned.Clone()
	if !state[plan.PlannedPatchAttribute].IsKnown() || !state[plan.PlannedChangesAttribute].IsKnown() {
		state.SetText(plan.PlannedPatchAttribute, "[]")
		state.SetTexts(plan.PlannedChangesAttribute, nil)
	}
	record := w.step.record.Merge(w.leftover).Merge(w.entries(took, result))
	setRecord(state, record, w.sensitive)
	if result.Document != nil {
		refresh(state, w.step.after, record, result.Document)
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
	state := s.prior.Clone()
	released := func(p patch.Pointer) bool {
		_, done := took[p]
		return done && !s.owns(p)
	}
	joins := func(p patch.Pointer) bool {
		_, done := took[p]
		return done && s.owns(p) && !s.ownedBefore(p)
	}
	wanted := argumentsOf(planned)
	for _, a := range attribute.Arguments {
		p := a.Pointer()
		if _, typed := s.after.typed[p]; typed && joins(p) {
			put(state, a, wanted.of(a))
		}
		if _, typed := s.before.typed[p]; typed && released(p) {
			put(state, a, tftypes.NewValue(typeOf(a), nil))
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
	setRecord(state, record, w.sensitive)
	if result.Document != nil {
		refresh(state, ownsOf(state), record, result.Document)
	}
	state.SetText(plan.PlannedPatchAttribute, "[]")
	state.SetTexts(plan.PlannedChangesAttribute, nil)
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
