package match

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
)

// Key is everything the findings of a package version depend on, apart from the
// database. Equal keys have equal findings under one revision of the database.
// It is comparable.
type Key struct {
	// Stream is where advisories are looked up: a distribution's release
	// ("alpine 3.17", "debian 12", "ubuntu 18.04-ESM") or a language ecosystem ("npm").
	Stream string `json:"stream"`
	// Name and Version are the source package's for distributions.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Arch is set only where advisories depend on it.
	Arch string `json:"arch,omitempty"`
}

// String returns the key as one word without blanks, the same forever, fit to
// be a column of a table.
func (k Key) String() string {
	words := []string{url.QueryEscape(k.Stream), url.QueryEscape(k.Name), url.QueryEscape(k.Version)}
	if k.Arch != "" {
		words = append(words, url.QueryEscape(k.Arch))
	}
	return strings.Join(words, "|")
}

// ParseKey reads what String wrote.
func ParseKey(text string) (Key, error) {
	words := strings.Split(text, "|")
	if len(words) != 3 && len(words) != 4 {
		return Key{}, fmt.Errorf("match: %.100q is not a match key", text)
	}
	var k Key
	for i, field := range []*string{&k.Stream, &k.Name, &k.Version, &k.Arch}[:len(words)] {
		word, err := url.QueryUnescape(words[i])
		if err != nil {
			return Key{}, fmt.Errorf("match: %.100q is not a match key: %w", text, err)
		}
		*field = word
	}
	return k, nil
}

// KeyOf returns the key of a package in an image with this operating system. It
// returns false for a package that no advisory of the database can concern: the
// package manager of an unknown distribution, or a third party's package.
func KeyOf(p inventory.Package, e inventory.Ecosystem, os inventory.OS) (Key, bool) {
	rule := ruleFor(e, os.Family)
	if rule == nil || p.ThirdParty && !rule.thirdParties {
		return Key{}, false
	}
	s, ok := rule.subject(p)
	if !ok {
		return Key{}, false
	}
	return Key{Stream: streamOf(rule, p, os), Name: s.name, Version: s.version, Arch: s.arch}, true
}

// Stream returns where advisories for an ecosystem's packages are looked up in
// an image with this operating system, and false when nothing is known of it.
func Stream(e inventory.Ecosystem, os inventory.OS) (string, bool) {
	rule := ruleFor(e, os.Family)
	if rule == nil {
		return "", false
	}
	return rule.stream(os), true
}

// streamOf narrows the stream down to the package's channels where advisories
// depend on them.
func streamOf(r *rule, p inventory.Package, os inventory.OS) string {
	stream := r.stream(os)
	if r.channels != nil && p.Channels != "" {
		stream += " " + p.Channels
	}
	return stream
}
