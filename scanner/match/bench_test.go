package match_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"

	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

const (
	fleetImages   = 10_000
	fleetPackages = 300
	fleetKeys     = 60_000
	sources       = 4_000
)

// fleetDB writes a database of two streams with some twenty thousand advisories,
// as skewed as real ones: most packages have a few, some have hundreds. So many
// advisories, of packages next to each other, are other than in fleetDB(b, 0).
// It returns the file and the packages of the advisories that are.
func fleetDB(b *testing.B, changed int) (string, map[string]bool) {
	b.Helper()
	touched := map[string]bool{}
	random := rand.New(rand.NewPCG(1, 1))
	c := build.Content{
		UpdatedAt: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), Details: map[string]vulndb.Detail{},
		Sources: map[string]types.DataSource{"debian 12": {ID: "debian"}, "npm::x": {ID: "ghsa"}},
	}
	for s := range sources {
		n := 2 + random.IntN(5)
		if s%100 == 0 {
			n = 200
		}
		for range n {
			id := fmt.Sprintf("CVE-%d", random.IntN(40_000))
			a := build.Advisory{Bucket: "debian 12", Package: fmt.Sprintf("source%d", s), ID: id}
			a.FixedVersion = fmt.Sprintf("1.%d.%d-%d+deb12u1", random.IntN(20), random.IntN(20), random.IntN(5))
			if s%2 == 1 {
				a.Bucket, a.FixedVersion = "npm::x", ""
				a.VulnerableVersions = []string{fmt.Sprintf("<1.%d.%d", random.IntN(20), random.IntN(20))}
			}
			if len(c.Advisories) < changed {
				touched[a.Package] = true
				if s%2 == 1 {
					a.VulnerableVersions = []string{"<2"}
				} else {
					a.FixedVersion = "2.0-1"
				}
			}
			c.Advisories = append(c.Advisories, a)
			c.Details[id] = vulndb.Detail{Title: "a title", VendorSeverity: types.VendorSeverity{"nvd": types.Severity(random.IntN(5))}}
		}
	}
	path, err := build.Write(b.TempDir(), c)
	if err != nil {
		b.Fatal(err)
	}
	return path, touched
}

func fleet() (keys []match.Key, images [][]int32) {
	random := rand.New(rand.NewPCG(2, 2))
	for i := range fleetKeys {
		k := match.Key{Stream: "debian 12", Name: fmt.Sprintf("source%d", i%sources)}
		k.Version = fmt.Sprintf("1.%d.%d-%d+deb12u1", random.IntN(20), random.IntN(20), i/sources)
		if i%2 == 1 {
			k.Stream, k.Version = "npm", fmt.Sprintf("1.%d.%d", random.IntN(20), i/sources)
		}
		keys = append(keys, k)
	}
	for range fleetImages {
		packages := make([]int32, fleetPackages)
		for p := range packages {
			packages[p] = int32(random.IntN(fleetKeys))
		}
		images = append(images, packages)
	}
	return keys, images
}

// BenchmarkRematch judges a whole fleet by a new database: every distinct key is
// matched once, then every image adds up what its keys have. Opening the
// database and decoding what concerns the fleet are reported apart, in the sum.
func BenchmarkRematch(b *testing.B) {
	path, _ := fleetDB(b, 0)
	keys, images := fleet()
	var opening, preparing, matching time.Duration
	var found int
	for b.Loop() {
		started := time.Now()
		db, err := vulndb.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		opening += time.Since(started)
		m := match.New(db)
		started = time.Now()
		if err := m.Prepare(keys); err != nil {
			b.Fatal(err)
		}
		preparing += time.Since(started)
		started = time.Now()
		counts := countKeys(b, m, keys)
		found = 0
		for _, packages := range images {
			var total [5]int
			for _, p := range packages {
				for s, n := range counts[p] {
					total[s] += int(n)
				}
			}
			found += total[match.Critical]
		}
		matching += time.Since(started)
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if found == 0 {
		b.Fatal("nothing found: the benchmark matches nothing")
	}
	b.ReportMetric(float64(opening.Milliseconds())/float64(b.N), "open-ms/op")
	b.ReportMetric(float64(preparing.Milliseconds())/float64(b.N), "prepare-ms/op")
	b.ReportMetric(float64(matching.Milliseconds())/float64(b.N), "match-ms/op")
	b.ReportMetric(float64(fleetImages), "images/op")
}

// BenchmarkRematchDelta is the part of a re-match that a small difference between
// two databases asks for: 3,000 advisories changed, and the keys of their packages
// are matched again, from the decoded database to the new answers. The daemon
// looks all keys up whatever the difference is; see BenchmarkRematch.
func BenchmarkRematchDelta(b *testing.B) {
	path, touched := fleetDB(b, 3000)
	all, _ := fleet()
	var keys []match.Key
	for _, k := range all {
		if touched[k.Name] {
			keys = append(keys, k)
		}
	}
	db, err := vulndb.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for b.Loop() {
		b.StopTimer()
		m := match.New(db)
		if err := m.Prepare(keys); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		countKeys(b, m, keys)
	}
	b.ReportMetric(float64(len(keys)), "keys/op")
}

// countKeys matches the keys on all processors and counts their severities.
func countKeys(b *testing.B, m *match.Matcher, keys []match.Key) [][5]uint16 {
	b.Helper()
	counts := make([][5]uint16, len(keys))
	workers := runtime.GOMAXPROCS(0)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := w; i < len(keys); i += workers {
				vulnerabilities, err := m.Findings(keys[i])
				if err != nil {
					b.Error(err)
					return
				}
				for _, v := range vulnerabilities {
					counts[i][v.Severity]++
				}
			}
		})
	}
	wait.Wait()
	return counts
}
