package analyze_test

import (
	"testing"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/all"
)

func TestAnalyzersHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, a := range all.Analyzers() {
		if a.Name() == "" || a.Version() < 1 || seen[a.Name()] {
			t.Errorf("analyzer %T: name %q, version %d", a, a.Name(), a.Version())
		}
		seen[a.Name()] = true
	}
}

func TestFingerprintIgnoresOrder(t *testing.T) {
	t.Parallel()
	forward := all.Analyzers()
	var backward []analyze.Analyzer
	for _, a := range forward {
		backward = append([]analyze.Analyzer{a}, backward...)
	}
	if a, b := analyze.Fingerprint(forward), analyze.Fingerprint(backward); a != b {
		t.Errorf("%s differs from %s", a, b)
	}
	if a, b := analyze.Fingerprint(forward), analyze.Fingerprint(forward[1:]); a == b {
		t.Errorf("fingerprint %s does not tell a missing analyzer", a)
	}
}

func TestPathSet(t *testing.T) {
	t.Parallel()
	s := analyze.NewPathSet()
	s.Add(s.Hash("usr/bin/a"), s.Hash("usr/bin/b"))
	if !s.Has("usr/bin/a") || s.Has("usr/bin/c") {
		t.Error("a set must know what was added and nothing else")
	}
	var none *analyze.PathSet
	if none.Has("usr/bin/a") {
		t.Error("a nil set has nothing")
	}
}
