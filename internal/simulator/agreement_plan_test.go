package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
)

const (
	// shortestSequence and longestSequence bound the requests that follow the
	// create of a sequence's image.
	shortestSequence = 5
	longestSequence  = 30
	// easyOperations is how many operations that are meant to succeed share one
	// patch of the plan.
	easyOperations = 5
	// planRounds is how often the plan has each cell. It is more than is asserted,
	// because what else a sequence holds can spoil a planned patch.
	planRounds = coverageMinimum + 2
	// planStream is the random stream of the plan's order, out of reach of the
	// sequences' numbers.
	planStream = 1 << 40
)

// target is a kind of place that a patch can point to.
type target struct {
	name string
	// nature tells which operations succeed.
	nature nature
	// properties are the names to choose from when it matters whether the image
	// has them.
	properties []string
	// pointers are the places to choose from otherwise, as JSON.
	pointers []string
	// counted tells that each pointer has to be covered by itself.
	counted bool
	// withData tells that the image needs data first.
	withData bool
	// v20 tells why the older dialect has no such place.
	v20 string
}

// nature is what there is at a target.
type nature int

const (
	neverWritable nature = iota
	writable             // always there, so that only a value can be given
	presentProperty
	missingProperty
)

// easy tells whether an operation with a fitting value succeeds.
func (n nature) easy(d dialect, op string) bool {
	switch n {
	case writable:
		return op == "replace" || op == "add" && d == dialectV21
	case presentProperty:
		return op != "add" || d == dialectV21
	case missingProperty:
		return op == "add"
	default:
		return false
	}
}

// quotedPointers writes names as pointers in JSON.
func quotedPointers(names ...string) []string {
	var out []string
	for _, name := range names {
		out = append(out, quotedPointer(name))
	}
	return out
}

func quotedPointer(name string) string {
	escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	quoted, err := json.Marshal("/" + escaped)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

// readOnlyNames, reservedNames, swallowedNames and brokenNames were measured on
// Glance 25.1. They repeat what the simulator knows, so that a name that it
// forgets is still asked for.
var (
	readOnlyNames = []string{"created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema", "id",
		"os_hash_algo", "os_hash_value"}
	reservedNames  = []string{"location", "deleted", "deleted_at", "os_glance_x", "os_glancex"}
	swallowedNames = []string{"helper", "context", "notifier", "repo", "member", "delete", "get_data", "get_payload", "send_notification", "deactivate",
		"reactivate", "set_data", "get_super_class", "_abc_impl", "_format_image_send", "_format_import_properties", "_get_chunk_data_iterator",
		"__abstractmethods__", "__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__", "__getstate__", "__gt__",
		"__hash__", "__init__", "__init_subclass__", "__le__", "__lt__", "__module__", "__ne__", "__new__", "__reduce__", "__reduce_ex__", "__repr__",
		"__setattr__", "__sizeof__", "__str__", "__subclasshook__"}
	brokenNames = []string{"base", "extra_properties", "__class__", "__dict__", "__weakref__", "image_id"}
)

// queuedFormat is a target of its own plan: every sequence starts with one of
// its cells, because its image has no data only then for certain.
var queuedFormat = &target{name: "format of an image without data", nature: writable, pointers: quotedPointers("disk_format", "container_format")}

// plainMissing is a property that the image lacks, so that both dialects can add
// it with any value.
var plainMissing = &target{name: "property, missing", nature: missingProperty, properties: []string{"foo", "bar", "Baz", "os_secure_boot"}}

// ordinary are the targets at which a patch of the plan can point.
var ordinary = []*target{
	{name: "property, present", nature: presentProperty, properties: []string{"foo", "bar", "Baz", "os_secure_boot"}},
	plainMissing,
	{name: "property of the schema, present", nature: presentProperty, properties: []string{"architecture", "os_distro", "description"}},
	{name: "property of the schema, missing", nature: missingProperty, properties: []string{"architecture", "os_distro", "description"}},
	{name: "nullable property, present", nature: presentProperty, properties: []string{"kernel_id", "ramdisk_id"}},
	{name: "nullable property, missing", nature: missingProperty, properties: []string{"kernel_id", "ramdisk_id"}},
	{name: "property with ~, present", nature: presentProperty, properties: []string{"t~", "tricky~1", "~0"}},
	{name: "property with ~, missing", nature: missingProperty, properties: []string{"t~", "tricky~1", "~0"}},
	{name: "property with /, present", nature: presentProperty, properties: []string{"k/s", "/", "a//b"}},
	{name: "property with /, missing", nature: missingProperty, properties: []string{"k/s", "/", "a//b"}},
	{name: "property outside ASCII, present", nature: presentProperty, properties: []string{"é", "ключ", "名前"}},
	{name: "property outside ASCII, missing", nature: missingProperty, properties: []string{"é", "ключ", "名前"}},
	{name: "property without a name", pointers: []string{`"/"`, `"/ "`}},
	{name: "property of four-byte characters", pointers: []string{`"/😀"`, `"/a\ud83d\ude00"`}},
	{name: "property with a long name", pointers: quotedPointers(strings.Repeat("n", 256), strings.Repeat("n", 300))},
	{name: "property that looks reserved", pointers: quotedPointers("stores", "image", "metadata", "properties", "hidden", "active_at", "db_api", "__name__")},
	{name: "name", nature: writable, pointers: quotedPointers("name")},
	{name: "size", nature: writable, pointers: quotedPointers("min_disk", "min_ram")},
	{name: "switch", nature: writable, pointers: quotedPointers("protected", "os_hidden")},
	{name: "visibility", nature: writable, pointers: quotedPointers("visibility")},
	{name: "owner", pointers: quotedPointers("owner")},
	{name: "format of an image with data", pointers: quotedPointers("disk_format", "container_format"), withData: true},
	{name: "tags", nature: writable, pointers: quotedPointers("tags")},
	{name: "locations", pointers: quotedPointers("locations")},
	{name: "location by position", pointers: []string{`"/locations/-"`, `"/locations/0"`, `"/locations/x"`}},
	{name: "two tokens", pointers: []string{`"/foo/bar"`, `"/tags/-"`, `"/tags/0"`, `"/a~1b/c"`, `"/id/x"`}},
	{name: "pointer with blanks or slashes to drop", pointers: []string{`"//foo"`, `"/ foo "`, `"/\tbar"`, `"/\u00a0foo"`}},
	{name: "malformed pointer", pointers: []string{`"noslash"`, `"/two//slashes"`, `"/trail/"`, `"/lone~"`, `"/~2"`, `""`, `"/ / "`, `" /foo"`, `"//"`}},
	{name: "pointer that is no string", pointers: []string{`1`, `null`, `true`, `["/foo"]`, `{}`}},
	{name: "no pointer", pointers: []string{""}, v20: "the pointer is the value of the operation's own member, so without it there is no operation"},
	{name: "read-only name", pointers: quotedPointers(readOnlyNames...), counted: true},
	{name: "reserved name", pointers: quotedPointers(reservedNames...), counted: true},
	{name: "swallowed name", nature: writable, pointers: quotedPointers(swallowedNames...), counted: true},
	{name: "name that ends in an error", pointers: quotedPointers(brokenNames...), counted: true},
}

// demand asks for one operation on one kind of target.
type demand struct {
	dialect dialect
	op      string
	target  *target
	pointer string // empty if any of the target's will do
}

func (d dialect) String() string {
	if d == dialectV20 {
		return "v2.0"
	}
	return "v2.1"
}

func (d dialect) contentType() string {
	if d == dialectV20 {
		return mediaTypeV20
	}
	return mediaTypeV21
}

func (d demand) cell() string { return fmt.Sprintf("%s %s: %s", d.dialect, d.op, d.target.name) }

// cells are the operations and dialects with which a target can be reached.
func (t *target) cells() []demand {
	var out []demand
	for _, d := range []dialect{dialectV20, dialectV21} {
		if d == dialectV20 && t.v20 != "" {
			continue
		}
		for _, op := range supportedOperations {
			out = append(out, demand{dialect: d, op: op, target: t})
		}
	}
	return out
}

// assignment is what one request of a sequence, with those that prepare it, has
// to be: a patch with these operations, or what a subject draws.
type assignment struct {
	demands []demand
	subject *subject
}

// newPlan lists what the sequences have to contain, each cell planRounds times,
// in the order that belongs to a base seed. Operations that are meant to succeed
// share a patch; one that is refused is alone in its own, because the answer
// then depends on nothing else.
func newPlan(base uint64) []assignment {
	r := rand.New(rand.NewPCG(base, planStream))
	var plan []assignment
	easy := map[dialect][]demand{}
	for _, t := range ordinary {
		for _, d := range t.demands() {
			if t.nature.easy(d.dialect, d.op) {
				easy[d.dialect] = append(easy[d.dialect], d)
				continue
			}
			plan = append(plan, assignment{demands: []demand{d}})
		}
	}
	for _, d := range []dialect{dialectV20, dialectV21} {
		r.Shuffle(len(easy[d]), func(i, j int) { easy[d][i], easy[d][j] = easy[d][j], easy[d][i] })
		for together := range slices.Chunk(easy[d], easyOperations) {
			plan = append(plan, assignment{demands: together})
		}
	}
	for i := range subjects {
		for range planRounds {
			plan = append(plan, assignment{subject: &subjects[i]})
		}
	}
	r.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	return plan
}

// demands repeats a target's cells until each, and each counted pointer, has
// come planRounds times. Pointers are repeated in the cells that succeed, if
// there are any, because those share patches.
func (t *target) demands() []demand {
	var out []demand
	cells := t.cells()
	easy := slices.DeleteFunc(slices.Clone(cells), func(d demand) bool { return !t.nature.easy(d.dialect, d.op) })
	if !t.counted {
		easy = nil
	}
	for i, d := range cells {
		if slices.Contains(easy, d) {
			continue
		}
		for round := range planRounds {
			if t.counted {
				d.pointer = t.pointers[(i*planRounds+round)%len(t.pointers)]
			}
			out = append(out, d)
		}
	}
	if !t.counted {
		return out
	}
	if len(easy) == 0 {
		easy = cells
	}
	have := map[string]int{}
	for _, d := range out {
		have[d.pointer]++
	}
	for _, pointer := range t.pointers {
		for i := range max(0, planRounds-have[pointer]) {
			d := easy[i%len(easy)]
			d.pointer = pointer
			out = append(out, d)
		}
	}
	return out
}

// imageState is what the generator knows of the image. It learns it from the
// simulator alone, so that a sequence follows from its seed.
type imageState struct {
	owner      string
	status     string
	protected  bool
	properties map[string]bool
}

// attributeNames are the members of a document that are no properties.
var attributeNames = nameSet(append([]string{"name", "disk_format", "container_format", "visibility", "protected", "os_hidden", "min_disk", "min_ram",
	"owner", "tags", "stores"}, readOnlyNames...)...)

// learn reads the document that an administrator gets.
func (s *imageState) learn(out outcome) {
	document, _ := out.value.(map[string]any)
	*s = imageState{properties: map[string]bool{}}
	s.owner, _ = document["owner"].(string)
	s.status, _ = document["status"].(string)
	s.protected, _ = document["protected"].(bool)
	for name := range document {
		if !attributeNames[name] {
			s.properties[name] = true
		}
	}
}

// writer draws a user who may write the image.
func (g *generator) writer() string {
	switch g.state.owner {
	case "project demo":
		return pick(g.sequences, "demo", "demo", "demo", "admin")
	case "project other":
		return pick(g.sequences, "other", "admin")
	default:
		return "admin"
	}
}

// generator draws the requests of one sequence.
type generator struct {
	sequences
	state imageState
}

// patchOf is a patch by someone who may write the image.
func (g *generator) patchOf(d dialect, operations ...string) step {
	return step{user: g.writer(), method: http.MethodPatch, path: "/v2/images/ID", contentType: d.contentType(),
		body: "[" + strings.Join(operations, ",") + "]"}
}

// operation writes one operation; without a value there is none.
func operation(d dialect, op, pointer, value string) string {
	var members []string
	switch {
	case d == dialectV20:
		members = append(members, fmt.Sprintf("%q:%s", op, pointer))
	case pointer == "":
		members = append(members, fmt.Sprintf(`"op":%q`, op))
	default:
		members = append(members, fmt.Sprintf(`"op":%q,"path":%s`, op, pointer))
	}
	if value != "" {
		members = append(members, `"value":`+value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// drawn is an operation of the plan, with the one that has to come before it to
// make the image what the operation expects.
type drawn struct {
	before string
	text   string
	marks  []string
}

// draw writes what a demand asks for. The state is moved on to what the image
// is after it, so that several can stand in one patch.
func (g *generator) draw(d demand) drawn {
	out := drawn{marks: []string{d.cell()}}
	pointer := d.pointer
	switch {
	case pointer != "":
		out.marks = append(out.marks, "pointer: "+pointer)
	case d.target.properties != nil:
		var name string
		name, out.before = g.property(d)
		pointer = quotedPointer(name)
		g.state.properties[name] = d.op != "remove"
	default:
		pointer = pick(g.sequences, d.target.pointers...)
	}
	value := ""
	if d.op != "remove" || g.IntN(8) == 0 {
		value = g.fittingValue(pointer)
		if !d.target.nature.easy(d.dialect, d.op) && g.IntN(3) == 0 {
			value = g.value(plainPointer(pointer))
		}
	}
	out.text = operation(d.dialect, d.op, pointer, value)
	return out
}

// property chooses a property that the image has or lacks, and if there is none
// such, says how to make one so.
func (g *generator) property(d demand) (name, before string) {
	has := d.target.nature == presentProperty
	var fitting []string
	for _, name := range d.target.properties {
		if g.state.properties[name] == has {
			fitting = append(fitting, name)
		}
	}
	if len(fitting) > 0 {
		return pick(g.sequences, fitting...), ""
	}
	name = pick(g.sequences, d.target.properties...)
	if has {
		return name, operation(d.dialect, "add", quotedPointer(name), g.fittingValue(quotedPointer(name)))
	}
	return name, operation(d.dialect, "remove", quotedPointer(name), "")
}

// plainPointer is the text of a pointer, or nothing if it is no string.
func plainPointer(quoted string) string {
	var text string
	if json.Unmarshal([]byte(quoted), &text) != nil {
		return ""
	}
	return text
}

// fittingValue draws a value that the schema allows and that can be stored.
func (g *generator) fittingValue(pointer string) string {
	switch plainPointer(pointer) {
	case "/name":
		return pick(g.sequences, `"n1"`, `"n2"`, `null`, `""`, `"ünï"`, `"`+strings.Repeat("x", 255)+`"`)
	case "/visibility":
		return pick(g.sequences, `"private"`, `"shared"`, `"community"`)
	case "/protected", "/os_hidden":
		return pick(g.sequences, `true`, `false`)
	case "/min_disk", "/min_ram":
		return pick(g.sequences, `0`, `1`, `512`, `128.0`, `1e3`, `2147483647`)
	case "/tags":
		return pick(g.sequences, `[]`, `["a"]`, `["a","b"]`, `["b","c","a"]`, `["a","a","a"]`, `["a/b"," ",""]`, `["é","ü"]`)
	case "/owner":
		return pick(g.sequences, `"PROJECT-demo"`, `"PROJECT-demo"`, `"PROJECT-other"`, `"someone"`, `null`, `""`)
	case "/disk_format":
		return pick(g.sequences, `"raw"`, `"qcow2"`, `null`)
	case "/container_format":
		return pick(g.sequences, `"bare"`, `"ovf"`, `null`)
	case "/kernel_id", "/ramdisk_id":
		return pick(g.sequences, `null`, `"12345678-1234-1234-1234-123456789012"`, `"ABCDEF00-1234-1234-1234-123456789012"`)
	case "/image_id":
		return pick(g.sequences, `"ID"`, `"nope"`, `"`+strings.Repeat("x", 40)+`"`)
	case "/locations":
		return pick(g.sequences, `[]`, `[{"url":"file:///x","metadata":{}}]`)
	case "/locations/-", "/locations/0", "/locations/x":
		return `{"url":"file:///x","metadata":{}}`
	default:
		return pick(g.sequences, `"v1"`, `"v2"`, `""`, `" a\n<b>\t\"&\u0001 "`, `"ünï"`, `"12"`, `"null"`)
	}
}

// assigned draws the requests of an assignment; the last is the one that it is
// about.
func (g *generator) assigned(a assignment) []step {
	return append(g.shrunk(), g.withoutRoom(a)...)
}

// withoutRoom is assigned for an image that has room for properties or needs none.
func (g *generator) withoutRoom(a assignment) []step {
	if a.subject != nil {
		return a.subject.draw(g)
	}
	if len(a.demands) == 1 {
		var before []step
		if a.demands[0].target.withData {
			before = g.filledWithData()
		}
		d := g.draw(a.demands[0])
		if d.before != "" {
			before = append(before, g.patchOf(a.demands[0].dialect, d.before))
		}
		s := g.patchOf(a.demands[0].dialect, d.text)
		s.marks = d.marks
		return append(before, s)
	}
	var operations, marks []string
	for _, one := range a.demands {
		d := g.draw(one)
		if d.before != "" {
			operations = append(operations, d.before)
		}
		operations = append(operations, d.text)
		marks = append(marks, d.marks...)
	}
	s := g.patchOf(a.demands[0].dialect, operations...)
	s.marks, s.countedAt = marks, http.StatusOK
	return []step{s}
}

const (
	// crowded is from how many properties on an image loses some of those that
	// only fill it, before the next request of the plan.
	crowded = 100
	// relieved is how many it loses.
	relieved = 40
)

// shrunk makes room for properties in an image that is near its quota.
func (g *generator) shrunk() []step {
	if len(g.state.properties) < crowded {
		return nil
	}
	var operations []string
	for _, name := range slices.Sorted(maps.Keys(g.state.properties)) {
		if strings.HasPrefix(name, "filler") && len(operations) < relieved {
			operations = append(operations, operation(dialectV21, "remove", quotedPointer(name), ""))
			delete(g.state.properties, name)
		}
	}
	return []step{g.patchOf(dialectV21, operations...)}
}

// filledWithData gives the image data unless it has some.
func (g *generator) filledWithData() []step {
	if g.state.status != "queued" {
		return nil
	}
	formats := g.patchOf(dialectV21, operation(dialectV21, "add", `"/disk_format"`, `"raw"`), operation(dialectV21, "add", `"/container_format"`, `"bare"`))
	return []step{formats, upload("admin")}
}

func upload(user string) step {
	return step{user: user, method: http.MethodPut, path: "/v2/images/ID/file", contentType: "application/octet-stream", body: "data"}
}

// sequenceLength is the number of requests that a sequence aims at. Short ones
// are drawn more often than long ones, for the sake of time.
func (r sequences) sequenceLength() int {
	if r.IntN(3) == 0 {
		return shortestSequence + r.IntN(6)
	}
	return shortestSequence + r.IntN(longestSequence-shortestSequence+1)
}

// plannedShare is how many assignments of the plan a sequence has: so many that
// what prepares them has room, too.
func plannedShare(base uint64, number int) int {
	planned := min(newSequence(base, number).sequenceLength()*7/8, longestSequence-6)
	if isFull(number) {
		return max(0, planned-6)
	}
	return planned
}

func newSequence(base uint64, number int) sequences {
	return sequences{rand.New(rand.NewPCG(base, uint64(number)))}
}

// share cuts a sequence's part out of the plan, which the sequences of a base
// seed go through in the order of their numbers, again and again.
func share(plan []assignment, base uint64, number int) []assignment {
	start := 0
	for n := range number {
		start += plannedShare(base, n)
	}
	out := make([]assignment, plannedShare(base, number))
	for i := range out {
		out[i] = plan[(start+i)%len(plan)]
	}
	return out
}

// subject is a kind of request that is no cell of the matrix.
type subject struct {
	name string
	// status is the one with which it counts, or 0 for any.
	status int
	steps  func(g *generator) []step
}

// draw gives the last request of a subject its mark.
func (s *subject) draw(g *generator) []step {
	steps := s.steps(g)
	last := &steps[len(steps)-1]
	last.marks, last.countedAt = []string{s.name}, s.status
	return steps
}

var subjects = slices.Concat(valueSubjects(), formSubjects(), mediaTypeSubjects(), tagQuotaSubjects(), otherSubjects())

// eitherDialect makes a subject that does not depend on the dialect.
func eitherDialect(name string, status int, steps func(g *generator, d dialect) []step) subject {
	return subject{name, status, func(g *generator) []step { return steps(g, pick(g.sequences, dialectV20, dialectV21)) }}
}

// bothDialects makes a subject for each dialect.
func bothDialects(name string, status int, steps func(g *generator, d dialect) []step) []subject {
	var out []subject
	for _, d := range []dialect{dialectV20, dialectV21} {
		out = append(out, subject{fmt.Sprintf("%s %s", d, name), status, func(g *generator) []step { return steps(g, d) }})
	}
	return out
}

// valueSubjects are values of every type for a property, and those that an
// attribute does not take.
func valueSubjects() []subject {
	var out []subject
	for _, kind := range []struct {
		name   string
		status int
		values []string
	}{
		{"null", 400, []string{`null`}},
		{"number", 400, []string{`1`, `-1`, `1.5`, `NaN`, `1e3`}},
		{"boolean", 400, []string{`true`, `false`}},
		{"list", 400, []string{`[]`, `["a"]`, `[{"a":[1]}]`}},
		{"object", 400, []string{`{}`, `{"a":1}`, `{"b":{"a":null}}`}},
		{"four-byte characters", 400, []string{`"😀"`, `"a\ud83d\ude00b"`}},
		{"half a character", 500, []string{`"\ud800"`, `"x\udc00"`}},
		{"long text", 200, []string{`"` + strings.Repeat("long ", 2000) + `"`}},
	} {
		out = append(out, eitherDialect("value: "+kind.name, kind.status, func(g *generator, d dialect) []step {
			one := g.draw(demand{dialect: d, op: "add", target: plainMissing})
			var before []step
			if one.before != "" {
				before = append(before, g.patchOf(d, one.before))
			}
			start, _, _ := strings.Cut(one.text, `"value":`)
			return append(before, g.patchOf(d, start+`"value":`+pick(g.sequences, kind.values...)+"}"))
		}))
	}
	for _, kind := range []struct {
		name     string
		pointers []string
		values   []string
	}{
		{"name", []string{`"/name"`}, []string{`1`, `[]`, `"😀"`, `"` + strings.Repeat("x", 256) + `"`}},
		{"size", []string{`"/min_disk"`, `"/min_ram"`}, []string{`-1`, `-1.0`, `1.5`, `2147483648`, `99999999999999999999999`, `"1"`, `null`, `true`, `NaN`}},
		{"switch", []string{`"/protected"`, `"/os_hidden"`}, []string{`"true"`, `null`, `0`, `1`}},
		{"visibility", []string{`"/visibility"`}, []string{`"nope"`, `null`, `1`, `"Private"`}},
		{"tags", []string{`"/tags"`}, []string{`null`, `"a"`, `["a",1]`, `["😀"]`, `{}`, `["` + strings.Repeat("x", 256) + `"]`}},
		{"nullable property", []string{`"/kernel_id"`, `"/ramdisk_id"`}, []string{`"x"`, `1`, `""`, `"12345678-1234-1234-1234-12345678901"`}},
		{"listed value", []string{`"/cinder_encryption_key_deletion_policy"`, `"/disk_format"`, `"/container_format"`}, []string{`"x"`, `1`}},
	} {
		out = append(out, eitherDialect("refused value: "+kind.name, 400, func(g *generator, d dialect) []step {
			op := "replace"
			pointer := pick(g.sequences, kind.pointers...)
			if d == dialectV21 && g.IntN(2) == 0 {
				op = "add"
			}
			return []step{g.patchOf(d, operation(d, op, pointer, pick(g.sequences, kind.values...)))}
		}))
	}
	return out
}

// formSubjects are bodies and operations that are not what a patch has to be.
func formSubjects() []subject {
	var out []subject
	for _, body := range []struct {
		name   string
		status int
		texts  []string
	}{
		{"empty list", 200, []string{`[]`, ` [ ] `}},
		{"object", 400, []string{`{}`, `{"op":"add","path":"/foo","value":"x"}`, `{"add":"/foo","value":"x"}`}},
		{"scalar", 400, []string{`null`, `1`, `"x"`, `true`}},
		{"broken JSON", 400, []string{`{`, `[] x`, `[{"op":"add",}]`, `['a']`}},
		{"nothing", 400, []string{``}},
		{"member that is no object", 400, []string{`["x"]`, `[[]]`, `[null]`, `[1e999]`}},
	} {
		out = append(out, eitherDialect("body: "+body.name, body.status, func(g *generator, d dialect) []step {
			s := g.patchOf(d)
			s.body = pick(g.sequences, body.texts...)
			return []step{s}
		}))
	}
	for _, op := range []string{"add", "replace"} {
		out = append(out, bothDialects("body: "+op+" without a value", 400, func(g *generator, d dialect) []step {
			return []step{g.patchOf(d, operation(d, op, pick(g.sequences, `"/foo"`, `"/name"`, `"/nope"`, `"/tags"`), ""))}
		})...)
	}
	out = append(out, bothDialects("body: members that nobody asked for", 200, func(g *generator, d dialect) []step {
		text := operation(d, "replace", `"/name"`, `"n"`)
		return []step{g.patchOf(d, strings.Replace(text, "{", pick(g.sequences, `{"from":"/x",`, `{"x":1,`, `{"value":1,`), 1))}
	})...)
	for name, texts := range map[string][]string{
		"v2.1 test":            {`"op":"test"`},
		"v2.1 move":            {`"op":"move","from":"/bar"`},
		"v2.1 copy":            {`"op":"copy","from":"/bar"`},
		"v2.1 unknown":         {`"op":"nope"`, `"op":"ADD"`, `"op":""`, `"op":"add "`},
		"v2.1 no string":       {`"op":1`, `"op":true`, `"op":["add"]`, `"op":{"a":1}`, `"op":null`},
		"v2.1 none":            {`"x":"add"`},
		"v2.1 written as v2.0": {`"add":"/foo"`, `"remove":"/foo"`, `"replace":"/foo"`},
		"v2.0 written as v2.1": {`"op":"add"`, `"op":"remove"`, `"op":"replace"`},
		"v2.0 none":            {`"x":"/foo"`, `"test":"/foo"`},
		"v2.0 two at once":     {`"add":"/foo","remove":"/foo"`, `"replace":"/foo","add":"/bar"`, `"replace":"/foo","remove":"/bar"`},
	} {
		d := dialectV21
		if strings.HasPrefix(name, "v2.0") {
			d = dialectV20
		}
		out = append(out, subject{"operation: " + name, 400, func(g *generator) []step {
			return []step{g.patchOf(d, "{"+pick(g.sequences, texts...)+`,"path":"/foo","value":"x"}`)}
		}})
	}
	// The order of a map must not show in the plan.
	slices.SortFunc(out, func(a, b subject) int { return strings.Compare(a.name, b.name) })
	return out
}

// mediaTypeSubjects are the types that a PATCH can announce.
func mediaTypeSubjects() []subject {
	var out []subject
	for _, kind := range []struct {
		name   string
		status int
		types  []string
	}{
		{"JSON", 415, []string{"application/json", "application/json;charset=UTF-8"}},
		{"JSON Patch of RFC 6902", 415, []string{"application/json-patch+json"}},
		{"another version", 415, []string{"application/openstack-images-v2.2-json-patch", strings.ToUpper(mediaTypeV21)}},
		{"text", 415, []string{"text/plain"}},
		{"none", 415, []string{""}},
		{"with a parameter", 200, []string{mediaTypeV21 + "; charset=utf-8", mediaTypeV21 + ";x=y"}},
	} {
		out = append(out, subject{"media type: " + kind.name, kind.status, func(g *generator) []step {
			s := g.patchOf(dialectV21, operation(dialectV21, "replace", `"/name"`, `"n"`))
			s.contentType = pick(g.sequences, kind.types...)
			return []step{s}
		}})
	}
	return out
}

// fullEvery is how many sequences there are to one whose image is created with
// nearly as many properties as it may have. They start with the subjects of the
// property quota, in a dialect each in turn. A patch that fills an empty image
// would do as well, but takes Glance a second.
const fullEvery = 16

// isFull tells whether a sequence is one of those.
func isFull(number int) bool {
	return number%fullEvery == fullEvery/2 || number%fullEvery == fullEvery/2+1
}

// fullCreate makes an image that is nearly full.
func (g *generator) fullCreate() step {
	properties := map[string]string{"foo": "one"}
	for i := len(properties); i < defaultQuota-g.IntN(3); i++ {
		properties[fmt.Sprintf("filler%03d", i)] = "x"
	}
	encoded, err := json.Marshal(properties)
	if err != nil {
		panic(err)
	}
	return step{user: "demo", method: http.MethodPost, path: "/v2/images", contentType: "application/json", body: string(encoded)}
}

// propertyQuotaSubjects go up to the quota of properties and beyond. They come
// one after the other.
func propertyQuotaSubjects(d dialect) []subject {
	fill := func(total int) func(g *generator) []step {
		return func(g *generator) []step {
			operations := []string{operation(d, "replace", `"/name"`, `"n"`)}
			for i := len(g.state.properties); i < total; i++ {
				operations = append(operations, operation(d, "add", quotedPointer(fmt.Sprintf("filler %03d", i)), `"x"`))
			}
			return []step{g.patchOf(d, operations...)}
		}
	}
	return []subject{
		{fmt.Sprintf("%s quota: properties, beyond", d), http.StatusRequestEntityTooLarge, fill(defaultQuota + 2)},
		{fmt.Sprintf("%s quota: properties, as many as allowed", d), http.StatusOK, fill(defaultQuota)},
		{fmt.Sprintf("%s quota: properties, one more", d), http.StatusRequestEntityTooLarge, fill(defaultQuota + 1)},
		{fmt.Sprintf("%s quota: properties, one exchanged for another", d), http.StatusOK, func(g *generator) []step {
			return []step{g.patchOf(d, operation(d, "remove", `"/foo"`, ""), operation(d, "add", `"/bar"`, `"x"`))}
		}},
	}
}

// tagQuotaSubjects go up to the quota of tags and beyond.
func tagQuotaSubjects() []subject {
	tags := func(g *generator, d dialect, total int) step {
		list := make([]string, total)
		for i := range list {
			list[i] = fmt.Sprintf("tag%03d", i)
		}
		encoded, err := json.Marshal(list)
		if err != nil {
			panic(err)
		}
		return g.patchOf(d, operation(d, "replace", `"/tags"`, string(encoded)))
	}
	return append(
		bothDialects("quota: tags, beyond", http.StatusRequestEntityTooLarge, func(g *generator, d dialect) []step {
			return []step{tags(g, d, defaultQuota+1+g.IntN(3))}
		}),
		subject{"quota: tags, one more than as many as allowed", http.StatusRequestEntityTooLarge, func(g *generator) []step {
			return []step{tags(g, pick(g.sequences, dialectV20, dialectV21), defaultQuota),
				{user: g.writer(), method: http.MethodPut, path: "/v2/images/ID/tags/another"}}
		}})
}

// otherSubjects are reads, the requests of the tag API, and requests of nobody.
func otherSubjects() []subject {
	show := func(user string) func(*generator) []step {
		return func(*generator) []step { return []step{{user: user, method: http.MethodGet, path: "/v2/images/ID"}} }
	}
	var out []subject
	for _, user := range []string{"demo", "other", "reader", "admin"} {
		out = append(out, subject{"read by " + user, 0, show(user)}, subject{"read in a list by " + user, 200, func(*generator) []step {
			return []step{{user: user, method: http.MethodGet, path: "/v2/images?id=ID"}}
		}})
	}
	for _, user := range []string{"nobody", ""} {
		out = append(out, subject{fmt.Sprintf("read with the token of %q", user), 401, show(user)},
			subject{fmt.Sprintf("patch with the token of %q", user), 401, func(g *generator) []step {
				s := g.patchOf(dialectV21, operation(dialectV21, "replace", `"/name"`, `"n"`))
				s.user = user
				return []step{s}
			}})
	}
	tag := func(method, name string) func(g *generator) []step {
		return func(g *generator) []step {
			return []step{{user: g.writer(), method: method, path: "/v2/images/ID/tags/" + name}}
		}
	}
	return append(out,
		subject{"tag API: put", 204, func(g *generator) []step {
			return append([]step{g.patchOf(dialectV21, operation(dialectV21, "replace", `"/tags"`, `["a"]`))},
				tag(http.MethodPut, pick(g.sequences, "a", "b", "a%20b", "%C3%A9"))(g)...)
		}},
		subject{"tag API: put of a long tag", 400, tag(http.MethodPut, strings.Repeat("x", 256))},
		subject{"tag API: delete", 204, func(g *generator) []step {
			return append([]step{g.patchOf(dialectV21, operation(dialectV21, "replace", `"/tags"`, `["a","b"]`))}, tag(http.MethodDelete, "a")(g)...)
		}},
		subject{"tag API: delete of a missing tag", 404, tag(http.MethodDelete, "missing")},
		subject{"read of another image", 404, func(g *generator) []step {
			return []step{{user: g.writer(), method: http.MethodGet, path: "/v2/images/" + pick(g.sequences, "nope", "12345678-1234-1234-1234-123456789012")}}
		}},
		subject{"patch of another image", 404, func(g *generator) []step {
			s := g.patchOf(dialectV21, operation(dialectV21, "replace", `"/name"`, `"n"`))
			s.path = "/v2/images/" + pick(g.sequences, "nope", "12345678-1234-1234-1234-123456789012")
			return []step{s}
		}},
		subject{"patch by a stranger", 0, func(g *generator) []step {
			s := g.patchOf(dialectV21, operation(dialectV21, "replace", `"/name"`, `"n"`))
			s.user = pick(g.sequences, "other", "reader")
			return []step{s}
		}},
	)
}
