package horizon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// The policies for machines with a session (vendor's OpenAPI, DesktopPoolPushImageSpec).
const (
	// ForceLogoff logs users off, after the grace period of Horizon's global settings.
	ForceLogoff = "FORCE_LOGOFF"
	// WaitForLogoff leaves a machine as it is until its user has logged off.
	WaitForLogoff = "WAIT_FOR_LOGOFF"
)

// imagePrivilege is what all that changes the image of a pool needs.
const imagePrivilege = "POOL_SVI_IMAGE_MANAGEMENT"

// Feature is something that not every release can do.
type Feature string

// The features. Each reads as the beginning of a sentence that says what it needs.
const (
	SelectivePush      Feature = "a selective push"
	PushComputeProfile Feature = "a push with a compute profile"
	PushVirtualGPUs    Feature = "a push with vGPU settings"
	PromoteImage       Feature = "promoting a pending image"
	ApplyToMachines    Feature = "applying an image to machines"
	ResumePushTask     Feature = "resuming a task"
)

// features are the releases that brought a feature, and the version of the route
// for a push that has it. Source: the vendor's OpenAPI files.
var features = map[Feature]struct {
	release string
	version int
}{
	SelectivePush:      {"2206", 2},
	PushComputeProfile: {"2206", 2},
	PushVirtualGPUs:    {"2512", 3},
	PromoteImage:       {"2206", 0},
	ApplyToMachines:    {"2206", 0},
	ResumePushTask:     {"2111", 0},
}

// UnsupportedError says that the server's release cannot do something.
type UnsupportedError struct {
	Feature Feature
	// Needs is the first release that can.
	Needs string
	// Server is what is known of the server's release, all of it before Needs.
	Server Span
}

func (e *UnsupportedError) Error() string {
	is := "is older than " + e.Server.Before
	if e.Server.AtLeast != "" {
		is = fmt.Sprintf("is %s or newer, and older than %s", e.Server.AtLeast, e.Server.Before)
	}
	return fmt.Sprintf("%s needs Horizon %s or newer, and this server %s", e.Feature, e.Needs, is)
}

// Supports says whether the server can do something, by an error that is an
// *UnsupportedError where it cannot. Nil is said of a server, too, whose release
// the user may not find out. Other errors are those of Release.
func (c *Client) Supports(ctx context.Context, f Feature) error {
	needs := features[f].release
	// What reading pools has found out is mostly enough.
	span := newSearch(&c.server.routes).span()
	if span.AtLeast < needs && (span.Before == "" || span.Before > needs) {
		var err error
		if span, err = c.Release(ctx); err != nil {
			return err
		}
	}
	if span.Before != "" && span.Before <= needs {
		return &UnsupportedError{Feature: f, Needs: needs, Server: span}
	}
	return nil
}

// PushSpec is a push of an image to a pool.
type PushSpec struct {
	// Image is a VM with its snapshot, or, if its StreamID is set, a stream with its
	// tag. Its names are not sent.
	Image PoolImage
	// LogoffPolicy is ForceLogoff or WaitForLogoff.
	LogoffPolicy     string
	StopOnFirstError bool
	// StartTime is when machines begin to change. Zero, and any time in the past, is
	// now; by the server's clock, in milliseconds.
	StartTime time.Time
	// AddVirtualTPM is sent in any case: what leaves it out takes the vTPM away.
	AddVirtualTPM bool
	// Compute is the hardware of the clones; nil leaves it as it is.
	Compute *ComputeProfile
	// GridVGPUsEnabled and VGPUGridProfile are sent together if one is set: what
	// leaves the first one out turns vGPUs off. Nil and empty leave both as they are.
	GridVGPUsEnabled *bool
	VGPUGridProfile  string
	// Selective keeps the image pending, and puts it on some machines only. Nil: it
	// becomes the image of the pool.
	Selective *SelectiveSpec
}

// SelectiveSpec is the part of a selective push.
type SelectiveSpec struct {
	// MachineIDs are Horizon's ids. None: the image is published, and no machine changes.
	MachineIDs []string
}

// features returns what a release has to be able to do for the push.
func (s *PushSpec) features() []Feature {
	var needed []Feature
	if s.Selective != nil {
		needed = append(needed, SelectivePush)
	}
	if s.Compute != nil {
		needed = append(needed, PushComputeProfile)
	}
	if s.GridVGPUsEnabled != nil || s.VGPUGridProfile != "" {
		needed = append(needed, PushVirtualGPUs)
	}
	return needed
}

// pushBody is DesktopPoolPushImageSpec of the vendor's OpenAPI, in all its versions.
type pushBody struct {
	ParentVMID       string   `json:"parent_vm_id,omitempty"`
	SnapshotID       string   `json:"snapshot_id,omitempty"`
	StreamID         string   `json:"im_stream_id,omitempty"`
	TagID            string   `json:"im_tag_id,omitempty"`
	LogoffPolicy     string   `json:"logoff_policy"`
	StopOnFirstError bool     `json:"stop_on_first_error"`
	AddVirtualTPM    bool     `json:"add_virtual_tpm"`
	StartTime        int64    `json:"start_time,omitempty"`
	CPUs             int64    `json:"compute_profile_num_cpus,omitempty"`
	Cores            int64    `json:"compute_profile_num_cores_per_socket,omitempty"`
	RAM              int64    `json:"compute_profile_ram_mb,omitempty"`
	Selective        bool     `json:"selective_push_image,omitempty"`
	MachineIDs       []string `json:"machine_ids,omitempty"`
	GridVGPUsEnabled *bool    `json:"grid_vgpus_enabled,omitempty"`
	VGPUGridProfile  string   `json:"vgpu_grid_profile,omitempty"`
}

func (s *PushSpec) body() ([]byte, error) {
	b := pushBody{
		LogoffPolicy: s.LogoffPolicy, StopOnFirstError: s.StopOnFirstError, AddVirtualTPM: s.AddVirtualTPM,
		GridVGPUsEnabled: s.GridVGPUsEnabled, VGPUGridProfile: s.VGPUGridProfile,
	}
	switch {
	case s.Image.StreamID != "":
		b.StreamID, b.TagID = s.Image.StreamID, s.Image.TagID
	default:
		b.ParentVMID, b.SnapshotID = s.Image.ParentVMID, s.Image.SnapshotID
	}
	if (b.StreamID == "" || b.TagID == "") && (b.ParentVMID == "" || b.SnapshotID == "") {
		return nil, errors.New("a push needs a VM and its snapshot, or a stream and its tag")
	}
	if b.LogoffPolicy != ForceLogoff && b.LogoffPolicy != WaitForLogoff {
		return nil, fmt.Errorf("%q is no policy for machines with a session: it is %s or %s", b.LogoffPolicy, ForceLogoff, WaitForLogoff)
	}
	if !s.StartTime.IsZero() {
		b.StartTime = s.StartTime.UnixMilli()
	}
	if s.Compute != nil {
		b.CPUs, b.Cores, b.RAM = s.Compute.NumCPUs, s.Compute.NumCoresPerSocket, s.Compute.RAMMB
	}
	if s.Selective != nil {
		if err := checkMachines(s.Selective.MachineIDs); err != nil {
			return nil, err
		}
		b.Selective, b.MachineIDs = true, s.Selective.MachineIDs
	}
	content, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("writing the push: %w", err)
	}
	return content, nil
}

func checkMachines(ids []string) error {
	for i, id := range ids {
		if err := checkID(machineListing.noun, id); err != nil {
			return err
		}
		if slices.Contains(ids[:i], id) {
			return fmt.Errorf("the machine %s is named twice", id)
		}
	}
	return nil
}

// SchedulePush asks for an image to be pushed to a pool, or moves a push that is
// scheduled to another time. The server answers before it begins, so that what
// comes of it is for the caller to look at. It takes the oldest version of the
// route that can say all of it. Its errors are a *WriteError, around an
// *UnsupportedError for what the release cannot do, and around a *PartialError for
// machines that the server refuses.
func (c *Client) SchedulePush(ctx context.Context, poolID string, spec PushSpec) error {
	body, err := spec.body()
	if err != nil {
		return &WriteError{Effect: Unsent, Err: err}
	}
	version := 1
	for _, f := range spec.features() {
		if err := c.Supports(ctx, f); err != nil {
			return &WriteError{Effect: Unsent, Err: err}
		}
		version = max(version, features[f].version)
	}
	return c.act(ctx, action{poolID: poolID, version: version, path: "action/schedule-push-image", body: body})
}

// CancelScheduledPush asks for a push that has not been triggered, or an image
// that is held, to be taken back. Machines stay on the image that they have. Its
// errors are a *WriteError.
func (c *Client) CancelScheduledPush(ctx context.Context, poolID string) error {
	return c.act(ctx, action{poolID: poolID, version: 1, path: "action/cancel-scheduled-push-image"})
}

// PromotePendingImage makes the image that is held the one of the whole pool. Its
// errors are those of SchedulePush.
func (c *Client) PromotePendingImage(ctx context.Context, poolID string) error {
	if err := c.Supports(ctx, PromoteImage); err != nil {
		return &WriteError{Effect: Unsent, Err: err}
	}
	return c.act(ctx, action{poolID: poolID, version: 1, path: "action/promote-pending-image"})
}

// ImageChoice is one of the two images that a pool may have.
type ImageChoice string

// The images of a pool.
const (
	PendingImage ImageChoice = "pending"
	CurrentImage ImageChoice = "current"
)

// ApplyImage asks for machines of a pool to be put on one of its images, by the
// ids of Horizon. Its errors are those of SchedulePush.
func (c *Client) ApplyImage(ctx context.Context, poolID string, machineIDs []string, image ImageChoice) error {
	if len(machineIDs) == 0 {
		return unsent("there is no machine to apply an image to")
	}
	if image != PendingImage && image != CurrentImage {
		return unsent("%q is neither the %s nor the %s image", image, PendingImage, CurrentImage)
	}
	if err := checkMachines(machineIDs); err != nil {
		return &WriteError{Effect: Unsent, Err: err}
	}
	if err := c.Supports(ctx, ApplyToMachines); err != nil {
		return &WriteError{Effect: Unsent, Err: err}
	}
	body, err := json.Marshal(machineIDs)
	if err != nil {
		return unsent("writing the machines: %w", err)
	}
	// Without the parameter it is the current image.
	query := "?pending_image=" + strconv.FormatBool(image == PendingImage)
	return c.act(ctx, action{poolID: poolID, version: 1, path: "action/apply-image" + query, body: body})
}

// action is a POST to a pool.
type action struct {
	poolID  string
	version int
	path    string // below the pool
	body    []byte
}

// act sends an action once. A repeat might come when the pool is in another state
// than the one that the action was decided for; a request in flight is finished
// within 10 s when the context ends.
func (c *Client) act(ctx context.Context, a action) error {
	if err := checkID(poolListing.noun, a.poolID); err != nil {
		return &WriteError{Effect: Unsent, Err: err}
	}
	if ctx.Err() != nil {
		return &WriteError{Effect: Unsent, Err: context.Cause(ctx)}
	}
	defer c.forgetPools()
	finish, release := withGrace(ctx)
	defer release()
	path := fmt.Sprintf("%s/%s/%s", poolPath(a.version), a.poolID, a.path)
	r, resp, err := c.send(transport.WithoutRepeats(finish), transport.Request{Method: http.MethodPost, Body: a.body}, path)
	if err != nil {
		failed := &WriteError{Effect: effectOfFailure(err), Err: err}
		var failure *transport.Error
		if failed.Effect == Unsent && errors.As(err, &failure) {
			failed.RetryAfter = shortWait
		}
		return failed
	}
	switch status := resp.StatusCode; {
	case status == http.StatusNotFound:
		return &WriteError{Effect: Refused, Err: c.missingPool(finish, a.poolID, r, resp)}
	case status == http.StatusTooManyRequests:
		return &WriteError{Effect: Unsent, RetryAfter: c.patienceFor(resp), Err: c.refusal(r, resp, "")}
	case status == http.StatusForbidden:
		return &WriteError{Effect: Refused, Err: c.refusal(r, resp, c.imagePrivilege(finish, a.poolID))}
	case status >= http.StatusMultipleChoices:
		return &WriteError{Effect: effectOfRefusal(status), Err: c.refusal(r, resp, "")}
	}
	if _, err := c.accepted(r, resp); err != nil {
		var partial *PartialError
		if errors.As(err, &partial) && slices.ContainsFunc(partial.Items, func(i FailedItem) bool { return i.StatusCode == http.StatusForbidden }) {
			err = fmt.Errorf("the user %s lacks a privilege in Horizon; this needs %s: %w", c.user, c.imagePrivilege(finish, a.poolID), err)
		}
		return &WriteError{Effect: Unknown, Err: err}
	}
	return nil
}

// imagePrivilege says what is needed, and where.
func (c *Client) imagePrivilege(ctx context.Context, poolID string) string {
	where := "the access group"
	if pool, err := c.Pool(ctx, poolID); err == nil && pool.AccessGroupID != "" {
		where += " " + pool.AccessGroupID
	}
	return fmt.Sprintf("%s on %s of the desktop pool %s", imagePrivilege, where, poolID)
}

// forgetPools makes RecentPools list the pools again. A list that is under way may
// be from before, and serves only those who wait for it.
func (c *Client) forgetPools() {
	r := &c.server.pools
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pools, r.err, r.until, r.under = nil, nil, time.Time{}, nil
	r.forgotten++
}
