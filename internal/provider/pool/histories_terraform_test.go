package pool_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

const (
	terraformHistories = 25
	// terraformStepsVariable is how many steps each of them has: a step is three commands
	// of terraform, each a process.
	terraformStepsVariable = "IMAGEOPS_POOL_TERRAFORM_STEPS"
	terraformSteps         = 2
)

// TestAccHistories runs a few histories through a real terraform, so that the rules
// that TestHistories plays are terraform's own.
func TestAccHistories(t *testing.T) {
	t.Parallel()
	steps := terraformSteps
	if text := os.Getenv(terraformStepsVariable); text != "" {
		var err error
		if steps, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for seed := uint64(1); seed <= terraformHistories; seed++ {
		if alone := os.Getenv(historyVariable); alone != "" && alone != fmt.Sprint(seed) {
			continue
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			pod := acceptance.UnguardedPod(t, simulator.Options{ClockRate: fast})
			vm, snapshots := golden(t, pod)
			h := &terraformHistory{
				t: t, pod: pod, vm: vm, snapshots: []string{snapshots["v1"], snapshots["v2"], snapshots["v3"]},
				random: rand.New(rand.NewPCG(seed, 3)), //nolint:gosec // Repeatable.
			}
			h.workspace = workspace(t, pod, "")
			for range steps {
				h.step()
				if t.Failed() {
					return
				}
			}
			h.destroy()
		})
	}
}

// terraformHistory is one history under way.
type terraformHistory struct {
	t         *testing.T
	pod       *acceptance.Pod
	workspace *acceptance.Workspace
	random    *rand.Rand
	vm        string
	snapshots []string
	made      bool
}

// write writes a random configuration, and returns the snapshot that it wants.
func (h *terraformHistory) write() string {
	snapshot := pickOne(h.random, h.snapshots...)
	var more []string
	if h.random.IntN(3) == 0 {
		more = append(more, canary(pickOne(h.random, "null", fmt.Sprintf("%q", snapshot)), pickOne(h.random, "ENG-001", "ENG-003")))
	}
	if h.random.IntN(4) == 0 {
		more = append(more, fmt.Sprintf("start_time = %q", h.pod.Now().Add(2000*time.Hour).UTC().Format(time.RFC3339)))
	}
	if h.random.IntN(3) == 0 {
		more = append(more, "add_virtual_tpm = "+pickOne(h.random, "true", "false"))
	}
	if h.random.IntN(3) == 0 {
		more = append(more, `on_conflict = "overwrite"`)
	}
	if h.random.IntN(3) == 0 {
		more = append(more, fmt.Sprintf("on_destroy = %q", pickOne(h.random, "cancel", "rollback", "keep")))
	}
	if h.random.IntN(3) == 0 {
		more = append(more, `lifecycle { create_before_destroy = true }`)
	}
	h.workspace.Write("main.tf", resource(engineering, h.vm, snapshot, more...))
	h.t.Logf("wanted %s, %v", snapshot, more)
	return snapshot
}

// outside pushes an image as somebody else.
func (h *terraformHistory) outside() {
	push := simulator.Push{VMID: h.vm, SnapshotID: pickOne(h.random, h.snapshots...), VirtualTPM: true, Selective: h.random.IntN(3) == 0}
	h.t.Logf("outside %+v", push)
	if err := h.pod.PushAsSomebodyElse("ENGINEERING", push); err != nil {
		h.t.Fatal(err)
	}
}

// looks is the pool with its machines.
func (h *terraformHistory) looks() string {
	h.t.Helper()
	text, err := json.Marshal([]any{h.pod.Pool("ENGINEERING"), h.pod.PoolMachines("ENGINEERING")})
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

func (h *terraformHistory) step() {
	if h.random.IntN(3) == 0 {
		h.outside()
	}
	wanted := h.write()
	before := h.looks()
	var arguments []string
	if h.made && h.random.IntN(4) == 0 {
		arguments = []string{"-replace=imageops_desktop_pool_image.this"}
	}
	plan := h.workspace.PlanSaved("step.plan", arguments...)
	if plan.ExitCode == 1 {
		h.mustBe(plan, "plan", "by somebody else", "somebody else holds")
		return
	}
	planned, known := h.planned()
	between := h.random.IntN(4) == 0
	if between {
		h.outside()
	}
	h.pod.ResetRequests()
	result := h.workspace.ApplySaved("step.plan")
	h.covered(planned, known)
	if result.ExitCode != 0 {
		h.mustBe(result, "apply", "by somebody else", "somebody else holds", "as it was when this was planned", "inconsistent final plan", "could not be published")
		// The pod's clock runs fast: machines may have come to an image meanwhile.
		if !between && before == h.looks() && !strings.Contains(result.Text(), "could not be published") {
			h.t.Errorf("nothing has changed between plan and apply:\n%s", result.Text())
		}
		return
	}
	h.made = true
	if between || strings.Contains(result.Text(), "needs more than was planned") {
		return
	}
	status, _ := h.pod.Pool("ENGINEERING")["provisioning_status_data"].(map[string]any)
	if current := currentSnapshot(h.pod, "ENGINEERING"); current != wanted && status["instant_clone_pending_image_snapshot_id"] != wanted {
		h.t.Errorf("the pool runs %v, and has %v; wanted is %s", current, status, wanted)
	}
	noop(h.t, h.workspace)
}

// mustBe fails the test when a command failed for another reason.
func (h *terraformHistory) mustBe(result acceptance.Result, what string, reasons ...string) {
	h.t.Helper()
	// Terraform wraps lines.
	text := strings.Join(strings.Fields(strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(result.Text())), " ")
	if !slices.ContainsFunc(reasons, func(reason string) bool { return strings.Contains(text, reason) }) {
		h.t.Errorf("the %s failed:\n%s", what, result.Text())
	}
	h.t.Logf("the %s was refused", what)
}

// planned are the planned_calls of the saved plan.
func (h *terraformHistory) planned() (lines []string, known bool) {
	for _, c := range h.workspace.ShowPlan("step.plan").ResourceChanges {
		after, _ := c.Change.After.(map[string]any)
		raw, ok := after["planned_calls"]
		if !ok || c.Change.Actions.NoOp() {
			return nil, c.Change.Actions.NoOp()
		}
		encoded, err := json.Marshal(raw)
		if err != nil {
			h.t.Fatal(err)
		}
		if err := json.Unmarshal(encoded, &lines); err != nil {
			h.t.Fatal(err)
		}
	}
	return lines, true
}

// covered fails the test when more was sent than was planned, or in another order.
func (h *terraformHistory) covered(planned []string, known bool) {
	h.t.Helper()
	if !known {
		return
	}
	next := 0
	for _, call := range calls(h.pod) {
		at := slices.IndexFunc(planned[min(next, len(planned)):], func(line string) bool { return strings.HasPrefix(line, call) })
		if at < 0 {
			h.t.Errorf("sent %q, planned %q", calls(h.pod), planned)
			return
		}
		next += at + 1
	}
}

func (h *terraformHistory) destroy() {
	if !h.made {
		return
	}
	result := h.workspace.Destroy()
	if result.ExitCode != 0 {
		h.mustBe(result, "destroy", "not known what the pool ran before", "by somebody else", "somebody else holds")
	}
}
