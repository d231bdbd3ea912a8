package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The two media types of a patch that Glance accepts
// (https://docs.openstack.org/api-ref/image/v2/#update-image).
const (
	PatchV21 = "application/openstack-images-v2.1-json-patch"
	PatchV20 = "application/openstack-images-v2.0-json-patch"
)

// requestLimit bounds one request of the tests' own client.
const requestLimit = time.Minute

// Attributes are members of the JSON object of an image, by their wire names.
type Attributes = map[string]any

// Answer is what a server answered to one request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Images is a signed-in session with one image service. It is written against
// the API documents alone, so that it can disagree with the provider.
//
// Create and CreateQueued end the test when they fail; the other methods mark
// it as failed and go on, and may be called from other goroutines, such as a
// Call of a Proxy. The images it made are deleted when the test ends.
type Images struct {
	t        testing.TB
	endpoint string
	token    string
	client   *http.Client
}

// Token signs user in at authURL, which is AuthURL or ShortLivedAuthURL, and
// returns the token, scoped to the user's project.
func (c *Cloud) Token(t testing.TB, authURL, user string) string {
	t.Helper()
	account := c.Users[user]
	body, err := json.Marshal(map[string]any{"auth": map[string]any{
		"identity": map[string]any{
			"methods":  []string{"password"},
			"password": map[string]any{"user": map[string]any{"id": account.ID, "password": account.Password}},
		},
		"scope": map[string]any{"project": map[string]any{"id": account.ProjectID}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: requestLimit}
	response, err := client.Post(authURL+"/auth/tokens", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("signing in as %s: %v", user, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusCreated {
		answer, _ := io.ReadAll(response.Body)
		t.Fatalf("signing in as %s: %s: %s", user, response.Status, answer)
	}
	return response.Header.Get("X-Subject-Token")
}

// Images signs user in and returns a session with the image service of region.
func (c *Cloud) Images(t testing.TB, user, region string) *Images {
	t.Helper()
	return NewImages(t, c.Regions[region], c.Token(t, c.AuthURL, user))
}

// NewImages returns a session with the image service at endpoint, whose address
// is without the /v2, for a token that is already there.
func NewImages(t testing.TB, endpoint, token string) *Images {
	return &Images{t: t, endpoint: endpoint, token: token, client: &http.Client{Timeout: requestLimit}}
}

// Create makes an active image with the given attributes and a few bytes of
// content, and returns its id. Without a name, disk_format or container_format
// it gets the test's name, raw and bare.
func (i *Images) Create(attributes Attributes) string {
	i.t.Helper()
	id := i.CreateQueued(attributes)
	answer, err := i.Do(http.MethodPut, "/v2/images/"+id+"/file", "application/octet-stream", "golden")
	if err != nil || answer.Status != http.StatusNoContent {
		i.t.Fatalf("uploading the content of image %s: %v %+v", id, err, answer)
	}
	return id
}

// CreateQueued is Create without the content: the image stays queued.
func (i *Images) CreateQueued(attributes Attributes) string {
	i.t.Helper()
	all := Attributes{"name": i.t.Name(), "disk_format": "raw", "container_format": "bare"}
	maps.Copy(all, attributes)
	body, err := json.Marshal(all)
	if err != nil {
		i.t.Fatal(err)
	}
	answer, err := i.Do(http.MethodPost, "/v2/images", "application/json", string(body))
	if err != nil || answer.Status != http.StatusCreated {
		i.t.Fatalf("creating an image: %v %+v", err, answer)
	}
	var image struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(answer.Body), &image); err != nil {
		i.t.Fatalf("creating an image: %v in %s", err, answer.Body)
	}
	i.t.Cleanup(func() { i.Delete(image.ID) })
	return image.ID
}

// Get returns the members of the image as the server sends them; nil, and a
// failed test, when there is none.
func (i *Images) Get(id string) Attributes {
	i.t.Helper()
	return i.decode(http.MethodGet, "/v2/images/"+id)
}

// List returns the images that query selects, of the first page.
func (i *Images) List(query url.Values) []Attributes {
	i.t.Helper()
	var images []Attributes
	list, _ := i.decode(http.MethodGet, "/v2/images?"+query.Encode())["images"].([]any)
	for _, element := range list {
		if image, ok := element.(Attributes); ok {
			images = append(images, image)
		}
	}
	return images
}

// Patch sends body as it is and returns the answer, whatever it is.
func (i *Images) Patch(id, contentType, body string) Answer {
	i.t.Helper()
	answer, err := i.Do(http.MethodPatch, "/v2/images/"+id, contentType, body)
	if err != nil {
		i.t.Errorf("patching image %s: %v", id, err)
	}
	return answer
}

// Set gives the attribute at pointer the value, whether it was there or not.
func (i *Images) Set(id, pointer string, value any) {
	i.t.Helper()
	i.change(id, map[string]any{"op": "add", "path": pointer, "value": value})
}

// Remove takes the property at pointer away, which must be there.
func (i *Images) Remove(id, pointer string) {
	i.t.Helper()
	i.change(id, map[string]any{"op": "remove", "path": pointer})
}

// AddTag adds one tag. Glance reads non-ASCII tags in this request as Latin-1;
// Set with /tags has no such limit (measured on Glance 25.1).
func (i *Images) AddTag(id, tag string) {
	i.t.Helper()
	i.expect(http.StatusNoContent, http.MethodPut, "/v2/images/"+id+"/tags/"+url.PathEscape(tag))
}

// RemoveTag removes one tag, which must be there.
func (i *Images) RemoveTag(id, tag string) {
	i.t.Helper()
	i.expect(http.StatusNoContent, http.MethodDelete, "/v2/images/"+id+"/tags/"+url.PathEscape(tag))
}

// Delete deletes the image, also a protected one, and accepts that it is gone.
func (i *Images) Delete(id string) {
	i.t.Helper()
	answer, err := i.Do(http.MethodDelete, "/v2/images/"+id, "", "")
	if err == nil && answer.Status == http.StatusForbidden && strings.Contains(answer.Body, "protected") {
		i.Set(id, "/protected", false)
		answer, err = i.Do(http.MethodDelete, "/v2/images/"+id, "", "")
	}
	if err != nil || answer.Status != http.StatusNoContent && answer.Status != http.StatusNotFound {
		i.t.Errorf("deleting image %s: %v %+v", id, err, answer)
	}
}

// Do sends one request to the image service and returns the answer, whatever
// its status.
func (i *Images) Do(method, path, contentType, body string) (Answer, error) {
	request, err := http.NewRequest(method, i.endpoint+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("X-Auth-Token", i.token)
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := i.client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: string(content)}, nil
}

func (i *Images) change(id string, operation map[string]any) {
	i.t.Helper()
	body, err := json.Marshal([]any{operation})
	if err != nil {
		i.t.Errorf("encoding %v: %v", operation, err)
		return
	}
	if answer := i.Patch(id, PatchV21, string(body)); answer.Status != http.StatusOK {
		i.t.Errorf("patching image %s with %s: %+v", id, body, answer)
	}
}

func (i *Images) expect(status int, method, path string) {
	i.t.Helper()
	answer, err := i.Do(method, path, "", "")
	if err != nil || answer.Status != status {
		i.t.Errorf("%s %s: %v %+v, want status %d", method, path, err, answer, status)
	}
}

func (i *Images) decode(method, path string) Attributes {
	i.t.Helper()
	answer, err := i.Do(method, path, "", "")
	if err != nil || answer.Status != http.StatusOK {
		i.t.Errorf("%s %s: %v %+v", method, path, err, answer)
		return nil
	}
	var content Attributes
	if err := json.Unmarshal([]byte(answer.Body), &content); err != nil {
		i.t.Errorf("%s %s: %v in %s", method, path, err, answer.Body)
	}
	return content
}
