package signature_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/signature"
)

var key = signature.Key{Access: "AccessKey", Secret: "SecretKey"}

// The signatures of the form Access are those of the vendor's Go SDK 0.1.207; the
// first is of its own tests. Those of the form Credential were computed with a
// few lines of Python from the description of the algorithm.
func TestKnownSignatures(t *testing.T) {
	const (
		host  = "https://ims.eu-de.otc.t-systems.com"
		image = "33ad552d-1149-471c-8190-ff6776174a00"
		patch = `[{"op":"replace","path":"/name","value":"test01"}]` + "\n"
	)
	project := []string{"0b1e494e2660441a957313163095fe5c"}
	at := time.Date(2024, 6, 5, 7, 22, 50, 0, time.UTC)
	tests := map[string]struct {
		form        signature.Form
		method, url string
		header      http.Header
		body        string
		at          time.Time
		want        string
	}{
		"the SDK's own": {
			method: "GET", url: "https://example.huaweicloud.com/path?limit=1", at: time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC),
			want: "SDK-HMAC-SHA256 Access=AccessKey, SignedHeaders=x-sdk-date, Signature=5a2ce64c865e0e6046321c6f3d5a77ba8413eeaf355c3166c03d58d02ac79624",
		},
		"patch with its body hashed": {
			method: "PATCH", url: host + "/v2/cloudimages/" + image, body: patch,
			header: http.Header{"X-Project-Id": project, "Content-Type": {"application/json"}},
			want:   "SDK-HMAC-SHA256 Access=AccessKey, SignedHeaders=x-project-id;x-sdk-date, Signature=007e5ec030d3b337feb84183f6696699466ccf3708c3f2b7c52688a90b3d23f3",
		},
		"patch with the hash given": {
			method: "PATCH", url: host + "/v2/images/" + image, body: patch,
			header: http.Header{"X-Project-Id": project, "X-Sdk-Content-Sha256": {"UNSIGNED-PAYLOAD"}, "Content-Type": {"application/openstack-images-v2.1-json-patch"}},
			want:   "SDK-HMAC-SHA256 Access=AccessKey, SignedHeaders=x-project-id;x-sdk-content-sha256;x-sdk-date, Signature=d8846d78f16fb0ba30eec4c5f1c0db043e3e01ce456e2fa875b8c28a9dee0a86",
		},
		"older form, patch": {
			form: signature.Credential, method: "PATCH", url: host + "/v2/cloudimages/" + image, body: patch,
			header: http.Header{"X-Project-Id": project, "Content-Type": {"application/json"}},
			want: "SDK-HMAC-SHA256 Credential=AccessKey/20240605///sdk_request, SignedHeaders=host;x-project-id;x-sdk-date, " +
				"Signature=1381048a9ae6dacd44473daaa2670ed29ae3fdb0f270735c9898aaf382ee43d1",
		},
		"older form, query": {
			form: signature.Credential, method: "GET", url: host + "/v2/images?name=a%20b%2F%C3%A9&limit=1",
			want: "SDK-HMAC-SHA256 Credential=AccessKey/20240605///sdk_request, SignedHeaders=host;x-sdk-date, " +
				"Signature=ed9ac12c50da891b6205cff27030ab4185eb245f1be61544c5d67e64022cd190",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(test.url)
			if err != nil {
				t.Fatal(err)
			}
			if test.at.IsZero() {
				test.at = at.In(time.FixedZone("elsewhere", 5*3600))
			}
			date, got := key.Sign(test.form, test.method, u, test.header, []byte(test.body), test.at)
			if got != test.want || date != test.at.UTC().Format("20060102T150405Z") {
				t.Errorf("got  %s at %s\nwant %s", got, date, test.want)
			}
		})
	}
}

// requests are requests as a client of Go makes them.
func requests(t *rapid.T) (*http.Request, []byte) {
	segment := rapid.StringOf(rapid.SampledFrom([]rune("abZ09-_.~ %+:@&=$,;!*'()?#é/\\")))
	u := &url.URL{Scheme: "https", Host: rapid.SampledFrom([]string{"ims.example", "127.0.0.1:8443"}).Draw(t, "host")}
	for _, s := range rapid.SliceOfN(segment, 1, 4).Draw(t, "segments") {
		u.RawPath += "/" + url.PathEscape(s)
		u.Path += "/" + s
	}
	query := url.Values(rapid.MapOfN(segment, rapid.SliceOfN(segment, 1, 3), 0, 4).Draw(t, "query"))
	u.RawQuery = query.Encode()
	body := []byte(rapid.String().Draw(t, "body"))
	request, err := http.NewRequest(rapid.SampledFrom([]string{"GET", "PATCH", "POST", "DELETE"}).Draw(t, "method"), u.String(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"X-Project-Id", "X-Security-Token", "X-Domain-Id", "X-One", "Content-Type"}), rapid.ID).Draw(t, "headers") {
		request.Header.Set(name, rapid.StringMatching(`[!-~]([ -~]*[!-~])?`).Draw(t, name))
	}
	return request, body
}

// A gateway knows the secret and what came over the wire, and nothing else.
func TestSignatureIsWhatAGatewayComputesFromTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request, body := requests(t)
		form := rapid.SampledFrom([]signature.Form{signature.Access, signature.Credential}).Draw(t, "form")
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0)
		date, authorization := key.Sign(form, request.Method, request.URL, request.Header, body, at)
		request.Header.Set("X-Sdk-Date", date)
		request.Header.Set("Authorization", authorization)

		var wire bytes.Buffer
		if err := request.Write(&wire); err != nil {
			t.Fatal(err)
		}
		arrived, err := http.ReadRequest(bufio.NewReader(&wire))
		if err != nil {
			t.Fatal(err)
		}
		if want := expected(t, arrived); authorization[strings.LastIndex(authorization, "=")+1:] != want {
			t.Errorf("signed\n%s\nthe gateway computes %s", authorization, want)
		}
		for _, name := range []string{"X-Project-Id", "X-Security-Token", "X-One"} {
			if request.Header.Get(name) != "" && !strings.Contains(authorization, strings.ToLower(name)) {
				t.Errorf("%s is not signed: %s", name, authorization)
			}
		}
	})
}

// expected computes the signature of a request that arrived.
func expected(t *rapid.T, r *http.Request) string {
	var credential, names string
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "SDK-HMAC-SHA256 ")
	parts := strings.Split(rest, ", ")
	if !ok || len(parts) != 3 {
		t.Fatalf("authorization %q", r.Header.Get("Authorization"))
	}
	credential, names = parts[0], strings.TrimPrefix(parts[1], "SignedHeaders=")
	if !slices.IsSorted(strings.Split(names, ";")) {
		t.Errorf("the names are not sorted: %s", names)
	}
	path, rawQuery, _ := strings.Cut(r.RequestURI, "?")
	text := r.Method + "\n" + recoded(path, "/")
	if !strings.HasSuffix(path, "/") {
		text += "/"
	}
	var pairs [][2]string
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if name, value, _ := strings.Cut(strings.ReplaceAll(pair, "+", "%20"), "="); pair != "" {
			pairs = append(pairs, [2]string{plain(name), plain(value)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if a[0] != b[0] {
			return strings.Compare(a[0], b[0])
		}
		return strings.Compare(a[1], b[1])
	})
	text += "\n"
	for i, p := range pairs {
		if i > 0 {
			text += "&"
		}
		text += coded(p[0]) + "=" + coded(p[1])
	}
	text += "\n"
	for name := range strings.SplitSeq(names, ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		text += name + ":" + strings.Trim(value, " \t") + "\n"
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	text += fmt.Sprintf("\n%s\n%x", names, sha256.Sum256(body))

	secret := []byte(key.Secret)
	date := r.Header.Get("X-Sdk-Date")
	toSign := "SDK-HMAC-SHA256\n" + date
	if scope, derived := strings.CutPrefix(credential, "Credential="+key.Access+"/"); derived {
		secret = append([]byte("SDK"), secret...)
		for part := range strings.SplitSeq(scope, "/") {
			secret = keyed(secret, part)
		}
		if !strings.Contains(";"+names+";", ";host;") || scope != date[:8]+"///sdk_request" {
			t.Errorf("the scope is %q, signed are %s", scope, names)
		}
		toSign += "\n" + scope
	} else if credential != "Access="+key.Access {
		t.Errorf("the credential is %q", credential)
	}
	return fmt.Sprintf("%x", keyed(secret, fmt.Sprintf("%s\n%x", toSign, sha256.Sum256([]byte(text)))))
}

func keyed(secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(h, text)
	return h.Sum(nil)
}

// recoded decodes what stands between separators and codes it again.
func recoded(s, separator string) string {
	parts := strings.Split(s, separator)
	for i := range parts {
		parts[i] = coded(plain(parts[i]))
	}
	return strings.Join(parts, separator)
}

func plain(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		var c byte
		if s[i] == '%' {
			if n, _ := fmt.Sscanf(s[i+1:i+3], "%02x", &c); n == 1 {
				out = append(out, c)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

func coded(s string) string {
	out := ""
	for _, c := range []byte(s) {
		if strings.Contains("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~", string(rune(c))) {
			out += string(rune(c))
		} else {
			out += fmt.Sprintf("%%%02X", c)
		}
	}
	return out
}

func TestSignatureDependsOnEverythingThatIsSent(t *testing.T) {
	u, _ := url.Parse("https://ims.example/v2/images?a=1")
	other, _ := url.Parse("https://ims.example/v2/images?a=2")
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	header := http.Header{"X-Project-Id": {"p"}}
	for _, form := range []signature.Form{signature.Access, signature.Credential} {
		signed := map[string]string{}
		add := func(what string, k signature.Key, method string, u *url.URL, h http.Header, body string, at time.Time) {
			_, authorization := k.Sign(form, method, u, h, []byte(body), at)
			_, value, _ := strings.Cut(authorization, "Signature=")
			if before := signed[value]; before != "" {
				t.Errorf("%s has the signature of %s", what, before)
			}
			signed[value] = what
		}
		add("the request", key, "GET", u, header, "b", at)
		add("another method", key, "POST", u, header, "b", at)
		add("another query", key, "GET", other, header, "b", at)
		add("another header", key, "GET", u, http.Header{"X-Project-Id": {"q"}}, "b", at)
		add("another body", key, "GET", u, header, "c", at)
		add("another second", key, "GET", u, header, "b", at.Add(time.Second))
		add("another secret", signature.Key{Access: key.Access, Secret: "Other"}, "GET", u, header, "b", at)
	}
}
