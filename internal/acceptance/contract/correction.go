package contract

import (
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// correction puts right what is known to be wrong in the documents.
type correction struct {
	// why is what speaks against the document.
	why string
	// releases are those whose document is wrong; none means all.
	releases []string
	apply    func(document *openapi3.T)
}

// corrections are the known errors of the documents. Two more need no
// correction, since neither is read here: the server address of 2406 is an
// example without /rest, and the document of 2306 calls itself 2303.
var corrections = []correction{
	{
		why: "The password is documented as an array of strings, as a Java char[] is described; the vendor's Getting Started guide " +
			"and every client send a string.",
		apply: func(document *openapi3.T) {
			login := document.Components.Schemas["AuthLogin"].Value
			login.Properties["password"] = openapi3.NewAnyOfSchema(openapi3.NewStringSchema(), login.Properties["password"].Value).NewRef()
		},
	},
	{
		why: "Patterns are those of Java's validation, which match the whole value, where OpenAPI's match a part of it; and the engine " +
			"here cannot repeat 1024 times.",
		apply: func(document *openapi3.T) { eachSchema(document, matchWhole) },
	},
	{
		why:      "An asset is documented with a template and with a VM and a snapshot at the same time, of which it has one.",
		releases: []string{"2012", "2106"},
		apply: func(document *openapi3.T) {
			asset := document.Components.Schemas["ImageManagementAssetInfo"].Value
			asset.Required = slices.DeleteFunc(asset.Required, func(name string) bool {
				return slices.Contains([]string{"base_vm_id", "base_snapshot_id", "vm_template_id"}, name)
			})
		},
	},
}

// anyText1024 is the pattern of descriptions: any text of 1024 characters.
const anyText1024 = `[\S\s]{0,1024}`

func matchWhole(schema *openapi3.Schema) {
	switch schema.Pattern {
	case "":
	case anyText1024:
		limit := uint64(1024)
		schema.Pattern, schema.MaxLength = "", &limit
	default:
		schema.Pattern = "^(?:" + schema.Pattern + ")$"
	}
}

// foreignStatuses come from what stands before the server, or from its limit of
// requests, which 2406 is the first to document.
var foreignStatuses = []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// undocumented are the statuses that operations answer with though their
// documents do not list them.
var undocumented = []struct {
	why    string
	method string
	// path tells whether it holds for a path of the document.
	path   func(path string) bool
	status int
}{
	{
		why: "The guide on pagination, filters and sorting answers 400 to a page past the end, and to what a list cannot be filtered " +
			"or sorted by; most lists do not name it.",
		method: http.MethodGet, path: isList, status: http.StatusBadRequest,
	},
	{
		why:    "The View API refuses the deletion of what is in use with EntityInUse, whose status no document names.",
		method: http.MethodDelete, path: func(path string) bool { return strings.HasPrefix(path, "/config/v1/im-") }, status: http.StatusConflict,
	},
	{
		why:    "Clients of the cancellation of a push receive 400 (BAD_REQUEST), which no document lists, nor those of 2012 and 2106 for that of a task.",
		method: http.MethodPost, path: isCancel, status: http.StatusBadRequest,
	},
	{
		why:    "Only 400 and 500 are documented for a refresh token that is not accepted.",
		method: http.MethodPost, path: func(path string) bool { return path == "/refresh" || path == "/logout" }, status: http.StatusUnauthorized,
	},
}

func isList(path string) bool { return !strings.HasSuffix(path, "}") }

func undocumentedStatus(method, path string, status int) bool {
	for _, u := range undocumented {
		if u.method == method && u.status == status && u.path(path) {
			return true
		}
	}
	return false
}

func isCancel(path string) bool {
	return strings.HasSuffix(path, "/action/cancel-scheduled-push-image") || strings.HasSuffix(path, "/tasks/{taskId}/action/cancel")
}
