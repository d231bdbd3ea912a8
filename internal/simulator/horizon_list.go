package simulator

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// listField is a field by which a list can be filtered or sorted.
type listField struct {
	name string
	// filters are the kinds of filters that it supports, divided by blanks.
	filters string
	// sorted is the release since which it can be sorted by.
	sorted string
}

// The kinds of filters that most fields support.
const (
	byValue = "Equals"
	byText  = "Equals StartsWith Contains"
	byRange = "Equals Between"
)

// neverReleased is after every release.
const neverReleased = "9999"

// listRules are what a list can do.
type listRules struct {
	fields []listField
	// since is the release that brought pages and filters, neverReleased if none did.
	since string
}

// maxHorizonPage is the most that a page can have.
const maxHorizonPage = 1000

// list answers with rows: filtered, sorted, and of them one page, as the request
// asks and the release can. Parameters that the release does not know are
// ignored, as all unknown ones are.
func (rq *horizonRequest) list(rows []map[string]any, rules listRules) (horizonAnswer, *horizonError) {
	if rq.release < rules.since {
		return horizonAnswer{status: http.StatusOK, body: rows}, nil
	}
	rows, refused := rq.filterRows(rows, rules)
	if refused != nil {
		return horizonAnswer{}, refused
	}
	if rq.release >= releaseSorting {
		if refused := rq.sortRows(rows, rules); refused != nil {
			return horizonAnswer{}, refused
		}
	}
	return rq.page(rows)
}

// page cuts out a page, if the request has both its number and its size.
func (rq *horizonRequest) page(rows []map[string]any) (horizonAnswer, *horizonError) {
	all := horizonAnswer{status: http.StatusOK, body: rows}
	if !rq.query.Has("page") || !rq.query.Has("size") {
		return all, nil
	}
	page, err := strconv.Atoi(rq.query.Get("page"))
	if err != nil || page <= 0 {
		return horizonAnswer{}, invalid("common.page.invalid", "Page must be greater than 0.")
	}
	size, err := strconv.Atoi(rq.query.Get("size"))
	if err != nil || size <= 0 || size > maxHorizonPage {
		return horizonAnswer{}, invalid("common.size.invalid", "Size must be from 1 to %d.", maxHorizonPage)
	}
	start := (page - 1) * size
	if start >= len(rows) && page > 1 {
		return horizonAnswer{}, invalid("common.page.past.end", "Page %d does not exist.", page)
	}
	end := min(start+size, len(rows))
	answer := horizonAnswer{status: http.StatusOK, body: rows[start:end]}
	if end < len(rows) {
		answer.header = map[string]string{"HAS_MORE_RECORDS": "TRUE"}
	}
	return answer, nil
}

// sortRows sorts by the field that the request names. What is equal keeps the
// order of creation.
func (rq *horizonRequest) sortRows(rows []map[string]any, rules listRules) *horizonError {
	by, order := rq.query.Get("sort_by"), rq.query.Get("order_by")
	switch {
	case by == "" && order != "":
		return invalid("common.order.without.sort", "order_by needs sort_by.")
	case order != "" && order != "ASC" && order != "DESC":
		return invalid("common.order.invalid", "order_by must be ASC or DESC.")
	case by == "":
		return nil
	}
	i := slices.IndexFunc(rules.fields, func(f listField) bool { return f.name == by })
	if i < 0 || rq.release < rules.fields[i].sorted {
		return invalid("common.sort.not.supported", "Sorting by %s is not supported.", by)
	}
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		order := compareValues(a[by], b[by])
		if rq.query.Get("order_by") == "DESC" {
			return -order
		}
		return order
	})
	return nil
}

// compareValues orders two values of a field, texts or flags. What is absent comes first.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
		}
		return 1
	case bool:
		b, _ := b.(bool)
		return cmp.Compare(strconv.FormatBool(a), strconv.FormatBool(b))
	}
	if b == nil {
		return 0
	}
	return -1
}

// rowFilter is a filter as requests bring it. Which members it has depends on
// its type.
type rowFilter struct {
	Type      string      `json:"type"`
	Name      string      `json:"name"`
	Value     any         `json:"value"`
	From      json.Number `json:"from_value"`
	To        json.Number `json:"to_value"`
	FromCamel json.Number `json:"fromValue"`
	ToCamel   json.Number `json:"toValue"`
	Filter    *rowFilter  `json:"filter"`
	Filters   []rowFilter `json:"filters"`
	min, max  int64
}

func (rq *horizonRequest) filterRows(rows []map[string]any, rules listRules) ([]map[string]any, *horizonError) {
	text := rq.query.Get("filter")
	if text == "" {
		return rows, nil
	}
	var f rowFilter
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&f); err != nil {
		return nil, invalid("common.filter.invalid", "The filter cannot be read.")
	}
	if refused := rq.checkFilter(&f, rules); refused != nil {
		return nil, refused
	}
	kept := []map[string]any{}
	for _, row := range rows {
		if f.matches(row) {
			kept = append(kept, row)
		}
	}
	return kept, nil
}

// checkFilter refuses what a list cannot be filtered by. The names of types have
// their case.
func (rq *horizonRequest) checkFilter(f *rowFilter, rules listRules) *horizonError {
	switch f.Type {
	case "And", "Or":
		for i := range f.Filters {
			if refused := rq.checkFilter(&f.Filters[i], rules); refused != nil {
				return refused
			}
		}
		if len(f.Filters) == 0 {
			return invalid("common.filter.invalid", "Filter %s has no filters.", f.Type)
		}
		return nil
	case "Not":
		if f.Filter == nil {
			return invalid("common.filter.invalid", "Filter Not has no filter.")
		}
		return rq.checkFilter(f.Filter, rules)
	}
	i := slices.IndexFunc(rules.fields, func(field listField) bool { return field.name == f.Name })
	if i < 0 || !slices.Contains(strings.Fields(rules.fields[i].filters), f.Type) {
		return invalid("common.filter.not.supported", "Filter %s is not supported on %s.", f.Type, f.Name)
	}
	if f.Type != "Between" {
		return nil
	}
	return rq.readRange(f)
}

// readRange reads the ends of a range by the assumed names.
func (rq *horizonRequest) readRange(f *rowFilter) *horizonError {
	from, to := f.From, f.To
	if rq.sim.assumption(assumeBetween) == "camel-case" {
		from, to = f.FromCamel, f.ToCamel
	}
	var err, err2 error
	f.min, err = from.Int64()
	f.max, err2 = to.Int64()
	if err != nil || err2 != nil {
		return invalid("common.filter.invalid", "Filter Between needs two numbers.")
	}
	return nil
}

func (f *rowFilter) matches(row map[string]any) bool {
	switch f.Type {
	case "And":
		return !slices.ContainsFunc(f.Filters, func(each rowFilter) bool { return !each.matches(row) })
	case "Or":
		return slices.ContainsFunc(f.Filters, func(each rowFilter) bool { return each.matches(row) })
	case "Not":
		return !f.Filter.matches(row)
	case "Between":
		n, ok := row[f.Name].(int64)
		return ok && n >= f.min && n <= f.max
	}
	value := plainText(f.Value)
	if f.Type == "NotEquals" {
		return !slices.Contains(plainTexts(row[f.Name]), value)
	}
	return slices.ContainsFunc(plainTexts(row[f.Name]), func(text string) bool {
		switch f.Type {
		case "Contains":
			return strings.Contains(text, value)
		case "StartsWith":
			return strings.HasPrefix(text, value)
		case "EndsWith":
			return strings.HasSuffix(text, value)
		default:
			return text == value
		}
	})
}

// plainTexts are the values that a filter compares: of a list each element.
func plainTexts(value any) []string {
	switch v := value.(type) {
	case nil:
		return nil
	case []string:
		return v
	}
	return []string{plainText(value)}
}

// plainText is how a value is written.
func plainText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}
