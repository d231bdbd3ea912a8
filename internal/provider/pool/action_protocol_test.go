package pool_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/provider"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// members are the attributes of a block; those that are not named are null.
type members = map[string]any

// steppedPod is a pod whose clock stands still, but for a step at each look at a pool: what is
// seen of a push is the same in every run.
type steppedPod struct {
	*acceptance.Pod

	step atomic.Int64
	// seen is called at each look, with its number from 1 on.
	seen  func(n int)
	looks int
}

func newSteppedPod(t *testing.T, step time.Duration, options simulator.Options) *steppedPod {
	t.Helper()
	return stepped(t, step, options, acceptance.HorizonPod)
}

func stepped(t *testing.T, step time.Duration, options simulator.Options, start func(testing.TB, simulator.Options) *acceptance.Pod) *steppedPod {
	t.Helper()
	p := &steppedPod{}
	began := time.Now().UTC().Truncate(time.Second)
	options.Clock = func() time.Time { return began }
	options.Wait = func(context.Context, time.Duration) error {
		p.Advance(time.Duration(p.step.Load()))
		p.looks++
		if p.seen != nil {
			p.seen(p.looks)
		}
		return nil
	}
	p.Pod = start(t, options)
	p.step.Store(int64(step))
	if err := p.AddFault(simulator.Fault{Method: http.MethodGet, Path: `/desktop-pools/[0-9a-f-]{36}$`, Effect: simulator.EffectDelay, Latency: 1, Count: simulator.Forever}); err != nil {
		t.Fatal(err)
	}
	return p
}

// actions is a provider server without terraform, as far as its actions are concerned.
type actions struct {
	t       *testing.T
	server  tfprotov6.ProviderServer
	schemas map[string]*tfprotov6.ActionSchema
}

func actionsOn(t *testing.T, pod *acceptance.Pod, more ...members) *actions {
	t.Helper()
	withoutOwnPod()
	a := &actions{t: t, server: provider.Server("test")()}
	all, err := a.server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	a.schemas = all.ActionSchemas
	section := members{"url": pod.URL, "domain": pod.Domain, "username": pod.Username, "password": pod.Password, "poll_interval": "1ms"}
	for _, m := range more {
		for name, value := range m {
			section[name] = value
		}
	}
	answer, err := a.server.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: rules.Encoded(all.Provider.ValueType(), members{"horizon": section})})
	if err != nil || len(answer.Diagnostics) > 0 {
		t.Fatalf("configuring the provider: %v %s", err, rules.Printed(answer.Diagnostics))
	}
	return a
}

// invoked is what terraform hears of an action.
type invoked struct {
	t        *testing.T
	progress []string
	diags    []*tfprotov6.Diagnostic
}

func (a *actions) config(kind string, config members) *tfprotov6.DynamicValue {
	a.t.Helper()
	schema := a.schemas["imageops_"+kind]
	if schema == nil {
		a.t.Fatalf("there is no action %s", kind)
	}
	return rules.Encoded(schema.Schema.ValueType(), config)
}

// invoke carries an action out as terraform does: it is validated and planned first.
func (a *actions) invoke(kind string, config members) invoked {
	a.t.Helper()
	for what, diags := range map[string][]*tfprotov6.Diagnostic{"validate": a.validate(kind, config), "plan": a.plan(kind, config)} {
		if len(rules.Errors(diags)) > 0 {
			a.t.Fatalf("%s: %s", what, rules.Printed(diags))
		}
	}
	return a.invokeUnplanned(a.t.Context(), kind, config, nil)
}

// mostTime bounds an action that would not end.
const mostTime = 20 * time.Second

// invokeUnplanned is invoke for a plan that is not looked at. Each progress is given to hear.
func (a *actions) invokeUnplanned(ctx context.Context, kind string, config members, hear func(string)) invoked {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, mostTime)
	defer cancel()
	stream, err := a.server.(tfprotov6.ActionServer).InvokeAction(ctx, &tfprotov6.InvokeActionRequest{ActionType: "imageops_" + kind, Config: a.config(kind, config)})
	if err != nil {
		a.t.Fatal(err)
	}
	heard, ended := invoked{t: a.t}, false
	for event := range stream.Events {
		switch e := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			heard.progress = append(heard.progress, e.Message)
			if hear != nil {
				hear(e.Message)
			}
		case tfprotov6.CompletedInvokeActionEventType:
			heard.diags, ended = e.Diagnostics, true
		}
	}
	if !ended {
		a.t.Errorf("the action %s did not end", kind)
	}
	return heard
}

func (a *actions) plan(kind string, config members) []*tfprotov6.Diagnostic {
	a.t.Helper()
	answer, err := a.server.(tfprotov6.ActionServer).PlanAction(a.t.Context(), &tfprotov6.PlanActionRequest{ActionType: "imageops_" + kind, Config: a.config(kind, config)})
	if err != nil {
		a.t.Fatal(err)
	}
	return answer.Diagnostics
}

func (a *actions) validate(kind string, config members) []*tfprotov6.Diagnostic {
	a.t.Helper()
	answer, err := a.server.(tfprotov6.ActionServer).ValidateActionConfig(a.t.Context(), &tfprotov6.ValidateActionConfigRequest{ActionType: "imageops_" + kind, Config: a.config(kind, config)})
	if err != nil {
		a.t.Fatal(err)
	}
	return answer.Diagnostics
}

// succeeded fails the test unless the action has ended well with this progress.
func (i invoked) succeeded(progress ...string) invoked {
	i.t.Helper()
	if len(rules.Errors(i.diags)) > 0 {
		i.t.Fatalf("the action has failed: %s(progress %q)", rules.Printed(i.diags), i.progress)
	}
	i.told(progress...)
	return i
}

// told fails the test unless this was the progress.
func (i invoked) told(progress ...string) invoked {
	i.t.Helper()
	if !slices.Equal(i.progress, progress) {
		i.t.Errorf("the progress is\n  %s\nwant\n  %s", strings.Join(i.progress, "\n  "), strings.Join(progress, "\n  "))
	}
	return i
}

// failed fails the test unless the action has ended in one error that says all of this.
func (i invoked) failed(texts ...string) invoked {
	i.t.Helper()
	failures := rules.Errors(i.diags)
	if len(failures) != 1 {
		i.t.Fatalf("%d errors: %s(progress %q)", len(failures), rules.Printed(i.diags), i.progress)
	}
	i.contains(failures, texts)
	return i
}

// warned fails the test unless there is one warning, which says all of this.
func (i invoked) warned(texts ...string) invoked {
	i.t.Helper()
	warnings := slices.DeleteFunc(slices.Clone(i.diags), func(d *tfprotov6.Diagnostic) bool { return d.Severity != tfprotov6.DiagnosticSeverityWarning })
	if len(warnings) != 1 {
		i.t.Fatalf("%d warnings: %s", len(warnings), rules.Printed(i.diags))
	}
	i.contains(warnings, texts)
	return i
}

func (i invoked) contains(diags []*tfprotov6.Diagnostic, texts []string) {
	i.t.Helper()
	for _, text := range texts {
		if all := rules.Printed(diags); !strings.Contains(all, text) {
			i.t.Errorf("%q is missing in\n%s", text, all)
		}
	}
}

// posts are the calls to pools with their bodies, in order, without ids of machines.
func posts(pod *acceptance.Pod) []string {
	var all []string
	for _, r := range pod.Requests() {
		_, action, isAction := strings.Cut(r.Path, "/action/")
		if r.Method == http.MethodPost && isAction {
			all = append(all, strings.TrimSuffix(action+"?"+r.Query, "?")+" "+machineIDs.ReplaceAllString(r.Body, "<id>"))
		}
	}
	return all
}

var machineIDs = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// sent fails the test unless these were the calls, after which they are forgotten.
func (p *steppedPod) sent(t *testing.T, want ...string) {
	t.Helper()
	if got := posts(p.Pod); !slices.Equal(got, want) {
		t.Errorf("the calls are\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	p.ResetRequests()
}
