package catalogue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// fieldValidator accepts what a field can hold in any release.
type fieldValidator struct{ field *field }

func (v fieldValidator) Description(context.Context) string {
	switch {
	case len(v.field.oneOf) > 0:
		return "must be one of: " + strings.Join(v.field.oneOf, ", ")
	case v.field.pattern != nil:
		return "must be " + v.field.allowed
	case v.field.most > 0:
		return fmt.Sprintf("must have at most %d characters", v.field.most)
	case v.field.id:
		return "must be an ID"
	}
	return "must be a text"
}
func (v fieldValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v fieldValidator) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	f, value := v.field, req.ConfigValue.ValueString()
	meant, other := f.spellings[value]
	switch {
	case other:
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid "+f.name,
			fmt.Sprintf("%q is the spelling of the View API. Horizon's REST API, which this provider uses, calls it %q: write %s = %q.", value, meant, f.name, meant))
	case len(f.oneOf) > 0 && !slices.Contains(f.oneOf, value):
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid "+f.name, fmt.Sprintf("%q is none of the values of %s: %s.", value, f.name, strings.Join(f.oneOf, ", ")))
	case f.pattern != nil && !f.pattern.MatchString(value):
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid "+f.name, fmt.Sprintf("%q cannot be a name here. It has to be %s.", value, f.allowed))
	case f.most > 0 && utf8.RuneCountInString(value) > f.most:
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid "+f.name, fmt.Sprintf("It has %d characters, and Horizon takes %d at most.", utf8.RuneCountInString(value), f.most))
	case f.id && !horizon.ValidID(value):
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid "+f.name,
			fmt.Sprintf("%q is no ID, which is made of letters, digits and hyphens. A name does not work here: a data source of this provider finds the ID by name.", value))
	}
}

// statusValidator accepts the statuses that an object may be given.
type statusValidator struct{ kind *kind }

func (v statusValidator) Description(context.Context) string {
	return "must be one of: " + strings.Join(v.kind.statuses, ", ")
}
func (v statusValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v statusValidator) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	switch value := req.ConfigValue.ValueString(); {
	case value == statusDeleted:
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid status",
			fmt.Sprintf("An object with the status %s counts as gone, so it would be created again by every apply. To delete the %s, remove the resource; to take it out of use, give it the status %q.",
				statusDeleted, v.kind, statusDisabled))
	case !slices.Contains(v.kind.statuses, value):
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid status", fmt.Sprintf("%q is none of the values of status: %s.", value, strings.Join(v.kind.statuses, ", ")))
	}
}

// ValidateConfig checks what concerns several attributes at once.
func (r *objectResource) ValidateConfig(_ context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	if r.kind.horizon != horizon.Asset {
		return
	}
	v, err := plan.ValuesOf(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to validate the "+r.kind.String(), err.Error())
		return
	}
	resp.Diagnostics.Append(sourceOfAsset(v)...)
}

// sourceOfAsset checks that an asset is made of a template, or of a VM and its
// snapshot. What is not known yet may be null in the end.
func sourceOfAsset(v plan.Values) diag.Diagnostics {
	var diags diag.Diagnostics
	given := func(name string) bool { return v[name].IsKnown() && !v[name].IsNull() }
	missing := func(name string) bool { return v[name].IsNull() }
	switch {
	case given(attrTemplateID) && (given(attrVMID) || given(attrSnapshotID)):
		diags.AddAttributeError(path.Root(attrTemplateID), "Asset of two images",
			"vm_template_id stands together with base_vm_id or base_snapshot_id. An asset is either a VM template, for full clones, or a base VM and its snapshot, for instant clones: keep one of them.")
		return diags
	case missing(attrTemplateID) && missing(attrVMID) && missing(attrSnapshotID):
		diags.AddError("Asset of no image",
			"Neither vm_template_id nor base_vm_id and base_snapshot_id are given. Give the base VM and its snapshot, or the VM template; imageops_base_vm and imageops_base_snapshot find the IDs by name.")
		return diags
	case given(attrVMID) && missing(attrSnapshotID):
		diags.AddAttributeError(path.Root(attrVMID), "Missing base_snapshot_id", "base_vm_id goes with base_snapshot_id, the snapshot of the VM that is the image.")
	case given(attrSnapshotID) && missing(attrVMID):
		diags.AddAttributeError(path.Root(attrSnapshotID), "Missing base_vm_id", "base_snapshot_id goes with base_vm_id, the VM that the snapshot is of.")
	}
	// No page says that the kinds have to go together, so this is no error.
	clones := v.Text(attrCloneType)
	if given(attrTemplateID) && clones == "INSTANT_CLONE" {
		diags.AddAttributeWarning(path.Root(attrCloneType), "Instant clones of a VM template",
			"Instant clones are made of a VM and its snapshot, full clones of a VM template. Horizon may refuse this asset, or no pool may be able to use it.")
	}
	if given(attrVMID) && clones == "FULL_CLONE" {
		diags.AddAttributeWarning(path.Root(attrCloneType), "Full clones of a snapshot",
			"Full clones are made of a VM template, instant clones of a VM and its snapshot. Horizon may refuse this asset, or no pool may be able to use it.")
	}
	return diags
}
