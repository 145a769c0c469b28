// Package purl names packages as other tools do, by package URLs
// (github.com/package-url/purl-spec), and reads such names back: the bridge
// between inventories and the documents of others (SBOMs, VEX).
package purl

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	packageurl "github.com/package-url/packageurl-go"

	"github.com/muster-sec/muster/scanner/inventory"
)

// maxBytes bounds a package URL; the longest honest ones have a few hundred.
const maxBytes = 4096

// ErrInvalid says that a text is no package URL, or one without name or version
// where they are needed.
var ErrInvalid = errors.New("purl: not a package URL")

// ErrUnknownType says that a package URL is sound but of an ecosystem that has
// no counterpart here.
var ErrUnknownType = errors.New("purl: no such ecosystem here")

// Located is a package as its package URL tells of it.
type Located struct {
	Package   inventory.Package
	Ecosystem inventory.Ecosystem
	// OS is what namespace and distro qualifier say, Namespace the former as it is
	// written; empty for languages.
	OS        inventory.OS
	Namespace string
}

// Of returns the package URL of a package in an image with this operating system.
func Of(p inventory.Package, e inventory.Ecosystem, os inventory.OS) string {
	u := packageurl.PackageURL{Type: typeOf(e), Name: p.Name, Version: p.Version}
	qualifiers := map[string]string{}
	switch u.Type {
	case packageurl.TypeDebian, packageurl.TypeApk, packageurl.TypeRPM, packageurl.TypeAlpm:
		u.Namespace = Namespace(os.Family)
		qualifiers["arch"], qualifiers["distro"], qualifiers["modularitylabel"] = p.Arch, distro(os), p.Module
		if name, version := p.Source(); name != p.Name || version != p.Version {
			qualifiers["upstream"] = upstream(p, name, version)
		}
		if epoch, rest, ok := strings.Cut(p.Version, ":"); ok && u.Type == packageurl.TypeRPM {
			u.Version, qualifiers["epoch"] = rest, epoch
		}
	case packageurl.TypeMaven:
		if group, artifact, ok := strings.Cut(p.Name, ":"); ok {
			u.Namespace, u.Name = group, artifact
		}
	case packageurl.TypeCocoapods:
		u.Name, u.Subpath, _ = strings.Cut(p.Name, "/")
	default:
		if i := strings.LastIndexByte(p.Name, '/'); i > 0 && namespaced(u.Type) {
			u.Namespace, u.Name = p.Name[:i], p.Name[i+1:]
		}
	}
	for key, value := range qualifiers {
		if value == "" {
			delete(qualifiers, key)
		}
	}
	u.Qualifiers = packageurl.QualifiersFromMap(qualifiers)
	// Normalising fails for packages without a name only, which keep their text.
	_ = u.Normalize()
	return u.ToString()
}

// OfTrivy is Of in the form that Trivy writes: without the source package, with
// epochs as qualifiers, and with the release alone as the distro of apk.
func OfTrivy(p inventory.Package, e inventory.Ecosystem, os inventory.OS) string {
	text := Of(p, e, os)
	if !e.IsOS() {
		return text
	}
	u, err := parse(text)
	if err != nil {
		return text
	}
	qualifiers := u.Qualifiers.Map()
	delete(qualifiers, "upstream")
	if e == inventory.Apk && os.Version != "" {
		qualifiers["distro"] = os.Version
	}
	if epoch, rest, ok := strings.Cut(u.Version, ":"); ok {
		u.Version, qualifiers["epoch"] = rest, epoch
	}
	u.Qualifiers = packageurl.QualifiersFromMap(qualifiers)
	return u.ToString()
}

// Parse reads a package URL with a version. The error wraps ErrInvalid or
// ErrUnknownType.
func Parse(text string) (Located, error) {
	u, err := parse(text)
	if err != nil {
		return Located{}, err
	}
	if u.Version == "" {
		return Located{}, fmt.Errorf("%w: %.200q has no version", ErrInvalid, text)
	}
	e, ok := ecosystemOf(u.Type)
	if !ok {
		return Located{}, fmt.Errorf("%w: %.40q", ErrUnknownType, u.Type)
	}
	qualifiers := u.Qualifiers.Map()
	l := Located{Ecosystem: e, Package: inventory.Package{Name: nameOf(u), Version: u.Version, Arch: qualifiers["arch"]}}
	switch u.Type {
	case packageurl.TypeDebian, packageurl.TypeApk, packageurl.TypeRPM:
		l.Package.Name, l.OS, l.Namespace = u.Name, osOf(u.Namespace, qualifiers["distro"]), u.Namespace
		if epoch := qualifiers["epoch"]; epoch != "" && epoch != "0" {
			l.Package.Version = epoch + ":" + u.Version
		}
		l.Package.Module = module(qualifiers["modularitylabel"])
		if source := qualifiers["upstream"]; source != "" {
			l.Package.SourceName, l.Package.SourceVersion = sourceOf(source, u.Type, l.Package)
		}
	}
	return l, nil
}

// Covers reports whether the package URL of a statement speaks of a package: the
// same type, namespace and name, and each of version and qualifiers where the
// statement has them.
func Covers(statement, subject string) bool {
	s, err := parse(statement)
	if err != nil {
		return false
	}
	p, err := parse(subject)
	if err != nil || s.Type != p.Type || s.Namespace != p.Namespace || s.Name != p.Name {
		return false
	}
	if s.Version != "" && s.Version != p.Version {
		return false
	}
	have := p.Qualifiers.Map()
	for key, want := range s.Qualifiers.Map() {
		if have[key] != want {
			return false
		}
	}
	return true
}

func parse(text string) (packageurl.PackageURL, error) {
	if len(text) > maxBytes {
		return packageurl.PackageURL{}, fmt.Errorf("%w: %d bytes long", ErrInvalid, len(text))
	}
	u, err := packageurl.FromString(text)
	if err != nil {
		return packageurl.PackageURL{}, fmt.Errorf("%w: %.200q: %w", ErrInvalid, text, err)
	}
	return u, nil
}

func nameOf(u packageurl.PackageURL) string {
	switch {
	case u.Type == packageurl.TypeCocoapods && u.Subpath != "":
		return u.Name + "/" + u.Subpath
	case u.Namespace == "":
		return u.Name
	case u.Type == packageurl.TypeMaven:
		return u.Namespace + ":" + u.Name
	}
	return u.Namespace + "/" + u.Name
}

// distro is the qualifier as most tools write it: "debian-12.5".
func distro(os inventory.OS) string {
	if os.Family == "" || os.Version == "" {
		return ""
	}
	return os.Family + "-" + os.Version
}

// osOf reads family and release; a distro without a family takes the namespace.
func osOf(namespace, distro string) inventory.OS {
	if i := strings.LastIndexByte(distro, '-'); i >= 0 {
		return inventory.OS{Family: Family(distro[:i]), Version: distro[i+1:]}
	}
	return inventory.OS{Family: Family(namespace), Version: distro}
}

// Namespace returns what package URLs of a family's packages begin with.
func Namespace(family string) string {
	switch family {
	case "sles", "slem":
		return "suse"
	case "opensuse-leap", "opensuse-tumbleweed":
		return "opensuse"
	}
	return family
}

// Family returns the word that inventories have for a distribution which others
// call by the ID of its os-release.
func Family(id string) string {
	switch id = strings.ToLower(id); id {
	case "rhel":
		return "redhat"
	case "almalinux":
		return "alma"
	case "rockylinux":
		return "rocky"
	case "ol":
		return "oracle"
	case "amzn":
		return "amazon"
	}
	return id
}

// module cuts a modularity label, NAME:STREAM:VERSION:CONTEXT, down to what
// advisories are chosen by.
func module(label string) string {
	words := strings.SplitN(label, ":", 3)
	return strings.Join(words[:min(2, len(words))], ":")
}

func upstream(p inventory.Package, name, version string) string {
	if version == p.Version {
		return name
	}
	return name + "@" + version
}

// sourceOf reads "NAME", "NAME@VERSION", or a source rpm's file name.
func sourceOf(text, kind string, p inventory.Package) (name, version string) {
	if file, ok := strings.CutSuffix(text, ".src.rpm"); ok && kind == packageurl.TypeRPM {
		name, version = sourceRPM(file)
	} else {
		name, version, _ = strings.Cut(text, "@")
	}
	if name == p.Name {
		name = ""
	}
	if version == p.Version {
		version = ""
	}
	return name, version
}

// sourceRPM cuts "NAME-VERSION-RELEASE".
func sourceRPM(file string) (name, version string) {
	release := strings.LastIndexByte(file, '-')
	if release <= 0 {
		return file, ""
	}
	v := strings.LastIndexByte(file[:release], '-')
	if v <= 0 {
		return file, ""
	}
	return file[:v], file[v+1:]
}

// types are the package URL types of the ecosystems.
func types() [][2]string {
	return [][2]string{
		{string(inventory.Dpkg), packageurl.TypeDebian},
		{string(inventory.Apk), packageurl.TypeApk},
		{string(inventory.Rpm), packageurl.TypeRPM},
		{string(inventory.NPM), packageurl.TypeNPM},
		{string(inventory.Python), packageurl.TypePyPi},
		{string(inventory.Gem), packageurl.TypeGem},
		{string(inventory.Go), packageurl.TypeGolang},
		{string(inventory.Rust), packageurl.TypeCargo},
		{string(inventory.Java), packageurl.TypeMaven},
		{string(inventory.Composer), packageurl.TypeComposer},
		{string(inventory.NuGet), packageurl.TypeNuget},
		{string(inventory.Conda), packageurl.TypeConda},
		{string(inventory.Julia), packageurl.TypeJulia},
		{string(inventory.Bitnami), packageurl.TypeBitnami},
		{string(inventory.CocoaPods), packageurl.TypeCocoapods},
		{string(inventory.Conan), packageurl.TypeConan},
		{string(inventory.Erlang), packageurl.TypeHex},
		{string(inventory.Pub), packageurl.TypePub},
		{string(inventory.Swift), packageurl.TypeSwift},
	}
}

func typeOf(e inventory.Ecosystem) string {
	for _, t := range types() {
		if t[0] == string(e) {
			return t[1]
		}
	}
	return cmp.Or(string(e), packageurl.TypeGeneric)
}

func ecosystemOf(kind string) (inventory.Ecosystem, bool) {
	for _, t := range types() {
		if t[1] == kind {
			return inventory.Ecosystem(t[0]), true
		}
	}
	return "", false
}

// namespaced reports whether slashes in a name separate a namespace.
func namespaced(kind string) bool {
	switch kind {
	case packageurl.TypeNPM, packageurl.TypeGolang, packageurl.TypeComposer, packageurl.TypeSwift:
		return true
	}
	return false
}
