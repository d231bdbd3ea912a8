package provider_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/provider"
)

func server(t *testing.T) (tfprotov6.ProviderServer, *tfprotov6.GetProviderSchemaResponse) {
	t.Helper()
	for _, name := range []string{"OS_CLOUD", "OS_AUTH_URL"} {
		t.Setenv(name, "")
	}
	s := provider.Server("test")()
	schema, err := s.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil || len(schema.Diagnostics) > 0 {
		t.Fatalf("%v %+v", err, schema.Diagnostics)
	}
	return s, schema
}

// visit calls a function for every attribute of a schema.
func visit(attributes []*tfprotov6.SchemaAttribute, path string, f func(path string, a *tfprotov6.SchemaAttribute)) {
	for _, a := range attributes {
		f(path+"."+a.Name, a)
		if a.NestedType != nil {
			visit(a.NestedType.Attributes, path+"."+a.Name, f)
		}
	}
}

var fullSentence = regexp.MustCompile("^[A-Z`].*[.]$")

func TestEveryDescriptionIsAFullSentence(t *testing.T) {
	_, schema := server(t)
	seen := 0
	check := func(path string, a *tfprotov6.SchemaAttribute) {
		seen++
		if !fullSentence.MatchString(strings.ReplaceAll(a.Description, "\n", " ")) {
			t.Errorf("%s: %q", path, a.Description)
		}
	}
	visit(schema.Provider.Block.Attributes, "provider", check)
	for name, s := range schema.DataSourceSchemas {
		visit(s.Block.Attributes, name, check)
	}
	for name, s := range schema.ResourceSchemas {
		visit(s.Block.Attributes, name, func(path string, a *tfprotov6.SchemaAttribute) {
			check(path, a)
			// Objects speak through their members.
			if (a.Required || a.Optional) && a.NestedType == nil && !regexp.MustCompile(`\b[Cc]hange\b`).MatchString(a.Description) {
				t.Errorf("%s does not say what a change of it does: %q", path, a.Description)
			}
		})
	}
	if seen < 60 {
		t.Errorf("only %d attributes were looked at", seen)
	}
}

func TestCredentialsAreSensitive(t *testing.T) {
	_, schema := server(t)
	visit(schema.Provider.Block.Attributes, "provider", func(path string, a *tfprotov6.SchemaAttribute) {
		secret := regexp.MustCompile(`(password|secret|token|[._]key)$`).MatchString(path)
		if secret != a.Sensitive {
			t.Errorf("%s: sensitive is %t", path, a.Sensitive)
		}
	})
}

// configure configures a provider one section of which has some arguments.
func configure(t *testing.T, name string, arguments map[string]tftypes.Value) []*tfprotov6.Diagnostic {
	t.Helper()
	s, schema := server(t)
	whole, _ := schema.Provider.ValueType().(tftypes.Object)
	section, _ := whole.AttributeTypes[name].(tftypes.Object)
	members := map[string]tftypes.Value{}
	for name, as := range section.AttributeTypes {
		members[name] = tftypes.NewValue(as, nil)
		if value, given := arguments[name]; given {
			members[name] = value
		}
	}
	values := map[string]tftypes.Value{name: tftypes.NewValue(section, members)}
	for name, as := range whole.AttributeTypes {
		if _, set := values[name]; !set {
			values[name] = tftypes.NewValue(as, nil)
		}
	}
	config, err := tfprotov6.NewDynamicValue(whole, tftypes.NewValue(whole, values))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.ConfigureProvider(t.Context(), &tfprotov6.ConfigureProviderRequest{Config: &config})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Diagnostics
}

func TestInsecureIsAWarningWhereverItIsSet(t *testing.T) {
	for section, c := range map[string]struct {
		variable  string
		arguments map[string]string
	}{
		"image_service": {"OS_INSECURE", map[string]string{
			"auth_url": "https://127.0.0.1:1/v3", "username": "u", "password": "p", "user_domain_name": "d", "project_name": "n", "project_domain_name": "d",
		}},
		"horizon": {"HORIZON_INSECURE", map[string]string{"url": "https://127.0.0.1:1", "username": "u", "password": "p", "domain": "d"}},
	} {
		t.Run(section, func(t *testing.T) {
			arguments := map[string]tftypes.Value{}
			for name, value := range c.arguments {
				arguments[name] = tftypes.NewValue(tftypes.String, value)
			}
			if diags := configure(t, section, arguments); len(diags) != 0 {
				t.Errorf("a secure configuration says %+v", diags)
			}
			warned := func(diags []*tfprotov6.Diagnostic) bool {
				return len(diags) == 1 && diags[0].Severity == tfprotov6.DiagnosticSeverityWarning && diags[0].Summary == "Certificates are not checked"
			}
			arguments["insecure"] = tftypes.NewValue(tftypes.Bool, true)
			if diags := configure(t, section, arguments); !warned(diags) {
				t.Errorf("insecure says %+v", diags)
			}
			delete(arguments, "insecure")
			t.Setenv(c.variable, "true")
			if diags := configure(t, section, arguments); !warned(diags) {
				t.Errorf("%s says %+v", c.variable, diags)
			}
		})
	}
}
