package store

import (
	"database/sql"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
	"github.com/muster-sec/muster/syncer"
)

// pump applies to a member everything that it lacks, stream by stream.
func pump(t *testing.T, from, to *Store) {
	t.Helper()
	ctx := t.Context()
	state, err := to.Replica().State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	at := map[syncer.Stream]uint64{}
	for _, mark := range state.Marks {
		at[mark.Stream] = mark.Position.Revision
	}
	_, heads, err := from.Feed().Heads(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range heads {
		change := syncer.Change{Stream: head.Stream, Mark: &syncer.Mark{
			Stream: head.Stream, Position: syncer.Position{Epoch: 1, Revision: head.Revision},
		}}
		err := from.Feed().View(ctx, head.Stream, func(v syncer.View) error {
			change.Put, _, err = v.After(at[head.Stream], syncer.Limit{Records: 1 << 20, Bytes: 1 << 30})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		root, err := to.Replica().Apply(ctx, change)
		if err != nil || root != head.Root {
			t.Fatalf("stream %s: root %s, want %s, error %v", head.Stream, root, head.Root, err)
		}
	}
}

// facts are rows of the services' tables as text, per table, of one origin where
// the table has one.
func facts(t *testing.T, s *Store, origin model.Origin) map[string][]string {
	t.Helper()
	queries := map[string]string{
		"rules":          `SELECT id || ' ' || body FROM rules WHERE origin = 'fed' ORDER BY id`,
		"registries":     `SELECT name || ' ' || body FROM registries WHERE origin = ? ORDER BY name`,
		"tags":           `SELECT host || '/' || repository || ':' || tag || '@' || digest || registry FROM tags WHERE origin = ? ORDER BY 1`,
		"images":         `SELECT digest || ' ' || status || body FROM images WHERE origin = ? ORDER BY 1`,
		"verdicts":       `SELECT digest || ' ' || source || producer || worst || findings || body FROM verdicts WHERE origin = ? ORDER BY 1`,
		"inventories":    `SELECT digest || ' ' || hex(body) FROM inventories WHERE origin = ? ORDER BY 1`,
		"inventory_sets": `SELECT digest || ' ' || hash FROM inventory_sets WHERE origin = ? ORDER BY 1`,
		"index_children": `SELECT index_digest || ' ' || digest || platform FROM index_children ORDER BY 1`,
		"finding_lists":  `SELECT hash || ' ' || hex(body) FROM finding_lists ORDER BY 1`,
		"package_sets":   `SELECT hash || ' ' || hex(body) FROM package_sets ORDER BY 1`,
		"settings":       `SELECT value FROM meta WHERE name = 'fed_settings'`,
		"matched":        `SELECT value FROM meta WHERE name = CASE ? WHEN 'fed' THEN 'fed_matched_db' ELSE 'matched_db' END`,
	}
	all := map[string][]string{}
	for table, query := range queries {
		var args []any
		if strings.Contains(query, "?") {
			args = append(args, origin)
		}
		rows, err := s.reads.Query(query, args...)
		if err != nil {
			t.Fatal(err)
		}
		all[table], err = collect(rows, func(rows *sql.Rows) (v string, err error) {
			err = rows.Scan(&v)
			return v, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// scannedRegistry gives a primary a federated registry with one tag that names an
// index of one scanned image.
func scannedRegistry(t *testing.T, s *Store, name string) model.Digest {
	t.Helper()
	ctx := t.Context()
	if err := s.AddRegistry(ctx, model.Registry{Name: name, Type: "oci", URL: "https://registry.test", CreatedAt: at(0), UpdatedAt: at(0)}); err != nil {
		t.Fatal(err)
	}
	run, _, err := s.StartRun(ctx, name, model.TriggerManual, at(1))
	if err != nil {
		t.Fatal(err)
	}
	index, image := benchDigest(name+" index", 1), benchDigest(name+" image", 1)
	item := model.ListedItem{Repository: "app", Digest: image, State: model.JobQueued}
	_, err = s.AddListed(ctx, model.ListedPart{
		Run: run.ID, Registry: name, Items: []model.ListedItem{item},
		Tags:    []model.Tag{{Registry: name, Host: "registry.test", Repository: "app", Tag: "1", Digest: index, SeenAt: at(1)}},
		Indexes: []model.Index{{Digest: index, Children: []model.IndexChild{{Digest: image, Platform: model.Platform{OS: "linux", Architecture: "arm64"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	list := model.NewFindingList([]model.Finding{{ID: "CVE-1", Package: "p", Installed: "1", Severity: model.High}})
	err = s.SaveScan(ctx, model.ScanResult{
		Job:       model.Job{Registry: name, Repository: "app", Digest: image},
		Image:     model.Image{Digest: image, Status: model.ImageFinished, ScannedAt: at(2)},
		Inventory: []byte(`{"sources":[{"set":"set-` + name + `","layer":"l","path":"p"}]}`),
		Sets:      map[string][]byte{"set-" + name: []byte("packages of " + name)},
		Verdict:   &model.Verdict{Digest: image, Source: model.SourceScan, Counts: model.CountFindings(list.Findings), ScannedAt: at(2), Findings: list.Hash},
		Findings:  list,
	})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestEverythingPublishedArrives(t *testing.T) {
	t.Parallel()
	home, west := open(t), open(t)
	enter(t, home, model.Primary)
	enter(t, west, model.Managed)
	addRule(t, home, denyRule(policy.Federal, "x"))
	scannedRegistry(t, home, "fed.prod")
	endMatch(t, home, "r1", at(4))
	pump(t, home, west)
	want, got := facts(t, home, model.Local), facts(t, west, model.Federated)
	for _, shared := range []string{"index_children", "package_sets", "finding_lists"} {
		if missing := without(want[shared], got[shared]); len(missing) > 0 {
			t.Errorf("%s did not arrive: %v", shared, missing)
		}
		delete(want, shared)
		delete(got, shared)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("primary and member differ (-primary +member):\n%s", diff)
	}
	for _, table := range []string{"rules", "registries", "tags", "images", "verdicts", "inventories", "inventory_sets", "settings", "matched"} {
		if len(got[table]) != 1 {
			t.Errorf("%d rows of %s, want 1: the test sees nothing", len(got[table]), table)
		}
	}
}

// endMatch makes a database of that time the one that all findings answer to, but
// those of the images named.
func endMatch(t *testing.T, s *Store, revision string, updated time.Time, left ...model.Digest) {
	t.Helper()
	if err := s.EndMatch(t.Context(), model.DBVersion{Revision: revision, UpdatedAt: updated}, nil, left); err != nil {
		t.Fatal(err)
	}
}

// A verdict is written when findings change; with which database they were last
// compared is known everywhere all the same, and of which images it is not true.
func TestEveryClusterKnowsHowOldVerdictsAre(t *testing.T) {
	t.Parallel()
	home, west := open(t), open(t)
	endMatch(t, home, "r1", at(1))
	enter(t, home, model.Primary)
	enter(t, west, model.Managed)
	image, left := scannedRegistry(t, home, "fed.prod"), scannedRegistry(t, home, "fed.frozen")
	for _, step := range []struct {
		revision   string
		updated    time.Time
		image, old string // which revision the two images answer to
	}{{"r1", at(1), "r1", "r1"}, {"r2", at(2), "r2", ""}, {"r3", at(3), "r3", ""}} {
		if step.old == "" {
			endMatch(t, home, step.revision, step.updated, left)
		}
		pump(t, home, west)
		for name, s := range map[string]*Store{"primary": home, "member": west} {
			ix, err := s.VerdictIndex(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for digest, want := range map[model.Digest]string{image: step.image, left: step.old} {
				listed, err := s.Verdicts(t.Context(), digest)
				if err != nil || len(listed) != 1 || listed[0].DB.Revision != want || listed[0].Outdated != (want == "") {
					t.Errorf("%s: after %s: %+v, %v, want revision %q", name, step.revision, listed, err, want)
				}
				judged, err := ix.Verdicts(t.Context(), digest)
				if diff := cmp.Diff(listed, judged); diff != "" || err != nil {
					t.Errorf("%s: admission sees another verdict: %v\n%s", name, err, diff)
				}
			}
			if err := ix.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A new database says how many images it changed, and how many of them members see.
func TestSavedMatchesAreCounted(t *testing.T) {
	t.Parallel()
	home := open(t)
	enter(t, home, model.Primary)
	fed, own := scannedRegistry(t, home, "fed.prod"), scannedRegistry(t, home, "own")
	list := model.NewFindingList([]model.Finding{{ID: "CVE-2", Package: "p", Installed: "1", Severity: model.Low}})
	var changed []model.Rematched
	for _, d := range []model.Digest{fed, own} {
		changed = append(changed, model.Rematched{Findings: list, Verdict: model.Verdict{Digest: d, Source: model.SourceScan, Findings: list.Hash}})
	}
	saved, err := home.SaveMatched(t.Context(), changed)
	if err != nil || saved != (model.SavedMatches{Images: 2, Federated: 1}) {
		t.Errorf("new findings: %+v, %v", saved, err)
	}
	saved, err = home.SaveMatched(t.Context(), changed)
	if err != nil || saved != (model.SavedMatches{}) {
		t.Errorf("the same again: %+v, %v", saved, err)
	}
}

func TestTheFederationTakesBackWhatItGave(t *testing.T) {
	t.Parallel()
	home, west := open(t), open(t)
	enter(t, home, model.Primary)
	scannedRegistry(t, west, "own")
	before, mine := facts(t, west, model.Federated), facts(t, west, model.Local)
	enter(t, west, model.Managed)
	addRule(t, home, denyRule(policy.Federal, "x"))
	result := model.CIResult{Digest: scannedRegistry(t, home, "fed.prod"), Tool: "trivy", PostedAt: at(3), DocumentHash: "d"}
	if _, err := home.SaveCIResult(t.Context(), result, model.Document{Findings: []model.Finding{{ID: "CVE-2", Severity: model.Low}}}); err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{false, true, false} {
		if err := home.SetFedSettings(t.Context(), model.FedSettings{SyncCIResults: on}); err != nil {
			t.Fatal(err)
		}
		pump(t, home, west)
		if n := len(facts(t, west, model.Federated)["verdicts"]); (n == 2) != on {
			t.Errorf("CI results travel: %v, verdicts %d", on, n)
		}
	}
	if err := home.RemoveRegistry(t.Context(), "fed.prod"); err != nil {
		t.Fatal(err)
	}
	pump(t, home, west)
	if got := facts(t, west, model.Federated); len(got["registries"])+len(got["tags"]) != 0 {
		t.Errorf("left of a removed registry: %v %v", got["registries"], got["tags"])
	}
	if err := west.LeaveFederation(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, facts(t, west, model.Federated)); diff != "" {
		t.Errorf("left after leaving (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(mine, facts(t, west, model.Local)); diff != "" || len(mine["images"]) != 1 {
		t.Errorf("what is west's own has changed (-before +after):\n%s", diff)
	}
}

func TestDemotingTakesFederatedRegistriesAlong(t *testing.T) {
	t.Parallel()
	home := open(t)
	scannedRegistry(t, home, "own")
	before := facts(t, home, model.Local)
	enter(t, home, model.Primary)
	addRule(t, home, denyRule(policy.Federal, "x"))
	scannedRegistry(t, home, "fed.prod")
	if err := home.LeaveFederation(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := facts(t, home, model.Local)
	for _, table := range []string{"registries", "tags", "rules", "settings"} {
		if diff := cmp.Diff(before[table], after[table]); diff != "" {
			t.Errorf("%s (-before +after):\n%s", table, diff)
		}
	}
}

// without is what of want is not in got.
func without(want, got []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(v string) bool { return slices.Contains(got, v) })
}

// FuzzProject applies a record with any content, as a primary of another release
// might send it: nothing of it may stop the stream, and its end must be as clean.
func FuzzProject(f *testing.F) {
	for kind := range feed.Priority() {
		f.Add(kind, "k", []byte(`{"digest":"sha256:0","children":[{}],"sources":[{"set":"s"}]}`))
	}
	f.Add("verdict", "sha256:0/ci/trivy/x", []byte(`{}`))
	f.Add("tag", "r/a/b:1", []byte(`{"seen_at":"0001-01-01T00:00:00Z"}`))
	f.Add("rule", "100001", []byte(`[]`))
	for _, kind := range []string{"rule", "later", "packageset"} {
		f.Add(kind, "1", []byte(nil))
	}
	s := open(f)
	stream := syncer.Stream{Scope: feed.ScopeAll}
	f.Fuzz(func(t *testing.T, kind, key string, payload []byte) {
		r := syncer.NewRecord(feed.ScopeAll, kind, key, payload)
		if _, err := s.Replica().Apply(t.Context(), syncer.Change{Stream: stream, Put: []syncer.Record{r}}); err != nil {
			t.Fatalf("apply: %v", err)
		}
		root, err := s.Replica().Apply(t.Context(), syncer.Change{Stream: stream, Drop: true})
		if err != nil || !root.IsZero() {
			t.Fatalf("drop: root %s, %v", root, err)
		}
	})
}
