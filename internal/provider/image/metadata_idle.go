//go:build idle

package image

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// idleResource has the schema of imageops_image_metadata and does nothing with
// it: what Terraform and the framework cost by themselves is the baseline of the
// measurements. It is in no release.
type idleResource struct{ metadataResource }

// NewMetadataResource returns the resource that does nothing.
func NewMetadataResource() resource.Resource { return &idleResource{} }

// sightOf sees what the state says, without a look.
func sightOf(_ context.Context, _ *plan.Clients, state tftypes.Value, _ plan.PrivateReader) *sight {
	v, err := plan.ValuesOf(state)
	s := &sight{}
	if err != nil {
		s.diags.AddError("Unable to read the state", err.Error())
		return s
	}
	s.id = v.Text(attrImageID)
	return s
}

func (r *idleResource) ModifyPlan(context.Context, resource.ModifyPlanRequest, *resource.ModifyPlanResponse) {
}

func (r *idleResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	resp.State.Raw = settled(&resp.Diagnostics, req.Plan)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, imageIDOf(resp.State))...)
}

func (r *idleResource) Read(ctx context.Context, _ resource.ReadRequest, resp *resource.ReadResponse) {
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, imageIDOf(resp.State))...)
}

func (r *idleResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.State.Raw = settled(&resp.Diagnostics, req.Plan)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, imageIDOf(resp.State))...)
}

func (r *idleResource) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}

func imageIDOf(s tfsdk.State) string {
	v, err := plan.ValuesOf(s.Raw)
	if err != nil {
		return ""
	}
	return v.Text(attrImageID)
}

// settled gives what is computed and not known yet a value.
func settled(diags interface{ AddError(string, string) }, planned tfsdk.Plan) tftypes.Value {
	v, err := plan.ValuesOf(planned.Raw)
	if err != nil {
		diags.AddError("Unable to settle the plan", err.Error())
		return planned.Raw
	}
	v = v.Clone()
	for _, name := range []string{plan.PlannedPatchAttribute, attrRestorePatch, attrSensitiveRestore} {
		if !v[name].IsKnown() {
			v.SetText(name, "[]")
		}
	}
	if !v[plan.PlannedChangesAttribute].IsKnown() {
		v.SetTexts(plan.PlannedChangesAttribute, nil)
	}
	return v.Object(planned.Raw)
}
