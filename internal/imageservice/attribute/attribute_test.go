package attribute_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func TestTheTableIsComplete(t *testing.T) {
	names, keys := map[string]bool{}, map[string]bool{}
	for i := range attribute.Table {
		a := &attribute.Table[i]
		at := fmt.Sprint(a.Section == attribute.IMS, a.Name)
		if names[at] || keys[a.Key] {
			t.Errorf("%s stands twice", a.Name)
		}
		names[at], keys[a.Key] = true, true
		for _, description := range []string{a.Description, a.Result} {
			if description != "" && (!strings.HasSuffix(description, ".") || len(description) < 20) && a.Section != attribute.Apart {
				t.Errorf("%s: the description is no sentence: %q", a.Name, description)
			}
		}
		if a.Description == "" || a.Source == "" {
			t.Errorf("%s has no description or no source", a.Name)
		}
		if a.Kind == attribute.Integer && a.Settable != nil && a.Max == 0 {
			t.Errorf("%s has no greatest number", a.Name)
		}
		if a.Kind == attribute.Set && a.Settable != nil && len(a.OneOf) == 0 {
			t.Errorf("%s has no values", a.Name)
		}
		for _, key := range a.Excludes {
			if attribute.ByKey(key) == nil {
				t.Errorf("%s excludes %s, which has no row", a.Name, key)
			}
		}
		if a.Section == attribute.IMS && a.Name != strings.TrimLeft(a.Key, "_") {
			t.Errorf("%s is %s on the wire", a.Name, a.Key)
		}
		if !attribute.Describes(a.Key) {
			t.Errorf("%s is not found by its key", a.Name)
		}
	}
	for _, a := range attribute.Arguments {
		if attribute.ByKey(a.Key) != a {
			t.Errorf("%s is not found by its key", a.Name)
		}
		if a.Settable[attribute.OpenStack] == "" {
			t.Errorf("%s cannot be set on OpenStack", a.Name)
		}
	}
}

func TestNamesThatCannotBeProperties(t *testing.T) {
	for key, says := range map[string]string{
		"name": "name = ...", "os_hidden": "hidden = ...", "min_ram": "argument of its own", "protected": "argument of its own", "tags": "tags = [...]",
		"visibility": "argument of its own",
		"id":         "computes", "checksum": "computes", "stores": "computes", "os_hash_value": "computes", "direct_url": "computes",
		"deleted": "for itself", "location": "for itself", "os_glance": "os_glance", "os_glance_importing": "os_glance", "os_glancex": "os_glance",
		"owner": "administrator", "disk_format": "before the image has data", "locations": "its data",
		"helper": "stores nothing", "__init__": "stores nothing", "extra_properties": "stores nothing", "image_id": "stores nothing", "__weakref__": "stores nothing", "__firstlineno__": "stores nothing",
		"": "empty", " a": "blanks", "a\u00a0": "blanks", "a\x1f": "blanks", "a\xff": "UTF-8",
		"a\U0001F600": "four-byte", strings.Repeat("é", 256): "256 characters",
	} {
		if err := attribute.CheckProperty(key); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want an error with %q", key, err, says)
		}
	}
}

func TestNamesThatCanBeProperties(t *testing.T) {
	for _, key := range []string{
		"os_distro", "os_version", "os_type", "os_shutdown_timeout", "hw_firmware_type", "hw_vif_multiqueue_enabled", "__os_bit", "__support_kvm", "max_ram",
		"metadata", "hidden", "active_at", "properties", "image", "a/b", "a~b", "a b", "é", "日本", "A", "-", "0", strings.Repeat("é", 255), "__x", "____", "\ufeffa",
	} {
		if err := attribute.CheckProperty(key); err != nil {
			t.Errorf("%.40q: %v", key, err)
		}
	}
}

func TestTags(t *testing.T) {
	for tag, ok := range map[string]bool{"golden": true, "": true, " a ": true, "a/b": true, strings.Repeat("é", 255): true, strings.Repeat("a", 256): false, "\U0001F600": false} {
		if err := attribute.CheckTag(tag); (err == nil) != ok {
			t.Errorf("%.40q: %v", tag, err)
		}
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		pointer patch.Pointer
		a, b    patch.Value
		want    bool
	}{
		{"/min_ram", "128", "128.0", true},
		{"/min_ram", "128", `"128"`, true},
		{"/min_ram", "128", "129", false},
		{"/min_ram", "0", patch.Absent, false},
		{"/protected", "true", `"true"`, true},
		{"/hw_vif_multiqueue_enabled", `"true"`, `"True"`, true},
		{"/hw_vif_multiqueue_enabled", `"true"`, `"false"`, false},
		{"/hw_vif_multiqueue_enabled", `"maybe"`, `"perhaps"`, false},
		{"/custom", `"true"`, `"True"`, false},
		{"/custom", `"1"`, `1`, false},
		{"/name", `"a"`, `"A"`, false},
		{"/name", "null", "null", true},
		{"/tags/a", `"a"`, patch.Absent, false},
	} {
		if got := attribute.Equal(c.pointer, c.a, c.b); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestWhatCanBeWrittenBack(t *testing.T) {
	for _, c := range []struct {
		pointer patch.Pointer
		value   patch.Value
		want    bool
	}{
		{"/name", "null", true},
		{"/visibility", "null", false},
		{"/min_ram", "0", true},
		{"/custom", "null", false},
		{"/custom", "1", false},
		{"/custom", `""`, true},
		{"/custom", patch.Absent, true},
		{"/tags/a", `"a"`, true},
	} {
		if got := attribute.Writable(c.pointer, c.value); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestThePropertyQuotaCountsCustomPropertiesOnly(t *testing.T) {
	d := patch.Document{
		"/name": `"n"`, "/id": `"i"`, "/os_hidden": "false", "/stores": `"fs"`, "/owner": `"o"`, "/tags/a": `"a"`, "/os_glance_x": `"x"`,
		"/hw_firmware_type": `"uefi"`, "/custom": `"c"`, "/null": "null",
	}
	if n := attribute.Properties(d); n != 3 {
		t.Errorf("%d properties, want 3", n)
	}
}
