package imageservice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Queries for lists that leave nothing out: images of every visibility, also
// those that are shared with the project and wait for its consent. Hidden
// images are in no list but their own.
var (
	listed = url.Values{"visibility": {"all"}, "member_status": {"all"}}
	hidden = url.Values{"visibility": {"all"}, "member_status": {"all"}, "os_hidden": {"true"}}
)

// batch is a set of reads that are carried out together, by image.
type batch struct {
	mu   sync.Mutex
	open map[string][]*ask // by id
}

func newBatch(asks []*ask) *batch {
	b := &batch{open: map[string][]*ask{}}
	for _, a := range asks {
		b.open[a.id] = append(b.open[a.id], a)
	}
	return b
}

// ids returns the images that nobody has an answer about yet, sorted.
func (b *batch) ids() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := make([]string, 0, len(b.open))
	for id := range b.open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// answer answers all that asked about an image.
func (b *batch) answer(id string, image *Image, err error) (asks []*ask) {
	b.mu.Lock()
	asks = b.open[id]
	delete(b.open, id)
	b.mu.Unlock()
	for _, a := range asks {
		a.answer(image, err)
	}
	return asks
}

func (b *batch) waitsFor(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[id] != nil
}

// secrets returns the texts that no error about some of the images may show.
func (b *batch) secrets(ids []string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var secrets []string
	for _, id := range ids {
		for _, a := range b.open[id] {
			secrets = append(secrets, a.secrets...)
		}
	}
	return secrets
}

// readTogether carries a batch out with as few requests as it takes. That an
// image is missing from a list never means that it does not exist: only its own
// address can say so.
func (c *Client) readTogether(ctx context.Context, asks []*ask) {
	b := newBatch(asks)
	if project := c.project(); project != "" {
		if k := c.pages.wanted(asks); k != nil {
			c.turnPage(ctx, k, project, b)
		}
	}
	var shown, concealed []string
	for _, id := range b.ids() {
		if _, ok := c.hidden.Load(id); ok {
			concealed = append(concealed, id)
		} else {
			shown = append(shown, id)
		}
	}
	var listedAll bool
	parallel(
		func() {
			var missing []string
			if missing, listedAll = c.readListed(ctx, b, listed, shown); listedAll && len(missing) > 1 {
				_, listedAll = c.readListed(ctx, b, hidden, missing)
			}
		},
		func() { _, _ = c.readListed(ctx, b, hidden, concealed) },
	)
	var foundSingly atomic.Int64
	var singly []func()
	for _, id := range b.ids() {
		singly = append(singly, func() {
			image, err := c.readSingly(ctx, id, b.secrets([]string{id}))
			if image != nil {
				foundSingly.Add(1)
			}
			c.answer(b, id, image, err)
		})
	}
	parallel(singly...)
	if listedAll && foundSingly.Load() > 1 {
		c.readSinglyFromNowOn(ctx, errors.New("its lists by id lack images that are there"))
	}
}

// answer passes an answer on, and remembers what it shows for later batches.
func (c *Client) answer(b *batch, id string, image *Image, err error) {
	if image != nil {
		if image.hidden() {
			c.hidden.Store(id, true)
		} else {
			c.hidden.Delete(id)
		}
	}
	for _, a := range b.answer(id, image, err) {
		if a.recent && image != nil {
			c.pages.noteMissed(image, c.project())
		}
	}
}

// project returns the id of the project of the session, empty before there is one.
func (c *Client) project() string {
	if s := c.sessions.latest(); s != nil {
		return s.place.ProjectID
	}
	return ""
}

// readListed answers what one list request shows, and returns the images that
// it does not show, and whether there was a list at all. One image alone is
// better asked for by its own address.
func (c *Client) readListed(ctx context.Context, b *batch, kind url.Values, ids []string) (missing []string, answered bool) {
	if len(ids) < 2 || c.singly.Load() {
		return ids, false
	}
	query := clone(kind)
	query.Set("id", "in:"+strings.Join(ids, ","))
	query.Set("limit", strconv.Itoa(len(ids)))
	p, err := c.readPage(ctx, query, b.secrets(ids))
	if err != nil {
		return c.notListed(ctx, b, ids, err), false
	}
	c.failedLists.Store(0)
	for _, raw := range p.images {
		image, err := c.decode(raw)
		if err != nil {
			continue // Its own address will say what is wrong with it.
		}
		at := slices.Index(ids, image.ID)
		if at < 0 {
			at = slices.IndexFunc(ids, func(id string) bool { return strings.EqualFold(id, image.ID) })
		}
		if at < 0 {
			c.readSinglyFromNowOn(ctx, fmt.Errorf("a list of %d images by id holds others", len(ids)))
			return ids, false
		}
		c.answer(b, ids[at], image, nil)
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !b.waitsFor(id) }), true
}

// mostFailedLists is how many lists in a row may fail, repeats included, before
// the service is asked for no more of them.
const mostFailedLists = 3

// notListed decides about images whose list failed. What would fail for each of
// them as well is everybody's error; a service that refuses the list as such is
// asked for images one by one, from now on.
func (c *Client) notListed(ctx context.Context, b *batch, ids []string, err error) (missing []string) {
	var refused *listError
	if !errors.As(err, &refused) || refused.status == http.StatusUnauthorized ||
		refused.status == http.StatusTooManyRequests || refused.status == http.StatusServiceUnavailable || codeOf(err) == codeThrottled {
		for _, id := range ids {
			c.answer(b, id, nil, err)
		}
		return nil
	}
	if refused.status >= 300 && refused.status < 500 || refused.status == http.StatusNotImplemented || c.failedLists.Add(1) >= mostFailedLists {
		c.readSinglyFromNowOn(ctx, err)
	}
	return ids
}

func (c *Client) readSinglyFromNowOn(ctx context.Context, because error) {
	if c.singly.Swap(true) || c.log == nil {
		return
	}
	c.log(ctx, "the image service does not list images by id; reading them one by one", map[string]any{"reason": because.Error()})
}

// hidden says whether the image is in the list of hidden images only.
func (i *Image) hidden() bool { return i.document["/os_hidden"] == "true" }

// rawID reads the id of an image without the rest of it.
func rawID(raw json.RawMessage) string {
	var image struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(bytes.TrimSpace(raw), &image) != nil {
		return ""
	}
	return image.ID
}

// parallel runs functions at the same time and waits for all of them.
func parallel(functions ...func()) {
	var all sync.WaitGroup
	for _, f := range functions {
		all.Go(f)
	}
	all.Wait()
}
