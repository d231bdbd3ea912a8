package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

var (
	_ action.ActionWithConfigure      = (*pendingAction)(nil)
	_ action.ActionWithValidateConfig = (*pendingAction)(nil)
	_ action.ActionWithModifyPlan     = (*pendingAction)(nil)
)

// NewPromoteAction makes the action imageops_promote_pending_image.
func NewPromoteAction() action.Action { return &pendingAction{kind: promotion} }

// NewCancelAction makes the action imageops_cancel_push_image.
func NewCancelAction() action.Action { return &pendingAction{kind: cancellation} }

// pendingAction does something about the pending image of a pool, which is named.
type pendingAction struct {
	configuredAction

	kind *pendingKind
}

// pendingKind is what is done about a pending image.
type pendingKind struct {
	typeName, verb string
	purpose        horizon.Purpose
	needed         horizon.Feature
	// waits are the values of wait_for, the first one being the default.
	waits                    []horizon.WaitFor
	description, waitsFor    string
	usual, usualWithMachines time.Duration
	leavesMachines           bool
}

var promotion = &pendingKind{
	typeName: "_promote_pending_image", verb: "promote", purpose: horizon.OrderPromote, needed: horizon.PromoteImage,
	waits: []horizon.WaitFor{horizon.WaitPublished, horizon.WaitAccepted, horizon.WaitMachines},
	description: "Makes the image that is held on a desktop pool the one of the whole pool: what comes after a canary. It promotes the image that it names, and no other: if another image is pending, or none, " +
		"it is an error and nothing is sent. An image that is still being published is waited for. Needs Horizon 2206 or newer.",
	waitsFor: "What the action waits for: `published` (default) or `accepted`, until the pool shows the image as its own; `machines`, until all machines that can be reached are on it.",
	usual:    createLimit, usualWithMachines: machinesLimit,
}

// waitCancelled is the end of a cancellation: the pending image is gone.
const waitCancelled horizon.WaitFor = "cancelled"

var cancellation = &pendingKind{
	typeName: "_cancel_push_image", verb: "cancel the push of", purpose: horizon.OrderCancel,
	waits: []horizon.WaitFor{waitCancelled, horizon.WaitAccepted},
	description: "Takes back a push that waits for its time, or an image that is held. It cancels the image that it names, and no other: if another image is pending, or none, or if the push has begun, it is an error and " +
		"nothing is sent. Machines that have the image keep it, and are named in a warning: `imageops_apply_image` puts them back first.",
	waitsFor: "What the action waits for: `cancelled` (default), until the pending image is gone; `accepted`, until the pool shows that it is being taken back.",
	usual:    deleteLimit, usualWithMachines: deleteLimit, leavesMachines: true,
}

type pendingModel struct {
	DesktopPoolID types.String `tfsdk:"desktop_pool_id"`
	SnapshotID    types.String `tfsdk:"snapshot_id"`
	IMVersionID   types.String `tfsdk:"im_version_id"`
	WaitFor       types.String `tfsdk:"wait_for"`
	Timeout       types.String `tfsdk:"timeout"`
}

func (a *pendingAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + a.kind.typeName
}

func (a *pendingAction) ValidateConfig(ctx context.Context, req action.ValidateConfigRequest, resp *action.ValidateConfigResponse) {
	var m pendingModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	known := !m.SnapshotID.IsUnknown() && !m.IMVersionID.IsUnknown()
	if known && m.SnapshotID.IsNull() == m.IMVersionID.IsNull() {
		resp.Diagnostics.AddAttributeError(path.Root(attrSnapshot), "Missing image",
			"Name the image that has to be the pending one: by snapshot_id, or by im_version_id for one of the catalogue, and not by both.")
	}
}

func (a *pendingAction) ModifyPlan(ctx context.Context, req action.ModifyPlanRequest, resp *action.ModifyPlanResponse) {
	var m pendingModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	var needed []horizon.Feature
	if a.kind.needed != "" {
		needed = append(needed, a.kind.needed)
	}
	resp.Diagnostics.Append(a.checkPlan(ctx, m.DesktopPoolID, a.kind.verb, needed...)...)
}

func (a *pendingAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var m pendingModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	var pending horizon.PoolImage
	usual := a.kind.usual
	if m.WaitFor.ValueString() == string(horizon.WaitMachines) {
		usual = a.kind.usualWithMachines
	}
	o := a.invoke(ctx, invocation{
		poolID: m.DesktopPoolID, waitFor: m.WaitFor, timeout: m.Timeout, verb: a.kind.verb, usual: usual, needed: a.kind.needed,
		prepare: func(ctx context.Context, o *order) (*horizon.Rollout, diag.Diagnostics) {
			wanted, err := o.expected(ctx, m.SnapshotID.ValueString(), m.IMVersionID.ValueString())
			if err != nil {
				return nil, diag.Diagnostics{o.failure(nil, err)}
			}
			pending = wanted.Image
			return &horizon.Rollout{Input: horizon.DecisionInput{Purpose: a.kind.purpose, Wanted: wanted}}, nil
		},
	}, resp)
	if o != nil && a.kind.leavesMachines {
		resp.Diagnostics.Append(o.left(ctx, pending)...)
	}
}

// expected is the image that has to be the pending one. Where a pool shows the tag of its
// pending image only, that is compared by what the tag stands for now.
func (o *order) expected(ctx context.Context, snapshotID, versionID string) (horizon.Target, error) {
	pending := o.pool.Pending
	t := horizon.Target{Image: horizon.PoolImage{SnapshotID: snapshotID}, VersionID: versionID}
	switch {
	case pending.SnapshotID == "" && pending.TagID != "":
		found, err := o.client.ResolveTag(ctx, pending.StreamID, pending.TagID, o.pool.VCenterID)
		if err != nil {
			return t, err
		}
		if strings.EqualFold(found.VersionID, versionID) || found.SnapshotID == snapshotID {
			t.Image = pending
		}
		return t, nil
	case versionID != "":
		found, err := o.client.ResolveVersion(ctx, versionID, o.pool.VCenterID)
		if err != nil {
			return t, err
		}
		t.Image = found.Image("", "")
	}
	if t.Image.Same(pending) {
		t.Image = pending
		// The names are for people; whoever may not look them up sees ids.
		if _, err := o.name(ctx, &t); ctx.Err() != nil {
			return t, fmt.Errorf("looking up the image: %w", errors.Join(err, context.Cause(ctx)))
		}
	}
	return t, nil
}

// left warns of machines that keep an image which was taken back.
func (o *order) left(ctx context.Context, image horizon.PoolImage) diag.Diagnostics {
	machines, err := o.client.Machines(ctx, o.id)
	if err != nil || image.Same(o.pool.Current) {
		return nil
	}
	var on []horizon.MachineRef
	for _, m := range machines {
		if m.Image.Same(image) {
			on = append(on, horizon.MachineRef{ID: m.ID, Name: m.Name})
		}
	}
	if len(on) == 0 {
		return nil
	}
	return diag.Diagnostics{o.warning("Machines keep the image that was taken back", fmt.Sprintf("%d machines have %s (%s). Put them on the current image with imageops_apply_image.", len(on), image, machineList(on)))}
}
