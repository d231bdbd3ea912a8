package image

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// step is one planned change of the resource, of its state as well as of the image.
type step struct {
	ownership
	prior     values // the state before; nil for a create
	fresh     bool   // a create, or another image: nothing of the state is about this image
	looked    bool   // planned against a look of this process, which the one that applies does not share
	overwrite bool
}

// stepOf reads a planned change. The prior state is the zero Value for a create.
func stepOf(planned values, prior tftypes.Value) (*step, diag.Diagnostics) {
	s := &step{fresh: true, overwrite: planned.Policy() == change.Overwrite}
	s.after = ownsOf(planned)
	s.rule = planned.Text(plan.OnDestroyAttribute)
	if prior.IsNull() {
		return s, nil
	}
	var diags diag.Diagnostics
	var err error
	if s.prior, err = plan.ValuesOf(prior); err != nil {
		diags.AddError("Unable to plan image metadata", err.Error())
		return nil, diags
	}
	if !s.after.idKnown || s.prior.Text(attrImageID) != s.after.imageID {
		return s, nil
	}
	s.fresh = false
	s.before = ownsOf(s.prior)
	if s.record, err = recordOf(s.prior, &s.before); err != nil {
		diags.AddError("Unable to plan image metadata", plan.Sentence(err))
		return nil, diags
	}
	return s, nil
}

// silent says that the image is not concerned: only settings, or the record, change.
func (s *step) silent() bool {
	leftover := slices.ContainsFunc(s.record, func(entry patch.Operation) bool { return !s.owns(entry.Path) })
	return !s.fresh && !leftover && s.before.exclusive == s.after.exclusive && maps.Equal(s.before.want, s.after.want) && maps.Equal(s.before.typed, s.after.typed)
}

// sensitive says whether the value of a pointer is shown nowhere.
func (s *step) sensitive(p patch.Pointer) bool {
	return s.before.sensitive[p] || s.after.sensitive[p]
}

// path returns where a pointer stands, or stood, in the configuration.
func (s *step) path(p patch.Pointer) path.Path {
	if _, before := s.before.want[p]; before && !s.owns(p) {
		return s.before.path(p)
	}
	return s.after.path(p)
}

// difference returns what an apply does to a document.
func (s *step) difference(have patch.Document) plan.Difference {
	operations, left := s.released()
	release := operations.Rebase(have, attribute.Equal)
	for _, k := range operations.Check(have, attribute.Equal) {
		release = release.Without(func(p patch.Pointer) bool { return p == k.Path })
		left = append(left, k.Path)
	}
	return plan.Difference{
		Patch: patch.Diff(have, s.after.wanted(have), attribute.Equal).Merge(release),
		On:    have, Sets: []patch.Pointer{attribute.Tags}, Left: left, Sensitive: s.sensitive,
	}
}

// plan fills the computed attributes of a plan.
func (s *step) plan(planned values, have patch.Document) (values, diag.Diagnostics) {
	var diags diag.Diagnostics
	planned = planned.Clone()
	if s.looked && s.overwrite && !s.silent() {
		// What is sent follows from a document that apply will see.
		planned.SetUnknown(plan.PlannedPatchAttribute, plan.PlannedChangesAttribute, attrRestorePatch, attrSensitiveRestore)
		return planned, nil
	}
	d := s.difference(have)
	text, err := d.PlannedPatch()
	if err != nil {
		diags.AddError("Unable to plan image metadata", err.Error())
		return nil, diags
	}
	planned.SetText(plan.PlannedPatchAttribute, text)
	planned.SetTexts(plan.PlannedChangesAttribute, d.PlannedChanges())
	joining := s.joins(have)
	setRecord(planned, s.next(nil, have), s.after.secrecy())
	// A replacement takes over what its predecessor had found, which no plan knows.
	plainJoins, hiddenJoins := s.fresh, s.fresh
	plainJoins = plainJoins || (s.after.exclusive && !s.before.exclusive)
	for _, p := range joining {
		plainJoins = plainJoins || !s.after.sensitive[p]
		hiddenJoins = hiddenJoins || s.after.sensitive[p]
	}
	if plainJoins {
		planned.SetUnknown(attrRestorePatch)
	}
	if hiddenJoins {
		planned.SetUnknown(attrSensitiveRestore)
	}
	return planned, nil
}

// quotaWarnings warns of the quotas that the image would go over with what this
// plan adds. Operators set them, so only the server can refuse.
func quotaWarnings(s *step, have patch.Document) diag.Diagnostics {
	var diags diag.Diagnostics
	d := s.difference(have)
	after := d.Patch.Apply(have)
	if n := attribute.Properties(after); n > attribute.DefaultPropertyQuota && n > attribute.Properties(have) {
		diags.AddAttributeWarning(path.Root(attrProperties), "Image may get more properties than the image service allows",
			fmt.Sprintf("Image %s would have %d custom properties with those that others have put on it; the usual quota is %d. "+
				"If the operator of this cloud has not raised it, the apply will be refused and nothing written.", s.after.imageID, n, attribute.DefaultPropertyQuota))
	}
	before, tags := len(have.Members(attribute.Tags)), len(after.Members(attribute.Tags))
	if tags > attribute.DefaultTagQuota && tags > before {
		diags.AddAttributeWarning(path.Root(attrTags), "Image may get more tags than the image service allows",
			fmt.Sprintf("Image %s would have %d tags with those that others have put on it; the usual quota is %d. "+
				"If the operator of this cloud has not raised it, the apply will be refused.", s.after.imageID, tags, attribute.DefaultTagQuota))
	}
	return diags
}
