// Package dpkg reads the database of Debian's package manager, also in the form
// that distroless images use: one file per package in status.d.
package dpkg

import (
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

const (
	statusFile = "var/lib/dpkg/status"
	statusDir  = "var/lib/dpkg/status.d/"
	infoDir    = "var/lib/dpkg/info/"
	sumsSuffix = ".md5sums"
)

// errNoPackages is reported for a status file that is not empty and yet declares
// no package, because silence would look like an image without packages.
var errNoPackages = errors.New("dpkg: no package in a status file that is not empty")

// Analyzer recognises dpkg's status files and the lists of files that packages own.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "dpkg" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 2 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool {
	if !strings.HasPrefix(f.Path, "var/lib/dpkg/") {
		return false
	}
	dir, base := path.Split(f.Path)
	return f.Path == statusFile || dir == statusDir || (dir == infoDir && strings.HasSuffix(base, sumsSuffix))
}

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run {
	return &run{owned: analyze.NewPathSet(), files: map[string][]analyze.PathHash{}}
}

type run struct {
	sets  []inventory.SourceSet
	owned *analyze.PathSet
	total int
	// files are the paths that each package ("name" or "name:arch") owns. They
	// count only once a status file declares the package.
	files map[string][]analyze.PathHash
}

func (r *run) Read(f analyze.File, body io.Reader) error {
	if owner, ok := strings.CutSuffix(path.Base(f.Path), sumsSuffix); ok {
		var hashes []analyze.PathHash
		err := parseSums(body, func(file string) { hashes = append(hashes, r.owned.Hash(file)) })
		r.files[owner] = hashes
		return err
	}
	packages, err := parseStatus(body)
	r.total += len(packages)
	if tooMany := limit.Check("dpkg_packages", analyze.MaxPackages, int64(r.total)); tooMany != nil {
		return tooMany
	}
	set := inventory.PackageSet{Ecosystem: inventory.Dpkg, Packages: packages}
	set.Canonical()
	r.sets = append(r.sets, inventory.SourceSet{Path: f.Path, Set: set})
	if err == nil && len(packages) == 0 && f.Size > 0 && f.Path == statusFile {
		return errNoPackages
	}
	return err
}

func (r *run) Result() analyze.Result {
	for _, s := range r.sets {
		for _, p := range s.Set.Packages {
			// Files of third-party packages stay visible to the analyzers of
			// languages: no distribution maintains them.
			if p.ThirdParty {
				continue
			}
			files, ok := r.files[p.Name]
			if !ok {
				files = r.files[p.Name+":"+p.Arch]
			}
			r.owned.Add(files...)
		}
	}
	return analyze.Result{Sets: r.sets, Owned: r.owned}
}

// thirdParty reports whether a maintainer is known to publish packages outside
// the distribution. dpkg does not record where a package came from, so the
// maintainer is the only sign there is.
func thirdParty(maintainer string) bool {
	return slices.Contains(vendorNames(), maintainer) ||
		slices.ContainsFunc(vendorMarks(), func(mark string) bool { return strings.Contains(maintainer, mark) })
}

// vendorNames are maintainers that consist of nothing but a short name.
func vendorNames() []string { return []string{"GitHub", "HashiCorp"} }

// vendorMarks are parts of a maintainer that tell a vendor's own packages: the
// mail domains and addresses under which the well-known vendor repositories sign.
func vendorMarks() []string {
	return []string{
		"@cloudflare.com", "@datadoghq.com", "@hashicorp.com", "@konghq.com", "@microsoft.com", "@mongodb.com",
		"@nodesource.com", "@nvidia.com", "@openrobotics.org", "@osrfoundation.org",
		"contact@grafana.com", "dev@couchdb.apache.org", "developers@lists.mariadb.org", "info@elastic.co",
		"info@tailscale.com", "nginx-packaging@f5.com", "sapmachine@sap.com", "support@docker.com",
		"support@gitlab.com", "support@influxdb.com", "Google Cloud CLI Authors",
	}
}
