// Package parity holds the scanner's results against Trivy's for the same image
// and the same database. It is imported by tests only; scanner/DIFFERENCES.md
// tells people what testdata/differences.txt tells these tests.
package parity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/inventory"
)

// Report is the part of Trivy's JSON report that is compared.
type Report struct {
	Metadata struct {
		ImageID string
		DiffIDs []string
		OS      struct{ Family, Name string }
	}
	Results []Result
}

// Result is what Trivy reports for one target.
type Result struct {
	Target, Class, Type string
	Packages            []Package
	Vulnerabilities     []Vulnerability
}

// Package is one package of a Result.
type Package struct {
	Name, Version, Release, FilePath, Arch string
	SrcName, SrcVersion, SrcRelease        string
	Epoch, SrcEpoch                        int
	Layer                                  struct{ DiffID string }
}

// Vulnerability is one finding of a Result.
type Vulnerability struct {
	VulnerabilityID, PkgName, InstalledVersion, FixedVersion, Severity, Status, SeveritySource, PkgPath string

	Layer      struct{ DiffID string }
	DataSource struct{ ID string }
}

// OfTrivy returns everything that is compared of a report, a line for each fact,
// sorted: the operating system, packages with their sources, and findings.
func OfTrivy(r Report) []string {
	lines := []string{system(r.Metadata.OS.Family, r.Metadata.OS.Name)}
	place := layers(r.Metadata.DiffIDs)
	for _, result := range r.Results {
		target := ""
		if result.Class != "os-pkgs" {
			target = result.Target
		}
		for _, p := range result.Packages {
			words := []string{"package", kindOfType(result), p.Name, full(p.Epoch, p.Version, p.Release)}
			if target == "" {
				arch := strings.TrimSuffix(p.Arch, "None") // Trivy's word for a key, which has none
				words = append(words, arch, "from", cmp.Or(p.SrcName, p.Name),
					cmp.Or(full(p.SrcEpoch, p.SrcVersion, p.SrcRelease), full(p.Epoch, p.Version, p.Release)))
			} else {
				words = append(words, cmp.Or(p.FilePath, target))
			}
			lines = append(lines, join(append(words, place(p.Layer.DiffID))))
		}
		for _, v := range result.Vulnerabilities {
			lines = append(lines, join([]string{
				"finding", v.VulnerabilityID, v.PkgName, v.InstalledVersion, "->", v.FixedVersion, v.Severity, v.SeveritySource,
				v.Status, v.DataSource.ID, cmp.Or(v.PkgPath, target), place(v.Layer.DiffID),
			}))
		}
	}
	return unique(lines)
}

// OfScan is OfTrivy for a result of ours.
func OfScan(r scanner.Result) []string {
	lines := []string{system(r.OS.Family, r.OS.Version)}
	var diffIDs []string
	for _, l := range r.Image.Layers {
		diffIDs = append(diffIDs, l.DiffID)
	}
	place := layers(diffIDs)
	seen := map[string]bool{}
	for _, s := range r.Sources {
		set := r.Sets[s.Set]
		for i, p := range set.Packages {
			words := []string{"package", kindOf(set.Ecosystem), p.Name, p.Version}
			if set.Ecosystem.IsOS() {
				// What several databases declare counts once.
				same := p.Name + " " + p.Version
				if set.Ecosystem == inventory.Rpm {
					same += " " + p.Arch
				}
				if seen[same] {
					continue
				}
				seen[same] = true
				name, version := p.Source()
				arch := strings.TrimSuffix(p.Arch, "None") // Trivy's word for a key, which has none
				words = append(words, arch, "from", name, version)
			} else {
				words = append(words, cmp.Or(p.Path, s.Path))
			}
			lines = append(lines, join(append(words, place(diffIDs[s.Origin(i)]))))
		}
	}
	for _, f := range r.Findings {
		path := ""
		if !f.Ecosystem.IsOS() {
			path = f.Path
		}
		lines = append(lines, join([]string{
			"finding", f.ID, f.Package, f.Installed, "->", f.Fixed, f.Severity.String(), f.SeveritySource, f.Status, f.Source,
			path, place(f.Layer),
		}))
	}
	return unique(lines)
}

// unique makes lines a set: Trivy repeats the findings of a package that is
// installed for two architectures.
func unique(lines []string) []string {
	slices.Sort(lines)
	return slices.Compact(lines)
}

// Compare returns the lines that only Trivy has, marked "- ", and those that
// only we have, marked "+ ", sorted.
func Compare(trivy, ours []string) []string {
	var differing []string
	for _, l := range trivy {
		if _, found := slices.BinarySearch(ours, l); !found {
			differing = append(differing, "- "+l)
		}
	}
	for _, l := range ours {
		if _, found := slices.BinarySearch(trivy, l); !found {
			differing = append(differing, "+ "+l)
		}
	}
	slices.SortFunc(differing, func(a, b string) int { return cmp.Or(cmp.Compare(a[2:], b[2:]), cmp.Compare(a, b)) })
	return differing
}

func system(family, version string) string {
	if family == "none" {
		family = "" // Trivy's word for packages without a distribution
	}
	return join([]string{"os", family, version})
}

// layers returns how to name a layer so that the name does not depend on its content.
func layers(diffIDs []string) func(string) string {
	return func(diffID string) string {
		if i := slices.Index(diffIDs, diffID); i >= 0 {
			return fmt.Sprintf("layer%d", i)
		}
		return diffID
	}
}

func full(epoch int, version, release string) string {
	if release != "" {
		version += "-" + release
	}
	if epoch != 0 {
		version = fmt.Sprintf("%d:%s", epoch, version)
	}
	return version
}

// join puts words into a line in which none is invisible.
func join(words []string) string {
	for i, w := range words {
		if w == "" {
			words[i] = "_"
		}
	}
	return strings.Join(words, " ")
}

// kindOfType gives a type of results of Trivy's the name of our ecosystem.
func kindOfType(r Result) string {
	if r.Class == "os-pkgs" {
		return "os"
	}
	switch r.Type { // what pins the packages of a project is a type of its own
	case "nuget", "packages-props":
		return string(inventory.NuGet)
	case "composer":
		return string(inventory.Composer)
	}
	for kind, name := range map[inventory.Ecosystem]string{
		inventory.NPM: "node-pkg", inventory.Python: "python-pkg", inventory.Gem: "gemspec", inventory.Go: "gobinary",
		inventory.Rust: "rustbinary", inventory.Java: "jar", inventory.Composer: "composer-vendor", inventory.Erlang: "hex",
		inventory.NuGet: "dotnet-core", inventory.Conda: "conda-pkg",
		inventory.Bitnami: "bitnami",
	} {
		if name == r.Type {
			return string(kind)
		}
	}
	return r.Type
}

func kindOf(e inventory.Ecosystem) string {
	if e.IsOS() {
		return "os"
	}
	return string(e)
}
