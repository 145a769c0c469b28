package federation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
	"github.com/muster-sec/muster/syncer/link"
	"github.com/muster-sec/muster/syncer/session"
)

// errNoMember says that a certificate is of this federation, and its key is of no
// member on record.
var errNoMember = errors.New("federation: the key is of no member on record")

// maxSummary bounds what a member may report upward, in bytes.
const maxSummary = 64 << 10

var _ link.Members = (*registrar)(nil)

// Standing implements [link.Members]. Every member gets every scope.
func (r *registrar) Standing(_ context.Context, peer session.Peer) (link.Standing, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if reason, ok := r.removed[peer.Key.String()]; ok {
		return link.Standing{Removed: reason}, nil
	}
	if id, ok := r.members[peer.Key.String()]; !ok || id != peer.ID {
		return link.Standing{}, errNoMember
	}
	return link.Standing{Entitled: syncer.Entitlement{All: true}}, nil
}

// Revoked implements [link.Members]. A member that was removed is not cut off but
// dismissed: it is owed the notice, and gets nothing else.
func (r *registrar) Revoked(peer session.Peer) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if _, ok := r.removed[peer.Key.String()]; ok {
		return false
	}
	id, ok := r.members[peer.Key.String()]
	return !ok || id != peer.ID
}

// wasRemoved gives the reason of a removal.
func (r *registrar) wasRemoved(peer session.Peer) (reason string, removed bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	reason, removed = r.removed[peer.Key.String()]
	return reason, removed
}

// remove ends a membership, also one that Enrol has not admitted yet.
func (r *registrar) remove(ctx context.Context, member, reason string) error {
	key, err := r.store.Members.RemoveCluster(ctx, member, reason)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, key)
	r.removed[key] = reason
	return nil
}

// admit begins a membership in memory, unless it has ended since the store began it.
func (r *registrar) admit(key, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, gone := r.removed[key]; gone {
		return false
	}
	r.members[key] = id
	return true
}

// Left implements [link.Members].
func (r *registrar) Left(ctx context.Context, member string) error {
	err := r.remove(ctx, member, "the cluster has left the federation")
	if isFault(err, fault.NotFound) {
		err = nil // it said so before and did not hear the answer
	}
	r.audit(ctx, model.Actor{Name: member, Source: model.AccountSystem}, "federation.left", member, err)
	return err
}

// Summary implements [link.Members].
func (r *registrar) Summary(ctx context.Context, member string, body []byte) error {
	if len(body) > maxSummary {
		return fmt.Errorf("federation: summary of member %s has %d bytes: %w", member, len(body), syncer.ErrTooLarge)
	}
	var report report
	if err := json.Unmarshal(body, &report); err != nil {
		return fmt.Errorf("federation: summary of member %s: %w", member, err)
	}
	err := r.store.Members.SaveClusterSummary(ctx, member, report.Summary)
	if isFault(err, fault.NotFound) {
		return nil // removed a moment ago
	}
	return err
}

// Orphans implements [link.Members]. What a primary restored from a backup has
// forgotten stays with the member, and an administrator is told.
func (r *registrar) Orphans(ctx context.Context, member string, records []syncer.Record) ([]syncer.Orphan, error) {
	kinds := map[string]int{}
	for _, record := range records {
		kinds[record.Kind]++
	}
	r.mu.Lock()
	known := r.offered[member] == len(records)
	r.offered[member] = len(records)
	r.mu.Unlock()
	if known {
		return nil, nil
	}
	r.log.Warn("a member holds records that this primary has lost", "member", member, "records", len(records), "kinds", kinds)
	r.audit(ctx, model.System(), "federation.orphans", member, fmt.Errorf("%d records that this primary no longer knows: %v", len(records), kinds))
	return nil, nil
}

// report is what a member says of itself to the primary.
type report struct {
	Summary model.ClusterSummary `json:"summary"`
}
