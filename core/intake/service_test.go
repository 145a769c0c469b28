package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

var (
	noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	ci   = model.Actor{Name: "pipeline", Role: model.RoleCIOps}
)

func digest(c string) model.Digest { return model.Digest("sha256:" + strings.Repeat(c, 64)) }

// world is an ingest plugin that answers every document alike, and a store.
type world struct {
	mu      sync.Mutex
	doc     model.Document
	crashes int // how often Parse still fails as a dead plugin does
	parsed  []string
	head    []byte
	saved   []model.CIResult
	swept   []time.Time
	audit   []model.AuditEvent
	full    error
}

func (w *world) Recognize(_ context.Context, head []byte) (string, error) {
	w.head = head
	if !bytes.HasPrefix(head, []byte("{")) {
		return "", fault.New(fault.Unsupported, "no plugin knows this document")
	}
	return "trivy", nil
}

func (w *world) Parse(_ context.Context, format string, r io.Reader) (model.Document, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return model.Document{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parsed = append(w.parsed, format+" "+string(body))
	if w.crashes > 0 {
		w.crashes--
		return model.Document{}, fault.New(fault.Unavailable, "the plugin died")
	}
	doc := w.doc
	doc.Findings, doc.Packages = slices.Clone(doc.Findings), slices.Clone(doc.Packages)
	return doc, nil
}

func (w *world) SaveCIResult(_ context.Context, r model.CIResult, _ model.Document) (model.CIResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, old := range w.saved {
		if old.DocumentHash == r.DocumentHash {
			old.Duplicate = true
			return old, w.full
		}
	}
	r.ID = int64(len(w.saved) + 1)
	w.saved = append(w.saved, r)
	return r, w.full
}

func (w *world) CIResults(context.Context, string, int) ([]model.CIResult, string, error) {
	return w.saved, "", nil
}

func (w *world) SweepCIResults(_ context.Context, before time.Time) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.swept = append(w.swept, before)
	return 1, nil
}

func (w *world) Audit(_ context.Context, e model.AuditEvent) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.audit = append(w.audit, e)
	return nil
}

func (w *world) service(t *testing.T, change ...func(*Options)) *Service {
	t.Helper()
	o := Options{Ingester: w, Results: w, Auditor: w, SpoolDir: t.TempDir() + "/spool", Now: func() time.Time { return noon }}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, _ := os.ReadDir(o.SpoolDir); len(left) > 0 {
			t.Errorf("%d files are left in the spool", len(left))
		}
	})
	return s
}

func newWorld() *world {
	return &world{doc: model.Document{
		Tool: "trivy", ToolVersion: "0.71.0", Digest: digest("a"), Reference: "reg.example/app:1",
		Packages: []model.Package{{Name: "zlib", Version: "1"}},
		Findings: []model.Finding{
			{ID: "CVE-1", Package: "zlib", Installed: "1", Severity: "CRITICAL", Score: 9.8, Title: "a\nb"},
			{ID: "CVE-2", Package: "zlib", Installed: "1", Severity: "odd"},
		},
	}}
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := w.service(t)
	sub := model.Submission{Job: "nightly", Source: "jenkins"}
	got, err := s.Submit(t.Context(), ci, sub, strings.NewReader(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Receipt{CIResult: model.CIResult{
		ID: 1, Digest: digest("a"), Reference: "reg.example/app:1", Format: "trivy", Tool: "trivy", ToolVersion: "0.71.0",
		Job: "nightly", Source: "jenkins", PostedBy: "pipeline", PostedAt: noon,
		DocumentHash: "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
		Counts:       model.Counts{Critical: 1, Unknown: 1}, Packages: 1,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`trivy {"a":1}`}, w.parsed); diff != "" {
		t.Error(diff)
	}
	again, err := s.Submit(t.Context(), ci, sub, strings.NewReader(`{"a":1}`))
	if err != nil || !again.Duplicate || again.ID != 1 {
		t.Errorf("again: %+v, %v", again, err)
	}
	wantAudit := []model.AuditEvent{
		{Time: noon, Actor: "pipeline", Action: "result.submit", Target: string(digest("a")), Outcome: "ok"},
		{Time: noon, Actor: "pipeline", Action: "result.submit", Target: string(digest("a")), Outcome: "duplicate"},
	}
	if diff := cmp.Diff(wantAudit, w.audit); diff != "" {
		t.Error(diff)
	}
}

func TestSubmitRefuses(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	document := func(change func(*model.Document)) func(*world) {
		return func(w *world) { change(&w.doc) }
	}
	tests := []struct {
		name   string
		actor  model.Actor
		sub    model.Submission
		body   io.Reader
		change func(*world)
		want   fault.Kind
	}{
		{name: "a reader", actor: model.Actor{Role: model.RoleReader}, want: fault.Denied},
		{name: "too large", body: strings.NewReader("{" + strings.Repeat(" ", 100)), want: fault.TooLarge},
		{name: "empty", body: strings.NewReader(""), want: fault.Invalid},
		{name: "broken off", body: io.MultiReader(strings.NewReader("{"), iotest.ErrReader(boom)), want: fault.Invalid},
		{name: "nobody knows it", body: strings.NewReader("<xml/>"), want: fault.Unsupported},
		{name: "not a digest", sub: model.Submission{Digest: "sha256:x"}, want: fault.Invalid},
		{name: "a job of two lines", sub: model.Submission{Job: "a\nb"}, want: fault.Invalid},
		{name: "a long source", sub: model.Submission{Source: strings.Repeat("x", 201)}, want: fault.Invalid},
		{name: "a source that is no text", sub: model.Submission{Source: "\xff"}, want: fault.Invalid},
		{name: "no tool", change: document(func(d *model.Document) { d.Tool = "" }), want: fault.Invalid},
		{name: "a digest of the document", change: document(func(d *model.Document) { d.Digest = "latest" }), want: fault.Invalid},
		{name: "an image id of the document", change: document(func(d *model.Document) { d.ImageID = "x" }), want: fault.Invalid},
		{name: "a finding without id", change: document(func(d *model.Document) { d.Findings = []model.Finding{{}} }), want: fault.Invalid},
		{name: "a score", change: document(func(d *model.Document) { d.Findings[0].Score = math.NaN() }), want: fault.Invalid},
		{name: "a long id", change: document(func(d *model.Document) { d.Findings[0].ID = strings.Repeat("x", maxName+1) }), want: fault.Invalid},
		{name: "a long package", change: document(func(d *model.Document) { d.Packages[0].Path = strings.Repeat("x", maxName+1) }), want: fault.Invalid},
		{name: "many findings", change: document(func(d *model.Document) { d.Findings = make([]model.Finding, maxFindings+1) }), want: fault.TooLarge},
		{name: "a plugin that dies twice", change: func(w *world) { w.crashes = 2 }, want: fault.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			if tt.change != nil {
				tt.change(w)
			}
			if tt.actor.Role == "" {
				tt.actor = ci
			}
			if tt.body == nil {
				tt.body = strings.NewReader("{}")
			}
			s := w.service(t, func(o *Options) { o.Limit = 100 })
			_, err := s.Submit(t.Context(), tt.actor, tt.sub, tt.body)
			if fault.KindOf(err) != tt.want || err == nil {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if len(w.saved) > 0 {
				t.Error("something was kept")
			}
			if len(w.audit) != 1 || w.audit[0].Outcome == "ok" {
				t.Errorf("audit: %+v", w.audit)
			}
		})
	}
}

func TestADeadPluginGetsTheDocumentOnceMore(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.crashes = 1
	if _, err := w.service(t).Submit(t.Context(), ci, model.Submission{Format: "own"}, strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"own {}", "own {}"}, w.parsed); diff != "" {
		t.Error(diff)
	}
	if w.head != nil {
		t.Error("a document whose format was said was recognised")
	}
}

func TestWhatAnImageHoldsIsMadePrintable(t *testing.T) {
	t.Parallel()
	doc := newWorld().doc
	doc.Packages[0].Path = "a\x1b[2J\xff"
	doc.Findings[0].Title = strings.Repeat("é", maxTitle)
	if err := checkDocument(&doc); err != nil {
		t.Fatal(err)
	}
	if got := doc.Packages[0].Path; got != "a\ufffd[2J\ufffd" {
		t.Errorf("path %q", got)
	}
	if got := doc.Findings[0].Title; len(got) > maxTitle || !strings.HasSuffix(got, "é") {
		t.Errorf("title of %d bytes", len(got))
	}
	if doc.Findings[0].Severity != model.Critical || doc.Findings[1].Severity != model.Unknown {
		t.Errorf("severities %q and %q", doc.Findings[0].Severity, doc.Findings[1].Severity)
	}
}

// The verdict is as old as the scan, unless the document's clock cannot be right.
func TestWhenTheToolScanned(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		says, scanned, asOf time.Time
		warning             string
	}{
		"does not say":  {time.Time{}, time.Time{}, noon, ""},
		"yesterday":     {noon.Add(-24 * time.Hour), noon.Add(-24 * time.Hour), noon.Add(-24 * time.Hour), ""},
		"another zone":  {noon.Add(-time.Hour).In(time.FixedZone("x", 7200)), noon.Add(-time.Hour), noon.Add(-time.Hour), ""},
		"a clock ahead": {noon.Add(time.Minute), noon, noon, ""},
		"the future":    {noon.Add(time.Hour), time.Time{}, noon, "in the future"},
		"never set":     {time.Unix(3600, 0), time.Time{}, noon, "before there were such scans"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{doc: model.Document{Tool: "trivy", Digest: digest("1"), ScannedAt: tt.says}}
			receipt, err := w.service(t).Submit(t.Context(), ci, model.Submission{}, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if got := w.saved[0]; !got.ScannedAt.Equal(tt.scanned) || got.ScannedAt.Location() != time.UTC && !got.ScannedAt.IsZero() || !got.AsOf().Equal(tt.asOf) {
				t.Errorf("scanned at %s, as of %s; want %s and %s", got.ScannedAt, got.AsOf(), tt.scanned, tt.asOf)
			}
			if said := strings.Join(receipt.Warnings, ";"); !strings.Contains(said, tt.warning) || (tt.warning == "") != (said == "") {
				t.Errorf("warnings: %q", said)
			}
		})
	}
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		doc, sub, want model.Digest
		ref, subRef    string
		wantRef        string
		warnings       int
	}{
		{name: "the document knows", doc: digest("a"), want: digest("a")},
		{name: "the pipeline knows", sub: digest("b"), want: digest("b"), subRef: "app:1", wantRef: "app:1"},
		{name: "both agree", doc: digest("a"), sub: digest("a"), want: digest("a"), ref: "app", subRef: "app", wantRef: "app"},
		{name: "both know otherwise", doc: digest("a"), sub: digest("b"), want: digest("a"), ref: "app", subRef: "b", wantRef: "app", warnings: 2},
		{name: "nobody knows", ref: "app", wantRef: "app", warnings: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := model.Document{Digest: tt.doc, Reference: tt.ref}
			identify(&doc, model.Submission{Digest: tt.sub, Reference: tt.subRef})
			if doc.Digest != tt.want || doc.Reference != tt.wantRef || len(doc.Warnings) != tt.warnings {
				t.Errorf("%+v", doc)
			}
		})
	}
}

func TestSpoolOfAFolderThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := w.service(t, func(o *Options) { o.SpoolDir = os.DevNull + "/spool" })
	if _, err := s.Submit(t.Context(), ci, model.Submission{}, strings.NewReader("{}")); err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("%v", err)
	}
}

func TestConcurrentSubmissions(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := w.service(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			body := "{" + strings.Repeat(" ", i/2) + "}"
			if _, err := s.Submit(t.Context(), ci, model.Submission{Format: "trivy"}, strings.NewReader(body)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(w.saved) != 8 {
		t.Errorf("%d results of 8 documents", len(w.saved))
	}
}

func TestRunSweepsAtTheStartAndDaily(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s, err := New(Options{Ingester: w, Results: w, Auditor: w, SpoolDir: "unused", Retention: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 49*time.Hour)
		defer cancel()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		want := []time.Time{start.Add(-time.Hour), start.Add(23 * time.Hour), start.Add(47 * time.Hour)}
		if diff := cmp.Diff(want, w.swept); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNewNeedsItsDependencies(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("a service without dependencies was made")
	}
}
