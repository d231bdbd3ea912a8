package image_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// untouched fails the test when something was sent, or the image is not as before.
func (s *site) untouched(t *testing.T, id string, before map[string]any) {
	t.Helper()
	if writes := s.proxy.Writes(); len(writes) != 0 {
		t.Errorf("sent %v", writes)
	}
	equalJSON(t, "the image", s.metadataOf(id), before)
}

func TestAccImportThenDestroySendsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{
			"name": "golden", "visibility": "private", "min_ram": 512, "tags": []string{"a", "b"}, "hw_firmware_type": "uefi",
			"hw_vif_multiqueue_enabled": "true", "os_distro": "ubuntu",
		})
		before := s.metadataOf(id)
		w := s.workspace(t)
		metadata(w, id, `
  name                      = "golden"
  visibility                = "private"
  protected                 = false
  hidden                    = false
  min_disk                  = 0
  min_ram                   = 512
  tags                      = ["a", "b"]
  hw_firmware_type          = "uefi"
  hw_vif_multiqueue_enabled = true
  properties                = { os_distro = "ubuntu" }`)
		w.Import(this, id).MustSucceed(t)
		imported := w.Attributes(this)
		want := map[string]any{
			"image_id": id, "name": "golden", "visibility": "private", "protected": false, "hidden": false, "min_disk": 0, "min_ram": 512,
			"tags": []string{"a", "b"}, "tags_exclusive": false, "hw_firmware_type": "uefi", "hw_vif_multiqueue_enabled": true,
			"properties": map[string]any{"os_distro": "ubuntu"}, "sensitive_properties": nil, "ims": nil,
			"on_destroy": "restore", "on_conflict": "fail", "timeouts": nil,
			"planned_patch": "[]", "planned_changes": []any{}, "restore_patch": "[]", "sensitive_restore_patch": "[]",
		}
		equalJSON(t, "what import put into state", imported, want)
		noop(t, w)
		w.Destroy().MustSucceed(t)
		s.untouched(t, id, before)
		if found := w.State().Resources[this]; found != nil {
			t.Errorf("after destroy the state has %v", found)
		}
	})
}

func TestAccImportOfChosenKeys(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		odd := map[string]string{
			"a/b": "slash", "c,d": "comma", "50%": "percent", "%2F": "looks encoded", "til~de": "tilde", "~1": "looks escaped", "schön": "umlaut", "日本": "wide",
			"a b": "blank", "plus+": "plus", "q?#&": "reserved",
		}
		attributes := acceptance.Attributes{"foreign": "theirs", "hw_firmware_type": "uefi", "min_ram": 512, "tags": []string{"a"}}
		keys := []string{"min_ram", "hw_firmware_type", "tags", "os_hidden"}
		var lines []string
		for key, value := range odd {
			attributes[key] = value
			keys = append(keys, strings.ReplaceAll(url.PathEscape(key), ",", "%2C"))
			lines = append(lines, fmt.Sprintf("    %q = %q", key, value))
		}
		slices.Sort(keys)
		slices.Sort(lines)
		id := s.images.Create(attributes)
		before := s.metadataOf(id)
		w := s.workspace(t)
		metadata(w, id, "  hidden = false\n  min_ram = 512\n  hw_firmware_type = \"uefi\"\n  tags = [\"a\"]\n  properties = {\n"+strings.Join(lines, "\n")+"\n  }")
		w.Import(this, id+"/"+strings.Join(keys, ",")).MustSucceed(t)
		imported := w.Attributes(this)
		equalJSON(t, "properties in state", imported["properties"], odd)
		for name, want := range map[string]any{"min_ram": 512, "hw_firmware_type": "uefi", "tags": []string{"a"}, "hidden": false, "name": nil, "visibility": nil, "min_disk": nil, "protected": nil} {
			equalJSON(t, name+" in state", imported[name], want)
		}
		noop(t, w)
		s.untouched(t, id, before)
	})
}

func TestAccImportGeneratesAConfigurationThatPlansEmpty(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for name, attributes := range map[string]acceptance.Attributes{
			"odd keys and values": {
				"name": `golden ${x} "image"`, "tags": []string{"a", "ü", "with blank", `"quoted"`, "${x}", "x/y"}, "hw_firmware_type": "bios", "hw_vif_multiqueue_enabled": "false",
				"metadata": "m", "hidden": "h", "properties": "p", "Name": "n", "size_bytes": "s", "image": "i", "null": "n", "true": "t", "12": "number",
				"${x}": "${y}", "%{if}": "%{for}", "a\nb": "line\nbreak", `quo"te`: `"quoted"`, `back\slash`: `\n`, "a/b~c": "pointer", "tab\there": "\ttab\t",
				"схема": "значение", "with blank": " outer blanks ", "empty": "", "heredoc": "one\ntwo\n", "json": `{"a": [1, null]}`, "__os_bit": "64", "$${x}": "$${y}",
			},
			"next to nothing": {"name": nil, "kernel_id": nil, "ramdisk_id": nil},
			"values that a typed attribute cannot hold": {"hw_firmware_type": "coreboot", "hw_vif_multiqueue_enabled": "True", "min_ram": 1<<31 - 1, "protected": true, "os_hidden": true},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				own := *s
				own.proxy = acceptance.NewProxy(t, s.cloud.Regions[acceptance.RegionOne])
				id := s.images.Create(attributes)
				before := s.metadataOf(id)
				w := own.workspace(t)
				w.Write("import.tf", fmt.Sprintf("import {\n  to = %s\n  id = %q\n}\n", this, id))
				w.Plan("-generate-config-out=generated.tf").MustSucceed(t).MustContain(t, "Plan: 1 to import, 0 to add, 0 to change, 0 to destroy.")
				generated, err := os.ReadFile(filepath.Join(w.Folder(), "generated.tf"))
				if err != nil {
					t.Fatal(err)
				}
				w.PlanSaved("import.plan").MustSucceed(t).MustContain(t, "Plan: 1 to import, 0 to add, 0 to change, 0 to destroy.")
				w.ApplySaved("import.plan").MustSucceed(t).MustContain(t, "Resources: 1 imported, 0 added, 0 changed, 0 destroyed.")
				noop(t, w)
				own.untouched(t, id, before)
				if t.Failed() {
					t.Logf("the generated configuration:\n%s", generated)
				}
			})
		}
	})
}

func TestAccImportPutsAKeyWhereNothingOfItIsLost(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for _, c := range []struct{ firmware, multiqueue, wantFirmware, wantMultiqueue, wantProperties string }{
			{"uefi", "true", "uefi", "true", ""},
			{"coreboot", "True", "", "", "hw_firmware_type=coreboot hw_vif_multiqueue_enabled=True"},
			{"UEFI", "yes", "", "", "hw_firmware_type=UEFI hw_vif_multiqueue_enabled=yes"},
		} {
			id := s.images.Create(acceptance.Attributes{"hw_firmware_type": c.firmware, "hw_vif_multiqueue_enabled": c.multiqueue})
			imported, diags := configured(t, s.signIn(acceptance.UserDemo, acceptance.RegionOne)).importByID(id)
			quiet(t, diags)
			multiqueue := ""
			if v := memberOf(t, imported.state, "hw_vif_multiqueue_enabled"); !v.IsNull() {
				var on bool
				if err := v.As(&on); err != nil {
					t.Fatal(err)
				}
				multiqueue = fmt.Sprint(on)
			}
			got := []string{imported.text(t, "hw_firmware_type"), multiqueue, strings.Join(textsOf(t, imported.state, "properties"), " ")}
			equalJSON(t, fmt.Sprintf("what %q and %q became", c.firmware, c.multiqueue), got, []string{c.wantFirmware, c.wantMultiqueue, c.wantProperties})
		}
	})
}

func TestAccImportThenDropAKey(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"foo": "theirs", "os_distro": "ubuntu", "min_ram": 512, "tags": []string{"a", "b"}})
		before := s.metadataOf(id)
		w := s.workspace(t)
		metadata(w, id, "  min_ram = 512\n  tags = [\"a\", \"b\"]\n  properties = { foo = \"theirs\", os_distro = \"ubuntu\" }")
		w.Import(this, id+"/foo,os_distro,min_ram,tags").MustSucceed(t)
		metadata(w, id, "  tags = [\"a\"]\n  properties = { os_distro = \"ubuntu\" }")
		w.PlanSaved("drop.plan").MustSucceed(t)
		after, _ := planned(t, w, "drop.plan", this)
		equalJSON(t, "planned_patch", after["planned_patch"], "[]")
		equalJSON(t, "planned_changes", after["planned_changes"], []string{"release /foo (left as it is)", "release /min_ram (left as it is)", "release /tags/b (left as it is)"})
		w.ApplySaved("drop.plan").MustSucceed(t)
		noop(t, w)
		found := w.Attributes(this)
		equalJSON(t, "restore_patch", found["restore_patch"], "[]")
		equalJSON(t, "properties in state", found["properties"], map[string]any{"os_distro": "ubuntu"})
		equalJSON(t, "min_ram in state", found["min_ram"], nil)
		s.untouched(t, id, before)
	})
}

func TestAccImportThenChangeAKey(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"foo": "theirs", "os_distro": "ubuntu", "min_ram": 512, "tags": []string{"a"}})
		before := s.metadataOf(id)
		w := s.workspace(t)
		metadata(w, id, "  min_ram = 512\n  tags = [\"a\"]\n  properties = { foo = \"theirs\", os_distro = \"ubuntu\" }")
		w.Import(this, id+"/foo,os_distro,min_ram,tags").MustSucceed(t)
		metadata(w, id, "  min_ram = 1024\n  tags = [\"a\", \"b\"]\n  properties = { foo = \"ours\", os_distro = \"ubuntu\" }")
		w.Apply().MustSucceed(t).MustContain(t, `replace /foo \"theirs\" -> \"ours\"`, "replace /min_ram 512 -> 1024", "add /tags/b")
		want := `[{"op":"test","path":"/foo","value":"ours"},{"op":"replace","path":"/foo","value":"theirs"},` +
			`{"op":"test","path":"/min_ram","value":1024},{"op":"replace","path":"/min_ram","value":512},` +
			`{"op":"test","path":"/tags/b","value":"b"},{"op":"remove","path":"/tags/b"}]`
		equalJSON(t, "restore_patch", w.Attributes(this)["restore_patch"], want)
		noop(t, w)
		w.Destroy().MustSucceed(t)
		equalJSON(t, "the image after destroy", s.metadataOf(id), before)
	})
}

func TestAccImportThatCannotBe(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.Create(acceptance.Attributes{"foo": "theirs", "a/b": "x", "kernel_id": nil})
		foreign := s.cloud.Images(t, acceptance.UserOther, acceptance.RegionOne).Create(nil)
		before := s.metadataOf(id)
		absent := "00000000-0000-4000-8000-000000000000"
		demo := s.cloud.Users[acceptance.UserDemo]
		p := configured(t, s.signIn(acceptance.UserDemo, acceptance.RegionOne))
		for name, c := range map[string]struct {
			id    string
			texts []string
		}{
			"an image that is not there":            {absent, []string{absent, demo.ProjectID, acceptance.RegionOne, "deleted", "another project"}},
			"an image of another project":           {foreign, []string{foreign, demo.ProjectID, "another project"}},
			"a name":                                {"ubuntu-24.04", []string{`"ubuntu-24.04"`, "UUID", "IMAGE_ID/key1,key2"}},
			"nothing":                               {"", []string{"UUID"}},
			"a blank before the id":                 {" " + id, []string{"UUID"}},
			"keys without an id":                    {"/foo", []string{"UUID", "IMAGE_ID/key1,key2"}},
			"a slash without keys":                  {id + "/", []string{"IMAGE_ID/key1,key2"}},
			"an empty key":                          {id + "/foo,,bar", []string{"foo,,bar", "IMAGE_ID/key1,key2"}},
			"a broken percent code":                 {id + "/50%", []string{"50%", "percent", "IMAGE_ID/key1,key2"}},
			"a key that does not exist":             {id + "/foo,bar", []string{id, `"bar"`, "openstack image show"}},
			"a key that needs encoding":             {id + "/a,b", []string{`"a"`}},
			"an attribute's name instead of a key":  {id + "/hidden", []string{`"hidden"`, "on the wire"}},
			"properties instead of a key":           {id + "/properties", []string{`"properties"`, "on the wire"}},
			"the owner":                             {id + "/owner", []string{id, `"owner"`, "cannot be owned"}},
			"the stores":                            {id + "/stores", []string{`"stores"`, "cannot be owned"}},
			"the checksum":                          {id + "/checksum", []string{`"checksum"`, "cannot be owned"}},
			"the status":                            {id + "/status", []string{`"status"`, "cannot be owned"}},
			"the container format":                  {id + "/container_format", []string{`"container_format"`, "cannot be owned"}},
			"a value that is null":                  {id + "/kernel_id", []string{`"kernel_id"`, "null", "cannot be owned"}},
			"a key with an outer blank, not there":  {id + "/foo%20", []string{`"foo "`}},
			"a tag instead of tags":                 {id + "/tags%2Fgolden", []string{`"tags/golden"`}},
			"an id of the wrong length before keys": {id[1:] + "/foo", []string{"UUID"}},
		} {
			t.Run(name, func(t *testing.T) {
				imported, diags := p.importByID(c.id)
				soleError(t, diags, "", c.texts...)
				if imported.exists() {
					t.Errorf("the failed import has a state: %s", imported.state)
				}
			})
		}
		w := s.workspace(t)
		metadata(w, id, `  properties = { foo = "theirs" }`)
		oneError(t, w.Import(this, id+"/foo,stores"), "", id, `"stores"`, "cannot be owned")
		if found := w.State().Resources[this]; found != nil {
			t.Errorf("a failed import left %v in state", found)
		}
		s.untouched(t, id, before)
	})
}
