package horizon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// Resolved is what a tag of the catalogue stands for in a vCenter.
type Resolved struct{ VersionID, AssetID, ParentVMID, SnapshotID string }

// Image returns the image as a pool shows it that follows the tag.
func (r Resolved) Image(streamID, tagID string) PoolImage {
	return PoolImage{ParentVMID: r.ParentVMID, SnapshotID: r.SnapshotID, StreamID: streamID, TagID: tagID}
}

// ResolveError says that a tag does not stand for one image in a vCenter.
type ResolveError struct {
	// TagID is empty where no tag was asked for.
	TagID, VersionID, VCenterID string
	// Usable is how many assets could be pushed: none, or several. Assets are all of the
	// version, each with what tells it from such a one.
	Usable int
	Assets []string
}

func (e *ResolveError) Error() string {
	has := "no asset"
	if e.Usable > 1 {
		has = fmt.Sprintf("%d assets", e.Usable)
	}
	which := "the version " + e.VersionID
	if e.TagID != "" {
		which = fmt.Sprintf("the tag %s is on the version %s, which", e.TagID, e.VersionID)
	}
	text := fmt.Sprintf("%s has %s for the vCenter %s that can be pushed to desktop pools "+
		"(clone_type INSTANT_CLONE, image_type VDI_DESKTOP, status AVAILABLE)", which, has, e.VCenterID)
	if len(e.Assets) == 0 {
		return text + "; the version has no asset at all"
	}
	return text + "; the version has " + strings.Join(e.Assets, "; ")
}

// ResolveTag says what a tag stands for now. errors.Is(err, ErrNotFound) is true for a
// tag that is not there; other errors are a *ResolveError and those of Read.
func (c *Client) ResolveTag(ctx context.Context, streamID, tagID, vcenterID string) (Resolved, error) {
	tag, err := c.Read(ctx, Ref{Kind: Tag, ID: tagID, ParentID: streamID})
	if err != nil {
		return Resolved{}, fmt.Errorf("reading the tag %s: %w", tagID, err)
	}
	if of := tag.Text("im_stream_id"); of != "" && !strings.EqualFold(of, streamID) {
		return Resolved{}, fmt.Errorf("the tag %s is one of the stream %s, not of %s", tagID, of, streamID)
	}
	found, err := c.ResolveVersion(ctx, tag.Text("im_version_id"), vcenterID)
	var failed *ResolveError
	if errors.As(err, &failed) {
		failed.TagID = tagID
	}
	return found, err
}

// ResolveVersion says what a tag stands for that is on a version. Its errors are a
// *ResolveError and those of Read.
func (c *Client) ResolveVersion(ctx context.Context, versionID, vcenterID string) (Resolved, error) {
	assets, err := c.Objects(ctx, Asset, versionID, nil)
	if err != nil {
		return Resolved{}, fmt.Errorf("listing the assets of the version %s: %w", versionID, err)
	}
	failed := &ResolveError{VersionID: versionID, VCenterID: vcenterID}
	var found Resolved
	for _, a := range assets {
		failed.Assets = append(failed.Assets, fmt.Sprintf("%s (vCenter %s, %s, %s, %s)", a.ID, a.Text("vcenter_id"), a.Text("clone_type"), a.Text("image_type"), a.Text("status")))
		if isPushable(a, vcenterID) {
			failed.Usable++
			found = Resolved{VersionID: versionID, AssetID: a.ID, ParentVMID: a.Text("base_vm_id"), SnapshotID: a.Text("base_snapshot_id")}
		}
	}
	if failed.Usable != 1 {
		return Resolved{}, failed
	}
	return found, nil
}

// isPushable says whether an asset is one for desktop pools of a vCenter.
func isPushable(a *Object, vcenterID string) bool {
	return strings.EqualFold(a.Text("vcenter_id"), vcenterID) && a.Text("clone_type") == "INSTANT_CLONE" && a.Text("image_type") == "VDI_DESKTOP" &&
		a.Text("status") == "AVAILABLE" && a.Text("base_vm_id") != "" && a.Text("base_snapshot_id") != ""
}

// tagIn is a tag with a vCenter.
type tagIn struct{ streamID, tagID, vcenterID string }

// RecentTag is ResolveTag for many who ask in one run: it is kept for 30 s, unless this
// process writes to the catalogue.
func (c *Client) RecentTag(ctx context.Context, streamID, tagID, vcenterID string) (Resolved, error) {
	key := tagIn{strings.ToLower(streamID), strings.ToLower(tagID), strings.ToLower(vcenterID)}
	return c.server.tags.get(ctx, c.now, key, func(ctx context.Context) (Resolved, error) {
		return c.ResolveTag(ctx, streamID, tagID, vcenterID)
	})
}

// VersionOf returns the version of a stream that has an image as an asset, "" if none
// has. It lists the assets of each version until one has. Its errors are those of Read.
func (c *Client) VersionOf(ctx context.Context, streamID, vcenterID string, image PoolImage) (string, error) {
	versions, err := c.Objects(ctx, Version, streamID, nil)
	if err != nil {
		return "", err
	}
	where := patch.Want{patch.NewPointer("base_snapshot_id"): patch.StringValue(image.SnapshotID)}
	for _, v := range versions {
		assets, err := c.Objects(ctx, Asset, v.ID, where)
		if err != nil {
			return "", err
		}
		for _, a := range assets {
			if strings.EqualFold(a.Text("vcenter_id"), vcenterID) && a.Text("base_vm_id") == image.ParentVMID {
				return v.ID, nil
			}
		}
	}
	return "", nil
}

// source is a VM with a snapshot in a vCenter.
type source struct{ vcenterID, vmID, snapshotID string }

// Source is what Horizon knows of an image in a vCenter.
type Source struct {
	VM       BaseVM
	Snapshot BaseSnapshot
}

// RecentSource looks an image up by the ids of its VM and its snapshot, which must be one of the VM;
// it is kept for 30 s. Its errors are a *LookupError for what is not there, and those of
// Read.
func (c *Client) RecentSource(ctx context.Context, vcenterID, vmID, snapshotID string) (Source, error) {
	return c.server.sources.get(ctx, c.now, source{vcenterID, vmID, snapshotID}, func(ctx context.Context) (Source, error) {
		vm, err := c.BaseVM(ctx, vcenterID, "", Named{ID: vmID})
		if err != nil {
			return Source{}, err
		}
		snapshot, err := c.BaseSnapshot(ctx, vcenterID, vmID, Named{ID: snapshotID})
		return Source{vm, snapshot}, err
	})
}
