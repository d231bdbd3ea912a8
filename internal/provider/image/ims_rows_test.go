package image_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
)

// imsValue is a value in the configuration, and the JSON that it has to be on
// the wire; "" is absence.
type imsValue struct {
	config any
	wire   string
}

// imsRow is what has to hold for one attribute that can be set. The values on
// the wire are those of the vendors' pages and of Glance's API, not of the table.
type imsRow struct {
	path, key string
	// one and two are configured in turn.
	one, two imsValue
	// drift is what somebody else writes, and how it is read.
	drift imsValue
	// gone is how absence is read.
	gone any
	// found is what another image has before over is configured.
	found string
	over  imsValue
	// core attributes are always there; of is what a fresh image has.
	of string
	// unlisted are the clouds whose pages name no way to change it.
	unlisted []string
	// foreign says that found is on no page, so that whether a vendor's service
	// takes it back is its own business.
	foreign bool
	// taken are clouds whose simulator takes it as a documented one, though no
	// page of the vendor that the provider goes by names it.
	taken []string
	// impossible are the clouds that do not have it at all.
	impossible []string
}

func (row *imsRow) core() bool { return row.of != "" }

var (
	vendors = []string{onHuawei, onTelekom}
	flagOn  = imsValue{true, `"true"`}
	flagOff = imsValue{false, ""}
)

// flagRow is an attribute that is "true" or absent.
func flagRow(path, key string, unlisted ...string) imsRow {
	return imsRow{path: path, key: key, one: flagOn, two: flagOff, drift: flagOff, found: `"true"`, over: flagOff, unlisted: unlisted}
}

// boolRow is an attribute that is "true" or "false".
func boolRow(path, key string, unlisted ...string) imsRow {
	no := imsValue{false, `"false"`}
	return imsRow{path: path, key: key, one: flagOn, two: no, drift: no, found: `"false"`, over: flagOn, unlisted: unlisted}
}

// textRow is an attribute whose texts are the same in the configuration and on
// the wire.
func textRow(path, key, one, two, drift string, unlisted ...string) imsRow {
	as := func(s string) imsValue { return imsValue{s, `"` + s + `"`} }
	return imsRow{path: path, key: key, one: as(one), two: as(two), drift: as(drift), found: `"` + drift + `"`, over: as(one), unlisted: unlisted}
}

const (
	enterpriseOne   = "5b1c0a7e-3f0d-4c1b-9a57-8e6d2f4a1c01"
	enterpriseTwo   = "5b1c0a7e-3f0d-4c1b-9a57-8e6d2f4a1c02"
	enterpriseOther = "5b1c0a7e-3f0d-4c1b-9a57-8e6d2f4a1c03"
)

var imsRows = []imsRow{
	{path: "name", key: "name", one: imsValue{"golden-2026.03", `"golden-2026.03"`}, two: imsValue{"golden_2026 04", `"golden_2026 04"`},
		drift: imsValue{"theirs", `"theirs"`}, found: `"base"`, over: imsValue{"golden-2026.03", `"golden-2026.03"`}, of: `"golden"`},
	{path: "visibility", key: "visibility", one: imsValue{"shared", `"shared"`}, two: imsValue{"private", `"private"`},
		drift: imsValue{"private", `"private"`}, found: `"shared"`, over: imsValue{"private", `"private"`}, of: `"private"`, unlisted: vendors},
	{path: "protected", key: "protected", one: imsValue{true, `true`}, two: imsValue{false, `false`},
		drift: imsValue{false, `false`}, found: `true`, over: imsValue{false, `false`}, of: `false`, unlisted: vendors},
	{path: "hidden", key: "os_hidden", one: imsValue{true, `true`}, two: imsValue{false, `false`},
		drift: imsValue{false, `false`}, found: `true`, over: imsValue{false, `false`}, of: `false`, unlisted: vendors, impossible: vendors},
	{path: "min_disk", key: "min_disk", one: imsValue{60, `60`}, two: imsValue{80, `80`},
		drift: imsValue{50, `50`}, found: `100`, over: imsValue{60, `60`}, of: `40`, unlisted: vendors},
	{path: "min_ram", key: "min_ram", one: imsValue{2048, `2048`}, two: imsValue{4096, `4096`},
		drift: imsValue{512, `512`}, found: `8192`, over: imsValue{2048, `2048`}, of: `1024`},
	textRow("hw_firmware_type", "hw_firmware_type", "uefi", "bios", "bios"),
	boolRow("hw_vif_multiqueue_enabled", "hw_vif_multiqueue_enabled"),

	textRow("ims.description", "__description", "Nightly build, of main: 7", "Nightly build 8", "theirs"),
	{path: "ims.max_ram", key: "max_ram", one: imsValue{65536, `"65536"`}, two: imsValue{131072, `"131072"`},
		drift: imsValue{32768, `"32768"`}, found: `"4096"`, over: imsValue{65536, `"65536"`}},
	textRow("ims.enterprise_project_id", "enterprise_project_id", enterpriseOne, enterpriseTwo, enterpriseOther),
	boolRow("ims.is_config_init", "__is_config_init"),
	flagRow("ims.support_kvm", "__support_kvm", onTelekom),
	flagRow("ims.support_xen", "__support_xen"),
	flagRow("ims.support_largememory", "__support_largememory"),
	flagRow("ims.support_diskintensive", "__support_diskintensive"),
	flagRow("ims.support_highperformance", "__support_highperformance"),
	{path: "ims.support_xen_gpu_type", key: "__support_xen_gpu_type", one: imsValue{"M60_vGPU", `"M60_vGPU"`}, two: imsValue{"M60_vGPU", `"M60_vGPU"`},
		drift: imsValue{nil, ""}, found: `"M60_old"`, over: imsValue{"M60_vGPU", `"M60_vGPU"`}, foreign: true},
	textRow("ims.support_kvm_gpu_type", "__support_kvm_gpu_type", "V100_vGPU", "P2V_V100", "M60"),
	flagRow("ims.support_xen_hana", "__support_xen_hana"),
	flagRow("ims.support_kvm_infiniband", "__support_kvm_infiniband"),
	boolRow("ims.support_fc_inject", "__support_fc_inject"),
	{path: "ims.support_amd", key: "__support_amd", one: flagOn, two: imsValue{false, `"false"`},
		drift: imsValue{false, `"false"`}, found: `"false"`, over: flagOn, unlisted: []string{onHuawei}, taken: []string{onHuawei}},
	{path: "ims.support_arm", key: "__support_arm", one: flagOn, two: imsValue{false, `"false"`},
		drift: imsValue{false, `"false"`}, found: `"false"`, over: flagOn, unlisted: []string{onHuawei, onTelekom}},
	{path: "ims.support_agent_list", key: "__support_agent_list", one: imsValue{[]any{"ces", "hss"}, `"hss,ces"`}, two: imsValue{[]any{"ces"}, `"ces"`},
		drift: imsValue{[]any{"hss"}, `"hss"`}, gone: []any{}, found: `"ces"`, over: imsValue{[]any{"hss"}, `"hss"`}, unlisted: vendors},
	textRow("ims.os_bit", "__os_bit", "64", "32", "32", vendors...),
	textRow("ims.os_version", "__os_version", "Ubuntu 24.04 server 64bit", "Ubuntu 22.04 server 64bit", "Other Linux(64 bit)", vendors...),
	textRow("ims.os_type", "__os_type", "Linux", "Windows", "Other", vendors...),
	textRow("ims.platform", "__platform", "Red Hat", "Ubuntu", "EulerOS", vendors...),
	{path: "ims.os_feature_list", key: "__os_feature_list", one: imsValue{`["onekey_resource_monitor"]`, `"[\"onekey_resource_monitor\"]"`}, two: imsValue{`[]`, `"[]"`},
		drift: imsValue{`["theirs", 2]`, `"[\"theirs\", 2]"`}, found: `"[\"a\",\"b\"]"`, over: imsValue{`["onekey_resource_monitor"]`, `"[\"onekey_resource_monitor\"]"`}, unlisted: vendors},
	{path: "ims.lazyloading", key: "__lazyloading", one: flagOn, two: imsValue{false, `"false"`},
		drift: imsValue{false, `"False"`}, found: `"True"`, over: imsValue{false, `"false"`}, unlisted: vendors},
	flagRow("ims.support_kvm_hi1822_hisriov", "__support_kvm_hi1822_hisriov"),
	flagRow("ims.support_kvm_hi1822_hivirtionet", "__support_kvm_hi1822_hivirtionet"),
	{path: "ims.os_shutdown_timeout", key: "os_shutdown_timeout", one: imsValue{120, `"120"`}, two: imsValue{300, `"300"`},
		drift: imsValue{90, `"90"`}, found: `"60"`, over: imsValue{120, `"120"`}},
}

// TestIMSRowsAreThoseOfTheTable holds the rows of this file against the table,
// so that none can be added without a test.
func TestIMSRowsAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	rows := map[string]imsRow{}
	for _, row := range imsRows {
		rows[row.path] = row
	}
	for _, a := range attribute.Arguments {
		row, there := rows[a.Path()]
		if !there {
			t.Errorf("no row tests %s", a.Path())
			continue
		}
		delete(rows, a.Path())
		if row.key != a.Key || row.core() != a.Core {
			t.Errorf("%s: the row says key %s, core %t; the table says %s, %t", row.path, row.key, row.core(), a.Key, a.Core)
		}
		for _, cloud := range attribute.Clouds {
			if listed := !slices.Contains(row.unlisted, string(cloud)); listed != (a.Settable[cloud] != "") {
				t.Errorf("%s on %s: the row says listed %t, the table names %q", row.path, cloud, listed, a.Settable[cloud])
			}
		}
	}
	if len(rows) > 0 {
		t.Errorf("there are no attributes %v", slices.Sorted(maps.Keys(rows)))
	}
}

// TestAccIMSRows sets, changes, drops, restores, imports and shows every
// attribute on every image service, each alone.
func TestAccIMSRows(t *testing.T) {
	t.Run("OpenStack", func(t *testing.T) {
		t.Parallel()
		for _, format := range []string{"v2.1", "v2.0"} {
			w := realGlance(t, format)
			for _, row := range imsRows {
				t.Run(format+"/"+row.path, func(t *testing.T) {
					t.Parallel()
					row.live(t, w, nil)
				})
			}
		}
	})
	for _, service := range imsServices {
		t.Run(service.String(), func(t *testing.T) {
			t.Parallel()
			documented := newIMSWorld(t, service, nil)
			lenient := newIMSWorld(t, service, map[string]string{"ims-undocumented-attributes": "accepted"})
			allow := object{"allow_undocumented": true}
			for _, row := range imsRows {
				t.Run(row.path, func(t *testing.T) {
					t.Parallel()
					switch {
					case slices.Contains(row.unlisted, service.cloud):
						row.refusedInThePlan(t, documented)
						if !slices.Contains(row.taken, service.cloud) {
							row.refusedByTheService(t, documented, allow)
						}
						if slices.Contains(row.impossible, service.cloud) {
							row.refusedByTheService(t, lenient, allow)
							return
						}
						row.live(t, lenient, allow)
					default:
						row.live(t, documented, nil)
					}
				})
			}
		})
	}
}

// raw is what a value on the wire is in a document.
func raw(t *testing.T, wire string) any {
	t.Helper()
	if wire == "" {
		return nil
	}
	var value any
	if err := json.Unmarshal([]byte(wire), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// live runs through the life of the attribute.
func (row *imsRow) live(t *testing.T, w *imsWorld, more object) {
	t.Helper()
	if row.path == "visibility" && w.service.path == "cloudimages" {
		row.leavesForEver(t, w, more)
		return
	}
	row.fromAbsence(t, w, more)
	row.overAnother(t, w, more)
}

// leavesForEver is live for what makes an image none that the API may write:
// only active private images can be changed there.
func (row *imsRow) leavesForEver(t *testing.T, w *imsWorld, more object) {
	t.Helper()
	r := w.run(t, w.create(t, nil), more)
	r.apply("set", configOf(r.id, at(row.path, row.one.config)), towards(row.key, row.of, row.one.wire))
}

// fromAbsence begins with an image that does not have the attribute, or has
// what every image has.
func (row *imsRow) fromAbsence(t *testing.T, w *imsWorld, more object) {
	t.Helper()
	attributes := object{"pipeline": "nightly"}
	if !row.core() {
		attributes[row.key] = nil
	}
	r := w.run(t, w.create(t, attributes), more)
	original := w.settled(t, r.id)
	one, two := configOf(r.id, at(row.path, row.one.config)), configOf(r.id, at(row.path, row.two.config))

	r.apply("set", one, towards(row.key, row.of, row.one.wire))
	if got := w.member(t, r.id, row.key); got != row.one.wire {
		t.Errorf("%s is %s on the image, want %s", row.key, got, row.one.wire)
	}
	holds(t, "imageops_image", r.process().shown(r.id), row.path, row.one.config)
	row.imported(r)

	if row.two.wire != row.one.wire {
		r.apply("change", two, towards(row.key, row.one.wire, row.two.wire))
		r.apply("change back", one, towards(row.key, row.two.wire, row.one.wire))
	}
	drifts := []imsValue{row.drift}
	if !row.core() && row.drift.wire != "" {
		drifts = append(drifts, imsValue{row.gone, ""})
	}
	for _, drift := range drifts {
		w.write(t, r.id, row.key, raw(t, drift.wire))
		read, diags := r.process().read(r.current)
		quiet(t, diags)
		holds(t, "drift", read.state, row.path, drift.config)
		r.apply("put back", one, towards(row.key, drift.wire, row.one.wire))
	}

	r.apply("clear", configOf(r.id, object{"properties": object{"pipeline": "nightly"}}), towards(row.key, row.one.wire, row.of))
	if got := w.settled(t, r.id); got != original {
		t.Errorf("after it was dropped from the configuration the image is\n%s, was\n%s", got, original)
	}
}

// overAnother begins with an image that has another value.
func (row *imsRow) overAnother(t *testing.T, w *imsWorld, more object) {
	t.Helper()
	r := w.run(t, w.create(t, object{row.key: raw(t, row.found)}), more)
	original := w.settled(t, r.id)
	r.apply("set", configOf(r.id, at(row.path, row.over.config)), towards(row.key, row.found, row.over.wire))
	if row.foreign && w.service.vendor() {
		return
	}
	r.destroy(towards(row.key, row.over.wire, row.found))
	if got := w.settled(t, r.id); got != original {
		t.Errorf("after destroy the image is\n%s, was\n%s", got, original)
	}
}

// imported adopts the image by the key, and whole.
func (row *imsRow) imported(r *imsRun) {
	t := r.t
	t.Helper()
	asProperty := strings.HasPrefix(row.path, "ims.") && !r.w.service.vendor()
	for _, id := range []string{r.id + "/" + row.key, r.id} {
		p := r.process()
		adopted, diags := p.importByID(id)
		quiet(t, diags)
		if !adopted.exists() {
			continue
		}
		if asProperty {
			if got, want := textsOf(t, adopted.state, "properties"), row.key+"="+raw(t, row.one.wire).(string); !slices.Contains(got, want) {
				t.Errorf("import of %s has the properties %q, want %q", id, got, want)
			}
			if v := memberOf(t, adopted.state, "ims"); !v.IsNull() {
				t.Errorf("import of %s has ims = %s on OpenStack", id, v)
			}
		} else {
			holds(t, "import of "+id, adopted.state, row.path, row.one.config)
			if got := textsOf(t, adopted.state, "properties"); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, row.key+"=") }) {
				t.Errorf("import of %s has the properties %q, which have %s", id, got, row.key)
			}
		}
		read, diags := p.read(adopted)
		quiet(t, diags)
		s, diags := p.plan(read, p.asConfigured(read.state))
		quiet(t, diags)
		if !s.planned.state.Equal(read.state) {
			t.Errorf("the configuration of the import of %s plans\n%s, state\n%s", id, s.planned.state, read.state)
		}
		if got := textOf(t, read.state, "restore_patch"); got != "[]" && got != "" {
			t.Errorf("the import of %s takes over %s", id, got)
		}
	}
	if got := r.newPatches(); len(got) != 0 {
		t.Errorf("the import sent %v", got)
	}
}

// refusedInThePlan is for a cloud none of whose pages lets it be changed.
func (row *imsRow) refusedInThePlan(t *testing.T, w *imsWorld) {
	t.Helper()
	attributes := object{}
	if !row.core() {
		attributes[row.key] = nil
	}
	r := w.run(t, w.create(t, attributes), nil)
	original := w.settled(t, r.id)
	_, diags := r.process().plan(instance{}, configOf(r.id, at(row.path, row.one.config)))
	soleError(t, diags, row.path, cloudNames[w.service.cloud], row.key, "allow_undocumented = true", "leave it out")
	if got := r.newPatches(); len(got) != 0 || w.settled(t, r.id) != original {
		t.Errorf("a refused plan sent %v", got)
	}
}

// refusedByTheService sends it all the same.
func (row *imsRow) refusedByTheService(t *testing.T, w *imsWorld, more object) {
	t.Helper()
	attributes := object{}
	if !row.core() {
		attributes[row.key] = nil
	}
	r := w.run(t, w.create(t, attributes), more)
	original := w.settled(t, r.id)
	p := r.process()
	s, diags := p.plan(instance{}, configOf(r.id, at(row.path, row.one.config)))
	quiet(t, diags)
	after, diags := p.apply(s)
	soleError(t, diags, "", r.id, "400", "IMG.0")
	if after.exists() && !after.state.IsNull() {
		t.Errorf("a create that was refused has the state %s", after.state)
	}
	if got := r.newPatches(); len(got) != 1 {
		t.Errorf("sent %v, want one patch", got)
	}
	if got := w.settled(t, r.id); got != original {
		t.Errorf("after a refused write the image is\n%s, was\n%s", got, original)
	}
}

// TestIMSImportOfAnotherSpelling imports values that the argument would write
// differently: by its key, the import says so; whole, it leaves them out.
func TestIMSImportOfAnotherSpelling(t *testing.T) {
	t.Parallel()
	for _, service := range imsServices[:6] {
		w := newIMSWorld(t, service, map[string]string{"ims-undocumented-attributes": "accepted"})
		for _, c := range []struct{ key, value, path string }{
			{"__is_config_init", "False", "ims.is_config_init"}, {"__support_xen", "True", "ims.support_xen"}, {"max_ram", "unlimited", "ims.max_ram"},
			{"__lazyloading", "True", "ims.lazyloading"}, {"__os_feature_list", "[", "ims.os_feature_list"},
		} {
			t.Run(service.String()+"/"+c.key, func(t *testing.T) {
				t.Parallel()
				id := w.create(t, object{c.key: c.value})
				p := configured(t, w.provider(object{"allow_undocumented": true}))
				_, diags := p.importByID(id + "/" + c.key)
				soleError(t, diags, "", id, c.key, `"`+c.value+`"`, "the argument "+c.path+" cannot say")
				if said := rules.Printed(diags); strings.Contains(said, "allow_undocumented") {
					t.Errorf("what is allowed already is advised: %s", said)
				}
				whole, diags := p.importByID(id)
				quiet(t, diags)
				holds(t, "the whole import", whole.state, c.path, nil)
			})
		}
	}
}
