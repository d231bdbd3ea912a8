package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxParsedBytes bounds the bodies that are parsed for a message or for secrets. No refusal is that long.
	maxParsedBytes = 1 << 20

	// maxDepth bounds how deep in an answer a message is looked for.
	maxDepth = 6

	maxIDText = 100
)

// APIError is an answer that refuses a request. Its texts are cleaned (see CleanText) and hold no credential of the request.
type APIError struct {
	Method string

	// Path is the URL's path, without the query.
	Path string

	StatusCode int

	// Code is the service's own code, such as "IMG.0035", "APIGW.0301" or Horizon's error_key. It is empty when the
	// service only repeats the HTTP status there, as Glance and Keystone do.
	Code string

	// Message is what the service says, at most 500 characters. It is empty when it says nothing.
	Message string

	// RequestID is what the operator of the service finds the request by in its logs. It may be empty.
	RequestID string

	// Attempts is Response.Attempts.
	Attempts int
}

// Error is one line: the request, the status, the message, and what identifies the refusal.
func (e *APIError) Error() string {
	text := fmt.Sprintf("%s %s: %s", e.Method, e.Path, statusText(e.StatusCode))
	if e.Message != "" {
		text += ": " + e.Message
	}
	var notes []string
	if e.Code != "" {
		notes = append(notes, "code "+e.Code)
	}
	if e.RequestID != "" {
		notes = append(notes, "request id "+e.RequestID)
	}
	if e.Attempts > 1 {
		notes = append(notes, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	return text
}

// NewAPIError reads what a service says in an answer, in the forms of Glance, Keystone, IMS, Huawei Cloud's API gateway and
// Horizon, and in those of proxies in between. It serves for any status: an answer with 200 that is a proxy's login page, too.
func NewAPIError(r Request, resp *Response) *APIError {
	u, err := url.Parse(r.URL)
	if err != nil {
		u = &url.URL{}
	}
	hide := newHiding(u, r.Header, r.Body, slices.Concat(r.Secrets, resp.secrets))
	// Before cleaning, since it may split a secret, and after it, since it may put one together.
	clean := func(s string, characters int) string { return cut(hide.text(cleanLine(hide.text(s))), characters) }

	refusal := readRefusal(resp, hide)
	e := &APIError{
		Method:     r.Method,
		Path:       clean(u.EscapedPath(), maxText),
		StatusCode: resp.StatusCode,
		Code:       clean(refusal.code, maxIDText),
		Message:    clean(refusal.message, maxText),
		RequestID:  clean(requestID(resp.Header), maxIDText),
		Attempts:   resp.Attempts,
	}
	if e.RequestID == "" {
		e.RequestID = clean(refusal.requestID, maxIDText)
	}
	if strings.HasPrefix(e.Code, strconv.Itoa(e.StatusCode)) {
		e.Code = ""
	}
	return e
}

// requestID reads the header that the services name a request by.
func requestID(header http.Header) string {
	for _, name := range []string{"X-Openstack-Request-Id", "X-Request-Id", "X-Compute-Request-Id"} {
		if id := cleanLine(header.Get(name)); id != "" {
			return id
		}
	}
	return ""
}

type refusal struct{ code, message, requestID string }

func readRefusal(resp *Response, hide hiding) refusal {
	body := bytes.TrimSpace(resp.Body)
	switch {
	case len(body) == 0:
		return refusal{}
	case isHTML(resp.Header, body):
		return refusal{message: htmlMessage(hide.text(string(body[:min(len(body), maxParsedBytes)])))}
	case len(body) <= maxParsedBytes && bytes.IndexByte([]byte(`{["`), body[0]) >= 0:
		var document any
		if json.Unmarshal(body, &document) == nil {
			return jsonRefusal(document)
		}
	}
	if body[0] == '{' || bytes.HasPrefix(body, []byte("[{")) {
		// Not shown: an answer that is no refusal, but broke, may hold anything, a token included.
		return refusal{message: "the answer begins like JSON, but cannot be read as such"}
	}
	return refusal{message: plainMessage(string(body[:min(len(body), maxParsedBytes)]), resp.StatusCode)}
}

func isHTML(header http.Header, body []byte) bool {
	start := strings.ToLower(string(body[:min(len(body), 64)]))
	for _, mark := range []string{"<!doctype html", "<html", "<head", "<body", "<title", "<h1"} {
		if strings.HasPrefix(start, mark) {
			return true
		}
	}
	return body[0] == '<' && strings.Contains(strings.ToLower(header.Get("Content-Type")), "html")
}

// htmlMessage says what a page is called. The services at hand answer JSON when asked for it, so that the page is
// somebody else's, and the rest of it is no news.
func htmlMessage(page string) string {
	page = page[:min(len(page), maxScannedBytes)]
	for _, element := range []string{"title", "h1"} {
		if title := cleanLine(elementText(page, element)); title != "" {
			return fmt.Sprintf("the answer is an HTML page (title: %s), probably from a proxy", cut(title, 200))
		}
	}
	return "the answer is an HTML page, probably from a proxy"
}

func elementText(page, name string) string {
	start := indexFold(page, "<"+name)
	if start < 0 {
		return ""
	}
	_, rest, found := strings.Cut(page[start:], ">")
	if !found {
		return ""
	}
	end := indexFold(rest, "</"+name)
	if end < 0 {
		return ""
	}
	return rest[:end]
}

// plainMessage drops the status that Glance repeats in the first line of a text answer.
func plainMessage(body string, statusCode int) string {
	first, rest, _ := strings.Cut(body, "\n")
	if strings.TrimSpace(first) == statusText(statusCode) && strings.TrimSpace(rest) != "" {
		return rest
	}
	return body
}

var (
	// messageNames and codeNames are in order of preference: the gateway's and Horizon's own before the general ones.
	messageNames = []string{"error_msg", "error_message", "message", "error_description", "errorMessage", "faultstring", "detail", "description", "title", "msg"}
	codeNames    = []string{"error_code", "error_key", "code", "errorCode"}
	idNames      = []string{"request_id", "requestId", "requestid"}

	// detailNames hold lists of strings or of further refusals.
	detailNames = []string{"errors", "error_messages", "details"}
)

// jsonRefusal shows no value that it does not know to be a message, for the same reason.
func jsonRefusal(document any) refusal {
	found := findRefusal(document, 0)
	if found.message == "" && found.code == "" {
		object, ok := document.(map[string]any)
		if !ok || len(object) == 0 {
			return found
		}
		names := slices.Sorted(maps.Keys(object))
		found.message = "the answer is JSON without a message; it has " + strings.Join(names[:min(len(names), 10)], ", ")
	}
	return found
}

// findRefusal looks in a value, and then in what it contains, for a message and its code.
func findRefusal(value any, depth int) refusal {
	if depth > maxDepth {
		return refusal{}
	}
	switch value := value.(type) {
	case string:
		return refusal{message: value}
	case []any:
		return joinRefusals(refusal{}, value, depth)
	case map[string]any:
		return objectRefusal(value, depth)
	}
	return refusal{}
}

func objectRefusal(object map[string]any, depth int) refusal {
	found := refusal{
		message:   firstText(object, messageNames),
		code:      firstText(object, codeNames),
		requestID: firstText(object, idNames),
	}
	for _, name := range detailNames {
		if details, ok := object[name].([]any); ok {
			found = joinRefusals(found, details, depth)
		}
	}
	if found.message != "" {
		if inner, ok := object["error"].(map[string]any); ok && found.code == "" {
			found.code = findRefusal(inner, depth+1).code
		}
		return found
	}
	// {"error": {...}} of Keystone and IMS, {"itemNotFound": {...}} of others; "error" may also be the text itself.
	for _, name := range append([]string{"error"}, slices.Sorted(maps.Keys(object))...) {
		if _, isText := object[name].(string); isText && name != "error" {
			continue
		}
		inner := findRefusal(object[name], depth+1)
		if inner.message == "" {
			continue
		}
		if inner.code == "" {
			inner.code = found.code
		}
		if inner.requestID == "" {
			inner.requestID = found.requestID
		}
		return inner
	}
	return found
}

// joinRefusals adds what the elements say, each once. A code that differs from the first one stands behind its message.
func joinRefusals(found refusal, elements []any, depth int) refusal {
	for _, element := range elements[:min(len(elements), 10)] {
		inner := findRefusal(element, depth+1)
		if found.code == "" {
			found.code = inner.code
		}
		if inner.message == "" || strings.Contains(found.message, inner.message) {
			continue
		}
		if inner.code != "" && inner.code != found.code {
			inner.message += " (" + inner.code + ")"
		}
		if found.message != "" {
			found.message += "; "
		}
		found.message += inner.message
	}
	return found
}

func firstText(object map[string]any, names []string) string {
	for _, name := range names {
		switch value := object[name].(type) {
		case string:
			if value = strings.TrimSpace(value); value != "" {
				return value
			}
		case float64:
			return strconv.FormatFloat(value, 'f', -1, 64)
		}
	}
	return ""
}
