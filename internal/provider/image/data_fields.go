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

// resultFields are the members of an image that have an attribute of their own
// in the data sources, beside the tags. Source: the image service's API reference
// ("Show image") and answers of Glance 25.1. Only the key counts: a custom
// property may have the name of an attribute, such as "hidden".
var resultFields = []attribute.Attribute{
	{Name: attrID, Key: "id", Description: "ID (UUID) of the image."},
	{Name: attrName, Key: "name", Description: "Name of the image, null if it has none. Names need not be unique."},
	{Name: attrStatus, Key: "status", Description: "Status of the image, such as `queued`, `active` or `deactivated`."},
	{Name: attrVisibility, Key: "visibility", Description: "Who can see the image: `private`, `shared`, `community` or `public`."},
	{Name: attrOwner, Key: "owner", Description: "ID of the project that owns the image."},
	{Name: "protected", Key: "protected", Kind: attribute.Boolean, Description: "Whether the image is protected from deletion."},
	{Name: attrHidden, Key: "os_hidden", Kind: attribute.Boolean, Description: "Whether the image is left out of listings (`os_hidden`)."},
	{Name: "min_disk", Key: "min_disk", Kind: attribute.Integer, Description: "Least size of the disk that the image boots from, in GB."},
	{Name: "min_ram", Key: "min_ram", Kind: attribute.Integer, Description: "Least memory that the image boots with, in MB."},
	{Name: "size", Key: "size", Kind: attribute.Integer, Description: "Size of the image's data, in bytes; null before it has any."},
	{Name: "virtual_size", Key: "virtual_size", Kind: attribute.Integer, Description: "Size of the disk in the image, in bytes; null where the image service does not know it."},
	{Name: "disk_format", Key: "disk_format", Description: "Format of the disk in the image, such as `qcow2` or `raw`."},
	{Name: "container_format", Key: "container_format", Description: "Format of what surrounds the disk, such as `bare`."},
	{Name: "checksum", Key: "checksum", Description: "MD5 checksum of the image's data, in hexadecimal; null before it has any. Not for security: use `os_hash_value`."},
	{Name: "os_hash_algo", Key: "os_hash_algo", Description: "Algorithm of `os_hash_value`, such as `sha512`."},
	{Name: "os_hash_value", Key: "os_hash_value", Description: "Hash of the image's data, in hexadecimal; null before it has any."},
	{Name: "created_at", Key: "created_at", Description: "When the image was created, in UTC (RFC 3339), to the second."},
	{Name: "updated_at", Key: "updated_at", Description: "When the image was last changed, in UTC (RFC 3339), to the second."},
	{Name: "file", Key: "file", Description: "Path of the image's data in the image service."},
	{Name: "self", Key: "self", Description: "Path of the image in the image service."},
	{Name: "schema", Key: "schema", Description: "Path of the image's JSON schema in the image service."},
	{Name: "direct_url", Key: "direct_url", Description: "Where the image's data is stored; null unless the operator shows it."},
	{Name: "stores", Key: "stores", Description: "Stores that hold the image's data, separated by commas; null where the image service has only one."},
}

const (
	tagsResult       = "Tags of the image."
	propertiesResult = "All other keys of the image by their exact names on the wire, such as `os_distro` or `hw_firmware_type`. " +
		"A value that is no string is its JSON text, and JSON null is null."
)

// fieldKeys are the members that do not stand among the properties.
var fieldKeys = func() map[string]bool {
	keys := map[string]bool{"tags": true}
	for i := range resultFields {
		keys[resultFields[i].Key] = true
	}
	return keys
}()

// resultAttributes is the schema of an image in the data sources.
func resultAttributes() map[string]schema.Attribute {
	attributes := map[string]schema.Attribute{
		attrTags:       schema.SetAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: tagsResult},
		attrProperties: schema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: propertiesResult},
	}
	for i := range resultFields {
		f := &resultFields[i]
		switch f.Kind {
		case attribute.Boolean:
			attributes[f.Name] = schema.BoolAttribute{Computed: true, MarkdownDescription: f.Description}
		case attribute.Integer:
			attributes[f.Name] = schema.Int64Attribute{Computed: true, MarkdownDescription: f.Description}
		default:
			attributes[f.Name] = schema.StringAttribute{Computed: true, MarkdownDescription: f.Description}
		}
	}
	return attributes
}

// resultOf converts an image.
func resultOf(d patch.Document) values {
	v := make(values, len(resultFields)+2)
	for i := range resultFields {
		f := &resultFields[i]
		value := d[f.Pointer()]
		if f.Kind == attribute.Text {
			v[f.Name] = looseText(value)
			continue
		}
		v[f.Name] = fromWire(f, value)
	}
	v[attrTags] = stringSet(d.Members(attribute.Tags))
	properties := map[string]tftypes.Value{}
	for p, value := range d {
		key, ok := p.Key()
		if !ok || fieldKeys[key] {
			continue
		}
		properties[key] = propertyText(value)
	}
	v[attrProperties] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, properties)
	return v
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
