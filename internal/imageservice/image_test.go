package imageservice

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func TestDecodeImageKeepsEveryMemberWhateverItsType(t *testing.T) {
	image, err := decodeImage([]byte(`{
		"id": "` + imageA + `", "name": null, "status": "active", "protected": "true", "min_ram": "0", "size": 12345678901234567890,
		"virtual_size": 1.5e3, "tags": ["b", "a/b", ""], "metadata": "text", "hidden": "x", "createdat": "", "created_at": "",
		"__data_origin": null, "__whole_image": true, "locations": [{"url": "x", "metadata": {}}], "a/b~c": "v", "": "empty", "owner_specified": {"b": 1, "a": 2}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := patch.Document{
		"/id": `"` + imageA + `"`, "/name": "null", "/status": `"active"`, "/protected": `"true"`, "/min_ram": `"0"`, "/size": "12345678901234567890",
		"/virtual_size": "1.5e3", "/tags/b": `"b"`, "/tags/a~1b": `"a/b"`, "/tags/": `""`, "/metadata": `"text"`, "/hidden": `"x"`, "/createdat": `""`, "/created_at": `""`,
		"/__data_origin": "null", "/__whole_image": "true", "/locations": `[{"metadata":{},"url":"x"}]`, "/a~1b~0c": `"v"`, "/": `"empty"`, "/owner_specified": `{"a":2,"b":1}`,
	}
	if got := image.Document(); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if image.ID != imageA {
		t.Errorf("id %q", image.ID)
	}
}

func TestDocumentBelongsToTheCaller(t *testing.T) {
	image, err := decodeImage([]byte(`{"id": "x"}`))
	if err != nil {
		t.Fatal(err)
	}
	image.Document()["/name"] = `"mine"`
	if got := image.Document(); len(got) != 1 {
		t.Errorf("a later document has %v", got)
	}
}

func TestTagsThatAreNoListOfStringsAreKeptAsOneValue(t *testing.T) {
	for _, tags := range []string{`null`, `"a"`, `{"a":"b"}`, `["a",1]`, `["a",null]`} {
		image, err := decodeImage([]byte(`{"id": "x", "tags": ` + tags + `}`))
		if err != nil {
			t.Fatalf("%s: %v", tags, err)
		}
		if got := image.Document(); string(got["/tags"]) != tags || len(got) != 2 {
			t.Errorf("%s: got %v", tags, got)
		}
	}
}

func TestDecodeImageRefusesWhatIsNoImage(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "page": "<html></html>", "list": "[]", "null": "null", "text": `"x"`, "broken off": `{"id": "x", "na`,
		"more after it": `{"id": "x"} {}`, "no id": `{"name": "x"}`, "empty id": `{"id": ""}`, "null id": `{"id": null}`, "id of another type": `{"id": 7}`,
	} {
		if image, err := decodeImage([]byte(body)); err == nil {
			t.Errorf("%s: got %v", name, image.Document())
		}
	}
}

func FuzzDecodeImage(f *testing.F) {
	for _, seed := range []string{
		`{"id":"x"}`,
		`{"id":"x","tags":["a","a/b~c",""],"name":null,"size":1e400,"locations":[{}]}`,
		`{"id":"x","id":"y","tags":[],"tags":["z"],"\u0000":"\ud800"}`,
		`{"id":"x","":"e","/":"s","~":"t","tags/a":"not a tag"}`,
		`{"id":["x"]}`, `{"ID":"x"}`, `[]`, "", "{\"id\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		image, err := decodeImage(body)
		if err != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("decoded what is no object: %v", err)
		}
		document := image.Document()
		for name := range members {
			if _, kept := document[patch.NewPointer(name)]; !kept && name != "tags" {
				t.Errorf("member %q was lost", name)
			}
		}
		for pointer, value := range document {
			if canonical, err := patch.ParseValue([]byte(value)); err != nil || canonical != value {
				t.Errorf("%s holds %q, which is not canonical (%v)", pointer, value, err)
			}
			key, top := pointer.Key()
			_, member := members[key]
			if _, tag := pointer.MemberOf(attribute.Tags); !tag && (!top || !member) {
				t.Errorf("%s comes from nowhere", pointer)
			}
		}
	})
}

func BenchmarkDecodeImage(b *testing.B) {
	members := map[string]any{"id": imageA, "tags": []string{"a", "b", "c"}, "min_disk": 10, "protected": false}
	for i := range 60 {
		members[fmt.Sprint("property_", i)] = "a value of the usual length"
	}
	body, err := json.Marshal(members)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeImage(body); err != nil {
			b.Fatal(err)
		}
	}
}
