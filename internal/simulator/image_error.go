package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
)

// apiError is an answer of Glance that is not a success. Glance's web framework
// (WebOb) renders it from an explanation and a detail: most errors bring their
// own explanation, the conflicts and some refusals keep the status's standard
// one and bring a detail.
type apiError struct {
	status      int
	explanation string
	detail      string
	header      http.Header
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%d %s", e.status, strings.TrimSpace(e.explanation+" "+e.detail))
}

// standardExplanations are WebOb's texts of the statuses that Glance uses bare.
var standardExplanations = map[int]string{
	http.StatusBadRequest: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
	http.StatusUnauthorized: "This server could not verify that you are authorized to access the document you requested. " +
		"Either you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials required.",
	http.StatusForbidden:           "Access was denied to this resource.",
	http.StatusNotFound:            "The resource could not be found.",
	http.StatusConflict:            "There was a conflict when trying to complete your request.",
	http.StatusInternalServerError: "The server has either erred or is incapable of performing the requested operation.",
	http.StatusServiceUnavailable:  "The server is currently unavailable. Please try again at a later time.",
}

// explain makes an error that brings its own explanation.
func explain(status int, text string) *apiError {
	return &apiError{status: status, explanation: text}
}

// explainf is explain with a format.
func explainf(status int, format string, args ...any) *apiError {
	return explain(status, fmt.Sprintf(format, args...))
}

// detailf makes an error with the standard explanation of its status.
func detailf(status int, format string, args ...any) *apiError {
	return &apiError{status: status, explanation: standardExplanations[status], detail: fmt.Sprintf(format, args...)}
}

// bare makes an error with nothing but its status.
func bare(status int) *apiError {
	text, ok := standardExplanations[status]
	if !ok {
		text = http.StatusText(status)
	}
	return &apiError{status: status, explanation: text}
}

// body is the text that every form of the answer shows.
func (e *apiError) body(r *http.Request, escape func(string) string) string {
	switch e.status {
	case http.StatusMethodNotAllowed:
		return "The method " + escape(r.Method) + " is not allowed for this resource. <br /><br />\n" + escape(e.detail)
	case http.StatusUnsupportedMediaType:
		contentType := r.Header.Get("Content-Type")
		if contentType == "" {
			contentType = "text/plain"
		}
		return "The request media type " + escape(contentType) + " is not supported by this server.\n<br /><br />\n" + escape(e.detail)
	}
	return escape(e.explanation) + "<br /><br />\n" + escape(e.detail) + "\n\n"
}

var (
	lineBreakTag = regexp.MustCompile(`(?is)<br.*?>`)
	commentMark  = regexp.MustCompile(`<!--|-->`)
	anyTag       = regexp.MustCompile(`(?s)<.*?>`)
)

func stripTags(s string) string {
	s = strings.NewReplacer("\n", " ", "\r", "").Replace(s)
	s = lineBreakTag.ReplaceAllString(s, "\n")
	s = commentMark.ReplaceAllString(s, "")
	return anyTag.ReplaceAllString(s, "")
}

// write renders the error in the form that the Accept header asks for: JSON
// only when it is preferred to HTML, so that "*/*" gets HTML, and plain text
// when neither is acceptable or there is no such header (measured on Glance
// 25.1).
func (e *apiError) write(w http.ResponseWriter, r *http.Request) {
	status := fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	same := func(s string) string { return s }
	for name, values := range e.header {
		w.Header()[name] = values
	}
	var body []byte
	contentType := "text/plain; charset=UTF-8"
	switch preferredType(r.Header.Values("Accept"), "text/html", "application/json") {
	case "application/json":
		contentType = "application/json"
		body = encodeJSON(map[string]string{
			"message": e.body(r, same), "code": status, "title": http.StatusText(e.status),
		})
	case "text/html":
		contentType = "text/html; charset=UTF-8"
		body = fmt.Appendf(nil, "<html>\n <head>\n  <title>%s</title>\n </head>\n <body>\n  <h1>%s</h1>\n  %s\n </body>\n</html>",
			status, status, e.body(r, html.EscapeString))
	default:
		body = fmt.Appendf(nil, "%s\n\n%s", status, stripTags(e.body(r, same)))
	}
	w.Header().Set("Content-Type", contentType)
	writeBody(w, r, e.status, body)
}

// writeBody sends a body with its length, or only the header to HEAD.
func writeBody(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	if r.Method == http.MethodHead {
		body = nil
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	// A failed write means that the client has gone, which nobody needs to hear.
	_, _ = w.Write(body)
}

// encodeJSON encodes the simulator's own values, which all have a JSON form; that
// one has not is a defect of the simulator, and not a request's fault.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("simulator: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	writeBody(w, r, status, encodeJSON(v))
}
