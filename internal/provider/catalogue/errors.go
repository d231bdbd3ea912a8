package catalogue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// wording is how diagnostics speak of the object.
func (o *object) wording(verb string) plan.Wording {
	return plan.Wording{
		Thing: o.kind.String(), Object: o.text(), Service: "Connection Server", Verb: verb,
		Show: func(_ patch.Pointer, value patch.Value) string { return plan.Show(value) },
		Path: attributePath,
	}
}

// text is the object in a sentence, which has no id before it is made.
func (o *object) text() string {
	if o.ref.ID == "" {
		return "The new " + o.kind.String()
	}
	return plan.UpperFirst(o.kind.String()) + " " + o.ref.ID
}

// failure is the diagnostic for an error of the client.
func (o *object) failure(verb string, err error) diag.Diagnostic {
	detail := o.text() + ": " + plan.Sentence(err)
	var signIn *horizon.SignInError
	if errors.As(err, &signIn) {
		detail = plan.Sentence(err) // It is about no object.
		var refusal *transport.APIError
		if !signIn.Refused && !errors.As(err, &refusal) {
			detail += "\n\n" + brokenAdvice
		}
		return diag.NewErrorDiagnostic(o.wording(verb).Unable(), detail)
	}
	var inUse *horizon.InUseError
	if errors.As(err, &inUse) {
		detail = plan.Sentence(err) // It names the object.
	}
	if advice := o.advice(err); advice != "" {
		detail += "\n\n" + advice
	}
	d := diag.NewErrorDiagnostic(o.wording(verb).Unable(), detail)
	if at, ok := o.blamed(err); ok {
		return diag.WithPath(at, d)
	}
	return d
}

// blamed returns the attribute that an error is about.
func (o *object) blamed(err error) (path.Path, bool) {
	var exists *horizon.ExistsError
	if errors.As(err, &exists) && o.kind.horizon != horizon.Asset {
		return path.Root(attrName), true
	}
	var api *transport.APIError
	if !errors.As(err, &api) || api.StatusCode != http.StatusBadRequest {
		return path.Empty(), false
	}
	for i := range o.kind.fields {
		if f := &o.kind.fields[i]; f.name != attrName && strings.Contains(api.Message, f.name) {
			return path.Root(f.name), true
		}
	}
	return path.Empty(), false
}

// advice says what to do about an error.
func (o *object) advice(err error) string {
	var (
		exists       *horizon.ExistsError
		unidentified *horizon.UnidentifiedError
		inUse        *horizon.InUseError
		status       *horizon.StatusError
		still        *horizon.StillThereError
		partial      *horizon.PartialError
		api          *transport.APIError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "The run was cancelled. Run it again: what is done already is not done twice."
	case errors.Is(err, context.DeadlineExceeded):
		return "The time that the timeouts argument allows was over. Allow more. A resource that was being created is tainted now, and would be replaced by the next apply; " +
			"if the object is what it should be, terraform untaint keeps it."
	case errors.As(err, &exists):
		return o.existsAdvice(exists)
	case errors.As(err, &unidentified) && o.kind.horizon == horizon.Asset:
		return "Look in the image catalogue of Horizon Console. If the asset is there, import it; Horizon may let it be created a second time. If it is not, run it again."
	case errors.As(err, &unidentified):
		return fmt.Sprintf("Look in the image catalogue of Horizon Console. If the %s is there, import it; it is not created a second time under the same name. If it is not, run it again.", o.kind)
	case errors.As(err, &inUse):
		return o.inUseAdvice()
	case errors.As(err, &status):
		return fmt.Sprintf("Look at the %s in Horizon Console. terraform apply -replace=ADDRESS makes a new one; with create_before_destroy, take that out for the run, since the name is taken.", o.kind)
	case errors.As(err, &still):
		return "Run it again. If it stays so, look into the logs of the Connection Server."
	case errors.As(err, &partial):
		return "Horizon names what failed. Run it again when that is mended; nothing is lost."
	case errors.Is(err, horizon.ErrNotFound):
		return "It was deleted in between. Run terraform plan: it is going to be created again."
	case errors.As(err, &api):
		return apiAdvice(api)
	}
	return brokenAdvice
}

// brokenAdvice is for troubles on the way, and for answers that make no sense.
const brokenAdvice = "Run it again; nothing is lost. If it stays so, check url, and the proxy or load balancer if there is one."

func (o *object) existsAdvice(e *horizon.ExistsError) string {
	if e.ID == "" && o.kind.horizon == horizon.Asset {
		return "The version may have an asset for this vCenter, clone type and image type already, of another snapshot. Import that one, or make a new version with a new asset."
	}
	if e.ID == "" {
		return fmt.Sprintf("Choose another name, or import the %s that has it.", o.kind)
	}
	return fmt.Sprintf("If it is the one that this resource has in the state already, tainted or to be replaced with create_before_destroy, run terraform untaint, or take create_before_destroy out for one run. "+
		"Else, to manage it here, import it:\n\n  import {\n    to = imageops_%s.EXAMPLE\n    id = %q\n  }", o.kind.name, e.ID)
}

// inUseAdvice says how to get rid of what holds an object.
func (o *object) inUseAdvice() string {
	disable := fmt.Sprintf(" Or set on_destroy = %q and apply that: destroying then takes the %s out of use for new pools and leaves it to those that have it.", destroyDisable, o.kind)
	switch o.kind.horizon {
	case horizon.Stream:
		return "Desktop pools that follow it, and its versions and tags, hold a stream: give the pools another image, and delete the versions and tags first." + disable
	case horizon.Version:
		return "A tag that is on it, and its assets, hold a version: move the tag, and delete the assets first. " +
			"With lifecycle { create_before_destroy = true } on versions and assets, Terraform moves the tag before it deletes them." + disable
	case horizon.Tag:
		return fmt.Sprintf("Give the desktop pools another image first, or set on_destroy = %q and apply that, so that the tag is left when the resource goes.", destroyKeep)
	}
	return "Give the desktop pools another image first." + disable
}

// apiAdvice says what to do about an answer that says nothing else.
func apiAdvice(api *transport.APIError) string {
	switch status := api.StatusCode; {
	case status < http.StatusBadRequest:
		return "Something between the provider and the Connection Server may answer in its place. " + brokenAdvice
	case status == http.StatusNotFound:
		return "Check url, and that every ID that the configuration names exists."
	case status == http.StatusConflict:
		return "Horizon is at work on it, or somebody else is. Run it again; nothing is lost."
	case status == http.StatusForbidden:
		return "Ask a Horizon administrator for a role with this privilege; the page of the resource lists what it needs."
	case status == http.StatusTooManyRequests:
		return "Horizon limits requests for all clients together. Run it again later; nothing is lost."
	case status == http.StatusBadRequest:
		return "Horizon does not accept this. A value that a newer release has brought, or an ID that does not exist, is refused like this."
	case status >= http.StatusInternalServerError:
		return "The Connection Server, or a load balancer before it, is in trouble. Run it again; nothing is lost."
	}
	return ""
}

// diagnose turns the error of a change into diagnostics, one per attribute where
// it is about attributes.
func (w *write) diagnose(result *change.Result, err error) diag.Diagnostics {
	diags := w.kept(result.Kept)
	var conflict *change.ConflictError
	var lost *change.LostError
	about := w.wording(w.verb)
	switch {
	case errors.As(err, &conflict):
		for _, k := range conflict.Conflicts {
			diags.Append(about.Conflict(k, conflict.AfterWrite))
		}
	case errors.As(err, &lost):
		for _, o := range lost.Lost {
			diags.AddAttributeError(attributePath(o.Path), about.Unable(), about.Lost(&change.LostError{Lost: patch.Patch{o}, Tries: lost.Tries}))
		}
	default:
		diags.Append(w.failure(w.verb, err))
	}
	return diags
}

// kept lists, in one warning, the values that were not taken back.
func (w *write) kept(kept []patch.Conflict) diag.Diagnostics {
	if len(kept) == 0 {
		return nil
	}
	lines := make([]string, len(kept))
	for i, k := range kept {
		lines[i] = fmt.Sprintf("%s is %s, this resource wrote %s", k.Path, plan.Show(k.Found), plan.Show(k.Expected))
	}
	var diags diag.Diagnostics
	diags.AddWarning(plan.UpperFirst(w.object.kind.String())+" was left as it is in part",
		fmt.Sprintf("%s: what somebody else has changed since was not removed:\n%s", w.text(), strings.Join(lines, "\n")))
	return diags
}
