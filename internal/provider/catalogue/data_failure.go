package catalogue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// unable is the summary of an error.
func (t *dataTable[E]) unable() string { return "Unable to find " + t.noun }

// failure is the one diagnostic for a search that failed.
func (t *dataTable[E]) failure(ctx context.Context, client *horizon.Client, v plan.Values, err error) diag.Diagnostic {
	var lookup *horizon.LookupError
	counted := errors.As(err, &lookup)
	if counted && lookup.Found == 0 && len(lookup.Candidates) == 0 || isRefused(err) {
		if wrong := t.wrongPlace(ctx, client, v); wrong != nil {
			return wrong
		}
	}
	switch {
	case !counted && statusOf(err) == http.StatusForbidden:
		return diag.NewErrorDiagnostic(t.unable(), plan.Sentence(err)+"\n\nAsk an administrator of Horizon for a role that has this privilege.")
	case !counted:
		return diag.NewErrorDiagnostic(t.unable(), plan.Sentence(err))
	case lookup.Found > 1:
		return t.at(v, "several match", fmt.Sprintf("%d %ss match %s:\n\n%s\n\n%s", lookup.Found, t.noun, t.wanted(v), lines(lookup.Candidates), t.apart))
	case len(lookup.Candidates) == 0:
		return t.at(v, "none matches", fmt.Sprintf("There is no %s with %s, and none at all there that this user may see.", t.noun, t.wanted(v)))
	}
	return t.at(v, "none matches", fmt.Sprintf("There is no %s with %s. There are:\n\n%s", t.noun, t.wanted(v), lines(lookup.Candidates)))
}

// at is an error about the key of a configuration.
func (t *dataTable[E]) at(v plan.Values, what, detail string) diag.Diagnostic {
	summary := t.unable() + ": " + what
	for _, key := range t.keys {
		if isGiven(v, key) {
			return diag.NewAttributeErrorDiagnostic(path.Root(key), summary, detail)
		}
	}
	return diag.NewErrorDiagnostic(summary, detail)
}

// wrongPlace finds out which argument that says where to look names nothing. An
// answer to the search itself does not tell: servers refuse it, or have an empty
// list. Nil if none is known to be wrong.
func (t *dataTable[E]) wrongPlace(ctx context.Context, client *horizon.Client, v plan.Values) diag.Diagnostic {
	for _, a := range t.arguments {
		if a.check == nil || !isGiven(v, a.name) {
			continue
		}
		err := a.check(ctx, client, v)
		var lookup *horizon.LookupError
		if errors.As(err, &lookup) && lookup.Found == 0 {
			detail := fmt.Sprintf("There is no %s with id %q.", lookup.Noun, v.Text(a.name))
			if len(lookup.Candidates) > 0 {
				detail += " There are:\n\n" + lines(lookup.Candidates)
			}
			return diag.NewAttributeErrorDiagnostic(path.Root(a.name), fmt.Sprintf("%s: %s names no %s", t.unable(), a.name, lookup.Noun), detail)
		}
	}
	return nil
}

// isRefused says that a server may mean by its answer that something does not
// exist. No document says which status a lookup in a vCenter that is not known has.
func isRefused(err error) bool {
	status := statusOf(err)
	return status == http.StatusNotFound || status == http.StatusBadRequest
}

func statusOf(err error) int {
	var refusal *transport.APIError
	if !errors.As(err, &refusal) {
		return 0
	}
	return refusal.StatusCode
}

// mostCandidates is how many candidates an error lists.
const mostCandidates = 10

// lines lists candidates one by one. The lines begin with blanks, so that
// Terraform does not wrap them.
func lines(candidates []string) string {
	shown := candidates[:min(len(candidates), mostCandidates)]
	text := "  " + strings.Join(shown, "\n  ")
	if more := len(candidates) - len(shown); more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return text
}
