package parity_test

import (
	"fmt"

	"github.com/muster-sec/muster/scanner/sampleimage"
)

func nodeSpecimens() map[string]specimen {
	var versions sampleimage.Layer
	for i, v := range []string{
		"1.0.0", "1.2.0", "1.2.1", "1.4.9", "1.5.0", "1.6.5", "1.7.0", "2.0.0", "2.0.0-rc.1", "2.0.0-0", "1.9.9-beta", "2.5.0", "3.0.0-beta.2",
		"3.0.0-beta.3", "3.0.0", "3.0.5", "4.0.0", "v1.0.0", "=1.0.0", "1.0", "1", "1.0.0+build", "1.0.0.0", "latest", "01.0.0", " 1.0.0",
	} {
		versions = append(versions, text(fmt.Sprintf("srv/%d/node_modules/widget/package.json", i), object("name", "widget", "version", v)))
	}
	at := func(path, body string) sampleimage.File { return text(path+"/package.json", body) }
	return map[string]specimen{
		"npm versions": stacked(versions),
		"npm places": one(
			at("srv/node_modules/widget/node_modules/@acme/widget", object("name", "@acme/widget", "version", "1.0.0")),
			at("srv/node_modules/widget", object("name", "widget", "version", "1.0.0")),
			at("srv/node_modules/.pnpm/widget@1.0.0/node_modules/widget", object("name", "widget", "version", "1.0.0")),
			at("srv/node_modules/rxjs/ajax", object("name", "rxjs/ajax")),
			at("srv/node_modules/rxjs/cjs", object("type", "commonjs")),
			at("srv/node_modules/sub/path", object("name", "sub", "version", "1.0.0")),
			at("srv/app", object("name", "app", "version", "0.1.0")), at("", object("name", "root", "version", "1.0.0")),
			text("srv/package-lock.json", `{"name":"app","lockfileVersion":2,"packages":{"node_modules/widget":{"version":"1.0.0"}}}`),
			text("srv/yarn.lock", "widget@^1.0.0:\n  version \"1.0.0\"\n"), text("srv/other.package.json", object("name", "x", "version", "1.0.0"))),
		"npm shapes": one(
			at("1", object("name", "Widget", "version", "1.0.0")), at("2", object("name", "no-version")), at("3", object("version", "1.0.0")),
			at("4", `{"name":"widget","version":"1.0.0","license":["MIT","ISC"],"licenses":[{"type":"MIT"}]}`),
			at("5", `{"name":"widget","version":"1.0.1","license":{"type":"MIT","url":"x"}}`), at("6", `{"name":"bad name","version":"1.0.0"}`),
			at("7", `{"name":"widget","version":1}`), at("8", `{"name":"widget","version":"1.0.2"} trailing`), at("9", `{`), at("10", ""),
			at("11", `{"NAME":"widget","Version":"1.0.3"}`), at("12", `{"name":"widget","name":"gadget","version":"1.0.4"}`), at("13", "[]"),
			at("14", `{"name":"@acme/widget/x","version":"1.0.0"}`), at("15", `{"name":"widget","version":"1.0.5","workspaces":["a"]}`), at("16", "null"),
			at("17", "\xef\xbb\xbf"+object("name", "widget", "version", "1.0.6")), at("18", `{"name":null,"version":"1.0.0"}`),
			at("19", `{"name":"widget","version":"1.0.7","license":7}`)),
	}
}

func pythonSpecimens() map[string]specimen {
	metadata := func(name, version string) string {
		return "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\nSummary: x\nLicense: MIT\n\nName: not me\n"
	}
	var versions sampleimage.Layer
	for i, v := range []string{
		"1.0", "1.0rc1", "1.0rc0", "1.0.dev1", "1.0.post1", "1.0.post2", "1.0+local.1", "1!0.4", "1!0.5", "1!1.0", "1.4.9", "1.5.0", "1.5", "2.0.0", "2.0.0a1",
		"2.0.5", "2.0.0+x", "2.1", "3.0.0", "3.0.0.0", "3.0.0.1", "V1.0", "1.0-1", "1.0_rc1", "1.0c1", "01.0", "1.0.", "unknown", "2004d",
	} {
		versions = append(versions, text(fmt.Sprintf("srv/%d/wid_get.dist-info/METADATA", i), metadata("Wid_Get", v)))
	}
	return map[string]specimen{
		"python versions": stacked(versions),
		"python places": one(
			text("usr/lib/python3/site-packages/wid_get-1.0.dist-info/METADATA", metadata("wid_get", "1.0")),
			text("usr/lib/python3/site-packages/wid_get-1.0.dist-info/RECORD", "x,,\n"),
			text("usr/lib/python3/dist-packages/file-1.0.egg-info", metadata("wid-get", "1.1")),
			text("usr/lib/python3/dist-packages/folder.egg-info/PKG-INFO", metadata("wid.get", "1.2")),
			text("usr/lib/python3/dist-packages/folder2.egg-info/METADATA", metadata("WID-GET", "1.3")),
			text("usr/lib/python3/dist-packages/unzipped.egg/EGG-INFO/PKG-INFO", metadata("wid-get", "1.4")),
			text("usr/lib/python3/dist-packages/zipped.egg", zipped(text("wid/__init__.py", ""), text("EGG-INFO/PKG-INFO", metadata("wid-get", "1.5")))),
			text("usr/lib/python3/dist-packages/nothing.egg", zipped(text("wid/__init__.py", ""))),
			text("usr/lib/python3/dist-packages/broken.egg", "no zip"),
			text("srv/x.dist-info/deeper/METADATA", metadata("wid-get", "1.6")), text("srv/METADATA", metadata("wid-get", "1.7")),
			text("srv/requirements.txt", "wid-get==1.0\n"), text("srv/PKG-INFO", metadata("wid-get", "1.8"))),
		"python shapes": one(
			text("1.dist-info/METADATA", "Name: wid-get\nVersion: 1.0"), text("2.dist-info/METADATA", "name: wid-get\nVERSION: 1.1\n"),
			text("3.dist-info/METADATA", "Metadata-Version: 2.1\nName: wid-get\n\nVersion: 1.2\n"), text("4.dist-info/METADATA", "Name: wid-get\nVersion: 1.3\nBad header: x\n y\n"),
			text("5.dist-info/METADATA", "Name: wid-get\nno colon here\nVersion: 1.4\n"), text("6.dist-info/METADATA", "Name: wid-get\nSummary: \xe4\xf6\nVersion: 1.5\n"),
			text("7.dist-info/METADATA", ""), text("8.dist-info/METADATA", "Name: wid-get\r\nVersion: 1.6\r\n\r\nbody"), text("9.dist-info/METADATA", " Name: wid-get\nVersion: 1.7\n"),
			text("10.dist-info/METADATA", "Name: wid-get\nName: other\nVersion: 1.8\nVersion: 9\n"), text("11.dist-info/METADATA", "Name: wid\n get\nVersion: 1.9\n"),
			text("12.egg-info", "Name: wid-get\nVersion: 1.10\nDescription: long\n        text\n        \n        more\n"),
			text("13.dist-info/METADATA", "Name:wid-get\nVersion:1.11\n"), text("14.dist-info/METADATA", "Name : wid-get\nVersion : 1.12\n")),
	}
}

func gemSpecimens() map[string]specimen {
	spec := func(variable, name, version string) string {
		return "# -*- encoding: utf-8 -*-\n# stub: " + name + " " + version + " ruby lib\n\nGem::Specification.new do |" + variable + "|\n  " +
			variable + ".name = " + name + "\n  " + variable + ".version = " + version + "\n\n  " + variable + ".licenses = [\"MIT\".freeze]\nend\n"
	}
	var versions sampleimage.Layer
	for i, v := range []string{
		"1.0.0", "1.2.3", "1.2.2", "1.2.9", "1.3", "1.3.9", "1.4", "1.4.0.pre", "1.4.9", "1.5.0", "1.5.0.rc1", "1.9", "2.0.0", "2.0.0.rc1", "2.0.0.rc0",
		"2.0.0.alpha", "1.5.0-java", "1.5.0-x86_64-linux", "2.0.0-x86-mingw32", "3.0.0", "3.0.0.1", "a", "1..0",
	} {
		versions = append(versions, text(fmt.Sprintf("srv/%d/specifications/widget-%s.gemspec", i, v), spec("s", `"widget".freeze`, `"`+v+`"`)))
	}
	at := func(name, body string) sampleimage.File {
		return text("usr/lib/ruby/gems/3.0.0/specifications/"+name, body)
	}
	return map[string]specimen{
		"gem versions": stacked(versions),
		"gem shapes": one(at("1.gemspec", spec("gem", "'widget'", "'1.0.0'")), at("default/2.gemspec", spec("s", `"widget"`, `"1.0.1".freeze`)),
			at("3.gemspec", spec("s", `"widget"`, "Widget::VERSION")), at("4.gemspec", "Gem::Specification.new { |s|\n s.name='widget'\n s.version   =   '1.0.2'\n}\n"),
			at("5.gemspec", "x = Gem::Specification.new\nx.name = 'widget'\nx.version = '1.0.3'\n"), at("6.gemspec", ""), at("7.gemspec", spec("s", `"widget" # comment`, `"1.0.4"`)),
			at("8.gemspec", "Gem::Specification.new \"widget\", \"1.0.5\" do |s|\nend\n"), at("9.gemspec.bak", spec("s", `"widget"`, `"1.0.6"`)),
			at("10.gemspec", spec("s", `"widget"`, `Gem::Version.new("1.0.7")`)), text("specifications/11.gemspec", spec("s", `"widget"`, `"1.0.8"`)),
			at("12.gemspec", "Gem::Specification.new do |s|\n  s.name = \"widget\"\n  s.version = \"1.0.9\"\n  s.version = \"1.0.10\"\n  s.licenses = [\"MIT\"]\nend\n"),
			text("srv/widget.gemspec", spec("s", `"widget"`, `"1.0.8"`)), text("srv/Gemfile.lock", "GEM\n  specs:\n    widget (1.0.0)\n")),
	}
}

func phpSpecimens() map[string]specimen {
	deps := func(body string) string { return `{"runtimeTarget":{"name":"net8"},` + body + `}` }
	return map[string]specimen{
		"composer": one(
			text("srv/vendor/composer/installed.json", `{"packages":[{"name":"acme/widget","version":"v1.4.0","version_normalized":"1.4.0.0"},
				{"name":"acme/widget","version":"1.0.0"},{"name":"Acme/Gadget","version":"dev-main"},{"name":"acme/lone","version":"3"}],"dev":true,"dev-package-names":["acme/gadget"]}`),
			text("srv/2/vendor/composer/installed.json", `{"packages":[{"name":"acme/widget","version":"2.0.0","license":"MIT"}]}`),
			text("srv/composer.lock", `{"packages":[{"name":"acme/widget","version":"1.0.0"}]}`), text("installed.json", `{"packages":[{"name":"acme/widget","version":"1.5.0-beta1"}]}`),
			text("srv/3/installed.json", "{}"), text("srv/4/installed.json", "nothing")),
		"dotnet": one(
			text("app/1.deps.json", deps(`"libraries":{"Acme.Widget/1.4.0":{"type":"package"},"app/1.0.0":{"type":"project"},"ref/1.0.0":{"type":"reference"},"runtimepack.Net/8.0.1":{"type":"runtimepack"},"odd":{"type":"package"}}`)),
			text("app/2.deps.json", deps(`"targets":{"net8":{"Acme.Widget/1.5.0":{"runtime":{"a.dll":{}}},"acme.widget/1.4.1":{},"Acme.Widget/1.4.2":{"compile":{"b.dll":{}}},"Acme.Widget/1.4.3":{"native":{"c.so":{}}},"Acme.Widget/1.4.4":{"runtimeTargets":{"d":{}}}}},
				"libraries":{"Acme.Widget/1.5.0":{"type":"package"},"acme.widget/1.4.1":{"type":"Package"},"Acme.Widget/1.4.2":{"type":"package"},"Acme.Widget/1.4.3":{"type":"package"},"Acme.Widget/1.4.4":{"type":"package"},"Acme.Widget/1.4.5":{"type":"package"}}`)),
			text("app/3.deps.json", "{"), text("app/4.deps.json", deps(`"libraries":{}`)), text("app/deps.json", deps(`"libraries":{"Acme.Widget/1.0.0":{"type":"package"}}`)),
			text("app/5.deps.json", `{"libraries":{"Acme.Widget/1.4.6":{"type":"package"}},"targets":{"":{"Acme.Widget/1.4.6":{}}}}`),
			text("app/packages.lock.json", `{}`)),
		"bitnami": one(text("opt/bitnami/apache/.spdx-apache.spdx", bitnamiDocument("pkg:bitnami/acme@1.0.0-2?arch=amd64", "pkg:npm/widget@1.0.0", "pkg:golang/example.org/widget@v1.0.0", "pkg:pypi/wid-get@1.0")),
			text("opt/bitnami/postgresql/.spdx-postgresql.spdx", bitnamiDocument("pkg:bitnami/acme@2.0.0-0", "pkg:bitnami/acme@1.9.9", "pkg:generic/x@1")),
			text("opt/bitnami/x/.spdx-x.spdx", "no JSON")),
		"conda": one(text("opt/conda/envs/x/conda-meta/widget-1.0-py_0.json", object("name", "widget", "version", "1.0")),
			text("opt/conda/envs/x/conda-meta/bad-1.0-py_0.json", object("name", "bad")), text("opt/conda/envs/x/conda-meta/history", "x"),
			text("opt/conda/envs/a/b/conda-meta/deep-1.0-py_0.json", object("name", "deep", "version", "1.0"))),
	}
}
