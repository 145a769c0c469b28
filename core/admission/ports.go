package admission

import (
	"context"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// Rules keeps rules and the cluster's state.
type Rules interface {
	Rules(ctx context.Context) ([]policy.Rule, error)
	// AddRule gives the rule its id.
	AddRule(ctx context.Context, r policy.Rule) (policy.Rule, error)
	// UpdateRule and RemoveRule fail with fault.NotFound.
	UpdateRule(ctx context.Context, r policy.Rule) error
	RemoveRule(ctx context.Context, owner policy.CfgType, id uint32) error
}

// States keeps the admission state of this cluster.
type States interface {
	AdmissionState(ctx context.Context) (policy.State, error)
	SetAdmissionState(ctx context.Context, state policy.State) error
}

// Results finds what is known of images. It must answer within a millisecond
// or so and from local data.
type Results interface {
	// TagDigests are the images and indexes listed under exactly that name.
	TagDigests(ctx context.Context, host, repository, tag string) ([]model.Digest, error)
	// Verdicts are all results for the digest and, of an index, for its children.
	Verdicts(ctx context.Context, digest model.Digest) ([]policy.KnownVerdict, error)
	// Children are the images of an index that are looked at, with results or
	// without; none when the digest is no index.
	Children(ctx context.Context, digest model.Digest) ([]model.Digest, error)
	// CVEs are the vulnerabilities of a finding list, worst first; false when
	// the list has not arrived.
	CVEs(ctx context.Context, hash string) ([]policy.CVE, bool, error)
}

// Memberships says what this cluster is in its federation.
type Memberships interface {
	Membership(ctx context.Context) (model.Membership, error)
}

// Auditor records who changed what.
type Auditor interface {
	Audit(ctx context.Context, e model.AuditEvent) error
}
