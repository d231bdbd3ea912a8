package simulator

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// An assumption is a behaviour that no document shows and no measurement on the
// reference installation settles. ASSUMPTIONS.md says what speaks for each.
type assumptionRule struct {
	values []string // the first is the default
}

const (
	// assumeDatabase is the database behind Glance: the reference runs on
	// SQLite, most clouds on MySQL, which refuses more.
	assumeDatabase = "database"
	// assumeLocation is whether the Location of a created image keeps the path
	// under which the image service is reached.
	assumeLocation = "location-prefix"
)

var assumptions = map[string]assumptionRule{
	assumeDatabase: {values: []string{"sqlite", "mysql"}},
	assumeLocation: {values: []string{"dropped", "kept"}},
}

// CheckAssumption returns an error unless the simulator knows an assumption of
// this name that can take this value.
func CheckAssumption(name, value string) error {
	rule, ok := assumptions[name]
	if !ok {
		var names []string
		for n := range assumptions {
			names = append(names, n)
		}
		sort.Strings(names)
		return fmt.Errorf("unknown assumption %q, known are: %s", name, strings.Join(names, ", "))
	}
	if !slices.Contains(rule.values, value) {
		return fmt.Errorf("assumption %s cannot be %q, only one of: %s", name, value, strings.Join(rule.values, ", "))
	}
	return nil
}

func (s *Simulator) assumption(name string) string {
	if value, ok := s.options.Assumptions[name]; ok {
		return value
	}
	return assumptions[name].values[0]
}
