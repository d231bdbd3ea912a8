package simulator

import (
	"fmt"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file writes values the way Python does, because Glance's error messages
// show them so: repr, pprint, str.title, str.strip and the repr of floats.

// isPythonSpace is Python's str.isspace for one character. It differs from
// unicode.IsSpace in the four information separators.
func isPythonSpace(r rune) bool {
	return r >= 0x1C && r <= 0x1F || unicode.IsSpace(r)
}

// pythonStrip removes outer white space like Python's str.strip.
func pythonStrip(s string) string { return strings.TrimFunc(s, isPythonSpace) }

// pythonTitle is Python's str.title: a letter after a letter becomes lower
// case, any other letter title case.
func pythonTitle(s string) string {
	var b strings.Builder
	afterLetter := false
	for _, r := range s {
		if afterLetter {
			b.WriteRune(unicode.ToLower(r))
		} else {
			b.WriteRune(unicode.ToTitle(r))
		}
		afterLetter = unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r)
	}
	return b.String()
}

// pythonFloat is the repr of a Python float: the shortest text that reads back,
// always with a point or an exponent.
func pythonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f != 0 && (math.Abs(f) >= 1e16 || math.Abs(f) < 1e-4):
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// pythonRepr is Python's repr of a JSON value.
func pythonRepr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case *big.Int:
		return v.String()
	case float64:
		return pythonFloat(v)
	case string:
		return pythonStringRepr(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = pythonRepr(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *jsonObject:
		parts := make([]string, len(v.keys))
		for i, k := range v.keys {
			parts[i] = pythonRepr(k) + ": " + pythonRepr(v.members[k])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		panic(fmt.Sprintf("simulator: %T is not a JSON value", v))
	}
}

// pythonStr is what Python's % puts for %s: the bare text of a string, the repr
// of anything else.
func pythonStr(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return pythonRepr(v)
}

func pythonStringRepr(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b := []byte{quote}
	for _, r := range codePoints(s) {
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < 0x20 || r == 0x7F:
			b = fmt.Appendf(b, `\x%02x`, r)
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r < 0x100:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return string(append(b, quote))
}

// pythonPretty is Python's pprint.pformat with the given line width: keys are
// sorted, and what does not fit on its line is broken up.
func pythonPretty(v any, width int) string {
	p := prettyPrinter{width: width}
	p.format(v, 0, 0)
	return p.out.String()
}

type prettyPrinter struct {
	out   strings.Builder
	width int
}

func (p *prettyPrinter) format(v any, indent, allowance int) {
	text := pythonRepr(sortedKeys(v))
	if utf8.RuneCountInString(text) <= p.width-indent-allowance {
		p.out.WriteString(text)
		return
	}
	switch v := v.(type) {
	case *jsonObject:
		p.object(v, indent, allowance)
	case []any:
		p.list(v, indent, allowance)
	case string:
		p.str(v, indent, allowance)
	default:
		p.out.WriteString(text)
	}
}

func (p *prettyPrinter) object(o *jsonObject, indent, allowance int) {
	p.out.WriteByte('{')
	keys := append([]string(nil), o.keys...)
	sort.Strings(keys)
	for i, k := range keys {
		last := i == len(keys)-1
		if i > 0 {
			p.out.WriteString(",\n" + strings.Repeat(" ", indent+1))
		}
		name := pythonRepr(k)
		p.out.WriteString(name + ": ")
		room := 1
		if last {
			room = allowance + 1
		}
		p.format(o.members[k], indent+utf8.RuneCountInString(name)+3, room)
	}
	p.out.WriteByte('}')
}

func (p *prettyPrinter) list(l []any, indent, allowance int) {
	p.out.WriteByte('[')
	for i, e := range l {
		if i > 0 {
			p.out.WriteString(",\n" + strings.Repeat(" ", indent+1))
		}
		room := 1
		if i == len(l)-1 {
			room = allowance + 1
		}
		p.format(e, indent+1, room)
	}
	p.out.WriteByte(']')
}

// str breaks a long string between words, one quoted piece per line. At the
// outermost level pprint adds brackets, which take a column on either side.
func (p *prettyPrinter) str(s string, indent, allowance int) {
	outermost := p.out.Len() == 0
	if outermost {
		indent++
		allowance++
	}
	pieces := p.pieces(s, indent, allowance)
	if len(pieces) == 1 {
		p.out.WriteString(pieces[0])
		return
	}
	joined := strings.Join(pieces, "\n"+strings.Repeat(" ", indent))
	if outermost {
		joined = "(" + joined + ")"
	}
	p.out.WriteString(joined)
}

func (p *prettyPrinter) pieces(s string, indent, allowance int) []string {
	var pieces []string
	lines := splitLines(s)
	for i, line := range lines {
		lastLine := i == len(lines)-1
		limit := p.width - indent
		if lastLine {
			limit -= allowance
		}
		if whole := pythonRepr(line); utf8.RuneCountInString(whole) <= limit {
			pieces = append(pieces, whole)
			continue
		}
		current := ""
		words := splitWords(line)
		for j, word := range words {
			candidate := current + word
			limit := p.width - indent
			if lastLine && j == len(words)-1 {
				limit -= allowance
			}
			if utf8.RuneCountInString(pythonRepr(candidate)) > limit {
				if current != "" {
					pieces = append(pieces, pythonRepr(current))
				}
				current = word
				continue
			}
			current = candidate
		}
		if current != "" {
			pieces = append(pieces, pythonRepr(current))
		}
	}
	return pieces
}

// splitLines cuts s after each line break, keeping the break.
func splitLines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" && len(lines) > 1 {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// splitWords cuts s after each run of white space, keeping the white space.
func splitWords(s string) []string {
	var words []string
	start, inSpace := 0, false
	for i, r := range s {
		space := isPythonSpace(r)
		if inSpace && !space {
			words = append(words, s[start:i])
			start = i
		}
		inSpace = space
	}
	return append(words, s[start:])
}

// sortedKeys returns v with the members of every object in order, which is how
// pprint shows even what fits on one line.
func sortedKeys(v any) any {
	switch v := v.(type) {
	case *jsonObject:
		keys := append([]string(nil), v.keys...)
		sort.Strings(keys)
		out := newJSONObject()
		for _, k := range keys {
			out.set(k, sortedKeys(v.members[k]))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = sortedKeys(e)
		}
		return out
	default:
		return v
	}
}
