package imageservice

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imageops/terraform-provider-imageops/internal/transport"
)

// numbered returns ids of images.
func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
	}
	return ids
}

// listing answers lists of images by id with images of the project, and leaves
// pages to another function.
func listing(page http.HandlerFunc) func(http.ResponseWriter, *http.Request, string) bool {
	return func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if !strings.HasSuffix(r.URL.Path, imagesPath) {
			return false
		}
		asked := r.URL.Query().Get("id")
		if asked == "" {
			page(w, r)
			return true
		}
		writeImages(w, strings.Split(strings.TrimPrefix(asked, "in:"), ",")...)
		return true
	}
}

func writeImages(w http.ResponseWriter, ids ...string) {
	images := make([]map[string]any, len(ids))
	for i, id := range ids {
		images[i] = map[string]any{"id": id, "owner": projectID, "visibility": "private"}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"images": images})
}

// atOnce calls a function for each image at the same time, all of them known
// to be at work.
func atOnce(client *Client, ids []string, f func(id string)) {
	var wait sync.WaitGroup
	var done []func()
	for range ids {
		done = append(done, client.Work())
	}
	for i, id := range ids {
		wait.Go(func() {
			defer done[i]()
			f(id)
		})
	}
	wait.Wait()
}

func recently(t *testing.T, client *Client, ids []string) {
	t.Helper()
	for ten := range slices.Chunk(ids, 10) {
		atOnce(client, ten, func(id string) {
			if _, err := client.RecentImage(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPageThatFailsIsNotTriedAgain(t *testing.T) {
	c := newCloud(t)
	client := c.client(t, func(cfg *Config) { cfg.BatchReads, cfg.MaxRetries = new(true), 4 })
	var pages atomic.Int64
	c.Intercept = listing(func(w http.ResponseWriter, _ *http.Request) {
		pages.Add(1)
		w.WriteHeader(http.StatusGatewayTimeout)
	})
	recently(t, client, numbered(300))
	if pages.Load() != 1 {
		t.Errorf("%d requests for pages that fail", pages.Load())
	}
}

func TestServiceWhoseListsAlwaysFailIsAskedForFewOfThem(t *testing.T) {
	c := newCloud(t)
	client := c.client(t, func(cfg *Config) { cfg.BatchReads, cfg.MaxRetries = new(true), 4 })
	ids := numbered(100)
	for _, id := range ids {
		c.Images[id] = map[string]any{"id": id, "tags": []string{}}
	}
	var lists atomic.Int64
	c.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if !strings.HasSuffix(r.URL.Path, imagesPath) {
			return false
		}
		lists.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	recently(t, client, ids)
	if most := int64(mostFailedLists*5 + 3); lists.Load() > most {
		t.Errorf("%d requests for lists that fail, want at most %d", lists.Load(), most)
	}
}

func TestImageWrittenWhileAPageIsUnderWayIsNotTakenFromIt(t *testing.T) {
	c := newCloud(t)
	client := c.client(t, func(cfg *Config) { cfg.BatchReads = new(true) })
	ids := numbered(60)
	written := ids[50]
	c.Images[written] = map[string]any{"id": written, "name": "after"}
	var pages atomic.Int64
	c.Intercept = listing(func(w http.ResponseWriter, _ *http.Request) {
		pages.Add(1)
		client.pages.forget(written) // As a write does that begins now.
		writeImages(w, ids...)
	})
	recently(t, client, ids[:30])
	image, err := client.RecentImage(t.Context(), written)
	if err != nil || image.Document()["/name"] != `"after"` || pages.Load() != 1 {
		t.Errorf("%v, %v, after %d pages", image, err, pages.Load())
	}
}

func TestPageIsHeldForAWhileOnly(t *testing.T) {
	c := newCloud(t)
	client := c.client(t, func(cfg *Config) { cfg.BatchReads = new(true) })
	var skew atomic.Int64
	client.pages.now = func() time.Time { return c.Now().Add(time.Duration(skew.Load())) }
	ids := numbered(60)
	c.Images[ids[50]] = map[string]any{"id": ids[50], "name": "now"}
	c.Intercept = listing(func(w http.ResponseWriter, _ *http.Request) { writeImages(w, ids...) })
	recently(t, client, ids[:30])
	for _, step := range []struct {
		later time.Duration
		name  string
	}{{pageHeld - time.Second, ""}, {pageHeld + time.Second, `"now"`}} {
		skew.Store(int64(step.later))
		image, err := client.RecentImage(t.Context(), ids[50])
		if err != nil || string(image.Document()["/name"]) != step.name {
			t.Errorf("after %s: %v %v", step.later, image.Document(), err)
		}
	}
}

func TestSecretsOfEachAreShownToNobody(t *testing.T) {
	c := newCloud(t)
	client := c.client(t, func(cfg *Config) { cfg.BatchReads = new(true) })
	secrets := map[string]string{imageA: "sentinel-of-a", imageB: "sentinel-of-b"}
	c.Intercept = func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if !strings.Contains(r.URL.Path, imagesPath) {
			return false
		}
		glanceError(w, http.StatusServiceUnavailable, "busy with sentinel-of-a and sentinel-of-b")
		return true
	}
	atOnce(client, []string{imageA, imageB}, func(id string) {
		_, err := client.Image(t.Context(), id, secrets[id])
		if err == nil || strings.Contains(err.Error(), "sentinel") || !strings.Contains(err.Error(), "busy with") {
			t.Errorf("%v", err)
		}
	})
}

// A service that asks for more patience than the callers have is not waited for.
func TestBatchKeepsTheDeadlinesOfItsCallers(t *testing.T) {
	c := newCloud(t)
	client := c.client(t, func(cfg *Config) { cfg.BatchReads, cfg.MaxRetries = new(true), 4 })
	if _, err := client.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	client.transport, _ = transport.New(transport.Options{MaxRetries: 4})
	c.Intercept = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		w.Header().Set("Retry-After", "120")
		glanceError(w, http.StatusServiceUnavailable, "maintenance until noon")
		return true
	}
	atOnce(client, []string{imageA, imageB}, func(id string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := client.Image(ctx, id); err == nil || !strings.Contains(err.Error(), "maintenance until noon") {
			t.Errorf("%v", err)
		}
	})
}

// A renewal that a batch happens to begin is nobody's: it is repeated also when
// the batch has ended.
func TestRenewalOutlivesTheBatchThatBeganIt(t *testing.T) {
	c := newCloud(t)
	var skew atomic.Int64
	base := time.Now()
	c.Now = func() time.Time { return base.Add(time.Duration(skew.Load())) }
	client := c.client(t, func(cfg *Config) { cfg.BatchReads, cfg.MaxRetries = new(true), 4 })
	if _, err := client.Place(t.Context()); err != nil {
		t.Fatal(err)
	}
	skew.Store(int64(59 * time.Minute))
	begun, release := make(chan struct{}), make(chan struct{})
	var attempts atomic.Int64
	lists := listing(nil)
	c.Intercept = func(w http.ResponseWriter, r *http.Request, body string) bool {
		if !strings.HasSuffix(r.URL.Path, "/auth/tokens") {
			return lists(w, r, body)
		}
		if attempts.Add(1) > 1 {
			return false
		}
		close(begun)
		<-release
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	atOnce(client, []string{imageA, imageB}, func(id string) {
		if _, err := client.Image(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
	<-begun
	client.sessions.mu.Lock()
	renewal := client.sessions.flight
	client.sessions.mu.Unlock()
	close(release)
	<-renewal.done
	if renewal.err != nil || attempts.Load() != 2 {
		t.Errorf("the renewal ends with %v after %d attempts", renewal.err, attempts.Load())
	}
}

// batched makes two reads with contexts of their own leave together.
func batched(t *testing.T, carry func(context.Context, []*ask), contexts ...context.Context) []error {
	t.Helper()
	g := &gathering{carry: carry}
	errs := make([]error, len(contexts))
	var wait sync.WaitGroup
	for range contexts {
		defer g.work()()
	}
	for i, ctx := range contexts {
		wait.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			_, errs[i] = g.ask(&ask{ctx: ctx, id: fmt.Sprint(i), company: promptly})
		})
	}
	wait.Wait()
	return errs
}

func TestCancellationOfOneDoesNotFailTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		errs := batched(t, func(ctx context.Context, batch []*ask) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
			for _, a := range batch {
				a.answer(&Image{}, ctx.Err())
			}
		}, first, t.Context())
		if errs[0] == nil || errs[1] != nil {
			t.Errorf("%v", errs)
		}
	})
}

func TestBatchIsPatientAsLongAsAnybodyIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		patient := func(d time.Duration) context.Context {
			caller, cancel := context.WithCancel(t.Context())
			time.AfterFunc(d, cancel)
			return transport.WithPatience(t.Context(), caller)
		}
		errs := batched(t, func(ctx context.Context, batch []*ask) {
			<-transport.Patience(ctx).Done()
			if since := time.Since(began); since != 2*time.Minute || ctx.Err() != nil {
				t.Errorf("patience ended after %s, the batch with %v", since, ctx.Err())
			}
			for _, a := range batch {
				a.answer(&Image{}, nil)
			}
		}, patient(time.Minute), patient(2*time.Minute))
		if errs[0] != nil || errs[1] != nil {
			t.Errorf("%v", errs)
		}
	})
}

func TestBatchEndsWhenTheAnsweredAndTheGoneAreAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ended := make(chan time.Duration, 1)
		second, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		errs := batched(t, func(ctx context.Context, batch []*ask) {
			batch[0].answer(&Image{}, nil)
			select {
			case <-ctx.Done():
			case <-time.After(time.Hour):
			}
			ended <- time.Since(began)
			batch[1].answer(nil, ctx.Err())
		}, t.Context(), second)
		if since := <-ended; since != time.Minute || errs[0] != nil || errs[1] == nil {
			t.Errorf("the batch ended after %s: %v", since, errs)
		}
	})
}
