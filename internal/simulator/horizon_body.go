package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// need says what a kind of request does with a field.
type need int

const (
	notTaken need = iota
	optional
	required
)

// fieldKind is the JSON type of a field that is not a string.
type fieldKind int

const (
	_ fieldKind = iota
	// detailsField is an object with strings as members.
	detailsField
	// passwordField is a string, or the array of characters of which the vendor's
	// documents speak.
	passwordField
)

// writing is one of the two kinds of requests that bring an object.
type writing int

const (
	onCreate writing = iota
	onUpdate
)

// horizonField is a field of the objects that requests bring.
type horizonField struct {
	name           string
	create, update need
	kind           fieldKind
	// values are those that the field can have; none means any.
	values []releasedValue
	// check returns what is wrong with a text, "" if nothing is.
	check func(release, text string) string
}

func (f horizonField) need(w writing) need {
	if w == onUpdate {
		return f.update
	}
	return f.create
}

// releasedValue is a value and the release that brought it.
type releasedValue struct{ value, since string }

// valuesOf lists values that every release has.
func valuesOf(names string) []releasedValue {
	var out []releasedValue
	for _, name := range strings.Fields(names) {
		out = append(out, releasedValue{value: name})
	}
	return out
}

// horizonValues are the fields of an object.
type horizonValues map[string]any

// text is a field's text, "" if it is absent.
func (v horizonValues) text(name string) string {
	text, _ := v[name].(string)
	return text
}

// errNotMapped is the error of a body that is not of the documented form.
func errNotMapped(why string) *horizonError {
	return invalid("common.json.not.mapped", "The request body cannot be mapped: %s.", why)
}

// decodeBody reads the one JSON value that a body has to be.
func (rq *horizonRequest) decodeBody() (any, *horizonError) {
	contentType, _, err := mime.ParseMediaType(rq.r.Header.Get("Content-Type"))
	if err != nil || contentType != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "common.media.type.not.supported",
			"Content type '%s' not supported", rq.r.Header.Get("Content-Type"))
	}
	decoder := json.NewDecoder(bytes.NewReader(rq.body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, errNotMapped("it is not JSON")
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errNotMapped("something follows the JSON value")
	}
	return value, nil
}

// readObject reads the object that a body has to be.
func (rq *horizonRequest) readObject(fields []horizonField, w writing) (horizonValues, *horizonError) {
	value, refused := rq.decodeBody()
	if refused != nil {
		return nil, refused
	}
	return rq.mapObject(value, fields, w)
}

// mapObject holds a decoded value against the fields of a request, and says all
// that is wrong with it at once.
func (rq *horizonRequest) mapObject(value any, fields []horizonField, w writing) (horizonValues, *horizonError) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errNotMapped("it is not an object")
	}
	out := horizonValues{}
	var problems []horizonMessage
	for _, f := range fields {
		given := object[f.name]
		delete(object, f.name)
		switch {
		case f.need(w) == notTaken && given == nil:
			continue
		case f.need(w) == notTaken:
			problems = append(problems, rq.unknownField(f.name)...)
			continue
		case given == nil && f.need(w) == required:
			problems = append(problems, message("common.field.required", "Field %s is required.", f.name))
			continue
		case given == nil:
			continue
		}
		mapped, why := rq.mapField(f, given)
		if why != "" {
			problems = append(problems, message("common.field.invalid", "Field %s is not valid: %s.", f.name, why))
		}
		out[f.name] = mapped
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		problems = append(problems, rq.unknownField(name)...)
	}
	if len(problems) > 0 {
		return nil, &horizonError{http.StatusBadRequest, problems}
	}
	return out, nil
}

// unknownField is the objection to a field that the request does not have.
func (rq *horizonRequest) unknownField(name string) []horizonMessage {
	if rq.sim.assumption(assumeUnknownFields) == "ignored" {
		return nil
	}
	return []horizonMessage{message("common.field.unknown", "Field %s is not known.", name)}
}

// mapField converts a given value, and says what is wrong with it.
func (rq *horizonRequest) mapField(f horizonField, given any) (any, string) {
	switch f.kind {
	case detailsField:
		return mapDetails(given)
	case passwordField:
		return rq.mapPassword(given)
	}
	text, ok := given.(string)
	if !ok {
		return nil, "it is not a string"
	}
	if !f.has(rq.release, text) {
		return nil, "it is none of the values that it can have"
	}
	if f.check != nil {
		return text, f.check(rq.release, text)
	}
	return text, ""
}

func (f horizonField) has(release, text string) bool {
	return len(f.values) == 0 || slices.ContainsFunc(f.values, func(v releasedValue) bool {
		return v.value == text && v.since <= release
	})
}

func mapDetails(given any) (any, string) {
	object, ok := given.(map[string]any)
	if !ok {
		return nil, "it is not an object"
	}
	details := map[string]string{}
	for name, value := range object {
		text, ok := value.(string)
		if !ok {
			return nil, "member " + name + " is not a string"
		}
		details[name] = text
	}
	return details, ""
}

// mapPassword reads a password in the assumed form.
func (rq *horizonRequest) mapPassword(given any) (any, string) {
	if text, ok := given.(string); ok && rq.sim.assumption(assumePassword) == "string" {
		return text, ""
	}
	characters, ok := given.([]any)
	if !ok || rq.sim.assumption(assumePassword) != "array" {
		return nil, fmt.Sprintf("it cannot be mapped to %s", rq.sim.assumption(assumePassword))
	}
	var password strings.Builder
	for _, c := range characters {
		text, ok := c.(string)
		if !ok || utf8.RuneCountInString(text) != 1 {
			return nil, "it is not an array of characters"
		}
		password.WriteString(text)
	}
	return password.String(), ""
}

var (
	plainName  = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	dottedName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)
)

func checkName(_, text string) string {
	if !plainName.MatchString(text) {
		return "it is not of 1 to 64 letters, digits, underscores and hyphens"
	}
	return ""
}

// checkVersionName is the rule for the names of versions, in which the documents
// of two releases do not allow dots.
func checkVersionName(release, text string) string {
	if release >= releasePatterns && release < releaseLists {
		return checkName(release, text)
	}
	if !dottedName.MatchString(text) {
		return "it is not of 1 to 64 letters, digits, underscores, dots and hyphens"
	}
	return ""
}

func checkCatalogueText(_, text string) string {
	if utf8.RuneCountInString(text) > 1024 {
		return "it is longer than 1024 characters"
	}
	return ""
}
