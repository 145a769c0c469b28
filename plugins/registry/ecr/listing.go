package ecr

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	pageSize   = 1000 // the largest that ECR grants
	maxPages   = 100_000
	loginSlack = time.Hour // of the twelve that a login lasts
)

// source lists by ECR's API.
type source struct {
	config *config
	env    wire.Env
	api    *api

	mu    sync.Mutex // held during a login
	login sdk.Credential
}

// query is what the calls take; each takes some of it.
type query struct {
	RegistryID     string    `json:"registryId,omitempty"`
	RepositoryName string    `json:"repositoryName,omitempty"`
	ImageIDs       []imageID `json:"imageIds,omitempty"`
	MaxResults     int       `json:"maxResults,omitempty"`
	NextToken      string    `json:"nextToken,omitempty"`
}

type imageID struct {
	Digest string `json:"imageDigest,omitempty"`
	Tag    string `json:"imageTag,omitempty"`
}

// page is what the listing calls answer; each answers some of it.
type page struct {
	Repositories []struct {
		Name string `json:"repositoryName"`
	} `json:"repositories"`
	ImageIDs  []imageID `json:"imageIds"`
	NextToken string    `json:"nextToken"`
}

// pages yields the pages of a listing call.
func (s *source) pages(ctx context.Context, action string, q query) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		q.RegistryID, q.MaxResults = s.config.Account, pageSize
		seen := map[string]bool{"": true}
		for range maxPages {
			var p page
			if err := s.api.call(ctx, action, q, &p); err != nil {
				yield(page{}, err)
				return
			}
			if !yield(p, nil) || p.NextToken == "" {
				return
			}
			if seen[p.NextToken] {
				yield(page{}, fmt.Errorf("%w: the pages of %s go round in a circle", sdk.ErrUnavailable, action))
				return
			}
			seen[p.NextToken] = true
			q.NextToken = p.NextToken
		}
		yield(page{}, fmt.Errorf("%w: the listing has more than %d pages", sdk.ErrLimit, maxPages))
	}
}

// Repositories yields the registry's repositories, of those in the address.
func (s *source) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		add := sources.Names(yield)
		for p, err := range s.pages(ctx, "DescribeRepositories", query{}) {
			if err != nil {
				yield("", err)
				return
			}
			for _, repo := range p.Repositories {
				if repo.Name != "" && s.config.place.Within(repo.Name) && !add(repo.Name) {
					return
				}
			}
		}
	}
}

// Tags yields the tags of a repository with their digests, and its manifests
// without a tag, which the parts of an index are too.
func (s *source) Tags(ctx context.Context, repository string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		if _, err := s.config.place.Repository(repository); err != nil {
			yield(sdk.Tag{}, err)
			return
		}
		seen := map[imageID]bool{}
		for p, err := range s.pages(ctx, "ListImages", query{RepositoryName: repository}) {
			if errors.Is(err, sdk.ErrNotFound) && !slices.Contains(s.config.Repositories, repository) {
				return // deleted since it was listed
			}
			if err != nil {
				yield(sdk.Tag{}, err)
				return
			}
			for _, id := range p.ImageIDs {
				if id == (imageID{}) || distribution.Attached(id.Tag) {
					continue
				}
				// A tag that is moved while the listing goes on is yielded once.
				key := id
				if id.Tag != "" {
					key.Digest = ""
				}
				if seen[key] {
					continue
				}
				seen[key] = true
				if !yield(sdk.Tag{Name: id.Tag, Digest: id.Digest}, nil) {
					return
				}
			}
		}
	}
}

// Resolve asks what a tag points at, which costs no pull.
func (s *source) Resolve(ctx context.Context, repository, tag string) (sdk.Manifest, error) {
	if _, err := s.config.place.Repository(repository); err != nil {
		return sdk.Manifest{}, err
	}
	var found struct {
		Details []struct {
			Digest    string `json:"imageDigest"`
			MediaType string `json:"imageManifestMediaType"`
		} `json:"imageDetails"`
	}
	q := query{RegistryID: s.config.Account, RepositoryName: repository, ImageIDs: []imageID{{Tag: tag}}}
	if err := s.api.call(ctx, "DescribeImages", q, &found); err != nil {
		return sdk.Manifest{}, err
	}
	if len(found.Details) != 1 || found.Details[0].Digest == "" {
		return sdk.Manifest{}, fmt.Errorf("%w: ECR describes %d images as %s:%s", sdk.ErrUnavailable, len(found.Details), repository, tag)
	}
	return sdk.Manifest{Digest: found.Details[0].Digest, MediaType: found.Details[0].MediaType}, nil
}

// Credential returns a login that pulls for hours. One login does for all
// repositories; ECR grants few of them a second.
func (s *source) Credential(ctx context.Context, repository string) (sdk.Credential, error) {
	if _, err := s.config.place.Repository(repository); err != nil {
		return sdk.Credential{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.env.Now().Add(loginSlack).Before(s.login.Expires) {
		return s.login, nil
	}
	got, err := s.signIn(ctx)
	if err != nil {
		return sdk.Credential{}, err
	}
	s.login = got
	return got, nil
}

func (s *source) signIn(ctx context.Context) (sdk.Credential, error) {
	var answer struct {
		Data []struct {
			Token   string  `json:"authorizationToken"`
			Expires float64 `json:"expiresAt"` // Unix time in seconds
		} `json:"authorizationData"`
	}
	if err := s.api.call(ctx, "GetAuthorizationToken", query{}, &answer); err != nil {
		return sdk.Credential{}, err
	}
	if len(answer.Data) == 0 {
		return sdk.Credential{}, fmt.Errorf("%w: ECR gives no login", sdk.ErrUnavailable)
	}
	raw, err := base64.StdEncoding.DecodeString(answer.Data[0].Token)
	user, password, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok || user == "" || password == "" {
		return sdk.Credential{}, fmt.Errorf("%w: ECR gives a login that is none", sdk.ErrUnavailable)
	}
	return sdk.Credential{Username: user, Password: password, Expires: time.Unix(int64(answer.Data[0].Expires), 0)}, nil
}

// SignIn gets a login.
func (s *source) SignIn(ctx context.Context) (string, error) {
	got, err := s.signIn(ctx)
	if err != nil {
		return "", err
	}
	return "the keys are accepted; a login lasts until " + got.Expires.UTC().Format(time.RFC3339), nil
}
