package registry

import (
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// filters select "repository:tag" by glob; none selects everything.
type filters []filter

type filter struct{ repository, tag string }

// newFilters parses valid filters.
func newFilters(globs []string) filters {
	fs := make(filters, 0, len(globs))
	for _, g := range globs {
		fs = append(fs, splitFilter(g))
	}
	return fs
}

// splitFilter divides at the last colon: repositories have none.
func splitFilter(g string) filter {
	if i := strings.LastIndexByte(g, ':'); i >= 0 {
		return filter{g[:i], g[i+1:]}
	}
	return filter{g, "*"}
}

func validateFilter(g string) error {
	f := splitFilter(g)
	if f.repository == "" || f.tag == "" || strings.ContainsAny(g, " \t\r\n@") || strings.Contains(f.repository, ":") {
		return fault.New(fault.Invalid, "filter %q cannot be understood", g).
			WithHint(`write repository[:tag]; "*" stands for any characters, "?" for one`)
	}
	return nil
}

// repository says whether any tag of a repository may be selected.
func (fs filters) repository(name string) bool {
	for _, f := range fs {
		if glob(f.repository, name) {
			return true
		}
	}
	return len(fs) == 0
}

// tag says whether a tag of a repository is selected.
func (fs filters) tag(repository, tag string) bool {
	for _, f := range fs {
		if glob(f.repository, repository) && glob(f.tag, tag) {
			return true
		}
	}
	return len(fs) == 0
}

// takes says whether what a listing shows is selected.
func (fs filters) takes(img model.ListedImage) bool {
	if img.Tag == "" {
		return fs.untagged(img.Repository)
	}
	return fs.tag(img.Repository, img.Tag)
}

// untagged says whether the manifests without a tag of a repository are
// selected: where a filter asks for every tag.
func (fs filters) untagged(repository string) bool {
	for _, f := range fs {
		if f.tag == "*" && glob(f.repository, repository) {
			return true
		}
	}
	return len(fs) == 0
}

// glob matches the whole of s: "*" any bytes, "?" one. It goes back only to the
// last star, so a hostile pattern costs at most the product of the lengths.
func glob(pattern, s string) bool {
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// selects says whether a registry's platform setting takes an image. A setting
// without a variant takes every variant; an image that does not tell its
// platform is taken.
func selects(platforms []string, p model.Platform) bool {
	name := p.String()
	if len(platforms) == 0 || name == "" {
		return true
	}
	for _, want := range platforms {
		if name == want || strings.HasPrefix(name, want+"/") {
			return true
		}
	}
	return false
}
