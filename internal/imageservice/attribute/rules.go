package attribute

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// The limits of an Image Management Service. Source: Huawei Cloud IMS and Open
// Telekom Cloud IMS, "Image Attributes" and "Managing Image Tags".
const (
	// IMSTagQuota is how many tags an image can have.
	IMSTagQuota     = 10
	imsMaxName      = 128
	imsMaxTagKey    = 36
	imsMaxTagValue  = 43
	imsNameLetters  = "letters, digits, hyphens, periods, underscores and blanks"
	imsTagLetters   = "letters, digits, hyphens and underscores"
	imsValueLetters = "letters, digits, hyphens, underscores and periods"
)

var (
	imsName     = regexp.MustCompile(`^[A-Za-z0-9._ -]*$`)
	imsTagKey   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	imsTagValue = regexp.MustCompile(`^[A-Za-z0-9_.-]*$`)
)

// String returns the name of the cloud for people.
func (c Cloud) String() string {
	switch c {
	case HuaweiCloud:
		return "Huawei Cloud"
	case OpenTelekomCloud:
		return "Open Telekom Cloud"
	}
	return "OpenStack"
}

// CheckOn says why the attribute cannot be set on a cloud; nil if it can.
func (a *Attribute) CheckOn(c Cloud) error {
	if a.Settable[c] != "" {
		return nil
	}
	return fmt.Errorf("no page of %s lists %s among what can be changed; leave it out, or set allow_undocumented = true in image_service to send it all the same", c, a.Key)
}

// CheckText says why a text cannot be the attribute's value; nil if it can.
func (a *Attribute) CheckText(s string) error {
	if len(a.OneOf) > 0 && !a.offers(s) {
		return fmt.Errorf("%q is not among its values, which are %s", s, quoted(a.OneOf))
	}
	if n := utf8.RuneCountInString(s); a.Max > 0 && int64(n) > a.Max {
		return fmt.Errorf("it has %d characters; the image service keeps at most %d", n, a.Max)
	}
	if a.Kind == JSON {
		var list []any
		if err := json.Unmarshal([]byte(s), &list); err != nil {
			return errors.New("it is no JSON list; write jsonencode([...])")
		}
	}
	if i := strings.IndexAny(s, a.Without); i >= 0 {
		return fmt.Errorf("it has the character %q, which the image service refuses there", s[i])
	}
	return CheckText(s)
}

func quoted(values []string) string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = strconv.Quote(value)
	}
	return strings.Join(all, ", ")
}

func (a *Attribute) offers(s string) bool {
	return slices.ContainsFunc(a.OneOf, func(value string) bool {
		return s == value || (a.Loose && loosely(s) == loosely(value))
	})
}

// CheckNameOn says why a cloud refuses the name of an image; nil if it does not.
func CheckNameOn(c Cloud, name string) error {
	if !c.IMS() {
		return nil
	}
	switch n := utf8.RuneCountInString(name); {
	case n == 0 || n > imsMaxName:
		return fmt.Errorf("the name has %d characters; on %s a name has from 1 to %d", n, c, imsMaxName)
	case !imsName.MatchString(name):
		return fmt.Errorf("the name %s has a character that %s does not allow; a name has %s", quoteStart(name), c, imsNameLetters)
	case strings.HasPrefix(name, " ") || strings.HasSuffix(name, " "):
		return fmt.Errorf("the name %s begins or ends with a blank, which %s does not allow", quoteStart(name), c)
	}
	return nil
}

// CheckTagOn says why a cloud refuses a tag; nil if it does not. A tag of an Image
// Management Service is "key=value", or "key" when the value is empty.
func CheckTagOn(c Cloud, tag string) error {
	if !c.IMS() {
		return nil
	}
	key, value, separated := strings.Cut(tag, "=")
	switch {
	case !imsTagKey.MatchString(key):
		return fmt.Errorf("the key of the tag %s is %q; on %s a tag is \"key\" or \"key=value\", and a key has %s", quoteStart(tag), key, c, imsTagLetters)
	case len(key) > imsMaxTagKey:
		return fmt.Errorf("the key of the tag %s has %d characters; on %s a key has at most %d", quoteStart(tag), len(key), c, imsMaxTagKey)
	case separated && value == "":
		return fmt.Errorf("the tag %s has no value behind the equals sign; write %q", quoteStart(tag), key)
	case !imsTagValue.MatchString(value):
		return fmt.Errorf("the value of the tag %s has a character that %s does not allow; a value has %s", quoteStart(tag), c, imsValueLetters)
	case len(value) > imsMaxTagValue:
		return fmt.Errorf("the value of the tag %s has %d characters; on %s a value has at most %d", quoteStart(tag), len(value), c, imsMaxTagValue)
	}
	return nil
}

// ClashingTags returns two tags that cannot be on the same image of an Image
// Management Service, which has one value for a key; ok is false when there are none.
func ClashingTags(tags []string) (first, second string, ok bool) {
	byKey := map[string]string{}
	for _, tag := range slices.Sorted(slices.Values(tags)) {
		key, _, _ := strings.Cut(tag, "=")
		if other, there := byKey[key]; there {
			return other, tag, true
		}
		byKey[key] = tag
	}
	return "", "", false
}

// CheckPropertyOn says why a key cannot be a property on a cloud; nil if it can.
// A key that the table knows has an argument there, or none.
func CheckPropertyOn(c Cloud, key string) error {
	if !c.IMS() {
		return nil
	}
	if a := byKey[key]; a != nil {
		switch {
		case a.Settable == nil:
			return fmt.Errorf("the property %q cannot be set: %s computes it; leave it out, or set allow_undocumented = true in image_service to send it all the same", key, c)
		case a.Section == IMS:
			return fmt.Errorf("the property %q has an argument of its own: write ims = { %s = ... } beside properties", key, a.Name)
		default:
			return fmt.Errorf("the property %q has an argument of its own: write %s = ... beside properties", key, a.Name)
		}
	}
	if lower := strings.ToLower(key); lower != key {
		return fmt.Errorf("the property %q has an upper-case letter, which %s does not allow in names; write %q", key, c, lower)
	}
	return nil
}

// set says whether an attribute says something: a flag that is false does not.
func (a *Attribute) set(v patch.Value) bool {
	if v == patch.Absent || v == patch.Null {
		return false
	}
	if a.Kind == Flag {
		b, ok := a.AsBool(v)
		return !ok || b
	}
	s, text := v.AsString()
	return !text || s != ""
}

// Exclusion is a pair of attributes that cannot be on the same image.
type Exclusion struct{ First, Second *Attribute }

// Exclusions returns the pairs of attributes on an image that exclude each other.
func Exclusions(d patch.Document) []Exclusion {
	var found []Exclusion
	for i := range Table {
		a := &Table[i]
		if len(a.Excludes) == 0 || !a.set(d[a.Pointer()]) {
			continue
		}
		for _, key := range a.Excludes {
			if b := byKey[key]; b.set(d[b.Pointer()]) {
				found = append(found, Exclusion{a, b})
			}
		}
	}
	return found
}

// Unmet returns the attributes on an image whose condition the image breaks. An
// image that says nothing about the other attribute breaks none.
func Unmet(d patch.Document) []*Attribute {
	var found []*Attribute
	for i := range Table {
		a := &Table[i]
		if a.Needs == nil || !a.set(d[a.Pointer()]) {
			continue
		}
		if is, ok := d[patch.NewPointer(a.Needs.Key)].AsString(); ok && is != a.Needs.Value {
			found = append(found, a)
		}
	}
	return found
}
