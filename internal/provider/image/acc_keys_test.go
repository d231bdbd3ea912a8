package image_test

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// signatureIn finds the signature in the header Authorization of a signed request.
var signatureIn = regexp.MustCompile(`Signature=([0-9a-f]{64})`)

// TestAccAccessKeysAreShownNowhere signs requests with a temporary access key,
// from the environment and from variables, and fails them in ways that quote what
// was sent. Neither the secret key, nor the security token, nor a signature stands
// in any output or file.
func TestAccAccessKeysAreShownNowhere(t *testing.T) {
	t.Parallel()
	for _, flavor := range []simulator.Flavor{simulator.FlavorHuaweiCloud, simulator.FlavorOpenTelekomCloud} {
		for _, asVariables := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, as variables: %t", flavor, asVariables), func(t *testing.T) {
				t.Parallel()
				accessKeySecrets(t, flavor, asVariables)
			})
		}
	}
}

func accessKeySecrets(t *testing.T, flavor simulator.Flavor, asVariables bool) {
	const wrong = "Zu7WrongKq3WvZu7WrongKq3WvZu7WrongKq3Wv"
	cloud, sim := acceptance.Simulator(t, simulator.Options{Flavor: flavor, Empty: true})
	id := sim.CreateImage(simulator.Image{Name: "golden", Attributes: map[string]any{"pipeline": "6"}})
	key := sim.TemporaryAccessKey(acceptance.UserDemo)
	proxy := acceptance.NewProxy(t, cloud.Regions[acceptance.RegionOne])
	identity := acceptance.NewProxy(t, cloud.AuthURL)
	x := newWatch(t, acceptance.NewWorkspace(t, acceptance.Options{}))
	arguments := []string{
		fmt.Sprintf("flavor = %q", flavor), fmt.Sprintf("endpoint = %q", proxy.URL()), fmt.Sprintf("auth_url = %q", identity.URL()),
		fmt.Sprintf("region = %q", acceptance.RegionOne), fmt.Sprintf("project_name = %q", cloud.Users[acceptance.UserDemo].Project), `verify_after = "50ms"`,
	}
	prefix := "HW_"
	names := [3]string{"ACCESS_KEY", "SECRET_KEY", "SECURITY_TOKEN"}
	if asVariables {
		prefix, names = "TF_VAR_", [3]string{"access_key", "secret_key", "security_token"}
		for _, name := range names {
			x.Write(name+".tf", fmt.Sprintf("variable %q {\n  type      = string\n  sensitive = true\n}\n", name))
			arguments = append(arguments, fmt.Sprintf("%s = var.%s", name, name))
		}
	}
	signWith := func(secret string) {
		for i, value := range []string{key.ID, secret, key.SecurityToken} {
			x.SetEnvironment(prefix+names[i], value)
		}
	}
	(&site{}).provider(x.Workspace, arguments...)
	metadata(x.Workspace, id, "  tags = [\"golden\"]\n  ims = { description = \"golden\" }\n  properties = { pipeline = \"7\" }")

	signWith(wrong)
	x.printed(x.Plan()).MustFail(t, "does not accept the access key", "secret_key")

	signWith(key.Secret)
	identity.Before(acceptance.Match{}, page(key.Secret, key.SecurityToken))
	x.printed(x.Plan()).MustFail(t, "HTML page")
	identity.Reset()
	proxy.Before(acceptance.Match{Method: "PATCH", Nth: 1}, refusal(http.StatusBadRequest, key.Secret, key.SecurityToken))
	x.printed(x.Apply()).MustFail(t, "Unable to create image metadata")
	x.printed(x.Apply()).MustSucceed(t)
	if got := sim.Document(id)["__description"]; got != "golden" {
		t.Errorf("__description is %v", got)
	}
	x.printed(x.Destroy()).MustSucceed(t)

	var signatures []string
	for _, p := range []*acceptance.Proxy{proxy, identity} {
		for _, r := range p.Requests("", "") {
			if found := signatureIn.FindStringSubmatch(r.Header.Get("Authorization")); found != nil {
				signatures = append(signatures, found[1])
			}
			if r.Header.Get("X-Auth-Token") != "" {
				t.Errorf("a signed request carries a token: %s %s", r.Method, r.Path)
			}
		}
	}
	if len(signatures) < 10 {
		t.Errorf("only %d signed requests were seen", len(signatures))
	}
	if places := x.where(id); len(places) < 3 {
		t.Errorf("the search finds the image, which may be shown, in %v only", places)
	}
	for _, secret := range append(signatures, key.Secret, key.SecurityToken, wrong) {
		if places := x.where(secret); len(places) > 0 {
			t.Errorf("%s... stands in %v: %s", secret[:8], places, x.around(places[0], secret))
		}
	}
}
