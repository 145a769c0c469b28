package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/scanner/vulndb"
)

const (
	// databasePoll is how often the configured file is looked at.
	databasePoll = 2 * time.Second
	// databaseRetry is the pause after a failure that may pass; copies are large.
	databaseRetry = time.Minute
	// databaseStale is the age at which a database is said to be stale.
	databaseStale = 7 * 24 * time.Hour
)

// database follows the configured vulnerability database: when the file
// changes, scans get a matcher over the new one. What scans read is a copy in
// the data directory, because a file that is written over while it is mapped
// would end the process. A bad new file never replaces a good database.
type database struct {
	path string // empty: there is none
	dir  string // for copies; this daemon's own
	use  func(scanjob.Matcher)
	log  *slog.Logger
	now  func() time.Time

	mu       sync.Mutex
	db       *vulndb.DB
	copy     string       // folder of the copy that db reads
	seen     [2]fileState // of the database and its metadata, as last tried
	again    time.Time    // when to try the same once more; zero: not
	loadedAt time.Time
}

// fileState tells a changed file; zero stands for none.
type fileState struct {
	size     int64
	modified time.Time
}

func stateOf(path string) (fileState, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}, err
	}
	return fileState{info.Size(), info.ModTime()}, nil
}

// Open takes the configured file into use. A configured database that cannot be
// used is an error; none configured is not.
func (d *database) Open() error {
	if err := os.RemoveAll(d.dir); err != nil { // copies of a process before
		return fmt.Errorf("daemon: clear old copies of the vulnerability database: %w", err)
	}
	if d.path == "" {
		d.log.Warn("no vulnerability database is configured: nothing will be found in images", "setting", "vulndb.file")
		return nil
	}
	if err := d.follow(); err != nil {
		return fault.New(fault.Invalid, "vulnerability database: %w", err).
			WithHint("vulndb.file must name a trivy.db, with its metadata.json beside it")
	}
	return nil
}

// Run looks for a changed file until ctx ends.
func (d *database) Run(ctx context.Context) error {
	tick := time.NewTicker(databasePoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), d.close())
		case <-tick.C:
		}
		if d.path == "" {
			continue
		}
		if err := d.follow(); err != nil {
			d.log.Error("the new vulnerability database is not used; the old one stays", "file", d.path, "error", err)
		}
	}
}

// follow loads the file if it has changed since it was last tried, or if that
// failed for a reason that may pass.
func (d *database) follow() error {
	state, err := stateOf(d.path)
	if errors.Is(err, fs.ErrNotExist) && d.db != nil {
		return nil // being replaced: the next look finds it
	}
	if err != nil {
		return err
	}
	metadata, err := stateOf(metadataOf(d.path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	seen := [2]fileState{state, metadata}
	if seen == d.seen && (d.again.IsZero() || d.now().Before(d.again)) {
		return nil
	}
	d.seen, d.again = seen, time.Time{}
	dir := filepath.Join(d.dir, fmt.Sprint(d.now().UnixNano()))
	db, err := openCopy(d.path, dir)
	if err != nil {
		if !errors.Is(err, vulndb.ErrCorrupt) && !errors.Is(err, vulndb.ErrSchema) {
			d.again = d.now().Add(databaseRetry) // not the file's fault: a full disk, say
		}
		return errors.Join(err, os.RemoveAll(dir))
	}
	d.use(scanjob.NewMatcher(db))

	d.mu.Lock()
	old, oldDir := d.db, d.copy
	d.db, d.copy, d.loadedAt = db, dir, d.now()
	d.mu.Unlock()
	d.log.Info("vulnerability database loaded", "revision", db.Revision(), "updated_at", db.Metadata().UpdatedAt)
	if old == nil {
		return nil
	}
	return errors.Join(old.Close(), os.RemoveAll(oldDir))
}

func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.db == nil {
		return nil
	}
	d.use(nil)
	return errors.Join(d.db.Close(), os.RemoveAll(d.copy))
}

// Status is what the API says of the database.
func (d *database) Status() api.DB {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.db == nil {
		return api.DB{}
	}
	updated := d.db.Metadata().UpdatedAt
	return api.DB{
		Present: true, Revision: d.db.Revision(), UpdatedAt: updated, LoadedAt: d.loadedAt,
		Stale: d.now().Sub(updated) > databaseStale,
	}
}

// openCopy copies a database and its metadata into a new folder and opens it there.
func openCopy(path, dir string) (*vulndb.DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	target := filepath.Join(dir, filepath.Base(path))
	if err := copyFile(path, target); err != nil {
		return nil, err
	}
	err := copyFile(metadataOf(path), metadataOf(target))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return vulndb.Open(target)
}

// metadataOf is the metadata file beside a database.
func metadataOf(path string) string { return filepath.Join(filepath.Dir(path), vulndb.MetadataFile) }

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
