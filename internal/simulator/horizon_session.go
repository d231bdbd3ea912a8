package simulator

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// HorizonDomain is the Active Directory domain whose users sign in to Horizon.
const HorizonDomain = "DEMO"

// The lifetimes of Horizon's tokens: what a published token shows of the first,
// and what a client's documentation says of the second.
const (
	accessTokenLifetime  = 30 * time.Minute
	refreshTokenLifetime = 8 * time.Hour
)

// privilege is a right of a role of Horizon.
type privilege string

const (
	globalConfigView       privilege = "GLOBAL_CONFIG_VIEW"
	globalConfigManagement privilege = "GLOBAL_CONFIG_MANAGEMENT"
	vcConfigView           privilege = "VC_CONFIG_VIEW"
	poolView               privilege = "POOL_VIEW"
	machineView            privilege = "MACHINE_VIEW"
)

// horizonAccounts are the rights of the users. The administrators are those of
// the root access group, and have every privilege.
var horizonAccounts = map[string]struct {
	administrator bool
	privileges    []privilege
}{
	"demo":   {administrator: true},
	"admin":  {administrator: true},
	"reader": {privileges: []privilege{globalConfigView, vcConfigView, poolView, machineView}},
	"other":  {},
}

// horizonSession begins with a login and ends with a logout or with the lifetime
// of its refresh token.
type horizonSession struct {
	id       string
	user     *user
	language string
	expires  time.Time
	ended    bool
}

func (s *horizonSession) has(p privilege) bool {
	account := horizonAccounts[s.user.name]
	for _, own := range account.privileges {
		if own == p {
			return true
		}
	}
	return account.administrator
}

// horizonSessions are the tokens that were handed out.
type horizonSessions struct {
	key     []byte
	access  map[string]accessToken
	refresh map[string]*horizonSession
}

type accessToken struct {
	session *horizonSession
	expires time.Time
}

func newHorizonSessions() horizonSessions {
	return horizonSessions{key: []byte(rand.Text()), access: map[string]accessToken{}, refresh: map[string]*horizonSession{}}
}

// revokeAll ends every session.
func (s horizonSessions) revokeAll() {
	clear(s.access)
	clear(s.refresh)
}

// revoke takes the tokens of a request from their sessions: that of its header
// and, of a refresh, that of its body.
func (h *horizon) revoke(r *http.Request, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions.access, bearer(r))
	var in struct {
		RefreshToken string `json:"refresh_token"`
	}
	// What is no such object has no such token.
	_ = json.Unmarshal(body, &in)
	delete(h.sessions.refresh, in.RefreshToken)
}

func sessionRoutes() []horizonRoute {
	return []horizonRoute{
		{method: http.MethodPost, path: pathOf("/login"), open: true, serve: (*horizonRequest).login},
		{method: http.MethodPost, path: pathOf("/refresh"), open: true, serve: (*horizonRequest).refresh},
		{method: http.MethodPost, path: pathOf("/logout"), open: true, serve: (*horizonRequest).logout},
	}
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func unauthenticated() *horizonError {
	m := horizonUsualErrors[http.StatusUnauthorized]
	return refuse(http.StatusUnauthorized, m.key, "%s", m.text)
}

// authenticate finds the session of a request by its access token.
func (rq *horizonRequest) authenticate() *horizonError {
	t, ok := rq.horizon.sessions.access[bearer(rq.r)]
	now := rq.sim.clock.now()
	if !ok || t.session.ended || !t.expires.After(now) || !t.session.expires.After(now) {
		return unauthenticated()
	}
	rq.session = t.session
	return nil
}

var loginFields = []horizonField{
	{name: "domain", create: required},
	{name: "password", create: required, kind: passwordField},
	{name: "username", create: required},
}

var refreshFields = []horizonField{{name: "refresh_token", create: required}}

// login signs a user of the domain in. The session's messages are in the
// language that the login asks for.
func (rq *horizonRequest) login([]string) (horizonAnswer, *horizonError) {
	values, refused := rq.readObject(loginFields, onCreate)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	u := rq.sim.identity.userByName(strings.ToLower(values.text("username")))
	domain := values.text("domain")
	if u == nil || !strings.EqualFold(domain, HorizonDomain) || values.text("password") != u.password {
		return horizonAnswer{}, refuse(http.StatusUnauthorized, "auth.login.failed", "The user name, the password or the domain is not right.")
	}
	if rq.release < releaseDelegated && !horizonAccounts[u.name].administrator {
		return horizonAnswer{}, refuse(http.StatusUnauthorized, "auth.login.not.root",
			"Only administrators of the root access group can use the REST API.")
	}
	now := rq.sim.clock.now()
	session := &horizonSession{id: newUUID(), user: u, language: defaultLanguage, expires: now.Add(refreshTokenLifetime)}
	if asked := rq.r.Header.Get("Accept-Language"); rq.release >= releaseLanguages && languages[asked] {
		session.language = asked
	}
	refresh := rq.sign(session, "refresh", session.expires)
	rq.horizon.sessions.refresh[refresh] = session
	return horizonAnswer{status: http.StatusOK, body: map[string]any{"access_token": rq.issueAccess(session), "refresh_token": refresh}}, nil
}

func (rq *horizonRequest) issueAccess(session *horizonSession) string {
	expires := rq.sim.clock.now().Add(accessTokenLifetime)
	access := rq.sign(session, "access", expires)
	rq.horizon.sessions.access[access] = accessToken{session, expires}
	return access
}

// sign makes a JSON Web Token (RFC 7519) with the claims that published ones
// have.
func (rq *horizonRequest) sign(session *horizonSession, kind string, expires time.Time) string {
	now := rq.sim.clock.now().Unix()
	claims := map[string]any{
		"sub": session.user.name, "subject": session.user.name, "domain": HorizonDomain, "session-id": session.id, "token type": kind,
		"broker id": connectionServerID, "jti": newUUID(), "iat": now, "nbf": now, "exp": expires.Unix(),
	}
	encoding := base64.RawURLEncoding
	signed := encoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encoding.EncodeToString(encodeJSON(claims))
	code := hmac.New(sha256.New, rq.horizon.sessions.key)
	code.Write([]byte(signed))
	return signed + "." + encoding.EncodeToString(code.Sum(nil))
}

// refreshed is the session of the refresh token in a request's body.
func (rq *horizonRequest) refreshed() (*horizonSession, *horizonError) {
	values, refused := rq.readObject(refreshFields, onCreate)
	if refused != nil {
		return nil, refused
	}
	session := rq.horizon.sessions.refresh[values.text("refresh_token")]
	if session == nil || session.ended || !session.expires.After(rq.sim.clock.now()) {
		status := http.StatusBadRequest
		if rq.sim.assumption(assumeRefreshRefused) == "401" {
			status = http.StatusUnauthorized
		}
		return nil, refuse(status, "auth.refresh.token.invalid", "The refresh token is not valid.")
	}
	return session, nil
}

// refresh hands out another access token. The refresh token stays the same.
func (rq *horizonRequest) refresh([]string) (horizonAnswer, *horizonError) {
	session, refused := rq.refreshed()
	if refused != nil {
		return horizonAnswer{}, refused
	}
	return horizonAnswer{status: http.StatusOK, body: map[string]any{"access_token": rq.issueAccess(session)}}, nil
}

// logout ends a session, with every access token that it was given.
func (rq *horizonRequest) logout([]string) (horizonAnswer, *horizonError) {
	session, refused := rq.refreshed()
	if refused != nil {
		return horizonAnswer{}, refused
	}
	session.ended = true
	return horizonAnswer{status: http.StatusOK}, nil
}
