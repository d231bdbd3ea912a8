package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

// decision is the table by which is decided about a desktop pool.
func decision(rows []horizon.Row) string {
	var lines [][]string
	for _, r := range rows {
		lines = append(lines, []string{fmt.Sprint(r.Number), wire(r.Operation), wire(r.Pending), wire(r.And), wire(r.Effect)})
	}
	return markdown([]string{"", "operation", "pending image", "and", "what is done"}, lines)
}

// drawing is the same table as a drawing, in the language of Mermaid: from the operation of a
// pool over what else holds to what is done.
func drawing(rows []horizon.Row) string {
	var text strings.Builder
	text.WriteString("```mermaid\nflowchart LR\n")
	operations := map[string]string{}
	for _, r := range rows {
		node, drawn := operations[r.Operation]
		if !drawn {
			node = fmt.Sprintf("o%d", r.Number)
			operations[r.Operation] = node
			fmt.Fprintf(&text, "  %s([%s])\n", node, label(r.Operation))
		}
		condition := r.Pending
		if r.And != "" {
			condition += "; " + r.And
		}
		fmt.Fprintf(&text, "  %s -->|%s| r%d[%s]\n", node, label(condition), r.Number, label(fmt.Sprintf("%d: %s", r.Number, r.Effect)))
	}
	text.WriteString("```\n")
	return text.String()
}

// label quotes a text for Mermaid, which knows quotation marks by their name only.
func label(text string) string { return `"` + strings.ReplaceAll(text, `"`, "#quot;") + `"` }

// wireNames are names of operations, of states, of calls and of arguments.
var wireNames = regexp.MustCompile(`\b(?:[A-Z]+(?:_[A-Z]+)+|[A-Z]{4,}|apply-image|promote_image|start_time|on_(?:drift|conflict) = "[a-z]+")`)

// wire sets the names of the API and of the configuration apart.
func wire(text string) string {
	return wireNames.ReplaceAllStringFunc(text, code)
}
