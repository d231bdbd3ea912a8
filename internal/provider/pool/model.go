package pool

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// inputs are the attributes that a user sets and a push follows from, which the
// resource and the action that pushes have in common.
type inputs struct {
	DesktopPoolID          types.String      `tfsdk:"desktop_pool_id"`
	ParentVMID             types.String      `tfsdk:"parent_vm_id"`
	SnapshotID             types.String      `tfsdk:"snapshot_id"`
	IMStreamID             types.String      `tfsdk:"im_stream_id"`
	IMTagID                types.String      `tfsdk:"im_tag_id"`
	IMVersionID            types.String      `tfsdk:"im_version_id"`
	LogoffPolicy           types.String      `tfsdk:"logoff_policy"`
	StopOnFirstError       types.Bool        `tfsdk:"stop_on_first_error"`
	StartTime              timetypes.RFC3339 `tfsdk:"start_time"`
	AllowPastStartTime     types.Bool        `tfsdk:"allow_past_start_time"`
	AddVirtualTPM          types.Bool        `tfsdk:"add_virtual_tpm"`
	ComputeProfile         types.Object      `tfsdk:"compute_profile"`
	GridVGPUsEnabled       types.Bool        `tfsdk:"grid_vgpus_enabled"`
	VGPUGridProfile        types.String      `tfsdk:"vgpu_grid_profile"`
	Selective              types.Object      `tfsdk:"selective"`
	WaitFor                types.String      `tfsdk:"wait_for"`
	WaitForMachinesPercent types.Int64       `tfsdk:"wait_for_machines_percent"`
}

// model is the resource in a configuration, a plan or a state.
type model struct {
	inputs

	Reschedule          types.Bool     `tfsdk:"reschedule"`
	OnDrift             types.String   `tfsdk:"on_drift"`
	OnConflict          types.String   `tfsdk:"on_conflict"`
	OnDestroy           types.String   `tfsdk:"on_destroy"`
	RetryFailedMachines types.Bool     `tfsdk:"retry_failed_machines"`
	Timeouts            timeouts.Value `tfsdk:"timeouts"`

	PlannedPatch   types.String `tfsdk:"planned_patch"`
	PlannedChanges types.List   `tfsdk:"planned_changes"`
	PlannedCalls   types.List   `tfsdk:"planned_calls"`
	CurrentImage   types.Object `tfsdk:"current_image"`
	PendingImage   types.Object `tfsdk:"pending_image"`
	PreviousImage  types.Object `tfsdk:"previous_image"`
	ResolvedImage  types.Object `tfsdk:"resolved_image"`
	Operation      types.String `tfsdk:"operation"`
	Machines       types.Object `tfsdk:"machines"`
}

// unknown says whether something that a push follows from is not known yet.
func (in *inputs) unknown() bool {
	for _, v := range []attr.Value{
		in.DesktopPoolID, in.ParentVMID, in.SnapshotID, in.IMStreamID, in.IMTagID, in.IMVersionID, in.LogoffPolicy, in.StopOnFirstError, in.StartTime,
		in.AllowPastStartTime, in.AddVirtualTPM, in.GridVGPUsEnabled, in.VGPUGridProfile, in.WaitFor, in.WaitForMachinesPercent,
	} {
		if v.IsUnknown() {
			return true
		}
	}
	return isUnknown(in.ComputeProfile) || isUnknown(in.Selective)
}

// isUnknown says whether a value, or one in it, is not known.
func isUnknown(v attr.Value) bool {
	if v.IsUnknown() {
		return true
	}
	switch v := v.(type) {
	case types.Object:
		for _, member := range v.Attributes() {
			if isUnknown(member) {
				return true
			}
		}
	case types.Set:
		for _, element := range v.Elements() {
			if isUnknown(element) {
				return true
			}
		}
	}
	return false
}

func (m *model) unknown() bool {
	return m.inputs.unknown() || m.Reschedule.IsUnknown() || m.OnDrift.IsUnknown() || m.OnConflict.IsUnknown() || m.RetryFailedMachines.IsUnknown()
}

// target is what the pool is to be, as far as the attributes say it: the image of a tag
// has no VM yet.
func (in *inputs) target() horizon.Target {
	t := horizon.Target{
		Image: horizon.PoolImage{
			ParentVMID: in.ParentVMID.ValueString(), SnapshotID: in.SnapshotID.ValueString(),
			StreamID: in.IMStreamID.ValueString(), TagID: in.IMTagID.ValueString(),
		},
		AddVirtualTPM: in.AddVirtualTPM.ValueBoolPointer(), GridVGPUsEnabled: in.GridVGPUsEnabled.ValueBoolPointer(), VGPUGridProfile: in.VGPUGridProfile.ValueStringPointer(),
	}
	if !in.ComputeProfile.IsNull() {
		of := in.ComputeProfile.Attributes()
		t.Compute = &horizon.ComputeProfile{NumCPUs: number(of[attrCPUs]), NumCoresPerSocket: number(of[attrCores]), RAMMB: number(of[attrRAM])}
	}
	return t
}

func number(v attr.Value) int64 {
	n, _ := v.(basetypes.Int64Value)
	return n.ValueInt64()
}

// fromCatalogue says whether the image is named by a tag.
func (in *inputs) fromCatalogue() bool { return !in.IMTagID.IsNull() }

// selective is the canary that is configured; nil if none is.
func (in *inputs) selective() *horizon.Selective {
	if in.Selective.IsNull() {
		return nil
	}
	of := in.Selective.Attributes()
	s := &horizon.Selective{Names: texts(of[attrMachineNames]), IDs: texts(of[attrMachineIDs])}
	if promote, ok := of[attrPromoteImage].(basetypes.StringValue); ok {
		s.PromoteImage = promote.ValueString()
	}
	return s
}

func texts(v attr.Value) []string {
	set, _ := v.(basetypes.SetValue)
	var all []string
	for _, e := range set.Elements() {
		if s, ok := e.(basetypes.StringValue); ok {
			all = append(all, s.ValueString())
		}
	}
	return all
}

// decision is the part of a decision that the attributes say. What is not
// configured has a default in the plan, which no push under way has to match:
// so that part is read from the configuration.
func (in *inputs) decision(configured *inputs) horizon.DecisionInput {
	d := horizon.DecisionInput{
		Selective: in.selective(), LogoffPolicy: configured.LogoffPolicy.ValueString(), StopOnFirstError: configured.StopOnFirstError.ValueBoolPointer(),
		AllowPastStartTime: in.AllowPastStartTime.ValueBool(),
	}
	if !in.StartTime.IsNull() {
		if at, diags := in.StartTime.ValueRFC3339Time(); !diags.HasError() {
			d.StartTime = at
		}
	}
	return d
}

func (m *model) decision(configured *model) horizon.DecisionInput {
	d := m.inputs.decision(&configured.inputs)
	d.Reschedule, d.RetryFailedMachines = m.Reschedule.ValueBool(), m.RetryFailedMachines.ValueBool()
	d.OnDrift, d.OnConflict = horizon.OnDrift(m.OnDrift.ValueString()), horizon.OnConflict(m.OnConflict.ValueString())
	return d
}

// waitFor is what an apply waits for.
func (in *inputs) waitFor() horizon.WaitFor { return horizon.WaitFor(in.WaitFor.ValueString()) }

// plannedCalls are the calls of a plan; nil for a plan in which they were not known.
func (m *model) plannedCalls() *horizon.PlannedCalls {
	if m.PlannedCalls.IsUnknown() {
		return nil
	}
	var lines []string
	for _, e := range m.PlannedCalls.Elements() {
		if s, ok := e.(basetypes.StringValue); ok {
			lines = append(lines, s.ValueString())
		}
	}
	return horizon.NewPlannedCalls(lines)
}

// setPlanned sets what a plan shows of a change.
func (m *model) setPlanned(difference plan.Difference, calls []horizon.Call) diag.Diagnostics {
	raw, err := difference.PlannedPatch()
	if err != nil {
		return diag.Diagnostics{diag.NewErrorDiagnostic("Unable to plan the image of the desktop pool", plan.Sentence(err))}
	}
	m.PlannedPatch = types.StringValue(raw)
	m.PlannedChanges = textList(difference.PlannedChanges())
	lines := make([]string, len(calls))
	for i, c := range calls {
		lines[i] = c.String()
	}
	m.PlannedCalls = textList(lines)
	return nil
}

// emptyPlanned says that nothing is planned.
func (m *model) emptyPlanned() {
	m.PlannedPatch, m.PlannedChanges, m.PlannedCalls = types.StringValue("[]"), textList(nil), textList(nil)
}

// forgetPlanned makes what a plan shows known only after apply.
func (m *model) forgetPlanned() {
	m.PlannedPatch, m.PlannedChanges, m.PlannedCalls = types.StringUnknown(), types.ListUnknown(types.StringType), types.ListUnknown(types.StringType)
}

// forgetPool makes what the pool shows known only after apply.
func (m *model) forgetPool() {
	m.CurrentImage, m.PendingImage, m.PreviousImage = types.ObjectUnknown(imageType), types.ObjectUnknown(imageType), types.ObjectUnknown(imageType)
	m.Operation, m.Machines = types.StringUnknown(), types.ObjectUnknown(machinesType)
}

// keepPool takes what the pool showed from a prior state.
func (m *model) keepPool(prior *model) {
	m.CurrentImage, m.PendingImage, m.PreviousImage = prior.CurrentImage, prior.PendingImage, prior.PreviousImage
	m.Operation, m.Machines = prior.Operation, prior.Machines
}

func textList(lines []string) types.List {
	elements := make([]attr.Value, len(lines))
	for i, l := range lines {
		elements[i] = types.StringValue(l)
	}
	return types.ListValueMust(types.StringType, elements)
}

// textOrNull is a text, null for none.
func textOrNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

func imageObject(i horizon.PoolImage) types.Object {
	if i == (horizon.PoolImage{}) {
		return types.ObjectNull(imageType)
	}
	return types.ObjectValueMust(imageType, map[string]attr.Value{
		"name": types.StringValue(i.String()), attrParentVM: textOrNull(i.ParentVMID), attrSnapshot: textOrNull(i.SnapshotID), attrStream: textOrNull(i.StreamID), attrTag: textOrNull(i.TagID),
	})
}

// imageOf reads what imageObject has made, without the names of its parts.
func imageOf(o types.Object) horizon.PoolImage {
	text := func(name string) string {
		s, _ := o.Attributes()[name].(basetypes.StringValue)
		return s.ValueString()
	}
	return horizon.PoolImage{ParentVMID: text(attrParentVM), SnapshotID: text(attrSnapshot), StreamID: text(attrStream), TagID: text(attrTag)}
}

func resolvedObject(r *horizon.Resolved) types.Object {
	if r == nil {
		return types.ObjectNull(resolvedType)
	}
	return types.ObjectValueMust(resolvedType, map[string]attr.Value{
		attrVersion: textOrNull(r.VersionID), "im_asset_id": textOrNull(r.AssetID), attrParentVM: textOrNull(r.ParentVMID), attrSnapshot: textOrNull(r.SnapshotID),
	})
}

// resolvedOf reads what resolvedObject has made; nil where it is null or not known.
func resolvedOf(o types.Object) *horizon.Resolved {
	if o.IsNull() || o.IsUnknown() {
		return nil
	}
	text := func(name string) string {
		s, _ := o.Attributes()[name].(basetypes.StringValue)
		return s.ValueString()
	}
	return &horizon.Resolved{VersionID: text(attrVersion), AssetID: text("im_asset_id"), ParentVMID: text(attrParentVM), SnapshotID: text(attrSnapshot)}
}

func machinesObject(n *horizon.MachineCount) types.Object {
	if n == nil {
		return types.ObjectNull(machinesType)
	}
	return types.ObjectValueMust(machinesType, map[string]attr.Value{
		"total": types.Int64Value(n.Total), "on_wanted_image": types.Int64Value(n.OnImage), "held": types.Int64Value(n.Held), "failed": types.Int64Value(n.Failed), "not_reachable": types.Int64Value(n.Unreachable),
	})
}

func computeObject(p *horizon.ComputeProfile) types.Object {
	if p == nil {
		return types.ObjectNull(computeType)
	}
	return types.ObjectValueMust(computeType, map[string]attr.Value{attrCPUs: types.Int64Value(p.NumCPUs), attrCores: types.Int64Value(p.NumCoresPerSocket), attrRAM: types.Int64Value(p.RAMMB)})
}

// getter is a configuration, a plan or a state.
type getter interface {
	Get(ctx context.Context, target any) diag.Diagnostics
}

func modelOf(ctx context.Context, from getter) (*model, diag.Diagnostics) {
	m := &model{}
	diags := from.Get(ctx, m)
	return m, diags
}

// poolText is a pool in a sentence.
func poolText(id string, p *horizon.Pool) string {
	if p == nil || p.Name == "" {
		return "Desktop pool " + id
	}
	return fmt.Sprintf("Desktop pool %s (%s)", p.Name, id)
}
