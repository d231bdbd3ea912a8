package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
)

// pod is a simulated Horizon behind a server, with a client that signs in by
// itself.
type pod struct {
	*Simulator
	t       *testing.T
	time    *manualTime
	address string // of /horizon/rest
	tokens  map[string]string
}

const newestRelease = "2512"

// newPod starts an empty pod of a release with the given assumptions, each
// NAME=VALUE. Where the vendor's documents are at hand, they judge its answers.
func newPod(t *testing.T, release string, assumed ...string) *pod {
	t.Helper()
	p := newUnguardedPod(t, release, assumed...)
	if contract.Documents() != nil {
		return p
	}
	return p.behind(contract.GuardAnswers(t, release, p.Simulator))
}

// newUnguardedPod starts a pod that also answers what no document has.
func newUnguardedPod(t *testing.T, release string, assumed ...string) *pod {
	t.Helper()
	assumptions := map[string]string{}
	for _, text := range assumed {
		name, value, _ := strings.Cut(text, "=")
		assumptions[name] = value
	}
	clock := newManualTime()
	s := New(Options{Release: release, Empty: true, Assumptions: assumptions, Clock: clock.now})
	p := &pod{Simulator: s, t: t, time: clock, tokens: map[string]string{}}
	return p.behind(s)
}

// behind lets the client reach the pod through a handler.
func (p *pod) behind(handler http.Handler) *pod {
	server := httptest.NewServer(handler)
	p.t.Cleanup(server.Close)
	p.address = server.URL + "/horizon/rest"
	return p
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	text   string
	value  any
}

func (r reply) object() map[string]any {
	object, _ := r.value.(map[string]any)
	return object
}

func (r reply) list() []any {
	list, _ := r.value.([]any)
	return list
}

// names are the values of a field of a list's elements.
func (r reply) names(field string) string {
	var names []string
	for _, each := range r.list() {
		names = append(names, fmt.Sprint(each.(map[string]any)[field]))
	}
	return strings.Join(names, ",")
}

// messages are those of an error, of either form.
func (r reply) messages() string {
	var messages []string
	object := r.object()
	if text, ok := object["error_message"].(string); ok {
		messages = append(messages, text)
	}
	list, _ := object["error_messages"].([]any)
	for _, each := range list {
		messages = append(messages, fmt.Sprint(each))
	}
	return strings.Join(messages, "\n")
}

func (p *pod) send(method, path, body string, header map[string]string) reply {
	p.t.Helper()
	request, err := http.NewRequest(method, p.address+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	out := reply{status: response.StatusCode, header: response.Header, text: string(content)}
	if response.Header.Get("Content-Type") == "application/json" {
		decoder := json.NewDecoder(strings.NewReader(out.text))
		decoder.UseNumber()
		if err := decoder.Decode(&out.value); err != nil {
			p.t.Fatalf("%q is no JSON: %v", out.text, err)
		}
	}
	return out
}

func (p *pod) login(user string) reply {
	p.t.Helper()
	return p.send("POST", "/login", fmt.Sprintf(`{"username":%q,"password":%q,"domain":"DEMO"}`, user, user+"-password"), nil)
}

// as sends a request in the session of a user.
func (p *pod) as(user, method, path, body string) reply {
	p.t.Helper()
	if p.tokens[user] == "" {
		p.tokens[user], _ = p.login(user).object()["access_token"].(string)
	}
	return p.send(method, path, body, map[string]string{"Authorization": "Bearer " + p.tokens[user]})
}

func (p *pod) do(method, path, body string) reply {
	p.t.Helper()
	return p.as("demo", method, path, body)
}

// make creates an object of the catalogue and returns its id.
func (p *pod) make(collection, body string) string {
	p.t.Helper()
	before := p.ids(collection)
	if got := p.do("POST", "/config/v1/"+collection, body); got.status != 201 {
		p.t.Fatalf("creating %s: %d %s", body, got.status, got.text)
	}
	for _, id := range p.ids(collection) {
		if !slices.Contains(before, id) {
			return id
		}
	}
	p.t.Fatalf("creating %s made nothing", body)
	return ""
}

// ids are the ids of a collection, past the API.
func (p *pod) ids(collection string) []string {
	p.horizon.mu.Lock()
	defer p.horizon.mu.Unlock()
	var ids []string
	for _, o := range p.horizon.catalogue {
		if o.kind.path == collection {
			ids = append(ids, o.id)
		}
	}
	return ids
}

// Bodies of creations.
func streamBody(name string) string {
	return fmt.Sprintf(`{"name":%q,"operating_system":"WINDOWS_10","source":"UPLOADED","status":"AVAILABLE"}`, name)
}

func versionBody(stream, name string) string {
	return fmt.Sprintf(`{"im_stream_id":%q,"name":%q,"status":"AVAILABLE"}`, stream, name)
}

func tagBody(stream, version, name string) string {
	return fmt.Sprintf(`{"im_stream_id":%q,"im_version_id":%q,"name":%q}`, stream, version, name)
}

func assetBody(stream, version string, more ...string) string {
	fields := map[string]string{"im_stream_id": stream, "im_version_id": version, "status": "AVAILABLE", "clone_type": "INSTANT_CLONE",
		"image_type": "VDI_DESKTOP", "vcenter_id": HorizonVCenterID, "base_vm_id": "vm-1002", "base_snapshot_id": "snapshot-1004"}
	for i := 0; i < len(more); i += 2 {
		if more[i+1] == "" {
			delete(fields, more[i])
			continue
		}
		fields[more[i]] = more[i+1]
	}
	body, _ := json.Marshal(fields)
	return string(body)
}

// stocked is a pod with one object of each kind.
type stocked struct {
	*pod
	stream, version, tag, asset string
}

func newStocked(t *testing.T, release string, assumed ...string) stocked {
	t.Helper()
	return stock(newPod(t, release, assumed...))
}

func stock(p *pod) stocked {
	p.t.Helper()
	s := stocked{pod: p}
	s.stream = p.make("im-streams", streamBody("Desktops"))
	s.version = p.make("im-versions", versionBody(s.stream, "march"))
	s.tag = p.make("im-tags", tagBody(s.stream, s.version, "live"))
	s.asset = p.make("im-assets", assetBody(s.stream, s.version))
	return s
}

// path is the address of one of the objects.
func (s stocked) path(collection string) string {
	ids := map[string]string{"im-streams": s.stream, "im-versions": s.version, "im-tags": s.tag, "im-assets": s.asset}
	return "/config/v1/" + collection + "/" + ids[collection]
}

func (p *pod) follow(pool, tag string) {
	p.t.Helper()
	if err := p.FollowTag(pool, tag); err != nil {
		p.t.Fatal(err)
	}
}

// expectReply compares the status and looks for a part of the messages.
func expectReply(t *testing.T, what string, got reply, status int, message string) {
	t.Helper()
	if got.status != status || !strings.Contains(got.messages(), message) {
		t.Errorf("%s: answered %d %q, want %d %q", what, got.status, got.text, status, message)
	}
}

func filterOf(text string) string { return "filter=" + url.QueryEscape(text) }
