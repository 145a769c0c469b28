package harbor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/plugins/registry/internal/distribution"
	"github.com/muster-sec/muster/plugins/registry/internal/settings"
	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// pageSize is the largest that Harbor grants.
const pageSize = 100

// source lists by Harbor's API and resolves tags by the distribution API.
type source struct {
	config *config
	place  settings.Place
	api    *wire.Client // signed in
	opener *wire.Client // not signed in
	pulls  *distribution.Client
}

// list yields the entries of one of Harbor's listings. Oldest come first, so
// that what is added while it is read is at its end.
func list[T any](ctx context.Context, s *source, path string, query url.Values, key func(T) string) iter.Seq2[T, error] {
	return wire.Numbered(ctx, func(ctx context.Context, page int) (wire.Page[T], error) {
		u := s.place.URL("/api/v2.0/" + path)
		query.Set("page", strconv.Itoa(page))
		query.Set("page_size", strconv.Itoa(pageSize))
		u.RawQuery = query.Encode()
		var items []T
		header, err := s.api.Get(ctx, u, &items)
		if err != nil {
			return wire.Page[T]{}, err
		}
		total, err := strconv.Atoi(header.Get("X-Total-Count"))
		if err != nil || total < 0 {
			return wire.Page[T]{Items: items, Total: -1, More: wire.HasNext(header) || len(items) == pageSize}, nil
		}
		return wire.Page[T]{Items: items, Total: total, More: page*pageSize < total}, nil
	}, key)
}

type named struct {
	Name string `json:"name"`
}

func (n named) key() string { return n.Name }

// Repositories yields the repositories of the project in the address, or else
// of all projects that the account sees.
func (s *source) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		add := sources.Names(yield)
		for project, err := range s.projects(ctx) {
			if err != nil {
				yield("", err)
				return
			}
			path := "projects/" + url.PathEscape(project) + "/repositories"
			for repo, err := range list(ctx, s, path, url.Values{"sort": {"creation_time"}}, named.key) {
				if err == nil && !strings.HasPrefix(repo.Name, project+"/") {
					err = fmt.Errorf("%w: project %q lists a repository %q", sdk.ErrUnavailable, project, repo.Name)
				}
				switch {
				case errors.Is(err, sdk.ErrNotFound) && s.place.Namespace == "":
					continue // deleted since it was listed
				case err != nil:
					yield("", err)
					return
				case !add(repo.Name):
					return
				}
			}
		}
	}
}

func (s *source) projects(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if s.place.Namespace != "" {
			yield(s.place.Namespace, nil)
			return
		}
		for p, err := range list(ctx, s, "projects", url.Values{"sort": {"creation_time"}}, named.key) {
			if !yield(p.Name, err) {
				return
			}
		}
	}
}

// artifact is one manifest with its tags.
type artifact struct {
	Digest string  `json:"digest"`
	Tags   []named `json:"tags"` // null without any
	Type   string  `json:"manifest_media_type"`
}

func (a artifact) key() string { return a.Digest }

// Tags yields the tags of a repository, and its artifacts without a tag. A tag
// that is moved to another artifact while the listing goes on is yielded once.
func (s *source) Tags(ctx context.Context, repository string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		path, err := s.artifacts(repository)
		if err != nil {
			yield(sdk.Tag{}, err)
			return
		}
		seen := map[string]bool{}
		query := url.Values{"with_tag": {"true"}, "sort": {"push_time"}}
		for a, err := range list(ctx, s, path, query, artifact.key) {
			if errors.Is(err, sdk.ErrNotFound) && !slices.Contains(s.config.Repositories, repository) {
				return // deleted since it was listed
			}
			if err != nil {
				yield(sdk.Tag{}, err)
				return
			}
			for _, tag := range a.listed() {
				if tag.Name != "" && (seen[tag.Name] || distribution.Attached(tag.Name)) {
					continue
				}
				seen[tag.Name] = true
				if !yield(tag, nil) {
					return
				}
			}
		}
	}
}

// listed returns the tags of an artifact, or else the artifact itself.
func (a artifact) listed() []sdk.Tag {
	if len(a.Tags) == 0 && a.Digest != "" {
		return []sdk.Tag{{Digest: a.Digest, MediaType: a.Type}}
	}
	var all []sdk.Tag
	for _, t := range a.Tags {
		if t.Name != "" {
			all = append(all, sdk.Tag{Name: t.Name, Digest: a.Digest, MediaType: a.Type})
		}
	}
	return all
}

// artifacts is the path of a repository's artifacts. Slashes within the name
// are escaped here, and again by the URL: Harbor wants them so.
func (s *source) artifacts(repository string) (string, error) {
	if _, err := s.place.Repository(repository); err != nil {
		return "", err
	}
	project, rest, ok := strings.Cut(repository, "/")
	if !ok {
		return "", fmt.Errorf("%w: repositories of Harbor are called PROJECT/NAME, not %q", sdk.ErrInvalid, repository)
	}
	return "projects/" + project + "/repositories/" + url.PathEscape(rest) + "/artifacts", nil
}

// Credential returns what is configured: a user's or robot's name and password.
func (s *source) Credential(_ context.Context, repository string) (sdk.Credential, error) {
	if _, err := s.place.Repository(repository); err != nil {
		return sdk.Credential{}, err
	}
	return s.config.Basic(), nil
}

// Resolve asks for a tag's manifest by HEAD.
func (s *source) Resolve(ctx context.Context, repository, tag string) (sdk.Manifest, error) {
	return s.pulls.Resolve(ctx, repository, tag)
}
