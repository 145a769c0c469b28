package vulndb_test

import (
	"os"
	"testing"

	"github.com/muster-sec/muster/scanner/vulndb"
)

// BenchmarkOpen opens the database that FIXTURES_DB names.
func BenchmarkOpen(b *testing.B) {
	path := os.Getenv("FIXTURES_DB")
	if path == "" {
		b.Skip("SKIP: FIXTURES_DB not set")
	}
	for b.Loop() {
		db, err := vulndb.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
