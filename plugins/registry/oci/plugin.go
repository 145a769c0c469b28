package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Name is the plugin's name, which is the type of the registries it serves.
const Name = "oci"

// Registry is the plugin. It is safe for concurrent use.
type Registry struct {
	sessions *sessions
}

var (
	_ sdk.Registry    = (*Registry)(nil)
	_ sdk.TagResolver = (*Registry)(nil)
)

// New returns the plugin's handler.
func New() *Registry { return newRegistry(time.Now, sleep) }

func newRegistry(now func() time.Time, sleep func(context.Context, time.Duration) error) *Registry {
	return &Registry{sessions: &sessions{now: now, sleep: sleep, open: map[[sha256.Size]byte]*session{}}}
}

// Plugin declares the plugin, of the given version, for sdk.Serve.
func Plugin(version string) sdk.Plugin {
	return sdk.Plugin{Name: Name, Version: version, Kind: sdk.KindRegistry, ConfigSchema: Schema, Registry: New()}
}

// Repositories yields the configured repositories, or else the catalog.
func (r *Registry) Repositories(ctx context.Context, cfg sdk.Config) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s, err := r.sessions.of(cfg)
		if err != nil {
			yield("", err)
			return
		}
		if len(s.Repositories) == 0 {
			s.catalog(ctx)(yield)
			return
		}
		for i, repo := range s.Repositories {
			if !slices.Contains(s.Repositories[:i], repo) && !yield(repo, nil) {
				return
			}
		}
	}
}

// Tags yields the tags of a repository, without those that only attach
// something to another image.
func (r *Registry) Tags(ctx context.Context, cfg sdk.Config, repository string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		s, err := r.sessions.of(cfg)
		if err != nil {
			yield(sdk.Tag{}, err)
			return
		}
		s.tags(ctx, repository)(yield)
	}
}

// Credential returns what is configured: the puller does the token exchange
// itself, for the scope and at the time it needs.
func (r *Registry) Credential(_ context.Context, cfg sdk.Config, repository string) (sdk.Credential, error) {
	s, err := readConfig(cfg)
	if err != nil {
		return sdk.Credential{}, err
	}
	if _, err := s.repository(repository); err != nil {
		return sdk.Credential{}, err
	}
	return sdk.Credential{Username: s.Username, Password: s.Password, Token: s.Token}, nil
}

// manifestTypes are the manifests and indexes of both families.
const manifestTypes = string(types.OCIImageIndex) + ", " + string(types.OCIManifestSchema1) + ", " +
	string(types.DockerManifestList) + ", " + string(types.DockerManifestSchema2)

// ResolveTag asks for a tag's manifest by HEAD, which costs no pull. Registries
// that do not tell the digest then are asked for the manifest itself.
func (r *Registry) ResolveTag(ctx context.Context, cfg sdk.Config, repository, tag string) (sdk.Manifest, error) {
	s, err := r.sessions.of(cfg)
	if err != nil {
		return sdk.Manifest{}, err
	}
	repo, err := s.repository(repository)
	if err != nil {
		return sdk.Manifest{}, err
	}
	ref, err := name.NewTag(repo.Name()+":"+tag, name.StrictValidation)
	if err != nil {
		return sdk.Manifest{}, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	return s.resolve(ctx, repo, ref.TagStr())
}

func (s *session) resolve(ctx context.Context, repo name.Repository, tag string) (sdk.Manifest, error) {
	rt, err := s.signIn(ctx, repo.Scope("pull"))
	if err != nil {
		return sdk.Manifest{}, err
	}
	u := s.root(repo.RepositoryStr() + "/manifests/" + tag)
	resp, err := s.get(ctx, rt, http.MethodHead, u, manifestTypes)
	if err != nil {
		return sdk.Manifest{}, err
	}
	resp.Body.Close()
	digest := resp.Header.Get("Docker-Content-Digest")
	if digest == "" {
		if resp, err = s.get(ctx, rt, http.MethodGet, u, manifestTypes); err != nil {
			return sdk.Manifest{}, err
		}
		defer resp.Body.Close()
		hash := sha256.New()
		if _, err := io.Copy(hash, resp.Body); err != nil {
			return sdk.Manifest{}, explain(err)
		}
		digest = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	}
	mediaType, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return sdk.Manifest{Digest: digest, MediaType: mediaType}, nil
}
