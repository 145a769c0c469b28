package policy

import (
	"strings"

	"github.com/muster-sec/muster/core/model"
)

// imagePattern is one value of the criterion image.
type imagePattern struct {
	name, tag pattern
	withPort  bool // as in hostPattern
	digest    model.Digest
}

// newImagePattern reads "[host/]repository[:tag]" or "…@digest" with wildcards.
// As in a pod, a name without a host is Docker Hub's; a name that begins with a
// wildcard ("*/nginx") stands for every host. Without a tag every tag matches,
// and beside a digest the tag says nothing, as in a reference.
func newImagePattern(value string) imagePattern {
	name, digest, _ := strings.Cut(trimScheme(value), "@")
	name, tag := cutTag(name)
	if tag == "" || digest != "" {
		tag = "*"
	}
	host, repository, ok := strings.Cut(name, "/")
	if !strings.HasPrefix(name, "*") && !strings.HasPrefix(name, "?") {
		host, repository = splitHost(name)
		name = host + "/" + repository
	} else if ok && hasPort(host) {
		host = normalHost(host)
		name = host + "/" + repository
	}
	return imagePattern{
		name: newPattern(strings.ToLower(name)), tag: newPattern(tag),
		withPort: hasPort(host), digest: model.Digest(digest),
	}
}

func (p imagePattern) match(r Reference) bool {
	if p.digest != "" && p.digest != r.Digest {
		return false
	}
	return p.name.match(spell(r.Host, p.withPort)+"/"+r.Repository) && p.tag.match(r.Tag)
}

// hostPattern is one value of the criterion imageRegistry.
type hostPattern struct {
	pattern
	// withPort says that the pattern speaks of ports: "reg.example:*" means
	// HTTPS's port too, which the normal form of a host leaves out.
	withPort bool
}

// newHostPattern reads a host or URL, or "dockerhub".
func newHostPattern(value string) hostPattern {
	host, _, _ := strings.Cut(trimScheme(value), "/")
	host = normalHost(host)
	return hostPattern{newPattern(host), hasPort(host)}
}

func (p hostPattern) match(host string) bool { return p.pattern.match(spell(host, p.withPort)) }

// spell writes a host in normal form with HTTPS's port when that is asked for.
func spell(host string, withPort bool) string {
	if withPort && !hasPort(host) {
		return host + httpsPort
	}
	return host
}

func trimScheme(s string) string {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		return rest
	}
	return s
}
