package horizon

import (
	"path"
	"strings"
)

// Target is what a pool is to be: an image, and what is configured of the rest.
// Nil members are left as they are.
type Target struct {
	// Image is a VM with its snapshot; from the catalogue also the stream and the tag
	// that it was resolved from.
	Image PoolImage
	// VersionID is the version of the catalogue that the image was resolved from.
	VersionID string

	AddVirtualTPM    *bool
	Compute          *ComputeProfile
	GridVGPUsEnabled *bool
	VGPUGridProfile  *string
}

// String names an image for people: by the names of the VM and the snapshot, or of
// the stream and the tag, or by ids where names are not known.
func (i PoolImage) String() string {
	name := func(id, label string) string {
		if label != "" && label != "/" {
			return path.Base(label)
		}
		return id
	}
	vm, snapshot := name(i.ParentVMID, i.ParentVMPath), name(i.SnapshotID, i.SnapshotPath)
	if i.StreamID == "" && i.TagID == "" || snapshot != "" && i.StreamName == "" {
		return strings.TrimSpace(vm + " " + snapshot)
	}
	text := strings.TrimSpace(name(i.StreamID, i.StreamName) + " " + name(i.TagID, i.TagName))
	if snapshot != "" {
		text += " (" + strings.TrimSpace(vm+" "+snapshot) + ")"
	}
	return text
}

// isZero says that there is no image.
func (i PoolImage) isZero() bool { return i == PoolImage{} }

// same says whether two images are one. An image is the snapshot that machines
// are made of; only where a pool does not say which that is, it is the tag. So a
// tag that was moved stands for another image, and it does not matter whether a
// pool came to an image by a tag.
func (i PoolImage) same(j PoolImage) bool {
	if i.SnapshotID == "" || j.SnapshotID == "" {
		return i.sameTag(j)
	}
	// The ids of snapshots are unique in a vCenter, to which a pool belongs; those of
	// VMs are compared where both are known.
	return i.SnapshotID == j.SnapshotID && (i.ParentVMID == "" || j.ParentVMID == "" || i.ParentVMID == j.ParentVMID)
}

// Same says whether two images are one: the snapshot that machines are made of, or,
// where one of the two does not say it, the tag.
func (i PoolImage) Same(j PoolImage) bool { return i.same(j) }

func (i PoolImage) sameTag(j PoolImage) bool {
	return i.TagID != "" && strings.EqualFold(i.StreamID, j.StreamID) && strings.EqualFold(i.TagID, j.TagID)
}

// equal says whether two targets want the same, member by member.
func (t *Target) equal(u *Target) bool {
	return t.Image.same(u.Image) && strings.EqualFold(t.VersionID, u.VersionID) && samePointer(t.AddVirtualTPM, u.AddVirtualTPM) && samePointer(t.Compute, u.Compute) &&
		samePointer(t.GridVGPUsEnabled, u.GridVGPUsEnabled) && samePointer(t.VGPUGridProfile, u.VGPUGridProfile)
}

func samePointer[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// visible is what a server says of one of the two images of a pool. Nil members are
// not said.
type visible struct {
	image   PoolImage
	tpm     *bool
	compute *ComputeProfile
	vgpus   *bool
	profile *string
}

func currentOf(p *Pool) visible {
	off := false
	s := visible{image: p.Current, tpm: p.AddVirtualTPM, compute: p.Compute, vgpus: p.GridVGPUsEnabled}
	// Both are false by default (vendor's OpenAPI).
	if s.tpm == nil {
		s.tpm = &off
	}
	if s.vgpus == nil {
		s.vgpus = &off
	}
	if p.VGPUGridProfile != "" {
		s.profile = &p.VGPUGridProfile
	}
	return s
}

func pendingOf(p *Pool) visible {
	s := visible{image: p.Pending, compute: p.PendingCompute}
	if p.PushSettings != nil {
		s.tpm = p.PushSettings.AddVirtualTPM
	}
	return s
}

// matches says whether it is what is wanted. What is not shown is what memory
// says, and differs without one.
func (s visible) matches(t Target, memory *Target) bool {
	if memory == nil {
		memory = &Target{}
	}
	image := s.image.same(t.Image)
	if s.image.SnapshotID == "" && t.Image.SnapshotID != "" {
		// The tag may have stood for another image when it was pushed.
		image = image && memory.Image.same(t.Image) && memory.Image.sameTag(s.image)
	}
	return image && agrees(t.AddVirtualTPM, s.tpm, memory.AddVirtualTPM) && agrees(t.Compute, s.compute, memory.Compute) &&
		agrees(t.GridVGPUsEnabled, s.vgpus, memory.GridVGPUsEnabled) && agrees(t.VGPUGridProfile, s.profile, memory.VGPUGridProfile)
}

// may says whether nothing that is shown speaks against it.
func (s visible) may(t Target) bool { return s.matches(t, &t) }

func agrees[T comparable](wanted, said, remembered *T) bool {
	if said == nil {
		said = remembered
	}
	return wanted == nil || said != nil && *said == *wanted
}

// become makes a target the current image, as it is shown when a push has ended.
func (p *Pool) become(s visible) {
	p.Current = s.image
	if s.tpm != nil {
		p.AddVirtualTPM = s.tpm
	}
	if s.compute != nil {
		p.Compute = s.compute
	}
	if s.vgpus != nil {
		p.GridVGPUsEnabled = s.vgpus
	}
	if s.profile != nil {
		p.VGPUGridProfile = *s.profile
	}
	p.forgetPending()
}

func (p *Pool) forgetPending() {
	p.Operation = operationNone
	p.Pending, p.PendingCompute, p.PushSettings = PoolImage{}, nil, nil
	p.PendingState, p.PendingProgress, p.PendingError = "", nil, ""
}

func (t *Target) visible() visible {
	return visible{image: t.Image, tpm: t.AddVirtualTPM, compute: t.Compute, vgpus: t.GridVGPUsEnabled, profile: t.VGPUGridProfile}
}
