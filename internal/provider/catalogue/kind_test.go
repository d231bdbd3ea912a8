package catalogue

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

func kindOf(t *testing.T, k horizon.Kind) *kind {
	t.Helper()
	for _, each := range kinds {
		if each.horizon == k {
			return each
		}
	}
	t.Fatalf("no %s", k)
	return nil
}

// emptyAsset is an asset in which nothing is set, as Terraform has it.
func emptyAsset(t *testing.T) (*kind, resource.SchemaResponse, tftypes.Value) {
	t.Helper()
	k := kindOf(t, horizon.Asset)
	var s resource.SchemaResponse
	(&objectResource{kind: k}).Schema(t.Context(), resource.SchemaRequest{}, &s)
	as := s.Schema.Type().TerraformType(t.Context())
	values := map[string]tftypes.Value{}
	for name, member := range as.(tftypes.Object).AttributeTypes { //nolint:forcetypeassert // A resource is an object.
		values[name] = tftypes.NewValue(member, nil)
	}
	return k, s, tftypes.NewValue(as, values)
}

func TestWhatHorizonDoesNotShowHasNotChanged(t *testing.T) {
	k, _, raw := emptyAsset(t)
	state := plan.NullValues(raw)
	state.SetText("vcenter_id", "c1")
	state.SetText(attrVMID, "vm-1")
	state.SetText(attrCloneType, "INSTANT_CLONE")
	if k.refresh(state, patch.Document{"/clone_type": `"INSTANT_CLONE"`}) || state.Text("vcenter_id") != "c1" || state.Text(attrVMID) != "vm-1" {
		t.Errorf("an answer without the fixed members changes the state to %v", state)
	}
	if !k.refresh(state, patch.Document{"/vcenter_id": `"c2"`, "/clone_type": `"FULL_CLONE"`}) || state.Text("vcenter_id") != "c2" || state.Text(attrCloneType) != "FULL_CLONE" {
		t.Errorf("another vCenter and clone type leave the state at %v", state)
	}
}

func TestWhatReplacesAnObject(t *testing.T) {
	k, s, raw := emptyAsset(t)
	for name, c := range map[string]struct {
		field    string
		state    map[string]string
		planned  types.String
		replaces bool
	}{
		"another value":                    {"vcenter_id", map[string]string{"vcenter_id": "c1"}, types.StringValue("c2"), true},
		"a value that is not known yet":    {"vcenter_id", map[string]string{"vcenter_id": "c1"}, types.StringUnknown(), true},
		"the same id in other letters":     {"vcenter_id", map[string]string{"vcenter_id": "0a"}, types.StringValue("0A"), false},
		"one that an import did not see":   {"vcenter_id", nil, types.StringValue("c1"), false},
		"an image that it did not see":     {attrVMID, nil, types.StringValue("vm-1"), false},
		"a VM in place of a template":      {attrVMID, map[string]string{attrTemplateID: "vm-9"}, types.StringValue("vm-1"), true},
		"the template that the VM was for": {attrTemplateID, map[string]string{attrTemplateID: "vm-9"}, types.StringNull(), true},
	} {
		t.Run(name, func(t *testing.T) {
			state := plan.NullValues(raw)
			for member, value := range c.state {
				state.SetText(member, value)
			}
			req := planmodifier.StringRequest{
				State: tfsdk.State{Raw: state.Object(raw), Schema: s.Schema}, Plan: tfsdk.Plan{Raw: raw, Schema: s.Schema},
				StateValue: types.StringNull(), PlanValue: c.planned,
			}
			if value, there := c.state[c.field]; there {
				req.StateValue = types.StringValue(value)
			}
			for i := range k.fields {
				if k.fields[i].name != c.field {
					continue
				}
				var resp planmodifier.StringResponse
				replacesModifier{k, &k.fields[i]}.PlanModifyString(t.Context(), req, &resp)
				if resp.RequiresReplace != c.replaces {
					t.Errorf("it is replaced: %t", resp.RequiresReplace)
				}
			}
		})
	}
}
