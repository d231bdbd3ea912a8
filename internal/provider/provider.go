// Package provider is the imageops provider: its schema, its configuration, and
// the list of everything that it offers.
package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/provider/image"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/provider/unchanged"
)

// Address is where the provider is published.
const Address = "registry.terraform.io/imageops/imageops"

const (
	defaultRequestTimeout = 60 * time.Second
	defaultMaxRetries     = 4
	defaultVerifyAfter    = 400 * time.Millisecond
)

var _ provider.Provider = (*imageops)(nil)

// imageops keeps nothing but what was configured, which goes to the resources.
type imageops struct {
	version string
	clients atomic.Pointer[plan.Clients]
}

// New returns the constructor of the provider.
func New(version string) func() provider.Provider {
	return func() provider.Provider { return &imageops{version: version} }
}

// Server returns the constructor of the server of Terraform's protocol, version 6.
func Server(version string) func() tfprotov6.ProviderServer {
	return func() tfprotov6.ProviderServer {
		p := &imageops{version: version}
		return unchanged.Server(providerserver.NewProtocol6(p)(), map[string]unchanged.Resource{
			"imageops_image_metadata": image.MetadataUnchanged(context.Background(), p.clients.Load),
		})
	}
}

func (p *imageops) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "imageops"
	resp.Version = p.version
}

// model is the configuration of the provider.
type model struct {
	ImageService   types.Object `tfsdk:"image_service"`
	RequestTimeout types.String `tfsdk:"request_timeout"`
	MaxRetries     types.Int64  `tfsdk:"max_retries"`
}

const imageServiceSection = "image_service"

// argument is one argument of the image_service section that goes to the client
// as it is: a text, with the environment variable that it falls back to.
type argument struct {
	name        string
	description string
	variables   string
	sensitive   bool
	field       func(*imageservice.Config) *string
}

var arguments = []argument{
	{"endpoint", "URL of the image service, with or without `/v2`, which overrides the catalogue.", "", false, func(c *imageservice.Config) *string { return &c.Endpoint }},
	{"interface", "Which endpoint of the catalogue to use: `public` (default), `internal` or `admin`.", "`OS_INTERFACE`", false, func(c *imageservice.Config) *string { return &c.Interface }},
	{"cloud", "Entry of `clouds.yaml` to take what is not given here from.", "`OS_CLOUD`", false, func(c *imageservice.Config) *string { return &c.Cloud }},
	{"auth_url", "URL of the identity service (Keystone v3), such as `https://cloud.example:5000/v3`.", "`OS_AUTH_URL`", false, func(c *imageservice.Config) *string { return &c.AuthURL }},
	{"region", "Region whose image service to use. Needed when the catalogue has several.", "`OS_REGION_NAME`", false, func(c *imageservice.Config) *string { return &c.Region }},
	{"username", "Name of the user.", "`OS_USERNAME`", false, func(c *imageservice.Config) *string { return &c.Username }},
	{"user_id", "ID of the user, instead of name and domain.", "`OS_USER_ID`", false, func(c *imageservice.Config) *string { return &c.UserID }},
	{"user_domain_name", "Name of the domain of the user.", "`OS_USER_DOMAIN_NAME`", false, func(c *imageservice.Config) *string { return &c.UserDomainName }},
	{"user_domain_id", "ID of the domain of the user.", "`OS_USER_DOMAIN_ID`", false, func(c *imageservice.Config) *string { return &c.UserDomainID }},
	{"password", "Password of the user.", "`OS_PASSWORD`", true, func(c *imageservice.Config) *string { return &c.Password }},
	{"project_name", "Name of the project to work in.", "`OS_PROJECT_NAME`", false, func(c *imageservice.Config) *string { return &c.ProjectName }},
	{"project_id", "ID of the project to work in.", "`OS_PROJECT_ID`", false, func(c *imageservice.Config) *string { return &c.ProjectID }},
	{"project_domain_name", "Name of the domain of the project.", "`OS_PROJECT_DOMAIN_NAME`", false, func(c *imageservice.Config) *string { return &c.ProjectDomainName }},
	{"project_domain_id", "ID of the domain of the project.", "`OS_PROJECT_DOMAIN_ID`", false, func(c *imageservice.Config) *string { return &c.ProjectDomainID }},
	{"domain_name", "Name of the domain for user and project, where they have none of their own.", "`OS_DOMAIN_NAME`", false, func(c *imageservice.Config) *string { return &c.DomainName }},
	{"domain_id", "ID of the domain for user and project, where they have none of their own.", "`OS_DOMAIN_ID`", false, func(c *imageservice.Config) *string { return &c.DomainID }},
	{"token", "A token, such as a pipeline gets from a federated sign-in. It is not renewed: when it expires, the run ends with an error.", "`OS_TOKEN`", true, func(c *imageservice.Config) *string { return &c.Token }},
	{"application_credential_id", "ID of an application credential.", "`OS_APPLICATION_CREDENTIAL_ID`", false, func(c *imageservice.Config) *string { return &c.ApplicationCredentialID }},
	{"application_credential_name", "Name of an application credential, with the user that it belongs to.", "`OS_APPLICATION_CREDENTIAL_NAME`", false, func(c *imageservice.Config) *string { return &c.ApplicationCredentialName }},
	{"application_credential_secret", "Secret of the application credential.", "`OS_APPLICATION_CREDENTIAL_SECRET`", true, func(c *imageservice.Config) *string { return &c.ApplicationCredentialSecret }},
	{"access_key", "Access key (AK) that requests to Huawei Cloud or Open Telekom Cloud are signed with, instead of a sign-in.", "`HW_ACCESS_KEY`", true, func(c *imageservice.Config) *string { return &c.AccessKey }},
	{"secret_key", "Secret key (SK) of the access key. It is never sent.", "`HW_SECRET_KEY`", true, func(c *imageservice.Config) *string { return &c.SecretKey }},
	{"security_token", "Security token of a temporary access key.", "`HW_SECURITY_TOKEN`", true, func(c *imageservice.Config) *string { return &c.SecurityToken }},
	{"cacert", "Certificate authorities to trust besides the system's: a path, or PEM text.", "`OS_CACERT`", false, func(c *imageservice.Config) *string { return &c.CACert }},
	{"cert", "Client certificate: a path, or PEM text.", "`OS_CERT`", false, func(c *imageservice.Config) *string { return &c.Cert }},
	{"key", "Key of the client certificate: a path, or PEM text.", "`OS_KEY`", true, func(c *imageservice.Config) *string { return &c.Key }},
}

func (p *imageops) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	section := map[string]schema.Attribute{
		"flavor": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "Kind of the image service: `openstack` (default), `huaweicloud` or `opentelekomcloud`. It sets the defaults of `update_path`, `patch_format` and `batch_reads`, " +
				"and what the cloud lets be changed.",
			Validators: []validator.String{stringvalidator.OneOf(string(attribute.OpenStack), string(attribute.HuaweiCloud), string(attribute.OpenTelekomCloud))},
		},
		"update_path": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "Where images are written: `images` (`PATCH /v2/images`, the default of `openstack` and `opentelekomcloud`) or `cloudimages` " +
				"(`PATCH /v2/cloudimages`, the default of `huaweicloud`, whose vendor has deprecated the other; it writes only images that are private and active).",
			Validators: []validator.String{stringvalidator.OneOf("images", "cloudimages")},
		},
		"patch_format": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "Dialect of JSON Patch to send to `images`: `v2.1` (default, `application/openstack-images-v2.1-json-patch`) or `v2.0` " +
				"(`application/openstack-images-v2.0-json-patch`, for old services).",
			Validators: []validator.String{stringvalidator.OneOf("v2.1", "v2.0")},
		},
		"batch_reads": schema.BoolAttribute{
			Optional: true,
			MarkdownDescription: "Whether reads of several images at the same time share one list request, instead of one request for each image. Default `true` on `openstack`, else `false`, " +
				"which is for services whose lists show less than the images themselves.",
		},
		"allow_undocumented": schema.BoolAttribute{
			Optional: true,
			MarkdownDescription: "Whether to send also changes of attributes that no page of Huawei Cloud or Open Telekom Cloud lists among what can be changed. Default `false`: they are errors in the plan. " +
				"Without effect on `openstack`.",
		},
		"verify_after": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "How long after a write the image is read once more, because the image service can lose an acknowledged write to another writer. " +
				"A duration, default `400ms`; `0s` looks at once, for images that nobody else writes.",
			Validators: []validator.String{durationValidator{}},
		},
		"insecure": schema.BoolAttribute{
			Optional:            true,
			MarkdownDescription: "Whether to accept any certificate of the servers. Default `false`; also `OS_INSECURE`.",
		},
	}
	for _, a := range arguments {
		description := a.description
		if a.variables != "" {
			description += " Also " + a.variables + "."
		}
		s := schema.StringAttribute{Optional: true, Sensitive: a.sensitive, MarkdownDescription: description}
		if a.name == "interface" {
			s.Validators = []validator.String{stringvalidator.OneOf("public", "internal", "admin")}
		}
		section[a.name] = s
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Golden images as code: owns a part of the metadata of images that something else made, and shows the JSON Patch that it will send in the plan.",
		Attributes: map[string]schema.Attribute{
			imageServiceSection: schema.SingleNestedAttribute{
				Optional: true,
				MarkdownDescription: "How to reach the image service (OpenStack Glance, or the Image Management Service of Huawei Cloud or Open Telekom Cloud) and sign in. Each argument falls back to the entry of `clouds.yaml` that `cloud` or `OS_CLOUD` names, " +
					"then to the `OS_*` variables; the section can be left out when those say everything.",
				Attributes: section,
			},
			"request_timeout": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "How long one HTTP request may take, as a duration. Default `60s`.",
				Validators:          []validator.String{durationValidator{positive: true}},
			},
			"max_retries": schema.Int64Attribute{
				Optional: true,
				MarkdownDescription: "How often a request is repeated that failed in a way that makes repeating it safe. Default `4`; `0` never repeats. " +
					"A write that may have taken effect is never repeated blindly.",
				Validators: []validator.Int64{int64validator.Between(0, 100)},
			},
		},
	}
}

func (p *imageops) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var m model
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	clients, diags := p.connect(m)
	resp.Diagnostics.Append(diags...)
	p.clients.Store(clients)
	resp.ResourceData = clients
	resp.DataSourceData = clients
}

// connect makes the clients. It calls no server; what is wrong with a section
// is only an error for the resources that need it.
func (p *imageops) connect(m model) (*plan.Clients, diag.Diagnostics) {
	var diags diag.Diagnostics
	if unknown := unknownArguments(m); len(unknown) > 0 {
		return plan.NewClients(nil, nil, unknown, plan.Settings{VerifyAfter: defaultVerifyAfter}), nil
	}
	c := imageservice.Config{
		UserAgent:      fmt.Sprintf("terraform-provider-imageops/%s (%s; %s)", p.version, runtime.GOOS, runtime.GOARCH),
		RequestTimeout: duration(m.RequestTimeout, defaultRequestTimeout),
		MaxRetries:     defaultMaxRetries,
		Log:            func(ctx context.Context, message string, fields map[string]any) { tflog.Debug(ctx, message, fields) },
	}
	if !m.MaxRetries.IsNull() {
		c.MaxRetries = int(m.MaxRetries.ValueInt64())
	}
	section := m.ImageService.Attributes()
	text := func(name string) string {
		s, _ := section[name].(basetypes.StringValue)
		return s.ValueString()
	}
	c.Flavor, c.UpdatePath, c.PatchFormat = text("flavor"), text("update_path"), text("patch_format")
	for _, a := range arguments {
		*a.field(&c) = text(a.name)
	}
	if insecure, ok := section["insecure"].(basetypes.BoolValue); ok && !insecure.IsNull() {
		c.Insecure = insecure.ValueBoolPointer()
	}
	if batch, ok := section["batch_reads"].(basetypes.BoolValue); ok && !batch.IsNull() {
		c.BatchReads = batch.ValueBoolPointer()
	}
	settings := plan.Settings{VerifyAfter: defaultVerifyAfter}
	if v, ok := section["verify_after"].(basetypes.StringValue); ok {
		settings.VerifyAfter = duration(v, defaultVerifyAfter)
	}
	if undocumented, ok := section["allow_undocumented"].(basetypes.BoolValue); ok {
		settings.AllowUndocumented = undocumented.ValueBool()
	}
	if m.ImageService.IsNull() && os.Getenv("OS_CLOUD") == "" && os.Getenv("OS_AUTH_URL") == "" {
		return plan.NewClients(nil, missingSection(), nil, settings), nil
	}
	client, err := imageservice.New(c)
	if err != nil {
		return plan.NewClients(nil, configurationProblem(err), nil, settings), nil
	}
	if client.Insecure() {
		diags.AddAttributeWarning(path.Root(imageServiceSection).AtName("insecure"), "Certificates are not checked",
			"The provider accepts any certificate of the identity and image services, so that anybody on the way can read the password and change what is written. "+
				"Give the certificate authority with cacert instead.")
	}
	return plan.NewClients(client, nil, nil, settings), diags
}

func missingSection() diag.Diagnostic {
	return diag.NewErrorDiagnostic("Missing image_service",
		"The provider has no image_service section, and neither OS_CLOUD nor OS_AUTH_URL is set, so it does not know where the images are. "+
			"Name an entry of clouds.yaml:\n\n  provider \"imageops\" {\n    image_service = { cloud = \"mycloud\" }\n  }\n\n"+
			"or set OS_CLOUD, or OS_AUTH_URL with OS_USERNAME, OS_USER_DOMAIN_NAME, OS_PASSWORD, OS_PROJECT_NAME and OS_PROJECT_DOMAIN_NAME, or with "+
			"OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET.")
}

func configurationProblem(err error) diag.Diagnostic {
	var configuration *imageservice.ConfigError
	const summary = "Invalid image_service configuration"
	if !errors.As(err, &configuration) {
		return diag.NewErrorDiagnostic(summary, err.Error())
	}
	text := configuration.Message
	if !strings.HasPrefix(text, configuration.Field) {
		text = configuration.Field + ": " + text
	}
	return diag.NewErrorDiagnostic(summary, text)
}

// unknownArguments returns the arguments that are not known in this plan.
func unknownArguments(m model) []string {
	var unknown []string
	if m.ImageService.IsUnknown() {
		unknown = append(unknown, imageServiceSection)
	}
	for name, value := range m.ImageService.Attributes() {
		if value.IsUnknown() {
			unknown = append(unknown, imageServiceSection+"."+name)
		}
	}
	for name, value := range map[string]attr.Value{"request_timeout": m.RequestTimeout, "max_retries": m.MaxRetries} {
		if value.IsUnknown() {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// duration reads a duration that the schema has validated.
func duration(s types.String, otherwise time.Duration) time.Duration {
	if s.IsNull() {
		return otherwise
	}
	d, err := time.ParseDuration(s.ValueString())
	if err != nil {
		return otherwise
	}
	return d
}

// durationValidator accepts a duration of Go's time package.
type durationValidator struct{ positive bool }

func (v durationValidator) Description(context.Context) string {
	if v.positive {
		return "must be a duration above zero, such as 30s"
	}
	return "must be a duration of zero or more, such as 400ms or 2s"
}
func (v durationValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v durationValidator) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	d, err := time.ParseDuration(req.ConfigValue.ValueString())
	if err != nil || d < 0 || (v.positive && d == 0) {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid duration", fmt.Sprintf("%q %s.", req.ConfigValue.ValueString(), v.Description(ctx)))
	}
}

func (p *imageops) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{image.NewMetadataResource}
}

func (p *imageops) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{image.NewImageDataSource, image.NewImagesDataSource}
}
