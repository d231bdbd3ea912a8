package pool

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

func (r *imageResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	configured, diags := modelOf(ctx, req.Config)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	resp.Diagnostics.Append(configured.validate()...)
}

// validate says what is wrong with a configuration, as far as it is known.
func (in *inputs) validate() diag.Diagnostics {
	diags := in.validateImage()
	diags.Append(in.validateCompute()...)
	diags.Append(in.validateSelective()...)
	if !in.WaitFor.IsUnknown() && in.waitFor() != horizon.WaitMachines && !in.WaitForMachinesPercent.IsNull() && !in.WaitForMachinesPercent.IsUnknown() && in.WaitForMachinesPercent.ValueInt64() != mostPercent {
		diags.AddAttributeError(path.Root(attrPercent), "Nothing waits for machines", fmt.Sprintf("%s counts with wait_for = %q only.", attrPercent, horizon.WaitMachines))
	}
	return diags
}

func (in *inputs) validateImage() diag.Diagnostics {
	var diags diag.Diagnostics
	isSet := func(v attr.Value) bool { return !v.IsNull() } // Unknown ones are set.
	snapshot, tag := isSet(in.ParentVMID) || isSet(in.SnapshotID), isSet(in.IMStreamID) || isSet(in.IMTagID) || isSet(in.IMVersionID)
	unknown := in.ParentVMID.IsUnknown() || in.SnapshotID.IsUnknown() || in.IMStreamID.IsUnknown() || in.IMTagID.IsUnknown() || in.IMVersionID.IsUnknown()
	const either = "The image is either parent_vm_id with snapshot_id, or im_stream_id with im_tag_id (and im_version_id)."
	switch {
	case snapshot && tag && !unknown:
		diags.AddAttributeError(path.Root(attrSnapshot), "Two images", either+" This names one of each; take one out.")
	case !snapshot && !tag:
		diags.AddAttributeError(path.Root(attrSnapshot), "Missing image", either+" This names neither.")
	case snapshot && !tag && in.ParentVMID.IsNull():
		diags.AddAttributeError(path.Root(attrParentVM), "Half an image", "snapshot_id needs parent_vm_id: IDs of snapshots say nothing about the VM. "+either)
	case snapshot && !tag && in.SnapshotID.IsNull():
		diags.AddAttributeError(path.Root(attrSnapshot), "Half an image", "parent_vm_id needs snapshot_id. "+either)
	case tag && !snapshot && in.IMTagID.IsNull():
		diags.AddAttributeError(path.Root(attrTag), "Half an image", "im_stream_id needs im_tag_id: a pool follows a tag. "+either)
	case tag && !snapshot && in.IMStreamID.IsNull():
		diags.AddAttributeError(path.Root(attrStream), "Half an image", "im_tag_id needs im_stream_id. "+either)
	}
	return diags
}

func (in *inputs) validateCompute() diag.Diagnostics {
	var diags diag.Diagnostics
	of := in.ComputeProfile.Attributes()
	cpus, cores := of[attrCPUs], of[attrCores]
	if cpus == nil || cores == nil || cpus.IsUnknown() || cores.IsUnknown() || cpus.IsNull() || cores.IsNull() {
		return nil
	}
	if n, of := number(cpus), number(cores); of > 0 && n%of != 0 {
		diags.AddAttributeError(path.Root(attrComputeProfile).AtName(attrCPUs), "CPUs do not fill the sockets",
			fmt.Sprintf("num_cpus is %d, which is no multiple of num_cores_per_socket, %d.", n, of))
	}
	return diags
}

func (in *inputs) validateSelective() diag.Diagnostics {
	of, sets := in.Selective.Attributes(), map[string]types.Set{}
	for _, name := range []string{attrMachineNames, attrMachineIDs} {
		if set, ok := of[name].(types.Set); ok {
			sets[name] = set
		}
	}
	return validateMachines(path.Root(attrSelective), sets)
}

// validateMachines says what is wrong with the names and IDs of machines.
func validateMachines(at path.Path, sets map[string]types.Set) diag.Diagnostics {
	var diags diag.Diagnostics
	for _, name := range []string{attrMachineNames, attrMachineIDs} {
		for _, e := range sets[name].Elements() {
			s, ok := e.(types.String)
			if !ok || s.IsUnknown() {
				continue
			}
			if s.ValueString() == "" || name == attrMachineIDs && !horizon.ValidID(s.ValueString()) {
				diags.AddAttributeError(at.AtName(name), "Invalid machine", fmt.Sprintf("%q is no %s of a machine.", s.ValueString(), map[string]string{attrMachineNames: "name", attrMachineIDs: "ID (UUID)"}[name]))
			}
		}
	}
	return diags
}

// idValidator accepts what can be an id in Horizon or in vSphere.
type idValidator struct{}

func (idValidator) Description(context.Context) string {
	return "must be an ID, made of letters, digits and hyphens"
}
func (v idValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v idValidator) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() || horizon.ValidID(req.ConfigValue.ValueString()) {
		return
	}
	resp.Diagnostics.AddAttributeError(req.Path, "Invalid ID", fmt.Sprintf("%q %s.", req.ConfigValue.ValueString(), v.Description(ctx)))
}
