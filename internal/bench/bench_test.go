//go:build bench

package bench

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

var (
	images = flag.Int("bench.images", 200, "how many images")
	rounds = flag.Int("bench.rounds", 3, "how often a plan is measured; the best counts")
	writes = flag.Bool("bench.writes", true, "measure applies and destroys as well")
)

// The bounds that the ratios of a run are held against, by the number of
// images. A run with another number is held against those of the next smaller.
var bounds = []struct {
	images int
	// plan is our plan without changes against that of the idle provider with the same
	// state.
	plan float64
	// small is the same against the idle provider with a state of its own, which has no
	// patches in it and nothing private. For each instance of a resource Terraform copies the
	// states of all of them, so that what a state holds takes time with the square of their
	// number: of 2,000, that copying is most of the difference, in Terraform's process.
	small float64
	// idle is the idle provider's against terraform_data's.
	idle float64
	// requests are those for each image of which one property changes. Terraform's own
	// time for each grows with their number: of thousands they come so slowly that few
	// looks find company.
	requests float64
	// waiting says that the default verify_after is held to cost no more than its own waits.
	// What Terraform needs to change thousands differs by more than those from run to run.
	waiting bool
}{
	{images: 2000, plan: 1.3, small: 1.5, idle: 2.5, requests: 2},
	{images: 0, plan: 1.6, small: 1.6, idle: 4.5, requests: 1.5, waiting: true},
}

const (
	mostPlanRequests = 25  // of a plan without changes over 200 images
	mostMemory       = 2.0 // of our provider against the idle one
	verifyAfter      = 400 * time.Millisecond
	mostLate         = 0.15 // of its wait, that a look comes later than that on average
	atOnce           = 10   // resources that Terraform works on at the same time
)

// subject is one thing that is measured.
type subject struct {
	name      string
	folder    string // of the provider; empty for terraform_data
	arguments []string
	user      string   // who has images; empty for one that looks at none
	ids       []string // of its images, or made up
	w         *acceptance.Workspace
	count     func() (all, writes int) // requests since the last call
	// waits are how long the default verify_after waits after each of the writes that
	// were counted last: twice as long as a slow one took. Nil: not measured.
	waits []time.Duration
	// late is how long after that each of them was looked at. On the simulator, the
	// time of the write itself is a part of it.
	late []time.Duration
}

// bench is one run of the measurements.
type bench struct {
	*testing.T
	cloud *acceptance.Cloud
	sim   *simulator.Simulator // nil for a real cloud
}

func TestBench(t *testing.T) {
	b := &bench{T: t}
	if path := os.Getenv(acceptance.EnvironmentVariable); path != "" {
		b.cloud = acceptance.OpenStack(t)
	} else {
		b.cloud, b.sim = acceptance.Simulator(t, simulator.Options{TokenLifetime: 12 * time.Hour})
	}
	t.Logf("%d images, %s", *images, map[bool]string{true: "simulator", false: "real Glance"}[b.sim != nil])
	ours, idle := build(t, "ours"), build(t, "idle", "-tags", "idle")
	b.start(ours, idle)

	data := b.subject("terraform_data", "", "")
	none := b.subject("idle provider", idle, "")
	// Each in a project of its own, which has no other images.
	batched := b.subject("imageops", ours, acceptance.UserDemo)
	single := b.subject("imageops, batch_reads = false", ours, acceptance.UserOther, "batch_reads = false")
	all := []*subject{data, none, batched, single}
	for _, s := range all {
		if *writes {
			s.configure(t, "one")
			b.measure(s, "first apply", "apply", "-auto-approve", "-no-color")
			continue
		}
		b.multiply(s)
	}

	same := b.subject("idle provider, imageops' state", idle, "")
	same.takeState(t, batched)

	plans := b.plans(append(all, same))
	limit := bounds[0]
	for _, l := range bounds {
		if *images >= l.images {
			limit = l
			break
		}
	}
	b.ratio("plan without changes, against the idle provider's with the same state", plans[batched.name], plans[same.name], limit.plan)
	b.ratio("plan without changes, against the idle provider's with its own state", plans[batched.name], plans[none.name], limit.small)
	b.ratio("the idle provider's plan, against terraform_data's", plans[none.name], plans[data.name], limit.idle)
	b.ratio("the idle provider's plan with the state of imageops, against terraform_data's", plans[same.name], plans[data.name], 0)
	b.Logf("a state holds %d bytes for each image, the idle provider's own %d", batched.stateSize(t), none.stateSize(t))
	b.ratio("plan with batch_reads = false, against with", plans[single.name], plans[batched.name], 0)
	_, _ = batched.count()
	batched.w.Plan("-detailed-exitcode").MustSucceed(t)
	if requests, _ := batched.count(); requests > mostPlanRequests*max(1, *images/200) {
		t.Errorf("a plan without changes takes %d requests", requests)
	}
	b.memory(batched, none)
	if !*writes {
		return
	}
	b.change(all, batched, limit.requests, limit.waiting)
	for _, s := range all {
		b.measure(s, "destroy", "destroy", "-auto-approve", "-no-color")
	}
}

// multiply applies to one image and writes the state of all from that: what
// Terraform itself needs for an apply of thousands grows with the square of their
// number, and a plan does not care where its state came from.
func (b *bench) multiply(s *subject) {
	all := s.ids
	s.ids = all[:1]
	s.configure(b.T, "one")
	s.w.Apply().MustSucceed(b)
	s.ids = all
	s.configure(b.T, "one")
	path := filepath.Join(s.w.Folder(), stateFile)
	content, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(content, &state); err != nil {
		b.Fatal(err)
	}
	resources, _ := state["resources"].([]any)
	resource, _ := resources[0].(map[string]any)
	instances, _ := resource["instances"].([]any)
	one, err := json.Marshal(instances[0])
	if err != nil {
		b.Fatal(err)
	}
	many := make([]json.RawMessage, len(all))
	for i, id := range all {
		many[i] = json.RawMessage(replaceID(b.T, one, all[0], id, i))
		if b.sim == nil || i == 0 || s.user == "" {
			continue
		}
		// The image holds what the apply would have written, and else what the first
		// one does, which is how its state says it was last seen.
		if err := b.sim.WriteImage(id, map[string]any{"name": imageName(0), "build": "0", "hw_firmware_type": "uefi", "os_distro": "ubuntu", "pipeline": "one"}); err != nil {
			b.Fatal(err)
		}
	}
	resource["instances"] = many
	if content, err = json.Marshal(state); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.Fatal(err)
	}
}

// replaceID replaces an id in an instance. Private state does not name it.
func replaceID(t *testing.T, instance []byte, from, to string, index int) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(instance, &members); err != nil {
		t.Fatal(err)
	}
	members["index_key"] = json.RawMessage(strconv.Itoa(index))
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), from, to)
}

// plans measures plans without changes, in turn, so that the machine's moods
// meet all subjects.
func (b *bench) plans(all []*subject) map[string]time.Duration {
	best := map[string]time.Duration{}
	for range *rounds {
		for _, s := range all {
			took := s.w.Plan("-detailed-exitcode").MustSucceed(b).Duration
			if best[s.name] == 0 || took < best[s.name] {
				best[s.name] = took
			}
		}
	}
	for _, s := range all {
		_, _ = s.count()
		s.w.Plan("-detailed-exitcode").MustSucceed(b)
		requests, _ := s.count()
		b.Logf("%-32s plan without changes %6.2f s, %5d requests", s.name, best[s.name].Seconds(), requests)
	}
	return best
}

// change changes one property of each image, with the default verify_after, which may
// take most requests for each, and without a wait. If waiting, the default is to cost no
// more than its own waits.
func (b *bench) change(all []*subject, batched *subject, most float64, waiting bool) {
	for _, s := range all {
		s.configure(b.T, "two")
		_, _ = s.count()
		took := s.w.Apply().MustSucceed(b).Duration
		requests, writes := s.count()
		b.Logf("%-32s change one property  %6.2f s, %5d requests, %d of them writes", s.name, took.Seconds(), requests, writes)
		if s != batched {
			continue
		}
		waits := time.Duration((*images+atOnce-1)/atOnce) * verifyAfter
		if len(s.waits) > 0 {
			waits = 0
			for _, w := range s.waits {
				waits += w / atOnce
			}
		}
		if float64(requests) > most*float64(*images) {
			b.Errorf("changing one property of %d images takes %d requests", *images, requests)
		}
		wait, late := mean(s.waits), mean(s.late)
		if len(s.waits) == 0 {
			wait = verifyAfter
		}
		hasty := *s
		hasty.arguments = append(hasty.arguments[:len(hasty.arguments):len(hasty.arguments)], `verify_after = "0s"`)
		hasty.configure(b.T, "three")
		_, _ = s.count()
		quick := s.w.Apply().MustSucceed(b).Duration
		requests, writes = s.count()
		b.Logf("%-32s change one property  %6.2f s, %5d requests, %d of them writes", s.name+`, verify_after = "0s"`, quick.Seconds(), requests, writes)
		b.Logf("%-32s the default costs %.2f s more; its own waits alone are %.2f s", "", (took - quick).Seconds(), waits.Seconds())
		b.Logf("%-32s a look begins %s after its wait of %s", "", late, wait)
		if late.Seconds() > mostLate*wait.Seconds() {
			b.Errorf("looks at what was written begin %s after their wait of %s, on average", late, wait)
		}
		if waiting && took-quick > waits {
			b.Errorf("the default verify_after costs %s more than none, and its waits are only %s", took-quick, waits)
		}
		s.configure(b.T, "three")
	}
}

// exchange is a request to the image service.
type exchange struct {
	method, path, query string
	began, ended        time.Time
}

// looks returns how long after the default verify_after each write was looked at.
func looks(exchanges []exchange) (late []time.Duration) {
	due := map[string]time.Time{} // by image
	for _, x := range exchanges {
		ids := []string{path.Base(x.path)}
		if x.method == http.MethodPatch {
			due[ids[0]] = x.ended.Add(max(verifyAfter, 2*x.ended.Sub(x.began)))
			continue
		}
		if query, err := url.ParseQuery(x.query); err == nil && query.Has("id") {
			ids = strings.Split(strings.TrimPrefix(query.Get("id"), "in:"), ",")
		}
		for _, id := range ids {
			if at, written := due[id]; written {
				late = append(late, x.began.Sub(at))
				delete(due, id)
			}
		}
	}
	return late
}

func mean(all []time.Duration) (mean time.Duration) {
	for _, d := range all {
		mean += d / time.Duration(len(all))
	}
	return mean.Round(time.Millisecond)
}

// memory compares the peaks of the provider processes during a plan.
func (b *bench) memory(ours, idle *subject) {
	peak := func(s *subject) float64 {
		p := s.w.Start("plan", "-no-color", "-detailed-exitcode")
		var most int64
		for !p.Ended() {
			most = max(most, p.ProviderMemory())
			time.Sleep(10 * time.Millisecond) // The peak is the kernel's; only the last look before the end matters.
		}
		p.Wait().MustSucceed(b)
		return float64(most) / (1 << 20)
	}
	mine, theirs := peak(ours), peak(idle)
	b.Logf("peak memory of the provider in a plan: %.0f MiB, idle provider %.0f MiB: ratio %.2f", mine, theirs, mine/theirs)
	if mine > mostMemory*theirs {
		b.Errorf("the provider takes %.2f times the memory of the idle one", mine/theirs)
	}
}

// start compares what every command pays: the handshake with the schema, and
// the size of what is downloaded.
func (b *bench) start(ours, idle string) {
	handshake := func(folder string) time.Duration {
		w := acceptance.NewWorkspace(b, acceptance.Options{ProviderFolder: folder, Measured: true})
		w.Write("main.tf", terraformBlock)
		best := time.Hour
		for range 2 * *rounds {
			best = min(best, w.Run("providers", "schema", "-json").MustSucceed(b).Duration)
		}
		return best
	}
	mine, theirs := handshake(ours), handshake(idle)
	info, err := os.Stat(filepath.Join(ours, program))
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("start with schema %s, idle provider %s: ratio %.2f; stripped binary %.1f MiB", mine, theirs, mine.Seconds()/theirs.Seconds(), float64(info.Size())/(1<<20))
}

// ratio logs a ratio and holds it against its bound, unless that is 0.
func (b *bench) ratio(what string, a, c time.Duration, most float64) {
	b.Helper()
	r := a.Seconds() / c.Seconds()
	b.Logf("%s: %.2f", what, r)
	if most > 0 && r > most {
		b.Errorf("%s: %.2f, want at most %.1f", what, r, most)
	}
}

func (b *bench) measure(s *subject, what string, args ...string) time.Duration {
	b.Helper()
	_, _ = s.count()
	took := s.w.Run(args...).MustSucceed(b).Duration
	requests, writes := s.count()
	b.Logf("%-32s %-20s %6.2f s, %5d requests, %d of them writes", s.name, what, took.Seconds(), requests, writes)
	return took
}

// makeImages makes the images of a user, each with the properties of an ordinary
// one. For nobody it makes ids up.
func (b *bench) makeImages(user string) []string {
	ids := make([]string, *images)
	if user == "" {
		for i := range ids {
			ids[i] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		}
		return ids
	}
	if b.sim != nil {
		for i := range ids {
			ids[i] = b.sim.CreateImage(simulator.Image{Name: imageName(i), ProjectName: b.cloud.Users[user].Project, Properties: map[string]string{
				"os_distro": "debian", "os_version": "13", "architecture": "x86_64", "hw_disk_bus": "virtio", "build": fmt.Sprint(i),
			}})
		}
		return ids
	}
	account := b.cloud.Images(b, user, acceptance.RegionOne)
	var wait sync.WaitGroup
	turns := make(chan struct{}, 8)
	for i := range ids {
		wait.Go(func() {
			turns <- struct{}{}
			ids[i] = account.CreateQueued(acceptance.Attributes{
				"name": imageName(i), "os_distro": "debian", "os_version": "13", "architecture": "x86_64", "hw_disk_bus": "virtio", "build": fmt.Sprint(i),
			})
			<-turns
		})
	}
	wait.Wait()
	return ids
}

const (
	program        = "terraform-provider-imageops"
	stateFile      = "terraform.tfstate"
	terraformBlock = "terraform {\n  required_providers {\n    imageops = { source = \"imageops/imageops\" }\n  }\n}\n"
)

func imageName(i int) string { return fmt.Sprintf("bench-%04d", i) }

// subject makes a workspace. Requests to a real service pass a proxy, which all
// that send requests pay alike.
func (b *bench) subject(name, folder, user string, arguments ...string) *subject {
	s := &subject{name: name, folder: folder, user: user, arguments: arguments, ids: b.makeImages(user), count: func() (int, int) { return 0, 0 }}
	s.w = acceptance.NewWorkspace(b, acceptance.Options{
		Environment: b.cloud.Environment(cmp.Or(user, acceptance.UserDemo), acceptance.RegionOne), ProviderFolder: folder, CommandLimit: time.Hour, Measured: true,
	})
	if folder == "" {
		return s
	}
	if b.sim != nil {
		s.count = func() (all, writes int) {
			var exchanges []exchange
			for _, r := range b.sim.Requests() {
				if strings.HasPrefix(r.Path, "/image/") {
					exchanges = append(exchanges, exchange{r.Method, r.Path, r.Query, r.Time, r.Time})
					if r.Method == http.MethodPatch {
						writes++
					}
				}
			}
			s.late = looks(exchanges)
			b.sim.ResetRequests()
			return len(exchanges), writes
		}
		return s
	}
	proxy := acceptance.NewProxy(b, b.cloud.Regions[acceptance.RegionOne])
	s.arguments = append(s.arguments, fmt.Sprintf("endpoint = %q", proxy.URL()))
	s.count = func() (all, writes int) {
		s.waits = nil
		for _, r := range proxy.Writes() {
			s.waits = append(s.waits, max(verifyAfter, 2*r.Ended.Sub(r.Began)))
		}
		var exchanges []exchange
		for _, r := range proxy.Requests("", "") {
			exchanges = append(exchanges, exchange{r.Method, r.Path, r.RawQuery, r.Began, r.Ended})
		}
		s.late = looks(exchanges)
		proxy.Reset()
		return len(exchanges), len(s.waits)
	}
	return s
}

// configure writes a configuration that gives every image the value.
func (s *subject) configure(t *testing.T, value string) {
	t.Helper()
	list, err := json.Marshal(s.ids)
	if err != nil {
		t.Fatal(err)
	}
	s.w.Write("images.json", string(list))
	// With count: Terraform evaluates for_each anew for every instance, which
	// alone would grow with the square of their number.
	s.w.Write("ids.tf", "locals {\n  ids = jsondecode(file(\"${path.module}/images.json\"))\n}\n")
	if s.folder == "" {
		s.w.Write("main.tf", fmt.Sprintf(`
resource "terraform_data" "many" {
  count = %d
  input = { image_id = local.ids[count.index], hw_firmware_type = "uefi", properties = { os_distro = "ubuntu", pipeline = %q } }
}
`, len(s.ids), value))
		return
	}
	s.w.Write("main.tf", terraformBlock+fmt.Sprintf(`
provider "imageops" {
  image_service = {
    %s
  }
}
resource "imageops_image_metadata" "many" {
  count            = %d
  image_id         = local.ids[count.index]
  hw_firmware_type = "uefi"
  properties       = { os_distro = "ubuntu", pipeline = %q }
}
`, strings.Join(s.arguments, "\n    "), len(s.ids), value))
}

// stateSize is how many bytes a state holds for each image.
func (s *subject) stateSize(t *testing.T) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(s.w.Folder(), stateFile))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size() / int64(len(s.ids))
}

// takeState gives a subject the images of another one, as that has them in its state.
func (s *subject) takeState(t *testing.T, from *subject) {
	t.Helper()
	s.ids = from.ids
	s.configure(t, "one")
	content, err := os.ReadFile(filepath.Join(from.w.Folder(), stateFile))
	if err != nil {
		t.Fatal(err)
	}
	s.w.Write(stateFile, string(content))
}

// build builds the provider as a release is built, and returns its folder.
func build(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), name)
	command := exec.Command("go", append([]string{"build", "-ldflags", "-s -w", "-o", filepath.Join(folder, program)}, append(arguments, "../..")...)...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, output)
	}
	return folder
}
