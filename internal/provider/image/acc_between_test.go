package image_test

import (
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// TestAccBetweenPlanAndApply saves a plan, lets something happen to the image,
// and applies: what is sent, said and left is fixed for every combination.
func TestAccBetweenPlanAndApply(t *testing.T) {
	const (
		old, wanted, third = "old", "wanted", "third"
		inconsistent       = "Provider produced inconsistent final plan"
		conflict           = "image metadata: somebody else changed it"
		overwritten        = "Image metadata of somebody else was overwritten"
	)
	type expectation struct {
		fails string         // a text of the error, "" for success
		warns string         // a text of a warning
		sends int            // patches
		image map[string]any // keys of the image afterwards; nil when it is gone
	}
	events := []struct {
		name   string
		happen func(s *site, id string)
		expect map[string]expectation // by "create fail", "update overwrite", ...
	}{
		{"another value", func(s *site, id string) { s.images.Set(id, "/k", third) }, map[string]expectation{
			"create fail":      {fails: inconsistent, image: map[string]any{"k": third}},
			"create overwrite": {sends: 1, image: map[string]any{"k": wanted}},
			"update fail":      {fails: conflict, image: map[string]any{"k": third}},
			"update overwrite": {warns: overwritten, sends: 1, image: map[string]any{"k": wanted}},
		}},
		{"the wanted value", func(s *site, id string) { s.images.Set(id, "/k", wanted) }, map[string]expectation{
			"create fail":      {fails: inconsistent, image: map[string]any{"k": wanted}},
			"create overwrite": {image: map[string]any{"k": wanted}},
			"update fail":      {image: map[string]any{"k": wanted}},
			"update overwrite": {image: map[string]any{"k": wanted}},
		}},
		{"the owned key removed", func(s *site, id string) { s.images.Remove(id, "/k") }, map[string]expectation{
			"create fail":      {fails: inconsistent, image: map[string]any{"k": nil}},
			"create overwrite": {sends: 1, image: map[string]any{"k": wanted}},
			"update fail":      {fails: conflict, image: map[string]any{"k": nil}},
			"update overwrite": {warns: overwritten, sends: 1, image: map[string]any{"k": wanted}},
		}},
		{"a foreign key added", func(s *site, id string) { s.images.Set(id, "/foreign", "theirs") }, map[string]expectation{
			"create fail":      {sends: 1, image: map[string]any{"k": wanted, "foreign": "theirs"}},
			"create overwrite": {sends: 1, image: map[string]any{"k": wanted, "foreign": "theirs"}},
			"update fail":      {sends: 1, image: map[string]any{"k": wanted, "foreign": "theirs"}},
			"update overwrite": {sends: 1, image: map[string]any{"k": wanted, "foreign": "theirs"}},
		}},
		{"the image deleted", func(s *site, id string) { s.images.Delete(id) }, map[string]expectation{
			"create fail":      {fails: "Image not found"},
			"create overwrite": {fails: "Image not found"},
			"update fail":      {fails: "The image was deleted in between"},
			"update overwrite": {fails: "The image was deleted in between"},
		}},
		{"nothing", func(*site, string) {}, map[string]expectation{
			"create fail":      {sends: 1, image: map[string]any{"k": wanted}},
			"create overwrite": {sends: 1, image: map[string]any{"k": wanted}},
			"update fail":      {sends: 1, image: map[string]any{"k": wanted}},
			"update overwrite": {sends: 1, image: map[string]any{"k": wanted}},
		}},
	}
	onEach(t, func(t *testing.T, s *site) {
		for _, event := range events {
			for _, verb := range []string{"create", "update"} {
				for _, policy := range []string{"fail", "overwrite"} {
					want := event.expect[verb+" "+policy]
					t.Run(event.name+", "+verb+", "+policy, func(t *testing.T) {
						t.Parallel()
						s := newSite(t, s.cloud)
						id := s.images.Create(acceptance.Attributes{"k": "found"})
						w := s.workspace(t)
						body := "  on_conflict = \"" + policy + "\"\n"
						if verb == "update" {
							metadata(w, id, body+`  properties = { k = "old" }`)
							w.Apply().MustSucceed(t)
						}
						metadata(w, id, body+`  properties = { k = "wanted" }`)
						w.PlanSaved("saved.plan").MustSucceed(t)
						after, unknown := planned(t, w, "saved.plan", this)
						if hidden, _ := unknown["planned_patch"].(bool); hidden != (verb == "create" && policy == "overwrite") {
							t.Errorf("planned_patch unknown: %v", hidden)
						}
						stateBefore := w.State().Resources[this]
						s.proxy.Reset()

						event.happen(s, id)
						r := w.ApplySaved("saved.plan")
						if want.fails != "" {
							r.MustFail(t, want.fails)
						} else {
							r.MustSucceed(t)
						}
						if want.warns != "" {
							r.MustContain(t, want.warns)
						}
						bodies := s.sent()
						if len(bodies) != want.sends {
							t.Errorf("%d patches were sent, want %d: %v", len(bodies), want.sends, bodies)
						}
						if text, ok := after["planned_patch"].(string); ok && event.name == "nothing" && bodies[0] != text {
							t.Errorf("sent %s, planned %s", bodies[0], text)
						}
						if want.image != nil {
							s.expect(t, id, want.image)
						}
						if want.fails == "" {
							noop(t, w)
						} else {
							equalJSON(t, "the state after the failure", w.State().Resources[this], stateBefore)
						}
						if want.fails == conflict {
							r.MustContain(t, "/k was", "Nothing was sent", `"wanted"`)
							w.Apply().MustSucceed(t)
							s.expect(t, id, map[string]any{"k": wanted})
						}
					})
				}
			}
		}
	})
}
