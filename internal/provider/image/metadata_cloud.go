package image

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// contradictions returns an error for each attribute of the configuration that
// cannot be on an image as it would be afterwards: beside one that excludes it, or
// without what it needs. Also what nobody owns counts, since the services look at
// the whole image.
// Settable says what can be set on the cloud.
func contradictions(o *owned, after patch.Document, settable func(*attribute.Attribute) bool) diag.Diagnostics {
	var diags diag.Diagnostics
	show := o.secrecy().show
	for _, pair := range attribute.Exclusions(after) {
		mine, other := pair.First, pair.Second
		if o.typed[mine.Pointer()] == nil {
			mine, other = other, mine
		}
		if o.typed[mine.Pointer()] == nil {
			continue // Neither is known to be what the vendors mean.
		}
		way := fmt.Sprintf("Leave one of them out, or set %s = false.", other.Path())
		if other.Kind != attribute.Flag {
			way = "Leave one of them out."
		}
		if _, named := o.want[other.Pointer()]; !named {
			way = fmt.Sprintf("The image has %s already, and this configuration does not own it: leave %s out, or own %s as well and take it off the image with %s = false.",
				other.Key, mine.Path(), other.Path(), other.Path())
			if other.Kind != attribute.Flag || !settable(other) {
				way = fmt.Sprintf("The image has %s already, and this configuration does not own it: leave %s out, or take the other off the image first.", other.Key, mine.Path())
			}
		}
		diags.AddAttributeError(pathOf(mine), "Attributes exclude each other",
			fmt.Sprintf("%s: %s (%s) and %s (%s) cannot be on the same image. %s", mine.Path(), mine.Key, show(mine.Pointer(), after[mine.Pointer()]), other.Key, show(other.Pointer(), after[other.Pointer()]), way))
	}
	for _, a := range attribute.Unmet(after) {
		if o.typed[a.Pointer()] == nil {
			continue
		}
		needed := patch.NewPointer(a.Needs.Key)
		diags.AddAttributeError(pathOf(a), "Attribute does not apply to this image",
			fmt.Sprintf("%s is only for images whose %s is %q, and this one's is %s. Leave it out.", a.Path(), a.Needs.Key, a.Needs.Value, show(needed, after[needed])))
	}
	return diags
}

// settable says whether an attribute can be set on the cloud of the provider.
func (r *metadataResource) settable(a *attribute.Attribute) bool {
	service, problem := r.clients.Images.Client()
	return problem.HasError() || r.clients.AllowUndocumented || a.CheckOn(service.Cloud()) == nil
}

// alone returns the document of nothing but what is owned.
func (o *owned) alone() patch.Document {
	d := make(patch.Document, len(o.want))
	for p, value := range o.want {
		if value != patch.Absent {
			d[p] = value
		}
	}
	return d
}

// refusals returns an error for everything in a plan that the vendor of the image
// service says it does not change. OpenStack refuses nothing of it.
func (r *metadataResource) refusals(o *owned) diag.Diagnostics {
	var diags diag.Diagnostics
	service, problem := r.clients.Images.Client()
	if problem.HasError() || !service.Cloud().IMS() {
		return nil // A missing client is the error of the call that needs it.
	}
	cloud := service.Cloud()
	for _, p := range slices.Sorted(maps.Keys(o.want)) {
		at := o.path(p)
		if tag, ok := p.MemberOf(attribute.Tags); ok {
			if err := attribute.CheckTagOn(cloud, tag); err != nil {
				diags.AddAttributeError(at, "Invalid tag", plan.Sentence(err))
			}
			continue
		}
		if a := o.typed[p]; a != nil {
			if err := a.CheckOn(cloud); err != nil && !r.clients.AllowUndocumented {
				diags.AddAttributeError(at, "Attribute cannot be changed on this cloud", fmt.Sprintf("%s: %s", a.Path(), plan.Sentence(err)))
			}
			continue
		}
		key, _ := p.Key()
		if attribute.ByKey(key) == nil && attribute.Describes(key) && r.clients.AllowUndocumented {
			continue
		}
		if err := attribute.CheckPropertyOn(cloud, key); err != nil {
			diags.AddAttributeError(at, "Invalid property name", plan.Sentence(err))
		}
	}
	if name, ok := o.want["/name"].AsString(); ok {
		if err := attribute.CheckNameOn(cloud, name); err != nil {
			diags.AddAttributeError(path.Root(attrName), "Invalid name", plan.Sentence(err))
		}
	}
	return diags
}

// unwritable says that the service lets nobody write the image that a plan is going
// to write, and that no waiting changes that.
func (r *metadataResource) unwritable(s *step, have patch.Document) diag.Diagnostics {
	service, problem := r.clients.Images.Client()
	if problem.HasError() || len(s.difference(have).Patch) == 0 {
		return nil
	}
	err := service.CheckWritable(s.after.imageID, have)
	var early *imageservice.NotReadyError
	if err == nil || (errors.As(err, &early) && early.Waitable()) {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root(attrImageID), "Image cannot be written", plan.Sentence(err))}
}

// impossibleTags says that the image would get more tags than an Image Management
// Service lets it have, or two for a key, of which one would take the other's place.
func (r *metadataResource) impossibleTags(s *step, have patch.Document) diag.Diagnostics {
	service, problem := r.clients.Images.Client()
	if problem.HasError() || !service.Cloud().IMS() {
		return nil
	}
	var diags diag.Diagnostics
	tags := s.difference(have).Patch.Apply(have).Members(attribute.Tags)
	if first, second, clash := attribute.ClashingTags(tags); clash {
		_, firstOurs := s.after.want[attribute.Tags.Member(first)]
		_, secondOurs := s.after.want[attribute.Tags.Member(second)]
		way := "Name one of them."
		if !firstOurs || !secondOurs {
			way = "One of them is on the image already, and this configuration does not own it: take it off first, or own all tags of the image with tags_exclusive = true."
		}
		diags.AddAttributeError(path.Root(attrTags), "Tags exclude each other",
			fmt.Sprintf("Image %s cannot have both tags %q and %q: on %s a tag's key has one value. %s", s.after.imageID, first, second, service.Cloud(), way))
	}
	if len(tags) > attribute.IMSTagQuota && len(tags) > len(have.Members(attribute.Tags)) {
		diags.AddAttributeError(path.Root(attrTags), "Too many tags",
			fmt.Sprintf("Image %s would have %d tags with those that others have put on it; %s allows %d. Name fewer, or take others off with tags_exclusive = true.",
				s.after.imageID, len(tags), service.Cloud(), attribute.IMSTagQuota))
	}
	return diags
}
