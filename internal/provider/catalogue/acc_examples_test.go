package catalogue_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// TestAccResourceExamples applies the example of every resource, and imports what
// it made in each of the ways that its page shows. (By identity takes a newer
// Terraform: see TestImportByIdentity.)
func TestAccResourceExamples(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	for _, kind := range []string{"stream", "version", "tag", "asset"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join("resources", "imageops_image_management_"+kind)
			pod := acceptance.HorizonPod(t, simulator.Options{})
			w := workspace(t, pod, example(t, filepath.Join(folder, "resource.tf")))
			w.Apply().MustSucceed(t)
			noop(t, w)

			block := example(t, filepath.Join(folder, "import-by-string-id.tf"))
			address := regexp.MustCompile(`to = (\S+)`).FindStringSubmatch(block)[1]
			made := idOf(t, w, address)
			w.Run("state", "rm", address).MustSucceed(t)
			w.Write("import.tf", id.ReplaceAllString(block, made))
			w.Apply().MustSucceed(t).MustContain(t, "1 imported, 0 added", "0 destroyed")
			noop(t, w)

			command := strings.TrimSpace(example(t, filepath.Join(folder, "import.sh")))
			fields := strings.Fields(strings.ReplaceAll(id.ReplaceAllString(command, made), "'", ""))
			if len(fields) != 4 || fields[2] != address {
				t.Fatalf("%q imports something else than %s", command, address)
			}
			w.Write("import.tf", "")
			w.Run("state", "rm", address).MustSucceed(t)
			w.Import(fields[2], fields[3]).MustSucceed(t)
			w.Destroy().MustSucceed(t)
			if pod.CatalogueObject(made) != nil {
				t.Error("it is still there")
			}
		})
	}
}
