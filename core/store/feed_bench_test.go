package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
)

const benchBatch = 1000

func benchDigest(kind string, i int) model.Digest {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", kind, i))
	return model.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

func benchVerdict(i int) feed.Record {
	v := model.Verdict{
		Digest: benchDigest("image", i), ImageID: benchDigest("id", i), Source: model.SourceScan,
		Counts: model.Counts{Critical: i % 7, High: i % 31}, OS: model.OS{Family: "debian", Version: "12.5"},
		DB: model.DBVersion{Revision: string(benchDigest("db", 0))}, Findings: string(benchDigest("findings", i))[7:],
	}
	r, err := feed.Put(feed.KindVerdict, feed.VerdictKey(v), v)
	if err != nil {
		panic(err)
	}
	return r
}

func benchFindings(i int) feed.Record {
	fs := make([]model.Finding, 100)
	for j := range fs {
		fs[j] = model.Finding{
			ID: fmt.Sprintf("CVE-2024-%05d", (i*7+j*13)%60000), Package: fmt.Sprintf("package-%d", j), Installed: "1.2.3-4", Fixed: "1.2.4",
			Type: "debian", Layer: benchDigest("layer", j%10), Severity: model.High, Status: "fixed", Score: 7.5,
			Title: "a title that says what is wrong in about this many words", URL: "https://avd.aquasec.com/nvd/cve-2024-12345",
		}
	}
	list := model.NewFindingList(fs)
	r, err := feed.Put(feed.KindFindings, list.Hash, list)
	if err != nil {
		panic(err)
	}
	return r
}

func benchChange(n int, record func(int) feed.Record) syncer.Change {
	var c syncer.Change
	for i := range benchBatch {
		r := record(n*benchBatch + i)
		c.Stream = feed.Priority().Stream(r.Scope, string(r.Kind))
		c.Put = append(c.Put, syncer.NewRecord(r.Scope, string(r.Kind), r.Key, r.Payload))
	}
	return c
}

func benchmarkApply(b *testing.B, record func(int) feed.Record) {
	s := open(b)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		change := benchChange(n, record)
		b.StartTimer()
		if _, err := s.Replica().Apply(b.Context(), change); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkApplyVerdicts applies batches of 1,000 verdicts.
func BenchmarkApplyVerdicts(b *testing.B) { benchmarkApply(b, benchVerdict) }

// BenchmarkApplyFindings applies batches of 1,000 lists of 100 findings.
func BenchmarkApplyFindings(b *testing.B) { benchmarkApply(b, benchFindings) }

// BenchmarkPublishRule changes one record of a feed that holds 100,000 verdicts in
// the same stream: what a rule costs on a primary, synced to disk.
func BenchmarkPublishRule(b *testing.B) {
	s := open(b)
	if err := s.EnterFederation(b.Context(), model.Membership{Role: model.Primary}, nil, ""); err != nil {
		b.Fatal(err)
	}
	for n := range 100 {
		err := s.write(b.Context(), func(tx *sql.Tx) error {
			records := make([]feed.Record, benchBatch)
			for i := range records {
				records[i] = benchVerdict(n*benchBatch + i)
			}
			return s.publish(tx, records...)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; b.Loop(); i++ {
		err := s.write(b.Context(), func(tx *sql.Tx) error {
			return s.publish(tx, feed.Record{Scope: feed.ScopeAll, Kind: feed.KindRule, Key: "1", Payload: fmt.Append(nil, i)})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
