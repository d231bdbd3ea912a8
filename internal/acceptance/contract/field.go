package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// always are the fields that an answer has to have, per path of what is read.
// Later documents mark hardly any field as required; these are those without which
// an object could not be told from another one or used at all. Of the others, any
// may be absent: the client does without.
var always = []struct {
	path   *regexp.Regexp
	fields []string
}{
	{regexp.MustCompile(`/im-streams(/\{\w+\})?$`), []string{"id", "name", "operating_system", "source", "status"}},
	{regexp.MustCompile(`/im-versions(/\{\w+\})?$`), []string{"id", "im_stream_id", "name", "status"}},
	{regexp.MustCompile(`/im-tags(/\{\w+\})?$`), []string{"id", "im_stream_id", "im_version_id", "name"}},
	{regexp.MustCompile(`/im-assets(/\{\w+\})?$`), []string{"id", "im_stream_id", "im_version_id", "vcenter_id", "clone_type", "image_type", "status"}},
	{regexp.MustCompile(`/desktop-pools(/\{\w+\})?$`), []string{"id", "name", "type", "source", "enabled"}},
	{regexp.MustCompile(`/machines(/\{\w+\})?$`), []string{"id", "name", "state", "desktop_pool_id"}},
	{regexp.MustCompile(`/config/v\d+/virtual-centers(/\{\w+\})?$`), []string{"id", "server_name"}},
	{regexp.MustCompile(`/datacenters$`), []string{"id", "name", "path"}},
	{regexp.MustCompile(`/base-vms(/\{\w+\})?$`), []string{"id", "name", "path", "vcenter_id"}},
	{regexp.MustCompile(`/base-snapshots(/\{\w+\})?$`), []string{"id", "name", "path"}},
}

// missingField returns an error for an answer that lacks a field which it has to
// have. path is the documented one.
func missingField(path string, body []byte) error {
	for _, a := range always {
		if !a.path.MatchString(path) {
			continue
		}
		var elements []map[string]any
		if json.Unmarshal(body, &elements) != nil {
			var one map[string]any
			if err := json.Unmarshal(body, &one); err != nil {
				return fmt.Errorf("it is neither an object nor a list of objects: %w", err)
			}
			elements = append(elements, one)
		}
		for _, element := range elements {
			for _, name := range a.fields {
				if element[name] == nil {
					return fmt.Errorf("it has no %s", name)
				}
			}
		}
	}
	return nil
}

// Fields returns the names of the fields that the release documents in the answer
// to a read, of a list those of an element, with a dot before what is within
// another one, in the order of the alphabet. An operation that the release does not
// have is ErrNoOperation.
func (c *Contract) Fields(method, rest string) ([]string, error) {
	route, _, err := c.operation(method, rest)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	answer := route.Operation.Responses.Status(200)
	if answer == nil {
		return nil, nil
	}
	for _, media := range answer.Value.Content {
		collect(names, "", media.Schema)
	}
	return slices.Sorted(maps.Keys(names)), nil
}

func collect(names map[string]bool, below string, schema *openapi3.SchemaRef) {
	if schema == nil || schema.Value == nil {
		return
	}
	collect(names, below, schema.Value.Items)
	for name, property := range schema.Value.Properties {
		if !names[below+name] {
			names[below+name] = true
			collect(names, below+name+".", property)
		}
	}
}
