package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

// The attributes that actions alone have.
const (
	attrTimeout = "timeout"
	attrImage   = "image"
)

func (a *pushAction) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Pushes an image to a desktop pool of instant clones, once, and also to a pool that runs it already. An image that is on its way to the pool is waited for, and not pushed once more; if another one is held on the pool or scheduled, " +
			"it is an error and nothing is sent. It keeps no state: the resource `imageops_desktop_pool_image` is what keeps a pool on an image.",
		Attributes: map[string]schema.Attribute{
			attrPool:     poolAttribute(),
			attrParentVM: idOf("ID of the base VM in vSphere, such as `vm-1234`. Together with `snapshot_id` it is the image; the other way is `im_stream_id` with `im_tag_id`."),
			attrSnapshot: idOf("ID of the snapshot of the base VM in vSphere, such as `snapshot-5678`, not its name."),
			attrStream:   idOf("ID (UUID) of the stream of the image catalogue. Together with `im_tag_id` it is the image: what the tag stands for in the vCenter of the pool."),
			attrTag:      idOf("ID (UUID) of the tag in the stream."),
			attrVersion:  idOf("ID (UUID) of the version that the tag has to be on when the image is pushed. By default it is whatever the tag is on."),
			attrLogoffPolicy: schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "What becomes of machines with a session: `WAIT_FOR_LOGOFF` (default) leaves each as it is until its user has logged off, `FORCE_LOGOFF` ends sessions after the grace period of Horizon's global settings.",
				Validators:          []validator.String{stringvalidator.OneOf(horizon.WaitForLogoff, horizon.ForceLogoff)},
			},
			attrStopOnFirstError: flag("Whether the first machine that cannot be made halts the push for those that follow. Default `true`."),
			attrStartTime: schema.StringAttribute{
				Optional: true, CustomType: timetypes.RFC3339Type{},
				MarkdownDescription: "When machines begin to change, in RFC 3339, such as `2031-05-06T22:00:00Z`, at least 60 s ahead; the image is published at once and waits. By default machines begin to change as soon as the image is published.",
			},
			attrAllowPast:  flag("Whether the push is sent if `start_time` has passed, and begins at once. Default `false`: it is an error."),
			attrVirtualTPM: flag("Whether machines get a virtual TPM. By default the pool's value is kept: it is read, and sent with the push, since Horizon would take the vTPM away otherwise."),
			attrComputeProfile: schema.SingleNestedAttribute{
				Optional: true, MarkdownDescription: "Hardware of the machines. By default the pool's is kept. Needs Horizon 2206 or newer.",
				Attributes: map[string]schema.Attribute{
					attrCPUs:  amount(1, "Number of virtual CPUs, a multiple of `num_cores_per_socket`."),
					attrCores: amount(1, "Number of cores of each socket."),
					attrRAM:   amount(leastRAM, "Memory in MB, at least 1024."),
				},
			},
			attrGridVGPUs: flag("Whether machines use vGPUs of NVIDIA GRID. By default the pool's value is kept. Needs Horizon 2512 or newer."),
			attrVGPUProfile: schema.StringAttribute{
				Optional: true, MarkdownDescription: "Profile of the vGPUs, such as `grid_m10-4q`. By default the pool's is kept. Needs Horizon 2512 or newer.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
			},
			attrSelective: schema.SingleNestedAttribute{
				Optional: true,
				MarkdownDescription: "Brings the image to some machines first (a canary): it is published and held, the machines named here get it, and the rest of the pool stays as it is until the image is promoted. Without machines it is only published. " +
					"By default the image is pushed to the whole pool. Needs Horizon 2206 or newer.",
				Attributes: map[string]schema.Attribute{
					attrMachineNames: set("Names of the machines. By default none is named."),
					attrMachineIDs:   set("IDs (UUID) of the machines, which may change when a machine is made anew. By default none is named."),
					attrPromoteImage: schema.StringAttribute{
						Optional: true,
						MarkdownDescription: "The image that is released to the whole pool: the `snapshot_id`, or for an image of the catalogue the ID of its version. It promotes the image as soon as it is held, if it is this one. " +
							"By default none is released; `imageops_promote_pending_image` does it later.",
					},
				},
			},
			attrWaitFor: waitAttribute("What the action waits for: `accepted`, until the pool shows that the push has begun; `published` (default), until the image is published, which with a `start_time` ahead means that it waits for that time; "+
				"`machines`, until machines are on the image.", horizon.WaitAccepted, horizon.WaitPublished, horizon.WaitMachines),
			attrPercent: schema.Int64Attribute{
				Optional: true, MarkdownDescription: "How many percent of the machines that a push can reach have to be on the image for `wait_for = \"machines\"`. Default `100`.",
				Validators: []validator.Int64{int64validator.Between(1, mostPercent)},
			},
			attrTimeout: timeoutAttribute("`2h`, with `wait_for = \"machines\"` `24h`"),
		},
	}
}

func (a *pendingAction) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	timeout := fmt.Sprintf("`%.0fh`", a.kind.usual.Hours())
	if a.kind.usualWithMachines != a.kind.usual {
		timeout += fmt.Sprintf(", with `wait_for = \"machines\"` `%.0fh`", a.kind.usualWithMachines.Hours())
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: a.kind.description,
		Attributes: map[string]schema.Attribute{
			attrPool:     poolAttribute(),
			attrSnapshot: idOf("ID of the snapshot in vSphere that has to be the pending image, such as `snapshot-5678`. Either this or `im_version_id`."),
			attrVersion:  idOf("ID (UUID) of the version of the catalogue that has to be the pending image: that of its asset in the vCenter of the pool. Either this or `snapshot_id`."),
			attrWaitFor:  waitAttribute(a.kind.waitsFor, a.kind.waits...),
			attrTimeout:  timeoutAttribute(timeout),
		},
	}
}

func (a *applyAction) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Makes some machines of a desktop pool anew with one of its two images: with the one that is held, as more canaries, or with the one that the pool runs, which takes canaries back or mends a machine. Needs Horizon 2206 or newer.",
		Attributes: map[string]schema.Attribute{
			attrPool:         poolAttribute(),
			attrMachineNames: set("Names of the machines, as Horizon Console lists them in the pool. By default none is named; at least one machine has to be, here or in `machine_ids`."),
			attrMachineIDs:   set("IDs (UUID) of the machines, which may change when a machine is made anew: prefer `machine_names`. By default none is named."),
			attrImage: schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "The image that the machines get: `pending`, the one that is held, or `current`, the one that the pool runs.",
				Validators:          []validator.String{stringvalidator.OneOf(string(horizon.PendingImage), string(horizon.CurrentImage))},
			},
			attrWaitFor: waitAttribute("What the action waits for: `accepted` (default), until Horizon has taken the call; `machines`, until all of these machines that can be reached are on the image, which takes until their users have logged off.", horizon.WaitAccepted, horizon.WaitMachines),
			attrTimeout: timeoutAttribute("`2h`, with `wait_for = \"machines\"` `24h`"),
		},
	}
}

func (a *resumeAction) Schema(_ context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Lets a push go on that was halted since machines have failed. If no push of the pool was halted, it is an error and nothing is sent. Needs Horizon 2111 or newer.",
		Attributes: map[string]schema.Attribute{
			attrPool:        poolAttribute(),
			attrRetryFailed: flag("Whether the machines that have failed are tried again. Default `false`: only those that wait since then go on."),
			attrWaitFor:     waitAttribute("What the action waits for: `accepted` (default), until Horizon has taken the call; `machines`, until all machines that can be reached are on the image.", horizon.WaitAccepted, horizon.WaitMachines),
			attrTimeout:     timeoutAttribute("`2h`, with `wait_for = \"machines\"` `24h`"),
		},
	}
}

func poolAttribute() schema.Attribute {
	return schema.StringAttribute{
		Required: true, MarkdownDescription: "ID (UUID) of the desktop pool, which has to be an automated one of instant clones.",
		Validators: []validator.String{idValidator{}},
	}
}

func idOf(description string) schema.Attribute {
	return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: []validator.String{idValidator{}}}
}

func flag(description string) schema.Attribute {
	return schema.BoolAttribute{Optional: true, MarkdownDescription: description}
}

func amount(least int64, description string) schema.Attribute {
	return schema.Int64Attribute{Required: true, MarkdownDescription: description, Validators: []validator.Int64{int64validator.AtLeast(least)}}
}

func set(description string) schema.Attribute {
	return schema.SetAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description}
}

func waitAttribute(description string, values ...horizon.WaitFor) schema.Attribute {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: []validator.String{stringvalidator.OneOf(names...)}}
}

func timeoutAttribute(usual string) schema.Attribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "How long the action may take, all waits included, as a duration, such as `90m`. Default " + usual + ". What was sent goes on in Horizon when the time is over.",
		Validators:          []validator.String{timeValidator{}},
	}
}

// timeValidator accepts a time that something may take.
type timeValidator struct{}

func (timeValidator) Description(context.Context) string {
	return "must be a duration above zero, such as 30s"
}
func (v timeValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v timeValidator) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if d, err := time.ParseDuration(req.ConfigValue.ValueString()); err != nil || d <= 0 {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid duration", fmt.Sprintf("%q %s.", req.ConfigValue.ValueString(), v.Description(ctx)))
	}
}
