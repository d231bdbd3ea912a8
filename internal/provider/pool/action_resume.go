package pool

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

var (
	_ action.ActionWithConfigure  = (*resumeAction)(nil)
	_ action.ActionWithModifyPlan = (*resumeAction)(nil)
)

// NewResumeAction makes the action imageops_resume_push_image.
func NewResumeAction() action.Action { return &resumeAction{} }

type resumeAction struct{ configuredAction }

type resumeModel struct {
	DesktopPoolID       types.String `tfsdk:"desktop_pool_id"`
	RetryFailedMachines types.Bool   `tfsdk:"retry_failed_machines"`
	WaitFor             types.String `tfsdk:"wait_for"`
	Timeout             types.String `tfsdk:"timeout"`
}

const resumeVerb = "resume the push of"

func (a *resumeAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_resume_push_image"
}

func (a *resumeAction) ModifyPlan(ctx context.Context, req action.ModifyPlanRequest, resp *action.ModifyPlanResponse) {
	var m resumeModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(a.checkPlan(ctx, m.DesktopPoolID, resumeVerb, horizon.ResumePushTask)...)
	}
}

func (a *resumeAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var m resumeModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	usual := createLimit
	if m.WaitFor.ValueString() == string(horizon.WaitMachines) {
		usual = machinesLimit
	}
	a.invoke(ctx, invocation{
		poolID: m.DesktopPoolID, waitFor: m.WaitFor, timeout: m.Timeout, verb: resumeVerb, usual: usual, needed: horizon.ResumePushTask,
		prepare: func(ctx context.Context, o *order) (*horizon.Rollout, diag.Diagnostics) {
			_, halted, err := o.client.PushTasks(ctx, o.id)
			if err != nil {
				return nil, diag.Diagnostics{o.failure(nil, err)}
			}
			return &horizon.Rollout{Input: horizon.DecisionInput{
				Purpose: horizon.OrderResume, Wanted: horizon.Target{Image: o.pool.Current}, Halted: halted, RetryFailedMachines: m.RetryFailedMachines.ValueBool(),
			}}, nil
		},
	}, resp)
}
