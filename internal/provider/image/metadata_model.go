package image

import (
	"maps"
	"math/big"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// The names of the attributes that are no rows of the attribute table.
const (
	attrImageID          = "image_id"
	attrTags             = "tags"
	attrTagsExclusive    = "tags_exclusive"
	attrProperties       = "properties"
	attrSensitive        = "sensitive_properties"
	attrIMS              = "ims"
	attrRestorePatch     = "restore_patch"
	attrSensitiveRestore = "sensitive_restore_patch"
)

// The values of on_destroy.
const (
	destroyRestore = "restore"
	destroyRemove  = "remove"
	destroyKeep    = "keep"
)

// values are the attributes of the resource by name.
type values = plan.Values

// imsType is the type of the object ims.
var imsType = func() tftypes.Object {
	t := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
	for _, a := range attribute.Arguments {
		if a.Section == attribute.IMS {
			t.AttributeTypes[a.Name] = typeOf(a)
		}
	}
	return t
}()

// typeOf returns the type of an attribute of the table.
func typeOf(a *attribute.Attribute) tftypes.Type {
	switch a.Kind {
	case attribute.Boolean, attribute.Flag:
		return tftypes.Bool
	case attribute.Integer:
		return tftypes.Number
	case attribute.Set:
		return tftypes.Set{ElementType: tftypes.String}
	default:
		return tftypes.String
	}
}

// arguments are the values of the attributes of the table.
type arguments struct {
	top     values
	ims     map[string]tftypes.Value
	unknown bool // the whole object ims is not known yet
}

func argumentsOf(v values) arguments {
	nested := v[attrIMS]
	args := arguments{top: v, unknown: !nested.IsKnown()}
	if nested.IsKnown() && !nested.IsNull() {
		_ = nested.As(&args.ims)
	}
	return args
}

// of returns the value of an attribute, null when it is not named.
func (args arguments) of(a *attribute.Attribute) tftypes.Value {
	switch {
	case a.Section == attribute.Top:
		return args.top[a.Name]
	case args.unknown:
		return tftypes.NewValue(typeOf(a), tftypes.UnknownValue)
	case args.ims == nil:
		return tftypes.NewValue(typeOf(a), nil)
	}
	return args.ims[a.Name]
}

// put sets an attribute of the table.
func put(v values, a *attribute.Attribute, value tftypes.Value) {
	if a.Section == attribute.Top {
		v[a.Name] = value
		return
	}
	members := maps.Clone(argumentsOf(v).ims)
	if members == nil {
		members = make(map[string]tftypes.Value, len(imsType.AttributeTypes))
		for name, t := range imsType.AttributeTypes {
			members[name] = tftypes.NewValue(t, nil)
		}
	}
	members[a.Name] = value
	v[attrIMS] = tftypes.NewValue(imsType, members)
}

// owned is the part of an image that a configuration or a state names.
type owned struct {
	imageID   string
	idKnown   bool
	want      patch.Want
	sensitive map[patch.Pointer]bool
	typed     map[patch.Pointer]*attribute.Attribute
	exclusive bool
	unknown   bool // some value is not known yet
}

// owns reads what a configuration, plan or state owns.
func ownsOf(v values) owned {
	o := owned{want: patch.Want{}, sensitive: map[patch.Pointer]bool{}, typed: map[patch.Pointer]*attribute.Attribute{}}
	if id := v[attrImageID]; id.IsKnown() {
		o.idKnown, o.imageID = true, v.Text(attrImageID)
	}
	args := argumentsOf(v)
	for _, a := range attribute.Arguments {
		value := args.of(a)
		if value.IsNull() {
			continue
		}
		if !value.IsFullyKnown() {
			o.unknown = true
			continue
		}
		o.want[a.Pointer()] = toWire(a, value)
		o.typed[a.Pointer()] = a
	}
	for _, tag := range o.elements(v[attrTags]) {
		o.want[attribute.Tags.Member(tag)] = patch.StringValue(tag)
	}
	o.properties(v[attrProperties], nil)
	o.properties(v[attrSensitive], o.sensitive)
	if e := v[attrTagsExclusive]; !e.IsKnown() {
		o.unknown = true
	} else if !e.IsNull() {
		_ = e.As(&o.exclusive)
	}
	return o
}

// elements returns the known strings of a set.
func (o *owned) elements(set tftypes.Value) []string {
	if set.IsNull() {
		return nil
	}
	var members []tftypes.Value
	if !set.IsKnown() || set.As(&members) != nil {
		o.unknown = true
		return nil
	}
	texts := make([]string, 0, len(members))
	for _, m := range members {
		var s string
		if !m.IsKnown() {
			o.unknown = true
			continue
		}
		if !m.IsNull() && m.As(&s) == nil {
			texts = append(texts, s)
		}
	}
	return texts
}

// properties reads a map of properties; a null element is a key that must not exist.
func (o *owned) properties(m tftypes.Value, sensitive map[patch.Pointer]bool) {
	if m.IsNull() {
		return
	}
	var elements map[string]tftypes.Value
	if !m.IsKnown() || m.As(&elements) != nil {
		o.unknown = true
		return
	}
	for key, value := range elements {
		p := patch.NewPointer(key)
		if sensitive != nil {
			sensitive[p] = true
		}
		if !value.IsKnown() {
			o.unknown = true
			continue
		}
		if value.IsNull() {
			o.want[p] = patch.Absent
			continue
		}
		var s string
		_ = value.As(&s)
		o.want[p] = patch.StringValue(s)
	}
}

// secrecy says of which pointers no value is shown anywhere.
type secrecy func(patch.Pointer) bool

// show writes a value for people, unless it is sensitive.
func (s secrecy) show(p patch.Pointer, value patch.Value) string {
	if value != patch.Absent && s(p) {
		return plan.Show(plan.Hidden)
	}
	return plan.Show(value)
}

func (o *owned) secrecy() secrecy { return func(p patch.Pointer) bool { return o.sensitive[p] } }

// nothing says that no attribute of an image is named.
func (o *owned) nothing() bool { return len(o.want) == 0 && !o.exclusive && !o.unknown }

// sets returns the sets that are owned whole.
func (o *owned) sets() []patch.Pointer {
	if o.exclusive {
		return []patch.Pointer{attribute.Tags}
	}
	return nil
}

// wanted returns what every owned pointer of a document is to hold: for a set
// that is owned whole, its other members are wanted absent.
func (o *owned) wanted(d patch.Document) patch.Want {
	want := o.want
	for _, root := range o.sets() {
		want = want.Close(d, root)
	}
	return want
}

// path returns where a pointer stands in the configuration.
func (o *owned) path(p patch.Pointer) path.Path {
	if a, ok := o.typed[p]; ok {
		return pathOf(a)
	}
	if _, ok := p.MemberOf(attribute.Tags); ok {
		return path.Root(attrTags)
	}
	key, _ := p.Key()
	if o.sensitive[p] {
		return path.Root(attrSensitive).AtMapKey(key)
	}
	return path.Root(attrProperties).AtMapKey(key)
}

// pathOf returns where an attribute of the table stands.
func pathOf(a *attribute.Attribute) path.Path {
	if a.Section == attribute.IMS {
		return path.Root(attrIMS).AtName(a.Name)
	}
	return path.Root(a.Name)
}

// refresh puts what a document holds for the owned pointers into the values.
// The record names tags that are owned although a document lacked them once.
func refresh(v values, o owned, record patch.Patch, d patch.Document) {
	for _, a := range attribute.Arguments {
		p := a.Pointer()
		_, named := o.typed[p]
		_, recorded := record.Find(p)
		_, property := o.want[p]
		if named || (recorded && !property) {
			put(v, a, fromWire(a, d[p]))
		}
	}
	if set := v[attrTags]; !set.IsNull() {
		v[attrTags] = stringSet(o.tagsIn(record, d))
	}
	for _, name := range []string{attrProperties, attrSensitive} {
		var elements map[string]tftypes.Value
		if v[name].IsNull() || v[name].As(&elements) != nil {
			continue
		}
		now := make(map[string]tftypes.Value, len(elements))
		for key := range elements {
			now[key] = textOrNull(d[patch.NewPointer(key)])
		}
		v[name] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, now)
	}
}

// tagsIn returns the owned tags that a document has.
func (o *owned) tagsIn(record patch.Patch, d patch.Document) []string {
	members := d.Members(attribute.Tags)
	if o.exclusive {
		return members
	}
	return slices.DeleteFunc(members, func(tag string) bool {
		p := attribute.Tags.Member(tag)
		_, named := o.want[p]
		_, recorded := record.Find(p)
		return !named && !recorded
	})
}

// toWire converts a known, non-null value of an attribute of the table.
func toWire(a *attribute.Attribute, value tftypes.Value) patch.Value {
	switch a.Kind {
	case attribute.Boolean, attribute.Flag:
		var b bool
		_ = value.As(&b)
		return a.FromBool(b)
	case attribute.Set:
		return a.FromSet(stringsOf(value))
	case attribute.Integer:
		n := new(big.Float)
		_ = value.As(n)
		i, _ := n.Int64()
		return a.FromInt(i)
	default:
		var s string
		_ = value.As(&s)
		return a.FromText(s)
	}
}

// stringsOf returns the known strings of a set.
func stringsOf(set tftypes.Value) []string {
	var o owned
	return o.elements(set)
}

// fromWire converts what an image holds, null when it holds nothing that the
// attribute can say.
func fromWire(a *attribute.Attribute, value patch.Value) tftypes.Value {
	switch a.Kind {
	case attribute.Boolean, attribute.Flag:
		if b, ok := a.AsBool(value); ok {
			return tftypes.NewValue(tftypes.Bool, b)
		}
		return tftypes.NewValue(tftypes.Bool, nil)
	case attribute.Integer:
		if n, ok := a.AsInt(value); ok {
			return tftypes.NewValue(tftypes.Number, n)
		}
		return tftypes.NewValue(tftypes.Number, nil)
	case attribute.Set:
		if members, ok := a.AsSet(value); ok {
			return stringSet(members)
		}
		return tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, nil)
	default:
		return textOrNull(value)
	}
}

func textOrNull(value patch.Value) tftypes.Value {
	if s, ok := value.AsString(); ok {
		return tftypes.NewValue(tftypes.String, s)
	}
	return tftypes.NewValue(tftypes.String, nil)
}

func stringSet(members []string) tftypes.Value {
	elements := make([]tftypes.Value, len(members))
	for i, m := range members {
		elements[i] = tftypes.NewValue(tftypes.String, m)
	}
	return tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, elements)
}
