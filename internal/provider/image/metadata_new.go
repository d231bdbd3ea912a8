//go:build !idle

package image

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// NewMetadataResource returns the resource imageops_image_metadata.
func NewMetadataResource() resource.Resource { return &metadataResource{} }

// sightOf looks at the image of a state.
func sightOf(ctx context.Context, clients *plan.Clients, state tftypes.Value, private plan.PrivateReader) *sight {
	return (&metadataResource{clients: clients}).look(ctx, state, private)
}
