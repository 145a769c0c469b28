package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muster-sec/muster/cli/rig"
)

const (
	// pairs of runs make one operation of the benchmark of an image.
	pairs = 5
	// leastImage is the size, as stored, from which the speed of reading counts
	// and not that of starting a process.
	leastImage = 30_000_000
)

// BenchmarkScan is the scanner's table of numbers:
//
//	image/NAME  one image, nothing cached; medians of five alternating pairs
//	image/worst the worst ratios of all images
//	registry    all images in one go, by a daemon, against Trivy in a loop
//	huge        an image of five gigabytes
//	many        an image of 190,000 packages
//
// The registry server is not counted. All that is read lies in the page cache.
func BenchmarkScan(b *testing.B) {
	s := prepare(b)
	b.Run("image", func(b *testing.B) { benchmarkImages(b, s) })
	b.Run("registry", func(b *testing.B) { benchmarkRegistry(b, s) })
	b.Run("huge", func(b *testing.B) {
		benchmarkOne(b, s, func(registry string) string { return pushHuge(b, registry, s.muster) })
	})
	b.Run("many", func(b *testing.B) {
		benchmarkOne(b, s, func(registry string) string { return pushMany(b, registry) })
	})
}

func benchmarkImages(b *testing.B, s *site) {
	var worst ratios
	measured := 0
	for _, image := range s.images(b) {
		if image.bytes < leastImage {
			continue
		}
		b.Run(strings.ReplaceAll(image.name, "/", "-"), func(b *testing.B) {
			s.warm(b, image.ref, measured == 0)
			measured++
			var ours, theirs []run
			for b.Loop() {
				o, t := s.pairs(b, image.ref, pairs)
				ours, theirs = append(ours, o...), append(theirs, t...)
			}
			b.ReportMetric(float64(image.bytes)/1e6, "MB")
			worst = worst.or(report(b, ours, theirs))
		})
	}
	if measured == 0 {
		b.Log("no image is large enough")
		return
	}
	if worst == (ratios{}) {
		return
	}
	b.Run("worst", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		worst.report(b)
	})
}

// benchmarkHuge measures one pair only: it takes minutes.
// benchmarkOne measures one pair on an image that is made for it.
func benchmarkOne(b *testing.B, s *site, push func(registry string) string) {
	ref := push(startRegistry(b)) // which leaves it in the page cache
	var ours, theirs []run
	for b.Loop() {
		o, t := s.pairs(b, ref, 1)
		ours, theirs = append(ours, o...), append(theirs, t...)
	}
	report(b, ours, theirs)
}

// benchmarkRegistry lets a new daemon scan everything once and commit it, and
// Trivy scan one image after the other with a cache that is empty at first.
func benchmarkRegistry(b *testing.B, s *site) {
	images := s.images(b)
	for _, image := range images {
		s.warm(b, image.ref, false)
	}
	var ours, theirs []run
	for b.Loop() {
		ours = append(ours, s.daemon(b, len(images)))
		if s.trivy != nil {
			theirs = append(theirs, s.trivy.loop(b, images))
		}
	}
	b.ReportMetric(float64(len(images)), "images")
	report(b, ours, theirs)
}

// daemon is the cost of a daemon's first scan of the registry, from the command
// to its report that all is committed. The daemon is up before, as it always is.
func (s *site) daemon(b *testing.B, images int) run {
	b.Helper()
	r := &rig.Rig{Bin: s.muster, Dir: b.TempDir(), Password: "correct horse battery"}
	c, err := r.Start(b.Context(), "hub", s.databases()...)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := c.Kill(); err != nil {
			b.Error(err)
		}
	}()
	if err := c.Login(b.Context()); err != nil {
		b.Fatal(err)
	}
	muster := func(args ...string) {
		res, err := r.Run(b.Context(), nil, append([]string{"--server", c.URL()}, args...)...)
		if err == nil && res.Code != 0 {
			err = fmt.Errorf("exit %d: %s", res.Code, res.Stderr)
		}
		if err != nil {
			b.Fatalf("muster %s: %v", strings.Join(args, " "), err)
		}
	}
	muster("registry", "add", "prod", "--type", "oci", "--url", "http://"+s.registry)
	before, err := treeCPU(c.PID())
	if err != nil {
		b.Fatal(err)
	}
	peak := watch(c.PID())
	started := time.Now()
	muster("registry", "scan", "prod", "--wait")
	wall := time.Since(started)
	after, err := treeCPU(c.PID())
	if err != nil {
		b.Fatal(err)
	}
	result := run{wall: wall, cpu: after - before, anon: peak()}
	res, err := r.Run(b.Context(), nil, "--server", c.URL(), "registry", "show", "prod", "--output", "json")
	if err != nil {
		b.Fatal(err)
	}
	if scanned, failed := scannedOf(b, res.Stdout); scanned < images || failed > 0 {
		b.Fatalf("the daemon scanned %d images of %d tags, and %d failed", scanned, images, failed)
	}
	return result
}

// pairs scans an image so often with both scanners, taking turns at who is first.
func (s *site) pairs(b *testing.B, ref string, n int) (ours, theirs []run) {
	b.Helper()
	for i := range n {
		if s.trivy != nil && i%2 == 1 {
			theirs = append(theirs, s.trivy.cold(b, ref))
		}
		ours = append(ours, s.scan(b, ref))
		if s.trivy != nil && i%2 == 0 {
			theirs = append(theirs, s.trivy.cold(b, ref))
		}
	}
	return ours, theirs
}

// warm reads an image once so that its blobs, and with all the programs and
// databases too, are in the page cache.
func (s *site) warm(b *testing.B, ref string, all bool) {
	b.Helper()
	s.scan(b, ref)
	if all && s.trivy != nil {
		s.trivy.cold(b, ref)
	}
}

// ratios are ours divided by Trivy's.
type ratios struct{ cpu, wall, anon float64 }

func (r ratios) or(o ratios) ratios {
	return ratios{max(r.cpu, o.cpu), max(r.wall, o.wall), max(r.anon, o.anon)}
}

func (r ratios) report(b *testing.B) {
	b.ReportMetric(r.cpu, "cpu-ratio")
	b.ReportMetric(r.wall, "wall-ratio")
	b.ReportMetric(r.anon, "rss-ratio")
}

// report reports the medians of both, and the medians of the ratios of pairs,
// which are the same whatever else the machine does. Without Trivy's runs there
// are no ratios.
func report(b *testing.B, ours, theirs []run) ratios {
	b.ReportMetric(0, "ns/op") // it would be the time of both
	reportRuns(b, "ours", ours)
	if len(theirs) == 0 {
		return ratios{}
	}
	reportRuns(b, "trivy", theirs)
	var all []ratios
	for i, o := range ours {
		t := theirs[i]
		all = append(all, ratios{o.cpu.Seconds() / t.cpu.Seconds(), o.wall.Seconds() / t.wall.Seconds(), float64(o.anon) / float64(t.anon)})
	}
	r := ratios{
		cpu:  median(all, func(r ratios) float64 { return r.cpu }),
		wall: median(all, func(r ratios) float64 { return r.wall }),
		anon: median(all, func(r ratios) float64 { return r.anon }),
	}
	r.report(b)
	return r
}

func reportRuns(b *testing.B, whose string, runs []run) {
	b.ReportMetric(median(runs, func(r run) float64 { return r.cpu.Seconds() }), whose+"-cpu-s")
	b.ReportMetric(median(runs, func(r run) float64 { return r.wall.Seconds() }), whose+"-wall-s")
	b.ReportMetric(median(runs, func(r run) float64 { return float64(r.anon) / (1 << 20) }), whose+"-rss-MiB")
	if n := median(runs, func(r run) float64 { return float64(r.findings) }); n > 0 {
		b.ReportMetric(n, whose+"-findings")
	}
}

func median[T any](list []T, of func(T) float64) float64 {
	sorted := slices.SortedFunc(slices.Values(list), func(a, b T) int { return cmp.Compare(of(a), of(b)) })
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (of(sorted[middle-1]) + of(sorted[middle])) / 2
	}
	return of(sorted[middle])
}
