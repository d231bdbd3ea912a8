package simulator

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

// sequences draws random requests.
type sequences struct {
	*rand.Rand
}

func pick[T any](r sequences, choices ...T) T { return choices[r.IntN(len(choices))] }

func (r sequences) user() string {
	return pick(r, "demo", "demo", "demo", "demo", "demo", "demo", "admin", "admin", "reader", "other")
}

var agreementNames = []string{
	"/foo", "/foo", "/foo", "/bar", "/bar", "/Baz", "/k~1s", "/t~0", "/tricky~01", "/é", "//foo", "/ foo ", "/", "/stores", "/metadata",
	"/kernel_id", "/architecture", "/cinder_encryption_key_deletion_policy", "/secret_a", "/secret_b", "/once_a", "/once_b", "/never", "/blind",
	"/name", "/name", "/visibility", "/visibility", "/protected", "/os_hidden", "/min_disk", "/min_ram", "/tags", "/tags", "/tags",
	"/owner", "/disk_format", "/container_format",
	"/id", "/status", "/created_at", "/deleted", "/os_glance_x", "/os_glancex", "/location", "/direct_url",
	"/helper", "/context", "/repo", "/notifier", "/member", "/delete", "/get_data", "/__init__", "/_abc_impl", "/image", "/property_rules",
	"/base", "/extra_properties", "/__class__", "/__dict__", "/image_id",
	"/locations", "/locations/-", "/locations/0", "/tags/-", "/foo/bar", "noslash", "/two//slashes", "/trail/", "/lone~", "/~2", "", "/ / ",
}

func (r sequences) value(path string) string {
	switch path {
	case "/name":
		return pick(r, `"n1"`, `"n2"`, `null`, `""`, `1`, `"😀"`, `"\ud800"`, `"`+strings.Repeat("x", 256)+`"`)
	case "/visibility":
		return pick(r, `"private"`, `"shared"`, `"community"`, `"public"`, `"nope"`, `null`)
	case "/protected", "/os_hidden":
		return pick(r, `true`, `false`, `"true"`, `null`, `0`)
	case "/min_disk", "/min_ram":
		return pick(r, `0`, `1`, `512`, `128.0`, `1e3`, `-1`, `-1.0`, `1.5`, `2147483647`, `2147483648`, `99999999999999999999999`, `"1"`, `null`, `true`, `NaN`)
	case "/tags":
		return pick(r, `[]`, `["a"]`, `["a","b"]`, `["b","c","a"]`, `["a","a","a"]`, `["a","b","c","d"]`, `["a/b"," ",""]`, `null`, `["a",1]`, `"a"`, `["é"]`)
	case "/owner":
		return pick(r, `"someone"`, `null`, `""`, `1`)
	case "/disk_format":
		return pick(r, `"raw"`, `"qcow2"`, `null`, `"zvhd2"`)
	case "/container_format":
		return pick(r, `"bare"`, `null`, `"nope"`)
	case "/image_id":
		return pick(r, `"ID"`, `"nope"`, `"`+strings.Repeat("x", 40)+`"`, `1`)
	case "/kernel_id":
		return pick(r, `null`, `"12345678-1234-1234-1234-123456789012"`, `"x"`, `1`)
	case "/cinder_encryption_key_deletion_policy":
		return pick(r, `"do_not_delete"`, `"x"`)
	case "/locations", "/locations/-", "/locations/0":
		return pick(r, `[]`, `[{"url":"file:///x","metadata":{}}]`, `{"url":"file:///x","metadata":{}}`, `{"url":"x"}`, `"x"`)
	default:
		return pick(r, `"v1"`, `"v1"`, `"v2"`, `""`, `" a\n<b> "`, `"ünï"`, `null`, `1`, `true`, `["a"]`, `{"a":1}`, `"😀"`, `"\ud800"`)
	}
}

func (r sequences) operationV21() string {
	op := pick(r, "add", "add", "add", "replace", "replace", "remove", "remove", "test")
	if r.IntN(8) > 0 && op == "test" {
		op = "add"
	}
	path := pick(r, agreementNames...)
	parts := []string{fmt.Sprintf(`"op":%q`, op)}
	if r.IntN(60) > 0 {
		quoted, _ := json.Marshal(path)
		parts = append(parts, fmt.Sprintf(`"path":%s`, quoted))
	}
	if r.IntN(60) > 0 && (op != "remove" || r.IntN(4) == 0) {
		parts = append(parts, fmt.Sprintf(`"value":%s`, r.value(path)))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (r sequences) operationV20() string {
	op := pick(r, "add", "add", "add", "replace", "replace", "remove", "remove")
	path := pick(r, agreementNames...)
	quoted, _ := json.Marshal(path)
	parts := []string{fmt.Sprintf(`%q:%s`, op, quoted)}
	if r.IntN(60) == 0 {
		parts = append(parts, `"add":"/x"`)
	}
	if r.IntN(60) > 0 && (op != "remove" || r.IntN(4) == 0) {
		parts = append(parts, fmt.Sprintf(`"value":%s`, r.value(path)))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// mildOperation is one that tends to succeed, so that long lists get through.
func (r sequences) mildOperation() string {
	path := pick(r, "/foo", "/foo", "/bar", "/Baz", "/name", "/tags", "/secret_a", "/once_a", "/helper", "/k~1s", "/min_ram", "/blind")
	value := map[string][]string{
		"/name": {`"n1"`, `"n2"`}, "/tags": {`["a","b"]`, `["c"]`, `[]`}, "/min_ram": {`1`, `2`},
	}[path]
	if value == nil {
		value = []string{`"v1"`, `"v2"`, `"v3"`}
	}
	if r.IntN(5) == 0 {
		return fmt.Sprintf(`{"op":"remove","path":%q}`, path)
	}
	return fmt.Sprintf(`{"op":%q,"path":%q,"value":%s}`, pick(r, "add", "add", "replace"), path, pick(r, value...))
}

func (r sequences) patch() step {
	s := step{user: r.user(), method: http.MethodPatch, path: "/v2/images/ID", contentType: mediaTypeV21}
	operation := r.operationV21
	switch r.IntN(6) {
	case 0:
		s.contentType, operation = mediaTypeV20, r.operationV20
	case 1, 2, 3:
		operation = r.mildOperation
	}
	if r.IntN(80) == 0 {
		s.contentType = pick(r, "application/json", mediaTypeV20, "text/plain")
	}
	var list []string
	for range pick(r, 0, 1, 1, 1, 1, 2, 2, 3, 4, 5) {
		list = append(list, operation())
	}
	s.body = "[" + strings.Join(list, ",") + "]"
	if r.IntN(80) == 0 {
		s.body = pick(r, "", "{", "null", "1", "{}", `["x"]`, "[[]]", `[{}]`, `"x"`, "[] x", "[1e999]")
	}
	return s
}

func (r sequences) step() step {
	switch r.IntN(14) {
	case 0:
		return step{user: r.user(), method: pick(r, http.MethodPut, http.MethodPut, http.MethodDelete),
			path: "/v2/images/ID/tags/" + pick(r, "a", "b", "c", "d", "a%20b", "%C3%A9", "a%2Fb", "", strings.Repeat("x", 256))}
	case 1:
		return step{user: r.user(), method: http.MethodPost, path: "/v2/images/ID/actions/" + pick(r, "deactivate", "reactivate")}
	case 2:
		if r.IntN(4) > 0 {
			return r.patch()
		}
		return step{user: r.user(), method: http.MethodPut, path: "/v2/images/ID/file", contentType: "application/octet-stream", body: "data"}
	case 3:
		return r.member()
	case 4:
		if r.IntN(4) > 0 {
			return r.patch()
		}
		return step{user: r.user(), method: http.MethodGet, path: "/v2/images/ID"}
	default:
		return r.patch()
	}
}

func (r sequences) member() step {
	s := step{user: pick(r, "demo", "demo", "other", "other", "admin", "reader"), contentType: "application/json", path: "/v2/images/ID/members"}
	project := "/" + pick(r, "PROJECT-other", "PROJECT-other", "PROJECT-demo", "nope")
	switch r.IntN(5) {
	case 0, 1:
		s.method = http.MethodPost
		s.body = pick(r, `{"member":"PROJECT-other"}`, `{"member":"PROJECT-other"}`, `{"member":"x"}`, `{"member":1}`, `{"member":null}`, `{"member":[1]}`,
			`{"member":{}}`, `{}`, `[]`, `"x"`, ``, `{"member":"😀"}`)
	case 2:
		s.method, s.path = http.MethodPut, s.path+project
		s.body = pick(r, `{"status":"accepted"}`, `{"status":"accepted"}`, `{"status":"rejected"}`, `{"status":"pending"}`, `{"status":"x"}`, `{"status":1}`, `{}`, `[]`, ``)
	case 3:
		s.method, s.path, s.contentType = http.MethodDelete, s.path+project, ""
	default:
		s.method, s.contentType = http.MethodGet, ""
		if r.IntN(2) == 0 {
			s.path += project
		}
	}
	return s
}

func (r sequences) create() step {
	parts := []string{
		fmt.Sprintf(`"visibility":%q`, pick(r, "private", "shared", "shared", "community")),
		`"foo":"one"`, `"name":"agreement"`,
		fmt.Sprintf(`"tags":%s`, pick(r, `[]`, `["a"]`, `["a","b","c"]`)),
	}
	if r.IntN(4) > 0 {
		parts = append(parts, `"disk_format":"raw","container_format":"bare"`)
	}
	if r.IntN(10) == 0 {
		parts = append(parts, `"helper":"h"`)
	}
	if r.IntN(10) == 0 {
		name := pick(r, agreementNames...)
		quoted, _ := json.Marshal(strings.TrimPrefix(name, "/"))
		parts = append(parts, fmt.Sprintf(`%s:%s`, quoted, r.value(name)))
	}
	return step{user: pick(r, "demo", "demo", "demo", "admin"), method: http.MethodPost, path: "/v2/images", contentType: "application/json",
		body: "{" + strings.Join(parts, ",") + "}"}
}
