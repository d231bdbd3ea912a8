package horizon

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// spans are what can be known of each release.
var spans = map[string]Span{
	"2012": {"", "2103"}, "2106": {"2103", "2111"}, "2111": {"2111", "2206"}, "2206": {"2206", "2212"}, "2212": {"2212", "2303"},
	"2303": {"2303", "2306"}, "2306": {"2306", "2309"}, "2309": {"2309", "2312"}, "2312": {"2312", "2406"}, "2406": {"2406", "2412"},
	"2412": {"2412", "2503"}, "2503": {"2503", "2512"}, "2506": {"2503", "2512"}, "2512": {"2512", ""},
}

func TestReleaseIsFoundOutInAFewRequests(t *testing.T) {
	for release, want := range spans {
		for _, known := range []bool{false, true} {
			sim := simulator.New(simulator.Options{Release: release, Empty: true})
			var handler http.Handler = sim
			if contract.Documents() == nil {
				handler = contract.GuardAnswers(t, release, sim)
			}
			var requests atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					requests.Add(1)
				}
				handler.ServeHTTP(w, r)
			}))
			d := sim.Describe(server.URL)
			client, err := New(Config{URL: d.Horizon, Domain: d.Domain, Username: d.Username, Password: d.Password, Getenv: func(string) string { return "" }})
			if err != nil {
				t.Fatal(err)
			}
			most := int64(4)
			if known {
				// The lists of pools and base VMs have said much of it already.
				if _, err := client.FindPool(t.Context(), "SALES"); err != nil {
					t.Error(err)
				}
				if _, err := client.BaseVM(t.Context(), simulator.HorizonVCenterID, "", Named{Name: "win11-golden"}); err != nil {
					t.Error(err)
				}
				requests.Store(0)
				most = 3
			}
			for range 2 {
				got, err := client.Release(t.Context())
				if err != nil || got != want {
					t.Errorf("%s: %v %v, want %v", release, got, err, want)
				}
			}
			if n := requests.Load(); n > most || release == "2512" && known && n > 0 {
				t.Errorf("%s, known %t: %d requests", release, known, n)
			}
			if err := client.Close(t.Context()); err != nil {
				t.Error(err)
			}
			server.Close()
		}
	}
}

func TestListsThatAreRefusedLeaveTheReleaseWider(t *testing.T) {
	forbidden := func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "x", "not for you") }
	for _, c := range []struct {
		release int
		refused []string
		want    Span
	}{
		{2303, []string{"virtual-centers"}, Span{"2212", "2306"}},
		{2309, []string{"virtual-centers"}, Span{"2306", "2312"}},
		{2309, []string{"desktop-pools"}, Span{"2309", "2312"}},
		{2406, []string{"desktop-pools"}, Span{"2312", ""}},
		{2209, nil, Span{"2206", "2212"}},
		{2209, []string{"base-vms"}, Span{"2206", "2303"}},
		{2412, []string{"base-vms", "virtual-centers"}, Span{"2412", "2503"}},
		{2412, []string{"base-vms", "virtual-centers", "desktop-pools"}, Span{}},
	} {
		p := newPod(t)
		p.Release = c.release
		p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
			for _, part := range c.refused {
				if strings.HasSuffix(r.URL.Path, part) {
					forbidden(w, r)
					return true
				}
			}
			return false
		}
		got, err := p.client(t, nil).Release(t.Context())
		if err != nil || got != c.want {
			t.Errorf("%d without %v: %v %v, want %v", c.release, c.refused, got, err, c.want)
		}
	}
}

func TestListOfPoolsThatWasRefusedIsNotAskedForAgain(t *testing.T) {
	p := newPod(t)
	p.Intercept = onlyFor("GET /rest/inventory", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "x", "not for you") })
	client := p.client(t, nil)
	if _, err := client.Pool(t.Context(), poolA); err == nil {
		t.Fatal("no error")
	}
	if got, err := client.Release(t.Context()); err != nil || got != (Span{AtLeast: "2312"}) {
		t.Errorf("%v %v", got, err)
	}
	p.wantCounts(t, map[string]int{"GET /rest/inventory": 1})
}

func TestReleaseIsFoundOutOnce(t *testing.T) {
	p := newPod(t)
	p.Release = 2309
	shared := &registry{}
	trouble := true
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if trouble && r.Method == http.MethodGet {
			page(w, 503)
		}
		return trouble && r.Method == http.MethodGet
	}
	if got, err := p.clientIn(t, shared, nil).Release(t.Context()); err == nil {
		t.Errorf("%v", got)
	}
	trouble = false
	p.forget()
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if got, err := p.clientIn(t, shared, nil).Release(t.Context()); err != nil || got != (Span{"2309", "2312"}) {
				t.Errorf("%v %v", got, err)
			}
		})
	}
	all.Wait()
	if got := p.count("GET"); got > 4 {
		t.Errorf("%d requests: %q", got, p.seen())
	}
	client := p.client(t, nil)
	client.server.release.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Release(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
