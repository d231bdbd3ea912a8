package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// keptWarning lists, in one warning, the releases that were left out.
func keptWarning(id string, kept []patch.Conflict, show func(patch.Pointer, patch.Value) string) diag.Diagnostics {
	if len(kept) == 0 {
		return nil
	}
	var diags diag.Diagnostics
	lines := make([]string, len(kept))
	for i, k := range kept {
		lines[i] = fmt.Sprintf("%s is %s, this resource wrote %s and had found %s", k.Path, show(k.Path, k.Found), show(k.Path, k.Expected), show(k.Path, k.Wanted))
		if k.Found == k.Expected {
			lines[i] = fmt.Sprintf("%s stays %s: the image service refused to have %s put back", k.Path, show(k.Path, k.Found), show(k.Path, k.Wanted))
		}
	}
	diags.AddWarning("Image metadata was left as it is",
		fmt.Sprintf("Image %s was not put back where somebody else has changed it since, or where the image service refuses:\n%s", id, strings.Join(lines, "\n")))
	return diags
}

// heldByOther says whether another instance of this run has the pointer, or the
// whole set that it is a member of.
func (o *object) heldByOther(instance string, p patch.Pointer) bool {
	_, tag := p.MemberOf(attribute.Tags)
	return o.memory.HeldByOther(o.key, instance, p) || tag && o.memory.HeldByOther(o.key, instance, attribute.Tags)
}

// restoresAny says whether an on_destroy rule sends anything.
func restoresAny(rule string, record patch.Patch) bool {
	return slices.ContainsFunc(record, func(entry patch.Operation) bool { return restores(rule, entry) })
}

// restore gives everything back that the rule gives back.
func (r *metadataResource) restore(ctx context.Context, o *object, rule string, record patch.Patch, owns *owned, private plan.Private) diag.Diagnostics {
	var diags diag.Diagnostics
	unlock, err := o.lock(ctx)
	if err != nil {
		return diag.Diagnostics{failure("delete", o.id, err)}
	}
	defer unlock()
	show := owns.secrecy().show
	var release patch.Patch
	var held []string
	for _, entry := range record {
		switch {
		case !restores(rule, entry):
		case o.heldByOther(private.Instance, entry.Path):
			held = append(held, fmt.Sprintf("%s, which this resource had found as %s", entry.Path, show(entry.Path, entry.New)))
		default:
			release = append(release, entry)
		}
	}
	if len(held) > 0 {
		diags.AddWarning("Image metadata belongs to another resource now",
			fmt.Sprintf("Image %s: another resource of this configuration has taken over:\n%s\nIt was left alone. "+
				"If the resource was only renamed, a moved block keeps what was found before.", o.id, strings.Join(held, "\n")))
	}
	diags.Append(unrestorable(rule, o.id, record, owns)...)
	if len(release) == 0 {
		return diags
	}
	result, err := tolerant(ctx, &store{object: o, sensitive: owns.secrecy(), secrets: secretsOf(owns, record, private.Document)}, change.Change{Release: release, Equal: attribute.Equal}, change.Timing{VerifyAfter: r.clients.VerifyAfter})
	if errors.Is(err, imageservice.ErrNotFound) {
		if elsewhere := o.elsewhere("delete", private.Place); elsewhere != nil {
			diags.Append(elsewhere)
		}
		return diags
	}
	diags.Append(keptWarning(o.id, result.Kept, show)...)
	logPatches(ctx, o.id, result, owns.secrecy())
	if result.Document != nil {
		o.memory.Hold(o.key, change.Nobody, change.Values(result.Document, result.Effect()))
	}
	var lost *change.LostError
	switch {
	case errors.As(err, &lost):
		about := wording(o.id, "delete", show, nil)
		diags.AddError(about.Unable(), about.Lost(lost))
	case err != nil:
		diags.Append(failure("delete", o.id, err))
	}
	return diags
}

// unrestorable warns of what the rule would give back and nobody can.
func unrestorable(rule, id string, record patch.Patch, owns *owned) diag.Diagnostics {
	var diags diag.Diagnostics
	if rule != destroyRestore {
		return nil
	}
	for _, entry := range record {
		if !attribute.Writable(entry.Path, entry.New) && entry.Old != entry.New {
			diags.AddAttributeWarning(path.Root(attrProperties), "Image metadata cannot be restored",
				fmt.Sprintf("Image %s: %s was %s before, which the image service shows but does not accept. It stays as it is.", id, entry.Path, owns.secrecy().show(entry.Path, entry.New)))
		}
	}
	return diags
}
