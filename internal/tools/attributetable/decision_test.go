package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imageops/terraform-provider-imageops/internal/horizon"
)

func TestEveryRowOfTheDecisionIsDrawnOnce(t *testing.T) {
	rows := horizon.Rows()
	if len(rows) != 21 {
		t.Errorf("the table has %d rows; the guide says how many", len(rows))
	}
	table, drawn := decision(rows), drawing(rows)
	for i, r := range rows {
		if r.Number != i+1 {
			t.Errorf("row %d is the %d.", r.Number, i+1)
		}
		if n := strings.Count(table, fmt.Sprintf("\n| %d | ", r.Number)); n != 1 {
			t.Errorf("row %d stands in the table %d times", r.Number, n)
		}
		if n := strings.Count(drawn, fmt.Sprintf("| r%d[", r.Number)); n != 1 {
			t.Errorf("row %d is drawn %d times", r.Number, n)
		}
	}
}

func TestAnOperationIsDrawnOnce(t *testing.T) {
	drawn := drawing([]horizon.Row{
		{Number: 1, Operation: "NONE", Pending: "READY_HELD", And: `on_drift = "hold"`, Effect: "nothing"},
		{Number: 2, Operation: "NONE", Pending: "none", Effect: "push"},
	})
	want := "```mermaid\nflowchart LR\n  o1([\"NONE\"])\n" +
		"  o1 -->|\"READY_HELD; on_drift = #quot;hold#quot;\"| r1[\"1: nothing\"]\n" +
		"  o1 -->|\"none\"| r2[\"2: push\"]\n```\n"
	if drawn != want {
		t.Errorf("the drawing is\n%s\nwant\n%s", drawn, want)
	}
}

func TestNamesOfTheWireAreSetApart(t *testing.T) {
	const text = `SCHEDULE_PUSH_IMAGE, READY: on_drift = "hold", P of this resource, apply-image (current)`
	const want = "`SCHEDULE_PUSH_IMAGE`, `READY`: `on_drift = \"hold\"`, P of this resource, `apply-image` (current)"
	if got := wire(text); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
