package dpkg

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

func TestParseStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []inventory.Package
		problem    bool
	}{
		{
			name: "installed, source, continuation lines, any case of fields",
			text: "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl (3.0.11-1)\nVersion: 3.0.11-1~deb12u2\n" +
				"Description: toolkit\n Version: not a field\n .\n\nPACKAGE: apt\nversion: 2.6.1\nSTATUS: hold ok installed\n",
			want: []inventory.Package{
				{Name: "libssl3", Version: "3.0.11-1~deb12u2", Arch: "amd64", SourceName: "openssl", SourceVersion: "3.0.11-1"},
				{Name: "apt", Version: "2.6.1"},
			},
		},
		{
			name: "removed packages are gone",
			text: "Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: b\nStatus: purge ok not-installed\nVersion: 1\n\n" +
				"Package: c\nStatus: install ok unpacked\nVersion: 1\n",
			want: []inventory.Package{{Name: "c", Version: "1"}},
		},
		{
			name: "epochs",
			text: "Package: a\nVersion: 1:2.0-3\n\nPackage: b\nVersion: 0:2.0-3\n\nPackage: c\nSource: d (0:1.0)\nVersion: 1.0\n",
			want: []inventory.Package{{Name: "a", Version: "1:2.0-3"}, {Name: "b", Version: "2.0-3"}, {Name: "c", Version: "1.0", SourceName: "d"}},
		},
		{
			name: "a source that says nothing new",
			text: "Package: a\nSource: a (1.0)\nVersion: 1.0\n",
			want: []inventory.Package{{Name: "a", Version: "1.0"}},
		},
		{
			name: "third parties",
			text: "Package: docker-ce\nMaintainer: Docker <support@docker.com>\nVersion: 5:20.10\n\nPackage: gh\nMaintainer: GitHub\nVersion: 2.0\n\n" +
				"Package: x\nMaintainer: GitHub Fans <x@example.org>\nVersion: 1\n",
			want: []inventory.Package{
				{Name: "docker-ce", Version: "5:20.10", ThirdParty: true}, {Name: "gh", Version: "2.0", ThirdParty: true}, {Name: "x", Version: "1"},
			},
		},
		{
			name:    "invalid versions are skipped and said",
			text:    "Package: a\nVersion: one\n\nPackage: b\nVersion: 1.0\n\nPackage: c\nSource: d (x)\nVersion: 1\n",
			want:    []inventory.Package{{Name: "b", Version: "1.0"}},
			problem: true,
		},
		{name: "Windows line ends", text: "Package: a\r\nVersion: 1.0\r\n\r\nPackage: b\r\nVersion: 2.0\r\n",
			want: []inventory.Package{{Name: "a", Version: "1.0"}, {Name: "b", Version: "2.0"}}},
		{name: "a line without end", text: "Package: a\nVersion: 1\n\nDepends: " + strings.Repeat("x", maxLine+1),
			want: []inventory.Package{{Name: "a", Version: "1"}}, problem: true},
		{name: "rubbish", text: "\x00\x01\n:\n :\n\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseStatus(strings.NewReader(tt.text))
			if (err != nil) != tt.problem {
				t.Errorf("error %v, expected one: %v", err, tt.problem)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"var/lib/dpkg/status":                  true,
		"var/lib/dpkg/status.d/base":           true,
		"var/lib/dpkg/status.d/base.md5sums":   true,
		"var/lib/dpkg/info/apt.md5sums":        true,
		"var/lib/dpkg/info/apt.list":           false,
		"var/lib/dpkg/status-old":              false,
		"var/lib/dpkg/status.d/folder/file":    false,
		"home/var/lib/dpkg/status":             false,
		"var/lib/dpkg/info/deeper/apt.md5sums": false,
	} {
		if got := (Analyzer{}).Required(analyze.File{Path: path}); got != want {
			t.Errorf("required %s: %v, want %v", path, got, want)
		}
	}
}

func TestOwnedFiles(t *testing.T) {
	t.Parallel()
	r := Analyzer{}.Begin()
	for _, f := range []struct{ path, text string }{
		{"var/lib/dpkg/info/npm.md5sums", "d4  usr/share/nodejs/npm/package.json\n"},
		{"var/lib/dpkg/info/libx:amd64.md5sums", "d4  usr/lib/x/package.json\n"},
		{"var/lib/dpkg/info/nodejs.md5sums", "d4  usr/lib/node_modules/npm/package.json\n"},
		{"var/lib/dpkg/info/gone.md5sums", "d4  opt/gone/package.json\n"},
		{"var/lib/dpkg/status", "Package: npm\nVersion: 9\n\nPackage: libx\nArchitecture: amd64\nVersion: 1\n\n" +
			"Package: nodejs\nMaintainer: x@nodesource.com\nVersion: 18\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n"},
	} {
		if err := r.Read(analyze.File{Path: f.path, Size: int64(len(f.text))}, strings.NewReader(f.text)); err != nil {
			t.Errorf("%s: %v", f.path, err)
		}
	}
	owned := r.Result().Owned
	for path, want := range map[string]bool{
		"usr/share/nodejs/npm/package.json":     true,
		"usr/lib/x/package.json":                true,
		"usr/lib/node_modules/npm/package.json": false, // a third party's
		"opt/gone/package.json":                 false, // removed
	} {
		if got := owned.Has(path); got != want {
			t.Errorf("owned %s: %v, want %v", path, got, want)
		}
	}
	if err := r.Read(analyze.File{Path: "var/lib/dpkg/info/bad.md5sums"}, strings.NewReader("nonsense")); err == nil {
		t.Error("a broken list must be reported")
	}
}

func TestStatusWithoutPackagesIsReported(t *testing.T) {
	t.Parallel()
	r := Analyzer{}.Begin()
	if err := r.Read(analyze.File{Path: statusFile, Size: 5}, strings.NewReader("oops\n")); err == nil {
		t.Error("no packages in a status file that is not empty must be reported")
	}
	if err := r.Read(analyze.File{Path: statusFile}, strings.NewReader("")); err != nil {
		t.Errorf("an empty status file is fine: %v", err)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add("Package: libssl3\nStatus: install ok installed\nSource: openssl (3.0.11-1)\nVersion: 3.0.11-1~deb12u2\n\n")
	f.Add("Package: a\nSource: b ((()\nVersion: 1:2\n")
	f.Add("Package: a\nVersion: 99999999999999999999:1\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := parseStatus(strings.NewReader(text))
		for _, p := range got {
			if p.Name == "" || p.Version == "" {
				t.Errorf("package without name or version: %+v", p)
			}
			if v, err := normalVersion(p.Version); err != nil || v != p.Version {
				t.Errorf("version %q is not in normal form: %q, %v", p.Version, v, err)
			}
		}
	})
}

func FuzzParseSums(f *testing.F) {
	f.Add("d41d8cd98f00b204e9800998ecf8427e  usr/bin/a\n")
	f.Add("  \n")
	f.Add("  /0")
	f.Fuzz(func(t *testing.T, text string) {
		_ = parseSums(strings.NewReader(text), func(path string) {
			if strings.Contains(path, "\n") || !strings.Contains(text, path) {
				t.Errorf("path %q is not of one line", path)
			}
		})
	})
}

func TestPackagesAreBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range analyze.MaxPackages + 10 {
		fmt.Fprintf(&text, "Package: p%d\nVersion: 1\n\n", i)
	}
	if _, err := parseStatus(strings.NewReader(text.String())); !errors.Is(err, limit.ErrExceeded) {
		t.Errorf("got %v, want ErrExceeded", err)
	}
}
