package horizon

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// shelf is a stage with a tag on the first of two versions, each with an image.
type shelf struct {
	*stage
	tag, first, second string
}

func newShelf(t *testing.T, release string) *shelf {
	s := &shelf{stage: newStage(t, staging{release: release})}
	s.first, s.second = s.version("1.1", gold1), s.version("1.2", gold2)
	s.tag = s.CreateCatalogueObject("im-tags", map[string]any{"im_stream_id": simulator.HorizonStreamID, "im_version_id": s.first, "name": "live"})
	return s
}

func (s *shelf) version(name string, image PoolImage) string {
	id := s.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": simulator.HorizonStreamID, "name": name, "status": "AVAILABLE"})
	s.asset(id, image, nil)
	return id
}

func (s *shelf) asset(version string, image PoolImage, change map[string]any) string {
	values := map[string]any{
		"im_stream_id": simulator.HorizonStreamID, "im_version_id": version, "vcenter_id": simulator.HorizonVCenterID, "clone_type": "INSTANT_CLONE",
		"image_type": "VDI_DESKTOP", "status": "AVAILABLE", "base_vm_id": image.ParentVMID, "base_snapshot_id": image.SnapshotID,
	}
	for name, value := range change {
		values[name] = value
	}
	return s.CreateCatalogueObject("im-assets", values)
}

func (s *shelf) recent(ctx context.Context) (Resolved, error) {
	return s.client.RecentTag(ctx, simulator.HorizonStreamID, s.tag, simulator.HorizonVCenterID)
}

func (s *shelf) gets() int {
	return len(slices.DeleteFunc(s.Requests(), func(r simulator.Request) bool { return r.Method != http.MethodGet }))
}

func TestTagIsResolvedOnceForMany(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"2012", "2312", "2512"} {
		s := newShelf(t, release)
		if _, err := s.client.ResolveTag(t.Context(), simulator.HorizonStreamID, s.tag, simulator.HorizonVCenterID); err != nil {
			t.Fatal(err)
		}
		s.ResetRequests()
		if _, err := s.client.ResolveTag(t.Context(), simulator.HorizonStreamID, s.tag, simulator.HorizonVCenterID); err != nil {
			t.Fatal(err)
		}
		alone := s.gets()
		s.ResetRequests()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				r, err := s.recent(t.Context())
				if err != nil || r.VersionID != s.first || r.Image("st", "tg") != (PoolImage{ParentVMID: gold1.ParentVMID, SnapshotID: gold1.SnapshotID, StreamID: "st", TagID: "tg"}) {
					t.Errorf("%+v %v", r, err)
				}
			})
		}
		all.Wait()
		if n := s.gets(); n != alone {
			t.Errorf("%s: %d requests, alone it takes %d", release, n, alone)
		}
		// What somebody else does is seen half a minute later, what this process writes at once.
		s.must(s.WriteCatalogueObject(s.tag, map[string]any{"im_version_id": s.second}))
		s.Advance(29 * time.Second)
		if r, _ := s.recent(t.Context()); r.VersionID != s.first {
			t.Errorf("%s: it is not kept", release)
		}
		s.Advance(time.Second)
		if r, _ := s.recent(t.Context()); r.VersionID != s.second {
			t.Errorf("%s: it is kept for too long", release)
		}
		ref := Ref{Kind: Tag, ID: s.tag, ParentID: simulator.HorizonStreamID}
		o, err := s.client.Read(t.Context(), ref)
		s.must(err)
		want := patch.Want{"/im_version_id": patch.StringValue(s.first)}
		_, err = s.client.Patch(t.Context(), ref, o.Document(), patch.Diff(o.Document(), want, Equal))
		s.must(err)
		if r, _ := s.recent(t.Context()); r.VersionID != s.first {
			t.Errorf("%s: what was written is not seen", release)
		}
	}
}

// TestWhatIsFoundWhileItIsWrittenIsNotKept writes to the catalogue while a tag is looked up.
func TestWhatIsFoundWhileItIsWrittenIsNotKept(t *testing.T) {
	t.Parallel()
	k := kept[string, int]{}
	now := func() time.Time { return noon }
	find := func(value int) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { return value, nil }
	}
	got, err := k.get(t.Context(), now, "a", func(context.Context) (int, error) {
		k.forget()
		return 1, nil
	})
	if again, _ := k.get(t.Context(), now, "a", find(2)); got != 1 || err != nil || again != 2 {
		t.Errorf("%d %v, then %d", got, err, again)
	}
	if other, _ := k.get(t.Context(), now, "b", find(3)); other != 3 {
		t.Errorf("%d", other)
	}
	if kept, _ := k.get(t.Context(), now, "a", find(4)); kept != 2 {
		t.Errorf("%d", kept)
	}
	// Who comes after a write does not join who came before.
	begun, release := make(chan struct{}), make(chan struct{})
	before := make(chan int)
	go func() {
		value, _ := k.get(context.WithoutCancel(t.Context()), now, "c", func(context.Context) (int, error) {
			close(begun)
			<-release
			return 5, nil
		})
		before <- value
	}()
	<-begun
	k.forget()
	if value, _ := k.get(t.Context(), now, "c", find(6)); value != 6 {
		t.Errorf("it joins what began before: %d", value)
	}
	close(release)
	if value := <-before; value != 5 {
		t.Errorf("%d", value)
	}
	if value, _ := k.get(t.Context(), now, "c", find(7)); value != 6 {
		t.Errorf("%d is kept", value)
	}
	// Errors that pass are not kept.
	k.forget()
	passing := errors.New("a trouble")
	if _, err := k.get(t.Context(), now, "d", func(context.Context) (int, error) { return 0, passing }); !errors.Is(err, passing) {
		t.Error(err)
	}
	if value, err := k.get(t.Context(), now, "d", find(8)); value != 8 || err != nil {
		t.Errorf("%d %v", value, err)
	}
}

func TestTagThatDoesNotStandForOneImageNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	s := newShelf(t, "2512")
	none := s.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": simulator.HorizonStreamID, "name": "0.1", "status": "AVAILABLE"})
	other := s.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": simulator.HorizonStreamID, "name": "0.2", "status": "AVAILABLE"})
	disabled := s.asset(other, gold2, map[string]any{"status": "DISABLED"})
	sessions := s.asset(other, gold2, map[string]any{"image_type": "RDSH_DESKTOP"})
	twin := s.asset(s.second, gold3, nil)
	for _, c := range []struct {
		version string
		usable  int
		says    []string
	}{
		{none, 0, []string{"no asset at all", none}},
		{other, 0, []string{"has no asset for the vCenter", disabled, "DISABLED", sessions, "RDSH_DESKTOP"}},
		{s.second, 2, []string{"has 2 assets", twin, "AVAILABLE"}},
	} {
		s.must(s.WriteCatalogueObject(s.tag, map[string]any{"im_version_id": c.version}))
		_, err := s.client.ResolveTag(t.Context(), simulator.HorizonStreamID, s.tag, simulator.HorizonVCenterID)
		var failed *ResolveError
		if !errors.As(err, &failed) || failed.Usable != c.usable || failed.VersionID != c.version {
			t.Errorf("%v", err)
			continue
		}
		for _, says := range c.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%v does not say %s", err, says)
			}
		}
	}
	if _, err := s.client.ResolveTag(t.Context(), simulator.HorizonStreamID, otherID, simulator.HorizonVCenterID); !errors.Is(err, ErrNotFound) {
		t.Errorf("a tag that is not there: %v", err)
	}
	if version, err := s.client.VersionOf(t.Context(), simulator.HorizonStreamID, simulator.HorizonVCenterID, gold1); version != s.first || err != nil {
		t.Errorf("%s %v", version, err)
	}
	if version, err := s.client.VersionOf(t.Context(), simulator.HorizonStreamID, simulator.HorizonVCenterID, PoolImage{ParentVMID: "vm-1003", SnapshotID: "snapshot-1007"}); version != "" || err != nil {
		t.Errorf("%s %v", version, err)
	}
}

func TestSourceIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t, "2512")
	for range 3 {
		found, err := s.client.RecentSource(t.Context(), simulator.HorizonVCenterID, gold2.ParentVMID, gold2.SnapshotID)
		if err != nil || found.VM.Name != "win11-golden" || found.Snapshot.Name != "v2" {
			t.Errorf("%+v %v", found, err)
		}
	}
	n := s.gets()
	if _, err := s.client.RecentSource(t.Context(), simulator.HorizonVCenterID, gold2.ParentVMID, gold2.SnapshotID); err != nil || s.gets() != n {
		t.Errorf("%v, %d more requests", err, s.gets()-n)
	}
	var missing *LookupError
	if _, err := s.client.RecentSource(t.Context(), simulator.HorizonVCenterID, gold2.ParentVMID, "snapshot-1007"); !errors.As(err, &missing) {
		t.Errorf("a snapshot of another VM: %v", err)
	}
}
