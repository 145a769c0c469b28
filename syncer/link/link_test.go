package link_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/link"
	"github.com/muster-sec/muster/syncer/memstore"
	"github.com/muster-sec/muster/syncer/session"
)

func TestMembersBecomeAndStayEqual(t *testing.T) {
	t.Parallel()
	store := memstore.NewPrimary(priority(), 1)
	f := start(t, store, options())
	for i := range 300 {
		f.write(t, record("rule", i, "r"), record("list", i, strings.Repeat("l", 100)))
	}
	a, b := f.join(t, "a"), f.join(t, "b")
	wait(t, "first sync", func() bool { return f.equal(a) && f.equal(b) })
	f.write(t, record("rule", 7, "new"), syncer.Tombstone("all", "list", "list-00003"), record("detail", 1, "d"))
	wait(t, "changes", func() bool { return f.equal(a) && f.equal(b) })
	wait(t, "acknowledgements", func() bool {
		status := f.hub.Status()
		return len(status) == 2 && status[0].Synced && status[1].Synced
	})
	wait(t, "synced state", func() bool { return a.agent.Status().State == link.StateSynced })
	wait(t, "summaries", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.summaries["a"] == "summary of a" && f.summaries["b"] == "summary of b"
	})
}

func TestRecordsLargerThanABatchAndAChunkArrive(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Batch = syncer.Limit{Records: 10, Bytes: 1000}
	opts.Window = 2000
	f := start(t, memstore.NewPrimary(priority(), 1), opts)
	noise := make([]byte, 3<<20)
	for i := range noise {
		noise[i] = byte(i * i >> 7)
	}
	f.write(t, record("rule", 1, "small"), record("list", 1, string(noise)), record("list", 2, string(noise[:999_999])))
	c := f.join(t, "a")
	wait(t, "large records", func() bool { return f.equal(c) })
}

func TestScopesAreHandedOutAndWithdrawn(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	lab := syncer.NewRecord("lab", "rule", "r", []byte("lab only"))
	f.write(t, lab, record("rule", 1, "x"))
	entitle := func(scopes ...string) {
		f.mu.Lock()
		f.standing["a"] = link.Standing{Entitled: syncer.Entitlement{Scopes: scopes}}
		f.mu.Unlock()
		f.hub.Reassess("a")
	}
	entitle("all")
	c := f.join(t, "a")
	stream := priority().Stream("lab", "rule")
	holds := func() bool { _, ok := c.store.Record(stream, "rule", "r"); return ok }
	wait(t, "own scope", func() bool { return c.holds("rule", "rule-00001") })
	if holds() {
		t.Error("a member holds a scope that it is not entitled to")
	}
	entitle("all", "lab")
	wait(t, "second scope", holds)
	entitle("all")
	wait(t, "withdrawal", func() bool { return !holds() })
	if !c.holds("rule", "rule-00001") {
		t.Error("the remaining scope lost its record")
	}
}

func TestMemberReturnsAfterThePrimaryWasAway(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	f.write(t, record("rule", 1, "x"))
	addr := f.address()
	c := f.join(t, "a")
	wait(t, "first sync", func() bool { return f.equal(c) })
	f.move("127.0.0.1:1") // nobody there
	for _, s := range f.hub.Status() {
		sess, err := f.hub.Session(s.Peer.ID)
		check(t, err)
		check(t, sess.Close())
	}
	wait(t, "waiting", func() bool { s := c.agent.Status(); return s.Attempts > 1 && s.Reason != "" })
	f.write(t, record("rule", 2, "y"))
	f.move(addr)
	wait(t, "second sync", func() bool { return f.equal(c) && c.agent.Status().State == link.StateSynced })
}

// TestRestoredPrimaryLosesNothingSilently restores a primary from a backup and
// expects that the members notice and offer back what it has forgotten.
func TestRestoredPrimaryLosesNothingSilently(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	for i := range 200 {
		f.write(t, record("rule", i, "old"))
	}
	backup := f.store.Snapshot()
	f.write(t, record("rule", 500, "made after the backup"), record("rule", 5, "changed after the backup"))
	c := f.join(t, "a")
	wait(t, "first sync", func() bool { return f.equal(c) && f.hub.Status()[0].Synced })
	c.stop()
	restored := &federation{
		store: backup, ca: f.ca, key: f.key, ring: f.ring, opts: f.opts, now: time.Now,
		standing: map[string]link.Standing{}, revoked: map[string]bool{}, summaries: map[string]string{},
	}
	restored.serve(t, "127.0.0.1:0")
	c.run(t, restored)
	wait(t, "orphans", func() bool {
		restored.mu.Lock()
		defer restored.mu.Unlock()
		texts := map[string]bool{}
		for _, r := range restored.orphans {
			texts[string(r.Payload)] = true
		}
		return texts["made after the backup"] && texts["changed after the backup"]
	})
	wait(t, "equality in the new epoch", func() bool { return restored.equal(c) })
	wait(t, "settlement", func() bool {
		left, err := c.store.Orphans(context.Background(), syncer.Limit{Records: 1, Bytes: 1})
		return err == nil && len(left) == 0
	})
	if epoch, _, _ := backup.Heads(context.Background()); epoch < 2 {
		t.Errorf("epoch is still %d", epoch)
	}
	restored.write(t, record("rule", 900, "life goes on"))
	wait(t, "life after", func() bool { return c.holds("rule", "rule-00900") })
}

func TestRemovalIsLearnedAtOnceAndAfterwards(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	f.write(t, record("rule", 1, "x"))
	here, away := f.join(t, "here"), f.join(t, "away")
	wait(t, "first sync", func() bool { return f.equal(here) && f.equal(away) })
	away.stop()
	wait(t, "hub to notice", func() bool { return len(f.hub.Status()) == 1 })
	f.mu.Lock()
	f.standing["here"] = link.Standing{Removed: "decommissioned"}
	f.standing["away"] = link.Standing{Removed: "decommissioned"}
	f.mu.Unlock()
	check(t, f.hub.Remove("here", link.NoticeRemoved, "decommissioned"))
	if err := f.hub.Remove("away", link.NoticeRemoved, "x"); !errors.Is(err, link.ErrNotConnected) {
		t.Errorf("removing one that is away: %v", err)
	}
	away.run(t, f)
	for _, c := range []*cluster{here, away} {
		if err := <-c.done; !errors.Is(err, link.ErrRemoved) {
			t.Errorf("%s ended with %v", c.id, err)
		}
		c.done <- nil
		if len(c.notices) != 1 || c.notices[0].Reason != "decommissioned" {
			t.Errorf("%s got notices %+v", c.id, c.notices)
		}
	}
}

func TestRevocationWorksAtTheNextFrame(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	f.write(t, record("rule", 1, "x"))
	c := f.join(t, "a")
	wait(t, "first sync", func() bool { return f.equal(c) })
	f.mu.Lock()
	f.revoked["a"] = true
	f.mu.Unlock()
	wait(t, "end of session", func() bool { return len(f.hub.Status()) == 0 })
	f.write(t, record("rule", 2, "secret"))
	wait(t, "attempts", func() bool { return c.agent.Status().Attempts > 2 })
	if c.holds("rule", "rule-00002") {
		t.Error("a revoked member still receives")
	}
}

func TestLeave(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	c := f.join(t, "a")
	wait(t, "connection", func() bool { return len(f.hub.Status()) == 1 })
	check(t, c.agent.Leave(t.Context()))
	if err := <-c.done; !errors.Is(err, link.ErrRemoved) {
		t.Errorf("ended with %v", err)
	}
	c.done <- nil
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.left) != 1 || c.notices[0].Code != link.NoticeLeft {
		t.Errorf("primary knows of %v, member got %+v", f.left, c.notices)
	}
}

func TestCertificatesAreRenewedInTimeAndAfterExpiry(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		age  time.Duration
		skew time.Duration // of the member's clock
	}{
		{"at two thirds", session.Lifetime * 3 / 4, 0},
		{"after expiry", session.Lifetime + time.Hour, 0},
		{"after expiry, member's clock is slow", session.Lifetime + time.Hour, -6 * 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, memstore.NewPrimary(priority(), 1), options())
			f.write(t, record("rule", 1, "x"))
			c := &cluster{id: "a", store: memstore.NewMember(), credential: f.credential(t, "a", time.Now().Add(-tt.age))}
			c.run(t, f, func(cfg *link.AgentConfig) {
				cfg.Now = func() time.Time { return time.Now().Add(tt.skew) }
			})
			renewals := func() int {
				f.mu.Lock()
				defer f.mu.Unlock()
				return f.renewals
			}
			wait(t, "sync and a new certificate", func() bool {
				return f.equal(c) && c.agent.Status().State == link.StateSynced && renewals() > 0
			})
			if n := renewals(); n != 1 {
				t.Errorf("%d renewals", n)
			}
		})
	}
}

// TestClockSkewIsMeasuredNotFatal lets a member live years in the past.
func TestClockSkewIsMeasuredNotFatal(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	f.write(t, record("rule", 1, "x"))
	const skew = -3 * 365 * 24 * time.Hour
	c := f.join(t, "a", func(cfg *link.AgentConfig) { cfg.Now = func() time.Time { return time.Now().Add(skew) } })
	wait(t, "sync", func() bool { return f.equal(c) && c.agent.Status().State == link.StateSynced })
	if offset := c.agent.Status().Offset; (offset + skew).Abs() > time.Minute {
		t.Errorf("measured offset %s, want %s", offset, -skew)
	}
	wait(t, "the primary to know", func() bool {
		s := f.hub.Status()
		return len(s) == 1 && (s[0].Offset-skew).Abs() < time.Minute
	})
}

// TestACorrectedClockIsMeasuredAgain corrects a member's clock after the primary's
// was measured by it.
func TestACorrectedClockIsMeasuredAgain(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	f.write(t, record("rule", 1, "x"))
	var slow atomic.Int64
	slow.Store(int64(30 * 24 * time.Hour))
	c := f.join(t, "a", func(cfg *link.AgentConfig) {
		cfg.Now = func() time.Time { return time.Now().Add(-time.Duration(slow.Load())) }
	})
	wait(t, "sync", func() bool { return f.equal(c) && c.agent.Status().State == link.StateSynced })
	slow.Store(0)
	if sess, err := f.hub.Session("a"); err == nil {
		check(t, sess.Close())
	}
	f.write(t, record("rule", 2, "y"))
	wait(t, "sync by the corrected clock", func() bool {
		return f.equal(c) && c.agent.Status().State == link.StateSynced
	})
	if offset := c.agent.Status().Offset; offset.Abs() > time.Minute {
		t.Errorf("measured offset %s, want none", offset)
	}
}

// TestContentKeyRotates changes the key under one member that is there and one
// that is away.
func TestContentKeyRotates(t *testing.T) {
	t.Parallel()
	f := start(t, memstore.NewPrimary(priority(), 1), options())
	f.write(t, record("rule", 1, "x"))
	here, away := f.join(t, "here"), f.join(t, "away")
	wait(t, "first sync", func() bool { return f.equal(here) && f.equal(away) })
	away.stop()
	public, next, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	rotation := syncer.NewRotation(fedID, f.key, public)
	_, err = f.ring.Accept([]syncer.Rotation{rotation})
	check(t, err)
	f.hub.Rotate(next, rotation)
	f.write(t, record("rule", 2, "under the new key"))
	wait(t, "the one that is there", func() bool { return f.equal(here) })
	away.run(t, f)
	wait(t, "the one that was away", func() bool { return f.equal(away) })
	here.stop()
	here.run(t, f)
	f.write(t, record("rule", 3, "after a restart"))
	wait(t, "a restart", func() bool { return f.equal(here) })
}
