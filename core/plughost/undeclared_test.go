package plughost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-sec/muster/plugins/sdk"
)

// TestUndeclaredFiles: what lies in the plugin folder and is not declared is
// said once, at the start or when the declaration goes.
func TestUndeclaredFiles(t *testing.T) {
	t.Parallel()
	path, sum := self(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"declared": body, "forgotten": nil, "sub/deeper": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"linked": "declared", "sub/linked-too": "../declared"} { // the same file by other names
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	d := Declaration{Name: "d", Kind: sdk.KindRegistry, Path: filepath.Join(dir, "linked"), SHA256: sum}
	h := startHost(t, func(o *Options) { o.PluginDir, o.Declared = dir, []Declaration{d} })
	h.await(t, sdk.KindRegistry, "d", func(s Status) bool { return s.State == StateVerified })
	said := func(file string) int { return strings.Count(h.log.String(), `"file":"`+filepath.Join(dir, file)+`"`) }
	h.log.await(t, filepath.Join(dir, "sub/deeper"))
	for file, want := range map[string]int{"declared": 0, "linked": 0, "sub/linked-too": 0, "forgotten": 1, "sub/deeper": 1} {
		if got := said(file); got != want {
			t.Errorf("%s is said %d times, want %d", file, got, want)
		}
	}
	for range 2 {
		if err := h.Reconfigure(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"declared", "linked", "forgotten", "sub/deeper"} {
		if got := said(file); got != 1 {
			t.Errorf("%s is said %d times after the declaration went", file, got)
		}
	}
	for _, empty := range []string{"", filepath.Join(dir, "absent")} {
		h := startHost(t, func(o *Options) { o.PluginDir = empty })
		if empty != "" {
			h.log.await(t, "the plugin folder cannot be read")
		}
	}
}
