package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/imageops/terraform-provider-imageops"

type room struct {
	path      string   // of the package and those below it
	own       []string // packages of this module
	libraries []string // prefixes of other modules' packages; none for the standard library only
	free      bool     // any library
}

// rooms says, per package, what of this module and of the libraries its
// non-test code may import, directly or through others. The first that a package
// stands in counts.
var rooms = []room{
	{path: "internal/patch"},
	{path: "internal/change", own: []string{"internal/patch"}},
	{path: "internal/transport"},
	{path: "internal/imageservice/attribute", own: []string{"internal/patch"}},
	{
		path: "internal/imageservice", own: []string{"internal/patch", "internal/transport", "internal/imageservice/attribute"},
		libraries: []string{"github.com/gophercloud/gophercloud/v2", "gopkg.in/yaml", "go.yaml.in/yaml"},
	},
	{path: "internal/horizon", own: []string{"internal/patch", "internal/transport"}},
	{path: "internal/simulator"},
	{path: "internal/acceptance", free: true, own: []string{"internal/simulator"}},
	{
		path: "internal/provider", free: true,
		own: []string{"internal/patch", "internal/change", "internal/transport", "internal/imageservice", "internal/horizon", "internal/provider"},
	},
	{path: "", free: true, own: []string{"internal"}},
}

func TestArrowsRunOneWay(t *testing.T) {
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Deps,Module", "./...")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	type listed struct {
		ImportPath string
		Standard   bool
		Deps       []string
	}
	standard := map[string]bool{}
	var ours []listed
	for decoder := json.NewDecoder(output); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		standard[p.ImportPath] = p.Standard
		if p.ImportPath == module || strings.HasPrefix(p.ImportPath, module+"/") {
			ours = append(ours, p)
		}
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(ours) < 8 {
		t.Fatalf("only %d packages are listed", len(ours))
	}
	for _, p := range ours {
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		in := rooms[slices.IndexFunc(rooms, func(r room) bool { return within(path, r.path) })]
		for _, dep := range p.Deps {
			own, isOurs := strings.CutPrefix(dep, module+"/")
			if !standard[dep] && !in.allows(own, isOurs) {
				t.Errorf("%s imports %s", path, dep)
			}
		}
	}
}

func (r room) allows(dep string, ours bool) bool {
	if ours {
		return within(dep, r.path) || slices.ContainsFunc(r.own, func(allowed string) bool { return within(dep, allowed) })
	}
	return r.free || slices.ContainsFunc(r.libraries, func(allowed string) bool { return strings.HasPrefix(dep, allowed) })
}

func within(path, room string) bool {
	return room == "" || path == room || strings.HasPrefix(path, room+"/")
}
