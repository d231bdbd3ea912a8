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
	"github.com/hashicorp/terraform-plugin-framework/action"
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

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/provider/catalogue"
	"github.com/imageops/terraform-provider-imageops/internal/provider/compact"
	"github.com/imageops/terraform-provider-imageops/internal/provider/image"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
	"github.com/imageops/terraform-provider-imageops/internal/provider/pool"
	"github.com/imageops/terraform-provider-imageops/internal/provider/unchanged"
)

// Address is where the provider is published.
const Address = "registry.terraform.io/imageops/imageops"

const (
	defaultRequestTimeout      = 60 * time.Second
	defaultMaxRetries          = 4
	defaultVerifyAfter         = 400 * time.Millisecond
	defaultPollInterval        = 15 * time.Second
	defaultConcurrentPublishes = 4
)

var _ provider.ProviderWithActions = (*imageops)(nil)

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
		return compact.Server(unchanged.Server(providerserver.NewProtocol6(p)(), map[string]unchanged.Resource{
			"imageops_image_metadata": image.MetadataUnchanged(context.Background(), p.clients.Load),
		}))
	}
}

func (p *imageops) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "imageops"
	resp.Version = p.version
}

// model is the configuration of the provider.
type model struct {
	ImageService   types.Object `tfsdk:"image_service"`
	Horizon        types.Object `tfsdk:"horizon"`
	RequestTimeout types.String `tfsdk:"request_timeout"`
	MaxRetries     types.Int64  `tfsdk:"max_retries"`
}

// The sections of the configuration.
const (
	imageServiceSection = "image_service"
	horizonSection      = "horizon"
)

// argument is one argument of a section that goes to the client as it is: a
// text, with the environment variable that it falls back to.
type argument[C any] struct {
	name        string
	description string
	variables   string
	sensitive   bool
	field       func(*C) *string
}

var imageArguments = []argument[imageservice.Config]{
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
	addArguments(section, imageArguments)
	if a, ok := section["interface"].(schema.StringAttribute); ok {
		a.Validators = []validator.String{stringvalidator.OneOf("public", "internal", "admin")}
		section["interface"] = a
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Golden images as code: owns a part of the metadata of images that something else made, keeps the image catalogue of Omnissa Horizon, " +
			"and shows the JSON Patch of each change in the plan.",
		Attributes: map[string]schema.Attribute{
			imageServiceSection: schema.SingleNestedAttribute{
				Optional: true,
				MarkdownDescription: "How to reach the image service (OpenStack Glance, or the Image Management Service of Huawei Cloud or Open Telekom Cloud) and sign in. Each argument falls back to the entry of `clouds.yaml` that `cloud` or `OS_CLOUD` names, " +
					"then to the `OS_*` variables; the section can be left out when those say everything.",
				Attributes: section,
			},
			horizonSection: schema.SingleNestedAttribute{
				Optional: true,
				MarkdownDescription: "How to reach Omnissa (formerly VMware) Horizon and sign in. Each argument falls back to its `HORIZON_*` variable; " +
					"the section can be left out when those say everything.",
				Attributes: horizonAttributes(),
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
	resp.ActionData = clients
	resp.DataSourceData = clients
}

// connect makes the clients. It calls no server; what is wrong with a section
// is only an error for the resources that need it.
func (p *imageops) connect(m model) (*plan.Clients, diag.Diagnostics) {
	settings := plan.Settings{VerifyAfter: defaultVerifyAfter}
	common := connection{
		userAgent: fmt.Sprintf("terraform-provider-imageops/%s (%s; %s)", p.version, runtime.GOOS, runtime.GOARCH),
		timeout:   duration(m.RequestTimeout, defaultRequestTimeout),
		retries:   defaultMaxRetries,
		log:       func(ctx context.Context, message string, fields map[string]any) { tflog.Debug(ctx, message, fields) },
	}
	if !m.MaxRetries.IsNull() {
		common.retries = int(m.MaxRetries.ValueInt64())
	}
	images, diags := connectImages(m, common, &settings)
	pod, more := connectHorizon(m, common, &settings)
	diags.Append(more...)
	return plan.NewClients(images, pod, settings), diags
}

// connection is what the clients have in common.
type connection struct {
	userAgent string
	timeout   time.Duration
	retries   int
	log       func(ctx context.Context, message string, fields map[string]any)
}

// section is a section of the configuration whose arguments are all known.
type section map[string]attr.Value

func (s section) text(name string) string {
	value, _ := s[name].(basetypes.StringValue)
	return value.ValueString()
}

// flag returns a boolean argument, nil when it is not given.
func (s section) flag(name string) *bool {
	if value, ok := s[name].(basetypes.BoolValue); ok && !value.IsNull() {
		return value.ValueBoolPointer()
	}
	return nil
}

func (s section) number(name string, otherwise int) int {
	if value, ok := s[name].(basetypes.Int64Value); ok && !value.IsNull() {
		return int(value.ValueInt64())
	}
	return otherwise
}

func (s section) duration(name string, otherwise time.Duration) time.Duration {
	value, ok := s[name].(basetypes.StringValue)
	if !ok {
		return otherwise
	}
	return duration(value, otherwise)
}

func connectImages(m model, common connection, settings *plan.Settings) (plan.Service[*imageservice.Client], diag.Diagnostics) {
	type service = *imageservice.Client
	if unknown := unknownArguments(m, imageServiceSection, m.ImageService); len(unknown) > 0 {
		return plan.NotKnownYet[service](unknown), nil
	}
	given := section(m.ImageService.Attributes())
	settings.VerifyAfter = given.duration("verify_after", defaultVerifyAfter)
	undocumented := given.flag("allow_undocumented")
	settings.AllowUndocumented = undocumented != nil && *undocumented
	if m.ImageService.IsNull() && os.Getenv("OS_CLOUD") == "" && os.Getenv("OS_AUTH_URL") == "" {
		return plan.Misconfigured[service](missingImageService()), nil
	}
	c := imageservice.Config{
		UserAgent: common.userAgent, RequestTimeout: common.timeout, MaxRetries: common.retries, Log: common.log,
		Flavor: given.text("flavor"), UpdatePath: given.text("update_path"), PatchFormat: given.text("patch_format"),
		Insecure: given.flag("insecure"), BatchReads: given.flag("batch_reads"),
	}
	for _, a := range imageArguments {
		*a.field(&c) = given.text(a.name)
	}
	client, err := imageservice.New(c)
	if err != nil {
		return plan.Misconfigured[service](configurationProblem(imageServiceSection, err)), nil
	}
	var diags diag.Diagnostics
	if client.Insecure() {
		diags.AddAttributeWarning(path.Root(imageServiceSection).AtName("insecure"), "Certificates are not checked",
			"The provider accepts any certificate of the identity and image services, so that anybody on the way can read the password and change what is written. "+
				"Give the certificate authority with cacert instead.")
	}
	return plan.Connected(client), diags
}

func missingImageService() diag.Diagnostic {
	return diag.NewErrorDiagnostic("Missing image_service",
		"The provider has no image_service section, and neither OS_CLOUD nor OS_AUTH_URL is set, so it does not know where the images are. "+
			"Name an entry of clouds.yaml:\n\n  provider \"imageops\" {\n    image_service = { cloud = \"mycloud\" }\n  }\n\n"+
			"or set OS_CLOUD, or OS_AUTH_URL with OS_USERNAME, OS_USER_DOMAIN_NAME, OS_PASSWORD, OS_PROJECT_NAME and OS_PROJECT_DOMAIN_NAME, or with "+
			"OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET.")
}

func configurationProblem(name string, err error) diag.Diagnostic {
	summary := fmt.Sprintf("Invalid %s configuration", name)
	var field, text string
	var images *imageservice.ConfigError
	var pod *horizon.ConfigError
	switch {
	case errors.As(err, &images):
		field, text = images.Field, images.Message
	case errors.As(err, &pod):
		field, text = pod.Field, pod.Message
	default:
		return diag.NewErrorDiagnostic(summary, err.Error())
	}
	if !strings.HasPrefix(text, field) {
		text = field + ": " + text
	}
	return diag.NewErrorDiagnostic(summary, text)
}

// unknownArguments returns the arguments of a section, and of those that concern
// every section, that are not known in this plan.
func unknownArguments(m model, name string, given types.Object) []string {
	var unknown []string
	if given.IsUnknown() {
		unknown = append(unknown, name)
	}
	for argument, value := range given.Attributes() {
		if value.IsUnknown() {
			unknown = append(unknown, name+"."+argument)
		}
	}
	for argument, value := range map[string]attr.Value{"request_timeout": m.RequestTimeout, "max_retries": m.MaxRetries} {
		if value.IsUnknown() {
			unknown = append(unknown, argument)
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
	return append([]func() resource.Resource{image.NewMetadataResource, pool.NewImageResource}, catalogue.Resources()...)
}

func (p *imageops) DataSources(context.Context) []func() datasource.DataSource {
	return append([]func() datasource.DataSource{image.NewImageDataSource, image.NewImagesDataSource}, catalogue.DataSources()...)
}

// Actions are for Terraform 1.14 and later; others do not ask for them.
func (p *imageops) Actions(context.Context) []func() action.Action { return pool.Actions() }
