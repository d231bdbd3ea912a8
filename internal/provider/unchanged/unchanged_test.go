package unchanged_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/provider/unchanged"
)

var (
	nested   = tftypes.Object{AttributeTypes: map[string]tftypes.Type{"create": tftypes.String}}
	object   = tftypes.Object{AttributeTypes: map[string]tftypes.Type{"id": tftypes.String, "rule": tftypes.String, "whole": tftypes.Bool, "size": tftypes.Number, "timeouts": nested}}
	identity = tftypes.Object{AttributeTypes: map[string]tftypes.Type{"id": tftypes.String}}
)

// whole stands for the framework's server. It answers nothing and counts.
type whole struct {
	tfprotov6.ProviderServer
	tfprotov6.ListResourceServer
	tfprotov6.ActionServer
	tfprotov6.StateStoreServer
	calls int
	ctx   context.Context //nolint:containedctx // What the call was given.
}

func (w *whole) UpgradeResourceState(context.Context, *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	w.calls++
	return &tfprotov6.UpgradeResourceStateResponse{}, nil
}

func (w *whole) ReadResource(ctx context.Context, _ *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	w.calls++
	w.ctx = ctx
	return &tfprotov6.ReadResourceResponse{}, nil
}

func (w *whole) PlanResourceChange(context.Context, *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	w.calls++
	return &tfprotov6.PlanResourceChangeResponse{}, nil
}

type carried struct{}

// serve starts a server whose resource has nothing new when news is false.
func serve(news bool) (tfprotov6.ProviderServer, *whole) {
	w := &whole{}
	return unchanged.Server(w, map[string]unchanged.Resource{"thing": {
		Type: object, Identity: identity, Version: 2,
		Defaults: map[string]tftypes.Value{"rule": tftypes.NewValue(tftypes.String, "keep"), "whole": tftypes.NewValue(tftypes.Bool, false)},
		Read: func(ctx context.Context, state tftypes.Value, _ unchanged.Private) (context.Context, map[string]tftypes.Value) {
			if news {
				return context.WithValue(ctx, carried{}, "seen"), nil
			}
			var members map[string]tftypes.Value
			if err := state.As(&members); err != nil {
				panic(err)
			}
			return ctx, map[string]tftypes.Value{"id": members["id"]}
		},
		Settled: func(_ context.Context, private unchanged.Private) bool { return string(private["review"]) != "true" },
	}}), w
}

// thing encodes a resource; a member that is left out is null.
func thing(t *testing.T, members map[string]any) *tfprotov6.DynamicValue {
	t.Helper()
	values := map[string]tftypes.Value{}
	for name, as := range object.AttributeTypes {
		values[name] = tftypes.NewValue(as, members[name])
	}
	v, err := tfprotov6.NewDynamicValue(object, tftypes.NewValue(object, values))
	if err != nil {
		t.Fatal(err)
	}
	return &v
}

func nothing(t *testing.T) *tfprotov6.DynamicValue {
	t.Helper()
	v, err := tfprotov6.NewDynamicValue(object, tftypes.NewValue(object, nil))
	if err != nil {
		t.Fatal(err)
	}
	return &v
}

func TestAStateOfThisReleaseIsHandedOnAsItIsStored(t *testing.T) {
	for name, c := range map[string]struct {
		json    string
		version int64
		as      string
		whole   bool
	}{
		"all members":        {`{"id":"a","rule":null,"whole":true,"size":3,"timeouts":null}`, 2, "thing", false},
		"a nested object":    {`{"id":"a","rule":null,"whole":true,"size":3,"timeouts":{"create":"1m"}}`, 2, "thing", false},
		"another version":    {`{"id":"a","rule":null,"whole":true,"size":3,"timeouts":null}`, 1, "thing", true},
		"another type":       {`{"id":"a","rule":null,"whole":true,"size":3,"timeouts":null}`, 2, "other", true},
		"a member less":      {`{"id":"a","rule":null,"whole":true,"timeouts":null}`, 2, "thing", true},
		"a member too many":  {`{"id":"a","rule":null,"whole":true,"size":3,"timeouts":null,"old":1}`, 2, "thing", true},
		"another member":     {`{"id":"a","rule":null,"whole":true,"old":3,"timeouts":null}`, 2, "thing", true},
		"a nested stranger":  {`{"id":"a","rule":null,"whole":true,"size":3,"timeouts":{"read":"1m"}}`, 2, "thing", true},
		"nested no object":   {`{"id":"a","rule":null,"whole":true,"size":3,"timeouts":"1m"}`, 2, "thing", true},
		"no object":          {`null`, 2, "thing", true},
		"broken JSON":        {`{"id":`, 2, "thing", true},
		"nothing, a flatmap": {``, 2, "thing", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := serve(false)
			answer, err := s.UpgradeResourceState(t.Context(), &tfprotov6.UpgradeResourceStateRequest{TypeName: c.as, Version: c.version, RawState: &tfprotov6.RawState{JSON: []byte(c.json)}})
			if err != nil {
				t.Fatal(err)
			}
			if (w.calls == 1) != c.whole {
				t.Fatalf("%d calls of the framework", w.calls)
			}
			if !c.whole && string(answer.UpgradedState.JSON) != c.json {
				t.Errorf("%s became %s", c.json, answer.UpgradedState.JSON)
			}
		})
	}
}

func TestAReadThatShowsNothingNewAnswersWithItsRequest(t *testing.T) {
	s, w := serve(false)
	state, private := thing(t, map[string]any{"id": "a"}), []byte(`{"key":"InZhbHVlIg=="}`)
	answer, err := s.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: "thing", CurrentState: state, Private: private})
	if err != nil || w.calls != 0 {
		t.Fatalf("%v, %d calls of the framework", err, w.calls)
	}
	if answer.NewState != state || !bytes.Equal(answer.Private, private) {
		t.Errorf("the answer has another state or private state: %+v", answer)
	}
	of, err := answer.NewIdentity.IdentityData.Unmarshal(identity)
	if want := tftypes.NewValue(identity, map[string]tftypes.Value{"id": tftypes.NewValue(tftypes.String, "a")}); err != nil || !of.Equal(want) {
		t.Errorf("the identity is %s: %v", of, err)
	}
}

func TestWhatAReadFindsIsCarriedToTheFramework(t *testing.T) {
	s, w := serve(true)
	if _, err := s.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: "thing", CurrentState: thing(t, map[string]any{"id": "a"})}); err != nil || w.calls != 1 {
		t.Fatalf("%v, %d calls of the framework", err, w.calls)
	}
	if w.ctx.Value(carried{}) != "seen" {
		t.Error("what was found is lost, and the framework looks once more")
	}
}

func TestReadsThatMeanMoreGoToTheFramework(t *testing.T) {
	for name, req := range map[string]*tfprotov6.ReadResourceRequest{
		"after an import":       {TypeName: "thing", CurrentState: thing(t, map[string]any{"id": "a"}), Private: []byte(`{".import":"dHJ1ZQ=="}`)},
		"broken private state":  {TypeName: "thing", CurrentState: thing(t, map[string]any{"id": "a"}), Private: []byte(`{`)},
		"no state":              {TypeName: "thing"},
		"a state that is null":  {TypeName: "thing", CurrentState: nothing(t)},
		"a state of other type": {TypeName: "thing", CurrentState: &tfprotov6.DynamicValue{MsgPack: []byte{0x01}}},
		"another type":          {TypeName: "other", CurrentState: thing(t, map[string]any{"id": "a"})},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := serve(false)
			if _, err := s.ReadResource(t.Context(), req); err != nil || w.calls != 1 {
				t.Errorf("%v, %d calls of the framework", err, w.calls)
			}
		})
	}
}

func TestAPlanIsAnsweredWithoutTheFrameworkOnlyIfNothingChanges(t *testing.T) {
	state := map[string]any{"id": "a", "rule": "keep", "whole": false, "size": 3}
	other := map[string]any{"id": "a", "rule": "drop", "whole": false, "size": 3}
	for name, c := range map[string]struct {
		prior, proposed, config *tfprotov6.DynamicValue
		private                 string
		whole                   bool
	}{
		"configured as it is":                    {thing(t, state), thing(t, state), thing(t, state), "", false},
		"defaults left out":                      {thing(t, state), thing(t, state), thing(t, map[string]any{"id": "a", "size": 3}), `{"review":"ZmFsc2U="}`, false},
		"not the default, and configured":        {thing(t, other), thing(t, other), thing(t, other), "", false},
		"not the default, and left out":          {thing(t, other), thing(t, other), thing(t, map[string]any{"id": "a", "size": 3}), "", true},
		"another value":                          {thing(t, state), thing(t, other), thing(t, other), "", true},
		"a create":                               {nothing(t), thing(t, state), thing(t, state), "", true},
		"a destruction":                          {thing(t, state), nothing(t), nothing(t), "", true},
		"nothing at all":                         {nothing(t), nothing(t), nothing(t), "", true},
		"a mark in the private state":            {thing(t, state), thing(t, state), thing(t, state), `{"review":"dHJ1ZQ=="}`, true},
		"a mark of the framework":                {thing(t, state), thing(t, state), thing(t, state), `{".import":"dHJ1ZQ=="}`, true},
		"a private state that cannot be read":    {thing(t, state), thing(t, state), thing(t, state), `{`, true},
		"a configuration that cannot be read":    {thing(t, state), thing(t, state), &tfprotov6.DynamicValue{MsgPack: []byte{0x82, 0xa4}}, "", true},
		"a configuration that is a text":         {thing(t, state), thing(t, state), &tfprotov6.DynamicValue{MsgPack: []byte{0xa1, 'x'}}, "", true},
		"a state and a proposal that are broken": {&tfprotov6.DynamicValue{MsgPack: []byte{0x81}}, &tfprotov6.DynamicValue{MsgPack: []byte{0x81}}, thing(t, state), "", true},
		"no configuration":                       {thing(t, state), thing(t, state), nil, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := serve(false)
			req := &tfprotov6.PlanResourceChangeRequest{TypeName: "thing", PriorState: c.prior, ProposedNewState: c.proposed, Config: c.config, PriorPrivate: []byte(c.private)}
			answer, err := s.PlanResourceChange(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if (w.calls == 1) != c.whole {
				t.Fatalf("%d calls of the framework", w.calls)
			}
			if c.whole {
				return
			}
			if answer.PlannedState != c.proposed || string(answer.PlannedPrivate) != c.private {
				t.Errorf("the plan changes something: %+v", answer)
			}
			if of, err := answer.PlannedIdentity.IdentityData.Unmarshal(identity); err != nil || !of.IsNull() {
				t.Errorf("without a prior identity the plan has %s: %v", of, err)
			}
		})
	}
}

func TestAPlanKeepsTheIdentity(t *testing.T) {
	s, _ := serve(false)
	state := thing(t, map[string]any{"id": "a", "rule": "keep", "whole": false})
	prior := &tfprotov6.ResourceIdentityData{IdentityData: &tfprotov6.DynamicValue{MsgPack: []byte{0x81, 0xa2, 'i', 'd', 0xa1, 'a'}}}
	answer, err := s.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{TypeName: "thing", PriorState: state, ProposedNewState: state, Config: state, PriorIdentity: prior})
	if err != nil || answer.PlannedIdentity != prior {
		t.Errorf("the identity became %+v: %v", answer, err)
	}
}
