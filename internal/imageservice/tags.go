package imageservice

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// tagAction is one request to the tags of an image on IMS ("Adding or Deleting
// Image Tags in Batches"). One tag each: what a batch leaves behind when it is
// refused is documented nowhere.
type tagAction struct {
	Action string    `json:"action"`
	Tags   []tagPair `json:"tags"`
}

type tagPair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// tagActions returns what a patch does to the tags: deletions before creations,
// since an image has one value per key, and a limit of tags.
func tagActions(p patch.Patch) []tagAction {
	var deleted, created []tagAction
	for _, o := range p {
		tag, _ := o.Path.MemberOf(attribute.Tags)
		key, value := splitTag(tag)
		if o.Kind() == patch.Remove {
			deleted = append(deleted, tagAction{"delete", []tagPair{{key, value}}})
		} else {
			created = append(created, tagAction{"create", []tagPair{{key, value}}})
		}
	}
	return append(deleted, created...)
}

// patchTags writes the tags of a patch, and returns how many of its requests
// have taken effect.
func (c *Client) patchTags(ctx context.Context, id string, p patch.Patch, secrets []string) (written int, failed *PatchError) {
	place, err := c.Place(ctx)
	if err != nil {
		return 0, &PatchError{Effect: Unsent, Err: err}
	}
	path := "/v2/" + url.PathEscape(place.ProjectID) + "/images/" + url.PathEscape(id) + "/tags/action"
	for i, action := range tagActions(p) {
		if failed := c.sendTags(ctx, id, path, action, secrets); failed != nil {
			return i, failed
		}
	}
	return len(p), nil
}

func (c *Client) sendTags(ctx context.Context, id, path string, action tagAction, secrets []string) *PatchError {
	body, err := json.Marshal(action)
	if err != nil {
		return &PatchError{Effect: Unsent, Err: err}
	}
	// The service documents that doing it twice is as good as doing it once.
	r, resp, err := c.send(transport.WithRepeatable(ctx), transport.Request{
		Method:  http.MethodPost,
		Header:  http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}},
		Body:    body,
		Secrets: secrets,
	}, path)
	if err != nil {
		return &PatchError{Effect: effectOfFailure(err), Err: err}
	}
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = c.imageRefusal(id, r, resp)
	return &PatchError{Effect: effectOfRefusal(resp.StatusCode, codeOf(err)), Err: err}
}

// takenTag says that a patch would put a tag in the place of another one of the
// same key, which it does not remove: the service would do so without a word.
func takenTag(current patch.Document, tags patch.Patch) error {
	if len(tags) == 0 {
		return nil
	}
	first, second, clash := attribute.ClashingTags(tags.Apply(current).Members(attribute.Tags))
	if !clash {
		return nil
	}
	return fmt.Errorf("the image cannot have both tags %q and %q: a tag's key has one value, and one of them is there already; take it off first, or own all tags of the image with tags_exclusive = true", first, second)
}
