package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// The summaries of the errors of the data sources.
const (
	unableToReadImage  = "Unable to read image"
	unableToFindImage  = "Unable to find image"
	unableToListImages = "Unable to list images"
)

// dataClients takes what the provider gives to a data source.
func dataClients(req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) *plan.Clients {
	if req.ProviderData == nil {
		return nil
	}
	clients, ok := req.ProviderData.(*plan.Clients)
	if !ok {
		resp.Diagnostics.AddError("Unable to configure image data source",
			fmt.Sprintf("The provider gave %T. This is a defect of the provider; please report it.", req.ProviderData))
	}
	return clients
}

// searchedFor are the filters that are results of the same name as well, with
// what they say as such.
var searchedFor = map[string]string{
	attrName:       " As a result, the name of the image, null if it has none.",
	attrTags:       " As a result, all tags of the image.",
	attrProperties: " As a result, every key of the image that is no member of Glance's own, by its exact name on the wire; a value that is no string is its JSON text, and JSON null is null.",
	attrVisibility: " As a result, the visibility of the image.",
	attrStatus:     " As a result, the status of the image.",
	attrOwner:      " As a result, the owner of the image.",
	attrHidden:     " As a result, whether the image is hidden (`os_hidden`).",
}

// filterAttributes is the schema of the filters. Those that results names are
// results as well.
func filterAttributes(results map[string]string) map[string]schema.Attribute {
	text := func(name, description string, validators ...validator.String) schema.StringAttribute {
		also, computed := results[name]
		return schema.StringAttribute{Optional: true, Computed: computed, MarkdownDescription: description + also, Validators: validators}
	}
	_, computed := results[attrTags]
	return map[string]schema.Attribute{
		attrName:      text(attrName, "Filter: the name of the image, to the letter and with regard to case. Default: any."),
		attrNameRegex: text(attrNameRegex, "Filter: a regular expression (RE2 syntax) that matches the name, or a part of it unless `^` and `$` say otherwise. Images without a name never match. Default: any.", regexValidator{}),
		attrTags: schema.SetAttribute{
			Optional: true, Computed: computed, ElementType: types.StringType,
			MarkdownDescription: "Filter: tags that must all be on the image. Default: any." + results[attrTags],
			Validators:          []validator.Set{tagFilterValidator{}},
		},
		attrProperties: schema.MapAttribute{
			Optional: true, Computed: computed, ElementType: types.StringType,
			MarkdownDescription: "Filter: properties that must all be on the image with exactly these values, by their exact names on the wire. Default: any." + results[attrProperties],
			Validators:          []validator.Map{propertyFilterValidator{}},
		},
		attrVisibility: text(attrVisibility, "Filter: `public`, `private`, `shared`, `community` or `all`. Default: what belongs to the project, what is public, and what is shared with the project and accepted. "+
			"`community` and `all` also find images that any project of the cloud offers to everybody, under names of its choice.",
			stringvalidator.OneOf("public", "private", "shared", "community", visibilityAll)),
		attrMemberStatus: text(attrMemberStatus, "Filter: of the images that other projects share with this one, those that it has `accepted` (default), has `rejected`, has not decided about (`pending`), or `all`. "+
			"Any project can share an image of any name, so do not trust pending ones.",
			stringvalidator.OneOf(memberStatusAccepted, "pending", "rejected", memberStatusAll)),
		attrStatus: text(attrStatus, "Filter: the status of the image, such as `active`. Default: any."),
		attrOwner:  text(attrOwner, "Filter: the ID of the project that owns the image. Default: any."),
		attrHidden: schema.BoolAttribute{
			Optional: true, Computed: computed,
			MarkdownDescription: "Filter: `true` finds only images that are hidden from listings (`os_hidden`), `false` only others. Default `false`." + results[attrHidden],
		},
	}
}

// regexValidator accepts a regular expression.
type regexValidator struct{}

func (regexValidator) Description(context.Context) string {
	return "must be a regular expression (RE2)"
}
func (v regexValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (regexValidator) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if _, err := regexp.Compile(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid regular expression",
			fmt.Sprintf("%q does not compile: %s The syntax is RE2, which has no look-around and no back-references.", req.ConfigValue.ValueString(), plan.Sentence(err)))
	}
}

// tagFilterValidator refuses tags that say nothing.
type tagFilterValidator struct{}

func (tagFilterValidator) Description(context.Context) string { return "no tag may be null" }
func (v tagFilterValidator) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (tagFilterValidator) ValidateSet(_ context.Context, req validator.SetRequest, resp *validator.SetResponse) {
	for _, element := range req.ConfigValue.Elements() {
		if element.IsNull() {
			resp.Diagnostics.AddAttributeError(req.Path, "Invalid tag", "A tag cannot be null. Leave the element out.")
		}
	}
}

// propertyFilterValidator accepts names that are properties to the data sources.
type propertyFilterValidator struct{}

func (propertyFilterValidator) Description(context.Context) string {
	return "each key must be the name of a property, and no value may be null"
}
func (v propertyFilterValidator) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (propertyFilterValidator) ValidateMap(_ context.Context, req validator.MapRequest, resp *validator.MapResponse) {
	for key, element := range req.ConfigValue.Elements() {
		at := req.Path.AtMapKey(key)
		if memberNames[key] != "" {
			resp.Diagnostics.AddAttributeError(at, "Invalid property name", notProperty(key))
			continue
		}
		if element.IsNull() {
			resp.Diagnostics.AddAttributeError(at, "Invalid property value", fmt.Sprintf("The value of %q cannot be null. Leave the key out.", key))
		}
	}
}

// notProperty says where a member is that is no property.
func notProperty(key string) string {
	name := memberNames[key]
	for _, filter := range append(filterNames[:len(filterNames):len(filterNames)], attrID) {
		if filter == name {
			return fmt.Sprintf("%q is no property but has an argument of its own: write %s = ... beside properties.", key, name)
		}
	}
	return fmt.Sprintf("%q is no property but an attribute of the image, which there is no filter for. List the images with imageops_images and choose by it: "+
		"[for i in data.imageops_images.all.images : i if i.%s == ...].", key, name)
}

func emptySet(set tftypes.Value) bool {
	var members []tftypes.Value
	return set.As(&members) == nil && len(members) == 0
}

// readFailure is the diagnostic for an error of a read.
func readFailure(summary, about string, err error) diag.Diagnostic {
	detail := about + plan.Sentence(err)
	var signIn *imageservice.SignInError
	if errors.As(err, &signIn) {
		detail = plan.Sentence(err) // It is about no image.
	}
	if advice := readAdvice(err); advice != "" {
		detail += "\n\n" + advice
	}
	return diag.NewErrorDiagnostic(summary, detail)
}

// readAdvice says what to do about an answer to a read.
func readAdvice(err error) string {
	var api *transport.APIError
	switch {
	case errors.Is(err, context.Canceled):
		return "The run was cancelled. Run it again."
	case errors.Is(err, context.DeadlineExceeded):
		return "The image service did not answer in time. Run it again; request_timeout allows more."
	case errors.As(err, &api) && api.StatusCode == http.StatusBadRequest:
		return "The image service refuses this request. If an image was deleted meanwhile, run it again; else leave out the filter that it names."
	case errors.As(err, &api) && api.StatusCode == http.StatusForbidden:
		return "These credentials are not allowed to read images. Ask the operator of the cloud which role it needs."
	}
	return adviceFor(err)
}
