package imageservice

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/signature"
)

const (
	accessKey     = "SENTINELACCESSKEY"
	secretKey     = "sentinel-secret-key"
	securityToken = "sentinel-security-token"
)

// vendor is an IMS behind an API gateway that checks signatures, with the
// identity service under /iam/v3, as far as this client can tell. Its forms are
// those of the vendors' pages; nothing here was captured from a real one.
type vendor struct {
	*httptest.Server

	// Intercept answers a request instead of the vendor when it returns true.
	Intercept func(w http.ResponseWriter, r *http.Request, body string) bool

	mu       sync.Mutex
	requests []string // "PATCH /v2/cloudimages/ID", with the query
	bodies   []string
	headers  []http.Header

	Now      func() time.Time
	Skew     time.Duration // how far ahead the client's clock is
	Forms    []signature.Form
	Key      signature.Key
	Images   map[string]map[string]any
	Projects []map[string]any
}

func newVendor(t *testing.T) *vendor {
	v := &vendor{
		Now:   time.Now,
		Forms: []signature.Form{signature.Access, signature.Credential},
		Key:   signature.Key{Access: accessKey, Secret: secretKey},
		Images: map[string]map[string]any{
			imageA: {"id": imageA, "name": "golden", "status": "active", "__imagetype": "private", "visibility": "private", "tags": []string{"env=prod", "old", "team.core"}, "__data_origin": nil},
			imageB: {"id": imageB, "name": "silver", "status": "queued", "__imagetype": "private", "visibility": "private", "tags": []string{}},
		},
		Projects: []map[string]any{{"id": projectID, "name": "eu-de_demo"}, {"id": otherID, "name": "eu-de"}},
	}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	t.Cleanup(v.Close)
	return v
}

// client makes a client of a flavor that signs with an access key.
func (v *vendor) client(t *testing.T, flavor string, change func(*Config)) *Client {
	t.Helper()
	config := Config{
		Flavor: flavor, Endpoint: v.URL, Region: "eu-de", AccessKey: accessKey, SecretKey: secretKey, ProjectID: projectID,
		Getenv: func(string) string { return "" },
	}
	if change != nil {
		change(&config)
	}
	target, err := config.resolve()
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	target.transport.Sleep = func(context.Context, time.Duration) error { return nil }
	client, err := newClient(target, func() time.Time { return v.Now().Add(v.Skew) })
	if err != nil {
		t.Fatalf("newClient: %v", err)
	}
	return client
}

func (v *vendor) seen() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.requests)
}

func (v *vendor) serve(w http.ResponseWriter, r *http.Request) {
	content, _ := io.ReadAll(r.Body)
	asked := r.Method + " " + r.URL.Path
	if r.URL.RawQuery != "" {
		asked += "?" + r.URL.RawQuery
	}
	v.mu.Lock()
	v.requests = append(v.requests, asked)
	v.bodies = append(v.bodies, string(content))
	v.headers = append(v.headers, r.Header.Clone())
	v.mu.Unlock()
	w.Header().Set("Date", v.Now().UTC().Format(http.TimeFormat))
	if v.Intercept != nil && v.Intercept(w, r, string(content)) {
		return
	}
	if !v.signed(r, content) {
		gatewayError(w, http.StatusUnauthorized, "APIGW.0301", "Incorrect IAM authentication information: verify aksk signature fail, got "+r.Header.Get("Authorization"))
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	path, project := r.URL.Path, r.Header.Get("X-Project-Id")
	switch {
	case path == "/iam/v3/projects":
		v.serveProjects(w, r.URL.Query().Get("name"))
	case project != projectID:
		gatewayError(w, http.StatusForbidden, "APIGW.0302", "no project "+project)
	case path == cloudImagesPath, path == imagesPath:
		v.serveList(w, r.URL.Query())
	case strings.HasPrefix(path, "/v2/"+projectID+"/images/"):
		v.serveTags(w, strings.Split(path, "/")[4], content)
	default:
		v.serveImage(w, r, path[strings.LastIndex(path, "/")+1:], content)
	}
}

// signed recomputes the signature over what the request says is signed.
func (v *vendor) signed(r *http.Request, body []byte) bool {
	authorization := r.Header.Get("Authorization")
	form := signature.Access
	if strings.Contains(authorization, "Credential=") {
		form = signature.Credential
	}
	_, rest, _ := strings.Cut(authorization, "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	header := http.Header{}
	for name := range strings.SplitSeq(names, ";") {
		if value := r.Header.Get(name); value != "" {
			header.Set(name, value)
		}
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Sdk-Date"))
	if err != nil || at.Sub(v.Now()).Abs() > 15*time.Minute || !slices.Contains(v.Forms, form) {
		return false
	}
	for _, name := range []string{"X-Project-Id", "X-Domain-Id", "X-Security-Token"} {
		if r.Header.Get(name) != "" && header.Get(name) == "" {
			return false
		}
	}
	u := *r.URL
	u.Host = r.Host
	_, want := v.Key.Sign(form, r.Method, &u, header, body, at)
	return authorization == want
}

func (v *vendor) serveProjects(w http.ResponseWriter, name string) {
	projects := slices.DeleteFunc(slices.Clone(v.Projects), func(p map[string]any) bool { return name != "" && p["name"] != name })
	answer(w, http.StatusOK, map[string]any{"projects": projects})
}

func (v *vendor) serveList(w http.ResponseWriter, query url.Values) {
	ids := slices.Sorted(maps.Keys(v.Images))
	images := []any{}
	for _, id := range ids {
		if query.Get("id") != "" && query.Get("id") != id || id <= query.Get("marker") {
			continue
		}
		images = append(images, v.Images[id])
	}
	answer(w, http.StatusOK, map[string]any{"images": images})
}

func (v *vendor) serveTags(w http.ResponseWriter, id string, content []byte) {
	var body struct {
		Action string
		Tags   []struct{ Key, Value string }
	}
	image := v.Images[id]
	if json.Unmarshal(content, &body) != nil || image == nil || len(body.Tags) != 1 {
		imsError(w, http.StatusBadRequest, "IMG.0115", "The tag is wrong.")
		return
	}
	tag := body.Tags[0]
	tags := slices.DeleteFunc(slices.Clone(image["tags"].([]string)), func(t string) bool {
		return t == tag.Key || strings.HasPrefix(t, tag.Key+"=") || strings.HasPrefix(t, tag.Key+".")
	})
	if body.Action == "create" {
		tags = append(tags, strings.TrimSuffix(tag.Key+"="+tag.Value, "="))
	}
	if len(tags) > 10 {
		imsError(w, http.StatusBadRequest, "IMG.0116", "Too many tags.")
		return
	}
	image["tags"] = tags
	w.WriteHeader(http.StatusNoContent)
}

func (v *vendor) serveImage(w http.ResponseWriter, r *http.Request, id string, content []byte) {
	image := v.Images[id]
	if image == nil {
		imsError(w, http.StatusBadRequest, "IMG.0027", "The image does not exist.")
		return
	}
	if r.Method == http.MethodPatch {
		image = maps.Clone(image)
		var operations []struct {
			Op, Path string
			Value    any
		}
		if err := json.Unmarshal(content, &operations); err != nil {
			imsError(w, http.StatusBadRequest, "IMG.0001", "The request message format is invalid.")
			return
		}
		for _, o := range operations {
			key := strings.TrimPrefix(o.Path, "/")
			if _, there := image[key]; !there && o.Op != "add" {
				imsError(w, http.StatusBadRequest, "IMG.0035", "An attribute conflict occurred during the modification.")
				return
			}
			image[key] = o.Value
			if o.Op == "remove" {
				delete(image, key)
			}
		}
		v.Images[id] = image
	}
	answer(w, http.StatusOK, image)
}

func imsError(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]any{"error": map[string]any{"code": code, "message": message}})
}

func gatewayError(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]any{"error_code": code, "error_msg": message, "request_id": "5a0b"})
}
