package parity_test

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/muster-sec/muster/scanner/sampleimage"
)

func program(path, body string) sampleimage.File {
	return sampleimage.File{Path: path, Body: body, Mode: 0o755}
}

func programSpecimens(t *testing.T) map[string]specimen {
	module := func(path, version string) *debug.Module {
		return &debug.Module{Path: path, Version: version, Sum: "h1:x"}
	}
	made := func(goVersion string, main debug.Module, flags string, deps ...*debug.Module) string {
		info := debug.BuildInfo{GoVersion: goVersion, Path: main.Path, Main: main, Deps: deps}
		if flags != "" {
			info.Settings = []debug.BuildSetting{{Key: "-compiler", Value: "gc"}, {Key: "-ldflags", Value: flags}}
		}
		return sampleimage.GoProgram(info)
	}
	app := func(version string) debug.Module { return debug.Module{Path: "example.org/app", Version: version} }
	replaced := module("example.org/widget", "v1.0.0")
	replaced.Replace = module("example.org/fork", "v2.0.0")
	local := module("example.org/local", "v1.0.0")
	local.Replace = module("../local", "")
	devel := module("example.org/devel", "v1.0.0")
	devel.Replace = module("example.org/devel", "(devel)")
	var l sampleimage.Layer
	for i, v := range []string{"go1.20.4", "go1.20.5", "go1.20", "go1.21rc2", "devel go1.22-abc Mon", "go1.20.4 X:boringcrypto", "go1.19.0-X:nodwarf5", "go1.18beta1", ""} {
		l = append(l, program(fmt.Sprintf("usr/bin/of-%d", i), made(v, app("(devel)"), "")))
	}
	for i, v := range []string{
		"v1.4.9", "v1.5.0", "v1.6.5", "v2.0.0+incompatible", "v1.9.0+incompatible", "v0.0.0-20191231000000-abcdefabcdef", "v0.0.0-20200101000000-abcdefabcdef",
		"v2.0.0-rc.1", "v1.0.0+dirty", "(devel)", "", "v3.0.0", "v3.0.1-0.20240101000000-abcdefabcdef",
	} {
		l = append(l, program(fmt.Sprintf("usr/bin/dep-%d", i), made("go1.26.0", app(v), "", module("example.org/widget", v))))
	}
	for i, flags := range []string{
		"-s -w -X main.version=1.4.0", "-X main.version=v1.6.0", `-X "main.Version=1.3.0" -X main.commit=abc`, "-X=main.version=1.2.0", "-X main.version=nightly",
		"-X example.org/app/cmd/x.version=1.1.0 -X main.version=1.6.0", "-X example.org/other/pkg.Version=1.0.9", "-X main.version=1.0.0 -X common.version=1.0.1",
		"-X 'main.version=1.4.1'", "-X main.ver=1.4.2", "-X main.VERSION=1.4.3 -extldflags '-static'", "-X main.version=", "-w -X", "-X main.version='1.4.4'",
		"-X example.org/app/internal/version.version=1.4.5", "-buildid= -X main.version=1.4.6", "-X main.version=1.4", "-X main.version=1.4.7-rc1+x",
	} {
		l = append(l, program(fmt.Sprintf("usr/bin/flags-%d", i), made("go1.26.0", app("(devel)"), flags)))
	}
	rust := func(path string, crates ...sampleimage.Crate) sampleimage.File {
		body, err := sampleimage.RustProgram(crates...)
		if err != nil {
			t.Fatal(err)
		}
		return program(path, body)
	}
	crate := func(name, version, kind string, root bool) sampleimage.Crate {
		return sampleimage.Crate{Name: name, Version: version, Source: "crates.io", Kind: kind, Root: root}
	}
	return map[string]specimen{
		"go made": stacked(l),
		"go modules": one(
			program("usr/bin/a", made("go1.26.0", app("v1.4.0"), "", replaced, local, devel, module("example.org/widget", "v1.0.0"))),
			program("usr/bin/no-main", made("go1.26.0", debug.Module{}, "", module("example.org/widget", "v1.1.0"))),
			program("usr/bin/twice", made("go1.26.0", app("v1.4.0"), "", module("example.org/widget", "v1.0.0"), module("example.org/widget", "v1.0.0"))),
			program("usr/bin/case", made("go1.26.0", app("v1.4.0"), "", module("example.org/Widget", "v1.0.0"))),
			sampleimage.File{Path: "usr/lib/not-executable", Body: made("go1.26.0", app("v1.4.0"), "", module("example.org/widget", "v1.2.0"))},
			sampleimage.File{Path: "usr/bin/x.jar.go", Body: made("go1.26.0", app("v1.4.0"), ""), Mode: 0o100}, program("usr/bin/script", "#!/bin/sh\n")),
		"go built": goBuilt(t),
		"rust": one(rust("usr/bin/a", crate("app", "0.1.0", "", true), crate("widget", "1.4.0", "runtime", false), crate("widget", "1.6.5", "", false),
			crate("cc", "1.0.0", "build", false), crate("widget", "2.0.0-rc.1", "", false)),
			rust("usr/bin/empty"), rust("usr/bin/b", crate("WIDGET", "1.0.0+x", "", false), crate("widget", "1.4.0", "", false), crate("widget", "1.4.0", "", false))),
	}
}

// goBuilt lets the Go command build programs with a vendored module.
func goBuilt(t *testing.T) specimen {
	t.Helper()
	dir := t.TempDir()
	for path, body := range map[string]string{
		"go.mod":                              "module example.org/app\n\ngo 1.21\n\nrequire example.org/widget v1.4.0\n\nreplace example.org/gone => ./gone\n",
		"main.go":                             "package main\n\nimport \"example.org/widget\"\n\nvar version = \"none\"\n\nfunc main() { println(widget.Name, version) }\n",
		"vendor/modules.txt":                  "# example.org/widget v1.4.0\n## explicit; go 1.21\nexample.org/widget\n# example.org/gone => ./gone\n",
		"vendor/example.org/widget/widget.go": "package widget\n\nconst Name = \"widget\"\n",
	} {
		file := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var l sampleimage.Layer
	for i, flags := range [][]string{
		{"-ldflags=-s -w -X main.version=1.4.1"}, {"-ldflags=-X main.version=v1.6.0", "-trimpath"}, {}, {"-ldflags=-s -w", "-trimpath"},
	} {
		out := filepath.Join(dir, fmt.Sprint("out", i))
		command := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-mod=vendor", "-o", out}, flags...), ".")...)
		command.Dir = dir
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local")
		if text, err := command.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, text)
		}
		body, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, program(fmt.Sprintf("usr/bin/built-%d", i), string(body)))
	}
	return stacked(l)
}

func pom(group, artifact, version string) sampleimage.File {
	return text("META-INF/maven/"+group+"/"+artifact+"/pom.properties", "#x\ngroupId="+group+"\nartifactId="+artifact+"\nversion="+version+"\n")
}

// knownJar is an archive whose SHA-1 the index has under another name.
func knownJar() (body, sum string) {
	body = zipped(text("org/example/Widget.class", "x"))
	digest := sha1.Sum([]byte(body))
	return body, hex.EncodeToString(digest[:])
}

func jarSpecimens() map[string]specimen {
	manifest := func(lines ...string) sampleimage.File {
		return text("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n"+strings.Join(lines, "\r\n")+"\r\n")
	}
	widget := func(version string) string { return zipped(pom("org.example", "widget", version)) }
	known, _ := knownJar()
	var l sampleimage.Layer
	for i, v := range []string{
		"1.0", "1.4.9", "1.5.0", "1.5.1", "1.5", "2.0.0", "2.0.0-SNAPSHOT", "2.0.0.RELEASE", "2.0.0-rc1", "1.6.Final", "3.0.0", "0.9", "1.0-alpha-1", "2", "1.0.0.1", "3.0.0-jre",
	} {
		l = append(l, text(fmt.Sprintf("srv/%d.jar", i), widget(v)))
	}
	return map[string]specimen{
		"jar versions": stacked(l),
		"jar nested": one(
			text("srv/app.war", zipped(text("WEB-INF/lib/widget-1.0.jar", widget("1.0")), text("WEB-INF/lib/deep.jar", zipped(text("lib/deeper.jar", widget("1.1")))), manifest("Implementation-Title: app"))),
			text("srv/app.ear", zipped(text("web.war", zipped(text("WEB-INF/lib/w.JAR", widget("1.2")))), pom("org.example", "app", "1.0"))),
			text("srv/app.par", widget("1.3")), text("srv/APP.JAR", widget("1.4.0")), text("srv/app.zip", widget("1.4.1")), text("srv/app.sar", widget("1.4.2")),
			text("srv/broken.jar", "no zip"), text("srv/empty.jar", zipped())),
		"jar shaded": one(text("srv/shaded-1.0.jar", zipped(pom("org.example", "widget", "1.0"), pom("org.example", "shaded", "1.0"), pom("org.example", "widget", "1.0.0"), pom("org.example", "gadget", "2.0"))),
			text("srv/incomplete-1.0.jar", zipped(text("META-INF/maven/x/y/pom.properties", "artifactId=y\nversion=1.0\n"), text("pom.properties", "groupId : org.example\nartifactId: widget\nversion: 1.1\n"))),
			text("srv/escaped-1.0.jar", zipped(text("META-INF/maven/x/y/pom.properties", "groupId = org.example \nartifactId=widget\nversion= 1.2 \n#groupId=no\n! artifactId=no\n")))),
		"jar manifests": one(
			text("srv/a-1.0.jar", zipped(manifest("Implementation-Title: widget", "Implementation-Version: 1.0", "Implementation-Vendor-Id: org.example"))),
			text("srv/b.jar", zipped(manifest("Bundle-SymbolicName: org.example.widget", "Bundle-Version: 1.1", "Bundle-Name: widget"))),
			text("srv/c.jar", zipped(manifest("Specification-Title: widget", "Specification-Version: 1.2", "Specification-Vendor: org.example"))),
			text("srv/d-1.0.jar", zipped(manifest("Implementation-Title: nobody", "Implementation-Version: 1.0", "Implementation-Vendor-Id: org.nobody"))),
			text("srv/e.jar", zipped(manifest("Implementation-Title: wid", " get", "Implementation-Version: 1.3", "Implementation-Vendor-Id: org.example"))),
			text("srv/f.jar", zipped(manifest("Implementation-Title: widget", "Implementation-Version: ${v}", "Bundle-Version: 1.4", "Implementation-Vendor: org.example"))),
			text("srv/g.jar", zipped(manifest("Bundle-SymbolicName: org.example.widget;singleton:=true", "Bundle-Version: 1.4.0.v2020", "Implementation-Title: org.example:widget")))),
		"jar by name and digest": one(text("srv/known-by-name-1.0.0.jar", zipped(text("a", "b"))), text("srv/known-by-name-2.0.0.jar", zipped(text("a", "c"))),
			text("srv/anything.jar", known), text("srv/nobody-1.0.jar", zipped(text("a", "d"))), text("srv/widget-9.9.jar", zipped(text("a", "e")))),
	}
}
