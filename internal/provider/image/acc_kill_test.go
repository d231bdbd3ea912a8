package image_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

const (
	// killsVariable is how many processes TestAccKilledAtRandomMoments kills.
	killsVariable = "IMAGEOPS_KILLS"
	// killSeedVariable draws the same moments again. What they hit depends on the
	// pace of the machine, too.
	killSeedVariable = "IMAGEOPS_KILL_SEED"

	defaultKills = 50
	// killWorkers is more than there are processors: an apply waits, too.
	killWorkers = 4
	// killBreadth bounds how long an answer is held back, and how long after its
	// sign a kill comes.
	killBreadth = 30 * time.Millisecond
	// saveBreadth is the same for a kill after the state is saved: terraform ends
	// some milliseconds later.
	saveBreadth = 3 * time.Millisecond
	// orphanSilence is how long a provider that has lost its terraform may be silent
	// between two requests; it is more than verify_after.
	orphanSilence = 300 * time.Millisecond
	// arrival is how long the last request of a dead process may take to the proxy.
	arrival = 20 * time.Millisecond
	// quietLimit bounds what follows a kill.
	quietLimit = time.Minute
)

// operation is what is under way when a process is killed.
type operation int

const (
	aCreate operation = iota
	anUpdate
	aDestroy
	operations
)

func (o operation) String() string { return [...]string{"create", "update", "destroy"}[o] }

func (o operation) start(w *acceptance.Workspace) *acceptance.Process {
	command := "apply"
	if o == aDestroy {
		command = "destroy"
	}
	return w.Start(command, "-no-color", "-auto-approve")
}

// anchor is what a moment is counted from.
type anchor int

const (
	// atStart is any moment from the start of terraform to its usual end.
	atStart anchor = iota
	// atWrite is about the patch.
	atWrite
	// atRequest is about any request to the image service.
	atRequest
	// atSave is after the first change of the state file.
	atSave
)

// lot is what is drawn without replacement, so that every combination comes.
type lot struct {
	victim string
	anchor anchor
}

const (
	victimProvider  = "provider"
	victimTerraform = "terraform"
)

// lots have the clock for one half. A provider has nothing left to do when the
// state is saved.
var lots = []lot{
	{victimProvider, atStart}, {victimProvider, atStart}, {victimProvider, atStart}, {victimProvider, atStart},
	{victimProvider, atWrite}, {victimProvider, atRequest},
	{victimTerraform, atStart}, {victimTerraform, atStart},
	{victimTerraform, atWrite}, {victimTerraform, atRequest}, {victimTerraform, atSave}, {victimTerraform, atSave},
}

// kill is the death of one process at one moment.
type kill struct {
	lot
	// part is the part of the operation's usual time, for atStart.
	part float64
	// nth is the request that is meant, for atRequest; from 1.
	nth int
	// answered is set when the moment lies after the effect of the request.
	answered bool
	// held is how long the request, or its answer, is held back.
	held time.Duration
	// delay is how long after its sign the kill comes.
	delay time.Duration
}

func (k kill) String() string {
	side := "reached the server"
	if k.answered {
		side = "was answered"
	}
	request := fmt.Sprintf("request %d", k.nth)
	switch k.anchor {
	case atStart:
		return fmt.Sprintf("%s, at %.0f %% of the time", k.victim, 100*k.part)
	case atSave:
		return fmt.Sprintf("%s, %v after the state was saved", k.victim, k.delay)
	case atWrite:
		request = "the patch"
	}
	return fmt.Sprintf("%s, %v after %s %s, which is held for %v", k.victim, k.delay, request, side, k.held)
}

// end is how far an operation had come when its process died.
type end int

const (
	unwritten end = iota // Nothing took effect.
	unsaved              // The patch took effect, and the state says nothing of it.
	complete             // The state is saved.
	unharmed             // The process that was killed had nothing left to do: terraform ended in success.
	ends
)

func (e end) String() string {
	return [...]string{"before the write", "written, not saved", "saved", "without harm"}[e]
}

// pace is what an operation takes when nobody disturbs it, on a machine that is
// as busy as it will be.
type pace struct {
	took     time.Duration
	requests int
}

// campaign is the common part of all lives.
type campaign struct {
	cloud *acceptance.Cloud
	seed  uint64

	mu    sync.Mutex
	all   bool // every end is to be met
	left  int  // kills still to be made
	more  int  // kills that were added
	lives int  // begun
	most  int  // lives that there may be
	late  int  // processes that had ended before they could be killed
	torn  int  // state files that terraform left half written
	locks int  // lock files that terraform left behind
	count map[[2]string]*[ends]int
	// orphaned is how many providers went on without their terraform.
	orphaned int
}

// life is one image: it is created, updated and destroyed, with a kill in each.
type life struct {
	*site
	campaign *campaign
	number   int
	random   *rand.Rand
	paces    [operations]pace
	w        *acceptance.Workspace
	id       string
	// untouched is the image as the factory made it, first and second are it
	// with each version of the resource.
	untouched, first, second map[string]any
	// was is what the resource can know of the image as it was before: untouched
	// but for what a kill has hidden.
	was     map[string]any
	orphans orphans
}

// TestAccKilledAtRandomMoments kills the provider, or terraform, in creates,
// updates and destroys, and lets a second run complete what the first began.
func TestAccKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("finds processes in /proc")
	}
	kills, seed := defaultKills, rand.Uint64()
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", killsVariable, err)
		}
	}
	if text := os.Getenv(killSeedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", killSeedVariable, err)
		}
	}
	t.Run("Simulator", func(t *testing.T) {
		t.Logf("again with %s=%d %s=%d", killsVariable, kills, killSeedVariable, seed)
		// With fewer kills not every lot is drawn.
		all := kills >= int(operations)*len(lots)
		c := &campaign{cloud: simulated(t), seed: seed, all: all, left: kills, most: killWorkers + kills, count: map[[2]string]*[ends]int{}}
		c.run(t)
		if !all {
			return
		}
		for e := range unharmed {
			if n := c.total(e); n < enough {
				t.Errorf("%d kills %s: the test shows little", n, e)
			}
		}
	})
}

// run makes all kills.
func (c *campaign) run(t *testing.T) {
	t.Helper()
	began := time.Now()
	var workers sync.WaitGroup
	for worker := range killWorkers {
		workers.Go(func() { c.work(t, worker) })
	}
	workers.Wait()
	c.report(t, time.Since(began))
	if c.left > 0 {
		t.Errorf("%d kills were not made", c.left)
	}
}

// work measures the paces and goes through lives until all kills are made.
func (c *campaign) work(t *testing.T, worker int) {
	var paces [operations]pace
	// A subtest that -run leaves out has done nothing, which is no failure.
	done := false
	t.Run(fmt.Sprintf("undisturbed %d", worker), func(t *testing.T) {
		l := c.life(t, -1-worker)
		for o := range operations {
			l.configure(o)
			l.proxy.Reset()
			process := o.start(l.w)
			paces[o] = pace{took: process.Wait().MustSucceed(t).Duration, requests: len(l.proxy.Requests("", ""))}
			l.found(t, o.after(l))
		}
		t.Logf("%+v", paces)
		done = !t.Failed()
	})
	for done {
		number, more := c.next()
		if !more {
			return
		}
		done = false
		t.Run(fmt.Sprintf("life %d", number), func(t *testing.T) {
			l := c.life(t, number)
			l.paces = paces
			l.live(t)
			done = !t.Failed()
		})
	}
}

// next returns the number of the next life, if there is to be one.
func (c *campaign) next() (number int, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left <= 0 && c.more < mostMore && c.rare() {
		c.left, c.more, c.most = oneMore, c.more+oneMore, c.most+oneMore
	}
	if c.left <= 0 || c.lives == c.most {
		return 0, false
	}
	c.lives++
	return c.lives - 1, true
}

// life returns a life with an image and an empty workspace.
func (c *campaign) life(t *testing.T, number int) *life {
	t.Helper()
	s := newSite(t, c.cloud)
	l := &life{site: s, campaign: c, number: number, random: rand.New(rand.NewPCG(c.seed, uint64(number))), w: s.workspace(t)}
	l.begin()
	return l
}

// begin gives the life another image.
func (l *life) begin() {
	attributes := maps.Clone(asFound)
	attributes["dropped"], attributes["tags"] = "former", []string{"foreign"}
	l.id = l.images.Create(attributes)
	l.untouched = l.metadataOf(l.id)
	l.was = maps.Clone(l.untouched)
	l.first = altered(l.untouched, map[string]any{
		"hw_firmware_type": "uefi", "os_distro": "ubuntu", "added": "one", "dropped": "ours", "tags": []string{"foreign", "golden"},
	})
	l.second = altered(l.untouched, map[string]any{
		"hw_firmware_type": "uefi", "os_distro": "alma", "added": "two", "joined": "three", "tags": []string{"foreign", "golden", "second"},
	})
}

// altered is an image with some attributes changed.
func altered(image, changes map[string]any) map[string]any {
	changed := maps.Clone(image)
	maps.Copy(changed, changes)
	return changed
}

// configure writes the configuration that an operation is about.
func (l *life) configure(o operation) {
	switch o {
	case aCreate:
		metadata(l.w, l.id, "  tags = [\"golden\"]"+strings.Replace(firstVersion, "added", `dropped = "ours", added`, 1))
	case anUpdate:
		metadata(l.w, l.id, "  tags = [\"golden\", \"second\"]"+secondVersion)
	}
}

// before is the image before an operation.
func (o operation) before(l *life) map[string]any {
	return [...]map[string]any{l.untouched, l.first, l.second}[o]
}

// after is the image after an operation.
func (o operation) after(l *life) map[string]any {
	return [...]map[string]any{l.first, l.second, l.was}[o]
}

// record is what restore_patch has to put back after an operation.
func (o operation) record(l *life) map[string]any {
	keys, tags := []string{"hw_firmware_type", "os_distro", "added", "dropped"}, []string{"golden"}
	if o != aCreate {
		keys, tags = []string{"hw_firmware_type", "os_distro", "added", "joined"}, []string{"golden", "second"}
	}
	record := map[string]any{}
	for _, key := range keys {
		record["/"+key] = l.was[key]
	}
	for _, tag := range tags {
		record["/tags/"+tag] = nil
		if there, _ := l.was["tags"].([]string); slices.Contains(there, tag) {
			record["/tags/"+tag] = tag
		}
	}
	return record
}

// live goes through create, update and destroy.
func (l *life) live(t *testing.T) {
	l.configure(aCreate)
	if l.disturb(t, aCreate) == unsaved {
		// Nobody knows any more what was there: what the second run found is
		// what the first one wrote.
		l.was = l.first
		l.converge(t, aCreate)
		l.destroy(t)
		l.begin()
		l.configure(aCreate)
	}
	l.converge(t, aCreate)

	l.configure(anUpdate)
	if l.disturb(t, anUpdate) == unsaved {
		// The same is true of the keys that join.
		l.was = altered(l.was, map[string]any{"joined": "three", "tags": []string{"foreign", "second"}})
	}
	l.converge(t, anUpdate)

	l.disturb(t, aDestroy)
	if l.random.IntN(2) == 0 {
		l.converge(t, anUpdate) // The destruction was given up.
	}
	l.destroy(t)
}

// converge lets an apply run to its end and checks everything.
func (l *life) converge(t *testing.T, o operation) {
	t.Helper()
	l.w.Apply().MustSucceed(t)
	l.bury(t)
	l.found(t, o.after(l))
	noop(t, l.w)
	instance := l.w.State().Resources[this]
	if instance == nil || instance.Tainted {
		t.Fatalf("the state holds %+v", instance)
	}
	equalJSON(t, "what the state can restore", originals(t, instance.Attributes), o.record(l))
	if t.Failed() {
		t.FailNow()
	}
}

// destroy lets a destroy run to its end and checks that the image is as it was.
func (l *life) destroy(t *testing.T) {
	t.Helper()
	l.w.Destroy().MustSucceed(t)
	l.bury(t)
	l.found(t, aDestroy.after(l))
	if instance := l.w.State().Resources[this]; instance != nil {
		t.Errorf("after destroy the state holds %+v", instance)
	}
}

// found compares the whole image, what others own included.
func (l *life) found(t *testing.T, want map[string]any) {
	t.Helper()
	equalJSON(t, "the image", l.metadataOf(l.id), want)
}

// draw draws how the process of an operation dies.
func (l *life) draw(o operation) kill {
	block, place := l.number/len(lots), l.number%len(lots)
	deck := rand.New(rand.NewPCG(l.campaign.seed, uint64(o)<<32|uint64(block))).Perm(len(lots))
	breadth := func() time.Duration {
		return time.Duration(l.random.Int64N(int64(killBreadth))).Round(100 * time.Microsecond)
	}
	k := kill{
		lot: lots[deck[place]], part: l.random.Float64(), nth: 1 + l.random.IntN(l.paces[o].requests),
		answered: l.random.IntN(2) == 0, held: breadth(), delay: breadth(),
	}
	if k.anchor == atSave {
		k.delay %= saveBreadth
	}
	return k
}

// disturb begins an operation and kills one of its processes, and returns how
// far it had come. The end is unharmed, too, when no kill is left to be made.
func (l *life) disturb(t *testing.T, o operation) end {
	t.Helper()
	k := l.draw(o)
	if !l.campaign.claim() {
		return unharmed
	}
	sign := newSignalled()
	match := acceptance.Match{Method: "PATCH"}
	if k.anchor == atRequest {
		match = acceptance.Match{Nth: k.nth}
	}
	switch {
	case k.anchor != atWrite && k.anchor != atRequest:
	case k.answered:
		l.proxy.After(match, acceptance.Call(sign.tell), acceptance.Delay(k.held))
	default:
		l.proxy.Before(match, acceptance.Call(sign.tell), acceptance.Delay(k.held))
	}
	state := l.stateFile()
	process := o.start(l.w)
	ended := make(chan acceptance.Result, 1)
	go func() { ended <- process.Wait() }()

	result, died := l.strike(t, o, k, sign, state, ended)
	if died {
		result = <-ended
		// A signal reaches a process that has ended and was not waited for yet.
		died = k.victim == victimProvider || result.ExitCode != 0
	}
	l.awaitQuiet(t)
	// The next run has another way to the image service than an orphan.
	l.proxy = acceptance.NewProxy(t, l.cloud.Regions[acceptance.RegionOne])
	l.verifyAfter(l.w, "50ms")
	l.mend(t, state)
	e := l.judge(t, o, result)
	l.campaign.note(o, k, e, died, len(l.orphans.ids), l.leftLock())
	t.Logf("%s: %s: %s, exit code %d", o, k, e, result.ExitCode)
	if t.Failed() {
		t.Fatalf("after the end of terraform:\n%s%s", result.Stdout, result.Stderr)
	}
	return e
}

// strike waits for the moment and kills. It reports the result of a terraform
// that ended before, or that a victim died.
func (l *life) strike(t *testing.T, o operation, k kill, sign *signalled, state fs.FileInfo, ended <-chan acceptance.Result) (acceptance.Result, bool) {
	t.Helper()
	pause := k.delay
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	come := sign.reached
	if k.anchor == atStart || k.anchor == atSave {
		come = nil
	}
	if k.anchor == atStart {
		pause = time.Duration(k.part * float64(l.paces[o].took))
	}
	for k.anchor != atStart {
		select {
		case r := <-ended:
			return r, false
		case <-come:
		case <-poll.C:
			if k.anchor != atSave || !changed(state, l.stateFile()) {
				continue
			}
		}
		break
	}
	select {
	case r := <-ended:
		return r, false
	case <-time.After(pause):
	}
	for {
		for _, p := range l.processes(t) {
			if p.victim != k.victim {
				continue
			}
			if handle, err := os.FindProcess(p.id); err == nil && handle.Kill() == nil {
				return acceptance.Result{}, true
			}
		}
		// Terraform runs a provider several times, and none in between.
		select {
		case r := <-ended:
			return r, false
		case <-poll.C:
		}
	}
}

// stateFile describes the state file; nil when there is none.
func (l *life) stateFile() fs.FileInfo {
	info, err := os.Stat(filepath.Join(l.w.Folder(), "terraform.tfstate"))
	if err != nil {
		return nil
	}
	return info
}

// changed says whether a state was written. Terraform makes an empty file to lock
// it, and empties the file before it writes.
func changed(before, now fs.FileInfo) bool {
	if before == nil || now == nil {
		return now != nil && now.Size() > 0
	}
	return now.Size() > 0 && !before.ModTime().Equal(now.ModTime())
}

// running is a process of this life.
type running struct {
	id     int
	victim string // empty for one that is just becoming a provider
}

// processes returns what runs in the folder of the workspace: terraform, which
// is a child of this process, and its providers, also when they have lost it.
func (l *life) processes(t *testing.T) []running {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []running
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// What ends meanwhile has neither.
		at := func(name string) string { return filepath.Join("/proc", entry.Name(), name) }
		if folder, err := os.Readlink(at("cwd")); err != nil || folder != l.w.Folder() {
			continue
		}
		program, err := os.Readlink(at("exe"))
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(at("stat"))
		if err != nil {
			continue
		}
		// The parent is the second field after the name (proc(5)).
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		p := running{id: id}
		switch {
		case strings.HasPrefix(filepath.Base(program), "terraform-provider-"):
			p.victim = victimProvider
		case len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()):
			p.victim = victimTerraform
		}
		found = append(found, p)
	}
	return found
}

// orphans are providers that outlive their terraform, and what they ask still.
type orphans struct {
	ids   []int
	proxy *acceptance.Proxy
	asked int
}

// awaitQuiet returns when the operation can change nothing any more: when no
// process of it is left, or no provider that is left has asked for anything for
// a while. Such providers are the orphans of this life.
func (l *life) awaitQuiet(t *testing.T) {
	t.Helper()
	latest := time.Now()
	for limit := latest.Add(quietLimit); ; time.Sleep(2 * time.Millisecond) {
		requests, pending := l.proxy.Requests("", ""), false
		for _, r := range requests {
			pending = pending || r.Ended.IsZero()
			if r.Ended.After(latest) {
				latest = r.Ended
			}
		}
		left := l.processes(t)
		switch {
		case pending:
		case len(left) == 0:
			if time.Since(latest) > arrival {
				return
			}
		case time.Since(latest) > orphanSilence:
			for _, p := range left {
				l.orphans.ids = append(l.orphans.ids, p.id)
			}
			l.orphans.proxy, l.orphans.asked = l.proxy, len(requests)
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("after a minute there are still the processes %+v; requests pending: %t", left, pending)
		}
	}
}

// bury ends the orphans, which ask for nothing while another run works.
func (l *life) bury(t *testing.T) {
	t.Helper()
	for _, p := range l.processes(t) {
		if !slices.Contains(l.orphans.ids, p.id) {
			t.Errorf("process %d outlives its terraform, which ended by itself", p.id)
		}
		if handle, err := os.FindProcess(p.id); err == nil {
			_ = handle.Kill()
		}
	}
	if p := l.orphans.proxy; p != nil {
		for _, r := range p.Requests("", "")[l.orphans.asked:] {
			t.Errorf("a provider without terraform has sent %s %s %s", r.Method, r.Path, r.Body)
		}
	}
	l.orphans = orphans{}
}

// mend does what a person does when terraform died while it wrote the state file,
// which it does in place: take the backup.
func (l *life) mend(t *testing.T, before fs.FileInfo) {
	t.Helper()
	path := filepath.Join(l.w.Folder(), "terraform.tfstate")
	content, err := os.ReadFile(path)
	if err != nil || json.Valid(content) || before == nil && len(content) == 0 {
		return
	}
	t.Logf("terraform left a state file of %d bytes that is not JSON", len(content))
	l.campaign.mu.Lock()
	l.campaign.torn++
	l.campaign.mu.Unlock()
	backup, err := os.ReadFile(path + ".backup")
	if err != nil {
		// There was no state before.
		err = os.WriteFile(path, nil, 0o600)
	} else {
		err = os.WriteFile(path, backup, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// leftLock says whether terraform left its note of who holds the lock. The lock
// itself ends with the process.
func (l *life) leftLock() bool {
	_, err := os.Stat(filepath.Join(l.w.Folder(), ".terraform.tfstate.lock.info"))
	return err == nil
}

// judge finds out how far an operation has come, and that it is at no place
// where it must not be.
func (l *life) judge(t *testing.T, o operation, result acceptance.Result) end {
	t.Helper()
	image := l.metadataOf(l.id)
	wrote := sameJSON(image, o.after(l))
	if !wrote {
		equalJSON(t, "the image, which is not as after the patch,", image, o.before(l))
	}
	instance := l.w.State().Resources[this]
	var done bool
	switch o {
	case aCreate:
		done = instance != nil
	case anUpdate:
		if instance == nil {
			t.Fatal("the update has lost the resource from state")
		}
		properties, _ := instance.Attributes["properties"].(map[string]any)
		done = properties["os_distro"] == "alma"
	default:
		done = instance == nil
	}
	if instance != nil && instance.Tainted {
		t.Error("the resource is tainted")
	}
	switch {
	case done && !wrote:
		t.Error("the state says what was not written")
	case result.ExitCode == 0 && !done:
		t.Error("terraform ended in success without saving the state")
	case result.ExitCode == 0:
		return unharmed
	case done:
		if instance != nil {
			equalJSON(t, "what the saved state can restore", originals(t, instance.Attributes), o.record(l))
		}
		return complete
	case wrote:
		return unsaved
	}
	return unwritten
}

func sameJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// claim takes one of the kills that are left.
func (c *campaign) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left <= 0 {
		return false
	}
	c.left--
	return true
}

// note counts an operation. A kill that came too late is to be made again.
func (c *campaign) note(o operation, k kill, e end, died bool, orphaned int, lock bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lock {
		c.locks++
	}
	c.orphaned += orphaned
	if !died {
		c.left++
		c.late++
		return
	}
	row := [2]string{o.String(), k.victim}
	if c.count[row] == nil {
		c.count[row] = new([ends]int)
	}
	c.count[row][e]++
}

// Kills meet the ends by chance. While one of them was met too rarely there are
// more kills, up to a limit.
const (
	enough   = 3
	oneMore  = 6
	mostMore = 60
)

// rare says whether an end was met too rarely to show anything, though the kills
// were to meet them all.
func (c *campaign) rare() bool {
	if !c.all {
		return false
	}
	for e := range unharmed {
		if c.total(e) < enough {
			return true
		}
	}
	return false
}

func (c *campaign) total(e end) int {
	n := 0
	for _, counts := range c.count {
		n += counts[e]
	}
	return n
}

func (c *campaign) report(t *testing.T, took time.Duration) {
	t.Helper()
	var table strings.Builder
	fmt.Fprintf(&table, "%-20s", "killed")
	for e := range ends {
		fmt.Fprintf(&table, "%20s", e)
	}
	for o := range operations {
		for _, victim := range []string{victimProvider, victimTerraform} {
			counts := c.count[[2]string{o.String(), victim}]
			if counts == nil {
				counts = new([ends]int)
			}
			fmt.Fprintf(&table, "\n%-20s", o.String()+", "+victim)
			for _, n := range counts {
				fmt.Fprintf(&table, "%20d", n)
			}
		}
	}
	t.Logf("%d lives in %v; %d kills came too late and were made again; %d torn state files; %d lock files left; %d providers left\n%s",
		c.lives, took.Round(time.Millisecond), c.late, c.torn, c.locks, c.orphaned, table.String())
}
