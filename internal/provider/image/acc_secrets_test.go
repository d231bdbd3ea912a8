package image_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// watch collects what terraform prints and leaves behind in one workspace that
// logs everything, to look for secrets in it.
type watch struct {
	*acceptance.Workspace
	t      *testing.T
	output strings.Builder
}

func newWatch(t *testing.T, w *acceptance.Workspace) *watch {
	w.SetEnvironment("TF_LOG", "TRACE")
	// A provider that crashes shows the stacks of the runtime, too.
	w.SetEnvironment("GOTRACEBACK", "system")
	return &watch{Workspace: w, t: t}
}

// printed notes the output of a command.
func (x *watch) printed(r acceptance.Result) acceptance.Result {
	x.output.WriteString(r.Stdout + "\n" + r.Stderr + "\n" + r.Text() + "\n")
	return r
}

// where returns the places in which a secret stands: "output", or the name of a
// file.
func (x *watch) where(secret string) []string {
	x.t.Helper()
	places := map[string]string{"output": x.output.String()}
	maps.Copy(places, x.Files())
	var found []string
	for place, content := range places {
		if slices.ContainsFunc(forms(secret), func(form string) bool { return strings.Contains(content, form) }) {
			found = append(found, place)
		}
	}
	slices.Sort(found)
	return found
}

// forms returns a text of letters and digits as it stands by itself, and within
// a longer text in base64, at each of the three places in a group.
func forms(text string) []string {
	all := []string{text}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", shift) + text))
		// The characters at the ends hold bits of the neighbours.
		all = append(all, encoded[(8*shift+5)/6:8*(shift+len(text))/6])
	}
	return all
}

// saves says whether terraform keeps whole values in a file: state and plans.
func saves(place string) bool {
	base := filepath.Base(place)
	return strings.HasPrefix(base, "terraform.tfstate") || strings.Contains(base, ".plan")
}

// jsonPaths returns the paths in a JSON document at which a text stands.
func jsonPaths(t *testing.T, document, text string) []string {
	t.Helper()
	var content any
	if err := json.Unmarshal([]byte(document), &content); err != nil {
		t.Fatalf("decoding: %v\n%s", err, document)
	}
	var paths []string
	var walk func(at string, value any)
	walk = func(at string, value any) {
		switch value := value.(type) {
		case string:
			if strings.Contains(value, text) {
				paths = append(paths, at)
			}
		case []any:
			for i, element := range value {
				walk(at+"."+strconv.Itoa(i), element)
			}
		case map[string]any:
			for name, element := range value {
				if strings.Contains(name, text) {
					paths = append(paths, at)
				}
				walk(at+"."+name, element)
			}
		}
	}
	walk("", content)
	slices.Sort(paths)
	return paths
}

// The core of a sensitive value is what is looked for; around it stand
// characters that every encoding writes in its own way.
func sensitive(core string) string { return `p"<&>é ` + core + ` '%\` }

func quoted(text string) string {
	encoded, _ := json.Marshal(text)
	return string(encoded)
}

// refusal answers like Glance, in JSON, with the texts in the message.
func refusal(status int, texts ...string) acceptance.Action {
	message := quoted("Invalid value '" + strings.Join(texts, "' and '") + "' for parameter.")
	return acceptance.Respond(status, http.Header{"Content-Type": {"application/json"}}, fmt.Sprintf(`{"code": "%d Refused", "title": "Refused", "message": %s}`, status, message))
}

// page is what a proxy that wants another sign-in answers.
func page(texts ...string) acceptance.Action {
	return acceptance.Respond(http.StatusOK, http.Header{"Content-Type": {"text/html"}},
		"<!DOCTYPE html><html><head><title>Sign in "+strings.Join(texts, " ")+"</title></head><body>"+strings.Join(texts, " ")+"</body></html>")
}

// The values of one sensitive property in the course of a test.
const (
	secretFound   = "Zu7FoundKq3Wv"
	secretFirst   = "Zu7FirstKq3Wv"
	secretSecond  = "Zu7SecondKq3Wv"
	secretForeign = "Zu7ForeignKq3Wv"
	secretOther   = "Zu7OtherKq3Wv"
	secretLast    = "Zu7LastKq3Wv"
	shownValue    = "Zu7ShownKq3Wv"
)

var sensitiveValues = []string{secretFound, secretFirst, secretSecond, secretForeign, secretOther, secretLast}

// properties returns a configuration with these sensitive properties. They come
// from another file: terraform quotes the lines of a configuration itself.
func (x *watch) properties(elements map[string]string) string {
	x.t.Helper()
	values := map[string]string{}
	for key, core := range elements {
		values[key] = sensitive(core)
	}
	content, err := json.Marshal(values)
	if err != nil {
		x.t.Fatal(err)
	}
	x.Write("secrets.json", string(content))
	return fmt.Sprintf("  properties = { shown = %q }\n  sensitive_properties = jsondecode(file(\"secrets.json\"))", shownValue)
}

// shownNowhere fails the test where a sensitive value stands outside of the
// state and the plans, and where these do not mark it as sensitive.
func (x *watch) shownNowhere(plans ...string) {
	x.t.Helper()
	for _, secret := range sensitiveValues {
		for _, place := range x.where(secret) {
			if !saves(place) {
				x.t.Errorf("%s stands in %s: %s", secret, place, x.around(place, secret))
			}
		}
	}
	for _, file := range append(plans, "") {
		document := x.Run(slices.DeleteFunc([]string{"show", "-json", file}, func(s string) bool { return s == "" })...).MustSucceed(x.t).Stdout
		for _, secret := range sensitiveValues {
			for _, at := range jsonPaths(x.t, document, secret) {
				if !strings.Contains(at, ".sensitive_properties") && !strings.HasSuffix(at, ".sensitive_restore_patch") {
					x.t.Errorf("%s stands in the JSON of %q at %s", secret, file, at)
				}
			}
		}
	}
}

// around returns the first place with what stands beside it.
func (x *watch) around(place, text string) string {
	content := x.output.String()
	if place != "output" {
		content = x.Files()[place]
	}
	i := strings.Index(content, text)
	if i < 0 {
		return "(in base64)"
	}
	return content[max(0, i-200):min(len(content), i+100)]
}

// finds fails the test unless the search finds what is there to be found: a
// value that is not sensitive in output and log, a sensitive one in the state.
func (x *watch) finds() {
	x.t.Helper()
	places := x.where(shownValue)
	for _, place := range []string{"output", "home/terraform.log", "work/terraform.tfstate"} {
		if !slices.Contains(places, place) {
			x.t.Errorf("the value that may be shown is not found in %s, but in %v", place, places)
		}
	}
	log := x.Files()["home/terraform.log"]
	for _, text := range []string{"provider.terraform-provider-imageops", "sent a patch of image metadata"} {
		if !strings.Contains(log, text) {
			x.t.Errorf("the log lacks %q", text)
		}
	}
	if len(jsonPaths(x.t, x.Run("show", "-json").MustSucceed(x.t).Stdout, secretFirst)) == 0 {
		x.t.Error("the sensitive value is not found in the JSON of the state")
	}
}

func (s *site) sensitiveImage() string {
	return s.images.Create(acceptance.Attributes{"found": sensitive(secretFound), "foreign": "theirs"})
}

func TestAccSecretsInPropertiesAreShownNowhere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		for name, test := range map[string]func(*site, *testing.T){
			"in a life":      (*site).sensitiveLife,
			"in failures":    (*site).sensitiveFailures,
			"in a new place": (*site).sensitiveReplaced,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(newSite(t, s.cloud), t)
			})
		}
	})
}

func (s *site) sensitiveLife(t *testing.T) {
	id := s.sensitiveImage()
	x := newWatch(t, s.workspace(t))
	metadata(x.Workspace, id, x.properties(map[string]string{"found": secretFirst, "fresh": secretOther}))
	x.printed(x.PlanSaved("create.plan")).MustSucceed(t).MustContain(t, "add /fresh (sensitive)", "replace /found (sensitive) -> (sensitive)")
	after, _ := planned(t, x.Workspace, "create.plan", this)
	wantPatch := fmt.Sprintf(`[{"op":"replace","path":"/found","value":"(sensitive)"},{"op":"add","path":"/fresh","value":"(sensitive)"},{"op":"add","path":"/shown","value":%q}]`, shownValue)
	if after["planned_patch"] != wantPatch {
		t.Errorf("planned_patch is %v, want %s", after["planned_patch"], wantPatch)
	}
	x.printed(x.ApplySaved("create.plan")).MustSucceed(t)
	s.expect(t, id, map[string]any{"found": sensitive(secretFirst), "fresh": sensitive(secretOther)})
	x.finds()
	x.printed(x.Run("show", "-no-color")).MustSucceed(t).MustContain(t, "sensitive_restore_patch = (sensitive value)")

	// Somebody else changes both: one is written back, the other, which leaves
	// the configuration, is left as it is.
	s.images.Set(id, "/found", sensitive(secretForeign))
	s.images.Set(id, "/fresh", sensitive(secretForeign))
	metadata(x.Workspace, id, x.properties(map[string]string{"found": secretSecond}))
	x.printed(x.PlanSaved("update.plan")).MustSucceed(t).MustContain(t, "replace /found (sensitive) -> (sensitive)")
	x.printed(x.ApplySaved("update.plan")).MustSucceed(t).MustContain(t, "Image metadata was left as it is", "/fresh is (sensitive)")
	s.expect(t, id, map[string]any{"found": sensitive(secretSecond), "fresh": sensitive(secretForeign)})

	s.images.Set(id, "/found", sensitive(secretLast))
	x.printed(x.Destroy()).MustSucceed(t).MustContain(t, "Image metadata was left as it is", "/found is (sensitive)")
	s.expect(t, id, map[string]any{"found": sensitive(secretLast), "shown": nil})
	x.shownNowhere("create.plan", "update.plan")
}

func (s *site) sensitiveFailures(t *testing.T) {
	id := s.sensitiveImage()
	x := newWatch(t, s.workspace(t))
	patch, get := acceptance.Match{Method: "PATCH"}, acceptance.Match{Method: "GET"}
	set := func(core string) acceptance.Action {
		return acceptance.Call(func() { s.images.Set(id, "/found", sensitive(core)) })
	}
	fails := func(r acceptance.Result, texts ...string) {
		t.Helper()
		x.printed(r).MustFail(t, texts...)
		s.proxy.Reset()
	}
	// The server names what it was sent, and what it has.
	const told = "Invalid value '(redacted)' and '(redacted)' for parameter"
	metadata(x.Workspace, id, x.properties(map[string]string{"found": secretFirst}))
	s.proxy.Before(patch, refusal(http.StatusBadRequest, sensitive(secretFirst), sensitive(secretFound)))
	fails(x.Apply(), "Unable to create image metadata", told)
	x.printed(x.Apply()).MustSucceed(t)
	x.finds()

	metadata(x.Workspace, id, x.properties(map[string]string{"found": secretSecond}))
	s.proxy.Before(patch, refusal(http.StatusBadRequest, sensitive(secretSecond), sensitive(secretFirst)))
	fails(x.Apply(), "Unable to update image metadata", told)

	s.proxy.Before(patch, refusal(http.StatusInternalServerError, sensitive(secretSecond), sensitive(secretFirst)))
	fails(x.Apply(), "Unable to update image metadata", told)

	// A write that another writer undoes again and again.
	s.proxy.After(patch, set(secretFirst))
	fails(x.Apply(), "5 times and does not hold it", "/found is (sensitive) instead of (sensitive)")

	// A third value, seen only after the write.
	s.proxy.After(patch, set(secretForeign))
	fails(x.Apply(), "image metadata: somebody else changed it", "(sensitive) after it had been written")

	// A conflict, seen before the write.
	x.printed(x.PlanSaved("conflict.plan")).MustSucceed(t)
	s.images.Set(id, "/found", sensitive(secretOther))
	fails(x.ApplySaved("conflict.plan"), "image metadata: somebody else changed it", "(sensitive) when this was planned")

	metadata(x.Workspace, id, x.properties(map[string]string{"found": secretSecond})+"\n  on_conflict = \"overwrite\"")
	x.printed(x.PlanSaved("overwrite.plan")).MustSucceed(t)
	s.images.Set(id, "/found", sensitive(secretForeign))
	x.printed(x.ApplySaved("overwrite.plan")).MustSucceed(t).MustContain(t, "Image metadata of somebody else was overwritten", "(sensitive) when it was applied")
	s.expect(t, id, map[string]any{"found": sensitive(secretSecond)})

	// A refused read says what it could not read.
	s.proxy.Before(get, refusal(http.StatusBadRequest, sensitive(secretSecond), sensitive(secretFound)))
	fails(x.Plan(), "Unable to read image metadata", told)

	metadata(x.Workspace, id, x.properties(map[string]string{"found": secretFirst}))
	s.proxy.After(patch, acceptance.Call(func() {
		s.proxy.Before(get, refusal(http.StatusBadRequest, sensitive(secretFirst), sensitive(secretFound)))
	}))
	fails(x.Apply(), "reading it again failed", told)

	s.proxy.Before(patch, refusal(http.StatusBadRequest, sensitive(secretFound), sensitive(secretFirst)))
	fails(x.Destroy(), "Unable to delete image metadata", told)
	x.shownNowhere("conflict.plan", "overwrite.plan")
}

// sensitiveReplaced replaces the resource in both orders, and takes it to
// another image.
func (s *site) sensitiveReplaced(t *testing.T) {
	id, other := s.sensitiveImage(), s.sensitiveImage()
	x := newWatch(t, s.workspace(t))
	body := x.properties(map[string]string{"found": secretFirst})
	metadata(x.Workspace, id, body)
	x.printed(x.Apply()).MustSucceed(t)
	x.finds()
	x.printed(x.Apply("-replace="+this)).MustSucceed(t).MustContain(t, "Image metadata was handed over", "the former values of the sensitive /found")

	metadata(x.Workspace, id, body+"\n  lifecycle { create_before_destroy = true }")
	x.printed(x.Apply("-replace="+this)).MustSucceed(t).MustContain(t, "Image metadata was not restored", "the former values of the sensitive /found")

	metadata(x.Workspace, other, body)
	x.printed(x.PlanSaved("move.plan")).MustSucceed(t).MustContain(t, "replace /found (sensitive) -> (sensitive)")
	x.printed(x.ApplySaved("move.plan")).MustSucceed(t)
	s.expect(t, other, map[string]any{"found": sensitive(secretFirst)})
	x.shownNowhere("move.plan")
}

// signIn is a way to sign in, with a secret that is the right one or not.
type signIn struct {
	name string
	// secret returns the right secret.
	secret func(t *testing.T, c *acceptance.Cloud) string
	// set brings a secret to the provider, and returns the arguments of
	// image_service that go with it.
	set func(t *testing.T, s *site, w *acceptance.Workspace, authURL, secret string) (arguments []string)
	// asVariable is set when the secret is the value of an input variable,
	// which terraform itself saves in a plan.
	asVariable bool
}

func setAll(w *acceptance.Workspace, environment map[string]string) {
	for name, value := range environment {
		w.SetEnvironment(name, value)
	}
}

func passwordOf(_ *testing.T, c *acceptance.Cloud) string {
	return c.Users[acceptance.UserDemo].Password
}

func tokenOf(t *testing.T, c *acceptance.Cloud) string {
	t.Helper()
	return c.Token(t, c.AuthURL, acceptance.UserDemo)
}

// withoutSecret returns the environment that a user signs in with, without the
// password.
func (s *site) withoutSecret(authURL string) map[string]string {
	environment := s.cloud.Environment(acceptance.UserDemo, acceptance.RegionOne)
	delete(environment, "OS_PASSWORD")
	environment["OS_AUTH_URL"] = authURL
	return environment
}

var signIns = []signIn{
	{
		name: "password from the environment", secret: passwordOf,
		set: func(_ *testing.T, s *site, w *acceptance.Workspace, authURL, secret string) []string {
			setAll(w, s.withoutSecret(authURL))
			w.SetEnvironment("OS_PASSWORD", secret)
			return nil
		},
	},
	{
		name: "password from secure.yaml", secret: passwordOf,
		set: func(t *testing.T, s *site, w *acceptance.Workspace, authURL, secret string) []string {
			account := s.cloud.Users[acceptance.UserDemo]
			folder := t.TempDir()
			for name, content := range map[string]string{
				"clouds.yaml": fmt.Sprintf("clouds: {golden: {region_name: %s, auth: {auth_url: %q, username: %q, user_domain_name: %q, project_name: %q, project_domain_name: %q}}}",
					acceptance.RegionOne, authURL, account.Name, account.DomainName, account.Project, account.DomainName),
				"secure.yaml": fmt.Sprintf("clouds: {golden: {auth: {password: %q}}}", secret),
			} {
				if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w.SetEnvironment("OS_CLIENT_CONFIG_FILE", filepath.Join(folder, "clouds.yaml"))
			return []string{`cloud = "golden"`}
		},
	},
	{
		name: "password from a variable", secret: passwordOf, asVariable: true,
		set: func(_ *testing.T, s *site, w *acceptance.Workspace, authURL, secret string) []string {
			setAll(w, s.withoutSecret(authURL))
			w.SetEnvironment("TF_VAR_secret", secret)
			return []string{"password = var.secret"}
		},
	},
	{
		name: "token from the environment", secret: tokenOf,
		set: func(_ *testing.T, _ *site, w *acceptance.Workspace, authURL, secret string) []string {
			setAll(w, map[string]string{"OS_AUTH_URL": authURL, "OS_REGION_NAME": acceptance.RegionOne, "OS_TOKEN": secret})
			return nil
		},
	},
	{
		name: "token from a variable", secret: tokenOf, asVariable: true,
		set: func(_ *testing.T, _ *site, w *acceptance.Workspace, authURL, secret string) []string {
			w.SetEnvironment("TF_VAR_secret", secret)
			return []string{fmt.Sprintf("auth_url = %q", authURL), fmt.Sprintf("region = %q", acceptance.RegionOne), "token = var.secret"}
		},
	},
	{
		name:   "application credential from the environment",
		secret: func(_ *testing.T, c *acceptance.Cloud) string { return c.ApplicationCredential.Secret },
		set: func(_ *testing.T, s *site, w *acceptance.Workspace, authURL, secret string) []string {
			setAll(w, map[string]string{
				"OS_AUTH_URL": authURL, "OS_REGION_NAME": acceptance.RegionOne, "OS_AUTH_TYPE": "v3applicationcredential",
				"OS_APPLICATION_CREDENTIAL_ID": s.cloud.ApplicationCredential.ID, "OS_APPLICATION_CREDENTIAL_SECRET": secret,
			})
			return nil
		},
	},
}

func TestAccSecretsOfTheSignInAreShownNowhere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		for _, method := range signIns {
			t.Run(method.name, func(t *testing.T) {
				t.Parallel()
				newSite(t, s.cloud).signInSecrets(t, method)
			})
		}
	})
}

func (s *site) signInSecrets(t *testing.T, method signIn) {
	const wrong = "Zu7WrongKq3Wv"
	id := s.images.Create(nil)
	identity := acceptance.NewProxy(t, s.cloud.AuthURL)
	secret := method.secret(t, s.cloud)
	x := newWatch(t, acceptance.NewWorkspace(t, acceptance.Options{}))
	x.Write("variables.tf", "variable \"secret\" {\n  type      = string\n  sensitive = true\n  default   = \"\"\n}\n")
	signInWith := func(secret string) {
		arguments := method.set(t, s, x.Workspace, identity.URL(), secret)
		s.provider(x.Workspace, append(arguments, fmt.Sprintf("endpoint = %q", s.proxy.URL()), `verify_after = "50ms"`)...)
	}
	metadata(x.Workspace, id, `  properties = { os_distro = "ubuntu" }`)

	signInWith(wrong)
	x.printed(x.Plan()).MustFail(t, "401 Unauthorized")

	signInWith(secret)
	identity.Before(acceptance.Match{}, page(secret))
	x.printed(x.Plan()).MustFail(t, "HTML page", "Sign in (redacted)")
	identity.Reset()

	// The service refuses the token once in the middle of the work.
	s.proxy.Before(acceptance.Match{Method: "PATCH", Nth: 1}, refusal(http.StatusUnauthorized))
	if method.asVariable {
		x.printed(x.Apply()).MustSucceed(t)
	} else {
		x.printed(x.PlanSaved("create.plan")).MustSucceed(t)
		x.printed(x.ApplySaved("create.plan")).MustSucceed(t)
	}
	if patches := s.proxy.Requests("PATCH", ""); len(patches) != 2 || patches[0].Status != http.StatusUnauthorized {
		t.Errorf("the service got the patches %+v, want two, the first one refused", patches)
	}
	s.expect(t, id, map[string]any{"os_distro": "ubuntu"})
	tokens := s.tokens()

	// The provider crashes while it holds all of them.
	s.proxy.Reset()
	moment := newSignalled()
	s.proxy.Before(acceptance.Match{Method: "PATCH"}, acceptance.Call(moment.tell), acceptance.Hang())
	metadata(x.Workspace, id, `  properties = { os_distro = "debian" }`)
	process := x.Start("apply", "-no-color", "-auto-approve")
	moment.await(t)
	abortProvider(t, x.Folder())
	x.printed(process.Wait()).MustFail(t)
	tokens = append(tokens, s.tokens()...)
	if !strings.Contains(x.Files()["home/terraform.log"], "goroutine ") {
		t.Error("the log does not hold the stacks of the crashed provider")
	}

	// A service refuses every token, and quotes it.
	other := newQuoting(t)
	s.provider(x.Workspace, append(method.set(t, s, x.Workspace, identity.URL(), secret), fmt.Sprintf("endpoint = %q", other.URL))...)
	x.printed(x.Plan()).MustFail(t, "Unable to read image metadata", "'(redacted)' is not accepted")
	tokens = append(tokens, other.tokens()...)

	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	if len(tokens) == 0 {
		t.Error("no request carried a token")
	}
	if places := x.where(id); !slices.Contains(places, "output") || !slices.Contains(places, "home/terraform.log") || !slices.Contains(places, "work/terraform.tfstate") {
		t.Errorf("the search finds the image, which may be shown, in %v only", places)
	}
	for _, credential := range append(tokens, secret, wrong) {
		if places := x.where(credential); len(places) > 0 {
			t.Errorf("%s... stands in %v: %s", credential[:8], places, x.around(places[0], credential))
		}
	}
}

// quoting is an image service that refuses every token, and quotes it.
type quoting struct {
	*httptest.Server

	mu     sync.Mutex
	quoted []string
}

func newQuoting(t *testing.T) *quoting {
	t.Helper()
	q := &quoting{}
	q.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Auth-Token")
		q.mu.Lock()
		defer q.mu.Unlock()
		q.quoted = append(q.quoted, token)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"message": "The token '%s' is not accepted"}`, token)
	}))
	t.Cleanup(q.Close)
	return q
}

func (q *quoting) tokens() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.quoted)
}

// tokens returns the tokens that the image service was sent, in order.
func (s *site) tokens() []string {
	var tokens []string
	for _, r := range s.proxy.Requests("", "") {
		tokens = append(tokens, r.Header.Get("X-Auth-Token"))
	}
	return tokens
}

// abortProvider makes the provider that runs in a folder crash with the stacks
// of all its goroutines.
func abortProvider(t *testing.T, folder string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	aborted := 0
	for _, link := range links {
		program, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(filepath.Base(program), "terraform-provider-imageops") {
			continue
		}
		if working, err := os.Readlink(filepath.Join(filepath.Dir(link), "cwd")); err != nil || working != folder {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGABRT); err != nil {
			t.Fatal(err)
		}
		aborted++
	}
	if aborted == 0 {
		t.Fatal("no provider runs in the workspace")
	}
}
