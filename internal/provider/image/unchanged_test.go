package image_test

import (
	"reflect"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/provider"
	"github.com/imageops/terraform-provider-imageops/internal/provider/compact"
)

// twins are two processes of the provider: one as it is served, and one in which
// the framework answers everything.
func twins(t *testing.T, arguments object) (served, whole *protocol) {
	t.Helper()
	served = configured(t, arguments)
	whole = &protocol{t: t, server: compact.Server(providerserver.NewProtocol6(provider.New("test")())()), schema: served.schema, identity: served.identity}
	answer, err := whole.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: rules.Encoded(whole.schema.Provider.ValueType(), arguments)})
	if err != nil || len(answer.Diagnostics) > 0 {
		t.Fatalf("configuring the provider: %v %s", err, rules.Printed(answer.Diagnostics))
	}
	return served, whole
}

// TestProtocolAShortReadIsTheWholeOne reads states of many kinds, unchanged and
// drifted, in a provider as it is served and through the framework alone.
func TestProtocolAShortReadIsTheWholeOne(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]object{
		"one attribute":       {"hw_firmware_type": "uefi"},
		"everything":          {"name": "n", "hw_firmware_type": "uefi", "hw_vif_multiqueue_enabled": true, "min_ram": 512, "protected": true, "tags": []any{"a", "b"}, "properties": object{"os_distro": "ubuntu", "gone": nil}},
		"a whole set of tags": {"tags": []any{"a"}, "tags_exclusive": true},
		"sensitive":           {"sensitive_properties": object{"licence": "secret-key", "gone": nil}},
		"settings":            {"min_disk": 3, "on_destroy": "keep", "on_conflict": "overwrite", "timeouts": object{"create": "1m"}},
	} {
		for drift, members := range map[string]object{
			"nothing new":    {},
			"a foreign key":  {"foreign": "key", "updated_at": "2030-01-01T00:00:00Z"},
			"only the dates": {"updated_at": "2030-01-01T00:00:00Z"},
			"drift":          {"hw_firmware_type": "bios", "min_ram": 1, "min_disk": 1, "os_distro": "arch", "gone": "back", "licence": "another", "tags": []any{"c"}},
		} {
			t.Run(name+", "+drift, func(t *testing.T) {
				t.Parallel()
				cloud := newMiniature(t)
				cloud.put(thisMonth, object{"os_distro": "debian"})
				arguments := object{"image_id": thisMonth}
				for key, value := range config {
					arguments[key] = value
				}
				made := configured(t, cloud.provider()).applied(instance{}, arguments)
				image := cloud.copy(thisMonth)
				for key, value := range members {
					image[key] = value
				}
				cloud.put(thisMonth, image)
				served, whole := twins(t, cloud.provider())
				cloud.seen()
				short, said := served.read(made)
				quiet(t, said)
				requests, _ := cloud.seen()
				if len(requests) != 2 {
					t.Errorf("a sign-in and a read are wanted, sent were %v", requests)
				}
				long, said := whole.read(made)
				quiet(t, said)
				if !short.state.Equal(long.state) {
					t.Errorf("the state is\n%s, and through the framework\n%s", short.state, long.state)
				}
				if string(short.private) != string(long.private) {
					t.Errorf("the private state is\n%s, and through the framework\n%s", short.private, long.private)
				}
				if !reflect.DeepEqual(short.identity, long.identity) {
					t.Errorf("the identity is\n%+v, and through the framework\n%+v", short.identity, long.identity)
				}
				// And the plan that follows is the same one.
				after, said := served.plan(short, arguments)
				quiet(t, said)
				wanted, said := whole.plan(long, arguments)
				quiet(t, said)
				if !after.planned.state.Equal(wanted.planned.state) || string(after.planned.private) != string(wanted.planned.private) {
					t.Errorf("the plan is\n%s, and through the framework\n%s", after.planned.state, wanted.planned.state)
				}
			})
		}
	}
}

// TestProtocolADefaultThatIsLeftOutComesBack leaves out what was configured
// otherwise: Terraform proposes no change, and the schema's default is one.
func TestProtocolADefaultThatIsLeftOutComesBack(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]any{"on_destroy": "keep", "on_conflict": "overwrite", "tags_exclusive": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newMiniature(t)
			cloud.put(thisMonth, object{})
			p := configured(t, cloud.provider())
			made := p.applied(instance{}, object{"image_id": thisMonth, "name": "n", name: other})
			s, diags := p.plan(made, object{"image_id": thisMonth, "name": "n"})
			quiet(t, diags)
			if memberOf(t, s.planned.state, name).Equal(memberOf(t, made.state, name)) {
				t.Errorf("%s stays what it was", name)
			}
		})
	}
}
