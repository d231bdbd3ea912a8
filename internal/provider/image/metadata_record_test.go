package image

import (
	"slices"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func owning(want patch.Want) owned {
	return owned{want: want, sensitive: map[patch.Pointer]bool{}, typed: map[patch.Pointer]*attribute.Attribute{}}
}

func TestReleases(t *testing.T) {
	record := patch.Patch{
		{Path: "/added", Old: `"ours"`, New: patch.Absent},
		{Path: "/equal", Old: `"same"`, New: `"same"`},
		{Path: "/min_ram", Old: "64", New: "0"},
		{Path: "/null", Old: `"ours"`, New: "null"},
		{Path: "/replaced", Old: `"ours"`, New: `"theirs"`},
		{Path: "/removed", Old: patch.Absent, New: `"theirs"`},
		{Path: "/still", Old: `"ours"`, New: `"theirs"`},
		{Path: "/tags/golden", Old: `"golden"`, New: patch.Absent},
	}
	for rule, want := range map[string][]patch.Pointer{
		destroyRestore: {"/added", "/min_ram", "/replaced", "/removed", "/tags/golden"},
		destroyRemove:  {"/added", "/tags/golden"},
		destroyKeep:    nil,
	} {
		s := ownership{before: owning(patch.Want{"/adopted": `"a"`, "/still": `"ours"`}), record: record, after: owning(patch.Want{"/still": `"ours"`}), rule: rule}
		operations, left := s.released()
		var sends []patch.Pointer
		for _, o := range operations {
			sends = append(sends, o.Path)
		}
		if !slices.Equal(sends, want) {
			t.Errorf("%s sends %v, want %v", rule, sends, want)
		}
		if len(sends)+len(left) != 8 || !slices.Contains(left, "/adopted") || slices.Contains(left, "/still") {
			t.Errorf("%s leaves %v", rule, left)
		}
	}
}

func TestWhatJoins(t *testing.T) {
	d := patch.Document{"/adopted": `"a"`, "/changed": `"a"`, "/new": `"same"`, "/tags/foreign": `"foreign"`}
	s := ownership{
		before: owning(patch.Want{"/adopted": `"a"`, "/changed": `"a"`, "/known": `"k"`}),
		record: patch.Patch{{Path: "/known", Old: `"k"`, New: `"o"`}},
		after:  owning(patch.Want{"/adopted": `"a"`, "/changed": `"b"`, "/known": `"l"`, "/new": `"same"`, "/absent": patch.Absent}),
	}
	joining := s.joins(d)
	if want := []patch.Pointer{"/absent", "/changed", "/new"}; !slices.Equal(joining, want) {
		t.Fatalf("%v join, want %v", joining, want)
	}
	want := patch.Patch{
		{Path: "/absent", Old: patch.Absent, New: patch.Absent},
		{Path: "/changed", Old: `"b"`, New: `"a"`},
		{Path: "/known", Old: `"l"`, New: `"o"`},
		{Path: "/new", Old: `"same"`, New: `"same"`},
	}
	if got := s.next(joining, d); !slices.Equal(got, want) {
		t.Errorf("the record is %v, want %v", got, want)
	}
}

func TestAnExclusiveSetJoinsOnce(t *testing.T) {
	d := patch.Document{"/tags/foreign": `"foreign"`, "/tags/golden": `"golden"`}
	exclusive := owning(patch.Want{"/tags/golden": `"golden"`})
	exclusive.exclusive = true
	first := ownership{after: exclusive}
	if joining := first.joins(d); !slices.Equal(joining, []patch.Pointer{"/tags/foreign", "/tags/golden"}) {
		t.Errorf("%v join", joining)
	}
	record := first.next(first.joins(d), d)
	later := ownership{before: exclusive, record: record, after: exclusive}
	if joining := later.joins(patch.Document{"/tags/golden": `"golden"`, "/tags/late": `"late"`}); len(joining) != 0 {
		t.Errorf("drift of a set that is owned whole joins: %v", joining)
	}
	if got := later.next(nil, d); !slices.Equal(got, record) {
		t.Errorf("the record changes from %v to %v", record, got)
	}
	open := ownership{before: exclusive, record: record, after: owning(patch.Want{"/tags/golden": `"golden"`}), rule: destroyRestore}
	if operations, _ := open.released(); len(operations) != 1 || operations[0] != (patch.Operation{Path: "/tags/foreign", New: `"foreign"`}) {
		t.Errorf("opening the set releases %v", operations)
	}
}

func TestStale(t *testing.T) {
	record := patch.Patch{{Path: "/min_ram", Old: "64", New: "0"}, {Path: "/gone", Old: patch.Absent, New: `"x"`}}
	if stale(record, patch.Document{"/min_ram": "64.0"}) {
		t.Error("an equal value is stale")
	}
	for _, d := range []patch.Document{{"/min_ram": "65"}, {}, {"/min_ram": "64", "/gone": `"x"`}} {
		if !stale(record, d) {
			t.Errorf("%v is not stale", d)
		}
	}
}
