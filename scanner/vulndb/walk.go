package vulndb

import (
	"fmt"

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
