package catalogue_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

func TestAccWhatIsWrongWithTheWayToHorizonIsSaid(t *testing.T) {
	t.Parallel()
	pod := acceptance.UnguardedPod(t, simulator.Options{})
	selfSigned := httptest.NewUnstartedServer(http.NotFoundHandler())
	selfSigned.Config.ErrorLog = log.New(io.Discard, "", 0) // It complains of the client's refusal.
	selfSigned.StartTLS()
	t.Cleanup(selfSigned.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html><head><title>Sign in</title></head><body><h1>Corporate portal</h1></body></html>"))
	}))
	t.Cleanup(page.Close)
	for name, c := range map[string]struct {
		environment map[string]string
		texts       []string
	}{
		"a user principal name": {map[string]string{"HORIZON_USERNAME": "demo@demo.example"},
			[]string{"Invalid horizon configuration", "user principal name, which Horizon's REST API does not accept"}},
		"a wrong domain":          {map[string]string{"HORIZON_DOMAIN": "ELSEWHERE"}, []string{`does not accept ELSEWHERE\demo with this password: check username, password and domain`}},
		"a wrong password":        {map[string]string{"HORIZON_PASSWORD": "wrong-one"}, []string{`does not accept DEMO\demo with this password: check username, password and domain`, "It is not tried again for 10 minutes"}},
		"a certificate of nobody": {map[string]string{"HORIZON_URL": selfSigned.URL}, []string{"is not trusted", "no known CA vouches for; give the CA with cacert"}},
		"a portal":                {map[string]string{"HORIZON_URL": page.URL}, []string{"is not Horizon's REST API", "check url and the proxy settings", "an HTML page (title: Sign in)"}},
		"no address":              {map[string]string{"HORIZON_URL": ""}, []string{"to sign in to Horizon, url must be given as well", "set HORIZON_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environment := pod.Environment()
			maps.Copy(environment, c.environment)
			w := acceptance.NewWorkspace(t, acceptance.Options{Environment: environment})
			w.Write("main.tf", `terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
provider "imageops" {
  horizon     = {}
  max_retries = 0
}
data "imageops_image_management_stream" "this" {
  name = "Win11"
}
`)
			r := w.Plan().MustFail(t, c.texts...)
			if n := strings.Count(r.Text(), "Error: "); n != 1 {
				t.Errorf("%d errors, want one:\n%s", n, r.Stderr)
			}
		})
	}
}

func TestAccWithoutASectionTheErrorSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	w := acceptance.NewWorkspace(t, acceptance.Options{})
	w.Write("main.tf", fmt.Sprintf(stream, "")+`
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
`)
	w.Run("validate").MustSucceed(t)
	w.Plan().MustFail(t, "Missing horizon", "HORIZON_URL, HORIZON_DOMAIN and HORIZON_USERNAME", "HORIZON_PASSWORD")
}

// TestAccUnknownArgumentsOfTheProvider plans with an address that only the apply
// knows, the first time and with a state.
func TestAccUnknownArgumentsOfTheProvider(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
	environment := pod.Environment()
	delete(environment, "HORIZON_URL")
	w := acceptance.NewWorkspace(t, acceptance.Options{Environment: environment})
	configuration := func(trigger, description string) string {
		return `terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
resource "terraform_data" "address" {
  input            = "` + pod.URL + `"
  triggers_replace = "` + trigger + `"
}
provider "imageops" {
  horizon = { url = terraform_data.address.output }
}
` + fmt.Sprintf(stream, fmt.Sprintf("description = %q", description))
	}
	w.Write("main.tf", configuration("1", "office"))
	w.Apply().MustSucceed(t)
	w.Write("main.tf", configuration("2", "CAD"))
	w.Apply().MustSucceed(t).MustContain(t, "Image management stream was not read", "horizon.url is not known yet")
	expect(t, pod, idOf(t, w, "imageops_image_management_stream.this"), map[string]any{"description": "CAD"})
}

// TestAccASectionThatIsNotKnownYetHoldsNobodyElseBack plans with an image service
// whose address only the apply knows.
func TestAccASectionThatIsNotKnownYetHoldsNobodyElseBack(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
	w := acceptance.NewWorkspace(t, acceptance.Options{Environment: pod.Environment()})
	w.Write("main.tf", `terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
resource "terraform_data" "address" {
  input = "http://127.0.0.1:1"
}
provider "imageops" {
  image_service = { auth_url = terraform_data.address.output }
}
`+fmt.Sprintf(stream, ""))
	w.PlanSaved("p").MustSucceed(t)
	equalLines(t, "planned_changes", plannedChanges(t, change(t, w.ShowPlan("p"), "imageops_image_management_stream.this")),
		[]string{`add /name "Office"`, `add /operating_system "WINDOWS_10"`, `add /source "UPLOADED"`, `add /status "AVAILABLE"`})
}

// TestAccHorizonMayAskForPatience answers requests with 429, with the header that
// Horizon has for it.
func TestAccHorizonMayAskForPatience(t *testing.T) {
	t.Parallel()
	pod := acceptance.UnguardedPod(t, simulator.Options{Empty: true})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		must(t, pod.AddFault(simulator.Fault{Method: method, Path: "/config/v1/im-streams", Effect: simulator.EffectStatus, Status: http.StatusTooManyRequests, RetryAfter: "1"}))
	}
	w := workspace(t, pod, fmt.Sprintf(stream, ""))
	began := time.Now()
	w.Apply().MustSucceed(t)
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("two refusals for a second each were waited for in %s", took)
	}
	if n := len(pod.CatalogueObjects("im-streams")); n != 1 {
		t.Errorf("there are %d streams", n)
	}
}

// TestAccSecretsOfHorizonAreShownNowhere looks for the password and every token of
// whole runs, with failures, in all that Terraform prints, logs and keeps.
func TestAccSecretsOfHorizonAreShownNowhere(t *testing.T) {
	t.Parallel()
	pod := acceptance.UnguardedPod(t, simulator.Options{Empty: true})
	w := workspace(t, pod, fmt.Sprintf(stream, ""))
	w.SetEnvironment("TF_LOG", "TRACE")
	var output strings.Builder
	run := func(args ...string) {
		r := w.Run(args...)
		output.WriteString(r.Stdout + r.Stderr)
	}
	run("apply", "-no-color", "-auto-approve")
	for _, fault := range []simulator.Fault{
		{Path: "/login", Effect: simulator.EffectStatus, Status: http.StatusInternalServerError, Body: `{"password":"` + pod.Password + `"}`, Count: simulator.Forever},
		{Path: "/im-streams", Effect: simulator.EffectExpireToken},
		{Path: "/im-streams", Effect: simulator.EffectMalformedBody, Count: simulator.Forever},
	} {
		must(t, pod.AddFault(fault))
		run("plan", "-no-color")
		pod.ClearFaults()
	}
	w.SetEnvironment("HORIZON_PASSWORD", "wrong-"+pod.Password)
	run("plan", "-no-color")
	w.SetEnvironment("HORIZON_PASSWORD", pod.Password)
	run("destroy", "-no-color", "-auto-approve")

	secrets := map[string]bool{pod.Password: true}
	for _, r := range pod.Requests() {
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			secrets[token] = true
		}
		var body map[string]any
		if json.Unmarshal([]byte(r.Body), &body) == nil {
			if token, ok := body["refresh_token"].(string); ok {
				secrets[token] = true
			}
		}
	}
	if len(secrets) < 5 {
		t.Fatalf("only %d secrets were used", len(secrets))
	}
	if log := w.Files()["home/terraform.log"]; !strings.Contains(log, "im-streams") {
		t.Fatal("the log shows no request, so that this proves nothing")
	}
	for secret := range secrets {
		if files := w.FilesContaining(secret); len(files) > 0 {
			t.Errorf("%.12s... stands in %v", secret, files)
		}
		if strings.Contains(output.String(), secret) {
			t.Errorf("%.12s... was printed", secret)
		}
	}
}

// TestAccAPlanOfACreateSignsIn finds out before the apply that nobody can sign in.
func TestAccAPlanOfACreateSignsIn(t *testing.T) {
	t.Parallel()
	pod := acceptance.HorizonPod(t, simulator.Options{Empty: true})
	w := workspace(t, pod, fmt.Sprintf(stream, ""))
	w.SetEnvironment("HORIZON_PASSWORD", "wrong-one")
	w.Plan().MustFail(t, "Unable to plan image management stream", "check username, password and domain")
}
