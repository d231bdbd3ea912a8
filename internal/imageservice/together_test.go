package imageservice_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// lists is a simulated cloud that answers lists, with two clients of one user:
// one reads together, the other one by one.
type lists struct {
	t        testing.TB
	sim      *simulator.Simulator
	server   *httptest.Server
	together *imageservice.Client
	singly   *imageservice.Client

	mu      sync.Mutex
	logged  []string
	rewrite func(*http.Request) // changes a request before the cloud sees it
}

func newLists(t testing.TB) *lists {
	l := &lists{t: t, sim: simulator.New(simulator.Options{Empty: true})}
	l.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		rewrite := l.rewrite
		l.mu.Unlock()
		if rewrite != nil {
			rewrite(r)
		}
		l.sim.ServeHTTP(w, r)
	}))
	t.Cleanup(l.server.Close)
	l.together, l.singly = l.client(true), l.client(false)
	return l
}

func (l *lists) client(batchReads bool) *imageservice.Client {
	l.t.Helper()
	account := l.sim.Describe("").Accounts["demo"]
	client, err := imageservice.New(imageservice.Config{
		AuthURL: l.server.URL + "/identity/v3", UserID: account.UserID, Password: account.Password, ProjectID: account.ProjectID,
		Region: simulator.RegionOne, BatchReads: &batchReads, Getenv: func(string) string { return "" },
		Log: func(_ context.Context, message string, _ map[string]any) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.logged = append(l.logged, message)
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := client.Place(context.Background()); err != nil {
		l.t.Fatal(err)
	}
	return client
}

// images makes images of the project demo.
func (l *lists) images(count int, image simulator.Image) []string {
	ids := make([]string, count)
	for i := range ids {
		image.Name = fmt.Sprintf("image-%d", i)
		ids[i] = l.sim.CreateImage(image)
	}
	return ids
}

// pending makes images that another project shares with demo, which has not
// answered yet.
func (l *lists) pending(count int) []string {
	ids := l.images(count, simulator.Image{ProjectName: "other", Visibility: "shared"})
	for _, id := range ids {
		body := fmt.Sprintf(`{"member":%q}`, l.sim.Describe("").Accounts["demo"].ProjectID)
		request, err := http.NewRequest(http.MethodPost, l.server.URL+"/image/v2/images/"+id+"/members", strings.NewReader(body))
		if err != nil {
			l.t.Fatal(err)
		}
		request.Header.Set("X-Auth-Token", l.sim.IssueToken("other"))
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			l.t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			l.t.Fatalf("sharing: %s", response.Status)
		}
	}
	return ids
}

// answer is what a read ended with.
type answer struct {
	image *imageservice.Image
	err   error
}

// read reads images at the same time, as Terraform reads ten.
func read(client *imageservice.Client, ids []string, one func(context.Context, string, ...string) (*imageservice.Image, error)) map[string]answer {
	answers := map[string]answer{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	begun := make([]func(), len(ids))
	for i := range ids {
		begun[i] = client.Work()
	}
	for i, id := range ids {
		wait.Go(func() {
			defer begun[i]()
			image, err := one(context.Background(), id)
			mu.Lock()
			defer mu.Unlock()
			answers[id] = answer{image, err}
		})
	}
	wait.Wait()
	return answers
}

// agrees compares reads with what the image itself says at its own address.
func (l *lists) agrees(t testing.TB, answers map[string]answer) {
	t.Helper()
	for id, a := range answers {
		want, err := l.singly.Image(context.Background(), id)
		if err != nil {
			if errors.Is(err, imageservice.ErrNotFound) != errors.Is(a.err, imageservice.ErrNotFound) {
				t.Errorf("%s: %v, alone %v", id, a.err, err)
			}
			continue
		}
		if a.err != nil {
			t.Errorf("%s: %v, alone it is there", id, a.err)
			continue
		}
		if !maps.Equal(a.image.Document(), want.Document()) {
			t.Errorf("%s is read as\n%v, alone\n%v", id, a.image.Document(), want.Document())
		}
	}
}

// requests returns the requests to the image service since the last reset: what
// they asked for, sorted.
func (l *lists) requests() []string {
	var asked []string
	for _, r := range l.sim.Requests() {
		path, ok := strings.CutPrefix(r.Path, "/image")
		if !ok {
			continue
		}
		q, _ := url.ParseQuery(r.Query)
		kind := r.Method
		switch {
		case path != "/v2/images":
			kind += " one"
		case q.Get("id") != "":
			kind += fmt.Sprintf(" %d", strings.Count(q.Get("id"), ",")+1)
		default:
			kind += " page of " + q.Get("limit")
		}
		if q.Get("os_hidden") != "" {
			kind += " hidden"
		}
		if q.Get("visibility") == "shared" {
			kind += " shared"
		}
		asked = append(asked, kind)
	}
	slices.Sort(asked)
	l.sim.ResetRequests()
	return asked
}

func (l *lists) asked(t testing.TB, want ...string) {
	t.Helper()
	if got := l.requests(); !slices.Equal(got, want) {
		t.Errorf("requests: %q, want %q", got, want)
	}
}

func TestReadsAtTheSameTimeShareARequest(t *testing.T) {
	l := newLists(t)
	ids := l.images(10, simulator.Image{Properties: map[string]string{"a/b~c": "d", "metadata": "mine", "é": ""}, Tags: []string{"x/y", ""}})
	l.requests()
	answers := read(l.together, ids, l.together.Image)
	l.asked(t, "GET 10")
	l.agrees(t, answers)
}

func TestOneImageIsReadAtItsOwnAddress(t *testing.T) {
	l := newLists(t)
	id := l.images(1, simulator.Image{})[0]
	l.requests()
	for range 2 {
		l.agrees(t, read(l.together, []string{id, id}, l.together.Image))
	}
	if got := l.requests(); slices.ContainsFunc(got, func(r string) bool { return r != "GET one" }) {
		t.Errorf("requests: %q", got)
	}
}

func TestIDsThatDifferInCaseAreAnsweredAsAlone(t *testing.T) {
	l := newLists(t)
	ids := l.images(2, simulator.Image{})
	l.agrees(t, read(l.together, append(ids, strings.ToUpper(ids[0])), l.together.Image))
}

func TestReadsOfImagesInNoListAreAnsweredAllTheSame(t *testing.T) {
	l := newLists(t)
	var ids []string
	ids = append(ids, l.images(2, simulator.Image{})...)
	ids = append(ids, l.images(3, simulator.Image{Hidden: true})...)
	ids = append(ids, l.images(2, simulator.Image{ProjectName: "other", Visibility: "community"})...)
	ids = append(ids, l.images(1, simulator.Image{ProjectName: "other", Visibility: "public", Hidden: true})...)
	ids = append(ids, l.pending(2)...)
	gone := l.images(2, simulator.Image{})
	for _, id := range gone {
		l.sim.DeleteImage(id)
	}
	foreign := l.images(1, simulator.Image{ProjectName: "other"})
	ids = append(append(ids, gone...), foreign...)
	l.requests()
	answers := read(l.together, ids, l.together.Image)
	l.asked(t, "GET 13", "GET 7 hidden", "GET one", "GET one", "GET one")
	l.agrees(t, answers)
	for _, id := range append(gone, foreign...) {
		if !errors.Is(answers[id].err, imageservice.ErrNotFound) {
			t.Errorf("%s: %v", id, answers[id].err)
		}
	}

	// What was found hidden is looked for there at once, and what is no longer
	// hidden is found nevertheless.
	if err := l.sim.WriteImage(ids[2], map[string]any{"os_hidden": false}); err != nil {
		t.Fatal(err)
	}
	l.requests()
	answers = read(l.together, ids[:10], l.together.Image)
	l.asked(t, "GET 4 hidden", "GET 6", "GET one")
	l.agrees(t, answers)
}

func TestBatchReadsCanBeTurnedOff(t *testing.T) {
	l := newLists(t)
	ids := l.images(5, simulator.Image{})
	l.requests()
	l.agrees(t, read(l.singly, ids, l.singly.RecentImage))
	if got := l.requests(); slices.ContainsFunc(got, func(r string) bool { return r != "GET one" }) {
		t.Errorf("requests: %q", got)
	}
}

// A list that fails is either everybody's error, where each image would have
// failed as well, or the images are read one by one.
func TestListThatFails(t *testing.T) {
	const list = "/v2/images$"
	for name, c := range map[string]struct {
		fault simulator.Fault
		fails bool // each of the reads
		never bool // are lists asked for again
	}{
		"400":            {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 400}, never: true},
		"403":            {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 403}, never: true},
		"404":            {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 404}, never: true},
		"414":            {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 414}, never: true},
		"500":            {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 500}},
		"501":            {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 501}, never: true},
		"429":            {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 429}, fails: true},
		"503":            {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 503}, fails: true},
		"HTML":           {fault: simulator.Fault{Effect: simulator.EffectHTMLPage}},
		"HTML as 200":    {fault: simulator.Fault{Effect: simulator.EffectHTMLPage, Status: 200}},
		"malformed":      {fault: simulator.Fault{Effect: simulator.EffectMalformedBody}},
		"an image":       {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 200, Body: `{"id":"x"}`}},
		"list of rubble": {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 200, Body: `{"images":[1,{},{"id":7},null]}`}, never: true},
		"empty list":     {fault: simulator.Fault{Effect: simulator.EffectStatus, Status: 200, Body: `{"images":[]}`}, never: true},
		"truncated":      {fault: simulator.Fault{Effect: simulator.EffectTruncatedBody}, fails: true},
		"reset before":   {fault: simulator.Fault{Effect: simulator.EffectResetBefore}, fails: true},
		"reset after":    {fault: simulator.Fault{Effect: simulator.EffectResetAfter}, fails: true},
		"expired token":  {fault: simulator.Fault{Effect: simulator.EffectExpireToken}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLists(t)
			ids := l.images(4, simulator.Image{})
			c.fault.Method, c.fault.Path, c.fault.Count = http.MethodGet, list, simulator.Forever
			if c.fault.Effect == simulator.EffectExpireToken {
				c.fault.Count = 1
			}
			if err := l.sim.AddFault(c.fault); err != nil {
				t.Fatal(err)
			}
			l.requests()
			answers := read(l.together, ids, l.together.Image)
			if c.fails {
				for id, a := range answers {
					if a.err == nil || errors.Is(a.err, imageservice.ErrNotFound) {
						t.Errorf("%s: %v, %v", id, a.image, a.err)
					}
				}
			} else {
				l.agrees(t, answers)
			}
			l.sim.ClearFaults()
			l.requests()
			l.agrees(t, read(l.together, ids, l.together.Image))
			if again := slices.Contains(l.requests(), "GET 4"); again == c.never {
				t.Errorf("lists are asked for again: %t", again)
			}
		})
	}
}

func TestServiceThatIgnoresTheFilterIsAskedOneByOne(t *testing.T) {
	l := newLists(t)
	ids := l.images(20, simulator.Image{})
	l.rewrite = func(r *http.Request) {
		q := r.URL.Query()
		q.Del("id")
		r.URL.RawQuery = q.Encode()
	}
	l.agrees(t, read(l.together, ids[:5], l.together.Image))
	l.requests()
	l.agrees(t, read(l.together, ids[5:10], l.together.Image))
	if got := l.requests(); slices.ContainsFunc(got, func(r string) bool { return r != "GET one" }) {
		t.Errorf("requests: %q", got)
	}
	if said := strings.Join(l.logged, "\n"); strings.Count(said, "reading them one by one") != 1 {
		t.Errorf("logged: %s", said)
	}
}

func TestListBeginsAnewWhenTheEndOfAPageIsDeleted(t *testing.T) {
	l := newLists(t)
	ids := l.images(2500, simulator.Image{})
	deleted := 0
	l.rewrite = func(r *http.Request) {
		if marker := r.URL.Query().Get("marker"); marker != "" && deleted < 2 {
			deleted++
			l.sim.DeleteImage(marker)
		}
	}
	images, err := l.together.List(context.Background(), url.Values{"visibility": {"private"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(images) != len(ids)-deleted || deleted != 2 {
		t.Errorf("%d images, of %d less %d", len(images), len(ids), deleted)
	}
	seen := map[string]bool{}
	for _, image := range images {
		if seen[image.ID] {
			t.Errorf("%s is listed twice", image.ID)
		}
		seen[image.ID] = true
	}

	l.rewrite = func(r *http.Request) {
		if marker := r.URL.Query().Get("marker"); marker != "" {
			l.sim.DeleteImage(marker)
		}
	}
	if _, err := l.together.List(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "between two pages") {
		t.Errorf("a list that never stands still ends with %v", err)
	}
}

// Glance's links to the next page have only the last of several tags.
func TestListByTwoTagsStaysOneByTwoTags(t *testing.T) {
	l := newLists(t)
	l.images(600, simulator.Image{Tags: []string{"b"}}) // Older, so on a later page.
	both := l.images(1500, simulator.Image{Tags: []string{"a", "b"}})
	images, err := l.together.List(context.Background(), url.Values{"tag": {"a", "b"}})
	if err != nil || len(images) != len(both) {
		t.Errorf("%d images, want %d: %v", len(images), len(both), err)
	}
}

func TestListThatNeverEndsIsAnError(t *testing.T) {
	l := newLists(t)
	l.images(3, simulator.Image{})
	if err := l.sim.AddFault(simulator.Fault{Path: "/v2/images$", Effect: simulator.EffectStatus, Status: 200, Count: simulator.Forever,
		Body: `{"images":[{"id":"2c3f0a56-6c0e-4d2e-9d0e-5a1b7f0c2404"}],"next":"/v2/images?marker=2c3f0a56-6c0e-4d2e-9d0e-5a1b7f0c2404"}`}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.together.List(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "again and again") {
		t.Errorf("%v", err)
	}
}

// tens reads images as Terraform does: always ten at work.
func (l *lists) tens(t testing.TB, ids []string) map[string]answer {
	t.Helper()
	all := map[string]answer{}
	for ten := range slices.Chunk(ids, 10) {
		maps.Copy(all, read(l.together, ten, l.together.RecentImage))
	}
	return all
}

func TestLargeRunReadsPages(t *testing.T) {
	l := newLists(t)
	ids := l.images(600, simulator.Image{})
	l.requests()
	answers := l.tens(t, ids) // The oldest first, which are on the last page.
	if got := l.requests(); len(got) > 20 || !slices.Contains(got, "GET page of 1000") {
		t.Errorf("%d requests: %q", len(got), got)
	}
	l.agrees(t, answers)
}

func TestSmallRunReadsNoPages(t *testing.T) {
	l := newLists(t)
	l.images(600, simulator.Image{})
	ids := l.images(20, simulator.Image{})
	l.requests()
	l.tens(t, ids)
	l.asked(t, "GET 10", "GET 10")
}

// A run over a few of very many images must not read all of them.
func TestPagesThatDoNotPayAreNotGoneOnWith(t *testing.T) {
	l := newLists(t)
	all := l.images(5000, simulator.Image{})
	var ids []string
	for i := 0; i < len(all); i += 25 {
		ids = append(ids, all[i])
	}
	l.requests()
	l.tens(t, ids)
	pages := 0
	got := l.requests()
	for _, r := range got {
		if strings.Contains(r, "page") {
			pages++
		}
	}
	if pages > 5 || len(got) > len(ids)/10+5 {
		t.Errorf("%d requests, %d of them pages, for %d of %d images", len(got), pages, len(ids), len(all))
	}
}

func TestImageThatWasWrittenIsNotTakenFromAPage(t *testing.T) {
	l := newLists(t)
	ids := l.images(100, simulator.Image{Properties: map[string]string{"key": "before"}})
	l.tens(t, ids)
	current, err := l.together.Image(context.Background(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := l.sim.WriteImage(ids[1], map[string]any{"key": "theirs"}); err != nil {
		t.Fatal(err)
	}
	p := replaceKey(current)
	if _, err := l.together.Patch(context.Background(), ids[0], current.Document(), p); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{ids[0]: `"after"`, ids[1]: `"before"`} {
		image, err := l.together.RecentImage(context.Background(), id)
		if err != nil || string(image.Document()["/key"]) != want {
			t.Errorf("%s: %v %v, want %s", id, image.Document()["/key"], err, want)
		}
	}
	// A read that has to be fresh never comes from a page.
	image, err := l.together.Image(context.Background(), ids[1])
	if err != nil || image.Document()["/key"] != `"theirs"` {
		t.Errorf("%v %v", image.Document()["/key"], err)
	}
}

func TestPageThatFailsHarmsNobody(t *testing.T) {
	for name, effect := range map[string]simulator.Fault{
		"500":       {Effect: simulator.EffectStatus, Status: 500},
		"malformed": {Effect: simulator.EffectMalformedBody},
		"reset":     {Effect: simulator.EffectResetBefore},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLists(t)
			ids := l.images(60, simulator.Image{})
			effect.Path, effect.Skip = "/v2/images$", 2
			if err := l.sim.AddFault(effect); err != nil {
				t.Fatal(err)
			}
			l.agrees(t, l.tens(t, ids))
		})
	}
}

// Whatever images there are, and whatever happens to requests, a read together
// says what a read alone says, or ends in an error that is not "not found".
func TestReadsTogetherSayWhatReadsAloneSay(t *testing.T) {
	l := newLists(t)
	rapid.Check(t, func(rt *rapid.T) {
		var ids []string
		kinds := []simulator.Image{
			{}, {Hidden: true}, {Visibility: "community", ProjectName: "other"}, {Visibility: "public", Hidden: true}, {Status: "queued"},
			{Status: "deactivated"}, {Visibility: "shared"}, {ProjectName: "other"},
		}
		for range rapid.IntRange(1, 12).Draw(rt, "images") {
			switch kind := rapid.IntRange(-2, len(kinds)-1).Draw(rt, "kind"); kind {
			case -2:
				ids = append(ids, l.pending(1)...)
			case -1:
				gone := l.images(1, simulator.Image{})
				l.sim.DeleteImage(gone[0])
				ids = append(ids, gone...)
			default:
				ids = append(ids, l.images(1, kinds[kind])...)
			}
		}
		faulty := rapid.IntRange(0, 3).Draw(rt, "faults")
		for range faulty {
			effect := rapid.SampledFrom([]simulator.Effect{simulator.EffectStatus, simulator.EffectMalformedBody, simulator.EffectTruncatedBody, simulator.EffectResetBefore, simulator.EffectExpireToken}).Draw(rt, "effect")
			fault := simulator.Fault{Effect: effect, Path: "/v2/images", Skip: rapid.IntRange(0, 3).Draw(rt, "skip")}
			if effect == simulator.EffectStatus {
				fault.Status = rapid.SampledFrom([]int{500, 503, 429}).Draw(rt, "status")
			}
			if err := l.sim.AddFault(fault); err != nil {
				rt.Fatal(err)
			}
		}
		answers := read(l.together, ids, l.together.Image)
		l.sim.ClearFaults()
		for id, a := range answers {
			if faulty > 0 && a.err != nil && !errors.Is(a.err, imageservice.ErrNotFound) {
				delete(answers, id)
			}
		}
		l.agrees(t, answers)
		for _, id := range ids {
			l.sim.DeleteImage(id)
		}
	})
}

func TestConcurrentReadsAndWritesStayApart(t *testing.T) {
	l := newLists(t)
	ids := l.images(30, simulator.Image{Properties: map[string]string{"key": "before"}})
	var wait sync.WaitGroup
	for _, id := range ids {
		wait.Go(func() {
			defer l.together.Work()()
			current, err := l.together.Image(context.Background(), id)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := l.together.Patch(context.Background(), id, current.Document(), replaceKey(current)); err != nil {
				t.Error(err)
				return
			}
			// What is read after a write shows it, whoever shares the request.
			after, err := l.together.ImageWith(context.Background(), imageservice.Company{Quiet: 10 * time.Millisecond, Most: 50 * time.Millisecond, ForWork: true}, id)
			if err != nil || after.Document()["/key"] != `"after"` {
				t.Errorf("%s: %v %v", id, after, err)
			}
		})
	}
	wait.Wait()
}

// replaceKey is the patch that gives the property "key" the value "after".
func replaceKey(current *imageservice.Image) patch.Patch {
	return patch.Diff(current.Document(), patch.Want{"/key": `"after"`}, nil)
}
