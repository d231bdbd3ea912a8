package simulator

import (
	_ "embed" // Holds the schema of a sign-in.
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
)

// identityFault is an error of Keystone, in its own form.
type identityFault struct {
	status  int
	message string
	// extra is set where Keystone adds an empty "identity" member.
	extra bool
}

func (f *identityFault) Error() string { return fmt.Sprintf("%d %s", f.status, f.message) }

func unauthorized() *identityFault {
	return &identityFault{status: http.StatusUnauthorized, message: "The request you have made requires authentication."}
}

// expecting is the 400 for something that a request lacks.
func expecting(attribute, place string) *identityFault {
	return &identityFault{status: http.StatusBadRequest, message: "Expecting to find " + attribute + " in " + place +
		". The server could not comply with the request since it is either malformed or otherwise incorrect. " +
		"The client is assumed to be in error."}
}

func (f *identityFault) write(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{"code": f.status, "message": f.message, "title": http.StatusText(f.status)}
	if f.extra {
		body["identity"] = map[string]any{}
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", fmt.Sprintf("Keystone uri=%q", baseURL(r)+"/identity/v3"))
	}
	writeJSON(w, r, f.status, map[string]any{"error": body})
}

// serveIdentity answers a request to Keystone; path is what follows /identity.
func (s *Simulator) serveIdentity(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	w.Header().Set("X-Openstack-Request-Id", "req-"+newUUID())
	w.Header().Set("Vary", "X-Auth-Token")
	path = strings.TrimSuffix(path, "/")
	var fault *identityFault
	switch path {
	case "":
		writeJSON(w, r, http.StatusMultipleChoices, map[string]any{"versions": map[string]any{"values": []any{identityVersion(r)}}})
	case "/v3":
		writeJSON(w, r, http.StatusOK, map[string]any{"version": identityVersion(r)})
	case "/v3/auth/tokens":
		switch r.Method {
		case http.MethodPost:
			fault = s.createToken(w, r, body)
		case http.MethodGet, http.MethodHead:
			fault = s.showToken(w, r)
		case http.MethodDelete:
			fault = s.revokeToken(w, r)
		default:
			writeHTML(w, r, http.StatusMethodNotAllowed, "The method is not allowed for the requested URL.")
		}
	case "/v3/auth/catalog":
		fault = s.showCatalog(w, r)
	case "/v3/auth/projects":
		fault = s.showProjects(w, r)
	case "/v3/projects":
		if !s.options.Flavor.ims() || r.Method != http.MethodGet {
			writeUnknownURL(w, r)
			return
		}
		s.findProjects(w, r, body)
	default:
		writeUnknownURL(w, r)
	}
	if fault != nil {
		fault.write(w, r)
	}
}

func writeUnknownURL(w http.ResponseWriter, r *http.Request) {
	writeHTML(w, r, http.StatusNotFound,
		"The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.")
}

func writeHTML(w http.ResponseWriter, r *http.Request, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	title := http.StatusText(status)
	writeBody(w, r, status, fmt.Appendf(nil, "<!doctype html>\n<html lang=en>\n<title>%d %s</title>\n<h1>%s</h1>\n<p>%s</p>\n",
		status, title, title, text))
}

func identityVersion(r *http.Request) map[string]any {
	return map[string]any{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []any{map[string]any{"rel": "self", "href": baseURL(r) + "/identity/v3/"}},
		"media-types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}},
	}
}

// member reads an object's member that has to be an object itself.
func member(o *jsonObject, name string) (*jsonObject, bool) {
	v, ok := o.get(name)
	if !ok {
		return nil, false
	}
	child, ok := v.(*jsonObject)
	return child, ok
}

// text reads an object's member that has to be a string.
func text(o *jsonObject, name string) (string, bool) {
	v, _ := o.get(name)
	s, ok := v.(string)
	return s, ok
}

// authSchemaText is the shape that Keystone demands of a sign-in.
//
//go:embed identity_auth_schema.json
var authSchemaText []byte

var authSchema = mustSchema(authSchemaText)

// createToken signs somebody in. Shape and scope are looked at first, then who
// it is, then what that one may do in the scope.
func (s *Simulator) createToken(w http.ResponseWriter, r *http.Request, body []byte) *identityFault {
	auth, fault := deserializeAuth(r, body)
	if fault != nil {
		return fault
	}
	target, fault := s.scopeOf(auth)
	if fault != nil {
		return fault
	}
	t := &token{issued: s.clock.now().Truncate(time.Second)}
	t.expires = t.issued.Add(s.options.TokenLifetime)
	identityPart, _ := member(auth, "identity")
	if fault := s.signIn(t, identityPart); fault != nil {
		return fault
	}
	if fault := t.enter(target); fault != nil {
		return fault
	}
	s.identity.issue(t)
	w.Header().Set("X-Subject-Token", t.id)
	_, bare := r.URL.Query()["nocatalog"]
	writeJSON(w, r, http.StatusCreated, s.tokenDocument(r, t, !bare))
	return nil
}

func badInput(text string) *identityFault {
	return &identityFault{status: http.StatusBadRequest, message: text}
}

func deserializeAuth(r *http.Request, body []byte) (*jsonObject, *identityFault) {
	if len(body) == 0 {
		return nil, expecting("auth", "request body")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, expecting("application/json", "Content-Type header")
	}
	v, err := parseJSON(body)
	if err != nil {
		return nil, expecting("valid JSON", "request body")
	}
	object, ok := v.(*jsonObject)
	if !ok {
		return nil, expecting("valid JSON", "request body")
	}
	value, ok := object.get("auth")
	if !ok {
		return nil, expecting("auth", "request body")
	}
	var validator schemaValidator
	validator.check(value, authSchema, nil, nil)
	if fault := validator.best; fault != nil {
		if len(fault.path) == 0 {
			return nil, badInput(fault.text())
		}
		steps := make([]string, len(fault.path))
		for i, step := range fault.path {
			steps[i] = fmt.Sprint(step)
		}
		return nil, badInput("Invalid input for field '" + strings.Join(steps, "/") + "': " + fault.text())
	}
	auth := as[*jsonObject](value)
	return auth, checkReferences(auth)
}

// checkReferences refuses a user, project or domain that is given without an id
// and without a name.
func checkReferences(auth *jsonObject) *identityFault {
	for _, place := range []string{"identity/password/user", "identity/password/user/domain", "scope/project", "scope/project/domain", "scope/domain"} {
		part, ok := auth, true
		for step := range strings.SplitSeq(place, "/") {
			if part, ok = member(part, step); !ok {
				break
			}
		}
		if !ok {
			continue
		}
		_, hasID := part.get("id")
		_, hasName := part.get("name")
		if !hasID && !hasName {
			return badInput("Invalid input for field " + place + ": id or name must be present.")
		}
	}
	return nil
}

// scopeTarget is what a sign-in asks to be scoped to.
type scopeTarget struct {
	requested bool
	domain    bool
	project   *project
}

// scopeOf reads the scope of a sign-in and finds the project or domain.
func (s *Simulator) scopeOf(auth *jsonObject) (scopeTarget, *identityFault) {
	value, requested := auth.get("scope")
	if !requested || value == "unscoped" {
		return scopeTarget{requested: requested}, nil
	}
	scope, ok := value.(*jsonObject)
	if !ok || len(scope.keys) != 1 {
		return scopeTarget{}, expecting("system, project, domain, OS-TRUST:trust or unscoped", "scope")
	}
	switch scope.keys[0] {
	case "unscoped":
		return scopeTarget{requested: true}, nil
	case "domain":
		domain, _ := member(scope, "domain")
		if !isDomain(domain) {
			return scopeTarget{}, unauthorized()
		}
		return scopeTarget{requested: true, domain: true}, nil
	case "project":
		part, _ := member(scope, "project")
		p, fault := s.findProject(part)
		if fault == nil && p == nil {
			fault = unauthorized()
		}
		return scopeTarget{requested: true, project: p}, fault
	case "system", "OS-TRUST:trust":
		return scopeTarget{}, unauthorized()
	default:
		return scopeTarget{}, expecting("system, project, domain, OS-TRUST:trust or unscoped", "scope")
	}
}

// signIn runs the methods of a sign-in.
func (s *Simulator) signIn(t *token, identityPart *jsonObject) *identityFault {
	list, _ := identityPart.members["methods"].([]any)
	if len(list) == 0 {
		return unauthorized()
	}
	for _, entry := range list {
		method, _ := entry.(string)
		part, ok := member(identityPart, method)
		if !ok {
			return expecting(method, "identity")
		}
		var fault *identityFault
		switch method {
		case "password":
			fault = s.signInByPassword(t, part)
		case "token":
			fault = s.signInByToken(t, part)
		case "application_credential":
			fault = s.signInByCredential(t, part)
		default:
			fault = unauthorized()
		}
		if fault != nil {
			return fault
		}
	}
	return nil
}

// findUser reads a reference to a user: an id, or a name and a domain. It
// returns nil without a fault when there is no such user.
func (s *Simulator) findUser(part *jsonObject) (*user, *identityFault) {
	if id, ok := text(part, "id"); ok {
		return s.identity.userByID(id), nil
	}
	name, ok := text(part, "name")
	if !ok {
		return nil, expecting("id or name", "user")
	}
	domain, ok := member(part, "domain")
	if !ok {
		return nil, expecting("domain", "user")
	}
	if !isDomain(domain) {
		return nil, nil
	}
	return s.identity.userByName(name), nil
}

func isDomain(o *jsonObject) bool {
	if id, ok := text(o, "id"); ok {
		return id == domainID
	}
	name, _ := text(o, "name")
	return name == domainName
}

func (s *Simulator) signInByPassword(t *token, part *jsonObject) *identityFault {
	userPart, ok := member(part, "user")
	if !ok {
		return expecting("user", "None")
	}
	u, fault := s.findUser(userPart)
	if fault != nil {
		return fault
	}
	password, _ := text(userPart, "password")
	if u == nil || u.password != password {
		return unauthorized()
	}
	t.user = u
	t.methods = append(t.methods, "password")
	return nil
}

// signInByToken trades a token for another one, which expires when the first
// one would have.
func (s *Simulator) signInByToken(t *token, part *jsonObject) *identityFault {
	id, _ := text(part, "id")
	old := s.identity.token(id, t.issued)
	if old == nil {
		return &identityFault{status: http.StatusNotFound, message: "Could not recognize Fernet token"}
	}
	if old.credential != nil {
		return &identityFault{status: http.StatusForbidden, message: "You are not authorized to perform the requested action: " +
			"Using a delegated token to create another token is not allowed.."}
	}
	t.user = old.user
	t.methods = append([]string{"token"}, old.methods...)
	t.expires = old.expires
	t.auditIDs = old.auditIDs[len(old.auditIDs)-1:]
	return nil
}

func (s *Simulator) signInByCredential(t *token, part *jsonObject) *identityFault {
	credential, fault := s.findCredential(part)
	if fault != nil {
		return fault
	}
	secret, _ := text(part, "secret")
	if credential == nil || credential.secret != secret {
		return unauthorized()
	}
	t.user, t.credential = credential.user, credential
	t.methods = append(t.methods, "application_credential")
	return nil
}

func (s *Simulator) findCredential(part *jsonObject) (*applicationCredential, *identityFault) {
	if id, ok := text(part, "id"); ok {
		for _, c := range s.identity.credentials {
			if c.id == id {
				return c, nil
			}
		}
		return nil, &identityFault{status: http.StatusNotFound, message: "Could not find Application Credential: " + id + "."}
	}
	userPart, ok := member(part, "user")
	if !ok {
		return nil, expecting("user", "application credential")
	}
	u, fault := s.findUser(userPart)
	if fault != nil {
		return nil, fault
	}
	name, _ := text(part, "name")
	for _, c := range s.identity.credentials {
		if c.user == u && c.name == name {
			return c, nil
		}
	}
	return nil, nil
}

// enter gives the token its project or domain and the roles there.
func (t *token) enter(target scopeTarget) *identityFault {
	switch {
	case t.credential != nil && target.requested:
		return &identityFault{status: http.StatusUnauthorized, extra: true, message: "Error authenticating with " +
			"application credential: Application credentials cannot request a scope."}
	case t.credential != nil:
		t.project, t.roles = t.credential.project, t.credential.roles
		return nil
	case target.domain:
		t.domain, t.roles = true, t.user.grants[domainID]
	case target.project != nil:
		t.project, t.roles = target.project, t.user.grants[target.project.id]
	default:
		return nil
	}
	if len(t.roles) == 0 {
		return unauthorized()
	}
	return nil
}

func (s *Simulator) findProject(part *jsonObject) (*project, *identityFault) {
	if id, ok := text(part, "id"); ok {
		return s.identity.projectByID(id), nil
	}
	domain, ok := member(part, "domain")
	if !ok {
		return nil, expecting("domain", "project")
	}
	if !isDomain(domain) {
		return nil, nil
	}
	name, _ := text(part, "name")
	return s.identity.projectByName(name), nil
}

func domainDocument() map[string]any { return map[string]any{"id": domainID, "name": domainName} }

// identityTime is the form of Keystone's times.
func identityTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func (s *Simulator) tokenDocument(r *http.Request, t *token, catalog bool) any {
	doc := map[string]any{
		"methods":    t.methods,
		"user":       map[string]any{"domain": domainDocument(), "id": t.user.id, "name": t.user.name, "password_expires_at": nil},
		"audit_ids":  t.auditIDs,
		"issued_at":  identityTime(t.issued),
		"expires_at": identityTime(t.expires),
	}
	if t.project != nil {
		doc["project"] = map[string]any{"domain": domainDocument(), "id": t.project.id, "name": t.project.name}
		doc["is_domain"] = false
	}
	if t.domain {
		doc["domain"] = domainDocument()
	}
	if len(t.roles) > 0 {
		var roles []any
		for _, name := range t.roles {
			roles = append(roles, map[string]any{"id": stableID("role " + name), "name": name})
		}
		doc["roles"] = roles
		if catalog {
			doc["catalog"] = s.catalog(r)
		}
	}
	if c := t.credential; c != nil {
		doc["application_credential"] = map[string]any{"id": c.id, "name": c.name, "restricted": true}
	}
	return map[string]any{"token": doc}
}

// catalog lists the services: identity in every region, the image service in
// the regions that have one.
func (s *Simulator) catalog(r *http.Request) []any {
	base := baseURL(r)
	var identities, images []any
	for _, region := range regions {
		for _, kind := range []string{"public", "internal", "admin"} {
			endpoint := func(service, url string) map[string]any {
				return map[string]any{"id": stableID(service + region.name + kind), "interface": kind,
					"region": region.name, "region_id": region.name, "url": url}
			}
			identities = append(identities, endpoint("identity", base+"/identity/v3"))
			if region.images != "" {
				images = append(images, endpoint("image", base+imagePath(region, kind)))
			}
		}
	}
	return []any{
		map[string]any{"id": stableID("service identity"), "type": "identity", "name": "keystone", "endpoints": identities},
		map[string]any{"id": stableID("service image"), "type": "image", "name": "glance", "endpoints": images},
	}
}

// requester finds the token with which a request to Keystone is made.
func (s *Simulator) requester(r *http.Request) (*token, *identityFault) {
	t := s.identity.token(r.Header.Get("X-Auth-Token"), s.clock.now())
	if t == nil {
		return nil, unauthorized()
	}
	return t, nil
}

// subject finds the token that a request is about.
func (s *Simulator) subject(r *http.Request) (*token, *identityFault) {
	if _, fault := s.requester(r); fault != nil {
		return nil, fault
	}
	t := s.identity.token(r.Header.Get("X-Subject-Token"), s.clock.now())
	if t == nil {
		return nil, &identityFault{status: http.StatusNotFound, message: "Could not recognize Fernet token"}
	}
	return t, nil
}

func (s *Simulator) showToken(w http.ResponseWriter, r *http.Request) *identityFault {
	t, fault := s.subject(r)
	if fault != nil {
		return fault
	}
	w.Header().Set("X-Subject-Token", t.id)
	_, bare := r.URL.Query()["nocatalog"]
	writeJSON(w, r, http.StatusOK, s.tokenDocument(r, t, !bare))
	return nil
}

func (s *Simulator) revokeToken(w http.ResponseWriter, r *http.Request) *identityFault {
	t, fault := s.subject(r)
	if fault != nil {
		return fault
	}
	s.identity.revoke(t.id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Simulator) showCatalog(w http.ResponseWriter, r *http.Request) *identityFault {
	if _, fault := s.requester(r); fault != nil {
		return fault
	}
	writeJSON(w, r, http.StatusOK, map[string]any{"catalog": s.catalog(r),
		"links": map[string]any{"self": baseURL(r) + "/identity/v3/auth/catalog"}})
	return nil
}

func (s *Simulator) showProjects(w http.ResponseWriter, r *http.Request) *identityFault {
	t, fault := s.requester(r)
	if fault != nil {
		return fault
	}
	projects := []any{}
	for _, p := range s.identity.projects {
		if len(t.user.grants[p.id]) > 0 {
			doc := projectDocument(r, p)
			doc["tags"], doc["options"] = []any{}, map[string]any{}
			projects = append(projects, doc)
		}
	}
	writeProjects(w, r, projects, "/identity/v3/auth/projects")
	return nil
}

func projectDocument(r *http.Request, p *project) map[string]any {
	return map[string]any{"id": p.id, "name": p.name, "domain_id": domainID, "description": "",
		"enabled": true, "parent_id": domainID, "is_domain": false,
		"links": map[string]any{"self": baseURL(r) + "/identity/v3/projects/" + p.id}}
}

func writeProjects(w http.ResponseWriter, r *http.Request, projects []any, path string) {
	writeJSON(w, r, http.StatusOK, map[string]any{"projects": projects,
		"links": map[string]any{"next": nil, "previous": nil, "self": baseURL(r) + path}})
}

// findProjects lists the projects of whoever signed the request or brings a
// token, by their name if one is asked for ("Querying Project Information Based
// on the Specified Criteria" of both vendors' IAM).
func (s *Simulator) findProjects(w http.ResponseWriter, r *http.Request, body []byte) {
	var owner *user
	if signed(r) {
		pair, refused := s.signer(r, body)
		if refused != nil {
			refused.write(w, r)
			return
		}
		owner = pair.user
	} else {
		t, fault := s.requester(r)
		if fault != nil {
			fault.write(w, r)
			return
		}
		owner = t.user
	}
	name := r.URL.Query().Get("name")
	projects := []any{}
	for _, p := range s.identity.projects {
		if len(owner.grants[p.id]) > 0 && (name == "" || name == p.name) {
			projects = append(projects, projectDocument(r, p))
		}
	}
	writeProjects(w, r, projects, "/identity/v3/projects")
}
