package catalogue

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// The names of attributes that only data sources have.
const (
	attrPath         = "path"
	attrVCenterID    = "vcenter_id"
	attrDatacenterID = "datacenter_id"
	attrMostRecent   = "most_recent"
)

var filled = []validator.String{stringvalidator.LengthAtLeast(1)}

// idOf returns the validators of an argument that is an id.
func idOf(argument string) []validator.String {
	return []validator.String{fieldValidator{&field{name: argument, id: true}}}
}

// oneOf returns the validators of an argument that has a list of values.
func oneOf(argument string, values []string, spellings map[string]string) []validator.String {
	return []validator.String{fieldValidator{&field{name: argument, oneOf: values, spellings: spellings}}}
}

func idKey(description string) dataArgument {
	return dataArgument{name: attrID, description: description, validators: idOf(attrID)}
}

func nameKey(description string) dataArgument {
	return dataArgument{name: attrName, description: description, validators: filled}
}

func pathKey(description string) dataArgument {
	return dataArgument{name: attrPath, description: description, validators: filled}
}

// inVirtualCenter is the argument of everything that is in a vCenter.
var inVirtualCenter = dataArgument{
	name: attrVCenterID, required: true, validators: idOf(attrVCenterID),
	description: "ID (UUID) that Horizon has for the vCenter, as `imageops_virtual_center` finds it.",
	check: func(ctx context.Context, client *horizon.Client, v plan.Values) error {
		_, err := client.VirtualCenter(ctx, horizon.Named{ID: v.Text(attrVCenterID)})
		return err
	},
}

var virtualCenterTable = &dataTable[horizon.VirtualCenter]{
	name: "virtual_center", noun: "virtual center",
	description: "Finds a vCenter Server that Horizon knows, by its ID or its name. None or several matches are an error.",
	keys:        []string{attrID, attrName},
	arguments: []dataArgument{
		idKey("ID (UUID) that Horizon has for the vCenter."),
		nameKey("Server name of the vCenter in Horizon, such as `vcenter.example.com`, or its display name, without regard to case. As a result of a search by ID, the server name."),
	},
	results: []dataResult[horizon.VirtualCenter]{
		textResult(attrID, "", func(found horizon.VirtualCenter) string { return found.ID }),
		textResult(attrName, "", func(found horizon.VirtualCenter) string { return found.ServerName }),
		textResult("display_name", "Display name of the vCenter in Horizon. Null if it has none.", func(found horizon.VirtualCenter) string { return found.DisplayName }),
		textResult("instance_uuid", "UUID that the vCenter has for itself, which its own API calls `instanceUuid`.", func(found horizon.VirtualCenter) string { return found.InstanceUUID }),
		textResult("version", "Version of the vCenter, such as `8.0.2`.", func(found horizon.VirtualCenter) string { return found.Version }),
		flagResult("enabled", "Whether Horizon uses the vCenter. Null if Horizon does not say.", func(found horizon.VirtualCenter) *bool { return found.Enabled }),
	},
	apart: "Give the id of the one that is meant.",
	find: func(ctx context.Context, client *horizon.Client, v plan.Values) (horizon.VirtualCenter, error) {
		return client.VirtualCenter(ctx, named(v))
	},
}

var datacenterTable = &dataTable[horizon.Datacenter]{
	name: "datacenter", noun: "datacenter",
	description: "Finds a datacenter of a vCenter, by its ID, its name or its path. None or several matches are an error.",
	keys:        []string{attrID, attrName, attrPath},
	arguments: []dataArgument{
		inVirtualCenter,
		idKey("ID of the datacenter in vSphere, such as `datacenter-3`. It is unique within its vCenter only."),
		nameKey("Name of the datacenter."),
		pathKey("Path of the datacenter, such as `/Europe/DC1`, which is unique within its vCenter."),
	},
	results: []dataResult[horizon.Datacenter]{
		textResult(attrID, "", func(found horizon.Datacenter) string { return found.ID }),
		textResult(attrName, "", func(found horizon.Datacenter) string { return found.Name }),
		textResult(attrPath, "", func(found horizon.Datacenter) string { return found.Path }),
	},
	apart: "Give the path or the id of the one that is meant.",
	find: func(ctx context.Context, client *horizon.Client, v plan.Values) (horizon.Datacenter, error) {
		return client.Datacenter(ctx, v.Text(attrVCenterID), named(v))
	},
}

var baseVMTable = &dataTable[horizon.BaseVM]{
	name: "base_vm", noun: "base VM",
	description: "Finds a virtual machine that images can be made of, by its ID, its name or its path. None or several matches are an error. " +
		"One that Horizon holds to be unfit for an image is found as well, with a warning that says why.",
	keys: []string{attrID, attrName, attrPath},
	arguments: []dataArgument{
		inVirtualCenter,
		{
			name: attrDatacenterID, validators: idOf(attrDatacenterID),
			description: "ID of the datacenter to look in, such as `datacenter-3`. Default: all datacenters of the vCenter. As a result, the datacenter of the VM.",
			check: func(ctx context.Context, client *horizon.Client, v plan.Values) error {
				_, err := client.Datacenter(ctx, v.Text(attrVCenterID), horizon.Named{ID: v.Text(attrDatacenterID)})
				return err
			},
		},
		idKey("ID of the VM in vSphere, such as `vm-1001`. It is unique within its vCenter only."),
		nameKey("Name of the VM. Several VMs of a vCenter can have one name; paths are unique."),
		pathKey("Path of the VM, such as `/DC1/vm/Golden images/win11`, which is unique within its vCenter."),
	},
	results: []dataResult[horizon.BaseVM]{
		textResult(attrID, "", func(found horizon.BaseVM) string { return found.ID }),
		textResult(attrName, "", func(found horizon.BaseVM) string { return found.Name }),
		textResult(attrPath, "", func(found horizon.BaseVM) string { return found.Path }),
		textResult(attrDatacenterID, "", func(found horizon.BaseVM) string { return found.DatacenterID }),
		textResult(attrSystem, "Operating system of the VM, such as `WINDOWS_11`.", func(found horizon.BaseVM) string { return found.OperatingSystem }),
		textResult("operating_system_display_name", "Operating system of the VM as vCenter names it.", func(found horizon.BaseVM) string { return found.OperatingSystemDisplayName }),
		textsResult("incompatible_reasons", "What Horizon says against the VM as an image, such as `NO_SNAPSHOTS`. Empty if nothing. "+
			"`IN_USE_...` (it is itself a machine of a pool) and `UNSUPPORTED_OS_FOR_FARM` do not keep desktop pools from using it.",
			func(found horizon.BaseVM) []string { return found.IncompatibleReasons }),
	},
	apart: "Give the path or the id of the one that is meant; datacenter_id leaves those of one datacenter.",
	find: func(ctx context.Context, client *horizon.Client, v plan.Values) (horizon.BaseVM, error) {
		return client.BaseVM(ctx, v.Text(attrVCenterID), v.Text(attrDatacenterID), named(v))
	},
	warn: func(found horizon.BaseVM) diag.Diagnostics {
		return unfit("base VM", fmt.Sprintf("%s (%s)", cmp.Or(found.Path, found.Name), found.ID), found.IncompatibleReasons)
	},
}

var baseSnapshotTable = &dataTable[horizon.BaseSnapshot]{
	name: "base_snapshot", noun: "base snapshot",
	description: "Finds a snapshot of a base VM, by its ID, its name or its path, or the newest one. None or several matches are an error. " +
		"One that Horizon holds to be unfit for an image is found as well, with a warning that says why.",
	keys: []string{attrID, attrName, attrPath},
	arguments: []dataArgument{
		inVirtualCenter,
		{
			name: attrVMID, required: true, validators: idOf(attrVMID),
			description: "ID of the base VM in vSphere, such as `vm-1001`, as `imageops_base_vm` finds it.",
			check: func(ctx context.Context, client *horizon.Client, v plan.Values) error {
				_, err := client.BaseVM(ctx, v.Text(attrVCenterID), "", horizon.Named{ID: v.Text(attrVMID)})
				return err
			},
		},
		idKey("ID of the snapshot in vSphere, such as `snapshot-1002`. It is unique within its vCenter only."),
		nameKey("Name of the snapshot. Several snapshots of a VM can have one name."),
		pathKey("Path of the snapshot: its name after those of the snapshots that it was taken on top of, such as `/base/2026-11`."),
	},
	flags: []dataFlag{{
		name: attrMostRecent, narrows: true,
		description: "Whether to take the one that was made last of the snapshots that match `name` or `path`, or of all if neither is given. Not allowed beside `id`. " +
			"Default `false`: several matches are an error that lists them.",
	}},
	results: []dataResult[horizon.BaseSnapshot]{
		textResult(attrID, "", func(found horizon.BaseSnapshot) string { return found.ID }),
		textResult(attrName, "", func(found horizon.BaseSnapshot) string { return found.Name }),
		textResult(attrPath, "", func(found horizon.BaseSnapshot) string { return found.Path }),
		textResult("description", "Description of the snapshot. Null if it has none.", func(found horizon.BaseSnapshot) string { return found.Description }),
		textResult("created_at", "When the snapshot was made, in UTC, such as `2026-11-21T18:00:00Z` (RFC 3339). Null if Horizon does not say.", func(found horizon.BaseSnapshot) string {
			if found.CreatedTimestamp == nil {
				return ""
			}
			return time.UnixMilli(*found.CreatedTimestamp).UTC().Format(time.RFC3339)
		}),
		numberResult("disk_size_mb", "Size of all virtual disks of the snapshot together, in MB.", func(found horizon.BaseSnapshot) *int64 { return found.DiskSizeMB }),
		numberResult("memory_mb", "Memory of the snapshot's VM, in MB.", func(found horizon.BaseSnapshot) *int64 { return found.MemoryMB }),
		numberResult("hardware_version", "Version of the virtual hardware. Instant clones need 11 or above.", func(found horizon.BaseSnapshot) *int64 { return found.HardwareVersion }),
		textsResult("incompatible_reasons", "What Horizon says against the snapshot as an image, such as `POWERED_ON`. Empty if nothing.",
			func(found horizon.BaseSnapshot) []string { return found.IncompatibleReasons }),
	},
	apart: "Give the path or the id of the one that is meant, or set most_recent = true to take the newest.",
	find: func(ctx context.Context, client *horizon.Client, v plan.Values) (horizon.BaseSnapshot, error) {
		if isTrue(v, attrMostRecent) {
			return client.NewestBaseSnapshot(ctx, v.Text(attrVCenterID), v.Text(attrVMID), named(v))
		}
		return client.BaseSnapshot(ctx, v.Text(attrVCenterID), v.Text(attrVMID), named(v))
	},
	warn: func(found horizon.BaseSnapshot) diag.Diagnostics {
		return unfit("base snapshot", fmt.Sprintf("%s (%s)", cmp.Or(found.Path, found.Name), found.ID), found.IncompatibleReasons)
	},
}

// reasons are what Horizon says against an image, in words. Source: the vendor's
// OpenAPI of BaseVMInfo and BaseSnapshotInfo.
var reasons = map[string]string{
	"NO_SNAPSHOTS":                  "it has no snapshot",
	"UNSUPPORTED_OS":                "Horizon does not support its operating system for desktops; it supports some server systems only if its general settings allow them in single-user mode",
	"VIEW_COMPOSER_REPLICA":         "it is a replica that Horizon has made for its clones",
	"INSTANT_INTERNAL":              "it is a VM that Horizon has made for its instant clones",
	"POWERED_ON":                    "its VM was running when it was taken",
	"INCOMPATIBLE_HARDWARE_VERSION": "its virtual hardware is older than version 11",
}

// isHarmless says that a reason does not keep a desktop pool from using an image.
// A machine of a pool can be one all the same, and a desktop system is no system
// for a farm.
func isHarmless(reason string) bool {
	return strings.HasPrefix(reason, "IN_USE_") || reason == "UNSUPPORTED_OS_FOR_FARM"
}

// unfit warns of an image that Horizon has something against.
func unfit(noun, which string, said []string) diag.Diagnostics {
	var against []string
	for _, reason := range said {
		if isHarmless(reason) {
			continue
		}
		if words, ok := reasons[reason]; ok {
			reason += ": " + words
		}
		against = append(against, reason)
	}
	if len(against) == 0 {
		return nil
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic("Unfit "+noun,
		fmt.Sprintf("Horizon says that the %s %s cannot be the image of a desktop pool:\n\n  %s", noun, which, strings.Join(against, "\n  ")))}
}
