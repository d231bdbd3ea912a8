package provider

import (
	"context"
	"os"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

var horizonArguments = []argument[horizon.Config]{
	{"url", "Address of a Connection Server, such as `https://horizon.example.com`. Behind a load balancer, sessions have to stick to one Connection Server.", "`HORIZON_URL`", false, func(c *horizon.Config) *string { return &c.URL }},
	{"domain", "Active Directory domain of the user, in its short (NetBIOS) form.", "`HORIZON_DOMAIN`", false, func(c *horizon.Config) *string { return &c.Domain }},
	{"username", "Name of the user, also as `DOMAIN\\user`. A user principal name (`user@domain`) is refused, as Horizon refuses it.", "`HORIZON_USERNAME`", false, func(c *horizon.Config) *string { return &c.Username }},
	{"password", "Password of the user.", "`HORIZON_PASSWORD`", true, func(c *horizon.Config) *string { return &c.Password }},
	{"cacert", "Certificate authorities to trust besides the system's: a path, or PEM text.", "`HORIZON_CACERT`", false, func(c *horizon.Config) *string { return &c.CACert }},
}

func horizonAttributes() map[string]schema.Attribute {
	attributes := map[string]schema.Attribute{
		"insecure": schema.BoolAttribute{
			Optional:            true,
			MarkdownDescription: "Whether to accept any certificate of the Connection Server. Default `false`; also `HORIZON_INSECURE`.",
		},
		"poll_interval": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "How long to wait between two looks at an object that is waited for, as a duration. Default `15s`.",
			Validators:          []validator.String{durationValidator{positive: true}},
		},
		"max_concurrent_publishes": schema.Int64Attribute{
			Optional:            true,
			MarkdownDescription: "How many desktop pools may at most be between the push of an image and the end of its publishing at the same time, of those that one run pushes to. Publishing is heavy work for vCenter and its storage. Default `4`.",
			Validators:          []validator.Int64{int64validator.Between(1, 1000)},
		},
		"publish_interval": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "The least time between two pushes of a run, as a duration. Default `0s`.",
			Validators:          []validator.String{durationValidator{}},
		},
	}
	addArguments(attributes, horizonArguments)
	return attributes
}

// addArguments adds the schemas of arguments that are texts.
func addArguments[C any](attributes map[string]schema.Attribute, arguments []argument[C]) {
	for _, a := range arguments {
		description := a.description
		if a.variables != "" {
			description += " Also " + a.variables + "."
		}
		attributes[a.name] = schema.StringAttribute{Optional: true, Sensitive: a.sensitive, MarkdownDescription: description}
	}
}

func connectHorizon(m model, common connection, settings *plan.Settings) (plan.Service[*horizon.Client], diag.Diagnostics) {
	type service = *horizon.Client
	if unknown := unknownArguments(m, horizonSection, m.Horizon); len(unknown) > 0 {
		return plan.NotKnownYet[service](unknown), nil
	}
	given := section(m.Horizon.Attributes())
	settings.PollInterval = given.duration("poll_interval", defaultPollInterval)
	settings.Governor = horizon.NewGovernor(given.number("max_concurrent_publishes", defaultConcurrentPublishes), given.duration("publish_interval", 0))
	if m.Horizon.IsNull() && os.Getenv("HORIZON_URL") == "" {
		return plan.Misconfigured[service](missingHorizon()), nil
	}
	c := horizon.Config{
		UserAgent: common.userAgent, RequestTimeout: common.timeout, MaxRetries: common.retries, Log: common.log,
		Insecure: given.flag("insecure"),
	}
	for _, a := range horizonArguments {
		*a.field(&c) = given.text(a.name)
	}
	client, err := horizon.New(c)
	if err != nil {
		return plan.Misconfigured[service](configurationProblem(horizonSection, err)), nil
	}
	var diags diag.Diagnostics
	if client.Insecure() {
		diags.AddAttributeWarning(path.Root(horizonSection).AtName("insecure"), "Certificates are not checked",
			"The provider accepts any certificate of the Connection Server, so that anybody on the way can read the password and change what is written. "+
				"Give the certificate authority with cacert instead.")
	}
	return plan.Connected(client), diags
}

// signOutLimit is less than the two seconds that Terraform waits for a provider to
// end before it kills it.
const signOutLimit = time.Second

// SignOut ends the sessions of this process, best effort: left alone, they end by
// themselves. A provider is told of no end, so that this belongs behind its server.
func SignOut() {
	ctx, cancel := context.WithTimeout(context.Background(), signOutLimit)
	defer cancel()
	horizon.CloseAll(ctx)
}

func missingHorizon() diag.Diagnostic {
	return diag.NewErrorDiagnostic("Missing horizon",
		"The provider has no horizon section, and HORIZON_URL is not set, so it does not know which Horizon pod to talk to. Name it:\n\n"+
			"  provider \"imageops\" {\n    horizon = { url = \"https://horizon.example.com\", domain = \"EXAMPLE\", username = \"svc-images\" }\n  }\n\n"+
			"or set HORIZON_URL, HORIZON_DOMAIN and HORIZON_USERNAME; HORIZON_PASSWORD keeps the password out of the configuration.")
}
