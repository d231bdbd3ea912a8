package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Releases returns the releases of Horizon that have a document, oldest first.
func Releases() []string {
	return []string{"2012", "2106", "2111", "2206", "2212", "2303", "2306", "2309", "2312", "2406", "2412", "2503", "2506", "2512"}
}

// EnvironmentVariable names the folder that has the documents in its folder
// horizon-openapi, each as RELEASE.json.
const EnvironmentVariable = "IMAGEOPS_SHARED"

// ErrNoOperation says that a release has no operation of the request's method
// and path.
var ErrNoOperation = errors.New("the release has no such operation")

// Contract is the sealed document of one release.
type Contract struct {
	release  string
	document *openapi3.T
	paths    []template
}

// template is a path of the document, with {id} and the like for what varies.
type template struct {
	path     string
	segments []string
}

// loaded keeps the documents, which take a while to read.
var loaded sync.Map

// Documents returns an error that says so when the documents are not there.
func Documents() error {
	for _, release := range Releases() {
		if _, err := documentPath(release); err != nil {
			return fmt.Errorf("no OpenAPI documents of Horizon to compare with: %w; %s can name the folder that has them", err, EnvironmentVariable)
		}
	}
	return nil
}

// Load returns the contract of a release. It skips the test when the documents
// are not there, and fails it for a document that cannot be read.
func Load(t testing.TB, release string) *Contract {
	t.Helper()
	if err := Documents(); err != nil {
		t.Skip(err)
	}
	path, err := documentPath(release)
	if err != nil {
		t.Fatal(err)
	}
	once, _ := loaded.LoadOrStore(release, sync.OnceValues(func() (*Contract, error) { return read(release, path) }))
	load, ok := once.(func() (*Contract, error))
	if !ok {
		t.Fatalf("%T is kept for release %s", once, release)
	}
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// documentPath finds the document of a release: in the folder that the
// environment names, or beside the project.
func documentPath(release string) (string, error) {
	folder := os.Getenv(EnvironmentVariable)
	if folder == "" {
		root, err := projectRoot()
		if err != nil {
			return "", err
		}
		folder = filepath.Join(filepath.Dir(root), "shared")
	}
	path := filepath.Join(folder, "horizon-openapi", release+".json")
	_, err := os.Stat(path)
	return path, err
}

// projectRoot is the nearest folder above the test that has a go.mod.
func projectRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no go.mod above the test")
		}
		folder = parent
	}
}

// read reads, corrects and seals a document. Up to release 2212 they are written
// in Swagger 2.0, later in OpenAPI 3.0.
func read(release, path string) (*Contract, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var version struct {
		Swagger string `json:"swagger"`
	}
	if err := json.Unmarshal(content, &version); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	document, err := parse(content, version.Swagger != "")
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	for _, c := range corrections {
		if len(c.releases) == 0 || slices.Contains(c.releases, release) {
			c.apply(document)
		}
	}
	eachSchema(document, seal)
	c := &Contract{release: release, document: document}
	for path := range document.Paths.Map() {
		c.paths = append(c.paths, template{path, strings.Split(strings.Trim(path, "/"), "/")})
	}
	// A path with fewer variables is the better match of two.
	slices.SortFunc(c.paths, func(a, b template) int {
		if d := strings.Count(a.path, "{") - strings.Count(b.path, "{"); d != 0 {
			return d
		}
		return strings.Compare(a.path, b.path)
	})
	return c, nil
}

func parse(content []byte, swagger bool) (*openapi3.T, error) {
	if !swagger {
		return openapi3.NewLoader().LoadFromData(content)
	}
	var old openapi2.T
	if err := json.Unmarshal(content, &old); err != nil {
		return nil, err
	}
	return openapi2conv.ToV3(&old)
}

// Operations lists what the release documents, each as its method and its path
// below /rest with {} for what varies, in the order of the alphabet.
func (c *Contract) Operations() []string {
	var operations []string
	for _, t := range c.paths {
		path := ""
		for _, segment := range t.segments {
			if strings.HasPrefix(segment, "{") {
				segment = "{}"
			}
			path += "/" + segment
		}
		for method := range c.document.Paths.Value(t.path).Operations() {
			operations = append(operations, method+" "+path)
		}
	}
	slices.Sort(operations)
	return operations
}

// operation finds what a request calls. rest is its path below /rest.
func (c *Contract) operation(method, rest string) (*routers.Route, map[string]string, error) {
	segments := strings.Split(strings.Trim(rest, "/"), "/")
	for _, t := range c.paths {
		arguments, ok := t.match(segments)
		if !ok {
			continue
		}
		item := c.document.Paths.Value(t.path)
		operation := item.GetOperation(method)
		if operation == nil {
			continue
		}
		return &routers.Route{Spec: c.document, Path: t.path, PathItem: item, Method: method, Operation: operation}, arguments, nil
	}
	return nil, nil, fmt.Errorf("%w: %s %s in release %s", ErrNoOperation, method, rest, c.release)
}

func (t template) match(segments []string) (map[string]string, bool) {
	if len(segments) != len(t.segments) {
		return nil, false
	}
	arguments := map[string]string{}
	for i, want := range t.segments {
		if name, ok := strings.CutPrefix(want, "{"); ok {
			arguments[strings.TrimSuffix(name, "}")] = segments[i]
			continue
		}
		if want != segments[i] {
			return nil, false
		}
	}
	return arguments, true
}

// restPath is the part of a path below /rest, and whether there is one.
func restPath(path string) (string, bool) {
	_, rest, ok := strings.Cut(path, "/rest/")
	return "/" + rest, ok
}

// input is a request in the validator's terms. The request's own body is not
// read.
func (c *Contract) input(r *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	rest, ok := restPath(r.URL.Path)
	if !ok {
		return nil, fmt.Errorf("%w: %s is not below /rest", ErrNoOperation, r.URL.Path)
	}
	route, arguments, err := c.operation(r.Method, rest)
	if err != nil {
		return nil, err
	}
	copied := r.Clone(context.Background())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	copied.ContentLength = int64(len(body))
	if len(body) == 0 {
		copied.Body = http.NoBody
	}
	return &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: arguments, QueryParams: r.URL.Query(), Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true,
			RejectWhenRequestBodyNotSpecified: true, IncludeResponseStatus: true,
			// Else a violation is told with pages of the schema, and with passwords.
			SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.DisableSchemaErrorDetails()},
		},
	}, nil
}

// CheckRequest returns an error for a request that the release does not
// document: ErrNoOperation, or one that says what is wrong with its parameters
// or its body. An operation that needs a token needs a bearer token.
func (c *Contract) CheckRequest(r *http.Request, body []byte) error {
	in, err := c.input(r, body)
	if err != nil {
		return err
	}
	if err := undocumentedParameter(in.Route.Operation, in.QueryParams); err != nil {
		return err
	}
	if security := in.Route.Operation.Security; security != nil && len(*security) > 0 && !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		return errors.New("the operation needs a bearer token, and the request has none")
	}
	return openapi3filter.ValidateRequest(context.Background(), in)
}

// undocumentedParameter seals the query as the objects are sealed.
func undocumentedParameter(operation *openapi3.Operation, query url.Values) error {
	for name := range query {
		if operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			return fmt.Errorf("the operation has no parameter %q", name)
		}
	}
	return nil
}

// CheckAnswer returns an error for an answer that the release does not document
// for the request: another status, a body where there is none, or one that its
// schema does not allow, or that lacks a field without which nobody could use it.
// Answers of what may stand before the server are not
// the contract's.
func (c *Contract) CheckAnswer(r *http.Request, requestBody []byte, status int, header http.Header, body []byte) error {
	in, err := c.input(r, requestBody)
	if err != nil {
		return err
	}
	if slices.Contains(foreignStatuses, status) {
		return nil
	}
	if err := c.checkRefusal(status, body); err != nil || undocumentedStatus(r.Method, in.Route.Path, status) {
		return err
	}
	response := in.Route.Operation.Responses.Status(status)
	if response != nil && status < 300 && len(response.Value.Content) == 0 && len(body) > 0 {
		return fmt.Errorf("status %d is documented without a body, and the answer has one", status)
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Options: in.Options,
	})
	if err == nil && r.Method == http.MethodGet && status == http.StatusOK {
		return missingField(in.Route.Path, body)
	}
	return err
}

// seal allows an object the members that its schema names and no others. Maps
// of strings have a schema for their members, and stay open.
func seal(schema *openapi3.Schema) {
	open := schema.AdditionalProperties.Has == nil && schema.AdditionalProperties.Schema == nil
	if len(schema.Properties) > 0 && open {
		closed := false
		schema.AdditionalProperties.Has = &closed
	}
}

// eachSchema visits every schema of a document once.
func eachSchema(document *openapi3.T, visit func(*openapi3.Schema)) {
	seen := map[*openapi3.Schema]bool{}
	var walk func(*openapi3.SchemaRef)
	walk = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil || seen[ref.Value] {
			return
		}
		seen[ref.Value] = true
		visit(ref.Value)
		for _, property := range ref.Value.Properties {
			walk(property)
		}
		walk(ref.Value.Items)
		walk(ref.Value.AdditionalProperties.Schema)
		for _, list := range []openapi3.SchemaRefs{ref.Value.OneOf, ref.Value.AnyOf, ref.Value.AllOf} {
			for _, each := range list {
				walk(each)
			}
		}
	}
	content := func(content openapi3.Content) {
		for _, media := range content {
			walk(media.Schema)
		}
	}
	if document.Components != nil {
		for _, schema := range document.Components.Schemas {
			walk(schema)
		}
	}
	for _, item := range document.Paths.Map() {
		for _, operation := range item.Operations() {
			for _, parameter := range operation.Parameters {
				walk(parameter.Value.Schema)
			}
			if operation.RequestBody != nil {
				content(operation.RequestBody.Value.Content)
			}
			for _, response := range operation.Responses.Map() {
				content(response.Value.Content)
			}
		}
	}
}
