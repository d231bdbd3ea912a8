package imageservice

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

const (
	// largeRun is how many images were read in batches before a page is tried:
	// more than Terraform reads at once, so that the run is known to be longer.
	largeRun = 15

	// likelyKind is how many of them were of the kind of the page.
	likelyKind = 5

	// pagePays is how many reads a page has to have answered before another one
	// is read: as many as share one request otherwise.
	pagePays = 10

	// pageChance is after how many images that were on no page another one is
	// read all the same: the run may be coming to those that it has. That adds a
	// tenth to the requests at most.
	pageChance = 10 * pagePays

	// pageHeld is how long a page stands for the images on it.
	pageHeld = 30 * time.Second

	// pageLimit is how long a page may take. One that takes longer, or fails, is
	// not tried again: without pages, a run is only slower.
	pageLimit = 10 * time.Second

	// smallestPage is how many images the first page has at least.
	smallestPage = 100
)

// pages are lists of the project's images, read in a run that reads many: what
// costs a request for ten images then costs one for up to a thousand. A page is
// read only where the run so far makes it likely to pay, so that a run never
// sends many more requests than it would have sent without.
type pages struct {
	now    func() time.Time
	decode func(raw []byte) (*Image, error)

	mu      sync.Mutex
	asked   int // images that were asked for
	missed  int // those that were read without a page
	kinds   [3]pageKind
	images  map[string]listedImage
	written map[string]bool // images that this client has written, in lower case
}

// pageKind is one of the lists that an image can be found in.
type pageKind struct {
	query url.Values
	owned bool // of the project: its id is the owner that is asked for

	missed   int // images of this kind that were read without a page
	read     int // pages
	answered int // reads that they have answered
	begun    time.Time
	marker   string
	turning  bool
	complete bool
	failed   bool
}

// listedImage is an image on a page, still as it came.
type listedImage struct {
	raw  json.RawMessage
	kind *pageKind
}

const (
	ownImages = iota
	ownHiddenImages
	sharedImages
)

func newPages(now func() time.Time, decode func(raw []byte) (*Image, error)) pages {
	return pages{
		now: now, decode: decode,
		images: map[string]listedImage{}, written: map[string]bool{},
		kinds: [3]pageKind{
			ownImages:       {query: listed, owned: true},
			ownHiddenImages: {query: hidden, owned: true},
			sharedImages:    {query: url.Values{"visibility": {"shared"}, "member_status": {"all"}}},
		},
	}
}

// find returns an image from a page that is not too old.
func (p *pages) find(id string) *Image {
	p.mu.Lock()
	p.asked++
	found, ok := p.images[id]
	if !ok || p.written[strings.ToLower(id)] || p.now().Sub(found.kind.begun) > pageHeld {
		p.mu.Unlock()
		return nil
	}
	found.kind.answered++
	p.mu.Unlock()
	image, err := p.decode(found.raw)
	if err != nil {
		return nil
	}
	return image
}

// forget takes an image that is about to be written off the pages, for good.
func (p *pages) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written[strings.ToLower(id)] = true
}

// noteMissed counts an image that a page might have held.
func (p *pages) noteMissed(image *Image, project string) {
	kind := sharedImages
	switch own := image.document["/owner"] == patch.StringValue(project); {
	case own && image.hidden():
		kind = ownHiddenImages
	case own:
		kind = ownImages
	case image.document["/visibility"] != patch.StringValue("shared"):
		return // Public and community images may be too many to list.
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missed++
	p.kinds[kind].missed++
}

// wanted returns the kind of which the next page is likely to pay, nil for none.
func (p *pages) wanted(asks []*ask) *pageKind {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range asks {
		if !a.recent {
			return nil
		}
	}
	for i := range p.kinds {
		k := &p.kinds[i]
		if k.read > 0 && !k.turning && p.now().Sub(k.begun) > pageHeld {
			p.reset(k)
		}
		if !k.turning && !k.complete && !k.failed && p.missed >= largeRun && k.missed >= likelyKind && (k.answered >= k.read*pagePays || k.missed >= k.read*pageChance) {
			k.turning = true
			return k
		}
	}
	return nil
}

// reset forgets the pages of a kind, which are too old.
func (p *pages) reset(k *pageKind) {
	for id, i := range p.images {
		if i.kind == k {
			delete(p.images, id)
		}
	}
	*k = pageKind{query: k.query, owned: k.owned, failed: k.failed}
}

// turnPage reads the next page of a kind and answers what it can of a batch. A
// page that cannot be read is no error: the batch is read without it.
func (c *Client) turnPage(ctx context.Context, k *pageKind, project string, b *batch) {
	ctx, cancel := context.WithTimeout(ctx, pageLimit)
	defer cancel()
	once, over := context.WithCancel(ctx)
	over() // No repeats.
	query, sent := c.pages.turn(k, project), c.now()
	p, err := c.readPage(transport.WithPatience(ctx, once), query, b.secrets(b.ids()))
	c.pages.add(k, sent, p, err)
	for _, raw := range p.images {
		id := rawID(raw)
		if !b.waitsFor(id) {
			continue
		}
		if image, err := c.decode(raw); err == nil {
			c.pages.noteAnswered(k)
			b.answer(id, image, nil)
		}
	}
}

// turn returns the query of the next page. It grows with the run, so that the
// work on a page stays in proportion to that on what was read before.
func (p *pages) turn(k *pageKind, project string) url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	query := clone(k.query)
	if k.owned {
		query.Set("owner", project)
	}
	query.Set("limit", strconv.Itoa(min(max(pagePays*p.asked, smallestPage), mostPerPage)))
	if k.marker != "" {
		query.Set("marker", k.marker)
	}
	return query
}

// add keeps a page that was asked for at a time.
func (p *pages) add(k *pageKind, sent time.Time, turned page, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k.turning = false
	if k.read == 0 {
		k.begun = sent
	}
	k.read++
	k.marker = turned.next
	k.complete, k.failed = turned.next == "", err != nil
	for _, raw := range turned.images {
		if id := rawID(raw); id != "" {
			p.images[id] = listedImage{raw: raw, kind: k}
		}
	}
}

func (p *pages) noteAnswered(k *pageKind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k.answered++
}
