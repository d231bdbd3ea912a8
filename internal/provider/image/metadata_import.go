package image

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// ImportState adopts an image as it is: by "IMAGE_ID" or by identity everything
// that can be written back, by "IMAGE_ID/key1,key2" only these keys.
func (r *metadataResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	id, keys, err := importID(ctx, req)
	if err != nil {
		resp.Diagnostics.AddError("Invalid import ID", err.Error())
		return
	}
	if r.clients.Images.Unknown() {
		resp.Diagnostics.AddError("Unable to import image metadata", r.clients.Images.UnknownText()+", so the image cannot be read. Give it a value that is known when planning.")
		return
	}
	o, diags := r.open(ctx, "import", id)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	defer o.close()
	image, err := o.service.Image(ctx, id)
	if errors.Is(err, imageservice.ErrNotFound) {
		resp.Diagnostics.AddError("Unable to import image metadata",
			fmt.Sprintf("There is no image %s to be seen from %s: it was deleted, or it is private to another project or lives in another region.\n\n%s", id, o.place, plan.Sentence(err)))
		return
	}
	if err != nil {
		resp.Diagnostics.Append(failure("import", id, err))
		return
	}
	d := image.Document()
	o.memory.First(o.key, d)
	state, err := adoption{o.service.Cloud(), r.clients.AllowUndocumented}.adopt(resp.State.Raw, id, d, keys)
	if err != nil {
		resp.Diagnostics.AddError("Unable to import image metadata", plan.Sentence(err))
		return
	}
	resp.State.Raw = state.Object(resp.State.Raw)
	private := o.private(d, plan.NewInstance())
	resp.Diagnostics.Append(private.Save(ctx, resp.Private, plan.Private{})...)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, id)...)
}

// importID reads the id of an import, and the keys that it is limited to.
func importID(ctx context.Context, req resource.ImportStateRequest) (id string, keys []string, err error) {
	const form = "The import ID is IMAGE_ID for everything that can be owned, or IMAGE_ID/key1,key2 for these keys only: names as they are on the wire, " +
		"with a slash, comma or percent sign in a name percent-encoded."
	if req.ID == "" {
		if req.Identity != nil && !req.Identity.Raw.IsNull() {
			var identity metadataIdentity
			if diags := req.Identity.Get(ctx, &identity); diags.HasError() {
				return "", nil, errors.New(diags[0].Detail())
			}
			id = identity.ImageID.ValueString()
		}
		if !imageservice.ValidID(id) {
			return "", nil, errors.New(notUUID(id))
		}
		return id, nil, nil
	}
	id, list, limited := strings.Cut(req.ID, "/")
	if !imageservice.ValidID(id) {
		return "", nil, fmt.Errorf("%s\n\n%s", notUUID(id), form)
	}
	if !limited {
		return id, nil, nil
	}
	for encoded := range strings.SplitSeq(list, ",") {
		key, err := url.PathUnescape(encoded)
		if err != nil || key == "" {
			return "", nil, fmt.Errorf("%q is not a list of keys. %s", list, form)
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return id, keys, nil
}

// adoption is how an image is adopted from a cloud.
type adoption struct {
	cloud        attribute.Cloud
	undocumented bool // also what no page of the vendor lists can be set
}

// adopt makes the state of an image as it is found. With keys, only these.
func (r adoption) adopt(like tftypes.Value, id string, d patch.Document, keys []string) (values, error) {
	state := plan.NullValues(like)
	state.SetText(attrImageID, id)
	state[attrTagsExclusive] = tftypes.NewValue(tftypes.Bool, false)
	state.SetText(plan.OnDestroyAttribute, destroyRestore)
	state.SetText(plan.OnConflictAttribute, plan.ConflictFail)
	state.SetText(plan.PlannedPatchAttribute, "[]")
	state.SetTexts(plan.PlannedChangesAttribute, nil)
	setRecord(state, nil, func(patch.Pointer) bool { return false })

	everything := keys == nil
	if everything {
		for _, p := range slices.Sorted(maps.Keys(d)) {
			if key, ok := p.Key(); ok && r.check(key, d[p]) == nil {
				keys = append(keys, key)
			}
		}
		if len(d.Members(attribute.Tags)) > 0 {
			keys = append(keys, attrTags)
		}
	}
	properties := map[string]tftypes.Value{}
	for _, key := range keys {
		if key == attrTags {
			state[attrTags] = stringSet(d.Members(attribute.Tags))
			continue
		}
		value := d[patch.NewPointer(key)]
		if !everything {
			if err := r.checkKey(id, key, value); err != nil {
				return nil, err
			}
		}
		if a, typed, ok := r.typed(key, value); ok {
			put(state, a, typed)
			continue
		}
		properties[key] = textOrNull(value)
	}
	if len(properties) > 0 {
		state[attrProperties] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, properties)
	}
	return state, nil
}

// typed returns the attribute that a key is adopted as. On OpenStack the vendors'
// attributes are properties like any other.
func (r adoption) typed(key string, value patch.Value) (*attribute.Attribute, tftypes.Value, bool) {
	a := attribute.ByKey(key)
	if a == nil || (a.Section == attribute.IMS && !r.cloud.IMS()) || (a.CheckOn(r.cloud) != nil && !r.undocumented) {
		return nil, tftypes.Value{}, false
	}
	typed, ok := lossless(a, value)
	return a, typed, ok
}

// checkKey says why a key of an import ID cannot be owned.
func (r adoption) checkKey(id, key string, value patch.Value) error {
	if value == patch.Absent {
		for _, a := range attribute.Arguments {
			if a.Name == key && a.Key != key {
				return fmt.Errorf("image %s has no %q. Import IDs name keys as they are on the wire: write %s", id, key, a.Key)
			}
		}
		return fmt.Errorf("image %s has no %q. Import IDs name keys as they are on the wire; `openstack image show -f json %s` lists them", id, key, id)
	}
	if err := r.check(key, value); err != nil {
		return fmt.Errorf("image %s: %w. So it cannot be owned; take it out of the import ID", id, err)
	}
	return nil
}

// check says why a key that stands on an image cannot be owned.
func (r adoption) check(key string, value patch.Value) error {
	a, _, ok := r.typed(key, value)
	switch {
	case ok:
		return nil
	case a != nil && a.Core:
		return fmt.Errorf("%q is %s, which cannot be written back", key, plan.Show(value))
	}
	if err := attribute.CheckProperty(key); err != nil {
		return err
	}
	if r.cloud.IMS() && attribute.Describes(key) {
		if row := attribute.ByKey(key); row != nil && !r.undocumented && row.CheckOn(r.cloud) != nil {
			return row.CheckOn(r.cloud)
		}
		if a != nil {
			return fmt.Errorf("%q is %s, which the argument %s cannot say", key, plan.Show(value), a.Path())
		}
	}
	if err := attribute.CheckPropertyOn(r.cloud, key); err != nil && (!r.undocumented || attribute.ByKey(key) != nil) {
		return err
	}
	if _, text := value.AsString(); !text {
		return fmt.Errorf("%q is %s; only texts can be written back", key, plan.Show(value))
	}
	return attribute.CheckText(textOf(value))
}

// lossless converts a value into the typed attribute if writing that back gives
// the very same value.
func lossless(a *attribute.Attribute, value patch.Value) (tftypes.Value, bool) {
	typed := fromWire(a, value)
	if typed.IsNull() || toWire(a, typed) != value {
		return typed, false
	}
	switch a.Kind {
	case attribute.Text, attribute.JSON:
		return typed, a.CheckText(textOf(value)) == nil
	case attribute.Integer:
		n, _ := a.AsInt(value)
		return typed, n >= a.Min && n <= a.Max
	}
	return typed, true
}

func textOf(value patch.Value) string {
	s, _ := value.AsString()
	return s
}
