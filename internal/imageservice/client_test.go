package imageservice

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

func TestNewAndEndpointWithOverrideNeedNoNetwork(t *testing.T) {
	cloud := newCloud(t)
	client := cloud.client(t, func(c *Config) { c.Endpoint = cloud.URL + "/image/v2" })
	if key, err := client.EndpointKey(t.Context()); err != nil || key != cloud.URL+"/image" {
		t.Errorf("got %q, %v", key, err)
	}
	if seen := cloud.seen(); len(seen) != 0 {
		t.Errorf("requests were sent: %v", seen)
	}
}

func TestPlaceComesFromTheToken(t *testing.T) {
	cloud := newCloud(t)
	client := cloud.client(t, nil)
	got, err := client.Place(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Region != "RegionOne" || got.ProjectID != projectID || got.ProjectName != "demo" || !slices.Equal(got.Roles, []string{"member", "reader"}) {
		t.Errorf("got %+v", got)
	}
	if want := []string{"POST /identity/v3/auth/tokens"}; !slices.Equal(cloud.seen(), want) {
		t.Errorf("requests %v, want %v", cloud.seen(), want)
	}
}

func TestOneSignInServesManyReads(t *testing.T) {
	cloud := newCloud(t)
	client := cloud.client(t, nil)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			id := []string{imageA, imageB}[i%2]
			if image, err := client.Image(t.Context(), id); err != nil || image.ID != id {
				t.Errorf("got %v, %v", image, err)
			}
		})
	}
	wg.Wait()
	if n := cloud.count("POST /identity"); n != 1 {
		t.Errorf("%d sign-ins, want 1", n)
	}
	if n := cloud.count("GET /image/v2/images/"); n != 20 {
		t.Errorf("%d reads, want 20", n)
	}
}

func TestEveryMethodOfSignInReachesTheImage(t *testing.T) {
	tests := map[string]struct {
		change  func(*cloud, *Config)
		signIns []string
	}{
		"password": {
			change:  func(*cloud, *Config) {},
			signIns: []string{"POST /identity/v3/auth/tokens"},
		},
		"user id and project id": {
			change: func(_ *cloud, c *Config) {
				c.Username, c.UserID, c.ProjectName, c.ProjectID = "", "u-bob", "", projectID
			},
			signIns: []string{"POST /identity/v3/auth/tokens"},
		},
		"application credential": {
			change: func(_ *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, ApplicationCredentialID: "ac1", ApplicationCredentialSecret: secret}
			},
			signIns: []string{"POST /identity/v3/auth/tokens"},
		},
		"application credential by name": {
			change: func(_ *cloud, c *Config) {
				c.Password, c.ApplicationCredentialName, c.ApplicationCredentialSecret = "", "pipeline", secret
			},
			signIns: []string{"POST /identity/v3/auth/tokens"},
		},
		"token of a project is used itself": {
			change: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue(projectID, "password")}
			},
			signIns: []string{"GET /identity/v3/auth/tokens"},
		},
		"token of the very project that is named is used itself": {
			change: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue(projectID, "password"), ProjectName: "Demo", ProjectDomainName: "default"}
			},
			signIns: []string{"GET /identity/v3/auth/tokens"},
		},
		"token of an application credential, its project named": {
			change: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue(projectID, "application_credential"), ProjectName: "demo"}
			},
			signIns: []string{"GET /identity/v3/auth/tokens"},
		},
		"token of the very project by its domain's id": {
			change: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue(projectID, "password"), ProjectName: "demo", ProjectDomainID: "default"}
			},
			signIns: []string{"GET /identity/v3/auth/tokens"},
		},
		"token of another project is scoped anew": {
			change: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue(otherID, "password"), ProjectID: projectID}
			},
			signIns: []string{"GET /identity/v3/auth/tokens", "POST /identity/v3/auth/tokens"},
		},
		"token of no project is scoped": {
			change: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue("", "password"), ProjectName: "demo"}
			},
			signIns: []string{"GET /identity/v3/auth/tokens", "POST /identity/v3/auth/tokens"},
		},
		"address without a version": {
			change:  func(cloud *cloud, c *Config) { c.AuthURL = cloud.URL + "/identity/" },
			signIns: []string{"POST /identity/v3/auth/tokens"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t)
			client := cloud.client(t, func(c *Config) { test.change(cloud, c) })
			if _, err := client.Image(t.Context(), imageA); err != nil {
				t.Fatal(err)
			}
			place, err := client.Place(t.Context())
			if err != nil || place.ProjectID != projectID {
				t.Errorf("got %+v, %v", place, err)
			}
			if want := append(test.signIns, "GET /image/v2/images/"+imageA); !slices.Equal(cloud.seen(), want) {
				t.Errorf("requests %v, want %v", cloud.seen(), want)
			}
		})
	}
}

func TestSignInSendsOnlyWhatItsMethodNeeds(t *testing.T) {
	cloud := newCloud(t)
	client := cloud.client(t, func(c *Config) {
		*c = Config{AuthURL: c.AuthURL, ApplicationCredentialID: "ac1", ApplicationCredentialSecret: secret, Getenv: func(name string) string {
			return map[string]string{"OS_PASSWORD": password, "OS_USERNAME": "bob", "OS_PROJECT_NAME": "other", "OS_TOKEN": "sentinel-token-env"}[name]
		}}
	})
	if _, err := client.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `{"auth":{"identity":{"application_credential":{"id":"ac1","secret":"` + secret + `"},"methods":["application_credential"]}}}`
	if cloud.bodies[0] != want {
		t.Errorf("sent %s\nwant %s", cloud.bodies[0], want)
	}
	if cloud.headers[0].Get("X-Auth-Token") != "" {
		t.Error("a sign-in carries a token")
	}
}

func TestImageAddressWhateverFormTheCatalogueHasItIn(t *testing.T) {
	for _, path := range []string{"/image", "/image/", "/image/v2", "/image/v2/", "/image/v2.15", "/image/v2.0/", "/image/v1"} {
		t.Run(path, func(t *testing.T) {
			cloud := newCloud(t)
			cloud.serviceAt(cloud.at("public", "RegionOne", path))
			client := cloud.client(t, nil)
			if _, err := client.Image(t.Context(), imageA); err != nil {
				t.Error(err)
			}
			if key, err := client.EndpointKey(t.Context()); err != nil || key != cloud.URL+"/image" {
				t.Errorf("key %q, %v", key, err)
			}
			override := cloud.client(t, func(c *Config) { c.Endpoint = cloud.URL + path })
			if _, err := override.Image(t.Context(), imageA); err != nil {
				t.Errorf("as endpoint: %v", err)
			}
		})
	}
}

func TestCanonicalEndpointIsEqualForEqualAddresses(t *testing.T) {
	tests := map[string]string{
		"https://Images.Example:443/":     "https://images.example",
		"http://images.example:80/v2":     "http://images.example",
		"http://images.example:9292/v2//": "http://images.example:9292",
		"http://v2":                       "http://v2",
		"https://h/Prefix/v2.1":           "https://h/Prefix",
		"https://h/a%2Fb/v2":              "https://h/a%2Fb",
		"http://[::1]:9292/image/v2/":     "http://[::1]:9292/image",
	}
	for given, want := range tests {
		if got, err := canonicalEndpoint(given); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", given, got, err, want)
		}
	}
}

func TestRegionAndInterfaceChooseTheEndpoint(t *testing.T) {
	cloud := newCloud(t)
	cloud.serviceAt(
		cloud.at("internal", "RegionOne", "/inside"), cloud.at("public", "RegionOne", "/one"),
		cloud.at("public", "RegionTwo", "/two"), cloud.at("adminURL", "RegionTwo", "/admin"),
		map[string]any{"interface": "public", "region_id": "by-id", "url": cloud.URL + "/three"},
	)
	for _, test := range []struct{ region, iface, path, place string }{
		{"RegionOne", "", "/one", "RegionOne"},
		{"RegionTwo", "public", "/two", "RegionTwo"},
		{"by-id", "", "/three", "by-id"},
		{"", "internal", "/inside", "RegionOne"},
		{"", "admin", "/admin", "RegionTwo"},
	} {
		client := cloud.client(t, func(c *Config) { c.Region, c.Interface = test.region, test.iface })
		place, err := client.Place(t.Context())
		if err != nil {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		if key, _ := client.EndpointKey(t.Context()); key != cloud.URL+test.path || place.Region != test.place {
			t.Errorf("%+v: got %s in %q", test, key, place.Region)
		}
	}
}

func TestSignInErrorsSayWhatIsWrongAndTheWayOut(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := refused.Close(); err != nil {
		t.Fatal(err)
	}
	page := func(status int, body string) func(http.ResponseWriter, *http.Request, string) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			if body != "" && body[0] == '<' {
				w.Header().Set("Content-Type", "text/html")
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	tests := map[string]struct {
		cloud  func(*cloud)
		config func(*cloud, *Config)
		says   []string
	}{
		"wrong password": {
			config: func(_ *cloud, c *Config) { c.Password = "sentinel-wrong" },
			says:   []string{`user "bob" of domain "Default" (username)`, "username, password, user_domain_name", "401"},
		},
		"wrong domain that nobody gave": {
			config: func(_ *cloud, c *Config) { c.UserDomainName, c.Username = "", "alice" },
			says:   []string{`domain "default" (none is given)`},
		},
		"wrong user id": {
			config: func(_ *cloud, c *Config) { c.Username, c.UserID = "", "u-alice" },
			says:   []string{"user_id and password"},
		},
		"unknown project": {
			config: func(_ *cloud, c *Config) { c.ProjectName = "nope" },
			says:   []string{`password of the user "bob"`, `is right`, `no project "nope" of domain "Default" (project_name)`, "this user can use demo (" + projectID + ")"},
		},
		"unknown project id": {
			config: func(_ *cloud, c *Config) { c.ProjectID = "nope" },
			says:   []string{"no project nope (project_id)", "can use demo"},
		},
		"no project": {
			config: func(_ *cloud, c *Config) { c.ProjectName = "" },
			says:   []string{"no project", "project_id", "project_name", "can use demo"},
		},
		"token without project": {
			config: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue("", "password")}
			},
			says: []string{"the token (token)", "no project", "project_id"},
		},
		"token that is not known": {
			config: func(_ *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: "sentinel-token-x"}
			},
			says: []string{"does not accept the token (token)", "expired", "openstack token issue"},
		},
		"token of an application credential for another project": {
			config: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue(projectID, "application_credential"), ProjectID: otherID}
			},
			says: []string{`the project "demo" (` + projectID + ")", "project " + otherID + " (project_id)", "get a token for that project", "delegated token"},
		},
		"token for a project that does not exist": {
			config: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue("", "password"), ProjectName: "nope"}
			},
			says: []string{"for no project", `project "nope"`, "can use demo"},
		},
		"token of a project of that name in another domain": {
			config: func(cloud *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue(projectID, "password"), ProjectName: "demo", ProjectDomainID: "d2"}
			},
			says: []string{`for the project "demo" of domain "d2" (project_name)`},
		},
		"user without any project": {
			cloud: func(c *cloud) {
				c.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
					if r.URL.Path != "/identity/v3/auth/projects" {
						return false
					}
					answer(w, http.StatusOK, map[string]any{"projects": []any{}})
					return true
				}
			},
			config: func(_ *cloud, c *Config) { c.ProjectName = "nope" },
			says:   []string{"no project that this user has a role on"},
		},
		"projects that Keystone does not tell": {
			cloud: func(c *cloud) {
				c.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
					if r.URL.Path != "/identity/v3/auth/projects" {
						return false
					}
					w.WriteHeader(http.StatusForbidden)
					return true
				}
			},
			config: func(_ *cloud, c *Config) { c.ProjectName = "nope" },
			says:   []string{"has no role on it: POST"},
		},
		"wrong application credential": {
			config: func(_ *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, ApplicationCredentialID: "ac1", ApplicationCredentialSecret: "sentinel-wrong"}
			},
			says: []string{`application credential "ac1" (application_credential_id)`, "expired or was deleted"},
		},
		"application credential of another project than the named one": {
			config: func(_ *cloud, c *Config) {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, ApplicationCredentialID: "ac1", ApplicationCredentialSecret: secret, ProjectName: "other"}
			},
			says: []string{`belongs to the project "demo"`, `project "other"`},
		},
		"unknown region": {
			cloud: func(c *cloud) {
				c.serviceAt(c.at("public", "north", ""), c.at("public", "south", ""), c.at("internal", "south", ""))
			},
			config: func(_ *cloud, c *Config) { c.Region = "east" },
			says:   []string{`no image service in region "east"`, "north, south"},
		},
		"several regions": {
			cloud: func(c *cloud) { c.serviceAt(c.at("public", "south", ""), c.at("public", "north", "")) },
			says:  []string{"several regions: north, south", "choose one with region"},
		},
		"interface that the service does not have": {
			config: func(_ *cloud, c *Config) { c.Interface = "admin" },
			says:   []string{"no admin address", "only public", "interface"},
		},
		"no image service": {
			cloud: func(c *cloud) {
				c.Catalog = []map[string]any{{"type": "volume"}, {"type": "identity"}}
			},
			says: []string{"no image service in the service catalogue", "identity, volume", "endpoint"},
		},
		"empty catalogue": {
			cloud: func(c *cloud) { c.Catalog = nil },
			says:  []string{"catalogue is empty", "endpoint"},
		},
		"address in the catalogue that is none": {
			cloud: func(c *cloud) {
				c.serviceAt(map[string]any{"interface": "public", "region": "RegionOne", "url": "$(glance)s"})
			},
			says: []string{"cannot be used", "endpoint"},
		},
		"nobody listens": {
			config: func(_ *cloud, c *Config) { c.AuthURL = "http://" + refused.Addr().String() },
			says:   []string{"no answer from Keystone", "auth_url", "refuses connections"},
		},
		"host that does not exist": {
			config: func(_ *cloud, c *Config) { c.AuthURL = "http://keystone.invalid" },
			says:   []string{"no answer from Keystone", "keystone.invalid"},
		},
		"not Keystone at this address": {
			config: func(cloud *cloud, c *Config) { c.AuthURL = cloud.URL + "/wrong" },
			says:   []string{"no Keystone (Identity API v3) at", "/wrong/v3", "check auth_url"},
		},
		"a redirecting page": {
			cloud: func(c *cloud) { c.Intercept = page(http.StatusMultipleChoices, `{"versions": {}}`) },
			says:  []string{"no Keystone (Identity API v3) at"},
		},
		"a proxy's page": {
			cloud: func(c *cloud) {
				c.Intercept = page(http.StatusOK, "<html><title>Please log in</title></html>")
			},
			says: []string{"is not Keystone", "HTML page (title: Please log in)", "proxy"},
		},
		"an answer that broke": {
			cloud: func(c *cloud) { c.Intercept = page(http.StatusCreated, `{"token": {"catalog": [`) },
			says:  []string{"is not Keystone", "cannot be read"},
		},
		"JSON of something else": {
			cloud: func(c *cloud) { c.Intercept = page(http.StatusOK, `{"access": {}}`) },
			says:  []string{"is not Keystone", "it has access"},
		},
		"a token without the token": {
			cloud: func(c *cloud) { c.Intercept = page(http.StatusCreated, `{"token": {}}`) },
			says:  []string{"X-Subject-Token"},
		},
		"account that is locked": {
			cloud: func(c *cloud) {
				c.Intercept = page(http.StatusForbidden, `{"error": {"message": "The account is locked.", "code": 403}}`)
			},
			says: []string{"forbids", "locked"},
		},
		"Keystone in trouble": {
			cloud: func(c *cloud) { c.Intercept = page(http.StatusServiceUnavailable, "") },
			says:  []string{"cannot answer at the moment", "503"},
		},
		"refusal that quotes the password": {
			cloud: func(c *cloud) {
				c.Intercept = page(http.StatusBadRequest, `{"error": {"message": "Invalid input for field password: `+password+`", "code": 400}}`)
			},
			says: []string{"refuses the sign-in", "Invalid input"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t)
			if test.cloud != nil {
				test.cloud(cloud)
			}
			var log journal
			client := cloud.client(t, func(c *Config) {
				if test.config != nil {
					test.config(cloud, c)
				}
				c.Log = log.log
			})
			_, err := client.Image(t.Context(), imageA)
			var failure *SignInError
			if !errors.As(err, &failure) {
				t.Fatalf("got %v, want a SignInError", err)
			}
			for _, word := range test.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("lacks %q: %v", word, err)
				}
			}
			if strings.Contains(err.Error()+log.String(), "sentinel") {
				t.Errorf("a secret is shown:\n%v\n%s", err, log.String())
			}
			if n := cloud.count("GET /image"); n != 0 {
				t.Errorf("%d requests to the image service without a session", n)
			}
			if _, placeErr := client.Place(t.Context()); !errors.As(placeErr, &failure) {
				t.Errorf("Place: %v", placeErr)
			}
		})
	}
}

func TestCertificateThatIsNotTrusted(t *testing.T) {
	cloud := newTLSCloud(t)
	_, err := cloud.client(t, nil).Image(t.Context(), imageA)
	var failure *SignInError
	if !errors.As(err, &failure) || !strings.Contains(err.Error(), "cacert") {
		t.Errorf("got %v", err)
	}
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cloud.Certificate().Raw}))
	trusting := cloud.client(t, func(c *Config) { c.CACert = ca })
	if _, err := trusting.Image(t.Context(), imageA); err != nil || trusting.Insecure() {
		t.Errorf("with cacert: %v, insecure %v", err, trusting.Insecure())
	}
	yes := true
	insecure := cloud.client(t, func(c *Config) { c.Insecure = &yes })
	if _, err := insecure.Image(t.Context(), imageA); err != nil || !insecure.Insecure() {
		t.Errorf("with insecure: %v, insecure %v", err, insecure.Insecure())
	}
}

func TestWrongPasswordIsNotTriedForEveryImage(t *testing.T) {
	cloud := newCloud(t)
	client := cloud.client(t, func(c *Config) { c.Password = "wrong" })
	for range 30 {
		if _, err := client.Image(t.Context(), imageA); err == nil {
			t.Fatal("signed in")
		}
	}
	// One with the project and one without, to find out which of both is wrong.
	if n := cloud.count("POST /identity"); n != 2 {
		t.Errorf("%d sign-ins, want 2", n)
	}
}

func TestTokenThatExpiresInTheMiddleIsRenewedOnceForAllRequests(t *testing.T) {
	const concurrent = 12
	cloud := newCloud(t)
	client := cloud.client(t, nil)
	if _, err := client.Image(t.Context(), imageA); err != nil {
		t.Fatal(err)
	}
	cloud.revoke()
	// No request is refused before all have been sent with the old token.
	var arrived sync.WaitGroup
	arrived.Add(concurrent)
	cloud.Intercept = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		if strings.HasPrefix(r.URL.Path, "/image/") && r.Header.Get("X-Auth-Token") == "sentinel-token-1" {
			arrived.Done()
			arrived.Wait()
		}
		return false
	}
	var wg sync.WaitGroup
	for i := range concurrent {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = client.Image(t.Context(), imageA)
			} else {
				p := patch.Patch{{Path: patch.NewPointer(fmt.Sprint("key", i)), New: `"v"`}}
				_, err = client.Patch(t.Context(), imageB, patch.Document{}, p)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := cloud.count("POST /identity"); n != 2 {
		t.Errorf("%d sign-ins, want 2", n)
	}
	if n := cloud.count("PATCH"); n != concurrent {
		t.Errorf("%d patches, want %d: every one refused once and sent again once", n, concurrent)
	}
	for i := 1; i < concurrent; i += 2 {
		if cloud.Images[imageB][fmt.Sprint("key", i)] != "v" {
			t.Errorf("key%d was not written", i)
		}
	}
}

func TestTokenIsRenewedByTheLengthOfItsLifeAndNotByTheDate(t *testing.T) {
	cloud := newCloud(t)
	cloud.Skew = 48 * time.Hour
	client := cloud.client(t, nil)
	read := func() {
		t.Helper()
		if _, err := client.Image(t.Context(), imageA); err != nil {
			t.Fatal(err)
		}
		client.sessions.mu.Lock()
		renewal := client.sessions.flight
		client.sessions.mu.Unlock()
		if renewal != nil {
			<-renewal.done
		}
	}
	for _, step := range []struct {
		after   time.Duration
		signIns int
	}{
		{0, 1},
		{0, 1},
		{time.Hour - renewalMargin - time.Minute, 1},
		{2 * time.Minute, 2},
		{0, 2},
	} {
		cloud.Skew += step.after
		read()
		if n := cloud.count("POST /identity"); n != step.signIns {
			t.Errorf("%s later: %d sign-ins, want %d", step.after, n, step.signIns)
		}
	}
}

func TestSignInIsRepeatedWhenKeystoneIsAwayForAMoment(t *testing.T) {
	cloud := newCloud(t)
	var times int
	cloud.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path != "/identity/v3/auth/tokens" {
			return false
		}
		times++
		if times == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
		return times == 1
	}
	client := cloud.client(t, func(c *Config) { c.MaxRetries = 1 })
	if _, err := client.Image(t.Context(), imageA); err != nil || times != 2 {
		t.Errorf("got %v after %d sign-ins", err, times)
	}
}

func TestBareTokenThatExpiresEndsInOneErrorWithTheCountOfChanges(t *testing.T) {
	cloud := newCloud(t)
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	cloud.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	token := cloud.issue(projectID, "password")
	client := cloud.client(t, func(c *Config) { *c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: token} })
	write := func() error {
		_, err := client.Patch(t.Context(), imageA, patch.Document{}, patch.Patch{{Path: "/a", New: `"b"`}})
		return err
	}
	for range 2 {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	now = now.Add(2 * time.Hour)
	mu.Unlock()

	err := write()
	var expired *TokenExpiredError
	if !errors.As(err, &expired) {
		t.Fatalf("got %v", err)
	}
	if want := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC); !expired.ExpiresAt.Equal(want) || expired.Begun != 3 || expired.Done != 2 {
		t.Errorf("got %+v", expired)
	}
	if got, want := err.Error(), "the token expired at 2026-11-21T10:00:00Z, after 2 of 3 changes begun in this run; nothing is half written: run again with a new token"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var failed *PatchError
	if !errors.As(err, &failed) || failed.Effect != Unsent {
		t.Errorf("effect %+v, want Unsent", failed)
	}
	before := len(cloud.seen())
	if err := write(); !errors.As(err, &expired) || expired.Begun != 4 {
		t.Errorf("the next one got %v", err)
	}
	if _, err := client.Place(t.Context()); !errors.As(err, &expired) {
		t.Errorf("Place got %v", err)
	}
	if after := cloud.seen()[before:]; len(after) != 0 {
		t.Errorf("requests with a token that is known to have expired: %v", after)
	}
}

func TestBareTokenThatIsRevokedEarlySaysSo(t *testing.T) {
	cloud := newCloud(t)
	token := cloud.issue(projectID, "password")
	client := cloud.client(t, func(c *Config) { *c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: token} })
	if _, err := client.Image(t.Context(), imageA); err != nil {
		t.Fatal(err)
	}
	cloud.revoke()
	_, err := client.Image(t.Context(), imageA)
	var expired *TokenExpiredError
	if !errors.As(err, &expired) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("got %v", err)
	}
}

func TestImageServiceThatRefusesEveryTokenIsNotAskedForEver(t *testing.T) {
	for _, method := range []string{"password", "token"} {
		cloud := newCloud(t)
		cloud.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
			if strings.HasPrefix(r.URL.Path, "/image/") {
				glanceError(w, http.StatusUnauthorized, "This server could not verify that you are authorized.")
				return true
			}
			return false
		}
		client := cloud.client(t, func(c *Config) {
			if method == "token" {
				*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue(projectID, "password")}
			}
		})
		_, err := client.Image(t.Context(), imageA)
		var refusal *transport.APIError
		if !errors.As(err, &refusal) || refusal.StatusCode != http.StatusUnauthorized || !strings.Contains(err.Error(), "belong to the same cloud") {
			t.Errorf("%s: got %v", method, err)
		}
		if n := cloud.count("GET /image/"); n != 2 {
			t.Errorf("%s: %d requests, want 2", method, n)
		}
	}
}

func TestOnlyTheImageServiceItselfSaysThatAnImageDoesNotExist(t *testing.T) {
	const gone = "11111111-2222-4333-8444-555555555555"
	cloud := newCloud(t)
	client := cloud.client(t, nil)
	_, err := client.Image(t.Context(), gone)
	var refusal *transport.APIError
	if !errors.Is(err, ErrNotFound) || !errors.As(err, &refusal) || refusal.StatusCode != http.StatusNotFound {
		t.Errorf("got %v", err)
	}
	_, err = client.Patch(t.Context(), gone, patch.Document{}, patch.Patch{{Path: "/a", New: `"b"`}})
	var failed *PatchError
	if !errors.Is(err, ErrNotFound) || !errors.As(err, &failed) || failed.Effect != Refused {
		t.Errorf("a patch got %v", err)
	}

	for name, respond := range map[string]func(http.ResponseWriter){
		"Glance at a wrong path": func(w http.ResponseWriter) { glanceError(w, http.StatusNotFound, "The resource could not be found.") },
		"proxy":                  func(w http.ResponseWriter) { http.Error(w, "404 page not found", http.StatusNotFound) },
		"gateway": func(w http.ResponseWriter) {
			answer(w, http.StatusNotFound, map[string]any{"error_code": "APIGW.0101", "error_msg": "The API does not exist"})
		},
		"versions": func(w http.ResponseWriter) {
			answer(w, http.StatusMultipleChoices, map[string]any{"versions": []any{}})
		},
		"empty": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
	} {
		cloud.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool { respond(w); return true }
		_, err := client.Image(t.Context(), gone)
		if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "check endpoint") || !errors.As(err, &refusal) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAnswerThatIsNotTheImageIsAnError(t *testing.T) {
	cloud := newCloud(t)
	client := cloud.client(t, nil)
	if _, err := client.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	for body, word := range map[string]string{
		"<html><title>Log in</title></html>": "HTML page (title: Log in)",
		`{"id": "` + imageA + `", "na`:       "broken JSON",
		`[]`:                                 "not a JSON object",
		``:                                   "not a JSON object",
		`{"images": []}`:                     "no id",
		`{"id": "` + imageB + `"}`:           "another",
	} {
		cloud.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			_, _ = io.WriteString(w, body)
			return true
		}
		if _, err := client.Image(t.Context(), imageA); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: read got %v", body, err)
		}
		_, err := client.Patch(t.Context(), imageA, patch.Document{}, patch.Patch{{Path: "/a", New: `"b"`}})
		var failed *PatchError
		if !errors.As(err, &failed) || failed.Effect != Unknown || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: patch got %v", body, err)
		}
	}
}

func TestIDInAnotherCaseIsTheSameImage(t *testing.T) {
	cloud := newCloud(t)
	upper := strings.ToUpper(imageA)
	cloud.Images[upper] = cloud.Images[imageA]
	image, err := cloud.client(t, nil).Image(t.Context(), upper)
	if err != nil || image.ID != imageA {
		t.Errorf("got %v, %v", image, err)
	}
}

func TestIDThatIsNoUUIDIsNotSent(t *testing.T) {
	cloud := newCloud(t)
	client := cloud.client(t, nil)
	for _, id := range []string{"", "golden", "../" + imageA, imageA + "/tags", imageA + "\n", imageA[:35] + "g"} {
		_, err := client.Image(t.Context(), id)
		_, patchErr := client.Patch(t.Context(), id, patch.Document{}, patch.Patch{{Path: "/a", New: `"b"`}})
		if err == nil || patchErr == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%q: got %v, %v", id, err, patchErr)
		}
	}
	if seen := cloud.seen(); len(seen) != 0 {
		t.Errorf("requests were sent: %v", seen)
	}
}

func TestPatchIsSentInTheConfiguredDialectAndReturnsTheImage(t *testing.T) {
	for format, want := range map[string]struct{ mediaType, body string }{
		"v2.1": {
			"application/openstack-images-v2.1-json-patch",
			`[{"op":"replace","path":"/name","value":"new"},{"op":"add","path":"/os~1x","value":"1"},{"op":"replace","path":"/tags","value":["lts","prod"]}]`,
		},
		"v2.0": {
			"application/openstack-images-v2.0-json-patch",
			`[{"replace":"/name","value":"new"},{"add":"/os~1x","value":"1"},{"replace":"/tags","value":["lts","prod"]}]`,
		},
	} {
		t.Run(format, func(t *testing.T) {
			cloud := newCloud(t)
			client := cloud.client(t, func(c *Config) { c.PatchFormat = format })
			image, err := client.Image(t.Context(), imageA)
			if err != nil {
				t.Fatal(err)
			}
			current := image.Document()
			cloud.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
				if r.Method != http.MethodPatch {
					return false
				}
				answer(w, http.StatusOK, map[string]any{"id": imageA, "name": "new", "tags": []string{"prod", "lts"}, "os/x": "1"})
				return true
			}
			p := patch.Diff(current, patch.Want{"/name": `"new"`, "/os~1x": `"1"`, "/tags/lts": `"lts"`}, nil)
			after, err := client.Patch(t.Context(), imageA, current, p)
			if err != nil {
				t.Fatal(err)
			}
			last := len(cloud.bodies) - 1
			if cloud.bodies[last] != want.body || cloud.headers[last].Get("Content-Type") != want.mediaType || cloud.headers[last].Get("Accept") != "application/json" {
				t.Errorf("sent %s as %q\nwant %s as %q", cloud.bodies[last], cloud.headers[last].Get("Content-Type"), want.body, want.mediaType)
			}
			wantDocument := patch.Document{"/id": `"` + imageA + `"`, "/name": `"new"`, "/tags/prod": `"prod"`, "/tags/lts": `"lts"`, "/os~1x": `"1"`}
			if got := after.Document(); !maps.Equal(got, wantDocument) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestPatchThatCannotBeSaidIsNotSent(t *testing.T) {
	cloud := newCloud(t)
	client := cloud.client(t, nil)
	for name, p := range map[string]patch.Patch{"empty": nil, "blanks around the key": {{Path: "/ key", New: `"v"`}}} {
		_, err := client.Patch(t.Context(), imageA, patch.Document{}, p)
		var failed *PatchError
		if !errors.As(err, &failed) || failed.Effect != Unsent {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if seen := cloud.seen(); len(seen) != 0 {
		t.Errorf("requests were sent: %v", seen)
	}
}

func TestEffectOfAFailedPatch(t *testing.T) {
	tests := map[string]struct {
		respond func(http.ResponseWriter, *http.Request)
		effect  Effect
	}{
		"conflict":        {func(w http.ResponseWriter, _ *http.Request) { glanceError(w, 409, "Property a already present.") }, Stale},
		"bad request":     {func(w http.ResponseWriter, _ *http.Request) { glanceError(w, 400, "Invalid") }, Refused},
		"forbidden":       {func(w http.ResponseWriter, _ *http.Request) { glanceError(w, 403, "Attribute 'id' is read-only.") }, Refused},
		"over the quota":  {func(w http.ResponseWriter, _ *http.Request) { glanceError(w, 413, "The limit has been exceeded") }, Refused},
		"wrong address":   {func(w http.ResponseWriter, _ *http.Request) { glanceError(w, 300, "") }, Refused},
		"server error":    {func(w http.ResponseWriter, _ *http.Request) { glanceError(w, 500, "The server has erred") }, Unknown},
		"gateway":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) }, Unknown},
		"no content":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, Unknown},
		"always 401":      {func(w http.ResponseWriter, _ *http.Request) { glanceError(w, 401, "") }, Unsent},
		"too many":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, Refused},
		"connection lost": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Unknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t)
			cloud.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
				if r.Method != http.MethodPatch {
					return false
				}
				test.respond(w, r)
				return true
			}
			client := cloud.client(t, nil)
			_, err := client.Patch(t.Context(), imageA, patch.Document{}, patch.Patch{{Path: "/a", New: `"b"`}})
			var failed *PatchError
			if !errors.As(err, &failed) || failed.Effect != test.effect {
				t.Errorf("got %+v (%v), want effect %d", failed, err, test.effect)
			}
			var refusal *transport.APIError
			var broken *transport.Error
			if !errors.As(err, &refusal) && !errors.As(err, &broken) {
				t.Errorf("no cause in %v", err)
			}
			if got := client.begun.Load() - client.done.Load(); got != 1 {
				t.Errorf("%d changes are begun and not done, want 1", got)
			}
			sent := 1
			if test.effect == Unsent {
				sent = 2
			}
			if n := cloud.count("PATCH"); n != sent {
				t.Errorf("sent %d times, want %d", n, sent)
			}
		})
	}
}

func TestPatchToAServerThatCannotBeReachedIsUnsent(t *testing.T) {
	cloud := newCloud(t)
	gone := newCloud(t)
	client := cloud.client(t, func(c *Config) { c.Endpoint = gone.URL })
	gone.Close()
	_, err := client.Patch(t.Context(), imageA, patch.Document{}, patch.Patch{{Path: "/a", New: `"b"`}})
	var failed *PatchError
	if !errors.As(err, &failed) || failed.Effect != Unsent {
		t.Errorf("got %v", err)
	}
}

func TestPatchWithoutASessionIsUnsent(t *testing.T) {
	cloud := newCloud(t)
	// The sign-in itself may have taken effect; the patch has not.
	cloud.Intercept = func(http.ResponseWriter, *http.Request, string) bool { panic(http.ErrAbortHandler) }
	_, err := cloud.client(t, nil).Patch(t.Context(), imageA, patch.Document{}, patch.Patch{{Path: "/a", New: `"b"`}})
	var failed *PatchError
	if !errors.As(err, &failed) || failed.Effect != Unsent {
		t.Errorf("got %v", err)
	}
}

func TestCancelledCallerGetsItsOwnError(t *testing.T) {
	cloud := newCloud(t)
	ctx, cancel := context.WithCancel(t.Context())
	cloud.Intercept = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		cancel()
		<-r.Context().Done()
		return true
	}
	client := cloud.client(t, nil)
	if _, err := client.Image(ctx, imageA); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	cloud.Intercept = nil
	if _, err := client.Image(t.Context(), imageA); err != nil {
		t.Errorf("the next one got %v", err)
	}
}

func TestNoSecretInErrorsAndLogs(t *testing.T) {
	cloud := newCloud(t)
	// A service that quotes everything it is sent.
	cloud.Intercept = func(w http.ResponseWriter, r *http.Request, body string) bool {
		if !strings.HasPrefix(r.URL.Path, "/image/") || r.Method != http.MethodPatch {
			return false
		}
		glanceError(w, http.StatusBadRequest, "Bad: "+body+" with token "+r.Header.Get("X-Auth-Token"))
		return true
	}
	var log journal
	for _, change := range []func(*Config){
		func(*Config) {},
		func(c *Config) {
			*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, Token: cloud.issue(otherID, "password"), ProjectID: projectID}
		},
		func(c *Config) {
			*c = Config{AuthURL: c.AuthURL, Getenv: c.Getenv, ApplicationCredentialID: "ac1", ApplicationCredentialSecret: secret}
		},
	} {
		client := cloud.client(t, func(c *Config) { change(c); c.Log = log.log })
		_, err := client.Patch(t.Context(), imageA, patch.Document{}, patch.Patch{{Path: "/licence", New: `"sentinel-licence"`}}, "sentinel-licence")
		if err == nil || !strings.Contains(err.Error(), "Bad: ") {
			t.Fatalf("got %v", err)
		}
		if strings.Contains(err.Error(), "sentinel") {
			t.Errorf("a secret is shown: %v", err)
		}
		cloud.revoke()
		_, err = client.Image(t.Context(), imageA)
		if err != nil && strings.Contains(err.Error(), "sentinel") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
	text := log.String()
	if !strings.Contains(text, "signed in to the image service") || !strings.Contains(text, "PATCH") || !strings.Contains(text, cloud.URL+"/image") {
		t.Errorf("the log lacks what happened:\n%s", text)
	}
	if strings.Contains(text, "sentinel") {
		t.Errorf("a secret is logged:\n%s", text)
	}
}
