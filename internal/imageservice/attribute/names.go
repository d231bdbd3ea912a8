package attribute

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// unsettable are the members of an image that a patch cannot change, with what
// to say about each. Source: the lists of read-only and reserved names in
// Glance's image controller, and patches of every name measured on Glance 25.1.
var unsettable = map[string]string{
	"id": readOnly, "status": readOnly, "checksum": readOnly, "size": readOnly, "virtual_size": readOnly,
	"created_at": readOnly, "updated_at": readOnly, "direct_url": readOnly, "self": readOnly, "file": readOnly,
	"schema": readOnly, "os_hash_algo": readOnly, "os_hash_value": readOnly, "stores": readOnly,
	"location": reserved, "deleted": reserved, "deleted_at": reserved,
	"owner":            "the owner of an image is changed by an administrator, not by its metadata; leave it out",
	"locations":        "the locations of an image are its data, not its metadata; leave it out",
	"container_format": "the image service changes it only before the image has data; leave it out",
	"disk_format":      "the image service changes it only before the image has data; leave it out",
}

const (
	readOnly = "the image service computes it, and refuses to have it written; leave it out"
	reserved = "the image service keeps the name for itself, and refuses to have it written; leave it out"
)

// swallowed are names that Glance accepts with status 200 and does not store,
// answers with status 500, or (image_id) with 404, because its image object has
// a Python member of that name. Every name was patched on Glance 25.1. Names
// with two underscores on both sides are refused as a whole: which of them
// Python objects have differs from release to release.
var swallowed = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`
		_abc_impl _format_image_send _format_import_properties _get_chunk_data_iterator
		base context deactivate delete extra_properties get_data get_payload get_super_class helper image_id
		member notifier reactivate repo send_notification set_data`) {
		m[name] = true
	}
	return m
}()

func isSwallowed(name string) bool {
	return swallowed[name] || (len(name) > 4 && strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__"))
}

// CheckProperty says why a key cannot be a property; nil if it can.
func CheckProperty(key string) error {
	if a := ByKey(key); a != nil && a.Core {
		return fmt.Errorf("the property %q has an argument of its own: write %s = ... beside properties", key, a.Name)
	}
	if key == "tags" {
		return fmt.Errorf("the property %q has an argument of its own: write tags = [...] beside properties", key)
	}
	if why := unsettable[key]; why != "" {
		return fmt.Errorf("the property %q cannot be set: %s", key, why)
	}
	if strings.HasPrefix(key, "os_glance") {
		return fmt.Errorf("the property %q cannot be set: %s (all names that start with os_glance)", key, reserved)
	}
	if isSwallowed(key) {
		return fmt.Errorf("the property %q cannot be set: the image service answers as if it had stored a property of this name, or with an internal error, "+
			"and stores nothing, because such names are internal ones of the service; choose another", key)
	}
	if err := patch.CheckImageKey(key); err != nil {
		return fmt.Errorf("%w; choose another name", err)
	}
	if n := utf8.RuneCountInString(key); n > MaxName {
		return fmt.Errorf("the name %s... has %d characters; the image service keeps at most %d", quoteStart(key), n, MaxName)
	}
	return CheckText(key)
}

// CheckText says why the image service cannot store a text: it keeps no
// characters beyond the Basic Multilingual Plane (4 bytes in UTF-8).
func CheckText(s string) error {
	for _, r := range s {
		if r > 0xffff {
			return fmt.Errorf("the text %s has the four-byte character %q (U+%04X), which the image service cannot store; leave it out", quoteStart(s), r, r)
		}
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("the text %s is not valid UTF-8", quoteStart(s))
	}
	return nil
}

// CheckTag says why the image service cannot store a tag.
func CheckTag(tag string) error {
	if n := utf8.RuneCountInString(tag); n > MaxName {
		return fmt.Errorf("the tag %s... has %d characters; the image service keeps at most %d", quoteStart(tag), n, MaxName)
	}
	return CheckText(tag)
}

// quoteStart quotes the start of a text that may be long.
func quoteStart(s string) string {
	const shown = 40
	runes := []rune(s)
	if len(runes) > shown {
		return fmt.Sprintf("%q", string(runes[:shown]))
	}
	return fmt.Sprintf("%q", s)
}

// Changeable returns the part of a document that somebody may want to change. The
// rest, such as checksums and dates, is no small part of an image, and nothing is
// ever planned about it.
func Changeable(d patch.Document) patch.Document {
	part := make(patch.Document, len(d))
	for p, v := range d {
		if key, ok := p.Key(); ok && (unsettable[key] != "" || strings.HasPrefix(key, "os_glance")) {
			continue
		}
		part[p] = v
	}
	return part
}

// Properties counts the custom properties of an image as its quota does.
func Properties(d patch.Document) int {
	n := 0
	for p := range d {
		if key, ok := p.Key(); ok && !isCore(key) && !strings.HasPrefix(key, "os_glance") {
			n++
		}
	}
	return n
}
