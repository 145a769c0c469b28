package scanjob

import (
	"context"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
)

// Jobs leases work out and takes it back. A worker on another machine reaches
// the same methods through the daemon's API. core/store is one.
type Jobs interface {
	// Lease gives a waiting job, or one whose lease ran out, to an owner; false
	// when there is nothing to lease under that id.
	Lease(ctx context.Context, id int64, t model.LeaseTerms) (model.Job, bool, error)
	// Extend keeps a lease alive; false when it is lost: it ran out, or the run
	// was stopped. The work is then to be dropped.
	Extend(ctx context.Context, id int64, t model.LeaseTerms) (bool, error)
	// Return gives a job back without a result. Nothing happens when the lease
	// is lost.
	Return(ctx context.Context, j model.Job, owner string, r model.ReturnedJob) error
	// Abandon lets all leases of an owner run out now.
	Abandon(ctx context.Context, owner string) error
	// Waiting are jobs that nobody works on and that may be leased now, oldest first.
	Waiting(ctx context.Context, limit int) ([]int64, error)
}

// Results keeps what scans found. core/store is one.
type Results interface {
	// SaveScan writes everything of one scan and ends its job, in one transaction.
	SaveScan(ctx context.Context, s model.ScanResult) error
	// Source is a registry with its secrets.
	Source(ctx context.Context, name string) (model.Registry, error)
}

// Matched is what is known of answers of the vulnerability database.
// core/store is one.
type Matched interface {
	// MatchedDB is the database that all stored findings answer to.
	MatchedDB(ctx context.Context) (model.DBVersion, error)
	// MatchKeys yields every distinct thing that is looked up and the answer it had.
	MatchKeys(ctx context.Context, yield func(id int64, name, answer string) error) error
	// MatchedImages yields every image with an inventory; keys are sorted.
	MatchedImages(ctx context.Context, yield func(m model.MatchedImage) error) error
	// SaveMatched writes new answers for images whose findings changed.
	SaveMatched(ctx context.Context, changed []model.Rematched) (model.SavedMatches, error)
	// MemberCount is how many clusters receive what is federated.
	MemberCount(ctx context.Context) (int, error)
	// EndMatch says that all findings now answer to the database.
	EndMatch(ctx context.Context, db model.DBVersion, answers map[int64]string, stale []model.Digest) error
}

// Inventories are what was found in images. core/store is one.
type Inventories interface {
	Inventory(ctx context.Context, digest model.Digest) ([]byte, error)
	PackageSet(ctx context.Context, hash string) ([]byte, error)
}

// Scanner reads images out of registries. Its errors carry a fault kind:
// Unsupported for what is no image, Unavailable for what may work later,
// anything else for what will not.
type Scanner interface {
	// Analyzers names the analyzers and their versions.
	Analyzers() string
	// Index reads a multi-platform image; false when the digest is none.
	Index(ctx context.Context, t Target) (model.Index, bool, error)
	// Image reads one image.
	Image(ctx context.Context, t Target) (Found, error)
}

// Matcher looks packages up in one revision of the vulnerability database. It is
// safe for concurrent use.
type Matcher interface {
	Version() model.DBVersion
	Findings(key match.Key) ([]match.Vulnerability, error)
	// Covers says whether a key without findings means anything.
	Covers(key match.Key) (bool, error)
	Image(inv inventory.Inventory, sets match.Sets) ([]match.Finding, error)
	// Gaps are what of an image could not be judged.
	Gaps(inv inventory.Inventory, sets match.Sets) ([]match.Gap, error)
}

// Layers keeps analyses of layers. core/store is one.
type Layers interface {
	// Layer is what PutLayer kept under a name; nil when there is nothing.
	Layer(ctx context.Context, name string) ([]byte, error)
	PutLayer(ctx context.Context, name string, analysis []byte) error
}

// Credentials opens repositories. core/plughost is one.
type Credentials interface {
	Credential(ctx context.Context, r model.Registry, repository string) (model.Credential, error)
}

// Expander accounts for the children of a multi-platform image in place of the
// job that found it. core/registry is one.
type Expander interface {
	Expand(ctx context.Context, run int64, registry, repository string, ix model.Index) error
}

// Queue tells which jobs wait. core/queue is one.
type Queue interface {
	Publish(ctx context.Context, job int64) error
	// Consume calls handle with one job at a time until ctx ends. A job that is
	// neither finished nor kept alive in time, or for which handle says false,
	// comes again. Several callers share the work.
	Consume(ctx context.Context, handle func(ctx context.Context, job int64, keepAlive func() error) (done bool)) error
}

// Auditor records who did what.
type Auditor interface {
	Audit(ctx context.Context, e model.AuditEvent) error
}

// Target is where a scanner finds a digest.
type Target struct {
	Registry   model.Registry
	Repository string
	Digest     model.Digest
	Credential model.Credential
}

// Found is what a scanner found in an image, before any vulnerability is looked up.
type Found struct {
	Inventory inventory.Inventory
	Sets      map[inventory.SetID]inventory.PackageSet
}
