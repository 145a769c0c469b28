package rpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/sampleimage/rpmdb"
)

func read(t *testing.T, path string, data []byte) (analyze.Result, error) {
	t.Helper()
	r := Analyzer{}.Begin()
	f := analyze.File{Path: path, Size: int64(len(data))}
	if !(Analyzer{}).Required(f) {
		t.Fatalf("%s is not required", path)
	}
	err := r.Read(f, bytes.NewReader(data))
	return r.Result(), err
}

func TestFormats(t *testing.T) {
	t.Parallel()
	want := []inventory.Package{
		{Name: "bash", Version: "5.1.8-6.el9", Arch: "x86_64"},
		{Name: "docker-ce", Version: "20.10-3", Arch: "x86_64", ThirdParty: true},
		{Name: "npm", Version: "6.14.8-1.module_el8", Arch: "noarch", Module: "nodejs:12",
			SourceName: "nodejs", SourceVersion: "12.19.1-1.module_el8"},
		{Name: "openssl-libs", Version: "1:3.0.7-1.el9", Arch: "x86_64", SourceName: "openssl"},
	}
	headers := rpmdb.Headers(samples()...)
	for name, tt := range map[string]struct {
		path string
		data []byte
	}{
		"sqlite":                    {"var/lib/rpm/rpmdb.sqlite", sqliteFile(t, headers...)},
		"sqlite below usr":          {"usr/lib/sysimage/rpm/rpmdb.sqlite", sqliteFile(t, headers...)},
		"ndb":                       {"usr/lib/sysimage/rpm/Packages.db", rpmdb.NDBOf(headers...)},
		"berkeley":                  {"var/lib/rpm/Packages", rpmdb.BerkeleyOf(binary.LittleEndian, headers...)},
		"berkeley of a big machine": {"var/lib/rpm/Packages", rpmdb.BerkeleyOf(binary.BigEndian, headers...)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, tt.path, tt.data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Sets[0].Set.Packages); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for path, owned := range map[string]bool{
				"usr/bin/bash": true, "etc/skel/.bashrc": true, "usr/share/openssl/d/fileb": true,
				"usr/bin/dockerd": false, // a third party's files stay visible
			} {
				if got.Owned.Has(path) != owned {
					t.Errorf("%s owned: %v", path, !owned)
				}
			}
		})
	}
}

func TestManyPackages(t *testing.T) {
	t.Parallel()
	var headers [][]byte
	for range 2000 { // a tree of several levels
		headers = append(headers, samples()[0].Header())
	}
	got, err := read(t, "var/lib/rpm/rpmdb.sqlite", sqliteFile(t, headers...))
	if err != nil || len(got.Sets[0].Set.Packages) != 1 {
		t.Errorf("%d distinct packages, %v", len(got.Sets[0].Set.Packages), err)
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	headers := rpmdb.Headers(samples()...)
	le := binary.LittleEndian
	sqlite, ndb, berkeley := sqliteFile(t, headers...), rpmdb.NDBOf(headers...), rpmdb.BerkeleyOf(le, headers...)
	change := func(data []byte, f func([]byte)) []byte {
		data = bytes.Clone(data)
		f(data)
		return data
	}
	for name, data := range map[string][]byte{
		"empty":                       {},
		"no database":                 []byte(strings.Repeat("x", 5000)),
		"sqlite header alone":         []byte(sqliteMagic),
		"sqlite cut":                  sqlite[:len(sqlite)/2],
		"sqlite page size":            change(sqlite, func(d []byte) { d[16], d[17] = 3, 7 }),
		"sqlite no reserved room":     change(sqlite, func(d []byte) { d[20] = 255; d[16], d[17] = 2, 0 }),
		"sqlite schema is a leaf":     change(sqlite, func(d []byte) { d[100] = 2 }),
		"sqlite a thousand cells":     change(sqlite, func(d []byte) { d[103], d[104] = 0xff, 0xff }),
		"sqlite no table":             bytes.ReplaceAll(sqlite, []byte("Packages"), []byte("Otherxxx")),
		"ndb cut":                     ndb[:ndbPageBytes+100],
		"ndb many pages":              change(ndb, func(d []byte) { le.PutUint32(d[12:], 1<<31) }),
		"ndb no pages":                change(ndb, func(d []byte) { le.PutUint32(d[12:], 0) }),
		"ndb slot":                    change(ndb, func(d []byte) { d[ndbHeaderBytes] = 'X' }),
		"ndb block":                   change(ndb, func(d []byte) { le.PutUint32(d[ndbHeaderBytes+8:], 1<<31) }),
		"ndb same blob in all slots":  change(ndb, sameBlob),
		"berkeley cut":                berkeley[:3*4096],
		"berkeley page size":          change(berkeley, func(d []byte) { le.PutUint32(d[20:], 3000) }),
		"berkeley encrypted":          change(berkeley, func(d []byte) { d[24] = 1 }),
		"berkeley many entries":       change(berkeley, func(d []byte) { le.PutUint16(d[4096+20:], 65535) }),
		"berkeley overflow is a loop": change(berkeley, func(d []byte) { le.PutUint32(d[3*4096+16:], 3) }),
		"berkeley no overflow page":   change(berkeley, func(d []byte) { d[2*4096+25] = 5 }),
		"header of nothing":           rpmdb.NDBOf(nil),
		"header says too much":        rpmdb.NDBOf(binary.BigEndian.AppendUint32(nil, 1<<31)),
		"header of many tags":         rpmdb.NDBOf(append(binary.BigEndian.AppendUint32(nil, 1<<20), 0, 0, 0, 0)),
		"package without a name":      rpmdb.NDBOf(rpmdb.Package{Version: "1", Release: "1"}.Header()),
		"version of two lines":        rpmdb.NDBOf(rpmdb.Package{Name: "a", Version: "1\n2"}.Header()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(t, "var/lib/rpm/Packages", data)
			if err == nil && len(data) > 0 {
				t.Error("no error")
			}
			if len(got.Sets) != 1 {
				t.Errorf("%d sets: what lies below would show through", len(got.Sets))
			}
		})
	}
}

// sameBlob lets every slot name the first blob.
func sameBlob(d []byte) {
	for slot := ndbHeaderBytes; slot < ndbPageBytes; slot += ndbSlotBytes {
		copy(d[slot+4:slot+12], d[ndbHeaderBytes+4:])
	}
}

func TestOneBrokenHeaderHidesNoOther(t *testing.T) {
	t.Parallel()
	headers := append([][]byte{rpmdb.Package{Version: "1"}.Header()}, rpmdb.Headers(samples()...)...)
	got, err := read(t, "var/lib/rpm/Packages.db", rpmdb.NDBOf(headers...))
	if !errors.Is(err, errMalformed) || len(got.Sets[0].Set.Packages) != 4 {
		t.Errorf("%d packages, %v", len(got.Sets[0].Set.Packages), err)
	}
}

func TestManifest(t *testing.T) {
	t.Parallel()
	line := func(fields ...string) string { return strings.Join(fields, "\t") + "\n" }
	good := line("openssl", "1.1.1k-3.cm2", "1", "1", "Microsoft", "(none)", "1", "x86_64", "0", "openssl-1.1.1k-3.cm2.src.rpm")
	got, err := read(t, manifestFile, []byte(good+line("libssl", "1-2", "1", "1", "M", "(none)", "1", "x86_64", "1", "openssl-1-2.src.rpm")))
	want := []inventory.Package{
		{Name: "libssl", Version: "1:1-2", Arch: "x86_64", SourceName: "openssl"},
		{Name: "openssl", Version: "1.1.1k-3.cm2", Arch: "x86_64"},
	}
	if diff := cmp.Diff(want, got.Sets[0].Set.Packages); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, text := range map[string]string{
		"few fields": "a\tb\n",
		"version":    line("a", "1", "", "", "", "", "", "", "0", "s"),
		"epoch":      line("a", "1-2", "", "", "", "", "", "", "x", "s"),
		"no name":    line("", "1-2", "", "", "", "", "", "", "0", "s"),
		"long line":  strings.Repeat("x", maxManifestLine+1),
	} {
		if _, err := read(t, manifestFile, []byte(good+text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestVendors(t *testing.T) {
	t.Parallel()
	for vendor, ours := range map[string]bool{
		"Red Hat, Inc.": true, "SUSE LLC <https://www.suse.com/>": true, "Fedora Project": true, "Docker": false, "": false,
	} {
		if h := (header{vendor: vendor, release: "1"}); h.ofDistribution() != ours {
			t.Errorf("%q: of a distribution: %v", vendor, !ours)
		}
	}
	if h := (header{release: "1.amzn2"}); !h.ofDistribution() {
		t.Error("Amazon's packages may have no vendor")
	}
}

func FuzzDatabase(f *testing.F) {
	headers := rpmdb.Headers(samples()[:1]...)
	f.Add(sqliteFile(f, headers...))
	f.Add(rpmdb.NDBOf(headers...))
	f.Add(rpmdb.BerkeleyOf(binary.LittleEndian, headers...))
	f.Add(rpmdb.BerkeleyOf(binary.BigEndian, headers...))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &run{owned: analyze.NewPathSet()}
		packages, err := r.parse(data)
		for _, p := range packages {
			if p.Name == "" || p.Version == "" {
				t.Errorf("package %+v, error %v", p, err)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add("a\t1-2\t1\t1\tM\t(none)\t1\tx86_64\t0\ta-1-2.src.rpm\n")
	f.Add("\t\t\t\t\t\t\t\t\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		packages, err := parseManifest(strings.NewReader(text))
		if err == nil && len(packages) == 0 && strings.TrimSpace(text) != "" && !strings.ContainsAny(text[:1], "\r\n") {
			t.Errorf("nothing found in %q", text)
		}
	})
}
