package image

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// visibilityAll asks for images of every visibility, and memberStatusAll for
// shared images whatever was answered to the offer.
const (
	visibilityAll        = "all"
	memberStatusAccepted = "accepted"
	memberStatusAll      = "all"
)

// filterNames are the arguments that choose images, in the order in which
// messages name them.
var filterNames = []string{attrName, attrNameRegex, attrTags, attrProperties, attrVisibility, attrMemberStatus, attrStatus, attrOwner, attrHidden}

// criteria say which images are looked for. What is nil or empty was not given.
type criteria struct {
	name         *string
	nameRegex    *regexp.Regexp
	tags         []string
	properties   map[string]string
	visibility   string
	memberStatus string
	status       *string
	owner        *string
	hidden       bool
}

// criteriaOf reads a configuration that is known and validated.
func criteriaOf(v values) (*criteria, error) {
	c := &criteria{visibility: v.Text(attrVisibility), memberStatus: v.Text(attrMemberStatus)}
	c.name, c.status, c.owner = given(v, attrName), given(v, attrStatus), given(v, attrOwner)
	if pattern := given(v, attrNameRegex); pattern != nil {
		var err error
		if c.nameRegex, err = regexp.Compile(*pattern); err != nil {
			return nil, err
		}
	}
	if hidden := v[attrHidden]; !hidden.IsNull() {
		if err := hidden.As(&c.hidden); err != nil {
			return nil, err
		}
	}
	var tags []tftypes.Value
	if err := v[attrTags].As(&tags); err != nil {
		return nil, err
	}
	for _, tag := range tags {
		var s string
		if err := tag.As(&s); err != nil {
			return nil, err
		}
		c.tags = append(c.tags, s)
	}
	slices.Sort(c.tags)
	var properties map[string]tftypes.Value
	if err := v[attrProperties].As(&properties); err != nil {
		return nil, err
	}
	c.properties = make(map[string]string, len(properties))
	for key, value := range properties {
		var s string
		if err := value.As(&s); err != nil {
			return nil, err
		}
		c.properties[key] = s
	}
	return c, nil
}

// given returns a string attribute, nil when it is null or unknown.
func given(v values, name string) *string {
	if value := v[name]; value.IsNull() || !value.IsKnown() {
		return nil
	}
	s := v.Text(name)
	return &s
}

const (
	// mostNarrowing is how many tags and properties the image service is asked
	// to filter by: each is one more join in its database, which allows some 60.
	mostNarrowing = 10
	// longestFilter is the longest text that is sent as a filter, in characters,
	// so that the address stays far below the 8 KiB that servers accept.
	longestFilter = 128
)

// query returns what the image service is asked for: never less than what is
// looked for, and often more. Every image of the answer is checked again, since a
// service may ignore a filter that it does not know.
func (c *criteria) query() url.Values {
	q := url.Values{}
	if c.visibility != "" {
		q.Set("visibility", c.visibility)
	}
	if c.memberStatus != "" {
		q.Set("member_status", c.memberStatus)
	}
	if c.hidden {
		// Its default is to leave them out. A service without hidden images
		// would take os_hidden=false for a property that no image has.
		q.Set("os_hidden", "true")
	}
	for name, value := range map[string]*string{"name": c.name, "status": c.status, "owner": c.owner} {
		if value != nil && literal(*value) {
			q.Set(name, *value)
		}
	}
	narrowing := 0
	for _, tag := range c.tags {
		if literal(tag) && narrowing < mostNarrowing {
			q.Add("tag", tag)
			narrowing++
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.properties)) {
		if filterable(key) && literal(c.properties[key]) && narrowing < mostNarrowing {
			q.Set(key, c.properties[key])
			narrowing++
		}
	}
	return q
}

// literal says whether the image service takes a text in a filter for what it
// is. To Glance, a colon ends an operator ("in:a,b"), a blank around a tag is
// none, and an empty filter may be as good as none; characters beyond ASCII can
// be bent on their way (measured on Glance 25.1, and its deserializer of lists).
func literal(s string) bool {
	if s == "" || len(s) > longestFilter || strings.TrimSpace(s) != s {
		return false
	}
	for _, r := range s {
		if r < ' ' || r > '~' || r == ':' {
			return false
		}
	}
	return true
}

// filterableKey is the form of a property's name that is sent as a filter: some
// words with underscores. A name of one word can be that of a parameter of the
// list ("limit", "marker", "sort") or of a Python member of Glance's model of an
// image ("metadata", "get", "values"), by which it filters instead, so that
// images with such a property are not found (measured on Glance 25.1).
var filterableKey = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)+$`)

// unfilterable are names of that form with another meaning in a list: columns of
// the images table, parameters, and a member of the model.
var unfilterable = map[string]bool{
	"sort_key": true, "sort_dir": true, "member_status": true, "to_dict": true, "is_public": true, "image_id": true,
	"deleted_at": true, "created_at": true, "updated_at": true, "os_hidden": true, "os_hash_algo": true, "os_hash_value": true,
	"disk_format": true, "container_format": true, "virtual_size": true, "min_disk": true, "min_ram": true,
}

// filterable says whether the image service filters by the property of a name.
// The endings _min and _max compare numbers.
func filterable(key string) bool {
	return len(key) <= longestFilter && filterableKey.MatchString(key) && !unfilterable[key] &&
		!strings.HasSuffix(key, "_min") && !strings.HasSuffix(key, "_max")
}

// matches says whether an image is looked for by a project.
func (c *criteria) matches(d patch.Document, project string) bool {
	name, named := fieldOf(d, "name")
	if c.name != nil && (!named || name != *c.name) {
		return false
	}
	if c.nameRegex != nil && (!named || !c.nameRegex.MatchString(name)) {
		return false
	}
	if !fieldIs(d, "status", c.status) || !fieldIs(d, "owner", c.owner) {
		return false
	}
	if hidden, _ := attribute.ByKey("os_hidden").AsBool(d["/os_hidden"]); hidden != c.hidden {
		return false
	}
	if !c.visible(d, project) {
		return false
	}
	for _, tag := range c.tags {
		if d[attribute.Tags.Member(tag)] == patch.Absent {
			return false
		}
	}
	for key, want := range c.properties {
		if !fieldIs(d, key, &want) {
			return false
		}
	}
	return true
}

// visible says whether the visibility of an image is one that is looked for. By
// default that leaves community images of other projects out, also where a
// service lists them: anybody can make one of any name.
func (c *criteria) visible(d patch.Document, project string) bool {
	visibility, _ := fieldOf(d, "visibility")
	switch c.visibility {
	case visibilityAll:
		return true
	case "":
		owner, _ := fieldOf(d, "owner")
		return visibility != "community" || owner == project
	}
	return visibility == c.visibility
}

// fieldIs compares a member of an image with a text; nil is any.
func fieldIs(d patch.Document, key string, want *string) bool {
	if want == nil {
		return true
	}
	have, ok := fieldOf(d, key)
	return ok && have == *want
}

// search returns the images that match, the newest first, and where it looked.
func (c *criteria) search(ctx context.Context, service *imageservice.Client) ([]patch.Document, plan.Place, error) {
	at, err := service.Place(ctx)
	if err != nil {
		return nil, plan.Place{}, err
	}
	place := plan.Place{Region: at.Region, ProjectID: at.ProjectID, ProjectName: at.ProjectName}
	listed, err := service.List(ctx, c.query())
	if err != nil {
		return nil, place, err
	}
	var found []patch.Document
	for _, image := range listed {
		if d := image.Document(); c.matches(d, place.ProjectID) {
			found = append(found, d)
		}
	}
	newestFirst(found)
	return found, place, nil
}

// newestFirst sorts images by their time of creation, which the image service
// tells to the second, and images of the same second by id.
func newestFirst(images []patch.Document) {
	created := make(map[string]time.Time, len(images))
	for _, d := range images {
		id, _ := fieldOf(d, "id")
		created[id] = createdAt(d)
	}
	slices.SortStableFunc(images, func(a, b patch.Document) int {
		x, _ := fieldOf(a, "id")
		y, _ := fieldOf(b, "id")
		return cmp.Or(created[y].Compare(created[x]), strings.Compare(x, y))
	})
}

// createdAt returns when an image was created; the zero time, and so the oldest,
// when the service does not say.
func createdAt(d patch.Document) time.Time {
	text, _ := fieldOf(d, "created_at")
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

// String puts the criteria into words: what an image has.
func (c *criteria) String() string {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if c.name != nil {
		say("the name %q", *c.name)
	}
	if c.nameRegex != nil {
		say("a name that matches %q", c.nameRegex)
	}
	for _, tag := range c.tags {
		say("the tag %q", tag)
	}
	for _, key := range slices.Sorted(maps.Keys(c.properties)) {
		say("the property %q = %q", key, c.properties[key])
	}
	if c.visibility != "" && c.visibility != visibilityAll {
		say("the visibility %q", c.visibility)
	}
	if c.status != nil {
		say("the status %q", *c.status)
	}
	if c.owner != nil {
		say("the owner %q", *c.owner)
	}
	if c.hidden {
		say("hidden = true")
	}
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return " with " + words[0]
	default:
		return " with " + strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

// searched says which kinds of images were looked at, and hints how to look at
// the others.
func (c *criteria) searched() string {
	var hints []string
	if !c.hidden {
		hints = append(hints, "hidden images (hidden = true)")
	}
	if c.visibility == "" {
		hints = append(hints, `community images of other projects (visibility = "community")`)
	}
	offered := c.visibility == "" || c.visibility == "shared" || c.visibility == visibilityAll
	if offered && (c.memberStatus == "" || c.memberStatus == memberStatusAccepted) {
		hints = append(hints, `images that are offered to this project and not accepted (member_status = "pending")`)
	}
	text := "Names, tags and values are compared to the letter."
	if len(hints) > 0 {
		text += " Not looked at are " + strings.Join(hints, "; ") + "."
	}
	return text
}
