package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCallsAreSeenAfterTheAssumedWhile(t *testing.T) {
	for value, hidden := range map[string]time.Duration{"20s": 20 * time.Second, "0s": 0, "90s": 90 * time.Second} {
		p := newPod(t, newestRelease, "horizon-call-visible="+value)
		call := func(what, before string, call func()) {
			t.Helper()
			p.expectPool(value+", before "+what, "ENGINEERING", before)
			call()
			if hidden > 0 {
				p.Advance(hidden - time.Second)
				p.expectPool(value+", just after "+what, "ENGINEERING", before)
				p.Advance(time.Second)
			}
			if got := p.summary("ENGINEERING"); got == before {
				t.Errorf("%s: after %s the pool still is %s", value, what, got)
			}
		}
		push := func(selective string) func() {
			return func() {
				p.must("ENGINEERING", pushV2, pushBody(selective+`"snapshot_id":"`+goldenV3+`","start_time":`+p.at(30)))
			}
		}
		call("a push", "NONE, none, "+goldenV1, push(""))
		p.Advance(15 * time.Minute)
		call("a cancellation", "SCHEDULE_PUSH_IMAGE, READY "+goldenV3+", "+goldenV1, func() { p.must("ENGINEERING", cancelPush, "") })
		p.Advance(5 * time.Minute)
		call("a selective push", "NONE, none, "+goldenV1, push(`"selective_push_image":true,`))
		p.Advance(time.Hour)
		call("a promotion", "NONE, READY_HELD "+goldenV3+", "+goldenV1, func() { p.must("ENGINEERING", promote, "") })
	}
}

func TestACallThatIsNotSeenYetCounts(t *testing.T) {
	p := newPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(""))
	expectReply(t, "a second push", p.act("ENGINEERING", pushV1, pushBody("")), 400, "has operation SCHEDULE_PUSH_IMAGE")
}

func TestAnImmediatePushShowsTheAssumedOperation(t *testing.T) {
	for _, value := range []string{operationPush, operationNone} {
		p := newPod(t, newestRelease, "horizon-immediate-operation="+value)
		p.must("ENGINEERING", pushV1, pushBody(""))
		p.Advance(time.Minute)
		p.expectPool(value, "ENGINEERING", value+", PUBLISHING "+goldenV2+", "+goldenV1)
		if settings := p.poolStatus("ENGINEERING")["instant_clone_push_image_settings"]; (settings != nil) != (value == operationPush) {
			t.Errorf("%s: the settings are %v", value, settings)
		}
		expectReply(t, "a second push", p.act("ENGINEERING", pushV1, pushBody("")), 400, "has operation SCHEDULE_PUSH_IMAGE")
		p.must("SALES", pushV1, pushBody(`"start_time":`+p.at(60)))
		p.Advance(time.Minute)
		p.expectPool(value, "SALES", "SCHEDULE_PUSH_IMAGE, PUBLISHING "+goldenV2+", "+goldenV1)
	}
}

func TestAPushIsAnsweredAsAssumed(t *testing.T) {
	for value, want := range map[string]int{"empty": 0, "pool": 1, "machines": 10} {
		p := newPod(t, newestRelease, "horizon-push-answer="+value)
		got := p.must("ENGINEERING", pushV2, pushBody(""))
		if got.status != 200 || len(got.list()) != want {
			t.Errorf("%s: answered %d %s", value, got.status, got.text)
		}
		for _, item := range got.list() {
			id, status := item.(map[string]any)["id"], fmt.Sprint(item.(map[string]any)["status_code"])
			if status != "200" || value == "pool" && id != p.poolID("ENGINEERING") || value == "machines" && id == p.poolID("ENGINEERING") {
				t.Errorf("%s: an item is %v", value, item)
			}
		}
		if got := p.must("SALES", pushV1, pushBody("")); got.status != 204 || got.text != "" {
			t.Errorf("%s: version 1 is answered with %d %s", value, got.status, got.text)
		}
	}
}

func TestMachinesThatAreNotThereAreReportedOrRefused(t *testing.T) {
	body := func(p *pod) string {
		return pushBody(`"selective_push_image":true,"machine_ids":` + strings.Replace(p.machineIDs("ENGINEERING", "ENG-002"), "]", ","+strings.Trim(p.machineIDs("SALES", "SAL-001"), "[]")+`,"ENG-001"]`, 1))
	}
	p := newPod(t, newestRelease)
	got := p.must("ENGINEERING", pushV2, body(p))
	found := map[string]int{}
	for _, item := range got.list() {
		item := item.(map[string]any)
		found[fmt.Sprint(item["status_code"])]++
		if fmt.Sprint(item["status_code"]) == "404" && !strings.Contains(fmt.Sprint(item["errors"]), "does not exist in desktop pool") {
			t.Errorf("an item is %v", item)
		}
	}
	if fmt.Sprint(found) != "map[200:1 404:2]" {
		t.Errorf("the items have %v", found)
	}
	p.Advance(12 * time.Minute)
	p.expectPool("reported", "ENGINEERING", "NONE, READY_HELD "+goldenV2+", "+goldenV1)
	if on := p.on("ENGINEERING", goldenV2); on != "002" {
		t.Errorf("%q have the image", on)
	}
	p = newPod(t, newestRelease, "horizon-push-machines=refused")
	expectReply(t, "refused", p.act("ENGINEERING", pushV2, body(p)), 400, "does not exist in desktop pool")
	p.Advance(time.Minute)
	p.expectPool("refused", "ENGINEERING", "NONE, none, "+goldenV1)
}

func TestPushingTheSameImageDoesWhatIsAssumed(t *testing.T) {
	same := pushBody(`"snapshot_id":"` + goldenV1 + `","add_virtual_tpm":true`)
	p := newPod(t, newestRelease)
	first := p.machineOf("ENGINEERING", "ENG-010")["id"]
	p.must("ENGINEERING", pushV1, same)
	p.Advance(time.Minute)
	p.expectPool("reclones", "ENGINEERING", "SCHEDULE_PUSH_IMAGE, PUBLISHING "+goldenV1+", "+goldenV1)
	p.Advance(time.Hour)
	if p.machineOf("ENGINEERING", "ENG-010")["id"] == first {
		t.Error("reclones: the last machine was not made anew")
	}
	p = newPod(t, newestRelease, "horizon-push-same=no-op")
	p.must("ENGINEERING", pushV1, same)
	p.Advance(time.Minute)
	p.expectPool("no-op", "ENGINEERING", "NONE, none, "+goldenV1)
	p = newPod(t, newestRelease, "horizon-push-same=refused")
	expectReply(t, "refused", p.act("ENGINEERING", pushV1, same), 400, "has this image already")
	for _, value := range []string{"reclones", "no-op", "refused"} {
		p = newPod(t, newestRelease, "horizon-push-same="+value)
		p.must("ENGINEERING", pushV1, pushBody(`"snapshot_id":"`+goldenV1+`"`)) // without the vTPM, which is a difference
		p.Advance(time.Minute)
		p.expectPool(value, "ENGINEERING", "SCHEDULE_PUSH_IMAGE, PUBLISHING "+goldenV1+", "+goldenV1)
	}
}

func TestAFailedImageIsKeptOrRemoved(t *testing.T) {
	for value, want := range map[string]course{
		"kept": {{7 * time.Minute, "NONE, FAILED " + goldenV2 + ", " + goldenV1}, {time.Hour, "NONE, FAILED " + goldenV2 + ", " + goldenV1}},
		"removed": {
			{7 * time.Minute, "SCHEDULE_PUSH_IMAGE, UNPUBLISHING " + goldenV2 + ", " + goldenV1},
			{2*time.Minute - time.Second, "SCHEDULE_PUSH_IMAGE, UNPUBLISHING " + goldenV2 + ", " + goldenV1},
			{time.Second, "NONE, none, " + goldenV1},
		},
	} {
		p := newPod(t, newestRelease, "horizon-failed-image="+value)
		p.done(p.FailPublish("ENGINEERING", "no"))
		p.must("ENGINEERING", pushV1, pushBody(""))
		p.follows("ENGINEERING", want)
		if failure := p.poolStatus("ENGINEERING")["instant_clone_pending_image_error"]; (failure == "no") != (value == "kept") {
			t.Errorf("%s: the error is %v", value, failure)
		}
	}
}

func TestImagesOfTheCatalogueAreShownOrHidden(t *testing.T) {
	for value, shown := range map[string]bool{"shown": true, "hidden": false} {
		s := newStocked(t, newestRelease, "horizon-catalogue-image="+value)
		s.must("ENGINEERING", pushV1, pushBody(`"parent_vm_id":null,"snapshot_id":null,"im_stream_id":"`+s.stream+`","im_tag_id":"`+s.tag+`"`))
		s.Advance(time.Minute)
		status := s.poolStatus("ENGINEERING")
		for _, name := range []string{"_parent_vm_id", "_snapshot_id", "_parent_vm_path", "_snapshot_path"} {
			if there := status["instant_clone_pending_image"+name] != nil; there != shown {
				t.Errorf("%s: the pending image shows %s: %t", value, name, there)
			}
		}
		s.Advance(time.Hour)
		for _, name := range []string{"parent_vm_id", "base_snapshot_id", "parent_vm_path", "snapshot_path"} {
			if there := s.image("ENGINEERING")[name] != nil; there != shown {
				t.Errorf("%s: the pool shows %s: %t", value, name, there)
			}
		}
		if s.image("ENGINEERING")["im_tag_id"] != s.tag || s.machineOf("ENGINEERING", "ENG-001")["base_vm_snapshot_id"] != goldenV1 {
			t.Errorf("%s: the pool is %v", value, s.image("ENGINEERING"))
		}
		if s.image("SALES")["base_snapshot_id"] != goldenV1 {
			t.Errorf("%s: a pool without a tag is %v", value, s.image("SALES"))
		}
	}
}

func TestATriggeredPushCanBeCancelledOrNot(t *testing.T) {
	// No document lists the status 400 of the cancellation.
	p := newUnguardedPod(t, newestRelease)
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.Advance(5 * time.Minute)
	expectReply(t, "refused", p.act("ENGINEERING", cancelPush, ""), 400, "has operation SCHEDULE_PUSH_IMAGE")
	p = newUnguardedPod(t, newestRelease, "horizon-cancel-triggered=accepted")
	p.done(p.SetPoolOperation("SALES", PoolOperation{Operation: operationPush}))
	expectReply(t, "nothing to cancel", p.act("SALES", cancelPush, ""), 400, "no pending image")
	p = newPod(t, newestRelease, "horizon-cancel-triggered=accepted")
	p.must("ENGINEERING", pushV1, pushBody(""))
	p.Advance(5 * time.Minute)
	p.must("ENGINEERING", cancelPush, "")
	p.follows("ENGINEERING", course{
		{time.Minute, "CANCEL_SCHEDULED_PUSH_IMAGE, UNPUBLISHING " + goldenV2 + ", " + goldenV1},
		{time.Minute, "NONE, none, " + goldenV1},
	})
}

func TestAHeldImageCanBeCancelledOrNot(t *testing.T) {
	held(t).must("ENGINEERING", cancelPush, "")
	p := hold(newUnguardedPod(t, newestRelease, "horizon-cancel-held=refused"))
	expectReply(t, "refused", p.act("ENGINEERING", cancelPush, ""), 400, "READY_HELD")
}

func TestCanariesOfACancelledImageDoWhatIsAssumed(t *testing.T) {
	for value, want := range map[string]string{"left": "001 002 003", "returned": ""} {
		p := held(t, "horizon-cancel-canaries="+value)
		p.must("ENGINEERING", applyPending, p.machineIDs("ENGINEERING", "ENG-002", "ENG-003", "ENG-004"))
		p.done(p.SetSessions("ENGINEERING", "ENG-004", 1)) // has not begun, and never does
		p.Advance(time.Minute)                             // the others are in progress
		p.must("ENGINEERING", cancelPush, "")
		p.Advance(time.Hour)
		p.done(p.EndSessions("ENGINEERING"))
		p.Advance(time.Hour)
		if on := p.on("ENGINEERING", goldenV2); on != want {
			t.Errorf("%s: %q have the image", value, on)
		}
		p.expectPool(value, "ENGINEERING", "NONE, none, "+goldenV1)
	}
	p := hold(newUnguardedPod(t, newestRelease, "horizon-cancel-canaries=refused"))
	expectReply(t, "refused", p.act("ENGINEERING", cancelPush, ""), 400, "in use by machines")
	p.must("ENGINEERING", applyCurrent, p.machineIDs("ENGINEERING", "ENG-001"))
	p.Advance(2 * time.Minute)
	p.must("ENGINEERING", cancelPush, "")
}

func TestApplyingAnImageToSessionsDoesWhatIsAssumed(t *testing.T) {
	for value, want := range map[string]string{"wait": "001 003", "logged-off": "001 002 003", "refused": "001 003"} {
		p := held(t, "horizon-apply-sessions="+value)
		p.done(p.SetSessions("ENGINEERING", "ENG-002", 1))
		got := p.must("ENGINEERING", applyPending, p.machineIDs("ENGINEERING", "ENG-002", "ENG-003"))
		if refused := strings.Contains(got.text, "has a session"); refused != (value == "refused") || len(got.list()) != 2 {
			t.Errorf("%s: answered %s", value, got.text)
		}
		p.Advance(time.Hour)
		if on := p.on("ENGINEERING", goldenV2); on != want {
			t.Errorf("%s: %q have the image", value, on)
		}
		p.done(p.EndSessions("ENGINEERING"))
		p.Advance(time.Hour)
		if on := p.on("ENGINEERING", goldenV2); (on == "001 003") != (value == "refused") {
			t.Errorf("%s: after the session %q have the image", value, on)
		}
	}
}

func TestMachinesThatAreMadeAnewKeepTheirIDsOrNot(t *testing.T) {
	for value, kept := range map[string]bool{"new": false, "kept": true} {
		p := newPod(t, newestRelease, "horizon-machine-ids="+value)
		before := p.machineOf("ENGINEERING", "ENG-001")
		p.must("ENGINEERING", pushV1, pushBody(""))
		p.Advance(time.Hour)
		after := p.machineOf("ENGINEERING", "ENG-001")
		if (before["id"] == after["id"]) != kept || before["vm_moid"] == after["vm_moid"] {
			t.Errorf("%s: the machine was %v and is %v", value, before, after)
		}
	}
}

func TestMachinesThatAreLeftOutAreOnStandbyOrNot(t *testing.T) {
	for value, want := range map[string]any{"absent": nil, "shown": "STANDBY"} {
		p := held(t, "horizon-standby="+value)
		m := p.machineOf("ENGINEERING", "ENG-002")
		if m["operation_state"] != want || (m["pending_base_vm_snapshot_id"] == goldenV2) != (want != nil) || m["base_vm_snapshot_id"] != goldenV1 {
			t.Errorf("%s: a machine is %v", value, m)
		}
		if canary := p.machineOf("ENGINEERING", "ENG-001"); canary["operation"] != nil || canary["base_vm_snapshot_id"] != goldenV2 {
			t.Errorf("%s: the canary is %v", value, canary)
		}
	}
}
