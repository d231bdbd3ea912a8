package imageservice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

const (
	// mostPerPage is the largest page that Glance sends by default (api_limit_max);
	// it shortens what is asked for beyond its own limit.
	mostPerPage = 1000
	// mostPerPageOfIMS is the page that IMS sends by default; no greatest one is
	// documented (Huawei Cloud, "Querying Images").
	mostPerPageOfIMS = 500
)

// filtersOfIMS are the filters of lists that both of IMS's APIs document and that
// mean there what they mean to Glance, with the values that they may have; none
// for any. What IMS makes of others is documented nowhere.
var filtersOfIMS = map[string][]string{
	"id": nil, "name": nil, "owner": nil, "status": nil, "limit": nil, "marker": nil, "sort_key": nil, "sort_dir": nil,
	"container_format": nil, "disk_format": nil, "min_disk": nil, "min_ram": nil, "protected": nil,
	"__imagetype": nil, "__isregistered": nil, "__os_bit": nil, "__os_type": nil, "__platform": nil, "virtual_env_type": nil, "enterprise_project_id": nil,
	"visibility": {"public", "shared"}, "member_status": {"accepted", "rejected", "pending"},
}

// understood returns the part of a query that the service understands, for a list
// that holds at least what the query asks for. On IMS, visibility "private"
// leaves out private images that are shared with others.
func (c *Client) understood(query url.Values) url.Values {
	query = clone(query)
	if !c.cloud.IMS() {
		return query
	}
	for name, values := range query {
		allowed, known := filtersOfIMS[name]
		if !known || (allowed != nil && (len(values) != 1 || !slices.Contains(allowed, values[0]))) {
			query.Del(name)
		}
	}
	return query
}

// listError is the refusal of a list.
type listError struct {
	status int
	err    error
}

func (e *listError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *listError) Unwrap() error { return e.err }

// page is a page of a list, as it is on the wire.
type page struct {
	images []json.RawMessage
	next   string // marker of the next page, empty after the last
}

// readPage reads a page of a list. An answer that is no list of images, and any
// status but 200, is a *listError.
func (c *Client) readPage(ctx context.Context, query url.Values, secrets []string) (page, error) {
	r, resp, err := c.send(ctx, transport.Request{
		Method:  http.MethodGet,
		Header:  http.Header{"Accept": {"application/json"}},
		Secrets: secrets,
	}, c.path+"?"+query.Encode())
	if err != nil {
		return page{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return page{}, &listError{resp.StatusCode, c.refusal(r, resp)}
	}
	var answer struct {
		Images *[]json.RawMessage `json:"images"`
		Next   string             `json:"next"`
	}
	if err := json.Unmarshal(resp.Body, &answer); err != nil || answer.Images == nil {
		return page{}, &listError{resp.StatusCode, fmt.Errorf("the answer is no list of images: %w", transport.NewAPIError(r, resp))}
	}
	out := page{images: *answer.Images}
	if answer.Next != "" {
		next, err := url.Parse(answer.Next)
		if err != nil || next.Query().Get("marker") == "" {
			return page{}, &listError{resp.StatusCode, fmt.Errorf("the link to the next page has no marker: %w", transport.NewAPIError(r, resp))}
		}
		out.next = next.Query().Get("marker")
	}
	if c.path == cloudImagesPath && len(out.images) > 0 && query.Get("id") == "" {
		// This API has no links: the list ends with an empty page.
		out.next = rawID(out.images[len(out.images)-1])
	}
	return out, nil
}

// mostRestarts is how often a list begins anew because the image at which a page
// ended was deleted before the next one was asked for.
const mostRestarts = 3

// List returns all images of a list, page by page, in the order of the service.
// The query has its names from the Image API v2 ("List images"); limit and
// marker are the list's own. The list may hold more than the query asks for: IMS
// is not sent the filters that it does not document, such as those by tags and by
// extension attributes, so that the caller has to look at every image again. Of a link to the next page only the marker is used:
// Glance's repeats of several tags just one (measured on Glance 25.1). Its errors
// are those of Image, without ErrNotFound.
func (c *Client) List(ctx context.Context, query url.Values) ([]*Image, error) {
	for restarts := 0; ; restarts++ {
		images, err := c.listOnce(ctx, query)
		if !errors.Is(err, errMarkerGone) || restarts == mostRestarts {
			return images, err
		}
	}
}

// errMarkerGone is the refusal of a page after the first: Glance answers 400 when
// there is no image with the id in the marker (measured on Glance 25.1).
var errMarkerGone = errors.New("the list changed between two pages")

func (c *Client) listOnce(ctx context.Context, query url.Values) ([]*Image, error) {
	query = c.understood(query)
	query.Set("limit", strconv.Itoa(mostPerPage))
	if c.cloud.IMS() {
		query.Set("limit", strconv.Itoa(mostPerPageOfIMS))
	}
	var images []*Image
	seen := map[string]bool{}
	for {
		p, err := c.readPage(ctx, query, nil)
		var refused *listError
		if errors.As(err, &refused) && refused.status == http.StatusBadRequest && codeOf(err) != codeThrottled && query.Get("marker") != "" {
			return nil, fmt.Errorf("%w: %w", errMarkerGone, err)
		}
		if err != nil {
			return nil, err
		}
		for _, raw := range p.images {
			image, err := c.decode(raw)
			if err != nil {
				return nil, fmt.Errorf("the list holds something that is no image: %w", err)
			}
			images = append(images, image)
		}
		switch {
		case p.next == "":
			return images, nil
		case seen[p.next] || len(p.images) == 0:
			return nil, errors.New("the image service sends the same page of its list again and again")
		}
		seen[p.next] = true
		query.Set("marker", p.next)
	}
}

func clone(query url.Values) url.Values {
	copied := make(url.Values, len(query)+2)
	for name, values := range query {
		copied[name] = append([]string(nil), values...)
	}
	return copied
}
