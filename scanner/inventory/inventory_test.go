package inventory

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() PackageSet {
	s := PackageSet{Ecosystem: Dpkg, Packages: []Package{
		{Name: "zlib1g", Version: "1:1.2.13", SourceName: "zlib", Arch: "amd64"},
		{Name: "apt", Version: "2.6.1", Arch: "amd64"},
		{Name: "apt", Version: "2.6.1", Arch: "amd64"},
		{Name: "docker-ce", Version: "5:20.10", ThirdParty: true},
	}}
	s.Canonical()
	return s
}

func TestSetIsNamedByItsContent(t *testing.T) {
	t.Parallel()
	s := sample()
	// The name is stored in databases: it must never change for equal content.
	const want = `{"ecosystem":"dpkg","packages":[{"name":"apt","version":"2.6.1","arch":"amd64"},` +
		`{"name":"docker-ce","version":"5:20.10","third_party":true},` +
		`{"name":"zlib1g","version":"1:1.2.13","source":"zlib","arch":"amd64"}]}`
	if diff := cmp.Diff(want, string(s.Encode())); diff != "" {
		t.Errorf("canonical bytes (-want +got):\n%s", diff)
	}
	back, err := DecodeSet(s.ID(), s.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	reordered := PackageSet{Ecosystem: Dpkg, Packages: []Package{s.Packages[2], s.Packages[0], s.Packages[1]}}
	reordered.Canonical()
	if reordered.ID() != s.ID() {
		t.Error("the order in which packages were found changes the name")
	}
	other := sample()
	other.Packages[0].Arch = "arm64"
	if other.ID() == s.ID() {
		t.Error("another architecture has the same name")
	}
}

func TestDecodeSetRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"not JSON":          `{"ecosystem":`,
		"another order":     `{"ecosystem":"npm","packages":[{"name":"b","version":"1"},{"name":"a","version":"1"}]}`,
		"a blank":           `{"ecosystem":"npm", "packages":[]}`,
		"an unknown field":  `{"ecosystem":"npm","packages":[],"evil":1}`,
		"null for packages": `{"ecosystem":"npm"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := DecodeSet(setID([]byte(text)), []byte(text)); !errors.Is(err, ErrSet) {
				t.Errorf("got %v, want ErrSet", err)
			}
		})
	}
	s := sample()
	if _, err := DecodeSet(s.ID(), append(s.Encode(), ' ')); !errors.Is(err, ErrSet) {
		t.Errorf("changed content: got %v, want ErrSet", err)
	}
}

func TestCanonicalMakesEveryStringUTF8(t *testing.T) {
	t.Parallel()
	s := PackageSet{Ecosystem: NPM, Packages: []Package{{Name: "a\xff", Version: "1\xc3"}}}
	s.Canonical()
	if _, err := DecodeSet(s.ID(), s.Encode()); err != nil {
		t.Error(err)
	}
	empty := PackageSet{Ecosystem: NPM}
	empty.Canonical()
	if _, err := DecodeSet(empty.ID(), empty.Encode()); err != nil {
		t.Errorf("empty set: %v", err)
	}
}

func TestSourceOfPackage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p             Package
		name, version string
	}{
		{Package{Name: "a", Version: "1"}, "a", "1"},
		{Package{Name: "a", Version: "1", SourceName: "s"}, "s", "1"},
		{Package{Name: "a", Version: "1", SourceVersion: "2"}, "a", "2"},
	} {
		if name, version := tt.p.Source(); name != tt.name || version != tt.version {
			t.Errorf("%+v: source %s %s, want %s %s", tt.p, name, version, tt.name, tt.version)
		}
	}
}

func TestSortKeepsTheLastOfAPath(t *testing.T) {
	t.Parallel()
	l := LayerAnalysis{
		Sets: []SourceSet{
			{Path: "b", Set: PackageSet{Ecosystem: Dpkg, Packages: []Package{{Name: "old"}}}},
			{Path: "a", Set: PackageSet{Ecosystem: NPM}},
			{Path: "b", Set: PackageSet{Ecosystem: Dpkg}},
		},
		OS:        []OSFact{{Path: "etc/os-release", Version: "1"}, {Path: "etc/os-release", Version: "2"}},
		Whiteouts: []string{"y", "x", "y"},
		Opaque:    []string{"d", "d"},
		Problems:  []Problem{{Path: "b"}, {Path: "a", Analyzer: "z"}, {Path: "a", Analyzer: "y"}},
	}
	l.Sort()
	want := LayerAnalysis{
		Sets:      []SourceSet{{Path: "a", Set: PackageSet{Ecosystem: NPM}}, {Path: "b", Set: PackageSet{Ecosystem: Dpkg}}},
		OS:        []OSFact{{Path: "etc/os-release", Version: "2"}},
		Whiteouts: []string{"x", "y"},
		Opaque:    []string{"d"},
		Problems:  []Problem{{Path: "a", Analyzer: "y"}, {Path: "a", Analyzer: "z"}, {Path: "b"}},
	}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	s := Source{Layer: 3, Origins: []int{0, 2}}
	for i, want := range map[int]int{-1: 3, 0: 0, 1: 2, 2: 3} {
		if got := s.Origin(i); got != want {
			t.Errorf("origin of package %d is %d, want %d", i, got, want)
		}
	}
}

func FuzzDecodeSet(f *testing.F) {
	f.Add(sample().Encode())
	f.Add([]byte(`{"ecosystem":"npm","packages":[]}`))
	f.Add([]byte(`{"ecosystem":"npm","packages":[{"name":"` + strings.Repeat("x", 100) + `","version":"1"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSet(setID(data), data)
		if err == nil && string(s.Encode()) != string(data) {
			t.Errorf("accepted bytes that it would not write: %q", data)
		}
	})
}
