package image

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// notUUID says what is wrong with an image id and where to find one.
func notUUID(id string) string {
	return fmt.Sprintf("%q is not the ID of an image. An ID is a UUID such as 33ad552d-1149-471c-8190-ff6776174a00; "+
		"`openstack image list` shows them. A name does not work here: names need not be unique.", id)
}

// uuidValidator accepts the id of an image.
type uuidValidator struct{}

func (uuidValidator) Description(context.Context) string { return "must be the UUID of an image" }
func (v uuidValidator) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (uuidValidator) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if id := req.ConfigValue.ValueString(); !imageservice.ValidID(id) {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid image ID", notUUID(id))
	}
}

// textValidator accepts what a text of the table can be.
type textValidator struct{ row *attribute.Attribute }

func (v textValidator) Description(context.Context) string {
	if len(v.row.OneOf) > 0 {
		return "must be one of: " + strings.Join(v.row.OneOf, ", ")
	}
	if v.row.Max > 0 {
		return fmt.Sprintf("must have at most %d characters, none of four bytes", v.row.Max)
	}
	return "must have no character of four bytes"
}
func (v textValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v textValidator) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := v.row.CheckText(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid value", fmt.Sprintf("%s: %s", v.row.Path(), plan.Sentence(err)))
	}
}

// tagsValidator accepts what can be a tag.
type tagsValidator struct{}

func (tagsValidator) Description(context.Context) string {
	return "each tag must have at most 255 characters, none of four bytes"
}
func (v tagsValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (tagsValidator) ValidateSet(_ context.Context, req validator.SetRequest, resp *validator.SetResponse) {
	for _, element := range req.ConfigValue.Elements() {
		tag, ok := element.(types.String)
		if !ok || tag.IsUnknown() {
			continue
		}
		if tag.IsNull() {
			resp.Diagnostics.AddAttributeError(req.Path, "Invalid tag", "A tag cannot be null. Leave the element out; a tag that is not named is left alone.")
			continue
		}
		if err := attribute.CheckTag(tag.ValueString()); err != nil {
			resp.Diagnostics.AddAttributeError(req.Path, "Invalid tag", plan.Sentence(err))
		}
	}
}

// propertiesValidator accepts keys that the image service lets anybody write,
// and values that it can store.
type propertiesValidator struct{}

func (propertiesValidator) Description(context.Context) string {
	return "each key must be a name that the image service lets users write"
}
func (v propertiesValidator) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (propertiesValidator) ValidateMap(_ context.Context, req validator.MapRequest, resp *validator.MapResponse) {
	for key, element := range req.ConfigValue.Elements() {
		at := req.Path.AtMapKey(key)
		if err := attribute.CheckProperty(key); err != nil {
			resp.Diagnostics.AddAttributeError(at, "Invalid property name", plan.Sentence(err))
			continue
		}
		value, ok := element.(types.String)
		if !ok || value.IsNull() || value.IsUnknown() {
			continue
		}
		if err := attribute.CheckText(value.ValueString()); err != nil {
			detail := fmt.Sprintf("The value of %q cannot be stored: %s", key, plan.Sentence(err))
			if at.ParentPath().Equal(path.Root(attrSensitive)) {
				detail = fmt.Sprintf("The value of %q has a character that the image service cannot store: one of four bytes in UTF-8, or none at all.", key)
			}
			resp.Diagnostics.AddAttributeError(at, "Invalid property value", detail)
		}
	}
}

// ValidateConfig checks what concerns several attributes at once.
func (r *metadataResource) ValidateConfig(_ context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	v, err := plan.ValuesOf(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to validate image metadata", err.Error())
		return
	}
	o := ownsOf(v)
	if o.exclusive && v[attrTags].IsNull() {
		resp.Diagnostics.AddAttributeError(path.Root(attrTagsExclusive), "Missing tags",
			"tags_exclusive = true makes tags the whole set, so tags must be given; tags = [] means that the image has none.")
		return
	}
	if o.nothing() {
		resp.Diagnostics.AddError("Nothing to manage",
			"This resource names no attribute of the image, so it would own nothing. Name at least one: name, tags, visibility, protected, hidden, min_disk, min_ram, "+
				"hw_firmware_type, hw_vif_multiqueue_enabled, ims, properties or sensitive_properties.")
	}
	properties, sensitive := keysOf(v[attrProperties]), keysOf(v[attrSensitive])
	for key := range sensitive {
		if _, twice := properties[key]; twice {
			resp.Diagnostics.AddAttributeError(path.Root(attrSensitive).AtMapKey(key), "Property named twice",
				fmt.Sprintf("%q stands both in properties and in sensitive_properties. Keep one of them.", key))
		}
	}
	args := argumentsOf(v)
	for _, a := range attribute.Arguments {
		if args.of(a).IsNull() || attribute.CheckProperty(a.Key) != nil {
			continue // Not named, or refused as a property anyway.
		}
		for container, keys := range map[string]map[string]tftypes.Value{attrProperties: properties, attrSensitive: sensitive} {
			if _, twice := keys[a.Key]; twice {
				resp.Diagnostics.AddAttributeError(path.Root(container).AtMapKey(a.Key), "Property named twice",
					fmt.Sprintf("%q stands both in %s and in the argument %s, which write the same key. Keep one of them.", a.Key, container, a.Path()))
			}
		}
	}
	resp.Diagnostics.Append(contradictions(&o, o.alone(), func(*attribute.Attribute) bool { return true })...)
}

// keysOf returns the elements of a map, whose keys are known before their values.
func keysOf(m tftypes.Value) map[string]tftypes.Value {
	var elements map[string]tftypes.Value
	if m.IsKnown() && !m.IsNull() {
		_ = m.As(&elements)
	}
	return elements
}
