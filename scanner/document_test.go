package scanner_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/report"
)

// unwritten are the fields of Trivy's document that ours has not, and why.
func unwritten() []string {
	return []string{
		"UID",            // a hash over Trivy's own structures
		"Licenses",       // not read
		"Maintainer",     // not kept
		"InstalledFiles", // not kept
		"DependsOn",      // not read
		"Relationship",   // not read
		"Locations",      // not read
		"Digest",         // of jars; a layer's is compared as DiffID
		"VendorIDs",      // not kept
		"CreatedAt",      // the time of the scan
		"ArtifactName",   // what the image was called by
		"Fingerprint",    // made of ArtifactID and Target, which a test of its own shows
		"RepoTags",       // and RepoDigests: what is in a folder has no registry
		"RepoDigests",
	}
}

// TestTrivyDocument compares the whole document that is written in Trivy's format
// with Trivy's own, key by key, except for the fields above. Left out are images
// where Trivy writes less: no end of life and PkgID of Azure Linux, no PrimaryURL
// of a vulnerability without details.
func TestTrivyDocument(t *testing.T) {
	t.Parallel()
	folder := fixtures(t)
	db := fixtureDB(t, folder)
	m := match.New(db)
	s, err := scanner.New(scanner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range []string{"shop/web:1.4.2", "base/debian:bookworm-slim", "base/alpine:3.17", "data/django-venv:2021", "shop/web:1.4.2-bookworm"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			results, err := s.Scan(t.Context(), "oci:"+filepath.Join(folder, "images")+":"+image, pull.Options{}, m)
			if err != nil || len(results) != 1 {
				t.Fatalf("%d results, %v", len(results), err)
			}
			one := results[0].Report()
			one.Image.Reference = image
			d := report.New(report.Database{Revision: db.Revision()}, time.Now(), []report.Image{one})
			d.Details = db
			var text bytes.Buffer
			if err := report.Write(&text, report.FormatTrivy, d); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(compared(t, expectedDocument(t, folder, image)), compared(t, text.Bytes())); diff != "" {
				t.Errorf("(-trivy +ours):\n%.6000s", diff)
			}
		})
	}
}

func expectedDocument(t *testing.T, folder, image string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(folder, "expected", strings.NewReplacer("/", "_", ":", "_").Replace(image)+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(plain); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// compared decodes a document, leaves out what is not compared, and puts lists
// of packages and findings into one order.
func compared(t *testing.T, text []byte) any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return without(doc)
}

func without(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			_, isLayer := v["DiffID"]
			if slices.Contains(unwritten(), key) && !(key == "Digest" && isLayer) {
				delete(v, key)
				continue
			}
			v[key] = without(value)
		}
	case []any:
		for i := range v {
			v[i] = without(v[i])
		}
		if len(v) > 0 {
			if _, objects := v[0].(map[string]any); objects {
				slices.SortStableFunc(v, func(a, b any) int { return strings.Compare(order(a), order(b)) })
			}
		}
	}
	return v
}

// order sorts packages, findings and results by what names them; layers and
// steps of the history keep their places.
func order(v any) string {
	m, _ := v.(map[string]any)
	var words []string
	for _, key := range []string{"Target", "VulnerabilityID", "PkgName", "PkgPath", "InstalledVersion", "Name", "Version", "FilePath", "ID"} {
		if word, ok := m[key].(string); ok {
			words = append(words, word)
		}
	}
	return strings.Join(words, "\x00")
}
