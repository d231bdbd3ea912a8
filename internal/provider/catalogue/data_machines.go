package catalogue

import (
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

// machineCount counts the machines of a pool by what they run.
type machineCount struct {
	total, current, pending, other int64
	byState                        map[string]int64
	// failed are names, sorted.
	failed []string
}

func (p poolFound) count() machineCount {
	c := machineCount{byState: map[string]int64{}}
	for _, m := range p.machines {
		c.total++
		c.byState[m.State]++
		switch {
		case m.Image == (horizon.PoolImage{}):
		case sameImage(m.Image, p.Current):
			c.current++
		case sameImage(m.Image, p.Pending):
			c.pending++
		default:
			c.other++
		}
		if hasFailed(m.State) {
			c.failed = append(c.failed, m.Name)
		}
	}
	slices.Sort(c.failed)
	return c
}

// sameImage says whether a machine was made of an image of its pool. A tag of the
// catalogue moves from one VM and snapshot to others, so it counts only where
// these are not said.
func sameImage(machine, pool horizon.PoolImage) bool {
	if machine.SnapshotID != "" && pool.SnapshotID != "" {
		return machine.SnapshotID == pool.SnapshotID && machine.ParentVMID == pool.ParentVMID
	}
	return machine.TagID != "" && strings.EqualFold(machine.TagID, pool.TagID) && strings.EqualFold(machine.StreamID, pool.StreamID)
}

// failedStates are the states of a machine that could not be made, or whose agent
// does not work; those that begin with agentError are as well, but for those that
// pass. Source: the vendor's OpenAPI of MachineInfo.
var failedStates = []string{"ERROR", "PROVISIONING_ERROR", "AGENT_UNREACHABLE", "AGENT_CONFIG_ERROR"}

const agentError = "AGENT_ERROR_"

// passingStates are what an agent goes through while it starts.
var passingStates = []string{"AGENT_ERROR_STARTUP_IN_PROGRESS", "AGENT_ERROR_WAIT_FOR_HYBRID_JOIN"}

func hasFailed(state string) bool {
	return slices.Contains(failedStates, state) || strings.HasPrefix(state, agentError) && !slices.Contains(passingStates, state)
}

// machineMembers are the attributes of machines.
var machineMembers = []struct {
	name      string
	attribute schema.Attribute
	like      tftypes.Type
	value     func(machineCount) any
}{
	{
		"total", schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of machines of the pool that this user may see."},
		tftypes.Number, func(c machineCount) any { return c.total },
	},
	{
		"on_current_image", schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of machines that were made of the current image."},
		tftypes.Number, func(c machineCount) any { return c.current },
	},
	{
		"on_pending_image", schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of machines that were made of the pending image, as the machines of a canary are."},
		tftypes.Number, func(c machineCount) any { return c.pending },
	},
	{
		"on_other_images", schema.Int64Attribute{Computed: true, MarkdownDescription: "Number of machines that were made of another image, such as those that still wait for their users to log off. Machines that are no clones count nowhere."},
		tftypes.Number, func(c machineCount) any { return c.other },
	},
	{
		"by_state", schema.MapAttribute{Computed: true, ElementType: types.Int64Type, MarkdownDescription: "Number of machines by their state, such as `AVAILABLE`. States that no machine has are left out."},
		tftypes.Map{ElementType: tftypes.Number}, func(c machineCount) any {
			states := map[string]tftypes.Value{}
			for state, n := range c.byState {
				states[state] = tftypes.NewValue(tftypes.Number, n)
			}
			return states
		},
	},
	{
		"failed", schema.ListAttribute{Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Names of the machines that could not be made or whose agent does not work, sorted: those in the states `ERROR`, `PROVISIONING_ERROR`, `AGENT_UNREACHABLE`, `AGENT_CONFIG_ERROR` and " +
				"`AGENT_ERROR_...`, but for `AGENT_ERROR_STARTUP_IN_PROGRESS` and `AGENT_ERROR_WAIT_FOR_HYBRID_JOIN`, which pass."},
		tftypes.List{ElementType: tftypes.String}, func(c machineCount) any {
			names := []tftypes.Value{}
			for _, name := range c.failed {
				names = append(names, tftypes.NewValue(tftypes.String, name))
			}
			return names
		},
	},
}

// machinesResult shows how many machines run what; null unless asked for.
func machinesResult() dataResult[poolFound] {
	attributes := map[string]schema.Attribute{}
	like := tftypes.Object{AttributeTypes: map[string]tftypes.Type{}}
	for _, m := range machineMembers {
		attributes[m.name], like.AttributeTypes[m.name] = m.attribute, m.like
	}
	return dataResult[poolFound]{
		name: "machines",
		attribute: schema.SingleNestedAttribute{
			Computed: true, Attributes: attributes,
			MarkdownDescription: "The machines of the pool, counted. Null unless `with_machines` is `true`.",
		},
		value: func(p poolFound) tftypes.Value {
			if !p.withMachines {
				return tftypes.NewValue(like, nil)
			}
			members, count := map[string]tftypes.Value{}, p.count()
			for _, m := range machineMembers {
				members[m.name] = tftypes.NewValue(m.like, m.value(count))
			}
			return tftypes.NewValue(like, members)
		},
	}
}
