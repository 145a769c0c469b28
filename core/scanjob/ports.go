package scanjob

import (
	"context"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
)

// Jobs leases work out and takes it back. A worker on another machine reaches
// the same methods through the daemon's API. core/store is one.
type Jobs interface {
	// Lease gives a waiting job, or one whose lease ran out, to an owner; false
	// when there is nothing to lease under that id.
	Lease(ctx context.Context, id int64, t Terms) (Job, bool, error)
	// Extend keeps a lease alive; false when it is lost: it ran out, or the run
	// was stopped. The work is then to be dropped.
	Extend(ctx context.Context, id int64, t Terms) (bool, error)
	// Return gives a job back without a result. Nothing happens when the lease
	// is lost.
	Return(ctx context.Context, j Job, owner string, r Returned) error
	// Waiting are jobs that nobody works on and that may be leased now, oldest first.
	Waiting(ctx context.Context, limit int) ([]int64, error)
}

// Results keeps what scans found. core/store is one.
type Results interface {
	// SaveScan writes everything of one scan and ends its job, in one transaction.
	SaveScan(ctx context.Context, s Scan) error
	// Source is a registry with its secrets.
	Source(ctx context.Context, name string) (model.Registry, error)
}

// Matched is what is known of answers of the vulnerability database.
// core/store is one.
type Matched interface {
	// MatchedRevision is the database revision that all stored findings answer to.
	MatchedRevision(ctx context.Context) (string, error)
	// MatchKeys yields every distinct thing that is looked up and the answer it had.
	MatchKeys(ctx context.Context, yield func(id int64, name, answer string) error) error
	// MatchedImages yields every image with an inventory; keys are sorted.
	MatchedImages(ctx context.Context, yield func(m MatchedImage) error) error
	// SaveMatched writes new answers for images whose findings changed.
	SaveMatched(ctx context.Context, changed []Rematched) error
	// EndMatch says that all findings now answer to the revision.
	EndMatch(ctx context.Context, revision string, answers map[int64]string, stale []model.Digest) error
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
	Image(inv inventory.Inventory, sets match.Sets) ([]match.Finding, error)
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
	// Next waits for a job. A delivery that is neither done nor kept alive comes
	// again.
	Next(ctx context.Context) (Delivery, error)
}

// Delivery is one job handed to one worker.
type Delivery interface {
	Job() int64
	KeepAlive() error
	Done(ctx context.Context) error
}

// Auditor records who did what.
type Auditor interface {
	Audit(ctx context.Context, e model.AuditEvent) error
}

// Terms are those of a lease.
type Terms struct {
	Owner string
	TTL   time.Duration
	// Attempts after which a job whose lease runs out is given up.
	Attempts int
}

// Job is one digest to look at.
type Job struct {
	ID         int64
	Run        int64
	Registry   string
	Repository string
	Digest     model.Digest
	MediaType  string
	Attempt    int // 1 for the first
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

// Returned says what becomes of a job without a result.
type Returned struct {
	State  State
	Reason string
	// NotBefore is when a job that goes back to the queue may be leased again.
	NotBefore time.Time
}

// State is where a job stands.
type State string

// The states that a job can be returned in.
const (
	Queued      State = "queued"
	Unsupported State = "unsupported"
	Failed      State = "failed"
)

// Scan is the result of a job.
type Scan struct {
	Job       Job
	Owner     string
	Image     model.Image
	Analyzers string
	Inventory []byte            // inventory.Inventory as JSON
	Sets      map[string][]byte // canonical package sets by name
	Answers   map[string]string // what each match key of the image was answered
	// Verdict is nil when there was no vulnerability database; Findings belongs to it.
	Verdict  *model.Verdict
	Findings model.FindingList
}

// MatchedImage is an image with what was looked up for it.
type MatchedImage struct {
	Digest model.Digest
	Keys   []int64
	// Answered says that there is a verdict.
	Answered bool
	// Skip says that all registries that have the image asked not to be
	// looked up again when the database changes.
	Skip bool
}

// Rematched is the new answer for one image.
type Rematched struct {
	Verdict  model.Verdict
	Findings model.FindingList
}
