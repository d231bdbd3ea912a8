package catalogue_test

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// rounds is how often two applies run at once; make soak asks for more.
var rounds = flag.Int("concurrency.rounds", 4, "how often two applies change one object at once")

// TestAccConcurrentAppliesOfTwoConfigurations lets two configurations own different
// keys of one stream, and apply at once, with latency between the read and the
// write of each. When the second reads after the first wrote, nothing is lost. When
// they overlap, the later write takes back what the earlier one wrote, since
// Horizon has no conditional write: then the earlier one's look after its write, or
// else its next plan, shows it, and applying once more mends it.
func TestAccConcurrentAppliesOfTwoConfigurations(t *testing.T) {
	t.Parallel()
	pod := acceptance.UnguardedPod(t, simulator.Options{Empty: true})
	id := pod.CreateCatalogueObject("im-streams", map[string]any{"name": "Office", "operating_system": "WINDOWS_10", "source": "UPLOADED", "status": "AVAILABLE"})
	writers := map[string]*acceptance.Workspace{}
	configure := func(name string, round int) {
		writers[name].Write("main.tf", fmt.Sprintf(stream, fmt.Sprintf("  additional_details = { %s = \"%d\" }", name, round)))
	}
	for _, name := range []string{"a", "b"} {
		w := workspace(t, pod, "")
		writers[name] = w
		w.Write("import.tf", fmt.Sprintf("import {\n  to = imageops_image_management_stream.this\n  id = %q\n}\n", id))
		configure(name, 0)
		w.Apply().MustSucceed(t)
	}
	details := func() string { return fmt.Sprint(pod.CatalogueObject(id)["additional_details"]) }
	overlaps, mended, shown := 0, 0, 0
	for round := 1; round <= *rounds; round++ {
		// The PUTs of both wait, so that both have read before either has written.
		must(t, pod.AddFault(simulator.Fault{Method: http.MethodPut, Path: "/im-streams/", Effect: simulator.EffectDelay, Latency: 300 * time.Millisecond, Count: 2}))
		var running []*acceptance.Process
		for _, name := range []string{"a", "b"} {
			configure(name, round)
			running = append(running, writers[name].Start("apply", "-no-color", "-auto-approve"))
		}
		reported := false
		for _, p := range running {
			r := p.Wait()
			if r.ExitCode != 0 {
				r.MustFail(t, "Unable to update image management stream")
				reported = true
			}
		}
		pod.ClearFaults()
		want := fmt.Sprintf("map[a:%d b:%d]", round, round)
		if details() != want {
			overlaps++
			lost := "a"
			if strings.Contains(details(), fmt.Sprintf("a:%d", round)) {
				lost = "b"
			}
			r := writers[lost].Plan("-detailed-exitcode")
			switch {
			case r.ExitCode == 2:
				shown++
			case !reported:
				t.Errorf("round %d: %s is lost, and neither the apply nor the next plan says so: %s\n%s", round, lost, details(), r.Stdout)
			}
			writers[lost].Apply().MustSucceed(t)
			if details() != want {
				t.Fatalf("round %d: after the next apply the stream has %s, want %s", round, details(), want)
			}
		} else {
			mended++
		}
		for name, w := range writers {
			if r := w.Plan("-detailed-exitcode"); r.ExitCode != 0 {
				t.Errorf("round %d: the plan of %s is not empty:\n%s", round, name, r.Stdout)
			}
		}
		// One after the other loses nothing.
		for _, name := range []string{"a", "b"} {
			configure(name, -round)
			writers[name].Apply().MustSucceed(t)
		}
		if want := fmt.Sprintf("map[a:-%d b:-%d]", round, round); details() != want {
			t.Errorf("round %d: applied one after the other, the stream has %s, want %s", round, details(), want)
		}
	}
	t.Logf("%d rounds: %d ended complete, %d lost one write, of which %d were shown by the next plan", *rounds, mended, overlaps, shown)
}

// TestAccAWriteThatHorizonPutsOffIsMadeAnew lets another writer in while a write
// waits as Horizon has asked, or because it failed: what that one wrote stays.
func TestAccAWriteThatHorizonPutsOffIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"429":                       {Effect: simulator.EffectStatus, Status: http.StatusTooManyRequests, RetryAfter: "1"},
		"503":                       {Effect: simulator.EffectStatus, Status: http.StatusServiceUnavailable},
		"a reset before the effect": {Effect: simulator.EffectResetBefore},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := acceptance.UnguardedPod(t, simulator.Options{Empty: true})
			w := workspace(t, pod, fmt.Sprintf(stream, ""))
			w.Apply().MustSucceed(t)
			id := idOf(t, w, "imageops_image_management_stream.this")
			fault.Method, fault.Path = http.MethodPut, "/im-streams/"
			must(t, pod.AddFault(fault))
			w.Write("main.tf", fmt.Sprintf(stream, `  description = "office"`))
			p := w.Start("apply", "-no-color", "-auto-approve")
			for pod.Count(http.MethodPut, "config/v1/im-streams") == 0 && !p.Ended() {
				time.Sleep(time.Millisecond)
			}
			must(t, pod.WriteCatalogueObject(id, map[string]any{"publisher": "someone", "additional_details": map[string]string{"foreign": "x"}}))
			p.Wait().MustSucceed(t)
			expect(t, pod, id, map[string]any{"description": "office", "publisher": "someone", "additional_details": map[string]any{"foreign": "x"}})
			noop(t, w)
		})
	}
}
