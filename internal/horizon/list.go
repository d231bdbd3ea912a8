package horizon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// mostPerPage is the largest page that the API sends (vendor's guide on
// pagination and filters).
const mostPerPage = 1000

// moreRecords is the header that says that there is another page. The page after
// the last one is a 400, so that it is never asked for.
const moreRecords = "HAS_MORE_RECORDS"

// listing is a list in all versions that this client uses. Every version that a
// release has introduced is still there in 2512, so that the newest one that a
// server has tells how old it is at least. Sources: the vendor's OpenAPI files.
type listing struct {
	noun      string // of one element
	privilege string
	versions  []version // newest first; the last one is in every release from 2012 on
}

type version struct {
	path string
	// paged says that the version has pages and filters.
	paged bool
}

// configurationView is what lists of most of the configuration need, either of it.
const configurationView = "GLOBAL_CONFIG_VIEW or VC_CONFIG_VIEW"

var (
	poolListing = &listing{noun: "desktop pool", privilege: "POOL_VIEW", versions: []version{
		{poolPath(12), true}, {poolPath(10), true}, {poolPath(8), true}, {poolPath(6), true}, {poolPath(2), true},
	}}
	virtualCenterListing = &listing{noun: "virtual center", privilege: configurationView, versions: []version{{"/rest/config/v1/virtual-centers", false}}}
	datacenterListing    = &listing{noun: "datacenter", privilege: "VC_CONFIG_VIEW", versions: []version{{"/rest/external/v1/datacenters", false}}}
	baseVMListing        = &listing{noun: "base VM", privilege: configurationView, versions: []version{
		{"/rest/external/v3/base-vms", true}, {"/rest/external/v1/base-vms", false},
	}}
	baseSnapshotListing = &listing{noun: "base snapshot", privilege: configurationView, versions: []version{{"/rest/external/v1/base-snapshots", false}}}
)

// firstWithFilters is the oldest version of the list of pools that only releases
// have whose lists of the image catalogue have pages and filters: those came
// with 2309, this with 2312.
const firstWithFilters = 8

func poolPath(version int) string { return fmt.Sprintf("/rest/inventory/v%d/desktop-pools", version) }

// routes keeps which versions a server has.
type routes struct {
	mu    sync.Mutex
	found map[*listing]int
	// asking lets one caller at a time find it out.
	asking chan struct{}
	// refused is the answer to a user who may not list desktop pools.
	refused error
	// unfiltered are the paths whose filters the server has refused.
	unfiltered map[string]bool
}

func (r *routes) known(l *listing) (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.found[l]
	return i, ok
}

// probed returns what poolVersion found.
func (r *routes) probed() (int, error, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, ok := r.found[poolListing]; ok {
		return i, nil, true
	}
	return 0, r.refused, r.refused != nil
}

func (r *routes) noteRefused(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = err
}

func (r *routes) note(l *listing, i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found == nil {
		r.found = map[*listing]int{}
	}
	r.found[l] = i
}

func (r *routes) filters(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.unfiltered[path]
}

func (r *routes) refuseFilters(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unfiltered == nil {
		r.unfiltered = map[string]bool{}
	}
	r.unfiltered[path] = true
}

func (r *routes) turn() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asking == nil {
		r.asking = make(chan struct{}, 1)
	}
	return r.asking
}

// statusError is the refusal of a list.
type statusError struct {
	status int
	own    bool
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func statusOf(err error) int {
	var refused *statusError
	if errors.As(err, &refused) {
		return refused.status
	}
	return 0
}

// list reads a whole list in the newest version that the server has, and returns
// the time of its last answer by the server's clock, too. Elements that the filter
// leaves out may be in it: the caller looks at each.
//
// A 404 may mean that the version does not exist, or that something that the
// query names does not: the documents do not tell the two apart. So an older version
// is asked, and only if that one knows better the newer one does not exist.
func (c *Client) list(ctx context.Context, l *listing, query url.Values, where filter) ([]json.RawMessage, time.Time, error) {
	routes := &c.server.routes
	start, known := routes.known(l)
	if !known && len(l.versions) > 1 {
		turn := routes.turn()
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return nil, time.Time{}, context.Cause(ctx)
		}
		start, known = routes.known(l)
	}
	var first error
	for i := start; i < len(l.versions); i++ {
		elements, date, err := c.listVersion(ctx, l, l.versions[i], query, where)
		if err == nil || statusOf(err) != http.StatusNotFound {
			if err == nil && len(l.versions) > 1 && (!known || i != start) {
				routes.note(l, i)
			}
			return elements, date, err
		}
		if first == nil || ownRefusal(err) {
			first = err
		}
	}
	return nil, time.Time{}, first
}

func ownRefusal(err error) bool {
	var refused *statusError
	return errors.As(err, &refused) && refused.own
}

// listVersion reads a list in one version, page by page where it has pages.
func (c *Client) listVersion(ctx context.Context, l *listing, v version, query url.Values, where filter) ([]json.RawMessage, time.Time, error) {
	filtered := len(where) > 0 && v.paged && c.server.routes.filters(v.path)
	elements, date, err := c.pages(ctx, l, v, query, where, filtered)
	if filtered && statusOf(err) == http.StatusBadRequest {
		// Which fields may be filtered by differs between releases.
		unfiltered, date, again := c.pages(ctx, l, v, query, nil, false)
		if again == nil {
			c.server.routes.refuseFilters(v.path)
			return unfiltered, date, nil
		}
	}
	return elements, date, err
}

func (c *Client) pages(ctx context.Context, l *listing, v version, query url.Values, where filter, filtered bool) ([]json.RawMessage, time.Time, error) {
	query = cloneQuery(query)
	if filtered {
		query.Set("filter", where.String())
	}
	var (
		elements []json.RawMessage
		date     time.Time
	)
	seen := map[string]bool{}
	for page := 1; ; page++ {
		if v.paged {
			// Only both together make pages.
			query.Set("page", strconv.Itoa(page))
			query.Set("size", strconv.Itoa(mostPerPage))
		}
		answer, err := c.page(ctx, l, v.path, query)
		if page > 1 && statusOf(err) == http.StatusBadRequest {
			return elements, date, nil // The list became shorter meanwhile.
		}
		if err != nil {
			return nil, time.Time{}, err
		}
		date = answer.date
		news := 0
		for _, raw := range answer.elements {
			// Pages shift when elements come and go between them.
			if id := idOf(raw); id != "" && seen[id] {
				continue
			} else if id != "" {
				seen[id] = true
			}
			news++
			elements = append(elements, raw)
		}
		if !v.paged || !answer.more || news == 0 {
			return elements, date, nil
		}
	}
}

// listPage is one answer of a list.
type listPage struct {
	elements []json.RawMessage
	more     bool      // there is another page
	date     time.Time // dateOf the answer
}

func (c *Client) page(ctx context.Context, l *listing, path string, query url.Values) (listPage, error) {
	r, resp, err := c.get(ctx, path, query)
	if err != nil {
		return listPage{}, err
	}
	var elements []json.RawMessage
	trimmed := strings.TrimSpace(string(resp.Body))
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(trimmed, "[") || json.Unmarshal(resp.Body, &elements) != nil {
		return listPage{}, c.listRefusal(l, r, resp)
	}
	more := resp.Header.Get(moreRecords)
	return listPage{elements: elements, more: more != "" && !strings.EqualFold(more, "false"), date: dateOf(resp)}, nil
}

func (c *Client) listRefusal(l *listing, r transport.Request, resp *transport.Response) error {
	return &statusError{status: resp.StatusCode, own: isOwn(resp.Body), err: c.refusal(r, resp, l.privilege)}
}

// hasFilters says whether the lists of the image catalogue have pages and
// filters, which is told by the list of desktop pools. Who may not read that does
// without.
func (c *Client) hasFilters(ctx context.Context) (bool, error) {
	i, err := c.poolVersion(ctx)
	if statusOf(err) != 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, v := range poolListing.versions[i:] {
		if v.path == poolPath(firstWithFilters) {
			return true, nil
		}
	}
	return false, nil
}

// poolVersion finds out which version of the pools' routes the server has, in
// a list of one element: unlike the route of one pool, its 404 has one meaning.
func (c *Client) poolVersion(ctx context.Context) (int, error) {
	routes := &c.server.routes
	turn := routes.turn()
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if i, err, known := routes.probed(); known {
		return i, err
	}
	var err error
	for i, v := range poolListing.versions {
		_, err = c.page(ctx, poolListing, v.path, url.Values{"page": {"1"}, "size": {"1"}})
		switch {
		case err == nil:
			routes.note(poolListing, i)
			return i, nil
		case statusOf(err) == http.StatusForbidden:
			routes.noteRefused(err)
			return 0, err
		case statusOf(err) != http.StatusNotFound:
			return 0, err
		}
	}
	return 0, err
}

func cloneQuery(query url.Values) url.Values {
	cloned := url.Values{}
	for name, values := range query {
		cloned[name] = values
	}
	return cloned
}

func idOf(raw json.RawMessage) string {
	var element struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &element) != nil {
		return ""
	}
	return element.ID
}

// filter is a condition on string fields, all of which are to be equal.
type filter []condition

type condition struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

func equals(name, value string) filter {
	if value == "" {
		return nil
	}
	return filter{{Type: "Equals", Name: name, Value: value}}
}

// String is the form of the vendor's guide on pagination and filters. Names of
// types are case-sensitive.
func (f filter) String() string {
	var content any = map[string]any{"type": "And", "filters": []condition(f)}
	if len(f) == 1 {
		content = f[0]
	}
	text, _ := json.Marshal(content) // Strings cannot fail.
	return string(text)
}
