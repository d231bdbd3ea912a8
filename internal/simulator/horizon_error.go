package simulator

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// horizonMessage is one thing that is wrong with a request. The vendor
// publishes no list of keys; all but that of the limit of requests are made up
// in its manner.
type horizonMessage struct {
	key  string
	text string
}

// horizonError is an answer of Horizon that is not a success.
type horizonError struct {
	status   int
	messages []horizonMessage
}

func message(key, format string, args ...any) horizonMessage {
	return horizonMessage{key, fmt.Sprintf(format, args...)}
}

func refuse(status int, key, format string, args ...any) *horizonError {
	return &horizonError{status, []horizonMessage{message(key, format, args...)}}
}

// invalid is the 400 for a request that breaks rules.
func invalid(key, format string, args ...any) *horizonError {
	return refuse(http.StatusBadRequest, key, format, args...)
}

func forbidden(privileges []privilege) *horizonError {
	names := make([]string, len(privileges))
	for i, p := range privileges {
		names[i] = string(p)
	}
	return refuse(http.StatusForbidden, "common.privilege.missing",
		"Access to the resource is forbidden. It needs the privilege %s.", strings.Join(names, " or "))
}

// horizonRefusal is a refusal in the form of a release and the language of a
// session.
type horizonRefusal struct {
	*horizonError
	release  string
	language string
	at       time.Time
}

// horizonRefusal makes a refusal ready to be sent. Without a session it is in
// English.
func (s *Simulator) horizonRefusal(e *horizonError, session *horizonSession) refusal {
	language := defaultLanguage
	if session != nil {
		language = session.language
	}
	return horizonRefusal{e, s.options.Release, language, s.clock.now()}
}

func (e horizonRefusal) write(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, r, e.status, e.body())
}

// body is the object of an error. Before 2206 it has one message, or of
// an invalid request a list of them; later each has a key, and the list stays
// for clients that know the older form.
func (e horizonRefusal) body() map[string]any {
	body := map[string]any{"status": statusName(e.status), "timestamp": e.at.UnixMilli()}
	switch {
	case e.release >= releaseErrorKeys:
		body["errors"], body["error_messages"] = e.keyed(), e.texts()
	case e.status == http.StatusBadRequest:
		body["error_messages"] = e.texts()
	default:
		body["error_message"] = e.texts()[0]
	}
	return body
}

func (e horizonRefusal) texts() []string {
	texts := make([]string, len(e.messages))
	for i, m := range e.messages {
		texts[i] = localise(m.text, e.language)
	}
	return texts
}

func (e horizonRefusal) keyed() []any {
	errors := make([]any, len(e.messages))
	for i, text := range e.texts() {
		errors[i] = map[string]any{"error_key": e.messages[i].key, "error_message": text}
	}
	return errors
}

// statusName is a status as it stands in bodies, such as BAD_REQUEST.
func statusName(status int) string {
	return strings.ToUpper(strings.NewReplacer(" ", "_", "-", "_").Replace(http.StatusText(status)))
}

const defaultLanguage = "en"

// languages are those that the messages come in, by the values that are
// documented for the Accept-Language of a login.
var languages = nameSet("de", "en", "es", "fr", "ja", "ko", "zh-CN", "zh-TW")

// localise stands in for a translation: the text itself, marked.
func localise(text, language string) string {
	if language == defaultLanguage {
		return text
	}
	return "[" + language + "] " + text
}

// horizonUsualErrors are what Horizon says with statuses that a fault can program.
var horizonUsualErrors = map[int]horizonMessage{
	http.StatusUnauthorized: {"common.authentication.required", "User is not authenticated"},
	http.StatusForbidden:    {"common.privilege.missing", "Access to the resource is forbidden"},
	http.StatusTooManyRequests: {"common.api-throttle-limit.exceeded.error",
		"API throttling limit have been exceeded. Retry after some time."},
}

// horizonUsualError is the answer with a status that a fault programs.
func (s *Simulator) horizonUsualError(status int) refusal {
	m, ok := horizonUsualErrors[status]
	if !ok {
		m = message("common.unexpected", "%s", http.StatusText(status))
	}
	return s.horizonRefusal(&horizonError{status, []horizonMessage{m}}, nil)
}

// retryHeader is the header in which a service says when to try again: Horizon's
// limit of requests has one of its own.
func retryHeader(path string, status int) string {
	if _, ok := under(path, horizonPath); ok && status == http.StatusTooManyRequests {
		return "X-Rate-Limit-Retry-After-Seconds"
	}
	return "Retry-After"
}
