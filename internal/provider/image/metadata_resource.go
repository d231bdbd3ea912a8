// Package image holds the resources and data sources of the image service.
package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

var (
	_ resource.Resource                   = (*metadataResource)(nil)
	_ resource.ResourceWithConfigure      = (*metadataResource)(nil)
	_ resource.ResourceWithValidateConfig = (*metadataResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*metadataResource)(nil)
	_ resource.ResourceWithIdentity       = (*metadataResource)(nil)
	_ resource.ResourceWithImportState    = (*metadataResource)(nil)
)

// metadataResource is imageops_image_metadata.
type metadataResource struct {
	clients *plan.Clients
}

func (r *metadataResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_image_metadata"
	resp.ResourceBehavior.MutableIdentity = true // It follows image_id.
}

func (r *metadataResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	if req.ProviderData == nil {
		return
	}
	clients, ok := req.ProviderData.(*plan.Clients)
	if !ok {
		resp.Diagnostics.AddError("Unable to configure image metadata", fmt.Sprintf("The provider gave %T. This is a defect of the provider; please report it.", req.ProviderData))
		return
	}
	r.clients = clients
}

// metadataIdentity is the identity of the resource.
type metadataIdentity struct {
	ImageID types.String `tfsdk:"image_id"`
}

func setIdentity(ctx context.Context, identity *tfsdk.ResourceIdentity, id string) diag.Diagnostics {
	if identity == nil {
		return nil
	}
	return identity.Set(ctx, metadataIdentity{ImageID: types.StringValue(id)})
}

// object is one image through the eyes of one call.
type object struct {
	id      string
	key     change.Key
	place   plan.Place
	roles   []string
	service *imageservice.Client
	memory  *change.Memory
	done    func() // ends the work that others may wait for
}

// private returns what is kept beside a state about the object as it was seen.
func (o *object) private(seen patch.Document, instance string) plan.Private {
	kept := plan.Private{Place: &o.place, Instance: instance}
	if seen != nil {
		kept.Document = attribute.Changeable(seen)
	}
	return kept
}

// close ends the work on the object.
func (o *object) close() { o.done() }

// lock waits until nobody else in this process writes the image. Meanwhile nobody
// is to wait for this one's reads.
func (o *object) lock(ctx context.Context) (unlock func(), err error) {
	o.done()
	unlock, err = change.Lock(ctx, o.key)
	o.done = o.service.Work()
	return unlock, err
}

// open signs in, when nobody has yet, and finds out where the image would be.
func (r *metadataResource) open(ctx context.Context, verb, id string) (*object, diag.Diagnostics) {
	service, diags := r.clients.Images.Client()
	if diags.HasError() {
		return nil, diags
	}
	done := service.Work()
	endpoint, err := service.EndpointKey(ctx)
	if err != nil {
		done()
		return nil, diag.Diagnostics{failure(verb, id, err)}
	}
	place, err := service.Place(ctx)
	if err != nil {
		done()
		return nil, diag.Diagnostics{failure(verb, id, err)}
	}
	return &object{
		id: id, key: change.Key{Endpoint: endpoint, ID: strings.ToLower(id)}, service: service, memory: r.clients.Memory, done: done,
		roles: place.Roles,
		place: plan.Place{Region: place.Region, ProjectID: place.ProjectID, ProjectName: place.ProjectName},
	}, nil
}

func (r *metadataResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if r.clients == nil {
		return
	}
	if req.Plan.Raw.IsNull() {
		resp.Diagnostics.Append(r.clients.MarkDestroy(ctx, resp.Private)...)
		return
	}
	resp.Diagnostics.Append(plan.ClearDestroy(ctx, req.Private, resp.Private)...)
	create := req.State.Raw.IsNull()
	unchanged := !create && req.Plan.Raw.Equal(req.State.Raw)
	if unchanged && !plan.NeedsReview(ctx, req.Private) {
		return // Most resources of most plans: without a look at the document.
	}
	private := plan.Load(ctx, req.Private)
	if r.clients.Images.Unknown() {
		return // Everything computed is unknown already.
	}
	planned, err := plan.ValuesOf(req.Plan.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to plan image metadata", err.Error())
		return
	}
	step, diags := stepOf(planned, req.State.Raw)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() || !step.after.idKnown {
		return
	}
	if !unchanged {
		resp.Diagnostics.Append(r.refusals(&step.after)...)
		if resp.Diagnostics.HasError() {
			return
		}
	}
	step.looked = step.fresh || private.Document == nil
	have, diags := r.seen(ctx, step, private)
	resp.Diagnostics.Append(diags...)
	if have == nil {
		return
	}
	if step.after.unknown {
		return
	}
	if !unchanged {
		resp.Diagnostics.Append(contradictions(&step.after, step.difference(have).Patch.Apply(have), r.settable)...)
		resp.Diagnostics.Append(r.impossibleTags(step, have)...)
		resp.Diagnostics.Append(r.unwritable(step, have)...)
		if resp.Diagnostics.HasError() {
			return
		}
	}
	resp.Diagnostics.Append(quotaWarnings(step, have)...)
	planned, diags = step.plan(planned, have)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	if unchanged {
		// Nothing but the record can be out of date: a value that another
		// writer, or an apply that died, left as it is configured now.
		var state values
		if state, err = plan.ValuesOf(req.State.Raw); err != nil || (state.Text(attrRestorePatch) == planned.Text(attrRestorePatch) &&
			state.Text(attrSensitiveRestore) == planned.Text(attrSensitiveRestore)) {
			return
		}
	}
	resp.Plan.Raw = planned.Object(req.Plan.Raw)
}

// seen returns the document that a change is planned against: the one that the
// state was read from, or for an image that has no state yet, and for one whose
// private state was lost, the one that this process read first.
func (r *metadataResource) seen(ctx context.Context, step *step, private plan.Private) (patch.Document, diag.Diagnostics) {
	if !step.looked {
		return private.Document, nil
	}
	o, diags := r.open(ctx, "plan", step.after.imageID)
	if diags.HasError() {
		return nil, diags
	}
	defer o.close()
	if have := o.memory.Known(o.key); have != nil {
		return have, nil
	}
	secrets := append(secretsOf(&step.after, step.record, private.Document), secretsOf(&step.before, step.record, private.Document)...)
	// Not a recent one: an image that is still being made changes all the time.
	image, err := o.service.Image(ctx, o.id, secrets...)
	if errors.Is(err, imageservice.ErrNotFound) {
		if o.memory.FoundGone(o.key) {
			// Terraform plans this create also on the way to a destroy, which
			// must not fail because there is nothing left to destroy.
			return nil, diag.Diagnostics{diag.NewAttributeWarningDiagnostic(path.Root(attrImageID), "Image is gone",
				fmt.Sprintf("Image %s was deleted: it is not found any more from %s, where it was managed. Its metadata cannot be written again; "+
					"give the ID of another image, or remove the resource.\n\n%s", o.id, o.place, plan.Sentence(err)))}
		}
		return nil, diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root(attrImageID), "Unable to plan image metadata: image not found",
			fmt.Sprintf("There is no image %s to be seen from %s: it was deleted, or it is private to another project or lives in another region. "+
				"Check the ID, and that the provider signs in where the image is.\n\n%s", o.id, o.place, plan.Sentence(err)))}
	}
	if err != nil {
		return nil, diag.Diagnostics{failure("plan", o.id, err)}
	}
	return o.memory.First(o.key, image.Document()), nil
}

func (r *metadataResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	planned, err := plan.ValuesOf(req.Plan.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to create image metadata", err.Error())
		return
	}
	step, diags := stepOf(planned, tftypes.Value{})
	resp.Diagnostics.Append(diags...)
	ctx, cancel, diags := plan.WithTimeout(ctx, req.Plan, plan.CreateTimeout)
	defer cancel()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	o, diags := r.open(ctx, "create", step.after.imageID)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	defer o.close()
	w := r.newWrite(o, step, "create", plan.Private{Instance: plan.NewInstance()})
	after := w.run(ctx, planned)
	resp.Diagnostics.Append(after.diags...)
	if after.state == nil {
		return
	}
	resp.State.Raw = after.state.Object(req.Plan.Raw)
	resp.Diagnostics.Append(after.private.Save(ctx, resp.Private, plan.Private{})...)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, o.id)...)
}

func (r *metadataResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	s, looked := ctx.Value(sightKey{}).(*sight)
	if !looked {
		s = r.look(ctx, req.State.Raw, req.Private)
	}
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, s.id)...)
	resp.Diagnostics.Append(s.diags...)
	switch {
	case s.gone:
		resp.State.RemoveResource(ctx)
	case s.drifted != nil:
		resp.State.Raw = s.drifted.Object(req.State.Raw)
	}
	resp.Diagnostics.Append(s.after.Save(ctx, resp.Private, s.before)...)
}

// sight is what a look at the image of a state shows.
type sight struct {
	id            string
	gone          bool
	drifted       values // the state with what was found; nil when that is the state itself
	before, after plan.Private
	diags         diag.Diagnostics
}

// sightKey is where a context carries a sight to Read.
type sightKey struct{}

// nothingNew says that Read leaves everything as it is.
func (s *sight) nothingNew() bool {
	return !s.gone && s.drifted == nil && len(s.diags) == 0 && s.after.Same(s.before)
}

// look reads the image of a state.
func (r *metadataResource) look(ctx context.Context, raw tftypes.Value, private plan.PrivateReader) *sight {
	s := &sight{}
	state, err := plan.ValuesOf(raw)
	if err != nil {
		s.diags.AddError("Unable to read image metadata", err.Error())
		return s
	}
	s.id = state.Text(attrImageID)
	if r.clients.Images.Unknown() {
		s.diags.AddWarning("Image metadata was not read",
			fmt.Sprintf("%s, so image %s is planned as it was in state.", r.clients.Images.UnknownText(), s.id))
		return s
	}
	owns := ownsOf(state)
	record, err := recordOf(state, &owns)
	if err != nil {
		s.diags.AddError("Unable to read image metadata", plan.Sentence(err))
		return s
	}
	s.before = plan.Load(ctx, private)
	s.after = s.before
	o, diags := r.open(ctx, "read", s.id)
	s.diags.Append(diags...)
	if diags.HasError() {
		return s
	}
	defer o.close()
	image, err := o.service.RecentImage(ctx, s.id, secretsOf(&owns, record, s.before.Document)...)
	if errors.Is(err, imageservice.ErrNotFound) {
		if elsewhere := o.elsewhere("read", s.before.Place); elsewhere != nil {
			s.diags.Append(elsewhere)
			return s
		}
		o.memory.NoteGone(o.key)
		s.gone = true
		return s
	}
	if err != nil {
		s.diags.Append(failure("read", s.id, err))
		return s
	}
	d := image.Document()
	o.memory.First(o.key, d)
	if len(patch.Diff(d, owns.wanted(d), attribute.Equal)) > 0 || returned(&owns, record, d) {
		refresh(state, owns, record, d)
		state.SetText(plan.PlannedPatchAttribute, "[]")
		state.SetTexts(plan.PlannedChangesAttribute, nil)
		s.drifted = state
	}
	s.after = o.private(d, s.before.Instance)
	s.after.Review = stale(record, d)
	if s.after.Instance == "" {
		s.after.Instance = plan.NewInstance()
	}
	return s
}

// returned says whether a document has something that the record names and the
// state lacks: it was away at the last read and came back.
func returned(owns *owned, record patch.Patch, d patch.Document) bool {
	for _, entry := range record {
		if _, named := owns.want[entry.Path]; named || entry.Old == patch.Absent || d[entry.Path] == patch.Absent {
			continue
		}
		key, _ := entry.Path.Key()
		if _, tag := entry.Path.MemberOf(attribute.Tags); tag || attribute.ByKey(key) != nil {
			return true
		}
	}
	return false
}

func (r *metadataResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	planned, err := plan.ValuesOf(req.Plan.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to update image metadata", err.Error())
		return
	}
	step, diags := stepOf(planned, req.State.Raw)
	resp.Diagnostics.Append(diags...)
	ctx, cancel, diags := plan.WithTimeout(ctx, req.Plan, plan.UpdateTimeout)
	defer cancel()
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	before := plan.Load(ctx, req.Private)
	if before.Instance == "" {
		before.Instance = plan.NewInstance()
	}
	if step.silent() {
		resp.State.Raw = planned.Object(req.Plan.Raw)
		resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, step.after.imageID)...)
		return
	}
	o, diags := r.open(ctx, "update", step.after.imageID)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	defer o.close()
	w := r.newWrite(o, step, "update", before)
	after := w.run(ctx, planned)
	resp.Diagnostics.Append(after.diags...)
	if after.state == nil {
		return
	}
	resp.State.Raw = after.state.Object(req.Plan.Raw)
	resp.Diagnostics.Append(after.private.Save(ctx, resp.Private, before)...)
	resp.Diagnostics.Append(setIdentity(ctx, resp.Identity, after.state.Text(attrImageID))...)
}

func (r *metadataResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	state, err := plan.ValuesOf(req.State.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to delete image metadata", err.Error())
		return
	}
	ctx, cancel, diags := plan.WithTimeout(ctx, req.State, plan.DeleteTimeout)
	defer cancel()
	owns := ownsOf(state)
	record, err := recordOf(state, &owns)
	if err != nil {
		diags.AddError("Unable to delete image metadata", plan.Sentence(err))
	}
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}
	id := owns.imageID
	destruction := r.clients.Destruction(ctx, req.Private)
	if destruction == plan.Deposed {
		if len(record) > 0 {
			resp.Diagnostics.AddWarning("Image metadata was not restored",
				fmt.Sprintf("This resource was replaced by one that was created before it was destroyed, so nothing was put back on image %s. "+
					"What the replaced resource had found there is known to nobody now. If it is needed, here is the patch that would have restored it:\n\n%s",
					id, restoreText(record, &owns)))
		}
		return
	}
	rule := state.Text(plan.OnDestroyAttribute)
	if destruction == plan.Planned && !restoresAny(rule, record) {
		resp.Diagnostics.Append(unrestorable(rule, id, record, &owns)...)
		return
	}
	o, diags := r.open(ctx, "delete", id)
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	defer o.close()
	if destruction == plan.Replaced {
		if len(record) == 0 {
			return
		}
		o.memory.HandOver(o.key, change.Handover{Record: record, Sensitive: owns.sensitive})
		resp.Diagnostics.AddWarning("Image metadata was handed over",
			fmt.Sprintf("This resource is being replaced, so nothing was put back on image %s: its replacement takes over what this one had found. "+
				"If the replacement fails before it starts, this is the patch that restores it:\n\n%s", id, restoreText(record, &owns)))
		return
	}
	private := plan.Load(ctx, req.Private)
	resp.Diagnostics.Append(r.restore(ctx, o, rule, record, &owns, private)...)
}

// elsewhere returns the error for an image that is not found from another place
// than it was found from before; nil if the place is the same.
func (o *object) elsewhere(verb string, before *plan.Place) diag.Diagnostic {
	return wording(o.id, verb, nil, nil).Elsewhere(o.place, before)
}

// restoreText writes a record for people, without sensitive values.
func restoreText(record patch.Patch, owns *owned) string {
	plain, hidden := split(record, owns.secrecy())
	text := patch.EncodeRestore(plain)
	if len(hidden) > 0 {
		keys := make([]string, len(hidden))
		for i, entry := range hidden {
			keys[i] = string(entry.Path)
		}
		text += fmt.Sprintf("\n\nand the former values of the sensitive %s.", strings.Join(keys, ", "))
	}
	return text
}
