package parity_test

import (
	"fmt"
	"testing"

	"github.com/muster-sec/muster/scanner/sampleimage"
)

// openssl stands for what a distribution installs: old enough for advisories.
func openssl() sampleimage.Package { return sampleimage.Package{Name: "openssl", Version: "1.0.0"} }

func file(path, body string) sampleimage.File { return sampleimage.File{Path: path, Body: body} }

// over is Debian's package database under another distribution's release file.
func over(release string) []sampleimage.Layer {
	return []sampleimage.Layer{{
		file("etc/os-release", release), file("etc/debian_version", "12.4\n"), file("var/lib/dpkg/status", sampleimage.DpkgStatus(openssl())),
	}}
}

// TestSpecimens compares images that were made for one rule each.
func TestSpecimens(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	musl := sampleimage.Package{Name: "musl", Version: "1.1.10-r0"}
	old := sampleimage.Package{Name: "lodash", Version: "4.17.0"}
	for name, layers := range map[string][]sampleimage.Layer{
		"nothing":                    {{file("etc/hostname", "x")}},
		"activestate":                over("ID=activestate\nVERSION_ID=1\n"),
		"echo":                       over("ID=echo\nVERSION_ID=12\n"),
		"a derivative of debian":     over("ID=kali\nVERSION_ID=2024.1\n"),
		"minimos":                    {{file("etc/os-release", "ID=minimos\nVERSION_ID=2024\n"), file("lib/apk/db/installed", sampleimage.ApkDatabase(musl))}},
		"wolfi":                      {{file("etc/os-release", "ID=wolfi\nVERSION_ID=20230201\n"), file("lib/apk/db/installed", sampleimage.ApkDatabase(musl))}},
		"repositories over release":  {sampleimage.Alpine("3.9.0", musl), {file("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/v3.17/main\n")}},
		"repositories of edge":       {sampleimage.Alpine("3.9.0", musl), {file("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/edge/main\n")}},
		"repositories with a port":   {sampleimage.Alpine("3.9.0", musl), {file("etc/apk/repositories", "http://mirror:8080/alpine/v3.17/main\n")}},
		"a commented repository":     {sampleimage.Alpine("3.9.0", musl), {file("etc/apk/repositories", "https://dl-cdn.alpinelinux.org/alpine/v3.9/main\n#https://dl-cdn.alpinelinux.org/alpine/edge/main\n")}},
		"distroless":                 {sampleimage.Distroless("12.1", openssl())},
		"ubuntu by os-release alone": {{file("etc/os-release", "ID=ubuntu\nVERSION_ID=\"18.04\"\n"), file("var/lib/dpkg/status", sampleimage.DpkgStatus(openssl()))}},
		"a distribution upgrade":     {sampleimage.Alpine("3.8.0", musl), sampleimage.Alpine("3.9.0", musl)},
		"an upgraded package":        {sampleimage.Debian("12.1", openssl()), {file("var/lib/dpkg/status", sampleimage.DpkgStatus(sampleimage.Package{Name: "openssl", Version: "9.0"}))}},
		"a deleted package database": {sampleimage.Debian("12.1", openssl()), {file("var/lib/dpkg/.wh.status", "")}},
		"a deleted folder":           {sampleimage.NodeModules("srv", old), {file(".wh.srv", "")}},
		"an opaque folder":           {sampleimage.NodeModules("srv/a", old), {file("srv/.wh..wh..opq", ""), file("srv/b/node_modules/minimist/package.json", `{"name": "minimist", "version": "0.0.8"}`)}},
		"node packages of a system":  {append(sampleimage.Debian("12.1", sampleimage.Package{Name: "node-lodash", Version: "1", Files: []string{"usr/share/nodejs/lodash/package.json"}}), file("usr/share/nodejs/lodash/package.json", `{"name": "lodash", "version": "4.17.0"}`))},
		"nested and scoped":          {append(sampleimage.NodeModules("srv", old, sampleimage.Package{Name: "@angular/core", Version: "10.0.0"}), sampleimage.NodeModules("srv/node_modules/x", old)...)},
		"package.json of odd shapes": {{file("a/node_modules/x/package.json", `{"version": "1"}`), file("b/node_modules/lodash/package.json", `{"name": "lodash", "version": "4.17.0", "license": ["MIT"], "author": 1}`), file("c/package.json", `{"name": "lodash", "version": "4.17.0"}`)}},
		"python in several forms":    {pythons()},
		"cargo with its manifest":    {{file("srv/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.1.0\"\n[dependencies]\ntime = \"0.1\"\n[dev-dependencies]\nopenssl = \"0.10\"\n"), file("srv/Cargo.lock", "version = 3\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"openssl\", \"time\"]\n[[package]]\nname = \"time\"\nversion = \"0.1.0\"\n[[package]]\nname = \"openssl\"\nversion = \"0.10.40\"\n")}},
		"nuget's older forms":        {{file("srv/packages.config", `<packages><package id="Newtonsoft.Json" version="9.0.1"/></packages>`), file("srv/Directory.Packages.props", `<Project><ItemGroup><PackageVersion Include="Newtonsoft.Json" Version="9.0.1"/></ItemGroup></Project>`)}},
		"a bill of materials":        {{file("layers/app.cdx.json", `{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "library", "name": "lodash", "version": "4.17.0", "bom-ref": "1", "purl": "pkg:npm/lodash@4.17.0"}]}`)}},
		"a python package's own":     {{file("srv/x-1.dist-info/sboms/x.cdx.json", `{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "library", "name": "lodash", "version": "4.17.0", "bom-ref": "1", "purl": "pkg:npm/lodash@4.17.0"}]}`)}},
		"fedora":                     {{file("etc/os-release", "ID=fedora\nVERSION_ID=40\n"), file("var/lib/rpmmanifest/container-manifest-2", "openssl\t1.0.0-1.fc40\t0\t0\tFedora\t(none)\t0\tx86_64\t0\topenssl-1.0.0-1.fc40.src.rpm\n")}},
		"composer of the first kind": {{file("srv/vendor/composer/installed.json", `[{"name": "symfony/symfony", "version": "v2.0.0"}]`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			image, err := sampleimage.Build(sampleimage.Spec{Layers: layers})
			if err != nil {
				t.Fatal(err)
			}
			differences, _ := p.compare(t, image)
			check(t, name, differences)
		})
	}
}

func pythons() (l sampleimage.Layer) {
	for i, name := range []string{"Django", "django", "Jinja2", "PyYAML"} {
		metadata := "Metadata-Version: 1.1\nName: " + name + "\nVersion: 2.0\n"
		l = append(l,
			file(fmt.Sprintf("a%d/%s-2.0.egg-info", i, name), metadata), file(fmt.Sprintf("b%d/%s.egg-info/PKG-INFO", i, name), metadata),
			file(fmt.Sprintf("c%d/%s-2.0-py3.9.egg-info/PKG-INFO", i, name), metadata), file(fmt.Sprintf("d%d/EGG-INFO/PKG-INFO", i), metadata),
			file(fmt.Sprintf("e%d/%s-2.0.dist-info/METADATA", i, name), metadata),
		)
	}
	return l
}
