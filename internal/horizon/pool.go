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

// PoolImage is an image that a desktop pool runs or is about to run: a VM with a
// snapshot, or what a tag of the catalogue stands for. Members that do not apply,
// or that the release does not show (names and paths: 2412 for the current image,
// 2512 for the pending one), are empty.
type PoolImage struct {
	ParentVMID, ParentVMPath string
	SnapshotID, SnapshotPath string
	StreamID, StreamName     string
	TagID, TagName           string
}

// ComputeProfile is the hardware of the clones.
type ComputeProfile struct{ NumCPUs, NumCoresPerSocket, RAMMB int64 }

// PushSettings is what a server shows of how a push that is under way or scheduled
// is carried out: DesktopPoolInstantClonePushImageSettings of the vendor's OpenAPI.
type PushSettings struct {
	LogoffPolicy     string // FORCE_LOGOFF, WAIT_FOR_LOGOFF; empty: not said
	StopOnFirstError *bool
	AddVirtualTPM    *bool
	// StartTime is zero for a push that began at once.
	StartTime time.Time
}

// Pool is a desktop pool. The names of its values are those of the vendor's
// DesktopPoolInfo.
type Pool struct {
	ID, Name, DisplayName string
	Type                  string // AUTOMATED, MANUAL, RDS
	Source                string // INSTANT_CLONE, VIRTUAL_CENTER, RDS, ...
	ImageSource           string // IMAGE_CATALOG, VIRTUAL_CENTER
	UserAssignment        string
	VCenterID             string
	// DatacenterID is the one of the image, in which all its images have to be.
	DatacenterID       string
	AccessGroupID      string
	Enabled            *bool
	EnableProvisioning *bool
	// StopProvisioningOnError says that an error ends the making of machines.
	StopProvisioningOnError *bool
	DeleteInProgress        bool
	// NumMachines is not said by releases before 2512.
	NumMachines *int64

	Current       PoolImage
	AddVirtualTPM *bool
	// Compute is nil where it is not said: before 2206, and for a pool that has no
	// compute profile of its own.
	Compute          *ComputeProfile
	GridVGPUsEnabled *bool
	VGPUGridProfile  string

	Pending        PoolImage
	PendingCompute *ComputeProfile
	// PushSettings is nil unless a push is under way or scheduled.
	PushSettings *PushSettings

	// Operation is NONE, INITIAL_PUBLISH, SCHEDULE_PUSH_IMAGE and so on; empty for
	// pools that have none.
	Operation    string
	CurrentState string
	// PendingState is empty when there is no pending image.
	PendingState string
	// PendingProgress is in percent of the publishing. Nil: not said.
	PendingProgress *int64
	PendingError    string

	// LastProvisioningError is what last went wrong in making a machine, and may
	// long be solved: the server keeps it until provisioning is enabled anew.
	LastProvisioningError     string
	LastProvisioningErrorTime time.Time

	// ServerTime is the server's clock at the time of the answer, to the second: that
	// of the last page, for pools from a list. It is zero where answers have no Date.
	ServerTime time.Time
}

// poolAnswer is a pool on the wire, in the members that all versions from v2 on
// have in common, and in those that newer ones add.
type poolAnswer struct {
	ID                 string `json:"id"`
	Name               string `json:"name"`
	DisplayName        string `json:"display_name"`
	Type               string `json:"type"`
	Source             string `json:"source"`
	ImageSource        string `json:"image_source"`
	UserAssignment     string `json:"user_assignment"`
	VCenterID          string `json:"vcenter_id"`
	AccessGroupID      string `json:"access_group_id"`
	Enabled            *bool  `json:"enabled"`
	EnableProvisioning *bool  `json:"enable_provisioning"`
	StopOnError        *bool  `json:"stop_provisioning_on_error"`
	DeleteInProgress   bool   `json:"delete_in_progress"`
	NumMachines        *int64 `json:"num_machines"`
	Display            struct {
		GridVGPUsEnabled *bool  `json:"grid_vgpus_enabled"`
		VGPUGridProfile  string `json:"vgpu_grid_profile"`
	} `json:"display_protocol_settings"`
	Settings struct {
		ParentVMID    string `json:"parent_vm_id"`
		ParentVMPath  string `json:"parent_vm_path"`
		SnapshotID    string `json:"base_snapshot_id"`
		SnapshotPath  string `json:"snapshot_path"`
		StreamID      string `json:"im_stream_id"`
		StreamName    string `json:"im_stream_name"`
		TagID         string `json:"im_tag_id"`
		TagName       string `json:"im_tag_name"`
		DatacenterID  string `json:"datacenter_id"`
		AddVirtualTPM *bool  `json:"add_virtual_tpm"`
		CPUs          *int64 `json:"compute_profile_num_cpus"`
		Cores         *int64 `json:"compute_profile_num_cores_per_socket"`
		RAM           *int64 `json:"compute_profile_ram_mb"`
	} `json:"provisioning_settings"`
	Status struct {
		Operation    string `json:"instant_clone_operation"`
		CurrentState string `json:"instant_clone_current_image_state"`
		State        string `json:"instant_clone_pending_image_state"`
		Progress     *int64 `json:"instant_clone_pending_image_progress"`
		Error        string `json:"instant_clone_pending_image_error"`
		ParentVMID   string `json:"instant_clone_pending_image_parent_vm_id"`
		ParentVMPath string `json:"instant_clone_pending_image_parent_vm_path"`
		SnapshotID   string `json:"instant_clone_pending_image_snapshot_id"`
		SnapshotPath string `json:"instant_clone_pending_image_snapshot_path"`
		StreamID     string `json:"instant_clone_pending_im_stream_id"`
		StreamName   string `json:"instant_clone_pending_im_stream_name"`
		TagID        string `json:"instant_clone_pending_im_tag_id"`
		TagName      string `json:"instant_clone_pending_im_tag_name"`
		CPUs         *int64 `json:"pending_compute_profile_num_cpus"`
		Cores        *int64 `json:"pending_compute_profile_num_cores_per_socket"`
		RAM          *int64 `json:"pending_compute_profile_ram_mb"`
		Push         *struct {
			LogoffPolicy     string `json:"logoff_policy"`
			StopOnFirstError *bool  `json:"stop_on_first_error"`
			AddVirtualTPM    *bool  `json:"add_virtual_tpm"`
			StartTime        int64  `json:"start_time"`
		} `json:"instant_clone_push_image_settings"`
		LastError     string `json:"last_provisioning_error"`
		LastErrorTime int64  `json:"last_provisioning_error_time"`
	} `json:"provisioning_status_data"`
}

// computeProfile returns nil when none of its members is shown.
func computeProfile(cpus, cores, ram *int64) *ComputeProfile {
	if cpus == nil && cores == nil && ram == nil {
		return nil
	}
	p := &ComputeProfile{}
	for _, m := range []struct{ to, from *int64 }{{&p.NumCPUs, cpus}, {&p.NumCoresPerSocket, cores}, {&p.RAMMB, ram}} {
		if m.from != nil {
			*m.to = *m.from
		}
	}
	return p
}

// moment is a time in milliseconds since 1970, as all of the API has it; zero for none.
func moment(milliseconds int64) time.Time {
	if milliseconds <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(milliseconds).UTC()
}

func (a *poolAnswer) pool() *Pool {
	now, next := &a.Settings, &a.Status
	p := &Pool{
		ID: a.ID, Name: a.Name, DisplayName: a.DisplayName, Type: a.Type, Source: a.Source, ImageSource: a.ImageSource,
		UserAssignment: a.UserAssignment, VCenterID: a.VCenterID, DatacenterID: now.DatacenterID, AccessGroupID: a.AccessGroupID,
		Enabled: a.Enabled, EnableProvisioning: a.EnableProvisioning, StopProvisioningOnError: a.StopOnError, DeleteInProgress: a.DeleteInProgress,
		NumMachines: a.NumMachines,
		Current: PoolImage{
			ParentVMID: now.ParentVMID, ParentVMPath: now.ParentVMPath, SnapshotID: now.SnapshotID, SnapshotPath: now.SnapshotPath,
			StreamID: now.StreamID, StreamName: now.StreamName, TagID: now.TagID, TagName: now.TagName,
		},
		AddVirtualTPM: now.AddVirtualTPM, Compute: computeProfile(now.CPUs, now.Cores, now.RAM),
		GridVGPUsEnabled: a.Display.GridVGPUsEnabled, VGPUGridProfile: a.Display.VGPUGridProfile,
		Pending: PoolImage{
			ParentVMID: next.ParentVMID, ParentVMPath: next.ParentVMPath, SnapshotID: next.SnapshotID, SnapshotPath: next.SnapshotPath,
			StreamID: next.StreamID, StreamName: next.StreamName, TagID: next.TagID, TagName: next.TagName,
		},
		PendingCompute: computeProfile(next.CPUs, next.Cores, next.RAM),
		Operation:      next.Operation, CurrentState: next.CurrentState, PendingState: next.State, PendingProgress: next.Progress, PendingError: transport.CleanText(next.Error),
		LastProvisioningError: transport.CleanText(next.LastError), LastProvisioningErrorTime: moment(next.LastErrorTime),
	}
	if s := next.Push; s != nil {
		p.PushSettings = &PushSettings{LogoffPolicy: s.LogoffPolicy, StopOnFirstError: s.StopOnFirstError, AddVirtualTPM: s.AddVirtualTPM, StartTime: moment(s.StartTime)}
	}
	return p
}

// Pools returns the desktop pools that the user may see. Its errors are those of Read.
func (c *Client) Pools(ctx context.Context) ([]*Pool, error) { return c.pools(ctx, nil) }

func (c *Client) pools(ctx context.Context, where filter) ([]*Pool, error) {
	elements, date, err := c.list(ctx, poolListing, nil, where)
	if err != nil {
		return nil, err
	}
	answers, err := decodeAll[poolAnswer](poolListing, elements)
	if err != nil {
		return nil, err
	}
	pools := make([]*Pool, len(answers))
	for i := range answers {
		pools[i] = c.shown(&answers[i], date)
	}
	return pools, nil
}

// PoolsFollowing returns the desktop pools whose current or pending image comes
// from a stream of the catalogue. It makes one list.
func (c *Client) PoolsFollowing(ctx context.Context, streamID string) ([]*Pool, error) {
	pools, err := c.Pools(ctx)
	if err != nil {
		return nil, err
	}
	var following []*Pool
	for _, p := range pools {
		if strings.EqualFold(p.Current.StreamID, streamID) || strings.EqualFold(p.Pending.StreamID, streamID) {
			following = append(following, p)
		}
	}
	return following, nil
}

// Pool returns a desktop pool as it is now. errors.Is(err, ErrNotFound) is true
// for one that is definitely not there; other errors are those of Read.
func (c *Client) Pool(ctx context.Context, id string) (*Pool, error) {
	if err := checkID(poolListing.noun, id); err != nil {
		return nil, err
	}
	i, err := c.poolVersion(ctx)
	if err != nil {
		return nil, err
	}
	r, resp, err := c.get(ctx, poolListing.versions[i].path+"/"+id, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil, c.missingPool(ctx, id, r, resp)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.refusal(r, resp, poolListing.privilege)
	}
	var answer poolAnswer
	if err := json.Unmarshal(resp.Body, &answer); err != nil || !strings.EqualFold(answer.ID, id) {
		return nil, fmt.Errorf("the answer is not the %s %s: %w", poolListing.noun, id, transport.NewAPIError(r, resp))
	}
	return c.shown(&answer, dateOf(resp)), nil
}

// shown returns the pool that an answer of a date is about.
func (c *Client) shown(answer *poolAnswer, date time.Time) *Pool {
	pool := answer.pool()
	pool.ServerTime = date
	c.server.poolNames.Store(strings.ToLower(pool.ID), pool.Name)
	return pool
}

// poolName returns the name of a pool as it was last shown, or the id of one that
// was not.
func (c *Client) poolName(id string) string {
	if name, _ := c.server.poolNames.Load(strings.ToLower(id)); name != nil && name != "" {
		return fmt.Sprint(name)
	}
	return id
}

// missingPool is Client.missing for pools.
func (c *Client) missingPool(ctx context.Context, id string, r transport.Request, resp *transport.Response) error {
	refusal := transport.NewAPIError(r, resp)
	if isOwn(resp.Body) {
		return fmt.Errorf("%w: %w", ErrNotFound, refusal)
	}
	unclear := c.refusal(r, resp, "")
	pools, err := c.Pools(ctx)
	if err != nil {
		return unclear
	}
	for _, p := range pools {
		if strings.EqualFold(p.ID, id) {
			return unclear
		}
	}
	return fmt.Errorf("%w: a list does not show it, and %w", ErrNotFound, refusal)
}
