package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// failure is the diagnostic for an error of the client, without an attribute.
func failure(verb, id string, err error) diag.Diagnostic {
	detail := fmt.Sprintf("Image %s: %s", id, plan.Sentence(err))
	var signIn *imageservice.SignInError
	var expired *imageservice.TokenExpiredError
	if errors.As(err, &signIn) && !errors.As(err, &expired) {
		detail = plan.Sentence(err) // It is about no image.
	}
	if advice := adviceFor(err); advice != "" {
		detail += "\n\n" + advice
	}
	return diag.NewErrorDiagnostic(fmt.Sprintf("Unable to %s image metadata", verb), detail)
}

const ofAnotherProject = "These credentials can see the image, but it belongs to another project. Sign in as a member of the project that owns it."

// adviceFor says what to do about an answer of the image service.
func adviceFor(err error) string {
	var signIn *imageservice.SignInError
	if errors.As(err, &signIn) {
		return "" // It says so itself.
	}
	if errors.Is(err, context.Canceled) {
		return "The run was cancelled. Run it again: what is written already is not written twice."
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "The time that the timeouts argument allows was over. Run it again, or allow more."
	}
	var advised *imageservice.AdvisedError
	var notReady *imageservice.NotReadyError
	var notPrivate *imageservice.NotPrivateError
	if errors.As(err, &advised) || errors.As(err, &notReady) || errors.As(err, &notPrivate) {
		return "" // They say so themselves.
	}
	if errors.Is(err, imageservice.ErrNotFound) {
		return "The image was deleted in between, or cannot be seen with these credentials any more. Run terraform plan to see which."
	}
	var broken *transport.Error
	if errors.As(err, &broken) {
		return "Run it again; nothing is lost. If it stays so, check the endpoint, and the proxy if there is one."
	}
	var api *transport.APIError
	if !errors.As(err, &api) {
		return ""
	}
	switch api.StatusCode {
	case http.StatusOK:
		return "Run it again; nothing is lost. If it stays so, something between the provider and the image service answers in its place: check the endpoint, and the proxy if there is one."
	case http.StatusBadRequest:
		return "The image service does not accept this value. Operators may allow only some values or forms for a property; `openstack image show` on an image that works shows one."
	case http.StatusForbidden:
		if strings.Contains(api.Message, "own this image") {
			return ofAnotherProject
		}
		return "These credentials are not allowed to do this. Ask the operator of the cloud which role it needs, or leave the attribute out."
	case http.StatusRequestEntityTooLarge:
		return "The image has as many properties or tags as the operator of this cloud allows, those of others included. Remove some, or ask for a larger quota."
	case http.StatusConflict:
		return "The image kept changing while this was applied. Run it again."
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return "The image service is busy. Run it again later; nothing is lost."
	}
	if api.StatusCode >= http.StatusInternalServerError && api.RequestID == "" {
		return "The answer has no request ID, so it may come from a proxy or a load balancer. Wait, and run it again; nothing is lost."
	}
	if api.StatusCode >= http.StatusInternalServerError {
		return "The image service failed. Give the request ID to the operator of the cloud, and run it again; nothing is lost."
	}
	return ""
}

// The ways in which Glance names the attribute that it refuses.
var blames = []struct {
	pattern *regexp.Regexp
	pointer func(name string) patch.Pointer
}{
	{regexp.MustCompile(`Attribute '(.+?)' (?:is|can be)`), func(n string) patch.Pointer { return patch.NewPointer(n) }},
	{regexp.MustCompile(`Property (.+?) (?:does not exist|already present|may not be removed)`), func(n string) patch.Pointer { return patch.NewPointer(n) }},
	{regexp.MustCompile(`in schema\['properties'\]\['(.+?)'\]`), func(n string) patch.Pointer { return patch.NewPointer(n) }},
	{regexp.MustCompile(`On instance\['(.+?)'\]`), func(n string) patch.Pointer { return patch.NewPointer(n) }},
	{regexp.MustCompile(`for parameter '(.+?)'`), func(n string) patch.Pointer { return patch.NewPointer(n) }},
	{regexp.MustCompile(`'(min_ram|min_disk)' value out of range`), func(n string) patch.Pointer { return patch.NewPointer(n) }},
	{regexp.MustCompile(`(publicize|communitize)_image`), func(string) patch.Pointer { return "/visibility" }},
	{regexp.MustCompile(`number of allowed image (tags)`), func(string) patch.Pointer { return attribute.Tags }},
}

// blamed returns the pointer that the image service names in a refusal.
func blamed(err error) (patch.Pointer, bool) {
	var api *transport.APIError
	if !errors.As(err, &api) {
		return "", false
	}
	for _, b := range blames {
		if m := b.pattern.FindStringSubmatch(api.Message); m != nil {
			return b.pointer(m[1]), true
		}
	}
	return "", false
}

// failure is the diagnostic for an error of a write, on the attribute that the
// image service names.
func (w *write) failure(found patch.Document, err error) diag.Diagnostic {
	var api *transport.APIError
	owner, known := found["/owner"].AsString()
	if errors.As(err, &api) && api.StatusCode == http.StatusForbidden && known && owner != w.object.place.ProjectID && !w.object.administrator() {
		return diag.NewErrorDiagnostic(fmt.Sprintf("Unable to %s image metadata", w.verb), fmt.Sprintf("Image %s: %s\n\n%s", w.object.id, plan.Sentence(err), ofAnotherProject))
	}
	d := failure(w.verb, w.object.id, err)
	p, ok := blamed(err)
	if !ok {
		return d
	}
	if p == attribute.Tags {
		return diag.WithPath(path.Root(attrTags), d)
	}
	if _, owned := w.step.after.want[p]; owned {
		return diag.WithPath(w.step.path(p), d)
	}
	return d
}

// diagnose turns the error of a change into diagnostics, one per attribute where
// it is about attributes.
func (w *write) diagnose(result *change.Result, err error) diag.Diagnostics {
	var diags diag.Diagnostics
	diags.Append(keptWarning(w.object.id, result.Kept, w.show)...)
	var conflict *change.ConflictError
	var lost *change.LostError
	switch {
	case errors.As(err, &conflict):
		for _, k := range conflict.Conflicts {
			diags.Append(w.wording().Conflict(k, conflict.AfterWrite))
		}
	case errors.As(err, &lost):
		for _, o := range lost.Lost {
			text := w.wording().Lost(&change.LostError{Lost: patch.Patch{o}, Tries: lost.Tries})
			if w.step.owns(o.Path) {
				text += " If nobody does, the service may swallow this name: use another one."
			}
			diags.AddAttributeError(w.step.path(o.Path), w.wording().Unable(), text)
		}
	default:
		diags.Append(w.failure(result.Found, err))
	}
	return diags
}

// wording is how diagnostics speak of the image.
func (w *write) wording() plan.Wording { return wording(w.object.id, w.verb, w.show, w.step.path) }

func wording(id, verb string, show func(patch.Pointer, patch.Value) string, at func(patch.Pointer) path.Path) plan.Wording {
	return plan.Wording{Thing: "image metadata", Object: "Image " + id, Service: "image service", Verb: verb, Show: show, Path: at}
}

// cancelled describes a run that was interrupted after a write.
func (w *write) cancelled(result *change.Result, err error) string {
	what := "The last write may have taken effect; it could not be read again in time."
	if result.Document != nil {
		what = "What took effect of it was read again."
	}
	last := ""
	if !errors.Is(err, context.Canceled) {
		last = " The last answer was: " + plan.Sentence(err)
	}
	return fmt.Sprintf("The run was cancelled while image %s was being written. %s The next plan shows what is missing.%s", w.object.id, what, last)
}

// secrets returns the sensitive texts that an answer of the server may repeat.
func (w *write) secrets(seen patch.Document) []string {
	return append(secretsOf(&w.step.after, w.step.record, seen), secretsOf(&w.step.before, w.step.record, seen)...)
}

// secretsOf returns the values of the sensitive pointers: wanted, found, and
// seen in a document.
func secretsOf(owns *owned, record patch.Patch, seen patch.Document) []string {
	var secrets []string
	add := func(value patch.Value) {
		if s, ok := value.AsString(); ok && s != "" {
			secrets = append(secrets, s)
		}
	}
	for p := range owns.sensitive {
		add(owns.want[p])
		add(seen[p])
		if entry, ok := record.Find(p); ok {
			add(entry.Old)
			add(entry.New)
		}
	}
	return secrets
}
