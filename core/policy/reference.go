package policy

import (
	"net/netip"
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
	digestForm     = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$`)
	tagForm        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// Reference is an image as a pod names it, in one normal form.
type Reference struct {
	Host       string // lower case, with the port unless it is HTTPS's own; Docker Hub is DockerHub
	Repository string // with "library/" where Docker Hub implies it
	Tag        string // "latest" when nothing was said; empty when there is a digest, which wins
	// Digest may be SHA-384 or SHA-512 too, which runtimes accept: the name can be
	// judged then, though no result is ever known under such a digest.
	Digest model.Digest
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
		if err := checkDigest(digest); err != nil {
			return Reference{}, fault.New(fault.Invalid, "policy: image reference %q: %w", s, err)
		}
		ref.Digest = model.Digest(digest)
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

func checkDigest(s string) error {
	if !digestForm.MatchString(s) {
		return fault.New(fault.Invalid, "%q is not a digest", s).WithHint("a digest is sha256: and 64 hex digits; sha384: and sha512: are known too")
	}
	return nil
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
	if hasPort(r.Host) {
		return []string{r.Host}
	}
	return []string{r.Host, r.Host + httpsPort}
}

func dockerHubHosts() []string {
	return []string{DockerHub, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
}

const httpsPort = ":443"

// normalHost is the one spelling of a host, so that no other one leads to the
// same registry past a rule: lower case, an IPv6 address in its short form, a
// port without leading zeros and none where HTTPS implies it, and one name for
// Docker Hub. A host with wildcards keeps them.
func normalHost(host string) string {
	host, port := strings.ToLower(host), ""
	if hasPort(host) {
		i := strings.LastIndexByte(host, ':')
		host, port = host[:i], host[i+1:]
		if digits := strings.TrimLeft(port, "0"); digits != "" {
			port = digits
		}
		port = ":" + port
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err == nil {
			host = "[" + ip.String() + "]"
		}
	}
	if port == httpsPort {
		port = ""
	}
	if port == "" && (slices.Contains(dockerHubHosts(), host) || host == "dockerhub") {
		return DockerHub
	}
	return host + port
}

// splitHost cuts the registry off a name without tag: the first part is one
// when it has a dot, a port or a capital letter or is localhost.
func splitHost(name string) (host, repository string) {
	first, rest, ok := strings.Cut(name, "/")
	isHost := strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first
	if !ok || !isHost {
		first, rest = DockerHub, name
	}
	first = normalHost(first)
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
