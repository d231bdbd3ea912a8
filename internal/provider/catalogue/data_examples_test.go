package catalogue_test

import (
	"path/filepath"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/datasource"

	tested "github.com/imageops/terraform-provider-imageops/internal/provider/catalogue"
)

// TestAccDataExamples applies the example of every data source, and finds what it
// is about in its output.
func TestAccDataExamples(t *testing.T) {
	t.Parallel()
	outputs := map[string]string{
		"imageops_virtual_center":           `vcenter = "vcenter.demo.example, version 8.0.2"`,
		"imageops_datacenter":               `datacenter_id = "datacenter-1001"`,
		"imageops_base_vm":                  `system" = "Microsoft Windows 11 (64-bit)"`,
		"imageops_base_snapshot":            `"newest" = "/v1/v2/v3/v1 of `,
		"imageops_image_management_stream":  `usable = true`,
		"imageops_image_management_version": `status = "AVAILABLE"`,
		"imageops_image_management_tag":     `production = "v1"`,
		"imageops_image_management_asset":   `snapshot_id = "snapshot-1005"`,
		"imageops_desktop_pool":             `"pending" = false`,
	}
	pod := newDataWorld(t, "")
	for _, constructor := range tested.DataSources() {
		var about datasource.MetadataResponse
		constructor().Metadata(t.Context(), datasource.MetadataRequest{ProviderTypeName: "imageops"}, &about)
		t.Run(about.TypeName, func(t *testing.T) {
			t.Parallel()
			if outputs[about.TypeName] == "" {
				t.Fatal("nothing is said about the output of this example")
			}
			w := pod.workspace(t, example(t, filepath.Join("data-sources", about.TypeName, "data-source.tf")))
			w.Apply().MustSucceed(t).MustContain(t, outputs[about.TypeName])
		})
	}
}
