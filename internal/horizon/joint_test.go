package horizon

import (
	"context"
	"errors"
	"testing"
)

func TestJointWorkOutlivesWhoCameFirst(t *testing.T) {
	first, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	j := begin(first, 1, func(ctx context.Context) (int, error) {
		<-left
		return 7, ctx.Err()
	})
	if !j.join() {
		t.Fatal("it is over")
	}
	leave()
	if _, err := j.wait(first); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(left)
	if n, err := j.wait(inTime(t)); n != 7 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if j.join() {
		t.Error("it is joined after its end")
	}
}

func TestJointWorkThatWasGivenUpIsNotJoined(t *testing.T) {
	held := make(chan struct{})
	j := begin(t.Context(), 1, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		<-held
		return 0, ctx.Err()
	})
	j.leave()
	if j.join() {
		t.Error("it is joined")
	}
	close(held)
	<-j.done
}
