package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	pageSize = "1000"
	maxPages = 100_000
)

// get asks for u and returns the open answer.
// Answers other than 200 are errors with a kind.
func (s *session) get(ctx context.Context, rt http.RoundTripper, method string, u *url.URL, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sdk.ErrInvalid, err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "muster")
	client := &http.Client{Transport: rt, CheckRedirect: sameHost}
	resp, err := client.Do(req)
	if err != nil {
		return nil, explain(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		err := explain(transport.CheckError(resp, http.StatusOK))
		if after, ok := retryAfter(resp.Header, s.now()); ok && errors.Is(err, sdk.ErrUnavailable) {
			err = &sdk.RetryError{After: after, Err: err}
		}
		return nil, err
	}
	return resp, nil
}

// sameHost refuses redirects that would let another host answer for this one.
func sameHost(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 || !strings.EqualFold(req.URL.Host, via[0].URL.Host) {
		return http.ErrUseLastResponse
	}
	return nil
}

func (s *session) root(path string) *url.URL {
	return &url.URL{Scheme: s.scheme(), Host: s.registry.RegistryStr(), Path: "/v2/" + path}
}

// pages yields the pages of a listing. decode reads one; it may run past what
// it needs, not past the size limit of answers.
func pages[T any](ctx context.Context, s *session, rt http.RoundTripper, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		next := s.root(path)
		next.RawQuery = "n=" + pageSize
		seen := map[string]bool{}
		for len(seen) < maxPages {
			if seen[next.RequestURI()] {
				yield(none, fmt.Errorf("%w: the registry's pages go round in a circle at %s", sdk.ErrUnavailable, next.RequestURI()))
				return
			}
			seen[next.RequestURI()] = true
			page, link, err := onePage[T](ctx, s, rt, next)
			if err != nil {
				yield(none, err)
				return
			}
			if !yield(page, nil) || link == "" {
				return
			}
			if next, err = follow(next, link); err != nil {
				yield(none, err)
				return
			}
		}
		yield(none, fmt.Errorf("%w: the listing has more than %d pages", sdk.ErrLimit, maxPages))
	}
}

func onePage[T any](ctx context.Context, s *session, rt http.RoundTripper, u *url.URL) (page T, link string, err error) {
	resp, err := s.get(ctx, rt, http.MethodGet, u, "application/json")
	if err != nil {
		return page, "", err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		if errors.Is(err, sdk.ErrLimit) {
			return page, "", err
		}
		return page, "", fmt.Errorf("%w: the answer to %s is not the JSON of a registry: %w", sdk.ErrUnavailable, u.Path, err)
	}
	return page, nextLink(resp.Header), nil
}

// One link of a Link header (RFC 8288), and one of its parameters.
var (
	linkSyntax  = regexp.MustCompile(`<([^<>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"]*))?)*)`)
	paramSyntax = regexp.MustCompile(`;\s*([^\s=;,"]+)\s*=\s*(?:"([^"]*)"|([^\s;,"]*))`)
)

// nextLink finds the target of the link with rel="next".
func nextLink(h http.Header) string {
	for _, value := range h.Values("Link") {
		for _, link := range linkSyntax.FindAllStringSubmatch(value, 16) {
			for _, param := range paramSyntax.FindAllStringSubmatch(link[2], 16) {
				if strings.EqualFold(param[1], "rel") && strings.EqualFold(param[2]+param[3], "next") {
					return link[1]
				}
			}
		}
	}
	return ""
}

// follow resolves a link: relative, or absolute to the same host. The scheme
// stays ours, because registries behind a TLS proxy write the wrong one.
func follow(from *url.URL, link string) (*url.URL, error) {
	ref, err := url.Parse(link)
	if err != nil {
		return nil, fmt.Errorf("%w: the registry's link to its next page is no address: %w", sdk.ErrUnavailable, err)
	}
	if ref.Host != "" && !strings.EqualFold(ref.Host, from.Host) {
		return nil, fmt.Errorf("%w: the registry's next page is on another host, %s: the listing is incomplete", sdk.ErrUnavailable, ref.Host)
	}
	next := from.ResolveReference(ref)
	next.Scheme, next.Host, next.User, next.Fragment = from.Scheme, from.Host, nil, ""
	return next, nil
}

// catalog yields what GET /v2/_catalog lists.
func (s *session) catalog(ctx context.Context) iter.Seq2[string, error] {
	type page struct {
		Repositories []string `json:"repositories"`
	}
	return func(yield func(string, error) bool) {
		rt, err := s.signIn(ctx, catalogScope)
		if err != nil {
			yield("", noCatalog(err))
			return
		}
		for p, err := range pages[page](ctx, s, rt, "_catalog") {
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

// tags yields what GET /v2/REPOSITORY/tags/list lists.
func (s *session) tags(ctx context.Context, repository string) iter.Seq2[sdk.Tag, error] {
	type page struct {
		Tags []string `json:"tags"` // null means none
	}
	return func(yield func(sdk.Tag, error) bool) {
		repo, err := s.repository(repository)
		if err != nil {
			yield(sdk.Tag{}, err)
			return
		}
		rt, err := s.signIn(ctx, repo.Scope("pull"))
		if err != nil {
			yield(sdk.Tag{}, err)
			return
		}
		for p, err := range pages[page](ctx, s, rt, repo.RepositoryStr()+"/tags/list") {
			if err != nil {
				// The catalog goes on naming a repository whose last tag was deleted.
				if !errors.Is(err, sdk.ErrNotFound) || s.explicit(repository) {
					yield(sdk.Tag{}, err)
				}
				return
			}
			for _, tag := range p.Tags {
				if !attached.MatchString(tag) && !yield(sdk.Tag{Name: tag}, nil) {
					return
				}
			}
		}
	}
}
