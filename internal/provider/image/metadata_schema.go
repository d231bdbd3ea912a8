package image

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

const inPlace = " A change is an update in place."

func (r *metadataResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := map[string]schema.Attribute{
		attrImageID: schema.StringAttribute{
			Required: true,
			MarkdownDescription: "ID (UUID) of the image. A change is an update in place: the attributes are written to the new image, " +
				"and the former one keeps what it has.",
			Validators: []validator.String{uuidValidator{}},
		},
		attrTags: schema.SetAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Tags that must be on the image, each at most 255 characters. Other tags are left alone, unless `tags_exclusive` is true." + inPlace,
			Validators:          []validator.Set{tagsValidator{}},
		},
		attrTagsExclusive: schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(false),
			MarkdownDescription: "Whether `tags` is the whole set, so that every other tag is removed. Default `false`." + inPlace,
		},
		attrProperties: schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Custom properties by their exact names on the wire, each name at most 255 characters. Only the keys named here are owned; " +
				"the value `null` says that the key must not exist." + inPlace,
			Validators: []validator.Map{propertiesValidator{}},
		},
		attrSensitive: schema.MapAttribute{
			Optional: true, Sensitive: true, ElementType: types.StringType,
			MarkdownDescription: "Like `properties`, for values that are to be shown nowhere: `planned_patch` and messages say `(sensitive)`. " +
				"Terraform's state holds them, as it holds every sensitive value." + inPlace,
			Validators: []validator.Map{propertiesValidator{}},
		},
		plan.OnDestroyAttribute: schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString(destroyRestore),
			MarkdownDescription: "What becomes of an attribute when the resource is destroyed or no longer names it: `restore` (default) puts back what was found, " +
				"`remove` removes the custom properties and tags that this resource added, and `keep` leaves everything. " +
				"`restore` and `remove` leave a value alone, with a warning, that is not the one this resource wrote. A change sends nothing.",
			Validators: []validator.String{stringvalidator.OneOf(destroyRestore, destroyRemove, destroyKeep)},
		},
		plan.OnConflictAttribute: plan.OnConflict(),
		plan.TimeoutsAttribute: plan.Timeouts(timeouts.Attributes(ctx, timeouts.Opts{
			Create: true, Update: true, Delete: true,
			CreateDescription: "How long a create may take, with its verification and its repetitions, as a duration such as `30s` or `5m`. Default `10m`. A change sends nothing.",
			UpdateDescription: "How long an update may take, as a duration. Default `10m`. A change sends nothing.",
			DeleteDescription: "How long the restoration at destroy may take, as a duration. Default `10m`. A change sends nothing.",
		}), "How long the operations may take, verification included. A change sends nothing."),
		plan.PlannedPatchAttribute:   plan.PlannedPatch("exactly what its apply sends"),
		plan.PlannedChangesAttribute: plan.PlannedChanges(`replace /hw_firmware_type "bios" -> "uefi"`),
		attrRestorePatch: schema.StringAttribute{
			Computed: true,
			MarkdownDescription: "What this resource took over, as a JSON Patch (RFC 6902): for every owned pointer a `test` of the value that was written, and the operation that brings back what was found. " +
				"An operation without a `test` stands for a key that must not exist. Destroying sends each operation whose test still holds. Empty after an import.",
		},
		attrSensitiveRestore: schema.StringAttribute{
			Computed: true, Sensitive: true,
			MarkdownDescription: "The same for `sensitive_properties`.",
		},
	}
	nested := map[string]schema.Attribute{}
	for _, a := range attribute.Arguments {
		if a.Section == attribute.IMS {
			nested[a.Name] = schemaOf(a)
			continue
		}
		attributes[a.Name] = schemaOf(a)
	}
	attributes[attrIMS] = schema.SingleNestedAttribute{
		Optional: true, Attributes: nested,
		MarkdownDescription: "Attributes of Huawei Cloud and Open Telekom Cloud IMS, under their names on the wire without the leading underscores; on OpenStack they are custom properties. " +
			"Which of them can be set depends on the cloud: see the guide of the cloud. Each is owned by itself." + inPlace,
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Owns a part of the metadata of an image that something else made. Only the attributes that the configuration names are read and changed; " +
			"the plan shows the JSON Patch that will be sent, and destroying puts back what was found.",
		Attributes: attributes,
	}
}

// schemaOf makes the schema of one row of the attribute table.
func schemaOf(a *attribute.Attribute) schema.Attribute {
	description := a.Description + inPlace
	switch a.Kind {
	case attribute.Boolean, attribute.Flag:
		return schema.BoolAttribute{Optional: true, MarkdownDescription: description}
	case attribute.Integer:
		return schema.Int64Attribute{Optional: true, MarkdownDescription: description,
			Validators: []validator.Int64{int64validator.Between(a.Min, a.Max)}}
	case attribute.Set:
		return schema.SetAttribute{Optional: true, ElementType: types.StringType, MarkdownDescription: description,
			Validators: []validator.Set{setvalidator.ValueStringsAre(stringvalidator.OneOf(a.OneOf...))}}
	default:
		return schema.StringAttribute{Optional: true, MarkdownDescription: description, Validators: []validator.String{textValidator{a}}}
	}
}

func (r *metadataResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{
		Attributes: map[string]identityschema.Attribute{
			attrImageID: identityschema.StringAttribute{
				RequiredForImport: true,
				Description:       fmt.Sprintf("ID (UUID) of the image. It follows %s when that changes.", attrImageID),
			},
		},
	}
}
