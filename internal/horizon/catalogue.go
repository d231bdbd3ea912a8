package horizon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// Kind is a kind of object of the image catalogue.
type Kind string

// The kinds, under the names of their routes.
const (
	Stream  Kind = "im-streams"
	Version Kind = "im-versions"
	Tag     Kind = "im-tags"
	Asset   Kind = "im-assets"
)

// rules say what the API knows of a kind. Source: the vendor's OpenAPI files,
// which agree on it from 2012 to 2512.
type rules struct {
	noun string
	// parent is the member whose value a list needs; empty for streams.
	parent string
	// created are the members of a create, besides additional_details.
	created []string
	// required are the members that every update has to repeat; optional are the
	// others that it may have. All updates have additional_details.
	required, optional []string
	// key are the members that tell two new objects apart.
	key []string
	// filters are the text members that lists of 2309 and later filter by.
	filters []string
}

var catalogue = map[Kind]rules{
	Stream: {
		noun:     "image management stream",
		created:  []string{"name", "description", "operating_system", "publisher", "source", "status"},
		required: []string{"name", "operating_system", "source", "status"}, optional: []string{"description", "publisher"},
		key:     []string{"name"},
		filters: []string{"name", "publisher", "operating_system", "source", "status"},
	},
	Version: {
		noun: "image management version", parent: "im_stream_id",
		created:  []string{"im_stream_id", "name", "description", "status"},
		required: []string{"name", "status"}, optional: []string{"description"},
		key:     []string{"im_stream_id", "name"},
		filters: []string{"name", "status"},
	},
	Tag: {
		noun: "image management tag", parent: "im_stream_id",
		created:  []string{"im_stream_id", "im_version_id", "name"},
		required: []string{"im_version_id", "name"},
		key:      []string{"im_stream_id", "name"},
		filters:  []string{"name", "im_version_id"},
	},
	Asset: {
		noun: "image management asset", parent: "im_version_id",
		created: []string{"im_stream_id", "im_version_id", "vcenter_id", "base_vm_id", "base_snapshot_id", "vm_template_id",
			"clone_type", "image_type", "status"},
		required: []string{"clone_type", "image_type", "status"},
		key:      []string{"im_version_id", "vcenter_id", "base_vm_id", "base_snapshot_id", "vm_template_id", "clone_type", "image_type"},
		filters:  []string{"vcenter_id", "base_vm_id", "base_snapshot_id", "vm_template_id", "clone_type", "image_type", "status"},
	},
}

// String returns the kind in words.
func (k Kind) String() string { return catalogue[k].noun }

func (k Kind) path() string { return "/rest/config/v1/" + string(k) }

// listing is the list of the kind, which has one version in every release.
func (k Kind) listing(paged bool) *listing {
	return &listing{noun: k.String(), privilege: k.listPrivilege(), versions: []version{{k.path(), paged}}}
}

func (k Kind) listPrivilege() string {
	if k == Stream || k == Tag {
		return configurationView
	}
	return "GLOBAL_CONFIG_VIEW"
}

// AdditionalDetails is the map of free texts that every object of the catalogue
// has; each of its keys has a pointer of its own below it.
const AdditionalDetails patch.Pointer = "/additional_details"

// Equal says whether two values of a pointer mean the same: a text that may be
// left out is the same absent and empty.
func Equal(p patch.Pointer, a, b patch.Value) bool {
	if a == b {
		return true
	}
	const empty = patch.Value(`""`)
	absent := func(v patch.Value) bool { return v == patch.Absent || v == empty }
	return (p == "/description" || p == "/publisher") && absent(a) && absent(b)
}

// Ref names one object of the catalogue.
type Ref struct {
	Kind Kind
	ID   string
	// ParentID is the stream of a version or tag and the version of an asset. It
	// may be empty when it is not known; a list of the parent's then cannot help
	// out where the server's words about a missing object are not clear.
	ParentID string
}

// Object is an object of the image catalogue as the server answered it.
type Object struct {
	Kind     Kind
	ID       string
	document patch.Document
}

// Document returns everything that the server said: a pointer per member, and
// per key of additional_details. Members that are null are absent, since
// releases differ in which of the two they say. The caller owns it.
func (o *Object) Document() patch.Document { return maps.Clone(o.document) }

// Text returns a member that is a text, such as "name"; empty if it is absent.
func (o *Object) Text(name string) string {
	text, _ := o.document[patch.NewPointer(name)].AsString()
	return text
}

// Ref returns the name of the object.
func (o *Object) Ref() Ref {
	return Ref{Kind: o.Kind, ID: o.ID, ParentID: o.Text(catalogue[o.Kind].parent)}
}

// isDeleted says that only a record of the object is left.
func (o *Object) isDeleted() bool { return o.Text("status") == "DELETED" }

// decode reads an object. Members are taken as they are.
func decode(kind Kind, raw []byte) (*Object, error) {
	var members map[string]json.RawMessage
	if trimmed := bytes.TrimSpace(raw); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, errors.New("it is not a JSON object")
	}
	if json.Unmarshal(raw, &members) != nil {
		return nil, errors.New("it is broken JSON")
	}
	o := &Object{Kind: kind, document: make(patch.Document, len(members))}
	if json.Unmarshal(members["id"], &o.ID) != nil || o.ID == "" {
		return nil, errors.New("it has no id")
	}
	if err := o.add("", members); err != nil {
		return nil, err
	}
	return o, nil
}

func (o *Object) add(below patch.Pointer, members map[string]json.RawMessage) error {
	for name, raw := range members {
		p := below.Member(name)
		value, err := patch.ParseValue(raw)
		if err != nil {
			return fmt.Errorf("its member %q is broken: %w", name, err)
		}
		if value == patch.Null {
			continue
		}
		var details map[string]json.RawMessage
		if p == AdditionalDetails && json.Unmarshal(raw, &details) == nil {
			if err := o.add(p, details); err != nil {
				return err
			}
			continue
		}
		o.document[p] = value
	}
	return nil
}

// Read returns an object as it is now. errors.Is(err, ErrNotFound) is true for
// one that is definitely not there, or only as a record with the status DELETED;
// other errors wrap a *transport.APIError, a *transport.Error, a *SignInError or
// the context's.
func (c *Client) Read(ctx context.Context, ref Ref) (*Object, error) {
	o, err := c.read(ctx, ref)
	if err != nil {
		return nil, err
	}
	return o.existing()
}

// existing returns the object unless only a record of it is left.
func (o *Object) existing() (*Object, error) {
	if o.isDeleted() {
		return nil, fmt.Errorf("%w: the %s %s has the status DELETED", ErrNotFound, o.Kind, o.ID)
	}
	return o, nil
}

func (c *Client) read(ctx context.Context, ref Ref) (*Object, error) {
	if err := checkID(ref.Kind.String(), ref.ID); err != nil {
		return nil, err
	}
	r, resp, err := c.get(ctx, ref.Kind.path()+"/"+ref.ID, nil)
	if err != nil {
		return nil, err
	}
	c.server.recent.saw(ref.Kind, ref.ID)
	if resp.StatusCode == http.StatusNotFound {
		return nil, c.missing(ctx, ref, r, resp)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.refusal(r, resp, "GLOBAL_CONFIG_VIEW")
	}
	o, err := decode(ref.Kind, resp.Body)
	if err != nil {
		return nil, fmt.Errorf("the answer is no %s: %w: %w", ref.Kind, err, transport.NewAPIError(r, resp))
	}
	if !strings.EqualFold(o.ID, ref.ID) {
		return nil, fmt.Errorf("the Connection Server was asked about the %s %s and answered with another, %q", ref.Kind, ref.ID, transport.CleanText(o.ID))
	}
	return o, nil
}

// missing puts a 404 about an object into words. It is definite only if Horizon
// itself wrote it: a web server whose application is down, a wrong address and a
// proxy answer 404 as well. Where that is not clear, the list decides that would
// show the object.
func (c *Client) missing(ctx context.Context, ref Ref, r transport.Request, resp *transport.Response) error {
	refusal := transport.NewAPIError(r, resp)
	if isOwn(resp.Body) {
		return fmt.Errorf("%w: %w", ErrNotFound, refusal)
	}
	unclear := c.refusal(r, resp, "")
	if catalogue[ref.Kind].parent != "" && ref.ParentID == "" {
		return unclear
	}
	objects, err := c.listObjects(ctx, ref.Kind, ref.ParentID, nil)
	if err != nil {
		return unclear
	}
	for _, o := range objects {
		if strings.EqualFold(o.ID, ref.ID) {
			return unclear
		}
	}
	return fmt.Errorf("%w: a list does not show it, and %w", ErrNotFound, refusal)
}

// Objects returns the objects of a kind under a parent (the stream of versions
// and tags, the version of assets, "" for streams) that hold what where says,
// Absent for a pointer that must be absent. Records with the status DELETED are
// left out. Its errors are those of Read; a parent that does not exist is a
// refusal or an empty list, as the server likes.
func (c *Client) Objects(ctx context.Context, kind Kind, parentID string, where patch.Want) ([]*Object, error) {
	objects, err := c.listObjects(ctx, kind, parentID, where)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(objects, func(o *Object) bool {
		return o.isDeleted() || len(patch.Diff(o.document, where, Equal)) > 0
	}), nil
}

// listObjects returns at least the objects that hold what where says.
func (c *Client) listObjects(ctx context.Context, kind Kind, parentID string, where patch.Want) ([]*Object, error) {
	rules := catalogue[kind]
	query := url.Values{}
	if rules.parent != "" {
		if err := checkID(rules.parent, parentID); err != nil {
			return nil, err
		}
		query.Set(rules.parent, parentID)
	}
	paged, err := c.hasFilters(ctx)
	if err != nil {
		return nil, err
	}
	var wanted filter
	for _, name := range rules.filters {
		text, _ := where[patch.NewPointer(name)].AsString()
		wanted = append(wanted, equals(name, text)...)
	}
	elements, _, err := c.list(ctx, kind.listing(paged), query, wanted)
	if err != nil {
		return nil, err
	}
	objects := make([]*Object, len(elements))
	for i, raw := range elements {
		if objects[i], err = decode(kind, raw); err != nil {
			return nil, fmt.Errorf("a list of the Connection Server holds something that is no %s: %w", kind, err)
		}
	}
	return objects, nil
}
