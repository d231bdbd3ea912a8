package image_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/provider"
	"github.com/imageops/terraform-provider-imageops/internal/provider/compact"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

const (
	// historiesVariable is how many random histories are run.
	historiesVariable = "IMAGEOPS_HISTORIES"
	// historyVariable is the seed of one history to run alone.
	historyVariable = "IMAGEOPS_HISTORY"

	historySteps     = 10
	defaultHistories = 1000
	// historyWorkers is more than there are processors: a write whose effect is
	// not known is followed by half a second of waiting.
	historyWorkers = 24
)

// historyStep is one step: changes of the configuration and of the image, then
// a command of terraform.
type historyStep struct {
	edits   []historyEdit
	outside []outsideWrite
	command string
	// noRefresh plans with -refresh=false.
	noRefresh bool
	// between are written by others after the plan and before the apply.
	between []outsideWrite
	fault   string
	// race is written by others between the provider's fresh read and its write.
	race []outsideWrite
	keys int // which keys a limited import names
	// destroyFirst is the order in which a renamed resource is walked.
	destroyFirst bool
}

func (s historyStep) String() string {
	var text strings.Builder
	for _, e := range s.edits {
		fmt.Fprintf(&text, "edit %s; ", e)
	}
	for _, w := range s.outside {
		fmt.Fprintf(&text, "outside %s; ", w)
	}
	text.WriteString(s.command)
	if s.noRefresh {
		text.WriteString(" -refresh=false")
	}
	if s.command == "rename" && s.destroyFirst {
		text.WriteString(", destroy first")
	}
	if s.fault != "" {
		text.WriteString(" with fault " + s.fault)
	}
	for _, w := range s.race {
		fmt.Fprintf(&text, " (race %s)", w)
	}
	for _, w := range s.between {
		fmt.Fprintf(&text, ", between plan and apply %s", w)
	}
	return text.String()
}

// historyFaults are the disturbances of an apply or a destroy. The number is
// how many requests each disturbs.
var historyFaults = map[string]historyFault{
	"write-500-before":       {effect: simulator.EffectStatus, status: 500, overcome: true},
	"write-503-before":       {effect: simulator.EffectStatus, status: 503, overcome: true},
	"write-500-after":        {after: 500, overcome: true},
	"write-503-after":        {after: 503, overcome: true},
	"write-500-always":       {effect: simulator.EffectStatus, status: 500, count: simulator.Forever},
	"write-409":              {effect: simulator.EffectStatus, status: 409, overcome: true},
	"write-409-always":       {effect: simulator.EffectStatus, status: 409, count: simulator.Forever},
	"write-401":              {effect: simulator.EffectStatus, status: 401, overcome: true},
	"write-403":              {effect: simulator.EffectStatus, status: 403},
	"write-413":              {effect: simulator.EffectStatus, status: 413},
	"write-expired-token":    {effect: simulator.EffectExpireToken, overcome: true},
	"write-reset-before":     {effect: simulator.EffectResetBefore, overcome: true},
	"write-reset-after":      {effect: simulator.EffectResetAfter, overcome: true},
	"write-truncated":        {effect: simulator.EffectTruncatedBody, overcome: true},
	"write-malformed":        {effect: simulator.EffectMalformedBody, overcome: true},
	"write-silent-drop":      {effect: simulator.EffectSilentDrop, overcome: true},
	"write-lost":             {effect: simulator.EffectLostWrite, overcome: true},
	"write-lost-twice":       {effect: simulator.EffectLostWrite, count: 2, overcome: true},
	"write-lost-always":      {effect: simulator.EffectLostWrite, count: simulator.Forever},
	"read-500":               {method: http.MethodGet, effect: simulator.EffectStatus, status: 500},
	"read-reset":             {method: http.MethodGet, effect: simulator.EffectResetBefore},
	"second-read-500":        {method: http.MethodGet, effect: simulator.EffectStatus, status: 500, skip: 1},
	"third-read-403":         {method: http.MethodGet, effect: simulator.EffectStatus, status: 403, skip: 2},
	"second-read-always-500": {method: http.MethodGet, effect: simulator.EffectStatus, status: 500, skip: 1, count: simulator.Forever},
	"plan-read-500":          {method: http.MethodGet, effect: simulator.EffectStatus, status: 500, plan: true},
	"plan-read-403":          {method: http.MethodGet, effect: simulator.EffectStatus, status: 403, plan: true},
	"plan-read-401":          {method: http.MethodGet, effect: simulator.EffectStatus, status: 401, count: simulator.Forever, plan: true},
	"killed-before":          {kill: true},
	"killed-after":           {kill: true, carriedOut: true},
	"race":                   {race: true},
	"third-read-always-500":  {method: http.MethodGet, effect: simulator.EffectStatus, status: 500, skip: 2, count: simulator.Forever},
}

// historyFault is one disturbance: one that the simulator makes, or an answer
// that replaces the one to a write that was carried out, or the end of the
// provider at its first write.
type historyFault struct {
	method     string // of the disturbed requests; empty is PATCH
	effect     simulator.Effect
	status     int
	skip       int
	count      int
	after      int
	plan       bool // disturbs the plan instead of the apply
	kill       bool
	carriedOut bool
	race       bool
	overcome   bool // An apply gets over it.
}

func drawHistory(seed uint64) []historyStep {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // Repeatable.
	faults := slices.Sorted(maps.Keys(historyFaults))
	steps := make([]historyStep, historySteps)
	for i := range steps {
		s := &steps[i]
		for range []int{0, 0, 0, 1, 1, 1, 1, 2, 2, 3}[random.IntN(10)] {
			s.edits = append(s.edits, drawEdit(random))
		}
		for range []int{0, 0, 0, 0, 1, 1, 2}[random.IntN(7)] {
			s.outside = append(s.outside, drawOutside(random))
		}
		switch n := random.IntN(100); {
		case n < 58:
			s.command = "apply"
		case n < 63:
			s.command = "plan"
		case n < 68:
			s.command = "refresh"
		case n < 74:
			s.command = "destroy"
		case n < 77:
			s.command = "drop" // from the configuration, and apply
		case n < 82:
			s.command = "import"
		case n < 86:
			s.command = "taint"
		case n < 90:
			s.command = "replace"
		case n < 94:
			s.command = "replace, create before destroy"
		case n < 97:
			s.command = "rename"
		default:
			s.command = "forget"
		}
		s.noRefresh = random.IntN(10) == 0
		s.keys = random.IntN(1 << 4)
		s.destroyFirst = random.IntN(2) == 0
		if random.IntN(4) == 0 {
			for range 1 + random.IntN(2) {
				s.between = append(s.between, drawOutside(random))
			}
		}
		if random.IntN(3) == 0 {
			s.fault = pick(random, faults)
			if historyFaults[s.fault].race {
				for range 1 + random.IntN(2) {
					s.race = append(s.race, drawOutside(random))
				}
			}
		}
	}
	for i := range steps {
		if steps[i].command == "replace, create before destroy" && random.IntN(3) == 0 {
			steps[i].fault = pick(random, []string{"third-read-403", "third-read-always-500"})
		}
	}
	steps[0].edits = append([]historyEdit{drawEdit(random), drawEdit(random), drawEdit(random)}, steps[0].edits...)
	return steps
}

// historyCloud is a simulated cloud that a worker runs its histories in.
type historyCloud struct {
	*simulator.Simulator
	server *httptest.Server
	// provider are the arguments of the provider block.
	provider object

	mu       sync.Mutex
	requests []historyRequest
	fault    historyFault
	onWrite  func() // runs before the first write is carried out
	killed   func() // ends the calls of the provider that is being killed
	dead     bool
}

type historyRequest struct{ method, path, body string }

func newHistoryCloud(t testing.TB) *historyCloud {
	t.Helper()
	withoutOwnCloud()
	c := &historyCloud{Simulator: simulator.New(simulator.Options{Empty: true})}
	c.server = httptest.NewServer(c)
	t.Cleanup(func() {
		c.server.CloseClientConnections()
		c.server.Close()
	})
	d := c.Describe(c.server.URL)
	c.provider = object{"max_retries": 0, "image_service": object{
		"auth_url": d.Identity, "username": d.Username, "password": d.Password, "user_domain_name": d.UserDomainName,
		"project_name": d.ProjectName, "project_domain_name": d.UserDomainName, "region": "RegionOne", "verify_after": "0s",
	}}
	return c
}

// ServeHTTP records a request and disturbs it in the ways that the simulator
// has no fault for.
func (c *historyCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	c.requests = append(c.requests, historyRequest{r.Method, r.URL.Path, string(body)})
	fault, onWrite, killed, dead := c.fault, c.onWrite, c.killed, c.dead
	write := r.Method == http.MethodPatch
	if write {
		c.fault, c.onWrite, c.killed = historyFault{}, nil, nil
		c.dead = dead || killed != nil
	}
	c.mu.Unlock()
	switch {
	case dead:
		panic(http.ErrAbortHandler)
	case !write:
		c.Simulator.ServeHTTP(w, r)
		return
	case killed != nil:
		if fault.carriedOut {
			c.Simulator.ServeHTTP(httptest.NewRecorder(), r)
		}
		killed()
		panic(http.ErrAbortHandler)
	case fault.after != 0:
		c.Simulator.ServeHTTP(httptest.NewRecorder(), r)
		w.WriteHeader(fault.after)
		return
	}
	if onWrite != nil {
		onWrite()
	}
	c.Simulator.ServeHTTP(w, r)
}

// arm programs a fault for the next requests about an image.
func (c *historyCloud) arm(id string, fault historyFault, onWrite, killed func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault, c.onWrite, c.killed, c.dead = fault, onWrite, killed, false
	if fault.effect == "" {
		return
	}
	method := orElse(fault.method, http.MethodPatch)
	if err := c.AddFault(simulator.Fault{Method: method, Path: id, Effect: fault.effect, Status: fault.status, Skip: fault.skip, Count: fault.count}); err != nil {
		panic(err)
	}
}

// disarm takes every fault away and says whether the provider was killed.
func (c *historyCloud) disarm() (killed bool) {
	c.ClearFaults()
	c.mu.Lock()
	defer c.mu.Unlock()
	killed = c.dead
	c.fault, c.onWrite, c.killed, c.dead = historyFault{}, nil, nil, false
	return killed
}

// sent returns the requests since the last call, and forgets them.
func (c *historyCloud) sent() []historyRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	requests := c.requests
	c.requests = nil
	return requests
}

func writesAmong(requests []historyRequest) []historyRequest {
	return slices.DeleteFunc(slices.Clone(requests), func(r historyRequest) bool {
		return r.method == http.MethodGet || strings.HasSuffix(r.path, "/auth/tokens")
	})
}

// historySchemas are the types of the provider, which all servers share.
type historySchemas struct {
	provider   tftypes.Type
	resource   tftypes.Object
	identity   tftypes.Type
	attributes []*tfprotov6.SchemaAttribute
}

var schemasOnce = sync.OnceValues(func() (*historySchemas, error) {
	server := provider.Server("test")()
	schema, err := server.GetProviderSchema(context.Background(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, err
	}
	identities, err := server.GetResourceIdentitySchemas(context.Background(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		return nil, err
	}
	resource := schema.ResourceSchemas[resourceType]
	as, _ := resource.ValueType().(tftypes.Object)
	return &historySchemas{schema.Provider.ValueType(), as, identities.IdentitySchemas[resourceType].ValueType(), resource.Block.Attributes}, nil
})

// tracked is a resource as terraform keeps it in state.
type tracked struct {
	state    tftypes.Value
	private  []byte
	identity *tfprotov6.ResourceIdentityData
	tainted  bool
}

// historyRun is one history under way.
type historyRun struct {
	cloud     *historyCloud
	schemas   *historySchemas
	images    []string
	identity  bool // the terraform of this history knows identities
	config    historyConfig
	current   *tracked
	deposed   []*tracked
	taken     ledger          // what the model says that the resource has taken over
	seen      historyDocument // the image as private state holds it; nil when that is not known
	planReads bool            // private state is lost: plans read for themselves
	trace     []string
	events    map[string]int
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

// historyProcess is one configured provider server: a process of its own.
type historyProcess struct {
	r      *historyRun
	server tfprotov6.ProviderServer
	whole  tfprotov6.ProviderServer // the same without the short answers
	ctx    context.Context          //nolint:containedctx // It is the life of the process, which a test can end.
}

func (r *historyRun) start() *historyProcess {
	p := &historyProcess{r: r, server: provider.Server("test")(), whole: compact.Server(providerserver.NewProtocol6(provider.New("test")())()), ctx: context.Background()}
	for _, server := range []tfprotov6.ProviderServer{p.server, p.whole} {
		answer, err := server.ConfigureProvider(p.ctx, &tfprotov6.ConfigureProviderRequest{Config: r.encode(r.schemas.provider, rules.Value(r.schemas.provider, r.cloud.provider))})
		r.must(err)
		if len(answer.Diagnostics) > 0 {
			r.fail("configuring the provider:%s", rules.Printed(answer.Diagnostics))
		}
	}
	return p
}

// agrees fails the history when a short answer is not the framework's.
func (p *historyProcess) agrees(call string, short, whole any) {
	p.r.count("short answer: " + call)
	if !reflect.DeepEqual(short, whole) {
		p.r.fail("%s: the short answer is\n%+v\nthe whole one\n%+v", call, short, whole)
	}
}

// shortPlan compares a plan that was answered from the bytes of its request.
func (p *historyProcess) shortPlan(req *tfprotov6.PlanResourceChangeRequest, short *tfprotov6.PlanResourceChangeResponse) {
	if short.PlannedState != req.ProposedNewState {
		return
	}
	whole, err := p.whole.PlanResourceChange(p.ctx, req)
	p.r.must(err)
	parts := func(answer *tfprotov6.PlanResourceChangeResponse) []any {
		return []any{
			rules.Text(p.r.decode(answer.PlannedState)), string(answer.PlannedPrivate), answer.PlannedIdentity, len(answer.RequiresReplace),
			len(answer.Diagnostics), answer.Deferred,
		}
	}
	p.agrees("plan", parts(short), parts(whole))
}

// shortUpgrade compares a state that was handed on as it was stored.
func (p *historyProcess) shortUpgrade(req *tfprotov6.UpgradeResourceStateRequest, short *tfprotov6.UpgradeResourceStateResponse) {
	if len(short.UpgradedState.JSON) == 0 {
		return
	}
	whole, err := p.whole.UpgradeResourceState(p.ctx, req)
	p.r.must(err)
	p.agrees("upgrade", []any{rules.Text(p.r.decode(short.UpgradedState)), len(short.Diagnostics)}, []any{rules.Text(p.r.decode(whole.UpgradedState)), len(whole.Diagnostics)})
}

func (r *historyRun) encode(as tftypes.Type, v tftypes.Value) *tfprotov6.DynamicValue {
	encoded, err := tfprotov6.NewDynamicValue(as, v)
	r.must(err)
	return &encoded
}

func (r *historyRun) decode(v *tfprotov6.DynamicValue) tftypes.Value {
	decoded, err := v.Unmarshal(r.schemas.resource)
	r.must(err)
	return decoded
}

func (r *historyRun) null() tftypes.Value { return tftypes.NewValue(r.schemas.resource, nil) }

// speak looks at diagnostics: they show no secret. It says whether one is an error.
func (r *historyRun) speak(diags []*tfprotov6.Diagnostic) bool {
	failed := false
	for _, d := range diags {
		r.note("    %s: %s: %s", d.Severity, d.Summary, d.Detail)
		if strings.Contains(d.Summary+d.Detail, "secret-") {
			r.fail("a diagnostic shows a sensitive value:%s", rules.Printed(diags))
		}
		if strings.Contains(d.Summary+d.Detail, "defect of the provider") {
			r.fail("the provider reports a defect of its own:%s", rules.Printed(diags))
		}
		failed = failed || d.Severity == tfprotov6.DiagnosticSeverityError
	}
	return failed
}

// keepsSecrets fails the history when a sensitive value stands in an attribute
// that is not sensitive. What was imported stands in properties until the
// configuration says that it is sensitive.
func (r *historyRun) keepsSecrets(what string, v tftypes.Value) {
	var members map[string]tftypes.Value
	r.must(v.As(&members))
	for name, member := range members {
		if name == "sensitive_properties" || name == "sensitive_restore_patch" || name == "properties" {
			continue
		}
		if strings.Contains(member.String(), "secret-") {
			r.fail("%s: the attribute %s shows a sensitive value: %s", what, name, member)
		}
	}
}

func (p *historyProcess) upgrade(i *tracked) {
	req := &tfprotov6.UpgradeResourceStateRequest{TypeName: resourceType, RawState: &tfprotov6.RawState{JSON: rules.JSON(i.state)}}
	answer, err := p.server.UpgradeResourceState(p.ctx, req)
	p.r.must(err)
	p.shortUpgrade(req, answer)
	if p.r.speak(answer.Diagnostics) {
		p.r.fail("the state cannot be read back:%s", rules.Printed(answer.Diagnostics))
	}
	if upgraded := p.r.decode(answer.UpgradedState); !upgraded.Equal(i.state) {
		p.r.fail("the state changes on its way through JSON:\n%s\nwas\n%s", rules.Text(upgraded), rules.Text(i.state))
	}
}

// read refreshes a resource; ok is false when the provider answers an error.
func (p *historyProcess) read(i *tracked) (after *tracked, ok bool) {
	r := p.r
	req := &tfprotov6.ReadResourceRequest{TypeName: resourceType, CurrentState: r.encode(r.schemas.resource, i.state), Private: i.private, CurrentIdentity: r.known(i.identity)}
	answer, err := p.server.ReadResource(p.ctx, req)
	r.must(err)
	if answer.NewState == req.CurrentState {
		r.count("short answer: read")
	}
	if r.speak(answer.Diagnostics) {
		return i, false
	}
	after = &tracked{state: r.decode(answer.NewState), private: answer.Private, identity: answer.NewIdentity, tainted: i.tainted}
	if after.state.IsNull() {
		r.fail("read removes a resource whose image is there")
	}
	r.keepsSecrets("read", after.state)
	return after, true
}

// known drops identities where terraform is too old for them.
func (r *historyRun) known(identity *tfprotov6.ResourceIdentityData) *tfprotov6.ResourceIdentityData {
	if !r.identity {
		return nil
	}
	return identity
}

// plannedChange is what a provider planned.
type plannedChange struct {
	state    tftypes.Value
	private  []byte
	identity *tfprotov6.ResourceIdentityData
}

// plan plans from prior (nil for a create) to the configuration, or to nothing.
func (p *historyProcess) plan(prior *tracked, private []byte, config *historyConfig) (planned plannedChange, ok bool) {
	r := p.r
	before, configured, proposed := r.null(), r.null(), r.null()
	var identity *tfprotov6.ResourceIdentityData
	if prior != nil {
		before, identity = prior.state, prior.identity
	}
	if config != nil {
		configured = rules.Value(r.schemas.resource, config.object(r.images))
		proposed = rules.Proposed(r.schemas.attributes, before, configured)
	}
	req := &tfprotov6.PlanResourceChangeRequest{
		TypeName: resourceType, PriorState: r.encode(r.schemas.resource, before), ProposedNewState: r.encode(r.schemas.resource, proposed),
		Config: r.encode(r.schemas.resource, configured), PriorPrivate: private, PriorIdentity: r.known(identity),
	}
	answer, err := p.server.PlanResourceChange(p.ctx, req)
	r.must(err)
	p.shortPlan(req, answer)
	if r.speak(answer.Diagnostics) {
		return planned, false
	}
	planned = plannedChange{r.decode(answer.PlannedState), answer.PlannedPrivate, answer.PlannedIdentity}
	if len(answer.RequiresReplace) > 0 {
		r.fail("a plan wants to replace the resource")
	}
	if config == nil {
		if !planned.state.IsNull() {
			r.fail("the plan of a destruction leaves %s", rules.Text(planned.state))
		}
		return planned, true
	}
	r.keepsSecrets("plan", planned.state)
	// What was there before is no excuse: nothing of this resource is normalized.
	r.must(rules.PlanError(r.schemas.attributes, r.null(), configured, planned.state))
	return planned, true
}

// apply carries a planned change out. after is nil when nothing is left.
func (p *historyProcess) apply(prior *tracked, planned plannedChange, config *historyConfig) (after *tracked, ok bool, diags []*tfprotov6.Diagnostic) {
	r := p.r
	before, configured := r.null(), r.null()
	if prior != nil {
		before = prior.state
	}
	if config != nil {
		configured = rules.Value(r.schemas.resource, config.object(r.images))
	}
	answer, err := p.server.ApplyResourceChange(p.ctx, &tfprotov6.ApplyResourceChangeRequest{
		TypeName: resourceType, PriorState: r.encode(r.schemas.resource, before), PlannedState: r.encode(r.schemas.resource, planned.state),
		Config: r.encode(r.schemas.resource, configured), PlannedPrivate: planned.private, PlannedIdentity: r.known(planned.identity),
	})
	r.must(err)
	if p.ctx.Err() != nil {
		return nil, false, nil // Killed: nobody hears the answer.
	}
	failed := r.speak(answer.Diagnostics)
	state := r.decode(answer.NewState)
	if config == nil {
		if failed == state.IsNull() {
			r.fail("a deletion leaves %s:%s", rules.Text(state), rules.Printed(answer.Diagnostics))
		}
		if !failed {
			return nil, true, answer.Diagnostics
		}
		return &tracked{state: state, private: answer.Private, identity: answer.NewIdentity, tainted: prior.tainted}, false, answer.Diagnostics
	}
	if state.IsNull() {
		if !failed || prior != nil {
			r.fail("Provider produced inconsistent result after apply: nothing is left:%s", rules.Printed(answer.Diagnostics))
		}
		return nil, false, answer.Diagnostics
	}
	if !state.IsFullyKnown() {
		r.fail("Provider returned invalid result object after apply: %s", rules.Text(state))
	}
	r.keepsSecrets("apply", state)
	if !failed && rules.ResultError(planned.state, state) != nil {
		r.fail("Provider produced inconsistent result after apply:\n%s\nplanned\n%s", rules.Text(state), rules.Text(planned.state))
	}
	return &tracked{state: state, private: answer.Private, identity: answer.NewIdentity, tainted: failed && (prior == nil || prior.tainted)}, !failed, answer.Diagnostics
}

func (p *historyProcess) validate(config *historyConfig) {
	r := p.r
	answer, err := p.server.ValidateResourceConfig(p.ctx, &tfprotov6.ValidateResourceConfigRequest{
		TypeName: resourceType, Config: r.encode(r.schemas.resource, rules.Value(r.schemas.resource, config.object(r.images))),
	})
	r.must(err)
	if r.speak(answer.Diagnostics) {
		r.fail("the configuration is refused:%s", rules.Printed(answer.Diagnostics))
	}
}

// image returns an image as it is.
func (r *historyRun) image(n int) historyDocument {
	return historyDocument{}.from(r.cloud.Document(r.images[n]))
}

func (r *historyRun) imageOf(id string) historyDocument {
	return historyDocument{}.from(r.cloud.Document(id))
}

func (r *historyRun) all() []historyDocument {
	documents := make([]historyDocument, len(r.images))
	for n := range r.images {
		documents[n] = r.image(n)
	}
	return documents
}

func (r *historyRun) write(writes []outsideWrite) {
	for _, w := range writes {
		r.must(w.carryOut(r.cloud.Simulator, r.images[(r.config.image+w.image)%len(r.images)]))
	}
}

func (r *historyRun) same(what string, want, got []historyDocument) {
	for n := range want {
		if lines := got[n].differences(want[n]); len(lines) > 0 {
			r.fail("%s changed image %d: %s", what, n, strings.Join(lines, "; "))
		}
	}
}

func (r *historyRun) stateOf(i *tracked) *historyState {
	if i == nil {
		return nil
	}
	s, err := stateOf(i.state)
	r.must(err)
	return s
}

func (r *historyRun) run(steps []historyStep) {
	for _, s := range steps {
		for _, e := range s.edits {
			r.config = r.config.edit(e)
		}
		r.write(s.outside)
		r.note("%s", s)
		r.step(s)
	}
	r.note("at the end: apply and destroy")
	r.step(historyStep{command: "apply"})
	if r.current == nil {
		r.fail("an apply without trouble leaves no state")
	}
	r.step(historyStep{command: "destroy"})
	if r.current != nil || len(r.deposed) > 0 {
		r.fail("a destruction without trouble leaves a state")
	}
}

func (r *historyRun) step(s historyStep) {
	// The processes of this step end with it, and so do their connections.
	defer r.cloud.server.CloseClientConnections()
	r.count("step " + s.command)
	switch s.command {
	case "apply", "replace", "replace, create before destroy":
		r.applyStep(s)
	case "plan":
		r.planStep(s)
	case "refresh":
		r.refreshStep()
	case "destroy", "drop":
		r.destroyStep(s)
	case "import":
		r.importStep(s)
	case "taint":
		if r.current != nil {
			r.current.tainted = true
			r.count("tainted by hand")
		}
	case "rename":
		r.renameStep(s)
	case "forget":
		r.current, r.taken = nil, ledger{}
	}
}

// refresh is the first half of a plan: upgrade, and read unless told not to.
func (r *historyRun) refresh(p *historyProcess, s historyStep) (refreshed *tracked, ok bool) {
	if r.current == nil {
		return nil, true
	}
	p.upgrade(r.current)
	if s.noRefresh && (r.seen != nil || r.planReads) {
		r.count("without refresh")
		return r.current, true
	}
	refreshed, ok = p.read(r.current)
	if !ok {
		return refreshed, false
	}
	before, after := r.stateOf(r.current), r.stateOf(refreshed)
	now := r.imageOf(before.image)
	drifted := false
	for p, value := range before.named {
		drifted = drifted || now[p] != value
	}
	for p := range now {
		_, named := before.named[p]
		_, recorded := r.taken[p]
		back := recorded && r.taken[p].wrote != absentValue && (isTag(p) || slices.ContainsFunc(historyTyped, func(a historyAttribute) bool { return "/"+a.key == p }))
		drifted = drifted || !named && (before.exclusive && isTag(p) || back)
	}
	if drifted {
		r.count("drift")
	}
	for p, value := range after.named {
		if now[p] != value && (value != absentValue || now[p] != "null") {
			r.fail("read says that %s is %s, it is %s", p, valueText(value), valueText(now[p]))
		}
	}
	if lines := after.record.differsFrom(before.record, nil); len(lines) > 0 {
		r.fail("read changes the restore_patch: %s", strings.Join(lines, "; "))
	}
	if emptied := after.planned == "[]" && len(after.changes) == 0; drifted && !emptied {
		r.fail("read found a drift and left planned_patch %s, planned_changes %q", after.planned, after.changes)
	}
	if !drifted && (after.planned != before.planned || !slices.Equal(after.changes, before.changes)) {
		r.fail("read found no drift and changed planned_patch %s to %s", before.planned, after.planned)
	}
	return refreshed, true
}

// historyPlan is a plan as `terraform plan` leaves it.
type historyPlan struct {
	refreshed *tracked
	change    plannedChange
	journey   journey
	mode      string // "", "taint", "replace" or "replace, create before destroy"
	seen      historyDocument
	noop      bool
	deposed   []*tracked
	former    ledger
}

// makePlan is the plan walk; ok is false when it ended in an error.
func (r *historyRun) makePlan(s historyStep) (plan historyPlan, ok bool) {
	documents := r.all()
	r.cloud.sent()
	fault := historyFaults[s.fault]
	if fault.plan {
		r.cloud.arm(r.images[r.config.image], fault, nil, nil)
	}
	defer r.cloud.disarm()
	p := r.start()
	defer func() {
		if writes := writesAmong(r.cloud.sent()); len(writes) > 0 {
			r.fail("a plan wrote: %v", writes)
		}
		r.same("a plan", documents, r.all())
		if !ok && !fault.plan {
			r.fail("a plan without trouble failed")
		}
	}()
	for _, d := range r.deposed {
		p.upgrade(d)
		after, ok := p.read(d)
		if !ok {
			return plan, false
		}
		if _, ok := p.plan(after, after.private, nil); !ok {
			return plan, false
		}
		plan.deposed = append(plan.deposed, after)
	}
	if plan.refreshed, ok = r.refresh(p, s); !ok {
		return plan, false
	}
	p.validate(&r.config)
	plan.seen, plan.former = r.image(r.config.image), r.taken
	switch {
	case r.current == nil:
		plan.journey = creating
		plan.change, ok = p.plan(nil, nil, &r.config)
		return plan, ok
	case r.current.tainted:
		plan.mode, plan.journey = "taint", creating
		if s.command == "replace, create before destroy" {
			plan.mode = s.command
		}
		plan.change, ok = p.plan(nil, nil, &r.config)
		return plan, ok
	}
	if plan.change, ok = p.plan(plan.refreshed, plan.refreshed.private, &r.config); !ok {
		return plan, false
	}
	if s.command == "replace" || s.command == "replace, create before destroy" {
		plan.mode, plan.journey = s.command, creating
		plan.change, ok = p.plan(nil, plan.change.private, &r.config)
		return plan, ok
	}
	state := r.stateOf(plan.refreshed)
	plan.journey = updating
	if state.image != r.images[r.config.image] {
		plan.journey, plan.former = moving, ledger{}
	} else if plan.refreshed == r.current && r.seen != nil {
		plan.seen = r.seen
	}
	plan.noop = plan.change.state.Equal(plan.refreshed.state)
	if plan.noop {
		r.emptyPlan(plan, state)
	}
	return plan, true
}

// emptyPlan checks a plan that changes nothing: there must be nothing to change.
func (r *historyRun) emptyPlan(plan historyPlan, state *historyState) {
	r.count("empty plan")
	e := expect(updating, r.config, state, r.taken, plan.seen, plan.seen)
	if lines := plan.seen.differences(e.after); len(lines) > 0 && plan.refreshed != r.current {
		for p := range e.touched {
			if _, named := e.want[p]; named {
				r.fail("the plan is empty, but %s", strings.Join(lines, "; "))
			}
		}
	}
	if plan.refreshed == r.current {
		return
	}
	for p, entry := range state.record {
		if want, named := e.want[p]; named && want != entry.wrote && !isTag(p) {
			r.fail("the plan is empty, but the record says that %s was written to %s, where %s is configured", valueText(entry.wrote), p, valueText(want))
		}
	}
	for p := range r.taken {
		if want, named := e.want[p]; named {
			r.taken[p] = taken{wrote: want, found: r.taken[p].found}
		}
	}
}

func (r *historyRun) planStep(s historyStep) {
	if _, ok := r.makePlan(s); !ok {
		r.count("outcome plan refused")
	}
}

func (r *historyRun) refreshStep() {
	if r.current == nil {
		return
	}
	p := r.start()
	r.cloud.sent()
	refreshed, ok := r.refresh(p, historyStep{})
	if !ok {
		r.fail("a refresh without trouble failed")
	}
	r.keep(refreshed)
	if writes := writesAmong(r.cloud.sent()); len(writes) > 0 {
		r.fail("a refresh wrote: %v", writes)
	}
}

// keep saves a refreshed state.
func (r *historyRun) keep(refreshed *tracked) {
	if refreshed == r.current || refreshed == nil {
		return
	}
	r.current = refreshed
	r.seen, r.planReads = r.imageOf(r.stateOf(refreshed).image), false
}

func (r *historyRun) applyStep(s historyStep) {
	plan, ok := r.makePlan(s)
	if !ok {
		r.count("outcome plan refused")
		return
	}
	if s.noRefresh && plan.refreshed == r.current && r.planReads {
		plan.seen = r.image(r.config.image)
	}
	lostPrivate := plan.refreshed != nil && plan.refreshed == r.current && r.planReads
	r.keep(plan.refreshed)
	r.write(s.between)
	p := r.start()
	r.removeDeposed(p, plan.deposed)
	if plan.noop {
		return
	}
	documents := r.all()
	r.cloud.sent()
	attempt := &historyAttempt{r: r, step: s, plan: plan, process: p, documents: documents, lostPrivate: lostPrivate}
	attempt.run()
}

// removeDeposed deletes what earlier replacements left behind. Nothing is sent.
func (r *historyRun) removeDeposed(p *historyProcess, deposed []*tracked) {
	if len(deposed) == 0 {
		return
	}
	documents := r.all()
	for _, d := range deposed {
		r.count("deposed, deleted later")
		r.removeOne(p, d)
	}
	r.deposed = nil
	r.same("the deletion of a deposed object", documents, r.all())
}

func (r *historyRun) removeOne(p *historyProcess, d *tracked) {
	p.upgrade(d)
	planned, ok := p.plan(d, d.private, nil)
	if !ok {
		r.fail("the deletion of a deposed object cannot be planned")
	}
	record := r.stateOf(d).record
	_, ok, diags := p.apply(d, planned, nil)
	if !ok {
		r.fail("the deletion of a deposed object failed:%s", rules.Printed(diags))
	}
	if len(record) > 0 && len(diags) == 0 {
		r.fail("the deletion of a deposed object does not say what was not restored")
	}
}

// historyAttempt is the apply walk of one plan.
type historyAttempt struct {
	r           *historyRun
	step        historyStep
	plan        historyPlan
	process     *historyProcess
	documents   []historyDocument
	lostPrivate bool
	expected    *expectation
	prior       *tracked
}

func (a *historyAttempt) run() {
	r, p, plan := a.r, a.process, &a.plan
	fault := historyFaults[a.step.fault]
	if fault.plan {
		fault = historyFault{}
	}
	disturbed := a.step.fault != "" && !historyFaults[a.step.fault].plan
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	p.ctx = ctx
	var onWrite, killed func()
	if fault.race {
		onWrite = func() { r.write(a.step.race) }
	}
	if fault.kill {
		killed = cancel
	}
	id := r.images[r.config.image]
	r.cloud.arm(id, fault, onWrite, killed)
	defer r.cloud.disarm()

	prior, private := plan.refreshed, []byte(nil)
	now := r.image(r.config.image)
	journey, former := plan.journey, plan.former
	switch plan.mode {
	case "":
		if prior != nil {
			private = prior.private
		}
	case "replace, create before destroy":
		r.count("create before destroy")
		prior, former = nil, ledger{}
	default:
		r.count("destroy before create: " + plan.mode)
		p.upgrade(prior)
		_, ok, diags := p.apply(prior, plannedChange{state: r.null(), private: plan.change.private, identity: prior.identity}, nil)
		if !ok {
			r.fail("the deleting half of a replacement failed")
		}
		same := r.stateOf(prior).image == id
		if len(r.taken) > 0 && len(diags) == 0 {
			r.fail("the deleting half of a replacement does not say what it hands over")
		}
		r.same("the deleting half of a replacement", a.documents, r.all())
		r.current, r.taken, prior, journey = nil, ledger{}, nil, succeeding
		if !same {
			journey, former = creating, ledger{}
		}
	}
	a.prior = prior
	named := r.stateOf(prior)
	if journey == moving {
		named = nil // It is about another image.
	}
	e := expect(journey, r.config, named, former, plan.seen, now)
	a.expected = e
	createLike := journey != updating || a.lostPrivate

	final, ok := p.plan(prior, private, &r.config)
	if !ok {
		if !disturbed {
			r.fail("the second plan failed without trouble")
		}
		r.count("outcome second plan refused")
		a.unsent("a plan that failed inside apply")
		return
	}
	if rules.ResultError(plan.change.state, final.state) != nil {
		if !createLike || r.config.overwrites() || !e.replans {
			r.fail("Provider produced inconsistent final plan, and nothing has changed in between:\n%s\nplanned\n%s", rules.Text(final.state), rules.Text(plan.change.state))
		}
		r.count("outcome inconsistent final plan")
		a.unsent("an inconsistent final plan")
		return
	}
	r.cloud.sentReads()
	var ours *tracked
	after, ok, diags := p.apply(prior, final, &r.config)
	requests := r.cloud.sent()
	if r.cloud.disarm() {
		r.count("outcome killed")
		a.killed()
		return
	}
	if plan.mode == "replace, create before destroy" {
		ours = plan.refreshed
	}
	conflict := len(e.conflicts) > 0 && !e.silent && !r.config.overwrites()
	switch {
	case ok:
		r.count("outcome success")
		if conflict {
			r.fail("on_conflict = fail wrote over %v, which changed between plan and apply", e.conflicts)
		}
		a.succeeded(after, final, requests, disturbed)
		if e.silent {
			r.count("settings alone")
			if len(requests) > 0 {
				r.fail("an update of settings alone requested %v", requests)
			}
			r.seen = plan.seen
			return
		}
		if ours != nil {
			before := r.all()
			r.removeOne(p, ours)
			r.same("the deletion of a deposed object", before, r.all())
		}
		for p := range a.raced() {
			if e.config.exclusive && isTag(p) {
				return // A tag that comes between the look and the write is found by the next plan.
			}
		}
		for p := range r.taken {
			if !e.owns(p) {
				r.count("leftover of a replacement")
				return // The next apply gives it back.
			}
		}
		r.converged()
	case !disturbed && !conflict:
		r.fail("an apply without trouble failed:%s", rules.Printed(diags))
	case fault.overcome && !conflict:
		r.fail("an apply did not get over %s:%s", a.step.fault, rules.Printed(diags))
	default:
		if conflict && !disturbed {
			r.count("outcome conflict")
			if len(writesAmong(requests)) > 0 {
				r.fail("a conflict was reported, and %v was sent", writesAmong(requests))
			}
		} else {
			r.count("outcome failure")
			r.count("failure by " + a.step.fault)
		}
		a.failed(after)
		if ours != nil {
			if after == nil {
				r.current, r.taken = ours, a.plan.former
				r.seen = nil
			} else {
				r.deposed = append(r.deposed, ours)
			}
		}
	}
	if disturbed {
		r.count("fault " + a.step.fault)
	}
}

// sentReads forgets the requests so far, which must be no writes.
func (c *historyCloud) sentReads() {
	if writes := writesAmong(c.sent()); len(writes) > 0 {
		panic(historyFailure{fmt.Sprintf("planning inside apply wrote: %v", writes)})
	}
}

// unsent checks an apply that ended before it began.
func (a *historyAttempt) unsent(what string) {
	if writes := writesAmong(a.r.cloud.sent()); len(writes) > 0 {
		a.r.fail("%s has sent %v", what, writes)
	}
	a.r.same(what, a.documents, a.r.all())
}

// others checks that the images that this apply is not about are as before.
func (a *historyAttempt) others() {
	for n, before := range a.documents {
		if n == a.r.config.image {
			continue
		}
		if a.step.fault == "race" && slices.ContainsFunc(a.step.race, func(w outsideWrite) bool { return w.image != 0 }) {
			continue
		}
		if lines := a.r.image(n).differences(before); len(lines) > 0 {
			a.r.fail("the apply changed image %d, which it is not about: %s", n, strings.Join(lines, "; "))
		}
	}
}

// raced returns the pointers that a colleague wrote during the apply.
func (a *historyAttempt) raced() map[string]string {
	raced := map[string]string{}
	if a.step.fault == "race" {
		for _, w := range a.step.race {
			if w.image == 0 {
				raced[w.pointer] = w.value
			}
		}
	}
	return raced
}

// legal checks the image after an apply that may have ended anywhere.
func (a *historyAttempt) legal(now historyDocument) {
	e, raced := a.expected, a.raced()
	tags := false
	for p := range e.touched {
		tags = tags || isTag(p)
	}
	for p := range union(union(now, e.before), e.after) {
		value, race := raced[p]
		switch {
		case now[p] == e.before[p] && !race:
		case e.touched[p] && now[p] == e.after[p]:
		case race && now[p] == value:
		case race && now[p] == e.before[p]: // The write has not come to pass.
		case race && now[p] == e.want[p]:
		case race && isTag(p) && tags: // The list of tags is written as one.
		default:
			a.r.fail("after a disturbed apply %s is %s; it was %s, wanted %s", p, valueText(now[p]), valueText(e.before[p]), valueText(e.after[p]))
		}
	}
}

func (a *historyAttempt) succeeded(after *tracked, final plannedChange, requests []historyRequest, disturbed bool) {
	r, e := a.r, a.expected
	now := r.image(r.config.image)
	raced := a.raced()
	if len(raced) == 0 || e.silent { // Nobody races against what sends nothing.
		if lines := now.differences(e.after); len(lines) > 0 {
			r.fail("after the apply %s", strings.Join(lines, "; "))
		}
	} else {
		for p, value := range e.config.want() {
			if now[p] != value {
				r.fail("after the apply %s is %s, want %s", p, valueText(now[p]), valueText(value))
			}
		}
		a.legal(now)
	}
	a.others()
	state := r.stateOf(after)
	loose := maps.Clone(e.loose)
	for p := range raced {
		loose[p] = true
	}
	record := state.record
	for p, value := range raced {
		if entry, ok := record[p]; ok && entry.found == value {
			if _, former := e.former[p]; !former {
				e.ledger[p] = entry
			}
		}
	}
	if lines := record.differsFrom(e.ledger, loose); len(lines) > 0 {
		r.fail("after the apply the record is wrong: %s", strings.Join(lines, "; "))
	}
	if state.image != r.images[r.config.image] {
		r.fail("the state is about image %s", state.image)
	}
	if !disturbed && len(a.step.between) == 0 {
		a.asPlanned(final, requests)
	}
	if len(e.conflicts) > 0 {
		r.count("overwritten")
	}
	if a.plan.mode != "" && a.plan.mode != "replace, create before destroy" && len(e.former) > 0 {
		r.count("handed over")
	}
	r.current, r.taken = after, record
	r.seen, r.planReads = now, false
}

// asPlanned checks that what was sent is what was planned.
func (a *historyAttempt) asPlanned(final plannedChange, requests []historyRequest) {
	var members map[string]tftypes.Value
	a.r.must(final.state.As(&members))
	patch := members["planned_patch"]
	if !patch.IsKnown() {
		return
	}
	var text string
	a.r.must(patch.As(&text))
	writes := writesAmong(requests)
	if a.plan.journey == updating && a.plan.refreshed == a.prior && a.prior != nil && a.step.noRefresh {
		return // What was planned is older than the image.
	}
	if text == "[]" {
		if len(writes) > 0 {
			a.r.fail("planned_patch is [], and %v was sent", writes)
		}
		return
	}
	if len(writes) != 1 {
		a.r.fail("planned_patch is %s, sent was %v", text, writes)
	}
	if !strings.Contains(text, "(sensitive)") && writes[0].body != text {
		a.r.fail("planned_patch is %s, sent was %s", text, writes[0].body)
	}
}

// killed notes that the provider ended at its first write: terraform keeps the
// old state, without its private part.
func (a *historyAttempt) killed() {
	r := a.r
	a.legal(r.image(r.config.image))
	a.others()
	r.count("killed, " + a.step.fault)
	switch {
	case a.plan.mode == "replace, create before destroy":
		r.current, r.taken, r.seen, r.planReads = a.plan.refreshed, a.r.taken, nil, false
	case a.prior == nil:
		r.current, r.taken, r.seen, r.planReads = nil, ledger{}, nil, false
	default:
		r.current = &tracked{state: a.prior.state, tainted: a.prior.tainted}
		r.seen, r.planReads = nil, true
	}
}

// failed checks what an apply leaves that ended in an error.
func (a *historyAttempt) failed(after *tracked) {
	r, e := a.r, a.expected
	now := r.image(r.config.image)
	a.legal(now)
	a.others()
	raced := a.raced()
	ours := func(p string) bool { // Our write took effect.
		_, race := raced[p]
		return !race && now[p] != e.before[p]
	}
	r.seen, r.planReads = nil, false
	if after == nil {
		for p := range e.touched {
			if ours(p) {
				r.fail("a create failed without a state, and %s is %s", p, valueText(now[p]))
			}
		}
		if len(e.former) > 0 {
			r.fail("a create failed without a state, and forgot what it had been handed: %v", e.former)
		}
		r.count("failed without state")
		r.current, r.taken = nil, ledger{}
		return
	}
	if a.prior == nil {
		r.count("failed with state")
	}
	state := r.stateOf(after)
	if a.plan.journey == moving && a.prior != nil && state.image != r.images[r.config.image] {
		for p := range e.touched {
			if ours(p) {
				r.fail("%s was written to another image, and the state knows only the former one", p)
			}
		}
		if lines := state.record.differsFrom(r.taken, nil); len(lines) > 0 {
			r.fail("the record of the former image has changed: %s", strings.Join(lines, "; "))
		}
		r.current = after
		return
	}
	for p, entry := range state.record {
		former, had := e.former[p]
		_, wanted := e.want[p]
		switch {
		case had && entry.found != former.found:
			r.fail("after a failed apply %s is recorded as found %s, it was found %s", p, valueText(entry.found), valueText(former.found))
		case had:
		case !wanted:
			r.fail("after a failed apply %s is recorded (%v) and is nobody's", p, entry)
		case entry.found != e.before[p] && entry.found != raced[p]:
			r.fail("after a failed apply %s is recorded as found %s, it was found %s", p, valueText(entry.found), valueText(e.before[p]))
		}
		if wanted && ours(p) && now[p] == e.want[p] && entry.wrote != e.want[p] {
			r.fail("after a failed apply %s holds our %s and is recorded as written %s", p, valueText(now[p]), valueText(entry.wrote))
		}
	}
	for p := range e.former {
		if _, kept := state.record[p]; kept {
			continue
		}
		if e.owns(p) || now[p] != e.after[p] || !e.touched[p] {
			r.fail("a failed apply has forgotten %s", p)
		}
	}
	priorState := r.stateOf(a.prior)
	if e.journey == moving {
		priorState = nil
	}
	for p := range e.want {
		_, recorded := state.record[p]
		if recorded || !ours(p) || (priorState != nil && isTag(p) && priorState.exclusive) {
			continue
		}
		r.fail("a failed apply wrote %s and does not record what it found", p)
	}
	r.current, r.taken = after, state.record
}

// converged checks that the next plan is empty.
func (r *historyRun) converged() {
	plan, ok := r.makePlan(historyStep{})
	if !ok || !plan.noop {
		r.fail("after a successful apply the next plan is not empty:\n%s\nwas\n%s", rules.Text(plan.change.state), rules.Text(plan.refreshed.state))
	}
}

func (r *historyRun) destroyStep(s historyStep) {
	if r.current == nil {
		return
	}
	if s.command == "destroy" {
		// Terraform makes an ordinary plan first.
		if _, ok := r.makePlan(s); !ok {
			r.count("outcome plan refused")
			return
		}
	}
	fault := historyFaults[s.fault]
	if fault.plan {
		s.fault, fault = "", historyFault{}
	}
	p := r.start()
	var deposed []*tracked
	for _, d := range r.deposed {
		after, ok := p.read(d)
		if !ok {
			r.fail("a deposed object cannot be read")
		}
		deposed = append(deposed, after)
	}
	refreshed, ok := r.refresh(p, s)
	if !ok {
		r.fail("a refresh without trouble failed")
	}
	planned, ok := p.plan(refreshed, refreshed.private, nil)
	if !ok {
		r.fail("the destruction cannot be planned")
	}
	r.keep(refreshed)
	r.write(s.between)

	apply := r.start()
	r.removeDeposed(apply, deposed)
	documents := r.all()
	r.cloud.sent()
	ctx, cancel := context.WithCancel(apply.ctx)
	defer cancel()
	apply.ctx = ctx
	state := r.stateOf(refreshed)
	n := slices.Index(r.images, state.image)
	before := documents[n]
	after := maps.Clone(before)
	touched := map[string]bool{}
	for p, entry := range r.taken {
		if !entry.gives(state.onDestroy, p, before[p]) {
			continue
		}
		touched[p] = true
		after[p] = entry.found
		if entry.found == absentValue {
			delete(after, p)
		}
	}
	e := &expectation{before: before, after: after, touched: touched}
	attempt := &historyAttempt{r: r, step: s, expected: e, documents: documents, prior: refreshed}
	var onWrite, killed func()
	if fault.kill {
		killed = cancel
	}
	if fault.race {
		s.fault, fault = "", historyFault{}
	}
	attempt.step = s
	r.cloud.arm(state.image, fault, onWrite, killed)
	defer r.cloud.disarm()
	apply.upgrade(refreshed)
	left, ok, diags := apply.apply(refreshed, planned, nil)
	requests := r.cloud.sent()
	now := r.image(n)
	if s.fault != "" {
		r.count("fault " + s.fault)
	}
	others := r.all()
	others[n] = before
	r.same("a destruction", documents, others)
	switch {
	case r.cloud.disarm():
		r.count("outcome destroy killed")
		attempt.legal(now)
		r.current = &tracked{state: refreshed.state, tainted: refreshed.tainted}
		r.seen, r.planReads = nil, true
	case ok:
		r.count("outcome destroyed, " + state.onDestroy)
		if lines := now.differences(after); len(lines) > 0 {
			r.fail("after the destruction %s", strings.Join(lines, "; "))
		}
		if len(touched) == 0 && len(writesAmong(requests)) > 0 {
			r.fail("a destruction without anything to restore sent %v", writesAmong(requests))
		}
		r.current, r.taken, r.seen, r.planReads = nil, ledger{}, nil, false
	case s.fault == "" || fault.overcome:
		r.fail("a destruction failed with fault %q:%s", s.fault, rules.Printed(diags))
	default:
		r.count("outcome destroy failed")
		attempt.legal(now)
		r.current = left
		r.seen = nil
	}
}

func (r *historyRun) importStep(s historyStep) {
	if r.current != nil {
		return
	}
	p := r.start()
	r.cloud.sent()
	now := r.image(r.config.image)
	id := r.images[r.config.image]
	if s.keys != 0 {
		var keys []string
		for i, key := range historyProperties {
			if value := now["/"+key]; s.keys&(1<<i) != 0 && value != absentValue && value != "null" {
				keys = append(keys, key)
			}
		}
		if len(keys) > 0 {
			id += "/" + strings.Join(keys, ",")
		}
	}
	answer, err := p.server.ImportResourceState(p.ctx, &tfprotov6.ImportResourceStateRequest{TypeName: resourceType, ID: id})
	r.must(err)
	if r.speak(answer.Diagnostics) || len(answer.ImportedResources) != 1 {
		r.fail("the import of %s failed", id)
	}
	imported := answer.ImportedResources[0]
	found := &tracked{state: r.decode(imported.State), private: imported.Private, identity: imported.Identity}
	refreshed, ok := p.read(found)
	if !ok {
		r.fail("the imported resource cannot be read")
	}
	if !refreshed.state.Equal(found.state) {
		r.fail("read changes what was just imported:\n%s\nwas\n%s", rules.Text(refreshed.state), rules.Text(found.state))
	}
	state := r.stateOf(refreshed)
	if len(state.record) > 0 {
		r.fail("an import records %v", state.record)
	}
	for p, value := range state.named {
		if now[p] != value {
			r.fail("import says that %s is %s, it is %s", p, valueText(value), valueText(now[p]))
		}
	}
	if writes := writesAmong(r.cloud.sent()); len(writes) > 0 {
		r.fail("an import wrote: %v", writes)
	}
	r.count("imported")
	r.current, r.taken = refreshed, ledger{}
	r.seen, r.planReads = now, false
}

// renameStep renames the resource without a moved block: the old one is
// destroyed and a new one created in the same apply, in either order.
func (r *historyRun) renameStep(s historyStep) {
	if r.current == nil || r.current.tainted || len(r.deposed) > 0 {
		return
	}
	p := r.start()
	refreshed, ok := r.refresh(p, historyStep{})
	if !ok {
		r.fail("a refresh without trouble failed")
	}
	r.keep(refreshed)
	gone, ok := p.plan(refreshed, refreshed.private, nil)
	if !ok {
		r.fail("the destruction of a renamed resource cannot be planned")
	}
	made, ok := p.plan(nil, nil, &r.config)
	if !ok {
		r.fail("a renamed resource cannot be planned")
	}
	apply := r.start()
	state := r.stateOf(refreshed)
	id := r.images[r.config.image]
	same := state.image == id
	old, n := r.imageOf(state.image), slices.Index(r.images, state.image)
	destroy := func(held func(string) bool) {
		want := maps.Clone(r.image(n))
		for p, entry := range r.taken {
			if !held(p) && entry.gives(state.onDestroy, p, old[p]) {
				want[p] = entry.found
				if entry.found == absentValue {
					delete(want, p)
				}
			}
		}
		if _, ok, diags := apply.apply(refreshed, gone, nil); !ok {
			r.fail("the destruction of a renamed resource failed:%s", rules.Printed(diags))
		}
		if lines := r.image(n).differences(want); len(lines) > 0 {
			r.fail("after the destruction of a renamed resource %s", strings.Join(lines, "; "))
		}
	}
	var created *tracked
	var e *expectation
	var seen historyDocument
	create := func() {
		now := r.image(r.config.image)
		e = expect(creating, r.config, nil, ledger{}, now, now)
		final, ok := apply.plan(nil, nil, &r.config)
		if !ok {
			r.fail("the second plan of a renamed resource failed")
		}
		if rules.ResultError(made.state, final.state) != nil {
			r.fail("Provider produced inconsistent final plan for a renamed resource:\n%s\nplanned\n%s", rules.Text(final.state), rules.Text(made.state))
		}
		var diags []*tfprotov6.Diagnostic
		if created, ok, diags = apply.apply(nil, final, &r.config); !ok {
			r.fail("a renamed resource cannot be created:%s", rules.Printed(diags))
		}
		seen = r.image(r.config.image)
		if lines := seen.differences(e.after); len(lines) > 0 {
			r.fail("after the create of a renamed resource %s", strings.Join(lines, "; "))
		}
		if lines := r.stateOf(created).record.differsFrom(e.ledger, nil); len(lines) > 0 {
			r.fail("the record of a renamed resource is wrong: %s", strings.Join(lines, "; "))
		}
	}
	if s.destroyFirst {
		r.count("renamed, destroyed first")
		apply.upgrade(refreshed)
		destroy(func(string) bool { return false })
		create()
	} else {
		r.count("renamed, created first")
		create()
		apply.upgrade(refreshed)
		destroy(func(p string) bool {
			return same && e.owns(p)
		})
	}
	r.current, r.taken = created, r.stateOf(created).record
	r.seen, r.planReads = seen, false
	r.converged()
}

// runHistory runs steps in new images of a cloud. It returns what went wrong.
func runHistory(cloud *historyCloud, schemas *historySchemas, seed uint64, steps []historyStep, events map[string]int) (failure string, trace []string) {
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // Repeatable.
	r := &historyRun{
		cloud: cloud, schemas: schemas, identity: random.IntN(2) == 0, taken: ledger{}, events: events,
		config: historyConfig{properties: map[string]string{"k0": historyValues[0]}, sensitive: map[string]string{}, typed: map[string]string{}},
	}
	for range 3 {
		image := simulator.Image{Name: "first", Properties: map[string]string{"theirs": "kept"}, Tags: []string{"theirs"}}
		id := cloud.CreateImage(image)
		r.images = append(r.images, id)
		for range random.IntN(7) {
			w := drawOutside(random)
			w.image = 0
			if err := w.carryOut(cloud.Simulator, id); err != nil {
				return err.Error(), nil
			}
		}
		r.note("image %s: %v", id, r.imageOf(id).metadata())
	}
	defer func() {
		cloud.disarm()
		for _, id := range r.images {
			cloud.DeleteImage(id)
		}
		cloud.ResetRequests()
		// The processes of the history have ended.
		cloud.server.CloseClientConnections()
		cloud.RevokeTokens()
	}()
	defer func() {
		trace = r.trace
		switch problem := recover().(type) {
		case nil:
		case historyFailure:
			failure = problem.text
		default:
			failure = fmt.Sprintf("panic: %v\n%s", problem, debug.Stack())
		}
	}()
	r.run(steps)
	return "", nil
}

// metadata is the part of a document that the histories are about.
func (d historyDocument) metadata() historyDocument {
	part := maps.Clone(d)
	maps.DeleteFunc(part, func(p, _ string) bool {
		key := strings.TrimPrefix(p, "/")
		return !isTag(p) && !slices.Contains(historyProperties, key) && !slices.Contains(historySecrets, key) &&
			!slices.ContainsFunc(historyTyped, func(a historyAttribute) bool { return a.key == key })
	})
	return part
}

// shrink returns a shorter history that fails as well.
func shrink(steps []historyStep, fails func([]historyStep) bool) []historyStep {
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
			for j := range s.between {
				with(i, func(s *historyStep) { s.between = slices.Delete(slices.Clone(s.between), j, j+1) })
			}
			for j := range s.race {
				with(i, func(s *historyStep) { s.race = slices.Delete(slices.Clone(s.race), j, j+1) })
			}
			if s.fault != "" {
				with(i, func(s *historyStep) { s.fault = "" })
			}
			if s.noRefresh {
				with(i, func(s *historyStep) { s.noRefresh = false })
			}
			if s.command != "apply" {
				with(i, func(s *historyStep) { s.command = "apply" })
			}
		}
		return all
	}
	for again := true; again; {
		again = false
		for _, next := range simpler(steps) {
			if fails(next) {
				steps, again = next, true
				break
			}
		}
	}
	return steps
}

// TestHistories runs random histories of a resource through the provider's
// protocol server, with terraform's own rules played by this test, and compares
// with a model after every step.
func TestHistories(t *testing.T) {
	t.Parallel()
	count, first := uint64(defaultHistories), uint64(1)
	if testing.Short() {
		count /= 10
	}
	if text := os.Getenv(historiesVariable); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			t.Fatalf("%s: %v", historiesVariable, err)
		}
		count = n
	}
	if text := os.Getenv(historyVariable); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			t.Fatalf("%s: %v", historyVariable, err)
		}
		count, first = 1, n
	}
	schemas, err := schemasOnce()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var (
		next   atomic.Uint64
		mu     sync.Mutex
		total  = map[string]int{}
		failed int
		wait   sync.WaitGroup
	)
	for range historyWorkers {
		cloud := newHistoryCloud(t)
		wait.Go(func() {
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
				failure, _ := runHistory(cloud, schemas, seed, steps, events)
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
				steps = shrink(steps, func(steps []historyStep) bool {
					failure, _ := runHistory(cloud, schemas, seed, steps, map[string]int{})
					return failure != ""
				})
				short, trace := runHistory(cloud, schemas, seed, steps, map[string]int{})
				mu.Lock()
				t.Errorf("history %d (again with %s=%d): %s\nshrunk: %s\n%s", seed, historyVariable, seed, failure, short, strings.Join(trace, "\n"))
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if failed > 0 {
		return
	}
	t.Logf("%d histories in %s", count, time.Since(began).Round(time.Millisecond))
	for _, event := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%8d  %s", total[event], event)
	}
	if count < defaultHistories {
		return
	}
	for event, least := range historyCoverage() {
		if total[event] < least {
			t.Errorf("%q happened %d times, want %d at least: the histories do not reach it any more", event, total[event], least)
		}
	}
}

// historyCoverage is what a thousand histories must have met, and how often.
func historyCoverage() map[string]int {
	least := map[string]int{
		"step apply": 3000, "step plan": 200, "step refresh": 200, "step destroy": 1000, "step drop": 100, "step import": 200, "step taint": 150,
		"step replace": 150, "step replace, create before destroy": 150, "step rename": 100, "step forget": 100,
		"outcome success": 2500, "outcome conflict": 40, "outcome inconsistent final plan": 50, "outcome killed": 20, "outcome failure": 150,
		"outcome plan refused": 100, "outcome second plan refused": 5, "outcome destroy failed": 10, "outcome destroy killed": 3,
		"outcome destroyed, restore": 500, "outcome destroyed, remove": 30, "outcome destroyed, keep": 30,
		"failed with state": 15, "failed without state": 50, "handed over": 100, "leftover of a replacement": 5, "overwritten": 20,
		"create before destroy": 100, "destroy before create: replace": 80, "destroy before create: taint": 100, "deposed, deleted later": 1,
		"renamed, created first": 20, "renamed, destroyed first": 20, "imported": 60, "drift": 400, "empty plan": 3000, "settings alone": 30, "without refresh": 150,
		"short answer: upgrade": 10000, "short answer: read": 3000, "short answer: plan": 3000,
	}
	for name, fault := range historyFaults {
		if !fault.plan {
			least["fault "+name] = 10
		}
	}
	return least
}
