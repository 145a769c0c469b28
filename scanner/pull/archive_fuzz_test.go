package pull

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/muster-sec/muster/scanner/limit"
)

// savedTar is an archive of these files.
func savedTar(tb testing.TB, files ...[2]string) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1]))}); err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write([]byte(f[1])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "loop", Linkname: "loop", Typeflag: tar.TypeSymlink}); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// FuzzArchive reads files that "docker save" may have written.
func FuzzArchive(f *testing.F) {
	const config = `{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}`
	f.Add(savedTar(f, [2]string{"manifest.json", `[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l.tar"]}]`}, [2]string{"c.json", config}, [2]string{"l.tar", ""}))
	f.Add(savedTar(f, [2]string{"manifest.json", `[{"Config":"c.json","Layers":["loop"]}]`}, [2]string{"c.json", config}))
	f.Add(savedTar(f, [2]string{"manifest.json", `[{"Config":"c.json","Layers":["../l"]}]`}, [2]string{"c.json", config}, [2]string{"l", "\x1f\x8b\x08\x00"}))
	f.Add([]byte("no tar"))
	limits := limit.Limits{ManifestBytes: 1 << 16, ConfigBytes: 1 << 16, Entries: 1000, Layers: 10}.WithDefaults()
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "saved.tar")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		images, err := Open(t.Context(), "docker-archive:"+file, Options{Limits: limits})
		if err != nil {
			return
		}
		for _, image := range images {
			if len(image.Manifest.Layers) != len(image.Config.RootFS.DiffIDs) {
				t.Errorf("%d layers and %d diff IDs", len(image.Manifest.Layers), len(image.Config.RootFS.DiffIDs))
			}
			for n := range image.Manifest.Layers {
				body, err := image.Layer(t.Context(), n)
				if err != nil {
					t.Errorf("layer %d: %v", n, err)
					continue
				}
				_ = body.Close()
			}
		}
	})
}
