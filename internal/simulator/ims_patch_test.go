package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// imsPatchCase is a patch of an active private image.
type imsPatchCase struct {
	name string
	// have are attributes of the image besides those that every image has.
	have map[string]any
	body string
	// code is the refusal, with status 400 unless status says otherwise; empty
	// for a success, after which attribute is want.
	code      string
	status    int
	attribute string
	want      any
	// only restricts the case to one path, flavor or assumption.
	path   string
	flavor Flavor
	assume string
}

func set(name, value string) string {
	return fmt.Sprintf(`[{"op":"add","path":"/%s","value":%s}]`, name, value)
}

func replace(name, value string) string {
	return fmt.Sprintf(`[{"op":"replace","path":"/%s","value":%s}]`, name, value)
}

func remove(name string) string {
	return fmt.Sprintf(`[{"op":"remove","path":"/%s","value":null}]`, name)
}

func (tc imsPatchCase) run(t *testing.T) {
	for _, flavor := range imsFlavors {
		for _, path := range []string{patchNative, patchVendor} {
			if tc.flavor != "" && tc.flavor != flavor || tc.path != "" && tc.path != path {
				continue
			}
			t.Run(fmt.Sprintf("%s%s%s", tc.name, path, flavor), func(t *testing.T) {
				var assumed []string
				if tc.assume != "" {
					assumed = []string{tc.assume}
				}
				c := newIMSCloud(t, flavor, assumed...)
				id := c.CreateImage(Image{Name: "golden", MinDisk: 40, Attributes: tc.have})
				before := c.Document(id)
				got := c.patchIMS("demo", path, id, tc.body)
				if tc.code != "" || tc.status != 0 {
					status := tc.status
					if status == 0 {
						status = 400
					}
					expectCode(t, got, status, tc.code)
					if fmt.Sprint(c.Document(id)) != fmt.Sprint(before) {
						t.Error("a refused patch has changed the image")
					}
					return
				}
				expect(t, got, 200, "")
				expectValue(t, got.value, tc.attribute, tc.want)
				stored := c.Document(id)
				expectValue(t, stored, tc.attribute, tc.want)
				// The wire types of the vendors' documents.
				if _, isText := stored["max_ram"].(string); stored["max_ram"] != nil && !isText {
					t.Errorf("max_ram is a %T", stored["max_ram"])
				}
				if _, isNumber := stored["min_ram"].(json.Number); !isNumber {
					t.Errorf("min_ram is a %T", stored["min_ram"])
				}
			})
		}
	}
}

func TestIMSPatchOperations(t *testing.T) {
	for _, tc := range []imsPatchCase{
		{name: "add", body: set("pipeline", `"nightly"`), attribute: "pipeline", want: "nightly"},
		{name: "add of a present one natively", path: patchNative, have: with(nil, "pipeline", "a"), body: set("pipeline", `"b"`), attribute: "pipeline", want: "b"},
		{name: "add of a present one", path: patchVendor, have: with(nil, "pipeline", "a"), body: set("pipeline", `"b"`), code: "IMG.0035"},
		{name: "add of a present one", path: patchVendor, assume: "ims-add-present=replaces", have: with(nil, "pipeline", "a"), body: set("pipeline", `"b"`), attribute: "pipeline", want: "b"},
		{name: "replace", have: with(nil, "pipeline", "a"), body: replace("pipeline", `"b"`), attribute: "pipeline", want: "b"},
		{name: "replace of an absent one", body: replace("pipeline", `"b"`), code: "IMG.0035"},
		{name: "remove", have: with(nil, "pipeline", "a"), body: remove("pipeline"), attribute: "pipeline"},
		{name: "remove without a value natively", path: patchNative, have: with(nil, "pipeline", "a"), body: `[{"op":"remove","path":"/pipeline"}]`, attribute: "pipeline"},
		{name: "remove without a value", path: patchVendor, have: with(nil, "pipeline", "a"), body: `[{"op":"remove","path":"/pipeline"}]`, code: "IMG.0001"},
		{name: "remove without a value", path: patchVendor, assume: "ims-remove-value=optional", have: with(nil, "pipeline", "a"), body: `[{"op":"remove","path":"/pipeline"}]`, attribute: "pipeline"},
		{name: "remove with an empty value", have: with(nil, "pipeline", "a"), body: `[{"op":"remove","path":"/pipeline","value":""}]`, attribute: "pipeline"},
		{name: "remove of an absent one", body: remove("pipeline"), code: "IMG.0035"},
		{name: "absent one with Glance's errors", path: patchNative, assume: "ims-native-errors=glance", body: remove("pipeline"), status: 409},
		{name: "absent one with Glance's errors", path: patchVendor, assume: "ims-native-errors=glance", body: remove("pipeline"), code: "IMG.0035"},
		{name: "several, in their order", body: `[{"op":"add","path":"/a","value":"1"},{"op":"remove","path":"/a","value":""},{"op":"add","path":"/a","value":"2"}]`, attribute: "a", want: "2"},
		{name: "none of several when the last fails", body: `[{"op":"add","path":"/a","value":"1"},{"op":"remove","path":"/b","value":""}]`, code: "IMG.0035"},
		{name: "remove of the name", body: remove("name"), code: "IMG.0105"},
		{name: "no operations", body: `[]`, code: "IMG.0007"},
		{name: "no body", body: ``, code: "IMG.0007"},
		{name: "bad JSON", body: `[`, code: "IMG.0001"},
		{name: "an object", body: `{}`, code: "IMG.0001"},
		{name: "an operation that is none", body: `["x"]`, code: "IMG.0001"},
		{name: "another operation", body: `[{"op":"test","path":"/name","value":"x"}]`, code: "IMG.0001"},
		{name: "the other dialect", body: `[{"replace":"/name","value":"x"}]`, code: "IMG.0001"},
		{name: "a pointer without slash", body: `[{"op":"add","path":"x","value":"x"}]`, code: "IMG.0001"},
		{name: "a pointer that is none", body: `[{"op":"add","path":1,"value":"x"}]`, code: "IMG.0001"},
		{name: "a pointer of two", body: set("a/b", `"x"`), code: "IMG.0001"},
		{name: "add without a value", body: `[{"op":"add","path":"/x"}]`, code: "IMG.0001"},
		{name: "bad JSON with Glance's errors", path: patchNative, assume: "ims-native-errors=glance", body: `[`, status: 400},
	} {
		tc.run(t)
	}
}

func TestIMSPatchValues(t *testing.T) {
	long := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	for _, tc := range []imsPatchCase{
		{name: "name", body: replace("name", `"A-b.c_d 9"`), attribute: "name", want: "A-b.c_d 9"},
		{name: "longest name", body: replace("name", long(128)), attribute: "name", want: strings.Repeat("x", 128)},
		{name: "longer name", body: replace("name", long(129)), code: "IMG.0002"},
		{name: "name of other characters", body: replace("name", `"a/b"`), code: "IMG.0003"},
		{name: "name with outer blanks", body: replace("name", `" a"`), code: "IMG.0062"},
		{name: "empty name", body: replace("name", `""`), code: "IMG.0013"},
		{name: "null name", body: replace("name", `null`), code: "IMG.0001"},

		{name: "description", body: set("__description", `"What it is, and for whom"`), attribute: "__description", want: "What it is, and for whom"},
		{name: "longest description", body: set("__description", long(1024)), attribute: "__description", want: strings.Repeat("x", 1024)},
		{name: "longer description", body: set("__description", long(1025)), code: "IMG.0004"},
		{name: "description with a carriage return", body: set("__description", `"a\rb"`), code: "IMG.0054"},
		{name: "description with an opening bracket", body: set("__description", `"a<b"`), code: "IMG.0054"},
		{name: "description with a closing bracket", body: set("__description", `"a>b"`), code: "IMG.0054"},

		{name: "min_ram", body: replace("min_ram", `2048`), attribute: "min_ram", want: "2048"},
		{name: "min_ram as a string", body: replace("min_ram", `"2048"`), code: "IMG.0001"},
		{name: "min_ram as a string natively", path: patchNative, assume: "ims-min-ram=either", body: replace("min_ram", `"2048"`), code: "IMG.0001"},
		{name: "min_ram as a string", path: patchVendor, assume: "ims-min-ram=either", body: replace("min_ram", `"2048"`), attribute: "min_ram", want: "2048"},
		{name: "negative min_ram", body: replace("min_ram", `-1`), code: "IMG.0055"},
		{name: "min_ram with a fraction", body: replace("min_ram", `1.5`), code: "IMG.0001"},

		{name: "max_ram as a string", body: set("max_ram", `"4096"`), attribute: "max_ram", want: "4096"},
		{name: "max_ram as a number", path: patchVendor, body: set("max_ram", `4096`), attribute: "max_ram", want: "4096"},
		{name: "max_ram as a number natively", path: patchNative, body: set("max_ram", `4096`), code: "IMG.0001"},
		{name: "max_ram as a number", path: patchVendor, assume: "ims-max-ram=string", body: set("max_ram", `4096`), code: "IMG.0001"},
		{name: "max_ram as a string where numbers are", path: patchVendor, assume: "ims-max-ram=integer", body: set("max_ram", `"4096"`), code: "IMG.0001"},
		{name: "max_ram of nothing", body: set("max_ram", `"0"`), code: "IMG.0055"},

		{name: "firmware", body: set("hw_firmware_type", `"uefi"`), attribute: "hw_firmware_type", want: "uefi"},
		{name: "another firmware", body: set("hw_firmware_type", `"efi"`), code: "IMG.0141"},
		{name: "multiqueue", body: set("hw_vif_multiqueue_enabled", `"true"`), attribute: "hw_vif_multiqueue_enabled", want: "true"},
		{name: "multiqueue as a boolean", body: set("hw_vif_multiqueue_enabled", `true`), code: "IMG.0001"},
		{name: "multiqueue in capitals", body: set("hw_vif_multiqueue_enabled", `"True"`), code: "IMG.0001"},

		{name: "default enterprise project", path: patchNative, body: set("enterprise_project_id", `"0"`), attribute: "enterprise_project_id", want: "0"},
		{name: "blank enterprise project", path: patchNative, body: set("enterprise_project_id", `""`), attribute: "enterprise_project_id", want: ""},
		{name: "enterprise project", path: patchNative, body: set("enterprise_project_id", `"6f2a9c14-8d3b-4b7e-9e21-c05d4f7a1b38"`), attribute: "enterprise_project_id", want: "6f2a9c14-8d3b-4b7e-9e21-c05d4f7a1b38"},
		{name: "enterprise project of another form", path: patchNative, body: set("enterprise_project_id", `"finance"`), code: "IMG.0155"},

		{name: "shortest shutdown", body: set("os_shutdown_timeout", `"60"`), attribute: "os_shutdown_timeout", want: "60"},
		{name: "longest shutdown", body: set("os_shutdown_timeout", `"300"`), attribute: "os_shutdown_timeout", want: "300"},
		{name: "shorter shutdown", body: set("os_shutdown_timeout", `"59"`), code: "IMG.0001"},
		{name: "longer shutdown", body: set("os_shutdown_timeout", `"301"`), code: "IMG.0001"},

		{name: "support", body: set("__support_xen", `"true"`), attribute: "__support_xen", want: "true"},
		{name: "support that is false", body: set("__support_xen", `"false"`), code: "IMG.0001"},
		{name: "support that is false", assume: "ims-support-false=accepted", body: set("__support_xen", `"false"`), attribute: "__support_xen", want: "false"},
		{name: "type of GPU with KVM", body: set("__support_kvm_gpu_type", `"P100"`), attribute: "__support_kvm_gpu_type", want: "P100"},
		{name: "another type of GPU with KVM", body: set("__support_kvm_gpu_type", `"T4"`), code: "IMG.0001"},
		{name: "type of GPU with Xen", body: set("__support_xen_gpu_type", `"M60_vGPU"`), attribute: "__support_xen_gpu_type", want: "M60_vGPU"},
		{name: "another type of GPU with Xen", body: set("__support_xen_gpu_type", `"M60"`), code: "IMG.0001"},
		{name: "injection", body: set("__support_fc_inject", `"false"`), attribute: "__support_fc_inject", want: "false"},
		{name: "injection into a data disk", have: with(nil, "virtual_env_type", "DataImage"), body: set("__support_fc_inject", `"true"`), code: "IMG.0035"},

		{name: "extension", body: set("my_key.9", `"Any Text <b>"`), attribute: "my_key.9", want: "Any Text <b>"},
		{name: "extension in capitals", body: set("myKey", `"x"`), code: "IMG.0001"},
		{name: "extension that is null", body: set("mykey", `null`), code: "IMG.0001"},
		{name: "extension that is a number", body: set("mykey", `1`), code: "IMG.0001"},
		{name: "extension without a name", body: set("", `"x"`), code: "IMG.0001"},
	} {
		tc.run(t)
	}
}

func TestIMSExclusionsHoldOverTheMergedImage(t *testing.T) {
	for _, tc := range []imsPatchCase{
		{name: "both bases", have: with(nil, "__support_kvm", "true"), body: set("__support_xen", `"true"`), attribute: "__support_xen", want: "true"},
		{name: "Xen GPU beside KVM", have: with(nil, "__support_kvm", "true"), body: set("__support_xen_gpu_type", `"M60_vGPU"`), code: "IMG.0035"},
		{name: "KVM GPU beside KVM", have: with(nil, "__support_kvm", "true"), body: set("__support_kvm_gpu_type", `"P100"`), code: "IMG.0035"},
		{name: "KVM GPU beside Xen", have: with(nil, "__support_xen", "true"), body: set("__support_kvm_gpu_type", `"P100"`), code: "IMG.0035"},
		{name: "HANA beside KVM", have: with(nil, "__support_kvm", "true"), body: set("__support_xen_hana", `"true"`), code: "IMG.0035"},
		{name: "Xen beside HANA", have: with(nil, "__support_xen_hana", "true"), body: set("__support_xen", `"true"`), code: "IMG.0035"},
		{name: "infiniband beside Xen", have: with(nil, "__support_xen", "true"), body: set("__support_kvm_infiniband", `"true"`), code: "IMG.0035"},
		{name: "infiniband beside KVM", have: with(nil, "__support_kvm", "true"), body: set("__support_kvm_infiniband", `"true"`), attribute: "__support_kvm_infiniband", want: "true"},
		{name: "beside one that is false", have: with(nil, "__support_xen", "false"), body: set("__support_kvm_gpu_type", `"P100"`), attribute: "__support_kvm_gpu_type", want: "P100"},
		{name: "one gives way to the other", have: with(nil, "__support_xen", "true"),
			body: `[{"op":"add","path":"/__support_kvm_gpu_type","value":"P100"},{"op":"remove","path":"/__support_xen","value":""}]`, attribute: "__support_kvm_gpu_type", want: "P100"},
	} {
		tc.run(t)
	}
}

func TestIMSAttributesThatAPatchMayModify(t *testing.T) {
	const accepted = "ims-undocumented-attributes=accepted"
	for _, tc := range []imsPatchCase{
		{name: "KVM", flavor: FlavorHuaweiCloud, body: set("__support_kvm", `"true"`), attribute: "__support_kvm", want: "true"},
		{name: "KVM", flavor: FlavorOpenTelekomCloud, body: set("__support_kvm", `"true"`), code: "IMG.0105"},
		{name: "system attribute", body: replace("__os_bit", `"32"`), code: "IMG.0105"},
		{name: "system attribute", assume: accepted, body: replace("__os_bit", `"32"`), attribute: "__os_bit", want: "32"},
		{name: "system attribute of another value", assume: accepted, body: replace("__os_bit", `"16"`), code: "IMG.0001"},
		{name: "unknown attribute of the vendor's", body: set("__something", `"x"`), code: "IMG.0105"},
		{name: "unknown attribute of the vendor's", assume: accepted, body: set("__something", `"x"`), attribute: "__something", want: "x"},
		{name: "min_disk", body: replace("min_disk", `50`), code: "IMG.0105"},
		{name: "min_disk", assume: accepted, body: replace("min_disk", `50`), attribute: "min_disk", want: "50"},
		{name: "min_disk of a petabyte", assume: accepted, body: replace("min_disk", `1025`), code: "IMG.0055"},
		{name: "min_disk as a string", assume: accepted, body: replace("min_disk", `"50"`), code: "IMG.0001"},
		{name: "protected", body: replace("protected", `true`), code: "IMG.0105"},
		{name: "protected", assume: accepted, body: replace("protected", `true`), attribute: "protected", want: true},
		{name: "protected as a string", assume: accepted, body: replace("protected", `"true"`), code: "IMG.0001"},
		{name: "whole image", assume: accepted, body: set("__whole_image", `true`), attribute: "__whole_image", want: true},
		{name: "whole image as a string", assume: accepted, body: set("__whole_image", `"true"`), code: "IMG.0001"},
		{name: "visibility", body: replace("visibility", `"shared"`), code: "IMG.0105"},
		{name: "visibility", assume: accepted, body: replace("visibility", `"shared"`), attribute: "visibility", want: "shared"},
		{name: "visibility for all", assume: accepted, body: replace("visibility", `"public"`), code: "IMG.0026", status: 403},
		{name: "size in digits", assume: accepted, body: replace("__image_size", `"12"`), attribute: "__image_size", want: "12"},
		{name: "size in letters", assume: accepted, body: replace("__image_size", `"big"`), code: "IMG.0001"},
		{name: "read-only attribute", body: replace("status", `"queued"`), code: "IMG.0105"},
		{name: "read-only attribute", assume: accepted, body: replace("id", `"x"`), code: "IMG.0105"},
		{name: "read-only attribute with Glance's errors", path: patchNative, assume: "ims-native-errors=glance", body: replace("id", `"x"`), status: 403},
		{name: "reserved name", body: set("os_glance_x", `"x"`), code: "IMG.0105"},
		{name: "format", assume: accepted, body: replace("disk_format", `"raw"`), code: "IMG.0105"},
		{name: "tags", body: replace("tags", `["a=b"]`), code: "IMG.0105"},
		{name: "tags", assume: "ims-patch-tags=accepted", body: replace("tags", `["a=b"]`), attribute: "tags", want: []string{"a=b"}},
		{name: "bad tags", assume: "ims-patch-tags=accepted", body: replace("tags", `["a b"]`), code: "IMG.0115"},
		{name: "eleven tags", assume: "ims-patch-tags=accepted", body: replace("tags", `["a","b","c","d","e","f","g","h","i","j","k"]`), code: "IMG.0116"},
		{name: "listed attribute natively", path: patchNative, assume: "ims-native-attributes=custom", body: set("hw_firmware_type", `"uefi"`), code: "IMG.0105"},
		{name: "listed attribute", path: patchVendor, assume: "ims-native-attributes=custom", body: set("hw_firmware_type", `"uefi"`), attribute: "hw_firmware_type", want: "uefi"},
		{name: "name natively", assume: "ims-native-attributes=custom", body: replace("name", `"new"`), attribute: "name", want: "new"},
		{name: "description natively", assume: "ims-native-attributes=custom", body: set("__description", `"new"`), attribute: "__description", want: "new"},
		{name: "extension natively", assume: "ims-native-attributes=custom", body: set("pipeline", `"new"`), attribute: "pipeline", want: "new"},
	} {
		tc.run(t)
	}
}

func TestIMSMediaTypesOfAPatch(t *testing.T) {
	const newer, older = `[{"op":"add","path":"/x","value":"1"}]`, `[{"add":"/x","value":"1"}]`
	for _, tc := range []struct {
		name, path, contentType, body string
		assume                        string
		status                        int
		code                          string
	}{
		{"newer natively", patchNative, mediaTypeV21, newer, "", 200, ""},
		{"newer with a parameter", patchNative, mediaTypeV21 + "; charset=utf-8", newer, "", 200, ""},
		{"older natively", patchNative, mediaTypeV20, older, "", 200, ""},
		{"JSON natively", patchNative, "application/json", newer, "", 400, "IMG.0001"},
		{"JSON natively with Glance's errors", patchNative, "application/json", newer, "ims-native-errors=glance", 415, ""},
		{"JSON", patchVendor, "application/json;charset=UTF-8", newer, "", 200, ""},
		{"newer", patchVendor, mediaTypeV21, newer, "", 200, ""},
		{"older", patchVendor, mediaTypeV20, older, "", 400, "IMG.0001"},
		{"none", patchVendor, "", newer, "", 400, "IMG.0001"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newIMSCloud(t, FlavorOpenTelekomCloud)
			if tc.assume != "" {
				c = newIMSCloud(t, FlavorOpenTelekomCloud, tc.assume)
			}
			id := c.CreateImage(Image{})
			expectCode(t, c.do(call{user: "demo", method: "PATCH", path: tc.path + id, contentType: tc.contentType, body: tc.body}), tc.status, tc.code)
		})
	}
}

func TestIMSOlderDialectRefusesToAddWhatIsThere(t *testing.T) {
	for value, status := range map[string]int{"refused": 400, "replaces": 200} {
		c := newIMSCloud(t, FlavorHuaweiCloud, "ims-add-present="+value)
		id := c.CreateImage(Image{Attributes: map[string]any{"x": "0"}})
		if got := c.patchV20("demo", id, `[{"add":"/x","value":"1"}]`); got.status != status {
			t.Errorf("with %s it answers %d %s", value, got.status, got.text)
		}
	}
}

func TestIMSWhoseImagesCanBePatched(t *testing.T) {
	body := set("x", `"1"`)
	for _, tc := range []struct {
		name   string
		image  Image
		user   string
		path   string
		assume string
		status int
		code   string
	}{
		{"own", Image{}, "demo", patchVendor, "", 200, ""},
		{"as a reader", Image{}, "reader", patchVendor, "", 403, "IMG.0026"},
		{"as a reader natively", Image{}, "reader", patchNative, "", 403, "IMG.0026"},
		{"queued", Image{Status: "queued"}, "demo", patchVendor, "", 400, "IMG.0046"},
		{"queued natively", Image{Status: "queued"}, "demo", patchNative, "", 200, ""},
		{"protected", Image{Protected: true}, "demo", patchVendor, "", 200, ""},
		{"public", Image{Visibility: "public"}, "demo", patchVendor, "", 400, "IMG.0083"},
		{"public natively", Image{Visibility: "public"}, "demo", patchNative, "", 400, "IMG.0083"},
		{"public natively with Glance's errors", Image{Visibility: "public"}, "demo", patchNative, "ims-native-errors=glance", 403, ""},
		{"shared", Image{Visibility: "shared"}, "demo", patchVendor, "", 400, "IMG.0105"},
		{"of another", Image{ProjectName: "other"}, "demo", patchVendor, "", 400, "IMG.0144"},
		{"of another natively", Image{ProjectName: "other"}, "demo", patchNative, "", 404, ""},
		{"of another natively in 400", Image{ProjectName: "other"}, "demo", patchNative, "ims-not-found=400", 400, "IMG.0027"},
		{"of another in 404", Image{ProjectName: "other"}, "demo", patchVendor, "ims-not-found=404", 404, "IMG.0144"},
		{"of another natively in 404", Image{ProjectName: "other"}, "demo", patchNative, "ims-not-found=404", 404, ""},
		{"of another in 400", Image{ProjectName: "other"}, "demo", patchVendor, "ims-not-found=400", 400, "IMG.0144"},
		{"in another region", Image{Region: RegionTwo}, "demo", patchVendor, "", 400, "IMG.0144"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newIMSCloud(t, FlavorHuaweiCloud)
			if tc.assume != "" {
				c = newIMSCloud(t, FlavorHuaweiCloud, tc.assume)
			}
			expectCode(t, c.patchIMS(tc.user, tc.path, c.CreateImage(tc.image), body), tc.status, tc.code)
		})
	}
}

func TestIMSNamesOfTwoImages(t *testing.T) {
	for value, status := range map[string]int{"accepted": 200, "refused": 400} {
		c := newIMSCloud(t, FlavorHuaweiCloud, "ims-duplicate-names="+value)
		first, second := c.CreateImage(Image{Name: "first"}), c.CreateImage(Image{Name: "second"})
		c.CreateImage(Image{Name: "third", ProjectName: "other"})
		if got := c.patchIMS("demo", patchVendor, second, replace("name", `"first"`)); got.status != status || status == 400 && codeOf(got) != "IMG.0009" {
			t.Errorf("with %s it answers %d %s", value, got.status, got.text)
		}
		for _, name := range []string{"first", "third"} {
			expect(t, c.patchIMS("demo", patchVendor, first, replace("name", `"`+name+`"`)), 200, "")
		}
	}
}

func TestIMSPatchBumpsUpdatedAt(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Flavor: FlavorHuaweiCloud, Empty: true, Clock: at.now})
	id := c.CreateImage(Image{Attributes: map[string]any{"x": "1"}})
	c.Advance(time.Minute)
	expect(t, c.patchIMS("demo", patchVendor, id, replace("x", `"1"`)), 200, "")
	doc := c.Document(id)
	expectValue(t, doc, "created_at", "2026-03-01T12:00:00Z")
	expectValue(t, doc, "updated_at", "2026-03-01T12:01:00Z")
}

func TestIMSWritesAndFaults(t *testing.T) {
	t.Run("a patch in between is lost", func(t *testing.T) {
		var c *testCloud
		var id string
		c = newTestCloud(t, Options{Flavor: FlavorOpenTelekomCloud, Empty: true, Wait: func(context.Context, time.Duration) error {
			expect(t, c.patchIMS("demo", patchNative, id, set("second", `"2"`)), 200, "")
			return nil
		}})
		id = c.CreateImage(Image{})
		c.token("demo")
		mustAdd(t, c.Simulator, Fault{Method: "PATCH", Effect: EffectLateCommit, Latency: time.Second})
		expect(t, c.patchIMS("demo", patchNative, id, set("first", `"1"`)), 200, "")
		expectValue(t, c.Document(id), "first", "1")
		expectValue(t, c.Document(id), "second", nil)
	})
	t.Run("lost and dropped", func(t *testing.T) {
		c := newIMSCloud(t, FlavorOpenTelekomCloud)
		id := c.CreateImage(Image{})
		mustAdd(t, c.Simulator, Fault{Effect: EffectLostWrite})
		mustAdd(t, c.Simulator, Fault{Effect: EffectSilentDrop})
		expectValue(t, c.patchIMS("demo", patchVendor, id, set("x", `"1"`)).value, "x", "1")
		expectValue(t, c.patchIMS("demo", patchVendor, id, set("x", `"1"`)).value, "x", nil)
		expectValue(t, c.Document(id), "x", nil)
	})
	t.Run("codes of errors", func(t *testing.T) {
		for code, status := range map[string]int{"IMG.0060": 400, "IMG.0026": 403, "APIG.0308": 429, "APIGW.0308": 429, "APIGW.0301": 401, "APIG.0101": 404} {
			c := newIMSCloud(t, FlavorHuaweiCloud)
			id := c.CreateImage(Image{})
			response := c.do(call{method: "POST", path: "//_faults", body: fmt.Sprintf(`{"effect":"status","code":%q,"retry_after":"2"}`, code)})
			expect(t, response, 200, "")
			got := c.get("demo", id)
			expectCode(t, got, status, code)
			if got.header.Get("Retry-After") != "2" {
				t.Errorf("%s comes without Retry-After", code)
			}
		}
	})
	t.Run("statuses without a code", func(t *testing.T) {
		c := newIMSCloud(t, FlavorHuaweiCloud, "gateway-codes=APIG")
		id := c.CreateImage(Image{})
		for _, want := range []struct {
			status int
			code   string
		}{{401, "APIG.0301"}, {429, "APIG.0308"}, {503, ""}} {
			mustAdd(t, c.Simulator, Fault{Effect: EffectStatus, Status: want.status})
			expectCode(t, c.get("demo", id), want.status, want.code)
		}
	})
	t.Run("codes that cannot be", func(t *testing.T) {
		s := New(Options{})
		for _, f := range []Fault{{Effect: EffectStatus, Code: "IMG.9999"}, {Effect: EffectStatus, Code: "IMS.0308"}, {Effect: EffectDelay, Code: "IMG.0060"}} {
			if s.AddFault(f) == nil {
				t.Errorf("%+v is accepted", f)
			}
		}
	})
}
