package plan

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// Private state is a cache beside the state, which Terraform loses when the
// provider dies in the middle: nothing may depend on a key being there.
const (
	documentKey = "document"
	placeKey    = "place"
	instanceKey = "instance"
	destroyKey  = "destroy"
	reviewKey   = "review"
	adoptedKey  = "adopted"
)

// PrivateReader is the private state of a request.
type PrivateReader interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

// PrivateWriter is the private state of a response.
type PrivateWriter interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

// Place is where an object was looked for: a 404 from another place does not
// mean that the object is gone.
type Place struct {
	Region      string `json:"region,omitempty"`
	ProjectID   string `json:"project_id,omitempty"`
	ProjectName string `json:"project_name,omitempty"`
	// Host is the Connection Server of an object of Horizon, which has no region
	// and no project.
	Host string `json:"host,omitempty"`
}

// Same says whether two places are the same; names are for people only.
func (p Place) Same(q Place) bool {
	return p.Region == q.Region && p.ProjectID == q.ProjectID && p.Host == q.Host
}

// String describes the place in a sentence.
func (p Place) String() string {
	if p.Host != "" {
		return "the Horizon pod at " + p.Host
	}
	name := p.ProjectID
	if p.ProjectName != "" {
		name = fmt.Sprintf("%q (%s)", p.ProjectName, p.ProjectID)
	}
	if p.Region == "" {
		return "project " + name
	}
	return fmt.Sprintf("project %s in region %q", name, p.Region)
}

// Private is what this provider keeps in private state.
type Private struct {
	// Document is the object as it was last seen; nil when it is not known.
	Document patch.Document
	// Place is where it was last found; nil when it is not known.
	Place *Place
	// Instance tells this resource from others on the same object.
	Instance string
	// Review is set when the object was read with an owned value other than the
	// one that the restore record says was written.
	Review bool
	// Adopted are the pointers that an import found and that this resource has not
	// changed since: giving one up leaves it as it is.
	Adopted []patch.Pointer
}

// Load reads private state. What cannot be read counts as missing.
func Load(ctx context.Context, r PrivateReader) Private {
	var p Private
	_ = get(ctx, r, documentKey, &p.Document)
	var place Place
	if get(ctx, r, placeKey, &place) {
		p.Place = &place
	}
	_ = get(ctx, r, instanceKey, &p.Instance)
	_ = get(ctx, r, reviewKey, &p.Review)
	_ = get(ctx, r, adoptedKey, &p.Adopted)
	return p
}

// NeedsReview reads only whether Review is set.
func NeedsReview(ctx context.Context, r PrivateReader) bool {
	var review bool
	return get(ctx, r, reviewKey, &review) && review
}

// Settled says that a plan which changes nothing has nothing to do here: no
// review, and no mark of an earlier plan to take away.
func Settled(ctx context.Context, r PrivateReader) bool {
	raw, _ := r.GetKey(ctx, destroyKey)
	return noMark(raw) && !NeedsReview(ctx, r)
}

// changes are the values that differ from before, by their keys.
func (p Private) changes(before Private) map[string]any {
	changed := map[string]any{}
	if p.Document != nil && (before.Document == nil || !maps.Equal(p.Document, before.Document)) {
		changed[documentKey] = p.Document
	}
	if p.Place != nil && (before.Place == nil || *p.Place != *before.Place) {
		changed[placeKey] = p.Place
	}
	if p.Instance != before.Instance {
		changed[instanceKey] = p.Instance
	}
	if p.Review != before.Review {
		changed[reviewKey] = p.Review
	}
	if !slices.Equal(p.Adopted, before.Adopted) {
		changed[adoptedKey] = p.Adopted
	}
	return changed
}

// Same says that there is nothing to save.
func (p Private) Same(before Private) bool { return len(p.changes(before)) == 0 }

// Save writes what differs from before.
func (p Private) Save(ctx context.Context, w PrivateWriter, before Private) diag.Diagnostics {
	var diags diag.Diagnostics
	for key, value := range p.changes(before) {
		diags.Append(set(ctx, w, key, value)...)
	}
	return diags
}

// LoadKey reads a value of private state that only one family of resources has. False:
// there is none, or it cannot be read.
func LoadKey(ctx context.Context, r PrivateReader, key string, into any) bool {
	return get(ctx, r, key, into)
}

// SaveKey writes such a value.
func SaveKey(ctx context.Context, w PrivateWriter, key string, value any) diag.Diagnostics {
	return set(ctx, w, key, value)
}

// NewInstance returns a random name for a resource instance.
func NewInstance() string { return rand.Text() }

// MarkDestroy notes in the plan of a destruction which configured provider
// planned it.
func (c *Clients) MarkDestroy(ctx context.Context, w PrivateWriter) diag.Diagnostics {
	return set(ctx, w, destroyKey, c.number)
}

// ClearDestroy takes the mark of an earlier plan away.
func ClearDestroy(ctx context.Context, r PrivateReader, w PrivateWriter) diag.Diagnostics {
	if raw, _ := r.GetKey(ctx, destroyKey); noMark(raw) {
		return nil
	}
	return w.SetKey(ctx, destroyKey, []byte("null"))
}

func noMark(raw []byte) bool { return len(raw) == 0 || bytes.Equal(raw, []byte("null")) }

// Destruction is what a call of Delete means.
type Destruction int

const (
	// Planned is a destruction that the user planned as one.
	Planned Destruction = iota
	// Replaced is the first half of a replacement: a create follows.
	Replaced
	// Deposed is the second half of a create_before_destroy replacement.
	Deposed
)

// Destruction tells what a Delete is from the mark: a destroy plan is made by
// another configured provider than its apply, the plan for a deposed object by
// the same one, and the delete half of a replacement has none.
func (c *Clients) Destruction(ctx context.Context, r PrivateReader) Destruction {
	var number string
	if !get(ctx, r, destroyKey, &number) || number == "" {
		return Replaced
	}
	if number == c.number {
		return Deposed
	}
	return Planned
}

func get(ctx context.Context, r PrivateReader, key string, into any) bool {
	raw, diags := r.GetKey(ctx, key)
	if diags.HasError() || len(raw) == 0 {
		return false
	}
	return json.Unmarshal(raw, into) == nil
}

func set(ctx context.Context, w PrivateWriter, key string, value any) diag.Diagnostics {
	raw, err := json.Marshal(value)
	if err != nil {
		var diags diag.Diagnostics
		diags.AddError("Unable to save private state", err.Error())
		return diags
	}
	return w.SetKey(ctx, key, raw)
}
