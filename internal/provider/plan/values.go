package plan

import (
	"fmt"
	"maps"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Values are the attributes of a resource by name. They are read from and
// written to Terraform's own values directly: tables decide what each means, and
// a plan of thousands of resources pays for no reflection.
type Values map[string]tftypes.Value

// ValuesOf reads the attributes of a configuration, a plan or a state.
func ValuesOf(raw tftypes.Value) (Values, error) {
	var v Values
	if err := raw.As((*map[string]tftypes.Value)(&v)); err != nil {
		return nil, fmt.Errorf("the resource does not decode: %w", err)
	}
	return v, nil
}

// NullValues returns an object of the type of like in which nothing is set.
func NullValues(like tftypes.Value) Values {
	v := Values{}
	for name, t := range like.Type().(tftypes.Object).AttributeTypes { //nolint:forcetypeassert // A resource is an object.
		v[name] = tftypes.NewValue(t, nil)
	}
	return v
}

// Text returns a string attribute, "" when it is null or unknown.
func (v Values) Text(name string) string {
	var s string
	if value := v[name]; value.IsKnown() && !value.IsNull() {
		_ = value.As(&s)
	}
	return s
}

// SetText sets a string attribute.
func (v Values) SetText(name, s string) { v[name] = tftypes.NewValue(tftypes.String, s) }

// SetTexts sets an attribute that is a list of strings.
func (v Values) SetTexts(name string, lines []string) {
	elements := make([]tftypes.Value, len(lines))
	for i, l := range lines {
		elements[i] = tftypes.NewValue(tftypes.String, l)
	}
	v[name] = tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, elements)
}

// SetUnknown makes attributes known only after apply.
func (v Values) SetUnknown(names ...string) {
	for _, name := range names {
		v[name] = tftypes.NewValue(v[name].Type(), tftypes.UnknownValue)
	}
}

// Clone returns a copy whose attributes can be set without changing v.
func (v Values) Clone() Values { return maps.Clone(v) }

// Object makes the Terraform value of the type that like has.
func (v Values) Object(like tftypes.Value) tftypes.Value {
	return tftypes.NewValue(like.Type(), map[string]tftypes.Value(v))
}

// Elements returns the elements of a map attribute, which may be null or unknown
// each; none when the map itself is. The caller owns them.
func (v Values) Elements(name string) map[string]tftypes.Value {
	var elements map[string]tftypes.Value
	if m := v[name]; m.IsKnown() && !m.IsNull() {
		_ = m.As(&elements) // Which hands out what the value itself keeps.
	}
	return maps.Clone(elements)
}
