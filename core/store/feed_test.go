package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/storetest"
)

// writtenFeed is a Feed with the writing side that the conformance suite and the
// simulation want.
type writtenFeed struct {
	*Feed
	priority syncer.Priority
}

func (f writtenFeed) Write(ctx context.Context, records ...syncer.Record) (revision uint64, err error) {
	err = f.s.write(ctx, func(tx *sql.Tx) error {
		revision, err = f.s.writeFeed(tx, f.priority, records)
		return err
	})
	return revision, err
}

func (f writtenFeed) Collect(ctx context.Context, upTo uint64) error {
	return f.s.write(ctx, func(tx *sql.Tx) error {
		return collectTombstones(tx, `deleted_at > 0 AND revision <= ?`, upTo)
	})
}

func TestFeedConforms(t *testing.T) {
	t.Parallel()
	storetest.Primary(t, func(t *testing.T) storetest.Feed { return writtenFeed{open(t).Feed(), storetest.Priority()} })
}

// readReplica is a Replica with the reading side that the suite wants. It owns
// its store, so that the suite can reopen it.
type readReplica struct {
	*Replica
	path string
}

func (r readReplica) Record(stream syncer.Stream, kind, key string) (record syncer.Record, ok bool) {
	err := r.s.read(context.Background(), func(tx *sql.Tx) error {
		path := syncer.PathOf(kind, key)
		id, err := streamID(tx, stream)
		if err != nil {
			return err
		}
		row := tx.QueryRow(`SELECT `+recordColumns+` FROM feed_records WHERE stream = ? AND path = ?`, id, path[:])
		record, err = r.s.feed.codec.scanRecord(stream.Scope, row.Scan)
		return err
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		panic(err)
	}
	return record, err == nil
}

func openReplica(t *testing.T, path string) readReplica {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return readReplica{Replica: s.Replica(), path: path}
}

func TestReplicaConforms(t *testing.T) {
	t.Parallel()
	var last readReplica
	closeLast := func(t *testing.T) {
		t.Helper()
		if err := last.s.Close(); err != nil {
			t.Error(err)
		}
	}
	storetest.Member(t, func(t *testing.T) storetest.Copy {
		last = openReplica(t, filepath.Join(t.TempDir(), "muster.db"))
		t.Cleanup(func() { closeLast(t) })
		return last
	}, func(t *testing.T, _ storetest.Copy) storetest.Copy {
		closeLast(t)
		last = openReplica(t, last.path)
		return last
	})
}
