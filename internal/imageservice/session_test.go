package imageservice

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// run calls get from several goroutines and returns what each one got, in no order.
func run(n int, get func() (*session, error)) (got []*session, errs []error) {
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	for range n {
		wg.Go(func() {
			s, err := get()
			mu.Lock()
			defer mu.Unlock()
			got, errs = append(got, s), append(errs, err)
		})
	}
	wg.Wait()
	return got, errs
}

func TestConcurrentFirstUsesSignInOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var signIns atomic.Int32
		s := &sessions{now: time.Now, signIn: func(context.Context) (*session, error) {
			signIns.Add(1)
			time.Sleep(time.Second)
			return &session{token: "t"}, nil
		}}
		got, errs := run(50, func() (*session, error) { return s.get(t.Context(), nil) })
		for i := range got {
			if errs[i] != nil || got[i] != got[0] {
				t.Errorf("got %v, %v", got[i], errs[i])
			}
		}
		if signIns.Load() != 1 {
			t.Errorf("%d sign-ins", signIns.Load())
		}
	})
}

func TestFailedSignInIsOneErrorForAllAndIsTriedAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var signIns atomic.Int32
		wrong := errors.New("wrong password")
		s := &sessions{now: time.Now, signIn: func(context.Context) (*session, error) {
			time.Sleep(time.Second)
			if signIns.Add(1) == 1 {
				return nil, wrong
			}
			return &session{}, nil
		}}
		get := func() (*session, error) { return s.get(t.Context(), nil) }
		for _, when := range []string{"at once", "soon after"} {
			_, errs := run(10, get)
			for _, err := range errs {
				if !errors.Is(err, wrong) {
					t.Errorf("%s: %v", when, err)
				}
			}
		}
		if signIns.Load() != 1 {
			t.Errorf("%d sign-ins while the failure stood", signIns.Load())
		}
		time.Sleep(failureHeld)
		if _, err := get(); err != nil {
			t.Errorf("after %s: %v", failureHeld, err)
		}
		if signIns.Load() != 2 {
			t.Errorf("%d sign-ins, want a second one", signIns.Load())
		}
	})
}

func TestCallerThatLeavesDoesNotEndTheSignInOfTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sessions{now: time.Now, signIn: func(ctx context.Context) (*session, error) {
			select {
			case <-time.After(time.Minute):
				return &session{}, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { _, err := s.get(ctx, nil); first <- err }()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { _, err := s.get(t.Context(), nil); second <- err }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that left got %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("the one that stayed got %v", err)
		}
	})
}

func TestSignInEndsWhenNobodyWaitsAndIsNoFailureOfLaterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended, signIns atomic.Int32
		s := &sessions{now: time.Now, signIn: func(ctx context.Context) (*session, error) {
			if signIns.Add(1) > 1 {
				return &session{}, nil
			}
			<-ctx.Done()
			ended.Add(1)
			return nil, ctx.Err()
		}}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { _, err := s.get(ctx, nil); left <- err }()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that left got %v", err)
		}
		synctest.Wait()
		if ended.Load() != 1 {
			t.Error("the sign-in goes on without anybody waiting for it")
		}
		if _, err := s.get(t.Context(), nil); err != nil {
			t.Errorf("the next one got %v", err)
		}
	})
}

func TestRejectedSessionIsRenewedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var signIns atomic.Int32
		s := &sessions{now: time.Now, signIn: func(context.Context) (*session, error) {
			signIns.Add(1)
			time.Sleep(time.Second)
			return &session{}, nil
		}}
		old, err := s.get(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := run(20, func() (*session, error) { return s.get(t.Context(), old) })
		late, _ := s.get(t.Context(), old)
		for _, g := range append(got, late) {
			if g == old || g != got[0] {
				t.Errorf("got %p, the rejected one is %p", g, old)
			}
		}
		if signIns.Load() != 2 {
			t.Errorf("%d sign-ins, want 2", signIns.Load())
		}
	})
}

func TestTokenIsRenewedBeforeItsEndWhileTheOldOneIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var signIns atomic.Int32
		s := &sessions{now: time.Now, signIn: func(context.Context) (*session, error) {
			if signIns.Add(1) > 1 {
				time.Sleep(time.Minute)
			}
			return &session{renewAt: time.Now().Add(time.Hour)}, nil
		}}
		get := func() *session {
			t.Helper()
			before := time.Now()
			got, err := s.get(t.Context(), nil)
			if err != nil || got == nil {
				t.Fatalf("got %v, %v", got, err)
			}
			if waited := time.Since(before); waited > 0 {
				t.Errorf("waited %s", waited)
			}
			return got
		}
		first := get()
		time.Sleep(time.Hour - time.Second)
		get()
		synctest.Wait()
		if signIns.Load() != 1 {
			t.Errorf("%d sign-ins before the time, want 1", signIns.Load())
		}
		time.Sleep(time.Second)
		for range 10 {
			if get() != first {
				t.Error("the token was not used to its end")
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if get() == first || signIns.Load() != 2 {
			t.Errorf("%d sign-ins, want 2 and the new session", signIns.Load())
		}
	})
}

func TestTokenThatCannotBeRenewedYetIsUsedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var signIns atomic.Int32
		s := &sessions{now: time.Now, signIn: func(context.Context) (*session, error) {
			if signIns.Add(1) > 1 {
				return nil, errors.New("Keystone is away")
			}
			return &session{renewAt: time.Now().Add(time.Hour)}, nil
		}}
		first, err := s.get(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		for range 5 {
			if got, err := s.get(t.Context(), nil); err != nil || got != first {
				t.Errorf("got %v, %v", got, err)
			}
			synctest.Wait()
		}
		if signIns.Load() != 2 {
			t.Errorf("%d sign-ins, want one more attempt", signIns.Load())
		}
		if _, err := s.get(t.Context(), first); err == nil {
			t.Error("a token that was refused is used again")
		}
	})
}
