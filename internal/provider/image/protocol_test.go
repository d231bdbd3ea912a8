package image_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/provider"
)

const resourceType = "imageops_image_metadata"

// object is the JSON object that a value of Terraform is written as in these
// tests: members that are not named are null.
type object = map[string]any

// protocol is a provider server as terraform starts it, without terraform.
type protocol struct {
	t      testing.TB
	server tfprotov6.ProviderServer
	schema *tfprotov6.GetProviderSchemaResponse
	// identity is the type of the resource's identity.
	identity tftypes.Type
}

// withoutOwnCloud takes a developer's own sign-in out of the environment, which
// a provider server inside the test process reads.
var withoutOwnCloud = sync.OnceFunc(func() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OS_") {
			_ = os.Unsetenv(name)
		}
	}
})

// newProtocol starts a provider server that nobody has configured.
func newProtocol(t testing.TB) *protocol {
	t.Helper()
	withoutOwnCloud()
	p := &protocol{t: t, server: provider.Server("test")()}
	var err error
	if p.schema, err = p.server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{}); err != nil {
		t.Fatal(err)
	}
	identities, err := p.server.GetResourceIdentitySchemas(t.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		t.Fatal(err)
	}
	p.identity = identities.IdentitySchemas[resourceType].ValueType()
	return p
}

// configured starts a provider server with the arguments of the provider block.
func configured(t testing.TB, arguments object) *protocol {
	t.Helper()
	p := newProtocol(t)
	answer, err := p.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{
		Config: rules.Encoded(p.schema.Provider.ValueType(), arguments),
	})
	if err != nil || len(answer.Diagnostics) > 0 {
		t.Fatalf("configuring the provider: %v %s", err, rules.Printed(answer.Diagnostics))
	}
	return p
}

func (p *protocol) resourceType() tftypes.Object {
	return p.schema.ResourceSchemas[resourceType].ValueType().(tftypes.Object)
}

// instance is a resource as terraform keeps it between two calls. The zero
// value does not exist yet.
type instance struct {
	state    tftypes.Value
	private  []byte
	identity *tfprotov6.ResourceIdentityData
}

// exists says whether there is a state.
func (i instance) exists() bool { return i.state.Type() != nil && !i.state.IsNull() }

// text returns a string attribute; "" when it is null, and "(unknown)" when it
// is not known.
func (i instance) text(t testing.TB, name string) string {
	t.Helper()
	return textOf(t, i.state, name)
}

func textOf(t testing.TB, v tftypes.Value, name string) string {
	t.Helper()
	attribute := memberOf(t, v, name)
	if !attribute.IsKnown() {
		return "(unknown)"
	}
	if attribute.IsNull() {
		return ""
	}
	var s string
	if err := attribute.As(&s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// textsOf returns the elements of a list or set, or of a map as "key=value", in
// the order of their texts; a null is written "null".
func textsOf(t testing.TB, v tftypes.Value, name string) []string {
	t.Helper()
	attribute := memberOf(t, v, name)
	var texts []string
	write := func(element tftypes.Value) string {
		switch {
		case !element.IsKnown():
			return "(unknown)"
		case element.IsNull():
			return "null"
		}
		var s string
		if err := element.As(&s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return s
	}
	if attribute.IsNull() || !attribute.IsKnown() {
		return nil
	}
	if attribute.Type().Is(tftypes.Map{}) {
		var members map[string]tftypes.Value
		if err := attribute.As(&members); err != nil {
			t.Fatal(err)
		}
		for key, member := range members {
			texts = append(texts, key+"="+write(member))
		}
	} else {
		var elements []tftypes.Value
		if err := attribute.As(&elements); err != nil {
			t.Fatal(err)
		}
		for _, element := range elements {
			texts = append(texts, write(element))
		}
	}
	slices.Sort(texts)
	return texts
}

func memberOf(t testing.TB, v tftypes.Value, name string) tftypes.Value {
	t.Helper()
	var members map[string]tftypes.Value
	if err := v.As(&members); err != nil {
		t.Fatal(err)
	}
	member, there := members[name]
	if !there {
		t.Fatalf("there is no attribute %s", name)
	}
	return member
}

// validate returns what `terraform validate` says about the resource.
func (p *protocol) validate(config object) []*tfprotov6.Diagnostic {
	p.t.Helper()
	answer, err := p.server.ValidateResourceConfig(p.t.Context(), &tfprotov6.ValidateResourceConfigRequest{
		TypeName: resourceType, Config: rules.Encoded(p.resourceType(), config),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.Diagnostics
}

// step is one planned change.
type step struct {
	before  instance
	config  object // nil for a destruction
	planned instance
}

// plan plans the step from an instance to a configuration; nil destroys.
func (p *protocol) plan(before instance, config object) (step, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	as := p.resourceType()
	prior, proposed := tftypes.NewValue(as, nil), tftypes.NewValue(as, nil)
	if before.exists() {
		prior = before.state
	}
	var configuration any
	if config != nil {
		configuration = config
		proposed = rules.Proposed(p.schema.ResourceSchemas[resourceType].Block.Attributes, prior, rules.Value(as, config))
	}
	answer, err := p.server.PlanResourceChange(p.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: resourceType, PriorState: rules.Encoded(as, prior), ProposedNewState: rules.Encoded(as, proposed),
		Config: rules.Encoded(as, configuration), PriorPrivate: before.private, PriorIdentity: before.identity,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	s := step{before: before, config: config, planned: instance{private: answer.PlannedPrivate, identity: answer.PlannedIdentity}}
	if answer.PlannedState != nil {
		s.planned.state = p.decode(answer.PlannedState, as)
	}
	return s, answer.Diagnostics
}

// apply carries a planned step out.
func (p *protocol) apply(s step) (instance, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	as := p.resourceType()
	prior := tftypes.NewValue(as, nil)
	if s.before.exists() {
		prior = s.before.state
	}
	var configuration any
	if s.config != nil {
		configuration = s.config
	}
	answer, err := p.server.ApplyResourceChange(p.t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: resourceType, PriorState: rules.Encoded(as, prior), PlannedState: rules.Encoded(as, s.planned.state),
		Config: rules.Encoded(as, configuration), PlannedPrivate: s.planned.private, PlannedIdentity: s.planned.identity,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return instance{state: p.decode(answer.NewState, as), private: answer.Private, identity: answer.NewIdentity}, answer.Diagnostics
}

// applied plans and applies, and fails the test when either says anything.
func (p *protocol) applied(before instance, config object) instance {
	p.t.Helper()
	s, diags := p.plan(before, config)
	quiet(p.t, diags)
	after, diags := p.apply(s)
	quiet(p.t, diags)
	return after
}

// read refreshes an instance.
func (p *protocol) read(before instance) (instance, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	as := p.resourceType()
	answer, err := p.server.ReadResource(p.t.Context(), &tfprotov6.ReadResourceRequest{
		TypeName: resourceType, CurrentState: rules.Encoded(as, before.state), Private: before.private, CurrentIdentity: before.identity,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	after := instance{private: answer.Private, identity: answer.NewIdentity}
	if answer.NewState != nil {
		after.state = p.decode(answer.NewState, as)
	}
	return after, answer.Diagnostics
}

// importByID adopts an image by an import id.
func (p *protocol) importByID(id string) (instance, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	return p.adopt(&tfprotov6.ImportResourceStateRequest{TypeName: resourceType, ID: id})
}

// importByIdentity adopts an image by its identity.
func (p *protocol) importByIdentity(imageID string) (instance, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	return p.adopt(&tfprotov6.ImportResourceStateRequest{TypeName: resourceType, Identity: &tfprotov6.ResourceIdentityData{
		IdentityData: rules.Encoded(p.identity, object{"image_id": imageID}),
	}})
}

func (p *protocol) adopt(request *tfprotov6.ImportResourceStateRequest) (instance, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	answer, err := p.server.ImportResourceState(p.t.Context(), request)
	if err != nil {
		p.t.Fatal(err)
	}
	if len(answer.ImportedResources) != 1 {
		return instance{}, answer.Diagnostics
	}
	imported := answer.ImportedResources[0]
	return instance{state: p.decode(imported.State, p.resourceType()), private: imported.Private, identity: imported.Identity}, answer.Diagnostics
}

// identityOf returns the image_id of an identity, "" when there is none.
func (p *protocol) identityOf(i instance) string {
	p.t.Helper()
	if i.identity == nil || i.identity.IdentityData == nil {
		return ""
	}
	return textOf(p.t, p.decode(i.identity.IdentityData, p.identity), "image_id")
}

func (p *protocol) decode(v *tfprotov6.DynamicValue, as tftypes.Type) tftypes.Value {
	p.t.Helper()
	decoded, err := v.Unmarshal(as)
	if err != nil {
		p.t.Fatal(err)
	}
	return decoded
}

// quiet fails the test when there are diagnostics.
func quiet(t testing.TB, diags []*tfprotov6.Diagnostic) {
	t.Helper()
	if len(diags) > 0 {
		t.Fatalf("diagnostics where none are wanted:%s", rules.Printed(diags))
	}
}

// sole fails the test unless there is one diagnostic alone, of that severity, at
// that attribute ("" for none), whose text contains every one of texts.
func sole(t testing.TB, diags []*tfprotov6.Diagnostic, severity tfprotov6.DiagnosticSeverity, at string, texts ...string) {
	t.Helper()
	if len(diags) != 1 {
		t.Fatalf("%d diagnostics, want one at %q:%s", len(diags), at, rules.Printed(diags))
	}
	d := diags[0]
	if d.Severity != severity || rules.Place(d) != at {
		t.Errorf("want %s at %q:%s", severity, at, rules.Printed(diags))
	}
	for _, text := range texts {
		if !strings.Contains(d.Summary+"\n"+d.Detail, text) {
			t.Errorf("want %q in:%s", text, rules.Printed(diags))
		}
	}
}

// soleError is sole for an error.
func soleError(t testing.TB, diags []*tfprotov6.Diagnostic, at string, texts ...string) {
	t.Helper()
	sole(t, diags, tfprotov6.DiagnosticSeverityError, at, texts...)
}

// miniature is an identity service and an image service in one, as far as a
// resource sees them that is used as it should be. What a real Glance refuses is
// the business of the tests that run against one.
type miniature struct {
	*httptest.Server

	mu       sync.Mutex
	images   map[string]object
	requests []string // method and path
	sent     []string // bodies of patches
}

const (
	miniatureProject = "4b2f9b1d6f0a4c57b5f1d5a2c7e3a001"
	miniatureRegion  = "RegionMini"
)

func newMiniature(t testing.TB) *miniature {
	t.Helper()
	m := &miniature{images: map[string]object{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /identity/v3/auth/tokens", m.signIn)
	mux.HandleFunc("GET /image/v2/images/{id}", m.show)
	mux.HandleFunc("PATCH /image/v2/images/{id}", m.patch)
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.requests = append(m.requests, r.Method+" "+r.URL.Path)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

// provider returns the arguments of a provider that signs in here.
func (m *miniature) provider() object {
	return object{"max_retries": 0, "image_service": object{
		"auth_url": m.URL + "/identity/v3", "username": "demo", "password": "secret", "project_name": "demo", "verify_after": "0s",
	}}
}

// put makes or replaces an image; members that are not given are a fresh image's.
func (m *miniature) put(id string, members object) {
	image := object{
		"id": id, "name": "golden", "status": "active", "visibility": "private", "protected": false, "os_hidden": false,
		"min_disk": 0, "min_ram": 0, "tags": []any{}, "owner": miniatureProject, "disk_format": "raw", "container_format": "bare",
	}
	maps.Copy(image, members)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.images[id] = image
}

// remove deletes an image.
func (m *miniature) remove(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.images, id)
}

// image returns one member of an image.
func (m *miniature) image(id, member string) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.images[id][member]
}

// seen returns the requests and the bodies of patches since the last call.
func (m *miniature) seen() (requests, sent []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	requests, sent = m.requests, m.sent
	m.requests, m.sent = nil, nil
	return requests, sent
}

func (m *miniature) signIn(w http.ResponseWriter, _ *http.Request) {
	now := time.Now().UTC()
	w.Header().Set("X-Subject-Token", "token-of-demo")
	answer(w, http.StatusCreated, object{"token": object{
		"issued_at": now.Format(time.RFC3339), "expires_at": now.Add(time.Hour).Format(time.RFC3339),
		"project": object{"id": miniatureProject, "name": "demo", "domain": object{"id": "default", "name": "Default"}},
		"roles":   []any{object{"id": "1", "name": "member"}},
		"catalog": []any{object{"type": "image", "name": "glance", "endpoints": []any{
			object{"interface": "public", "region": miniatureRegion, "region_id": miniatureRegion, "url": m.URL + "/image"},
		}}},
	}})
}

func (m *miniature) show(w http.ResponseWriter, r *http.Request) {
	image, there := m.images[r.PathValue("id")]
	if !there {
		answer(w, http.StatusNotFound, object{"message": "No image found with ID " + r.PathValue("id")})
		return
	}
	answer(w, http.StatusOK, image)
}

func (m *miniature) patch(w http.ResponseWriter, r *http.Request) {
	image, there := m.images[r.PathValue("id")]
	if !there {
		m.show(w, r)
		return
	}
	var operations []struct {
		Op, Path string
		Value    any
	}
	var raw json.RawMessage
	if json.NewDecoder(r.Body).Decode(&raw) != nil || json.Unmarshal(raw, &operations) != nil {
		answer(w, http.StatusBadRequest, object{"message": "broken patch"})
		return
	}
	m.sent = append(m.sent, string(raw))
	for _, o := range operations {
		key := strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(o.Path, "/"))
		if o.Op == "remove" {
			delete(image, key)
			continue
		}
		image[key] = o.Value
	}
	answer(w, http.StatusOK, image)
}

func answer(w http.ResponseWriter, status int, body object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

const (
	thisMonth = "11111111-2222-4333-8444-555555555501"
	nextMonth = "11111111-2222-4333-8444-555555555502"
)

func TestProtocolIdentityFollowsImageID(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, nil)
	cloud.put(nextMonth, nil)
	p := configured(t, cloud.provider())
	config := func(id string) object { return object{"image_id": id, "properties": object{"os_distro": "ubuntu"}} }

	made := p.applied(instance{}, config(thisMonth))
	if got := p.identityOf(made); got != thisMonth {
		t.Errorf("after create the identity is %q, want %q", got, thisMonth)
	}
	read, diags := p.read(made)
	quiet(t, diags)
	if got := p.identityOf(read); got != thisMonth {
		t.Errorf("after read the identity is %q, want %q", got, thisMonth)
	}
	moved := p.applied(read, config(nextMonth))
	if got := p.identityOf(moved); got != nextMonth {
		t.Errorf("after the update to another image the identity is %q, want %q", got, nextMonth)
	}
	for _, id := range []string{thisMonth, nextMonth} {
		if got := cloud.image(id, "os_distro"); got != "ubuntu" {
			t.Errorf("os_distro of %s is %v, want ubuntu", id, got)
		}
	}
	read, diags = p.read(moved)
	quiet(t, diags)
	if got := p.identityOf(read); got != nextMonth {
		t.Errorf("after the next read the identity is %q, want %q", got, nextMonth)
	}
	settings := config(nextMonth)
	settings["on_destroy"] = "keep"
	kept := p.applied(read, settings)
	if got := p.identityOf(kept); got != nextMonth {
		t.Errorf("after an update that sends nothing the identity is %q, want %q", got, nextMonth)
	}
}

func TestProtocolImportByIdentity(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, object{"os_distro": "ubuntu", "tags": []any{"golden"}, "min_ram": 512})
	p := configured(t, cloud.provider())
	byIdentity, diags := p.importByIdentity(thisMonth)
	quiet(t, diags)
	byID, diags := p.importByID(thisMonth)
	quiet(t, diags)
	if !byIdentity.state.Equal(byID.state) {
		t.Errorf("import by identity gives\n%s, by id\n%s", byIdentity.state, byID.state)
	}
	if got := p.identityOf(byIdentity); got != thisMonth {
		t.Errorf("the identity is %q, want %q", got, thisMonth)
	}
	if got := p.identityOf(byID); got != thisMonth {
		t.Errorf("after an import by id the identity is %q, want %q", got, thisMonth)
	}
	read, diags := p.read(byIdentity)
	quiet(t, diags)
	cloud.seen()
	s, diags := p.plan(read, object{
		"image_id": thisMonth, "name": "golden", "visibility": "private", "protected": false, "hidden": false, "min_disk": 0, "min_ram": 512,
		"tags": []any{"golden"}, "properties": object{"os_distro": "ubuntu"},
	})
	quiet(t, diags)
	if !s.planned.state.Equal(read.state) {
		t.Errorf("the configuration of what was imported plans\n%s, want\n%s", s.planned.state, read.state)
	}

	for name, id := range map[string]string{"malformed": "golden", "absent": nextMonth} {
		if _, diags := p.importByIdentity(id); len(diags) != 1 || !strings.Contains(diags[0].Detail, id) {
			t.Errorf("import by a %s identity: want one error that names %s:%s", name, id, rules.Printed(diags))
		}
	}
}

func TestProtocolAPlanWithoutChangesCallsNoServer(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, object{"hw_firmware_type": "bios"})
	config := object{
		"image_id": thisMonth, "hw_firmware_type": "uefi", "tags": []any{"golden"}, "min_ram": 512, "properties": object{"os_distro": "ubuntu", "gone": nil},
	}
	made := configured(t, cloud.provider()).applied(instance{}, config)
	cloud.seen()
	// Terraform plans in a new process, here without the read before it, as with -refresh=false.
	s, diags := configured(t, cloud.provider()).plan(made, config)
	quiet(t, diags)
	if !s.planned.state.Equal(made.state) {
		t.Errorf("the plan changes something:\n%s, was\n%s", s.planned.state, made.state)
	}
	if requests, _ := cloud.seen(); len(requests) != 0 {
		t.Errorf("a plan without changes called the server: %v", requests)
	}
	p := configured(t, cloud.provider())
	read, diags := p.read(made)
	quiet(t, diags)
	if !read.state.Equal(made.state) {
		t.Errorf("read after apply changes the state:\n%s, was\n%s", read.state, made.state)
	}
	requests, _ := cloud.seen()
	want := []string{"POST /identity/v3/auth/tokens", "GET /image/v2/images/" + thisMonth}
	equalJSON(t, "what a refresh requests", requests, want)
}

func TestProtocolUpdateIsPlannedAgainstWhatReadSaw(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, object{"os_distro": "debian"})
	config := func(distro string) object {
		return object{"image_id": thisMonth, "properties": object{"os_distro": distro, "os_version": "13"}}
	}
	made := configured(t, cloud.provider()).applied(instance{}, config("ubuntu"))
	read, diags := configured(t, cloud.provider()).read(made)
	quiet(t, diags)
	image := cloud.copy(thisMonth)
	image["os_distro"] = "arch"
	cloud.put(thisMonth, image)
	cloud.seen()

	// Another process, as with -refresh=false: only private state tells it what was read.
	s, diags := configured(t, cloud.provider()).plan(read, config("alma"))
	quiet(t, diags)
	if requests, _ := cloud.seen(); len(requests) != 0 {
		t.Errorf("the plan of an update read the image once more: %v", requests)
	}
	if got, want := textsOf(t, s.planned.state, "planned_changes"), []string{`replace /os_distro "ubuntu" -> "alma"`}; !slices.Equal(got, want) {
		t.Errorf("planned_changes is %q, want %q", got, want)
	}

	// And a saved plan is applied in a third one.
	_, diags = configured(t, cloud.provider()).apply(s)
	soleError(t, diags, `properties["os_distro"]`, thisMonth, `was "ubuntu" when this was planned`, `"arch" now`, `wants "alma"`, "Nothing was sent", "on_conflict")
	if _, sent := cloud.seen(); len(sent) != 0 {
		t.Errorf("a conflict sent %v", sent)
	}

	image["os_distro"] = "ubuntu"
	cloud.put(thisMonth, image)
	after, diags := configured(t, cloud.provider()).apply(s)
	quiet(t, diags)
	if _, sent := cloud.seen(); !slices.Equal(sent, []string{textOf(t, s.planned.state, "planned_patch")}) {
		t.Errorf("sent %v, planned %s", sent, textOf(t, s.planned.state, "planned_patch"))
	}
	if !after.state.Equal(s.planned.state) {
		t.Errorf("apply gave\n%s, planned\n%s", after.state, s.planned.state)
	}
}

// copy returns the members of an image.
func (m *miniature) copy(id string) object {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.images[id])
}

func TestProtocolLostPrivateStateIsReadAgain(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, object{"os_distro": "debian"})
	config := func(distro string) object {
		return object{"image_id": thisMonth, "properties": object{"os_distro": distro}}
	}
	made := configured(t, cloud.provider()).applied(instance{}, config("ubuntu"))
	made.private = nil
	p := configured(t, cloud.provider())
	after := p.applied(made, config("alma"))
	want := `[{"op":"test","path":"/os_distro","value":"alma"},{"op":"replace","path":"/os_distro","value":"debian"}]`
	if got := after.text(t, "restore_patch"); got != want {
		t.Errorf("restore_patch is\n%s, want what was found first\n%s", got, want)
	}
	if got := cloud.image(thisMonth, "os_distro"); got != "alma" {
		t.Errorf("os_distro is %v, want alma", got)
	}

	// Without it nobody knows where the image was found, so that its absence proves nothing.
	after.private = nil
	cloud.remove(thisMonth)
	_, diags := configured(t, cloud.provider()).read(after)
	soleError(t, diags, "", thisMonth, "not visible from project", "not recorded where it was managed from", "terraform state rm")
}

func TestProtocolADestructionIsPlannedInOneProcessAndDoneInAnother(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, object{"os_distro": "debian"})
	made := configured(t, cloud.provider()).applied(instance{}, object{"image_id": thisMonth, "properties": object{"os_distro": "ubuntu"}})
	s, diags := configured(t, cloud.provider()).plan(made, nil)
	quiet(t, diags)
	cloud.seen()
	gone, diags := configured(t, cloud.provider()).apply(s)
	quiet(t, diags)
	if gone.exists() {
		t.Errorf("the destroyed resource has a state: %s", gone.state)
	}
	if got := cloud.image(thisMonth, "os_distro"); got != "debian" {
		t.Errorf("os_distro is %v, want debian again", got)
	}
}

func TestProtocolUnknownValues(t *testing.T) {
	t.Parallel()
	everything := object{
		"image_id": thisMonth, "name": "n", "visibility": "private", "protected": true, "hidden": true, "min_disk": 1, "min_ram": 1,
		"hw_firmware_type": "uefi", "hw_vif_multiqueue_enabled": true, "tags": []any{"golden"}, "tags_exclusive": true,
		"properties": object{"a": "b"}, "sensitive_properties": object{"c": "d"}, "on_destroy": "keep", "on_conflict": "fail",
	}
	cases := map[string]object{"one of the tags": {"tags": []any{"golden", rules.Unknown}}, "a property": {"properties": object{"a": rules.Unknown}}, "a sensitive property": {"sensitive_properties": object{"c": rules.Unknown}}}
	for name := range everything {
		cases[name] = object{name: rules.Unknown}
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newMiniature(t)
			cloud.put(thisMonth, nil)
			p := configured(t, cloud.provider())
			config := maps.Clone(everything)
			maps.Copy(config, cases[name])
			quiet(t, p.validate(config))
			s, diags := p.plan(instance{}, config)
			quiet(t, diags)
			if name == "on_destroy" || name == "on_conflict" {
				return // Settings, which no computed attribute follows from.
			}
			for _, computed := range []string{"planned_patch", "planned_changes", "restore_patch"} {
				if memberOf(t, s.planned.state, computed).IsKnown() {
					t.Errorf("%s is known: %s", computed, memberOf(t, s.planned.state, computed))
				}
			}
			requests, sent := cloud.seen()
			if len(sent) != 0 {
				t.Errorf("the plan sent %v", sent)
			}
			if name == "image_id" && len(requests) != 0 {
				t.Errorf("the plan for an unknown image requested %v", requests)
			}
		})
	}
}

func TestProtocolAnUnknownImageTakesTheNextOne(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, nil)
	cloud.put(nextMonth, object{"os_distro": "debian"})
	p := configured(t, cloud.provider())
	config := func(id any) object { return object{"image_id": id, "properties": object{"os_distro": "ubuntu"}} }
	made := p.applied(instance{}, config(thisMonth))
	cloud.seen()
	s, diags := p.plan(made, config(rules.Unknown))
	quiet(t, diags)
	for _, computed := range []string{"planned_patch", "planned_changes", "restore_patch"} {
		if memberOf(t, s.planned.state, computed).IsKnown() {
			t.Errorf("%s is known: %s", computed, memberOf(t, s.planned.state, computed))
		}
	}
	if requests, _ := cloud.seen(); len(requests) != 0 {
		t.Errorf("the plan for an unknown image requested %v", requests)
	}
	moved := p.applied(made, config(nextMonth))
	want := `[{"op":"test","path":"/os_distro","value":"ubuntu"},{"op":"replace","path":"/os_distro","value":"debian"}]`
	if got := moved.text(t, "restore_patch"); got != want {
		t.Errorf("restore_patch is\n%s, want what the next image had\n%s", got, want)
	}
	if got := cloud.image(thisMonth, "os_distro"); got != "ubuntu" {
		t.Errorf("os_distro of the former image is %v, want it kept", got)
	}
}

func TestProtocolUnknownProviderArguments(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, object{"os_distro": "debian"})
	config := func(distro string) object {
		return object{"image_id": thisMonth, "properties": object{"os_distro": distro}}
	}
	made := configured(t, cloud.provider()).applied(instance{}, config("ubuntu"))
	cloud.seen()

	for name, arguments := range map[string]object{
		"image_service.password": {"image_service": object{"auth_url": cloud.URL + "/identity/v3", "username": "demo", "password": rules.Unknown}},
		"image_service":          {"image_service": rules.Unknown},
		"max_retries":            {"max_retries": rules.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			p := configured(t, arguments)
			read, diags := p.read(made)
			sole(t, diags, tfprotov6.DiagnosticSeverityWarning, "", "provider argument "+name+" is not known", thisMonth)
			if !read.state.Equal(made.state) || p.identityOf(read) != thisMonth {
				t.Errorf("read changed the state to\n%s (%s), was\n%s", read.state, p.identityOf(read), made.state)
			}
			s, diags := p.plan(read, config("ubuntu"))
			quiet(t, diags)
			if !s.planned.state.Equal(made.state) {
				t.Errorf("a plan without changes is\n%s, was\n%s", s.planned.state, made.state)
			}
			s, diags = p.plan(read, config("alma"))
			quiet(t, diags)
			if got := textOf(t, s.planned.state, "planned_patch"); got != "(unknown)" {
				t.Errorf("planned_patch is %s, want it unknown", got)
			}
			if s, diags = p.plan(instance{}, config("alma")); len(diags) > 0 || textOf(t, s.planned.state, "planned_patch") != "(unknown)" {
				t.Errorf("a create is planned as\n%s%s", s.planned.state, rules.Printed(diags))
			}
			_, diags = p.importByID(thisMonth)
			soleError(t, diags, "", "provider argument "+name+" is not known")
			if requests, _ := cloud.seen(); len(requests) != 0 {
				t.Errorf("without a known configuration the server was asked: %v", requests)
			}
		})
	}
}

func TestProtocolSomebodyLeavesInTheMiddle(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, nil)
	p := configured(t, cloud.provider())
	s, diags := p.plan(instance{}, object{"image_id": thisMonth, "properties": object{"os_distro": "ubuntu"}})
	quiet(t, diags)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	as := p.resourceType()
	answered, err := p.server.ApplyResourceChange(ctx, &tfprotov6.ApplyResourceChangeRequest{
		TypeName: resourceType, PriorState: rules.Encoded(as, nil), PlannedState: rules.Encoded(as, s.planned.state),
		Config: rules.Encoded(as, s.config), PlannedPrivate: s.planned.private, PlannedIdentity: s.planned.identity,
	})
	if err != nil {
		t.Fatal(err)
	}
	soleError(t, answered.Diagnostics, "", thisMonth, "cancelled", "Run it again")
	if after := p.decode(answered.NewState, as); !after.IsNull() {
		t.Errorf("a create that was cancelled before it sent anything has the state %s", after)
	}
	if _, sent := cloud.seen(); len(sent) != 0 {
		t.Errorf("it sent %v", sent)
	}
}

// A plan without private state looks at the image itself, and so does the one in
// its apply: what is sent may differ, and on_conflict = "overwrite" allows that.
func TestProtocolLostPrivateStateWithOverwrite(t *testing.T) {
	t.Parallel()
	cloud := newMiniature(t)
	cloud.put(thisMonth, object{"os_distro": "debian"})
	config := func(distro string) object {
		return object{"image_id": thisMonth, "on_conflict": "overwrite", "tags": []any{"golden"}, "properties": object{"os_distro": distro}}
	}
	made := configured(t, cloud.provider()).applied(instance{}, config("ubuntu"))
	made.private = nil
	first, diags := configured(t, cloud.provider()).plan(made, config("alma"))
	quiet(t, diags)
	image := cloud.copy(thisMonth)
	image["tags"] = []any{}
	cloud.put(thisMonth, image)
	p := configured(t, cloud.provider())
	second, diags := p.plan(made, config("alma"))
	quiet(t, diags)
	for _, name := range []string{"planned_patch", "planned_changes"} {
		if memberOf(t, first.planned.state, name).IsKnown() || memberOf(t, second.planned.state, name).IsKnown() {
			t.Errorf("%s is known, and the two plans of one apply may differ", name)
		}
	}
	after, diags := p.apply(second)
	quiet(t, diags)
	if got := textsOf(t, after.state, "planned_changes"); len(got) != 2 {
		t.Errorf("what was sent is %q", got)
	}
	if got := fmt.Sprintln(cloud.image(thisMonth, "tags"), cloud.image(thisMonth, "os_distro")); got != "[golden] alma\n" {
		t.Errorf("the image has %s", got)
	}
}
