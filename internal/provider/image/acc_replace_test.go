package image_test

import (
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

func TestAccAnotherImage(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		november := s.images.Create(acceptance.Attributes{"k": "november", "drop": "november"})
		december := s.images.Create(acceptance.Attributes{"k": "december", "tags": []string{"fresh"}})
		beforeDecember := s.metadataOf(december)
		w := s.workspace(t)
		metadata(w, november, `  properties = { k = "golden", drop = "ours" }`+"\n"+`  tags = ["golden"]`)
		w.Apply().MustSucceed(t)
		nextMonth := s.metadataOf(november)

		metadata(w, december, `  properties = { k = "golden" }`+"\n"+`  tags = ["golden"]`)
		w.PlanSaved("saved.plan").MustSucceed(t).MustContain(t, "~ image_id", "1 to change, 0 to destroy", `replace /k \"december\" -> \"golden\"`)
		after, _ := planned(t, w, "saved.plan", this)
		s.proxy.Reset()
		w.ApplySaved("saved.plan").MustSucceed(t)
		equalJSON(t, "what was sent", s.sent(), []string{after["planned_patch"].(string)})
		equalJSON(t, "the former image", s.metadataOf(november), nextMonth)
		s.expect(t, december, map[string]any{"k": "golden", "tags": []string{"fresh", "golden"}})
		if got := w.Attributes(this)["restore_patch"].(string); !strings.Contains(got, "december") || strings.Contains(got, "november") || strings.Contains(got, "drop") {
			t.Errorf("restore_patch is %s", got)
		}
		noop(t, w)
		w.Destroy().MustSucceed(t)
		equalJSON(t, "the new image after destroy", s.metadataOf(december), beforeDecember)
		equalJSON(t, "the former image after destroy", s.metadataOf(november), nextMonth)
	})
}

func TestAccReplaceKeepsTheOriginals(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for _, how := range []string{"-replace", "taint"} {
			t.Run(how, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, s.cloud)
				id := s.images.Create(acceptance.Attributes{"k": "original"})
				before := s.metadataOf(id)
				w := s.workspace(t)
				metadata(w, id, `  properties = { k = "golden", added = "x" }`+"\n"+`  tags = ["golden"]`)
				w.Apply().MustSucceed(t)
				golden := s.metadataOf(id)
				restore := w.Attributes(this)["restore_patch"]
				s.proxy.Reset()

				args := []string{"-replace=" + this}
				if how == "taint" {
					w.Run("taint", this).MustSucceed(t)
					args = nil
				}
				w.PlanSaved("saved.plan", args...).MustSucceed(t).MustContain(t, "1 to add, 0 to change, 1 to destroy")
				w.ApplySaved("saved.plan").MustSucceed(t).MustContain(t, "handed over")
				if sent := s.sent(); len(sent) != 0 {
					t.Errorf("a replacement by the same sent %v", sent)
				}
				equalJSON(t, "the image", s.metadataOf(id), golden)
				equalJSON(t, "restore_patch", w.Attributes(this)["restore_patch"], restore)
				noop(t, w)
				w.Destroy().MustSucceed(t)
				equalJSON(t, "the image after destroy", s.metadataOf(id), before)
			})
		}
	})
}

func TestAccCreateBeforeDestroy(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for name, config := range map[string]func(id, value string) string{
			"own": func(id, value string) string {
				return resourceText("this", id, `  properties = { k = "`+value+`" }
  lifecycle { create_before_destroy = true }`)
			},
			"inherited": func(id, value string) string {
				return resourceText("this", id, `  properties = { k = "`+value+`" }`) + `
resource "terraform_data" "dependent" {
  triggers_replace = imageops_image_metadata.this.properties
  lifecycle { create_before_destroy = true }
}`
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, s.cloud)
				id := s.images.Create(acceptance.Attributes{"k": "original"})
				w := s.workspace(t)
				w.Write("main.tf", config(id, "golden"))
				w.Apply().MustSucceed(t)
				w.Write("main.tf", config(id, "newer"))
				r := w.Apply("-replace=" + this).MustSucceed(t)
				r.MustContain(t, "Image metadata was not restored", `"value":"original"`)
				s.expect(t, id, map[string]any{"k": "newer"})
				noop(t, w)
				if got := w.Attributes(this)["restore_patch"].(string); !strings.Contains(got, "golden") {
					t.Errorf("restore_patch is %s: the new one found golden", got)
				}
			})
		}
	})
}

// TestAccRenamed renames a resource without a moved block: Terraform destroys
// one and creates another on the same image, in the order that it likes. The
// random histories play both orders.
func TestAccRenamed(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"k": "original"})
		config := `  properties = { k = "golden" }` + "\n" + `  tags = ["golden"]`
		w := s.workspace(t)
		metadata(w, id, config)
		w.Apply().MustSucceed(t)
		w.Write("main.tf", resourceText("renamed", id, config))
		w.PlanSaved("saved.plan").MustSucceed(t).MustContain(t, "1 to add, 0 to change, 1 to destroy")
		w.ApplySaved("saved.plan").MustSucceed(t)
		s.expect(t, id, map[string]any{"k": "golden", "tags": []string{"golden"}})
		noop(t, w)
	})
}

// TestAccTwoOnOneImage creates two resources on one image in one run: the plan
// of the second must not see what the first has written.
func TestAccTwoOnOneImage(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for name, order := range map[string]struct{ one, two string }{
			"at once": {"", ""},
			"a first": {"", "  depends_on = [imageops_image_metadata.a]\n"},
			"b first": {"  depends_on = [imageops_image_metadata.b]\n", ""},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, s.cloud)
				id := s.images.Create(acceptance.Attributes{"tags": []string{"foreign"}})
				before := s.metadataOf(id)
				w := s.workspace(t)
				w.Write("main.tf", resourceText("a", id, `  tags = ["one"]`+"\n"+order.one)+resourceText("b", id, `  tags = ["two"]`+"\n"+`  min_ram = 64`+"\n"+order.two))
				w.Apply().MustSucceed(t)
				s.expect(t, id, map[string]any{"tags": []string{"foreign", "one", "two"}, "min_ram": 64})
				noop(t, w)
				w.Write("main.tf", resourceText("a", id, `  tags = ["one", "uno"]`+"\n"+order.one)+resourceText("b", id, `  tags = ["two", "dos"]`+"\n"+order.two))
				w.Apply().MustSucceed(t)
				s.expect(t, id, map[string]any{"tags": []string{"dos", "foreign", "one", "two", "uno"}, "min_ram": 0})
				noop(t, w)
				w.Destroy().MustSucceed(t)
				equalJSON(t, "the image after destroy", s.metadataOf(id), before)
			})
		}
	})
}
