package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
)

// wholeFeed lists "kind key" of every record that is not a tombstone, with
// digests cut short, and the sum of the streams' heads.
func wholeFeed(t *testing.T, s *Store) (keys []string, heads uint64) {
	t.Helper()
	for _, class := range []syncer.Class{feed.ClassDecide, feed.ClassExplain, feed.ClassDetail} {
		err := s.Feed().View(t.Context(), syncer.Stream{Scope: feed.ScopeAll, Class: class}, func(v syncer.View) error {
			records, _, err := v.After(0, syncer.Limit{Records: 1000, Bytes: 1 << 20})
			for _, r := range records {
				if !r.Deleted() {
					keys = append(keys, r.Kind+" "+shortDigests(r.Key))
				}
			}
			heads += v.Head().Revision
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(keys)
	return keys, heads
}

func shortDigests(key string) string {
	if i := strings.Index(key, "sha256:"); i >= 0 && len(key) >= i+71 {
		return key[:i] + key[i+7:i+11] + key[i+71:]
	}
	if len(key) == 64 {
		return "hash"
	}
	return key
}

// scanDigest lists a digest in a registry and saves a scan of it.
func scanDigest(t testing.TB, s *Store, registry, tag string, digest model.Digest, cves ...string) {
	t.Helper()
	run, _, err := s.StartRun(t.Context(), registry, model.TriggerManual, s.now())
	if err != nil {
		t.Fatal(err)
	}
	queued, err := s.AddListed(t.Context(), model.ListedPart{
		Run: run.ID, Registry: registry,
		Tags:  []model.Tag{{Registry: registry, Host: "h.example", Repository: "app", Tag: tag, Digest: digest, SeenAt: s.now()}},
		Items: []model.ListedItem{{Repository: "app", Digest: digest, State: model.JobQueued}},
	})
	if err != nil {
		t.Fatal(err)
	}
	job, ok, err := s.Lease(t.Context(), queued[0], model.LeaseTerms{Owner: "t", TTL: time.Minute, Attempts: 3})
	if err != nil || !ok {
		t.Fatalf("lease: %v, %v", ok, err)
	}
	if err := s.SaveScan(t.Context(), scanResult(job, s.now(), cves...)); err != nil {
		t.Fatal(err)
	}
	if err := s.EndListing(t.Context(), run.ID, model.ListingEnd{}); err != nil {
		t.Fatal(err)
	}
}

func scanResult(job model.Job, at time.Time, cves ...string) model.ScanResult {
	var findings []model.Finding
	for _, id := range cves {
		findings = append(findings, model.Finding{ID: id, Package: "musl", Installed: "1", Severity: model.High, Layer: job.Digest})
	}
	list := model.NewFindingList(findings)
	set := "sha256:" + strings.Repeat("5", 64)
	return model.ScanResult{
		Job: job, Owner: "t", Analyzers: "a/1", Image: model.Image{Digest: job.Digest, Status: model.ImageFinished, ScannedAt: at},
		Inventory: []byte(`{"sources":[{"set":"` + set + `"}]}`), Sets: map[string][]byte{set: []byte(`{}`)},
		Answers: map[string]string{"k": "a"}, Findings: list,
		Verdict: &model.Verdict{
			Digest: job.Digest, Source: model.SourceScan, Counts: model.CountFindings(findings), ScannedAt: at,
			DB: model.DBVersion{Revision: at.String()}, Findings: list.Hash,
		},
	}
}

func digestOf(fill string) model.Digest { return model.Digest("sha256:" + strings.Repeat(fill, 64)) }

// clocked opens a store whose clock the test moves.
func clocked(t *testing.T) (*Store, *time.Time) {
	t.Helper()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "muster.db"), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, &now
}

func TestWhatOfAFederatedRegistryTravels(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	enter(t, s, model.Primary)
	for _, name := range []string{"local", "fed.shop"} {
		if err := s.AddRegistry(t.Context(), model.Registry{Name: name, Type: "oci", URL: "https://h.example", Username: "somebody", CreatedAt: *now}); err != nil {
			t.Fatal(err)
		}
	}
	scanDigest(t, s, "local", "1", digestOf("a"), "CVE-1")
	scanDigest(t, s, "fed.shop", "1", digestOf("b"), "CVE-1")
	set := "packageset 5555"
	want := []string{
		"findings hash", "image bbbb", "inventory bbbb", set, "registry fed.shop", "settings settings",
		"tag fed.shop/app:1", "verdict bbbb/scan/",
	}
	got, head := wholeFeed(t, s)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the feed (-want +got):\n%s", diff)
	}

	// The same found again, an hour later and with another database, says nothing new.
	*now = now.Add(time.Hour)
	scanDigest(t, s, "fed.shop", "1", digestOf("b"), "CVE-1")
	if _, again := wholeFeed(t, s); again != head {
		t.Errorf("an equal result moved the feed from %d to %d", head, again)
	}

	// An image that is known from a local registry travels when a federated one lists it.
	run, _, err := s.StartRun(t.Context(), "fed.shop", model.TriggerManual, *now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.AddListed(t.Context(), model.ListedPart{
		Run: run.ID, Registry: "fed.shop",
		Tags:  []model.Tag{{Registry: "fed.shop", Host: "h.example", Repository: "app", Tag: "2", Digest: digestOf("a"), SeenAt: *now}},
		Items: []model.ListedItem{{Repository: "app", Digest: digestOf("a"), State: model.JobUnchanged}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, _ = wholeFeed(t, s)
	for _, key := range []string{"image aaaa", "verdict aaaa/scan/", "tag fed.shop/app:2"} {
		if !slices.Contains(got, key) {
			t.Errorf("%s does not travel: %v", key, got)
		}
	}
	if err := s.EndListing(t.Context(), run.ID, model.ListingEnd{}); err != nil {
		t.Fatal(err)
	}

	// Removed, its registry and tags go at once; the image that a local registry
	// has is withdrawn by the next sweep, the other when its time has come.
	if err := s.RemoveRegistry(t.Context(), "fed.shop"); err != nil {
		t.Fatal(err)
	}
	retention := model.Retention{Untagged: 30 * 24 * time.Hour, Orphans: 24 * time.Hour, Layers: time.Hour, Runs: 1}
	sweep := func() model.Swept {
		t.Helper()
		retention.Now = *now
		swept, err := s.Sweep(t.Context(), retention)
		if err != nil {
			t.Fatal(err)
		}
		return swept
	}
	sweep()
	want = []string{"findings hash", "findings hash", "image bbbb", "inventory bbbb", set, "settings settings", "verdict bbbb/scan/"}
	if got, _ = wholeFeed(t, s); !cmp.Equal(want, got) {
		t.Errorf("after the first sweep (-want +got):\n%s", cmp.Diff(want, got))
	}
	*now = now.Add(31 * 24 * time.Hour)
	if swept := sweep(); swept.Images != 1 {
		t.Errorf("swept %+v, want one image", swept)
	}
	*now = now.Add(25 * time.Hour)
	if swept := sweep(); swept.FindingLists != 1 || swept.PackageSets != 0 {
		t.Errorf("swept %+v, want the finding list that nothing names, and no package set, which the local image has", swept)
	}
	want = []string{"findings hash", "settings settings"}
	if got, _ = wholeFeed(t, s); !cmp.Equal(want, got) {
		t.Errorf("in the end (-want +got):\n%s", cmp.Diff(want, got))
	}
	if _, err := s.ImageSummary(t.Context(), digestOf("b")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the image is still here: %v", err)
	}
	if im, err := s.ImageSummary(t.Context(), digestOf("a")); err != nil || len(im.Verdicts) != 1 {
		t.Errorf("the local image: %+v, %v", im, err)
	}
}

func TestSweepKeepsWhatIsStillNeeded(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	if err := s.AddRegistry(t.Context(), model.Registry{Name: "shop", Type: "oci", URL: "https://h.example", CreatedAt: *now}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		scanDigest(t, s, "shop", "moving", digestOf(fmt.Sprint(i)), fmt.Sprint("CVE-", i))
	}
	if err := s.PutLayer(t.Context(), "old", []byte("x")); err != nil {
		t.Fatal(err)
	}
	retention := model.Retention{Now: *now, Untagged: 30 * 24 * time.Hour, Orphans: 24 * time.Hour, Layers: 40 * 24 * time.Hour, Runs: 3}
	swept, err := s.Sweep(t.Context(), retention)
	if err != nil || swept != (model.Swept{Runs: 2}) {
		t.Errorf("%+v, %v: images whose tag moved on are kept a while", swept, err)
	}
	*now = now.Add(35 * 24 * time.Hour)
	if body, err := s.Layer(t.Context(), "old"); err != nil || string(body) != "x" {
		t.Errorf("%q, %v", body, err)
	}
	*now = now.Add(10 * 24 * time.Hour)
	retention.Now = *now
	swept, err = s.Sweep(t.Context(), retention)
	if err != nil || swept != (model.Swept{Images: 4}) {
		t.Errorf("%+v, %v: four images have no tag, the layer was used ten days ago", swept, err)
	}
	if im, err := s.ImageSummary(t.Context(), digestOf("4")); err != nil || len(im.Tags) != 1 {
		t.Errorf("the image that has the tag: %+v, %v", im, err)
	}
}

func TestOneImageOfTwoOrigins(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	if err := s.AddRegistry(t.Context(), model.Registry{Name: "shop", Type: "oci", URL: "https://h.example", CreatedAt: *now}); err != nil {
		t.Fatal(err)
	}
	both, fed := digestOf("1"), digestOf("2")
	scanDigest(t, s, "shop", "1", both, "CVE-1")
	err := s.write(t.Context(), func(tx *sql.Tx) error {
		for _, d := range []model.Digest{both, fed} {
			if err := putImage(tx, model.Federated, model.Image{Digest: d, Status: model.ImageFinished}); err != nil {
				return err
			}
			v := model.Verdict{Digest: d, Source: model.SourceScan, Counts: model.Counts{Critical: 1}, Findings: "not here yet"}
			if err := putVerdict(tx, model.Federated, v); err != nil {
				return err
			}
			tag := model.Tag{Registry: "fed.shop", Host: "h.example", Repository: "app", Tag: "100%", Digest: d}
			if err := putTag(tx, model.Federated, tag); err != nil {
				return err
			}
		}
		return putVerdict(tx, model.Local, model.Verdict{Digest: both, Source: model.SourceCI, Producer: "trivy", Findings: "x"})
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		query model.ImageQuery
		want  []model.Digest
	}{
		"everything":         {model.ImageQuery{}, []model.Digest{both, fed}},
		"second page":        {model.ImageQuery{After: both}, []model.Digest{fed}},
		"local registry":     {model.ImageQuery{Registry: "shop"}, []model.Digest{both}},
		"federated registry": {model.ImageQuery{Registry: "fed.shop"}, []model.Digest{fed}},
		"critical":           {model.ImageQuery{Severity: model.Critical}, []model.Digest{both, fed}},
		"failed":             {model.ImageQuery{Status: model.ImageFailed}, nil},
		"text is literal":    {model.ImageQuery{Text: "0%"}, []model.Digest{fed}},
		"text with wildcard": {model.ImageQuery{Text: "app_1"}, nil},
		"part of a name":     {model.ImageQuery{Text: "H.EXAMPLE/app:1"}, []model.Digest{both, fed}},
	} {
		test.query.Limit = 10
		images, err := s.ImagesAfter(t.Context(), test.query)
		if err != nil {
			t.Fatal(err)
		}
		var got []model.Digest
		for _, im := range images {
			got = append(got, im.Digest)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	im, err := s.ImageSummary(t.Context(), both)
	if err != nil || im.Origin != model.Local || len(im.Verdicts) != 2 || im.Verdicts[0].Counts.High != 1 || im.Verdicts[1].Source != model.SourceCI {
		t.Errorf("local first, then CI results: %+v, %v", im, err)
	}
	known, err := s.Verdicts(t.Context(), both)
	if err != nil || len(known) != 3 || known[0].Origin != model.Local || !known[0].FindingsKnown || known[1].FindingsKnown {
		t.Errorf("%+v, %v", known, err)
	}
}

func TestKeysAreKeptAsDifferences(t *testing.T) {
	t.Parallel()
	for _, ids := range [][]int64{{}, {1}, {1, 2, 300, 1 << 40}} {
		got, err := decodeKeys(encodeKeys(ids))
		if err != nil || !slices.Equal(got, ids) {
			t.Errorf("%v became %v, %v", ids, got, err)
		}
	}
	if _, err := decodeKeys([]byte{0x80}); err == nil {
		t.Error("a list that is cut off was accepted")
	}
}

func FuzzDecodeKeys(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add([]byte{0x80, 0x80})
	f.Fuzz(func(t *testing.T, body []byte) {
		ids, err := decodeKeys(body)
		if err == nil && len(ids) > len(body) {
			t.Errorf("%d keys out of %d bytes", len(ids), len(body))
		}
	})
}

func BenchmarkSaveScan(b *testing.B) {
	s := open(b)
	if err := s.AddRegistry(b.Context(), model.Registry{Name: "shop", Type: "oci", URL: "https://h.example"}); err != nil {
		b.Fatal(err)
	}
	run, _, err := s.StartRun(b.Context(), "shop", model.TriggerManual, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	job := model.Job{Run: run.ID, Registry: "shop", Repository: "app"}
	answers := map[string]string{}
	for i := range 300 {
		answers[fmt.Sprintf("alpine+3.20|package-%d|1.2.%d", i, i)] = ""
	}
	var findings []model.Finding
	for i := range 150 {
		findings = append(findings, model.Finding{
			ID: fmt.Sprint("CVE-2026-", 1000+i), Package: fmt.Sprint("package-", i), Installed: "1.2.3-r0", Fixed: "1.2.4-r0",
			Severity: model.High, Title: "a title of the usual length for a vulnerability", URL: "https://avd.aquasec.com/nvd/cve-2026-1000",
		})
	}
	inventory, err := json.Marshal(map[string]any{"sources": []any{map[string]string{"set": "sha256:5", "path": "lib/apk/db/installed"}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		job.Digest = model.Digest(fmt.Sprintf("sha256:%064x", n))
		for i := range findings {
			findings[i].Layer = job.Digest
		}
		r := scanResult(job, time.Unix(1, 0))
		list := model.NewFindingList(findings)
		r.Inventory, r.Answers, r.Findings, r.Verdict.Findings = inventory, answers, list, list.Hash
		if err := s.SaveScan(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// The images that others are built on are those whose layers they begin with.
func TestImagesBelow(t *testing.T) {
	t.Parallel()
	s := open(t)
	image := func(name string, layers ...model.Digest) model.Image {
		img := model.Image{Digest: testDigest(name), Status: model.ImageFinished}
		for _, l := range layers {
			img.Layers = append(img.Layers, model.Layer{Digest: "sha256:blob", DiffID: l})
		}
		return img
	}
	app := image("a", "l1", "l2", "l3")
	images := []model.Image{app, image("b", "l1"), image("c", "l1", "l2"), image("d", "l2"), image("e", "l1", "l3"), image("f"), image("1", "l1", "l2", "l3", "l4")}
	err := s.write(t.Context(), func(tx *sql.Tx) error {
		for _, img := range images {
			if err := putImage(tx, model.Local, img); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	below, err := s.ImagesBelow(t.Context(), app)
	var got []model.Digest
	for _, b := range below {
		got = append(got, b.Digest)
	}
	if diff := cmp.Diff([]model.Digest{testDigest("b"), testDigest("c")}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	unknown := image("a", "l1", "")
	if below, err := s.ImagesBelow(t.Context(), unknown); len(below) > 0 || err != nil {
		t.Errorf("without diff ids: %d images, %v", len(below), err)
	}
}
