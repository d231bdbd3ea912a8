package catalogue

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/provider/plan"
)

// DataSources returns the constructors of all data sources of a Horizon pod.
func DataSources() []func() datasource.DataSource {
	return []func() datasource.DataSource{
		newDataSource(virtualCenterTable), newDataSource(datacenterTable), newDataSource(baseVMTable), newDataSource(baseSnapshotTable),
		newDataSource(streamTable), newDataSource(versionTable), newDataSource(tagTable), newDataSource(assetTable),
		newDataSource(poolTable),
	}
}

// dataTable is what one data source differs by from the others. Each finds one
// object of a pod.
type dataTable[E any] struct {
	// name is the name of the data source without the provider's, noun what it
	// finds, in words.
	name, noun  string
	description string
	// keys are the arguments of which exactly one says what is meant; attrID is
	// one of them.
	keys      []string
	arguments []dataArgument
	flags     []dataFlag
	// results have the names of arguments where they are both. What is given is
	// never replaced by what is found, so that it is the same before and after
	// the read.
	results []dataResult[E]
	find    func(ctx context.Context, client *horizon.Client, v plan.Values) (E, error)
	// apart says what tells several that match apart.
	apart string
	// warn says what speaks against using what was found. It may be nil.
	warn func(E) diag.Diagnostics
}

// dataArgument is an argument that is a text.
type dataArgument struct {
	name, description string
	validators        []validator.String
	required          bool
	// narrows says that the argument has no place beside an id.
	narrows bool
	// needed says that nothing but an id does without the argument.
	needed bool
	// check looks for what the argument names. Nil: the argument does not say
	// where to look, and so may name what does not exist.
	check func(ctx context.Context, client *horizon.Client, v plan.Values) error
}

// dataFlag is an argument that is a boolean, false by default.
type dataFlag struct {
	name, description string
	narrows           bool // as of dataArgument
}

var (
	_ datasource.DataSource                   = (*dataSource[*horizon.Object])(nil)
	_ datasource.DataSourceWithConfigure      = (*dataSource[*horizon.Object])(nil)
	_ datasource.DataSourceWithValidateConfig = (*dataSource[*horizon.Object])(nil)
)

// dataSource is the data source of a table.
type dataSource[E any] struct {
	*dataTable[E]
	clients *plan.Clients
}

func newDataSource[E any](table *dataTable[E]) func() datasource.DataSource {
	return func() datasource.DataSource { return &dataSource[E]{dataTable: table} }
}

func (s *dataSource[E]) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_" + s.name
}

func (s *dataSource[E]) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	if req.ProviderData == nil {
		return
	}
	clients, ok := req.ProviderData.(*plan.Clients)
	if !ok {
		resp.Diagnostics.AddError(fmt.Sprintf("Unable to configure %s data source", s.noun),
			fmt.Sprintf("The provider gave %T. This is a defect of the provider; please report it.", req.ProviderData))
		return
	}
	s.clients = clients
}

func (s *dataSource[E]) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	attributes := make(map[string]schema.Attribute, len(s.arguments)+len(s.flags)+len(s.results))
	for _, r := range s.results {
		attributes[r.name] = r.attribute
	}
	for _, a := range s.arguments {
		_, found := attributes[a.name]
		attributes[a.name] = schema.StringAttribute{
			Required: a.required, Optional: !a.required, Computed: found && !a.required,
			MarkdownDescription: s.described(a), Validators: a.validators,
		}
	}
	for _, f := range s.flags {
		attributes[f.name] = schema.BoolAttribute{Optional: true, MarkdownDescription: f.description}
	}
	resp.Schema = schema.Schema{MarkdownDescription: s.description, Attributes: attributes}
}

// described adds to the description of an argument when it can be given.
func (t *dataTable[E]) described(a dataArgument) string {
	switch {
	case slices.Contains(t.keys, a.name) && slices.ContainsFunc(t.flags, func(f dataFlag) bool { return f.name == attrMostRecent }):
		return fmt.Sprintf("%s Exactly one of %s is needed; with `most_recent`, none is.", a.description, listed("`%s`", t.keys))
	case slices.Contains(t.keys, a.name):
		return fmt.Sprintf("%s Exactly one of %s is needed.", a.description, listed("`%s`", t.keys))
	case a.needed:
		return a.description + " Needed unless `id` is given, and not allowed beside it."
	case a.narrows:
		return a.description + " Not allowed beside `id`. Default: any."
	}
	return a.description
}

// listed writes names in a sentence.
func listed(format string, names []string) string {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = fmt.Sprintf(format, name)
	}
	if len(texts) < 2 {
		return strings.Join(texts, "")
	}
	last := len(texts) - 1
	return strings.Join(texts[:last], ", ") + " and " + texts[last]
}

// ValidateConfig checks that the object is chosen in one way. What is not known
// yet may be null in the end.
func (s *dataSource[E]) ValidateConfig(_ context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	v, err := plan.ValuesOf(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.AddError("Unable to validate "+s.noun, err.Error())
		return
	}
	resp.Diagnostics.Append(s.chosen(v)...)
}

func (t *dataTable[E]) chosen(v plan.Values) diag.Diagnostics {
	var given []string
	open := t.takesNewest(v)
	for _, key := range t.keys {
		if isGiven(v, key) {
			given = append(given, key)
		}
		open = open || !v[key].IsKnown()
	}
	switch {
	case len(given) > 1:
		return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root(given[1]), plan.UpperFirst(t.noun)+" chosen twice",
			fmt.Sprintf("Each of %s says which %s is meant. Keep one of them.", listed("%s", given), t.noun))}
	case len(given) == 0 && !open:
		return diag.Diagnostics{diag.NewErrorDiagnostic("No "+t.noun+" chosen",
			fmt.Sprintf("This data source does not say which %s it is to find. Give one of %s.", t.noun, listed("%s", t.keys)))}
	case len(given) == 0:
		return nil
	case given[0] == attrID:
		return t.nothingBesideID(v)
	}
	for _, a := range t.arguments {
		if a.needed && v[a.name].IsKnown() && v[a.name].IsNull() {
			return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root(given[0]), "Missing "+a.name,
				fmt.Sprintf("By its %s, the %s is found with %s only. Give that as well, or give id alone.", given[0], t.noun, a.name))}
		}
	}
	return nil
}

// nothingBesideID reports what would narrow a search where an id leaves nothing
// to search for.
func (t *dataTable[E]) nothingBesideID(v plan.Values) diag.Diagnostics {
	var beside []string
	for _, a := range t.arguments {
		if a.narrows && isGiven(v, a.name) {
			beside = append(beside, a.name)
		}
	}
	for _, f := range t.flags {
		if f.narrows && isGiven(v, f.name) {
			beside = append(beside, f.name)
		}
	}
	if len(beside) == 0 {
		return nil
	}
	return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root(beside[0]), plan.UpperFirst(t.noun)+" chosen twice",
		fmt.Sprintf("id names one %s already, so that %s would have nothing to choose from. Keep id alone, or leave it out.", t.noun, listed("%s", beside)))}
}

// takesNewest says that no key is needed, or may not be when all is known.
func (t *dataTable[E]) takesNewest(v plan.Values) bool {
	value, there := v[attrMostRecent]
	return there && (!value.IsKnown() || isTrue(v, attrMostRecent))
}

func isGiven(v plan.Values, name string) bool { return v[name].IsKnown() && !v[name].IsNull() }

func isTrue(v plan.Values, name string) bool {
	var value bool
	return isGiven(v, name) && v[name].As(&value) == nil && value
}

func (s *dataSource[E]) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	v, err := plan.ValuesOf(req.Config.Raw)
	if err != nil {
		resp.Diagnostics.AddError(s.unable(), err.Error())
		return
	}
	client, diags := s.clients.Horizon.ClientNow(s.unable())
	resp.Diagnostics.Append(diags...)
	if diags.HasError() {
		return
	}
	found, err := s.find(ctx, client, v)
	if err != nil {
		resp.Diagnostics.Append(s.failure(ctx, client, v, err))
		return
	}
	if s.warn != nil {
		resp.Diagnostics.Append(s.warn(found)...)
	}
	state := maps.Clone(v)
	for _, r := range s.results {
		if state[r.name].IsNull() {
			state[r.name] = r.value(found)
		}
	}
	resp.State.Raw = state.Object(req.Config.Raw)
}

// named is what the keys of a configuration say.
func named(v plan.Values) horizon.Named {
	return horizon.Named{ID: v.Text(attrID), Name: v.Text(attrName), Path: v.Text(attrPath)}
}

// wanted describes what a configuration looks for.
func (t *dataTable[E]) wanted(v plan.Values) string {
	var texts []string
	for _, a := range t.arguments {
		if text := v.Text(a.name); text != "" {
			texts = append(texts, fmt.Sprintf("%s %q", a.name, text))
		}
	}
	return listed("%s", texts)
}
