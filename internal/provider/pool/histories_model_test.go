package pool_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The model of the random histories. It says what calls a pool needs, and what the
// resource must remember, from the documented behaviour alone; it shares no code with
// the provider and its client.

// historyConfig is a configuration of the resource.
type historyConfig struct {
	pool  int
	tag   int // the number of a tag and one more; 0 is by snapshot
	image historyImage
	// version names the version that the tag is on.
	version bool

	selective bool
	machines  []int
	promote   int // 0: nothing, 1: the wanted image, 2: another one

	start      time.Time
	allowPast  bool
	reschedule string // "", "true", "false"
	tpm        string
	stop       string
	compute    historyCompute // zero: not configured
	logoff     string
	waitFor    string
	percent    int64
	onDrift    string
	onConflict string
	onDestroy  string
}

func (c historyConfig) String() string {
	text := fmt.Sprintf("pool %d, %s", c.pool, c.image)
	if c.tag > 0 {
		text = fmt.Sprintf("pool %d, tag %d, version %t", c.pool, c.tag-1, c.version)
	}
	if c.selective {
		text += fmt.Sprintf(", selective %v promote %d", c.machines, c.promote)
	}
	if !c.start.IsZero() {
		text += ", start " + c.start.Format(time.RFC3339)
	}
	for name, value := range map[string]string{
		"reschedule": c.reschedule, "tpm": c.tpm, "stop": c.stop, "logoff": c.logoff, "wait_for": c.waitFor, "on_drift": c.onDrift, "on_conflict": c.onConflict, "on_destroy": c.onDestroy,
	} {
		if value != "" {
			text += ", " + name + " " + value
		}
	}
	if c.allowPast {
		text += ", past allowed"
	}
	if c.compute != (historyCompute{}) {
		text += fmt.Sprint(", ", c.compute)
	}
	return text
}

// attributes is the configuration as Terraform gives it to the provider.
func (c historyConfig) attributes(p *historyPod) map[string]any {
	a := map[string]any{"desktop_pool_id": p.pools[c.pool].id, "timeouts": map[string]any{"create": "2h", "update": "2h", "delete": "2h"}}
	wanted := p.images[max(c.image, 0)]
	if c.tag > 0 {
		a["im_stream_id"], a["im_tag_id"] = p.stream, p.tags[c.tag-1]
		image := p.tagged(c.tag - 1)
		wanted = p.versions[image]
		if c.version {
			a["im_version_id"] = p.versions[image]
		}
	} else {
		a["parent_vm_id"], a["snapshot_id"] = p.vmID, wanted
	}
	if c.selective {
		s := map[string]any{}
		if len(c.machines) > 0 {
			s["machine_names"] = c.names(p)
		}
		switch c.promote {
		case 1:
			s["promote_image"] = wanted
		case 2:
			s["promote_image"] = "snapshot-of-last-month"
		}
		a["selective"] = s
	}
	if !c.start.IsZero() {
		a["start_time"] = c.start.Format(time.RFC3339)
	}
	if c.allowPast {
		a["allow_past_start_time"] = true
	}
	for name, value := range map[string]string{"reschedule": c.reschedule, "add_virtual_tpm": c.tpm, "stop_on_first_error": c.stop} {
		if value != "" {
			a[name] = value == "true"
		}
	}
	for name, value := range map[string]string{"logoff_policy": c.logoff, "wait_for": c.waitFor, "on_drift": c.onDrift, "on_conflict": c.onConflict, "on_destroy": c.onDestroy} {
		if value != "" {
			a[name] = value
		}
	}
	if c.percent > 0 {
		a["wait_for_machines_percent"] = c.percent
	}
	if c.compute != (historyCompute{}) {
		a["compute_profile"] = map[string]any{"num_cpus": c.compute[0], "num_cores_per_socket": c.compute[1], "ram_mb": c.compute[2]}
	}
	return a
}

func (c historyConfig) names(p *historyPod) []string {
	var names []string
	for _, m := range c.machines {
		if name := p.machine(c.pool, m); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (c historyConfig) overwrites() bool { return c.onConflict == "overwrite" }

// historyWanted is W: an image, and what is configured of the rest.
type historyWanted struct {
	image   historyImage
	version string // of the catalogue; it counts for what was wanted last
	tpm     string
	compute historyCompute
}

func (c historyConfig) wanted(p *historyPod) historyWanted {
	w := historyWanted{image: c.image, tpm: c.tpm, compute: c.compute}
	if c.tag > 0 {
		w.image = p.tagged(c.tag - 1)
		w.version = p.versions[w.image]
	}
	return w
}

func flagAgrees(wanted string, is bool) bool { return wanted == "" || (wanted == "true") == is }

func (w historyWanted) runsOn(t historyTruth) bool {
	return w.image == t.current && flagAgrees(w.tpm, t.tpm) && (w.compute == historyCompute{} || w.compute == t.compute)
}

// pendingOn says whether P is W. What the server does not show of P comes from the claim.
func (w historyWanted) pendingOn(t historyTruth, ours *historyClaim) bool {
	if t.state == "" || w.image != t.pending {
		return false
	}
	if w.compute != (historyCompute{}) && w.compute != t.pCompute {
		return false
	}
	switch {
	case w.tpm == "":
		return true
	case t.settings:
		return flagAgrees(w.tpm, t.pTPM)
	case ours != nil:
		return ours.wanted.tpm == w.tpm
	}
	return false
}

// historyClaim is the pending image that a resource has pushed or adopted last.
type historyClaim struct {
	wanted   historyWanted
	pushed   bool // else it was adopted
	start    time.Time
	logoff   string
	stop     bool
	tpm      bool // as it was sent
	whole    bool // not selective
	canaries []string
	replaces historyImage
	// over says that the pool was seen without it: what comes after that is another one.
	over bool
}

// seen takes note of a pool as it is seen.
func (m *historyMemory) seen(t historyTruth) {
	gone := t.op == "NONE" && t.state == ""
	if m.claim != nil && (gone || t.state != "" && !m.claim.isPending(t)) {
		claim := *m.claim
		claim.over = true
		m.claim = &claim
	}
}

// isPending says whether nothing that is shown speaks against the claim being what is pending.
func (c *historyClaim) isPending(t historyTruth) bool {
	if c != nil && c.pushed && (c.whole && t.op == "NONE" && t.state == "READY_HELD" || t.waits && (c.start.IsZero() || t.pTPM != c.tpm)) {
		// A whole push is never held, one that was to begin at once does not wait, and one that
		// waits keeps its settings.
		return false
	}
	return c != nil && !c.over && t.state != "" && c.wanted.image == t.pending && (c.wanted.compute == historyCompute{} || c.wanted.compute == t.pCompute) &&
		(!t.settings || flagAgrees(c.wanted.tpm, t.pTPM))
}

// historyMemory is what a resource has to remember.
type historyMemory struct {
	claim *historyClaim
	// last is the W of the last successful apply; nil for none. It is not sure after an apply
	// that has failed, when what it pushed may have come by now.
	last     *historyWanted
	lastSure bool
	// sent is when the resource last made a call that pools show.
	sent time.Time
	// told are the machines that were told to leave, or to take, the held image.
	told map[string]string
}

// historyVerdict is what the model says of a plan.
type historyVerdict struct {
	row     int
	calls   []string
	refusal string // "start", "conflict", "machines", "failed"
	// open says that the model does not know.
	open bool
	why  string
}

func (v historyVerdict) String() string {
	return fmt.Sprintf("row %d: %q%s%s", v.row, v.calls, v.refusal, v.why)
}

// waitsForCanary says whether what was waited for has turned out to be somebody's canary,
// which the server does not show before.
func (v historyVerdict) waitsForCanary(text string) bool {
	return (v.row == 7 || v.row == 13) && strings.Contains(text, "somebody else holds")
}

// historyDecision is what a decision is made of.
type historyDecision struct {
	pod    *historyPod
	truth  historyTruth
	config historyConfig
	wanted historyWanted
	memory *historyMemory
	now    time.Time
	// withdraws says that it is a destruction that takes back what was pushed.
	withdraws bool
}

// decide is the table.
func (d historyDecision) decide() historyVerdict {
	t, w, c := d.truth, d.wanted, d.config
	claim := d.memory.claim
	if !claim.isPending(t) || d.withdraws && !claim.pushed {
		claim = nil
	}
	ours := claim != nil
	may := ours || c.overwrites() && !d.withdraws
	cw := d.withdraws || w.runsOn(t)
	pw := w.pendingOn(t, claim)
	if d.withdraws && t.op == "SCHEDULE_PUSH_IMAGE" {
		pw = false
	}
	start, logoff, stop, knows := t.start, t.logoff, t.stop, t.settings
	pushedSpec := ours && claim.pushed
	if !t.settings && pushedSpec {
		start, logoff, stop, knows = claim.start, claim.logoff, claim.stop, true
	}
	triggered := !knows || !start.After(d.now)

	isPush := t.op == "SCHEDULE_PUSH_IMAGE"
	failed := t.state == "FAILED" && pw // Nobody chose what the pool has instead.
	if c.onDrift == "hold" && !d.withdraws && d.memory.last != nil && !failed {
		comes := t.state != "" && (isPush && t.state != "FAILED" && t.state != "UNPUBLISHING" || t.op == "NONE" && t.state == "READY_HELD" && ours ||
			t.op == "NONE" && (t.state == "PENDING_PUBLISH" || t.state == "PUBLISHING") && (pw || ours))
		isWanted, isClaim := cw, d.memory.claim != nil && d.memory.claim.wanted.runsOn(t)
		if comes {
			isWanted, isClaim = pw, ours
		}
		if !isWanted && !isClaim && *d.memory.last == w {
			if !d.memory.lastSure {
				return historyVerdict{row: 2, open: true}
			}
			return historyVerdict{row: 2}
		}
		if !isWanted && !isClaim && !d.memory.lastSure {
			return historyVerdict{row: 2, open: true}
		}
	}
	switch {
	case isPush && t.state == "FAILED":
		v := d.after(func(t *historyTruth) {})
		v.row = 4
		return v
	case t.op == "CANCEL_SCHEDULED_PUSH_IMAGE", t.state == "UNPUBLISHING", isPush && t.state == "":
		return historyVerdict{row: 5, open: true}
	case t.op == "NONE" && (t.state == "PENDING_PUBLISH" || t.state == "PUBLISHING" || t.state == "READY"):
		return historyVerdict{row: 6, open: true}
	}
	if isPush {
		timeDiffers := !c.start.IsZero() && !d.withdraws && !c.start.Equal(start)
		if triggered {
			timeDiffers = timeDiffers && c.start.After(d.now)
		}
		othersDiffer := !d.withdraws && knows && (c.logoff != "" && logoff != "" && c.logoff != logoff || c.stop != "" && (c.stop == "true") != stop) ||
			!d.withdraws && c.selective && pushedSpec && claim.whole
		switch {
		case pw && triggered:
			v := d.afterPush(claim)
			v.row = 7
			return v
		case pw && !othersDiffer && !timeDiffers:
			return historyVerdict{row: 7}
		case pw && !othersDiffer:
			if c.reschedule == "false" || !pushedSpec {
				return historyVerdict{row: 9}
			}
			if d.tooLate(time.Minute) {
				return historyVerdict{row: 9, refusal: "start"}
			}
			return historyVerdict{row: 9, calls: []string{fmt.Sprintf("schedule-push-image: %s, rescheduled from %s to %s", t.pending, start.UTC().Format(time.RFC3339), c.start.UTC().Format(time.RFC3339))}}
		case !triggered && pw:
			return d.replace(10, may, cw, start)
		case !triggered && !ours && cw:
			return historyVerdict{row: 11}
		case !triggered:
			return d.replace(12, may, cw, start)
		}
		v := d.afterPush(claim)
		v.row = 13
		return v
	}
	if t.op == "NONE" && t.state == "READY_HELD" {
		return d.held(claim, may, cw, pw)
	}
	if t.op == "NONE" {
		if cw {
			return historyVerdict{row: 20}
		}
		return d.push(20)
	}
	return historyVerdict{row: 21, open: true}
}

func (d historyDecision) replace(row int, may, cw bool, start time.Time) historyVerdict {
	if !may {
		return historyVerdict{row: row, refusal: "conflict"}
	}
	cancel := fmt.Sprintf("cancel-scheduled-push-image (%s, held)", d.truth.pending)
	if !start.IsZero() {
		cancel = fmt.Sprintf("cancel-scheduled-push-image (%s, scheduled for %s)", d.truth.pending, start.UTC().Format(time.RFC3339))
	}
	if cw {
		return historyVerdict{row: row, calls: []string{cancel}}
	}
	v := d.push(row)
	if v.refusal == "" {
		v.calls = append([]string{cancel}, v.calls...)
	}
	return v
}

func (d historyDecision) held(claim *historyClaim, may, cw, pw bool) historyVerdict {
	t, c, w := d.truth, d.config, d.wanted
	ours := claim != nil
	alike := t.pending == t.current
	var canaries []string
	if ours {
		for _, name := range claim.canaries {
			if d.memory.told[name] != "current" {
				canaries = append(canaries, name)
			}
		}
	}
	slices.Sort(canaries)
	back := func(names []string) []string {
		if len(names) == 0 {
			return nil
		}
		return []string{"apply-image (current): " + strings.Join(names, ", ")}
	}
	promoted := c.selective && c.promote == 1
	switch {
	case pw && cw:
		if !ours {
			return historyVerdict{row: 14}
		}
		return historyVerdict{row: 14, calls: append(back(canaries), fmt.Sprintf("cancel-scheduled-push-image (%s, held)", t.pending))}
	case pw && (promoted || !c.selective && may) && !d.withdraws:
		logoff := ""
		if ours && claim.pushed {
			logoff = claim.logoff
		}
		return historyVerdict{row: 15, calls: []string{promoteLine(w.image, logoff)}}
	case pw && c.selective && !d.withdraws:
		if !ours {
			return historyVerdict{row: 16, open: true, why: " adoption"}
		}
		var add, leave []string
		for _, name := range c.names(d.pod) {
			if !slices.Contains(claim.canaries, name) && d.memory.told[name] != "pending" {
				add = append(add, name)
			}
		}
		for _, name := range claim.canaries {
			if !slices.Contains(c.names(d.pod), name) && d.memory.told[name] != "current" {
				leave = append(leave, name)
			}
		}
		slices.Sort(leave)
		var calls []string
		if len(add) > 0 {
			calls = append(calls, fmt.Sprintf("apply-image (pending, %s): %s", t.pending, strings.Join(add, ", ")))
		}
		return historyVerdict{row: 16, calls: append(calls, back(leave)...)}
	case !ours && cw:
		return historyVerdict{row: 17}
	case !may:
		return historyVerdict{row: 18, refusal: "conflict"}
	}
	v := d.replace(19, may, cw, time.Time{})
	switch {
	case v.refusal != "":
	case alike:
		v.calls = append(back(canaries), v.calls...)
	default:
		v.calls = append([]string{fmt.Sprintf("apply-image (current): the machines on %s", t.pending)}, v.calls...)
	}
	return v
}

func (d historyDecision) tooLate(notice time.Duration) bool {
	return !d.config.start.IsZero() && !d.config.allowPast && d.config.start.Before(d.now.Add(notice))
}

// push is the call that pushes W.
func (d historyDecision) push(row int) historyVerdict {
	if d.tooLate(time.Minute) {
		return historyVerdict{row: row, refusal: "start"}
	}
	calls := []string{d.config.pushLine(d.pod, d.wanted)}
	if d.config.selective && d.config.promote == 1 && !d.config.start.After(d.now) {
		calls = append(calls, promoteLine(d.wanted.image, d.config.logoff))
	}
	return historyVerdict{row: row, calls: calls}
}

// promoteLine is how a plan shows the promotion of an image that was pushed with a policy.
func promoteLine(image historyImage, logoff string) string {
	if logoff == "FORCE_LOGOFF" {
		return fmt.Sprintf("promote-pending-image: %s, FORCE_LOGOFF", image)
	}
	return fmt.Sprintf("promote-pending-image: %s", image)
}

// pushLine is how a plan shows the push of W.
func (c historyConfig) pushLine(p *historyPod, w historyWanted) string {
	words := []string{w.image.String()}
	if c.selective {
		held := "held for no machine yet"
		if names := c.names(p); len(names) > 0 {
			held = "held for " + strings.Join(names, ", ")
		}
		words = append(words, held)
	}
	words = append(words, orElse(c.logoff, "WAIT_FOR_LOGOFF"))
	start := "now"
	if !c.start.IsZero() {
		start = "at " + c.start.UTC().Format(time.RFC3339)
	}
	words = append(words, start)
	if c.stop == "false" {
		words = append(words, "going on after errors")
	}
	words = append(words, "vTPM "+map[string]string{"": "kept", "true": "on", "false": "off"}[c.tpm])
	if c.compute != (historyCompute{}) {
		words = append(words, fmt.Sprintf("%d CPUs with %d cores per socket, %d MB RAM", c.compute[0], c.compute[1], c.compute[2]))
	}
	return "schedule-push-image: " + strings.Join(words, ", ")
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// after decides for the pool as it will be.
func (d historyDecision) after(change func(*historyTruth)) historyVerdict {
	d.truth.op, d.truth.settings = "NONE", false
	change(&d.truth)
	return d.decide()
}

// afterPush decides for the pool as it will be when the push under way has ended.
func (d historyDecision) afterPush(claim *historyClaim) historyVerdict {
	if claim != nil && claim.pushed && !claim.whole {
		return d.after(func(t *historyTruth) { t.state = "READY_HELD" })
	}
	before := d.truth
	return d.after(func(t *historyTruth) {
		t.current, t.compute = before.pending, before.pCompute
		if before.settings {
			t.tpm = before.pTPM
		} else if claim != nil && claim.wanted.tpm != "" {
			t.tpm = claim.wanted.tpm == "true"
		}
		t.state, t.pending = "", noImage
	})
}

// historyPush is the body of a push.
type historyPush struct {
	VM        string   `json:"parent_vm_id"`
	Snapshot  string   `json:"snapshot_id"`
	Stream    string   `json:"im_stream_id"`
	Tag       string   `json:"im_tag_id"`
	Logoff    string   `json:"logoff_policy"`
	Stop      *bool    `json:"stop_on_first_error"`
	TPM       *bool    `json:"add_virtual_tpm"`
	Start     int64    `json:"start_time"`
	CPUs      int64    `json:"compute_profile_num_cpus"`
	Cores     int64    `json:"compute_profile_num_cores_per_socket"`
	RAM       int64    `json:"compute_profile_ram_mb"`
	Selective bool     `json:"selective_push_image"`
	Machines  []string `json:"machine_ids"`
}

func pushIn(body string) (historyPush, error) {
	var p historyPush
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&p)
	return p, err
}

func (b historyPush) image(p *historyPod) historyImage {
	if b.Tag != "" {
		return p.tagged(slices.Index(p.tags, b.Tag))
	}
	return p.imageOf(b.Snapshot)
}

func pickOne[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

// historyEdit is a random change of a configuration.
type historyEdit struct {
	what string
	n, m int
}

func (e historyEdit) String() string { return fmt.Sprintf("%s %d %d", e.what, e.n, e.m) }

var historyEdits = []string{
	"image", "image", "image", "image", "image", "tag", "tag", "version", "selective", "selective", "machines", "promote", "promote", "whole",
	"start", "start", "now", "past", "reschedule", "tpm", "compute", "logoff", "stop", "wait", "wait", "drift", "conflict", "conflict", "destroy", "destroy", "pool",
}

func drawEdit(random *rand.Rand) historyEdit {
	return historyEdit{pickOne(random, historyEdits...), random.IntN(12), random.IntN(12)}
}

// edit changes a configuration; times are after now.
func (c historyConfig) edit(e historyEdit, now time.Time) historyConfig {
	flags := []string{"", "true", "false"}
	switch e.what {
	case "image":
		c.image, c.tag, c.version = historyImage(e.n%3), 0, false
	case "tag":
		c.tag = 1 + e.n%2
	case "version":
		c.version = !c.version && c.tag > 0
	case "selective":
		c.selective, c.machines = true, []int{e.n}
		if e.m%3 == 0 {
			c.machines = append(c.machines, e.m)
		}
		if e.m%5 == 0 {
			c.machines = nil
		}
	case "machines":
		if c.selective {
			c.machines = []int{e.n, e.m}
		}
	case "promote":
		c.promote = pick3(e.n, 1, 1, 2)
	case "whole":
		c.selective, c.machines, c.promote = false, nil, 0
	case "start":
		c.start = now.Add([]time.Duration{-time.Hour, 45 * time.Second, 2 * time.Hour, 4 * time.Hour, 30 * time.Hour, 5 * time.Minute}[e.n%6]).UTC().Truncate(time.Second)
	case "now":
		c.start = time.Time{}
	case "past":
		c.allowPast = e.n%3 == 0
	case "reschedule":
		c.reschedule = flags[e.n%3]
	case "tpm":
		c.tpm = flags[e.n%3]
	case "compute":
		c.compute = []historyCompute{{}, {2, 1, 4096}, {4, 2, 8192}, {8, 4, 16384}}[e.n%4]
	case "logoff":
		c.logoff = []string{"", "WAIT_FOR_LOGOFF", "FORCE_LOGOFF"}[e.n%3]
	case "stop":
		c.stop = flags[e.n%3]
	case "wait":
		c.waitFor = []string{"", "published", "accepted", "machines"}[e.n%4]
	case "drift":
		c.onDrift = []string{"", "push", "hold"}[e.n%3]
	case "conflict":
		c.onConflict = []string{"", "fail", "overwrite", "overwrite"}[e.n%4]
	case "destroy":
		c.onDestroy = []string{"", "cancel", "rollback", "keep"}[e.n%4]
	case "pool":
		c.pool = e.n % 2
	}
	return c
}

func pick3(n, a, b, c int) int { return []int{a, b, c}[n%3] }
