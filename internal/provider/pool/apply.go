package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// apply carries a plan out, and writes what came of it into the plan and the memory. A
// run that is cancelled ends in a warning: the state is that of the plan, and the next
// plan goes on.
func (d *desktop) apply(ctx context.Context, planned, configured, prior *model, kept *memory) diag.Diagnostics {
	unlock, err := change.Lock(ctx, d.key())
	if err != nil {
		return diag.Diagnostics{d.failure(nil, err)}
	}
	defer unlock()
	place := d.place
	kept.Place = &place
	if d.isHeldByOther(kept.Instance) {
		return diag.Diagnostics{d.errorAt(path.Root(attrPool), "another resource has brought it to its image in this run. Nothing was sent.\n\nA pool has one image: keep one of the two resources. If one was only renamed, tell Terraform so with a moved block.")}
	}
	previous := types.ObjectNull(imageType)
	if prior != nil && strings.EqualFold(prior.DesktopPoolID.ValueString(), d.id) {
		previous = prior.PreviousImage
	}
	planned.PreviousImage = previous
	if err := d.look(ctx); err != nil {
		return d.ended(ctx, planned, kept, err)
	}
	if diags := d.kind(); diags != nil {
		return diags
	}
	resolved := resolvedOf(planned.ResolvedImage)
	wanted, resolved, err := d.wanted(ctx, &planned.inputs, resolved)
	if err == nil && wanted == nil {
		// What the plan left open should be there by now.
		version := planned.IMVersionID.ValueString()
		if _, err = d.client.ResolveVersion(ctx, version, d.pool.VCenterID); err == nil {
			err = fmt.Errorf("the version %s has got its asset only just now", version)
		}
	}
	if err == nil && len(planned.PlannedCalls.Elements()) > 0 {
		err = d.confirm(ctx, *wanted) // Before anything is sent; and once more before the push.
	}
	if err != nil {
		return d.ended(ctx, planned, kept, err)
	}
	if kept.Halted != nil {
		// Somebody may have resumed it since.
		if _, kept.Halted, err = d.client.PushTasks(ctx, d.id); err != nil {
			return d.ended(ctx, planned, kept, err)
		}
	}
	in := kept.input(planned.decision(configured))
	in.Wanted = *wanted
	if in, err = d.recall(ctx, in); err != nil {
		return d.ended(ctx, planned, kept, err)
	}
	// Calls are shown with names, by which they are compared with what was planned.
	if _, err := d.name(ctx, &in.Wanted); err != nil && !isRefused(err) && ctx.Err() == nil && len(planned.PlannedCalls.Elements()) > 0 {
		return d.ended(ctx, planned, kept, err)
	}
	outcome, err := d.client.RollOut(ctx, d.rollout(ctx, &planned.inputs, in, planned.plannedCalls()))
	kept.learn(outcome)
	d.made = outcome.Made
	if outcome.Pool != nil {
		d.pool = outcome.Pool
		d.hold(kept.Instance)
	}
	kept.Resolved, kept.ResolvedTag = resolved, planned.IMTagID.ValueString()
	planned.ResolvedImage = resolvedObject(resolved)
	planned.Machines = machinesObject(outcome.Machines)
	if err == nil {
		kept.Unsettled = len(outcome.Unplanned) > 0
		if outcome.Reached {
			kept.reached(wanted, planned)
		}
		if planned.PlannedCalls.IsUnknown() {
			planned.emptyPlanned()
			planned.PlannedCalls = textList(outcome.Made)
		}
		d.show(planned, kept)
		return d.told(outcome)
	}
	kept.Unsettled = true
	return d.ended(ctx, planned, kept, err)
}

// rollout is the work on the pool.
func (d *desktop) rollout(ctx context.Context, in *inputs, decide horizon.DecisionInput, calls *horizon.PlannedCalls) horizon.Rollout {
	return horizon.Rollout{
		PoolID: d.id, Input: decide, Planned: calls, WaitFor: in.waitFor(), Percent: in.WaitForMachinesPercent.ValueInt64(),
		BeforePush: func(ctx context.Context) error { return d.confirm(ctx, decide.Wanted) },
		Governor:   d.clients.Governor, Interval: d.clients.PollInterval,
		Progress: func(progress string) {
			tflog.Info(ctx, "the desktop pool is being brought to its image", map[string]any{"pool": d.id, "progress": progress})
		},
	}
}

// told are the warnings of a rollout that ended in success.
func (d *desktop) told(outcome *horizon.Outcome) diag.Diagnostics {
	var diags diag.Diagnostics
	for _, f := range outcome.Warnings {
		diags.Append(d.notice(f))
	}
	if len(outcome.Unplanned) > 0 {
		diags.Append(d.warning("The desktop pool needs more than was planned", fmt.Sprintf("what was waited for has ended otherwise than expected, so that it would now take %s. Nothing of that was sent; the next plan shows it.", callLines(outcome.Unplanned))))
	}
	return diags
}

// ended are the diagnostics for work that an error has ended.
func (d *desktop) ended(ctx context.Context, planned *model, kept *memory, err error) diag.Diagnostics {
	if !errors.Is(err, context.Canceled) || !errors.Is(ctx.Err(), context.Canceled) {
		return diag.Diagnostics{d.failure(&planned.inputs, err)}
	}
	kept.Unsettled = true
	planned.fillUnknown()
	if d.pool != nil {
		d.show(planned, kept)
	}
	return diag.Diagnostics{d.warning("The run was cancelled", plan.Sentence(err)+" What was sent goes on in Horizon; the next apply picks it up, and sends nothing twice.")}
}

// fillUnknown makes null what is not known when a run is cancelled.
func (m *model) fillUnknown() {
	for _, o := range []*types.Object{&m.CurrentImage, &m.PendingImage, &m.PreviousImage} {
		if o.IsUnknown() {
			*o = types.ObjectNull(imageType)
		}
	}
	if m.ResolvedImage.IsUnknown() {
		m.ResolvedImage = types.ObjectNull(resolvedType)
	}
	if m.Machines.IsUnknown() {
		m.Machines = types.ObjectNull(machinesType)
	}
	if m.Operation.IsUnknown() {
		m.Operation = types.StringNull()
	}
	if m.PlannedPatch.IsUnknown() {
		m.emptyPlanned()
	}
}

// reachedAlready takes note of an update that sends nothing.
func (k *memory) reachedAlready(planned *model) {
	wanted := planned.target()
	if r := resolvedOf(planned.ResolvedImage); r != nil {
		wanted.Image, wanted.VersionID = r.Image(wanted.Image.StreamID, wanted.Image.TagID), r.VersionID
	}
	k.reached(&wanted, planned)
}

// reached takes note of what the pool was brought to, or was found on. A push of another
// image that was over before is then history: that image is nobody's choice any more.
func (k *memory) reached(wanted *horizon.Target, planned *model) {
	k.LastWanted, k.Versioned = wanted, !planned.IMVersionID.IsNull()
	if c := k.Claim; c != nil && c.Over && !c.Target.Image.Same(wanted.Image) {
		k.Claim, k.Counted = nil, false
	}
}

// withdrawal is the decision of a destruction, without the pool.
func (d *desktop) withdrawal(ctx context.Context, state *model, kept *memory) (horizon.DecisionInput, diag.Diagnostics) {
	in := kept.input(horizon.DecisionInput{Purpose: horizon.WithdrawPush})
	if state.OnDestroy.ValueString() != destroyRollback {
		return in, nil
	}
	to := imageOf(state.PreviousImage)
	// The tag may stand for another image by now: what is meant is the snapshot.
	to.StreamID, to.TagID = "", ""
	at := path.Root(attrPreviousImage)
	if to.SnapshotID == "" {
		return in, diag.Diagnostics{d.errorAt(at, fmt.Sprintf("on_destroy is %q, and it is not known what the pool ran before. Nothing was sent.\n\nSet on_destroy = %q and apply that; then destroying leaves the pool as it is.", destroyRollback, destroyKeep))}
	}
	in = kept.input(horizon.DecisionInput{
		Wanted: horizon.Target{Image: to}, LogoffPolicy: state.LogoffPolicy.ValueString(), StopOnFirstError: state.StopOnFirstError.ValueBoolPointer(),
		OnConflict: horizon.OnConflict(state.OnConflict.ValueString()),
	})
	in.Halted = nil
	_, err := d.name(ctx, &in.Wanted)
	var lookup *horizon.LookupError
	switch {
	case errors.As(err, &lookup):
		return in, diag.Diagnostics{d.errorAt(at, fmt.Sprintf("on_destroy is %q, and the image that the pool ran before is not there any more: %v. Nothing was sent.\n\nSet on_destroy = %q and apply that; then destroying leaves the pool as it is.", destroyRollback, err, destroyKeep))}
	case err != nil && !isRefused(err):
		return in, diag.Diagnostics{d.failure(nil, err)}
	}
	return in, nil
}

// withdraw carries a destruction out that was planned with these calls.
func (d *desktop) withdraw(ctx context.Context, state *model, kept *memory, calls []string) diag.Diagnostics {
	unlock, err := change.Lock(ctx, d.key())
	if err != nil {
		return diag.Diagnostics{d.failure(nil, err)}
	}
	defer unlock()
	if d.isHeldByOther(kept.Instance) {
		return diag.Diagnostics{d.leftToOther()}
	}
	if err := d.look(ctx); err != nil {
		if errors.Is(err, horizon.ErrNotFound) {
			return nil
		}
		return diag.Diagnostics{d.failure(nil, err)}
	}
	in, diags := d.withdrawal(ctx, state, kept)
	if diags.HasError() {
		return diags
	}
	r := d.rollout(ctx, &state.inputs, in, horizon.NewPlannedCalls(calls))
	r.WaitFor, r.BeforePush = horizon.WaitPublished, nil
	outcome, err := d.client.RollOut(ctx, r)
	d.made = outcome.Made
	if outcome.Pool != nil {
		d.pool = outcome.Pool
	}
	var refused *horizon.RefusalError
	switch {
	case errors.Is(err, horizon.ErrNotFound), errors.As(err, &refused) && refused.Finding.Matter == horizon.PoolDeleted:
		return diags
	case err != nil:
		return append(diags, d.failure(nil, err))
	}
	return append(diags, d.told(outcome)...)
}
