package patch

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pointer is a JSON Pointer in its string form (RFC 6901 §3 to §5): reference
// tokens, each after a "/", in which "~" is written "~0" and "/" is written "~1".
type Pointer string

// escaper applies the escapes of RFC 6901 §3. One pass over the input, so that
// the "~" of a "~1" just written is not escaped again.
var escaper = strings.NewReplacer("~", "~0", "/", "~1")

// NewPointer returns the pointer made of the given unescaped reference tokens.
func NewPointer(tokens ...string) Pointer {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		_, _ = escaper.WriteString(&b, t)
	}
	return Pointer(b.String())
}

// Tokens returns the unescaped reference tokens. It fails when the pointer does
// not start with "/" or holds a "~" that is neither "~0" nor "~1".
// The empty pointer, which names a whole document, has no tokens.
func (p Pointer) Tokens() ([]string, error) {
	if p == "" {
		return nil, nil
	}
	if p[0] != '/' {
		return nil, fmt.Errorf("JSON pointer %q does not start with a slash", string(p))
	}
	tokens := strings.Split(string(p[1:]), "/")
	for i, t := range tokens {
		u, err := unescape(t)
		if err != nil {
			return nil, fmt.Errorf("JSON pointer %q: %w", string(p), err)
		}
		tokens[i] = u
	}
	return tokens, nil
}

func unescape(token string) (string, error) {
	if !strings.Contains(token, "~") {
		return token, nil
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] != '~' {
			b.WriteByte(token[i])
			continue
		}
		i++
		if i == len(token) {
			return "", fmt.Errorf("token %q ends in a lone tilde", token)
		}
		switch token[i] {
		case '0':
			b.WriteByte('~')
		case '1':
			b.WriteByte('/')
		default:
			return "", fmt.Errorf("token %q has a tilde that is not followed by 0 or 1", token)
		}
	}
	return b.String(), nil
}

// Member returns the pointer of one member of the set at p: p followed by the
// member as its last token.
func (p Pointer) Member(member string) Pointer {
	return p + NewPointer(member)
}

// MemberOf returns the member that p names in the set at root, if it names one.
func (p Pointer) MemberOf(root Pointer) (string, bool) {
	rest, ok := strings.CutPrefix(string(p), string(root)+"/")
	if !ok || strings.Contains(rest, "/") {
		return "", false
	}
	member, err := unescape(rest)
	return member, err == nil
}

// Key returns the single token of a pointer to a top-level member.
func (p Pointer) Key() (string, bool) {
	if p == "" || p[0] != '/' || strings.Contains(string(p[1:]), "/") {
		return "", false
	}
	key, err := unescape(string(p[1:]))
	return key, err == nil
}

// CheckImageKey says whether the image service can address a top-level key by
// PATCH: it strips blanks around a token, reads a token away when it is empty,
// and so would change another key than the one meant.
func CheckImageKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("an empty name cannot be addressed by a patch")
	case !utf8.ValidString(key):
		return fmt.Errorf("the name %q is not valid UTF-8", key)
	case strings.TrimFunc(key, isBlank) != key:
		return fmt.Errorf("the name %q has blanks around it, which the image service strips: a patch would reach another key", key)
	}
	return nil
}

// isBlank follows str.strip of the Python that the image service is written in:
// Unicode white space and the four separators U+001C to U+001F.
func isBlank(r rune) bool {
	return unicode.IsSpace(r) || (r >= 0x1c && r <= 0x1f)
}
