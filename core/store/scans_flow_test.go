package store_test

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/muster-sec/muster/core/fleet"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/queue"
	"github.com/muster-sec/muster/core/registry"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/core/store"
	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

// flow is the whole way from a registry to rows, with nothing faked but the
// registry plugin, which asks the same server through go-containerregistry.
type flow struct {
	store    *store.Store
	registry *registry.Service
	scans    *scanjob.Service
	server   string
}

func newFlow(t *testing.T) flow {
	t.Helper()
	server := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "muster.db")})
	if err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(t.Context(), queue.Options{Dir: filepath.Join(dir, "queue"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	analyzers := analyze.Fingerprint(all.Analyzers())
	sc, err := scanner.New(scanner.Options{Cache: scanjob.NewLayerCache(st)})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	reg, err := registry.New(registry.Options{
		Lister: plainLister{}, Sources: st, Runs: st, Contents: st, Queue: q, Memberships: st, Auditor: st,
		Logger: logger, Now: time.Now, Analyzers: analyzers,
	})
	if err != nil {
		t.Fatal(err)
	}
	scans, err := scanjob.New(scanjob.Options{
		Jobs: st, Results: st, Matched: st, Inventories: st, Scanner: scanjob.NewPuller(sc, analyzers, registryhttp.NewHosts(time.Now)), Credentials: plainLister{},
		Expander: reg, Queue: q, Auditor: st, Logger: logger, Now: time.Now, Owner: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = reg.Run(ctx) })
	running.Go(func() { _ = scans.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return flow{st, reg, scans, server.URL}
}

// plainLister is a registry plugin without a process.
type plainLister struct{}

func (plainLister) Types() []string { return []string{"oci"} }

func (plainLister) ListRepositories(ctx context.Context, r model.Registry, yield func(string) error) error {
	reg, err := name.NewRegistry(strings.TrimPrefix(r.URL, "http://"), name.Insecure)
	if err != nil {
		return err
	}
	repositories, err := remote.Catalog(ctx, reg)
	if err != nil {
		return err
	}
	for _, repository := range repositories {
		if err := yield(repository); err != nil {
			return err
		}
	}
	return nil
}

func (plainLister) ListTags(ctx context.Context, r model.Registry, repository string, yield func(model.ListedImage) error) error {
	repo, err := name.NewRepository(strings.TrimPrefix(r.URL, "http://")+"/"+repository, name.Insecure)
	if err != nil {
		return err
	}
	tags, err := remote.List(repo, remote.WithContext(ctx))
	if err != nil {
		return err
	}
	for _, tag := range tags {
		if err := yield(model.ListedImage{Tag: tag}); err != nil {
			return err
		}
	}
	return nil
}

func (plainLister) ResolveTag(ctx context.Context, r model.Registry, repository, tag string) (model.ListedImage, error) {
	ref, err := name.NewTag(strings.TrimPrefix(r.URL, "http://")+"/"+repository+":"+tag, name.Insecure)
	if err != nil {
		return model.ListedImage{}, err
	}
	desc, err := remote.Head(ref, remote.WithContext(ctx))
	if err != nil {
		return model.ListedImage{}, err
	}
	return model.ListedImage{Digest: model.Digest(desc.Digest.String()), MediaType: string(desc.MediaType)}, nil
}

func (plainLister) Configure(_ context.Context, r model.Registry) (map[string]any, []string, error) {
	return r.Settings, nil, nil
}

func (plainLister) DecodePush(context.Context, model.Registry, model.PushEvent) ([]model.Push, error) {
	return nil, nil
}

func (plainLister) Test(context.Context, model.Registry) ([]model.DiagnosisStep, error) {
	return nil, nil
}

func (plainLister) Credential(context.Context, model.Registry, string) (model.Credential, error) {
	return model.Credential{}, nil
}

func (f flow) push(t *testing.T, repository, tag string, img v1.Image) {
	t.Helper()
	ref, err := name.ParseReference(strings.TrimPrefix(f.server, "http://")+"/"+repository+":"+tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
}

func (f flow) pushIndex(t *testing.T, repository, tag string, ix v1.ImageIndex) {
	t.Helper()
	ref, err := name.ParseReference(strings.TrimPrefix(f.server, "http://")+"/"+repository+":"+tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, ix); err != nil {
		t.Fatal(err)
	}
}

// scan runs a registry and waits for the end of the run.
func (f flow) scan(t *testing.T, name string) model.Run {
	t.Helper()
	run, err := f.registry.Scan(t.Context(), model.System(), name)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		if run, err = f.registry.RunStatus(t.Context(), name, run.ID); err != nil {
			t.Fatal(err)
		}
		return run.State.Final()
	})
	if run.State == model.RunDone && run.Listed != run.Scanned+run.Unchanged+run.Unsupported+run.Failed {
		t.Errorf("the counters do not add up: %+v", run)
	}
	return run
}

// eventually polls what other goroutines bring about, as long as the test may run.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
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

func openDB(t *testing.T, c build.Content) *vulndb.DB {
	t.Helper()
	path, err := build.Write(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	db, err := vulndb.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func counts(r model.Run) [5]int {
	return [5]int{r.Listed, r.Scanned, r.Unchanged, r.Unsupported, r.Failed}
}

func TestFromRegistryToRows(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	catalog, err := sampleimage.Catalog(created)
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range catalog {
		f.push(t, img.Repository, img.Tag, img.Image)
	}
	child := catalog[0].Image
	attestation, err := mutate.Config(empty.Image, v1.Config{Labels: map[string]string{"an": "attestation"}})
	if err != nil {
		t.Fatal(err)
	}
	f.pushIndex(t, "shop/multi", "1", mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: child, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: attestation, Descriptor: v1.Descriptor{
			Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
		}},
	))
	if err := f.registry.Add(t.Context(), model.System(), model.Registry{Name: "shop", Type: "oci", URL: f.server, RescanAfterDBUpdate: true}); err != nil {
		t.Fatal(err)
	}

	// Without a database images are read and wait for their findings.
	run := f.scan(t, "shop")
	if got, want := counts(run), [5]int{6, 5, 0, 1, 0}; run.State != model.RunDone || got != want {
		t.Fatalf("first run: %s %q, listed, scanned, unchanged, unsupported, failed %v, want %v", run.State, run.Error, got, want)
	}
	content := sampleimage.Advisories(created)
	db := openDB(t, content)
	f.scans.UseMatcher(scanjob.NewMatcher(db))
	eventually(t, func() bool {
		version, err := f.store.MatchedDB(t.Context())
		return err == nil && version.Revision == db.Revision()
	})

	// Nothing changed, nothing is pulled.
	run = f.scan(t, "shop")
	if got, want := counts(run), [5]int{6, 0, 5, 1, 0}; run.State != model.RunDone || got != want {
		t.Errorf("second run: %s %q, counters %v, want %v", run.State, run.Error, got, want)
	}
	tags, err := f.store.Tags(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tag := range tags {
		names = append(names, tag.Repository+":"+tag.Tag)
	}
	f.checkReport(t, "shop/web:1.4.2", db)
	want := []string{"base/alpine:3.17", "shop/clock:0.3", "shop/multi:1", "shop/orders:2.0.1", "shop/web:1.4.2", "shop/web:1.5.0"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

// checkReport looks an image up by its name, as a person would, and compares the
// report's parts with each other.
func (f flow) checkReport(t *testing.T, name string, db *vulndb.DB) {
	t.Helper()
	questions, err := fleet.New(f.store, f.store)
	if err != nil {
		t.Fatal(err)
	}
	images, next, err := questions.Images(t.Context(), fleet.Query{Text: name, Registry: "shop", Severity: "low", Status: model.ImageFinished})
	if err != nil || next != "" || len(images) != 1 {
		t.Fatalf("%d images named %s, next %q, error %v", len(images), name, next, err)
	}
	report, err := questions.Image(t.Context(), images[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	var findings []model.Finding
	for _, r := range report.Findings {
		if r.Source != model.SourceScan || r.Layer == "" {
			t.Errorf("finding %+v does not say who found it where", r)
		}
		findings = append(findings, r.Finding)
	}
	v := report.Verdicts[0]
	if len(findings) == 0 || v.Counts != model.CountFindings(findings) || v.DB.Revision != db.Revision() || !v.RunAsRoot {
		t.Errorf("verdict %+v does not belong to %d findings of %s", v, len(findings), db.Revision())
	}
	if len(report.Packages) < 6 || report.OS.Family != "alpine" || report.Origin != model.Local {
		t.Errorf("%d packages, %s, origin %s", len(report.Packages), report.OS, report.Origin)
	}
}
