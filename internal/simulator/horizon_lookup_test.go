package simulator

import (
	"fmt"
	"strings"
	"testing"
)

func TestLookupsShowTheInventory(t *testing.T) {
	p := newPod(t, newestRelease)
	vcenter := "?vcenter_id=" + HorizonVCenterID
	branch := p.AddVirtualCenter("vcenter.branch.example", "DC1", "DC2")
	for path, want := range map[string]string{
		"/external/v2/vm-templates" + vcenter + "&datacenter_id=datacenter-1001 name":                                      "win11-template",
		"/external/v1/vm-templates?vcenter_id=" + branch + " name":                                                         "",
		"/external/v1/datacenters?vcenter_id=" + branch + " path":                                                          "/DC1,/DC2",
		"/inventory/v2/desktop-pools?" + filterOf(`{"type":"Equals","name":"delete_in_progress","value":false}`) + " name": "ENGINEERING,SALES,KIOSK",
		"/inventory/v2/desktop-pools?" + filterOf(`{"type":"Equals","name":"enable_provisioning","value":true}`) + " name": "ENGINEERING,SALES",
		"/config/v2/virtual-centers server_name":                                                                           "vcenter.demo.example,vcenter.branch.example",
		"/config/v6/virtual-centers id":                                                                                    HorizonVCenterID + "," + branch,
		"/monitor/virtual-centers name":                                                                                    "vcenter.demo.example,vcenter.branch.example",
		"/monitor/v4/connection-servers name":                                                                              "CS01",
		"/external/v1/datacenters" + vcenter + " name":                                                                     "DC1",
		"/external/v1/datacenters" + vcenter + " path":                                                                     "/DC1",
		"/external/v1/base-vms" + vcenter + " path":                                                                        "/DC1/vm/win11-golden,/DC1/vm/win11-rds",
		"/external/v3/base-vms" + vcenter + "&datacenter_id=datacenter-1001 name":                                          "win11-golden,win11-rds",
		"/external/v1/base-snapshots" + vcenter + "&base_vm_id=vm-1002 path":                                               "/v1,/v1/v2,/v1/v2/v3",
		"/external/v2/base-snapshots" + vcenter + "&base_vm_id=vm-1003 name":                                               "v1,v2,v3",
		"/external/v1/vm-templates" + vcenter + " path":                                                                    "/DC1/vm/win11-template",
		"/inventory/v1/desktop-pools name":                                                                                 "ENGINEERING,SALES,KIOSK",
		"/inventory/v12/desktop-pools num_machines":                                                                        "10,50,1",
		"/inventory/v2/desktop-pools source":                                                                               "INSTANT_CLONE,INSTANT_CLONE,VIRTUAL_CENTER",
	} {
		path, field, _ := strings.Cut(path, " ")
		if got := p.do("GET", path, ""); got.status != 200 || got.names(field) != want {
			t.Errorf("%s: %d, %s are %s", path, got.status, field, got.names(field))
		}
	}
	one := p.do("GET", "/config/v3/virtual-centers/"+HorizonVCenterID, "").object()["server_name"]
	vm := p.do("GET", "/external/v2/base-vms/vm-1003"+vcenter, "").object()["name"]
	version := p.do("GET", "/monitor/connection-servers", "").list()[0].(map[string]any)["details"].(map[string]any)["version"]
	if one != "vcenter.demo.example" || vm != "win11-rds" || version != "8.17.0" {
		t.Errorf("found %v, %v, %v", one, vm, version)
	}
}

func TestLookupsOfWhatIsNotThere(t *testing.T) {
	p := newPod(t, newestRelease)
	vcenter := "?vcenter_id=" + HorizonVCenterID
	for path, status := range map[string]int{
		"/config/v5/virtual-centers/none":                                 404,
		"/external/v1/datacenters":                                        400,
		"/external/v1/datacenters?vcenter_id=none":                        404,
		"/external/v1/base-vms":                                           400,
		"/external/v1/base-vms?vcenter_id=none":                           404,
		"/external/v1/base-vms" + vcenter + "&datacenter_id=datacenter-7": 404,
		"/external/v2/base-vms/vm-1" + vcenter:                            404,
		"/external/v1/base-snapshots" + vcenter:                           400,
		"/external/v1/base-snapshots" + vcenter + "&base_vm_id=vm-1":      404,
		"/external/v1/vm-templates?vcenter_id=none":                       404,
		"/inventory/v2/desktop-pools/none":                                404,
	} {
		if got := p.do("GET", path, ""); got.status != status || len(got.messages()) == 0 {
			t.Errorf("%s is answered with %d %s", path, got.status, got.text)
		}
	}
}

func TestIdsRepeatFromVCenterToVCenter(t *testing.T) {
	p := newPod(t, newestRelease)
	second := p.AddVirtualCenter("vcenter.branch.example", "DC1", "DC2")
	id, snapshots := p.AddBaseVM(BaseVM{VCenterID: second, Datacenter: "DC2", Folder: "/Golden", Name: "linux", OperatingSystem: "LINUX_UBUNTU",
		Snapshots: []string{"a", "a"}})
	third := p.AddSnapshot(second, id, "b")
	if id != "vm-1003" || fmt.Sprint(snapshots) != "[snapshot-1004 snapshot-1005]" || third != "snapshot-1006" {
		t.Errorf("ids are %s, %v, %s", id, snapshots, third)
	}
	for path, want := range map[string]string{
		"/external/v1/base-vms?vcenter_id=" + second + " path":                                    "/DC2/vm/Golden/linux",
		"/external/v1/base-vms?vcenter_id=" + second + "&datacenter_id=datacenter-1001 path":      "",
		"/external/v1/base-snapshots?base_vm_id=vm-1003&vcenter_id=" + second + " path":           "/a,/a/a,/a/a/b",
		"/external/v1/base-snapshots?base_vm_id=vm-1003&vcenter_id=" + HorizonVCenterID + " path": "/v1,/v1/v2,/v1/v2/v3",
		"/config/v1/virtual-centers server_name":                                                  "vcenter.demo.example,vcenter.branch.example",
	} {
		path, field, _ := strings.Cut(path, " ")
		if got := p.do("GET", path, "").names(field); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestMachinesThatCannotBeImagesAreLeftOutOnDemand(t *testing.T) {
	p := newPod(t, newestRelease)
	p.AddBaseVM(BaseVM{Name: "bare"})
	p.AddBaseVM(BaseVM{Name: "old", OperatingSystem: "WINDOWS_XP", IncompatibleReasons: []string{"UNSUPPORTED_OS"}, Snapshots: []string{"a"}})
	list := "/external/v2/base-vms?vcenter_id=" + HorizonVCenterID
	for query, want := range map[string]string{
		"": "win11-golden,win11-rds,bare,old", "&filter_incompatible_vms=false": "win11-golden,win11-rds,bare,old",
		"&filter_incompatible_vms=true": "win11-golden,win11-rds",
		"&" + filterOf(`{"type":"Equals","name":"incompatible_reasons","value":"NO_SNAPSHOTS"}`): "bare",
		"&" + filterOf(`{"type":"Equals","name":"num_nics","value":1}`):                          "win11-golden,win11-rds,bare,old",
		"&" + filterOf(`{"type":"Equals","name":"num_nics","value":2}`):                          "",
	} {
		if got := p.do("GET", list+query, "").names("name"); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
}

func TestOlderReleasesDoNotKnowWindows11(t *testing.T) {
	for release, want := range map[string]string{"2206": "WINDOWS_10", "2212": "WINDOWS_11"} {
		got := newPod(t, release).do("GET", "/external/v1/base-vms?vcenter_id="+HorizonVCenterID, "")
		if system := got.list()[0].(map[string]any)["operating_system"]; system != want {
			t.Errorf("%s shows %v", release, system)
		}
		full := New(Options{Release: release})
		if stream := full.CatalogueObject(HorizonStreamID); stream["operating_system"] != want || stream["name"] != "Win11" {
			t.Errorf("%s has the stream %v", release, stream)
		}
		if version := full.CatalogueObject(HorizonVersionID); version["im_stream_id"] != HorizonStreamID || version["name"] != "v1" {
			t.Errorf("%s has the version %v", release, version)
		}
	}
}

func TestPoolsShowTheirImageByTheirForm(t *testing.T) {
	s := newStocked(t, newestRelease)
	s.follow("SALES", s.tag)
	engineering, sales := s.horizon.pools[0].id, s.horizon.pools[1].id
	show := func(version int, id string) (pool, settings map[string]any) {
		pool = s.do("GET", fmt.Sprintf("/inventory/v%d/desktop-pools/%s", version, id), "").object()
		settings, _ = pool["provisioning_settings"].(map[string]any)
		return pool, settings
	}
	if pool, settings := show(1, engineering); settings != nil || pool["settings"] == nil || pool["image_source"] != nil {
		t.Errorf("version 1 shows %v", pool)
	}
	for version := 2; version <= 12; version++ {
		pool, settings := show(version, engineering)
		if pool["image_source"] != "VIRTUAL_CENTER" || settings["parent_vm_id"] != "vm-1002" || settings["base_snapshot_id"] != "snapshot-1004" ||
			settings["add_virtual_tpm"] != true || settings["im_tag_id"] != nil {
			t.Errorf("version %d shows %v", version, pool)
		}
		if path, ok := settings["snapshot_path"]; ok != (version >= 10) || ok && path != "/v1" {
			t.Errorf("version %d shows the path %v", version, path)
		}
		if _, ok := settings["compute_profile_num_cpus"]; ok != (version >= 6) {
			t.Errorf("version %d shows the processors: %t", version, ok)
		}
		pool, settings = show(version, sales)
		if pool["image_source"] != "IMAGE_CATALOG" || settings["im_stream_id"] != s.stream || settings["im_tag_id"] != s.tag {
			t.Errorf("version %d shows %v", version, pool)
		}
		if name, ok := settings["im_tag_name"]; ok != (version >= 10) || ok && name != "live" {
			t.Errorf("version %d shows the name %v", version, name)
		}
	}
	if pool, settings := show(12, s.horizon.pools[2].id); settings != nil || pool["type"] != "MANUAL" {
		t.Errorf("the manual pool is %v", pool)
	}
	for what, err := range map[string]error{
		"a manual pool": s.FollowTag("KIOSK", s.tag), "no pool": s.FollowTag("none", s.tag), "no tag": s.FollowTag("SALES", "none"),
	} {
		if err == nil {
			t.Errorf("%s follows a tag", what)
		}
	}
}

func TestUnknownReleasesAreRefused(t *testing.T) {
	for name, want := range map[string]string{"": "2512", "2012": "2012", "2512": "2512", "2209": "", "8.1": ""} {
		if got, err := ParseRelease(name); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v", name, got, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a simulator of no release is made")
		}
	}()
	New(Options{Release: "2601"})
}

func TestDescriptionLeadsToHorizon(t *testing.T) {
	p := newPod(t, newestRelease)
	d := p.Describe(strings.TrimSuffix(p.address, "/horizon/rest"))
	if d.Horizon+"/rest" != p.address {
		t.Errorf("Horizon is at %s", d.Horizon)
	}
	if got := p.send("POST", "/login", loginBody(d.Username, d.Password, d.Domain), nil); got.status != 200 {
		t.Errorf("the described user is answered with %d", got.status)
	}
}
