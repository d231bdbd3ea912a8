package horizon

import (
	"errors"
	"net/http/httptest"
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
			server := httptest.NewServer(contract.GuardAnswers(t, release, sim))
			defer server.Close()
			d := sim.Describe(server.URL)
			client, err := New(Config{URL: d.Horizon, Domain: d.Domain, Username: d.Username, Password: d.Password, Getenv: func(string) string { return "" }})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close(t.Context()) }()
			keepsACatalogue(t, client)
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
