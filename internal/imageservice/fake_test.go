package imageservice

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	imageA = "0f2a7d5e-3c1b-4e8f-9a6d-5b4c3d2e1f00"
	imageB = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

	password  = "sentinel-password"
	secret    = "sentinel-application-secret"
	projectID = "e4c12f87fd1d4a15addbf0b9b161f1fb"
	otherID   = "754588a2cfae44679bc40a8994dcb2f1"
)

// cloud is a Keystone under /identity/v3 and a Glance under /image, as far as
// this client can tell. Answers to refusals are those of Keystone 22.0 and
// Glance 25.1.
type cloud struct {
	*httptest.Server

	// Intercept answers a request instead of the cloud when it returns true.
	Intercept func(w http.ResponseWriter, r *http.Request, body string) bool

	mu       sync.Mutex
	requests []string // "PATCH /image/v2/images/ID"
	bodies   []string
	headers  []http.Header
	tokens   map[string]*grantedToken
	issued   int

	Now      func() time.Time
	Skew     time.Duration // how far ahead the client's clock is
	Lifetime time.Duration
	Images   map[string]map[string]any
	Catalog  []map[string]any
}

type grantedToken struct {
	methods []string
	project string // id, empty for none
	issued  time.Time
	expires time.Time
}

var projects = map[string]string{projectID: "demo", otherID: "other"}

func newCloud(t *testing.T) *cloud {
	c := prepareCloud()
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	c.defaultCatalog()
	t.Cleanup(c.Close)
	return c
}

func newTLSCloud(t *testing.T) *cloud {
	c := prepareCloud()
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	c.Config.ErrorLog = log.New(io.Discard, "", 0)
	c.StartTLS()
	c.defaultCatalog()
	t.Cleanup(c.Close)
	return c
}

func prepareCloud() *cloud {
	return &cloud{
		tokens:   map[string]*grantedToken{},
		Now:      time.Now,
		Lifetime: time.Hour,
		Images: map[string]map[string]any{
			imageA: {"id": imageA, "name": "golden", "tags": []string{"prod"}, "min_disk": 10, "protected": false, "metadata": "mine"},
			imageB: {"id": imageB, "name": "silver", "tags": []string{}},
		},
	}
}

func (c *cloud) defaultCatalog() {
	c.Catalog = []map[string]any{
		{"type": "identity", "name": "keystone", "endpoints": []map[string]any{c.at("public", "RegionOne", "/identity/v3")}},
		{"type": "image", "name": "glance", "endpoints": []map[string]any{c.at("public", "RegionOne", "/image")}},
	}
}

func (c *cloud) at(iface, region, path string) map[string]any {
	return map[string]any{"interface": iface, "region": region, "region_id": region, "url": c.URL + path, "id": "e1"}
}

// serviceAt makes the image service of the catalogue have these endpoints.
func (c *cloud) serviceAt(endpoints ...map[string]any) {
	c.Catalog = []map[string]any{{"type": "image", "name": "glance", "endpoints": endpoints}}
}

func (c *cloud) config() Config {
	return Config{
		AuthURL: c.URL + "/identity/v3", Username: "bob", Password: password, UserDomainName: "Default",
		ProjectName: "demo", ProjectDomainName: "Default",
		Getenv: func(string) string { return "" },
	}
}

// client makes a client for the cloud, with its own changes to the configuration.
func (c *cloud) client(t *testing.T, change func(*Config)) *Client {
	t.Helper()
	config := c.config()
	if change != nil {
		change(&config)
	}
	target, err := config.resolve()
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	target.transport.Sleep = func(context.Context, time.Duration) error { return nil }
	client, err := newClient(target, func() time.Time { return c.Now().Add(c.Skew) })
	if err != nil {
		t.Fatalf("newClient: %v", err)
	}
	return client
}

// count returns how many requests began with prefix.
func (c *cloud) count(prefix string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, r := range c.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

func (c *cloud) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// revoke makes every token that was issued so far invalid.
func (c *cloud) revoke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.tokens)
}

// issue makes a token for a project, "" for none.
func (c *cloud) issue(project string, methods ...string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.issueLocked(project, methods...)
}

func (c *cloud) issueLocked(project string, methods ...string) string {
	c.issued++
	token := fmt.Sprintf("sentinel-token-%d", c.issued)
	now := c.Now()
	c.tokens[token] = &grantedToken{methods: methods, project: project, issued: now, expires: now.Add(c.Lifetime)}
	return token
}

func (c *cloud) valid(token string) *grantedToken {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.tokens[token]
	if g == nil || !c.Now().Before(g.expires) {
		return nil
	}
	return g
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request) {
	content, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	c.requests = append(c.requests, r.Method+" "+r.URL.Path)
	c.bodies = append(c.bodies, string(content))
	c.headers = append(c.headers, r.Header.Clone())
	c.mu.Unlock()
	if c.Intercept != nil && c.Intercept(w, r, string(content)) {
		return
	}
	path := r.URL.Path
	switch {
	case path == "/identity/v3/auth/tokens" && r.Method == http.MethodPost:
		c.serveSignIn(w, content)
	case path == "/identity/v3/auth/tokens":
		token := r.Header.Get("X-Subject-Token")
		if c.valid(r.Header.Get("X-Auth-Token")) == nil || c.valid(token) == nil {
			unauthorized(w)
			return
		}
		c.describe(w, http.StatusOK, token)
	case path == "/identity/v3/auth/projects":
		answer(w, http.StatusOK, map[string]any{"projects": []any{map[string]any{"id": projectID, "name": "demo"}}})
	case strings.HasPrefix(path, "/image/v2/images/"):
		c.serveImage(w, r, strings.TrimPrefix(path, "/image/v2/images/"), content)
	case strings.HasPrefix(path, "/image/"):
		glanceError(w, http.StatusNotFound, "The resource could not be found.")
	default:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<!doctype html><html><title>404 Not Found</title></html>")
	}
}

type signInBody struct {
	Auth struct {
		Identity struct {
			Methods  []string
			Password struct {
				User struct {
					ID, Name, Password string
					Domain             struct{ ID, Name string }
				}
			}
			Token                 struct{ ID string }
			ApplicationCredential struct {
				ID, Name, Secret string
				User             struct{ ID, Name string }
			} `json:"application_credential"`
		}
		Scope *struct {
			Project struct {
				ID, Name string
				Domain   struct{ ID, Name string }
			}
		}
	}
}

func (c *cloud) serveSignIn(w http.ResponseWriter, content []byte) {
	var body signInBody
	if err := json.Unmarshal(content, &body); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": map[string]any{"code": 400, "message": err.Error(), "title": "Bad Request"}})
		return
	}
	identity, scope := body.Auth.Identity, body.Auth.Scope
	project := ""
	switch identity.Methods[0] {
	case "password":
		user := identity.Password.User
		known := user.Name == "bob" && (user.Domain.Name == "Default" || user.Domain.ID == "default") || user.ID == "u-bob"
		if !known || user.Password != password {
			unauthorized(w)
			return
		}
	case "token":
		g := c.valid(identity.Token.ID)
		if g == nil {
			unauthorized(w)
			return
		}
		if slices.Contains(g.methods, "application_credential") {
			answer(w, http.StatusForbidden, map[string]any{"error": map[string]any{"code": 403, "title": "Forbidden",
				"message": "You are not authorized to perform the requested action: Using a delegated token to create another token is not allowed.."}})
			return
		}
	case "application_credential":
		credential := identity.ApplicationCredential
		if scope != nil || credential.Secret != secret || (credential.ID != "ac1" && (credential.Name != "pipeline" || credential.User.Name != "bob")) {
			unauthorized(w)
			return
		}
		project = projectID
	}
	if scope != nil {
		for id, name := range projects {
			named := scope.Project.Name == name && (scope.Project.Domain.Name == "Default" || scope.Project.Domain.ID == "default")
			if named || scope.Project.ID == id {
				project = id
			}
		}
		if project == "" {
			unauthorized(w)
			return
		}
	}
	c.describe(w, http.StatusCreated, c.issue(project, identity.Methods...))
}

func (c *cloud) describe(w http.ResponseWriter, status int, token string) {
	c.mu.Lock()
	g := *c.tokens[token]
	c.mu.Unlock()
	description := map[string]any{
		"methods":    g.methods,
		"issued_at":  g.issued.UTC().Format("2006-01-02T15:04:05.000000Z"),
		"expires_at": g.expires.UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
	if g.project != "" {
		description["project"] = map[string]any{"id": g.project, "name": projects[g.project], "domain": map[string]any{"id": "default", "name": "Default"}}
		description["roles"] = []any{map[string]any{"id": "r2", "name": "reader"}, map[string]any{"id": "r1", "name": "member"}}
		description["catalog"] = c.Catalog
	}
	w.Header().Set("X-Subject-Token", token)
	answer(w, status, map[string]any{"token": description})
}

func (c *cloud) serveImage(w http.ResponseWriter, r *http.Request, id string, content []byte) {
	if c.valid(r.Header.Get("X-Auth-Token")) == nil {
		glanceError(w, http.StatusUnauthorized, "This server could not verify that you are authorized to access the document you requested.")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	image := c.Images[id]
	if image == nil {
		glanceError(w, http.StatusNotFound, "No image found with ID "+id)
		return
	}
	if r.Method == http.MethodPatch {
		image = maps.Clone(image)
		var operations []struct {
			Op, Path string
			Value    any
		}
		if err := json.Unmarshal(content, &operations); err != nil {
			glanceError(w, http.StatusBadRequest, "Malformed JSON in request body.")
			return
		}
		for _, o := range operations {
			key := strings.TrimPrefix(o.Path, "/")
			if _, there := image[key]; !there && o.Op != "add" {
				glanceError(w, http.StatusConflict, "There was a conflict when trying to complete your request.<br /><br />\nProperty "+key+" does not exist.\n\n")
				return
			}
			image[key] = o.Value
			if o.Op == "remove" {
				delete(image, key)
			}
		}
		c.Images[id] = image
	}
	answer(w, http.StatusOK, image)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func unauthorized(w http.ResponseWriter) {
	answer(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}})
}

func glanceError(w http.ResponseWriter, status int, message string) {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	answer(w, status, map[string]any{"message": message + "<br /><br />\n\n\n", "code": text, "title": http.StatusText(status)})
}

// journal keeps everything that is logged.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) log(_ context.Context, message string, fields map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintln(&j.text, message, fields)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
