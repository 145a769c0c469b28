package registry

import (
	"context"
	"time"

	"github.com/muster-sec/muster/core/model"
)

// Lister asks registries what they hold. Each call gets the whole registry,
// secrets included; errors carry a fault kind: NotFound for what is not there
// (any more), Unavailable for what may work later. core/plughost is one.
type Lister interface {
	// Types are the names that model.Registry.Type may have.
	Types() []string
	// ListRepositories calls yield with each repository the registry shows; an
	// error of yield ends the listing and is returned.
	ListRepositories(ctx context.Context, r model.Registry, yield func(repository string) error) error
	// ListTags calls yield with each tag of a repository.
	ListTags(ctx context.Context, r model.Registry, repository string, yield func(tag string) error) error
	// ResolveTag tells the digest a tag points to.
	ResolveTag(ctx context.Context, r model.Registry, repository, tag string) (model.ListedImage, error)
	// Test tries a registry's settings step by step.
	Test(ctx context.Context, r model.Registry) ([]model.DiagnosisStep, error)
}

// Sources keeps the registries. Secrets are sealed at rest and come back open.
// core/store is one.
type Sources interface {
	AddRegistry(ctx context.Context, r model.Registry) error
	UpdateRegistry(ctx context.Context, r model.Registry) error
	// RemoveRegistry also ends its runs and forgets its tags.
	RemoveRegistry(ctx context.Context, name string) error
	Registry(ctx context.Context, name string) (model.RegistryStatus, error)
	Registries(ctx context.Context) ([]model.RegistryStatus, error)
}

// Runs keeps the passes over registries. core/store is one.
type Runs interface {
	// StartRun opens a run, or returns the open one and false. A scheduled start
	// answers the schedule up to at, whether it opened a run or not.
	StartRun(ctx context.Context, name string, t model.Trigger, at time.Time) (run model.Run, started bool, err error)
	Run(ctx context.Context, name string, id int64) (model.Run, error)
	// Listing are the runs whose listing has not ended.
	Listing(ctx context.Context) ([]model.Run, error)
	// EndListing removes the tags that are gone and lets the run end when its
	// last image is accounted for. problem, when set, says why the listing is
	// incomplete; the run will have failed.
	EndListing(ctx context.Context, id int64, gone []model.Tag, problem string) error
	// StopRun cancels a run; false when it was over already.
	StopRun(ctx context.Context, id int64) (bool, error)
}

// Contents is what is known of a registry's images. core/store is one.
type Contents interface {
	// Tags are a registry's tags as last listed.
	Tags(ctx context.Context, name string) ([]model.Tag, error)
	// Known tells what is known of digests; one it has never seen is absent.
	Known(ctx context.Context, digests []model.Digest) (map[model.Digest]Known, error)
	// Account writes what a listing found, in one transaction, and returns the
	// jobs that now wait. Repeating it changes nothing.
	Account(ctx context.Context, f Found) (queued []int64, err error)
	// Schedules are the schedules of the registries administered here.
	Schedules(ctx context.Context) ([]Timetable, error)
	// Sweep applies retention and reports what it removed.
	Sweep(ctx context.Context, r Retention) (Swept, error)
}

// Queue carries work; losing a message only delays it. core/queue is one.
type Queue interface {
	Publish(ctx context.Context, job int64) error
}

// Memberships tells this cluster's place in a federation.
type Memberships interface {
	Membership(ctx context.Context) (model.Membership, error)
}

// Auditor records who did what.
type Auditor interface {
	Audit(ctx context.Context, e model.AuditEvent) error
}

// Known is what is known of one digest.
type Known struct {
	// Index is set when the digest is a multi-platform image.
	Index *model.Index
	// Status is the image's, empty when it is not known as an image.
	Status model.ImageStatus
	// Analyzers made the stored inventory; empty without one.
	Analyzers string
	// Stale says that a newer vulnerability database would answer differently.
	Stale bool
	// Reason is why the image is unsupported.
	Reason string
}

// Found is a part of a listing: pointers seen and digests to account for.
type Found struct {
	Run      int64
	Registry string
	Tags     []model.Tag
	Items    []Item
	// Indexes are the multi-platform images among the items, as their manifests
	// say; only the children that are items too are looked at.
	Indexes []model.Index
}

// Item is one digest that a run accounts for.
type Item struct {
	Repository string
	Digest     model.Digest
	MediaType  string         // as listed, maybe empty
	Platform   model.Platform // empty when not known yet
	Outcome    Outcome
	Reason     string // why unsupported
}

// Outcome is what becomes of an item.
type Outcome string

// The outcomes that a listing alone can tell. The others are a scan's.
const (
	MustScan    Outcome = "queued"
	Unchanged   Outcome = "unchanged"   // a current analysis exists
	Unsupported Outcome = "unsupported" // nothing that can be scanned
	Expanded    Outcome = "expanded"    // an index: its children count, not itself
)

// Timetable is a registry's schedule and up to when it has been answered.
type Timetable struct {
	Registry string
	Schedule string
	Answered time.Time
}

// Retention says what is kept and for how long.
type Retention struct {
	Now time.Time
	// Untagged images are kept this long after their last tag went.
	Untagged time.Duration
	// Orphans are content-addressed facts that nothing refers to any more.
	Orphans time.Duration
	// Layers are kept this long after their last use.
	Layers time.Duration
	// Runs kept per registry, the newest.
	Runs int
}

// Swept counts what a sweep removed.
type Swept struct {
	Images, FindingLists, PackageSets, Layers, Runs int
}
