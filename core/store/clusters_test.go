package store

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func at(seconds int64) time.Time { return time.UnixMilli(1_700_000_000_000 + seconds*1000) }

func addToken(t *testing.T, s *Store, id string, created time.Time) model.JoinToken {
	t.Helper()
	token := model.JoinToken{ID: id, CreatedBy: "admin", CreatedAt: created, ExpiresAt: created.Add(time.Hour), MaxUses: 2}
	if err := s.AddJoinToken(t.Context(), token, ed25519.PublicKey("public "+id)); err != nil {
		t.Fatal(err)
	}
	return token
}

func TestJoinTokens(t *testing.T) {
	t.Parallel()
	s := open(t)
	older, newer := addToken(t, s, "a", at(0)), addToken(t, s, "b", at(1))
	if err := s.RevokeJoinToken(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	older.Revoked = true
	got, err := s.JoinTokens(t.Context())
	if diff := cmp.Diff([]model.JoinToken{newer, older}, got); diff != "" || err != nil {
		t.Errorf("error %v %s", err, diff)
	}
	key, err := s.JoinTokenKey(t.Context(), "b")
	if err != nil || string(key) != "public b" {
		t.Errorf("key %q, %v", key, err)
	}
	if _, err := s.JoinTokenKey(t.Context(), "c"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("key of a token that is none: %v", err)
	}
	if err := s.RevokeJoinToken(t.Context(), "c"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("revoking a token that is none: %v", err)
	}
}

func TestEnrolmentIsOneTransactionAndIdempotent(t *testing.T) {
	t.Parallel()
	s := open(t)
	enter(t, s, model.Primary)
	addToken(t, s, "token", at(0))
	issued := 0
	issue := func(model.JoinToken) ([]byte, error) {
		issued++
		return []byte{byte(issued)}, nil
	}
	member := model.Cluster{ID: "m1", Name: "west", Role: model.Managed, JoinedAt: at(1), LastSeen: at(1), Version: "1.0.0"}
	for i := range 2 {
		again := member
		if i > 0 {
			again.ID, again.Name = "m9", "other"
		}
		id, cert, err := s.EnrolCluster(t.Context(), "token", again, "key1", issue)
		if err != nil || id != "m1" || !bytes.Equal(cert, []byte{1}) {
			t.Fatalf("id %s, certificate %v, %v", id, cert, err)
		}
	}

	tests := []struct {
		name, token, id, cluster, key string
		issue                         func(model.JoinToken) ([]byte, error)
		want                          fault.Kind
	}{
		{"an unknown token", "other", "m2", "east", "key2", issue, fault.NotFound},
		{"a taken name", "token", "m2", "west", "key2", issue, fault.Conflict},
		{"a taken id", "token", "m1", "east", "key2", issue, fault.Conflict},
		{"the primary's name", "token", "m2", "one", "key2", issue, fault.Conflict},
		{"the primary's id", "token", "c1", "east", "key2", issue, fault.Conflict},
		{"a token that is not good", "token", "m2", "east", "key2", func(model.JoinToken) ([]byte, error) {
			return nil, fault.New(fault.Gone, "used up")
		}, fault.Gone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := s.EnrolCluster(t.Context(), tt.token, model.Cluster{ID: tt.id, Name: tt.cluster}, tt.key, tt.issue)
			if fault.KindOf(err) != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}

	tokens, err := s.JoinTokens(t.Context())
	if err != nil || tokens[0].Uses != 1 || issued != 1 {
		t.Errorf("%d uses, %d certificates, %v", tokens[0].Uses, issued, err)
	}
	clusters, err := s.Clusters(t.Context())
	if diff := cmp.Diff([]model.Cluster{member}, clusters); diff != "" || err != nil {
		t.Errorf("error %v %s", err, diff)
	}
}

func TestClustersAreSeenAndRemoved(t *testing.T) {
	t.Parallel()
	s := open(t)
	enter(t, s, model.Primary)
	addToken(t, s, "token", at(0))
	c := model.Cluster{ID: "m1", Name: "west", Role: model.Managed, JoinedAt: at(1)}
	_, _, err := s.EnrolCluster(t.Context(), "token", c, "key1", func(model.JoinToken) ([]byte, error) { return []byte("c"), nil })
	if err != nil {
		t.Fatal(err)
	}
	c.LastSeen, c.Version, c.Applied, c.Summary = at(9), "1.2.3", 7, model.ClusterSummary{Images: 3}
	if err := errors.Join(s.SaveClusterSummary(t.Context(), c.ID, c.Summary), s.SaveClusterSeen(t.Context(), c)); err != nil {
		t.Fatal(err)
	}
	clusters, err := s.Clusters(t.Context())
	if diff := cmp.Diff([]model.Cluster{c}, clusters); diff != "" || err != nil {
		t.Errorf("error %v %s", err, diff)
	}
	if key, err := s.RemoveCluster(t.Context(), "m1", "retired"); err != nil || key != "key1" {
		t.Fatalf("removed key %q, %v", key, err)
	}
	removed, err := s.RemovedKeys(t.Context())
	members, memberErr := s.ClusterKeys(t.Context())
	if err := errors.Join(err, memberErr); err != nil || removed["key1"] != "retired" || len(members) != 0 {
		t.Errorf("removed %v, members %v, %v", removed, members, err)
	}
	_, err = s.RemoveCluster(t.Context(), "m1", "")
	wantKind(t, err, fault.NotFound)
	wantKind(t, s.SaveClusterSeen(t.Context(), c), fault.NotFound)
	_, _, err = s.EnrolCluster(t.Context(), "token", c, "key1", func(model.JoinToken) ([]byte, error) { return []byte("c"), nil })
	wantKind(t, err, fault.Gone)
}
