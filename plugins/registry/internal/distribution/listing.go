package distribution

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"regexp"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

const pageSize = "1000"

// Catalog yields what GET /v2/_catalog lists.
func (c *Client) Catalog(ctx context.Context) iter.Seq2[string, error] {
	type page struct {
		Repositories []string `json:"repositories"`
	}
	return func(yield func(string, error) bool) {
		client, err := c.signIn(ctx, catalogScope)
		if err != nil {
			yield("", noCatalog(err))
			return
		}
		first := c.place.URL("/v2/_catalog")
		first.RawQuery = "n=" + pageSize
		for p, err := range wire.Linked[page](ctx, client, first) {
			if err != nil {
				yield("", noCatalog(err))
				return
			}
			for _, repo := range p.Repositories {
				if !yield(repo, nil) {
					return
				}
			}
		}
	}
}

// noCatalog says how to do without a catalog.
func noCatalog(err error) error {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Errorf("the registry does not list its repositories (HTTP %d): name them in the setting `repositories`, or use a credential that may list: %w",
			answer.StatusCode, err)
	default:
		return err
	}
}

// attached are tags that belong to another image: the fallback of the referrers
// API, and what cosign attaches. They are not images.
var attached = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)

// Attached says that a tag only attaches something to another image.
func Attached(tag string) bool { return attached.MatchString(tag) }

// Tags yields what GET /v2/REPOSITORY/tags/list lists, without attached tags.
func (c *Client) Tags(ctx context.Context, repository string) iter.Seq2[sdk.Tag, error] {
	type page struct {
		Tags []string `json:"tags"` // null means none
	}
	return func(yield func(sdk.Tag, error) bool) {
		repo, err := c.place.Repository(repository)
		if err != nil {
			yield(sdk.Tag{}, err)
			return
		}
		client, err := c.signIn(ctx, scopeOf(repo))
		if err != nil {
			yield(sdk.Tag{}, err)
			return
		}
		first := c.place.URL("/v2/" + repo.RepositoryStr() + "/tags/list")
		first.RawQuery = "n=" + pageSize
		for p, err := range wire.Linked[page](ctx, client, first) {
			if err != nil {
				yield(sdk.Tag{}, err)
				return
			}
			for _, tag := range p.Tags {
				if !Attached(tag) && !yield(sdk.Tag{Name: tag}, nil) {
					return
				}
			}
		}
	}
}
