package pool

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

var (
	_ action.ActionWithConfigure      = (*applyAction)(nil)
	_ action.ActionWithValidateConfig = (*applyAction)(nil)
	_ action.ActionWithModifyPlan     = (*applyAction)(nil)
)

// NewApplyAction makes the action imageops_apply_image.
func NewApplyAction() action.Action { return &applyAction{} }

type applyAction struct{ configuredAction }

type applyModel struct {
	DesktopPoolID types.String `tfsdk:"desktop_pool_id"`
	MachineNames  types.Set    `tfsdk:"machine_names"`
	MachineIDs    types.Set    `tfsdk:"machine_ids"`
	Image         types.String `tfsdk:"image"`
	WaitFor       types.String `tfsdk:"wait_for"`
	Timeout       types.String `tfsdk:"timeout"`
}

const applyVerb = "apply"

func (a *applyAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_apply_image"
}

func (a *applyAction) ValidateConfig(ctx context.Context, req action.ValidateConfigRequest, resp *action.ValidateConfigResponse) {
	var m applyModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(validateMachines(path.Empty(), map[string]types.Set{attrMachineNames: m.MachineNames, attrMachineIDs: m.MachineIDs})...)
	if m.MachineNames.IsUnknown() || m.MachineIDs.IsUnknown() || len(m.MachineNames.Elements())+len(m.MachineIDs.Elements()) > 0 {
		return
	}
	resp.Diagnostics.AddAttributeError(path.Root(attrMachineNames), "Missing machines", "Name the machines that get the image, by machine_names or machine_ids: an action on no machine does nothing.")
}

func (a *applyAction) ModifyPlan(ctx context.Context, req action.ModifyPlanRequest, resp *action.ModifyPlanResponse) {
	var m applyModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(a.checkPlan(ctx, m.DesktopPoolID, applyVerb, horizon.ApplyToMachines)...)
	}
}

func (a *applyAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var m applyModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	usual := createLimit
	if m.WaitFor.ValueString() == string(horizon.WaitMachines) {
		usual = machinesLimit
	}
	a.invoke(ctx, invocation{
		poolID: m.DesktopPoolID, waitFor: m.WaitFor, timeout: m.Timeout, verb: applyVerb, usual: usual, needed: horizon.ApplyToMachines,
		prepare: func(_ context.Context, o *order) (*horizon.Rollout, diag.Diagnostics) {
			in := horizon.DecisionInput{
				Purpose: horizon.OrderApplyCurrent, Wanted: horizon.Target{Image: o.pool.Current},
				Selective: &horizon.Selective{Names: texts(m.MachineNames), IDs: texts(m.MachineIDs)},
			}
			if m.Image.ValueString() == string(horizon.PendingImage) {
				in.Purpose, in.Wanted = horizon.OrderApplyPending, horizon.Target{Image: o.pool.Pending}
			}
			return &horizon.Rollout{Input: in}, nil
		},
	}, resp)
}
