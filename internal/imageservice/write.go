package imageservice

import (
	"context"
	"errors"
	"net/http"

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
	// Unsent says that the server has seen nothing but, at most, a token that
	// it did not accept.
	Unsent
	// Stale says that the server refused the patch because the image is not
	// what the patch was made for (409).
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

// Patch sends a patch that was made for the current document, and returns the
// image as the service answered it: neither proof that all of it was stored nor
// that it stays. Its errors are a *PatchError. An empty patch is one, and is
// not sent.
//
// Texts in secrets are shown by no error, though the service may quote them.
func (c *Client) Patch(ctx context.Context, id string, current patch.Document, p patch.Patch, secrets ...string) (*Image, error) {
	if err := checkID(id); err != nil {
		return nil, &PatchError{Effect: Unsent, Err: err}
	}
	if len(p) == 0 {
		return nil, &PatchError{Effect: Unsent, Err: errors.New("the patch is empty")}
	}
	body, err := c.dialect.Encode(p, current, attribute.Tags)
	if err != nil {
		return nil, &PatchError{Effect: Unsent, Err: err}
	}
	c.begun.Add(1)
	c.pages.forget(id)
	r, resp, err := c.send(ctx, transport.Request{
		Method:  http.MethodPatch,
		Header:  http.Header{"Accept": {"application/json"}, "Content-Type": {c.dialect.MediaType()}},
		Body:    body,
		Secrets: secrets,
	}, imagePath(id))
	if err != nil {
		return nil, &PatchError{Effect: effectOfFailure(err), Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &PatchError{Effect: effectOfStatus(resp.StatusCode), Err: c.imageRefusal(id, r, resp)}
	}
	image, err := answeredImage(id, r, resp)
	if err != nil {
		return nil, &PatchError{Effect: Unknown, Err: err}
	}
	c.done.Add(1)
	return image, nil
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

func effectOfStatus(status int) Effect {
	switch {
	case status == http.StatusUnauthorized:
		return Unsent
	case status == http.StatusConflict:
		return Stale
	case status >= 300 && status < 500:
		return Refused
	}
	return Unknown
}
