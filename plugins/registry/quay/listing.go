package quay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

var (
	errNoNamespace = errors.New("Quay lists one namespace, and none is named")
	errRobot       = errors.New("Quay lists nothing to robots: they only pull")
)

// source lists repositories by Quay's API and the rest by the registry's.
type source struct {
	config *config
	api    *wire.Client
	pulls  *distribution.Client
}

// listing is one page of repositories.
type listing struct {
	Repositories []struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		Kind      string `json:"kind"`
	} `json:"repositories"`
	NextPage string `json:"next_page"`
}

// Repositories yields the repositories of the namespace that the token may see.
// A robot without a token gets an error rather than the public ones only: what
// it was made for would be missing from them.
func (s *source) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		namespace := s.config.namespace()
		switch {
		case namespace == "":
			yield("", fmt.Errorf("%w: %w", sdk.ErrInvalid, errNoNamespace))
			return
		case s.config.Token == "" && s.config.Username != "":
			yield("", fmt.Errorf("%w: %w", sdk.ErrDenied, errRobot))
			return
		}
		add := sources.Names(yield)
		for page, err := range wire.Chained(ctx, s.api, s.first(namespace), nextPage) {
			if err != nil {
				yield("", err)
				return
			}
			for _, repo := range page.Repositories {
				if repo.Kind != "" && repo.Kind != "image" {
					continue
				}
				if repo.Namespace != namespace || repo.Name == "" {
					yield("", fmt.Errorf("%w: the namespace %q lists a repository %q of %q", sdk.ErrUnavailable, namespace, repo.Name, repo.Namespace))
					return
				}
				if !add(repo.Namespace + "/" + repo.Name) {
					return
				}
			}
		}
	}
}

// first is the address of the first page. Public repositories are asked for by
// name: without that, Quay leaves some out that the token has no part in.
func (s *source) first(namespace string) *url.URL {
	u := s.config.place.URL("/api/v1/repository")
	u.RawQuery = url.Values{"namespace": {namespace}, "public": {"true"}}.Encode()
	return u
}

func nextPage(page listing, _ http.Header, at *url.URL) (*url.URL, error) {
	if page.NextPage == "" {
		return nil, nil
	}
	next := *at
	query := next.Query()
	query.Set("next_page", page.NextPage)
	next.RawQuery = query.Encode()
	return &next, nil
}

// Tags yields the tags of a repository, as the registry lists them.
func (s *source) Tags(ctx context.Context, repository string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		for tag, err := range s.pulls.Tags(ctx, repository) {
			if errors.Is(err, sdk.ErrNotFound) && !slices.Contains(s.config.Repositories, repository) {
				return // deleted since it was listed
			}
			if !yield(tag, err) {
				return
			}
		}
	}
}

// Credential returns what pulls.
func (s *source) Credential(_ context.Context, repository string) (sdk.Credential, error) {
	if _, err := s.config.place.Repository(repository); err != nil {
		return sdk.Credential{}, err
	}
	return s.config.credential(), nil
}

// Resolve asks for a tag's manifest by HEAD.
func (s *source) Resolve(ctx context.Context, repository, tag string) (sdk.Manifest, error) {
	return s.pulls.Resolve(ctx, repository, tag)
}

// SignIn presents what pulls to the registry. The token for the API is tried by
// the listing.
func (s *source) SignIn(ctx context.Context) (string, error) {
	return s.config.credential().String() + " is accepted", s.pulls.SignIn(ctx)
}
