package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

var (
	_ resource.Resource                   = (*imageResource)(nil)
	_ resource.ResourceWithConfigure      = (*imageResource)(nil)
	_ resource.ResourceWithValidateConfig = (*imageResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*imageResource)(nil)
	_ resource.ResourceWithIdentity       = (*imageResource)(nil)
	_ resource.ResourceWithImportState    = (*imageResource)(nil)
)

// NewImageResource makes the resource imageops_desktop_pool_image.
func NewImageResource() resource.Resource { return &imageResource{} }

type imageResource struct{ clients *plan.Clients }

func (r *imageResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_desktop_pool_image"
	// The pool of a resource can be another one, without a new resource.
	resp.ResourceBehavior.MutableIdentity = true
}

func (r *imageResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	if req.ProviderData == nil {
		return
	}
	clients, ok := req.ProviderData.(*plan.Clients)
	if !ok {
		resp.Diagnostics.AddError("Unable to configure "+thing, fmt.Sprintf("The provider gave %T. This is a defect of the provider; please report it.", req.ProviderData))
		return
	}
	r.clients = clients
}

type poolIdentity struct {
	DesktopPoolID types.String `tfsdk:"desktop_pool_id"`
}

func setIdentity(ctx context.Context, identity *tfsdk.ResourceIdentity, id types.String) diag.Diagnostics {
	if identity == nil || id.IsUnknown() {
		return nil
	}
	return identity.Set(ctx, poolIdentity{DesktopPoolID: id})
}

func (r *imageResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	id := req.ID
	if id == "" {
		var identity poolIdentity
		resp.Diagnostics.Append(req.Identity.Get(ctx, &identity)...)
		id = identity.DesktopPoolID.ValueString()
	}
	if !horizon.ValidID(id) {
		resp.Diagnostics.AddError("Unable to import "+thing, fmt.Sprintf("%q is no ID of a desktop pool. The import ID is the pool's ID (UUID), as the data source imageops_desktop_pool shows it.", id))
		return
	}
	for name, value := range map[string]any{
		attrPool: id, attrLogoffPolicy: horizon.WaitForLogoff, attrStopOnFirstError: true, attrAllowPast: false, attrReschedule: true,
		attrWaitFor: string(horizon.WaitPublished), attrPercent: mostPercent, attrOnDrift: string(horizon.PushDrift), plan.OnConflictAttribute: plan.ConflictFail,
		plan.OnDestroyAttribute: destroyCancel, attrRetryFailed: false, plan.PlannedPatchAttribute: "[]", plan.PlannedChangesAttribute: []string{}, attrPlannedCalls: []string{},
	} {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name), value)...)
	}
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, types.StringValue(id))...)
}

func (r *imageResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	state, diags := modelOf(ctx, req.State)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	id := state.DesktopPoolID.ValueString()
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, state.DesktopPoolID)...)
	if r.clients.Horizon.Unknown() {
		resp.Diagnostics.AddWarning("The image of the desktop pool was not read",
			fmt.Sprintf("%s, so the image of the desktop pool %s is planned as it was in state.", r.clients.Horizon.UnknownText(), id))
		return
	}
	d, diags := open(r.clients, id, "read")
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	kept := loadMemory(ctx, req.Private, id)
	if err := d.look(ctx); err != nil {
		if !errors.Is(err, horizon.ErrNotFound) {
			resp.Diagnostics.Append(d.failure(nil, err))
			return
		}
		if elsewhere := d.wording().Elsewhere(d.place, kept.Place); elsewhere != nil {
			resp.Diagnostics.Append(elsewhere)
			return
		}
		resp.State.RemoveResource(ctx)
		return
	}
	resp.Diagnostics.Append(d.refresh(ctx, state, kept)...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, state)...)
	resp.Diagnostics.Append(kept.save(ctx, resp.Private)...)
}

// createLimit is how long a create or an update may take that is not configured, and
// machinesLimit the same with a wait for machines; deleteLimit is that of a destruction.
const (
	createLimit   = 2 * time.Hour
	machinesLimit = 24 * time.Hour
	deleteLimit   = time.Hour
)

func (in *inputs) limit() time.Duration {
	if in.waitFor() == horizon.WaitMachines {
		return machinesLimit
	}
	return createLimit
}

func (r *imageResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	planned, configured, diags := modelsOf(ctx, req.Plan, req.Config)
	resp.Diagnostics.Append(diags...)
	ctx, cancel, diags := plan.WithTimeoutOr(ctx, req.Plan, plan.CreateTimeout, planned.limit())
	defer cancel()
	resp.Diagnostics.Append(diags...)
	d, diags := open(r.clients, planned.DesktopPoolID.ValueString(), "create")
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	kept := &memory{Instance: plan.NewInstance(), PoolID: d.id}
	diags = d.apply(ctx, planned, configured, nil, kept)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		// Without a state nothing is tainted: the next apply reads the pool, and adopts
		// what is under way there.
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, planned)...)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, planned.DesktopPoolID)...)
	resp.Diagnostics.Append(kept.save(ctx, resp.Private)...)
}

func (r *imageResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	planned, configured, diags := modelsOf(ctx, req.Plan, req.Config)
	resp.Diagnostics.Append(diags...)
	prior, diags := modelOf(ctx, req.State)
	resp.Diagnostics.Append(diags...)
	ctx, cancel, diags := plan.WithTimeoutOr(ctx, req.Plan, plan.UpdateTimeout, planned.limit())
	defer cancel()
	resp.Diagnostics.Append(diags...)
	d, diags := open(r.clients, planned.DesktopPoolID.ValueString(), "update")
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	kept := loadMemory(ctx, req.Private, d.id)
	if !planned.Operation.IsUnknown() {
		// Only settings change, which no request says.
		if equalValues(planned.pushed(), configured.pushed()) { // Else drift is left alone.
			kept.reachedAlready(planned)
		}
		resp.Diagnostics.Append(resp.State.Set(ctx, planned)...)
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, planned.DesktopPoolID)...)
		resp.Diagnostics.Append(kept.save(ctx, resp.Private)...)
		return
	}
	diags = d.apply(ctx, planned, configured, prior, kept)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		// What the state says of the configuration stays as it was, so that the next plan
		// shows what is missing.
		if d.pool != nil && prior.DesktopPoolID.Equal(planned.DesktopPoolID) {
			d.show(prior, kept)
			resp.Diagnostics.Append(resp.State.Set(ctx, prior)...)
			resp.Diagnostics.Append(kept.save(ctx, resp.Private)...)
		}
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, prior.DesktopPoolID)...)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, planned)...)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, planned.DesktopPoolID)...)
	resp.Diagnostics.Append(kept.save(ctx, resp.Private)...)
}

func modelsOf(ctx context.Context, planned, configured getter) (*model, *model, diag.Diagnostics) {
	p, diags := modelOf(ctx, planned)
	c, more := modelOf(ctx, configured)
	return p, c, append(diags, more...)
}

func (r *imageResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	state, diags := modelOf(ctx, req.State)
	resp.Diagnostics.Append(diags...)
	ctx, cancel, diags := plan.WithTimeoutOr(ctx, req.State, plan.DeleteTimeout, deleteLimit)
	defer cancel()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	if r.clients.Destruction(ctx, req.Private) != plan.Planned || state.OnDestroy.ValueString() == destroyKeep {
		return
	}
	d, diags := open(r.clients, state.DesktopPoolID.ValueString(), "destroy")
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	kept := loadMemory(ctx, req.Private, d.id)
	if kept.Place != nil && !kept.Place.Same(d.place) {
		resp.Diagnostics.Append(d.wording().Elsewhere(d.place, kept.Place))
		return
	}
	var calls []string
	_ = plan.LoadKey(ctx, req.Private, destroyCalls, &calls)
	resp.Diagnostics.Append(d.withdraw(ctx, state, kept, calls)...)
}
