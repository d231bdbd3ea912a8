package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const demoByName = `{"methods":["password"],"password":{"user":{"name":"demo","domain":{"id":"default"},"password":"demo-password"}}}`

func auth(identity, scope string) string {
	if scope != "" {
		scope = `,"scope":` + scope
	}
	return `{"auth":{"identity":` + identity + scope + `}}`
}

func (c *testCloud) signIn(body string) answer {
	c.t.Helper()
	return c.do(call{method: "POST", path: "//identity/v3/auth/tokens", contentType: "application/json", body: body})
}

// identityMessage is the text of one of Keystone's errors.
func identityMessage(a answer) string {
	fault, _ := a.value["error"].(map[string]any)
	return fmt.Sprint(fault["message"])
}

func TestSignIn(t *testing.T) {
	c := newTestCloud(t, Options{})
	demo := c.Describe("").Accounts["demo"]
	credential := c.Describe("").ApplicationCredential
	first := c.signIn(auth(demoByName, `{"project":{"id":"`+demo.ProjectID+`"}}`)).header.Get("X-Subject-Token")
	byCredential := fmt.Sprintf(`{"methods":["application_credential"],"application_credential":{"id":%q,"secret":%q}}`, credential.ID, credential.Secret)
	delegated := c.signIn(auth(byCredential, "")).header.Get("X-Subject-Token")
	const (
		projectScope = `{"project":{"name":"demo","domain":{"name":"Default"}}}`
		unauthorized = "The request you have made requires authentication."
	)
	for _, tc := range []struct {
		name, body string
		status     int
		message    string
		project    any
		roles      string
	}{
		{"by name, project by id", auth(demoByName, `{"project":{"id":"`+demo.ProjectID+`"}}`), 201, "", "demo", "member reader"},
		{"by name, project by name", auth(demoByName, projectScope), 201, "", "demo", "member reader"},
		{"by id", auth(`{"methods":["password"],"password":{"user":{"id":"`+demo.UserID+`","password":"demo-password"}}}`, projectScope), 201, "", "demo", "member reader"},
		{"without a scope", auth(demoByName, ""), 201, "", nil, ""},
		{"explicitly without a scope", auth(demoByName, `"unscoped"`), 201, "", nil, ""},
		{"administrator", auth(strings.ReplaceAll(demoByName, "demo", "admin"), `{"project":{"name":"admin","domain":{"id":"default"}}}`), 201, "", "admin", "member reader admin"},
		{"administrator on another project", auth(strings.ReplaceAll(demoByName, "demo", "admin"), projectScope), 201, "", "demo", "member reader admin"},
		{"domain scope", auth(strings.ReplaceAll(demoByName, "demo", "admin"), `{"domain":{"name":"Default"}}`), 201, "", nil, "member reader admin"},
		{"domain scope without a role", auth(demoByName, `{"domain":{"id":"default"}}`), 401, unauthorized, nil, ""},
		{"by token", auth(`{"methods":["token"],"token":{"id":"`+first+`"}}`, projectScope), 201, "", "demo", "member reader"},
		{"by application credential", auth(byCredential, ""), 201, "", "demo", "member reader"},
		{"by a credential's name", auth(fmt.Sprintf(`{"methods":["application_credential"],"application_credential":{"name":%q,"secret":%q,"user":{"name":"demo","domain":{"id":"default"}}}}`,
			credential.Name, credential.Secret), ""), 201, "", "demo", "member reader"},
		{"wrong password", auth(strings.ReplaceAll(demoByName, "demo-password", "x"), projectScope), 401, unauthorized, nil, ""},
		{"unknown user", auth(strings.ReplaceAll(demoByName, `"demo"`, `"nobody"`), projectScope), 401, unauthorized, nil, ""},
		{"unknown domain", auth(strings.ReplaceAll(demoByName, `"default"`, `"x"`), projectScope), 401, unauthorized, nil, ""},
		{"unknown project", auth(demoByName, `{"project":{"id":"x"}}`), 401, unauthorized, nil, ""},
		{"project of another", auth(demoByName, `{"project":{"name":"other","domain":{"id":"default"}}}`), 401, unauthorized, nil, ""},
		{"project without a domain", auth(demoByName, `{"project":{"name":"demo"}}`), 400, "Expecting to find domain in project.", nil, ""},
		{"user without a domain", auth(`{"methods":["password"],"password":{"user":{"name":"demo","password":"x"}}}`, ""), 400, "Expecting to find domain in user.", nil, ""},
		{"two scopes", auth(demoByName, `{"project":{"id":"x"},"domain":{"id":"default"}}`), 400, "Expecting to find system, project, domain, OS-TRUST:trust or unscoped in scope.", nil, ""},
		{"unknown token", auth(`{"methods":["token"],"token":{"id":"x"}}`, ""), 404, "Could not recognize Fernet token", nil, ""},
		{"token from a credential", auth(`{"methods":["token"],"token":{"id":"`+delegated+`"}}`, ""), 403, "Using a delegated token to create another token is not allowed..", nil, ""},
		{"credential with a scope", auth(byCredential, projectScope), 401, "Application credentials cannot request a scope.", nil, ""},
		{"wrong secret", auth(strings.ReplaceAll(byCredential, credential.Secret, "x"), ""), 401, unauthorized, nil, ""},
		{"unknown credential", auth(strings.ReplaceAll(byCredential, credential.ID, "x"), ""), 404, "Could not find Application Credential: x.", nil, ""},
		{"no method", auth(`{"methods":[]}`, ""), 401, unauthorized, nil, ""},
		{"unknown method", auth(`{"methods":["x"]}`, ""), 400, "Expecting to find x in identity.", nil, ""},
		{"method without its part", auth(`{"methods":["password"]}`, ""), 400, "Expecting to find password in identity.", nil, ""},
		{"password of another type", auth(strings.ReplaceAll(demoByName, `"demo-password"`, `1`), ""), 400, "1 is not of type 'string'", nil, ""},
		{"no body", "", 400, "Expecting to find auth in request body.", nil, ""},
		{"bad JSON", "{", 400, "Expecting to find valid JSON in request body.", nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := c.signIn(tc.body)
			if got.status != tc.status || tc.message != "" && !strings.Contains(identityMessage(got), tc.message) {
				t.Fatalf("got %d %s", got.status, got.text)
			}
			if tc.status != 201 {
				return
			}
			token := got.value["token"].(map[string]any)
			project, _ := token["project"].(map[string]any)
			if tc.project == nil && project != nil || tc.project != nil && project["name"] != tc.project {
				t.Errorf("project is %v", project)
			}
			var roles []string
			list, _ := token["roles"].([]any)
			for _, r := range list {
				roles = append(roles, fmt.Sprint(r.(map[string]any)["name"]))
			}
			if strings.Join(roles, " ") != tc.roles {
				t.Errorf("roles are %v, want %s", roles, tc.roles)
			}
			if (token["catalog"] != nil) != (tc.roles != "") {
				t.Errorf("catalog is %v", token["catalog"])
			}
		})
	}
}

func TestCatalog(t *testing.T) {
	c := newTestCloud(t, Options{})
	token := c.signIn(auth(demoByName, `{"project":{"name":"demo","domain":{"id":"default"}}}`)).value["token"].(map[string]any)
	got := map[string]string{}
	for _, entry := range token["catalog"].([]any) {
		service := entry.(map[string]any)
		for _, e := range service["endpoints"].([]any) {
			endpoint := e.(map[string]any)
			got[fmt.Sprint(service["type"], " ", endpoint["region_id"], " ", endpoint["interface"])] = strings.TrimPrefix(fmt.Sprint(endpoint["url"]), c.server.URL)
		}
	}
	for key, want := range map[string]string{
		"identity RegionOne public": "/identity/v3", "identity RegionThree admin": "/identity/v3",
		"image RegionOne public": "/image", "image RegionOne internal": "/internal/image", "image RegionOne admin": "/admin/image",
		"image RegionTwo public": "/RegionTwo/image", "image RegionTwo internal": "/internal/RegionTwo/image",
	} {
		if got[key] != want {
			t.Errorf("%s is at %q, want %q", key, got[key], want)
		}
	}
	if len(got) != 15 {
		t.Errorf("%d endpoints: %v", len(got), got)
	}
}

func TestVersionDocumentsOfIdentity(t *testing.T) {
	c := newTestCloud(t, Options{})
	if got := c.do(call{method: "GET", path: "//identity"}); got.status != 300 {
		t.Errorf("the root answers %d", got.status)
	}
	got := c.do(call{method: "GET", path: "//identity/v3/"})
	if version := got.value["version"].(map[string]any); got.status != 200 || version["id"] != "v3.14" {
		t.Errorf("v3 answers %d %s", got.status, got.text)
	}
	if got := c.do(call{method: "GET", path: "//identity/v3/nope"}); got.status != 404 || !strings.HasPrefix(got.text, "<!doctype html>") {
		t.Errorf("an unknown address answers %d %s", got.status, got.text)
	}
}

func TestTokensAgeWithTheClock(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Clock: at.now, TokenLifetime: 10 * time.Minute})
	first := c.signIn(auth(demoByName, ""))
	document := first.value["token"].(map[string]any)
	if document["issued_at"] != "2026-03-01T12:00:00.000000Z" || document["expires_at"] != "2026-03-01T12:10:00.000000Z" {
		t.Errorf("issued at %v, expires at %v", document["issued_at"], document["expires_at"])
	}
	list := call{user: "demo", method: "GET", path: "/v2/images"}
	expect(t, c.do(list), 200, "")
	c.Advance(5 * time.Minute)
	second := c.signIn(auth(`{"methods":["token"],"token":{"id":"`+first.header.Get("X-Subject-Token")+`"}}`, "")).value["token"].(map[string]any)
	if second["expires_at"] != document["expires_at"] {
		t.Errorf("a token that was traded in lasts until %v", second["expires_at"])
	}
	c.Advance(5 * time.Minute)
	got := c.do(list)
	expect(t, got, 401, "This server could not verify that you are authorized")
	if want := fmt.Sprintf("Keystone uri=%q", c.server.URL+"/identity"); got.header.Get("Www-Authenticate") != want {
		t.Errorf("Www-Authenticate is %s", got.header.Get("Www-Authenticate"))
	}
	delete(c.tokens, "demo")
	expect(t, c.do(list), 200, "")
	c.RevokeTokens()
	expect(t, c.do(list), 401, "")
}

func TestTokenAPI(t *testing.T) {
	c := newTestCloud(t, Options{})
	subject := c.token("demo")
	token := func(method, subject string) answer {
		return c.do(call{user: "admin", method: method, path: "//identity/v3/auth/tokens", header: map[string]string{"X-Subject-Token": subject}})
	}
	if got := token("GET", subject); got.status != 200 || got.header.Get("X-Subject-Token") != subject || got.value["token"] == nil {
		t.Errorf("validation answers %d", got.status)
	}
	if got := token("HEAD", subject); got.status != 200 || got.text != "" {
		t.Errorf("HEAD answers %d", got.status)
	}
	if got := token("GET", "x"); got.status != 404 {
		t.Errorf("an unknown token answers %d", got.status)
	}
	if got := token("DELETE", subject); got.status != 204 {
		t.Errorf("revocation answers %d", got.status)
	}
	expect(t, c.do(call{user: "demo", method: "GET", path: "/v2/images"}), 401, "")
	if got := c.do(call{user: "admin", method: "GET", path: "//identity/v3/auth/catalog"}); got.status != 200 || got.value["catalog"] == nil {
		t.Errorf("the catalog answers %d", got.status)
	}
	if got := c.do(call{user: "admin", method: "GET", path: "//identity/v3/auth/projects"}); got.status != 200 || len(got.value["projects"].([]any)) != 2 {
		t.Errorf("the projects answer %d %s", got.status, got.text)
	}
	if got := c.do(call{method: "GET", path: "//identity/v3/auth/projects"}); got.status != 401 {
		t.Errorf("without a token the projects answer %d", got.status)
	}
}

func TestTokenWithoutAProject(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	private, public := c.CreateImage(Image{Name: "private"}), c.CreateImage(Image{Name: "public", Visibility: "public"})
	c.tokens["unscoped"] = c.signIn(auth(demoByName, `"unscoped"`)).header.Get("X-Subject-Token")
	expect(t, c.get("unscoped", private), 404, "")
	expect(t, c.get("unscoped", public), 200, "")
	if got := listed(t, c.do(call{user: "unscoped", method: "GET", path: "/v2/images"})); got != "public" {
		t.Errorf("lists %q", got)
	}
	expect(t, c.patch("unscoped", public, `[{"op":"add","path":"/x","value":"1"}]`), 403, "You do not own this image")
	if got := c.post("unscoped", "/v2/images", `{}`); got.status != 201 || got.value["owner"] != nil {
		t.Errorf("a create answers %d, owner %v", got.status, got.value["owner"])
	}
}
