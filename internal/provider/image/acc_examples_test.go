package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

const exampleID = "33ad552d-1149-471c-8190-ff6776174a00"

// example reads a file below examples/.
func example(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestAccExamples(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		t.Run("golden-image", func(t *testing.T) {
			t.Parallel()
			s := newSite(t, s.cloud)
			id := s.images.Create(acceptance.Attributes{"hw_firmware_type": "bios", "pipeline": "42", "tags": []string{"weekly"}})
			before := s.metadataOf(id)
			w := acceptance.NewWorkspace(t, acceptance.Options{Environment: s.cloud.Environment(acceptance.UserDemo, acceptance.RegionOne)})
			w.SetEnvironment("TF_VAR_image_id", id)
			w.Write("main.tf", example(t, "golden-image/main.tf"))
			w.Apply().MustSucceed(t).MustContain(t, `remove /pipeline \"42\"`)
			s.expect(t, id, map[string]any{"hw_firmware_type": "uefi", "pipeline": nil, "os_distro": "windows", "tags": []string{"golden", "weekly"}})
			noop(t, w)
			w.Destroy().MustSucceed(t)
			equalJSON(t, "the image after destroy", s.metadataOf(id), before)
		})
		t.Run("resource and import", func(t *testing.T) {
			t.Parallel()
			s := newSite(t, s.cloud)
			id := s.images.Create(acceptance.Attributes{"hw_firmware_type": "bios"})
			w := s.workspace(t)
			w.SetEnvironment("TF_VAR_image_id", id)
			w.Write("main.tf", example(t, "resources/imageops_image_metadata/resource.tf"))
			w.Write("import.tf", strings.ReplaceAll(example(t, "resources/imageops_image_metadata/import-by-string-id.tf"), exampleID, id))
			w.Apply().MustSucceed(t).MustContain(t, "1 imported")
			s.expect(t, id, map[string]any{"hw_firmware_type": "uefi", "min_ram": 4096, "os_distro": "windows", "tags": []string{"golden"}})
			noop(t, w)
			for _, line := range strings.Split(example(t, "resources/imageops_image_metadata/import.sh"), "\n") {
				fields := strings.Fields(strings.ReplaceAll(line, exampleID, id))
				if len(fields) < 4 || fields[0] != "terraform" {
					continue
				}
				w.Run("state", "rm", fields[2]).MustSucceed(t)
				w.Write("import.tf", "")
				w.Import(fields[2], fields[3]).MustSucceed(t)
			}
		})
		t.Run("provider", func(t *testing.T) {
			t.Parallel()
			w := acceptance.NewWorkspace(t, acceptance.Options{})
			w.Write("main.tf", example(t, "provider/provider.tf"))
			w.Run("validate").MustSucceed(t)
		})
	})
}
