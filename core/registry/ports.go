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
	// ListTags calls yield with each tag of a repository, and with each manifest
	// that the registry shows without one. Digest and MediaType are set where the
	// listing tells them; Repository need not be.
	ListTags(ctx context.Context, r model.Registry, repository string, yield func(model.ListedImage) error) error
	// ResolveTag tells the digest a tag points to; it is asked where the listing does not.
	ResolveTag(ctx context.Context, r model.Registry, repository, tag string) (model.ListedImage, error)
	// Configure holds the whole configuration of a registry against what its type
	// takes. It returns the settings with texts read as the type that is wanted,
	// and the names of those that are secret; fault.Invalid says what is wrong where.
	Configure(ctx context.Context, r model.Registry) (settings map[string]any, secret []string, err error)
	// DecodePush reads a registry's call about pushes; fault.Denied when its
	// signature is wrong, Unsupported when the type tells of none.
	DecodePush(ctx context.Context, r model.Registry, e model.PushEvent) ([]model.Push, error)
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
	// last image is accounted for: as failed when there is a problem.
	EndListing(ctx context.Context, id int64, end model.ListingEnd) error
	// StopRun cancels a run; false when it was over already.
	StopRun(ctx context.Context, id int64) (bool, error)
}

// Contents is what is known of a registry's images. core/store is one.
type Contents interface {
	// Tags are a registry's tags as last listed.
	Tags(ctx context.Context, name string) ([]model.Tag, error)
	// Known tells what is known of digests; one it has never seen is absent.
	Known(ctx context.Context, digests []model.Digest) (map[model.Digest]model.DigestState, error)
	// AddListed writes what a listing found, in one transaction, and returns the
	// jobs that now wait. Repeating it changes nothing.
	AddListed(ctx context.Context, f model.ListedPart) (queued []int64, err error)
	// Schedules are the schedules of the registries administered here.
	Schedules(ctx context.Context) ([]model.Timetable, error)
	// Sweep applies retention and reports what it removed.
	Sweep(ctx context.Context, r model.Retention) (model.Swept, error)
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
