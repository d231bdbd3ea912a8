package simulator

import (
	"maps"
	"net/http"
	"strings"
	"time"
)

// quotas are the limits of one image. A negative one is no limit.
type quotas struct {
	properties int
	tags       int
}

const memberQuota = 128

func (q quotas) checkTags(attempted int) *apiError {
	if q.tags < 0 || attempted <= q.tags {
		return nil
	}
	return explainf(http.StatusRequestEntityTooLarge,
		"The limit has been exceeded on the number of allowed image tags. Attempted: %d, Maximum: %d", attempted, q.tags)
}

func (q quotas) checkProperties(properties map[string]*string) *apiError {
	attempted := 0
	for name := range properties {
		if !strings.HasPrefix(name, reservedPrefix) {
			attempted++
		}
	}
	if q.properties < 0 || attempted <= q.properties {
		return nil
	}
	return explainf(http.StatusRequestEntityTooLarge,
		"The limit has been exceeded on the number of allowed image properties. Attempted: %d, Maximum: %d", attempted, q.properties)
}

// maxImageID is the width of the id column.
const maxImageID = 36

// save writes a working image back. Like Glance it does so in two steps that do
// not stand or fall together: first the attributes and all properties, of which
// those that the caller did not have are deleted, then the tags one by one. It
// returns when the image was changed.
func (rq *imageRequest) save(w *workingImage) (time.Time, *apiError) {
	if w.detached || w.propertiesText != nil {
		return time.Time{}, errProgram()
	}
	if addsProperty(w) {
		if fault := w.quotas.checkProperties(w.properties); fault != nil {
			return time.Time{}, fault
		}
	}
	if fault := rq.checkReadBack(w.properties); fault != nil {
		return time.Time{}, fault
	}
	if fault := checkCharacters(w); fault != nil {
		return time.Time{}, fault
	}
	rq.awaitCommit()

	st := rq.store
	st.mu.Lock()
	defer st.mu.Unlock()
	next, fault := rq.commitAttributes(w)
	if fault != nil {
		return time.Time{}, fault
	}
	tags, fault := commitTags(next.tags, w.tags)
	next.tags = tags
	rq.put(next)
	return next.updated, fault
}

// addsProperty tells whether the image gained a name; only then does Glance
// look at the property quota.
func addsProperty(w *workingImage) bool {
	for name := range w.properties {
		if _, ok := w.record.properties[name]; !ok {
			return true
		}
	}
	return false
}

// checkReadBack fails for a property that the caller was allowed to create but
// not to read: Glance stumbles over it when it collects what to store.
func (rq *imageRequest) checkReadBack(properties map[string]*string) *apiError {
	for name := range properties {
		if !rq.sim.protections.allow(readProperty, name, rq.caller) {
			return errProgram()
		}
	}
	return nil
}

// checkCharacters refuses characters of four UTF-8 bytes, which Glance's
// database tables cannot hold. The message names the attribute in title case.
func checkCharacters(w *workingImage) *apiError {
	for _, field := range []struct {
		name  string
		value *string
	}{{"id", &w.id}, {"name", w.name}, {"owner", w.owner}} {
		if fault := checkCharactersOf(field.name, field.value); fault != nil {
			return fault
		}
	}
	for _, name := range sortedNames(w.properties) {
		if hasFourByteCharacter(name) {
			return explain(http.StatusBadRequest, "Property names can't contain 4 byte unicode.")
		}
		if fault := checkCharactersOf(name, w.properties[name]); fault != nil {
			return fault
		}
	}
	return nil
}

func checkCharactersOf(name string, value *string) *apiError {
	if value == nil || !hasFourByteCharacter(*value) {
		return nil
	}
	return explainf(http.StatusBadRequest, "%s can't contain 4 byte unicode characters.", pythonTitle(name))
}

// maxDatabaseInteger is the largest min_disk and min_ram.
const maxDatabaseInteger = 1<<31 - 1

func checkSizes(w *workingImage) (minDisk, minRAM int64, fault *apiError) {
	minDisk, ok := w.minDisk.int64(maxDatabaseInteger)
	if !ok {
		return 0, 0, explainf(http.StatusBadRequest, "'min_disk' value out of range, must not exceed %d.", maxDatabaseInteger)
	}
	minRAM, ok = w.minRAM.int64(maxDatabaseInteger)
	if !ok {
		return 0, 0, explainf(http.StatusBadRequest, "'min_ram' value out of range, must not exceed %d.", maxDatabaseInteger)
	}
	return minDisk, minRAM, nil
}

// commitAttributes is the first step of save; the store is locked. The caller
// puts the record that it returns, whose tags are still those of the store.
func (rq *imageRequest) commitAttributes(w *workingImage) (*imageRecord, *apiError) {
	current, fault := rq.saveTarget(w)
	if fault != nil {
		return nil, fault
	}
	minDisk, minRAM, fault := checkSizes(w)
	if fault != nil {
		return nil, fault
	}
	next := current.clone()
	next.id = w.id
	next.name, next.status, next.visibility = w.name, w.status, w.visibility
	next.protected, next.hidden = w.protected, w.hidden
	next.minDisk, next.minRAM = minDisk, minRAM
	next.owner = w.owner
	if next.owner != nil && *next.owner == "" {
		next.owner = nil
	}
	next.diskFormat, next.containerFormat = w.diskFormat, w.containerFormat
	read := w.record
	next.size, next.virtualSize, next.checksum = read.size, read.virtualSize, read.checksum
	next.hashAlgorithm, next.hashValue = read.hashAlgorithm, read.hashValue
	next.located = current.located || read.located
	next.updated = rq.sim.clock.now()
	next.properties = maps.Clone(w.properties)
	if !storable(next) {
		return nil, errProgram()
	}
	if !rq.caller.sees(next.visibility, next.owner, next) {
		return nil, explainf(http.StatusForbidden, "Forbidding request, image %s not visible", next.id)
	}
	if fault := rq.sim.checkDatabase(next); fault != nil {
		return nil, fault
	}
	if w.id != read.id && w.located {
		return nil, explainf(http.StatusNotFound, "No location found with ID 1 from image %s", w.id)
	}
	return next, nil
}

// saveTarget finds the image under whose id the working image is saved. It is
// another one than was read when a patch set image_id.
func (rq *imageRequest) saveTarget(w *workingImage) (*imageRecord, *apiError) {
	switch {
	case len(codePoints(w.id)) > maxImageID:
		return nil, explain(http.StatusNotFound, "Image with the given id %(image_id)s was not found")
	case hasLoneSurrogate(w.id):
		return nil, errProgram()
	case w.id == "" && rq.store.images[""] == nil:
		// Without an id Glance inserts instead of updating.
		return &imageRecord{created: w.record.created}, nil
	case w.id == "":
		return nil, errProgram()
	}
	current := rq.store.images[w.id]
	if current == nil {
		return nil, explainf(http.StatusNotFound, "No image found with ID %s", w.id)
	}
	if !rq.caller.sees(current.visibility, current.owner, current) {
		return nil, explainf(http.StatusForbidden, "Forbidding request, image %s not visible", w.id)
	}
	if fault := rq.caller.mutable(current.owner); fault != nil {
		return nil, fault
	}
	return current, nil
}

// storable tells whether every text has a UTF-8 form.
func storable(r *imageRecord) bool {
	for _, s := range []*string{r.name, r.owner} {
		if s != nil && hasLoneSurrogate(*s) {
			return false
		}
	}
	for name, value := range r.properties {
		if hasLoneSurrogate(name) || value != nil && hasLoneSurrogate(*value) {
			return false
		}
	}
	return true
}

// commitTags is the second step of save: new tags are added one at a time, in
// the order of a set, and only when all are in are the dropped ones deleted. It
// returns what is stored when it is done or has failed.
func commitTags(stored, wanted []string) ([]string, *apiError) {
	have := nameSet(stored...)
	out := append([]string(nil), stored...)
	for _, tag := range scattered(wanted) {
		if have[tag] {
			continue
		}
		if hasFourByteCharacter(tag) {
			return out, explain(http.StatusBadRequest, "Param values can't contain 4 byte unicode.")
		}
		if hasLoneSurrogate(tag) {
			return out, errProgram()
		}
		out = append(out, tag)
	}
	keep := nameSet(wanted...)
	kept := out[:0]
	for _, tag := range out {
		if keep[tag] {
			kept = append(kept, tag)
		}
	}
	return kept, nil
}

// put stores a record unless a fault lets the write get lost.
func (rq *imageRequest) put(r *imageRecord) {
	if rq.write == writeStored {
		rq.store.images[r.id] = r
	}
}

// checkDatabase applies what MySQL refuses and SQLite takes, if the simulator
// assumes a MySQL.
func (s *Simulator) checkDatabase(r *imageRecord) *apiError {
	if s.assumption(assumeDatabase) != "mysql" {
		return nil
	}
	folded := map[string]bool{}
	for name, value := range r.properties {
		key := strings.ToLower(name)
		if folded[key] || len(codePoints(name)) > 255 || value != nil && len(*value) > 65535 {
			return errProgram()
		}
		folded[key] = true
	}
	return nil
}
