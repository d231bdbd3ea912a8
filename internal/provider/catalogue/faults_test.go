package catalogue_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/provider/compact"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

const (
	// faultWorkers is more than there are processors: most of the time of a
	// combination is waiting, for a repeat or before a look at a broken write.
	faultWorkers = 48
	// shortRequest is request_timeout where the server hangs. Elsewhere it must
	// not be what ends a request, on however busy a machine.
	shortRequest, longRequest = "2s", "60s"
	// sentinelPassword must be in no diagnostic.
	sentinelPassword = "sentinel-9c1f-password"
)

// podFront stands before a simulated pod. Terraform's commands come through it,
// each process by an address of its own, since what a provider keeps for a
// process it keeps by address and user.
type podFront struct {
	*httptest.Server
	sim *simulator.Simulator

	mu       sync.Mutex
	arrivals []arrival
	secrets  map[string]bool
	strike   func(a *arrival) (answered bool)
	token    string // of whoever looks into the catalogue
	// lonely is the number of a request that has to come on a new connection:
	// on one that was used before, net/http repeats a broken read by itself.
	lonely int
}

// arrival is one request of a provider.
type arrival struct {
	number  int
	process string
	line    string // method and route, ids left out

	w    http.ResponseWriter
	r    *http.Request
	body []byte
}

// catalogueID matches the ids of objects, of pools and of machines.
var catalogueID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func newPodFront(t testing.TB, options simulator.Options) *podFront {
	t.Helper()
	f := &podFront{sim: simulator.New(options), lonely: -1}
	f.reset()
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

func (f *podFront) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	process, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	r.URL.Path, r.URL.RawPath = "/"+rest, ""
	right := f.sim.Describe("").Password
	r.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(body, []byte(sentinelPassword), []byte(right))))
	r.ContentLength += int64(bytes.Count(body, []byte(sentinelPassword)) * (len(right) - len(sentinelPassword)))

	f.mu.Lock()
	_, route, _ := strings.Cut(r.URL.Path, "/rest")
	a := arrival{number: len(f.arrivals), process: process, line: r.Method + " " + catalogueID.ReplaceAllString(route, "ID"), w: w, r: r, body: body}
	f.arrivals = append(f.arrivals, a)
	if a.number+1 == f.lonely {
		w.Header().Set("Connection", "close")
	}
	f.remember(r, body)
	strike := f.strike
	f.mu.Unlock()
	if strike == nil || !strike(&a) {
		f.sim.ServeHTTP(w, r)
	}
}

// remember notes the credentials of a request.
func (f *podFront) remember(r *http.Request, body []byte) {
	if _, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		f.secrets[token] = true
	}
	var content struct {
		RefreshToken string `json:"refresh_token"`
	}
	if json.Unmarshal(body, &content) == nil && content.RefreshToken != "" {
		f.secrets[content.RefreshToken] = true
	}
}

// reset forgets the requests and what was programmed.
func (f *podFront) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrivals, f.strike, f.lonely = nil, nil, -1
	if f.secrets == nil {
		f.secrets = map[string]bool{sentinelPassword: true}
	}
	f.sim.ClearFaults()
}

// seen returns the requests since the last reset.
func (f *podFront) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	lines := make([]string, len(f.arrivals))
	for i, a := range f.arrivals {
		lines[i] = a.line
	}
	return lines
}

// count counts the requests with a method and a route, per process.
func (f *podFront) count(line string) map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := map[string]int{}
	for _, a := range f.arrivals {
		if a.line == line {
			counts[a.process]++
		}
	}
	return counts
}

var processes atomic.Int64

// arguments returns the provider block of a new process.
func (f *podFront) arguments(retries int, requestTimeout string) members {
	address := fmt.Sprintf("%s/process-%d/horizon", f.URL, processes.Add(1))
	return members{"max_retries": retries, "request_timeout": requestTimeout, "horizon": members{
		"url": address, "domain": simulator.HorizonDomain, "username": "demo", "password": sentinelPassword, "poll_interval": "1ms",
	}}
}

// objects returns the catalogue by id, asked for past the front and past faults.
func (f *podFront) objects(t testing.TB) map[string]members {
	t.Helper()
	ask := func(method, path, body string) (int, any) {
		r := httptest.NewRequest(method, "http://pod.example/horizon/rest"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+f.token)
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		f.sim.ServeHTTP(answer, r)
		var content any
		if err := json.Unmarshal(answer.Body.Bytes(), &content); err != nil {
			t.Fatalf("looking into the catalogue: %s %s: %v in %s", method, path, err, answer.Body)
		}
		return answer.Code, content
	}
	get := func(path string) []any {
		status, content := ask(http.MethodGet, path, "")
		if status == http.StatusUnauthorized {
			_, tokens := ask(http.MethodPost, "/login", fmt.Sprintf(`{"domain": %q, "username": "demo", "password": %q}`, simulator.HorizonDomain, f.sim.Describe("").Password))
			f.token, _ = tokens.(members)["access_token"].(string)
			status, content = ask(http.MethodGet, path, "")
		}
		if status != http.StatusOK {
			t.Fatalf("looking into the catalogue: %s: %d %v", path, status, content)
		}
		return content.([]any)
	}
	found := map[string]members{}
	list := func(path string) (ids []string) {
		for _, element := range get("/config/v1/" + path) {
			o := element.(members)
			id := o["id"].(string)
			delete(o, "id")
			delete(o, "usable") // Follows from others.
			found[id] = o
			ids = append(ids, id)
		}
		return ids
	}
	for _, stream := range list("im-streams") {
		list("im-tags?im_stream_id=" + stream)
		for _, version := range list("im-versions?im_stream_id=" + stream) {
			list("im-assets?im_version_id=" + version)
		}
	}
	return found
}

// faultySort is a kind of object as the faults meet it.
type faultySort struct {
	name       string // of the resource, without what all have
	collection string
	// first and next are its configurations: the second changes, releases and adds.
	first, next func(w *faultWorld) members
	// pending is a status from which it becomes AVAILABLE by itself; empty for a
	// kind that cannot be waited for.
	pending string
	// statuses says that the kind has a status, and can be disabled.
	statuses bool
}

func (s *faultySort) resource() string { return "imageops_image_management_" + s.name }

var faultySorts = []*faultySort{
	{
		name: "stream", collection: "im-streams", statuses: true,
		first: func(*faultWorld) members {
			return members{
				"name": "Office", "operating_system": "WINDOWS_11", "source": "UPLOADED", "description": "office", "publisher": "desk",
				"additional_details": members{"owner": "desk", "floor": "2", "stale": nil},
			}
		},
		next: func(*faultWorld) members {
			return members{
				"name": "Office-CAD", "operating_system": "WINDOWS_11", "source": "UPLOADED", "description": "office and CAD", "status": "DISABLED",
				"additional_details": members{"owner": "vdi", "site": "B"},
			}
		},
	},
	{
		name: "version", collection: "im-versions", statuses: true, pending: "REPLICATING",
		first: func(w *faultWorld) members {
			return members{"im_stream_id": w.stream, "name": "v2", "description": "October", "additional_details": members{"build": "17"}}
		},
		next: func(w *faultWorld) members {
			return members{"im_stream_id": w.stream, "name": "v2-1", "description": "late October", "status": "DISABLED", "additional_details": members{"built": "18"}}
		},
	},
	{
		name: "tag", collection: "im-tags",
		first: func(w *faultWorld) members {
			return members{"im_stream_id": w.stream, "im_version_id": w.version, "name": "pilot", "additional_details": members{"ring": "0"}}
		},
		next: func(w *faultWorld) members {
			return members{"im_stream_id": w.stream, "im_version_id": w.otherVersion, "name": "pilots", "additional_details": members{"ring": "1", "site": "B"}}
		},
	},
	{
		name: "asset", collection: "im-assets", statuses: true, pending: "REPLICATING",
		first: func(w *faultWorld) members {
			return members{
				"im_stream_id": w.stream, "im_version_id": w.version, "vcenter_id": simulator.HorizonVCenterID, "base_vm_id": w.vm, "base_snapshot_id": w.snapshot,
				"clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "additional_details": members{"owner": "desk"},
			}
		},
		next: func(w *faultWorld) members {
			return members{
				"im_stream_id": w.stream, "im_version_id": w.version, "vcenter_id": simulator.HorizonVCenterID, "base_vm_id": w.vm, "base_snapshot_id": w.snapshot,
				"clone_type": "INSTANT_CLONE", "image_type": "RDSH_DESKTOP", "status": "DISABLED", "additional_details": members{"owner": "vdi", "site": "B"},
			}
		},
	},
}

// faultOperation is a command of Terraform about one kind whose requests are
// failed.
type faultOperation struct {
	name string
	sort *faultySort
	// assumptions are the behaviours of the pod that no document settles.
	assumptions map[string]string
	// setUp is applied before; nil is no resource. finish is what is applied after
	// the command, undisturbed; nil destroys.
	setUp, finish func(w *faultWorld) members
	run           func(w *faultWorld, o *faultOperation, retries int, timeout string) (said []*tfprotov6.Diagnostic, ok bool)
	// requests are those of the command without a fault.
	requests []string
	// beside says that the catalogue has an object already that cannot be told from
	// the one that is made, and takes another one.
	beside bool
	// like is an operation whose requests are the same at first.
	like string
}

func (o *faultOperation) String() string { return o.sort.name + "/" + o.name }

// with returns a configuration with more.
func with(config func(*faultWorld) members, more members) func(*faultWorld) members {
	return func(w *faultWorld) members {
		all := config(w)
		maps.Copy(all, more)
		return all
	}
}

func runApply(w *faultWorld, o *faultOperation, retries int, timeout string) ([]*tfprotov6.Diagnostic, bool) {
	return w.apply(retries, timeout, o.finish)
}

func faultOperations() []*faultOperation {
	var operations []*faultOperation
	for _, s := range faultySorts {
		own := []*faultOperation{
			{name: "create", finish: s.first, run: runApply},
			{name: "create without a Location", finish: s.first, run: runApply, assumptions: map[string]string{"horizon-location": "absent"}, like: "create"},
			{name: "update", setUp: s.first, finish: s.next, run: runApply},
			{name: "delete", setUp: s.first, run: runApply},
			{name: "read", setUp: s.first, finish: s.first, run: runApply},
			{name: "import", finish: s.first, run: (*faultWorld).runImport},
		}
		if s.statuses {
			own = append(own, &faultOperation{name: "disable", setUp: with(s.first, members{"on_destroy": "disable"}), run: runApply, like: "delete"})
		}
		if s.pending != "" {
			waiting := with(s.first, members{"status": s.pending, "wait_for_status": "AVAILABLE"})
			own = append(own, &faultOperation{name: "create and wait", finish: waiting, run: runApply, assumptions: map[string]string{"horizon-status": "progresses"}, like: "create"})
		}
		if s.name == "asset" {
			own = append(own, &faultOperation{name: "create beside a twin", finish: s.first, run: runApply, beside: true, like: "create without a Location",
				assumptions: map[string]string{"horizon-location": "absent", "horizon-asset-twins": "accepted"}})
		}
		for _, o := range own {
			o.sort = s
		}
		operations = append(operations, own...)
	}
	return operations
}

// faultWorld is a pod with what an object needs around it, and what terraform
// keeps of the resource.
type faultWorld struct {
	*podFront

	t    *testing.T
	sort *faultySort
	ctx  context.Context //nolint:containedctx // The one of the command, which a test cancels.

	stream, version, otherVersion, vm, snapshot string

	elapsed atomic.Int64 // what was added to the pod's clock
	around  map[string]members
	current instance
	tainted bool
	// removed is set when a refresh took the resource out of the state.
	removed bool
}

func newFaultWorld(t *testing.T, o *faultOperation) *faultWorld {
	t.Helper()
	w := &faultWorld{t: t, sort: o.sort, ctx: t.Context()}
	started := time.Now()
	w.podFront = newPodFront(t, simulator.Options{Empty: true, Assumptions: o.assumptions, Clock: func() time.Time {
		return started.Add(time.Duration(w.elapsed.Load()))
	}})
	w.stream = w.sim.CreateCatalogueObject("im-streams", map[string]any{"name": "Win11", "operating_system": "WINDOWS_11", "source": "UPLOADED", "status": "AVAILABLE"})
	w.version = w.sim.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": w.stream, "name": "v1", "status": "AVAILABLE"})
	w.otherVersion = w.sim.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": w.stream, "name": "v1-1", "status": "AVAILABLE"})
	w.sim.CreateCatalogueObject("im-tags", map[string]any{"im_stream_id": w.stream, "im_version_id": w.version, "name": "live"})
	var snapshots []string
	w.vm, snapshots = w.sim.AddBaseVM(simulator.BaseVM{Name: "office-golden", Snapshots: []string{"one", "two"}})
	w.snapshot = snapshots[0]
	w.sim.CreateCatalogueObject("im-assets", map[string]any{
		"im_stream_id": w.stream, "im_version_id": w.version, "vcenter_id": simulator.HorizonVCenterID, "base_vm_id": w.vm, "base_snapshot_id": snapshots[1],
		"clone_type": "FULL_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE",
	})
	if o.beside {
		w.create(o.sort.first(w))
	}
	w.around = w.objects(t)
	return w
}

// ours returns the ids of the objects that were not there at first.
func (w *faultWorld) ours() []string {
	w.t.Helper()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.objects(w.t))), func(id string) bool { return w.around[id] != nil })
}

// catalogue returns the objects that were not there at first, as text that is the
// same in every world, and fails the test when the others have changed.
func (w *faultWorld) catalogue() []string {
	w.t.Helper()
	names := strings.NewReplacer(w.stream, "(stream)", w.version, "(version)", w.otherVersion, "(other version)")
	texts := []string{}
	now := w.objects(w.t)
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if w.around[id] == nil {
			text, _ := json.Marshal(now[id]) // What was JSON before.
			texts = append(texts, names.Replace(string(text)))
		}
	}
	for id, was := range w.around {
		if fmt.Sprint(now[id]) != fmt.Sprint(was) {
			w.t.Errorf("another object, %s, was %v and is %v", id, was, now[id])
		}
	}
	return texts
}

// process starts a process of the provider.
func (w *faultWorld) process(retries int, timeout string) *process {
	w.t.Helper()
	return configured(w.t, w.sort.resource(), w.arguments(retries, timeout))
}

// refresh reads what is in state, as every plan does first.
func (w *faultWorld) refresh(p *process) (after instance, said []*tfprotov6.Diagnostic, ok bool) {
	w.t.Helper()
	if !w.current.exists() {
		return instance{}, nil, true
	}
	after, said = p.read(w.ctx, w.current)
	if rules.Failed(said) {
		return after, said, false
	}
	w.removed = w.removed || !after.exists()
	return after, said, true
}

// apply is `terraform apply`, or `terraform destroy` without a configuration: a
// process that reads and plans, then one that plans again and applies. The state
// that a failed plan refreshed is not kept.
func (w *faultWorld) apply(retries int, timeout string, desired func(*faultWorld) members) (said []*tfprotov6.Diagnostic, ok bool) {
	w.t.Helper()
	var config members
	if desired != nil {
		config = desired(w)
	}
	p := w.process(retries, timeout)
	refreshed, said, ok := w.refresh(p)
	if !ok {
		return said, false
	}
	if config == nil && !refreshed.exists() {
		w.current, w.tainted = instance{}, false
		return said, true
	}
	prior := refreshed
	replaces := w.tainted && config != nil && refreshed.exists()
	if replaces {
		prior = instance{} // The replacement is planned as a create.
	}
	planned, diags := p.plan(w.ctx, prior, config)
	if said = append(said, diags...); rules.Failed(diags) {
		return said, false
	}
	if w.ctx.Err() != nil {
		return said, false // Terraform does not go on.
	}
	w.current = refreshed
	if config != nil && prior.exists() && planned.planned.state.Equal(prior.state) {
		return said, true
	}
	return w.carryOut(said, retries, timeout, planned, prior, replaces)
}

// carryOut is the second half of `terraform apply`.
func (w *faultWorld) carryOut(said []*tfprotov6.Diagnostic, retries int, timeout string, planned step, prior instance, replaces bool) ([]*tfprotov6.Diagnostic, bool) {
	w.t.Helper()
	p := w.process(retries, timeout)
	config := planned.config
	if replaces {
		gone, diags := p.apply(w.ctx, step{before: w.current, planned: instance{
			state: tftypes.NewValue(p.stateType(), nil), identity: w.current.identity, // Without its private state.
		}})
		if said = append(said, diags...); rules.Failed(diags) {
			w.current = gone
			return said, false
		}
		w.current, w.tainted = instance{}, false
	}
	if config != nil {
		again, diags := p.plan(w.ctx, prior, config)
		if said = append(said, diags...); rules.Failed(diags) {
			return said, false
		}
		if err := rules.ResultError(planned.planned.state, again.planned.state); err != nil {
			p.t.Error(err)
		}
		planned = again
	}
	after, diags := p.apply(w.ctx, planned)
	w.current = after
	if config != nil && !prior.exists() {
		w.tainted = rules.Failed(diags) && after.exists()
	}
	return append(said, diags...), !rules.Failed(diags)
}

// runImport is `terraform import` of an object that somebody else has made.
func (w *faultWorld) runImport(o *faultOperation, retries int, timeout string) ([]*tfprotov6.Diagnostic, bool) {
	w.t.Helper()
	return w.adopt(w.foreign(), retries, timeout)
}

// foreign returns the id of the object that is imported, which it makes at first.
func (w *faultWorld) foreign() string {
	w.t.Helper()
	if ours := w.ours(); len(ours) > 0 {
		return ours[0]
	}
	return w.create(w.sort.first(w))
}

// create makes the object of a configuration past the provider.
func (w *faultWorld) create(config members) (id string) {
	values := map[string]any{}
	for name, value := range config {
		details, ok := value.(members)
		if !ok {
			values[name] = value
			continue
		}
		texts := map[string]string{}
		for key, text := range details {
			if text != nil {
				texts[key] = text.(string)
			}
		}
		values[name] = texts
	}
	if w.sort.statuses {
		values["status"] = "AVAILABLE"
	}
	return w.sim.CreateCatalogueObject(w.sort.collection, values)
}

// adopt is `terraform import`, in one process.
func (w *faultWorld) adopt(id string, retries int, timeout string) (said []*tfprotov6.Diagnostic, ok bool) {
	w.t.Helper()
	p := w.process(retries, timeout)
	imported, said := p.adopt(w.ctx, id)
	if rules.Failed(said) {
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

// faultKind is a way for a request to fail.
type faultKind struct {
	name  string
	fault simulator.Fault // what the pod does with the one request
	also  simulator.Fault // what it does from then on
	// strike is done instead of, or before, anything else; true means that it has
	// answered.
	strike func(f *podFront, a *arrival) (answered bool)
	// retries is max_retries: 1 where the fault is one that asks to come back.
	retries int
	// renews says that the client signs in anew, and goes on.
	renews bool
	// refuses says that a write is not taken, and would not be if it came again.
	refuses bool
	// on are the requests that it can happen to, all if nil; why says why.
	on  func(line string) bool
	why string
	// carriesOut says that a write takes effect all the same.
	carriesOut bool
	// wordless says that a delete looks done by it.
	wordless bool
	// lies says that the pod claims what is not true about the object in good form.
	lies bool
	// blind says that nothing can be found out afterwards.
	blind bool
	// says is what an error tells of it, as a regular expression.
	says string
}

func statusFault(status int) simulator.Fault {
	return simulator.Fault{Effect: simulator.EffectStatus, Status: status}
}

func statusAfter(status int, retryAfter string) simulator.Fault {
	return simulator.Fault{Effect: simulator.EffectStatus, Status: status, RetryAfter: retryAfter}
}

func forever(f simulator.Fault) simulator.Fault {
	f.Count = simulator.Forever
	return f
}

func isWrite(line string) bool {
	method, route, _ := strings.Cut(line, " ")
	return method != http.MethodGet && strings.HasPrefix(route, "/config/")
}

func isCreate(line string) bool { return isWrite(line) && strings.HasPrefix(line, http.MethodPost) }

func inSession(line string) bool { return line != "POST /login" }

// emptyAnswer is a success without a word.
func emptyAnswer(_ *podFront, a *arrival) bool {
	a.w.WriteHeader(http.StatusOK)
	return true
}

// strippedAnswer carries the request out, and is a success without a word.
func strippedAnswer(f *podFront, a *arrival) bool {
	f.sim.ServeHTTP(httptest.NewRecorder(), a.r)
	a.w.WriteHeader(http.StatusOK)
	return true
}

// echoed answers 400 with everything that the request had, as careless servers do.
func echoed(_ *podFront, a *arrival) bool {
	a.w.Header().Set("Content-Type", "application/json")
	a.w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(a.w).Encode(members{"status": "BAD_REQUEST", "errors": []any{members{
		"error_key": "test.echo", "error_message": fmt.Sprintf("not taken: %s %s %s", a.r.Header.Get("Authorization"), a.body, sentinelPassword),
	}}})
	return true
}

// endSession lets every token come to its end.
func endSession(f *podFront, _ *arrival) bool {
	f.sim.RevokeHorizonSessions()
	return false
}

const partialAnswer = `[{"status_code": 400, "timestamp": 1760000000000, "errors": [{"error_key": "test.part", "error_message": "This part was not done."}]}]`

const (
	saysReset     = `reset the connection|closed the connection`
	saysBroken    = `broke off`
	saysMalformed = `not what Horizon|not Horizon's REST API|broken JSON|is no |may have been created|shows it all the same`
	saysTimeout   = `no whole answer within 2s`
	saysNotHeld   = `does not hold it|[Nn]ot found|may have been created|shows it all the same`
	saysGone      = `404|[Nn]ot found|There is no |There is such`
)

var faultKinds = []*faultKind{
	{name: "400", strike: echoed, refuses: true, says: "400"},
	{name: "401", fault: statusFault(401), renews: true, says: "401"},
	{name: "403", fault: statusFault(403), refuses: true, says: "403"},
	{name: "404 of Horizon's own", fault: statusFault(404), lies: true, refuses: true, says: saysGone},
	{name: "404 of something in between", fault: simulator.Fault{Effect: simulator.EffectHTMLPage, Status: 404}, refuses: true, says: "404"},
	{name: "409", fault: statusFault(409), refuses: true, says: "409"},
	{name: "429 with X-Rate-Limit-Retry-After-Seconds", fault: statusAfter(429, "0"), retries: 1, says: "429"},
	{name: "429", fault: statusFault(429), refuses: true, says: "429"},
	{name: "500", fault: statusFault(500), says: "500"},
	{name: "502 with an HTML page", fault: simulator.Fault{Effect: simulator.EffectHTMLPage}, says: "502"},
	{name: "503 with Retry-After", fault: statusAfter(503, "0"), retries: 1, says: "503"},
	{name: "503", fault: statusFault(503), says: "503"},
	{name: "reset before the effect", fault: simulator.Fault{Effect: simulator.EffectResetBefore}, says: saysReset},
	{name: "reset after the effect", fault: simulator.Fault{Effect: simulator.EffectResetAfter}, carriesOut: true, says: saysReset},
	{name: "truncated body", fault: simulator.Fault{Effect: simulator.EffectTruncatedBody}, carriesOut: true, says: saysBroken},
	{name: "malformed JSON", fault: simulator.Fault{Effect: simulator.EffectMalformedBody}, carriesOut: true, says: saysMalformed},
	{name: "empty 200", strike: emptyAnswer, wordless: true, says: saysMalformed},
	{name: "empty 200 after the effect", strike: strippedAnswer, on: isWrite, why: onlyWrites, carriesOut: true, wordless: true},
	{name: "HTML page with 200", fault: simulator.Fault{Effect: simulator.EffectHTMLPage, Status: 200}, says: saysMalformed},
	{name: "partial failure inside a 200", fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 200, Body: partialAnswer}, says: "part|" + saysMalformed},
	{name: "hang", fault: simulator.Fault{Effect: simulator.EffectHang}, says: saysTimeout},
	{name: "access token at its end", fault: simulator.Fault{Effect: simulator.EffectExpireToken}, renews: true, on: inSession, why: onlyInSession},
	{name: "access token at its end, and a renewal that fails", fault: simulator.Fault{Effect: simulator.EffectExpireToken}, renews: true, on: inSession, why: onlyInSession,
		also: simulator.Fault{Method: http.MethodPost, Path: "/refresh$", Effect: simulator.EffectStatus, Status: 500}},
	{name: "session at its end", strike: endSession, renews: true, on: inSession, why: onlyInSession},
	{name: "silent drop", fault: simulator.Fault{Effect: simulator.EffectSilentDrop}, wordless: true, on: isWrite, why: onlyWrites},
	{name: "lost write", fault: simulator.Fault{Effect: simulator.EffectLostWrite}, wordless: true, on: isWrite, why: onlyWrites},
	{name: "lost write forever", fault: forever(simulator.Fault{Effect: simulator.EffectLostWrite}), wordless: true, on: isWrite, why: onlyWrites, says: saysNotHeld},
	{name: "401 forever", fault: forever(statusFault(401)), says: "401"},
	{name: "503 forever", fault: forever(statusFault(503)), says: "503"},
	{name: "reset after the effect forever", fault: forever(simulator.Fault{Effect: simulator.EffectResetAfter}), carriesOut: true, says: saysReset},
	{name: "answer lost, and nothing to be read after it", fault: simulator.Fault{Effect: simulator.EffectResetAfter}, on: isCreate, why: onlyCreates, carriesOut: true, blind: true,
		also: forever(simulator.Fault{Method: http.MethodGet, Effect: simulator.EffectStatus, Status: 503}), says: saysReset},
	{name: "broken before the effect, and nothing to be read after it", fault: simulator.Fault{Effect: simulator.EffectResetBefore}, on: isCreate, why: onlyCreates, blind: true,
		also: forever(simulator.Fault{Method: http.MethodGet, Effect: simulator.EffectStatus, Status: 503}), says: saysReset},
}

// Why a combination is skipped.
const (
	onlyWrites    = "only a write can be lost, or done without a word"
	onlyCreates   = "only a create makes what has to be found"
	onlyInSession = "a sign-in brings no token"
	takesTwins    = "who takes twins cannot refuse the second one"
	asBefore      = "up to here the operation is one of which the same requests are failed"
)

func (k *faultKind) hangs() bool { return k.fault.Effect == simulator.EffectHang }

func (k *faultKind) breaksConnection() bool {
	switch k.fault.Effect {
	case simulator.EffectResetBefore, simulator.EffectResetAfter, simulator.EffectTruncatedBody, simulator.EffectHang:
		return true
	}
	return false
}

// faultCombination is one element of the product.
type faultCombination struct {
	operation *faultOperation
	kind      *faultKind
	request   int
}

func (c *faultCombination) line() string { return c.operation.requests[c.request] }

func (c *faultCombination) String() string {
	return fmt.Sprintf("%s/request %d (%s)/%s", c.operation, c.request, c.line(), c.kind.name)
}

// faultReference is what an operation leads to without a fault.
type faultReference struct {
	after     []string // the catalogue after the command
	finished  []string // after finish
	destroyed []string // after the destruction
	// followed are the situations that were played on to the end.
	followed sync.Map
}

// undisturbed fails the test unless a command without a fault says nothing.
func (w *faultWorld) undisturbed(what string, said []*tfprotov6.Diagnostic, ok bool) {
	w.t.Helper()
	if !ok || len(said) > 0 {
		w.t.Fatalf("%s without a fault says:%s", what, rules.Printed(said))
	}
}

// prepare brings about what the operation finds.
func (w *faultWorld) prepare(o *faultOperation) {
	w.t.Helper()
	if o.name == "import" {
		w.foreign()
	}
	if o.setUp != nil {
		p := w.process(0, longRequest)
		planned, said := p.plan(w.ctx, instance{}, o.setUp(w))
		made, more := p.apply(w.ctx, planned)
		w.undisturbed("the apply before", append(said, more...), made.exists())
		w.current = made
	}
	w.reset()
	w.strike = w.passing
}

// passing lets the pod's time pass while somebody waits for a status.
func (w *faultWorld) passing(a *arrival) bool {
	if w.sort.pending != "" && a.line == "GET /config/v1/"+w.sort.collection+"/ID" {
		w.elapsed.Add(int64(25 * time.Second))
	}
	return false
}

// settles checks that there is nothing left to do.
func (w *faultWorld) settles(o *faultOperation) {
	w.t.Helper()
	before := w.current
	w.reset()
	said, ok := w.apply(0, longRequest, o.finish)
	w.undisturbed("the apply after the next", said, ok)
	if slices.ContainsFunc(w.seen(), isWrite) || before.exists() && !w.current.state.Equal(before.state) {
		w.t.Errorf("the apply after the next has something left to do: %v\nstate\n%s, was\n%s", w.seen(), w.current.state, before.state)
	}
}

// reference runs an operation without a fault.
func (o *faultOperation) reference(t *testing.T) *faultReference {
	t.Helper()
	w := newFaultWorld(t, o)
	w.prepare(o)
	r := &faultReference{}
	said, ok := o.run(w, o, 0, longRequest)
	w.undisturbed("the operation", said, ok)
	o.requests, r.after = w.seen(), w.catalogue()
	w.known(r)
	w.completes(o, false)
	r.finished = w.catalogue()
	w.settles(o)
	said, ok = w.apply(0, longRequest, nil)
	w.undisturbed("the destruction", said, ok)
	r.destroyed = w.catalogue()
	return r
}

// arm programs the fault for the one request.
func (w *faultWorld) arm(c *faultCombination, met *atomic.Int64) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.kind.breaksConnection() {
		w.lonely = c.request
	}
	w.strike = func(a *arrival) bool {
		w.passing(a)
		if a.number != c.request {
			return false
		}
		if a.line != c.line() {
			w.t.Errorf("request %d is %s, want %s", a.number, a.line, c.line())
		}
		met.Add(1)
		if c.kind.fault.Effect != "" {
			f := c.kind.fault
			f.Method, f.Path = a.r.Method, "^"+regexp.QuoteMeta(a.r.URL.Path)+"$"
			w.program(f)
		}
		if c.kind.also.Effect != "" {
			w.program(c.kind.also)
		}
		return c.kind.strike != nil && c.kind.strike(w.podFront, a)
	}
}

func (w *faultWorld) program(f simulator.Fault) {
	if err := w.sim.AddFault(f); err != nil {
		w.t.Error(err)
	}
}

// try runs one combination.
func (c *faultCombination) try(t *testing.T, r *faultReference) {
	o := c.operation
	w := newFaultWorld(t, o)
	w.prepare(o)
	timeout := longRequest
	if c.kind.hangs() {
		timeout = shortRequest
	}
	var met atomic.Int64
	w.arm(c, &met)
	said, ok := o.run(w, o, c.kind.retries, timeout)
	lines := w.seen()
	w.reset()
	if met.Load() != 1 {
		t.Fatalf("the fault met %d requests of %v", met.Load(), lines)
	}
	if end := c.ends(); ok && end == fails || !ok && end == succeeds {
		t.Errorf("success is %t", ok)
	}
	if !ok && !rules.Failed(said) && !w.removed {
		t.Error("it fails without an error")
	}
	w.clear(c, said)
	w.follow(c, r, ok)
	if t.Failed() {
		t.Logf("success was %t, after %s:%s", ok, strings.Join(lines, "\n"), rules.Printed(said))
	}
}

// ending is how a disturbed command has to end.
type ending int

const (
	succeeds ending = iota
	fails
	// open is an end that follows from what else the command asks for.
	open
)

func (c *faultCombination) forever() bool { return c.kind.fault.Count == simulator.Forever }

// write is the number of the request that writes; -1 if none does.
func (o *faultOperation) write() int { return slices.IndexFunc(o.requests, isWrite) }

// advises says whether a request is made for a plan that can do without it.
func (o *faultOperation) advises(request int) bool {
	line := o.requests[request]
	switch {
	case o.write() < 0 || request >= o.write():
		return false
	case line == "POST /login":
		return false
	case strings.HasPrefix(line, "GET /inventory/") || strings.HasPrefix(line, "GET /config/v5/"):
		return true
	}
	return !strings.HasPrefix(line, "GET /config/v1/"+o.sort.collection)
}

// ends says how the command ends.
func (c *faultCombination) ends() ending {
	k, o, write := c.kind, c.operation, c.operation.write()
	creates := write >= 0 && isCreate(o.requests[write])
	switch {
	case k.retries > 0, k.renews && c.line() != "POST /login":
		return succeeds
	case o.advises(c.request) && (k.lies || c.forever() || k.breaksConnection() && c.request == write-2):
		return open // What is asked for once more, or not at all.
	case o.advises(c.request):
		return succeeds
	case c.request == write:
		return c.endsInWrite()
	case creates && c.request > write:
		return c.endsAfterCreate(write)
	case o.name == "delete" && c.request > write:
		return succeeds // Where nobody can look, the server's word holds.
	case k.lies:
		return open
	}
	return fails
}

func (c *faultCombination) endsInWrite() ending {
	k := c.kind
	method, _, _ := strings.Cut(c.line(), " ")
	switch {
	case k.lies && method == http.MethodPost:
		return fails
	case k.lies:
		return open
	case k.fault.Status == http.StatusTooManyRequests && method == http.MethodPut:
		return succeeds
	case k.refuses, k.blind:
		return fails
	case method == http.MethodPost && k.carriesOut:
		return succeeds
	case method == http.MethodPost:
		return fails
	case method == http.MethodDelete && k.fault.Effect == simulator.EffectResetAfter:
		return fails
	case method == http.MethodDelete && k.carriesOut: // No body of its answer can be broken.
		return succeeds
	case method == http.MethodDelete:
		return fails
	case c.forever() && !k.carriesOut:
		return fails
	}
	return succeeds // It is looked at, and written again.
}

// endsAfterCreate is ends for what is asked for when the object is made: which one
// it is, whether it is as it should be, and what its status is.
func (c *faultCombination) endsAfterCreate(write int) ending {
	look := write + 1
	if c.line() == "GET /config/v1/"+c.operation.sort.collection {
		if c.forever() {
			return fails
		}
		return succeeds
	}
	for ; c.operation.requests[look] == "GET /config/v1/"+c.operation.sort.collection; look++ {
	}
	passing := c.kind.breaksConnection() || !c.kind.refuses && c.kind.fault.Effect == simulator.EffectStatus && c.kind.fault.Status >= 500 ||
		c.kind.fault.Status == http.StatusTooManyRequests || c.kind.fault.Effect == simulator.EffectHTMLPage && c.kind.fault.Status == 0
	switch {
	case c.kind.lies:
		return fails
	case c.request == look && (c.operation.name != "create and wait" || !c.forever()):
		return succeeds // With a warning, unless the wait looks again.
	case passing && !c.forever():
		return succeeds
	}
	return fails
}

// known notes where Terraform stands with the resource, and says whether it has
// stood there before: then what follows is known.
func (w *faultWorld) known(r *faultReference) bool {
	w.t.Helper()
	var parts []string
	names := []string{w.stream, "(stream)", w.version, "(version)", w.otherVersion, "(other version)", strings.TrimPrefix(w.URL, "http://"), "(host)"}
	for i, id := range w.ours() {
		names = append(names, id, fmt.Sprintf("(ours %d)", i))
	}
	if w.current.exists() {
		names = append(names, w.current.text(w.t, "id"), "(gone)")
		values := rules.Attributes(w.current.state)
		for _, name := range slices.Sorted(maps.Keys(values)) {
			parts = append(parts, values[name].String())
		}
		private := map[string][]byte{}
		plain, err := compact.Unpack(w.current.private)
		if err == nil {
			err = json.Unmarshal(plain, &private)
		}
		if err != nil {
			w.t.Errorf("private state: %v", err)
		}
		for _, key := range slices.Sorted(maps.Keys(private)) {
			parts = append(parts, key, string(private[key]))
		}
	}
	text := strings.NewReplacer(names...).Replace(strings.Join(append(parts, w.catalogue()...), "\n"))
	_, before := r.followed.LoadOrStore(fmt.Sprint(w.tainted, text), true)
	return before
}

// follow plays Terraform on to the end.
func (w *faultWorld) follow(c *faultCombination, r *faultReference, ok bool) {
	w.t.Helper()
	o := c.operation
	if ok && c.kind.lies {
		w.catalogue() // The server has lied about the object, and was believed: only others count.
		return
	}
	if ok {
		sameText(w.t, "the catalogue after the command", w.catalogue(), r.after)
	}
	if n := len(w.ours()); n > 1 {
		w.t.Errorf("%d objects after the command: %q", n, w.catalogue())
	}
	mayRefuse := c.kind.blind || c.kind.lies || c.endsUnidentified()
	if !mayRefuse && w.known(r) {
		return
	}
	w.end(o, r, mayRefuse)
}

// endsUnidentified says whether nothing can tell the command which object it made.
func (c *faultCombination) endsUnidentified() bool {
	write := c.operation.write()
	return write >= 0 && isCreate(c.operation.requests[write]) && c.request == write+1 && c.line() == "GET /config/v1/"+c.operation.sort.collection && c.forever()
}

// end is what the user does next: apply, and destroy.
func (w *faultWorld) end(o *faultOperation, r *faultReference, mayRefuse bool) {
	w.t.Helper()
	w.reset()
	w.strike = w.passing
	if o.name == "import" && !w.current.exists() {
		said, ok := w.adopt(w.foreign(), 0, longRequest)
		w.undisturbed("the next import", said, ok)
	}
	w.completes(o, mayRefuse)
	sameText(w.t, "the catalogue after the next apply", w.catalogue(), r.finished)
	if w.t.Failed() {
		return
	}
	w.settles(o)
	said, ok := w.apply(0, longRequest, nil)
	w.undisturbed("the destruction", said, ok)
	sameText(w.t, "the catalogue after the destruction", w.catalogue(), r.destroyed)
}

// completes applies without a fault. Where the object may be there without a
// state, that may be refused, and the user imports it.
func (w *faultWorld) completes(o *faultOperation, mayRefuse bool) {
	w.t.Helper()
	said, ok := w.apply(0, longRequest, o.finish)
	if !ok && mayRefuse {
		w.imports(said)
		said, ok = w.apply(0, longRequest, o.finish)
	}
	w.undisturbed("the next apply", said, ok)
	if w.tainted {
		w.t.Error("the resource is still tainted")
	}
}

// imports does what the refusal of a second create advises.
func (w *faultWorld) imports(said []*tfprotov6.Diagnostic) {
	w.t.Helper()
	ours := w.ours()
	if len(said) != 1 || len(ours) != 1 || !strings.Contains(said[0].Detail, fmt.Sprintf("id = %q", ours[0])) {
		w.t.Fatalf("want one error that says how to import %v:%s", ours, rules.Printed(said))
	}
	said, ok := w.adopt(ours[0], 0, longRequest)
	w.undisturbed("the import", said, ok)
}

func sameText(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s is\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// jargon is what no person should have to read in a diagnostic.
var jargon = regexp.MustCompile(`EOF|unexpected end|invalid character|json:|cannot unmarshal|%!|0x[0-9a-f]|goroutine|runtime error|nil pointer|<(?i:html|title|center|br)|` +
	`context deadline|context canceled|(?:dial|read|write) tcp|net/http|\*url|defect of the provider|unknown error|\(sensitive|&\{|map\[`)

// advice is how a diagnostic says what to do.
var advice = regexp.MustCompile(`[Rr]un it again|[Rr]un terraform|[Ll]ook |check |Check |import it|import the|Import that one|Ask a|[Gg]ive the|move the tag|Choose|Sign in as before|try again|not tried again|next plan|next apply|` +
	`Horizon does not accept this|behind a load balancer|url is the address of`)

// clear fails the test unless what a disturbed command says is one error, or
// nothing, that names the operation, the object or the service, and the fault.
func (w *faultWorld) clear(c *faultCombination, said []*tfprotov6.Diagnostic) {
	w.t.Helper()
	errors := 0
	for _, d := range said {
		text := d.Summary + "\n" + d.Detail
		w.secretFree(text)
		if found := jargon.FindString(text); found != "" {
			w.t.Errorf("a diagnostic says %q:%s", found, rules.Printed(said))
		}
		if !strings.HasSuffix(strings.TrimRight(d.Detail, "}\n "), ".") && !strings.HasSuffix(d.Detail, "}") {
			w.t.Errorf("a diagnostic that is no sentence:%s", rules.Printed(said))
		}
		if !advice.MatchString(text) {
			w.t.Errorf("a diagnostic that does not say what to do:%s", rules.Printed(said))
		}
		about := strings.Contains(text, "horizon") && strings.Contains(text, "http")
		for _, id := range w.ours() {
			about = about || strings.Contains(text, id)
		}
		about = about || d.Attribute != nil // Then it stands at the resource.
		if w.current.exists() && !about && !strings.Contains(text, w.current.text(w.t, "id")) || !strings.Contains(text, "mage management "+w.sort.name) {
			w.t.Errorf("a diagnostic that does not say what it is about:%s", rules.Printed(said))
		}
		if d.Severity != tfprotov6.DiagnosticSeverityError {
			continue
		}
		errors++
		if !strings.HasPrefix(d.Summary, "Unable to ") {
			w.t.Errorf("an error without its operation:%s", rules.Printed(said))
		}
		if !regexp.MustCompile(c.kind.says).MatchString(text) {
			w.t.Errorf("an error that does not tell of %q:%s", c.kind.says, rules.Printed(said))
		}
	}
	perAttribute := c.kind.says == saysNotHeld && !slices.ContainsFunc(said, func(d *tfprotov6.Diagnostic) bool { return d.Attribute == nil })
	if errors > 1 && !perAttribute {
		w.t.Errorf("%d errors:%s", errors, rules.Printed(said))
	}
}

// secretFree fails the test when a text holds a credential.
func (w *faultWorld) secretFree(text string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for secret := range w.secrets {
		if strings.Contains(text, secret) {
			w.t.Errorf("a diagnostic holds a credential: %s", strings.ReplaceAll(text, secret, "(SECRET)"))
		}
	}
}

// common is how many requests the operation has in common with the one that it is
// like, the write left out.
func (o *faultOperation) common(operations []*faultOperation) int {
	i := slices.IndexFunc(operations, func(each *faultOperation) bool { return each.sort == o.sort && each.name == o.like })
	if i < 0 {
		return 0
	}
	n := 0
	for n < min(len(o.requests), len(operations[i].requests)) && o.requests[n] == operations[i].requests[n] && !isWrite(o.requests[n]) {
		n++
	}
	return n
}

// faultProduct is every request of every operation failed in every way, with
// those left out for a reason.
func faultProduct(operations []*faultOperation) (product []*faultCombination, skipped map[string]int) {
	skipped = map[string]int{}
	for _, o := range operations {
		for request, line := range o.requests {
			for _, k := range faultKinds {
				switch {
				case k.on != nil && !k.on(line):
					skipped[k.why]++
					continue
				case o.beside && (k.blind || k.lies || k.fault.Count == simulator.Forever):
					skipped[takesTwins]++
					continue
				case request < o.common(operations):
					skipped[asBefore]++
					continue
				}
				product = append(product, &faultCombination{operation: o, kind: k, request: request})
			}
		}
	}
	// Those that a time limit ends come last, among their like: the others need
	// the processors.
	slices.SortStableFunc(product, func(a, b *faultCombination) int { return cmp.Compare(a.kind.order(), b.kind.order()) })
	return product, skipped
}

func (k *faultKind) order() int {
	if k.hangs() {
		return 1
	}
	return 0
}

// TestEveryRequestToTheCatalogueFailed fails each request that each operation on
// each kind of object makes in each way that a network, a gateway and Horizon
// have, and plays Terraform on to the end: completion, nothing left to do, and a
// destruction that leaves the catalogue as it was.
func TestEveryRequestToTheCatalogueFailed(t *testing.T) {
	t.Parallel()
	operations := faultOperations()
	references := map[*faultOperation]*faultReference{}
	for _, o := range operations {
		references[o] = o.reference(t)
		t.Logf("%s: %s", o, strings.Join(o.requests, ", "))
	}
	if t.Failed() {
		return
	}
	product, skipped := faultProduct(operations)
	queue := make(chan *faultCombination)
	var workers sync.WaitGroup
	var ran atomic.Int64
	for range faultWorkers {
		// Not t.Parallel, which would run as many at once as there are processors.
		workers.Go(func() {
			for c := range queue {
				t.Run(c.String(), func(t *testing.T) {
					ran.Add(1)
					c.try(t, references[c.operation])
				})
			}
		})
	}
	sizes := map[string]int{}
	for _, c := range product {
		sizes[c.operation.name]++
		queue <- c
	}
	close(queue)
	workers.Wait()
	situations := 0
	for _, r := range references {
		r.followed.Range(func(any, any) bool {
			situations++
			return true
		})
	}
	t.Logf("combinations: %d, %v, skipped: %v, different situations after them: %d", len(product), sizes, skipped, situations)
	// Maps print in the order of their keys.
	if got := fmt.Sprint(sizes); got != productSize {
		t.Errorf("the size of the product is\n%s, want\n%s", got, productSize)
	}
	if got := fmt.Sprint(skipped); got != productSkipped {
		t.Errorf("what is skipped is\n%s, want\n%s", got, productSkipped)
	}
}

// The numbers of combinations that are tried, by operation, and of those that are
// left out, by reason.
const (
	productSize    = "map[create:1040 create and wait:220 create beside a twin:69 create without a Location:336 delete:512 disable:246 import:300 read:196 update:668]"
	productSkipped = "map[" + onlyInSession + ":156 " + onlyCreates + ":380 " + onlyWrites + ":716 " + asBefore + ":1546 " + takesTwins + ":47]"
)

// TestTheCatalogueAfterCtrlC cancels each command at each of its requests, which
// is answered all the same, or broken after its effect.
func TestTheCatalogueAfterCtrlC(t *testing.T) {
	t.Parallel()
	var turns sync.WaitGroup
	var ran atomic.Int64
	queue := make(chan func())
	for range faultWorkers {
		turns.Go(func() {
			for run := range queue {
				run()
			}
		})
	}
	cancelled := map[string]int{}
	for _, o := range faultOperations() {
		if o.setUp != nil && o.name != "update" || o.name == "import" {
			continue
		}
		r := o.reference(t)
		for request := range o.requests {
			for _, broken := range []string{"answered", "broken"} {
				cancelled[o.name]++
				queue <- func() {
					t.Run(fmt.Sprintf("%s/request %d (%s)/%s", o, request, o.requests[request], broken), func(t *testing.T) {
						ran.Add(1)
						newFaultWorld(t, o).cancelAt(o, r, request, broken == "broken")
					})
				}
			}
		}
	}
	close(queue)
	turns.Wait()
	if got := fmt.Sprint(cancelled); got != cancelledSize {
		t.Errorf("the numbers of cancellations are %s, want %s", got, cancelledSize)
	}
}

// cancelledSize are the numbers of cancelled commands, by operation.
const cancelledSize = "map[create:80 create and wait:44 create beside a twin:22 create without a Location:88 update:52]"

// cancelAt runs an operation that is cancelled when a request arrives.
func (w *faultWorld) cancelAt(o *faultOperation, r *faultReference, request int, broken bool) {
	w.t.Helper()
	w.prepare(o)
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	w.ctx = ctx
	if broken {
		w.lonely = request
	}
	var left time.Time
	w.strike = func(a *arrival) bool {
		w.passing(a)
		if a.number != request {
			return false
		}
		if broken {
			w.sim.ServeHTTP(httptest.NewRecorder(), a.r)
		}
		left = time.Now()
		cancel()
		if broken {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	said, _ := o.run(w, o, 4, longRequest)
	took := time.Since(left)
	w.ctx = w.t.Context()
	lines := w.seen()
	w.reset()
	if left.IsZero() || took > leavesWithin {
		w.t.Errorf("it went on for %s after the cancellation", took)
	}
	for _, d := range said {
		w.secretFree(d.Summary + d.Detail)
		if found := jargon.FindString(d.Detail); found != "" {
			w.t.Errorf("a diagnostic says %q:%s", found, rules.Printed(said))
		}
	}
	ours := w.ours()
	if len(ours) > 1 || (len(ours) == 1) != w.current.exists() || w.current.exists() && w.current.text(w.t, "id") != ours[0] {
		w.t.Errorf("there is %v, and in state is %q", ours, w.current.text(w.t, "id"))
	}
	if w.tainted {
		w.t.Error("the resource is tainted, and would be made anew")
	}
	if !w.known(r) {
		w.end(o, r, false)
	}
	if w.t.Failed() {
		w.t.Logf("after %s:%s", strings.Join(lines, "\n"), rules.Printed(said))
	}
}

// leavesWithin is how long a cancelled command may go on, on a busy machine:
// nothing that it waits for takes longer than the answers that are under way.
const leavesWithin = 8 * time.Second

// severalObjects are configurations of several resources of every kind, none of
// which needs another.
func (w *faultWorld) severalObjects() map[string][]members {
	several := map[string][]members{}
	types := [][2]string{{"INSTANT_CLONE", "RDSH_APPS"}, {"INSTANT_CLONE", "RDSH_DESKTOP"}, {"INSTANT_CLONE", "VDI_DESKTOP"}}
	for _, s := range faultySorts {
		for i := range types {
			config := s.first(w)
			if s.name == "asset" {
				config["clone_type"], config["image_type"] = types[i][0], types[i][1]
			} else {
				config["name"] = fmt.Sprintf("%s-%d", config["name"], i)
			}
			several[s.resource()] = append(several[s.resource()], config)
		}
	}
	return several
}

// TestOneSessionServesAProcess works on several objects of every kind at the same
// time, by two configurations of the provider for one pod: every process signs in
// once, also when the session comes to its end in the middle.
func TestOneSessionServesAProcess(t *testing.T) {
	t.Parallel()
	w := newFaultWorld(t, &faultOperation{sort: faultySorts[0]})
	several := w.severalObjects()
	type object struct {
		kind    string
		config  members
		planned step
		current instance
	}
	var objects []*object
	for kind, configs := range several {
		for _, config := range configs {
			objects = append(objects, &object{kind: kind, config: config})
		}
	}
	// inProcess lets both configurations do something with all objects at once.
	inProcess := func(what string, logins, refreshes int, do func(p *process, o *object) []*tfprotov6.Diagnostic) {
		t.Helper()
		arguments := w.arguments(0, longRequest)
		aliases := []*process{configured(t, objects[0].kind, arguments), configured(t, objects[0].kind, arguments)}
		w.mu.Lock()
		w.arrivals = nil
		w.mu.Unlock()
		var all sync.WaitGroup
		for i, o := range objects {
			all.Go(func() {
				if said := do(aliases[i%2].of(o.kind), o); len(said) > 0 {
					t.Errorf("%s of %s says:%s", what, o.kind, rules.Printed(said))
				}
			})
		}
		all.Wait()
		for line, want := range map[string]int{"POST /login": logins, "POST /refresh": refreshes} {
			if counts := w.count(line); len(counts) > 1 || slices.Max(append(slices.Collect(maps.Values(counts)), 0)) != want {
				t.Errorf("%s: %s: %v, want %d", what, line, counts, want)
			}
		}
	}
	planned := func(p *process, o *object) (said []*tfprotov6.Diagnostic) {
		o.planned, said = p.plan(t.Context(), o.current, o.config)
		return said
	}
	inProcess("planning", 1, 0, planned)
	applied := func(p *process, o *object) (said []*tfprotov6.Diagnostic) {
		said = planned(p, o)
		after, more := p.apply(t.Context(), o.planned)
		o.current = after
		return append(said, more...)
	}
	inProcess("creating", 1, 0, applied)
	if n := len(w.ours()); n != len(objects) {
		t.Errorf("%d objects, want %d", n, len(objects))
	}
	read := func(p *process, o *object) (said []*tfprotov6.Diagnostic) {
		o.current, said = p.read(t.Context(), o.current)
		return append(said, planned(p, o)...)
	}
	inProcess("reading", 1, 0, read)

	for _, o := range objects {
		o.config["additional_details"] = members{"owner": "vdi"}
	}
	w.strike = func(a *arrival) bool { // In the middle of reading and writing.
		if a.number == 3+len(objects) {
			w.sim.RevokeHorizonSessions()
		}
		return false
	}
	inProcess("updating past the end of the session", 2, 1, func(p *process, o *object) []*tfprotov6.Diagnostic {
		return append(read(p, o), applied(p, o)...)
	})
	w.strike = nil
	for _, o := range objects {
		o.config = nil
	}
	inProcess("destroying", 1, 0, applied)
	if left := w.catalogue(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestAWaitOutlivesTheTokens waits for a status for longer than an access token
// lives, and for longer than a session: the client renews the one and signs in
// for the other, and the wait ends as if nothing had been.
func TestAWaitOutlivesTheTokens(t *testing.T) {
	t.Parallel()
	const (
		step   = 5 * time.Minute
		access = 30 * time.Minute
		whole  = 8 * time.Hour
	)
	for name, looks := range map[string]int{"an access token": 20, "a session": 150, "several sessions": 400} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faultySorts[slices.IndexFunc(faultySorts, func(s *faultySort) bool { return s.name == "asset" })]
			w := newFaultWorld(t, &faultOperation{sort: s})
			seen := 0
			w.strike = func(a *arrival) bool {
				if a.line != "GET /config/v1/im-assets/ID" {
					return false
				}
				w.elapsed.Add(int64(step))
				if seen++; seen == looks {
					if err := w.sim.WriteCatalogueObject(w.ours()[0], map[string]any{"status": "AVAILABLE"}); err != nil {
						t.Error(err)
					}
				}
				return false
			}
			waiting := with(s.first, members{"status": "DEPLOYING_VM", "wait_for_status": "AVAILABLE", "timeouts": members{"create": "20m"}})
			said, ok := w.apply(0, longRequest, waiting)
			w.undisturbed("the wait", said, ok)
			if got := w.current.text(t, "current_status"); got != "AVAILABLE" {
				t.Errorf("current_status is %s", got)
			}

			// What the pod's clock makes of it: of every look whose token has come to its
			// end there is another one.
			logins, refreshes, now, accessEnd, end := 1, 0, time.Duration(0), access, whole
			for look := 1; look <= looks; look++ {
				now += step
				if now < min(accessEnd, end) {
					continue
				}
				refreshes++
				if now >= end {
					logins++
					end = now + whole
				}
				accessEnd = now + access
			}
			counts := map[string]int{}
			for _, line := range w.seen() {
				counts[line]++
			}
			// Its plan was another process.
			if counts["POST /login"] != logins+1 || counts["POST /refresh"] != refreshes {
				t.Errorf("%d sign-ins and %d renewals in %s, want %d and %d", counts["POST /login"]-1, counts["POST /refresh"], now, logins, refreshes)
			}
			if counts["POST /config/v1/im-assets"] != 1 || seen < looks {
				t.Errorf("%d creates and %d looks", counts["POST /config/v1/im-assets"], seen)
			}
		})
	}
}

// TestACreateThatIsNotCorrectedIsNotTainted has an object changed between its create
// and the look at it, and refuses the correction: the resource is there with a warning
// that says what is wrong, and the next apply mends it in place.
func TestACreateThatIsNotCorrectedIsNotTainted(t *testing.T) {
	t.Parallel()
	for _, s := range faultySorts {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newFaultWorld(t, &faultOperation{sort: s})
			changed := false
			w.strike = func(a *arrival) bool {
				if ours := w.ours(); !changed && a.r.Method == http.MethodGet && len(ours) == 1 {
					changed = true
					if err := w.sim.WriteCatalogueObject(ours[0], map[string]any{"additional_details": map[string]string{"seen": "elsewhere"}}); err != nil {
						t.Error(err)
					}
				}
				if a.r.Method != http.MethodPut {
					return false
				}
				a.w.Header().Set("Content-Type", "application/json")
				a.w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(a.w, `{"status": "FORBIDDEN", "errors": [{"error_key": "common.insufficient.permission", "error_message": "You do not have permission"}]}`)
				return true
			}
			said, ok := w.apply(0, longRequest, s.first)
			if !ok || len(said) == 0 || w.tainted {
				t.Fatalf("the create says (tainted: %v):%s", w.tainted, rules.Printed(said))
			}
			for _, d := range said {
				if !strings.HasSuffix(d.Summary, "was created, and is not as configured") || !strings.Contains(d.Detail, "403") ||
					!strings.Contains(d.Detail, "role with this privilege") || !strings.Contains(d.Detail, "mends that in place") {
					t.Errorf("the warning is %s: %s", d.Summary, d.Detail)
				}
			}
			made := w.ours()

			w.reset()
			said, ok = w.apply(0, longRequest, s.first)
			w.undisturbed("the next apply", said, ok)
			if now := w.ours(); !slices.Equal(now, made) {
				t.Errorf("the objects are %q, and were %q", now, made)
			}
			put := slices.DeleteFunc(w.seen(), func(line string) bool { return !isWrite(line) })
			if want := []string{"PUT /config/v1/" + s.collection + "/ID"}; !slices.Equal(put, want) {
				t.Errorf("the next apply sends %q, want %q", put, want)
			}
			if details := fmt.Sprint(w.objects(t)[made[0]]["additional_details"]); !strings.Contains(details, "seen:elsewhere") || len(details) <= len("map[seen:elsewhere]") {
				t.Errorf("the details are %s", details)
			}
			said, ok = w.apply(0, longRequest, s.first)
			w.undisturbed("an apply of nothing", said, ok)
			if again := slices.ContainsFunc(w.seen()[len(put):], func(line string) bool { return strings.HasPrefix(line, http.MethodPost+" /config") }); again {
				t.Error("it was created once more")
			}
		})
	}
}
