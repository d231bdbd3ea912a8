package horizon

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// dated makes the pod say the time of a clock that is ahead of its own, and step
// on with every answer.
func (p *pod) dated(ahead, step time.Duration) {
	var answers atomic.Int64
	p.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		now := p.clock.Now().Add(ahead + time.Duration(answers.Add(1)-1)*step)
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		return false
	}
}

func TestPoolsOfAListSayTheServersTime(t *testing.T) {
	for _, ahead := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		p := newPod(t)
		p.MostPerPage = 1
		client := p.client(t, nil)
		if err := client.SignIn(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.dated(ahead, time.Second)
		want := p.clock.Now().Add(ahead + time.Second) // The second page's.
		pools, err := client.Pools(t.Context())
		if err != nil || len(pools) != 2 || !pools[0].ServerTime.Equal(want) || !pools[1].ServerTime.Equal(want) || want.Location() != time.UTC {
			t.Errorf("%s: %v %v, want %s", ahead, err, pools[0].ServerTime, want)
		}
		p.dated(ahead, 0)
		recent, err := client.RecentPools(t.Context())
		if err != nil || !recent[0].ServerTime.Equal(p.clock.Now().Add(ahead)) {
			t.Errorf("%s: %v %v", ahead, err, recent[0].ServerTime)
		}
	}
}

func TestServersClockIsKnownFromItsLastAnswer(t *testing.T) {
	for _, ahead := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		p := newPod(t)
		shared := &registry{}
		client, other := p.clientIn(t, shared, nil), p.clientIn(t, shared, nil)
		p.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.Header()["Date"] = nil
			return false
		}
		if pools, err := client.Pools(t.Context()); err != nil || !pools[0].ServerTime.IsZero() {
			t.Errorf("%v %v", err, pools[0].ServerTime)
		}
		if now := client.ServerNow(); !now.IsZero() {
			t.Errorf("without a Date it is %s", now)
		}
		want := func(ahead time.Duration) {
			t.Helper()
			for _, c := range []*Client{client, other} {
				if now, want := c.ServerNow(), p.clock.Now().Add(ahead); !now.Equal(want) || now.Location() != time.UTC {
					t.Errorf("it is %s, want %s", now, want)
				}
			}
		}
		p.dated(ahead, 0)
		if _, err := client.Pool(t.Context(), poolA); err != nil {
			t.Error(err)
		}
		want(ahead)
		p.clock.advance(90 * time.Second)
		want(ahead)

		// A refusal says it as well, and a text that is no date says nothing.
		p.dated(2*ahead, 0)
		if _, err := client.Pool(t.Context(), otherID); err == nil {
			t.Error("no error")
		}
		want(2 * ahead)
		p.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.Header().Set("Date", "soon")
			return false
		}
		if pool, err := client.Pool(t.Context(), poolA); err != nil || !pool.ServerTime.IsZero() {
			t.Errorf("%v %v", err, pool)
		}
		want(2 * ahead)
	}
}

func TestSigningInTellsTheServersClock(t *testing.T) {
	p := newPod(t)
	p.dated(-10*time.Minute, 0)
	client := p.client(t, nil)
	if err := client.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, want := client.ServerNow(), p.clock.Now().Add(-10*time.Minute); !now.Equal(want) {
		t.Errorf("it is %s, want %s", now, want)
	}
}
