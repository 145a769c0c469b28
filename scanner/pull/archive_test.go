package pull_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/sampleimage"
)

func archiveSample(tb testing.TB, release string) v1.Image {
	tb.Helper()
	image, err := sampleimage.Build(sampleimage.Spec{Layers: []sampleimage.Layer{
		sampleimage.Alpine(release, sampleimage.Package{Name: "zlib", Version: "1.2.12-r1"}),
		{{Path: "srv/a", Body: release}},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return image
}

// saveArchive writes images as "docker save" does and returns the file.
func saveArchive(tb testing.TB, images map[string]v1.Image) string {
	tb.Helper()
	tagged := map[name.Tag]v1.Image{}
	for tag, image := range images {
		parsed, err := name.NewTag(tag)
		if err != nil {
			tb.Fatal(err)
		}
		tagged[parsed] = image
	}
	file := filepath.Join(tb.TempDir(), "saved.tar")
	if err := tarball.MultiWriteToFile(file, tagged); err != nil {
		tb.Fatal(err)
	}
	return file
}

// tarFile writes a tar of plain files and links ("-> target") in order.
func tarFile(tb testing.TB, entries ...[2]string) string {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		hdr := &tar.Header{Name: e[0], Mode: 0o644, Size: int64(len(e[1])), Typeflag: tar.TypeReg}
		if target, ok := bytes.CutPrefix([]byte(e[1]), []byte("-> ")); ok {
			hdr.Typeflag, hdr.Linkname, hdr.Size = tar.TypeSymlink, string(target), 0
		}
		if err := w.WriteHeader(hdr); err != nil {
			tb.Fatal(err)
		}
		if hdr.Size > 0 {
			if _, err := io.WriteString(w, e[1]); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), "with:colon.tar")
	if err := os.WriteFile(file, buf.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func TestArchive(t *testing.T) {
	t.Parallel()
	image := archiveSample(t, "3.17.3")
	file := saveArchive(t, map[string]v1.Image{"registry.example/base:1": image, "registry.example/base:2": archiveSample(t, "3.18.0")})
	got, err := open("docker-archive:"+file+":registry.example/base:1", pull.Options{})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d images, %v", len(got), err)
	}
	config, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Manifest.Config.Digest != config || len(got[0].Manifest.Layers) != 2 {
		t.Errorf("manifest %+v", got[0].Manifest)
	}
	for n := range got[0].Manifest.Layers {
		body, err := got[0].Layer(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(raw)) != got[0].Manifest.Layers[n].Size {
			t.Errorf("layer %d has %d bytes, want %d", n, len(raw), got[0].Manifest.Layers[n].Size)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
	again, err := open("docker-archive:"+file+":registry.example/base:1", pull.Options{})
	if err != nil || again[0].Digest != got[0].Digest {
		t.Errorf("the digest is not the same every time: %v", err)
	}
	for ref, want := range map[string]error{
		"docker-archive:" + file:                              pull.ErrReference,
		"docker-archive:" + file + ":registry.example/base:3": pull.ErrNotFound,
		"docker-archive:" + file + "x":                        pull.ErrNotFound,
	} {
		if _, err := open(ref, pull.Options{}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", ref, err, want)
		}
	}
}

func TestArchiveOfOneImageNeedsNoName(t *testing.T) {
	t.Parallel()
	// Plain layers, the second of which is a link to the first, as old versions
	// of Docker write it.
	layer := "not even a tar"
	diffID := v1.Hash{Algorithm: "sha256", Hex: "85b1b0bfd3a4bb2d9bc1ddbee9fc4d2e3d4a8d4a5c5cf9a0b1c2d3e4f5061728"}
	config, err := json.Marshal(v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{diffID, diffID}}})
	if err != nil {
		t.Fatal(err)
	}
	file := tarFile(t,
		[2]string{"a/layer.tar", layer}, [2]string{"b/layer.tar", "-> ../a/layer.tar"}, [2]string{"c.json", string(config)},
		[2]string{"manifest.json", `[{"Config":"c.json","RepoTags":null,"Layers":["a/layer.tar","b/layer.tar"]}]`})
	got, err := open("docker-archive:"+file, pull.Options{})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d images, %v", len(got), err)
	}
	if l := got[0].Manifest.Layers; l[0].Digest != diffID || l[1].Digest != diffID || l[1].Size != int64(len(layer)) {
		t.Errorf("layers %+v", l)
	}
}

func TestArchiveMalformed(t *testing.T) {
	t.Parallel()
	manifest := func(text string) [2]string { return [2]string{"manifest.json", text} }
	for name, tt := range map[string]struct {
		file string
		want error
	}{
		"no manifest":        {tarFile(t, [2]string{"a", "b"}), pull.ErrNotFound},
		"manifest no JSON":   {tarFile(t, manifest("{")), pull.ErrMalformed},
		"manifest is a loop": {tarFile(t, manifest("-> manifest.json")), pull.ErrNotFound},
		"no configuration":   {tarFile(t, manifest(`[{"Config":"c","Layers":[]}]`)), pull.ErrNotFound},
		"config no JSON":     {tarFile(t, [2]string{"c", "{"}, manifest(`[{"Config":"c","Layers":[]}]`)), pull.ErrMalformed},
		"layers disagree":    {tarFile(t, [2]string{"c", "{}"}, manifest(`[{"Config":"c","Layers":["x"]}]`)), pull.ErrMalformed},
		"leads out":          {tarFile(t, [2]string{"c", "{}"}, manifest(`[{"Config":"../../../etc/passwd","Layers":[]}]`)), pull.ErrNotFound},
		"empty list":         {tarFile(t, manifest(`[]`)), pull.ErrReference},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := open("docker-archive:"+tt.file, pull.Options{}); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	garbage := filepath.Join(t.TempDir(), "garbage.tar")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("garbage "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open("docker-archive:"+garbage, pull.Options{}); !errors.Is(err, pull.ErrMalformed) {
		t.Errorf("garbage: %v", err)
	}
}
