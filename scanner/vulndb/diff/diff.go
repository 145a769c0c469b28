// Package diff tells two vulnerability databases apart: how many advisories of
// each ecosystem were added, removed or changed.
package diff

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/muster-sec/muster/scanner/vulndb"
)

// maxExamples bounds how many advisories are named for each kind of change.
const maxExamples = 5

// Ecosystem is what changed in one stream of advisories: a distribution's
// release ("debian 12") or a language ("npm").
type Ecosystem struct {
	Name    string `json:"name"`
	Added   int    `json:"added"`
	Removed int    `json:"removed"`
	Changed int    `json:"changed"`
	// Before and After are how many advisories there were and are.
	Before int `json:"before"`
	After  int `json:"after"`
	// Examples names some of the changes: "+CVE-2026-1 openssl", "-…", "~…".
	Examples []string `json:"examples,omitempty"`
}

// Result is the difference of two databases.
type Result struct {
	Old string `json:"old"`
	New string `json:"new"`
	// Ecosystems are those that differ, sorted by name; Same is how many do not.
	Ecosystems []Ecosystem `json:"ecosystems"`
	Same       int         `json:"same"`
}

// advisory names an advisory in a stream.
type advisory struct{ bucket, pkg, id string }

// Compare compares stream by stream, so that memory holds no more than the
// largest one's names.
func Compare(before, after *vulndb.DB) (Result, error) {
	result := Result{Old: before.Revision(), New: after.Revision(), Ecosystems: []Ecosystem{}}
	streams := map[string][]string{}
	for _, b := range slices.Concat(before.Buckets(), after.Buckets()) {
		if name := vulndb.Stream(b); !slices.Contains(streams[name], b) {
			streams[name] = append(streams[name], b)
		}
	}
	seed := maphash.MakeSeed()
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		e, err := compareStream(name, streams[name], before, after, seed)
		if err != nil {
			return Result{}, err
		}
		if e.Added+e.Removed+e.Changed == 0 {
			result.Same++
			continue
		}
		result.Ecosystems = append(result.Ecosystems, e)
	}
	return result, nil
}

func compareStream(name string, buckets []string, before, after *vulndb.DB, seed maphash.Seed) (Ecosystem, error) {
	e := Ecosystem{Name: name}
	known := map[advisory]uint64{}
	for _, b := range buckets {
		err := before.Walk(b, func(pkg, id string, record []byte) error {
			known[advisory{b, pkg, id}] = maphash.Bytes(seed, record)
			return nil
		})
		if err != nil {
			return e, err
		}
	}
	e.Before = len(known)
	for _, b := range buckets {
		err := after.Walk(b, func(pkg, id string, record []byte) error {
			e.After++
			a := advisory{b, pkg, id}
			sum, there := known[a]
			delete(known, a)
			switch {
			case !there:
				e.note(&e.Added, "+", a)
			case sum != maphash.Bytes(seed, record):
				e.note(&e.Changed, "~", a)
			}
			return nil
		})
		if err != nil {
			return e, err
		}
	}
	gone := slices.SortedFunc(maps.Keys(known), func(a, b advisory) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.id, b.id))
	})
	for _, a := range gone {
		e.note(&e.Removed, "-", a)
	}
	return e, nil
}

func (e *Ecosystem) note(count *int, sign string, a advisory) {
	*count++
	if *count <= maxExamples {
		e.Examples = append(e.Examples, sign+a.id+" "+a.pkg)
	}
}
