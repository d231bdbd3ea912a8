package image_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

const (
	terraformHistories = 25
	terraformSteps     = 3
)

// TestAccHistories runs a few histories through a real terraform, so that the
// rules that TestHistories plays are terraform's own.
func TestAccHistories(t *testing.T) {
	for seed := uint64(1); seed <= terraformHistories; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			cloud, s := acceptance.Simulator(t, simulator.Options{Empty: true})
			h := &terraformHistory{t: t, cloud: s, random: rand.New(rand.NewPCG(seed, 3)), taken: ledger{}} //nolint:gosec // Repeatable.
			h.workspace = acceptance.NewWorkspace(t, acceptance.Options{Environment: cloud.Environment(acceptance.UserDemo, acceptance.RegionOne)})
			for range 3 {
				h.images = append(h.images, s.CreateImage(simulator.Image{Name: "first", Properties: map[string]string{"theirs": "kept"}, Tags: []string{"theirs"}}))
			}
			for range 8 {
				h.write([]outsideWrite{drawOutside(h.random)})
			}
			h.run()
		})
	}
}

// terraformHistory is one history under way.
type terraformHistory struct {
	t         *testing.T
	cloud     *simulator.Simulator
	workspace *acceptance.Workspace
	random    *rand.Rand
	images    []string
	config    historyConfig
	taken     ledger
}

func (h *terraformHistory) run() {
	h.config = historyConfig{properties: map[string]string{"k0": historyValues[0]}, sensitive: map[string]string{}, typed: map[string]string{}}
	h.workspace.Write("provider.tf", `
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
provider "imageops" {
  image_service = { verify_after = "0s" }
}
`)
	for range terraformSteps {
		for range 1 + h.random.IntN(3) {
			e := drawEdit(h.random)
			h.config = h.config.edit(e)
			h.t.Logf("edit %s", e)
		}
		if h.random.IntN(2) == 0 {
			h.write([]outsideWrite{drawOutside(h.random)})
		}
		h.step()
		if h.t.Failed() {
			return
		}
	}
	h.destroy()
}

func (h *terraformHistory) write(writes []outsideWrite) {
	for _, w := range writes {
		h.t.Logf("outside %s", w)
		if err := w.carryOut(h.cloud, h.images[(h.config.image+w.image)%len(h.images)]); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *terraformHistory) image(id string) historyDocument {
	return historyDocument{}.from(h.cloud.Document(id))
}

// state returns the state, nil when there is none.
func (h *terraformHistory) state() *historyState {
	instance := h.workspace.State().Resources[this]
	if instance == nil {
		return nil
	}
	attributes := instance.Attributes
	schemas, err := schemasOnce()
	if err != nil {
		h.t.Fatal(err)
	}
	for name, value := range attributes {
		if number, ok := value.(json.Number); ok {
			whole, err := number.Int64()
			if err != nil {
				h.t.Fatal(err)
			}
			attributes[name] = whole
		}
		if number, ok := value.(float64); ok {
			attributes[name] = int64(number)
		}
	}
	s, err := stateOf(rules.Value(schemas.resource, attributes))
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *terraformHistory) step() {
	h.workspace.Write("main.tf.json", jsonText(map[string]any{"resource": map[string]any{resourceType: map[string]any{"this": h.config.object(h.images)}}}))
	h.workspace.Run("refresh", "-no-color").MustSucceed(h.t)
	prior := h.state()
	arguments := []string{}
	replaced := prior != nil && h.random.IntN(4) == 0
	if replaced {
		arguments = append(arguments, "-replace="+this)
		if h.random.IntN(2) == 0 {
			arguments = nil
			h.workspace.Run("taint", this).MustSucceed(h.t)
		}
	}
	id := h.images[h.config.image]
	seen := h.image(id)
	plan := h.workspace.PlanSaved("step.plan", arguments...).MustSucceed(h.t)
	if h.random.IntN(2) == 0 {
		h.write([]outsideWrite{drawOutside(h.random), drawOutside(h.random)})
	}
	now := h.image(id)
	h.t.Logf("apply %v of %s", arguments, h.config)
	result := h.workspace.ApplySaved("step.plan")

	e := h.expected(prior, replaced, seen, now)
	conflict := len(e.conflicts) > 0 && !h.config.overwrites() && !e.silent
	empty := strings.Contains(plan.Text(), "No changes.")
	switch {
	case empty:
		result.MustSucceed(h.t)
		h.same("an empty plan", now, h.image(id))
	case result.ExitCode == 0:
		if conflict {
			h.t.Fatalf("on_conflict = fail wrote over %v, which changed between plan and apply", e.conflicts)
		}
		h.same("the apply", e.after, h.image(id))
		after := h.state()
		for _, line := range after.record.differsFrom(e.ledger, e.loose) {
			h.t.Errorf("the record is wrong: %s", line)
		}
		h.taken = after.record
		h.converged(e)
	default:
		again := e.journey != updating && e.replans && !h.config.overwrites()
		if !conflict && !again {
			h.t.Fatalf("an apply without trouble failed:\n%s%s", result.Stdout, result.Stderr)
		}
		if again {
			result.MustContain(h.t, "inconsistent final plan")
		} else {
			result.MustContain(h.t, "somebody else")
		}
		h.same("a failed apply", now, h.image(id))
		if h.state() == nil {
			h.taken = ledger{}
		}
	}
}

// expected is what the model says about an apply.
func (h *terraformHistory) expected(prior *historyState, replaced bool, seen, now historyDocument) *expectation {
	same := prior != nil && prior.image == h.images[h.config.image]
	switch {
	case replaced && same:
		return expect(succeeding, h.config, nil, h.taken, seen, now)
	case prior == nil || replaced:
		return expect(creating, h.config, nil, ledger{}, seen, now)
	case same:
		return expect(updating, h.config, prior, h.taken, seen, now)
	default:
		return expect(moving, h.config, nil, ledger{}, seen, now)
	}
}

func (h *terraformHistory) same(what string, want, got historyDocument) {
	h.t.Helper()
	if lines := got.differences(want); len(lines) > 0 {
		h.t.Fatalf("after %s %s", what, strings.Join(lines, "; "))
	}
}

// converged checks that the next plan is empty, unless a replacement has left
// something to be given back, or nothing was looked at.
func (h *terraformHistory) converged(e *expectation) {
	h.t.Helper()
	for p := range h.taken {
		if !e.owns(p) {
			return
		}
	}
	if !e.silent {
		noop(h.t, h.workspace)
	}
}

func (h *terraformHistory) destroy() {
	h.workspace.Run("refresh", "-no-color").MustSucceed(h.t)
	prior := h.state()
	if prior == nil {
		return
	}
	want := maps.Clone(h.image(prior.image))
	for p, entry := range h.taken {
		if !entry.gives(prior.onDestroy, p, want[p]) {
			continue
		}
		want[p] = entry.found
		if entry.found == absentValue {
			delete(want, p)
		}
	}
	h.workspace.Destroy().MustSucceed(h.t)
	h.same("the destruction", want, h.image(prior.image))
}
