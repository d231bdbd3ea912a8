package horizon

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// Named says which object is looked for. What is empty does not matter.
type Named struct{ ID, Name, Path string }

func (n Named) String() string {
	var texts []string
	for _, part := range []struct{ name, value string }{{"id", n.ID}, {"name", n.Name}, {"path", n.Path}} {
		if part.value != "" {
			texts = append(texts, fmt.Sprintf("%s %q", part.name, part.value))
		}
	}
	if len(texts) == 0 {
		return "any name"
	}
	return strings.Join(texts, " and ")
}

// LookupError says that what is looked for is not exactly one object.
type LookupError struct {
	// Noun is what is looked for, e.g. "base VM"; Wanted is how, e.g. `name "gold"`.
	Noun, Wanted string
	// Found is the number of objects that match: 0, or more than one.
	Found int
	// Candidates are those that match, or if none does, all there are: their names
	// or paths with their ids.
	Candidates []string
}

func (e *LookupError) Error() string {
	switch {
	case e.Found > 0:
		return fmt.Sprintf("%d objects of the kind %s have %s: %s", e.Found, e.Noun, e.Wanted, candidates(e.Candidates))
	case len(e.Candidates) == 0:
		return fmt.Sprintf("there is no %s with %s, and no other that the user may see", e.Noun, e.Wanted)
	}
	return fmt.Sprintf("there is no %s with %s; there are %s", e.Noun, e.Wanted, candidates(e.Candidates))
}

// candidates names some of many.
func candidates(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// entity is something that can be looked for.
type entity interface {
	// is says whether it is what is looked for.
	is(n Named) bool
	// label tells it from others.
	label() string
}

// pick returns the only element that is what is looked for.
func pick[E entity](noun string, n Named, all []E) (E, error) {
	var zero E
	var found []E
	for _, e := range all {
		if e.is(n) {
			found = append(found, e)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	failure := &LookupError{Noun: noun, Wanted: n.String(), Found: len(found)}
	shown := found
	if len(found) == 0 {
		shown = slices.Clone(all)
		// The ones that look like it come first.
		slices.SortStableFunc(shown, func(a, b E) int { return cmp.Compare(likeness(b.label(), n), likeness(a.label(), n)) })
	}
	for _, e := range shown {
		failure.Candidates = append(failure.Candidates, e.label())
	}
	return zero, failure
}

func likeness(label string, n Named) int {
	wanted := strings.ToLower(cmp.Or(n.Name, n.Path, n.ID))
	if strings.Contains(strings.ToLower(label), wanted) {
		return 1
	}
	return 0
}

// isNamed compares what is given with what an object has.
func isNamed(n Named, id, path string, names ...string) bool {
	return (n.ID == "" || n.ID == id) && (n.Path == "" || strings.TrimRight(n.Path, "/") == path) && (n.Name == "" || slices.Contains(names, n.Name))
}

func decodeAll[T any](l *listing, elements []json.RawMessage) ([]T, error) {
	decoded := make([]T, len(elements))
	for i, raw := range elements {
		if err := json.Unmarshal(raw, &decoded[i]); err != nil {
			return nil, fmt.Errorf("a list of the Connection Server holds something that is no %s: %w", l.noun, err)
		}
	}
	return decoded, nil
}

// VirtualCenter is a vCenter Server that Horizon knows.
type VirtualCenter struct {
	ID           string `json:"id"`
	ServerName   string `json:"server_name"`
	DisplayName  string `json:"display_name"`
	InstanceUUID string `json:"instance_uuid"`
	Version      string `json:"version"`
	Port         int64  `json:"port"`
	Enabled      *bool  `json:"enabled"`
}

func (v VirtualCenter) label() string { return fmt.Sprintf("%s (%s)", v.ServerName, v.ID) }

// is compares host names without case.
func (v VirtualCenter) is(n Named) bool {
	n.Name = strings.ToLower(n.Name)
	return isNamed(n, v.ID, "", strings.ToLower(v.ServerName), strings.ToLower(v.DisplayName))
}

// VirtualCenter returns the one vCenter that is looked for, by id, or by its
// server name or display name. None or several is a *LookupError; other errors
// are those of Read.
func (c *Client) VirtualCenter(ctx context.Context, n Named) (VirtualCenter, error) {
	return lookup[VirtualCenter](ctx, c, virtualCenterListing, nil, n)
}

// Datacenter is a datacenter of a vCenter.
type Datacenter struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Path string `json:"path"`
}

func (d Datacenter) label() string   { return fmt.Sprintf("%s (%s)", cmp.Or(d.Path, d.Name), d.ID) }
func (d Datacenter) is(n Named) bool { return isNamed(n, d.ID, d.Path, d.Name) }

// Datacenter returns the one datacenter of a vCenter that is looked for. Its
// errors are those of VirtualCenter.
func (c *Client) Datacenter(ctx context.Context, vcenterID string, n Named) (Datacenter, error) {
	return lookup[Datacenter](ctx, c, datacenterListing, url.Values{"vcenter_id": {vcenterID}}, n)
}

// BaseVM is a VM that images can be made of.
type BaseVM struct {
	ID                         string   `json:"id"`
	Name                       string   `json:"name"`
	Path                       string   `json:"path"`
	VCenterID                  string   `json:"vcenter_id"`
	DatacenterID               string   `json:"datacenter_id"`
	OperatingSystem            string   `json:"operating_system"`
	OperatingSystemDisplayName string   `json:"operating_system_display_name"`
	IncompatibleReasons        []string `json:"incompatible_reasons"`
}

func (v BaseVM) label() string   { return fmt.Sprintf("%s (%s)", cmp.Or(v.Path, v.Name), v.ID) }
func (v BaseVM) is(n Named) bool { return isNamed(n, v.ID, v.Path, v.Name) }

// BaseVM returns the one base VM of a vCenter that is looked for, in one of its
// datacenters or, with an empty datacenterID, in any. VMs that Horizon holds to
// be unfit are among them, with the reasons. Its errors are those of
// VirtualCenter.
func (c *Client) BaseVM(ctx context.Context, vcenterID, datacenterID string, n Named) (BaseVM, error) {
	query := url.Values{"vcenter_id": {vcenterID}}
	if datacenterID != "" {
		query.Set("datacenter_id", datacenterID)
	}
	return lookup[BaseVM](ctx, c, baseVMListing, query, n)
}

// BaseSnapshot is a snapshot of a base VM.
type BaseSnapshot struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Path        string `json:"path"`
	Description string `json:"description"`
	VCenterID   string `json:"vcenter_id"`
	// CreatedTimestamp is in milliseconds since 1970. Nil: not said.
	CreatedTimestamp    *int64   `json:"created_timestamp"`
	DiskSizeMB          *int64   `json:"disk_size_mb"`
	MemoryMB            *int64   `json:"memory_mb"`
	HardwareVersion     *int64   `json:"hardware_version"`
	IncompatibleReasons []string `json:"incompatible_reasons"`
}

func (s BaseSnapshot) is(n Named) bool { return isNamed(n, s.ID, s.Path, s.Name) }

func (s BaseSnapshot) label() string {
	if s.CreatedTimestamp == nil {
		return fmt.Sprintf("%s (%s)", cmp.Or(s.Path, s.Name), s.ID)
	}
	return fmt.Sprintf("%s (%s, of %s)", cmp.Or(s.Path, s.Name), s.ID, time.UnixMilli(*s.CreatedTimestamp).UTC().Format(time.RFC3339))
}

// BaseSnapshot returns the one snapshot of a base VM that is looked for. Names of
// snapshots need not be unique in vCenter; paths are. Its errors are those of
// VirtualCenter.
func (c *Client) BaseSnapshot(ctx context.Context, vcenterID, baseVMID string, n Named) (BaseSnapshot, error) {
	return lookup[BaseSnapshot](ctx, c, baseSnapshotListing, snapshotsOf(vcenterID, baseVMID), n)
}

// NewestBaseSnapshot returns, of the snapshots that are looked for, or of all if
// n is empty, the one that was made last. Its errors are those of VirtualCenter;
// two that were made in the same millisecond are several.
func (c *Client) NewestBaseSnapshot(ctx context.Context, vcenterID, baseVMID string, n Named) (BaseSnapshot, error) {
	snapshots, err := fetch[BaseSnapshot](ctx, c, baseSnapshotListing, snapshotsOf(vcenterID, baseVMID), nil)
	if err != nil {
		return BaseSnapshot{}, err
	}
	newest := int64(-1)
	for _, s := range snapshots {
		if s.is(n) && s.CreatedTimestamp != nil {
			newest = max(newest, *s.CreatedTimestamp)
		}
	}
	matching := slices.DeleteFunc(slices.Clone(snapshots), func(s BaseSnapshot) bool {
		return newest >= 0 && (s.CreatedTimestamp == nil || *s.CreatedTimestamp != newest)
	})
	s, err := pick(baseSnapshotListing.noun, n, matching)
	return s, err
}

func snapshotsOf(vcenterID, baseVMID string) url.Values {
	return url.Values{"vcenter_id": {vcenterID}, "base_vm_id": {baseVMID}}
}

// lookup looks for one object, with the server's filter where it has one. What
// the server leaves in is looked at again: older releases do not know filters.
func lookup[E entity](ctx context.Context, c *Client, l *listing, query url.Values, n Named) (E, error) {
	var zero E
	all, err := fetch[E](ctx, c, l, query, slices.Concat(equals("id", n.ID), equals("name", n.Name), equals("path", n.Path)))
	if err != nil {
		return zero, err
	}
	found, err := pick(l.noun, n, all)
	if err == nil || len(all) > 0 || len(l.versions) == 1 {
		return found, err
	}
	// The filter has left out those that could be meant instead.
	if all, err = fetch[E](ctx, c, l, query, nil); err != nil {
		return zero, err
	}
	return pick(l.noun, n, all)
}

func fetch[E any](ctx context.Context, c *Client, l *listing, query url.Values, where filter) ([]E, error) {
	elements, _, err := c.list(ctx, l, query, where)
	if err != nil {
		return nil, err
	}
	return decodeAll[E](l, elements)
}

func (p *Pool) label() string   { return fmt.Sprintf("%s (%s)", p.Name, p.ID) }
func (p *Pool) is(n Named) bool { return isNamed(n, p.ID, "", p.Name) }

// FindPool returns the one desktop pool with a name. Its errors are those of
// VirtualCenter.
func (c *Client) FindPool(ctx context.Context, name string) (*Pool, error) {
	n := Named{Name: name}
	// The one list of a run shows all of them.
	pools, err := c.RecentPools(ctx)
	if err != nil {
		return nil, err
	}
	return pick(poolListing.noun, n, pools)
}

// Find returns the one object of the catalogue under a parent that holds what
// where says. None or several is a *LookupError; other errors are those of Objects.
func (c *Client) Find(ctx context.Context, kind Kind, parentID string, where patch.Want) (*Object, error) {
	found, err := c.Objects(ctx, kind, parentID, where)
	if err != nil {
		return nil, err
	}
	if len(found) == 1 {
		return found[0], nil
	}
	failure := &LookupError{Noun: kind.String(), Wanted: wantedText(where), Found: len(found)}
	if len(found) == 0 {
		if found, err = c.Objects(ctx, kind, parentID, nil); err != nil {
			return nil, err
		}
	}
	for _, o := range found {
		failure.Candidates = append(failure.Candidates, o.label())
	}
	return nil, failure
}

func (o *Object) label() string {
	if name := o.Text("name"); name != "" {
		return fmt.Sprintf("%s (%s)", name, o.ID)
	}
	return fmt.Sprintf("%s (%s %s of %s)", o.ID, o.Text("image_type"), cmp.Or(o.Text("vm_template_id"), o.Text("base_snapshot_id")), o.Text("vcenter_id"))
}

func wantedText(where patch.Want) string {
	var texts []string
	for _, p := range slices.Sorted(maps.Keys(where)) {
		texts = append(texts, fmt.Sprintf("%s %s", strings.TrimPrefix(string(p), "/"), where[p]))
	}
	return strings.Join(texts, " and ")
}
