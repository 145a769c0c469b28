package scanjob_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/inventory"
)

// BenchmarkRematchStore is a fleet of 10,000 images of 300 packages each, out of
// 60,000 distinct package versions, all rows in a database on disk. Each round a
// new vulnerability database differs for one package version in a hundred; what
// is measured goes from the loaded database to committed verdicts.
func BenchmarkRematchStore(b *testing.B) {
	const (
		images, perImage, versions = 10_000, 300, 60_000
		groups                     = versions / perImage // images of a group have the same packages
	)
	h := open(b, nil)
	h.register(b, model.Registry{Name: "shop", RescanAfterDBUpdate: true})
	h.UseMatcher(newMatcher("0", advisories(0, versions)))
	run, _, err := h.store.StartRun(context.Background(), "shop", model.TriggerManual, h.clock.now())
	if err != nil {
		b.Fatal(err)
	}
	var group errgroup.Group
	group.SetLimit(64) // they share commits
	for i := range images {
		packages := make([]inventory.Package, perImage)
		for p := range packages {
			packages[p] = pkg(fmt.Sprintf("package-%05d", i%groups*perImage+p), "1.0-r0")
		}
		d := h.image(fmt.Sprint(i), packages...)
		group.Go(func() error {
			return h.Save(context.Background(), model.Job{Run: run.ID, Registry: "shop", Digest: d}, found(d, packages))
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	if err := h.Rematch(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	round := 0
	for b.Loop() {
		round++
		b.StopTimer()
		m := newMatcher(fmt.Sprint(round), advisories(round, versions))
		b.StartTimer()
		h.UseMatcher(m)
		if err := h.Rematch(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// advisories are 20,000 packages with a vulnerability, and in each round other
// 600 packages, all of three groups, with one more.
func advisories(round, versions int) database {
	d := database{}
	for i := 0; i < versions; i += 3 {
		d[fmt.Sprintf("package-%05d", i)] = map[string]string{fmt.Sprint("CVE-2026-", i): "2.0-r0"}
	}
	for i := range 600 {
		name := fmt.Sprintf("package-%05d", (round*600+i)%versions)
		if d[name] == nil {
			d[name] = map[string]string{}
		}
		d[name][fmt.Sprint("CVE-2027-", i)] = "2.0-r0"
	}
	return d
}
