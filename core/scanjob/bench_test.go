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
// new vulnerability database differs for 1,200 package versions; what
// is measured goes from the loaded database to committed verdicts.
//
//	few   the versions lie in two hundred images, as those of one product do
//	every they lie in every image, as those of a base do: 10,000 verdicts and
//	      lists of findings are written
func BenchmarkRematchStore(b *testing.B) {
	const (
		images, perImage, versions = 10_000, 300, 60_000
		groups                     = versions / perImage // images of a group have the same packages
	)
	h := open(b, nil)
	h.register(b, model.Registry{Name: "shop", RescanAfterDBUpdate: true})
	h.UseMatcher(newMatcher("0", advisories(versions)))
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
	round := 0
	for _, c := range []struct {
		name  string
		apart int // how far the versions that change lie from each other
	}{{"few", 1}, {"every", versions / changing}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				round++
				b.StopTimer()
				m := newMatcher(fmt.Sprint(round), changed(advisories(versions), round, versions, c.apart))
				b.StartTimer()
				h.UseMatcher(m)
				if err := h.Rematch(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// changing is how many package versions differ from round to round.
const changing = 600

// advisories are 20,000 packages with a vulnerability.
func advisories(versions int) database {
	d := database{}
	for i := 0; i < versions; i += 3 {
		d[fmt.Sprintf("package-%05d", i)] = map[string]string{fmt.Sprint("CVE-2026-", i): "2.0-r0"}
	}
	return d
}

// changed adds a vulnerability to packages that are others in every round.
func changed(d database, round, versions, apart int) database {
	for i := range changing {
		name := fmt.Sprintf("package-%05d", (round*changing+round+i*apart)%versions)
		if d[name] == nil {
			d[name] = map[string]string{}
		}
		d[name][fmt.Sprint("CVE-2027-", i)] = "2.0-r0"
	}
	return d
}
