package store

import (
	"flag"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/simtest"
	"github.com/muster-sec/muster/syncer/storetest"
)

// simSeeds is small because every world has up to five databases that sync to
// disk; the memory stores of syncer/simtest run through many more.
var simSeeds = flag.Int("sim.seeds", 4, "worlds to simulate on SQLite")

// TestSimulationOnSQLite runs the state machines of both sides on real databases
// under seeded faults, restores of a primary from a backup included.
func TestSimulationOnSQLite(t *testing.T) {
	t.Parallel()
	total := simtest.Report{}
	for seed := range uint64(*simSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			report, err := simtest.Run(t.Context(), seed, sqliteStores(t))
			if err != nil {
				t.Error(err)
			}
			total.Applied += report.Applied
			total.Faults += report.Faults
		})
	}
	if total.Applied == 0 || total.Faults == 0 {
		t.Errorf("nothing happened: %+v", total)
	}
}

func sqliteStores(t *testing.T) simtest.Stores {
	return simtest.Stores{
		Feed: func() (storetest.Feed, error) { return writtenFeed{open(t).Feed(), simtest.Priority()}, nil },
		Copy: func() (syncer.MemberStore, error) { return open(t).Replica(), nil },
		Backup: func(f storetest.Feed) (storetest.Feed, error) {
			path := filepath.Join(t.TempDir(), "backup.db")
			if _, err := f.(writtenFeed).s.writes.ExecContext(t.Context(), `VACUUM INTO ?`, path); err != nil {
				return nil, err
			}
			s, err := Open(t.Context(), Options{Path: path})
			if err != nil {
				return nil, err
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return writtenFeed{s.Feed(), simtest.Priority()}, nil
		},
	}
}
