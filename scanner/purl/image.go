package purl

import (
	"path"
	"strings"

	packageurl "github.com/package-url/packageurl-go"

	"github.com/muster-sec/muster/scanner/inventory"
)

// OfImage returns the package URL of an image, of type oci: its name is the last
// word of the repository, its version the digest.
func OfImage(i inventory.Image) string {
	repository, tag := Repository(i.Reference)
	name := strings.ToLower(path.Base(repository))
	qualifiers := map[string]string{"repository_url": repository}
	if tag != "" {
		qualifiers["tag"] = tag
	}
	if words := strings.Split(i.Platform, "/"); len(words) > 1 {
		qualifiers["arch"] = words[1]
	}
	u := packageurl.PackageURL{
		Type: packageurl.TypeOCI, Name: name, Version: i.Digest, Qualifiers: packageurl.QualifiersFromMap(qualifiers),
	}
	// Normalising fails for a reference without a name only, which keeps its text.
	_ = u.Normalize()
	return u.ToString()
}

// Repository cuts a reference into repository and tag: no tag where there is a
// digest only, and for an OCI layout the name in it, or the folder's.
func Repository(reference string) (repository, tag string) {
	layout := false
	for _, prefix := range []string{"oci:", "docker-archive:"} {
		if rest, ok := strings.CutPrefix(reference, prefix); ok {
			reference, layout = rest, true
		}
	}
	if layout {
		if _, name, ok := strings.Cut(reference, ":"); ok {
			reference = name
		} else {
			reference = path.Base(reference)
		}
	}
	reference = strings.TrimPrefix(reference, "docker://")
	reference, _, _ = strings.Cut(reference, "@")
	if i := strings.LastIndexByte(reference, ':'); i > strings.LastIndexByte(reference, '/') {
		return reference[:i], reference[i+1:]
	}
	return reference, ""
}
