package horizon

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// lateList holds the next list of pools back, and answers it as the pools are now.
type lateList struct {
	arrived chan struct{}
	answer  chan struct{}
}

func (p *pod) holdList() *lateList {
	l := &lateList{arrived: make(chan struct{}), answer: make(chan struct{})}
	held := make(chan struct{}, 1)
	held <- struct{}{}
	p.mu.Lock()
	defer p.mu.Unlock()
	others := p.Intercept
	p.Intercept = func(w http.ResponseWriter, r *http.Request, body string) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/desktop-pools") {
			select {
			case <-held:
				close(l.arrived)
				<-l.answer
				reply(w, http.StatusOK, []map[string]any{{"id": poolA, "name": "before"}})
				return true
			default:
			}
		}
		return others != nil && others(w, r, body)
	}
	return l
}

func TestListOfPoolsThatWasUnderWayIsNotKept(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, c *Client) error{
		"when an action is sent": func(ctx context.Context, c *Client) error { return c.CancelScheduledPush(ctx, poolA) },
		"when a pool was waited for": func(ctx context.Context, c *Client) error {
			_, err := c.WaitForPool(ctx, poolA, isIdle, PoolWait{})
			return err
		},
		"when a push came to its end": func(ctx context.Context, c *Client) error {
			slot, err := NewGovernor(1, 0).Admit(ctx, c, poolA, GovernorWait{})
			if err == nil {
				slot.Pushed(&Publishing{})
				slot.Published()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			p.takeActions(t, nil)
			client := p.client(t, nil)
			ctx := inTime(t)
			if _, err := client.Pools(ctx); err != nil {
				t.Fatal(err)
			}
			late := p.holdList()
			first := make(chan string, 1)
			go func() {
				pools, err := client.RecentPools(ctx)
				if err != nil {
					first <- err.Error()
					return
				}
				first <- pools[0].Name
			}()
			<-late.arrived
			if err := change(ctx, client); err != nil {
				t.Fatal(err)
			}
			want := func() {
				t.Helper()
				if pools, err := client.RecentPools(ctx); err != nil || pools[0].Name != "Alpha" {
					t.Errorf("%v %v, want a list from after it", err, pools)
				}
			}
			want() // It does not share the older list,
			close(late.answer)
			if got := <-first; got != "before" {
				t.Errorf("who came before it gets %s", got)
			}
			want() // which is not kept, either.
			p.wantCounts(t, map[string]int{"GET /rest/inventory/v12/desktop-pools?": 3})
		})
	}
}

func TestOlderListOfPoolsIsNotKeptWithoutANewerOne(t *testing.T) {
	p := newPod(t)
	p.takeActions(t, nil)
	client := p.client(t, nil)
	ctx := inTime(t)
	late := p.holdList()
	first := make(chan error, 1)
	go func() {
		_, err := client.RecentPools(ctx)
		first <- err
	}()
	<-late.arrived
	if err := client.CancelScheduledPush(ctx, poolA); err != nil {
		t.Fatal(err)
	}
	close(late.answer)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if pools, err := client.RecentPools(ctx); err != nil || pools[0].Name != "Alpha" {
		t.Errorf("%v %v, want a list from after it", err, pools)
	}
}
