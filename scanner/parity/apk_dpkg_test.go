package parity_test

import (
	"fmt"
	"strings"

	"github.com/muster-sec/muster/scanner/sampleimage"
)

// widgets are binary packages built from the widget, at versions around the one
// that repairs it, and another package.
func widgets(fixed string) []sampleimage.Package {
	list := []sampleimage.Package{{Name: "widget", Version: fixed}, {Name: "other", Version: "1.0-r0"}}
	for i, v := range []string{
		"1.0-r0", "1.4-r0", "1.5-r0", "1.9-r9", fixed + "_p1", strings.Replace(fixed, "-r", "_rc1-r", 1), "2.0-1", "1.99-9", "3.0-1",
		fixed + "~", fixed + ".1", fixed + "+b1", "1:" + fixed, "0:" + fixed, "0",
	} {
		list = append(list, sampleimage.Package{Name: fmt.Sprintf("libwidget%d", i), Version: v, Source: "widget"})
	}
	return append(list,
		sampleimage.Package{Name: "libwidget-old-source", Version: "9.0-r0", Source: "widget", SourceVersion: "1.0-1"},
		sampleimage.Package{Name: "libwidget-new-source", Version: "1.0-r0", Source: "widget", SourceVersion: fixed})
}

func apkSpecimens() map[string]specimen {
	fixed := distributions()
	repositories := func(lines ...string) sampleimage.File {
		return text("etc/apk/repositories", strings.Join(lines, "\n")+"\n")
	}
	const mirror = "https://dl-cdn.alpinelinux.org/alpine/"
	osRelease := func(id, version string) sampleimage.File {
		return text("etc/os-release", "NAME="+id+"\nID="+id+"\nVERSION_ID="+version+"\n")
	}
	database := func(v string) sampleimage.File {
		return text("lib/apk/db/installed", sampleimage.ApkDatabase(widgets(v)...))
	}
	all := map[string]specimen{
		"alpine": one(sampleimage.Alpine("3.17.3", widgets(fixed["alpine 3.17"])...)...),
		"alpine edge by its repositories": one(text("etc/alpine-release", "3.17.3\n"), database(fixed["alpine edge"]),
			repositories(mirror+"v3.17/main", "@edge "+mirror+"edge/testing", mirror+"v3.17/community")),
		"alpine edge by a repository of apk 3": one(text("etc/alpine-release", "3.17.3\n"), database(fixed["alpine edge"]), repositories("@edge v3 "+mirror+"edge main")),
		"alpine edge by a typed repository":    one(text("etc/alpine-release", "3.17.3\n"), database(fixed["alpine edge"]), repositories("v2 "+mirror+"edge/main")),
		"alpine of the highest repository": one(text("etc/alpine-release", "3.4.6\n"), database(fixed["alpine 3.17"]),
			repositories("http://mirror.example.org/alpine/v3.4/main", "ftp://mirror.example.org/alpine/v3.17/main")),
		"alpine old main only":        one(text("etc/alpine-release", "3.4.6\n"), repositories(mirror+"v3.4/main"), database(fixed["alpine 3.4"])),
		"alpine of other mirrors":     one(text("etc/alpine-release", "3.17.0\n"), repositories("https://mirror.example.org/pub/alpine/edge/main"), database(fixed["alpine 3.17"])),
		"alpine mixed repositories":   one(text("etc/alpine-release", "3.17.0\n"), repositories(mirror+"edge/main", "https://x.example.org/wolfi/edge/x"), database(fixed["alpine 3.17"])),
		"alpine by repositories only": one(repositories(mirror+"v3.17/main"), database(fixed["alpine 3.17"])),
		"alpine by os-release only":   one(osRelease("alpine", "3.17.9"), database(fixed["alpine 3.17"])),
		"alpine of nobody knows":      one(text("etc/alpine-release", "3.99.0\n"), database("1.0-r0")),
		"alpine after the /usr merge": one(text("etc/alpine-release", "3.17.0\n"), text("usr/lib/apk/db/installed",
			sampleimage.ApkDatabase(widgets(fixed["alpine 3.17"])...))),
		"alpine release candidate": one(text("etc/alpine-release", "3.17.0_rc1\n"), database(fixed["alpine 3.17"])),
		"alpine bad database": one(text("etc/alpine-release", "3.17.0\n"), text("lib/apk/db/installed",
			"P:widget\nV:1.0-r0\no:widget\n\nP:widget\nV:0.1-r0\no:widget\n\nP:broken\nV:x.y\no:widget\n\nV:1.0-r0\no:widget\n\nP:last\nV:1.0-r0\no:widget")),
		"wolfi":                 one(osRelease("wolfi", "20230201"), database(fixed["wolfi"])),
		"chainguard":            one(osRelease("chainguard", "20230214"), database(fixed["chainguard"])),
		"alpine without origin": one(text("etc/alpine-release", "3.17.0\n"), text("lib/apk/db/installed", "P:widget\nV:1.0-r0\nA:x86_64\n\n")),
		"minimos":               one(osRelease("minimos", "20241031"), database(fixed["minimos"])),
	}
	return all
}

func dpkgSpecimens() map[string]specimen {
	fixed := distributions()
	status := func(v string) sampleimage.File {
		return text("var/lib/dpkg/status", sampleimage.DpkgStatus(widgets(v)...))
	}
	lsb := func(release string) sampleimage.File {
		return text("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE="+release+"\nDISTRIB_CODENAME=x\n")
	}
	version := func(v string) sampleimage.File { return text("etc/debian_version", v+"\n") }
	esm := func(release string) specimen {
		return stacked(sampleimage.Layer{lsb(release), status(fixed["ubuntu 18.04-ESM"])}, subscription())
	}
	return map[string]specimen{
		"debian":                one(sampleimage.Debian("12.5", widgets(fixed["debian 12"])...)...),
		"debian major only":     one(version("11"), status(fixed["debian 11"])),
		"debian sid":            one(version("trixie/sid"), text("etc/os-release", "ID=debian\n"), status(fixed["debian 12"])),
		"debian testing":        one(version("forky"), status(fixed["debian 12"])),
		"debian distroless":     one(sampleimage.Distroless("12.11", widgets(fixed["debian 12"])...)...),
		"debian both":           one(append(sampleimage.Distroless("12.11", widgets(fixed["debian 12"])...), status(fixed["debian 12"]))...),
		"debian derivative":     one(version("12.1"), text("etc/os-release", "ID=kali\nID_LIKE=debian\nVERSION_ID=\"2024.1\"\n"), status(fixed["debian 12"])),
		"debian broken md5sums": one(version("12.1"), status("1.0-1"), text("var/lib/dpkg/info/widget.md5sums", "nonsense\n")),
		"debian states": one(version("12.1"), text("var/lib/dpkg/status",
			"Package: widget\nStatus: deinstall ok config-files\nVersion: 1.0-1\n\nPackage: half\nStatus: install ok half-configured\nSource: widget\nVersion: 1.0-1\n\n"+
				"Package: held\nStatus: hold ok installed\nSource: widget (1.0-1)\nVersion: 9:9-9+b1\nArchitecture: amd64\nDescription: x\n two lines\n .\n Package: no\n\n"+
				"Package: purged\nStatus: purge ok not-installed\nSource: widget\nVersion: 1.0-1\n\npackage: lower\nstatus: install ok installed\nsource: widget\nversion: 1.0-1\n\n"+
				"Package: broken\nStatus: install ok installed\nSource: widget\nVersion: one\n\nPackage: broken-source\nStatus: install ok installed\nSource: widget (x)\nVersion: 1.0-1\n\n"+
				"Package: no-version\nStatus: install ok installed\n\nPackage: dup\nStatus: install ok installed\nVersion: 1.0-1\nSource: widget\n\n"+
				"Package: dup\nStatus: install ok installed\nVersion: 1.0-1\nSource: widget\n\nPackage: last\nStatus: install ok installed\nSource: widget\nVersion: 1.0-1")),
		"debian third parties": one(sampleimage.Debian("12.5",
			sampleimage.Package{Name: "docker-ce", Version: "1.0-1", Source: "widget", Maintainer: "Docker <support@docker.com>"},
			sampleimage.Package{Name: "gh", Version: "1.0-1", Source: "widget", Maintainer: "GitHub"},
			sampleimage.Package{Name: "libwidget", Version: "1.0-1", Source: "widget", Maintainer: "Somebody <x@example.org>"})...),
		"ubuntu":                     one(sampleimage.Ubuntu("22.04", widgets(fixed["ubuntu 22.04"])...)...),
		"ubuntu by lsb-release only": one(lsb("22.04"), status(fixed["ubuntu 22.04"])),
		"ubuntu of nobody knows":     one(lsb("99.04"), status("1.0-1")),
		"ubuntu old":                 one(lsb("18.04"), status(fixed["ubuntu 18.04"])),
		"ubuntu extended":            esm("18.04"),
		"ubuntu extended, too early": esm("26.04"),
		"ubuntu extension disabled": stacked(sampleimage.Layer{lsb("18.04"), status(fixed["ubuntu 18.04"])}, sampleimage.Layer{
			text("var/lib/ubuntu-advantage/status.json", `{"services":[{"name":"esm-infra","status":"disabled"},{"name":"esm-apps","status":"enabled"}]}`)}),
		"mint": one(version("bookworm/sid"), text("etc/lsb-release", "DISTRIB_ID=LinuxMint\nDISTRIB_RELEASE=21\n"), status("1.0-1")),
		"echo": one(version("12.9"), text("etc/os-release", "ID=echo\nVERSION_ID=\"1\"\n"), text("var/lib/dpkg/status", sampleimage.DpkgStatus(
			sampleimage.Package{Name: "widget", Version: "2.0-2"}, sampleimage.Package{Name: "libwidget", Version: "2.0-3+e1", Source: "widget"},
			sampleimage.Package{Name: "docker-widget", Version: "1.0-1", Source: "widget", Maintainer: "Docker <support@docker.com>"}))),
	}
}
