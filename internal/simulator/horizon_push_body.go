package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
)

// pushField is a field of a request about the image of a pool.
type pushField struct {
	name string
	// from is the version of the operation that brought it.
	from int
	// read converts a value, and says what is wrong with it.
	read func(given any) (value any, why string)
}

// pushFields are those of a push in any version.
var pushFields = []pushField{
	{"add_virtual_tpm", 1, asFlag}, {"im_stream_id", 1, asText}, {"im_tag_id", 1, asText}, {"logoff_policy", 1, asLogoffPolicy},
	{"parent_vm_id", 1, asText}, {"snapshot_id", 1, asText}, {"start_time", 1, asWhole(math.MinInt64, math.MaxInt64)}, {"stop_on_first_error", 1, asFlag},
	{"compute_profile_num_cores_per_socket", 2, asWhole(1, math.MaxInt32)}, {"compute_profile_num_cpus", 2, asWhole(1, math.MaxInt32)},
	{"compute_profile_ram_mb", 2, asWhole(1024, math.MaxInt32)}, {"machine_ids", 2, asSet}, {"selective_push_image", 2, asFlag},
	{"grid_vgpus_enabled", 3, asFlag}, {"vgpu_grid_profile", 3, asText},
}

func asText(given any) (any, string) {
	text, ok := given.(string)
	if !ok {
		return nil, "it is not a string"
	}
	return text, ""
}

func asFlag(given any) (any, string) {
	flag, ok := given.(bool)
	if !ok {
		return nil, "it is not a boolean"
	}
	return flag, ""
}

func asLogoffPolicy(given any) (any, string) {
	if given != forceLogoff && given != waitForLogoff {
		return nil, "it is none of the values that it can have"
	}
	return given, ""
}

func asWhole(least, most int64) func(any) (any, string) {
	return func(given any) (any, string) {
		number, _ := given.(json.Number)
		value, err := strconv.ParseInt(number.String(), 10, 64)
		if err != nil {
			return nil, "it is not a whole number"
		}
		if value < least || value > most {
			return nil, fmt.Sprintf("it is not from %d to %d", least, most)
		}
		return value, ""
	}
}

// asSet reads an array of strings without repetitions, into the order of the
// alphabet.
func asSet(given any) (any, string) {
	list, ok := given.([]any)
	if !ok {
		return nil, "it is not an array"
	}
	set := make([]string, 0, len(list))
	for _, each := range list {
		text, ok := each.(string)
		if !ok {
			return nil, "it is not an array of strings"
		}
		set = append(set, text)
	}
	slices.Sort(set)
	if len(slices.Compact(slices.Clone(set))) < len(set) {
		return nil, "an element repeats"
	}
	return set, ""
}

func (v horizonValues) flag(name string, otherwise bool) bool {
	if flag, ok := v[name].(bool); ok {
		return flag
	}
	return otherwise
}

func (v horizonValues) whole(name string, otherwise int64) int64 {
	if number, ok := v[name].(int64); ok {
		return number
	}
	return otherwise
}

func (v horizonValues) set(name string) []string {
	set, _ := v[name].([]string)
	return set
}

// readFields reads the object that a body has to be, with the fields that
// a version has, and says all that is wrong with it at once.
func (rq *horizonRequest) readFields(fields []pushField, version int) (horizonValues, *horizonError) {
	value, refused := rq.decodeBody()
	if refused != nil {
		return nil, refused
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errNotMapped("it is not an object")
	}
	out := horizonValues{}
	var problems []horizonMessage
	for _, name := range slices.Sorted(maps.Keys(object)) {
		i := slices.IndexFunc(fields, func(f pushField) bool { return f.name == name && f.from <= version })
		switch {
		case i < 0:
			problems = append(problems, rq.unknownField(name)...)
			continue
		case object[name] == nil:
			continue
		}
		read, why := fields[i].read(object[name])
		if why != "" {
			problems = append(problems, message("common.field.invalid", "Field %s is not valid: %s.", name, why))
		}
		out[name] = read
	}
	if len(problems) > 0 {
		return nil, &horizonError{http.StatusBadRequest, problems}
	}
	return out, nil
}
