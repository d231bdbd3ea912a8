package horizon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// TestACatalogueOnEveryRelease makes a stream with two versions, an asset and a
// tag, finds everything by name, moves the tag, disables a version and takes it all
// away, on the simulator of each release, which was written apart from this client.
// Every answer is held against the vendor's document, and so is every request but
// those that ask whether a release has a later version of a route, which 404 answers.
func TestACatalogueOnEveryRelease(t *testing.T) {
	t.Parallel()
	for _, release := range contract.Releases() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			sim := simulator.New(simulator.Options{Release: release, Empty: true})
			keepsACatalogue(t, guarded(t, release, sim))
		})
	}
}

func keepsACatalogue(t *testing.T, client *Client) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	vcenter, err := client.VirtualCenter(ctx, Named{Name: "vcenter.demo.example"})
	must(err)
	datacenter, err := client.Datacenter(ctx, vcenter.ID, Named{Name: "DC1"})
	must(err)
	vm, err := client.BaseVM(ctx, vcenter.ID, datacenter.ID, Named{Name: "win11-golden"})
	must(err)
	snapshot, err := client.NewestBaseSnapshot(ctx, vcenter.ID, vm.ID, Named{})
	must(err)
	if snapshot.Name != "v3" {
		t.Errorf("the newest snapshot is %s", snapshot.Name)
	}

	create := func(kind Kind, spec patch.Document) string {
		t.Helper()
		id, err := client.Create(ctx, kind, spec)
		must(err)
		return id
	}
	stream := create(Stream, patch.Document{"/name": `"Gold"`, "/operating_system": `"WINDOWS_10"`, "/source": `"UPLOADED"`, "/status": `"AVAILABLE"`, "/description": `"office"`})
	first := create(Version, patch.Document{"/im_stream_id": patch.StringValue(stream), "/name": `"v1"`, "/status": `"AVAILABLE"`})
	second := create(Version, patch.Document{"/im_stream_id": patch.StringValue(stream), "/name": `"v2"`, "/status": `"AVAILABLE"`})
	asset := create(Asset, patch.Document{
		"/im_stream_id": patch.StringValue(stream), "/im_version_id": patch.StringValue(first), "/vcenter_id": patch.StringValue(vcenter.ID),
		"/base_vm_id": patch.StringValue(vm.ID), "/base_snapshot_id": patch.StringValue(snapshot.ID),
		"/clone_type": `"INSTANT_CLONE"`, "/image_type": `"VDI_DESKTOP"`, "/status": `"AVAILABLE"`, "/additional_details/owner": `"desk"`,
	})
	tag := create(Tag, patch.Document{"/im_stream_id": patch.StringValue(stream), "/im_version_id": patch.StringValue(first), "/name": `"production"`})

	found, err := client.Find(ctx, Version, stream, patch.Want{"/name": `"v2"`})
	must(err)
	if found.ID != second {
		t.Errorf("version v2 is %s, want %s", found.ID, second)
	}
	change := func(ref Ref, want patch.Want) {
		t.Helper()
		o, err := client.Read(ctx, ref)
		must(err)
		_, err = client.Patch(ctx, ref, o.Document(), patch.Diff(o.Document(), want, Equal))
		must(err)
		after, err := client.Read(ctx, ref)
		must(err)
		if left := patch.Diff(after.Document(), want, Equal); len(left) > 0 {
			t.Errorf("%s %s: %v is left to do", ref.Kind, ref.ID, left)
		}
	}
	change(Ref{Kind: Tag, ID: tag, ParentID: stream}, patch.Want{"/im_version_id": patch.StringValue(second)})
	change(Ref{Kind: Version, ID: first, ParentID: stream}, patch.Want{"/status": `"DISABLED"`})
	change(Ref{Kind: Asset, ID: asset, ParentID: first}, patch.Want{"/additional_details/owner": patch.Absent, "/additional_details/team": `"vdi"`})

	for _, ref := range []Ref{
		{Kind: Tag, ID: tag, ParentID: stream}, {Kind: Asset, ID: asset, ParentID: first},
		{Kind: Version, ID: first, ParentID: stream}, {Kind: Version, ID: second, ParentID: stream}, {Kind: Stream, ID: stream},
	} {
		must(client.Delete(ctx, ref))
		if _, err := client.Read(ctx, ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s %s after its deletion: %v", ref.Kind, ref.ID, err)
		}
	}
}

// TestMachinesOnEveryRelease follows the pools and their machines, which show as
// much of their image as the release does.
func TestMachinesOnEveryRelease(t *testing.T) {
	t.Parallel()
	for _, release := range contract.Releases() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			sim := simulator.New(simulator.Options{Release: release})
			client := guarded(t, release, sim)
			ctx := t.Context()
			tag := sim.CreateCatalogueObject("im-tags", map[string]any{"im_stream_id": simulator.HorizonStreamID, "im_version_id": simulator.HorizonVersionID, "name": "live"})
			if err := sim.FollowTag("SALES", tag); err != nil {
				t.Fatal(err)
			}
			pools, err := client.RecentPools(ctx)
			if err != nil || len(pools) != 3 {
				t.Fatalf("%v %v", pools, err)
			}
			for i, count := range []int{10, 50, 1} {
				machines, err := client.Machines(ctx, pools[i].ID)
				if err != nil || len(machines) != count {
					t.Fatalf("%s: %v %v", pools[i].Name, machines, err)
				}
				for _, m := range machines {
					// The list of pools shows names since 2412 as well.
					if m.Image != pools[i].Current || m.Pending != (PoolImage{}) || m.Held || m.State != "AVAILABLE" || m.DesktopPoolID != pools[i].ID {
						t.Errorf("%s is %+v, the pool %+v", m.Name, m, pools[i].Current)
					}
				}
				if image := machines[0].Image; i == 1 && (image.TagID != tag || (image.TagName == "live") != (release >= "2412")) {
					t.Errorf("%+v", image)
				}
			}
		})
	}
}

// TestManyReadsOnEveryRelease reads the versions of a stream together.
func TestManyReadsOnEveryRelease(t *testing.T) {
	t.Parallel()
	for _, release := range contract.Releases() {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			sim := simulator.New(simulator.Options{Release: release})
			client, k := guarded(t, release, sim), &company{}
			client.server.recent.after = k.after
			var refs []Ref
			for i := range 5 {
				id := sim.CreateCatalogueObject("im-versions", map[string]any{"im_stream_id": simulator.HorizonStreamID, "name": fmt.Sprint("n", i), "status": "AVAILABLE"})
				refs = append(refs, Ref{Kind: Version, ID: id, ParentID: simulator.HorizonStreamID})
			}
			objects, errs := readTogether(inTime(t), client, k, refs...)
			for i, o := range objects {
				if errs[i] != nil || o.Text("name") != fmt.Sprint("n", i) {
					t.Errorf("%v %v", o, errs[i])
				}
				alone, err := client.Read(t.Context(), refs[i])
				if err != nil || !maps.Equal(alone.Document(), o.Document()) {
					t.Errorf("alone it is %v %v", alone, err)
				}
			}
		})
	}
}

// guarded is a client of a simulator whose answers are held against the vendor's
// documents.
func guarded(t *testing.T, release string, sim *simulator.Simulator) *Client {
	t.Helper()
	server := httptest.NewServer(contract.GuardAnswers(t, release, sim))
	t.Cleanup(server.Close)
	d := sim.Describe(server.URL)
	client, err := New(Config{URL: d.Horizon, Domain: d.Domain, Username: d.Username, Password: d.Password, Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	return client
}

// TestTheEndOfTheProcessSignsOut is no parallel test: it ends the sessions of all.
func TestTheEndOfTheProcessSignsOut(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	var logouts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/rest/logout") {
			logouts.Add(1)
		}
		sim.ServeHTTP(w, r)
	}))
	defer server.Close()
	d := sim.Describe(server.URL)
	for _, name := range []string{d.Username, "admin"} {
		client, err := New(Config{URL: d.Horizon, Domain: d.Domain, Username: name, Password: name + "-password", Getenv: func(string) string { return "" }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Pools(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	CloseAll(t.Context())
	if n := logouts.Load(); n != 2 {
		t.Errorf("%d sessions were ended, want 2", n)
	}
	CloseAll(t.Context())
	if n := logouts.Load(); n != 2 {
		t.Errorf("%d sessions were ended, want 2", n)
	}
}
