package plughost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/plugins/sdk"
)

func TestDeclarations(t *testing.T) {
	t.Parallel()
	good := Declaration{Name: "nexus", Kind: sdk.KindRegistry, Path: "/opt/p", SHA256: strings.Repeat("aB", 32)}
	tests := map[string]struct {
		change func(*Declaration)
		want   string
	}{
		"good":             {func(*Declaration) {}, ""},
		"name":             {func(d *Declaration) { d.Name = "a/b" }, "lower case"},
		"kind":             {func(d *Declaration) { d.Kind = "driver" }, "it is one of"},
		"relative path":    {func(d *Declaration) { d.Path = "p" }, "from the root"},
		"no sum":           {func(d *Declaration) { d.SHA256 = "" }, "sha256sum /opt/p"},
		"short sum":        {func(d *Declaration) { d.SHA256 = "ab" }, "64 hexadecimal"},
		"sum without path": {func(d *Declaration) { d.Path = "" }, "need a path"},
		"reserved":         {func(d *Declaration) { d.Env = map[string]model.Secret{"PLUGIN_CLIENT_CERT": "x"} }, "set by the host"},
		"cookie":           {func(d *Declaration) { d.Env = map[string]model.Secret{sdk.CookieKey: "x"} }, "set by the host"},
		"odd variable":     {func(d *Declaration) { d.Env = map[string]model.Secret{"A=B": "x"} }, "environment variable"},
		"NUL in variable":  {func(d *Declaration) { d.Env = map[string]model.Secret{"A": "hunter2\x00"} }, "environment variable"},
		"memory":           {func(d *Declaration) { d.Limits.Memory = 1 << 20 }, "32 MiB"},
		"cpu":              {func(d *Declaration) { d.Limits.CPU = -1 }, "limits.cpu"},
		"files":            {func(d *Declaration) { d.Limits.OpenFiles = 3 }, "limits.open_files"},
		"timeout":          {func(d *Declaration) { d.Limits.CallTimeout = -time.Second }, "limits.call_timeout"},
	}
	for name, tt := range tests {
		d := good
		tt.change(&d)
		err := d.Validate(false)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows a value: %v", name, err)
		}
	}
	good.SHA256 = ""
	if err := good.Validate(true); err != nil {
		t.Errorf("trying out without a checksum: %v", err)
	}
}

func TestOptionsThatDoNotFit(t *testing.T) {
	t.Parallel()
	d := Declaration{Name: "x", Kind: sdk.KindIngest}
	tests := map[string]Options{
		"no built-in of that name": {RuntimeDir: "/run/p", Declared: []Declaration{d}},
		"declared twice":           {RuntimeDir: "/run/p", Declared: []Declaration{d, d}, Builtins: []Builtin{{sdk.KindIngest, "x"}}},
		"runtime folder":           {RuntimeDir: "/" + strings.Repeat("x", 100)},
		"at most":                  {RuntimeDir: "relative"},
	}
	for want, o := range tests {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestRuntimeDir: private, and swept of what a killed host left.
func TestRuntimeDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "p")
	if err := os.MkdirAll(filepath.Join(dir, "plugin-dir123"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := prepareRuntimeDir(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	path, sum := self(t)
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ path, sum, want string }{
		"good":           {path, sum, ""},
		"upper case":     {path, strings.ToUpper(sum), ""},
		"another":        {path, strings.Repeat("0", 64), "checksum mismatch"},
		"not executable": {plain, sum, "chmod 0755"},
		"a folder":       {dir, sum, "not a regular file"},
		"absent":         {filepath.Join(dir, "absent"), sum, "no such file"},
	}
	for name, tt := range tests {
		err := executable{path: tt.path, sum: tt.sum}.verify()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
