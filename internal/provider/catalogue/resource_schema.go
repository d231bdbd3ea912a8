package catalogue

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

const (
	inPlace  = " A change is an update in place."
	replaces = " A change replaces the resource."
)

func (r *objectResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	k := r.kind
	attributes := map[string]schema.Attribute{
		attrID: schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: fmt.Sprintf("ID (UUID) of the %s, which Horizon gives it.", k),
			PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
		},
		attrDetails: schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Free texts by name. Only the keys named here are owned; the value `null` says that the key must not exist. By default none is owned." + inPlace,
		},
		plan.OnDestroyAttribute:      r.onDestroy(),
		plan.OnConflictAttribute:     plan.OnConflict(),
		plan.TimeoutsAttribute:       r.timeouts(ctx),
		plan.PlannedPatchAttribute:   plan.PlannedPatch("the difference that its apply makes"),
		plan.PlannedChangesAttribute: plan.PlannedChanges(k.example),
	}
	for i := range k.fields {
		attributes[k.fields[i].name] = k.fields[i].schema(k)
	}
	if k.statuses != nil {
		attributes[attrStatus] = schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString(statusAvailable),
			MarkdownDescription: fmt.Sprintf("Status: %s. Default `%s`. Horizon takes it as it is given.%s", oneOfText(k.statuses), statusAvailable, r.statusNote()) + inPlace,
			Validators:          []validator.String{statusValidator{kind: k}},
		}
	}
	if k.waits {
		attributes[attrWaitForStatus] = schema.StringAttribute{
			Optional: true,
			MarkdownDescription: fmt.Sprintf("The only value is `%s`: a create, and an update of what is not yet there, waits until Horizon shows that status; `FAILED` ends the wait with an error. "+
				"`status` is then what the %s is created with, and is not compared afterwards; when this is taken out again, it is. Unset by default: nothing is waited for. A change is an update in place.", statusAvailable, k),
			Validators: []validator.String{stringvalidator.OneOf(statusAvailable)},
		}
		attributes[attrCurrentStatus] = schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "The status that Horizon shows.",
		}
	}
	resp.Schema = schema.Schema{MarkdownDescription: k.description, Attributes: attributes}
}

func (r *objectResource) statusNote() string {
	if !r.kind.waits {
		return ""
	}
	return " With `wait_for_status` it is not compared after the creation."
}

func (r *objectResource) onDestroy() schema.Attribute {
	destroys := r.kind.destroys()
	text := fmt.Sprintf("What becomes of the %s when the resource is destroyed: `delete` (default) deletes it, ", r.kind)
	if len(destroys) == 3 {
		text += "`disable` gives it the status `DISABLED`, "
	}
	return schema.StringAttribute{
		Optional: true, Computed: true, Default: stringdefault.StaticString(destroyDelete),
		MarkdownDescription: text + "and `keep` leaves it as it is. What counts is what is in the state, so apply a change before the destroy. A change sends nothing.",
		Validators:          []validator.String{stringvalidator.OneOf(destroys...)},
	}
}

func (r *objectResource) timeouts(ctx context.Context) schema.Attribute {
	waits := ""
	if r.kind.waits {
		waits = ", the wait for the status included"
	}
	return plan.Timeouts(timeouts.Attributes(ctx, timeouts.Opts{
		Create: true, Update: true, Delete: true,
		CreateDescription: "How long a create may take" + waits + ", as a duration such as `30s` or `2h`. Default `10m`. A change sends nothing.",
		UpdateDescription: "How long an update may take" + waits + ", as a duration. Default `10m`. A change sends nothing.",
		DeleteDescription: "How long a deletion may take, as a duration. Default `10m`. A change sends nothing.",
	}), "How long the operations may take. A change sends nothing.")
}

func (f *field) schema(k *kind) schema.Attribute {
	description := f.description
	if len(f.oneOf) > 0 {
		description += " One of: " + oneOfText(f.oneOf) + "."
	}
	a := schema.StringAttribute{Required: f.required, Optional: !f.required, MarkdownDescription: description + inPlace, Validators: []validator.String{fieldValidator{f}}}
	if f.replaces {
		a.MarkdownDescription = description + replaces
		a.PlanModifiers = []planmodifier.String{replacesModifier{k, f}}
	}
	return a
}

// replacesModifier has an object replaced when a field that no update can write gets
// another value. The same id in other letters is none, and neither is one that
// Horizon did not show to an import.
type replacesModifier struct {
	kind  *kind
	field *field
}

func (m replacesModifier) Description(context.Context) string {
	return "a change replaces the resource"
}
func (m replacesModifier) MarkdownDescription(ctx context.Context) string {
	return m.Description(ctx)
}

func (m replacesModifier) PlanModifyString(_ context.Context, req planmodifier.StringRequest, resp *planmodifier.StringResponse) {
	if req.State.Raw.IsNull() || req.Plan.Raw.IsNull() || req.PlanValue.Equal(req.StateValue) {
		return
	}
	if req.StateValue.IsNull() {
		state, err := plan.ValuesOf(req.State.Raw)
		resp.RequiresReplace = err != nil || !m.kind.unseen(m.field, state)
		return
	}
	same := m.field.id && !req.PlanValue.IsUnknown() && strings.EqualFold(req.PlanValue.ValueString(), req.StateValue.ValueString())
	resp.RequiresReplace = !same
}

func oneOfText(values []string) string { return "`" + strings.Join(values, "`, `") + "`" }

func (r *objectResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{
		Attributes: map[string]identityschema.Attribute{
			attrID: identityschema.StringAttribute{RequiredForImport: true, Description: fmt.Sprintf("ID (UUID) of the %s.", r.kind)},
		},
	}
}
