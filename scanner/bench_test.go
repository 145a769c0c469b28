package scanner_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

// BenchmarkScanCold scans an image of ten thousand files, of which a thousand
// are packages, from a registry and without a cache.
func BenchmarkScanCold(b *testing.B) {
	site, m := newSite(b), matcher(b)
	l := sampleimage.Debian("12.5", sampleimage.Package{Name: "openssl", Version: "3.0.11-1~deb12u2"})
	for i := range 10_000 {
		l = append(l, sampleimage.File{Path: fmt.Sprintf("usr/share/doc/%d", i), Body: fmt.Sprintf("%0500d", i)})
	}
	var packages []sampleimage.Package
	for i := range 1000 {
		packages = append(packages, sampleimage.Package{Name: fmt.Sprintf("package-%d", i), Version: "1.0.0"})
	}
	image, err := sampleimage.Build(sampleimage.Spec{Layers: []sampleimage.Layer{l, sampleimage.NodeModules("srv", packages...)}})
	if err != nil {
		b.Fatal(err)
	}
	site.push(b, "big:1", image)
	s := newScanner(b, scanner.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Scan(context.Background(), site.host+"/big:1", plain(), m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScanFixtures scans real images, whole registry at a time, with and
// without the layers of former rounds.
func BenchmarkScanFixtures(b *testing.B) {
	folder := fixtures(b)
	m := match.New(fixtureDB(b, folder))
	images := []string{"base/alpine:3.17", "base/debian:bookworm-slim", "apps/tomcat:bullseye", "shop/web:1.4.2", "shop/legacy-admin:0.9.0"}
	for name, cache := range map[string]scanner.LayerCache{"cold": scanner.NoCache{}, "warm": scanner.NewMemoryCache()} {
		b.Run(name, func(b *testing.B) {
			s := newScanner(b, scanner.Options{Cache: cache})
			b.ReportAllocs()
			for b.Loop() {
				for _, image := range images {
					if _, err := s.Scan(context.Background(), "oci:"+filepath.Join(folder, "images")+":"+image, pull.Options{}, m); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
