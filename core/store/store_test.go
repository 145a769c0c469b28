package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/muster-sec/muster/core/fault"
)

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "muster.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *Store) metaKeys(t *testing.T) int {
	t.Helper()
	var n int
	if err := s.reads.QueryRow(`SELECT count(*) FROM meta`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestConcurrentWritesShareCommitsAndFailAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	boom := errors.New("boom")
	var wg sync.WaitGroup
	errs := make([]error, 90)
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.write(t.Context(), func(tx *sql.Tx) error {
				if _, err := tx.Exec(`INSERT INTO meta VALUES (?, '')`, i); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					return boom
				case 2:
					panic("a bug in a write")
				}
				return nil
			})
		})
	}
	wg.Wait()
	for i, err := range errs {
		if (err == nil) != (i%3 == 0) {
			t.Errorf("write %d: error %v", i, err)
		}
		if i%3 == 1 && !errors.Is(err, boom) {
			t.Errorf("write %d: %v does not wrap the cause", i, err)
		}
	}
	if got := s.metaKeys(t); got != 30 {
		t.Errorf("%d rows, want the 30 that succeeded", got)
	}
}

func TestCancelledWriteChangesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO meta VALUES ('x', '')`)
		return err
	})
	if !errors.Is(err, context.Canceled) || s.metaKeys(t) != 0 {
		t.Errorf("error %v, %d rows", err, s.metaKeys(t))
	}
}

func TestReopenKeepsDataAndRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "muster.db")
	for i := range 2 {
		s, err := Open(t.Context(), Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.metaKeys(t); got != i {
			t.Errorf("opening %d: %d rows", i, got)
		}
		err = s.write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO meta VALUES (?, '')`, i)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if _, err := s.writes.Exec(`INSERT INTO migrations (name) VALUES ('9999_later')`); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), Options{Path: path}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("opening a newer schema: %v, want a conflict", err)
	}
}

// Databases hold hashes of passwords: nobody but their owner reads them, whatever
// the umask is and whoever made the file.
func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "muster.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
}
