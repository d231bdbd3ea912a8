package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCatalogueKeepsWhatItIsGiven(t *testing.T) {
	s := newStocked(t, newestRelease)
	stream := s.make("im-streams", `{"name":"Full","operating_system":"WINDOWS_11","source":"MARKET_PLACE","status":"PENDING","publisher":"Team",`+
		`"description":"Two\nlines","additional_details":{"owner":"anna","":""}}`)
	got := s.do("GET", "/config/v1/im-streams/"+stream, "").object()
	want := map[string]any{"id": stream, "name": "Full", "operating_system": "WINDOWS_11", "source": "MARKET_PLACE", "status": "PENDING",
		"publisher": "Team", "description": "Two\nlines", "additional_details": map[string]any{"owner": "anna", "": ""}, "usable": false}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the stream is %v", got)
	}
	asset := s.do("GET", s.path("im-assets"), "").object()
	if asset["datacenter_id"] != "datacenter-1001" || asset["base_vm_id"] != "vm-1002" || len(asset) != 10 {
		t.Errorf("the asset is %v", asset)
	}
	template := s.make("im-assets", assetBody(s.stream, s.version, "base_vm_id", "", "base_snapshot_id", "", "vm_template_id", "vm-1010", "clone_type", "FULL_CLONE"))
	if got := s.CatalogueObject(template); got["datacenter_id"] != "datacenter-1001" || got["base_vm_id"] != nil {
		t.Errorf("the asset of a template is %v", got)
	}
	if usable := s.do("GET", s.path("im-streams"), "").object()["usable"]; usable != true {
		t.Errorf("the stream with a tagged version is usable: %v", usable)
	}
	if got := s.CatalogueObject(stream); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("an administrator reads %v", got)
	}
}

func TestStreamsAreUsableThroughATaggedVersion(t *testing.T) {
	for name, change := range map[string]func(s stocked){
		"disabled stream":  func(s stocked) { _ = s.WriteCatalogueObject(s.stream, map[string]any{"status": "DISABLED"}) },
		"disabled version": func(s stocked) { _ = s.WriteCatalogueObject(s.version, map[string]any{"status": "DISABLED"}) },
		"no tag":           func(s stocked) { s.DeleteCatalogueObject(s.tag) },
	} {
		s := newStocked(t, newestRelease)
		change(s)
		if usable := s.do("GET", s.path("im-streams"), "").object()["usable"]; usable != false {
			t.Errorf("with %s: %v", name, usable)
		}
	}
	s := newStocked(t, newestRelease)
	_ = s.WriteCatalogueObject(s.version, map[string]any{"status": "PARTIALLY_AVAILABLE"})
	if usable := s.do("GET", s.path("im-streams"), "").object()["usable"]; usable != true {
		t.Errorf("with a version in part: %v", usable)
	}
}

func TestCreationsAreChecked(t *testing.T) {
	s := newStocked(t, newestRelease)
	other := s.make("im-streams", streamBody("Other"))
	long := strings.Repeat("x", 1025)
	for name, row := range map[string]struct {
		collection, body string
		status           int
		message          string
	}{
		"stream of a taken name":        {"im-streams", streamBody("Desktops"), 409, "already exists"},
		"stream with a blank":           {"im-streams", streamBody("Desk tops"), 400, "name is not valid"},
		"stream with a dot":             {"im-streams", streamBody("Desk.tops"), 400, "name is not valid"},
		"stream without a name":         {"im-streams", streamBody(""), 400, "name is not valid"},
		"stream of 64 characters":       {"im-streams", streamBody(strings.Repeat("s", 64)), 201, ""},
		"stream of 65 characters":       {"im-streams", streamBody(strings.Repeat("s", 65)), 400, "name is not valid"},
		"stream of an unknown system":   {"im-streams", strings.Replace(streamBody("A"), "WINDOWS_10", "DOS", 1), 400, "operating_system is not valid"},
		"stream with much text":         {"im-streams", strings.Replace(streamBody("A"), "{", `{"description":"`+long+`",`, 1), 400, "longer than 1024"},
		"stream with enough text":       {"im-streams", strings.Replace(streamBody("B"), "{", `{"description":"`+long[1:]+`",`, 1), 201, ""},
		"stream with details of a list": {"im-streams", strings.Replace(streamBody("A"), "{", `{"additional_details":["a"],`, 1), 400, "is not an object"},
		"stream with a number":          {"im-streams", strings.Replace(streamBody("A"), "{", `{"additional_details":{"a":1},`, 1), 400, "member a is not a string"},
		"stream with a number for text": {"im-streams", strings.Replace(streamBody("A"), `"A"`, `7`, 1), 400, "name is not valid: it is not a string"},
		"version of a taken name":       {"im-versions", versionBody(s.stream, "march"), 409, "already exists"},
		"version in another stream":     {"im-versions", versionBody(other, "march"), 201, ""},
		"version with a dot":            {"im-versions", versionBody(s.stream, "2026.03"), 201, ""},
		"version of no stream":          {"im-versions", versionBody("none", "april"), 400, "stream none does not exist"},
		"tag of a taken name":           {"im-tags", tagBody(s.stream, s.version, "live"), 409, "already exists"},
		"tag with a dot":                {"im-tags", tagBody(s.stream, s.version, "v1.0"), 400, "name is not valid"},
		"tag of no version":             {"im-tags", tagBody(s.stream, "none", "next"), 400, "version none does not exist"},
		"tag of another stream":         {"im-tags", tagBody(other, s.version, "next"), 400, "does not belong"},
		"asset of another stream":       {"im-assets", assetBody(other, s.version), 400, "does not belong"},
		"asset of no vCenter":           {"im-assets", assetBody(s.stream, s.version, "vcenter_id", "none"), 400, "Virtual Center none"},
		"asset of no machine":           {"im-assets", assetBody(s.stream, s.version, "base_vm_id", "vm-9"), 400, "Base VM vm-9"},
		"asset of another snapshot":     {"im-assets", assetBody(s.stream, s.version, "base_snapshot_id", "snapshot-1007"), 400, "not a snapshot of"},
		"asset without a snapshot":      {"im-assets", assetBody(s.stream, s.version, "base_snapshot_id", ""), 400, "must be set"},
		"asset of both":                 {"im-assets", assetBody(s.stream, s.version, "vm_template_id", "vm-1010"), 400, "must not be set"},
		"asset of no template": {"im-assets",
			assetBody(s.stream, s.version, "base_vm_id", "", "base_snapshot_id", "", "vm_template_id", "vm-1002"), 400, "template vm-1002"},
		"asset of a template": {"im-assets",
			assetBody(s.stream, s.version, "base_vm_id", "", "base_snapshot_id", "", "vm_template_id", "vm-1010", "clone_type", "FULL_CLONE"), 201, ""},
		"asset for applications":      {"im-assets", assetBody(s.stream, s.version, "image_type", "RDSH_APPS"), 201, ""},
		"asset in the View API's way": {"im-assets", assetBody(s.stream, s.version, "image_type", "RDSH_APP"), 400, "image_type is not valid"},
		"a null for what is needed":   {"im-tags", strings.Replace(tagBody(s.stream, s.version, "x"), `"x"`, "null", 1), 400, "name is required"},
	} {
		expectReply(t, name, s.do("POST", "/config/v1/"+row.collection, row.body), row.status, row.message)
	}
}

func TestNamesOfVersionsHaveDotsExceptInTwoReleases(t *testing.T) {
	for release, want := range map[string]int{"2012": 201, "2212": 201, "2303": 400, "2306": 400, "2309": 201, newestRelease: 201} {
		p := newPod(t, release)
		stream := p.make("im-streams", streamBody("Desktops"))
		expectReply(t, release, p.do("POST", "/config/v1/im-versions", versionBody(stream, "26.03")), want, "")
	}
}

func TestSystemsComeWithTheirRelease(t *testing.T) {
	for _, row := range []struct {
		release, system string
		status          int
	}{{"2206", "WINDOWS_11", 400}, {"2212", "WINDOWS_11", 201}, {"2506", "MACOS_15", 400}, {"2512", "MACOS_15", 201}} {
		got := newPod(t, row.release).do("POST", "/config/v1/im-streams", strings.Replace(streamBody("A"), "WINDOWS_10", row.system, 1))
		expectReply(t, row.release+" "+row.system, got, row.status, "")
	}
}

func TestUpdatesReplaceWhatTheyCan(t *testing.T) {
	s := newStocked(t, newestRelease)
	second := s.make("im-versions", versionBody(s.stream, "april"))
	foreign := s.make("im-versions", versionBody(s.make("im-streams", streamBody("Other")), "may"))
	s.make("im-tags", tagBody(s.stream, s.version, "next"))
	for _, row := range []struct {
		what, collection, body string
		status                 int
		message                string
	}{
		{"the tag moves", "im-tags", `{"name":"live","im_version_id":"` + second + `"}`, 204, ""},
		{"to another stream", "im-tags", `{"name":"live","im_version_id":"` + foreign + `"}`, 400, "does not belong"},
		{"to nothing", "im-tags", `{"name":"live","im_version_id":"none"}`, 400, "does not exist"},
		{"to a taken name", "im-tags", `{"name":"next","im_version_id":"` + second + `"}`, 400, "already exists"},
		{"the status", "im-assets", `{"status":"DISABLED","clone_type":"INSTANT_CLONE","image_type":"VDI_DESKTOP"}`, 204, ""},
		{"without a status", "im-assets", `{"clone_type":"INSTANT_CLONE","image_type":"VDI_DESKTOP"}`, 400, "status is required"},
		{"what is fixed", "im-assets", assetBody(s.stream, s.version), 400, "Field base_vm_id is not known"},
		{"the name", "im-versions", `{"name":"april-2","status":"AVAILABLE"}`, 204, ""},
		{"its own name", "im-versions", `{"name":"april-2","status":"AVAILABLE"}`, 204, ""},
	} {
		expectReply(t, row.what, s.do("PUT", s.path(row.collection), row.body), row.status, row.message)
	}
	if got := s.CatalogueObject(s.tag)["im_version_id"]; got != second {
		t.Errorf("the tag is at %v", got)
	}
	asset := s.CatalogueObject(s.asset)
	if asset["status"] != "DISABLED" || asset["base_vm_id"] != "vm-1002" {
		t.Errorf("the asset is %v", asset)
	}
	expectReply(t, "nothing", s.do("PUT", "/config/v1/im-tags/none", `{"name":"live","im_version_id":"v"}`), 404, "does not exist")
}

func TestUpdatesClearOrKeepWhatTheyLeaveOut(t *testing.T) {
	for assumed, want := range map[string]any{"cleared": nil, "kept": "text"} {
		p := newPod(t, newestRelease, "horizon-put-omitted="+assumed)
		id := p.make("im-streams", strings.Replace(streamBody("A"), "{", `{"description":"text","additional_details":{"a":"b"},`, 1))
		if got := p.do("PUT", "/config/v1/im-streams/"+id, streamBody("B")); got.status != 204 || got.text != "" {
			t.Errorf("%s: %d %s", assumed, got.status, got.text)
		}
		object := p.CatalogueObject(id)
		if object["description"] != want || (object["additional_details"] == nil) != (want == nil) || object["name"] != "B" {
			t.Errorf("%s: %v", assumed, object)
		}
		p.do("PUT", "/config/v1/im-streams/"+id, strings.Replace(streamBody("B"), "{", `{"additional_details":{},`, 1))
		if details, ok := p.CatalogueObject(id)["additional_details"].(map[string]any); !ok || len(details) > 0 {
			t.Errorf("%s: empty details are %v", assumed, details)
		}
	}
}

func TestUnknownFieldsAreRefusedOrIgnored(t *testing.T) {
	for assumed, want := range map[string]int{"refused": 400, "ignored": 201} {
		p := newUnguardedPod(t, newestRelease, "horizon-unknown-fields="+assumed)
		got := p.do("POST", "/config/v1/im-streams", strings.Replace(streamBody("A"), "{", `{"colour":"red",`, 1))
		if got.status != want {
			t.Errorf("%s: %d %s", assumed, got.status, got.text)
		}
		if ids := p.ids("im-streams"); len(ids) == 1 && p.CatalogueObject(ids[0])["colour"] != nil {
			t.Errorf("%s: the field is kept", assumed)
		}
	}
}

func TestCreationsNameWhatTheyMadeAsAssumed(t *testing.T) {
	for _, assumed := range []string{"absolute", "path", "absent"} {
		p := newPod(t, newestRelease, "horizon-location="+assumed)
		got := p.do("POST", "/config/v1/im-streams", streamBody("A"))
		path := "/config/v1/im-streams/" + p.ids("im-streams")[0]
		want := map[string]string{"absolute": p.address + path, "path": "/horizon/rest" + path}[assumed]
		if location := got.header.Get("Location"); location != want || got.text != "" {
			t.Errorf("%s: Location is %q, the body %q", assumed, location, got.text)
		}
	}
}

func TestVersionsHaveOneAssetForAPurposeOrSeveral(t *testing.T) {
	for assumed, want := range map[string]int{"refused": 409, "accepted": 201} {
		s := newStocked(t, newestRelease, "horizon-asset-twins="+assumed)
		got := s.do("POST", "/config/v1/im-assets", assetBody(s.stream, s.version, "base_snapshot_id", "snapshot-1005"))
		if got.status != want {
			t.Errorf("%s: %d %s", assumed, got.status, got.text)
		}
	}
}

func TestBulkCreationsAnswerForEachObject(t *testing.T) {
	for _, release := range []string{"2012", "2111", "2206", newestRelease} {
		// A document has no objects that lack what they need.
		p := newUnguardedPod(t, release)
		got := p.do("POST", "/config/v1/im-streams/action/bulk-create", `[`+streamBody("A")+`,`+streamBody("A")+`,{"name":"C"},`+streamBody("D")+`]`)
		if got.status != 200 || got.names("status_code") != "201,409,400,201" {
			t.Fatalf("release %s: %d %s", release, got.status, got.text)
		}
		items := got.list()
		ids := p.ids("im-streams")
		first, second, third := items[0].(map[string]any), items[1].(map[string]any), items[2].(map[string]any)
		_, keyed := second["errors"]
		if first["id"] != ids[0] || items[3].(map[string]any)["id"] != ids[1] || second["id"] != nil || keyed != (release >= "2206") ||
			len(third["error_messages"].([]any)) != 3 {
			t.Errorf("release %s: %s", release, got.text)
		}
		expectReply(t, "no list", p.do("POST", "/config/v1/im-streams/action/bulk-create", streamBody("E")), 400, "not an array")
	}
}

func TestWhatIsInUseIsNotDeleted(t *testing.T) {
	for assumed, refused := range map[string]int{"400": 400, "409": 409} {
		s := newStocked(t, newestRelease, "horizon-delete-in-use="+assumed)
		s.follow("SALES", s.tag)
		for _, collection := range []string{"im-streams", "im-versions", "im-tags", "im-assets"} {
			expectReply(t, collection, s.do("DELETE", s.path(collection), ""), refused, "is in use")
		}
		s.follow("SALES", "")
		// Each is in use by those that come before it.
		for _, collection := range []string{"im-tags", "im-assets", "im-versions", "im-streams"} {
			for _, later := range []string{"im-versions", "im-streams"} {
				if collection == "im-tags" || collection == "im-assets" && later == "im-versions" {
					expectReply(t, later, s.do("DELETE", s.path(later), ""), refused, "is in use")
				}
			}
			expectReply(t, collection, s.do("DELETE", s.path(collection), ""), 204, "")
			expectReply(t, collection+" again", s.do("DELETE", s.path(collection), ""), 404, "does not exist")
		}
		if len(s.horizon.catalogue) > 0 {
			t.Errorf("%d objects are left", len(s.horizon.catalogue))
		}
	}
}

func TestAnAssetIsInUseByThePoolsOfItsStream(t *testing.T) {
	s := newStocked(t, newestRelease)
	second := s.make("im-versions", versionBody(s.stream, "april"))
	other := s.make("im-assets", assetBody(s.stream, second, "base_snapshot_id", "snapshot-1005"))
	s.follow("ENGINEERING", s.tag)
	expectReply(t, "an asset of another version", s.do("DELETE", "/config/v1/im-assets/"+other, ""), 400, "is in use")
	spare := s.make("im-tags", tagBody(s.stream, second, "spare"))
	expectReply(t, "a tag that no pool follows", s.do("DELETE", "/config/v1/im-tags/"+spare, ""), 204, "")
	for _, id := range []string{s.tag, s.version, second, s.asset, other} {
		s.DeleteCatalogueObject(id)
	}
	expectReply(t, "a stream that nothing but a pool has", s.do("DELETE", s.path("im-streams"), ""), 400, "is in use")
	s.follow("ENGINEERING", "")
	expectReply(t, "a stream that nothing has", s.do("DELETE", s.path("im-streams"), ""), 204, "")
}

func TestDeletionsRemoveOrMark(t *testing.T) {
	for _, assumed := range []string{"removed", "marked"} {
		s := newStocked(t, newestRelease, "horizon-delete="+assumed)
		for _, collection := range []string{"im-tags", "im-assets", "im-versions", "im-streams"} {
			expectReply(t, collection, s.do("DELETE", s.path(collection), ""), 204, "")
			got := s.do("GET", s.path(collection), "")
			if gone := assumed == "removed" || collection == "im-tags"; gone != (got.status == 404) || !gone && got.object()["status"] != "DELETED" {
				t.Errorf("%s: %s is answered with %d %s", assumed, collection, got.status, got.text)
			}
			expectReply(t, collection+" again", s.do("DELETE", s.path(collection), ""), 404, "does not exist")
		}
		expectReply(t, "its name", s.do("POST", "/config/v1/im-streams", streamBody("Desktops")), 201, "")
		expectReply(t, "a reference", s.do("POST", "/config/v1/im-versions", versionBody(s.stream, "may")), 400, "does not exist")
	}
}

func TestStatusStaysOrProgresses(t *testing.T) {
	for _, row := range []struct {
		collection, status string
		course             []string
	}{
		{"im-streams", "PENDING", []string{"IN_PROGRESS", "AVAILABLE", "AVAILABLE"}},
		{"im-versions", "DEPLOYING_VM", []string{"DEPLOYMENT_DONE", "PUBLISHING", "REPLICATING", "AVAILABLE"}},
		{"im-assets", "RETRY_PENDING", []string{"DEPLOYING_VM", "DEPLOYMENT_DONE", "SPECIALIZING_VM", "REPLICATING", "AVAILABLE"}},
		{"im-assets", "FAILED", []string{"FAILED", "FAILED"}},
		{"im-assets", "DISABLED", []string{"DISABLED"}},
	} {
		for _, assumed := range []string{"kept", "progresses"} {
			s := newStocked(t, newestRelease, "horizon-status="+assumed)
			body := map[string]string{"im-streams": streamBody("B"), "im-versions": versionBody(s.stream, "b"),
				"im-assets": assetBody(s.stream, s.version, "image_type", "RDSH_APPS")}[row.collection]
			id := s.make(row.collection, strings.Replace(body, `"AVAILABLE"`, `"`+row.status+`"`, 1))
			for i, want := range row.course {
				if assumed == "kept" {
					want = row.status
				}
				s.Advance(time.Minute)
				if got := s.do("GET", "/config/v1/"+row.collection+"/"+id, "").object()["status"]; got != want {
					t.Errorf("%s: %s after %d minutes is %v, want %s", assumed, row.collection, i+1, got, want)
				}
			}
		}
	}
	s := newStocked(t, newestRelease, "horizon-status=progresses")
	if err := s.WriteCatalogueObject(s.asset, map[string]any{"status": "DEPLOYING_VM"}); err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Minute - time.Second)
	if got := s.CatalogueObject(s.asset)["status"]; got != "DEPLOYING_VM" {
		t.Errorf("before a minute it is %v", got)
	}
	s.Advance(time.Hour)
	if got := s.CatalogueObject(s.asset)["status"]; got != "AVAILABLE" {
		t.Errorf("after an hour it is %v", got)
	}
}

func TestWritesPastTheAPI(t *testing.T) {
	p := newPod(t, newestRelease)
	id := p.CreateCatalogueObject("im-streams", map[string]any{"name": "A", "operating_system": "UNKNOWN", "source": "UPLOADED", "status": "FAILED"})
	if err := p.WriteCatalogueObject(id, map[string]any{"description": "x", "source": nil, "additional_details": map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	if got := p.CatalogueObject(id); got["description"] != "x" || got["source"] != nil || got["name"] != "A" || got["additional_details"] == nil {
		t.Errorf("the stream is %v", got)
	}
	if err := p.WriteCatalogueObject(id, map[string]any{"name": "B", "status": 7}); err == nil || p.CatalogueObject(id)["name"] != "A" {
		t.Errorf("a number for a status ends with %v", err)
	}
	if err := p.WriteCatalogueObject("none", nil); err == nil {
		t.Error("writing nothing is no error")
	}
	p.DeleteCatalogueObject(id)
	if p.CatalogueObject(id) != nil {
		t.Error("the stream is still there")
	}
}
