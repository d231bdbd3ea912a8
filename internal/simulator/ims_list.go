package simulator

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Page sizes of the two lists ("Querying Images" and "Querying Images (Native
// OpenStack API)").
const (
	vendorPageSize = 500
	nativePageSize = 25
)

// imsFilters are the parameters of both lists that an image's attribute has to
// equal.
var imsFilters = nameSet("__isregistered", "__imagetype", "__whole_image", "__system__cmkid", "protected", "visibility", "owner", "id",
	"status", "name", "container_format", "disk_format", "min_ram", "min_disk", "__os_bit", "__platform", "__os_type", "__os_version",
	"__support_kvm", "__support_xen", "__support_largememory", "__support_diskintensive", "__support_highperformance",
	"__support_xen_gpu_type", "__support_kvm_gpu_type", "__support_xen_hana", "__support_kvm_infiniband", "virtual_env_type")

// imsSortKeys are what a list can be sorted by.
var imsSortKeys = nameSet("name", "container_format", "disk_format", "status", "id", "size", "created_at", "updated_at")

// imsQuery is what a list asks for.
type imsQuery struct {
	conditions []func(*imsImage) bool
	limit      int
	marker     string
	sortKey    string
	descending bool
}

// query reads the parameters of a list.
func (rq *imsRequest) query() (imsQuery, refusal) {
	out := imsQuery{limit: nativePageSize, sortKey: "created_at", descending: true}
	most := maxPageSize
	if rq.api == vendorAPI {
		out.limit, most = vendorPageSize, vendorPageSize
	}
	parameters, fault := parseQuery(rq.r.URL.RawQuery)
	if fault != nil {
		return out, imsError(imsMalformed)
	}
	registered := "true"
	for _, p := range parameters {
		switch {
		case p.name == "limit":
			n, err := strconv.Atoi(p.value)
			if err != nil || n < 0 {
				return out, imsError(imsMalformed)
			}
			out.limit = min(n, most)
		case p.name == "marker":
			out.marker = p.value
		case p.name == "sort_key" && imsSortKeys[p.value]:
			out.sortKey = p.value
		case p.name == "sort_dir" && (p.value == "asc" || p.value == "desc"):
			out.descending = p.value == "desc"
		case p.name == "__isregistered" && p.value == "false":
			registered = p.value
		default:
			condition, refused := rq.condition(p)
			if refused != nil {
				return out, refused
			}
			out.conditions = append(out.conditions, condition)
		}
	}
	out.conditions = append(out.conditions, rq.sees, func(i *imsImage) bool {
		return cmp.Or(i.text("__isregistered"), "true") == registered
	})
	return out, nil
}

// condition reads one filter.
func (rq *imsRequest) condition(p queryParameter) (func(*imsImage) bool, refusal) {
	switch p.name {
	case "tag":
		return func(i *imsImage) bool {
			return slices.ContainsFunc(i.tags, func(t imsTag) bool {
				return p.value == t.Key || p.value == t.Key+"="+t.Value || p.value == t.Key+"."+t.Value
			})
		}, nil
	case "enterprise_project_id":
		return func(i *imsImage) bool {
			return p.value == "all_granted_eps" || cmp.Or(i.text(p.name), "0") == cmp.Or(p.value, "0")
		}, nil
	case "architecture":
		if p.value != "x86" && p.value != "arm" {
			return nil, imsError(imsArchitecture)
		}
		return func(i *imsImage) bool { return (i.text("__support_arm") == "true") == (p.value == "arm") }, nil
	case "member_status":
		// Nothing is shared with anybody, so no membership has a status.
		if !slices.Contains([]string{"accepted", "rejected", "pending"}, p.value) {
			return nil, imsError(imsMalformed)
		}
		return func(*imsImage) bool { return true }, nil
	case "flavor_id":
		return nil, imsError(imsFlavorUnknown)
	case "created_at", "updated_at":
		return imsTimeCondition(p)
	}
	if imsFilters[p.name] {
		return func(i *imsImage) bool { return i.text(p.name) == p.value }, nil
	}
	if rq.sim.assumption(assumeFilters) == "ignored" {
		return func(*imsImage) bool { return true }, nil
	}
	return nil, imsError(imsMalformed)
}

// imsTimeCondition compares a time of images: OPERATOR:TIME.
func imsTimeCondition(p queryParameter) (func(*imsImage) bool, refusal) {
	operator, text := splitOperator(p.value)
	bound, ok := parseISOTime(text)
	orders := map[string][]int{"gt": {1}, "gte": {0, 1}, "lt": {-1}, "lte": {-1, 0}, "eq": {0}, "neq": {-1, 1}}
	if !ok || orders[operator] == nil {
		return nil, imsError(imsMalformed)
	}
	return func(i *imsImage) bool {
		at := i.created
		if p.name == "updated_at" {
			at = i.updated
		}
		return slices.Contains(orders[operator], at.Truncate(time.Second).Compare(bound))
	}, nil
}

func (q imsQuery) compare(a, b *imsImage) int {
	order := strings.Compare(a.text(q.sortKey), b.text(q.sortKey))
	switch q.sortKey {
	case "size":
		order = cmp.Compare(a.number("size"), b.number("size"))
	case "created_at":
		order = a.created.Compare(b.created)
	case "updated_at":
		order = a.updated.Compare(b.updated)
	}
	if order == 0 {
		order = strings.Compare(a.id, b.id)
	}
	if q.descending {
		return -order
	}
	return order
}

// page selects, sorts and cuts. A marker that is no image of the caller's is
// refused.
func (rq *imsRequest) page(q imsQuery) ([]*imsImage, refusal) {
	var after *imsImage
	if q.marker != "" {
		i, refused := rq.lookup(q.marker)
		if refused != nil {
			return nil, imsError(imsIDUnknown)
		}
		after = i
	}
	var out []*imsImage
	for _, i := range rq.store.all() {
		if !slices.ContainsFunc(q.conditions, func(c func(*imsImage) bool) bool { return !c(i) }) &&
			(after == nil || q.compare(i, after) > 0) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, q.compare)
	return out[:min(len(out), q.limit)], nil
}

// list answers both lists. The Glance-derived one links to its pages.
func (rq *imsRequest) list([]string) refusal {
	q, refused := rq.query()
	if refused != nil {
		return refused
	}
	page, refused := rq.page(q)
	if refused != nil {
		return refused
	}
	images := []any{}
	for _, i := range page {
		images = append(images, rq.document(i))
	}
	answer := map[string]any{"images": images}
	if rq.api == nativeAPI {
		values := rq.r.URL.Query()
		values.Del("marker")
		answer["schema"], answer["first"] = "/v2/schemas/images", "/v2/images"
		if len(values) > 0 {
			answer["first"] = "/v2/images?" + values.Encode()
		}
		if len(page) > 0 && len(page) == q.limit {
			values.Set("marker", page[len(page)-1].id)
			answer["next"] = "/v2/images?" + values.Encode()
		}
	}
	writeJSON(rq.w, rq.r, http.StatusOK, answer)
	return nil
}
