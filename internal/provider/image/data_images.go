package image

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

var (
	_ datasource.DataSource              = (*imagesData)(nil)
	_ datasource.DataSourceWithConfigure = (*imagesData)(nil)
)

// imagesData is imageops_images.
type imagesData struct {
	clients *plan.Clients
}

// NewImagesDataSource returns the data source imageops_images.
func NewImagesDataSource() datasource.DataSource { return &imagesData{} }

func (s *imagesData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_images"
}

func (s *imagesData) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	s.clients = dataClients(req, resp)
}

func (s *imagesData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	attributes := map[string]schema.Attribute{
		attrImages: schema.ListNestedAttribute{
			Computed:            true,
			MarkdownDescription: "The images that match all filters, the newest by `created_at` first; of those created in the same second, the one whose ID sorts first. Empty if none matches.",
			NestedObject:        schema.NestedAttributeObject{Attributes: resultAttributes()},
		},
		attrIDs: schema.ListAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "The IDs of `images`, in the same order.",
		},
	}
	maps.Copy(attributes, filterAttributes(nil))
	resp.Schema = schema.Schema{
		MarkdownDescription: "Lists the images that match all filters, the newest first, with everything that the image service says about them. Without a filter these are all images of the project's list.",
		Attributes:          attributes,
	}
}

func (s *imagesData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	v, err := plan.ValuesOf(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.AddError(unableToListImages, err.Error())
		return
	}
	service, diags := s.clients.Images.ClientNow(unableToListImages)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	c, err := criteriaOf(v)
	if err != nil {
		resp.Diagnostics.AddError(unableToListImages, plan.Sentence(err))
		return
	}
	found, _, err := c.search(ctx, service)
	if err != nil {
		resp.Diagnostics.Append(readFailure(unableToListImages, "", err))
		return
	}
	element := resultAttributes()
	like := tftypes.Object{AttributeTypes: make(map[string]tftypes.Type, len(element))}
	for name, a := range element {
		like.AttributeTypes[name] = a.GetType().TerraformType(ctx)
	}
	images, ids := make([]tftypes.Value, len(found)), make([]tftypes.Value, len(found))
	for i, d := range found {
		result := resultOf(d)
		images[i] = tftypes.NewValue(like, map[string]tftypes.Value(result))
		ids[i] = result[attrID]
	}
	v[attrImages] = tftypes.NewValue(tftypes.List{ElementType: like}, images)
	v[attrIDs] = tftypes.NewValue(tftypes.List{ElementType: tftypes.String}, ids)
	resp.State.Raw = v.Object(req.Config.Raw)
}
