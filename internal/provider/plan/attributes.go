package plan

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/imageops/terraform-provider-imageops/internal/change"
)

// The names of the attributes that every resource has.
const (
	OnConflictAttribute     = "on_conflict"
	OnDestroyAttribute      = "on_destroy"
	TimeoutsAttribute       = "timeouts"
	PlannedPatchAttribute   = "planned_patch"
	PlannedChangesAttribute = "planned_changes"
)

// The values of on_conflict.
const (
	ConflictFail      = "fail"
	ConflictOverwrite = "overwrite"
)

// OnConflict is the schema of the on_conflict attribute.
func OnConflict() schema.Attribute {
	return schema.StringAttribute{
		Optional: true, Computed: true, Default: stringdefault.StaticString(ConflictFail),
		MarkdownDescription: "What to do about an owned attribute that somebody else changed between plan and apply: `fail` (default) reports it and sends nothing, " +
			"`overwrite` writes over it. A change sends nothing.",
		Validators: []validator.String{stringvalidator.OneOf(ConflictFail, ConflictOverwrite)},
	}
}

// Policy returns what the on_conflict attribute says.
func (v Values) Policy() change.Policy {
	if v.Text(OnConflictAttribute) == ConflictOverwrite {
		return change.Overwrite
	}
	return change.Fail
}

// PlannedPatch is the schema of the planned_patch attribute; sends says what an
// apply sends.
func PlannedPatch(sends string) schema.Attribute {
	return schema.StringAttribute{
		Computed: true,
		MarkdownDescription: "The JSON Patch (RFC 6902) of the last planned change, as `jsonencode` prints it: in a plan, " + sends + " if nothing changes in between. " +
			"`[]` if nothing is sent, and after drift was found.",
	}
}

// PlannedChanges is the schema of the planned_changes attribute, with an example
// of a line.
func PlannedChanges(example string) schema.Attribute {
	return schema.ListAttribute{
		Computed: true, ElementType: types.StringType,
		MarkdownDescription: "The same for people: a line per operation, such as `" + example + "`, and a line per attribute that is released as it is.",
	}
}

// Timeouts gives the timeouts attribute, which a library makes, a description.
func Timeouts(a schema.Attribute, description string) schema.Attribute {
	if object, ok := a.(schema.SingleNestedAttribute); ok {
		object.MarkdownDescription = description
		return object
	}
	return a
}
