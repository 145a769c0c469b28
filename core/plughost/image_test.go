package plughost

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/muster-sec/muster/plugins/sdk"
)

// installed puts an executable with a content into a plugin folder.
func installed(t *testing.T, content []byte) executable {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "plugin")
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return executable{dir: dir, path: path, sum: hex.EncodeToString(sum[:])}
}

// TestSealed: what was verified is what will be executed, whatever is done to
// the file in place, and the copy itself cannot be changed.
func TestSealed(t *testing.T) {
	t.Parallel()
	if imagePath == "" {
		t.Skip("SKIP: this system does not execute descriptors")
	}
	good := bytes.Repeat([]byte("good"), 1<<18)
	e := installed(t, good)
	image, err := e.load()
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if err := os.WriteFile(e.path, bytes.Repeat([]byte("evil"), 1<<18), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(image)
	if err != nil || !bytes.Equal(got, good) {
		t.Errorf("the image changed with the file: %v", err)
	}
	again, err := os.OpenFile("/proc/self/fd/"+decimal(image.Fd()), os.O_RDWR, 0)
	if err == nil {
		defer again.Close()
		if _, err := again.WriteAt([]byte("evil"), 0); err == nil {
			t.Error("the image can be written to")
		}
		if err := again.Truncate(1); err == nil {
			t.Error("the image can be cut")
		}
	}
	if _, err := e.load(); !errors.Is(err, ErrChecksum) {
		t.Errorf("the overwritten file gives %v", err)
	}
}

// TestOverwrittenMeanwhile: the file changes between two reads of it.
func TestOverwrittenMeanwhile(t *testing.T) {
	t.Parallel()
	e := installed(t, bytes.Repeat([]byte("good"), 1<<20))
	first := true
	err := e.copyTo(writeFunc(func(p []byte) (int, error) {
		if first {
			first = false
			return len(p), os.WriteFile(e.path, bytes.Repeat([]byte("evil"), 1<<20), 0o755)
		}
		return len(p), nil
	}))
	if !errors.Is(err, ErrChecksum) {
		t.Errorf("half of each is accepted: %v", err)
	}
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

func TestPluginFolder(t *testing.T) {
	t.Parallel()
	e := installed(t, []byte("#!"))
	outside := installed(t, []byte("#!"))
	link := func(name, target string) string {
		path := filepath.Join(e.dir, name)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(e.dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o755); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ path, want string }{
		"inside":         {e.path, ""},
		"link inside":    {link("in", "plugin"), ""},
		"link outside":   {link("out", outside.path), "escapes"},
		"link upward":    {link("up", "../"+filepath.Base(outside.dir)+"/plugin"), "escapes"},
		"path outside":   {outside.path, "escapes"},
		"a pipe":         {pipe, "not a regular file"},
		"a device":       {link("null", "/dev/null"), "escapes"},
		"the folder":     {e.dir, "not a regular file"},
		"what is absent": {filepath.Join(e.dir, "absent"), "no such file"},
	}
	for name, tt := range tests {
		err := executable{dir: e.dir, path: tt.path, sum: e.sum}.verify()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	sum := strings.Repeat("0", 64)
	for dir, want := range map[string]string{"/opt/plugins": "", "/opt": "", "/opt/other": "not in the plugin folder", "/opt/plugins/p": "not in", "opt": "from the root"} {
		_, err := New(Options{RuntimeDir: "/run/p", PluginDir: dir, Declared: []Declaration{
			{Name: "p", Kind: sdk.KindIngest, Path: "/opt/plugins/p", SHA256: sum},
		}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("folder %s: %v", dir, err)
		}
	}
}

func TestImageSize(t *testing.T) {
	t.Parallel()
	e := installed(t, nil)
	if err := os.Truncate(e.path, maxImage+1); err != nil { // a hole, which costs nothing
		t.Fatal(err)
	}
	if err := e.copyTo(io.Discard); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("an executable over the limit gives %v", err)
	}
}

// TestOverwrittenWhileItRuns: a running plugin goes on, and is not started
// again from what lies there now.
func TestOverwrittenWhileItRuns(t *testing.T) {
	t.Parallel()
	path, _ := self(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e := installed(t, content)
	h := startHost(t, func(o *Options) {
		o.PluginDir = e.dir
		o.Declared = []Declaration{{
			Name: "puppet", Kind: sdk.KindRegistry, Path: e.path, SHA256: e.sum, Args: []string{"plugin", "serve", "registry", "puppet"},
		}}
	})
	if _, err := h.puppet(t, `{}`); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.path, []byte("#!/bin/sh\necho evil"), 0o755); err != nil {
		t.Fatalf("a running plugin blocks its own replacement: %v", err)
	}
	if _, err := h.puppet(t, `{}`); err != nil {
		t.Errorf("the running plugin: %v", err)
	}
	if _, err := h.puppet(t, `{"do":"exit"}`); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	st := h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.State == StateFailed })
	if !strings.Contains(st.LastError, "checksum mismatch") {
		t.Errorf("the overwritten file gives %+v", st)
	}
}
