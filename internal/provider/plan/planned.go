package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// Hidden stands in plans and messages where a sensitive value would.
const Hidden patch.Value = `"(sensitive)"`

// Difference is what an apply is going to do to an object.
type Difference struct {
	// Patch is what is sent, for the document On.
	Patch patch.Patch
	On    patch.Document
	Sets  []patch.Pointer
	// Left are pointers that are given up without a change.
	Left []patch.Pointer
	// Sensitive says which pointers have values that are shown nowhere. Nil: none.
	Sensitive func(patch.Pointer) bool
}

func (d Difference) hides(p patch.Pointer) bool { return d.Sensitive != nil && d.Sensitive(p) }

// PlannedPatch returns the RFC 6902 document of the planned_patch attribute.
func (d Difference) PlannedPatch() (string, error) {
	shown := slices.Clone(d.Patch)
	for i, o := range shown {
		if o.New != patch.Absent && d.hides(o.Path) {
			shown[i].New = Hidden
		}
	}
	raw, err := patch.RFC6902.Encode(shown, d.On, d.Sets...)
	return string(raw), err
}

// PlannedChanges returns the lines of the planned_changes attribute.
func (d Difference) PlannedChanges() []string {
	type line struct{ pointer, text string }
	lines := make([]line, 0, len(d.Patch)+len(d.Left))
	for _, o := range d.Patch {
		lines = append(lines, line{string(o.Path), d.describe(o)})
	}
	for _, p := range d.Left {
		lines = append(lines, line{string(p), fmt.Sprintf("release %s (left as it is)", p)})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return strings.Compare(a.pointer, b.pointer) })
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.text
	}
	return texts
}

func (d Difference) describe(o patch.Operation) string {
	for _, root := range d.Sets {
		if _, ok := o.Path.MemberOf(root); ok {
			return fmt.Sprintf("%s %s", o.Kind(), o.Path)
		}
	}
	before, after := Show(o.Old), Show(o.New)
	if d.hides(o.Path) {
		before, after = Show(Hidden), Show(Hidden)
	}
	switch o.Kind() {
	case patch.Add:
		return fmt.Sprintf("add %s %s", o.Path, after)
	case patch.Remove:
		return fmt.Sprintf("remove %s %s", o.Path, before)
	default:
		return fmt.Sprintf("replace %s %s -> %s", o.Path, before, after)
	}
}

// maxShown is how many characters of a value are shown to people.
const maxShown = 200

// Show writes a value for people: its JSON, shortened, or that it is absent.
func Show(v patch.Value) string {
	switch v {
	case patch.Absent:
		return "(absent)"
	case Hidden:
		return "(sensitive)"
	}
	runes := []rune(string(v))
	if len(runes) <= maxShown {
		return string(v)
	}
	return fmt.Sprintf("%s... (%d characters)", string(runes[:maxShown]), len(runes))
}
