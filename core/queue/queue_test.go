package queue_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/queue"
)

func open(t *testing.T, o queue.Options) *queue.Queue {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	q, err := queue.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func publish(t *testing.T, q *queue.Queue, jobs ...int64) {
	t.Helper()
	for _, job := range jobs {
		if err := q.Publish(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
}

// take consumes jobs until a number of deliveries was handled, and says for each
// what answer says.
func take(t *testing.T, q *queue.Queue, n int, answer func(job int64) bool) []int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []int64
	_ = q.Consume(ctx, func(_ context.Context, job int64, _ func() error) bool {
		got = append(got, job)
		if len(got) == n {
			cancel()
		}
		return answer(job)
	})
	return got
}

func yes(int64) bool { return true }

func TestAJobIsKnownOnceUntilItIsDone(t *testing.T) {
	t.Parallel()
	q := open(t, queue.Options{Dir: t.TempDir()})
	defer q.Close()
	publish(t, q, 1, 2, 1, 2, 3, 1)
	if diff := cmp.Diff([]int64{1, 2, 3}, take(t, q, 3, yes)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	publish(t, q, 2, 4) // 2 is done and may come again
	if diff := cmp.Diff([]int64{2, 4}, take(t, q, 2, yes)); diff != "" {
		t.Errorf("jobs after that (-want +got):\n%s", diff)
	}
}

func TestAJobThatIsNotDoneComesAgain(t *testing.T) {
	t.Parallel()
	q := open(t, queue.Options{Dir: t.TempDir(), Redeliver: time.Second})
	defer q.Close()
	publish(t, q, 7)
	tries := 0
	got := take(t, q, 2, func(int64) bool {
		tries++
		return tries > 1
	})
	if diff := cmp.Diff([]int64{7, 7}, got); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestARestartHandsOutWhatItsWorkersHad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := open(t, queue.Options{Dir: dir, Redeliver: time.Hour})
	publish(t, q, 1, 2)
	take(t, q, 1, func(int64) bool { return false }) // handed out, never done
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, queue.Options{Dir: dir, Redeliver: time.Hour})
	defer q.Close()
	publish(t, q, 2, 1) // the rows are announced again at every start
	if diff := cmp.Diff([]int64{2, 1}, take(t, q, 2, yes)); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestConsumersShareTheWorkAndEndWithTheirContext(t *testing.T) {
	t.Parallel()
	q := open(t, queue.Options{Dir: t.TempDir()})
	defer q.Close()
	for job := range int64(40) {
		publish(t, q, job)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var mu sync.Mutex
	seen := map[int64]int{}
	var consumers sync.WaitGroup
	for range 4 {
		consumers.Go(func() {
			err := q.Consume(ctx, func(_ context.Context, job int64, alive func() error) bool {
				if err := alive(); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if seen[job]++; len(seen) == 40 {
					cancel()
				}
				return true
			})
			if ctx.Err() == nil || err == nil {
				t.Errorf("a consumer ended by itself: %v", err)
			}
		})
	}
	consumers.Wait()
	for job, n := range seen {
		if n != 1 {
			t.Errorf("job %d came %d times", job, n)
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d jobs, want 40", len(seen))
	}
}

func TestAnOutsideServerThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	_, err := queue.Open(t.Context(), queue.Options{URL: "nats://user:hunter2@127.0.0.1:1", Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff("queue: connect to the NATS server: nats: no servers available for connection", err.Error()); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}
