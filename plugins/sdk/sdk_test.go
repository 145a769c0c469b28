package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

// connect serves p in memory for the length of a test.
func connect(t *testing.T, p sdk.Plugin) *sdktest.Conn {
	t.Helper()
	if p.Name == "" {
		p.Name = "test"
	}
	p.Version = "1.0.0"
	conn, err := sdktest.Connect(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return conn
}

// scripted is a registry that answers as a test says.
type scripted struct {
	err   error
	repos int
	cred  sdk.Credential
}

func (s scripted) Repositories(context.Context, sdk.Config) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := range s.repos {
			if !yield(fmt.Sprint(i), nil) {
				return
			}
		}
		if s.err != nil {
			yield("", s.err)
		}
	}
}

func (s scripted) Tags(context.Context, sdk.Config, string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		_ = yield(sdk.Tag{Name: "1", Digest: "sha256:1"}, nil) && yield(sdk.Tag{Digest: "sha256:2"}, nil)
	}
}

func (s scripted) Credential(context.Context, sdk.Config, string) (sdk.Credential, error) {
	if s.err != nil && s.err.Error() == "panic" {
		panic("on request")
	}
	return s.cred, s.err
}

func (s scripted) Diagnose(context.Context, sdk.Config) ([]sdk.Step, error) {
	return []sdk.Step{{Name: "a", OK: true, Detail: "b"}, {Name: "c", Detail: "d", Fix: "e"}}, s.err
}

func TestErrorsKeepTheirKind(t *testing.T) {
	t.Parallel()
	all := []error{
		sdk.ErrInvalid, sdk.ErrUnauthorized, sdk.ErrDenied, sdk.ErrNotFound, sdk.ErrUnavailable, sdk.ErrLimit, sdk.ErrUnsupported,
	}
	for _, want := range all {
		r := sdk.NewRegistryClient(connect(t, sdk.Plugin{Kind: sdk.KindRegistry, Registry: scripted{repos: 3, err: fmt.Errorf("because: %w", want)}}))
		_, err := r.Credential(t.Context(), nil, "")
		var listErr error
		for _, e := range r.Repositories(t.Context(), nil) {
			listErr = e
		}
		for _, got := range []error{err, listErr} {
			for _, kind := range all {
				if errors.Is(got, kind) != (kind == want) {
					t.Errorf("%v arrives as %v; is %q: %v", want, got, kind, errors.Is(got, kind))
				}
			}
			if !strings.Contains(fmt.Sprint(got), "because: ") {
				t.Errorf("the text %q lost the cause", got)
			}
		}
	}
}

func TestOtherErrors(t *testing.T) {
	t.Parallel()
	call := func(err error) error {
		_, err = sdk.NewRegistryClient(connect(t, sdk.Plugin{Kind: sdk.KindRegistry, Registry: scripted{err: err}})).Credential(t.Context(), nil, "")
		return err
	}
	err := call(fmt.Errorf("busy: %w", &sdk.RetryError{After: 90 * time.Second, Err: errors.New("HTTP 429")}))
	if after, ok := sdk.RetryAfter(err); !ok || after != 90*time.Second || !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("a retry error arrives as %v (%s, %v)", err, after, ok)
	}
	if err := call(errors.New("not UTF-8: \xff" + strings.Repeat("x", 1<<20))); len(err.Error()) > 5<<10 || !strings.Contains(err.Error(), "not UTF-8: \uFFFDxxx") {
		t.Errorf("a wild error arrives with %d bytes: %.40q", len(err.Error()), err)
	}
	if err := call(errors.New("panic")); err == nil || !strings.Contains(err.Error(), "on request") {
		t.Errorf("a panic arrives as %v", err)
	}
	if err := call(context.DeadlineExceeded); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline arrives as %v", err)
	}
}

func TestRegistryValues(t *testing.T) {
	t.Parallel()
	cred := sdk.Credential{Username: "u", Password: "p", Token: "t", Expires: time.Unix(1_700_000_000, 5).UTC()}
	r := sdk.NewRegistryClient(connect(t, sdk.Plugin{Kind: sdk.KindRegistry, Registry: scripted{repos: 1500, cred: cred}}))
	if got, err := r.Credential(t.Context(), nil, "x"); err != nil || got != cred {
		t.Errorf("credential: %v, %v", got, err)
	}
	steps, err := r.Diagnose(t.Context(), nil)
	if diff := cmp.Diff([]sdk.Step{{Name: "a", OK: true, Detail: "b"}, {Name: "c", Detail: "d", Fix: "e"}}, steps); diff != "" || err != nil {
		t.Errorf("steps: %v (-want +got):\n%s", err, diff)
	}
	var tags []sdk.Tag
	for tag, err := range r.Tags(t.Context(), nil, "x") {
		if err != nil {
			t.Fatal(err)
		}
		tags = append(tags, tag)
	}
	if diff := cmp.Diff([]sdk.Tag{{Name: "1", Digest: "sha256:1"}, {Digest: "sha256:2"}}, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	n := 0
	for _, err := range r.Repositories(t.Context(), nil) {
		if n++; err != nil || n == 700 {
			break // leaving early must not hang
		}
	}
	if n != 700 {
		t.Errorf("left after %d repositories", n)
	}
	if _, err := r.ResolveTag(t.Context(), nil, "x", "y"); !errors.Is(err, sdk.ErrUnsupported) {
		t.Errorf("an ability that is not there gives %v", err)
	}
}

// fixed is an ingester that reads its input to the end and reports the same
// document every time.
type fixed struct {
	sdk.Document
	subjects int
}

func (f fixed) Recognize(_ context.Context, head []byte) (string, error) {
	return fmt.Sprintf("bytes/%d", len(head)), nil
}

func (f fixed) Parse(_ context.Context, doc io.Reader, sink sdk.Sink) error {
	if _, err := io.Copy(io.Discard, doc); err != nil {
		return err
	}
	for range f.subjects {
		if err := sink.Subject(f.Subject); err != nil {
			return err
		}
	}
	for _, w := range f.Warnings {
		if err := sink.Warn(w); err != nil {
			return err
		}
	}
	return errors.Join(sink.Packages(f.Packages), sink.Findings(f.Findings))
}

// document has every field of every value set, and more items than a batch.
func document() sdk.Document {
	at := time.Unix(1_700_000_000, 0).UTC()
	d := sdk.Document{
		Subject: sdk.Subject{
			Registry: "a", Repository: "b", Tag: "c", Digest: "d", Platform: "e", ImageID: "f", DiffIDs: []string{"g"},
			OSFamily: "h", OSVersion: "i", Tool: "j", ToolVersion: "k", Created: at, ListsPackages: true,
		},
		Warnings: []string{"one", "two"},
	}
	for i := range 1300 {
		d.Packages = append(d.Packages, sdk.Package{
			Ecosystem: "a", Name: fmt.Sprint(i), Version: "c", Arch: "d", SourceName: "e", SourceVersion: "f", Path: "g", PURL: "h",
			Layer: "i", Licenses: []string{"j", "k"},
		})
		d.Findings = append(d.Findings, sdk.Finding{
			ID: fmt.Sprint(i), Ecosystem: "b", Package: "c", InstalledVersion: "d", FixedVersion: "e", Severity: sdk.Severity(i % 6),
			Status: "f", Score: 9.8, Vector: "g", Title: "h", Description: strings.Repeat("i", 3000), URL: "j", Path: "k", PURL: "l",
			Layer: "m", Published: at, Modified: at.Add(time.Hour),
		})
	}
	return d
}

func TestDocumentRoundTrip(t *testing.T) {
	t.Parallel()
	want := document()
	in := sdk.NewIngestClient(connect(t, sdk.Plugin{Kind: sdk.KindIngest, Ingester: fixed{want, 1}}))
	var got sdk.Collector
	if err := in.Parse(t.Context(), bytes.NewReader(make([]byte, 3*sdk.MaxChunk+1)), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Document); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
	if format, err := in.Recognize(t.Context(), make([]byte, 2*sdk.MaxHead)); format != fmt.Sprintf("bytes/%d", sdk.MaxHead) || err != nil {
		t.Errorf("recognized as %q, %v", format, err)
	}
}

func TestDocumentFailures(t *testing.T) {
	t.Parallel()
	for subjects, fails := range map[int]bool{0: true, 1: false, 2: true} {
		in := sdk.NewIngestClient(connect(t, sdk.Plugin{Kind: sdk.KindIngest, Ingester: fixed{sdk.Document{}, subjects}}))
		if err := in.Parse(t.Context(), strings.NewReader("x"), &sdk.Collector{}); (err != nil) != fails {
			t.Errorf("%d subjects: %v", subjects, err)
		}
	}
	in := sdk.NewIngestClient(connect(t, sdk.Plugin{Kind: sdk.KindIngest, Ingester: fixed{document(), 1}}))
	// A body that breaks off must not look like a shorter document.
	for _, broken := range []error{io.ErrUnexpectedEOF, errors.New("reset")} {
		doc := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))
		if err := in.Parse(t.Context(), doc, &sdk.Collector{}); !errors.Is(err, broken) {
			t.Errorf("a reader that breaks with %q gives %v", broken, err)
		}
	}
	full := errors.New("full")
	if err := in.Parse(t.Context(), strings.NewReader("x"), refusing{err: full}); !errors.Is(err, full) {
		t.Errorf("a sink that refuses gives %v", err)
	}
}

type refusing struct {
	sdk.Sink
	err error
}

func (r refusing) Subject(sdk.Subject) error    { return nil }
func (r refusing) Warn(string) error            { return nil }
func (r refusing) Packages([]sdk.Package) error { return r.err }

// shelf is an object transport in memory.
type shelf struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (s *shelf) Publish(_ context.Context, _ sdk.Config, name string, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = b
	return nil
}

func (s *shelf) Fetch(_ context.Context, _ sdk.Config, name string) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.objects[name]
	if !ok {
		return nil, sdk.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (s *shelf) List(_ context.Context, _ sdk.Config, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for name := range s.objects {
			if strings.HasPrefix(name, prefix) && !yield(name, nil) {
				return
			}
		}
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	s := &shelf{objects: map[string][]byte{}}
	conn := connect(t, sdk.Plugin{Kind: sdk.KindTransport, Objects: s})
	if r := sdktest.Check(t.Context(), conn, sdktest.Options{}); !r.OK() || !strings.Contains(r.String(), "ok    stores, replaces") {
		t.Error(r)
	}
	c := sdk.NewObjectClient(conn)
	for _, name := range []string{"", "/", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "a b", "a\x00"} {
		if err := c.Publish(t.Context(), nil, name, strings.NewReader("x")); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("the name %q gives %v", name, err)
		}
	}
	broken := errors.New("disk gone")
	if err := c.Publish(t.Context(), nil, "torn", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a torn object gives %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, stored := s.objects["torn"]; stored {
		t.Error("half an object was stored")
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	conn := connect(t, sdk.Plugin{
		Kind: sdk.KindTransport, Objects: &shelf{}, ConfigSchema: " {} ", Capabilities: []string{"z", "a", "z"},
		Health: func(context.Context) error { return errors.New("disk\n full") },
	})
	got, err := sdk.Describe(t.Context(), conn)
	want := sdk.Description{
		Name: "test", Version: "1.0.0", Kind: sdk.KindTransport, ConfigSchema: "{}",
		Capabilities: []string{"a", sdk.CapabilityObjects, "z"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := sdk.Health(t.Context(), conn); !errors.Is(err, sdk.ErrUnhealthy) || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("health: %v", err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := sdk.Plugin{Name: "a-1", Version: "1", Kind: sdk.KindRegistry, Registry: scripted{}}
	if err := good.Validate(); err != nil {
		t.Errorf("a good plugin: %v", err)
	}
	for want, change := range map[string]func(*sdk.Plugin){
		"name":              func(p *sdk.Plugin) { p.Name = "Upper" },
		"version":           func(p *sdk.Plugin) { p.Version = "" },
		"kind":              func(p *sdk.Plugin) { p.Kind = "driver" },
		"handler is nil":    func(p *sdk.Plugin) { p.Registry = nil },
		"handler of kind":   func(p *sdk.Plugin) { p.Ingester = fixed{} },
		"kind transport is": func(p *sdk.Plugin) { p.Objects = &shelf{} },
	} {
		p := good
		change(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	var v struct {
		A int `json:"a"`
	}
	if err := sdk.Config(`{"a":1}`).Decode(&v); err != nil || v.A != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	if err := sdk.Config(nil).Decode(&v); err != nil {
		t.Errorf("no configuration: %v", err)
	}
	for _, bad := range []string{`{"b":1}`, `{"a":1}{}`, `[]`, `{"a":`, `{"a":"` + strings.Repeat("x", sdk.MaxConfig) + `"}`} {
		if err := sdk.Config(bad).Decode(&v); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%.20s: %v", bad, err)
		}
	}
	secret := sdk.Config(`{"password":"hunter2"}`)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", secret)
	if s := fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, &log); strings.Contains(s, "hunter2") {
		t.Errorf("a configuration shows itself: %s", s)
	}
}

// TestSuiteFindsFaults: a suite that accepts everything would be worthless.
func TestSuiteFindsFaults(t *testing.T) {
	t.Parallel()
	problems := func(p sdk.Plugin, o sdktest.Options) []string {
		var names []string
		for _, r := range sdktest.Check(t.Context(), connect(t, p), o).Results {
			if r.Problem != "" {
				names = append(names, r.Name)
				if r.Fix == "" {
					t.Errorf("no fix for %q", r.Name)
				}
			}
		}
		return names
	}
	got := problems(sdk.Plugin{
		Kind: sdk.KindRegistry, Registry: scripted{repos: 2, err: errors.New("always")}, ConfigSchema: `{"type":"array"}`,
		Health: func(context.Context) error { return errors.New("ill") },
	}, sdktest.Options{Config: sdk.Config("{}")})
	for _, want := range []string{
		"has a configuration schema", "answers health checks in time, also many at once", "refuses a configuration that is not JSON",
		"refuses unknown settings", "lists repositories and tags, the same ones twice", "diagnoses a configuration",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("the suite did not notice: %s", want)
		}
	}
	got = problems(sdk.Plugin{Kind: sdk.KindIngest, Ingester: fixed{sdk.Document{}, 1}}, sdktest.Options{Document: []byte("{}")})
	if len(got) != 4 {
		t.Errorf("of an ingester that accepts everything the suite notices %q", got)
	}
}
