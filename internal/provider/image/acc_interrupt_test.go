package image_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// originals returns what restore_patch puts back, by pointer; nil stands for a
// removal.
func originals(t *testing.T, attributes map[string]any) map[string]any {
	t.Helper()
	text, _ := attributes["restore_patch"].(string)
	var operations []struct {
		Op, Path string
		Value    any
	}
	if err := json.Unmarshal([]byte(text), &operations); err != nil {
		t.Fatalf("restore_patch does not decode: %v\n%s", err, text)
	}
	found := map[string]any{}
	for _, o := range operations {
		if o.Op != "test" {
			found[o.Path] = o.Value
		}
	}
	return found
}

// Two versions of a resource: the second changes a key of the first and takes
// over another one. The image has os_distro and hw_firmware_type before.
const (
	firstVersion = `
  hw_firmware_type = "uefi"
  properties       = { os_distro = "ubuntu", added = "one" }`
	secondVersion = `
  hw_firmware_type = "uefi"
  properties       = { os_distro = "alma", added = "two", joined = "three" }`
)

var (
	asFound         = acceptance.Attributes{"hw_firmware_type": "bios", "os_distro": "debian", "foreign": "theirs"}
	afterFirst      = map[string]any{"hw_firmware_type": "uefi", "os_distro": "ubuntu", "added": "one", "joined": nil, "foreign": "theirs"}
	afterSecond     = map[string]any{"hw_firmware_type": "uefi", "os_distro": "alma", "added": "two", "joined": "three", "foreign": "theirs"}
	firstOriginals  = map[string]any{"/hw_firmware_type": "bios", "/os_distro": "debian", "/added": nil}
	secondOriginals = map[string]any{"/hw_firmware_type": "bios", "/os_distro": "debian", "/added": nil, "/joined": nil}
)

// signalled is a moment that a rule of a proxy tells once.
type signalled struct {
	reached chan struct{}
	once    sync.Once
}

func newSignalled() *signalled { return &signalled{reached: make(chan struct{})} }

func (s *signalled) tell() { s.once.Do(func() { close(s.reached) }) }

// await returns when the moment has come, and fails the test when it does not.
func (s *signalled) await(t *testing.T) {
	t.Helper()
	select {
	case <-s.reached:
	case <-time.After(30 * time.Second):
		t.Fatal("the moment did not come")
	}
}

// settle is how long a provider has for what follows an answer that it is being
// sent: nothing outside of the process shows that it has begun to wait.
const settle = 200 * time.Millisecond

// interruption is a moment at which terraform apply is interrupted.
type interruption struct {
	name        string
	verifyAfter string
	// arm makes the rules for one apply of a saved plan. reads is how many
	// times that apply looks at the image before it writes.
	arm func(p *acceptance.Proxy, moment *signalled, reads int)
	// waits is set when the moment lies before the wait.
	waits bool
	// writes is set when the patch takes effect.
	writes bool
}

var busy = acceptance.Respond(http.StatusServiceUnavailable, http.Header{"Retry-After": {"30"}}, "busy")

var interruptions = []interruption{
	{
		name: "during the patch", verifyAfter: "50ms", writes: true,
		arm: func(p *acceptance.Proxy, moment *signalled, _ int) {
			p.Before(acceptance.Match{Method: "PATCH"}, acceptance.Call(moment.tell), acceptance.Delay(300*time.Millisecond))
		},
	},
	{
		name: "waiting to verify", verifyAfter: "20s", waits: true, writes: true,
		arm: func(p *acceptance.Proxy, moment *signalled, _ int) {
			p.After(acceptance.Match{Method: "PATCH"}, acceptance.Call(moment.tell))
		},
	},
	{
		name: "waiting to repeat the read before the patch", verifyAfter: "50ms", waits: true,
		arm: func(p *acceptance.Proxy, moment *signalled, reads int) {
			p.Before(acceptance.Match{Method: "GET", Nth: reads}, acceptance.Call(moment.tell), busy)
		},
	},
	{
		name: "waiting to repeat the patch", verifyAfter: "50ms", waits: true,
		arm: func(p *acceptance.Proxy, moment *signalled, _ int) {
			p.Before(acceptance.Match{Method: "PATCH"}, acceptance.Call(moment.tell), busy)
		},
	},
	{
		name: "waiting to repeat the read after the patch", verifyAfter: "50ms", waits: true, writes: true,
		arm: func(p *acceptance.Proxy, moment *signalled, reads int) {
			p.Before(acceptance.Match{Method: "GET", Nth: reads + 1}, acceptance.Call(moment.tell), busy)
		},
	},
}

// TestAccInterrupted is not parallel with others: it measures a second.
func TestAccInterrupted(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for _, moment := range interruptions {
			t.Run(moment.name, func(t *testing.T) { newSite(t, s.cloud).interrupted(t, moment) })
		}
	})
}

func (s *site) interrupted(t *testing.T, i interruption) {
	id := s.images.Create(asFound)
	untouched := s.metadataOf(id)
	w := s.workspace(t)
	s.verifyAfter(w, i.verifyAfter)

	metadata(w, id, firstVersion)
	s.interruptApply(t, w, i, 2)
	switch instance := w.State().Resources[this]; {
	case instance == nil && i.writes:
		t.Error("the resource is not in state, though its patch took effect")
	case instance != nil:
		if instance.Tainted {
			t.Error("the resource is tainted")
		}
		equalJSON(t, "what the state can restore", originals(t, instance.Attributes), firstOriginals)
	}
	s.complete(t, w, i, `add /added \"one\"`, id, asFound, afterFirst)
	equalJSON(t, "what the state can restore", originals(t, w.Attributes(this)), firstOriginals)

	metadata(w, id, secondVersion)
	s.interruptApply(t, w, i, 1)
	instance := w.State().Resources[this]
	if instance == nil || instance.Tainted {
		t.Fatalf("the state holds %+v", instance)
	}
	restores := originals(t, instance.Attributes)
	if i.writes {
		equalJSON(t, "the properties in state", instance.Attributes["properties"], map[string]any{"os_distro": "alma", "added": "two", "joined": "three"})
		equalJSON(t, "what the state can restore", restores, secondOriginals)
	} else {
		maps.DeleteFunc(restores, func(pointer string, _ any) bool { return pointer == "/joined" })
		equalJSON(t, "what the state can restore of what it owned before", restores, firstOriginals)
	}
	s.complete(t, w, i, `replace /os_distro \"ubuntu\" -> \"alma\"`, id, afterFirst, afterSecond)
	equalJSON(t, "what the state can restore", originals(t, w.Attributes(this)), secondOriginals)

	s.verifyAfter(w, "50ms")
	w.Destroy().MustSucceed(t)
	equalJSON(t, "the image after destroy", s.metadataOf(id), untouched)
}

// verifyAfter configures the provider anew.
func (s *site) verifyAfter(w *acceptance.Workspace, duration string) {
	s.provider(w, fmt.Sprintf("endpoint = %q", s.proxy.URL()), fmt.Sprintf("verify_after = %q", duration))
}

// interruptApply plans, and interrupts the apply at the moment.
func (s *site) interruptApply(t *testing.T, w *acceptance.Workspace, i interruption, reads int) {
	t.Helper()
	w.PlanSaved("next.plan").MustSucceed(t)
	s.proxy.Reset()
	moment := newSignalled()
	i.arm(s.proxy, moment, reads)
	process := w.Start("apply", "-no-color", "next.plan")
	moment.await(t)
	if i.waits {
		time.Sleep(settle)
	}
	began := time.Now()
	process.Interrupt()
	result := process.Wait()
	took := time.Since(began)
	// How long a loaded service takes for the write in flight, and for the read
	// that follows it, is not terraform's affair.
	service := s.busySince(began)
	if took-service > time.Second {
		t.Errorf("terraform ended %v after the signal, %v of which the service took: want a second at most besides", took, service)
	}
	result.MustFail(t, "execution halted")
	// Terraform says so when the answer is not what was planned.
	if text := result.Text(); strings.Contains(text, "bug in the provider") {
		t.Errorf("terraform takes the interruption for a defect: %s", text)
	}
	t.Logf("ended %v after the signal, %v of which the service took", took, service)
	s.proxy.Reset()
}

// busySince returns how long the service has worked on requests since a moment.
// Only requests that it has answered count.
func (s *site) busySince(moment time.Time) time.Duration {
	var busy time.Duration
	for _, r := range s.proxy.Requests("", "") {
		if r.Ended.After(moment) {
			began := r.Began
			if began.Before(moment) {
				began = moment
			}
			busy += r.Ended.Sub(began)
		}
	}
	return busy
}

// complete checks the image, and that the next plan is empty after a patch that
// took effect; else that it says what is missing, and that its apply does it.
func (s *site) complete(t *testing.T, w *acceptance.Workspace, i interruption, missing, id string, was, want map[string]any) {
	t.Helper()
	if i.writes {
		s.expect(t, id, want)
		noop(t, w)
		return
	}
	s.expect(t, id, was)
	s.expect(t, id, map[string]any{"joined": nil})
	w.Apply().MustSucceed(t).MustContain(t, missing)
	s.expect(t, id, want)
}

// killing is a moment at which a process is killed.
type killing struct {
	name        string
	verifyAfter string
	// arm makes the rules; held lasts until the process is dead.
	arm func(p *acceptance.Proxy, moment *signalled, held acceptance.Action)
	// waits is set when the moment lies before the wait.
	waits bool
	// writes is set when the patch takes effect.
	writes bool
}

var killings = []killing{
	{
		name: "before the patch takes effect", verifyAfter: "50ms",
		arm: func(p *acceptance.Proxy, moment *signalled, held acceptance.Action) {
			p.Before(acceptance.Match{Method: "PATCH"}, acceptance.Call(moment.tell), held, acceptance.ResetConnection())
		},
	},
	{
		name: "before the answer arrives", verifyAfter: "50ms", writes: true,
		arm: func(p *acceptance.Proxy, moment *signalled, held acceptance.Action) {
			p.After(acceptance.Match{Method: "PATCH"}, acceptance.Call(moment.tell), held, acceptance.ResetConnection())
		},
	},
	{
		name: "waiting to verify", verifyAfter: "20s", waits: true, writes: true,
		arm: func(p *acceptance.Proxy, moment *signalled, _ acceptance.Action) {
			p.After(acceptance.Match{Method: "PATCH"}, acceptance.Call(moment.tell))
		},
	},
}

func TestAccKilledInTheMiddleOfAnUpdate(t *testing.T) {
	t.Parallel()
	victims := map[string]func(*acceptance.Process){
		"provider":  (*acceptance.Process).KillProvider,
		"terraform": (*acceptance.Process).Kill,
	}
	onEach(t, func(t *testing.T, s *site) {
		for victim, kill := range victims {
			for _, moment := range killings {
				t.Run(victim+" "+moment.name, func(t *testing.T) {
					t.Parallel()
					newSite(t, s.cloud).killed(t, moment, kill)
				})
			}
		}
	})
}

func (s *site) killed(t *testing.T, k killing, kill func(*acceptance.Process)) {
	attributes := maps.Clone(asFound)
	attributes["dropped"] = "former"
	id := s.images.Create(attributes)
	untouched := s.metadataOf(id)
	w := s.workspace(t)
	metadata(w, id, strings.Replace(firstVersion, "added", `dropped = "ours", added`, 1))
	w.Apply().MustSucceed(t)

	// The update also releases a key: its former value comes back in the same patch.
	metadata(w, id, secondVersion)
	s.verifyAfter(w, k.verifyAfter)
	s.proxy.Reset()
	moment, dead := newSignalled(), newSignalled()
	k.arm(s.proxy, moment, acceptance.Call(func() { <-dead.reached }))
	t.Cleanup(dead.tell) // Else a failed test would wait for its proxy for ever.
	process := w.Start("apply", "-no-color", "-auto-approve")
	moment.await(t)
	if k.waits {
		time.Sleep(settle)
	}
	kill(process)
	dead.tell()
	if r := process.Wait(); r.ExitCode == 0 {
		t.Errorf("the apply ended in success:\n%s%s", r.Stdout, r.Stderr)
	}
	if instance := w.State().Resources[this]; instance == nil || instance.Tainted {
		t.Fatalf("the state holds %+v", instance)
	}
	if k.writes {
		s.expect(t, id, afterSecond)
	} else {
		s.expect(t, id, afterFirst)
	}

	s.proxy.Reset()
	s.verifyAfter(w, "50ms")
	w.Apply().MustSucceed(t)
	s.expect(t, id, afterSecond)
	s.expect(t, id, map[string]any{"dropped": "former"})
	noop(t, w)

	w.Destroy().MustSucceed(t)
	restored := s.metadataOf(id)
	if k.writes {
		// The key joined in an update of which nobody knows what it found.
		delete(restored, "joined")
	}
	equalJSON(t, "the image after destroy", restored, untouched)
}
