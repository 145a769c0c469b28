package parity_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/muster-sec/muster/scanner/sampleimage"
)

var update = flag.Bool("update", false, "write how the specimens differ to testdata/differences.txt")

// specimen is an image that is made to show one thing.
type specimen struct {
	layers      []sampleimage.Layer
	compression compression.Compression
	// archive makes it a file as docker save writes it instead of a layout.
	archive bool
	// row is the case of DIFFERENCES.md that the specimen shows; empty where the
	// peers agree.
	row string
	// unsourced leaves out the data source of our findings: Trivy has none for Red
	// Hat's, as another specimen shows.
	unsourced bool
}

// specimens are all images made by code, by name.
func specimens(t *testing.T) map[string]specimen {
	t.Helper()
	all := map[string]specimen{}
	for _, some := range []map[string]specimen{
		apkSpecimens(), dpkgSpecimens(), rpmSpecimens(t), redHatSpecimens(), nodeSpecimens(), pythonSpecimens(), gemSpecimens(),
		programSpecimens(t), jarSpecimens(), phpSpecimens(), projectSpecimens(), sbomSpecimens(), layerSpecimens(), ownedSpecimens(), differingSpecimens(),
	} {
		for name, s := range some {
			if _, twice := all[name]; twice {
				t.Fatalf("two specimens are called %s", name)
			}
			all[name] = s
		}
	}
	return all
}

// TestSpecimens scans images made by code with Trivy and with ours.
func TestSpecimens(t *testing.T) {
	t.Parallel()
	_ = trivy(t)
	db, java := databases(t)
	peers := newPair(t, db, java)
	golden := readDifferences(t)
	all := specimens(t)
	results := make(chan difference, len(all))
	t.Run("all", func(t *testing.T) {
		for name, s := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				lines := peers.compare(t, s.store(t))
				results <- difference{name: name, row: s.row, lines: lines}
				if s.row == "" && len(lines) > 0 {
					t.Errorf("nobody says that it differs (-trivy +ours):\n%s", strings.Join(lines, "\n"))
				}
				if s.row != "" && len(lines) == 0 {
					t.Errorf("it does not differ although %q says so", s.row)
				}
			})
		}
	})
	close(results)
	var found []difference
	for d := range results {
		if d.row != "" {
			found = append(found, d)
		}
	}
	if *update {
		writeDifferences(t, found)
		return
	}
	for _, d := range found {
		if diff := cmp.Diff(golden[d.name], d.lines); diff != "" {
			t.Errorf("%s differs in other lines than testdata/differences.txt says (-listed +found):\n%s", d.name, diff)
		}
		delete(golden, d.name)
	}
	if len(golden) > 0 && len(found) > 0 {
		t.Errorf("testdata/differences.txt lists what is no specimen: %v", slices.Sorted(maps.Keys(golden)))
	}
}

// store writes the image.
func (s specimen) store(t *testing.T) subject {
	t.Helper()
	image := imageOf(t, sampleimage.Spec{Layers: s.layers, Compression: s.compression})
	if !s.archive {
		return subject{scheme: "oci:", path: store(t, image), unsourced: s.unsourced}
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(path, name.MustParseReference("example.org/specimen:1"), image); err != nil {
		t.Fatal(err)
	}
	return subject{scheme: "docker-archive:", path: path, unsourced: s.unsourced}
}

// one is an image of one layer.
func one(l ...sampleimage.File) specimen { return specimen{layers: []sampleimage.Layer{l}} }

// stacked is an image of these layers, from the base upwards.
func stacked(layers ...sampleimage.Layer) specimen { return specimen{layers: layers} }

func text(path, body string) sampleimage.File { return sampleimage.File{Path: path, Body: body} }

// difference is what one specimen shows.
type difference struct {
	name, row string
	lines     []string
}

const differencesFile = "testdata/differences.txt"

// readDifferences reads paragraphs of "NAME: ROW" and the lines that differ.
func readDifferences(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(differencesFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	golden := map[string][]string{}
	for paragraph := range strings.SplitSeq(string(data), "\n\n") {
		lines := strings.Split(strings.TrimSpace(paragraph), "\n")
		if name, _, ok := strings.Cut(lines[0], ": "); ok && !strings.HasPrefix(lines[0], "#") {
			golden[name] = lines[1:]
		}
	}
	return golden
}

func writeDifferences(t *testing.T, found []difference) {
	t.Helper()
	slices.SortFunc(found, func(a, b difference) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	b.WriteString("# Where the specimens differ from Trivy's results: the specimen and its case of DIFFERENCES.md,\n" +
		"# then what only Trivy has (-) and what only we have (+). Written by go test -update.\n")
	for _, d := range found {
		b.WriteString("\n" + d.name + ": " + d.row + "\n" + strings.Join(d.lines, "\n") + "\n")
	}
	if err := os.MkdirAll(filepath.Dir(differencesFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(differencesFile, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEveryDifferenceIsExplained holds the list that tests read against the one
// that people read.
func TestEveryDifferenceIsExplained(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../DIFFERENCES.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if cells := strings.Split(line, "|"); len(cells) == 6 {
			rows[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[4]) != ""
		}
	}
	shown := map[string]bool{}
	for name, s := range differingSpecimens() {
		if s.row != "" && !rows[s.row] {
			t.Errorf("specimen %s shows %q, which DIFFERENCES.md has no reason for", name, s.row)
		}
		shown[s.row] = true
	}
	for row := range rows {
		if !shown[row] && !slices.Contains(unshown(), row) && row != "case" && !strings.HasPrefix(row, "---") {
			t.Errorf("no specimen shows %q", row)
		}
	}
}
