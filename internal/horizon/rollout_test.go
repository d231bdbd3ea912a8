package horizon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// The images that the simulated pod has for ENGINEERING, which runs the first one.
var (
	gold1 = PoolImage{ParentVMID: "vm-1002", SnapshotID: "snapshot-1004"}
	gold2 = PoolImage{ParentVMID: "vm-1002", SnapshotID: "snapshot-1005"}
	gold3 = PoolImage{ParentVMID: "vm-1002", SnapshotID: "snapshot-1006"}
)

const engineering = "ENGINEERING"

// stage is a simulated pod with a client that lives by the pod's clock, and what is
// kept of one rollout for the next.
type stage struct {
	t *testing.T
	*simulator.Simulator
	client *Client
	server *httptest.Server
	poolID string

	claim *Claim
	sent  []SentCall
	last  *Target

	mu     sync.Mutex
	events []event
	// arrives is called with each request that arrives, by its number from 1 on.
	arrives  func(n int)
	requests int
	progress []string
}

// event is what happens at a time, while somebody sleeps.
type event struct {
	at time.Time
	do func()
}

// mostRequests is more than any rollout needs.
const mostRequests = 1500

type staging struct {
	release  string
	assumed  []string // NAME=VALUE
	unruly   bool     // answers are broken on purpose
	free     bool     // answers are not held against the vendor's documents
	deadline time.Duration
}

func newStage(t *testing.T, o staging) *stage {
	t.Helper()
	if o.release == "" {
		o.release = "2512"
	}
	assumptions := map[string]string{}
	for _, a := range o.assumed {
		name, value, _ := strings.Cut(a, "=")
		assumptions[name] = value
	}
	began := time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)
	st := &stage{t: t, Simulator: simulator.New(simulator.Options{Release: o.release, Assumptions: assumptions, Clock: func() time.Time { return began }})}
	var handler http.Handler = st.Simulator
	if !o.unruly && !o.free {
		handler = contract.GuardAnswers(t, o.release, handler)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		st.mu.Lock()
		arrives := st.arrives
		if !strings.HasSuffix(r.URL.Path, "/login") && !strings.HasSuffix(r.URL.Path, "/refresh") {
			st.requests++
		}
		n := st.requests
		st.mu.Unlock()
		if arrives != nil {
			arrives(n)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	st.server = server
	d := st.Describe(server.URL)
	config := Config{URL: d.Horizon, Domain: d.Domain, Username: d.Username, Password: d.Password, RequestTimeout: o.deadline, Getenv: func(string) string { return "" }}
	target, err := config.resolve()
	if err != nil {
		t.Fatal(err)
	}
	target.transport.Sleep = st.sleep
	if st.client, err = newClient(target, &registry{}, st.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.client.transport.HTTPClient().CloseIdleConnections)
	st.client.sleep = st.sleep
	st.poolID, _ = st.Pool(engineering)["id"].(string)
	return st
}

// sleep moves the pod's clock, to each event on the way.
func (st *stage) sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	until := st.Now().Add(d)
	for {
		st.mu.Lock()
		next := event{at: until}
		i := slices.IndexFunc(st.events, func(e event) bool { return !e.at.After(until) })
		if i >= 0 {
			next = st.events[i]
			st.events = slices.Delete(st.events, i, i+1)
		}
		st.mu.Unlock()
		if rest := next.at.Sub(st.Now()); rest > 0 {
			st.Advance(rest)
		}
		if i < 0 {
			return context.Cause(ctx)
		}
		next.do()
	}
}

// in lets something happen after a while of sleep; in the order of the calls.
func (st *stage) in(d time.Duration, do func()) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.events = append(st.events, event{st.Now().Add(d), do})
}

func (st *stage) must(err error) {
	st.t.Helper()
	if err != nil {
		st.t.Fatal(err)
	}
}

// somebody pushes an image, and so much time passes.
func (st *stage) somebody(p simulator.Push, passes time.Duration) {
	st.t.Helper()
	p.VMID = gold1.ParentVMID
	st.must(st.PushAsSomebodyElse(engineering, p))
	st.Advance(passes)
}

// rollout is one that wants an image, with what is kept of the one before.
func (st *stage) rollout(image PoolImage, change func(*Rollout)) Rollout {
	r := Rollout{
		PoolID: st.poolID, Interval: 30 * time.Second, Sleep: st.sleep,
		Input:    DecisionInput{Wanted: Target{Image: image}, Claim: st.claim, Sent: st.sent, LastWanted: st.last, Reschedule: true},
		Progress: func(p string) { st.progress = append(st.progress, p) },
	}
	if change != nil {
		change(&r)
	}
	return r
}

// run rolls out, and keeps what a caller has to keep.
func (st *stage) run(ctx context.Context, r Rollout) (*Outcome, error) {
	st.t.Helper()
	st.mu.Lock()
	st.requests = 0
	st.mu.Unlock()
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	before := st.arrives
	st.arrives = func(n int) {
		if n > mostRequests {
			st.t.Errorf("more than %d requests", mostRequests)
			cancel()
		}
		if before != nil {
			before(n)
		}
	}
	out, err := st.client.RollOut(limited, r)
	st.arrives = before
	st.claim, st.sent = out.Claim, out.Sent
	if out.Reached && r.Input.Purpose == RunImage {
		st.last = &r.Input.Wanted
	}
	return out, err
}

// roll rolls out what has to succeed.
func (st *stage) roll(image PoolImage, change func(*Rollout)) *Outcome {
	st.t.Helper()
	out, err := st.run(st.t.Context(), st.rollout(image, change))
	if err != nil || !out.Reached {
		st.t.Fatalf("rolling %s out: %v, %+v", image, err, out)
	}
	return out
}

// first is the first decision of a rollout.
func (st *stage) first(r Rollout) Decision {
	st.t.Helper()
	p, err := st.client.Pool(st.t.Context(), st.poolID)
	st.must(err)
	in := r.Input
	in.Pool, in.Now, in.Began = p, p.ServerTime, p.ServerTime
	return Decide(in)
}

var acted = regexp.MustCompile(`/rest/inventory/(v\d)/desktop-pools/[^/]+/(?:action/([a-z-]+)|tasks/[^/]+/action/([a-z]+))$`)

// short are the names of actions in tests.
var short = map[string]string{
	"schedule-push-image": "push", "cancel-scheduled-push-image": "cancel", "promote-pending-image": "promote", "apply-image": "apply", "resume": "resume",
}

// effects are the actions that took effect since the start or the last reset.
func (st *stage) effects() []string {
	all := []string{}
	for _, r := range st.Requests() {
		action := acted.FindStringSubmatch(r.Path)
		done := r.Status >= 200 && r.Status < 300 && r.Fault != simulator.EffectStatus || r.Fault == simulator.EffectResetAfter
		if r.Method != http.MethodPost || action == nil || !done || r.Fault == simulator.EffectSilentDrop {
			continue
		}
		name := short[action[2]+action[3]]
		switch {
		case r.Query == "pending_image=true":
			name += " pending"
		case name == "apply":
			name += " current"
		}
		all = append(all, name)
	}
	return all
}

// asked are all actions that were asked for, also those that were refused.
func (st *stage) asked() int {
	n := 0
	for _, r := range st.Requests() {
		if r.Method == http.MethodPost && acted.MatchString(r.Path) {
			n++
		}
	}
	return n
}

// state is the pool in a line: operation, pending state and image, current image.
func (st *stage) state() string {
	p := st.Pool(engineering)
	status, _ := p["provisioning_status_data"].(map[string]any)
	settings, _ := p["provisioning_settings"].(map[string]any)
	text := func(m map[string]any, name string) string {
		s, _ := m[name].(string)
		return strings.NewReplacer("snapshot-1004", "1", "snapshot-1005", "2", "snapshot-1006", "3").Replace(s)
	}
	pending := ""
	if s := text(status, "instant_clone_pending_image_state"); s != "" {
		pending = s + " " + text(status, "instant_clone_pending_image_snapshot_id") + ", "
	}
	return text(status, "instant_clone_operation") + ", " + pending + "runs " + text(settings, "base_snapshot_id")
}

// on are the numbers of the machines on an image.
func (st *stage) on(image PoolImage) string {
	var all []string
	for name, m := range st.PoolMachines(engineering) {
		if m["managed_machine_data"].(map[string]any)["base_vm_snapshot_id"] == image.SnapshotID {
			all = append(all, strings.TrimPrefix(name, "ENG-"))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// verdict puts an error into a word.
func verdict(err error) string {
	var (
		refusal   *RefusalError
		unplanned *UnplannedError
		publish   *PublishError
		halted    *HaltedError
		leaving   *LeavingError
		unseen    *UnseenError
		write     *WriteError
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return string(refusal.Finding.Matter)
	case errors.As(err, &unplanned):
		return "unplanned"
	case errors.As(err, &publish):
		return "publish: " + publish.Message
	case errors.As(err, &halted):
		return "halted"
	case errors.As(err, &leaving):
		return "leaving"
	case errors.As(err, &unseen):
		return "unseen"
	case errors.As(err, &write):
		return fmt.Sprintf("write %d", write.Effect)
	}
	return err.Error()
}

func canaries(names ...string) *Selective {
	s := &Selective{}
	for _, n := range names {
		s.Names = append(s.Names, "ENG-"+n)
	}
	return s
}

// rowCase is a way into a row of the table.
type rowCase struct {
	row     int
	name    string
	needs   string // the first release
	prepare func(*stage)
	image   PoolImage
	change  func(*Rollout)

	effects  []string
	state    string
	verdict  string
	idle     bool // it is not reached
	warnings []Matter
	// claim is what is claimed afterwards: "pushed", "adopted", "" for nothing.
	claim string
	also  func(*stage, *Outcome)
}

func rowCases() []rowCase {
	in := func(change func(*DecisionInput)) func(*Rollout) { return func(r *Rollout) { change(&r.Input) } }
	steer := func(operation, state, snapshot, message string) func(*stage) {
		return func(st *stage) {
			st.must(st.SetPoolOperation(engineering, simulator.PoolOperation{Operation: operation, PendingState: state, PendingSnapshotID: snapshot, Error: message}))
		}
	}
	var none []string
	tonight := noon.Add(10 * time.Hour)
	scheduled := func(image PoolImage) func(*stage) {
		return func(st *stage) { st.roll(image, in(func(in *DecisionInput) { in.StartTime = tonight })) }
	}
	held := func(image PoolImage, names ...string) func(*stage) {
		return func(st *stage) {
			st.roll(image, in(func(in *DecisionInput) { in.Selective = canaries(names...) }))
			st.Advance(15 * time.Minute)
		}
	}
	eight := &ComputeProfile{8, 2, 16384}
	return []rowCase{
		{row: 1, name: "pool that is deleted", prepare: func(st *stage) { st.must(st.SetPool(engineering, simulator.PoolSettings{DeleteInProgress: true})) },
			effects: none, state: "NONE, runs 1", verdict: string(PoolDeleted)},
		{row: 1, name: "pool that is unpublished", prepare: steer("FINAL_UNPUBLISH", "", "", ""), effects: none, state: "FINAL_UNPUBLISH, runs 1", verdict: string(PoolDeleted)},
		{row: 2, name: "drift that is held", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID}, 12*time.Minute)
			st.last = &Target{Image: gold2}
		}, change: in(func(in *DecisionInput) { in.OnDrift = HoldDrift }), effects: none, state: "NONE, runs 3", idle: true, warnings: []Matter{DriftHeld}},
		{row: 3, name: "pool that was never published", prepare: steer("INITIAL_PUBLISH", "FAILED", "", "no datastore"), effects: none, state: "INITIAL_PUBLISH, FAILED 1, runs 1", verdict: string(PublishFailed)},
		{row: 4, name: "push that fails", prepare: func(st *stage) {
			st.must(st.FailPublish(engineering, "no space"))
			st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID}, 6*time.Minute+10*time.Second)
		}, effects: []string{"push"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 4, name: "push that fails for good", prepare: steer("SCHEDULE_PUSH_IMAGE", "FAILED", gold3.SnapshotID, "no space"), effects: none, state: "SCHEDULE_PUSH_IMAGE, FAILED 3, runs 1", verdict: string(PublishFailed)},
		{row: 5, name: "infrastructure that changes", prepare: func(st *stage) {
			steer("INFRASTRUCTURE_CHANGE", "", "", "")(st)
			st.in(4*time.Minute, func() { steer("NONE", "", "", "")(st) })
		}, effects: []string{"push"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 5, name: "push that is taken back", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, StartTime: tonight}, time.Hour)
			st.must(st.CancelAsSomebodyElse(engineering))
		}, effects: []string{"push"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 6, name: "publishing without an operation that ends", prepare: func(st *stage) {
			steer("NONE", "PUBLISHING", gold3.SnapshotID, "")(st)
			st.in(time.Minute, func() { steer("NONE", "", "", "")(st) })
		}, effects: []string{"push"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 6, name: "publishing without an operation", prepare: steer("NONE", "PUBLISHING", gold3.SnapshotID, ""), effects: none, state: "NONE, PUBLISHING 3, runs 1", verdict: string(StateUnknown)},
		{row: 7, name: "adoption of a push", prepare: func(st *stage) { st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID}, 2*time.Minute) },
			effects: none, state: "NONE, runs 2"},
		{row: 7, name: "adoption of a push that waits", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID, StartTime: tonight}, 2*time.Minute)
		}, effects: none, state: "SCHEDULE_PUSH_IMAGE, READY 2, runs 1", claim: "adopted"},
		{row: 8, name: "push with other settings under way", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID, LogoffPolicy: ForceLogoff}, 2*time.Minute)
		}, change: in(func(in *DecisionInput) { in.LogoffPolicy = WaitForLogoff }), effects: none, state: "NONE, runs 2"},
		{row: 9, name: "another time", prepare: scheduled(gold2), change: in(func(in *DecisionInput) { in.StartTime = tonight.Add(time.Hour) }),
			effects: []string{"push"}, state: "SCHEDULE_PUSH_IMAGE, READY 2, runs 1", claim: "pushed", also: func(st *stage, out *Outcome) {
				if !out.Pool.PushSettings.StartTime.Equal(tonight.Add(time.Hour)) || !out.Claim.Spec.StartTime.Equal(tonight.Add(time.Hour)) {
					st.t.Errorf("the time is %s", out.Pool.PushSettings.StartTime)
				}
			}},
		{row: 9, name: "another time that is not sent", prepare: scheduled(gold2), change: in(func(in *DecisionInput) { in.StartTime, in.Reschedule = tonight.Add(time.Hour), false }),
			effects: none, state: "SCHEDULE_PUSH_IMAGE, READY 2, runs 1", claim: "pushed", warnings: []Matter{TimeStays}},
		{row: 9, name: "another time of somebody's push", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID, StartTime: tonight}, time.Hour)
		}, change: in(func(in *DecisionInput) { in.StartTime = tonight.Add(time.Hour) }),
			effects: none, state: "SCHEDULE_PUSH_IMAGE, READY 2, runs 1", claim: "adopted", warnings: []Matter{TimeFixed}},
		{row: 10, name: "other settings", prepare: scheduled(gold2), change: in(func(in *DecisionInput) { in.StartTime, in.LogoffPolicy = tonight, ForceLogoff }),
			effects: []string{"cancel", "push"}, state: "SCHEDULE_PUSH_IMAGE, READY 2, runs 1", claim: "pushed", also: func(st *stage, out *Outcome) {
				if out.Pool.PushSettings.LogoffPolicy != ForceLogoff {
					st.t.Errorf("%+v", out.Pool.PushSettings)
				}
			}},
		{row: 10, name: "other settings of somebody's push", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID, StartTime: tonight}, time.Hour)
		}, change: in(func(in *DecisionInput) { in.LogoffPolicy = ForceLogoff }), effects: none, state: "SCHEDULE_PUSH_IMAGE, READY 2, runs 1", verdict: string(SettingsConflict)},
		{row: 11, name: "somebody's plans", image: gold1, prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, StartTime: tonight}, time.Hour)
		}, change: in(func(in *DecisionInput) { in.OnConflict = OverwriteConflict }),
			effects: none, state: "SCHEDULE_PUSH_IMAGE, READY 3, runs 1", warnings: []Matter{ScheduledElsewhere}},
		{row: 12, name: "one's own plans", prepare: scheduled(gold3), effects: []string{"cancel", "push"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 12, name: "one's own plans for what runs", image: gold1, prepare: scheduled(gold3), effects: []string{"cancel"}, state: "NONE, runs 1", claim: "pushed"},
		{row: 12, name: "somebody's plans in the way", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, StartTime: tonight}, time.Hour)
		}, effects: none, state: "SCHEDULE_PUSH_IMAGE, READY 3, runs 1", verdict: string(ScheduleConflict)},
		{row: 12, name: "somebody's plans that are overwritten", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, StartTime: tonight}, time.Hour)
		}, change: in(func(in *DecisionInput) { in.OnConflict = OverwriteConflict }), effects: []string{"cancel", "push"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 13, name: "another push under way", prepare: func(st *stage) { st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID}, 2*time.Minute) },
			change:  in(func(in *DecisionInput) { in.OnConflict = OverwriteConflict }),
			effects: []string{"push"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 14, name: "canary with other hardware of what runs", needs: "2206", image: gold1, prepare: func(st *stage) {
			st.roll(gold1, in(func(in *DecisionInput) { in.Wanted.Compute, in.Selective = eight, canaries("001") }))
			st.Advance(5 * time.Minute)
		}, effects: []string{"apply current", "cancel"}, state: "NONE, runs 1", claim: "pushed"},
		{row: 14, name: "somebody's canary with other hardware of what runs", needs: "2206", image: gold1, prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold1.SnapshotID, CPUs: 8, CoresPerSocket: 2, RAMMB: 16384, Selective: true, Machines: []string{"ENG-001"}}, 15*time.Minute)
		}, effects: none, state: "NONE, READY_HELD 1, runs 1"},
		{row: 15, name: "canary that is released", needs: "2206", prepare: held(gold2, "001"), effects: []string{"promote"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 15, name: "canary that is promoted", needs: "2206", prepare: held(gold2, "001"),
			change:  in(func(in *DecisionInput) { in.Selective = &Selective{PromoteImage: gold2.SnapshotID} }),
			effects: []string{"promote"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 16, name: "other canaries", needs: "2206", prepare: held(gold2, "001", "004"), change: in(func(in *DecisionInput) { in.Selective = canaries("002", "003", "004") }),
			effects: []string{"apply pending", "apply current"}, state: "NONE, READY_HELD 2, runs 1", claim: "pushed", also: func(st *stage, _ *Outcome) {
				st.Advance(10 * time.Minute)
				if on := st.on(gold2); on != "002 003 004" {
					st.t.Errorf("%s are on it", on)
				}
			}},
		{row: 16, name: "canaries of somebody's image", needs: "2206", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold2.SnapshotID, Selective: true, Machines: []string{"ENG-001"}}, 15*time.Minute)
		}, change: in(func(in *DecisionInput) { in.Selective = canaries("001", "002") }),
			effects: []string{"apply pending"}, state: "NONE, READY_HELD 2, runs 1", claim: "adopted"},
		{row: 17, name: "somebody's canary", needs: "2206", image: gold1, prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, Selective: true}, 15*time.Minute)
		}, change: in(func(in *DecisionInput) { in.OnConflict = OverwriteConflict }),
			effects: none, state: "NONE, READY_HELD 3, runs 1", warnings: []Matter{HeldElsewhere}},
		{row: 18, name: "somebody's canary in the way", needs: "2206", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, Selective: true}, 15*time.Minute)
		}, effects: none, state: "NONE, READY_HELD 3, runs 1", verdict: string(HoldConflict)},
		{row: 19, name: "one's own canary of another image", needs: "2206", prepare: held(gold3, "001", "002"),
			effects: []string{"apply current", "cancel", "push"}, state: "NONE, runs 2", claim: "pushed", also: func(st *stage, _ *Outcome) {
				if on := st.on(gold3); on != "" {
					st.t.Errorf("%s are on it still", on)
				}
			}},
		{row: 19, name: "one's own canary on what runs", needs: "2206", image: gold1, prepare: held(gold3, "001"), effects: []string{"apply current", "cancel"}, state: "NONE, runs 1", claim: "pushed"},
		{row: 19, name: "somebody's canary that is overwritten", needs: "2206", prepare: func(st *stage) {
			st.somebody(simulator.Push{SnapshotID: gold3.SnapshotID, Selective: true, Machines: []string{"ENG-003"}}, 15*time.Minute)
		}, change: in(func(in *DecisionInput) { in.OnConflict, in.Selective = OverwriteConflict, canaries("005") }),
			effects: []string{"apply current", "cancel", "push"}, state: "NONE, READY_HELD 2, runs 1", claim: "pushed"},
		{row: 20, name: "push", effects: []string{"push"}, state: "NONE, runs 2", claim: "pushed"},
		{row: 20, name: "push that waits", change: in(func(in *DecisionInput) { in.StartTime = tonight }), effects: []string{"push"}, state: "SCHEDULE_PUSH_IMAGE, READY 2, runs 1", claim: "pushed"},
		{row: 20, name: "canary", needs: "2206", change: in(func(in *DecisionInput) { in.Selective = canaries("001") }), effects: []string{"push"}, state: "NONE, READY_HELD 2, runs 1", claim: "pushed"},
		{row: 20, name: "push too late", change: in(func(in *DecisionInput) { in.StartTime = noon }), effects: none, state: "NONE, runs 1", verdict: string(StartTimePassed)},
		{row: 20, name: "what runs", image: gold1, effects: none, state: "NONE, runs 1"},
		{row: 20, name: "push that fails", prepare: func(st *stage) { st.must(st.FailPublish(engineering, "no space")) },
			effects: []string{"push"}, state: "SCHEDULE_PUSH_IMAGE, FAILED 2, runs 1", verdict: "publish: no space", claim: "pushed"},
		{row: 21, name: "operation that is not known", prepare: steer("SUSPEND", "", "", ""), effects: none, state: "SUSPEND, runs 1", verdict: string(StateUnknown)},
	}
}

// TestEveryRowIsRolledOut comes to each row of the table on a simulated pod, and rolls
// an image out from there; what was reached is left alone by the next rollout.
func TestEveryRowIsRolledOut(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"2012", "2106", "2111", "2206", "2312", "2412", "2512"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			reached := map[int]bool{}
			for _, c := range rowCases() {
				if c.needs > release {
					continue
				}
				reached[c.row] = true
				// No document has the names of the last row.
				t.Run(fmt.Sprintf("%d %s", c.row, c.name), func(t *testing.T) { c.check(t, newStage(t, staging{release: release, unruly: c.row == 21})) })
			}
			var missing []int
			for _, r := range Rows() {
				if !reached[r.Number] {
					missing = append(missing, r.Number)
				}
			}
			// A release that knows no selective push holds no image.
			var want []int
			if release < "2206" {
				want = []int{14, 15, 16, 17, 18, 19}
			}
			t.Logf("%s cannot come to the rows %v", release, missing)
			if !slices.Equal(missing, want) {
				t.Errorf("the rows %v are not reached, want %v", missing, want)
			}
		})
	}
}

func (c rowCase) check(t *testing.T, st *stage) {
	t.Helper()
	if c.prepare != nil {
		c.prepare(st)
	}
	if c.image.isZero() {
		c.image = gold2
	}
	st.ResetRequests()
	r := st.rollout(c.image, c.change)
	r.Interval = time.Minute
	if d := st.first(r); d.Row != c.row {
		t.Errorf("it begins in row %d: %+v", d.Row, d)
	}
	out, err := st.run(t.Context(), r)
	if got := verdict(err); got != c.verdict {
		t.Fatalf("it ends with %q, want %q: %v", got, c.verdict, err)
	}
	if got := st.state(); got != c.state {
		t.Errorf("the pool is %q, want %q", got, c.state)
	}
	if got := st.effects(); !slices.Equal(got, c.effects) || st.asked() != len(got) || len(out.Made) != len(got) {
		t.Errorf("%q of %d took effect, want %q; noted are %q", got, st.asked(), c.effects, out.Made)
	}
	if want := c.verdict == "" && !c.idle; out.Reached != want {
		t.Errorf("reached: %t", out.Reached)
	}
	var matters []Matter
	for _, w := range out.Warnings {
		matters = append(matters, w.Matter)
	}
	if !slices.Equal(matters, c.warnings) {
		t.Errorf("warnings: %v, want %v", matters, c.warnings)
	}
	claim := ""
	switch {
	case out.Claim != nil && out.Claim.Spec != nil:
		claim = "pushed"
	case out.Claim != nil:
		claim = "adopted"
	}
	if claim != c.claim {
		t.Errorf("the claim is %q, want %q: %+v", claim, c.claim, out.Claim)
	}
	if pushes := slices.Contains(c.effects, "push"); pushes && !out.Claim.Target.Image.same(c.image) {
		t.Errorf("the claim is on %s", out.Claim.Target.Image)
	}
	if c.also != nil {
		c.also(st, out)
	}
	if c.verdict != "" {
		return
	}
	st.ResetRequests()
	again, err := st.run(t.Context(), st.rollout(c.image, c.change))
	if err != nil || st.asked() != 0 || again.Made != nil || again.Reached != out.Reached {
		t.Errorf("once more: %v, %q, %+v", err, st.effects(), again)
	}
}
