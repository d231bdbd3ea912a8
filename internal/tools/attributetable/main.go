// Command attributetable writes the tables of the image attributes, and the one by
// which is decided what is sent to a desktop pool, into the guides: from the tables
// that the provider itself works with.
//
//	attributetable FOLDER
//
// In every guide of the folder it replaces what stands between the lines
//
//	<!-- table: NAME -->
//	<!-- end of table -->
//
// where NAME is the name of a table. Other text stays as it is, and a guide that
// is up to date is not written.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: attributetable FOLDER")
	}
	if err := write(os.Args[1]); err != nil {
		log.Fatalf("attributetable: %v", err)
	}
}

// write brings all guides of a folder up to date.
func write(folder string) error {
	guides, err := readGuides(folder)
	if err != nil {
		return err
	}
	for path, guide := range guides {
		updated, err := update(guide)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if updated == guide {
			continue
		}
		if err := os.WriteFile(path, []byte(updated), 0o644); err != nil { //nolint:gosec // Documentation is for everybody.
			return err
		}
	}
	return nil
}

// readGuides returns the guides of a folder by their paths. A folder without any
// is an error: the path is then a wrong one.
func readGuides(folder string) (map[string]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.md*"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there are no guides in %s", folder)
	}
	guides := map[string]string{}
	for _, path := range paths {
		content, err := os.ReadFile(path) //nolint:gosec // The folder is the developer's own.
		if err != nil {
			return nil, err
		}
		guides[path] = string(content)
	}
	return guides, nil
}

const endMark = "<!-- end of table -->\n"

var beginMark = regexp.MustCompile(`(?m)^<!-- table: (.*) -->\n`)

// update returns a guide with its tables written anew. A name that no table has,
// and a table without its end, are errors.
func update(guide string) (string, error) {
	var updated strings.Builder
	for {
		at := beginMark.FindStringSubmatchIndex(guide)
		if at == nil {
			updated.WriteString(guide)
			return updated.String(), nil
		}
		name := guide[at[2]:at[3]]
		table := tables[name]
		if table == nil {
			return "", fmt.Errorf("there is no table %q", name)
		}
		updated.WriteString(guide[:at[1]])
		between, rest, ended := strings.Cut(guide[at[1]:], endMark)
		if !ended || beginMark.MatchString(between) {
			return "", fmt.Errorf("the table %q has no end", name)
		}
		updated.WriteString("\n" + table() + "\n" + endMark)
		guide = rest
	}
}
