package store

import (
	"database/sql"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
	"github.com/muster-sec/muster/syncer"
)

func enter(t *testing.T, s *Store, role model.ClusterRole) {
	t.Helper()
	m := model.Membership{Role: role, ClusterID: "c1", ClusterName: "one", FederationID: "f"}
	if err := s.EnterFederation(t.Context(), m, map[string][]byte{"ca": []byte("sealed")}, ""); err != nil {
		t.Fatal(err)
	}
}

// feedKeys lists "kind key" of everything after a revision in the class that
// admission decides with; a tombstone has a minus before it.
func feedKeys(t *testing.T, s *Store, after uint64) (keys []string, last uint64) {
	t.Helper()
	stream := syncer.Stream{Scope: feed.ScopeAll, Class: feed.ClassDecide}
	err := s.Feed().View(t.Context(), stream, func(v syncer.View) error {
		records, _, err := v.After(after, syncer.Limit{Records: 1000, Bytes: 1 << 20})
		for _, r := range records {
			key := r.Kind + " " + r.Key
			if r.Deleted() {
				key = "-" + key
			}
			keys = append(keys, key)
		}
		last = v.Head().Revision
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, last
}

func signalled(s *Store) bool {
	select {
	case <-s.FeedChanged():
		return true
	default:
		return false
	}
}

func TestOnlyAPrimaryPublishes(t *testing.T) {
	t.Parallel()
	tests := map[model.ClusterRole][]string{
		model.Standalone: nil,
		model.Managed:    nil,
		model.Primary:    {"settings settings", "rule 100001"},
	}
	for role, want := range tests {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			s := open(t)
			if role != model.Standalone {
				enter(t, s, role)
			}
			if role == model.Primary { // elsewhere the store refuses federal rules
				addRule(t, s, denyRule(policy.Federal, "x"))
			}
			addRule(t, s, denyRule(policy.UserCreated, "y"))
			got, _ := feedKeys(t, s, 0)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if signalled(s) != (role == model.Primary) {
				t.Error("the feed's signal does not say what happened")
			}
		})
	}
}

func TestPublishGivesARevisionToChangesAlone(t *testing.T) {
	t.Parallel()
	s := open(t)
	enter(t, s, model.Primary)
	rule := addRule(t, s, denyRule(policy.Federal, "x"))
	_, before := feedKeys(t, s, 0)
	signalled(s)

	if err := s.UpdateRule(t.Context(), rule); err != nil {
		t.Fatal(err)
	}
	err := s.write(t.Context(), func(tx *sql.Tx) error { return s.publish(tx, feed.Delete(feed.KindRule, "109999")) })
	if err != nil {
		t.Fatal(err)
	}
	if keys, _ := feedKeys(t, s, before); len(keys) != 0 || signalled(s) {
		t.Errorf("nothing changed, and yet there are %v", keys)
	}

	if err := s.RemoveRule(t.Context(), policy.Federal, rule.ID); err != nil {
		t.Fatal(err)
	}
	keys, head := feedKeys(t, s, before)
	if diff := cmp.Diff([]string{"-rule 100001"}, keys); diff != "" {
		t.Error(diff)
	}
	if err := s.CollectTombstones(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if keys, _ := feedKeys(t, s, before); len(keys) != 1 {
		t.Error("a young tombstone was collected")
	}
	if err := s.CollectTombstones(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if keys, last := feedKeys(t, s, 0); len(keys) != 1 || last != head {
		t.Errorf("after collecting: %v, head %d instead of %d", keys, last, head)
	}
}

func TestAFailedChangePublishesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	enter(t, s, model.Primary)
	_, before := feedKeys(t, s, 0)
	err := s.write(t.Context(), func(tx *sql.Tx) error {
		if err := s.publish(tx, feed.Record{Scope: feed.ScopeAll, Kind: feed.KindRule, Key: "1", Payload: []byte("{}")}); err != nil {
			return err
		}
		return fault.New(fault.Invalid, "no")
	})
	if fault.KindOf(err) != fault.Invalid {
		t.Fatal(err)
	}
	if keys, last := feedKeys(t, s, before); len(keys) != 0 || last != before {
		t.Errorf("left over: %v, head %d", keys, last)
	}
}

func TestLeavingAFederationLeavesNothingOfIt(t *testing.T) {
	t.Parallel()
	s := open(t)
	if _, err := s.NameCluster(t.Context(), "c1", "one"); err != nil {
		t.Fatal(err)
	}
	local := addRule(t, s, denyRule(policy.UserCreated, "mine"))
	enter(t, s, model.Managed)
	enterTwice := s.EnterFederation(t.Context(), model.Membership{Role: model.Primary}, nil, "")
	if fault.KindOf(enterTwice) != fault.Conflict {
		t.Errorf("entering twice: %v", enterTwice)
	}
	change := benchChange(0, benchVerdict)
	rule := syncer.NewRecord(feed.ScopeAll, string(feed.KindRule), "100001", []byte(`{"rule_type":"deny","criteria":[]}`))
	change.Put = append(change.Put[:3], rule)
	change.Mark = &syncer.Mark{Stream: change.Stream, Position: syncer.Position{Epoch: 1, Revision: 4}}
	if _, err := s.Replica().Apply(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, s, "verdicts") + countRows(t, s, "rules"); n != 5 {
		t.Fatalf("%d rows projected beside the local rule, want 4", n-1)
	}
	if err := s.LeaveFederation(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{
		"feed_records", "feed_nodes", "feed_streams", "fed_secrets", "fed_tokens", "fed_clusters", "fed_removed", "verdicts",
	} {
		if n := countRows(t, s, table); n != 0 {
			t.Errorf("%d rows left in %s", n, table)
		}
	}
	rules, err := s.Rules(t.Context())
	if diff := cmp.Diff([]policy.Rule{local}, rules); diff != "" || err != nil {
		t.Errorf("rules left: %v %s", err, diff)
	}
	m, err := s.Membership(t.Context())
	want := model.Membership{Role: model.Standalone, ClusterID: "c1", ClusterName: "one"}
	if diff := cmp.Diff(want, m); diff != "" || err != nil {
		t.Errorf("membership: %v %s", err, diff)
	}
}

func countRows(t *testing.T, s *Store, table string) (n int) {
	t.Helper()
	if err := s.reads.QueryRow(`SELECT count(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRecordsThatCannotBeReadAreKeptRaw(t *testing.T) {
	t.Parallel()
	s := open(t)
	enter(t, s, model.Managed)
	stream := syncer.Stream{Scope: feed.ScopeAll, Class: feed.ClassDecide}
	put := []syncer.Record{
		syncer.NewRecord(feed.ScopeAll, "of a later version", "k", []byte("x")),
		syncer.NewRecord(feed.ScopeAll, string(feed.KindRule), "not a number", []byte("{}")),
		syncer.NewRecord(feed.ScopeAll, string(feed.KindVerdict), "v", []byte("{")),
		syncer.NewRecord(feed.ScopeAll, string(feed.KindFindings), "a wrong hash", []byte("{}")),
	}
	if _, err := s.Replica().Apply(t.Context(), syncer.Change{Stream: stream, Put: put}); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, s, "feed_records"); n != len(put) {
		t.Errorf("%d of %d records kept", n, len(put))
	}
	root, err := s.Replica().Apply(t.Context(), syncer.Change{Stream: stream, Replace: &syncer.Range{}})
	if err != nil || !root.IsZero() || countRows(t, s, "feed_records") != 0 {
		t.Errorf("after removing all: root %s, error %v", root, err)
	}
}

func TestALaterVersionProjectsWhatAnEarlierKeptRaw(t *testing.T) {
	t.Parallel()
	s := open(t)
	enter(t, s, model.Managed)
	if err := s.Replica().Reproject(t.Context()); err != nil {
		t.Fatal(err)
	}
	const n = projectAtOnce + 7
	change := benchChange(0, benchVerdict)
	change.Put = change.Put[:n]
	if _, err := s.Replica().Apply(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	forget := func(statements ...string) {
		err := s.write(t.Context(), func(tx *sql.Tx) error {
			for _, statement := range statements {
				if _, err := tx.Exec(statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Replica().Reproject(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	forget(`DELETE FROM verdicts`)
	if got := countRows(t, s, "verdicts"); got != 0 {
		t.Errorf("%d verdicts projected again by the version that had done it", got)
	}
	forget(`UPDATE meta SET value = '0' WHERE name = '` + projectionName + `'`)
	if got := countRows(t, s, "verdicts"); got != n {
		t.Errorf("%d of %d verdicts projected", got, n)
	}
}

func TestFindingsArriveAsTheyWereStored(t *testing.T) {
	t.Parallel()
	s := open(t)
	enter(t, s, model.Managed)
	list := model.NewFindingList([]model.Finding{{ID: "CVE-1", Package: "p", Installed: "1", Severity: model.High}})
	r, err := feed.Put(feed.KindFindings, list.Hash, list)
	if err != nil {
		t.Fatal(err)
	}
	change := syncer.Change{
		Stream: syncer.Stream{Scope: feed.ScopeAll, Class: feed.ClassExplain},
		Put:    []syncer.Record{syncer.NewRecord(r.Scope, string(r.Kind), r.Key, r.Payload)},
	}
	if _, err := s.Replica().Apply(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	var body []byte
	if err := s.reads.QueryRow(`SELECT body FROM finding_lists WHERE hash = ?`, list.Hash).Scan(&body); err != nil {
		t.Fatal(err)
	}
	got := model.FindingList{Hash: list.Hash}
	if err := unpack(body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list, got); diff != "" {
		t.Error(diff)
	}
}
