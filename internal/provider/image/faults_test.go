package image_test

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

const (
	faultyImage = "6d0f7e2a-91b4-4c35-8e0b-3f5a7c2d9e10"
	faultySelf  = "/image/v2/images/" + faultyImage
	faultySign  = "/identity/v3/auth/tokens"

	// faultWorkers is more than there are processors: most of the time of a
	// combination is waiting, for a repeat or before a look at a broken write.
	faultWorkers = 24
	// mostPatches is one write and four times the same again.
	mostPatches = 5
	// shortRequest is request_timeout where the server hangs. Elsewhere it must
	// not be what ends a request, on however busy a machine.
	shortRequest, longRequest = "2s", "30s"
)

// firstConfig replaces, adds, removes and adopts; nextConfig changes, releases
// and takes over.
func firstConfig() object {
	return object{
		"image_id": faultyImage, "hw_firmware_type": "uefi", "min_ram": 512, "tags": []any{"golden"},
		"properties": object{"os_distro": "ubuntu", "os_version": "24.04", "architecture": "x86_64", "stale": nil},
	}
}

func nextConfig() object {
	return object{
		"image_id": faultyImage, "hw_firmware_type": "uefi", "min_disk": 20, "tags": []any{"gold"},
		"properties": object{"os_distro": "arch", "architecture": "x86_64", "build": "8"},
	}
}

// faultOperation is a command of Terraform whose requests are failed.
type faultOperation struct {
	name string
	// setUp is applied before; nil is no resource.
	setUp object
	// run is the command.
	run func(w *faultWorld, arguments object) (said []*tfprotov6.Diagnostic, ok bool)
	// finish is what is applied after it, undisturbed; nil destroys.
	finish object
	// requests are those of the command without a fault: of the process that
	// plans and of the one that applies.
	requests []string
	// refreshes are the numbers of the requests that read what is in state.
	refreshes []int
	// patch is the number of the request that writes; -1 when there is none.
	patch int
}

var faultOperations = []faultOperation{
	{
		name: "create", finish: firstConfig(), patch: 5,
		run: func(w *faultWorld, arguments object) ([]*tfprotov6.Diagnostic, bool) {
			return w.apply(arguments, firstConfig())
		},
		requests: []string{
			"POST " + faultySign, "GET " + faultySelf,
			"POST " + faultySign, "GET " + faultySelf, "GET " + faultySelf, "PATCH " + faultySelf, "GET " + faultySelf,
		},
	},
	{
		name: "update", setUp: firstConfig(), finish: nextConfig(), refreshes: []int{1}, patch: 4,
		run: func(w *faultWorld, arguments object) ([]*tfprotov6.Diagnostic, bool) {
			return w.apply(arguments, nextConfig())
		},
		requests: []string{
			"POST " + faultySign, "GET " + faultySelf,
			"POST " + faultySign, "GET " + faultySelf, "PATCH " + faultySelf, "GET " + faultySelf,
		},
	},
	{
		name: "delete", setUp: firstConfig(), refreshes: []int{1}, patch: 4,
		run: func(w *faultWorld, arguments object) ([]*tfprotov6.Diagnostic, bool) {
			return w.apply(arguments, nil)
		},
		requests: []string{
			"POST " + faultySign, "GET " + faultySelf,
			"POST " + faultySign, "GET " + faultySelf, "PATCH " + faultySelf, "GET " + faultySelf,
		},
	},
	{
		name: "read", setUp: firstConfig(), finish: firstConfig(), refreshes: []int{1}, patch: -1,
		run: func(w *faultWorld, arguments object) ([]*tfprotov6.Diagnostic, bool) {
			return w.apply(arguments, firstConfig())
		},
		requests: []string{"POST " + faultySign, "GET " + faultySelf},
	},
	{
		name: "import", finish: firstConfig(), refreshes: []int{2}, patch: -1,
		run:      (*faultWorld).adopt,
		requests: []string{"POST " + faultySign, "GET " + faultySelf, "GET " + faultySelf},
	},
}

// configures says whether the configuration before or the one after has an
// attribute, written as place does.
func (o *faultOperation) configures(at string) bool {
	for _, config := range []object{o.setUp, o.finish} {
		properties, _ := config["properties"].(object)
		for key := range properties {
			if at == fmt.Sprintf("properties[%q]", key) {
				return true
			}
		}
		if _, there := config[at]; there {
			return true
		}
	}
	return false
}

// faultKind is a way for a request to fail.
type faultKind struct {
	name  string
	fault simulator.Fault
	// now puts the present time into Retry-After.
	now bool
	// repeated says that the transport repeats a request after it that is safe to
	// repeat. Only these are tried with max_retries = 1 as well: the others end
	// the same way whatever it is, and a repeat costs a quarter of a second.
	repeated bool
	// onlyWrites and onlyImages are the requests that it can happen to.
	onlyWrites, onlyImages bool
	// carriesOut says that a write takes effect all the same.
	carriesOut bool
	// says is what the error tells of it, as a regular expression.
	says string
}

func statusFault(status int) simulator.Fault {
	return simulator.Fault{Effect: simulator.EffectStatus, Status: status}
}

func statusAfter(status int, retryAfter string) simulator.Fault {
	return simulator.Fault{Effect: simulator.EffectStatus, Status: status, RetryAfter: retryAfter}
}

func always(f simulator.Fault) simulator.Fault {
	f.Count = simulator.Forever
	return f
}

const (
	gone           = "404 about the image"
	saysReset      = `reset the connection|closed the connection`
	saysNotHeld    = `does not hold it`
	saysMalformed  = `cannot be read as such`
	saysTimeout    = `no whole answer within 2s`
	saysBrokenBody = `broke off`
)

var faultKinds = []faultKind{
	{name: "400", fault: statusFault(400), says: "400"},
	{name: "401", fault: statusFault(401), says: "401"},
	{name: "403", fault: statusFault(403), says: "403"},
	{name: "404", fault: statusFault(404), says: "404"},
	{name: gone, onlyImages: true, says: "404",
		fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 404, Body: `{"message": "No image found with ID ` + faultyImage + `"}`}},
	{name: "409", fault: statusFault(409), says: "409"},
	{name: "413", fault: statusFault(413), says: "413"},
	{name: "415", fault: statusFault(415), says: "415"},
	{name: "429", fault: statusFault(429), repeated: true, says: "429"},
	{name: "429 with Retry-After in seconds", fault: statusAfter(429, "1"), repeated: true, says: "429"},
	{name: "429 with Retry-After as a date", fault: statusFault(429), now: true, repeated: true, says: "429"},
	{name: "500", fault: statusFault(500), repeated: true, says: "500"},
	{name: "502", fault: statusFault(502), repeated: true, says: "502"},
	{name: "503", fault: statusFault(503), repeated: true, says: "503"},
	{name: "503 with Retry-After in seconds", fault: statusAfter(503, "0"), repeated: true, says: "503"},
	{name: "503 with Retry-After as a date", fault: statusFault(503), now: true, repeated: true, says: "503"},
	{name: "504", fault: statusFault(504), repeated: true, says: "504"},
	{name: "reset before the effect", fault: simulator.Fault{Effect: simulator.EffectResetBefore}, repeated: true, says: saysReset},
	{name: "reset after the effect", fault: simulator.Fault{Effect: simulator.EffectResetAfter}, repeated: true, carriesOut: true, says: saysReset},
	{name: "truncated body", fault: simulator.Fault{Effect: simulator.EffectTruncatedBody}, repeated: true, carriesOut: true, says: saysBrokenBody},
	{name: "malformed JSON", fault: simulator.Fault{Effect: simulator.EffectMalformedBody}, carriesOut: true, says: saysMalformed},
	{name: "HTML page with 502", fault: simulator.Fault{Effect: simulator.EffectHTMLPage, Status: 502}, repeated: true, says: "502"},
	{name: "HTML page with 200", fault: simulator.Fault{Effect: simulator.EffectHTMLPage, Status: 200}, says: "200"},
	{name: "hang", fault: simulator.Fault{Effect: simulator.EffectHang}, repeated: true, says: saysTimeout},
	{name: "expired token", fault: simulator.Fault{Effect: simulator.EffectExpireToken}, onlyImages: true},
	{name: "silent drop", fault: simulator.Fault{Effect: simulator.EffectSilentDrop}, onlyWrites: true},
	{name: "lost write", fault: simulator.Fault{Effect: simulator.EffectLostWrite}, onlyWrites: true},
	{name: "401 forever", fault: always(statusFault(401)), says: "401"},
	{name: "500 forever", fault: always(statusFault(500)), says: "500"},
	{name: "503 forever", fault: always(statusFault(503)), says: "503"},
	{name: "reset before the effect forever", fault: always(simulator.Fault{Effect: simulator.EffectResetBefore}), says: saysReset},
	{name: "reset after the effect forever", fault: always(simulator.Fault{Effect: simulator.EffectResetAfter}), carriesOut: true, says: saysReset},
	{name: "409 forever", fault: always(statusFault(409)), onlyWrites: true, says: "409"},
	{name: "silent drop forever", fault: always(simulator.Fault{Effect: simulator.EffectSilentDrop}), onlyWrites: true, says: saysNotHeld},
	{name: "lost write forever", fault: always(simulator.Fault{Effect: simulator.EffectLostWrite}), onlyWrites: true, says: saysNotHeld},
}

func (k *faultKind) forever() bool { return k.fault.Count == simulator.Forever }

func (k *faultKind) status() int {
	if k.fault.Effect == simulator.EffectStatus {
		return k.fault.Status
	}
	return 0
}

// faultCombination is one element of the product.
type faultCombination struct {
	operation *faultOperation
	kind      *faultKind
	request   int
	retries   int
	// skipped says why there is nothing to try.
	skipped string
}

func (c *faultCombination) method() string {
	method, _, _ := strings.Cut(c.operation.requests[c.request], " ")
	return method
}

func (c *faultCombination) signsIn() bool { return c.method() == http.MethodPost }

func (c *faultCombination) String() string {
	return fmt.Sprintf("%s/request %d (%s)/%s, %d retries", c.operation.name, c.request, c.method(), c.kind.name, c.retries)
}

// Why a combination is skipped.
const (
	onlyWritesReason = "only a write can be lost, or meet others for ever"
	onlyImagesReason = "a sign-in brings no token and asks for no image"
)

// faultProduct is every request of every operation failed in every way.
func faultProduct() []*faultCombination {
	var product []*faultCombination
	for o := range faultOperations {
		for request := range faultOperations[o].requests {
			for k := range faultKinds {
				kind := &faultKinds[k]
				for retries := range 2 {
					if retries > 0 && !kind.repeated {
						continue
					}
					c := &faultCombination{operation: &faultOperations[o], kind: kind, request: request, retries: retries}
					switch {
					case kind.onlyWrites && c.method() != http.MethodPatch:
						c.skipped = onlyWritesReason
					case kind.onlyImages && c.signsIn():
						c.skipped = onlyImagesReason
					}
					product = append(product, c)
				}
			}
		}
	}
	// Those that a time limit ends come last, among their like: the others need
	// the processors.
	slices.SortStableFunc(product, func(a, b *faultCombination) int { return cmp.Compare(a.kind.patience(), b.kind.patience()) })
	return product
}

// patience is 1 for a fault that waits for the client.
func (k *faultKind) patience() int {
	if k.fault.Effect == simulator.EffectHang {
		return 1
	}
	return 0
}

// ending is how a disturbed command has to end.
type ending int

const (
	succeeds ending = iota
	fails
	// mayDoBoth: net/http repeats a read by itself on a connection that it used before.
	mayDoBoth
)

// ends says how the command ends and how many writes are sent; -1 where it is
// open.
func (c *faultCombination) ends() (end ending, patches int) {
	k, o := c.kind, c.operation
	writes, beforeWrite := 0, 0
	if o.patch >= 0 {
		writes = 1
	}
	if o.patch >= 0 && c.request > o.patch {
		beforeWrite = 1
	}
	switch {
	case k.name == gone:
		return c.endsWhenGone(writes, beforeWrite)
	case k.status() == http.StatusUnauthorized && !k.forever() || k.fault.Effect == simulator.EffectExpireToken:
		// The session is made anew, or the sign-in repeated that was refused once.
		if c.request == o.patch {
			writes = 2
		}
		return succeeds, writes
	case c.request == o.patch:
		return c.endsInWrite()
	case c.retries > 0:
		return succeeds, writes
	case !c.signsIn() && (k.fault.Effect == simulator.EffectResetBefore || k.fault.Effect == simulator.EffectResetAfter) && !k.forever():
		return mayDoBoth, -1
	default:
		return fails, beforeWrite
	}
}

// endsWhenGone is ends for the answer that an image is gone, which is the only
// one that takes a resource out of the state, and means that a destruction has
// nothing to do.
func (c *faultCombination) endsWhenGone(writes, beforeWrite int) (ending, int) {
	refresh := slices.Contains(c.operation.refreshes, c.request)
	switch {
	case c.operation.name == "delete" && refresh:
		return succeeds, 0
	case c.operation.name == "delete" && c.request == c.operation.patch:
		return succeeds, 1
	case c.operation.name == "delete":
		return succeeds, beforeWrite
	case c.operation.name == "import":
		return fails, 0
	case refresh: // The same command then creates it.
		return succeeds, -1
	case c.request == c.operation.patch:
		return fails, writes
	default:
		return fails, beforeWrite
	}
}

// endsInWrite is ends for a fault of a write. What may have taken effect is
// looked at and, if it did not, written again.
func (c *faultCombination) endsInWrite() (ending, int) {
	k := c.kind
	switch {
	case k.carriesOut:
		return succeeds, 1
	case k.status() == http.StatusUnauthorized: // Forever: also with a new token.
		return fails, 2
	case k.forever():
		return fails, mostPatches
	case k.status() == http.StatusTooManyRequests && c.retries > 0:
		return succeeds, 2
	case k.status() >= 400 && k.status() < 500 && k.status() != http.StatusConflict:
		return fails, 1
	default:
		return succeeds, 2
	}
}

// faultWorld is one image, the simulated cloud around it, and what terraform
// keeps of the resource.
type faultWorld struct {
	t       *testing.T
	sim     *simulator.Simulator
	section object
	current instance
	tainted bool
	// removed is set when a refresh took the resource out of the state.
	removed bool
}

func newFaultWorld(t *testing.T) *faultWorld {
	t.Helper()
	withoutOwnCloud()
	cloud, sim := acceptance.Simulator(t, simulator.Options{Empty: true})
	sim.CreateImage(simulator.Image{
		ID: faultyImage, Name: "golden", MinRAM: 256, Tags: []string{"linux"},
		Properties: map[string]string{"hw_firmware_type": "bios", "os_distro": "debian", "architecture": "x86_64", "stale": "yes", "build": "7", "owner_note": "do not touch"},
	})
	demo := cloud.Users[acceptance.UserDemo]
	return &faultWorld{t: t, sim: sim, section: object{
		"auth_url": cloud.AuthURL, "username": demo.Name, "password": demo.Password, "user_domain_name": demo.DomainName,
		"project_name": demo.Project, "project_domain_name": demo.DomainName, "region": acceptance.RegionOne, "verify_after": "0s",
	}}
}

// arguments returns the provider block.
func (w *faultWorld) arguments(retries int, requestTimeout string) object {
	return object{"max_retries": retries, "request_timeout": requestTimeout, "image_service": w.section}
}

// image returns the image without what every write changes, and without its
// age, which differs between worlds.
func (w *faultWorld) image() object {
	d := w.sim.Document(faultyImage)
	delete(d, "updated_at")
	delete(d, "created_at")
	delete(d, "active_at")
	if tags, ok := d["tags"].([]any); ok {
		slices.SortFunc(tags, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return d
}

// faulty says whether there is an error among diagnostics.
func faulty(diags []*tfprotov6.Diagnostic) bool {
	return slices.ContainsFunc(diags, func(d *tfprotov6.Diagnostic) bool { return d.Severity == tfprotov6.DiagnosticSeverityError })
}

// refresh reads what is in state, as every plan does first.
func (w *faultWorld) refresh(p *protocol) (after instance, diags []*tfprotov6.Diagnostic, ok bool) {
	w.t.Helper()
	if !w.current.exists() {
		return instance{}, nil, true
	}
	after, diags = p.read(w.current)
	if !faulty(diags) {
		w.removed = w.removed || !after.exists()
		return after, diags, true
	}
	if !after.exists() || !after.state.Equal(w.current.state) {
		w.t.Errorf("a read that failed changed the state to\n%s, was\n%s", after.state, w.current.state)
	}
	return after, diags, false
}

// apply is `terraform apply`, or `terraform destroy` without a configuration: a
// process that reads and plans, then one that plans again and applies. The
// state that a failed plan refreshed is not kept.
func (w *faultWorld) apply(arguments, config object) (said []*tfprotov6.Diagnostic, ok bool) {
	w.t.Helper()
	p := configured(w.t, arguments)
	refreshed, said, ok := w.refresh(p)
	if !ok {
		return said, false
	}
	if config == nil && !refreshed.exists() {
		w.current, w.tainted = refreshed, false
		return said, true
	}
	prior := refreshed
	replaces := w.tainted && config != nil && refreshed.exists()
	if replaces {
		prior = instance{} // Its replacement is planned as a create.
	}
	planned, diags := p.plan(prior, config)
	if said = append(said, diags...); faulty(diags) {
		return said, false
	}
	w.current = refreshed
	if config != nil && prior.exists() && planned.planned.state.Equal(prior.state) {
		return said, true
	}

	p = configured(w.t, arguments)
	if replaces {
		gone, diags := p.apply(step{before: refreshed, planned: instance{
			state: tftypes.NewValue(p.resourceType(), nil), private: planned.planned.private, identity: refreshed.identity,
		}})
		if said = append(said, diags...); faulty(diags) {
			w.current = gone
			return said, false
		}
		w.current, w.tainted = instance{}, false
	}
	if config != nil {
		again, diags := p.plan(prior, config)
		if said = append(said, diags...); faulty(diags) {
			return said, false
		}
		if err := rules.ResultError(planned.planned.state, again.planned.state); err != nil {
			w.t.Error(err)
		}
		planned = again
	}
	after, diags := p.apply(planned)
	said = append(said, diags...)
	failed := faulty(diags)
	switch {
	case config == nil && failed && !after.exists():
		w.t.Error("a destruction that failed took the resource out of the state")
	case config == nil && !failed && after.exists(), config != nil && !after.exists() && (!failed || prior.exists()):
		w.t.Errorf("after the apply the state is\n%s", after.state)
	case config == nil && failed && !after.state.Equal(refreshed.state):
		w.t.Errorf("a destruction that failed changed the state to\n%s, was\n%s", after.state, refreshed.state)
	case after.exists() && !after.state.IsFullyKnown():
		w.t.Errorf("after the apply the state is not known\n%s", after.state)
	}
	if !failed && config != nil {
		if err := rules.ResultError(planned.planned.state, after.state); err != nil {
			w.t.Error(err)
		}
	}
	w.current = after
	if config != nil && !prior.exists() {
		w.tainted = failed && after.exists()
	}
	return said, !failed
}

// adopt is `terraform import`, in one process.
func (w *faultWorld) adopt(arguments object) (said []*tfprotov6.Diagnostic, ok bool) {
	w.t.Helper()
	p := configured(w.t, arguments)
	imported, said := p.importByID(faultyImage)
	if faulty(said) {
		if imported.exists() {
			w.t.Errorf("an import that failed has the state %s", imported.state)
		}
		return said, false
	}
	before := w.current
	w.current = imported
	after, diags, ok := w.refresh(p)
	said = append(said, diags...)
	if !ok || !after.exists() { // "Cannot import non-existent remote object", as terraform says.
		w.current = before
		return said, false
	}
	w.current = after
	return said, true
}

// undisturbed fails the test unless a command without a fault says nothing. The
// replacement of a tainted resource says what it hands over.
func (w *faultWorld) undisturbed(what string, tainted bool, said []*tfprotov6.Diagnostic, ok bool) {
	w.t.Helper()
	said = slices.DeleteFunc(said, func(d *tfprotov6.Diagnostic) bool {
		return tainted && d.Severity == tfprotov6.DiagnosticSeverityWarning && d.Summary == "Image metadata was handed over"
	})
	if !ok || len(said) > 0 {
		w.t.Fatalf("%s without a fault says:%s", what, rules.Printed(said))
	}
}

// record returns what restore_patch puts back, nil for a removal, by pointer.
func (w *faultWorld) record() object {
	w.t.Helper()
	if !w.current.exists() {
		return nil
	}
	return originals(w.t, object{"restore_patch": w.current.text(w.t, "restore_patch")})
}

// remembers fails the test unless everything on the image that is not as it was
// at first stands in restore_patch, and everything there as it was at first.
func (w *faultWorld) remembers(original object) {
	w.t.Helper()
	was, is, record := pointersOf(original), pointersOf(w.image()), w.record()
	for p, value := range record {
		if equalText(was[p], value) {
			continue
		}
		w.t.Errorf("restore_patch says that %s was %v, it was %v", p, value, was[p])
	}
	for p := range union(asTexts(was), asTexts(is)) {
		if _, recorded := record[p]; !recorded && !equalText(was[p], is[p]) {
			w.t.Errorf("%s was %v and is %v, and nobody remembers that; in state is %v", p, was[p], is[p], record)
		}
	}
}

// asTexts makes the keys of a map fit union.
func asTexts(members object) historyDocument {
	texts := historyDocument{}
	for p := range members {
		texts[p] = p
	}
	return texts
}

// pointersOf returns the members of an image by pointer, one per tag.
func pointersOf(image object) object {
	pointers := object{}
	for name, value := range image {
		if name != "tags" {
			pointers["/"+name] = value
			continue
		}
		for _, tag := range value.([]any) {
			pointers["/tags/"+tag.(string)] = tag
		}
	}
	return pointers
}

// equalText compares two values of JSON; a nil is an absent one, and the member
// of a set is there or is not.
func equalText(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// tried returns the requests since they were last forgotten, and those of them
// that write.
func (w *faultWorld) tried() (requests []simulator.Request, lines []string, patches int) {
	requests = w.sim.Requests()
	for _, r := range requests {
		lines = append(lines, r.Method+" "+r.Path)
		if r.Method == http.MethodPatch {
			patches++
		}
	}
	return requests, lines, patches
}

// faultReference is what an operation leads to without a fault.
type faultReference struct {
	original object // the image at first
	finished object // the image after finish
	record   object // restore_patch after finish
	requests []string
}

// finish completes what a disturbed command has left, and checks the result.
func (w *faultWorld) finish(o *faultOperation) {
	w.t.Helper()
	calm := w.arguments(0, longRequest)
	if o.name == "import" && !w.current.exists() {
		said, ok := w.adopt(calm)
		w.undisturbed("the next import", false, said, ok)
	}
	w.sim.ResetRequests()
	tainted := w.tainted
	said, ok := w.apply(calm, o.finish)
	w.undisturbed("the next apply", tainted, said, ok)
	if w.tainted {
		w.t.Error("the resource is still tainted")
	}
	if _, lines, patches := w.tried(); patches > 1 {
		w.t.Errorf("the next apply sent %d patches: %v", patches, lines)
	}
}

// settles checks that there is nothing left to do.
func (w *faultWorld) settles(o *faultOperation) {
	w.t.Helper()
	before := w.current
	w.sim.ResetRequests()
	said, ok := w.apply(w.arguments(0, longRequest), o.finish)
	w.undisturbed("the apply after the next", false, said, ok)
	if _, lines, _ := w.tried(); len(lines) > 2 || before.exists() && !w.current.state.Equal(before.state) {
		w.t.Errorf("the apply after the next has something left to do: %v\nstate\n%s, was\n%s", lines, w.current.state, before.state)
	}
}

// destroy destroys without a fault and checks that the image is as it was at first.
func (w *faultWorld) destroy(original object) {
	w.t.Helper()
	said, ok := w.apply(w.arguments(0, longRequest), nil)
	w.undisturbed("the destruction", false, said, ok)
	if w.current.exists() {
		w.t.Errorf("after the destruction the state is\n%s", w.current.state)
	}
	equalJSON(w.t, "the image after the destruction", w.image(), original)
}

// setUp makes the image what the operation finds.
func (w *faultWorld) setUp(o *faultOperation) {
	w.t.Helper()
	if o.setUp == nil {
		return
	}
	said, ok := w.apply(w.arguments(0, longRequest), o.setUp)
	w.undisturbed("the apply before", false, said, ok)
}

// reference runs an operation without a fault.
func reference(t *testing.T, o *faultOperation) *faultReference {
	t.Helper()
	return referenceIn(newFaultWorld(t), o)
}

func referenceIn(w *faultWorld, o *faultOperation) *faultReference {
	w.t.Helper()
	r := &faultReference{original: w.image()}
	w.setUp(o)
	w.sim.ResetRequests()
	said, ok := o.run(w, w.arguments(0, longRequest))
	w.undisturbed("the operation", false, said, ok)
	_, r.requests, _ = w.tried()
	w.finish(o)
	w.remembers(r.original)
	r.finished, r.record = w.image(), w.record()
	w.settles(o)
	w.destroy(r.original)
	return r
}

// jargon is what no person should have to read in a diagnostic.
var jargon = regexp.MustCompile(`EOF|unexpected end|invalid character|json:|cannot unmarshal|%!|0x[0-9a-f]|goroutine|runtime error|nil pointer|<(?i:html|title|center|br)|` +
	`context deadline|context canceled|(?:dial|read|write) tcp|net/http|\*url|defect of the provider|unknown error|\(sensitive|&\{|map\[`)

// clear fails the test unless what a disturbed command says is one error (or
// one per attribute that is lost) that names the image or the service, and the
// fault, or nothing.
func (w *faultWorld) clear(c *faultCombination, said []*tfprotov6.Diagnostic) {
	w.t.Helper()
	var errors []*tfprotov6.Diagnostic
	for _, d := range said {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			errors = append(errors, d)
		} else if c.kind.name != gone {
			w.t.Errorf("a warning:%s", rules.Printed(said))
		}
		text := d.Summary + "\n" + d.Detail
		if found := jargon.FindString(text); found != "" {
			w.t.Errorf("a diagnostic says %q:%s", found, rules.Printed(said))
		}
		about := strings.Contains(text, faultyImage) || strings.Contains(text, "Keystone") || strings.Contains(text, "/identity/v3/") || strings.Contains(text, "image service at http")
		if !about || d.Summary == "" || !strings.HasSuffix(strings.TrimSpace(d.Detail), ".") {
			w.t.Errorf("a diagnostic that names neither the image nor the service, or is no sentence:%s", rules.Printed(said))
		}
		if at := rules.Place(d); at != "" && !c.operation.configures(at) {
			w.t.Errorf("a diagnostic at %s, which no configuration has:%s", at, rules.Printed(said))
		}
		if strings.Contains(text, `there is no project "demo"`) && strings.Contains(text, "this user can use demo") {
			w.t.Errorf("a diagnostic contradicts itself:%s", rules.Printed(said))
		}
		if d.Severity == tfprotov6.DiagnosticSeverityError && c.kind.name != gone && !regexp.MustCompile(c.kind.says).MatchString(text) {
			w.t.Errorf("an error that does not tell of %q:%s", c.kind.says, rules.Printed(said))
		}
	}
	perAttribute := c.kind.says == saysNotHeld && !slices.ContainsFunc(errors, func(d *tfprotov6.Diagnostic) bool { return d.Attribute == nil })
	if len(errors) > 1 && !perAttribute {
		w.t.Errorf("%d errors:%s", len(errors), rules.Printed(said))
	}
}

// try runs one combination.
func (c *faultCombination) try(t *testing.T, r *faultReference) {
	w := newFaultWorld(t)
	o := c.operation
	w.setUp(o)

	timeout := longRequest
	if c.kind.fault.Effect == simulator.EffectHang {
		timeout = shortRequest
	}
	w.sim.ResetRequests()
	w.arm(c)
	said, ok := o.run(w, w.arguments(c.retries, timeout))
	w.sim.ClearFaults()

	requests, lines, patches := w.tried()
	t.Logf("success is %t, after %v:%s", ok, lines, rules.Printed(said))
	hit := slices.IndexFunc(requests, func(q simulator.Request) bool { return q.Fault != "" })
	if hit != c.request || !slices.Equal(lines[:hit+1], o.requests[:hit+1]) {
		t.Fatalf("the fault met request %d of %v, want request %d of %v", hit, lines, c.request, o.requests)
	}
	end, writes := c.ends()
	if ok && end == fails || !ok && end == succeeds {
		t.Errorf("success is %t, after %v:%s", ok, lines, rules.Printed(said))
	}
	if patches > mostPatches || writes >= 0 && patches != writes {
		t.Errorf("%d patches, want %d: %v", patches, writes, lines)
	}
	if end == fails && o.name == "import" && w.removed {
		// Terraform's own error: the provider only says that nothing is there.
		said = nil
	}
	w.clear(c, said)
	if mayRemove := c.kind.name == gone && slices.Contains(o.refreshes, c.request); w.removed != mayRemove {
		t.Errorf("removed from the state: %t, want %t", w.removed, mayRemove)
	}
	if t.Failed() {
		return
	}
	if c.kind.name == gone && ok {
		return // The server has lied about the image, and was believed.
	}
	w.removed = false
	w.remembers(r.original)
	if ok && o.finish != nil && o.name != "import" {
		equalJSON(t, "the image after the command", w.image(), r.finished)
	}
	w.finish(o)
	equalJSON(t, "the image after the next apply", w.image(), r.finished)
	equalJSON(t, "what is to be restored after the next apply", w.record(), r.record)
	w.settles(o)
	w.destroy(r.original)
}

// arm programs the fault for the one request.
func (w *faultWorld) arm(c *faultCombination) {
	w.t.Helper()
	method, path, _ := strings.Cut(c.operation.requests[c.request], " ")
	f := c.kind.fault
	f.Method, f.Path = method, "^"+regexp.QuoteMeta(path)+"$"
	for _, earlier := range c.operation.requests[:c.request] {
		if earlier == c.operation.requests[c.request] {
			f.Skip++
		}
	}
	if c.kind.now {
		f.RetryAfter = time.Now().UTC().Format(http.TimeFormat)
	}
	if err := w.sim.AddFault(f); err != nil {
		w.t.Fatal(err)
	}
}

// TestEveryRequestFailedInEveryWay fails each request that each operation makes
// in each way that a network, a gateway and the services have, and plays
// Terraform on to the end: completion, and a destruction that leaves the image
// as it was at first.
func TestEveryRequestFailedInEveryWay(t *testing.T) {
	t.Parallel()
	references := map[string]*faultReference{}
	for i := range faultOperations {
		o := &faultOperations[i]
		references[o.name] = reference(t, o)
		equalJSON(t, "the requests of "+o.name, references[o.name].requests, o.requests)
	}
	if t.Failed() {
		return
	}

	sizes, skips := map[string]int{}, map[string]int{}
	queue := make(chan *faultCombination)
	var workers sync.WaitGroup
	for range faultWorkers {
		// Not t.Parallel, which would run as many at once as there are processors.
		workers.Go(func() {
			for c := range queue {
				t.Run(c.String(), func(t *testing.T) { c.try(t, references[c.operation.name]) })
			}
		})
	}
	for _, c := range faultProduct() {
		if c.skipped != "" {
			skips[c.skipped]++
			t.Logf("skipped: %s: %s", c, c.skipped)
			continue
		}
		sizes[c.operation.name]++
		queue <- c
	}
	close(queue)
	workers.Wait()

	t.Logf("combinations: %v, skipped: %v", sizes, skips)
	equalJSON(t, "the size of the product", sizes, map[string]int{"create": 309, "update": 265, "delete": 265, "read": 86, "import": 130})
	equalJSON(t, "what is skipped", skips, map[string]int{onlyImagesReason: 16, onlyWritesReason: 105})
}
