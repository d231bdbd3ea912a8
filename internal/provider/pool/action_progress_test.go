package pool

import (
	"context"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/action"
)

func TestActionProgressThatNobodyHearsEndsWithTheRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	hangs, sent := make(chan struct{}), 0
	defer close(hangs)
	tell := progressTo(ctx, func(action.InvokeProgressEvent) {
		sent++
		cancel()
		<-hangs
	})
	tell("publishing 40 %")
	tell("publishing 41 %")
	if sent != 1 {
		t.Errorf("%d were sent", sent)
	}
}
