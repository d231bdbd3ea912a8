package horizon

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// Config says which Horizon Connection Server to talk to, and as whom. A field
// that is empty was not given: it then comes from the environment, HORIZON_URL,
// HORIZON_DOMAIN and so on.
type Config struct {
	// URL is the address of a Connection Server, with or without https:// and
	// with or without the API's path /rest.
	URL string
	// Domain is the Active Directory domain of the user. It may stand in Username.
	Domain string
	// Username is the name of the user, also as DOMAIN\user.
	Username string
	Password string
	// CACert is a path or PEM text.
	CACert string
	// Insecure accepts any certificate. Nil: not given.
	Insecure *bool

	// RequestTimeout is the time for one attempt of a request. 0 means 60 s.
	RequestTimeout time.Duration
	// MaxRetries is how often a request is repeated where that is safe.
	MaxRetries int
	// UserAgent is sent with every request.
	UserAgent string
	// Log receives what happens, without credentials and without bodies. It may be nil.
	Log func(ctx context.Context, message string, fields map[string]any)
	// Getenv reads the environment. Nil means os.Getenv.
	Getenv func(string) string
}

// ConfigError is a configuration that no request can be made with.
type ConfigError struct {
	// Field is the argument that is wrong or missing, under its name in the
	// provider's configuration, e.g. "url". The value may have come from the
	// environment; the message then says so.
	Field string
	// Message says what is wrong and what to do.
	Message string
}

func (e *ConfigError) Error() string { return e.Field + ": " + e.Message }

func configErrorf(field, format string, args ...any) *ConfigError {
	return &ConfigError{Field: field, Message: fmt.Sprintf(format, args...)}
}

// target is a Config after everything was looked up and checked.
type target struct {
	base      string // canonical address, without /rest
	host      string
	user      user
	transport transport.Options
}

// user is who signs in.
type user struct{ domain, name, password string }

func (u user) String() string { return u.domain + `\` + u.name }

// given is a value and the place it came from, for messages.
type given struct{ value, origin string }

// variables are the variables of the environment per argument.
var variables = map[string]string{
	"url": "HORIZON_URL", "domain": "HORIZON_DOMAIN", "username": "HORIZON_USERNAME", "password": "HORIZON_PASSWORD",
	"cacert": "HORIZON_CACERT", "insecure": "HORIZON_INSECURE",
}

func (c Config) resolve() (*target, error) {
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	address := c.get("url", c.URL)
	who := map[string]given{"username": c.get("username", c.Username), "domain": c.get("domain", c.Domain)}
	password := given{c.Password, "password"}
	if password.value == "" {
		password = given{c.Getenv(variables["password"]), variables["password"]} // Blanks around it may belong to it.
	}
	t := &target{user: user{password: password.value}}
	var err error
	if t.user.domain, t.user.name, err = splitUser(who["domain"], who["username"]); err != nil {
		return nil, err
	}
	if err := missing(given{address.value, "url"}, given{t.user.name, "username"}, given{t.user.domain, "domain"}, given{password.value, "password"}); err != nil {
		return nil, err
	}
	u, err := parseAddress(address.value)
	if err != nil {
		return nil, configErrorf("url", "%s is no address of a Horizon Connection Server: %v; it looks like https://horizon.example.com", address.origin, err)
	}
	t.base, t.host = u.String(), u.Host
	t.transport, err = c.transport()
	return t, err
}

// get returns the argument, else the variable that stands in for it.
func (c Config) get(name, argument string) given {
	if value := strings.TrimSpace(argument); value != "" {
		return given{value, name}
	}
	return given{strings.TrimSpace(c.Getenv(variables[name])), variables[name]}
}

// missing names everything that is missing at once; the field is the first.
func missing(pieces ...given) error {
	pieces = slices.DeleteFunc(pieces, func(g given) bool { return g.value != "" })
	if len(pieces) == 0 {
		return nil
	}
	var arguments, names []string
	for _, g := range pieces {
		arguments = append(arguments, g.origin)
		names = append(names, variables[g.origin])
	}
	return configErrorf(pieces[0].origin, "to sign in to Horizon, %s must be given as well; give it in the configuration, or set %s",
		strings.Join(arguments, ", "), strings.Join(names, ", "))
}

// splitUser reads DOMAIN\user. A user principal name is refused here, since the
// server refuses it without a word on why (vendor's text on POST /login: "UPN
// based login is not supported").
func splitUser(domain, username given) (string, string, error) {
	if name, suffix, found := strings.Cut(username.value, "@"); found {
		return "", "", configErrorf("username", "%s is %q, a user principal name, which Horizon's REST API does not accept; give username = %q, and domain with the domain that %q stands for",
			username.origin, username.value, name, suffix)
	}
	prefix, name, found := strings.Cut(username.value, `\`)
	switch {
	case !found:
		return domain.value, username.value, nil
	case prefix == "" || name == "":
		return "", "", configErrorf("username", `%s is %q; it looks like user, or DOMAIN\user`, username.origin, username.value)
	case domain.value == "" || strings.EqualFold(domain.value, prefix):
		return prefix, name, nil
	case domain.origin == "domain" && username.origin != "username":
		return domain.value, name, nil // An argument stands before the environment.
	case domain.origin == "domain" || username.origin != "username":
		return "", "", configErrorf("domain", "%s is %q, but %s names the domain %q; leave one of them out", domain.origin, domain.value, username.origin, prefix)
	}
	return prefix, name, nil
}

// consoles are the paths of Horizon's pages for people.
var consoles = []string{"admin", "newadmin", "portal"}

// parseAddress reads the address of a server, without the path of its API, and
// drops what does not tell two addresses apart. Its errors do not quote the
// text, which may hold a password.
func parseAddress(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("it does not begin with https:// or http://")
	case u.Hostname() == "":
		return nil, fmt.Errorf("it names no host")
	case u.User != nil:
		return nil, fmt.Errorf("it holds a user name or password, which do not belong there")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, fmt.Errorf("it holds a query or a fragment (? or #)")
	}
	u.Host = strings.ToLower(u.Host)
	if port := u.Port(); port == "" || (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	segments := slices.DeleteFunc(strings.Split(u.Path, "/"), func(s string) bool { return s == "" })
	if i := slices.Index(segments, "rest"); i >= 0 {
		segments = segments[:i] // Also of the address of the API's own pages, /rest/swagger-ui.html.
	}
	if n := len(segments); n > 0 && slices.Contains(consoles, strings.ToLower(segments[n-1])) {
		return nil, fmt.Errorf("it ends in /%s, which is a page for people; leave that out", segments[n-1])
	}
	u.Path, u.RawPath = "", ""
	for _, segment := range segments {
		u.Path += "/" + segment
	}
	return u, nil
}

// transport returns the settings of the connection, after a test of the
// certificates: a mistake there is one in the configuration, and wants a name.
func (c Config) transport() (transport.Options, error) {
	options := transport.Options{
		UserAgent:      c.UserAgent,
		RequestTimeout: c.RequestTimeout,
		MaxRetries:     c.MaxRetries,
		Log:            c.Log,
	}
	insecure := given{"", "insecure"}
	if c.Insecure != nil {
		insecure.value = strconv.FormatBool(*c.Insecure)
	} else {
		insecure = c.get("insecure", "")
	}
	switch strings.ToLower(insecure.value) {
	case "", "0", "f", "false", "n", "no", "off":
	case "1", "t", "true", "y", "yes", "on":
		options.Insecure = true
	default:
		return options, configErrorf("insecure", "%s is neither true nor false", insecure.origin)
	}
	ca := c.get("cacert", c.CACert)
	options.CACert = ca.value
	if _, err := transport.New(options); err != nil {
		return options, configErrorf("cacert", "%s: %v", ca.origin, err)
	}
	return options, nil
}
