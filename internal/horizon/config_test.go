package horizon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestAddressIsReadInAllItsForms(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"horizon.example.com", "https://horizon.example.com"},
		{"https://Horizon.Example.com/", "https://horizon.example.com"},
		{" https://horizon.example.com:443/rest ", "https://horizon.example.com"},
		{"https://horizon.example.com/rest/", "https://horizon.example.com"},
		{"https://horizon.example.com/rest/swagger-ui.html", "https://horizon.example.com"},
		{"horizon.example.com:8443/rest", "https://horizon.example.com:8443"},
		{"http://127.0.0.1:8080/horizon", "http://127.0.0.1:8080/horizon"},
		{"http://127.0.0.1:8080/horizon/rest//", "http://127.0.0.1:8080/horizon"},
		{"https://[::1]:443", "https://[::1]"},
	} {
		config := Config{URL: c.given, Domain: "CORP", Username: "desk", Password: password, Getenv: environment(nil)}
		target, err := config.resolve()
		if err != nil || target.base != c.want {
			t.Errorf("%q: %+v, %v; want %s", c.given, target, err, c.want)
		}
	}
}

func TestMistakesInTheConfigurationNameTheirArgument(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(garbage, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := Config{URL: "horizon.example.com", Domain: "CORP", Username: "desk", Password: password}
	for _, c := range []struct {
		name        string
		change      func(*Config)
		environment map[string]string
		field, says string
	}{
		{"nothing", func(c *Config) { *c = Config{} }, nil, "url", "HORIZON_URL, HORIZON_USERNAME, HORIZON_DOMAIN, HORIZON_PASSWORD"},
		{"no password", func(c *Config) { c.Password = "" }, nil, "password", "set HORIZON_PASSWORD"},
		{"no domain", func(c *Config) { c.Domain = "" }, nil, "domain", "set HORIZON_DOMAIN"},
		{"user principal name", func(c *Config) { c.Username = "desk@corp.example" }, nil, "username", `username = "desk"`},
		{"two domains", func(c *Config) { c.Username = `LAB\desk` }, nil, "domain", `"LAB"`},
		{"half a name", func(c *Config) { c.Username = `CORP\` }, nil, "username", `DOMAIN\user`},
		{"scheme", func(c *Config) { c.URL = "ftp://horizon.example.com" }, nil, "url", "https://"},
		{"no host", func(c *Config) { c.URL = "https:///rest" }, nil, "url", "names no host"},
		{"console", func(c *Config) { c.URL = "https://horizon.example.com/admin/" }, nil, "url", "/admin"},
		{"query", func(c *Config) { c.URL = "https://horizon.example.com/?a=b" }, nil, "url", "query"},
		{"password in the address", func(c *Config) { c.URL = "https://u:" + password + "@horizon.example.com" }, nil, "url", "user name or password"},
		{"from the environment", func(c *Config) { c.URL = "" }, map[string]string{"HORIZON_URL": "ftp://x"}, "url", "HORIZON_URL is no address"},
		{"insecure", nil, map[string]string{"HORIZON_INSECURE": "maybe"}, "insecure", "HORIZON_INSECURE is neither"},
		{"certificate", func(c *Config) { c.CACert = garbage }, nil, "cacert", "no PEM block"},
		{"certificate's file", nil, map[string]string{"HORIZON_CACERT": "/no/such/file"}, "cacert", "HORIZON_CACERT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := whole
			if c.change != nil {
				c.change(&config)
			}
			config.Getenv = environment(c.environment)
			_, err := New(config)
			var wrong *ConfigError
			if !errors.As(err, &wrong) || wrong.Field != c.field || !strings.Contains(wrong.Message, c.says) {
				t.Errorf("%v; want %s: ...%s...", err, c.field, c.says)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func TestArgumentsStandBeforeTheEnvironment(t *testing.T) {
	variables := map[string]string{
		"HORIZON_URL": "env.example.com", "HORIZON_USERNAME": `ENV\guest`, "HORIZON_PASSWORD": " blank ", "HORIZON_INSECURE": "true",
	}
	target, err := Config{Getenv: environment(variables)}.resolve()
	if err != nil || target.base != "https://env.example.com" || target.user != (user{"ENV", "guest", " blank "}) || !target.transport.Insecure {
		t.Errorf("%+v, %v", target, err)
	}
	variables["HORIZON_DOMAIN"] = "VAR"
	for _, c := range []struct {
		domain, username string
		want             user
	}{{"", `ARG\desk`, user{"ARG", "desk", " blank "}}, {"ARG", "", user{"ARG", "guest", " blank "}}, {"", "desk", user{"VAR", "desk", " blank "}}} {
		if target, err := (Config{Domain: c.domain, Username: c.username, Getenv: environment(variables)}).resolve(); err != nil || target.user != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	target, err = Config{URL: "arg.example.com", Username: "desk", Domain: "CORP", Password: "p", Insecure: new(false), Getenv: environment(variables)}.resolve()
	if err != nil || target.base != "https://arg.example.com" || target.user != (user{"CORP", "desk", "p"}) || target.transport.Insecure {
		t.Errorf("%+v, %v", target, err)
	}
}

func TestConfiguringAsksNoServer(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	if len(p.seen()) > 0 {
		t.Errorf("%q", p.seen())
	}
	if client.EndpointKey() != p.URL || "http://"+client.Host() != p.URL || client.Insecure() {
		t.Errorf("%s %s", client.EndpointKey(), client.Host())
	}
}
