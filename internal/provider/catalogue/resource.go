package catalogue

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

var (
	_ resource.Resource                   = (*objectResource)(nil)
	_ resource.ResourceWithConfigure      = (*objectResource)(nil)
	_ resource.ResourceWithValidateConfig = (*objectResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*objectResource)(nil)
	_ resource.ResourceWithIdentity       = (*objectResource)(nil)
	_ resource.ResourceWithImportState    = (*objectResource)(nil)
)

// Resources returns the constructors of the resources: imageops_image_management_stream,
// _version, _tag and _asset.
func Resources() []func() resource.Resource {
	constructors := make([]func() resource.Resource, len(kinds))
	for i, k := range kinds {
		constructors[i] = func() resource.Resource { return &objectResource{kind: k} }
	}
	return constructors
}

// objectResource is a resource for the objects of one kind.
type objectResource struct {
	kind    *kind
	clients *plan.Clients
}

func (r *objectResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + r.kind.name
}

func (r *objectResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	if req.ProviderData == nil {
		return
	}
	clients, ok := req.ProviderData.(*plan.Clients)
	if !ok {
		resp.Diagnostics.AddError("Unable to configure the "+r.kind.String(), fmt.Sprintf("The provider gave %T. This is a defect of the provider; please report it.", req.ProviderData))
		return
	}
	r.clients = clients
}

// objectIdentity is the identity of every resource of the catalogue.
type objectIdentity struct {
	ID types.String `tfsdk:"id"`
}

func setIdentity(ctx context.Context, identity *tfsdk.ResourceIdentity, id string) diag.Diagnostics {
	if identity == nil {
		return nil
	}
	return identity.Set(ctx, objectIdentity{ID: types.StringValue(id)})
}

// object is one object of the catalogue through the eyes of one call.
type object struct {
	kind   *kind
	ref    horizon.Ref
	place  plan.Place
	client *horizon.Client
	memory *change.Memory
}

// open finds the object of a state, or with empty values one that is still to be
// made. It sends nothing.
func (r *objectResource) open(state plan.Values) (*object, diag.Diagnostics) {
	client, diags := r.clients.Horizon.Client()
	if diags.HasError() {
		return nil, diags
	}
	o := &object{
		kind: r.kind, client: client, memory: r.clients.Memory, place: plan.Place{Host: client.Host()},
		ref: horizon.Ref{Kind: r.kind.horizon, ID: state.Text(attrID), ParentID: state.Text(r.kind.parent)},
	}
	return o, nil
}

// keyOf is the key of any object of the catalogue.
func (o *object) keyOf(id string) change.Key {
	return change.Key{Endpoint: o.client.EndpointKey(), ID: id}
}

func (o *object) key() change.Key { return o.keyOf(o.ref.ID) }

// private returns what is kept beside a state about the object as it was seen.
func (o *object) private(seen patch.Document, adopted []patch.Pointer) plan.Private {
	return plan.Private{Document: seen, Place: &o.place, Adopted: adopted}
}

func (r *objectResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.clients == nil || req.Plan.Raw.IsNull() || r.clients.Horizon.Unknown() {
		return // What is computed is unknown already; a destruction needs no preparation.
	}
	s, err := r.stepOf(ctx, req.Plan.Raw, req.State.Raw, req.Private)
	if err != nil {
		resp.Diagnostics.AddError("Unable to plan the "+r.kind.String(), err.Error())
		return
	}
	if s.prior != nil && req.Plan.Raw.Equal(req.State.Raw) {
		if s.awaited() {
			s.planSilence()
			resp.Plan.Raw = s.planned.Object(req.Plan.Raw)
		}
		return
	}
	o, diags := r.open(s.prior)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	resp.Diagnostics.Append(o.refusals(ctx, s)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if s.replaces() {
		resp.Diagnostics.Append(o.replacing(ctx, s)...)
		return // Terraform asks for the plan of a create next.
	}
	if s.after.unknown {
		return
	}
	resp.Diagnostics.Append(s.unsentStatus()...)
	if s.silent() {
		s.planSilence()
		resp.Plan.Raw = s.planned.Object(req.Plan.Raw)
		return
	}
	have, looked, diags := o.seen(ctx, s)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	if looked && s.planned.Policy() == change.Overwrite {
		return // What is written follows from a document that apply will see.
	}
	resp.Diagnostics.Append(s.plan(have)...)
	resp.Plan.Raw = s.planned.Object(req.Plan.Raw)
}

// seen returns the document that a change is planned against: nothing for a
// create, else the one that the state was read from, or when private state was
// lost, the one that this process read first.
func (o *object) seen(ctx context.Context, s *step) (have patch.Document, looked bool, diags diag.Diagnostics) {
	switch {
	case s.prior == nil:
		return patch.Document{}, false, nil
	case s.stored.Document != nil:
		return s.stored.Document, false, nil
	}
	if have := o.memory.Known(o.key()); have != nil {
		return have, true, nil
	}
	found, err := o.client.Read(ctx, o.ref)
	if err != nil {
		return nil, true, diag.Diagnostics{o.failure("plan", err)}
	}
	return o.memory.First(o.key(), found.Document()), true, nil
}

func (r *objectResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	s, err := r.stepOf(ctx, req.Plan.Raw, tftypes.Value{}, nil)
	if err != nil {
		resp.Diagnostics.AddError("Unable to create the "+r.kind.String(), err.Error())
		return
	}
	ctx, cancel, diags := plan.WithTimeout(ctx, req.Plan, plan.CreateTimeout)
	defer cancel()
	resp.Diagnostics.Append(diags...)
	o, diags := r.open(s.planned)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	o.ref.ID, err = o.client.Create(ctx, r.kind.horizon, s.spec())
	if err != nil {
		resp.Diagnostics.Append(o.failure("create", err))
		return
	}
	// From here on the object is there: whatever follows, its id is saved.
	w := o.write(s, "create", r.clients.PollInterval)
	w.made()
	resp.State.Raw = s.planned.Object(req.Plan.Raw)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, o.ref.ID)...)
	resp.Diagnostics.Append(w.verify(ctx)...)
	resp.State.Raw = s.planned.Object(req.Plan.Raw)
	resp.Diagnostics.Append(w.private(true).Save(ctx, resp.Private, plan.Private{})...)
}

func (r *objectResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	state, err := plan.ValuesOf(req.State.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to read the "+r.kind.String(), err.Error())
		return
	}
	id := state.Text(attrID)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, id)...)
	if r.clients.Horizon.Unknown() {
		resp.Diagnostics.AddWarning(plan.UpperFirst(r.kind.String())+" was not read",
			fmt.Sprintf("%s, so the %s %s is planned as it was in state.", r.clients.Horizon.UnknownText(), r.kind, id))
		return
	}
	o, diags := r.open(state)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	before := plan.Load(ctx, req.Private)
	found, err := o.look(ctx, state)
	if errors.Is(err, horizon.ErrNotFound) {
		if elsewhere := o.wording("read").Elsewhere(o.place, before.Place); elsewhere != nil {
			resp.Diagnostics.Append(elsewhere)
			return
		}
		o.memory.NoteGone(o.keyOf(state.Text(attrStreamID)))
		o.memory.NoteGone(o.keyOf(state.Text(attrVersionID)))
		resp.State.RemoveResource(ctx)
		return
	}
	if err != nil {
		resp.Diagnostics.Append(o.failure("read", err))
		return
	}
	d := found.Document()
	o.memory.First(o.key(), d)
	if r.kind.refresh(state, d) {
		state.SetText(plan.PlannedPatchAttribute, "[]")
		state.SetTexts(plan.PlannedChangesAttribute, nil)
	}
	if r.kind.waits {
		state[attrCurrentStatus] = textOrNull(d[statusPointer])
	}
	resp.State.Raw = state.Object(req.State.Raw)
	resp.Diagnostics.Append(o.private(d, before.Adopted).Save(ctx, resp.Private, before)...)
}

// look reads the object, with others of the run where that saves requests. What
// a list shows otherwise than the state is looked at by itself.
func (o *object) look(ctx context.Context, state plan.Values) (*horizon.Object, error) {
	found, err := o.client.RecentObject(ctx, o.ref)
	if err != nil || !o.kind.refresh(state.Clone(), found.Document()) {
		return found, err
	}
	return o.client.Read(ctx, o.ref)
}

func (r *objectResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	s, err := r.stepOf(ctx, req.Plan.Raw, req.State.Raw, req.Private)
	if err != nil {
		resp.Diagnostics.AddError("Unable to update the "+r.kind.String(), err.Error())
		return
	}
	ctx, cancel, diags := plan.WithTimeout(ctx, req.Plan, plan.UpdateTimeout)
	defer cancel()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, s.prior.Text(attrID))...)
	if s.silent() && !s.awaited() {
		resp.State.Raw = s.planned.Object(req.Plan.Raw)
		return
	}
	o, diags := r.open(s.prior)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	w := o.write(s, "update", r.clients.PollInterval)
	written, diags := w.update(ctx)
	resp.Diagnostics.Append(diags...)
	if written {
		resp.State.Raw = s.planned.Object(req.Plan.Raw)
	}
	resp.Diagnostics.Append(w.private(written).Save(ctx, resp.Private, s.stored)...)
}

func (r *objectResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	state, err := plan.ValuesOf(req.State.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to delete the "+r.kind.String(), err.Error())
		return
	}
	ctx, cancel, diags := plan.WithTimeout(ctx, req.State, plan.DeleteTimeout)
	defer cancel()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	rule := state.Text(plan.OnDestroyAttribute)
	if rule == destroyKeep {
		return
	}
	o, diags := r.open(state)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	// That something is not found on another pod says nothing about this one.
	if before := plan.Load(ctx, req.Private).Place; before != nil && !before.Same(o.place) {
		resp.Diagnostics.Append(o.wording("delete").Elsewhere(o.place, before))
		return
	}
	if rule == destroyDisable {
		resp.Diagnostics.Append(o.disable(ctx)...)
		return
	}
	unlock, err := change.Lock(ctx, o.key())
	if err == nil {
		defer unlock()
		err = o.client.Delete(ctx, o.ref)
	}
	if err != nil {
		resp.Diagnostics.Append(o.failure("delete", err))
	}
}
