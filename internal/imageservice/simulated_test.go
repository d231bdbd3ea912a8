package imageservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// simulated is the cloud of a vendor, written by others from the same pages as
// this client, so that the two can disagree.
type simulated struct {
	t      *testing.T
	sim    *simulator.Simulator
	server *httptest.Server
	flavor string
}

func newSimulated(t *testing.T, flavor string, assumptions map[string]string) *simulated {
	t.Helper()
	sim := simulator.New(simulator.Options{Flavor: simulator.Flavor(flavor), Empty: true, Assumptions: assumptions})
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return &simulated{t, sim, server, flavor}
}

// golden makes the image that most tests are about.
func (s *simulated) golden(attributes map[string]any) string {
	all := map[string]any{"__description": "nightly", "hw_firmware_type": "bios", "max_ram": "4096", "__support_xen": "true", "build": "1", "stale": "x"}
	maps.Copy(all, attributes)
	return s.sim.CreateImage(simulator.Image{Name: "golden", MinDisk: 40, MinRAM: 1024, Tags: []string{"env=prod", "old", "v=1.2"}, Attributes: all})
}

// waysToSignIn are the credentials that IMS takes.
var waysToSignIn = map[string]func(s *simulated, c *Config){
	"password": func(s *simulated, c *Config) {
		d := s.sim.Describe(s.server.URL)
		c.AuthURL, c.Region = d.Identity, simulator.RegionOne
		c.Username, c.Password, c.UserDomainName, c.ProjectName = d.Username, d.Password, d.UserDomainName, d.ProjectName
	},
	"permanent key": func(s *simulated, c *Config) {
		d, key := s.sim.Describe(s.server.URL), s.sim.AccessKey("demo")
		c.Endpoint, c.AccessKey, c.SecretKey, c.ProjectID = d.Image, key.ID, key.Secret, d.Accounts["demo"].ProjectID
	},
	"temporary key, project by name": func(s *simulated, c *Config) {
		d, key := s.sim.Describe(s.server.URL), s.sim.TemporaryAccessKey("demo")
		c.Endpoint, c.AccessKey, c.SecretKey, c.SecurityToken = d.Image, key.ID, key.Secret, key.SecurityToken
		c.ProjectName, c.AuthURL = d.ProjectName, d.Identity
	},
}

func (s *simulated) client(signIn string, change func(*Config)) *Client {
	s.t.Helper()
	config := Config{Flavor: s.flavor, MaxRetries: 4, Getenv: func(string) string { return "" }}
	waysToSignIn[signIn](s, &config)
	if change != nil {
		change(&config)
	}
	target, err := config.resolve()
	if err != nil {
		s.t.Fatal(err)
	}
	target.transport.Sleep = func(context.Context, time.Duration) error { return nil }
	client, err := newClient(target, time.Now)
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

// stored is the image as the cloud has it, in the form of this client.
func (s *simulated) stored(id string) patch.Document {
	s.t.Helper()
	raw, err := json.Marshal(s.sim.Document(id))
	if err != nil {
		s.t.Fatal(err)
	}
	image, err := decodeImage(raw)
	if err != nil {
		s.t.Fatal(err)
	}
	d := image.Document()
	for p := range d {
		if tag, ok := p.MemberOf(attribute.Tags); ok && strings.HasSuffix(tag, "=") {
			delete(d, p)
			tag = strings.TrimSuffix(tag, "=")
			d[attribute.Tags.Member(tag)] = patch.StringValue(tag)
		}
	}
	return d
}

// differing are the members in which two documents differ.
func differing(a, b patch.Document) (pointers []string) {
	both := maps.Clone(a)
	maps.Copy(both, b)
	for p := range both {
		if a[p] != b[p] {
			pointers = append(pointers, fmt.Sprintf("%s: %s, %s", p, a[p], b[p]))
		}
	}
	return pointers
}

// asked counts the requests whose method and path begin so.
func (s *simulated) asked(prefix string) int {
	n := 0
	for _, r := range s.sim.Requests() {
		if strings.HasPrefix(r.Method+" "+r.Path, prefix) {
			n++
		}
	}
	return n
}

// waysToWrite are the APIs and forms that patches are written with.
var waysToWrite = map[string]func(*Config){
	"cloudimages": func(c *Config) { c.UpdatePath = "cloudimages" },
	"images v2.1": func(c *Config) { c.UpdatePath = "images" },
	"images v2.0": func(c *Config) { c.UpdatePath, c.PatchFormat = "images", "v2.0" },
}

// assumed are the values of the simulator's switches that a client can tell apart;
// the first ones are about signing in.
var assumed = []map[string]string{
	nil,
	{"gateway-codes": "APIG"},
	{"signature-form": "access"},
	{"signature-form": "credential"},
	{"ims-not-found": "404"},
	{"ims-not-found": "400"},
	{"ims-native-errors": "glance"},
	{"ims-native-attributes": "custom"},
	{"ims-undocumented-attributes": "accepted"},
	{"ims-add-present": "replaces"},
	{"ims-patch-tags": "accepted"},
	{"ims-support-false": "accepted"},
	{"ims-max-ram": "string"},
	{"ims-max-ram": "integer"},
	{"ims-min-ram": "either"},
	{"ims-remove-value": "optional"},
	{"ims-duplicate-names": "refused"},
	{"ims-cloudimages-tags": "key.value"},
	{"ims-valueless-tags": "separated"},
	{"ims-cloudimages-tags": "key.value", "ims-valueless-tags": "separated"},
	{"ims-undocumented-filters": "ignored"},
}

const aboutSignIn = 4

// everywhere runs a test with every flavor, way to write and assumption, and with
// every way to sign in where the assumptions are about that.
func everywhere(t *testing.T, test func(t *testing.T, s *simulated, c *Client)) {
	for _, flavor := range []string{"huaweicloud", "opentelekomcloud"} {
		for write, change := range waysToWrite {
			for signIn := range waysToSignIn {
				for i, assumptions := range assumed {
					if i >= aboutSignIn && signIn != "permanent key" {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%v", flavor, write, signIn, assumptions), func(t *testing.T) {
						s := newSimulated(t, flavor, assumptions)
						test(t, s, s.client(signIn, change))
					})
				}
			}
		}
	}
}

func TestImageOfIMSIsReadWrittenAndListed(t *testing.T) {
	everywhere(t, func(t *testing.T, s *simulated, c *Client) {
		id := s.golden(nil)
		image, err := c.Image(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		have := image.Document()
		if err := c.CheckWritable(id, have); err != nil || !maps.Equal(have, s.stored(id)) {
			t.Fatalf("%v, read and stored differ: %v", err, differing(have, s.stored(id)))
		}
		want := patch.Want{
			"/name": `"gold"`, "/__description": `"weekly"`, "/build": `"2"`, "/stale": patch.Absent, "/fresh": `"a/b~c é"`, "/a~1b": `"slash"`,
			"/tags/env=prod": patch.Absent, "/tags/env=test": `"env=test"`, "/tags/old": patch.Absent, "/tags/bare": `"bare"`, "/tags/v=2.0": `"v=2.0"`, "/tags/v=1.2": patch.Absent,
		}
		if c.path == cloudImagesPath || !s.assumes(t, "custom") {
			maps.Copy(want, patch.Want{
				"/hw_firmware_type": `"uefi"`, "/min_ram": `2048`, "/max_ram": `"8192"`, "/__is_config_init": `"true"`, "/enterprise_project_id": `"0"`,
				"/__support_xen": patch.Absent, "/__support_kvm_gpu_type": `"V100"`, "/os_shutdown_timeout": `"90"`,
			})
		}
		if c.path == cloudImagesPath && s.assumes(t, "ims-max-ram:integer") {
			delete(want, "/max_ram") // It is written as documented, a string.
		}
		p := patch.Diff(have, want, nil)
		written, err := c.Patch(t.Context(), id, have, p)
		if err != nil {
			t.Fatal(err)
		}
		after := s.stored(id)
		expected := p.Apply(have)
		expected["/updated_at"] = after["/updated_at"]
		if wrong, lost := differing(after, expected), differing(written.Document(), after); wrong != nil || lost != nil {
			t.Errorf("stored and wanted differ: %v; answered and stored: %v", wrong, lost)
		}
		// And back, tags alone and attributes alone.
		back := patch.Diff(after, patch.Want{"/tags/env=test": patch.Absent, "/tags/env=prod": `"env=prod"`}, nil)
		if written, err = c.Patch(t.Context(), id, after, back); err != nil {
			t.Fatal(err)
		}
		back = patch.Diff(written.Document(), patch.Want{"/fresh": patch.Absent, "/stale": `""`}, nil)
		if written, err = c.Patch(t.Context(), id, written.Document(), back); err != nil {
			t.Fatal(err)
		}
		if wrong := differing(written.Document(), s.stored(id)); wrong != nil {
			t.Errorf("answered and stored differ: %v", wrong)
		}
		images, err := c.List(t.Context(), url.Values{
			"name": {"gold"}, "status": {"active"}, "visibility": {"private"}, "tag": {"env=prod"}, "os_hidden": {"false"}, "member_status": {"all"}, "fresh": {"x"},
			"owner": {string(written.Document()["/owner"][1:33])},
		})
		if err != nil || len(images) != 1 || !maps.Equal(images[0].Document(), s.stored(id)) {
			t.Errorf("listed %d images, %v", len(images), err)
		}
		if _, err := c.Image(t.Context(), imageA); !errors.Is(err, ErrNotFound) {
			t.Errorf("of an image that is not there: %v", err)
		}
		var failed *PatchError
		if _, err := c.Patch(t.Context(), imageA, have, p); !errors.As(err, &failed) || failed.Effect != Refused || !errors.Is(err, ErrNotFound) {
			t.Errorf("of an image that is not there: %v, %+v", err, failed)
		}
		if _, err := c.Patch(t.Context(), imageA, have, retag); !errors.As(err, &failed) || failed.Effect != Refused || !errors.Is(err, ErrNotFound) {
			t.Errorf("tags of an image that is not there: %v, %+v", err, failed)
		}
	})
}

func (s *simulated) assumes(t *testing.T, text string) bool { return strings.Contains(t.Name(), text) }

func TestChangeBetweenReadAndPatchIsStaleOnIMS(t *testing.T) {
	everywhere(t, func(t *testing.T, s *simulated, c *Client) {
		id := s.golden(nil)
		image, err := c.Image(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		have := image.Document()
		if err := s.sim.WriteImage(id, map[string]any{"stale": simulator.Absent{}}); err != nil {
			t.Fatal(err)
		}
		for _, value := range []patch.Value{patch.Absent, `"y"`} {
			var failed *PatchError
			_, err = c.Patch(t.Context(), id, have, patch.Patch{{Path: "/stale", Old: `"x"`, New: value}, {Path: "/tags/new", New: `"new"`}})
			if !errors.As(err, &failed) || failed.Effect != Stale {
				t.Errorf("%v, %+v", err, failed)
			}
		}
		if s.stored(id)["/tags/new"] != patch.Absent {
			t.Error("the tag of a patch that was refused is written")
		}
	})
}

func TestThrottledRequestsToIMSAreRepeated(t *testing.T) {
	everywhere(t, func(t *testing.T, s *simulated, c *Client) {
		id := s.golden(nil)
		for _, code := range []string{"APIG.0308", "APIGW.0308", "IMG.0060"} {
			image, err := c.Image(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			s.sim.ResetRequests()
			for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodPost} {
				if err := s.sim.AddFault(simulator.Fault{Effect: simulator.EffectStatus, Method: method, Path: "/image/", Code: code, Count: 2}); err != nil {
					t.Fatal(err)
				}
			}
			have := image.Document()
			p := patch.Diff(have, patch.Want{"/build": patch.StringValue(code), "/tags/bare": `"bare"`, "/tags/" + patch.Pointer(strings.Replace(code, ".", "_", 1)): patch.StringValue(strings.Replace(code, ".", "_", 1))}, nil)
			written, err := c.Patch(t.Context(), id, have, p)
			if err != nil || written.Document()["/build"] != patch.StringValue(code) {
				t.Errorf("%s: %v", code, err)
			}
			if n := s.asked("PATCH"); n != 3 {
				t.Errorf("%s: %d patches", code, n)
			}
		}
		for _, code := range []string{"APIG.0308", "IMG.0060"} {
			if err := s.sim.AddFault(simulator.Fault{Effect: simulator.EffectStatus, Method: "GET", Path: "/image/", Code: code, Count: 5}); err != nil {
				t.Fatal(err)
			}
			var advised *AdvisedError
			if _, err := c.Image(t.Context(), id); !errors.As(err, &advised) || advised.Advice != adviceThrottled {
				t.Errorf("%s: %v", code, err)
			}
		}
	})
}

func TestRefusalsOfIMSAreTold(t *testing.T) {
	everywhere(t, func(t *testing.T, s *simulated, c *Client) {
		for name, attributes := range map[string]map[string]any{
			"public": {"visibility": "public", "__imagetype": "gold"},
			"saving": {"status": "saving"},
			"hana":   {"__support_xen_hana": simulator.Absent{}},
		} {
			id := s.golden(attributes)
			image, err := c.Image(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			have := image.Document()
			p := patch.Diff(have, patch.Want{"/name": `"other"`}, nil)
			if name == "hana" {
				p = patch.Diff(have, patch.Want{"/__support_xen_hana": `"true"`}, nil)
			}
			_, err = c.Patch(t.Context(), id, have, p)
			var failed *PatchError
			var notReady *NotReadyError
			var notPrivate *NotPrivateError
			errors.As(err, &failed)
			switch {
			case name == "saving" && c.path == imagesPath:
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			case name == "saving":
				if !errors.As(err, &notReady) || failed.Effect != Unsent {
					t.Errorf("%s: %v", name, err)
				}
			case name == "public" && c.path == cloudImagesPath:
				if !errors.As(err, &notPrivate) || failed.Effect != Unsent {
					t.Errorf("%s: %v", name, err)
				}
			case name == "public":
				if failed == nil || failed.Effect != Refused {
					t.Errorf("%s: %v", name, err)
				}
			case s.assumes(t, "custom") && c.path == imagesPath:
				if failed == nil || failed.Effect != Refused {
					t.Errorf("%s: %v", name, err)
				}
			case failed == nil || failed.Effect != Stale:
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestExpiredTokenOfIMSIsRenewedInTheMiddle(t *testing.T) {
	for write, change := range waysToWrite {
		for _, codes := range []string{"APIGW", "APIG"} {
			s := newSimulated(t, "huaweicloud", map[string]string{"gateway-codes": codes})
			c := s.client("password", change)
			id := s.golden(nil)
			for _, method := range []string{"GET", "PATCH", "POST"} {
				image, err := c.Image(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.sim.AddFault(simulator.Fault{Effect: simulator.EffectExpireToken, Method: method, Path: "/image/"}); err != nil {
					t.Fatal(err)
				}
				tag := "after-" + method
				p := patch.Diff(image.Document(), patch.Want{"/build": patch.StringValue(method), patch.Pointer("/tags/" + tag): patch.StringValue(tag)}, nil)
				if _, err := c.Patch(t.Context(), id, image.Document(), p); err != nil {
					t.Errorf("%s, %s: %v", write, method, err)
				}
			}
		}
	}
}

func TestWrongKeysOfIMSAreTold(t *testing.T) {
	for _, codes := range []string{"APIGW", "APIG"} {
		for name, change := range map[string]func(s *simulated, c *Config){
			"check access_key and secret_key": func(_ *simulated, c *Config) { c.SecretKey = "wrong-secret-key" },
			"that security_token is theirs":   func(_ *simulated, c *Config) { c.SecurityToken = "another-token" },
			"project_id":                      func(s *simulated, c *Config) { c.ProjectID = s.sim.Describe("").Accounts["other"].ProjectID },
			"behind the service's":            func(s *simulated, _ *Config) { s.sim.Advance(time.Hour) },
		} {
			s := newSimulated(t, "huaweicloud", map[string]string{"gateway-codes": codes})
			c := s.client("permanent key", func(c *Config) { change(s, c) })
			_, err := c.Image(t.Context(), imageA)
			var signIn *SignInError
			var refusal *transport.APIError
			if !errors.As(err, &signIn) || !errors.As(err, &refusal) || refusal.StatusCode != http.StatusUnauthorized || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
			for _, secret := range []string{s.sim.AccessKey("demo").ID, s.sim.AccessKey("demo").Secret, "wrong-secret-key", "another-token"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%s: a secret is shown: %v", name, err)
				}
			}
		}
	}
}

func TestKeyThatIsRefusedOnceInTheMiddleOfARunIsUsedOn(t *testing.T) {
	for _, flavor := range []string{"huaweicloud", "opentelekomcloud"} {
		s := newSimulated(t, flavor, nil)
		c := s.client("permanent key", nil)
		id := s.golden(nil)
		for i := range 3 {
			image, err := c.Image(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for _, method := range []string{"GET", "PATCH", "POST"} {
				if err := s.sim.AddFault(simulator.Fault{Effect: simulator.EffectStatus, Method: method, Path: "/image/", Code: "APIGW.0301"}); err != nil {
					t.Fatal(err)
				}
			}
			tag := fmt.Sprint("round-", i)
			p := patch.Diff(image.Document(), patch.Want{"/build": patch.StringValue(tag), patch.Pointer("/tags/" + tag): patch.StringValue(tag)}, nil)
			if _, err := c.Patch(t.Context(), id, image.Document(), p); err != nil {
				t.Errorf("%s: %v", flavor, err)
			}
		}
	}
}

func TestThrottledPageIsNotTakenForAListThatChanged(t *testing.T) {
	for _, path := range []string{"images", "cloudimages"} {
		s := newSimulated(t, "huaweicloud", nil)
		c := s.client("permanent key", func(c *Config) { c.UpdatePath, c.MaxRetries = path, -1 })
		for range 501 {
			s.sim.CreateImage(simulator.Image{Name: "many"})
		}
		if err := s.sim.AddFault(simulator.Fault{Effect: simulator.EffectStatus, Method: "GET", Path: "/v2/" + path, Skip: 1, Count: simulator.Forever, Code: "IMG.0060"}); err != nil {
			t.Fatal(err)
		}
		_, err := c.List(t.Context(), nil)
		var advised *AdvisedError
		if !errors.As(err, &advised) || errors.Is(err, errMarkerGone) || s.asked("GET") != 2 {
			t.Errorf("%v after %d requests", err, s.asked("GET"))
		}
	}
}

func TestBatchReadsOfIMSEndInSingleOnes(t *testing.T) {
	for _, path := range []string{"images", "cloudimages"} {
		for _, filters := range []string{"refused", "ignored"} {
			for _, throttled := range []string{"", "IMG.0060"} {
				s := newSimulated(t, "opentelekomcloud", map[string]string{"ims-undocumented-filters": filters})
				yes := true
				c := s.client("permanent key", func(c *Config) { c.UpdatePath, c.BatchReads, c.MaxRetries = path, &yes, -1 })
				var ids []string
				for range 5 {
					ids = append(ids, s.golden(nil))
				}
				read := func() (failed int) {
					var errs [5]error
					var all []func()
					for i, id := range ids {
						all = append(all, func() {
							defer c.Work()()
							_, errs[i] = c.Image(t.Context(), id)
						})
					}
					parallel(all...)
					for _, err := range errs {
						var advised *AdvisedError
						if err != nil {
							failed++
						}
						if err != nil && (throttled == "" || !errors.As(err, &advised)) {
							t.Errorf("%s, %s: %v", path, filters, err)
						}
					}
					return failed
				}
				if throttled != "" {
					if err := s.sim.AddFault(simulator.Fault{Effect: simulator.EffectStatus, Method: "GET", Path: "/v2/" + path + "$", Code: throttled, Count: 5}); err != nil {
						t.Fatal(err)
					}
					read()
					if c.singly.Load() {
						t.Errorf("%s, %s: a list that was throttled counts as one that there is not", path, filters)
					}
					s.sim.ClearFaults()
				}
				if failed := read(); failed != 0 || !c.singly.Load() {
					t.Errorf("%s, %s: %d failed, single reads: %t", path, filters, failed, c.singly.Load())
				}
				s.sim.ResetRequests()
				if failed := read(); failed != 0 || len(s.sim.Requests()) != len(ids) {
					t.Errorf("%s, %s: %d failed, %d requests", path, filters, failed, len(s.sim.Requests()))
				}
			}
		}
	}
}

func TestTokenThatExpiresBeforeTheTagsDoesNotClaimThatNothingIsHalfWritten(t *testing.T) {
	s := newSimulated(t, "huaweicloud", nil)
	c := s.client("password", func(c *Config) {
		c.Username, c.Password, c.UserDomainName, c.ProjectName = "", "", "", ""
		c.Token = s.sim.IssueToken("demo")
	})
	id := s.golden(nil)
	image, err := c.Image(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sim.AddFault(simulator.Fault{Effect: simulator.EffectExpireToken, Method: "POST", Path: "/tags/action"}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Patch(t.Context(), id, image.Document(), patch.Patch{{Path: "/build", Old: `"1"`, New: `"2"`}, {Path: "/tags/new", New: `"new"`}})
	var failed *PatchError
	var expired *TokenExpiredError
	if !errors.As(err, &failed) || failed.Effect != Unknown || !errors.As(err, &expired) || strings.Contains(err.Error(), "nothing is half written") ||
		!strings.Contains(err.Error(), "the attributes are written, and then") {
		t.Errorf("%v", err)
	}
}

func TestRequestThatIsAlwaysRefusedEndsWhileOthersAreAccepted(t *testing.T) {
	s := newSimulated(t, "huaweicloud", nil)
	id := s.golden(nil)
	var c *Client
	refused := 0
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPatch {
			s.sim.ServeHTTP(w, r)
			return
		}
		if refused++; refused < 10 {
			if _, err := c.Image(r.Context(), id); err != nil {
				t.Errorf("a read: %v", err)
			}
		}
		gatewayError(w, http.StatusUnauthorized, "APIGW.0301", "verify aksk signature fail")
	}))
	t.Cleanup(front.Close)
	c = s.client("permanent key", func(c *Config) { c.Endpoint = front.URL + "/image" })
	image, err := c.Image(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Patch(t.Context(), id, image.Document(), patch.Patch{{Path: "/build", Old: `"1"`, New: `"2"`}})
	var signIn *SignInError
	if !errors.As(err, &signIn) || refused != 2 {
		t.Errorf("%v after %d patches", err, refused)
	}
}

// A gateway that does not mind old signatures takes those of a machine whose clock
// is wrong; the client does not judge its own clock.
func TestKeyOfAMachineWithAWrongClockWorksWhereTheGatewayDoesNotMind(t *testing.T) {
	for _, age := range []string{"unlimited", "15m"} {
		s := newSimulated(t, "huaweicloud", map[string]string{"signature-age": age})
		id := s.golden(nil)
		s.sim.Advance(time.Hour)
		if _, err := s.client("permanent key", nil).Image(t.Context(), id); (err == nil) != (age == "unlimited") {
			t.Errorf("signature-age %s: %v", age, err)
		}
	}
}
