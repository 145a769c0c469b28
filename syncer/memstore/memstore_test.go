package memstore_test

import (
	"testing"

	"github.com/muster-sec/muster/syncer/memstore"
	"github.com/muster-sec/muster/syncer/storetest"
)

func TestPrimary(t *testing.T) {
	t.Parallel()
	storetest.Primary(t, func(*testing.T) storetest.Feed { return memstore.NewPrimary(storetest.Priority(), 1) })
}

func TestMember(t *testing.T) {
	t.Parallel()
	same := func(_ *testing.T, c storetest.Copy) storetest.Copy { return c }
	storetest.Member(t, func(*testing.T) storetest.Copy { return memstore.NewMember() }, same)
}
