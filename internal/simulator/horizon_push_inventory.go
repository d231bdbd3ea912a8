package simulator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// usualProfile is the hardware of the machines of a pool that says nothing else.
var usualProfile = computeProfile{cpus: 4, coresPerSocket: 2, ramMB: 8192}

// newPool makes a pool of manual machines in the root access group.
func (s *Simulator) newPool(id, name string, vc *virtualCenter, image poolImage, at time.Time) *desktopPool {
	return &desktopPool{
		poolState: poolState{poolImage: image, operation: operationNone},
		sim:       s, id: id, name: name, vcenter: vc, group: s.horizon.group(accessGroupID), made: at, renderer: "DISABLED", stopsOnError: true,
		badImages: map[*baseSnapshot]string{},
	}
}

// addPool adds a pool with new machines.
func (h *horizon) addPool(p *desktopPool, pattern string, machines int) {
	h.pools = append(h.pools, p)
	for n := range machines {
		p.machines = append(p.machines, newMachine(len(h.pools), n+1, pattern, p.poolImage, p.made))
	}
}

// follow lets a pool and its machines have got their image from a tag.
func (p *desktopPool) follow(streamID, tagID string) {
	p.streamID, p.tagID = streamID, tagID
	for _, m := range p.machines {
		m.image.streamID, m.image.tagID = streamID, tagID
	}
}

// PoolKind is a sort of desktop pools.
type PoolKind int

const (
	// InstantClones is a pool of instant clones of a VM's snapshot.
	InstantClones PoolKind = iota
	// FullClones is an automated pool of copies of a template.
	FullClones
	// ManualMachines is a pool of machines that somebody has added.
	ManualMachines
)

// DesktopPool describes a desktop pool to add to a pod.
type DesktopPool struct {
	Name string
	Kind PoolKind
	// VCenterID is the id of its vCenter; empty means HorizonVCenterID.
	VCenterID string
	// VMID and SnapshotID are the image; its datacenter is that of the pool. An
	// empty SnapshotID means the first one of the VM.
	VMID, SnapshotID string
	// AccessGroupID is any id; empty means the root access group.
	AccessGroupID string
	// Machines is how many it has, NAME-001 and so on.
	Machines int
	// VirtualTPM is whether they have one.
	VirtualTPM bool
	// VGPUProfile is their vGPU profile; empty means that they have none.
	VGPUProfile string
	// CPUs, CoresPerSocket and RAMMB are their hardware; CPUs of 0 means 4 with 2
	// cores per socket and 8192 MB.
	CPUs, CoresPerSocket, RAMMB int
}

// AddPool adds a desktop pool and returns its id and those of its machines. An
// unknown vCenter, VM or snapshot panics, and a name that is taken.
func (s *Simulator) AddPool(d DesktopPool) (id string, machines []string) {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	if d.VCenterID == "" {
		d.VCenterID = HorizonVCenterID
	}
	vc := s.horizon.vcenter(d.VCenterID)
	if vc == nil || vc.vm(d.VMID) == nil || len(vc.vm(d.VMID).snapshots) == 0 {
		panic(fmt.Sprintf("simulator: no virtual machine %s with a snapshot in vCenter %s", d.VMID, d.VCenterID))
	}
	if s.horizon.poolNamed(d.Name) != nil {
		panic("simulator: there is a pool " + d.Name)
	}
	vm := vc.vm(d.VMID)
	image := poolImage{vm: vm, snapshot: vm.snapshots[0], vtpm: d.VirtualTPM, profile: usualProfile, vgpus: d.VGPUProfile != "", vgpuProfile: d.VGPUProfile}
	if d.SnapshotID != "" {
		if image.snapshot = vm.snapshot(d.SnapshotID); image.snapshot == nil {
			panic(fmt.Sprintf("simulator: no snapshot %s of virtual machine %s", d.SnapshotID, d.VMID))
		}
	}
	if d.CPUs > 0 {
		image.profile = computeProfile{int64(d.CPUs), int64(d.CoresPerSocket), int64(d.RAMMB)}
	}
	p := s.newPool(newUUID(), d.Name, vc, image, s.clock.now())
	p.automated, p.fullClones = d.Kind == InstantClones, d.Kind == FullClones
	if d.AccessGroupID != "" {
		p.group = s.horizon.group(d.AccessGroupID)
	}
	if image.vgpus {
		p.renderer = rendererVSphere
	}
	s.horizon.addPool(p, d.Name+"-%03d", d.Machines)
	for _, m := range p.machines {
		machines = append(machines, m.id)
	}
	return p.id, machines
}

func (h *horizon) poolNamed(name string) *desktopPool {
	return find(h.pools, func(p *desktopPool) bool { return strings.EqualFold(p.name, name) })
}

// RemovePool removes a pool with its machines. One that does not exist is an error.
func (s *Simulator) RemovePool(pool string) error {
	return s.steer(pool, func(p *desktopPool, _ time.Time) error {
		s.horizon.pools = slices.DeleteFunc(s.horizon.pools, func(each *desktopPool) bool { return each == p })
		return nil
	})
}

// administrator reads as somebody would who may read everything.
func (s *Simulator) administrator() *horizonRequest {
	return &horizonRequest{sim: s, horizon: s.horizon, release: s.options.Release}
}

// newest is the newest version of a form that a release has.
func newest(release string, versions []string) int {
	version := 0
	for i, since := range versions {
		if since <= release {
			version = i + 1
		}
	}
	return version
}

// Pool returns a desktop pool as an administrator reads it in the newest version
// that the release has, or nil when there is none of this name.
func (s *Simulator) Pool(name string) map[string]any {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	p := s.horizon.poolNamed(name)
	if p == nil {
		return nil
	}
	p.proceed()
	return decodeDocument(encodeJSON(s.administrator().poolForm(p, newest(s.options.Release, poolReleases))))
}

// PoolMachines returns the machines of a desktop pool as an administrator reads
// them in the newest version that the release has, by their names, or nil when
// there is no such pool.
func (s *Simulator) PoolMachines(pool string) map[string]map[string]any {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	p := s.horizon.poolNamed(pool)
	if p == nil {
		return nil
	}
	p.proceed()
	machines := map[string]map[string]any{}
	for _, m := range p.machines {
		machines[m.name] = decodeDocument(encodeJSON(s.administrator().machineForm(p, m, newest(s.options.Release, machineReleases))))
	}
	return machines
}

// PoolTasks returns the tasks of a desktop pool as an administrator reads them.
func (s *Simulator) PoolTasks(pool string) []map[string]any {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	p := s.horizon.poolNamed(pool)
	if p == nil {
		return nil
	}
	p.proceed()
	var tasks []map[string]any
	for _, t := range p.tasks {
		tasks = append(tasks, decodeDocument(encodeJSON(t.form())))
	}
	return tasks
}

// HorizonBranchAccessGroupID is the id of an access group that is empty at first.
const HorizonBranchAccessGroupID = "0f6a1c52-0b1d-4a43-8c11-6f0e4b6a9d02"

// MovePool puts a pool into another access group, whose id can be any. A pool
// that does not exist is an error.
func (s *Simulator) MovePool(pool, accessGroupID string) error {
	return s.steer(pool, func(p *desktopPool, _ time.Time) error {
		p.group = s.horizon.group(accessGroupID)
		return nil
	})
}

// GrantOnPool gives a user privileges, such as POOL_VIEW, on the access group of
// a pool and so on every pool in it, beyond those that the user has everywhere.
// A pool that does not exist is an error.
func (s *Simulator) GrantOnPool(pool, user string, privileges ...string) error {
	return s.steer(pool, func(p *desktopPool, _ time.Time) error {
		for _, name := range privileges {
			p.group.rights[user] = append(p.group.rights[user], privilege(name))
		}
		return nil
	})
}

// RemoveSnapshot deletes a snapshot in vCenter. Pools that run it go on to. One
// that does not exist is an error.
func (s *Simulator) RemoveSnapshot(vcenterID, vmID, snapshotID string) error {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	vc := s.horizon.vcenter(vcenterID)
	if vc == nil || vc.vm(vmID) == nil || vc.vm(vmID).snapshot(snapshotID) == nil {
		return fmt.Errorf("there is no snapshot %s of virtual machine %s in vCenter %s", snapshotID, vmID, vcenterID)
	}
	vm := vc.vm(vmID)
	vm.snapshots = slices.DeleteFunc(vm.snapshots, func(each *baseSnapshot) bool { return each.id == snapshotID })
	return nil
}
