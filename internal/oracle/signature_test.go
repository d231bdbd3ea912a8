package oracle

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"
	"pgregory.net/rapid"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/signature"
)

// signed is a request for both signers.
type signed struct {
	method, host string
	segments     []string // decoded
	query        map[string][]string
	header       map[string]string
	body         string
	key          signature.Key
	at           time.Time
}

const dateFormat = "20060102T150405Z"

func (s signed) byVendor(t *rapid.T) string {
	builder := request.NewHttpRequestBuilder().WithEndpoint("https://" + s.host).WithMethod(s.method).WithPath("/" + strings.Join(s.segments, "/"))
	for name, values := range s.query {
		builder.AddQueryParam(name, reflect.ValueOf(slices.Clone(values)))
	}
	for name, value := range s.header {
		builder.AddHeaderParam(name, value)
	}
	builder.AddHeaderParam("X-Sdk-Date", s.at.UTC().Format(dateFormat))
	if s.body != "" {
		builder.WithBody("", s.body)
	}
	added, err := signer.Sign(builder.Build(), s.key.Access, s.key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return added["Authorization"]
}

func (s signed) byUs() string {
	u := &url.URL{Scheme: "https", Host: s.host, RawQuery: url.Values(s.query).Encode()}
	for _, segment := range s.segments {
		u.Path += "/" + segment
		u.RawPath += "/" + url.PathEscape(segment)
	}
	header := http.Header{}
	for name, value := range s.header {
		header[name] = []string{value}
	}
	// The vendor's signer leaves such bodies out of the signature.
	if kind, given := s.header["Content-Type"]; given && !strings.Contains(kind, "application/json") {
		header.Set("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD")
	}
	_, authorization := s.key.Sign(signature.Access, s.method, u, header, []byte(s.body), s.at)
	return authorization
}

func TestSignatureIsTheVendors(t *testing.T) {
	text := rapid.StringOf(rapid.SampledFrom([]rune("abyzABYZ0189-_.~ %+:@&=$,;!*'()?#[]{}|\\\"<>^`é中😀\x01")))
	values := rapid.OneOf(text, rapid.StringMatching(`[ -~]{0,40}`))
	names := []string{"X-Project-Id", "X-Domain-Id", "X-Security-Token", "X-Language", "Accept", "User-Agent", "X_Underscore", "Content-Length"}
	rapid.Check(t, func(t *rapid.T) {
		s := signed{
			method:   rapid.SampledFrom([]string{"GET", "PATCH", "POST", "PUT", "DELETE"}).Draw(t, "method"),
			host:     rapid.SampledFrom([]string{"ims.eu-de.otc.t-systems.com", "ims.example:8443"}).Draw(t, "host"),
			segments: rapid.SliceOfN(text, 1, 5).Draw(t, "segments"),
			query:    rapid.MapOfN(values, rapid.SliceOfN(values, 1, 3), 0, 4).Draw(t, "query"),
			header:   map[string]string{},
			body:     rapid.String().Draw(t, "body"),
			key:      signature.Key{Access: rapid.StringMatching(`[A-Z0-9]{1,40}`).Draw(t, "access"), Secret: rapid.StringMatching(`[!-~]{1,64}`).Draw(t, "secret")},
			at:       time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "at"), 0),
		}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, "names") {
			s.header[name] = rapid.StringMatching(`[ -~]{0,30}`).Draw(t, name)
		}
		if kind := rapid.SampledFrom([]string{"", "application/json", "application/json;charset=UTF-8", "application/openstack-images-v2.1-json-patch"}).Draw(t, "type"); kind != "" {
			s.header["Content-Type"] = kind
		}
		before := maps.Clone(s.header)
		if ours, theirs := s.byUs(), s.byVendor(t); ours != theirs {
			t.Fatalf("%+v\nours   %s\ntheirs %s", s, ours, theirs)
		}
		if !maps.Equal(before, s.header) {
			t.Fatal("a signer changed the request")
		}
	})
}
