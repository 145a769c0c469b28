package parity_test

import (
	"fmt"
	"strings"

	"github.com/muster-sec/muster/scanner/sampleimage"
)

// projectSpecimens have files that pin what a project is built with.
func projectSpecimens() map[string]specimen {
	const lock = `version = 3
[[package]]
name = "app"
version = "0.1.0"
dependencies = ["widget 1.4.0", "gadget"]
[[package]]
name = "gadget"
version = "2.0.0"
dependencies = ["widget 1.9.0 (registry+https://github.com/rust-lang/crates.io-index)"]
[[package]]
name = "tests"
version = "3.1.0"
dependencies = ["widget 0.5.0"]
[[package]]
name = "widget"
version = "0.5.0"
[[package]]
name = "widget"
version = "1.4.0"
[[package]]
name = "widget"
version = "1.9.0"
`
	const head = "[package]\nname = \"app\"\nversion = \"0.1.0\"\n"
	cargo := func(manifest string) specimen {
		return one(text("srv/Cargo.lock", lock), text("srv/Cargo.toml", manifest))
	}
	const manifest = `julia_version = "1.9.0"
manifest_format = "2.0"
[[deps.Gadget]]
deps = ["Widget"]
uuid = "aaaaaaaa-0000-0000-0000-000000000001"
version = "1.0.0"
[[deps.Tests]]
uuid = "aaaaaaaa-0000-0000-0000-000000000002"
version = "1.0.0"
[[deps.Widget]]
uuid = "aaaaaaaa-0000-0000-0000-000000000003"
version = "1.4.0"
`
	const project = "[deps]\nGadget = \"aaaaaaaa-0000-0000-0000-000000000001\"\n[extras]\nTests = \"aaaaaaaa-0000-0000-0000-000000000002\"\n"
	return map[string]specimen{
		"bottlerocket": one(text("x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release", "ID=bottlerocket\nVERSION_ID=1.20.0\n"),
			text("x86_64-bottlerocket-linux-gnu/sys-root/usr/share/bottlerocket/application-inventory.json",
				`{"Content":[{"Name":"widget","Version":"1.0","Release":"1.br1","Epoch":"0","Architecture":"x86_64"},{"Name":"gadget","Version":"1.0","Release":"1.br1","Architecture":"x86_64"}]}`)),
		"cargo lock alone":       one(text("srv/Cargo.lock", lock)),
		"cargo direct":           cargo(head + "[dependencies]\nwidget = \"1.2\"\n[dev-dependencies]\ntests = \"3\"\n"),
		"cargo transitive":       cargo(head + "[dependencies]\ngadget = { version = \"2\", features = [] }\n"),
		"cargo platform":         cargo(head + "[target.'cfg(unix)'.dependencies]\ngadget = \"2\"\n[target.'cfg(unix)'.dev-dependencies]\ntests = \"3\"\n"),
		"cargo exact":            cargo(head + "[dependencies]\nwidget = \"=0.5.0\"\n"),
		"cargo wildcard":         cargo(head + "[dependencies]\nwidget = \"*\"\n"),
		"cargo range":            cargo(head + "[dependencies]\nwidget = \">=1.5, <2\"\n"),
		"cargo tilde":            cargo(head + "[dependencies]\nwidget = \"~1.4\"\n"),
		"cargo path":             cargo(head + "[dependencies]\nwidget = { path = \"../widget\" }\n"),
		"cargo renamed":          cargo(head + "[dependencies]\nw = { package = \"widget\", version = \"1\" }\n"),
		"cargo workspace itself": cargo(head + "[dependencies]\nwidget = { workspace = true }\n[workspace.dependencies]\nwidget = \"1\"\n"),
		"cargo no version":       cargo("[package]\nname = \"app\"\n[workspace.package]\nversion = \"0.1.0\"\n"),
		"cargo nonsense":         cargo("["),
		"cargo workspace": one(text("srv/Cargo.lock", lock), text("srv/Cargo.toml", head+"[workspace]\nmembers = [\"core\", \"tools/*\"]\n[workspace.package]\nversion = \"0.1.0\"\n"),
			text("srv/core/Cargo.toml", "[package]\nname = \"core\"\nversion.workspace = true\n[dependencies]\nwidget = \"0.5\"\n"),
			text("srv/tools/a/Cargo.toml", "[package]\nname = \"tool\"\nversion = \"1.0.0\"\n[dependencies]\nwidget = \"1.9\"\ngadget = \"2\"\n")),
		"cargo in layers": stacked(sampleimage.Layer{text("srv/Cargo.lock", lock)}, sampleimage.Layer{text("srv/Cargo.toml", head)}),
		"nuget projects": one(
			text("srv/packages.lock.json", `{"version":1,"dependencies":{"net8":{"Acme.Widget":{"type":"Direct","resolved":"1.4.0"},"app":{"type":"Project"},"Other":{"type":"Transitive","resolved":"1.0"}},"net7":{"Acme.Widget":{"type":"Direct","resolved":"1.4.1"}}}}`),
			text("srv/old/packages.config", `<?xml version="1.0" encoding="utf-8"?><packages><package id="Acme.Widget" version="1.6.0"/><package id="acme.widget" version="1.6.1" developmentDependency="true"/></packages>`),
			text("srv/Directory.Packages.props", `<Project><ItemGroup><PackageVersion Include="Acme.Widget" Version="1.3.0"/><PackageVersion Include="X" Version="$(V)"/></ItemGroup><ItemGroup><PackageReference Update="acme.widget" Version=" 1.3.1 "/></ItemGroup></Project>`),
			text("srv/x/packages.props", `<Project><ItemGroup><PackageVersion Include="Acme.Widget"/></ItemGroup></Project>`)),
		"julia":             one(text("srv/Manifest.toml", manifest), text("srv/Project.toml", project)),
		"julia no project":  one(text("srv/Manifest.toml", manifest)),
		"julia bad project": one(text("srv/Manifest.toml", manifest), text("srv/Project.toml", "[")),
		"julia old": one(text("srv/Project.toml", project), text("srv/Manifest.toml",
			"[[Gadget]]\nuuid = \"aaaaaaaa-0000-0000-0000-000000000001\"\nversion = \"1.0.0\"\n    [Gadget.deps]\n    Widget = \"aaaaaaaa-0000-0000-0000-000000000003\"\n[[Widget]]\nuuid = \"aaaaaaaa-0000-0000-0000-000000000003\"\nversion = \"1.4.0\"\n")),
	}
}

func bitnamiBOM(name, version string) string {
	return fmt.Sprintf(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":%q,"dataLicense":"CC0-1.0","documentNamespace":"https://example.org/x",
"creationInfo":{"created":"2024-01-01T00:00:00Z","creators":["Organization: x"]},"packages":[
{"SPDXID":"SPDXRef-Package-%s","name":%q,"versionInfo":%q,"downloadLocation":"NOASSERTION","externalRefs":[
{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:bitnami/%s@%s?arch=amd64"}]}]}`,
		name, name, name, version, name, version)
}

// sbomSpecimens have bills of materials.
func sbomSpecimens() map[string]specimen {
	cdx := func(components ...string) string {
		return `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[` + strings.Join(components, ",") + `]}`
	}
	component := func(name, version, purl, more string) string {
		return fmt.Sprintf(`{"type":"library","bom-ref":%q,"name":%q,"version":%q,"purl":%q%s}`, purl, name, version, purl, more)
	}
	crate := component("widget", "1.4.0", "pkg:cargo/widget@1.4.0", "")
	alpine := sampleimage.Layer{text("etc/alpine-release", "3.17.3\n"), text("lib/apk/db/installed", sampleimage.ApkDatabase(
		sampleimage.Package{Name: "widget", Version: "1.0-r0"}, sampleimage.Package{Name: "libwidget", Version: "1.0-r0", Source: "widget"}))}
	const jar = `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","dataLicense":"CC0-1.0","documentNamespace":"https://example.org/x",
"creationInfo":{"created":"2024-01-01T00:00:00Z","creators":["Organization: x"]},"packages":[
{"SPDXID":"SPDXRef-Package-1","name":"widget","versionInfo":"1.4.0","downloadLocation":"NOASSERTION","externalRefs":[
{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:maven/org.example/widget@1.4.0"}]}],
"files":[{"SPDXID":"SPDXRef-File-1","fileName":"lib/widget.jar","checksums":[{"algorithm":"SHA1","checksumValue":"0000000000000000000000000000000000000000"}]}],
"relationships":[{"spdxElementId":"SPDXRef-Package-1","relationshipType":"CONTAINS","relatedSpdxElement":"SPDXRef-File-1"}]}`
	return map[string]specimen{
		"bom bitnami": one(text("opt/bitnami/widget/.spdx-widget.spdx", bitnamiBOM("widget", "1.4.0-1"))),
		"bom bitnami versions": one(text("opt/bitnami/a/.spdx-a.spdx", bitnamiBOM("widget", "1.5.0")), text("opt/bitnami/b/.spdx-b.spdx", bitnamiBOM("widget", "1.7.0-2")),
			text("opt/bitnami/c/.spdx-c.spdx", bitnamiBOM("widget", "2.0.0-0")), text("opt/bitnami/d/.spdx-d.spdx", bitnamiBOM("widget", "latest")),
			text("srv/e.spdx", bitnamiBOM("widget", "3.0.0"))),
		"bom bitnami jar": one(text("opt/bitnami/widget/.spdx-widget.spdx", jar)),
		"bom cyclonedx":   one(text("opt/app.cdx.json", cdx(crate))),
		"bom names": one(text("d.cdx", cdx(component("widget", "v1.4.0", "pkg:composer/acme/widget@v1.4.0", `,"group":"acme"`))),
			text("e.cdx", cdx(component("example.org/widget", "v1.4.0", "pkg:golang/example.org/widget@v1.4.0", ""))), text("f.cdx", cdx(component("Acme.Widget", "1.4.0", "pkg:nuget/Acme.Widget@1.4.0", ""))),
			text("g.cdx", cdx(component("widget", "1.4.0", "pkg:cargo/widget@1.4.0", "")))),
		"bom tags": one(text("x.spdx", "SPDXVersion: SPDX-2.2\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: x\nDocumentNamespace: https://example.org/x\nCreator: Organization: x\nCreated: 2024-01-01T00:00:00Z\n\n"+
			"PackageName: widget\nSPDXID: SPDXRef-Package-1\nPackageVersion: 1.4.0\nPackageDownloadLocation: NOASSERTION\nFilesAnalyzed: false\nExternalRef: PACKAGE-MANAGER purl pkg:cargo/widget@1.4.0\n")),
		"bom other names": one(text("bom.json", cdx(crate)), text("usr/lib/x.dist-info/sboms/a.cdx.json", cdx(crate)), text("a.spdx.json", "{}"), text("b.spdx", "text"), text("c.cdx.json", "[")),
		"bom with its path": one(text("app.cdx.json", cdx(component("widget", "1.4.0", "pkg:npm/widget@1.4.0",
			`,"properties":[{"name":"aquasecurity:trivy:FilePath","value":"srv/widget/package.json"}]`)))),
		"bom of the system": stacked(append(alpine, text("var/lib/db/sbom/widget.cdx.json", cdx(
			component("widget", "1.0-r0", "pkg:apk/alpine/widget@1.0-r0?distro=3.17.3", ""), component("libwidget", "1.1-r0", "pkg:apk/alpine/libwidget@1.1-r0", "")))),
			sampleimage.Layer{text("w.cdx.json", cdx(component("widget", "1.2-r0", "pkg:apk/wolfi/widget@1.2-r0", "")))}),
		"bom deleted": stacked(sampleimage.Layer{text("opt/app.cdx.json", cdx(crate))}, sampleimage.Layer{text("opt/.wh.app.cdx.json", "")}),
		"bom replaced": stacked(sampleimage.Layer{text("opt/app.cdx.json", cdx(crate))},
			sampleimage.Layer{text("opt/app.cdx.json", cdx(component("widget", "1.6.0", "pkg:cargo/widget@1.6.0", "")))}),
		"bom subject": one(text("app.cdx.json", `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"metadata":{"component":{"type":"application","bom-ref":"r","name":"widget","version":"1.4.0","purl":"pkg:cargo/widget@1.4.0"}}}`)),
	}
}
