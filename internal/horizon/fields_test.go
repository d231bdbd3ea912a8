package horizon

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/acceptance/contract"
)

// TestFieldsThatAreReadAreDocumented looks every field that this client reads up in
// the vendor's document of each release: a misspelt one would be absent for ever.
// What only later versions of a route have is absent in older ones, and has to come
// to be in the newest.
func TestFieldsThatAreReadAreDocumented(t *testing.T) {
	texts := func(kind Kind) []string {
		return slices.Concat(catalogue[kind].created, []string{"id", "additional_details"})
	}
	for _, read := range []struct {
		path   string
		fields []string
		// newest are those that the oldest release does not have.
		newest []string
	}{
		{Stream.path(), append(texts(Stream), "usable"), nil},
		{Version.path(), texts(Version), nil},
		{Tag.path(), append(texts(Tag), "description"), nil},
		{Asset.path(), append(texts(Asset), "datacenter_id"), nil},
		{virtualCenterListing.versions[0].path, fieldsOf(reflect.TypeFor[VirtualCenter]()), nil},
		{datacenterListing.versions[0].path, fieldsOf(reflect.TypeFor[Datacenter]()), nil},
		{baseVMListing.versions[len(baseVMListing.versions)-1].path, fieldsOf(reflect.TypeFor[BaseVM]()), nil},
		{baseSnapshotListing.versions[0].path, fieldsOf(reflect.TypeFor[BaseSnapshot]()), nil},
		{poolListing.versions[0].path, nil, fieldsOf(reflect.TypeFor[poolAnswer]())},
		{machineListing.versions[0].path, nil, fieldsOf(reflect.TypeFor[machineAnswer]())},
	} {
		releases := contract.Releases()
		for _, release := range releases {
			rest := strings.TrimPrefix(read.path, "/rest")
			documented, err := contract.Load(t, release).Fields("GET", rest)
			if errors.Is(err, contract.ErrNoOperation) && read.fields == nil {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			wanted := read.fields
			if release == releases[len(releases)-1] {
				wanted = append(wanted, read.newest...)
				if len(wanted) == 0 {
					t.Errorf("no field of %s is known to be read", read.path)
				}
			}
			for _, name := range wanted {
				if !slices.Contains(documented, name) {
					t.Errorf("release %s has no %s in the answer to GET %s", release, name, rest)
				}
			}
		}
	}
}

// fieldsOf returns the names by which a type is read, with a dot before those within
// another one.
func fieldsOf(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		names = append(names, name)
		if inner := field.Type; inner.Kind() == reflect.Struct {
			for _, below := range fieldsOf(inner) {
				names = append(names, name+"."+below)
			}
		}
	}
	return names
}
