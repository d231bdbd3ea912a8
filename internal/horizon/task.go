package horizon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// PushTask is the operation of a Task that brings machines to an image.
const PushTask = "PUSH_IMAGE"

// Task is what a pool does to its machines one after the other. There is neither
// a state nor a percentage in it. The names of its values are those of the
// vendor's DesktopPoolTaskInfo.
type Task struct {
	ID        string
	Operation string // PUSH_IMAGE, ARCHIVE, ATTACH, ...
	// Description is a sentence in the server's language.
	Description  string
	ScheduleTime time.Time
	// Remaining are the machines that are scheduled or under way. Halted are those
	// that wait since another one failed.
	Remaining, Failed, Halted, Cancelled int64
}

type taskAnswer struct {
	ID           string `json:"id"`
	Operation    string `json:"operation"`
	Description  string `json:"description"`
	ScheduleTime int64  `json:"schedule_time"`
	Remaining    int64  `json:"remaining_vmtask_count"`
	Failed       int64  `json:"error_vmtask_count"`
	Halted       int64  `json:"halted_vmtask_count"`
	Cancelled    int64  `json:"cancelled_vmtask_count"`
}

func (a *taskAnswer) task() *Task {
	return &Task{
		ID: a.ID, Operation: a.Operation, Description: transport.CleanText(a.Description), ScheduleTime: moment(a.ScheduleTime),
		Remaining: a.Remaining, Failed: a.Failed, Halted: a.Halted, Cancelled: a.Cancelled,
	}
}

func tasksPath(poolID string) string { return poolPath(1) + "/" + poolID + "/tasks" }

// Tasks returns what a pool does to its machines. errors.Is(err, ErrNotFound) is
// true for a pool that is definitely not there; other errors are those of Read.
func (c *Client) Tasks(ctx context.Context, poolID string) ([]*Task, error) {
	if err := checkID(poolListing.noun, poolID); err != nil {
		return nil, err
	}
	r, resp, err := c.get(ctx, tasksPath(poolID), nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil, c.missingPool(ctx, poolID, r, resp)
	}
	var answers []taskAnswer
	if resp.StatusCode != http.StatusOK || json.Unmarshal(resp.Body, &answers) != nil {
		return nil, c.refusal(r, resp, poolListing.privilege)
	}
	tasks := make([]*Task, len(answers))
	for i := range answers {
		tasks[i] = answers[i].task()
	}
	return tasks, nil
}

// Task returns one of a pool's tasks. errors.Is(err, ErrNotFound) is true when
// Horizon itself says that there is no such task, or no such pool: tasks that are
// over may be gone. Other errors are those of Read.
func (c *Client) Task(ctx context.Context, poolID, taskID string) (*Task, error) {
	path, err := taskPath(poolID, taskID)
	if err != nil {
		return nil, err
	}
	r, resp, err := c.get(ctx, tasksPath(poolID)+path, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotFound && isOwn(resp.Body) {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, transport.NewAPIError(r, resp))
	}
	var answer taskAnswer
	if resp.StatusCode != http.StatusOK || json.Unmarshal(resp.Body, &answer) != nil || !strings.EqualFold(answer.ID, taskID) {
		return nil, c.refusal(r, resp, poolListing.privilege)
	}
	return answer.task(), nil
}

func taskPath(poolID, taskID string) (string, error) {
	if err := checkID(poolListing.noun, poolID); err != nil {
		return "", err
	}
	return "/" + taskID, checkID("task", taskID)
}

// ResumeSpec says how a task goes on.
type ResumeSpec struct {
	// RetryFailedMachines begins anew with the machines that have failed.
	RetryFailedMachines bool
	StopOnFirstError    bool
}

// ResumeTask asks for a task that was halted to go on. Its errors are those of
// SchedulePush.
func (c *Client) ResumeTask(ctx context.Context, poolID, taskID string, spec ResumeSpec) error {
	path, err := taskPath(poolID, taskID)
	if err != nil {
		return &WriteError{Effect: Unsent, Err: err}
	}
	if err := c.Supports(ctx, ResumePushTask); err != nil {
		return &WriteError{Effect: Unsent, Err: err}
	}
	body, err := json.Marshal(struct {
		Retry bool `json:"retry_failed_vms"`
		Stop  bool `json:"stop_on_error"`
	}{spec.RetryFailedMachines, spec.StopOnFirstError})
	if err != nil {
		return unsent("writing how the task goes on: %w", err)
	}
	return c.act(ctx, action{poolID: poolID, version: 1, path: "tasks" + path + "/action/resume", body: body})
}
