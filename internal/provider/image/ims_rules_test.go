package image_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
)

// imsRule is a rule of an image service: a configuration that breaks it, and one
// beside it that does not.
type imsRule struct {
	name      string
	bad, good object
	at        string
	texts     []string
}

func ims(members object) object { return object{"ims": members} }

// validated are the rules that hold everywhere, so that `terraform validate`
// finds what breaks them.
var validated = []imsRule{
	{"visibility", object{"visibility": "Public"}, object{"visibility": "community"}, "visibility", []string{`"Public"`, `"private", "shared", "community", "public"`}},
	{"hw_firmware_type", object{"hw_firmware_type": "UEFI"}, object{"hw_firmware_type": "uefi"}, "hw_firmware_type", []string{`"UEFI"`, `"bios", "uefi"`}},
	{"support_xen_gpu_type", at("ims.support_xen_gpu_type", "M60"), at("ims.support_xen_gpu_type", "M60_vGPU"), "ims.support_xen_gpu_type", []string{`"M60"`, "M60_vGPU"}},
	{"support_kvm_gpu_type", at("ims.support_kvm_gpu_type", "M60_vGPU"), at("ims.support_kvm_gpu_type", "P100"), "ims.support_kvm_gpu_type",
		[]string{`"M60_vGPU"`, `"M60", "V100_vGPU", "P2V_V100", "P100", "V100"`}},
	{"support_agent_list", at("ims.support_agent_list", []any{"hss", "mon"}), at("ims.support_agent_list", []any{"hss", "ces"}),
		"ims.support_agent_list[{{String []} mon}]", []string{`"ces"`, `"hss"`, `"mon"`}},
	{"os_bit", at("ims.os_bit", "128"), at("ims.os_bit", "64"), "ims.os_bit", []string{`"128"`, `"32", "64"`}},
	{"os_type", at("ims.os_type", "BSD"), at("ims.os_type", "linux"), "ims.os_type", []string{`"BSD"`, `"Linux", "Windows", "Other"`}},
	{"platform", at("ims.platform", "Arch"), at("ims.platform", "RedHat"), "ims.platform",
		[]string{`"Arch"`, `"Windows", "Ubuntu", "Red Hat", "SUSE", "CentOS", "Debian", "OpenSUSE", "Oracle Linux", "Fedora", "Other", "CoreOS", "EulerOS"`}},

	{"min_disk, least", object{"min_disk": -1}, object{"min_disk": 0}, "min_disk", []string{"0", "2147483647", "-1"}},
	{"min_disk, greatest", object{"min_disk": 2147483648}, object{"min_disk": 2147483647}, "min_disk", []string{"2147483647", "2147483648"}},
	{"min_ram, least", object{"min_ram": -1}, object{"min_ram": 0}, "min_ram", []string{"2147483647", "-1"}},
	{"min_ram, greatest", object{"min_ram": 2147483648}, object{"min_ram": 2147483647}, "min_ram", []string{"2147483647", "2147483648"}},
	{"max_ram, least", at("ims.max_ram", -1), at("ims.max_ram", 1), "ims.max_ram", []string{"2147483647", "-1"}},
	{"max_ram, greatest", at("ims.max_ram", 2147483648), at("ims.max_ram", 2147483647), "ims.max_ram", []string{"2147483647", "2147483648"}},
	{"os_shutdown_timeout, least", at("ims.os_shutdown_timeout", 59), at("ims.os_shutdown_timeout", 60), "ims.os_shutdown_timeout", []string{"60", "300", "59"}},
	{"os_shutdown_timeout, greatest", at("ims.os_shutdown_timeout", 301), at("ims.os_shutdown_timeout", 300), "ims.os_shutdown_timeout", []string{"300", "301"}},

	{"name, length", object{"name": strings.Repeat("ü", 256)}, object{"name": strings.Repeat("ü", 255)}, "name", []string{"256", "255"}},
	{"description, length", at("ims.description", strings.Repeat("ü", 1025)), at("ims.description", strings.Repeat("ü", 1024)), "ims.description", []string{"1025", "1024"}},
	{"os_version, length", at("ims.os_version", strings.Repeat("x", 256)), at("ims.os_version", strings.Repeat("x", 255)), "ims.os_version", []string{"256", "255"}},
	{"description, carriage return", at("ims.description", "two\r\nlines"), at("ims.description", "two\nlines"), "ims.description", []string{`'\r'`}},
	{"description, less than", at("ims.description", "a < b"), at("ims.description", "a = b"), "ims.description", []string{`'<'`}},
	{"description, greater than", at("ims.description", "a > b"), at("ims.description", `a & "b"`), "ims.description", []string{`'>'`}},
	{"description, four bytes", at("ims.description", "fine 🦊"), at("ims.description", "fine €"), "ims.description", []string{"four-byte", "U+1F98A"}},
	{"enterprise_project_id, four bytes", at("ims.enterprise_project_id", "🦊"), at("ims.enterprise_project_id", enterpriseOne), "ims.enterprise_project_id", []string{"U+1F98A"}},
	{"os_feature_list", at("ims.os_feature_list", `["open`), at("ims.os_feature_list", `["open"]`), "ims.os_feature_list", []string{"JSON"}},

	{"support_xen_gpu_type and support_xen", ims(object{"support_xen_gpu_type": "M60_vGPU", "support_xen": true}), ims(object{"support_xen_gpu_type": "M60_vGPU", "support_xen": false}),
		"ims.support_xen_gpu_type", []string{`__support_xen_gpu_type ("M60_vGPU")`, `__support_xen ("true")`, "set ims.support_xen = false"}},
	{"support_xen_gpu_type and support_kvm", ims(object{"support_xen_gpu_type": "M60_vGPU", "support_kvm": true}), ims(object{"support_xen_gpu_type": "M60_vGPU", "support_kvm": false}),
		"ims.support_xen_gpu_type", []string{`__support_kvm ("true")`, "set ims.support_kvm = false"}},
	{"support_kvm_gpu_type and support_xen", ims(object{"support_kvm_gpu_type": "P100", "support_xen": true}), ims(object{"support_kvm_gpu_type": "P100", "support_xen": false}),
		"ims.support_kvm_gpu_type", []string{`__support_kvm_gpu_type ("P100")`, `__support_xen ("true")`}},
	{"support_kvm_gpu_type and support_kvm", ims(object{"support_kvm_gpu_type": "P100", "support_kvm": true}), ims(object{"support_kvm_gpu_type": "P100"}),
		"ims.support_kvm_gpu_type", []string{`__support_kvm ("true")`}},
	{"support_xen_hana and support_xen", ims(object{"support_xen_hana": true, "support_xen": true}), ims(object{"support_xen_hana": false, "support_xen": true}),
		"ims.support_xen_hana", []string{`__support_xen_hana ("true")`, `__support_xen ("true")`}},
	{"support_xen_hana and support_kvm", ims(object{"support_xen_hana": true, "support_kvm": true}), ims(object{"support_xen_hana": true, "support_kvm_infiniband": true}),
		"ims.support_xen_hana", []string{`__support_kvm ("true")`}},
	{"support_kvm_infiniband and support_xen", ims(object{"support_kvm_infiniband": true, "support_xen": true}), ims(object{"support_kvm_infiniband": true, "support_kvm": true}),
		"ims.support_kvm_infiniband", []string{`__support_kvm_infiniband ("true")`, `__support_xen ("true")`}},
	{"the two hypervisors", ims(object{"support_xen": true, "support_kvm": true, "support_xen_hana": true, "support_kvm_infiniband": false}), ims(object{"support_xen": true, "support_kvm": true}),
		"", nil}, // Two at once; the pair alone excludes nothing.

	{"one key from two places", object{"properties": object{"max_ram": "1"}, "ims": object{"max_ram": 1}}, object{"properties": object{"max_rams": "1"}, "ims": object{"max_ram": 1}},
		`properties["max_ram"]`, []string{"ims.max_ram", "Keep one"}},
	{"one sensitive key from two places", object{"sensitive_properties": object{"__description": "1"}, "ims": object{"description": "1"}}, object{"sensitive_properties": object{"__descriptions": "1"}, "ims": object{"description": "1"}},
		`sensitive_properties["__description"]`, []string{"ims.description", "Keep one"}},
}

func TestIMSRulesThatHoldEverywhere(t *testing.T) {
	t.Parallel()
	p := newProtocol(t)
	for _, rule := range validated {
		t.Run(rule.name, func(t *testing.T) {
			diags := p.validate(configOf(thisMonth, rule.bad))
			if rule.at == "" {
				if len(diags) != 2 || rules.Place(diags[0]) != "ims.support_xen_hana" || rules.Place(diags[1]) != "ims.support_xen_hana" {
					t.Errorf("want an error for each of two pairs:%s", rules.Printed(diags))
				}
			} else {
				soleError(t, diags, rule.at, rule.texts...)
			}
			if diags := p.validate(configOf(thisMonth, rule.good)); len(diags) > 0 {
				t.Errorf("a neighbour that breaks no rule:%s", rules.Printed(diags))
			}
		})
	}
}

// planRule is a rule of some clouds alone, or about what is on the image.
type planRule struct {
	imsRule
	image object // what the image has
	tags  []string
	names bool // that the error names the cloud
}

func tagged(tags ...any) object { return object{"tags": tags} }

func manyTags(prefix string, n int) []string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return tags
}

// ofVendors are the rules of both Image Management Services. OpenStack has none
// of them.
var ofVendors = []planRule{
	{imsRule: imsRule{"name, greatest length", object{"name": strings.Repeat("a", 129)}, object{"name": strings.Repeat("a", 128)}, "name", []string{"129", "from 1 to 128"}}, names: true},
	{imsRule: imsRule{"name, least length", object{"name": ""}, object{"name": "a"}, "name", []string{"0 characters", "from 1 to 128"}}, names: true},
	{imsRule: imsRule{"name, letters", object{"name": "golden/2026"}, object{"name": "golden-2026_03.1 b"}, "name", []string{`"golden/2026"`, "letters, digits, hyphens, periods, underscores and blanks"}}, names: true},
	{imsRule: imsRule{"name, ASCII", object{"name": "übung"}, object{"name": "uebung"}, "name", []string{`"übung"`}}, names: true},
	{imsRule: imsRule{"name, leading blank", object{"name": " golden"}, object{"name": "gol den"}, "name", []string{"begins or ends with a blank"}}, names: true},
	{imsRule: imsRule{"name, trailing blank", object{"name": "golden "}, object{"name": "golden"}, "name", []string{"begins or ends with a blank"}}, names: true},

	{imsRule: imsRule{"tag, letters of the key", tagged("a b"), tagged("a_b-1"), "tags", []string{`"a b"`, "letters, digits, hyphens and underscores"}}, names: true},
	{imsRule: imsRule{"tag, period in the key", tagged("a.b=1"), tagged("ab=1"), "tags", []string{`"a.b"`}}, names: true},
	{imsRule: imsRule{"tag, no key", tagged("=1"), tagged("k=1"), "tags", []string{`"key=value"`}}, names: true},
	{imsRule: imsRule{"tag, length of the key", tagged(strings.Repeat("k", 37) + "=v"), tagged(strings.Repeat("k", 36) + "=v"), "tags", []string{"37", "at most 36"}}, names: true},
	{imsRule: imsRule{"tag, length of the value", tagged("k=" + strings.Repeat("v", 44)), tagged("k=" + strings.Repeat("v", 43)), "tags", []string{"44", "at most 43"}}, names: true},
	{imsRule: imsRule{"tag, letters of the value", tagged("k=a/b"), tagged("k=a.b-c_d"), "tags", []string{`"k=a/b"`, "underscores and periods"}}, names: true},
	{imsRule: imsRule{"tag, empty value", tagged("k="), tagged("k"), "tags", []string{`write "k"`}}},
	{imsRule: imsRule{"tags, how many on the merged image", tagged("mine-0", "mine-1"), tagged("mine-0", "theirs8"), "tags", []string{"11 tags", "allows 10", "tags_exclusive"}},
		tags: manyTags("theirs", 9), names: true},

	{imsRule: imsRule{"property that is typed", object{"properties": object{"max_ram": "4096"}}, at("ims.max_ram", 4096), `properties["max_ram"]`, []string{"write ims = { max_ram = ... }"}}},
	{imsRule: imsRule{"property with underscores that is typed", object{"properties": object{"__support_xen": "true"}}, at("ims.support_xen", true), `properties["__support_xen"]`,
		[]string{"write ims = { support_xen = ... }"}}},
	{imsRule: imsRule{"sensitive property that is typed", object{"sensitive_properties": object{"__description": "x"}}, at("ims.description", "x"), `sensitive_properties["__description"]`,
		[]string{"write ims = { description = ... }"}}},
	{imsRule: imsRule{"property that is typed at the top", object{"properties": object{"hw_firmware_type": "uefi"}}, object{"hw_firmware_type": "uefi"}, `properties["hw_firmware_type"]`,
		[]string{"write hw_firmware_type = ..."}}},
	{imsRule: imsRule{"property that the service computes", object{"properties": object{"__imagetype": "gold"}}, object{"properties": object{"imagetype": "gold"}}, `properties["__imagetype"]`,
		[]string{"computes it", "allow_undocumented"}}, names: true},
	{imsRule: imsRule{"property in upper case", object{"properties": object{"Build_Line": "x"}}, object{"properties": object{"build_line": "x"}}, `properties["Build_Line"]`,
		[]string{"upper-case", `write "build_line"`}}, names: true},
}

// ofEveryCloud are rules about what else is on the image.
var ofEveryCloud = []planRule{
	{imsRule: imsRule{"support_fc_inject of a data disk", at("ims.support_fc_inject", true), at("ims.is_config_init", true), "ims.support_fc_inject",
		[]string{"virtual_env_type", `"FusionCompute"`, `"DataImage"`, "Leave it out"}}, image: object{"virtual_env_type": "DataImage"}},
	{imsRule: imsRule{"support_fc_inject of a server of metal", at("ims.support_fc_inject", false), at("ims.is_config_init", true), "ims.support_fc_inject",
		[]string{`"Ironic"`}}, image: object{"virtual_env_type": "Ironic"}},
	{imsRule: imsRule{"beside an unmanaged __support_xen", at("ims.support_kvm_infiniband", true), ims(object{"support_kvm_infiniband": true, "support_xen": false}), "ims.support_kvm_infiniband",
		[]string{`__support_kvm_infiniband ("true")`, `__support_xen ("true")`, "does not own it", "ims.support_xen = false"}}, image: object{"__support_xen": "true"}},
	{imsRule: imsRule{"support_xen beside an unmanaged GPU type", at("ims.support_xen", true), at("ims.support_xen", false), "ims.support_xen",
		[]string{`__support_kvm_gpu_type ("P100")`, "does not own it", "take the other off the image first"}}, image: object{"__support_kvm_gpu_type": "P100"}},
	{imsRule: imsRule{"support_xen beside an unmanaged HANA", at("ims.support_xen", true), ims(object{"support_xen": true, "support_xen_hana": false}), "ims.support_xen",
		[]string{`__support_xen_hana ("True")`, "ims.support_xen_hana = false"}}, image: object{"__support_xen_hana": "True"}},
}

func TestIMSRulesOfTheImage(t *testing.T) {
	t.Parallel()
	for _, service := range []imsService{imsServices[0], imsServices[3], imsServices[6]} {
		w := newIMSWorld(t, service, nil)
		check := func(t *testing.T, rule planRule) {
			t.Helper()
			attributes := object{}
			for key, value := range rule.image {
				attributes[key] = value
			}
			if len(rule.tags) > 0 {
				attributes["tags"] = rule.tags
			}
			id := w.create(t, attributes)
			plan := func(part object) []string {
				_, diags := configured(t, w.provider(nil)).plan(instance{}, configOf(id, part))
				var texts []string
				for _, d := range diags {
					texts = append(texts, fmt.Sprintf("%s at %s", d.Summary, rules.Place(d)))
				}
				return texts
			}
			if ofCloud := rule.image == nil; ofCloud && !service.vendor() {
				if said := plan(rule.bad); len(said) > 0 {
					t.Errorf("OpenStack has no such rule, and the plan says %v", said)
				}
				return
			}
			_, diags := configured(t, w.provider(nil)).plan(instance{}, configOf(id, rule.bad))
			soleError(t, diags, rule.at, rule.texts...)
			if rule.names && !strings.Contains(diags[0].Detail, cloudNames[service.cloud]) {
				t.Errorf("the error does not say whose rule it is: %s", diags[0].Detail)
			}
			if said := plan(rule.good); len(said) > 0 {
				t.Errorf("a neighbour that breaks no rule: %v", said)
			}
			if sent := w.patches(id); len(sent) > 0 {
				t.Errorf("plans sent %v", sent)
			}
		}
		for _, rule := range append(ofVendors[:len(ofVendors):len(ofVendors)], ofEveryCloud...) {
			t.Run(service.cloud+"/"+rule.name, func(t *testing.T) {
				t.Parallel()
				check(t, rule)
			})
		}
	}
}

// TestIMSExclusionsHoldOverTheMergedImage takes what stands in the way off the
// image in the same patch.
func TestIMSExclusionsHoldOverTheMergedImage(t *testing.T) {
	t.Parallel()
	for _, service := range imsServices {
		t.Run(service.String(), func(t *testing.T) {
			t.Parallel()
			w := newIMSWorld(t, service, map[string]string{"ims-undocumented-attributes": "accepted"})
			allow := object{"allow_undocumented": true}
			r := w.run(t, w.create(t, object{"__support_kvm": "true"}), allow)
			original := w.settled(t, r.id)
			alone := at("ims.support_kvm_gpu_type", "V100")
			_, diags := r.process().plan(instance{}, configOf(r.id, alone))
			soleError(t, diags, "ims.support_kvm_gpu_type", `__support_kvm_gpu_type ("V100")`, `__support_kvm ("true")`, "ims.support_kvm = false")
			if sent := r.newPatches(); len(sent) > 0 {
				t.Errorf("the plan sent %v", sent)
			}
			r.apply("both", configOf(r.id, alone, at("ims.support_kvm", false)), imsOp{op: "remove", key: "__support_kvm"}, imsOp{"add", "__support_kvm_gpu_type", `"V100"`})
			r.destroy(imsOp{"add", "__support_kvm", `"true"`}, imsOp{op: "remove", key: "__support_kvm_gpu_type"})
			if got := w.settled(t, r.id); got != original {
				t.Errorf("after destroy the image is\n%s, was\n%s", got, original)
			}
		})
	}
}

// TestIMSValuesThatAreEqual configures what the image has in another spelling:
// nothing is sent, now or at destroy.
func TestIMSValuesThatAreEqual(t *testing.T) {
	t.Parallel()
	allow := object{"allow_undocumented": true}
	for _, service := range imsServices {
		w := newIMSWorld(t, service, map[string]string{"ims-undocumented-attributes": "accepted"})
		for _, c := range []struct {
			path, key string
			config    any
			wire      any
		}{
			{"ims.support_kvm", "__support_kvm", false, nil},
			{"ims.support_xen_hana", "__support_xen_hana", false, nil},
			{"ims.support_kvm", "__support_kvm", true, "true"},
			{"ims.support_kvm", "__support_kvm", true, "True"},
			{"ims.support_kvm", "__support_kvm", true, "TRUE"},
			{"ims.support_largememory", "__support_largememory", false, "false"},
			{"ims.is_config_init", "__is_config_init", false, "False"},
			{"ims.lazyloading", "__lazyloading", true, "True"},
			{"hw_vif_multiqueue_enabled", "hw_vif_multiqueue_enabled", true, "True"},
			{"ims.enterprise_project_id", "enterprise_project_id", "0", nil},
			{"ims.enterprise_project_id", "enterprise_project_id", "", nil},
			{"ims.enterprise_project_id", "enterprise_project_id", "0", ""},
			{"ims.enterprise_project_id", "enterprise_project_id", "", "0"},
			{"ims.enterprise_project_id", "enterprise_project_id", "0", "0"},
			{"ims.platform", "__platform", "Red Hat", "RedHat"},
			{"ims.platform", "__platform", "RedHat", "Red Hat"},
			{"ims.platform", "__platform", "EulerOS", "Euler OS"},
			{"ims.platform", "__platform", "OpenSUSE", "openSUSE"},
			{"ims.os_type", "__os_type", "linux", "Linux"},
			{"ims.os_feature_list", "__os_feature_list", `["a","b"]`, `[ "a", "b" ]`},
			{"ims.os_feature_list", "__os_feature_list", `[{"x":1,"y":2}]`, `[{"y": 2, "x": 1}]`},
			{"ims.support_agent_list", "__support_agent_list", []any{"ces", "hss"}, "hss,ces"},
			{"ims.support_agent_list", "__support_agent_list", []any{"ces", "hss"}, "ces,hss"},
			{"ims.support_agent_list", "__support_agent_list", []any{"hss"}, " hss "},
			{"ims.support_agent_list", "__support_agent_list", []any{}, nil},
			{"ims.max_ram", "max_ram", 65536, "065536"},
			{"ims.os_shutdown_timeout", "os_shutdown_timeout", 60, "60"},
		} {
			t.Run(fmt.Sprintf("%s/%s %v is %v", service, c.path, c.config, c.wire), func(t *testing.T) {
				t.Parallel()
				r := w.run(t, w.create(t, object{c.key: c.wire}), allow)
				original := w.document(t, r.id)
				config := configOf(r.id, at(c.path, c.config))
				r.apply("create", config)
				s, diags := r.process().plan(instance{}, config)
				quiet(t, diags)
				if got := textOf(t, s.planned.state, "planned_patch"); got != "[]" {
					t.Errorf("planned_patch is %s, want it empty", got)
				}
				r.destroy()
				equalJSON(t, "the image after all", w.document(t, r.id), original)
			})
		}
	}
}
