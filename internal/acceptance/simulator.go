package acceptance

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// simulatedShortLife is the lifetime in seconds of the tokens of the second
// Keystone of a simulated cloud.
const simulatedShortLife = 3

// Simulator starts a simulated cloud in this process, which ends with the test,
// and returns it with its description. Unless the options say otherwise, its
// regions have the rules that those of a real cloud here have.
func Simulator(t testing.TB, options simulator.Options) (*Cloud, *simulator.Simulator) {
	t.Helper()
	if options.RegionPolicies == nil {
		options.RegionPolicies = map[string]simulator.Policy{RegionTwo: simulator.PolicySecureRBAC}
	}
	s := simulator.New(options)
	short := &shortLived{backend: s}
	server := NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, ok := strings.CutPrefix(r.URL.Path, "/short"); ok {
			r.URL.Path = path
			short.ServeHTTP(w, r)
			return
		}
		s.ServeHTTP(w, r)
	}))
	d := s.Describe(server.URL)
	c := &Cloud{
		AuthURL:           d.Identity,
		ShortLivedAuthURL: strings.Replace(d.Identity, server.URL, server.URL+"/short", 1),
		ShortLivedSeconds: simulatedShortLife,
		Regions:           d.Regions,
		Users:             map[string]User{},
		ApplicationCredential: ApplicationCredential{
			ID: d.ApplicationCredential.ID, Name: d.ApplicationCredential.Name, Secret: d.ApplicationCredential.Secret,
		},
		CloudsYAML: filepath.Join(t.TempDir(), "clouds.yaml"),
	}
	for name, account := range d.Accounts {
		c.Users[name] = User{
			ID: account.UserID, Name: name, Password: account.Password, DomainID: "default", DomainName: d.UserDomainName,
			Project: account.ProjectName, ProjectID: account.ProjectID,
		}
	}
	if err := c.WriteCloudsYAML(c.CloudsYAML); err != nil {
		t.Fatal(err)
	}
	return c, s
}

// shortLived is a Keystone over the accounts of another one, whose tokens end
// after simulatedShortLife.
type shortLived struct {
	backend http.Handler
	ends    sync.Map // by token
}

func (k *shortLived) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	recorded := httptest.NewRecorder()
	k.backend.ServeHTTP(recorded, r)
	body := recorded.Body.Bytes()
	token := recorded.Header().Get("X-Subject-Token")
	if r.Method == http.MethodPost && token != "" {
		end := time.Now().Add(simulatedShortLife * time.Second)
		k.ends.Store(token, end)
		time.AfterFunc(time.Until(end), func() { k.revoke(token) })
	}
	if end, ok := k.ends.Load(cmp.Or(token, r.Header.Get("X-Subject-Token"))); ok {
		body = withExpiry(body, end)
	}
	for name, values := range recorded.Header() {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(recorded.Code)
	_, _ = io.Copy(w, bytes.NewReader(body))
}

// revoke ends a token as Keystone's own API does.
func (k *shortLived) revoke(token string) {
	r := httptest.NewRequest(http.MethodDelete, "/identity/v3/auth/tokens", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("X-Auth-Token", token)
	r.Header.Set("X-Subject-Token", token)
	k.backend.ServeHTTP(httptest.NewRecorder(), r)
}

// withExpiry puts another expires_at into the description of a token.
func withExpiry(body []byte, end any) []byte {
	var description map[string]map[string]any
	if json.Unmarshal(body, &description) != nil || description["token"] == nil {
		return body
	}
	moment, _ := end.(time.Time)
	description["token"]["expires_at"] = moment.UTC().Format("2006-01-02T15:04:05.000000Z")
	changed, err := json.Marshal(description)
	if err != nil {
		return body
	}
	return changed
}
