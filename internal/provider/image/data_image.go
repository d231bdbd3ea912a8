package image

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

var (
	_ datasource.DataSource                   = (*imageData)(nil)
	_ datasource.DataSourceWithConfigure      = (*imageData)(nil)
	_ datasource.DataSourceWithValidateConfig = (*imageData)(nil)
)

// imageData is imageops_image.
type imageData struct {
	clients *plan.Clients
}

// NewImageDataSource returns the data source imageops_image.
func NewImageDataSource() datasource.DataSource { return &imageData{} }

func (s *imageData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_image"
}

func (s *imageData) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	s.clients = dataClients(req, resp)
}

func (s *imageData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	attributes := resultAttributes()
	maps.Copy(attributes, filterAttributes(searchedFor))
	attributes[attrID] = schema.StringAttribute{
		Optional: true, Computed: true, Validators: []validator.String{uuidValidator{}},
		MarkdownDescription: "ID (UUID) of the image. Given alone, without any filter, it is the image that is read, whatever its visibility. As a result, the ID of the image that was found.",
	}
	attributes[attrMostRecent] = schema.BoolAttribute{
		Optional: true,
		MarkdownDescription: "Whether to take the newest by `created_at` if several images match; of those created in the same second, the one whose ID sorts first. " +
			"Default `false`: several matches are an error that lists them.",
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Finds one image, by its ID or by filters, and returns everything that the image service says about it. None or several matches are an error.",
		Attributes:          attributes,
	}
}

// ValidateConfig checks that the image is chosen in one way.
func (s *imageData) ValidateConfig(_ context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	v, err := plan.ValuesOf(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to validate image", err.Error())
		return
	}
	if given(v, attrID) != nil {
		for _, name := range append(filterNames[:len(filterNames):len(filterNames)], attrMostRecent) {
			if v[name].IsKnown() && !v[name].IsNull() {
				resp.Diagnostics.AddAttributeError(path.Root(name), "Image chosen twice",
					fmt.Sprintf("id names one image already, so %s has nothing to choose from. Keep id alone, or leave it out and keep the filters.", name))
			}
		}
		return
	}
	if v[attrID].IsKnown() && !filters(v) {
		resp.Diagnostics.AddError("No image chosen",
			"This data source says nothing about the image that it is to find. Give id, or at least one filter: "+strings.Join(filterNames, ", ")+".")
	}
}

// filters says whether any filter is given, or may be when all is known.
func filters(v values) bool {
	for _, name := range filterNames {
		switch value := v[name]; {
		case !value.IsKnown():
			return true
		case value.IsNull():
		case name == attrTags && emptySet(value), name == attrProperties && len(keysOf(value)) == 0:
		default:
			return true
		}
	}
	return false
}

func (s *imageData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	v, err := plan.ValuesOf(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.AddError(unableToReadImage, err.Error())
		return
	}
	service, diags := s.clients.Images.ClientNow(unableToReadImage)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	var d patch.Document
	if id := given(v, attrID); id != nil {
		d, diags = readImage(ctx, service, *id)
	} else {
		d, diags = findImage(ctx, service, v)
	}
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	result := resultOf(d)
	for _, name := range []string{attrNameRegex, attrMemberStatus, attrMostRecent} {
		result[name] = v[name]
	}
	resp.State.Raw = result.Object(req.Config.Raw)
}

// readImage reads the image of an id.
func readImage(ctx context.Context, service *imageservice.Client, id string) (patch.Document, diag.Diagnostics) {
	done := service.Work()
	defer done()
	image, err := service.Image(ctx, id)
	if err == nil {
		return image.Document(), nil
	}
	if !errors.Is(err, imageservice.ErrNotFound) {
		return nil, diag.Diagnostics{readFailure(unableToReadImage, "Image "+id+": ", err)}
	}
	where := "these credentials"
	if at, err := service.Place(ctx); err == nil {
		where = plan.Place{Region: at.Region, ProjectID: at.ProjectID, ProjectName: at.ProjectName}.String()
	}
	return nil, diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root(attrID), unableToReadImage+": image not found",
		fmt.Sprintf("There is no image %s to be seen from %s: it was deleted, or it is private to another project or lives in another region. "+
			"Check the ID, and that the provider signs in where the image is.\n\n%s", id, where, plan.Sentence(err)))}
}

// findImage finds the one image that matches the filters.
func findImage(ctx context.Context, service *imageservice.Client, v values) (patch.Document, diag.Diagnostics) {
	c, err := criteriaOf(v)
	if err != nil {
		return nil, diag.Diagnostics{diag.NewErrorDiagnostic(unableToFindImage, plan.Sentence(err))}
	}
	found, place, err := c.search(ctx, service)
	if err != nil {
		return nil, diag.Diagnostics{readFailure(unableToFindImage, "", err)}
	}
	var mostRecent bool
	if choice := v[attrMostRecent]; !choice.IsNull() {
		if err := choice.As(&mostRecent); err != nil {
			return nil, diag.Diagnostics{diag.NewErrorDiagnostic(unableToFindImage, plan.Sentence(err))}
		}
	}
	switch {
	case len(found) == 0:
		return nil, diag.Diagnostics{diag.NewErrorDiagnostic(unableToFindImage+": none matches",
			fmt.Sprintf("No image%s is listed for %s.\n\n%s", c, place, c.searched()))}
	case len(found) > 1 && !mostRecent:
		return nil, diag.Diagnostics{diag.NewErrorDiagnostic(unableToFindImage+": several match",
			fmt.Sprintf("%d images%s are listed for %s, the newest first:\n\n%s\n\n"+
				"Add a filter that tells them apart, give the id of one, or set most_recent = true to take the newest.",
				len(found), c, place, candidates(found)))}
	}
	return found[0], nil
}

// mostCandidates is how many candidates an error lists.
const mostCandidates = 10

// candidates lists images so that a person can tell them apart. The lines begin
// with blanks, so that Terraform does not wrap them.
func candidates(images []patch.Document) string {
	lines := make([]string, 0, mostCandidates+1)
	for i, d := range images {
		if i == mostCandidates {
			lines = append(lines, fmt.Sprintf("  and %d more", len(images)-mostCandidates))
			break
		}
		name := "without a name"
		if s, ok := fieldOf(d, "name"); ok {
			name = fmt.Sprintf("%q", s)
		}
		text := func(key string) string {
			if s, ok := fieldOf(d, key); ok {
				return s
			}
			return "unknown"
		}
		lines = append(lines, fmt.Sprintf("  %s  %s, %s, %s, owner %s, created %s",
			text("id"), name, text("status"), text("visibility"), text("owner"), text("created_at")))
	}
	return strings.Join(lines, "\n")
}
