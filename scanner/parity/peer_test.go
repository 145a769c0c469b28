package parity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/javadb"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/parity"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// pair is Trivy and our scanner over the same databases.
type pair struct {
	program, cache string
	scanner        *scanner.Scanner
	matcher        *match.Matcher
}

// trivy returns the path of the program, or skips.
func trivy(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("TRIVY"); path != "" {
		return path
	}
	path, err := exec.LookPath("trivy")
	if err != nil {
		t.Skip("SKIP: no trivy on the path and TRIVY not set")
	}
	return path
}

// newPair lays databases out as Trivy wants them: db is a folder with trivy.db
// and metadata.json, java one with trivy-java.db and metadata.json.
func newPair(t *testing.T, db, java string) *pair {
	t.Helper()
	p := &pair{program: trivy(t), cache: t.TempDir()}
	for name, folder := range map[string]string{"db": db, "java-db": java} {
		real, err := filepath.Abs(folder)
		if err == nil {
			err = os.Symlink(real, filepath.Join(p.cache, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	opened, err := vulndb.Open(filepath.Join(db, "trivy.db"))
	if err != nil {
		t.Fatal(err)
	}
	index, err := javadb.Open(context.Background(), filepath.Join(java, "trivy-java.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(index.Close(), opened.Close()); err != nil {
			t.Error(err)
		}
	})
	if p.scanner, err = scanner.New(scanner.Options{Analyzers: all.WithIndex(index)}); err != nil {
		t.Fatal(err)
	}
	p.matcher = match.New(opened)
	return p
}

// subject is an image to compare: how our scanner calls its kind, and its path,
// with a tag where that holds several.
type subject struct {
	scheme, path string
	// unsourced leaves out the data source of our findings.
	unsourced bool
}

// compare scans an image with both and returns what differs. That Trivy's scan
// fails is a difference.
func (p *pair) compare(t *testing.T, s subject) []string {
	t.Helper()
	theirs, failure := p.trivyScan(t, s.path)
	results, err := p.scanner.Scan(t.Context(), s.scheme+s.path, pull.Options{}, p.matcher)
	if err != nil || len(results) != 1 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for _, problem := range results[0].Problems {
		t.Logf("problem: %s: %s", problem.Path, problem.Reason)
	}
	if s.unsourced {
		for i := range results[0].Findings {
			results[0].Findings[i].Source = ""
		}
	}
	ours := parity.OfScan(results[0])
	if failure != nil {
		t.Logf("problem: %s", strings.Join(strings.Fields(failure.Error()), " "))
		return []string{"- the scan fails"}
	}
	trivy := parity.OfTrivy(theirs)
	t.Logf("%d facts of Trivy's, %d of ours", len(trivy), len(ours))
	return parity.Compare(trivy, ours)
}

func (p *pair) trivyScan(t *testing.T, input string) (parity.Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, p.program, "image", "--input", input, "--cache-dir", p.cache, "--cache-backend", "memory",
		"--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check", "--disable-telemetry",
		"--scanners", "vuln", "--list-all-pkgs", "--format", "json", "--quiet")
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	var r parity.Report
	if err := command.Run(); err != nil {
		return r, fmt.Errorf("trivy: %w: %s", err, problems.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("trivy's report: %w", err)
	}
	return r, nil
}

// store writes an image as an OCI layout and returns its folder.
func store(t *testing.T, image v1.Image) string {
	t.Helper()
	folder := t.TempDir()
	l, err := layout.Write(folder, empty.Index)
	if err == nil {
		err = l.AppendImage(image)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}
