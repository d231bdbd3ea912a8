package image_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance"
)

// many is how many images a run with many has here: twenty times what Terraform
// reads at once.
const many = 200

// createMany makes images at the same time; attributes gets the number of each.
func createMany(images *acceptance.Images, count int, attributes func(int) acceptance.Attributes) []string {
	ids := make([]string, count)
	var wait sync.WaitGroup
	turns := make(chan struct{}, 8)
	for i := range ids {
		wait.Go(func() {
			turns <- struct{}{}
			ids[i] = images.CreateQueued(attributes(i))
			<-turns
		})
	}
	wait.Wait()
	return ids
}

// manyImages writes one resource for each of the images.
func manyImages(t *testing.T, w *acceptance.Workspace, ids []string, body string) {
	t.Helper()
	list, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	w.Write("images.json", string(list))
	w.Write("main.tf", fmt.Sprintf(`
resource "imageops_image_metadata" "many" {
  for_each = toset(jsondecode(file("${path.module}/images.json")))
  image_id = each.key
%s
}
`, body))
}

// imageRequests are the requests to the image service since the last reset, and
// how many of them are writes.
func (s *site) imageRequests() (all, writes int) {
	return len(s.proxy.Requests("", "")), len(s.proxy.Requests(http.MethodPatch, ""))
}

func (s *site) atMost(t *testing.T, what string, most int) {
	t.Helper()
	all, writes := s.imageRequests()
	t.Logf("%s: %d requests, %d of them writes", what, all, writes)
	if all > most {
		t.Errorf("%s takes %d requests, %d of them writes; want at most %d", what, all, writes, most)
	}
}

// Not at the same time as other tests: who shares a request with whom depends on
// the pace of the machine.
func TestAccManyImagesTakeFewRequests(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		ids := createMany(s.images, many, func(i int) acceptance.Attributes {
			return acceptance.Attributes{"name": fmt.Sprintf("many-%03d", i), "os_distro": "debian"}
		})
		w := s.workspace(t)
		s.provider(w, fmt.Sprintf("endpoint = %q", s.proxy.URL())) // With the defaults.
		manyImages(t, w, ids, `  properties = { os_distro = "ubuntu" }`)
		w.Apply().MustSucceed(t)
		s.atMost(t, "the first apply", many*3)

		s.proxy.Reset()
		w.Plan("-detailed-exitcode").MustSucceed(t)
		s.atMost(t, "a plan without changes", 25)

		s.proxy.Reset()
		manyImages(t, w, ids, `  properties = { os_distro = "alma" }`)
		w.Apply().MustSucceed(t)
		s.atMost(t, "changing one property of each", many*3/2)
		for _, id := range []string{ids[0], ids[many-1]} {
			s.expect(t, id, map[string]any{"os_distro": "alma"})
		}

		s.proxy.Reset()
		w.Destroy().MustSucceed(t)
		s.atMost(t, "destroy", many*3/2)
		for _, id := range []string{ids[0], ids[many-1]} {
			s.expect(t, id, map[string]any{"os_distro": "debian"})
		}
	})
}

func TestAccManyImagesOfEveryKindTakeFewRequests(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *site) {
		project := s.cloud.Users[acceptance.UserDemo].ProjectID
		other := s.cloud.Images(t, acceptance.UserOther, acceptance.RegionOne)
		shared := createMany(other, many/4, func(i int) acceptance.Attributes {
			return acceptance.Attributes{"name": fmt.Sprintf("shared-%03d", i), "visibility": "shared", "os_distro": "debian"}
		})
		for _, id := range shared {
			body := fmt.Sprintf(`{"member":%q}`, project)
			if answer, err := other.Do(http.MethodPost, "/v2/images/"+id+"/members", "application/json", body); err != nil || answer.Status != http.StatusOK {
				t.Fatalf("sharing an image: %v %+v", err, answer)
			}
		}
		own := createMany(s.images, many-len(shared), func(i int) acceptance.Attributes {
			a := acceptance.Attributes{"name": fmt.Sprintf("own-%03d", i), "os_distro": "debian"}
			switch i % 3 {
			case 0:
				a["os_hidden"] = true
			case 1:
				a["visibility"] = "community"
			}
			return a
		})
		w := s.workspace(t)
		ids := append(own, shared...)
		// Nothing is written to what others own: the images are as wanted.
		manyImages(t, w, ids, `  properties = { os_distro = "debian" }`)
		w.Apply().MustSucceed(t)

		s.proxy.Reset()
		w.Plan("-detailed-exitcode").MustSucceed(t)
		s.atMost(t, "a plan over hidden, community and pending images", 40)
	})
}
