package pool

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

var (
	_ action.ActionWithConfigure      = (*pushAction)(nil)
	_ action.ActionWithValidateConfig = (*pushAction)(nil)
	_ action.ActionWithModifyPlan     = (*pushAction)(nil)
)

// NewPushAction makes the action imageops_push_image.
func NewPushAction() action.Action { return &pushAction{} }

type pushAction struct{ configuredAction }

type pushModel struct {
	inputs

	Timeout types.String `tfsdk:"timeout"`
}

const pushVerb = "push"

func (a *pushAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_push_image"
}

func (a *pushAction) ValidateConfig(ctx context.Context, req action.ValidateConfigRequest, resp *action.ValidateConfigResponse) {
	var m pushModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(m.validate()...)
	}
}

func (a *pushAction) ModifyPlan(ctx context.Context, req action.ModifyPlanRequest, resp *action.ModifyPlanResponse) {
	var m pushModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if !resp.Diagnostics.HasError() {
		resp.Diagnostics.Append(a.checkPlan(ctx, m.DesktopPoolID, pushVerb, m.needs()...)...)
	}
}

// needs are what not every release can do of what is configured.
func (m *pushModel) needs() []horizon.Feature {
	var needed []horizon.Feature
	if !m.ComputeProfile.IsNull() {
		needed = append(needed, horizon.PushComputeProfile)
	}
	if !m.GridVGPUsEnabled.IsNull() || !m.VGPUGridProfile.IsNull() {
		needed = append(needed, horizon.PushVirtualGPUs)
	}
	if !m.Selective.IsNull() {
		needed = append(needed, horizon.SelectivePush)
	}
	return needed
}

func (a *pushAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var m pushModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	a.invoke(ctx, invocation{
		poolID: m.DesktopPoolID, waitFor: m.WaitFor, timeout: m.Timeout, verb: pushVerb, usual: m.limit(), inputs: &m.inputs,
		prepare: func(ctx context.Context, o *order) (*horizon.Rollout, diag.Diagnostics) { return o.push(ctx, &m) },
	}, resp)
}

// push is the push of an image to a pool, whatever it runs.
func (o *order) push(ctx context.Context, m *pushModel) (*horizon.Rollout, diag.Diagnostics) {
	for _, f := range m.needs() {
		if err := o.client.Supports(ctx, f); err != nil {
			return nil, diag.Diagnostics{o.failure(&m.inputs, err)}
		}
	}
	wanted, _, err := o.wanted(ctx, &m.inputs, nil)
	if err == nil && wanted == nil {
		err = &tagMovedError{tagID: m.IMTagID.ValueString(), is: "that has no asset for this vCenter", wanted: m.IMVersionID.ValueString()}
	}
	if err != nil {
		return nil, diag.Diagnostics{o.failure(&m.inputs, err)}
	}
	diags := o.source(ctx, &m.inputs, wanted)
	if ctx.Err() != nil {
		return nil, diag.Diagnostics{o.failure(&m.inputs, context.Cause(ctx))}
	}
	diags.Append(o.state()...)
	in := m.decision(&m.inputs)
	in.Purpose, in.Wanted = horizon.OrderPush, *wanted
	return &horizon.Rollout{
		Input: in, Percent: m.WaitForMachinesPercent.ValueInt64(),
		BeforePush: func(ctx context.Context) error { return o.confirm(ctx, *wanted) },
	}, diags
}
