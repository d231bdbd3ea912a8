package patch_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func FuzzPointer(f *testing.F) {
	for _, seed := range []string{"", "/", "/name", "/a~1b", "/tricky~01", "noslash", "/lone~tilde", "/trailing~", "//two", "/a/b", "/~0~1.ssh~1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := patch.Pointer(text)
		tokens, err := p.Tokens()
		if err != nil {
			return
		}
		if again := patch.NewPointer(tokens...); again != p {
			t.Fatalf("%q is written again as %q", p, again)
		}
		if key, ok := p.Key(); ok != (len(tokens) == 1) || (ok && key != tokens[0]) {
			t.Fatalf("%q has the key %q, %v, and the tokens %q", p, key, ok, tokens)
		}
	})
}

func FuzzValue(f *testing.F) {
	for _, seed := range []string{`"a"`, `"\ud800"`, `1e400`, `{"a":1,"a":2}`, "\"\xff\"", `[[[]]]`, `null`, ` 1 `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		value, err := patch.ParseValue(raw)
		if err != nil {
			return
		}
		if again, err := patch.ParseValue([]byte(value)); err != nil || again != value {
			t.Fatalf("%q is read again as %q, %v", value, again, err)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := patch.ParseValue(text); err != nil || again != value {
			t.Fatalf("%q comes back from JSON as %q, %v", value, again, err)
		}
		if s, ok := value.AsString(); ok && patch.StringValue(s) != value {
			t.Fatalf("%q is the string %q, which is %q", value, s, patch.StringValue(s))
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(0, []byte(`[{"op":"add","path":"/a","value":"b"}]`))
	f.Add(1, []byte(`[{"op":"replace","path":"/tags","value":["a","b","a"]}]`))
	f.Add(1, []byte(`[{"op":"remove","path":"/name"},{"op":"add","path":"/name","value":null}]`))
	f.Add(2, []byte(`[{"replace":"/name","value":"x"},{"remove":"/b"}]`))
	f.Add(2, []byte(`[{"add":"/a~1b","value":{}}]`))
	have := patch.Document{"/name": `"n"`, "/b": `"1"`, "/tags/a": `"a"`}
	f.Fuzz(func(t *testing.T, n int, raw []byte) {
		dialect := patch.Dialect(((n % 3) + 3) % 3)
		p, err := dialect.Decode(raw, have, tags)
		if err != nil {
			return
		}
		if dialect == patch.RFC6902 && slices.ContainsFunc(p, func(o patch.Operation) bool { return o.Path == "" }) {
			return // The whole document: legal in RFC 6902, not in a flat document.
		}
		text, err := dialect.Encode(p, have, tags)
		if err != nil {
			t.Fatalf("%v does not encode: %v", p, err)
		}
		again, err := dialect.Decode(text, have, tags)
		if err != nil || !maps.Equal(again.Apply(have), p.Apply(have)) {
			t.Fatalf("%s is read as %v, %v; want %v", text, again, err, p)
		}
	})
}

func FuzzDecodeRestore(f *testing.F) {
	f.Add(`[{"op":"test","path":"/a","value":"mine"},{"op":"replace","path":"/a","value":"theirs"},{"op":"add","path":"/c","value":"x"}]`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := patch.DecodeRestore(text)
		if err != nil {
			return
		}
		again, err := patch.DecodeRestore(patch.EncodeRestore(p))
		if err != nil || !slices.Equal(again, p) {
			t.Fatalf("%v is read again as %v, %v", p, again, err)
		}
	})
}
