package patch

import (
	"encoding/json"
	"fmt"
)

// test is the operation of RFC 6902 §4.6. Only restore patches hold it: the
// image service does not know it.
const test Kind = "test"

// EncodeRestore writes a patch whose operations stand alone: each after a test
// that its pointer still holds what the operation expects. RFC 6902 has no test
// for absence, so an operation that expects nothing has none. Operations that
// change nothing are kept; members of sets stand at pointers of their own.
func EncodeRestore(p Patch) string {
	wire := make([]wireOperation, 0, 2*len(p))
	for _, o := range p {
		if o.Old != Absent {
			wire = append(wire, wireOperation{Op: test, Path: o.Path, Value: &o.Old})
		}
		w := wireOperation{Op: o.Kind(), Path: o.Path}
		if w.Op != Remove {
			w.Value = &o.New
		}
		wire = append(wire, w)
	}
	raw, err := json.Marshal(wire)
	if err != nil {
		panic(fmt.Sprintf("patch: an operation does not encode: %v", err))
	}
	return string(raw)
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
