package simulator

import (
	"os"
	"strings"
	"testing"
)

func TestEverySwitchStandsOnThePageOfAssumptions(t *testing.T) {
	page, err := os.ReadFile("ASSUMPTIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, rule := range assumptions {
		row := "| `" + name + "` | `" + strings.Join(rule.values, "`, `") + "` |"
		if !strings.Contains(string(page), row) {
			t.Errorf("there is no row %s", row)
		}
	}
}
