package change_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

var key = change.Key{Endpoint: "http://127.0.0.1:9292", ID: "one"}

func TestTheLockSerialisesOneObjectOnly(t *testing.T) {
	unlock, err := change.Lock(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := change.Lock(t.Context(), change.Key{Endpoint: key.Endpoint, ID: "two"})
	if err != nil {
		t.Fatal(err)
	}
	other()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := change.Lock(ctx, key); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait ends in %v", err)
	}
	unlock()
	again, err := change.Lock(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestTheLockLetsOneInAtATime(t *testing.T) {
	inside, most := 0, 0
	var waiters sync.WaitGroup
	for range 50 {
		waiters.Go(func() {
			unlock, err := change.Lock(context.Background(), key)
			if err != nil {
				t.Error(err)
				return
			}
			inside++
			most = max(most, inside)
			inside--
			unlock()
		})
	}
	waiters.Wait()
	if most != 1 {
		t.Errorf("%d at once", most)
	}
}

func TestTheFirstReadingIsKept(t *testing.T) {
	m := change.NewMemory()
	if m.Known(key) != nil {
		t.Error("something is known of an object never read")
	}
	m.First(key, patch.Document{"/a": "1"})
	if got := m.First(key, patch.Document{"/a": "2"}); got["/a"] != "1" || m.Known(key)["/a"] != "1" {
		t.Errorf("%v", got)
	}
}

func TestHolders(t *testing.T) {
	m := change.NewMemory()
	m.Hold(key, "i1", patch.Want{"/a": "1", "/b": patch.Absent})
	for _, c := range []struct {
		instance string
		pointer  patch.Pointer
		other    bool
	}{{"i1", "/a", false}, {"i2", "/a", true}, {"i2", "/b", true}, {"i2", "/c", false}} {
		if got := m.HeldByOther(key, c.instance, c.pointer); got != c.other {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if !m.WroteHere(key, "/b", patch.Absent) || m.WroteHere(key, "/a", "2") || m.WroteHere(key, "/c", patch.Absent) {
		t.Error("what this process wrote is not what it remembers")
	}
	m.Hold(key, change.Nobody, patch.Want{"/a": "0"})
	if m.HeldByOther(key, "i2", "/a") || !m.WroteHere(key, "/a", "0") {
		t.Error("a pointer that was given back is still held")
	}
}

func TestAHandedOverRecordGoesToItsSuccessorOnce(t *testing.T) {
	owning := func(pointers ...patch.Pointer) func(patch.Pointer) bool {
		return func(p patch.Pointer) bool { return slices.Contains(pointers, p) }
	}
	m := change.NewMemory()
	a := patch.Patch{{Path: "/a"}, {Path: "/b"}}
	b := patch.Patch{{Path: "/c"}}
	c := patch.Patch{{Path: "/d"}}
	m.HandOver(key, change.Handover{Record: a})
	m.HandOver(key, change.Handover{Record: b})
	m.HandOver(key, change.Handover{Record: c})
	if got := m.TakeOver(key, owning("/c", "/x")).Record; !slices.Equal(got, b) {
		t.Errorf("%v", got)
	}
	if got := m.TakeOver(key, owning("/d")).Record; !slices.Equal(got, c) {
		t.Errorf("%v", got)
	}
	// A replacement that owns nothing of what its predecessor did.
	if got := m.TakeOver(key, owning("/x")).Record; !slices.Equal(got, a) {
		t.Errorf("%v", got)
	}
	if got := m.TakeOver(key, owning("/a")).Record; got != nil {
		t.Errorf("taken twice: %v", got)
	}
}

func TestWhatIsGoneIsRemembered(t *testing.T) {
	m := change.NewMemory()
	if m.FoundGone(key) {
		t.Error("an object that nobody looked for is gone")
	}
	m.NoteGone(key)
	if !m.FoundGone(key) || m.FoundGone(change.Key{ID: "two"}) {
		t.Error("it is not remembered which object is gone")
	}
}
