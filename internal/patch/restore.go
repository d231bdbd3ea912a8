package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// test is the operation of RFC 6902 §4.6. Only restore patches hold it: the
// image service does not know it.
const test Kind = "test"

// EncodeRestore writes a patch whose operations stand alone: each after a test
// that its pointer still holds what the operation expects. RFC 6902 has no test
// for absence, so an operation that expects nothing has none. Operations that
// change nothing are kept; members of sets stand at pointers of their own.
func EncodeRestore(p Patch) string {
	texts := make([]string, 0, 2*len(p))
	write := func(kind Kind, path Pointer, value Value) {
		text := `{"op":"` + string(kind) + `","path":` + string(StringValue(string(path)))
		if value != Absent {
			text += `,"value":` + string(value)
		}
		texts = append(texts, text+"}")
	}
	for _, o := range p {
		if o.Old != Absent {
			write(test, o.Path, o.Old)
		}
		write(o.Kind(), o.Path, o.New)
	}
	// The escapes are those of Terraform's jsonencode, as in the other encodings.
	var escaped bytes.Buffer
	json.HTMLEscape(&escaped, []byte("["+strings.Join(texts, ",")+"]"))
	return escaped.String()
}

// DecodeRestore reads what EncodeRestore wrote. It fails on a test that no
// operation on the same pointer follows, and on a pointer that comes twice.
func DecodeRestore(text string) (Patch, error) {
	if text == "" || text == "[]" {
		return nil, nil
	}
	wire, err := parseWire([]byte(text))
	if err != nil {
		return nil, err
	}
	var p Patch
	seen := map[Pointer]bool{}
	for i := 0; i < len(wire); i++ {
		o := Operation{Path: wire[i].Path}
		if wire[i].Op == test {
			o.Old = *wire[i].Value
			i++
			if i == len(wire) || wire[i].Path != o.Path || wire[i].Op == test {
				return nil, fmt.Errorf("the test of %s is not followed by its operation", o.Path)
			}
		}
		if wire[i].Value != nil {
			o.New = *wire[i].Value
		}
		if seen[o.Path] {
			return nil, fmt.Errorf("%s comes twice", o.Path)
		}
		seen[o.Path] = true
		p = append(p, o)
	}
	p.sort()
	return p, nil
}
