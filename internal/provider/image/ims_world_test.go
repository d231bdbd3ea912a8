package image_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// The clouds whose image services the tests of IMS run on, as the provider's
// configuration names them.
const (
	onOpenStack = "openstack"
	onHuawei    = "huaweicloud"
	onTelekom   = "opentelekomcloud"
)

// cloudNames are the names of the clouds in messages.
var cloudNames = map[string]string{onHuawei: "Huawei Cloud", onTelekom: "Open Telekom Cloud"}

// imsService is the image service of a cloud with one way to write to it.
type imsService struct{ cloud, path, format string }

func (s imsService) String() string {
	if s.path == "cloudimages" {
		return s.cloud + " cloudimages"
	}
	return s.cloud + " " + s.format
}

// vendor says whether it is an Image Management Service.
func (s imsService) vendor() bool { return s.cloud != onOpenStack }

var imsServices = []imsService{
	{onHuawei, "cloudimages", "v2.1"}, {onHuawei, "images", "v2.1"}, {onHuawei, "images", "v2.0"},
	{onTelekom, "images", "v2.1"}, {onTelekom, "images", "v2.0"}, {onTelekom, "cloudimages", "v2.1"},
	{onOpenStack, "images", "v2.1"}, {onOpenStack, "images", "v2.0"},
}

// imsWorld is an image service with somebody else who writes to it too.
type imsWorld struct {
	service imsService
	section object // image_service of the provider
	sim     *simulator.Simulator
	proxy   *acceptance.Proxy // before the image service; nil unless a test wants one
	create  func(t *testing.T, attributes object) string
	// write gives an attribute a value past the provider; nil takes it away.
	write    func(t *testing.T, id, key string, value any)
	document func(t *testing.T, id string) object
	patches  func(id string) []string // bodies, in order
}

// newIMSWorld simulates an image service.
func newIMSWorld(t *testing.T, service imsService, assumptions map[string]string) *imsWorld {
	t.Helper()
	withoutOwnCloud()
	cloud, sim := acceptance.Simulator(t, simulator.Options{Flavor: simulator.Flavor(service.cloud), Empty: true, Assumptions: assumptions})
	w := &imsWorld{service: service, sim: sim, section: imsSection(cloud, service)}
	w.create = func(t *testing.T, attributes object) string {
		t.Helper()
		id := sim.CreateImage(simulator.Image{Name: "golden", MinDisk: 40, MinRAM: 1024})
		for key, value := range attributes {
			w.write(t, id, key, value)
		}
		return id
	}
	w.write = func(t *testing.T, id, key string, value any) {
		t.Helper()
		if value == nil {
			value = simulator.Absent{}
		}
		if err := sim.WriteImage(id, object{key: value}); err != nil {
			t.Fatal(err)
		}
	}
	w.document = func(t *testing.T, id string) object {
		t.Helper()
		d := sim.Document(id)
		if d == nil {
			t.Fatalf("image %s is gone", id)
		}
		return d
	}
	w.patches = func(id string) []string {
		var bodies []string
		for _, r := range sim.Requests() {
			if r.Method == "PATCH" && strings.HasSuffix(r.Path, "/v2/"+service.path+"/"+id) {
				bodies = append(bodies, r.Body)
			}
		}
		return bodies
	}
	return w
}

// behindProxy puts a proxy before the image service.
func (w *imsWorld) behindProxy(t *testing.T) *imsWorld {
	t.Helper()
	w.proxy = acceptance.NewProxy(t, w.sim.Describe(strings.TrimSuffix(w.section["auth_url"].(string), "/identity/v3")).Image)
	w.section["endpoint"] = w.proxy.URL()
	return w
}

// realGlance is the cloud that IMAGEOPS_OPENSTACK describes.
func realGlance(t *testing.T, format string) *imsWorld {
	t.Helper()
	withoutOwnCloud()
	cloud := acceptance.OpenStack(t)
	service := imsService{onOpenStack, "images", format}
	endpoint := cloud.Regions[acceptance.RegionOne]
	token := cloud.Token(t, cloud.AuthURL, acceptance.UserDemo)
	proxy := acceptance.NewProxy(t, endpoint)
	w := &imsWorld{service: service, section: imsSection(cloud, service), proxy: proxy}
	w.section["endpoint"] = proxy.URL()
	// A sign-in with a password is most of the time of a command.
	for _, argument := range []string{"username", "password", "user_domain_name", "project_name", "project_domain_name"} {
		delete(w.section, argument)
	}
	w.section["token"] = token
	w.create = func(t *testing.T, attributes object) string {
		t.Helper()
		all := object{"name": "golden", "min_disk": 40, "min_ram": 1024, "visibility": "private"}
		maps.Copy(all, attributes)
		maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
		return acceptance.NewImages(t, endpoint, token).Create(all)
	}
	w.write = func(t *testing.T, id, key string, value any) {
		t.Helper()
		images := acceptance.NewImages(t, endpoint, token)
		if value == nil {
			images.Remove(id, "/"+key)
			return
		}
		images.Set(id, "/"+key, value)
	}
	w.document = func(t *testing.T, id string) object {
		t.Helper()
		return acceptance.NewImages(t, endpoint, token).Get(id)
	}
	w.patches = func(id string) []string {
		var bodies []string
		for _, r := range proxy.Requests("PATCH", "") {
			if strings.HasSuffix(r.Path, "/v2/images/"+id) {
				bodies = append(bodies, r.Body)
			}
		}
		return bodies
	}
	return w
}

func imsSection(cloud *acceptance.Cloud, service imsService) object {
	demo := cloud.Users[acceptance.UserDemo]
	return object{
		"flavor": service.cloud, "update_path": service.path, "patch_format": service.format, "verify_after": "0s", "batch_reads": false,
		"auth_url": cloud.AuthURL, "region": acceptance.RegionOne, "username": demo.Name, "password": demo.Password, "user_domain_name": demo.DomainName,
		"project_name": demo.Project, "project_domain_name": demo.DomainName,
	}
}

// provider returns the arguments of the provider, with more of image_service.
func (w *imsWorld) provider(more object) object {
	section := maps.Clone(w.section)
	maps.Copy(section, more)
	return object{"max_retries": 2, "image_service": section}
}

// settled is a document without what every write changes, as a text.
func (w *imsWorld) settled(t *testing.T, id string) string {
	t.Helper()
	d := maps.Clone(w.document(t, id))
	delete(d, "updated_at")
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// member is the JSON of a member of an image, "" when it is absent.
func (w *imsWorld) member(t *testing.T, id, key string) string {
	t.Helper()
	value, there := w.document(t, id)[key]
	if !there {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// imsOp is an operation of a patch; wire is the JSON of its value.
type imsOp struct{ op, key, wire string }

// towards is the operation that brings a member from one JSON to another; ""
// is absence.
func towards(key, from, to string) imsOp {
	switch {
	case to == "":
		return imsOp{op: "remove", key: key}
	case from == "":
		return imsOp{"add", key, to}
	}
	return imsOp{"replace", key, to}
}

// patchText writes a patch as planned_patch has to show it.
func patchText(operations ...imsOp) string {
	return imsService{path: "images", format: "v2.1"}.body(operations...)
}

// body writes a patch as it has to be on the wire. The page of cloudimages makes
// the value mandatory, also where it means nothing.
func (s imsService) body(operations ...imsOp) string {
	var texts []string
	for _, o := range operations {
		text := fmt.Sprintf(`{"op":%q,"path":"/%s"`, o.op, o.key)
		if s.format == "v2.0" {
			text = fmt.Sprintf(`{%q:"/%s"`, o.op, o.key)
		}
		switch {
		case o.wire != "":
			text += `,"value":` + o.wire
		case s.path == "cloudimages":
			text += `,"value":""`
		}
		texts = append(texts, text+"}")
	}
	return "[" + strings.Join(texts, ",") + "]"
}

func samePatch(t testing.TB, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%s: %v", a, err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return reflect.DeepEqual(x, y)
}

// imsRun is a resource over several commands of Terraform, each in a process of
// its own.
type imsRun struct {
	t       *testing.T
	w       *imsWorld
	id      string
	more    object // of image_service
	current instance
	seen    int // patches of former commands
}

func (w *imsWorld) run(t *testing.T, id string, more object) *imsRun {
	return &imsRun{t: t, w: w, id: id, more: more, seen: len(w.patches(id))}
}

func (r *imsRun) process() *protocol { return configured(r.t, r.w.provider(r.more)) }

// refreshed reads what is in state.
func (r *imsRun) refreshed(p *protocol) instance {
	r.t.Helper()
	if !r.current.exists() {
		return instance{}
	}
	after, diags := p.read(r.current)
	quiet(r.t, diags)
	return after
}

// newPatches returns the bodies that came since it was asked last.
func (r *imsRun) newPatches() []string {
	all := r.w.patches(r.id)
	fresh := all[r.seen:]
	r.seen = len(all)
	return fresh
}

// apply is `terraform apply` that has to send these operations, as one patch,
// and no other.
func (r *imsRun) apply(what string, config object, operations ...imsOp) {
	r.t.Helper()
	p := r.process()
	s, diags := p.plan(r.refreshed(p), config)
	quiet(r.t, diags)
	if len(operations) > 0 {
		if got, want := textOf(r.t, s.planned.state, "planned_patch"), patchText(operations...); got != want {
			r.t.Errorf("%s: planned_patch is\n%s, want\n%s", what, got, want)
		}
	}
	if got := r.newPatches(); len(got) != 0 {
		r.t.Errorf("%s: the plan sent %v", what, got)
	}
	after, diags := p.apply(s)
	quiet(r.t, diags)
	r.current = after
	r.sent(what, operations...)
	r.emptyPlan(what, config)
}

// sent fails the test unless the operations were sent, in one patch.
func (r *imsRun) sent(what string, operations ...imsOp) {
	r.t.Helper()
	got := r.newPatches()
	if len(operations) == 0 {
		if len(got) != 0 {
			r.t.Errorf("%s: sent %v, want nothing", what, got)
		}
		return
	}
	want := r.w.service.body(operations...)
	if len(got) != 1 || !samePatch(r.t, got[0], want) {
		r.t.Errorf("%s: sent\n%s, want\n%s", what, strings.Join(got, "\n"), want)
	}
}

// emptyPlan fails the test unless the next plan has nothing to do.
func (r *imsRun) emptyPlan(what string, config object) {
	r.t.Helper()
	p := r.process()
	read := r.refreshed(p)
	if !read.state.Equal(r.current.state) {
		r.t.Errorf("after %s the next read changes the state to\n%s, was\n%s", what, read.state, r.current.state)
	}
	s, diags := p.plan(read, config)
	quiet(r.t, diags)
	if !s.planned.state.Equal(read.state) {
		r.t.Errorf("after %s the next plan is not empty:\n%s, state\n%s", what, s.planned.state, read.state)
	}
	if got := r.newPatches(); len(got) != 0 {
		r.t.Errorf("after %s the next plan sent %v", what, got)
	}
}

// destroy is `terraform destroy` that has to send these operations.
func (r *imsRun) destroy(operations ...imsOp) {
	r.t.Helper()
	p := r.process()
	s, diags := p.plan(r.refreshed(p), nil)
	quiet(r.t, diags)
	gone, diags := r.process().apply(s)
	quiet(r.t, diags)
	if gone.exists() {
		r.t.Errorf("the destroyed resource has the state %s", gone.state)
	}
	r.current = gone
	r.sent("destroy", operations...)
}

// at makes the part of a configuration that sets one attribute.
func at(path string, value any) object {
	if name, nested := strings.CutPrefix(path, "ims."); nested {
		return object{"ims": object{name: value}}
	}
	return object{path: value}
}

// configOf adds parts of a configuration up for an image.
func configOf(id string, parts ...object) object {
	config := object{"image_id": id}
	for _, part := range parts {
		for name, value := range part {
			nested, ok := config[name].(object)
			if members, both := value.(object); ok && both {
				nested = maps.Clone(nested)
				maps.Copy(nested, members)
				config[name] = nested
				continue
			}
			config[name] = value
		}
	}
	return config
}

// valueAt returns an attribute of a state or a data source; a null tftypes.Value
// without a type when the object around it is null.
func valueAt(t testing.TB, state tftypes.Value, path string) tftypes.Value {
	t.Helper()
	name, nested := strings.CutPrefix(path, "ims.")
	if !nested {
		return memberOf(t, state, path)
	}
	object := memberOf(t, state, "ims")
	if object.IsNull() {
		return tftypes.Value{}
	}
	return memberOf(t, object, name)
}

// holds fails the test unless an attribute has a value; nil is null.
func holds(t testing.TB, what string, state tftypes.Value, path string, want any) {
	t.Helper()
	got := valueAt(t, state, path)
	if got.Type() == nil {
		if want != nil {
			t.Errorf("%s: %s is null with all of ims, want %v", what, path, want)
		}
		return
	}
	if !got.Equal(rules.Value(got.Type(), want)) {
		t.Errorf("%s: %s is %s, want %v", what, path, got, want)
	}
}

// dataSource reads a data source.
func (p *protocol) dataSource(name string, config object) (tftypes.Value, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	as := p.schema.DataSourceSchemas[name].ValueType()
	answer, err := p.server.ReadDataSource(p.t.Context(), &tfprotov6.ReadDataSourceRequest{TypeName: name, Config: rules.Encoded(as, config)})
	if err != nil {
		p.t.Fatal(err)
	}
	if faulty(answer.Diagnostics) {
		return tftypes.Value{}, answer.Diagnostics
	}
	return p.decode(answer.State, as), answer.Diagnostics
}

// shown reads an image through a data source.
func (p *protocol) shown(id string) tftypes.Value {
	p.t.Helper()
	image, diags := p.dataSource("imageops_image", object{"id": id})
	quiet(p.t, diags)
	return image
}

// asConfigured is the configuration that says what a state holds, as
// -generate-config-out writes it.
func (p *protocol) asConfigured(state tftypes.Value) object {
	p.t.Helper()
	var members map[string]tftypes.Value
	if err := state.As(&members); err != nil {
		p.t.Fatal(err)
	}
	config := object{}
	for _, a := range p.schema.ResourceSchemas[resourceType].Block.Attributes {
		if a.Required || a.Optional {
			config[a.Name] = members[a.Name]
		}
	}
	return config
}
