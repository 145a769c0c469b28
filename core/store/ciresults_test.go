package store

import (
	"database/sql"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// ciDocument is a posted document about an image, and its result before it is kept.
func ciDocument(digest model.Digest, job, hash string, ids ...string) (model.CIResult, model.Document) {
	doc := model.Document{Tool: "trivy", Digest: digest, Packages: []model.Package{{Name: "zlib", Version: "1"}}}
	for _, id := range ids {
		doc.Findings = append(doc.Findings, model.Finding{ID: id, Package: "zlib", Installed: "1", Severity: model.High})
	}
	r := model.CIResult{
		Digest: digest, Reference: "reg.example/app:1", Tool: "trivy", Format: "trivy", Source: "jenkins", Job: job, PostedBy: "pipeline",
		PostedAt: time.UnixMilli(1e12).UTC(), DocumentHash: hash, Counts: model.CountFindings(doc.Findings), Packages: 1,
	}
	return r, doc
}

func saveCI(t *testing.T, s *Store, r model.CIResult, doc model.Document) model.CIResult {
	t.Helper()
	saved, err := s.SaveCIResult(t.Context(), r, doc)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func ciResults(t *testing.T, s *Store) []model.CIResult {
	t.Helper()
	var all []model.CIResult
	for cursor := ""; ; {
		page, next, err := s.CIResults(t.Context(), cursor, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("%d results, %v", len(page), err)
		}
		all = append(all, page...)
		if cursor = next; cursor == "" {
			return all
		}
	}
}

// count is the number of rows that a query counts.
func count(t *testing.T, s *Store, query string, args ...any) (n int) {
	t.Helper()
	if err := s.reads.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A verdict is as old as the tool's scan, where the document tells that.
func TestACIVerdictIsAsOldAsItsScan(t *testing.T) {
	t.Parallel()
	s := open(t)
	ix := index(t, s)
	r, doc := ciDocument(testDigest("a"), "nightly", "h1", "CVE-1")
	r.ScannedAt = r.PostedAt.Add(-48 * time.Hour)
	saveCI(t, s, r, doc)
	known, err := ix.Verdicts(t.Context(), testDigest("a"))
	if err != nil || len(known) != 1 || !known[0].ScannedAt.Equal(r.ScannedAt) {
		t.Errorf("verdicts %+v, %v; want one of %s", known, err, r.ScannedAt)
	}
	if all := ciResults(t, s); !all[0].ScannedAt.Equal(r.ScannedAt) || !all[0].PostedAt.Equal(r.PostedAt) {
		t.Errorf("kept as %+v", all[0])
	}
}

func TestSaveCIResult(t *testing.T) {
	t.Parallel()
	s := open(t)
	ix := index(t, s)
	first := postCI(t, s, testDigest("a"), "nightly", "h1", "CVE-1")

	known, err := ix.Verdicts(t.Context(), testDigest("a"))
	if err != nil || len(known) != 1 || !known[0].FindingsKnown {
		t.Fatalf("verdicts %+v, %v", known, err)
	}
	want := model.Verdict{
		Digest: testDigest("a"), Source: model.SourceCI, Producer: "trivy/jenkins/nightly@pipeline",
		Counts: model.Counts{High: 1}, ScannedAt: first.PostedAt, Findings: first.Findings,
	}
	if diff := cmp.Diff(want, known[0].Verdict); diff != "" {
		t.Error(diff)
	}
	packages, err := s.CIPackages(t.Context(), first.ID)
	if diff := cmp.Diff([]model.Package{{Name: "zlib", Version: "1"}}, packages); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if n := count(t, s, `SELECT count(*) FROM images WHERE digest = ? AND status = 'finished'`, testDigest("a")); n != 1 {
		t.Errorf("%d images", n)
	}

	again := postCI(t, s, testDigest("a"), "nightly", "h1", "CVE-1")
	duplicate := first
	duplicate.Duplicate = true
	if diff := cmp.Diff(duplicate, again); diff != "" {
		t.Errorf("the same document again: %s", diff)
	}
	newer := postCI(t, s, testDigest("a"), "nightly", "h2")
	other := postCI(t, s, testDigest("a"), "weekly", "h2", "CVE-2")
	if newer.ID <= first.ID || newer.Duplicate || other.Duplicate {
		t.Errorf("newer %+v, other %+v", newer, other)
	}
	if diff := cmp.Diff([]model.CIResult{other, newer}, ciResults(t, s)); diff != "" {
		t.Error(diff)
	}
	if known, err = ix.Verdicts(t.Context(), testDigest("a")); err != nil || len(known) != 2 || known[0].Counts != (model.Counts{}) {
		t.Errorf("verdicts %+v, %v", known, err)
	}
}

// postCI keeps the result of a document about an image.
func postCI(t *testing.T, s *Store, digest model.Digest, job, hash string, ids ...string) model.CIResult {
	t.Helper()
	r, doc := ciDocument(digest, job, hash, ids...)
	return saveCI(t, s, r, doc)
}

func TestCIResultWithoutDigestCountsNowhere(t *testing.T) {
	t.Parallel()
	s := open(t)
	r, doc := ciDocument("", "nightly", "h1", "CVE-1")
	saveCI(t, s, r, doc)
	r.DocumentHash = "h2"
	newer := saveCI(t, s, r, doc)
	r.Reference = "reg.example/other:1"
	other := saveCI(t, s, r, doc)
	if diff := cmp.Diff([]model.CIResult{other, newer}, ciResults(t, s)); diff != "" {
		t.Error(diff)
	}
	for _, table := range []string{"verdicts", "images", "tags", "finding_lists"} {
		if n := count(t, s, `SELECT count(*) FROM `+table); n > 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}

func TestCIResultLeavesAKnownImageAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	ours := model.Image{Digest: testDigest("a"), Author: "us", Status: model.ImageScheduled}
	putAll(t, s, func(tx *sql.Tx) error { return putImage(tx, model.Local, ours) })
	postCI(t, s, testDigest("a"), "nightly", "h1")
	if n := count(t, s, `SELECT count(*) FROM images WHERE status = 'scheduled'`); n != 1 {
		t.Error("the image was written over")
	}
}

// primary makes the store that of a primary.
func primary(t *testing.T, s *Store) {
	t.Helper()
	m := model.Membership{Role: model.Primary, ClusterID: "c1", ClusterName: "hq", FederationID: "f1"}
	if err := s.EnterFederation(t.Context(), m, nil, ""); err != nil {
		t.Fatal(err)
	}
}

// travelling are the live records of the feed, as "kind key", without settings.
func travelling(t *testing.T, s *Store) []string {
	t.Helper()
	rows, err := s.reads.Query(`SELECT kind || ' ' || name FROM feed_records WHERE deleted_at = 0 AND kind <> 'settings'`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := collect(rows, func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) })
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func letTravel(t *testing.T, s *Store, on bool) {
	t.Helper()
	if err := s.SetFedSettings(t.Context(), model.FedSettings{SyncCIResults: on}); err != nil {
		t.Fatal(err)
	}
}

func TestCIResultsTravelWhenTheyMay(t *testing.T) {
	t.Parallel()
	s := open(t)
	primary(t, s)
	a := postCI(t, s, testDigest("a"), "nightly", "h1", "CVE-1")
	postCI(t, s, "", "nightly", "h1", "CVE-1")
	if got := travelling(t, s); len(got) > 0 {
		t.Errorf("travelling by default: %v", got)
	}

	letTravel(t, s, true)
	b := postCI(t, s, testDigest("b"), "nightly", "h2", "CVE-2")
	want := []string{
		"findings " + a.Findings, "findings " + b.Findings,
		"image " + string(a.Digest), "image " + string(b.Digest),
		"verdict " + string(a.Digest) + "/ci/trivy/jenkins/nightly@pipeline", "verdict " + string(b.Digest) + "/ci/trivy/jenkins/nightly@pipeline",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, travelling(t, s)); diff != "" {
		t.Error(diff)
	}

	// What a scan of our own says of b travels on its own account.
	list := model.NewFindingList([]model.Finding{{ID: "CVE-2", Package: "zlib", Installed: "1", Severity: model.High}})
	scan := model.Verdict{Digest: b.Digest, Source: model.SourceScan, Findings: list.Hash}
	putAll(t, s,
		func(tx *sql.Tx) error { return putVerdict(tx, model.Local, scan) },
		func(tx *sql.Tx) error { return s.federate(tx, "fed.main", b.Digest) },
	)
	letTravel(t, s, false)
	if diff := cmp.Diff([]string{"findings " + b.Findings, "image " + string(b.Digest), "verdict " + string(b.Digest) + "/scan/"}, travelling(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestFindingsTravelUnderTheHashOfTheirContent(t *testing.T) {
	t.Parallel()
	s := open(t)
	primary(t, s)
	letTravel(t, s, true)
	saved := postCI(t, s, testDigest("a"), "nightly", "h1", "CVE-1", "CVE-2")
	var body []byte
	var packed bool
	err := s.reads.QueryRow(`SELECT payload, packed FROM feed_records WHERE kind = ?`, feed.KindFindings).Scan(&body, &packed)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := s.feed.codec.unpack(body, packed)
	if err != nil {
		t.Fatal(err)
	}
	var list model.FindingList
	if err := json.Unmarshal(payload, &list); err != nil || model.NewFindingList(list.Findings).Hash != saved.Findings {
		t.Errorf("%s is not %s, %v", payload, saved.Findings, err)
	}
}

func TestSweepCIResults(t *testing.T) {
	t.Parallel()
	s := open(t)
	primary(t, s)
	letTravel(t, s, true)
	old, oldDoc := ciDocument(testDigest("a"), "nightly", "h1", "CVE-1")
	fresh, freshDoc := ciDocument(testDigest("b"), "nightly", "h2", "CVE-1")
	shared, sharedDoc := ciDocument(testDigest("b"), "weekly", "h1", "CVE-3")
	fresh.PostedAt = old.PostedAt.Add(time.Hour)
	saveCI(t, s, old, oldDoc)
	saveCI(t, s, fresh, freshDoc)
	saveCI(t, s, shared, sharedDoc)
	n, err := s.SweepCIResults(t.Context(), fresh.PostedAt)
	if n != 2 || err != nil {
		t.Fatalf("%d swept, %v", n, err)
	}
	left := ciResults(t, s)
	if len(left) != 1 || left[0].Digest != fresh.Digest {
		t.Errorf("left: %+v", left)
	}
	if n := count(t, s, `SELECT count(*) FROM verdicts`); n != 1 {
		t.Errorf("%d verdicts", n)
	}
	if n := count(t, s, `SELECT count(*) FROM images WHERE digest = ?`, testDigest("a")); n != 0 {
		t.Error("an image that nothing is known of any more stays")
	}
	for _, name := range travelling(t, s) {
		if name == "image "+string(testDigest("a")) || name == "verdict "+string(testDigest("b"))+"/ci/trivy/jenkins/weekly" {
			t.Errorf("%s still travels", name)
		}
	}
}

func TestAResultPostedAgainExpiresLater(t *testing.T) {
	t.Parallel()
	s := open(t)
	primary(t, s)
	letTravel(t, s, true)
	for _, digest := range []model.Digest{testDigest("a"), ""} {
		r, doc := ciDocument(digest, "nightly", "h1", "CVE-1")
		first := saveCI(t, s, r, doc)
		before := count(t, s, `SELECT revision FROM feed_state`)
		r.PostedAt = r.PostedAt.Add(time.Hour)
		again := saveCI(t, s, r, doc)
		if !again.Duplicate || again.ID != first.ID || !again.PostedAt.Equal(r.PostedAt) {
			t.Errorf("posted again: %+v", again)
		}
		if after := count(t, s, `SELECT revision FROM feed_state`); after != before {
			t.Errorf("the feed moved from %d to %d", before, after)
		}
	}
	later := time.UnixMilli(1e12).Add(time.Hour)
	if n, err := s.SweepCIResults(t.Context(), later); n != 0 || err != nil {
		t.Errorf("%d swept, %v: they were posted again an hour later", n, err)
	}
	for _, r := range ciResults(t, s) {
		if !r.PostedAt.Equal(later) || r.Duplicate {
			t.Errorf("listed as %+v", r)
		}
	}
}

func TestFederalRulesTravelAndLocalOnesDoNot(t *testing.T) {
	t.Parallel()
	s := open(t)
	primary(t, s)
	fed := addRule(t, s, denyRule("federal", "f"))
	addRule(t, s, denyRule("user_created", "l"))
	if diff := cmp.Diff([]string{"rule 100001"}, travelling(t, s)); diff != "" {
		t.Error(diff)
	}
	if err := s.RemoveRule(t.Context(), fed.CfgType, fed.ID); err != nil {
		t.Fatal(err)
	}
	if got := travelling(t, s); len(got) > 0 {
		t.Errorf("still travelling: %v", got)
	}
}

func TestALocalScanDoesNotTravelWithACIResult(t *testing.T) {
	t.Parallel()
	s := open(t)
	primary(t, s)
	ours := model.Image{Digest: testDigest("a"), Env: []string{"SECRET=1"}, Status: model.ImageFinished}
	putAll(t, s,
		func(tx *sql.Tx) error { return putImage(tx, model.Local, ours) },
		func(tx *sql.Tx) error {
			return putVerdict(tx, model.Local, model.Verdict{Digest: ours.Digest, Source: model.SourceScan, Findings: "f"})
		},
	)
	letTravel(t, s, true)
	postCI(t, s, ours.Digest, "nightly", "h1")
	var body []byte
	if err := s.reads.QueryRow(`SELECT payload FROM feed_records WHERE kind = ?`, feed.KindImage).Scan(&body); err != nil {
		t.Fatal(err)
	}
	want := `{"digest":"` + string(ours.Digest) + `","platform":{},"os":{},"status":"finished"}`
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Error(diff)
	}
}
