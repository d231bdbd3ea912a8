package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
	"github.com/imageops/terraform-provider-imageops/internal/imageservice/attribute"
)

// tables are what can be written into a guide, by name.
var tables = map[string]func() string{
	"all":                      all,
	"pages":                    pages,
	"huaweicloud set":          func() string { return set(attribute.HuaweiCloud) },
	"huaweicloud refused":      func() string { return refused(attribute.HuaweiCloud) },
	"opentelekomcloud set":     func() string { return set(attribute.OpenTelekomCloud) },
	"opentelekomcloud refused": func() string { return refused(attribute.OpenTelekomCloud) },
	"pool decision":            func() string { return decision(horizon.Rows()) },
	"pool drawing":             func() string { return drawing(horizon.Rows()) },
}

// rows returns the rows of the table that are chosen.
func rows(chosen func(*attribute.Attribute) bool) []*attribute.Attribute {
	var found []*attribute.Attribute
	for i := range attribute.Table {
		if a := &attribute.Table[i]; chosen(a) {
			found = append(found, a)
		}
	}
	return found
}

// all is the whole table.
func all() string {
	header := []string{"configuration", "on the wire"}
	for _, c := range attribute.Clouds {
		header = append(header, c.String())
	}
	var lines [][]string
	for _, a := range rows(func(*attribute.Attribute) bool { return true }) {
		line := []string{code(a.Path()), code(a.Key)}
		if a.Section == attribute.Never {
			line[0] = "-"
		}
		for _, c := range attribute.Clouds {
			line = append(line, settable(a, c))
		}
		lines = append(lines, append(line, typeOf(a), rule(a, ""), references(a.Source)))
	}
	return markdown(append(header, "type", "rule", "page"), lines)
}

// set is what a cloud lets be changed.
func set(c attribute.Cloud) string {
	var lines [][]string
	for _, a := range rows(func(a *attribute.Attribute) bool { return a.Settable[c] != "" }) {
		lines = append(lines, []string{code(a.Path()), code(a.Key), typeOf(a), rule(a, c)})
	}
	return markdown([]string{"configuration", "on the wire", "type", "rule"}, lines)
}

// refused is what has an argument, and no page of the cloud lists as changeable.
func refused(c attribute.Cloud) string {
	var lines [][]string
	for _, a := range rows(func(a *attribute.Attribute) bool { return a.Settable != nil && a.Settable[c] == "" }) {
		lines = append(lines, []string{code(a.Path()), code(a.Key), typeOf(a), rule(a, c)})
	}
	return markdown([]string{"configuration", "on the wire", "type", "rule"}, lines)
}

// sources are the pages that the table is taken from, in the order in which it
// names them.
var sources = func() []string {
	var found []string
	add := func(text string) {
		for page := range strings.SplitSeq(text, "; ") {
			if page != "" && !slices.Contains(found, page) {
				found = append(found, page)
			}
		}
	}
	for i := range attribute.Table {
		add(attribute.Table[i].Source)
		for _, c := range attribute.Clouds {
			add(attribute.Table[i].Settable[c])
		}
	}
	return found
}()

// pages is the list that the numbers in the table stand for.
func pages() string {
	var text strings.Builder
	for i, page := range sources {
		fmt.Fprintf(&text, "%d. %s\n", i+1, page)
	}
	return text.String()
}

// references are the numbers of the pages in a source.
func references(source string) string {
	var numbers []string
	for page := range strings.SplitSeq(source, "; ") {
		numbers = append(numbers, fmt.Sprint(slices.Index(sources, page)+1))
	}
	return "[" + strings.Join(numbers, ", ") + "]"
}

// settable says what can be done with an attribute on a cloud.
func settable(a *attribute.Attribute, c attribute.Cloud) string {
	switch {
	case a.Section == attribute.Never:
		return "never sent"
	case a.Settable[c] != "":
		return "set " + references(a.Settable[c])
	case a.Settable != nil:
		return "undocumented"
	case c.IMS():
		return "read"
	case attribute.CheckProperty(a.Key) == nil:
		return "property"
	}
	return "read"
}

// typeOf is the Terraform type, with the form on the wire where it is another.
func typeOf(a *attribute.Attribute) string {
	if a.Section == attribute.Apart {
		return "set of texts"
	}
	name := map[attribute.Kind]string{
		attribute.Text: "text", attribute.Boolean: "true or false", attribute.Integer: "number", attribute.Flag: "true or absent",
		attribute.Set: "set of texts; a text with commas on the wire", attribute.JSON: "JSON in a text",
	}[a.Kind]
	if a.Wire == attribute.InText {
		name += "; a text on the wire"
	}
	return name
}

// characters are those that a description writes in words.
var characters = map[rune]string{'\r': "carriage return"}

// rule is what a value has to obey; on one cloud, or with "" on any.
func rule(a *attribute.Attribute, c attribute.Cloud) string {
	if a.Section == attribute.Never {
		return a.Description
	}
	if a.Settable == nil {
		return ""
	}
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case a.Section == attribute.Apart && c.IMS():
		add("%s", cloudTags)
	case a.Section == attribute.Apart:
		add("each at most %d characters; %s: %s", attribute.MaxName, clouds, cloudTags)
	case a.Key == "name" && c.IMS():
		add("%s", cloudName)
	case len(a.OneOf) > 0 && a.Kind == attribute.Set:
		add("its members are %s", codes(a.OneOf))
	case len(a.OneOf) > 0:
		add("%s", codes(a.OneOf))
	case a.Kind == attribute.JSON:
		add("a list; blanks do not count")
	case a.Kind == attribute.Integer:
		add("%d to %d", a.Min, a.Max)
	case a.Max > 0:
		add("at most %d characters", a.Max)
	}
	if a.Key == "name" && !c.IMS() {
		add("%s: %s", clouds, cloudName)
	}
	if a.Loose {
		add("case and blanks do not count")
	}
	if a.Without != "" {
		var named []string
		for _, r := range a.Without {
			word := characters[r]
			if word == "" {
				word = code(string(r))
			}
			named = append(named, word)
		}
		add("without %s", strings.Join(named, ", "))
	}
	if len(a.Blank) > 0 {
		var blanks []string
		for _, s := range a.Blank {
			blanks = append(blanks, code(fmt.Sprintf("%q", s)))
		}
		add("%s and absence are equal", strings.Join(blanks, ", "))
	}
	if others := excluded(a); len(others) > 0 {
		add("not beside %s", codes(others))
	}
	if a.Needs != nil {
		add("only where %s is %s", code(a.Needs.Key), code(a.Needs.Value))
	}
	if a.Kind == attribute.Flag {
		add("%s takes it off the image", code("false"))
	}
	return strings.Join(parts, "; ")
}

// What the vendors' image services make of names and tags. The limits are those of
// attribute.CheckNameOn and attribute.CheckTagOn.
var (
	clouds    = fmt.Sprintf("on %v and %v", attribute.HuaweiCloud, attribute.OpenTelekomCloud)
	cloudName = "1 to 128 letters, digits, hyphens, periods, underscores and blanks, no blank on the outside"
	cloudTags = fmt.Sprintf("at most %d, each `key` or `key=value`, the key at most 36 and the value at most 43 characters, and one value for each key", attribute.IMSTagQuota)
)

// excluded are the keys that an attribute cannot stand beside. The table names
// each pair once.
func excluded(a *attribute.Attribute) []string {
	others := slices.Clone(a.Excludes)
	for i := range attribute.Table {
		if b := &attribute.Table[i]; slices.Contains(b.Excludes, a.Key) {
			others = append(others, b.Key)
		}
	}
	return others
}

func code(text string) string { return "`" + text + "`" }

func codes(texts []string) string {
	var named []string
	for _, text := range texts {
		named = append(named, code(text))
	}
	return strings.Join(named, ", ")
}

// markdown writes a table.
func markdown(header []string, lines [][]string) string {
	var text strings.Builder
	write := func(cells []string) {
		text.WriteString("|")
		for _, cell := range cells {
			text.WriteString(" " + strings.TrimSpace(strings.ReplaceAll(cell, "|", `\|`)) + " |")
		}
		text.WriteString("\n")
	}
	write(header)
	text.WriteString(strings.Repeat("|---", len(header)) + "|\n")
	for _, line := range lines {
		write(line)
	}
	return text.String()
}
