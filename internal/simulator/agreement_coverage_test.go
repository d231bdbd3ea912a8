package simulator

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
)

const (
	// coverageMinimum is how often each case has to have been sent and answered
	// alike.
	coverageMinimum = 20
	// assertedSequences is from how many sequences on the coverage is asserted.
	assertedSequences = 500
)

// coveredStatuses are the answers of Glance to a PATCH. Those to the other
// requests follow from what the subjects are counted at.
//
// Others are not drawn, because a sound Glance does not give them: 300 and 302
// only to addresses that are no resource, 410 only for data that a store has
// lost, 429 and 503 only from what stands before it or while it starts and stops.
// A 500 by the database, such as for two writes at the same time, is left to the
// tests of concurrency, in which the two sides cannot be compared.
var coveredStatuses = []int{http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
	http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusInternalServerError}

// coverage counts what was sent and answered alike by both sides.
type coverage struct {
	mu        sync.Mutex
	marks     map[string]int
	patches   map[int]int // status to answers to patches
	statuses  map[int]int
	lengths   map[int]int
	requests  int
	sequences int
}

func newCoverage() *coverage {
	return &coverage{marks: map[string]int{}, patches: map[int]int{}, statuses: map[int]int{}, lengths: map[int]int{}}
}

// count adds a request to which both sides gave the same answer.
func (v *coverage) count(s step, status int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.requests++
	v.statuses[status]++
	if s.method == http.MethodPatch {
		v.patches[status]++
	}
	if s.countedAt != 0 && s.countedAt != status {
		return
	}
	for _, mark := range s.marks {
		v.marks[mark]++
	}
}

// finish adds the length of a sequence.
func (v *coverage) finish(length int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sequences++
	v.lengths[length]++
}

// wantedMarks lists the cases that have to be covered, in groups. It goes through the
// matrix and not through the plan, so that what the plan lacks is found missing.
func wantedMarks() map[string][]string {
	wanted := map[string][]string{}
	for _, t := range append([]*target{queuedFormat}, ordinary...) {
		for _, d := range t.cells() {
			wanted["cells"] = append(wanted["cells"], d.cell())
		}
		if t.counted {
			for _, pointer := range t.pointers {
				wanted["names"] = append(wanted["names"], "pointer: "+pointer)
			}
		}
	}
	for _, s := range slices.Concat(subjects, propertyQuotaSubjects(dialectV20), propertyQuotaSubjects(dialectV21)) {
		wanted["subjects"] = append(wanted["subjects"], s.name)
	}
	wanted["subjects"] = append(wanted["subjects"], "delete", "patch of a deleted image")
	return wanted
}

// report logs the counts and fails for what is not covered, if there were enough
// sequences to expect it.
func (v *coverage) report(t *testing.T) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	lengths := slices.Sorted(maps.Keys(v.lengths))
	if len(lengths) == 0 {
		return
	}
	t.Logf("%d sequences of %d to %d requests, %d requests in all", v.sequences, lengths[0], lengths[len(lengths)-1], v.requests)
	if lengths[0] < shortestSequence || lengths[len(lengths)-1] > longestSequence {
		t.Errorf("a sequence has fewer than %d or more than %d requests", shortestSequence, longestSequence)
	}
	var short []string
	for _, status := range coveredStatuses {
		if v.patches[status] < coverageMinimum {
			short = append(short, fmt.Sprintf("status %d of a patch: %d", status, v.patches[status]))
		}
	}
	t.Logf("statuses of patches: %v", v.patches)
	t.Logf("statuses: %v", v.statuses)
	wanted := wantedMarks()
	for _, group := range slices.Sorted(maps.Keys(wanted)) {
		fewest := slices.MinFunc(wanted[group], func(a, b string) int { return v.marks[a] - v.marks[b] })
		t.Logf("%d %s, each at least %d times (%s)", len(wanted[group]), group, v.marks[fewest], fewest)
		for _, mark := range wanted[group] {
			if v.marks[mark] < coverageMinimum {
				short = append(short, fmt.Sprintf("%s: %d", mark, v.marks[mark]))
			}
		}
	}
	for _, target := range ordinary {
		if target.v20 != "" {
			t.Logf("not a cell: %s of %s: %s", target.name, dialectV20, target.v20)
		}
	}
	switch {
	case v.sequences < assertedSequences:
		t.Logf("the coverage is not asserted below %d sequences", assertedSequences)
	case os.Getenv("IMAGEOPS_OPENSTACK_VARIANT") != "":
		t.Log("the coverage is not asserted of an installation that is configured otherwise")
	default:
		for _, s := range short {
			t.Errorf("covered fewer than %d times: %s", coverageMinimum, s)
		}
	}
}
