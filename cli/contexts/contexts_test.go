package contexts_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/cli/contexts"
)

func TestUpdateKeepsEveryChange(t *testing.T) {
	t.Parallel()
	f := contexts.At(filepath.Join(t.TempDir(), "new", "contexts.json"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			err := f.Update(t.Context(), func(s *contexts.Set) error {
				s.Put(contexts.Context{Server: fmt.Sprintf("https://%d", i), Token: "t"})
				s.Current = "https://0"
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	set, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Contexts) != 8 || set.Current != "https://0" {
		t.Errorf("stored %d contexts, current %q", len(set.Contexts), set.Current)
	}
	info, err := os.Stat(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(f.Path()), ".contexts-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

func TestPutReplacesAndRemoveForgets(t *testing.T) {
	t.Parallel()
	var s contexts.Set
	s.Put(contexts.Context{Server: "https://b", Token: "old"})
	s.Put(contexts.Context{Server: "https://a"})
	s.Put(contexts.Context{Server: "https://b", Token: "new"})
	want := []contexts.Context{{Server: "https://a"}, {Server: "https://b", Token: "new"}}
	if diff := cmp.Diff(want, s.Contexts); diff != "" {
		t.Errorf("contexts (-want +got):\n%s", diff)
	}
	s.Remove("https://b")
	if _, ok := s.Find("https://b"); ok {
		t.Error("still there after Remove")
	}
}

func TestFailedChangeLeavesTheFile(t *testing.T) {
	t.Parallel()
	f := contexts.At(filepath.Join(t.TempDir(), "contexts.json"))
	if err := f.Update(t.Context(), func(s *contexts.Set) error { s.Current = "https://a"; return nil }); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := f.Update(t.Context(), func(s *contexts.Set) error { s.Current = "https://b"; return boom })
	if !errors.Is(err, boom) {
		t.Fatalf("Update = %v", err)
	}
	if set, err := f.Load(); err != nil || set.Current != "https://a" {
		t.Errorf("Load = %+v, %v", set, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := filepath.Join(dir, "open.json")
	if err := os.WriteFile(open, []byte(`{}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := contexts.At(open).Load(); !errors.Is(err, contexts.ErrTooOpen) {
		t.Errorf("a file open to others: %v", err)
	}
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte(`{`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := contexts.At(broken).Load(); err == nil {
		t.Error("a broken file was accepted")
	}
	if set, err := contexts.At(filepath.Join(dir, "none")).Load(); err != nil || len(set.Contexts) != 0 {
		t.Errorf("a missing file: %+v, %v", set, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"current":"https://a","contexts":[{"server":"https://a","token":"t","expires_at":"2026-01-02T03:04:05Z"}]}`))
	f.Add([]byte(`{"contexts":null}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := contexts.Parse(data)
		if err != nil {
			return
		}
		set.Find(set.Current)
	})
}
