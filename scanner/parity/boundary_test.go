package parity_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// perStream is how many packages an image gets for one stream of advisories.
const perStream = 400

// TestAtTheEdgesOfAdvisories makes an image for each stream of the database, full
// of packages at, just below and just above the versions that its advisories name.
func TestAtTheEdgesOfAdvisories(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	buckets := map[string][]string{}
	for _, b := range p.db.Buckets() {
		buckets[vulndb.Stream(b)] = append(buckets[vulndb.Stream(b)], b)
	}
	for stream, of := range buckets {
		layer := layerOf(stream)
		if layer == nil {
			continue
		}
		t.Run(stream, func(t *testing.T) {
			t.Parallel()
			image, err := sampleimage.Build(sampleimage.Spec{Layers: []sampleimage.Layer{layer(edges(t, p.db, stream, of))}})
			if err != nil {
				t.Fatal(err)
			}
			differences, findings := p.compare(t, image)
			if findings == 0 && len(differences) == 0 {
				t.Skip("SKIP: the database has nothing to compare with")
			}
			check(t, "edges of "+stream, differences)
		})
	}
}

var versionText = regexp.MustCompile(`[0-9][0-9A-Za-z.+:~_-]*`)

// edges are packages of a stream with versions around those of its advisories. The
// choice is random and always the same.
func edges(t *testing.T, db *vulndb.DB, stream string, buckets []string) []sampleimage.Package {
	t.Helper()
	type named struct{ name, version string }
	var all []named
	for _, b := range buckets {
		err := db.Walk(b, func(pkg, _ string, record []byte) error {
			for _, v := range versionText.FindAllString(versions(record), 4) {
				all = append(all, named{pkg, v})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(1, uint64(len(stream))))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var packages []sampleimage.Package
	seen := map[named]bool{}
	for _, n := range all {
		for _, v := range []string{n.version, below(n.version), n.version + ".1", n.version + "~x", n.version + "-1"} {
			if key := (named{n.name, v}); v != "" && !seen[key] {
				seen[key] = true
				packages = append(packages, sampleimage.Package{Name: n.name, Version: v})
			}
		}
		if len(packages) >= perStream {
			break
		}
	}
	return packages
}

// versions are the texts of a record that hold versions.
func versions(record []byte) string {
	var r struct {
		FixedVersion, AffectedVersion                           string
		VulnerableVersions, PatchedVersions, UnaffectedVersions []string
		Entries                                                 []struct{ FixedVersion string }
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return ""
	}
	words := slices.Concat([]string{r.FixedVersion, r.AffectedVersion}, r.VulnerableVersions, r.PatchedVersions, r.UnaffectedVersions)
	for _, e := range r.Entries {
		words = append(words, e.FixedVersion)
	}
	return strings.Join(words, " ")
}

var lastNumber = regexp.MustCompile(`[0-9]+([^0-9]*)$`)

// below makes a version a little older by its last number; empty when that is zero.
func below(version string) string {
	at := lastNumber.FindStringIndex(version)
	if at == nil {
		return ""
	}
	digits := strings.TrimRight(version[at[0]:], lastNumber.FindStringSubmatch(version)[1])
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 {
		return ""
	}
	return version[:at[0]] + strconv.FormatUint(n-1, 10) + version[at[0]+len(digits):]
}

// layerOf is how to install packages so that a stream's advisories concern them;
// nil for streams whose packages are no small text files.
func layerOf(stream string) func([]sampleimage.Package) sampleimage.Layer {
	distribution, release, _ := cutLast(stream, " ")
	switch {
	case distribution == "alpine" && release != "edge":
		return func(p []sampleimage.Package) sampleimage.Layer {
			return sampleimage.Alpine(release+".0", binaries(p)...)
		}
	case distribution == "debian":
		return func(p []sampleimage.Package) sampleimage.Layer {
			return sampleimage.Debian(release+".1", binaries(p)...)
		}
	case distribution == "ubuntu" && !strings.Contains(release, "ESM"):
		return func(p []sampleimage.Package) sampleimage.Layer { return sampleimage.Ubuntu(release, binaries(p)...) }
	case stream == "CBL-Mariner 2.0" || stream == "CBL-Mariner 1.0":
		return func(p []sampleimage.Package) sampleimage.Layer { return mariner(release, p) }
	}
	return map[string]func([]sampleimage.Package) sampleimage.Layer{
		"npm": node, "pip": wheels, "rubygems": gems, "composer": composer, "nuget": nuget, "cargo": cargo, "maven": jars, "bitnami": bitnami,
	}[stream]
}

func cutLast(text, mark string) (before, after string, found bool) {
	i := strings.LastIndex(text, mark)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(mark):], true
}

// binaries gives each version of a source package a binary package of its own.
func binaries(packages []sampleimage.Package) []sampleimage.Package {
	var out []sampleimage.Package
	for i, p := range packages {
		out = append(out, sampleimage.Package{Name: fmt.Sprintf("binary%d", i), Version: p.Version, Source: p.Name})
	}
	return out
}

func mariner(release string, packages []sampleimage.Package) sampleimage.Layer {
	var b strings.Builder
	for i, p := range packages {
		epoch, version, ok := strings.Cut(p.Version, ":")
		if !ok {
			epoch, version = "0", p.Version
		}
		version, rel, ok := strings.Cut(version, "-")
		if !ok || strings.Contains(rel, "-") {
			continue // one such line spoils a manifest
		}
		fmt.Fprintf(&b, "binary%d\t%s-%s\t0\t0\tMicrosoft\t(none)\t0\tx86_64\t%s\t%s-%s-%s.src.rpm\n", i, version, rel, epoch, p.Name, version, rel)
	}
	return sampleimage.Layer{
		{Path: "etc/os-release", Body: "NAME=\"Common Base Linux Mariner\"\nID=mariner\nVERSION_ID=\"" + release + "\"\n"},
		{Path: "etc/mariner-release", Body: "CBL-Mariner " + release + ".20220122\n"},
		{Path: "var/lib/rpmmanifest/container-manifest-2", Body: b.String()},
	}
}

func node(packages []sampleimage.Package) (l sampleimage.Layer) {
	for i, p := range packages {
		l = append(l, sampleimage.NodeModules(fmt.Sprint("srv/", i), p)...)
	}
	return l
}

func wheels(packages []sampleimage.Package) (l sampleimage.Layer) {
	for i, p := range packages {
		l = append(l, sampleimage.File{
			Path: fmt.Sprintf("srv/%d/x-%d.dist-info/METADATA", i, i), Body: "Metadata-Version: 2.1\nName: " + p.Name + "\nVersion: " + p.Version + "\n",
		})
	}
	return l
}

func gems(packages []sampleimage.Package) (l sampleimage.Layer) {
	for i, p := range packages {
		l = append(l, sampleimage.File{
			Path: fmt.Sprintf("srv/%d/specifications/x-%d.gemspec", i, i),
			Body: fmt.Sprintf("Gem::Specification.new do |s|\n  s.name = %q.freeze\n  s.version = %q\nend\n", p.Name, p.Version),
		})
	}
	return l
}

func composer(packages []sampleimage.Package) sampleimage.Layer {
	type installed struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	var l sampleimage.Layer
	for i, p := range packages {
		body, _ := json.Marshal(map[string]any{"packages": []installed{{p.Name, p.Version}}})
		l = append(l, sampleimage.File{Path: fmt.Sprintf("srv/%d/vendor/composer/installed.json", i), Body: string(body)})
	}
	return l
}

func nuget(packages []sampleimage.Package) sampleimage.Layer {
	var l sampleimage.Layer
	for i, p := range packages {
		body, _ := json.Marshal(map[string]any{"version": 1, "dependencies": map[string]any{"net6.0": map[string]any{
			p.Name: map[string]string{"type": "Direct", "resolved": p.Version},
		}}})
		l = append(l, sampleimage.File{Path: fmt.Sprintf("srv/%d/packages.lock.json", i), Body: string(body)})
	}
	return l
}

func cargo(packages []sampleimage.Package) sampleimage.Layer {
	var b strings.Builder
	b.WriteString("version = 3\n")
	for _, p := range packages {
		fmt.Fprintf(&b, "\n[[package]]\nname = %q\nversion = %q\n", p.Name, p.Version)
	}
	return sampleimage.Layer{{Path: "srv/Cargo.lock", Body: b.String()}}
}

func jars(packages []sampleimage.Package) (l sampleimage.Layer) {
	for i, p := range packages {
		group, artifact, ok := strings.Cut(p.Name, ":")
		if !ok {
			continue
		}
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		if w, err := z.Create(path.Join("META-INF/maven", group, artifact, "pom.properties")); err == nil {
			_, _ = fmt.Fprintf(w, "groupId=%s\nartifactId=%s\nversion=%s\n", group, artifact, p.Version)
		}
		_ = z.Close()
		l = append(l, sampleimage.File{Path: fmt.Sprintf("srv/lib%d.jar", i), Body: b.String()})
	}
	return l
}

func bitnami(packages []sampleimage.Package) (l sampleimage.Layer) {
	for i, p := range packages {
		if strings.ContainsAny(p.Version, "~+:") {
			continue // would have to be escaped in a package URL
		}
		body, _ := json.Marshal(map[string]any{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": []any{
			map[string]string{"type": "application", "name": p.Name, "version": p.Version, "bom-ref": fmt.Sprint(i), "purl": "pkg:bitnami/" + p.Name + "@" + p.Version},
		}})
		l = append(l, sampleimage.File{Path: fmt.Sprintf("opt/bitnami/x%d/.x.cdx.json", i), Body: string(body)})
	}
	return l
}
