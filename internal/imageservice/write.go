package imageservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// Effect is what is known about a patch that ended in an error.
type Effect int

const (
	// Unknown says that the patch may have taken effect: there was no whole
	// answer, or one of the server's own troubles (5xx).
	Unknown Effect = iota
	// Unsent says that the server has seen nothing but, at most, a token or a
	// signature that it did not accept.
	Unsent
	// Stale says that the server refused the patch because the image is not
	// what the patch was made for (409). IMS says the same (IMG.0035) of one that
	// would make attributes stand together that exclude each other.
	Stale
	// Refused says that the server refuses the patch (any other 4xx). It may
	// have stored a part all the same: Glance saves properties before tags.
	Refused
)

// PatchError is a patch that ended in an error.
type PatchError struct {
	Effect Effect
	// Err is one of the errors of Client.Image.
	Err error
}

func (e *PatchError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *PatchError) Unwrap() error { return e.Err }

// after is the error of a patch of which parts were written before: no more can
// be said of the whole than that the image has to be read.
func (e *PatchError) after(attributes, written, tags int) *PatchError {
	if attributes+written == 0 {
		return e
	}
	if e.Effect == Unsent || e.Effect == Stale {
		e.Effect = Unknown // Both say that nothing was stored.
	}
	var done []string
	if attributes > 0 {
		done = append(done, "the attributes")
	}
	if written > 0 {
		done = append(done, fmt.Sprintf("%d of %d tags", written, tags))
	}
	var expired *TokenExpiredError
	if errors.As(e.Err, &expired) {
		expired.torn = true
	}
	e.Err = fmt.Errorf("of this change, %s are written, and then: %w", strings.Join(done, " and "), e.Err)
	return e
}

// Patch sends a patch that was made for the current document, and returns the
// image as the service answered it: neither proof that all of it was stored nor
// that it stays. Its errors are a *PatchError. An empty patch is one, and is
// not sent; neither is one for an image that CheckWritable refuses.
//
// On IMS the tags are written after the rest, each with a request of its own, and
// the image is then read again: where one of these fails, what came before it has
// taken effect.
//
// Texts in secrets are shown by no error, though the service may quote them.
func (c *Client) Patch(ctx context.Context, id string, current patch.Document, p patch.Patch, secrets ...string) (*Image, error) {
	if err := checkID(id); err != nil {
		return nil, &PatchError{Effect: Unsent, Err: err}
	}
	if len(p) == 0 {
		return nil, &PatchError{Effect: Unsent, Err: errors.New("the patch is empty")}
	}
	if err := c.CheckWritable(id, current); err != nil {
		return nil, &PatchError{Effect: Unsent, Err: err}
	}
	rest, tags := p, patch.Patch(nil)
	if c.cloud.IMS() {
		rest, tags = p.Without(isTag), p.Without(func(pointer patch.Pointer) bool { return !isTag(pointer) })
	}
	if taken := takenTag(current, tags); taken != nil {
		return nil, &PatchError{Effect: Unsent, Err: taken}
	}
	body, err := c.dialect.Encode(rest, current, attribute.Tags)
	if err != nil {
		return nil, &PatchError{Effect: Unsent, Err: err}
	}
	c.begun.Add(1)
	c.pages.forget(id)
	var image *Image
	if len(rest) > 0 {
		if image, err = c.sendPatch(ctx, id, body, secrets); err != nil {
			return nil, err
		}
	}
	if len(tags) > 0 {
		if written, failed := c.patchTags(ctx, id, tags, secrets); failed != nil {
			return nil, failed.after(len(rest), written, len(tags))
		}
		if image, err = c.readSingly(ctx, id, secrets); err != nil {
			return nil, &PatchError{Effect: Unknown, Err: err}
		}
	}
	c.done.Add(1)
	return image, nil
}

func (c *Client) sendPatch(ctx context.Context, id string, body []byte, secrets []string) (*Image, error) {
	mediaType := c.dialect.MediaType()
	if c.path == cloudImagesPath {
		mediaType = "application/json"
		var err error
		if body, err = withValues(body); err != nil {
			return nil, &PatchError{Effect: Unsent, Err: err}
		}
	}
	r, resp, err := c.send(ctx, transport.Request{
		Method:  http.MethodPatch,
		Header:  http.Header{"Accept": {"application/json"}, "Content-Type": {mediaType}},
		Body:    body,
		Secrets: secrets,
	}, c.imagePath(id))
	if err != nil {
		return nil, &PatchError{Effect: effectOfFailure(err), Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		err := c.imageRefusal(id, r, resp)
		return nil, &PatchError{Effect: effectOfRefusal(resp.StatusCode, codeOf(err)), Err: err}
	}
	image, err := c.answeredImage(id, r, resp)
	if err != nil {
		return nil, &PatchError{Effect: Unknown, Err: err}
	}
	return image, nil
}

// withValues gives every operation of a patch a value: the API cloudimages
// documents it as mandatory, also of a removal (vendors' pages "Updating Image
// Information"), for which the vendor's Go SDK 0.1.207 sends an empty one.
func withValues(body []byte) ([]byte, error) {
	var operations []struct {
		Op    patch.Kind      `json:"op"`
		Path  patch.Pointer   `json:"path"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(body, &operations); err != nil {
		return nil, fmt.Errorf("completing the patch: %w", err)
	}
	for i := range operations {
		if operations[i].Value == nil {
			operations[i].Value = json.RawMessage(`""`)
		}
	}
	return json.Marshal(operations)
}

func isTag(p patch.Pointer) bool {
	_, ok := p.MemberOf(attribute.Tags)
	return ok
}

func effectOfFailure(err error) Effect {
	var (
		signIn  *SignInError
		failure *transport.Error
	)
	if !errors.As(err, &signIn) && errors.As(err, &failure) && failure.MayHaveTakenEffect {
		return Unknown
	}
	return Unsent
}

func effectOfRefusal(status int, code string) Effect {
	switch {
	case status == http.StatusUnauthorized:
		return Unsent
	case status == http.StatusConflict, code == conflictCode:
		return Stale
	case status >= 300 && status < 500:
		return Refused
	}
	return Unknown
}
