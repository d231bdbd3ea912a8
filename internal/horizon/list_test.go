package horizon

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func TestPagesEndWhereTheHeaderSaysNoMore(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 7} {
		p := newPod(t)
		p.MostPerPage = 3
		p.pools = nil
		for i := range n {
			p.pools = append(p.pools, map[string]any{"id": fmt.Sprintf("pool-%d", i), "name": fmt.Sprint(i)})
		}
		pools, err := p.client(t, nil).Pools(t.Context())
		if err != nil || len(pools) != n {
			t.Errorf("%d of %d: %v", len(pools), n, err)
		}
		p.wantCounts(t, map[string]int{"GET": max(1, (n+2)/3), "GET /rest/inventory/v12/desktop-pools?page=1&size=1000": 1})
	}
}

func TestPagesThatShiftShowEachElementOnce(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = onlyFor("GET /rest/inventory", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("page") {
		case "1":
			w.Header()["HAS_MORE_RECORDS"] = []string{"TRUE"}
			reply(w, 200, p.pools)
		case "2":
			w.Header()["HAS_MORE_RECORDS"] = []string{"TRUE"}
			reply(w, 200, []any{p.pools[1], map[string]any{"id": otherID}})
		case "3": // The list became shorter.
			refuse(w, 400, "page", "past the end")
		}
	})
	if pools, err := client.Pools(t.Context()); err != nil || len(pools) != 3 {
		t.Errorf("%v %v", pools, err)
	}
	p.wantCounts(t, map[string]int{"GET": 3})
}

func TestServerThatRepeatsItsPageForeverIsLeft(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = onlyFor("GET /rest/inventory", func(w http.ResponseWriter, _ *http.Request) {
		if p.count("GET") < 10 {
			w.Header()["HAS_MORE_RECORDS"] = []string{"TRUE"}
		}
		reply(w, 200, p.pools)
	})
	if pools, err := client.Pools(t.Context()); err != nil || len(pools) != 2 {
		t.Errorf("%v %v", pools, err)
	}
	p.wantCounts(t, map[string]int{"GET": 2})
}

func TestFiltersAreSentWhereTheReleaseHasThem(t *testing.T) {
	for _, c := range []struct {
		release  int
		filtered bool
		probes   int
	}{{2512, true, 1}, {2412, true, 2}, {2312, true, 3}, {2306, false, 4}, {2012, false, 5}} {
		p := newPod(t)
		p.Release = c.release
		p.put(Tag, otherID, map[string]any{"im_stream_id": streamID, "im_version_id": versionID, "name": "test"})
		client := p.client(t, nil)
		for range 3 {
			found, err := client.Find(t.Context(), Tag, streamID, patch.Want{"/name": text("test")})
			if err != nil || found.ID != otherID {
				t.Fatalf("%d: %v %v", c.release, found, err)
			}
		}
		filters := 0
		for _, r := range p.seen() {
			if strings.Contains(r, "filter=%7B%22type%22%3A%22Equals%22%2C%22name%22%3A%22name%22%2C%22value%22%3A%22test%22%7D") {
				filters++
			}
		}
		if (filters == 3) != c.filtered || (filters == 0) == c.filtered {
			t.Errorf("%d: %d filters: %q", c.release, filters, p.seen())
		}
		p.wantCounts(t, map[string]int{"GET /rest/config/v1/im-tags": 3, "GET /rest/inventory": c.probes})
	}
}

func TestSeveralConditionsAreOneFilter(t *testing.T) {
	if got, want := (filter{{"Equals", "a", `x"y`}, {"Equals", "b", "z"}}).String(),
		`{"filters":[{"type":"Equals","name":"a","value":"x\"y"},{"type":"Equals","name":"b","value":"z"}],"type":"And"}`; got != want {
		t.Errorf("%s", got)
	}
}

func TestFilterThatTheServerIgnoresOrRefusesChangesNothing(t *testing.T) {
	for _, refused := range []bool{false, true} {
		p := newPod(t)
		p.put(Tag, otherID, map[string]any{"im_stream_id": streamID, "im_version_id": versionID, "name": "test"})
		client := p.client(t, nil)
		p.Intercept = onlyFor("GET /rest/config", func(w http.ResponseWriter, r *http.Request) {
			if refused && r.URL.Query().Has("filter") {
				refuse(w, 400, "filter", "not by this field")
				return
			}
			reply(w, 200, []any{p.objects[Tag][tagID], p.objects[Tag][otherID]})
		})
		for range 2 {
			if found, err := client.Find(t.Context(), Tag, streamID, patch.Want{"/name": text("test")}); err != nil || found.ID != otherID {
				t.Errorf("%v %v", found, err)
			}
		}
		want := 2
		if refused {
			want = 3 // It is tried once.
		}
		p.wantCounts(t, map[string]int{"GET /rest/config": want})
	}
}

func TestVersionOfARouteIsFoundOutOnce(t *testing.T) {
	for release, want := range map[int]struct {
		pools  string
		probes int
	}{2512: {"v12", 1}, 2503: {"v10", 2}, 2306: {"v6", 4}, 2012: {"v2", 5}} {
		p := newPod(t)
		p.Release = release
		client := p.client(t, nil)
		var wait sync.WaitGroup
		for range 10 {
			wait.Go(func() {
				pool, err := client.Pool(t.Context(), poolA)
				if err != nil || pool.Current.StreamID != streamID || pool.Operation != "NONE" || pool.PendingState != "" || !*pool.AddVirtualTPM {
					t.Errorf("%d: %+v %v", release, pool, err)
				}
			})
		}
		wait.Wait()
		p.wantCounts(t, map[string]int{"GET": want.probes + 10, "GET /rest/inventory/" + want.pools + "/desktop-pools/" + poolA: 10})
	}
}

func TestOlderVersionAnswersWhereTheNewerDoesNotExist(t *testing.T) {
	p := newPod(t)
	p.Release = 2212
	client := p.client(t, nil)
	for range 2 {
		if vm, err := client.BaseVM(t.Context(), vcenterID, "", Named{Path: "/DC/vm/b/twin"}); err != nil || vm.ID != "vm-9" {
			t.Errorf("%v %v", vm, err)
		}
	}
	p.wantCounts(t, map[string]int{"GET /rest/external/v3/base-vms": 1, "GET /rest/external/v1/base-vms": 2})
}

// All versions answer 404 to a vCenter that does not exist: that says nothing
// about the versions.
func TestUnknownParentIsNotTakenForAMissingVersion(t *testing.T) {
	for release, version := range map[int]string{2512: "v3", 2212: "v1"} {
		p := newPod(t)
		p.Release = release
		client := p.client(t, nil)
		_, err := client.BaseVM(t.Context(), otherID, "", Named{Name: "gold-w11"})
		if err == nil || !strings.Contains(err.Error(), "no such virtual center") || errors.Is(err, ErrNotFound) {
			t.Errorf("%d: %v", release, err)
		}
		if _, err := client.BaseVM(t.Context(), vcenterID, "", Named{Name: "gold-w11"}); err != nil {
			t.Error(err)
		}
		p.forget()
		if _, err := client.BaseVM(t.Context(), vcenterID, "", Named{Name: "gold-w11"}); err != nil {
			t.Error(err)
		}
		p.wantCounts(t, map[string]int{"GET": 1, "GET /rest/external/" + version + "/base-vms": 1})
	}
}

func TestTroubleTellsNothingAboutVersions(t *testing.T) {
	p := newPod(t)
	p.Release = 2012
	client := p.client(t, nil)
	p.Intercept = onlyFor("GET /rest/inventory/v12", func(w http.ResponseWriter, _ *http.Request) { page(w, 503) })
	if _, err := client.Pools(t.Context()); err == nil {
		t.Error("no error")
	}
	p.Intercept = nil
	if pool, err := client.Pool(t.Context(), poolA); err != nil || pool.Name != "Alpha" {
		t.Errorf("%v %v", pool, err)
	}
}

func TestListThatHoldsSomethingElseIsAnError(t *testing.T) {
	for _, body := range []string{`[{"name":"x"}]`, `[7]`, `{"id":"x"}`, `[{"id":"x"`, `null`, ``} {
		p := newPod(t)
		client := p.client(t, nil)
		p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(w, body)
			}
			return r.Method == http.MethodGet
		}
		if _, err := client.Objects(t.Context(), Stream, "", nil); err == nil {
			t.Errorf("%s is a list of streams", body)
		}
		if _, err := client.Datacenter(t.Context(), vcenterID, Named{ID: "x"}); err == nil {
			t.Errorf("%s is a list of datacenters", body)
		}
	}
}

func TestUserWhoMayNotSeePoolsReadsTheCatalogueWithoutFilters(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = onlyFor("GET /rest/inventory", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "no", "not for you") })
	for range 3 {
		if found, err := client.Find(t.Context(), Tag, streamID, patch.Want{"/name": text("prod")}); err != nil || found.ID != tagID {
			t.Errorf("%v %v", found, err)
		}
	}
	p.wantCounts(t, map[string]int{"GET /rest/inventory": 1, "GET /rest/config": 3})
	if _, err := client.Pool(t.Context(), poolA); err == nil || !strings.Contains(err.Error(), "POOL_VIEW") {
		t.Errorf("%v", err)
	}
}
