package imageservice

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// current1 is what the client reads of imageA.
var current1 = patch.Document{
	"/id": `"` + imageA + `"`, "/name": `"golden"`, "/status": `"active"`, "/__imagetype": `"private"`, "/visibility": `"private"`, "/__data_origin": "null",
	"/tags/env=prod": `"env=prod"`, "/tags/old": `"old"`, "/tags/team=core": `"team=core"`,
}

var (
	rename = patch.Patch{{Path: "/name", Old: `"golden"`, New: `"gold"`}}
	retag  = patch.Patch{{Path: "/tags/env=prod", Old: `"env=prod"`, New: patch.Absent}, {Path: "/tags/env=test", Old: patch.Absent, New: `"env=test"`}}
)

func TestTagsOfIMSHaveOneForm(t *testing.T) {
	for tag, want := range map[string][3]string{
		"env=prod":   {"env", "prod", "env=prod"},
		"env.prod":   {"env", "prod", "env=prod"},
		"v.1.2":      {"v", "1.2", "v=1.2"},
		"v=1.2":      {"v", "1.2", "v=1.2"},
		"v.a=b":      {"v", "a=b", "v=a=b"},
		"old":        {"old", "", "old"},
		"old=":       {"old", "", "old"},
		"old.":       {"old", "", "old"},
		"":           {"", "", ""},
		"=only":      {"", "only", "=only"},
		"sp ace=a b": {"sp ace", "a b", "sp ace=a b"},
	} {
		key, value := splitTag(tag)
		if joined := joinTag(key, value); key != want[0] || value != want[1] || joined != want[2] {
			t.Errorf("%q is %q and %q, joined %q", tag, key, value, joined)
		}
		if again := joinTag(splitTag(joinTag(key, value))); again != want[2] {
			t.Errorf("%q becomes %q", want[2], again)
		}
	}
}

func TestImageOfIMSIsReadAtItsPath(t *testing.T) {
	for updatePath, asked := range map[string]string{"images": "GET /v2/images/" + imageA, "cloudimages": "GET /v2/cloudimages?id=" + imageA} {
		v := newVendor(t)
		client := v.client(t, "huaweicloud", func(c *Config) { c.UpdatePath = updatePath })
		image, err := client.Image(t.Context(), imageA)
		if err != nil || !maps.Equal(image.Document(), current1) {
			t.Errorf("%s: %v\n%v", updatePath, err, image)
		}
		if !slices.Equal(v.seen(), []string{asked}) {
			t.Errorf("%s: %v", updatePath, v.seen())
		}
	}
}

func TestTagsOfOpenStackAreLeftAsTheyAre(t *testing.T) {
	cloud := newCloud(t)
	cloud.Images[imageA]["tags"] = []string{"a.b", "c="}
	image, err := cloud.client(t, nil).Image(t.Context(), imageA)
	if err != nil || !slices.Equal(image.Document().Members("/tags"), []string{"a.b", "c="}) {
		t.Errorf("%v, %v", image, err)
	}
}

func answering(status int, body string) func(http.ResponseWriter, *http.Request, string) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

// What says that an image is gone, and what does not.
func TestOnlyADefiniteAnswerOfIMSIsNotFound(t *testing.T) {
	const gone = "9f86d081-884c-4d63-a2f1-5a3d0e0b7c11"
	other := fmt.Sprintf(`{"images":[{"id":%q}]}`, imageA)
	tests := map[string]struct {
		path   string
		fault  func(http.ResponseWriter, *http.Request, string) bool
		absent bool
		says   string
	}{
		"images":                    {path: "images", absent: true, says: "IMG.0027"},
		"images, IMG.0144":          {path: "images", fault: answering(400, `{"error":{"code":"IMG.0144","message":"x"}}`), absent: true},
		"images, IMG.0086 as 404":   {path: "images", fault: answering(404, `{"error":{"code":"IMG.0086","message":"x"}}`), absent: true},
		"images, Glance's words":    {path: "images", fault: answering(404, `{"message":"No image found with ID `+gone+`","code":"404 Not Found"}`), absent: true},
		"images, a bare 404":        {path: "images", fault: answering(404, ``), says: "check endpoint"},
		"images, gateway's 404":     {path: "images", fault: answering(404, `{"error_code":"APIGW.0101","error_msg":"The API does not exist"}`), says: "check endpoint"},
		"images, another code":      {path: "images", fault: answering(400, `{"error":{"code":"IMG.0046","message":"x"}}`), says: "status is active"},
		"images, gone but 500":      {path: "images", fault: answering(500, `{"error":{"code":"IMG.0027","message":"x"}}`), says: "500"},
		"cloudimages":               {path: "cloudimages", absent: true, says: gone},
		"cloudimages, empty object": {path: "cloudimages", fault: answering(200, `{}`), says: "no list"},
		"cloudimages, no list":      {path: "cloudimages", fault: answering(200, `{"images":null}`), says: "no list"},
		"cloudimages, a page":       {path: "cloudimages", fault: answering(200, `<html>`), says: "no list"},
		"cloudimages, other images": {path: "cloudimages", fault: answering(200, other), says: "with others"},
		"cloudimages, broken image": {path: "cloudimages", fault: answering(200, `{"images":[{"id":"`+gone+`","tags":[],"id":7}]}`), says: "others"},
		"cloudimages, 404":          {path: "cloudimages", fault: answering(404, ``), says: "check endpoint"},
		"cloudimages, IMG.0027":     {path: "cloudimages", fault: answering(400, `{"error":{"code":"IMG.0027","message":"x"}}`), absent: true},
		"403":                       {path: "images", fault: answering(403, `{"error":{"code":"IMG.0026","message":"x"}}`), says: "ims:images:get"},
		"429":                       {path: "images", fault: answering(429, `{"error_code":"APIGW.0308","error_msg":"x"}`), says: "-parallelism"},
		"flow control":              {path: "cloudimages", fault: answering(400, `{"error":{"code":"IMG.0060","message":"x"}}`), says: "-parallelism"},
		"503":                       {path: "cloudimages", fault: answering(503, ``), says: "503"},
		"truncated":                 {path: "cloudimages", fault: truncated, says: "broke off"},
		"reset":                     {path: "images", fault: reset, says: "closed the connection"},
		"silence":                   {path: "cloudimages", fault: silence, says: "request_timeout"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			v.Intercept = test.fault
			client := v.client(t, "opentelekomcloud", func(c *Config) { c.UpdatePath, c.RequestTimeout = test.path, timeoutFor(name) })
			_, err := client.Image(t.Context(), gone)
			if err == nil || errors.Is(err, ErrNotFound) != test.absent || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestPatchOfIMSIsSentInTheFormOfItsPath(t *testing.T) {
	change := patch.Patch{
		{Path: "/__description", Old: patch.Absent, New: `"new"`},
		{Path: "/__imagetype", Old: `"private"`, New: patch.Absent},
		{Path: "/name", Old: `"golden"`, New: `"gold"`},
	}
	const v21 = `[{"op":"add","path":"/__description","value":"new"},{"op":"remove","path":"/__imagetype"},{"op":"replace","path":"/name","value":"gold"}]`
	// The API cloudimages documents a value for every operation.
	valued := strings.Replace(v21, `"path":"/__imagetype"`, `"path":"/__imagetype","value":""`, 1)
	for name, test := range map[string]struct {
		change           func(*Config)
		asked, typ, body string
	}{
		"images":       {func(c *Config) { c.UpdatePath = "images" }, "PATCH /v2/images/" + imageA, "application/openstack-images-v2.1-json-patch", v21},
		"cloudimages":  {func(*Config) {}, "PATCH /v2/cloudimages/" + imageA, "application/json", valued},
		"images, v2.0": {func(c *Config) { c.UpdatePath, c.PatchFormat = "images", "v2.0" }, "PATCH /v2/images/" + imageA, "application/openstack-images-v2.0-json-patch", `[{"add":"/__description","value":"new"},{"remove":"/__imagetype"},{"replace":"/name","value":"gold"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			client := v.client(t, "huaweicloud", test.change)
			v.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
				if !v.signed(r, []byte(test.body)) {
					t.Error("the body is not what was signed")
				}
				answer(w, http.StatusOK, map[string]any{"id": imageA, "name": "gold", "tags": []string{"a.b"}})
				return true
			}
			image, err := client.Patch(t.Context(), imageA, current1, change)
			if err != nil || image.Document()["/tags/a=b"] != `"a=b"` {
				t.Fatalf("%v, %v", image, err)
			}
			if v.requests[0] != test.asked || v.headers[0].Get("Content-Type") != test.typ || v.bodies[0] != test.body || len(v.requests) != 1 {
				t.Errorf("sent %v %v %v", v.requests, v.headers[0], v.bodies)
			}
		})
	}
}

func TestTagsOfIMSAreWrittenAfterTheRestAndReadAgain(t *testing.T) {
	change := patch.Patch{
		{Path: "/name", Old: `"golden"`, New: `"gold"`},
		{Path: "/tags/env=prod", Old: `"env=prod"`, New: patch.Absent},
		{Path: "/tags/env=test", Old: patch.Absent, New: `"env=test"`},
		{Path: "/tags/new", Old: patch.Absent, New: `"new"`},
		{Path: "/tags/old", Old: `"old"`, New: patch.Absent},
	}
	for updatePath, read := range map[string]string{"images": "GET /v2/images/" + imageA, "cloudimages": "GET /v2/cloudimages?id=" + imageA} {
		v := newVendor(t)
		client := v.client(t, "opentelekomcloud", func(c *Config) { c.UpdatePath = updatePath })
		image, err := client.Patch(t.Context(), imageA, current1, change)
		if err != nil {
			t.Fatal(err)
		}
		if got := image.Document(); !slices.Equal(got.Members("/tags"), []string{"env=test", "new", "team=core"}) || got["/name"] != `"gold"` {
			t.Errorf("%s: %v", updatePath, got)
		}
		action := "POST /v2/" + projectID + "/images/" + imageA + "/tags/action"
		if want := []string{"PATCH /v2/" + updatePath + "/" + imageA, action, action, action, action, read}; !slices.Equal(v.requests, want) {
			t.Errorf("requests %q", v.requests)
		}
		want := []string{
			`[{"op":"replace","path":"/name","value":"gold"}]`,
			`{"action":"delete","tags":[{"key":"env","value":"prod"}]}`,
			`{"action":"delete","tags":[{"key":"old","value":""}]}`,
			`{"action":"create","tags":[{"key":"env","value":"test"}]}`,
			`{"action":"create","tags":[{"key":"new","value":""}]}`,
			"",
		}
		if !slices.Equal(v.bodies, want) {
			t.Errorf("bodies %q", v.bodies)
		}
		if client.begun.Load() != 1 || client.done.Load() != 1 {
			t.Errorf("%d of %d changes", client.done.Load(), client.begun.Load())
		}
	}
}

func TestTagsAloneAreWrittenWithoutAPatch(t *testing.T) {
	v := newVendor(t)
	if _, err := v.client(t, "huaweicloud", nil).Patch(t.Context(), imageA, current1, retag); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(v.requests, func(r string) bool { return strings.HasPrefix(r, "PATCH") }) || len(v.requests) != 3 {
		t.Errorf("%v", v.requests)
	}
}

// Each request of a change fails in turn, in every way.
func TestEffectOfEveryFailureOfAChange(t *testing.T) {
	change := append(slices.Clone(rename), retag...)
	type fault = func(http.ResponseWriter, *http.Request, string) bool
	faults := map[string]struct {
		fault fault
		// What the PATCH ends with; later, Unsent and Stale are Unknown.
		effect Effect
		says   string
	}{
		"401":          {answering(401, `{"error_code":"APIGW.0301","error_msg":"x"}`), Unsent, "access_key"},
		"403":          {answering(403, `{"error":{"code":"IMG.0026","message":"no role"}}`), Refused, "no role"},
		"not owner":    {answering(400, `{"error":{"code":"IMG.0047","message":"x"}}`), Refused, "sign in to that project"},
		"gone":         {answering(400, `{"error":{"code":"IMG.0027","message":"x"}}`), Refused, "not found"},
		"conflict":     {answering(400, `{"error":{"code":"IMG.0035","message":"An attribute conflict"}}`), Stale, "An attribute conflict"},
		"409":          {answering(409, ``), Stale, "409"},
		"too many":     {answering(400, `{"error":{"code":"IMG.0116","message":"x"}}`), Refused, "at most 10 tags"},
		"429":          {answering(429, `{"error_code":"APIGW.0308","error_msg":"limit"}`), Refused, "limit"},
		"flow control": {answering(400, `{"error":{"code":"IMG.0060","message":"x"}}`), Refused, "IMG.0060"},
		"500":          {answering(500, ``), Unknown, "500"},
		"503":          {answering(503, ``), Unknown, "503"},
		"reset":        {reset, Unknown, "closed the connection"},
		"truncated":    {truncated, Unknown, ""},
		"silence":      {silence, Unknown, "request_timeout"},
		"no image":     {answering(200, `[]`), Unknown, ""},
	}
	steps := []string{"PATCH", "POST", "POST", "GET"}
	for name, test := range faults {
		for at, method := range steps {
			if method == "POST" && (name == "no image" || name == "truncated") {
				continue // 204 has no body; a 200 is as good.
			}
			t.Run(fmt.Sprintf("%s at %d", name, at), func(t *testing.T) {
				v := newVendor(t)
				requests := 0
				v.Intercept = func(w http.ResponseWriter, r *http.Request, body string) bool {
					requests++
					return requests > at && test.fault(w, r, body)
				}
				client := v.client(t, "opentelekomcloud", func(c *Config) { c.RequestTimeout = timeoutFor(name) })
				_, err := client.Patch(t.Context(), imageA, current1, change)
				var failed *PatchError
				if !errors.As(err, &failed) || !strings.Contains(err.Error(), test.says) {
					t.Fatalf("%T %v", err, err)
				}
				want := test.effect
				if (at > 0 && (want == Unsent || want == Stale)) || method == "GET" {
					want = Unknown
				}
				if failed.Effect != want {
					t.Errorf("the effect is %d, want %d: %v", failed.Effect, want, err)
				}
				if already := []string{"", "the attributes are written", "the attributes and 1 of 2 tags are written", ""}[at]; !strings.Contains(err.Error(), already) {
					t.Errorf("%q is missing in: %v", already, err)
				}
				if client.begun.Load() != 1 || client.done.Load() != 0 {
					t.Errorf("%d of %d changes", client.done.Load(), client.begun.Load())
				}
			})
		}
	}
}

func TestThrottledWriteIsRepeatedAndTakesEffectOnce(t *testing.T) {
	v := newVendor(t)
	requests := 0
	v.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		requests++
		switch requests {
		case 1:
			gatewayError(w, http.StatusTooManyRequests, "APIGW.0308", "limit")
		case 2:
			imsError(w, http.StatusBadRequest, "IMG.0060", "flow control")
		}
		return requests < 3
	}
	client := v.client(t, "huaweicloud", func(c *Config) { c.MaxRetries = 4 })
	if image, err := client.Patch(t.Context(), imageA, current1, rename); err != nil || image.Document()["/name"] != `"gold"` {
		t.Errorf("%v, %v", image, err)
	}
}

// A tag written twice is written once, which a patch is not.
func TestTagsAreRepeatedAfterATroubleThatAPatchIsNotRepeatedAfter(t *testing.T) {
	for method, repeats := range map[string]int{http.MethodPost: 2, http.MethodPatch: 1} {
		v := newVendor(t)
		sent := 0
		v.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
			if r.Method != method {
				return false
			}
			sent++
			if sent == 1 {
				w.WriteHeader(http.StatusBadGateway)
			}
			return sent == 1
		}
		client := v.client(t, "huaweicloud", func(c *Config) { c.MaxRetries = 1 })
		change := patch.Patch{rename[0], {Path: "/tags/beside", Old: patch.Absent, New: `"beside"`}}
		if _, err := client.Patch(t.Context(), imageA, current1, change); (err == nil) != (repeats == 2) || sent != repeats {
			t.Errorf("%s: %v after %d requests", method, err, sent)
		}
	}
}

func TestImageThatCloudimagesCannotWriteIsNotWritten(t *testing.T) {
	with := func(pairs ...string) patch.Document {
		d := maps.Clone(current1)
		for i := 0; i < len(pairs); i += 2 {
			d[patch.Pointer(pairs[i])] = patch.Value(pairs[i+1])
			if pairs[i+1] == "" {
				delete(d, patch.Pointer(pairs[i]))
			}
		}
		return d
	}
	tests := map[string]struct {
		current  patch.Document
		waitable bool
		says     []string // none: it is written
	}{
		"active and private":       {current: current1},
		"private and shared on":    {current: with("/visibility", `"shared"`)},
		"queued":                   {current: with("/status", `"queued"`), waitable: true, says: []string{imageA, `"queued"`, "wait"}},
		"saving":                   {current: with("/status", `"saving"`), waitable: true, says: []string{`"saving"`}},
		"killed":                   {current: with("/status", `"killed"`), says: []string{`"killed"`, "another image"}},
		"public":                   {current: with("/__imagetype", `"gold"`, "/visibility", `"public"`), says: []string{`"public"`, "make a private copy"}},
		"shared":                   {current: with("/__imagetype", `"shared"`), says: []string{`"shared"`, "project that shares it"}},
		"of a market":              {current: with("/__imagetype", `"market"`), says: []string{`"market"`, "make a private copy"}},
		"public by visibility":     {current: with("/__imagetype", "", "/visibility", `"public"`), says: []string{`"public"`}},
		"public and on its way":    {current: with("/__imagetype", `"gold"`, "/status", `"saving"`), says: []string{`"public"`}},
		"nothing known":            {current: patch.Document{"/name": `"golden"`}},
		"killed, but the tag only": {current: with("/status", `"killed"`), says: []string{`"killed"`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			change := rename
			if strings.Contains(name, "tag") {
				change = retag
			}
			v := newVendor(t)
			client := v.client(t, "huaweicloud", nil)
			_, err := client.Patch(t.Context(), imageA, test.current, change)
			if test.says == nil {
				if early := client.CheckWritable(imageA, test.current); err != nil || early != nil {
					t.Errorf("%v, and asked before: %v", err, early)
				}
				return
			}
			var failed *PatchError
			if !errors.As(err, &failed) || failed.Effect != Unsent || len(v.seen()) != 0 {
				t.Fatalf("%v after %v", err, v.seen())
			}
			if early := client.CheckWritable(imageA, test.current); !reflect.DeepEqual(early, failed.Err) {
				t.Errorf("%v, and asked before: %v", err, early)
			}
			var notReady *NotReadyError
			var notPrivate *NotPrivateError
			if errors.As(err, &notReady) == errors.As(err, &notPrivate) || (notReady != nil && notReady.Waitable()) != test.waitable {
				t.Errorf("%T %v", failed.Err, err)
			}
			for _, word := range test.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q is missing in: %v", word, err)
				}
			}
			if _, err := v.client(t, "huaweicloud", func(c *Config) { c.UpdatePath = "images" }).Patch(t.Context(), imageA, test.current, change); err != nil {
				t.Errorf("the path images refuses it as well: %v", err)
			}
		})
	}
}

func TestListOfIMSIsAskedOnlyWhatItUnderstands(t *testing.T) {
	query := url.Values{
		"name": {"golden"}, "status": {"active"}, "owner": {projectID}, "visibility": {"shared"}, "member_status": {"pending"},
		"tag": {"env=prod"}, "os_hidden": {"true"}, "hw_firmware_type": {"uefi"},
	}
	v := newVendor(t)
	if _, err := v.client(t, "opentelekomcloud", nil).List(t.Context(), query); err != nil {
		t.Fatal(err)
	}
	want := "GET /v2/images?limit=500&member_status=pending&name=golden&owner=" + projectID + "&status=active&visibility=shared"
	if !slices.Equal(v.seen(), []string{want}) {
		t.Errorf("%q", v.seen())
	}
	for _, visibility := range []string{"all", "private", "community"} {
		v := newVendor(t)
		if _, err := v.client(t, "opentelekomcloud", nil).List(t.Context(), url.Values{"visibility": {visibility}, "member_status": {"all"}}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(v.seen(), []string{"GET /v2/images?limit=500"}) {
			t.Errorf("%s: %q", visibility, v.seen())
		}
	}
	if len(query["tag"]) != 1 {
		t.Error("the caller's query was changed")
	}
}

func TestListOfCloudimagesEndsWithAnEmptyPage(t *testing.T) {
	v := newVendor(t)
	images, err := v.client(t, "huaweicloud", nil).List(t.Context(), url.Values{"name": {"x"}})
	if err != nil || len(images) != 2 || images[0].Document()["/tags/team=core"] == patch.Absent {
		t.Errorf("%v, %v", images, err)
	}
	if want := []string{"GET /v2/cloudimages?limit=500&name=x", "GET /v2/cloudimages?limit=500&marker=" + imageB + "&name=x"}; !slices.Equal(v.seen(), want) {
		t.Errorf("%q", v.seen())
	}
}

func TestListOfCloudimagesThatIgnoresTheMarkerIsAnError(t *testing.T) {
	v := newVendor(t)
	v.Intercept = answering(200, fmt.Sprintf(`{"images":[{"id":%q}]}`, imageA))
	if images, err := v.client(t, "huaweicloud", nil).List(t.Context(), nil); err == nil || len(v.seen()) != 2 {
		t.Errorf("%v, %v after %d requests", images, err, len(v.seen()))
	}
}

func TestReadsOfIMSAreNotBatchedUnlessAskedFor(t *testing.T) {
	for name, batch := range map[string]*bool{"by default": nil, "asked for": new(true)} {
		v := newVendor(t)
		client := v.client(t, "opentelekomcloud", func(c *Config) { c.BatchReads = batch })
		for range 2 {
			atOnce(client, []string{imageA, imageB}, func(id string) {
				if image, err := client.Image(t.Context(), id); err != nil || image.ID != id {
					t.Errorf("%v, %v", image, err)
				}
			})
		}
		lists := slices.DeleteFunc(v.seen(), func(r string) bool { return !strings.Contains(r, "?") })
		if (batch == nil && len(lists) != 0) || (batch != nil && len(lists) == 0) {
			t.Errorf("%s: lists %q", name, lists)
		}
	}
}

// With a token of the identity service, IMS works as well; the gateway's 401 is
// the end of a token then, and nothing else.
func TestTokenOfIMSIsRenewedAfterTheGatewayRefusesIt(t *testing.T) {
	cloud := newCloud(t)
	client := cloud.client(t, func(c *Config) { c.Flavor, c.UpdatePath = "huaweicloud", "images" })
	refuse := true
	cloud.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if !refuse || !strings.HasPrefix(r.URL.Path, "/image/") {
			return false
		}
		refuse = false
		gatewayError(w, http.StatusUnauthorized, "APIGW.0301", "Incorrect IAM authentication information: decrypt token fail")
		return true
	}
	if _, err := client.Image(t.Context(), imageA); err != nil {
		t.Fatal(err)
	}
	if n := cloud.count("POST /identity"); n != 2 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestEveryCodeWithAnAdviceIsShownWithIt(t *testing.T) {
	for code, advice := range advices {
		if goneCodes[code] {
			continue
		}
		v := newVendor(t)
		v.Intercept = answering(400, `{"error":{"code":"`+code+`","message":"what it says"}}`)
		_, err := v.client(t, "opentelekomcloud", nil).Image(t.Context(), imageA)
		var advised *AdvisedError
		var refusal *transport.APIError
		if !errors.As(err, &advised) || !errors.As(err, &refusal) || refusal.Code != code || !strings.Contains(err.Error(), "what it says") || !strings.HasSuffix(err.Error(), advice) {
			t.Errorf("%v", err)
		}
	}
}

func TestNotFoundThatOnlyRepeatsTheAddressIsNotDefinite(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		gone bool
	}{
		"Glance":      {`{"message":"No image found with ID ` + imageA + `<br /><br />\n\n\n","code":"404 Not Found","title":"Not Found"}`, true},
		"IMS":         {`{"error":{"code":"IMG.0144","message":"The image does not exist."}}`, true},
		"gateway":     {`{"error_code":"APIGW.0101","error_msg":"No API for ` + imageA + `","request_id":"5a0b"}`, false},
		"proxy":       {`{"message":"Cannot GET /v2/images/` + imageA + `"}`, false},
		"nothing":     {`{}`, false},
		"other image": {`{"message":"No image found with ID ` + imageB + `"}`, false},
	} {
		for _, path := range []string{"images", "cloudimages"} {
			v := newVendor(t)
			v.Intercept = answering(404, test.body)
			_, err := v.client(t, "huaweicloud", func(c *Config) { c.UpdatePath = path }).Image(t.Context(), imageA)
			if err == nil || errors.Is(err, ErrNotFound) != test.gone {
				t.Errorf("%s, %s: %v", name, path, err)
			}
		}
	}
}

func TestATagDoesNotTakeThePlaceOfAnother(t *testing.T) {
	v := newVendor(t)
	client := v.client(t, "opentelekomcloud", nil)
	current := patch.Document{"/id": patch.StringValue(imageA), "/status": `"active"`, "/tags/env=prod": `"env=prod"`}
	_, err := client.Patch(t.Context(), imageA, current, patch.Diff(current, patch.Want{"/tags/env=test": `"env=test"`}, nil))
	var failed *PatchError
	if !errors.As(err, &failed) || failed.Effect != Unsent || !strings.Contains(err.Error(), `"env=prod" and "env=test"`) {
		t.Errorf("%v", err)
	}
	if len(v.requests) != 0 {
		t.Errorf("%v was sent", v.requests)
	}
}
