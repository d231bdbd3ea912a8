package horizon

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// Span is what is known of a server's release, by names such as "2303", which
// order as text: it is AtLeast or newer, and older than Before. An empty one is
// not known.
type Span struct{ AtLeast, Before string }

// area is a part of the API whose routes tell releases apart.
type area struct {
	listing *listing
	query   url.Values
	// exists is the status, besides 200, that only an existing route answers with.
	exists int
}

var (
	poolArea = &area{listing: poolListing, query: url.Values{"page": {"1"}, "size": {"1"}}}
	// A list of base VMs without its vcenter_id is a 400; naming one would take
	// another request, and one that does not exist is a 404 like the route.
	baseVMArea        = &area{listing: baseVMListing, exists: http.StatusBadRequest}
	virtualCenterArea = &area{listing: virtualCenterListing}
)

// mark is a version of a route.
type mark struct {
	area *area
	path string
}

func pools(version int) mark { return mark{poolArea, poolPath(version)} }

func baseVMs(version int) mark {
	return mark{baseVMArea, fmt.Sprintf("/rest/external/v%d/base-vms", version)}
}

func virtualCenters(version int) mark {
	return mark{virtualCenterArea, fmt.Sprintf("/rest/config/v%d/virtual-centers", version)}
}

// milestones are releases with what they were the first to have, oldest first.
// Nothing was taken away again up to 2512. Source: the vendor's OpenAPI files.
var milestones = []struct {
	release string
	marks   []mark
}{
	{"2103", []mark{pools(4)}},
	{"2111", []mark{pools(5)}},
	{"2206", []mark{pools(6)}},
	{"2212", []mark{baseVMs(2)}},
	{"2303", []mark{virtualCenters(3)}},
	{"2306", []mark{pools(7), virtualCenters(4)}},
	{"2309", []mark{virtualCenters(5)}},
	{"2312", []mark{pools(8), virtualCenters(6), baseVMs(3)}},
	{"2406", []mark{pools(9)}},
	{"2412", []mark{pools(10)}},
	{"2503", []mark{pools(11)}},
	{"2512", []mark{pools(12)}},
}

// release keeps what Release found.
type release struct {
	turn  chan struct{} // lets one caller at a time find it out
	found *Span
}

// Release finds out between which releases the server's is, by asking which
// versions of some lists it has: once per server, in four requests at most, and in
// fewer where other calls have found out about some. A list that is refused to
// the user leaves the span wider. Its errors are those of Read.
func (c *Client) Release(ctx context.Context) (Span, error) {
	r := &c.server.release
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return Span{}, fmt.Errorf("finding out the release of Horizon: %w", context.Cause(ctx))
	}
	if r.found != nil {
		return *r.found, nil
	}
	s := newSearch(&c.server.routes)
	for {
		i, m := s.next()
		if m == nil {
			break
		}
		has, err := c.has(ctx, *m)
		if err != nil {
			return Span{}, fmt.Errorf("finding out the release of Horizon: %w", err)
		}
		s.note(i, m.area, has)
	}
	found := s.span()
	r.found = &found
	return found, nil
}

// presence is what an answer says about a route.
type presence int

const (
	unclear presence = iota
	absent
	present
)

func (c *Client) has(ctx context.Context, m mark) (presence, error) {
	_, err := c.page(ctx, m.area.listing, m.path, m.area.query)
	switch status := statusOf(err); {
	case err == nil, status == m.area.exists && ownRefusal(err):
		return present, nil
	case status == http.StatusNotFound:
		return absent, nil
	case isFinal(err):
		return unclear, nil
	}
	return unclear, err
}

// search is a binary search over the milestones.
type search struct {
	newest int // the newest milestone that is reached, -1 for none
	oldest int // the oldest that is not reached
	silent map[*area]bool
}

// newSearch begins with what is known about routes.
func newSearch(r *routes) *search {
	s := &search{newest: -1, oldest: len(milestones), silent: map[*area]bool{}}
	if _, refused, known := r.probed(); known && refused != nil {
		s.silent[poolArea] = true
	}
	for i, stone := range milestones {
		for _, m := range stone.marks {
			versions := m.area.listing.versions
			at, known := r.known(m.area.listing)
			switch {
			case !known:
			case versions[at].path == m.path:
				s.note(i, m.area, present)
			case at > 0 && versions[at-1].path == m.path:
				s.note(i, m.area, absent)
			}
		}
	}
	return s
}

// next returns the milestone to look at and the mark to ask for, nil for none.
func (s *search) next() (int, *mark) {
	var open []int
	marks := map[int]*mark{}
	for i := s.newest + 1; i < s.oldest; i++ {
		for _, m := range milestones[i].marks {
			if !s.silent[m.area] {
				open = append(open, i)
				marks[i] = &m
				break
			}
		}
	}
	if len(open) == 0 {
		return 0, nil
	}
	i := open[len(open)/2]
	return i, marks[i]
}

func (s *search) note(i int, a *area, p presence) {
	switch p {
	case present:
		s.newest = max(s.newest, i)
	case absent:
		s.oldest = min(s.oldest, i)
	case unclear:
		s.silent[a] = true
	}
}

func (s *search) span() Span {
	var span Span
	if s.newest >= 0 {
		span.AtLeast = milestones[s.newest].release
	}
	if s.oldest < len(milestones) {
		span.Before = milestones[s.oldest].release
	}
	return span
}
