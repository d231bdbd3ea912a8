package image_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// list matches the first request for a list of images by their ids.
var list = acceptance.Match{Method: http.MethodGet, Query: "id=in", Nth: 1}

// A few images, read together, of which the list is disturbed.
func TestAccListThatFails(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		ids := createMany(s.images, 4, func(int) acceptance.Attributes { return acceptance.Attributes{"os_distro": "debian"} })
		w := s.workspace(t)
		manyImages(t, w, ids, `  properties = { os_distro = "ubuntu" }`)
		w.Apply().MustSucceed(t)
		// A service as slow as one across a network: while it reads one image,
		// the others come together.
		slow := func() {
			s.proxy.Reset()
			s.proxy.Before(acceptance.Match{Method: http.MethodGet}, acceptance.Delay(100*time.Millisecond))
		}
		slow()
		w.Plan("-detailed-exitcode").MustSucceed(t)
		reads := s.proxy.Requests(http.MethodGet, "")
		if len(reads) >= len(ids) {
			t.Errorf("a plan over four images reads with %d requests", len(reads))
		}
		if agent := reads[0].Header.Get("User-Agent"); !strings.HasPrefix(agent, "terraform-provider-imageops/") {
			t.Errorf("the provider calls itself %q", agent)
		}

		for name, answer := range map[string]acceptance.Action{
			"refused":      acceptance.Respond(http.StatusForbidden, nil, `{"message":"no lists here","code":"403 Forbidden","title":"Forbidden"}`),
			"not known":    acceptance.Respond(http.StatusNotFound, nil, "404 page not found"),
			"a bad filter": acceptance.Respond(http.StatusBadRequest, nil, `{"message":"id","code":"400 Bad Request","title":"Bad Request"}`),
			"empty":        acceptance.Respond(http.StatusOK, nil, `{"images": []}`),
			"a web page":   acceptance.Respond(http.StatusOK, http.Header{"Content-Type": {"text/html"}}, "<html>sign in here</html>"),
			"reset once":   acceptance.ResetConnection(),
		} {
			slow()
			s.proxy.Before(list, answer)
			if result := w.Plan("-detailed-exitcode"); result.ExitCode != 0 {
				t.Errorf("%s: the plan ends with %d:\n%s", name, result.ExitCode, result.Text())
			}
			if !slices.ContainsFunc(s.proxy.Requests(http.MethodGet, ""), func(r acceptance.Request) bool { return strings.Contains(r.RawQuery, list.Query) }) {
				t.Errorf("%s: there was no list to disturb", name)
			}
		}

		// What fails for good fails for each, and nothing leaves the state.
		s.proxy.Reset()
		s.proxy.Before(acceptance.Match{Method: http.MethodGet}, acceptance.Respond(http.StatusInternalServerError, nil, `{"message":"the database is away","code":"500","title":"Internal Server Error"}`))
		result := w.Plan("-detailed-exitcode").MustFail(t, "Unable to read image metadata", "the database is away")
		for _, id := range ids {
			if !strings.Contains(result.Text(), id) {
				t.Errorf("the error does not name %s", id)
			}
		}
		s.proxy.Reset()
		w.Plan("-detailed-exitcode").MustSucceed(t)
	})
}

// TestAccInterruptedInAList is not parallel with others: it measures a second.
func TestAccInterruptedInAList(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		ids := createMany(s.images, 3, func(int) acceptance.Attributes { return acceptance.Attributes{"os_distro": "debian"} })
		w := s.workspace(t)
		s.verifyAfter(w, "20s")
		manyImages(t, w, ids, `  properties = { os_distro = "ubuntu" }`)
		w.PlanSaved("next.plan").MustSucceed(t)
		s.proxy.Reset()
		moment := newSignalled()
		s.proxy.After(acceptance.Match{Method: http.MethodPatch, Nth: 3}, acceptance.Call(moment.tell))
		process := w.Start("apply", "-no-color", "next.plan")
		moment.await(t)
		time.Sleep(settle)
		began := time.Now()
		process.Interrupt()
		process.Wait().MustFail(t, "execution halted")
		if took := time.Since(began) - s.busySince(began); took > time.Second {
			t.Errorf("terraform ended %v after the signal", took)
		}
		s.proxy.Reset()
		s.verifyAfter(w, "50ms")
		w.Apply().MustSucceed(t)
		for _, id := range ids {
			s.expect(t, id, map[string]any{"os_distro": "ubuntu"})
		}
		w.Destroy().MustSucceed(t)
		for _, id := range ids {
			s.expect(t, id, map[string]any{"os_distro": "debian"})
		}
	})
}
