package imageservice

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
)

// given is a value and the place it came from, for messages.
type given struct {
	value  string
	origin string // "auth_url", "OS_AUTH_URL", "auth_url of the entry ... in clouds.yaml"
	layer  int    // 0 is the first to be asked
}

// settings are the values of every source, in the order in which the sources
// are asked: the arguments, the entry of clouds.yaml, the environment.
type settings struct {
	layers []map[string]given
	hint   string // what else is to be said when the address of Keystone is missing
}

// source says where one setting comes from. The names are those of the
// provider's arguments; some settings have no argument, some no variable.
type source struct {
	name     string
	argument func(*Config) string
	entry    func(*clouds.Cloud) string
	// environment are the variables, the preferred one first.
	environment []string
	// verbatim keeps white space around the value.
	verbatim bool
}

// sources follows the names of openstackclient's variables and of the entries
// of clouds.yaml (openstacksdk, "Configuring OpenStack SDK Applications").
var sources = []source{
	{
		name:        "auth_url",
		argument:    func(c *Config) string { return c.AuthURL },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.AuthURL },
		environment: []string{"OS_AUTH_URL"},
	},
	{
		name:        "region",
		argument:    func(c *Config) string { return c.Region },
		entry:       entryRegion,
		environment: []string{"OS_REGION_NAME"},
	},
	{
		name:     "endpoint",
		argument: func(c *Config) string { return c.Endpoint },
	},
	{
		name:        "interface",
		argument:    func(c *Config) string { return c.Interface },
		entry:       entryInterface,
		environment: []string{"OS_INTERFACE", "OS_ENDPOINT_TYPE"},
	},
	{
		name:        "auth_type",
		entry:       func(e *clouds.Cloud) string { return string(e.AuthType) },
		environment: []string{"OS_AUTH_TYPE"},
	},
	{
		name:        "username",
		argument:    func(c *Config) string { return c.Username },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.Username },
		environment: []string{"OS_USERNAME"},
	},
	{
		name:        "user_id",
		argument:    func(c *Config) string { return c.UserID },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.UserID },
		environment: []string{"OS_USER_ID"},
	},
	{
		name:        "user_domain_name",
		argument:    func(c *Config) string { return c.UserDomainName },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.UserDomainName },
		environment: []string{"OS_USER_DOMAIN_NAME"},
	},
	{
		name:        "user_domain_id",
		argument:    func(c *Config) string { return c.UserDomainID },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.UserDomainID },
		environment: []string{"OS_USER_DOMAIN_ID"},
	},
	{
		name:        "password",
		argument:    func(c *Config) string { return c.Password },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.Password },
		environment: []string{"OS_PASSWORD"},
		verbatim:    true,
	},
	{
		name:        "project_name",
		argument:    func(c *Config) string { return c.ProjectName },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.ProjectName },
		environment: []string{"OS_PROJECT_NAME", "OS_TENANT_NAME"},
	},
	{
		name:        "project_id",
		argument:    func(c *Config) string { return c.ProjectID },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.ProjectID },
		environment: []string{"OS_PROJECT_ID", "OS_TENANT_ID"},
	},
	{
		name:        "project_domain_name",
		argument:    func(c *Config) string { return c.ProjectDomainName },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.ProjectDomainName },
		environment: []string{"OS_PROJECT_DOMAIN_NAME"},
	},
	{
		name:        "project_domain_id",
		argument:    func(c *Config) string { return c.ProjectDomainID },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.ProjectDomainID },
		environment: []string{"OS_PROJECT_DOMAIN_ID"},
	},
	{
		name:        "domain_name",
		argument:    func(c *Config) string { return c.DomainName },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.DomainName },
		environment: []string{"OS_DOMAIN_NAME"},
	},
	{
		name:        "domain_id",
		argument:    func(c *Config) string { return c.DomainID },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.DomainID },
		environment: []string{"OS_DOMAIN_ID"},
	},
	{
		name:        "default_domain",
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.DefaultDomain },
		environment: []string{"OS_DEFAULT_DOMAIN"},
	},
	{
		name:        "trust_id",
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.TrustID },
		environment: []string{"OS_TRUST_ID"},
	},
	{
		name:        "token",
		argument:    func(c *Config) string { return c.Token },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.Token },
		environment: []string{"OS_TOKEN", "OS_AUTH_TOKEN"},
	},
	{
		name:        "application_credential_id",
		argument:    func(c *Config) string { return c.ApplicationCredentialID },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.ApplicationCredentialID },
		environment: []string{"OS_APPLICATION_CREDENTIAL_ID"},
	},
	{
		name:        "application_credential_name",
		argument:    func(c *Config) string { return c.ApplicationCredentialName },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.ApplicationCredentialName },
		environment: []string{"OS_APPLICATION_CREDENTIAL_NAME"},
	},
	{
		name:        "application_credential_secret",
		argument:    func(c *Config) string { return c.ApplicationCredentialSecret },
		entry:       func(e *clouds.Cloud) string { return e.AuthInfo.ApplicationCredentialSecret },
		environment: []string{"OS_APPLICATION_CREDENTIAL_SECRET"},
		verbatim:    true,
	},
	{
		// The names of Huawei Cloud's and Open Telekom Cloud's own providers;
		// clouds.yaml has none for access keys.
		name:        "access_key",
		argument:    func(c *Config) string { return c.AccessKey },
		environment: []string{"HW_ACCESS_KEY", "OS_ACCESS_KEY"},
	},
	{
		name:        "secret_key",
		argument:    func(c *Config) string { return c.SecretKey },
		environment: []string{"HW_SECRET_KEY", "OS_SECRET_KEY"},
	},
	{
		name:        "security_token",
		argument:    func(c *Config) string { return c.SecurityToken },
		environment: []string{"HW_SECURITY_TOKEN", "OS_SECURITY_TOKEN"},
	},
	{
		name:        "cacert",
		argument:    func(c *Config) string { return c.CACert },
		entry:       func(e *clouds.Cloud) string { return e.CACertFile },
		environment: []string{"OS_CACERT"},
	},
	{
		name:        "cert",
		argument:    func(c *Config) string { return c.Cert },
		entry:       func(e *clouds.Cloud) string { return e.ClientCertFile },
		environment: []string{"OS_CERT"},
	},
	{
		name:        "key",
		argument:    func(c *Config) string { return c.Key },
		entry:       func(e *clouds.Cloud) string { return e.ClientKeyFile },
		environment: []string{"OS_KEY"},
	},
	{
		name:        "insecure",
		argument:    func(c *Config) string { return formatBool(c.Insecure) },
		entry:       entryInsecure,
		environment: []string{"OS_INSECURE"},
	},
}

// entryRegion falls back to the list of regions, which openstacksdk chooses the
// first of. Of several the catalogue decides, or the user does.
func entryRegion(e *clouds.Cloud) string {
	if e.RegionName == "" && len(e.Regions) == 1 {
		return e.Regions[0].Name
	}
	return e.RegionName
}

func entryInterface(e *clouds.Cloud) string {
	if e.EndpointType != "" {
		return e.EndpointType
	}
	return e.Interface
}

func entryInsecure(e *clouds.Cloud) string {
	if e.Verify == nil {
		return ""
	}
	return strconv.FormatBool(!*e.Verify)
}

func formatBool(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

// settings reads all sources.
func (c Config) settings() (settings, error) {
	arguments, environment := map[string]given{}, map[string]given{}
	for _, source := range sources {
		if source.argument != nil {
			source.put(arguments, source.argument(&c), source.name)
		}
		for _, variable := range source.environment {
			source.put(environment, c.Getenv(variable), variable)
		}
	}
	s := settings{layers: []map[string]given{arguments, environment}}
	name, field := strings.TrimSpace(c.Cloud), "cloud"
	if name == "" {
		name, field = strings.TrimSpace(c.Getenv("OS_CLOUD")), "OS_CLOUD"
	}
	if name != "" {
		entry, err := readEntry(c.Getenv, name, field)
		if err != nil {
			return settings{}, err
		}
		values := map[string]given{}
		for _, source := range sources {
			if source.entry != nil {
				source.put(values, source.entry(&entry.cloud), fmt.Sprintf("%s of the entry %q in %s", source.name, name, entry.file))
			}
		}
		s.layers = []map[string]given{arguments, values, environment}
		s.hint = entry.hint
	}
	for i, layer := range s.layers {
		for name, g := range layer {
			g.layer = i
			layer[name] = g
		}
	}
	return s, nil
}

// put notes a value, unless it is empty or a preferred one is there.
func (s source) put(layer map[string]given, value, origin string) {
	if !s.verbatim {
		value = strings.TrimSpace(value)
	}
	if _, there := layer[s.name]; value == "" || there {
		return
	}
	layer[s.name] = given{value: value, origin: origin}
}

// get returns the value of the first source that has one.
func (s settings) get(name string) given {
	_, g := s.first(name)
	return g
}

// first returns the first of several settings that stand for each other: from
// the first source that has any of them, since a user name given as an argument
// overrules a user id in the environment.
func (s settings) first(names ...string) (string, given) {
	for _, layer := range s.layers {
		for _, name := range names {
			if g, ok := layer[name]; ok {
				return name, g
			}
		}
	}
	return "", given{}
}
