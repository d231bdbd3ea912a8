package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
)

const templates = "../../../templates/guides"

func TestTheTablesInTheGuidesAreUpToDate(t *testing.T) {
	guides, err := readGuides(templates)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for path, guide := range guides {
		updated, err := update(guide)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil && updated != guide {
			t.Errorf("%s is out of date: run make generate", path)
		}
		for _, mark := range beginMark.FindAllStringSubmatch(guide, -1) {
			written[mark[1]] = true
		}
	}
	for name := range tables {
		if !written[name] {
			t.Errorf("no guide has the table %q", name)
		}
	}
}

func TestWritingTwiceChangesNothing(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "guide.md")
	if err := os.WriteFile(path, []byte("# Before\n\n<!-- table: all -->\nstale\n"+endMark+"\nAfter.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var results []string
	for range 2 {
		if err := write(folder); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, string(content))
	}
	if results[0] != results[1] {
		t.Error("the second run changes what the first one wrote")
	}
	for text, want := range map[string]bool{"# Before\n": true, "\nAfter.\n": true, "`ims.max_ram`": true, "stale": false} {
		if strings.Contains(results[0], text) != want {
			t.Errorf("the guide has %q: %v, want %v", text, !want, want)
		}
	}
}

func TestWrongMarksAreErrors(t *testing.T) {
	for name, guide := range map[string]string{
		"unknown table":         "<!-- table: none -->\n" + endMark,
		"no end":                "<!-- table: all -->\n",
		"begins before the end": "<!-- table: all -->\n<!-- table: pages -->\n" + endMark,
	} {
		if updated, err := update(guide); err == nil {
			t.Errorf("%s: no error, but %.60q", name, updated)
		}
	}
}

func TestEveryLineHasACellForEachColumn(t *testing.T) {
	for name, table := range tables {
		if name == "pages" || name == "pool drawing" {
			continue
		}
		lines := strings.Split(strings.TrimSpace(table()), "\n")
		for _, line := range lines {
			if strings.Count(line, " | ") != strings.Count(lines[0], " | ") && !strings.HasPrefix(line, "|---") {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

func TestTheRulesOfNamesAndTagsAreThoseThatAreChecked(t *testing.T) {
	for _, c := range []attribute.Cloud{attribute.HuaweiCloud, attribute.OpenTelekomCloud} {
		for name, ok := range map[string]bool{"a": true, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false, "a-. _b1": true, " a": false, "a ": false, "": false} {
			if err := attribute.CheckNameOn(c, name); (err == nil) != ok {
				t.Errorf("%s: the name %.20q: %v", c, name, err)
			}
		}
		key, value := strings.Repeat("k", 36), strings.Repeat("v", 43)
		for tag, ok := range map[string]bool{key: true, key + "=" + value: true, key + "k": false, key + "=" + value + "v": false} {
			if err := attribute.CheckTagOn(c, tag); (err == nil) != ok {
				t.Errorf("%s: the tag %q: %v", c, tag, err)
			}
		}
	}
}

// What follows the name of an attribute on the vendors' pages.
var wireTypes = []string{"String", "Long", "Integer", "Boolean", "Array of strings"}

var attributeName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// named returns the attributes that a page describes: lines with a name that a
// line with a type follows.
func named(page string) []string {
	var lines, found []string
	for line := range strings.Lines(page) {
		if line = strings.TrimSpace(line); line != "" && line != "|" {
			lines = append(lines, line)
		}
	}
	for i := range len(lines) - 1 {
		if attributeName.MatchString(lines[i]) && slices.Contains(wireTypes, lines[i+1]) {
			found = append(found, lines[i])
		}
	}
	return found
}

// TestEveryAttributeOfTheVendorsPagesStandsInTheGuide reads copies of the two
// pages, which are no part of this module. IMAGEOPS_SHARED names their folder.
func TestEveryAttributeOfTheVendorsPagesStandsInTheGuide(t *testing.T) {
	folder := os.Getenv("IMAGEOPS_SHARED")
	if folder == "" {
		folder = "../../../../shared"
	}
	guide, err := os.ReadFile(filepath.Join(templates, "image-attributes.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []struct {
		title, file string
		from        string // the tables before are about requests
		attributes  int
	}{
		{"Image Attributes", "002_*", "Image Attributes", 47},
		{"Updating Image Information", "003_*", "Response parameters", 57},
	} {
		t.Run(page.title, func(t *testing.T) {
			paths, err := filepath.Glob(filepath.Join(folder, "seeds", page.file))
			if err != nil {
				t.Fatal(err)
			}
			if len(paths) != 1 {
				t.Skipf("there is no copy of the page in %s; set IMAGEOPS_SHARED to the folder that has one", folder)
			}
			content, err := os.ReadFile(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			_, text, found := strings.Cut(string(content), page.from)
			names := named(text)
			if !found || len(names) != page.attributes {
				t.Errorf("the page has %d attributes, want %d: %v", len(names), page.attributes, names)
			}
			for _, name := range names {
				if !strings.Contains(string(guide), "| `"+name+"` |") {
					t.Errorf("%s has no line in the guide", name)
				}
			}
		})
	}
}
