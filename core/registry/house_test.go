package registry_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registry"
	"github.com/muster-sec/muster/core/store"
)

// house is a service over a real store, with everything else under the test's hand.
type house struct {
	*registry.Service
	store  *store.Store
	lister *fakeLister
	queue  *fakeQueue
	path   string
}

type options struct {
	path       string // of the database; a new one when empty
	membership model.Membership
	now        func() time.Time
	sleep      func(context.Context, time.Duration) error
}

func newHouse(t *testing.T, o options) *house {
	t.Helper()
	if o.path == "" {
		o.path = filepath.Join(t.TempDir(), "muster.db")
	}
	if o.now == nil {
		o.now = time.Now
	}
	st, err := store.Open(context.Background(), store.Options{Path: o.path, Now: o.now, Sealer: xorSealer{}})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{store: st, lister: &fakeLister{content: map[string]map[string]string{}}, queue: &fakeQueue{}, path: o.path}
	h.Service, err = registry.New(registry.Options{
		Lister: h.lister, Sources: st, Runs: st, Contents: st, Queue: h.queue, Memberships: fakeMembership(o.membership), Auditor: st,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: o.now, Analyzers: "fake/1", Sleep: o.sleep,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// open is newHouse whose store is closed at the test's end.
func open(t *testing.T, o options) *house {
	t.Helper()
	h := newHouse(t, o)
	t.Cleanup(func() { h.close(t) })
	return h
}

func (h *house) close(t *testing.T) {
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

func (h *house) add(t *testing.T, r model.Registry) {
	t.Helper()
	if r.Type == "" {
		r.Type, r.URL = "oci", "https://registry.example"
	}
	if err := h.Add(t.Context(), model.System(), r); err != nil {
		t.Fatal(err)
	}
}

// list runs a registry's listing to its end and gives the run.
func (h *house) list(t *testing.T, name string) model.Run {
	t.Helper()
	stop := h.running(t)
	defer stop()
	run, err := h.Scan(t.Context(), model.System(), name)
	if err != nil {
		t.Fatal(err)
	}
	h.eventually(t, func() bool {
		run = h.run(t, name, run.ID)
		return run.State != model.RunListing
	})
	return run
}

func (h *house) run(t *testing.T, name string, id int64) model.Run {
	t.Helper()
	run, err := h.RunStatus(t.Context(), name, id)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func (h *house) eventually(t *testing.T, ok func() bool) {
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

// work does the jobs that wait, with the outcome that decide gives for a digest.
func (h *house) work(t *testing.T, decide func(model.Digest) model.JobState) {
	t.Helper()
	ids, err := h.store.Waiting(t.Context(), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		job, ok, err := h.store.Lease(t.Context(), id, model.LeaseTerms{Owner: "test", TTL: time.Minute, Attempts: 3})
		if err != nil || !ok {
			t.Fatalf("lease job %d: %v, %v", id, ok, err)
		}
		switch state := decide(job.Digest); state {
		case model.JobScanned:
			err = h.store.SaveScan(t.Context(), model.ScanResult{
				Job: job, Owner: "test", Analyzers: "fake/1", Inventory: []byte(`{"sources":[]}`),
				Image: model.Image{Digest: job.Digest, Status: model.ImageFinished, ScannedAt: time.Unix(1, 0)},
			})
		default:
			err = h.store.Return(t.Context(), job, "test", model.ReturnedJob{State: state, Reason: "as the test wants"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func scanned(model.Digest) model.JobState { return model.JobScanned }

// tags are the known tags of a registry, "repository:tag".
func (h *house) tags(t *testing.T, name string) []string {
	t.Helper()
	tags, err := h.store.Tags(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tag := range tags {
		names = append(names, tag.Repository+":"+tag.Tag)
	}
	return names
}

// digest names made-up content.
func digest(content string) model.Digest {
	sum := sha256.Sum256([]byte(content))
	return model.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// fakeLister is a registry in memory: repository, tag, content. Its faults are
// functions that may fail a call.
type fakeLister struct {
	mu      sync.Mutex
	content map[string]map[string]string

	afterRepository func(repository string) error
	afterTag        func(repository, tag string) error
	resolve         func(repository, tag string) error
	media           func(content string) string
	resolved        int
	tells           bool // the listing tells digests
}

func (f *fakeLister) set(repository, tag, content string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.content[repository] == nil {
		f.content[repository] = map[string]string{}
	}
	f.content[repository][tag] = content
}

func (f *fakeLister) remove(repository, tag string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.content[repository], tag)
}

func (f *fakeLister) Types() []string { return []string{"oci"} }

func (f *fakeLister) ListRepositories(_ context.Context, _ model.Registry, yield func(string) error) error {
	f.mu.Lock()
	repositories := slices.Sorted(maps.Keys(f.content))
	f.mu.Unlock()
	for _, repository := range repositories {
		if err := yield(repository); err != nil {
			return err
		}
		if f.afterRepository != nil {
			if err := f.afterRepository(repository); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *fakeLister) ListTags(_ context.Context, _ model.Registry, repository string, yield func(model.ListedImage) error) error {
	f.mu.Lock()
	content, ok := f.content[repository]
	tags := slices.Sorted(maps.Keys(content))
	f.mu.Unlock()
	if !ok {
		return fault.New(fault.NotFound, "no repository %s", repository)
	}
	for _, tag := range tags {
		if err := yield(f.shown(tag, content[tag])); err != nil {
			return err
		}
		if f.afterTag != nil {
			if err := f.afterTag(repository, tag); err != nil {
				return err
			}
		}
	}
	return nil
}

// shown is how a listing shows a tag: by name alone, or with what tells says. A
// tag that begins with "@" is none.
func (f *fakeLister) shown(tag, content string) model.ListedImage {
	img := model.ListedImage{Tag: tag}
	if strings.HasPrefix(tag, "@") {
		return model.ListedImage{Digest: digest(content)}
	}
	if f.tells {
		img.Digest = digest(content)
		if f.media != nil {
			img.MediaType = f.media(content)
		}
	}
	return img
}

// answer changes what happens before a tag is resolved.
func (f *fakeLister) answer(resolve func(repository, tag string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resolve = resolve
}

func (f *fakeLister) ResolveTag(ctx context.Context, _ model.Registry, repository, tag string) (model.ListedImage, error) {
	f.mu.Lock()
	resolve := f.resolve
	f.mu.Unlock()
	if resolve != nil {
		if err := resolve(repository, tag); err != nil {
			return model.ListedImage{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resolved++
	content := f.content[repository][tag]
	img := model.ListedImage{Digest: digest(content)}
	if f.media != nil {
		img.MediaType = f.media(content)
	}
	return img, ctx.Err()
}

// Configure takes settings whose names are words; those that say "secret" are.
func (f *fakeLister) Configure(_ context.Context, r model.Registry) (settings map[string]any, secret []string, err error) {
	for name := range r.Settings {
		switch {
		case strings.Contains(name, "wrong"):
			return nil, nil, fault.New(fault.Invalid, "there is no setting %s", name)
		case strings.Contains(name, "secret"):
			secret = append(secret, name)
		}
	}
	return r.Settings, secret, nil
}

// DecodePush takes "repository:tag", signed by the header Signature if there is one.
func (f *fakeLister) DecodePush(_ context.Context, _ model.Registry, e model.PushEvent) ([]model.Push, error) {
	if e.Headers["Signature"] == "wrong" {
		return nil, fault.New(fault.Denied, "wrong signature")
	}
	var pushes []model.Push
	for image := range strings.FieldsSeq(string(e.Body)) {
		repository, tag, _ := strings.Cut(image, ":")
		pushes = append(pushes, model.Push{Repository: repository, Tag: tag})
	}
	return pushes, nil
}

func (f *fakeLister) Test(_ context.Context, r model.Registry) ([]model.DiagnosisStep, error) {
	return []model.DiagnosisStep{{Name: "authenticate", OK: r.Password == "right", Detail: r.URL}}, nil
}

// fakeQueue remembers what was announced.
type fakeQueue struct {
	mu   sync.Mutex
	jobs []int64
}

func (q *fakeQueue) Publish(_ context.Context, job int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, job)
	return nil
}

type fakeMembership model.Membership

func (m fakeMembership) Membership(context.Context) (model.Membership, error) {
	if m.Role == "" {
		m.Role = model.Standalone
	}
	return model.Membership(m), nil
}

// xorSealer is no secret, but what it seals cannot be read by accident.
type xorSealer struct{}

func (xorSealer) Seal(plain []byte) ([]byte, error) {
	out := make([]byte, len(plain))
	for i, b := range plain {
		out[i] = b ^ 0x5a
	}
	return out, nil
}

func (s xorSealer) Open(sealed []byte) ([]byte, error) { return s.Seal(sealed) }

// counters are listed, scanned, unchanged, unsupported, failed.
func counters(r model.Run) string {
	return fmt.Sprint(r.Listed, r.Scanned, r.Unchanged, r.Unsupported, r.Failed)
}
