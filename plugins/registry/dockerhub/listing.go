package dockerhub

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// pageSize is the largest that Docker Hub grants.
const pageSize = "100"

var errNoNamespace = errors.New("Docker Hub lists one namespace, and none is named")

// source lists repositories by Docker Hub's API and the rest by the registry's.
type source struct {
	config *config
	login  *login
	api    *wire.Client
	pulls  *distribution.Client
}

// repository is what is read of a repository.
type repository struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Type      string `json:"repository_type"` // "image", or null; plugins are none
}

func (r repository) key() string { return r.Name }

// Repositories yields the repositories of the namespace that the account may see.
func (s *source) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		namespace := s.config.namespace()
		if namespace == "" {
			yield("", fmt.Errorf("%w: %w", sdk.ErrInvalid, errNoNamespace))
			return
		}
		add := sources.Names(yield)
		for repo, err := range wire.Numbered(ctx, s.page, repository.key) {
			if err == nil && (repo.Namespace != namespace || repo.Name == "") {
				err = fmt.Errorf("%w: the namespace %q lists a repository %q of %q", sdk.ErrUnavailable, namespace, repo.Name, repo.Namespace)
			}
			switch {
			case err != nil:
				yield("", err)
				return
			case repo.Type != "" && repo.Type != "image":
			case !add(repo.Namespace + "/" + repo.Name):
				return
			}
		}
	}
}

// page reads one page. The address of the next one, which it tells too, may be
// on another host; the number does as well.
func (s *source) page(ctx context.Context, page int) (wire.Page[repository], error) {
	query := url.Values{"page": {strconv.Itoa(page)}, "page_size": {pageSize}, "ordering": {"name"}}
	var answer struct {
		Count   *int         `json:"count"`
		Next    string       `json:"next"`
		Results []repository `json:"results"`
	}
	if _, err := s.api.Get(ctx, at(s.config.api, query, "namespaces", s.config.namespace(), "repositories"), &answer); err != nil {
		return wire.Page[repository]{}, err
	}
	p := wire.Page[repository]{Items: answer.Results, Total: -1, More: answer.Next != ""}
	if answer.Count != nil && *answer.Count >= 0 {
		p.Total = *answer.Count
	}
	return p, nil
}

// Tags yields the tags of a repository, as the registry lists them.
func (s *source) Tags(ctx context.Context, repository string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		for tag, err := range s.pulls.Tags(ctx, repository) {
			if errors.Is(err, sdk.ErrNotFound) && !slices.Contains(s.config.Repositories, repository) {
				return // Docker Hub goes on listing a repository without tags
			}
			if !yield(tag, err) {
				return
			}
		}
	}
}

// Credential returns what is configured.
func (s *source) Credential(_ context.Context, repository string) (sdk.Credential, error) {
	if _, err := s.config.place.Repository(repository); err != nil {
		return sdk.Credential{}, err
	}
	return s.config.Basic(), nil
}

// Resolve asks for a tag's manifest by HEAD, which is not counted as a pull.
func (s *source) Resolve(ctx context.Context, repository, tag string) (sdk.Manifest, error) {
	return s.pulls.Resolve(ctx, repository, tag)
}

// SignIn presents the credential to Docker Hub and to its registry.
func (s *source) SignIn(ctx context.Context) (string, error) {
	if s.config.Username != "" {
		if _, err := s.login.token(ctx, ""); err != nil {
			return "", err
		}
	}
	return s.config.Basic().String() + " is accepted", s.pulls.SignIn(ctx)
}
