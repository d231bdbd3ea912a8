package simulator

import (
	_ "embed" // Holds the schema of an image.
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
)

// imageSchemaText is the answer of GET /v2/schemas/image: the 25 attributes of
// Glance 25.1 and the nine that Debian's schema-image.json adds. Types, limits
// and patterns are Glance's; the descriptions are the simulator's own.
//
//go:embed image_schema.json
var imageSchemaText []byte

// imageSchema validates images and single attributes of images.
var imageSchema = mustSchema(imageSchemaText)

// mustSchema reads a schema that is built in. It runs when the program starts, so
// that a broken file ends every test and every start, and no request.
func mustSchema(text []byte) *jsonObject {
	v, err := parseJSON(text)
	if err != nil {
		panic("simulator: a schema is not JSON: " + err.Error())
	}
	return as[*jsonObject](v)
}

// imagePropertyDefined tells whether the schema names the attribute, so that it
// may be null there.
func imagePropertyDefined(name string) bool {
	properties := as[*jsonObject](imageSchema.members["properties"])
	_, ok := properties.get(name)
	return ok
}

// validateImage checks an image, or a part of one, and returns the 400 that
// Glance answers, whose text is the one of Python's jsonschema 4.10.
func validateImage(instance any) *apiError {
	var v schemaValidator
	v.check(instance, imageSchema, nil, nil)
	if v.best == nil {
		return nil
	}
	return explain(400, "Provided object does not match schema 'image': "+v.best.text())
}

// schemaError is one violation of a schema.
type schemaError struct {
	message    string
	keyword    string
	schema     *jsonObject
	instance   any
	schemaPath []any
	path       []any
}

func (e *schemaError) text() string {
	const width = 72
	pad := func(s string) string { return strings.ReplaceAll(s, "\n", "\n    ") }
	return fmt.Sprintf("%s\n\nFailed validating %s in schema%s:\n    %s\n\nOn instance%s:\n    %s",
		e.message, pythonRepr(e.keyword), indexText(e.schemaPath), pad(pythonPretty(e.schema, width)),
		indexText(e.path), pad(pythonPretty(e.instance, width)))
}

// indexText writes a path the way Python indexes a container.
func indexText(path []any) string {
	var b strings.Builder
	for _, step := range path {
		if i, ok := step.(int); ok {
			fmt.Fprintf(&b, "[%d]", i)
			continue
		}
		b.WriteString("[" + pythonRepr(step) + "]")
	}
	return b.String()
}

// schemaValidator keeps the violation that jsonschema reports: the first one of
// those nearest to the root.
type schemaValidator struct {
	best *schemaError
}

func (v *schemaValidator) report(e schemaError) {
	if v.best == nil || len(e.path) < len(v.best.path) {
		v.best = &e
	}
}

func below(path []any, steps ...any) []any {
	return append(append([]any(nil), path...), steps...)
}

// check runs the keywords of a schema in the order in which they stand there.
func (v *schemaValidator) check(instance any, schema *jsonObject, schemaPath, path []any) {
	fail := func(keyword, format string, args ...any) {
		v.report(schemaError{
			message: fmt.Sprintf(format, args...), keyword: keyword, schema: schema,
			instance: instance, schemaPath: schemaPath, path: path,
		})
	}
	text, isString := instance.(string)
	object, isObject := instance.(*jsonObject)
	for _, keyword := range schema.keys {
		switch want := schema.members[keyword]; keyword {
		case "type":
			if names := typeNames(want); !hasAnyType(instance, names) {
				fail(keyword, "%s is not of type %s", pythonRepr(instance), reprList(names))
			}
		case "enum":
			if !inEnum(instance, as[[]any](want)) {
				fail(keyword, "%s is not one of %s", pythonRepr(instance), pythonRepr(want))
			}
		case "pattern":
			if isString && !pythonPattern(as[string](want)).MatchString(text) {
				fail(keyword, "%s does not match %s", pythonRepr(instance), pythonRepr(want))
			}
		case "maxLength":
			if isString && len(codePoints(text)) > intOf(want) {
				fail(keyword, "%s is too long", pythonRepr(instance))
			}
		case "minLength":
			if isString && len(codePoints(text)) < intOf(want) {
				fail(keyword, "%s is too short", pythonRepr(instance))
			}
		case "items":
			list, _ := instance.([]any)
			for i, e := range list {
				v.check(e, as[*jsonObject](want), below(schemaPath, keyword), below(path, i))
			}
		case "properties":
			if !isObject {
				continue
			}
			properties := as[*jsonObject](want)
			for _, name := range properties.keys {
				if e, ok := object.get(name); ok {
					v.check(e, as[*jsonObject](properties.members[name]), below(schemaPath, keyword, name), below(path, name))
				}
			}
		case "additionalProperties":
			if !isObject {
				continue
			}
			extra := undefinedMembers(object, schema)
			if open, ok := want.(*jsonObject); ok {
				for _, name := range extra {
					v.check(object.members[name], open, below(schemaPath, keyword), below(path, name))
				}
				continue
			}
			if len(extra) > 0 {
				verb := "was"
				if len(extra) > 1 {
					verb = "were"
				}
				fail(keyword, "Additional properties are not allowed (%s %s unexpected)", reprList(extra), verb)
			}
		case "required":
			if !isObject {
				continue
			}
			for _, name := range as[[]any](want) {
				if _, ok := object.get(as[string](name)); !ok {
					fail(keyword, "%s is a required property", pythonRepr(name))
				}
			}
		}
	}
}

func undefinedMembers(object, schema *jsonObject) []string {
	defined, _ := schema.members["properties"].(*jsonObject)
	var extra []string
	for _, name := range object.keys {
		if defined != nil {
			if _, ok := defined.get(name); ok {
				continue
			}
		}
		extra = append(extra, name)
	}
	return extra
}

func reprList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = pythonRepr(n)
	}
	return strings.Join(quoted, ", ")
}

func typeNames(want any) []string {
	if one, ok := want.(string); ok {
		return []string{one}
	}
	var names []string
	for _, n := range as[[]any](want) {
		names = append(names, as[string](n))
	}
	return names
}

func hasAnyType(v any, names []string) bool {
	for _, name := range names {
		if hasType(v, name) {
			return true
		}
	}
	return false
}

// hasType is jsonschema's type check: a float without a fraction is an integer,
// a boolean is not.
func hasType(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case *big.Int:
		return name == "integer"
	case float64:
		return name == "integer" && !math.IsInf(v, 0) && v == math.Trunc(v)
	case string:
		return name == "string"
	case []any:
		return name == "array"
	default:
		return name == "object"
	}
}

func inEnum(v any, allowed []any) bool {
	for _, a := range allowed {
		switch a := a.(type) {
		case nil:
			if v == nil {
				return true
			}
		case string:
			if s, ok := v.(string); ok && s == a {
				return true
			}
		}
	}
	return false
}

func intOf(v any) int { return int(as[*big.Int](v).Int64()) }

var idPattern = regexp.MustCompile(`^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}\n?$`)

// pythonPattern compiles a pattern of the schema, of which there is one. In
// Python a final $ also matches before a last line break. Another pattern can
// only come with a change of the built-in file, and shows at the first start.
func pythonPattern(pattern string) *regexp.Regexp {
	if strings.TrimSuffix(pattern, "$")+`\n?$` == idPattern.String() {
		return idPattern
	}
	panic("simulator: a schema has an unknown pattern " + pattern)
}
