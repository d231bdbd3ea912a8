package pool_test

import (
	"strings"
	"testing"
	"time"
)

// TestHistoriesThatWentWrong runs what random histories have found, by itself.
func TestHistoriesThatWentWrong(t *testing.T) {
	t.Parallel()
	schemas, err := historySchemasOnce()
	if err != nil {
		t.Fatal(err)
	}
	apply := func(edits ...historyEdit) historyStep {
		return historyStep{edits: edits, command: "apply", rest: 31 * time.Second}
	}
	after := func(outside historyOutside, edits ...historyEdit) historyStep {
		s := apply(edits...)
		s.outside = []historyOutside{outside}
		return s
	}
	for name, steps := range map[string][]historyStep{
		"a pool that follows another tag of its stream gets the image of that": {
			apply(historyEdit{"tag", 1, 0}), apply(historyEdit{"tag", 0, 0}),
		},
		"a canary that is released before it is there is promoted as planned": {
			apply(historyEdit{"selective", 1, 1}, historyEdit{"promote", 0, 0}), apply(historyEdit{"image", 2, 0}, historyEdit{"promote", 0, 0}),
		},
		"an image that somebody else schedules on a pool that follows a tag is no difference": {
			apply(historyEdit{"tag", 1, 0}), after(historyOutside{"schedule", 0, 0, 5}),
		},
		"drift that is left alone stays so when a setting changes": {
			apply(historyEdit{"compute", 3, 0}, historyEdit{"drift", 2, 0}, historyEdit{"tpm", 2, 0}),
			after(historyOutside{"push", 0, 1, 0}, historyEdit{"destroy", 3, 0}),
			apply(historyEdit{"destroy", 1, 0}),
		},
		"somebody else's canary of the wanted image is taken over": {
			apply(historyEdit{"image", 0, 0}),
			{edits: []historyEdit{{"image", 2, 0}, {"selective", 6, 0}}, outside: []historyOutside{{"hold", 0, 11, 6}}, command: "refresh", rest: 25 * time.Minute},
			apply(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			world := historyWorld{unseen: 20 * time.Second, poll: time.Minute, pools: []int{0, 1}, images: []historyImage{1, 0}}
			if failure, trace := runHistory(t, schemas, world, steps, map[string]int{}); failure != "" {
				t.Errorf("%s\n%s", failure, strings.Join(trace, "\n"))
			}
		})
	}
}
