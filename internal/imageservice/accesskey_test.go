package imageservice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/signature"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

var (
	current = []signature.Form{signature.Access}
	older   = []signature.Form{signature.Credential}
)

// formsSent returns the forms of the signatures that arrived.
func (v *vendor) formsSent() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	forms := ""
	for _, h := range v.headers {
		form := "a"
		if strings.Contains(h.Get("Authorization"), "Credential=") {
			form = "b"
		}
		forms += form
	}
	return forms
}

func TestAccessKeyReadsWithTheFormThatTheGatewayAccepts(t *testing.T) {
	tests := map[string]struct {
		flavor string
		forms  []signature.Form
		sent   string // forms of three reads
	}{
		"Huawei Cloud, current":      {"huaweicloud", current, "aaa"},
		"Huawei Cloud, older":        {"huaweicloud", older, "abbb"},
		"Open Telekom Cloud, older":  {"opentelekomcloud", older, "bbb"},
		"Open Telekom Cloud, newest": {"opentelekomcloud", current, "baaa"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			v.Forms = test.forms
			client := v.client(t, test.flavor, func(c *Config) { c.SecurityToken = securityToken })
			for range 3 {
				if image, err := client.Image(t.Context(), imageA); err != nil || image.ID != imageA {
					t.Fatalf("%v, %v", image, err)
				}
			}
			if got := v.formsSent(); got != test.sent {
				t.Errorf("forms %q, want %q", got, test.sent)
			}
			last := v.headers[len(v.headers)-1]
			if last.Get("X-Project-Id") != projectID || last.Get("X-Security-Token") != securityToken || last.Get("X-Auth-Token") != "" || last.Get("X-Domain-Id") != "" {
				t.Errorf("the header is %v", last)
			}
			if client.Cloud() != attribute.Cloud(test.flavor) {
				t.Errorf("the cloud is %q", client.Cloud())
			}
		})
	}
}

func TestWriteThatBeginsARunFindsTheFormAsWell(t *testing.T) {
	v := newVendor(t)
	v.Forms = older
	if _, err := v.client(t, "huaweicloud", nil).Patch(t.Context(), imageA, current1, rename); err != nil {
		t.Fatal(err)
	}
	if v.formsSent() != "ab" || v.bodies[0] != v.bodies[1] || v.Images[imageA]["name"] != "gold" {
		t.Errorf("forms %s, bodies %q", v.formsSent(), v.bodies)
	}
}

func TestPlaceOfAnAccessKeyNeedsNoRequestWhenTheProjectIDIsGiven(t *testing.T) {
	v := newVendor(t)
	client := v.client(t, "opentelekomcloud", nil)
	place, err := client.Place(t.Context())
	if err != nil || place.Region != "eu-de" || place.ProjectID != projectID || place.ProjectName != "" || place.Roles != nil {
		t.Errorf("%+v, %v", place, err)
	}
	if key, err := client.EndpointKey(t.Context()); err != nil || key != v.URL {
		t.Errorf("%q, %v", key, err)
	}
	if len(v.seen()) != 0 {
		t.Errorf("requests: %v", v.seen())
	}
}

func named(v *vendor, name string) func(*Config) {
	return func(c *Config) {
		c.ProjectID, c.ProjectName, c.AuthURL, c.DomainID = "", name, v.URL+"/iam", "d-1"
	}
}

func TestProjectNameIsResolvedBySignedRequestOnce(t *testing.T) {
	for name, test := range map[string]struct {
		forms []signature.Form
		sent  string
	}{
		"first form": {current, "aaa"},
		"other form": {older, "abbb"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			v.Forms = test.forms
			client := v.client(t, "huaweicloud", named(v, "eu-de_demo"))
			for range 2 {
				if _, err := client.Image(t.Context(), imageA); err != nil {
					t.Fatal(err)
				}
			}
			place, err := client.Place(t.Context())
			if err != nil || place.ProjectID != projectID || place.ProjectName != "eu-de_demo" {
				t.Errorf("%+v, %v", place, err)
			}
			if v.formsSent() != test.sent || v.requests[0] != "GET /iam/v3/projects?name=eu-de_demo" {
				t.Errorf("%s: %v", v.formsSent(), v.requests)
			}
			if h := v.headers[0]; h.Get("X-Domain-Id") != "d-1" || h.Get("X-Project-Id") != "" {
				t.Errorf("the header is %v", h)
			}
		})
	}
}

// The two services need not accept the same form.
func TestImageServiceMayWantAnotherFormThanTheIdentityService(t *testing.T) {
	v := newVendor(t)
	v.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.Forms = current
		if strings.HasPrefix(r.URL.Path, "/iam/") {
			v.Forms = older
		}
		return false
	}
	client := v.client(t, "huaweicloud", named(v, "eu-de_demo"))
	for range 2 {
		if _, err := client.Image(t.Context(), imageA); err != nil {
			t.Fatal(err)
		}
	}
	if got := v.formsSent(); got != "abbaa" {
		t.Errorf("forms %q", got)
	}
}

func TestProjectNameThatIsNotUsableSaysWhatIsThere(t *testing.T) {
	status := func(code int, body string) func(http.ResponseWriter, *http.Request, string) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	tests := map[string]struct {
		project string
		vendor  func(*vendor)
		says    []string
	}{
		"none": {project: "nope", says: []string{`no project "nope" (project_name)`, "it can use eu-de_demo (" + projectID + "), eu-de (" + otherID + ")"}},
		"none and no list": {
			project: "nope",
			vendor: func(v *vendor) {
				v.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
					if r.URL.RawQuery == "" {
						gatewayError(w, http.StatusForbidden, "APIGW.0302", "no")
					}
					return r.URL.RawQuery == ""
				}
			},
			says: []string{`no project "nope"`, "project_id"},
		},
		"several": {
			project: "twice",
			vendor: func(v *vendor) {
				v.Projects = []map[string]any{{"id": "p1", "name": "twice"}, {"id": "p2", "name": "twice"}}
			},
			says: []string{"several projects", "twice (p1), twice (p2)", "give project_id"},
		},
		"others although asked by name": {
			project: "eu-de_demo",
			vendor: func(v *vendor) {
				v.Intercept = status(200, `{"projects":[{"id":"p1","name":"else"}]}`)
			},
			says: []string{`no project "eu-de_demo"`, "else (p1)"},
		},
		"401":       {project: "eu-de_demo", vendor: func(v *vendor) { v.Forms = nil }, says: []string{"identity service at", "check access_key and secret_key", "APIGW.0301"}},
		"403":       {project: "eu-de_demo", vendor: func(v *vendor) { v.Intercept = status(403, `{"error_msg":"no role","error_code":"APIGW.0302"}`) }, says: []string{"may not ask", "give project_id", "no role"}},
		"404":       {project: "eu-de_demo", vendor: func(v *vendor) { v.Intercept = status(404, "") }, says: []string{"auth_url", "give project_id", "404"}},
		"429":       {project: "eu-de_demo", vendor: func(v *vendor) { v.Intercept = status(429, `{"error_code":"APIGW.0308"}`) }, says: []string{"does not tell", "429"}},
		"503":       {project: "eu-de_demo", vendor: func(v *vendor) { v.Intercept = status(503, "") }, says: []string{"does not tell", "503"}},
		"page":      {project: "eu-de_demo", vendor: func(v *vendor) { v.Intercept = status(200, "<html></html>") }, says: []string{"is not the identity service", "auth_url"}},
		"truncated": {project: "eu-de_demo", vendor: func(v *vendor) { v.Intercept = truncated }, says: []string{"no answer", "broke off"}},
		"reset":     {project: "eu-de_demo", vendor: func(v *vendor) { v.Intercept = reset }, says: []string{"no answer", "closed the connection"}},
		"silence":   {project: "eu-de_demo", vendor: func(v *vendor) { v.Intercept = silence }, says: []string{"no answer", "request_timeout"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			v.Config.ErrorLog = nil
			if test.vendor != nil {
				test.vendor(v)
			}
			client := v.client(t, "huaweicloud", func(c *Config) {
				named(v, test.project)(c)
				c.RequestTimeout = timeoutFor(name)
			})
			_, err := client.Image(t.Context(), imageA)
			var signIn *SignInError
			if !errors.As(err, &signIn) {
				t.Fatalf("%T %v", err, err)
			}
			for _, word := range test.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q is missing in: %v", word, err)
				}
			}
			seen := len(v.seen())
			if _, again := client.Place(t.Context()); again == nil || len(v.seen()) != seen {
				t.Errorf("asked again at once: %v, %v", again, v.seen()[seen:])
			}
		})
	}
}

func truncated(w http.ResponseWriter, _ *http.Request, _ string) bool {
	w.Header().Set("Content-Length", "100")
	_, _ = w.Write([]byte(`{"id": "`))
	return true
}

func reset(http.ResponseWriter, *http.Request, string) bool { panic(http.ErrAbortHandler) }

// timeoutFor returns a request timeout that a test with a fault of that name can wait for.
func timeoutFor(fault string) time.Duration {
	if strings.Contains(fault, "silence") {
		return 30 * time.Millisecond
	}
	return 30 * time.Second
}

// silence answers when the client has given up.
func silence(_ http.ResponseWriter, r *http.Request, _ string) bool {
	<-r.Context().Done()
	return true
}

func TestWrongSecretIsOneErrorAndNoStorm(t *testing.T) {
	for _, skew := range []time.Duration{0, 30 * time.Second, 20 * time.Minute, -20 * time.Minute} {
		t.Run(fmt.Sprint(skew), func(t *testing.T) {
			v := newVendor(t)
			now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
			v.Now, v.Skew = func() time.Time { return now }, skew
			if skew.Abs() < time.Minute {
				v.Key.Secret = "another"
			}
			client := v.client(t, "huaweicloud", func(c *Config) { c.SecurityToken = securityToken })
			var wait sync.WaitGroup
			for range 10 {
				wait.Go(func() {
					_, err := client.Image(t.Context(), imageA)
					var signIn *SignInError
					if !errors.As(err, &signIn) {
						t.Errorf("%T %v", err, err)
						return
					}
					says := []string{"the access key (access_key)", "check access_key and secret_key", "belong together", "cloud and region", "security_token", "APIGW.0301"}
					switch {
					case skew > time.Minute:
						says = append(says, "the clock of this machine is 20m0s ahead")
					case skew < -time.Minute:
						says = append(says, "the clock of this machine is 20m0s behind")
					case strings.Contains(err.Error(), "clock"):
						t.Errorf("the clock is blamed: %v", err)
					}
					for _, word := range says {
						if !strings.Contains(err.Error(), word) {
							t.Errorf("%q is missing in: %v", word, err)
						}
					}
				})
			}
			wait.Wait()
			// At most each of the ten tried both forms, before the first of them failed.
			sent := len(v.seen())
			if sent > 20 {
				t.Errorf("%d requests", sent)
			}
			for range 5 {
				if _, err := client.Image(t.Context(), imageA); err == nil {
					t.Error("it works")
				}
			}
			if len(v.seen()) != sent {
				t.Errorf("%d more requests while the failure stands", len(v.seen())-sent)
			}
			now = now.Add(failureHeld + time.Second + skew.Abs()) // The client's clock does not go back.
			v.Key.Secret, v.Skew = secretKey, 0
			if _, err := client.Image(t.Context(), imageA); err != nil {
				t.Errorf("later: %v", err)
			}
			if got := v.formsSent()[sent:]; got != "a" {
				t.Errorf("later with the forms %q", got)
			}
		})
	}
}

func TestKeyThatIsRefusedInTheMiddleOfARunIsNotTriedInTheOtherForm(t *testing.T) {
	v := newVendor(t)
	client := v.client(t, "huaweicloud", func(c *Config) { c.SecurityToken = securityToken })
	if _, err := client.Image(t.Context(), imageA); err != nil {
		t.Fatal(err)
	}
	v.Key.Secret = "revoked"
	_, err := client.Image(t.Context(), imageA)
	var signIn *SignInError
	if !errors.As(err, &signIn) || !strings.Contains(err.Error(), "accepted before") || !strings.Contains(err.Error(), "security_token has expired") {
		t.Errorf("%v", err)
	}
	if got := v.formsSent(); got != "aaa" {
		t.Errorf("forms %q", got)
	}
}

// A read that fails in the middle of ten does not keep the others from the form
// that is right.
func TestManyReadsAtOnceFindTheFormTogether(t *testing.T) {
	v := newVendor(t)
	v.Forms = older
	client := v.client(t, "huaweicloud", nil)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := client.Image(t.Context(), imageA); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if first := strings.Count(v.formsSent(), "a"); first < 1 || first > 20 || len(v.formsSent()) != 20+first {
		t.Errorf("forms %s", v.formsSent())
	}
}

func TestEveryAttemptIsSignedWithItsOwnDate(t *testing.T) {
	v := newVendor(t)
	var mu sync.Mutex
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	v.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	attempts := 0
	v.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		attempts++
		if attempts > 1 {
			return false
		}
		mu.Lock()
		now = now.Add(time.Hour)
		mu.Unlock()
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	client := v.client(t, "opentelekomcloud", func(c *Config) { c.MaxRetries = 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
	defer cancel()
	if _, err := client.Image(ctx, imageA); err != nil {
		t.Fatal(err)
	}
	if dates := []string{v.headers[0].Get("X-Sdk-Date"), v.headers[1].Get("X-Sdk-Date")}; !slices.Equal(dates, []string{"20260506T070809Z", "20260506T080809Z"}) {
		t.Errorf("dates %v", dates)
	}
}

// Whatever a request ends with, nobody sees what it was signed with.
func TestNoFailureShowsAnAccessKey(t *testing.T) {
	echo := func(status int) func(http.ResponseWriter, *http.Request, string) bool {
		return func(w http.ResponseWriter, r *http.Request, _ string) bool {
			gatewayError(w, status, r.Header.Get("X-Security-Token"), fmt.Sprint("got ", r.Header))
			return true
		}
	}
	for _, flavor := range []string{"huaweicloud", "opentelekomcloud"} {
		for name, fault := range map[string]func(http.ResponseWriter, *http.Request, string) bool{
			"400": echo(400), "401": echo(401), "403": echo(403), "404": echo(404), "429": echo(429), "500": echo(500), "503": echo(503),
			"200": echo(200), "truncated": truncated, "reset": reset, "silence": silence,
			"redirect": func(w http.ResponseWriter, r *http.Request, _ string) bool {
				http.Redirect(w, r, "http://elsewhere.invalid/?signature="+r.Header.Get("Authorization"), http.StatusTemporaryRedirect)
				return true
			},
		} {
			for _, byName := range []bool{false, true} {
				t.Run(fmt.Sprint(flavor, name, byName), func(t *testing.T) {
					v := newVendor(t)
					v.Intercept = fault
					log := &journal{}
					client := v.client(t, flavor, func(c *Config) {
						c.SecurityToken, c.Log, c.RequestTimeout, c.MaxRetries = securityToken, log.log, timeoutFor(name), 1
						if byName {
							named(v, "eu-de_demo")(c)
						}
					})
					texts := ""
					_, err := client.Image(t.Context(), imageA)
					if err == nil {
						t.Fatal("no error")
					}
					texts += fmt.Sprintf("%v %+v", err, err)
					_, err = client.List(t.Context(), nil)
					texts += fmt.Sprintf("%v %+v", err, err)
					_, err = client.Patch(t.Context(), imageA, current1, rename)
					texts += fmt.Sprintf("%v %+v", err, err)
					_, err = client.Patch(t.Context(), imageA, current1, retag)
					texts += fmt.Sprintf("%v %+v", err, err)
					var refusal *transport.APIError
					if errors.As(err, &refusal) {
						texts += fmt.Sprintf("%+v", *refusal)
					}
					texts += log.String()
					v.mu.Lock()
					defer v.mu.Unlock()
					for _, h := range v.headers {
						_, signed, _ := strings.Cut(h.Get("Authorization"), "Signature=")
						if len(signed) != 64 {
							t.Errorf("a request was not signed: %v", h)
						}
						if signed != "" && strings.Contains(texts, signed) {
							t.Errorf("a signature is shown in\n%s", texts)
						}
					}
					for _, secret := range []string{"sentinel", "SENTINEL"} {
						if strings.Contains(texts, secret) {
							t.Errorf("%s is shown in\n%s", secret, texts)
						}
					}
				})
			}
		}
	}
}
