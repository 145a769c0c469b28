package report

import (
	"cmp"
	"path"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
)

// trivyKind is how Trivy files packages: class, type and target. Those of some
// kinds are targets by their files, of others all together.
func (i Image) trivyKind(e inventory.Ecosystem, source string) (class, kind, target string) {
	if e.IsOS() {
		family := cmp.Or(i.OS.Family, "none")
		release := i.OS.Version
		if i.OS.Extended {
			release += "-ESM"
		}
		return "os-pkgs", family, i.Image.Reference + " (" + family + " " + release + ")"
	}
	names := map[inventory.Ecosystem][2]string{
		inventory.NPM: {"node-pkg", "Node.js"}, inventory.Python: {"python-pkg", "Python"}, inventory.Gem: {"gemspec", "Ruby"},
		inventory.Go: {"gobinary", ""}, inventory.Rust: {"rustbinary", ""}, inventory.Java: {"jar", "Java"},
		inventory.Composer: {"composer-vendor", ""}, inventory.NuGet: {"dotnet-core", ""}, inventory.Conda: {"conda-pkg", "Conda"},
		inventory.Erlang: {"hex", ""},
	}
	n, known := names[e]
	if !known {
		return "lang-pkgs", string(e), source
	}
	if kind := trivyProject(path.Base(source)); kind != "" {
		return "lang-pkgs", kind, source
	}
	return "lang-pkgs", n[0], cmp.Or(n[1], source)
}

// trivyProject is the kind of a file that pins what a project is built with,
// where Trivy tells it from what is installed.
func trivyProject(name string) string {
	switch {
	case name == "Cargo.lock":
		return "cargo"
	case name == "packages.lock.json", name == "packages.config":
		return "nuget"
	case strings.HasSuffix(strings.ToLower(name), "packages.props"):
		return "packages-props"
	}
	return ""
}

// trivyTogether reports whether packages of many files are one target, so that
// each has to tell its file.
func (i Image) trivyTogether(e inventory.Ecosystem) bool {
	_, _, target := i.trivyKind(e, "")
	return !e.IsOS() && target != ""
}

// trivyID names a package within its target, where Trivy has names.
func trivyID(p Package) string {
	switch p.Ecosystem {
	case inventory.Rpm:
		v := splitVersion(p.Version, p.Ecosystem)
		return p.Name + "@" + v.Version + "-" + v.Release + "." + p.Arch
	case inventory.Python, inventory.Java:
		return ""
	}
	return p.Name + "@" + p.Version
}

// splitVersion takes a version of dpkg or rpm apart as Trivy does.
func splitVersion(text string, e inventory.Ecosystem) trivyVersion {
	v := trivyVersion{Version: text}
	if e != inventory.Dpkg && e != inventory.Rpm {
		return v
	}
	if epoch, rest, ok := strings.Cut(v.Version, ":"); ok {
		if n, err := strconv.Atoi(epoch); err == nil {
			v.Epoch, v.Version = n, rest
		}
	}
	if i := strings.LastIndexByte(v.Version, '-'); i >= 0 {
		v.Version, v.Release = v.Version[:i], v.Version[i+1:]
	}
	return v
}

// trivyAnalyzer is what Trivy calls the reader of a package's source. A type of
// targets is named as its analyzer, except for the operating system's.
func (i Image) trivyAnalyzer(p Package) string {
	if p.Ecosystem.IsOS() {
		return string(p.Ecosystem)
	}
	_, kind, _ := i.trivyKind(p.Ecosystem, p.Source)
	return kind
}

// trivyRepositoryOf says where a package of dpkg or rpm comes from.
func trivyRepositoryOf(p Package) *trivyRepository {
	switch {
	case p.Ecosystem != inventory.Dpkg && p.Ecosystem != inventory.Rpm:
		return nil
	case p.ThirdParty:
		return &trivyRepository{"third-party"}
	}
	return &trivyRepository{"official"}
}
