//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// passwords are fixed, so that a test can look for them in everything that is
// written, and unlike any other text, so that such a search finds nothing else.
var passwords = map[string]string{
	acceptance.UserDemo:   "Vq7-demo-Lw93xTzR",
	acceptance.UserOther:  "Hd2-other-Nn58cKpY",
	acceptance.UserReader: "Bj6-reader-Ue41mGsQ",
	acceptance.UserAdmin:  "Xr9-admin-Fa70vDhW",
	serviceUser:           "Zk3-glance-Ot26bJeM",
}

const (
	// serviceUser is the account with which the image services ask Keystone about tokens.
	serviceUser = "glance"
	// serviceProject is the project of serviceUser.
	serviceProject = "service"
	// domainID and domainName are those that `keystone-manage bootstrap` makes.
	domainID   = "default"
	domainName = "Default"
)

// layout is where the parts of a cloud are.
type layout struct {
	dir                string
	keystone           int            // port
	shortLivedKeystone int            // port
	glance             map[string]int // port by region
}

func (l layout) authURL() string {
	return "http://" + address(l.keystone) + "/v3"
}

func (l layout) imageURL(region string) string {
	return "http://" + address(l.glance[region])
}

func (l layout) glanceConfiguration(region string) string {
	return "glance-" + region + ".conf"
}

// description returns what is known of the cloud before accounts have ids.
func (l layout) description() *acceptance.Cloud {
	account := func(name, project string) acceptance.User {
		return acceptance.User{
			Name: name, Password: passwords[name], DomainID: domainID, DomainName: domainName, Project: project,
		}
	}
	return &acceptance.Cloud{
		AuthURL:           l.authURL(),
		ShortLivedAuthURL: "http://" + address(l.shortLivedKeystone) + "/v3",
		ShortLivedSeconds: shortTokenSeconds,
		Regions: map[string]string{
			acceptance.RegionOne: l.imageURL(acceptance.RegionOne),
			acceptance.RegionTwo: l.imageURL(acceptance.RegionTwo),
		},
		Users: map[string]acceptance.User{
			acceptance.UserDemo:   account(acceptance.UserDemo, "demo"),
			acceptance.UserOther:  account(acceptance.UserOther, "other"),
			acceptance.UserReader: account(acceptance.UserReader, "demo"),
			acceptance.UserAdmin:  account(acceptance.UserAdmin, "admin"),
		},
		ApplicationCredential: acceptance.ApplicationCredential{Name: "pipeline", Secret: "Ws8-appcred-Iy35qRgC"},
		CloudsYAML:            filepath.Join(l.dir, "clouds.yaml"),
		LogDir:                filepath.Join(l.dir, "logs"),
	}
}

// keystoneConfiguration returns the configuration of one of the two Keystones,
// which share everything but the lifetime of the tokens they give.
func (l layout) keystoneConfiguration(name string, seconds int) string {
	return lines(
		"[DEFAULT]",
		"log_file = "+filepath.Join(l.dir, "logs", name+".log"),
		"public_endpoint = http://"+address(l.portOf(name)),
		"[database]",
		"connection = sqlite:///"+filepath.Join(l.dir, "keystone.db")+"?timeout=30",
		"sqlite_synchronous = false",
		"[token]",
		"provider = fernet",
		"expiration = "+strconv.Itoa(seconds),
		"[fernet_tokens]",
		"key_repository = "+filepath.Join(l.dir, "fernet"),
		"[credential]",
		"key_repository = "+filepath.Join(l.dir, "credential"),
		// The default of 12 rounds costs every sign-in 0.3 s.
		"[identity]",
		"password_hash_rounds = 4",
		// As on real clouds; without it, each sign-in and each token that an image service
		// asks about costs Keystone 0.1 s. Every process has its own, which serves as long as
		// tests take back no role and no token.
		"[cache]",
		"enabled = true",
		"backend = dogpile.cache.memory",
		// Services and endpoints made through the API end in "database is locked" on SQLite.
		"[catalog]",
		"driver = templated",
		"template_file = "+filepath.Join(l.dir, "catalog"),
	)
}

func (l layout) portOf(keystone string) int {
	if keystone == "keystone-short" {
		return l.shortLivedKeystone
	}
	return l.keystone
}

// catalogue returns Keystone's catalogue template.
func (l layout) catalogue() string {
	var all []string
	add := func(region, service, url string) {
		for _, interfaceName := range []string{"public", "internal", "admin"} {
			all = append(all, fmt.Sprintf("catalog.%s.%s.%sURL = %s", region, service, interfaceName, url))
		}
		all = append(all, fmt.Sprintf("catalog.%s.%s.name = %s", region, service, service))
	}
	for _, region := range []string{acceptance.RegionOne, acceptance.RegionTwo, acceptance.RegionThree} {
		add(region, "identity", l.authURL())
		if _, found := l.glance[region]; found {
			add(region, "image", l.imageURL(region))
		}
	}
	return lines(all...)
}

// glanceSettings returns the configuration of an image service. Quotas are
// Glance's own defaults, and in RegionOne so is its policy, under which every
// role on the owning project may change an image. RegionTwo enforces the rules
// that newer releases have as their default, under which a reader may not.
func (l layout) glanceSettings(region string, workers int) string {
	newRules := strconv.FormatBool(region == acceptance.RegionTwo)
	return lines(
		"[DEFAULT]",
		"enforce_secure_rbac = "+newRules,
		"bind_host = 127.0.0.1",
		"bind_port = "+strconv.Itoa(l.glance[region]),
		"workers = "+strconv.Itoa(workers),
		"log_file = "+filepath.Join(l.dir, "logs", "glance-"+region+".log"),
		"enabled_backends = fs:file",
		"[glance_store]",
		"default_backend = fs",
		"[fs]",
		"filesystem_store_datadir = "+filepath.Join(l.dir, region),
		// Glance's work folders, which would otherwise lie in /var/lib/glance.
		"[os_glance_staging_store]",
		"filesystem_store_datadir = "+filepath.Join(l.dir, region, "staging"),
		"[os_glance_tasks_store]",
		"filesystem_store_datadir = "+filepath.Join(l.dir, region, "tasks"),
		"[database]",
		"connection = sqlite:///"+filepath.Join(l.dir, region+".db")+"?timeout=30",
		"sqlite_synchronous = false",
		"[oslo_policy]",
		"enforce_new_defaults = "+newRules,
		"[oslo_concurrency]",
		"lock_path = "+filepath.Join(l.dir, region),
		"[keystone_authtoken]",
		"auth_type = password",
		"auth_url = "+l.authURL(),
		"www_authenticate_uri = "+l.authURL(),
		"username = "+serviceUser,
		"password = "+passwords[serviceUser],
		"project_name = "+serviceProject,
		"user_domain_id = "+domainID,
		"project_domain_id = "+domainID,
		"[paste_deploy]",
		"flavor = keystone",
		"config_file = /etc/glance/glance-api-paste.ini",
	)
}
