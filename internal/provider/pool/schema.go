package pool

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// The names of the attributes that are spoken of.
const (
	attrPool                   = "desktop_pool_id"
	attrParentVM               = "parent_vm_id"
	attrSnapshot               = "snapshot_id"
	attrStream                 = "im_stream_id"
	attrTag                    = "im_tag_id"
	attrVersion                = "im_version_id"
	attrLogoffPolicy           = "logoff_policy"
	attrStopOnFirstError       = "stop_on_first_error"
	attrStartTime              = "start_time"
	attrAllowPast              = "allow_past_start_time"
	attrReschedule             = "reschedule"
	attrVirtualTPM             = "add_virtual_tpm"
	attrComputeProfile         = "compute_profile"
	attrCPUs                   = "num_cpus"
	attrCores                  = "num_cores_per_socket"
	attrRAM                    = "ram_mb"
	attrGridVGPUs              = "grid_vgpus_enabled"
	attrVGPUProfile            = "vgpu_grid_profile"
	attrSelective              = "selective"
	attrMachineNames           = "machine_names"
	attrMachineIDs             = "machine_ids"
	attrPromoteImage           = "promote_image"
	attrWaitFor                = "wait_for"
	attrPercent                = "wait_for_machines_percent"
	attrOnDrift                = "on_drift"
	attrRetryFailed            = "retry_failed_machines"
	attrPlannedCalls           = "planned_calls"
	attrCurrentImage           = "current_image"
	attrPendingImage           = "pending_image"
	attrPreviousImage          = "previous_image"
	attrResolvedImage          = "resolved_image"
	attrOperation              = "operation"
	attrMachines               = "machines"
	destroyCancel              = "cancel"
	destroyRollback            = "rollback"
	destroyKeep                = "keep"
	mostPercent          int64 = 100
	leastRAM             int64 = 1024
)

const (
	inPlace  = " A change is an update in place."
	steering = " A change alone sends nothing."
)

// The types of the nested attributes.
var (
	computeType  = map[string]attr.Type{attrCPUs: types.Int64Type, attrCores: types.Int64Type, attrRAM: types.Int64Type}
	imageType    = map[string]attr.Type{"name": types.StringType, attrParentVM: types.StringType, attrSnapshot: types.StringType, attrStream: types.StringType, attrTag: types.StringType}
	resolvedType = map[string]attr.Type{attrVersion: types.StringType, "im_asset_id": types.StringType, attrParentVM: types.StringType, attrSnapshot: types.StringType}
	machinesType = map[string]attr.Type{"total": types.Int64Type, "on_wanted_image": types.Int64Type, "held": types.Int64Type, "failed": types.Int64Type, "not_reachable": types.Int64Type}
)

func (r *imageResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "This desktop pool runs this image. Brings the image to a pool of instant clones with a push, which is published and then brought to each machine, and sees it when somebody else pushes another one. " +
			"The calls that an apply is going to make stand in `planned_calls`; it makes no others. Machines are never given to another image, and no session is ended, by what is only read.",
		Attributes: map[string]schema.Attribute{
			attrPool: schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "ID (UUID) of the desktop pool, which has to be an automated one of instant clones. A change is an update in place: the new pool is brought to the image, and the old one is left as it is.",
				Validators:          []validator.String{idValidator{}},
			},
			attrParentVM: idAttribute("ID of the base VM in vSphere, such as `vm-1234`. Together with `snapshot_id` it is the image; the other way is `im_stream_id` with `im_tag_id`." + inPlace),
			attrSnapshot: idAttribute("ID of the snapshot of the base VM in vSphere, such as `snapshot-5678`, not its name." + inPlace),
			attrStream:   idAttribute("ID (UUID) of the stream of the image catalogue. Together with `im_tag_id` it is the image: what the tag stands for in the vCenter of the pool." + inPlace),
			attrTag:      idAttribute("ID (UUID) of the tag in the stream. Moving the tag is a change of the image, also when somebody else moves it." + inPlace),
			attrVersion: idAttribute("ID (UUID) of the version that the tag has to be on when the image is pushed. Give it from the tag's resource, so that moving the tag and pushing the image are one apply. " +
				"By default it is whatever the tag is on." + inPlace),
			attrLogoffPolicy: schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(horizon.WaitForLogoff),
				MarkdownDescription: "What becomes of machines with a session: `WAIT_FOR_LOGOFF` (default) leaves each as it is until its user has logged off, `FORCE_LOGOFF` ends sessions after the grace period of Horizon's global settings." + steering,
				Validators:          []validator.String{stringvalidator.OneOf(horizon.WaitForLogoff, horizon.ForceLogoff)},
			},
			attrStopOnFirstError: switchAttribute(true, "Whether the first machine that cannot be made halts the push for those that follow. Default `true`."+steering),
			attrStartTime: schema.StringAttribute{
				Optional: true, CustomType: timetypes.RFC3339Type{},
				MarkdownDescription: "When machines begin to change, in RFC 3339, such as `2031-05-06T22:00:00Z`; the image is published at once and waits. It belongs to a push, not to the pool: it has to lie at least 60 s ahead " +
					"when a push is sent with it, and afterwards a time that has passed, or is another one, changes nothing. By default machines begin to change as soon as the image is published. A change moves a push that waits, if `reschedule` is `true`.",
			},
			attrAllowPast:  switchAttribute(false, "Whether a push is sent whose `start_time` has passed, which begins at once. Default `false`: it is an error."+steering),
			attrReschedule: switchAttribute(true, "Whether another `start_time` moves a push that waits for its time. Default `true`; `false` leaves it the time that it has, for times that each run computes anew."+steering),
			attrVirtualTPM: schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether machines get a virtual TPM. By default the pool's value is kept: it is read, and sent with each push, since Horizon would take the vTPM away otherwise." + inPlace,
			},
			attrComputeProfile: schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Hardware of the machines. By default the pool's is kept. Needs Horizon 2206 or newer." + inPlace,
				Attributes: map[string]schema.Attribute{
					attrCPUs: schema.Int64Attribute{
						Required: true, MarkdownDescription: "Number of virtual CPUs, a multiple of `num_cores_per_socket`." + inPlace, Validators: []validator.Int64{int64validator.AtLeast(1)},
					},
					attrCores: schema.Int64Attribute{
						Required: true, MarkdownDescription: "Number of cores of each socket." + inPlace, Validators: []validator.Int64{int64validator.AtLeast(1)},
					},
					attrRAM: schema.Int64Attribute{
						Required: true, MarkdownDescription: "Memory in MB, at least 1024." + inPlace, Validators: []validator.Int64{int64validator.AtLeast(leastRAM)},
					},
				},
			},
			attrGridVGPUs: schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether machines use vGPUs of NVIDIA GRID. By default the pool's value is kept. Needs Horizon 2512 or newer." + inPlace,
			},
			attrVGPUProfile: schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Profile of the vGPUs, such as `grid_m10-4q`. By default the pool's is kept. Needs Horizon 2512 or newer." + inPlace,
				Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			attrSelective: schema.SingleNestedAttribute{
				Optional: true,
				MarkdownDescription: "Brings the image to some machines first (a canary): it is published and held, the machines named here get it, and the rest of the pool stays as it is until the image is promoted. Without machines it is only published. " +
					"Once the pool runs the image this is ignored; taken out while the image is held, it is promoted. Needs Horizon 2206 or newer." + inPlace,
				Attributes: map[string]schema.Attribute{
					attrMachineNames: schema.SetAttribute{
						Optional: true, ElementType: types.StringType,
						MarkdownDescription: "Names of the machines, which stay when a machine is made anew. By default none is named." + inPlace,
					},
					attrMachineIDs: schema.SetAttribute{
						Optional: true, ElementType: types.StringType,
						MarkdownDescription: "IDs (UUID) of the machines, which may change when a machine is made anew: prefer `machine_names`. By default none is named." + inPlace,
					},
					attrPromoteImage: schema.StringAttribute{
						Optional: true,
						MarkdownDescription: "The image that is released to the whole pool: the `snapshot_id`, or for an image of the catalogue the ID of its version. It promotes the held image if it is the wanted one; any other value, such as that of last month, does not. " +
							"By default none is released." + inPlace,
					},
				},
			},
			attrWaitFor: schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(string(horizon.WaitPublished)),
				MarkdownDescription: "What an apply waits for: `accepted`, until the pool shows that the push has begun; `published` (default), until the image is published, which with a `start_time` ahead means that it waits for that time; " +
					"`machines`, until machines are on the image." + steering,
				Validators: []validator.String{stringvalidator.OneOf(string(horizon.WaitAccepted), string(horizon.WaitPublished), string(horizon.WaitMachines))},
			},
			attrPercent: schema.Int64Attribute{
				Optional: true, Computed: true, Default: int64default.StaticInt64(mostPercent),
				MarkdownDescription: "How many percent of the machines that a push can reach have to be on the image for `wait_for = \"machines\"`. Default `100`." + steering,
				Validators:          []validator.Int64{int64validator.Between(1, mostPercent)},
			},
			attrOnDrift: schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(string(horizon.PushDrift)),
				MarkdownDescription: "What to do about a pool that runs an image which neither this resource nor its configuration chose: `push` (default) plans the push of the configured one, " +
					"`hold` leaves the pool alone with a warning until another image is configured." + steering,
				Validators: []validator.String{stringvalidator.OneOf(string(horizon.PushDrift), string(horizon.HoldDrift))},
			},
			plan.OnConflictAttribute: schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(plan.ConflictFail),
				MarkdownDescription: "What to do about an image that somebody else holds on the pool, or has scheduled: `fail` (default) reports it and sends nothing, `overwrite` cancels it, or promotes it where it is the wanted one." + steering,
				Validators:          []validator.String{stringvalidator.OneOf(plan.ConflictFail, plan.ConflictOverwrite)},
			},
			plan.OnDestroyAttribute: schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(destroyCancel),
				MarkdownDescription: "What becomes of the pool when the resource is destroyed: `cancel` (default) takes back a push of this resource that waits for its time, or an image that it holds, and leaves all else; " +
					"`rollback` pushes `previous_image` to the whole pool; `keep` sends nothing. What counts is what is in the state, so apply a change before the destroy. A change sends nothing.",
				Validators: []validator.String{stringvalidator.OneOf(destroyCancel, destroyRollback, destroyKeep)},
			},
			attrRetryFailed: switchAttribute(false, "Whether a push that was halted since machines have failed goes on with them, once for each set of failed machines. Default `false`: a warning names them. Needs Horizon 2111 or newer."+inPlace),
			plan.TimeoutsAttribute: plan.Timeouts(timeouts.Attributes(ctx, timeouts.Opts{
				Create: true, Update: true, Delete: true,
				CreateDescription: "How long a create may take, all waits included, as a duration. Default `2h`, with `wait_for = \"machines\"` `24h`. A change sends nothing.",
				UpdateDescription: "How long an update may take, all waits included, as a duration. Default `2h`, with `wait_for = \"machines\"` `24h`. A change sends nothing.",
				DeleteDescription: "How long a destruction may take, all waits included, as a duration. Default `1h`. A change sends nothing.",
			}), "How long the operations may take. A change sends nothing."),

			plan.PlannedPatchAttribute:   plan.PlannedPatch("the difference between the image that the pool has, or is about to have, and the wanted one"),
			plan.PlannedChangesAttribute: plan.PlannedChanges(`replace /snapshot_id "snapshot-12" -> "snapshot-13"`),
			attrPlannedCalls: schema.ListAttribute{
				Computed: true, ElementType: types.StringType,
				MarkdownDescription: "The calls of the last planned change in their order, each with what matters, such as `schedule-push-image: win11-golden v4, WAIT_FOR_LOGOFF, now, vTPM kept`. An apply makes these, or fewer when less is left to do, and no others.",
			},
			attrCurrentImage:  imageAttribute("The image that the pool runs."),
			attrPendingImage:  imageAttribute("The image that is being published to the pool, waits for its time, or is held. Null if there is none."),
			attrPreviousImage: imageAttribute("What the pool ran when the push was sent that led to `current_image`. Null if that was no push of this resource, or one that went back to it."),
			attrResolvedImage: schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "What the tag stood for at the last apply. Null for an image by VM and snapshot.",
				Attributes: map[string]schema.Attribute{
					attrVersion:   computedText("ID (UUID) of the version."),
					"im_asset_id": computedText("ID (UUID) of the asset of that version for the vCenter of the pool."),
					attrParentVM:  computedText("ID of the base VM in vSphere."),
					attrSnapshot:  computedText("ID of the snapshot in vSphere."),
				},
			},
			attrOperation: computedText("What the pool is undergoing: `NONE`, `SCHEDULE_PUSH_IMAGE`, `CANCEL_SCHEDULED_PUSH_IMAGE`, `INITIAL_PUBLISH`, `INFRASTRUCTURE_CHANGE` or `FINAL_UNPUBLISH`."),
			attrMachines: schema.SingleNestedAttribute{
				Computed:            true,
				MarkdownDescription: "How many machines were on the image at the end of the last apply that waited for them. Null unless `wait_for` is `machines`.",
				Attributes: map[string]schema.Attribute{
					"total":           computedNumber("Number of machines of the pool, or of the canary."),
					"on_wanted_image": computedNumber("Number of machines on the wanted image."),
					"held":            computedNumber("Number of machines in the held state."),
					"failed":          computedNumber("Number of machines that could not be made."),
					"not_reachable":   computedNumber("Number of machines that a push does not touch: in maintenance, disabled, or missing in vCenter."),
				},
			},
		},
	}
}

func (r *imageResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		attrPool: identityschema.StringAttribute{RequiredForImport: true, Description: "ID (UUID) of the desktop pool."},
	}}
}

func idAttribute(description string) schema.Attribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: []validator.String{idValidator{}}}
}

func switchAttribute(usual bool, description string) schema.Attribute {
	return schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(usual), MarkdownDescription: description}
}

func computedText(description string) schema.Attribute {
	return schema.StringAttribute{Computed: true, MarkdownDescription: description}
}

func computedNumber(description string) schema.Attribute {
	return schema.Int64Attribute{Computed: true, MarkdownDescription: description}
}

func imageAttribute(description string) schema.Attribute {
	return schema.SingleNestedAttribute{
		Computed: true, MarkdownDescription: description,
		Attributes: map[string]schema.Attribute{
			"name":       computedText("Names of the VM and its snapshot, or of the stream and the tag, or IDs where the release does not show names."),
			attrParentVM: computedText("ID of the base VM in vSphere."),
			attrSnapshot: computedText("ID of the snapshot in vSphere."),
			attrStream:   computedText("ID (UUID) of the stream of the catalogue. Null for an image by VM and snapshot."),
			attrTag:      computedText("ID (UUID) of the tag of the catalogue. Null for an image by VM and snapshot."),
		},
	}
}
