package sampleimage

import (
	"fmt"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

// Tagged is an image of the catalogue with the repository and tag to push it as.
type Tagged struct {
	Repository, Tag string
	Image           v1.Image
}

// Catalog returns a handful of images such as a small company's registry holds:
// an old and a repaired release of a web shop on one Alpine base, a Debian
// service that runs as root, and a distroless one without known vulnerabilities.
// Layers are shared where they would be.
func Catalog(created time.Time) ([]Tagged, error) {
	alpine := Alpine("3.17.3",
		Package{Name: "musl", Version: "1.2.3-r4", Files: []string{"lib/ld-musl-x86_64.so.1"}},
		Package{Name: "zlib", Version: "1.2.12-r1", Files: []string{"lib/libz.so.1"}},
		Package{Name: "libssl3", Version: "3.0.7-r0", Source: "openssl", Files: []string{"lib/libssl.so.3"}},
		Package{Name: "libcrypto3", Version: "3.0.7-r0", Source: "openssl", Files: []string{"lib/libcrypto.so.3"}},
	)
	upgraded := Layer{{Path: "lib/apk/db/installed", Body: ApkDatabase(
		Package{Name: "musl", Version: "1.2.3-r5"}, Package{Name: "zlib", Version: "1.2.13-r0"},
		Package{Name: "libssl3", Version: "3.0.15-r1", Source: "openssl"},
		Package{Name: "libcrypto3", Version: "3.0.15-r1", Source: "openssl"},
	)}}
	debian := Debian("12.5",
		Package{Name: "libc6", Version: "2.36-9+deb12u4", Source: "glibc"},
		Package{Name: "openssl", Version: "3.0.11-1~deb12u2"},
		Package{Name: "libexpat1", Version: "2.5.0-1", Source: "expat"},
	)
	distroless := Distroless("12.11",
		Package{Name: "base-files", Version: "12.4+deb12u11"}, Package{Name: "tzdata", Version: "2025b-0+deb12u1"})
	oldModules := NodeModules("srv/web",
		Package{Name: "express", Version: "4.18.2"}, Package{Name: "lodash", Version: "4.17.11"},
		Package{Name: "minimist", Version: "1.2.5"})
	newModules := NodeModules("srv/web",
		Package{Name: "express", Version: "4.21.2"}, Package{Name: "lodash", Version: "4.17.21"},
		Package{Name: "minimist", Version: "1.2.8"})
	specs := []struct {
		repository, tag string
		spec            Spec
	}{
		{"base/alpine", "3.17", Spec{Layers: []Layer{alpine}}},
		{"shop/web", "1.4.2", Spec{Layers: []Layer{alpine, oldModules}, Env: []string{"NODE_ENV=production"}}},
		{"shop/web", "1.5.0", Spec{Layers: []Layer{alpine, upgraded, newModules}, User: "node"}},
		{"shop/orders", "2.0.1", Spec{Layers: []Layer{debian}, Labels: map[string]string{"org.opencontainers.image.vendor": "shop"}}},
		{"shop/clock", "0.3", Spec{Layers: []Layer{distroless}, User: "65532"}},
	}
	var catalog []Tagged
	for _, s := range specs {
		s.spec.Created, s.spec.Author = created, "sample"
		image, err := Build(s.spec)
		if err != nil {
			return nil, fmt.Errorf("sampleimage: %s:%s: %w", s.repository, s.tag, err)
		}
		catalog = append(catalog, Tagged{s.repository, s.tag, image})
	}
	return catalog, nil
}

// Advisories returns a small database that knows vulnerabilities of the
// catalogue's packages: real ids with their fixed versions, and short titles.
func Advisories(updated time.Time) build.Content {
	c := build.Content{
		UpdatedAt: updated, NextUpdate: updated.Add(24 * time.Hour), Details: map[string]vulndb.Detail{},
		Sources: map[string]types.DataSource{
			"alpine 3.17":     {ID: "alpine", Name: "Alpine Secdb", URL: "https://secdb.alpinelinux.org/"},
			"debian 12":       {ID: "debian", Name: "Debian Security Tracker", URL: "https://security-tracker.debian.org/"},
			npmAdvisoryBucket: {ID: "ghsa", Name: "GitHub Security Advisory npm", URL: "https://github.com/advisories"},
		},
	}
	for _, k := range knownVulnerabilities() {
		a := build.Advisory{Bucket: k.bucket, Package: k.pkg, ID: k.id}
		if k.bucket == npmAdvisoryBucket {
			a.VulnerableVersions, a.PatchedVersions = []string{"<" + k.fixed}, []string{k.fixed}
		} else {
			a.FixedVersion = k.fixed
		}
		c.Advisories = append(c.Advisories, a)
		published := k.published
		c.Details[k.id] = vulndb.Detail{
			Title: k.title, Severity: k.severity.String(), PublishedDate: &published, LastModifiedDate: &published,
			VendorSeverity: types.VendorSeverity{"nvd": k.severity},
			CVSS:           types.VendorCVSS{"nvd": {V3Score: k.score, V3Vector: k.vector}},
		}
	}
	return c
}

const npmAdvisoryBucket = "npm::GitHub Security Advisory npm"

type known struct {
	bucket, pkg, id, fixed, title string
	severity                      types.Severity
	score                         float64
	vector                        string
	published                     time.Time
}

func knownVulnerabilities() []known {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	return []known{
		{"alpine 3.17", "zlib", "CVE-2022-37434", "1.2.12-r2", "zlib: heap buffer over-read in inflate", types.SeverityCritical, 9.8,
			"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", day(2022, 8, 5)},
		{"alpine 3.17", "openssl", "CVE-2023-0286", "3.0.8-r0", "openssl: type confusion in X.400 addresses", types.SeverityHigh, 7.4,
			"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:H", day(2023, 2, 8)},
		{"debian 12", "glibc", "CVE-2024-2961", "2.36-9+deb12u6", "glibc: out of bounds write in iconv", types.SeverityHigh, 7.3,
			"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:L", day(2024, 4, 17)},
		{"debian 12", "expat", "CVE-2023-52425", "2.5.0-1+deb12u1", "expat: quadratic time in large tokens", types.SeverityHigh, 7.5,
			"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", day(2024, 2, 4)},
		{"debian 12", "openssl", "CVE-2023-5678", "", "openssl: excessive time in DH checks", types.SeverityMedium, 5.3,
			"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L", day(2023, 11, 6)},
		{npmAdvisoryBucket, "lodash", "CVE-2019-10744", "4.17.12", "lodash: prototype pollution in defaultsDeep", types.SeverityCritical, 9.1,
			"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H", day(2019, 7, 26)},
		{npmAdvisoryBucket, "minimist", "CVE-2021-44906", "1.2.6", "minimist: prototype pollution", types.SeverityCritical, 9.8,
			"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", day(2022, 3, 17)},
	}
}
