package pool_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/provider"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

const (
	// historiesVariable is how many random histories are run.
	historiesVariable = "IMAGEOPS_POOL_HISTORIES"
	// historyVariable is the seed of the first history, and of the only one if it is not said
	// how many.
	historyVariable = "IMAGEOPS_POOL_HISTORY"

	historySteps     = 10
	defaultHistories = 1000
	historyWorkers   = 8
	// mostShrinks is how many shorter histories are tried in place of one that fails.
	mostShrinks = 25

	resourceType = "imageops_desktop_pool_image"
)

// withoutOwnPod takes a developer's own sign-in out of the environment, which a
// provider server inside the test process reads.
var withoutOwnPod = sync.OnceFunc(func() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "HORIZON_") {
			_ = os.Unsetenv(name)
		}
	}
})

// historyStep is one step: changes of a configuration and of the pools, then a command of
// terraform.
type historyStep struct {
	resource int
	edits    []historyEdit
	outside  []historyOutside
	command  string
	// between is done by others after the plan and before the apply.
	between []historyOutside
	fault   string
	skip    int
	// cancel ends the run at this request of an apply, before or after it was sent; 0: never.
	cancel      int
	cancelAfter bool
	// during is done by others when the apply makes this request.
	during   []historyOutside
	duringAt int
	// rest is the time until the next step, leap is by how much the pod's clock goes ahead
	// of that.
	rest, leap time.Duration
}

func (s historyStep) String() string {
	text := fmt.Sprintf("resource %d: ", s.resource)
	for _, e := range s.edits {
		text += fmt.Sprintf("edit %s; ", e)
	}
	for _, o := range s.outside {
		text += fmt.Sprintf("outside %s; ", o)
	}
	text += s.command
	if s.fault != "" {
		text += fmt.Sprintf(" with fault %s after %d", s.fault, s.skip)
	}
	if s.cancel > 0 {
		text += fmt.Sprintf(" cancelled at %d (after %t)", s.cancel, s.cancelAfter)
	}
	for _, o := range s.between {
		text += fmt.Sprintf(", between %s", o)
	}
	for _, o := range s.during {
		text += fmt.Sprintf(", at request %d %s", s.duringAt, o)
	}
	return text + fmt.Sprintf("; then %s and %s", s.rest, s.leap)
}

// historyOutside is something that somebody else does.
type historyOutside struct {
	what       string
	pool, n, m int
}

func (o historyOutside) String() string { return fmt.Sprintf("%s %d %d %d", o.what, o.pool, o.n, o.m) }

var historyOutsides = []string{
	"push", "push", "push", "hold", "hold", "schedule", "promote", "cancel", "apply current", "apply pending", "fail publish", "fail machine", "session", "session", "log off", "log off", "tag", "tag",
}

func drawOutside(random *rand.Rand) historyOutside {
	return historyOutside{pickOne(random, historyOutsides...), random.IntN(2), random.IntN(12), random.IntN(12)}
}

// historyFaults are the disturbances of an apply or a destroy, those that begin with plan of a plan.
var historyFaults = map[string]historyFault{
	"write-reset":         {kind: "reset", writes: true, count: 1},
	"write-reset-after":   {kind: "reset after", writes: true, count: 1},
	"write-truncated":     {kind: "truncated", writes: true, count: 1},
	"write-401":           {kind: "401", writes: true, count: 1},
	"write-403":           {kind: "403", writes: true, count: 1},
	"write-429":           {kind: "429", writes: true, count: 2},
	"write-500":           {kind: "500", writes: true, count: 1},
	"write-500-after":     {kind: "500 after", writes: true, count: 1},
	"write-503":           {kind: "503", writes: true, count: 1},
	"write-503-later":     {kind: "503 later", writes: true, count: 1},
	"read-reset":          {kind: "reset", count: 1},
	"read-reset-always":   {kind: "reset", count: 1000},
	"read-truncated":      {kind: "truncated", count: 1},
	"read-401":            {kind: "401", count: 1},
	"read-429":            {kind: "429", count: 1},
	"read-503":            {kind: "503", count: 2},
	"read-500":            {kind: "500", count: 1},
	"killed-before":       {kind: "killed", writes: true, count: 1},
	"killed-after":        {kind: "killed after", writes: true, count: 1},
	"killed-at-a-read":    {kind: "killed", count: 1},
	"plan-read-reset":     {kind: "reset", count: 1},
	"plan-read-403":       {kind: "403", count: 1},
	"plan-read-429":       {kind: "429", count: 1},
	"plan-read-truncated": {kind: "truncated", count: 1},
}

func drawHistory(seed uint64) []historyStep {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // Repeatable.
	faults := slices.Sorted(maps.Keys(historyFaults))
	steps := make([]historyStep, historySteps)
	for i := range steps {
		s := &steps[i]
		s.resource = pickOne(random, 0, 0, 0, 1)
		for range pickOne(random, 0, 1, 1, 1, 1, 2, 2, 3) {
			s.edits = append(s.edits, drawEdit(random))
		}
		for range pickOne(random, 0, 0, 0, 1, 1, 2) {
			s.outside = append(s.outside, drawOutside(random))
		}
		switch n := random.IntN(100); {
		case n < 66:
			s.command = "apply"
		case n < 70:
			s.command = "plan"
		case n < 73:
			s.command = "refresh"
		case n < 81:
			s.command = "destroy"
		case n < 85:
			s.command = "taint"
		case n < 89:
			s.command = "replace"
		case n < 93:
			s.command = "replace, create before destroy"
		case n < 95:
			s.command = "lose private"
		case n < 98:
			s.command = "import"
		default:
			s.command = "forget"
		}
		if random.IntN(5) == 0 {
			s.between = append(s.between, drawOutside(random))
		}
		if random.IntN(4) == 0 {
			s.fault, s.skip = pickOne(random, faults...), pickOne(random, 0, 0, 1, 2, 4, 7)
		}
		if random.IntN(10) == 0 {
			s.cancel, s.cancelAfter = 1+random.IntN(14), random.IntN(2) == 0
		}
		if random.IntN(10) == 0 {
			s.during, s.duringAt = []historyOutside{drawOutside(random)}, 1+random.IntN(12)
		}
		s.rest = pickOne(random, 31*time.Second, 31*time.Second, 100*time.Second, 100*time.Second, 7*time.Minute, 25*time.Minute)
		s.leap = pickOne(random, 0, 0, 0, 0, time.Hour, 3*time.Hour, 40*time.Hour)
	}
	steps[0].edits = append([]historyEdit{drawEdit(random), drawEdit(random)}, steps[0].edits...)
	return steps
}

// historySchemas are the types of the provider, which all servers share.
type historySchemas struct {
	provider   tftypes.Type
	resource   tftypes.Object
	attributes []*tfprotov6.SchemaAttribute
}

var historySchemasOnce = sync.OnceValues(func() (*historySchemas, error) {
	schema, err := provider.Server("test")().GetProviderSchema(context.Background(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, err
	}
	resource := schema.ResourceSchemas[resourceType]
	as, _ := resource.ValueType().(tftypes.Object)
	return &historySchemas{schema.Provider.ValueType(), as, resource.Block.Attributes}, nil
})

// tracked is an instance as terraform keeps it in state.
type tracked struct {
	state    tftypes.Value
	private  []byte
	identity *tfprotov6.ResourceIdentityData
	tainted  bool
}

// historyResource is a resource of the configuration.
type historyResource struct {
	name    string
	config  historyConfig
	current *tracked
	deposed []*tracked
	memory  historyMemory
	// unsure says that the model does not know what the resource remembers.
	unsure bool
	// previous is what previous_image has to be, as far as that is sure.
	previous     historyImage
	previousSure bool
	// coming is an image that was pushed and is not there yet, comes what previous_image is
	// when it is.
	coming, comes historyImage
}

// historyRun is one history under way.
type historyRun struct {
	pod       *historyPod
	schemas   *historySchemas
	resources []*historyResource
	poll      time.Duration
	trace     []string
	events    map[string]int
	// foreign is when somebody else last changed a pool's image or its machines, changes is
	// how often.
	foreign []time.Time
	changes []int
	// stuck says that machines do not leave an image that is held.
	stuck bool
}

// historyFailure ends a history.
type historyFailure struct{ text string }

func (r *historyRun) fail(format string, arguments ...any) {
	panic(historyFailure{fmt.Sprintf(format, arguments...)})
}

func (r *historyRun) must(err error) {
	if err != nil {
		r.fail("%v", err)
	}
}

func (r *historyRun) note(format string, arguments ...any) {
	r.trace = append(r.trace, fmt.Sprintf(format, arguments...))
}

func (r *historyRun) count(event string) { r.events[event]++ }

func (r *historyRun) encode(v tftypes.Value) *tfprotov6.DynamicValue {
	encoded, err := tfprotov6.NewDynamicValue(r.schemas.resource, v)
	r.must(err)
	return &encoded
}

func (r *historyRun) decode(v *tfprotov6.DynamicValue) tftypes.Value {
	decoded, err := v.Unmarshal(r.schemas.resource)
	r.must(err)
	return decoded
}

func (r *historyRun) null() tftypes.Value { return tftypes.NewValue(r.schemas.resource, nil) }

// lines reads a list of texts; false: it is not known, or null.
func (r *historyRun) lines(v tftypes.Value, name string) ([]string, bool) {
	list := rules.Attributes(v)[name]
	if !list.IsFullyKnown() || list.IsNull() {
		return nil, false
	}
	var elements []tftypes.Value
	r.must(list.As(&elements))
	lines := make([]string, len(elements))
	for i, e := range elements {
		r.must(e.As(&lines[i]))
		lines[i] = plainNames(lines[i])
	}
	return lines, true
}

// catalogueNames are the names of a tag before those of its image.
var catalogueNames = regexp.MustCompile(`Win ring\d \((gold s\d)\)`)

// plainNames names images by their snapshots alone.
func plainNames(line string) string { return catalogueNames.ReplaceAllString(line, "$1") }

// text reads a text; "" is null.
func (r *historyRun) text(v tftypes.Value, name string) string {
	member := rules.Attributes(v)[name]
	var text *string
	if member.IsKnown() {
		r.must(member.As(&text))
	}
	if text == nil {
		return ""
	}
	return *text
}

// imageIn reads an attribute that is an image.
func (r *historyRun) imageIn(v tftypes.Value, name string) historyImage {
	object := rules.Attributes(v)[name]
	if object.IsNull() || !object.IsKnown() {
		return noImage
	}
	return r.pod.imageOf(r.text(object, "snapshot_id"))
}

// historyProcess is one configured provider server: a process of its own.
type historyProcess struct {
	r      *historyRun
	server tfprotov6.ProviderServer
	ctx    context.Context //nolint:containedctx // It is the life of the process, which a test can end.
	// cancel ends it; at is called before each request, with its number.
	cancel   context.CancelFunc
	requests int
	at       func(n int)
	after    func(n int)
}

// start begins a process, which ends with its context. What the one before kept for a while is
// over by then.
func (r *historyRun) start() *historyProcess {
	time.Sleep(31 * time.Second)
	p := &historyProcess{r: r, server: provider.Server("test")(), at: func(int) {}, after: func(int) {}}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.ctx = r.pod.traced(ctx, func() {
		p.requests++
		p.at(p.requests)
	}, func() { p.after(p.requests) })
	config, err := tfprotov6.NewDynamicValue(r.schemas.provider, rules.Value(r.schemas.provider, r.pod.arguments(r.poll)))
	r.must(err)
	answer, err := p.server.ConfigureProvider(p.ctx, &tfprotov6.ConfigureProviderRequest{Config: &config})
	r.must(err)
	if len(answer.Diagnostics) > 0 {
		r.fail("configuring the provider:%s", rules.Printed(answer.Diagnostics))
	}
	return p
}

// speak looks at diagnostics, and says whether one is an error.
func (r *historyRun) speak(diags []*tfprotov6.Diagnostic) bool {
	failed := false
	for _, d := range diags {
		r.note("    %s: %s: %s", d.Severity, d.Summary, strings.ReplaceAll(d.Detail, "\n", " "))
		for _, bad := range []string{"report this", "defect of the provider", "Provider returned", "Value Conversion", "panic"} {
			if strings.Contains(d.Summary+d.Detail, bad) {
				r.fail("a defect:%s", rules.Printed(diags))
			}
		}
		failed = failed || d.Severity == tfprotov6.DiagnosticSeverityError
	}
	return failed
}

func (p *historyProcess) upgrade(i *tracked) {
	r := p.r
	answer, err := p.server.UpgradeResourceState(p.ctx, &tfprotov6.UpgradeResourceStateRequest{TypeName: resourceType, RawState: &tfprotov6.RawState{JSON: rules.JSON(i.state)}})
	r.must(err)
	if r.speak(answer.Diagnostics) {
		r.fail("the state cannot be read back:%s", rules.Printed(answer.Diagnostics))
	}
	if upgraded := r.decode(answer.UpgradedState); !upgraded.Equal(i.state) {
		r.fail("the state changes on its way through JSON:\n%s\nwas\n%s", rules.Text(upgraded), rules.Text(i.state))
	}
}

// read refreshes an instance; ok is false when the provider answers an error.
func (p *historyProcess) read(i *tracked) (after *tracked, ok bool) {
	r := p.r
	answer, err := p.server.ReadResource(p.ctx, &tfprotov6.ReadResourceRequest{TypeName: resourceType, CurrentState: r.encode(i.state), Private: i.private, CurrentIdentity: i.identity})
	r.must(err)
	if r.speak(answer.Diagnostics) {
		return i, false
	}
	after = &tracked{state: r.decode(answer.NewState), private: answer.Private, identity: answer.NewIdentity, tainted: i.tainted}
	if after.state.IsNull() {
		r.fail("read removes a resource whose pool is there")
	}
	return after, true
}

func (p *historyProcess) validate(config historyConfig) {
	r := p.r
	answer, err := p.server.ValidateResourceConfig(p.ctx, &tfprotov6.ValidateResourceConfigRequest{
		TypeName: resourceType, Config: r.encode(rules.Value(r.schemas.resource, config.attributes(r.pod))),
	})
	r.must(err)
	if r.speak(answer.Diagnostics) {
		r.fail("the configuration is refused:%s", rules.Printed(answer.Diagnostics))
	}
}

// plannedChange is what a provider planned.
type plannedChange struct {
	state    tftypes.Value
	private  []byte
	identity *tfprotov6.ResourceIdentityData
	diags    []*tfprotov6.Diagnostic
}

// plan plans from prior (nil for a create) to a configuration, or to nothing.
func (p *historyProcess) plan(prior *tracked, private []byte, configured tftypes.Value) (planned plannedChange, ok bool) {
	r := p.r
	before, proposed := r.null(), r.null()
	var identity *tfprotov6.ResourceIdentityData
	if prior != nil {
		before, identity = prior.state, prior.identity
	}
	if !configured.IsNull() {
		proposed = rules.Proposed(r.schemas.attributes, before, configured)
	}
	answer, err := p.server.PlanResourceChange(p.ctx, &tfprotov6.PlanResourceChangeRequest{
		TypeName: resourceType, PriorState: r.encode(before), ProposedNewState: r.encode(proposed),
		Config: r.encode(configured), PriorPrivate: private, PriorIdentity: identity,
	})
	r.must(err)
	if r.speak(answer.Diagnostics) {
		return plannedChange{diags: answer.Diagnostics}, false
	}
	planned = plannedChange{r.decode(answer.PlannedState), answer.PlannedPrivate, answer.PlannedIdentity, answer.Diagnostics}
	if len(answer.RequiresReplace) > 0 {
		r.fail("a plan wants to replace the resource")
	}
	if configured.IsNull() {
		if !planned.state.IsNull() {
			r.fail("the plan of a destruction leaves %s", rules.Text(planned.state))
		}
		return planned, true
	}
	r.must(rules.PlanError(r.schemas.attributes, before, configured, planned.state))
	return planned, true
}

// apply carries a planned change out. after is nil when nothing is left.
func (p *historyProcess) apply(prior *tracked, planned plannedChange, configured tftypes.Value) (after *tracked, ok bool, diags []*tfprotov6.Diagnostic) {
	r := p.r
	before := r.null()
	if prior != nil {
		before = prior.state
	}
	answer, err := p.server.ApplyResourceChange(p.ctx, &tfprotov6.ApplyResourceChangeRequest{
		TypeName: resourceType, PriorState: r.encode(before), PlannedState: r.encode(planned.state),
		Config: r.encode(configured), PlannedPrivate: planned.private, PlannedIdentity: planned.identity,
	})
	r.must(err)
	if r.pod.isDead() {
		return nil, false, nil // Killed: nobody hears the answer.
	}
	failed := r.speak(answer.Diagnostics)
	state := r.decode(answer.NewState)
	if configured.IsNull() {
		if failed == state.IsNull() {
			r.fail("a deletion leaves %s:%s", rules.Text(state), rules.Printed(answer.Diagnostics))
		}
		if !failed {
			return nil, true, answer.Diagnostics
		}
		if !state.Equal(before) {
			r.fail("a destruction that failed changed the state to\n%s, was\n%s", rules.Text(state), rules.Text(before))
		}
		return &tracked{state: state, private: answer.Private, identity: answer.NewIdentity, tainted: prior.tainted}, false, answer.Diagnostics
	}
	if state.IsNull() {
		if !failed || prior != nil {
			r.fail("Provider produced inconsistent result after apply: nothing is left:%s", rules.Printed(answer.Diagnostics))
		}
		return nil, false, answer.Diagnostics
	}
	if failed && prior == nil {
		r.fail("Create returns an error together with a state, which taints it:%s", rules.Printed(answer.Diagnostics))
	}
	if !state.IsFullyKnown() {
		r.fail("Provider returned invalid result object after apply: %s", rules.Text(state))
	}
	if !failed && rules.ResultError(planned.state, state) != nil {
		r.fail("Provider produced inconsistent result after apply:\n%s\nplanned\n%s", rules.Text(state), rules.Text(planned.state))
	}
	if answer.NewIdentity == nil {
		r.fail("there is no identity after the apply")
	}
	return &tracked{state: state, private: answer.Private, identity: answer.NewIdentity}, !failed, answer.Diagnostics
}

func (r *historyRun) configured(res *historyResource) tftypes.Value {
	return rules.Value(r.schemas.resource, res.config.attributes(r.pod))
}

// outside is done by somebody else; what is not possible is left.
func (r *historyRun) outside(o historyOutside) {
	pod := r.pod
	pod.look()
	pool := pod.pools[o.pool]
	before := pod.truth(o.pool)
	push := simulator.Push{VMID: pod.vmID, SnapshotID: pod.images[o.n%3], VirtualTPM: o.m%2 == 0}
	machine := pod.machine(o.pool, o.n)
	var err error
	switch o.what {
	case "push":
		err = pod.PushAsSomebodyElse(pool.name, push)
	case "hold":
		push.Selective = true
		if o.m%3 > 0 {
			push.Machines = []string{pod.machine(o.pool, o.m)}
		}
		err = pod.PushAsSomebodyElse(pool.name, push)
	case "schedule":
		push.StartTime = pod.clock().Add(time.Duration(1+o.m) * time.Hour)
		err = pod.PushAsSomebodyElse(pool.name, push)
	case "promote":
		err = pod.PromoteAsSomebodyElse(pool.name)
	case "cancel":
		err = pod.CancelAsSomebodyElse(pool.name)
	case "apply current":
		err = pod.ApplyCurrentAsSomebodyElse(pool.name, machine)
	case "apply pending":
		err = pod.ApplyPendingAsSomebodyElse(pool.name, machine)
	case "fail publish":
		err = pod.FailPublish(pool.name, "the disk is full")
	case "fail machine":
		err = pod.FailMachine(pool.name, machine, "the clone could not be customized")
	case "session":
		err = pod.SetSessions(pool.name, machine, 1)
	case "log off":
		err = pod.EndSessions(pool.name)
	case "tag":
		pod.moveTag(o.n%2, o.m%3)
	}
	if err != nil {
		return
	}
	r.count("outside " + o.what)
	pod.seen(o.pool)
	switch o.what {
	case "push", "hold", "schedule", "promote", "cancel":
		r.foreign[o.pool] = pod.clock()
		r.changes[o.pool]++
		for _, res := range r.resources {
			// A configuration may be about another pool already.
			if res.config.pool == o.pool || res.current != nil && r.poolIn(res.current.state) == o.pool {
				res.previousSure, res.coming = false, noImage
			}
		}
	}
	r.note("    outside %s: %s -> %s", o, before, pod.truth(o.pool))
}

func (r *historyRun) run(steps []historyStep) {
	for n, s := range steps {
		res := r.resources[s.resource]
		r.pod.look()
		for _, e := range s.edits {
			res.config = res.config.edit(e, r.pod.clock())
		}
		r.note("%d. %s", n, s)
		for _, o := range s.outside {
			r.outside(o)
		}
		r.step(res, s)
		time.Sleep(s.rest) // In a bubble, as all of a history.
		r.pod.ahead.Add(int64(s.leap))
		r.pod.look()
	}
	r.note("at the end: apply and destroy")
	r.calm()
	for _, res := range r.resources {
		res.config.start, res.config.onConflict, res.config.onDrift, res.config.onDestroy, res.config.waitFor = time.Time{}, "overwrite", "", "", ""
		if res == r.resources[1] && (res.config.pool == r.resources[0].config.pool || r.poll > time.Minute) {
			break
		}
		r.step(res, historyStep{command: "apply"})
		if r.stuck {
			break // A machine that could not be made never leaves it.
		}
		if res.current == nil {
			r.fail("an apply without trouble leaves no state")
		}
		if res.current.tainted {
			r.fail("an apply leaves a tainted state")
		}
		r.step(res, historyStep{command: "destroy"})
		if (res.current != nil || len(res.deposed) > 0) && !r.stuck {
			r.fail("a destruction without trouble leaves a state")
		}
	}
}

// calm ends all that is under way on the pools.
func (r *historyRun) calm() {
	for n, pool := range r.pod.pools {
		r.must(r.pod.FailPublish(pool.name, ""))
		r.must(r.pod.EndSessions(pool.name))
		for m := range pool.machines {
			r.must(r.pod.FailMachine(pool.name, r.pod.machine(n, m), ""))
		}
	}
	time.Sleep(10 * time.Minute)
	r.pod.ahead.Add(int64(100 * time.Hour))
	r.pod.look()
}

func (r *historyRun) step(res *historyResource, s historyStep) {
	r.count("step " + s.command)
	switch s.command {
	case "apply", "plan", "replace", "replace, create before destroy":
		r.applyStep(res, s)
	case "refresh":
		if res.current != nil {
			p := r.start()
			defer p.cancel()
			if refreshed, ok := r.refresh(p, res); ok {
				res.current = refreshed
			} else {
				r.fail("a refresh without trouble failed")
			}
		}
	case "destroy":
		r.destroyStep(res, s)
	case "taint":
		if res.current != nil {
			res.current.tainted = true
		}
	case "lose private":
		if res.current != nil {
			res.current.private = nil
			res.forget()
		}
	case "import":
		r.importStep(res)
	case "forget":
		res.current = nil
		res.forget()
	}
}

// historyWorld is what a history begins with.
type historyWorld struct {
	assumptions map[string]string
	unseen      time.Duration
	poll        time.Duration
	pools       []int
	images      []historyImage
}

func drawWorld(seed uint64) historyWorld {
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // Repeatable.
	w := historyWorld{assumptions: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(historyAssumptions)) {
		if value := pickOne(random, historyAssumptions[name]...); random.IntN(3) == 0 {
			w.assumptions[name] = value
		}
	}
	w.unseen = pickOne(random, 0, 20*time.Second, 20*time.Second, 90*time.Second)
	w.poll = pickOne(random, 30*time.Second, 2*time.Minute, 3*time.Minute, 3*time.Minute)
	w.pools = pickOne(random, []int{0, 1}, []int{1, 0}, []int{0, 1}, []int{0, 0})
	w.images = []historyImage{historyImage(random.IntN(3)), historyImage(random.IntN(3))}
	return w
}

// runHistory runs steps in a new pod. It returns what went wrong.
func runHistory(t *testing.T, schemas *historySchemas, world historyWorld, steps []historyStep, events map[string]int) (failure string, trace []string) {
	t.Helper()
	pod := newHistoryPod(t, world.assumptions)
	defer func() {
		pod.server.CloseClientConnections()
		pod.server.Close()
	}()
	pod.unseen = world.unseen
	r := &historyRun{pod: pod, schemas: schemas, events: events, poll: world.poll, foreign: make([]time.Time, len(pod.pools)), changes: make([]int, len(pod.pools))}
	for i, pool := range world.pools {
		r.resources = append(r.resources, &historyResource{
			name: fmt.Sprint("resource ", i), config: historyConfig{pool: pool, image: world.images[i]}, memory: historyMemory{told: map[string]string{}}, previous: noImage, coming: noImage,
		})
	}
	assumptions, pools := world.assumptions, world.pools
	r.note("assumptions %v, unseen %s, poll %s, pools %v", assumptions, pod.unseen, r.poll, pools)
	synctest.Test(t, func(*testing.T) {
		defer func() {
			trace = r.trace
			switch problem := recover().(type) {
			case nil:
			case historyFailure:
				failure = problem.text
			default:
				failure = fmt.Sprintf("panic: %v\n%s", problem, debug.Stack())
			}
			time.Sleep(time.Minute) // What was begun ends.
		}()
		r.run(steps)
	})
	return failure, r.trace
}

// TestHistories runs random histories of resources through the provider's protocol server,
// with terraform's own rules played by this test, and compares with a model after every
// step. Each has a bubble of its own, whose clock the simulated pod shows.
func TestHistories(t *testing.T) {
	t.Parallel()
	count, first := uint64(defaultHistories), uint64(1)
	if testing.Short() {
		count /= 10
	}
	number := func(variable string, to *uint64) bool {
		text := os.Getenv(variable)
		if text == "" {
			return false
		}
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
		*to = n
		return true
	}
	many := number(historiesVariable, &count)
	alone := number(historyVariable, &first) && !many
	if alone {
		count = 1
	}
	schemas, err := historySchemasOnce()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var (
		next   atomic.Uint64
		mu     sync.Mutex
		total  = map[string]int{}
		failed int
	)
	t.Run("all", func(t *testing.T) {
		for worker := range historyWorkers {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				events := map[string]int{}
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					for event, n := range events {
						total[event] += n
					}
				}()
				for {
					n := next.Add(1) - 1
					mu.Lock()
					stop := n >= count || failed >= 3
					mu.Unlock()
					if stop {
						return
					}
					seed := first + n
					steps := drawHistory(seed)
					failure, trace := runHistory(t, schemas, drawWorld(seed), steps, events)
					if alone {
						t.Log(strings.Join(trace, "\n"))
					}
					if failure == "" {
						continue
					}
					mu.Lock()
					failed++
					stop = failed > 3
					mu.Unlock()
					if stop {
						return
					}
					steps = shrinkHistory(steps, func(steps []historyStep) bool {
						failure, _ := runHistory(t, schemas, drawWorld(seed), steps, map[string]int{})
						return failure != ""
					})
					short, trace := runHistory(t, schemas, drawWorld(seed), steps, map[string]int{})
					mu.Lock()
					t.Errorf("history %d (again with %s=%d): %s\nshrunk: %s\n%s", seed, historyVariable, seed, failure, short, strings.Join(trace, "\n"))
					mu.Unlock()
				}
			})
		}
	})
	if failed > 0 {
		return
	}
	t.Logf("%d histories in %s", count, time.Since(began).Round(time.Millisecond))
	for _, event := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%8d  %s", total[event], event)
	}
}

// shrinkHistory returns a shorter history that fails as well.
func shrinkHistory(steps []historyStep, fails func([]historyStep) bool) []historyStep {
	simpler := func(steps []historyStep) [][]historyStep {
		var all [][]historyStep
		with := func(i int, change func(*historyStep)) {
			next := slices.Clone(steps)
			change(&next[i])
			all = append(all, next)
		}
		for i := range steps {
			all = append(all, slices.Delete(slices.Clone(steps), i, i+1))
		}
		for i, s := range steps {
			for j := range s.edits {
				with(i, func(s *historyStep) { s.edits = slices.Delete(slices.Clone(s.edits), j, j+1) })
			}
			for j := range s.outside {
				with(i, func(s *historyStep) { s.outside = slices.Delete(slices.Clone(s.outside), j, j+1) })
			}
			if s.between != nil {
				with(i, func(s *historyStep) { s.between = nil })
			}
			if s.during != nil {
				with(i, func(s *historyStep) { s.during = nil })
			}
			if s.fault != "" {
				with(i, func(s *historyStep) { s.fault = "" })
			}
			if s.cancel > 0 {
				with(i, func(s *historyStep) { s.cancel = 0 })
			}
			if s.leap > 0 {
				with(i, func(s *historyStep) { s.leap = 0 })
			}
			if s.command != "apply" {
				with(i, func(s *historyStep) { s.command = "apply" })
			}
		}
		return all
	}
	left := mostShrinks
	for again := true; again; {
		again = false
		for _, next := range simpler(steps) {
			if left--; left < 0 {
				return steps
			}
			if fails(next) {
				steps, again = next, true
				break
			}
		}
	}
	return steps
}
