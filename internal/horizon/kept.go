package horizon

import (
	"context"
	"sync"
	"time"
)

// kept keeps what was found for 30 s, for many who ask in one run: those who come
// while it is being found share it. Errors are kept as well where asking again is of
// no use.
type kept[K comparable, T any] struct {
	mu     sync.Mutex
	rounds int // how many times all was forgotten
	under  map[K]*joint[T]
	found  map[K]keptResult[T]
}

type keptResult[T any] struct {
	value T
	err   error
	until time.Time
}

func (k *kept[K, T]) get(ctx context.Context, now func() time.Time, key K, find func(context.Context) (T, error)) (T, error) {
	k.mu.Lock()
	if r, ok := k.found[key]; ok && now().Before(r.until) {
		k.mu.Unlock()
		return r.value, r.err
	}
	under := k.under[key]
	if under == nil || !under.join() {
		round, until := k.rounds, now().Add(recentHeld)
		under = begin(ctx, 1, func(ctx context.Context) (T, error) {
			value, err := find(ctx)
			if err == nil || isFinal(err) {
				k.keep(round, key, keptResult[T]{value, err, until})
			}
			return value, err
		})
		if k.under == nil {
			k.under = map[K]*joint[T]{}
		}
		k.under[key] = under
	}
	k.mu.Unlock()
	return under.wait(ctx)
}

// keep takes a result, unless it began before all was forgotten.
func (k *kept[K, T]) keep(round int, key K, r keptResult[T]) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if round != k.rounds {
		return
	}
	if k.found == nil {
		k.found = map[K]keptResult[T]{}
	}
	k.found[key] = r
}

// forget lets all be found anew, also what is being found.
func (k *kept[K, T]) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rounds++
	k.found, k.under = nil, nil
}
