package horizon

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// isOwn says whether a refusal is one that Horizon itself wrote about the
// request: {"status": "NOT_FOUND", "errors": [...]} since 2206, "error_message"
// or "error_messages" before. A route that does not exist, a proxy and the web
// server around Horizon answer otherwise. No schema of it is documented; the forms are
// those of the vendor's guide on throttling and of published answers.
func isOwn(body []byte) bool {
	var refusal struct {
		Status   string            `json:"status"`
		Errors   []json.RawMessage `json:"errors"`
		Message  string            `json:"error_message"`
		Messages []string          `json:"error_messages"`
	}
	if json.Unmarshal(body, &refusal) != nil {
		return false
	}
	return len(refusal.Errors) > 0 || refusal.Message != "" || len(refusal.Messages) > 0
}

// refusal puts an answer into words that is not what was asked for.
func (c *Client) refusal(r transport.Request, resp *transport.Response, privilege string) error {
	refusal := transport.NewAPIError(r, resp)
	own := isOwn(resp.Body)
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized:
		return fmt.Errorf("the Connection Server at %s does not accept an access token that it has just issued; behind a load balancer, use one Connection Server or let sessions stick to one: %w", c.base, refusal)
	case status == http.StatusForbidden && privilege != "":
		return fmt.Errorf("the user %s lacks a privilege in Horizon; this needs %s: %w", c.user, privilege, refusal)
	case status >= 200 && status < 300:
		return fmt.Errorf("the answer is not what Horizon's REST API answers; something in between may have changed it: %w", refusal)
	case status >= 300 && status < 400, status == http.StatusNotFound && !own:
		return fmt.Errorf("there is no such route of Horizon's REST API at %s, or something in between answers for it; check url: %w", c.base, refusal)
	}
	return refusal
}

// PartialError says that a request was accepted and a part of it, or all, failed.
type PartialError struct {
	// Items are the parts that failed.
	Items []FailedItem
	// Total is the number of parts that the server reports on.
	Total int
	// Err is the whole answer.
	Err *transport.APIError
}

// FailedItem is a part of a request that failed.
type FailedItem struct {
	ID         string
	StatusCode int
	Message    string
}

func (e *PartialError) Error() string {
	texts := make([]string, 0, len(e.Items))
	for _, item := range e.Items[:min(len(e.Items), 10)] {
		text := fmt.Sprintf("status %d", item.StatusCode)
		if item.Message != "" {
			text += ", " + item.Message
		}
		if item.ID != "" {
			text = item.ID + ": " + text
		}
		texts = append(texts, text)
	}
	return fmt.Sprintf("%s %s: %d of %d parts failed: %s", e.Err.Method, e.Err.Path, len(e.Items), e.Total, strings.Join(texts, "; "))
}

// Unwrap returns the answer.
func (e *PartialError) Unwrap() error { return e.Err }

// bulkItem is BulkItemResponseInfo of the vendor's OpenAPI.
type bulkItem struct {
	ID         string `json:"id"`
	StatusCode int    `json:"status_code"`
}

// accepted reads the answer to a write with a status of 2xx: nothing, or a list
// of what became of each part, where a failure hides behind the 200. It returns
// the items, none for an answer without a body.
func (c *Client) accepted(r transport.Request, resp *transport.Response) ([]bulkItem, error) {
	body := strings.TrimSpace(string(resp.Body))
	switch {
	case body == "" || body == "null" || body == "{}":
		return nil, nil
	case body[0] == '{':
		body = "[" + body + "]"
	}
	var items []bulkItem
	var raw []json.RawMessage
	if json.Unmarshal([]byte(body), &items) != nil || json.Unmarshal([]byte(body), &raw) != nil {
		return nil, c.refusal(r, resp, "")
	}
	var failed []FailedItem
	for i, item := range items {
		if item.StatusCode < http.StatusMultipleChoices {
			continue
		}
		// Read like a whole answer, so that secrets are hidden in it as well.
		text := transport.NewAPIError(r, &transport.Response{StatusCode: item.StatusCode, Body: raw[i]})
		failed = append(failed, FailedItem{ID: transport.CleanText(item.ID), StatusCode: item.StatusCode, Message: text.Message})
	}
	if len(failed) == 0 {
		return items, nil
	}
	return items, &PartialError{Items: failed, Total: len(items), Err: transport.NewAPIError(r, resp)}
}
