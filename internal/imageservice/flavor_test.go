package imageservice

import (
	"errors"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/signature"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func TestFlavorSetsTheDefaultsOfTheNextThree(t *testing.T) {
	base := Config{AuthURL: "https://k.example", UserID: "u", Password: "p"}
	none := func(string) string { return "" }
	tests := map[string]struct {
		flavor, updatePath, format string
		batch                      *bool
		cloud                      attribute.Cloud
		path                       string
		dialect                    patch.Dialect
		batches                    bool
	}{
		"nothing":                 {cloud: attribute.OpenStack, path: imagesPath, dialect: patch.ImagesV21, batches: true},
		"openstack":               {flavor: "openstack", batch: new(false), cloud: attribute.OpenStack, path: imagesPath, dialect: patch.ImagesV21},
		"opentelekomcloud":        {flavor: "opentelekomcloud", cloud: attribute.OpenTelekomCloud, path: imagesPath, dialect: patch.ImagesV21},
		"huaweicloud":             {flavor: "huaweicloud", cloud: attribute.HuaweiCloud, path: cloudImagesPath, dialect: patch.ImagesV21},
		"huaweicloud, other path": {flavor: "huaweicloud", updatePath: "images", format: "v2.0", batch: new(true), cloud: attribute.HuaweiCloud, path: imagesPath, dialect: patch.ImagesV20, batches: true},
		"opentelekomcloud, other": {flavor: "opentelekomcloud", updatePath: "cloudimages", format: "v2.1", cloud: attribute.OpenTelekomCloud, path: cloudImagesPath, dialect: patch.ImagesV21},
	}
	for name, test := range tests {
		c := base
		c.Flavor, c.UpdatePath, c.PatchFormat, c.BatchReads = test.flavor, test.updatePath, test.format, test.batch
		got := resolved(t, c, none)
		if got.cloud != test.cloud || got.path != test.path || got.dialect != test.dialect || got.batchReads != test.batches {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAccessKeyIsResolved(t *testing.T) {
	key := signature.Key{Access: "ak", Secret: "sk"}
	tests := map[string]struct {
		config      Config
		environment map[string]string
		check       func(*target) bool
	}{
		"region and project id": {
			config: Config{Flavor: "opentelekomcloud", AccessKey: "ak", SecretKey: "sk", Region: "eu-nl", ProjectID: "p"},
			check: func(g *target) bool {
				return g.credentials.key == key && g.endpoint == "https://ims.eu-nl.otc.t-systems.com" && g.authURL == "" && g.region == "eu-nl" && g.credentials.project.id == "p"
			},
		},
		"region and project name": {
			config: Config{Flavor: "huaweicloud", AccessKey: "ak", SecretKey: "sk", Region: "cn-north-4", ProjectName: "p", DomainID: "d"},
			check: func(g *target) bool {
				return g.endpoint == "https://ims.cn-north-4.myhuaweicloud.com" && g.authURL == "https://iam.cn-north-4.myhuaweicloud.com/v3" && g.credentials.domainID == "d"
			},
		},
		"the identity service with another domain": {
			config: Config{Flavor: "huaweicloud", AccessKey: "ak", SecretKey: "sk", Region: "eu-west-101", ProjectName: "p"},
			check:  func(g *target) bool { return g.authURL == "https://iam.eu-west-101.myhuaweicloud.eu/v3" },
		},
		"addresses of one's own": {
			config: Config{Flavor: "huaweicloud", AccessKey: "ak", SecretKey: "sk", Endpoint: "https://ims.partner.example/v2", AuthURL: "https://iam.partner.example", ProjectName: "p", Region: "r1"},
			check: func(g *target) bool {
				return g.endpoint == "https://ims.partner.example" && g.authURL == "https://iam.partner.example/v3" && g.region == "r1"
			},
		},
		"environment": {
			config:      Config{Flavor: "huaweicloud", Region: "cn-north-1"},
			environment: map[string]string{"HW_ACCESS_KEY": "ak", "HW_SECRET_KEY": "sk", "HW_SECURITY_TOKEN": "st", "OS_ACCESS_KEY": "x", "OS_SECRET_KEY": "x", "OS_SECURITY_TOKEN": "x", "OS_PROJECT_ID": "p"},
			check:       func(g *target) bool { return g.credentials.key == key && g.credentials.securityToken == "st" },
		},
		"lesser names": {
			config:      Config{Flavor: "opentelekomcloud", Region: "eu-de"},
			environment: map[string]string{"OS_ACCESS_KEY": "ak", "OS_SECRET_KEY": "sk", "OS_SECURITY_TOKEN": "st", "OS_PROJECT_ID": "p", "OS_PASSWORD": "leftover"},
			check:       func(g *target) bool { return g.credentials.key == key && g.credentials.securityToken == "st" },
		},
		"a security token of another key is left out": {
			config:      Config{Flavor: "opentelekomcloud", Region: "eu-de", AccessKey: "ak", SecretKey: "sk", ProjectID: "p"},
			environment: map[string]string{"HW_ACCESS_KEY": "temporary", "HW_SECRET_KEY": "x", "HW_SECURITY_TOKEN": "st"},
			check:       func(g *target) bool { return g.credentials.key == key && g.credentials.securityToken == "" },
		},
		"an argument password overrules a key in the environment": {
			config:      Config{Flavor: "opentelekomcloud", AuthURL: "https://k.example", UserID: "u", Password: "p"},
			environment: map[string]string{"HW_ACCESS_KEY": "ak", "HW_SECRET_KEY": "sk"},
			check:       func(g *target) bool { return g.credentials.method == byPassword },
		},
		"an argument user does not sign with a key of the environment": {
			config:      Config{Flavor: "opentelekomcloud", AuthURL: "https://k.example", UserID: "u"},
			environment: map[string]string{"HW_ACCESS_KEY": "ak", "HW_SECRET_KEY": "sk", "OS_PASSWORD": "p"},
			check:       func(g *target) bool { return g.credentials.method == byPassword },
		},
		"a key in the environment is nothing to OpenStack": {
			config:      Config{},
			environment: map[string]string{"HW_ACCESS_KEY": "ak", "HW_SECRET_KEY": "sk", "OS_AUTH_URL": "https://k.example", "OS_USER_ID": "u", "OS_PASSWORD": "p"},
			check:       func(g *target) bool { return g.credentials.method == byPassword },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := resolved(t, test.config, func(name string) string { return test.environment[name] })
			if !test.check(got) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestMistakesAboutIMSNameTheArgumentAndTheWayOut(t *testing.T) {
	with := func(change func(*Config)) Config {
		c := Config{Flavor: "huaweicloud", AccessKey: "ak", SecretKey: "sentinel-secret", Region: "cn-north-4", ProjectID: "p"}
		change(&c)
		return c
	}
	tests := map[string]struct {
		config      Config
		environment map[string]string
		field       string
		says        []string
	}{
		"unknown flavor":                {config: Config{Flavor: "azure"}, field: "flavor", says: []string{"openstack", "huaweicloud", "opentelekomcloud"}},
		"unknown update path":           {config: with(func(c *Config) { c.UpdatePath = "v2" }), field: "update_path", says: []string{"cloudimages"}},
		"cloudimages on OpenStack":      {config: Config{UpdatePath: "cloudimages"}, field: "update_path", says: []string{`"images"`, "flavor"}},
		"v2.0 on cloudimages":           {config: with(func(c *Config) { c.PatchFormat = "v2.0" }), field: "patch_format", says: []string{"update_path"}},
		"access key on OpenStack":       {config: with(func(c *Config) { c.Flavor = "" }), field: "access_key", says: []string{"IMS", "huaweicloud", "password"}},
		"secret key on OpenStack":       {config: Config{SecretKey: "sentinel"}, field: "access_key", says: []string{"secret_key", "IMS"}},
		"only a key in the environment": {config: Config{AuthURL: "https://k.example"}, environment: map[string]string{"HW_ACCESS_KEY": "ak"}, field: "access_key", says: []string{"HW_ACCESS_KEY", "IMS"}},
		"access key without secret":     {config: with(func(c *Config) { c.SecretKey = "" }), field: "secret_key", says: []string{"secret_key", "HW_SECRET_KEY"}},
		"secret without access key":     {config: with(func(c *Config) { c.AccessKey = "" }), field: "access_key", says: []string{"secret_key", "HW_ACCESS_KEY"}},
		"secret beside a password":      {config: with(func(c *Config) { c.AccessKey, c.UserID, c.Password = "", "u", "p" }), field: "access_key", says: []string{"secret_key"}},
		"secret in the environment":     {config: Config{Flavor: "huaweicloud", AuthURL: "https://k.example"}, environment: map[string]string{"HW_SECRET_KEY": "sentinel"}, field: "access_key", says: []string{"HW_SECRET_KEY", "access_key"}},
		"security token alone":          {config: with(func(c *Config) { c.AccessKey, c.SecretKey, c.SecurityToken = "", "", "sentinel" }), field: "access_key", says: []string{"security_token"}},
		"access key and password":       {config: with(func(c *Config) { c.UserID, c.Password = "u", "sentinel" }), field: "password", says: []string{"access_key and password", "leave one out"}},
		"key with a line break":         {config: with(func(c *Config) { c.SecretKey = "sentinel\nsecret" }), field: "secret_key", says: []string{"characters"}},
		"key with a comma":              {config: with(func(c *Config) { c.AccessKey = "sentinel,x" }), field: "access_key", says: []string{"characters"}},
		"no region and no endpoint":     {config: with(func(c *Config) { c.Region = "" }), field: "endpoint", says: []string{"region", "endpoint"}},
		"unknown region":                {config: with(func(c *Config) { c.Region = "eu-de" }), field: "region", says: []string{`"eu-de"`, "endpoint", "cn-north-4"}},
		"no project":                    {config: with(func(c *Config) { c.ProjectID = "" }), field: "project_id", says: []string{"project_id", "project_name"}},
		"project name, region unknown": {
			config: with(func(c *Config) {
				c.ProjectID, c.ProjectName, c.Region, c.Endpoint = "", "n", "r1", "https://ims.partner.example"
			}),
			field: "auth_url", says: []string{"project_id", "auth_url"},
		},
		"IMS without anything": {config: Config{Flavor: "huaweicloud"}, field: "auth_url", says: []string{"OS_AUTH_URL"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.config.Getenv = func(name string) string { return test.environment[name] }
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

func TestDocumentedHostsAreAddresses(t *testing.T) {
	for cloud, h := range documentedHosts {
		for _, region := range h.regions {
			for _, address := range []string{h.imagesIn(region), h.iamIn(region)} {
				u, err := parseAddress(address)
				if err != nil || !strings.Contains(u.Host, region) {
					t.Errorf("%s in %s: %s, %v", cloud, region, address, err)
				}
			}
		}
	}
	if n := len(documentedHosts[attribute.HuaweiCloud].regions); n != 33 {
		t.Errorf("%d regions of Huawei Cloud", n)
	}
}
