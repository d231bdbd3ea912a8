package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// AccessKey is a pair of keys with which requests to Huawei Cloud and Open
// Telekom Cloud are signed. A temporary pair has a token that goes with it.
type AccessKey struct {
	ID            string
	Secret        string
	SecurityToken string
}

// AccessKey returns the permanent key pair of a user. An unknown user panics.
func (s *Simulator) AccessKey(username string) AccessKey {
	return s.identity.keyOf(username, "permanent")
}

// TemporaryAccessKey returns the temporary key pair of a user, which never
// expires. An unknown user panics.
func (s *Simulator) TemporaryAccessKey(username string) AccessKey {
	return s.identity.keyOf(username, "temporary")
}

// keyPair is an access key with its owner.
type keyPair struct {
	AccessKey
	kind string
	user *user
}

// newKeyPairs gives every user a permanent and a temporary key pair. Like ids,
// they follow from the names.
func newKeyPairs(users []*user) []keyPair {
	var pairs []keyPair
	for _, u := range users {
		for _, kind := range []string{"permanent", "temporary"} {
			pair := keyPair{AccessKey{ID: keyText(kind+" id "+u.name, 20), Secret: keyText(kind+" secret "+u.name, 40)}, kind, u}
			if kind == "temporary" {
				pair.SecurityToken = keyText("security token "+u.name, 52)
			}
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

func keyText(seed string, length int) string {
	sum := sha256.Sum256([]byte(seed))
	return base32.StdEncoding.EncodeToString(sum[:])[:length]
}

func (d *identity) keyOf(username, kind string) AccessKey {
	i := slices.IndexFunc(d.keys, func(k keyPair) bool { return k.user.name == username && k.kind == kind })
	if i < 0 {
		panic("simulator: no user " + username)
	}
	return d.keys[i].AccessKey
}

// The names of a signed request (API references of both clouds, "AK/SK Signing").
const (
	signatureAlgorithm = "SDK-HMAC-SHA256"
	signatureDate      = "X-Sdk-Date"
	signatureDateForm  = "20060102T150405Z"
	payloadHashHeader  = "X-Sdk-Content-Sha256"
	unsignedPayload    = "UNSIGNED-PAYLOAD"
	scopeEnd           = "sdk_request"
)

// signature is what an Authorization header says.
type signature struct {
	key string
	// scope is date, region, service and the fixed end of the older form, which
	// names a credential; nil in the form that names an access key.
	scope   []string
	headers []string
	mac     string
}

// parseSignature reads an Authorization header of either form.
func parseSignature(authorization string) (signature, bool) {
	var out signature
	rest, ok := strings.CutPrefix(authorization, signatureAlgorithm+" ")
	if !ok {
		return out, false
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	out.key, out.mac = fields["Access"], fields["Signature"]
	out.headers = strings.Split(fields["SignedHeaders"], ";")
	if credential, ok := fields["Credential"]; ok {
		parts := strings.Split(credential, "/")
		if len(parts) != 5 || parts[4] != scopeEnd || out.key != "" {
			return out, false
		}
		out.key, out.scope = parts[0], parts[1:]
	}
	return out, len(fields) == 3 && out.key != "" && out.mac != ""
}

// expected computes the signature that the request has to carry.
func (sig signature) expected(r *http.Request, payloadHash, secret string) string {
	date := r.Header.Get(signatureDate)
	canonical := strings.Join([]string{
		r.Method, canonicalPath(r.URL), canonicalQuery(r.URL), sig.canonicalHeaders(r), strings.Join(sig.headers, ";"), payloadHash,
	}, "\n")
	hashed := sha256.Sum256([]byte(canonical))
	if sig.scope == nil {
		text := strings.Join([]string{signatureAlgorithm, date, hex.EncodeToString(hashed[:])}, "\n")
		return hex.EncodeToString(authenticationCode([]byte(secret), text))
	}
	key := []byte("SDK" + secret)
	for _, part := range sig.scope {
		key = authenticationCode(key, part)
	}
	text := strings.Join([]string{signatureAlgorithm, date, strings.Join(sig.scope, "/"), hex.EncodeToString(hashed[:])}, "\n")
	return hex.EncodeToString(authenticationCode(key, text))
}

func authenticationCode(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// canonicalPath encodes each segment anew and ends with a slash, which the
// request itself need not have.
func canonicalPath(u *url.URL) string {
	segments := strings.Split(u.EscapedPath(), "/")
	for i, segment := range segments {
		if plain, err := url.PathUnescape(segment); err == nil {
			segment = plain
		}
		segments[i] = canonicalEscape(segment)
	}
	path := strings.Join(segments, "/")
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	return path
}

func canonicalQuery(u *url.URL) string {
	var parts []string
	for name, values := range u.Query() {
		for _, value := range values {
			parts = append(parts, canonicalEscape(name)+"="+canonicalEscape(value))
		}
	}
	slices.SortFunc(parts, func(a, b string) int {
		nameA, valueA, _ := strings.Cut(a, "=")
		nameB, valueB, _ := strings.Cut(b, "=")
		if order := strings.Compare(nameA, nameB); order != 0 {
			return order
		}
		return strings.Compare(valueA, valueB)
	})
	return strings.Join(parts, "&")
}

// canonicalEscape encodes every byte except the unreserved ones (RFC 3986,
// section 2.3).
func canonicalEscape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// canonicalHeaders has a line per value of each signed header, and each line
// ends in a line feed.
func (sig signature) canonicalHeaders(r *http.Request) string {
	var b strings.Builder
	for _, name := range sig.headers {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
		}
		slices.Sort(values)
		for _, value := range values {
			b.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
		}
	}
	return b.String()
}

// complete tells whether the signature covers the date and nothing that the
// request does not have.
func (sig signature) complete(r *http.Request) bool {
	for _, name := range sig.headers {
		if name != strings.ToLower(name) || name != "host" && len(r.Header.Values(name)) == 0 {
			return false
		}
	}
	return slices.Contains(sig.headers, strings.ToLower(signatureDate))
}

// payloadHash is what stands for the body in the signed text; not ok when the
// request claims a hash that its body has not.
func payloadHash(r *http.Request, body []byte) (string, bool) {
	sum := sha256.Sum256(body)
	actual := hex.EncodeToString(sum[:])
	switch claimed := r.Header.Get(payloadHashHeader); claimed {
	case "":
		return actual, true
	case unsignedPayload:
		return claimed, true
	default:
		return claimed, strings.EqualFold(claimed, actual)
	}
}

// maxSignatureAge is how far the date of a signature may be from now (FAQ of
// Huawei's API Gateway on "Incorrect IAM authentication information").
const maxSignatureAge = 15 * time.Minute

// fresh tells whether the date of a signature is near enough to now and agrees
// with its scope.
func (s *Simulator) fresh(sig signature, r *http.Request) bool {
	text := r.Header.Get(signatureDate)
	date, err := time.Parse(signatureDateForm, text)
	if err != nil || sig.scope != nil && sig.scope[0] != date.Format("20060102") {
		return false
	}
	return s.assumption(assumeSignatureAge) == "unlimited" || s.clock.now().Sub(date).Abs() <= maxSignatureAge
}

// signer finds the key pair with which a request is signed, and refuses one
// whose signature does not hold, as the gateway does.
func (s *Simulator) signer(r *http.Request, body []byte) (*keyPair, refusal) {
	const failed = "verify aksk signature fail"
	sig, ok := parseSignature(r.Header.Get("Authorization"))
	if !ok || !sig.complete(r) {
		return nil, s.unauthenticated(failed)
	}
	form := "access"
	if sig.scope != nil {
		form = "credential"
	}
	if accepted := s.assumption(assumeSignatureForm); accepted != "both" && accepted != form {
		return nil, s.unauthenticated(failed)
	}
	i := slices.IndexFunc(s.identity.keys, func(k keyPair) bool { return k.ID == sig.key })
	if i < 0 {
		return nil, s.unauthenticated("Get secretKey failed,ak:" + sig.key + ",err:ak not exist")
	}
	pair := &s.identity.keys[i]
	hash, ok := payloadHash(r, body)
	if !ok || !s.fresh(sig, r) || !hmac.Equal([]byte(sig.mac), []byte(sig.expected(r, hash, pair.Secret))) ||
		r.Header.Get("X-Security-Token") != pair.SecurityToken {
		return nil, s.unauthenticated(failed)
	}
	return pair, nil
}

// signed tells whether a request carries a signature instead of a token.
func signed(r *http.Request) bool { return r.Header.Get("Authorization") != "" }

// projectOfSigner is the project in which a signed request works: the one that it
// names, else the first one of the key's owner.
func (s *Simulator) projectOfSigner(r *http.Request, pair *keyPair) (*project, refusal) {
	named := r.Header.Get("X-Project-Id")
	for _, p := range s.identity.projects {
		if len(pair.user.grants[p.id]) > 0 && (named == "" || named == p.id) {
			return p, nil
		}
	}
	return nil, s.unauthenticated("the project of the request is none of the access key's")
}
