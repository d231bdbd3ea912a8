package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestOpenStackKeepsWhatAPatchSets(t *testing.T) {
	t.Parallel()
	images := OpenStack(t).Images(t, UserDemo, RegionOne)
	id := images.Create(Attributes{"hw_firmware_type": "bios", "tags": []string{"golden"}, "visibility": "private", "os_hidden": true})

	images.Set(id, "/hw_firmware_type", "uefi")
	images.Set(id, "/a~1b", "slash")
	images.AddTag(id, "new")
	images.RemoveTag(id, "golden")
	image := images.Get(id)
	wanted := Attributes{
		"name": t.Name(), "status": "active", "visibility": "private", "os_hidden": true,
		"hw_firmware_type": "uefi", "a/b": "slash",
	}
	for name, want := range wanted {
		if image[name] != want {
			t.Errorf("%s is %v, want %v", name, image[name], want)
		}
	}
	if tags := fmt.Sprint(image["tags"]); tags != "[new]" {
		t.Errorf("tags %s, want [new]", tags)
	}
	images.Remove(id, "/hw_firmware_type")
	if value, found := images.Get(id)["hw_firmware_type"]; found {
		t.Errorf("hw_firmware_type is %v after its removal", value)
	}
	if found := images.List(url.Values{"id": {"in:" + id}, "os_hidden": {"true"}}); len(found) != 1 {
		t.Errorf("the list has %d images with that id", len(found))
	}
	if answer := images.Patch(id, PatchV20, `[{"add":"/name","value":"again"}]`); answer.Status != http.StatusConflict {
		t.Errorf("v2.0 add of a present attribute: %+v", answer)
	}
}

func TestOpenStackLeavesAnImageWithoutContentQueued(t *testing.T) {
	t.Parallel()
	images := OpenStack(t).Images(t, UserDemo, RegionOne)
	if status := images.Get(images.CreateQueued(nil))["status"]; status != "queued" {
		t.Errorf("status %v, want queued", status)
	}
}

func TestOpenStackImagesAreDeletedWithTheTest(t *testing.T) {
	t.Parallel()
	cloud := OpenStack(t)
	var id string
	t.Run("inner", func(t *testing.T) {
		id = cloud.Images(t, UserDemo, RegionOne).Create(Attributes{"protected": true})
	})
	answer, err := cloud.Images(t, UserDemo, RegionOne).Do(http.MethodGet, "/v2/images/"+id, "", "")
	if err != nil || answer.Status != http.StatusNotFound {
		t.Errorf("a protected image outlives its test: %v %+v", err, answer)
	}
}

func TestOpenStackHidesAnImageFromOthers(t *testing.T) {
	t.Parallel()
	cloud := OpenStack(t)
	id := cloud.Images(t, UserDemo, RegionOne).Create(nil)
	for _, c := range []struct {
		name, user, region string
		want               int
	}{
		{"the owner", UserDemo, RegionOne, http.StatusOK},
		{"a reader of the project", UserReader, RegionOne, http.StatusOK},
		{"an administrator", UserAdmin, RegionOne, http.StatusOK},
		{"another project", UserOther, RegionOne, http.StatusNotFound},
		{"another region", UserDemo, RegionTwo, http.StatusNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answer, err := cloud.Images(t, c.user, c.region).Do(http.MethodGet, "/v2/images/"+id, "", "")
			if err != nil || answer.Status != c.want {
				t.Errorf("%v %+v, want status %d", err, answer, c.want)
			}
		})
	}
}

func TestOpenStackRefusesAReaderInRegionTwoOnly(t *testing.T) {
	t.Parallel()
	cloud := OpenStack(t)
	for region, want := range map[string]int{RegionOne: http.StatusOK, RegionTwo: http.StatusForbidden} {
		id := cloud.Images(t, UserDemo, region).Create(nil)
		answer := cloud.Images(t, UserReader, region).Patch(id, PatchV21, `[{"op":"add","path":"/foo","value":"bar"}]`)
		if answer.Status != want {
			t.Errorf("%s: %+v, want status %d", region, answer, want)
		}
	}
}

// catalogueOf signs in with body and returns the regions of the image service
// and of the identity service in the token's catalogue.
func catalogueOf(t *testing.T, authURL string, body any) map[string][]string {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(authURL+"/auth/tokens", "application/json", strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Token struct {
			Catalog []struct {
				Type      string
				Endpoints []struct{ Region, Interface string }
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("signing in: %s %v", response.Status, err)
	}
	regions := map[string][]string{}
	for _, service := range answer.Token.Catalog {
		for _, endpoint := range service.Endpoints {
			if endpoint.Interface == "public" {
				regions[service.Type] = append(regions[service.Type], endpoint.Region)
			}
		}
	}
	return regions
}

func TestOpenStackSignsInWithAnApplicationCredential(t *testing.T) {
	t.Parallel()
	cloud := OpenStack(t)
	regions := catalogueOf(t, cloud.AuthURL, map[string]any{"auth": map[string]any{"identity": map[string]any{
		"methods": []string{"application_credential"},
		"application_credential": map[string]any{
			"id": cloud.ApplicationCredential.ID, "secret": cloud.ApplicationCredential.Secret,
		},
	}}})
	for service, want := range map[string]string{"image": "[RegionOne RegionTwo]", "identity": "[RegionOne RegionTwo RegionThree]"} {
		if got := fmt.Sprint(regions[service]); got != want {
			t.Errorf("the catalogue has %s in %s, want %s", service, got, want)
		}
	}
}

func TestOpenStackRefusesAShortLivedTokenAfterItsEnd(t *testing.T) {
	t.Parallel()
	cloud := OpenStack(t)
	images := NewImages(t, cloud.Regions[RegionOne], cloud.Token(t, cloud.ShortLivedAuthURL, UserDemo))
	status := func() int {
		answer, err := images.Do(http.MethodGet, "/v2/images?limit=1", "", "")
		if err != nil {
			t.Fatal(err)
		}
		return answer.Status
	}
	if got := status(); got != http.StatusOK {
		t.Fatalf("a fresh token: status %d", got)
	}
	// Every worker keeps tokens in a cache of its own, so the first refusal does
	// not show that the others have noticed.
	const refusalsOfAllWorkers = 12
	end := time.Now().Add(time.Duration(cloud.ShortLivedSeconds)*time.Second + 2*time.Second)
	for refusals := 0; refusals < refusalsOfAllWorkers; {
		if time.Now().After(end) {
			t.Fatal("the token still works after its end")
		}
		if status() == http.StatusUnauthorized {
			refusals++
			continue
		}
		refusals = 0
		time.Sleep(50 * time.Millisecond) // The pace of asking; only the service's own clock ends the token.
	}
}

func TestOpenStackLosesAnUpdateOfTwoAtOnce(t *testing.T) {
	t.Parallel()
	cloud := OpenStack(t)
	images := cloud.Images(t, UserDemo, RegionOne)
	id := images.Create(nil)
	// Nearly every pair loses one; the limit is for a machine that starts the two
	// requests far apart.
	for round := range 50 {
		var group sync.WaitGroup
		for _, name := range []string{"first", "second"} {
			group.Go(func() { images.Set(id, fmt.Sprintf("/%s%d", name, round), "value") })
		}
		group.Wait()
		image := images.Get(id)
		_, first := image[fmt.Sprintf("first%d", round)]
		_, second := image[fmt.Sprintf("second%d", round)]
		if !first || !second {
			return
		}
	}
	t.Error("50 pairs of simultaneous updates have kept both: the race that clients must notice is gone")
}

func TestOpenStackCLIReadsAndWrites(t *testing.T) {
	t.Parallel()
	cloud := OpenStack(t)
	images := cloud.Images(t, UserDemo, RegionOne)
	id := images.Create(nil)
	cloud.OpenStackCLI(t, UserDemo, "image", "set", "--property", "os_distro=debian", id)
	if value := images.Get(id)["os_distro"]; value != "debian" {
		t.Errorf("os_distro is %v, want debian", value)
	}
	var shown struct{ Name string }
	output := cloud.OpenStackCLI(t, UserDemo, "image", "show", id, "-f", "json")
	if err := json.Unmarshal([]byte(output), &shown); err != nil || shown.Name != t.Name() {
		t.Errorf("the client shows %s (%v)", output, err)
	}
}

func TestOpenStackCloudsYAMLHasEveryUser(t *testing.T) {
	t.Parallel()
	cloud := OpenStack(t)
	for _, name := range []string{UserDemo, UserOther, UserReader, UserAdmin} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if output := cloud.OpenStackCLI(t, name, "token", "issue", "-f", "value", "-c", "project_id"); strings.TrimSpace(output) != cloud.Users[name].ProjectID {
				t.Errorf("%s signs in to project %s, want %s", name, output, cloud.Users[name].ProjectID)
			}
		})
	}
}
