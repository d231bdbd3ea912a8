// Package imageservice is the client for the image service: OpenStack Glance
// and what is compatible with it, the Image Management Services (IMS) of Huawei
// Cloud and Open Telekom Cloud among it. It signs in with Keystone and keeps the
// session, or signs with an access key; it reads images and sends patches. Images are read and written as they are on
// the wire, so that no member is lost or bent on its way.
package imageservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// Client talks to one image service as one identity. It is safe for concurrent
// use, and meant to be shared.
type Client struct {
	transport *transport.Client
	cloud     attribute.Cloud
	authority authority
	sessions  sessions
	path      string // imagesPath or cloudImagesPath
	dialect   patch.Dialect

	endpoint, iface, region string
	insecure                bool

	log func(ctx context.Context, message string, fields map[string]any)
	now func() time.Time

	begun, done atomic.Int64 // changes

	batchReads  bool
	singly      atomic.Bool  // the service has shown that it has no lists by id
	failedLists atomic.Int64 // in a row
	gathering   gathering
	hidden      sync.Map // ids of hidden images, which are in a list of their own
	pages       pages
}

// New makes a client. It reads clouds.yaml and certificates, and no network:
// the first use signs in. Its errors are a *ConfigError.
func New(config Config) (*Client, error) {
	t, err := config.resolve()
	if err != nil {
		return nil, err
	}
	return newClient(t, time.Now)
}

func newClient(t *target, now func() time.Time) (*Client, error) {
	core, err := transport.New(t.transport)
	if err != nil {
		return nil, err
	}
	c := &Client{
		transport: core,
		cloud:     t.cloud,
		path:      t.path,
		dialect:   t.dialect,
		endpoint:  t.endpoint,
		iface:     t.iface,
		region:    t.region,
		insecure:  t.transport.Insecure,
		log:       t.transport.Log,
		now:       now,

		batchReads: t.batchReads,
	}
	c.gathering.carry = c.readTogether
	c.pages = newPages(now, c.decode)
	c.authority = newAuthority(c, t)
	c.sessions.signIn = c.authority.open
	c.sessions.now = now
	return c, nil
}

// Cloud returns the kind of the service.
func (c *Client) Cloud() attribute.Cloud { return c.cloud }

// Insecure says whether any certificate is accepted, wherever that was set.
func (c *Client) Insecure() bool { return c.insecure }

// Place returns where the client looks. It signs in when there is no session
// yet; of an access key it is what the configuration says, without roles. Its errors are a *SignInError, a *TokenExpiredError or the context's.
func (c *Client) Place(ctx context.Context) (Place, error) {
	s, err := c.sessions.get(ctx, nil)
	if err != nil {
		return Place{}, c.counted(err)
	}
	return s.place, nil
}

// EndpointKey returns the address of the image service in a form that is equal
// for equal addresses, without the API's version. It signs in when only the
// catalogue knows it; its errors are those of Place.
func (c *Client) EndpointKey(ctx context.Context) (string, error) {
	if c.endpoint != "" {
		return c.endpoint, nil
	}
	s, err := c.sessions.get(ctx, nil)
	if err != nil {
		return "", c.counted(err)
	}
	return s.images, nil
}

// ErrNotFound says that there is definitely no such image, or none that this
// project may see: the image service itself said so, about this id.
var ErrNotFound = errors.New("image not found")

// Work tells the client that an operation has begun that is going to read or
// write images; the caller tells its end, once, with the function returned.
// Reads that come at the same time share a request: the client waits a moment
// for operations that are under way and have not asked yet.
func (c *Client) Work() (done func()) { return c.gathering.work() }

// Image returns an image as it is now. errors.Is(err, ErrNotFound) is true for
// an image that does not exist; other errors wrap a *transport.APIError, a
// *transport.Error, a *SignInError, a *TokenExpiredError or the context's. A
// refusal whose code says what to do is in an *AdvisedError.
//
// Texts in secrets are shown by no error, though the service may quote them.
func (c *Client) Image(ctx context.Context, id string, secrets ...string) (*Image, error) {
	return c.ImageWith(ctx, promptly, id, secrets...)
}

// ImageWith is Image for a read that waits otherwise for others to share its
// request with.
func (c *Client) ImageWith(ctx context.Context, company Company, id string, secrets ...string) (*Image, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if !c.batchReads || c.singly.Load() {
		return c.readSingly(ctx, id, secrets)
	}
	return c.gathering.ask(&ask{ctx: ctx, id: id, secrets: secrets, company: company})
}

// RecentImage is Image, except that the answer may come from a list that this
// client has read up to half a minute ago, unless it has written the image
// since. Its errors are those of Image.
func (c *Client) RecentImage(ctx context.Context, id string, secrets ...string) (*Image, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if !c.batchReads || c.singly.Load() {
		return c.readSingly(ctx, id, secrets)
	}
	if image := c.pages.find(id); image != nil {
		return image, nil
	}
	return c.gathering.ask(&ask{ctx: ctx, id: id, secrets: secrets, company: promptly, recent: true})
}

// readSingly reads one image with a request of its own.
func (c *Client) readSingly(ctx context.Context, id string, secrets []string) (*Image, error) {
	path := c.imagePath(id)
	if c.path == cloudImagesPath {
		path = c.path + "?" + url.Values{"id": {id}}.Encode()
	}
	r, resp, err := c.send(ctx, transport.Request{
		Method:  http.MethodGet,
		Header:  http.Header{"Accept": {"application/json"}},
		Secrets: secrets,
	}, path)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.imageRefusal(id, r, resp)
	}
	if c.path == cloudImagesPath {
		return c.listedAlone(id, r, resp)
	}
	return c.answeredImage(id, r, resp)
}

// listedAlone reads the list of the one image that was asked for, which is how
// the API cloudimages answers about an image. It has no 404: an empty list says
// that the project sees no such image.
func (c *Client) listedAlone(id string, r transport.Request, resp *transport.Response) (*Image, error) {
	var answer struct {
		Images *[]json.RawMessage `json:"images"`
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil || answer.Images == nil {
		return nil, fmt.Errorf("the answer is no list of images: %w", transport.NewAPIError(r, resp))
	}
	for _, raw := range *answer.Images {
		if !strings.EqualFold(rawID(raw), id) {
			continue
		}
		image, err := c.decode(raw)
		if err != nil {
			return nil, fmt.Errorf("the answer holds no image: %w: %w", err, transport.NewAPIError(r, resp))
		}
		return image, nil
	}
	if len(*answer.Images) > 0 {
		return nil, fmt.Errorf("the image service was asked about the image %s and answered with others", id)
	}
	return nil, fmt.Errorf("%w: the image service lists no image with the id %s", ErrNotFound, id)
}

// answeredImage reads the image in an answer, which is to be the one asked for.
func (c *Client) answeredImage(id string, r transport.Request, resp *transport.Response) (*Image, error) {
	image, err := c.decode(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("the answer is no image: %w: %w", err, transport.NewAPIError(r, resp))
	}
	if !strings.EqualFold(image.ID, id) {
		return nil, fmt.Errorf("the image service was asked about the image %s and answered with another, %q", id, transport.CleanText(image.ID))
	}
	return image, nil
}

// imageRefusal puts an answer about an image that is not 200 into words. A 404
// is definite only if it names the image, as Glance's own does: at a wrong
// address, Glance, proxies and other services answer 404 as well, and nothing
// there says that the image is gone (measured on Glance 25.1: "No image found
// with ID ..." against "The resource could not be found."). IMS has codes for it.
func (c *Client) imageRefusal(id string, r transport.Request, resp *transport.Response) error {
	if refusal := transport.NewAPIError(r, resp); isGone(refusal, id) {
		return fmt.Errorf("%w: %w", ErrNotFound, refusal)
	}
	return c.refusal(r, resp)
}

// refusal puts an answer that is not 200 into words.
func (c *Client) refusal(r transport.Request, resp *transport.Response) error {
	refusal := transport.NewAPIError(r, resp)
	switch {
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode >= 300 && resp.StatusCode < 400:
		return fmt.Errorf("there is no image service (Image API v2) at %s, or something in between answers for it; check endpoint and the catalogue: %w", serviceOf(r.URL), refusal)
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("the image service at %s does not accept a token that Keystone has just given or confirmed; check that both belong to the same cloud: %w", serviceOf(r.URL), refusal)
	}
	return advised(refusal)
}
