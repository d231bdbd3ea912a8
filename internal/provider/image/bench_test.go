package image_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// BenchmarkPlanWithoutChanges is what the provider itself does for each resource
// of a plan that changes nothing, without gRPC and without Terraform: validate,
// read, plan. The images come from pages, as in a large run.
func BenchmarkPlanWithoutChanges(b *testing.B) {
	const count = 500
	s := simulator.New(simulator.Options{Empty: true})
	server := httptest.NewServer(s)
	defer server.Close()
	account := s.Describe("").Accounts["demo"]
	arguments := object{"image_service": object{
		"auth_url": server.URL + "/identity/v3", "user_id": account.UserID, "password": account.Password, "project_id": account.ProjectID,
		"region": simulator.RegionOne, "verify_after": "0s",
	}}
	p := configured(b, arguments)
	as := p.resourceType()
	type requests struct {
		validate tfprotov6.ValidateResourceConfigRequest
		read     tfprotov6.ReadResourceRequest
		plan     tfprotov6.PlanResourceChangeRequest
	}
	all := make([]requests, count)
	for i := range all {
		id := s.CreateImage(simulator.Image{Name: fmt.Sprintf("image-%d", i), Properties: map[string]string{
			"os_distro": "ubuntu", "os_version": "13", "architecture": "x86_64", "hw_disk_bus": "virtio", "hw_firmware_type": "uefi", "pipeline": "one",
		}})
		config := object{"image_id": id, "hw_firmware_type": "uefi", "properties": object{"os_distro": "ubuntu", "pipeline": "one"}, "on_destroy": "restore", "on_conflict": "fail", "tags_exclusive": false}
		after := p.applied(instance{}, config)
		state := rules.Encoded(as, after.state)
		all[i] = requests{
			validate: tfprotov6.ValidateResourceConfigRequest{TypeName: resourceType, Config: rules.Encoded(as, config)},
			read:     tfprotov6.ReadResourceRequest{TypeName: resourceType, CurrentState: state, Private: after.private, CurrentIdentity: after.identity},
			plan: tfprotov6.PlanResourceChangeRequest{
				TypeName: resourceType, PriorState: state, ProposedNewState: state, Config: rules.Encoded(as, config), PriorPrivate: after.private, PriorIdentity: after.identity,
			},
		}
	}
	p = configured(b, arguments) // What a process has written it does not take from a page.
	for name, one := range map[string]func(*requests) ([]*tfprotov6.Diagnostic, error){
		"validate": func(r *requests) ([]*tfprotov6.Diagnostic, error) {
			answer, err := p.server.ValidateResourceConfig(b.Context(), &r.validate)
			return answer.Diagnostics, err
		},
		"read": func(r *requests) ([]*tfprotov6.Diagnostic, error) {
			answer, err := p.server.ReadResource(b.Context(), &r.read)
			return answer.Diagnostics, err
		},
		"plan": func(r *requests) ([]*tfprotov6.Diagnostic, error) {
			answer, err := p.server.PlanResourceChange(b.Context(), &r.plan)
			return answer.Diagnostics, err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if diags, err := one(&all[i%count]); err != nil || len(diags) > 0 {
					b.Fatal(err, rules.Printed(diags))
				}
			}
		})
	}
}
