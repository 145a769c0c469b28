package binary

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/spool"
)

// testProgram is the running test: a Go program with modules.
func testProgram(tb testing.TB) []byte {
	tb.Helper()
	path, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// elfWith returns an ELF file of one section with this name and content.
func elfWith(name string, content []byte) []byte {
	le := binary.LittleEndian
	names := []byte("\x00" + name + "\x00.shstrtab\x00")
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	le.PutUint16(head[16:], 2)  // an executable
	le.PutUint16(head[18:], 62) // x86-64
	le.PutUint32(head[20:], 1)
	sections := 64 + len(content) + len(names)
	le.PutUint64(head[40:], uint64(sections))
	le.PutUint16(head[52:], 64)
	le.PutUint16(head[58:], 64)
	le.PutUint16(head[60:], 3)
	le.PutUint16(head[62:], 2)
	section := func(name, kind uint32, offset, size int) []byte {
		s := make([]byte, 64)
		le.PutUint32(s, name)
		le.PutUint32(s[4:], kind)
		le.PutUint64(s[24:], uint64(offset))
		le.PutUint64(s[32:], uint64(size))
		return s
	}
	return slices.Concat(head, content, names, section(0, 0, 0, 0),
		section(1, 1, 64, len(content)), section(uint32(len(name)+2), 3, 64+len(content), len(names)))
}

func packed(tb testing.TB, text string) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := zlib.NewWriter(&buf)
	if _, err := w.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func read(t *testing.T, data []byte) ([]inventory.SourceSet, error) {
	t.Helper()
	r := Analyzer{}.Begin()
	err := r.Read(analyze.File{Path: "usr/bin/x", Size: int64(len(data)), Mode: 0o755}, bytes.NewReader(data))
	return r.Result().Sets, err
}

func TestGoProgram(t *testing.T) {
	t.Parallel()
	sets, err := read(t, testProgram(t))
	if err != nil || len(sets) != 1 || sets[0].Set.Ecosystem != inventory.Go {
		t.Fatalf("%d sets, %v", len(sets), err)
	}
	info, _ := debug.ReadBuildInfo()
	versions := map[string]string{}
	for _, p := range sets[0].Set.Packages {
		versions[p.Name] = p.Version
	}
	if got, want := versions["stdlib"], "v"+release(info.GoVersion); got != want {
		t.Errorf("standard library %q, want %q", got, want)
	}
	for _, m := range info.Deps {
		if versions[m.Path] != m.Version {
			t.Errorf("%s is %q, want %q", m.Path, versions[m.Path], m.Version)
		}
	}
}

func TestLargeGoProgramIsSearched(t *testing.T) {
	t.Parallel()
	program := testProgram(t)
	held, err := read(t, program)
	if err != nil {
		t.Fatal(err)
	}
	// Wherever the information lies in the stream, also across blocks.
	for _, before := range []int{0, block - 64, 3 * block} {
		stream := io.MultiReader(bytes.NewReader(make([]byte, before)), bytes.NewReader(program), bytes.NewReader(make([]byte, 5*block)))
		packages, err := searchGo(stream)
		set := inventory.PackageSet{Ecosystem: inventory.Go, Packages: packages}
		set.Canonical()
		// The symbol table is not looked at, so the program's own version may differ.
		if err != nil || len(set.Packages) != len(held[0].Set.Packages) {
			t.Errorf("%d zeros before: %d packages, want %d, error %v", before, len(set.Packages), len(held[0].Set.Packages), err)
		}
	}
	if packages, err := searchGo(bytes.NewReader(make([]byte, 10*block))); err != nil || packages != nil {
		t.Errorf("in nothing: %d packages, %v", len(packages), err)
	}
	old := slices.Concat(make([]byte, 1600), []byte(buildMagic), []byte{8, 0}, make([]byte, 4*block))
	if _, err := searchGo(bytes.NewReader(old)); err == nil {
		t.Error("a program too old to be searched goes unnoticed")
	}
}

func TestRust(t *testing.T) {
	t.Parallel()
	list := `{"packages":[{"name":"app","version":"0.1.0","root":true},{"name":"serde","version":"1.0.1","kind":"runtime"},
		{"name":"cc","version":"1.0.0","kind":"build"}]}`
	for name, tt := range map[string]struct {
		data    []byte
		want    []inventory.Package
		problem bool
	}{
		"crates":           {data: elfWith(auditSection, packed(t, list)), want: []inventory.Package{{Name: "app", Version: "0.1.0"}, {Name: "serde", Version: "1.0.1"}}},
		"another section":  {data: elfWith(".data", packed(t, list))},
		"not compressed":   {data: elfWith(auditSection, []byte(list)), problem: true},
		"no JSON":          {data: elfWith(auditSection, packed(t, "{")), problem: true},
		"a bomb":           {data: elfWith(auditSection, packed(t, strings.Repeat(" ", maxAudit+1))), problem: true},
		"no executable":    {data: []byte("#!/bin/sh\n")},
		"nothing":          {data: nil},
		"an ELF cut short": {data: elfWith(auditSection, packed(t, list))[:100]},
		"a PE of nothing":  {data: append([]byte("MZ"), make([]byte, 300)...)},
		"a Mach-O":         {data: append([]byte("\xcf\xfa\xed\xfe"), make([]byte, 300)...)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sets, err := read(t, tt.data)
			if (err != nil) != tt.problem {
				t.Errorf("error %v, expected one: %v", err, tt.problem)
			}
			var got []inventory.Package
			for _, s := range sets {
				got = append(got, s.Set.Packages...)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMainVersion(t *testing.T) {
	t.Parallel()
	const path = "example.com/x"
	for name, tt := range map[string]struct {
		version, ldflags, symbol, want string
	}{
		"released":                    {"v1.2.3", "-X main.version=9.9.9", "v8.0.0", "v1.2.3"},
		"from a working copy":         {version: "(devel)"},
		"pseudo":                      {version: "v0.0.0-20240101000000-abcdefabcdef", want: "v0.0.0-20240101000000-abcdefabcdef"},
		"flag":                        {"(devel)", "-s -w -X main.version=v1.0.0", "v2.0.0", "v1.0.0"},
		"flag over pseudo":            {"v0.0.0-20240101000000-abcdefabcdef", "-X=main.Version=1.0.0", "", "1.0.0"},
		"flag in quotes":              {"(devel)", `-X 'example.com/x/internal/version.Version=1.0.1' -X "main.date=now"`, "", "1.0.1"},
		"command beats usual names":   {"(devel)", "-X example.com/x/cmd/a.version=1.0.0 -X main.version=2.0.0", "", "1.0.0"},
		"usual name beats others":     {"(devel)", "-X example.com/y/z.version=1.0.0 -X main.version=2.0.0", "", "2.0.0"},
		"several":                     {"(devel)", "-X main.version=1.0.0 -X common.version=2.0.0", "", ""},
		"the same variable twice":     {"(devel)", "-X main.version=1.0.0 -X main.version=2.0.0", "", "2.0.0"},
		"not a version":               {"(devel)", "-X main.version=nightly", "", ""},
		"symbol":                      {"(devel)", "", "v2.0.0", "v2.0.0"},
		"a flag without its variable": {"(devel)", "-X", "", ""},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Path: path, Version: tt.version}}
		info.Settings = []debug.BuildSetting{{Key: "-ldflags", Value: tt.ldflags}}
		if got := mainVersion(info, func() string { return tt.symbol }); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestRelease(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"go1.22.3": "1.22.3", "go1.22.3 X:boringcrypto": "1.22.3", "go1.26.0-X:nodwarf5": "1.26.0", "devel +abc": "devel +abc",
	} {
		if got := release(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	for path, mode := range map[string]fs.FileMode{"usr/bin/a": 0o755, "opt/a.exe": 0o644, "usr/bin/b": 0o001} {
		if !(Analyzer{}).Required(analyze.File{Path: path, Mode: mode}) {
			t.Errorf("%s is not required", path)
		}
	}
	if (Analyzer{}).Required(analyze.File{Path: "usr/lib/a.so", Mode: 0o644}) {
		t.Error("libraries that nobody may execute are not read")
	}
}

func FuzzExecutable(f *testing.F) {
	f.Add(elfWith(auditSection, packed(f, `{"packages":[{"name":"a","version":"1"}]}`)))
	f.Add(elfWith(".symtab", bytes.Repeat([]byte{1}, 240)))
	f.Add(append([]byte("MZ"), make([]byte, 200)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := Analyzer{}.Begin()
		err := r.Read(analyze.File{Path: "x", Size: int64(len(data))}, bytes.NewReader(data))
		for _, s := range r.Result().Sets {
			if len(s.Set.Packages) == 0 {
				t.Errorf("a set of nothing, error %v", err)
			}
		}
		held, err := spool.Hold(bytes.NewReader(data), int64(len(data)), 1<<30, "x")
		if err != nil {
			t.Fatal(err)
		}
		symbolVersion(held, "main")
	})
}

func FuzzSearch(f *testing.F) {
	f.Add(slices.Concat([]byte(buildMagic), []byte{8, 2}, make([]byte, 16), []byte("\x06go1.20\x00")))
	f.Fuzz(func(t *testing.T, data []byte) {
		packages, err := searchGo(bytes.NewReader(data))
		if err == nil && len(packages) > 0 && packages[0].Name != "stdlib" {
			t.Errorf("found %+v", packages)
		}
	})
}
