package parity_test

import (
	"runtime/debug"
	"strings"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/sampleimage/rpmdb"
)

// unshown are the cases of DIFFERENCES.md that no image of a few kilobytes shows.
func unshown() []string {
	return []string{
		"Ubuntu with extended maintenance on a release that still has standard maintenance", // differs from some day on
		"a jar without an index (`javadb`)",                                                 // every specimen has one
		"a jar of more than 96 MiB, a nested one of more than 32 MiB unpacked",
		"an executable of more than 96 MiB",
		"an rpm database of more than 128 MiB",
		"several SBOM files of Bitnami in one folder, which name the same kind of packages", // Trivy's answer is chance
		"an image of more than 200,000 packages",
		"an SBOM in the image of more than 8 MiB or 50,000 packages",
		"a `Cargo.lock` of more than 2 MiB, a `Cargo.toml` of more than 1 MiB, or one nested more than 64 deep",
	}
}

// differingSpecimens show, one by one, where we differ from Trivy by intention.
func differingSpecimens() map[string]specimen {
	all := map[string]specimen{}
	add := func(name, row string, layers ...sampleimage.Layer) {
		s := stacked(layers...)
		s.row = row
		all["differs/"+name] = s
	}
	apk := text("lib/apk/db/installed", sampleimage.ApkDatabase(sampleimage.Package{Name: "widget", Version: "1.0-r0"}))
	alpine := text("etc/alpine-release", "3.17.3\n")
	repositories := func(lines ...string) sampleimage.File {
		return text("etc/apk/repositories", strings.Join(lines, "\n")+"\n")
	}
	widget := func(vendor string) sampleimage.File {
		return text("var/lib/rpm/Packages.db", string(rpmdb.NDB(rpmdb.Package{Name: "widget", Version: "1.0", Release: "1", Arch: "x86_64", Vendor: vendor,
			SourceRPM: "widget-1.0-1.src.rpm"})))
	}
	deb := func(fields string) sampleimage.File {
		return text("var/lib/dpkg/status", "Package: widget\nStatus: install ok installed\n"+fields+"Version: 1.0-1\n\nPackage: libwidget\nStatus: install ok installed\nSource: widget\nVersion: 1.0-1\n")
	}
	debian := text("etc/debian_version", "12.1\n")
	rhel := text("etc/redhat-release", "Red Hat Enterprise Linux release 8.4 (Ootpa)\n")

	add("commented repository", "a commented URL in `etc/apk/repositories`", sampleimage.Layer{alpine, apk,
		repositories("https://dl-cdn.alpinelinux.org/alpine/v3.17/main", "#https://dl-cdn.alpinelinux.org/alpine/edge/testing")})
	add("distribution upgraded", "a release file that an upper layer replaces (a distribution upgrade during the build)",
		sampleimage.Layer{text("etc/alpine-release", "3.4.6\n"), apk}, sampleimage.Layer{alpine})
	add("emptied package.json", "a package database or `package.json` that an upper layer empties or breaks",
		sampleimage.Layer{module("a", "1.0.0")}, sampleimage.Layer{text("a/package.json", `{"private":true}`)})
	add("broken package.json", "a package database or `package.json` that an upper layer empties or breaks",
		sampleimage.Layer{module("a", "1.0.0")}, sampleimage.Layer{text("a/package.json", "{")})
	add("opaque root", "`.wh..wh..opq` in the root folder", sampleimage.Layer{module("a", "1.0.0")}, sampleimage.Layer{text(".wh..wh..opq", "")})
	add("odd package.json", "`package.json` with odd shapes in other fields (`\"dependencies\": []`)", sampleimage.Layer{
		text("a/package.json", `{"name":"widget","version":"1.0.0","dependencies":[]}`), text("b/package.json", `{"name":"widget","version":"1.0.1","optionalDependencies":"no"}`)})
	add("long paragraph", "a dpkg status paragraph longer than 128 KiB", sampleimage.Layer{debian, deb("Depends: " + strings.Repeat("x, ", 50000) + "\n")})
	add("rebuilt by root.io", "rebuilt packages of third parties (`-seal`, `root.io`, RapidFort)", sampleimage.Layer{debian,
		text("var/lib/dpkg/status", "Package: widget\nStatus: install ok installed\nVersion: 1.0-1.root.io.1\n")})
	add("release of nobody knows", "Red Hat or CentOS of a release or content set without a row in the database",
		sampleimage.Layer{text("etc/redhat-release", "Red Hat Enterprise Linux release 10.1 (X)\n"), widget("Red Hat, Inc.")})
	add("fedora", "Fedora, CentOS Stream, Arch, other distributions without advisories, and unknown ones",
		sampleimage.Layer{text("etc/fedora-release", "Fedora release 40 (Forty)\n"), widget("Fedora Project")})
	const unknown = "Fedora, CentOS Stream, Arch, other distributions without advisories, and unknown ones"
	add("centos stream", unknown, sampleimage.Layer{text("etc/os-release", "NAME=\"CentOS Stream\"\nID=\"centos\"\nVERSION_ID=\"9\"\n"), widget("CentOS")})
	add("arch", unknown, sampleimage.Layer{text("etc/arch-release", ""), text("etc/os-release", "ID=arch\n")})
	add("no release", unknown, sampleimage.Layer{apk})
	add("postmarketos", unknown, sampleimage.Layer{text("etc/os-release", "ID=postmarketos\nVERSION_ID=23.12\n"), apk})
	add("ubuntu by os-release only", unknown, sampleimage.Layer{text("etc/os-release", "ID=ubuntu\nVERSION_ID=\"22.04\"\n"), deb("")})
	add("debian by os-release only", unknown, sampleimage.Layer{text("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"), deb("")})
	add("amazon by os-release", "Amazon Linux that has only `os-release`",
		sampleimage.Layer{text("etc/os-release", "NAME=\"Amazon Linux\"\nID=\"amzn\"\nVERSION_ID=\"2\"\n"), widget("Amazon Linux")})
	add("source of red hat", "a data source of Red Hat's findings", sampleimage.Layer{rhel, widget("Red Hat, Inc.")})
	add("composer 1", "`installed.json` of Composer 1 (an array)", sampleimage.Layer{
		text("vendor/composer/installed.json", `[{"name":"acme/widget","version":"v1.0.0"}]`)})
	add("composer without version", "an entry of `installed.json` without a name or a version", sampleimage.Layer{
		text("vendor/composer/installed.json", `{"packages":[{"name":"acme/none"},{"version":"1"}]}`)})
	add("photon without source", "an rpm of Photon or Azure Linux that does not name its source package", sampleimage.Layer{
		text("etc/os-release", "ID=photon\nVERSION_ID=4.0\n"), text("var/lib/rpm/Packages.db", string(rpmdb.NDB(
			rpmdb.Package{Name: "widget", Version: "1.0", Release: "1.ph4", Arch: "x86_64", Vendor: "VMware, Inc."})))})
	long := strings.Repeat("x", 70000)
	const longLine = "a line of more than 64 KiB in apk's database, a gem's specification or a jar's description"
	add("long line of apk", longLine, sampleimage.Layer{alpine, text("lib/apk/db/installed", "P:a\nV:1.0-r0\no:a\np:"+long+"\n\nP:widget\nV:1.0-r0\no:widget\n\n")})
	add("long line of a gem", longLine, sampleimage.Layer{text("x/specifications/a.gemspec",
		"Gem::Specification.new do |s|\n  s.name = \"widget\"\n  s.version = \"1.0.0\"\n  s.files = [\""+long+"\"]\nend\n")})
	add("odd lists", "`installed.json` or `*.deps.json` with a field twice or in another case, `installed.json` with odd shapes in other fields", sampleimage.Layer{
		text("1/installed.json", `{"packages":[{"name":"acme/widget","version":"1.0.0","require":[]}]}`), text("2/installed.json", `{"Packages":[{"name":"acme/widget","version":"1.0.1"}]}`),
		text("a.deps.json", `{"libraries":{"Acme.Widget/1.4.0":{"type":"package","type":"package"}}}`), text("b.deps.json", `{"Libraries":{"Acme.Widget/1.4.1":{"type":"package"}}}`)})
	add("long line of a jar", longLine, sampleimage.Layer{
		text("a.jar", zipped(text("META-INF/MANIFEST.MF", "Implementation-Title: widget\nImplementation-Vendor-Id: org.example\nX: "+long+"\nImplementation-Version: 1.0\n"))),
		text("b.jar", zipped(text("META-INF/maven/a/b/pom.properties", "x="+long+"\ngroupId=org.example\nartifactId=widget\nversion=1.0\n")))})
	add("malformed status", "a malformed line, or one that ends as on Windows, in a dpkg status paragraph", sampleimage.Layer{debian,
		text("var/lib/dpkg/status", "Package: widget\nno field\nVersion: 1.0-1\n\nPackage: a\r\nVersion: 1.0-1\r\n\r\nPackage: libwidget\r\nSource: widget\r\nVersion: 1.0-1\r\n")})
	add("characters of a shell", "characters in the linker's flags of a Go program that mean something to a shell (`;&<>()`)",
		sampleimage.Layer{linked("usr/bin/a", "-X main.version=1.4.0 -X main.by=me(x)"), linked("usr/bin/b", "-X main.url=a?b&c -X main.version=1.4.0")})
	const otherKind = "a program that an upper layer replaces by one of another language, an SBOM by one with packages of another kind"
	rust, err := sampleimage.RustProgram(sampleimage.Crate{Name: "widget", Version: "1.4.0", Source: "crates.io"})
	if err != nil {
		panic(err) // writing into memory
	}
	add("go becomes rust", otherKind, sampleimage.Layer{program("usr/bin/x", sampleGo("v1.0.0"))}, sampleimage.Layer{program("usr/bin/x", rust)})
	add("bom of another kind", otherKind, sampleimage.Layer{text("a.cdx", cycloneDX("Acme.Widget", "pkg:nuget/Acme.Widget@1.4.0"))},
		sampleimage.Layer{text("a.cdx", cycloneDX("widget", "pkg:cargo/widget@1.4.0"))})
	add("outside of the root", "a file of a layer whose path leaves the root folder (`../x`)", sampleimage.Layer{module("../x", "1.0.0")})
	const otherName = "a component of an SBOM whose name is not that of its package URL"
	add("bom of other names", otherName, sampleimage.Layer{text("a.cdx", cycloneDX("gizmo", "pkg:cargo/widget@1.4.0")),
		text("b.cdx", cycloneDX("widget", "pkg:golang/example.org/widget@v1.4.0"))})
	add("bom within a component", "components within components of a CycloneDX document", sampleimage.Layer{text("a.cdx", strings.Replace(
		cycloneDX("gadget", "pkg:cargo/gadget@1.4.0"), `"version":"1.4.0"`, `"version":"1.4.0","components":[{"type":"library","name":"widget","version":"1.4.0","purl":"pkg:cargo/widget@1.4.0"}]`, 1))})
	const syft = "a package's file or source package as Syft, CycloneDX's `evidence` or a package URL's `upstream` tell it in an SBOM"
	add("bom of syft", syft, sampleimage.Layer{debian, text("a.cdx", cycloneDX("libwidget", "pkg:deb/debian/libwidget@1.0-1?upstream=widget")),
		text("b.cdx", strings.Replace(cycloneDX("widget", "pkg:cargo/widget@1.4.0"), `"version":"1.4.0"`, `"version":"1.4.0","evidence":{"occurrences":[{"location":"/usr/bin/x"}]}`, 1))})
	add("bom of two systems", "an SBOM with packages of several operating systems' package managers", sampleimage.Layer{alpine, text("a.cdx", strings.Replace(
		cycloneDX("widget", "pkg:apk/alpine/widget@1.0-r0"), `"components":[`, `"components":[{"type":"library","name":"x","version":"1","purl":"pkg:deb/debian/x@1"},`, 1))})
	add("conda's base", "Conda's base environment (`conda-meta` outside `envs/`)", sampleimage.Layer{
		text("opt/conda/conda-meta/widget-1.0-py_0.json", object("name", "widget", "version", "1.0"))})
	add("quoted environment", "quoted values of ENV in a Red Hat build's Dockerfile, several in a line", sampleimage.Layer{rhel, widget("Red Hat, Inc."),
		text("root/buildinfo/Dockerfile-ubi8-8.4-206", "FROM sha256:0\nENV A=\"ubi8-container\" B=\"x86_64\"\nLABEL com.redhat.component=\"$A\" architecture=\"$B\"\n")})
	add("boms without paths", "a package of npm, Python, Ruby or Java in an SBOM that does not tell its file", sampleimage.Layer{
		text("a.cdx", cycloneDX("Widget", "pkg:npm/widget@1.4.0")), text("b.cdx", cycloneDX("Wid_Get", "pkg:pypi/wid-get@1.4.0")),
		text("c.cdx", cycloneDX("widget", "pkg:maven/org.example/widget@1.4.0")), text("d.cdx", cycloneDX("widget", "pkg:gem/widget@1.4.0"))})
	add("cargo workspace", "a Cargo workspace without a package of its own", sampleimage.Layer{
		text("srv/Cargo.lock", "[[package]]\nname = \"widget\"\nversion = \"1.4.0\"\n"), text("srv/Cargo.toml", "[workspace.dependencies]\nwidget = \"1\"\n")})
	return all
}

// linked is a Go program that was built with these flags of the linker.
func linked(path, flags string) sampleimage.File {
	return program(path, sampleimage.GoProgram(debug.BuildInfo{GoVersion: "go1.26.0", Path: "example.org/app",
		Main: debug.Module{Path: "example.org/app", Version: "(devel)"}, Settings: []debug.BuildSetting{{Key: "-ldflags", Value: flags}}}))
}

// cycloneDX is a bill of materials with one component of version 1.4.0.
func cycloneDX(name, purl string) string {
	return `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{"type":"library","bom-ref":"a","name":"` + name +
		`","version":"1.4.0","purl":"` + purl + `"}]}`
}

func sampleGo(version string) string {
	return imageOfLanguage("go")([]installed{{"example.org/widget", strings.TrimPrefix(version, "v")}})[0].Body
}
