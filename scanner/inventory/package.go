// Package inventory holds the values a scan produces before any vulnerability
// is looked up: packages, the sets they are found in, what one layer contains,
// and what a whole image contains. It has no I/O and imports the standard
// library only, so that everything else may import it.
package inventory

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Ecosystem names the kind of package manager a package set comes from. It
// decides how versions compare and which advisories apply.
type Ecosystem string

// The ecosystems. Those of languages are named as the vulnerability database names
// them; the last five are known from bills of materials only.
const (
	Dpkg     Ecosystem = "dpkg"
	Apk      Ecosystem = "apk"
	Rpm      Ecosystem = "rpm"
	NPM      Ecosystem = "npm"
	Python   Ecosystem = "pip"
	Gem      Ecosystem = "rubygems"
	Go       Ecosystem = "go"
	Rust     Ecosystem = "cargo"
	Java     Ecosystem = "maven"
	Composer Ecosystem = "composer"
	NuGet    Ecosystem = "nuget"
	Conda    Ecosystem = "conda"
	Julia    Ecosystem = "julia"
	Bitnami  Ecosystem = "bitnami"

	CocoaPods Ecosystem = "cocoapods"
	Conan     Ecosystem = "conan"
	Erlang    Ecosystem = "erlang"
	Pub       Ecosystem = "pub"
	Swift     Ecosystem = "swift"
)

// IsOS reports whether packages of the ecosystem belong to the operating
// system's own package manager and are therefore judged by its advisories.
func (e Ecosystem) IsOS() bool { return e == Dpkg || e == Apk || e == Rpm }

// Package is one installed package as its package manager records it.
type Package struct {
	// Name is the binary package's name.
	Name string `json:"name"`
	// Version is the full version with epoch (unless zero) and release, as the
	// package manager would print it.
	Version string `json:"version"`
	// SourceName is the source package, empty when it equals Name.
	SourceName string `json:"source,omitempty"`
	// SourceVersion is the source package's version, empty when it equals Version.
	SourceVersion string `json:"source_version,omitempty"`
	// Arch is the package manager's word for the architecture.
	Arch string `json:"arch,omitempty"`
	// Module is the module and stream that an rpm was built for ("nodejs:12");
	// each stream has advisories of its own.
	Module string `json:"module,omitempty"`
	// Channels are what Red Hat's advisories are chosen by: the content sets and
	// the build of the layer that brought the package, as the words that Channels
	// of type Build joins. They come from other files than the package does, so
	// package squash fills them in.
	Channels string `json:"channels,omitempty"`
	// Path is where the package lies inside its source when the source holds
	// many (a nested archive); empty when the source's own path says it all.
	Path string `json:"path,omitempty"`
	// ThirdParty is set for a package that did not come from the distribution:
	// the distribution's advisories do not describe it.
	ThirdParty bool `json:"third_party,omitempty"`
}

// Source returns the name and version that advisories of the package's
// distribution speak of.
func (p Package) Source() (name, version string) {
	return cmp.Or(p.SourceName, p.Name), cmp.Or(p.SourceVersion, p.Version)
}

// SetID names a package set by the SHA-256 of its canonical bytes, written
// "sha256:" and 64 hexadecimal digits.
type SetID string

// PackageSet is everything one source (one dpkg status file, one package.json)
// in one layer declares. Sets are immutable and named by their content, so that
// equal sources in different layers, paths and images are stored once.
type PackageSet struct {
	Ecosystem Ecosystem `json:"ecosystem"`
	Packages  []Package `json:"packages"`
}

// ErrSet is returned for bytes that are not the canonical form of a package set.
var ErrSet = errors.New("inventory: not a canonical package set")

// Canonical sorts the packages, drops exact duplicates and replaces bytes that
// are not UTF-8, which JSON could not carry. Analyzers call it once; everything
// after treats the set as immutable.
func (s *PackageSet) Canonical() {
	if s.Packages == nil {
		s.Packages = []Package{}
	}
	for i := range s.Packages {
		p := &s.Packages[i]
		for _, field := range []*string{&p.Name, &p.Version, &p.SourceName, &p.SourceVersion, &p.Arch, &p.Module, &p.Channels, &p.Path} {
			*field = strings.ToValidUTF8(*field, "\uFFFD")
		}
	}
	slices.SortFunc(s.Packages, comparePackages)
	s.Packages = slices.Compact(s.Packages)
}

// Encode returns the canonical bytes of a set on which Canonical was called:
// compact JSON in field order. They are what SetID hashes and what is stored.
func (s PackageSet) Encode() []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	// Encoding strings and a boolean into memory cannot fail.
	_ = enc.Encode(s)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// ID returns the name of a set on which Canonical was called.
func (s PackageSet) ID() SetID { return setID(s.Encode()) }

// DecodeSet reads canonical bytes and checks that they are named by id and that
// encoding them again gives the same bytes. It returns ErrSet otherwise.
func DecodeSet(id SetID, data []byte) (PackageSet, error) {
	if got := setID(data); got != id {
		return PackageSet{}, fmt.Errorf("%w: content is %s, expected %s", ErrSet, got, id)
	}
	var s PackageSet
	if err := json.Unmarshal(data, &s); err != nil {
		return PackageSet{}, fmt.Errorf("%w: %w", ErrSet, err)
	}
	if !slices.IsSortedFunc(s.Packages, comparePackages) || !bytes.Equal(s.Encode(), data) {
		return PackageSet{}, fmt.Errorf("%w: %s has another encoding", ErrSet, id)
	}
	return s, nil
}

func setID(data []byte) SetID {
	sum := sha256.Sum256(data)
	return SetID("sha256:" + hex.EncodeToString(sum[:]))
}

func comparePackages(a, b Package) int {
	return cmp.Or(
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Arch, b.Arch),
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.SourceName, b.SourceName),
		cmp.Compare(a.SourceVersion, b.SourceVersion),
		cmp.Compare(a.Module, b.Module),
		cmp.Compare(a.Channels, b.Channels),
		compareBools(a.ThirdParty, b.ThirdParty),
	)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
