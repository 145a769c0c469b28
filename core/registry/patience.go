package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

const (
	// longestRest is how long a listing waits for a registry that says "later";
	// what asks for more is not worth an open run.
	longestRest = time.Hour
	// restsAtMost bounds how often one call of a listing is put off.
	restsAtMost = 5
)

// rest is until when a run leaves its registry alone, and why.
type rest struct {
	until time.Time
	why   string
}

// patiently makes a call, and makes it again when the registry said when. All
// calls of the listing wait for what one of them was told.
func (l *list) patiently(ctx context.Context, call func() error) error {
	for try := 1; ; try++ {
		if err := l.pause(ctx); err != nil {
			return err
		}
		err := call()
		after, later := fault.RetryAfterOf(err)
		if !later || ctx.Err() != nil || try == restsAtMost || after > longestRest {
			return err
		}
		l.putOff(ctx, l.run.ID, rest{l.Now().Add(max(after, time.Second)), err.Error()})
	}
}

// pause waits while the registry is to be left alone.
func (l *list) pause(ctx context.Context) error {
	for {
		left := l.resting(l.run.ID).until.Sub(l.Now())
		if left <= 0 {
			return ctx.Err()
		}
		if err := l.Sleep(ctx, left); err != nil {
			return err
		}
	}
}

// putOff notes that a run waits; of several times the latest counts.
func (s *Service) putOff(ctx context.Context, run int64, r rest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.until.After(s.rests[run].until) {
		return
	}
	s.rests[run] = r
	s.Logger.InfoContext(ctx, "listing put off", "run", run, "until", r.until, "reason", r.why)
}

func (s *Service) resting(run int64) rest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rests[run]
}

// forecast fills in what a run waits for, and when it will be done if it goes on
// as it did. What was unchanged cost nothing and says nothing about the rest.
func (s *Service) forecast(run *model.Run) {
	if run.State.Final() {
		return
	}
	now := s.Now()
	if r := s.resting(run.ID); r.until.After(now) {
		run.WaitingUntil, run.WaitingFor = r.until, r.why
	}
	done := run.Scanned + run.Unsupported + run.Failed
	left := run.Listed - run.Unchanged - done
	if run.State != model.RunScanning || done == 0 || left <= 0 {
		return // how much there is, or how long it takes, is not known
	}
	needs := time.Duration(float64(now.Sub(run.StartedAt)) * float64(left) / float64(done))
	from := now
	if run.WaitingUntil.After(now) {
		from = run.WaitingUntil
	}
	run.ExpectedAt = from.Add(needs).Truncate(time.Second)
}

// sleep is how a service waits when nothing else is set.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// warning is what a person should know of a listing that is complete: that
// nothing matched, most of all.
func (l *list) warning() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.seen) > 0:
		return ""
	case l.listed == 0:
		return "the registry lists no repository"
	case len(l.filters) == 0:
		return fmt.Sprintf("none of the %d repositories has a tag", l.listed)
	}
	return fmt.Sprintf("nothing matches the filters; the registry lists %d repositories: muster registry test %s shows some", l.listed, l.registry.Name)
}
