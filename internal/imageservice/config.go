package imageservice

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// Config says which image service to talk to, and as whom. A field that is
// empty was not given: it then comes from the entry of clouds.yaml that Cloud or
// OS_CLOUD names, else from the environment (OS_*; HW_* for access keys).
type Config struct {
	// Flavor is the kind of service: "openstack" (also when empty), "huaweicloud"
	// or "opentelekomcloud".
	Flavor string
	// UpdatePath says which API writes images: "images" for /v2/images, or
	// "cloudimages" for /v2/cloudimages, which only IMS has and which writes only
	// private images that are active. Empty: cloudimages for huaweicloud, where
	// the vendor has deprecated the other, else images.
	UpdatePath string
	// PatchFormat is the form of patches on the path images, "v2.1" (also when
	// empty) or "v2.0".
	PatchFormat string

	// Endpoint overrides the service catalogue: the address of the image
	// service, with or without its version.
	Endpoint string
	// Interface chooses among the catalogue's addresses: "public" (also when
	// nothing is given), "internal" or "admin".
	Interface string
	// Cloud names an entry of clouds.yaml.
	Cloud string

	AuthURL, Region                    string
	Username, UserID, Password         string
	UserDomainName, UserDomainID       string
	ProjectName, ProjectID             string
	ProjectDomainName, ProjectDomainID string
	Token                              string
	ApplicationCredentialID            string
	ApplicationCredentialName          string
	ApplicationCredentialSecret        string
	// DomainName and DomainID stand in for the domain of the user and of the
	// project where those have none of their own.
	DomainName, DomainID string

	// AccessKey and SecretKey sign every request, instead of a session with
	// Keystone; SecurityToken belongs to a temporary pair. Only IMS knows them.
	AccessKey, SecretKey, SecurityToken string

	// CACert, Cert and Key are each a path or PEM text.
	CACert, Cert, Key string
	// Insecure accepts any certificate. Nil: not given.
	Insecure *bool

	// BatchReads lets reads of several images at the same time share one list
	// request, instead of a request for each. Nil: the flavor's default, true for
	// openstack and false for IMS, which documents no lists by several ids.
	BatchReads *bool

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
	// provider's configuration, e.g. "auth_url". The value may have come from
	// clouds.yaml or the environment; the message then says so.
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
	cloud       attribute.Cloud
	authURL     string // the identity service's address, ending in /v3; empty when nothing is asked of it
	credentials credentials
	endpoint    string // canonical, empty for that of the catalogue
	iface       string
	region      string
	path        string // imagesPath or cloudImagesPath
	dialect     patch.Dialect
	batchReads  bool
	transport   transport.Options
}

// Values of the arguments flavor, update_path and patch_format.
const (
	updateImages      = "images"
	updateCloudImages = "cloudimages"

	formatV21 = "v2.1"
	formatV20 = "v2.0"
)

// flavors are the defaults of the clouds.
var flavors = map[attribute.Cloud]struct {
	updatePath string
	batchReads bool
}{
	attribute.OpenStack:        {updateImages, true},
	attribute.OpenTelekomCloud: {updateImages, false},
	attribute.HuaweiCloud:      {updateCloudImages, false},
}

func (c Config) resolve() (*target, error) {
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	t, err := c.service()
	if err != nil {
		return nil, err
	}
	s, err := c.settings()
	if err != nil {
		return nil, err
	}
	if err := s.checkAccessKey(t.cloud); err != nil {
		return nil, err
	}
	if t.authURL, err = s.authURL(); err != nil {
		return nil, err
	}
	switch m, _, err := s.method(t.cloud); {
	case t.authURL != "" || m == byAccessKey:
	case err != nil && s.get("access_key").value != "":
		return nil, err
	default:
		return nil, configErrorf("auth_url", "the address of Keystone is not known; give auth_url, or cloud with an entry of clouds.yaml, or set OS_AUTH_URL or OS_CLOUD%s", s.hint)
	}
	if t.iface, err = s.catalogueInterface(); err != nil {
		return nil, err
	}
	if e := s.get("endpoint"); e.value != "" {
		if t.endpoint, err = canonicalEndpoint(e.value); err != nil {
			return nil, configErrorf("endpoint", "%s is no address of an image service: %v", e.origin, err)
		}
	}
	if t.credentials, err = s.credentials(t.cloud); err != nil {
		return nil, err
	}
	t.region = s.get("region").value
	if t.credentials.method == byAccessKey {
		if err := s.withoutCatalogue(t); err != nil {
			return nil, err
		}
	}
	t.transport, err = s.transport(c)
	return t, err
}

// service reads what is said about the kind of service.
func (c Config) service() (*target, error) {
	t := &target{cloud: attribute.Cloud(c.Flavor), path: imagesPath}
	if c.Flavor == "" {
		t.cloud = attribute.OpenStack
	}
	defaults, known := flavors[t.cloud]
	if !known {
		return nil, configErrorf("flavor", "%q is not known; use \"openstack\", \"huaweicloud\" or \"opentelekomcloud\"", c.Flavor)
	}
	t.batchReads = defaults.batchReads
	if c.BatchReads != nil {
		t.batchReads = *c.BatchReads
	}
	updatePath := cmp.Or(c.UpdatePath, defaults.updatePath)
	switch {
	case updatePath == updateCloudImages && !t.cloud.IMS():
		return nil, configErrorf("update_path", "\"cloudimages\" is an API of Huawei Cloud and Open Telekom Cloud; use \"images\", or set flavor to the cloud")
	case updatePath == updateCloudImages:
		t.path = cloudImagesPath
	case updatePath != updateImages:
		return nil, configErrorf("update_path", "%q is not known; use \"images\" or \"cloudimages\"", c.UpdatePath)
	}
	switch c.PatchFormat {
	case "", formatV21:
		t.dialect = patch.ImagesV21
	case formatV20:
		t.dialect = patch.ImagesV20
	default:
		return nil, configErrorf("patch_format", "%q is not known; use \"v2.1\" or \"v2.0\"", c.PatchFormat)
	}
	if t.path == cloudImagesPath && t.dialect == patch.ImagesV20 {
		return nil, configErrorf("patch_format", "\"v2.0\" is a form of the API images only; leave it out, or set update_path to \"images\"")
	}
	return t, nil
}

// withoutCatalogue finds what a session with Keystone would have said: the
// address of the image service, and the project or who knows it.
func (s settings) withoutCatalogue(t *target) error {
	known := documentedHosts[t.cloud]
	region := s.get("region")
	switch {
	case t.endpoint != "":
	case region.value == "":
		return configErrorf("endpoint", "an access key comes without a service catalogue, so that the image service cannot be found; give region, or endpoint")
	case !known.has(region.value):
		return configErrorf("region", "%s is %q, for which no image service of the flavor %q is documented; give endpoint, or one of %s",
			region.origin, region.value, t.cloud, strings.Join(known.regions, ", "))
	default:
		t.endpoint = known.imagesIn(region.value)
	}
	p := t.credentials.project
	switch {
	case !p.wanted():
		return configErrorf("project_id", "an access key belongs to no project by itself, and images do; give project_id, or project_name")
	case p.id != "" || t.authURL != "":
		return nil
	case !known.has(region.value):
		return configErrorf("auth_url", "the project %q (%s) is known to the identity service, whose address is not known; give project_id, or auth_url or region", p.name, p.origin)
	}
	t.authURL = known.iamIn(region.value)
	return nil
}

// authURL returns the address of Keystone's API v3, empty when none is given. The version is appended
// where it is missing; what Keystone's own list of versions says is not asked
// for, since behind a proxy it often names addresses that only work inside.
func (s settings) authURL() (string, error) {
	g := s.get("auth_url")
	if g.value == "" {
		return "", nil
	}
	u, err := parseAddress(g.value)
	if err != nil {
		return "", configErrorf("auth_url", "%s is no address of Keystone: %v; it looks like https://keystone.example.com:5000/v3", g.origin, err)
	}
	switch path.Base(u.Path) {
	case "v3":
	case "v2.0":
		return "", configErrorf("auth_url", "%s ends in /v2.0, a version of Keystone's API that no longer exists; let it end in /v3", g.origin)
	default:
		u.Path += "/v3"
	}
	return u.String(), nil
}

// parseAddress reads an http or https address without user, query and fragment,
// and drops what does not tell two addresses apart. Its errors do not quote the
// text, which may hold a password.
func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("it does not begin with http:// or https://")
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
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return u, nil
}

func (s settings) catalogueInterface() (string, error) {
	g := s.get("interface")
	switch strings.TrimSuffix(strings.ToLower(g.value), "url") {
	case "", "public":
		return "public", nil
	case "internal":
		return "internal", nil
	case "admin":
		return "admin", nil
	}
	return "", configErrorf("interface", "%s is %q; use \"public\", \"internal\" or \"admin\"", g.origin, g.value)
}

// transport returns the settings of the connection, after a test of the
// certificates: a mistake there is one in the configuration, and wants a name.
func (s settings) transport(c Config) (transport.Options, error) {
	options := transport.Options{
		UserAgent:      c.UserAgent,
		RequestTimeout: c.RequestTimeout,
		MaxRetries:     c.MaxRetries,
		Log:            c.Log,
	}
	insecure := s.get("insecure")
	switch strings.ToLower(insecure.value) {
	case "", "0", "f", "false", "n", "no", "off":
	case "1", "t", "true", "y", "yes", "on":
		options.Insecure = true
	default:
		return options, configErrorf("insecure", "%s is neither true nor false", insecure.origin)
	}
	ca := s.get("cacert")
	options.CACert = ca.value
	if _, err := transport.New(options); err != nil {
		return options, configErrorf("cacert", "%s: %v", ca.origin, err)
	}
	cert, key := s.get("cert"), s.get("key")
	options.ClientCert, options.ClientKey = cert.value, key.value
	if _, err := transport.New(options); err != nil {
		field, origins := "cert", cert.origin
		switch {
		case cert.value == "":
			field, origins = "key", key.origin
		case key.value != "":
			origins += " and " + key.origin
		}
		return options, configErrorf(field, "%s: %v", origins, err)
	}
	return options, nil
}
