package sampleimage

import (
	"cmp"
	"fmt"
	"path"
	"strings"
)

// Package is a package to put into a layer's package database.
type Package struct {
	Name, Version string
	// Source and SourceVersion default to Name and Version.
	Source, SourceVersion string
	// Maintainer defaults to the distribution.
	Maintainer string
	// Files are the paths that the package owns.
	Files []string
}

// Alpine returns a layer with Alpine's release files and package database.
func Alpine(release string, packages ...Package) Layer {
	branch := release
	if strings.Count(release, ".") > 1 {
		branch = release[:strings.LastIndex(release, ".")]
	}
	return Layer{
		{Path: "etc/alpine-release", Body: release + "\n"},
		{Path: "etc/os-release", Body: "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=" + release + "\n"},
		{Path: "etc/apk/repositories", Body: "https://dl-cdn.alpinelinux.org/alpine/v" + branch + "/main\n" +
			"https://dl-cdn.alpinelinux.org/alpine/v" + branch + "/community\n"},
		{Path: "lib/apk/db/installed", Body: ApkDatabase(packages...)},
	}
}

// ApkDatabase returns the text of lib/apk/db/installed.
func ApkDatabase(packages ...Package) string {
	var b strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&b, "P:%s\nV:%s\nA:x86_64\nT:sample package\no:%s\n", p.Name, p.Version, cmp.Or(p.Source, p.Name))
		for _, f := range p.Files {
			fmt.Fprintf(&b, "F:%s\nR:%s\n", path.Dir(f), path.Base(f))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Debian returns a layer with Debian's release files and package database.
func Debian(release string, packages ...Package) Layer {
	l := Layer{
		{Path: "etc/debian_version", Body: release + "\n"},
		{Path: "etc/os-release", Body: osRelease("debian", release)},
		{Path: "var/lib/dpkg/status", Body: DpkgStatus(packages...)},
	}
	for _, p := range packages {
		if len(p.Files) > 0 {
			l = append(l, File{Path: "var/lib/dpkg/info/" + p.Name + ".md5sums", Body: md5sums(p.Files)})
		}
	}
	return l
}

// Ubuntu returns a layer with Ubuntu's release files and package database.
func Ubuntu(release string, packages ...Package) Layer {
	return Layer{
		{Path: "etc/debian_version", Body: "bookworm/sid\n"},
		{Path: "etc/lsb-release", Body: "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=" + release + "\n"},
		{Path: "etc/os-release", Body: osRelease("ubuntu", release)},
		{Path: "var/lib/dpkg/status", Body: DpkgStatus(packages...)},
	}
}

// Distroless returns a layer with Debian packages as distroless images have
// them: one status file for each package and no dpkg.
func Distroless(release string, packages ...Package) Layer {
	l := Layer{
		{Path: "etc/debian_version", Body: release + "\n"},
		{Path: "etc/os-release", Body: osRelease("debian", release)},
	}
	for _, p := range packages {
		l = append(l, File{Path: "var/lib/dpkg/status.d/" + p.Name, Body: stanza(p, "")})
		if len(p.Files) > 0 {
			l = append(l, File{Path: "var/lib/dpkg/status.d/" + p.Name + ".md5sums", Body: md5sums(p.Files)})
		}
	}
	return l
}

// DpkgStatus returns the text of var/lib/dpkg/status.
func DpkgStatus(packages ...Package) string {
	var b strings.Builder
	for _, p := range packages {
		b.WriteString(stanza(p, "Status: install ok installed\n") + "\n")
	}
	return b.String()
}

// NodeModules returns a layer with Node.js packages installed below a folder.
func NodeModules(folder string, packages ...Package) Layer {
	var l Layer
	for _, p := range packages {
		l = append(l, File{
			Path: path.Join(folder, "node_modules", p.Name, "package.json"),
			Body: fmt.Sprintf("{\n  \"name\": %q,\n  \"version\": %q,\n  \"main\": \"index.js\"\n}\n", p.Name, p.Version),
		})
	}
	return l
}

func stanza(p Package, status string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Package: %s\n%sMaintainer: %s\nArchitecture: amd64\n", p.Name, status,
		cmp.Or(p.Maintainer, "Debian Sample Maintainers <sample@lists.debian.org>"))
	if p.Source != "" || p.SourceVersion != "" {
		fmt.Fprintf(&b, "Source: %s", cmp.Or(p.Source, p.Name))
		if p.SourceVersion != "" {
			fmt.Fprintf(&b, " (%s)", p.SourceVersion)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "Version: %s\nDescription: sample package\n with a second line\n", p.Version)
	return b.String()
}

func md5sums(files []string) string {
	var b strings.Builder
	for _, f := range files {
		b.WriteString("d41d8cd98f00b204e9800998ecf8427e  " + f + "\n")
	}
	return b.String()
}

func osRelease(id, release string) string {
	return "ID=" + id + "\nVERSION_ID=\"" + release + "\"\n"
}
