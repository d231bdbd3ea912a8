// Command providerschema prints the JSON that "terraform providers schema -json"
// would print for this provider, without running Terraform.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/provider"
)

type obj = map[string]any

func main() {
	ctx := context.Background()
	srv := provider.Server("dev")()
	s, err := srv.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	check(err, s.Diagnostics)
	id, err := srv.GetResourceIdentitySchemas(ctx, &tfprotov6.GetResourceIdentitySchemasRequest{})
	check(err, id.Diagnostics)

	p := obj{"provider": schema(s.Provider)}
	put(p, "resource_schemas", s.ResourceSchemas, schema)
	put(p, "data_source_schemas", s.DataSourceSchemas, schema)
	put(p, "ephemeral_resource_schemas", s.EphemeralResourceSchemas, schema)
	put(p, "list_resource_schemas", s.ListResourceSchemas, schema)
	put(p, "action_schemas", s.ActionSchemas, func(a *tfprotov6.ActionSchema) obj {
		return obj{"block": block(a.Schema.Block)}
	})
	put(p, "functions", s.Functions, fn)
	put(p, "resource_identity_schemas", id.IdentitySchemas, identity)
	out := obj{"format_version": "1.0", "provider_schemas": obj{os.Args[1]: p}}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		log.Fatal(err)
	}
}

func check(err error, diags []*tfprotov6.Diagnostic) {
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range diags {
		log.Fatalf("%s: %s", d.Summary, d.Detail)
	}
}

func put[T any](dst obj, key string, in map[string]T, f func(T) obj) {
	if len(in) == 0 {
		return
	}
	m := obj{}
	for k, v := range in {
		m[k] = f(v)
	}
	dst[key] = m
}

func schema(s *tfprotov6.Schema) obj { return obj{"version": s.Version, "block": block(s.Block)} }

func desc(o obj, text string, kind tfprotov6.StringKind) {
	if text == "" {
		return
	}
	o["description"] = text
	o["description_kind"] = "plain"
	if kind == tfprotov6.StringKindMarkdown {
		o["description_kind"] = "markdown"
	}
}

func block(b *tfprotov6.SchemaBlock) obj {
	o := obj{"description_kind": "plain"}
	desc(o, b.Description, b.DescriptionKind)
	if b.Deprecated {
		o["deprecated"] = true
	}
	if len(b.Attributes) > 0 {
		o["attributes"] = attrs(b.Attributes)
	}
	if len(b.BlockTypes) > 0 {
		m := obj{}
		for _, n := range b.BlockTypes {
			e := obj{"block": block(n.Block), "nesting_mode": map[tfprotov6.SchemaNestedBlockNestingMode]string{
				tfprotov6.SchemaNestedBlockNestingModeSingle: "single", tfprotov6.SchemaNestedBlockNestingModeGroup: "group",
				tfprotov6.SchemaNestedBlockNestingModeList: "list", tfprotov6.SchemaNestedBlockNestingModeSet: "set",
				tfprotov6.SchemaNestedBlockNestingModeMap: "map"}[n.Nesting]}
			if n.MinItems > 0 {
				e["min_items"] = n.MinItems
			}
			if n.MaxItems > 0 {
				e["max_items"] = n.MaxItems
			}
			m[n.TypeName] = e
		}
		o["block_types"] = m
	}
	return o
}

func attrs(in []*tfprotov6.SchemaAttribute) obj {
	m := obj{}
	for _, a := range in {
		o := obj{}
		desc(o, a.Description, a.DescriptionKind)
		if _, ok := o["description_kind"]; !ok {
			o["description_kind"] = "plain"
		}
		for k, v := range map[string]bool{"required": a.Required, "optional": a.Optional, "computed": a.Computed,
			"sensitive": a.Sensitive, "deprecated": a.Deprecated, "write_only": a.WriteOnly} {
			if v {
				o[k] = true
			}
		}
		if a.NestedType != nil {
			o["nested_type"] = obj{"attributes": attrs(a.NestedType.Attributes),
				"nesting_mode": map[tfprotov6.SchemaObjectNestingMode]string{
					tfprotov6.SchemaObjectNestingModeSingle: "single", tfprotov6.SchemaObjectNestingModeList: "list",
					tfprotov6.SchemaObjectNestingModeSet: "set", tfprotov6.SchemaObjectNestingModeMap: "map"}[a.NestedType.Nesting]}
		} else {
			o["type"] = typ(a.Type)
		}
		m[a.Name] = o
	}
	return m
}

func typ(t tftypes.Type) json.RawMessage {
	b, err := t.MarshalJSON() //nolint:staticcheck // the wire form is the JSON form
	if err != nil {
		log.Fatal(err)
	}
	return b
}

func fn(f *tfprotov6.Function) obj {
	o := obj{"return_type": typ(f.Return.Type)}
	if f.Description != "" {
		o["description"] = f.Description
	}
	if f.Summary != "" {
		o["summary"] = f.Summary
	}
	if f.DeprecationMessage != "" {
		o["deprecation_message"] = f.DeprecationMessage
	}
	param := func(p *tfprotov6.FunctionParameter) obj {
		e := obj{"name": p.Name, "type": typ(p.Type)}
		if p.Description != "" {
			e["description"] = p.Description
		}
		if p.AllowNullValue {
			e["is_nullable"] = true
		}
		return e
	}
	var ps []obj
	for _, p := range f.Parameters {
		ps = append(ps, param(p))
	}
	if ps != nil {
		o["parameters"] = ps
	}
	if f.VariadicParameter != nil {
		o["variadic_parameter"] = param(f.VariadicParameter)
	}
	return o
}

func identity(s *tfprotov6.ResourceIdentitySchema) obj {
	m := obj{}
	for _, a := range s.IdentityAttributes {
		e := obj{"type": typ(a.Type)}
		if a.Description != "" {
			e["description"] = a.Description
		}
		if a.RequiredForImport {
			e["required_for_import"] = true
		}
		if a.OptionalForImport {
			e["optional_for_import"] = true
		}
		m[a.Name] = e
	}
	return obj{"version": s.Version, "attributes": m}
}
