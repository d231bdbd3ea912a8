package change

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// Key names one remote object: the service that holds it and its id there.
type Key struct{ Endpoint, ID string }

// locks is shared by the whole process, so that two provider configurations
// that reach one object write to it one after the other. A server that reads,
// changes and writes back the whole object would lose one of two writes.
var locks = struct {
	sync.Mutex
	held map[Key]*lock
}{held: map[Key]*lock{}}

type lock struct {
	turn  chan struct{}
	users int
}

// Lock waits until nobody else in this process writes to the object, or until
// the context ends. The caller calls unlock exactly once.
func Lock(ctx context.Context, key Key) (unlock func(), err error) {
	locks.Lock()
	l := locks.held[key]
	if l == nil {
		l = &lock{turn: make(chan struct{}, 1)}
		locks.held[key] = l
	}
	l.users++
	locks.Unlock()

	leave := func() {
		locks.Lock()
		defer locks.Unlock()
		if l.users--; l.users == 0 {
			delete(locks.held, key)
		}
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}

// Memory is what one configured provider remembers of the objects it worked on.
// Terraform plans every create a second time inside apply; these notes let that
// second plan see what the first one saw, and let one resource know what another
// one of the same run did. A new configuration starts with an empty memory.
type Memory struct {
	mu      sync.Mutex
	objects map[Key]*object
}

type object struct {
	first     patch.Document
	holders   map[patch.Pointer]holder
	handovers []Handover
	gone      bool
}

// Handover is what an instance that is being replaced leaves to its successor.
type Handover struct {
	// Record restores what the instance took over.
	Record patch.Patch
	// Sensitive are the pointers whose values are shown nowhere.
	Sensitive map[patch.Pointer]bool
}

type holder struct {
	instance string
	value    patch.Value
}

// NewMemory returns an empty memory.
func NewMemory() *Memory { return &Memory{objects: map[Key]*object{}} }

func (m *Memory) object(key Key) *object {
	o := m.objects[key]
	if o == nil {
		o = &object{holders: map[patch.Pointer]holder{}}
		m.objects[key] = o
	}
	return o
}

// First keeps the document as it was first read and returns the one kept. A
// plan of a create is made against it, whatever this process has written since.
func (m *Memory) First(key Key, read patch.Document) patch.Document {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.object(key)
	if o.first == nil {
		o.first = read
	}
	return o.first
}

// Known returns the document kept by First, nil if there is none.
func (m *Memory) Known(key Key) patch.Document {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.object(key).first
}

// NoteGone notes that an object was found to be gone where it had been before.
func (m *Memory) NoteGone(key Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.object(key).gone = true
}

// FoundGone says whether this process has found the object to be gone.
func (m *Memory) FoundGone(key Key) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.object(key).gone
}

// Nobody is the instance of pointers that were given back.
const Nobody = ""

// Hold notes that an instance wrote or took over pointers, and what they hold.
// With Nobody it notes that they were given back.
func (m *Memory) Hold(key Key, instance string, values patch.Want) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, value := range values {
		m.object(key).holders[p] = holder{instance: instance, value: value}
	}
}

// HeldByOther says whether another instance wrote or took over the pointer
// since the provider was configured.
func (m *Memory) HeldByOther(key Key, instance string, p patch.Pointer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.object(key).holders[p]
	return ok && h.instance != instance && h.instance != Nobody
}

// WroteHere says whether this process left the pointer with exactly this value.
func (m *Memory) WroteHere(key Key, p patch.Pointer, value patch.Value) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.object(key).holders[p]
	return ok && h.value == value
}

// HandOver keeps what an instance that is being replaced leaves.
func (m *Memory) HandOver(key Key, h Handover) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.object(key)
	o.handovers = append(o.handovers, h)
}

// TakeOver returns, once, the handover that has most pointers in common with
// those that the new instance owns, or an empty one.
func (m *Memory) TakeOver(key Key, owns func(patch.Pointer) bool) Handover {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.object(key)
	best, most := -1, -1
	for i, h := range o.handovers {
		common := 0
		for _, entry := range h.Record {
			if owns(entry.Path) {
				common++
			}
		}
		if common > most {
			best, most = i, common
		}
	}
	if best < 0 {
		return Handover{}
	}
	h := o.handovers[best]
	o.handovers = slices.Delete(o.handovers, best, best+1)
	return h
}

// Values returns what the pointers of want hold in a document, Absent included.
func Values(d patch.Document, want patch.Want) patch.Want {
	values := maps.Clone(want)
	for p := range values {
		values[p] = d[p]
	}
	return values
}
