package scanjob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/muster-sec/muster/core/model"
)

// Options are what a service needs. All but the numbers must be set.
type Options struct {
	Jobs        Jobs
	Results     Results
	Matched     Matched
	Inventories Inventories
	Scanner     Scanner
	Credentials Credentials
	Expander    Expander
	Queue       Queue
	Auditor     Auditor
	Logger      *slog.Logger
	Now         func() time.Time
	// Owner names this daemon in leases: no two daemons that share rows have the
	// same one, and one that starts again has its old one.
	Owner string

	Workers  int           // scans at a time; 2 when zero
	Lease    time.Duration // how long a worker may be silent; a minute when zero
	Timeout  time.Duration // of one scan; 20 minutes when zero
	Attempts int           // of one job; 3 when zero
}

// Service runs scans and keeps findings up to date. It is safe for concurrent use.
type Service struct {
	Options
	changed chan struct{} // the matcher was replaced

	// saving is held for reading while a result is matched and written, and for
	// writing while the matcher changes or a re-match replaces results: what is
	// written is never older than what it replaces.
	saving  sync.RWMutex
	matcher Matcher
}

// New makes a service; Run does its work. Without a matcher, images are read and
// kept, and get their findings as soon as there is one.
func New(o Options) (*Service, error) {
	if o.Jobs == nil || o.Results == nil || o.Matched == nil || o.Inventories == nil || o.Scanner == nil ||
		o.Credentials == nil || o.Expander == nil || o.Queue == nil || o.Auditor == nil || o.Logger == nil ||
		o.Now == nil || o.Owner == "" {
		return nil, errors.New("scanjob: a dependency is missing")
	}
	if o.Workers < 0 || o.Lease < 0 || o.Timeout < 0 || o.Attempts < 0 {
		return nil, errors.New("scanjob: numbers must not be negative")
	}
	o.Workers, o.Attempts = cmp.Or(o.Workers, 2), cmp.Or(o.Attempts, 3)
	o.Lease, o.Timeout = cmp.Or(o.Lease, time.Minute), cmp.Or(o.Timeout, 20*time.Minute)
	return &Service{Options: o, changed: make(chan struct{}, 1)}, nil
}

// UseMatcher replaces the matcher. When it returns, no result is being computed
// with the old one, whose database may be closed; a re-match that was under way
// with it ends and starts anew.
func (s *Service) UseMatcher(m Matcher) {
	s.saving.Lock()
	s.matcher = m
	s.saving.Unlock()
	select {
	case s.changed <- struct{}{}:
	default: // a change is pending already
	}
}

// Database tells which vulnerability database scans use; false without one.
func (s *Service) Database() (model.DBVersion, bool) {
	s.saving.RLock()
	defer s.saving.RUnlock()
	if s.matcher == nil {
		return model.DBVersion{}, false
	}
	return s.matcher.Version(), true
}

// Run works until ctx ends: it takes up what a process before it left, scans,
// announces waiting jobs, and re-matches when the matcher changes.
func (s *Service) Run(ctx context.Context) error {
	if err := s.Jobs.Abandon(ctx, s.Owner); err != nil {
		return fmt.Errorf("scanjob: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for range s.Workers {
		group.Go(func() error { return s.Queue.Consume(ctx, s.handle) })
	}
	group.Go(func() error { return s.announce(ctx) })
	group.Go(func() error { return s.followDatabase(ctx) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("scanjob: %w", err)
	}
	return nil
}

// announceEvery is how late a lost message or a retry may be noticed, and
// announcedAtOnce how many rows are looked at.
const (
	announceEvery   = 5 * time.Second
	announcedAtOnce = 1000
)

// announce tells the queue of every row that waits, at the start and again and
// again; the queue drops what it holds already.
func (s *Service) announce(ctx context.Context) error {
	ticker := time.NewTicker(announceEvery)
	defer ticker.Stop()
	for {
		if err := s.Refill(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "waiting jobs not announced", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// Refill announces the rows that wait once.
func (s *Service) Refill(ctx context.Context) error {
	ids, err := s.Jobs.Waiting(ctx, announcedAtOnce)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.Queue.Publish(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// followDatabase re-matches whenever the matcher changes. A failure is tried
// again: findings that answer to an old database are worse than work.
func (s *Service) followDatabase(ctx context.Context) error {
	const again = time.Minute
	retry := time.NewTimer(again)
	retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.changed:
		case <-retry.C:
		}
		retry.Stop()
		if err := s.Rematch(ctx); err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "re-match failed", "error", err)
			retry.Reset(again)
		}
	}
}
