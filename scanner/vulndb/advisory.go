package vulndb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aquasecurity/trivy-db/pkg/types"
	bolt "go.etcd.io/bbolt"
)

// Advisory is what a bucket says about one vulnerability of one package. The
// names are those of trivy-db's fields.
type Advisory struct {
	// VulnerabilityID is a CVE or the id of the data source.
	VulnerabilityID string
	// VendorIDs are the vendor's own names for it.
	VendorIDs []string
	// Arches are the architectures concerned; none means all.
	Arches []string
	// CPEs are the products concerned, as numbers that DB.CPEs returns. Only
	// Red Hat's advisories have them.
	CPEs []int
	// Status is what the vendor says where there is no fix.
	Status types.Status
	// Severity is the vendor's for this package, if it has one.
	Severity types.Severity
	// FixedVersion and AffectedVersion bound the versions of a distribution's
	// package.
	FixedVersion, AffectedVersion string
	// The ranges of versions of a language's package.
	VulnerableVersions, PatchedVersions, UnaffectedVersions []string
	// DataSource is where the bucket comes from, nil if it does not say. It is
	// shared.
	DataSource *types.DataSource
}

// entry is one of the several advisories that a value may hold, for different
// architectures or products.
type entry struct {
	FixedVersion string
	Arches       []string
	VendorIDs    []string
	Severity     types.Severity
	Status       int
	// Affected and CVEs are Red Hat's: one of its advisories repairs several
	// vulnerabilities.
	Affected []int
	CVEs     []struct {
		ID       string
		Severity types.Severity
	} `json:"Cves"`
}

// ChannelKind tells what CPEs are asked for.
type ChannelKind string

// What a layer made by Red Hat was built from, or as.
const (
	ContentSet ChannelKind = "repository"
	Build      ChannelKind = "nvr"
)

// Advisories returns what one bucket says about a package, sorted by the
// bucket's ids; nothing when it knows neither bucket nor package. There may be
// several for one vulnerability, for different architectures or products.
func (db *DB) Advisories(bucket, pkg string) ([]Advisory, error) {
	var result []Advisory
	err := db.view(func(tx *bolt.Tx) error {
		root := tx.Bucket([]byte(bucket))
		if root == nil {
			return nil
		}
		advisories := root.Bucket([]byte(pkg))
		if advisories == nil {
			return nil
		}
		source := db.sources[bucket]
		return advisories.ForEach(func(id, value []byte) error {
			if len(value) == 0 {
				return nil
			}
			decoded, err := decode(string(id), value)
			if err != nil {
				return fmt.Errorf("%w: advisory %s of %s: %w", ErrSchema, id, pkg, err)
			}
			for i := range decoded {
				decoded[i].DataSource = source
			}
			result = append(result, decoded...)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("vulndb: advisories of %s in %s: %w", pkg, bucket, err)
	}
	return result, nil
}

// CPEs returns the numbers of the products that a content set or a build of Red
// Hat belongs to; none when the database does not know it.
func (db *DB) CPEs(kind ChannelKind, name string) ([]int, error) {
	var cpes []int
	err := db.view(func(tx *bolt.Tx) error {
		root := tx.Bucket([]byte(channelBucket))
		if root == nil {
			return nil
		}
		channels := root.Bucket([]byte(kind))
		if channels == nil {
			return nil
		}
		value := channels.Get([]byte(name))
		if value == nil {
			return nil
		}
		if err := json.Unmarshal(value, &cpes); err != nil {
			return fmt.Errorf("%w: %w", ErrSchema, err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("vulndb: products of %s %s: %w", kind, name, err)
	}
	return cpes, nil
}

// decode reads the value of one id: one advisory, or entries.
func decode(id string, value []byte) ([]Advisory, error) {
	var several struct{ Entries []entry }
	if bytes.Contains(value, []byte(`"Entries"`)) {
		if err := json.Unmarshal(value, &several); err != nil {
			return nil, err
		}
	}
	if len(several.Entries) == 0 {
		var a types.Advisory
		if err := json.Unmarshal(value, &a); err != nil {
			return nil, err
		}
		return []Advisory{{
			VulnerabilityID: id, VendorIDs: a.VendorIDs, Arches: a.Arches, Status: a.Status, Severity: a.Severity,
			FixedVersion: a.FixedVersion, AffectedVersion: a.AffectedVersion, VulnerableVersions: a.VulnerableVersions,
			PatchedVersions: a.PatchedVersions, UnaffectedVersions: a.UnaffectedVersions,
		}}, nil
	}
	var result []Advisory
	for _, e := range several.Entries {
		a := Advisory{
			VulnerabilityID: id, VendorIDs: e.VendorIDs, Arches: e.Arches, CPEs: e.Affected,
			Status: types.Status(e.Status), Severity: e.Severity, FixedVersion: e.FixedVersion,
		}
		if len(e.Affected) == 0 {
			// Without products an entry is for architectures, and one that names
			// none concerns none.
			if len(e.Arches) > 0 {
				result = append(result, a)
			}
			continue
		}
		for _, cve := range e.CVEs {
			a.Severity = cve.Severity
			if !strings.HasPrefix(id, "CVE-") {
				a.VulnerabilityID, a.VendorIDs = cve.ID, []string{id}
			}
			result = append(result, a)
		}
	}
	return result, nil
}
