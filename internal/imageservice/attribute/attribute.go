// Package attribute describes the image attributes as data: what each is called
// in a configuration and on the wire, what it may hold, and which names nobody
// can write. Schema, validation, conversion and documentation read these tables.
package attribute

import (
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
)

// Wire is the JSON that the image service keeps a value in.
type Wire int

const (
	// Native is the JSON type that the kind suggests.
	Native Wire = iota
	// InText is a JSON string that holds the value ("true", "128").
	InText
)

// Attribute is one settable attribute of an image.
type Attribute struct {
	Name string // in the configuration
	Key  string // on the wire, a top-level member
	Kind Kind
	Wire Wire
	// Core attributes are columns of the image service; the others are custom
	// properties, which can be removed and count towards the property quota.
	Core bool
	// Nullable attributes can be set back to JSON null.
	Nullable bool
	// OneOf are the values of an enumeration; none for anything else.
	OneOf []string
	// Max is the greatest number, or the longest text in characters; 0 for no limit.
	Max int64
	// Text for people: what it is, with its unit. A full sentence.
	Description string
}

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

// Table lists the settable attributes of an OpenStack image, in the order of the
// documentation. Source: the image service's API reference ("Update image") and
// its image schema; the limits were measured on Glance 25.1.
var Table = []Attribute{
	{Name: "name", Key: "name", Core: true, Nullable: true, Max: MaxName,
		Description: "Name of the image, at most 255 characters."},
	{Name: "visibility", Key: "visibility", Core: true, OneOf: []string{"private", "shared", "community", "public"},
		Description: "Who can see the image: `private`, `shared`, `community` or `public`. In the usual policy `public` needs an administrator."},
	{Name: "protected", Key: "protected", Kind: Boolean, Core: true,
		Description: "Whether the image is protected from deletion."},
	{Name: "hidden", Key: "os_hidden", Kind: Boolean, Core: true,
		Description: "Whether the image is left out of listings (`os_hidden`)."},
	{Name: "min_disk", Key: "min_disk", Kind: Integer, Core: true, Max: maxInt,
		Description: "Least size of the disk that the image boots from, in GB, from 0 to 2147483647."},
	{Name: "min_ram", Key: "min_ram", Kind: Integer, Core: true, Max: maxInt,
		Description: "Least memory that the image boots with, in MB, from 0 to 2147483647."},
	{Name: "hw_firmware_type", Key: "hw_firmware_type", OneOf: []string{"bios", "uefi"},
		Description: "Firmware that instances of the image boot with: `bios` or `uefi`. Absent on the image means `bios`."},
	{Name: "hw_vif_multiqueue_enabled", Key: "hw_vif_multiqueue_enabled", Kind: Boolean, Wire: InText,
		Description: "Whether the network interfaces of instances get several queues. On the wire it is `\"true\"` or `\"false\"`."},
}

var byKey = func() map[string]*Attribute {
	m := map[string]*Attribute{}
	for i := range Table {
		m[Table[i].Key] = &Table[i]
	}
	return m
}()

// ByKey returns the attribute with a wire name, nil if there is none.
func ByKey(key string) *Attribute { return byKey[key] }

// Pointer returns where the attribute stands in the document of an image.
func (a *Attribute) Pointer() patch.Pointer { return patch.NewPointer(a.Key) }

// FromBool returns the wire form of a boolean.
func (a *Attribute) FromBool(b bool) patch.Value {
	if a.Wire == InText {
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

// AsBool reads a boolean in either wire form; services differ in the spelling.
func (a *Attribute) AsBool(v patch.Value) (value, ok bool) {
	if b, ok := v.AsBool(); ok {
		return b, true
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

// Equal says whether two values of a pointer mean the same to the image service.
func Equal(p patch.Pointer, x, y patch.Value) bool {
	if x == y {
		return true
	}
	key, ok := p.Key()
	if !ok {
		return false
	}
	a := byKey[key]
	if a == nil {
		return false
	}
	switch a.Kind {
	case Boolean:
		b, okX := a.AsBool(x)
		c, okY := a.AsBool(y)
		return okX && okY && b == c
	case Integer:
		n, okX := a.AsInt(x)
		m, okY := a.AsInt(y)
		return okX && okY && n == m
	}
	return false
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
	if a := byKey[key]; a != nil {
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
	if a := byKey[key]; a != nil && a.Core {
		return v != patch.Null || a.Nullable
	}
	_, text := v.AsString()
	return text
}
