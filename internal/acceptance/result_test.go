package acceptance

import "testing"

func TestTextJoinsWrappedAndFramedLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		result Result
		want   string
	}{
		{"nothing", Result{}, ""},
		{"blanks, tabs and line ends", Result{Stdout: "  a\tb\r\n\n c "}, "a b c"},
		{"standard output before standard error", Result{Stdout: "out", Stderr: "err"}, "out err"},
		{
			"a framed and wrapped diagnostic",
			Result{Stderr: "╷\n│ Error: Unable to read image\n│ \n│   with imageops_image_metadata.a,\n│   on main.tf line 3:\n│ \n│ The image is not\n│ visible.\n╵\n"},
			"Error: Unable to read image with imageops_image_metadata.a, on main.tf line 3: The image is not visible.",
		},
		{"colours", Result{Stdout: "\x1b[31m╷\x1b[0m\x1b[0m\n\x1b[31m│\x1b[0m \x1b[1mError\x1b[0m"}, "Error"},
		{"other symbols stay", Result{Stdout: "x | y → z – é"}, "x | y → z – é"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.result.Text(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
