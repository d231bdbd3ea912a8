package simulator

import (
	_ "embed" // Holds the inventory.
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"
)

// imsImage is a stored image of IMS. It is never changed once it is in the
// store: a write replaces it.
type imsImage struct {
	id string
	// attributes are the members of its document by their wire names, with the
	// types of the document: string, bool, int64 or nil. Those that follow from
	// the id, the tags and the times are not among them.
	attributes map[string]any
	tags       []imsTag
	created    time.Time
	updated    time.Time
}

// imsTag is a tag, which in IMS has a key and a value.
type imsTag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// clone copies an image for a write.
func (i *imsImage) clone() *imsImage {
	next := *i
	next.attributes = maps.Clone(i.attributes)
	next.tags = slices.Clone(i.tags)
	return &next
}

// text is an attribute as it stands in a query: "" when it is absent or null.
func (i *imsImage) text(name string) string {
	switch name {
	case "id":
		return i.id
	case "created_at":
		return timeText(i.created)
	case "updated_at":
		return timeText(i.updated)
	}
	value := i.attributes[name]
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// number is an attribute that is a number; 0 when it is none.
func (i *imsImage) number(name string) int64 {
	n, _ := i.attributes[name].(int64)
	return n
}

// imsStore holds the images of one region.
type imsStore struct {
	mu     sync.RWMutex
	images map[string]*imsImage
}

func newIMSStore() *imsStore { return &imsStore{images: map[string]*imsImage{}} }

func (st *imsStore) get(id string) *imsImage {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.images[id]
}

// all returns every image, in no order.
func (st *imsStore) all() []*imsImage {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return slices.Collect(maps.Values(st.images))
}

// tagText shows a tag as documents do, with its key and value apart by the
// separator.
func (s *Simulator) tagText(tag imsTag, separator string) string {
	if tag.Value == "" && s.assumption(assumeEmptyTags) == "bare" {
		return tag.Key
	}
	return tag.Key + separator + tag.Value
}

// tagOf reads a tag in the notation of documents.
func tagOf(text string) imsTag {
	key, value, _ := strings.Cut(text, "=")
	return imsTag{key, value}
}

// setTag gives a key its value, whether the key is there or not.
func setTag(tags []imsTag, tag imsTag) []imsTag {
	i := slices.IndexFunc(tags, func(t imsTag) bool { return t.Key == tag.Key })
	if i < 0 {
		return append(tags, tag)
	}
	tags[i] = tag
	return tags
}

// imsDocument is the document of an image, in which separator stands between the
// keys and values of tags.
func (s *Simulator) imsDocument(i *imsImage, separator string) map[string]any {
	doc := maps.Clone(i.attributes)
	tags := []string{}
	for _, tag := range i.tags {
		tags = append(tags, s.tagText(tag, separator))
	}
	doc["id"] = i.id
	doc["tags"] = tags
	doc["created_at"] = timeText(i.created)
	doc["updated_at"] = timeText(i.updated)
	doc["self"] = "/v2/images/" + i.id
	doc["file"] = "/v2/images/" + i.id + "/file"
	doc["schema"] = "/v2/schemas/image"
	return doc
}

// imsServerAttributes are what IMS itself gives to every image with data: to a
// private one (example of "Updating Image Information (Native OpenStack API)")
// more than to a public one (example of "Querying Images").
func (s *Simulator) imsServerAttributes(visibility string) map[string]any {
	attributes := map[string]any{
		"checksum": "99914b932bd37a50b983c5e7c90ae93b", "size": int64(0), "virtual_size": int64(0),
		"__os_bit": "64", "__os_type": "Linux", "__os_version": "Other Linux(64 bit)", "__platform": "Other",
		"__isregistered": "true", "virtual_env_type": "FusionCompute", "__image_source_type": "uds", "__imagetype": visibility,
	}
	if visibility == "public" {
		attributes["__imagetype"], attributes["virtual_size"] = "gold", nil
		return attributes
	}
	maps.Copy(attributes, map[string]any{
		"__originalimagename": "", "__backup_id": "", "__productcode": "", "__image_size": "2361393152", "__data_origin": nil,
	})
	if s.options.Flavor == FlavorHuaweiCloud {
		attributes["active_at"] = timeText(s.clock.now())
		attributes["enterprise_project_id"] = "0"
	}
	return attributes
}

// createIMSImage is CreateImage for an image service of IMS.
func (s *Simulator) createIMSImage(st *imsStore, owner *project, image Image) string {
	now := s.clock.now()
	next := &imsImage{id: image.ID, attributes: map[string]any{}, created: now, updated: now}
	if image.Status != "queued" {
		next.attributes = s.imsServerAttributes(image.Visibility)
	}
	maps.Copy(next.attributes, map[string]any{
		"name": image.Name, "status": image.Status, "visibility": image.Visibility, "protected": image.Protected,
		"min_disk": image.MinDisk, "min_ram": image.MinRAM, "owner": owner.id,
		"disk_format": image.DiskFormat, "container_format": image.ContainerFormat,
	})
	for _, tag := range image.Tags {
		next.tags = setTag(next.tags, tagOf(tag))
	}
	for name, value := range image.Properties {
		next.attributes[name] = value
	}
	for name, value := range image.Attributes {
		if err := next.write(name, value); err != nil {
			panic(fmt.Sprintf("simulator: %s of an image: %v", name, err))
		}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.images[next.id] = next
	return next.id
}

// imsDerived are parts of a document that are not stored as such.
var imsDerived = nameSet("id", "self", "file", "schema")

// write sets one attribute of an image that is not stored yet.
func (i *imsImage) write(name string, value any) error {
	switch {
	case imsDerived[name]:
		return errors.New("it follows from other attributes")
	case name == "created_at":
		return assign(&i.created, value)
	case name == "updated_at":
		return assign(&i.updated, value)
	case name == "tags":
		list, err := stringList(value)
		i.tags = nil
		for _, tag := range list {
			i.tags = setTag(i.tags, tagOf(tag))
		}
		return err
	}
	switch value := value.(type) {
	case Absent:
		delete(i.attributes, name)
	case nil, string, bool:
		i.attributes[name] = value
	default:
		n, ok := new(big.Int).SetString(fmt.Sprint(value), 10)
		if !ok || !n.IsInt64() {
			return fmt.Errorf("a value of type %T", value)
		}
		i.attributes[name] = n.Int64()
	}
	return nil
}

// writeIMSImage is WriteImage for an image service of IMS.
func (s *Simulator) writeIMSImage(st *imsStore, id string, changes map[string]any) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	next := st.images[id].clone()
	next.updated = s.clock.now()
	for name, value := range changes {
		if err := next.write(name, value); err != nil {
			return fmt.Errorf("writing %s of image %s: %w", name, id, err)
		}
	}
	st.images[id] = next
	return nil
}

// findIMS returns the store of the first region that holds an image.
func (s *Simulator) findIMS(id string) *imsStore {
	for _, r := range regions {
		if st := s.imsStores[r.name]; st != nil && st.get(id) != nil {
			return st
		}
	}
	return nil
}

// decodeDocument reads a document of the simulator's own.
func decodeDocument(text []byte) map[string]any {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var doc map[string]any
	if err := decoder.Decode(&doc); err != nil {
		panic("simulator: " + err.Error())
	}
	return doc
}

// imsInventory are the images with which the cloud of a vendor starts, as Image
// takes them.
//
//go:embed ims_inventory.json
var imsInventory []byte

// seedIMSInventory makes the images that every simulated cloud of a vendor
// starts with.
func (s *Simulator) seedIMSInventory() {
	var images []Image
	decoder := json.NewDecoder(strings.NewReader(string(imsInventory)))
	decoder.UseNumber()
	if err := decoder.Decode(&images); err != nil {
		panic("simulator: the inventory is not JSON: " + err.Error())
	}
	for _, image := range images {
		s.CreateImage(image)
	}
}
