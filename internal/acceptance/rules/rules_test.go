package rules_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
)

type object = map[string]any

// attributes are one of each behaviour.
var (
	nested     = tftypes.Object{AttributeTypes: map[string]tftypes.Type{"a": tftypes.String, "b": tftypes.String}}
	attributes = []*tfprotov6.SchemaAttribute{
		{Name: "asked", Type: tftypes.String, Optional: true},
		{Name: "either", Type: tftypes.String, Optional: true, Computed: true},
		{Name: "told", Type: tftypes.String, Computed: true},
		{Name: "inside", Type: nested, Computed: true},
		{Name: "several", Type: tftypes.List{ElementType: tftypes.String}, Computed: true},
	}
	whole = tftypes.Object{AttributeTypes: map[string]tftypes.Type{
		"asked": tftypes.String, "either": tftypes.String, "told": tftypes.String, "inside": nested, "several": tftypes.List{ElementType: tftypes.String},
	}}
)

// value is null for a nil object.
func value(from object) tftypes.Value {
	if from == nil {
		return rules.Value(whole, nil)
	}
	return rules.Value(whole, from)
}

func TestWhatIsProposed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ prior, configured, want object }{
		"a create":                     {nil, object{"asked": "x"}, object{"asked": "x"}},
		"an update keeps the computed": {object{"asked": "x", "either": "y", "told": "z", "inside": object{"a": "1"}}, object{"asked": "w"}, object{"asked": "w", "either": "y", "told": "z", "inside": object{"a": "1"}}},
		"what is not computed goes":    {object{"asked": "x", "told": "z"}, object{}, object{"told": "z"}},
		"what is configured wins":      {object{"either": "y"}, object{"either": "v"}, object{"either": "v"}},
		"a destruction":                {object{"asked": "x", "told": "z"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prior, configured := value(c.prior), value(c.configured)
			if got := rules.Proposed(attributes, prior, configured); !got.Equal(value(c.want)) {
				t.Errorf("proposed is %s, want %s", rules.Text(got), rules.Text(value(c.want)))
			}
			if !prior.Equal(value(c.prior)) || !configured.Equal(value(c.configured)) {
				t.Error("what it was made of has changed")
			}
		})
	}
}

func TestWhichPlansAreAccepted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prior, configured, planned object
		names                      string // in the error; empty: accepted
	}{
		"as configured":                        {nil, object{"asked": "x"}, object{"asked": "x", "told": rules.Unknown}, ""},
		"another value than configured":        {nil, object{"asked": "x"}, object{"asked": "y"}, "asked"},
		"a value that nobody configured":       {nil, object{}, object{"asked": "y"}, "asked"},
		"a null for what is configured":        {object{"asked": "x"}, object{"asked": "x"}, object{}, "asked"},
		"the value before, written otherwise":  {object{"asked": "X"}, object{"asked": "x"}, object{"asked": "X"}, ""},
		"the null before":                      {object{}, object{"asked": "x"}, object{}, "asked"},
		"the value before, for nothing":        {object{"asked": "X"}, object{}, object{"asked": "X"}, "asked"},
		"a value of its own where it may":      {nil, object{}, object{"either": "chosen"}, ""},
		"a value of its own where it may not":  {nil, object{"either": "x"}, object{"either": "chosen"}, "either"},
		"nothing where something is wanted":    {object{"asked": "x"}, object{"asked": "x"}, nil, "invalid plan"},
		"something where nothing is wanted":    {object{"asked": "x"}, nil, object{"asked": "x"}, "invalid plan"},
		"a destruction that leaves nothing":    {object{"asked": "x"}, nil, nil, ""},
		"what is not known for what is wanted": {nil, object{"asked": "x"}, object{"asked": rules.Unknown}, "asked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, rules.PlanError(attributes, value(c.prior), value(c.configured), value(c.planned)), c.names)
		})
	}
}

func TestWhichResultsAreAccepted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		planned, result object
		names           string
	}{
		"as planned":                          {object{"asked": "x"}, object{"asked": "x"}, ""},
		"what was not known":                  {object{"told": rules.Unknown}, object{"told": "z"}, ""},
		"a null for what was not known":       {object{"told": rules.Unknown}, object{}, ""},
		"another value":                       {object{"told": "y"}, object{"told": "z"}, "told"},
		"a value for a null":                  {object{}, object{"told": "z"}, "told"},
		"not known any more":                  {object{"told": "y"}, object{"told": rules.Unknown}, "told"},
		"the unknown part of an object":       {object{"inside": object{"a": "1", "b": rules.Unknown}}, object{"inside": object{"a": "1", "b": "2"}}, ""},
		"the known part of an object":         {object{"inside": object{"a": "1", "b": rules.Unknown}}, object{"inside": object{"a": "9", "b": "2"}}, "inside"},
		"a null for an object partly unknown": {object{"inside": object{"a": "1", "b": rules.Unknown}}, object{}, "inside"},
		"a null for an object of unknowns":    {object{"inside": object{"a": rules.Unknown, "b": rules.Unknown}}, object{}, "inside"},
		"another list":                        {object{"several": []string{"a"}}, object{"several": []any{"b"}}, "several"},
		"the same list":                       {object{"several": []string{"a"}}, object{"several": []any{"a"}}, ""},
		"nothing is left":                     {object{"asked": "x"}, nil, "inconsistent result"},
		"something is left":                   {nil, object{"asked": "x"}, "inconsistent result"},
		"nothing, as planned":                 {nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, rules.ResultError(value(c.planned), value(c.result)), c.names)
		})
	}
}

func check(t *testing.T, err error, names string) {
	t.Helper()
	switch {
	case names == "" && err != nil:
		t.Errorf("not accepted: %v", err)
	case names != "" && (err == nil || !strings.Contains(err.Error(), names)):
		t.Errorf("the error is %v, want one about %s", err, names)
	}
}

func TestJSONIsThatOfAState(t *testing.T) {
	t.Parallel()
	as := tftypes.Object{AttributeTypes: map[string]tftypes.Type{
		"flag": tftypes.Bool, "number": tftypes.Number, "map": tftypes.Map{ElementType: tftypes.String}, "set": tftypes.Set{ElementType: tftypes.String}, "none": tftypes.String,
	}}
	v := rules.Value(as, object{"flag": true, "number": 9007199254740993, "map": object{"k": "v"}, "set": []string{"a", "b"}})
	if got, want := rules.Text(v), `{"flag":true,"map":{"k":"v"},"none":null,"number":9007199254740993,"set":["a","b"]}`; got != want {
		t.Errorf("the JSON is %s, want %s", got, want)
	}
	raw := tfprotov6.RawState{JSON: rules.JSON(v)}
	back, err := raw.Unmarshal(as)
	if err != nil || !back.Equal(v) {
		t.Errorf("read back it is %s, %v", rules.Text(back), err)
	}
}
