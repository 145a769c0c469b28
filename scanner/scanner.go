// Package scanner turns a container image into an inventory and findings. It is
// a library: it needs no daemon, writes nothing to disk, and keeps its memory
// within bounds that do not depend on the image. The result of a scan is a
// function, findings = match(inventory, database): Inventory is the part that
// reads the image, package match the part that reads the database, and Scan is
// both in a row.
package scanner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/eol"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/layer"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/report"
	"github.com/muster-sec/muster/scanner/squash"
)

// Options configures a Scanner. The zero value is ready for use.
type Options struct {
	// Limits bounds every image; zero fields mean the defaults.
	Limits limit.Limits
	// Cache keeps the analyses of layers; nil means NoCache.
	Cache LayerCache
	// Parallel is how many layers are read at the same time, over all images of
	// the Scanner; zero means the number of processors.
	Parallel int
	// Analyzers replaces the analyzers; nil means all of them.
	Analyzers []analyze.Analyzer
	// Logger hears what a developer wants to know; nil means silence.
	Logger *slog.Logger
}

// Scanner reads images. It is safe for concurrent use and has nothing to close.
type Scanner struct {
	reader  *layer.Reader
	cache   LayerCache
	limits  limit.Limits
	sought  []inventory.SightingKind
	slots   chan struct{}
	pending *keyLocks
	holders *possession
	log     *slog.Logger
}

// ImageInventory is the inventory of one image together with the package sets
// that it refers to.
type ImageInventory struct {
	inventory.Inventory
	Sets map[inventory.SetID]inventory.PackageSet `json:"sets"`
}

// Result is an inventory and what a database says about it.
type Result struct {
	ImageInventory
	Findings []match.Finding `json:"findings"`
	// Gaps are packages that the database could not judge.
	Gaps []match.Gap `json:"gaps,omitempty"`
	// EndOfLife is the last day on which the distribution's release gets security
	// updates; nil when no end is known.
	EndOfLife *time.Time `json:"end_of_life,omitempty"`
}

// New returns a scanner.
func New(o Options) (*Scanner, error) {
	if o.Parallel < 0 {
		return nil, fmt.Errorf("scanner: parallel is %d, expected zero or more", o.Parallel)
	}
	if o.Parallel == 0 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	if o.Cache == nil {
		o.Cache = NoCache{}
	}
	if o.Analyzers == nil {
		o.Analyzers = all.Analyzers()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Scanner{
		reader:  layer.New(o.Analyzers, o.Limits),
		cache:   o.Cache,
		limits:  o.Limits.WithDefaults(),
		sought:  sought(o.Analyzers),
		slots:   make(chan struct{}, o.Parallel),
		pending: newKeyLocks(),
		holders: newPossession(),
		log:     o.Logger,
	}, nil
}

// Inventory opens a reference and returns the inventories of its images: one,
// or with p.AllPlatforms every image of the index. The scanner's limits replace
// those of p. Errors are those of packages pull, layer and limit; when only some
// images of an index failed, the others are returned together with the error.
func (s *Scanner) Inventory(ctx context.Context, ref string, p pull.Options) ([]ImageInventory, error) {
	p.Limits = s.limits
	images, problems := pull.Open(ctx, ref, p)
	var result []ImageInventory
	for _, image := range images {
		inv, err := s.image(ctx, image)
		if err != nil {
			problems = errors.Join(problems, fmt.Errorf("scanner: %s: %w", ref, err))
			continue
		}
		result = append(result, inv)
	}
	return result, problems
}

// Scan is Inventory followed by matching against a database.
func (s *Scanner) Scan(ctx context.Context, ref string, p pull.Options, m *match.Matcher) ([]Result, error) {
	inventories, problems := s.Inventory(ctx, ref, p)
	var results []Result
	for _, inv := range inventories {
		result, err := Match(inv, m)
		if err != nil {
			problems = errors.Join(problems, err)
			continue
		}
		results = append(results, result)
	}
	return results, problems
}

// Match judges an inventory by a database. It reads no image.
func Match(inv ImageInventory, m *match.Matcher) (Result, error) {
	findings, err := m.Image(inv.Inventory, inv.Lookup)
	if err != nil {
		return Result{}, err
	}
	gaps, err := m.Gaps(inv.Inventory, inv.Lookup)
	if err != nil {
		return Result{}, err
	}
	result := Result{ImageInventory: inv, Findings: findings, Gaps: gaps}
	if end, known := eol.Of(inv.OS); known {
		result.EndOfLife = &end
	}
	return result, nil
}

// Report returns the result in the form that package report writes.
func (r Result) Report() report.Image {
	image := report.NewImage(r.Inventory, r.Lookup, r.Findings, r.Gaps)
	image.EndOfLife = r.EndOfLife
	return image
}

// Lookup finds a package set of the inventory; it is a match.Sets.
func (i ImageInventory) Lookup(id inventory.SetID) (inventory.PackageSet, bool) {
	set, ok := i.Sets[id]
	return set, ok
}

// image reads the layers of an image that are not known yet and squashes.
func (s *Scanner) image(ctx context.Context, image *pull.Image) (ImageInventory, error) {
	layers := make([]inventory.LayerAnalysis, len(image.Manifest.Layers))
	var facts atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for n := range layers {
		group.Go(func() (err error) {
			if layers[n], err = s.layer(ctx, image, n); err != nil {
				return err
			}
			return limit.Check("image_facts", int64(s.limits.Facts), facts.Add(int64(layers[n].Facts())))
		})
	}
	if err := group.Wait(); err != nil {
		return ImageInventory{}, err
	}
	inv, sets := squash.Squash(image.Describe(), layers)
	inv.Sought = s.sought
	packages := 0
	for _, source := range inv.Sources {
		packages += len(sets[source.Set].Packages)
	}
	if err := limit.Check("image_packages", int64(s.limits.Packages), int64(packages)); err != nil {
		return ImageInventory{}, err
	}
	return ImageInventory{Inventory: inv, Sets: sets}, nil
}

// sought are the kinds of sightings that some analyzer looks for.
func sought(analyzers []analyze.Analyzer) []inventory.SightingKind {
	var kinds []inventory.SightingKind
	for _, a := range analyzers {
		if s, ok := a.(analyze.Seeker); ok {
			kinds = append(kinds, s.Seeks())
		}
	}
	return kinds
}

// layer returns the analysis of one layer, from the cache or by reading it. The
// same layer wanted twice at a time is read once. What was read at another
// registry does not count, nor what this repository does not show to have.
func (s *Scanner) layer(ctx context.Context, image *pull.Image, n int) (inventory.LayerAnalysis, error) {
	digest := image.Manifest.Layers[n].Digest.String()
	diffID := image.Config.RootFS.DiffIDs[n].String()
	key := s.reader.Key(digest)
	key.Origin = image.Origin()
	unlock, err := s.pending.lock(ctx, key)
	if err != nil {
		return inventory.LayerAnalysis{}, err
	}
	defer unlock()
	known, found, err := s.cache.Get(ctx, key)
	if err != nil {
		return inventory.LayerAnalysis{}, fmt.Errorf("scanner: layer cache: %w", err)
	}
	if found && s.holders.proved(ctx, image, n) {
		if known.DiffID != diffID {
			return inventory.LayerAnalysis{}, fmt.Errorf("%w: unpacked tar is %s, the image says %s", layer.ErrDigest, known.DiffID, diffID)
		}
		return known, nil
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return inventory.LayerAnalysis{}, context.Cause(ctx)
	}
	return s.read(ctx, image, n, layer.Blob{Digest: digest, DiffID: diffID})
}

func (s *Scanner) read(ctx context.Context, image *pull.Image, n int, blob layer.Blob) (inventory.LayerAnalysis, error) {
	started := time.Now()
	body, err := image.Layer(ctx, n)
	if err != nil {
		return inventory.LayerAnalysis{}, err
	}
	defer body.Close()
	blob.Body = body
	analysis, err := s.reader.Analyze(ctx, blob)
	if err != nil {
		return inventory.LayerAnalysis{}, err
	}
	analysis.Key.Origin = image.Origin()
	s.holders.note(image, n)
	if err := s.cache.Put(ctx, analysis); err != nil {
		return inventory.LayerAnalysis{}, fmt.Errorf("scanner: layer cache: %w", err)
	}
	s.log.DebugContext(ctx, "layer analysed", "digest", blob.Digest, "compressed_bytes", analysis.Stats.Compressed,
		"uncompressed_bytes", analysis.Stats.Uncompressed, "entries", analysis.Stats.Entries,
		"package_sets", len(analysis.Sets), "took", time.Since(started))
	return analysis, nil
}
