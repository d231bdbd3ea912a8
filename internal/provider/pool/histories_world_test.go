package pool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// historyStart is when the clock of a synctest bubble begins.
var historyStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// historyPod is the pod of one history. It stands outside of the history's bubble,
// whose clock it shows: the time of the last request, and what it is ahead.
type historyPod struct {
	*simulator.Simulator
	server *httptest.Server
	// prefix is a path of its own, by which a process tells servers apart.
	prefix string

	now   atomic.Int64 // of the bubble, in nanoseconds after historyStart
	ahead atomic.Int64

	pools  []historyPool
	vmID   string
	images []string // snapshots of the VM
	stream string
	tags   []string
	// versions are those of the stream: version i has the snapshot i.
	versions []string

	// unseen is for how long a pool is shown as it was before a call.
	unseen time.Duration

	mu     sync.Mutex
	stale  map[string]historyStale // by the id of the pool
	posts  []historyPost
	caller string
	fault  historyFault
	left   int // requests that the fault still disturbs
	skip   int
	dead   bool
}

type historyPool struct {
	id, name string
	machines int
}

type historyStale struct {
	until  time.Time
	before map[string]any
}

// historyPost is an action that somebody asked the pod for.
type historyPost struct {
	caller       string
	pool         int
	action, body string
	pending      string // the query
	at           time.Time
	before       historyTruth
	names        map[string]string // of the machines by their ids, in lower case, before
	done         bool
}

func (p historyPost) String() string {
	return fmt.Sprintf("%s%s %s (done %t, pool %s)", p.action, p.pending, p.body, p.done, p.before)
}

// historyFault is a disturbance of requests.
type historyFault struct {
	kind string
	// writes are disturbed, else reads; so many of them.
	writes bool
	count  int
}

var historyAssumptions = map[string][]string{
	"horizon-immediate-operation": {"SCHEDULE_PUSH_IMAGE", "SCHEDULE_PUSH_IMAGE", "NONE"},
	"horizon-failed-image":        {"kept", "removed"},
	"horizon-cancel-canaries":     {"left", "returned", "refused"},
	"horizon-machine-ids":         {"new", "kept"},
	"horizon-standby":             {"absent", "shown"},
	"horizon-push-answer":         {"empty", "pool", "machines"},
	"horizon-apply-sessions":      {"wait", "logged-off"},
}

func newHistoryPod(t testing.TB, assumptions map[string]string) *historyPod {
	t.Helper()
	withoutOwnPod()
	p := &historyPod{prefix: fmt.Sprintf("/h%d", historyNumber.Add(1)), stale: map[string]historyStale{}}
	all := map[string]string{"horizon-call-visible": "0s"}
	for name, value := range assumptions {
		all[name] = value
	}
	p.Simulator = simulator.New(simulator.Options{Clock: p.clock, Empty: true, Assumptions: all})
	for _, name := range []string{"ENGINEERING", "SALES", "KIOSK"} {
		if err := p.RemovePool(name); err != nil {
			t.Fatal(err)
		}
	}
	p.vmID, p.images = p.AddBaseVM(simulator.BaseVM{Name: "gold", Snapshots: []string{"s0", "s1", "s2"}})
	for i, d := range []simulator.DesktopPool{
		{Name: "ALPHA", VMID: p.vmID, SnapshotID: p.images[0], Machines: 4, VirtualTPM: true},
		{Name: "BETA", VMID: p.vmID, SnapshotID: p.images[0], Machines: 3},
	} {
		id, _ := p.AddPool(d)
		p.pools = append(p.pools, historyPool{id: id, name: d.Name, machines: 4 - i})
	}
	p.stream = p.CreateCatalogueObject("im-streams", map[string]any{"name": "Win", "operating_system": "WINDOWS_11", "source": "UPLOADED", "status": "AVAILABLE", "publisher": "Desktop team"})
	for i, snapshot := range p.images {
		version := p.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": p.stream, "name": fmt.Sprint("r", i), "status": "AVAILABLE"})
		p.versions = append(p.versions, version)
		p.CreateCatalogueObject("im-assets", map[string]any{
			"im_stream_id": p.stream, "im_version_id": version, "vcenter_id": simulator.HorizonVCenterID, "base_vm_id": p.vmID, "base_snapshot_id": snapshot,
			"clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE",
		})
	}
	for i := range 2 {
		p.tags = append(p.tags, p.CreateCatalogueObject("im-tags", map[string]any{"im_stream_id": p.stream, "name": fmt.Sprint("ring", i), "im_version_id": p.versions[i]}))
	}
	p.server = httptest.NewUnstartedServer(p)
	// A connection that stays would hold the bubble's clock.
	p.server.Config.SetKeepAlivesEnabled(false)
	p.server.Config.ReadHeaderTimeout = 2 * time.Second
	p.server.Start()
	return p
}

// historyNumber tells the pods of a process apart.
var historyNumber atomic.Uint64

func (p *historyPod) clock() time.Time {
	return historyStart.Add(time.Duration(p.now.Load() + p.ahead.Load()))
}

// look takes the time of the bubble over.
func (p *historyPod) look() { p.now.Store(int64(time.Since(historyStart).Truncate(time.Second))) }

func (p *historyPod) arguments(poll time.Duration) map[string]any {
	d := p.Describe(p.server.URL + p.prefix)
	return map[string]any{"max_retries": int64(0), "horizon": map[string]any{
		"url": d.Horizon, "domain": d.Domain, "username": d.Username, "password": d.Password, "poll_interval": poll.String(),
	}}
}

// traced lets the clock of the pod follow the requests that are made with a context,
// and tells each of them before it is sent, and after that.
func (p *historyPod) traced(ctx context.Context, before, after func()) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { p.look() },
		// A connection that is there and not used would stay.
		GotConn:      func(httptrace.GotConnInfo) { before() },
		WroteRequest: func(httptrace.WroteRequestInfo) { after() },
	})
}

func (p *historyPod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.URL.Path = strings.TrimPrefix(r.URL.Path, p.prefix)
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	defer p.mu.Unlock()
	_, action, isAction := strings.Cut(r.URL.Path, "/action/")
	isAction = isAction && r.Method == http.MethodPost
	isRead := r.Method == http.MethodGet
	kind := ""
	if p.left > 0 && (isAction && p.fault.writes || isRead && !p.fault.writes) {
		if p.skip > 0 {
			p.skip--
		} else {
			p.left--
			kind = p.fault.kind
		}
	}
	// Nobody on the way has another clock.
	w.Header()["Date"] = []string{p.clock().UTC().Format(http.TimeFormat)}
	if p.dead || kind == "reset" {
		panic(http.ErrAbortHandler)
	}
	if kind == "killed" {
		p.dead = true
		panic(http.ErrAbortHandler)
	}
	if status, ok := historyStatuses[kind]; ok {
		if kind == "429" || kind == "503 later" {
			w.Header().Set("Retry-After", "7")
		}
		w.WriteHeader(status)
		return
	}
	post := historyPost{caller: p.caller, action: action, body: string(body), at: p.clock()}
	if isAction {
		post.pool = slices.IndexFunc(p.pools, func(each historyPool) bool { return strings.Contains(r.URL.Path, each.id) })
		if r.URL.RawQuery != "" {
			post.pending = "?" + r.URL.RawQuery
		}
		post.before, post.names = p.truth(post.pool), p.machineNames(post.pool)
	}
	var before map[string]any
	if isAction {
		before = p.Pool(p.pools[post.pool].name)
	}
	answer := httptest.NewRecorder()
	p.Simulator.ServeHTTP(answer, r)
	if isAction {
		post.done = answer.Code < http.StatusMultipleChoices
		p.posts = append(p.posts, post)
		if post.done && p.unseen > 0 && action != "apply-image" && !strings.HasPrefix(action, "resume") {
			p.stale[p.pools[post.pool].id] = historyStale{p.clock().Add(p.unseen), before}
		}
	}
	content := answer.Body.Bytes()
	if isRead && answer.Code == http.StatusOK {
		content = p.asBefore(content)
	}
	switch kind {
	case "killed after":
		p.dead = true
		panic(http.ErrAbortHandler)
	case "reset after":
		panic(http.ErrAbortHandler)
	case "500 after":
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	w.WriteHeader(answer.Code)
	if kind == "truncated" {
		_, _ = w.Write(content[:len(content)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(content)
}

var historyStatuses = map[string]int{"401": 401, "403": 403, "429": 429, "500": 500, "503": 503, "503 later": 503}

// asBefore shows pools as they were for a while after a call.
func (p *historyPod) asBefore(content []byte) []byte {
	changed := false
	swap := func(o any) any {
		pool, ok := o.(map[string]any)
		if !ok {
			return o
		}
		id, _ := pool["id"].(string)
		if s, ok := p.stale[id]; ok && p.clock().Before(s.until) {
			changed = true
			return s.before
		}
		return o
	}
	if len(p.stale) == 0 {
		return content
	}
	var decoded any
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	if decoder.Decode(&decoded) != nil {
		return content
	}
	switch d := decoded.(type) {
	case []any:
		for i := range d {
			d[i] = swap(d[i])
		}
	default:
		decoded = swap(d)
	}
	if !changed {
		return content
	}
	encoded, err := json.Marshal(decoded)
	if err != nil {
		panic(err)
	}
	return encoded
}

// seen makes all calls seen: somebody acts past the API.
func (p *historyPod) seen(pool int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.stale, p.pools[pool].id)
}

func (p *historyPod) arm(f historyFault, skip int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.left, p.skip, p.dead = f, f.count, skip, false
}

// disarm takes the fault away, and says whether the provider was killed and whether the fault
// was met.
func (p *historyPod) disarm() (dead, met bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dead, met = p.dead, p.fault.kind != "" && p.left < p.fault.count
	p.fault, p.left, p.skip, p.dead = historyFault{}, 0, 0, false
	return dead, met
}

func (p *historyPod) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// sent returns the actions since the last call of it.
func (p *historyPod) sent() []historyPost {
	p.mu.Lock()
	defer p.mu.Unlock()
	posts := p.posts
	p.posts = nil
	return posts
}

func (p *historyPod) call(caller string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.caller = caller
}

// historyImage is a snapshot by its number; -1 is none.
type historyImage int

const noImage historyImage = -1

func (i historyImage) String() string {
	if i < 0 {
		return "none"
	}
	return fmt.Sprint("gold s", int(i))
}

// historyCompute is a compute profile: CPUs, cores per socket, MB.
type historyCompute [3]int64

// historyTruth is a pool as it really is.
type historyTruth struct {
	current  historyImage
	tpm      bool
	compute  historyCompute
	op       string
	state    string
	pending  historyImage
	pCompute historyCompute
	// settings are shown of a push under way.
	settings bool
	pTPM     bool
	logoff   string
	stop     bool
	start    time.Time
	waits    bool // for its start
	failure  string
}

func (t historyTruth) String() string {
	text := fmt.Sprintf("%s tpm=%t %v %s", t.current, t.tpm, t.compute, t.op)
	if t.state != "" {
		text += fmt.Sprintf(" %s %s %v", t.state, t.pending, t.pCompute)
	}
	if t.settings {
		text += fmt.Sprintf(" tpm=%t %s stop=%t start=%s", t.pTPM, t.logoff, t.stop, t.start.Format("2006-01-02T15:04:05"))
	}
	return text
}

// historyPoolForm is what the model reads of a pool.
type historyPoolForm struct {
	Settings struct {
		Snapshot string `json:"base_snapshot_id"`
		TPM      bool   `json:"add_virtual_tpm"`
		CPUs     int64  `json:"compute_profile_num_cpus"`
		Cores    int64  `json:"compute_profile_num_cores_per_socket"`
		RAM      int64  `json:"compute_profile_ram_mb"`
	} `json:"provisioning_settings"`
	Status struct {
		Operation string `json:"instant_clone_operation"`
		State     string `json:"instant_clone_pending_image_state"`
		Snapshot  string `json:"instant_clone_pending_image_snapshot_id"`
		Error     string `json:"instant_clone_pending_image_error"`
		CPUs      int64  `json:"pending_compute_profile_num_cpus"`
		Cores     int64  `json:"pending_compute_profile_num_cores_per_socket"`
		RAM       int64  `json:"pending_compute_profile_ram_mb"`
		Push      *struct {
			Logoff string `json:"logoff_policy"`
			Stop   bool   `json:"stop_on_first_error"`
			TPM    bool   `json:"add_virtual_tpm"`
			Start  int64  `json:"start_time"`
		} `json:"instant_clone_push_image_settings"`
	} `json:"provisioning_status_data"`
}

func (p *historyPod) truth(pool int) historyTruth {
	raw, err := json.Marshal(p.Pool(p.pools[pool].name))
	if err != nil {
		panic(err)
	}
	var f historyPoolForm
	if err := json.Unmarshal(raw, &f); err != nil {
		panic(err)
	}
	t := historyTruth{
		current: p.imageOf(f.Settings.Snapshot), tpm: f.Settings.TPM, compute: historyCompute{f.Settings.CPUs, f.Settings.Cores, f.Settings.RAM},
		op: f.Status.Operation, state: f.Status.State, pending: noImage, failure: f.Status.Error,
	}
	if t.state != "" {
		t.pending, t.pCompute = p.imageOf(f.Status.Snapshot), historyCompute{f.Status.CPUs, f.Status.Cores, f.Status.RAM}
	}
	if s := f.Status.Push; s != nil {
		t.settings, t.pTPM, t.logoff, t.stop = true, s.TPM, s.Logoff, s.Stop
		if s.Start > 0 {
			t.start = time.UnixMilli(s.Start).UTC()
			t.waits = t.start.After(p.clock())
		}
	}
	return t
}

func (p *historyPod) imageOf(snapshot string) historyImage {
	return historyImage(slices.Index(p.images, snapshot))
}

// machineNames are the names of a pool's machines by their ids.
func (p *historyPod) machineNames(pool int) map[string]string {
	names := map[string]string{}
	for name, m := range p.PoolMachines(p.pools[pool].name) {
		id, _ := m["id"].(string)
		names[strings.ToLower(id)] = name
	}
	return names
}

// tagged is the image that a tag stands for.
func (p *historyPod) tagged(tag int) historyImage {
	version, _ := p.CatalogueObject(p.tags[tag])["im_version_id"].(string)
	return historyImage(slices.Index(p.versions, version))
}

func (p *historyPod) moveTag(tag, version int) {
	if err := p.WriteCatalogueObject(p.tags[tag], map[string]any{"im_version_id": p.versions[version]}); err != nil {
		panic(err)
	}
}

func (p *historyPod) machine(pool, n int) string {
	return fmt.Sprintf("%s-%03d", p.pools[pool].name, n%p.pools[pool].machines+1)
}
