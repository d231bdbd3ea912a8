// Package attribute describes the image attributes as data: what each is called
// in a configuration and on the wire, what it may hold, where it can be set, and
// which names nobody can write. Schema, validation, conversion and documentation
// read these tables.
package attribute

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// Kind is the meaning of an attribute, from which its Terraform type follows.
type Kind int

const (
	// Text is a string.
	Text Kind = iota
	// Boolean is true or false.
	Boolean
	// Integer is a whole number.
	Integer
	// Flag is true or absent: there is no written form of false.
	Flag
	// Set is a set of strings, on the wire one string with commas.
	Set
	// JSON is a text that holds JSON.
	JSON
)

// Wire is the JSON that the image service keeps a value in.
type Wire int

const (
	// Native is the JSON type that the kind suggests.
	Native Wire = iota
	// InText is a JSON string that holds the value ("true", "128").
	InText
)

// Section is where an attribute stands in the provider's schemas.
type Section int

const (
	// Top is the schema itself.
	Top Section = iota
	// IMS is the object ims: what only Huawei Cloud and Open Telekom Cloud know.
	IMS
	// Apart has a schema of its own making.
	Apart
	// Never is documented by a vendor and never sent.
	Never
)

// Attribute is one attribute of an image.
type Attribute struct {
	Name    string // in the configuration
	Key     string // on the wire, a top-level member
	Section Section
	Kind    Kind
	Wire    Wire
	// Core attributes are columns of the image service; the others are custom
	// properties, which can be removed and count towards the property quota.
	Core bool
	// Nullable attributes can be set back to JSON null.
	Nullable bool
	// OneOf are the values of an enumeration, or of the members of a set; none for
	// anything else.
	OneOf []string
	// Loose enumerations are spelled differently from page to page: case and
	// blanks do not count.
	Loose bool
	// Min and Max are the least and the greatest number; of a text Max is the
	// greatest length in characters, 0 for no limit.
	Min, Max int64
	// Without are characters that a text cannot have.
	Without string
	// Blank are values that mean the same as absence.
	Blank []string
	// Excludes are the keys of attributes that cannot be on the same image.
	Excludes []string
	// Needs is what another attribute has to be where the image has that one.
	Needs *Condition
	// Settable says where the attribute can be set, each with the page that says so.
	Settable map[Cloud]string
	// Description is what it is, with its unit: a full sentence. Result is that of
	// a data source where it differs.
	Description, Result string
	// Source is the page that describes it.
	Source string
}

// Condition is a value that an attribute is to have.
type Condition struct{ Key, Value string }

// MaxName is the longest name of a custom property, a tag, and an image, in
// characters: the width of the image service's database columns.
const MaxName = 255

// The quotas that the image service comes with; operators change them.
const (
	DefaultPropertyQuota = 128
	DefaultTagQuota      = 128
)

// Tags is the pointer of the tags, one member each.
const Tags patch.Pointer = "/tags"

// maxInt is the greatest number of an INTEGER column of the image service.
const maxInt = 1<<31 - 1

var byKey = func() map[string]*Attribute {
	m := map[string]*Attribute{}
	for i := range Table {
		m[Table[i].Key] = &Table[i]
	}
	return m
}()

// Arguments are the attributes that can be set somewhere, in the order of the table.
var Arguments = selected(func(a *Attribute) bool { return a.Settable != nil && a.Section != Apart })

// Results are the attributes that the data sources show, in the order of the table.
var Results = selected(func(a *Attribute) bool { return a.Section == Top || a.Section == IMS })

func selected(chosen func(*Attribute) bool) []*Attribute {
	var rows []*Attribute
	for i := range Table {
		if chosen(&Table[i]) {
			rows = append(rows, &Table[i])
		}
	}
	return rows
}

// ByKey returns the argument with a wire name, nil if there is none.
func ByKey(key string) *Attribute {
	if a := byKey[key]; a != nil && a.Settable != nil && a.Section != Apart {
		return a
	}
	return nil
}

// Describes says whether the table has a row for a wire name, settable or not.
func Describes(key string) bool { return byKey[key] != nil }

// Pointer returns where the attribute stands in the document of an image.
func (a *Attribute) Pointer() patch.Pointer { return patch.NewPointer(a.Key) }

// Path returns the name of the attribute in a configuration, such as "ims.max_ram".
func (a *Attribute) Path() string {
	if a.Section == IMS {
		return "ims." + a.Name
	}
	return a.Name
}

// FromBool returns the wire form of a boolean.
func (a *Attribute) FromBool(b bool) patch.Value {
	switch {
	case a.Kind == Flag && !b:
		return patch.Absent
	case a.Wire == InText:
		return patch.StringValue(strconv.FormatBool(b))
	}
	return patch.BoolValue(b)
}

// FromInt returns the wire form of a number.
func (a *Attribute) FromInt(n int64) patch.Value {
	if a.Wire == InText {
		return patch.StringValue(strconv.FormatInt(n, 10))
	}
	return patch.IntValue(n)
}

// FromText returns the wire form of a text. Of several that mean absence it is the
// last, which the services have for it.
func (a *Attribute) FromText(s string) patch.Value {
	if slices.Contains(a.Blank, s) {
		return patch.StringValue(a.Blank[len(a.Blank)-1])
	}
	return patch.StringValue(s)
}

// FromSet returns the wire form of a set, which is absent when it has no member.
// Its members come in the order of OneOf, which is the only one that the vendors'
// pages show.
func (a *Attribute) FromSet(members []string) patch.Value {
	if len(members) == 0 {
		return patch.Absent
	}
	sorted := slices.SortedFunc(slices.Values(members), func(x, y string) int {
		return cmp.Compare(slices.Index(a.OneOf, x), slices.Index(a.OneOf, y))
	})
	return patch.StringValue(strings.Join(sorted, ","))
}

// AsBool reads a boolean in either wire form; services differ in the spelling. A
// flag that is absent is false.
func (a *Attribute) AsBool(v patch.Value) (value, ok bool) {
	if b, ok := v.AsBool(); ok {
		return b, true
	}
	if a.Kind == Flag && v == patch.Absent {
		return false, true
	}
	s, _ := v.AsString()
	switch {
	case strings.EqualFold(s, "true"):
		return true, true
	case strings.EqualFold(s, "false"):
		return false, true
	}
	return false, false
}

// AsInt reads a number in either wire form.
func (a *Attribute) AsInt(v patch.Value) (int64, bool) {
	if n, ok := v.AsInt(); ok {
		return n, true
	}
	s, ok := v.AsString()
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// AsSet reads a set. One that is absent has no member.
func (a *Attribute) AsSet(v patch.Value) ([]string, bool) {
	if v == patch.Absent {
		return nil, true
	}
	s, ok := v.AsString()
	if !ok {
		return nil, false
	}
	var members []string
	for member := range strings.SplitSeq(s, ",") {
		if member = strings.TrimSpace(member); member != "" && !slices.Contains(members, member) {
			members = append(members, member)
		}
	}
	slices.Sort(members)
	return members, true
}

// blank says whether a value means absence.
func (a *Attribute) blank(v patch.Value) bool {
	s, ok := v.AsString()
	return v == patch.Absent || (ok && slices.Contains(a.Blank, s))
}

// loosely removes what does not count in a loose enumeration.
func loosely(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }

// Equal says whether two values of a pointer mean the same to the image service.
func Equal(p patch.Pointer, x, y patch.Value) bool {
	if x == y {
		return true
	}
	key, ok := p.Key()
	if !ok {
		return false
	}
	a := ByKey(key)
	return a != nil && a.equal(x, y)
}

func (a *Attribute) equal(x, y patch.Value) bool {
	switch a.Kind {
	case Boolean, Flag:
		b, okX := a.AsBool(x)
		c, okY := a.AsBool(y)
		return okX && okY && b == c
	case Integer:
		n, okX := a.AsInt(x)
		m, okY := a.AsInt(y)
		return okX && okY && n == m
	case Set:
		s, okX := a.AsSet(x)
		t, okY := a.AsSet(y)
		return okX && okY && slices.Equal(s, t)
	case JSON:
		s, okX := compactJSON(x)
		t, okY := compactJSON(y)
		return okX && okY && s == t
	}
	s, okX := x.AsString()
	t, okY := y.AsString()
	switch {
	case len(a.Blank) > 0 && a.blank(x) && a.blank(y):
		return true
	case a.Loose && okX && okY:
		return loosely(s) == loosely(t)
	}
	return false
}

// compactJSON returns the JSON in a text with its blanks and the order of members
// made alike.
func compactJSON(v patch.Value) (string, bool) {
	s, ok := v.AsString()
	if !ok {
		return "", false
	}
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.UseNumber()
	var content any
	if decoder.Decode(&content) != nil || decoder.More() {
		return "", false
	}
	var text bytes.Buffer
	if json.NewEncoder(&text).Encode(content) != nil {
		return "", false
	}
	return text.String(), true
}

// Custom says whether a pointer is a custom property or a tag: something that
// can be removed.
func Custom(p patch.Pointer) bool {
	if _, ok := p.MemberOf(Tags); ok {
		return true
	}
	key, ok := p.Key()
	return ok && !isCore(key)
}

func isCore(key string) bool {
	if a := ByKey(key); a != nil {
		return a.Core
	}
	return unsettable[key] != ""
}

// Writable says whether the image service would take a value back that it holds
// at a pointer. JSON null is one that it shows but does not take.
func Writable(p patch.Pointer, v patch.Value) bool {
	key, ok := p.Key()
	if !ok || v == patch.Absent {
		return true
	}
	if a := ByKey(key); a != nil && a.Core {
		return v != patch.Null || a.Nullable
	}
	_, text := v.AsString()
	return text
}
