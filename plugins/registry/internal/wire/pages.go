package wire

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	maxPages  = 100_000
	maxPasses = 3
)

// Linked yields the pages of a listing that begins at first and goes on where
// each page's Link header leads (RFC 8288, rel="next").
func Linked[T any](ctx context.Context, c *Client, first *url.URL) iter.Seq2[T, error] {
	return Chained(ctx, c, first, func(_ T, h http.Header, at *url.URL) (*url.URL, error) {
		link := nextLink(h)
		if link == "" {
			return nil, nil
		}
		return follow(at, link)
	})
}

// Chained yields the pages of a listing that begins at first and goes on where
// next says; nil ends it. It notices circles.
func Chained[T any](ctx context.Context, c *Client, first *url.URL, next func(page T, h http.Header, at *url.URL) (*url.URL, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		at := first
		seen := map[string]bool{}
		for len(seen) < maxPages {
			if seen[at.RequestURI()] {
				yield(none, fmt.Errorf("%w: the registry's pages go round in a circle at %s", sdk.ErrUnavailable, at.RequestURI()))
				return
			}
			seen[at.RequestURI()] = true
			var page T
			header, err := c.Get(ctx, at, &page)
			if err != nil {
				yield(none, err)
				return
			}
			if !yield(page, nil) {
				return
			}
			if at, err = next(page, header, at); err != nil {
				yield(none, err)
				return
			}
			if at == nil {
				return
			}
		}
		yield(none, fmt.Errorf("%w: the listing has more than %d pages", sdk.ErrLimit, maxPages))
	}
}

// Page is one page of a listing by page numbers.
type Page[T any] struct {
	Items []T
	Total int  // how many items the whole listing has; negative if not told
	More  bool // there is a next page, as far as this one tells
}

// Numbered yields the items of a listing by page numbers, each once by its key.
//
// Such a listing shifts under its reader when something is deleted, and what
// slips to a page that was read already would look as if it were gone. So a pass
// over the pages counts if it saw as many items as the registry said there are,
// at its beginning and at its end, or the same ones as the pass before; otherwise
// the pages are read again, and after some passes the listing ends with an error
// that is ErrUnavailable.
// Registries that tell no total are believed.
func Numbered[T any](ctx context.Context, read func(ctx context.Context, page int) (Page[T], error), key func(T) string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yielded := map[string]bool{}
		var before map[string]bool
		for range maxPasses {
			now := map[string]bool{}
			first, last := -1, -1
			for page, more := 1, true; more; page++ {
				if page > maxPages {
					yield(none, fmt.Errorf("%w: the listing has more than %d pages", sdk.ErrLimit, maxPages))
					return
				}
				p, err := read(ctx, page)
				if err != nil {
					yield(none, err)
					return
				}
				for _, item := range p.Items {
					k := key(item)
					now[k] = true
					if yielded[k] {
						continue
					}
					yielded[k] = true
					if !yield(item, nil) {
						return
					}
				}
				if page == 1 {
					first = p.Total
				}
				last, more = p.Total, p.More && len(p.Items) > 0
			}
			counted := first == last && last == len(now)
			if last < 0 || counted || before != nil && maps.Equal(before, now) {
				return
			}
			before = now
		}
		yield(none, fmt.Errorf("%w: the listing changes faster than it can be read", sdk.ErrUnavailable))
	}
}

// One link of a Link header (RFC 8288), and one of its parameters.
var (
	linkSyntax  = regexp.MustCompile(`<([^<>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"]*))?)*)`)
	paramSyntax = regexp.MustCompile(`;\s*([^\s=;,"]+)\s*=\s*(?:"([^"]*)"|([^\s;,"]*))`)
)

// HasNext says whether the Link header names a next page.
func HasNext(h http.Header) bool { return nextLink(h) != "" }

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
