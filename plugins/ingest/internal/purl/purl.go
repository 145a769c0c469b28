// Package purl reads package URLs, as far as documents of scanners need it
// (github.com/package-url/purl-spec).
package purl

import (
	"net/url"
	"strings"
)

// URL is a package URL in its parts.
type URL struct {
	Type       string // "deb"
	Namespace  string // "debian", "@scope", "org.apache"
	Name       string
	Version    string
	Qualifiers url.Values
}

// Parse reads "pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS#SUBPATH".
func Parse(text string) (URL, bool) {
	rest, ok := strings.CutPrefix(text, "pkg:")
	if !ok {
		return URL{}, false
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	qualifiers, err := url.ParseQuery(query)
	if err != nil {
		return URL{}, false
	}
	version := ""
	if i := strings.LastIndex(rest, "@"); i > strings.LastIndex(rest, "/") {
		rest, version = rest[:i], rest[i+1:]
	}
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	if len(parts) < 2 {
		return URL{}, false
	}
	for i, p := range parts {
		if parts[i], err = url.PathUnescape(p); err != nil || p == "" {
			return URL{}, false
		}
	}
	if version, err = url.PathUnescape(version); err != nil {
		return URL{}, false
	}
	last := len(parts) - 1
	return URL{
		Type: strings.ToLower(parts[0]), Namespace: strings.Join(parts[1:last], "/"), Name: parts[last],
		Version: version, Qualifiers: qualifiers,
	}, true
}

// Package is the name that the package goes by in its ecosystem, in which its
// namespace has a part for some.
func (u URL) Package() string {
	if u.Namespace == "" {
		return u.Name
	}
	switch u.Type {
	case "maven":
		return u.Namespace + ":" + u.Name
	case "npm", "golang", "composer", "github", "swift":
		return u.Namespace + "/" + u.Name
	default:
		return u.Name
	}
}

// Image is the name of an image, of the type "oci" (its repository_url is the
// whole repository) or "docker", as skopeo would write it; empty for others.
func (u URL) Image() string {
	var name string
	switch {
	case u.Type == "oci" && u.Qualifiers.Get("repository_url") != "":
		name = u.Qualifiers.Get("repository_url")
	case u.Type == "oci":
		name = u.Name
	case u.Type == "docker" && u.Namespace != "":
		name = strings.Trim(u.Qualifiers.Get("repository_url")+"/"+u.Namespace+"/"+u.Name, "/")
	case u.Type == "docker":
		name = u.Name
	default:
		return ""
	}
	tag := u.Qualifiers.Get("tag")
	switch {
	case strings.HasPrefix(u.Version, "sha256:"):
		if tag != "" {
			name += ":" + tag
		}
		return name + "@" + u.Version
	case u.Version != "":
		return name + ":" + u.Version
	case tag != "":
		return name + ":" + tag
	default:
		return name
	}
}
