package simulator

import (
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestParseJSONReadsLikePython(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"number without a fraction stays an integer", `1`, `1`},
		{"number with a fraction is a float", `1.0`, `1.0`},
		{"exponent makes a float", `1e3`, `1000.0`},
		{"integers have any size", `123456789012345678901234567890`, `123456789012345678901234567890`},
		{"too large a float is infinite", `1e999`, `inf`},
		{"NaN is a number", `NaN`, `nan`},
		{"negative infinity is a number", `-Infinity`, `-inf`},
		{"last of equal members wins, in the place of the first", `{"a":1,"b":2,"a":3}`, `{'a': 3, 'b': 2}`},
		{"surrogate pair is one character", `"\ud83d\ude00"`, `'😀'`},
		{"lone surrogate is kept", `"\ud800x"`, `'\ud800x'`},
		{"second of two high surrogates is kept too", `"\ud800\ud801"`, `'\ud800\ud801'`},
		{"escapes", `"\b\f\n\r\t\/\\\"\u00e9"`, `'\x08\x0c\n\r\t/\\"é'`},
		{"white space around and within", " [ 1 , true , null ] ", `[1, True, None]`},
		{"empty containers", `[{},[],""]`, `[{}, [], '']`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := parseJSON([]byte(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := pythonRepr(v); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestParseJSONRefuses(t *testing.T) {
	for _, in := range []string{"", " ", "[", "{", "[1", "[1,", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "[01]", "[1.]", "[.5]", "[-]", "[1e]",
		"'a'", `"a`, `"\x"`, `"\u12"`, `"\u12zz"`, `"\ud800\u12"`, "\"a\tb\"", "[] x", "nul", "truex", "\xef\xbb\xbf[]", "[\"\xff\"]", "Infinityx"} {
		if v, err := parseJSON([]byte(in)); !errors.Is(err, errMalformedJSON) {
			t.Errorf("%q gives %v, %v", in, v, err)
		}
	}
	if _, err := parseJSON([]byte(strings.Repeat("[", 2000))); !errors.Is(err, errJSONTooDeep) {
		t.Errorf("deep nesting gives %v", err)
	}
}

func TestPythonText(t *testing.T) {
	for _, tc := range []struct{ name, got, want string }{
		{"quotes are single by default", pythonRepr(`a"b`), `'a"b'`},
		{"a single quote makes them double", pythonRepr(`a'b`), `"a'b"`},
		{"both quotes escape the single one", pythonRepr(`a'b"`), `'a\'b"'`},
		{"unprintable characters are escaped", pythonRepr("a\x00\x7f\u00a0\u2028\U000e0001"), `'a\x00\x7f\xa0\u2028\U000e0001'`},
		{"large floats have an exponent", pythonFloat(1e16), "1e+16"},
		{"small floats have an exponent", pythonFloat(0.00001), "1e-05"},
		{"other floats have a point", pythonFloat(-128), "-128.0"},
		{"negative zero keeps its sign", pythonRepr(mustParse(t, "-0.0")), "-0.0"},
		{"str leaves a text bare", pythonStr("a"), "a"},
		{"str shows the rest like repr", pythonStr([]any{big.NewInt(1), nil, true}), "[1, None, True]"},
		{"title starts a word after every non-letter", pythonTitle("hw_foo2bar-x éßx"), "Hw_Foo2Bar-X Éßx"},
		{"strip takes information separators and wide spaces", pythonStrip("\x1c\u00a0\u3000 a \u2028"), "a"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, tc.got, tc.want)
		}
	}
}

func mustParse(t *testing.T, text string) any {
	t.Helper()
	v, err := parseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The expected texts are what Python 3.11 prints.
func TestPythonPretty(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"members are sorted", `{"b":1,"a":[2]}`, `{'a': [2], 'b': 1}`},
		{"what does not fit is broken up", `{"description":"xxxxxxxxxx xxxxxxxxxx","type":["null","string"]}`,
			"{'description': 'xxxxxxxxxx '\n                'xxxxxxxxxx',\n 'type': ['null', 'string']}"},
		{"long lists have a line per element", `["aaaaaaaaaaaaaaaa","bbbbbbbbbbbbbbbb","c"]`,
			"['aaaaaaaaaaaaaaaa',\n 'bbbbbbbbbbbbbbbb',\n 'c']"},
		{"long texts are broken between words, in brackets", `"one two three four five six seven eight"`,
			"('one two three four five '\n 'six seven eight')"},
		{"a long word stays whole", `"oneoneoneoneoneoneoneoneoneoneone"`, "'oneoneoneoneoneoneoneoneoneoneone'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := pythonPretty(mustParse(t, tc.in), 30); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}
