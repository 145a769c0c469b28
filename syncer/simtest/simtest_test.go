package simtest_test

import (
	"flag"
	"fmt"
	"testing"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/memstore"
	"github.com/muster-sec/muster/syncer/simtest"
	"github.com/muster-sec/muster/syncer/storetest"
)

func stores() simtest.Stores {
	return simtest.Stores{
		Feed: func() (storetest.Feed, error) { return memstore.NewPrimary(simtest.Priority(), 1), nil },
		Copy: func() (syncer.MemberStore, error) { return memstore.NewMember(), nil },
		Backup: func(f storetest.Feed) (storetest.Feed, error) {
			p, ok := f.(*memstore.Primary)
			if !ok {
				return nil, fmt.Errorf("backup of a %T", f)
			}
			return p.Snapshot(), nil
		},
	}
}

// The flags let a longer run be asked for: go test ./syncer/simtest -seeds 100000.
var (
	seeds = flag.Uint64("seeds", 200, "how many worlds to simulate")
	first = flag.Uint64("first", 0, "the seed of the first world")
)

func TestPromisesHoldInEveryWorld(t *testing.T) {
	t.Parallel()
	var total simtest.Report
	for seed := *first; seed < *first+*seeds; seed++ {
		report, err := simtest.Run(t.Context(), seed, stores())
		if err != nil {
			t.Errorf("%v\n%+v", err, report)
		}
		total.Applied += report.Applied
		total.Sessions += report.Sessions
		total.Faults += report.Faults
		total.Epochs += report.Epochs
		total.Orphans += report.Orphans
	}
	t.Logf("%d worlds: %+v", *seeds, total)
	if *seeds >= 100 && (total.Applied == 0 || total.Epochs == 0 || total.Orphans == 0 || total.Faults == 0) {
		t.Errorf("the worlds were idle: %+v", total)
	}
}

func TestASeedIsAWorld(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		a, errA := simtest.Run(t.Context(), seed, stores())
		b, errB := simtest.Run(t.Context(), seed, stores())
		if a != b || (errA == nil) != (errB == nil) {
			t.Errorf("seed %d: %+v (%v), then %+v (%v)", seed, a, errA, b, errB)
		}
	}
}
