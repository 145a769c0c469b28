package sbomfile

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/purl"
	"github.com/muster-sec/muster/scanner/sbom"
)

const (
	// maxBytes and maxPackages bound one document in an image. The longest seen, of
	// whole images, have two or three megabytes.
	maxBytes    = 8 << 20
	maxPackages = 50_000
	// bitnami is where Bitnami's images have their applications, each with a bill
	// of materials in its folder.
	bitnami = "opt/bitnami/"
)

// Packages takes the packages that bills of materials in an image list: whoever
// put a program there without a package manager may say in one what it is.
// Whether the operating system's packages among them count is up to package
// squash.
type Packages struct{}

var _ analyze.Streamer = Packages{}

// Name implements analyze.Analyzer.
func (Packages) Name() string { return "sbom" }

// Version implements analyze.Analyzer.
func (Packages) Version() int { return 1 }

// Streams implements analyze.Streamer: documents are read within bounds.
func (Packages) Streams() bool { return true }

// Required implements analyze.Analyzer. Bills of materials of Python's packages
// (PEP 770) tell what a package brings along, and not that it is installed.
func (Packages) Required(f analyze.File) bool {
	if strings.Contains(f.Path, ".dist-info/sboms/") {
		return false
	}
	for _, ending := range []string{".spdx", ".spdx.json", ".cdx", ".cdx.json"} {
		if strings.HasSuffix(f.Path, ending) {
			return true
		}
	}
	return false
}

// Begin implements analyze.Analyzer.
func (Packages) Begin() analyze.Run { return &packagesRun{} }

type packagesRun struct {
	sets  []inventory.SourceSet
	total int
}

func (r *packagesRun) Read(f analyze.File, body io.Reader) error {
	doc, err := sbom.Bounds{Bytes: maxBytes, Packages: maxPackages, Mixed: true}.Read(body)
	if errors.Is(err, sbom.ErrFormat) {
		// Whatever else is called so: names of files prove nothing. It hides what a
		// layer below had there.
		err = nil
	}
	r.total += len(doc.Packages)
	if err == nil {
		err = limit.Check("sbom_packages", analyze.MaxPackages, int64(r.total))
	}
	if err != nil {
		doc = sbom.Document{}
	}
	r.sets = append(r.sets, setsOf(f.Path, doc)...)
	return err
}

func (r *packagesRun) Result() analyze.Result { return analyze.Result{Sets: r.sets} }

// kind is what a set has in common.
type kind struct {
	ecosystem inventory.Ecosystem
	namespace string
}

// setsOf makes a set for each kind of packages, or an empty one.
func setsOf(file string, doc sbom.Document) []inventory.SourceSet {
	byKind := map[kind][]inventory.Package{}
	for _, p := range doc.Packages {
		k := kind{ecosystem: p.Ecosystem}
		if p.Ecosystem.IsOS() {
			k.namespace = p.Namespace
		}
		byKind[k] = append(byKind[k], placed(file, p))
	}
	if len(byKind) == 0 {
		byKind[kind{ecosystem: inventory.Bitnami}] = nil
	}
	var sets []inventory.SourceSet
	for _, k := range slices.SortedFunc(maps.Keys(byKind), func(a, b kind) int {
		return cmp.Or(cmp.Compare(a.ecosystem, b.ecosystem), cmp.Compare(a.namespace, b.namespace))
	}) {
		set := inventory.PackageSet{Ecosystem: k.ecosystem, Packages: byKind[k]}
		set.Canonical()
		sets = append(sets, inventory.SourceSet{Path: file, Set: set, Claim: &inventory.Claim{Namespace: k.namespace}})
	}
	return sets
}

// placed returns the package with its path in the image: paths in Bitnami's
// documents begin at the application's folder.
func placed(file string, l purl.Located) inventory.Package {
	p := l.Package
	switch {
	case l.Ecosystem.IsOS():
		p.Path = ""
	case strings.HasPrefix(file, bitnami) && l.Ecosystem == inventory.Bitnami:
		p.Path = path.Dir(file)
	case strings.HasPrefix(file, bitnami):
		p.Path = path.Join(path.Dir(file), p.Path)
	}
	return p
}
