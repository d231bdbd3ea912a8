package compact

import (
	"bytes"
	"context"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// framework is all that the framework's server can do.
type framework interface {
	tfprotov6.ProviderServer
	tfprotov6.ListResourceServer
	tfprotov6.ActionServer
	tfprotov6.StateStoreServer
}

var _ framework = (*server)(nil)

type server struct{ framework }

// Server returns a server that speaks with Terraform of packed private state, and with
// the inner one as the framework does. A private state that cannot be unpacked counts
// as lost, which no resource minds: it is a cache beside the state.
func Server(inner tfprotov6.ProviderServer) tfprotov6.ProviderServer {
	whole, ok := inner.(framework)
	if !ok {
		return inner
	}
	return &server{whole}
}

// opened is a private state that came from Terraform.
type opened struct{ packed, plain []byte }

func open(private []byte) opened {
	plain, err := Unpack(private)
	if err != nil {
		plain = nil
	}
	return opened{private, plain}
}

// seal packs an answer; what has not changed is what came.
func (o opened) seal(private []byte) []byte {
	if len(private) > 0 && bytes.Equal(private, o.plain) {
		return o.packed
	}
	return Pack(private)
}

func (s *server) ReadResource(ctx context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	private, inner := open(req.Private), *req
	inner.Private = private.plain
	resp, err := s.framework.ReadResource(ctx, &inner)
	if resp != nil {
		resp.Private = private.seal(resp.Private)
	}
	return resp, err
}

func (s *server) PlanResourceChange(ctx context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	private, inner := open(req.PriorPrivate), *req
	inner.PriorPrivate = private.plain
	resp, err := s.framework.PlanResourceChange(ctx, &inner)
	if resp != nil {
		resp.PlannedPrivate = private.seal(resp.PlannedPrivate)
	}
	return resp, err
}

func (s *server) ApplyResourceChange(ctx context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	private, inner := open(req.PlannedPrivate), *req
	inner.PlannedPrivate = private.plain
	resp, err := s.framework.ApplyResourceChange(ctx, &inner)
	if resp != nil {
		resp.Private = private.seal(resp.Private)
	}
	return resp, err
}

func (s *server) ImportResourceState(ctx context.Context, req *tfprotov6.ImportResourceStateRequest) (*tfprotov6.ImportResourceStateResponse, error) {
	resp, err := s.framework.ImportResourceState(ctx, req)
	if resp != nil {
		for _, imported := range resp.ImportedResources {
			imported.Private = Pack(imported.Private)
		}
	}
	return resp, err
}

// MoveResourceState may be about a resource of another provider, whose private state
// is not ours to read.
func (s *server) MoveResourceState(ctx context.Context, req *tfprotov6.MoveResourceStateRequest) (*tfprotov6.MoveResourceStateResponse, error) {
	private, inner := open(req.SourcePrivate), *req
	inner.SourcePrivate = private.plain
	resp, err := s.framework.MoveResourceState(ctx, &inner)
	if resp != nil {
		resp.TargetPrivate = private.seal(resp.TargetPrivate)
	}
	return resp, err
}
