package policy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// DockerHub is the host under which Docker Hub's images are known here,
// whichever of its names a reference uses.
const DockerHub = "docker.io"

// maxReference bounds an image reference: 255 bytes of name, 128 of tag, a
// digest, and room for a scheme.
const maxReference = 1024

var (
	hostForm       = regexp.MustCompile(`^([a-z0-9]+([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)
	repositoryForm = regexp.MustCompile(`^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`)
	tagForm        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// Reference is an image as a pod names it, in one normal form.
type Reference struct {
	Host       string // lower case, port included; Docker Hub is DockerHub
	Repository string // with "library/" where Docker Hub implies it
	Tag        string // "latest" when nothing was said; empty when there is a digest, which wins
	Digest     model.Digest
}

// ParseReference reads "[host/]repository[:tag][@digest]" as container runtimes
// do. A reference that they would refuse gives fault.Invalid.
func ParseReference(s string) (Reference, error) {
	if len(s) > maxReference {
		return Reference{}, fault.New(fault.Invalid, "policy: an image reference of %d bytes is too long", len(s))
	}
	name, digest, hasDigest := strings.Cut(s, "@")
	ref := Reference{}
	if hasDigest {
		d, err := model.ParseDigest(digest)
		if err != nil {
			return Reference{}, fault.New(fault.Invalid, "policy: image reference %q: %w", s, err)
		}
		ref.Digest = d
	}
	name, tag := cutTag(name)
	if tag != "" && !tagForm.MatchString(tag) || strings.HasSuffix(name, ":") {
		return Reference{}, fault.New(fault.Invalid, "policy: image reference %q has no valid tag", s)
	}
	if !hasDigest {
		ref.Tag = tag
		if tag == "" {
			ref.Tag = "latest"
		}
	}
	ref.Host, ref.Repository = splitHost(name)
	if !hostForm.MatchString(ref.Host) || !repositoryForm.MatchString(ref.Repository) {
		return Reference{}, fault.New(fault.Invalid, "policy: %q is not an image reference", s)
	}
	return ref, nil
}

// String is the full form, "docker.io/library/nginx:latest".
func (r Reference) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + string(r.Digest)
	}
	return s
}

// Name is host and repository.
func (r Reference) Name() string { return r.Host + "/" + r.Repository }

// Hosts are the names under which a configured registry may have listed this
// image: exactly the host, with and without HTTPS's port, and all of Docker
// Hub's names for Docker Hub.
func (r Reference) Hosts() []string {
	if r.Host == DockerHub {
		return dockerHubHosts()
	}
	if bare, ok := strings.CutSuffix(r.Host, ":443"); ok {
		return []string{r.Host, bare}
	}
	if hasPort(r.Host) {
		return []string{r.Host}
	}
	return []string{r.Host, r.Host + ":443"}
}

func dockerHubHosts() []string {
	return []string{DockerHub, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
}

// normalHost gives Docker Hub its one name and leaves other hosts as they are.
func normalHost(host string) string {
	if slices.Contains(dockerHubHosts(), host) || host == "dockerhub" {
		return DockerHub
	}
	return host
}

// splitHost cuts the registry off a name without tag: the first part is one
// when it has a dot, a port or a capital letter or is localhost.
func splitHost(name string) (host, repository string) {
	first, rest, ok := strings.Cut(name, "/")
	isHost := strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first
	if !ok || !isHost {
		first, rest = DockerHub, name
	}
	first = normalHost(strings.ToLower(first))
	if first == DockerHub && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	return first, rest
}

// cutTag cuts "name:tag" at the last colon after the last slash.
func cutTag(s string) (name, tag string) {
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') && i < len(s)-1 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

func hasPort(host string) bool {
	return strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']')
}

// imagePattern is one value of the criterion image.
type imagePattern struct {
	name, tag pattern
	digest    model.Digest
}

// newImagePattern reads "[host/]repository[:tag]" or "…@digest" with wildcards.
// As in a pod, a name without a host is Docker Hub's; a name that begins with a
// wildcard ("*/nginx") stands for every host. Without a tag every tag matches.
func newImagePattern(value string) imagePattern {
	value = trimScheme(value)
	name, digest, _ := strings.Cut(value, "@")
	name, tag := cutTag(name)
	if tag == "" {
		tag = "*"
	}
	if !strings.HasPrefix(name, "*") && !strings.HasPrefix(name, "?") {
		host, repository := splitHost(name)
		name = host + "/" + repository
	}
	return imagePattern{name: newPattern(strings.ToLower(name)), tag: newPattern(tag), digest: model.Digest(digest)}
}

func (p imagePattern) match(r Reference) bool {
	return (p.digest == "" || p.digest == r.Digest) && p.name.match(r.Name()) && p.tag.match(r.Tag)
}

// newHostPattern reads one value of the criterion imageRegistry: a host or URL,
// or "dockerhub".
func newHostPattern(value string) pattern {
	host, _, _ := strings.Cut(trimScheme(value), "/")
	return newPattern(normalHost(strings.ToLower(host)))
}

func trimScheme(s string) string {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		return rest
	}
	return s
}
