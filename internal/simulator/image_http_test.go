package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestErrorForms(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	const (
		asJSON  = `{"code":"404 Not Found","message":"No image found with ID nope<br /><br />\n\n\n","title":"Not Found"}`
		asHTML  = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  No image found with ID nope<br /><br />\n\n\n\n </body>\n</html>"
		asPlain = "404 Not Found\n\nNo image found with ID nope\n\n   "
	)
	for _, tc := range []struct{ accept, contentType, body string }{
		{"application/json", "application/json", asJSON},
		{"application/*", "application/json", asJSON},
		{"text/html;q=0.5, application/json", "application/json", asJSON},
		{"*/*;q=0.1, application/json;q=0.2", "application/json", asJSON},
		{"*/*", "text/html; charset=UTF-8", asHTML},
		{"application/json, */*", "text/html; charset=UTF-8", asHTML},
		{"text/plain", "text/plain; charset=UTF-8", asPlain},
		{"application/xml", "text/plain; charset=UTF-8", asPlain},
		{"none", "text/plain; charset=UTF-8", asPlain},
	} {
		t.Run(tc.accept, func(t *testing.T) {
			got := c.do(call{user: "demo", method: "GET", path: "/v2/images/nope", accept: tc.accept})
			if got.status != 404 || got.header.Get("Content-Type") != tc.contentType || got.text != tc.body {
				t.Errorf("got %d %s %q", got.status, got.header.Get("Content-Type"), got.text)
			}
		})
	}
}

func TestErrorsWithADetail(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	got := c.patch("demo", id, `[{"op":"remove","path":"/nope"}]`)
	if want := "There was a conflict when trying to complete your request.<br /><br />\nProperty nope does not exist.\n\n"; got.value["message"] != want {
		t.Errorf("message is %q", got.value["message"])
	}
	if got.value["code"] != "409 Conflict" || got.value["title"] != "Conflict" {
		t.Errorf("body is %v", got.value)
	}
}

func TestRouting(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	for _, tc := range []struct {
		method, path string
		status       int
		check        func(answer) string
	}{
		{"GET", "/", 300, nil},
		{"GET", "", 300, nil},
		{"GET", "/versions", 200, nil},
		{"GET", "/v1/images", 300, nil},
		{"GET", "/v2.99/images", 300, nil},
		{"GET", "/v2.5/images", 200, nil},
		{"GET", "//image/v2//images", 200, nil},
		{"GET", "/v2", 302, func(a answer) string { return a.header.Get("Location") }},
		{"GET", "/v2/", 404, nil},
		{"GET", "/v2/nothing", 404, nil},
		{"GET", "/v2/images/", 404, nil},
		{"GET", "/v2/images/" + id + "/", 404, nil},
		{"GET", "/v2/images/%ff", 500, nil},
		{"GET", "/v2/schemas/image", 200, func(a answer) string { return fmt.Sprint(a.value["name"]) }},
		{"HEAD", "/v2/images/" + id, 405, nil},
		{"PUT", "/v2/images/" + id, 405, func(a answer) string { return a.header.Get("Allow") }},
		{"PATCH", "/v2/images", 405, func(a answer) string { return a.message }},
		{"DELETE", "/v2/images/" + id + "/members", 405, func(a answer) string { return a.header.Get("Allow") }},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			got := c.do(call{user: "demo", method: tc.method, path: tc.path})
			if got.status != tc.status {
				t.Errorf("got %d %s, want %d", got.status, got.text, tc.status)
			}
			want := map[string]string{
				"GET /v2":                              "/image/v2/",
				"GET /v2/schemas/image":                "image",
				"PUT /v2/images/" + id:                 "GET, PATCH, DELETE",
				"PATCH /v2/images":                     "The method PATCH is not allowed for this resource.",
				"DELETE /v2/images/" + id + "/members": "GET, POST",
			}[tc.method+" "+tc.path]
			if tc.check != nil && !strings.HasSuffix(tc.check(got), want) {
				t.Errorf("got %q, want %q", tc.check(got), want)
			}
		})
	}
}

func TestVersionDocumentNamesTheServicesOwnAddress(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	for path, prefix := range map[string]string{"//image/": "/image", "//internal/image/": "/internal/image", "//RegionTwo/image/": "/RegionTwo/image"} {
		got := c.do(call{method: "GET", path: path})
		first := got.value["versions"].([]any)[0].(map[string]any)
		href := first["links"].([]any)[0].(map[string]any)["href"]
		if first["id"] != "v2.15" || first["status"] != "CURRENT" || href != c.server.URL+prefix+"/v2/" {
			t.Errorf("%s lists %v first", path, first)
		}
	}
}

func TestMediaTypesOfAPatch(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	for contentType, status := range map[string]int{
		mediaTypeV21: 200, mediaTypeV21 + "; charset=utf-8": 200, mediaTypeV20: 200,
		"application/json": 415, "application/json-patch+json": 415, "": 415, strings.ToUpper(mediaTypeV21): 415,
	} {
		got := c.do(call{user: "demo", method: "PATCH", path: "/v2/images/" + id, contentType: contentType, body: "[]"})
		if got.status != status {
			t.Errorf("%q gives %d", contentType, got.status)
		}
		if status == 415 && got.header.Get("Accept-Patch") != mediaTypeV20+", "+mediaTypeV21 {
			t.Errorf("Accept-Patch is %q", got.header.Get("Accept-Patch"))
		}
	}
	got := c.do(call{user: "demo", method: "PATCH", path: "/v2/images/" + id, contentType: "application/json", body: "[]"})
	if want := "The request media type application/json is not supported by this server.\n<br /><br />\n"; got.value["message"] != want {
		t.Errorf("message is %q", got.value["message"])
	}
}

func TestDeserializerComesBeforeTheImage(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	expect(t, c.patch("demo", "nope", `[{"op":"add","path":"/id","value":"x"}]`), 403, "Attribute 'id' is read-only.")
	expect(t, c.patch("demo", "nope", `[{"op":"add","path":"/a","value":"x"}]`), 404, "No image found with ID nope")
	expect(t, c.patch("demo", "nope", `[]`), 404, "No image found with ID nope")
}

func TestIfMatchIsIgnored(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	got := c.do(call{user: "demo", method: "PATCH", path: "/v2/images/" + id, contentType: mediaTypeV21,
		body: `[{"op":"add","path":"/a","value":"x"}]`, header: map[string]string{"If-Match": `"x"`}})
	expect(t, got, 200, "")
	if got.header.Get("ETag") != "" {
		t.Error("there is an ETag")
	}
}

func TestBodiesWhereNoneIsExpected(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	for _, in := range []call{
		{method: "GET", path: "/v2/images/" + id}, {method: "DELETE", path: "/v2/images/" + id},
		{method: "PUT", path: "/v2/images/" + id + "/tags/x"}, {method: "POST", path: "/v2/images/" + id + "/actions/deactivate"},
	} {
		in.user, in.body = "demo", "x"
		expect(t, c.do(in), 400, "A body is not expected with this request.")
	}
}

func TestRequestIDs(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	get := func(user, id string) answer {
		return c.do(call{user: user, method: "GET", path: "/v2/images", header: map[string]string{"X-Openstack-Request-Id": id}})
	}
	if id := get("demo", "").header.Get("X-Openstack-Request-Id"); len(id) != len("req-")+36 {
		t.Errorf("own id is %q", id)
	}
	if id := get("demo", "req-mine").header.Get("X-Openstack-Request-Id"); id != "req-mine" {
		t.Errorf("id is %q", id)
	}
	if id := get("demo", "mine").header.Get("X-Openstack-Request-Id"); id != "req-mine" {
		t.Errorf("id is %q", id)
	}
	if got := get("demo", strings.Repeat("m", 65)); got.status != 500 {
		t.Errorf("a long id gives %d", got.status)
	}
	if got := get("", ""); got.status != 401 || got.header.Get("X-Openstack-Request-Id") != "" {
		t.Errorf("without a token there are %d and id %q", got.status, got.header.Get("X-Openstack-Request-Id"))
	}
}

func TestTagAPI(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true, TagQuota: 8})
	id := c.CreateImage(Image{Tags: []string{"old"}})
	tag := func(method, name string) answer {
		return c.do(call{user: "demo", method: method, path: "/v2/images/" + id + "/tags/" + name})
	}
	for _, tc := range []struct {
		method, name string
		status       int
		message      string
		tags         string
	}{
		{"PUT", "a", 204, "", "a,old"},
		{"PUT", "a", 204, "", "a,old"},
		{"PUT", "a%20b", 204, "", "a,a b,old"},
		{"PUT", "%C3%A9", 204, "", "a,a b,old,Ã©"},
		{"PUT", "a%2Fb", 404, "The resource could not be found.", "a,a b,old,Ã©"},
		{"PUT", "", 404, "The resource could not be found.", "a,a b,old,Ã©"},
		{"PUT", strings.Repeat("x", 256), 400, "is too long", "a,a b,old,Ã©"},
		{"PUT", "%ff", 500, "", "a,a b,old,Ã©"},
		{"DELETE", "%C3%A9", 204, "", "a,a b,old"},
		{"DELETE", "nope", 404, "The resource could not be found.", "a,a b,old"},
		{"DELETE", "a", 204, "", "a b,old"},
		{"GET", "a", 405, "The method GET is not allowed for this resource.", "a b,old"},
	} {
		t.Run(tc.method+" "+tc.name, func(t *testing.T) {
			expect(t, tag(tc.method, tc.name), tc.status, tc.message)
			if got := tagsOf(c.Document(id)); got != tc.tags {
				t.Errorf("tags are %s, want %s", got, tc.tags)
			}
		})
	}
	full := c.CreateImage(Image{Tags: []string{"1", "2", "3", "4", "5", "6", "7", "8"}})
	expect(t, c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + full + "/tags/8"}), 204, "")
	expect(t, c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + full + "/tags/9"}), 413, "Image tag limit exceeded for image "+full+
		": The limit has been exceeded on the number of allowed image tags. Attempted: 9, Maximum: 8:")
	expect(t, c.do(call{user: "demo", method: "PUT", path: "/v2/images/nope/tags/x"}), 404, "Image nope not found.")
}

func TestStates(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	act := func(id, action string) answer {
		return c.do(call{user: "demo", method: "POST", path: "/v2/images/" + id + "/actions/" + action})
	}
	upload := func(id, contentType string) answer {
		return c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + id + "/file", contentType: contentType, body: "hello"})
	}
	const octets = "application/octet-stream"

	id := c.post("demo", "/v2/images", `{}`).value["id"].(string)
	expect(t, act(id, "deactivate"), 403, "Not allowed to deactivate image in status 'queued'")
	expect(t, upload(id, octets), 400, "Properties disk_format, container_format must be set prior to saving data.")
	expect(t, c.patch("demo", id, `[{"op":"add","path":"/container_format","value":"bare"}]`), 200, "")
	expect(t, upload(id, octets), 400, "Property disk_format must be set prior to saving data.")
	expect(t, c.patch("demo", id, `[{"op":"add","path":"/disk_format","value":"raw"}]`), 200, "")
	expect(t, upload(id, "text/plain"), 415, "")
	expect(t, upload(id, octets), 204, "")
	doc := c.get("demo", id).value
	for name, want := range map[string]any{"status": "active", "size": "5", "virtual_size": "5", "checksum": "5d41402abc4b2a76b9719d911017c592", "os_hash_algo": "sha512", "stores": "fs"} {
		expectValue(t, doc, name, want)
	}
	expect(t, upload(id, octets), 409, "Image status transition from active to saving is not allowed")

	expect(t, act(id, "deactivate"), 204, "")
	expect(t, act(id, "deactivate"), 204, "")
	expectValue(t, c.get("demo", id).value, "stores", nil)
	expectValue(t, c.get("admin", id).value, "stores", "fs")
	expect(t, c.patch("demo", id, `[{"op":"add","path":"/x","value":"1"}]`), 200, "")
	expect(t, act(id, "reactivate"), 204, "")
	expectValue(t, c.get("demo", id).value, "stores", "fs")

	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/protected","value":true}]`), 200, "")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/x","value":"2"}]`), 200, "")
	remove := call{user: "demo", method: "DELETE", path: "/v2/images/" + id}
	expect(t, c.do(remove), 403, "Image "+id+" is protected and cannot be deleted.")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/protected","value":false}]`), 200, "")
	expect(t, c.do(remove), 204, "")
	expect(t, c.do(remove), 404, "Failed to find image "+id+" to delete")
	expect(t, c.get("admin", id), 404, "No image found with ID "+id)
	expect(t, c.patch("demo", id, `[]`), 404, "No image found with ID "+id)
	expect(t, c.post("demo", "/v2/images", `{"id":"`+id+`"}`), 409, "Image ID "+id+" already exists!")
}

func TestVirtualSizeIsKnownOnlyOfBareRawImages(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	for _, tc := range []struct {
		container, disk string
		want            any
	}{{"bare", "raw", "5"}, {"ovf", "raw", nil}, {"bare", "qcow2", nil}} {
		t.Run(tc.container+" "+tc.disk, func(t *testing.T) {
			body := `{"container_format":"` + tc.container + `","disk_format":"` + tc.disk + `"}`
			id := c.post("demo", "/v2/images", body).value["id"].(string)
			expect(t, c.do(call{user: "demo", method: "PUT", path: "/v2/images/" + id + "/file", contentType: "application/octet-stream", body: "hello"}), 204, "")
			if got, ok := c.get("demo", id).value["virtual_size"]; !ok || fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("got %v (present: %t), want %v", got, ok, tc.want)
			}
		})
	}
}

func TestCreate(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	for _, tc := range []struct {
		name, user, body string
		status           int
		message          string
		document         map[string]any
	}{
		{"nothing given", "demo", `{}`, 201, "", map[string]any{"status": "queued", "visibility": "shared", "protected": false, "min_ram": 0, "owner": "OWN"}},
		{"everything given", "demo", `{"name":"n","visibility":"private","tags":["a","a"],"min_ram":5.0,"protected":true,"os_hidden":true,"foo":"x"}`, 201, "",
			map[string]any{"name": "n", "visibility": "private", "min_ram": "5.0", "protected": true, "os_hidden": true, "foo": "x"}},
		{"names that a patch would swallow", "demo", `{"helper":"x","base":"y"," sp ":"z","":"e"}`, 201, "", map[string]any{"helper": "x", "base": "y", " sp ": "z", "": "e"}},
		{"hashes vanish", "demo", `{"os_hash_algo":"x"}`, 201, "", map[string]any{"os_hash_algo": "<nil>"}},
		{"not an object", "demo", `[]`, 500, "", nil},
		{"malformed", "demo", `{`, 400, "Malformed JSON in request body.", nil},
		{"property of another type", "demo", `{"a":"1","b":2}`, 400, "2 is not of type 'string'", nil},
		{"the schema's order decides", "demo", `{"foo":1,"min_ram":"x","name":1}`, 400, "1 is not of type 'null', 'string'", nil},
		{"bad id", "demo", `{"id":"x"}`, 400, "'x' does not match '^([0-9a-fA-F]){8}-", nil},
		{"read-only by the body", "demo", `{"stores":"x"}`, 403, "Attribute 'stores' is read-only.", nil},
		{"read-only by the object", "demo", `{"status":"active"}`, 403, "Attribute 'status' is read-only.", nil},
		{"reserved", "demo", `{"os_glancex":"1"}`, 403, "Attribute 'os_glancex' is reserved.", nil},
		{"locations", "demo", `{"locations":[{"url":"x","metadata":{}}]}`, 403, "Attribute 'locations' is reserved.", nil},
		{"long name of a property", "demo", `{"` + strings.Repeat("k", 256) + `":"v"}`, 400, "Custom property should not be greater than 255 characters.", nil},
		{"negative size", "demo", `{"min_disk":-1}`, 400, "Invalid value '-1' for parameter 'min_disk'", nil},
		{"size out of range", "demo", `{"min_disk":2147483648}`, 400, "'min_disk' value out of range", nil},
		{"public by a member", "demo", `{"visibility":"public"}`, 403, "You are not authorized to complete publicize_image action.", nil},
		{"public by an administrator", "admin", `{"visibility":"public"}`, 201, "", map[string]any{"visibility": "public"}},
		{"for somebody else by a member", "demo", `{"owner":"zz"}`, 403, "You are not permitted to create images owned by 'zz'.", nil},
		{"for nobody by a member", "demo", `{"owner":null}`, 403, "You are not permitted to create images owned by 'None'.", nil},
		{"for somebody else by an administrator", "admin", `{"owner":"zz"}`, 201, "", map[string]any{"owner": "zz"}},
		{"characters", "demo", `{"foo":"😀"}`, 400, "Foo can't contain 4 byte unicode characters.", nil},
		{"reader under the legacy rules", "reader", `{}`, 201, "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := c.post(tc.user, "/v2/images", tc.body)
			expect(t, got, tc.status, tc.message)
			for name, want := range tc.document {
				if want == "OWN" {
					want = c.projectID("demo")
				}
				expectValue(t, got.value, name, want)
			}
		})
	}
	got := c.post("demo", "/v2/images", `{}`)
	if want := c.server.URL + "/v2/images/" + got.value["id"].(string); got.header.Get("Location") != want {
		t.Errorf("Location is %s, want %s", got.header.Get("Location"), want)
	}
	kept := newTestCloud(t, Options{Empty: true, Assumptions: map[string]string{"location-prefix": "kept"}})
	got = kept.post("demo", "/v2/images", `{}`)
	if want := kept.server.URL + "/image/v2/images/" + got.value["id"].(string); got.header.Get("Location") != want {
		t.Errorf("Location is %s, want %s", got.header.Get("Location"), want)
	}
}

func TestCreateWithABadTagLeavesTheImage(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	expect(t, c.post("demo", "/v2/images", `{"name":"orphan","tags":["😀"]}`), 400, "Param values can't contain 4 byte unicode.")
	got := c.do(call{user: "demo", method: "GET", path: "/v2/images?name=orphan"})
	if n := len(got.value["images"].([]any)); n != 1 {
		t.Errorf("%d images", n)
	}
}

func TestMembers(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Empty: true, Clock: at.now, TokenLifetime: 24 * time.Hour})
	id, private := c.CreateImage(Image{Name: "shared", Visibility: "shared"}), c.CreateImage(Image{})
	other := c.projectID("other")
	members := func(user, method, image, project, body string) answer {
		path := "/v2/images/" + image + "/members"
		if project != "" {
			path += "/" + project
		}
		return c.do(call{user: user, method: method, path: path, contentType: "application/json", body: body})
	}
	lists := func(query string) int {
		return len(c.do(call{user: "other", method: "GET", path: "/v2/images" + query}).value["images"].([]any))
	}
	got := members("demo", "POST", id, "", `{"member":"`+other+`"}`)
	expect(t, got, 200, "")
	expectValue(t, got.value, "status", "pending")
	expectValue(t, got.value, "member_id", other)
	expect(t, members("demo", "POST", id, "", `{"member":"`+other+`"}`), 409, "Member "+other+" is duplicated for image "+id)
	expect(t, members("demo", "POST", private, "", `{"member":"x"}`), 403, "Not allowed to create members for image "+private+".")
	expect(t, members("demo", "POST", id, "", `{}`), 400, "Member to be added not specified")
	expect(t, members("demo", "POST", id, "", `{"member":""}`), 400, "Member can't be empty")
	expect(t, members("demo", "POST", id, "", `[]`), 400, `Expected a member in the form: {"member": "image_id"}`)
	expect(t, members("demo", "POST", id, "", `{"member":{"a":1}}`), 500, "")
	expectValue(t, members("demo", "POST", id, "", `{"member":1.0}`).value, "member_id", "1.0")
	expect(t, members("demo", "POST", id, "", `{"member":"😀"}`), 400, "Member can't contain 4 byte unicode characters.")

	expect(t, c.get("other", id), 200, "")
	if lists("") != 0 || lists("?member_status=pending") != 1 || lists("?member_status=all") != 1 {
		t.Errorf("lists have %d, %d, %d", lists(""), lists("?member_status=pending"), lists("?member_status=all"))
	}
	expect(t, members("demo", "PUT", id, other, `{"status":"accepted"}`), 403, "Not allowed to update members for image "+id+".")
	expect(t, members("other", "PUT", id, other, `{"status":"x"}`), 400, `Incorrect request: Status must be "pending", "accepted" or "rejected".`)
	expect(t, members("other", "PUT", id, "nope", `{"status":"accepted"}`), 404, "nope not found in the member list of the image "+id+".")
	expect(t, members("other", "PUT", id, other, `{"status":"accepted"}`), 200, "")
	if lists("") != 1 {
		t.Error("an accepted image is not listed")
	}
	expect(t, c.patch("other", id, `[{"op":"add","path":"/x","value":"1"}]`), 403, "You do not own this image")
	expect(t, members("other", "POST", id, "", `{"member":"z"}`), 403, "Not allowed to create members")
	expect(t, members("other", "DELETE", id, other, ""), 403, "Not allowed to delete members for image "+id+".")
	if n := len(members("other", "GET", id, "", "").value["members"].([]any)); n != 1 {
		t.Errorf("a member sees %d members", n)
	}
	if n := len(members("demo", "GET", id, "", "").value["members"].([]any)); n != 2 {
		t.Errorf("the owner sees %d members", n)
	}
	expect(t, members("demo", "GET", id, other, ""), 200, "")
	expect(t, members("demo", "GET", id, "nope", ""), 404, "nope not found in the member list")
	expect(t, members("demo", "GET", private, "", ""), 403, "Not allowed to list members for image "+private+": Only shared images have members.")
	expect(t, members("demo", "GET", private, "x", ""), 404, "Only shared images have members.")

	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/visibility","value":"private"}]`), 200, "")
	expect(t, c.get("other", id), 404, "No image found with ID")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/visibility","value":"shared"}]`), 200, "")
	expect(t, c.get("other", id), 200, "")
	expect(t, members("demo", "DELETE", id, other, ""), 204, "")
	expect(t, c.get("other", id), 404, "No image found with ID")
	c.Advance(time.Hour)
	made := got.value["created_at"]
	got = members("demo", "POST", id, "", `{"member":"`+other+`"}`)
	expectValue(t, got.value, "status", "pending")
	if got.value["created_at"] != made || got.value["updated_at"] == made {
		t.Errorf("a membership that is made again is of %v, changed at %v; it was of %v", got.value["created_at"], got.value["updated_at"], made)
	}
}

func TestSchemaNamesTheAttributesOfGlance(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	got := c.do(call{user: "demo", method: "GET", path: "/v2/schemas/image"})
	properties := got.value["properties"].(map[string]any)
	readOnly, stock := 0, 0
	for _, entry := range properties {
		attribute := entry.(map[string]any)
		if attribute["readOnly"] == true {
			readOnly++
		}
		if attribute["is_base"] == false {
			stock++
		}
	}
	if len(properties) != 34 || readOnly != 13 || stock != 9 {
		t.Errorf("%d properties, %d read-only, %d of the stock file", len(properties), readOnly, stock)
	}
}
