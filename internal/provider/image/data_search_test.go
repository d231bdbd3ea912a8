package image

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func pointerTo(s string) *string { return &s }

func TestQueryAsksForWhatTheImageServiceTakesLiterally(t *testing.T) {
	for name, tc := range map[string]struct {
		criteria criteria
		want     string
	}{
		"nothing":             {criteria{}, ""},
		"a name":              {criteria{name: pointerTo(`it's "a", b; 100% + c&d=e\f`)}, "name=it%27s+%22a%22%2C+b%3B+100%25+%2B+c%26d%3De%5Cf"},
		"an operator":         {criteria{name: pointerTo("in:a,b")}, ""},
		"a colon":             {criteria{name: pointerTo("2026-01-01T00:00:00Z")}, ""},
		"an empty name":       {criteria{name: pointerTo("")}, ""},
		"blanks around":       {criteria{name: pointerTo(" a"), tags: []string{"b "}}, ""},
		"beyond ASCII":        {criteria{name: pointerTo("übung"), tags: []string{"ü"}}, ""},
		"a control character": {criteria{name: pointerTo("a\nb"), tags: []string{"a\tb"}}, ""},
		"a long text":         {criteria{name: pointerTo(strings.Repeat("a", 129))}, ""},
		"tags":                {criteria{tags: []string{"a", "in:b", "c/d"}}, "tag=a&tag=c%2Fd"},
		"a visibility":        {criteria{visibility: "all", memberStatus: "pending"}, "member_status=pending&visibility=all"},
		"hidden":              {criteria{hidden: true}, "os_hidden=true"},
		"status and owner":    {criteria{status: pointerTo("active"), owner: pointerTo("p1")}, "owner=p1&status=active"},
		"a regular expression": {criteria{nameRegex: regexp.MustCompile("^a")},
			""},
		"properties": {criteria{properties: map[string]string{"os_distro": "ubuntu", "hw_cdrom_bus": "a b", "os_version": "24:04", "os_type": ""}}, "hw_cdrom_bus=a+b&os_distro=ubuntu"},
		"more properties than a database joins": {criteria{tags: []string{"t"}, properties: map[string]string{
			"p_a": "", "p_b": "1", "p_c": "1", "p_d": "1", "p_e": "1", "p_f": "1", "p_g": "1", "p_h": "1", "p_i": "1", "p_j": "1", "p_k": "1", "p_l": "1"}},
			"p_b=1&p_c=1&p_d=1&p_e=1&p_f=1&p_g=1&p_h=1&p_i=1&p_j=1&tag=t"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.criteria.query().Encode(); got != tc.want {
				t.Errorf("the query is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPropertiesWithAnotherMeaningInAListAreNotSent(t *testing.T) {
	for _, key := range []string{
		"limit", "marker", "sort", "sort_key", "sort_dir", "tag", "tags", "member_status", "changes-since", "deleted", "deleted_at", "properties",
		"locations", "members", "is_public", "metadata", "registry", "get", "keys", "values", "to_dict", "created_at", "updated_at", "size_min", "os_size_max",
		"os_hidden", "min_ram", "virtual_size", "disk_format", "_sa_registry", "__class__", "__os_bit", "hidden", "", "a_", "_a", "A_b", "a b_c", "a/b_c", "ü_a",
	} {
		c := criteria{properties: map[string]string{key: "v"}}
		if got := c.query().Encode(); got != "" {
			t.Errorf("of the property %q %q is sent", key, got)
		}
	}
}

// document makes a document of members in JSON; tags are given by name.
func document(t *testing.T, tags []string, members map[string]string) patch.Document {
	t.Helper()
	d := patch.Document{}
	for key, raw := range members {
		value, err := patch.ParseValue([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		d[patch.NewPointer(key)] = value
	}
	for _, tag := range tags {
		d[patch.NewPointer("tags", tag)] = patch.StringValue(tag)
	}
	return d
}

func TestEveryImageIsCheckedWhateverTheServiceFiltered(t *testing.T) {
	const project = "p1"
	image := document(t, []string{"golden", "a/b", ""}, map[string]string{
		"id": `"i1"`, "name": `"Ubuntu"`, "status": `"active"`, "visibility": `"private"`, "owner": `"p1"`, "os_hidden": "false", "os_distro": `"ubuntu"`, "empty": `""`, "none": "null", "hidden": `"true"`,
	})
	unnamed := document(t, nil, map[string]string{"id": `"i2"`, "name": "null", "visibility": `"community"`, "owner": `"p2"`, "os_hidden": `"True"`})
	for name, tc := range map[string]struct {
		criteria criteria
		image    patch.Document
		want     bool
	}{
		"the name":                      {criteria{name: pointerTo("Ubuntu")}, image, true},
		"a name in other letters":       {criteria{name: pointerTo("ubuntu")}, image, false},
		"a part of the name":            {criteria{name: pointerTo("Ubunt")}, image, false},
		"an expression for a part":      {criteria{nameRegex: regexp.MustCompile("bun")}, image, true},
		"an expression for another":     {criteria{nameRegex: regexp.MustCompile("^bun")}, image, false},
		"name and expression":           {criteria{name: pointerTo("Ubuntu"), nameRegex: regexp.MustCompile("x")}, image, false},
		"all tags":                      {criteria{tags: []string{"", "a/b", "golden"}}, image, true},
		"a tag too many":                {criteria{tags: []string{"golden", "silver"}}, image, false},
		"the properties":                {criteria{properties: map[string]string{"os_distro": "ubuntu", "empty": ""}}, image, true},
		"another value":                 {criteria{properties: map[string]string{"os_distro": "Ubuntu"}}, image, false},
		"a null value":                  {criteria{properties: map[string]string{"none": ""}}, image, false},
		"an absent property":            {criteria{properties: map[string]string{"absent": ""}}, image, false},
		"the status":                    {criteria{status: pointerTo("active")}, image, true},
		"another status":                {criteria{status: pointerTo("queued")}, image, false},
		"the owner":                     {criteria{owner: pointerTo("p1")}, image, true},
		"another owner":                 {criteria{owner: pointerTo("p")}, image, false},
		"the visibility":                {criteria{visibility: "private"}, image, true},
		"another visibility":            {criteria{visibility: "public"}, image, false},
		"hidden, and it is not":         {criteria{hidden: true}, image, false},
		"a community image":             {criteria{visibility: "community", hidden: true}, unnamed, true},
		"all visibilities":              {criteria{visibility: "all", hidden: true}, unnamed, true},
		"a community image by default":  {criteria{hidden: true}, unnamed, false},
		"a hidden image by default":     {criteria{visibility: "all"}, unnamed, false},
		"an expression for any name":    {criteria{visibility: "all", hidden: true, nameRegex: regexp.MustCompile("")}, unnamed, false},
		"the empty name is none at all": {criteria{visibility: "all", hidden: true, name: pointerTo("")}, unnamed, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.criteria.matches(tc.image, project); got != tc.want {
				t.Errorf("matches is %v, want %v", got, tc.want)
			}
		})
	}
	own := document(t, nil, map[string]string{"visibility": `"community"`, "owner": `"p1"`})
	if !(&criteria{}).matches(own, project) {
		t.Error("a community image of the project itself does not match by default")
	}
}

func TestNewestFirstIsStable(t *testing.T) {
	images := []patch.Document{}
	for id, created := range map[string]string{
		"c": `"2026-01-01T00:00:00Z"`, "a": `"2026-01-01T01:00:00+01:00"`, "b": `"2026-01-01T00:00:00"`, "old": `"2025-12-31T23:59:59Z"`,
		"new": `"2026-01-01T00:00:01Z"`, "x-broken": `"yesterday"`, "x-null": "null",
	} {
		images = append(images, document(t, nil, map[string]string{"id": fmt.Sprintf("%q", id), "created_at": created}))
	}
	newestFirst(images)
	var ids []string
	for _, d := range images {
		id, _ := fieldOf(d, "id")
		ids = append(ids, id)
	}
	if want := []string{"new", "a", "b", "c", "old", "x-broken", "x-null"}; !slices.Equal(ids, want) {
		t.Errorf("the order is %v, want %v", ids, want)
	}
}

func TestResultTakesAnyJSON(t *testing.T) {
	text := func(s string) tftypes.Value { return tftypes.NewValue(tftypes.String, s) }
	number := func(n int64) tftypes.Value { return tftypes.NewValue(tftypes.Number, n) }
	noText, noNumber, noBool := tftypes.NewValue(tftypes.String, nil), tftypes.NewValue(tftypes.Number, nil), tftypes.NewValue(tftypes.Bool, nil)
	result := resultOf(document(t, []string{"b", "a"}, map[string]string{
		"id": `"i"`, "name": "7", "status": "true", "owner": "null", "visibility": `{"a":1}`, "checksum": "[1]",
		"protected": `"True"`, "os_hidden": `"perhaps"`, "min_disk": `"40"`, "min_ram": "512.0", "size": "9223372036854775807", "virtual_size": "1.5",
		"null": "null", "number": "1.50", "bool": "true", "list": `["a", 1]`, "object": `{"b": 1, "a": "<"}`, "hidden": `"yes"`, "": `"empty"`, "a/b~c": `"odd"`, "tags/golden": `"no tag"`,
	}))
	for name, want := range map[string]tftypes.Value{
		"id": text("i"), "name": text("7"), "status": text("true"), "owner": noText, "visibility": noText, "checksum": noText, "file": noText,
		"protected": tftypes.NewValue(tftypes.Bool, true), "hidden": noBool, "min_disk": number(40), "min_ram": number(512), "size": number(9223372036854775807), "virtual_size": noNumber,
		"tags": stringSet([]string{"a", "b"}),
		"properties": tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{
			"null": noText, "number": text("1.50"), "bool": text("true"), "list": text(`["a",1]`), "object": text(`{"a":"<","b":1}`), "hidden": text("yes"),
			"": text("empty"), "a/b~c": text("odd"), "tags/golden": text("no tag"),
		}),
	} {
		if !result[name].Equal(want) {
			t.Errorf("%s is %s, want %s", name, result[name], want)
		}
	}
	if result := resultOf(document(t, nil, map[string]string{"id": `"i"`, "tags": "[null]"})); !result[attrTags].Equal(stringSet(nil)) {
		t.Errorf("tags are %s, want none", result[attrTags])
	}
}

func TestSchemaAndResultHaveTheSameAttributes(t *testing.T) {
	result, attributes := resultOf(patch.Document{}), resultAttributes()
	for name := range attributes {
		if _, ok := result[name]; !ok {
			t.Errorf("no result has the attribute %s", name)
		}
	}
	if len(result) != len(attributes) {
		t.Errorf("%d results, %d attributes", len(result), len(attributes))
	}
}
