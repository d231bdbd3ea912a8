package simulator

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// maxIMSTags is how many tags an image may have (both vendors' pages of the tag
// API).
const maxIMSTags = 10

// The forms of tags ("Image Tag Data Formats" of both vendors). A native tag is a
// key without a value.
var (
	imsTagKey    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,36}$`)
	imsTagValue  = regexp.MustCompile(`^[A-Za-z0-9_.-]{0,43}$`)
	imsNativeTag = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
)

func (t imsTag) valid() bool { return imsTagKey.MatchString(t.Key) && imsTagValue.MatchString(t.Value) }

// deletable is the weaker rule for tags that are deleted in a batch: any
// characters, within these lengths.
func (t imsTag) deletable() bool {
	return t.Key != "" && len([]rune(t.Key)) <= 127 && len([]rune(t.Value)) <= 255
}

// readTag reads a tag of a request; outer blanks are dropped. The value may be
// missing where it is optional.
func readTag(value any, valueOptional bool) (imsTag, bool) {
	object, ok := value.(*jsonObject)
	if !ok {
		return imsTag{}, false
	}
	key, ok := text(object, "key")
	if !ok {
		return imsTag{}, false
	}
	tag := imsTag{Key: strings.Trim(key, " ")}
	content, given := object.get("value")
	if !given {
		return tag, valueOptional
	}
	tag.Value, ok = content.(string)
	tag.Value = strings.Trim(tag.Value, " ")
	return tag, ok
}

// object reads the body of a request, which is a JSON object.
func (rq *imsRequest) object() (*jsonObject, refusal) {
	if len(rq.body) == 0 {
		return nil, imsError(imsEmptyBody)
	}
	value, err := parseJSON(rq.body)
	object, ok := value.(*jsonObject)
	if err != nil || !ok || mediaType(rq.r.Header) != "application/json" {
		return nil, imsError(imsMalformed)
	}
	return object, nil
}

// ofProject refuses a path whose project is not the one of the caller.
func (rq *imsRequest) ofProject(id string) refusal {
	if id != rq.caller.project {
		return imsError(imsWrongProject)
	}
	return nil
}

// writeTags changes the tags of an image. Unlike a patch it leaves attributes
// that others write meanwhile as they are.
func (rq *imsRequest) writeTags(id string, change func(tags []imsTag) ([]imsTag, refusal)) refusal {
	stored, refused := rq.lookupToWrite(id)
	if refused != nil {
		return refused
	}
	tags, refused := change(slices.Clone(stored.tags))
	if refused != nil {
		return refused
	}
	if len(tags) > maxIMSTags {
		return imsError(imsTagQuota)
	}
	rq.hold(rq.r.Context())
	st := rq.store
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.images[id] == nil {
		return rq.notFound(id)
	}
	if rq.write == writeStored {
		next := st.images[id].clone()
		next.tags, next.updated = tags, rq.sim.clock.now()
		st.images[id] = next
	}
	rq.w.WriteHeader(http.StatusNoContent)
	return nil
}

// tagAction adds or deletes tags in a batch. Both are idempotent: a key that is
// there gets the new value, one that is not counts as deleted.
func (rq *imsRequest) tagAction(arguments []string) refusal {
	if refused := rq.ofProject(arguments[0]); refused != nil {
		return refused
	}
	body, refused := rq.object()
	if refused != nil {
		return refused
	}
	action, _ := text(body, "action")
	content, _ := body.get("tags")
	list, ok := content.([]any)
	if !ok || len(list) == 0 || action != "create" && action != "delete" {
		return imsError(imsMalformed)
	}
	var tags []imsTag
	keys := map[string]bool{}
	for _, element := range list {
		tag, ok := readTag(element, action == "delete")
		if !ok || keys[tag.Key] || action == "create" && !tag.valid() || !tag.deletable() {
			return imsError(imsTagInvalid)
		}
		keys[tag.Key] = true
		tags = append(tags, tag)
	}
	return rq.writeTags(arguments[1], func(stored []imsTag) ([]imsTag, refusal) {
		if action == "delete" {
			return slices.DeleteFunc(stored, func(t imsTag) bool { return keys[t.Key] }), nil
		}
		for _, tag := range tags {
			stored = setTag(stored, tag)
		}
		return stored, nil
	})
}

// addTag adds one tag, or gives its key another value.
func (rq *imsRequest) addTag(arguments []string) refusal {
	if refused := rq.ofProject(arguments[0]); refused != nil {
		return refused
	}
	body, refused := rq.object()
	if refused != nil {
		return refused
	}
	content, _ := body.get("tag")
	tag, ok := readTag(content, false)
	if !ok || !tag.valid() {
		return imsError(imsTagInvalid)
	}
	return rq.writeTags(arguments[1], func(stored []imsTag) ([]imsTag, refusal) { return setTag(stored, tag), nil })
}

// removeTag deletes one tag, which has to be there.
func (rq *imsRequest) removeTag(arguments []string) refusal {
	if refused := rq.ofProject(arguments[0]); refused != nil {
		return refused
	}
	return rq.writeTags(arguments[1], func(stored []imsTag) ([]imsTag, refusal) {
		kept := slices.DeleteFunc(stored, func(t imsTag) bool { return t.Key == arguments[2] })
		if len(kept) == len(stored) {
			return nil, imsErrorWith(http.StatusNotFound, imsObjectUnknown)
		}
		return kept, nil
	})
}

func (rq *imsRequest) showTags(arguments []string) refusal {
	if refused := rq.ofProject(arguments[0]); refused != nil {
		return refused
	}
	i, refused := rq.lookup(arguments[1])
	if refused != nil {
		return refused
	}
	tags := append([]imsTag{}, i.tags...)
	writeJSON(rq.w, rq.r, http.StatusOK, map[string]any{"tags": tags})
	return nil
}

// putNativeTag adds a tag that is a key alone. A key that is there keeps its
// value.
func (rq *imsRequest) putNativeTag(arguments []string) refusal {
	if !imsNativeTag.MatchString(arguments[1]) {
		return imsError(imsTagInvalid)
	}
	return rq.writeTags(arguments[0], func(stored []imsTag) ([]imsTag, refusal) {
		if slices.ContainsFunc(stored, func(t imsTag) bool { return t.Key == arguments[1] }) {
			return stored, nil
		}
		return append(stored, imsTag{Key: arguments[1]}), nil
	})
}

// deleteNativeTag deletes a key with its value.
func (rq *imsRequest) deleteNativeTag(arguments []string) refusal {
	return rq.writeTags(arguments[0], func(stored []imsTag) ([]imsTag, refusal) {
		kept := slices.DeleteFunc(stored, func(t imsTag) bool { return t.Key == arguments[1] })
		if len(kept) == len(stored) {
			return nil, bare(http.StatusNotFound)
		}
		return kept, nil
	})
}
