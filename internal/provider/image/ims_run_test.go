package image_test

import (
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// cloudImages is Huawei Cloud with its own API, and a proxy before it.
func cloudImages(t *testing.T) *imsWorld {
	t.Helper()
	return newIMSWorld(t, imsService{onHuawei, "cloudimages", "v2.1"}, nil).behindProxy(t)
}

// fault programs a fault of the simulator.
func (w *imsWorld) fault(t *testing.T, f simulator.Fault) {
	t.Helper()
	if err := w.sim.AddFault(f); err != nil {
		t.Fatal(err)
	}
}

// beforeWrite lets somebody else write an attribute when the first patch is on
// its way, behind the provider's last read.
func (w *imsWorld) beforeWrite(t *testing.T, id, key string, value any) {
	t.Helper()
	w.proxy.Before(acceptance.Match{Method: http.MethodPatch, Nth: 1}, acceptance.Call(func() { w.write(t, id, key, value) }))
}

func TestIMSOneRunThroughThrottlingARaceAndAnExpiredToken(t *testing.T) {
	t.Parallel()
	// What the gateway says of a read, and the service itself, with 400, of a write.
	const throttled, busy = "APIG.0308", "IMG.0060"
	for name, c := range map[string]struct {
		config object
		// key is what somebody else writes while the patch is on its way.
		key      string
		value    any
		overrule bool
		// patches are the bodies, in order.
		patches []string
		// after is what the image has then; "" is absence.
		after map[string]string
		warns bool
		fails bool
	}{
		"what was to go is gone already": {
			config: ims(object{"support_xen": false, "description": "nightly 8"}), key: "__support_xen",
			patches: []string{
				`[{"op":"replace","path":"/__description","value":"nightly 8"},{"op":"remove","path":"/__support_xen","value":""}]`,
				`[{"op":"replace","path":"/__description","value":"nightly 8"}]`,
			},
			after: map[string]string{"__support_xen": "", "__description": `"nightly 8"`, "max_ram": `"4096"`, "pipeline": `"theirs"`},
		},
		"what was to change is gone, and the run fails": {
			config: ims(object{"max_ram": 65536, "description": "nightly 8"}), key: "max_ram",
			patches: []string{`[{"op":"replace","path":"/__description","value":"nightly 8"},{"op":"replace","path":"/max_ram","value":"65536"}]`},
			after:   map[string]string{"max_ram": "", "__description": `"nightly 7"`, "pipeline": `"theirs"`},
			fails:   true,
		},
		"what was to change is gone, and the run overwrites": {
			config: ims(object{"max_ram": 65536, "description": "nightly 8"}), key: "max_ram", overrule: true,
			patches: []string{
				`[{"op":"replace","path":"/__description","value":"nightly 8"},{"op":"replace","path":"/max_ram","value":"65536"}]`,
				`[{"op":"replace","path":"/__description","value":"nightly 8"},{"op":"add","path":"/max_ram","value":"65536"}]`,
			},
			after: map[string]string{"max_ram": `"65536"`, "__description": `"nightly 8"`, "pipeline": `"theirs"`},
			warns: true,
		},
		"what was to be added is there": {
			config: ims(object{"support_largememory": true, "description": "nightly 8"}), key: "__support_largememory", value: "true",
			patches: []string{
				`[{"op":"replace","path":"/__description","value":"nightly 8"},{"op":"add","path":"/__support_largememory","value":"true"}]`,
				`[{"op":"replace","path":"/__description","value":"nightly 8"}]`,
			},
			after: map[string]string{"__support_largememory": `"true"`, "__description": `"nightly 8"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := cloudImages(t)
			r := w.run(t, w.create(t, object{"__description": "nightly 7", "__support_xen": "true", "max_ram": "4096", "pipeline": "theirs"}), nil)
			config := configOf(r.id, c.config)
			if c.overrule {
				config["on_conflict"] = "overwrite"
			}
			p := r.process()
			s, diags := p.plan(instance{}, config)
			quiet(t, diags)

			// The reads of the apply: one is throttled, and a later one has a token that
			// has just been revoked.
			list, patch := "/v2/cloudimages$", "/v2/cloudimages/"
			w.fault(t, simulator.Fault{Method: http.MethodGet, Path: list, Effect: simulator.EffectStatus, Code: throttled, RetryAfter: "0"})
			w.fault(t, simulator.Fault{Method: http.MethodGet, Path: list, Effect: simulator.EffectExpireToken})
			w.fault(t, simulator.Fault{Method: http.MethodPatch, Path: patch, Effect: simulator.EffectStatus, Code: busy, RetryAfter: "0"})
			w.beforeWrite(t, r.id, c.key, c.value)
			began := len(w.sim.Requests())
			after, diags := p.apply(s)

			var codes []int
			for _, request := range w.sim.Requests()[began:] {
				codes = append(codes, request.Status)
			}
			statuses := func(status int) (n int) {
				for _, code := range codes {
					if code == status {
						n++
					}
				}
				return n
			}
			if statuses(429) != 1 || statuses(401) != 1 || statuses(400) != 2 {
				t.Errorf("the answers are %v, want 429 once, 401 once and 400 twice (IMG.0060, IMG.0035)", codes)
			}
			switch {
			case c.fails:
				soleError(t, diags, "ims.max_ram", r.id, `was "4096" when this was planned`, "(absent) now", `wants "65536"`, "on_conflict")
				if after.exists() {
					t.Errorf("a create of which nothing took effect has the state %s", after.state)
				}
			case c.warns:
				sole(t, diags, tfprotov6.DiagnosticSeverityWarning, "ims.max_ram", r.id, `"4096"`, `"65536"`, "overwrite")
			default:
				quiet(t, diags)
			}
			// The throttled patch was not taken; it is the first of the bodies, and comes again.
			sent := w.patches(r.id)
			if len(sent) == 0 || len(sent)-1 != len(c.patches) || !samePatch(t, sent[0], c.patches[0]) {
				t.Fatalf("sent %q, want the first of %q twice", sent, c.patches)
			}
			for i, want := range c.patches {
				if !samePatch(t, sent[i+1], want) {
					t.Errorf("sent\n%s, want\n%s", sent[i+1], want)
				}
			}
			for key, want := range c.after {
				if got := w.member(t, r.id, key); got != want {
					t.Errorf("%s is %s, want %s", key, got, want)
				}
			}
			if c.fails {
				return
			}
			r.current = after
			r.newPatches()
			r.emptyPlan("a troubled apply", config)
		})
	}
}

// signedSection is how requests are signed instead of a sign-in.
func signedSection(sim *simulator.Simulator, base, flavor string, key simulator.AccessKey, more object) object {
	section := object{
		"flavor": flavor, "endpoint": sim.Describe(base).Image, "verify_after": "0s", "region": simulator.RegionOne,
		"access_key": key.ID, "secret_key": key.Secret,
	}
	if key.SecurityToken != "" {
		section["security_token"] = key.SecurityToken
	}
	maps.Copy(section, more)
	return section
}

var signatureForm = regexp.MustCompile(`Signature=([0-9a-f]{64})`)

// secretless fails the test when something of the keys stands in a text.
func secretless(t *testing.T, sim *simulator.Simulator, said string, secrets ...string) {
	t.Helper()
	for _, r := range sim.Requests() {
		if m := signatureForm.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
			secrets = append(secrets, m[1])
		}
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(said, secret) {
			t.Errorf("%q stands in: %s", secret, said)
		}
	}
}

func signedRequests(sim *simulator.Simulator) (n int) {
	for _, r := range sim.Requests() {
		if r.Header.Get("Authorization") != "" {
			n++
		}
	}
	return n
}

func TestIMSSignedWithAnAccessKey(t *testing.T) {
	t.Parallel()
	for _, flavor := range vendors {
		for keyName, key := range map[string]func(*simulator.Simulator, string) simulator.AccessKey{
			"permanent": (*simulator.Simulator).AccessKey, "temporary": (*simulator.Simulator).TemporaryAccessKey,
		} {
			for _, by := range []string{"id", "name"} {
				t.Run(flavor+"/"+keyName+"/project by "+by, func(t *testing.T) {
					t.Parallel()
					w := newIMSWorld(t, imsService{flavor, map[string]string{onHuawei: "cloudimages", onTelekom: "images"}[flavor], "v2.1"}, nil)
					base := strings.TrimSuffix(w.section["auth_url"].(string), "/identity/v3")
					project := object{"project_id": w.sim.Describe(base).Accounts["demo"].ProjectID}
					if by == "name" {
						project = object{"project_name": "demo", "auth_url": base + "/identity/v3"}
					}
					pair := key(w.sim, "demo")
					w.section = signedSection(w.sim, base, flavor, pair, project)
					r := w.run(t, w.create(t, object{"__description": "nightly 7", "tags": []string{"old"}}), nil)
					original := w.settled(t, r.id)
					config := configOf(r.id, ims(object{"description": "nightly 8", "support_xen": true}), tagged("env=prod"))

					p := r.process()
					s, diags := p.plan(instance{}, config)
					quiet(t, diags)
					after, diags := p.apply(s)
					quiet(t, diags)
					r.current = after
					r.sent("create", imsOp{"replace", "__description", `"nightly 8"`}, imsOp{"add", "__support_xen", `"true"`})
					if got, want := w.member(t, r.id, "tags"), `["old","env=prod"]`; got != want {
						t.Errorf("the tags are %s, want %s", got, want)
					}
					r.emptyPlan("create", config)
					holds(t, "imageops_image", r.process().shown(r.id), "ims.description", "nightly 8")
					r.destroy(imsOp{"replace", "__description", `"nightly 7"`}, imsOp{op: "remove", key: "__support_xen"})
					if got := w.settled(t, r.id); got != original {
						t.Errorf("after destroy the image is\n%s, was\n%s", got, original)
					}
					for _, request := range w.sim.Requests() {
						if request.Header.Get("X-Auth-Token") != "" || strings.HasSuffix(request.Path, "/auth/tokens") {
							t.Errorf("%s %s signs in, with an access key", request.Method, request.Path)
						}
					}
				})
			}
		}
	}
}

func TestIMSKeysThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, flavor := range vendors {
		for name, c := range map[string]struct {
			temporary bool
			change    object
			skew      time.Duration
			says      []string
		}{
			"a wrong secret":                       {change: object{"secret_key": "NOTTHESECRETOFTHISKEYATALL"}, says: []string{"check access_key and secret_key", "belong together"}},
			"a wrong secret of a temporary key":    {temporary: true, change: object{"secret_key": "NOTTHESECRETOFTHISKEYATALL"}, says: []string{"check access_key and secret_key", "security_token"}},
			"a token of another key":               {temporary: true, change: object{"security_token": "NOTTHETOKENOFTHISKEYATALL"}, says: []string{"security_token is theirs"}},
			"a project of somebody else":           {change: object{"project_id": "of another"}, says: []string{"project"}},
			"a clock that is an hour behind":       {skew: time.Hour, says: []string{"the clock of this machine is ", "behind the service's", "set the clock"}},
			"a clock that is twenty minutes ahead": {skew: -20 * time.Minute, says: []string{"the clock of this machine is ", "ahead", "set the clock"}},
		} {
			t.Run(flavor+"/"+name, func(t *testing.T) {
				t.Parallel()
				w := newIMSWorld(t, imsService{flavor, "images", "v2.1"}, nil)
				if c.skew != 0 {
					w.sim.Advance(c.skew)
				}
				base := strings.TrimSuffix(w.section["auth_url"].(string), "/identity/v3")
				pair := w.sim.AccessKey("demo")
				if c.temporary {
					pair = w.sim.TemporaryAccessKey("demo")
				}
				accounts := w.sim.Describe(base).Accounts
				change := maps.Clone(c.change)
				if change["project_id"] != nil {
					change["project_id"] = accounts["other"].ProjectID
				}
				w.section = signedSection(w.sim, base, flavor, pair, object{"project_id": accounts["demo"].ProjectID})
				maps.Copy(w.section, change)
				id := w.create(t, nil)
				p := configured(t, w.provider(nil))
				_, diags := p.plan(instance{}, configOf(id, at("ims.description", "nightly 8")))
				soleError(t, diags, "", append([]string{"access key (access_key)"}, c.says...)...)
				said := rules.Printed(diags)
				if c.skew == 0 && strings.Contains(said, "clock") {
					t.Errorf("the clock is blamed: %s", said)
				}
				if n := signedRequests(w.sim); n == 0 || n > 2 {
					t.Errorf("%d signed requests, want at most 2", n)
				}
				// More that asks in the same run neither hears more nor asks more.
				_, diags = p.dataSource("imageops_image", object{"id": id})
				if len(diags) != 1 {
					t.Errorf("the data source says%s", rules.Printed(diags))
				}
				said += rules.Printed(diags)
				_, diags = p.importByID(id)
				said += rules.Printed(diags)
				if n := signedRequests(w.sim); n > 2 {
					t.Errorf("%d signed requests in the whole run, want at most 2", n)
				}
				secret, _ := w.section["secret_key"].(string)
				token, _ := w.section["security_token"].(string)
				secretless(t, w.sim, said, pair.Secret, pair.SecurityToken, secret, token)
				if sent := w.patches(id); len(sent) > 0 {
					t.Errorf("sent %v", sent)
				}
			})
		}
	}
}

// TestIMSSecretsStandInNoRefusal refuses a signed write, which repeats what was
// sent in its message.
func TestIMSSecretsStandInNoRefusal(t *testing.T) {
	t.Parallel()
	w := newIMSWorld(t, imsService{onHuawei, "cloudimages", "v2.1"}, nil)
	base := strings.TrimSuffix(w.section["auth_url"].(string), "/identity/v3")
	pair := w.sim.TemporaryAccessKey("demo")
	w.section = signedSection(w.sim, base, onHuawei, pair, object{"project_id": w.sim.Describe(base).Accounts["demo"].ProjectID})
	id := w.create(t, nil)
	p := configured(t, w.provider(nil))
	s, diags := p.plan(instance{}, configOf(id, at("ims.description", "nightly 8")))
	quiet(t, diags)
	w.fault(t, simulator.Fault{Method: http.MethodPatch, Effect: simulator.EffectStatus, Status: http.StatusForbidden, Count: simulator.Forever,
		Body: `{"error_code":"APIGW.0302","error_msg":"key ` + pair.Secret + ` with X-Security-Token: ` + pair.SecurityToken + ` may not"}`})
	_, diags = p.apply(s)
	soleError(t, diags, "", id, "403", "APIGW.0302")
	secretless(t, w.sim, rules.Printed(diags), pair.Secret, pair.SecurityToken)
}

// reads counts the reads of images so far.
func (w *imsWorld) reads() int { return len(w.proxy.Requests(http.MethodGet, "")) }

func TestIMSWaitsForAnImageThatIsBeingMade(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"queued", "saving"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			w := cloudImages(t)
			r := w.run(t, w.create(t, object{"status": status}), nil)
			config := configOf(r.id, at("ims.description", "nightly 8"))
			p := r.process()
			s, diags := p.plan(instance{}, config)
			quiet(t, diags)
			var activated sync.Once
			w.proxy.After(acceptance.Match{Method: http.MethodGet}, acceptance.Call(func() {
				activated.Do(func() { w.write(t, r.id, "status", "active") })
			}))
			before := w.reads()
			after, diags := p.apply(s)
			quiet(t, diags)
			r.current = after
			r.sent("create", imsOp{"add", "__description", `"nightly 8"`})
			if n := w.reads() - before; n < 3 {
				t.Errorf("%d reads, want one that finds it %s, one that finds it active, and one after the write", n, status)
			}
			r.emptyPlan("create", config)
		})
	}
}

func TestIMSImagesThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		image object
		says  []string
	}{
		"killed":        {object{"status": "killed"}, []string{`"killed"`, "only while it is active", "use another image"}},
		"deactivated":   {object{"status": "deactivated"}, []string{`"deactivated"`, "use another image"}},
		"public":        {object{"visibility": "public", "__imagetype": "gold"}, []string{`"public"`, "only private images", "make a private copy"}},
		"shared":        {object{"visibility": "shared", "__imagetype": "shared"}, []string{`"shared"`, "only private images", "sign in to the project that shares it"}},
		"of the market": {object{"visibility": "public", "__imagetype": "market"}, []string{`"market"`, "make a private copy"}},
	} {
		config := func(id string) object { return configOf(id, at("ims.description", "nightly 8")) }
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := cloudImages(t)
			r := w.run(t, w.create(t, c.image), nil)
			_, diags := r.process().plan(instance{}, config(r.id))
			soleError(t, diags, "image_id", append([]string{r.id}, c.says...)...)
			r.sent("plan")
		})
		t.Run(name+" since the plan", func(t *testing.T) {
			t.Parallel()
			w := cloudImages(t)
			r := w.run(t, w.create(t, nil), nil)
			p := r.process()
			s, diags := p.plan(instance{}, config(r.id))
			quiet(t, diags)
			for key, value := range c.image {
				w.write(t, r.id, key, value)
			}
			before := w.reads()
			after, diags := p.apply(s)
			soleError(t, diags, "", append([]string{r.id}, c.says...)...)
			if after.exists() {
				t.Errorf("a create that wrote nothing has the state %s", after.state)
			}
			if n := w.reads() - before; n > 2 {
				t.Errorf("it was read %d times, want no waiting", n)
			}
			r.sent("create")
		})
	}
}

func TestIMSAWaitEndsWithTheTimeout(t *testing.T) {
	t.Parallel()
	w := cloudImages(t)
	r := w.run(t, w.create(t, object{"status": "queued"}), nil)
	config := configOf(r.id, at("ims.description", "nightly 8"), object{"timeouts": object{"create": "300ms"}})
	p := r.process()
	s, diags := p.plan(instance{}, config)
	quiet(t, diags)
	after, diags := p.apply(s)
	soleError(t, diags, "", r.id, `"queued"`, "only while it is active", "timeout")
	if after.exists() {
		t.Errorf("a create that wrote nothing has the state %s", after.state)
	}
	r.sent("create")
}
