package simulator

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// listed returns the names of a list in order, "-" for null.
func listed(t *testing.T, got answer) string {
	t.Helper()
	if got.status != 200 {
		t.Fatalf("%d %s", got.status, got.message)
	}
	names := []string{}
	for _, entry := range got.value["images"].([]any) {
		name, ok := entry.(map[string]any)["name"].(string)
		if !ok {
			name = "-"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// listCloud holds images a to e, one second apart.
func listCloud(t *testing.T) (*testCloud, map[string]string) {
	t.Helper()
	at := newManualTime()
	c := newTestCloud(t, Options{Empty: true, Clock: at.now})
	ids := map[string]string{}
	for _, image := range []Image{
		{Name: "a", Properties: map[string]string{"kind": "one", "metadata": "m"}, Tags: []string{"x", "y"}, MinRAM: 10},
		{Name: "b", Properties: map[string]string{"kind": "two"}, Tags: []string{"x"}, MinRAM: 20, Status: "queued"},
		{Name: "c", Hidden: true, Tags: []string{"y"}},
		{Name: "d:d", Protected: true, DiskFormat: "qcow2", MinRAM: 30},
		{Name: "e", Visibility: "community", ProjectName: "other"},
		{Name: "f", Visibility: "public", ProjectName: "other"},
		{Name: "g", Visibility: "community"},
	} {
		ids[image.Name] = c.CreateImage(image)
		c.Advance(time.Second)
	}
	return c, ids
}

func TestListFilters(t *testing.T) {
	c, ids := listCloud(t)
	for _, tc := range []struct{ query, want string }{
		{"", "g f d:d b a"},
		{"name=a", "a"},
		{"name=in:a,b", "b a"},
		{`name=in:"d:d",b`, "d:d b"},
		{"name=eq:d:d", "d:d"},
		{"status=queued", "b"},
		{"status=in:queued,active", "g f d:d b a"},
		{"visibility=all", "g f e d:d b a"},
		{"visibility=community", "g e"},
		{"visibility=public", "f"},
		{"visibility=private", "d:d b a"},
		{"os_hidden=true", "c"},
		{"os_hidden=TRUE", "c"},
		{"protected=true", "d:d"},
		{"tag=x", "b a"},
		{"tag=x&tag=y", "a"},
		{"owner=" + c.projectID("other"), "f"},
		{"kind=one", "a"},
		{"kind=one&kind=two", "b"},
		{"kind=in:one,two", ""},
		{"metadata=m", ""},
		{"min_ram=10", "a"},
		{"min_ram=1e1", "a"},
		{"min_ram=x", ""},
		{"min_ram_min=20", "d:d b"},
		{"min_ram_max=10&kind=one", "a"},
		{"size_min=1", "g f d:d a"},
		{"disk_format=qcow2", "d:d"},
		{"created_at=gt:2026-03-01T12:00:04Z", "g f"},
		{"created_at=lte:2026-03-01T12:00:01Z", "b a"},
		{"id=in:" + ids["a"] + "," + ids["c"] + ",nope", "a"},
		{"id=" + ids["f"], "f"},
		{"nope=1", ""},
		{"deleted=true", "g f d:d b a"},
		{"limit=1&limit=2", ""},
	} {
		t.Run(tc.query, func(t *testing.T) {
			if got := listed(t, c.do(call{user: "demo", method: "GET", path: "/v2/images?" + tc.query})); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if got := listed(t, c.do(call{user: "admin", method: "GET", path: "/v2/images"})); got != "f d:d b a" {
		t.Errorf("an administrator lists %q", got)
	}
	if got := listed(t, c.do(call{user: "other", method: "GET", path: "/v2/images"})); got != "f e" {
		t.Errorf("another project lists %q", got)
	}
}

func TestListRefusals(t *testing.T) {
	c, _ := listCloud(t)
	for query, want := range map[string]string{
		"limit=x":                    "limit param must be an integer",
		"limit=":                     "limit param must be an integer",
		"limit=-1":                   "limit param must be positive",
		"marker=nope":                "No image found with ID nope",
		"sort_key=min_ram":           "Invalid sort key: min_ram. It must be one of the following: name, status, container_format, disk_format, size, id, created_at, updated_at.",
		"sort_key=":                  "Invalid sort key: .",
		"sort_dir=up":                "Invalid sort direction: up",
		"sort_dir=":                  "Invalid sort direction:",
		"sort=name:up":               "Invalid sort direction: up",
		"sort=name&sort_key=name":    "Old and new sorting syntax cannot be combined",
		"sort_dir=asc&sort_dir=desc": "Number of sort dirs does not match the number of sort keys",
		"visibility=x":               "Invalid visibility value: x",
		"member_status=x":            "Invalid status: x",
		"os_hidden=x":                "Invalid value 'x' for 'os_hidden' filter. Valid values are 'true' or 'false'.",
		"protected=TRUE":             "Invalid value 'TRUE' for 'protected' filter.",
		"name=a:b":                   "Unable to filter by unknown operator 'a'.",
		`name=in:"a`:                 `Invalid filter value "a. The quote is not closed.`,
		`name=in:a"b`:                "There is no comma before opening quotation mark.",
		`name=in:"a"b`:               "There is no comma after closing quotation mark.",
		"size_min=x":                 "Unable to filter on a range with a non-numeric value.",
		"created_at=x":               `Bad "created_at" query filter format. Use ISO 8601 DateTime notation.`,
		"created_at=in:2026-01-01":   "Unable to filter on a unknown operator.",
		"changes-since=x":            `The "changes-since" filter is no longer available on v2.`,
		"name=%ff":                   "Error decoding your request.",
	} {
		expect(t, c.do(call{user: "demo", method: "GET", path: "/v2/images?" + query}), 400, want)
	}
	for _, query := range []string{"properties=x", "members=x", "foo_min=1", "size_max=99999999999999999999"} {
		expect(t, c.do(call{user: "demo", method: "GET", path: "/v2/images?" + query}), 500, "")
	}
}

func TestListSorting(t *testing.T) {
	c, ids := listCloud(t)
	if err := c.WriteImage(ids["b"], map[string]any{"name": nil}); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"sort_key=name":                                         "g f d:d a -",
		"sort_key=name&sort_dir=asc":                            "- a d:d f g",
		"sort=name:asc":                                         "- a d:d f g",
		"sort_dir=asc":                                          "a - d:d f g",
		"sort=status:desc,name:asc":                             "- a d:d f g",
		"sort=disk_format:asc,created_at:asc":                   "d:d a - f g",
		"sort_key=status&sort_key=name&sort_dir=asc":            "a d:d f g -",
		"sort_key=name&sort_dir=asc&limit=2&marker=" + ids["a"]: "d:d f",
		"sort_key=name&limit=9&marker=" + ids["a"]:              "-",
		"limit=2&marker=" + ids["d:d"]:                          "- a",
	} {
		if got := listed(t, c.do(call{user: "demo", method: "GET", path: "/v2/images?" + query})); got != want {
			t.Errorf("%s gives %q, want %q", query, got, want)
		}
	}
}

func TestPaging(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	for i := range 60 {
		c.CreateImage(Image{Name: fmt.Sprintf("p%02d", i), Tags: []string{"x", "y"}})
	}
	var names []string
	pages := 0
	for next := "/v2/images?sort_key=name&sort_dir=asc"; next != ""; pages++ {
		got := c.do(call{user: "demo", method: "GET", path: next})
		names = append(names, strings.Fields(listed(t, got))...)
		next, _ = got.value["next"].(string)
		if got.value["first"] != "/v2/images?sort_key=name&sort_dir=asc" || got.value["schema"] != "/v2/schemas/images" {
			t.Fatalf("links are %v and %v", got.value["first"], got.value["schema"])
		}
	}
	if pages != 3 || len(names) != 60 || names[0] != "p00" || names[59] != "p59" {
		t.Errorf("%d pages with %d names from %s to %s", pages, len(names), names[0], names[len(names)-1])
	}
	for query, want := range map[string]int{"": 25, "?limit=60": 60, "?limit=0": 0, "?limit=99999999999999999999": 60} {
		got := c.do(call{user: "demo", method: "GET", path: "/v2/images" + query})
		if n := len(got.value["images"].([]any)); n != want {
			t.Errorf("%q lists %d, want %d", query, n, want)
		}
	}
	got := c.do(call{user: "demo", method: "GET", path: "/v2/images?limit=60"})
	if got.value["next"] == nil {
		t.Error("a full last page has no link to an empty one")
	}
	got = c.do(call{user: "demo", method: "GET", path: "/v2/images?limit=2&tag=x&tag=y"})
	next, err := url.Parse(got.value["next"].(string))
	if err != nil || len(next.Query()["tag"]) != 1 || next.Query().Get("tag") != "y" {
		t.Errorf("next is %v, want only the last of the tags", got.value["next"])
	}
}

func TestPageLimitIsAThousand(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	for range 1001 {
		c.CreateImage(Image{})
	}
	got := c.do(call{user: "demo", method: "GET", path: "/v2/images?limit=5000"})
	if n := len(got.value["images"].([]any)); n != 1000 {
		t.Errorf("lists %d", n)
	}
}

func TestRegionsHaveTheirOwnImages(t *testing.T) {
	c := newTestCloud(t, Options{})
	id := c.CreateImage(Image{Name: "two", Region: RegionTwo})
	if got := listed(t, c.do(call{user: "demo", method: "GET", path: "//RegionTwo/image/v2/images"})); got != "two" {
		t.Errorf("RegionTwo lists %q", got)
	}
	expect(t, c.get("demo", id), 404, "")
	if got := listed(t, c.do(call{user: "demo", method: "GET", path: "/v2/images?sort=name:asc"})); got != "ubuntu-24.04 windows-11" {
		t.Errorf("RegionOne lists %q", got)
	}
	if got := listed(t, c.do(call{user: "demo", method: "GET", path: "//internal/image/v2/images?name=windows-11"})); got != "windows-11" {
		t.Errorf("the internal interface lists %q", got)
	}
}
