package patch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Dialect is a wire form of a patch.
type Dialect int

const (
	// RFC6902 is application/json-patch+json, which plans show.
	RFC6902 Dialect = iota
	// ImagesV21 is application/openstack-images-v2.1-json-patch: the operations
	// add, replace and remove of RFC 6902 on top-level members.
	ImagesV21
	// ImagesV20 is application/openstack-images-v2.0-json-patch, the draft-4
	// form {"add": "/pointer", "value": ...}, in which add refuses a member that
	// exists.
	ImagesV20
)

// MediaType returns the Content-Type of the dialect.
func (d Dialect) MediaType() string {
	switch d {
	case ImagesV21:
		return "application/openstack-images-v2.1-json-patch"
	case ImagesV20:
		return "application/openstack-images-v2.0-json-patch"
	default:
		return "application/json-patch+json"
	}
}

type wireOperation struct {
	Op    Kind    `json:"op"`
	Path  Pointer `json:"path"`
	Value *Value  `json:"value,omitempty"`
}

// Encode writes a patch for the document that it is going to be applied to.
// Operations on members of the sets become one replacement of the whole set,
// gathered with the members that the document has. It fails on a pointer that
// the dialect cannot say: the image dialects know only top-level keys without
// blanks around them.
//
// The text is the one that Terraform's jsonencode prints for the same list.
func (d Dialect) Encode(p Patch, on Document, sets ...Pointer) ([]byte, error) {
	wire, err := d.gather(p, on, sets)
	if err != nil {
		return nil, err
	}
	if d != ImagesV20 {
		return json.Marshal(wire)
	}
	draft := make([]map[string]any, len(wire))
	for i, o := range wire {
		draft[i] = map[string]any{string(o.Op): o.Path}
		if o.Value != nil {
			draft[i]["value"] = *o.Value
		}
	}
	return json.Marshal(draft)
}

// gather turns the operations into those of the wire, in the order of their paths.
func (d Dialect) gather(p Patch, on Document, sets []Pointer) ([]wireOperation, error) {
	wire := make([]wireOperation, 0, len(p))
	done := map[Pointer]bool{}
	for _, o := range p {
		if root, ok := setOf(o.Path, sets); ok {
			if done[root] {
				continue
			}
			done[root] = true
			value := listValue(p.Apply(on).Members(root))
			wire = append(wire, wireOperation{Op: Replace, Path: root, Value: &value})
			continue
		}
		if err := d.check(o.Path); err != nil {
			return nil, err
		}
		w := wireOperation{Op: o.Kind(), Path: o.Path}
		if w.Op != Remove {
			w.Value = &o.New
		}
		wire = append(wire, w)
	}
	return wire, nil
}

// listValue returns the value of a list of strings; none is [], never null.
func listValue(members []string) Value {
	texts := make([]string, len(members))
	for i, m := range members {
		texts[i] = string(StringValue(m))
	}
	return Value("[" + strings.Join(texts, ",") + "]")
}

func (d Dialect) check(p Pointer) error {
	if d == RFC6902 {
		_, err := p.Tokens()
		return err
	}
	key, ok := p.Key()
	if !ok {
		return fmt.Errorf("the image service has no JSON pointer %q: only top-level keys can be patched", string(p))
	}
	return CheckImageKey(key)
}

func setOf(p Pointer, sets []Pointer) (Pointer, bool) {
	for _, root := range sets {
		if _, ok := p.MemberOf(root); ok {
			return root, true
		}
	}
	return "", false
}

// Decode reads what Encode wrote for the document that it is going to be
// applied to. It fails on anything else: other operations, missing or repeated
// members, a replacement of a set by something that is not a list of strings.
// Of several operations on one pointer the last one counts.
func (d Dialect) Decode(raw []byte, on Document, sets ...Pointer) (Patch, error) {
	wire, err := d.parse(raw)
	if err != nil {
		return nil, err
	}
	byPath := map[Pointer]Operation{}
	for _, w := range wire {
		if w.Op == test {
			return nil, fmt.Errorf("unknown operation %q", w.Op)
		}
		if slices.Contains(sets, w.Path) {
			if err := decodeSet(byPath, w, on); err != nil {
				return nil, err
			}
			continue
		}
		if err := d.check(w.Path); err != nil {
			return nil, err
		}
		o := Operation{Path: w.Path, Old: on[w.Path]}
		if w.Value != nil {
			o.New = *w.Value
		}
		byPath[w.Path] = o
	}
	p := slices.Collect(maps.Values(byPath))
	p = slices.DeleteFunc(p, func(o Operation) bool { return o.Old == o.New })
	Patch(p).sort()
	return p, nil
}

func decodeSet(byPath map[Pointer]Operation, w wireOperation, on Document) error {
	var members []string
	if w.Value == nil || json.Unmarshal([]byte(*w.Value), &members) != nil || *w.Value == Null {
		return fmt.Errorf("%s %s: the value of a set is a list of strings", w.Op, w.Path)
	}
	for p := range byPath {
		if _, ok := p.MemberOf(w.Path); ok {
			delete(byPath, p)
		}
	}
	for _, m := range on.Members(w.Path) {
		at := w.Path.Member(m)
		byPath[at] = Operation{Path: at, Old: on[at]}
	}
	for _, m := range members {
		at := w.Path.Member(m)
		byPath[at] = Operation{Path: at, Old: on[at], New: StringValue(m)}
	}
	return nil
}

// parse reads the list of operations, without a document to hold it against.
func (d Dialect) parse(raw []byte) ([]wireOperation, error) {
	if d != ImagesV20 {
		return parseWire(raw)
	}
	var draft []map[string]json.RawMessage
	if err := unmarshal(raw, &draft); err != nil {
		return nil, err
	}
	wire := make([]wireOperation, 0, len(draft))
	for _, members := range draft {
		var w wireOperation
		for _, kind := range []Kind{Add, Replace, Remove} {
			path, ok := members[string(kind)]
			if !ok {
				continue
			}
			if w.Op != "" {
				return nil, fmt.Errorf("an operation has both %q and %q", w.Op, kind)
			}
			w.Op = kind
			if err := json.Unmarshal(path, &w.Path); err != nil {
				return nil, fmt.Errorf("%s: %w", kind, err)
			}
		}
		if err := w.complete(members["value"]); err != nil {
			return nil, err
		}
		wire = append(wire, w)
	}
	return wire, nil
}

func parseWire(raw []byte) ([]wireOperation, error) {
	var list []struct {
		Op    Kind            `json:"op"`
		Path  *Pointer        `json:"path"`
		Value json.RawMessage `json:"value"`
	}
	if err := unmarshal(raw, &list); err != nil {
		return nil, err
	}
	wire := make([]wireOperation, 0, len(list))
	for _, o := range list {
		w := wireOperation{Op: o.Op}
		if o.Path == nil {
			return nil, errors.New("an operation has no path")
		}
		w.Path = *o.Path
		if err := w.complete(o.Value); err != nil {
			return nil, err
		}
		wire = append(wire, w)
	}
	return wire, nil
}

// complete takes the value, nil for none, and checks that the operation has one
// exactly where it needs one.
func (w *wireOperation) complete(raw json.RawMessage) error {
	if raw != nil {
		value, err := ParseValue(raw)
		if err != nil {
			return fmt.Errorf("%s %s: %w", w.Op, w.Path, err)
		}
		w.Value = &value
	}
	switch w.Op {
	case Add, Replace, test:
		if w.Value == nil {
			return fmt.Errorf("%s %s has no value", w.Op, w.Path)
		}
	case Remove:
		if w.Value != nil {
			return fmt.Errorf("remove %s has a value", w.Path)
		}
	default:
		return fmt.Errorf("unknown operation %q", w.Op)
	}
	return nil
}

func unmarshal(raw []byte, into any) error {
	if trimmed := bytes.TrimSpace(raw); len(trimmed) == 0 || trimmed[0] != '[' {
		return errors.New("a patch is a JSON list of operations")
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("not a patch: %w", err)
	}
	return nil
}
