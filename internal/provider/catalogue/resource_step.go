package catalogue

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// step is one planned change of a resource, of its state as well as of the object.
type step struct {
	kind          *kind
	prior         plan.Values // the state before; nil for a create
	planned       plan.Values
	before, after owned
	stored        plan.Private // what was kept beside the state
}

// stepOf reads a planned change. The prior state is the zero Value for a create.
func (r *objectResource) stepOf(ctx context.Context, planned, prior tftypes.Value, private plan.PrivateReader) (*step, error) {
	s := &step{kind: r.kind}
	var err error
	if s.planned, err = plan.ValuesOf(planned); err != nil {
		return nil, err
	}
	s.after = r.kind.owns(s.planned)
	if prior.IsNull() {
		return s, nil
	}
	if s.prior, err = plan.ValuesOf(prior); err != nil {
		return nil, err
	}
	s.before = r.kind.owns(s.prior)
	s.stored = plan.Load(ctx, private)
	return s, nil
}

// silent says that the object is not concerned: only settings change.
func (s *step) silent() bool {
	return s.prior != nil && !s.after.unknown && maps.Equal(s.before.want, s.after.want)
}

// awaited says that the object has not yet the status that is waited for.
func (s *step) awaited() bool {
	return s.kind.awaits(s.planned) && (s.prior == nil || s.prior.Text(attrCurrentStatus) != s.planned.Text(attrWaitForStatus))
}

// changes says whether the plan gives a field another value.
func (s *step) changes(f *field) bool {
	if s.prior == nil {
		return true
	}
	p := f.pointer()
	after := s.planned[f.name]
	if s.prior[f.name].IsNull() && s.kind.unseen(f, s.prior) {
		return false
	}
	if !after.IsKnown() {
		return true
	}
	return !s.kind.equal(p, s.before.want[p], s.after.want[p])
}

// replaces says whether Terraform is going to replace the object.
func (s *step) replaces() bool {
	if s.prior == nil {
		return false
	}
	return slices.ContainsFunc(s.kind.fields, func(f field) bool { return f.replaces && s.changes(&f) })
}

// released returns the pointers that are given up, each as the operation that
// removes what this resource wrote, and those that are left as they are: what an
// import found, and everything when it is not known any more what that was.
func (s *step) released() (operations patch.Patch, left []patch.Pointer) {
	for _, p := range slices.Sorted(maps.Keys(s.before.want)) {
		_, kept := s.after.want[p]
		wrote := s.before.want[p]
		switch {
		case kept || wrote == patch.Absent:
		case p == statusPointer || s.stored.Document == nil || slices.Contains(s.stored.Adopted, p):
			left = append(left, p)
		default:
			operations = append(operations, patch.Operation{Path: p, Old: wrote, New: patch.Absent})
		}
	}
	return operations, left
}

// difference returns what an apply does to a document.
func (s *step) difference(have patch.Document) plan.Difference {
	want := s.kind.changeable(s.after.want)
	if s.prior == nil {
		want = patch.Want(s.spec())
	}
	operations, left := s.released()
	release := operations.Rebase(have, s.kind.equal)
	for _, k := range operations.Check(have, s.kind.equal) {
		release = release.Without(func(p patch.Pointer) bool { return p == k.Path })
		left = append(left, k.Path)
	}
	return plan.Difference{
		Patch: patch.Diff(have, want, s.kind.equal).Merge(release), On: have, Left: left,
	}
}

// plan fills the computed attributes of a plan.
func (s *step) plan(have patch.Document) diag.Diagnostics {
	d := s.difference(have)
	diags := s.describe(d)
	if s.prior == nil || !s.kind.waits {
		return diags
	}
	_, moved := d.Patch.Find(statusPointer)
	switch {
	case s.awaited():
		s.planned.SetUnknown(attrCurrentStatus)
	case moved:
		s.planned[attrCurrentStatus] = s.planned[attrStatus]
	default:
		s.planned[attrCurrentStatus] = s.prior[attrCurrentStatus]
	}
	return diags
}

// describe sets the attributes that say what is changed.
func (s *step) describe(d plan.Difference) diag.Diagnostics {
	var diags diag.Diagnostics
	text, err := d.PlannedPatch()
	if err != nil {
		diags.AddError("Unable to plan the "+s.kind.String(), err.Error())
		return diags
	}
	s.planned.SetText(plan.PlannedPatchAttribute, text)
	s.planned.SetTexts(plan.PlannedChangesAttribute, d.PlannedChanges())
	return diags
}

// planSilence fills the computed attributes of a plan that sends nothing. An object
// that has not yet the status that is waited for is updated all the same.
func (s *step) planSilence() {
	s.planned.SetText(plan.PlannedPatchAttribute, "[]")
	s.planned.SetTexts(plan.PlannedChangesAttribute, nil)
	switch {
	case !s.kind.waits:
	case s.awaited():
		s.planned.SetUnknown(attrCurrentStatus)
	default:
		s.planned[attrCurrentStatus] = s.prior[attrCurrentStatus]
	}
}

// unsentStatus warns of a change of a status that only a create takes.
func (s *step) unsentStatus() diag.Diagnostics {
	if s.prior == nil || !s.kind.awaits(s.prior) || !s.kind.awaits(s.planned) || s.prior.Text(attrStatus) == s.planned.Text(attrStatus) {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root(attrStatus), "Status is not sent",
		fmt.Sprintf("With wait_for_status, status is only what the %s is created with: Horizon keeps the one that it has. To change it, take wait_for_status out in the same change.", s.kind))}
}

// spec is the object that a create asks for.
func (s *step) spec() patch.Document {
	spec := patch.Document{}
	for p, value := range s.after.want {
		if value != patch.Absent {
			spec[p] = value
		}
	}
	if status := s.planned.Text(attrStatus); s.kind.statuses != nil && status != "" {
		spec[statusPointer] = patch.StringValue(status) // Also one that is waited for, and not owned.
	}
	return spec
}
