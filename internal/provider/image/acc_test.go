package image_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// site is a cloud that acceptance tests run on, with the image service of
// RegionOne behind a proxy that records and disturbs.
type site struct {
	cloud  *acceptance.Cloud
	images *acceptance.Images // as the user demo, past the proxy
	proxy  *acceptance.Proxy
}

// onEach runs a test on every kind of cloud there is.
func onEach(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	clouds := map[string]func(testing.TB) *acceptance.Cloud{"OpenStack": acceptance.OpenStack, "Simulator": simulated}
	for name, cloud := range clouds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newSite(t, cloud(t)))
		})
	}
}

// simulated is a cloud of this process.
func simulated(t testing.TB) *acceptance.Cloud {
	cloud, _ := acceptance.Simulator(t, simulator.Options{})
	return cloud
}

func newSite(t *testing.T, cloud *acceptance.Cloud) *site {
	t.Helper()
	return &site{
		cloud:  cloud,
		images: cloud.Images(t, acceptance.UserDemo, acceptance.RegionOne),
		proxy:  acceptance.NewProxy(t, cloud.Regions[acceptance.RegionOne]),
	}
}

// workspace returns a workspace that signs in as demo and reaches the image
// service through the proxy. More arguments of image_service can be given.
func (s *site) workspace(t *testing.T, arguments ...string) *acceptance.Workspace {
	t.Helper()
	w := acceptance.NewWorkspace(t, acceptance.Options{Environment: s.cloud.Environment(acceptance.UserDemo, acceptance.RegionOne)})
	s.provider(w, append([]string{fmt.Sprintf("endpoint = %q", s.proxy.URL()), `verify_after = "50ms"`}, arguments...)...)
	return w
}

func (s *site) provider(w *acceptance.Workspace, arguments ...string) {
	w.Write("provider.tf", fmt.Sprintf(`
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
provider "imageops" {
  image_service = {
    %s
  }
}
`, strings.Join(arguments, "\n    ")))
}

// metadata writes the resource imageops_image_metadata.this.
func metadata(w *acceptance.Workspace, id, body string) {
	w.Write("main.tf", resourceText("this", id, body))
}

func resourceText(name, id, body string) string {
	return fmt.Sprintf("resource \"imageops_image_metadata\" %q {\n  image_id = %q\n%s\n}\n", name, id, body)
}

const this = "imageops_image_metadata.this"

// planned returns the attributes that a saved plan gives a resource, and which
// of them are unknown.
func planned(t *testing.T, w *acceptance.Workspace, file, address string) (after, unknown map[string]any) {
	t.Helper()
	for _, r := range w.ShowPlan(file).ResourceChanges {
		if r.Address == address {
			after, _ = r.Change.After.(map[string]any)
			unknown, _ = r.Change.AfterUnknown.(map[string]any)
			return after, unknown
		}
	}
	t.Fatalf("the plan does not name %s", address)
	return nil, nil
}

// sent returns the bodies of the patches that reached the image service.
func (s *site) sent() []string {
	var bodies []string
	for _, r := range s.proxy.Requests("PATCH", "") {
		bodies = append(bodies, r.Body)
	}
	return bodies
}

// expect compares keys of an image; a nil value says that the key is absent.
func (s *site) expect(t *testing.T, id string, want map[string]any) {
	t.Helper()
	image := s.images.Get(id)
	for _, key := range slices.Sorted(maps.Keys(want)) {
		got, there := image[key]
		if want[key] == nil {
			if there {
				t.Errorf("%s is %v, want it absent", key, got)
			}
			continue
		}
		if key == "tags" {
			got = sortedTags(got)
		}
		if fmt.Sprint(got) != fmt.Sprint(want[key]) {
			t.Errorf("%s is %v, want %v", key, got, want[key])
		}
	}
}

func sortedTags(v any) []string {
	list, _ := v.([]any)
	tags := make([]string, len(list))
	for i, tag := range list {
		tags[i] = fmt.Sprint(tag)
	}
	slices.Sort(tags)
	return tags
}

// metadataOf returns what a document owns for comparison: everything but what
// the service computes.
func (s *site) metadataOf(id string) map[string]any {
	image := s.images.Get(id)
	delete(image, "updated_at")
	image["tags"] = sortedTags(image["tags"])
	return image
}

func equalJSON(t *testing.T, what string, got, want any) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("%s is\n%s, want\n%s", what, g, w)
	}
}

// noop fails the test unless the plan is empty.
func noop(t *testing.T, w *acceptance.Workspace) {
	t.Helper()
	if r := w.Plan("-detailed-exitcode"); r.ExitCode != 0 {
		t.Errorf("the plan is not empty (exit code %d):\n%s%s", r.ExitCode, r.Stdout, r.Stderr)
	}
}

func TestAccLifecycle(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for _, dialect := range []string{"v2.1", "v2.0"} {
			t.Run(dialect, func(t *testing.T) {
				id := s.images.Create(acceptance.Attributes{"hw_firmware_type": "bios", "foreign": "theirs", "tags": []string{"foreign"}})
				before := s.metadataOf(id)
				proxied := *s
				proxied.proxy = acceptance.NewProxy(t, s.cloud.Regions[acceptance.RegionOne])
				proxied.lifecycle(t, id, dialect)
				equalJSON(t, "the image after destroy", s.metadataOf(id), before)
			})
		}
	})
}

func (s *site) lifecycle(t *testing.T, id, dialect string) {
	t.Helper()
	w := s.workspace(t, fmt.Sprintf("patch_format = %q", dialect))
	metadata(w, id, `
  hw_firmware_type = "uefi"
  min_ram          = 512
  tags             = ["golden"]
  properties       = { os_distro = "ubuntu", "a/b~c" = "odd" }`)
	w.PlanSaved("create.plan").MustSucceed(t).MustContain(t, `replace /hw_firmware_type \"bios\" -> \"uefi\"`, `add /tags/golden`)
	after, _ := planned(t, w, "create.plan", this)
	wantPatch := `[{"op":"add","path":"/a~1b~0c","value":"odd"},{"op":"replace","path":"/hw_firmware_type","value":"uefi"},` +
		`{"op":"replace","path":"/min_ram","value":512},{"op":"add","path":"/os_distro","value":"ubuntu"},{"op":"replace","path":"/tags","value":["foreign","golden"]}]`
	if got := after["planned_patch"]; got != wantPatch {
		t.Errorf("planned_patch is\n%s, want\n%s", got, wantPatch)
	}
	w.ApplySaved("create.plan").MustSucceed(t)
	if dialect == "v2.1" {
		equalJSON(t, "what was sent", s.sent(), []string{wantPatch})
	}
	s.expect(t, id, map[string]any{"hw_firmware_type": "uefi", "min_ram": 512, "os_distro": "ubuntu", "a/b~c": "odd", "foreign": "theirs", "tags": []string{"foreign", "golden"}})
	wantRestore := `[{"op":"test","path":"/a~1b~0c","value":"odd"},{"op":"remove","path":"/a~1b~0c"},` +
		`{"op":"test","path":"/hw_firmware_type","value":"uefi"},{"op":"replace","path":"/hw_firmware_type","value":"bios"},` +
		`{"op":"test","path":"/min_ram","value":512},{"op":"replace","path":"/min_ram","value":0},` +
		`{"op":"test","path":"/os_distro","value":"ubuntu"},{"op":"remove","path":"/os_distro"},` +
		`{"op":"test","path":"/tags/golden","value":"golden"},{"op":"remove","path":"/tags/golden"}]`
	if got := w.Attributes(this)["restore_patch"]; got != wantRestore {
		t.Errorf("restore_patch is\n%s, want\n%s", got, wantRestore)
	}

	s.proxy.Reset()
	noop(t, w)
	if writes := s.proxy.Writes(); len(writes) != 0 {
		t.Errorf("a plan without changes wrote: %v", writes)
	}

	// Change one, add one, release one.
	s.proxy.Reset()
	metadata(w, id, `
  hw_firmware_type = "uefi"
  min_ram          = 1024
  tags             = ["golden"]
  properties       = { os_distro = "ubuntu", os_version = "24.04" }`)
	w.PlanSaved("update.plan").MustSucceed(t).MustContain(t, "remove /a~1b~0c", "replace /min_ram 512 -> 1024", "add /os_version")
	after, _ = planned(t, w, "update.plan", this)
	w.ApplySaved("update.plan").MustSucceed(t)
	if dialect == "v2.1" {
		equalJSON(t, "what was sent", s.sent(), []string{after["planned_patch"].(string)})
	}
	s.expect(t, id, map[string]any{"min_ram": 1024, "os_version": "24.04", "a/b~c": nil, "os_distro": "ubuntu"})
	noop(t, w)

	// Drift made with another client.
	if s.cloud.CloudsYAML != "" {
		s.cloud.OpenStackCLI(t, acceptance.UserDemo, "image", "set", "--property", "os_version=22.04", "--min-ram", "2048", id)
	} else {
		s.images.Set(id, "/os_version", "22.04")
		s.images.Set(id, "/min_ram", 2048)
	}
	w.PlanSaved("drift.plan").MustSucceed(t).MustContain(t, `replace /os_version \"22.04\" -> \"24.04\"`, "replace /min_ram 2048 -> 1024")
	w.ApplySaved("drift.plan").MustSucceed(t)
	s.expect(t, id, map[string]any{"min_ram": 1024, "os_version": "24.04"})
	noop(t, w)

	w.Destroy().MustSucceed(t)
}
