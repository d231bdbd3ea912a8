package horizon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// company ends the wait for others when so many have come as are meant to.
type company struct {
	mu       sync.Mutex
	size     int
	arrivals int
	depart   func()
}

func (k *company) after(_ time.Duration, f func()) func() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.arrivals++
	k.depart = f
	if k.arrivals >= k.size {
		k.arrivals = 0
		go f()
	}
	return func() bool { return true }
}

// leave ends the wait.
func (k *company) leave() {
	k.mu.Lock()
	depart := k.depart
	k.mu.Unlock()
	depart()
}

// of says how many the next company has.
func (k *company) of(size int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.size, k.arrivals = size, 0
}

// sociable makes a client whose reads wait for as many others as the test says.
func (p *pod) sociable(t *testing.T, shared *registry, change func(*Config)) (*Client, *company) {
	t.Helper()
	client, k := p.clientIn(t, shared, change), &company{size: 1}
	client.server.recent.after = k.after
	return client, k
}

func assetNumber(i int) Ref {
	return Ref{Kind: Asset, ID: fmt.Sprintf("7a000000-0000-4000-8000-%012d", i), ParentID: versionID}
}

// stockAssets adds assets of the version.
func (p *pod) stockAssets(n int) {
	for i := range n {
		p.put(Asset, assetNumber(i).ID, map[string]any{"im_stream_id": streamID, "im_version_id": versionID, "image_type": "VDI_DESKTOP", "status": "AVAILABLE"})
	}
}

// readTogether reads objects in one company and returns what came of each.
func readTogether(ctx context.Context, client *Client, k *company, refs ...Ref) ([]*Object, []error) {
	k.of(len(refs))
	objects, errs := make([]*Object, len(refs)), make([]error, len(refs))
	var all sync.WaitGroup
	for i, ref := range refs {
		all.Go(func() { objects[i], errs[i] = client.RecentObject(ctx, ref) })
	}
	all.Wait()
	return objects, errs
}

// readWithWhoComes is readTogether where a held list answers some: the others
// leave when all of them have come.
func readWithWhoComes(ctx context.Context, client *Client, k *company, refs ...Ref) ([]*Object, []error) {
	k.of(1000)
	objects, errs := make([]*Object, len(refs)), make([]error, len(refs))
	var done atomic.Int64
	for i, ref := range refs {
		go func() {
			defer done.Add(1)
			objects[i], errs[i] = client.RecentObject(ctx, ref)
		}()
	}
	for done.Load() < int64(len(refs)) {
		if n, _ := client.server.recent.waitingFor(family{Asset, versionID}); n > 0 && int64(n)+done.Load() == int64(len(refs)) {
			k.leave()
		}
		runtime.Gosched()
	}
	return objects, errs
}

// inTime bounds a test whose reads would wait for others that do not come.
func inTime(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

const (
	assetLists = "GET /rest/config/v1/im-assets?"
	assetReads = "GET /rest/config/v1/im-assets/"
)

func TestAHundredAssetsReadTenAtATimeShareAList(t *testing.T) {
	for _, release := range []int{2012, 2512} {
		p := newPod(t)
		p.Release = release
		p.stockAssets(100)
		client, k := p.sociable(t, &registry{}, nil)
		k.of(10)
		ctx := inTime(t)
		next := make(chan Ref)
		var workers sync.WaitGroup
		for range 10 {
			workers.Go(func() {
				for ref := range next {
					if o, err := client.RecentObject(ctx, ref); err != nil || o.ID != ref.ID || o.Text("status") != "AVAILABLE" {
						t.Errorf("%s: %v %v", ref.ID, o, err)
					}
				}
			})
		}
		for i := range 100 {
			next <- assetNumber(i)
		}
		close(next)
		workers.Wait()
		p.wantCounts(t, map[string]int{"GET": 1, assetLists + "im_version_id=" + versionID: 1})
	}
}

func TestALoneReadIsOfItsAddress(t *testing.T) {
	p := newPod(t)
	client, _ := p.sociable(t, &registry{}, nil)
	for _, ref := range []Ref{asset1, {Kind: Stream, ID: streamID}, {Kind: Tag, ID: tagID}} {
		if o, err := client.RecentObject(inTime(t), ref); err != nil || o.ID != ref.ID {
			t.Errorf("%v %v", o, err)
		}
	}
	p.wantCounts(t, map[string]int{"GET": 3, assetReads + assetID: 1, "GET /rest/config/v1/im-streams/" + streamID: 1, "GET /rest/config/v1/im-tags/" + tagID: 1})
}

// However far apart they come: who comes while another is being read shares a list.
func TestThoseWhoComeOneByOneShareAList(t *testing.T) {
	p := newPod(t)
	p.stockAssets(100)
	client, _ := p.sociable(t, &registry{}, nil)
	reading, listed := make(chan struct{}), make(chan struct{})
	p.Intercept = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		switch {
		case r.URL.Path == "/rest/config/v1/im-assets":
			close(listed)
		case r.Method == http.MethodGet:
			close(reading)
			<-listed
		}
		return false
	}
	ctx := inTime(t)
	next := make(chan Ref)
	var workers sync.WaitGroup
	for range 10 {
		workers.Go(func() {
			for ref := range next {
				if o, err := client.RecentObject(ctx, ref); err != nil || o.ID != ref.ID {
					t.Errorf("%s: %v %v", ref.ID, o, err)
				}
			}
		})
	}
	for i := range 100 {
		next <- assetNumber(i)
		if i == 0 {
			<-reading // Else it finds company before it has begun.
		}
	}
	close(next)
	workers.Wait()
	p.wantCounts(t, map[string]int{assetLists: 1, assetReads: 1})
	if n := client.server.recent.relatives(family{Asset, versionID}).alone; n != 0 {
		t.Errorf("%d are still being read", n)
	}
}

func TestReadsWithoutAParentWaitForNobody(t *testing.T) {
	p := newPod(t)
	client, k := p.sociable(t, &registry{}, nil)
	k.of(1000)
	if _, err := client.RecentObject(inTime(t), Ref{Kind: Tag, ID: tagID}); err != nil {
		t.Error(err)
	}
	if _, err := client.RecentObject(inTime(t), Ref{Kind: Tag, ID: "a/b", ParentID: streamID}); err == nil {
		t.Error("a/b is an id")
	}
}

// TestWhatListsMaySay reads, writes and waits at random, while others write too
// and lists leave out what they like. No read shows less than was known before:
// what this process wrote or read, and what was there 30 s ago.
func TestWhatListsMaySay(t *testing.T) {
	const assets = 6
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := newPod(t)
		p.stockAssets(assets)
		client, k := p.sociable(t, &registry{}, nil)
		ctx := inTime(t)
		type change struct {
			at    time.Time
			value int
		}
		var history [assets][]change
		var least [assets]int
		write := func(i, value int) {
			p.put(Asset, assetNumber(i).ID, map[string]any{"im_version_id": versionID, "image_type": "VDI_DESKTOP", "clone_type": "INSTANT_CLONE", "status": "AVAILABLE",
				"additional_details": map[string]any{"value": strconv.Itoa(value)}})
			history[i] = append(history[i], change{p.clock.Now(), value})
		}
		for i := range assets {
			write(i, 0)
		}
		hidden := map[string]bool{}
		p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "im-assets") || len(hidden) == 0 {
				return false
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			var list []map[string]any
			for id, o := range p.objects[Asset] {
				if !hidden[id] {
					list = append(list, o)
				}
			}
			reply(w, 200, list)
			return true
		}
		reads := 0
		for step := range 40 {
			value := step + 1
			switch i := random.IntN(assets); random.IntN(6) {
			case 0:
				write(i, value)
			case 1:
				o, err := client.Read(ctx, assetNumber(i))
				if err != nil {
					t.Fatal(err)
				}
				reads++
				if _, err := client.Patch(ctx, o.Ref(), o.Document(), patch.Patch{{Path: "/additional_details/value", Old: o.document["/additional_details/value"], New: text(strconv.Itoa(value))}}); err != nil {
					t.Fatal(err)
				}
				history[i] = append(history[i], change{p.clock.Now(), value})
				least[i] = value
			case 2:
				p.clock.advance(time.Duration(random.IntN(20)) * time.Second)
			case 3:
				if id := assetNumber(i).ID; hidden[id] {
					delete(hidden, id)
				} else {
					hidden[id] = true
				}
			default:
				var refs []Ref
				var numbers []int
				for _, i := range random.Perm(assets)[:1+random.IntN(4)] {
					refs, numbers = append(refs, assetNumber(i)), append(numbers, i)
				}
				objects, errs := readWithWhoComes(ctx, client, k, refs...)
				for n, i := range numbers {
					if errs[n] != nil {
						t.Fatal(errs[n])
					}
					reads++
					shown, _ := objects[n].document["/additional_details/value"].AsString()
					got, _ := strconv.Atoi(shown)
					old := 0
					for _, c := range history[i] {
						if !c.at.After(p.clock.Now().Add(-recentHeld)) {
							old = c.value
						}
					}
					if got < max(old, least[i]) {
						t.Fatalf("seed %d step %d: asset %d shows %d, but %d was known, and %d was there 30 s ago", seed, step, i, got, least[i], old)
					}
					least[i] = got
				}
			}
		}
		if sent := p.count("GET /rest/config/v1/im-assets"); sent > reads+1 {
			t.Errorf("seed %d: %d requests for %d reads", seed, sent, reads)
		}
	}
}

func TestAListWithoutThemIsTheLast(t *testing.T) {
	p := newPod(t)
	p.stockAssets(30)
	client, k := p.sociable(t, &registry{}, nil)
	p.Intercept = onlyFor("GET /rest/config/v1/im-assets", func(w http.ResponseWriter, r *http.Request) {
		if id := r.URL.Path[len("/rest/config/v1/im-assets"):]; id != "" {
			reply(w, 200, map[string]any{"id": id[1:], "status": "AVAILABLE"})
			return
		}
		reply(w, 200, []any{map[string]any{"id": otherID}, 7})
	})
	for from := 0; from < 30; from += 10 {
		var refs []Ref
		for i := range 10 {
			refs = append(refs, assetNumber(from+i))
		}
		for _, err := range second(readTogether(inTime(t), client, k, refs...)) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	p.wantCounts(t, map[string]int{assetLists: 1, assetReads: 30})
}

func second[A, B any](_ A, b B) B { return b }

func TestAListAnswersAboutEachObjectOnceAndNotForLong(t *testing.T) {
	p := newPod(t)
	p.stockAssets(4)
	client, k := p.sociable(t, &registry{}, nil)
	ctx := inTime(t)
	p.Intercept = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path == "/rest/config/v1/im-assets" {
			p.clock.advance(20 * time.Second) // It takes a while.
		}
		return false
	}
	readTogether(ctx, client, k, assetNumber(0), assetNumber(1))
	p.wantCounts(t, map[string]int{assetLists: 1, assetReads: 0})
	upper := assetNumber(2)
	upper.ID, upper.ParentID = strings.ToUpper(upper.ID), strings.ToUpper(upper.ParentID)
	for _, step := range []struct {
		what  string
		wait  time.Duration
		ref   Ref
		reads int
	}{
		{"the first again", 0, assetNumber(0), 1},
		{"another, at the end of the list's time", 10 * time.Second, upper, 1},
		{"one more, after it", time.Millisecond, assetNumber(3), 2},
	} {
		p.clock.advance(step.wait)
		k.of(1)
		if o, err := client.RecentObject(ctx, step.ref); err != nil || !strings.EqualFold(o.ID, step.ref.ID) {
			t.Errorf("%s: %v %v", step.what, o, err)
		}
		if got := p.count(assetReads); got != step.reads {
			t.Errorf("%s: %d reads, want %d", step.what, got, step.reads)
		}
	}
	p.wantCounts(t, map[string]int{assetLists: 1})
	// It has paid for itself, so that another one is read in its place.
	readTogether(ctx, client, k, assetNumber(0), assetNumber(3))
	p.wantCounts(t, map[string]int{assetLists: 2, assetReads: 2})
}

func TestListsDoNotAnswerAboutWhatTheProcessWrote(t *testing.T) {
	ref := assetNumber(2)
	for name, write := range map[string]func(context.Context, *Client) error{
		"a patch": func(ctx context.Context, c *Client) error {
			_, err := c.Patch(ctx, ref, patch.Document{"/clone_type": `"INSTANT_CLONE"`, "/image_type": `"VDI_DESKTOP"`, "/status": `"AVAILABLE"`},
				patch.Patch{{Path: "/status", Old: `"AVAILABLE"`, New: `"DISABLED"`}})
			return err
		},
		"a deletion": func(ctx context.Context, c *Client) error { return c.Delete(ctx, ref) },
		"a creation without an id": func(ctx context.Context, c *Client) error {
			_, err := c.Create(ctx, Asset, patch.Document{"/im_version_id": patch.StringValue(versionID)})
			if err == nil {
				return errors.New("it succeeded")
			}
			return nil
		},
		"a read": func(ctx context.Context, c *Client) error {
			_, err := c.Read(ctx, ref)
			return err
		},
	} {
		for _, alias := range []bool{false, true} {
			if alias && name == "a read" {
				continue
			}
			p := newPod(t)
			p.stockAssets(3)
			shared := &registry{}
			client, k := p.sociable(t, shared, nil)
			writer := client
			if alias {
				// It shares neither the session nor what is known of the server.
				writer = p.clientIn(t, shared, func(c *Config) { c.Insecure = new(true) })
			}
			ctx := inTime(t)
			readTogether(ctx, client, k, assetNumber(0), assetNumber(1))
			if name == "a creation without an id" {
				p.Intercept = onlyFor("POST /rest/config", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 500, "x", "y") })
			}
			if err := write(ctx, writer); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			p.forget()
			k.of(1)
			_, err := client.RecentObject(ctx, ref)
			if errors.Is(err, ErrNotFound) != (name == "a deletion") {
				t.Errorf("%s: %v", name, err)
			}
			if got := p.count(assetReads); got != 1 {
				t.Errorf("%s, alias %t: %q", name, alias, p.seen())
			}
		}
	}
}

func TestAWriteWhileAListIsUnderWayCounts(t *testing.T) {
	p := newPod(t)
	p.stockAssets(2)
	client, k := p.sociable(t, &registry{}, nil)
	ctx := inTime(t)
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path != "/rest/config/v1/im-assets" {
			return false
		}
		before := []any{map[string]any{"id": assetNumber(0).ID, "status": "AVAILABLE"}, map[string]any{"id": assetNumber(1).ID, "status": "AVAILABLE"}}
		if _, err := client.Patch(ctx, assetNumber(0), patch.Document{"/clone_type": `"INSTANT_CLONE"`, "/image_type": `"VDI_DESKTOP"`, "/status": `"AVAILABLE"`},
			patch.Patch{{Path: "/status", Old: `"AVAILABLE"`, New: `"DISABLED"`}}); err != nil {
			t.Error(err)
		}
		reply(w, 200, before)
		return true
	}
	objects, errs := readTogether(ctx, client, k, assetNumber(0), assetNumber(1))
	if errs[0] != nil || objects[0].Text("status") != "DISABLED" {
		t.Errorf("%v %v", objects[0], errs[0])
	}
	p.wantCounts(t, map[string]int{assetLists: 1, assetReads: 1})
}

func TestAWriteToAVersionMayChangeAllStreams(t *testing.T) {
	p := newPod(t)
	p.put(Stream, otherID, map[string]any{"name": "Other"})
	client, k := p.sociable(t, &registry{}, nil)
	ctx := inTime(t)
	third := "5b1f0c52-64c4-4d5c-8a56-0d4b3f7f1afe"
	p.put(Stream, third, map[string]any{"name": "Third", "usable": true})
	readTogether(ctx, client, k, Ref{Kind: Stream, ID: streamID}, Ref{Kind: Stream, ID: otherID})
	if err := client.Delete(ctx, Ref{Kind: Tag, ID: tagID}); err != nil {
		t.Fatal(err)
	}
	k.of(1)
	if _, err := client.RecentObject(ctx, Ref{Kind: Stream, ID: third}); err != nil {
		t.Fatal(err)
	}
	p.wantCounts(t, map[string]int{"GET /rest/config/v1/im-streams": 2, "GET /rest/config/v1/im-streams/" + third: 1})
}

func TestWhatIsMissingFromAListIsReadByItsAddress(t *testing.T) {
	p := newPod(t)
	p.stockAssets(2)
	client, k := p.sociable(t, &registry{}, nil)
	p.objects[Asset][assetNumber(1).ID]["status"] = "DELETED"
	elsewhere := assetNumber(7)
	p.put(Asset, elsewhere.ID, map[string]any{"im_version_id": otherID, "status": "AVAILABLE"})
	objects, errs := readTogether(inTime(t), client, k, assetNumber(0), assetNumber(1), elsewhere, assetNumber(8))
	if errs[0] != nil || objects[0].ID != assetNumber(0).ID || !errors.Is(errs[1], ErrNotFound) || errs[2] != nil || objects[2].ID != elsewhere.ID || !errors.Is(errs[3], ErrNotFound) {
		t.Errorf("%v %v", objects, errs)
	}
	p.wantCounts(t, map[string]int{assetLists: 1, assetReads: 2, assetReads + elsewhere.ID: 1, assetReads + assetNumber(8).ID: 1})
}

func TestListsThatFail(t *testing.T) {
	pair := []Ref{assetNumber(0), assetNumber(1)}
	other := []Ref{{Kind: Asset, ID: assetNumber(2).ID, ParentID: otherID}, {Kind: Asset, ID: assetNumber(3).ID, ParentID: otherID}}
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		// again and elsewhere are the lists of the same parent and of another that follow.
		again, elsewhere int
	}{
		"no privilege":         {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "x", "not for you") }, 0, 0},
		"no such route":        {func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, 0, 0},
		"something else":       {func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, map[string]any{}) }, 0, 0},
		"no such parent":       {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "x", "no such version") }, 0, 1},
		"a limit":              {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 429, "x", "slowly") }, 1, 1},
		"trouble":              {func(w http.ResponseWriter, _ *http.Request) { page(w, 503) }, 1, 1},
		"a broken connection":  {reset, 1, 1},
		"trouble of the token": {func(w http.ResponseWriter, _ *http.Request) { refuse(w, 401, "x", "who?") }, 1, 1},
	} {
		p := newPod(t)
		p.stockAssets(4)
		client, k := p.sociable(t, &registry{}, nil)
		ctx := inTime(t)
		failing := true
		p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
			if failing && r.URL.Path == "/rest/config/v1/im-assets" {
				c.handle(w, r)
				return true
			}
			return false
		}
		check := func(what string, refs []Ref, lists int) {
			t.Helper()
			p.forget()
			if c.again == 0 && what == "again" || c.elsewhere == 0 && what == "elsewhere" {
				// They wait for nobody.
				for _, ref := range refs {
					k.of(1000)
					if _, err := client.RecentObject(ctx, ref); err != nil {
						t.Errorf("%s, %s: %v", name, what, err)
					}
				}
			} else if _, errs := readTogether(ctx, client, k, refs...); errs[0] != nil || errs[1] != nil {
				t.Errorf("%s, %s: %v", name, what, errs)
			}
			// net/http itself repeats what broke on a connection that was used before.
			if got := p.count(assetLists); got != lists && (name != "a broken connection" || what != "first") {
				t.Errorf("%s, %s: %d lists, want %d: %q", name, what, got, lists, p.seen())
			}
		}
		first := 1
		if name == "trouble of the token" {
			first = 3 // It is sent in a new session each time.
		}
		check("first", pair, first)
		failing = false
		check("again", pair, c.again)
		check("elsewhere", other, c.elsewhere)
		if o, err := client.RecentObject(ctx, Ref{Kind: Tag, ID: tagID}); err != nil {
			t.Errorf("%s: %v %v", name, o, err)
		}
		p.forget()
		p.put(Tag, otherID, map[string]any{"im_stream_id": streamID})
		readTogether(ctx, client, k, Ref{Kind: Tag, ID: tagID, ParentID: streamID}, Ref{Kind: Tag, ID: otherID, ParentID: streamID})
		p.wantCounts(t, map[string]int{"GET": 1, "GET /rest/config/v1/im-tags?": 1})
	}
}

func TestListsThatKeepFailingAreGivenUp(t *testing.T) {
	p := newPod(t)
	p.stockAssets(2)
	client, k := p.sociable(t, &registry{}, func(c *Config) { c.MaxRetries = 2 })
	var log journal
	client.log = log.log
	failing := true
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if failing && r.URL.Path == "/rest/config/v1/im-assets" {
			page(w, 503)
			return true
		}
		return false
	}
	for n := range 2*mostFailedLists - 1 {
		failing = n != mostFailedLists-1 // Those that fail after one that does not are counted anew.
		p.clock.advance(recentHeld + time.Second)
		readTogether(inTime(t), client, k, assetNumber(0), assetNumber(1))
	}
	p.wantCounts(t, map[string]int{assetLists: 2*mostFailedLists - 1})
	readTogether(inTime(t), client, k, assetNumber(0), assetNumber(1))
	p.forget()
	k.of(1000)
	if _, err := client.RecentObject(inTime(t), assetNumber(0)); err != nil {
		t.Error(err)
	}
	p.wantCounts(t, map[string]int{assetLists: 0, assetReads: 1})
	if !strings.Contains(log.String(), "reading them one by one") {
		t.Errorf("%s", log.String())
	}
}

// eventually waits for something that goes on by itself.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for ctx := inTime(t); !holds(); runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatalf("it does not come to it that %s", what)
		}
	}
}

// waitingFor returns how many wait for company, and how many for the list under
// way, -1 if there is none.
func (r *recent) waitingFor(f family) (company, list int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.relatives(f)
	if list = -1; m.under != nil {
		m.under.mu.Lock()
		defer m.under.mu.Unlock()
		list = m.under.waiting
	}
	return len(m.waiting), list
}

func TestWhoComesWhileAListIsUnderWayWaitsForIt(t *testing.T) {
	p := newPod(t)
	p.stockAssets(4)
	client, k := p.sociable(t, &registry{}, nil)
	hold := make(chan struct{})
	p.Intercept = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path == "/rest/config/v1/im-assets" {
			<-hold
		}
		return false
	}
	ctx, cancel := context.WithCancel(inTime(t))
	k.of(2)
	var all sync.WaitGroup
	read := func(ctx context.Context, i int) {
		all.Go(func() {
			if o, err := client.RecentObject(ctx, assetNumber(i)); (err != nil) != (ctx.Err() != nil) || err == nil && o.ID != assetNumber(i).ID {
				t.Errorf("%d: %v %v", i, o, err)
			}
		})
	}
	f := family{Asset, versionID}
	waiting := func(want int) func() bool {
		return func() bool { return second(client.server.recent.waitingFor(f)) == want }
	}
	read(t.Context(), 0)
	read(ctx, 1)
	eventually(t, "the list is under way", waiting(2))
	read(t.Context(), 2)
	eventually(t, "the third waits", waiting(3))
	cancel()
	eventually(t, "the second has left", waiting(2))
	close(hold)
	all.Wait()
	read(t.Context(), 3)
	all.Wait()
	p.wantCounts(t, map[string]int{"GET": 1})
}

func TestAListEndsWhenNobodyWaitsForIt(t *testing.T) {
	p := newPod(t)
	p.stockAssets(2)
	client, k := p.sociable(t, &registry{}, nil)
	ended := make(chan struct{})
	p.Intercept = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path == "/rest/config/v1/im-assets" && r.Context().Err() == nil {
			<-r.Context().Done()
			close(ended)
			return true
		}
		return false
	}
	ctx, cancel := context.WithCancel(t.Context())
	k.of(2)
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			if _, err := client.RecentObject(ctx, assetNumber(i)); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
	f := family{Asset, versionID}
	eventually(t, "the list is sent", func() bool { return p.count(assetLists) == 1 })
	cancel()
	all.Wait()
	<-ended
	eventually(t, "the list is given up", func() bool { return second(client.server.recent.waitingFor(f)) == -1 })
	p.Intercept = nil
	// It says nothing about lists.
	readTogether(inTime(t), client, k, assetNumber(0), assetNumber(1))
	p.wantCounts(t, map[string]int{assetLists: 2, assetReads: 0})
}

func TestWhoCannotWaitReadsAlone(t *testing.T) {
	p := newPod(t)
	client, k := p.sociable(t, &registry{}, nil)
	k.of(1000)
	cancelled, cancel := context.WithCancel(t.Context())
	ctx := transport.WithPatience(inTime(t), cancelled)
	var all sync.WaitGroup
	all.Go(func() {
		if o, err := client.RecentObject(ctx, asset1); err != nil || o.ID != assetID {
			t.Errorf("%v %v", o, err)
		}
	})
	f := family{Asset, versionID}
	eventually(t, "it waits", func() bool { n, _ := client.server.recent.waitingFor(f); return n == 1 })
	cancel()
	all.Wait()
	if n, _ := client.server.recent.waitingFor(f); n != 0 {
		t.Errorf("%d wait", n)
	}
	k.leave() // Nobody is there any more.
	if _, list := client.server.recent.waitingFor(f); list != -1 {
		t.Error("there is a list for nobody")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := client.RecentObject(ended, asset1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWhoLeavesJustAsTheListBeginsDoesNotHoldIt(t *testing.T) {
	under := begin(t.Context(), 1, func(ctx context.Context) (struct{}, error) {
		<-ctx.Done()
		return struct{}{}, nil
	})
	v := &visitor{leaves: make(chan *joint[struct{}], 1)}
	v.leaves <- under
	if !(&recent{}).withdraw(&relatives{}, v) {
		t.Error("it has left alone")
	}
	select {
	case <-under.done:
	case <-inTime(t).Done():
		t.Error("the list goes on")
	}
}

func TestAListThatWasGivenUpDoesNotEndTheNextOne(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	under, m := &joint[struct{}]{}, &relatives{owed: 2}
	m.under, m.next = under, &shown{}
	(&recent{}).arrive(ended, newPod(t).client(t, nil), family{Asset, versionID}, m, &shown{}, context.Canceled)
	if m.under != under || m.owed != 1 {
		t.Errorf("%+v", m)
	}
}

func TestThoseWhoKeepComingDoNotWaitForever(t *testing.T) {
	p := newPod(t)
	p.stockAssets(3)
	client, k := p.sociable(t, &registry{}, nil)
	k.of(1000)
	f := family{Asset, versionID}
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			if _, err := client.RecentObject(inTime(t), assetNumber(i)); err != nil {
				t.Error(err)
			}
		})
		if i < 2 {
			eventually(t, "it waits", func() bool { n, _ := client.server.recent.waitingFor(f); return n == i+1 })
			p.clock.advance(mostQuiet / 2)
		}
	}
	all.Wait()
	p.wantCounts(t, map[string]int{"GET": 1})
}

func TestByTheClockReadsLeaveAfterAMoment(t *testing.T) {
	p := newPod(t)
	if o, err := p.client(t, nil).RecentObject(inTime(t), asset1); err != nil || o.ID != assetID {
		t.Errorf("%v %v", o, err)
	}
}

func TestPoolsOfOneRunAreListedOnce(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	hold := make(chan struct{})
	p.Intercept = func(http.ResponseWriter, *http.Request, string) bool {
		<-hold
		return false
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			pools, err := client.RecentPools(inTime(t))
			if err != nil || len(pools) != 2 || pools[0].Name != "Alpha" {
				t.Errorf("%v %v", pools, err)
				return
			}
			pools[0].Name = "changed" // Nobody else sees it.
		})
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := client.RecentPools(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(hold)
	all.Wait()
	p.wantCounts(t, map[string]int{"GET": 1})
	for _, step := range []struct {
		wait  time.Duration
		lists int
	}{{recentHeld - 2*time.Second, 1}, {time.Second, 1}, {time.Second, 2}, {time.Second, 2}} {
		p.clock.advance(step.wait)
		pools, err := client.RecentPools(t.Context())
		if err != nil || len(pools) != 2 || pools[0].Name != "Alpha" {
			t.Errorf("%v %v", pools, err)
		}
		pools[0].Name = "changed"
		p.wantCounts(t, map[string]int{"GET": step.lists})
	}
}

func TestPoolsThatCannotBeListed(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		lists  int // of two calls
	}{"refused": {403, 1}, "trouble": {500, 2}} {
		p := newPod(t)
		client := p.client(t, nil)
		p.Intercept = onlyFor("GET", func(w http.ResponseWriter, _ *http.Request) { refuse(w, c.status, "x", "no") })
		for range 2 {
			if _, err := client.RecentPools(t.Context()); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		lists := map[string]bool{}
		for _, r := range p.seen() {
			lists[r] = true
		}
		if got := p.count("GET"); c.lists == 1 && got != 1 || c.lists == 2 && got < 2 {
			t.Errorf("%s: %d lists", name, got)
		}
	}
}
