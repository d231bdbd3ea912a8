package simulator

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const vectorBody = `[{"op":"replace","path":"/name","value":"test01"}]` + "\n"

// The first two were made with the vendor's Go SDK 0.1.207, the third is that
// SDK's own, the last two were computed by a program that shares nothing with
// this one.
func TestSignatureVectors(t *testing.T) {
	const (
		host  = "https://ims.eu-de.otc.t-systems.com"
		image = "/v2/images/33ad552d-1149-471c-8190-ff6776174a00"
		date  = "20240605T072250Z"
	)
	for _, tc := range []struct {
		name, method, url, body string
		header                  map[string]string
		authorization           string
	}{
		{"unsigned payload", "PATCH", host + image, vectorBody, map[string]string{
			"X-Sdk-Date": date, "X-Project-Id": "0b1e494e2660441a957313163095fe5c", "Content-Type": mediaTypeV21, "X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD",
		}, "Access=AccessKey, SignedHeaders=x-project-id;x-sdk-content-sha256;x-sdk-date, Signature=d8846d78f16fb0ba30eec4c5f1c0db043e3e01ce456e2fa875b8c28a9dee0a86"},
		{"signed payload", "PATCH", host + strings.Replace(image, "images", "cloudimages", 1), vectorBody, map[string]string{
			"X-Sdk-Date": date, "X-Project-Id": "0b1e494e2660441a957313163095fe5c", "Content-Type": "application/json",
		}, "Access=AccessKey, SignedHeaders=x-project-id;x-sdk-date, Signature=007e5ec030d3b337feb84183f6696699466ccf3708c3f2b7c52688a90b3d23f3"},
		{"query", "GET", "https://example.huaweicloud.com/path?limit=1", "", map[string]string{"X-Sdk-Date": "20060102T150405Z"},
			"Access=AccessKey, SignedHeaders=x-sdk-date, Signature=5a2ce64c865e0e6046321c6f3d5a77ba8413eeaf355c3166c03d58d02ac79624"},
		{"credential", "PATCH", host + strings.Replace(image, "images", "cloudimages", 1), vectorBody, map[string]string{
			"X-Sdk-Date": date, "Content-Type": "application/json",
		}, "Credential=AccessKey/20240605///sdk_request, SignedHeaders=content-type;host;x-sdk-date, Signature=460a6b0822e1e10ced162e1a06b0f961dcc928f5aed951020efb04d74e79ee5c"},
		{"credential with a region", "GET", host + "/v2/cloudimages?name=a+b&id=33ad552d-1149-471c-8190-ff6776174a00", "", map[string]string{"X-Sdk-Date": date},
			"Credential=AccessKey/20240605/eu-de/ims/sdk_request, SignedHeaders=host;x-sdk-date, Signature=a48b908300ccd8e5fc12a57d041ab426061fd10fdcf8ba1e96a380124af8ab38"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at, err := time.Parse(signatureDateForm, tc.header["X-Sdk-Date"])
			if err != nil {
				t.Fatal(err)
			}
			s := New(Options{Flavor: FlavorOpenTelekomCloud, Clock: func() time.Time { return at.Add(time.Minute) }})
			s.identity.keys = append(s.identity.keys, keyPair{AccessKey: AccessKey{ID: "AccessKey", Secret: "SecretKey"}, user: s.identity.userByName("demo")})
			request := httptest.NewRequest(tc.method, tc.url, strings.NewReader(tc.body))
			for name, value := range tc.header {
				request.Header.Set(name, value)
			}
			request.Header.Set("Authorization", "SDK-HMAC-SHA256 "+tc.authorization)
			if _, refused := s.signer(request, []byte(tc.body)); refused != nil {
				t.Errorf("refused: %+v", refused)
			}
			if _, refused := s.signer(request, []byte(tc.body+" ")); refused == nil && tc.header["X-Sdk-Content-Sha256"] == "" {
				t.Error("another body is accepted")
			}
		})
	}
}

// signedCall is a request that a test signs.
type signedCall struct {
	method, path, body string
	key                AccessKey
	header             map[string]string
	// signed are the headers that the signature covers besides the date.
	signed []string
	// scope makes it the older form.
	scope []string
	at    time.Time
	// tamper changes the request after it is signed.
	tamper func(*http.Request)
}

func (c *testCloud) doSigned(in signedCall) answer {
	c.t.Helper()
	base := "/image"
	if strings.HasPrefix(in.path, "//") {
		base, in.path = "", in.path[1:]
	}
	request := httptest.NewRequest(in.method, "http://cloud.example"+base+in.path, strings.NewReader(in.body))
	request.Header.Set("X-Sdk-Date", in.at.UTC().Format(signatureDateForm))
	for name, value := range in.header {
		request.Header.Set(name, value)
	}
	sig := signature{key: in.key.ID, scope: in.scope, headers: append(in.signed, "x-sdk-date")}
	hash, _ := payloadHash(request, []byte(in.body))
	owner := "Access=" + in.key.ID
	if in.scope != nil {
		owner = "Credential=" + in.key.ID + "/" + strings.Join(in.scope, "/")
	}
	request.Header.Set("Authorization", signatureAlgorithm+" "+owner+", SignedHeaders="+strings.Join(sig.headers, ";")+
		", Signature="+sig.expected(request, hash, in.key.Secret))
	if in.tamper != nil {
		in.tamper(request)
	}
	recorder := httptest.NewRecorder()
	c.ServeHTTP(recorder, request)
	out := answer{status: recorder.Code, header: recorder.Header(), text: recorder.Body.String()}
	if strings.HasPrefix(out.text, "{") {
		out.value = decodeDocument([]byte(out.text))
	}
	return out
}

func TestSignedRequests(t *testing.T) {
	at := newManualTime()
	const failed = "Incorrect IAM authentication information: verify aksk signature fail"
	day := at.now().Format("20060102")
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tc := range []struct {
		name   string
		assume map[string]string
		user   string
		change func(c *testCloud, in *signedCall)
		status int
		text   string
	}{
		{name: "permanent key", status: 200},
		{name: "project that is not named", change: func(_ *testCloud, in *signedCall) { delete(in.header, "X-Project-Id") }, status: 200},
		{name: "project that is signed", change: func(_ *testCloud, in *signedCall) { in.signed = []string{"x-project-id"} }, status: 200},
		{name: "project of another", change: func(c *testCloud, in *signedCall) { in.header["X-Project-Id"] = c.projectID("other") }, status: 401, text: "Incorrect IAM authentication information: "},
		{name: "unsigned payload", change: func(_ *testCloud, in *signedCall) { in.header["X-Sdk-Content-Sha256"] = "UNSIGNED-PAYLOAD" }, status: 200},
		{name: "hash of another body", change: func(_ *testCloud, in *signedCall) { in.header["X-Sdk-Content-Sha256"] = strings.Repeat("0", 64) }, status: 401, text: failed},
		{name: "host is signed", change: func(_ *testCloud, in *signedCall) { in.signed = []string{"host"} }, status: 200},
		{name: "host is another", change: func(_ *testCloud, in *signedCall) {
			in.signed, in.tamper = []string{"host"}, func(r *http.Request) { r.Host = "elsewhere.example" }
		}, status: 401, text: failed},
		{name: "signed header is another", change: func(_ *testCloud, in *signedCall) {
			in.signed, in.tamper = []string{"x-project-id"}, header("X-Project-Id", "x")
		}, status: 401, text: failed},
		{name: "signed header is missing", change: func(_ *testCloud, in *signedCall) { in.signed = []string{"x-other"} }, status: 401, text: failed},
		{name: "date is not signed", change: func(_ *testCloud, in *signedCall) {
			in.tamper = func(r *http.Request) {
				sig := signature{headers: []string{"x-project-id"}}
				hash, _ := payloadHash(r, []byte(in.body))
				r.Header.Set("Authorization", signatureAlgorithm+" Access="+in.key.ID+", SignedHeaders=x-project-id, Signature="+sig.expected(r, hash, in.key.Secret))
			}
		}, status: 401, text: failed},
		{name: "query is another", change: func(_ *testCloud, in *signedCall) {
			in.tamper = func(r *http.Request) { r.URL.RawQuery = "x=1" }
		}, status: 401, text: failed},
		{name: "method is another", change: func(_ *testCloud, in *signedCall) {
			in.path = strings.Replace(in.path, "cloudimages", "images", 1)
			in.tamper = func(r *http.Request) { r.Method = "DELETE" }
		}, status: 401, text: failed},
		{name: "wrong secret", change: func(_ *testCloud, in *signedCall) { in.key.Secret += "x" }, status: 401, text: failed},
		{name: "unknown key", change: func(_ *testCloud, in *signedCall) { in.key.ID = "NOBODY" }, status: 401, text: "Get secretKey failed,ak:NOBODY,err:ak not exist"},
		{name: "old, but not too old", change: func(_ *testCloud, in *signedCall) { in.at = in.at.Add(-15 * time.Minute) }, status: 200},
		{name: "too old", change: func(_ *testCloud, in *signedCall) { in.at = in.at.Add(-15*time.Minute - time.Second) }, status: 401, text: failed},
		{name: "too new", change: func(_ *testCloud, in *signedCall) { in.at = in.at.Add(15*time.Minute + time.Second) }, status: 401, text: failed},
		{name: "old where age does not matter", assume: map[string]string{"signature-age": "unlimited"}, change: func(_ *testCloud, in *signedCall) { in.at = in.at.Add(-time.Hour) }, status: 200},
		{name: "date of another form", change: func(_ *testCloud, in *signedCall) { in.header["X-Sdk-Date"] = "2026-03-01T12:00:00Z" }, status: 401, text: failed},
		{name: "temporary key", change: func(c *testCloud, in *signedCall) {
			in.key = c.TemporaryAccessKey("demo")
			in.header["X-Security-Token"] = in.key.SecurityToken
		}, status: 200},
		{name: "temporary key without its token", change: func(c *testCloud, in *signedCall) { in.key = c.TemporaryAccessKey("demo") }, status: 401, text: failed},
		{name: "temporary key with another token", change: func(c *testCloud, in *signedCall) {
			in.key, in.header["X-Security-Token"] = c.TemporaryAccessKey("demo"), "x"
		}, status: 401, text: failed},
		{name: "permanent key with a token", change: func(_ *testCloud, in *signedCall) { in.header["X-Security-Token"] = "x" }, status: 401, text: failed},
		{name: "credential", change: func(_ *testCloud, in *signedCall) { in.scope = []string{day, "", "", "sdk_request"} }, status: 200},
		{name: "credential of another day", change: func(_ *testCloud, in *signedCall) { in.scope = []string{"20200101", "", "", "sdk_request"} }, status: 401, text: failed},
		{name: "credential of another end", change: func(_ *testCloud, in *signedCall) { in.scope = []string{day, "", "", "aws4_request"} }, status: 401, text: failed},
		{name: "credential where access is", assume: map[string]string{"signature-form": "access"}, change: func(_ *testCloud, in *signedCall) { in.scope = []string{day, "", "", "sdk_request"} }, status: 401, text: failed},
		{name: "access where access is", assume: map[string]string{"signature-form": "access"}, status: 200},
		{name: "access where credential is", assume: map[string]string{"signature-form": "credential"}, status: 401, text: failed},
		{name: "credential where credential is", assume: map[string]string{"signature-form": "credential"}, change: func(_ *testCloud, in *signedCall) { in.scope = []string{day, "", "", "sdk_request"} }, status: 200},
		{name: "another algorithm", change: func(_ *testCloud, in *signedCall) { in.tamper = header("Authorization", "AWS4-HMAC-SHA256 Access=x") }, status: 401, text: failed},
		{name: "key of a reader", user: "reader", status: 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newTestCloud(t, Options{Flavor: FlavorHuaweiCloud, Empty: true, Clock: at.now, Assumptions: tc.assume})
			id := c.CreateImage(Image{})
			in := signedCall{
				method: "PATCH", path: "/v2/cloudimages/" + id, body: set("x", `"1"`), key: c.AccessKey(cmp.Or(tc.user, "demo")), at: at.now(),
				header: map[string]string{"Content-Type": "application/json", "X-Project-Id": c.projectID("demo")},
			}
			if tc.change != nil {
				tc.change(c, &in)
			}
			got := c.doSigned(in)
			if got.status != tc.status || !strings.Contains(got.text, tc.text) {
				t.Errorf("answered %d %s, want %d %q", got.status, got.text, tc.status, tc.text)
			}
			requestID, _ := got.value["request_id"].(string)
			if got.status == 401 && (got.value["error_code"] != "APIGW.0301" || len(requestID) != 32) {
				t.Errorf("the refusal is %s", got.text)
			}
		})
	}
}

func TestSignedPathsAreEncoded(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Flavor: FlavorHuaweiCloud, Empty: true, Clock: at.now})
	c.CreateImage(Image{Name: "a b"})
	got := c.doSigned(signedCall{method: "GET", path: "/v2/cloudimages?name=a%20b&__imagetype=private&limit=5", key: c.AccessKey("demo"), at: at.now()})
	if names := listed(t, got); names != "a b" {
		t.Errorf("lists %q", names)
	}
	if path := canonicalPath(httptest.NewRequest("GET", "/v2/a%20b/%E4%B8%AD%2Fx~*", nil).URL); path != "/v2/a%20b/%E4%B8%AD%2Fx~%2A/" {
		t.Errorf("the canonical path is %s", path)
	}
	if query := canonicalQuery(httptest.NewRequest("GET", "/?b=2&a=z&a=%2B&a-b=1&a", nil).URL); query != "a=&a=%2B&a=z&a-b=1&b=2" {
		t.Errorf("the canonical query is %s", query)
	}
}

func TestSignedProjectLookup(t *testing.T) {
	at := newManualTime()
	c := newTestCloud(t, Options{Flavor: FlavorOpenTelekomCloud, Clock: at.now})
	for query, want := range map[string]string{"?name=demo": "demo", "?name=other": "", "": "demo", "?name=x": ""} {
		got := c.doSigned(signedCall{method: "GET", path: "//identity/v3/projects" + query, key: c.AccessKey("demo"), at: at.now()})
		byToken := c.do(call{user: "demo", method: "GET", path: "//identity/v3/projects" + query})
		for _, a := range []answer{got, byToken} {
			names := ""
			for _, p := range a.value["projects"].([]any) {
				names += p.(map[string]any)["name"].(string)
			}
			if a.status != 200 || names != want {
				t.Errorf("%q finds %q: %d %s", query, names, a.status, a.text)
			}
		}
	}
	key := c.AccessKey("demo")
	key.Secret = "x"
	expectCode(t, c.doSigned(signedCall{method: "GET", path: "//identity/v3/projects", key: key, at: at.now()}), 401, "APIGW.0301")
	expect(t, c.do(call{method: "GET", path: "//identity/v3/projects"}), 401, "")
	expect(t, newTestCloud(t, Options{}).do(call{user: "demo", method: "GET", path: "//identity/v3/projects"}), 404, "")
}

func TestAccessKeys(t *testing.T) {
	s := New(Options{Flavor: FlavorHuaweiCloud})
	seen := map[string]bool{}
	for _, user := range []string{"demo", "other", "reader", "admin"} {
		permanent, temporary := s.AccessKey(user), s.TemporaryAccessKey(user)
		for _, text := range []string{permanent.ID, permanent.Secret, temporary.ID, temporary.Secret, temporary.SecurityToken} {
			if text == "" || seen[text] {
				t.Errorf("%q is empty or comes twice", text)
			}
			seen[text] = true
		}
		if permanent.SecurityToken != "" {
			t.Error("a permanent key has a token")
		}
	}
	if d := s.Describe("http://x"); d.AccessKey != s.AccessKey("demo").ID || d.SecretKey != s.AccessKey("demo").Secret {
		t.Errorf("described are %s and %s", d.AccessKey, d.SecretKey)
	}
}
