package simulator

import (
	"hash/fnv"
	"math/big"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// imageRecord is a stored image. It is never changed once it is in the store:
// a write replaces it, so a reader keeps a consistent picture without a lock.
type imageRecord struct {
	id              string
	name            *string
	status          string
	visibility      string
	size            *int64
	virtualSize     *int64
	checksum        *string
	hashAlgorithm   *string
	hashValue       *string
	protected       bool
	hidden          bool
	minDisk         int64
	minRAM          int64
	owner           *string
	diskFormat      *string
	containerFormat *string
	properties      map[string]*string
	tags            []string
	members         []memberRecord
	located         bool
	created         time.Time
	updated         time.Time

	// encoded caches the document as JSON, without and with its stores.
	encoded [2]atomic.Pointer[[]byte]
}

// memberRecord is a project with which a shared image is shared. A membership
// that was taken away stays as a record and is used again.
type memberRecord struct {
	project string
	status  string
	created time.Time
	updated time.Time
	deleted bool
}

// clone copies a record for a write. Properties, tags and members are shared
// and have to be replaced, not changed.
func (r *imageRecord) clone() *imageRecord {
	return &imageRecord{
		id: r.id, name: r.name, status: r.status, visibility: r.visibility,
		size: r.size, virtualSize: r.virtualSize, checksum: r.checksum,
		hashAlgorithm: r.hashAlgorithm, hashValue: r.hashValue,
		protected: r.protected, hidden: r.hidden, minDisk: r.minDisk, minRAM: r.minRAM,
		owner: r.owner, diskFormat: r.diskFormat, containerFormat: r.containerFormat,
		properties: r.properties, tags: r.tags, members: r.members, located: r.located,
		created: r.created, updated: r.updated,
	}
}

func (r *imageRecord) member(project string) (memberRecord, bool) {
	for _, m := range r.members {
		if !m.deleted && m.project == project {
			return m, true
		}
	}
	return memberRecord{}, false
}

// imageStore holds the images of one region.
type imageStore struct {
	region string

	mu      sync.RWMutex
	images  map[string]*imageRecord
	deleted map[string]bool
}

func newImageStore(region string) *imageStore {
	return &imageStore{region: region, images: map[string]*imageRecord{}, deleted: map[string]bool{}}
}

func (st *imageStore) get(id string) *imageRecord {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.images[id]
}

// all returns every image, in no order.
func (st *imageStore) all() []*imageRecord {
	st.mu.RLock()
	defer st.mu.RUnlock()
	out := make([]*imageRecord, 0, len(st.images))
	for _, r := range st.images {
		out = append(out, r)
	}
	return out
}

// number is a number of an image that was written with a fraction or without.
// The answer to the write echoes the spelling, a later read shows the integer.
type number struct {
	value any // *big.Int or float64
}

func integer(n int64) number { return number{big.NewInt(n)} }

func (n number) negative() bool {
	if f, ok := n.value.(float64); ok {
		return f < 0
	}
	return as[*big.Int](n.value).Sign() < 0
}

// int64 returns the number if it is at most the limit.
func (n number) int64(limit int64) (int64, bool) {
	if f, ok := n.value.(float64); ok {
		return int64(f), f <= float64(limit)
	}
	i := as[*big.Int](n.value)
	return i.Int64(), i.Cmp(big.NewInt(limit)) <= 0
}

// workingImage is an image as one request sees and changes it: Glance reads the
// whole image when a request starts and writes all of it back when it ends.
type workingImage struct {
	record *imageRecord // as read

	id              string
	name            *string
	status          string
	visibility      string
	protected       bool
	hidden          bool
	minDisk         number
	minRAM          number
	owner           *string
	diskFormat      *string
	containerFormat *string
	properties      map[string]*string // those that the caller may read
	tags            []string
	member          string
	located         bool // the caller sees where the data is
	quotas          quotas

	// propertiesText stands in for the properties once a patch has put a string
	// where Glance keeps them; nil otherwise.
	propertiesText *string
	// detached is set once a patch has replaced the object behind the image.
	detached bool
}

// document is the answer to a read or a write of the image.
func (w *workingImage) document(updated time.Time) map[string]any {
	r := w.record
	doc := make(map[string]any, len(w.properties)+24)
	for name, value := range w.properties {
		doc[name] = propertyValue(name, value)
	}
	doc["name"] = w.name
	doc["disk_format"] = w.diskFormat
	doc["container_format"] = w.containerFormat
	doc["visibility"] = w.visibility
	doc["size"] = r.size
	doc["virtual_size"] = r.virtualSize
	doc["status"] = w.status
	doc["checksum"] = r.checksum
	doc["protected"] = w.protected
	doc["min_ram"] = w.minRAM
	doc["min_disk"] = w.minDisk
	doc["owner"] = w.owner
	doc["os_hidden"] = w.hidden
	doc["os_hash_algo"] = r.hashAlgorithm
	doc["os_hash_value"] = r.hashValue
	doc["id"] = w.id
	doc["created_at"] = timeText(r.created)
	doc["updated_at"] = timeText(updated)
	doc["tags"] = scattered(w.tags)
	doc["self"] = "/v2/images/" + w.id
	doc["file"] = "/v2/images/" + w.id + "/file"
	doc["schema"] = "/v2/schemas/image"
	if w.located {
		doc["stores"] = storeID
	}
	return doc
}

// storeID names the one store in which all data is.
const storeID = "fs"

// propertyValue shows a null property as "" unless the schema allows it null.
func propertyValue(name string, value *string) any {
	if value == nil && !imagePropertyDefined(name) {
		return ""
	}
	return value
}

// MarshalJSON writes a float with its point, as Python does.
func (n number) MarshalJSON() ([]byte, error) { return []byte(pythonRepr(n.value)), nil }

// timeText is the form of every time in Glance's documents.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// scattered puts tags in an order that is neither theirs nor alphabetical:
// Glance keeps them in a set, so a client must not rely on any.
func scattered(tags []string) []string {
	out := append([]string{}, tags...)
	weight := func(s string) uint32 {
		h := fnv.New32a()
		h.Write([]byte(s))
		return h.Sum32()
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := weight(out[i]), weight(out[j])
		if a != b {
			return a < b
		}
		return out[i] < out[j]
	})
	return out
}

// unique drops repeated tags.
func unique(tags []string) []string {
	seen := make(map[string]bool, len(tags))
	out := make([]string, 0, len(tags))
	for _, t := range tags {
		if !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

func sortedNames(properties map[string]*string) []string {
	names := make([]string, 0, len(properties))
	for n := range properties {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
