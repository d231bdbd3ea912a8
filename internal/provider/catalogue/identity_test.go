package catalogue_test

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// TestImportByIdentity imports an object of each kind by its identity, which takes a
// newer Terraform than the one that acceptance tests run with, and gets the same as
// by its id.
func TestImportByIdentity(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{})
	vm, snapshots := pod.AddBaseVM(simulator.BaseVM{Name: "gold", Snapshots: []string{"s1"}})
	ids := map[string]string{
		"imageops_image_management_stream":  simulator.HorizonStreamID,
		"imageops_image_management_version": simulator.HorizonVersionID,
		"imageops_image_management_tag": pod.CreateCatalogueObject("im-tags", map[string]any{
			"im_stream_id": simulator.HorizonStreamID, "im_version_id": simulator.HorizonVersionID, "name": "production"}),
		"imageops_image_management_asset": pod.CreateCatalogueObject("im-assets", map[string]any{
			"im_stream_id": simulator.HorizonStreamID, "im_version_id": simulator.HorizonVersionID, "vcenter_id": simulator.HorizonVCenterID,
			"base_vm_id": vm, "base_snapshot_id": snapshots[0], "clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE"}),
	}
	as := tftypes.Object{AttributeTypes: map[string]tftypes.Type{"id": tftypes.String}}
	for kind, id := range ids {
		p := configured(t, kind, members{"horizon": members{"url": pod.URL, "domain": pod.Domain, "username": pod.Username, "password": pod.Password}})
		byID, said := p.adopt(t.Context(), id)
		if len(said) > 0 {
			t.Fatalf("%s: %s", kind, rules.Printed(said))
		}
		answer, err := p.server.ImportResourceState(t.Context(), &tfprotov6.ImportResourceStateRequest{
			TypeName: kind, Identity: &tfprotov6.ResourceIdentityData{IdentityData: rules.Encoded(as, members{"id": id})},
		})
		if err != nil || len(answer.Diagnostics) > 0 || len(answer.ImportedResources) != 1 {
			t.Fatalf("%s: %v%s", kind, err, rules.Printed(answer.Diagnostics))
		}
		imported := answer.ImportedResources[0]
		if !p.decoded(imported.State).Equal(byID.state) {
			t.Errorf("%s: by identity the state is\n%s, by id\n%s", kind, p.decoded(imported.State), byID.state)
		}
		identity, err := imported.Identity.IdentityData.Unmarshal(as)
		if err != nil || !identity.Equal(rules.Value(as, members{"id": id})) {
			t.Errorf("%s: the identity is %s, %v", kind, identity, err)
		}
	}
}
