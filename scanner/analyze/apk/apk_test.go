package apk

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []inventory.Package
		owned      []string
		problem    bool
	}{
		{
			name: "two packages",
			text: "C:Q1abc=\nP:musl\nV:1.2.3-r4\nA:x86_64\no:musl\nF:lib\nR:libc.so\nZ:x\nF:usr/lib\n\n" +
				"P:libssl3\nV:3.0.8-r0\nA:x86_64\no:openssl\nF:lib\nR:libssl.so.3\n\n",
			want: []inventory.Package{
				{Name: "musl", Version: "1.2.3-r4", Arch: "x86_64"},
				{Name: "libssl3", Version: "3.0.8-r0", Arch: "x86_64", SourceName: "openssl"},
			},
			owned: []string{"lib/libc.so", "lib/libssl.so.3"},
		},
		{
			name: "no empty line at the end",
			text: "P:musl\nV:1.2.3-r4",
			want: []inventory.Package{{Name: "musl", Version: "1.2.3-r4"}},
		},
		{
			name: "a name twice counts once",
			text: "P:a\nV:1.0-r0\n\nP:a\nV:2.0-r0\n\n",
			want: []inventory.Package{{Name: "a", Version: "1.0-r0"}},
		},
		{
			name:    "an invalid version is skipped and said",
			text:    "P:a\nV:not a version\n\nP:b\nV:1.0-r0\n",
			want:    []inventory.Package{{Name: "b", Version: "1.0-r0"}},
			problem: true,
		},
		{name: "rubbish", text: "\x00\xff\n\n\n:\n:::\nP\n"},
		{name: "a line without end", text: "P:a\nV:1.0-r0\n\nP:" + strings.Repeat("x", maxLine+1), want: []inventory.Package{{Name: "a", Version: "1.0-r0"}}, problem: true},
		{name: "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var owned []string
			got, err := parse(strings.NewReader(tt.text), func(f string) { owned = append(owned, f) })
			if (err != nil) != tt.problem {
				t.Errorf("error %v, expected one: %v", err, tt.problem)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.owned, owned); diff != "" {
				t.Errorf("owned files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	a := Analyzer{}
	for path, want := range map[string]bool{
		"lib/apk/db/installed": true, "usr/lib/apk/db/installed": true, "lib/apk/db/scripts.tar": false, "x/lib/apk/db/installed": false,
	} {
		if got := a.Required(analyze.File{Path: path}); got != want {
			t.Errorf("required %s: %v, want %v", path, got, want)
		}
	}
	r := a.Begin()
	text := "nonsense\n"
	f := analyze.File{Path: "lib/apk/db/installed", Size: int64(len(text))}
	if err := r.Read(f, strings.NewReader(text)); err == nil {
		t.Error("a database without any package must be reported")
	}
	if got := r.Result(); len(got.Sets) != 1 || len(got.Sets[0].Set.Packages) != 0 {
		t.Errorf("it must still hide what lies below: %+v", got.Sets)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("P:musl\nV:1.2.3-r4\nA:x86_64\no:musl\nF:lib\nR:libc.so\n\n")
	f.Add("P:a\nV:1..2\n\nP:a\n\n")
	f.Add("F:..\nR:../../x\n")
	f.Add("P:a\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := parse(strings.NewReader(text), func(string) {})
		for _, p := range got {
			if p.Name == "" || p.Version == "" {
				t.Errorf("package without name or version: %+v", p)
			}
		}
	})
}

func TestPackagesAreBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range analyze.MaxPackages + 10 {
		fmt.Fprintf(&text, "P:p%d\nV:1\n\n", i)
	}
	if _, err := parse(strings.NewReader(text.String()), func(string) {}); !errors.Is(err, limit.ErrExceeded) {
		t.Errorf("got %v, want ErrExceeded", err)
	}
}
