package simulator

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"
)

// Glance reads request bodies with Python's json module, and its answers depend
// on that reader: it accepts NaN and Infinity, keeps integers of any size apart
// from floats, keeps lone surrogates, and lets the last of two equal members
// win. encoding/json differs in each of these, so the simulator has a reader of
// its own.
//
// A value is nil, bool, *big.Int, float64, string, []any or *jsonObject. A lone
// surrogate in a string is kept as the three bytes that UTF-8 would use for it,
// so that such a string is the one kind that is not valid UTF-8.

// jsonObject is a JSON object that keeps the order of its members.
type jsonObject struct {
	keys    []string
	members map[string]any
}

func newJSONObject() *jsonObject {
	return &jsonObject{members: map[string]any{}}
}

func (o *jsonObject) get(key string) (any, bool) {
	v, ok := o.members[key]
	return v, ok
}

func (o *jsonObject) set(key string, v any) {
	if _, ok := o.members[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.members[key] = v
}

var (
	errMalformedJSON = errors.New("malformed JSON")
	errJSONTooDeep   = errors.New("JSON nested too deeply")
)

// maxJSONDepth is about where Python's recursion limit stops its reader, which
// Glance answers with 500.
const maxJSONDepth = 900

// parseJSON reads one JSON value the way Python's json.loads does.
func parseJSON(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, errMalformedJSON
	}
	p := jsonParser{data: data}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos != len(p.data) {
		return nil, errMalformedJSON
	}
	return v, nil
}

type jsonParser struct {
	data []byte
	pos  int
}

func (p *jsonParser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonParser) peek() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *jsonParser) literal(word string) bool {
	if len(p.data)-p.pos < len(word) || string(p.data[p.pos:p.pos+len(word)]) != word {
		return false
	}
	p.pos += len(word)
	return true
}

func (p *jsonParser) value(depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, errJSONTooDeep
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.str()
	case p.literal("null"):
		return nil, nil
	case p.literal("true"):
		return true, nil
	case p.literal("false"):
		return false, nil
	case p.literal("NaN"):
		return math.NaN(), nil
	case p.literal("Infinity"):
		return math.Inf(1), nil
	case p.literal("-Infinity"):
		return math.Inf(-1), nil
	default:
		return p.number()
	}
}

func (p *jsonParser) object(depth int) (any, error) {
	p.pos++
	o := newJSONObject()
	p.space()
	if p.peek() == '}' {
		p.pos++
		return o, nil
	}
	for {
		p.space()
		if p.peek() != '"' {
			return nil, errMalformedJSON
		}
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		p.space()
		if p.peek() != ':' {
			return nil, errMalformedJSON
		}
		p.pos++
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.set(key, v)
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
		case '}':
			p.pos++
			return o, nil
		default:
			return nil, errMalformedJSON
		}
	}
}

func (p *jsonParser) array(depth int) (any, error) {
	p.pos++
	list := []any{}
	p.space()
	if p.peek() == ']' {
		p.pos++
		return list, nil
	}
	for {
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		p.space()
		switch p.peek() {
		case ',':
			p.pos++
		case ']':
			p.pos++
			return list, nil
		default:
			return nil, errMalformedJSON
		}
	}
}

func (p *jsonParser) digits() int {
	n := 0
	for p.pos < len(p.data) && p.data[p.pos] >= '0' && p.data[p.pos] <= '9' {
		p.pos++
		n++
	}
	return n
}

func (p *jsonParser) number() (any, error) {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	switch c := p.peek(); {
	case c == '0':
		p.pos++
	case c >= '1' && c <= '9':
		p.digits()
	default:
		return nil, errMalformedJSON
	}
	isFloat := false
	if p.peek() == '.' {
		p.pos++
		if p.digits() == 0 {
			return nil, errMalformedJSON
		}
		isFloat = true
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if p.digits() == 0 {
			return nil, errMalformedJSON
		}
		isFloat = true
	}
	text := string(p.data[start:p.pos])
	if isFloat {
		// A range error still yields the infinity that Python reads.
		f, _ := strconv.ParseFloat(text, 64)
		return f, nil
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, errMalformedJSON
	}
	return n, nil
}

func (p *jsonParser) str() (string, error) {
	p.pos++
	var out []byte
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		switch {
		case c == '"':
			p.pos++
			return string(out), nil
		case c < 0x20:
			return "", errMalformedJSON
		case c != '\\':
			out = append(out, c)
			p.pos++
		default:
			p.pos++
			var err error
			if out, err = p.escape(out); err != nil {
				return "", err
			}
		}
	}
	return "", errMalformedJSON
}

func (p *jsonParser) escape(out []byte) ([]byte, error) {
	c := p.peek()
	p.pos++
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		r, ok := p.hex4()
		if !ok {
			return nil, errMalformedJSON
		}
		if r >= 0xD800 && r < 0xDC00 {
			mark := p.pos
			if p.literal(`\u`) {
				low, ok := p.hex4()
				if !ok {
					return nil, errMalformedJSON
				}
				if low >= 0xDC00 && low < 0xE000 {
					return utf8.AppendRune(out, 0x10000+(r-0xD800)<<10+(low-0xDC00)), nil
				}
				p.pos = mark
			}
		}
		return appendCodePoint(out, r), nil
	default:
		return nil, errMalformedJSON
	}
}

func (p *jsonParser) hex4() (rune, bool) {
	if len(p.data)-p.pos < 4 {
		return 0, false
	}
	var r rune
	for _, c := range p.data[p.pos : p.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	p.pos += 4
	return r, true
}

// appendCodePoint appends r in UTF-8, surrogates included.
func appendCodePoint(out []byte, r rune) []byte {
	if r >= 0xD800 && r < 0xE000 {
		return append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6&0x3F), 0x80|byte(r&0x3F))
	}
	return utf8.AppendRune(out, r)
}

// codePoints yields the code points of s, surrogates included.
func codePoints(s string) []rune {
	out := make([]rune, 0, len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 && i+2 < len(s) && s[i] == 0xED {
			r = rune(s[i]&0x0F)<<12 | rune(s[i+1]&0x3F)<<6 | rune(s[i+2]&0x3F)
			size = 3
		}
		out = append(out, r)
		i += size
	}
	return out
}

// hasLoneSurrogate tells whether s cannot be written to a database, since it
// has no UTF-8 form.
func hasLoneSurrogate(s string) bool { return !utf8.ValidString(s) }

// hasFourByteCharacter tells whether s holds a character outside the basic
// multilingual plane, which Glance refuses to store.
func hasFourByteCharacter(s string) bool {
	for _, r := range s {
		if r > 0xFFFF {
			return true
		}
	}
	return false
}

// as is a type assertion on a value whose type is certain, because the image
// schema has vetted it or is itself where it comes from. It panics otherwise:
// going on with another type would answer what no image service answers.
func as[T any](v any) T {
	t, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("simulator: a %T where a %T is certain", v, t))
	}
	return t
}
