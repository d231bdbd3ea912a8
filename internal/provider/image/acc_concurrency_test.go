package image_test

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// rounds is how many times every writer writes all its keys; make soak asks for
// more.
var rounds = flag.Int("concurrency.rounds", 10, "how many times concurrent writers write all their keys")

// keysEach is how many keys of the image a writer owns.
const keysEach = 20

// writer is a configuration that owns keys of an image that others write, too.
type writer struct {
	name      string
	workspace *acceptance.Workspace
	proxy     *acceptance.Proxy
	applies   int
	patches   int
	// most is the largest number of patches that one apply has sent.
	most int
}

func newWriter(t *testing.T, cloud *acceptance.Cloud, name, id string) *writer {
	t.Helper()
	s := newSite(t, cloud)
	// A token spares Keystone the two hundred times that it would check a
	// password, which takes it longer than anything else here.
	w := acceptance.NewWorkspace(t, acceptance.Options{Environment: map[string]string{
		"OS_AUTH_URL": cloud.AuthURL, "OS_REGION_NAME": acceptance.RegionOne, "OS_TOKEN": tokenOf(t, cloud),
	}})
	// Without verify_after, as most people have it.
	s.provider(w, fmt.Sprintf("endpoint = %q", s.proxy.URL()))
	w.Write("main.tf", fmt.Sprintf(`variable "round" { type = string }
resource "imageops_image_metadata" "this" {
  image_id   = %q
  properties = { for i in range(%d) : "%s_${i}" => "${var.round}-${i}" }
}
`, id, keysEach, name))
	return &writer{name: name, workspace: w, proxy: s.proxy}
}

// apply writes the values of a round.
func (w *writer) apply(round int) acceptance.Result {
	r := w.workspace.Apply(fmt.Sprintf("-var=round=%d", round))
	patches := len(w.proxy.Requests("PATCH", ""))
	w.applies++
	w.patches += patches
	w.most = max(w.most, patches)
	return r
}

// breath is the pause of the other client between an answer and its next write,
// about what a person's loop of commands takes. A patch of twenty keys takes this
// service 0.2 s, and one is lost whenever another writer's falls into it; the
// provider repeats a lost write four times, and then says so.
const breath = 500 * time.Millisecond

// stranger writes other keys of an image in a loop until stop is called, and
// reports how many of its writes were acknowledged and how many not.
func stranger(images *acceptance.Images, id string) (stop func() (acknowledged, refused int)) {
	end, ended := make(chan struct{}), make(chan struct{})
	acknowledged, refused := 0, 0
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-end:
				return
			case <-time.After(breath):
			}
			// What the service makes of it is the service's affair.
			answer, err := images.Do(http.MethodPatch, "/v2/images/"+id, acceptance.PatchV21, fmt.Sprintf(`[{"op": "add", "path": "/stranger_%d", "value": "%d"}]`, n%5, n))
			if err == nil && answer.Status == http.StatusOK {
				acknowledged++
			} else {
				refused++
			}
		}
	}()
	return func() (int, int) {
		close(end)
		<-ended
		return acknowledged, refused
	}
}

// TestAccConcurrentAppliesLoseNothing runs on a real service alone: only where
// several workers read, change and write back one image can a write be lost.
func TestAccConcurrentAppliesLoseNothing(t *testing.T) {
	t.Parallel()
	t.Run("OpenStack", func(t *testing.T) {
		s := newSite(t, acceptance.OpenStack(t))
		t.Run("two configurations", func(t *testing.T) {
			s.applyAtOnce(t, s.images.Create(nil))
		})
		t.Run("two configurations and another client", func(t *testing.T) {
			id := s.images.Create(nil)
			stop := stranger(s.images, id)
			defer func() {
				acknowledged, refused := stop()
				t.Logf("the other client made %d writes, and %d more were refused", acknowledged, refused)
			}()
			s.applyAtOnce(t, id)
		})
	})
}

func (s *site) applyAtOnce(t *testing.T, id string) {
	began := time.Now()
	writers := []*writer{newWriter(t, s.cloud, "left", id), newWriter(t, s.cloud, "right", id)}
	defer func() {
		t.Logf("%d rounds took %v", writers[0].applies, time.Since(began))
		for _, w := range writers {
			t.Logf("%s: %d applies sent %d patches, so %d to write again what was lost, at most %d in one apply", w.name, w.applies, w.patches, w.patches-w.applies, w.most)
		}
	}()
	for round := range *rounds {
		results := make([]acceptance.Result, len(writers))
		var group sync.WaitGroup
		for i, w := range writers {
			w.proxy.Reset()
			group.Go(func() { results[i] = w.apply(round) })
		}
		group.Wait()
		for _, r := range results {
			if r.ExitCode != 0 {
				t.Errorf("an apply of round %d ended with exit code %d: %s", round, r.ExitCode, r.Text())
			}
		}
		image := s.images.Get(id)
		for _, w := range writers {
			for i := range keysEach {
				key, want := fmt.Sprintf("%s_%d", w.name, i), fmt.Sprintf("%d-%d", round, i)
				if got := image[key]; got != want {
					t.Errorf("round %d: %s is %v, want %s", round, key, got, want)
				}
			}
		}
		if t.Failed() {
			t.Fatalf("the requests of round %d:\n%s", round, timeline(writers))
		}
	}
}

// timeline lists what writers sent, in the order of time, in milliseconds.
func timeline(writers []*writer) string {
	type line struct {
		began time.Time
		text  string
	}
	var lines []line
	for _, w := range writers {
		for _, r := range w.proxy.Requests("", "") {
			lines = append(lines, line{r.Began, fmt.Sprintf("%s %s %d, answered after %d ms", w.name, r.Method, r.Status, r.Ended.Sub(r.Began).Milliseconds())})
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return a.began.Compare(b.began) })
	var text strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&text, "%6d ms: %s\n", l.began.Sub(lines[0].began).Milliseconds(), l.text)
	}
	return text.String()
}
