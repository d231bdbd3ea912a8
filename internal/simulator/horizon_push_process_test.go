package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// course is what a pool is seen to be, a while after the step before.
type course []struct {
	after time.Duration
	want  string
}

func (p *pod) follows(pool string, c course) {
	p.t.Helper()
	var since time.Duration
	for _, step := range c {
		p.Advance(step.after)
		since += step.after
		p.expectPool(since.String(), pool, step.want)
	}
}

func TestAPushIsPublishedAndPromoted(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.follows("ENGINEERING", course{
		{0, "NONE, none, " + goldenV1},
		{19 * time.Second, "NONE, none, " + goldenV1},
		{time.Second, "SCHEDULE_PUSH_IMAGE, PENDING_PUBLISH " + goldenV2 + ", " + goldenV1},
		{40 * time.Second, "SCHEDULE_PUSH_IMAGE, PUBLISHING " + goldenV2 + ", " + goldenV1},
		{9*time.Minute - time.Second, "SCHEDULE_PUSH_IMAGE, PUBLISHING " + goldenV2 + ", " + goldenV1},
		{time.Second, "NONE, none, " + goldenV2},
	})
}

func TestProgressIsThatOfThePublishing(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(`"start_time":`+p.at(60)))
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{time.Minute - time.Second, "0"}, {time.Second, "0"}, {3 * time.Minute, "33"}, {6*time.Minute - time.Second, "99"}, {time.Second, "100"}} {
		p.Advance(step.after)
		if got := fmt.Sprint(p.poolStatus("ENGINEERING")["instant_clone_pending_image_progress"]); got != step.want {
			t.Errorf("after another %s the progress is %s, want %s", step.after, got, step.want)
		}
	}
}

func TestAScheduledPushIsPublishedAtOnceAndWaits(t *testing.T) {
	p := newPod(t, newestRelease)
	start := p.at(60)
	p.must("ENGINEERING", pushV1, pushBody(`"stop_on_first_error":false,"logoff_policy":"FORCE_LOGOFF","add_virtual_tpm":true,"start_time":`+start))
	p.follows("ENGINEERING", course{
		{10 * time.Minute, "SCHEDULE_PUSH_IMAGE, READY " + goldenV2 + ", " + goldenV1},
		{50*time.Minute - time.Second, "SCHEDULE_PUSH_IMAGE, READY " + goldenV2 + ", " + goldenV1},
	})
	settings := fmt.Sprint(p.poolStatus("ENGINEERING")["instant_clone_push_image_settings"])
	if want := "map[add_virtual_tpm:true logoff_policy:FORCE_LOGOFF start_time:" + start + " stop_on_first_error:false]"; settings != want {
		t.Errorf("the settings are %s, want %s", settings, want)
	}
	if got := p.counts("ENGINEERING"); got != "10 left, 0 failed, 0 halted, 0 cancelled" {
		t.Errorf("before the time the task has %s", got)
	}
	if m := p.machineOf("ENGINEERING", "ENG-002"); m["operation_state"] != "SCHEDULED" || m["pending_base_vm_snapshot_id"] != goldenV2 || m["base_vm_snapshot_id"] != goldenV1 {
		t.Errorf("before the time a machine is %v", m)
	}
	p.Advance(time.Second)
	p.expectPool("at the time", "ENGINEERING", "NONE, none, "+goldenV2)
	p.Advance(2 * time.Minute)
	if got := p.on("ENGINEERING", goldenV2); got != "001 002" {
		t.Errorf("two minutes after the time %q have the image", got)
	}
}

func TestATimeDuringThePublishingWaitsForItsEnd(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(`"start_time":`+p.at(5)))
	p.follows("ENGINEERING", course{
		{10*time.Minute - time.Second, "SCHEDULE_PUSH_IMAGE, PUBLISHING " + goldenV2 + ", " + goldenV1},
		{time.Second, "NONE, none, " + goldenV2},
	})
}

func TestAPastTimeBeginsAtOnce(t *testing.T) {
	for _, start := range []string{"-5", "0", "1772366400"} { // the last in seconds instead of milliseconds
		p := newPod(t, newestRelease)
		p.must("ENGINEERING", pushV1, pushBody(`"start_time":`+start))
		p.Advance(30 * time.Second)
		settings := p.poolStatus("ENGINEERING")["instant_clone_push_image_settings"].(map[string]any)
		if settings["start_time"] != nil {
			t.Errorf("%s: the time is %v", start, settings["start_time"])
		}
		p.Advance(10 * time.Minute)
		p.expectPool(start, "ENGINEERING", "NONE, none, "+goldenV2)
	}
}

func TestASelectivePushIsHeldAndPromoted(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV2, pushBody(`"selective_push_image":true,"machine_ids":`+p.machineIDs("ENGINEERING", "ENG-003", "ENG-007")))
	p.follows("ENGINEERING", course{
		{time.Minute, "SCHEDULE_PUSH_IMAGE, PUBLISHING " + goldenV2 + ", " + goldenV1},
		{9 * time.Minute, "NONE, READY_HELD " + goldenV2 + ", " + goldenV1},
		{2 * time.Minute, "NONE, READY_HELD " + goldenV2 + ", " + goldenV1},
	})
	if got := p.on("ENGINEERING", goldenV2); got != "003 007" {
		t.Errorf("%q have the held image", got)
	}
	canary := p.machineOf("ENGINEERING", "ENG-003")["id"]
	p.must("ENGINEERING", promote, "")
	p.follows("ENGINEERING", course{
		{19 * time.Second, "NONE, READY_HELD " + goldenV2 + ", " + goldenV1},
		{time.Second, "NONE, none, " + goldenV2},
	})
	p.Advance(8 * time.Minute)
	if got := p.on("ENGINEERING", goldenV2); got != "001 002 003 004 005 006 007 008 009 010" {
		t.Errorf("after the promotion %q have the image", got)
	}
	if got := p.machineOf("ENGINEERING", "ENG-003")["id"]; got != canary {
		t.Error("a canary was made anew by the promotion")
	}
}

func TestASelectivePushOfNoMachinePublishesOnly(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV2, pushBody(`"selective_push_image":true`))
	p.Advance(20 * time.Minute)
	p.expectPool("later", "ENGINEERING", "NONE, READY_HELD "+goldenV2+", "+goldenV1)
	if got := p.on("ENGINEERING", goldenV2) + p.counts("ENGINEERING"); got != "0 tasks" {
		t.Errorf("machines and tasks are %q", got)
	}
}

func TestASelectivePushWithATimeIsHeldThen(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV2, pushBody(`"selective_push_image":true,"start_time":`+p.at(60)+`,"machine_ids":`+p.machineIDs("ENGINEERING", "ENG-001")))
	p.follows("ENGINEERING", course{{59 * time.Minute, "SCHEDULE_PUSH_IMAGE, READY " + goldenV2 + ", " + goldenV1}})
	if got := p.counts("ENGINEERING"); got != "1 left, 0 failed, 0 halted, 0 cancelled" {
		t.Errorf("before the time the task has %s", got)
	}
	p.follows("ENGINEERING", course{{3 * time.Minute, "NONE, READY_HELD " + goldenV2 + ", " + goldenV1}})
	if got := p.on("ENGINEERING", goldenV2); got != "001" {
		t.Errorf("%q have the held image", got)
	}
}

func TestAPushCanBeCancelledUntilItsTime(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(`"start_time":`+p.at(60)))
	p.Advance(30 * time.Minute)
	p.must("ENGINEERING", cancelPush, "")
	p.follows("ENGINEERING", course{
		{19 * time.Second, "SCHEDULE_PUSH_IMAGE, READY " + goldenV2 + ", " + goldenV1},
		{time.Second, "CANCEL_SCHEDULED_PUSH_IMAGE, UNPUBLISHING " + goldenV2 + ", " + goldenV1},
		{100*time.Second - time.Second, "CANCEL_SCHEDULED_PUSH_IMAGE, UNPUBLISHING " + goldenV2 + ", " + goldenV1},
		{time.Second, "NONE, none, " + goldenV1},
		{time.Hour, "NONE, none, " + goldenV1},
	})
	if got := p.counts("ENGINEERING"); got != "0 tasks" {
		t.Errorf("the cancelled push has left %s", got)
	}
	p.must("ENGINEERING", pushV1, pushBody(""))
}

func TestAHeldImageCanBeCancelled(t *testing.T) {
	p := held(t)
	p.must("ENGINEERING", cancelPush, "")
	p.follows("ENGINEERING", course{
		{20 * time.Second, "CANCEL_SCHEDULED_PUSH_IMAGE, UNPUBLISHING " + goldenV2 + ", " + goldenV1},
		{100 * time.Second, "NONE, none, " + goldenV1},
	})
}

func TestAPushIsMovedToAnotherTime(t *testing.T) {
	p := newPod(t, newestRelease)
	body := func(minutes int) string {
		return pushBody(`"selective_push_image":true,"start_time":` + p.at(minutes) + `,"machine_ids":` + p.machineIDs("ENGINEERING", "ENG-002", "ENG-001"))
	}
	p.must("ENGINEERING", pushV2, body(60))
	p.Advance(5 * time.Minute)
	p.must("ENGINEERING", pushV2, body(115)) // while it is published
	p.follows("ENGINEERING", course{{60 * time.Minute, "SCHEDULE_PUSH_IMAGE, READY " + goldenV2 + ", " + goldenV1}})
	p.must("ENGINEERING", pushV2, body(20)) // when it waits
	p.follows("ENGINEERING", course{
		{19 * time.Minute, "SCHEDULE_PUSH_IMAGE, READY " + goldenV2 + ", " + goldenV1},
		{3 * time.Minute, "NONE, READY_HELD " + goldenV2 + ", " + goldenV1},
	})
	if got := p.on("ENGINEERING", goldenV2); got != "001 002" {
		t.Errorf("%q have the held image", got)
	}
}

func TestAWaitingPushIsMovedToNow(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(`"start_time":`+p.at(60)))
	p.Advance(15 * time.Minute)
	before := p.at(45)
	start := func() string {
		return fmt.Sprint(p.poolStatus("ENGINEERING")["instant_clone_push_image_settings"].(map[string]any)["start_time"])
	}
	later := p.at(100)
	p.must("ENGINEERING", pushV1, pushBody(`"start_time":`+later))
	if got := start(); got != before {
		t.Errorf("a change is seen at once: the time is %s, was %s", got, before)
	}
	p.Advance(20 * time.Second)
	if got := start(); got != later {
		t.Errorf("the time is %s, want %s", got, later)
	}
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.follows("ENGINEERING", course{
		{0, "SCHEDULE_PUSH_IMAGE, READY " + goldenV2 + ", " + goldenV1},
		{20 * time.Second, "NONE, none, " + goldenV2},
	})
}

func TestARescheduleDiffersInTheTimeAlone(t *testing.T) {
	for _, change := range []string{
		`"snapshot_id":"` + goldenV3 + `"`, `"logoff_policy":"FORCE_LOGOFF"`, `"stop_on_first_error":false`, `"add_virtual_tpm":true`,
		`"compute_profile_ram_mb":4096`, `"selective_push_image":true`,
	} {
		p := newPod(t, newestRelease)
		p.must("ENGINEERING", pushV2, pushBody(`"start_time":`+p.at(60)))
		p.Advance(time.Minute)
		expectReply(t, change, p.act("ENGINEERING", pushV2, pushBody(change+`,"start_time":`+p.at(90))), 400, "only the start time can differ")
		p.must("ENGINEERING", pushV2, pushBody(`"stop_on_first_error":true,"start_time":`+p.at(90))) // a default that is written out
	}
}

func TestARescheduleHasTheSameMachines(t *testing.T) {
	p := newPod(t, newestRelease)
	body := func(minutes int, machines ...string) string {
		return pushBody(`"selective_push_image":true,"start_time":` + p.at(minutes) + `,"machine_ids":` + p.machineIDs("ENGINEERING", machines...))
	}
	p.must("ENGINEERING", pushV2, body(60, "ENG-001", "ENG-002"))
	expectReply(t, "fewer machines", p.act("ENGINEERING", pushV2, body(90, "ENG-001")), 400, "only the start time can differ")
	expectReply(t, "another machine", p.act("ENGINEERING", pushV2, body(90, "ENG-001", "ENG-003")), 400, "only the start time can differ")
	p.must("ENGINEERING", pushV2, body(90, "ENG-002", "ENG-001"))
}

func TestAFailedPublishingShowsItsError(t *testing.T) {
	p := newPod(t, newestRelease)
	p.done(p.FailPublish("ENGINEERING", "Could not reach the domain controller"))
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.follows("ENGINEERING", course{
		{6*time.Minute - time.Second, "SCHEDULE_PUSH_IMAGE, PUBLISHING " + goldenV2 + ", " + goldenV1},
		{time.Second, "SCHEDULE_PUSH_IMAGE, FAILED " + goldenV2 + ", " + goldenV1},
		{time.Minute, "NONE, FAILED " + goldenV2 + ", " + goldenV1},
		{24 * time.Hour, "NONE, FAILED " + goldenV2 + ", " + goldenV1},
	})
	status := p.poolStatus("ENGINEERING")
	if status["instant_clone_pending_image_error"] != "Could not reach the domain controller" || !strings.Contains(fmt.Sprint(status["last_provisioning_error"]), "domain controller") {
		t.Errorf("the errors are %v", status)
	}
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.follows("ENGINEERING", course{{10 * time.Minute, "NONE, none, " + goldenV2}})
	status = p.poolStatus("ENGINEERING")
	if status["last_provisioning_error"] != nil || status["last_provisioning_error_time"] == nil {
		t.Errorf("after a success the errors are %v", status)
	}
}

func TestAnImageCanFailInEveryPool(t *testing.T) {
	p := newPod(t, newestRelease)
	p.done(p.FailImage(HorizonVCenterID, goldenV2, "The disk is broken"))
	for _, pool := range []string{"ENGINEERING", "SALES"} {
		p.must(pool, pushV1, pushBody(""))
		p.Advance(time.Hour)
		p.expectPool("broken", pool, "NONE, FAILED "+goldenV2+", "+goldenV1)
	}
	p.must("SALES", pushV1, pushBody(`"snapshot_id":"`+goldenV3+`"`))
	p.done(p.FailImage(HorizonVCenterID, goldenV2, ""))
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.Advance(time.Hour)
	p.expectPool("another image", "SALES", "NONE, none, "+goldenV3)
	p.expectPool("repaired", "ENGINEERING", "NONE, none, "+goldenV2)
}

func TestAPushChangesWhatMachinesGetBesides(t *testing.T) {
	p := newPod(t, newestRelease)
	p.AddPool(DesktopPool{Name: "CAD", VMID: goldenVM, Machines: 1, VGPUProfile: "grid_m10-4q", VirtualTPM: true})
	show := func() string {
		i, d := p.image("CAD"), p.Pool("CAD")["display_protocol_settings"].(map[string]any)
		return fmt.Sprintf("%v %v/%v/%v %v %v", i["add_virtual_tpm"], i["compute_profile_num_cpus"], i["compute_profile_num_cores_per_socket"], i["compute_profile_ram_mb"],
			d["grid_vgpus_enabled"], d["vgpu_grid_profile"])
	}
	if got := show(); got != "true 4/2/8192 true grid_m10-4q" {
		t.Errorf("the pool starts with %s", got)
	}
	for _, row := range []struct{ version, changes, want string }{
		{pushV1, `"snapshot_id":"` + goldenV2 + `"`, "false 4/2/8192 true grid_m10-4q"},
		{pushV2, `"snapshot_id":"` + goldenV3 + `","add_virtual_tpm":true,"compute_profile_num_cpus":6,"compute_profile_num_cores_per_socket":3,"compute_profile_ram_mb":4096`, "true 6/3/4096 true grid_m10-4q"},
		{pushV3, `"snapshot_id":"` + goldenV1 + `","grid_vgpus_enabled":true,"vgpu_grid_profile":"grid_t4-2q"`, "false 6/3/4096 true grid_t4-2q"},
		{pushV3, `"snapshot_id":"` + goldenV2 + `"`, "false 6/3/4096 false <nil>"},
	} {
		p.must("CAD", row.version, pushBody(row.changes))
		p.Advance(time.Minute)
		if row.version == pushV2 {
			status := p.poolStatus("CAD")
			if got := fmt.Sprint(status["pending_compute_profile_num_cpus"], "/", status["pending_compute_profile_num_cores_per_socket"], "/", status["pending_compute_profile_ram_mb"]); got != "6/3/4096" {
				t.Errorf("the pending hardware is %s", got)
			}
		}
		p.Advance(time.Hour)
		if got := show(); got != row.want {
			t.Errorf("%s %s: the pool has %s, want %s", row.version, row.changes, got, row.want)
		}
	}
	if got := fmt.Sprint(p.machineOf("CAD", "CAD-001")["memory_mb"]); got != "4096" {
		t.Errorf("its machine has %s MB", got)
	}
}

func TestAPushFollowsATag(t *testing.T) {
	s := newStocked(t, newestRelease)
	april := s.make("im-versions", versionBody(s.stream, "april"))
	s.make("im-assets", assetBody(s.stream, april, "base_snapshot_id", goldenV3))
	s.done(s.WriteCatalogueObject(s.tag, map[string]any{"im_version_id": april}))
	body := pushBody(`"parent_vm_id":null,"snapshot_id":null,"im_stream_id":"` + s.stream + `","im_tag_id":"` + s.tag + `"`)
	s.must("ENGINEERING", pushV1, body)
	s.Advance(time.Minute)
	status := s.poolStatus("ENGINEERING")
	if status["instant_clone_pending_im_stream_id"] != s.stream || status["instant_clone_pending_im_tag_id"] != s.tag || status["instant_clone_pending_im_tag_name"] != "live" ||
		status["instant_clone_pending_image_snapshot_id"] != goldenV3 {
		t.Errorf("the pending image is %v", status)
	}
	expectReply(t, "deleting the tag of a pending image", s.do("DELETE", s.path("im-tags"), ""), 400, "in use")
	s.Advance(9 * time.Minute)
	image := s.image("ENGINEERING")
	if s.Pool("ENGINEERING")["image_source"] != "IMAGE_CATALOG" || image["im_tag_id"] != s.tag || image["base_snapshot_id"] != goldenV3 {
		t.Errorf("the pool has %v", image)
	}
	s.Advance(10 * time.Minute)
	if m := s.machineOf("ENGINEERING", "ENG-010"); m["image_management_tag_id"] != s.tag || m["base_vm_snapshot_id"] != goldenV3 {
		t.Errorf("a machine is %v", m)
	}
	s.must("ENGINEERING", pushV1, pushBody(""))
	s.Advance(time.Hour)
	if image := s.image("ENGINEERING"); s.Pool("ENGINEERING")["image_source"] != "VIRTUAL_CENTER" || image["im_tag_id"] != nil {
		t.Errorf("back on a VM the pool has %v", image)
	}
	clear(s.tokens)
	expectReply(t, "deleting the tag", s.do("DELETE", s.path("im-tags"), ""), 204, "")
}
