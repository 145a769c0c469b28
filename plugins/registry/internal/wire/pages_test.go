package wire

import (
	"net/http"
	"net/url"
	"testing"
)

func FuzzNextLink(f *testing.F) {
	f.Add(`</v2/_catalog?last=a&n=5>; rel="next"`)
	f.Add(`<?last=a>;rel=next, </x>; rel=prev`)
	f.Add(`<http://other.example/x>; rel="next"`)
	f.Fuzz(func(t *testing.T, header string) {
		from := &url.URL{Scheme: "https", Host: "registry.example", Path: "/v2/_catalog"}
		link := nextLink(http.Header{"Link": {header}})
		if link == "" {
			return
		}
		if next, err := follow(from, link); err == nil && (next.Host != from.Host || next.Scheme != from.Scheme || next.User != nil) {
			t.Errorf("%q leads to %s", header, next)
		}
	})
}
