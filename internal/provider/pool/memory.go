package pool

import (
	"context"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// The keys of private state. It is a cache beside the state, which Terraform loses
// when the provider dies in the middle: without it, the pool is read anew, and what
// is under way there is adopted.
const (
	memoryKey    = "pool"
	destroyCalls = "destroy_calls"
)

// memory is what is kept beside a state about the pool.
type memory struct {
	Place *plan.Place `json:"place,omitempty"`
	// Instance tells this resource from others on the same pool.
	Instance string `json:"instance,omitempty"`
	PoolID   string `json:"pool_id,omitempty"`
	// Pool is the pool as it was last seen, Resolved what the tag ResolvedTag stood for then.
	Pool        *horizon.Pool     `json:"pool,omitempty"`
	Resolved    *horizon.Resolved `json:"resolved,omitempty"`
	ResolvedTag string            `json:"resolved_tag,omitempty"`
	// LastWanted is what was wanted when an apply last ended in success.
	LastWanted *horizon.Target    `json:"last_wanted,omitempty"`
	Claim      *horizon.Claim     `json:"claim,omitempty"`
	Sent       []horizon.SentCall `json:"sent,omitempty"`
	// Counted says that previous_image knows of the claim.
	Counted bool `json:"counted,omitempty"`
	// Unsettled says that the last apply ended before what it waited for had come.
	Unsettled bool `json:"unsettled,omitempty"`
	// Versioned says that im_version_id was configured at the last apply.
	Versioned bool `json:"versioned,omitempty"`
	// Unfinished says that a push may still be on its way to machines, Halted the one that
	// machines have failed in. Retried are the machines that it was resumed with last.
	Unfinished bool                `json:"unfinished,omitempty"`
	Halted     *horizon.HaltedTask `json:"halted,omitempty"`
	Retried    []string            `json:"retried,omitempty"`
}

// loadMemory reads private state. A memory of another pool is none.
func loadMemory(ctx context.Context, r plan.PrivateReader, poolID string) *memory {
	m := &memory{}
	if !plan.LoadKey(ctx, r, memoryKey, m) {
		m = &memory{}
	}
	if m.PoolID != "" && !strings.EqualFold(m.PoolID, poolID) {
		m = &memory{Instance: m.Instance}
	}
	m.PoolID = poolID
	if m.Instance == "" {
		m.Instance = plan.NewInstance()
	}
	return m
}

func (m *memory) save(ctx context.Context, w plan.PrivateWriter) diag.Diagnostics {
	return plan.SaveKey(ctx, w, memoryKey, m)
}

// resolved is what the configured tag stood for when it was last looked up; nil where that was
// another one.
func (m *memory) resolved(in *inputs) *horizon.Resolved {
	if !strings.EqualFold(m.ResolvedTag, in.IMTagID.ValueString()) {
		return nil
	}
	return m.Resolved
}

// input adds what is remembered to a decision.
func (m *memory) input(in horizon.DecisionInput) horizon.DecisionInput {
	in.LastWanted, in.Claim, in.Sent, in.Halted, in.Retried = m.LastWanted, m.Claim, slices.Clone(m.Sent), m.Halted, m.Retried
	return in
}

// learn takes what a rollout has come to.
func (m *memory) learn(o *horizon.Outcome) {
	if o.Pool != nil {
		m.Pool = o.Pool
		m.Pool.ServerTime = o.Now
	}
	m.Counted = m.Counted && !o.Claimed
	m.Claim, m.Sent = o.Claim, o.Sent
	// Also a push that was only adopted may be on its way to machines.
	m.Unfinished = true
	if o.Resumed && m.Halted != nil {
		m.Retried = m.Halted.Failed
	}
	if n := o.Machines; n != nil && n.OnImage >= n.Reachable() {
		m.Unfinished, m.Halted = false, nil
	}
}
