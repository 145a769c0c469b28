// Package imagename reads the names of images as scanners write them into their
// documents.
package imagename

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/muster-sec/muster/plugins/sdk"
)

const maxName = 1 << 10 // bytes

var digestSyntax = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// IsDigest says whether text is the digest of something.
func IsDigest(text string) bool { return digestSyntax.MatchString(text) }

// EveryDigest says whether all texts are digests.
func EveryDigest(all []string) bool {
	return !slices.ContainsFunc(all, func(d string) bool { return !IsDigest(d) })
}

// Name is a reference in its parts; those that it does not name are empty.
type Name struct {
	Registry, Repository, Tag, Digest string
}

// Parse reads a reference. Files are none, though some names of files would do
// as references.
func Parse(text string) (Name, bool) {
	lower := strings.ToLower(text)
	if text == "" || len(text) > maxName || strings.HasPrefix(text, ".") || strings.HasPrefix(text, "/") ||
		strings.HasSuffix(lower, ".tar") || strings.HasSuffix(lower, ".tar.gz") || strings.HasSuffix(lower, ".tgz") {
		return Name{}, false
	}
	tagged, digest, _ := strings.Cut(text, "@")
	if digest != "" && !IsDigest(digest) {
		return Name{}, false
	}
	ref, err := name.NewTag(tagged, name.WeakValidation, name.WithDefaultRegistry(""), name.WithDefaultTag(""))
	if err != nil {
		return Name{}, false
	}
	return Name{Registry: ref.RegistryStr(), Repository: ref.RepositoryStr(), Tag: ref.TagStr(), Digest: digest}, true
}

// Claims are what a document says of an image's name.
type Claims struct {
	// Asked are the names that the scanner was given or the image bears, the
	// best first.
	Asked []string
	// Digests are the names by digest that the image has.
	Digests []string
}

// Identify writes the name into s: the first of those asked for that is one. The
// digest of a repository counts if it is the one of that name, or if there is
// but one. It returns what it did not understand, as sentences.
func (c Claims) Identify(s *sdk.Subject) (warnings []string) {
	var asked Name
	for _, text := range c.Asked {
		if n, ok := Parse(text); ok {
			asked = n
			break
		}
	}
	var known []Name
	for _, text := range c.Digests {
		n, ok := Parse(text)
		if ok && n.Digest != "" {
			known = append(known, n)
		} else {
			warnings = append(warnings, fmt.Sprintf("the repository digest %.120q is not understood", text))
		}
	}
	if asked.Repository == "" && len(known) > 0 {
		asked = Name{Registry: known[0].Registry, Repository: known[0].Repository}
	}
	s.Registry, s.Repository, s.Tag, s.Digest = asked.Registry, asked.Repository, asked.Tag, asked.Digest
	if s.Digest != "" {
		return warnings
	}
	var all, same []string
	for _, d := range known {
		all = append(all, d.Digest)
		if d.Registry == asked.Registry && d.Repository == asked.Repository {
			same = append(same, d.Digest)
		}
	}
	if len(same) > 0 {
		all = same
	}
	slices.Sort(all)
	switch all = slices.Compact(all); len(all) {
	case 0: // who posts the document may know it
	case 1:
		s.Digest = all[0]
	default:
		warnings = append(warnings, "the document names several digests of manifests and not which one was scanned")
	}
	return warnings
}
