package imageservice

import (
	"fmt"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/signature"
)

// method is a way to sign in.
type method string

const (
	byPassword              method = "password"
	byToken                 method = "token"
	byApplicationCredential method = "application credential"
	byAccessKey             method = "access key"
)

// authTypes are the names of clouds.yaml and OS_AUTH_TYPE for the methods.
var authTypes = map[string]method{
	"password":                byPassword,
	"v3password":              byPassword,
	"token":                   byToken,
	"v3token":                 byToken,
	"v3applicationcredential": byApplicationCredential,
}

// credentials are what a sign-in is made with.
type credentials struct {
	method method
	// options holds the identity. It has no scope, and is copied for every use:
	// gophercloud writes to it.
	options gophercloud.AuthOptions
	project project
	who     string // the identity in words

	// Of the method byAccessKey alone.
	key           signature.Key
	securityToken string
	domainID      string // for requests that no project is known for yet
}

// project is the scope that the configuration asks for; the zero value for none.
type project struct {
	id, name, trustID string
	domain            domain
	origin            string
}

func (p project) wanted() bool { return p != project{} }

func (p project) String() string {
	switch {
	case p.trustID != "":
		return fmt.Sprintf("trust %s (%s)", p.trustID, p.origin)
	case p.id != "":
		return fmt.Sprintf("project %s (%s)", p.id, p.origin)
	}
	return fmt.Sprintf("project %q of %s (%s)", p.name, p.domain, p.origin)
}

func (p project) scope() *gophercloud.AuthScope {
	switch {
	case p.trustID != "":
		return &gophercloud.AuthScope{TrustID: p.trustID}
	case p.id != "":
		return &gophercloud.AuthScope{ProjectID: p.id}
	}
	return &gophercloud.AuthScope{ProjectName: p.name, DomainID: p.domain.id, DomainName: p.domain.name}
}

// domain has an id or a name.
type domain struct {
	id, name string
	origin   string // empty for the one that is taken when none is given
}

func (d domain) String() string {
	text := fmt.Sprintf("domain %q", d.id+d.name)
	if d.origin == "" {
		text += " (none is given)"
	}
	return text
}

// credentials decides how to sign in and gathers what that needs. Leftovers of
// another method, such as OS_PASSWORD beside an argument token, are not sent.
func (s settings) credentials(cloud attribute.Cloud) (credentials, error) {
	m, layer, err := s.method(cloud)
	if err != nil {
		return credentials{}, err
	}
	c := credentials{method: m}
	switch m {
	case byToken:
		err = s.tokenCredentials(&c)
	case byApplicationCredential:
		err = s.applicationCredentials(&c)
	case byAccessKey:
		err = s.accessKeyCredentials(&c)
	default:
		err = s.passwordCredentials(&c)
	}
	if err != nil {
		return credentials{}, err
	}
	c.project = s.project(layer, m)
	return c, nil
}

// namingMethods are the settings that name a method by being there. Where a
// source names several and has no auth_type, the first one counts: who sets a
// token, an access key or an application credential beside a password means it.
var namingMethods = []struct {
	method method
	names  []string
}{
	{byApplicationCredential, []string{"application_credential_id", "application_credential_name", "application_credential_secret"}},
	{byToken, []string{"token"}},
	{byAccessKey, []string{"access_key"}},
	{byPassword, []string{"password"}},
}

// method returns how to sign in, and which source says so: the first one that
// names a method. A user without a password names the methods that need a user,
// so that a token in the environment does not sign in somebody else. Only IMS
// knows access keys: elsewhere one in the environment is for something else.
func (s settings) method(cloud attribute.Cloud) (method, int, error) {
	needsUser := false
	for i, layer := range s.layers {
		if t, ok := layer["auth_type"]; ok {
			m, known := authTypes[t.value]
			if !known {
				return "", 0, configErrorf("cloud", "%s is %q, which is not supported; sign in with a password, with an application credential, or with a token from elsewhere (token, OS_TOKEN)", t.origin, t.value)
			}
			if m != byToken || !needsUser {
				return m, i, nil
			}
		}
		named, origins := namedMethods(cloud, layer, needsUser)
		if i == 0 && len(named) > 1 {
			return "", 0, configErrorf(origins[1], "%s and %s are both given, and each signs in by itself; leave one out", origins[0], origins[1])
		}
		if len(named) > 0 {
			return named[0], i, nil
		}
		_, name := layer["username"]
		_, id := layer["user_id"]
		needsUser = needsUser || name || id
	}
	if needsUser {
		return byPassword, len(s.layers), nil
	}
	if key := s.get("access_key"); key.value != "" {
		return "", 0, accessKeyElsewhere(key)
	}
	if secret := s.get("secret_key"); secret.value != "" && cloud.IMS() {
		return "", 0, configErrorf("access_key", "there is a secret key (%s) without its access key; give access_key, or set HW_ACCESS_KEY", secret.origin)
	}
	return "", 0, configErrorf("username", "nothing says who signs in; give username and password, an application credential or a token, or cloud with an entry of clouds.yaml, or set OS_USERNAME and OS_PASSWORD or OS_CLOUD")
}

// namedMethods returns the methods that a source names, each with the setting that does.
func namedMethods(cloud attribute.Cloud, layer map[string]given, needsUser bool) (methods []method, origins []string) {
	for _, candidate := range namingMethods {
		if (candidate.method == byToken || candidate.method == byAccessKey) && needsUser {
			continue
		}
		if candidate.method == byAccessKey && !cloud.IMS() {
			continue
		}
		_, g := settings{layers: []map[string]given{layer}}.first(candidate.names...)
		if g.value != "" {
			methods, origins = append(methods, candidate.method), append(origins, g.origin)
		}
	}
	return methods, origins
}

// checkAccessKey finds what is wrong with the arguments of an access key,
// whichever method signs in.
func (s settings) checkAccessKey(cloud attribute.Cloud) error {
	_, given := settings{layers: s.layers[:1]}.first("access_key", "secret_key", "security_token")
	switch {
	case given.value == "":
		return nil
	case !cloud.IMS():
		return accessKeyElsewhere(given)
	case s.get("access_key").value == "":
		return configErrorf("access_key", "there is %s without an access key; give access_key, or set HW_ACCESS_KEY", given.origin)
	}
	return nil
}

func accessKeyElsewhere(g given) *ConfigError {
	return configErrorf("access_key", "%s belongs to an access key, which only the image services of Huawei Cloud and Open Telekom Cloud (IMS) know; "+
		"set flavor to \"huaweicloud\" or \"opentelekomcloud\", or sign in with a password, an application credential or a token", g.origin)
}

func (s settings) accessKeyCredentials(c *credentials) error {
	key, secret, token := s.get("access_key"), s.get("secret_key"), s.get("security_token")
	if secret.value == "" {
		return configErrorf("secret_key", "the access key (%s) has no secret key; give secret_key, or set HW_SECRET_KEY", key.origin)
	}
	for _, part := range []struct {
		field string
		given
	}{{"access_key", key}, {"secret_key", secret}, {"security_token", token}} {
		if strings.ContainsFunc(part.value, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' }) {
			return configErrorf(part.field, "%s holds characters that it cannot have", part.origin)
		}
	}
	c.key = signature.Key{Access: key.value, Secret: secret.value}
	if token.layer <= key.layer {
		c.securityToken = token.value // One from a lesser source than the key is a leftover of another key.
	}
	c.domainID = s.get("domain_id").value
	c.who = fmt.Sprintf("the access key (%s)", key.origin)
	return nil
}

func (s settings) tokenCredentials(c *credentials) error {
	token := s.get("token")
	if token.value == "" {
		return configErrorf("token", "the sign-in is by token (%s), and there is none; give token, or set OS_TOKEN", s.get("auth_type").origin)
	}
	if strings.ContainsFunc(token.value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return configErrorf("token", "%s is no token: it holds characters that a token cannot have", token.origin)
	}
	c.options.TokenID = token.value
	c.who = fmt.Sprintf("the token (%s)", token.origin)
	return nil
}

func (s settings) applicationCredentials(c *credentials) error {
	field, g := s.first("application_credential_id", "application_credential_name")
	if field == "" {
		return configErrorf("application_credential_id", "there is an application credential without id and name; give application_credential_id")
	}
	secret := s.get("application_credential_secret")
	if secret.value == "" {
		return configErrorf("application_credential_secret", "the application credential (%s) has no secret; give application_credential_secret, or set OS_APPLICATION_CREDENTIAL_SECRET", g.origin)
	}
	c.options.ApplicationCredentialSecret = secret.value
	c.who = fmt.Sprintf("the application credential %q (%s)", g.value, g.origin)
	if field == "application_credential_id" {
		c.options.ApplicationCredentialID = g.value
		return nil
	}
	c.options.ApplicationCredentialName = g.value
	user := s.user(c)
	if user == "" {
		return configErrorf("application_credential_name", "the application credential %q is given by name, which only its user knows it by; give username or user_id as well, or application_credential_id instead", g.value)
	}
	c.who += " of " + user
	return nil
}

func (s settings) passwordCredentials(c *credentials) error {
	password := s.get("password")
	user := s.user(c)
	switch {
	case user == "":
		return configErrorf("username", "there is a password without a user; give username (with user_domain_name) or user_id, or set OS_USERNAME")
	case password.value == "":
		return configErrorf("password", "there is no password for %s; give password, or set OS_PASSWORD", user)
	}
	c.options.Password = password.value
	c.who = user
	return nil
}

// user sets who signs in and returns it in words, or "" when nothing says so.
func (s settings) user(c *credentials) string {
	field, g := s.first("user_id", "username")
	switch field {
	case "user_id":
		c.options.UserID = g.value
		return fmt.Sprintf("the user %s (%s)", g.value, g.origin)
	case "username":
		d := s.userDomain()
		c.options.Username, c.options.DomainID, c.options.DomainName = g.value, d.id, d.name
		return fmt.Sprintf("the user %q of %s (%s)", g.value, d, g.origin)
	}
	return ""
}

func (s settings) userDomain() domain {
	if d, ok := s.namedDomain("user_domain_id", "user_domain_name", "domain_id", "domain_name"); ok {
		return d
	}
	return s.defaultDomain()
}

// projectDomain is the user's domain when none is given, as most clouds have it.
func (s settings) projectDomain() domain {
	if d, ok := s.namedDomain("project_domain_id", "project_domain_name", "domain_id", "domain_name"); ok {
		return d
	}
	return s.userDomain()
}

func (s settings) namedDomain(names ...string) (domain, bool) {
	field, g := s.first(names...)
	if strings.HasSuffix(field, "_id") {
		return domain{id: g.value, origin: g.origin}, true
	}
	return domain{name: g.value, origin: g.origin}, field != ""
}

// defaultDomain is the one that is configured, else that of every Keystone, as
// openstackclient has it.
func (s settings) defaultDomain() domain {
	if g := s.get("default_domain"); g.value != "" {
		return domain{id: g.value, origin: g.origin}
	}
	return domain{id: "default"}
}

// project returns the scope to ask for. An application credential has its
// project in itself, so that a project from a lesser source than the credential
// is a leftover of something else. A trust is for the user who signs in.
func (s settings) project(methodLayer int, m method) project {
	names := []string{"project_id", "project_name"}
	if m == byPassword {
		names = []string{"trust_id", "project_id", "project_name"}
	}
	field, g := s.first(names...)
	if field == "" || (m == byApplicationCredential && g.layer > methodLayer) {
		return project{}
	}
	p := project{origin: g.origin}
	switch field {
	case "trust_id":
		p.trustID = g.value
	case "project_id":
		p.id = g.value
	default:
		p.name = g.value
		p.domain = s.projectDomain()
	}
	return p
}
