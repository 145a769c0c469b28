package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/schedule"
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

// A pull that failed is tried again after dbRetryFirst, then twice as long each
// time, and at the latest when the schedule says so: the public places limit how
// often they are asked.
const (
	dbRetryFirst = 10 * time.Minute
	dbRetryMost  = 6 * time.Hour
)

// dbUpdate pulls the vulnerability database into a folder of the daemon on a
// schedule; type database follows the folder.
type dbUpdate struct {
	pull     func(context.Context) (fetch.Result, error)
	status   func() (fetch.Status, error)
	schedule schedule.Schedule
	log      *slog.Logger
	now      func() time.Time

	mu      sync.Mutex
	checked time.Time // when a pull last succeeded
	next    time.Time
	failed  string // why the last one did not; empty when it did
}

// newDBUpdate makes the updater of a folder. Logins for mirrors are those of
// docker login, where DOCKER_CONFIG names a folder with them.
func newDBUpdate(c config.VulnDB, dir, version string, log *slog.Logger, now func() time.Time) (*dbUpdate, error) {
	times, err := schedule.Parse(c.Update)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	updater, err := fetch.New(dir, fetch.Options{
		Repositories: c.Repositories, Keychain: authn.DefaultKeychain, Transport: transport,
		UserAgent: "muster/" + version, Now: now, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("daemon: %w", err)
	}
	pull := func(ctx context.Context) (fetch.Result, error) {
		defer transport.CloseIdleConnections() // the next pull is hours away
		return updater.Update(ctx, false)
	}
	return &dbUpdate{pull: pull, status: updater.Status, schedule: times, log: log, now: now}, nil
}

// Run pulls until ctx ends: at once when there is no database or the schedule was
// due while the daemon was down, then when the schedule says so.
func (u *dbUpdate) Run(ctx context.Context) error {
	u.mu.Lock()
	u.next = u.first()
	u.mu.Unlock()
	retry := dbRetryFirst
	for {
		u.mu.Lock()
		pause := u.next.Sub(u.now())
		u.mu.Unlock()
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		retry = u.once(ctx, retry)
	}
}

// first is when the first pull is due.
func (u *dbUpdate) first() time.Time {
	held, err := u.status()
	if err != nil {
		return u.now()
	}
	return u.schedule.Next(held.Source.At)
}

// once pulls, and gives the pause before the next try in case that one fails too.
func (u *dbUpdate) once(ctx context.Context, retry time.Duration) time.Duration {
	result, err := u.pull(ctx)
	if ctx.Err() != nil {
		return retry
	}
	now := u.now()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.next = u.schedule.Next(now)
	if err != nil {
		u.failed = err.Error()
		if at := now.Add(retry); at.Before(u.next) || u.next.IsZero() {
			u.next = at
		}
		u.log.Error("the vulnerability database was not updated; the one in use stays", "error", err, "next_try", u.next)
		return min(2*retry, dbRetryMost)
	}
	u.checked, u.failed = now, ""
	u.log.Info("vulnerability database is up to date", "changed", result.Changed, "revision", result.Revision,
		"from", result.Source.Repository, "built_at", result.Metadata.UpdatedAt, "next_update", u.next)
	return dbRetryFirst
}

// state tells how the pulls go.
func (u *dbUpdate) state() (checked, next time.Time, failed string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.checked, u.next, u.failed
}
