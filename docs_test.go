package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// summary finds the summaries of diagnostics: the first text in a call that makes one, and
// those that are chosen before such a call.
var summary = regexp.MustCompile(`(?:(?:\.AddError|AddWarning|AddAttributeError|AddAttributeWarning|New(?:Attribute)?(?:Error|Warning)Diagnostic|\.warning)\([^"]*|\bsummary(?:, \w+)? :?= )"([A-Z][^"%]+)`)

// defects are told by summaries that no user can do anything about.
var defects = []string{"Unable to configure", "Unable to save", "Unable to settle", "Unable to validate", "The run was cancelled.", "Notice about"}

func TestEveryMessageIsExplained(t *testing.T) {
	guide, err := os.ReadFile("docs/guides/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := string(guide)
	found := 0
	err = filepath.WalkDir("internal/provider", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
	summaries:
		for _, match := range summary.FindAllStringSubmatch(string(source), -1) {
			text := strings.TrimSpace(match[1])
			for _, defect := range defects {
				if strings.HasPrefix(text, defect) {
					continue summaries
				}
			}
			found++
			// The verbs of "Unable to ... image metadata" share a section.
			if strings.HasPrefix(text, "Unable to ") && !strings.Contains(text, ":") {
				continue
			}
			if !strings.Contains(explained, text) {
				t.Errorf("%s says %q, which the page on troubleshooting does not explain", path, text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 90 {
		t.Errorf("only %d messages were found", found)
	}
}
