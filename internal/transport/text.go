package transport

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxText bounds every text of a server that is shown, in characters.
	maxText = 500

	// maxScannedBytes bounds what is looked through for a text; no sensible message starts later.
	maxScannedBytes = 64 << 10

	// maxTagBytes is the longest tag that is recognised. Without a bound, a text of many '<' and no '>' takes quadratic time.
	maxTagBytes = 1024
)

// CleanText makes a server's text fit for one line of a message: HTML elements and comments removed, entities resolved,
// white space folded, characters that a terminal would not print (or would obey) dropped, at most 500 characters.
// What stands in angle brackets and is no HTML element stays, as in "<class 'str'>".
func CleanText(s string) string { return cut(cleanLine(s), maxText) }

// cleanLine is CleanText without the bound on the result.
func cleanLine(s string) string {
	s = s[:min(len(s), maxScannedBytes)]
	s = html.UnescapeString(stripHTML(s))
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// cut shortens a text to a number of characters, with three dots where something is missing.
func cut(s string, characters int) string {
	if len(s) <= characters || utf8.RuneCountInString(s) <= characters {
		return s
	}
	end, count := 0, 0
	for i := range s {
		if count == characters-3 {
			end = i
			break
		}
		count++
	}
	return s[:end] + "..."
}

// htmlElements are the elements that error pages and webob's JSON messages are made of.
var htmlElements = func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.FieldsSeq(`a abbr address article aside b base big blockquote body br button center code
		dd details div dl dt em fieldset figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hr html
		i iframe img input label li link main meta nav noscript object ol option p pre s samp script section select small span
		strong style sub summary sup svg table tbody td template textarea tfoot th thead title tr tt u ul var wbr`) {
		names[name] = true
	}
	return names
}()

// stripHTML replaces elements by blanks, and removes comments, declarations, scripts and styles. It reads the text once.
func stripHTML(s string) string {
	var out strings.Builder
	for s != "" {
		start := strings.IndexByte(s, '<')
		if start < 0 {
			break
		}
		out.WriteString(s[:start])
		s = s[start:]
		if length := markupLength(s); length > 0 {
			out.WriteByte(' ')
			s = s[length:]
			continue
		}
		out.WriteByte('<')
		s = s[1:]
	}
	out.WriteString(s)
	return out.String()
}

// markupLength is the number of bytes of the markup that s, which starts with '<', begins with; 0 means that it is text.
func markupLength(s string) int {
	if strings.HasPrefix(s, "<!--") {
		return lengthThrough(s, "-->")
	}
	if strings.HasPrefix(s, "<!") || strings.HasPrefix(s, "<?xml") {
		return lengthThrough(s, ">")
	}
	rest := strings.TrimPrefix(s[1:], "/")
	length := strings.IndexFunc(rest, func(r rune) bool { return !isNameRune(r) })
	if length <= 0 {
		return 0
	}
	name := strings.ToLower(rest[:length])
	if !htmlElements[name] || !strings.ContainsRune(" \t\r\n/>", rune(rest[length])) {
		return 0
	}
	end := strings.IndexByte(s[:min(len(s), maxTagBytes)], '>') + 1
	if end > 0 && (name == "script" || name == "style") && s[1] != '/' {
		through := indexFold(s, "</"+name)
		if through < 0 {
			return len(s)
		}
		return through + lengthThrough(s[through:], ">")
	}
	return end
}

// lengthThrough is the number of bytes up to and with the end mark; a mark that never comes takes all.
func lengthThrough(s, mark string) int {
	if i := strings.Index(s, mark); i >= 0 {
		return i + len(mark)
	}
	return len(s)
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// indexFold is strings.Index without regard to the case of ASCII letters; substr is lower case.
func indexFold(s, substr string) int {
	for i := 0; i+len(substr) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(substr)], substr) {
			return i
		}
	}
	return -1
}
