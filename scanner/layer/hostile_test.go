package layer

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

const lodash = `{"name":"lodash","version":"4.17.11"}`

// entry is a header and what follows it.
type entry struct {
	tar.Header
	body string
}

func tarOfEntries(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		e.Size = int64(len(e.body))
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func regular(name, body string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, body}
}

func pathsOf(a inventory.LayerAnalysis) []string {
	paths := []string{}
	for _, s := range a.Sets {
		paths = append(paths, s.Path)
	}
	return paths
}

// TestLinksLeadNowhere has links that would take a writer out of the image. A
// file counts under the path of its own entry, and nothing touches the disk.
func TestLinksLeadNowhere(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	for _, tt := range []struct {
		name     string
		entries  []entry
		paths    []string
		problems int
	}{
		{"symlink to a folder outside, then a file through it", []entry{
			{tar.Header{Name: "srv/node_modules/lodash", Typeflag: tar.TypeSymlink, Linkname: outside}, ""},
			regular("srv/node_modules/lodash/package.json", lodash),
		}, []string{"srv/node_modules/lodash/package.json"}, 0},
		{"symlink that climbs, then a file through it", []entry{
			{tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "../../../../.." + outside}, ""},
			regular("a/package.json", lodash),
		}, []string{"a/package.json"}, 0},
		{"symlink to a file outside, then the file itself", []entry{
			{tar.Header{Name: "package.json", Typeflag: tar.TypeSymlink, Linkname: filepath.Join(outside, "package.json")}, ""},
			regular("package.json", lodash),
		}, []string{"package.json"}, 0},
		{"symlinks in a circle", []entry{
			{tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}, ""},
			{tar.Header{Name: "b", Typeflag: tar.TypeSymlink, Linkname: "a"}, ""},
			regular("a/b/a/package.json", lodash),
		}, []string{"a/b/a/package.json"}, 0},
		{"symlink with the name of what is read", []entry{
			{tar.Header{Name: "lib/apk/db/installed", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""},
		}, []string{}, 0},
		{"hard link to a path outside", []entry{
			{tar.Header{Name: "srv/package.json", Typeflag: tar.TypeLink, Linkname: "../../../../etc/passwd"}, ""},
			{tar.Header{Name: "srv/b/package.json", Typeflag: tar.TypeLink, Linkname: "/etc/passwd", Mode: 0o4777}, ""},
		}, []string{}, 0},
		{"hard link at a path outside", []entry{
			{tar.Header{Name: "../../etc/package.json", Typeflag: tar.TypeLink, Linkname: "srv/package.json", Mode: 0o4777}, ""},
		}, []string{}, 1},
		{"mode and owner of a path outside", []entry{
			{tar.Header{Name: "../" + outside, Typeflag: tar.TypeDir, Mode: 0o7777, Uid: 1}, ""},
			{tar.Header{Name: "../../bin/su", Typeflag: tar.TypeReg, Mode: 0o4755}, ""},
		}, []string{}, 2},
		{"devices and pipes", []entry{
			{tar.Header{Name: "package.json", Typeflag: tar.TypeFifo}, ""},
			{tar.Header{Name: "a/package.json", Typeflag: tar.TypeBlock, Devmajor: 8}, ""},
			{tar.Header{Name: "b/package.json", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5}, ""},
		}, []string{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := tarOfEntries(t, tt.entries...)
			r := New(append(all.Analyzers(), all.SetIDs()...), limit.Limits{})
			got, err := r.Analyze(t.Context(), Blob{Digest: digest(raw), Body: bytes.NewReader(raw)})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.paths, pathsOf(got)); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			if len(got.Problems) != tt.problems || len(got.Sightings) != 0 {
				t.Errorf("problems %+v, sightings %+v; want %d and none", got.Problems, got.Sightings, tt.problems)
			}
			if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
				t.Errorf("outside there are now %v, error %v", left, err)
			}
		})
	}
}

// TestOtherCompressionsAreRefusedByName has layers whose decoders loop or leak on
// damaged input: none is decoded, and no more is read than a layer may have.
func TestOtherCompressionsAreRefusedByName(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]string{
		"xz": "\xfd7zXZ\x00\x00\x04", "lzma": "\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff", "bzip2": "BZh91AY&SY", "lzip": "LZIP\x01",
		"lz4": "\x04\x22\x4d\x18", "zip": "PK\x03\x04", "7z": "7z\xbc\xaf\x27\x1c",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blob := append([]byte(start), make([]byte, 4096)...)
			_, err := analyzeBytes(blob, "", limit.Limits{})
			if !errors.Is(err, ErrCompression) || !strings.Contains(err.Error(), name) || errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrCompression with the name", err)
			}
			endless := io.MultiReader(strings.NewReader(start), zeros{})
			_, err = New(nil, limit.Limits{LayerBytes: 1 << 20}).Analyze(t.Context(), Blob{Digest: digest(nil), Body: endless})
			if err == nil {
				t.Error("an endless layer is accepted")
			}
		})
	}
	// A tar may begin with a file of such a name.
	if _, err := analyzeBytes(tarOfEntries(t, regular("BZh", "x"), regular("LZIP", "x"), regular("package.json", lodash)), "", limit.Limits{}); err != nil {
		t.Error(err)
	}
}

// zipOf makes an archive of one file.
func zipOf(t testing.TB, name, body string) string {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create(name)
	if err == nil {
		_, err = io.WriteString(f, body)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// TestArchivesInsideFiles has bombs inside files of a layer. What is opened at
// all: .jar, .war, .ear, .par and, within those, .jar, .war and .ear (package
// jar), and .egg (package python), in which only metadata is unpacked. Tars,
// charts, wheels and other zips within a layer are files like any other.
func TestArchivesInsideFiles(t *testing.T) {
	t.Parallel()
	zeros, more := strings.Repeat("\x00", 2<<20), strings.Repeat("\x00", 33<<20)
	inner := zipOf(t, "zeros", zeros)
	good := zipOf(t, "META-INF/maven/g/a/pom.properties", "groupId=g\nartifactId=a\nversion=1\n")
	deep := good
	for range 20 {
		deep = zipOf(t, "a.jar", deep)
	}
	tarball := string(pack(t, "gzip", tarOfEntries(t, regular("chart/Chart.yaml", zeros))))
	for _, tt := range []struct {
		path, body string
		read       bool // an analyzer reads the file
		problem    bool
	}{
		{"charts/bomb.tgz", tarball, false, false},
		{"charts/bomb.tar.gz", tarball, false, false},
		{"images/saved.tar", string(tarOfEntries(t, regular("layer.tar", string(tarOfEntries(t, regular("package.json", lodash)))))), false, false},
		{"files/bomb.zip", inner, false, false},
		{"files/bomb.whl", zipOf(t, "a.dist-info/METADATA", zeros), false, false},
		{"files/bomb.gz", tarball, false, false},
		{"files/bomb.xz", "\xfd7zXZ\x00", false, false},
		{"lib/zeros.jar", inner, true, false},
		{"lib/nested.jar", zipOf(t, "bomb.jar", more), true, true},
		{"lib/nested.war", zipOf(t, "WEB-INF/lib/bomb.jar", inner), true, false},
		{"lib/deep.jar", deep, true, true},
		{"lib/properties.jar", zipOf(t, "pom.properties", zeros), true, true},
		{"lib/tar.jar", zipOf(t, "layer.tar.gz", tarball), true, false},
		{"lib/bomb.egg", zipOf(t, "EGG-INFO/PKG-INFO", zeros), true, true},
	} {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			raw := tarOfEntries(t, regular(tt.path, tt.body), regular("lib/good.jar", good))
			got, err := New(all.Analyzers(), limit.Limits{}).Analyze(context.Background(), Blob{Digest: digest(raw), Body: bytes.NewReader(raw)})
			if err != nil {
				t.Fatal(err)
			}
			if read := got.Stats.Files == 2; read != tt.read || (len(got.Problems) > 0) != tt.problem {
				t.Errorf("read %v, problems %+v; want %v and %v", read, got.Problems, tt.read, tt.problem)
			}
			found := false
			for _, s := range got.Sets {
				found = found || s.Path == "lib/good.jar" && len(s.Set.Packages) == 1
			}
			if !found {
				t.Errorf("the good archive beside it is lost: %+v", got.Sets)
			}
		})
	}
}
