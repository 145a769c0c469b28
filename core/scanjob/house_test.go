package scanjob_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/core/store"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// house is a service over a real store, with a scanner, a queue and a clock
// under the test's hand.
type house struct {
	*scanjob.Service
	store   *store.Store
	scanner *fakeScanner
	queue   *fakeQueue
	clock   *clock
	path    string
}

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// newHouse opens a database, a new one when path is empty.
func newHouse(t testing.TB, path, owner string, change func(*scanjob.Options)) *house {
	t.Helper()
	h := &house{path: cmp.Or(path, filepath.Join(t.TempDir(), "muster.db")), clock: &clock{}, queue: newFakeQueue()}
	h.clock.at.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	h.scanner = &fakeScanner{images: map[model.Digest][]inventory.Package{}}
	st, err := store.Open(context.Background(), store.Options{Path: h.path, Now: h.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	h.store = st
	o := scanjob.Options{
		Jobs: st, Results: st, Matched: st, Inventories: st, Scanner: h.scanner, Credentials: anonymous{}, Expander: h.scanner,
		Queue: h.queue, Auditor: st, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: h.clock.now, Owner: owner,
	}
	if change != nil {
		change(&o)
	}
	if h.Service, err = scanjob.New(o); err != nil {
		t.Fatal(err)
	}
	return h
}

func open(t testing.TB, change func(*scanjob.Options)) *house {
	t.Helper()
	h := newHouse(t, "", "test", change)
	t.Cleanup(func() { h.close(t) })
	return h
}

func (h *house) close(t testing.TB) {
	t.Helper()
	if err := h.store.Close(); err != nil {
		t.Error(err)
	}
}

// running runs the service until the returned function is called.
func (h *house) running(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := h.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// list makes a run that must scan the digests, each listed under a tag of its own.
func (h *house) list(t testing.TB, registry string, digests ...model.Digest) model.Run {
	t.Helper()
	ctx := context.Background()
	run, _, err := h.store.StartRun(ctx, registry, model.TriggerManual, h.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	part := model.ListedPart{Run: run.ID, Registry: registry}
	for _, d := range digests {
		part.Tags = append(part.Tags, model.Tag{Registry: registry, Host: "registry.example", Repository: "app", Tag: string(d[7:19]), Digest: d})
		part.Items = append(part.Items, model.ListedItem{Repository: "app", Digest: d, MediaType: imageType, State: model.JobQueued})
	}
	queued, err := h.store.AddListed(ctx, part)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.store.EndListing(ctx, run.ID, model.ListingEnd{}); err != nil {
		t.Fatal(err)
	}
	for _, id := range queued {
		_ = h.queue.Publish(ctx, id)
	}
	return run
}

const imageType = "application/vnd.oci.image.manifest.v1+json"

func (h *house) register(t testing.TB, r model.Registry) {
	t.Helper()
	r.Type, r.URL, r.CreatedAt = "oci", "https://registry.example", h.clock.now()
	if err := h.store.AddRegistry(context.Background(), r); err != nil {
		t.Fatal(err)
	}
}

func (h *house) run(t testing.TB, registry string, id int64) model.Run {
	t.Helper()
	run, err := h.store.Run(context.Background(), registry, id)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-timeout.C:
			t.Fatal("it did not happen within 30 s")
		}
	}
}

// image is a digest that the scanner finds, made of packages.
func (h *house) image(name string, packages ...inventory.Package) model.Digest {
	sum := sha256.Sum256([]byte(name))
	d := model.Digest("sha256:" + hex.EncodeToString(sum[:]))
	h.scanner.images[d] = packages
	return d
}

func pkg(name, version string) inventory.Package {
	return inventory.Package{Name: name, Version: version}
}

// fakeScanner finds what the test says, on Alpine 3.20.
type fakeScanner struct {
	images map[model.Digest][]inventory.Package
	// before may fail or delay a scan.
	before  func(ctx context.Context, t scanjob.Target) error
	indexes map[model.Digest]model.Index
	scans   atomic.Int32

	mu       sync.Mutex
	expanded []model.Index
}

func (f *fakeScanner) Analyzers() string { return "fake/1" }

func (f *fakeScanner) Index(_ context.Context, t scanjob.Target) (model.Index, bool, error) {
	ix, ok := f.indexes[t.Digest]
	return ix, ok, nil
}

func (f *fakeScanner) Expand(_ context.Context, _ int64, _, _ string, ix model.Index) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expanded = append(f.expanded, ix)
	return nil
}

func (f *fakeScanner) Image(ctx context.Context, t scanjob.Target) (scanjob.Found, error) {
	f.scans.Add(1)
	if f.before != nil {
		if err := f.before(ctx, t); err != nil {
			return scanjob.Found{}, err
		}
	}
	return found(t.Digest, f.images[t.Digest]), nil
}

func found(d model.Digest, packages []inventory.Package) scanjob.Found {
	set := inventory.PackageSet{Ecosystem: inventory.Apk, Packages: slices.Clone(packages)}
	set.Canonical()
	return scanjob.Found{
		Inventory: inventory.Inventory{
			Image: inventory.Image{
				Digest: string(d), ImageID: "sha256:" + string(d[8:]) + "0", Platform: "linux/amd64", User: "app",
				Layers: []inventory.Layer{{Digest: "sha256:1", DiffID: "sha256:2"}},
			},
			OS:      inventory.OS{Family: "alpine", Version: "3.20.1", Repository: "3.20"},
			Sources: []inventory.Source{{Set: set.ID(), Path: "lib/apk/db/installed"}},
		},
		Sets: map[inventory.SetID]inventory.PackageSet{set.ID(): set},
	}
}

type anonymous struct{}

func (anonymous) Credential(context.Context, model.Registry, string) (model.Credential, error) {
	return model.Credential{}, nil
}

// fakeQueue is a queue in memory that, like the real one, knows a job once and
// brings it again when it is not done.
type fakeQueue struct {
	mu    sync.Mutex
	known map[int64]bool
	jobs  chan int64
}

func newFakeQueue() *fakeQueue {
	return &fakeQueue{known: map[int64]bool{}, jobs: make(chan int64, 100_000)}
}

func (q *fakeQueue) Publish(_ context.Context, job int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.known[job] {
		q.known[job] = true
		q.jobs <- job
	}
	return nil
}

func (q *fakeQueue) Consume(ctx context.Context, handle func(context.Context, int64, func() error) bool) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case job := <-q.jobs:
			if !handle(ctx, job, func() error { return nil }) {
				q.jobs <- job
				continue
			}
			q.mu.Lock()
			delete(q.known, job)
			q.mu.Unlock()
		}
	}
}

// database is a vulnerability database in memory: package, then vulnerability
// and the version that repairs it.
type database map[string]map[string]string

func (d database) Buckets() []string { return []string{"alpine 3.20"} }

func (d database) Advisories(_, pkg string) ([]vulndb.Advisory, error) {
	var list []vulndb.Advisory
	for id, fixed := range d[pkg] {
		list = append(list, vulndb.Advisory{VulnerabilityID: id, FixedVersion: fixed})
	}
	slices.SortFunc(list, func(a, b vulndb.Advisory) int { return cmp.Compare(a.VulnerabilityID, b.VulnerabilityID) })
	return list, nil
}

func (d database) CPEs(vulndb.ChannelKind, string) ([]int, error) { return nil, nil }

func (d database) Detail(id string) (vulndb.Detail, bool, error) {
	return vulndb.Detail{Title: id, Severity: "HIGH", VendorSeverity: types.VendorSeverity{"nvd": types.SeverityHigh}}, true, nil
}

// matcher is a database under a revision.
type matcher struct {
	*match.Matcher
	revision string
}

func (m matcher) Version() model.DBVersion {
	return model.DBVersion{Revision: m.revision, UpdatedAt: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
}

func newMatcher(revision string, d database) scanjob.Matcher { return matcher{match.New(d), revision} }

// vulnerabilities are the ids that an image's own verdict leads to, sorted.
func (h *house) vulnerabilities(t testing.TB, d model.Digest) []string {
	t.Helper()
	known, err := h.store.Verdicts(context.Background(), d)
	if err != nil || len(known) != 1 {
		t.Fatalf("%d verdicts of %s, error %v", len(known), d, err)
	}
	list, err := h.store.FindingList(context.Background(), known[0].Findings)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, f := range list.Findings {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	return ids
}
