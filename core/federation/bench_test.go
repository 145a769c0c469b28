package federation_test

import (
	"crypto/sha256"
	"database/sql"
	"flag"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite" // to look into a member's database

	"github.com/muster-sec/muster/core/model"
)

var benchImages = flag.Int("bench.images", 500, "images that a new member receives in BenchmarkFirstSync")

// BenchmarkFirstSync joins a new member to a primary with many scanned images of
// 300 packages and 60 findings and waits until it holds everything. "verdicts/ms"
// is when it could judge every image, "all/ms" when it was equal to its primary.
// The member is durable; the session runs over loopback.
func BenchmarkFirstSync(b *testing.B) {
	n := newNetwork()
	home := newCluster(b, n, "home")
	home.promote()
	if err := home.store.AddRegistry(b.Context(), model.Registry{Name: "fed.prod", Type: "oci", URL: "https://registry.test"}); err != nil {
		b.Fatal(err)
	}
	var group errgroup.Group
	group.SetLimit(16)
	for i := range *benchImages {
		group.Go(func() error { return home.store.SaveScan(b.Context(), benchScan(i)) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	var verdicts, all time.Duration
	for i := 0; b.Loop(); i++ {
		west := newCluster(b, n, fmt.Sprint("west", i))
		start := time.Now()
		west.join(home)
		west.eventually("all verdicts", func() bool { return west.verdicts() == *benchImages })
		verdicts += time.Since(start)
		west.eventually("everything", func() bool { return west.see(west.name).Status == model.StatusSynced })
		all += time.Since(start)
		west.kill()
	}
	b.ReportMetric(float64(verdicts.Milliseconds())/float64(b.N), "verdicts/ms")
	b.ReportMetric(float64(all.Milliseconds())/float64(b.N), "all/ms")
}

// verdicts counts the verdicts that the feed has brought.
func (c *cluster) verdicts() (n int) {
	c.t.Helper()
	db, err := sql.Open("sqlite", c.path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(`SELECT count(*) FROM verdicts WHERE origin = 'fed'`).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

func benchScan(i int) model.ScanResult {
	digest := func(what string, n int) model.Digest {
		return model.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(fmt.Appendf(nil, "%s %d", what, n))))
	}
	var findings []model.Finding
	packages := []byte(`{"packages":[`)
	for j := range 300 {
		if j%5 == 0 {
			findings = append(findings, model.Finding{
				ID: fmt.Sprintf("CVE-2024-%05d", (i*7+j*13)%60000), Package: fmt.Sprint("package-", j), Installed: fmt.Sprint("1.2.", i%20), Fixed: "1.3.0",
				Type: "debian", Severity: model.High, Status: "fixed", Score: 7.5, Title: "what is wrong, said in a few words",
			})
		}
		packages = fmt.Appendf(packages, `{"name":"package-%d","version":"1.2.%d","arch":"amd64"},`, j, i%20+j%3)
	}
	set := string(digest("set", i))
	list := model.NewFindingList(findings)
	img := digest("image", i)
	return model.ScanResult{
		Job:       model.Job{Registry: "fed.prod", Repository: "app", Digest: img},
		Image:     model.Image{Digest: img, ImageID: digest("id", i), Status: model.ImageFinished, Layers: []model.Layer{{Digest: digest("layer", i)}}},
		Inventory: fmt.Appendf(nil, `{"sources":[{"set":%q,"path":"var/lib/dpkg/status"}]}`, set),
		Sets:      map[string][]byte{set: packages},
		Verdict:   &model.Verdict{Digest: img, Source: model.SourceScan, Counts: model.CountFindings(findings), Findings: list.Hash},
		Findings:  list,
	}
}
