package simulator

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func loginBody(user, password, domain string) string {
	return fmt.Sprintf(`{"username":%q,"password":%q,"domain":%q}`, user, password, domain)
}

func TestLoginTakesUsersOfTheDomainOnly(t *testing.T) {
	p := newPod(t, newestRelease)
	for name, row := range map[string]struct {
		body    string
		status  int
		message string
	}{
		"right":                 {loginBody("demo", "demo-password", "DEMO"), 200, ""},
		"without case":          {loginBody("Demo", "demo-password", "demo"), 200, ""},
		"wrong password":        {loginBody("demo", "secret", "DEMO"), 401, "is not right"},
		"wrong domain":          {loginBody("demo", "demo-password", "CORP"), 401, "is not right"},
		"unknown user":          {loginBody("nobody", "demo-password", "DEMO"), 401, "is not right"},
		"user principal name":   {loginBody("demo@demo.example", "demo-password", "DEMO"), 401, "is not right"},
		"no domain":             {`{"username":"demo","password":"demo-password"}`, 400, "domain is required"},
		"everything is missing": {`{}`, 400, "Field domain is required.\nField password is required.\nField username is required."},
		"no object":             {`["demo"]`, 400, "cannot be mapped"},
		"no JSON":               {`username=demo`, 400, "cannot be mapped"},
		"two values":            {loginBody("demo", "demo-password", "DEMO") + `{}`, 400, "something follows"},
	} {
		expectReply(t, name, p.send("POST", "/login", row.body, nil), row.status, row.message)
	}
	form := p.send("POST", "/login", loginBody("demo", "demo-password", "DEMO"), map[string]string{"Content-Type": "text/plain"})
	expectReply(t, "another content type", form, 415, "not supported")
}

func TestLoginTakesThePasswordInTheAssumedForm(t *testing.T) {
	characters := `{"username":"demo","password":["` + strings.Join(strings.Split("demo-password", ""), `","`) + `"],"domain":"DEMO"}`
	words := `{"username":"demo","password":["demo","-password"],"domain":"DEMO"}`
	for assumed, want := range map[string][3]int{"string": {200, 400, 400}, "array": {400, 200, 400}} {
		p := newPod(t, newestRelease, "horizon-password="+assumed)
		for i, body := range []string{loginBody("demo", "demo-password", "DEMO"), characters, words} {
			if got := p.send("POST", "/login", body, nil); got.status != want[i] {
				t.Errorf("%s: %s is answered with %d, want %d", assumed, body, got.status, want[i])
			}
		}
	}
}

func TestOnlyRootAdministratorsLogInBefore2106(t *testing.T) {
	for _, row := range []struct {
		release, user string
		status        int
	}{{"2012", "demo", 200}, {"2012", "reader", 401}, {"2106", "reader", 200}, {"2106", "other", 200}} {
		if got := newPod(t, row.release).login(row.user); got.status != row.status {
			t.Errorf("%s in %s: answered %d %s", row.user, row.release, got.status, got.text)
		}
	}
}

func (p *pod) status(token string) int {
	p.t.Helper()
	return p.send("GET", "/config/v1/im-streams", "", map[string]string{"Authorization": "Bearer " + token}).status
}

func TestTokensEndWithTheirLifetimes(t *testing.T) {
	for assumed, refused := range map[string]int{"400": 400, "401": 401} {
		p := newPod(t, newestRelease, "horizon-refresh-refused="+assumed)
		tokens := p.login("demo").object()
		access, refresh := tokens["access_token"].(string), tokens["refresh_token"].(string)
		p.Advance(30*time.Minute - time.Second)
		if got := p.status(access); got != 200 {
			t.Errorf("a token of 29 minutes is answered with %d", got)
		}
		p.Advance(time.Second)
		if got := p.status(access); got != 401 {
			t.Errorf("a token of 30 minutes is answered with %d", got)
		}
		body := `{"refresh_token":"` + refresh + `"}`
		p.Advance(7*time.Hour + 15*time.Minute)
		got := p.send("POST", "/refresh", body, nil)
		again, _ := got.object()["access_token"].(string)
		if got.status != 200 || len(got.object()) != 1 || again == access || p.status(again) != 200 {
			t.Errorf("a refresh is answered with %d %s", got.status, got.text)
		}
		p.Advance(15 * time.Minute)
		if got := p.status(again); got != 401 {
			t.Errorf("a token of an ended session is answered with %d", got)
		}
		expectReply(t, "an ended session's refresh", p.send("POST", "/refresh", body, nil), refused, "is not valid")
		expectReply(t, "a token of nobody", p.send("POST", "/refresh", `{"refresh_token":"none"}`, nil), refused, "is not valid")
		expectReply(t, "an ended session's logout", p.send("POST", "/logout", body, nil), refused, "is not valid")
	}
}

func TestLogoutEndsTheWholeSession(t *testing.T) {
	p := newPod(t, newestRelease)
	first, second := p.login("demo").object(), p.login("demo").object()
	body := `{"refresh_token":"` + first["refresh_token"].(string) + `"}`
	more := p.send("POST", "/refresh", body, nil).object()["access_token"].(string)
	if got := p.send("POST", "/logout", body, nil); got.status != 200 || got.text != "" {
		t.Errorf("a logout is answered with %d %q", got.status, got.text)
	}
	for what, token := range map[string]string{"the access token": first["access_token"].(string), "a later one": more} {
		if got := p.status(token); got != 401 {
			t.Errorf("%s of an ended session is answered with %d", what, got)
		}
	}
	if got := p.send("POST", "/refresh", body, nil).status; got != 400 {
		t.Errorf("the refresh token of an ended session is answered with %d", got)
	}
	if got := p.status(second["access_token"].(string)); got != 200 {
		t.Errorf("another session is answered with %d", got)
	}
	p.RevokeHorizonSessions()
	if got := p.status(second["access_token"].(string)); got != 401 {
		t.Errorf("a revoked session is answered with %d", got)
	}
}

func TestAccessTokensTellWhenTheyEnd(t *testing.T) {
	p := newPod(t, newestRelease)
	parts := strings.Split(p.login("demo").object()["access_token"].(string), ".")
	if len(parts) != 3 {
		t.Fatalf("a token has %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Domain string `json:"domain"`
		From   int64  `json:"nbf"`
		Until  int64  `json:"exp"`
	}
	if err := json.Unmarshal(text, &claims); err != nil || claims.Domain != "DEMO" || claims.From != p.Now().Unix() || claims.Until != claims.From+1800 {
		t.Errorf("claims are %s, %v", text, err)
	}
}

func TestRequestsNeedASessionAndAPrivilege(t *testing.T) {
	s := newStocked(t, "2306")
	pool := "/inventory/v2/desktop-pools/" + s.horizon.pools[0].id
	machine := "/inventory/v2/machines/" + s.horizon.pools[0].machines[0].id
	for _, row := range []struct {
		user, method, path, body string
		status                   int
	}{
		{"reader", "GET", s.path("im-streams"), "", 200},
		{"reader", "PUT", s.path("im-streams"), streamBody("Mine"), 403},
		{"reader", "POST", "/config/v1/im-streams", streamBody("Mine"), 403},
		{"reader", "POST", "/config/v1/im-streams/action/bulk-create", "[]", 403},
		{"reader", "DELETE", s.path("im-assets"), "", 403},
		{"reader", "GET", pool, "", 200},
		{"other", "GET", s.path("im-versions"), "", 403},
		{"other", "GET", "/external/v1/datacenters?vcenter_id=" + HorizonVCenterID, "", 403},
		{"other", "GET", "/config/v1/virtual-centers", "", 403},
		{"other", "GET", pool, "", 403},
		{"other", "GET", "/inventory/v2/desktop-pools", "", 200},
		{"reader", "GET", machine, "", 200},
		{"other", "GET", machine, "", 403},
		{"other", "GET", "/inventory/v2/machines", "", 200},
		{"other", "GET", "/monitor/connection-servers", "", 200},
		{"admin", "PUT", s.path("im-streams"), streamBody("Mine"), 204},
	} {
		if got := s.as(row.user, row.method, row.path, row.body); got.status != row.status {
			t.Errorf("%s: %s %s is answered with %d %s", row.user, row.method, row.path, got.status, got.text)
		}
	}
	if got := s.as("other", "GET", "/inventory/v2/desktop-pools", ""); len(got.list()) != 0 {
		t.Errorf("pools are shown to who may see none: %s", got.text)
	}
	expectReply(t, "no session", s.send("GET", s.path("im-streams"), "", nil), 401, "not authenticated")
	expectReply(t, "another scheme", s.send("GET", s.path("im-streams"), "", map[string]string{"Authorization": "Basic ZGVtbw=="}), 401, "not authenticated")
	expectReply(t, "an unknown address", s.send("GET", "/config/v2/im-streams", "", nil), 404, "No resource")
	expectReply(t, "another method", s.send("PATCH", s.path("im-streams"), "", nil), 405, "PATCH")
}

func TestErrorsHaveTheFormOfTheirRelease(t *testing.T) {
	for _, release := range []string{"2012", "2111", "2206", newestRelease} {
		keyed := release >= "2206"
		p := newPod(t, release)
		invalid := p.do("POST", "/config/v1/im-tags", `{}`).object()
		missing := p.do("GET", "/config/v1/im-tags/none", "").object()
		if invalid["status"] != "BAD_REQUEST" || missing["status"] != "NOT_FOUND" || fmt.Sprint(missing["timestamp"]) != fmt.Sprint(p.Now().UnixMilli()) {
			t.Errorf("release %s says %v and %v", release, invalid, missing)
		}
		list, _ := invalid["errors"].([]any)
		texts, _ := invalid["error_messages"].([]any)
		_, single := missing["error_message"]
		if keyed != (len(list) == 3) || len(texts) != 3 || single == keyed {
			t.Errorf("release %s says %v and %v", release, invalid, missing)
		}
		if keyed && list[0].(map[string]any)["error_key"] != "common.field.required" {
			t.Errorf("release %s says %v", release, list[0])
		}
	}
}

func TestMessagesAreInTheLanguageOfTheLogin(t *testing.T) {
	for _, row := range []struct{ release, language, want string }{
		{newestRelease, "", "Image"}, {newestRelease, "en", "Image"}, {newestRelease, "de", "[de] Image"},
		{"2206", "zh-CN", "[zh-CN] Image"}, {"2111", "de", "Image"},
	} {
		p := newPod(t, row.release)
		in := p.send("POST", "/login", loginBody("demo", "demo-password", "DEMO"), map[string]string{"Accept-Language": row.language})
		header := map[string]string{"Authorization": "Bearer " + in.object()["access_token"].(string), "Accept-Language": "ja"}
		got := p.send("GET", "/config/v1/im-tags/none", "", header)
		if !strings.HasPrefix(got.messages(), row.want) {
			t.Errorf("%s in %q says %q", row.release, row.language, got.messages())
		}
	}
}
