package scanner_test

import (
	gocmp "cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/javadb"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// TestAgreesWithTrivy compares packages and findings with what Trivy reports for
// the same images and the same database. It needs a folder of fixtures:
// images/ (an OCI layout), expected/NAME.json.gz (Trivy's reports) and
// vulndb/trivy.db.zst; FIXTURES_DB may name the database unpacked.
func TestAgreesWithTrivy(t *testing.T) {
	t.Parallel()
	folder := fixtures(t)
	db := fixtureDB(t, folder)
	m := match.New(db)
	index, err := javadb.Open(t.Context(), filepath.Join(folder, "javadb", "trivy-java.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	s, err := scanner.New(scanner.Options{Cache: scanner.NewMemoryCache(), Analyzers: all.WithIndex(index)})
	if err != nil {
		t.Fatal(err)
	}
	for image, types := range map[string][]string{
		"apps/billing:1.0":          {"jar"},
		"apps/composer:1.0":         {"alpine", "composer-vendor"},
		"apps/rails:bullseye":       {"debian"},
		"apps/tomcat:bullseye":      {"debian"},
		"base/alpine:3.16-multi":    {"alpine"},
		"base/alpine:3.17":          {"alpine"},
		"base/alpine:3.9":           {"alpine"},
		"base/debian:bookworm-slim": {"debian"},
		"base/debian:bullseye-slim": {"debian"},
		"data/django-venv:2021":     {"debian", "python-pkg"},
		"data/django:bullseye":      {"debian"},
		"infra/gotools:2021":        {"gobinary"},
		"meta/alma-hybrid:8":        {"alma"},
		"meta/centos:7":             {"centos"},
		"meta/mariner:2.0":          {"cbl-mariner"},
		"meta/ubuntu:18.04":         {"ubuntu"},
		"shop/legacy-admin:0.9.0":   {"alpine", "node-pkg"},
		"shop/web:1.4.2":            {"alpine", "node-pkg"},
		"shop/web:1.4.2-bookworm":   {"debian", "node-pkg"},
	} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			results, err := s.Scan(context.Background(), "oci:"+filepath.Join(folder, "images")+":"+image, pull.Options{}, m)
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != 1 {
				t.Fatalf("got %d results, want 1", len(results))
			}
			for _, p := range results[0].Problems {
				t.Logf("problem: %+v", p)
			}
			want := readExpected(t, folder, image)
			got := results[0]
			if diff := cmp.Diff(want.packages(types), packagesOf(got)); diff != "" {
				t.Errorf("packages differ from Trivy's (-trivy +ours):\n%s", diff)
			}
			if diff := cmp.Diff(want.findings(types), findingsOf(got)); diff != "" {
				t.Errorf("findings differ from Trivy's (-trivy +ours):\n%s", diff)
			}
			if want.Metadata.ImageID != got.Image.ImageID {
				t.Errorf("image id %s, want %s", got.Image.ImageID, want.Metadata.ImageID)
			}
			if got, want := got.OS.Family+" "+got.OS.Version, want.Metadata.OS.Family+" "+want.Metadata.OS.Name; got != want {
				t.Errorf("operating system %q, want %q", got, want)
			}
		})
	}
}

// fixtures returns the folder named by FIXTURES, or skips, or fails in strict CI.
func fixtures(tb testing.TB) string {
	tb.Helper()
	folder := os.Getenv("FIXTURES")
	if folder == "" && os.Getenv("CI_STRICT") == "1" {
		tb.Fatal("FIXTURES not set")
	}
	if folder == "" {
		tb.Skip("SKIP: FIXTURES not set")
	}
	return folder
}

func fixtureDB(tb testing.TB, folder string) *vulndb.DB {
	tb.Helper()
	path := os.Getenv("FIXTURES_DB")
	if path == "" {
		path = unpackDB(tb, filepath.Join(folder, "vulndb"))
	}
	db, err := vulndb.Open(path)
	if err != nil {
		tb.Fatalf("open the database of the fixtures: %v", err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// unpackDB unpacks the database of a folder, with its metadata, and gives its path.
func unpackDB(tb testing.TB, folder string) string {
	tb.Helper()
	packed, err := os.Open(filepath.Join(folder, "trivy.db.zst"))
	if err != nil {
		tb.Fatal(err)
	}
	defer packed.Close()
	plain, err := zstd.NewReader(packed)
	if err != nil {
		tb.Fatal(err)
	}
	defer plain.Close()
	dir := tb.TempDir()
	db, err := os.Create(filepath.Join(dir, "trivy.db"))
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(db, plain); err != nil {
		tb.Fatal(err)
	}
	metadata, err := os.ReadFile(filepath.Join(folder, vulndb.MetadataFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, vulndb.MetadataFile), metadata, 0o600)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		tb.Fatal(err)
	}
	return db.Name()
}

// trivyReport is the part of Trivy's JSON report that is compared.
type trivyReport struct {
	Metadata struct {
		ImageID string
		OS      struct{ Family, Name string }
	}
	Results []struct {
		Type     string
		Packages []struct {
			Name, Version, Release, FilePath string
			Epoch                            int
			Layer                            struct{ DiffID string }
		}
		Vulnerabilities []struct {
			VulnerabilityID, PkgName, InstalledVersion, FixedVersion, Severity, Status, SeveritySource, PkgPath string

			Layer      struct{ DiffID string }
			DataSource struct{ ID string }
		}
	}
}

func readExpected(t *testing.T, folder, image string) trivyReport {
	t.Helper()
	f, err := os.Open(filepath.Join(folder, "expected", strings.NewReplacer("/", "_", ":", "_").Replace(image)+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var r trivyReport
	if err := json.NewDecoder(z).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r trivyReport) packages(types []string) []string {
	var lines []string
	for _, result := range r.Results {
		if !slices.Contains(types, result.Type) {
			continue
		}
		for _, p := range result.Packages {
			version := p.Version
			if p.Release != "" {
				version += "-" + p.Release
			}
			if p.Epoch != 0 {
				version = fmt.Sprintf("%d:%s", p.Epoch, version)
			}
			lines = append(lines, strings.Join([]string{p.Name, version, p.FilePath, p.Layer.DiffID}, " "))
		}
	}
	slices.Sort(lines)
	return lines
}

func packagesOf(r scanner.Result) []string {
	var lines []string
	seen := map[string]bool{}
	for _, s := range r.Sources {
		set := r.Sets[s.Set]
		for i, p := range set.Packages {
			path := pathInReport(set.Ecosystem, gocmp.Or(p.Path, s.Path))
			if set.Ecosystem.IsOS() {
				same := p.Name + " " + p.Version
				if set.Ecosystem == inventory.Rpm {
					same += " " + p.Arch
				}
				if seen[same] {
					continue
				}
				seen[same] = true
			}
			lines = append(lines, strings.Join([]string{p.Name, p.Version, path, r.Image.Layers[s.Origin(i)].DiffID}, " "))
		}
	}
	slices.Sort(lines)
	return lines
}

func (r trivyReport) findings(types []string) []string {
	var lines []string
	for _, result := range r.Results {
		if !slices.Contains(types, result.Type) {
			continue
		}
		for _, v := range result.Vulnerabilities {
			lines = append(lines, strings.Join([]string{
				v.VulnerabilityID, v.PkgName, v.InstalledVersion, "->", v.FixedVersion, v.Severity, v.SeveritySource,
				v.Status, v.DataSource.ID, v.PkgPath, v.Layer.DiffID,
			}, " "))
		}
	}
	slices.Sort(lines)
	return lines
}

func findingsOf(r scanner.Result) []string {
	var lines []string
	for _, f := range r.Findings {
		path := pathInReport(f.Ecosystem, f.Path)
		lines = append(lines, strings.Join([]string{
			f.ID, f.Package, f.Installed, "->", f.Fixed, f.Severity.String(), f.SeveritySource, f.Status, f.Source, path, f.Layer,
		}, " "))
	}
	slices.Sort(lines)
	return lines
}

// pathInReport leaves out the paths that Trivy does not give: it has them for
// the kinds of packages of which many files make one result.
func pathInReport(e inventory.Ecosystem, path string) string {
	switch e {
	case inventory.NPM, inventory.Python, inventory.Gem, inventory.Java, inventory.Conda:
		return path
	}
	return ""
}
