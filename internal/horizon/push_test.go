package horizon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
)

// actionRoute is a POST below a desktop pool.
var actionRoute = regexp.MustCompile(`^/rest/inventory/v(\d)/desktop-pools/[^/]+/(action/[a-z-]+|tasks/[^/]+/action/[a-z]+)$`)

// broughtBy are the releases that brought an action in a version.
var broughtBy = map[string]int{
	"1 action/schedule-push-image": 2012, "2 action/schedule-push-image": 2206, "3 action/schedule-push-image": 2512,
	"1 action/cancel-scheduled-push-image": 2012, "1 action/promote-pending-image": 2206, "1 action/apply-image": 2206, "1 resume": 2111,
}

// takeActions lets the pod take actions, in the way of its release.
func (p *pod) takeActions(t *testing.T, answer http.HandlerFunc) {
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.Method != http.MethodPost || strings.HasPrefix(r.URL.Path, "/rest/log") {
			return false
		}
		route := actionRoute.FindStringSubmatch(r.URL.Path)
		if route == nil {
			t.Errorf("there is no %s", r.URL.Path)
			return false
		}
		name := route[2]
		if strings.HasSuffix(name, "/resume") {
			name = "resume"
		}
		since, there := broughtBy[route[1]+" "+name]
		switch {
		case !there || since > p.Release:
			t.Errorf("%d has no %s", p.Release, r.URL.Path)
			noRoute(w)
		case answer != nil:
			answer(w, r)
		case route[1] == "1" && name != "action/apply-image":
			w.WriteHeader(http.StatusNoContent)
		default:
			reply(w, 200, []any{})
		}
		return true
	}
}

func TestPushTakesTheOldestRouteThatCanSayIt(t *testing.T) {
	compute := &ComputeProfile{NumCPUs: 4, NumCoresPerSocket: 2, RAMMB: 8192}
	tagged := PoolImage{StreamID: streamID, TagID: tagID, ParentVMID: "vm-7", SnapshotID: "snapshot-9"}
	for _, c := range []struct {
		name    string
		spec    PushSpec
		release int // that it takes
		version int
		body    string
	}{
		{"now", PushSpec{Image: v2, LogoffPolicy: WaitForLogoff, StopOnFirstError: true}, 2012, 1,
			`{"parent_vm_id":"vm-7","snapshot_id":"snapshot-2","logoff_policy":"WAIT_FOR_LOGOFF","stop_on_first_error":true,"add_virtual_tpm":false}`},
		{"at a time, by a tag", PushSpec{Image: tagged, LogoffPolicy: ForceLogoff, AddVirtualTPM: true, StartTime: time.UnixMilli(1935742800123)}, 2012, 1,
			`{"im_stream_id":"` + streamID + `","im_tag_id":"` + tagID + `","logoff_policy":"FORCE_LOGOFF","stop_on_first_error":false,"add_virtual_tpm":true,"start_time":1935742800123}`},
		{"with hardware", PushSpec{Image: v2, LogoffPolicy: WaitForLogoff, Compute: compute}, 2206, 2,
			`{"parent_vm_id":"vm-7","snapshot_id":"snapshot-2","logoff_policy":"WAIT_FOR_LOGOFF","stop_on_first_error":false,"add_virtual_tpm":false,` +
				`"compute_profile_num_cpus":4,"compute_profile_num_cores_per_socket":2,"compute_profile_ram_mb":8192}`},
		{"for some machines", PushSpec{Image: v2, LogoffPolicy: WaitForLogoff, Selective: &SelectiveSpec{MachineIDs: []string{"m-1", "m-2"}}}, 2206, 2,
			`{"parent_vm_id":"vm-7","snapshot_id":"snapshot-2","logoff_policy":"WAIT_FOR_LOGOFF","stop_on_first_error":false,"add_virtual_tpm":false,"selective_push_image":true,"machine_ids":["m-1","m-2"]}`},
		{"for no machine", PushSpec{Image: v2, LogoffPolicy: WaitForLogoff, Selective: &SelectiveSpec{}}, 2206, 2,
			`{"parent_vm_id":"vm-7","snapshot_id":"snapshot-2","logoff_policy":"WAIT_FOR_LOGOFF","stop_on_first_error":false,"add_virtual_tpm":false,"selective_push_image":true}`},
		{"without vGPUs", PushSpec{Image: v2, LogoffPolicy: WaitForLogoff, GridVGPUsEnabled: the(false)}, 2512, 3,
			`{"parent_vm_id":"vm-7","snapshot_id":"snapshot-2","logoff_policy":"WAIT_FOR_LOGOFF","stop_on_first_error":false,"add_virtual_tpm":false,"grid_vgpus_enabled":false}`},
		{"with a vGPU profile", PushSpec{Image: v2, LogoffPolicy: WaitForLogoff, VGPUGridProfile: "grid-a"}, 2512, 3,
			`{"parent_vm_id":"vm-7","snapshot_id":"snapshot-2","logoff_policy":"WAIT_FOR_LOGOFF","stop_on_first_error":false,"add_virtual_tpm":false,"vgpu_grid_profile":"grid-a"}`},
	} {
		for _, release := range []int{2012, 2111, 2206, 2406, 2512} {
			p := newPod(t)
			p.Release = release
			p.takeActions(t, nil)
			err := p.client(t, nil).SchedulePush(t.Context(), poolA, c.spec)
			var unsupported *UnsupportedError
			var write *WriteError
			if release < c.release {
				if !errors.As(err, &unsupported) || unsupported.Needs != strconv.Itoa(c.release) || !errors.As(err, &write) || write.Effect != Unsent {
					t.Errorf("%s on %d: %v", c.name, release, err)
				}
				p.wantCounts(t, map[string]int{"POST /rest/inventory": 0})
				continue
			}
			path := fmt.Sprintf("POST /rest/inventory/v%d/desktop-pools/%s/action/schedule-push-image", c.version, poolA)
			if got := p.lastBody(path); err != nil || got != c.body {
				t.Errorf("%s on %d: %v\n%s\n%s", c.name, release, err, got, c.body)
			}
			p.wantCounts(t, map[string]int{"POST /rest/inventory": 1})
		}
	}
}

// actions are all of them, in a form that the server takes.
var actions = map[string]func(context.Context, *Client) error{
	"SchedulePush": func(ctx context.Context, c *Client) error {
		return c.SchedulePush(ctx, poolA, PushSpec{Image: v2, LogoffPolicy: WaitForLogoff, Selective: &SelectiveSpec{MachineIDs: []string{"m-1"}}})
	},
	"CancelScheduledPush": func(ctx context.Context, c *Client) error { return c.CancelScheduledPush(ctx, poolA) },
	"PromotePendingImage": func(ctx context.Context, c *Client) error { return c.PromotePendingImage(ctx, poolA) },
	"ApplyImage": func(ctx context.Context, c *Client) error {
		return c.ApplyImage(ctx, poolA, []string{"m-1"}, CurrentImage)
	},
	"ResumeTask": func(ctx context.Context, c *Client) error { return c.ResumeTask(ctx, poolA, "t-1", ResumeSpec{}) },
}

func TestActionsAreSentOnceAndTellTheirEffect(t *testing.T) {
	refusal := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, "x", "not so") }
	}
	for name, act := range actions {
		for _, c := range []struct {
			name   string
			answer http.HandlerFunc
			effect Effect
			retry  time.Duration
			says   string
		}{
			{"bad state", refusal(400), Refused, 0, "not so"},
			{"conflict", refusal(409), Refused, 0, "not so"},
			{"no privilege", refusal(403), Refused, 0, "needs POOL_SVI_IMAGE_MANAGEMENT on the access group ag-1 of the desktop pool " + poolA},
			{"trouble", refusal(500), Unknown, 0, "not so"},
			{"trouble for a while", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "1")
				refuse(w, 503, "x", "not so")
			}, Unknown, 0, "not so"},
			{"gateway", func(w http.ResponseWriter, _ *http.Request) { page(w, 504) }, Unknown, 0, "Gateway of the house"},
			{"no answer", reset, Unknown, 0, "may have taken effect"},
			{"half an answer", truncated, Unknown, 0, "may have taken effect"},
			{"a page", func(w http.ResponseWriter, _ *http.Request) { page(w, 200) }, Unknown, 0, "something in between"},
			{"a limit", func(w http.ResponseWriter, _ *http.Request) { throttle(w) }, Unsent, 7 * time.Second, "limit has been exceeded"},
		} {
			p := newPod(t)
			p.pools[0]["access_group_id"] = "ag-1"
			p.takeActions(t, c.answer)
			err := act(t.Context(), p.client(t, func(cfg *Config) { cfg.MaxRetries = 4 }))
			var write *WriteError
			if !errors.As(err, &write) || write.Effect != c.effect || write.RetryAfter != c.retry || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: %v", name, c.name, err)
			}
			p.wantCounts(t, map[string]int{"POST /rest/inventory": 1})
		}
	}
}

func TestActionOnAServerThatIsNotThereIsUnsent(t *testing.T) {
	p := newPod(t)
	client := p.client(t, func(cfg *Config) { cfg.MaxRetries = 4 })
	if _, err := client.Pool(t.Context(), poolA); err != nil {
		t.Fatal(err)
	}
	p.Close()
	client.transport.HTTPClient().CloseIdleConnections()
	var write *WriteError
	if err := client.CancelScheduledPush(t.Context(), poolA); !errors.As(err, &write) || write.Effect != Unsent || write.RetryAfter != shortWait {
		t.Errorf("%v", err)
	}
}

func TestActionOnAPoolThatIsGone(t *testing.T) {
	for _, c := range []struct {
		name     string
		pool     string
		answer   http.HandlerFunc
		notFound bool
	}{
		{"Horizon's own words", poolA, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "x", "no such pool") }, true},
		{"a page, and the pool is listed", poolA, func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, false},
		{"a page, and it is not", otherID, func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, true},
	} {
		p := newPod(t)
		p.takeActions(t, c.answer)
		err := p.client(t, nil).CancelScheduledPush(t.Context(), c.pool)
		var write *WriteError
		if errors.Is(err, ErrNotFound) != c.notFound || !errors.As(err, &write) || write.Effect != Refused {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAnswersWithoutAFailureAreSuccess(t *testing.T) {
	for _, body := range []string{"", "null", "{}", "[]", `[{"id":"m-1","status_code":200}]`} {
		p := newPod(t)
		p.takeActions(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, body)
		})
		client := p.client(t, nil)
		for name, act := range actions {
			if err := act(t.Context(), client); err != nil {
				t.Errorf("%s, %q: %v", name, body, err)
			}
		}
	}
}

func TestMachinesThatTheServerRefusesAreNamed(t *testing.T) {
	for status, says := range map[int]string{400: "m-2: status 400, busy", 403: "needs POOL_SVI_IMAGE_MANAGEMENT on the access group of the desktop pool " + poolA} {
		for _, name := range []string{"SchedulePush", "ApplyImage"} {
			p := newPod(t)
			p.takeActions(t, func(w http.ResponseWriter, _ *http.Request) {
				reply(w, 200, []map[string]any{{"id": "m-1", "status_code": 200}, {"id": "m-2", "status_code": status, "errors": []map[string]any{{"error_key": "k", "error_message": "busy"}}}})
			})
			err := actions[name](t.Context(), p.client(t, nil))
			var partial *PartialError
			var write *WriteError
			if !errors.As(err, &partial) || len(partial.Items) != 1 || partial.Total != 2 || !errors.As(err, &write) || write.Effect != Unknown || !strings.Contains(err.Error(), says) {
				t.Errorf("%s, %d: %v", name, status, err)
			}
		}
	}
}

func TestWhatReleasesLackIsRefusedBeforeItIsSent(t *testing.T) {
	for _, c := range []struct {
		release int
		lacking map[Feature]string // and the words
	}{
		{2012, map[Feature]string{
			SelectivePush: "a selective push needs Horizon 2206 or newer, and this server is older than 2103", PushComputeProfile: "2206", PushVirtualGPUs: "2512",
			PromoteImage: "2206", ApplyToMachines: "2206", ResumePushTask: "resuming a task needs Horizon 2111 or newer",
		}},
		{2111, map[Feature]string{SelectivePush: "this server is 2111 or newer, and older than 2206", PushComputeProfile: "2206", PushVirtualGPUs: "2512", PromoteImage: "2206", ApplyToMachines: "2206"}},
		{2206, map[Feature]string{PushVirtualGPUs: "2512"}},
		{2503, map[Feature]string{PushVirtualGPUs: "2512"}},
		{2512, nil},
	} {
		for f := range features {
			p := newPod(t)
			p.Release = c.release
			err := p.client(t, nil).Supports(t.Context(), f)
			var unsupported *UnsupportedError
			says, lacking := c.lacking[f]
			if errors.As(err, &unsupported) != lacking || lacking != (err != nil) || lacking && !strings.Contains(err.Error(), says) {
				t.Errorf("%s on %d: %v", f, c.release, err)
			}
		}
	}
	p := newPod(t)
	p.Release = 2012
	p.takeActions(t, nil)
	client := p.client(t, nil)
	for name, act := range actions {
		var unsupported *UnsupportedError
		if err := act(t.Context(), client); errors.As(err, &unsupported) == (name == "CancelScheduledPush") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.wantCounts(t, map[string]int{"POST /rest/inventory": 1})
}

func TestWhatReadingAPoolHasShownNeedsNoQuestion(t *testing.T) {
	p := newPod(t)
	p.takeActions(t, nil)
	client := p.client(t, nil)
	if _, err := client.Pool(t.Context(), poolA); err != nil {
		t.Fatal(err)
	}
	p.forget()
	for name, act := range actions {
		if err := act(t.Context(), client); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.wantCounts(t, map[string]int{"GET": 0, "POST /rest/inventory": len(actions)})
}

func TestReleaseThatMayNotBeFoundOutIsTried(t *testing.T) {
	p := newPod(t)
	p.takeActions(t, nil)
	take := p.Intercept
	p.Intercept = func(w http.ResponseWriter, r *http.Request, body string) bool {
		if r.Method == http.MethodGet {
			refuse(w, 403, "x", "not for you")
			return true
		}
		return take(w, r, body)
	}
	for name, act := range actions {
		if err := act(t.Context(), p.client(t, nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.Method == http.MethodGet {
			page(w, 503)
		}
		return r.Method == http.MethodGet
	}
	for name, act := range actions {
		var write *WriteError
		if name == "CancelScheduledPush" {
			continue
		}
		if err := act(t.Context(), p.client(t, nil)); !errors.As(err, &write) || write.Effect != Unsent {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingIsSentOfWhatIsNotWhole(t *testing.T) {
	good := PushSpec{Image: v2, LogoffPolicy: WaitForLogoff}
	with := func(change func(*PushSpec)) func(context.Context, *Client) error {
		spec := good
		change(&spec)
		return func(ctx context.Context, c *Client) error { return c.SchedulePush(ctx, poolA, spec) }
	}
	p := newPod(t)
	p.takeActions(t, nil)
	client := p.client(t, nil)
	for name, act := range map[string]func(context.Context, *Client) error{
		"no snapshot":     with(func(s *PushSpec) { s.Image.SnapshotID = "" }),
		"no tag":          with(func(s *PushSpec) { s.Image = PoolImage{StreamID: streamID} }),
		"no image":        with(func(s *PushSpec) { s.Image = PoolImage{} }),
		"no policy":       with(func(s *PushSpec) { s.LogoffPolicy = "" }),
		"another policy":  with(func(s *PushSpec) { s.LogoffPolicy = "NEVER" }),
		"a machine twice": with(func(s *PushSpec) { s.Selective = &SelectiveSpec{MachineIDs: []string{"m-1", "m-1"}} }),
		"a nameless one":  with(func(s *PushSpec) { s.Selective = &SelectiveSpec{MachineIDs: []string{""}} }),
		"a strange pool":  func(ctx context.Context, c *Client) error { return c.SchedulePush(ctx, "../x", good) },
		"no machine":      func(ctx context.Context, c *Client) error { return c.ApplyImage(ctx, poolA, nil, PendingImage) },
		"no such image": func(ctx context.Context, c *Client) error {
			return c.ApplyImage(ctx, poolA, []string{"m-1"}, "former")
		},
		"a path for a machine": func(ctx context.Context, c *Client) error {
			return c.ApplyImage(ctx, poolA, []string{"m/1"}, PendingImage)
		},
		"a path for a task": func(ctx context.Context, c *Client) error { return c.ResumeTask(ctx, poolA, "t/1", ResumeSpec{}) },
	} {
		var write *WriteError
		if err := act(t.Context(), client); !errors.As(err, &write) || write.Effect != Unsent {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.wantCounts(t, map[string]int{"POST /rest/inventory": 0})
}

func TestApplyImageNamesTheImageAlways(t *testing.T) {
	for choice, pending := range map[ImageChoice]string{PendingImage: "true", CurrentImage: "false"} {
		p := newPod(t)
		p.takeActions(t, nil)
		if err := p.client(t, nil).ApplyImage(t.Context(), poolA, []string{"m-1", "m-2"}, choice); err != nil {
			t.Error(err)
		}
		path := "POST /rest/inventory/v1/desktop-pools/" + poolA + "/action/apply-image?pending_image=" + pending
		if got := p.lastBody(path); got != `["m-1","m-2"]` {
			t.Errorf("%s: %q", choice, got)
		}
	}
}

func TestCancelledCallerFinishesTheActionInFlight(t *testing.T) {
	p := newPod(t)
	ctx, cancel := context.WithCancel(t.Context())
	p.takeActions(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(http.StatusNoContent)
	})
	client := p.client(t, nil)
	if err := client.CancelScheduledPush(ctx, poolA); err != nil {
		t.Error(err)
	}
	var write *WriteError
	if err := client.CancelScheduledPush(ctx, poolA); !errors.Is(err, context.Canceled) || !errors.As(err, &write) || write.Effect != Unsent {
		t.Errorf("%v", err)
	}
	p.wantCounts(t, map[string]int{"POST /rest/inventory": 1})
}

func TestPoolsAreListedAnewAfterAnAction(t *testing.T) {
	p := newPod(t)
	p.takeActions(t, nil)
	client := p.client(t, nil)
	for _, lists := range []int{1, 2} {
		for range 2 {
			if _, err := client.RecentPools(t.Context()); err != nil {
				t.Error(err)
			}
		}
		p.wantCounts(t, map[string]int{"GET": lists})
		if err := client.CancelScheduledPush(t.Context(), poolA); err != nil {
			t.Error(err)
		}
	}
}

func TestPoolSaysAllThatAPushIsDecidedBy(t *testing.T) {
	p := newPod(t)
	p.pools[0] = map[string]any{
		"id": poolA, "name": "Alpha", "type": "AUTOMATED", "source": "INSTANT_CLONE", "access_group_id": "ag-1", "stop_provisioning_on_error": true, "num_machines": 12,
		"display_protocol_settings": map[string]any{"grid_vgpus_enabled": true, "vgpu_grid_profile": "grid-a"},
		"provisioning_settings": map[string]any{
			"parent_vm_id": "vm-7", "base_snapshot_id": "snapshot-8", "add_virtual_tpm": true,
			"compute_profile_num_cpus": 4, "compute_profile_num_cores_per_socket": 2, "compute_profile_ram_mb": 8192,
		},
		"provisioning_status_data": map[string]any{
			"instant_clone_operation": "SCHEDULE_PUSH_IMAGE", "instant_clone_current_image_state": "READY", "instant_clone_pending_image_state": "READY",
			"instant_clone_pending_image_parent_vm_id": "vm-8", "instant_clone_pending_image_snapshot_id": "snapshot-9",
			"instant_clone_push_image_settings":  map[string]any{"logoff_policy": "FORCE_LOGOFF", "stop_on_first_error": false, "add_virtual_tpm": false, "start_time": 1935742800123},
			"pending_compute_profile_num_cpus":   8,
			"last_provisioning_error":            "no\nspace",
			"last_provisioning_error_time":       1935742000000,
			"instant_clone_pending_image_error":  "",
			"instant_clone_pending_im_tag_id":    nil,
			"instant_clone_pending_im_stream_id": nil,
		},
	}
	want := Pool{
		ID: poolA, Name: "Alpha", Type: "AUTOMATED", Source: "INSTANT_CLONE", AccessGroupID: "ag-1", StopProvisioningOnError: the(true), NumMachines: the(int64(12)),
		Current: PoolImage{ParentVMID: "vm-7", SnapshotID: "snapshot-8"}, AddVirtualTPM: the(true), Compute: &ComputeProfile{4, 2, 8192},
		GridVGPUsEnabled: the(true), VGPUGridProfile: "grid-a",
		Pending: PoolImage{ParentVMID: "vm-8", SnapshotID: "snapshot-9"}, PendingCompute: &ComputeProfile{NumCPUs: 8},
		PushSettings: &PushSettings{LogoffPolicy: ForceLogoff, StopOnFirstError: the(false), AddVirtualTPM: the(false), StartTime: time.UnixMilli(1935742800123).UTC()},
		Operation:    "SCHEDULE_PUSH_IMAGE", CurrentState: "READY", PendingState: "READY",
		LastProvisioningError: "no space", LastProvisioningErrorTime: time.UnixMilli(1935742000000).UTC(),
	}
	date := "Tue, 06 May 2031 12:00:00 GMT"
	p.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.Header()["Date"] = nil
		if date != "" {
			w.Header().Set("Date", date)
		}
		return false
	}
	want.ServerTime = noon
	client := p.client(t, nil)
	pools, err := client.Pools(t.Context())
	if err != nil || !reflect.DeepEqual(*pools[0], want) {
		t.Errorf("%v\n%+v\n%+v", err, *pools[0], want)
	}
	if beta := pools[1]; beta.Compute != nil || beta.PushSettings != nil || beta.NumMachines != nil || !beta.LastProvisioningErrorTime.IsZero() {
		t.Errorf("%+v", beta)
	}
	pool, err := client.Pool(t.Context(), poolA)
	if err != nil || !reflect.DeepEqual(*pool, want) {
		t.Errorf("%v\n%+v\n%+v", err, *pool, want)
	}
	// It is kept between runs.
	kept, err := json.Marshal(pool)
	var back Pool
	if err != nil || json.Unmarshal(kept, &back) != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("%v %s", err, kept)
	}
	date = ""
	if pool, err := client.Pool(t.Context(), poolA); err != nil || !pool.ServerTime.IsZero() {
		t.Errorf("%v %v", err, pool)
	}
}

// TestActionsAreThoseOfTheVendorsDocuments holds every request of an action, and
// of reading tasks, against the vendor's OpenAPI of each release that has it.
func TestActionsAreThoseOfTheVendorsDocuments(t *testing.T) {
	t.Parallel()
	for _, release := range contract.Releases() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			c := contract.Load(t, release)
			p := newPod(t)
			p.Release, _ = strconv.Atoi(release)
			checked := 0
			p.takeActions(t, nil)
			take := p.Intercept
			p.Intercept = func(w http.ResponseWriter, r *http.Request, body string) bool {
				action := actionRoute.MatchString(r.URL.Path)
				if action || strings.Contains(r.URL.Path, "/tasks") {
					checked++
					if err := c.CheckRequest(r, []byte(body)); err != nil {
						t.Errorf("%s: %v", r.URL, err)
					}
				}
				if !action && strings.Contains(r.URL.Path, "/tasks") {
					reply(w, 200, []any{})
					return true
				}
				return take(w, r, body)
			}
			client, ctx := p.client(t, nil), t.Context()
			tasks, err := client.Tasks(ctx, poolA)
			errs := []error{err, client.CancelScheduledPush(ctx, poolA), client.PromotePendingImage(ctx, poolA)}
			for _, choice := range []ImageChoice{PendingImage, CurrentImage} {
				errs = append(errs, client.ApplyImage(ctx, poolA, []string{otherID}, choice))
			}
			errs = append(errs, client.ResumeTask(ctx, poolA, otherID, ResumeSpec{RetryFailedMachines: true}))
			full := PushSpec{Image: v2, LogoffPolicy: WaitForLogoff, StopOnFirstError: true, StartTime: night}
			hardware, some, graphics := full, full, full
			hardware.Compute = &ComputeProfile{NumCPUs: 4, NumCoresPerSocket: 2, RAMMB: 8192}
			some.Selective = &SelectiveSpec{MachineIDs: []string{otherID}}
			some.Image = PoolImage{StreamID: streamID, TagID: tagID}
			graphics.GridVGPUsEnabled, graphics.VGPUGridProfile = the(true), "grid-a"
			for _, spec := range []PushSpec{full, hardware, some, graphics} {
				errs = append(errs, client.SchedulePush(ctx, poolA, spec))
			}
			sent := 0
			for _, err := range errs {
				var unsupported *UnsupportedError
				if err == nil {
					sent++
				} else if !errors.As(err, &unsupported) {
					t.Error(err)
				}
			}
			if checked != sent || sent < 3 || len(tasks) != 0 {
				t.Errorf("%d requests were checked, %d were sent", checked, sent)
			}
		})
	}
}
