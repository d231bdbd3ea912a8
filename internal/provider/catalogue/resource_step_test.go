package catalogue

import (
	"maps"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"pgregory.net/rapid"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// TestAStepChangesWhatIsOwnedAndNothingElse holds for random states, plans,
// adoptions and objects: an apply gives every owned pointer its value, takes back
// what this resource wrote and nobody has changed since, leaves what it adopted,
// and touches nothing else.
func TestAStepChangesWhatIsOwnedAndNothingElse(t *testing.T) {
	keys := []string{"a", "b", "c", "d"}
	values := []string{"", "1", "2"}
	rapid.Check(t, func(t *rapid.T) {
		k := kinds[0]
		random := func(label string) plan.Values {
			v := plan.Values{}
			text := func(name string) {
				v[name] = tftypes.NewValue(tftypes.String, nil)
				if rapid.Bool().Draw(t, label+" has "+name) {
					v.SetText(name, rapid.SampledFrom(values).Draw(t, label+" "+name))
				}
			}
			text("description")
			text("publisher")
			v.SetText(attrName, "Office")
			v.SetText(attrSystem, "WINDOWS_10")
			v.SetText("source", "UPLOADED")
			v.SetText(attrStatus, rapid.SampledFrom([]string{statusAvailable, statusDisabled}).Draw(t, label+" status"))
			details := map[string]tftypes.Value{}
			for _, key := range keys {
				switch rapid.SampledFrom([]string{"no", "null", "1", "2"}).Draw(t, label+" "+key) {
				case "null":
					details[key] = tftypes.NewValue(tftypes.String, nil)
				case "1":
					details[key] = tftypes.NewValue(tftypes.String, "1")
				case "2":
					details[key] = tftypes.NewValue(tftypes.String, "2")
				}
			}
			v[attrDetails] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, details)
			return v
		}
		s := &step{kind: k, prior: random("before"), planned: random("after")}
		s.before, s.after = k.owns(s.prior), k.owns(s.planned)
		have := patch.Document{"/id": `"x"`, "/name": `"Office"`, "/operating_system": `"WINDOWS_10"`, "/source": `"UPLOADED"`, "/usable": "true"}
		pointers := []patch.Pointer{"/description", "/publisher", statusPointer}
		for _, key := range append(keys, "foreign") {
			pointers = append(pointers, horizon.AdditionalDetails.Member(key))
		}
		for _, p := range pointers {
			if rapid.Bool().Draw(t, "the object has "+string(p)) {
				have[p] = patch.StringValue(rapid.SampledFrom(values).Draw(t, string(p)))
			}
			if rapid.Bool().Draw(t, "adopted "+string(p)) {
				s.stored.Adopted = append(s.stored.Adopted, p)
			}
		}
		if rapid.Bool().Draw(t, "private state is there") {
			s.stored.Document = maps.Clone(have)
		}
		after := s.difference(have).Patch.Apply(have)
		for p := range have {
			checkPointer(t, s, p, have[p], after[p])
		}
		for p := range after {
			checkPointer(t, s, p, have[p], after[p])
		}
		for p := range s.after.want {
			checkPointer(t, s, p, have[p], after[p])
		}
	})
}

// checkPointer says from the rules what has to become of a pointer.
func checkPointer(t *rapid.T, s *step, p patch.Pointer, before, after patch.Value) {
	wanted, owned := s.after.want[p]
	wrote, was := s.before.want[p]
	ours := was && wrote != patch.Absent && p != statusPointer && s.stored.Document != nil && !slices.Contains(s.stored.Adopted, p)
	switch {
	case owned:
		if !horizon.Equal(p, after, wanted) {
			t.Errorf("%s is %s, wanted %s", p, after, wanted)
		}
	case ours && horizon.Equal(p, before, wrote):
		if !horizon.Equal(p, after, patch.Absent) {
			t.Errorf("%s was written by this resource, and is still %s", p, after)
		}
	case before != after:
		t.Errorf("%s was %s, and is %s without a reason", p, before, after)
	}
}
