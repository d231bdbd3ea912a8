package horizon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

func TestLookupFindsExactlyOneOrNamesTheCandidates(t *testing.T) {
	for _, c := range []struct {
		name string
		call func(context.Context, *Client) (string, error)
		id   string
		says []string // of the error
	}{
		{"vCenter by name", func(ctx context.Context, c *Client) (string, error) {
			v, err := c.VirtualCenter(ctx, Named{Name: "VC.corp.example"})
			return v.ID, err
		}, vcenterID, nil},
		{"vCenter by display name", func(ctx context.Context, c *Client) (string, error) {
			v, err := c.VirtualCenter(ctx, Named{Name: "main"})
			return v.ID, err
		}, vcenterID, nil},
		{"vCenter by id", func(ctx context.Context, c *Client) (string, error) {
			v, err := c.VirtualCenter(ctx, Named{ID: vcenterID})
			return v.ID, err
		}, vcenterID, nil},
		{"no vCenter", func(ctx context.Context, c *Client) (string, error) {
			v, err := c.VirtualCenter(ctx, Named{Name: "other"})
			return v.ID, err
		}, "", []string{`no virtual center with name "other"`, "vc.corp.example (" + vcenterID + ")"}},
		{"datacenter by path", func(ctx context.Context, c *Client) (string, error) {
			d, err := c.Datacenter(ctx, vcenterID, Named{Path: "/f/DC/"})
			return d.ID, err
		}, "datacenter-3", nil},
		{"several datacenters", func(ctx context.Context, c *Client) (string, error) {
			d, err := c.Datacenter(ctx, vcenterID, Named{Name: "DC"})
			return d.ID, err
		}, "", []string{"2 objects", "/DC (datacenter-2)", "/f/DC (datacenter-3)"}},
		{"VM by name", func(ctx context.Context, c *Client) (string, error) {
			v, err := c.BaseVM(ctx, vcenterID, "", Named{Name: "gold-w11"})
			return v.ID, err
		}, "vm-7", nil},
		{"VM by name in a datacenter", func(ctx context.Context, c *Client) (string, error) {
			v, err := c.BaseVM(ctx, vcenterID, "datacenter-3", Named{Name: "twin"})
			return v.ID, err
		}, "vm-9", nil},
		{"several VMs", func(ctx context.Context, c *Client) (string, error) {
			v, err := c.BaseVM(ctx, vcenterID, "", Named{Name: "twin"})
			return v.ID, err
		}, "", []string{"2 objects", "/DC/vm/a/twin (vm-8)", "/DC/vm/b/twin (vm-9)"}},
		{"no VM: those like it come first", func(ctx context.Context, c *Client) (string, error) {
			v, err := c.BaseVM(ctx, vcenterID, "", Named{Name: "TWIN"})
			return v.ID, err
		}, "", []string{`no base VM with name "TWIN"; there are /DC/vm/a/twin (vm-8), /DC/vm/b/twin (vm-9), /DC/vm/gold-w11 (vm-7)`}},
		{"id and name that do not go together", func(ctx context.Context, c *Client) (string, error) {
			v, err := c.BaseVM(ctx, vcenterID, "", Named{ID: "vm-7", Name: "twin"})
			return v.ID, err
		}, "", []string{`id "vm-7" and name "twin"`}},
		{"snapshot by path", func(ctx context.Context, c *Client) (string, error) {
			s, err := c.BaseSnapshot(ctx, vcenterID, "vm-7", Named{Path: "/s1/s2"})
			return s.ID, err
		}, "snapshot-9", nil},
		{"several snapshots", func(ctx context.Context, c *Client) (string, error) {
			s, err := c.BaseSnapshot(ctx, vcenterID, "vm-7", Named{Name: "s2"})
			return s.ID, err
		}, "", []string{"2 objects", "/s1/s2 (snapshot-9, of 1970-01-01T00:00:03Z)", "/s2 (snapshot-10"}},
		{"newest snapshot", func(ctx context.Context, c *Client) (string, error) {
			s, err := c.NewestBaseSnapshot(ctx, vcenterID, "vm-7", Named{})
			return s.ID, err
		}, "snapshot-9", nil},
		{"newest snapshot with a name", func(ctx context.Context, c *Client) (string, error) {
			s, err := c.NewestBaseSnapshot(ctx, vcenterID, "vm-7", Named{Name: "s1"})
			return s.ID, err
		}, "snapshot-8", nil},
		{"no newest snapshot with a name", func(ctx context.Context, c *Client) (string, error) {
			s, err := c.NewestBaseSnapshot(ctx, vcenterID, "vm-7", Named{Name: "s7"})
			return s.ID, err
		}, "", []string{`no base snapshot with name "s7"`, "snapshot-10"}},
		{"pool by name", func(ctx context.Context, c *Client) (string, error) {
			pool, err := c.FindPool(ctx, "Beta")
			if err != nil {
				return "", err
			}
			return pool.ID, nil
		}, poolB, nil},
		{"no pool", func(ctx context.Context, c *Client) (string, error) {
			_, err := c.FindPool(ctx, "beta")
			return "", err
		}, "", []string{`no desktop pool with name "beta"; there are Beta (` + poolB + "), Alpha"}},
		{"asset", func(ctx context.Context, c *Client) (string, error) {
			o, err := c.Find(ctx, Asset, versionID, patch.Want{"/vcenter_id": text(vcenterID), "/clone_type": text("INSTANT_CLONE")})
			if err != nil {
				return "", err
			}
			return o.ID, nil
		}, assetID, nil},
		{"no stream", func(ctx context.Context, c *Client) (string, error) {
			_, err := c.Find(ctx, Stream, "", patch.Want{"/name": text("gold")})
			return "", err
		}, "", []string{`no image management stream with name "gold"; there are Gold (` + streamID + ")"}},
	} {
		for _, release := range []int{2512, 2012} {
			p := newPod(t)
			p.Release = release
			id, err := c.call(t.Context(), p.client(t, nil))
			var lookup *LookupError
			if id != c.id || (err != nil) != (c.says != nil) || (err != nil && !errors.As(err, &lookup)) {
				t.Errorf("%s in %d: %q, %v", c.name, release, id, err)
				continue
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%s in %d: %v; want %s", c.name, release, err, says)
				}
			}
		}
	}
}

func TestAnAssetIsFoundByAnyOfItsMembers(t *testing.T) {
	for _, release := range []int{2512, 2012} {
		p := newPod(t)
		p.Release = release
		p.put(Asset, otherID, map[string]any{"im_stream_id": streamID, "im_version_id": versionID, "vcenter_id": otherID, "vm_template_id": "vm-90",
			"base_vm_id": "vm-91", "base_snapshot_id": "snapshot-92", "clone_type": "FULL_CLONE", "image_type": "RDSH_APPS", "status": "FAILED"})
		client := p.client(t, nil)
		for _, member := range []string{"vcenter_id", "base_vm_id", "base_snapshot_id", "vm_template_id", "clone_type", "image_type", "status"} {
			pointer, wanted := patch.NewPointer(member), p.objects[Asset][otherID][member].(string)
			if o, err := client.Find(t.Context(), Asset, versionID, patch.Want{pointer: text(wanted)}); err != nil || o.ID != otherID {
				t.Errorf("%d: by %s: %v %v", release, member, o, err)
			}
		}
		if o, err := client.Find(t.Context(), Asset, versionID, patch.Want{"/vm_template_id": patch.Absent}); err != nil || o.ID != assetID {
			t.Errorf("%d: without a template: %v %v", release, o, err)
		}
	}
}

func TestPoolThatIsGoneIsNotFound(t *testing.T) {
	for _, c := range []struct {
		name     string
		id       string
		handle   http.HandlerFunc
		notFound bool
	}{
		{"Horizon's own words", otherID, nil, true},
		{"a page, and the list does not show it", otherID, func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, true},
		{"a page, and the list shows it", poolA, func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, false},
	} {
		p := newPod(t)
		if c.handle != nil {
			p.Intercept = onlyFor("GET /rest/inventory/v12/desktop-pools/", c.handle)
		}
		if _, err := p.client(t, nil).Pool(t.Context(), c.id); err == nil || errors.Is(err, ErrNotFound) != c.notFound {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPoolsThatFollowAStreamAreThoseOfBothImages(t *testing.T) {
	p := newPod(t)
	p.pools = append(p.pools, map[string]any{"id": otherID, "name": "Gamma", "provisioning_status_data": map[string]any{
		"instant_clone_operation": "SCHEDULE_PUSH_IMAGE", "instant_clone_pending_im_stream_id": streamID, "instant_clone_pending_im_tag_id": tagID,
		"instant_clone_pending_image_state": "PUBLISHING", "instant_clone_pending_image_progress": 40, "instant_clone_pending_image_error": "a\nb",
	}})
	pools, err := p.client(t, nil).PoolsFollowing(t.Context(), strings.ToUpper(streamID))
	if err != nil || len(pools) != 2 || pools[0].Name != "Alpha" || pools[1].Name != "Gamma" {
		t.Fatalf("%v %v", pools, err)
	}
	if g := pools[1]; g.PendingState != "PUBLISHING" || *g.PendingProgress != 40 || g.PendingError != "a b" || g.Pending.TagID != tagID {
		t.Errorf("%+v", g)
	}
	p.wantCounts(t, map[string]int{"GET": 1})
}

// waited records waits, and lets something happen in each.
type waited struct {
	waits []time.Duration
	then  func(n int)
}

func (w *waited) sleep(ctx context.Context, d time.Duration) error {
	w.waits = append(w.waits, d)
	if len(w.waits) > 100 {
		return errors.New("the wait does not end")
	}
	if w.then != nil {
		w.then(len(w.waits))
	}
	return ctx.Err()
}

func TestWaitEndsWithTheStatus(t *testing.T) {
	p := newPod(t)
	p.objects[Asset][assetID]["status"] = "REPLICATING"
	client := p.client(t, nil)
	w := &waited{then: func(n int) {
		if n == 3 {
			p.objects[Asset][assetID]["status"] = "AVAILABLE"
		}
	}}
	var told []string
	o, err := client.WaitForStatus(t.Context(), asset1, "AVAILABLE", Wait{Interval: 5 * time.Second, Sleep: w.sleep, Progress: func(s string) { told = append(told, s) }})
	if err != nil || o.Text("status") != "AVAILABLE" || len(w.waits) != 3 || w.waits[0] != 5*time.Second || strings.Join(told, " ") != "REPLICATING REPLICATING REPLICATING AVAILABLE" {
		t.Errorf("%v %v %v %q", o, err, w.waits, told)
	}
	p.wantCounts(t, map[string]int{"GET": 4})
}

func TestWaitEndsWhereTheStatusDoesNotComeAnyMore(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	w := &waited{}
	p.objects[Asset][assetID]["status"] = "FAILED"
	var failed *StatusError
	if _, err := client.WaitForStatus(t.Context(), asset1, "AVAILABLE", Wait{Sleep: w.sleep}); !errors.As(err, &failed) || failed.Status != "FAILED" || len(w.waits) > 0 {
		t.Errorf("%v %v", err, w.waits)
	}
	delete(p.objects[Asset], assetID)
	if _, err := client.WaitForStatus(t.Context(), asset1, "AVAILABLE", Wait{Sleep: w.sleep}); !errors.Is(err, ErrNotFound) || len(w.waits) > 0 {
		t.Errorf("%v %v", err, w.waits)
	}
}

func TestWaitSurvivesAServerThatRestarts(t *testing.T) {
	p := newPod(t)
	client := p.client(t, nil)
	down := true
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if down {
			page(w, 503)
		}
		return down
	}
	w := &waited{then: func(n int) {
		p.clock.advance(time.Minute)
		down = n < 5
	}}
	if _, err := client.WaitForStatus(t.Context(), asset1, "AVAILABLE", Wait{Sleep: w.sleep}); err != nil || len(w.waits) != 5 {
		t.Errorf("%v %v", err, w.waits)
	}
	down, w.then = true, func(int) { p.clock.advance(time.Minute) }
	if _, err := client.WaitForStatus(t.Context(), asset1, "AVAILABLE", Wait{Sleep: w.sleep}); err == nil || len(w.waits) != 5+mostFailedLooks {
		t.Errorf("%v after %d waits", err, len(w.waits)-5)
	}
	p.Intercept = onlyFor("GET /rest/config", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "no", "not for you") })
	w.waits = nil
	if _, err := client.WaitForStatus(t.Context(), asset1, "AVAILABLE", Wait{Sleep: w.sleep}); err == nil || len(w.waits) > 0 {
		t.Errorf("%v %v", err, w.waits)
	}
}

func TestTroubleThatPassesIsForgotten(t *testing.T) {
	p := newPod(t)
	p.objects[Asset][assetID]["status"] = "REPLICATING"
	client := p.client(t, nil)
	looks := 0
	p.Intercept = onlyFor("GET /rest/config", func(w http.ResponseWriter, _ *http.Request) {
		looks++
		switch looks {
		case mostFailedLooks:
			reply(w, 200, map[string]any{"id": assetID, "status": "REPLICATING"})
		case 2 * mostFailedLooks:
			reply(w, 200, map[string]any{"id": assetID, "status": "AVAILABLE"})
		default:
			reset(w, nil)
		}
	})
	if _, err := client.WaitForStatus(t.Context(), asset1, "AVAILABLE", Wait{Sleep: (&waited{}).sleep}); err != nil {
		t.Error(err)
	}
}

func TestEndOfTheContextEndsTheWaitWithTheLastStatus(t *testing.T) {
	p := newPod(t)
	p.objects[Asset][assetID]["status"] = "DEPLOYING_VM"
	client := p.client(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	w := &waited{then: func(int) { cancel() }}
	_, err := client.WaitForStatus(ctx, asset1, "AVAILABLE", Wait{Sleep: w.sleep})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "DEPLOYING_VM") || len(w.waits) != 1 {
		t.Errorf("%v %v", err, w.waits)
	}
}

func TestCandidatesAreNamedInReasonableNumbers(t *testing.T) {
	p := newPod(t)
	p.pools = nil
	client := p.client(t, nil)
	if _, err := client.FindPool(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "no other that the user may see") {
		t.Errorf("%v", err)
	}
	p.clock.advance(time.Minute) // A list is kept for a while.
	for i := range 14 {
		p.pools = append(p.pools, map[string]any{"id": fmt.Sprintf("p-%02d", i), "name": fmt.Sprint("n", i)})
	}
	_, err := client.FindPool(t.Context(), "x")
	var lookup *LookupError
	if !errors.As(err, &lookup) || len(lookup.Candidates) != 14 || !strings.HasSuffix(err.Error(), "n9 (p-09) and 4 more") {
		t.Errorf("%v", err)
	}
	p.put(Asset, otherID, map[string]any{"im_version_id": versionID, "vcenter_id": vcenterID, "image_type": "VDI_DESKTOP", "vm_template_id": "vm-90"})
	if _, err := client.Find(t.Context(), Asset, versionID, nil); err == nil || !strings.Contains(err.Error(), otherID+" (VDI_DESKTOP vm-90 of "+vcenterID+")") {
		t.Errorf("%v", err)
	}
}
