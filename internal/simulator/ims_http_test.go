package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func fixture(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/ims/" + name)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
	}
}

// The fixtures have the shape of the examples in the vendors' references.
func TestIMSImagesLookLikeTheVendorsExamples(t *testing.T) {
	added := map[Flavor][]string{FlavorHuaweiCloud: {"active_at", "enterprise_project_id"}}
	for _, flavor := range imsFlavors {
		for file, members := range map[string]int{"private_image.json": 34, "public_image.json": 30} {
			t.Run(fmt.Sprintf("%s/%s", file, flavor), func(t *testing.T) {
				var want map[string]any
				fixture(t, file, &want)
				if len(want) != members {
					t.Fatalf("the fixture has %d members", len(want))
				}
				c := newTestCloud(t, Options{Flavor: flavor})
				got := c.get("demo", want["id"].(string)).value
				for name, value := range want {
					shown, ok := got[name]
					if !ok || fmt.Sprintf("%T", shown) != fmt.Sprintf("%T", value) {
						t.Errorf("%s is %v (present: %t), in the example %v", name, shown, ok, value)
					}
				}
				for name := range got {
					if _, ok := want[name]; !ok && (want["visibility"] == "public" || !slices.Contains(added[flavor], name)) {
						t.Errorf("%s is not in the example", name)
					}
				}
			})
		}
	}
}

func TestIMSRequestsOfTheVendorsExamples(t *testing.T) {
	var requests []struct {
		Name, Method, Path, Type string
		Body                     json.RawMessage
		Status                   int
	}
	fixture(t, "requests.json", &requests)
	for _, flavor := range imsFlavors {
		c := newIMSCloud(t, flavor)
		fill := strings.NewReplacer("{id}", c.CreateImage(Image{Name: "golden"}), "{project}", c.projectID("demo"))
		for _, r := range requests {
			got := c.do(call{user: "demo", method: r.Method, path: fill.Replace(r.Path), contentType: r.Type, body: string(r.Body)})
			if got.status != r.Status {
				t.Errorf("%s: %d %s", r.Name, got.status, got.text)
			}
		}
	}
}

func TestIMSInventory(t *testing.T) {
	c := newTestCloud(t, Options{Flavor: FlavorHuaweiCloud})
	got := c.do(call{user: "demo", method: "GET", path: "/v2/cloudimages?sort_key=name&sort_dir=asc"})
	if names := listed(t, got); names != "Debian GNU Linux 12 64bit ubuntu-24.04 windows-11" {
		t.Errorf("the inventory is %s", names)
	}
	windows := got.value["images"].([]any)[2].(map[string]any)
	for name, want := range map[string]any{"__whole_image": false, "max_ram": "65536", "__data_origin": "<nil>", "owner": c.projectID("demo"), "pipeline": "monthly"} {
		expectValue(t, windows, name, want)
	}
	if n := len(New(Options{Flavor: FlavorHuaweiCloud, Empty: true}).imsStores[RegionOne].images); n != 0 {
		t.Errorf("an empty simulator has %d images", n)
	}
}

func TestIMSVersionsAndUnknownAddresses(t *testing.T) {
	c := newIMSCloud(t, FlavorOpenTelekomCloud)
	for _, path := range []string{"", "/"} {
		got := c.do(call{method: "GET", path: path})
		versions := ""
		for _, v := range got.value["versions"].([]any) {
			version := v.(map[string]any)
			versions += fmt.Sprint(version["id"], version["status"], " ")
		}
		if got.status != 300 || versions != "v2.2CURRENT v2.1SUPPORTED v2.0SUPPORTED v1.1DEPRECATED v1.0DEPRECATED " {
			t.Errorf("%q answers %d with %s", path, got.status, versions)
		}
	}
	for _, path := range []string{"/v3", "/v2", "/v2/schemas/image", "/v2/images/", "/v2/images/x/members", "/v1/cloudimages/tags", "/v2/cloudimages/x"} {
		expectCode(t, c.do(call{user: "demo", method: "GET", path: path}), 404, "APIGW.0101")
	}
}

func TestIMSTokens(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Flavor: FlavorHuaweiCloud, Clock: at.now})
	get := func(token string) answer {
		return c.do(call{method: "GET", path: "/v2/cloudimages", header: map[string]string{"X-Auth-Token": token}})
	}
	expectCode(t, get(""), 401, "APIGW.0301")
	expectCode(t, get("nonsense"), 401, "APIGW.0301")
	domain := c.signIn(auth(strings.ReplaceAll(demoByName, "demo", "admin"), `{"domain":{"name":"Default"}}`)).header.Get("X-Subject-Token")
	expectCode(t, get(domain), 400, "IMG.0030")
	token := c.IssueToken("demo")
	c.Advance(24*time.Hour - time.Second)
	expect(t, get(token), 200, "")
	c.Advance(time.Second)
	if got := get(token); got.status != 401 || !strings.Contains(got.text, "token expires, expires_at: 2026-03-02T12:00:00") {
		t.Errorf("an expired token gets %d %s", got.status, got.text)
	}
	mustAdd(t, c.Simulator, Fault{Effect: EffectExpireToken})
	expectCode(t, get(c.IssueToken("demo")), 401, "APIGW.0301")
}

func TestIMSShow(t *testing.T) {
	for _, flavor := range imsFlavors {
		c := newIMSCloud(t, flavor)
		own, public, foreign := c.CreateImage(Image{Name: "own"}), c.CreateImage(Image{Visibility: "public", ProjectName: "admin"}), c.CreateImage(Image{ProjectName: "other"})
		expect(t, c.get("demo", own), 200, "")
		expect(t, c.get("reader", own), 200, "")
		expect(t, c.get("demo", public), 200, "")
		expect(t, c.get("demo", foreign), 404, "No image found with ID "+foreign)
		expect(t, c.get("admin", foreign), 404, "")
		expect(t, c.get("demo", "nonsense"), 404, "")
	}
	c := newIMSCloud(t, FlavorHuaweiCloud, "ims-not-found=400")
	expectCode(t, c.get("demo", newUUID()), 400, "IMG.0027")
}

func TestIMSLists(t *testing.T) {
	at := newManualTime()
	newCloud := func(assumed ...string) *testCloud {
		c := newTestCloud(t, Options{Flavor: FlavorHuaweiCloud, Empty: true, Clock: at.now, Assumptions: map[string]string{}})
		for _, text := range assumed {
			name, value, _ := strings.Cut(text, "=")
			c.options.Assumptions[name] = value
		}
		c.CreateImage(Image{ID: "00000000-0000-4000-8000-000000000001", Name: "a", MinRAM: 512, Tags: []string{"stage=live"}, Attributes: map[string]any{"__os_type": "Windows", "size": 20}})
		c.Advance(time.Hour)
		c.CreateImage(Image{ID: "00000000-0000-4000-8000-000000000002", Name: "b", Protected: true, Attributes: map[string]any{"__support_arm": "true", "enterprise_project_id": "6f2a9c14-8d3b-4b7e-9e21-c05d4f7a1b38", "size": 3}})
		c.Advance(time.Hour)
		c.CreateImage(Image{ID: "00000000-0000-4000-8000-000000000003", Name: "c", Visibility: "public", ProjectName: "admin"})
		c.CreateImage(Image{Name: "foreign", ProjectName: "other"})
		c.CreateImage(Image{Name: "unregistered", Attributes: map[string]any{"__isregistered": "false"}})
		return c
	}
	shared := newCloud()
	for _, tc := range []struct {
		query, want string
		code        string
		assume      string
	}{
		{query: "", want: "c b a"},
		{query: "?id=00000000-0000-4000-8000-000000000002", want: "b"},
		{query: "?id=00000000-0000-4000-8000-000000000009", want: ""},
		{query: "?name=a", want: "a"},
		{query: "?name=a&visibility=public", want: ""},
		{query: "?visibility=public", want: "c"},
		{query: "?__imagetype=gold", want: "c"},
		{query: "?__imagetype=private", want: "b a"},
		{query: "?owner=" + shared.projectID("demo"), want: "b a"},
		{query: "?status=active&__os_type=Windows", want: "a"},
		{query: "?protected=true", want: "b"},
		{query: "?min_ram=512", want: "a"},
		{query: "?tag=stage%3Dlive", want: "a"},
		{query: "?tag=stage", want: "a"},
		{query: "?tag=live", want: ""},
		{query: "?architecture=arm", want: "b"},
		{query: "?architecture=x86", want: "c a"},
		{query: "?architecture=sparc", code: "IMG.0212"},
		{query: "?enterprise_project_id=0", want: "c a"},
		{query: "?enterprise_project_id=6f2a9c14-8d3b-4b7e-9e21-c05d4f7a1b38", want: "b"},
		{query: "?enterprise_project_id=all_granted_eps", want: "c b a"},
		{query: "?__isregistered=false", want: "unregistered"},
		{query: "?member_status=accepted", want: "c b a"},
		{query: "?member_status=x", code: "IMG.0001"},
		{query: "?flavor_id=x", code: "IMG.0192"},
		{query: "?created_at=gt:2026-03-01T12:30:00Z", want: "c b"},
		{query: "?updated_at=lte:2026-03-01T13:00:00Z", want: "b a"},
		{query: "?created_at=2026-03-01T13:00:00Z", want: "b"},
		{query: "?created_at=about:2026-03-01T13:00:00Z", code: "IMG.0001"},
		{query: "?sort_key=name&sort_dir=asc", want: "a b c"},
		{query: "?sort_key=size", want: "a b c"},
		{query: "?sort_key=updated_at&sort_dir=asc", want: "a b c"},
		{query: "?sort_key=owner", code: "IMG.0001"},
		{query: "?limit=1", want: "c"},
		{query: "?limit=1&marker=00000000-0000-4000-8000-000000000003", want: "b"},
		{query: "?marker=00000000-0000-4000-8000-000000000001", want: ""},
		{query: "?marker=00000000-0000-4000-8000-000000000009", code: "IMG.0027"},
		{query: "?limit=x", code: "IMG.0001"},
		{query: "?pipeline=nightly", code: "IMG.0001"},
		{query: "?pipeline=nightly", assume: "ims-undocumented-filters=ignored", want: "c b a"},
		{query: "?name=%FF", code: "IMG.0001"},
	} {
		for _, path := range []string{"/v2/images", "/v2/cloudimages"} {
			t.Run(path+tc.query+tc.assume, func(t *testing.T) {
				c := shared
				if tc.assume != "" {
					c = newCloud(tc.assume)
				}
				got := c.do(call{user: "demo", method: "GET", path: path + tc.query})
				if tc.code != "" {
					expectCode(t, got, 400, tc.code)
					return
				}
				if names := listed(t, got); names != tc.want {
					t.Errorf("lists %q, want %q", names, tc.want)
				}
			})
		}
	}
	t.Run("links", func(t *testing.T) {
		got := shared.do(call{user: "demo", method: "GET", path: "/v2/images?limit=2"}).value
		expectValue(t, got, "first", "/v2/images?limit=2")
		expectValue(t, got, "next", "/v2/images?limit=2&marker=00000000-0000-4000-8000-000000000002")
		expectValue(t, got, "schema", "/v2/schemas/images")
		got = shared.do(call{user: "demo", method: "GET", path: "/v2/images"}).value
		expectValue(t, got, "first", "/v2/images")
		expectValue(t, got, "next", nil)
		if got := shared.do(call{user: "demo", method: "GET", path: "/v2/cloudimages?limit=2"}).value; len(got) != 1 {
			t.Errorf("the vendor's own list has more than images: %v", got)
		}
	})
}

func TestIMSPageSizes(t *testing.T) {
	c := newIMSCloud(t, FlavorHuaweiCloud)
	for range vendorPageSize + 1 {
		c.CreateImage(Image{})
	}
	for path, want := range map[string]int{"/v2/images": 25, "/v2/images?limit=600": 501, "/v2/cloudimages": 500, "/v2/cloudimages?limit=600": 500} {
		if got := len(c.do(call{user: "demo", method: "GET", path: path}).value["images"].([]any)); got != want {
			t.Errorf("%s has %d images, want %d", path, got, want)
		}
	}
}

func TestIMSHowTagsAreShown(t *testing.T) {
	for _, tc := range []struct{ assume, native, listed string }{
		{"ims-cloudimages-tags=key=value", "linux,stage=live", "linux,stage=live"},
		{"ims-cloudimages-tags=key.value", "linux,stage=live", "linux,stage.live"},
		{"ims-valueless-tags=separated", "linux=,stage=live", "linux=,stage=live"},
		{"ims-valueless-tags=bare", "linux,stage=live", "linux,stage=live"},
	} {
		c := newIMSCloud(t, FlavorHuaweiCloud, tc.assume)
		id := c.CreateImage(Image{Tags: []string{"stage=live", "linux"}})
		if tags := tagsOf(c.get("demo", id).value); tags != tc.native {
			t.Errorf("with %s an image has %s", tc.assume, tags)
		}
		list := c.do(call{user: "demo", method: "GET", path: "/v2/cloudimages?id=" + id}).value["images"].([]any)
		if tags := tagsOf(list[0].(map[string]any)); tags != tc.listed {
			t.Errorf("with %s the list has %s", tc.assume, tags)
		}
		if tags := tagsOf(c.patchIMS("demo", patchVendor, id, set("x", `"1"`)).value); tags != tc.listed {
			t.Errorf("with %s a patch answers with %s", tc.assume, tags)
		}
	}
}

func TestIMSTags(t *testing.T) {
	ten := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "stage=live"}
	long := func(n int) string { return strings.Repeat("k", n) }
	for _, tc := range []struct {
		name         string
		tags         []string
		method, path string // below /v2/PROJECT/images/ID/tags, or native
		body         string
		user         string
		status       int
		code         string
		want         string
	}{
		{name: "create", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"stage","value":"live"},{"key":"linux","value":""}]}`, status: 204, want: "linux,stage=live"},
		{name: "create what is there", tags: []string{"stage=test"}, method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"stage","value":"live"}]}`, status: 204, want: "stage=live"},
		{name: "create the eleventh", tags: ten, method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"k","value":""}]}`, status: 400, code: "IMG.0116"},
		{name: "create one of ten", tags: ten, method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"stage","value":"x"}]}`, status: 204, want: "a,b,c,d,e,f,g,h,i,stage=x"},
		{name: "create a key of 36", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"` + long(36) + `","value":""}]}`, status: 204, want: long(36)},
		{name: "create a key of 37", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"` + long(37) + `","value":""}]}`, status: 400, code: "IMG.0115"},
		{name: "create a value of 43", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"k","value":"` + long(43) + `"}]}`, status: 204, want: "k=" + long(43)},
		{name: "create a value of 44", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"k","value":"` + long(44) + `"}]}`, status: 400, code: "IMG.0115"},
		{name: "create a value with a dot", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"k","value":"1.2"}]}`, status: 204, want: "k=1.2"},
		{name: "create a key with a dot", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"k.1","value":""}]}`, status: 400, code: "IMG.0115"},
		{name: "create with outer blanks", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":" k ","value":" v "}]}`, status: 204, want: "k=v"},
		{name: "create without a value", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"k"}]}`, status: 400, code: "IMG.0115"},
		{name: "create an empty key", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"","value":""}]}`, status: 400, code: "IMG.0115"},
		{name: "create twice", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"k","value":"1"},{"key":"k","value":"2"}]}`, status: 400, code: "IMG.0115"},
		{name: "create a text", method: "POST", path: "/action", body: `{"action":"create","tags":["k"]}`, status: 400, code: "IMG.0115"},
		{name: "create as a reader", user: "reader", method: "POST", path: "/action", body: `{"action":"create","tags":[{"key":"k","value":""}]}`, status: 403, code: "IMG.0026"},
		{name: "delete", tags: []string{"stage=live", "linux"}, method: "POST", path: "/action", body: `{"action":"delete","tags":[{"key":"stage"},{"key":"gone","value":"x"}]}`, status: 204, want: "linux"},
		{name: "delete by another value", tags: []string{"stage=live"}, method: "POST", path: "/action", body: `{"action":"delete","tags":[{"key":"stage","value":"other"}]}`, status: 204},
		{name: "delete any characters", tags: []string{"linux"}, method: "POST", path: "/action", body: `{"action":"delete","tags":[{"key":"a b"}]}`, status: 204, want: "linux"},
		{name: "delete a key of 128", method: "POST", path: "/action", body: `{"action":"delete","tags":[{"key":"` + long(128) + `"}]}`, status: 400, code: "IMG.0115"},
		{name: "no action", method: "POST", path: "/action", body: `{"tags":[{"key":"k","value":""}]}`, status: 400, code: "IMG.0001"},
		{name: "another action", method: "POST", path: "/action", body: `{"action":"Create","tags":[{"key":"k","value":""}]}`, status: 400, code: "IMG.0001"},
		{name: "no tags", method: "POST", path: "/action", body: `{"action":"create","tags":[]}`, status: 400, code: "IMG.0001"},
		{name: "no body", method: "POST", path: "/action", status: 400, code: "IMG.0007"},
		{name: "bad JSON", method: "POST", path: "/action", body: `{`, status: 400, code: "IMG.0001"},
		{name: "add", method: "POST", body: `{"tag":{"key":"stage","value":"live"}}`, status: 204, want: "stage=live"},
		{name: "add what is there", tags: []string{"stage=test"}, method: "POST", body: `{"tag":{"key":"stage","value":"live"}}`, status: 204, want: "stage=live"},
		{name: "add the eleventh", tags: ten, method: "POST", body: `{"tag":{"key":"k","value":""}}`, status: 400, code: "IMG.0116"},
		{name: "add bad characters", method: "POST", body: `{"tag":{"key":"k!","value":""}}`, status: 400, code: "IMG.0115"},
		{name: "remove", tags: []string{"stage=live", "linux"}, method: "DELETE", path: "/stage", status: 204, want: "linux"},
		{name: "remove what is gone", tags: []string{"linux"}, method: "DELETE", path: "/stage", status: 404, code: "IMG.0121"},
		{name: "put", method: "PUT", path: "native/weekly", status: 204, want: "weekly"},
		{name: "put what is there", tags: []string{"stage=live"}, method: "PUT", path: "native/stage", status: 204, want: "stage=live"},
		{name: "put a key and a value", method: "PUT", path: "native/stage=live", status: 400, code: "IMG.0115"},
		{name: "put a key of 255", method: "PUT", path: "native/" + long(255), status: 204, want: long(255)},
		{name: "put a key of 256", method: "PUT", path: "native/" + long(256), status: 400, code: "IMG.0115"},
		{name: "put the eleventh", tags: ten, method: "PUT", path: "native/k", status: 400, code: "IMG.0116"},
		{name: "delete natively", tags: []string{"stage=live", "linux"}, method: "DELETE", path: "native/stage", status: 204, want: "linux"},
		{name: "delete natively what is gone", method: "DELETE", path: "native/stage", status: 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := newManualTime()
			c := newTestCloud(t, Options{Flavor: FlavorOpenTelekomCloud, Empty: true, Clock: at.now})
			id := c.CreateImage(Image{Tags: tc.tags})
			c.Advance(time.Minute)
			path := "/v2/" + c.projectID("demo") + "/images/" + id + "/tags" + tc.path
			if tag, ok := strings.CutPrefix(tc.path, "native/"); ok {
				path = "/v2/images/" + id + "/tags/" + tag
			}
			user := tc.user
			if user == "" {
				user = "demo"
			}
			got := c.do(call{user: user, method: tc.method, path: path, contentType: "application/json", body: tc.body})
			expectCode(t, got, tc.status, tc.code)
			doc := c.Document(id)
			if tc.status != 204 {
				tc.want = strings.Join(tc.tags, ",")
			}
			if tags := tagsOf(doc); tags != tc.want {
				t.Errorf("the tags are %s, want %s", tags, tc.want)
			}
			if bumped := doc["updated_at"] == "2026-03-01T12:01:00Z"; bumped != (tc.status == 204) {
				t.Errorf("updated_at is %v after %d", doc["updated_at"], tc.status)
			}
		})
	}
}

func TestIMSTagsOfAnImage(t *testing.T) {
	c := newIMSCloud(t, FlavorHuaweiCloud)
	id := c.CreateImage(Image{Tags: []string{"stage=live", "linux"}})
	show := func(user, project, id string) answer {
		return c.do(call{user: user, method: "GET", path: "/v2/" + project + "/images/" + id + "/tags"})
	}
	if got := show("demo", c.projectID("demo"), id); got.status != 200 || got.text != `{"tags":[{"key":"stage","value":"live"},{"key":"linux","value":""}]}` {
		t.Errorf("answered %d %s", got.status, got.text)
	}
	expectCode(t, show("demo", c.projectID("other"), id), 400, "IMG.0030")
	expectCode(t, show("other", c.projectID("other"), id), 400, "IMG.0144")
	bare := c.CreateImage(Image{})
	if got := show("demo", c.projectID("demo"), bare); got.text != `{"tags":[]}` {
		t.Errorf("answered %s", got.text)
	}
	public := c.CreateImage(Image{Visibility: "public"})
	body := `{"action":"create","tags":[{"key":"k","value":""}]}`
	expectCode(t, c.post("demo", "/v2/"+c.projectID("demo")+"/images/"+public+"/tags/action", body), 400, "IMG.0083")
	expectCode(t, c.post("demo", "/v2/"+c.projectID("other")+"/images/"+id+"/tags/action", body), 400, "IMG.0030")
}

func TestIMSCreateUploadAndDelete(t *testing.T) {
	c := newIMSCloud(t, FlavorHuaweiCloud)
	created := c.post("demo", "/v2/images", `{"name":"fresh","disk_format":"raw","container_format":"bare","tags":["stage=live"],"pipeline":"nightly"}`)
	expect(t, created, 201, "")
	id := fmt.Sprint(created.value["id"])
	for name, want := range map[string]any{"status": "queued", "visibility": "private", "owner": c.projectID("demo"), "pipeline": "nightly", "tags": "[stage=live]", "__image_size": nil} {
		expectValue(t, c.get("demo", id).value, name, want)
	}
	if names := listed(t, c.do(call{user: "demo", method: "GET", path: "/v2/cloudimages?id=" + id})); names != "fresh" {
		t.Errorf("lists %q", names)
	}
	upload := func(contentType string) answer {
		return c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + id + "/file", contentType: contentType, body: "golden"})
	}
	expectCode(t, upload("text/plain"), 400, "IMG.0001")
	expect(t, upload("application/octet-stream"), 204, "")
	expectCode(t, upload("application/octet-stream"), 400, "IMG.0046")
	for name, want := range map[string]any{"status": "active", "__image_size": "6", "__imagetype": "private", "disk_format": "raw", "name": "fresh"} {
		expectValue(t, c.get("demo", id).value, name, want)
	}
	if err := c.WriteImage(id, map[string]any{"protected": true}); err != nil {
		t.Fatal(err)
	}
	remove := func() answer { return c.do(call{user: "demo", method: "DELETE", path: "/v2/images/" + id}) }
	expectCode(t, remove(), 400, "IMG.0028")
	if err := c.WriteImage(id, map[string]any{"protected": false}); err != nil {
		t.Fatal(err)
	}
	expect(t, remove(), 204, "")
	expect(t, remove(), 404, "")
	for body, code := range map[string]string{
		``: "IMG.0007", `[]`: "IMG.0001", `{"name":" x"}`: "IMG.0062", `{"visibility":"public"}`: "IMG.0001", `{"disk_format":"vmdk"}`: "IMG.0072",
		`{"container_format":"ami"}`: "IMG.0072", `{"Upper":"x"}`: "IMG.0001", `{"__os_bit":"64"}`: "IMG.0105", `{"id":"x"}`: "IMG.0105", `{"tags":["a b"]}`: "IMG.0115",
		`{"min_ram":"1"}`: "IMG.0001", `{"tags":["a","b","c","d","e","f","g","h","i","j","k"]}`: "IMG.0116",
		`{"__support_xen":"true","__support_xen_hana":"true"}`: "IMG.0035",
	} {
		expectCode(t, c.post("demo", "/v2/images", body), 400, code)
	}
	expectCode(t, c.post("reader", "/v2/images", `{}`), 403, "IMG.0026")
}

func TestIMSWritePastAllChecks(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Flavor: FlavorHuaweiCloud, Empty: true, Clock: at.now})
	id := c.CreateImage(Image{Properties: map[string]string{"foo": "bar"}, Attributes: map[string]any{"__image_size": Absent{}, "flag": true, "count": 3, "none": nil}})
	doc := c.Document(id)
	for name, want := range map[string]any{"foo": "bar", "__image_size": nil, "flag": true, "count": "3", "none": "<nil>"} {
		expectValue(t, doc, name, want)
	}
	c.Advance(time.Minute)
	err := c.WriteImage(id, map[string]any{"foo": Absent{}, "status": "killed", "tags": []string{"a=1", "a=2", "b"}, "min_ram": json.Number("7"), "created_at": at.now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	doc = c.Document(id)
	for name, want := range map[string]any{"foo": nil, "status": "killed", "tags": "[a=2 b]", "min_ram": "7", "created_at": "2026-03-01T11:00:00Z", "updated_at": "2026-03-01T12:01:00Z"} {
		expectValue(t, doc, name, want)
	}
	for name, value := range map[string]any{"id": "x", "self": "x", "created_at": "x", "tags": "x", "updated_at": 1, "list": []any{1}} {
		if err := c.WriteImage(id, map[string]any{name: value}); err == nil {
			t.Errorf("%s can be %v", name, value)
		}
	}
	c.DeleteImage(id)
	if c.Document(id) != nil {
		t.Error("a deleted image has a document")
	}
}

func TestIMSImageDeletedDuringAWrite(t *testing.T) {
	for _, request := range []call{
		{method: "PATCH", path: "/v2/images/{id}", contentType: mediaTypeV21, body: set("x", `"1"`)},
		{method: "PUT", path: "/v2/images/{id}/tags/x"},
	} {
		c := newIMSCloud(t, FlavorHuaweiCloud)
		id := c.CreateImage(Image{})
		mustAdd(t, c.Simulator, Fault{Effect: EffectLateCommit, Latency: time.Nanosecond})
		c.options.Wait = func(context.Context, time.Duration) error {
			c.DeleteImage(id)
			return nil
		}
		request.user, request.path = "demo", strings.Replace(request.path, "{id}", id, 1)
		expect(t, c.do(request), 404, "No image found with ID "+id)
	}
}

// The race detector is the judge of this test, and that no write gets torn.
func TestIMSConcurrentUse(t *testing.T) {
	c := newIMSCloud(t, FlavorHuaweiCloud)
	id := c.CreateImage(Image{})
	c.token("demo")
	tags := "/v2/" + c.projectID("demo") + "/images/" + id + "/tags"
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 10 {
				value := fmt.Sprintf(`"%d-%d"`, worker, i)
				body := fmt.Sprintf(`[{"op":"add","path":"/one","value":%s},{"op":"add","path":"/two","value":%s}]`, value, value)
				expect(t, c.patchIMS("demo", patchNative, id, body), 200, "")
				if doc := c.get("demo", id).value; doc["one"] != doc["two"] {
					t.Errorf("torn write: %v and %v", doc["one"], doc["two"])
				}
				expect(t, c.post("demo", tags, fmt.Sprintf(`{"tag":{"key":"worker","value":%s}}`, value)), 204, "")
				c.do(call{user: "demo", method: "GET", path: "/v2/cloudimages"})
				_ = c.Document(id)
				c.CreateImage(Image{})
			}
		})
	}
	group.Wait()
}

func TestIMSPagesVisitEveryImageOnce(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Flavor: FlavorOpenTelekomCloud, Empty: true, Clock: at.now})
	for range 30 {
		c.CreateImage(Image{Name: "same"})
	}
	seen := map[string]int{}
	for path := "/v2/images?limit=7&sort_key=name"; path != ""; {
		got := c.do(call{user: "demo", method: "GET", path: path})
		expect(t, got, 200, "")
		for _, i := range got.value["images"].([]any) {
			seen[fmt.Sprint(i.(map[string]any)["id"])]++
		}
		path, _ = got.value["next"].(string)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s comes %d times", id, times)
		}
	}
	if len(seen) != 30 {
		t.Errorf("%d images come", len(seen))
	}
}
