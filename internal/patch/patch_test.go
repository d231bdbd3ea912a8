package patch_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func TestPointerCodec(t *testing.T) {
	for token, pointer := range map[string]patch.Pointer{
		"keywith/slash": "/keywith~1slash",
		"keywith~tilde": "/keywith~0tilde",
		"tricky~1":      "/tricky~01",
		"~/.ssh/":       "/~0~1.ssh~1",
		"":              "/",
	} {
		if got := patch.NewPointer(token); got != pointer {
			t.Errorf("NewPointer(%q) = %q, want %q", token, got, pointer)
		}
		if key, ok := pointer.Key(); !ok || key != token {
			t.Errorf("%q.Key() = %q, %v", pointer, key, ok)
		}
	}
	for _, bad := range []patch.Pointer{"noslash", "/lone~tilde", "/trailing~", "/~2"} {
		if tokens, err := bad.Tokens(); err == nil {
			t.Errorf("%q.Tokens() = %q, want an error", bad, tokens)
		}
	}
	if _, ok := patch.Pointer("/a/b").Key(); ok {
		t.Error("/a/b is no top-level key")
	}
}

func TestEncodings(t *testing.T) {
	have := patch.Document{
		"/hw_firmware_type": `"bios"`, "/old": `"x"`, "/min_ram": "0",
		"/tags/golden": `"golden"`, "/tags/foreign": `"foreign"`,
	}
	diff := patch.Diff(have, patch.Want{
		"/hw_firmware_type": `"uefi"`, "/a~1b": `"<1>"`, "/old": patch.Absent, "/min_ram": "512",
		"/tags/golden": patch.Absent, "/tags/linux": `"linux"`,
	}, nil)
	for dialect, want := range map[patch.Dialect]string{
		patch.RFC6902: `[{"op":"add","path":"/a~1b","value":"\u003c1\u003e"},{"op":"replace","path":"/hw_firmware_type","value":"uefi"},` +
			`{"op":"replace","path":"/min_ram","value":512},{"op":"remove","path":"/old"},{"op":"replace","path":"/tags","value":["foreign","linux"]}]`,
		patch.ImagesV20: `[{"add":"/a~1b","value":"\u003c1\u003e"},{"replace":"/hw_firmware_type","value":"uefi"},` +
			`{"replace":"/min_ram","value":512},{"remove":"/old"},{"replace":"/tags","value":["foreign","linux"]}]`,
	} {
		got, err := dialect.Encode(diff, have, tags)
		if err != nil || string(got) != want {
			t.Errorf("dialect %d:\n got %s, %v\nwant %s", dialect, got, err, want)
		}
	}
	got, err := patch.ImagesV21.Encode(diff, have, tags)
	if rfc, _ := patch.RFC6902.Encode(diff, have, tags); err != nil || string(got) != string(rfc) {
		t.Errorf("v2.1 is %s, %v", got, err)
	}
}

func TestRemovingTheLastMemberSendsAnEmptyList(t *testing.T) {
	have := patch.Document{"/tags/a": `"a"`}
	got, err := patch.ImagesV21.Encode(patch.Diff(have, patch.Want{"/tags/a": patch.Absent}, nil), have, tags)
	if want := `[{"op":"replace","path":"/tags","value":[]}]`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s: null would be refused", got, err, want)
	}
}

func TestUnaddressablePointersAreRefusedBeforeTheyAreSent(t *testing.T) {
	for _, key := range []string{"", " a", "a\t", "\u00a0a", "a\x1f", "a\u2003", "a\xff"} {
		for _, dialect := range []patch.Dialect{patch.ImagesV20, patch.ImagesV21} {
			p := patch.Patch{{Path: patch.NewPointer(key), New: `"v"`}}
			if raw, err := dialect.Encode(p, nil, tags); err == nil {
				t.Errorf("%q is encoded as %s", key, raw)
			}
		}
	}
	if raw, err := patch.ImagesV21.Encode(patch.Patch{{Path: "/a/b", New: `"v"`}}, nil, tags); err == nil {
		t.Errorf("/a/b is encoded as %s", raw)
	}
	if raw, err := patch.RFC6902.Encode(patch.Patch{{Path: "/a/b", New: `"v"`}}, nil); err != nil {
		t.Errorf("RFC 6902 can say /a/b: %s, %v", raw, err)
	}
}

func TestDecodersRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		dialect patch.Dialect
		raw     string
		says    string
	}{
		"an object":          {patch.ImagesV21, `{}`, "list"},
		"null":               {patch.ImagesV21, `null`, "list"},
		"broken JSON":        {patch.ImagesV20, `[{]`, "not a patch"},
		"a test":             {patch.ImagesV21, `[{"op":"test","path":"/a","value":"b"}]`, "test"},
		"a move":             {patch.RFC6902, `[{"op":"move","path":"/a","from":"/b"}]`, "move"},
		"no path":            {patch.ImagesV21, `[{"op":"remove"}]`, "no path"},
		"no value":           {patch.ImagesV21, `[{"op":"add","path":"/a"}]`, "no value"},
		"a value to remove":  {patch.ImagesV20, `[{"remove":"/a","value":"x"}]`, "has a value"},
		"two operations":     {patch.ImagesV20, `[{"remove":"/a","add":"/b","value":"x"}]`, "both"},
		"no operation":       {patch.ImagesV20, `[{"path":"/a"}]`, "unknown"},
		"a path of a number": {patch.ImagesV20, `[{"remove":1}]`, "remove"},
		"tags of null":       {patch.ImagesV21, `[{"op":"replace","path":"/tags","value":null}]`, "list of strings"},
		"tags of numbers":    {patch.ImagesV21, `[{"op":"replace","path":"/tags","value":[1]}]`, "list of strings"},
		"removed tags":       {patch.ImagesV21, `[{"op":"remove","path":"/tags"}]`, "list of strings"},
		"two levels":         {patch.ImagesV21, `[{"op":"add","path":"/a/b","value":"c"}]`, "top-level"},
		"a lone tilde":       {patch.RFC6902, `[{"op":"add","path":"/a~","value":"c"}]`, "tilde"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.dialect.Decode([]byte(c.raw), nil, tags)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, %v; want an error with %q", p, err, c.says)
			}
		})
	}
}

func TestRestorePatchText(t *testing.T) {
	record := patch.Patch{
		{Path: "/a", Old: `"mine"`, New: `"theirs"`},
		{Path: "/b", Old: `"mine"`, New: patch.Absent},
		{Path: "/c", Old: patch.Absent, New: `"<theirs> & ours"`},
		{Path: "/d", Old: patch.Absent, New: patch.Absent},
		{Path: "/tags/golden", Old: `"golden"`, New: `"golden"`},
	}
	want := `[{"op":"test","path":"/a","value":"mine"},{"op":"replace","path":"/a","value":"theirs"},` +
		`{"op":"test","path":"/b","value":"mine"},{"op":"remove","path":"/b"},` +
		`{"op":"add","path":"/c","value":"\u003ctheirs\u003e \u0026 ours"},` +
		`{"op":"remove","path":"/d"},` +
		`{"op":"test","path":"/tags/golden","value":"golden"},{"op":"replace","path":"/tags/golden","value":"golden"}]`
	if got := patch.EncodeRestore(record); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := patch.EncodeRestore(nil); got != "[]" {
		t.Errorf("nothing to restore is %s", got)
	}
	for _, bad := range []string{
		`{}`, `[{"op":"test","path":"/a","value":1}]`,
		`[{"op":"test","path":"/a","value":1},{"op":"remove","path":"/b"}]`,
		`[{"op":"test","path":"/a","value":1},{"op":"test","path":"/a","value":1}]`,
		`[{"op":"remove","path":"/a"},{"op":"remove","path":"/a"}]`,
		`[{"op":"copy","path":"/a"}]`,
	} {
		if p, err := patch.DecodeRestore(bad); err == nil {
			t.Errorf("%s is read as %v", bad, p)
		}
	}
}

func TestTheCallersEqualityDecides(t *testing.T) {
	equal := func(p patch.Pointer, a, b patch.Value) bool {
		x, okX := a.AsInt()
		y, okY := b.AsInt()
		return p == "/n" && okX && okY && x == y
	}
	have := patch.Document{"/n": "128.0", "/m": "128.0"}
	diff := patch.Diff(have, patch.Want{"/n": "128", "/m": "128"}, equal)
	if len(diff) != 1 || diff[0].Path != "/m" {
		t.Errorf("%v", diff)
	}
	if c := patch.Expect(have, patch.Want{"/n": "1"}).Check(patch.Document{"/n": "128"}, equal); len(c) != 0 {
		t.Errorf("%v", c)
	}
}

func TestClosingASetWantsEveryOtherMemberAbsent(t *testing.T) {
	have := patch.Document{"/tags/a": `"a"`, "/tags/b": `"b"`, "/tagsx": `"x"`, "/name": `"n"`}
	diff := patch.Diff(have, patch.Want{"/tags/a": `"a"`, "/tags/c": `"c"`}.Close(have, tags), nil)
	if got := diff.Apply(have).Members(tags); !slices.Equal(got, []string{"a", "c"}) || len(diff) != 2 {
		t.Errorf("%v after %v", got, diff)
	}
}

func TestMergePrefersTheSecond(t *testing.T) {
	p := patch.Patch{{Path: "/a", New: "1"}, {Path: "/c", New: "1"}}
	q := patch.Patch{{Path: "/b", New: "2"}, {Path: "/c", New: "2"}}
	want := patch.Patch{{Path: "/a", New: "1"}, {Path: "/b", New: "2"}, {Path: "/c", New: "2"}}
	if got := p.Merge(q); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestValues(t *testing.T) {
	for raw, want := range map[string]patch.Value{
		` "a" `: `"a"`, `"\u0061"`: `"a"`, `"\u00e9"`: `"é"`, `{"b":1, "a":[ true ]}`: `{"a":[true],"b":1}`,
		`128.0`: `128.0`, `null`: "null", `"<"`: `"<"`, `"\u003c"`: `"<"`,
	} {
		if got, err := patch.ParseValue([]byte(raw)); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", raw, got, err, want)
		}
	}
	for _, bad := range []string{``, `"a`, `a`, `1 2`, `{"a"}`, `"a" "b"`} {
		if got, err := patch.ParseValue([]byte(bad)); err == nil {
			t.Errorf("%q is read as %s", bad, got)
		}
	}
	for value, want := range map[patch.Value]int64{"0": 0, "128.0": 128, "1.28e2": 128, "-1": -1} {
		if got, ok := value.AsInt(); !ok || got != want {
			t.Errorf("%s.AsInt() = %d, %v", value, got, ok)
		}
	}
	for _, value := range []patch.Value{"1.5", `"1"`, "true", patch.Absent, "null", "1e400"} {
		if got, ok := value.AsInt(); ok {
			t.Errorf("%s.AsInt() = %d", value, got)
		}
	}
	if s, ok := patch.StringValue("a\"\n<é").AsString(); !ok || s != "a\"\n<é" {
		t.Errorf("%q, %v", s, ok)
	}
	if s, ok := patch.Null.AsString(); ok {
		t.Errorf("null is the string %q", s)
	}
}
