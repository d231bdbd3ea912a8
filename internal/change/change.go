// Package change carries one change to a part of a remote object out: fresh
// read, check, rebase, write, verify. The object belongs to somebody else, and
// its server has neither a conditional write nor isolation: it may answer 200
// and store nothing, and it may lose an acknowledged write to another writer
// that read the object before. So every write is looked at twice afterwards.
package change

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/patch"
)

// Store reads and writes one object.
type Store interface {
	// Read returns the object as it is now.
	Read(ctx context.Context) (patch.Document, error)
	// Write sends a patch that was made for the current document, and returns
	// the object as the server answered. An error that is not a *WriteError
	// counts as one of unknown effect.
	Write(ctx context.Context, current patch.Document, p patch.Patch) (patch.Document, error)
}

// Effect is what is known about a write that ended in an error.
type Effect int

const (
	// Unknown says that the write may have taken effect: it may only be
	// repeated after another look.
	Unknown Effect = iota
	// Stale says that the server refused the write because the object is no
	// longer what the patch was made for.
	Stale
	// Refused says that the server refuses the write, however often it is sent.
	// It may have stored a part of it all the same.
	Refused
	// Unsent says that the server has not seen the write, or nothing but its
	// expired credentials.
	Unsent
)

// WriteError is a write that ended in an error.
type WriteError struct {
	Effect Effect
	// Wait is how long the server wants to be left alone before a write that was
	// Stale is made anew. The effect of a write that the server did not take for a
	// limit is Stale: meanwhile others may have written.
	Wait time.Duration
	Err  error
}

func (e *WriteError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the client.
func (e *WriteError) Unwrap() error { return e.Err }

// Policy says what to do about a value that somebody else wrote in between.
type Policy int

const (
	// Fail reports the conflict and sends nothing.
	Fail Policy = iota
	// Overwrite writes over it.
	Overwrite
)

// Change is what is to be done to an object.
type Change struct {
	// Seen is the object when the change was planned; nil for a change that
	// was planned without a look, which has no conflicts.
	Seen patch.Document
	// Want names the owned pointers and what they are to hold.
	Want patch.Want
	// Exclusive are sets in which every member that Want does not name is
	// wanted absent.
	Exclusive []patch.Pointer
	// Release are operations that give pointers back. One is left out, not a
	// conflict, when its pointer does not hold what it expects any more.
	Release patch.Patch
	// Equal decides whether two values mean the same; nil compares them.
	Equal patch.Equal
	// OnConflict is the policy for pointers of Want.
	OnConflict Policy
	// Ours says whether this process left a pointer with a value; such a
	// difference is no conflict. Nil: never.
	Ours func(p patch.Pointer, value patch.Value) bool
}

// Timing is how long and how often a write is looked after.
type Timing struct {
	// VerifyAfter is how long after a write the object is read again. Where it
	// is not zero and the write itself took longer than half of it, twice the
	// time of the write, 10 s at most: another writer that read the object before, and would
	// store that over it, is as slow.
	VerifyAfter time.Duration
	// Now is the clock that writes are timed by. Nil: time.Now.
	Now func() time.Time
	// Sleep waits; it returns the context's error when that ends first. Nil:
	// by the clock.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jitter returns a number from 0 up to 1 that keeps two writers who lost to
	// each other from meeting again. Nil: at random.
	Jitter func() float64
}

const (
	// maxRewrites is how often a lost write is repeated.
	maxRewrites = 4
	// Grace is how long a write in flight and the read after it may take when
	// the caller's context has ended.
	Grace = 10 * time.Second
	// minSettle is the least time between a write of unknown effect and the
	// look that decides whether to repeat it: the server may still be at it.
	minSettle = 500 * time.Millisecond
	// maxSettle bounds how much longer a slow write is waited for.
	maxSettle = 10 * time.Second
	// minJitter is the least span that the waits of repeated writes vary by.
	minJitter = 100 * time.Millisecond
)

// Result is what is known after a change, also after one that failed.
type Result struct {
	// Found is the object as it was read last before the first write.
	Found patch.Document
	// Document is the object as it was read last, or as the server answered a
	// write when the read after it failed; nil when the write failed as well, so
	// that nobody knows.
	Document patch.Document
	// Sent are the patches that were sent, in order.
	Sent []patch.Patch
	// Overwritten are the conflicts that were written over.
	Overwritten []patch.Conflict
	// Kept are the releases that were left out, with the value that stood in
	// their way.
	Kept []patch.Conflict
}

// Holds says whether a pointer is known to hold a value after the change.
func (r *Result) Holds(p patch.Pointer, value patch.Value, equal patch.Equal) bool {
	if r.Document == nil {
		return false
	}
	return len(patch.Diff(r.Document, patch.Want{p: value}, equal)) == 0
}

// Effect returns what the sent patches set, pointer by pointer.
func (r *Result) Effect() patch.Want {
	effect := patch.Want{}
	for _, p := range r.Sent {
		for _, o := range p {
			effect[o.Path] = o.New
		}
	}
	return effect
}

// ConflictError says that pointers hold what neither was planned from nor is wanted.
type ConflictError struct {
	Conflicts []patch.Conflict
	// AfterWrite is set when the others were written before it showed.
	AfterWrite bool
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%d of the values changed in between, first %s", len(e.Conflicts), e.Conflicts[0].Path)
}

// LostError says that the server acknowledged writes and does not hold them,
// after they were repeated.
type LostError struct {
	Lost  patch.Patch
	Tries int
}

func (e *LostError) Error() string {
	return fmt.Sprintf("the server acknowledged the write of %s %d times and does not hold it", e.Lost[0].Path, e.Tries)
}

// ReadAfterWriteError says that the object could not be read after a write.
type ReadAfterWriteError struct {
	Write error // the error of the write, nil if it was acknowledged
	Err   error
}

func (e *ReadAfterWriteError) Error() string {
	if e.Write != nil {
		return fmt.Sprintf("%v; whether it took effect is not known, because reading it again failed: %v", e.Write, e.Err)
	}
	return fmt.Sprintf("the write was acknowledged, but reading it again failed: %v", e.Err)
}

// Unwrap returns both errors.
func (e *ReadAfterWriteError) Unwrap() []error { return []error{e.Err, e.Write} }

// Apply carries the change out. The result is never nil. When the context ends,
// a write in flight and the read after it are finished within Grace; the error
// is then that of the context.
func Apply(ctx context.Context, store Store, c Change, t Timing) (*Result, error) {
	if t.Sleep == nil {
		t.Sleep = sleep
	}
	if t.Now == nil {
		t.Now = time.Now
	}
	if t.Jitter == nil {
		t.Jitter = rand.Float64
	}
	r := &run{store: store, change: c, timing: t, result: &Result{}, sent: map[patch.Pointer]patch.Operation{}, overwrote: map[patch.Pointer]bool{}}
	return r.result, r.apply(ctx)
}

// run is one change under way.
type run struct {
	store  Store
	change Change
	timing Timing
	result *Result

	target    patch.Want                        // what pointers are to hold, releases included
	sent      map[patch.Pointer]patch.Operation // the last operation sent per pointer
	overwrote map[patch.Pointer]bool            // third values written over after a write
	reported  []patch.Conflict                  // third values that stay
	rewrites  int
}

func (r *run) apply(ctx context.Context) error {
	current, err := r.store.Read(ctx)
	if err != nil {
		return err
	}
	r.result.Document, r.result.Found = current, current
	if err := r.aim(current); err != nil {
		return err
	}
	for {
		operations := patch.Diff(current, r.target, r.change.Equal)
		if len(operations) == 0 {
			return r.outcome()
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if r.rewrites > maxRewrites {
			return &LostError{Lost: operations, Tries: r.rewrites}
		}
		current, err = r.write(ctx, current, operations)
		if err != nil {
			return err
		}
	}
}

// aim checks the fresh document against what the plan saw, and sets the target.
func (r *run) aim(current patch.Document) error {
	c := &r.change
	want := c.Want
	seen := c.Seen
	if seen == nil {
		seen = current
	}
	for _, root := range c.Exclusive {
		want = want.Close(current, root).Close(seen, root)
	}
	conflicts := slices.DeleteFunc(patch.Expect(seen, want).Check(current, c.Equal), func(k patch.Conflict) bool {
		return c.Ours != nil && c.Ours(k.Path, k.Found)
	})
	if len(conflicts) > 0 && c.OnConflict == Fail {
		return &ConflictError{Conflicts: conflicts}
	}
	r.result.Overwritten = conflicts
	r.target = maps.Clone(want)
	if r.target == nil {
		r.target = patch.Want{}
	}
	r.result.Kept = c.Release.Check(current, c.Equal)
	for _, o := range c.Release {
		if !slices.ContainsFunc(r.result.Kept, func(k patch.Conflict) bool { return k.Path == o.Path }) {
			r.target[o.Path] = o.New
		}
	}
	return nil
}

// write sends one patch and returns the document to go on from.
func (r *run) write(ctx context.Context, current patch.Document, operations patch.Patch) (patch.Document, error) {
	finish, release := withGrace(ctx)
	defer release()

	if len(r.sent) == 0 {
		r.result.Found = current
	}
	began := r.timing.Now()
	answer, writeErr := r.store.Write(finish, current, operations)
	took := r.timing.Now().Sub(began)
	r.rewrites++
	var refused *WriteError
	effect := Unknown
	if errors.As(writeErr, &refused) {
		effect = refused.Effect
	}
	if effect == Unsent {
		return current, writeErr
	}
	if effect == Unknown || effect == Refused {
		// A refusal is noted, too: the server may refuse the second half of a
		// write after it has stored the first.
		r.result.Sent = append(r.result.Sent, operations)
		for _, o := range operations {
			r.sent[o.Path] = o
		}
	}
	r.result.Document = nil
	if writeErr == nil && len(r.missing(answer, operations)) > 0 {
		// The answer itself lacks it: waiting would not bring it.
		r.result.Document = answer
		return answer, r.review(current, answer)
	}
	wait := r.settleTime(took, writeErr, effect)
	if effect == Stale {
		wait = refused.Wait
	}
	if wait > 0 {
		// A wait that the caller ends early is followed by the read at once.
		_ = r.timing.Sleep(ctx, wait)
	}
	seen, err := r.store.Read(finish)
	if err != nil {
		if writeErr == nil {
			r.result.Document = answer
		}
		return nil, &ReadAfterWriteError{Write: writeErr, Err: err}
	}
	r.result.Document = seen
	if effect == Refused {
		return seen, writeErr
	}
	if err := r.review(current, seen); err != nil {
		return seen, err
	}
	if writeErr != nil && r.rewrites > maxRewrites && len(patch.Diff(seen, r.target, r.change.Equal)) > 0 {
		return seen, writeErr
	}
	return seen, nil
}

// settleTime returns how long to wait between a write and the look at its result.
func (r *run) settleTime(took time.Duration, writeErr error, effect Effect) time.Duration {
	wait := r.timing.VerifyAfter
	if wait > 0 {
		wait = max(wait, min(2*took, maxSettle))
	}
	switch {
	case effect == Stale || effect == Refused:
		return 0
	case writeErr != nil:
		wait = max(wait, minSettle)
	}
	if r.rewrites > 1 {
		wait += time.Duration(float64(max(wait, minJitter)) * r.timing.Jitter())
	}
	return wait
}

// missing returns the operations whose result a document does not hold.
func (r *run) missing(d patch.Document, operations patch.Patch) patch.Patch {
	return operations.Rebase(d, r.change.Equal)
}

// review compares the document after a write with the one before. What holds
// what an operation expected, or nothing, was lost and stays in the target, and
// so does what is still unsent. Any third value is somebody else's.
func (r *run) review(before, now patch.Document) error {
	var conflicts []patch.Conflict
	for _, p := range slices.Sorted(maps.Keys(r.target)) {
		found, want := now[p], r.target[p]
		expected := before[p]
		if o, sent := r.sent[p]; sent {
			if found == patch.Absent {
				continue
			}
			expected = o.Old
		}
		o := patch.Operation{Path: p, Old: expected, New: want}
		conflicts = append(conflicts, patch.Patch{o}.Check(now, r.change.Equal)...)
	}
	return r.settle(conflicts)
}

// settle sorts third values: releases are kept, what may be written over stays
// in the target (once, after a write), the others leave it and are reported.
func (r *run) settle(conflicts []patch.Conflict) error {
	for _, k := range conflicts {
		_, release := r.change.Release.Find(k.Path)
		switch {
		case release:
			r.result.Kept = append(r.result.Kept, k)
			delete(r.target, k.Path)
		case r.change.OnConflict == Overwrite && !r.overwrote[k.Path]:
			r.overwrote[k.Path] = len(r.sent) > 0
			r.result.Overwritten = append(r.result.Overwritten, k)
		default:
			r.reported = append(r.reported, k)
			delete(r.target, k.Path)
		}
	}
	if len(r.reported) > 0 && len(r.sent) == 0 {
		return &ConflictError{Conflicts: r.reported}
	}
	return nil
}

// outcome is reached when the target holds.
func (r *run) outcome() error {
	if len(r.reported) > 0 {
		return &ConflictError{Conflicts: r.reported, AfterWrite: true}
	}
	return nil
}

type callerKey struct{}

// Caller returns the context of the caller of Apply from the one that a Store is
// given, which outlives it: what a store does beyond the request under way ends
// with the caller's.
func Caller(ctx context.Context) context.Context {
	if caller, ok := ctx.Value(callerKey{}).(context.Context); ok {
		return caller
	}
	return ctx
}

// withGrace returns a context that outlives ctx by Grace at most.
func withGrace(ctx context.Context) (context.Context, func()) {
	finish, cancel := context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), callerKey{}, ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(Grace, func() { cancel(context.Cause(ctx)) })
		context.AfterFunc(finish, func() { timer.Stop() })
	})
	return finish, func() {
		stop()
		cancel(context.Canceled)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
