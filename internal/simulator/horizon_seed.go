package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// accessGroupID is the id of the root access group, which every pool is in that is
// not put elsewhere.
const accessGroupID = "0f6a1c52-0b1d-4a43-8c11-6f0e4b6a9d01"

// Ids of what a simulated pod starts with, the same in every run.
const (
	// HorizonVCenterID is the id of vcenter.demo.example.
	HorizonVCenterID = "6b7c0e11-4f0a-4a2e-8d53-0c9b1e7a2f01"
	// HorizonStreamID is the id of the stream Win11.
	HorizonStreamID = "a41d7c9e-52b6-4b6f-9a6e-1d2f3c4b5a01"
	// HorizonVersionID is the id of its version.
	HorizonVersionID = "a41d7c9e-52b6-4b6f-9a6e-1d2f3c4b5a02"
)

// seedHorizon makes what a simulated pod starts with: the infrastructure always,
// the stream unless the cloud is to be empty.
func (s *Simulator) seedHorizon() {
	h := s.horizon
	installed := time.Date(2025, 10, 6, 7, 30, 0, 0, time.UTC)
	vc := h.addVirtualCenter(HorizonVCenterID, "vcenter.demo.example", installed, "DC1")
	golden := vc.addVM(vc.datacenters[0], BaseVM{Name: "win11-golden"}, installed)
	rds := vc.addVM(vc.datacenters[0], BaseVM{Name: "win11-rds", OperatingSystem: "WINDOWS_SERVER_2016_OR_ABOVE"}, installed)
	for _, vm := range []*baseVM{golden, rds} {
		for i, name := range []string{"v1", "v2", "v3"} {
			vc.addSnapshot(vm, name, installed.AddDate(0, i+1, 0))
		}
	}
	vc.templates = append(vc.templates, &vmTemplate{
		id: vc.nextID("vm"), name: "win11-template", datacenter: vc.datacenters[0], system: "WINDOWS_11", made: installed,
	})
	pool := func(id, name, pattern string, machines int, vtpm bool) {
		p := s.newPool(id, name, vc, poolImage{vm: golden, snapshot: golden.snapshots[0], vtpm: vtpm, profile: usualProfile}, installed)
		p.automated = machines > 1
		h.addPool(p, pattern, machines)
	}
	pool("d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3b01", "ENGINEERING", "ENG-%03d", 10, true)
	pool("d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3b02", "SALES", "SAL-%03d", 50, false)
	pool("d3a0b7f4-1c4e-4b0d-8a55-7e6f5d4c3b03", "KIOSK", "KIOSK-%02d", 1, false)
	if s.options.Empty {
		return
	}
	system, _ := windowsOf(s.options.Release, "WINDOWS_11")
	h.catalogue = append(h.catalogue,
		&catalogueObject{kind: streamKind, id: HorizonStreamID, since: s.clock.now(), values: horizonValues{
			"name": "Win11", "operating_system": system, "source": "UPLOADED", "status": statusAvailable, "publisher": "Desktop team",
		}},
		&catalogueObject{kind: versionKind, id: HorizonVersionID, since: s.clock.now(), values: horizonValues{
			"im_stream_id": HorizonStreamID, "name": "v1", "status": statusAvailable,
		}})
}

func (h *horizon) addVirtualCenter(id, name string, at time.Time, datacenters ...string) *virtualCenter {
	vc := &virtualCenter{id: id, instance: newUUID(), name: name, added: at}
	for _, name := range datacenters {
		vc.datacenters = append(vc.datacenters, &datacenter{id: vc.nextID("datacenter"), name: name})
	}
	h.vcenters = append(h.vcenters, vc)
	return vc
}

func (vc *virtualCenter) addVM(d *datacenter, vm BaseVM, at time.Time) *baseVM {
	if vm.OperatingSystem == "" {
		vm.OperatingSystem = "WINDOWS_11"
	}
	added := &baseVM{
		id: vc.nextID("vm"), name: vm.Name, datacenter: d, folder: vm.Folder, system: vm.OperatingSystem,
		incompatible: slices.Clone(vm.IncompatibleReasons), made: at,
	}
	vc.vms = append(vc.vms, added)
	return added
}

// addSnapshot adds a snapshot on top of the latest one.
func (vc *virtualCenter) addSnapshot(vm *baseVM, name string, at time.Time) *baseSnapshot {
	path := "/" + name
	if n := len(vm.snapshots); n > 0 {
		path = vm.snapshots[n-1].path + path
	}
	added := &baseSnapshot{id: vc.nextID("snapshot"), name: name, path: path, made: at}
	vm.snapshots = append(vm.snapshots, added)
	return added
}

// AddVirtualCenter makes a vCenter server with datacenters known to Horizon and
// returns its id. Ids of what is in it repeat those of other vCenters.
func (s *Simulator) AddVirtualCenter(name string, datacenters ...string) string {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	return s.horizon.addVirtualCenter(newUUID(), name, s.clock.now(), datacenters...).id
}

// BaseVM describes a virtual machine to add to a vCenter.
type BaseVM struct {
	// VCenterID is the id of its vCenter; empty means HorizonVCenterID.
	VCenterID string
	// Datacenter is the name of its datacenter; empty means the vCenter's first.
	Datacenter string
	// Folder is where it is below the datacenter, such as "/Golden images"; empty
	// means at the top.
	Folder string
	Name   string
	// OperatingSystem is one of Horizon's values; empty means WINDOWS_11.
	OperatingSystem string
	// IncompatibleReasons are why it cannot be an image, by Horizon's values. That
	// it has no snapshot is added by itself.
	IncompatibleReasons []string
	// Snapshots are the names of its snapshots, each on top of the one before.
	Snapshots []string
}

// AddBaseVM adds a virtual machine and returns its id and those of its
// snapshots. An unknown vCenter or datacenter panics.
func (s *Simulator) AddBaseVM(vm BaseVM) (id string, snapshots []string) {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	if vm.VCenterID == "" {
		vm.VCenterID = HorizonVCenterID
	}
	vc := s.horizon.vcenter(vm.VCenterID)
	if vc == nil {
		panic("simulator: no vCenter " + vm.VCenterID)
	}
	place := find(vc.datacenters, func(d *datacenter) bool { return vm.Datacenter == "" || d.name == vm.Datacenter })
	if place == nil {
		panic("simulator: no datacenter " + vm.Datacenter)
	}
	added := vc.addVM(place, vm, s.clock.now())
	for _, name := range vm.Snapshots {
		snapshots = append(snapshots, vc.addSnapshot(added, name, s.clock.now()).id)
	}
	return added.id, snapshots
}

// AddSnapshot takes a snapshot of a virtual machine, on top of its latest one,
// and returns its id. An unknown vCenter or machine panics.
func (s *Simulator) AddSnapshot(vcenterID, vmID, name string) string {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	vc := s.horizon.vcenter(vcenterID)
	if vc == nil || vc.vm(vmID) == nil {
		panic(fmt.Sprintf("simulator: no virtual machine %s in vCenter %s", vmID, vcenterID))
	}
	return vc.addSnapshot(vc.vm(vmID), name, s.clock.now()).id
}

// SnapshotsOf returns the ids of a VM's snapshots by their names; nil if there is no such
// VM.
func (s *Simulator) SnapshotsOf(vcenterID, vmID string) map[string]string {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	vc := s.horizon.vcenter(vcenterID)
	if vc == nil {
		return nil
	}
	for _, vm := range vc.vms {
		if vm.id != vmID {
			continue
		}
		ids := map[string]string{}
		for _, snapshot := range vm.snapshots {
			ids[snapshot.name] = snapshot.id
		}
		return ids
	}
	return nil
}

// SetIncompatible says why a snapshot of a VM is unfit to be an image, by Horizon's values; with
// none it is fit. A VM or a snapshot that does not exist is an error.
func (s *Simulator) SetIncompatible(vcenterID, vmID, snapshotID string, reasons ...string) error {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	if vc := s.horizon.vcenter(vcenterID); vc != nil && vc.vm(vmID) != nil {
		if snapshot := vc.vm(vmID).snapshot(snapshotID); snapshot != nil {
			snapshot.incompatible = reasons
			return nil
		}
	}
	return fmt.Errorf("there is no snapshot %s of virtual machine %s in vCenter %s", snapshotID, vmID, vcenterID)
}

// CatalogueObject returns a stream, version, tag or asset as an administrator
// reads it, or nil when there is none of this id.
func (s *Simulator) CatalogueObject(id string) map[string]any {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	s.horizon.catalogue.proceed(s)
	o := s.horizon.object(nil, id)
	if o == nil {
		return nil
	}
	return decodeDocument(encodeJSON(s.horizon.document(o)))
}

// CatalogueObjects returns the objects of a collection, such as im-assets, as an
// administrator reads them, in the order of their creation.
func (s *Simulator) CatalogueObjects(collection string) []map[string]any {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	s.horizon.catalogue.proceed(s)
	var objects []map[string]any
	for _, o := range s.horizon.catalogue {
		if o.kind.path == collection && o.live() {
			objects = append(objects, decodeDocument(encodeJSON(s.horizon.document(o))))
		}
	}
	return objects
}

// CreateCatalogueObject puts an object into the catalogue past all checks and
// returns its id. The collection is im-streams, im-versions, im-tags or
// im-assets; another panics. Values are strings by the names of fields, and of
// additional_details a map[string]string.
func (s *Simulator) CreateCatalogueObject(collection string, values map[string]any) string {
	kind := find(catalogueKinds, func(k *catalogueKind) bool { return k.path == collection })
	if kind == nil {
		panic("simulator: no collection " + collection)
	}
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	o := &catalogueObject{kind: kind, id: newUUID(), values: maps.Clone(values), since: s.clock.now()}
	s.horizon.catalogue = append(s.horizon.catalogue, o)
	return o.id
}

// WriteCatalogueObject changes an object of the catalogue past all checks, as
// another program or Horizon itself would: fields by their names, a nil value
// takes a field away. An object that does not exist, and a value that is neither
// a string nor a map[string]string, is an error, and then nothing is changed.
func (s *Simulator) WriteCatalogueObject(id string, changes map[string]any) error {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	o := s.horizon.object(nil, id)
	if o == nil {
		return fmt.Errorf("writing catalogue object %s: it does not exist", id)
	}
	next := maps.Clone(o.values)
	for name, value := range changes {
		switch value.(type) {
		case nil:
			delete(next, name)
		case string, map[string]string:
			next[name] = value
		default:
			return fmt.Errorf("writing %s of catalogue object %s: %T where a string or a map of strings is needed", name, id, value)
		}
	}
	o.values, o.since = next, s.clock.now()
	return nil
}

// DeleteCatalogueObject deletes an object of the catalogue past all checks; a
// missing one is left missing.
func (s *Simulator) DeleteCatalogueObject(id string) {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	s.horizon.catalogue = slices.DeleteFunc(s.horizon.catalogue, func(o *catalogueObject) bool { return o.id == id })
}

// FollowTag lets an instant-clone pool take its image from the catalogue: from
// a tag and its stream. An empty tag lets it run its VM and snapshot again. A pool
// or a tag that does not exist is an error.
func (s *Simulator) FollowTag(pool, tagID string) error {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	p := find(s.horizon.pools, func(p *desktopPool) bool { return strings.EqualFold(p.name, pool) && p.automated })
	if p == nil {
		return fmt.Errorf("following a tag: there is no instant-clone pool %s", pool)
	}
	if tagID == "" {
		p.follow("", "")
		return nil
	}
	tag := s.horizon.object(tagKind, tagID)
	if tag == nil {
		return fmt.Errorf("following a tag: there is no tag %s", tagID)
	}
	p.follow(tag.values.text("im_stream_id"), tag.id)
	return nil
}

// RevokeHorizonSessions makes every token of Horizon that was handed out so far
// invalid, refresh tokens too.
func (s *Simulator) RevokeHorizonSessions() {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	s.horizon.sessions.revokeAll()
}
