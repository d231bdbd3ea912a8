// Package signature signs requests with an access key and its secret (AK/SK), as
// the API gateways of Huawei Cloud and Open Telekom Cloud check them.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Form is one of the two forms of a signature, which share the name of their
// algorithm and nothing else.
type Form int

const (
	// Access is the form of the present API gateway ("Access=KEY"): the secret
	// itself is the signing key. Source: Huawei Cloud, "API Request Signing Guide".
	Access Form = iota
	// Credential is the older form ("Credential=KEY/DATE/REGION/SERVICE/sdk_request"):
	// the signing key is derived from the secret, the date, the region and the
	// service, and Host is signed. Open Telekom Cloud's own libraries leave region
	// and service empty, and so does this package.
	Credential
)

const (
	algorithm  = "SDK-HMAC-SHA256"
	terminator = "sdk_request"
	dateFormat = "20060102T150405Z"
	dayFormat  = "20060102"

	// DateHeader is the header that holds the time of a signature.
	DateHeader = "X-Sdk-Date"

	hashHeader          = "X-Sdk-Content-Sha256"
	authorizationHeader = "Authorization"
	hostHeader          = "host"
)

// Key is an access key with its secret.
type Key struct{ Access, Secret string }

// Sign returns the values of the headers X-Sdk-Date and Authorization for a
// request. Every header that is given is signed, except those whose names begin
// with Content-Type or hold an underscore, which gateways drop; Authorization and
// X-Sdk-Date are the signature's own. A header X-Sdk-Content-Sha256 stands for
// the hash of the body.
func (k Key) Sign(form Form, method string, u *url.URL, header http.Header, body []byte, at time.Time) (date, authorization string) {
	at = at.UTC()
	date = at.Format(dateFormat)
	lines, names := canonicalHeaders(form, u, header, date)
	hash := header.Get(hashHeader)
	if hash == "" {
		hash = hexHash(body)
	}
	request := strings.Join([]string{method, canonicalPath(u), canonicalQuery(u), lines, names, hash}, "\n")

	credential := "Access=" + k.Access
	toSign := algorithm + "\n" + date + "\n"
	key := []byte(k.Secret)
	if form == Credential {
		scope := at.Format(dayFormat) + "///" + terminator
		credential = "Credential=" + k.Access + "/" + scope
		toSign += scope + "\n"
		key = derive(k.Secret, at.Format(dayFormat), "", "", terminator)
	}
	signature := hex.EncodeToString(mac(key, toSign+hexHash([]byte(request))))
	return date, algorithm + " " + credential + ", SignedHeaders=" + names + ", Signature=" + signature
}

// canonicalHeaders returns a line for each header that is signed, and their names.
func canonicalHeaders(form Form, u *url.URL, header http.Header, date string) (lines, names string) {
	signed := map[string][]string{strings.ToLower(DateHeader): {date}}
	if form == Credential {
		signed[hostHeader] = []string{u.Host}
	}
	for name, values := range header {
		lower := strings.ToLower(name)
		if signed[lower] != nil || lower == strings.ToLower(authorizationHeader) || strings.HasPrefix(lower, "content-type") || strings.Contains(name, "_") {
			continue
		}
		signed[lower] = slices.Sorted(slices.Values(values))
	}
	var sorted []string
	for name := range signed {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	var text strings.Builder
	for _, name := range sorted {
		for _, value := range signed[name] {
			text.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
		}
	}
	return text.String(), strings.Join(sorted, ";")
}

// canonicalPath always ends with a slash, whatever the request has.
func canonicalPath(u *url.URL) string {
	segments := strings.Split(u.EscapedPath(), "/")
	for i, segment := range segments {
		if plain, err := url.PathUnescape(segment); err == nil {
			segments[i] = escape(plain)
		}
	}
	path := strings.Join(segments, "/")
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	return path
}

func canonicalQuery(u *url.URL) string {
	query := u.Query()
	var names []string
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	var pairs []string
	for _, name := range names {
		for _, value := range slices.Sorted(slices.Values(query[name])) {
			pairs = append(pairs, escape(name)+"="+escape(value))
		}
	}
	return strings.Join(pairs, "&")
}

// escape keeps the unreserved characters of RFC 3986 section 2.3 alone.
func escape(s string) string {
	const upper = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			out.WriteByte(c)
			continue
		}
		out.Write([]byte{'%', upper[c>>4], upper[c&15]})
	}
	return out.String()
}

// derive makes the signing key of the older form.
func derive(secret string, scope ...string) []byte {
	key := []byte("SDK" + secret)
	for _, part := range scope {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	_, _ = m.Write([]byte(text)) // A hash never fails.
	return m.Sum(nil)
}

func hexHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
