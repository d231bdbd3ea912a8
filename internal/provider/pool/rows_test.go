package pool_test

import (
	"fmt"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// served is the resource through the protocol, without terraform: every plan and every apply is a
// process of its own, as terraform has it.
type served struct {
	t   *testing.T
	pod *steppedPod
	as  tftypes.Type
	// attributes are those of the schema.
	attributes []*tfprotov6.SchemaAttribute

	server  tfprotov6.ProviderServer
	config  members
	state   tftypes.Value
	private []byte
	warned  string
}

func serve(t *testing.T, pod *steppedPod) *served {
	t.Helper()
	s := &served{t: t, pod: pod}
	s.begin()
	s.state = tftypes.NewValue(s.as, nil)
	return s
}

// begin starts a process.
func (s *served) begin() {
	s.t.Helper()
	withoutOwnPod()
	s.server = provider.Server("test")()
	all, err := s.server.GetProviderSchema(s.t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		s.t.Fatal(err)
	}
	schema := all.ResourceSchemas["imageops_desktop_pool_image"]
	s.as, s.attributes = schema.ValueType(), schema.Block.Attributes
	// What the clients of a process keep for all of them must not reach the next one: each
	// finds the pod at another address.
	at, err := url.Parse(s.pod.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	proxy := acceptance.NewServer(s.t, httputil.NewSingleHostReverseProxy(&url.URL{Scheme: at.Scheme, Host: at.Host}))
	section := members{"url": proxy.URL + at.Path, "domain": s.pod.Domain, "username": s.pod.Username, "password": s.pod.Password, "poll_interval": "1ms"}
	answer, err := s.server.ConfigureProvider(s.t.Context(), &tfprotov6.ConfigureProviderRequest{Config: rules.Encoded(all.Provider.ValueType(), members{"horizon": section})})
	if err != nil || len(answer.Diagnostics) > 0 {
		s.t.Fatalf("configuring the provider: %v %s", err, rules.Printed(answer.Diagnostics))
	}
}

func (s *served) decode(v *tfprotov6.DynamicValue) tftypes.Value {
	s.t.Helper()
	value, err := v.Unmarshal(s.as)
	if err != nil {
		s.t.Fatal(err)
	}
	return value
}

// plan refreshes and plans, and returns the errors.
func (s *served) plan() (planned tftypes.Value, private []byte, errors string) {
	s.t.Helper()
	if !s.state.IsNull() {
		read, err := s.server.ReadResource(s.t.Context(), &tfprotov6.ReadResourceRequest{TypeName: "imageops_desktop_pool_image", CurrentState: rules.Encoded(s.as, s.state), Private: s.private})
		if err != nil || len(rules.Errors(read.Diagnostics)) > 0 {
			s.t.Fatalf("reading: %v %s", err, rules.Printed(read.Diagnostics))
		}
		s.state, s.private = s.decode(read.NewState), read.Private
	}
	return s.planFrom(s.state, s.private)
}

func (s *served) planFrom(prior tftypes.Value, before []byte) (planned tftypes.Value, private []byte, errors string) {
	s.t.Helper()
	configured := rules.Value(s.as, s.config)
	proposed := rules.Proposed(s.attributes, prior, configured)
	answer, err := s.server.PlanResourceChange(s.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName: "imageops_desktop_pool_image", PriorState: rules.Encoded(s.as, prior), ProposedNewState: rules.Encoded(s.as, proposed), Config: rules.Encoded(s.as, configured), PriorPrivate: before,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.warned = rules.Printed(answer.Diagnostics)
	if failed := rules.Errors(answer.Diagnostics); len(failed) > 0 {
		return tftypes.Value{}, nil, rules.Printed(failed)
	}
	planned = s.decode(answer.PlannedState)
	if err := rules.PlanError(s.attributes, prior, configured, planned); err != nil {
		s.t.Error(err)
	}
	return planned, answer.PlannedPrivate, ""
}

// apply plans, plans once more in a process of its own, and applies. It returns the errors, of
// whichever step.
func (s *served) apply() string {
	s.t.Helper()
	s.begin()
	first, _, failed := s.plan()
	if failed != "" {
		return failed
	}
	if first.Equal(s.state) {
		return ""
	}
	warned := s.warned
	prior, before := s.state, s.private
	s.begin()
	planned, private, failed := s.planFrom(prior, before)
	if failed != "" {
		return failed
	}
	if !planned.Equal(first) {
		s.t.Fatalf("the plan inside apply differs:\n%s\n%s", first, planned)
	}
	answer, err := s.server.ApplyResourceChange(s.t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: "imageops_desktop_pool_image", PriorState: rules.Encoded(s.as, prior), PlannedState: rules.Encoded(s.as, planned), Config: rules.Encoded(s.as, s.config), PlannedPrivate: private,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.state, s.private = s.decode(answer.NewState), answer.Private
	if err := rules.ResultError(planned, s.state); err != nil && !rules.Failed(answer.Diagnostics) {
		s.t.Error(err)
	}
	s.warned = warned + rules.Printed(answer.Diagnostics)
	return rules.Printed(rules.Errors(answer.Diagnostics))
}

// unchanged fails the test unless a plan changes nothing.
func (s *served) unchanged() {
	s.t.Helper()
	s.begin()
	if planned, _, failed := s.plan(); failed != "" || !planned.Equal(s.state) {
		s.t.Errorf("the plan is not empty: %s\n%s\nwas\n%s", failed, planned, s.state)
	}
}

// rowWorld is what the steps of a row are about.
type rowWorld struct {
	*served
	vm         string
	v1, v2, v3 string
}

func (w *rowWorld) image(snapshot string, more members) {
	w.config = members{"desktop_pool_id": engineering, "parent_vm_id": w.vm, "snapshot_id": snapshot}
	for name, value := range more {
		w.config[name] = value
	}
}

func (w *rowWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *rowWorld) applied() {
	w.t.Helper()
	if failed := w.apply(); failed != "" {
		w.t.Fatal(failed)
	}
	w.unchanged()
	w.pod.ResetRequests()
}

func (w *rowWorld) others(push simulator.Push) {
	w.t.Helper()
	push.VMID, push.VirtualTPM = w.vm, true
	w.must(w.pod.PushAsSomebodyElse("ENGINEERING", push))
}

func (w *rowWorld) in(d time.Duration) time.Time { return w.pod.Now().Add(d) }

func on(machines ...string) members { return members{"machine_names": machines} }

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

const day = 24 * time.Hour

// rowCases lead to each row of the table. A row that ends in success is followed by a plan
// that is empty.
var rowCases = []struct {
	row   int
	name  string
	needs string // the first release that has it
	given func(w *rowWorld)
	// fails is what the error says, none for success; warns what a warning says.
	fails, warns string
	calls        []string
	runs         string // what the pool runs then, or is about to: v1, v2 or v3
}{
	{row: 1, name: "being deleted", given: func(w *rowWorld) {
		w.must(w.pod.SetPool("ENGINEERING", simulator.PoolSettings{DeleteInProgress: true}))
		w.image(w.v2, nil)
	}, fails: "it is being deleted", runs: "v1"},
	{row: 2, name: "drift is held", given: func(w *rowWorld) {
		w.image(w.v1, members{"on_drift": "hold"})
		w.applied()
		w.others(simulator.Push{SnapshotID: w.v3})
		w.pod.Advance(time.Hour)
	}, warns: "A desktop pool is left on another image", runs: "v3"},
	{row: 3, name: "never published", given: func(w *rowWorld) {
		w.must(w.pod.SetPoolOperation("ENGINEERING", simulator.PoolOperation{Operation: "INITIAL_PUBLISH", PendingState: "FAILED", Error: "no datastore"}))
		w.image(w.v2, nil)
	}, fails: "No datastore", runs: "v1"},
	{row: 4, name: "a failed push fades", given: func(w *rowWorld) {
		w.must(w.pod.FailPublish("ENGINEERING", "no space"))
		w.others(simulator.Push{SnapshotID: w.v3})
		w.pod.Advance(5*time.Minute + 10*time.Second)
		w.image(w.v2, nil)
	}, calls: []string{"schedule-push-image"}, runs: "v2"},
	{row: 5, name: "an image is being taken back", given: func(w *rowWorld) {
		w.others(simulator.Push{SnapshotID: w.v3, StartTime: w.in(day)})
		w.pod.Advance(time.Hour)
		w.must(w.pod.CancelAsSomebodyElse("ENGINEERING"))
		w.image(w.v2, nil)
	}, calls: []string{"schedule-push-image"}, runs: "v2"},
	{row: 6, name: "publishing without an operation", given: func(w *rowWorld) {
		w.must(w.pod.SetPoolOperation("ENGINEERING", simulator.PoolOperation{Operation: "NONE", PendingState: "PUBLISHING", PendingSnapshotID: w.v3}))
		w.pod.seen = func(n int) {
			if n == 3 {
				w.must(w.pod.SetPoolOperation("ENGINEERING", simulator.PoolOperation{Operation: "NONE"}))
			}
		}
		w.image(w.v2, nil)
	}, calls: []string{"schedule-push-image"}, runs: "v2"},
	{row: 7, name: "adopted", given: func(w *rowWorld) {
		w.others(simulator.Push{SnapshotID: w.v2})
		w.image(w.v2, nil)
	}, runs: "v2"},
	{row: 8, name: "keeps its settings", given: func(w *rowWorld) {
		w.others(simulator.Push{SnapshotID: w.v2, LogoffPolicy: horizon.ForceLogoff})
		w.image(w.v2, members{"logoff_policy": horizon.WaitForLogoff})
	}, warns: "A push under way keeps its settings", runs: "v2"},
	{row: 9, name: "moved", given: func(w *rowWorld) {
		w.image(w.v2, members{"start_time": at(w.in(day))})
		w.applied()
		w.config["start_time"] = at(w.in(2 * day))
	}, calls: []string{"schedule-push-image"}, runs: "v2"},
	{row: 10, name: "other settings", given: func(w *rowWorld) {
		w.image(w.v2, members{"start_time": at(w.in(day)), "logoff_policy": horizon.WaitForLogoff})
		w.applied()
		w.config["logoff_policy"] = horizon.ForceLogoff
	}, calls: []string{"cancel-scheduled-push-image", "schedule-push-image"}, runs: "v2"},
	{row: 11, name: "scheduled by somebody else", given: func(w *rowWorld) {
		w.image(w.v1, nil)
		w.applied()
		w.others(simulator.Push{SnapshotID: w.v3, StartTime: w.in(day)})
		w.pod.Advance(time.Hour)
	}, warns: "Somebody else has scheduled an image", runs: "v3"},
	{row: 12, name: "another image in its place", given: func(w *rowWorld) {
		w.image(w.v2, members{"start_time": at(w.in(day))})
		w.applied()
		w.image(w.v3, members{"start_time": at(w.in(day))})
	}, calls: []string{"cancel-scheduled-push-image", "schedule-push-image"}, runs: "v3"},
	{row: 12, name: "somebody else's is in the way", given: func(w *rowWorld) {
		w.others(simulator.Push{SnapshotID: w.v3, StartTime: w.in(day)})
		w.image(w.v2, nil)
	}, fails: "on_conflict", runs: "v3"},
	{row: 13, name: "waits for another push", given: func(w *rowWorld) {
		w.others(simulator.Push{SnapshotID: w.v3})
		w.image(w.v2, nil)
	}, calls: []string{"schedule-push-image"}, runs: "v2"},
	{row: 14, name: "a canary of the image that runs", needs: "2206", given: func(w *rowWorld) {
		w.image(w.v1, members{"selective": on("ENG-001"), "compute_profile": members{"num_cpus": 8, "num_cores_per_socket": 2, "ram_mb": 8192}})
		w.applied()
		w.image(w.v1, nil)
	}, calls: []string{"apply-image", "cancel-scheduled-push-image"}, runs: "v1"},
	{row: 15, name: "promoted", needs: "2206", given: func(w *rowWorld) {
		w.image(w.v2, members{"selective": on("ENG-001")})
		w.applied()
		w.image(w.v2, nil)
	}, calls: []string{"promote-pending-image"}, runs: "v2"},
	{row: 16, name: "more canaries", needs: "2206", given: func(w *rowWorld) {
		w.image(w.v2, members{"selective": on("ENG-001")})
		w.applied()
		w.image(w.v2, members{"selective": on("ENG-001", "ENG-002")})
	}, calls: []string{"apply-image"}, runs: "v2"},
	{row: 17, name: "held by somebody else", needs: "2206", given: func(w *rowWorld) {
		w.image(w.v1, nil)
		w.applied()
		w.others(simulator.Push{SnapshotID: w.v3, Selective: true, Machines: []string{"ENG-001"}})
		w.pod.Advance(time.Hour)
	}, warns: "Somebody else holds an image", runs: "v1"},
	{row: 18, name: "somebody else's canary is in the way", needs: "2206", given: func(w *rowWorld) {
		w.others(simulator.Push{SnapshotID: w.v3, Selective: true, Machines: []string{"ENG-001"}})
		w.pod.Advance(time.Hour)
		w.image(w.v2, nil)
	}, fails: "Ask who tries it out", runs: "v1"},
	{row: 19, name: "a canary gives way", needs: "2206", given: func(w *rowWorld) {
		w.image(w.v2, members{"selective": on("ENG-001")})
		w.applied()
		w.image(w.v3, nil)
	}, calls: []string{"apply-image", "cancel-scheduled-push-image", "schedule-push-image"}, runs: "v3"},
	{row: 20, name: "pushed", given: func(w *rowWorld) { w.image(w.v2, nil) }, calls: []string{"schedule-push-image"}, runs: "v2"},
	{row: 20, name: "runs it already", given: func(w *rowWorld) { w.image(w.v1, nil) }, runs: "v1"},
	{row: 21, name: "a state that nobody knows", given: func(w *rowWorld) {
		w.must(w.pod.SetPoolOperation("ENGINEERING", simulator.PoolOperation{Operation: "REBALANCE"}))
		w.image(w.v2, nil)
	}, fails: "REBALANCE", runs: "v1"},
}

func TestEveryRowThroughTheProvider(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"2012", "2206", "2312", "2412", "2512"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			reached := map[int]bool{}
			for _, c := range rowCases {
				if c.needs > release {
					continue
				}
				reached[c.row] = true
				t.Run(fmt.Sprintf("%d %s", c.row, c.name), func(t *testing.T) {
					options := simulator.Options{Release: release}
					start := acceptance.HorizonPod
					if c.row == 21 { // No document has the name.
						start = acceptance.UnguardedPod
					}
					pod := stepped(t, 40*time.Second, options, start)
					w := &rowWorld{served: serve(t, pod)}
					vm, s := golden(t, pod.Pod)
					w.vm, w.v1, w.v2, w.v3 = vm, s["v1"], s["v2"], s["v3"]
					c.given(w)
					pod.ResetRequests()
					failed := w.apply()
					if c.fails == "" && failed != "" || !strings.Contains(failed, c.fails) {
						t.Fatalf("it ends with %q, want %q", failed, c.fails)
					}
					if c.warns != "" && !strings.Contains(w.warned, c.warns) {
						t.Errorf("the warnings are %q, want %q", w.warned, c.warns)
					}
					expectCalls(t, pod.Pod, c.calls...)
					if got, want := effectiveSnapshot(pod), s[c.runs]; got != want {
						t.Errorf("the pool has %v, want %s", got, want)
					}
					if failed == "" {
						w.unchanged()
						expectCalls(t, pod.Pod, c.calls...)
					}
				})
			}
			var missing []int
			for _, r := range horizon.Rows() {
				if !reached[r.Number] {
					missing = append(missing, r.Number)
				}
			}
			var want []int
			if release < "2206" { // Which hold no image.
				want = []int{14, 15, 16, 17, 18, 19}
			}
			t.Logf("%s cannot come to the rows %v", release, missing)
			if !slices.Equal(missing, want) {
				t.Errorf("the rows %v are not reached, want %v", missing, want)
			}
		})
	}
}

// effectiveSnapshot is what the pool runs, or is about to run; an image that is held by somebody
// is that only of one's own.
func effectiveSnapshot(pod *steppedPod) any {
	status, _ := pod.Pool("ENGINEERING")["provisioning_status_data"].(map[string]any)
	if state := status["instant_clone_pending_image_state"]; state == nil || state == "FAILED" || status["instant_clone_operation"] == "INITIAL_PUBLISH" {
		return currentSnapshot(pod.Pod, "ENGINEERING")
	} else if state == "READY_HELD" && len(posts(pod.Pod)) == 0 {
		return currentSnapshot(pod.Pod, "ENGINEERING")
	}
	return status["instant_clone_pending_image_snapshot_id"]
}
