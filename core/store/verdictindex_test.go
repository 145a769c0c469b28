package store

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

func testDigest(c string) model.Digest { return model.Digest("sha256:" + strings.Repeat(c, 64)) }

func index(t *testing.T, s *Store) *VerdictIndex {
	t.Helper()
	ix, err := s.VerdictIndex(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	})
	return ix
}

// putAll runs writes of single facts in one transaction.
func putAll(t *testing.T, s *Store, puts ...func(tx *sql.Tx) error) {
	t.Helper()
	err := s.write(t.Context(), func(tx *sql.Tx) error {
		for _, put := range puts {
			if err := put(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestVerdictIndex(t *testing.T) {
	t.Parallel()
	s := open(t)
	ix := index(t, s)
	list := model.NewFindingList([]model.Finding{
		{ID: "CVE-2", Package: "a", Severity: model.High}, {ID: "CVE-1", Package: "a", Severity: model.Critical}, {ID: "CVE-1", Package: "b", Severity: model.Critical},
	})
	child := func(origin model.Origin, source model.Source, findings string) func(*sql.Tx) error {
		return func(tx *sql.Tx) error {
			return putVerdict(tx, origin, model.Verdict{Digest: testDigest("c"), Source: source, Findings: findings})
		}
	}
	putAll(t, s,
		func(tx *sql.Tx) error { return putFindings(tx, list) },
		child(model.Federated, model.SourceCI, "coming"), child(model.Local, model.SourceCI, list.Hash),
		child(model.Federated, model.SourceScan, "coming"), child(model.Local, model.SourceScan, list.Hash),
		func(tx *sql.Tx) error {
			return putIndex(tx, model.Index{Digest: testDigest("1"), Children: []model.IndexChild{{Digest: testDigest("c")}, {Digest: testDigest("d")}}})
		},
		func(tx *sql.Tx) error {
			return putTag(tx, model.Local, model.Tag{Registry: "r", Host: "reg.example:5000", Repository: "app", Tag: "1", Digest: testDigest("1")})
		},
		func(tx *sql.Tx) error {
			return putTag(tx, model.Federated, model.Tag{Registry: "fed.r", Host: "reg.example:5000", Repository: "app", Tag: "1", Digest: testDigest("c")})
		},
	)

	digests, err := ix.TagDigests(t.Context(), "reg.example:5000", "app", "1")
	if diff := cmp.Diff([]model.Digest{testDigest("1"), testDigest("c")}, digests); diff != "" || err != nil {
		t.Errorf("tag: %v %s", err, diff)
	}
	if other, err := ix.TagDigests(t.Context(), "reg.example", "app", "1"); len(other) > 0 || err != nil {
		t.Errorf("a host without its port: %v, %v", other, err)
	}

	children, err := ix.Children(t.Context(), testDigest("1"))
	if diff := cmp.Diff([]model.Digest{testDigest("c"), testDigest("d")}, children); diff != "" || err != nil {
		t.Errorf("children, of which one has no result: %v %s", err, diff)
	}
	if none, err := ix.Children(t.Context(), testDigest("c")); len(none) > 0 || err != nil {
		t.Errorf("an image has children %v, %v", none, err)
	}

	for _, d := range digests {
		known, err := ix.Verdicts(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range known {
			arrived := "coming"
			if k.FindingsKnown {
				arrived = "arrived"
			}
			got = append(got, string(k.Origin)+" "+string(k.Source)+" "+arrived)
		}
		want := []string{"local scan arrived", "local ci arrived", "fed scan coming", "fed ci coming"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("verdicts of %s: %s", d, diff)
		}
	}

	cves, ok, err := ix.CVEs(t.Context(), list.Hash)
	want := []policy.CVE{{ID: "CVE-1", Severity: model.Critical}, {ID: "CVE-1", Severity: model.Critical}, {ID: "CVE-2", Severity: model.High}}
	if diff := cmp.Diff(want, cves); diff != "" || !ok || err != nil {
		t.Errorf("findings: %v, %v %s", ok, err, diff)
	}
	if _, ok, err := ix.CVEs(t.Context(), "coming"); ok || err != nil {
		t.Errorf("findings that are coming: %v, %v", ok, err)
	}
}
