package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is a JSON value in canonical text: compact, object members sorted by
// name, only the necessary escapes, numbers as they were written. Two equal
// texts are equal values. The zero Value is Absent, which is neither null nor "".
type Value string

// Absent stands for a pointer that the document does not have.
const Absent Value = ""

// Null is the JSON null.
const Null Value = "null"

// StringValue returns the value of a JSON string. Bytes that are not UTF-8
// become U+FFFD, as in every JSON encoder.
func StringValue(s string) Value {
	if plain(s) {
		return Value(`"` + s + `"`)
	}
	text, _ := encode(s) // A string always encodes.
	return Value(text)
}

// IntValue returns the value of a JSON integer.
func IntValue(n int64) Value { return Value(strconv.FormatInt(n, 10)) }

// BoolValue returns the value of a JSON boolean.
func BoolValue(b bool) Value { return Value(strconv.FormatBool(b)) }

// ParseValue returns the canonical form of one JSON text. It fails on anything
// that is not exactly one JSON value.
func ParseValue(raw []byte) (Value, error) {
	raw = bytes.TrimSpace(raw)
	if n := len(raw); n >= 2 && raw[0] == '"' && raw[n-1] == '"' && plain(string(raw[1:n-1])) {
		return Value(raw), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return Absent, fmt.Errorf("not a JSON value: %w", err)
	}
	if decoder.InputOffset() != int64(len(raw)) {
		return Absent, fmt.Errorf("not a JSON value: there is more after it")
	}
	text, err := encode(v)
	return Value(text), err
}

// plain says whether s stands between quotes in JSON as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// encode marshals a value with only the necessary escapes.
func encode(v any) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// AsString returns the text of a JSON string.
func (v Value) AsString() (string, bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	if inner := string(v[1 : len(v)-1]); plain(inner) {
		return inner, true
	}
	var s string
	if err := json.Unmarshal([]byte(v), &s); err != nil {
		return "", false
	}
	return s, true
}

// AsBool returns the JSON boolean.
func (v Value) AsBool() (value, ok bool) {
	return v == "true", v == "true" || v == "false"
}

// AsInt returns a JSON number that is a whole number, however it is written
// (128, 128.0, 1.28e2).
func (v Value) AsInt() (int64, bool) {
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return n, true
	}
	if v == Absent || (v[0] != '-' && (v[0] < '0' || v[0] > '9')) {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f != float64(int64(f)) || f >= 1<<53 || f <= -1<<53 {
		return 0, false
	}
	return int64(f), true
}

// MarshalJSON writes the value itself. Absent has no JSON form and fails.
func (v Value) MarshalJSON() ([]byte, error) {
	if v == Absent {
		return nil, fmt.Errorf("an absent value has no JSON form")
	}
	return []byte(v), nil
}

// UnmarshalJSON reads one JSON value into its canonical form.
func (v *Value) UnmarshalJSON(raw []byte) error {
	parsed, err := ParseValue(raw)
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
