package fetch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

func TestUpdate(t *testing.T) {
	t.Parallel()
	s, dir := newSite(t), filepath.Join(t.TempDir(), "db")
	repository := s.push(t, "db", layerType, good(t, day(20)))
	u := updater(t, dir, fetch.Options{Repositories: []string{repository}})
	if _, err := u.Status(); !errors.Is(err, fetch.ErrMissing) {
		t.Errorf("empty folder: %v", err)
	}
	first, err := u.Update(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Changed || !first.Metadata.UpdatedAt.Equal(day(20)) || first.Source.Repository != repository+":2" || !first.Source.At.Equal(day(23)) {
		t.Errorf("%+v", first)
	}
	// Somebody reads the first database while the second takes its place.
	reader, err := vulndb.Open(filepath.Join(dir, "trivy.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	again, err := u.Update(t.Context(), false)
	if err != nil || again.Changed {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	s.push(t, "db", layerType, good(t, day(21)))
	second, err := u.Update(t.Context(), false)
	if err != nil || !second.Changed || second.Revision == first.Revision {
		t.Errorf("%+v, %v", second, err)
	}
	if a, err := reader.Advisories("alpine 3.17", "zlib"); err != nil || len(a) != 1 {
		t.Errorf("the old reader reads %v, %v", a, err)
	}
	db, err := vulndb.Open(filepath.Join(dir, "trivy.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.Revision() != second.Revision || !db.Metadata().UpdatedAt.Equal(day(21)) {
		t.Errorf("the folder holds %s of %s", db.Revision(), db.Metadata().UpdatedAt)
	}
	forced, err := u.Update(t.Context(), true)
	if err != nil || !forced.Changed || forced.Revision != second.Revision {
		t.Errorf("by force: %+v, %v", forced, err)
	}
	onlyOneVersion(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "..", "escape")); !errors.Is(err, os.ErrNotExist) {
		t.Error("an entry of the archive left the folder")
	}
}

func onlyOneVersion(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	versions := 0
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "version-") {
			versions++
		}
		if strings.HasPrefix(e.Name(), "stage-") || strings.HasSuffix(e.Name(), ".new") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
	if versions != 1 {
		t.Errorf("%d versions are kept", versions)
	}
}

// TestNothingBadTakesItsPlace offers every kind of bad artifact to a folder that
// holds a good database.
func TestNothingBadTakesItsPlace(t *testing.T) {
	t.Parallel()
	db, metadata := files(t, day(22))
	packed := good(t, day(22))
	other := bytes.Replace(bytes.Clone(metadata), []byte(`"Version":2`), []byte(`"Version":3`), 1)
	damaged := bytes.Clone(db)
	for i := 8192; i < len(damaged); i += 512 {
		damaged[i] ^= 0xff
	}
	var many []entry
	for range 100 {
		many = append(many, entry{"x", nil})
	}
	for name, c := range map[string]struct {
		push func(*site) string
		want error
	}{
		"other media type": {func(s *site) string { return s.push(t, "bad", types.OCILayer, packed) }, fetch.ErrArtifact},
		"two layers":       {func(s *site) string { return s.push(t, "bad", layerType, packed, []byte("x")) }, fetch.ErrArtifact},
		"no layer":         {func(s *site) string { return s.push(t, "bad", layerType) }, fetch.ErrArtifact},
		"no archive":       {func(s *site) string { return s.push(t, "bad", layerType, []byte("hello")) }, fetch.ErrArtifact},
		"no database":      {func(s *site) string { return s.push(t, "bad", layerType, archive(t, entry{"metadata.json", metadata})) }, fetch.ErrArtifact},
		"twice": {func(s *site) string {
			return s.push(t, "bad", layerType, archive(t, entry{"trivy.db", db}, entry{"trivy.db", db}))
		}, os.ErrExist},
		"many entries":    {func(s *site) string { return s.push(t, "bad", layerType, archive(t, many...)) }, limit.ErrExceeded},
		"half an archive": {func(s *site) string { return s.push(t, "bad", layerType, packed[:len(packed)/2]) }, io.ErrUnexpectedEOF},
		"half a database": {func(s *site) string {
			return s.push(t, "bad", layerType, archive(t, entry{"trivy.db", db[:len(db)/2]}, entry{"metadata.json", metadata}))
		}, vulndb.ErrCorrupt},
		"damaged": {func(s *site) string {
			return s.push(t, "bad", layerType, archive(t, entry{"trivy.db", damaged}, entry{"metadata.json", metadata}))
		}, vulndb.ErrCorrupt},
		"other schema": {func(s *site) string {
			return s.push(t, "bad", layerType, archive(t, entry{"trivy.db", db}, entry{"metadata.json", other}))
		}, vulndb.ErrSchema},
		"large metadata": {func(s *site) string {
			return s.push(t, "bad", layerType, archive(t, entry{"trivy.db", db}, entry{"metadata.json", make([]byte, 2<<20)}))
		}, limit.ErrExceeded},
		"older":        {func(s *site) string { return s.push(t, "bad", layerType, good(t, day(1))) }, fetch.ErrOlder},
		"not there":    {func(s *site) string { return s.host + "/none" }, nil},
		"no reference": {func(s *site) string { return "no such reference" }, fetch.ErrArtifact},
		"cut in transfer": {func(s *site) string {
			ref := s.push(t, "bad", layerType, packed)
			s.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/blobs/") {
					return false
				}
				w.Header().Set("Content-Length", strconv.Itoa(len(packed)))
				_, _ = w.Write(packed[:len(packed)/2])
				return true
			})
			return ref
		}, io.ErrUnexpectedEOF},
		"other content than its digest": {func(s *site) string {
			ref := s.push(t, "bad", layerType, packed)
			swapped := archive(t, entry{"trivy.db", db}, entry{"metadata.json", metadata}, entry{"more", []byte("x")})
			s.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/blobs/") {
					return false
				}
				_, _ = w.Write(swapped)
				return true
			})
			return ref
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, dir := newSite(t), t.TempDir()
			held, err := updater(t, dir, fetch.Options{Repositories: []string{s.push(t, "good", layerType, good(t, day(10)))}}).Update(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			u := updater(t, dir, fetch.Options{Repositories: []string{c.push(s)}})
			_, err = u.Update(t.Context(), false)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			now, err := u.Status()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(held.Status, now); diff != "" {
				t.Errorf("the folder changed (-before +after):\n%s", diff)
			}
			onlyOneVersion(t, dir)
		})
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	u := updater(t, t.TempDir(), fetch.Options{MaxBytes: 4096, Repositories: []string{s.push(t, "db", layerType, good(t, day(1)))}})
	if _, err := u.Update(t.Context(), false); !errors.Is(err, limit.ErrExceeded) {
		t.Error(err)
	}
}

func TestMirrorsInOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bad := s.push(t, "bad", types.OCILayer, []byte("x"))
	fine := s.push(t, "fine", layerType, good(t, day(20)))
	last := s.push(t, "last", layerType, good(t, day(21)))
	r, err := updater(t, t.TempDir(), fetch.Options{Repositories: []string{s.host + "/none", bad, fine, last}}).Update(t.Context(), false)
	if err != nil || len(r.Skipped) != 2 || r.Source.Repository != fine+":2" {
		t.Errorf("%+v, %v", r, err)
	}
	if s.asked["GET /v2/last/manifests/2"] != 0 {
		t.Error("a repository was asked although another had answered")
	}
}

func TestPlainHTTPIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	u, err := fetch.New(t.TempDir(), fetch.Options{Repositories: []string{s.push(t, "db", layerType, good(t, day(20)))}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Update(t.Context(), false); !errors.Is(err, fetch.ErrInsecure) {
		t.Error(err)
	}
}

// TestOneAtATime updates a folder from many sides at once, and waits for another
// process in vain.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	s, dir := newSite(t), t.TempDir()
	repository := s.push(t, "db", layerType, good(t, day(20)))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := updater(t, dir, fetch.Options{Repositories: []string{repository}}).Update(t.Context(), false); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	onlyOneVersion(t, dir)
	if s.asked["GET /v2/db/manifests/2"] != 4 {
		t.Errorf("asked: %v", s.asked)
	}
	lock := flock.New(filepath.Join(dir, ".lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock() //nolint:errcheck // the folder goes
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := updater(t, dir, fetch.Options{Repositories: []string{repository}}).Update(ctx, false); !errors.Is(err, fetch.ErrBusy) {
		t.Error(err)
	}
}

// TestFoldersOfOthers is about folders that hold plain files, as Trivy keeps them.
func TestFoldersOfOthers(t *testing.T) {
	t.Parallel()
	db, metadata := files(t, day(20))
	dir := t.TempDir()
	for name, content := range map[string][]byte{"trivy.db": db, "metadata.json": metadata} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t)
	u := updater(t, dir, fetch.Options{Repositories: []string{s.push(t, "db", layerType, good(t, day(19)))}})
	if status, err := u.Status(); err != nil || status.Source != (fetch.Source{}) {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := u.Update(t.Context(), false); !errors.Is(err, fetch.ErrOlder) {
		t.Error(err)
	}
	s.push(t, "db", layerType, good(t, day(21)))
	if r, err := u.Update(t.Context(), false); err != nil || !r.Metadata.UpdatedAt.Equal(day(21)) {
		t.Errorf("%+v, %v", r, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "metadata.json"))
	var m vulndb.Metadata
	if err = errors.Join(err, json.Unmarshal(raw, &m)); err != nil || !m.UpdatedAt.Equal(day(21)) {
		t.Errorf("%+v, %v", m, err)
	}
}
