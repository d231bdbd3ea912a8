package plan

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
)

// TimeoutKind is one member of the timeouts attribute.
type TimeoutKind func(timeouts.Value, context.Context, time.Duration) (time.Duration, diag.Diagnostics)

// The members of the timeouts attribute.
var (
	CreateTimeout TimeoutKind = timeouts.Value.Create
	UpdateTimeout TimeoutKind = timeouts.Value.Update
	DeleteTimeout TimeoutKind = timeouts.Value.Delete
)

// defaultTimeout bounds an operation whose timeout is not configured.
const defaultTimeout = 10 * time.Minute

// AttributeGetter is a plan or a state.
type AttributeGetter interface {
	GetAttribute(ctx context.Context, at path.Path, target any) diag.Diagnostics
}

// WithTimeout bounds an operation by what the timeouts attribute says, else by
// ten minutes. The caller always calls the returned function.
func WithTimeout(ctx context.Context, from AttributeGetter, kind TimeoutKind) (context.Context, context.CancelFunc, diag.Diagnostics) {
	return WithTimeoutOr(ctx, from, kind, defaultTimeout)
}

// WithTimeoutOr is WithTimeout with another time than ten minutes.
func WithTimeoutOr(ctx context.Context, from AttributeGetter, kind TimeoutKind, otherwise time.Duration) (context.Context, context.CancelFunc, diag.Diagnostics) {
	var configured timeouts.Value
	diags := from.GetAttribute(ctx, path.Root(TimeoutsAttribute), &configured)
	if diags.HasError() {
		return ctx, func() {}, diags
	}
	timeout, more := kind(configured, ctx, otherwise)
	diags.Append(more...)
	bounded, cancel := context.WithTimeout(ctx, timeout)
	return bounded, cancel, diags
}
