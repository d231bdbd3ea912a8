package horizon

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

const tasksOfA = "/rest/inventory/v1/desktop-pools/" + poolA + "/tasks"

func TestTasksOfAPool(t *testing.T) {
	halted := map[string]any{
		"id": "t-1", "operation": "PUSH_IMAGE", "description": "Changing 10 users\nto image", "schedule_time": 1935742800123,
		"remaining_vmtask_count": 1, "error_vmtask_count": 2, "halted_vmtask_count": 3, "cancelled_vmtask_count": 4,
	}
	p := newPod(t)
	p.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		switch r.URL.Path {
		case tasksOfA:
			reply(w, 200, []any{halted, map[string]any{"id": "t-2", "operation": "ARCHIVE"}})
		case tasksOfA + "/t-1", tasksOfA + "/t-9":
			reply(w, 200, halted)
		case tasksOfA + "/t-3":
			refuse(w, 404, "x", "no such task")
		default:
			return false
		}
		return true
	}
	want := Task{
		ID: "t-1", Operation: PushTask, Description: "Changing 10 users to image", ScheduleTime: time.UnixMilli(1935742800123).UTC(),
		Remaining: 1, Failed: 2, Halted: 3, Cancelled: 4,
	}
	client := p.client(t, nil)
	tasks, err := client.Tasks(t.Context(), poolA)
	if err != nil || len(tasks) != 2 || *tasks[0] != want || *tasks[1] != (Task{ID: "t-2", Operation: "ARCHIVE"}) {
		t.Fatalf("%v %v", tasks, err)
	}
	if task, err := client.Task(t.Context(), poolA, "t-1"); err != nil || *task != want {
		t.Errorf("%v %v", task, err)
	}
	if task, err := client.Task(t.Context(), poolA, "t-9"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("another task than asked for: %v %v", task, err)
	}
	if _, err := client.Task(t.Context(), poolA, "t-3"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	for _, id := range []string{"t/1", ""} {
		if _, err := client.Task(t.Context(), poolA, id); err == nil {
			t.Errorf("%q is an id", id)
		}
	}
	if _, err := client.Task(t.Context(), "../x", "t-1"); err == nil {
		t.Error("../x is an id")
	}
	if _, err := client.Tasks(t.Context(), "../x"); err == nil {
		t.Error("../x is an id")
	}
}

func TestTasksThatCannotBeRead(t *testing.T) {
	for _, c := range []struct {
		name     string
		answer   http.HandlerFunc
		says     string
		notFound bool
	}{
		{"no privilege", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "x", "no") }, "POOL_VIEW", false},
		{"no such pool", func(w http.ResponseWriter, _ *http.Request) { refuse(w, 404, "x", "no") }, "no", true},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { page(w, 200) }, "something in between", false},
		{"a page that says not found", func(w http.ResponseWriter, _ *http.Request) { noRoute(w) }, "no such route", false},
	} {
		p := newPod(t)
		p.Intercept = onlyFor("GET "+tasksOfA, c.answer)
		client := p.client(t, nil)
		_, err := client.Tasks(t.Context(), poolA)
		_, errOfOne := client.Task(t.Context(), poolA, "t-1")
		for _, err := range []error{err, errOfOne} {
			var refusal *transport.APIError
			if errors.Is(err, ErrNotFound) != c.notFound || !errors.As(err, &refusal) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

func TestResumedTaskIsToldEverything(t *testing.T) {
	for spec, want := range map[ResumeSpec]string{
		{}: `{"retry_failed_vms":false,"stop_on_error":false}`,
		{RetryFailedMachines: true, StopOnFirstError: true}: `{"retry_failed_vms":true,"stop_on_error":true}`,
	} {
		p := newPod(t)
		p.Release = 2111
		p.takeActions(t, nil)
		if err := p.client(t, nil).ResumeTask(t.Context(), poolA, "t-1", spec); err != nil {
			t.Error(err)
		}
		if got := p.lastBody("POST " + tasksOfA + "/t-1/action/resume"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
