package catalogue

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// kind is what one resource of the catalogue differs by from the others.
type kind struct {
	horizon horizon.Kind
	// name is the name of the resource without the provider's.
	name string
	// description is the first paragraph of the resource's page.
	description string
	fields      []field
	// statuses are the values of status; none for a kind that has no status.
	statuses []string
	// parent is the field that lists are made by; empty for streams.
	parent string
	// waits says that a status can be waited for.
	waits bool
	// example is a line of planned_changes.
	example string
}

// field is a member of an object that is a text.
type field struct {
	name        string
	description string
	required    bool
	replaces    bool
	oneOf       []string
	// spellings are other spellings of members of oneOf, which people bring from
	// the View API.
	spellings map[string]string
	pattern   *regexp.Regexp
	// allowed says in words what the pattern allows.
	allowed string
	most    int // characters
	id      bool
	// refers is the kind of the object that an id is of; empty for ids of
	// something else than the catalogue.
	refers horizon.Kind
}

func (f *field) pointer() patch.Pointer { return patch.NewPointer(f.name) }

// The names of attributes that the code speaks of.
const (
	attrID            = "id"
	attrName          = "name"
	attrStatus        = "status"
	attrCurrentStatus = "current_status"
	attrWaitForStatus = "wait_for_status"
	attrDetails       = "additional_details"
	attrStreamID      = "im_stream_id"
	attrVersionID     = "im_version_id"
	attrVMID          = "base_vm_id"
	attrSnapshotID    = "base_snapshot_id"
	attrTemplateID    = "vm_template_id"
	attrCloneType     = "clone_type"
	attrImageType     = "image_type"
	attrSystem        = "operating_system"
)

const statusPointer patch.Pointer = "/status"

// The statuses that the code speaks of.
const (
	statusAvailable = "AVAILABLE"
	statusDisabled  = "DISABLED"
	statusDeleted   = "DELETED"
)

// The values of on_destroy.
const (
	destroyDelete  = "delete"
	destroyDisable = "disable"
	destroyKeep    = "keep"
)

// Names of streams and tags, and of versions, which may have dots. Source: the
// vendor's OpenAPI, which says so from 2303 on, for the dots from 2309 on; the
// pages of the View API, which are older, allow them as well.
var (
	namePattern        = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	versionNamePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)
)

const (
	nameAllowed        = "1 to 64 letters, digits, hyphens and underscores"
	versionNameAllowed = "1 to 64 letters, digits, hyphens, underscores and, except on Horizon 2303 and 2306, dots"
	mostDescription    = 1024
)

// The values of members that have a list of them. Source: the vendor's OpenAPI
// from 2012 to 2512, whose lists grow.
var (
	operatingSystems = []string{
		"LINUX_CENTOS", "LINUX_OTHER", "LINUX_RHEL", "LINUX_SERVER_OTHER", "LINUX_SUSE", "LINUX_UBUNTU", "MACOS_15", "UNKNOWN",
		"WINDOWS_10", "WINDOWS_11", "WINDOWS_7", "WINDOWS_8", "WINDOWS_SERVER_2003", "WINDOWS_SERVER_2008", "WINDOWS_SERVER_2008_R2",
		"WINDOWS_SERVER_2012", "WINDOWS_SERVER_2012_R2", "WINDOWS_SERVER_2016_OR_ABOVE", "WINDOWS_VISTA", "WINDOWS_XP",
	}
	sources         = []string{"COPIED_FROM_STREAM", "COPIED_FROM_VERSION", "MARKET_PLACE", "UPLOADED"}
	cloneTypes      = []string{"FULL_CLONE", "INSTANT_CLONE"}
	imageTypes      = []string{"RDSH_APPS", "RDSH_DESKTOP", "VDI_DESKTOP"}
	streamStatuses  = []string{statusAvailable, statusDisabled, "FAILED", "IN_PROGRESS", "PARTIALLY_AVAILABLE", "PENDING"}
	versionStatuses = []string{statusAvailable, "DEPLOYING_VM", "DEPLOYMENT_DONE", statusDisabled, "FAILED", "PARTIALLY_AVAILABLE", "PUBLISHING", "REPLICATING"}
	assetStatuses   = []string{statusAvailable, "DEPLOYING_VM", "DEPLOYMENT_DONE", statusDisabled, "FAILED", "REPLICATING", "RETRY_PENDING", "SPECIALIZING_VM"}
)

// systemsSince are the operating systems that not every release knows, with the
// release that brought them.
var systemsSince = map[string]string{"WINDOWS_11": "2209", "MACOS_15": "2512"}

var kinds = []*kind{
	{
		horizon: horizon.Stream, name: "image_management_stream", statuses: streamStatuses,
		description: "A stream of the Horizon image catalogue: one image through time, as its versions. Desktop pools follow a stream by one of its tags.",
		fields: []field{
			{name: attrName, required: true, pattern: namePattern, allowed: nameAllowed, description: "Name of the stream: " + nameAllowed + "."},
			{name: "description", most: mostDescription, description: "Description of the stream, at most 1024 characters. By default it is not managed."},
			{name: attrSystem, required: true, oneOf: operatingSystems,
				description: "Operating system of the image. `WINDOWS_11` needs Horizon 2209, `MACOS_15` Horizon 2512."},
			{name: "publisher", description: "Publisher of the stream. By default it is not managed."},
			{name: "source", required: true, oneOf: sources, description: "Where the image comes from; an image that was made in vCenter is `UPLOADED`."},
		},
		example: `replace /description "office" -> "office and CAD"`,
	},
	{
		horizon: horizon.Version, name: "image_management_version", statuses: versionStatuses, parent: attrStreamID, waits: true,
		description: "A version of a stream of the Horizon image catalogue. Its assets say where its VM and snapshot are.",
		fields: []field{
			{name: attrStreamID, required: true, replaces: true, id: true, refers: horizon.Stream, description: "ID of the stream."},
			{name: attrName, required: true, pattern: versionNamePattern, allowed: versionNameAllowed, description: "Name of the version: " + versionNameAllowed + "."},
			{name: "description", most: mostDescription, description: "Description of the version, at most 1024 characters. By default it is not managed."},
		},
		example: `replace /status "AVAILABLE" -> "DISABLED"`,
	},
	{
		horizon: horizon.Tag, name: "image_management_tag", parent: attrStreamID,
		description: "A tag of a stream of the Horizon image catalogue: the name by which desktop pools follow a version. " +
			"Moving a tag to another version does not push anything to a pool by itself.",
		fields: []field{
			{name: attrStreamID, required: true, replaces: true, id: true, refers: horizon.Stream, description: "ID of the stream."},
			{name: attrVersionID, required: true, id: true, refers: horizon.Version, description: "ID of the version that the tag is on. A change moves the tag."},
			{name: attrName, required: true, pattern: namePattern, allowed: nameAllowed, description: "Name of the tag, unique within its stream: " + nameAllowed + "."},
		},
		example: `replace /im_version_id "5e0c..." -> "77aa..."`,
	},
	{
		horizon: horizon.Asset, name: "image_management_asset", statuses: assetStatuses, parent: attrVersionID, waits: true,
		description: "An asset of the Horizon image catalogue: the VM and snapshot, or the VM template, that a version is in one vCenter.",
		fields: []field{
			{name: attrStreamID, required: true, replaces: true, id: true, refers: horizon.Stream, description: "ID of the stream."},
			{name: attrVersionID, required: true, replaces: true, id: true, refers: horizon.Version, description: "ID of the version, which has to be of the stream."},
			{name: "vcenter_id", required: true, replaces: true, id: true, description: "ID of the vCenter in Horizon."},
			{name: attrVMID, replaces: true, id: true, description: "ID of the base VM in vSphere, such as `vm-1001`. Goes with `base_snapshot_id`, and excludes `vm_template_id`."},
			{name: attrSnapshotID, replaces: true, id: true, description: "ID of the snapshot of the base VM in vSphere, such as `snapshot-1002`. Goes with `base_vm_id`."},
			{name: attrTemplateID, replaces: true, id: true, description: "ID of the VM template in vSphere, for full clones. Excludes `base_vm_id` and `base_snapshot_id`."},
			{name: attrCloneType, required: true, oneOf: cloneTypes, description: "Kind of clones that are made of the image."},
			{name: attrImageType, required: true, oneOf: imageTypes, spellings: map[string]string{"RDSH_APP": "RDSH_APPS"},
				description: "What the image is for."},
		},
		example: `replace /additional_details/owner "desk" -> "vdi"`,
	},
}

// String is the kind in words.
func (k *kind) String() string { return k.horizon.String() }

// destroys are the values of on_destroy.
func (k *kind) destroys() []string {
	if k.statuses == nil {
		return []string{destroyDelete, destroyKeep}
	}
	return []string{destroyDelete, destroyDisable, destroyKeep}
}

// attributePath returns where a pointer stands in the configuration.
func attributePath(p patch.Pointer) path.Path {
	if key, ok := p.MemberOf(horizon.AdditionalDetails); ok {
		return path.Root(attrDetails).AtMapKey(key)
	}
	name, _ := p.Key()
	return path.Root(name)
}

// equal says whether two values of a pointer mean the same. Ids of Horizon are
// the same in upper and lower case.
func (k *kind) equal(p patch.Pointer, a, b patch.Value) bool {
	if horizon.Equal(p, a, b) {
		return true
	}
	isID := slices.ContainsFunc(k.fields, func(f field) bool { return f.id && f.pointer() == p })
	return isID && strings.EqualFold(string(a), string(b))
}

// owned is the part of an object that a configuration, a plan or a state names.
type owned struct {
	want    patch.Want
	unknown bool // some value is not known yet
}

// owns reads what values own. A status that is waited for is what an object is
// created with, and not owned.
func (k *kind) owns(v plan.Values) owned {
	o := owned{want: patch.Want{}}
	texts := make([]string, 0, len(k.fields)+1)
	for i := range k.fields {
		texts = append(texts, k.fields[i].name)
	}
	if k.statuses != nil && !k.awaits(v) {
		texts = append(texts, attrStatus)
	}
	for _, name := range texts {
		o.add(patch.NewPointer(name), v[name], false)
	}
	details := v[attrDetails]
	o.unknown = o.unknown || !details.IsKnown()
	for key, value := range v.Elements(attrDetails) {
		o.add(horizon.AdditionalDetails.Member(key), value, true)
	}
	return o
}

// add adds a value. A null element of a map is a key that must not exist.
func (o *owned) add(p patch.Pointer, value tftypes.Value, element bool) {
	switch {
	case !value.IsKnown():
		o.unknown = true
	case !value.IsNull():
		var text string
		_ = value.As(&text)
		o.want[p] = patch.StringValue(text)
	case element:
		o.want[p] = patch.Absent
	}
}

// awaits says whether values want a status to be waited for.
func (k *kind) awaits(v plan.Values) bool { return k.waits && !v[attrWaitForStatus].IsNull() }

// changeable returns the part of a want that an update can write.
func (k *kind) changeable(want patch.Want) patch.Want {
	part := patch.Want{}
	for p, value := range want {
		if !k.fixed(p) {
			part[p] = value
		}
	}
	return part
}

// fixed says whether a pointer is of a field that no update can write.
func (k *kind) fixed(p patch.Pointer) bool {
	return slices.ContainsFunc(k.fields, func(f field) bool { return f.replaces && f.pointer() == p })
}

// unseen says whether a fixed field is null in a state only because Horizon did not
// show it to an import: a mandatory one, and those of the image when all are null.
func (k *kind) unseen(f *field, state plan.Values) bool {
	if !f.replaces || f.required {
		return f.replaces
	}
	return !slices.ContainsFunc(k.fields, func(other field) bool { return other.replaces && !other.required && !state[other.name].IsNull() })
}

// refresh puts what a document holds for the owned pointers into values, where
// it means something else. It says whether there was any.
func (k *kind) refresh(v plan.Values, d patch.Document) bool {
	// Releases differ in what they show of an object: what cannot change and is not
	// shown has not changed.
	drift := patch.Diff(d, k.owns(v).want, k.equal).Without(func(p patch.Pointer) bool {
		return d[p] == patch.Absent && k.fixed(p)
	})
	details := v.Elements(attrDetails)
	for _, o := range drift {
		if key, ok := o.Path.MemberOf(horizon.AdditionalDetails); ok {
			details[key] = textOrNull(d[o.Path])
			continue
		}
		name, _ := o.Path.Key()
		v[name] = textOrNull(d[o.Path])
	}
	if len(details) > 0 {
		v[attrDetails] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, details)
	}
	return len(drift) > 0
}

func textOrNull(value patch.Value) tftypes.Value {
	if s, ok := value.AsString(); ok {
		return tftypes.NewValue(tftypes.String, s)
	}
	return tftypes.NewValue(tftypes.String, nil)
}
