package admission

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got any) {
	t.Helper()
	var encoded bytes.Buffer
	enc := json.NewEncoder(&encoded)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(got); err != nil {
		t.Fatal(err)
	}
	body := encoded.Bytes()
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(body)); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

func high(ids ...string) []policy.CVE {
	var cves []policy.CVE
	for _, id := range ids {
		cves = append(cves, policy.CVE{ID: id, Severity: model.High})
	}
	return cves
}

// TestExplanations shows what a decision says, whole.
func TestExplanations(t *testing.T) {
	t.Parallel()
	fedDeny := denial(100001, "cveNames", "containsAny", "CVE-2021-44228")
	fedDeny.Comment = "no log4shell"
	monitored := denial(1000, "cveHighCount", ">=", "2")
	monitored.RuleMode = policy.Monitor
	disabled := denial(1001, "namespace", "containsAny", "*")
	disabled.Disable = true
	unscanned := denial(1002, "imageScanned", "=", "false")
	exception := denial(1003, "image", "containsAny", "reg.example/trusted/*")
	exception.RuleType = policy.Exception
	world := func() *world {
		w := newWorld()
		w.rules = []policy.Rule{fedDeny, monitored, disabled, unscanned, exception}
		w.image("reg.example/shop/web:1", digest("a"), model.Counts{High: 2}, high("CVE-2021-44228", "CVE-2024-1")...)
		w.image("reg.example/shop/api:1", digest("b"), model.Counts{High: 2}, high("CVE-2024-1", "CVE-2024-2")...)
		w.image("reg.example/shop/job:1", digest("c"), model.Counts{High: 1})
		w.verdicts[digest("c")][0].Findings = "coming"
		return w
	}
	update := pod("reg.example/shop/web:1", "reg.example/shop/api:1")
	update.Operation, update.Previous = "UPDATE", update.Containers[:1]
	tests := map[string]Request{
		"denied":     pod("reg.example/shop/web:1", "reg.example/shop/api:1"),
		"violation":  pod("reg.example/shop/api:1"),
		"unscanned":  pod("nginx"),
		"exception":  pod("reg.example/trusted/tool:2"),
		"coming":     pod("reg.example/shop/job:1"),
		"update":     update,
		"unreadable": pod("NOT AN IMAGE"),
	}
	for name, req := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := review(t, world().service(t), req)
			golden(t, name, map[string]any{"decision": d, "answer": Answer(req, d)})
		})
	}
}

// halfScanned makes an index of two children known, of which one has a result.
func halfScanned(w *world, name string) {
	w.tags[name] = []model.Digest{digest("1")}
	w.children[digest("1")] = []model.Digest{digest("a"), digest("b")}
	w.verdict(digest("1"), digest("a"), model.SourceScan, model.Counts{})
}

func TestWhichResultsCount(t *testing.T) {
	t.Parallel()
	const name = "reg.example/app:1"
	counts := func(n int) model.Counts { return model.Counts{Critical: n} }
	tests := []struct {
		name  string
		image string
		build func(*world)
		rule  policy.Rule
		want  bool // allowed
	}{
		{"a tag of that host", name, func(w *world) { w.image(name, digest("a"), counts(1)) }, denial(1000, "cveCriticalCount", ">=", "1"), false},
		{"a tag of a longer host", name, func(w *world) { w.image("reg.example.com/app:1", digest("a"), counts(1)) }, denial(1000, "imageScanned", "=", "true"), true},
		{"a tag of another port", name, func(w *world) { w.image("reg.example:5000/app:1", digest("a"), counts(1)) }, denial(1000, "imageScanned", "=", "true"), true},
		{"a tag of https's own port", name, func(w *world) { w.image("reg.example:443/app:1", digest("a"), counts(1)) }, denial(1000, "imageScanned", "=", "true"), false},
		{"Docker Hub by another name", "nginx", func(w *world) { w.image("registry-1.docker.io/library/nginx:latest", digest("a"), counts(1)) }, denial(1000, "imageScanned", "=", "true"), false},
		{"a digest, whatever the name", "other.io/x@" + string(digest("a")), func(w *world) { w.image(name, digest("a"), counts(1)) }, denial(1000, "imageScanned", "=", "true"), false},
		{"no results under a SHA-512 digest", "reg.example/x@sha512:" + strings.Repeat("a", 128), func(*world) {}, denial(1000, "imageScanned", "=", "false"), false},
		{"a SHA-512 digest hides no host", "evil.io/x@sha512:" + strings.Repeat("a", 128), func(*world) {}, denial(1000, "imageRegistry", "notContainsAny", "good.io"), false},
		{"an unreadable reference hides no host", "evil.io/x@md5:aa", func(*world) {}, denial(1000, "imageRegistry", "notContainsAny", "good.io"), false},
		{"the digest beats the tag", "reg.example/app:1@" + string(digest("b")), func(w *world) {
			w.image(name, digest("a"), counts(1))
			w.image("reg.example/app:2", digest("b"), counts(0))
		}, denial(1000, "cveCriticalCount", ">=", "1"), true},
		{"any image behind a tag", name, func(w *world) {
			w.image(name, digest("a"), counts(0))
			w.image(name, digest("b"), counts(1))
		}, denial(1000, "cveCriticalCount", ">=", "1"), false},
		{"an image behind a tag that nobody scanned", name, func(w *world) {
			w.image(name, digest("a"), counts(0))
			w.tags[name] = append(w.tags[name], digest("b"))
		}, denial(1000, "imageScanned", "=", "false"), false},
		{"children of an index", name, func(w *world) {
			w.tags[name] = []model.Digest{digest("1")}
			w.verdict(digest("1"), digest("a"), model.SourceScan, counts(0))
			w.verdict(digest("1"), digest("b"), model.SourceScan, counts(1))
		}, denial(1000, "cveCriticalCount", ">=", "1"), false},
		{"a child of an index that nobody scanned", name, func(w *world) {
			halfScanned(w, name)
		}, denial(1000, "imageScanned", "=", "false"), false},
		{"an index that a pipeline scanned", name, func(w *world) {
			w.tags[name] = []model.Digest{digest("1")}
			w.verdict(digest("1"), digest("1"), model.SourceCI, counts(1))
		}, denial(1000, "imageScanned", "=", "ci"), false},
		{"an index that a pipeline scanned beside us", name, func(w *world) {
			w.tags[name] = []model.Digest{digest("1")}
			w.verdict(digest("1"), digest("1"), model.SourceCI, counts(1), high("CVE-CI")...)
			w.verdict(digest("1"), digest("a"), model.SourceScan, counts(0))
		}, denial(1000, "imageScanned", "=", "ci"), true},
		{"its findings count for the children", name, func(w *world) {
			w.tags[name] = []model.Digest{digest("1")}
			w.verdict(digest("1"), digest("1"), model.SourceCI, counts(1), high("CVE-CI")...)
			w.verdict(digest("1"), digest("a"), model.SourceScan, counts(0))
		}, denial(1000, "cveNames", "containsAny", "CVE-CI"), false},
		{"own counts win over a pipeline's", name, func(w *world) {
			w.image(name, digest("a"), counts(0))
			w.verdict(digest("a"), digest("a"), model.SourceCI, counts(5))
		}, denial(1000, "cveCriticalCount", ">=", "1"), true},
		{"a pipeline's counts where we could not judge", name, func(w *world) {
			w.image(name, digest("a"), counts(0))
			w.verdicts[digest("a")][0].Incomplete = true
			w.verdict(digest("a"), digest("a"), model.SourceCI, counts(5))
		}, denial(1000, "cveCriticalCount", ">=", "5"), false},
		{"a pipeline adds findings", name, func(w *world) {
			w.image(name, digest("a"), counts(1), high("CVE-OWN")...)
			w.verdict(digest("a"), digest("a"), model.SourceCI, counts(1), high("CVE-CI")...)
		}, denial(1000, "cveNames", "containsAll", "CVE-OWN,CVE-CI"), false},
		{"a pipeline never removes findings", name, func(w *world) {
			w.image(name, digest("a"), counts(1), high("CVE-OWN")...)
			w.verdict(digest("a"), digest("a"), model.SourceCI, counts(0))
		}, denial(1000, "cveNames", "containsAny", "CVE-OWN"), false},
		{"the greatest of several pipelines", name, func(w *world) {
			w.tags[name] = []model.Digest{digest("a")}
			w.verdict(digest("a"), digest("a"), model.SourceCI, counts(3))
			w.verdict(digest("a"), digest("a"), model.SourceCI, counts(1))
		}, denial(1000, "cveCriticalCount", ">=", "3"), false},
		{"the newest of several scans", name, func(w *world) {
			w.image(name, digest("a"), counts(1))
			w.verdict(digest("a"), digest("a"), model.SourceScan, counts(0))
			w.verdicts[digest("a")][1].DB.UpdatedAt = w.service(t).o.Now()
		}, denial(1000, "cveCriticalCount", ">=", "1"), true},
		{"nothing found needs no finding list", name, func(w *world) { w.image(name, digest("a"), counts(0)) }, denial(1000, "cveNames", "notContainsAny", "CVE-1"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tt.build(w)
			w.rules = []policy.Rule{tt.rule}
			if d := review(t, w.service(t), pod(tt.image)); d.Allowed != tt.want {
				t.Errorf("allowed %v: %s\n%+v", d.Allowed, d.Message, d.Containers[0].Trace)
			}
		})
	}
}

// Our own scan decides what is denied; but an exception for few findings is not
// given where a pipeline reports many.
func TestAnExceptionNeedsEverybodysWord(t *testing.T) {
	t.Parallel()
	const name = "reg.example/app:1"
	for reported, want := range map[int]bool{0: true, 5: false} {
		w := newWorld()
		w.image(name, digest("a"), model.Counts{})
		w.verdict(digest("a"), digest("a"), model.SourceCI, model.Counts{Critical: reported})
		few := denial(1000, "cveCriticalCount", "<=", "0")
		few.RuleType = policy.Exception
		w.rules = []policy.Rule{few, denial(1001, "image", "containsAny", "*")}
		if d := review(t, w.service(t), pod(name)); d.Allowed != want {
			t.Errorf("a pipeline reports %d: allowed %v, %s", reported, d.Allowed, d.Message)
		}
	}
}

func TestAnExceptionNeedsResultsOfAllChildren(t *testing.T) {
	t.Parallel()
	const name = "reg.example/app:1"
	w := newWorld()
	halfScanned(w, name)
	clean := denial(1000, "cveHighCount", "<=", "0")
	clean.RuleType = policy.Exception
	w.rules = []policy.Rule{clean, denial(1001, "image", "containsAny", "*")}
	s := w.service(t)
	d := review(t, s, pod(name))
	if d.Allowed || len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "not every image") {
		t.Errorf("half scanned: allowed %v, warnings %q", d.Allowed, d.Warnings)
	}
	w.verdict(digest("1"), digest("b"), model.SourceScan, model.Counts{})
	if d = review(t, s, pod(name)); !d.Allowed || len(d.Warnings) > 0 {
		t.Errorf("scanned: allowed %v, warnings %q", d.Allowed, d.Warnings)
	}
	// A pipeline's result for the whole index is listed once, whatever its children.
	w.verdict(digest("1"), digest("1"), model.SourceCI, model.Counts{})
	if d = review(t, s, pod(name)); len(d.Containers[0].Results) != 3 {
		t.Errorf("results %+v", d.Containers[0].Results)
	}
}

func TestDisabledAndExemptNeedNoResults(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.rules = []policy.Rule{denial(1000, "namespace", "containsAny", "*")}
	s := w.service(t)
	w.broken = errors.New("disk")
	for _, ns := range []string{"kube-system", "kube-public", "muster"} {
		req := pod("nginx")
		req.Namespace = ns
		if d := review(t, s, req); !d.Allowed || d.Rule == nil || d.Rule.Rule.CfgType != policy.BuiltIn {
			t.Errorf("%s: %+v", ns, d)
		}
	}
	if _, err := s.Review(t.Context(), pod("nginx")); !errors.Is(err, w.broken) {
		t.Errorf("a broken store is no decision: %v", err)
	}
	w.broken, w.state.Enable = nil, false
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.broken = errors.New("disk")
	if d := review(t, s, pod("nginx")); !d.Allowed || !strings.Contains(d.Message, "disabled") {
		t.Errorf("disabled: %+v", d)
	}
}

func TestUnchangedImagesAreNotJudged(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.rules = []policy.Rule{denial(1000, "image", "containsAny", "*")}
	s := w.service(t)
	req := pod("nginx", "redis")
	req.Operation, req.Previous = "UPDATE", pod("redis", "nginx").Containers
	if d := review(t, s, req); !d.Allowed || !strings.Contains(d.Message, "changes no image") || d.Containers[0].Note == "" {
		t.Errorf("unchanged: %+v", d)
	}
	req.Previous = []Container{{Name: "i", Kind: policy.InitContainers, Image: "nginx"}, req.Containers[1]}
	if d := review(t, s, req); d.Allowed || d.Containers[0].Allowed || !d.Containers[1].Allowed {
		t.Errorf("an image that becomes another kind of container: %+v", d)
	}
	if d := review(t, s, Request{UID: "u", Operation: "CREATE", Note: "it is a config map"}); !d.Allowed || !strings.Contains(d.Message, "config map") {
		t.Errorf("a note: %+v", d)
	}
}

func TestAllContainersAreJudgedOncePerImage(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.image("reg.example/bad:1", digest("a"), model.Counts{Critical: 1}, policy.CVE{ID: "CVE-1", Severity: model.Critical})
	w.rules = []policy.Rule{denial(1000, "cveCriticalCount", ">=", "1")}
	s := w.service(t)
	d := review(t, s, pod("reg.example/bad:1", "reg.example/bad:1", "nginx", "reg.example/bad:1", "reg.example/bad:1"))
	if d.Allowed || strings.Count(d.Message, "is refused by local rule 1000") != 3 || !strings.Contains(d.Message, "1 more") {
		t.Errorf("message %q", d.Message)
	}
	// One look-up to judge and, because it is denied, one more for the names.
	if w.lookups != 2 || w.loads != 1 {
		t.Errorf("%d look-ups, %d lists loaded", w.lookups, w.loads)
	}
	if got := d.Rule.CVEs; len(got) != 1 || got[0] != "CVE-1" {
		t.Errorf("names %v", got)
	}
}

// The clock of the tests stands at the first of November.
func TestOldDatabasesAreSaidAloud(t *testing.T) {
	t.Parallel()
	built := func(month time.Month, day int) model.DBVersion {
		return model.DBVersion{Revision: "r", UpdatedAt: time.Date(2026, month, day, 12, 0, 0, 0, time.UTC)}
	}
	for name, tt := range map[string]struct {
		of     model.Source
		db     model.DBVersion
		maxAge time.Duration
		want   []string
	}{
		"fresh":          {model.SourceScan, built(10, 26), 7 * 24 * time.Hour, nil},
		"old":            {model.SourceScan, built(10, 22), 7 * 24 * time.Hour, []string{`container "a": web was looked up in a vulnerability database that is 10 days old`}},
		"of a pipeline":  {model.SourceCI, built(1, 1), 7 * 24 * time.Hour, nil},
		"no limit":       {model.SourceScan, built(1, 1), 0, nil},
		"of unknown age": {model.SourceScan, model.DBVersion{Revision: "r"}, 7 * 24 * time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.tags["docker.io/library/web:latest"] = []model.Digest{digest("1")}
			w.verdict(digest("1"), digest("1"), tt.of, model.Counts{})
			w.verdicts[digest("1")][0].DB = tt.db
			s := w.service(t)
			s.o.MaxDBAge = tt.maxAge
			if diff := cmp.Diff(tt.want, review(t, s, pod("web")).Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	w := newWorld()
	monitored := denial(1001, "image", "containsAny", "watched")
	monitored.RuleMode = policy.Monitor
	w.rules = []policy.Rule{denial(1000, "image", "containsAny", "bad"), monitored}
	s := w.service(t)
	for i := range recentDenials + 2 {
		req := pod("bad")
		req.Name = strconv.Itoa(i)
		review(t, s, req)
	}
	review(t, s, pod("good"))
	review(t, s, pod("watched"))
	dry := pod("bad")
	dry.DryRun = true
	review(t, s, dry)
	w.broken = errors.New("disk")
	if _, err := s.Review(t.Context(), pod("good")); err == nil {
		t.Error("no error")
	}
	got := s.Stats()
	if got.Allowed != 2 || got.Violated != 1 || got.Denied != recentDenials+2 || got.Failed != 1 || got.Day != recentDenials+4 || len(got.Recent) != recentDenials {
		t.Errorf("%+v", got)
	}
	if first, last := got.Recent[0], got.Recent[recentDenials-1]; first.Name != "51" || last.Name != "2" || first.Rule != 1000 || first.User != "dev" {
		t.Errorf("newest %+v, oldest %+v", first, last)
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCVECache(10)
	list := func(n int) *policy.CVEList {
		var ids []string
		for i := range n {
			ids = append(ids, strconv.Itoa(i))
		}
		return policy.NewCVEList(high(ids...))
	}
	c.put("a", list(4))
	c.put("a", list(4))
	c.put("b", list(4))
	if _, ok := c.get("a"); !ok {
		t.Fatal("a is gone too early")
	}
	c.put("c", list(0))
	c.put("huge", list(10))
	for hash, want := range map[string]bool{"a": true, "b": false, "c": true, "huge": false} {
		if _, ok := c.get(hash); ok != want {
			t.Errorf("%s is there: %v", hash, ok)
		}
	}
	if c.size != 6 || c.recent.Len() != 2 {
		t.Errorf("size %d of %d lists", c.size, c.recent.Len())
	}
}

func TestReviewsAndReloadsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.image("reg.example/app:1", digest("a"), model.Counts{Critical: 1}, high("CVE-1")...)
	s := w.service(t)
	admin := model.Actor{Name: "root", Role: model.RoleFedAdmin}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := s.Review(t.Context(), pod("reg.example/app:1", "nginx")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, kind := range []string{"cveNames", "cveCriticalCount"} {
		wg.Go(func() {
			for range 20 {
				op, value := "containsAny", "CVE-1"
				if kind == "cveCriticalCount" {
					op, value = ">=", "1"
				}
				if _, err := s.AddRule(t.Context(), admin, denial(0, kind, op, value)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := s.current.Load().rules.Len(); got != 42 {
		t.Errorf("%d rules are in force, want 42: a reload was lost", got)
	}
}
