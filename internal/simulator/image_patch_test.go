package simulator

import (
	"net/http"
	"strings"
	"testing"
)

func TestPointers(t *testing.T) {
	for _, tc := range []struct{ pointer, want, fault string }{
		{pointer: "/foo", want: "foo"},
		{pointer: "//foo", want: "foo"},
		{pointer: "/", want: ""},
		{pointer: "/  sp ", want: "sp"},
		{pointer: "/\u00a0nb", want: "nb"},
		{pointer: "/\x1cfs", want: "fs"},
		{pointer: "/\u3000", want: ""},
		{pointer: "/keywith~1slash", want: "keywith/slash"},
		{pointer: "/keywith~0tilde", want: "keywith~tilde"},
		{pointer: "/tricky~01", want: "tricky~1"},
		{pointer: "/~0~1.ssh~1", want: "~/.ssh/"},
		{pointer: "/a/b", want: "a|b"},
		{pointer: "/x/ ", want: "x|"},
		{pointer: "/x /y", want: "x|y"},
		{pointer: "", fault: "Pointer `` does not start with \"/\"."},
		{pointer: "noslash", fault: "Pointer `noslash` does not start with \"/\"."},
		{pointer: " /x", fault: "Pointer ` /x` does not start with \"/\"."},
		{pointer: "///twoslash", fault: "Pointer `///twoslash` contains adjacent \"/\"."},
		{pointer: "/two/   /slash", fault: "Pointer `/two/   /slash` contains adjacent \"/\"."},
		{pointer: "/two/\u2028/slash", fault: "contains adjacent"},
		{pointer: "/trailingslash/", fault: "Pointer `/trailingslash/` end with \"/\"."},
		{pointer: "//", fault: "Pointer `//` end with \"/\"."},
		{pointer: "/ /", fault: "Pointer `/ /` end with \"/\"."},
		{pointer: "/      /      ", fault: "Pointer `/      /      ` does not contains valid token."},
		{pointer: "/lone~tilde", fault: "Pointer `/lone~tilde` contains \"~\" not part of a recognized escape sequence."},
		{pointer: "/trailingtilde~", fault: "not part of a recognized escape sequence."},
		{pointer: "/a~2b", fault: "not part of a recognized escape sequence."},
		{pointer: "/a~\n", fault: "not part of a recognized escape sequence."},
	} {
		t.Run(tc.pointer, func(t *testing.T) {
			tokens, fault := decodePointer(tc.pointer)
			if tc.fault != "" {
				if fault == nil || fault.status != http.StatusBadRequest || !strings.Contains(fault.explanation, tc.fault) {
					t.Errorf("got %v, want a 400 with %q", fault, tc.fault)
				}
				return
			}
			if got := strings.Join(tokens, "|"); fault != nil || got != tc.want {
				t.Errorf("got %q, %v, want %q", got, fault, tc.want)
			}
		})
	}
}

func TestDeserializerRefusals(t *testing.T) {
	const (
		v20, v21    = dialectV20, dialectV21
		programming = "The server has either erred"
	)
	for _, tc := range []struct {
		name   string
		form   dialect
		body   string
		status int
		text   string
	}{
		{"no body", v21, ``, 400, "Body expected in request."},
		{"malformed JSON", v21, `[`, 400, "Malformed JSON in request body."},
		{"invalid UTF-8", v21, "[\"\xff\"]", 400, "Malformed JSON in request body."},
		{"nesting too deep", v21, strings.Repeat("[", 2000), 500, programming},
		{"scalar", v21, `1`, 400, "Unexpected body type. Expected list/dict."},
		{"null", v21, `null`, 400, "Unexpected body type. Expected list/dict."},
		{"object", v21, `{}`, 400, "Request body must be a JSON array of operation objects."},
		{"operation is no object", v21, `[1]`, 400, "Operations must be JSON objects."},
		{"operation is a list", v21, `[[]]`, 400, "Operations must be JSON objects."},
		{"no op", v21, `[{"path":"/q","value":"1"}]`, 400, "Unable to find `op` in JSON Schema change. It must be one of the following: add, remove, replace."},
		{"op is null", v21, `[{"op":null,"path":"/q"}]`, 400, "Unable to find `op`"},
		{"op is test", v21, `[{"op":"test","path":"/q","value":"v"}]`, 400, "Invalid operation: `test`. It must be one of the following: add, remove, replace."},
		{"op is in capitals", v21, `[{"op":"ADD","path":"/q"}]`, 400, "Invalid operation: `ADD`."},
		{"op is a number", v21, `[{"op":1}]`, 400, "Invalid operation: `1`."},
		{"op is an object", v21, `[{"op":{"a":1}}]`, 400, "Invalid operation: `{'a': 1}`."},
		{"no path", v21, `[{"op":"remove"}]`, 400, "Unable to find 'path' in JSON Schema change"},
		{"path is a number", v21, `[{"op":"remove","path":1}]`, 500, programming},
		{"path is null", v21, `[{"op":"remove","path":null}]`, 500, programming},
		{"path is a list", v20, `[{"remove":["/a"]}]`, 500, programming},
		{"no value", v21, `[{"op":"replace","path":"/q"}]`, 400, `Operation "replace" requires a member named "value".`},
		{"no value in the older dialect", v20, `[{"add":"/q"}]`, 400, `Operation "add" requires a member named "value".`},
		{"two operations in one", v20, `[{"add":"/q","remove":"/q","value":"1"}]`, 400, `Operation objects must contain only one member named "add", "remove", or "replace".`},
		{"no operation", v20, `[{}]`, 400, `Operation objects must contain exactly one member named "add", "remove", or "replace".`},
		{"newer dialect under the older type", v20, `[{"op":"add","path":"/q","value":"1"}]`, 400, "exactly one member"},
		{"older dialect under the newer type", v21, `[{"add":"/q","value":"1"}]`, 400, "Unable to find `op`"},
		{"two tokens", v21, `[{"op":"add","path":"/a/b","value":"1"}]`, 400, "Invalid JSON pointer for this resource: '/a/b'"},
		{"position in tags", v21, `[{"op":"add","path":"/tags/-","value":"1"}]`, 400, "Invalid JSON pointer for this resource: '/tags/-'"},
		{"locations without a position", v21, `[{"op":"add","path":"/locations","value":[]}]`, 400, "Invalid JSON pointer for this resource: '/locations'"},
		{"depth is checked before the name", v21, `[{"op":"add","path":"/created_at/x","value":"1"}]`, 400, "Invalid JSON pointer"},
		{"read-only", v21, `[{"op":"remove","path":"/id"}]`, 403, "Attribute 'id' is read-only."},
		{"reserved", v21, `[{"op":"add","path":"/deleted_at","value":"1"}]`, 403, "Attribute 'deleted_at' is reserved."},
		{"reserved prefix without an underscore", v21, `[{"op":"add","path":"/os_glancex","value":"1"}]`, 403, "Attribute 'os_glancex' is reserved."},
		{"the first fault counts", v21, `[{"op":"add","path":"/a","value":1},{"op":"nope"}]`, 400, "1 is not of type 'string'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body, fault := deserializeBody([]byte(tc.body))
			if fault == nil {
				_, fault = deserializePatch(body, tc.form)
			}
			if fault == nil {
				t.Fatal("accepted")
			}
			if fault.status != tc.status || !strings.Contains(fault.explanation, tc.text) {
				t.Errorf("got %d %q, want %d %q", fault.status, fault.explanation, tc.status, tc.text)
			}
		})
	}
}

func TestReadOnlyNamesAreRefusedForEveryOperation(t *testing.T) {
	for name := range readOnlyAttributes {
		for _, op := range []string{"add", "replace", "remove"} {
			body := mustParse(t, `[{"op":"`+op+`","path":"/`+name+`","value":"x"}]`)
			_, fault := deserializePatch(body, dialectV21)
			if fault == nil || fault.status != 403 || fault.explanation != "Attribute '"+name+"' is read-only." {
				t.Errorf("%s %s gives %v", op, name, fault)
			}
		}
	}
}

func TestDeserializerIgnoresWhatItNeedNotRead(t *testing.T) {
	for name, body := range map[string]string{
		"unknown members":    `[{"op":"add","path":"/a","value":"1","from":"/b","x":{}}]`,
		"value of a removal": `[{"op":"remove","path":"/a","value":1}]`,
		"null value of one":  `[{"op":"remove","path":"/a","value":null}]`,
	} {
		if changes, fault := deserializePatch(mustParse(t, body), dialectV21); fault != nil || len(changes) != 1 {
			t.Errorf("%s: %v, %v", name, changes, fault)
		}
	}
}

// The texts are those of Glance 25.1, but for the descriptions in the schema.
func TestSchemaErrorText(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"property", `[{"op":"add","path":"/foo","value":null}]`,
			"Provided object does not match schema 'image': None is not of type 'string'\n\nFailed validating 'type' in schema['additionalProperties']:\n" +
				"    {'type': 'string'}\n\nOn instance['foo']:\n    None"},
		{"element of a list", `[{"op":"add","path":"/tags","value":["a",1]}]`,
			"Provided object does not match schema 'image': 1 is not of type 'string'\n\nFailed validating 'type' in schema['properties']['tags']['items']:\n" +
				"    {'maxLength': 255, 'type': 'string'}\n\nOn instance['tags'][1]:\n    1"},
		{"several types", `[{"op":"add","path":"/name","value":1}]`,
			"Provided object does not match schema 'image': 1 is not of type 'null', 'string'\n\nFailed validating 'type' in schema['properties']['name']:\n" +
				"    {'description': 'Name of the image',\n     'maxLength': 255,\n     'type': ['null', 'string']}\n\nOn instance['name']:\n    1"},
		{"enumeration", `[{"op":"add","path":"/visibility","value":"nope"}]`,
			"Provided object does not match schema 'image': 'nope' is not one of ['community', 'public', 'private', 'shared']\n\n" +
				"Failed validating 'enum' in schema['properties']['visibility']:\n    {'description': 'Who may see the image',\n" +
				"     'enum': ['community', 'public', 'private', 'shared'],\n     'type': 'string'}\n\nOn instance['visibility']:\n    'nope'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, fault := deserializePatch(mustParse(t, tc.body), dialectV21)
			if fault == nil || fault.explanation != tc.want {
				t.Errorf("got\n%v\nwant\n%s", fault, tc.want)
			}
		})
	}
}

func TestValueRules(t *testing.T) {
	long := func(n int) string { return `"` + strings.Repeat("é", n) + `"` }
	for _, tc := range []struct {
		path, value, fault string // no fault: accepted
	}{
		{"/foo", `""`, ""},
		{"/foo", `" x\n<\t"`, ""},
		{"/foo", `1`, "1 is not of type 'string'"},
		{"/foo", `true`, "True is not of type 'string'"},
		{"/foo", `Infinity`, "inf is not of type 'string'"},
		{"/foo", `{"a":[]}`, "{'a': []} is not of type 'string'"},
		{"/name", `null`, ""},
		{"/name", long(255), ""},
		{"/name", long(256), "is too long"},
		{"/visibility", `null`, "None is not of type 'string'"},
		{"/protected", `true`, ""},
		{"/protected", `"true"`, "'true' is not of type 'boolean'"},
		{"/protected", `0`, "0 is not of type 'boolean'"},
		{"/os_hidden", `null`, "None is not of type 'boolean'"},
		{"/min_ram", `128.0`, ""},
		{"/min_ram", `1.5`, "1.5 is not of type 'integer'"},
		{"/min_ram", `"128"`, "'128' is not of type 'integer'"},
		{"/min_ram", `null`, "None is not of type 'integer'"},
		{"/min_ram", `true`, "True is not of type 'integer'"},
		{"/min_ram", `NaN`, "nan is not of type 'integer'"},
		{"/disk_format", `null`, ""},
		{"/disk_format", `"zvhd2"`, "'zvhd2' is not one of [None, 'ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'iso', 'ploop']"},
		{"/container_format", `1`, "1 is not of type 'null', 'string'"},
		{"/tags", `[]`, ""},
		{"/tags", `null`, "None is not of type 'array'"},
		{"/tags", `[` + long(256) + `]`, "is too long"},
		{"/owner", `null`, ""},
		{"/kernel_id", `null`, ""},
		{"/kernel_id", `"12345678-1234-1234-1234-12345678901A"`, ""},
		{"/kernel_id", `"12345678-1234-1234-1234-12345678901A\n"`, ""},
		{"/kernel_id", `"x"`, "'x' does not match '^([0-9a-fA-F]){8}-"},
		{"/architecture", `null`, "None is not of type 'string'"},
		{"/cinder_encryption_key_deletion_policy", `"x"`, "'x' is not one of ['on_image_deletion', 'do_not_delete']"},
		{"/stores", `"x"`, ""},
		{"/locations/-", `"v"`, "'v' is not of type 'object'"},
		{"/locations/-", `{"url":"x"}`, "'metadata' is a required property"},
		{"/locations/-", `{"url":"x","metadata":{},"validation_data":{"os_hash_algo":"a","os_hash_value":"b","x":1,"y":2}}`,
			"Additional properties are not allowed ('x', 'y' were unexpected)"},
		{"/locations/-", `{"url":"x","metadata":{},"validation_data":{"os_hash_algo":"a","os_hash_value":"b","checksum":"c"}}`, "'c' is too short"},
	} {
		t.Run(tc.path+" "+tc.value, func(t *testing.T) {
			_, fault := deserializePatch(mustParse(t, `[{"op":"add","path":"`+tc.path+`","value":`+tc.value+`}]`), dialectV21)
			switch {
			case tc.fault == "" && fault != nil:
				t.Errorf("refused: %v", fault)
			case tc.fault != "" && (fault == nil || fault.status != 400 || !strings.Contains(fault.explanation, tc.fault)):
				t.Errorf("got %v, want a 400 with %q", fault, tc.fault)
			}
		})
	}
}

// FuzzDeserializePatch holds that no body makes the deserializer panic, that its
// refusals have a status of Glance's, and that what it accepts has one token, or
// two below locations, and a value unless it is a removal.
func FuzzDeserializePatch(f *testing.F) {
	for _, body := range []string{
		`[]`, `[{"op":"add","path":"/foo","value":"bar"}]`, `[{"replace":"/name","value":null}]`, `[{"op":"remove","path":"/a~1b~01"}]`,
		`[{"op":"add","path":"/tags","value":["a","b"]},{"op":"replace","path":"/min_ram","value":128.0}]`,
		`[{"op":"add","path":"/locations/-","value":{"url":"x","metadata":{}}}]`, `[{"op":1}]`, `[{"add":"/a","remove":"/b"}]`, `{"a":NaN}`, `["\ud800"]`,
	} {
		f.Add([]byte(body), true)
		f.Add([]byte(body), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, newer bool) {
		form := dialectV20
		if newer {
			form = dialectV21
		}
		value, fault := deserializeBody(body)
		var changes []change
		if fault == nil {
			changes, fault = deserializePatch(value, form)
		}
		if fault != nil {
			if fault.status != 400 && fault.status != 403 && fault.status != 500 || fault.explanation == "" {
				t.Fatalf("refused with %+v", fault)
			}
			return
		}
		for _, c := range changes {
			if want := 1; c.path[0] != "locations" && len(c.path) != want {
				t.Fatalf("path %q", c.path)
			}
			if c.op == "remove" && c.value != nil || readOnlyAttributes[c.path[0]] || reservedName(c.path[0]) {
				t.Fatalf("accepted %+v", c)
			}
		}
	})
}
