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
}

// Advisory says that a package is affected by a vulnerability. Products
// (vulndb.Advisory.CPEs) are not written: only Red Hat's database has them.
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
		return putAdvisories(tx, c.Advisories)
	})
}

func putAdvisories(tx *bolt.Tx, advisories []Advisory) error {
	for _, a := range advisories {
		root, err := tx.CreateBucketIfNotExists([]byte(a.Bucket))
		if err != nil {
			return err
		}
		pkg, err := root.CreateBucketIfNotExists([]byte(a.Package))
		if err != nil {
			return err
		}
		// The id is the key and the source lives in its own bucket.
		value := types.Advisory{
			VendorIDs: a.VendorIDs, Arches: a.Arches, Status: a.Status, Severity: a.Severity,
			FixedVersion: a.FixedVersion, AffectedVersion: a.AffectedVersion, VulnerableVersions: a.VulnerableVersions,
			PatchedVersions: a.PatchedVersions, UnaffectedVersions: a.UnaffectedVersions,
		}
		if err := put(pkg, a.ID, &value); err != nil {
			return err
		}
	}
	return nil
}

func put(b *bolt.Bucket, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return b.Put([]byte(key), data)
}
