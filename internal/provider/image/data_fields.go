package image

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// The names of the attributes of the data sources that are more than results.
const (
	attrID           = "id"
	attrName         = "name"
	attrNameRegex    = "name_regex"
	attrVisibility   = "visibility"
	attrMemberStatus = "member_status"
	attrStatus       = "status"
	attrOwner        = "owner"
	attrHidden       = "hidden"
	attrMostRecent   = "most_recent"
	attrIDs          = "ids"
	attrImages       = "images"
)

const (
	tagsResult       = "Tags of the image. On Huawei Cloud and Open Telekom Cloud each is `key=value`, or `key` if it has no value."
	propertiesResult = "Every key of the image that is no member of Glance's own, by its exact name on the wire, such as `os_distro` or `__os_type`. " +
		"A value that is no string is its JSON text, and JSON null is null."
	imsResult = "What the image services of Huawei Cloud and Open Telekom Cloud say about the image, under the names on the wire without the leading underscores; null if the image has none of it."
)

// memberNames are Glance's own members of an image, which do not stand among the
// properties, with the attribute that shows each. Only the key counts: a custom
// property may have the name of an attribute, such as "hidden".
var memberNames = func() map[string]string {
	names := map[string]string{attrTags: attrTags}
	for _, a := range attribute.Results {
		if a.Section == attribute.Top && (a.Core || a.Settable == nil) {
			names[a.Key] = a.Name
		}
	}
	return names
}()

// imsResultType is the type of the object ims in the data sources.
var imsResultType = func() tftypes.Object {
	t := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
	for _, a := range attribute.Results {
		if a.Section == attribute.IMS {
			t.AttributeTypes[a.Name] = typeOf(a)
		}
	}
	return t
}()

// resultAttributes is the schema of an image in the data sources.
func resultAttributes() map[string]schema.Attribute {
	ims := map[string]schema.Attribute{}
	attributes := map[string]schema.Attribute{
		attrTags:       schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: tagsResult},
		attrProperties: schema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: propertiesResult},
		attrIMS:        schema.SingleNestedAttribute{Computed: true, Attributes: ims, MarkdownDescription: imsResult},
	}
	for _, a := range attribute.Results {
		into := attributes
		if a.Section == attribute.IMS {
			into = ims
		}
		into[a.Name] = resultAttribute(a)
	}
	return attributes
}

func resultAttribute(a *attribute.Attribute) schema.Attribute {
	description := a.Result
	if description == "" {
		description = a.Description
	}
	switch a.Kind {
	case attribute.Boolean, attribute.Flag:
		return schema.BoolAttribute{Computed: true, MarkdownDescription: description}
	case attribute.Integer:
		return schema.Int64Attribute{Computed: true, MarkdownDescription: description}
	case attribute.Set:
		return schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
	default:
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
}

// resultOf converts an image.
func resultOf(d patch.Document) values {
	v := make(values, len(memberNames)+4)
	ims, says := make(map[string]tftypes.Value, len(imsResultType.AttributeTypes)), false
	for _, a := range attribute.Results {
		value := d[a.Pointer()]
		if a.Section == attribute.IMS {
			ims[a.Name] = resultValue(a, value)
			says = says || value != patch.Absent
			continue
		}
		v[a.Name] = resultValue(a, value)
	}
	v[attrIMS] = tftypes.NewValue(imsResultType, nil)
	if says {
		v[attrIMS] = tftypes.NewValue(imsResultType, ims)
	}
	v[attrTags] = stringSet(d.Members(attribute.Tags))
	properties := map[string]tftypes.Value{}
	for p, value := range d {
		key, ok := p.Key()
		if _, member := memberNames[key]; !ok || member {
			continue
		}
		properties[key] = propertyText(value)
	}
	v[attrProperties] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, properties)
	return v
}

// resultValue converts a member of an image; null for what it does not have, and
// for what is not of the attribute's kind.
func resultValue(a *attribute.Attribute, value patch.Value) tftypes.Value {
	if value == patch.Absent {
		return tftypes.NewValue(typeOf(a), nil)
	}
	if a.Kind == attribute.Text || a.Kind == attribute.JSON {
		return looseText(value)
	}
	return fromWire(a, value)
}

// looseText reads a text that a service may have sent as a number or a boolean;
// null for anything that is no text at all.
func looseText(value patch.Value) tftypes.Value {
	if s, ok := asText(value); ok {
		return tftypes.NewValue(tftypes.String, s)
	}
	return tftypes.NewValue(tftypes.String, nil)
}

// propertyText writes a JSON value as a string: a string as it is, null as null,
// and anything else as its JSON text.
func propertyText(value patch.Value) tftypes.Value {
	if s, ok := asText(value); ok {
		return tftypes.NewValue(tftypes.String, s)
	}
	if value == patch.Absent || value == patch.Null {
		return tftypes.NewValue(tftypes.String, nil)
	}
	return tftypes.NewValue(tftypes.String, string(value))
}

// asText returns a string, a number or a boolean as a text.
func asText(value patch.Value) (string, bool) {
	if s, ok := value.AsString(); ok {
		return s, true
	}
	if value == patch.Absent || value == patch.Null || value[0] == '{' || value[0] == '[' {
		return "", false
	}
	return string(value), true
}

// fieldOf returns a member of an image as the text that its attribute shows.
func fieldOf(d patch.Document, key string) (string, bool) { return asText(d[patch.NewPointer(key)]) }
