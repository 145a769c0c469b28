package jar

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// file is an entry of an archive made for a test.
type file struct {
	name, text string
	stored     bool
}

func archiveOf(tb testing.TB, files ...file) string {
	tb.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		if f.stored {
			header.Method = zip.Store
		}
		entry, err := w.CreateHeader(header)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := entry.Write([]byte(f.text)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.String()
}

func pom(group, artifact, version string) file {
	return file{
		name: "META-INF/maven/" + group + "/" + artifact + "/pom.properties",
		text: "#made\r\ngroupId=" + group + "\r\nartifactId=" + artifact + "\r\nversion=" + version + "\r\n",
	}
}

func manifestFile(lines ...string) file {
	return file{name: "META-INF/MANIFEST.MF", text: "Manifest-Version: 1.0\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\nName: a/b\r\nImplementation-Title: not this\r\n"}
}

// fakeIndex is an index in memory.
type fakeIndex struct {
	artifacts map[string]bool
	sums      map[[20]byte]Artifact
	groups    map[string]string
	err       error
}

func (f fakeIndex) Exists(group, artifact string) (bool, error) {
	return f.artifacts[group+":"+artifact], f.err
}

func (f fakeIndex) BySHA1(sum []byte) (Artifact, bool, error) {
	a, ok := f.sums[[20]byte(sum)]
	return a, ok, nil
}

func (f fakeIndex) GroupOf(artifact, version string) (string, bool, error) {
	g, ok := f.groups[artifact+":"+version]
	return g, ok, nil
}

func read(t *testing.T, a Analyzer, path, data string) ([]string, error) {
	t.Helper()
	f := analyze.File{Path: path, Size: int64(len(data))}
	if !a.Required(f) {
		t.Fatalf("%s is not required", path)
	}
	r := a.Begin()
	err := r.Read(f, strings.NewReader(data))
	sets := r.Result().Sets
	if len(sets) != 1 || sets[0].Set.Ecosystem != inventory.Java {
		t.Fatalf("sets %+v", sets)
	}
	var found []string
	for _, p := range sets[0].Set.Packages {
		found = append(found, strings.TrimSpace(p.Name+" "+p.Version+" "+p.Path))
	}
	return found, err
}

func TestRead(t *testing.T) {
	t.Parallel()
	gson := archiveOf(t, pom("com.google.code.gson", "gson", "2.8.6"))
	unnamed := archiveOf(t, file{name: "a.class", text: "x"})
	titled := archiveOf(t, manifestFile("Implementation-Title: log4j", "Implementation-Version: 1.2.17", "Implementation-Vendor-Id: log4j"))
	nested := archiveOf(t, file{name: "lib/gson.jar", text: gson, stored: true}, file{name: "lib/gson2.jar", text: gson})
	index := fakeIndex{
		artifacts: map[string]bool{"log4j:log4j": true},
		sums:      map[[20]byte]Artifact{sha1.Sum([]byte(unnamed)): {"org.x", "x", "1"}},
		groups:    map[string]string{"guess:2.0": "org.guess"},
	}
	for name, tt := range map[string]struct {
		index      Index
		path, data string
		want       []string
	}{
		"says what it is": {path: "lib/gson-2.8.6.jar", data: gson, want: []string{"com.google.code.gson:gson 2.8.6"}},
		"shaded": {path: "app.jar", data: archiveOf(t, pom("g", "a", "1"), pom("g", "b", "2"), pom("g", "b", "2.0")),
			want: []string{"g:a 1", "g:b 2"}},
		"nested, stored and packed": {path: "app.WAR", data: nested, want: []string{
			"com.google.code.gson:gson 2.8.6 app.WAR/lib/gson.jar", "com.google.code.gson:gson 2.8.6 app.WAR/lib/gson2.jar"}},
		"nested twice": {path: "app.ear", data: archiveOf(t, file{name: "app.war", text: nested}), want: []string{
			"com.google.code.gson:gson 2.8.6 app.ear/app.war/lib/gson.jar", "com.google.code.gson:gson 2.8.6 app.ear/app.war/lib/gson2.jar"}},
		"a manifest without an index": {path: "x.jar", data: titled, want: []string{"log4j:log4j 1.2.17"}},
		"a manifest with an index":    {index: index, path: "x.jar", data: titled, want: []string{"log4j:log4j 1.2.17"}},
		"a manifest that the index does not know": {index: index, path: "x.jar",
			data: archiveOf(t, manifestFile("Implementation-Title: My App", "Implementation-Version: 1", "Implementation-Vendor: Me"))},
		"by SHA-1":                  {index: index, path: "y.jar", data: unnamed, want: []string{"org.x:x 1"}},
		"by file name":              {index: index, path: "lib/guess-2.0.jar", data: archiveOf(t, file{name: "b"}), want: []string{"org.guess:guess 2.0"}},
		"nothing helps":             {index: index, path: "z.jar", data: archiveOf(t, file{name: "b"})},
		"incomplete pom.properties": {path: "z.jar", data: archiveOf(t, pom("g", "", "1"))},
		"own pom.properties beats the manifest": {path: "lib/a-1.jar",
			data: archiveOf(t, pom("g", "a", "1"), manifestFile("Implementation-Title: a", "Implementation-Version: 1", "Implementation-Vendor: V")),
			want: []string{"g:a 1"}},
		"a manifest of many sections": {path: "x.jar", want: []string{"log4j:log4j 1.2.17"}, data: archiveOf(t, file{name: "META-INF/MANIFEST.MF",
			text: "Implementation-Title: log4j\r\nImplementation-Version: 1.2.17\r\nImplementation-Vendor-Id: log4j\r\n\r\n" +
				strings.Repeat("Name: a/b.class\r\nSHA-256-Digest: x\r\n\r\n", 50_000)})},
		"a nested path that leads out": {path: "lib/a.jar", data: archiveOf(t, file{name: "../../b.jar", text: gson})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, Analyzer{Index: tt.index}, tt.path, tt.data)
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if (Analyzer{}).Name() == (Analyzer{Index: index}).Name() {
		t.Error("analyses with and without an index must not be mistaken for each other")
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		want Artifact
	}{
		"folded":              {"Implementation-Vendor-Id: a\r\n b\r\nImplementation-Title: t\r\nImplementation-Version: 1\r\n", Artifact{"ab", "t", "1"}},
		"symbolic name":       {"Bundle-SymbolicName: com.x.core.data\nBundle-Name: data\nBundle-Version: 2\n", Artifact{"com.x.core", "data", "2"}},
		"no dot":              {"Bundle-SymbolicName: data\nBundle-Name: n\nBundle-Version: 2\n", Artifact{"data", "n", "2"}},
		"translated":          {"Specification-Vendor: v\nBundle-Name: %name\nSpecification-Title: t\nSpecification-Version: 3\n", Artifact{"v", "t", "3"}},
		"lone returns":        {"Specification-Vendor: v\rSpecification-Title: t\rSpecification-Version: 3\r", Artifact{"v", "t", "3"}},
		"an empty line first": {"\nImplementation-Title: t\n", Artifact{}},
		"second section":      {"A: b\n\nImplementation-Title: t\n", Artifact{}},
		"nothing":             {"", Artifact{}},
	} {
		if diff := cmp.Diff(tt.want, parseManifest(tt.text).artifact()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	deep := archiveOf(t, pom("g", "a", "1"))
	for range maxDepth + 1 {
		deep = archiveOf(t, file{name: "a.jar", text: deep, stored: true})
	}
	var many []file
	for i := range maxEntries + 1 {
		many = append(many, file{name: fmt.Sprint(i), stored: true})
	}
	huge := archiveOf(t, file{name: "b.jar", text: strings.Repeat("x", maxNested+1)})
	lying := []byte(archiveOf(t, file{name: "b.jar", text: "PK"}))
	directory := bytes.LastIndex(lying, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(lying[directory+24:], maxNested/2)
	for name, data := range map[string]string{
		"no archive":                "PK\x03\x04 nothing more",
		"nothing":                   "",
		"archives within archives":  deep,
		"many files":                archiveOf(t, many...),
		"a nested bomb":             huge,
		"a nested size that lies":   string(lying),
		"a manifest bomb":           archiveOf(t, file{name: "META-INF/MANIFEST.MF", text: strings.Repeat("x", maxManifest+1)}),
		"a bomb of properties":      archiveOf(t, file{name: "pom.properties", text: strings.Repeat("x", maxProperties+1)}),
		"the same bytes many times": string(overlapping(t)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if found, err := read(t, Analyzer{}, "a.jar", data); err == nil {
				t.Errorf("no error, found %d", len(found))
			}
		})
	}
}

// TestBrokenDescription has one description that cannot be read and one that can.
func TestBrokenDescription(t *testing.T) {
	t.Parallel()
	for _, broken := range []file{
		{name: "META-INF/MANIFEST.MF", text: strings.Repeat("x", maxManifest+1)}, {name: "a/pom.properties", text: strings.Repeat("x", maxProperties+1)},
	} {
		got, err := read(t, Analyzer{}, "lib/a-1.jar", archiveOf(t, broken, pom("g", "a", "1")))
		if !errors.Is(err, limit.ErrExceeded) {
			t.Errorf("%s: %v", broken.name, err)
		}
		if diff := cmp.Diff([]string{"g:a 1"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", broken.name, diff)
		}
	}
	// What was unpacked in vain counts too.
	a := &archive{unpacked: maxUnpacked - maxManifest}
	bomb := archiveOf(t, file{name: "MANIFEST.MF", text: strings.Repeat("x", maxManifest+1)}, file{name: "a/MANIFEST.MF", text: "A: b"})
	if err := a.read("a.jar", []byte(bomb), 0); !errors.Is(err, limit.ErrExceeded) {
		t.Errorf("many bombs: %v", err)
	}
}

func TestMainSection(t *testing.T) {
	t.Parallel()
	rest := strings.Repeat("Name: x\n", 10_000)
	for _, end := range []string{"\n\n", "\r\n\r\n", "\r\r"} {
		for _, long := range []int{0, 4093, 4094, 4095, 4096, 9000} {
			main := "A: " + strings.Repeat("b", long)
			for name, r := range map[string]io.Reader{
				"whole": strings.NewReader(main + end + rest), "byte by byte": iotest.OneByteReader(strings.NewReader(main + end + rest)),
			} {
				got, err := readMainSection(r, "x", 16<<10)
				if err != nil || len(parseManifest(string(got))["A"]) != long {
					t.Errorf("%q after %d, %s: %d bytes, %v", end, long, name, len(got), err)
				}
			}
		}
	}
	if _, err := readMainSection(strings.NewReader(rest), "x", 16<<10); !errors.Is(err, limit.ErrExceeded) {
		t.Error(err)
	}
}

// overlapping makes an archive whose directory names one large nested archive
// thousands of times: small to send, endless to read.
func overlapping(t *testing.T) []byte {
	t.Helper()
	inner := archiveOf(t, file{name: "x", text: strings.Repeat("x", 8<<20), stored: true})
	data := []byte(archiveOf(t, file{name: "n.jar", text: inner, stored: true}))
	start := bytes.LastIndex(data, []byte("PK\x01\x02"))
	end := bytes.LastIndex(data, []byte("PK\x05\x06"))
	entry, tail := bytes.Clone(data[start:end]), bytes.Clone(data[end:])
	data = data[:start]
	const copies = 5000
	for range copies {
		data = append(data, entry...)
	}
	binary.LittleEndian.PutUint16(tail[8:], copies)
	binary.LittleEndian.PutUint16(tail[10:], copies)
	binary.LittleEndian.PutUint32(tail[12:], uint32(copies*len(entry)))
	return append(data, tail...)
}

func TestIndexThatFails(t *testing.T) {
	t.Parallel()
	data := archiveOf(t, manifestFile("Implementation-Title: a", "Implementation-Version: 1", "Implementation-Vendor: V"))
	if _, err := read(t, Analyzer{Index: fakeIndex{err: fmt.Errorf("disk")}}, "a.jar", data); err == nil {
		t.Error("an index that cannot be read goes unnoticed")
	}
}

func FuzzArchive(f *testing.F) {
	inner := archiveOf(f, pom("g", "a", "1"))
	f.Add([]byte(inner))
	f.Add([]byte(archiveOf(f, file{name: "a.jar", text: inner}, file{name: "b.jar", text: inner, stored: true}, manifestFile("Implementation-Title: t"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		a := &archive{scratch: make([]byte, 1<<16)}
		err := a.read("a.jar", data, 0)
		for _, found := range a.found {
			if !found.complete() {
				t.Errorf("found %+v, error %v", found, err)
			}
		}
	})
}
