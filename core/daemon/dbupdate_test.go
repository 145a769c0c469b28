package daemon

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/core/schedule"
	"github.com/muster-sec/muster/scanner/vulndb"
	dbbuild "github.com/muster-sec/muster/scanner/vulndb/build"
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

// artifact is a database as the public places serve it.
func artifact(t *testing.T, updated time.Time) []byte {
	t.Helper()
	dir := t.TempDir()
	_, err := dbbuild.Write(dir, dbbuild.Content{
		UpdatedAt: updated, Details: map[string]vulndb.Detail{"CVE-1": {}},
		Advisories: []dbbuild.Advisory{
			{Bucket: "debian 12", Package: "zlib", ID: "CVE-1", Advisory: vulndb.Advisory{FixedVersion: "2"}},
			{Bucket: "debian 13", Package: "zlib", ID: "CVE-1", Advisory: vulndb.Advisory{FixedVersion: "2"}},
			{Bucket: "npm::x", Package: "left-pad", ID: "CVE-1", Advisory: vulndb.Advisory{VulnerableVersions: []string{"<2"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	for _, file := range []string{fetch.DatabaseFile, vulndb.MetadataFile} {
		body, err := os.ReadFile(filepath.Join(dir, file))
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(body))})
		}
		if err == nil {
			_, err = w.Write(body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// mirror is a registry that serves databases.
type mirror struct{ repository string }

func newMirror(t *testing.T) mirror {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return mirror{strings.TrimPrefix(server.URL, "http://") + "/mirror/trivy-db"}
}

func (m mirror) serve(t *testing.T, packed []byte) {
	t.Helper()
	layer := static.NewLayer(packed, "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip")
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layer)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(m.repository+":2", name.Insecure)
	if err == nil {
		err = remote.Write(ref, image)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestADatabaseIsPulledAndTakenIntoUse follows a mirror that serves a database, a
// newer one and rubbish.
func TestADatabaseIsPulledAndTakenIntoUse(t *testing.T) {
	t.Parallel()
	now := built().Add(time.Hour)
	clock := func() time.Time { return now }
	m, folder, logger := newMirror(t), filepath.Join(t.TempDir(), "pulled"), slog.New(slog.NewTextHandler(t.Output(), nil))
	updates, err := newDBUpdate(config.VulnDB{Update: "@every 6h", Repositories: []string{"http://" + m.repository}}, folder, "test", logger, clock)
	if err != nil {
		t.Fatal(err)
	}
	var inUse []scanjob.Matcher
	d := &database{
		path: filepath.Join(folder, fetch.DatabaseFile), dir: filepath.Join(folder, "copies"), updates: updates, maxAge: 48 * time.Hour,
		use: func(m scanjob.Matcher) { inUse = append(inUse, m) }, log: logger, now: clock,
	}
	if err := d.Open(); err != nil {
		t.Fatalf("no database yet: %v", err)
	}
	if !updates.first().Equal(now) {
		t.Error("without a database, the first pull is not due at once")
	}
	if updates.once(t.Context(), time.Minute); d.Status().UpdateError == "" || d.Status().NextCheck != now.Add(time.Minute) {
		t.Errorf("nothing to pull: %+v", d.Status())
	}

	m.serve(t, artifact(t, built()))
	updates.once(t.Context(), time.Minute)
	if err := d.follow(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.close() })
	status := d.Status()
	want := api.DB{
		Present: true, Revision: status.Revision, UpdatedAt: built(), LoadedAt: now, NextUpdate: status.NextUpdate,
		Source: m.repository + ":2", Digest: status.Digest, CheckedAt: now, NextCheck: now.Add(6 * time.Hour),
		Ecosystems: []api.Ecosystem{{Name: "debian", Releases: 2, Advisories: 2}, {Name: "npm", Advisories: 1}},
	}
	if diff := cmp.Diff(want, status); diff != "" || status.Digest == "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	now = now.Add(49 * time.Hour)
	if !d.Status().Stale {
		t.Error("a database of two days is not stale")
	}

	newer := built().Add(48 * time.Hour)
	m.serve(t, artifact(t, newer))
	updates.once(t.Context(), time.Minute)
	if err := d.follow(); err != nil || !d.Status().UpdatedAt.Equal(newer) || len(inUse) != 2 {
		t.Errorf("the newer one: %+v, %v, %d matchers", d.Status(), err, len(inUse))
	}
	m.serve(t, []byte("rate limit exceeded"))
	updates.once(t.Context(), time.Minute)
	if err := d.follow(); err != nil || !d.Status().UpdatedAt.Equal(newer) || d.Status().UpdateError == "" || len(inUse) != 2 {
		t.Errorf("after rubbish: %+v, %v", d.Status(), err)
	}
	if entries, err := os.ReadDir(filepath.Join(folder, "copies")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what the daemon pulls is copied: %v", entries)
	}
}

// TestPullsKeepToTheirTimes is a day of an updater whose mirror fails in the morning.
func TestPullsKeepToTheirTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, err := schedule.Parse("@every 4h")
		if err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		var pulls []time.Duration
		u := &dbUpdate{
			schedule: times, log: slog.New(slog.DiscardHandler), now: time.Now,
			status: func() (fetch.Status, error) {
				return fetch.Status{Source: fetch.Source{At: started.Add(-3 * time.Hour)}}, nil
			},
			pull: func(context.Context) (fetch.Result, error) {
				pulls = append(pulls, time.Since(started))
				if len(pulls) < 4 {
					return fetch.Result{}, errors.New("429")
				}
				return fetch.Result{}, nil
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Hour)
		defer cancel()
		if err := u.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		want := []time.Duration{ // an hour after the start four hours are over; then after 10, 20 and 40 minutes
			time.Hour, 70 * time.Minute, 90 * time.Minute, 130 * time.Minute, 370 * time.Minute, 610 * time.Minute,
		}
		if diff := cmp.Diff(want, pulls); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
