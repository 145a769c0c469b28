package parity_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// imageOfLanguage returns how to make a layer with a language's packages, nil
// for a language of which images have no packages.
func imageOfLanguage(language string) func([]installed) sampleimage.Layer {
	switch language {
	case "npm":
		return each(func(i int, p installed) sampleimage.File {
			return sampleimage.File{Path: fmt.Sprintf("srv/%d/node_modules/%s/package.json", i, p.name), Body: object("name", p.name, "version", p.version)}
		})
	case "pip":
		return each(func(i int, p installed) sampleimage.File {
			return sampleimage.File{Path: fmt.Sprintf("srv/%d/%s.dist-info/METADATA", i, p.name),
				Body: fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", p.name, p.version)}
		})
	case "rubygems":
		return each(func(i int, p installed) sampleimage.File {
			return sampleimage.File{Path: fmt.Sprintf("srv/%d/specifications/%s.gemspec", i, p.name),
				Body: fmt.Sprintf("Gem::Specification.new do |s|\n  s.name = %q.freeze\n  s.version = %q\nend\n", p.name, p.version)}
		})
	case "composer":
		return rounds(func(i int, list []installed) sampleimage.File {
			return sampleimage.File{Path: fmt.Sprintf("srv/%d/vendor/composer/installed.json", i), Body: `{"packages":` + objects(list) + `}`}
		})
	case "nuget":
		return rounds(func(i int, list []installed) sampleimage.File {
			return sampleimage.File{Path: fmt.Sprintf("srv/%d/app.deps.json", i), Body: depsJSON(list)}
		})
	case "go":
		return rounds(func(i int, list []installed) sampleimage.File {
			info := debug.BuildInfo{GoVersion: fmt.Sprintf("go1.20.%d", i), Path: "example.com/app",
				Main: debug.Module{Path: "example.com/app", Version: "(devel)"}}
			for _, p := range list {
				info.Deps = append(info.Deps, &debug.Module{Path: p.name, Version: "v" + p.version})
			}
			return sampleimage.File{Path: fmt.Sprintf("usr/bin/go%d", i), Mode: 0o755, Body: sampleimage.GoProgram(info)}
		})
	case "cargo":
		return rounds(func(i int, list []installed) sampleimage.File {
			var crates []sampleimage.Crate
			for _, p := range list {
				crates = append(crates, sampleimage.Crate{Name: p.name, Version: p.version, Source: "crates.io"})
			}
			program, err := sampleimage.RustProgram(crates...)
			if err != nil {
				panic(err) // writing into memory
			}
			return sampleimage.File{Path: fmt.Sprintf("usr/bin/rust%d", i), Mode: 0o755, Body: program}
		})
	case "bitnami":
		return each(func(i int, p installed) sampleimage.File {
			return sampleimage.File{Path: fmt.Sprintf("opt/bitnami/%d/.spdx-%s.spdx", i, p.name), Body: bitnamiDocument("pkg:bitnami/" + p.name + "@" + url.PathEscape(p.version))}
		})
	case "cocoapods", "conan", "erlang", "pub", "swift":
		return each(func(i int, p installed) sampleimage.File {
			u := purl.Of(inventory.Package{Name: p.name, Version: p.version}, inventory.Ecosystem(language), inventory.OS{})
			return sampleimage.File{Path: fmt.Sprintf("srv/%d/bom.cdx.json", i), Body: cycloneDX(p.name, u)}
		})
	case "maven":
		return rounds(func(i int, list []installed) sampleimage.File {
			var files []sampleimage.File
			for n, p := range list {
				group, artifact, _ := strings.Cut(p.name, ":")
				files = append(files, sampleimage.File{Path: fmt.Sprintf("META-INF/maven/%d/pom.properties", n),
					Body: fmt.Sprintf("groupId=%s\nartifactId=%s\nversion=%s\n", group, artifact, p.version)})
			}
			return sampleimage.File{Path: fmt.Sprintf("srv/app%d.jar", i), Body: zipped(files...)}
		})
	}
	return nil
}

// bitnamiDocument is a bill of materials as Bitnami puts it beside a component.
func bitnamiDocument(packageURLs ...string) string {
	type reference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	var packages []map[string]any
	var relationships []map[string]string
	for i, u := range packageURLs {
		_, rest, _ := strings.Cut(u, "/")
		name, version, _ := strings.Cut(rest, "@")
		id := fmt.Sprintf("SPDXRef-%d", i)
		packages = append(packages, map[string]any{"SPDXID": id, "name": name, "versionInfo": version, "downloadLocation": "NONE",
			"externalRefs": []reference{{"PACKAGE-MANAGER", "purl", u}}})
		relationships = append(relationships, map[string]string{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": id})
	}
	return encoded(map[string]any{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "dataLicense": "CC0-1.0", "name": "x",
		"documentNamespace": "https://example.org/x", "creationInfo": map[string]any{"created": "2024-01-01T00:00:00Z", "creators": []string{"Tool: x"}},
		"packages": packages, "relationships": relationships})
}

func each(file func(int, installed) sampleimage.File) func([]installed) sampleimage.Layer {
	return func(list []installed) sampleimage.Layer {
		var l sampleimage.Layer
		for i, p := range list {
			l = append(l, file(i, p))
		}
		return l
	}
}

// rounds makes files of many packages each, none twice in one.
func rounds(file func(int, []installed) sampleimage.File) func([]installed) sampleimage.Layer {
	return func(list []installed) sampleimage.Layer {
		files := make([][]installed, versionsPerPackage)
		times := map[string]int{}
		for _, p := range list {
			files[times[p.name]] = append(files[times[p.name]], p)
			times[p.name]++
		}
		var l sampleimage.Layer
		for i, some := range files {
			l = append(l, file(i, some))
		}
		return l
	}
}

func object(words ...string) string {
	fields := map[string]string{}
	for i := 0; i < len(words); i += 2 {
		fields[words[i]] = words[i+1]
	}
	return encoded(fields)
}

func objects(list []installed) string {
	fields := []map[string]string{}
	for _, p := range list {
		fields = append(fields, map[string]string{"name": p.name, "version": p.version})
	}
	return encoded(fields)
}

func depsJSON(list []installed) string {
	libraries := map[string]map[string]string{}
	for _, p := range list {
		libraries[p.name+"/"+p.version] = map[string]string{"type": "package"}
	}
	return encoded(map[string]any{"runtimeTarget": map[string]string{"name": "net"}, "libraries": libraries})
}

func encoded(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings and maps of them
	}
	return string(text)
}

func zipped(files ...sampleimage.File) string {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range files {
		entry, err := w.Create(f.Path)
		if err == nil {
			_, err = entry.Write([]byte(f.Body))
		}
		if err != nil {
			panic(err) // writing into memory
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return buf.String()
}
