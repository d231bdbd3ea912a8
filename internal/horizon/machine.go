package horizon

import (
	"context"
	"fmt"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// machineListing is the list of machines in the versions that say more than the
// one before: the images since 2012, which machines are held since 2206, and names and
// paths since 2412. Machines without a vCenter need GLOBAL_CONFIG_VIEW instead of the privilege.
var machineListing = &listing{noun: "machine", privilege: "MACHINE_VIEW", versions: []version{
	{machinePath(6), true}, {machinePath(3), true}, {machinePath(2), true},
}}

func machinePath(version int) string { return fmt.Sprintf("/rest/inventory/v%d/machines", version) }

// Machine is a machine of a desktop pool. The names of its values are those of
// the vendor's MachineInfo.
type Machine struct {
	ID, Name      string
	State         string // AVAILABLE, CONNECTED, PROVISIONING_ERROR, ...
	DesktopPoolID string
	// Held says that the machine is in the held state. Releases before 2206 do not
	// know it.
	Held bool
	// InMaintenance and MissingInVCenter say that no push touches the machine.
	InMaintenance, MissingInVCenter bool
	// HasSession says that a user is logged in.
	HasSession bool

	// Image is what the machine was made of, Pending what it is to be made of next.
	// Both are empty for machines that are no clones.
	Image, Pending PoolImage
	// Operation is what is done to the machine, PUSH_IMAGE and so on, empty for
	// nothing; OperationState is how far that is, such as SCHEDULED or FAULT.
	Operation, OperationState string
	// CloneError says why the machine could not be made; empty if it could.
	CloneError string
}

// goesTo says whether the machine is being made of an image, or is to be. One that a
// selective push leaves out (STANDBY) is not.
func (m *Machine) goesTo(image PoolImage) bool {
	return m.OperationState != "STANDBY" && m.Pending.same(image)
}

// machineAnswer is a machine on the wire, in the members that all versions from
// v2 on have in common, and in those that newer ones add.
type machineAnswer struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	State         string `json:"state"`
	DesktopPoolID string `json:"desktop_pool_id"`
	Held          bool   `json:"held_machine"`
	SessionID     string `json:"session_id"`
	Managed       struct {
		InMaintenance       bool   `json:"in_maintenance_mode"`
		MissingInVCenter    bool   `json:"missing_in_vcenter"`
		VMID                string `json:"base_vm_id"`
		VMPath              string `json:"base_vm_path"`
		SnapshotID          string `json:"base_vm_snapshot_id"`
		SnapshotPath        string `json:"base_snapshot_path"`
		StreamID            string `json:"image_management_stream_id"`
		StreamName          string `json:"im_stream_name"`
		TagID               string `json:"image_management_tag_id"`
		TagName             string `json:"im_tag_name"`
		PendingVMID         string `json:"pending_base_vm_id"`
		PendingVMPath       string `json:"pending_base_vm_path"`
		PendingSnapshotID   string `json:"pending_base_vm_snapshot_id"`
		PendingSnapshotPath string `json:"pending_base_snapshot_path"`
		PendingStreamID     string `json:"pending_image_management_stream_id"`
		PendingStreamName   string `json:"pending_im_stream_name"`
		PendingTagID        string `json:"pending_image_management_tag_id"`
		PendingTagName      string `json:"pending_im_tag_name"`
		Operation           string `json:"operation"`
		OperationState      string `json:"operation_state"`
		CloneError          string `json:"clone_error_message"`
	} `json:"managed_machine_data"`
}

func (a *machineAnswer) machine() *Machine {
	m := &a.Managed
	return &Machine{
		ID: a.ID, Name: a.Name, State: a.State, DesktopPoolID: a.DesktopPoolID, Held: a.Held,
		InMaintenance: m.InMaintenance, MissingInVCenter: m.MissingInVCenter, HasSession: a.SessionID != "",
		Image: PoolImage{
			ParentVMID: m.VMID, ParentVMPath: m.VMPath, SnapshotID: m.SnapshotID, SnapshotPath: m.SnapshotPath,
			StreamID: m.StreamID, StreamName: m.StreamName, TagID: m.TagID, TagName: m.TagName,
		},
		Pending: PoolImage{
			ParentVMID: m.PendingVMID, ParentVMPath: m.PendingVMPath, SnapshotID: m.PendingSnapshotID, SnapshotPath: m.PendingSnapshotPath,
			StreamID: m.PendingStreamID, StreamName: m.PendingStreamName, TagID: m.PendingTagID, TagName: m.PendingTagName,
		},
		Operation: m.Operation, OperationState: m.OperationState, CloneError: transport.CleanText(m.CloneError),
	}
}

// Machines returns the machines of a desktop pool that the user may see; none for
// a pool that does not exist. Its errors are those of Read.
func (c *Client) Machines(ctx context.Context, poolID string) ([]*Machine, error) {
	if err := checkID(poolListing.noun, poolID); err != nil {
		return nil, err
	}
	answers, err := fetch[machineAnswer](ctx, c, machineListing, nil, equals("desktop_pool_id", poolID))
	if err != nil {
		return nil, err
	}
	var machines []*Machine
	for i := range answers {
		// A server that does not filter sends the machines of all pools.
		if strings.EqualFold(answers[i].DesktopPoolID, poolID) {
			machines = append(machines, answers[i].machine())
		}
	}
	return machines, nil
}
