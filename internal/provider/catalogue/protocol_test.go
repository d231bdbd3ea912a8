package catalogue_test

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/provider"
)

// members are the attributes of a block; those that are not named are null.
type members = map[string]any

// schemas returns what the provider answers about its schemas, which is the same
// in every process.
var schemas = sync.OnceValues(func() (*tfprotov6.GetProviderSchemaResponse, error) {
	return provider.Server("test")().GetProviderSchema(context.Background(), &tfprotov6.GetProviderSchemaRequest{})
})

// withoutOwnPod takes a developer's own sign-in out of the environment, which a
// provider server inside the test process reads.
var withoutOwnPod = sync.OnceFunc(func() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "HORIZON_") {
			_ = os.Unsetenv(name)
		}
	}
})

// process is a provider server as terraform starts it, without terraform, as far
// as one type of resource is concerned. It holds what the provider answers
// against Terraform's own rules.
type process struct {
	t      testing.TB
	server tfprotov6.ProviderServer
	schema *tfprotov6.Schema
	kind   string // the type of the resource
}

// configured starts a provider server with the arguments of the provider block.
func configured(t testing.TB, kind string, arguments members) *process {
	t.Helper()
	withoutOwnPod()
	all, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, server: provider.Server("test")(), schema: all.ResourceSchemas[kind], kind: kind}
	answer, err := p.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: rules.Encoded(all.Provider.ValueType(), arguments)})
	if err != nil || len(answer.Diagnostics) > 0 {
		t.Fatalf("configuring the provider: %v%s", err, rules.Printed(answer.Diagnostics))
	}
	return p
}

// of returns the same process, as far as another type of resource is concerned.
func (p *process) of(kind string) *process {
	other := *p
	all, err := schemas()
	if err != nil {
		p.t.Fatal(err)
	}
	other.kind, other.schema = kind, all.ResourceSchemas[kind]
	return &other
}

func (p *process) stateType() tftypes.Object { return p.schema.ValueType().(tftypes.Object) }

// instance is a resource as terraform keeps it between two calls. The zero value
// does not exist yet.
type instance struct {
	state    tftypes.Value
	private  []byte
	identity *tfprotov6.ResourceIdentityData
}

func (i instance) exists() bool { return i.state.Type() != nil && !i.state.IsNull() }

// text returns an attribute that is a string; "" when it is null, not known, or
// there is no state.
func (i instance) text(t testing.TB, name string) string {
	t.Helper()
	if !i.exists() {
		return ""
	}
	value := rules.Attributes(i.state)[name]
	var text *string
	if value.IsKnown() {
		if err := value.As(&text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if text == nil {
		return ""
	}
	return *text
}

// step is one planned change.
type step struct {
	before  instance
	config  members // nil for a destruction
	planned instance
}

// plan plans the step from an instance to a configuration; nil destroys.
func (p *process) plan(ctx context.Context, before instance, config members) (step, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	as := p.stateType()
	prior, proposed, configuration := tftypes.NewValue(as, nil), tftypes.NewValue(as, nil), tftypes.NewValue(as, nil)
	if before.exists() {
		prior = before.state
	}
	if config != nil {
		configuration = rules.Value(as, config)
		proposed = rules.Proposed(p.schema.Block.Attributes, prior, configuration)
	}
	answer, err := p.server.PlanResourceChange(ctx, &tfprotov6.PlanResourceChangeRequest{
		TypeName: p.kind, PriorState: rules.Encoded(as, prior), ProposedNewState: rules.Encoded(as, proposed),
		Config: rules.Encoded(as, configuration), PriorPrivate: before.private, PriorIdentity: before.identity,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	s := step{before: before, config: config, planned: instance{private: answer.PlannedPrivate, identity: answer.PlannedIdentity}}
	if answer.PlannedState != nil {
		s.planned.state = p.decoded(answer.PlannedState)
	}
	if rules.Failed(answer.Diagnostics) {
		return s, answer.Diagnostics
	}
	if len(answer.RequiresReplace) > 0 {
		p.t.Errorf("a plan that replaces: %v", answer.RequiresReplace)
	}
	if err := rules.PlanError(p.schema.Block.Attributes, prior, configuration, s.planned.state); err != nil {
		p.t.Error(err)
	}
	return s, answer.Diagnostics
}

// apply carries a planned step out.
func (p *process) apply(ctx context.Context, s step) (instance, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	as := p.stateType()
	prior, configuration := tftypes.NewValue(as, nil), tftypes.NewValue(as, nil)
	if s.before.exists() {
		prior = s.before.state
	}
	if s.config != nil {
		configuration = rules.Value(as, s.config)
	}
	answer, err := p.server.ApplyResourceChange(ctx, &tfprotov6.ApplyResourceChangeRequest{
		TypeName: p.kind, PriorState: rules.Encoded(as, prior), PlannedState: rules.Encoded(as, s.planned.state),
		Config: rules.Encoded(as, configuration), PlannedPrivate: s.planned.private, PlannedIdentity: s.planned.identity,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	after := instance{state: p.decoded(answer.NewState), private: answer.Private, identity: answer.NewIdentity}
	p.applied(s, prior, after, rules.Failed(answer.Diagnostics))
	return after, answer.Diagnostics
}

// applied fails the test when the state after an apply is one that Terraform
// does not accept, or that would forget an object.
func (p *process) applied(s step, prior tftypes.Value, after instance, failed bool) {
	p.t.Helper()
	destroys := s.planned.state.IsNull()
	switch {
	case destroys && failed && !after.exists():
		p.t.Error("a destruction that failed took the resource out of the state")
	case destroys && failed && !after.state.Equal(prior):
		p.t.Errorf("a destruction that failed changed the state to\n%s, was\n%s", after.state, prior)
	case destroys && !failed && after.exists():
		p.t.Errorf("after the destruction the state is\n%s", after.state)
	case !destroys && !after.exists() && (!failed || !prior.IsNull()):
		p.t.Errorf("after the apply there is no state, planned was\n%s", s.planned.state)
	}
	if after.exists() && !after.state.IsFullyKnown() {
		p.t.Errorf("after the apply the state is not known:\n%s", after.state)
	}
	if after.exists() && (after.text(p.t, "id") == "" || after.identity == nil) {
		p.t.Errorf("a state without an id or an identity: %s", after.state)
	}
	if err := rules.ResultError(s.planned.state, after.state); err != nil && !failed {
		p.t.Error(err)
	}
}

// read refreshes an instance.
func (p *process) read(ctx context.Context, before instance) (instance, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	answer, err := p.server.ReadResource(ctx, &tfprotov6.ReadResourceRequest{
		TypeName: p.kind, CurrentState: rules.Encoded(p.stateType(), before.state), Private: before.private, CurrentIdentity: before.identity,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	after := instance{private: answer.Private, identity: answer.NewIdentity}
	if answer.NewState != nil {
		after.state = p.decoded(answer.NewState)
	}
	if rules.Failed(answer.Diagnostics) && (!after.exists() || !after.state.Equal(before.state)) {
		p.t.Errorf("a read that failed changed the state to\n%s, was\n%s", after.state, before.state)
	}
	return after, answer.Diagnostics
}

// adopt imports an object by its id.
func (p *process) adopt(ctx context.Context, id string) (instance, []*tfprotov6.Diagnostic) {
	p.t.Helper()
	answer, err := p.server.ImportResourceState(ctx, &tfprotov6.ImportResourceStateRequest{TypeName: p.kind, ID: id})
	if err != nil {
		p.t.Fatal(err)
	}
	if len(answer.ImportedResources) != 1 {
		return instance{}, answer.Diagnostics
	}
	imported := answer.ImportedResources[0]
	after := instance{state: p.decoded(imported.State), private: imported.Private, identity: imported.Identity}
	if rules.Failed(answer.Diagnostics) && after.exists() {
		p.t.Errorf("an import that failed has the state %s", after.state)
	}
	return after, answer.Diagnostics
}

func (p *process) decoded(v *tfprotov6.DynamicValue) tftypes.Value {
	p.t.Helper()
	value, err := v.Unmarshal(p.stateType())
	if err != nil {
		p.t.Fatal(err)
	}
	return value
}
