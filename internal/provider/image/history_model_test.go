package image_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
	"github.com/imageops/terraform-provider-imageops/internal/simulator"
)

// The model of the random histories. It says what an image must be, and what
// the resource must remember, from the documented behaviour alone; it shares no
// code with the provider. Values are JSON texts, and absent is no text.

const absentValue = ""

// historyDocument is an image, or a part of one: values by pointer, one per tag.
type historyDocument map[string]string

// The alphabets are small, so that keys and values meet.
var (
	historyProperties = []string{"k0", "k1", "k2", "k3"}
	historySecrets    = []string{"s0", "s1"}
	historyTags       = []string{"t0", "t1", "t2"}
	historyValues     = []string{`"v0"`, `"v1"`, `"v2"`}
	secretValues      = []string{`"secret-a"`, `"secret-b"`, `"secret-c"`}
	historyTyped      = []historyAttribute{
		{name: "name", key: "name", core: true, values: []string{`"first"`, `"second"`}},
		{name: "min_ram", key: "min_ram", core: true, values: []string{"0", "512"}},
		{name: "hidden", key: "os_hidden", core: true, values: []string{"false", "true"}},
		{name: "hw_firmware_type", key: "hw_firmware_type", values: []string{`"bios"`, `"uefi"`}},
		{name: "hw_vif_multiqueue_enabled", key: "hw_vif_multiqueue_enabled", values: []string{`"true"`, `"false"`}},
	}
)

// historyAttribute is an attribute of the resource with a name of its own.
type historyAttribute struct {
	name, key string
	core      bool
	values    []string // on the wire
}

func attributeNamed(name string) historyAttribute {
	i := slices.IndexFunc(historyTyped, func(a historyAttribute) bool { return a.name == name })
	return historyTyped[i]
}

const tagRoot = "/tags/"

func isTag(p string) bool { return strings.HasPrefix(p, tagRoot) }

// isCustom says whether a pointer is something that can be removed.
func isCustom(p string) bool {
	return !slices.ContainsFunc(historyTyped, func(a historyAttribute) bool { return a.core && "/"+a.key == p })
}

// canReturn says whether the image service takes back a value that it shows.
func canReturn(value string) bool { return value != "null" }

// from adds an image as the simulator has it.
func (d historyDocument) from(members map[string]any) historyDocument {
	for name, member := range members {
		if name == "updated_at" {
			continue
		}
		if name == "tags" {
			tags, _ := member.([]any)
			for _, tag := range tags {
				d[fmt.Sprint(tagRoot, tag)] = jsonText(tag)
			}
			continue
		}
		d["/"+name] = jsonText(member)
	}
	return d
}

func jsonText(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// differences lists what differs between two documents.
func (d historyDocument) differences(other historyDocument) []string {
	var lines []string
	for _, p := range slices.Sorted(maps.Keys(union(d, other))) {
		if d[p] != other[p] {
			lines = append(lines, fmt.Sprintf("%s is %s, want %s", p, valueText(d[p]), valueText(other[p])))
		}
	}
	return lines
}

func union(a, b historyDocument) historyDocument {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

func valueText(v string) string {
	if v == absentValue {
		return "(absent)"
	}
	return v
}

// historyConfig is a configuration of the resource.
type historyConfig struct {
	image      int
	properties map[string]string // absentValue stands for a null element
	sensitive  map[string]string
	typed      map[string]string
	tags       []string
	hasTags    bool
	exclusive  bool
	onDestroy  string // "" is not given
	onConflict string
}

func (c historyConfig) clone() historyConfig {
	c.properties, c.sensitive, c.typed = maps.Clone(c.properties), maps.Clone(c.sensitive), maps.Clone(c.typed)
	c.tags = slices.Clone(c.tags)
	return c
}

// want is what every named pointer is to hold.
func (c historyConfig) want() historyDocument {
	want := historyDocument{}
	for key, value := range c.properties {
		want["/"+key] = value
	}
	for key, value := range c.sensitive {
		want["/"+key] = value
	}
	for name, value := range c.typed {
		want["/"+attributeNamed(name).key] = value
	}
	for _, tag := range c.tags {
		want[tagRoot+tag] = jsonText(tag)
	}
	return want
}

// object is the configuration as terraform gives it to the provider.
func (c historyConfig) object(images []string) object {
	members := object{"image_id": images[c.image]}
	for name, from := range map[string]map[string]string{"properties": c.properties, "sensitive_properties": c.sensitive} {
		if len(from) == 0 {
			continue
		}
		elements := object{}
		for key, value := range from {
			elements[key] = nil
			if value != absentValue {
				elements[key] = textIn(value)
			}
		}
		members[name] = elements
	}
	for name, value := range c.typed {
		var decoded any
		if err := json.Unmarshal([]byte(value), &decoded); err != nil {
			panic(err)
		}
		switch name {
		case "min_ram":
			decoded = int64(decoded.(float64))
		case "hw_vif_multiqueue_enabled":
			decoded = decoded == "true"
		}
		members[name] = decoded
	}
	if c.hasTags {
		tags := []any{}
		for _, tag := range c.tags {
			tags = append(tags, tag)
		}
		members["tags"] = tags
	}
	if c.exclusive {
		members["tags_exclusive"] = true
	}
	if c.onDestroy != "" {
		members["on_destroy"] = c.onDestroy
	}
	if c.onConflict != "" {
		members["on_conflict"] = c.onConflict
	}
	return members
}

func textIn(value string) string {
	var text string
	if err := json.Unmarshal([]byte(value), &text); err != nil {
		panic(err)
	}
	return text
}

// String writes the configuration for the trace of a history.
func (c historyConfig) String() string {
	members := c.object([]string{"A", "B", "C"})
	return jsonText(members)
}

func (c historyConfig) rule() string { return orElse(c.onDestroy, "restore") }

func (c historyConfig) overwrites() bool { return c.onConflict == "overwrite" }

func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// historyEdit changes the configuration.
type historyEdit struct{ what, key, value string }

func (e historyEdit) String() string { return strings.TrimSpace(e.what + " " + e.key + " " + e.value) }

func drawEdit(random *rand.Rand) historyEdit {
	switch n := random.IntN(100); {
	case n < 34:
		return historyEdit{"property", pick(random, historyProperties), pick(random, append(slices.Clone(historyValues), "null", "drop", "drop"))}
	case n < 46:
		return historyEdit{"sensitive", pick(random, historySecrets), pick(random, append(slices.Clone(secretValues), "null", "drop"))}
	case n < 64:
		a := pick(random, historyTyped)
		return historyEdit{"typed", a.name, pick(random, append(slices.Clone(a.values), "drop"))}
	case n < 78:
		return historyEdit{"tag", pick(random, historyTags), pick(random, []string{"add", "add", "drop", "none"})}
	case n < 84:
		return historyEdit{"exclusive", "", pick(random, []string{"true", "false"})}
	case n < 90:
		return historyEdit{"image", "", pick(random, []string{"0", "1", "2"})}
	case n < 95:
		return historyEdit{"on_destroy", "", pick(random, []string{"", "restore", "remove", "keep"})}
	default:
		return historyEdit{"on_conflict", "", pick(random, []string{"", "fail", "overwrite", "overwrite"})}
	}
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// edit returns the configuration after an edit. One that would be refused is
// completed to one that is not.
func (c historyConfig) edit(e historyEdit) historyConfig {
	c = c.clone()
	put := func(m map[string]string) {
		switch e.value {
		case "drop":
			delete(m, e.key)
		case "null":
			m[e.key] = absentValue
		default:
			m[e.key] = e.value
		}
	}
	switch e.what {
	case "property":
		put(c.properties)
	case "sensitive":
		put(c.sensitive)
	case "typed":
		put(c.typed)
	case "tag":
		c.tags = slices.DeleteFunc(c.tags, func(tag string) bool { return tag == e.key || e.value == "none" })
		c.hasTags = e.value != "none"
		if e.value == "add" {
			c.tags = append(c.tags, e.key)
			slices.Sort(c.tags)
		}
	case "exclusive":
		c.exclusive = e.value == "true"
	case "image":
		c.image = int(e.value[0] - '0')
	case "on_destroy":
		c.onDestroy = e.value
	case "on_conflict":
		c.onConflict = e.value
	}
	c.hasTags = c.hasTags || c.exclusive
	if len(c.want()) == 0 && !c.exclusive {
		c.properties["k0"] = historyValues[0]
	}
	return c
}

// outsideWrite is what a colleague does to an image.
type outsideWrite struct {
	image          int // relative to the configured one
	pointer, value string
}

func (w outsideWrite) String() string {
	return fmt.Sprintf("image+%d %s=%s", w.image, w.pointer, valueText(w.value))
}

func drawOutside(random *rand.Rand) outsideWrite {
	w := outsideWrite{}
	if random.IntN(8) == 0 {
		w.image = 1 + random.IntN(2)
	}
	switch n := random.IntN(100); {
	case n < 45:
		w.pointer, w.value = "/"+pick(random, historyProperties), pick(random, append(slices.Clone(historyValues), absentValue))
	case n < 57:
		w.pointer, w.value = "/"+pick(random, historySecrets), pick(random, append(slices.Clone(secretValues), absentValue))
	case n < 75:
		a := pick(random, historyTyped)
		values := a.values
		if !a.core {
			values = append(slices.Clone(values), absentValue)
		}
		w.pointer, w.value = "/"+a.key, pick(random, values)
	default:
		tag := pick(random, historyTags)
		w.pointer, w.value = tagRoot+tag, pick(random, []string{jsonText(tag), absentValue})
	}
	return w
}

// carryOut writes to the simulator past the provider.
func (w outsideWrite) carryOut(s *simulator.Simulator, id string) error {
	d := historyDocument{}.from(s.Document(id))
	if isTag(w.pointer) {
		d[w.pointer] = w.value
		tags := []string{}
		for _, p := range slices.Sorted(maps.Keys(d)) {
			if isTag(p) && d[p] != absentValue {
				tags = append(tags, strings.TrimPrefix(p, tagRoot))
			}
		}
		return s.WriteImage(id, map[string]any{"tags": tags})
	}
	name := strings.TrimPrefix(w.pointer, "/")
	if w.value == absentValue {
		return s.WriteImage(id, map[string]any{name: simulator.Absent{}})
	}
	var value any
	decoder := json.NewDecoder(strings.NewReader(w.value))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	return s.WriteImage(id, map[string]any{name: value})
}

// taken is what was written to a pointer, and what was found there first.
type taken struct{ wrote, found string }

// ledger is what a resource has taken over, by pointer.
type ledger map[string]taken

func (l ledger) String() string {
	var lines []string
	for _, p := range slices.Sorted(maps.Keys(l)) {
		lines = append(lines, fmt.Sprintf("%s wrote %s found %s", p, valueText(l[p].wrote), valueText(l[p].found)))
	}
	return strings.Join(lines, "; ")
}

// read adds the entries of a restore_patch.
func (l ledger) read(text string) (ledger, error) {
	var operations []struct {
		Op    string
		Path  string
		Value json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &operations); err != nil {
		return nil, fmt.Errorf("restore_patch %s: %w", text, err)
	}
	for i := 0; i < len(operations); i++ {
		entry := taken{}
		o := operations[i]
		if o.Op == "test" {
			entry.wrote = string(o.Value)
			i++
			if i == len(operations) || operations[i].Path != o.Path || operations[i].Op == "test" {
				return nil, fmt.Errorf("restore_patch %s: a test of %s without its operation", text, o.Path)
			}
			o = operations[i]
		}
		if o.Op != "remove" {
			entry.found = string(o.Value)
		}
		if _, twice := l[o.Path]; twice {
			return nil, fmt.Errorf("restore_patch %s: %s comes twice", text, o.Path)
		}
		l[o.Path] = entry
	}
	return l, nil
}

// gives says whether an on_destroy rule gives an entry back, given what the
// image holds.
func (e taken) gives(rule, p, now string) bool {
	if now != e.wrote || e.wrote == e.found || !canReturn(e.found) {
		return false
	}
	switch rule {
	case "keep":
		return false
	case "remove":
		return e.found == absentValue && isCustom(p)
	default:
		return true
	}
}

// historyState is a state of the resource, decoded.
type historyState struct {
	image      string
	named      historyDocument // what is named, with what it held at the last look
	exclusive  bool
	onDestroy  string
	record     ledger
	planned    string
	changes    []string
	restore    string
	secretText string
}

// owns says whether the state names a pointer.
func (s *historyState) owns(p string) bool {
	_, named := s.named[p]
	return named || (s.exclusive && isTag(p))
}

// stateOf decodes a state; unknown attributes stay empty.
func stateOf(v tftypes.Value) (*historyState, error) {
	var members map[string]tftypes.Value
	if err := v.As(&members); err != nil {
		return nil, err
	}
	text := func(name string) string {
		var s string
		if m := members[name]; m.IsKnown() && !m.IsNull() {
			_ = m.As(&s)
		}
		return s
	}
	s := &historyState{image: text("image_id"), named: historyDocument{}, onDestroy: text("on_destroy"), record: ledger{}, planned: text("planned_patch"),
		restore: text("restore_patch"), secretText: text("sensitive_restore_patch")}
	_ = members["tags_exclusive"].As(&s.exclusive)
	for _, a := range historyTyped {
		m := members[a.name]
		if m.IsNull() || !m.IsKnown() {
			continue
		}
		s.named["/"+a.key] = scalarText(a.name, m)
	}
	for _, name := range []string{"properties", "sensitive_properties"} {
		var elements map[string]tftypes.Value
		if members[name].IsNull() || members[name].As(&elements) != nil {
			continue
		}
		for key, element := range elements {
			s.named["/"+key] = scalarText(key, element)
		}
	}
	for _, list := range []string{"tags", "planned_changes"} {
		var elements []tftypes.Value
		if m := members[list]; m.IsNull() || !m.IsKnown() || m.As(&elements) != nil {
			continue
		}
		for _, element := range elements {
			var text string
			_ = element.As(&text)
			if list == "tags" {
				s.named[tagRoot+text] = jsonText(text)
			} else {
				s.changes = append(s.changes, text)
			}
		}
	}
	for _, text := range []string{s.restore, s.secretText} {
		if text == "" {
			continue
		}
		if _, err := s.record.read(text); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func scalarText(name string, v tftypes.Value) string {
	if v.IsNull() {
		return absentValue
	}
	switch {
	case v.Type().Is(tftypes.Bool):
		var b bool
		_ = v.As(&b)
		if name == "hw_vif_multiqueue_enabled" {
			return jsonText(fmt.Sprint(b))
		}
		return jsonText(b)
	case v.Type().Is(tftypes.Number):
		return rules.Text(v)
	default:
		var s string
		_ = v.As(&s)
		return jsonText(s)
	}
}

// journey says how an apply gets from the state to the image.
type journey int

const (
	creating   journey = iota // nothing is in state
	updating                  // the image stays the same
	moving                    // image_id changes in place
	succeeding                // a create that a replaced resource handed its record to
)

// expectation is what an apply has to make of an image.
type expectation struct {
	journey journey
	config  historyConfig
	want    historyDocument // with the other tags of an exclusive set
	before  historyDocument // the image when the apply begins
	after   historyDocument // the image when it has succeeded
	touched map[string]bool // what it may write
	former  ledger          // what the resource, or the one it succeeds, has taken over
	ledger  ledger          // what it has taken over after success
	// loose are pointers that may or may not join the ledger.
	loose map[string]bool
	// conflicts are pointers that hold neither what the plan saw nor what is wanted.
	conflicts []string
	// replans says that the second plan of the apply may differ from the first,
	// because it is made from a new look at the image; changed that it has to.
	replans, changed bool
	// silent says that only settings change, which are sent nowhere.
	silent bool
}

// expect works out what an apply of config must do. seen is the image as the
// plan knew it, now as the apply finds it. prior is the state that the plan
// started from, nil for a create.
func expect(j journey, config historyConfig, prior *historyState, former ledger, seen, now historyDocument) *expectation {
	e := &expectation{journey: j, config: config, before: now, after: maps.Clone(now), touched: map[string]bool{}, former: former, ledger: ledger{}, loose: map[string]bool{}}
	e.want = config.want()
	if config.exclusive {
		for p := range union(seen, now) {
			if _, named := e.want[p]; !named && isTag(p) {
				e.want[p] = absentValue
			}
		}
	}
	e.silent = j == updating && prior.exclusive == config.exclusive && maps.Equal(prior.named, config.want())
	for p := range former {
		e.silent = e.silent && e.owns(p) // What a replacement has left is given back.
	}
	for p, value := range e.want {
		// Both plans of a create print "(sensitive)" for whatever was found, so
		// nobody can tell that another value came in between.
		if now[p] != seen[p] && now[p] != value && (j == updating || !strings.HasPrefix(p, "/s")) {
			e.conflicts = append(e.conflicts, p)
		}
		e.changed = e.changed || now[p] != seen[p]
		e.set(p, value)
	}
	slices.Sort(e.conflicts)
	if config.hasTags {
		for p := range union(seen, now) {
			// The planned patch shows the whole list of tags.
			e.replans = e.replans || isTag(p) && seen[p] != now[p]
		}
	}
	e.replans = e.replans || e.changed
	for p, entry := range former {
		if e.owns(p) {
			wrote, wanted := e.want[p]
			if !wanted {
				wrote = entry.wrote
			}
			e.ledger[p] = taken{wrote: wrote, found: entry.found}
			continue
		}
		if j == succeeding {
			e.ledger[p] = entry // Nobody's, but not forgotten.
			continue
		}
		if entry.gives(config.rule(), p, now[p]) {
			e.set(p, entry.found)
		}
	}
	for p, value := range e.want {
		_, had := former[p]
		_, named := e.config.want()[p]
		if had || e.silent || !named && now[p] == absentValue {
			continue
		}
		if prior != nil && prior.owns(p) {
			if isTag(p) && prior.exclusive {
				continue // Drift of a set that is owned whole.
			}
			if now[p] == value {
				continue // Adopted, and still not written.
			}
			if seen[p] == value {
				e.loose[p] = true // The plan saw no write, so its record is known without it.
			}
		}
		e.ledger[p] = taken{wrote: value, found: now[p]}
	}
	return e
}

func (e *expectation) set(p, value string) {
	if e.silent {
		return
	}
	if e.before[p] != value {
		e.touched[p] = true
	}
	if value == absentValue {
		delete(e.after, p)
		return
	}
	e.after[p] = value
}

func (e *expectation) owns(p string) bool {
	_, named := e.want[p]
	return named || (e.config.exclusive && isTag(p))
}

// differsFrom compares a record with the expected one.
func (l ledger) differsFrom(want ledger, loose map[string]bool) []string {
	var lines []string
	both := map[string]bool{}
	for p := range l {
		both[p] = true
	}
	for p := range want {
		both[p] = true
	}
	for _, p := range slices.Sorted(maps.Keys(both)) {
		got, has := l[p]
		expected, wanted := want[p]
		switch {
		case loose[p] && has != wanted:
		case !wanted:
			lines = append(lines, fmt.Sprintf("%s is recorded (%v) and was not taken over", p, got))
		case !has:
			lines = append(lines, fmt.Sprintf("%s is not recorded, want found %s", p, valueText(expected.found)))
		case got.found != expected.found:
			lines = append(lines, fmt.Sprintf("%s is recorded as found %s, it was found %s", p, valueText(got.found), valueText(expected.found)))
		case got.wrote != expected.wrote && !isTag(p):
			lines = append(lines, fmt.Sprintf("%s is recorded as written %s, want %s", p, valueText(got.wrote), valueText(expected.wrote)))
		}
	}
	return lines
}
