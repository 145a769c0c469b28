// Package build writes small vulnerability databases in trivy-db's format out
// of Go values: for tests, for the demo, and for sites that publish advisories
// of their own. It is the counterpart of package vulndb.
package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	bolt "go.etcd.io/bbolt"

	"github.com/muster-sec/muster/scanner/vulndb"
)

// DatabaseFile is the name under which Write stores the database.
const DatabaseFile = "trivy.db"

// Content is everything a database holds.
type Content struct {
	// UpdatedAt and NextUpdate go into metadata.json.
	UpdatedAt, NextUpdate time.Time
	Advisories            []Advisory
	// Details are what is known of vulnerabilities, by id.
	Details map[string]vulndb.Detail
	// Sources tell where a bucket comes from, by the bucket's name.
	Sources map[string]types.DataSource
	// Channels are the products, as numbers, that Red Hat's content sets and
	// builds belong to, by kind and name.
	Channels map[vulndb.ChannelKind]map[string][]int
}

// Advisory says that a package is affected by a vulnerability. Several with the
// same bucket, package and ID, for different architectures or products, are
// written as the entries of one record, and so is one that names architectures
// or products.
type Advisory struct {
	// Bucket is "alpine 3.17", "debian 12", "ubuntu 22.04", "npm::NAME", …
	Bucket string
	// Package is the source package's name for distributions.
	Package string
	// ID is the vulnerability's.
	ID string
	vulndb.Advisory
}

// Write writes DatabaseFile and vulndb.MetadataFile into dir, which must exist,
// and returns the path of the database. Files that are already there are
// replaced as a whole, the database first.
func Write(dir string, c Content) (path string, err error) {
	path = filepath.Join(dir, DatabaseFile)
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("build: %w", err)
	}
	if err := writeBolt(temporary, c); err != nil {
		return "", fmt.Errorf("build: write database: %w", err)
	}
	metadata, err := json.Marshal(vulndb.Metadata{Version: vulndb.Schema, UpdatedAt: c.UpdatedAt.UTC(), NextUpdate: c.NextUpdate.UTC()})
	if err != nil {
		return "", fmt.Errorf("build: encode metadata: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return "", fmt.Errorf("build: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, vulndb.MetadataFile), metadata, 0o644); err != nil {
		return "", fmt.Errorf("build: %w", err)
	}
	return path, nil
}

func writeBolt(path string, c Content) (err error) {
	db, err := bolt.Open(path, 0o644, &bolt.Options{Timeout: time.Second, NoFreelistSync: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Update(func(tx *bolt.Tx) error {
		details, err := tx.CreateBucketIfNotExists([]byte("vulnerability"))
		if err != nil {
			return err
		}
		for id, d := range c.Details {
			if err := put(details, id, d); err != nil {
				return err
			}
		}
		sources, err := tx.CreateBucketIfNotExists([]byte("data-source"))
		if err != nil {
			return err
		}
		for name, s := range c.Sources {
			if err := put(sources, name, s); err != nil {
				return err
			}
		}
		if err := putChannels(tx, c.Channels); err != nil {
			return err
		}
		return putAdvisories(tx, c.Advisories)
	})
}

func putChannels(tx *bolt.Tx, channels map[vulndb.ChannelKind]map[string][]int) error {
	if len(channels) == 0 {
		return nil
	}
	root, err := tx.CreateBucketIfNotExists([]byte("Red Hat CPE"))
	if err != nil {
		return err
	}
	for kind, products := range channels {
		b, err := root.CreateBucketIfNotExists([]byte(kind))
		if err != nil {
			return err
		}
		for name, cpes := range products {
			if err := put(b, name, cpes); err != nil {
				return err
			}
		}
	}
	return nil
}

// record names what advisories are kept together.
type record struct{ bucket, pkg, id string }

func putAdvisories(tx *bolt.Tx, advisories []Advisory) error {
	records := map[record][]Advisory{}
	var order []record // the order decides over the file's bytes
	for _, a := range advisories {
		r := record{a.Bucket, a.Package, a.ID}
		if len(a.CPEs) > 0 && len(a.VendorIDs) > 0 {
			r.id = a.VendorIDs[0] // Red Hat's advisories list the vulnerabilities they repair
		}
		if records[r] == nil {
			order = append(order, r)
		}
		records[r] = append(records[r], a)
	}
	for _, r := range order {
		root, err := tx.CreateBucketIfNotExists([]byte(r.bucket))
		if err != nil {
			return err
		}
		pkg, err := root.CreateBucketIfNotExists([]byte(r.pkg))
		if err != nil {
			return err
		}
		if err := put(pkg, r.id, valueOf(r, records[r])); err != nil {
			return err
		}
	}
	return nil
}

// valueOf returns what is stored: the advisory, or entries. The id is the key and
// the source lives in a bucket of its own.
func valueOf(r record, several []Advisory) any {
	if a := several[0]; len(several) == 1 && len(a.Arches) == 0 && len(a.CPEs) == 0 {
		return &types.Advisory{
			VendorIDs: a.VendorIDs, Status: a.Status, Severity: a.Severity,
			FixedVersion: a.FixedVersion, AffectedVersion: a.AffectedVersion, VulnerableVersions: a.VulnerableVersions,
			PatchedVersions: a.PatchedVersions, UnaffectedVersions: a.UnaffectedVersions,
		}
	}
	var entries []entry
	for _, a := range several {
		e := entry{
			FixedVersion: a.FixedVersion, Arches: a.Arches, VendorIDs: a.VendorIDs, Severity: a.Severity,
			Status: int(a.Status), Affected: a.CPEs,
		}
		if len(a.CPEs) > 0 {
			repaired := vulnerability{Severity: a.Severity}
			if r.id != a.ID {
				repaired.ID = a.ID
			}
			e.CVEs, e.VendorIDs, e.Severity = []vulnerability{repaired}, nil, types.SeverityUnknown
		}
		entries = append(entries, e)
	}
	return map[string]any{"Entries": entries, "FixedVersion": several[0].FixedVersion}
}

type entry struct {
	FixedVersion string          `json:",omitempty"`
	Arches       []string        `json:",omitempty"`
	VendorIDs    []string        `json:",omitempty"`
	Severity     types.Severity  `json:",omitempty"`
	Status       int             `json:",omitempty"`
	Affected     []int           `json:",omitempty"`
	CVEs         []vulnerability `json:"Cves,omitempty"`
}

type vulnerability struct {
	ID       string         `json:",omitempty"`
	Severity types.Severity `json:",omitempty"`
}

func put(b *bolt.Bucket, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return b.Put([]byte(key), data)
}
