package registry

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/schedule"
)

// listingsAtOnce bounds the registries that are listed at a time.
const listingsAtOnce = 4

// The rhythm of the loop when nothing is due.
const (
	longestSleep = time.Minute // also how late a clock that jumped is noticed
	sweepEvery   = time.Hour
)

// Scan starts a run by hand, or returns the one that is under way.
func (s *Service) Scan(ctx context.Context, actor model.Actor, name string) (model.Run, error) {
	if err := s.mayWrite(ctx, actor, name); err != nil {
		return model.Run{}, s.audited(ctx, actor, "registry.scan", name, err)
	}
	run, started, err := s.Runs.StartRun(ctx, name, model.TriggerManual, s.Now())
	if err != nil || started {
		err = s.audited(ctx, actor, "registry.scan", name, err)
	}
	s.nudge()
	return run, err
}

// Stop cancels the run that is under way; it is no error when there is none.
func (s *Service) Stop(ctx context.Context, actor model.Actor, name string) error {
	err := s.mayWrite(ctx, actor, name)
	if err == nil {
		err = s.stopRegistry(ctx, name)
	}
	return s.audited(ctx, actor, "registry.stop", name, err)
}

func (s *Service) stopRegistry(ctx context.Context, name string) error {
	st, err := s.Sources.Registry(ctx, name)
	if err != nil || st.LastRun == nil || st.LastRun.State.Final() {
		return err
	}
	return s.stop(ctx, st.LastRun.ID)
}

// stop cancels a run: its listing here, its jobs by their rows.
func (s *Service) stop(ctx context.Context, id int64) error {
	if _, err := s.Runs.StopRun(ctx, id); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.listing[id]; cancel != nil {
		cancel()
	}
	return nil
}

// RunStatus tells how far a run of a registry has come. It fails with fault.NotFound.
func (s *Service) RunStatus(ctx context.Context, name string, id int64) (model.Run, error) {
	run, err := s.Runs.Run(ctx, name, id)
	s.forecast(&run)
	return run, err
}

// Run works until ctx ends: it starts what the schedules ask for, lists the
// registries of open runs (those that an earlier process left behind first), and
// applies retention once an hour.
func (s *Service) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listingsAtOnce + 1)
	group.Go(func() error { return s.loop(ctx, group) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (s *Service) loop(ctx context.Context, group *errgroup.Group) error {
	var swept time.Time
	for {
		due := min(s.startDue(ctx), s.startPushed(ctx))
		s.startListings(ctx, group)
		if now := s.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.Logger.ErrorContext(ctx, "retention failed", "error", err)
			}
		}
		timer := time.NewTimer(due)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// startDue starts a run for every schedule that is due and tells how long to
// sleep. However many times a schedule missed, it is answered once.
func (s *Service) startDue(ctx context.Context) time.Duration {
	tables, err := s.Contents.Schedules(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "schedules not read", "error", err)
		}
		return longestSleep
	}
	sleep := longestSleep
	for _, t := range tables {
		sched, err := schedule.Parse(t.Schedule)
		if err != nil {
			s.Logger.ErrorContext(ctx, "schedule not understood", "registry", t.Registry, "error", err)
			continue
		}
		now := s.Now()
		if next := sched.Next(t.Answered); next.After(now) || next.IsZero() {
			if !next.IsZero() {
				sleep = min(sleep, next.Sub(now))
			}
			continue
		}
		s.startScheduled(ctx, t.Registry, now)
		if next := sched.Next(now); !next.IsZero() {
			sleep = min(sleep, next.Sub(now))
		}
	}
	return max(sleep, time.Millisecond)
}

func (s *Service) startScheduled(ctx context.Context, name string, now time.Time) {
	run, started, err := s.Runs.StartRun(ctx, name, model.TriggerSchedule, now)
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
	case err != nil:
		s.Logger.ErrorContext(ctx, "scheduled run not started", "registry", name, "error", err)
	case started:
		s.Logger.InfoContext(ctx, "scheduled run started", "registry", name, "run", run.ID)
	default:
		s.Logger.WarnContext(ctx, "schedule due while a run is under way", "registry", name, "run", run.ID)
	}
}

// startListings lists every run in state listing that is not being listed yet,
// as far as there is room; the end of a listing wakes the loop again.
func (s *Service) startListings(ctx context.Context, group *errgroup.Group) {
	runs, err := s.Runs.Listing(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "open runs not read", "error", err)
		}
		return
	}
	for _, run := range runs {
		listCtx, cancel := context.WithCancel(ctx)
		if !s.claim(run.ID, cancel) {
			cancel()
			continue
		}
		started := group.TryGo(func() error {
			defer s.release(run.ID)
			err := s.listRun(listCtx, run)
			switch {
			case err == nil:
				s.nudge() // there is room for the next
			case listCtx.Err() == nil:
				// Our own house failed; the loop's next round tries again.
				s.Logger.ErrorContext(ctx, "listing failed", "registry", run.Registry, "run", run.ID, "error", err)
			}
			return nil
		})
		if !started {
			s.release(run.ID)
			return
		}
	}
}

// claim marks a run as being listed here; false when it is already.
func (s *Service) claim(id int64, cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listing[id] != nil {
		return false
	}
	s.listing[id] = cancel
	return true
}

func (s *Service) release(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listing[id]()
	delete(s.listing, id)
	delete(s.rests, id)
}

// Sweep applies retention once.
func (s *Service) Sweep(ctx context.Context) error {
	r := s.Retention
	r.Now = s.Now()
	swept, err := s.Contents.Sweep(ctx, r)
	if swept != (model.Swept{}) {
		s.Logger.InfoContext(ctx, "retention applied", "images", swept.Images, "finding_lists", swept.FindingLists,
			"package_sets", swept.PackageSets, "layers", swept.Layers, "runs", swept.Runs)
	}
	return err
}

const day = 24 * time.Hour

// retentionOf fills in what is not set: untagged images are kept 30 days, layers
// 30 days, orphans a day, and the newest 50 runs of each registry.
func retentionOf(r model.Retention) model.Retention {
	r.Untagged, r.Layers = cmp.Or(r.Untagged, 30*day), cmp.Or(r.Layers, 30*day)
	r.Orphans, r.Runs = cmp.Or(r.Orphans, day), cmp.Or(r.Runs, 50)
	return r
}
