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
	if len(r.clients.Unknown()) > 0 {
		resp.Diagnostics.AddError("Unable to import image metadata", r.clients.UnknownText()+", so the image cannot be read. Give it a value that is known when planning.")
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
			fmt.Sprintf("There is no image %s to be seen from %s: it was deleted, or it is private to another project or lives in another region.\n\n%s", id, o.place, sentence(err)))
		return
	}
	if err != nil {
		resp.Diagnostics.Append(failure("import", id, err))
		return
	}
	d := image.Document()
	o.memory.First(o.key, d)
	state, err := adopt(resp.State.Raw, id, d, keys)
	if err != nil {
		resp.Diagnostics.AddError("Unable to import image metadata", sentence(err))
		return
	}
	resp.State.Raw = state.object(resp.State.Raw)
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

// adopt makes the state of an image as it is found. With keys, only these.
func adopt(like tftypes.Value, id string, d patch.Document, keys []string) (values, error) {
	state := values{}
	for name, t := range like.Type().(tftypes.Object).AttributeTypes { //nolint:forcetypeassert // The state of a resource is an object.
		state[name] = tftypes.NewValue(t, nil)
	}
	state.setText(attrImageID, id)
	state[attrTagsExclusive] = tftypes.NewValue(tftypes.Bool, false)
	state.setText(attrOnDestroy, destroyRestore)
	state.setText(attrOnConflict, conflictFail)
	state.setText(attrPlannedPatch, "[]")
	state[attrPlannedChanges] = stringList(nil)
	state.setRecord(nil, func(patch.Pointer) bool { return false })

	everything := keys == nil
	if everything {
		for _, p := range slices.Sorted(maps.Keys(d)) {
			if key, ok := p.Key(); ok && importable(key, d[p]) {
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
			if err := checkImportKey(id, key, value); err != nil {
				return nil, err
			}
		}
		if a := attribute.ByKey(key); a != nil {
			if typed, ok := lossless(a, value); ok {
				state[a.Name] = typed
				continue
			}
		}
		properties[key] = textOrNull(value)
	}
	if len(properties) > 0 {
		state[attrProperties] = tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, properties)
	}
	return state, nil
}

func checkImportKey(id, key string, value patch.Value) error {
	if value == patch.Absent {
		for _, a := range attribute.Table {
			if a.Name == key && a.Key != key {
				return fmt.Errorf("image %s has no %q. Import IDs name keys as they are on the wire: write %s", id, key, a.Key)
			}
		}
		return fmt.Errorf("image %s has no %q. Import IDs name keys as they are on the wire; `openstack image show -f json %s` lists them", id, key, id)
	}
	if importable(key, value) {
		return nil
	}
	if a := attribute.ByKey(key); a != nil && a.Core {
		return fmt.Errorf("image %s: %q is %s, which cannot be written back, so it cannot be owned; take it out of the import ID", id, key, plan.Show(value))
	}
	if err := attribute.CheckProperty(key); err != nil {
		return fmt.Errorf("image %s: %w. So it cannot be owned; take it out of the import ID", id, err)
	}
	return fmt.Errorf("image %s: %q is %s; only texts can be written back, so it cannot be owned; take it out of the import ID", id, key, plan.Show(value))
}

// importable says whether a key that stands on an image can be owned.
func importable(key string, value patch.Value) bool {
	if a := attribute.ByKey(key); a != nil {
		if _, ok := lossless(a, value); ok {
			return true
		}
	}
	return attribute.Importable(key, value)
}

// lossless converts a value into the typed attribute if writing that back gives
// the very same value.
func lossless(a *attribute.Attribute, value patch.Value) (tftypes.Value, bool) {
	typed := fromWire(a, value)
	if typed.IsNull() || toWire(a, typed) != value || (len(a.OneOf) > 0 && !slices.Contains(a.OneOf, textOf(value))) {
		return typed, false
	}
	return typed, a.Kind != attribute.Text || attribute.CheckText(textOf(value)) == nil
}

func textOf(value patch.Value) string {
	s, _ := value.AsString()
	return s
}
