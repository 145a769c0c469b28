package purl_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/purl"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	debian := inventory.OS{Family: "debian", Version: "12.5"}
	if got, err := purl.Parse("pkg:rpm/almalinux/nodejs@12.22-1.el8?distro=almalinux-8.4&modularitylabel=nodejs:12:8040:abc"); err != nil || got.OS.Family != "alma" || got.Package.Module != "nodejs:12" {
		t.Errorf("%+v, %v", got, err)
	}
	for want, l := range map[string]purl.Located{
		"pkg:npm/lodash@4.17.21":      {Ecosystem: inventory.NPM, Package: inventory.Package{Name: "lodash", Version: "4.17.21"}},
		"pkg:npm/%40babel/core@7.0.0": {Ecosystem: inventory.NPM, Package: inventory.Package{Name: "@babel/core", Version: "7.0.0"}},
		"pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12.5&upstream=glibc": {
			Ecosystem: inventory.Dpkg, OS: debian,
			Package: inventory.Package{Name: "libc6", Version: "2.36-9+deb12u4", Arch: "amd64", SourceName: "glibc"},
		},
		"pkg:deb/debian/passwd@1%3A4.13?distro=debian-12.5&upstream=shadow%404.13": {
			Ecosystem: inventory.Dpkg, OS: debian,
			Package: inventory.Package{Name: "passwd", Version: "1:4.13", SourceName: "shadow", SourceVersion: "4.13"},
		},
		"pkg:rpm/alma/nodejs@12.22-1.el8?arch=x86_64&distro=alma-8.4&epoch=1&modularitylabel=nodejs:12": {
			Ecosystem: inventory.Rpm, OS: inventory.OS{Family: "alma", Version: "8.4"},
			Package: inventory.Package{Name: "nodejs", Version: "1:12.22-1.el8", Arch: "x86_64", Module: "nodejs:12"},
		},
		"pkg:maven/org.apache/log4j@2.14.1":  {Ecosystem: inventory.Java, Package: inventory.Package{Name: "org.apache:log4j", Version: "2.14.1"}},
		"pkg:golang/golang.org/x/net@v0.1.0": {Ecosystem: inventory.Go, Package: inventory.Package{Name: "golang.org/x/net", Version: "v0.1.0"}},
		"pkg:pypi/django@3.2":                {Ecosystem: inventory.Python, Package: inventory.Package{Name: "django", Version: "3.2"}},
		"pkg:composer/monolog/monolog@1.0.0": {Ecosystem: inventory.Composer, Package: inventory.Package{Name: "monolog/monolog", Version: "1.0.0"}},
		"pkg:rpm/suse/zlib@1.2-1?distro=sles-15.3": {
			Ecosystem: inventory.Rpm, OS: inventory.OS{Family: "sles", Version: "15.3"}, Package: inventory.Package{Name: "zlib", Version: "1.2-1"},
		},
		"pkg:rpm/opensuse/zlib@1.2-1?distro=opensuse-leap-15.3": {
			Ecosystem: inventory.Rpm, OS: inventory.OS{Family: "opensuse-leap", Version: "15.3"}, Package: inventory.Package{Name: "zlib", Version: "1.2-1"},
		},
		"pkg:swift/github.com/x/y@1.0.0":    {Ecosystem: inventory.Swift, Package: inventory.Package{Name: "github.com/x/y", Version: "1.0.0"}},
		"pkg:cocoapods/Sentry@8.0.0#Hybrid": {Ecosystem: inventory.CocoaPods, Package: inventory.Package{Name: "Sentry/Hybrid", Version: "8.0.0"}},
		"pkg:hex/plug@1.0.0":                {Ecosystem: inventory.Erlang, Package: inventory.Package{Name: "plug", Version: "1.0.0"}},
		"pkg:bitnami/redis@7.2.3":           {Ecosystem: inventory.Bitnami, Package: inventory.Package{Name: "redis", Version: "7.2.3"}},
		"pkg:apk/alpine/musl@1.2.3-r4?distro=alpine-3.17.3": {
			Ecosystem: inventory.Apk, OS: inventory.OS{Family: "alpine", Version: "3.17.3"},
			Package: inventory.Package{Name: "musl", Version: "1.2.3-r4"},
		},
	} {
		got := purl.Of(l.Package, l.Ecosystem, l.OS)
		// The specification lets the colon stand; either spelling is the same name.
		if strings.ReplaceAll(got, "%3A", ":") != strings.ReplaceAll(want, "%3A", ":") {
			t.Errorf("got %s, want %s", got, want)
		}
		back, err := purl.Parse(got)
		if err != nil {
			t.Errorf("%s: %v", got, err)
		}
		l.Namespace = purl.Namespace(l.OS.Family)
		if diff := cmp.Diff(l, back); diff != "" {
			t.Errorf("%s (-want +got):\n%s", got, diff)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"":                                     purl.ErrInvalid,
		"lodash":                               purl.ErrInvalid,
		"pkg:npm/lodash":                       purl.ErrInvalid,
		"pkg:npm/" + strings.Repeat("x", 5000): purl.ErrInvalid,
		"pkg:huggingface/x@1":                  purl.ErrUnknownType,
	} {
		if _, err := purl.Parse(text); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", text, err, want)
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	subject := "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12.5"
	for statement, want := range map[string]bool{
		subject:                                  true,
		"pkg:deb/debian/libc6":                   true,
		"pkg:deb/debian/libc6@2.36-9":            true,
		"pkg:deb/debian/libc6@2.36-9?arch=amd64": true,
		"pkg:deb/debian/libc6?arch=arm64":        false,
		"pkg:deb/debian/libc6@2.37":              false,
		"pkg:deb/ubuntu/libc6":                   false,
		"pkg:deb/debian/libc":                    false,
		"pkg:npm/libc6":                          false,
		"libc6":                                  false,
	} {
		if got := purl.Covers(statement, subject); got != want {
			t.Errorf("%s covers: %v, want %v", statement, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("pkg:npm/%40babel/core@7.0.0")
	f.Add("pkg:deb/debian/passwd@1%3A4.13?distro=debian-12.5&upstream=shadow%404.13")
	f.Add("pkg:apk/alpine/musl@1?distro=-")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := purl.Parse(text)
		if err != nil {
			return
		}
		again, err := purl.Parse(purl.Of(l.Package, l.Ecosystem, l.OS))
		if err == nil && again.Ecosystem != l.Ecosystem {
			t.Errorf("%q became another ecosystem: %v", text, again)
		}
	})
}
