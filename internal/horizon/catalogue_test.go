package horizon

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

var (
	version1 = Ref{Kind: Version, ID: versionID, ParentID: streamID}
	tag1     = Ref{Kind: Tag, ID: tagID, ParentID: streamID}
	asset1   = Ref{Kind: Asset, ID: assetID, ParentID: versionID}
)

func TestObjectIsReadAsItIs(t *testing.T) {
	p := newPod(t)
	o, err := p.client(t, nil).Read(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	want := patch.Document{
		"/id": text(streamID), "/name": text("Gold"), "/operating_system": text("WINDOWS_11"), "/source": text("UPLOADED"), "/status": text("AVAILABLE"),
		"/description": text("office"), "/usable": "true", "/additional_details/owner": text("desk"), "/additional_details/a~1b": text("slash"),
	}
	got := o.Document()
	if len(got) != len(want) || len(patch.Diff(got, patch.Want(want), nil)) > 0 || o.Ref() != (Ref{Kind: Stream, ID: streamID}) || o.Text("name") != "Gold" {
		t.Errorf("%v", got)
	}
	got["/name"] = text("other")
	if o.Text("name") != "Gold" {
		t.Error("the caller's document is the object's")
	}
	p.wantCounts(t, map[string]int{"": 2}) // The sign-in and the read.
}

func TestUpdateRepeatsEverythingThatCanBeWritten(t *testing.T) {
	for _, c := range []struct {
		name string
		ref  Ref
		want patch.Want
		body string
	}{
		{"stream", stream, patch.Want{"/status": text("DISABLED"), "/additional_details/owner": patch.Absent, "/additional_details/team": text("x")},
			`{"additional_details":{"a/b":"slash","team":"x"},"description":"office","name":"Gold","operating_system":"WINDOWS_11","source":"UPLOADED","status":"DISABLED"}`},
		{"stream whose description is removed", stream, patch.Want{"/description": patch.Absent},
			`{"additional_details":{"a/b":"slash","owner":"desk"},"description":"","name":"Gold","operating_system":"WINDOWS_11","source":"UPLOADED","status":"AVAILABLE"}`},
		{"version", version1, patch.Want{"/name": text("1.1")}, `{"additional_details":{},"name":"1.1","status":"AVAILABLE"}`},
		{"tag that moves", tag1, patch.Want{"/im_version_id": text(otherID)}, `{"additional_details":{},"im_version_id":"` + otherID + `","name":"prod"}`},
		{"asset", asset1, patch.Want{"/image_type": text("RDSH_APPS")}, `{"additional_details":{},"clone_type":"INSTANT_CLONE","image_type":"RDSH_APPS","status":"AVAILABLE"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPod(t)
			client := p.client(t, nil)
			o, err := client.Read(t.Context(), c.ref)
			if err != nil {
				t.Fatal(err)
			}
			p.forget()
			operations := patch.Diff(o.Document(), c.want, Equal)
			after, err := client.Patch(t.Context(), c.ref, o.Document(), operations)
			if err != nil || len(patch.Diff(after, c.want, Equal)) > 0 {
				t.Fatalf("%v %v", after, err)
			}
			if got := p.lastBody("PUT"); got != c.body {
				t.Errorf("got  %s\nwant %s", got, c.body)
			}
			p.wantCounts(t, map[string]int{"": 1, "PUT /rest/config/v1/" + string(c.ref.Kind) + "/" + c.ref.ID: 1})
		})
	}
}

func TestUpdateThatCannotBeMadeIsNotSent(t *testing.T) {
	whole := patch.Document{"/clone_type": text("FULL_CLONE"), "/image_type": text("VDI_DESKTOP"), "/status": text("AVAILABLE"), "/vcenter_id": text("a")}
	for _, c := range []struct {
		name    string
		current patch.Document
		want    patch.Want
		says    string
	}{
		{"nothing", whole, nil, "empty"},
		{"fixed member", whole, patch.Want{"/vcenter_id": text("b")}, "/vcenter_id"},
		{"unknown member", whole, patch.Want{"/x/y": text("b")}, "/x/y"},
		{"required member removed", whole, patch.Want{"/status": patch.Absent}, "status"},
		{"member that the server does not show", patch.Document{"/status": text("FAILED")}, patch.Want{"/status": text("AVAILABLE")}, "clone_type"},
	} {
		p := newPod(t)
		_, err := p.client(t, nil).Patch(t.Context(), asset1, c.current, patch.Diff(c.current, c.want, nil))
		var write *WriteError
		if !errors.As(err, &write) || write.Effect != Unsent || !strings.Contains(err.Error(), c.says) || len(p.seen()) > 0 {
			t.Errorf("%s: %v %q", c.name, err, p.seen())
		}
	}
}

// store is how the provider uses the client under internal/change.
type store struct {
	client *Client
	ref    Ref
}

func (s store) Read(ctx context.Context) (patch.Document, error) {
	o, err := s.client.Read(ctx, s.ref)
	if err != nil {
		return nil, err
	}
	return o.Document(), nil
}

func (s store) Write(ctx context.Context, current patch.Document, p patch.Patch) (patch.Document, error) {
	return s.client.Patch(ctx, s.ref, current, p)
}

func TestFieldsThatOthersChangedSurviveAnUpdate(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	planned, err := store{client, stream}.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.objects[Stream][streamID]["publisher"] = "somebody else"
	p.objects[Stream][streamID]["additional_details"].(map[string]any)["cost"] = "7"
	p.mu.Unlock()
	result, err := change.Apply(t.Context(), store{client, stream}, change.Change{Seen: planned, Want: patch.Want{"/description": text("new")}, Equal: Equal},
		change.Timing{Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[patch.Pointer]patch.Value{"/publisher": text("somebody else"), "/additional_details/cost": text("7"), "/additional_details/owner": text("desk"), "/description": text("new")} {
		if result.Document[pointer] != want {
			t.Errorf("%s is %s, want %s", pointer, result.Document[pointer], want)
		}
	}
	p.wantCounts(t, map[string]int{"PUT": 1, "GET": 3})
}

func TestEmptyTextsMeanTheSameAsNone(t *testing.T) {
	for _, c := range []struct {
		pointer patch.Pointer
		a, b    patch.Value
		same    bool
	}{
		{"/description", patch.Absent, text(""), true},
		{"/publisher", text(""), patch.Absent, true},
		{"/description", text("a"), patch.Absent, false},
		{"/additional_details/k", text(""), patch.Absent, false},
		{"/name", text("a"), text("A"), false},
	} {
		if Equal(c.pointer, c.a, c.b) != c.same {
			t.Errorf("%+v", c)
		}
	}
}

func TestOnlyADefiniteAnswerMeansNotFound(t *testing.T) {
	gone := func(kind Kind, parent string) Ref { return Ref{Kind: kind, ID: otherID, ParentID: parent} }
	for _, c := range []struct {
		name     string
		ref      Ref
		handle   http.HandlerFunc // of the request about the object; nil: the pod's own
		notFound bool
	}{
		{"Horizon's own words", gone(Asset, ""), nil, true},
		{"words of old releases", gone(Asset, ""), func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 404, map[string]any{"status": "NOT_FOUND", "timestamp": 1, "error_message": "Entity does not exist."})
		}, true},
		{"a page, and the list of streams does not show it", gone(Stream, ""), func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, true},
		{"no body, and the list under its stream does not show it", gone(Tag, streamID), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, true},
		{"a page, and the list shows it", asset1, func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, false},
		{"a page, and no parent is known", gone(Asset, ""), func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, false},
		{"JSON of a gateway", gone(Asset, ""), func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 404, map[string]any{"status": 404, "error": "Not Found", "message": "no route", "path": "/x"})
		}, false},
		{"JSON of something else", gone(Asset, ""), func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 404, map[string]any{"status": "NOT_FOUND", "message": "no route"})
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPod(t)
			client := p.client(t, nil)
			if c.handle != nil {
				p.Intercept = onlyFor("GET "+c.ref.Kind.path()+"/", c.handle)
			}
			if _, err := client.Read(t.Context(), c.ref); err == nil || errors.Is(err, ErrNotFound) != c.notFound {
				t.Errorf("read: %v", err)
			}
			if c.handle != nil {
				p.Intercept = onlyFor("DELETE "+c.ref.Kind.path()+"/", c.handle)
			}
			if err := client.Delete(t.Context(), c.ref); (err == nil) != c.notFound {
				t.Errorf("delete: %v", err)
			}
		})
	}
}

func TestServerThatIsDownForEverythingTellsNothingOfAnObject(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	mustRead(t, client)
	p.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool { noRoute(w); return true }
	for _, ref := range []Ref{stream, version1, tag1, asset1} {
		if _, err := client.Read(t.Context(), ref); err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "check url") {
			t.Errorf("%v", err)
		}
	}
}

func TestRecordOfADeletedObjectIsNotFound(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.put(Version, otherID, map[string]any{"im_stream_id": streamID, "name": "0.9", "status": "DELETED"})
	if _, err := client.Read(t.Context(), Ref{Kind: Version, ID: otherID}); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	if found, err := client.Objects(t.Context(), Version, streamID, nil); err != nil || len(found) != 1 || found[0].ID != versionID {
		t.Errorf("%v %v", found, err)
	}
}

func TestAnswerAboutAnotherObjectIsAnError(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	for _, body := range []any{map[string]any{"id": otherID}, map[string]any{}, []any{}, "x"} {
		p.Intercept = onlyFor("GET /rest/config", func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, body) })
		if _, err := client.Read(t.Context(), stream); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%v: %v", body, err)
		}
	}
}

func TestIDThatWouldReachAnotherPathIsNotSent(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	for _, id := range []string{"", "..", "a/b", "a?b", "%2e", "x y"} {
		ref := Ref{Kind: Stream, ID: id}
		_, read := client.Read(t.Context(), ref)
		_, patched := client.Patch(t.Context(), ref, nil, nil)
		_, listed := client.Objects(t.Context(), Tag, id, nil)
		_, pool := client.Pool(t.Context(), id)
		if read == nil || patched == nil || listed == nil || pool == nil || client.Delete(t.Context(), ref) == nil || len(p.seen()) > 0 {
			t.Errorf("%q: %q", id, p.seen())
		}
	}
}

func TestDeleteOfAnObjectInUseNamesThePools(t *testing.T) {
	for _, c := range []struct {
		name   string
		ref    Ref
		handle http.HandlerFunc
		says   string
		pools  int
	}{
		{"409", stream, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 409, "in.use", "it has users") }, "desktop pools Alpha", 1},
		{"400", asset1, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "in.use", "it has users") }, "desktop pools Alpha", 1},
		{"tag", tag1, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "in.use", "it has users") }, "desktop pools Alpha", 1},
		{"tag that nobody follows", Ref{Kind: Tag, ID: otherID}, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 400, "in.use", "it has users") }, "no desktop pool", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPod(t)
			p.put(Tag, otherID, map[string]any{"im_stream_id": streamID, "im_version_id": versionID, "name": "test"})
			client := p.client(t, nil)
			p.Intercept = onlyFor("DELETE", c.handle)
			err := client.Delete(t.Context(), c.ref)
			var inUse *InUseError
			var write *WriteError
			if !errors.As(err, &inUse) || !errors.As(err, &write) || write.Effect != Refused || len(inUse.Pools) != c.pools || inUse.PoolsErr != nil {
				t.Fatalf("%v", err)
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "it has users") {
				t.Errorf("%v", err)
			}
			p.wantCounts(t, map[string]int{"DELETE": 1, "GET /rest/inventory": 1})
		})
	}
}

func TestDeleteInUseOfAnObjectThatCannotBeReadSaysSo(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path != "/rest/login" {
			refuse(w, 400, "x", "not "+r.Method)
		}
		return r.URL.Path != "/rest/login"
	}
	err := client.Delete(t.Context(), asset1)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PoolsErr == nil || !strings.Contains(err.Error(), "not GET") || !strings.Contains(err.Error(), "not DELETE") {
		t.Errorf("%v", err)
	}
}

func TestDeleteInUseWhosePoolsCannotBeListedSaysSo(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		switch {
		case r.Method == http.MethodDelete:
			refuse(w, 409, "in.use", "it has users")
		case strings.Contains(r.URL.Path, "desktop-pools"):
			refuse(w, 403, "no", "not for you")
		default:
			return false
		}
		return true
	}
	err := client.Delete(t.Context(), stream)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PoolsErr == nil || !strings.Contains(err.Error(), "could not be listed") || !strings.Contains(err.Error(), "it has users") {
		t.Errorf("%v", err)
	}
}

// A failure may hide behind the status of a whole request.
func TestFailedPartsOfAnAcceptedWriteAreErrors(t *testing.T) {
	failing := []map[string]any{
		{"id": streamID, "status_code": 204},
		{"id": otherID, "status_code": 400, "errors": []map[string]any{{"error_key": "k", "error_message": "not this one " + password}}, "timestamp": 1},
	}
	p := newPod(t)
	client := p.client(t, nil)
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.Method == http.MethodGet || r.URL.Path == "/rest/login" {
			return false
		}
		reply(w, 200, failing)
		return true
	}
	for _, o := range operations {
		if !strings.HasPrefix(o.request, "GET") {
			var partial *PartialError
			err := o.call(t.Context(), client)
			if !errors.As(err, &partial) || len(partial.Items) != 1 || partial.Total != 2 || partial.Items[0].ID != otherID ||
				!strings.Contains(err.Error(), "not this one") || strings.Contains(err.Error(), "sentinel") {
				t.Errorf("%s: %v", o.name, err)
			}
			var unidentified *UnidentifiedError
			if errors.As(err, &unidentified) {
				t.Errorf("%s: what failed is looked for: %v", o.name, err)
			}
		}
	}
	for _, harmless := range []any{[]any{}, nil, map[string]any{}, []map[string]any{failing[0]}, map[string]any{"id": streamID, "name": "Silver"}} {
		p.Intercept = onlyFor("PUT", func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, harmless) })
		if err := operations[2].call(t.Context(), client); err != nil {
			t.Errorf("%v: %v", harmless, err)
		}
	}
}

func TestADeletionThatWasNotDoneIsAnError(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	mustRead(t, client)
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	err := client.Delete(t.Context(), stream)
	var still *StillThereError
	if !errors.As(err, &still) || still.Ref != stream {
		t.Fatalf("%v", err)
	}
	p.wantCounts(t, map[string]int{"DELETE": 1, "GET /rest/config/v1/im-streams/": 1 + looks})
}
