package model

import "time"

// ClusterRole is what this cluster is in a federation.
type ClusterRole string

// The roles. The compatible API says "", "master" and "joint".
const (
	Standalone ClusterRole = "standalone"
	Primary    ClusterRole = "primary"
	Managed    ClusterRole = "managed"
)

// ClusterStatus is the state of a member; the strings are NeuVector's.
type ClusterStatus string

// The states in use. Active is the primary's own, constant.
const (
	StatusActive       ClusterStatus = "active"
	StatusConnected    ClusterStatus = "connected"
	StatusJoined       ClusterStatus = "joined"
	StatusOutOfSync    ClusterStatus = "out_of_sync"
	StatusSyncing      ClusterStatus = "syncing"
	StatusSynced       ClusterStatus = "synced"
	StatusDisconnected ClusterStatus = "disconnected"
	StatusKicked       ClusterStatus = "kicked"
	StatusLeft         ClusterStatus = "left"
	StatusPending      ClusterStatus = "pending"
)

// Membership is what a cluster knows of itself in a federation.
type Membership struct {
	Role         ClusterRole `json:"role"`
	ClusterID    string      `json:"cluster_id"`
	ClusterName  string      `json:"cluster_name"`
	FederationID string      `json:"federation_id,omitempty"`
	// Advertise is host:port of the fed port as members reach it (primary).
	Advertise string `json:"advertise,omitempty"`
	// PrimaryAddress, PrimaryName and PrimaryID are set on a managed cluster.
	PrimaryAddress string    `json:"primary_address,omitempty"`
	PrimaryName    string    `json:"primary_name,omitempty"`
	PrimaryID      string    `json:"primary_id,omitempty"`
	Since          time.Time `json:"since,omitzero"`
}

// Cluster is one cluster of the federation as seen from here.
type Cluster struct {
	ID       string
	Name     string
	Role     ClusterRole
	Address  string // the primary's advertised address; members have none
	Status   ClusterStatus
	Reason   string // why the status is not a good one
	Version  string
	JoinedAt time.Time
	LastSeen time.Time
	// Head is the newest revision of the feed, Applied what the cluster has
	// committed, both summed over scopes and classes: equal means in sync.
	Head, Applied uint64
	ClockOffset   time.Duration // its clock minus the primary's
	Summary       ClusterSummary
}

// ClusterSummary is the little that a member reports upward.
type ClusterSummary struct {
	Images       int       `json:"images"`
	Rules        int       `json:"rules"`
	DBRevision   string    `json:"db_revision,omitempty"`
	DBUpdatedAt  time.Time `json:"db_updated_at,omitzero"`
	DecisionsDay int       `json:"decisions_day,omitempty"`
}

// JoinToken is a token's record; its secret half is never kept.
type JoinToken struct {
	ID        string
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time
	MaxUses   int
	Uses      int
	Revoked   bool
}

// FedSettings are the federation's switches.
type FedSettings struct {
	// SyncCIResults lets CI results travel to members; off by default.
	SyncCIResults bool `json:"sync_ci_results"`
}
