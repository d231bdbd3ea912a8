package imageservice

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"gopkg.in/yaml.v2"
)

// entry is an entry of clouds.yaml, with what secure.yaml and a public profile
// add to it.
type entry struct {
	cloud clouds.Cloud
	file  string
	hint  string // says which profile could not be found
}

// readEntry reads an entry as gophercloud's package clouds does, whose types it
// uses. That package itself lets OS_REGION_NAME and OS_INTERFACE overrule the
// file and mixes the domains of user and project, so that nothing could be
// looked up field by field.
//
// field is what named the entry, for errors.
func readEntry(getenv func(string) string, name, field string) (*entry, error) {
	files := searchPath(getenv, "clouds.yaml")
	if file := getenv("OS_CLIENT_CONFIG_FILE"); file != "" {
		files = []string{file}
	}
	file, content, err := readFirst(files)
	if err != nil {
		return nil, err
	}
	if file == "" {
		return nil, configErrorf("cloud", "there is no clouds.yaml that could have the entry %q (%s); these files do not exist: %s; create one of them, or name another file in OS_CLIENT_CONFIG_FILE",
			name, field, strings.Join(files, ", "))
	}
	own, err := lookUp(file, content, name, field)
	if err != nil {
		return nil, err
	}
	secure, err := readSecure(getenv, file, name)
	if err != nil {
		return nil, err
	}
	e := &entry{file: file}
	layers := []rawEntry{own, secure}
	if err := e.merge(layers...); err != nil {
		return nil, err
	}
	if err := e.addProfile(getenv, layers); err != nil {
		return nil, err
	}
	return e, nil
}

// searchPath are the places that openstackclient and gophercloud look in:
// $XDG_CONFIG_HOME stands for ~/.config on every system.
func searchPath(getenv func(string) string, name string) []string {
	files := []string{name}
	if wd, err := os.Getwd(); err == nil {
		files[0] = filepath.Join(wd, name)
	}
	config := getenv("XDG_CONFIG_HOME")
	if config == "" {
		for _, home := range []string{getenv("HOME"), getenv("USERPROFILE")} {
			if home != "" {
				config = filepath.Join(home, ".config")
				break
			}
		}
	}
	if config != "" {
		files = append(files, filepath.Join(config, "openstack", name))
	}
	return append(files, filepath.Join("/etc", "openstack", name))
}

// readFirst reads the first of the files that exists. It returns "" when none does.
func readFirst(files []string) (string, []byte, error) {
	for _, file := range files {
		content, err := os.ReadFile(file)
		switch {
		case err == nil:
			return file, content, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", nil, configErrorf("cloud", "the file cannot be read: %v", err)
		}
	}
	return "", nil, nil
}

// rawEntry is an entry that is decoded later, on top of others.
type rawEntry struct {
	file   string
	decode func(any) error
}

// UnmarshalYAML keeps the entry for later.
func (r *rawEntry) UnmarshalYAML(unmarshal func(any) error) error {
	r.decode = unmarshal
	return nil
}

type cloudsFile struct {
	Clouds   map[string]rawEntry `yaml:"clouds"`
	Profiles map[string]rawEntry `yaml:"public-clouds"`
}

func parseFile(file string, content []byte) (cloudsFile, error) {
	var parsed cloudsFile
	if err := yaml.Unmarshal(content, &parsed); err != nil {
		return cloudsFile{}, notYAML(file, err)
	}
	for _, entries := range []map[string]rawEntry{parsed.Clouds, parsed.Profiles} {
		for name, e := range entries {
			e.file = file
			entries[name] = e
		}
	}
	return parsed, nil
}

var yamlLine = regexp.MustCompile(`line \d+`)

// notYAML says where a file is wrong. The parser's own text quotes values, and
// such a value may be the password.
func notYAML(file string, err error) error {
	where := ""
	if line := yamlLine.FindString(err.Error()); line != "" {
		where = " at " + line
	}
	return configErrorf("cloud", "%s cannot be read%s: it is not valid YAML, or a value has the wrong type", file, where)
}

func lookUp(file string, content []byte, name, field string) (rawEntry, error) {
	parsed, err := parseFile(file, content)
	if err != nil {
		return rawEntry{}, err
	}
	if e, ok := parsed.Clouds[name]; ok {
		return e, nil
	}
	has := "it has none"
	if names := slices.Sorted(maps.Keys(parsed.Clouds)); len(names) > 0 {
		has = "it has " + list(names)
	}
	return rawEntry{}, configErrorf("cloud", "there is no entry %q (%s) in %s; %s", name, field, file, has)
}

// readSecure reads the same entry of secure.yaml, which stands beside
// clouds.yaml or where OS_CLIENT_SECURE_FILE says.
func readSecure(getenv func(string) string, file, name string) (rawEntry, error) {
	secure := getenv("OS_CLIENT_SECURE_FILE")
	if secure == "" {
		secure = filepath.Join(filepath.Dir(file), "secure.yaml")
	}
	_, content, err := readFirst([]string{secure})
	if err != nil || content == nil {
		return rawEntry{}, err
	}
	parsed, err := parseFile(secure, content)
	return parsed.Clouds[name], err
}

// merge lays entries on top of each other: values of a later one count.
func (e *entry) merge(layers ...rawEntry) error {
	for _, layer := range layers {
		if layer.decode == nil {
			continue
		}
		auth := e.cloud.AuthInfo
		if err := layer.decode(&e.cloud); err != nil {
			return notYAML(layer.file, err)
		}
		if e.cloud.AuthInfo == nil {
			e.cloud.AuthInfo = auth
		}
	}
	if e.cloud.AuthInfo == nil {
		e.cloud.AuthInfo = &clouds.AuthInfo{}
	}
	return nil
}

// addProfile puts the profile that the entry names under it. One that cannot be
// found is no error as long as the entry has all that is needed: openstacksdk
// brings profiles of its own, which nobody else has.
func (e *entry) addProfile(getenv func(string) string, layers []rawEntry) error {
	profile := e.cloud.Profile
	if profile == "" {
		profile = e.cloud.Cloud
	}
	if profile == "" {
		return nil
	}
	files := searchPath(getenv, "clouds-public.yaml")
	file, content, err := readFirst(files)
	if err != nil {
		return err
	}
	parsed, err := parseFile(file, content)
	if err != nil {
		return err
	}
	base, ok := parsed.Profiles[profile]
	if !ok {
		e.hint = fmt.Sprintf("; the entry names the profile %q, which is not in clouds-public.yaml (%s), and the profiles built into Python's openstacksdk are not known here", profile, strings.Join(files, ", "))
		return nil
	}
	return e.merge(slices.Concat([]rawEntry{base}, layers)...)
}

// list names things, the first 20 of them.
func list(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
