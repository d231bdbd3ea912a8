// Package rules has what Terraform itself does with the values of a resource: what
// it proposes to a provider, and what it accepts of its answers. Tests that talk to a
// provider server without a Terraform hold the server against it. It knows attributes,
// nested ones as whole values, and no blocks.
package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Unknown stands for a value that is not known yet, in what Value is made of.
var Unknown = tftypes.UnknownValue

// Value makes a value of Terraform's of one of Go's: a map[string]any for an object, of
// which what is not named is null, and for a map; a slice of any or of strings for a list
// or a set; what tftypes.NewValue takes for the rest; nil for a null. A tftypes.Value is
// itself. It panics when an object has no such attribute, or the types do not fit.
func Value(as tftypes.Type, from any) tftypes.Value {
	switch given := from.(type) {
	case tftypes.Value:
		return given
	case map[string]any:
		values := map[string]tftypes.Value{}
		switch as := as.(type) {
		case tftypes.Object:
			for name := range given {
				if as.AttributeTypes[name] == nil {
					panic("there is no attribute " + name)
				}
			}
			for name, member := range as.AttributeTypes {
				values[name] = Value(member, given[name])
			}
		case tftypes.Map:
			for name, member := range given {
				values[name] = Value(as.ElementType, member)
			}
		}
		return tftypes.NewValue(as, values)
	case []any:
		elements := make([]tftypes.Value, len(given))
		for i, element := range given {
			elements[i] = Value(elementType(as), element)
		}
		return tftypes.NewValue(as, elements)
	case []string:
		elements := make([]tftypes.Value, len(given))
		for i, element := range given {
			elements[i] = Value(elementType(as), element)
		}
		return tftypes.NewValue(as, elements)
	}
	return tftypes.NewValue(as, from)
}

func elementType(as tftypes.Type) tftypes.Type {
	switch as := as.(type) {
	case tftypes.Set:
		return as.ElementType
	case tftypes.List:
		return as.ElementType
	}
	panic(fmt.Sprintf("%s has no elements", as))
}

// Encoded encodes Value for the wire. It panics as Value does.
func Encoded(as tftypes.Type, from any) *tfprotov6.DynamicValue {
	encoded, err := tfprotov6.NewDynamicValue(as, Value(as, from))
	if err != nil {
		panic(err)
	}
	return &encoded
}

// Attributes returns the attributes of an object, and none of a null. They are the
// caller's own. It panics when the value is no object, or not known.
func Attributes(v tftypes.Value) map[string]tftypes.Value {
	var attributes map[string]tftypes.Value
	if v.IsNull() {
		return map[string]tftypes.Value{}
	}
	must(v.As(&attributes))
	return maps.Clone(attributes) // As shares what a value is made of.
}

// Proposed merges a configuration with the state before, null for a create: what is
// computed and not configured is as it was.
func Proposed(attributes []*tfprotov6.SchemaAttribute, prior, configured tftypes.Value) tftypes.Value {
	if configured.IsNull() || prior.IsNull() {
		return configured
	}
	before, values := Attributes(prior), Attributes(configured)
	for _, a := range attributes {
		if a.Computed && values[a.Name].IsNull() {
			values[a.Name] = before[a.Name]
		}
	}
	return tftypes.NewValue(configured.Type(), values)
}

// PlanError says why Terraform does not accept a plan: of what is configured, it has to
// be what is configured, or what it was before. The prior value is null for a create,
// the planned and the configured one for a destruction.
func PlanError(attributes []*tfprotov6.SchemaAttribute, prior, configured, planned tftypes.Value) error {
	if configured.IsNull() != planned.IsNull() {
		return fmt.Errorf("invalid plan: %s, configured %s", Text(planned), Text(configured))
	}
	was, want, got := Attributes(prior), Attributes(configured), Attributes(planned)
	for _, a := range attributes {
		if configured.IsNull() || a.Computed && want[a.Name].IsNull() {
			continue
		}
		kept := !prior.IsNull() && !was[a.Name].IsNull() && !want[a.Name].IsNull() && got[a.Name].Equal(was[a.Name])
		if !kept && !got[a.Name].Equal(want[a.Name]) {
			return fmt.Errorf("invalid plan: %s is %s, configured %s", a.Name, Text(got[a.Name]), Text(want[a.Name]))
		}
	}
	return nil
}

// ResultError says why Terraform does not accept what an apply that succeeded made of a
// plan, or a plan what one that was made earlier had: what was known before is the same.
func ResultError(planned, result tftypes.Value) error {
	if planned.IsNull() || result.IsNull() {
		if planned.IsNull() != result.IsNull() {
			return fmt.Errorf("inconsistent result: planned %s, is %s", Text(planned), Text(result))
		}
		return nil
	}
	was, is := Attributes(planned), Attributes(result)
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if !keeps(was[name], is[name]) {
			return fmt.Errorf("inconsistent result: %s was planned as %s and is %s", name, Text(was[name]), Text(is[name]))
		}
	}
	return nil
}

func keeps(before, after tftypes.Value) bool {
	if !before.IsKnown() {
		return true
	}
	if before.IsFullyKnown() || before.IsNull() || after.IsNull() || !after.IsKnown() || !before.Type().Is(tftypes.Object{}) {
		return before.Equal(after)
	}
	b, a := Attributes(before), Attributes(after)
	for name := range b {
		if !keeps(b[name], a[name]) {
			return false
		}
	}
	return true
}

// JSON writes a value as Terraform keeps it in a state; what is not known is
// "(unknown)", so that it can be shown.
func JSON(v tftypes.Value) []byte {
	raw, err := json.Marshal(plain(v))
	must(err)
	return raw
}

// Text is JSON for people.
func Text(v tftypes.Value) string { return string(JSON(v)) }

func plain(v tftypes.Value) any {
	if !v.IsKnown() {
		return "(unknown)"
	}
	if v.IsNull() {
		return nil
	}
	var (
		members  map[string]tftypes.Value
		elements []tftypes.Value
		flag     bool
		text     string
	)
	switch {
	case v.Type().Is(tftypes.Object{}), v.Type().Is(tftypes.Map{}):
		must(v.As(&members))
		all := make(map[string]any, len(members))
		for name, member := range members {
			all[name] = plain(member)
		}
		return all
	case v.Type().Is(tftypes.Set{}), v.Type().Is(tftypes.List{}):
		must(v.As(&elements))
		all := make([]any, len(elements))
		for i, element := range elements {
			all[i] = plain(element)
		}
		return all
	case v.Type().Is(tftypes.Bool):
		must(v.As(&flag))
		return flag
	case v.Type().Is(tftypes.Number):
		n := new(big.Float)
		must(v.As(n))
		return json.Number(n.Text('f', -1))
	}
	must(v.As(&text))
	return text
}

// Failed says whether there is an error among diagnostics.
func Failed(diags []*tfprotov6.Diagnostic) bool { return len(Errors(diags)) > 0 }

// Errors returns the errors among diagnostics.
func Errors(diags []*tfprotov6.Diagnostic) []*tfprotov6.Diagnostic {
	return slices.DeleteFunc(slices.Clone(diags), func(d *tfprotov6.Diagnostic) bool { return d.Severity != tfprotov6.DiagnosticSeverityError })
}

// Printed writes diagnostics for the message of a failed test, with their attributes as
// a configuration has them: a.b["c"].
func Printed(diags []*tfprotov6.Diagnostic) string {
	var text strings.Builder
	for _, d := range diags {
		fmt.Fprintf(&text, "\n%s at %q: %s\n%s\n", d.Severity, Place(d), d.Summary, d.Detail)
	}
	return text.String()
}

// Place writes the attribute of a diagnostic as a configuration does; "" for none.
func Place(d *tfprotov6.Diagnostic) string {
	var text strings.Builder
	for _, s := range d.Attribute.Steps() {
		switch s := s.(type) {
		case tftypes.AttributeName:
			if text.Len() > 0 {
				text.WriteByte('.')
			}
			text.WriteString(string(s))
		case tftypes.ElementKeyString:
			fmt.Fprintf(&text, "[%q]", string(s))
		default:
			fmt.Fprintf(&text, "[%v]", s)
		}
	}
	return text.String()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
