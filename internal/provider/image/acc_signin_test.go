package image_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

func TestAccWaysToSignIn(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		demo := s.cloud.Users[acceptance.UserDemo]
		credential := s.cloud.ApplicationCredential
		token := s.cloud.Token(t, s.cloud.AuthURL, acceptance.UserDemo)

		folder := t.TempDir()
		write := func(name, content string) {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("clouds.yaml", fmt.Sprintf(`clouds:
  split:
    region_name: %s
    auth:
      auth_url: %s
      username: %s
      project_name: %s
      user_domain_name: %s
      project_domain_name: %s
`, acceptance.RegionOne, s.cloud.AuthURL, demo.Name, demo.Project, demo.DomainName, demo.DomainName))
		write("secure.yaml", fmt.Sprintf("clouds:\n  split:\n    auth:\n      password: %s\n", demo.Password))

		for name, c := range map[string]struct {
			environment map[string]string
			arguments   []string
			secret      string
		}{
			"application credential": {map[string]string{
				"OS_AUTH_TYPE": "v3applicationcredential", "OS_AUTH_URL": s.cloud.AuthURL, "OS_REGION_NAME": acceptance.RegionOne,
				"OS_APPLICATION_CREDENTIAL_ID": credential.ID, "OS_APPLICATION_CREDENTIAL_SECRET": credential.Secret,
			}, nil, credential.Secret},
			"clouds.yaml and secure.yaml": {map[string]string{"OS_CLIENT_CONFIG_FILE": filepath.Join(folder, "clouds.yaml")},
				[]string{`cloud = "split"`}, demo.Password},
			"a bare token": {map[string]string{"OS_TOKEN": token, "OS_AUTH_URL": s.cloud.AuthURL}, []string{fmt.Sprintf("region = %q", acceptance.RegionOne)}, token},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				id := s.images.Create(acceptance.Attributes{"os_distro": "debian"})
				environment := maps.Clone(c.environment)
				environment["TF_LOG"] = "TRACE"
				w := acceptance.NewWorkspace(t, acceptance.Options{Environment: environment})
				s.provider(w, append(c.arguments, `verify_after = "0s"`)...)
				metadata(w, id, `  properties = { os_distro = "ubuntu" }`)
				w.Apply().MustSucceed(t)
				s.expect(t, id, map[string]any{"os_distro": "ubuntu"})
				if files := w.FilesContaining(c.secret); len(files) != 0 {
					t.Errorf("the secret stands in %v", files)
				}
			})
		}

		// The rarer forms, without a terraform around them.
		id := s.images.Create(nil)
		base := object{"auth_url": s.cloud.AuthURL, "region": acceptance.RegionOne, "verify_after": "0s"}
		for name, arguments := range map[string]object{
			"ids instead of names": {"user_id": demo.ID, "password": demo.Password, "project_id": demo.ProjectID},
			"one domain for both":  {"username": demo.Name, "password": demo.Password, "project_name": demo.Project, "domain_name": demo.DomainName},
			"application credential by name": {"username": demo.Name, "user_domain_id": demo.DomainID,
				"application_credential_name": credential.Name, "application_credential_secret": credential.Secret},
			"a token for its own project": {"token": token, "project_id": demo.ProjectID},
		} {
			t.Run(name, func(t *testing.T) {
				section := maps.Clone(base)
				maps.Copy(section, arguments)
				imported, diags := configured(t, object{"image_service": section}).importByID(id)
				quiet(t, diags)
				if got := textOf(t, imported.state, "image_id"); got != id {
					t.Errorf("imported %s, want %s", got, id)
				}
			})
		}
	})
}

func TestAccAnEntryOfCloudsYAMLThatDoesNotWork(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for name, c := range map[string]struct {
			file, cloud string
			texts       []string
		}{
			"no such entry":       {s.cloud.CloudsYAML, "nowhere", []string{`"nowhere"`, "clouds.yaml", "admin, broken, demo, other, reader"}},
			"an incomplete entry": {s.cloud.CloudsYAML, "broken", []string{"auth_url", "Keystone"}},
			"no such file":        {"/nonexistent/clouds.yaml", "demo", []string{`"demo"`, "/nonexistent/clouds.yaml", "OS_CLIENT_CONFIG_FILE"}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := acceptance.NewWorkspace(t, acceptance.Options{Environment: map[string]string{"OS_CLIENT_CONFIG_FILE": c.file}})
				s.provider(w, fmt.Sprintf("cloud = %q", c.cloud))
				metadata(w, thisMonth, `  name = "n"`)
				oneError(t, w.Plan(), "", c.texts...)
			})
		}
	})
}

func TestAccAMemberWithoutRights(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		mine := func(region string, attributes acceptance.Attributes) string {
			return s.cloud.Images(t, acceptance.UserDemo, region).Create(attributes)
		}
		community := mine(acceptance.RegionOne, acceptance.Attributes{"visibility": "community", "os_distro": "debian"})
		before := s.metadataOf(community)
		w := s.workspace(t)
		for name, value := range s.cloud.Environment(acceptance.UserOther, acceptance.RegionOne) {
			w.SetEnvironment(name, value)
		}
		metadata(w, community, "  min_ram = 64\n  properties = { os_distro = \"ubuntu\" }")
		w.PlanSaved("foreign.plan").MustSucceed(t)
		oneError(t, w.ApplySaved("foreign.plan"), "", community, "403", "You do not own this image", "belongs to another project", "Sign in as a member of the project that owns it")
		equalJSON(t, "the community image", s.metadataOf(community), before)
		if found := w.State().Resources[this]; found != nil {
			t.Errorf("a create that was refused left %v in state", found)
		}

		for name, c := range map[string]struct {
			user, region, id string
			texts            []string
		}{
			"a public image": {acceptance.UserDemo, acceptance.RegionOne,
				s.cloud.Images(t, acceptance.UserAdmin, acceptance.RegionOne).Create(acceptance.Attributes{"visibility": "public"}),
				[]string{"403", "belongs to another project", "Sign in as a member"}},
			"a community image": {acceptance.UserOther, acceptance.RegionTwo, mine(acceptance.RegionTwo, acceptance.Attributes{"visibility": "community"}),
				[]string{"403", "belongs to another project", "Sign in as a member"}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				refusedWrite(t, s, c.user, c.region, c.id, c.texts...)
			})
		}
	})
}

// refusedWrite fails the test unless the image service refuses user's change of
// an image, with nothing written and nothing in state.
func refusedWrite(t *testing.T, s *site, user, region, id string, texts ...string) {
	t.Helper()
	images := s.cloud.Images(t, acceptance.UserAdmin, region)
	before := images.Get(id)
	p := configured(t, with(s.signIn(user, region), object{"endpoint": nil}))
	planned, diags := p.plan(instance{}, object{"image_id": id, "min_ram": 64, "tags": []any{"golden"}, "properties": object{"os_distro": "ubuntu"}})
	quiet(t, diags)
	after, diags := p.apply(planned)
	soleError(t, diags, "", append(texts, id)...)
	if after.exists() {
		t.Errorf("a create that was refused left a state: %s", after.state)
	}
	equalJSON(t, "the image", images.Get(id), before)
}

// Glance's older rules let a reader write; the newer ones hold in RegionTwo.
func TestAccAReader(t *testing.T) {
	clouds := map[string]func(testing.TB) *acceptance.Cloud{"OpenStack": acceptance.OpenStack, "Simulator": func(t testing.TB) *acceptance.Cloud {
		cloud, _ := acceptance.Simulator(t, simulator.Options{Policy: simulator.PolicySecureRBAC})
		return cloud
	}}
	for name, cloud := range clouds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, cloud(t))
			id := s.cloud.Images(t, acceptance.UserDemo, acceptance.RegionTwo).Create(nil)
			refusedWrite(t, s, acceptance.UserReader, acceptance.RegionTwo, id, "403", "modify_image", "not allowed", "role")
		})
	}
}

func TestAccPasswordOutlivesAToken(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"os_distro": "debian"})
		keystone := acceptance.NewProxy(t, s.cloud.ShortLivedAuthURL)
		w := s.workspace(t)
		w.SetEnvironment("OS_AUTH_URL", keystone.URL())
		metadata(w, id, "  min_ram = 64\n  properties = { os_distro = \"ubuntu\" }")
		s.proxy.Before(acceptance.Match{Method: http.MethodPatch, Nth: 1}, acceptance.Delay(pastTheEnd(s.cloud)))
		w.Apply().MustSucceed(t)
		s.expect(t, id, map[string]any{"os_distro": "ubuntu", "min_ram": 64})
		patches := s.proxy.Requests(http.MethodPatch, "")
		if len(patches) != 2 || patches[0].Forwarded != http.StatusUnauthorized || patches[1].Forwarded != http.StatusOK {
			t.Fatalf("want a patch refused with 401 and one accepted, got %+v", patches)
		}
		if patches[0].Body != patches[1].Body || patches[0].Header.Get("X-Auth-Token") == patches[1].Header.Get("X-Auth-Token") {
			t.Errorf("want the same patch with another token:\n%+v\n%+v", patches[0], patches[1])
		}
		// The plan's, the apply's, and the one after the refusal; a renewal ahead of time may replace it.
		if n := len(keystone.Requests(http.MethodPost, "")); n < 3 || n > 4 {
			t.Errorf("%d sign-ins, want 3 or 4", n)
		}
		if found := w.State().Resources[this]; found == nil {
			t.Error("there is no state")
		}
	})
}

// pastTheEnd is how long a short-lived token lives at most, and then some for
// the caches of the image service's workers.
func pastTheEnd(cloud *acceptance.Cloud) time.Duration {
	return time.Duration(cloud.ShortLivedSeconds)*time.Second + 2*time.Second
}

func TestAccABareTokenThatExpires(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		first := s.images.Create(acceptance.Attributes{"os_distro": "debian"})
		second := s.images.Create(acceptance.Attributes{"os_distro": "debian"})
		before := s.metadataOf(second)
		config := func(id string) object {
			return object{"image_id": id, "min_ram": 64, "tags": []any{"golden"}, "properties": object{"os_distro": "ubuntu"}}
		}
		bare := func(authURL, token string) object {
			return with(s.signIn(acceptance.UserDemo, acceptance.RegionOne), object{
				"auth_url": authURL, "token": token, "username": nil, "password": nil, "project_name": nil, "user_domain_name": nil, "project_domain_name": nil,
			})
		}
		s.proxy.Before(acceptance.Match{Method: http.MethodPatch, Nth: 2}, acceptance.Delay(pastTheEnd(s.cloud)))
		issued := time.Now()
		token := s.cloud.Token(t, s.cloud.ShortLivedAuthURL, acceptance.UserDemo)
		p := configured(t, bare(s.cloud.ShortLivedAuthURL, token))
		p.applied(instance{}, config(first))
		planned, diags := p.plan(instance{}, config(second))
		quiet(t, diags)
		after, diags := p.apply(planned)
		soleError(t, diags, "", second, "token expired at ", "1 of 2 changes", "half written", "run again with a new token")
		if after.exists() {
			t.Errorf("a create that wrote nothing left a state: %s", after.state)
		}
		text := rules.Printed(diags)
		if strings.Contains(text, token) {
			t.Errorf("the error shows the token:%s", text)
		}
		moment := regexp.MustCompile(`expired at (\S+?),`).FindStringSubmatch(text)
		if moment == nil {
			t.Fatalf("the error names no moment:%s", text)
		}
		end, err := time.Parse(time.RFC3339, moment[1])
		if lifetime := time.Duration(s.cloud.ShortLivedSeconds) * time.Second; err != nil || end.Before(issued.Add(lifetime-2*time.Second)) || end.After(issued.Add(lifetime+2*time.Second)) {
			t.Errorf("the error says that the token expired at %s, issued at %s for %s (%v)", moment[1], issued, lifetime, err)
		}
		equalJSON(t, "the image that was not reached", s.metadataOf(second), before)
		s.expect(t, first, map[string]any{"os_distro": "ubuntu", "min_ram": 64, "tags": []string{"golden"}})

		// A run that begins with it says so at once, and one with a new token completes the work.
		_, diags = configured(t, bare(s.cloud.ShortLivedAuthURL, token)).plan(instance{}, config(second))
		soleError(t, diags, "", "does not accept the token", "expired", "get a new one")
		configured(t, bare(s.cloud.AuthURL, s.cloud.Token(t, s.cloud.AuthURL, acceptance.UserDemo))).applied(instance{}, config(second))
		s.expect(t, second, map[string]any{"os_distro": "ubuntu", "min_ram": 64, "tags": []string{"golden"}})
	})
}

func TestAccNotFoundFromAnotherPlaceIsNotGone(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"os_distro": "debian"})
		w := s.workspace(t)
		metadata(w, id, `  properties = { os_distro = "ubuntu" }`)
		w.Apply().MustSucceed(t)
		kept := w.Attributes(this)
		before := s.metadataOf(id)
		s.proxy.Reset()

		signIn := func(user, region string) {
			for name, value := range s.cloud.Environment(user, region) {
				w.SetEnvironment(name, value)
			}
		}
		demo, other := s.cloud.Users[acceptance.UserDemo], s.cloud.Users[acceptance.UserOther]
		refused := func(r acceptance.Result, texts ...string) {
			t.Helper()
			oneError(t, r, "", append(texts, id, "is not visible from", "it was managed from", "Sign in as before", "terraform state rm")...)
		}
		signIn(acceptance.UserOther, acceptance.RegionOne)
		places := []string{other.Project, other.ProjectID, demo.Project, demo.ProjectID, acceptance.RegionOne}
		refused(w.Plan(), places...)
		refused(w.Run("apply", "-no-color", "-auto-approve", "-refresh-only"), places...)
		refused(w.Destroy(), places...)
		refused(w.Destroy("-refresh=false"), places...)

		// RegionTwo has an image service of its own; the catalogue knows where.
		s.provider(w, `verify_after = "50ms"`)
		signIn(acceptance.UserDemo, acceptance.RegionTwo)
		places = []string{demo.ProjectID, acceptance.RegionOne, acceptance.RegionTwo}
		refused(w.Plan(), places...)
		refused(w.Destroy("-refresh=false"), places...)

		// A change, of a state that was not read before it.
		metadata(w, id, `  properties = { os_distro = "alma" }`)
		oneError(t, w.Apply("-refresh=false"), "", id, "404", "deleted in between, or cannot be seen with these credentials")

		s.untouched(t, id, before)
		equalJSON(t, "the state after all that", w.Attributes(this), kept)
		signIn(acceptance.UserDemo, acceptance.RegionOne)
		w.Destroy().MustSucceed(t)
		s.expect(t, id, map[string]any{"os_distro": "debian"})
	})
}

func TestAccNotFoundFromTheSamePlaceIsGone(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		managed := func(t *testing.T) (*acceptance.Workspace, string) {
			t.Helper()
			id := s.images.Create(acceptance.Attributes{"os_distro": "debian"})
			w := s.workspace(t)
			metadata(w, id, `  properties = { os_distro = "ubuntu" }`)
			w.Apply().MustSucceed(t)
			s.images.Delete(id)
			return w, id
		}
		t.Run("plan", func(t *testing.T) {
			t.Parallel()
			w, id := managed(t)
			// No more than a warning: terraform destroy makes this plan, too, before its own.
			r := w.Plan().MustSucceed(t).MustContain(t, "1 to add", "Warning: Image is gone", id, "was deleted", "give the ID of another image, or remove the resource")
			if !strings.Contains(r.Text(), `2: image_id`) {
				t.Errorf("the warning does not point at image_id:\n%s", r.Stdout)
			}
			oneError(t, w.Apply(), "image_id", id, "Image not found", "deleted")
			if found := w.State().Resources[this]; found != nil {
				t.Errorf("after the failed apply the state has %v", found)
			}
		})
		t.Run("refresh", func(t *testing.T) {
			t.Parallel()
			w, _ := managed(t)
			w.Run("apply", "-no-color", "-auto-approve", "-refresh-only").MustSucceed(t)
			if found := w.State().Resources[this]; found != nil {
				t.Errorf("after a refresh the state has %v", found)
			}
		})
		t.Run("destroy", func(t *testing.T) {
			t.Parallel()
			w, _ := managed(t)
			w.Destroy().MustSucceed(t)
			if found := w.State().Resources[this]; found != nil {
				t.Errorf("after destroy the state has %v", found)
			}
		})
		t.Run("dropped from the configuration", func(t *testing.T) {
			t.Parallel()
			w, _ := managed(t)
			w.Write("main.tf", "")
			w.Apply().MustSucceed(t)
			if found := w.State().Resources[this]; found != nil {
				t.Errorf("after the apply the state has %v", found)
			}
		})
		t.Run("destroy without a refresh", func(t *testing.T) {
			t.Parallel()
			w, _ := managed(t)
			w.Destroy("-refresh=false").MustSucceed(t)
			if found := w.State().Resources[this]; found != nil {
				t.Errorf("after destroy the state has %v", found)
			}
		})
		t.Run("who looks, and at which address, is not the place", func(t *testing.T) {
			t.Parallel()
			id := s.images.Create(nil)
			demo := s.signIn(acceptance.UserDemo, acceptance.RegionOne)
			made := configured(t, demo).applied(instance{}, object{"image_id": id, "name": "golden"})
			s.images.Delete(id)
			for name, arguments := range map[string]object{
				"the same":         demo,
				"another user":     s.signIn(acceptance.UserReader, acceptance.RegionOne),
				"another address":  with(demo, object{"endpoint": acceptance.NewProxy(t, s.cloud.Regions[acceptance.RegionOne]).URL() + "/v2/"}),
				"by the catalogue": with(demo, object{"endpoint": nil}),
			} {
				read, diags := configured(t, arguments).read(made)
				quiet(t, diags)
				if read.exists() {
					t.Errorf("%s: the image is gone, and the state is %s", name, read.state)
				}
			}
		})
	})
}

func TestAccOnlyNotFoundRemovesFromState(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(nil)
		demo := s.signIn(acceptance.UserDemo, acceptance.RegionOne)
		made := configured(t, demo).applied(instance{}, object{"image_id": id, "name": "golden"})
		for _, status := range []int{
			http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone,
			http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
		} {
			t.Run(http.StatusText(status), func(t *testing.T) {
				s.proxy.Reset()
				s.proxy.Before(acceptance.Match{Method: http.MethodGet}, acceptance.Respond(status, nil, "somebody else's words"))
				read, diags := configured(t, demo).read(made)
				soleError(t, diags, "", id, fmt.Sprint(status), "somebody else's words")
				if !read.exists() || !read.state.Equal(made.state) {
					t.Errorf("the state became %s", read.state)
				}
			})
		}
	})
}
