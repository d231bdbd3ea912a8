package image_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
	"github.com/imageops/terraform-provider-imageops/internal/acceptance/rules"
)

// oddProperties are what users may write on an image of Glance 25.1: names that
// a client may have for a field of its own, that lists use for something else,
// and that are awkward to send; and values that look like something else.
func oddProperties() map[string]string {
	properties := map[string]string{
		"a/b~c": "slash and tilde", "with blank": "blank", " outer ": " blanks ", "ünïcode ☃": "naïve ☃", "line\nbreak": "a\nb\tc", `quote"d'`: `"'\`,
		"os_empty": "", "os_null": "null", "os_true": "true", "os_number": "007", "os_list": "in:a,b", "os_colon": "a:b", "os_query": "a=b&c;d+e%20f#g", "os_time": "2026-01-01T00:00:00Z",
		"os_distro": "ubuntu", "hw_firmware_type": "uefi", "__os_bit": "64", "trait:CUSTOM_X": "required", "Os_Distro": "in other letters",
		"size_min": "1", "os_size_max": "x", "some_min": "not a number", "os_long": strings.Repeat("long", 300),
	}
	for _, name := range strings.Fields(`hidden metadata createdat updatedat sizebytes diskformat containerformat virtualsize minrammegabytes mindiskgigabytes
		properties limit marker sort sort_key sort_dir tag member_status changes-since is_public members get items keys values update registry to_dict
		version active_at image Name TAGS ID OS_GLANCE None`) {
		properties[name] = "v-" + name
	}
	return properties
}

// results are the attributes of the data sources in state, by address.
type results map[string]map[string]any

// resultsOf reads the state once: each reading is a run of terraform.
func resultsOf(t *testing.T, w *acceptance.Workspace) results {
	t.Helper()
	all := results{}
	for address, instance := range w.State().Resources {
		all[strings.TrimPrefix(address, "data.")] = instance.Attributes
	}
	return all
}

// of returns the attributes of one data source.
func (r results) of(t *testing.T, address string) map[string]any {
	t.Helper()
	if r[address] == nil {
		t.Fatalf("the state has no data.%s", address)
	}
	return r[address]
}

// ids returns the ids of a list.
func (r results) ids(t *testing.T, address string) []string {
	t.Helper()
	list, _ := r.of(t, address)["ids"].([]any)
	ids := make([]string, len(list))
	for i, id := range list {
		ids[i] = fmt.Sprint(id)
	}
	return ids
}

// sentBy is what the data sources are to say about an image, by its wire form.
func sentBy(image acceptance.Attributes) map[string]any {
	want := map[string]any{"hidden": image["os_hidden"], "tags": sortedTags(image["tags"])}
	for _, name := range strings.Fields(`id name status visibility owner protected min_disk min_ram size virtual_size disk_format container_format
		checksum os_hash_algo os_hash_value created_at updated_at file self schema direct_url stores`) {
		want[name] = image[name]
	}
	properties := map[string]any{}
	for key, value := range image {
		if _, typed := want[key]; (!typed || key == "hidden") && key != "os_hidden" {
			properties[key] = value
		}
	}
	want["properties"] = properties
	return want
}

// sameImage compares what a data source shows with an image of the service.
func sameImage(t *testing.T, got map[string]any, image acceptance.Attributes) {
	t.Helper()
	want := sentBy(image)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value := got[name]
		if name == "tags" {
			value = sortedTags(value)
		}
		g, _ := json.Marshal(value)
		w, _ := json.Marshal(want[name])
		if string(g) != string(w) {
			t.Errorf("%s is %s, want %s", name, g, w)
		}
	}
}

// unique returns a text that no other test has on its images.
func unique(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano())
}

func sortedIDs(ids ...string) []string { return slices.Sorted(slices.Values(ids)) }

func TestAccDataShowsEverythingThatTheServerSends(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		mark := unique(t)
		attributes := acceptance.Attributes{"name": mark, "tags": []string{"golden", mark, ""}, "min_disk": 3, "min_ram": 512, "protected": true}
		for name, value := range oddProperties() {
			attributes[name] = value
		}
		id := s.images.Create(attributes)
		s.images.Set(id, "/", "of the empty name")
		image := s.images.Get(id)
		if image["hidden"] != "v-hidden" || image["metadata"] != "v-metadata" || image[""] != "of the empty name" {
			t.Fatalf("the image does not have what this test is about: %v", image)
		}
		w := s.workspace(t)
		w.Write("main.tf", fmt.Sprintf(`
data "imageops_image" "id" { id = %q }
data "imageops_image" "name" { name = %q }
data "imageops_image" "filtered" {
  tags       = [%q]
  properties = { hidden = "v-hidden" }
}
data "imageops_images" "tag" { tags = [%q] }
`, id, mark, mark, mark))
		w.Apply().MustSucceed(t)
		seen := resultsOf(t, w)
		sameImage(t, seen.of(t, "imageops_image.id"), image)
		sameImage(t, seen.of(t, "imageops_image.name"), image)
		sameImage(t, seen.of(t, "imageops_image.filtered"), image)
		list, _ := seen.of(t, "imageops_images.tag")["images"].([]any)
		if len(list) != 1 {
			t.Fatalf("%d images, want one", len(list))
		}
		sameImage(t, list[0].(map[string]any), image)
		noop(t, w)
	})
}

func TestAccDataFiltersLoseNoImage(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		mark := unique(t)
		attributes := acceptance.Attributes{"name": "properties", "tags": []string{mark}}
		type search struct {
			Properties map[string]string `json:"properties,omitempty"`
			Name       *string           `json:"name,omitempty"`
			Tags       []string          `json:"tags"`
			want       string
		}
		var searches []search
		for name, value := range oddProperties() {
			attributes[name] = value
			searches = append(searches, search{Properties: map[string]string{name: value}, Tags: []string{mark}})
		}
		properties := s.images.CreateQueued(attributes)
		s.images.Set(properties, "/", "of the empty name")
		searches = append(searches, search{Properties: map[string]string{"": "of the empty name"}, Tags: []string{mark}})
		searches = append(searches, search{Properties: oddProperties(), Tags: []string{mark}})
		for i := range searches {
			searches[i].want = properties
		}
		for _, name := range []string{
			"in:a,b", "eq:a", "neq:a", "gt:2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z", `"a",b`, " outer ", "inner  blanks", "", "null", "naïve ☃",
			"100%", "a+b", "a;b&c=d", "it's", `back\slash`, "line\nbreak", "*", "%", "_", strings.Repeat("n", 255),
		} {
			tags := []string{mark, name}
			id := s.images.CreateQueued(acceptance.Attributes{"name": name, "tags": tags})
			searches = append(searches, search{Name: &name, Tags: []string{mark}, want: id}, search{Tags: tags, want: id})
		}
		w := s.workspace(t)
		list, err := json.Marshal(searches)
		if err != nil {
			t.Fatal(err)
		}
		w.Write("searches.json", string(list))
		w.Write("main.tf", `
locals { searches = jsondecode(file("${path.module}/searches.json")) }
data "imageops_images" "found" {
  count      = length(local.searches)
  name       = try(local.searches[count.index].name, null)
  tags       = local.searches[count.index].tags
  properties = try(local.searches[count.index].properties, null)
}
`)
		w.Apply().MustSucceed(t)
		seen := resultsOf(t, w)
		for i, search := range searches {
			if got := seen.ids(t, fmt.Sprintf("imageops_images.found[%d]", i)); !slices.Equal(got, []string{search.want}) {
				sought, _ := json.Marshal(search)
				t.Errorf("%s finds %v, want %s", sought, got, search.want)
			}
		}
	})
}

func TestAccDataImageWithoutName(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		mark := unique(t)
		id := s.images.CreateQueued(acceptance.Attributes{"name": nil, "tags": []string{mark}})
		w := s.workspace(t)
		w.Write("main.tf", fmt.Sprintf(`
data "imageops_image" "found" { tags = [%q] }
data "imageops_images" "by_name" {
  tags = [%q]
  name_regex = ""
}
`, mark, mark))
		w.Apply().MustSucceed(t)
		seen := resultsOf(t, w)
		if got := seen.of(t, "imageops_image.found"); got["name"] != nil || got["id"] != id || got["size"] != nil {
			t.Errorf("the image is %v, want %s without name and size", got, id)
		}
		if ids := seen.ids(t, "imageops_images.by_name"); len(ids) != 0 {
			t.Errorf("an expression for names finds %v, which has none", ids)
		}
		other := s.images.CreateQueued(acceptance.Attributes{"name": nil, "tags": []string{mark}})
		w.Plan().MustFail(t, "2 images with the tag", id+" without a name, queued", other+" without a name, queued")
	})
}

// newest returns ids as the data sources sort them, by what the service says.
func newest(images *acceptance.Images, ids []string) []string {
	created := map[string]string{}
	for _, id := range ids {
		created[id] = fmt.Sprint(images.Get(id)["created_at"])
	}
	return slices.SortedFunc(slices.Values(ids), func(a, b string) int { return cmp.Or(cmp.Compare(created[b], created[a]), cmp.Compare(a, b)) })
}

func TestAccDataSeveralImagesOfOneName(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		mark := unique(t)
		// Quickly enough that some are of the same second.
		ids := createMany(s.images, 12, func(int) acceptance.Attributes { return acceptance.Attributes{"name": mark} })
		ids = newest(s.images, ids)
		w := s.workspace(t)
		w.Write("main.tf", fmt.Sprintf(`data "imageops_image" "found" { name = %q }`, mark))
		r := w.Plan().MustFail(t, "Unable to find image: several match", fmt.Sprintf("12 images with the name %q are listed for project", mark), "and 2 more", "most_recent = true",
			fmt.Sprintf("%s %q, queued, shared, owner %s, created 20", ids[0], mark, s.cloud.Users[acceptance.UserDemo].ProjectID))
		text, at := r.Text(), 0
		for i, id := range ids {
			found := strings.Index(text, id)
			switch {
			case i < 10 && found < at:
				t.Errorf("candidate %d, %s, stands at %d of the error, before the one above:\n%s", i, id, found, r.Stderr)
			case i >= 10 && found >= 0:
				t.Errorf("candidate %d, %s, is listed", i, id)
			}
			at = max(at, found)
		}
		w.Write("main.tf", fmt.Sprintf(`
data "imageops_image" "found" {
  name        = %q
  most_recent = true
}
data "imageops_images" "all" { name = %q }
`, mark, mark))
		w.Apply().MustSucceed(t)
		seen := resultsOf(t, w)
		if got := seen.of(t, "imageops_image.found")["id"]; got != ids[0] {
			t.Errorf("the most recent is %s, want %s of %v", got, ids[0], ids)
		}
		equalJSON(t, "the list", seen.ids(t, "imageops_images.all"), ids)
		noop(t, w)
	})
}

// createListed makes queued images with a tag, and deletes them faster than one
// after another when the test ends.
func createListed(t *testing.T, images *acceptance.Images, count int, tag string) []string {
	t.Helper()
	ids := make([]string, count)
	each := func(work func(i int)) {
		var wait sync.WaitGroup
		turns := make(chan struct{}, 8)
		for i := range ids {
			turns <- struct{}{}
			wait.Go(func() {
				defer func() { <-turns }()
				work(i)
			})
		}
		wait.Wait()
	}
	t.Cleanup(func() { each(func(i int) { images.Delete(ids[i]) }) })
	each(func(i int) {
		body := fmt.Sprintf(`{"name":"listed-%04d","tags":[%q,"listed"]}`, i, tag)
		answer, err := images.Do(http.MethodPost, "/v2/images", "application/json", body)
		var image struct{ ID string }
		if err != nil || answer.Status != http.StatusCreated || json.Unmarshal([]byte(answer.Body), &image) != nil {
			t.Errorf("creating an image: %v %+v", err, answer)
		}
		ids[i] = image.ID
	})
	return ids
}

// listsAll lists images with a tag and finds the one that was made first, at a
// service whose pages are such that each list has that many.
func (s *site) listsAll(t *testing.T, endpoint string, ids []string, tag string, pages int) {
	t.Helper()
	w := s.workspace(t)
	s.provider(w, fmt.Sprintf("endpoint = %q", endpoint))
	// Two tags, of which Glance repeats only one in its link to the next page.
	w.Write("main.tf", fmt.Sprintf(`
data "imageops_images" "all" { tags = [%[1]q, "listed"] }
data "imageops_image" "first" {
  name_regex = "^listed-0000$"
  tags       = [%[1]q, "listed"]
}
output "names" { value = join(",", data.imageops_images.all.images[*].name) }
`, tag))
	r := w.Apply().MustSucceed(t)
	seen := resultsOf(t, w)
	t.Logf("reading %d images took %s, with terraform", len(ids), r.Duration.Round(100*time.Millisecond))
	got := seen.ids(t, "imageops_images.all")
	if !slices.Equal(sortedIDs(got...), sortedIDs(ids...)) {
		t.Errorf("%d images are listed, want the %d that there are", len(got), len(ids))
	}
	list, _ := seen.of(t, "imageops_images.all")["images"].([]any)
	sorted := slices.IsSortedFunc(list, func(a, b any) int {
		x, y := a.(map[string]any), b.(map[string]any)
		return cmp.Or(cmp.Compare(y["created_at"].(string), x["created_at"].(string)), cmp.Compare(x["id"].(string), y["id"].(string)))
	})
	if len(list) != len(ids) || !sorted {
		t.Errorf("%d images, sorted: %v", len(list), sorted)
	}
	if got := seen.of(t, "imageops_image.first")["id"]; got != ids[0] {
		t.Errorf("the image that was made first is %v, want %s", got, ids[0])
	}
	// Two lists, in the plan that apply makes.
	if requests := s.proxy.Requests(http.MethodGet, ""); len(requests) != 2*pages {
		t.Errorf("%d requests, want %d", len(requests), 2*pages)
	}
}

func TestAccDataListsPageAfterPage(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		mark := unique(t)
		ids := createListed(t, s.images, 100, mark)
		endpoint := s.rewritten(t, func(q url.Values) { q.Set("limit", "40") })
		s.listsAll(t, endpoint, ids, mark, 3)
	})
}

func TestAccDataListsMoreThanOneFullPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, simulated(t)) // A real Glance takes two minutes to make them.
	mark := unique(t)
	s.listsAll(t, s.proxy.URL(), createListed(t, s.images, 1500, mark), mark, 2)
}

// rewritten stands before a site's image service, and changes the query of lists.
func (s *site) rewritten(t *testing.T, change func(query url.Values)) string {
	t.Helper()
	target, err := url.Parse(s.proxy.URL())
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		query := r.In.URL.Query()
		change(query)
		r.Out.URL.RawQuery = query.Encode()
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func TestAccDataFiltersThatTheServiceIgnores(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		mark := unique(t)
		create := func(attributes acceptance.Attributes) string {
			attributes["tags"] = append(attributes["tags"].([]string), mark)
			attributes["name"] = cmp.Or(fmt.Sprint(attributes["name"]), mark)
			return s.images.CreateQueued(attributes)
		}
		wanted := create(acceptance.Attributes{"name": mark, "tags": []string{"golden"}, "os_distro": "ubuntu", "visibility": "private"})
		create(acceptance.Attributes{"name": mark + "-old", "tags": []string{"golden"}, "os_distro": "ubuntu", "visibility": "private"})
		create(acceptance.Attributes{"name": mark, "tags": []string{"silver"}, "os_distro": "ubuntu", "visibility": "private"})
		create(acceptance.Attributes{"name": mark, "tags": []string{"golden"}, "os_distro": "Ubuntu", "visibility": "private"})
		create(acceptance.Attributes{"name": mark, "tags": []string{"golden"}, "os_distro": "ubuntu", "visibility": "shared"})
		create(acceptance.Attributes{"name": mark, "tags": []string{"golden"}, "os_distro": "ubuntu", "visibility": "private", "os_hidden": true})
		w := s.workspace(t)
		w.Write("main.tf", fmt.Sprintf(`
data "imageops_image" "found" {
  name       = %[1]q
  tags       = ["golden"]
  properties = { os_distro = "ubuntu" }
  visibility = "private"
  status     = "queued"
  owner      = %[2]q
  hidden     = false
}
data "imageops_images" "active" {
  name   = %[1]q
  status = "active"
}
data "imageops_images" "of_others" {
  name  = %[1]q
  owner = "nobody"
}
`, mark, s.cloud.Users[acceptance.UserDemo].ProjectID))
		for name, change := range map[string]func(url.Values){
			"all of them": func(q url.Values) {
				maps.DeleteFunc(q, func(name string, _ []string) bool { return name != "limit" && name != "marker" })
			},
			"name":       func(q url.Values) { q.Del("name") },
			"tag":        func(q url.Values) { q.Del("tag") },
			"a property": func(q url.Values) { q.Del("os_distro") },
			"visibility": func(q url.Values) { q.Del("visibility") },
			"status":     func(q url.Values) { q.Del("status") },
			"owner":      func(q url.Values) { q.Del("owner") },
			"hidden":     func(q url.Values) { q.Set("os_hidden", "true") }, // It lists hidden images alone.
		} {
			s.provider(w, fmt.Sprintf("endpoint = %q", s.rewritten(t, change)))
			if name == "hidden" {
				w.Apply().MustFail(t, "Unable to find image: none matches")
				continue
			}
			w.Apply().MustSucceed(t)
			seen := resultsOf(t, w)
			if got := seen.of(t, "imageops_image.found")["id"]; got != wanted {
				t.Errorf("where %s is ignored, %v is found, want %s", name, got, wanted)
			}
			for _, list := range []string{"active", "of_others"} {
				if got := seen.ids(t, "imageops_images."+list); len(got) != 0 {
					t.Errorf("where %s is ignored, %s is %v", name, list, got)
				}
			}
		}
	})
}

// share offers an image to a project, which answers unless status is empty.
func share(t *testing.T, owner, member *acceptance.Images, id, project, status string) {
	t.Helper()
	answer, err := owner.Do(http.MethodPost, "/v2/images/"+id+"/members", "application/json", fmt.Sprintf(`{"member":%q}`, project))
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("sharing image %s: %v %+v", id, err, answer)
	}
	if status == "" {
		return
	}
	answer, err = member.Do(http.MethodPut, "/v2/images/"+id+"/members/"+project, "application/json", fmt.Sprintf(`{"status":%q}`, status))
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("answering the offer of image %s: %v %+v", id, err, answer)
	}
}

func TestAccDataVisibility(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		mark := unique(t)
		project := s.cloud.Users[acceptance.UserDemo].ProjectID
		other := s.cloud.Images(t, acceptance.UserOther, acceptance.RegionOne)
		admin := s.cloud.Images(t, acceptance.UserAdmin, acceptance.RegionOne)
		create := func(images *acceptance.Images, visibility string, hidden bool) string {
			return images.CreateQueued(acceptance.Attributes{"name": mark, "visibility": visibility, "os_hidden": hidden})
		}
		private, sharing, community := create(s.images, "private", false), create(s.images, "shared", false), create(s.images, "community", false)
		hidden := create(s.images, "private", true)
		public, publicHidden := create(admin, "public", false), create(admin, "public", true)
		foreign, foreignHidden := create(other, "community", false), create(other, "community", true)
		create(other, "private", false)
		create(other, "shared", false)
		pending, accepted, rejected := create(other, "shared", false), create(other, "shared", false), create(other, "shared", false)
		share(t, other, s.images, pending, project, "")
		share(t, other, s.images, accepted, project, "accepted")
		share(t, other, s.images, rejected, project, "rejected")

		searches := map[string]struct {
			arguments string
			want      []string
		}{
			"default":          {"", []string{private, sharing, community, public, accepted}},
			"accepted":         {`member_status = "accepted"`, []string{private, sharing, community, public, accepted}},
			"not_hidden":       {`hidden = false`, []string{private, sharing, community, public, accepted}},
			"private":          {`visibility = "private"`, []string{private}},
			"shared":           {`visibility = "shared"`, []string{sharing, accepted}},
			"shared_pending":   {"visibility = \"shared\"\nmember_status = \"pending\"", []string{sharing, pending}},
			"shared_rejected":  {"visibility = \"shared\"\nmember_status = \"rejected\"", []string{sharing, rejected}},
			"shared_all":       {"visibility = \"shared\"\nmember_status = \"all\"", []string{sharing, pending, accepted, rejected}},
			"public":           {`visibility = "public"`, []string{public}},
			"community":        {`visibility = "community"`, []string{community, foreign}},
			"all":              {`visibility = "all"`, []string{private, sharing, community, public, accepted, foreign}},
			"everything":       {"visibility = \"all\"\nmember_status = \"all\"", []string{private, sharing, community, public, accepted, foreign, pending, rejected}},
			"pending":          {`member_status = "pending"`, []string{private, sharing, community, public, pending}},
			"hidden":           {`hidden = true`, []string{hidden, publicHidden}},
			"hidden_community": {"hidden = true\nvisibility = \"community\"", []string{foreignHidden}},
			"hidden_all":       {"hidden = true\nvisibility = \"all\"", []string{hidden, publicHidden, foreignHidden}},
			"owner":            {fmt.Sprintf("visibility = \"all\"\nowner = %q", s.cloud.Users[acceptance.UserOther].ProjectID), []string{accepted, foreign}},
			"expression":       {fmt.Sprintf(`name_regex = "%s$"`, mark[len(mark)-12:]), []string{private, sharing, community, public, accepted}},
		}
		check := func(when string, names []string) {
			t.Helper()
			w := s.workspace(t)
			if when != "" {
				s.provider(w, fmt.Sprintf("endpoint = %q", s.rewritten(t, func(q url.Values) { q.Set("visibility", "all") })))
			}
			var text strings.Builder
			for _, name := range names {
				fmt.Fprintf(&text, "data \"imageops_images\" %q {\nname = %q\n%s\n}\n", name, mark, searches[name].arguments)
			}
			w.Write("main.tf", text.String())
			w.Apply().MustSucceed(t)
			seen := resultsOf(t, w)
			for _, name := range names {
				equalJSON(t, "the list "+name+when, sortedIDs(seen.ids(t, "imageops_images."+name)...), sortedIDs(searches[name].want...))
			}
		}
		check("", slices.Sorted(maps.Keys(searches)))
		check(", from a service that lists every visibility", []string{"default", "private", "public", "hidden"})

		w := s.workspace(t)
		var byID strings.Builder
		ids := []string{hidden, foreign, foreignHidden, pending, rejected, public}
		for i, id := range ids {
			fmt.Fprintf(&byID, "data \"imageops_image\" \"n%d\" { id = %q }\n", i, id)
		}
		w.Write("main.tf", byID.String())
		w.Apply().MustSucceed(t)
		seen := resultsOf(t, w)
		for i, id := range ids {
			sameImage(t, seen.of(t, fmt.Sprintf("imageops_image.n%d", i)), s.images.Get(id))
		}
	})
}

func TestAccDataNothingFound(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		mark := unique(t)
		w := s.workspace(t)
		where := fmt.Sprintf(`listed for project "demo" (%s) in region "RegionOne"`, s.cloud.Users[acceptance.UserDemo].ProjectID)
		w.Write("main.tf", fmt.Sprintf(`
data "imageops_image" "none" {
  name       = %q
  tags       = ["golden"]
  properties = { os_distro = "ubuntu" }
}
`, mark))
		w.Plan().MustFail(t, "Unable to find image: none matches",
			fmt.Sprintf(`No image with the name %q, the tag "golden" and the property "os_distro" = "ubuntu" is %s`, mark, where),
			"hidden = true", `visibility = "community"`, `member_status = "pending"`)

		w.Write("main.tf", fmt.Sprintf(`
data "imageops_image" "none" {
  name_regex    = "^%s"
  visibility    = "all"
  member_status = "all"
  hidden        = true
}
`, mark))
		r := w.Plan().MustFail(t, fmt.Sprintf("No image with a name that matches \"^%s\" and hidden = true is %s", mark, where))
		if strings.Contains(r.Text(), "Not looked at") {
			t.Errorf("there is a hint though everything was looked at:\n%s", r.Stderr)
		}

		w.Write("main.tf", fmt.Sprintf(`
data "imageops_images" "none" { name = %q }
output "none" { value = length(data.imageops_images.none.images) + length(data.imageops_images.none.ids) }
`, mark))
		w.Apply().MustSucceed(t).MustContain(t, "none = 0")

		const gone = "0f2a7d5e-3c1b-4e8f-9a6d-5b4c3d2e1f00"
		w.Write("main.tf", fmt.Sprintf(`data "imageops_image" "none" { id = %q }`, gone))
		r = w.Plan().MustFail(t, "Unable to read image: image not found", "There is no image "+gone+" to be seen from project \"demo\"", "404")
		if errors := strings.Count(r.Text(), "Error: "); errors != 1 {
			t.Errorf("%d errors, want one:\n%s", errors, r.Stderr)
		}
	})
}

func TestAccDataUnconfiguredProvider(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		id := s.images.CreateQueued(nil)
		for name, text := range map[string]string{
			"imageops_image":  fmt.Sprintf(`data "imageops_image" "this" { id = %q }`, id),
			"imageops_images": `data "imageops_images" "this" {}`,
		} {
			w := s.workspace(t)
			w.Write("provider.tf", fmt.Sprintf(`
terraform {
  required_providers {
    imageops = { source = "imageops/imageops" }
  }
}
resource "terraform_data" "endpoint" { input = %q }
provider "imageops" {
  image_service = { endpoint = terraform_data.endpoint.output }
}
`, s.proxy.URL()))
			w.Write("main.tf", text)
			r := w.Plan().MustFail(t, "the provider is not configured yet", "The provider argument image_service.endpoint is not known yet")
			if errors := strings.Count(r.Text(), "Error: "); errors != 1 {
				t.Errorf("%s: %d errors, want one:\n%s", name, errors, r.Stderr)
			}

			w = acceptance.NewWorkspace(t, acceptance.Options{})
			w.Write("provider.tf", "terraform {\n  required_providers {\n    imageops = { source = \"imageops/imageops\" }\n  }\n}\n")
			w.Write("main.tf", text)
			r = w.Plan().MustFail(t, "Missing image_service", "OS_CLOUD")
			if errors := strings.Count(r.Text(), "Error: "); errors != 1 {
				t.Errorf("%s: %d errors, want one:\n%s", name, errors, r.Stderr)
			}
		}
	})
}

// A read that waits for apply is planned by Terraform alone: what the list
// returns is then unknown, and so is an image that is read by its id, so that
// whatever uses them is planned right.
func TestAccDataReadDuringApply(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		mark := unique(t)
		id := s.images.CreateQueued(acceptance.Attributes{"name": mark, "tags": []string{mark, "golden"}, "os_distro": "debian"})
		w := s.workspace(t)
		w.Write("main.tf", fmt.Sprintf(`
resource "imageops_image_metadata" "this" {
  image_id   = %[1]q
  properties = { os_distro = "ubuntu" }
}
data "imageops_images" "list" {
  tags       = [%[2]q]
  visibility = "all"
  depends_on = [imageops_image_metadata.this]
}
data "imageops_image" "id" {
  id         = %[1]q
  depends_on = [imageops_image_metadata.this]
}
resource "terraform_data" "dependent" {
  input = [one(data.imageops_images.list.images).tags, one(data.imageops_images.list.images).properties, data.imageops_image.id.tags, data.imageops_image.id.properties["os_distro"]]
}
output "dependent" { value = jsonencode(terraform_data.dependent.output) }
`, id, mark))
		tags, err := json.Marshal(sortedIDs("golden", mark))
		if err != nil {
			t.Fatal(err)
		}
		r := w.Apply().MustSucceed(t)
		want := fmt.Sprintf(`[%[1]s,{"os_distro":"ubuntu"},%[1]s,"ubuntu"]`, tags)
		if !strings.Contains(strings.ReplaceAll(r.Stdout, `\"`, `"`), want) {
			t.Errorf("want %s in\n%s", want, r.Stdout)
		}
		noop(t, w)
	})
}

func TestAccDataExamples(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		create := func(attributes acceptance.Attributes) string {
			maps.Copy(attributes, acceptance.Attributes{"os_distro": "windows", "tags": []string{"golden", "example"}})
			return s.images.Create(attributes)
		}
		createMany(s.images, 2, func(i int) acceptance.Attributes {
			return acceptance.Attributes{"name": fmt.Sprintf("windows-11-%d", i), "tags": []string{"golden"}}
		})
		first := create(acceptance.Attributes{"name": "windows-11-202610", "visibility": "private"})
		second := create(acceptance.Attributes{"name": "windows-11-202611", "visibility": "private"})
		t.Run("one image", func(t *testing.T) {
			w := s.workspace(t)
			w.SetEnvironment("TF_VAR_image_id", first)
			w.Write("main.tf", example(t, "data-sources/imageops_image/data-source.tf"))
			w.Apply().MustSucceed(t)
			seen := resultsOf(t, w)
			if got := seen.of(t, "imageops_image.by_id")["id"]; got != first {
				t.Errorf("by_id is %v, want %s", got, first)
			}
			if got, want := seen.of(t, "imageops_image.windows_11")["id"], newest(s.images, []string{first, second})[0]; got != want {
				t.Errorf("windows_11 is %v, want %s", got, want)
			}
			noop(t, w)
		})
		t.Run("several images", func(t *testing.T) {
			w := s.workspace(t)
			w.Write("main.tf", example(t, "data-sources/imageops_images/data-source.tf"))
			w.Apply().MustSucceed(t)
			seen := resultsOf(t, w)
			equalJSON(t, "the list", seen.ids(t, "imageops_images.windows_11"), newest(s.images, []string{first, second}))
			s.expect(t, first, map[string]any{"hw_firmware_type": "uefi"})
			noop(t, w)
			w.Destroy().MustSucceed(t)
			s.expect(t, first, map[string]any{"hw_firmware_type": nil})
		})
	})
}

// validateData returns what `terraform validate` says about a data source.
func (p *protocol) validateData(name string, config object) []*tfprotov6.Diagnostic {
	p.t.Helper()
	answer, err := p.server.ValidateDataResourceConfig(p.t.Context(), &tfprotov6.ValidateDataResourceConfigRequest{
		TypeName: name, Config: rules.Encoded(p.schema.DataSourceSchemas[name].ValueType(), config),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.Diagnostics
}

func TestDataValidation(t *testing.T) {
	t.Parallel()
	p := newProtocol(t)
	const both, one = "both", "imageops_image"
	for name, c := range map[string]struct {
		of     string
		config object
		at     string
		texts  []string // of the one error; none if there is none
	}{
		"an id that is a name":          {one, object{"id": "ubuntu"}, "id", []string{"UUID"}},
		"id and a name":                 {one, object{"id": thisMonth, "name": "n"}, "name", []string{"Keep id alone"}},
		"id and tags":                   {one, object{"id": thisMonth, "tags": []any{}}, "tags", []string{"Keep id alone"}},
		"id and member_status":          {one, object{"id": thisMonth, "member_status": "all"}, "member_status", []string{"Keep id alone"}},
		"id and hidden":                 {one, object{"id": thisMonth, "hidden": false}, "hidden", []string{"Keep id alone"}},
		"id and most_recent":            {one, object{"id": thisMonth, "most_recent": true}, "most_recent", []string{"Keep id alone"}},
		"nothing":                       {one, object{}, "", []string{"Give id", "name_regex", "properties", "hidden"}},
		"nothing but most_recent":       {one, object{"most_recent": true}, "", []string{"Give id"}},
		"empty containers":              {one, object{"tags": []any{}, "properties": object{}}, "", []string{"Give id"}},
		"an expression that is none":    {both, object{"name_regex": "a(b"}, "name_regex", []string{`"a(b"`, "missing closing )"}},
		"an expression with look-ahead": {both, object{"name_regex": "(?=a)"}, "name_regex", []string{"RE2"}},
		"an unknown visibility":         {both, object{"visibility": "secret"}, "visibility", []string{`"community"`, `"all"`, `"secret"`}},
		"an unknown member_status":      {both, object{"member_status": "yes"}, "member_status", []string{`"pending"`, `"yes"`}},
		"a null tag":                    {both, object{"tags": []any{"a", nil}}, "tags", []string{"cannot be null"}},
		"a null property":               {both, object{"properties": object{"a": nil}}, `properties["a"]`, []string{"cannot be null"}},
		"a filter among the properties": {both, object{"properties": object{"name": "n"}}, `properties["name"]`, []string{"name = ..."}},
		"os_hidden among the properties": {both, object{"properties": object{"os_hidden": "true"}}, `properties["os_hidden"]`,
			[]string{"hidden = ..."}},
		"tags among the properties":         {both, object{"properties": object{"tags": "a"}}, `properties["tags"]`, []string{"tags = ..."}},
		"an attribute among the properties": {both, object{"properties": object{"min_ram": "512"}}, `properties["min_ram"]`, []string{"i.min_ram"}},

		"an id":                 {one, object{"id": thisMonth}, "", nil},
		"an unknown id":         {one, object{"id": rules.Unknown}, "", nil},
		"an unknown name":       {one, object{"name": rules.Unknown}, "", nil},
		"unknown tags":          {one, object{"tags": rules.Unknown}, "", nil},
		"unknown properties":    {one, object{"properties": rules.Unknown}, "", nil},
		"an id and unknowns":    {one, object{"id": thisMonth, "name": rules.Unknown, "tags": rules.Unknown}, "", nil},
		"an empty name":         {both, object{"name": ""}, "", nil},
		"hidden alone":          {both, object{"hidden": false}, "", nil},
		"a hidden property":     {both, object{"properties": object{"hidden": "x", "metadata": "y", "": "z", "limit": "1"}}, "", nil},
		"unknown elements":      {both, object{"properties": object{"a": rules.Unknown}, "tags": []any{rules.Unknown}}, "", nil},
		"an unknown expression": {both, object{"name_regex": rules.Unknown}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			sources := []string{c.of}
			if c.of == both {
				sources = []string{one, "imageops_images"}
			}
			for _, source := range sources {
				diags := p.validateData(source, c.config)
				if c.texts == nil {
					quiet(t, diags)
					continue
				}
				soleError(t, diags, c.at, c.texts...)
			}
		})
	}
	quiet(t, p.validateData("imageops_images", object{}))
}
