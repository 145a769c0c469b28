package parity_test

import (
	"github.com/google/go-containerregistry/pkg/compression"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/sampleimage/rpmdb"
)

// module is an installed Node.js widget.
func module(folder, version string) sampleimage.File {
	return text(folder+"/package.json", object("name", "widget", "version", version))
}

func layerSpecimens() map[string]specimen {
	file := func(path string) sampleimage.File { return sampleimage.File{Path: path} }
	apks := func(versions ...string) sampleimage.File {
		var list []sampleimage.Package
		for i, v := range versions {
			list = append(list, sampleimage.Package{Name: []string{"widget", "libwidget", "widget-doc"}[i], Version: v, Source: "widget"})
		}
		return text("lib/apk/db/installed", sampleimage.ApkDatabase(list...))
	}
	release := text("etc/alpine-release", "3.17.3\n")
	alpine := sampleimage.Layer{release, apks("1.0-r0", "1.4-r0")}
	base := sampleimage.Layer{module("a/b", "1.0.0"), module("a/c", "1.1.0"), module("d", "1.2.0")}
	debs := func(versions ...string) sampleimage.File {
		var list []sampleimage.Package
		for i, v := range versions {
			list = append(list, sampleimage.Package{Name: []string{"widget", "libwidget"}[i], Version: v, Source: "widget"})
		}
		return text("var/lib/dpkg/status", sampleimage.DpkgStatus(list...))
	}
	rpms := func(path string, versions ...string) sampleimage.File {
		var list []rpmdb.Package
		for i, v := range versions {
			list = append(list, rpmdb.Package{Name: []string{"widget", "libwidget"}[i], Version: v, Release: "1.el8", Arch: "x86_64", Vendor: "AlmaLinux",
				SourceRPM: "widget-" + v + "-1.el8.src.rpm"})
		}
		return text(path, string(rpmdb.NDB(list...)))
	}
	alma := text("etc/redhat-release", "AlmaLinux release 8.10 (X)\n")
	zstd, plain := stacked(alpine, base), stacked(alpine, base)
	zstd.compression, plain.compression = compression.ZStd, compression.None
	archive, plainArchive := stacked(alpine, base), stacked(alpine, base)
	archive.archive, plainArchive.archive, plainArchive.compression = true, true, compression.None
	return map[string]specimen{
		"layers in zstd": zstd, "layers unpacked": plain, "docker archive": archive, "docker archive unpacked": plainArchive,
		"two databases":             stacked(sampleimage.Layer{release, apks("1.0-r0")}, sampleimage.Layer{text("usr/lib/apk/db/installed", apks("1.1-r0").Body)}),
		"removed and back":          stacked(sampleimage.Layer{release, apks("1.0-r0"), module("a", "1.0.0")}, sampleimage.Layer{apks(), file(".wh.a")}, sampleimage.Layer{apks("1.0-r0"), module("a", "1.0.0")}),
		"an empty layer":            stacked(alpine, sampleimage.Layer{}, base, sampleimage.Layer{}),
		"no layer":                  stacked(),
		"the same layer":            stacked(alpine, base, base),
		"no packages":               stacked(sampleimage.Layer{text("etc/hostname", "x\n")}),
		"a release and no packages": stacked(sampleimage.Layer{release}),
		"whiteout of a file":        stacked(base, sampleimage.Layer{file("a/b/.wh.package.json")}),
		"whiteout of a folder":      stacked(base, sampleimage.Layer{file("a/.wh.b")}),
		"whiteout of all":           stacked(base, sampleimage.Layer{file(".wh.a")}, sampleimage.Layer{module("a/b", "2.0.0")}),
		"whiteout and made again":   stacked(base, sampleimage.Layer{file("a/.wh.b"), module("a/b", "1.3.0")}),
		"whiteout in its own layer": stacked(sampleimage.Layer{module("a/b", "1.0.0"), file("a/.wh.b")}),
		"whiteout of nothing":       stacked(base, sampleimage.Layer{file("x/.wh.y"), file("d/.wh.x")}),
		"whiteout of a name's part": stacked(base, sampleimage.Layer{file("a/.wh.pack"), file(".wh.d.x")}),
		"opaque folder":             stacked(base, sampleimage.Layer{file("a/.wh..wh..opq"), module("a/c", "1.4.0")}),
		"opaque folder, deep":       stacked(base, sampleimage.Layer{module("a/b", "1.4.1"), file("a/.wh..wh..opq")}),
		"replaced":                  stacked(base, sampleimage.Layer{module("a/b", "2.0.0")}),
		"replaced by the same":      stacked(base, sampleimage.Layer{module("a/b", "1.0.0")}, sampleimage.Layer{module("a/b", "1.0.0")}),
		"replaced and back":         stacked(base, sampleimage.Layer{module("a/b", "1.0.1")}, sampleimage.Layer{module("a/b", "1.0.0"), module("d", "1.2.0")}),
		"replaced by a folder":      stacked(base, sampleimage.Layer{sampleimage.File{Path: "d/package.json/"}, module("d/package.json", "1.9.0")}),
		"odd paths":                 stacked(sampleimage.Layer{module("./a/b", "1.0.0"), module("/abs", "1.1.0"), module("x//y", "1.2.0"), module("x/../z", "1.3.0"), module("sp ace", "1.4.0"), module("ünï", "1.4.1")}),
		"links":                     stacked(base, sampleimage.Layer{{Path: "l/package.json", Link: "../a/b/package.json"}, {Path: "h/package.json", Hard: "a/b/package.json"}, {Path: "dir", Link: "a"}}),
		"links in the layer":        stacked(sampleimage.Layer{module("a/b", "1.0.0"), {Path: "h/package.json", Hard: "a/b/package.json"}, {Path: "l/package.json", Link: "/a/b/package.json"}}),
		"replaced by a link":        stacked(base, sampleimage.Layer{{Path: "a/b/package.json", Link: "../c/package.json"}}),
		"apk upgraded":              stacked(alpine, sampleimage.Layer{apks("2.0.0-r3", "1.4-r0", "1.0-r0")}, sampleimage.Layer{apks("2.0.0-r3", "1.4-r0", "1.0-r0")}),
		"apk downgraded":            stacked(alpine, sampleimage.Layer{apks("1.2-r0")}, sampleimage.Layer{apks("1.0-r0")}),
		"apk database deleted":      stacked(alpine, sampleimage.Layer{file("lib/apk/db/.wh.installed")}),
		"apk deleted as a whole":    stacked(alpine, sampleimage.Layer{file("lib/.wh.apk")}),
		"apk database moved":        stacked(alpine, sampleimage.Layer{file("lib/apk/db/.wh.installed"), text("usr/lib/apk/db/installed", sampleimage.ApkDatabase(sampleimage.Package{Name: "widget", Version: "1.0-r0"}))}),
		"release deleted":           stacked(alpine, sampleimage.Layer{file("etc/.wh.alpine-release")}),
		"dpkg upgraded":             stacked(sampleimage.Layer{text("etc/debian_version", "12.1\n"), debs("1.0-1", "1.1-1")}, sampleimage.Layer{debs("1:2.0-3~deb12u1", "1.1-1")}),
		"distroless of layers": stacked(sampleimage.Distroless("12.1", sampleimage.Package{Name: "widget", Version: "1.0-1"}),
			sampleimage.Layer{text("var/lib/dpkg/status.d/libwidget", "Package: libwidget\nSource: widget\nVersion: 1.0-1\n")},
			sampleimage.Layer{text("var/lib/dpkg/status.d/widget", "Package: widget\nVersion: 1.1-1\n")}),
		"rpm upgraded":                 stacked(sampleimage.Layer{alma, rpms("var/lib/rpm/Packages.db", "1.0", "1.1")}, sampleimage.Layer{rpms("var/lib/rpm/Packages.db", "9.0", "1.1")}),
		"rpm database moved":           stacked(sampleimage.Layer{alma, rpms("var/lib/rpm/Packages.db", "1.0", "1.1")}, sampleimage.Layer{file("var/lib/.wh.rpm"), rpms("usr/lib/sysimage/rpm/Packages.db", "1.0", "1.2")}),
		"program replaced by a script": stacked(sampleimage.Layer{program("usr/bin/x", sampleGo("v1.0.0"))}, sampleimage.Layer{program("usr/bin/x", "#!/bin/sh\n")}),
		"debian becomes ubuntu": stacked(sampleimage.Layer{text("etc/debian_version", "bookworm/sid\n")},
			sampleimage.Layer{text("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\n"), debs("1.0-1")}),
		"centos on red hat's file": stacked(sampleimage.Layer{text("etc/redhat-release", "Red Hat Enterprise Linux release 8.4 (X)\n")},
			sampleimage.Layer{text("etc/rocky-release", "Rocky Linux release 8.5 (X)\n"), rpms("var/lib/rpm/Packages.db", "1.0")}),
	}
}

func ownedSpecimens() map[string]specimen {
	metadata := func(version string) string { return "Metadata-Version: 2.1\nName: wid-get\nVersion: " + version + "\n" }
	const site = "usr/lib/python3/site-packages/"
	list := text("var/lib/dpkg/info/python3-widget.md5sums", "d41d8cd98f00b204e9800998ecf8427e  "+site+"wid_get-1.0.dist-info/METADATA\n"+
		"d41d8cd98f00b204e9800998ecf8427e  usr/share/nodejs/widget/package.json\nd41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n")
	owned := sampleimage.Layer{text(site+"wid_get-1.0.dist-info/METADATA", metadata("1.0")), module("usr/share/nodejs/widget", "1.0.0"), program("usr/bin/x", sampleGo("v1.0.0"))}
	deb := func(maintainer string) sampleimage.Layer {
		return sampleimage.Layer{text("etc/debian_version", "12.1\n"), text("var/lib/dpkg/status",
			"Package: python3-widget\nStatus: install ok installed\nMaintainer: "+maintainer+"\nArchitecture: all\nVersion: 1.0-1\n")}
	}
	with := func(l sampleimage.Layer, more ...sampleimage.File) sampleimage.Layer {
		return append(append(sampleimage.Layer{}, l...), more...)
	}
	files := []string{"/" + site + "wid_get-1.0.dist-info/METADATA", "/usr/share/nodejs/widget/package.json", "/usr/bin/x"}
	rpm := func(vendor string) sampleimage.Layer {
		return sampleimage.Layer{text("etc/redhat-release", "AlmaLinux release 8.10 (X)\n"), text("var/lib/rpm/Packages.db", string(rpmdb.NDB(
			rpmdb.Package{Name: "python3-widget", Version: "1.0", Release: "1.el8", Arch: "noarch", Vendor: vendor, SourceRPM: "widget-1.0-1.el8.src.rpm", Files: files})))}
	}
	apk := sampleimage.Layer{text("etc/alpine-release", "3.17.3\n"), text("lib/apk/db/installed", sampleimage.ApkDatabase(
		sampleimage.Package{Name: "py3-widget", Version: "1.0-r0", Files: []string{files[0][1:], files[1][1:], files[2][1:]}}))}
	byArch := text("var/lib/dpkg/info/python3-widget:all.md5sums", list.Body)
	return map[string]specimen{
		"owned by dpkg":          stacked(with(deb("Debian"), with(owned, list)...)),
		"owned by dpkg, by arch": stacked(with(deb("Debian"), with(owned, byArch)...)),
		"owned by odd paths": stacked(with(deb("Debian"), module("x", "1.0.0"), module("y", "1.0.0"), module("z", "1.0.0"), text("var/lib/dpkg/info/python3-widget.md5sums",
			"d4  ./x/package.json\nd4  /y/package.json\nd4  z/package.json \n"))),
		"owned over unowned": stacked(sampleimage.Layer{module("usr/share/nodejs/widget", "1.1.0"), text(site+"wid_get-1.0.dist-info/METADATA", metadata("1.1"))},
			with(deb("Debian"), with(owned, list)...)),
		"owned by a third party":      stacked(with(deb("Docker <support@docker.com>"), with(owned, list)...)),
		"owned in another layer":      stacked(with(deb("Debian"), list), owned),
		"owned, upgraded by pip":      stacked(with(deb("Debian"), with(owned, list)...), sampleimage.Layer{text(site+"wid_get-1.1.dist-info/METADATA", metadata("1.1")), text(site+".wh.wid_get-1.0.dist-info", "")}),
		"owned, the list comes later": stacked(with(deb("Debian"), owned...), sampleimage.Layer{list}),
		"owned by distroless": stacked(append(sampleimage.Distroless("12.1", sampleimage.Package{Name: "python3-widget", Version: "1.0-1",
			Files: []string{files[0][1:], files[1][1:]}}), owned...)),
		"owned by rpm":                 stacked(with(rpm("AlmaLinux"), owned...)),
		"owned by a third party's rpm": stacked(with(rpm("Somebody"), owned...)),
		"owned by apk":                 stacked(with(apk, owned...)),
		"python's own":                 stacked(with(deb("Debian"), text("usr/lib/python2.7/argparse.egg-info", metadata("1.0")), text("usr/lib/python2.7/lib-dynload/Python-2.7.egg-info", metadata("1.1")), text("usr/lib/python2.7/other.egg-info", metadata("1.2")))),
	}
}
