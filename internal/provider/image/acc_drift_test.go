package image_test

import (
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

func TestAccDriftThenDestroyLeavesTheColleaguesValue(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for _, how := range []string{"at once", "after a refresh-only apply"} {
			t.Run(how, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, s.cloud)
				id := s.images.Create(acceptance.Attributes{"a": "original", "b": "original"})
				w := s.workspace(t)
				metadata(w, id, `  properties = { a = "ours", b = "ours", c = "ours" }`)
				w.Apply().MustSucceed(t)
				s.images.Set(id, "/a", "colleague's")
				s.images.Remove(id, "/c")
				if how != "at once" {
					w.Apply("-refresh-only").MustSucceed(t)
				}
				r := w.Destroy().MustSucceed(t)
				if n := strings.Count(r.Text(), "Warning: Image metadata was left as it is"); n != 1 {
					t.Errorf("%d warnings, want one:\n%s", n, r.Stdout)
				}
				r.MustContain(t, `/a is "colleague's", this resource wrote "ours" and had found "original"`)
				s.expect(t, id, map[string]any{"a": "colleague's", "b": "original", "c": nil})
			})
		}
	})
}

func TestAccAKeyFoundEqualAndWrittenBackKeepsItsOriginal(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"k": "same", "n": "original"})
		w := s.workspace(t)
		metadata(w, id, `  properties = { k = "same", n = "ours" }`)
		w.Apply().MustSucceed(t)
		restore := w.Attributes(this)["restore_patch"]
		s.images.Set(id, "/k", "drift")
		s.images.Set(id, "/n", "drift")
		w.Apply().MustSucceed(t)
		s.expect(t, id, map[string]any{"k": "same", "n": "ours"})
		equalJSON(t, "restore_patch after drift was written back", w.Attributes(this)["restore_patch"], restore)
		// The same drift once more: the plan must show it once more.
		s.images.Set(id, "/k", "drift")
		s.images.Set(id, "/n", "drift")
		w.PlanSaved("again.plan").MustSucceed(t).MustContain(t, `replace /k \"drift\" -> \"same\"`)
		w.ApplySaved("again.plan").MustSucceed(t)
		noop(t, w)
		w.Destroy().MustSucceed(t)
		s.expect(t, id, map[string]any{"k": "same", "n": "original"})
	})
}

func TestAccForeignKeysAndTagsSurvive(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"going": "theirs", "staying": "theirs", "tags": []string{"going", "staying"}})
		w := s.workspace(t)
		metadata(w, id, `  properties = { k = "1" }`+"\n"+`  tags = ["golden"]`)
		w.Apply().MustSucceed(t)
		metadata(w, id, `  properties = { k = "2" }`+"\n"+`  tags = ["golden", "silver"]`)
		w.PlanSaved("saved.plan").MustSucceed(t)
		s.images.Remove(id, "/going")
		s.images.Set(id, "/coming", "theirs")
		s.images.RemoveTag(id, "going")
		s.images.AddTag(id, "coming")
		w.ApplySaved("saved.plan").MustSucceed(t)
		s.expect(t, id, map[string]any{"k": "2", "going": nil, "coming": "theirs", "staying": "theirs", "tags": []string{"coming", "golden", "silver", "staying"}})
		noop(t, w)
		w.Destroy().MustSucceed(t)
		s.expect(t, id, map[string]any{"k": nil, "coming": "theirs", "staying": "theirs", "tags": []string{"coming", "staying"}})
	})
}

func TestAccOnDestroy(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for rule, want := range map[string]map[string]any{
			"restore": {"replaced": "theirs", "added": nil, "equal": "same", "gone": "theirs", "min_ram": 0, "tags": []string{"shared"}},
			"remove":  {"replaced": "ours", "added": nil, "equal": "same", "gone": nil, "min_ram": 64, "tags": []string{"shared"}},
			"keep":    {"replaced": "ours", "added": "ours", "equal": "same", "gone": nil, "min_ram": 64, "tags": []string{"golden", "shared"}},
		} {
			for _, how := range []string{"destroy", "release"} {
				t.Run(rule+", "+how, func(t *testing.T) {
					t.Parallel()
					s := newSite(t, s.cloud)
					id := s.images.Create(acceptance.Attributes{"replaced": "theirs", "equal": "same", "gone": "theirs", "tags": []string{"shared"}})
					w := s.workspace(t)
					settings := `  on_destroy = "` + rule + `"` + "\n"
					metadata(w, id, settings+`  min_ram = 64
  tags       = ["golden", "shared"]
  properties = { replaced = "ours", added = "ours", equal = "same", gone = null }`)
					w.Apply().MustSucceed(t)
					s.expect(t, id, map[string]any{"gone": nil, "added": "ours"})
					noop(t, w)
					if how == "destroy" {
						w.Destroy().MustSucceed(t)
						s.expect(t, id, want)
						return
					}
					metadata(w, id, settings+`  hw_firmware_type = "uefi"`)
					w.PlanSaved("saved.plan").MustSucceed(t)
					after, _ := planned(t, w, "saved.plan", this)
					s.proxy.Reset()
					w.ApplySaved("saved.plan").MustSucceed(t)
					equalJSON(t, "what was sent", s.sent(), []string{after["planned_patch"].(string)})
					s.expect(t, id, want)
					noop(t, w)
				})
			}
		}
	})
}

func TestAccTagsExclusive(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"tags": []string{"foreign", "shared"}})
		w := s.workspace(t)
		metadata(w, id, `  tags = ["golden", "shared"]`+"\n"+`  tags_exclusive = true`)
		w.Apply().MustSucceed(t).MustContain(t, "remove /tags/foreign")
		s.expect(t, id, map[string]any{"tags": []string{"golden", "shared"}})
		noop(t, w)
		s.images.AddTag(id, "late")
		w.Apply().MustSucceed(t).MustContain(t, "remove /tags/late")
		s.expect(t, id, map[string]any{"tags": []string{"golden", "shared"}})
		noop(t, w)
		w.Destroy().MustSucceed(t)
		s.expect(t, id, map[string]any{"tags": []string{"foreign", "shared"}})
	})
}

func TestAccASettingIsChangedWithoutARequest(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"k": "original"})
		w := s.workspace(t)
		metadata(w, id, `  properties = { k = "ours" }`)
		w.Apply().MustSucceed(t)
		metadata(w, id, `  properties = { k = "ours" }
  on_destroy  = "keep"
  on_conflict = "overwrite"
  timeouts    = { update = "1m" }`)
		w.PlanSaved("saved.plan").MustSucceed(t).MustContain(t, "1 to change")
		after, _ := planned(t, w, "saved.plan", this)
		if after["planned_patch"] != "[]" {
			t.Errorf("planned_patch is %v", after["planned_patch"])
		}
		s.proxy.Reset()
		w.ApplySaved("saved.plan").MustSucceed(t)
		if requests := s.proxy.Requests("", ""); len(requests) != 0 {
			t.Errorf("%d requests: %s %s", len(requests), requests[0].Method, requests[0].Path)
		}
		noop(t, w)
		w.Destroy().MustSucceed(t)
		s.expect(t, id, map[string]any{"k": "ours"})
	})
}

func TestAccAConfigurationThatAcceptsDriftOwnsIt(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"k": "original"})
		w := s.workspace(t)
		metadata(w, id, `  properties = { k = "ours" }`)
		w.Apply().MustSucceed(t)
		s.images.Set(id, "/k", "better")
		metadata(w, id, `  properties = { k = "better" }`)
		s.proxy.Reset()
		w.Apply().MustSucceed(t)
		if sent := s.sent(); len(sent) != 0 {
			t.Errorf("sent %v", sent)
		}
		noop(t, w)
		w.Destroy().MustSucceed(t)
		s.expect(t, id, map[string]any{"k": "original"})
	})
}
