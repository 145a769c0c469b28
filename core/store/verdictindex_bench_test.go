package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/admission"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// benchVerdicts is how many results the benchmarks decide among; the number to
// reach is stated for MUSTER_BENCH_VERDICTS=1000000.
func benchVerdicts(b *testing.B) int {
	b.Helper()
	n := 100_000
	if s := os.Getenv("MUSTER_BENCH_VERDICTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	return n
}

// benchLists is how many different finding lists the results share.
const benchLists = 5_000

func indexedDigest(i int) model.Digest {
	return model.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(strconv.Itoa(i)))))
}

// benchStore holds n scanned images, each under a tag of its own, with finding
// lists of 20 to 400 findings.
func benchStore(b *testing.B, n int) *Store {
	b.Helper()
	s, err := Open(b.Context(), Options{Path: filepath.Join(b.TempDir(), "muster.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	random := rand.New(rand.NewPCG(1, 2))
	lists := make([]model.FindingList, min(n, benchLists))
	counts := make([]model.Counts, len(lists))
	const step = 10_000
	for from := 0; from < n; from += step {
		err := s.write(b.Context(), func(tx *sql.Tx) error {
			for i := from; i < min(n, from+step); i++ {
				l := i % len(lists)
				if i == l {
					lists[l] = indexedFindings(random)
					counts[l] = model.CountFindings(lists[l].Findings)
					if err := putFindings(tx, lists[l]); err != nil {
						return err
					}
					lists[l].Findings = nil
				}
				if err := benchImage(tx, i, counts[l], lists[l].Hash); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func benchImage(tx *sql.Tx, i int, counts model.Counts, findings string) error {
	v := model.Verdict{Digest: indexedDigest(i), Source: model.SourceScan, Counts: counts, Findings: findings, ScannedAt: time.Unix(1e9, 0)}
	if err := putVerdict(tx, model.Federated, v); err != nil {
		return err
	}
	return putTag(tx, model.Federated, model.Tag{
		Registry: "fed.main", Host: "reg.example", Repository: fmt.Sprintf("team%d/app%d", i%100, i), Tag: "1.0", Digest: v.Digest,
	})
}

func indexedFindings(random *rand.Rand) model.FindingList {
	fs := make([]model.Finding, 20+random.IntN(380))
	for i := range fs {
		fs[i] = model.Finding{
			ID: fmt.Sprintf("CVE-%d-%d", 2015+random.IntN(10), random.IntN(50_000)), Package: fmt.Sprintf("package-%d", i), Installed: "1.2.3-4",
			Fixed: "1.2.3-5", Type: "debian", Severity: []model.Severity{model.Low, model.Medium, model.High}[random.IntN(3)], Status: "fixed", Score: 5,
			Title: "a flaw that lets somebody do something that nobody meant to allow", URL: "https://avd.example/nvd/cve",
		}
	}
	return model.NewFindingList(fs)
}

// benchRules are 100 rules of which none is decisive, so that all are looked at.
func benchRules() []policy.Rule {
	var rules []policy.Rule
	for i := range 100 {
		c := []policy.Criterion{
			{Name: "cveNames", Op: "containsAny", Value: fmt.Sprintf("CVE-1999-%d,CVE-1998-%d,CVE-1997-*", i, i)},
			{Name: "namespace", Op: "notContainsAny", Value: "dev,test"},
		}
		switch i % 4 {
		case 1:
			c[0] = policy.Criterion{Name: "cveHighCount", Op: ">=", Value: "1000"}
		case 2:
			c[0] = policy.Criterion{Name: "image", Op: "containsAny", Value: fmt.Sprintf("*/blocked%d/*,reg.example/blocked%d", i, i)}
		case 3:
			c[0] = policy.Criterion{Name: "imageScanned", Op: "=", Value: "false"}
		}
		rules = append(rules, policy.Rule{ID: uint32(policy.FirstFederatedID + i), CfgType: policy.Federal, RuleType: policy.Deny, Criteria: c})
	}
	return rules
}

// fixedRules gives the benchmark its rules without a primary to keep them on.
type fixedRules struct{ *Store }

func (fixedRules) Rules(context.Context) ([]policy.Rule, error) { return benchRules(), nil }

func benchIndex(b *testing.B, s *Store) *VerdictIndex {
	b.Helper()
	ix, err := s.VerdictIndex(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := ix.Close(); err != nil {
			b.Error(err)
		}
	})
	return ix
}

// BenchmarkDecision judges pods of one container whose images are chosen at
// random among all results, by tag and by digest in turn.
func BenchmarkDecision(b *testing.B) {
	n := benchVerdicts(b)
	s := benchStore(b, n)
	service, err := admission.New(admission.Options{
		Rules: fixedRules{s}, States: s, Results: benchIndex(b, s), Memberships: s, Auditor: s, Log: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = service.Reload(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	var times []time.Duration
	for b.Loop() {
		i := random.IntN(n)
		image := fmt.Sprintf("reg.example/team%d/app%d:1.0", i%100, i)
		if i%2 == 0 {
			image = "reg.example/any@" + string(indexedDigest(i))
		}
		req := admission.Request{UID: "u", Operation: "CREATE", Kind: "Pod", Namespace: "prod",
			Containers: []admission.Container{{Name: "c", Kind: policy.Containers, Image: image}}}
		start := time.Now()
		d, err := service.Review(b.Context(), req)
		times = append(times, time.Since(start))
		if err != nil || len(d.Containers[0].Results) != 1 || len(d.Containers[0].Trace) != 101 {
			b.Fatalf("%+v, %v", d, err)
		}
	}
	reportPercentiles(b, times)
}

// BenchmarkVerdictLookup finds the verdict of an image by its digest.
func BenchmarkVerdictLookup(b *testing.B) {
	n := benchVerdicts(b)
	ix := benchIndex(b, benchStore(b, n))
	random := rand.New(rand.NewPCG(5, 6))
	var times []time.Duration
	for b.Loop() {
		digest := indexedDigest(random.IntN(n))
		start := time.Now()
		known, err := ix.Verdicts(b.Context(), digest)
		times = append(times, time.Since(start))
		if err != nil || len(known) != 1 {
			b.Fatal(known, err)
		}
	}
	reportPercentiles(b, times)
}

func reportPercentiles(b *testing.B, times []time.Duration) {
	b.Helper()
	slices.Sort(times)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(times[(len(times)-1)*p/100].Microseconds()), fmt.Sprintf("p%d-µs", p))
	}
}
