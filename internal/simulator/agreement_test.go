package simulator

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
)

// The tests in this file hold the simulator against a running Keystone and
// Glance 25.1: the same random requests to both, and the same status, error text
// and stored image expected from both. IMAGEOPS_OPENSTACK names the file that
// describes the installation, in which the Glance of RegionOne has the defaults
// and the one of RegionTwo, if there is one, the rules of secure RBAC.
// IMAGEOPS_OPENSTACK_VARIANT says so if the one of RegionOne is configured
// otherwise.

var (
	agreementSequences = flag.Int("agreement.sequences", 40, "random sequences to send to both services")
	agreementSeed      = flag.Uint64("agreement.seed", 1, "seed of the random sequences")
)

// agreementVariants are the configurations of Glance that can be compared.
var agreementVariants = map[string]Options{
	"": {},
	// image_property_quota=4, image_tag_quota=3.
	"quotas": {PropertyQuota: 4, TagQuota: 3},
	// property_protection_file with the rules of protectionRules.
	"protections": {Protections: agreementProtections},
	// enforce_secure_rbac, enforce_new_defaults and enforce_scope.
	"secure-rbac": {Policy: PolicySecureRBAC},
}

var agreementProtections = []PropertyProtection{
	{Pattern: "^secret_.*", Create: []string{"admin"}, Read: []string{"admin"}, Update: []string{"admin"}, Delete: []string{"admin"}},
	{Pattern: "^once_.*", Create: []string{"admin", "member"}, Read: []string{"@"}, Update: []string{"admin"}, Delete: []string{"admin"}},
	{Pattern: "^never$", Create: []string{"!"}, Read: []string{"@"}, Update: []string{"!"}, Delete: []string{"!"}},
	{Pattern: "^blind$", Create: []string{"@"}, Read: []string{"admin"}, Update: []string{"@"}, Delete: []string{"@"}},
	{Pattern: ".*", Create: []string{"@"}, Read: []string{"@"}, Update: []string{"@"}, Delete: []string{"@"}},
}

// cloud is one of the two sides.
type cloud struct {
	t        *testing.T
	identity string
	image    string
	password string // of the user demo
	tokens   map[string]string
	owners   map[string]string // project id to name
}

// installation is the part of the description of a cloud that the test reads.
type installation struct {
	AuthURL string            `json:"auth_url"`
	Regions map[string]string `json:"regions"`
	Users   map[string]struct {
		Name       string `json:"name"`
		Password   string `json:"password"`
		DomainName string `json:"domain_name"`
		Project    string `json:"project"`
	} `json:"users"`
}

// compareClouds runs a comparison for every region with an image service.
func compareClouds(t *testing.T, compare func(t *testing.T, actual, simulated *cloud)) {
	t.Helper()
	path := os.Getenv("IMAGEOPS_OPENSTACK")
	if path == "" {
		t.Skip("no OpenStack to compare with: IMAGEOPS_OPENSTACK does not name a description of one")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var in installation
	if err := json.Unmarshal(content, &in); err != nil {
		t.Fatal(err)
	}
	options, ok := agreementVariants[os.Getenv("IMAGEOPS_OPENSTACK_VARIANT")]
	if !ok {
		t.Fatalf("unknown variant %q", os.Getenv("IMAGEOPS_OPENSTACK_VARIANT"))
	}
	for region, options := range map[string]Options{RegionOne: options, RegionTwo: {Policy: PolicySecureRBAC}} {
		if in.Regions[region] == "" {
			continue
		}
		t.Run(region, func(t *testing.T) {
			options.Empty = true
			server := httptest.NewServer(New(options))
			t.Cleanup(server.Close)
			actual := &cloud{t: t, identity: in.AuthURL, image: in.Regions[region], password: in.Users["demo"].Password,
				tokens: map[string]string{}, owners: map[string]string{}}
			for _, u := range in.Users {
				actual.signIn(in.AuthURL, u.Name, u.Password, u.DomainName, u.Project)
			}
			simulated := &cloud{t: t, identity: server.URL + "/identity/v3", image: server.URL + "/image", password: "demo-password",
				tokens: map[string]string{}, owners: map[string]string{}}
			for name, account := range New(Options{}).Describe("").Accounts {
				simulated.signIn(server.URL+"/identity/v3", name, account.Password, "Default", account.ProjectName)
			}
			compare(t, actual, simulated)
		})
	}
}

func (c *cloud) signIn(authURL, user, password, domain, project string) {
	c.t.Helper()
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"password":%q,"domain":{"name":%q}}}},
		"scope":{"project":{"name":%q,"domain":{"name":%q}}}}}`, user, password, domain, project, domain)
	response, err := http.Post(authURL+"/auth/tokens", "application/json", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var out struct {
		Token struct {
			Project struct{ ID, Name string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil || response.StatusCode != http.StatusCreated {
		c.t.Fatalf("signing %s in: %s %v", user, response.Status, err)
	}
	c.tokens[user] = response.Header.Get("X-Subject-Token")
	c.owners[out.Token.Project.ID] = out.Token.Project.Name
}

// step is one request of a sequence. ID in the path stands for the image.
type step struct {
	user        string
	method      string
	path        string
	contentType string
	body        string
}

func (s step) String() string {
	return fmt.Sprintf("%s %s %s %s %s", s.user, s.method, s.path, strings.TrimPrefix(s.contentType, "application/openstack-images-"), s.body)
}

// outcome is an answer without what differs between any two installations.
type outcome struct {
	status  int
	message string
	value   any
}

func (c *cloud) send(s step, id string) outcome {
	c.t.Helper()
	own := []string{"ID", id}
	for project, name := range c.owners {
		own = append(own, "PROJECT-"+name, project)
	}
	filled := strings.NewReplacer(own...)
	request, err := http.NewRequest(s.method, c.image+filled.Replace(s.path), strings.NewReader(filled.Replace(s.body)))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("X-Auth-Token", c.tokens[s.user])
	if s.contentType != "" {
		request.Header.Set("Content-Type", s.contentType)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	text := string(body)
	if id != "" {
		text = strings.ReplaceAll(text, id, "ID")
	}
	for owner, name := range c.owners {
		text = strings.ReplaceAll(text, owner, "project "+name)
	}
	out := outcome{status: response.StatusCode}
	if text == "" {
		return out
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&out.value); err != nil {
		c.t.Fatalf("%s: %s is no JSON: %v", s, text, err)
	}
	out.value = withoutTimes(out.value)
	if document, ok := out.value.(map[string]any); ok && document["code"] != nil && document["title"] != nil {
		out.message, _ = document["message"].(string)
		out.message = schemaInError.ReplaceAllString(out.message, "schema${1}: ...\n\nOn")
		out.message = locationNumber.ReplaceAllString(out.message, "ID N from")
		out.value = nil
	}
	return out
}

var (
	// schemaInError is the excerpt from the schema, whose descriptions differ.
	schemaInError  = regexp.MustCompile(`(?s)schema(\[.*?\])?:\n.*\n\nOn`)
	locationNumber = regexp.MustCompile(`ID \d+ from`)
)

// withoutTimes drops times and sorts tags.
func withoutTimes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range []string{"created_at", "updated_at"} {
			delete(v, name)
		}
		for name, e := range v {
			if list, ok := e.([]any); ok && name == "tags" {
				sort.Slice(list, func(i, j int) bool { return fmt.Sprint(list[i]) < fmt.Sprint(list[j]) })
			}
			v[name] = withoutTimes(e)
		}
	case []any:
		for i, e := range v {
			v[i] = withoutTimes(e)
		}
	}
	return v
}

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
		return step{user: r.user(), method: http.MethodDelete, path: "/v2/images/ID"}
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

// createOnBoth sends a create to both sides and returns the two ids, or false
// when both refused.
func createOnBoth(t *testing.T, s step, sides ...*cloud) ([]string, bool) {
	t.Helper()
	var ids []string
	var outcomes []outcome
	for _, side := range sides {
		out := side.send(s, "")
		if document, ok := out.value.(map[string]any); ok {
			id, _ := document["id"].(string)
			ids = append(ids, id)
			for _, name := range []string{"id", "self", "file"} {
				delete(document, name)
			}
		}
		outcomes = append(outcomes, out)
	}
	if !reflect.DeepEqual(outcomes[0], outcomes[1]) {
		t.Errorf("%s\n  real:      %+v\n  simulated: %+v", s, outcomes[0], outcomes[1])
		return nil, false
	}
	return ids, outcomes[0].status == http.StatusCreated
}

func TestAgreesWithGlanceOnRandomSequences(t *testing.T) {
	compareClouds(t, compareSequences)
}

func compareSequences(t *testing.T, actual, simulated *cloud) {
	t.Helper()
	for n := range *agreementSequences {
		r := sequences{rand.New(rand.NewPCG(*agreementSeed, uint64(n)))}
		ids, ok := createOnBoth(t, r.create(), actual, simulated)
		if !ok {
			continue
		}
		var history []string
		if r.IntN(3) > 0 {
			upload := step{user: "admin", method: http.MethodPut, path: "/v2/images/ID/file", contentType: "application/octet-stream", body: "data"}
			actual.send(upload, ids[0])
			simulated.send(upload, ids[1])
			history = append(history, "uploaded")
		}
		for range 8 {
			s := r.step()
			history = append(history, s.String())
			got, want := simulated.send(s, ids[1]), actual.send(s, ids[0])
			show := step{user: "admin", method: http.MethodGet, path: "/v2/images/ID"}
			gotAfter, wantAfter := simulated.send(show, ids[1]), actual.send(show, ids[0])
			if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotAfter, wantAfter) {
				t.Errorf("sequence %d\n  %s\n  real:      %+v\n  simulated: %+v\n  real after:      %v\n  simulated after: %v",
					n, strings.Join(history, "\n  "), want, got, wantAfter.value, gotAfter.value)
				break
			}
		}
		forget := step{user: "admin", method: http.MethodDelete, path: "/v2/images/ID"}
		unprotect := step{user: "admin", method: http.MethodPatch, path: "/v2/images/ID", contentType: mediaTypeV21,
			body: `[{"op":"replace","path":"/protected","value":false}]`}
		actual.send(unprotect, ids[0])
		actual.send(forget, ids[0])
	}
}

// difference cuts two texts to where they part.
func difference(a, b string) (string, string) {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	window := func(s string) string { return s[max(0, i-80):min(len(s), i+200)] }
	return window(a), window(b)
}

func TestAgreesWithGlanceOnLists(t *testing.T) {
	compareClouds(t, compareLists)
}

func compareLists(t *testing.T, actual, simulated *cloud) {
	t.Helper()
	r := sequences{rand.New(rand.NewPCG(*agreementSeed, 1<<32))}
	mark := fmt.Sprintf("list-%d", rand.Uint64())
	var ids [][]string
	for i := range 12 {
		name := fmt.Sprintf("%q", pick(r, "alpha", "beta", "gamma", "a:b"))
		if i%4 == 3 {
			name = "null"
		}
		s := step{user: pick(r, "demo", "demo", "demo", "other", "admin"), method: http.MethodPost, path: "/v2/images", contentType: "application/json",
			body: fmt.Sprintf(`{"name":%s,"tags":[%q,%q],"visibility":%q,"min_ram":%d,"kind":%q,"os_hidden":%t,"protected":%t,"metadata":"m"}`, name, mark,
				pick(r, "x", "y"), pick(r, "private", "shared", "community"), i*10, pick(r, "one", "two"), i%5 == 4, i%6 == 5)}
		if i%3 == 0 {
			s.body = strings.Replace(s.body, "{", `{"disk_format":"raw","container_format":"bare",`, 1)
		}
		both, ok := createOnBoth(t, s, actual, simulated)
		if !ok {
			continue
		}
		ids = append(ids, both)
		if i%3 == 0 {
			upload := step{user: "admin", method: http.MethodPut, path: "/v2/images/ID/file", contentType: "application/octet-stream", body: strings.Repeat("d", i)}
			actual.send(upload, both[0])
			simulated.send(upload, both[1])
		}
	}
	// normal shows ids as their position, and links without the marker's id.
	normal := func(out outcome, side int) outcome {
		content, _ := json.Marshal(out.value)
		for i, both := range ids {
			content = bytes.ReplaceAll(content, []byte(both[side]), fmt.Appendf(nil, "image %d", i))
			out.message = strings.ReplaceAll(out.message, both[side], fmt.Sprint("image ", i))
		}
		out.value = string(content)
		return out
	}
	filters := []string{"", "name=alpha", "name=in:alpha,beta", `name=in:"a:b",beta`, "name=eq:a:b", "name=a:b", "name=", "status=queued", "status=in:active,queued",
		"visibility=private", "visibility=community", "visibility=shared", "visibility=all", "visibility=x", "visibility=", "member_status=all",
		"os_hidden=true", "os_hidden=false", "os_hidden=x", "protected=true", "protected=false", "protected=x", "min_ram=10", "min_ram=10.0", "min_ram=x",
		"min_ram_min=20", "min_ram_max=20", "size_min=1", "size_max=3", "size=3", "size_min=x", "kind=one", "kind=one&kind=two", "tag=x", "tag=x&tag=y",
		"nope=1", "metadata=m", "foo_min=1", "name_min=5", "created_at=gt:2020-01-01T00:00:00Z", "created_at=lt:2020-01-01T00:00:00Z", "updated_at=x",
		"created_at=in:2020-01-01T00:00:00Z", "properties=x", "members=x", "deleted=true", "disk_format=raw", "container_format=in:bare,ovf", "checksum=x",
		"owner=x", "changes-since=x", "a=b;kind=one", "id=in:FIRST,SECOND", "id=FIRST", "virtual_size_min=0", "limit=1&limit=2"}
	sorts := []string{"", "sort_key=name", "sort_key=name&sort_dir=asc", "sort=name:asc,size:desc", "sort_dir=asc", "sort_key=size", "sort_key=size&sort_dir=asc",
		"sort_key=status&sort_key=name&sort_dir=asc", "sort=nope", "sort=name:up", "sort=name&sort_key=size", "sort_key=name&sort_dir=asc&sort_dir=desc", "sort_key=", "sort_dir="}
	pages := []string{"", "limit=3", "limit=0", "limit=-1", "limit=x", "limit=100000", "limit=3&marker=FIRST", "limit=4&marker=SECOND", "marker=THIRD", "marker=nope"}
	ask := func(user, query string) {
		t.Helper()
		var outs []outcome
		for side, c := range []*cloud{actual, simulated} {
			q := strings.NewReplacer("FIRST", ids[0][side], "SECOND", ids[1][side], "THIRD", ids[3][side]).Replace(query)
			outs = append(outs, normal(c.send(step{user: user, method: http.MethodGet, path: "/v2/images?tag=" + mark + q}, ""), side))
		}
		if !reflect.DeepEqual(outs[0], outs[1]) {
			a, b := difference(fmt.Sprint(outs[0]), fmt.Sprint(outs[1]))
			t.Errorf("%s %s\n  real:      ...%s\n  simulated: ...%s", user, query, a, b)
		}
	}
	for _, user := range []string{"demo", "other", "reader", "admin"} {
		for _, filter := range filters {
			ask(user, "&"+filter)
		}
	}
	for range *agreementSequences * 3 {
		parts := []string{""}
		for _, part := range []string{pick(r, filters...), pick(r, sorts...), pick(r, pages...)} {
			if part != "" {
				parts = append(parts, part)
			}
		}
		ask(r.user(), strings.Join(parts, "&"))
	}
	for _, both := range slices.Backward(ids) {
		unprotect := step{user: "admin", method: http.MethodPatch, path: "/v2/images/ID", contentType: mediaTypeV21,
			body: `[{"op":"replace","path":"/protected","value":false}]`}
		actual.send(unprotect, both[0])
		actual.send(step{user: "admin", method: http.MethodDelete, path: "/v2/images/ID"}, both[0])
	}
}

// signInOutcome is the answer to a sign-in: its status, and the error's text or
// what the token holds.
func (c *cloud) signInOutcome(body string) string {
	c.t.Helper()
	filled := strings.NewReplacer("PASSWORD", c.password, "TOKEN", c.tokens["demo"]).Replace(body)
	response, err := http.Post(c.identity+"/auth/tokens", "application/json", strings.NewReader(filled))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var out struct {
		Error struct{ Message string }
		Token struct {
			Methods []string
			User    struct{ Name string }
			Project struct{ Name string }
			Roles   []struct{ Name string }
			Catalog []struct{ Type string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil {
		c.t.Fatalf("%s: %v", body, err)
	}
	sort.Slice(out.Token.Roles, func(i, j int) bool { return out.Token.Roles[i].Name < out.Token.Roles[j].Name })
	message, _, _ := strings.Cut(out.Error.Message, "\n")
	return fmt.Sprintf("%d %s %v", response.StatusCode, message, out.Token)
}

func TestAgreesWithKeystoneOnSignIns(t *testing.T) {
	const (
		password = `"methods":["password"],"password":{"user":{"name":"demo","domain":{"name":"Default"},"password":"PASSWORD"}}`
		project  = `"scope":{"project":{"name":"demo","domain":{"name":"Default"}}}`
	)
	compareClouds(t, func(t *testing.T, actual, simulated *cloud) {
		for _, body := range []string{
			``, `{`, `{}`, `{"auth":{}}`, `{"auth":{"identity":{"methods":[]}}}`, `{"auth":{"identity":{"methods":["x"]}}}`,
			`{"auth":{"identity":{"methods":["password"]}}}`,
			`{"auth":{"identity":{` + password + `}}}`,
			`{"auth":{"identity":{` + password + `},` + project + `}}`,
			`{"auth":{"identity":{` + password + `},"scope":"unscoped"}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"unscoped":{}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"domain":{"id":"default"}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"domain":{"name":"nope"}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"name":"demo"}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"domain":{"id":"default"}}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"domain":{}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"name":"demo","domain":{}}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":"nope"}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"nope":{}}}}`,
			`{"auth":[]}`, `{"auth":{"identity":[]}}`, `{"auth":{"identity":{}}}`, `{"auth":{"identity":{"methods":"password"}}}`, `[]`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"name":"other","domain":{"id":"default"}}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"name":"demo","domain":{"id":"nope"}}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"id":"nope"}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"id":"x"},"domain":{"id":"default"}}}}`,
			`{"auth":{"identity":{` + strings.Replace(password, "PASSWORD", "wrong", 1) + `},` + project + `}}`,
			`{"auth":{"identity":{` + strings.Replace(password, `"demo"`, `"nobody"`, 1) + `},` + project + `}}`,
			`{"auth":{"identity":{` + strings.Replace(password, `"Default"`, `"nope"`, 1) + `},` + project + `}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"demo","password":"PASSWORD"}}}}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"password":"PASSWORD"}}}}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{}}}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"demo","domain":{"id":"default"},"password":1}}}}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"demo","domain":{"id":"default"}}}}}}`,
			`{"auth":{"identity":{"methods":["token"],"token":{"id":"TOKEN"}},` + project + `}}`,
			`{"auth":{"identity":{"methods":["token"],"token":{"id":"TOKEN"}}}}`,
			`{"auth":{"identity":{"methods":["token"],"token":{"id":"nope"}}}}`,
			`{"auth":{"identity":{"methods":["token"],"token":{}}}}`,
			`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"nope","secret":"x"}}}}`,
			`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"name":"x","secret":"x"}}}}`,
			`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"name":"nope","secret":"x","user":{"name":"demo","domain":{"id":"default"}}}}}}`,
		} {
			if got, want := simulated.signInOutcome(body), actual.signInOutcome(body); got != want {
				t.Errorf("%s\n  real:      %s\n  simulated: %s", body, want, got)
			}
		}
	})
}
