package model

import (
	"slices"
	"time"
)

// Role is what an account may do; the names are NeuVector's.
type Role string

// The roles.
const (
	RoleAdmin     Role = "admin"
	RoleReader    Role = "reader"
	RoleCIOps     Role = "ciops"
	RoleFedAdmin  Role = "fedAdmin"
	RoleFedReader Role = "fedReader"
)

// Roles are all of them.
func Roles() []Role { return []Role{RoleAdmin, RoleReader, RoleCIOps, RoleFedAdmin, RoleFedReader} }

// Valid says whether the role exists.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Permission is one thing a route or a service asks for.
type Permission string

// The permissions.
const (
	ReadAll  Permission = "read"      // see everything
	WriteAll Permission = "write"     // change this cluster
	PostCI   Permission = "ci"        // post CI results and ask for verdicts
	FedRead  Permission = "fed.read"  // see the federation
	FedWrite Permission = "fed.write" // change federated objects and the federation, on a primary
)

// Can says whether the role has the permission.
func (r Role) Can(p Permission) bool {
	allowed := map[Role][]Permission{
		RoleAdmin:     {ReadAll, WriteAll, PostCI, FedRead},
		RoleReader:    {ReadAll, FedRead},
		RoleCIOps:     {PostCI},
		RoleFedAdmin:  {ReadAll, WriteAll, PostCI, FedRead, FedWrite},
		RoleFedReader: {ReadAll, FedRead},
	}
	return slices.Contains(allowed[r], p)
}

// AccountSource is where an account lives; only Local (and later Rancher)
// administrators may promote a cluster.
type AccountSource string

// The sources in use.
const (
	AccountLocal  AccountSource = "local"
	AccountAPIKey AccountSource = "apikey"
	AccountSystem AccountSource = "system" // the daemon itself, in audit entries
)

// Account is a person or a machine that logs in with a password.
type Account struct {
	Username  string
	Role      Role
	CreatedAt time.Time
	LastLogin time.Time
}

// APIKey is a long-lived credential of a machine; the secret is kept hashed.
type APIKey struct {
	Name      string
	Role      Role
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: does not expire
}

// Actor is who does something now.
type Actor struct {
	Name   string
	Role   Role
	Source AccountSource
}

// System is the daemon acting by itself.
func System() Actor { return Actor{Name: "muster", Role: RoleFedAdmin, Source: AccountSystem} }

// AuditEvent is one line of the audit trail.
type AuditEvent struct {
	Time    time.Time
	Actor   string
	Action  string // "registry.add", "federation.promote", …
	Target  string
	Outcome string // "ok", or why not
}
