// Package patch computes, checks, moves, undoes and encodes the difference
// between what an object is and what a part of it should be, as a JSON Patch
// (RFC 6902). It is pure: it reads no clock, no network and no configuration.
package patch

import (
	"maps"
	"slices"
	"strings"
)

// Document is an object as a flat map from JSON Pointer to value. A member of a
// set has a pointer of its own ("/tags/golden", whose value is the member), so
// that members are owned, compared and written one by one. A pointer that is
// not in the map is absent; no pointer maps to Absent.
type Document map[Pointer]Value

// Want says what some pointers of a document should hold, Absent for a pointer
// that must not exist. Pointers that it does not name are not looked at.
type Want map[Pointer]Value

// Equal decides whether two values of one pointer mean the same, Absent
// included. A nil Equal compares canonical texts.
type Equal func(p Pointer, a, b Value) bool

func (e Equal) same(p Pointer, a, b Value) bool {
	return a == b || (e != nil && e(p, a, b))
}

// Kind is the operation that RFC 6902 §4 names.
type Kind string

// The operations that both the plan and the image service know.
const (
	Add     Kind = "add"
	Replace Kind = "replace"
	Remove  Kind = "remove"
)

// Operation changes one pointer from the value it expects to the value it wants.
type Operation struct {
	Path Pointer
	Old  Value // what is expected to be there, Absent for nothing
	New  Value // what is to be there, Absent for nothing
}

// Kind returns the RFC 6902 operation for a document that holds what the
// operation expects. The servers refuse any other.
func (o Operation) Kind() Kind {
	switch {
	case o.New == Absent:
		return Remove
	case o.Old == Absent:
		return Add
	default:
		return Replace
	}
}

// Patch is a list of operations on different pointers, sorted by pointer.
type Patch []Operation

// Conflict is a pointer that holds neither what an operation expects nor what
// it wants.
type Conflict struct {
	Path                    Pointer
	Expected, Found, Wanted Value
}

// Expect returns one operation per pointer of want, from what have holds, also
// where nothing is to be changed: the form to check a later document against.
func Expect(have Document, want Want) Patch {
	p := make(Patch, 0, len(want))
	for pointer, value := range want {
		p = append(p, Operation{Path: pointer, Old: have[pointer], New: value})
	}
	p.sort()
	return p
}

// Diff returns the operations that make have hold what want says. Where they
// already mean the same there is no operation.
func Diff(have Document, want Want, equal Equal) Patch {
	return Expect(have, want).Rebase(have, equal)
}

// Check returns the conflicts of the patch with a document that may have
// changed since the patch was made.
func (p Patch) Check(current Document, equal Equal) []Conflict {
	var conflicts []Conflict
	for _, o := range p {
		found := current[o.Path]
		if equal.same(o.Path, found, o.Old) || equal.same(o.Path, found, o.New) {
			continue
		}
		conflicts = append(conflicts, Conflict{Path: o.Path, Expected: o.Old, Found: found, Wanted: o.New})
	}
	return conflicts
}

// Rebase returns the patch that has the same result on another document: each
// operation expects what that document holds, and is left out where it would
// change nothing.
func (p Patch) Rebase(current Document, equal Equal) Patch {
	rebased := make(Patch, 0, len(p))
	for _, o := range p {
		found := current[o.Path]
		if equal.same(o.Path, found, o.New) {
			continue
		}
		rebased = append(rebased, Operation{Path: o.Path, Old: found, New: o.New})
	}
	return rebased
}

// Inverse returns the patch that undoes this one.
func (p Patch) Inverse() Patch {
	inverse := make(Patch, len(p))
	for i, o := range p {
		inverse[i] = Operation{Path: o.Path, Old: o.New, New: o.Old}
	}
	return inverse
}

// Apply returns the document after the patch, whatever the document held.
func (p Patch) Apply(d Document) Document {
	after := maps.Clone(d)
	if after == nil {
		after = Document{}
	}
	for _, o := range p {
		if o.New == Absent {
			delete(after, o.Path)
			continue
		}
		after[o.Path] = o.New
	}
	return after
}

// Find returns the operation on a pointer.
func (p Patch) Find(pointer Pointer) (Operation, bool) {
	i, ok := slices.BinarySearchFunc(p, pointer, func(o Operation, at Pointer) int {
		return strings.Compare(string(o.Path), string(at))
	})
	if !ok {
		return Operation{}, false
	}
	return p[i], true
}

// Merge returns the operations of both patches; where both change a pointer,
// those of q hold.
func (p Patch) Merge(q Patch) Patch {
	merged := slices.Clone(q)
	for _, o := range p {
		if _, ok := q.Find(o.Path); !ok {
			merged = append(merged, o)
		}
	}
	merged.sort()
	return merged
}

// Without returns the operations on pointers for which drop is false.
func (p Patch) Without(drop func(Pointer) bool) Patch {
	return slices.DeleteFunc(slices.Clone(p), func(o Operation) bool { return drop(o.Path) })
}

func (p Patch) sort() {
	slices.SortFunc(p, func(a, b Operation) int { return strings.Compare(string(a.Path), string(b.Path)) })
}

// Members returns the members of the set at root, sorted.
func (d Document) Members(root Pointer) []string {
	var members []string
	for p := range d {
		if m, ok := p.MemberOf(root); ok {
			members = append(members, m)
		}
	}
	slices.Sort(members)
	return members
}

// Close returns want with every member that the document's set at root has
// beyond it wanted absent, so that the set becomes exactly what want names.
func (w Want) Close(d Document, root Pointer) Want {
	closed := maps.Clone(w)
	for p := range d {
		if _, named := w[p]; named {
			continue
		}
		if _, ok := p.MemberOf(root); ok {
			closed[p] = Absent
		}
	}
	return closed
}
