package catalogue

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// ImportState adopts an object as it is, by its id or by identity: everything
// that can be set, and of the settings their defaults.
func (r *objectResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	id := req.ID
	if id == "" && req.Identity != nil && !req.Identity.Raw.IsNull() {
		var identity objectIdentity
		resp.Diagnostics.Append(req.Identity.Get(ctx, &identity)...)
		id = identity.ID.ValueString()
	}
	if !horizon.ValidID(id) {
		resp.Diagnostics.AddError("Invalid import ID",
			fmt.Sprintf("%q is not the ID of an %s, which is a UUID. The data source imageops_%s finds it by name.", id, r.kind, r.kind.name))
		return
	}
	if r.clients.Horizon.Unknown() {
		resp.Diagnostics.AddError("Unable to import the "+r.kind.String(), r.clients.Horizon.UnknownText()+", so it cannot be read. Give it a value that is known when planning.")
		return
	}
	o, diags := r.open(plan.Values{attrID: tftypes.NewValue(tftypes.String, id)})
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	found, err := o.client.Read(ctx, o.ref)
	if errors.Is(err, horizon.ErrNotFound) {
		resp.Diagnostics.AddError(o.wording("import").Unable(), fmt.Sprintf("There is no %s %s in %s. Check the ID; the data source imageops_%s finds it by name.\n\n%s", r.kind, id, o.place, r.kind.name, plan.Sentence(err)))
		return
	}
	if err != nil {
		resp.Diagnostics.Append(o.failure("import", err))
		return
	}
	o.ref.ID = found.ID
	d := found.Document()
	o.memory.First(o.key(), d)
	state, adopted := r.kind.adopt(plan.NullValues(resp.State.Raw), found.ID, d)
	resp.State.Raw = state.Object(resp.State.Raw)
	resp.Diagnostics.Append(o.private(d, adopted).Save(ctx, resp.Private, plan.Private{})...)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, found.ID)...)
}

// adopt makes the state of an object as it is found, and returns the pointers that
// stay when they are given up.
func (k *kind) adopt(state plan.Values, id string, d patch.Document) (plan.Values, []patch.Pointer) {
	var adopted []patch.Pointer
	state.SetText(attrID, id)
	state.SetText(plan.OnDestroyAttribute, destroyDelete)
	state.SetText(plan.OnConflictAttribute, plan.ConflictFail)
	state.SetText(plan.PlannedPatchAttribute, "[]")
	state.SetTexts(plan.PlannedChangesAttribute, nil)
	for i := range k.fields {
		f := &k.fields[i]
		state[f.name] = textOrNull(d[f.pointer()])
		if !f.required && !state[f.name].IsNull() {
			adopted = append(adopted, f.pointer())
		}
	}
	if k.statuses != nil {
		state[attrStatus] = textOrNull(d[statusPointer])
	}
	if k.waits {
		state[attrCurrentStatus] = textOrNull(d[statusPointer])
	}
	details := map[string]tftypes.Value{}
	for p, value := range d {
		if key, ok := p.MemberOf(horizon.AdditionalDetails); ok {
			details[key] = textOrNull(value)
			adopted = append(adopted, p)
		}
	}
	if len(details) > 0 {
		state[attrDetails] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, details)
	}
	return state, adopted
}
