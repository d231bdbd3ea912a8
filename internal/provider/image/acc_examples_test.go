package image_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
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
			pod := acceptance.HorizonPod(t, simulator.Options{})
			w := acceptance.NewWorkspace(t, acceptance.Options{Environment: s.cloud.Environment(acceptance.UserDemo, acceptance.RegionOne)})
			for name, value := range pod.Environment() {
				w.SetEnvironment(name, value)
			}
			w.SetEnvironment("TF_VAR_versions", fmt.Sprintf(`{"2026-10": {"image_id": %q, "snapshot": "v1"}}`, id))
			w.SetEnvironment("TF_VAR_production", "2026-10")
			w.SetEnvironment("TF_VAR_approved", "2026-10")
			w.Write("main.tf", example(t, "golden-image/main.tf"))
			w.Apply().MustSucceed(t).MustContain(t, `remove /pipeline \"42\"`)
			s.expect(t, id, map[string]any{"hw_firmware_type": "uefi", "pipeline": nil, "os_distro": "windows", "build_channel": "2026-10", "tags": []string{"golden", "weekly"}})
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

// TestAccCloudExamples applies the examples of the vendors' clouds as their users
// do: signed with an access key, and at the address that the service has here.
func TestAccCloudExamples(t *testing.T) {
	for name, on := range map[string]struct {
		flavor      simulator.Flavor
		writes      string // path of the patches
		environment func(s *simulator.Simulator, c *acceptance.Cloud) map[string]string
	}{
		"huaweicloud, permanent key": {simulator.FlavorHuaweiCloud, "/v2/cloudimages/", func(s *simulator.Simulator, c *acceptance.Cloud) map[string]string {
			key := s.AccessKey(acceptance.UserDemo)
			return map[string]string{"HW_ACCESS_KEY": key.ID, "HW_SECRET_KEY": key.Secret, "TF_VAR_project_id": c.Users[acceptance.UserDemo].ProjectID}
		}},
		"huaweicloud, temporary key": {simulator.FlavorHuaweiCloud, "/v2/cloudimages/", func(s *simulator.Simulator, c *acceptance.Cloud) map[string]string {
			key := s.TemporaryAccessKey(acceptance.UserDemo)
			return map[string]string{
				"HW_ACCESS_KEY": key.ID, "HW_SECRET_KEY": key.Secret, "HW_SECURITY_TOKEN": key.SecurityToken,
				"TF_VAR_project_id": c.Users[acceptance.UserDemo].ProjectID,
			}
		}},
		"opentelekomcloud, permanent key": {simulator.FlavorOpenTelekomCloud, "/v2/images/", func(s *simulator.Simulator, c *acceptance.Cloud) map[string]string {
			key := s.AccessKey(acceptance.UserDemo)
			return map[string]string{
				"TF_VAR_access_key": key.ID, "TF_VAR_secret_key": key.Secret,
				"TF_VAR_project_name": c.Users[acceptance.UserDemo].Project, "OS_AUTH_URL": c.AuthURL,
			}
		}},
		"opentelekomcloud, temporary key": {simulator.FlavorOpenTelekomCloud, "/v2/images/", func(s *simulator.Simulator, c *acceptance.Cloud) map[string]string {
			key := s.TemporaryAccessKey(acceptance.UserDemo)
			return map[string]string{
				"OS_ACCESS_KEY": key.ID, "OS_SECRET_KEY": key.Secret, "OS_SECURITY_TOKEN": key.SecurityToken,
				"TF_VAR_project_name": c.Users[acceptance.UserDemo].Project, "OS_AUTH_URL": c.AuthURL,
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, s := acceptance.Simulator(t, simulator.Options{Flavor: on.flavor})
			id := s.CreateImage(simulator.Image{Name: "windows-11-2026-11", MinDisk: 64, MinRAM: 2048, Tags: []string{"weekly"}, Attributes: map[string]any{
				"__os_type": "Windows", "__support_xen": "true", "hw_firmware_type": "bios", "max_ram": "32768", "pipeline": "42", "scanner": "clean",
			}})
			before := simulatedMetadata(s, id)
			w := acceptance.NewWorkspace(t, acceptance.Options{Environment: on.environment(s, c)})
			w.SetEnvironment("TF_VAR_endpoint", c.Regions[acceptance.RegionOne])
			w.SetEnvironment("TF_VAR_image_id", id)
			w.Write("main.tf", example(t, string(on.flavor)+"/main.tf"))
			w.Apply().MustSucceed(t).MustContain(t, `replace /max_ram \"32768\" -> \"65536\"`, `remove /__support_xen`, `remove /pipeline \"42\"`, "add /tags/stage=production")
			golden := simulatedMetadata(s, id)
			for key, want := range map[string]any{
				"name": "windows-11-golden", "__description": "Windows 11 for desktops, patched monthly", "hw_firmware_type": "uefi", "min_ram": 4096, "max_ram": "65536",
				"__is_config_init": "true", "__support_diskintensive": "true", "__support_xen": nil, "build_channel": "monthly", "pipeline": nil, "scanner": "clean",
				"tags": "[golden stage=production weekly]",
			} {
				if fmt.Sprint(golden[key]) != fmt.Sprint(want) {
					t.Errorf("%s is %v, want %v", key, golden[key], want)
				}
			}
			noop(t, w)
			w.Destroy().MustSucceed(t)
			equalJSON(t, "the image after destroy", simulatedMetadata(s, id), before)
			for _, r := range s.Requests() {
				if r.Method == http.MethodPatch && !strings.Contains(r.Path, on.writes) {
					t.Errorf("%s %s was sent, want it below %s", r.Method, r.Path, on.writes)
				}
			}
		})
	}
}

// simulatedMetadata is what the simulator holds of an image, for comparison:
// everything but what each write changes.
func simulatedMetadata(s *simulator.Simulator, id string) map[string]any {
	image := s.Document(id)
	delete(image, "updated_at")
	image["tags"] = sortedTags(image["tags"])
	return image
}
