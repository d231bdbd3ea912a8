package pool

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// kind says what is wrong with a pool that no image can be pushed to.
func (d *desktop) kind() diag.Diagnostics {
	if d.pool.Type == "AUTOMATED" && d.pool.Source == "INSTANT_CLONE" {
		return nil
	}
	return diag.Diagnostics{d.errorAt(path.Root(attrPool), fmt.Sprintf("its type is %s and its source is %s, and images are pushed to automated pools of instant clones only (AUTOMATED, INSTANT_CLONE).", orNone(d.pool.Type), orNone(d.pool.Source)))}
}

// release says what the server is too old for, of what is configured in any case.
func (d *desktop) release(ctx context.Context, in *inputs, calls []horizon.Call) diag.Diagnostics {
	var needed []horizon.Feature
	if !in.ComputeProfile.IsNull() {
		needed = append(needed, horizon.PushComputeProfile)
	}
	if !in.GridVGPUsEnabled.IsNull() || !in.VGPUGridProfile.IsNull() {
		needed = append(needed, horizon.PushVirtualGPUs)
	}
	for _, c := range calls {
		switch {
		case c.Kind == horizon.CallPush && c.Spec.Selective != nil:
			needed = append(needed, horizon.SelectivePush)
		case c.Kind == horizon.CallPromote:
			needed = append(needed, horizon.PromoteImage)
		case c.Kind == horizon.CallApplyCurrent, c.Kind == horizon.CallApplyPending:
			needed = append(needed, horizon.ApplyToMachines)
		case c.Kind == horizon.CallResume:
			needed = append(needed, horizon.ResumePushTask)
		}
	}
	var diags diag.Diagnostics
	for _, f := range needed {
		if err := d.client.Supports(ctx, f); err != nil {
			diags.Append(d.failure(in, err))
		}
	}
	return diags
}

// pushes says whether an image is pushed, or only promoted or moved.
func pushes(calls []horizon.Call) bool {
	return slices.ContainsFunc(calls, func(c horizon.Call) bool { return c.Kind == horizon.CallPush })
}

// source looks the image up that is pushed, says what is wrong with it, and returns it with
// its names. Where the user may not look it up it has none.
func (d *desktop) source(ctx context.Context, in *inputs, t *horizon.Target) diag.Diagnostics {
	found, err := d.name(ctx, t)
	var lookup *horizon.LookupError
	switch {
	case isRefused(err):
		return diag.Diagnostics{diag.NewWarningDiagnostic("The image could not be checked", fmt.Sprintf("%s: the base VM and the snapshot could not be looked up, so that they are shown by their IDs, and nothing about them was checked: %v.", d.text(), err))}
	case errors.As(err, &lookup):
		at := path.Root(attrParentVM)
		if lookup.Noun == "base snapshot" {
			at = path.Root(attrSnapshot)
		}
		if in.fromCatalogue() {
			at = path.Root(attrTag)
		}
		return diag.Diagnostics{d.errorAt(at, fmt.Sprintf("%v in the vCenter of the pool (%s). The image has to be a snapshot of a VM there.", err, d.pool.VCenterID))}
	case err != nil:
		return diag.Diagnostics{d.failure(in, err)}
	}
	if is, wanted := found.VM.DatacenterID, d.pool.DatacenterID; is != "" && wanted != "" && is != wanted {
		return diag.Diagnostics{d.errorAt(path.Root(attrParentVM), fmt.Sprintf("the base VM %s is in the datacenter %s, and the pool is in %s. Horizon pushes images within a datacenter only.", found.VM.Path, is, wanted))}
	}
	var diags diag.Diagnostics
	if reasons := found.Snapshot.IncompatibleReasons; len(reasons) > 0 {
		diags.Append(d.warning("Horizon holds the snapshot to be unfit", fmt.Sprintf("the snapshot %s has %s; the push is likely to fail.", t.Image, strings.Join(reasons, ", "))))
	}
	return diags
}

// isRefused says whether the user may not do something.
func isRefused(err error) bool {
	var api *transport.APIError
	return errors.As(err, &api) && api.StatusCode == http.StatusForbidden
}

// state warns of settings of the pool in which a push does not get far.
func (d *desktop) state() diag.Diagnostics {
	var diags diag.Diagnostics
	isOff := func(b *bool) bool { return b != nil && !*b }
	if isOff(d.pool.Enabled) {
		diags.Append(d.warning("The desktop pool is disabled", "the image is pushed, and users get no desktops of the pool."))
	}
	if isOff(d.pool.EnableProvisioning) {
		diags.Append(d.warning("The provisioning of the desktop pool is disabled", "machines are not made while it is, so that the push does not get to them."))
	}
	if stop := d.pool.StopProvisioningOnError; stop != nil && *stop && d.pool.LastProvisioningError != "" {
		diags.Append(d.warning("The desktop pool had a provisioning error", fmt.Sprintf("it stops on errors, and had one at %s, which may be solved since: %s", moment(d.pool.LastProvisioningErrorTime), serverSays(d.pool.LastProvisioningError))))
	}
	return diags
}

// people looks, for a pool that changes, at its machines: those that are named have to be
// there, and sessions that calls would end are told.
func (d *desktop) people(ctx context.Context, in *inputs, decide horizon.DecisionInput, calls []horizon.Call) diag.Diagnostics {
	forced := slices.ContainsFunc(calls, func(c horizon.Call) bool {
		wide := c.Kind == horizon.CallPush && c.Spec.Selective == nil || c.Kind == horizon.CallPromote && c.Spec != nil
		return wide && c.Spec.LogoffPolicy == horizon.ForceLogoff
	})
	named := slices.ContainsFunc(calls, func(c horizon.Call) bool { return len(c.Shown) > 0 })
	if !forced && !named {
		return nil
	}
	machines, err := d.client.Machines(ctx, d.id)
	if err != nil {
		if named && !isRefused(err) {
			return diag.Diagnostics{d.failure(in, err)}
		}
		return diag.Diagnostics{diag.NewWarningDiagnostic("The machines could not be checked", fmt.Sprintf("%s: %v.", d.text(), err))}
	}
	var diags diag.Diagnostics
	if forced {
		sessions := 0
		for _, m := range machines {
			if m.HasSession {
				sessions++
			}
		}
		if sessions > 0 {
			diags.Append(diag.NewAttributeWarningDiagnostic(path.Root(attrLogoffPolicy), "Users will be logged off",
				fmt.Sprintf("%s: %d of %d machines have a session now, which the policy of the push, %s, ends.", d.text(), sessions, len(machines), horizon.ForceLogoff)))
		}
	}
	decide.Machines = &horizon.MachineList{Machines: machines}
	decide.Pool, decide.Now = d.pool, d.now()
	if r := horizon.Decide(decide).Refusal; r != nil && r.Matter == horizon.MachinesMissing {
		return append(diags, d.refusal(in, *r))
	}
	var busy []string
	for _, c := range calls {
		for _, ref := range c.Shown {
			for _, m := range machines {
				is := ref.Name != "" && strings.EqualFold(ref.Name, m.Name) || ref.ID != "" && strings.EqualFold(ref.ID, m.ID)
				if is && m.HasSession && !slices.Contains(busy, m.Name) {
					busy = append(busy, m.Name)
				}
			}
		}
	}
	if len(busy) > 0 {
		diags.Append(diag.NewAttributeWarningDiagnostic(path.Root(attrSelective), "Machines of the canary have users",
			fmt.Sprintf("%s: there is a session on %s. Such a machine changes when its user has logged off, unless the policy ends sessions.", d.text(), strings.Join(busy, ", "))))
	}
	return diags
}
