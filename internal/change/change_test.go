package change_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/change"
	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// server is an object in memory that refuses operations as the image service
// does, and to which things happen between the calls.
type server struct {
	document patch.Document
	reads    []patch.Document
	writes   []patch.Patch
	// before and after run around each call, with its number from 1.
	beforeWrite, afterWrite, beforeRead func(n int)
	// answer decides what becomes of a write that fits; nil stores it.
	answer func(n int, after patch.Document) (patch.Document, error)
	// read replaces the answer of a read with an error.
	readError func(n int) error
}

func (s *server) Read(ctx context.Context) (patch.Document, error) {
	n := len(s.reads) + 1
	if s.beforeRead != nil {
		s.beforeRead(n)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.readError != nil {
		if err := s.readError(n); err != nil {
			s.reads = append(s.reads, nil)
			return nil, err
		}
	}
	s.reads = append(s.reads, maps.Clone(s.document))
	return maps.Clone(s.document), nil
}

var errStale = &change.WriteError{Effect: change.Stale, Err: errors.New("409")}

func (s *server) Write(ctx context.Context, current patch.Document, p patch.Patch) (patch.Document, error) {
	n := len(s.writes) + 1
	s.writes = append(s.writes, p)
	if s.beforeWrite != nil {
		s.beforeWrite(n)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, o := range p {
		if _, there := s.document[o.Path]; there == (o.Kind() == patch.Add) {
			return nil, errStale
		}
	}
	after := p.Apply(s.document)
	if s.afterWrite != nil {
		defer s.afterWrite(n)
	}
	if s.answer != nil {
		return s.answer(n, after)
	}
	s.document = after
	return maps.Clone(after), nil
}

func (s *server) set(p patch.Pointer, value patch.Value) {
	s.document = patch.Patch{{Path: p, New: value}}.Apply(s.document)
}

var timing = change.Timing{
	VerifyAfter: time.Second,
	Sleep:       func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	Jitter:      func() float64 { return 0 },
}

func doc() patch.Document { return patch.Document{"/k": `"old"`, "/foreign": `"f"`} }

func TestNothingToChangeSendsNothing(t *testing.T) {
	s := &server{document: doc()}
	result, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"old"`, "/x": patch.Absent}}, timing)
	if err != nil || len(s.writes) != 0 || len(s.reads) != 1 || len(result.Sent) != 0 {
		t.Errorf("%v, %d writes, %d reads", err, len(s.writes), len(s.reads))
	}
}

func TestAWriteIsReadAgain(t *testing.T) {
	s := &server{document: doc()}
	var waited []time.Duration
	slow := timing
	slow.Sleep = func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil }
	result, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`}}, slow)
	if err != nil || len(s.writes) != 1 || len(s.reads) != 2 || s.document["/k"] != `"new"` {
		t.Errorf("%v, %d writes, %d reads, %v", err, len(s.writes), len(s.reads), s.document)
	}
	if result.Found["/k"] != `"old"` || result.Document["/k"] != `"new"` {
		t.Errorf("%+v", result)
	}
	if !slices.Equal(waited, []time.Duration{time.Second}) {
		t.Errorf("waited %v", waited)
	}
}

func TestASlowServerIsGivenMoreTime(t *testing.T) {
	for _, c := range []struct{ verifyAfter, took, want time.Duration }{
		{time.Second, 100 * time.Millisecond, time.Second},
		{time.Second, 700 * time.Millisecond, 1400 * time.Millisecond},
		{time.Second, time.Minute, 10 * time.Second},
		{0, 700 * time.Millisecond, 0}, // Nobody else writes.
	} {
		now := time.Unix(0, 0)
		s := &server{document: doc(), beforeWrite: func(int) { now = now.Add(c.took) }}
		var waited time.Duration
		slow := change.Timing{
			VerifyAfter: c.verifyAfter, Now: func() time.Time { return now }, Jitter: timing.Jitter,
			Sleep: func(_ context.Context, d time.Duration) error { waited += d; return nil },
		}
		if _, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`}}, slow); err != nil || waited != c.want {
			t.Errorf("%+v: %v, waited %v", c, err, waited)
		}
	}
}

// TestBetweenPlanAndApply goes through what can happen to an owned pointer
// between the plan and the fresh read.
func TestBetweenPlanAndApply(t *testing.T) {
	for name, c := range map[string]struct {
		now       patch.Value
		policy    change.Policy
		conflicts int
		writes    int
	}{
		"untouched":                {`"old"`, change.Fail, 0, 1},
		"wanted value":             {`"new"`, change.Fail, 0, 0},
		"third value":              {`"other"`, change.Fail, 1, 0},
		"removed":                  {patch.Absent, change.Fail, 1, 0},
		"third value, overwritten": {`"other"`, change.Overwrite, 0, 1},
		"removed, overwritten":     {patch.Absent, change.Overwrite, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{document: doc()}
			s.set("/k", c.now)
			before := maps.Clone(s.document)
			result, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`}, OnConflict: c.policy}, timing)
			var conflict *change.ConflictError
			if errors.As(err, &conflict) != (c.conflicts > 0) || (err != nil && conflict == nil) {
				t.Fatalf("%v", err)
			}
			if len(s.writes) != c.writes {
				t.Errorf("%d writes, want %d", len(s.writes), c.writes)
			}
			if c.conflicts > 0 {
				if !maps.Equal(s.document, before) || conflict.Conflicts[0] != (patch.Conflict{Path: "/k", Expected: `"old"`, Found: c.now, Wanted: `"new"`}) {
					t.Errorf("%v, %+v", s.document, conflict.Conflicts)
				}
				return
			}
			if s.document["/k"] != `"new"` || s.document["/foreign"] != `"f"` {
				t.Errorf("%v", s.document)
			}
			if overwritten := len(result.Overwritten) == 1; overwritten != (c.policy == change.Overwrite) {
				t.Errorf("overwritten: %v", result.Overwritten)
			}
		})
	}
}

func TestAnOwnedPointerThatThePlanLeftAloneIsCheckedToo(t *testing.T) {
	s := &server{document: patch.Document{"/k": `"other"`}}
	_, err := change.Apply(t.Context(), s, change.Change{Seen: patch.Document{"/k": `"v"`}, Want: patch.Want{"/k": `"v"`, "/n": `"1"`}}, timing)
	var conflict *change.ConflictError
	if !errors.As(err, &conflict) || len(s.writes) != 0 {
		t.Errorf("%v, %d writes", err, len(s.writes))
	}
}

func TestWhatThisProcessWroteIsNoConflict(t *testing.T) {
	s := &server{document: patch.Document{"/k": `"ours"`, "/l": `"theirs"`}}
	c := change.Change{
		Seen: patch.Document{"/k": `"old"`, "/l": `"old"`}, Want: patch.Want{"/k": `"new"`},
		Ours: func(p patch.Pointer, value patch.Value) bool { return p == "/k" && value == `"ours"` },
	}
	if _, err := change.Apply(t.Context(), s, c, timing); err != nil || s.document["/k"] != `"new"` {
		t.Errorf("%v, %v", err, s.document)
	}
	c.Want = patch.Want{"/k": `"newer"`, "/l": `"new"`}
	c.Seen["/k"] = `"new"`
	var conflict *change.ConflictError
	if _, err := change.Apply(t.Context(), s, c, timing); !errors.As(err, &conflict) || conflict.Conflicts[0].Path != "/l" {
		t.Errorf("%v", err)
	}
}

func TestReleases(t *testing.T) {
	release := patch.Patch{
		{Path: "/gone", Old: `"mine"`, New: patch.Absent}, {Path: "/back", Old: `"mine"`, New: `"theirs"`},
		{Path: "/kept", Old: `"mine"`, New: `"theirs"`}, {Path: "/done", Old: `"mine"`, New: `"theirs"`},
	}
	s := &server{document: patch.Document{"/gone": `"mine"`, "/back": `"mine"`, "/kept": `"colleague"`, "/done": `"theirs"`}}
	result, err := change.Apply(t.Context(), s, change.Change{Want: patch.Want{"/n": `"1"`}, Release: release}, timing)
	want := patch.Document{"/back": `"theirs"`, "/kept": `"colleague"`, "/done": `"theirs"`, "/n": `"1"`}
	if err != nil || !maps.Equal(s.document, want) || len(s.writes) != 1 {
		t.Errorf("%v, %v in %d writes", err, s.document, len(s.writes))
	}
	if len(result.Kept) != 1 || result.Kept[0].Path != "/kept" || result.Kept[0].Found != `"colleague"` {
		t.Errorf("kept %+v", result.Kept)
	}
}

func TestExclusiveSets(t *testing.T) {
	seen := patch.Document{"/tags/a": `"a"`, "/tags/b": `"b"`}
	c := change.Change{Seen: seen, Want: patch.Want{"/tags/a": `"a"`}, Exclusive: []patch.Pointer{"/tags"}}
	s := &server{document: maps.Clone(seen)}
	if _, err := change.Apply(t.Context(), s, c, timing); err != nil || len(s.document.Members("/tags")) != 1 {
		t.Errorf("%v, %v", err, s.document)
	}
	s = &server{document: maps.Clone(seen)}
	s.set("/tags/new", `"new"`)
	var conflict *change.ConflictError
	if _, err := change.Apply(t.Context(), s, c, timing); !errors.As(err, &conflict) || len(s.writes) != 0 {
		t.Errorf("a member that came in between: %v, %d writes", err, len(s.writes))
	}
	c.OnConflict = change.Overwrite
	if _, err := change.Apply(t.Context(), s, c, timing); err != nil || len(s.document.Members("/tags")) != 1 {
		t.Errorf("%v, %v", err, s.document)
	}
}

func TestALostWriteIsRepeated(t *testing.T) {
	for lost := 1; lost <= 6; lost++ {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			s := &server{document: doc()}
			s.beforeRead = func(n int) {
				if n > 1 && n <= lost+1 {
					s.document = doc() // Another writer stores what it read before.
				}
			}
			result, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`, "/n": `"1"`}}, timing)
			if lost <= 4 {
				if err != nil || s.document["/k"] != `"new"` || s.document["/n"] != `"1"` || len(s.writes) != lost+1 {
					t.Errorf("%v, %v after %d writes", err, s.document, len(s.writes))
				}
				return
			}
			var gone *change.LostError
			if !errors.As(err, &gone) || gone.Tries != 5 || len(gone.Lost) != 2 || len(s.writes) != 5 {
				t.Errorf("%v after %d writes", err, len(s.writes))
			}
			if !maps.Equal(result.Document, doc()) {
				t.Errorf("document %v", result.Document)
			}
		})
	}
}

func TestAWriteThatIsLostOnlyLaterIsRepeated(t *testing.T) {
	s := &server{document: doc()}
	s.afterWrite = func(n int) {
		switch n {
		case 1:
			s.set("/n", patch.Absent) // This one is lost at once ...
		case 2:
			s.set("/k", `"old"`) // ... and that one while the first is repeated.
		}
	}
	_, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`, "/n": `"1"`}}, timing)
	if err != nil || s.document["/k"] != `"new"` || s.document["/n"] != `"1"` || len(s.writes) != 3 {
		t.Errorf("%v, %v after %d writes", err, s.document, len(s.writes))
	}
}

func TestASwallowedWriteIsReported(t *testing.T) {
	s := &server{document: doc()}
	s.answer = func(_ int, after patch.Document) (patch.Document, error) {
		delete(after, "/helper")
		s.document = after
		return maps.Clone(after), nil
	}
	result, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/helper": `"x"`, "/k": `"new"`}}, timing)
	var gone *change.LostError
	if !errors.As(err, &gone) || len(gone.Lost) != 1 || gone.Lost[0].Path != "/helper" {
		t.Errorf("%v", err)
	}
	if result.Document["/k"] != `"new"` || len(s.reads) != 1 {
		t.Errorf("%v after %d reads", result.Document, len(s.reads))
	}
}

func TestAThirdValueAfterTheWrite(t *testing.T) {
	for name, c := range map[string]struct {
		policy change.Policy
		times  int
		final  patch.Value
		fails  bool
	}{
		"reported":                      {change.Fail, 1, `"other 1"`, true},
		"overwritten once":              {change.Overwrite, 1, `"new"`, false},
		"overwritten only once":         {change.Overwrite, 2, `"other 2"`, true},
		"overwritten, whatever follows": {change.Overwrite, 9, `"other 2"`, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{document: doc()}
			s.afterWrite = func(n int) {
				if n <= c.times {
					s.set("/k", patch.StringValue(fmt.Sprintf("other %d", n)))
				}
			}
			_, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`, "/n": `"1"`}, OnConflict: c.policy}, timing)
			var conflict *change.ConflictError
			if errors.As(err, &conflict) != c.fails || s.document["/k"] != c.final || s.document["/n"] != `"1"` {
				t.Fatalf("%v, %v", err, s.document)
			}
			if c.fails && !conflict.AfterWrite {
				t.Error("the conflict does not say that it came after the write")
			}
		})
	}
}

func TestErrorsOfAWrite(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		effect change.Effect
		stored bool
		times  int
		writes int
		fails  bool
	}{
		"reset before the effect":         {change.Unknown, false, 1, 2, false},
		"reset after the effect":          {change.Unknown, true, 1, 1, false},
		"reset for ever":                  {change.Unknown, false, 99, 5, true},
		"refused":                         {change.Refused, false, 99, 1, true},
		"refused after half of it stored": {change.Refused, true, 99, 1, true},
		"never sent":                      {change.Unsent, false, 99, 1, true},
		"stale":                           {change.Stale, false, 1, 2, false},
		"stale for ever":                  {change.Stale, false, 99, 5, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{document: doc()}
			s.answer = func(n int, after patch.Document) (patch.Document, error) {
				if n > c.times {
					s.document = after
					return maps.Clone(after), nil
				}
				if c.stored {
					s.document = after
				}
				return nil, &change.WriteError{Effect: c.effect, Err: boom}
			}
			result, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`}}, timing)
			if c.fails != errors.Is(err, boom) || (!c.fails && err != nil) {
				t.Errorf("%v", err)
			}
			if len(s.writes) != c.writes {
				t.Errorf("%d writes, want %d", len(s.writes), c.writes)
			}
			if !maps.Equal(result.Document, s.document) {
				t.Errorf("the result says %v, the server has %v", result.Document, s.document)
			}
			if result.Found["/k"] != `"old"` {
				t.Errorf("found %v", result.Found)
			}
			if c.effect == change.Unsent && (len(result.Sent) != 0 || len(s.reads) != 1) {
				t.Errorf("%v sent, %d reads", result.Sent, len(s.reads))
			}
		})
	}
}

// TestAServerThatAsksForTimeIsReadAgain lets somebody else write while a write
// waits that the server did not take: the write is made anew for what is there then.
func TestAServerThatAsksForTimeIsReadAgain(t *testing.T) {
	s := &server{document: doc()}
	s.answer = func(n int, after patch.Document) (patch.Document, error) {
		if n == 1 {
			return nil, &change.WriteError{Effect: change.Stale, Wait: 7 * time.Second, Err: errors.New("429")}
		}
		s.document = after
		return maps.Clone(after), nil
	}
	var waits []time.Duration
	patient := timing
	patient.VerifyAfter = 0
	patient.Sleep = func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		s.set("/foreign", `"new"`)
		return nil
	}
	result, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`}}, patient)
	if err != nil || !slices.Equal(waits, []time.Duration{7 * time.Second}) {
		t.Fatalf("%v, waited %v", err, waits)
	}
	if result.Found["/foreign"] != `"new"` || len(s.writes) != 2 || s.document["/foreign"] != `"new"` {
		t.Errorf("the second write was made for %v", result.Found)
	}
}

func TestAReadThatFailsAfterTheWriteLeavesWhatTheServerAnswered(t *testing.T) {
	boom := errors.New("boom")
	for _, writeFails := range []bool{false, true} {
		s := &server{document: doc(), readError: func(n int) error {
			if n > 1 {
				return boom
			}
			return nil
		}}
		if writeFails {
			s.answer = func(int, patch.Document) (patch.Document, error) { return nil, errors.New("reset") }
		}
		result, err := change.Apply(t.Context(), s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`}}, timing)
		var after *change.ReadAfterWriteError
		if !errors.As(err, &after) || !errors.Is(err, boom) || (after.Write != nil) != writeFails {
			t.Errorf("%v", err)
		}
		if (result.Document == nil) != writeFails || result.Found["/k"] != `"old"` || len(result.Sent) != 1 {
			t.Errorf("%+v", result)
		}
		if result.Holds("/k", `"new"`, nil) == writeFails {
			t.Errorf("the server answered: %v, and the result says: %v", !writeFails, result.Holds("/k", `"new"`, nil))
		}
	}
}

func TestAStaleWriteMeetsAThirdValue(t *testing.T) {
	for policy, final := range map[change.Policy]patch.Value{change.Fail: `"other"`, change.Overwrite: `"new"`} {
		s := &server{document: patch.Document{}}
		s.beforeWrite = func(n int) {
			if n == 1 {
				s.set("/k", `"other"`) // So that the add is refused.
			}
		}
		result, err := change.Apply(t.Context(), s, change.Change{Seen: patch.Document{}, Want: patch.Want{"/k": `"new"`}, OnConflict: policy}, timing)
		var conflict *change.ConflictError
		if errors.As(err, &conflict) != (policy == change.Fail) || s.document["/k"] != final {
			t.Errorf("%v, %v", err, s.document)
		}
		if policy == change.Fail && (conflict.AfterWrite || len(result.Sent) != 0) {
			t.Errorf("nothing took effect: %+v, %+v", conflict, result)
		}
		if policy == change.Overwrite && result.Found["/k"] != `"other"` {
			t.Errorf("found %q: the colleague's value is the one to restore", result.Found["/k"])
		}
	}
}

func TestCancellation(t *testing.T) {
	t.Run("before the write sends nothing", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &server{document: doc()}
		s.beforeRead = func(int) {}
		s.readError = func(int) error { return nil }
		store := readThen{s, cancel}
		result, err := change.Apply(ctx, store, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`}}, timing)
		if !errors.Is(err, context.Canceled) || len(s.writes) != 0 || result.Document == nil {
			t.Errorf("%v, %d writes", err, len(s.writes))
		}
	})
	t.Run("during the write finishes it and reads it again", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &server{document: doc()}
		s.beforeWrite = func(int) { cancel() }
		result, err := change.Apply(ctx, s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`}}, timing)
		if err != nil || len(s.writes) != 1 || len(s.reads) != 2 || result.Document["/k"] != `"new"` {
			t.Errorf("%v, %d writes, %d reads, %v", err, len(s.writes), len(s.reads), result.Document)
		}
	})
	t.Run("during the wait reads at once and writes no more", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &server{document: doc()}
		s.afterWrite = func(int) { s.document = doc() }
		slow := timing
		slow.Sleep = func(ctx context.Context, _ time.Duration) error {
			cancel()
			return ctx.Err()
		}
		result, err := change.Apply(ctx, s, change.Change{Seen: doc(), Want: patch.Want{"/k": `"new"`}}, slow)
		if !errors.Is(err, context.Canceled) || len(s.writes) != 1 || len(s.reads) != 2 {
			t.Errorf("%v, %d writes, %d reads", err, len(s.writes), len(s.reads))
		}
		if result.Holds("/k", `"new"`, nil) || !result.Holds("/k", `"old"`, nil) {
			t.Errorf("%v", result.Document)
		}
	})
}

// readThen cancels after the first read.
type readThen struct {
	*server
	cancel func()
}

func (r readThen) Read(ctx context.Context) (patch.Document, error) {
	d, err := r.server.Read(ctx)
	if len(r.reads) == 1 {
		r.cancel()
	}
	return d, err
}

// TestEveryInterleaving runs every combination of what another writer can do at
// each of the points between our calls with every outcome of our writes, under
// both policies, and holds the laws that no single story shows.
func TestEveryInterleaving(t *testing.T) {
	type act struct {
		name string
		do   func(s *server, before patch.Document)
	}
	acts := []act{
		{"nothing", func(*server, patch.Document) {}},
		{"third value", func(s *server, _ patch.Document) { s.set("/k", `"other"`) }},
		{"wanted value", func(s *server, _ patch.Document) { s.set("/k", `"new"`) }},
		{"removal", func(s *server, _ patch.Document) { s.set("/k", patch.Absent) }},
		{"foreign key", func(s *server, _ patch.Document) { s.set("/foreign", `"g"`) }},
		{"lost update", func(s *server, before patch.Document) {
			s.document = maps.Clone(before)
		}},
	}
	outcomes := []string{"ok", "unknown, stored", "unknown, not stored", "refused", "stale", "dropped"}
	runs := 0
	for _, policy := range []change.Policy{change.Fail, change.Overwrite} {
		for _, start := range []patch.Document{{"/k": `"old"`}, {}} {
			for _, first := range acts[:5] {
				for _, second := range acts[:5] {
					for _, third := range acts {
						for _, fourth := range acts {
							for _, one := range outcomes {
								for _, two := range outcomes {
									runs++
									name := fmt.Sprint(policy, start, []string{first.name, second.name, one, third.name, two, fourth.name})
									interleave(t, name, policy, start, []string{one, two}, [4]func(*server, patch.Document){first.do, second.do, third.do, fourth.do})
								}
							}
						}
					}
				}
			}
		}
	}
	if want := 2 * 2 * 5 * 5 * 6 * 6 * 6 * 6; runs != want {
		t.Errorf("%d interleavings, want %d", runs, want)
	}
	t.Logf("%d interleavings", runs)
}

func interleave(t *testing.T, name string, policy change.Policy, start patch.Document, outcomes []string, at [4]func(*server, patch.Document)) {
	t.Helper()
	s := &server{document: maps.Clone(start)}
	at[0](s, start)
	var effective []patch.Value // what stood at the pointer before each write that may have changed it
	s.beforeWrite = func(n int) {
		if n == 1 {
			at[1](s, start)
		}
	}
	s.answer = func(n int, after patch.Document) (patch.Document, error) {
		outcome := "ok"
		if n <= len(outcomes) {
			outcome = outcomes[n-1]
		}
		before := s.document
		if outcome != "stale" {
			effective = append(effective, before["/k"])
		}
		defer func() {
			if n <= 2 {
				at[n+1](s, before)
			}
		}()
		switch outcome {
		case "ok":
			s.document = after
			return maps.Clone(after), nil
		case "unknown, stored":
			s.document = after
			return nil, errors.New("reset")
		case "unknown, not stored":
			return nil, errors.New("reset")
		case "refused":
			return nil, &change.WriteError{Effect: change.Refused, Err: errors.New("403")}
		case "stale":
			return nil, errStale
		default:
			return maps.Clone(before), nil
		}
	}
	atRead := maps.Clone(s.document)
	result, err := change.Apply(context.Background(), s, change.Change{Seen: start, Want: patch.Want{"/k": `"new"`}, OnConflict: policy}, timing)
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s: %s (error %v, document %v, %d writes)", name, fmt.Sprintf(format, args...), err, s.document, len(s.writes))
	}
	if len(s.writes) > 5 {
		fail("more than four repetitions")
	}
	for _, p := range s.writes {
		if len(p) == 0 {
			fail("an empty patch was sent")
		}
		if len(p) != 1 || p[0].Path != "/k" {
			fail("a patch reaches beyond what is owned: %v", p)
		}
	}
	if result.Document == nil {
		fail("reads never fail here")
	}
	if last := len(s.reads); last > 1 && !maps.Equal(result.Document, s.reads[last-1]) && outcomes[min(len(s.writes), 2)-1] != "dropped" {
		fail("the result %v is not what was read last, %v", result.Document, s.reads[last-1])
	}
	if err == nil && result.Document["/k"] != `"new"` {
		fail("success, but the pointer holds %s", result.Document["/k"])
	}
	third := atRead["/k"] != start["/k"] && atRead["/k"] != `"new"`
	if policy == change.Fail && third && (len(s.writes) > 0 || err == nil) {
		fail("a conflict at the fresh read was written over")
	}
	if len(effective) > 0 && err == nil && len(result.Sent) > 0 {
		if found, read := result.Found["/k"], s.reads; found != effective[0] && !slices.ContainsFunc(read, func(d patch.Document) bool { return d["/k"] == found }) {
			fail("found %q was never there", found)
		}
	}
}
