package simulator

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestInventory(t *testing.T) {
	c := newTestCloud(t, Options{})
	got := c.do(call{user: "demo", method: "GET", path: "/v2/images?sort=name:asc"})
	if names := listed(t, got); names != "ubuntu-24.04 windows-11" {
		t.Fatalf("the inventory is %s", names)
	}
	windows := got.value["images"].([]any)[1].(map[string]any)
	for name, want := range map[string]string{"status": "active", "visibility": "private", "owner": c.projectID("demo"), "hw_firmware_type": "bios", "pipeline": "monthly", "min_disk": "64"} {
		expectValue(t, windows, name, want)
	}
	if n := len(New(Options{Empty: true}).stores[RegionOne].images); n != 0 {
		t.Errorf("an empty simulator has %d images", n)
	}
}

func TestWriteImage(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Empty: true, Clock: at.now})
	id := c.CreateImage(Image{Properties: map[string]string{"foo": "bar", "gone": "1"}})
	c.Advance(90e9)
	err := c.WriteImage(id, map[string]any{"foo": "new", "gone": Absent{}, "os_glance_x": "1", "null": nil, "name": nil, "status": "deactivated", "min_ram": 5,
		"protected": true, "tags": []string{"a", "a"}, "visibility": "community", "owner": "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	doc := c.Document(id)
	for name, want := range map[string]any{"foo": "new", "gone": nil, "os_glance_x": "1", "null": "", "status": "deactivated", "min_ram": "5", "protected": true,
		"visibility": "community", "owner": "somebody", "updated_at": "2026-03-01T12:01:30Z"} {
		expectValue(t, doc, name, want)
	}
	if doc["name"] != nil || tagsOf(doc) != "a" {
		t.Errorf("name is %v, tags are %s", doc["name"], tagsOf(doc))
	}
	for name, value := range map[string]any{"foo": 1, "status": nil, "min_disk": "x", "tags": "a", "id": "x", "protected": "true", "created_at": "now"} {
		if err := c.WriteImage(id, map[string]any{name: value}); err == nil {
			t.Errorf("%s can be %v", name, value)
		}
	}
	expectValue(t, c.Document(id), "foo", "new")
	if err := c.WriteImage("nope", nil); err == nil {
		t.Error("a missing image can be written")
	}
	c.DeleteImage(id)
	c.DeleteImage(id)
	if c.Document(id) != nil {
		t.Error("a deleted image has a document")
	}
}

func TestDescription(t *testing.T) {
	d := New(Options{}).Describe("http://127.0.0.1:1/")
	if d.Identity != "http://127.0.0.1:1/identity/v3" || d.Image != "http://127.0.0.1:1/image" || d.Regions[RegionTwo] != "http://127.0.0.1:1/RegionTwo/image" {
		t.Errorf("addresses are %s, %s, %v", d.Identity, d.Image, d.Regions)
	}
	if _, ok := d.Regions[RegionThree]; ok || len(d.Accounts) != 4 || d.Accounts["reader"].ProjectName != "demo" {
		t.Errorf("regions are %v, accounts %v", d.Regions, d.Accounts)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	for name, options := range map[string]Options{
		"flavor":     {Flavor: "aws"},
		"assumption": {Assumptions: map[string]string{"x": "y"}},
		"value":      {Assumptions: map[string]string{"database": "db2"}},
		"pattern":    {Protections: []PropertyProtection{{Pattern: "("}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is accepted", name)
				}
			}()
			New(options)
		}()
	}
}

func TestRecordedRequests(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{Status: "queued"})
	c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + id + "/tags/a%20b?x=1"})
	c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + id + "/file", contentType: "application/octet-stream", body: strings.Repeat("x", maxRecordedBody+1)})
	requests := c.Requests()
	if len(requests) != 2 {
		t.Fatalf("%d requests", len(requests))
	}
	first, second := requests[0], requests[1]
	if first.Path != "/image/v2/images/"+id+"/tags/a%20b" || first.Query != "x=1" || first.Status != 204 || first.Header.Get("X-Auth-Token") != c.token("demo") {
		t.Errorf("first is %+v", first)
	}
	if second.Body != "" || second.Status != 204 {
		t.Errorf("the data of an image is recorded: %d bytes, status %d", len(second.Body), second.Status)
	}
	c.ResetRequests()
	if len(c.Requests()) != 0 {
		t.Error("requests remain after the reset")
	}
}

// The race detector is the judge of this test, and that no write gets torn.
func TestConcurrentUse(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{Visibility: "public"})
	for _, user := range []string{"demo", "admin", "other"} {
		c.token(user)
	}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 20 {
				value := fmt.Sprintf("%d-%d", worker, i)
				got := c.patch("demo", id, fmt.Sprintf(`[{"op":"add","path":"/one","value":%q},{"op":"add","path":"/two","value":%q}]`, value, value))
				if got.status != 200 {
					t.Errorf("%d %s", got.status, got.text)
				}
				if doc := c.get("other", id).value; doc["one"] != doc["two"] {
					t.Errorf("torn write: %v and %v", doc["one"], doc["two"])
				}
				c.do(call{user: "admin", method: "GET", path: "/v2/images"})
				c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + id + "/tags/" + value})
				_ = c.Document(id)
				_ = c.Requests()
				c.Advance(1)
			}
		})
	}
	group.Wait()
}

func benchmarkCloud(b *testing.B) (*Simulator, string) {
	b.Helper()
	s := New(Options{Empty: true})
	id := ""
	for i := range 2000 {
		image := Image{Name: fmt.Sprint("image-", i), Tags: []string{"a", "b"}, Properties: map[string]string{}}
		for k := range 40 {
			image.Properties[fmt.Sprint("property_", k)] = fmt.Sprint("value ", k)
		}
		id = s.CreateImage(image)
	}
	return s, id
}

func BenchmarkGet(b *testing.B) {
	s, id := benchmarkCloud(b)
	benchmarkRequest(b, s, "GET", "/image/v2/images/"+id, "")
}

func BenchmarkPatch(b *testing.B) {
	s, id := benchmarkCloud(b)
	benchmarkRequest(b, s, "PATCH", "/image/v2/images/"+id, `[{"op":"replace","path":"/property_1","value":"x"}]`)
}

func BenchmarkListOfAThousand(b *testing.B) {
	s, _ := benchmarkCloud(b)
	benchmarkRequest(b, s, "GET", "/image/v2/images?limit=1000", "")
}
