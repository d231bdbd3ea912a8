package catalogue

import (
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// dataResult is an attribute that a data source shows of what it has found.
type dataResult[E any] struct {
	name      string
	attribute schema.Attribute
	value     func(E) tftypes.Value
}

// textResult shows a text; an empty one is null.
func textResult[E any](name, description string, value func(E) string) dataResult[E] {
	return dataResult[E]{
		name: name, attribute: schema.StringAttribute{Computed: true, MarkdownDescription: description},
		value: func(found E) tftypes.Value { return filledText(value(found)) },
	}
}

func filledText(text string) tftypes.Value {
	if text == "" {
		return tftypes.NewValue(tftypes.String, nil)
	}
	return tftypes.NewValue(tftypes.String, text)
}

func numberResult[E any](name, description string, value func(E) *int64) dataResult[E] {
	return dataResult[E]{
		name: name, attribute: schema.Int64Attribute{Computed: true, MarkdownDescription: description},
		value: func(found E) tftypes.Value { return tftypes.NewValue(tftypes.Number, value(found)) },
	}
}

func flagResult[E any](name, description string, value func(E) *bool) dataResult[E] {
	return dataResult[E]{
		name: name, attribute: schema.BoolAttribute{Computed: true, MarkdownDescription: description},
		value: func(found E) tftypes.Value { return tftypes.NewValue(tftypes.Bool, value(found)) },
	}
}

// textsResult shows a list of texts; one that is not said is empty.
func textsResult[E any](name, description string, value func(E) []string) dataResult[E] {
	return dataResult[E]{
		name: name, attribute: schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description},
		value: func(found E) tftypes.Value {
			elements := []tftypes.Value{}
			for _, text := range value(found) {
				elements = append(elements, tftypes.NewValue(tftypes.String, text))
			}
			return tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, elements)
		},
	}
}

// memberResult shows a member of an object of the catalogue that is a text.
func memberResult(name, description string) dataResult[*horizon.Object] {
	return textResult(name, description, func(o *horizon.Object) string { return o.Text(name) })
}

// detailsResult shows additional_details. Horizon does not tell a map that it
// does not have from an empty one.
func detailsResult() dataResult[*horizon.Object] {
	return dataResult[*horizon.Object]{
		name: attrDetails,
		attribute: schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Free texts by name. Empty if there are none.",
		},
		value: func(o *horizon.Object) tftypes.Value {
			details := map[string]tftypes.Value{}
			for p, value := range o.Document() {
				if key, ok := p.MemberOf(horizon.AdditionalDetails); ok {
					details[key] = textOrNull(value)
				}
			}
			return tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, details)
		},
	}
}

// usableResult shows whether a stream can be used.
func usableResult() dataResult[*horizon.Object] {
	const description = "Whether pools can be made of the stream: it is available, at least in part, and so is a version of it that a tag is on. Null if Horizon does not say."
	return flagResult("usable", description, func(o *horizon.Object) *bool {
		usable, ok := o.Document()[patch.NewPointer("usable")].AsBool()
		if !ok {
			return nil
		}
		return &usable
	})
}
