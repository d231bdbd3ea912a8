package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// Actions are the constructors of the actions on desktop pools.
func Actions() []func() action.Action {
	return []func() action.Action{NewPushAction, NewPromoteAction, NewCancelAction, NewApplyAction, NewResumeAction}
}

// configuredAction is what all actions are given.
type configuredAction struct{ clients *plan.Clients }

func (a *configuredAction) Configure(_ context.Context, req action.ConfigureRequest, resp *action.ConfigureResponse) {
	if req.ProviderData == nil {
		return
	}
	clients, ok := req.ProviderData.(*plan.Clients)
	if !ok {
		resp.Diagnostics.AddError("Unable to configure an action", fmt.Sprintf("The provider gave %T. This is a defect of the provider; please report it.", req.ProviderData))
		return
	}
	a.clients = clients
}

// checkPlan says what can be told of an action before it is carried out: whether images can
// be pushed to the pool at all, and what the release lacks. It sends nothing, and
// what it may not look at is left to the action itself.
func (a *configuredAction) checkPlan(ctx context.Context, poolID types.String, verb string, needed ...horizon.Feature) diag.Diagnostics {
	if a.clients == nil || poolID.IsUnknown() || a.clients.Horizon.Unknown() {
		return nil
	}
	o, diags := a.order(poolID.ValueString(), verb)
	if diags.HasError() || o.look(ctx) != nil {
		return diags
	}
	if diags := o.kind(); diags != nil {
		return diags
	}
	for _, f := range needed {
		if err := o.client.Supports(ctx, f); isUnsupported(err) {
			diags.Append(o.failure(nil, err))
		}
	}
	return diags
}

// order is an action that is carried out.
type order struct {
	*desktop
	// made are the calls so far, in words.
	made []string
	tell func(progress string)
}

func (a *configuredAction) order(poolID, verb string) (*order, diag.Diagnostics) {
	o := &order{desktop: &desktop{id: poolID, clients: a.clients, verb: verb}, tell: func(string) {}}
	client, diags := a.clients.Horizon.ClientNow(o.unable())
	if diags.HasError() {
		return nil, diags
	}
	o.client, o.place = client, plan.Place{Host: client.Host()}
	return o, nil
}

// invocation is what an action is asked for, besides what it is to do.
type invocation struct {
	poolID, waitFor, timeout types.String
	verb                     string
	// usual is how long it may take where that is not configured.
	usual time.Duration
	// needed is what the release has to be able to do; empty for nothing.
	needed horizon.Feature
	// prepare says what is to be done to the pool, which was read.
	prepare func(ctx context.Context, o *order) (*horizon.Rollout, diag.Diagnostics)
	// inputs are those of a push, nil for other actions.
	inputs *inputs
}

// invoke carries an action out: alone on its pool, within its time.
func (a *configuredAction) invoke(ctx context.Context, i invocation, resp *action.InvokeResponse) *order {
	o, diags := a.order(i.poolID.ValueString(), i.verb)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return nil
	}
	limit := i.usual
	if d, err := time.ParseDuration(i.timeout.ValueString()); err == nil {
		limit = d
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	o.tell = progressTo(ctx, resp.SendProgress)
	diags = o.carryOut(ctx, i)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return nil
	}
	return o
}

func (o *order) carryOut(ctx context.Context, i invocation) diag.Diagnostics {
	unlock, err := change.Lock(ctx, o.key())
	if err != nil {
		return diag.Diagnostics{o.failure(i.inputs, err)}
	}
	defer unlock()
	// A list that is kept for a while is not good enough to act upon.
	if o.pool, err = o.client.Pool(ctx, o.id); err != nil {
		return diag.Diagnostics{o.failure(i.inputs, err)}
	}
	if diags := o.kind(); diags != nil {
		return diags
	}
	if i.needed != "" {
		if err := o.client.Supports(ctx, i.needed); err != nil {
			return diag.Diagnostics{o.failure(i.inputs, err)}
		}
	}
	work, diags := i.prepare(ctx, o)
	if diags.HasError() {
		return diags
	}
	work.PoolID, work.WaitFor, work.Interval = o.id, horizon.WaitFor(i.waitFor.ValueString()), o.clients.PollInterval
	work.Governor = o.clients.Governor
	work.Called = func(c horizon.Call) {
		o.made = append(o.made, o.words(c))
		o.tell(o.words(c))
	}
	work.Progress = func(progress string) {
		if progress != idle {
			o.tell(progress)
		}
	}
	outcome, err := o.client.RollOut(ctx, *work)
	if outcome.Pool != nil {
		o.pool = outcome.Pool
	}
	if err != nil {
		return append(diags, o.failure(i.inputs, err))
	}
	if len(o.made) == 0 {
		o.tell("nothing was sent: the image was on its way already")
	}
	for _, f := range outcome.Warnings {
		diags.Append(o.notice(f))
	}
	return diags
}

// idle is the progress of a pool to which nothing is done, or that does not show yet
// what was sent to it.
const idle = "NONE"

// words says what a call does. An action says itself whether machines are tried again.
func (o *order) words(c horizon.Call) string {
	if c.Kind == horizon.CallResume {
		return "resume-task: the push of " + c.Target.Image.String()
	}
	return c.String()
}

// progressTo returns what tells the progress of an action. A terraform that has gone does
// not hear it, and does not keep the action from its end.
func progressTo(ctx context.Context, send func(action.InvokeProgressEvent)) func(string) {
	return func(progress string) {
		if ctx.Err() != nil {
			return
		}
		tflog.Info(ctx, "an action on a desktop pool goes on", map[string]any{"progress": progress})
		heard := make(chan struct{})
		go func() {
			send(action.InvokeProgressEvent{Message: progress})
			close(heard)
		}()
		select {
		case <-heard:
		case <-ctx.Done():
		}
	}
}
