package federation

import (
	"context"
	"crypto/ed25519"
	"net"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
)

// Memberships keeps what this cluster is in a federation.
type Memberships interface {
	// Membership says what this cluster is.
	Membership(ctx context.Context) (model.Membership, error)
	// NameCluster gives a cluster its id at the first start, and its name while it
	// is standalone; it returns what holds then.
	NameCluster(ctx context.Context, id, name string) (model.Membership, error)
	// EnterFederation turns a standalone cluster into a primary or a managed one.
	// The account of that name, if any, becomes a federated administrator with it.
	EnterFederation(ctx context.Context, m model.Membership, secrets map[string][]byte, founder string) error
	// LeaveFederation turns it back, removes everything federated and makes
	// federated roles local ones, all or nothing.
	LeaveFederation(ctx context.Context) error
}

// Secrets keeps sealed keys; fault.NotFound tells that one is not there.
type Secrets interface {
	FedSecret(ctx context.Context, name string) ([]byte, error)
	// SetFedSecret writes a secret; a nil body removes it.
	SetFedSecret(ctx context.Context, name string, body []byte) error
}

// Tokens keeps join tokens, of the secret only the public half.
type Tokens interface {
	AddJoinToken(ctx context.Context, t model.JoinToken, key ed25519.PublicKey) error
	JoinTokens(ctx context.Context) ([]model.JoinToken, error)
	JoinTokenKey(ctx context.Context, id string) (ed25519.PublicKey, error)
	RevokeJoinToken(ctx context.Context, id string) error
}

// Members keeps the clusters of a primary.
type Members interface {
	// EnrolCluster takes a use of a token and records the cluster with the
	// certificate that issue makes, in one transaction. A key that is enrolled
	// already gets the id and the certificate that it got then; one that was
	// removed is refused with fault.Gone.
	EnrolCluster(ctx context.Context, token string, c model.Cluster, keyID string, issue func(model.JoinToken) ([]byte, error)) (id string, certificate []byte, err error)
	Clusters(ctx context.Context) ([]model.Cluster, error)
	// SaveClusterSeen keeps when a member was last heard, its release and how much
	// it had applied.
	SaveClusterSeen(ctx context.Context, c model.Cluster) error
	// SaveClusterSummary keeps what a member says of itself now.
	SaveClusterSummary(ctx context.Context, id string, summary model.ClusterSummary) error
	// RemoveCluster ends a membership, remembers the key with the reason, and
	// returns the key's pin.
	RemoveCluster(ctx context.Context, id, reason string) (keyID string, err error)
}

// MemberKeys answers who a key belongs to, or belonged to.
type MemberKeys interface {
	// ClusterKeys gives the id of each member by the pin of its key.
	ClusterKeys(ctx context.Context) (clusterByKey map[string]string, err error)
	// RemovedKeys gives the reason of each removal by the pin of the key.
	RemovedKeys(ctx context.Context) (reasonByKey map[string]string, err error)
}

// Switches keeps the federation's settings and publishes them.
type Switches interface {
	FedSettings(ctx context.Context) (model.FedSettings, error)
	SetFedSettings(ctx context.Context, s model.FedSettings) error
}

// Changes tells when the feed has moved and forgets old deletions.
type Changes interface {
	// FeedChanged receives a value after commits that moved the feed.
	FeedChanged() <-chan struct{}
	CollectTombstones(ctx context.Context, before time.Time) error
}

// Replica is a member's copy of the feed.
type Replica interface {
	syncer.MemberStore
	// Reproject brings the services' tables to what this version makes of the copy.
	Reproject(ctx context.Context) error
}

// Summarizer sums up this cluster for the primary.
type Summarizer interface {
	ClusterSummary(ctx context.Context) (model.ClusterSummary, error)
}

// Auditor keeps the trail of who did what.
type Auditor interface {
	Audit(ctx context.Context, e model.AuditEvent) error
}

// Sealer encrypts what is stored.
type Sealer interface {
	Seal(plain []byte) ([]byte, error)
	Open(sealed []byte) ([]byte, error)
}

// Transport moves bytes between clusters; it authenticates nobody.
type Transport interface {
	Listen(ctx context.Context, addr string) (net.Listener, error)
	Dial(ctx context.Context, addr string) (net.Conn, error)
}
