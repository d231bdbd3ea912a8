package pool

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

// refresh brings a state to what the pool shows.
func (d *desktop) refresh(ctx context.Context, state *model, kept *memory) diag.Diagnostics {
	place := d.place
	kept.Place, kept.Pool, kept.Resolved = &place, d.pool, nil
	imported := state.ParentVMID.IsNull() && state.SnapshotID.IsNull() && state.IMStreamID.IsNull() && state.IMTagID.IsNull() && kept.LastWanted == nil && state.Operation.IsNull()
	if imported {
		d.fill(ctx, state)
	}
	if state.fromCatalogue() || kept.LastWanted != nil && kept.LastWanted.Image.TagID != "" {
		streamID, tagID := state.IMStreamID.ValueString(), state.IMTagID.ValueString()
		if kept.LastWanted != nil && kept.LastWanted.Image.TagID != "" {
			streamID, tagID = kept.LastWanted.Image.StreamID, kept.LastWanted.Image.TagID
		}
		// A plan that needs it, and cannot get it, tells why.
		if found, err := d.client.RecentTag(ctx, streamID, tagID, d.pool.VCenterID); err == nil {
			kept.Resolved, kept.ResolvedTag = &found, tagID
		}
		if imported {
			state.ResolvedImage = resolvedObject(kept.Resolved)
		}
	}
	diags := d.tasks(ctx, kept)
	kept.settle()
	kept.Claim = kept.Claim.Seen(d.pool, kept.Sent, d.now())
	in := kept.input(state.decision(state))
	in.Pool, in.Now, in.Wanted = d.pool, d.now(), state.lastWanted(kept)
	effective, isWanted := horizon.Effective(in)
	if kept.LastWanted == nil && isWanted && d.pool.PendingState == "" && !kept.Unsettled {
		// What was forgotten, or was imported, is known again.
		kept.LastWanted, kept.Versioned = &in.Wanted, !state.IMVersionID.IsNull()
	}
	if !imported && state.report(ctx, d, effective, isWanted, kept) {
		state.emptyPlanned()
	}
	d.show(state, kept)
	return diags
}

// settle takes note that what an apply has pushed, which was cut short, has come.
func (k *memory) settle() {
	c := k.Claim
	if k.Unsettled && c != nil && k.Pool.PendingState == "" && k.Pool.Operation == "NONE" && k.Pool.Current.Same(c.Target.Image) {
		k.LastWanted, k.Unsettled = &c.Target, false
	}
}

// tasks looks, while a push may be on its way to machines, whether it has come to a
// halt.
func (d *desktop) tasks(ctx context.Context, kept *memory) diag.Diagnostics {
	if !kept.Unfinished {
		return nil
	}
	underWay, halted, err := d.client.PushTasks(ctx, d.id)
	if err != nil {
		return diag.Diagnostics{diag.NewWarningDiagnostic("The tasks of the desktop pool could not be checked", fmt.Sprintf("%s: whether all machines get the image is not known: %v.", d.text(), err))}
	}
	// A task comes when the image is published.
	kept.Unfinished, kept.Halted = underWay || d.pool.Operation != "NONE", halted
	return nil
}

// lastWanted is what the last apply was about, as far as it is known.
func (m *model) lastWanted(kept *memory) horizon.Target {
	if kept.LastWanted != nil {
		return *kept.LastWanted
	}
	t := m.target()
	if r := resolvedOf(m.ResolvedImage); r != nil {
		t.Image, t.VersionID = r.Image(t.Image.StreamID, t.Image.TagID), r.VersionID
	}
	return t
}

// fill takes over what an import finds.
func (d *desktop) fill(ctx context.Context, state *model) {
	in := horizon.DecisionInput{Pool: d.pool, Now: d.now()}
	effective, _ := horizon.Effective(in)
	if d.pool.ImageSource == "IMAGE_CATALOG" && effective.Image.TagID != "" {
		state.IMStreamID, state.IMTagID = textOrNull(effective.Image.StreamID), textOrNull(effective.Image.TagID)
	} else {
		state.ParentVMID, state.SnapshotID = textOrNull(effective.Image.ParentVMID), textOrNull(effective.Image.SnapshotID)
	}
	if d.pool.AddVirtualTPM != nil {
		state.AddVirtualTPM = types.BoolPointerValue(effective.AddVirtualTPM)
	}
	state.ComputeProfile = computeObject(effective.Compute)
	// Older releases show vGPUs, and no push can set them.
	if d.client.Supports(ctx, horizon.PushVirtualGPUs) == nil {
		state.GridVGPUsEnabled = types.BoolPointerValue(d.pool.GridVGPUsEnabled)
		if p := effective.VGPUGridProfile; p != nil && *p != "" {
			state.VGPUGridProfile = types.StringValue(*p)
		}
	}
	state.PreviousImage, state.Machines = types.ObjectNull(imageType), types.ObjectNull(machinesType)
	state.ResolvedImage = types.ObjectNull(resolvedType)
}

// report writes the effective image into a state, and says whether that changes it. An
// image that is the wanted one is told as it was configured, however the pool came to it.
func (m *model) report(ctx context.Context, d *desktop, effective horizon.Target, isWanted bool, kept *memory) bool {
	before := m.inputs
	wanted := m.lastWanted(kept)
	image, version := effective.Image, ""
	if isWanted {
		image, version = wanted.Image, wanted.VersionID
	}
	hold := m.OnDrift.ValueString() == string(horizon.HoldDrift)
	set := func(to *types.String, value string) {
		if value != "" || !hold {
			*to = textOrNull(value)
		}
	}
	if wanted.Image.TagID == "" {
		set(&m.ParentVMID, image.ParentVMID)
		set(&m.SnapshotID, image.SnapshotID)
	} else {
		if !isWanted && kept.Versioned {
			version = d.versionOf(ctx, wanted, image, kept)
		}
		set(&m.IMStreamID, image.StreamID)
		set(&m.IMTagID, image.TagID)
		if kept.Versioned {
			set(&m.IMVersionID, version)
		}
	}
	if !m.AddVirtualTPM.IsNull() && effective.AddVirtualTPM != nil {
		m.AddVirtualTPM = types.BoolPointerValue(effective.AddVirtualTPM)
	}
	if !m.ComputeProfile.IsNull() && effective.Compute != nil {
		m.ComputeProfile = computeObject(effective.Compute)
	}
	if !m.GridVGPUsEnabled.IsNull() && effective.GridVGPUsEnabled != nil {
		m.GridVGPUsEnabled = types.BoolPointerValue(effective.GridVGPUsEnabled)
	}
	if !m.VGPUGridProfile.IsNull() && effective.VGPUGridProfile != nil {
		m.VGPUGridProfile = types.StringPointerValue(effective.VGPUGridProfile)
	}
	return !m.same(&before)
}

// versionOf is the version of the stream that an image comes from, as far as that can be
// found out.
func (d *desktop) versionOf(ctx context.Context, wanted horizon.Target, image horizon.PoolImage, kept *memory) string {
	for _, known := range []*horizon.Resolved{kept.Resolved, {VersionID: wanted.VersionID, ParentVMID: wanted.Image.ParentVMID, SnapshotID: wanted.Image.SnapshotID}} {
		if known != nil && known.SnapshotID != "" && known.SnapshotID == image.SnapshotID {
			return known.VersionID
		}
	}
	version, err := d.client.VersionOf(ctx, wanted.Image.StreamID, d.pool.VCenterID, image)
	if err != nil {
		return ""
	}
	return version
}

// pushed are the attributes that make a push another one, or a state another one.
func (in *inputs) pushed() []attr.Value {
	return []attr.Value{in.ParentVMID, in.SnapshotID, in.IMStreamID, in.IMTagID, in.IMVersionID, in.AddVirtualTPM, in.ComputeProfile, in.GridVGPUsEnabled, in.VGPUGridProfile}
}

func (in *inputs) same(other *inputs) bool { return equalValues(in.pushed(), other.pushed()) }

func equalValues(a, b []attr.Value) bool {
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// show writes what the pool shows into a state.
func (d *desktop) show(state *model, kept *memory) {
	p := d.pool.AsSent(kept.Sent, d.now())
	state.CurrentImage, state.Operation = imageObject(p.Current), textOrNull(p.Operation)
	state.PendingImage = types.ObjectNull(imageType)
	if p.PendingState != "" {
		state.PendingImage = imageObject(p.Pending)
	}
	kept.count(state, p)
}

// count keeps previous_image: what the pool ran when the push was sent that led to what
// it runs.
func (k *memory) count(state *model, p *horizon.Pool) {
	c := k.Claim
	if state.PreviousImage.IsUnknown() {
		state.PreviousImage = types.ObjectNull(imageType)
	}
	if c == nil {
		return // It may have been forgotten: the state knows more.
	}
	led := p.Current.Same(c.Target.Image) && !p.Current.Same(c.Replaces)
	switch before := imageOf(state.PreviousImage); {
	case led && !k.Counted && c.Spec != nil && !c.Target.Image.Same(before):
		k.Counted = true
		state.PreviousImage = imageObject(c.Replaces)
	case led && !k.Counted:
		k.Counted = true
		state.PreviousImage = types.ObjectNull(imageType)
	case !led && k.Counted && !strings.EqualFold(p.Current.SnapshotID, c.Target.Image.SnapshotID):
		state.PreviousImage = types.ObjectNull(imageType) // Somebody else has pushed since.
	}
}
