package simulator

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
)

// The tests named TestAgrees hold the simulator against a running Keystone and
// Glance 25.1: the same requests to both, and the same status, error text and
// stored image expected from both. IMAGEOPS_OPENSTACK names the file that
// describes the installation, in which the Glance of RegionOne has the defaults
// and the one of RegionTwo, if there is one, the rules of secure RBAC.
// IMAGEOPS_OPENSTACK_VARIANT says so if the one of RegionOne is configured
// otherwise.
//
// The sequences share the regions between them. Each has an image of its own and
// 5 to 30 requests, most of which come from a plan that has every case that is
// to be covered, in the order that belongs to the base seed; the rest are random.
// A sequence follows from its seed, which is the base seed and its number, such
// as 1.37, and from nothing else; -agreement.replay repeats one and prints each
// request. After every request an administrator reads both images, so that what
// is stored is compared as well as what is answered. The last act counts what was
// sent and what came back, see agreement_coverage_test.go.

var (
	agreementSequences = flag.Int("agreement.sequences", 500, "sequences of requests to send to both services, over all regions")
	agreementSeed      = flag.Uint64("agreement.seed", 1, "base seed of the sequences")
	agreementReplay    = flag.String("agreement.replay", "", "seed of the one sequence to repeat and print, such as 1.37")
)

// agreementVariants are the configurations of Glance that can be compared.
var agreementVariants = map[string]Options{
	"": {},
	// image_property_quota=4, image_tag_quota=3.
	"quotas": {PropertyQuota: 4, TagQuota: 3},
	// property_protection_file with the rules of protectionRules.
	"protections": {Protections: agreementProtections},
	// enforce_secure_rbac, enforce_new_defaults and enforce_scope.
	"secure-rbac": {Policy: PolicySecureRBAC},
}

var agreementProtections = []PropertyProtection{
	{Pattern: "^secret_.*", Create: []string{"admin"}, Read: []string{"admin"}, Update: []string{"admin"}, Delete: []string{"admin"}},
	{Pattern: "^once_.*", Create: []string{"admin", "member"}, Read: []string{"@"}, Update: []string{"admin"}, Delete: []string{"admin"}},
	{Pattern: "^never$", Create: []string{"!"}, Read: []string{"@"}, Update: []string{"!"}, Delete: []string{"!"}},
	{Pattern: "^blind$", Create: []string{"@"}, Read: []string{"admin"}, Update: []string{"@"}, Delete: []string{"@"}},
	{Pattern: ".*", Create: []string{"@"}, Read: []string{"@"}, Update: []string{"@"}, Delete: []string{"@"}},
}

// cloud is one of the two sides.
type cloud struct {
	t        *testing.T
	regions  int // how many regions share the sequences
	turn     int // which of their sequences is the region's: every regions-th, from this one
	identity string
	image    string
	password string // of the user demo
	tokens   map[string]string
	owners   map[string]string // project id to name
}

// installation is the part of the description of a cloud that the test reads.
type installation struct {
	AuthURL string            `json:"auth_url"`
	Regions map[string]string `json:"regions"`
	Users   map[string]struct {
		Name       string `json:"name"`
		Password   string `json:"password"`
		DomainName string `json:"domain_name"`
		Project    string `json:"project"`
	} `json:"users"`
}

// compareClouds runs a comparison for every region with an image service, all of
// them at the same time.
func compareClouds(t *testing.T, compare func(t *testing.T, actual, simulated *cloud)) {
	t.Helper()
	path := os.Getenv("IMAGEOPS_OPENSTACK")
	if path == "" {
		t.Skip("no OpenStack to compare with: IMAGEOPS_OPENSTACK does not name a description of one")
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var in installation
	if err := json.Unmarshal(content, &in); err != nil {
		t.Fatal(err)
	}
	options, ok := agreementVariants[os.Getenv("IMAGEOPS_OPENSTACK_VARIANT")]
	if !ok {
		t.Fatalf("unknown variant %q", os.Getenv("IMAGEOPS_OPENSTACK_VARIANT"))
	}
	regional := map[string]Options{RegionOne: options, RegionTwo: {Policy: PolicySecureRBAC}}
	var regions []string
	for _, region := range slices.Sorted(maps.Keys(regional)) {
		if in.Regions[region] != "" {
			regions = append(regions, region)
		}
	}
	for turn, region := range regions {
		options := regional[region]
		t.Run(region, func(t *testing.T) {
			t.Parallel()
			actual := &cloud{t: t, regions: len(regions), turn: turn, identity: in.AuthURL, image: in.Regions[region], password: in.Users["demo"].Password,
				tokens: map[string]string{}, owners: map[string]string{}}
			for _, u := range in.Users {
				actual.signIn(in.AuthURL, u.Name, u.Password, u.DomainName, u.Project)
			}
			compare(t, actual, simulatedCloud(t, options))
		})
	}
}

// simulatedCloud starts a simulator.
func simulatedCloud(t *testing.T, options Options) *cloud {
	t.Helper()
	options.Empty = true
	server := httptest.NewServer(New(options))
	t.Cleanup(server.Close)
	simulated := &cloud{t: t, regions: 1, identity: server.URL + "/identity/v3", image: server.URL + "/image", password: "demo-password",
		tokens: map[string]string{}, owners: map[string]string{}}
	for name, account := range New(Options{}).Describe("").Accounts {
		simulated.signIn(simulated.identity, name, account.Password, "Default", account.ProjectName)
	}
	return simulated
}

// signInClient uses no connection twice: a POST on one that the server is about
// to close ends without an answer, which says nothing about either side.
var signInClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// postSignIn sends a sign-in. Keystone's workers now and then close a connection
// without an answer, which says nothing about either side; a sign-in too many does
// no harm.
func postSignIn(authURL, body string) (response *http.Response, err error) {
	for range 3 {
		if response, err = signInClient.Post(authURL+"/auth/tokens", "application/json", strings.NewReader(body)); err == nil {
			return response, nil
		}
	}
	return nil, err
}

func (c *cloud) signIn(authURL, user, password, domain, project string) {
	c.t.Helper()
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":%q,"password":%q,"domain":{"name":%q}}}},
		"scope":{"project":{"name":%q,"domain":{"name":%q}}}}}`, user, password, domain, project, domain)
	response, err := postSignIn(authURL, body)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var out struct {
		Token struct {
			Project struct{ ID, Name string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil || response.StatusCode != http.StatusCreated {
		c.t.Fatalf("signing %s in: %s %v", user, response.Status, err)
	}
	c.tokens[user] = response.Header.Get("X-Subject-Token")
	c.owners[out.Token.Project.ID] = out.Token.Project.Name
}

// step is one request of a sequence. ID in the path stands for the image.
type step struct {
	user        string
	method      string
	path        string
	contentType string
	body        string
	// marks name what the request covers, if it is answered with countedAt or
	// that is 0.
	marks     []string
	countedAt int
}

func (s step) String() string {
	return fmt.Sprintf("%s %s %s %s %s", s.user, s.method, s.path, strings.TrimPrefix(s.contentType, "application/openstack-images-"), s.body)
}

// outcome is an answer without what differs between any two installations.
type outcome struct {
	status  int
	message string
	value   any
}

func (o outcome) String() string { return fmt.Sprintf("%d %q %v", o.status, o.message, o.value) }

// equals compares two answers. Where one is missing there is nothing to compare.
func (o outcome) equals(other outcome) bool {
	return o.status != 0 && reflect.DeepEqual(o, other)
}

// send sends one request. Where no answer comes it returns one without a status,
// so that the requests before it are shown.
func (c *cloud) send(s step, id string) outcome {
	none := func(err error) outcome { return outcome{message: fmt.Sprintf("no answer: %v", err)} }
	own := []string{"ID", id}
	for project, name := range c.owners {
		own = append(own, "PROJECT-"+name, project)
	}
	filled := strings.NewReplacer(own...)
	request, err := http.NewRequest(s.method, c.image+filled.Replace(s.path), strings.NewReader(filled.Replace(s.body)))
	if err != nil {
		return none(err)
	}
	request.Header.Set("Accept", "application/json")
	switch token, ok := c.tokens[s.user]; {
	case ok:
		request.Header.Set("X-Auth-Token", token)
	case s.user != "":
		request.Header.Set("X-Auth-Token", "no token of "+s.user)
	}
	if s.contentType != "" {
		request.Header.Set("Content-Type", s.contentType)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return none(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return none(err)
	}
	text := string(body)
	if id != "" {
		text = strings.ReplaceAll(text, id, "ID")
	}
	for owner, name := range c.owners {
		text = strings.ReplaceAll(text, owner, "project "+name)
	}
	out := outcome{status: response.StatusCode}
	if text == "" {
		return out
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&out.value); err != nil {
		out.message = text
		return out
	}
	out.value = withoutTimes(out.value)
	if document, ok := out.value.(map[string]any); ok && document["code"] != nil && document["title"] != nil {
		out.message, _ = document["message"].(string)
		out.message = schemaInError.ReplaceAllString(out.message, "schema${1}: ...\n\nOn")
		out.message = locationNumber.ReplaceAllString(out.message, "ID N from")
		out.value = nil
	}
	return out
}

var (
	// schemaInError is the excerpt from the schema, whose descriptions differ.
	schemaInError  = regexp.MustCompile(`(?s)schema(\[.*?\])?:\n.*\n\nOn`)
	locationNumber = regexp.MustCompile(`ID \d+ from`)
)

// withoutTimes drops times and sorts tags.
func withoutTimes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range []string{"created_at", "updated_at"} {
			delete(v, name)
		}
		for name, e := range v {
			if list, ok := e.([]any); ok && name == "tags" {
				sort.Slice(list, func(i, j int) bool { return fmt.Sprint(list[i]) < fmt.Sprint(list[j]) })
			}
			v[name] = withoutTimes(e)
		}
	case []any:
		for i, e := range v {
			v[i] = withoutTimes(e)
		}
	}
	return v
}

// createOnBoth sends a create to both sides and returns the two ids, or false
// when both refused. The origin tells where the request came from if they differ.
func createOnBoth(t *testing.T, origin string, s step, sides ...*cloud) ([]string, bool) {
	t.Helper()
	var ids []string
	var outcomes []outcome
	for _, side := range sides {
		out := side.send(s, "")
		if document, ok := out.value.(map[string]any); ok {
			id, _ := document["id"].(string)
			ids = append(ids, id)
			for _, name := range []string{"id", "self", "file"} {
				delete(document, name)
			}
		}
		outcomes = append(outcomes, out)
	}
	if !outcomes[0].equals(outcomes[1]) {
		t.Errorf("%s\n  %s\n  real:      %s\n  simulated: %s", origin, s, outcomes[0], outcomes[1])
		return nil, false
	}
	return ids, outcomes[0].status == http.StatusCreated
}

func TestAgreesWithGlanceOnRandomSequences(t *testing.T) {
	base, numbers, err := chosenSequences()
	if err != nil {
		t.Fatal(err)
	}
	seen := newCoverage()
	t.Cleanup(func() { seen.report(t) })
	compareClouds(t, func(t *testing.T, actual, simulated *cloud) {
		compareSequences(t, actual, simulated, seen, base, numbers)
	})
}

// A real service is not at hand everywhere, so that the sequences cover all
// cases is also seen by sending them to two simulators.
func TestSequencesOfTheAgreementCoverAllCases(t *testing.T) {
	t.Parallel()
	seen := newCoverage()
	t.Cleanup(func() { seen.report(t) })
	numbers := make([]int, assertedSequences)
	for n := range numbers {
		numbers[n] = n
	}
	compareSequences(t, simulatedCloud(t, Options{}), simulatedCloud(t, Options{}), seen, 1, numbers)
}

// compareSequences runs those of the sequences that are the region's, one after
// the other: two requests at the same time to one Glance whose database is SQLite
// can wait for each other until one of them fails.
func compareSequences(t *testing.T, actual, simulated *cloud, seen *coverage, base uint64, numbers []int) {
	t.Helper()
	t.Logf("base seed %d, %d sequences over %d regions", base, len(numbers), actual.regions)
	plan := newPlan(base)
	for _, n := range numbers {
		if len(numbers) == 1 || n%actual.regions == actual.turn {
			c := &twoSided{t: t, actual: actual, simulated: simulated, seen: seen, base: base, number: n}
			c.run(plan)
		}
	}
}

// chosenSequences reads the flags: the base seed and the numbers of the
// sequences to run.
func chosenSequences() (uint64, []int, error) {
	if *agreementReplay == "" {
		numbers := make([]int, *agreementSequences)
		for n := range numbers {
			numbers[n] = n
		}
		return *agreementSeed, numbers, nil
	}
	var base uint64
	var number int
	if _, err := fmt.Sscanf(*agreementReplay, "%d.%d", &base, &number); err != nil || number < 0 {
		return 0, nil, fmt.Errorf("-agreement.replay wants a seed such as 1.37, not %q", *agreementReplay)
	}
	return base, []int{number}, nil
}

// twoSided sends one sequence to both sides.
type twoSided struct {
	t                 *testing.T
	actual, simulated *cloud
	seen              *coverage
	base              uint64
	number            int

	ids     []string // of the image in the real service and in the simulator
	draws   *generator
	history []string
	differs bool
}

// queuedCells are what the first patches of the sequences are for, in turn.
var queuedCells = queuedFormat.cells()

func (c *twoSided) run(plan []assignment) {
	c.draws = &generator{sequences: newSequence(c.base, c.number)}
	g := c.draws
	length := g.sequenceLength()
	if !c.create() {
		return
	}
	defer c.forget()
	// Half the number, because neighbours go to different regions.
	first := assignment{demands: []demand{queuedCells[c.number/2%len(queuedCells)]}}
	for _, s := range g.withoutRoom(first) {
		c.send(s)
	}
	if g.IntN(3) > 0 {
		c.send(upload("admin"))
	}
	if isFull(c.number) {
		for _, quota := range propertyQuotaSubjects(dialect(c.number / fullEvery % 2)) {
			c.send(quota.draw(g)[0])
		}
	}
	planned := share(plan, c.base, c.number)
	for len(planned) > 0 && len(c.history) < longestSequence {
		if spare := length - len(c.history) - len(planned); spare > 0 && g.IntN(len(planned)+spare) < spare {
			c.send(g.step())
			continue
		}
		for _, s := range g.assigned(planned[0]) {
			if len(c.history) < longestSequence {
				c.send(s)
			}
		}
		planned = planned[1:]
	}
	c.end(length)
	c.seen.finish(len(c.history))
}

// end fills the sequence up, one in three with a delete and with requests to the
// image that is no more.
func (c *twoSided) end(length int) {
	g := c.draws
	if g.IntN(3) == 0 && len(c.history)+2 <= longestSequence {
		remove := step{user: g.writer(), method: http.MethodDelete, path: "/v2/images/ID"}
		remove.marks = []string{"delete"}
		c.send(remove)
		s := g.patchOf(dialectV21, operation(dialectV21, "replace", `"/name"`, `"n"`))
		s.user, s.marks, s.countedAt = pick(g.sequences, "demo", "admin"), []string{"patch of a deleted image"}, http.StatusNotFound
		c.send(s)
	}
	for len(c.history) < length {
		c.send(g.step())
	}
}

// create makes the image on both sides. If both refuse it as drawn, they get one
// that nothing speaks against.
func (c *twoSided) create() bool {
	drawn := c.draws.create()
	if isFull(c.number) {
		drawn = c.draws.fullCreate()
	}
	plain := step{user: "demo", method: http.MethodPost, path: "/v2/images", contentType: "application/json", body: `{"foo":"one"}`}
	for _, s := range []step{drawn, plain} {
		if *agreementReplay != "" {
			c.t.Log(s)
		}
		ids, ok := createOnBoth(c.t, c.origin(), s, c.actual, c.simulated)
		if ok {
			c.ids = ids
			c.draws.state.learn(c.simulated.send(show, ids[1]))
			return true
		}
	}
	return false
}

// show is the read that tells what is stored.
var show = step{user: "admin", method: http.MethodGet, path: "/v2/images/ID"}

// send sends a request to both sides and then reads the image from both. Once the
// two sides have parted, the rest of the sequence is silent.
func (c *twoSided) send(s step) {
	c.history = append(c.history, s.String())
	if c.differs {
		return
	}
	want := c.actual.send(s, c.ids[0])
	got := c.simulated.send(s, c.ids[1])
	wantAfter, gotAfter := want, got
	if s.method != http.MethodGet {
		wantAfter, gotAfter = c.actual.send(show, c.ids[0]), c.simulated.send(show, c.ids[1])
		c.draws.state.learn(gotAfter)
	}
	if *agreementReplay != "" {
		c.t.Logf("%s\n  real:       %s\n  simulated:  %s\n  real after:      %s\n  simulated after: %s", s, want, got, wantAfter, gotAfter)
	}
	if got.equals(want) && gotAfter.equals(wantAfter) {
		c.seen.count(s, got.status)
		return
	}
	c.differs = true
	c.t.Errorf("%s\n  %s\n  real:      %s\n  simulated: %s\n  real after:      %s\n  simulated after: %s",
		c.origin(), strings.Join(shortened(c.history), "\n  "), want, got, wantAfter, gotAfter)
}

// origin names the sequence and tells how to repeat it.
func (c *twoSided) origin() string {
	name := strings.ReplaceAll(c.t.Name(), "/", "$/^")
	return fmt.Sprintf("sequence %d.%d; again with -run '^%s$' -agreement.replay %d.%d -v", c.base, c.number, name, c.base, c.number)
}

// shortened cuts long requests, which a replay shows in full.
func shortened(history []string) []string {
	var out []string
	for _, line := range history {
		if len(line) > 600 {
			line = line[:600] + "..."
		}
		out = append(out, line)
	}
	return out
}

// forget deletes the image of the real service.
func (c *twoSided) forget() {
	if c.draws.state.protected {
		c.actual.send(step{user: "admin", method: http.MethodPatch, path: "/v2/images/ID", contentType: mediaTypeV21,
			body: `[{"op":"replace","path":"/protected","value":false}]`}, c.ids[0])
	}
	c.actual.send(step{user: "admin", method: http.MethodDelete, path: "/v2/images/ID"}, c.ids[0])
}

// difference cuts two texts to where they part.
func difference(a, b string) (string, string) {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	window := func(s string) string { return s[max(0, i-80):min(len(s), i+200)] }
	return window(a), window(b)
}

func TestAgreesWithGlanceOnLists(t *testing.T) {
	compareClouds(t, compareLists)
}

func compareLists(t *testing.T, actual, simulated *cloud) {
	t.Helper()
	r := sequences{rand.New(rand.NewPCG(*agreementSeed, 1<<32))}
	mark := fmt.Sprintf("list-%d", rand.Uint64())
	var ids [][]string
	for i := range 12 {
		name := fmt.Sprintf("%q", pick(r, "alpha", "beta", "gamma", "a:b"))
		if i%4 == 3 {
			name = "null"
		}
		s := step{user: pick(r, "demo", "demo", "demo", "other", "admin"), method: http.MethodPost, path: "/v2/images", contentType: "application/json",
			body: fmt.Sprintf(`{"name":%s,"tags":[%q,%q],"visibility":%q,"min_ram":%d,"kind":%q,"os_hidden":%t,"protected":%t,"metadata":"m"}`, name, mark,
				pick(r, "x", "y"), pick(r, "private", "shared", "community"), i*10, pick(r, "one", "two"), i%5 == 4, i%6 == 5)}
		if i%3 == 0 {
			s.body = strings.Replace(s.body, "{", `{"disk_format":"raw","container_format":"bare",`, 1)
		}
		both, ok := createOnBoth(t, "list", s, actual, simulated)
		if !ok {
			continue
		}
		ids = append(ids, both)
		if i%3 == 0 {
			upload := step{user: "admin", method: http.MethodPut, path: "/v2/images/ID/file", contentType: "application/octet-stream", body: strings.Repeat("d", i)}
			actual.send(upload, both[0])
			simulated.send(upload, both[1])
		}
	}
	// normal shows ids as their position, and links without the marker's id.
	normal := func(out outcome, side int) outcome {
		content, _ := json.Marshal(out.value)
		for i, both := range ids {
			content = bytes.ReplaceAll(content, []byte(both[side]), fmt.Appendf(nil, "image %d", i))
			out.message = strings.ReplaceAll(out.message, both[side], fmt.Sprint("image ", i))
		}
		out.value = string(content)
		return out
	}
	filters := []string{"", "name=alpha", "name=in:alpha,beta", `name=in:"a:b",beta`, "name=eq:a:b", "name=a:b", "name=", "status=queued", "status=in:active,queued",
		"visibility=private", "visibility=community", "visibility=shared", "visibility=all", "visibility=x", "visibility=", "member_status=all",
		"os_hidden=true", "os_hidden=false", "os_hidden=x", "protected=true", "protected=false", "protected=x", "min_ram=10", "min_ram=10.0", "min_ram=x",
		"min_ram_min=20", "min_ram_max=20", "size_min=1", "size_max=3", "size=3", "size_min=x", "kind=one", "kind=one&kind=two", "tag=x", "tag=x&tag=y",
		"nope=1", "metadata=m", "foo_min=1", "name_min=5", "created_at=gt:2020-01-01T00:00:00Z", "created_at=lt:2020-01-01T00:00:00Z", "updated_at=x",
		"created_at=in:2020-01-01T00:00:00Z", "properties=x", "members=x", "deleted=true", "disk_format=raw", "container_format=in:bare,ovf", "checksum=x",
		"owner=x", "changes-since=x", "a=b;kind=one", "id=in:FIRST,SECOND", "id=FIRST", "virtual_size_min=0", "limit=1&limit=2"}
	sorts := []string{"", "sort_key=name", "sort_key=name&sort_dir=asc", "sort=name:asc,size:desc", "sort_dir=asc", "sort_key=size", "sort_key=size&sort_dir=asc",
		"sort_key=status&sort_key=name&sort_dir=asc", "sort=nope", "sort=name:up", "sort=name&sort_key=size", "sort_key=name&sort_dir=asc&sort_dir=desc", "sort_key=", "sort_dir="}
	pages := []string{"", "limit=3", "limit=0", "limit=-1", "limit=x", "limit=100000", "limit=3&marker=FIRST", "limit=4&marker=SECOND", "marker=THIRD", "marker=nope"}
	ask := func(user, query string) {
		t.Helper()
		var outs []outcome
		for side, c := range []*cloud{actual, simulated} {
			q := strings.NewReplacer("FIRST", ids[0][side], "SECOND", ids[1][side], "THIRD", ids[3][side]).Replace(query)
			outs = append(outs, normal(c.send(step{user: user, method: http.MethodGet, path: "/v2/images?tag=" + mark + q}, ""), side))
		}
		if !outs[0].equals(outs[1]) {
			a, b := difference(fmt.Sprint(outs[0]), fmt.Sprint(outs[1]))
			t.Errorf("%s %s\n  real:      ...%s\n  simulated: ...%s", user, query, a, b)
		}
	}
	for _, user := range []string{"demo", "other", "reader", "admin"} {
		for _, filter := range filters {
			ask(user, "&"+filter)
		}
	}
	for range max(120, *agreementSequences/5) {
		parts := []string{""}
		for _, part := range []string{pick(r, filters...), pick(r, sorts...), pick(r, pages...)} {
			if part != "" {
				parts = append(parts, part)
			}
		}
		ask(r.user(), strings.Join(parts, "&"))
	}
	for _, both := range slices.Backward(ids) {
		unprotect := step{user: "admin", method: http.MethodPatch, path: "/v2/images/ID", contentType: mediaTypeV21,
			body: `[{"op":"replace","path":"/protected","value":false}]`}
		actual.send(unprotect, both[0])
		actual.send(step{user: "admin", method: http.MethodDelete, path: "/v2/images/ID"}, both[0])
	}
}

// signInOutcome is the answer to a sign-in: its status, and the error's text or
// what the token holds.
func (c *cloud) signInOutcome(body string) string {
	c.t.Helper()
	filled := strings.NewReplacer("PASSWORD", c.password, "TOKEN", c.tokens["demo"]).Replace(body)
	response, err := postSignIn(c.identity, filled)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var out struct {
		Error struct{ Message string }
		Token struct {
			Methods []string
			User    struct{ Name string }
			Project struct{ Name string }
			Roles   []struct{ Name string }
			Catalog []struct{ Type string }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil {
		c.t.Fatalf("%s: %v", body, err)
	}
	// Keystone keeps the methods in a set, whose order changes from process to process.
	slices.Sort(out.Token.Methods)
	sort.Slice(out.Token.Roles, func(i, j int) bool { return out.Token.Roles[i].Name < out.Token.Roles[j].Name })
	message, _, _ := strings.Cut(out.Error.Message, "\n")
	return fmt.Sprintf("%d %s %v", response.StatusCode, message, out.Token)
}

func TestAgreesWithKeystoneOnSignIns(t *testing.T) {
	const (
		password = `"methods":["password"],"password":{"user":{"name":"demo","domain":{"name":"Default"},"password":"PASSWORD"}}`
		project  = `"scope":{"project":{"name":"demo","domain":{"name":"Default"}}}`
	)
	compareClouds(t, func(t *testing.T, actual, simulated *cloud) {
		for _, body := range []string{
			``, `{`, `{}`, `{"auth":{}}`, `{"auth":{"identity":{"methods":[]}}}`, `{"auth":{"identity":{"methods":["x"]}}}`,
			`{"auth":{"identity":{"methods":["password"]}}}`,
			`{"auth":{"identity":{` + password + `}}}`,
			`{"auth":{"identity":{` + password + `},` + project + `}}`,
			`{"auth":{"identity":{` + password + `},"scope":"unscoped"}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"unscoped":{}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"domain":{"id":"default"}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"domain":{"name":"nope"}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"name":"demo"}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"domain":{"id":"default"}}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"domain":{}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"name":"demo","domain":{}}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":"nope"}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"nope":{}}}}`,
			`{"auth":[]}`, `{"auth":{"identity":[]}}`, `{"auth":{"identity":{}}}`, `{"auth":{"identity":{"methods":"password"}}}`, `[]`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"name":"other","domain":{"id":"default"}}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"name":"demo","domain":{"id":"nope"}}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"id":"nope"}}}}`,
			`{"auth":{"identity":{` + password + `},"scope":{"project":{"id":"x"},"domain":{"id":"default"}}}}`,
			`{"auth":{"identity":{` + strings.Replace(password, "PASSWORD", "wrong", 1) + `},` + project + `}}`,
			`{"auth":{"identity":{` + strings.Replace(password, `"demo"`, `"nobody"`, 1) + `},` + project + `}}`,
			`{"auth":{"identity":{` + strings.Replace(password, `"Default"`, `"nope"`, 1) + `},` + project + `}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"demo","password":"PASSWORD"}}}}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"password":"PASSWORD"}}}}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{}}}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"demo","domain":{"id":"default"},"password":1}}}}}`,
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"demo","domain":{"id":"default"}}}}}}`,
			`{"auth":{"identity":{"methods":["token"],"token":{"id":"TOKEN"}},` + project + `}}`,
			`{"auth":{"identity":{"methods":["token"],"token":{"id":"TOKEN"}}}}`,
			`{"auth":{"identity":{"methods":["token"],"token":{"id":"nope"}}}}`,
			`{"auth":{"identity":{"methods":["token"],"token":{}}}}`,
			`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"nope","secret":"x"}}}}`,
			`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"name":"x","secret":"x"}}}}`,
			`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"name":"nope","secret":"x","user":{"name":"demo","domain":{"id":"default"}}}}}}`,
		} {
			if got, want := simulated.signInOutcome(body), actual.signInOutcome(body); got != want {
				t.Errorf("%s\n  real:      %s\n  simulated: %s", body, want, got)
			}
		}
	})
}
