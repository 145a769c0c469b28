package rpm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// manifestFile lists the packages of Mariner's and Photon's distroless images,
// which have no database.
const manifestFile = "var/lib/rpmmanifest/container-manifest-2"

const (
	maxManifest     = 16 << 20
	maxManifestLine = 64 << 10
)

var errManifest = errors.New("rpm: malformed manifest")

// parseManifest reads lines of "name, version-release, install time, build time,
// vendor, (none), size, architecture, epoch, source package" with tabs between.
func parseManifest(body io.Reader) ([]inventory.Package, error) {
	lines := bufio.NewScanner(limit.Reader(body, "rpm_manifest_bytes", maxManifest))
	lines.Buffer(nil, maxManifestLine)
	var packages []inventory.Package
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 10 {
			return packages, fmt.Errorf("%w: %d fields in line %d", errManifest, len(fields), len(packages)+1)
		}
		version, release, ok := strings.Cut(fields[1], "-")
		if !ok || strings.Contains(release, "-") || fields[0] == "" {
			return packages, fmt.Errorf("%w: version %.100q", errManifest, fields[1])
		}
		epoch, err := strconv.ParseUint(fields[8], 10, 32)
		if err != nil {
			return packages, fmt.Errorf("%w: epoch %.100q", errManifest, fields[8])
		}
		if err := limit.Check("rpm_packages", analyze.MaxPackages, int64(len(packages)+1)); err != nil {
			return packages, err
		}
		p := inventory.Package{Name: fields[0], Version: fullVersion(uint32(epoch), version, release), Arch: fields[7]}
		setSource(&p, fields[9], uint32(epoch))
		packages = append(packages, p)
	}
	if err := lines.Err(); err != nil {
		return packages, fmt.Errorf("rpm: read manifest: %w", err)
	}
	return packages, nil
}
