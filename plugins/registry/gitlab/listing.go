package gitlab

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/plugins/registry/internal/sources"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	pageSize = 100  // the largest that GitLab grants
	reporter = "20" // the lowest role that may read a private project's registry
)

// repository is one of a project's, of which each may hold many.
type repository struct {
	ID   int64  `json:"id"`
	Path string `json:"path"` // GROUP/…/PROJECT[/NAME], as it is pulled
}

func (r repository) key() string { return strconv.FormatInt(r.ID, 10) }

// project is what is read of a project.
type project struct {
	ID     int64  `json:"id"`
	Access string `json:"container_registry_access_level"`
}

// Repositories yields what is in the group or project of the address, or else
// in all projects in which the token's account is at least a Reporter.
func (s *source) Repositories(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if s.config.Token == "" {
			yield("", fmt.Errorf("%w: %w", sdk.ErrUnauthorized, errNoToken))
			return
		}
		a, err := s.api(ctx)
		if err != nil {
			yield("", err)
			return
		}
		add := sources.Names(yield)
		for repo, err := range s.listed(ctx, a) {
			if err == nil && !s.config.place.Within(repo.Path) {
				err = fmt.Errorf("%w: %s lists a repository %q", sdk.ErrUnavailable, s.config.place.Namespace, repo.Path)
			}
			if err != nil {
				yield("", err)
				return
			}
			if !add(repo.Path) {
				return
			}
		}
	}
}

func (s *source) listed(ctx context.Context, a *api) iter.Seq2[repository, error] {
	if s.config.place.Namespace == "" {
		return a.everywhere(ctx)
	}
	return a.within(ctx, s.config.place.Namespace)
}

// within lists a group with its subgroups; a name that is no group's is a
// project's.
func (a *api) within(ctx context.Context, path string) iter.Seq2[repository, error] {
	return func(yield func(repository, error) bool) {
		for repo, err := range a.repositories(ctx, "groups", path) {
			if errors.Is(err, sdk.ErrNotFound) {
				a.repositories(ctx, "projects", path)(yield)
				return
			}
			if !yield(repo, err) {
				return
			}
		}
	}
}

// everywhere lists project by project.
func (a *api) everywhere(ctx context.Context) iter.Seq2[repository, error] {
	return func(yield func(repository, error) bool) {
		for p, err := range a.projects(ctx) {
			if err != nil {
				yield(repository{}, err)
				return
			}
			if p.Access == "disabled" {
				continue
			}
			for repo, err := range a.repositories(ctx, "projects", strconv.FormatInt(p.ID, 10)) {
				if errors.Is(err, sdk.ErrNotFound) {
					break // deleted since it was listed
				}
				if !yield(repo, err) {
					return
				}
			}
		}
	}
}

// memberships asks for the projects whose registry the token's account may read.
func memberships() url.Values {
	return url.Values{
		"membership": {"true"}, "min_access_level": {reporter}, "per_page": {strconv.Itoa(pageSize)},
		"order_by": {"id"}, "sort": {"asc"},
	}
}

// projects are read by keyset pagination, which does not shift under the reader,
// and by page numbers from a GitLab that does not have it for projects.
func (a *api) projects(ctx context.Context) iter.Seq2[project, error] {
	return func(yield func(project, error) bool) {
		query := memberships()
		query.Set("pagination", "keyset")
		begun := false
		for page, err := range wire.Linked[[]project](ctx, a.client, a.at(query, "projects")) {
			if err != nil && !begun && noKeyset(err) {
				a.projectsByOffset(ctx)(yield)
				return
			}
			if err != nil {
				yield(project{}, err)
				return
			}
			begun = true
			for _, p := range page {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// noKeyset says that a GitLab answered that it has no keyset pagination here.
func noKeyset(err error) bool {
	answer, ok := errors.AsType[*transport.Error](err)
	return ok && (answer.StatusCode == http.StatusMethodNotAllowed || answer.StatusCode == http.StatusBadRequest)
}

func (a *api) projectsByOffset(ctx context.Context) iter.Seq2[project, error] {
	return numbered(ctx, a, memberships(), func(p project) string { return strconv.FormatInt(p.ID, 10) }, "projects")
}

// repositories lists those of one group or project.
func (a *api) repositories(ctx context.Context, of, path string) iter.Seq2[repository, error] {
	return numbered(ctx, a, url.Values{"per_page": {strconv.Itoa(pageSize)}}, repository.key, of, path, "registry", "repositories")
}

// numbered reads a listing by page numbers.
func numbered[T any](ctx context.Context, a *api, query url.Values, key func(T) string, parts ...string) iter.Seq2[T, error] {
	return wire.Numbered(ctx, func(ctx context.Context, page int) (wire.Page[T], error) {
		query.Set("page", strconv.Itoa(page))
		p := wire.Page[T]{Total: -1}
		header, err := a.client.Get(ctx, a.at(query, parts...), &p.Items)
		if err != nil {
			return p, err
		}
		p.More = header.Get("X-Next-Page") != "" || wire.HasNext(header)
		// Absent beyond 10,000.
		if total, err := strconv.Atoi(header.Get("X-Total")); err == nil && total >= 0 {
			p.Total = total
		}
		return p, nil
	}, key)
}

// Tags yields the tags of a repository, as the registry lists them.
func (s *source) Tags(ctx context.Context, repository string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		for tag, err := range s.pulls.Tags(ctx, repository) {
			if errors.Is(err, sdk.ErrNotFound) && !slices.Contains(s.config.Repositories, repository) {
				return // GitLab goes on listing a repository without tags
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
