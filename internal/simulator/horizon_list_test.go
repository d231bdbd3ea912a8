package simulator

import (
	"fmt"
	"strings"
	"testing"
)

// versions makes versions of some names in the stream, in this order.
func (s stocked) versions(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.make("im-versions", versionBody(s.stream, name))
	}
}

func TestListsComeInPages(t *testing.T) {
	s := newStocked(t, newestRelease)
	s.versions("april", "may", "june", "july")
	list := "/config/v1/im-versions?im_stream_id=" + s.stream
	for _, row := range []struct {
		query  string
		status int
		names  string
		more   bool
	}{
		{"", 200, "march,april,may,june,july", false},
		{"&page=1&size=2", 200, "march,april", true},
		{"&page=2&size=2", 200, "may,june", true},
		{"&page=3&size=2", 200, "july", false},
		{"&page=1&size=5", 200, "march,april,may,june,july", false},
		{"&page=1&size=1000", 200, "march,april,may,june,july", false},
		{"&page=1&size=1001", 400, "", false},
		{"&page=4&size=2", 400, "", false},
		{"&page=0&size=2", 400, "", false},
		{"&page=1&size=0", 400, "", false},
		{"&page=1", 200, "march,april,may,june,july", false},
		{"&size=2", 200, "march,april,may,june,july", false},
	} {
		got := s.do("GET", list+row.query, "")
		more := got.header.Get("HAS_MORE_RECORDS") == "TRUE"
		if got.status != row.status || row.status == 200 && got.names("name") != row.names || more != row.more {
			t.Errorf("%s: %d %s, more %t: %s", row.query, got.status, got.names("name"), more, got.text)
		}
	}
	empty := s.make("im-streams", streamBody("Empty"))
	if got := s.do("GET", "/config/v1/im-versions?page=1&size=2&im_stream_id="+empty, ""); got.status != 200 || got.text != "[]" {
		t.Errorf("page 1 of nothing is %d %s", got.status, got.text)
	}
}

func TestListsAreSorted(t *testing.T) {
	s := newStocked(t, newestRelease)
	s.versions("May", "april")
	list := "/config/v1/im-versions?im_stream_id=" + s.stream
	for query, want := range map[string]string{
		"":                                  "march,May,april",
		"&sort_by=name":                     "april,march,May",
		"&sort_by=name&order_by=DESC":       "May,march,april",
		"&sort_by=status":                   "march,May,april",
		"&sort_by=description&order_by=ASC": "march,May,april",
		"&sort_by=name&page=2&size=2":       "May",
		"&order_by=DESC":                    "",
		"&sort_by=id":                       "",
		"&sort_by=colour":                   "",
		"&sort_by=name&order_by=DESC&page=3&size=2": "",
	} {
		got := s.do("GET", list+query, "")
		if (got.status == 400) != (want == "") || got.status == 200 && got.names("name") != want {
			t.Errorf("%s: %d %s", query, got.status, got.text)
		}
	}
	if got := s.do("GET", list+"&sort_by=name&order_by=asc", ""); got.status != 400 {
		t.Errorf("another order is answered with %d", got.status)
	}
	// Absent descriptions come first.
	s.make("im-versions", strings.Replace(versionBody(s.stream, "june"), "{", `{"description":"a",`, 1))
	if got := s.do("GET", list+"&sort_by=description&order_by=DESC", "").names("name"); got != "june,march,May,april" {
		t.Errorf("sorted by description they are %s", got)
	}
	if got := s.do("GET", "/config/v1/im-streams?sort_by=usable&order_by=DESC", "").names("name"); got != "Desktops" {
		t.Errorf("sorted by a flag they are %s", got)
	}
}

func TestListsAreFiltered(t *testing.T) {
	s := newStocked(t, newestRelease)
	s.versions("april", "may", "may-2")
	list := "/config/v1/im-versions?im_stream_id=" + s.stream + "&"
	for filter, want := range map[string]string{
		`{"type":"Equals","name":"name","value":"may"}`:                                                                           "may",
		`{"type":"Equals","name":"name","value":"May"}`:                                                                           "",
		`{"type":"StartsWith","name":"name","value":"ma"}`:                                                                        "march,may,may-2",
		`{"type":"Contains","name":"name","value":"r"}`:                                                                           "march,april",
		`{"type":"Equals","name":"id","value":"` + s.version + `"}`:                                                               "march",
		`{"type":"Equals","name":"description","value":"x"}`:                                                                      "",
		`{"type":"Not","filter":{"type":"StartsWith","name":"name","value":"may"}}`:                                               "march,april",
		`{"type":"And","filters":[{"type":"Contains","name":"name","value":"a"},{"type":"Contains","name":"name","value":"2"}]}`:  "may-2",
		`{"type":"Or","filters":[{"type":"Equals","name":"name","value":"may"},{"type":"Equals","name":"name","value":"april"}]}`: "april,may",
		`{"type":"equals","name":"name","value":"may"}`:                                                                           "400",
		`{"type":"EndsWith","name":"name","value":"y"}`:                                                                           "400",
		`{"type":"NotEquals","name":"name","value":"may"}`:                                                                        "400",
		`{"type":"StartsWith","name":"status","value":"A"}`:                                                                       "400",
		`{"type":"Equals","name":"colour","value":"red"}`:                                                                         "400",
		`{"type":"And","filters":[]}`:                                                                                             "400",
		`{"type":"And","filters":[{"type":"Equals","name":"colour","value":"red"}]}`:                                              "400",
		`{"type":"Not"}`: "400",
		`name eq "may"`:  "400",
	} {
		got := s.do("GET", list+filterOf(filter), "")
		if want == "400" && got.status != 400 || want != "400" && (got.status != 200 || got.names("name") != want) {
			t.Errorf("%s: %d %s, want %s", filter, got.status, got.text, want)
		}
	}
}

func TestRangesAreNamedAsAssumed(t *testing.T) {
	snake, camel := `{"type":"Between","name":"created_timestamp","from_value":%d,"to_value":%d}`, `{"type":"Between","name":"created_timestamp","fromValue":%d,"toValue":%d}`
	list := "/external/v2/base-snapshots?vcenter_id=" + HorizonVCenterID + "&base_vm_id=vm-1002&"
	// From the first of December 2025 to the last of it.
	const from, until = 1764547200000, 1767139200000
	for assumed, good := range map[string]string{"snake-case": snake, "camel-case": camel} {
		p := newPod(t, newestRelease, "horizon-between="+assumed)
		for _, form := range []string{snake, camel} {
			got := p.do("GET", list+filterOf(fmt.Sprintf(form, from, until)), "")
			if form == good && got.names("name") != "v2" || form != good && got.status != 400 {
				t.Errorf("%s: %s is answered with %d %s", assumed, form, got.status, got.text)
			}
		}
	}
}

func TestPagesFiltersAndOrderComeWithTheirRelease(t *testing.T) {
	for _, row := range []struct{ release, path, names string }{
		{"2306", "/config/v1/im-versions?im_stream_id=STREAM&page=2&size=1", "march,april"},
		{"2309", "/config/v1/im-versions?im_stream_id=STREAM&page=2&size=1", "april"},
		{"2306", "/config/v1/im-versions?im_stream_id=STREAM&sort_by=name", "march,april"},
		{"2309", "/config/v1/im-versions?im_stream_id=STREAM&sort_by=name", "april,march"},
		{"2012", "/inventory/v1/desktop-pools?page=2&size=2&x=STREAM", "ENGINEERING,SALES,KIOSK"},
		{"2012", "/inventory/v2/desktop-pools?page=2&size=2&x=STREAM", "KIOSK"},
		{"2212", "/inventory/v2/desktop-pools?sort_by=name&order_by=DESC&x=STREAM", "ENGINEERING,SALES,KIOSK"},
		{"2303", "/inventory/v2/desktop-pools?sort_by=name&order_by=DESC&x=STREAM", "SALES,KIOSK,ENGINEERING"},
		{"2012", "/inventory/v2/desktop-pools?x=STREAM&" + filterOf(`{"type":"Equals","name":"source","value":"INSTANT_CLONE"}`), "ENGINEERING,SALES"},
		{"2512", "/external/v1/base-vms?page=1&size=1&vcenter_id=" + HorizonVCenterID + "&x=STREAM", "win11-golden,win11-rds"},
		{"2512", "/external/v2/base-vms?page=1&size=1&vcenter_id=" + HorizonVCenterID + "&x=STREAM", "win11-golden"},
		{"2212", "/external/v2/base-vms?page=1&size=1&vcenter_id=" + HorizonVCenterID + "&x=STREAM", "win11-golden,win11-rds"},
		{"2512", "/external/v2/base-vms?sort_by=name&order_by=DESC&vcenter_id=" + HorizonVCenterID + "&x=STREAM", "win11-rds,win11-golden"},
		{"2506", "/external/v2/base-vms?sort_by=name&order_by=DESC&vcenter_id=" + HorizonVCenterID + "&x=STREAM", ""},
	} {
		// The parameters are also sent to releases that do not have them.
		s := stock(newUnguardedPod(t, row.release))
		s.versions("april")
		if got := s.do("GET", strings.Replace(row.path, "STREAM", s.stream, 1), ""); got.names("name") != row.names {
			t.Errorf("%s of %s: %d %s", row.path, row.release, got.status, got.text)
		}
	}
}

func TestVersionsAndTagsAreListedByStream(t *testing.T) {
	s := newStocked(t, newestRelease)
	other := s.make("im-streams", streamBody("Other"))
	s.make("im-tags", tagBody(other, s.make("im-versions", versionBody(other, "first")), "live"))
	for collection, name := range map[string]string{"im-versions": "march", "im-tags": "live"} {
		got := s.do("GET", "/config/v1/"+collection+"?im_stream_id="+s.stream, "")
		if got.names("name") != name || len(got.list()) != 1 {
			t.Errorf("%s are %s", collection, got.text)
		}
		expectReply(t, collection, s.do("GET", "/config/v1/"+collection, ""), 400, "im_stream_id")
	}
	for _, row := range []struct {
		release, path string
		status        int
	}{
		{"2309", "/config/v1/im-tags?im_stream_id=none", 200}, {"2312", "/config/v1/im-tags?im_stream_id=none", 404},
		{"2309", "/config/v1/im-assets?im_version_id=none", 200}, {"2312", "/config/v1/im-assets?im_version_id=none", 404},
		{"2312", "/config/v1/im-assets?im_tag_id=none", 404}, {"2512", "/config/v1/im-versions?im_stream_id=none", 200},
	} {
		if got := newPod(t, row.release).do("GET", row.path, ""); got.status != row.status || row.status == 200 && got.text != "[]" {
			t.Errorf("%s in %s is answered with %d %s", row.path, row.release, got.status, got.text)
		}
	}
}

func TestAssetsAreListedByVersionAndTag(t *testing.T) {
	s := newStocked(t, newestRelease)
	april := s.make("im-versions", versionBody(s.stream, "april"))
	second := s.make("im-assets", assetBody(s.stream, april))
	for query, want := range map[string]string{
		"": s.asset + "," + second, "im_version_id=" + april: second, "im_tag_id=" + s.tag: s.asset,
		"im_tag_id=" + s.tag + "&im_version_id=" + s.version: s.asset, "im_tag_id=" + s.tag + "&im_version_id=" + april: "",
		filterOf(`{"type":"Equals","name":"base_snapshot_id","value":"snapshot-1004"}`): s.asset + "," + second,
		filterOf(`{"type":"Equals","name":"datacenter_id","value":"datacenter-1"}`):     "",
	} {
		if got := s.do("GET", "/config/v1/im-assets?"+query, ""); got.status != 200 || got.names("id") != want {
			t.Errorf("%s: %d %s", query, got.status, got.text)
		}
	}
	old := newPod(t, "2309")
	expectReply(t, "no version in 2309", old.do("GET", "/config/v1/im-assets", ""), 400, "im_version_id")
}

func TestStreamsAndTagsAreListedByTheirAssets(t *testing.T) {
	s := newStocked(t, newestRelease)
	s.make("im-streams", streamBody("Bare"))
	april := s.make("im-versions", versionBody(s.stream, "april"))
	s.make("im-tags", tagBody(s.stream, april, "next"))
	_ = s.WriteCatalogueObject(s.make("im-assets", assetBody(s.stream, april, "image_type", "RDSH_APPS")), map[string]any{"status": "FAILED"})
	tags := "/config/v1/im-tags?im_stream_id=" + s.stream
	for path, want := range map[string]string{
		"/config/v1/im-streams":                                               "Desktops,Bare",
		"/config/v1/im-streams?vcenter_id=" + HorizonVCenterID:                "Desktops",
		"/config/v1/im-streams?vcenter_id=none":                               "",
		"/config/v1/im-streams?clone_type=FULL_CLONE":                         "",
		"/config/v1/im-streams?image_type=RDSH_APPS&clone_type=INSTANT_CLONE": "Desktops",
		tags:                                                            "live,next",
		tags + "&vcenter_id=" + HorizonVCenterID:                        "live,next",
		tags + "&image_type=VDI_DESKTOP":                                "live",
		tags + "&image_type=RDSH_APPS":                                  "next",
		tags + "&fetch_available_assets_only=true":                      "live",
		tags + "&fetch_available_assets_only=false":                     "live,next",
		tags + "&fetch_available_assets_only=true&image_type=RDSH_APPS": "",
	} {
		if got := s.do("GET", path, ""); got.status != 200 || got.names("name") != want {
			t.Errorf("%s: %d %s", path, got.status, got.text)
		}
	}
	expectReply(t, "an unknown type", s.do("GET", tags+"&clone_type=LINKED_CLONE", ""), 400, "clone_type")
	old := stock(newUnguardedPod(t, "2309"))
	if got := old.do("GET", "/config/v1/im-tags?clone_type=FULL_CLONE&im_stream_id="+old.stream, ""); got.names("name") != "live" {
		t.Errorf("2309 takes a parameter of 2312: %s", got.text)
	}
}
