package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (p *desktopPool) machineNamed(name string) (*machine, error) {
	m := find(p.machines, func(m *machine) bool { return strings.EqualFold(m.name, name) })
	if m == nil {
		return nil, fmt.Errorf("pool %s has no machine %s", p.name, name)
	}
	return m, nil
}

// steer changes a pool, as it is now, past the API. What can go on then does.
func (s *Simulator) steer(pool string, change func(p *desktopPool, now time.Time) error) error {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	p := s.horizon.poolNamed(pool)
	if p == nil {
		return fmt.Errorf("there is no pool %s", pool)
	}
	p.proceed()
	now := s.clock.now()
	if err := change(p, now); err != nil {
		return err
	}
	p.dispatch(now)
	return nil
}

// steerMachine is steer for one machine of a pool.
func (s *Simulator) steerMachine(pool, name string, change func(p *desktopPool, m *machine)) error {
	return s.steer(pool, func(p *desktopPool, _ time.Time) error {
		m, err := p.machineNamed(name)
		if err == nil {
			change(p, m)
		}
		return err
	})
}

// PoolSettings are settings of a pool that say what can be done with it. The zero
// value is that of a new pool.
type PoolSettings struct {
	Disabled             bool
	ProvisioningDisabled bool
	DeleteInProgress     bool
	// GoesOnAfterErrors is the reverse of stop_provisioning_on_error.
	GoesOnAfterErrors bool
}

// SetPool changes the settings of a pool. Enabling the provisioning clears the
// last error, but not its time. A pool that does not exist is an error.
func (s *Simulator) SetPool(pool string, settings PoolSettings) error {
	return s.steer(pool, func(p *desktopPool, _ time.Time) error {
		if p.provisioningDisabled && !settings.ProvisioningDisabled {
			p.lastError = ""
		}
		p.disabled, p.provisioningDisabled, p.deleting = settings.Disabled, settings.ProvisioningDisabled, settings.DeleteInProgress
		p.stopsOnError = !settings.GoesOnAfterErrors
		return nil
	})
}

// SetProvisioningError leaves a pool with an error of its provisioning at a time;
// an empty message leaves the time alone. A pool that does not exist is an error.
func (s *Simulator) SetProvisioningError(pool, message string, at time.Time) error {
	return s.steer(pool, func(p *desktopPool, _ time.Time) error {
		p.lastError, p.lastErrorAt = message, at
		return nil
	})
}

// PoolOperation is an operation on the image of a pool, in Horizon's words.
type PoolOperation struct {
	// Operation is instant_clone_operation, such as INFRASTRUCTURE_CHANGE.
	Operation string
	// PendingState is the state of the pending image; empty means that there is
	// none.
	PendingState string
	// PendingSnapshotID is a snapshot of the VM that the pool runs; empty means the
	// one that is pending, else the one that the pool runs.
	PendingSnapshotID string
	// Error is why the pending image could not be published.
	Error string
}

// SetPoolOperation lets a pool have an operation that does not end, whatever the
// clock does, until the next call of it; the operation NONE without a pending
// state ends it. What was under way is forgotten. Names are not checked, so that
// those of later releases can be tried. A pool or a snapshot that does not exist
// is an error.
func (s *Simulator) SetPoolOperation(pool string, o PoolOperation) error {
	return s.steer(pool, func(p *desktopPool, now time.Time) error {
		push := &imagePush{image: p.poolImage, logoff: waitForLogoff, stopOnError: true}
		if p.pending != nil {
			push = p.pending.push
		}
		if o.PendingSnapshotID != "" {
			snapshot := p.vm.snapshot(o.PendingSnapshotID)
			if snapshot == nil {
				return fmt.Errorf("there is no snapshot %s of virtual machine %s", o.PendingSnapshotID, p.vm.id)
			}
			changed := *push
			changed.image.vm, changed.image.snapshot = p.vm, snapshot
			push = &changed
		}
		p.operation, p.pending, p.stale = o.Operation, nil, nil
		p.drop(func(t *poolTask) bool { return !t.begun })
		p.steered = o.Operation != operationNone || o.PendingState != ""
		if o.PendingState != "" {
			p.pending = &pendingImage{push: push, state: o.PendingState, since: now, failure: o.Error}
		}
		return nil
	})
}

// FailPublish lets the next image that is published in a pool, or the one that
// is, fail with a message, once. A pool that does not exist is an error.
func (s *Simulator) FailPublish(pool, message string) error {
	return s.steer(pool, func(p *desktopPool, _ time.Time) error {
		p.publishFailure = message
		return nil
	})
}

// FailImage lets every publishing of a snapshot fail with a message, in the pools
// that there are; an empty message ends that. A snapshot that does not exist is an
// error.
func (s *Simulator) FailImage(vcenterID, snapshotID, message string) error {
	s.horizon.mu.Lock()
	defer s.horizon.mu.Unlock()
	vc := s.horizon.vcenter(vcenterID)
	if vc == nil {
		return fmt.Errorf("there is no vCenter %s", vcenterID)
	}
	for _, vm := range vc.vms {
		snapshot := vm.snapshot(snapshotID)
		if snapshot == nil {
			continue
		}
		for _, p := range s.horizon.pools {
			p.proceed()
			p.badImages[snapshot] = message
		}
		return nil
	}
	return fmt.Errorf("there is no snapshot %s in vCenter %s", snapshotID, vcenterID)
}

// FailMachine lets the next making of a machine fail with a message, once. A pool
// or a machine that does not exist is an error.
func (s *Simulator) FailMachine(pool, machineName, message string) error {
	return s.steerMachine(pool, machineName, func(_ *desktopPool, m *machine) { m.failure = message })
}

// SetSessions gives a machine so many sessions of users; 0 ends them. A pool or
// a machine that does not exist is an error.
func (s *Simulator) SetSessions(pool, machineName string, sessions int) error {
	return s.steerMachine(pool, machineName, func(_ *desktopPool, m *machine) { m.sessions, m.sessionID = sessions, newUUID() })
}

// EndSessions ends the sessions on all machines of a pool. A pool that does not
// exist is an error.
func (s *Simulator) EndSessions(pool string) error {
	return s.steer(pool, func(p *desktopPool, _ time.Time) error {
		for _, m := range p.machines {
			m.sessions = 0
		}
		return nil
	})
}

// MachineState is why pushes are not for a machine; the zero value is that of
// a machine that they are for.
type MachineState struct {
	Maintenance bool
	Disabled    bool
	// Missing machines are not in vCenter.
	Missing bool
	// Held machines are kept as they are, for instance for an investigation.
	Held bool
}

// SetMachine changes the state of a machine. A pool or a machine that does not
// exist is an error.
func (s *Simulator) SetMachine(pool, machineName string, state MachineState) error {
	return s.steerMachine(pool, machineName, func(_ *desktopPool, m *machine) { m.MachineState = state })
}

// RemoveMachine deletes a machine. A pool or a machine that does not exist is an
// error.
func (s *Simulator) RemoveMachine(pool, machineName string) error {
	return s.steerMachine(pool, machineName, func(p *desktopPool, m *machine) {
		p.machines = slices.DeleteFunc(p.machines, func(each *machine) bool { return each == m })
		for _, t := range p.tasks {
			t.vms = slices.DeleteFunc(t.vms, func(vm *vmTask) bool { return vm.machine == m })
		}
	})
}

// Push is a push of an image.
type Push struct {
	// VMID and SnapshotID, or TagID, are the image.
	VMID, SnapshotID string
	TagID            string
	// LogoffPolicy is Horizon's value; empty means WAIT_FOR_LOGOFF.
	LogoffPolicy string
	// StartTime is when the machines are to get it; zero means at once.
	StartTime time.Time
	// GoesOnAfterErrors is the reverse of stop_on_first_error.
	GoesOnAfterErrors bool
	// VirtualTPM is whether the machines get one.
	VirtualTPM bool
	// CPUs, CoresPerSocket and RAMMB are their hardware; CPUs of 0 means that of
	// the pool.
	CPUs, CoresPerSocket, RAMMB int
	// Selective holds the image, and brings it to Machines alone, by their names.
	Selective bool
	Machines  []string
}

// PushAsSomebodyElse begins a push past the API and its checks, also in place of
// one that is under way. It is seen at once. A pool, an image or a machine that
// does not exist is an error.
func (s *Simulator) PushAsSomebodyElse(pool string, push Push) error {
	return s.steer(pool, func(p *desktopPool, now time.Time) error {
		begun, err := s.pushOf(p, push)
		if err != nil {
			return err
		}
		p.stale = nil
		p.begin(begun, now)
		return nil
	})
}

func (s *Simulator) pushOf(p *desktopPool, push Push) (*imagePush, error) {
	rq := s.administrator()
	image, problems := rq.namedImage(p, push.VMID, push.SnapshotID)
	if push.TagID != "" {
		stream := ""
		if tag := s.horizon.object(tagKind, push.TagID); tag != nil {
			stream = tag.values.text("im_stream_id")
		}
		image, problems = rq.catalogueImage(p, stream, push.TagID)
	}
	if len(problems) > 0 {
		return nil, errors.New(problems[0].text)
	}
	image.vtpm, image.profile, image.vgpus, image.vgpuProfile = push.VirtualTPM, p.profile, p.vgpus, p.vgpuProfile
	if push.CPUs > 0 {
		image.profile = computeProfile{int64(push.CPUs), int64(push.CoresPerSocket), int64(push.RAMMB)}
	}
	out := &imagePush{image: image, logoff: push.LogoffPolicy, stopOnError: !push.GoesOnAfterErrors, start: push.StartTime, selective: push.Selective}
	if out.logoff == "" {
		out.logoff = waitForLogoff
	}
	for _, name := range push.Machines {
		m, err := p.machineNamed(name)
		if err != nil {
			return nil, err
		}
		out.chosen, out.asked = append(out.chosen, m), append(out.asked, m.id)
	}
	slices.Sort(out.asked)
	return out, nil
}

// PromoteAsSomebodyElse makes the pending image of a pool the one that it runs,
// whatever state it is in. A pool without a pending image is an error.
func (s *Simulator) PromoteAsSomebodyElse(pool string) error {
	return s.steerPending(pool, (*desktopPool).promote)
}

// CancelAsSomebodyElse takes the pending image of a pool back, whatever state it
// is in. A pool without a pending image is an error.
func (s *Simulator) CancelAsSomebodyElse(pool string) error {
	return s.steerPending(pool, (*desktopPool).cancel)
}

func (s *Simulator) steerPending(pool string, change func(p *desktopPool, at time.Time)) error {
	return s.steer(pool, func(p *desktopPool, now time.Time) error {
		if p.pending == nil {
			return fmt.Errorf("pool %s has no pending image", pool)
		}
		p.stale = nil
		change(p, now)
		return nil
	})
}

// ApplyCurrentAsSomebodyElse makes machines anew with the image that their pool
// runs. A pool or a machine that does not exist is an error.
func (s *Simulator) ApplyCurrentAsSomebodyElse(pool string, machines ...string) error {
	return s.steer(pool, func(p *desktopPool, now time.Time) error {
		return p.applyNamed(&imagePush{image: p.poolImage, stopOnError: true}, machines, now)
	})
}

// ApplyPendingAsSomebodyElse makes machines anew with the pending image of their
// pool. A pool without one, or a machine that does not exist, is an error.
func (s *Simulator) ApplyPendingAsSomebodyElse(pool string, machines ...string) error {
	return s.steer(pool, func(p *desktopPool, now time.Time) error {
		if p.pending == nil {
			return fmt.Errorf("pool %s has no pending image", pool)
		}
		return p.applyNamed(p.pending.push, machines, now)
	})
}

func (p *desktopPool) applyNamed(push *imagePush, names []string, now time.Time) error {
	var chosen []*machine
	for _, name := range names {
		m, err := p.machineNamed(name)
		if err != nil {
			return err
		}
		chosen = append(chosen, m)
	}
	p.give(newTask(push, chosen, waitForLogoff, now))
	return nil
}
