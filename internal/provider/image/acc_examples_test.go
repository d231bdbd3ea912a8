package image_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		t.Run("packer-images", func(t *testing.T) {
			t.Parallel()
			s := newSite(t, s.cloud)
			november := s.images.Create(acceptance.Attributes{"name": "windows-11-2026-11", "hw_firmware_type": "bios", "packer_build_log_url": "https://ci.example/1"})
			before := s.metadataOf(november)
			w := acceptance.NewWorkspace(t, acceptance.Options{Environment: s.cloud.Environment(acceptance.UserDemo, acceptance.RegionOne)})
			w.Write("main.tf", strings.ReplaceAll(example(t, "packer-images/main.tf"), `{ cloud = "production" }`, "{}"))
			w.SetEnvironment("TF_VAR_owner", s.cloud.Users[acceptance.UserDemo].ProjectID)
			w.Apply().MustSucceed(t).MustContain(t, `remove /packer_build_log_url`)
			golden := map[string]any{"hw_firmware_type": "uefi", "min_disk": 64, "os_secure_boot": "required", "packer_build_log_url": nil, "tags": []string{"golden"}}
			s.expect(t, november, golden)
			noop(t, w)

			// A month later.
			time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // The service tells times to the second.
			december := s.images.Create(acceptance.Attributes{"name": "windows-11-2026-12", "hw_firmware_type": "bios"})
			found := s.metadataOf(december)
			w.Apply().MustSucceed(t).MustContain(t, "0 to add, 1 to change, 0 to destroy")
			s.expect(t, december, golden)
			s.expect(t, november, golden)
			noop(t, w)
			w.Destroy().MustSucceed(t)
			equalJSON(t, "the image of december after destroy", s.metadataOf(december), found)
			if after := s.metadataOf(november); fmt.Sprint(after) == fmt.Sprint(before) {
				t.Error("the image of november lost what it had")
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
