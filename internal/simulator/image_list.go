package simulator

import (
	"cmp"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Page sizes of a list (limit_param_default and api_limit_max of Glance).
const (
	defaultPageSize = 25
	maxPageSize     = 1000
)

// queryParameters is a query in the order in which it was sent. Its methods
// follow the multi-value dictionary of Glance's web framework, whose pop takes
// the first value of a name and whose get the last one.
type queryParameters []queryParameter

type queryParameter struct{ name, value string }

// parseQuery reads a query string, in which ";" separates like "&".
func parseQuery(raw string) (queryParameters, *apiError) {
	var out queryParameters
	for _, part := range strings.FieldsFunc(raw, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(part, "=")
		p := queryParameter{unescapeQuery(name), unescapeQuery(value)}
		if !utf8.ValidString(p.name) || !utf8.ValidString(p.value) {
			return nil, explain(http.StatusBadRequest, "Error decoding your request. Either the URL or the request body "+
				"contained characters that could not be decoded by Glance")
		}
		out = append(out, p)
	}
	return out, nil
}

// unescapeQuery decodes what is well-formed and leaves the rest as it is.
func unescapeQuery(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	s = strings.ReplaceAll(s, "+", " ")
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (q queryParameters) get(name string) (string, bool) {
	for i := len(q) - 1; i >= 0; i-- {
		if q[i].name == name {
			return q[i].value, true
		}
	}
	return "", false
}

func (q *queryParameters) pop(name string) (string, bool) {
	for i, p := range *q {
		if p.name == name {
			*q = slices.Delete(slices.Clone(*q), i, i+1)
			return p.value, true
		}
	}
	return "", false
}

// drop removes every value of a name.
func (q *queryParameters) drop(name string) {
	*q = slices.DeleteFunc(slices.Clone(*q), func(p queryParameter) bool { return p.name == name })
}

// merged keeps the last value of every name, where the name came first.
func (q queryParameters) merged() queryParameters {
	var out queryParameters
	for _, p := range q {
		if slices.ContainsFunc(out, func(o queryParameter) bool { return o.name == p.name }) {
			continue
		}
		value, _ := q.get(p.name)
		out = append(out, queryParameter{p.name, value})
	}
	return out
}

func (q queryParameters) encode() string {
	parts := make([]string, len(q))
	for i, p := range q {
		parts[i] = url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value)
	}
	return strings.Join(parts, "&")
}

// listQuery is what a list asks for.
type listQuery struct {
	limit        int
	marker       *string
	memberStatus string
	sortKeys     []string
	sortDirs     []string
	filters      queryParameters
	tags         []string
}

var sortableAttributes = []string{"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"}

func deserializeList(q queryParameters) (listQuery, *apiError) {
	out := listQuery{limit: defaultPageSize, memberStatus: "accepted"}
	limit, hasLimit := q.pop("limit")
	marker, hasMarker := q.pop("marker")
	if status, ok := q.pop("member_status"); ok {
		out.memberStatus = status
	}
	for {
		tag, ok := q.pop("tag")
		if !ok {
			break
		}
		out.tags = append(out.tags, pythonStrip(tag))
	}
	if v, _ := q.get("visibility"); v != "" && !slices.Contains([]string{"community", "public", "private", "shared", "all"}, v) {
		return out, explainf(400, "Invalid visibility value: %s", v)
	}
	if v, _ := q.get("changes-since"); v != "" {
		return out, explain(400, `The "changes-since" filter is no longer available on v2.`)
	}
	if !slices.Contains([]string{"pending", "accepted", "rejected", "all"}, out.memberStatus) {
		return out, explainf(400, "Invalid status: %s", out.memberStatus)
	}
	if hasMarker {
		out.marker = &marker
	}
	if hasLimit {
		n, ok := pythonInt(limit)
		if !ok {
			return out, explain(400, "limit param must be an integer")
		}
		if n.Sign() < 0 {
			return out, explain(400, "limit param must be positive")
		}
		out.limit = maxPageSize
		if n.IsInt64() {
			out.limit = int(min(n.Int64(), maxPageSize))
		}
	}
	if fault := out.sorting(&q); fault != nil {
		return out, fault
	}
	out.filters = q
	return out, nil
}

// pythonInt reads an integer like Python's int: outer white space, a sign and
// single underscores between digits are allowed, and any size.
func pythonInt(s string) (*big.Int, bool) {
	s = pythonStrip(s)
	if strings.Contains(s, "__") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") {
		return nil, false
	}
	return new(big.Int).SetString(strings.ReplaceAll(s, "_", ""), 10)
}

// sorting reads either form: sort=name:asc,size or sort_key and sort_dir, each
// of which may come several times.
func (l *listQuery) sorting(q *queryParameters) *apiError {
	if combined, ok := q.pop("sort"); ok {
		_, hasKey := q.get("sort_key")
		_, hasDir := q.get("sort_dir")
		if hasKey || hasDir {
			return explain(400, "Old and new sorting syntax cannot be combined")
		}
		for _, part := range strings.Split(pythonStrip(combined), ",") {
			key, dir, _ := strings.Cut(part, ":")
			if dir == "" {
				dir = "desc"
			}
			if fault := l.addSortKey(pythonStrip(key)); fault != nil {
				return fault
			}
			if fault := l.addSortDir(pythonStrip(dir)); fault != nil {
				return fault
			}
		}
	} else {
		for {
			key, ok := q.pop("sort_key")
			if !ok {
				break
			}
			if fault := l.addSortKey(pythonStrip(key)); fault != nil {
				return fault
			}
		}
		for {
			dir, ok := q.pop("sort_dir")
			if !ok {
				break
			}
			if fault := l.addSortDir(pythonStrip(dir)); fault != nil {
				return fault
			}
		}
		if len(l.sortDirs) > 1 && len(l.sortDirs) != len(l.sortKeys) {
			return explain(400, "Number of sort dirs does not match the number of sort keys")
		}
	}
	if len(l.sortKeys) == 0 {
		l.sortKeys = []string{"created_at"}
	}
	if len(l.sortDirs) == 0 {
		l.sortDirs = []string{"desc"}
	}
	l.completeSorting()
	return nil
}

func (l *listQuery) addSortKey(key string) *apiError {
	if !slices.Contains(sortableAttributes, key) {
		return explainf(400, "Invalid sort key: %s. It must be one of the following: %s.", key, strings.Join(sortableAttributes, ", "))
	}
	l.sortKeys = append(l.sortKeys, key)
	return nil
}

func (l *listQuery) addSortDir(dir string) *apiError {
	if dir != "asc" && dir != "desc" {
		return explainf(400, "Invalid sort direction: %s", dir)
	}
	l.sortDirs = append(l.sortDirs, dir)
	return nil
}

// completeSorting gives every key a direction and makes the order total.
func (l *listQuery) completeSorting() {
	rest := "desc"
	if len(l.sortDirs) == 1 {
		rest = l.sortDirs[0]
		for len(l.sortDirs) < len(l.sortKeys) {
			l.sortDirs = append(l.sortDirs, rest)
		}
	}
	for _, key := range []string{"created_at", "id"} {
		if !slices.Contains(l.sortKeys, key) {
			l.sortKeys = append(l.sortKeys, key)
			l.sortDirs = append(l.sortDirs, rest)
		}
	}
}

// imageCondition is one condition that an image of a list fulfils.
type imageCondition func(*imageRecord) bool

func never(*imageRecord) bool { return false }

func (rq *imageRequest) listImages([]string) *apiError {
	parameters, fault := parseQuery(rq.r.URL.RawQuery)
	if fault != nil {
		return fault
	}
	query, fault := deserializeList(slices.Clone(parameters))
	if fault != nil {
		return fault
	}
	conditions, fault := listConditions(query)
	if fault != nil {
		return fault
	}
	policy := rq.policy()
	if fault := policy.enforce("get_images", rq.caller, policyTarget{owner: projectOf(rq.caller)}); fault != nil {
		return fault
	}
	page, fault := rq.page(query, conditions)
	if fault != nil {
		return fault
	}
	var shown []*workingImage
	for _, r := range page {
		w := rq.openForList(r)
		if policy.allows("get_image", rq.caller, w.target()) {
			shown = append(shown, w)
		}
	}
	next := ""
	if len(shown) > 0 && len(page) == query.limit {
		next = shown[len(shown)-1].id
	}
	rq.writeList(parameters, shown, next)
	return nil
}

func projectOf(c caller) *string {
	if c.project == "" {
		return nil
	}
	return &c.project
}

// openForList is open without a copy of the properties, which a list that needs
// no protection does not touch.
func (rq *imageRequest) openForList(r *imageRecord) *workingImage {
	if rq.sim.protections != nil {
		return rq.open(r)
	}
	w := rq.shell(r)
	w.properties = r.properties
	return w
}

// writeList sends a page. Its links repeat the parameters, of each name only
// the last value: a list by two tags links to a list by one.
func (rq *imageRequest) writeList(parameters queryParameters, shown []*workingImage, next string) {
	parameters.drop("marker")
	parameters = parameters.merged()
	link := func(p queryParameters) string {
		if len(p) == 0 {
			return "/v2/images"
		}
		return "/v2/images?" + p.encode()
	}
	body := []byte(`{"images": [`)
	for i, w := range shown {
		if i > 0 {
			body = append(body, ", "...)
		}
		body = append(body, rq.encode(w)...)
	}
	body = append(body, `], "first": `...)
	body = append(body, encodeJSON(link(parameters))...)
	if next != "" {
		body = append(body, `, "next": `...)
		body = append(body, encodeJSON(link(append(slices.Clone(parameters), queryParameter{"marker", next})))...)
	}
	body = append(body, `, "schema": "/v2/schemas/images"}`...)
	rq.w.Header().Set("Content-Type", "application/json")
	writeBody(rq.w, rq.r, http.StatusOK, body)
}

// page selects, sorts and cuts.
func (rq *imageRequest) page(query listQuery, conditions []imageCondition) ([]*imageRecord, *apiError) {
	var after *imageRecord
	if query.marker != nil {
		after = rq.store.get(*query.marker)
		if after == nil {
			return nil, explainf(http.StatusBadRequest, "No image found with ID %s", *query.marker)
		}
		if !rq.caller.sees(after.visibility, after.owner, after) {
			return nil, explainf(http.StatusForbidden, "Forbidding request, image %s not visible", *query.marker)
		}
	}
	conditions = append(conditions, rq.listed(query))
	var out []*imageRecord
	for _, r := range rq.store.all() {
		if !slices.ContainsFunc(conditions, func(c imageCondition) bool { return !c(r) }) &&
			(after == nil || query.isAfter(r, after)) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, query.compare)
	if len(out) > query.limit {
		out = out[:query.limit]
	}
	return out, nil
}

// listed is the condition that makes an image appear in the caller's lists.
func (rq *imageRequest) listed(query listQuery) imageCondition {
	visibility, hasVisibility := query.filters.pop("visibility")
	c := rq.caller
	return func(r *imageRecord) bool {
		own := c.owns(r.owner)
		if !c.admin() && r.visibility != "public" && r.visibility != "community" && !own && !c.listsShared(r, query.memberStatus) {
			return false
		}
		switch {
		case hasVisibility:
			return visibility == "all" || r.visibility == visibility
		case r.visibility == "community":
			return own
		default:
			return true
		}
	}
}

// listsShared tells whether a shared image appears in the lists of a project
// with which it is shared: only once it has accepted, unless asked otherwise.
func (c caller) listsShared(r *imageRecord, status string) bool {
	if r.visibility != "shared" {
		return false
	}
	for _, m := range r.members {
		if !m.deleted && (c.project == "" || m.project == c.project && (status == "all" || m.status == status)) {
			return true
		}
	}
	return false
}

// columnKind is how the database compares a column.
type columnKind int

const (
	textColumn columnKind = iota
	numberColumn
	timeColumn
)

// column is an attribute of an image that is a column of the images table.
type column struct {
	kind   columnKind
	text   func(*imageRecord) *string
	number func(*imageRecord) *int64
	time   func(*imageRecord) time.Time
}

func textOf(get func(*imageRecord) *string) column { return column{kind: textColumn, text: get} }

func numberOf(get func(*imageRecord) *int64) column { return column{kind: numberColumn, number: get} }

func flagOf(get func(*imageRecord) bool) column {
	return numberOf(func(r *imageRecord) *int64 {
		var n int64
		if get(r) {
			n = 1
		}
		return &n
	})
}

var imageColumns = map[string]column{
	"id":               textOf(func(r *imageRecord) *string { return &r.id }),
	"name":             textOf(func(r *imageRecord) *string { return r.name }),
	"status":           textOf(func(r *imageRecord) *string { return &r.status }),
	"visibility":       textOf(func(r *imageRecord) *string { return &r.visibility }),
	"disk_format":      textOf(func(r *imageRecord) *string { return r.diskFormat }),
	"container_format": textOf(func(r *imageRecord) *string { return r.containerFormat }),
	"checksum":         textOf(func(r *imageRecord) *string { return r.checksum }),
	"os_hash_algo":     textOf(func(r *imageRecord) *string { return r.hashAlgorithm }),
	"os_hash_value":    textOf(func(r *imageRecord) *string { return r.hashValue }),
	"owner":            textOf(func(r *imageRecord) *string { return r.owner }),
	"size":             numberOf(func(r *imageRecord) *int64 { return r.size }),
	"virtual_size":     numberOf(func(r *imageRecord) *int64 { return r.virtualSize }),
	"min_disk":         numberOf(func(r *imageRecord) *int64 { return &r.minDisk }),
	"min_ram":          numberOf(func(r *imageRecord) *int64 { return &r.minRAM }),
	"protected":        flagOf(func(r *imageRecord) bool { return r.protected }),
	"os_hidden":        flagOf(func(r *imageRecord) bool { return r.hidden }),
	"deleted":          flagOf(func(*imageRecord) bool { return false }),
	"deleted_at":       textOf(func(*imageRecord) *string { return nil }),
	"created_at":       {kind: timeColumn, time: func(r *imageRecord) time.Time { return r.created }},
	"updated_at":       {kind: timeColumn, time: func(r *imageRecord) time.Time { return r.updated }},
}

// modelAttributes are names of the database model that are no columns. A filter
// by one of them finds nothing, also if images have a property of that name.
var modelAttributes = nameSet("__abstract__", "__class__", "__contains__", "__delattr__", "__dict__", "__dir__", "__doc__",
	"__eq__", "__format__", "__ge__", "__getattribute__", "__getitem__", "__getstate__", "__gt__", "__hash__", "__init__",
	"__init_subclass__", "__iter__", "__le__", "__lt__", "__mapper__", "__module__", "__ne__", "__new__",
	"__protected_attributes__", "__reduce__", "__reduce_ex__", "__repr__", "__setattr__", "__setitem__", "__sizeof__",
	"__str__", "__subclasshook__", "__table__", "__table_args__", "__table_initialized__", "__tablename__", "__weakref__",
	"_as_dict", "_extra_keys", "_sa_class_manager", "_sa_registry", "delete", "get", "items", "iteritems", "keys",
	"metadata", "registry", "save", "to_dict", "update", "values")

// modelRelations are names of the database model by which it cannot filter.
var modelRelations = nameSet("properties", "locations", "members", "tags")

// listConditions turns the filters of a list into conditions, in the order in
// which Glance looks at them, so that the first bad one is reported.
func listConditions(query listQuery) ([]imageCondition, *apiError) {
	q := query.filters
	q.drop("deleted")
	var conditions []imageCondition

	hidden, given := q.get("os_hidden")
	hidden = strings.ToLower(hidden)
	if given && hidden != "true" && hidden != "false" {
		return nil, explainf(400, "Invalid value '%s' for 'os_hidden' filter. Valid values are 'true' or 'false'.", hidden)
	}
	q.drop("os_hidden")
	conditions = append(conditions, func(r *imageRecord) bool { return r.hidden == (hidden == "true") })
	if protected, ok := q.get("protected"); ok {
		if protected != "true" && protected != "false" {
			return nil, explainf(400, "Invalid value '%s' for 'protected' filter. Valid values are 'true' or 'false'.", protected)
		}
		q.drop("protected")
		conditions = append(conditions, func(r *imageRecord) bool { return r.protected == (protected == "true") })
	}
	q.pop("visibility")
	for _, name := range []string{"checksum", "os_hash_value"} {
		if value, ok := q.pop(name); ok {
			conditions = append(conditions, equals(imageColumns[name], value))
		}
	}
	if _, ok := q.get("properties"); ok {
		return nil, errProgram()
	}
	tags := query.tags
	if text, ok := q.pop("tags"); ok && tags == nil {
		// Glance walks over the text where it expects a list.
		tags = strings.Split(text, "")
	} else if tags != nil {
		q.drop("tags")
	}
	for _, tag := range tags {
		conditions = append(conditions, func(r *imageRecord) bool { return slices.Contains(r.tags, tag) })
	}
	conditions = append(conditions, func(r *imageRecord) bool { return r.status != "killed" && r.status != "deleted" })

	rest := queryParameters{}
	for _, p := range q.merged() {
		condition, taken, fault := comparison(p)
		if fault != nil {
			return nil, fault
		}
		if !taken {
			rest = append(rest, p)
			continue
		}
		conditions = append(conditions, condition)
	}
	for _, p := range rest {
		condition, fault := equality(p)
		if fault != nil {
			return nil, fault
		}
		conditions = append(conditions, condition)
	}
	return conditions, nil
}

// comparison handles the filters that know operators: NAME_min and NAME_max, the
// two times, and the names that take "in:".
func comparison(p queryParameter) (imageCondition, bool, *apiError) {
	if strings.HasSuffix(p.name, "_min") || strings.HasSuffix(p.name, "_max") {
		condition, fault := limitOf(p.name[:len(p.name)-4], p.name[len(p.name)-3:], p.value)
		return condition, true, fault
	}
	switch p.name {
	case "created_at", "updated_at":
		condition, fault := timeComparison(p)
		return condition, true, fault
	case "name", "id", "status", "container_format", "disk_format":
		condition, fault := membership(p)
		return condition, true, fault
	default:
		return nil, false, nil
	}
}

func limitOf(name, side, value string) (imageCondition, *apiError) {
	n, ok := pythonInt(value)
	if !ok {
		return nil, explain(400, "Unable to filter on a range with a non-numeric value.")
	}
	c, ok := imageColumns[name]
	if !ok || !n.IsInt64() {
		return nil, errProgram()
	}
	bound := n.Int64()
	keep := func(order int) bool { return side == "min" && order >= 0 || side == "max" && order <= 0 }
	switch c.kind {
	case numberColumn:
		return func(r *imageRecord) bool {
			n := c.number(r)
			return n != nil && keep(cmp.Compare(*n, bound))
		}, nil
	case timeColumn:
		// To the database every time is a text and every text more than a number.
		return func(*imageRecord) bool { return keep(1) }, nil
	default:
		text := strconv.FormatInt(bound, 10)
		return func(r *imageRecord) bool {
			s := c.text(r)
			return s != nil && keep(strings.Compare(*s, text))
		}, nil
	}
}

// isoTime is the notation of times that a filter understands.
var isoTime = regexp.MustCompile(`^\d{4}(-?\d{1,2}(-?\d{1,2}([ T]\d{1,2}(:?\d{1,2}(:?\d{1,2}([.,]\d+)?)?)?(Z|[+-]\d{2}:?\d{0,2})?)?)?)?$`)

var isoLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02", "20060102T150405Z", "20060102", "2006-01", "2006"}

func parseISOTime(s string) (time.Time, bool) {
	if !isoTime.MatchString(s) {
		return time.Time{}, false
	}
	for _, layout := range isoLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// splitOperator cuts "op:value"; without a colon, and for a time, it is "eq".
func splitOperator(expression string) (operator, value string) {
	left, right, found := strings.Cut(expression, ":")
	if !found {
		return "eq", left
	}
	if _, ok := parseISOTime(expression); ok {
		return "eq", expression
	}
	return left, right
}

func timeComparison(p queryParameter) (imageCondition, *apiError) {
	operator, text := splitOperator(p.value)
	bound, ok := parseISOTime(text)
	if !ok {
		return nil, explainf(400, `Bad "%s" query filter format. Use ISO 8601 DateTime notation.`, p.name)
	}
	tests := map[string]func(order int) bool{
		"gt": func(o int) bool { return o > 0 }, "gte": func(o int) bool { return o >= 0 },
		"lt": func(o int) bool { return o < 0 }, "lte": func(o int) bool { return o <= 0 },
		"neq": func(o int) bool { return o != 0 }, "eq": func(o int) bool { return o == 0 },
	}
	test, ok := tests[operator]
	if !ok {
		return nil, explain(400, "Unable to filter on a unknown operator.")
	}
	get := imageColumns[p.name].time
	return func(r *imageRecord) bool { return test(get(r).Compare(bound)) }, nil
}

func membership(p queryParameter) (imageCondition, *apiError) {
	operator, text := splitOperator(p.value)
	c := imageColumns[p.name]
	switch operator {
	case "eq":
		return equals(c, text), nil
	case "in":
		values, fault := splitValues(text)
		if fault != nil {
			return nil, fault
		}
		allowed := nameSet(values...)
		return func(r *imageRecord) bool {
			s := c.text(r)
			return s != nil && allowed[*s]
		}, nil
	default:
		return nil, explainf(400, "Unable to filter by unknown operator '%s'.", operator)
	}
}

var listedValue = regexp.MustCompile(`"([^"\\]*(?:\\.[^"\\]*)*)",?|([^,]+),?|,`)

// splitValues cuts the list of an "in:" filter at its commas, outside quotes.
func splitValues(text string) ([]string, *apiError) {
	outside := true
	for i := 0; i < len(text); i++ {
		if text[i] != '"' || i > 0 && text[i-1] == '\\' {
			continue
		}
		if outside && i > 0 && text[i-1] != ',' {
			return nil, explainf(400, "Invalid filter value %s. There is no comma before opening quotation mark.", text)
		}
		if !outside && i+1 != len(text) && text[i+1] != ',' {
			return nil, explainf(400, "Invalid filter value %s. There is no comma after closing quotation mark.", text)
		}
		outside = !outside
	}
	if !outside {
		return nil, explainf(400, "Invalid filter value %s. The quote is not closed.", text)
	}
	var values []string
	for _, m := range listedValue.FindAllStringSubmatch(text, -1) {
		values = append(values, cmp.Or(m[1], m[2]))
	}
	return values, nil
}

// equality handles all other filters: a column by its value, anything else as a
// property.
func equality(p queryParameter) (imageCondition, *apiError) {
	switch {
	case modelRelations[p.name]:
		return nil, errProgram()
	case modelAttributes[p.name]:
		return never, nil
	}
	if c, ok := imageColumns[p.name]; ok {
		return equals(c, p.value), nil
	}
	return func(r *imageRecord) bool {
		value, ok := r.properties[p.name]
		return ok && value != nil && *value == p.value
	}, nil
}

var decimalNumber = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

// equals compares a column with a text. A number equals every text that means
// it, because the database turns the text into a number.
func equals(c column, value string) imageCondition {
	if c.kind == textColumn {
		return func(r *imageRecord) bool {
			s := c.text(r)
			return s != nil && *s == value
		}
	}
	trimmed := strings.TrimSpace(value)
	if c.kind != numberColumn || !decimalNumber.MatchString(trimmed) {
		return never
	}
	want, err := strconv.ParseFloat(trimmed, 64)
	if err != nil {
		return never
	}
	return func(r *imageRecord) bool {
		n := c.number(r)
		return n != nil && float64(*n) == want
	}
}

// compareColumn orders two images by one column, null first.
func compareColumn(c column, a, b *imageRecord) int {
	switch c.kind {
	case timeColumn:
		return c.time(a).Compare(c.time(b))
	case numberColumn:
		return compareNullable(c.number(a), c.number(b))
	default:
		return compareNullable(c.text(a), c.text(b))
	}
}

func compareNullable[T cmp.Ordered](a, b *T) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	default:
		return cmp.Compare(*a, *b)
	}
}

func (l listQuery) compare(a, b *imageRecord) int {
	for i, key := range l.sortKeys {
		order := compareColumn(imageColumns[key], a, b)
		if l.sortDirs[i] == "desc" {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// isAfter tells whether an image comes after the marker. It takes null for an
// empty text or for 0, and a marker's null for an empty text even beside
// numbers, which to the database is more than any number; so a page after a
// marker with a null size does not continue the one before (measured on Glance
// 25.1).
func (l listQuery) isAfter(r, marker *imageRecord) bool {
	for i, key := range l.sortKeys {
		order := compareToMarker(imageColumns[key], r, marker)
		if l.sortDirs[i] == "desc" {
			order = -order
		}
		if order != 0 {
			return order > 0
		}
	}
	return false
}

func compareToMarker(c column, r, marker *imageRecord) int {
	switch c.kind {
	case timeColumn:
		return c.time(r).Compare(c.time(marker))
	case numberColumn:
		var n int64
		if p := c.number(r); p != nil {
			n = *p
		}
		m := c.number(marker)
		if m == nil {
			return -1
		}
		return cmp.Compare(n, *m)
	default:
		return cmp.Compare(orEmpty(c.text(r)), orEmpty(c.text(marker)))
	}
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
