// Package unchanged answers Terraform's calls about a resource in which nothing
// changes from the bytes of the request. Most resources of most plans are such
// ones, and the framework needs milliseconds for each to convert state,
// configuration and plan, walk the schema a dozen times, and find that out. What
// is not certain to change nothing goes to the framework as it came.
package unchanged

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/vmihailenco/msgpack/v5"
)

// Resource says what there is to know about a type of resource.
type Resource struct {
	// Type and Identity are the types of its state and of its identity.
	Type, Identity tftypes.Object
	// Version is the version of its schema.
	Version int64
	// Defaults are the values of attributes that Terraform plans as they are in
	// state when the configuration has none, though they have a default.
	Defaults map[string]tftypes.Value
	// Read looks at the object of a state. It returns the identity when neither
	// the state, nor the private state, nor anything to tell the user changes. Else
	// it returns nil, and the context for a Read by the framework, which need not
	// look once more.
	Read func(ctx context.Context, state tftypes.Value, private Private) (context.Context, map[string]tftypes.Value)
	// Settled says that a plan which changes nothing needs no look by the resource.
	Settled func(ctx context.Context, private Private) bool
}

// Private is the provider's part of a private state, as the framework keeps it.
type Private map[string][]byte

// GetKey returns a value, nil when there is none.
func (p Private) GetKey(_ context.Context, key string) ([]byte, diag.Diagnostics) {
	return p[key], nil
}

// readPrivate reads a private state. The framework's own marks in it, such as
// that of an import, have meanings of their own: then ok is false.
func readPrivate(raw []byte) (p Private, ok bool) {
	if len(raw) == 0 {
		return nil, true
	}
	if json.Unmarshal(raw, &p) != nil {
		return nil, false
	}
	for key := range p {
		if strings.HasPrefix(key, ".") {
			return nil, false
		}
	}
	return p, true
}

// framework is all that the framework's server can do.
type framework interface {
	tfprotov6.ProviderServer
	tfprotov6.ListResourceServer
	tfprotov6.ActionServer
	tfprotov6.StateStoreServer
}

var _ tfprotov6.ProviderServer = (*server)(nil)

type server struct {
	framework
	resources map[string]*resource
}

// resource is a Resource with what is made of it once.
type resource struct {
	Resource
	defaults map[string][]byte // on the wire
	members  members
	nobody   *tfprotov6.ResourceIdentityData // the identity that is null
}

// Server returns a server that answers for the resources, by their types, where
// nothing changes, and leaves the rest to the framework's.
func Server(inner tfprotov6.ProviderServer, resources map[string]Resource) tfprotov6.ProviderServer {
	whole, ok := inner.(framework)
	if !ok {
		return inner
	}
	s := &server{framework: whole, resources: map[string]*resource{}}
	for name, r := range resources {
		prepared, err := prepare(r)
		if err != nil {
			return inner
		}
		s.resources[name] = prepared
	}
	return s
}

func prepare(r Resource) (*resource, error) {
	prepared := &resource{Resource: r, defaults: map[string][]byte{}, members: membersOf(r.Type)}
	for name, value := range r.Defaults {
		encoded, err := tfprotov6.NewDynamicValue(value.Type(), value)
		if err != nil {
			return nil, err
		}
		prepared.defaults[name] = encoded.MsgPack
	}
	null, err := tfprotov6.NewDynamicValue(r.Identity, tftypes.NewValue(r.Identity, nil))
	if err != nil {
		return nil, err
	}
	prepared.nobody = &tfprotov6.ResourceIdentityData{IdentityData: &null}
	return prepared, nil
}

// UpgradeResourceState hands a state of the current version on as it is stored:
// Terraform reads JSON as well as MessagePack. A state with other members than
// the schema's is one of another release.
func (s *server) UpgradeResourceState(ctx context.Context, req *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	r := s.resources[req.TypeName]
	if r == nil || req.Version != r.Version || req.RawState == nil || !r.members.match(req.RawState.JSON) {
		return s.framework.UpgradeResourceState(ctx, req)
	}
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &tfprotov6.DynamicValue{JSON: req.RawState.JSON}}, nil
}

// ReadResource answers when a look at the object shows nothing new.
func (s *server) ReadResource(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	r := s.resources[req.TypeName]
	if r == nil || req.CurrentState == nil {
		return s.framework.ReadResource(ctx, req)
	}
	private, ok := readPrivate(req.Private)
	state, err := req.CurrentState.Unmarshal(r.Type)
	if !ok || err != nil || state.IsNull() {
		return s.framework.ReadResource(ctx, req)
	}
	ctx, identity := r.Read(ctx, state, private)
	if identity == nil {
		return s.framework.ReadResource(ctx, req)
	}
	encoded, err := tfprotov6.NewDynamicValue(r.Identity, tftypes.NewValue(r.Identity, identity))
	if err != nil {
		return s.framework.ReadResource(ctx, req)
	}
	return &tfprotov6.ReadResourceResponse{
		NewState: req.CurrentState, Private: req.Private,
		NewIdentity: &tfprotov6.ResourceIdentityData{IdentityData: &encoded},
	}, nil
}

// PlanResourceChange answers when the proposed state is the prior one, byte by
// byte, and no default changes that.
func (s *server) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	r := s.resources[req.TypeName]
	if r == nil || !r.proposesNothing(req) {
		return s.framework.PlanResourceChange(ctx, req)
	}
	private, ok := readPrivate(req.PriorPrivate)
	if !ok || !r.Settled(ctx, private) {
		return s.framework.PlanResourceChange(ctx, req)
	}
	identity := req.PriorIdentity
	if identity == nil {
		identity = r.nobody
	}
	return &tfprotov6.PlanResourceChangeResponse{PlannedState: req.ProposedNewState, PlannedPrivate: req.PriorPrivate, PlannedIdentity: identity}, nil
}

// proposesNothing says whether a plan is to change nothing.
func (r *resource) proposesNothing(req *tfprotov6.PlanResourceChangeRequest) bool {
	prior, proposed, config := req.PriorState, req.ProposedNewState, req.Config
	if prior == nil || proposed == nil || config == nil || len(prior.MsgPack) == 0 || !bytes.Equal(prior.MsgPack, proposed.MsgPack) {
		return false
	}
	configured, ok := r.pick(config.MsgPack)
	if !ok {
		return false
	}
	stored, ok := r.pick(prior.MsgPack)
	if !ok {
		return false
	}
	for name, value := range r.defaults {
		if isNull(configured[name]) && !bytes.Equal(stored[name], value) {
			return false
		}
	}
	return true
}

// null is MessagePack's nil.
const null = 0xc0

func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == null }

// pick returns the members of an object that have defaults; false for what is no
// object.
func (r *resource) pick(raw []byte) (map[string][]byte, bool) {
	if isNull(raw) {
		return nil, false
	}
	in := bytes.NewReader(raw)
	decoder := msgpack.NewDecoder(in)
	n, err := decoder.DecodeMapLen()
	if err != nil || n < 0 {
		return nil, false
	}
	picked := make(map[string][]byte, len(r.defaults))
	for range n {
		name, err := decoder.DecodeString()
		if err != nil {
			return nil, false
		}
		from := len(raw) - in.Len()
		if err := decoder.Skip(); err != nil {
			return nil, false
		}
		if _, wanted := r.defaults[name]; wanted {
			picked[name] = raw[from : len(raw)-in.Len()]
		}
	}
	return picked, true
}

// members are the names of an object's members, each with those of its own.
type members map[string]members

func membersOf(t tftypes.Type) members {
	object, ok := t.(tftypes.Object)
	if !ok {
		return nil
	}
	m := make(members, len(object.AttributeTypes))
	for name, member := range object.AttributeTypes {
		m[name] = membersOf(member)
	}
	return m
}

// match says whether a JSON text is an object with exactly these members.
func (m members) match(text []byte) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal(text, &object) != nil || len(object) != len(m) {
		return false
	}
	for name, inner := range m {
		raw, there := object[name]
		if !there {
			return false
		}
		if inner != nil && !bytes.Equal(raw, []byte("null")) && !inner.match(raw) {
			return false
		}
	}
	return true
}
