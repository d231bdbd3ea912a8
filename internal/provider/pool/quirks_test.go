package pool_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// pushedBody returns the body of the last push that was sent.
func pushedBody(t *testing.T, pod *steppedPod) members {
	t.Helper()
	var body members
	for _, r := range pod.Requests() {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/action/schedule-push-image") {
			body = members{}
			if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if body == nil {
		t.Fatal("nothing was pushed")
	}
	return body
}

func (w *rowWorld) fails(texts ...string) {
	w.t.Helper()
	failed := w.apply()
	for _, text := range texts {
		if !strings.Contains(failed, text) {
			w.t.Errorf("%q is missing in %q", text, failed)
		}
	}
	if failed == "" {
		w.t.Error("it succeeds")
	}
}

func (w *rowWorld) succeeds() {
	w.t.Helper()
	if failed := w.apply(); failed != "" {
		w.t.Fatal(failed)
	}
}

// TestQuirks has a test for everything that people have stumbled over in this API, as far
// as a client can do something about it.
func TestQuirks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		test func(w *rowWorld)
	}{
		{"the vTPM is dropped unless it is repeated", func(w *rowWorld) {
			w.image(w.v2, nil)
			w.succeeds()
			if is := pushedBody(w.t, w.pod)["add_virtual_tpm"]; is != true {
				w.t.Errorf("it is %v", is)
			}
			w.image(w.v2, members{"add_virtual_tpm": false})
			w.succeeds()
			if is := pushedBody(w.t, w.pod)["add_virtual_tpm"]; is != false {
				w.t.Errorf("it is %v", is)
			}
			w.unchanged()
		}},
		{"times are in milliseconds", func(w *rowWorld) {
			night := w.in(day).Truncate(time.Second)
			w.image(w.v2, members{"start_time": at(night)})
			w.succeeds()
			if is := pushedBody(w.t, w.pod)["start_time"]; is != float64(night.UnixMilli()) {
				w.t.Errorf("it is %v", is)
			}
		}},
		{"a start time that has passed begins at once", func(w *rowWorld) {
			w.image(w.v2, members{"start_time": at(w.in(-time.Hour))})
			w.fails("start_time", "would begin at once")
			expectCalls(w.t, w.pod.Pod)
		}},
		{"a pool does not show a push at first", func(w *rowWorld) {
			w.pod.step.Store(int64(time.Second)) // Looks come faster than it shows.
			w.image(w.v2, members{"wait_for": "accepted"})
			w.succeeds()
			w.unchanged()
			expectCalls(w.t, w.pod.Pod, "schedule-push-image")
		}},
		{"a push that was accepted fails later", func(w *rowWorld) {
			w.must(w.pod.FailPublish("ENGINEERING", "Could not authenticate with domain administrator credentials"))
			w.image(w.v2, nil)
			w.fails("Could not authenticate with domain administrator credentials", "ENGINEERING")
		}},
		{"an old error says nothing about this push", func(w *rowWorld) {
			w.must(w.pod.SetProvisioningError("ENGINEERING", "an old trouble", w.in(-30*day)))
			w.image(w.v2, nil)
			w.succeeds()
			if !strings.Contains(w.warned, "An old trouble") {
				w.t.Errorf("nothing is said of it: %s", w.warned)
			}
			w.unchanged()
		}},
		{"the first version of pools has no images", func(w *rowWorld) {
			w.image(w.v1, nil)
			w.succeeds()
			if n := w.pod.Count(http.MethodGet, "inventory/v1/desktop-pools"); n > 1 { // One looks for halted tasks.
				w.t.Errorf("%d requests", n)
			}
		}},
		{"a compute profile is left out whole or sent whole", func(w *rowWorld) {
			w.image(w.v2, nil)
			w.succeeds()
			if body := pushedBody(w.t, w.pod); body["compute_profile_num_cpus"] != nil || body["compute_profile_ram_mb"] != nil {
				w.t.Errorf("%v", body)
			}
			w.image(w.v2, members{"compute_profile": members{"num_cpus": 2, "num_cores_per_socket": 1, "ram_mb": 4096}})
			w.succeeds()
			body := pushedBody(w.t, w.pod)
			if body["compute_profile_num_cpus"] != 2.0 || body["compute_profile_num_cores_per_socket"] != 1.0 || body["compute_profile_ram_mb"] != 4096.0 {
				w.t.Errorf("%v", body)
			}
			w.unchanged()
		}},
		{"machines are named, and their ids change", func(w *rowWorld) {
			w.image(w.v2, members{"selective": on("ENG-001"), "wait_for": "machines"})
			w.succeeds()
			if body := pushedBody(w.t, w.pod); body["selective_push_image"] != true || len(body["machine_ids"].([]any)) != 1 { //nolint:forcetypeassert // As it was sent.
				w.t.Errorf("%v", body)
			}
			w.unchanged()
			w.image(w.v2, members{"selective": on("ENG-001", "ENG-002"), "wait_for": "machines"})
			w.succeeds()
			w.unchanged()
			expectCalls(w.t, w.pod.Pod, "schedule-push-image", "apply-image")
		}},
		{"apply-image takes a bare list, and the current image by default", func(w *rowWorld) {
			w.image(w.v2, members{"selective": on("ENG-001")})
			w.succeeds()
			w.image(w.v2, members{"selective": on("ENG-002")})
			w.succeeds()
			var queries []string
			for _, r := range w.pod.Requests() {
				if strings.HasSuffix(r.Path, "/action/apply-image") {
					queries = append(queries, r.Query)
					if !strings.HasPrefix(r.Body, "[") {
						w.t.Errorf("the body is %s", r.Body)
					}
				}
			}
			if strings.Join(queries, " ") != "pending_image=true pending_image=false" {
				w.t.Errorf("%q", queries)
			}
		}},
		{"a snapshot is no name", func(w *rowWorld) {
			w.image("v2", nil)
			w.fails(`no base snapshot with id "v2"`, "/v1/v2 ("+w.v2)
			expectCalls(w.t, w.pod.Pod)
		}},
		{"a pool has one operation at a time", func(w *rowWorld) {
			w.others(simulator.Push{SnapshotID: w.v3})
			w.image(w.v2, nil)
			w.succeeds()
			expectCalls(w.t, w.pod.Pod, "schedule-push-image")
			w.unchanged()
		}},
		{"the same image is not pushed again", func(w *rowWorld) {
			w.image(w.v1, nil)
			w.succeeds()
			w.succeeds()
			expectCalls(w.t, w.pod.Pod)
		}},
		{"a snapshot of a VM that runs is unfit", func(w *rowWorld) {
			w.must(w.pod.SetIncompatible(simulator.HorizonVCenterID, w.vm, w.v2, "POWERED_ON"))
			w.image(w.v2, nil)
			w.planned("Horizon holds the snapshot to be unfit", "POWERED_ON")
			w.image(w.v3, nil)
			w.succeeds()
			if strings.Contains(w.warned, "unfit") {
				w.t.Errorf("%s", w.warned)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pod := newSteppedPod(t, 40*time.Second, simulator.Options{})
			w := &rowWorld{served: serve(t, pod)}
			vm, s := golden(t, pod.Pod)
			w.vm, w.v1, w.v2, w.v3 = vm, s["v1"], s["v2"], s["v3"]
			c.test(w)
		})
	}
}

// TestQuirkAPartFailsInsideA200 is about machines that the answer to a push refuses.
func TestQuirkAPartFailsInsideA200(t *testing.T) {
	t.Parallel()
	pod := newSteppedPod(t, 40*time.Second, simulator.Options{Assumptions: map[string]string{"horizon-push-machines": "reported"}})
	w := &rowWorld{served: serve(t, pod)}
	vm, s := golden(t, pod.Pod)
	w.vm, w.v1, w.v2, w.v3 = vm, s["v1"], s["v2"], s["v3"]
	w.image(w.v2, members{"selective": members{"machine_ids": []string{"d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3bee"}}})
	w.fails("has no machine d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3bee")
	expectCalls(t, pod.Pod)
}

func TestAccNoSecretAnywhere(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{ClockRate: fast})
	vm, s := golden(t, pod)
	w := workspace(t, pod, resource(engineering, vm, s["v2"], canary("null", "ENG-001")))
	w.SetEnvironment("TF_LOG", "TRACE")
	results := []acceptance.Result{w.Apply().MustSucceed(t), w.Plan("-destroy").MustSucceed(t), w.Destroy().MustSucceed(t)}
	for _, r := range results {
		if strings.Contains(r.Stdout+r.Stderr, pod.Password) {
			t.Error("the password is in the output")
		}
	}
	if log := w.Files()["home/terraform.log"]; !strings.Contains(log, "schedule-push-image") {
		t.Fatal("the log shows no push, so that this proves nothing")
	}
	if files := w.FilesContaining(pod.Password); len(files) > 0 {
		t.Errorf("the password is in %v", files)
	}
	for _, r := range pod.Requests() {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token == "" {
			continue
		}
		if files := w.FilesContaining(token); len(files) > 0 {
			t.Errorf("a token is in %v", files)
		}
		break
	}
}
