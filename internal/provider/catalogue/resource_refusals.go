package catalogue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// refusals are the errors that Horizon would answer a planned change with, as
// far as a plan can know them. What cannot be found out is left to Horizon.
func (o *object) refusals(ctx context.Context, s *step) diag.Diagnostics {
	var diags diag.Diagnostics
	if err := o.client.SignIn(ctx); err != nil {
		return diag.Diagnostics{o.failure("plan", err)} // What a create would otherwise say in the middle of an apply.
	}
	for i := range o.kind.fields {
		f := &o.kind.fields[i]
		value := s.planned.Text(f.name)
		if value == "" || !s.changes(f) {
			continue
		}
		switch {
		case f.refers != "":
			diags.Append(o.unknownReference(ctx, s, f, value)...)
		case o.kind.horizon == horizon.Version && f.name == attrName && strings.Contains(value, "."):
			diags.Append(o.dottedName(ctx, value)...)
		case systemsSince[value] != "" && f.name == attrSystem:
			diags.Append(o.systemTooNew(ctx, value)...)
		}
	}
	return diags
}

// unknownReference refuses an id of the catalogue that nothing has, and a version
// of another stream.
func (o *object) unknownReference(ctx context.Context, s *step, f *field, id string) diag.Diagnostics {
	ref := horizon.Ref{Kind: f.refers, ID: id}
	if f.refers == horizon.Version {
		ref.ParentID = s.planned.Text(attrStreamID)
	}
	d, err := o.reference(ctx, ref)
	at := path.Root(f.name)
	if errors.Is(err, horizon.ErrNotFound) && !o.memory.FoundGone(o.keyOf(id)) {
		return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(at, o.wording("plan").Unable()+": unknown "+f.name,
			fmt.Sprintf("There is no %s %s on %s. Check the ID; the data source imageops_%s finds it by name.", f.refers, id, o.place, nameOf(f.refers)))}
	}
	stream := s.planned.Text(attrStreamID)
	if err != nil || f.refers != horizon.Version || stream == "" {
		return nil
	}
	if of, _ := d["/"+attrStreamID].AsString(); of != "" && !strings.EqualFold(of, stream) {
		return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(at, o.wording("plan").Unable()+": version of another stream",
			fmt.Sprintf("The version %s is of the stream %s, and im_stream_id is %s. Give a version of the same stream.", id, of, stream))}
	}
	return nil
}

// reference returns an object that another one refers to. Many refer to the
// same, so that one look is enough for a run.
func (o *object) reference(ctx context.Context, ref horizon.Ref) (patch.Document, error) {
	key := o.keyOf(ref.ID)
	if known := o.memory.Known(key); known != nil {
		return known, nil
	}
	found, err := o.client.RecentObject(ctx, ref)
	if err != nil {
		return nil, err
	}
	return o.memory.First(key, found.Document()), nil
}

// nameOf is the name of the resource, and of the data source, of a kind.
func nameOf(k horizon.Kind) string {
	return kinds[slices.IndexFunc(kinds, func(each *kind) bool { return each.horizon == k })].name
}

// The releases that document the pattern of names without dots for versions.
const (
	firstWithoutDots = "2303"
	firstWithDots    = "2309"
)

func (o *object) dottedName(ctx context.Context, name string) diag.Diagnostics {
	span, err := o.client.Release(ctx)
	if err != nil || span.AtLeast < firstWithoutDots || span.Before == "" || span.Before > firstWithDots {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root(attrName), "Invalid name",
		fmt.Sprintf("%q has a dot, which releases 2303 and 2306 of Horizon do not allow in the name of a version, and %s has one of them. Use a hyphen instead.", name, o.place))}
}

func (o *object) systemTooNew(ctx context.Context, system string) diag.Diagnostics {
	since := systemsSince[system]
	span, err := o.client.Release(ctx)
	if err != nil || span.Before == "" || span.Before > since {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root(attrSystem), "Invalid operating_system",
		fmt.Sprintf("%q is known to Horizon since release %s, and %s has one before %s. Choose the nearest that it knows, such as WINDOWS_10 for WINDOWS_11.", system, since, o.place, span.Before))}
}

// replacing warns of the replacement of an asset that desktop pools use: their
// machines would lose the image that new ones are made of.
func (o *object) replacing(ctx context.Context, s *step) diag.Diagnostics {
	if rule := s.prior.Text(plan.OnDestroyAttribute); rule != destroyDelete {
		return diag.Diagnostics{diag.NewWarningDiagnostic("What is replaced stays in Horizon",
			fmt.Sprintf("%s is going to be replaced, and as on_destroy = %q says, it is not deleted: it stays, and is not managed here any more. Horizon may refuse a new one beside it.", o.text(), rule))}
	}
	if o.kind.horizon != horizon.Asset {
		return nil
	}
	stream, version := s.prior.Text(attrStreamID), s.prior.Text(attrVersionID)
	const summary = "Asset in use is going to be replaced"
	pools, err := o.followers(ctx, stream, version)
	if err != nil {
		return diag.Diagnostics{diag.NewWarningDiagnostic(summary+", if a desktop pool follows it",
			fmt.Sprintf("%s is going to be deleted and created anew. Could not check whether desktop pools follow its version: %s", o.text(), plan.Sentence(err)))}
	}
	if len(pools) == 0 {
		return nil
	}
	return diag.Diagnostics{diag.NewWarningDiagnostic(summary,
		fmt.Sprintf("%s is the image of version %s, which these desktop pools follow: %s. Replacing it deletes it first, which Horizon may refuse, and takes away what the pools make machines of. "+
			"Better make a new version with a new asset, and move the tag to it: versions are made for that.", o.text(), version, strings.Join(pools, ", ")))}
}

// followers returns the names of the desktop pools that follow a version by a tag.
func (o *object) followers(ctx context.Context, stream, version string) ([]string, error) {
	pools, err := o.client.RecentPools(ctx)
	if err != nil {
		return nil, err
	}
	following := slices.DeleteFunc(slices.Clone(pools), func(p *horizon.Pool) bool {
		return !strings.EqualFold(p.Current.StreamID, stream) && !strings.EqualFold(p.Pending.StreamID, stream)
	})
	if len(following) == 0 {
		return nil, nil
	}
	tags, err := o.client.Objects(ctx, horizon.Tag, stream, nil)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range following {
		for _, tag := range tags {
			uses := strings.EqualFold(tag.ID, p.Current.TagID) || strings.EqualFold(tag.ID, p.Pending.TagID)
			if uses && strings.EqualFold(tag.Text(attrVersionID), version) && !slices.Contains(names, p.Name) {
				names = append(names, p.Name)
			}
		}
	}
	return names, nil
}
