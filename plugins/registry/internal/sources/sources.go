// Package sources is what all registry plugins have in common: it keeps one
// opened source for each configuration that calls carry, hands the calls to it,
// and diagnoses it step by step.
package sources

import (
	"context"
	"crypto/sha256"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	maxOpen = 64               // sources whose connections are kept
	life    = 10 * time.Minute // then a source is opened anew
)

// Source is one registry, as one kind of registries is asked.
type Source interface {
	// Repositories yields what the registry lists.
	Repositories(ctx context.Context) iter.Seq2[string, error]
	// Tags yields the tags of one repository.
	Tags(ctx context.Context, repository string) iter.Seq2[sdk.Tag, error]
	// Credential returns what a puller of the repository presents.
	Credential(ctx context.Context, repository string) (sdk.Credential, error)
	// Resolve returns the manifest that a tag points at.
	Resolve(ctx context.Context, repository, tag string) (sdk.Manifest, error)
	// SignIn proves that the credential is accepted, and says whose it is.
	SignIn(ctx context.Context) (detail string, err error)
}

// Opened is a source and what is known of it beside.
type Opened struct {
	Source
	// Host is the one that has to be found and reached first: HOST[:PORT].
	Host string
	// Connect reaches the registry without a credential.
	Connect func(ctx context.Context) (detail string, err error)
	// Configured are the repositories to yield instead of what is listed.
	Configured []string
	// Anonymous says that no credential is configured.
	Anonymous bool
	// Fix says what to change when a step of the diagnosis failed, where there
	// is more to say than for every kind; empty otherwise. It may be nil.
	Fix func(step string, err error) string
	// Close lets go of connections. Calls under way may go on.
	Close func()
}

// Open checks a configuration and opens its source, without asking anybody.
// What it keeps only makes later calls quick.
type Open func(cfg sdk.Config, env wire.Env) (*Opened, error)

// Registry is an sdk.Registry over the sources that a kind opens. It is safe
// for concurrent use.
type Registry struct {
	open Open
	env  wire.Env

	mu   sync.Mutex
	kept map[[sha256.Size]byte]*kept
}

type kept struct {
	*Opened
	born time.Time
}

var (
	_ sdk.Registry    = (*Registry)(nil)
	_ sdk.TagResolver = (*Registry)(nil)
)

// New returns a registry of the kind that open opens.
func New(open Open, env wire.Env) *Registry {
	return &Registry{open: open, env: env, kept: map[[sha256.Size]byte]*kept{}}
}

// of returns the source of a configuration.
func (r *Registry) of(cfg sdk.Config) (*Opened, error) {
	key := sha256.Sum256(cfg)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.env.Now()
	if found := r.kept[key]; found != nil && now.Sub(found.born) < life {
		return found.Opened, nil
	}
	opened, err := r.open(cfg, r.env)
	if err != nil {
		return nil, err
	}
	for k, old := range r.kept {
		if len(r.kept) >= maxOpen || now.Sub(old.born) >= life {
			old.Close()
			delete(r.kept, k)
		}
	}
	r.kept[key] = &kept{opened, now}
	return opened, nil
}

// Repositories yields the configured repositories, or else those that the
// registry lists, each once.
func (r *Registry) Repositories(ctx context.Context, cfg sdk.Config) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s, err := r.of(cfg)
		if err != nil {
			yield("", err)
			return
		}
		if len(s.Configured) == 0 {
			s.Repositories(ctx)(yield)
			return
		}
		for i, repo := range s.Configured {
			if !slices.Contains(s.Configured[:i], repo) && !yield(repo, nil) {
				return
			}
		}
	}
}

// Tags yields the tags of a repository, without those that only attach
// something to another image.
func (r *Registry) Tags(ctx context.Context, cfg sdk.Config, repository string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		s, err := r.of(cfg)
		if err != nil {
			yield(sdk.Tag{}, err)
			return
		}
		s.Tags(ctx, repository)(yield)
	}
}

// Credential returns what a puller of the repository presents.
func (r *Registry) Credential(ctx context.Context, cfg sdk.Config, repository string) (sdk.Credential, error) {
	s, err := r.of(cfg)
	if err != nil {
		return sdk.Credential{}, err
	}
	return s.Credential(ctx, repository)
}

// ResolveTag returns the manifest that a tag points at.
func (r *Registry) ResolveTag(ctx context.Context, cfg sdk.Config, repository, tag string) (sdk.Manifest, error) {
	s, err := r.of(cfg)
	if err != nil {
		return sdk.Manifest{}, err
	}
	return s.Resolve(ctx, repository, tag)
}

// Names yields the names of repositories that it is given in pieces, each once.
func Names(yield func(string, error) bool) (add func(name string) bool) {
	seen := map[string]bool{}
	return func(name string) bool {
		if seen[name] {
			return true
		}
		seen[name] = true
		return yield(name, nil)
	}
}
