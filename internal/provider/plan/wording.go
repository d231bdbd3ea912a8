package plan

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// inWords replaces what Go says of contexts.
var inWords = strings.NewReplacer("context canceled", "the run was cancelled", "context deadline exceeded", "the time for it was over")

// Sentence writes an error with a capital and a full stop.
func Sentence(err error) string {
	text := strings.TrimSpace(inWords.Replace(err.Error()))
	if text == "" {
		return "unknown error."
	}
	text = UpperFirst(text)
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// Wording says how diagnostics speak of an object that is being written.
type Wording struct {
	// Thing is what a summary says was to be written, such as "image metadata".
	Thing string
	// Object is the object in a sentence, with its id: "Image 33ad552d-...".
	Object string
	// Service is who holds it, such as "image service".
	Service string
	// Verb is what was to be done, such as "update".
	Verb string
	// Show writes a value for people.
	Show func(p patch.Pointer, value patch.Value) string
	// Path returns where a pointer stands in the configuration.
	Path func(p patch.Pointer) path.Path
}

// Unable is the summary of an error.
func (w Wording) Unable() string { return fmt.Sprintf("Unable to %s %s", w.Verb, w.Thing) }

// Conflict is the diagnostic for one value that somebody else wrote.
func (w Wording) Conflict(k patch.Conflict, afterWrite bool) diag.Diagnostic {
	when, sent := "when this was planned", "Nothing was sent."
	if afterWrite {
		when, sent = "after it had been written", "The other attributes were written."
	}
	return diag.NewAttributeErrorDiagnostic(w.Path(k.Path), w.Unable()+": somebody else changed it",
		fmt.Sprintf("%s: %s was %s %s, it is %s now, and this configuration wants %s. %s\n\n"+
			"Run terraform plan to see the difference as it is now and apply that, or set on_conflict = %q to write over what others write in between.",
			w.Object, k.Path, w.Show(k.Path, k.Expected), when, w.Show(k.Path, k.Found), w.Show(k.Path, k.Wanted), sent, ConflictOverwrite))
}

// Overwritten warns of a value of somebody else that was written over.
func (w Wording) Overwritten(k patch.Conflict) diag.Diagnostic {
	return diag.NewAttributeWarningDiagnostic(w.Path(k.Path), UpperFirst(w.Thing)+" of somebody else was overwritten",
		fmt.Sprintf("%s: %s was %s when this was planned and %s when it was applied. It is %s now, because on_conflict is %q.",
			w.Object, k.Path, w.Show(k.Path, k.Expected), w.Show(k.Path, k.Found), w.Show(k.Path, k.Wanted), ConflictOverwrite))
}

// Elsewhere returns the error for an object that is not found from another place
// than it was found from before; nil if the place is the same.
func (w Wording) Elsewhere(now Place, before *Place) diag.Diagnostic {
	if before != nil && before.Same(now) {
		return nil
	}
	from := "it is not recorded where it was managed from before"
	if before != nil {
		from = "it was managed from " + before.String()
	}
	return diag.NewErrorDiagnostic(w.Unable(),
		fmt.Sprintf("%s is not visible from %s; %s. So this does not mean that it is gone, and the state is left as it is. "+
			"Sign in as before, or, if it was really deleted or is no longer to be managed, run terraform state rm.", w.Object, now, from))
}

// Lost describes operations that the service acknowledged in vain.
func (w Wording) Lost(e *change.LostError) string {
	var lines strings.Builder
	for _, o := range e.Lost {
		fmt.Fprintf(&lines, "\n%s is %s instead of %s", o.Path, w.Show(o.Path, o.Old), w.Show(o.Path, o.New))
	}
	return fmt.Sprintf("%s: the %s acknowledged this write %d times and does not hold it:%s\n"+
		"Another writer keeps storing an older version of it. What else was written is kept; run it again when nobody else writes.",
		w.Object, w.Service, e.Tries, lines.String())
}

// UpperFirst returns a text with a capital.
func UpperFirst(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
