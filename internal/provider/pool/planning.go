package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

func (r *imageResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.clients == nil {
		return
	}
	if req.Plan.Raw.IsNull() {
		r.planDestroy(ctx, req, resp)
		return
	}
	resp.Diagnostics.Append(plan.ClearDestroy(ctx, req.Private, resp.Private)...)
	planned, configured, diags := modelsOf(ctx, req.Plan, req.Config)
	resp.Diagnostics.Append(diags...)
	var prior *model
	if !req.State.Raw.IsNull() {
		prior, diags = modelOf(ctx, req.State)
		resp.Diagnostics.Append(diags...)
	}
	if resp.Diagnostics.HasError() || r.clients.Horizon.Unknown() || planned.unknown() {
		return // What is computed is unknown then.
	}
	verb := "update"
	if prior == nil {
		verb = "creation"
	}
	d, diags := open(r.clients, planned.DesktopPoolID.ValueString(), "plan the "+verb+" of")
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	s := &step{desktop: d, planned: planned, configured: configured, prior: prior, kept: &memory{PoolID: d.id}}
	if prior != nil {
		s.kept = loadMemory(ctx, req.Private, d.id)
	}
	resp.Diagnostics.Append(s.plan(ctx)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if s.nothing {
		resp.Plan.Raw = req.State.Raw
		return
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, planned)...)
}

// step is a change that is being planned.
type step struct {
	*desktop
	planned, configured, prior *model
	kept                       *memory

	// nothing says that the state stays as it is.
	nothing bool
}

func (s *step) plan(ctx context.Context) diag.Diagnostics {
	if s.pool = s.kept.Pool; s.pool == nil {
		if err := s.look(ctx); err != nil {
			return diag.Diagnostics{s.failure(nil, err)}
		}
	}
	if diags := s.kind(); diags != nil {
		return diags
	}
	wanted, resolved, err := s.wanted(ctx, &s.planned.inputs, s.kept.resolved(&s.planned.inputs))
	if err != nil {
		return diag.Diagnostics{s.failure(&s.planned.inputs, err)}
	}
	if wanted == nil {
		s.planned.forgetPlanned()
		s.planned.forgetPool()
		s.planned.ResolvedImage = types.ObjectUnknown(resolvedType)
		return nil
	}
	in := s.kept.input(s.planned.decision(s.configured))
	in.Wanted = *wanted
	if in, err = s.recall(ctx, in); err != nil {
		return diag.Diagnostics{s.failure(&s.planned.inputs, err)}
	}
	decision, err := s.settle(ctx, in)
	if err != nil {
		return diag.Diagnostics{s.unsettled(err)}
	}
	if decision.Refusal != nil {
		// Names help to understand it; without them it is said all the same.
		if _, err := s.name(ctx, &in.Wanted); err == nil {
			in.Pool, in.Now = s.pool, s.now()
			decision = horizon.Decide(in)
		}
		return diag.Diagnostics{s.refusal(&s.planned.inputs, *decision.Refusal)}
	}
	diags := s.release(ctx, &s.planned.inputs, decision.Calls)
	if len(decision.Calls) > 0 {
		diags.Append(s.source(ctx, &s.planned.inputs, &in.Wanted)...)
		decision, _ = s.settle(ctx, in)
	}
	if pushes(decision.Calls) {
		diags.Append(s.state()...)
		diags.Append(s.time(in)...)
	}
	if len(decision.Calls) > 0 && !diags.HasError() {
		diags.Append(s.people(ctx, &s.planned.inputs, in, decision.Calls)...)
	}
	if diags.HasError() {
		return diags
	}
	for _, f := range decision.Warnings {
		diags.Append(s.notice(f))
	}
	s.planned.ResolvedImage = resolvedObject(resolved)
	diags.Append(s.show(in, decision)...)
	return diags
}

// show puts into the plan what the decision comes to.
func (s *step) show(in horizon.DecisionInput, decision horizon.Decision) diag.Diagnostics {
	p, prior := s.planned, s.prior
	if len(decision.Calls) == 0 && prior != nil {
		drifted, isLeft := false, false
		for _, f := range decision.Warnings {
			drifted = drifted || f.Matter == horizon.DriftHeld
			isLeft = isLeft || drifted || f.Matter == horizon.ScheduledElsewhere
		}
		if drifted {
			p.keepImage(prior)
		}
		if !s.configured.StartTime.IsNull() && !prior.StartTime.IsNull() {
			p.StartTime = prior.StartTime
		}
		waits := s.kept.Unsettled && decision.Pause != nil || !isLeft && s.takesOver(in)
		changed := !equalValues(p.all(), prior.all()) || !p.ResolvedImage.Equal(prior.ResolvedImage) || !p.Timeouts.Equal(prior.Timeouts)
		switch {
		case !waits && !changed:
			s.nothing = true
			return nil
		case !waits:
			p.emptyPlanned()
			p.keepPool(prior)
			if !strings.EqualFold(p.DesktopPoolID.ValueString(), prior.DesktopPoolID.ValueString()) {
				p.forgetPool()
			}
			return nil
		}
	}
	in.Pool, in.Now = s.pool, s.now()
	effective, _ := horizon.Effective(in)
	if last := in.LastWanted; last != nil && effective.VersionID == "" && effective.Image.Same(last.Image) {
		effective.VersionID = last.VersionID // Which no pool shows.
	}
	change := plan.Difference{}
	if len(decision.Calls) > 0 {
		change = difference(effective, in.Wanted)
	}
	p.forgetPool()
	return p.setPlanned(change, decision.Calls)
}

// takesOver says whether an update without a call is about an image that somebody else is
// bringing to the pool, or holds there: that is waited for, and then it is this resource's.
func (s *step) takesOver(in horizon.DecisionInput) bool {
	in.Pool, in.Now = s.pool, s.now()
	_, isWanted := horizon.Effective(in)
	isNew := s.kept.LastWanted == nil || !s.kept.LastWanted.Image.Same(in.Wanted.Image)
	return !isWanted || isNew && s.pool.PendingState != "" && !equalValues(s.planned.all(), s.prior.all())
}

// keepImage leaves the attributes of a pool that is left alone as they are in state. A
// configured value may be put back to its prior one, which must not be null.
func (m *model) keepImage(prior *model) {
	keep := func(to *types.String, from types.String) {
		if !to.IsNull() && !from.IsNull() {
			*to = from
		}
	}
	keep(&m.ParentVMID, prior.ParentVMID)
	keep(&m.SnapshotID, prior.SnapshotID)
	keep(&m.IMStreamID, prior.IMStreamID)
	keep(&m.IMTagID, prior.IMTagID)
	keep(&m.IMVersionID, prior.IMVersionID)
	keep(&m.VGPUGridProfile, prior.VGPUGridProfile)
	if !m.AddVirtualTPM.IsNull() && !prior.AddVirtualTPM.IsNull() {
		m.AddVirtualTPM = prior.AddVirtualTPM
	}
	if !m.GridVGPUsEnabled.IsNull() && !prior.GridVGPUsEnabled.IsNull() {
		m.GridVGPUsEnabled = prior.GridVGPUsEnabled
	}
	if !m.ComputeProfile.IsNull() && !prior.ComputeProfile.IsNull() {
		m.ComputeProfile = prior.ComputeProfile
	}
}

// all are the attributes that a user can set.
func (m *model) all() []attr.Value {
	return append(m.pushed(), m.DesktopPoolID, m.LogoffPolicy, m.StopOnFirstError, m.StartTime, m.AllowPastStartTime, m.Selective, m.WaitFor, m.WaitForMachinesPercent,
		m.Reschedule, m.OnDrift, m.OnConflict, m.OnDestroy, m.RetryFailedMachines)
}

// recall helps out where the server does not say what a tag stood for when a pool got its
// image, and nothing is remembered either: then it is what most machines have.
func (d *desktop) recall(ctx context.Context, in horizon.DecisionInput) (horizon.DecisionInput, error) {
	current := d.pool.Current
	if in.LastWanted != nil || in.Wanted.Image.TagID == "" || current.SnapshotID != "" || !strings.EqualFold(current.TagID, in.Wanted.Image.TagID) {
		return in, nil
	}
	machines, err := d.client.Machines(ctx, d.id)
	if err != nil {
		return in, err
	}
	count := map[string]int{}
	most := ""
	for _, m := range machines {
		id := m.Image.SnapshotID
		if count[id]++; id != "" && (most == "" || count[id] > count[most]) {
			most = id
		}
	}
	if most == in.Wanted.Image.SnapshotID {
		in.LastWanted = &in.Wanted
	}
	return in, nil
}

// time says what is wrong with a start time that is waited for.
func (s *step) time(in horizon.DecisionInput) diag.Diagnostics {
	if in.StartTime.IsZero() || s.planned.waitFor() != horizon.WaitMachines {
		return nil
	}
	limit := s.planned.limit()
	kind := plan.UpdateTimeout
	if s.prior == nil {
		kind = plan.CreateTimeout
	}
	if configured, diags := kind(s.planned.Timeouts, context.Background(), limit); !diags.HasError() {
		limit = configured
	}
	if in.StartTime.Sub(s.now()) < limit {
		return nil
	}
	return diag.Diagnostics{s.errorAt(path.Root(attrStartTime), fmt.Sprintf("wait_for is %q, and machines do not begin to change before %s, which is later than the timeout of %s allows to wait. Allow more in timeouts, or wait for %q.",
		horizon.WaitMachines, moment(in.StartTime), limit, horizon.WaitPublished))}
}

// unsettled is the error for a pool of which it cannot be planned what it takes.
func (s *step) unsettled(err error) diag.Diagnostic {
	if errors.Is(err, horizon.ErrStillWaiting) {
		return s.errorAt(path.Root(attrPool), fmt.Sprintf("its operation is %s, its pending image is %s, and until that is over it cannot be told what has to be sent to it. It was looked at for %s. Run it again in a few minutes.",
			orNone(s.pool.Operation), orNone(s.pool.PendingState), mostUnsettled.Round(time.Second)))
	}
	return s.failure(&s.planned.inputs, err)
}

// planDestroy marks the plan of a destruction, and says what it is going to send.
func (r *imageResource) planDestroy(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	resp.Diagnostics.Append(r.clients.MarkDestroy(ctx, resp.Private)...)
	state, diags := modelOf(ctx, req.State)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() || r.clients.Horizon.Unknown() || state.OnDestroy.ValueString() == destroyKeep {
		return
	}
	d, diags := open(r.clients, state.DesktopPoolID.ValueString(), "plan the destruction of")
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	kept := loadMemory(ctx, req.Private, d.id)
	if d.isHeldByOther(kept.Instance) {
		return // It is the deposed half of a replacement, and sends nothing.
	}
	if d.pool = kept.Pool; d.pool == nil {
		err := d.look(ctx)
		if errors.Is(err, horizon.ErrNotFound) {
			return
		}
		if err != nil {
			resp.Diagnostics.Append(d.failure(nil, err))
			return
		}
	}
	in, diags := d.withdrawal(ctx, state, kept)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	decision, err := d.settle(ctx, in)
	if err != nil {
		resp.Diagnostics.Append((&step{desktop: d, planned: state}).unsettled(err))
		return
	}
	if f := decision.Refusal; f != nil {
		if f.Matter != horizon.PoolDeleted {
			resp.Diagnostics.Append(d.refusal(nil, *f))
		}
		return
	}
	for _, f := range decision.Warnings {
		resp.Diagnostics.Append(d.notice(f))
	}
	lines := make([]string, len(decision.Calls))
	for i, c := range decision.Calls {
		lines[i] = c.String()
	}
	resp.Diagnostics.Append(plan.SaveKey(ctx, resp.Private, destroyCalls, lines)...)
	if len(lines) == 0 {
		return
	}
	summary, what := "Destroying this resource takes back a push", "takes back what this resource has pushed"
	if pushes(decision.Calls) {
		summary, what = "Destroying this resource re-images a desktop pool", "re-images the pool with "+in.Wanted.Image.String()
	}
	resp.Diagnostics.Append(d.warning(summary, fmt.Sprintf("on_destroy is %q, so this %s:\n\n  %s", state.OnDestroy.ValueString(), what, strings.Join(lines, "\n  "))))
}
