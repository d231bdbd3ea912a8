package patch_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/wI2L/jsondiff"
	"pgregory.net/rapid"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

const tags = patch.Pointer("/tags")

// The alphabets are small on purpose: the laws are about keys that meet.
var (
	keys = rapid.Custom(func(t *rapid.T) string {
		return rapid.OneOf(
			rapid.SampledFrom([]string{"name", "os_distro", "a/b", "a~b", "~1", "~0", "é", "hw_firmware_type", "0", "-", "tagsx", "a b", "<&>", "a\u2028b"}),
			rapid.StringN(1, 4, 12).Filter(func(s string) bool { return patch.CheckImageKey(s) == nil && s != "tags" }),
		).Draw(t, "key")
	})
	members = rapid.SampledFrom([]string{"golden", "linux", "a/b", "~", "", " blank ", "é", "<b>"})
	values  = rapid.Custom(func(t *rapid.T) patch.Value {
		return rapid.OneOf(
			rapid.Map(rapid.SampledFrom([]string{"", "bios", "uefi", "true", "a\nb", "é", "<&>", "\u2028", "\""}), patch.StringValue),
			rapid.Map(rapid.String(), patch.StringValue),
			rapid.Map(rapid.Int64Range(-3, 3), patch.IntValue),
			rapid.Map(rapid.Bool(), patch.BoolValue),
			rapid.Just(patch.Null),
			rapid.Just(patch.Value(`{"a":[1,"x"],"b":{}}`)),
		).Draw(t, "value")
	})
	documents = rapid.Custom(func(t *rapid.T) patch.Document {
		d := patch.Document{}
		for key, value := range rapid.MapOfN(keys, values, 0, 6).Draw(t, "top") {
			d[patch.NewPointer(key)] = value
		}
		for _, member := range rapid.SliceOfNDistinct(members, 0, 4, rapid.ID).Draw(t, "tags") {
			d[tags.Member(member)] = patch.StringValue(member)
		}
		return d
	})
)

// wants draws a partial want that meets the document: keys of it and others,
// with the same and other values, and absences.
func wants(t *rapid.T, d patch.Document) patch.Want {
	w := patch.Want{}
	for p, value := range documents.Draw(t, "wanted") {
		w[p] = value
	}
	for _, p := range slices.Sorted(maps.Keys(d)) {
		switch rapid.IntRange(0, 3).Draw(t, "choice") {
		case 0:
			w[p] = patch.Absent
		case 1:
			w[p] = d[p]
		}
	}
	if rapid.Bool().Draw(t, "absent") {
		w[patch.NewPointer(keys.Draw(t, "absentKey"))] = patch.Absent
	}
	return w
}

func property(t *testing.T, law func(t *rapid.T, have patch.Document, want patch.Want, diff patch.Patch)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		have := documents.Draw(t, "have")
		want := wants(t, have)
		law(t, have, want, patch.Diff(have, want, nil))
	})
}

func TestDiffReachesWhatIsWanted(t *testing.T) {
	property(t, func(t *rapid.T, have patch.Document, want patch.Want, diff patch.Patch) {
		after := diff.Apply(have)
		for p, value := range want {
			if after[p] != value {
				t.Fatalf("%s is %q, want %q", p, after[p], value)
			}
		}
	})
}

func TestDiffLeavesOthersAlone(t *testing.T) {
	property(t, func(t *rapid.T, have patch.Document, want patch.Want, diff patch.Patch) {
		after := diff.Apply(have)
		for p := range after {
			if _, owned := want[p]; !owned && after[p] != have[p] {
				t.Fatalf("%s changed from %q to %q", p, have[p], after[p])
			}
		}
		for p := range have {
			if _, owned := want[p]; !owned && after[p] == patch.Absent {
				t.Fatalf("%s was removed", p)
			}
		}
	})
}

func TestDiffOfAPartIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := documents.Draw(t, "have")
		part := patch.Want{}
		for _, p := range slices.Sorted(maps.Keys(have)) {
			if rapid.Bool().Draw(t, "in") {
				part[p] = have[p]
			}
		}
		if diff := patch.Diff(have, part, nil); len(diff) != 0 {
			t.Fatalf("%v", diff)
		}
	})
}

func TestInverseUndoes(t *testing.T) {
	property(t, func(t *rapid.T, have patch.Document, _ patch.Want, diff patch.Patch) {
		if back := diff.Inverse().Apply(diff.Apply(have)); !maps.Equal(back, have) {
			t.Fatalf("got %v, want %v", back, have)
		}
	})
}

func TestEncodingKeepsTheMeaning(t *testing.T) {
	for name, dialect := range map[string]patch.Dialect{"RFC 6902": patch.RFC6902, "v2.1": patch.ImagesV21, "v2.0": patch.ImagesV20} {
		t.Run(name, func(t *testing.T) {
			property(t, func(t *rapid.T, have patch.Document, _ patch.Want, diff patch.Patch) {
				raw, err := dialect.Encode(diff, have, tags)
				if err != nil {
					t.Fatal(err)
				}
				decoded, err := dialect.Decode(raw, have, tags)
				if err != nil {
					t.Fatalf("%s: %v", raw, err)
				}
				if got, want := decoded.Apply(have), diff.Apply(have); !maps.Equal(got, want) {
					t.Fatalf("%s gives %v, want %v", raw, got, want)
				}
				if again, _ := dialect.Encode(decoded, have, tags); string(again) != string(raw) {
					t.Fatalf("%s encodes again as %s", raw, again)
				}
			})
		})
	}
}

func TestRebaseOnTheSameDocumentChangesNothing(t *testing.T) {
	property(t, func(t *rapid.T, have patch.Document, _ patch.Want, diff patch.Patch) {
		if rebased := diff.Rebase(have, nil); !slices.Equal(rebased, diff) {
			t.Fatalf("got %v, want %v", rebased, diff)
		}
	})
}

func TestRebaseIsIdempotentAndReachesTheSame(t *testing.T) {
	property(t, func(t *rapid.T, _ patch.Document, want patch.Want, diff patch.Patch) {
		other := documents.Draw(t, "other")
		rebased := diff.Rebase(other, nil)
		if again := rebased.Rebase(other, nil); !slices.Equal(again, rebased) {
			t.Fatalf("got %v, want %v", again, rebased)
		}
		after := rebased.Apply(other)
		for _, o := range diff {
			if after[o.Path] != want[o.Path] {
				t.Fatalf("%s is %q, want %q", o.Path, after[o.Path], want[o.Path])
			}
		}
		for _, o := range rebased {
			if o.Old != other[o.Path] {
				t.Fatalf("%s expects %q, the document has %q", o.Path, o.Old, other[o.Path])
			}
		}
	})
}

func TestCheckOfAFreshDiffIsEmpty(t *testing.T) {
	property(t, func(t *rapid.T, have patch.Document, want patch.Want, _ patch.Patch) {
		if conflicts := patch.Expect(have, want).Check(have, nil); len(conflicts) != 0 {
			t.Fatalf("%v", conflicts)
		}
	})
}

func TestCheckNamesExactlyTheThirdValues(t *testing.T) {
	property(t, func(t *rapid.T, have patch.Document, want patch.Want, _ patch.Patch) {
		now := documents.Draw(t, "now")
		var expected []patch.Pointer
		for _, p := range slices.Sorted(maps.Keys(want)) {
			if now[p] != have[p] && now[p] != want[p] {
				expected = append(expected, p)
			}
		}
		var got []patch.Pointer
		for _, c := range patch.Expect(have, want).Check(now, nil) {
			if c.Expected != have[c.Path] || c.Found != now[c.Path] || c.Wanted != want[c.Path] {
				t.Fatalf("%+v", c)
			}
			got = append(got, c.Path)
		}
		if !slices.Equal(got, expected) {
			t.Fatalf("got %v, want %v", got, expected)
		}
	})
}

// jsonOf writes a document without sets as the JSON object that it stands for.
func jsonOf(t *rapid.T, d patch.Document) []byte {
	object := map[string]patch.Value{}
	for p, value := range d {
		key, ok := p.Key()
		if !ok {
			t.Fatalf("not a top-level pointer: %s", p)
		}
		object[key] = value
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestOraclesAgree(t *testing.T) {
	top := rapid.Custom(func(t *rapid.T) patch.Document {
		return patch.Patch(nil).Apply(documents.Draw(t, "document"))
	})
	rapid.Check(t, func(t *rapid.T) {
		have, to := withoutTags(top.Draw(t, "have")), withoutTags(top.Draw(t, "to"))
		want := patch.Want{}
		for p := range have {
			want[p] = patch.Absent
		}
		maps.Copy(want, to)
		raw, err := patch.RFC6902.Encode(patch.Diff(have, want, nil), have)
		if err != nil {
			t.Fatal(err)
		}
		// A second implementation applies our patch.
		applied := raw2doc(t, applyOracle(t, raw, jsonOf(t, have)))
		if !maps.Equal(applied, to) {
			t.Fatalf("%s on %s gives %v, want %v", raw, jsonOf(t, have), applied, to)
		}
		// A third one computes the difference, and we read and apply that.
		theirs, err := jsondiff.CompareJSON(jsonOf(t, have), jsonOf(t, to))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range theirs {
			if strings.Count(o.Path, "/") > 1 {
				return // It went inside a value, where this engine replaces it whole.
			}
		}
		theirRaw, err := json.Marshal(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if len(theirs) == 0 {
			theirRaw = []byte("[]")
		}
		decoded, err := patch.RFC6902.Decode(theirRaw, have)
		if err != nil {
			t.Fatalf("%s: %v", theirRaw, err)
		}
		if got := decoded.Apply(have); !maps.Equal(got, to) {
			t.Fatalf("%s gives %v, want %v", theirRaw, got, to)
		}
	})
}

func applyOracle(t *rapid.T, raw, document []byte) []byte {
	decoded, err := jsonpatch.DecodePatch(raw)
	if err != nil {
		t.Fatal(err)
	}
	after, err := decoded.Apply(document)
	if err != nil {
		t.Fatalf("%s on %s: %v", raw, document, err)
	}
	return after
}

func raw2doc(t *rapid.T, raw []byte) patch.Document {
	var object map[string]patch.Value
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	d := patch.Document{}
	for key, value := range object {
		d[patch.NewPointer(key)] = value
	}
	return d
}

func withoutTags(d patch.Document) patch.Document {
	maps.DeleteFunc(d, func(p patch.Pointer, _ patch.Value) bool { _, ok := p.MemberOf(tags); return ok })
	return d
}

func TestRestorePatchIsReadBackAsItWasWritten(t *testing.T) {
	property(t, func(t *rapid.T, have patch.Document, want patch.Want, _ patch.Patch) {
		record := patch.Expect(have, want).Inverse()
		text := patch.EncodeRestore(record)
		got, err := patch.DecodeRestore(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !slices.Equal(got, record) {
			t.Fatalf("%s is read as %v, want %v", text, got, record)
		}
	})
}

func TestRestorePatchIsAnRFC6902PatchThatRestores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := withoutTags(documents.Draw(t, "have"))
		want := patch.Want{}
		for p, v := range withoutTags(documents.Draw(t, "wanted")) {
			want[p] = v
		}
		for _, p := range slices.Sorted(maps.Keys(have)) {
			if rapid.Bool().Draw(t, "absent") {
				want[p] = patch.Absent
			}
		}
		diff := patch.Diff(have, want, nil)
		after := applyOracle(t, []byte(patch.EncodeRestore(diff.Inverse())), jsonOf(t, diff.Apply(have)))
		if got := raw2doc(t, after); !maps.Equal(got, have) {
			t.Fatalf("got %v, want %v", got, have)
		}
	})
}

func TestPointersAreReadBackAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tokens := rapid.SliceOfN(rapid.StringOf(rapid.SampledFrom([]rune{'~', '/', '0', '1', 'a', 'é', ' '})), 1, 4).Draw(t, "tokens")
		got, err := patch.NewPointer(tokens...).Tokens()
		if err != nil || !slices.Equal(got, tokens) {
			t.Fatalf("%v, %v; want %v", got, err, tokens)
		}
	})
}
