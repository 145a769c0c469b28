package store

import (
	"testing"
	"time"

	"github.com/muster-sec/muster/core/model"
)

// sweepFor applies retention on each store as of now.
func sweepFor(t *testing.T, now time.Time, stores ...*Store) {
	t.Helper()
	for _, s := range stores {
		_, err := s.Sweep(t.Context(), model.Retention{
			Now: now, Untagged: 30 * 24 * time.Hour, Orphans: 24 * time.Hour, Layers: time.Hour, Runs: 9,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// federatedAndLocal is a primary with a federated and a local registry, and a member of it.
func federatedAndLocal(t *testing.T) (home, west *Store, now *time.Time) {
	t.Helper()
	home, now = clocked(t)
	west = open(t)
	enter(t, home, model.Primary)
	enter(t, west, model.Managed)
	for _, name := range []string{"dev", "fed.prod"} {
		if err := home.AddRegistry(t.Context(), model.Registry{Name: name, Type: "oci", URL: "https://h.example", CreatedAt: *now}); err != nil {
			t.Fatal(err)
		}
	}
	return home, west, now
}

// pointBack lists a known digest under a tag again.
func pointBack(t *testing.T, s *Store, registry, tag string, digest model.Digest) {
	t.Helper()
	run, _, err := s.StartRun(t.Context(), registry, model.TriggerManual, s.now())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.AddListed(t.Context(), model.ListedPart{
		Run: run.ID, Registry: registry,
		Tags:  []model.Tag{{Registry: registry, Host: "h.example", Repository: "app", Tag: tag, Digest: digest, SeenAt: s.now()}},
		Items: []model.ListedItem{{Repository: "app", Digest: digest, State: model.JobUnchanged}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndListing(t.Context(), run.ID, model.ListingEnd{}); err != nil {
		t.Fatal(err)
	}
}

// A tag goes forward and back while the image stays on the primary for a local
// registry: the primary never takes its findings back, so it never sends them
// again, and the member must not have lost them.
func TestAMemberKeepsFindingsThatTheFeedHolds(t *testing.T) {
	t.Parallel()
	home, west, now := federatedAndLocal(t)
	image := digestOf("a")
	scanDigest(t, home, "dev", "1", image, "CVE-1")
	pointBack(t, home, "fed.prod", "1", image)
	pump(t, home, west)

	scanDigest(t, home, "fed.prod", "1", digestOf("b"), "CVE-2")
	for range 3 {
		sweepFor(t, *now, home, west)
		pump(t, home, west)
		*now = now.Add(13 * time.Hour)
	}
	if n := count(t, west, `SELECT count(*) FROM verdicts WHERE digest = ?`, image); n != 0 {
		t.Fatalf("%d verdicts of a withdrawn image: the test sees nothing", n)
	}
	sweepFor(t, *now, home, west)

	pointBack(t, home, "fed.prod", "1", image)
	pump(t, home, west)
	known, err := index(t, west).Verdicts(t.Context(), image)
	if err != nil || len(known) != 1 || !known[0].FindingsKnown {
		t.Errorf("verdicts of the image that is back: %+v, %v; want one with its findings", known, err)
	}

	// What the primary does take back goes on both.
	if err := home.RemoveRegistry(t.Context(), "fed.prod"); err != nil {
		t.Fatal(err)
	}
	if err := home.RemoveRegistry(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		sweepFor(t, *now, home, west)
		pump(t, home, west)
		*now = now.Add(31 * 24 * time.Hour)
	}
	sweepFor(t, *now, home, west)
	for _, s := range []*Store{home, west} {
		if lists, sets := countRows(t, s, "finding_lists"), countRows(t, s, "package_sets"); lists+sets != 0 {
			t.Errorf("%d finding lists and %d package sets stay for ever", lists, sets)
		}
	}
}

// A scan that finds other packages, and a later one that finds the first again.
func TestAMemberKeepsPackageSetsThatTheFeedHolds(t *testing.T) {
	t.Parallel()
	home, west, now := federatedAndLocal(t)
	image := digestOf("a")
	rescan := func(set string) {
		t.Helper()
		sc := scanResult(model.Job{Registry: "fed.prod", Repository: "app", Digest: image}, *now, "CVE-1")
		sc.Inventory, sc.Sets = []byte(`{"sources":[{"set":"`+set+`"}]}`), map[string][]byte{set: []byte(`{}`)}
		if err := home.SaveScan(t.Context(), sc); err != nil {
			t.Fatal(err)
		}
		pump(t, home, west)
	}
	scanDigest(t, home, "fed.prod", "1", image, "CVE-1")
	first, err := column[string](home.reads.Query(`SELECT hash FROM package_sets`))
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	scanDigest(t, home, "dev", "1", digestOf("b"), "CVE-1") // has the same packages
	rescan("another")
	for range 4 {
		sweepFor(t, *now, home, west)
		pump(t, home, west)
		*now = now.Add(13 * time.Hour)
	}
	rescan(first[0])
	missing := `SELECT count(*) FROM inventory_sets s WHERE NOT EXISTS (SELECT 1 FROM package_sets p WHERE p.hash = s.hash)`
	if n := count(t, west, missing); n != 0 {
		t.Errorf("%d package sets that an inventory names are not there", n)
	}
}
