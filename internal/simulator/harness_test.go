package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// testCloud is a simulator behind a server, with a client that signs in by itself.
type testCloud struct {
	*Simulator
	t      *testing.T
	server *httptest.Server
	tokens map[string]string
}

func newTestCloud(t *testing.T, options Options) *testCloud {
	t.Helper()
	s := New(options)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &testCloud{Simulator: s, t: t, server: server, tokens: map[string]string{}}
}

func (c *testCloud) token(user string) string {
	if user == "" {
		return ""
	}
	if c.tokens[user] == "" {
		c.tokens[user] = c.IssueToken(user)
	}
	return c.tokens[user]
}

func (c *testCloud) projectID(user string) string { return c.Describe("").Accounts[user].ProjectID }

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	text    string
	value   map[string]any
	message string // of an error, without the markup around it
}

type call struct {
	user        string
	method      string
	path        string // below the image service unless it starts with //
	contentType string
	accept      string
	body        string
	header      map[string]string
}

func (c *testCloud) do(in call) answer {
	c.t.Helper()
	address := c.server.URL + "/image" + in.path
	if strings.HasPrefix(in.path, "//") {
		address = c.server.URL + in.path[1:]
	}
	var body io.Reader
	if in.body != "" {
		body = strings.NewReader(in.body)
	}
	request, err := http.NewRequest(in.method, address, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if in.accept == "" {
		in.accept = "application/json"
	}
	if in.accept != "none" {
		request.Header.Set("Accept", in.accept)
	}
	if token := c.token(in.user); token != "" {
		request.Header.Set("X-Auth-Token", token)
	}
	if in.contentType != "" {
		request.Header.Set("Content-Type", in.contentType)
	}
	for name, value := range in.header {
		request.Header.Set(name, value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	out := answer{status: response.StatusCode, header: response.Header, text: string(content)}
	if response.Header.Get("Content-Type") == "application/json" && len(content) > 0 {
		decoder := json.NewDecoder(strings.NewReader(out.text))
		decoder.UseNumber()
		if err := decoder.Decode(&out.value); err != nil {
			c.t.Fatalf("%s is no JSON: %v", out.text, err)
		}
	}
	if message, ok := out.value["message"].(string); ok {
		out.message = plainMessage(message)
	}
	return out
}

// plainMessage joins the explanation and the detail of an error.
func plainMessage(message string) string {
	message = strings.TrimSpace(strings.ReplaceAll(message, "<br /><br />\n", " "))
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(message, standardExplanations[409]), standardExplanations[403]))
}

func (c *testCloud) patch(user, id, body string) answer {
	c.t.Helper()
	return c.do(call{user: user, method: "PATCH", path: "/v2/images/" + id, contentType: mediaTypeV21, body: body})
}

func (c *testCloud) patchV20(user, id, body string) answer {
	c.t.Helper()
	return c.do(call{user: user, method: "PATCH", path: "/v2/images/" + id, contentType: mediaTypeV20, body: body})
}

func (c *testCloud) get(user, id string) answer {
	c.t.Helper()
	return c.do(call{user: user, method: "GET", path: "/v2/images/" + id})
}

func (c *testCloud) post(user, path, body string) answer {
	c.t.Helper()
	return c.do(call{user: user, method: "POST", path: path, contentType: "application/json", body: body})
}

func expect(t *testing.T, got answer, status int, message string) {
	t.Helper()
	if got.status != status {
		t.Errorf("status is %d, want %d: %s", got.status, status, got.text)
	}
	if !strings.Contains(got.message, message) {
		t.Errorf("message is %q, want %q", got.message, message)
	}
}

// expectValue compares a member of a document; nil stands for absence.
func expectValue(t *testing.T, doc map[string]any, name string, want any) {
	t.Helper()
	got, ok := doc[name]
	if want == nil && ok || want != nil && fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s is %v (present: %t), want %v", name, got, ok, want)
	}
}

func tagsOf(doc map[string]any) string {
	var tags []string
	for _, tag := range doc["tags"].([]any) {
		tags = append(tags, tag.(string))
	}
	slices.Sort(tags)
	return strings.Join(tags, ",")
}

// manualTime is a clock that stands still until it is moved.
type manualTime struct{ at time.Time }

func (m *manualTime) now() time.Time { return m.at }

func newManualTime() *manualTime {
	return &manualTime{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func benchmarkRequest(b *testing.B, s *Simulator, method, path, body string) {
	b.Helper()
	token := s.IssueToken("demo")
	for b.Loop() {
		request := httptest.NewRequest(method, path, strings.NewReader(body))
		request.Header.Set("X-Auth-Token", token)
		request.Header.Set("Content-Type", mediaTypeV21)
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusOK {
			b.Fatal(recorder.Code, recorder.Body)
		}
	}
}
