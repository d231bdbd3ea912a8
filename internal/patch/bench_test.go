package patch_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/wI2L/jsondiff"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// large is an image of 130 properties, of which a configuration wants 40 and
// finds 20 different; as documents and, for the baseline, as JSON.
func large() (have patch.Document, want patch.Want, before, after []byte) {
	have, want = patch.Document{}, patch.Want{}
	source, target := map[string]any{}, map[string]any{}
	for i := range 130 {
		name, value := fmt.Sprintf("property_%03d", i), fmt.Sprintf("value of the property %d", i)
		have[patch.NewPointer(name)] = patch.StringValue(value)
		source[name], target[name] = value, value
		if i < 40 {
			if i%2 == 0 {
				value += ", changed"
			}
			want[patch.NewPointer(name)] = patch.StringValue(value)
			target[name] = value
		}
	}
	before, _ = json.Marshal(source)
	after, _ = json.Marshal(target)
	return have, want, before, after
}

func BenchmarkDiffOfALargeImage(b *testing.B) {
	have, want, _, _ := large()
	b.ReportAllocs()
	for b.Loop() {
		if len(patch.Diff(have, want, nil)) != 20 {
			b.Fatal("20 properties differ")
		}
	}
}

func BenchmarkDiffOfALargeImageWithoutADifference(b *testing.B) {
	have, _, _, _ := large()
	want := patch.Want{}
	for i := range 40 {
		p := patch.NewPointer(fmt.Sprintf("property_%03d", i))
		want[p] = have[p]
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(patch.Diff(have, want, nil)) != 0 {
			b.Fatal("nothing differs")
		}
	}
}

func BenchmarkPlanOfALargeImage(b *testing.B) {
	have, want, _, _ := large()
	b.ReportAllocs()
	for b.Loop() {
		p := patch.Diff(have, want, nil)
		if conflicts := p.Check(have, nil); len(conflicts) > 0 {
			b.Fatal(conflicts)
		}
		if _, err := patch.ImagesV21.Encode(p.Rebase(have, nil), have, "/tags"); err != nil {
			b.Fatal(err)
		}
	}
}

// The baseline: a library for JSON Patch that compares whole documents.
func BenchmarkJSONDiffOfALargeImage(b *testing.B) {
	_, _, before, after := large()
	b.ReportAllocs()
	for b.Loop() {
		if p, err := jsondiff.CompareJSON(before, after); err != nil || len(p) != 20 {
			b.Fatal(p, err)
		}
	}
}
