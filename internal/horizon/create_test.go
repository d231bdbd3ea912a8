package horizon

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func newStream() patch.Document {
	return patch.Document{
		"/name": text("Silver"), "/operating_system": text("WINDOWS_10"), "/source": text("UPLOADED"), "/status": text("AVAILABLE"),
		"/additional_details/owner": text("desk"),
	}
}

func newAsset() patch.Document {
	return patch.Document{
		"/im_stream_id": text(streamID), "/im_version_id": text(versionID), "/vcenter_id": text(vcenterID), "/base_vm_id": text("vm-7"), "/base_snapshot_id": text("snapshot-8"),
		"/clone_type": text("INSTANT_CLONE"), "/image_type": text("VDI_DESKTOP"), "/status": text("AVAILABLE"),
	}
}

const (
	firstMade  = "5b1f0c52-64c4-4d5c-8a56-000000000001"
	secondMade = "5b1f0c52-64c4-4d5c-8a56-000000000002"
)

func TestCreateSendsTheObjectAndReturnsItsID(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	id, err := client.Create(t.Context(), Stream, newStream())
	if err != nil || id != firstMade {
		t.Fatalf("%s %v", id, err)
	}
	want := `{"additional_details":{"owner":"desk"},"name":"Silver","operating_system":"WINDOWS_10","source":"UPLOADED","status":"AVAILABLE"}`
	if got := p.lastBody("POST /rest/config"); got != want {
		t.Errorf("%s", got)
	}
	p.wantCounts(t, map[string]int{"POST /rest/config/v1/im-streams": 1, "GET /rest/config/v1/im-streams": 1})
}

func TestNewIDComesFromTheAnswerOrFromAListButNeverFromATwin(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc // after the create
		lists  int
	}{
		{"absolute Location", nil, 1},
		{"relative Location", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/rest/config/v1/im-assets/"+firstMade+"/")
			w.WriteHeader(201)
		}, 1},
		{"bare id", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", firstMade)
			w.WriteHeader(201)
		}, 1},
		{"item of a list", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, []map[string]any{{"id": firstMade, "status_code": 201}})
		}, 1},
		{"no Location", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) }, 2},
		{"Location of the list", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/rest/config/v1/im-assets")
			w.WriteHeader(201)
		}, 2},
		{"Location of the twin", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/rest/config/v1/im-assets/"+assetID)
			w.WriteHeader(201)
		}, 2},
		{"item that is the twin", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, []map[string]any{{"id": assetID, "status_code": 201}})
		}, 2},
		{"lost answer", reset, 2},
		{"truncated answer", truncated, 2},
		{"gateway that gave up", func(w http.ResponseWriter, _ *http.Request) { page(w, 504) }, 2},
		{"page instead of an answer", func(w http.ResponseWriter, _ *http.Request) { page(w, 200) }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPod(t)
			client := p.client(t, func(cfg *Config) { cfg.MaxRetries = 4 })
			p.After = func(w http.ResponseWriter, r *http.Request) bool {
				if c.answer != nil {
					c.answer(w, r)
				}
				return c.answer != nil
			}
			// The pod has an asset that is just the same: a twin.
			id, err := client.Create(t.Context(), Asset, newAsset())
			if err != nil || id != firstMade {
				t.Errorf("%s %v", id, err)
			}
			p.wantCounts(t, map[string]int{"POST /rest/config": 1, "GET /rest/config/v1/im-assets": c.lists})
		})
	}
}

func TestTwinsCreatedAtTheSameTimeHaveTheirOwnIDs(t *testing.T) {
	p := newPod(t)
	p.NoLocation = true
	client := p.client(t, nil)
	var mu sync.Mutex
	var ids []string
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			id, err := client.Create(t.Context(), Asset, newAsset())
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			ids = append(ids, id)
		})
	}
	wait.Wait()
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 8 {
		t.Errorf("%q", ids)
	}
	p.wantCounts(t, map[string]int{"POST /rest/config": 8})
}

func TestNewcomerOfSomebodyElseIsNotAdopted(t *testing.T) {
	p := newPod(t)
	p.NoLocation = true
	client := p.client(t, nil)
	p.After = func(w http.ResponseWriter, _ *http.Request) bool {
		twin := map[string]any{"id": otherID, "im_stream_id": streamID, "im_version_id": versionID, "vcenter_id": vcenterID, "base_vm_id": "vm-7",
			"base_snapshot_id": "snapshot-8", "clone_type": "INSTANT_CLONE", "image_type": "VDI_DESKTOP", "status": "AVAILABLE"}
		p.objects[Asset][otherID] = twin
		w.WriteHeader(201)
		return true
	}
	_, err := client.Create(t.Context(), Asset, newAsset())
	var unidentified *UnidentifiedError
	var write *WriteError
	if !errors.As(err, &unidentified) || !slices.Contains(unidentified.Candidates, firstMade) || !slices.Contains(unidentified.Candidates, otherID) ||
		!errors.As(err, &write) || write.Effect != Unknown {
		t.Errorf("%v", err)
	}
	p.mu.Lock()
	p.objects[Asset][otherID]["base_snapshot_id"] = "snapshot-9"
	p.mu.Unlock()
	p.After = func(w http.ResponseWriter, _ *http.Request) bool {
		other := map[string]any{"id": vcenterID, "im_version_id": versionID, "im_stream_id": streamID, "base_snapshot_id": "snapshot-9"}
		p.objects[Asset][vcenterID] = other
		w.WriteHeader(201)
		return true
	}
	if id, err := client.Create(t.Context(), Asset, newAsset()); err != nil || id != secondMade {
		t.Errorf("%s %v", id, err)
	}
}

func TestObjectThatIsListedLateIsFound(t *testing.T) {
	p := newPod(t)
	p.NoLocation = true
	client := p.client(t, nil)
	lists := 0
	p.Intercept = onlyLists("/rest/config/v1/im-streams", func(w http.ResponseWriter) bool {
		lists++
		if lists > 2 {
			return false
		}
		reply(w, 200, []any{})
		return true
	})
	if id, err := client.Create(t.Context(), Stream, newStream()); err != nil || id != firstMade {
		t.Errorf("%s %v", id, err)
	}
	p.wantCounts(t, map[string]int{"POST /rest/config": 1, "GET /rest/config/v1/im-streams": 3})
}

func onlyLists(path string, handle func(http.ResponseWriter) bool) func(http.ResponseWriter, *http.Request, string) bool {
	return func(w http.ResponseWriter, r *http.Request, _ string) bool {
		return r.Method == http.MethodGet && r.URL.Path == path && handle(w)
	}
}

func TestObjectThatNoListShowsIsReported(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = onlyFor("POST /rest/config", reset)
	_, err := client.Create(t.Context(), Stream, newStream())
	var unidentified *UnidentifiedError
	if !errors.As(err, &unidentified) || len(unidentified.Candidates) != 0 || !strings.Contains(err.Error(), "may have been created") {
		t.Errorf("%v", err)
	}
	p.wantCounts(t, map[string]int{"POST /rest/config": 1, "GET /rest/config/v1/im-streams": 1 + looks})
}

func TestCreateOfWhatExistsNamesTheOther(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = onlyFor("POST /rest/config", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 409, "exists", "name is taken") })
	spec := newStream()
	spec["/name"] = text("Gold")
	_, err := client.Create(t.Context(), Stream, spec)
	var exists *ExistsError
	if !errors.As(err, &exists) || exists.ID != streamID || !strings.Contains(err.Error(), "name is taken") {
		t.Errorf("%v", err)
	}
	_, err = client.Create(t.Context(), Stream, newStream())
	if !errors.As(err, &exists) || exists.ID != "" {
		t.Errorf("%v", err)
	}
}

func TestNothingIsCreatedWhatCannotBeRecognised(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = onlyFor("GET /rest/config", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "no", "no") })
	wrong := newStream()
	wrong["/usable"] = "true"
	for _, spec := range []patch.Document{newStream(), wrong} {
		_, err := client.Create(t.Context(), Stream, spec)
		var write *WriteError
		if !errors.As(err, &write) || write.Effect != Unsent {
			t.Errorf("%v", err)
		}
	}
	p.wantCounts(t, map[string]int{"POST /rest/config": 0})
}

func TestCancelledCreateStillLearnsItsID(t *testing.T) {
	for _, noLocation := range []bool{false, true} {
		p := newPod(t)
		p.NoLocation = noLocation
		client := p.client(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		p.After = func(http.ResponseWriter, *http.Request) bool { cancel(); return false }
		if id, err := client.Create(ctx, Stream, newStream()); err != nil || id != firstMade {
			t.Errorf("%s %v", id, err)
		}
		if _, err := client.Create(ctx, Stream, newStream()); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		p.wantCounts(t, map[string]int{"POST /rest/config": 1})
	}
}
