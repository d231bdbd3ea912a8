//go:build !idle

package image

import "github.com/hashicorp/terraform-plugin-framework/resource"

// NewMetadataResource returns the resource imageops_image_metadata.
func NewMetadataResource() resource.Resource { return &metadataResource{} }
