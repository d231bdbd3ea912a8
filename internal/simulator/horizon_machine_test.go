package simulator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
)

func machineFilter(pool *desktopPool) string {
	return filterOf(`{"type":"Equals","name":"desktop_pool_id","value":"` + pool.id + `"}`)
}

func TestMachinesHaveTheNamesOfTheirPool(t *testing.T) {
	for _, release := range contract.Releases() {
		p := newPod(t, release)
		for i, want := range []struct {
			count       int
			first, last string
		}{{10, "ENG-001", "ENG-010"}, {50, "SAL-001", "SAL-050"}, {1, "KIOSK-01", "KIOSK-01"}} {
			names := strings.Split(p.do("GET", "/inventory/v2/machines?"+machineFilter(p.horizon.pools[i]), "").names("name"), ",")
			if len(names) != want.count || names[0] != want.first || names[len(names)-1] != want.last {
				t.Errorf("%s, %s: %v", release, p.horizon.pools[i].name, names)
			}
		}
		ids := map[any]bool{}
		got := p.do("GET", "/inventory/v1/machines", "")
		for _, m := range got.list() {
			ids[m.(map[string]any)["id"]] = true
		}
		if len(ids) != 61 || len(got.list()) != 61 {
			t.Errorf("%s: %d ids of %d machines", release, len(ids), len(got.list()))
		}
	}
}

func TestMachinesShowTheImageOfTheirPool(t *testing.T) {
	s := newStocked(t, newestRelease)
	s.follow("SALES", s.tag)
	engineering, sales, kiosk := s.horizon.pools[0].machines[0], s.horizon.pools[1].machines[49], s.horizon.pools[2].machines[0]
	show := func(version int, m *machine) (machine, managed map[string]any) {
		machine = s.do("GET", fmt.Sprintf("/inventory/v%d/machines/%s", version, m.id), "").object()
		managed, _ = machine["managed_machine_data"].(map[string]any)
		return machine, managed
	}
	since := func(version, first int, value any) any {
		if version < first {
			return nil
		}
		return value
	}
	for version := 1; version <= 10; version++ {
		for _, c := range []struct {
			machine                *machine
			image, stream, tagName any
		}{{engineering, "snapshot-1004", nil, nil}, {sales, "snapshot-1004", s.stream, "live"}, {kiosk, nil, nil, nil}} {
			machine, managed := show(version, c.machine)
			path := any("/v1")
			if c.image == nil {
				path = nil
			}
			for _, field := range []struct {
				what      string
				got, want any
			}{
				{"the snapshot", managed["base_vm_snapshot_id"], since(version, 2, c.image)},
				{"its path", managed["base_snapshot_path"], since(version, 6, path)},
				{"the stream", managed["image_management_stream_id"], since(version, 2, c.stream)},
				{"the tag's name", managed["im_tag_name"], since(version, 6, c.tagName)},
				{"held", machine["held_machine"], since(version, 3, false)},
				{"the machine in vCenter", managed["vm_moid"], since(version, 5, c.machine.moid)},
				{"the vCenter", managed["virtual_center_id"], HorizonVCenterID},
				{"the state", machine["state"], "AVAILABLE"},
			} {
				if field.got != field.want {
					t.Errorf("version %d of %s: %s is %v, want %v", version, c.machine.name, field.what, field.got, field.want)
				}
			}
		}
	}
	expectReply(t, "a machine that is not there", s.do("GET", "/inventory/v2/machines/"+s.stream, ""), 404, "does not exist")
}

func TestListsOfMachinesArePagedFilteredAndSorted(t *testing.T) {
	for _, row := range []struct{ release, query, want string }{
		{"2012", "v2/machines?page=2&size=60", "KIOSK-01"},
		{"2012", `v2/machines?{"type":"StartsWith","name":"name","value":"KI"}`, "KIOSK-01"},
		{"2012", `v2/machines?{"type":"EndsWith","name":"dns_name","value":"01.demo.example"}&page=1&size=2`, "ENG-001,SAL-001"},
		{"2012", `v2/machines?{"type":"EndsWith","name":"name","value":"1"}`, "400"},
		{"2012", `v2/machines?{"type":"NotEquals","name":"user_ids","value":"S-1-5"}&page=1&size=1`, "ENG-001"},
		{"2012", `v2/machines?{"type":"Equals","name":"user_ids","value":"S-1-5"}`, ""},
		{"2512", `v2/machines?{"type":"Equals","name":"held_machine","value":false}`, "400"},
		{"2512", `v3/machines?{"type":"Equals","name":"held_machine","value":true}`, ""},
		{"2512", `v3/machines?{"type":"Equals","name":"held_machine","value":"false"}&page=1&size=1`, "ENG-001"},
		{"2412", `v6/machines?{"type":"Equals","name":"desktop_pool_name","value":"KIOSK"}`, "KIOSK-01"},
		{"2412", `v6/machines?{"type":"Equals","name":"desktop_pool_source","value":"VIRTUAL_CENTER"}`, "400"},
		{"2512", `v6/machines?{"type":"Equals","name":"desktop_pool_source","value":"VIRTUAL_CENTER"}`, "KIOSK-01"},
		{"2303", "v2/machines?sort_by=name&order_by=DESC&page=1&size=2", "SAL-050,SAL-049"},
		{"2303", "v2/machines?sort_by=id&page=1&size=2", "400"},
		{"2212", "v2/machines?sort_by=name&order_by=DESC&page=1&size=1", "ENG-001"},
	} {
		s := newUnguardedPod(t, row.release)
		address, query, _ := strings.Cut(row.query, "?")
		if strings.HasPrefix(query, "{") {
			filter, rest, _ := strings.Cut(query, "}&")
			if rest != "" {
				filter, rest = filter+"}", "&"+rest
			}
			query = filterOf(filter) + rest
		}
		got := s.do("GET", "/inventory/"+address+"?"+query, "")
		if row.want == "400" && got.status != 400 || row.want != "400" && (got.status != 200 || got.names("name") != row.want) {
			t.Errorf("%s %s: %d %s", row.release, row.query, got.status, got.text)
		}
	}
}

func TestMachinesAreShownToWhoMaySeeThem(t *testing.T) {
	p := newPod(t, newestRelease)
	for user, want := range map[string]int{"reader": 61, "other": 0} {
		if got := p.as(user, "GET", "/inventory/v10/machines", ""); got.status != 200 || len(got.list()) != want {
			t.Errorf("%s sees %d, want %d", user, len(got.list()), want)
		}
	}
}
