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
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

const (
	// databasePoll is how often the configured file is looked at.
	databasePoll = 2 * time.Second
	// databaseRetry is the pause after a failure that may pass; copies are large.
	databaseRetry = time.Minute
)

// database follows a vulnerability database: when the file changes, scans get a
// matcher over the new one. Of a file that somebody else keeps, scans read a copy
// in the data directory, because a file that is written over while it is mapped
// would end the process; what the daemon pulls itself is never written over. A
// bad new file never replaces a good database.
type database struct {
	path    string    // empty: there is none
	dir     string    // for copies; this daemon's own
	updates *dbUpdate // what brings the file at path; nil when somebody else does
	maxAge  time.Duration
	use     func(scanjob.Matcher)
	log     *slog.Logger
	now     func() time.Time

	mu     sync.Mutex
	loaded *loadedDB
	seen   [2]fileState // of the database and its metadata, as last tried
	again  time.Time    // when to try the same once more; zero: not
}

// loadedDB is the database in use.
type loadedDB struct {
	*vulndb.DB
	copy       string // folder of the copy that is read; empty without one
	source     fetch.Source
	ecosystems []vulndb.Ecosystem
	at         time.Time
}

func (l *loadedDB) close() error {
	if l.copy == "" {
		return l.Close()
	}
	return errors.Join(l.Close(), os.RemoveAll(l.copy))
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

// Open takes the file into use. A configured one that cannot be used is an error;
// none configured is not, and one that is still to be pulled is not.
func (d *database) Open() error {
	if err := os.RemoveAll(d.dir); err != nil { // copies of a process before
		return fmt.Errorf("daemon: clear old copies of the vulnerability database: %w", err)
	}
	if d.path == "" {
		d.log.Warn("no vulnerability database is configured: nothing will be found in images", "settings", "vulndb.file, vulndb.update")
		return nil
	}
	err := d.follow()
	if d.updates == nil && err != nil {
		return fault.New(fault.Invalid, "vulnerability database: %w", err).
			WithHint("vulndb.file must name a trivy.db, with its metadata.json beside it")
	}
	if err != nil {
		d.log.Warn("no vulnerability database yet: images are listed, and judged when it has been pulled", "reason", err)
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
		err := d.follow()
		if d.updates != nil && errors.Is(err, fs.ErrNotExist) {
			continue // not pulled yet
		}
		if err != nil {
			d.log.Error("the new vulnerability database is not used; the old one stays", "file", d.path, "error", err)
		}
	}
}

// follow loads the file if it has changed since it was last tried, or if that
// failed for a reason that may pass.
func (d *database) follow() error {
	state, err := stateOf(d.path)
	if errors.Is(err, fs.ErrNotExist) && d.loaded != nil {
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
	loaded, err := d.load()
	if err != nil {
		if !errors.Is(err, vulndb.ErrCorrupt) && !errors.Is(err, vulndb.ErrSchema) {
			d.again = d.now().Add(databaseRetry) // not the file's fault: a full disk, say
		}
		return err
	}
	d.use(scanjob.NewMatcher(loaded.DB))

	d.mu.Lock()
	old := d.loaded
	d.loaded = loaded
	d.mu.Unlock()
	d.log.Info("vulnerability database loaded", "revision", loaded.Revision(), "updated_at", loaded.Metadata().UpdatedAt)
	if old == nil {
		return nil
	}
	return old.close()
}

func (d *database) load() (*loadedDB, error) {
	l := &loadedDB{at: d.now()}
	err := l.open(d)
	if err != nil {
		if l.copy != "" {
			err = errors.Join(err, os.RemoveAll(l.copy))
		}
		return nil, err
	}
	if l.source, err = fetch.SourceOf(d.path); err == nil {
		l.ecosystems, err = l.Ecosystems()
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *loadedDB) open(d *database) (err error) {
	if d.updates != nil {
		l.DB, err = vulndb.Open(d.path)
		return err
	}
	l.copy = filepath.Join(d.dir, fmt.Sprint(l.at.UnixNano()))
	l.DB, err = openCopy(d.path, l.copy)
	return err
}

func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.loaded == nil {
		return nil
	}
	d.use(nil)
	return d.loaded.close()
}

// Status is what the API says of the database.
func (d *database) Status() api.DB {
	d.mu.Lock()
	defer d.mu.Unlock()
	var shown api.DB
	if d.updates != nil {
		shown.CheckedAt, shown.NextCheck, shown.UpdateError = d.updates.state()
	}
	if d.loaded == nil {
		return shown
	}
	metadata := d.loaded.Metadata()
	shown.Present, shown.Revision, shown.LoadedAt = true, d.loaded.Revision(), d.loaded.at
	shown.UpdatedAt, shown.NextUpdate = metadata.UpdatedAt, metadata.NextUpdate
	shown.Stale = d.stale(metadata.UpdatedAt)
	shown.Source, shown.Digest = d.loaded.source.Repository+d.loaded.source.File, d.loaded.source.Digest
	for _, e := range d.loaded.ecosystems {
		shown.Ecosystems = append(shown.Ecosystems, api.Ecosystem(e))
	}
	return shown
}

// stale says whether a database built then is too old.
func (d *database) stale(built time.Time) bool { return d.maxAge > 0 && d.now().Sub(built) > d.maxAge }

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
