package acceptance

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// Result is what a terraform command left behind.
type Result struct {
	Stdout string
	Stderr string
	// ExitCode is -1 when a signal ended the command.
	ExitCode int
	Duration time.Duration

	arguments []string
}

// escapeSequence is what terraform prints to colour its output (ECMA-48, SGR).
var escapeSequence = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Text returns standard output and standard error as one line that sentences
// can be found in. Terraform wraps messages at 78 columns and draws a frame
// beside them; Text takes colours and frames out and makes every run of white
// space one blank.
func (r Result) Text() string {
	plain := escapeSequence.ReplaceAllString(r.Stdout+"\n"+r.Stderr, "")
	unframed := strings.Map(func(symbol rune) rune {
		// The Unicode block Box Drawing.
		if symbol >= '\u2500' && symbol <= '\u257f' {
			return ' '
		}
		return symbol
	}, plain)
	return strings.Join(strings.Fields(unframed), " ")
}

// MustSucceed fails the test, with the output, when the exit code is not 0.
func (r Result) MustSucceed(t testing.TB) Result {
	t.Helper()
	if r.ExitCode != 0 {
		t.Fatalf("%s: exit code %d, want 0\n%s%s", r.command(), r.ExitCode, r.Stdout, r.Stderr)
	}
	return r
}

// MustFail fails the test, with the output, when the exit code is not 1 or the
// output does not contain every text, compared as in Text.
func (r Result) MustFail(t testing.TB, texts ...string) Result {
	t.Helper()
	if r.ExitCode != 1 {
		t.Fatalf("%s: exit code %d, want 1\n%s%s", r.command(), r.ExitCode, r.Stdout, r.Stderr)
	}
	return r.MustContain(t, texts...)
}

// MustContain fails the test, with the output, when the output does not contain
// every text, compared as in Text.
func (r Result) MustContain(t testing.TB, texts ...string) Result {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.Text(), strings.Join(strings.Fields(text), " ")) {
			t.Errorf("%s: the output does not contain %q:\n%s%s", r.command(), text, r.Stdout, r.Stderr)
		}
	}
	return r
}

func (r Result) command() string {
	return "terraform " + strings.Join(r.arguments, " ")
}
