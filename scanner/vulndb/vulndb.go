// Package vulndb reads a vulnerability database in trivy-db's format, schema 2:
// a bbolt file with one bucket per distribution release or language data source
// (advisories by package and vulnerability), one bucket of vulnerability
// details, and one that tells which data source a bucket comes from. It opens
// the file itself, read-only and without any process-wide handle, so that a new
// database can take over while scans still read the old one.
package vulndb

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	bolt "go.etcd.io/bbolt"
)

// Schema is the schema version this package reads.
const Schema = 2

const (
	detailBucket = "vulnerability"
	sourceBucket = "data-source"
	// channelBucket maps what Red Hat builds from to the products it counts for.
	channelBucket = "Red Hat CPE"
	openTimeout   = 5 * time.Second
)

// Errors that Open and the readers wrap.
var (
	// ErrCorrupt says that the file is damaged, cut short, or no bbolt file.
	ErrCorrupt = errors.New("vulndb: damaged database file")
	// ErrSchema says that the file is intact but not a database of this schema.
	ErrSchema = errors.New("vulndb: not a vulnerability database of schema 2")
)

// Detail is what is known about a vulnerability whatever package has it.
type Detail = types.Vulnerability

// DB is an open database. It is safe for concurrent use; Close waits for reads
// that are under way.
type DB struct {
	bolt     *bolt.DB
	metadata Metadata
	revision string
	buckets  []string
	sources  map[string]*types.DataSource
}

// Open opens the database file at path after looking through all of it for
// damage, which takes about a third of a second for each gigabyte. A metadata.json
// beside it tells its age; without one the age is unknown. The error wraps
// ErrCorrupt, ErrSchema or what the file system said.
func Open(path string) (*DB, error) {
	// Where the path is a link, metadata.json has to be that of the same version
	// even if the link is replaced meanwhile.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vulndb: open: %w", err)
	}
	db, err := openFile(f)
	if err != nil {
		// bbolt closes the file when it fails; closing it twice does no harm.
		_ = f.Close()
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	return db, nil
}

func openFile(f *os.File) (*DB, error) {
	sum, size, err := checkFile(f)
	if err != nil {
		return nil, err
	}
	metadata, revision, err := identify(f.Name(), sum, size)
	if err != nil {
		return nil, err
	}
	db := &DB{metadata: metadata, revision: revision, sources: map[string]*types.DataSource{}}
	err = guard(func() (err error) {
		// bbolt maps the very file that was checked, whatever the path names by now.
		same := func(string, int, fs.FileMode) (*os.File, error) { return f, nil }
		db.bolt, err = bolt.Open(f.Name(), 0o400, &bolt.Options{ReadOnly: true, Timeout: openTimeout, OpenFile: same})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if err := db.readDirectory(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close releases the file.
func (db *DB) Close() error { return db.bolt.Close() }

// Revision names the content: equal revisions give equal findings.
func (db *DB) Revision() string { return db.revision }

// Metadata tells when the database was built and when the next is due.
func (db *DB) Metadata() Metadata { return db.metadata }

// Buckets returns the names of the buckets that hold advisories, sorted. The
// caller must not change the slice.
func (db *DB) Buckets() []string { return db.buckets }

// HasBucket reports whether there is a bucket of advisories with this name.
func (db *DB) HasBucket(name string) bool {
	_, found := slices.BinarySearch(db.buckets, name)
	return found
}

// Detail returns what is known about a vulnerability; false when it is unknown
// (a rejected CVE, for example).
func (db *DB) Detail(id string) (Detail, bool, error) {
	var detail Detail
	var found bool
	err := db.view(func(tx *bolt.Tx) error {
		value := tx.Bucket([]byte(detailBucket)).Get([]byte(id))
		if value == nil {
			return nil
		}
		found = true
		return json.Unmarshal(value, &detail)
	})
	if err != nil {
		return Detail{}, false, fmt.Errorf("vulndb: detail of %s: %w", id, err)
	}
	return detail, found, nil
}

// readDirectory reads which buckets there are and where they come from.
func (db *DB) readDirectory() error {
	return db.view(func(tx *bolt.Tx) error {
		sources := tx.Bucket([]byte(sourceBucket))
		if sources == nil || tx.Bucket([]byte(detailBucket)) == nil {
			return fmt.Errorf("%w: bucket %q or %q is missing", ErrSchema, sourceBucket, detailBucket)
		}
		err := sources.ForEach(func(name, value []byte) error {
			source := &types.DataSource{}
			if err := json.Unmarshal(value, source); err != nil {
				return fmt.Errorf("%w: data source of %s: %w", ErrSchema, name, err)
			}
			db.sources[string(name)] = source
			return nil
		})
		if err != nil {
			return err
		}
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			if n := string(name); n != sourceBucket && n != detailBucket && n != channelBucket {
				db.buckets = append(db.buckets, n)
			}
			return nil
		})
	})
}

func (db *DB) view(read func(*bolt.Tx) error) error {
	return guard(func() error { return db.bolt.View(read) })
}

// guard turns bbolt's panics, and the fault of reading a mapped page that the
// file no longer has because somebody cut it short in place, into ErrCorrupt.
func guard(f func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, r)
		}
	}()
	return f()
}
