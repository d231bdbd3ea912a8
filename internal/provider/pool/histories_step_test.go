package pool_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
)

// refresh is the first half of a plan: upgrade and read.
func (r *historyRun) refresh(p *historyProcess, res *historyResource) (refreshed *tracked, ok bool) {
	p.upgrade(res.current)
	refreshed, ok = p.read(res.current)
	if !ok {
		return refreshed, false
	}
	if posts := r.pod.sent(); len(posts) > 0 {
		r.fail("a read sent %v", posts)
	}
	r.checkPrevious(res, "read", refreshed.state)
	res.memory.seen(r.pod.truth(r.poolIn(refreshed.state)))
	return refreshed, true
}

// poolIn is the number of the pool in a state.
func (r *historyRun) poolIn(state tftypes.Value) int {
	id := r.text(state, "desktop_pool_id")
	return slices.IndexFunc(r.pod.pools, func(p historyPool) bool { return p.id == id })
}

// historyPlan is a plan as `terraform plan` leaves it.
type historyPlan struct {
	configured tftypes.Value
	refreshed  *tracked
	change     plannedChange
	creates    bool
	mode       string // "", "taint", "replace" or "replace, create before destroy"
	noop       bool
	verdict    historyVerdict
	truth      historyTruth // when it was planned
	wanted     historyWanted
	at         time.Time
	deposed    []*tracked
}

// memoryFor is what the resource may remember in a plan: nothing in a create, and nothing
// of another pool.
func (r *historyRun) memoryFor(res *historyResource, creates bool, prior tftypes.Value) (*historyMemory, bool) {
	if creates || r.poolIn(prior) != res.config.pool {
		return &historyMemory{told: map[string]string{}, lastSure: true}, false
	}
	return &res.memory, res.unsure
}

// makePlan is the plan walk; ok is false when it ended in an error.
func (r *historyRun) makePlan(res *historyResource, s historyStep) (plan historyPlan, ok bool) {
	fault := historyFaults[s.fault]
	disturbed := strings.HasPrefix(s.fault, "plan-")
	r.pod.sent()
	p := r.start()
	defer p.cancel()
	if disturbed {
		r.pod.arm(fault, s.skip)
		r.count("fault " + s.fault)
	}
	defer func() {
		r.pod.disarm()
		if posts := r.pod.sent(); len(posts) > 0 {
			r.fail("a plan sent %v", posts)
		}
	}()
	for _, d := range res.deposed {
		p.upgrade(d)
		after, ok := p.read(d)
		if !ok && !disturbed {
			r.fail("a deposed object cannot be read")
		}
		if !ok {
			return plan, false
		}
		if _, ok := p.plan(after, after.private, r.null()); !ok {
			return plan, false
		}
		plan.deposed = append(plan.deposed, after)
	}
	plan.configured = r.configured(res)
	if len(s.edits) > 0 {
		p.validate(res.config)
	}
	r.pod.look()
	plan.truth, plan.at = r.pod.truth(res.config.pool), r.pod.clock()
	plan.wanted = res.config.wanted(r.pod)
	if res.current != nil {
		if plan.refreshed, ok = r.refresh(p, res); !ok {
			if !disturbed {
				r.fail("a read without trouble failed")
			}
			return plan, false
		}
	}
	var prior *tracked
	var private []byte
	switch {
	case res.current == nil:
		plan.creates = true
	case res.current.tainted:
		plan.mode, plan.creates = "taint", true
		if s.command == "replace, create before destroy" {
			plan.mode = s.command
		}
	default:
		prior, private = plan.refreshed, plan.refreshed.private
	}
	if prior != nil && strings.HasPrefix(s.command, "replace") {
		change, ok := p.plan(prior, private, plan.configured)
		if !ok {
			return plan, false
		}
		plan.mode, plan.creates, prior, private = s.command, true, nil, change.private
	}
	priorState := r.null()
	if prior != nil {
		priorState = prior.state
	}
	memory, unsure := r.memoryFor(res, plan.creates, priorState)
	plan.verdict = historyDecision{pod: r.pod, truth: plan.truth, config: res.config, wanted: plan.wanted, memory: memory, now: plan.at}.decide()
	if unsure {
		plan.verdict.open = true
	}
	r.note("    pool %s; memory %s; the model: %s", plan.truth, memory, plan.verdict)
	plan.change, ok = p.plan(prior, private, plan.configured)
	if !disturbed {
		r.checkPlan(res, &plan, ok)
	}
	if !ok {
		return plan, false
	}
	plan.noop = prior != nil && plan.change.state.Equal(prior.state)
	if plan.noop {
		r.count("empty plan")
	}
	return plan, true
}

func (m *historyMemory) String() string {
	text := "no claim"
	if c := m.claim; c != nil {
		text = fmt.Sprintf("claim %+v", *c)
	}
	if m.last != nil {
		text += fmt.Sprintf(", last %+v sure %t", *m.last, m.lastSure)
	}
	return text
}

// checkPlan compares a plan with what the model says.
func (r *historyRun) checkPlan(res *historyResource, plan *historyPlan, ok bool) {
	v := plan.verdict
	if v.open {
		r.count("plan open")
		return
	}
	r.count(fmt.Sprintf("row %d", v.row))
	pushes := slices.ContainsFunc(v.calls, func(line string) bool {
		return strings.HasPrefix(line, "schedule-push-image") && !strings.Contains(line, "rescheduled")
	})
	beyond := pushes && res.config.waitFor == "machines" && res.config.start.Sub(plan.at) >= 2*time.Hour
	switch {
	case !ok && (v.refusal != "" || beyond):
		r.count("plan refused: " + orElse(v.refusal, "beyond the timeout"))
		text := rules.Printed(plan.change.diags)
		if v.refusal == "start" && !strings.Contains(text, "is missing on it") || v.refusal == "conflict" && !strings.Contains(text, "somebody else") {
			r.fail("the plan is refused for another reason than %q:%s", v.refusal, text)
		}
		return
	case !ok:
		r.fail("the plan is refused, the model says %s:%s", v, rules.Printed(plan.change.diags))
	case v.refusal != "" || beyond:
		r.fail("the plan is not refused: %s", v)
	}
	lines, known := r.lines(plan.change.state, "planned_calls")
	unchanged := plan.refreshed != nil && !plan.creates && plan.change.state.Equal(plan.refreshed.state)
	switch {
	case !known:
		r.fail("planned_calls is not known, the model says %s", v)
	case len(v.calls) == 0 && unchanged:
	case !slices.Equal(lines, v.calls):
		r.fail("planned_calls is %q, the model says %s", lines, v)
	case len(v.calls) > 0 && unchanged:
		r.fail("the plan is empty, the model says %s", v)
	}
}

func (r *historyRun) applyStep(res *historyResource, s historyStep) {
	memory := res.memory
	plan, ok := r.makePlan(res, s)
	if !ok || s.command == "plan" {
		res.memory = memory // Terraform keeps what was read only with what it applies.
		r.count("outcome plan alone")
		return
	}
	if plan.refreshed != nil {
		res.current = plan.refreshed
	}
	foreign := r.changes[res.config.pool]
	for _, o := range s.between {
		r.outside(o)
	}
	p := r.start()
	defer p.cancel()
	for _, d := range plan.deposed {
		r.removeDeposed(p, d)
	}
	res.deposed = nil
	if plan.noop {
		return
	}
	a := &historyAttempt{r: r, res: res, step: s, plan: plan, process: p, foreign: foreign}
	a.run()
}

// removeDeposed deletes what an earlier replacement left behind. Nothing is sent.
func (r *historyRun) removeDeposed(p *historyProcess, d *tracked) {
	p.upgrade(d)
	r.pod.sent()
	planned, ok := p.plan(d, d.private, r.null())
	if !ok {
		return
	}
	if _, ok, diags := p.apply(d, planned, r.null()); !ok {
		r.fail("the deletion of a deposed object failed:%s", rules.Printed(diags))
	}
	if posts := r.pod.sent(); len(posts) > 0 {
		r.fail("the deletion of a deposed object sent %v", posts)
	}
	r.count("deposed")
}

// historyAttempt is the apply walk of one plan.
type historyAttempt struct {
	r       *historyRun
	res     *historyResource
	step    historyStep
	plan    historyPlan
	process *historyProcess
	// foreign is how often somebody else had changed the pool before the plan, began when the
	// apply began.
	foreign int
	began   time.Time
	// former is what the resource remembered before.
	former historyMemory
}

// interfered says whether somebody else has changed the pool since the plan.
func (a *historyAttempt) interfered() bool { return a.r.changes[a.res.config.pool] > a.foreign }

// tagMoved says whether somebody has moved the tag since the plan. Horizon looks up by itself
// what it stands for, after the resource has.
func (a *historyAttempt) tagMoved() bool { return a.res.config.wanted(a.r.pod) != a.plan.wanted }

// disturb arms what disturbs a step in a process.
func (r *historyRun) disturb(p *historyProcess, s historyStep) {
	if f := historyFaults[s.fault]; s.fault != "" && !strings.HasPrefix(s.fault, "plan-") {
		r.pod.arm(f, s.skip)
		r.count("fault " + s.fault)
	}
	p.requests = 0
	p.at = func(n int) {
		if n == s.cancel && !s.cancelAfter {
			p.cancel()
		}
		if n == s.duringAt {
			for _, o := range s.during {
				r.outside(o)
			}
		}
	}
	p.after = func(n int) {
		if n == s.cancel && s.cancelAfter {
			p.cancel()
		}
	}
}

func (a *historyAttempt) run() {
	r, res, p, plan := a.r, a.res, a.process, &a.plan
	pool := res.config.pool
	prior := plan.refreshed
	var private []byte
	switch plan.mode {
	case "":
		if prior != nil {
			private = prior.private
		}
	case "replace, create before destroy":
		prior = nil
	default:
		p.upgrade(prior)
		r.pod.sent()
		if _, ok, diags := p.apply(prior, plannedChange{state: r.null(), private: plan.change.private, identity: prior.identity}, r.null()); !ok {
			r.fail("the deleting half of a replacement failed:%s", rules.Printed(diags))
		}
		if posts := r.pod.sent(); len(posts) > 0 {
			r.fail("the deleting half of a replacement sent %v", posts)
		}
		r.count("replaced")
		prior, res.current = nil, nil
		res.forget()
	}
	r.pod.look()
	now := r.pod.truth(pool)
	r.pod.sent()
	final, ok := p.plan(prior, private, plan.configured)
	if posts := r.pod.sent(); len(posts) > 0 {
		r.fail("a plan sent %v", posts)
	}
	// A plan that could not look all up shows less.
	changed := strings.HasPrefix(a.step.fault, "plan-") || now.kind(r.pod.clock()) != plan.truth.kind(plan.at) || a.interfered() || a.tagMoved() || a.startCame()
	if !ok {
		r.count("outcome second plan refused")
		if !changed && (plan.verdict.open || plan.verdict.refusal == "") && !a.startPasses() {
			r.fail("the second plan is refused, and nothing has changed:%s", rules.Printed(final.diags))
		}
		return
	}
	if rules.ResultError(plan.change.state, final.state) != nil {
		// What an update diffs against stands in private state.
		keeps := len(private) > 0 && prior != nil && r.poolIn(prior.state) == pool && !strings.HasPrefix(a.step.fault, "plan-") && !plan.verdict.open &&
			(res.config.tag == 0 || r.text(prior.state, "im_tag_id") == r.pod.tags[res.config.tag-1])
		if keeps {
			r.fail("Provider produced inconsistent final plan (changed %t):\n%s\nplanned\n%s", changed, rules.Text(final.state), rules.Text(plan.change.state))
		}
		if !changed && !plan.verdict.open {
			r.fail("Provider produced inconsistent final plan, and nothing has changed:\n%s\nplanned\n%s", rules.Text(final.state), rules.Text(plan.change.state))
		}
		r.count("outcome inconsistent final plan")
		return
	}
	a.former = res.memory
	if prior == nil || r.poolIn(prior.state) != pool {
		res.forget()
		res.previousSure = true
	}
	if prior == nil {
		res.current = nil
		if plan.mode == "replace, create before destroy" {
			res.deposed = append(res.deposed, plan.refreshed)
		}
	}
	planned, _ := r.lines(final.state, "planned_calls")
	settingsOnly := prior != nil && rules.Attributes(final.state)["operation"].IsKnown()
	a.began = r.pod.clock()
	r.disturb(p, a.step)
	r.pod.call(res.name)
	after, ok, diags := p.apply(prior, final, plan.configured)
	cancelled := p.ctx.Err() != nil
	dead, met := r.pod.disarm()
	p.cancel()
	r.pod.look()
	posts := r.pod.sent()
	r.note("    sent %v", posts)
	a.account(posts, planned)
	interfered := a.interfered()
	switch {
	case dead:
		r.count("outcome killed")
		if prior != nil {
			res.current = &tracked{state: prior.state, identity: prior.identity}
		}
		res.forget()
	case ok:
		r.count("outcome success")
		res.current = after
		if cancelled && met {
			res.unsure = true
		}
		a.succeeded(diags, settingsOnly, cancelled, interfered)
	default:
		r.count("outcome failure")
		res.current = after
		a.failed(diags, posts, met, cancelled, interfered)
	}
	if plan.mode == "replace, create before destroy" && !dead && res.current != nil {
		deposed := res.deposed
		res.deposed = nil
		// The deposed object is planned and deleted by the same process.
		again := *p
		again.ctx = r.pod.traced(context.Background(), func() {}, func() {})
		for _, d := range deposed {
			r.removeDeposed(&again, d)
		}
	}
	if dead || !ok && res.current == nil && plan.mode == "replace, create before destroy" {
		// The former object stays the one in state.
		if n := len(res.deposed); n > 0 {
			res.current = res.deposed[n-1]
			res.deposed, res.memory = nil, a.former
			res.unsure, res.previousSure = true, false
		}
	}
}

// kind is what of a pool a decision depends on, without what changes by itself.
func (t historyTruth) kind(now time.Time) string {
	k := t
	switch k.state {
	case "PENDING_PUBLISH", "PUBLISHING", "READY":
		k.state = "on its way"
	}
	triggered := !k.settings || !k.start.After(now)
	return fmt.Sprint(k, triggered)
}

// startPasses says whether a configured time is about to pass.
func (a *historyAttempt) startPasses() bool {
	c := a.res.config
	return !c.start.IsZero() && !c.allowPast && c.start.Before(a.r.pod.clock().Add(3*time.Minute))
}

// startCame says whether a configured time has passed since the plan: what waited for it then
// begins at once now.
func (a *historyAttempt) startCame() bool {
	start := a.res.config.start
	return start.After(a.plan.at) && !start.After(a.r.pod.clock())
}

// account holds what was sent against the plan, and notes what the resource has to remember of it.
func (a *historyAttempt) account(posts []historyPost, planned []string) {
	r, res, c := a.r, a.res, a.res.config
	next, last := 0, -1
	for _, post := range posts {
		if post.pool != c.pool {
			r.fail("a call to another pool than the one that is configured: %v", post)
		}
		line := a.line(post)
		at := -1
		for i := next; i < len(planned) && at < 0; i++ {
			if covers(planned[i], line) {
				at = i
			}
		}
		if at < 0 && last >= 0 && covers(planned[last], line) {
			at = last // Again, since the first one was not taken, or that is not known.
		}
		if at < 0 && (!r.foreign[post.pool].Before(a.began) || a.tagMoved()) {
			// Somebody was faster than the call that was decided: no call has a condition. It is
			// what was planned, on what is there now.
			at = slices.IndexFunc(planned[next:], func(l string) bool { return strings.HasPrefix(l, actionOf(line)) })
			if at >= 0 {
				at += next
			}
		}
		if at < 0 {
			r.fail("a call that was not planned: %q, planned %q, the pool %s", line, planned, post.before)
		}
		last, next = at, max(next, at+1)
		if post.done {
			r.count("done " + post.action)
		}
		a.allowed(post)
		if post.done {
			res.memory.did(r, c, a.plan.wanted, post)
			a.countPrevious(post)
			for _, other := range r.resources {
				if other.name != post.caller && !strings.HasPrefix(post.action, "apply") && other.config.pool == post.pool {
					other.previousSure, other.coming = false, noImage
				}
			}
		}
	}
}

// covers says whether a call is the planned one, or the same to fewer machines.
func covers(planned, line string) bool {
	if planned == line {
		return true
	}
	const apply = "apply-image (current): "
	if strings.HasPrefix(line, apply) && strings.HasPrefix(planned, apply+"the machines on ") {
		return true
	}
	head, names, ok := strings.Cut(line, "): ")
	plannedHead, plannedNames, plannedOK := strings.Cut(planned, "): ")
	if !ok || !plannedOK || head != plannedHead || !strings.HasPrefix(line, "apply-image") {
		return false
	}
	all := strings.Split(plannedNames, ", ")
	return !slices.ContainsFunc(strings.Split(names, ", "), func(n string) bool { return !slices.Contains(all, n) })
}

// isReschedule says whether a push moves the one that is scheduled.
func (p historyPost) isReschedule(image historyImage) bool {
	return p.before.op == "SCHEDULE_PUSH_IMAGE" && p.before.pending == image && p.before.start.After(p.at)
}

// line is how a plan shows a call.
func (a *historyAttempt) line(post historyPost) string {
	r, c := a.r, a.res.config
	switch action, _, _ := strings.Cut(post.action, "/"); action {
	case "schedule-push-image":
		b, err := pushIn(post.body)
		r.must(err)
		if image := b.image(r.pod); post.isReschedule(image) {
			return fmt.Sprintf("schedule-push-image: %s, rescheduled from %s to %s", image, post.before.start.Format(time.RFC3339), time.UnixMilli(b.Start).UTC().Format(time.RFC3339))
		}
		return c.pushLine(r.pod, historyWanted{image: b.image(r.pod)})
	case "cancel-scheduled-push-image":
		if post.before.op == "SCHEDULE_PUSH_IMAGE" {
			return fmt.Sprintf("cancel-scheduled-push-image (%s, scheduled for %s)", post.before.pending, post.before.start.Format(time.RFC3339))
		}
		return fmt.Sprintf("cancel-scheduled-push-image (%s, held)", post.before.pending)
	case "promote-pending-image":
		logoff := ""
		if claim := a.res.memory.claim; claim.isPending(post.before) && claim.pushed {
			logoff = claim.logoff
		}
		return promoteLine(post.before.pending, logoff)
	case "apply-image":
		names := strings.Join(post.machines(r), ", ")
		if strings.Contains(post.pending, "true") {
			return fmt.Sprintf("apply-image (pending, %s): %s", post.before.pending, names)
		}
		return "apply-image (current): " + names
	}
	r.fail("a call that the model does not know: %v", post)
	return ""
}

// machines are the names of the machines of an apply-image.
func (p historyPost) machines(r *historyRun) []string {
	var names []string
	for _, id := range strings.Split(strings.Trim(p.body, `[]`), ",") {
		name := p.names[strings.ToLower(strings.Trim(id, `"`))]
		if name == "" {
			r.fail("a machine that the pool does not have: %v", p)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// allowed fails the history when a call is one that must not be made.
func (a *historyAttempt) allowed(post historyPost) {
	r, res, c, w := a.r, a.res, a.res.config, a.plan.wanted
	claim := res.memory.claim
	switch {
	case strings.HasPrefix(post.action, "cancel"):
		if !claim.isPending(post.before) && !c.overwrites() && !res.unsure && r.foreign[post.pool].Before(a.began) {
			r.fail("a cancel of what is not of this resource: %v", post)
		}
	case strings.HasPrefix(post.action, "promote"):
		if post.before.pending != w.image && r.foreign[post.pool].Before(a.began) {
			r.fail("a promotion of another image than %s: %v", w.image, post)
		}
	case strings.HasPrefix(post.action, "schedule"):
		b, err := pushIn(post.body)
		r.must(err)
		image := b.image(r.pod)
		if image != w.image && !a.tagMoved() {
			r.fail("a push of %s, wanted is %s", image, w.image)
		}
		if post.isReschedule(image) {
			return
		}
		if !r.foreign[post.pool].Before(a.began) {
			return // Somebody else was quicker.
		}
		if w.runsOn(post.before) {
			r.fail("a push of what the pool runs already: %v", post)
		}
		if post.before.state != "" && post.before.state != "FAILED" && w.pendingOn(post.before, claim) {
			r.fail("a push of what the pool is about to run: %v", post)
		}
		if b.TPM == nil || c.tpm == "" && *b.TPM != post.before.tpm || !flagAgrees(c.tpm, *b.TPM) {
			r.fail("the push changes the vTPM: %v", post)
		}
		if (historyCompute{b.CPUs, b.Cores, b.RAM}) != c.compute {
			r.fail("the push has another compute profile than %v: %v", c.compute, post)
		}
		if b.Logoff != orElse(c.logoff, "WAIT_FOR_LOGOFF") || b.Stop == nil || *b.Stop != (c.stop != "false") || b.Selective != c.selective {
			r.fail("the push has other settings than %s: %v", c, post)
		}
		if (b.Start != 0) != !c.start.IsZero() || b.Start != 0 && b.Start != c.start.UnixMilli() {
			r.fail("the push has another time than %s: %v", c, post)
		}
		if b.Start != 0 && !c.allowPast && c.start.Before(post.at) {
			r.fail("the push begins at once, its time has passed: %v", post)
		}
		var names []string
		for _, id := range b.Machines {
			names = append(names, post.names[strings.ToLower(id)])
		}
		slices.Sort(names)
		if c.selective && !slices.Equal(names, c.names(r.pod)) {
			r.fail("the push is for %v, configured are %v", names, c.names(r.pod))
		}
	}
}

// did notes what a resource has to remember of a call.
func (m *historyMemory) did(r *historyRun, c historyConfig, w historyWanted, post historyPost) {
	switch {
	case strings.HasPrefix(post.action, "schedule"):
		b, err := pushIn(post.body)
		r.must(err)
		start := time.Time{}
		if b.Start != 0 {
			start = time.UnixMilli(b.Start).UTC()
		}
		if post.isReschedule(b.image(r.pod)) && m.claim != nil {
			claim := *m.claim
			claim.start = start
			m.claim = &claim
			break
		}
		m.claim = &historyClaim{wanted: w, pushed: true, start: start, logoff: b.Logoff, stop: *b.Stop, tpm: b.TPM != nil && *b.TPM, whole: !b.Selective, replaces: post.before.current}
		for _, id := range b.Machines {
			m.claim.canaries = append(m.claim.canaries, post.names[strings.ToLower(id)])
		}
		m.told = map[string]string{}
	case strings.HasPrefix(post.action, "apply"):
		kind := "current"
		if strings.Contains(post.pending, "true") {
			kind = "pending"
		}
		for _, name := range post.machines(r) {
			m.told[name] = kind
			if !m.claim.isPending(post.before) {
				continue
			}
			claim := *m.claim
			claim.canaries = slices.DeleteFunc(slices.Clone(claim.canaries), func(n string) bool { return n == name })
			if kind == "pending" {
				claim.canaries = append(claim.canaries, name)
			}
			m.claim = &claim
		}
	default:
		m.told = map[string]string{}
	}
	if !strings.HasPrefix(post.action, "apply") {
		m.sent = post.at
	}
}

// warned says whether a diagnostic has a summary.
func warned(diags []*tfprotov6.Diagnostic, summary string) bool {
	return slices.ContainsFunc(diags, func(d *tfprotov6.Diagnostic) bool { return strings.Contains(d.Summary, summary) })
}

// succeeded checks what has to hold after an apply that ended in success.
func (a *historyAttempt) succeeded(diags []*tfprotov6.Diagnostic, settingsOnly, cancelled, interfered bool) {
	r, res, c, w := a.r, a.res, a.res.config, a.plan.wanted
	more, run := warned(diags, "needs more than was planned"), warned(diags, "The run was cancelled")
	held := warned(diags, "left on another image") || settingsOnly && warned(a.plan.change.diags, "left on another image")
	if run && !cancelled {
		r.fail("the run was not cancelled:%s", rules.Printed(diags))
	}
	if run || more {
		r.count("outcome success with more to do")
		res.memory.lastSure = false
		res.unsure = true // Of what was seen since the last call.
		return
	}
	t := r.pod.truth(c.pool)
	r.note("    after: pool %s", t)
	if !settingsOnly {
		res.memory.seen(t)
	}
	if !held {
		res.memory.last, res.memory.lastSure = &w, true
		if c := res.memory.claim; c != nil && c.over && c.wanted.image != w.image {
			res.memory.claim = nil // The configuration has chosen another one since.
		}
	}
	claim := res.memory.claim
	if !claim.isPending(t) {
		claim = nil
	}
	runs, pends := w.runsOn(t), w.pendingOn(t, claim)
	if !settingsOnly && !held && pends && claim == nil && (!runs || t.state != "READY_HELD") {
		res.memory.claim = &historyClaim{wanted: w, canaries: c.names(r.pod)}
		if !c.selective {
			res.memory.claim.canaries = nil
		}
		r.count("adopted")
	}
	res.unsure = interfered // Which may have been after the last look.
	failing := t.state == "FAILED" || t.state == "UNPUBLISHING"
	if !runs && !pends && !held && !interfered && (!failing || c.waitFor != "accepted") {
		r.fail("the apply has ended in success, the pool is %s, wanted is %+v", t, w)
	}
	if !settingsOnly { // Which looks at no pool.
		r.checkPrevious(res, "apply", res.current.state)
	}
	if !interfered && c.wanted(r.pod) == w {
		r.converged(res, w)
	}
}

// converged checks that the next plan is empty, or is the error for a start time while the pool
// does not have the image.
func (r *historyRun) converged(res *historyResource, w historyWanted) {
	p := r.start()
	defer p.cancel()
	before := r.pod.truth(res.config.pool)
	refreshed, ok := r.refresh(p, res)
	if !ok {
		r.fail("a read right after an apply failed")
	}
	planned, ok := p.plan(refreshed, refreshed.private, r.configured(res))
	t := r.pod.truth(res.config.pool)
	claim := res.memory.claim
	if !claim.isPending(t) {
		claim = nil
	}
	has := w.runsOn(t) || t.state != "" && t.state != "FAILED" && t.state != "UNPUBLISHING" && w.pendingOn(t, claim)
	switch {
	case !has:
		r.count("not there at the next plan") // It has failed meanwhile.
	case claim != nil && !res.config.selective && t.op == "NONE" && t.state == "READY_HELD":
		r.count("held at the next plan") // It has turned out to be a canary, and now it can be promoted.
	case !ok && strings.Contains(rules.Printed(planned.diags), "until that is over it cannot be told"):
		r.count("not to be told at the next plan")
	case !ok:
		r.fail("the plan after an apply is refused:%s\nthe pool is %s", rules.Printed(planned.diags), t)
	case !planned.state.Equal(refreshed.state):
		r.fail("the plan after an apply is not empty (the pool was %s, is %s):%s", before, t, r.differences(refreshed.state, planned.state))
	default:
		r.count("converged")
	}
	res.current = refreshed
}

func (r *historyRun) differences(before, after tftypes.Value) string {
	was, is := rules.Attributes(before), rules.Attributes(after)
	text := ""
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if !was[name].Equal(is[name]) {
			text += fmt.Sprintf("\n%s: %s -> %s", name, rules.Text(was[name]), rules.Text(is[name]))
		}
	}
	return text
}

// failed checks an apply that ended in an error.
func (a *historyAttempt) failed(diags []*tfprotov6.Diagnostic, posts []historyPost, met, cancelled, interfered bool) {
	r, res := a.r, a.res
	res.memory.lastSure = res.memory.lastSure && len(posts) == 0
	res.previousSure = res.previousSure && !met
	if met || cancelled {
		res.unsure = true
	}
	if a.plan.creates && res.current == nil {
		res.forget()
	}
	if res.current != nil && r.poolIn(res.current.state) != res.config.pool {
		// The state is still about the former pool.
		res.memory, res.unsure, res.previousSure = a.former, true, false
	}
	text := rules.Printed(diags)
	// Which machines are canaries of somebody cannot be seen where both images are one.
	alike := strings.Contains(text, "in use by machines") && a.plan.truth.pending == a.plan.truth.current
	r.stuck = r.stuck || alike || strings.Contains(text, "are still on the image that is held")
	for reason, words := range map[string]string{
		"publish": "could not be published", "halted": "machines of the desktop pool", "leaving": "are still on the image that is held", "late": "The time that the timeouts argument",
		"start": "at least 60 s ahead", "conflict": "as it was when this was planned", "else": "by somebody else",
	} {
		if strings.Contains(text, words) {
			r.count("failed: " + reason)
		}
	}
	trouble := strings.Contains(text, "could not be published") || strings.Contains(text, "have failed") || strings.Contains(text, "are still on the image") ||
		strings.Contains(text, "The time that the timeouts argument") || a.startPasses() || alike ||
		// A call that only moves the time names the clones as they were called then.
		a.plan.verdict.row == 9 && strings.Contains(text, "does not exist in desktop pool") ||
		// A push that failed is shown as over, and is not.
		strings.Contains(text, "a pending image in state FAILED") ||
		a.plan.verdict.waitsForCanary(text) ||
		// The tag was moved.
		a.tagMoved() && strings.Contains(text, "the image was planned from the version")
	if !met && !cancelled && !interfered && !trouble && !a.plan.verdict.open {
		r.fail("an apply without trouble failed:%s", text)
	}
}

// actionOf is the first word of a line.
func actionOf(line string) string {
	action, _, _ := strings.Cut(line, " ")
	return action
}

// countPrevious notes what previous_image has to be once the image of a push has come.
func (a *historyAttempt) countPrevious(post historyPost) {
	res := a.res
	if !strings.HasPrefix(post.action, "schedule") {
		return
	}
	b, err := pushIn(post.body)
	a.r.must(err)
	image := b.image(a.r.pod)
	switch {
	case post.isReschedule(image):
	case image == post.before.current:
		res.coming, res.previousSure = noImage, false
	case image == res.previous && res.previousSure:
		res.coming, res.comes = image, noImage
	default:
		res.coming, res.comes = image, post.before.current
	}
}

// checkPrevious holds previous_image of a state against the model.
func (r *historyRun) checkPrevious(res *historyResource, what string, state tftypes.Value) {
	r.pod.look()
	t := r.pod.truth(r.poolIn(state))
	if res.coming != noImage && t.current == res.coming && t.state == "" {
		res.previous, res.coming = res.comes, noImage
	}
	got := r.imageIn(state, "previous_image")
	if res.coming != noImage || !res.previousSure || res.unsure {
		return
	}
	if got != res.previous {
		r.fail("after the %s previous_image is %s, want %s", what, got, res.previous)
	}
	r.count("previous_image checked")
	if got != noImage {
		r.count("previous_image is an image")
	}
}

func (r *historyRun) importStep(res *historyResource) {
	p := r.start()
	defer p.cancel()
	answer, err := p.server.ImportResourceState(p.ctx, &tfprotov6.ImportResourceStateRequest{TypeName: resourceType, ID: r.pod.pools[res.config.pool].id})
	r.must(err)
	if r.speak(answer.Diagnostics) || len(answer.ImportedResources) != 1 {
		r.fail("the import failed:%s", rules.Printed(answer.Diagnostics))
	}
	i := answer.ImportedResources[0]
	imported := &tracked{state: r.decode(i.State), private: i.Private, identity: i.Identity}
	refreshed, ok := p.read(imported)
	if !ok {
		r.fail("what was imported cannot be read")
	}
	res.current = refreshed
	res.forget()
	r.count("imported")
}

func (r *historyRun) destroyStep(res *historyResource, s historyStep) {
	if res.current == nil {
		return
	}
	r.pod.sent()
	p := r.start()
	refreshed, ok := r.refresh(p, res)
	if !ok {
		r.fail("a read without trouble failed")
	}
	res.current = refreshed
	pool := r.poolIn(refreshed.state)
	state := r.ending(res, refreshed.state)
	r.note("    destroy: pool %s; memory %s; the model: %s", r.pod.truth(pool), &res.memory, state.verdict)
	planned, ok := p.plan(refreshed, refreshed.private, r.null())
	p.cancel()
	state.planned(r, ok, planned.diags)
	if posts := r.pod.sent(); len(posts) > 0 {
		r.fail("the plan of a destruction sent %v", posts)
	}
	if !ok {
		r.count("outcome destroy plan refused")
		return
	}
	lines := destroyLines(planned.diags)
	before := r.changes[pool]
	for _, o := range s.between {
		r.outside(o)
	}
	p = r.start()
	defer p.cancel()
	r.pod.call(res.name + " destroys")
	r.disturb(p, s)
	after, ok, diags := p.apply(refreshed, planned, r.null())
	dead, met := r.pod.disarm()
	r.pod.look()
	posts := r.pod.sent()
	r.note("    sent %v", posts)
	r.destroyed(res, state, posts, lines)
	switch {
	case dead:
		res.current = &tracked{state: refreshed.state, identity: refreshed.identity}
		res.forget()
		r.count("outcome destroy killed")
	case ok:
		r.count("outcome destroyed, " + orElse(state.onDestroy, "cancel"))
		res.current = nil
		res.forget()
	default:
		r.count("outcome destroy failed")
		text := rules.Printed(diags)
		disturbed := met || s.cancel > 0 || r.changes[pool] > before
		trouble := strings.Contains(text, "are still on the image") || strings.Contains(text, "in use by machines") || strings.Contains(text, "could not be published") || strings.Contains(text, "The time that the timeouts argument") ||
			state.verdict.waitsForCanary(text)
		if !disturbed && !trouble && !state.verdict.open {
			r.fail("a destruction without trouble failed:%s", text)
		}
		r.stuck = r.stuck || trouble
		res.current = after
		res.unsure, res.previousSure = true, false
	}
	for _, d := range res.deposed {
		r.removeDeposed(p, d)
	}
	res.deposed = nil
}

// historyEnd is what a destruction begins with.
type historyEnd struct {
	onDestroy string
	config    historyConfig // as far as it counts
	wanted    historyWanted
	verdict   historyVerdict
	at        time.Time
}

// ending says what the destruction of a state has to send.
func (r *historyRun) ending(res *historyResource, state tftypes.Value) historyEnd {
	pool := r.poolIn(state)
	text := func(name string) string { return r.text(state, name) }
	e := historyEnd{onDestroy: text("on_destroy"), at: r.pod.clock()}
	e.config = historyConfig{pool: pool, onConflict: text("on_conflict"), logoff: text("logoff_policy"), stop: "true"}
	if rules.Text(rules.Attributes(state)["stop_on_first_error"]) == "false" {
		e.config.stop = "false"
	}
	t := r.pod.truth(pool)
	d := historyDecision{pod: r.pod, truth: t, config: e.config, memory: &res.memory, now: e.at}
	switch e.onDestroy {
	case "keep":
		return e
	case "rollback":
		e.wanted.image = r.imageIn(state, "previous_image")
		d.wanted = e.wanted
		if e.wanted.image == noImage {
			e.verdict = historyVerdict{refusal: "previous"}
			return e
		}
		e.verdict = d.decide()
	default:
		d.withdraws = true
		e.wanted.image = t.current
		d.wanted = e.wanted
		e.verdict = d.decide()
		if row := e.verdict.row; row != 12 && row != 14 && row != 19 {
			e.verdict.calls, e.verdict.refusal = nil, ""
		}
	}
	if res.unsure {
		e.verdict.open = true
	}
	return e
}

// planned compares the plan of a destruction with the model.
func (e historyEnd) planned(r *historyRun, ok bool, diags []*tfprotov6.Diagnostic) {
	v := e.verdict
	if v.open {
		return
	}
	switch lines := destroyLines(diags); {
	case !ok && v.refusal == "":
		r.fail("the plan of the destruction is refused, the model says %s:%s", v, rules.Printed(diags))
	case !ok:
		r.count("destroy refused: " + v.refusal)
	case v.refusal != "":
		r.fail("the plan of the destruction is not refused: %s", v)
	case !slices.Equal(lines, v.calls):
		r.fail("the destruction is planned to send %q, the model says %s", lines, v)
	}
}

// destroyed holds what a destruction sent against its plan.
func (r *historyRun) destroyed(res *historyResource, e historyEnd, posts []historyPost, lines []string) {
	plan := historyPlan{wanted: e.wanted}
	a := &historyAttempt{r: r, res: &historyResource{config: e.config, memory: res.memory, unsure: res.unsure}, plan: plan}
	if len(posts) > 0 && e.onDestroy == "keep" {
		r.fail("on_destroy = keep sent %v", posts)
	}
	for _, post := range posts {
		claim := res.memory.claim
		may := e.config.overwrites() && e.onDestroy == "rollback" || claim.isPending(post.before) && (claim.pushed || e.onDestroy == "rollback")
		if strings.HasPrefix(post.action, "cancel") && !res.unsure && !may {
			r.fail("the destruction takes back what this resource did not push: %v", post)
		}
		r.count("destroy sent " + post.action)
	}
	a.account(posts, lines)
}

// forget is what a resource knows that begins anew.
func (res *historyResource) forget() {
	res.memory, res.unsure = historyMemory{told: map[string]string{}}, false
	res.previous, res.previousSure, res.coming = noImage, false, noImage
}

// destroyLines are the calls that the plan of a destruction shows in its warning.
func destroyLines(diags []*tfprotov6.Diagnostic) []string {
	for _, d := range diags {
		if _, lines, ok := strings.Cut(d.Detail, ":\n\n  "); ok && strings.HasPrefix(d.Summary, "Destroying") {
			return strings.Split(plainNames(lines), "\n  ")
		}
	}
	return nil
}
