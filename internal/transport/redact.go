package transport

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const hidden = "(redacted)"

// secretWords mark the names of headers, query parameters and JSON members whose values are credentials. They are
// compared without case and without separators. X-Sdk-Content-Sha256 would let a short sensitive body be guessed, and
// with X-Sdk-Date it is what a signature is made of.
var secretWords = []string{"xsdk", "token", "secret", "passw", "passcode", "pwd", "signature", "credential", "cookie", "apikey", "accesskey", "privatekey", "authorization", "session"}

func isSecretName(name string) bool {
	name = strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(name))
	if name == "auth" || name == "sig" {
		return true
	}
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// redactURL is the URL without user, password and fragment, and with the values of secret-looking query parameters hidden.
func redactURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	shown := *u
	shown.User = nil
	shown.Fragment, shown.RawFragment = "", ""
	if shown.Opaque != "" {
		shown.Opaque = hidden
	}
	if u.RawQuery != "" {
		pairs := strings.FieldsFunc(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' })
		for i, pair := range pairs {
			name, _, _ := strings.Cut(pair, "=")
			plain, err := url.QueryUnescape(name)
			if err != nil || isSecretName(plain) {
				pairs[i] = name + "=" + hidden
			}
		}
		shown.RawQuery = strings.Join(pairs, "&")
	}
	return shown.String()
}

// hiding replaces known secrets in a text.
type hiding struct{ replacer *strings.Replacer }

// newHiding collects the secrets of a request: those named by the caller, the credentials in its header and its URL, and
// what stands under telling names in its JSON body (Keystone quotes a rejected value of its schema in the message).
func newHiding(u *url.URL, header http.Header, body []byte, named []string) hiding {
	secrets := slices.Clone(named)
	if u != nil && u.User != nil {
		password, _ := u.User.Password()
		secrets = append(secrets, password)
	}
	if u != nil && u.RawQuery != "" {
		for name, values := range u.Query() {
			if isSecretName(name) {
				secrets = append(secrets, values...)
			}
		}
	}
	secrets = headerSecrets(secrets, header)
	if len(body) <= maxParsedBytes {
		var document any
		if json.Unmarshal(body, &document) == nil {
			secrets = secretValues(secrets, "", "", document)
		}
	}
	return newReplacer(secrets)
}

// headerSecrets appends the credentials that a header holds, each once.
func headerSecrets(secrets []string, header http.Header) []string {
	for name, values := range header {
		if !isSecretName(name) {
			continue
		}
		for _, value := range values {
			for _, secret := range append(credentialParts(value), value) {
				if !slices.Contains(secrets, secret) {
					secrets = append(secrets, secret)
				}
			}
		}
	}
	return secrets
}

func newReplacer(secrets []string) hiding {
	var forms []string
	for _, secret := range secrets {
		// Shorter texts occur by chance, and hiding them would make holes in innocent words.
		if len(secret) < 4 {
			continue
		}
		forms = append(forms, secret, strings.Join(strings.Fields(secret), " "), url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret))
		marshalled, _ := json.Marshal(secret) // A string cannot fail.
		for _, quoted := range []string{string(marshalled), strconv.Quote(secret), strconv.QuoteToASCII(secret)} {
			forms = append(forms, quoted[1:len(quoted)-1])
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		if len(form) >= 4 {
			pairs = append(pairs, form, hidden)
		}
	}
	return hiding{strings.NewReplacer(pairs...)}
}

func (h hiding) text(s string) string { return h.replacer.Replace(s) }

// credentialParts splits the value of a header such as "Bearer TOKEN" or "SDK-HMAC-SHA256 Access=AK, SignedHeaders=..., Signature=HEX".
func credentialParts(value string) []string {
	scheme, rest, found := strings.Cut(value, " ")
	if !found || scheme == "" {
		return nil
	}
	if !strings.Contains(rest, ", ") {
		return []string{rest}
	}
	var parts []string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if name == "Access" || isSecretName(name) {
			parts = append(parts, value)
		}
		if key, _, scoped := strings.Cut(value, "/"); name == "Credential" && scoped {
			parts = append(parts, key) // The older form has the key's scope behind it.
		}
	}
	return parts
}

// secretValues appends the strings that stand under a secret-looking name. Objects under such a name are walked like
// others, since Keystone has the user's name under "password"; the "id" of a "token" is the token.
func secretValues(secrets []string, parent, name string, value any) []string {
	switch value := value.(type) {
	case string:
		if isSecretName(name) || (name == "id" && parent == "token") {
			secrets = append(secrets, value)
		}
	case []any:
		if isSecretName(name) {
			secrets = append(secrets, spelt(value)...)
		}
		for _, element := range value {
			secrets = secretValues(secrets, parent, name, element)
		}
	case map[string]any:
		for member, element := range value {
			secrets = secretValues(secrets, name, member, element)
		}
	}
	return secrets
}

// spelt is a secret that is sent character by character, as a whole and as it is
// sent: a single character is too short to be hidden.
func spelt(characters []any) []string {
	var whole strings.Builder
	for _, c := range characters {
		text, _ := c.(string)
		whole.WriteString(text)
	}
	sent, _ := json.Marshal(characters) // It was read from JSON.
	return []string{whole.String(), string(sent)}
}
