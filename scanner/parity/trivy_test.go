package parity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/zstd"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/javadb"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/report"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// peer is Trivy with a database, and our scanner with the same.
type peer struct {
	program string
	cache   string
	db      *vulndb.DB
	matcher *match.Matcher
	scanner *scanner.Scanner
}

// newPeer skips where there is no Trivy or no database to compare on.
func newPeer(t *testing.T) *peer {
	t.Helper()
	program := os.Getenv("TRIVY")
	if program == "" {
		found, err := exec.LookPath("trivy")
		if err != nil {
			t.Skip("SKIP: no Trivy to compare with (TRIVY=FILE)")
		}
		program = found
	}
	fixtures := os.Getenv("FIXTURES")
	if fixtures == "" {
		t.Skip("SKIP: FIXTURES is not set: no database to compare on")
	}
	p := &peer{program: program, cache: t.TempDir()}
	path := filepath.Join(p.cache, "db", "trivy.db")
	unpack(t, filepath.Join(fixtures, "vulndb"), path)
	var err error
	if p.db, err = vulndb.Open(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.db.Close() })
	p.matcher = match.New(p.db)
	java := filepath.Join(fixtures, "javadb")
	if err := os.Symlink(java, filepath.Join(p.cache, "java-db")); err != nil {
		t.Fatal(err)
	}
	index, err := javadb.Open(t.Context(), filepath.Join(java, "trivy-java.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	if p.scanner, err = scanner.New(scanner.Options{Analyzers: all.WithIndex(index)}); err != nil {
		t.Fatal(err)
	}
	return p
}

func unpack(t *testing.T, from, to string) {
	t.Helper()
	packed, err := os.Open(filepath.Join(from, "trivy.db.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	plain, err := zstd.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	metadata, err := os.ReadFile(filepath.Join(from, vulndb.MetadataFile))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(filepath.Dir(to), vulndb.MetadataFile), metadata, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(db, plain)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// document is the part of Trivy's JSON that is compared; we write the same.
type document struct {
	Metadata struct {
		OS *struct{ Family, Name string }
	}
	Results []struct {
		Type     string
		Packages []struct {
			Name, Version, Release string
			Epoch                  int
		}
		Vulnerabilities []struct {
			VulnerabilityID, PkgName, InstalledVersion, FixedVersion, Severity, Status string
		}
	}
}

// lines are everything that is compared, sorted and each once.
func (d document) lines() []string {
	var lines []string
	if d.Metadata.OS != nil {
		lines = append(lines, "system "+d.Metadata.OS.Family+" "+d.Metadata.OS.Name)
	}
	for _, r := range d.Results {
		for _, p := range r.Packages {
			version := p.Version
			if p.Release != "" {
				version += "-" + p.Release
			}
			lines = append(lines, strings.Join([]string{"package", r.Type, p.Name, version}, " "))
		}
		for _, v := range r.Vulnerabilities {
			lines = append(lines, strings.Join([]string{
				"finding", r.Type, v.VulnerabilityID, v.PkgName, v.InstalledVersion, "->", v.FixedVersion, v.Severity, v.Status,
			}, " "))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// compare scans an image with both and gives the lines that only one has, those
// of Trivy with "-" and ours with "+", and how many findings Trivy has.
func (p *peer) compare(t *testing.T, image v1.Image) (differences []string, findings int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	tag, err := name.NewTag("registry.example/specimen:1")
	if err == nil {
		err = tarball.WriteToFile(file, tag, image)
	}
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := p.trivy(t, file).lines(), p.ours(t, file).lines()
	for _, line := range theirs {
		if strings.HasPrefix(line, "finding") {
			findings++
		}
		if _, both := slices.BinarySearch(ours, line); !both {
			differences = append(differences, "- "+line)
		}
	}
	for _, line := range ours {
		if _, both := slices.BinarySearch(theirs, line); !both {
			differences = append(differences, "+ "+line)
		}
	}
	return differences, findings
}

func (p *peer) trivy(t *testing.T, file string) document {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.program, "image", "--input", file, "--cache-dir", p.cache, "--cache-backend", "memory",
		"--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check", "--disable-telemetry",
		"--scanners", "vuln", "--list-all-pkgs", "--format", "json", "--quiet")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("trivy: %v: %s", err, errs.Bytes())
	}
	return decode(t, out)
}

func (p *peer) ours(t *testing.T, file string) document {
	t.Helper()
	results, err := p.scanner.Scan(context.Background(), "docker-archive:"+file, pull.Options{}, p.matcher)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	doc := report.New(report.Database{Revision: p.db.Revision()}, time.Unix(0, 0), []report.Image{results[0].Report()})
	if err := report.Write(&out, report.FormatTrivy, doc); err != nil {
		t.Fatal(err)
	}
	return decode(t, out.Bytes())
}

func decode(t *testing.T, body []byte) (d document) {
	t.Helper()
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	return d
}
