package imageservice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// imageID is the form of an image's id in Glance's schema of an image.
var imageID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// ValidID says whether a text can be the id of an image.
func ValidID(id string) bool { return imageID.MatchString(id) }

func checkID(id string) error {
	if !ValidID(id) {
		return fmt.Errorf("%q is not the id of an image, which is a UUID such as 0f2a7d5e-3c1b-4e8f-9a6d-5b4c3d2e1f00", id)
	}
	return nil
}

// Image is an image as the service answered it.
type Image struct {
	// ID is the id in the service's spelling.
	ID       string
	document patch.Document
}

// Document returns everything that the service said: one pointer per member,
// whatever its type, and one per tag ("/tags/golden"). The caller owns it.
func (i *Image) Document() patch.Document { return maps.Clone(i.document) }

// decodeImage reads an image. Members are taken as they are: their types differ
// between services and releases, and a custom property may have any name, also
// one that a client would have for a field of its own ("metadata", "hidden").
func decodeImage(body []byte) (*Image, error) {
	var members map[string]json.RawMessage
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, errors.New("it is not a JSON object")
	}
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, errors.New("it is broken JSON")
	}
	image := &Image{document: make(patch.Document, len(members)+4)}
	if err := json.Unmarshal(members["id"], &image.ID); err != nil || image.ID == "" {
		return nil, errors.New("it has no id")
	}
	for name, raw := range members {
		if name == "tags" && image.addTags(raw) {
			continue
		}
		value, err := patch.ParseValue(raw)
		if err != nil {
			return nil, fmt.Errorf("its member %q is broken: %w", name, err)
		}
		image.document[patch.NewPointer(name)] = value
	}
	return image, nil
}

// addTags adds the tags, unless they are something other than a list of
// strings, which is then kept as one value.
func (i *Image) addTags(raw json.RawMessage) bool {
	var tags []*string
	if err := json.Unmarshal(raw, &tags); err != nil || tags == nil {
		return false
	}
	for _, tag := range tags {
		if tag == nil {
			return false
		}
	}
	for _, tag := range tags {
		i.document[attribute.Tags.Member(*tag)] = patch.StringValue(*tag)
	}
	return true
}
