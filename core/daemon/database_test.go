package daemon

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/scanner/vulndb"
	dbbuild "github.com/muster-sec/muster/scanner/vulndb/build"
)

func writeDB(t *testing.T, dir string, updated time.Time) (path string) {
	t.Helper()
	path, err := dbbuild.Write(dir, dbbuild.Content{UpdatedAt: updated})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestADatabaseIsTriedAgainUnlessItIsBad(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), built()
	d := &database{
		path: writeDB(t, dir, built()), dir: filepath.Join(dir, "copies"), maxAge: 48 * time.Hour, use: func(scanjob.Matcher) {},
		log: slog.New(slog.NewTextHandler(t.Output(), nil)), now: func() time.Time { return now },
	}
	if err := d.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})

	// Nothing can be copied for a while, as on a full disk.
	newer := built().Add(24 * time.Hour)
	writeDB(t, dir, newer)
	good := d.dir
	d.dir = filepath.Join(d.path, "no folder")
	if err := d.follow(); err == nil {
		t.Fatal("a copy was made in a file: the test sees nothing")
	}
	d.dir = good
	if err := d.follow(); err != nil || !d.Status().UpdatedAt.Equal(built()) {
		t.Errorf("tried again at once: database of %s, %v", d.Status().UpdatedAt, err)
	}
	now = now.Add(databaseRetry)
	if err := d.follow(); err != nil || !d.Status().UpdatedAt.Equal(newer) {
		t.Errorf("after the disk has room: database of %s, %v; want the one of %s", d.Status().UpdatedAt, err, newer)
	}

	// A bad file is refused once.
	now = now.Add(time.Second)
	if err := os.WriteFile(d.path, []byte("<html>rate limit exceeded</html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.follow(); !errors.Is(err, vulndb.ErrCorrupt) {
		t.Errorf("a bad file: %v", err)
	}
	now = now.Add(2 * databaseRetry)
	if err := d.follow(); err != nil {
		t.Errorf("a bad file is tried again: %v", err)
	}
	if !d.Status().UpdatedAt.Equal(newer) {
		t.Error("a bad file took the place of the database")
	}
}
