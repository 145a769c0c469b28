package federation

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer/session"
)

// applicant is what a joiner says of itself beside its name.
type applicant struct {
	ClusterID string `json:"cluster_id"`
	Version   string `json:"version"`
}

// welcome is what a new member is told beside its certificate.
type welcome struct {
	PrimaryID   string `json:"primary_id"`
	PrimaryName string `json:"primary_name"`
}

// registrar decides for one primary who is a member. It answers questions about
// connected members from memory.
type registrar struct {
	store   Store
	ca      *session.CA
	content ed25519.PublicKey
	self    model.Membership
	audit   func(ctx context.Context, actor model.Actor, action, target string, err error)
	now     func() time.Time
	log     *slog.Logger

	mu      sync.RWMutex
	members map[string]string // id by key
	removed map[string]string // reason by key
	offered map[string]int    // by member, how many records it holds that this primary has lost
}

var _ session.Enroller = (*registrar)(nil)

// load reads the members once, before anybody asks.
func (r *registrar) load(ctx context.Context) error {
	members, err := r.store.MemberKeys.ClusterKeys(ctx)
	if err != nil {
		return err
	}
	removed, err := r.store.MemberKeys.RemovedKeys(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members, r.removed, r.offered = members, removed, map[string]int{}
	return nil
}

// TokenKey implements [session.Enroller]. It gives the key of any token that was
// ever made: only who proves to hold it learns, from Enrol, what has become of it.
func (r *registrar) TokenKey(ctx context.Context, token string, _ session.Pin) (ed25519.PublicKey, error) {
	key, err := r.store.Tokens.JoinTokenKey(ctx, token)
	if isFault(err, fault.NotFound) {
		return nil, &session.Refusal{Code: session.CodeTokenUnknown, Reason: "this primary never made the token: create one here (muster token create)"}
	}
	return key, err
}

// Enrol implements [session.Enroller].
func (r *registrar) Enrol(ctx context.Context, a session.Application) (grant session.Grant, err error) {
	actor := model.Actor{Name: "token " + a.Token, Source: model.AccountSystem}
	defer func() { r.audit(ctx, actor, "federation.enrol", a.Name, err) }()
	c, err := r.candidate(a)
	if err != nil {
		return session.Grant{}, err
	}
	issue := func(t model.JoinToken) ([]byte, error) {
		if err := judge(t, r.now()); err != nil {
			return nil, err
		}
		issued, err := r.ca.IssueMember(c.ID, a.Request, r.now())
		if err != nil {
			return nil, err
		}
		return issued[0], nil
	}
	id, leaf, err := r.store.Members.EnrolCluster(ctx, a.Token, c, a.Key.String(), issue)
	switch {
	case isFault(err, fault.Conflict):
		return session.Grant{}, &session.Refusal{Code: session.CodeNameTaken, Reason: err.Error() + ": " + fault.HintOf(err)}
	case isFault(err, fault.Gone), err == nil && !r.admit(a.Key.String(), id):
		return session.Grant{}, &session.Refusal{Code: session.CodeRemoved, Reason: "the key belongs to a cluster that was removed: join again with a new token"}
	case err != nil:
		return session.Grant{}, err
	}
	settings, err := json.Marshal(welcome{PrimaryID: r.self.ClusterID, PrimaryName: r.self.ClusterName})
	if err != nil {
		return session.Grant{}, fmt.Errorf("federation: encode the welcome: %w", err)
	}
	r.log.Info("cluster joined", "cluster", id, "name", a.Name, "remote", a.Remote)
	return session.Grant{
		Member: id, Chain: [][]byte{leaf, r.ca.Certificate()}, ContentKey: r.content, Settings: settings,
	}, nil
}

// candidate is the cluster that an application would make.
func (r *registrar) candidate(a session.Application) (model.Cluster, error) {
	bad := func(what string) error {
		return &session.Refusal{Code: session.CodeRequest, Reason: "the application " + what}
	}
	if err := checkName(a.Name); err != nil {
		return model.Cluster{}, bad("has no usable cluster name: " + fault.HintOf(err))
	}
	var info applicant
	if err := json.Unmarshal(a.Info, &info); err != nil {
		return model.Cluster{}, bad("does not say which cluster it comes from")
	}
	if id, err := hex.DecodeString(info.ClusterID); err != nil || len(id) != 16 {
		return model.Cluster{}, bad("names no cluster id")
	}
	return model.Cluster{
		ID: info.ClusterID, Name: a.Name, Role: model.Managed, JoinedAt: r.now(), LastSeen: r.now(),
		Version: strings.ToValidUTF8(info.Version[:min(len(info.Version), 64)], ""),
	}, nil
}

// Renew implements [session.Enroller]: a member keeps its key.
func (r *registrar) Renew(ctx context.Context, peer session.Peer, request *x509.CertificateRequest) ([][]byte, error) {
	r.mu.RLock()
	id, member := r.members[peer.Key.String()]
	reason, gone := r.removed[peer.Key.String()]
	r.mu.RUnlock()
	switch {
	case gone:
		return nil, &session.Refusal{Code: session.CodeRemoved, Reason: reason}
	case !member || id != peer.ID:
		return nil, &session.Refusal{Code: session.CodeRemoved, Reason: "the primary does not know this member"}
	case session.PinOf(&x509.Certificate{RawSubjectPublicKeyInfo: request.RawSubjectPublicKeyInfo}) != peer.Key:
		return nil, &session.Refusal{Code: session.CodeRequest, Reason: "a certificate is renewed for the key on record"}
	}
	chain, err := r.ca.IssueMember(id, request, r.now())
	r.audit(ctx, model.System(), "federation.renew", id, err)
	return chain, err
}
