package python

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

const metadata = "Metadata-Version: 2.1\nName: Werkzeug\nVersion: 0.14\n\nName: not this\n"

func egg(tb testing.TB, entries ...[2]string) string {
	tb.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, e := range entries {
		f, err := w.Create(e[0])
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := f.Write([]byte(e[1])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.String()
}

func TestRead(t *testing.T) {
	t.Parallel()
	const site = "usr/lib/python3/site-packages/"
	werkzeug := []inventory.Package{{Name: "Werkzeug", Version: "0.14"}}
	var many [][2]string
	for i := range maxEntries + 1 {
		many = append(many, [2]string{fmt.Sprint(i), ""})
	}
	for name, tt := range map[string]struct {
		path, text string
		want       []inventory.Package
		problem    bool
	}{
		"wheel":                    {path: site + "Werkzeug-0.14.dist-info/METADATA", text: metadata, want: werkzeug},
		"egg-info":                 {path: site + "w.egg-info", text: metadata, want: werkzeug},
		"egg-info folder":          {path: site + "w.egg-info/PKG-INFO", text: metadata, want: werkzeug},
		"egg folder":               {path: site + "w.egg/EGG-INFO/PKG-INFO", text: metadata, want: werkzeug},
		"any case, no end":         {path: site + "w.egg-info", text: "NAME: Werkzeug\nversion: 0.14", want: werkzeug},
		"folded description":       {path: site + "w.egg-info", text: "Description: a\n  b\n  c\n" + metadata, want: werkzeug},
		"a broken line at the end": {path: site + "w.egg-info", text: "Name: Werkzeug\nVersion: 0.14\nbroken\n\n", want: werkzeug},
		"no version":               {path: site + "w.egg-info", text: "Name: a\n\n", problem: true},
		"nothing":                  {path: site + "w.egg-info", problem: true},
		"a broken line first":      {path: site + "w.egg-info", text: "broken\n" + metadata, problem: true},
		"too large":                {path: site + "w.egg-info", text: "Description: " + strings.Repeat("x", maxMetadata) + "\n" + metadata, problem: true},
		"zipped egg":               {path: site + "w.egg", text: egg(t, [2]string{"a", ""}, [2]string{"EGG-INFO/PKG-INFO", metadata}), want: werkzeug},
		"zipped egg of nothing":    {path: site + "w.egg", text: egg(t, [2]string{"a", ""})},
		"egg that is no zip":       {path: site + "w.egg", text: "PK\x03\x04", problem: true},
		"egg of many files":        {path: site + "w.egg", text: egg(t, many...), problem: true},
		"egg bomb":                 {path: site + "w.egg", text: egg(t, [2]string{"EGG-INFO/PKG-INFO", "X: " + strings.Repeat("x", 2*maxMetadata)}), problem: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := analyze.File{Path: tt.path, Size: int64(len(tt.text))}
			if !(Analyzer{}).Required(f) {
				t.Fatalf("%s is not required", tt.path)
			}
			r := Analyzer{}.Begin()
			if err := r.Read(f, strings.NewReader(tt.text)); (err != nil) != tt.problem {
				t.Errorf("error %v, expected one: %v", err, tt.problem)
			}
			if tt.want == nil {
				tt.want = []inventory.Package{}
			}
			want := []inventory.SourceSet{{Path: tt.path, Set: inventory.PackageSet{Ecosystem: inventory.Python, Packages: tt.want}}}
			if diff := cmp.Diff(want, r.Result().Sets); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, path := range []string{"a/METADATA", "a.dist-info/RECORD", "a/PKG-INFO"} {
		if (Analyzer{}).Required(analyze.File{Path: path}) {
			t.Errorf("%s is required", path)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(metadata), false)
	f.Add([]byte("Name:\n\tfolded\nVersion: 1\n\n"), false)
	f.Add([]byte(egg(f, [2]string{"EGG-INFO/PKG-INFO", metadata})), true)
	f.Fuzz(func(t *testing.T, data []byte, zipped bool) {
		path := "a.egg-info"
		if zipped {
			path = "a.egg"
		}
		r := Analyzer{}.Begin()
		err := r.Read(analyze.File{Path: path, Size: int64(len(data))}, bytes.NewReader(data))
		for _, p := range r.Result().Sets[0].Set.Packages {
			if p.Name == "" || p.Version == "" {
				t.Errorf("package %+v, error %v", p, err)
			}
		}
	})
}
