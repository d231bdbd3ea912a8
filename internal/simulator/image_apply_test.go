package simulator

import (
	"fmt"
	"strings"
	"testing"
)

func TestOperationMatrix(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	type cell struct {
		status  int
		message string
		stored  any // the value of the target afterwards, nil for absent
	}
	for _, tc := range []struct {
		name   string
		target string
		op     string
		v21    cell
		v20    cell
	}{
		{"add of an absent property", "new", "add", cell{200, "", "v"}, cell{200, "", "v"}},
		{"add of a present property", "foo", "add", cell{200, "", "v"}, cell{409, "Property foo already present.", "bar"}},
		{"add of a core attribute", "name", "add", cell{200, "", "v"}, cell{409, "Property name already present.", "matrix"}},
		{"replace of an absent property", "nope", "replace", cell{409, "Property nope does not exist.", nil}, cell{409, "Property nope does not exist.", nil}},
		{"replace of a present property", "foo", "replace", cell{200, "", "v"}, cell{200, "", "v"}},
		{"replace of a core attribute", "name", "replace", cell{200, "", "v"}, cell{200, "", "v"}},
		{"remove of an absent property", "nope", "remove", cell{409, "Property nope does not exist.", nil}, cell{409, "Property nope does not exist.", nil}},
		{"remove of a present property", "foo", "remove", cell{200, "", nil}, cell{200, "", nil}},
		{"remove of a core attribute", "name", "remove", cell{403, "Property name may not be removed.", "matrix"}, cell{403, "Property name may not be removed.", "matrix"}},
	} {
		for _, form := range []string{"v2.1", "v2.0"} {
			t.Run(tc.name+" "+form, func(t *testing.T) {
				id := c.CreateImage(Image{Name: "matrix", Properties: map[string]string{"foo": "bar"}})
				want := tc.v21
				var got answer
				if form == "v2.1" {
					got = c.patch("demo", id, fmt.Sprintf(`[{"op":%q,"path":"/%s","value":"v"}]`, tc.op, tc.target))
				} else {
					want = tc.v20
					got = c.patchV20("demo", id, fmt.Sprintf(`[{%q:"/%s","value":"v"}]`, tc.op, tc.target))
				}
				expect(t, got, want.status, want.message)
				expectValue(t, c.Document(id), tc.target, want.stored)
				if got.status == 200 {
					expectValue(t, got.value, tc.target, want.stored)
				}
			})
		}
	}
}

func TestOperationsRunInOrderAndAreStoredTogether(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	for _, tc := range []struct {
		name, body string
		status     int
		stored     any // of foo
		message    string
	}{
		{"add then remove changes nothing", `[{"op":"add","path":"/new","value":"1"},{"op":"remove","path":"/new"}]`, 200, "bar", ""},
		{"the last of two adds wins", `[{"op":"add","path":"/foo","value":"1"},{"op":"add","path":"/foo","value":"2"}]`, 200, "2", ""},
		{"remove then add is an upsert", `[{"op":"remove","path":"/foo"},{"op":"add","path":"/foo","value":"2"}]`, 200, "2", ""},
		{"a later conflict undoes all", `[{"op":"replace","path":"/foo","value":"1"},{"op":"remove","path":"/foo"},{"op":"replace","path":"/foo","value":"2"}]`,
			409, "bar", "Property foo does not exist."},
		{"a later refusal undoes all", `[{"op":"replace","path":"/foo","value":"1"},{"op":"remove","path":"/tags"}]`, 403, "bar", "Property tags may not be removed."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := c.CreateImage(Image{Properties: map[string]string{"foo": "bar"}})
			expect(t, c.patch("demo", id, tc.body), tc.status, tc.message)
			expectValue(t, c.Document(id), "foo", tc.stored)
			expectValue(t, c.Document(id), "new", nil)
		})
	}
}

func TestOlderDialectUpsertsByRemoveAndAdd(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{Properties: map[string]string{"foo": "bar"}})
	expect(t, c.patchV20("demo", id, `[{"remove":"/foo"},{"add":"/foo","value":"new"}]`), 200, "")
	expectValue(t, c.Document(id), "foo", "new")
}

func TestCollidingNames(t *testing.T) {
	plain := newTestCloud(t, Options{Empty: true})
	protected := newTestCloud(t, Options{Empty: true, Protections: []PropertyProtection{
		{Pattern: ".*", Create: []string{"@"}, Read: []string{"@"}, Update: []string{"@"}, Delete: []string{"@"}}}})
	const server = "The server has either erred"
	type outcome struct {
		status  int
		message string
		stored  bool
	}
	for _, tc := range []struct {
		name            string
		plain, guarded  outcome
		removal         int
		removalGuarded  int
		olderAddGuarded int
	}{
		{"helper", outcome{200, "", false}, outcome{200, "", false}, 403, 403, 409},
		{"context", outcome{200, "", false}, outcome{200, "", false}, 403, 403, 409},
		{"get_data", outcome{200, "", false}, outcome{200, "", false}, 403, 403, 409},
		{"member", outcome{200, "", false}, outcome{200, "", false}, 403, 403, 409},
		{"__init__", outcome{200, "", false}, outcome{200, "", false}, 403, 403, 409},
		{"notifier", outcome{200, "", false}, outcome{200, "", true}, 403, 200, 409},
		{"_format_image_send", outcome{200, "", false}, outcome{200, "", true}, 403, 200, 409},
		{"__abstractmethods__", outcome{200, "", false}, outcome{200, "", true}, 403, 200, 409},
		{"image", outcome{200, "", true}, outcome{200, "", false}, 200, 403, 409},
		{"property_rules", outcome{200, "", true}, outcome{200, "", false}, 200, 403, 409},
		{"metadata", outcome{200, "", true}, outcome{200, "", true}, 200, 200, 409},
		{"db_api", outcome{200, "", true}, outcome{200, "", true}, 200, 200, 409},
		{"__name__", outcome{200, "", true}, outcome{200, "", true}, 200, 200, 409},
		{"base", outcome{500, server, false}, outcome{500, server, false}, 403, 403, 409},
		{"extra_properties", outcome{500, server, false}, outcome{500, server, false}, 403, 403, 409},
		{"__class__", outcome{500, server, false}, outcome{500, server, false}, 403, 403, 409},
		{"__dict__", outcome{500, server, false}, outcome{500, server, false}, 403, 403, 409},
		{"image_id", outcome{404, "No image found with ID v", false}, outcome{404, "No image found with ID v", false}, 403, 403, 409},
	} {
		for _, side := range []struct {
			name    string
			cloud   *testCloud
			want    outcome
			removal int
		}{{"without protections", plain, tc.plain, tc.removal}, {"with protections", protected, tc.guarded, tc.removalGuarded}} {
			t.Run(tc.name+" "+side.name, func(t *testing.T) {
				id := side.cloud.CreateImage(Image{})
				got := side.cloud.patch("demo", id, `[{"op":"add","path":"/kept","value":"1"},{"op":"add","path":"/`+tc.name+`","value":"v"}]`)
				expect(t, got, side.want.status, side.want.message)
				doc := side.cloud.Document(id)
				var want, kept any
				if side.want.stored {
					want = "v"
				}
				if side.want.status == 200 {
					kept = "1"
				}
				expectValue(t, doc, tc.name, want)
				expectValue(t, doc, "kept", kept)
				expect(t, side.cloud.patchV20("demo", id, `[{"add":"/`+tc.name+`","value":"v"}]`), 409, "Property "+tc.name+" already present.")
				expect(t, side.cloud.patch("demo", id, `[{"op":"remove","path":"/`+tc.name+`"}]`), side.removal, "")
			})
		}
	}
}

func TestPatchOfTheObjectBehindTheImage(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	for _, tc := range []struct {
		name, user, body string
		status           int
		message          string
	}{
		{"own id is no change", "demo", `[{"op":"add","path":"/image_id","value":"$OWN"},{"op":"add","path":"/a","value":"1"}]`, 200, ""},
		{"id of another image", "demo", `[{"op":"add","path":"/image_id","value":"$OTHER"}]`, 404, "No location found with ID 1 from image $OTHER"},
		{"empty id", "demo", `[{"op":"add","path":"/image_id","value":""}]`, 404, "No location found with ID 1 from image"},
		{"long id", "demo", `[{"op":"add","path":"/image_id","value":"` + strings.Repeat("x", 40) + `"}]`, 404, "Image with the given id %(image_id)s was not found"},
		{"text for the properties finds names within it", "demo", `[{"op":"add","path":"/extra_properties","value":"xfoox"},{"op":"replace","path":"/foo","value":"1"}]`, 500, ""},
		{"text for the properties lacks other names", "demo", `[{"op":"add","path":"/extra_properties","value":"xfoox"},{"op":"replace","path":"/nope","value":"1"}]`,
			409, "Property nope does not exist."},
		{"detached: owner is refused as ever", "demo", `[{"op":"add","path":"/base","value":"x"},{"op":"replace","path":"/owner","value":"1"}]`, 403, "Owner can't be updated by non admin."},
		{"detached: publication is refused as ever", "demo", `[{"op":"add","path":"/base","value":"x"},{"op":"replace","path":"/visibility","value":"public"}]`,
			403, "You are not authorized to complete publicize_image action."},
		{"detached: anything else fails", "demo", `[{"op":"add","path":"/base","value":"x"},{"op":"replace","path":"/name","value":"1"}]`, 500, ""},
		{"detached: an administrator may not remove what is left", "admin", `[{"op":"add","path":"/base","value":"x"},{"op":"remove","path":"/base"}]`, 403, "Property base may not be removed."},
		{"detached: an administrator finds no property", "admin", `[{"op":"add","path":"/base","value":"x"},{"op":"remove","path":"/name"}]`, 500, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, other := c.CreateImage(Image{Properties: map[string]string{"foo": "bar"}}), c.CreateImage(Image{Name: "other"})
			ids := strings.NewReplacer("$OWN", id, "$OTHER", other)
			expect(t, c.patch(tc.user, id, ids.Replace(tc.body)), tc.status, ids.Replace(tc.message))
			expectValue(t, c.Document(other), "name", "other")
		})
	}
}

func TestEmptyPatchIsNoWriteAndNeedsNoRight(t *testing.T) {
	time := newManualTime()
	c := newTestCloud(t, Options{Empty: true, Clock: time.now})
	id := c.CreateImage(Image{Visibility: "public"})
	before := c.Document(id)["updated_at"]
	c.Advance(5e9)
	expect(t, c.patch("other", id, `[]`), 200, "")
	if after := c.Document(id)["updated_at"]; after != before {
		t.Errorf("updated_at went from %v to %v", before, after)
	}
	expect(t, c.patch("demo", id, `[{"op":"add","path":"/name","value":""}]`), 200, "")
	if after := c.Document(id)["updated_at"]; after == before {
		t.Error("a patch that changes no value did not move updated_at")
	}
}

func TestNumbersEchoTheirSpelling(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	got := c.patch("demo", id, `[{"op":"replace","path":"/min_ram","value":128.0}]`)
	expectValue(t, got.value, "min_ram", "128.0")
	expectValue(t, c.Document(id), "min_ram", "128")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/min_ram","value":-1}]`), 400, "Invalid value '-1' for parameter 'min_ram': Cannot be a negative value")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/min_disk","value":-1e30}]`), 400, "Invalid value '-1e+30' for parameter 'min_disk'")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/min_ram","value":2147483648},{"op":"replace","path":"/min_disk","value":1e30}]`), 400,
		"'min_disk' value out of range, must not exceed 2147483647.")
	expectValue(t, c.Document(id), "min_ram", "128")
}

func TestCharactersOfFourBytesAreRefused(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	for body, message := range map[string]string{
		`[{"op":"add","path":"/hw_emo","value":"😀"}]`:                                                    "Hw_Emo can't contain 4 byte unicode characters.",
		`[{"op":"add","path":"/😀","value":"x"}]`:                                                         "Property names can't contain 4 byte unicode.",
		`[{"op":"replace","path":"/name","value":"😀"},{"op":"add","path":"/x","value":"😀"}]`:             "Name can't contain 4 byte unicode characters.",
		`[{"op":"add","path":"/image_id","value":"😀"}]`:                                                  "Id can't contain 4 byte unicode characters.",
		`[{"op":"add","path":"/kept","value":"1"},{"op":"add","path":"/hw_emo","value":"\ud83d\ude00"}]`: "Hw_Emo can't contain",
	} {
		id := c.CreateImage(Image{})
		expect(t, c.patch("demo", id, body), 400, message)
		expectValue(t, c.Document(id), "kept", nil)
	}
	id := c.CreateImage(Image{})
	expect(t, c.patch("demo", id, `[{"op":"add","path":"/ä","value":"日本\u0000"}]`), 200, "")
	expectValue(t, c.Document(id), "ä", "日本\x00")
	expect(t, c.patch("demo", id, `[{"op":"add","path":"/x","value":"\ud800"}]`), 500, "")
	expectValue(t, c.Document(id), "x", nil)
}

func TestFailedTagLeavesTheRestOfThePatchStored(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{Name: "old", Tags: []string{"first"}})
	got := c.patch("demo", id, `[{"op":"replace","path":"/tags","value":["a","b","c","d","e😀","f","g"]},{"op":"add","path":"/kept","value":"1"},{"op":"replace","path":"/name","value":"new"}]`)
	expect(t, got, 400, "Param values can't contain 4 byte unicode.")
	doc := c.Document(id)
	expectValue(t, doc, "kept", "1")
	expectValue(t, doc, "name", "new")
	tags := tagsOf(doc)
	if !strings.Contains(tags, "first") || strings.Contains(tags, "😀") || len(doc["tags"].([]any)) == 7 {
		t.Errorf("tags are %s, want the old one and some of the new", tags)
	}
}

func TestTagsAreASet(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{Tags: []string{"old"}})
	expect(t, c.patch("demo", id, `[{"op":"add","path":"/tags","value":["b","a","b",""," "]}]`), 200, "")
	if got := tagsOf(c.Document(id)); got != ", ,a,b" {
		t.Errorf("tags are %q", got)
	}
	expect(t, c.patchV20("demo", id, `[{"add":"/tags","value":["x"]}]`), 409, "Property tags already present.")
	expect(t, c.patchV20("demo", id, `[{"replace":"/tags","value":[]}]`), 200, "")
	if got := tagsOf(c.Document(id)); got != "" {
		t.Errorf("tags are %q", got)
	}
}

func TestFormatsAreSettableOnlyWithoutData(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	queued, active := c.CreateImage(Image{Status: "queued"}), c.CreateImage(Image{})
	expect(t, c.patch("demo", queued, `[{"op":"replace","path":"/disk_format","value":"qcow2"},{"op":"replace","path":"/container_format","value":null}]`), 200, "")
	expectValue(t, c.Document(queued), "disk_format", "qcow2")
	expect(t, c.patch("demo", active, `[{"op":"replace","path":"/disk_format","value":"raw"}]`), 403, "Attribute disk_format can be only replaced for a queued image.")
	expect(t, c.patch("demo", active, `[{"op":"add","path":"/container_format","value":"bare"}]`), 403, "Attribute container_format can be only replaced for a queued image.")
}

func TestLocationsAreRefused(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	const location = `{"url":"file:///x","metadata":{}}`
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/locations","value":[]}]`), 403, "Cannot set locations to empty list.")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/locations","value":[`+location+`]}]`), 403, "It's not allowed to update locations if locations are invisible.")
	expect(t, c.patch("demo", id, `[{"op":"add","path":"/locations/-","value":`+location+`}]`), 403, "It's not allowed to add locations if locations are invisible.")
	expect(t, c.patch("demo", id, `[{"op":"remove","path":"/locations/0"}]`), 403, "It's not allowed to remove locations if locations are invisible.")
}

func TestStoresIsAShadowProperty(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	queued, active := c.CreateImage(Image{Status: "queued"}), c.CreateImage(Image{})
	for _, id := range []string{queued, active} {
		expect(t, c.patch("demo", id, `[{"op":"replace","path":"/stores","value":"x"}]`), 409, "Property stores does not exist.")
		expect(t, c.patch("demo", id, `[{"op":"add","path":"/stores","value":"x"}]`), 200, "")
	}
	expectValue(t, c.Document(queued), "stores", "x")
	expectValue(t, c.Document(active), "stores", "fs")
	expect(t, c.patch("demo", active, `[{"op":"remove","path":"/stores"}]`), 200, "")
}

func TestNullOfTheStockProperties(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true})
	id := c.CreateImage(Image{})
	got := c.patch("demo", id, `[{"op":"add","path":"/kernel_id","value":null}]`)
	if value, ok := got.value["kernel_id"]; got.status != 200 || !ok || value != nil {
		t.Errorf("got %d, kernel_id %v present %t", got.status, value, ok)
	}
	if value, ok := c.get("demo", id).value["kernel_id"]; !ok || value != nil {
		t.Errorf("kernel_id is %v, present %t", value, ok)
	}
}

func TestQuotas(t *testing.T) {
	c := newTestCloud(t, Options{Empty: true, PropertyQuota: 4, TagQuota: 3})
	full := Image{Properties: map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}, Tags: []string{"x"}}
	const (
		properties = "The limit has been exceeded on the number of allowed image properties. Attempted: %d, Maximum: 4"
		tags       = "The limit has been exceeded on the number of allowed image tags. Attempted: %d, Maximum: 3"
	)
	for _, tc := range []struct {
		name, body string
		status     int
		message    string
	}{
		{"one more", `[{"op":"add","path":"/e","value":"5"}]`, 413, fmt.Sprintf(properties, 5)},
		{"one in, one out", `[{"op":"add","path":"/e","value":"5"},{"op":"remove","path":"/a"}]`, 200, ""},
		{"change of a present one", `[{"op":"add","path":"/a","value":"5"}]`, 200, ""},
		{"quota before characters", `[{"op":"add","path":"/e","value":"😀"}]`, 413, fmt.Sprintf(properties, 5)},
		{"repeated tags count", `[{"op":"replace","path":"/tags","value":["x","x","x","x"]}]`, 413, fmt.Sprintf(tags, 4)},
		{"as many tags as allowed", `[{"op":"replace","path":"/tags","value":["x","y","z"]}]`, 200, ""},
		{"tag quota before later conflicts", `[{"op":"replace","path":"/tags","value":["x","y","z","w"]},{"op":"replace","path":"/nope","value":"1"}]`, 413, fmt.Sprintf(tags, 4)},
		{"nothing of a refused patch stays", `[{"op":"replace","path":"/a","value":"9"},{"op":"replace","path":"/tags","value":["x","y","z","w"]}]`, 413, fmt.Sprintf(tags, 4)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id := c.CreateImage(full)
			expect(t, c.patch("demo", id, tc.body), tc.status, tc.message)
			if tc.status != 200 {
				expectValue(t, c.Document(id), "a", "1")
			}
		})
	}
	over := full
	over.Properties = map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6"}
	id := c.CreateImage(over)
	expect(t, c.patch("demo", id, `[{"op":"remove","path":"/f"}]`), 200, "")
	expect(t, c.patch("demo", id, `[{"op":"replace","path":"/a","value":"2"}]`), 200, "")
	unlimited := newTestCloud(t, Options{Empty: true, PropertyQuota: -1, TagQuota: -1})
	many := unlimited.CreateImage(over)
	expect(t, unlimited.patch("demo", many, `[{"op":"add","path":"/g","value":"1"}]`), 200, "")
}

func TestDatabaseAssumption(t *testing.T) {
	const id300 = 300
	for value, status := range map[string]int{"sqlite": 200, "mysql": 500} {
		c := newTestCloud(t, Options{Empty: true, Assumptions: map[string]string{"database": value}})
		for name, body := range map[string]string{
			"long name":               `[{"op":"add","path":"/` + strings.Repeat("k", id300) + `","value":"v"}]`,
			"long value":              `[{"op":"add","path":"/k","value":"` + strings.Repeat("v", 70_000) + `"}]`,
			"names equal but in case": `[{"op":"add","path":"/Key","value":"v"},{"op":"add","path":"/key","value":"v"}]`,
		} {
			id := c.CreateImage(Image{})
			if got := c.patch("demo", id, body); got.status != status {
				t.Errorf("%s on %s gives %d", name, value, got.status)
			}
		}
	}
}
