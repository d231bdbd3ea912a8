package imageservice

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// place writes files into a folder of their own, moves there, and returns an
// environment that finds nothing elsewhere.
func place(t *testing.T, files, environment map[string]string) func(string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	return func(name string) string {
		if name == "HOME" {
			return filepath.Join(dir, "home")
		}
		return environment[name]
	}
}

func resolved(t *testing.T, config Config, getenv func(string) string) *target {
	t.Helper()
	config.Getenv = getenv
	got, err := config.resolve()
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	return got
}

const cloudsYAML = `
clouds:
  prod:
    auth:
      auth_url: https://keystone.prod.example/v3
      username: file-user
      password: "0123"
      user_domain_name: FileUsers
      project_name: file-project
      project_domain_id: file-projects
    region_name: file-region
    interface: internal
    cacert: ""
    verify: false
  token:
    auth_type: token
    auth: {auth_url: "https://k.example:443/", token: file-token, username: leftover, password: leftover}
  app:
    auth_type: v3applicationcredential
    auth: {auth_url: "https://k.example", application_credential_id: ac1, application_credential_secret: s3, project_name: ignored}
  regions:
    auth: {auth_url: "https://k.example", user_id: u1, password: p1, project_id: p1}
    regions: [only]
    endpoint_type: adminURL
    interface: internal
  oidc:
    auth_type: v3oidcpassword
    auth: {auth_url: "https://k.example"}
  profiled:
    profile: vendor
    auth: {username: u, password: p, project_id: p1}
  unprofiled:
    profile: elsewhere
    auth: {username: u, password: p, project_id: p1}
`

func TestEverySettingComesFromArgumentThenEntryThenEnvironment(t *testing.T) {
	environment := map[string]string{
		"OS_AUTH_URL": "https://keystone.env.example", "OS_USERNAME": "env-user", "OS_PASSWORD": "env-password",
		"OS_USER_DOMAIN_NAME": "EnvUsers", "OS_PROJECT_NAME": "env-project", "OS_PROJECT_DOMAIN_NAME": "EnvProjects",
		"OS_REGION_NAME": "env-region", "OS_INTERFACE": "admin", "OS_INSECURE": "0",
	}
	getenv := place(t, map[string]string{"clouds.yaml": cloudsYAML}, environment)

	onlyEnvironment := resolved(t, Config{}, getenv)
	if got, want := onlyEnvironment.authURL, "https://keystone.env.example/v3"; got != want {
		t.Errorf("auth_url from the environment: %q, want %q", got, want)
	}
	if got, want := onlyEnvironment.credentials.options, (gophercloud.AuthOptions{Username: "env-user", DomainName: "EnvUsers", Password: "env-password"}); got != want {
		t.Errorf("identity from the environment: %+v, want %+v", got, want)
	}
	if got, want := *onlyEnvironment.credentials.project.scope(), (gophercloud.AuthScope{ProjectName: "env-project", DomainName: "EnvProjects"}); got != want {
		t.Errorf("scope from the environment: %+v, want %+v", got, want)
	}
	if onlyEnvironment.region != "env-region" || onlyEnvironment.iface != "admin" || onlyEnvironment.transport.Insecure {
		t.Errorf("from the environment: region %q, interface %q, insecure %v", onlyEnvironment.region, onlyEnvironment.iface, onlyEnvironment.transport.Insecure)
	}

	environment["OS_CLOUD"] = "prod"
	entry := resolved(t, Config{}, getenv)
	if got, want := entry.credentials.options, (gophercloud.AuthOptions{Username: "file-user", DomainName: "FileUsers", Password: "0123"}); got != want {
		t.Errorf("identity from the entry: %+v, want %+v", got, want)
	}
	if got, want := *entry.credentials.project.scope(), (gophercloud.AuthScope{ProjectName: "file-project", DomainID: "file-projects"}); got != want {
		t.Errorf("scope from the entry: %+v, want %+v", got, want)
	}
	if entry.authURL != "https://keystone.prod.example/v3" || entry.region != "file-region" || entry.iface != "internal" || !entry.transport.Insecure {
		t.Errorf("from the entry: %+v", entry)
	}

	no := false
	arguments := resolved(t, Config{
		AuthURL: "http://ARG.example:80/identity/v3/", Region: "arg-region", Interface: "publicURL", Insecure: &no,
		UserID: "arg-id", Password: "arg-password", ProjectID: "arg-project", Endpoint: "https://images.example/v2/", PatchFormat: "v2.0",
	}, getenv)
	if got, want := arguments.credentials.options, (gophercloud.AuthOptions{UserID: "arg-id", Password: "arg-password"}); got != want {
		t.Errorf("identity from the arguments: %+v, want %+v", got, want)
	}
	if got, want := *arguments.credentials.project.scope(), (gophercloud.AuthScope{ProjectID: "arg-project"}); got != want {
		t.Errorf("scope from the arguments: %+v, want %+v", got, want)
	}
	if arguments.authURL != "http://arg.example/identity/v3" || arguments.region != "arg-region" || arguments.iface != "public" ||
		arguments.transport.Insecure || arguments.endpoint != "https://images.example" || arguments.dialect != patch.ImagesV20 {
		t.Errorf("from the arguments: %+v", arguments)
	}
}

func TestMethodOfSignIn(t *testing.T) {
	tests := map[string]struct {
		config      Config
		environment map[string]string
		method      method
		options     gophercloud.AuthOptions
		scope       *gophercloud.AuthScope
	}{
		"argument token beside a password in the environment": {
			config:      Config{Token: " arg-token\n"},
			environment: map[string]string{"OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_USER_DOMAIN_NAME": "D"},
			method:      byToken,
			options:     gophercloud.AuthOptions{TokenID: "arg-token"},
		},
		"argument password beside a token in the environment": {
			config:      Config{Username: "u", Password: "p"},
			environment: map[string]string{"OS_TOKEN": "t"},
			method:      byPassword,
			options:     gophercloud.AuthOptions{Username: "u", Password: "p", DomainID: "default"},
		},
		"argument user with a password and a token in the environment": {
			config:      Config{Username: "u"},
			environment: map[string]string{"OS_TOKEN": "t", "OS_PASSWORD": "p", "OS_DEFAULT_DOMAIN": "dd"},
			method:      byPassword,
			options:     gophercloud.AuthOptions{Username: "u", Password: "p", DomainID: "dd"},
		},
		"argument user beside an environment of type token": {
			config:      Config{UserID: "u"},
			environment: map[string]string{"OS_AUTH_TYPE": "token", "OS_TOKEN": "t", "OS_PASSWORD": "p"},
			method:      byPassword,
			options:     gophercloud.AuthOptions{UserID: "u", Password: "p"},
		},
		"argument user name overrules a user id in the environment": {
			config:      Config{Username: "u", UserDomainID: "d"},
			environment: map[string]string{"OS_USER_ID": "i", "OS_PASSWORD": "p", "OS_USER_DOMAIN_NAME": "D"},
			method:      byPassword,
			options:     gophercloud.AuthOptions{Username: "u", Password: "p", DomainID: "d"},
		},
		"argument project name overrules a project id in the environment": {
			config:      Config{ProjectName: "p", Username: "u", Password: "p", UserDomainName: "D"},
			environment: map[string]string{"OS_PROJECT_ID": "i"},
			method:      byPassword,
			options:     gophercloud.AuthOptions{Username: "u", Password: "p", DomainName: "D"},
			scope:       &gophercloud.AuthScope{ProjectName: "p", DomainName: "D"},
		},
		"a domain serves user and project": {
			config:  Config{ProjectName: "eu-de", Username: "u", Password: "p", DomainName: "OTC1"},
			method:  byPassword,
			options: gophercloud.AuthOptions{Username: "u", Password: "p", DomainName: "OTC1"},
			scope:   &gophercloud.AuthScope{ProjectName: "eu-de", DomainName: "OTC1"},
		},
		"tenant variables are project variables": {
			config:      Config{UserID: "u", Password: "p"},
			environment: map[string]string{"OS_TENANT_NAME": "t", "OS_PROJECT_DOMAIN_ID": "d"},
			method:      byPassword,
			options:     gophercloud.AuthOptions{UserID: "u", Password: "p"},
			scope:       &gophercloud.AuthScope{ProjectName: "t", DomainID: "d"},
		},
		"application credential beside password and project of the environment": {
			config:      Config{ApplicationCredentialID: "ac1", ApplicationCredentialSecret: "s"},
			environment: map[string]string{"OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_PROJECT_NAME": "p", "OS_TOKEN": "t"},
			method:      byApplicationCredential,
			options:     gophercloud.AuthOptions{ApplicationCredentialID: "ac1", ApplicationCredentialSecret: "s"},
		},
		"application credential by name with its user": {
			environment: map[string]string{"OS_APPLICATION_CREDENTIAL_NAME": "pipeline", "OS_APPLICATION_CREDENTIAL_SECRET": "s", "OS_USERNAME": "u", "OS_USER_DOMAIN_ID": "d"},
			method:      byApplicationCredential,
			options:     gophercloud.AuthOptions{ApplicationCredentialName: "pipeline", ApplicationCredentialSecret: "s", Username: "u", DomainID: "d"},
		},
		"auth type of the environment decides between its own": {
			environment: map[string]string{"OS_AUTH_TYPE": "v3password", "OS_TOKEN": "t", "OS_USER_ID": "u", "OS_PASSWORD": "p"},
			method:      byPassword,
			options:     gophercloud.AuthOptions{UserID: "u", Password: "p"},
		},
		"token of the environment under its other name": {
			environment: map[string]string{"OS_AUTH_TOKEN": "t", "OS_PROJECT_ID": "p"},
			method:      byToken,
			options:     gophercloud.AuthOptions{TokenID: "t"},
			scope:       &gophercloud.AuthScope{ProjectID: "p"},
		},
		"entry of type token with leftovers of a password": {
			config:  Config{Cloud: "token"},
			method:  byToken,
			options: gophercloud.AuthOptions{TokenID: "file-token"},
		},
		"entry with an application credential": {
			config:      Config{Cloud: "app"},
			environment: map[string]string{"OS_PROJECT_ID": "p", "OS_CLOUD": "prod"},
			method:      byApplicationCredential,
			options:     gophercloud.AuthOptions{ApplicationCredentialID: "ac1", ApplicationCredentialSecret: "s3"},
			scope:       &gophercloud.AuthScope{ProjectName: "ignored", DomainID: "default"}, // compared after the sign-in, not sent
		},
		"password with blanks around it": {
			config:  Config{UserID: "u", Password: " p "},
			method:  byPassword,
			options: gophercloud.AuthOptions{UserID: "u", Password: " p "},
		},
		"trust": {
			config:      Config{UserID: "u", Password: "p"},
			environment: map[string]string{"OS_TRUST_ID": "t", "OS_PROJECT_ID": "p"},
			method:      byPassword,
			options:     gophercloud.AuthOptions{UserID: "u", Password: "p"},
			scope:       &gophercloud.AuthScope{TrustID: "t"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			getenv := place(t, map[string]string{"clouds.yaml": cloudsYAML}, test.environment)
			if test.config.Cloud == "" {
				test.config.AuthURL = "https://k.example/v3"
			}
			got := resolved(t, test.config, getenv).credentials
			if got.method != test.method || got.options != test.options {
				t.Errorf("got %s %+v, want %s %+v", got.method, got.options, test.method, test.options)
			}
			switch {
			case test.scope == nil && got.project.wanted():
				t.Errorf("got the scope %v, want none", got.project)
			case test.scope != nil && *got.project.scope() != *test.scope:
				t.Errorf("got the scope %+v, want %+v", *got.project.scope(), *test.scope)
			}
		})
	}
}

func TestEntryOfCloudsYAML(t *testing.T) {
	const other = "clouds: {prod: {auth: {auth_url: https://other.example/v3, user_id: u, password: p}}}"
	profile := "public-clouds: {vendor: {region_name: vendor-region, auth: {auth_url: https://vendor.example, username: unused}}}"
	tests := map[string]struct {
		files       map[string]string
		environment map[string]string
		config      Config
		check       func(*target) bool
	}{
		"working directory comes first": {
			files:  map[string]string{"clouds.yaml": cloudsYAML, "home/.config/openstack/clouds.yaml": other},
			config: Config{Cloud: "prod"},
			check:  func(g *target) bool { return g.authURL == "https://keystone.prod.example/v3" },
		},
		"user's configuration comes next": {
			files:  map[string]string{"home/.config/openstack/clouds.yaml": other},
			config: Config{Cloud: "prod"},
			check:  func(g *target) bool { return g.authURL == "https://other.example/v3" },
		},
		"XDG_CONFIG_HOME replaces it": {
			files:       map[string]string{"home/.config/openstack/clouds.yaml": cloudsYAML, "xdg/openstack/clouds.yaml": other},
			environment: map[string]string{"XDG_CONFIG_HOME": "xdg"},
			config:      Config{Cloud: "prod"},
			check:       func(g *target) bool { return g.authURL == "https://other.example/v3" },
		},
		"OS_CLIENT_CONFIG_FILE is the only one": {
			files:       map[string]string{"clouds.yaml": cloudsYAML, "named.yaml": other},
			environment: map[string]string{"OS_CLIENT_CONFIG_FILE": "named.yaml"},
			config:      Config{Cloud: "prod"},
			check:       func(g *target) bool { return g.authURL == "https://other.example/v3" },
		},
		"secure.yaml beside it adds and overrules": {
			files: map[string]string{
				"clouds.yaml": cloudsYAML,
				"secure.yaml": "clouds: {prod: {auth: {password: secure}}, token: {auth: {token: not-this}}}",
			},
			config: Config{Cloud: "prod"},
			check: func(g *target) bool {
				return g.credentials.options.Password == "secure" && g.credentials.options.Username == "file-user" && g.region == "file-region"
			},
		},
		"OS_CLIENT_SECURE_FILE names another": {
			files: map[string]string{
				"clouds.yaml": cloudsYAML,
				"secure.yaml": "clouds: {prod: {auth: {password: not-this}}}",
				"vault.yaml":  "clouds: {prod: {auth: {password: vault}}}",
			},
			environment: map[string]string{"OS_CLIENT_SECURE_FILE": "vault.yaml"},
			config:      Config{Cloud: "prod"},
			check:       func(g *target) bool { return g.credentials.options.Password == "vault" },
		},
		"empty auth in secure.yaml takes nothing away": {
			files:  map[string]string{"clouds.yaml": cloudsYAML, "secure.yaml": "clouds: {prod: {auth: }}"},
			config: Config{Cloud: "prod"},
			check:  func(g *target) bool { return g.credentials.options.Username == "file-user" },
		},
		"profile lies under the entry": {
			files:  map[string]string{"clouds.yaml": cloudsYAML, "clouds-public.yaml": profile},
			config: Config{Cloud: "profiled"},
			check: func(g *target) bool {
				return g.authURL == "https://vendor.example/v3" && g.region == "vendor-region" && g.credentials.options.Username == "u"
			},
		},
		"profile that is nowhere does not matter when the address is known": {
			files:  map[string]string{"clouds.yaml": cloudsYAML},
			config: Config{Cloud: "unprofiled", AuthURL: "https://k.example"},
			check:  func(g *target) bool { return g.authURL == "https://k.example/v3" },
		},
		"only region of the list and endpoint_type": {
			files:  map[string]string{"clouds.yaml": cloudsYAML},
			config: Config{Cloud: "regions"},
			check:  func(g *target) bool { return g.region == "only" && g.iface == "admin" },
		},
		"password of digits keeps its digits": {
			files:  map[string]string{"clouds.yaml": "clouds: {c: {auth: {auth_url: https://k.example, user_id: 007, password: 0123, project_id: 1e3}}}"},
			config: Config{Cloud: "c"},
			check: func(g *target) bool {
				return g.credentials.options.Password == "0123" && g.credentials.options.UserID == "007" && g.credentials.project.id == "1e3"
			},
		},
		"merge keys of YAML": {
			files:  map[string]string{"clouds.yaml": "base: &b {auth_url: https://k.example, user_id: u}\nclouds: {c: {auth: {<<: *b, password: p}}}"},
			config: Config{Cloud: "c"},
			check: func(g *target) bool {
				return g.authURL == "https://k.example/v3" && g.credentials.options.UserID == "u"
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := resolved(t, test.config, place(t, test.files, test.environment))
			if !test.check(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestConfigurationErrorsNameTheArgumentAndTheWayOut(t *testing.T) {
	base := Config{AuthURL: "https://k.example", UserID: "u", Password: "p"}
	with := func(change func(*Config)) Config {
		c := base
		change(&c)
		return c
	}
	tests := map[string]struct {
		config      Config
		environment map[string]string
		files       map[string]string
		field       string
		says        []string
	}{
		"nothing given":                  {field: "auth_url", says: []string{"OS_AUTH_URL", "cloud"}},
		"nobody signs in":                {config: Config{AuthURL: "https://k.example"}, field: "username", says: []string{"OS_USERNAME"}},
		"user without password":          {config: Config{AuthURL: "https://k.example", UserID: "u"}, environment: map[string]string{"OS_TOKEN": "t"}, field: "password", says: []string{"OS_PASSWORD"}},
		"password without user":          {config: Config{AuthURL: "https://k.example", Password: "p"}, field: "username", says: []string{"user_domain_name"}},
		"token and password":             {config: with(func(c *Config) { c.Token = "t" }), field: "password", says: []string{"token", "leave one out"}},
		"token with line break inside":   {config: Config{AuthURL: "https://k.example", Token: "a\nb"}, field: "token", says: []string{"characters"}},
		"auth type token without token":  {config: Config{AuthURL: "https://k.example"}, environment: map[string]string{"OS_AUTH_TYPE": "token"}, field: "token", says: []string{"OS_AUTH_TYPE"}},
		"credential without secret":      {config: Config{AuthURL: "https://k.example", ApplicationCredentialID: "a"}, field: "application_credential_secret", says: []string{"OS_APPLICATION_CREDENTIAL_SECRET"}},
		"credential secret alone":        {config: Config{AuthURL: "https://k.example", ApplicationCredentialSecret: "s"}, field: "application_credential_id"},
		"credential name without user":   {config: Config{AuthURL: "https://k.example", ApplicationCredentialName: "n", ApplicationCredentialSecret: "s"}, field: "application_credential_name", says: []string{"username"}},
		"address of another version":     {config: with(func(c *Config) { c.AuthURL = "https://k.example/v2.0/" }), field: "auth_url", says: []string{"/v3"}},
		"address without scheme":         {environment: map[string]string{"OS_AUTH_URL": "k.example:5000"}, config: Config{UserID: "u", Password: "p"}, field: "auth_url", says: []string{"OS_AUTH_URL", "http"}},
		"address with a password":        {config: with(func(c *Config) { c.AuthURL = "https://u:sentinel-password@k.example" }), field: "auth_url", says: []string{"password"}},
		"address that is none":           {config: with(func(c *Config) { c.AuthURL = "https://u:sentinel-password@k.exa mple" }), field: "auth_url", says: []string{"URL"}},
		"endpoint with query":            {config: with(func(c *Config) { c.Endpoint = "https://g.example/?a=b" }), field: "endpoint", says: []string{"query"}},
		"unknown interface":              {config: with(func(c *Config) { c.Interface = "inside" }), field: "interface", says: []string{"internal"}},
		"unknown flavor":                 {config: with(func(c *Config) { c.Flavor = "azure" }), field: "flavor", says: []string{"openstack"}},
		"unknown patch format":           {config: with(func(c *Config) { c.PatchFormat = "v3" }), field: "patch_format", says: []string{"v2.1"}},
		"insecure that is no answer":     {config: base, environment: map[string]string{"OS_INSECURE": "maybe"}, field: "insecure", says: []string{"OS_INSECURE"}},
		"missing CA file":                {config: base, environment: map[string]string{"OS_CACERT": "none.pem"}, field: "cacert", says: []string{"OS_CACERT", "none.pem"}},
		"key without certificate":        {config: with(func(c *Config) { c.Key = "key.pem" }), field: "key", says: []string{"cert"}},
		"certificate without file":       {config: with(func(c *Config) { c.Cert = "cert.pem" }), field: "cert", says: []string{"cert.pem"}},
		"no clouds.yaml":                 {config: Config{Cloud: "prod"}, field: "cloud", says: []string{`"prod"`, "/etc/openstack/clouds.yaml", "OS_CLIENT_CONFIG_FILE"}},
		"named clouds.yaml is not there": {config: Config{Cloud: "prod"}, environment: map[string]string{"OS_CLIENT_CONFIG_FILE": "no.yaml"}, files: map[string]string{"clouds.yaml": cloudsYAML}, field: "cloud", says: []string{"no.yaml"}},
		"no such entry":                  {environment: map[string]string{"OS_CLOUD": "stage"}, files: map[string]string{"clouds.yaml": cloudsYAML}, field: "cloud", says: []string{`"stage" (OS_CLOUD)`, "clouds.yaml", "app, oidc, prod, profiled, regions, token, unprofiled"}},
		"no entry at all":                {config: Config{Cloud: "prod"}, files: map[string]string{"clouds.yaml": "{}"}, field: "cloud", says: []string{"none"}},
		"broken YAML":                    {config: Config{Cloud: "c"}, files: map[string]string{"clouds.yaml": "clouds:\n  c:\n    auth:\n      password: *sentinel-password\n"}, field: "cloud", says: []string{"clouds.yaml"}},
		"value of the wrong type":        {config: Config{Cloud: "c"}, files: map[string]string{"clouds.yaml": "clouds: {c: {auth: sentinel-password}}"}, field: "cloud", says: []string{"line 1"}},
		"broken secure.yaml":             {config: Config{Cloud: "prod"}, files: map[string]string{"clouds.yaml": cloudsYAML, "secure.yaml": "clouds: {prod: {verify: sentinel-password}}"}, field: "cloud", says: []string{"secure.yaml", "line 1"}},
		"unsupported auth type":          {config: Config{Cloud: "oidc"}, files: map[string]string{"clouds.yaml": cloudsYAML}, field: "cloud", says: []string{"v3oidcpassword", "OS_TOKEN"}},
		"profile that is nowhere":        {config: Config{Cloud: "unprofiled"}, files: map[string]string{"clouds.yaml": cloudsYAML}, field: "auth_url", says: []string{`"elsewhere"`, "clouds-public.yaml"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.config.Getenv = place(t, test.files, test.environment)
			_, err := New(test.config)
			var wrong *ConfigError
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, want a ConfigError", err)
			}
			if wrong.Field != test.field {
				t.Errorf("field %q, want %q (%s)", wrong.Field, test.field, wrong.Message)
			}
			for _, word := range test.says {
				if !strings.Contains(wrong.Message, word) {
					t.Errorf("message lacks %q: %s", word, wrong.Message)
				}
			}
			if strings.Contains(err.Error(), "sentinel") {
				t.Errorf("message quotes a secret: %v", err)
			}
		})
	}
}

func TestUnreadableCloudsYAMLIsAnErrorAndNotSkipped(t *testing.T) {
	getenv := place(t, map[string]string{"clouds.yaml/is-a-folder": "", "home/.config/openstack/clouds.yaml": cloudsYAML}, nil)
	_, err := New(Config{Cloud: "prod", Getenv: getenv})
	var wrong *ConfigError
	if !errors.As(err, &wrong) || wrong.Field != "cloud" || !strings.Contains(wrong.Message, "cannot be read") {
		t.Errorf("got %v", err)
	}
}
