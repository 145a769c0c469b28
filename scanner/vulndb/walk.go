package vulndb

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// Walk calls visit with every advisory of a bucket, sorted by package and
// vulnerability: the record as stored, valid during the call only. It ends early
// with visit's error.
func (db *DB) Walk(bucket string, visit func(pkg, id string, record []byte) error) error {
	err := db.view(func(tx *bolt.Tx) error {
		root := tx.Bucket([]byte(bucket))
		if root == nil {
			return nil
		}
		return root.ForEachBucket(func(pkg []byte) error {
			return root.Bucket(pkg).ForEach(func(id, record []byte) error {
				return visit(string(pkg), string(id), record)
			})
		})
	})
	if err != nil {
		return fmt.Errorf("vulndb: walk %s: %w", bucket, err)
	}
	return nil
}

// Ecosystem is how much a database knows of one: a distribution or a language.
type Ecosystem struct {
	Name string `json:"name"`
	// Releases are those of a distribution that have advisories; 0 for a language.
	Releases   int `json:"releases,omitempty"`
	Advisories int `json:"advisories"`
}

// Ecosystems counts the advisories, sorted by name. It reads all of them.
func (db *DB) Ecosystems() ([]Ecosystem, error) {
	known := map[string]*Ecosystem{}
	for _, bucket := range db.buckets {
		name, release := family(bucket)
		e := known[name]
		if e == nil {
			e = &Ecosystem{Name: name}
			known[name] = e
		}
		if release != "" {
			e.Releases++
		}
		err := db.Walk(bucket, func(string, string, []byte) error {
			e.Advisories++
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	ecosystems := make([]Ecosystem, 0, len(known))
	for _, name := range slices.Sorted(maps.Keys(known)) {
		ecosystems = append(ecosystems, *known[name])
	}
	return ecosystems, nil
}

// Stream is what stands before the data source in a bucket's name: "npm::NAME"
// is of the stream "npm", "debian 12" is one itself.
func Stream(bucket string) string {
	name, _, _ := strings.Cut(bucket, "::")
	return name
}

// family takes the release off a distribution's stream: "debian 12" is of
// "debian", "alpine edge" of "alpine".
func family(bucket string) (name, release string) {
	stream := Stream(bucket)
	at := strings.LastIndexByte(stream, ' ')
	if at < 0 {
		return stream, ""
	}
	if last := stream[at+1:]; last == "edge" || last != "" && '0' <= last[0] && last[0] <= '9' {
		return stream[:at], last
	}
	return stream, ""
}
