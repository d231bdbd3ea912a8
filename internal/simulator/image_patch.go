package simulator

import (
	"errors"
	"net/http"
	"strings"
)

// The two media types of a patch. Glance calls them after the JSON Patch drafts
// that they follow, 4 and 10.
const (
	mediaTypeV20 = "application/openstack-images-v2.0-json-patch"
	mediaTypeV21 = "application/openstack-images-v2.1-json-patch"
)

// dialect is the form of a patch's operations.
type dialect int

const (
	dialectV20 dialect = iota // {"replace": "/name", "value": ...}
	dialectV21                // {"op": "replace", "path": "/name", "value": ...}
)

// change is one operation of a patch after deserialization.
type change struct {
	op      string
	path    []string
	value   any
	dialect dialect
}

var supportedOperations = []string{"add", "remove", "replace"}

const operationNames = "add, remove, replace"

// readOnlyAttributes may never be written.
var readOnlyAttributes = nameSet("created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url",
	"self", "file", "schema", "id", "os_hash_algo", "os_hash_value")

// reservedAttributes are names that Glance keeps for itself.
var reservedAttributes = nameSet("location", "deleted", "deleted_at")

// reservedPrefix starts the names of the service's own properties, with or
// without an underscore after it.
const reservedPrefix = "os_glance"

func nameSet(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

func reservedName(name string) bool {
	return reservedAttributes[name] || strings.HasPrefix(name, reservedPrefix)
}

// mediaType returns the media type of a request without its parameters, in the
// spelling that was sent: Glance compares it exactly.
func mediaType(header http.Header) string {
	value := header.Get("Content-Type")
	if value == "" {
		return "text/plain"
	}
	bare, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(bare)
}

// patchDialect finds the dialect of a PATCH, or the 415 that names the two.
func patchDialect(header http.Header) (dialect, *apiError) {
	switch mediaType(header) {
	case mediaTypeV20:
		return dialectV20, nil
	case mediaTypeV21:
		return dialectV21, nil
	default:
		e := bare(http.StatusUnsupportedMediaType)
		e.header = http.Header{"Accept-Patch": {mediaTypeV20 + ", " + mediaTypeV21}}
		return 0, e
	}
}

// deserializeBody reads the JSON body of a request. Only lists and objects are
// bodies to Glance.
func deserializeBody(body []byte) (any, *apiError) {
	if len(body) == 0 {
		return nil, explain(400, "Body expected in request.")
	}
	v, err := parseJSON(body)
	if errors.Is(err, errJSONTooDeep) {
		return nil, bare(500)
	}
	if err != nil {
		return nil, explain(400, "Malformed JSON in request body.")
	}
	switch v.(type) {
	case []any, *jsonObject:
		return v, nil
	default:
		return nil, explain(400, "Unexpected body type. Expected list/dict.")
	}
}

// deserializePatch turns the body of a PATCH into changes. The whole list is
// checked before anything is looked up, and the first fault in the list's order
// is the one reported.
func deserializePatch(body any, form dialect) ([]change, *apiError) {
	list, ok := body.([]any)
	if !ok {
		return nil, explain(400, "Request body must be a JSON array of operation objects.")
	}
	changes := make([]change, 0, len(list))
	for _, raw := range list {
		object, ok := raw.(*jsonObject)
		if !ok {
			return nil, explain(400, "Operations must be JSON objects.")
		}
		c, fault := deserializeChange(object, form)
		if fault != nil {
			return nil, fault
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func deserializeChange(raw *jsonObject, form dialect) (change, *apiError) {
	c := change{dialect: form}
	var pointer any
	var fault *apiError
	if form == dialectV21 {
		c.op, pointer, fault = operationV21(raw)
	} else {
		c.op, pointer, fault = operationV20(raw)
	}
	if fault != nil {
		return c, fault
	}
	text, ok := pointer.(string)
	if !ok {
		// Glance calls a string's method on whatever stands here.
		return c, bare(500)
	}
	if c.path, fault = decodePointer(text); fault != nil {
		return c, fault
	}
	if fault = checkDepth(c.op, c.path); fault != nil {
		return c, fault
	}
	if c.op != "remove" {
		if c.value, ok = raw.get("value"); !ok {
			return c, explainf(400, `Operation "%s" requires a member named "value".`, c.op)
		}
	}
	return c, checkChange(c)
}

func operationV21(raw *jsonObject) (string, any, *apiError) {
	op, _ := raw.get("op")
	if op == nil {
		return "", nil, explain(400, "Unable to find `op` in JSON Schema change. It must be one of the following: "+operationNames+".")
	}
	name, _ := op.(string)
	if name != "add" && name != "remove" && name != "replace" {
		return "", nil, explainf(400, "Invalid operation: `%s`. It must be one of the following: %s.", pythonStr(op), operationNames)
	}
	pointer, ok := raw.get("path")
	if !ok {
		return "", nil, explain(400, "Unable to find 'path' in JSON Schema change")
	}
	return name, pointer, nil
}

func operationV20(raw *jsonObject) (string, any, *apiError) {
	op := ""
	for _, name := range supportedOperations {
		if _, ok := raw.get(name); !ok {
			continue
		}
		if op != "" {
			return "", nil, explain(400, `Operation objects must contain only one member named "add", "remove", or "replace".`)
		}
		op = name
	}
	if op == "" {
		return "", nil, explain(400, `Operation objects must contain exactly one member named "add", "remove", or "replace".`)
	}
	return op, raw.members[op], nil
}

// decodePointer splits a pointer into its tokens. Unlike RFC 6901 it takes away
// the slashes at the front and the white space around each token, so "//foo"
// and "/ foo " both mean foo, and "/" means the property without a name.
func decodePointer(pointer string) ([]string, *apiError) {
	switch {
	case !strings.HasPrefix(pointer, "/"):
		return nil, explainf(400, "Pointer `%s` does not start with \"/\".", pointer)
	case hasAdjacentSlashes(pointer[1:]):
		return nil, explainf(400, "Pointer `%s` contains adjacent \"/\".", pointer)
	case len(pointer) > 1 && strings.HasSuffix(pointer, "/"):
		return nil, explainf(400, "Pointer `%s` end with \"/\".", pointer)
	case pythonStrip(pointer[1:]) == "/":
		return nil, explainf(400, "Pointer `%s` does not contains valid token.", pointer)
	case hasLoneTilde(pointer):
		return nil, explainf(400, "Pointer `%s` contains \"~\" not part of a recognized escape sequence.", pointer)
	}
	tokens := strings.Split(strings.TrimLeft(pointer, "/"), "/")
	for i, token := range tokens {
		token = strings.ReplaceAll(token, "~1", "/")
		tokens[i] = pythonStrip(strings.ReplaceAll(token, "~0", "~"))
	}
	return tokens, nil
}

// hasAdjacentSlashes finds two slashes with nothing but white space between.
func hasAdjacentSlashes(s string) bool {
	open := false
	for _, r := range s {
		switch {
		case r == '/' && open:
			return true
		case r == '/':
			open = true
		case !isPythonSpace(r):
			open = false
		}
	}
	return false
}

func hasLoneTilde(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '~' && (i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1') {
			return true
		}
	}
	return false
}

// checkDepth allows one token, or a location's position as the second.
func checkDepth(op string, path []string) *apiError {
	want := 1
	if path[0] == "locations" && op != "replace" {
		want = 2
	}
	if len(path) != want {
		return explainf(400, "Invalid JSON pointer for this resource: '/%s'", strings.Join(path, "/"))
	}
	return nil
}

// checkChange refuses what no caller may write and validates the value alone
// against the schema.
func checkChange(c change) *apiError {
	name := c.path[0]
	if readOnlyAttributes[name] {
		return explainf(403, "Attribute '%s' is read-only.", name)
	}
	if reservedName(name) {
		return explainf(403, "Attribute '%s' is reserved.", name)
	}
	if c.op == "remove" {
		return nil
	}
	value := c.value
	if len(c.path) > 1 {
		value = []any{c.value}
	}
	partial := newJSONObject()
	partial.set(name, value)
	return validateImage(partial)
}
