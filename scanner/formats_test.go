package scanner_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/javadb"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/report"
	"github.com/muster-sec/muster/scanner/sbom"
)

// trivyRows is what readers of Trivy's JSON look at.
type trivyRows struct {
	Results []struct {
		Target, Class, Type string
		Packages            []struct {
			ID, Name, Version, Release, SrcName, SrcVersion, SrcRelease, FilePath string
			Epoch, SrcEpoch                                                       int
			Layer                                                                 struct{ Digest, DiffID string }
		}
		Vulnerabilities []struct {
			VulnerabilityID, PkgName, PkgPath, InstalledVersion, FixedVersion, Status, Severity, SeveritySource string
			Layer                                                                                               struct{ Digest, DiffID string }
		}
	}
}

func (r trivyRows) lines() []string {
	var lines []string
	for _, result := range r.Results {
		for _, p := range result.Packages {
			if !strings.HasPrefix(p.Name, "gpg-pubkey") { // its id alone has no architecture
				lines = append(lines, fmt.Sprintf("%s %s %s %+v", result.Target, result.Class, result.Type, p))
			}
		}
		for _, v := range result.Vulnerabilities {
			lines = append(lines, fmt.Sprintf("%s %s %s %+v", result.Target, result.Class, result.Type, v))
		}
	}
	slices.Sort(lines)
	return lines
}

// TestFormatsOfFixtures writes the results of real images as Trivy does and
// compares with what Trivy wrote, and scans their bills of materials again.
func TestFormatsOfFixtures(t *testing.T) {
	t.Parallel()
	folder := fixtures(t)
	m := match.New(fixtureDB(t, folder))
	index, err := javadb.Open(t.Context(), filepath.Join(folder, "javadb", "trivy-java.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	s := newScanner(t, scanner.Options{Analyzers: all.WithIndex(index)})
	for _, image := range []string{
		"shop/web:1.4.2-bookworm", "data/django-venv:2021", "infra/gotools:2021", "apps/billing:1.0", "apps/composer:1.0", "meta/alma-hybrid:8", "meta/ubuntu:18.04",
	} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			results, err := s.Scan(t.Context(), "oci:"+filepath.Join(folder, "images")+":"+image, pull.Options{}, m)
			if err != nil {
				t.Fatal(err)
			}
			results[0].Image.Reference = image
			var theirs trivyRows
			readGzip(t, filepath.Join(folder, "expected", strings.NewReplacer("/", "_", ":", "_").Replace(image)+".json.gz"), &theirs)
			var ours trivyRows
			if err := json.Unmarshal(written(t, report.FormatTrivy, results[0]), &ours); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(theirs.lines(), ours.lines()); diff != "" {
				t.Errorf("(-trivy +ours):\n%s", diff)
			}
			for _, format := range []report.Format{report.FormatCycloneDX, report.FormatSPDX} {
				doc, err := sbom.Read(bytes.NewReader(written(t, format, results[0])))
				if err != nil {
					t.Fatal(err)
				}
				inv, sets := doc.Inventory(image)
				again, err := scanner.Match(scanner.ImageInventory{Inventory: inv, Sets: sets}, m)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(names(results[0]), names(again)); diff != "" {
					t.Errorf("%s (-image +its bill of materials):\n%s", format, diff)
				}
			}
		})
	}
}

func readGzip(t *testing.T, file string, into any) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func written(t *testing.T, f report.Format, r scanner.Result) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := report.Write(&out, f, report.New(report.Database{}, created(), []report.Image{r.Report()})); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// names are the findings as a set: a bill of materials may say twice what an
// image says at two paths. Package URLs of Python packages are in lower case.
func names(r scanner.Result) []string {
	var result []string
	for _, f := range r.Findings {
		result = append(result, strings.Join([]string{f.ID, strings.ReplaceAll(strings.ToLower(f.Package), "_", "-"), f.Installed, f.Fixed, f.Severity.String()}, " "))
	}
	slices.Sort(result)
	return slices.Compact(result)
}
