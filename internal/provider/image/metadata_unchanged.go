package image

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/defaults"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/provider/unchanged"
)

// MetadataUnchanged says when nothing about an imageops_image_metadata changes.
// The clients are those of the configured provider, nil before.
func MetadataUnchanged(ctx context.Context, clients func() *plan.Clients) unchanged.Resource {
	r := &metadataResource{}
	var described resource.SchemaResponse
	r.Schema(ctx, resource.SchemaRequest{}, &described)
	var identity resource.IdentitySchemaResponse
	r.IdentitySchema(ctx, resource.IdentitySchemaRequest{}, &identity)
	return unchanged.Resource{
		Type:     objectType(described.Schema.Type().TerraformType(ctx)),
		Identity: objectType(identity.IdentitySchema.Type().TerraformType(ctx)),
		Version:  described.Schema.Version,
		Defaults: defaultsOf(ctx, described.Schema),
		Settled:  func(ctx context.Context, private unchanged.Private) bool { return plan.Settled(ctx, private) },
		Read: func(ctx context.Context, state tftypes.Value, private unchanged.Private) (context.Context, map[string]tftypes.Value) {
			configured := clients()
			if configured == nil {
				return ctx, nil
			}
			s := sightOf(ctx, configured, state, private)
			if !s.nothingNew() {
				return context.WithValue(ctx, sightKey{}, s), nil
			}
			return ctx, map[string]tftypes.Value{attrImageID: tftypes.NewValue(tftypes.String, s.id)}
		},
	}
}

func objectType(t tftypes.Type) tftypes.Object {
	object, _ := t.(tftypes.Object)
	return object
}

// defaultsOf returns the values that the schema gives to what is not configured.
func defaultsOf(ctx context.Context, s schema.Schema) map[string]tftypes.Value {
	values := map[string]tftypes.Value{}
	for name, a := range s.Attributes {
		switch a := a.(type) {
		case schema.StringAttribute:
			if a.Default != nil {
				var resp defaults.StringResponse
				a.Default.DefaultString(ctx, defaults.StringRequest{}, &resp)
				values[name] = tftypes.NewValue(tftypes.String, resp.PlanValue.ValueString())
			}
		case schema.BoolAttribute:
			if a.Default != nil {
				var resp defaults.BoolResponse
				a.Default.DefaultBool(ctx, defaults.BoolRequest{}, &resp)
				values[name] = tftypes.NewValue(tftypes.Bool, resp.PlanValue.ValueBool())
			}
		}
	}
	return values
}
