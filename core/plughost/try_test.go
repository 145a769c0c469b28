package plughost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

// problems returns what is wrong, by check.
func problems(r sdktest.Report) map[string]string {
	all := map[string]string{}
	for _, res := range r.Results {
		if res.Problem != "" {
			all[res.Name] = res.Problem + " → " + res.Fix
		}
	}
	return all
}

func try(t *testing.T, kind sdk.Kind, name string, suite sdktest.Options) sdktest.Report {
	t.Helper()
	path, _ := self(t)
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := Declaration{Name: "tried", Kind: kind, Path: path, Args: []string{"plugin", "serve", string(kind), name}}
	report, err := Try(t.Context(), d, suite, Options{RuntimeDir: filepath.Join(dir, "p")})
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "p")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return report
}

func TestTryGoodPlugin(t *testing.T) {
	t.Parallel()
	report := try(t, sdk.KindIngest, "trivy", sdktest.Options{Document: []byte(trivyDocument)})
	if !report.OK() || report.Plugin.Name != "trivy" || len(report.Results) < 10 {
		t.Errorf("%s", report)
	}
}

func TestTryBadPlugins(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind   sdk.Kind
		config string
		want   map[string]string // check → words of problem and fix
	}{
		"no-handshake":   {sdk.KindRegistry, "", map[string]string{"starts and shakes hands": "prints nothing on standard output"}},
		"elsewhere":      {sdk.KindRegistry, "", map[string]string{"starts and shakes hands": "PLUGIN_UNIX_SOCKET_DIR"}},
		"wrong-kind":     {sdk.KindRegistry, "", map[string]string{"starts and shakes hands": "it says that it is a ingest plugin"}},
		"wrong-protocol": {sdk.KindRegistry, "", map[string]string{"starts and shakes hands": "SDK of this release"}},
		"lie-schema":     {sdk.KindRegistry, "", map[string]string{"starts and shakes hands": "schema is not JSON"}},
		"counter":        {sdk.KindIngest, "", map[string]string{"does not recognize what it cannot read": "bytes/1", "refuses garbage": "is accepted"}},
		"puppet": {sdk.KindRegistry, `{"do":"exit"}`, map[string]string{
			"is still running after all that": "exit status 3", "takes the configuration that was given": "",
		}},
		"stubborn": {sdk.KindRegistry, "", map[string]string{"ends when it is asked to": "GRPCController"}},
		"parent":   {sdk.KindRegistry, "", map[string]string{"leaves no processes behind": "1 of its child processes"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite := sdktest.Options{}
			if tt.config != "" {
				suite.Config = sdk.Config(tt.config)
			}
			report := try(t, tt.kind, name, suite)
			found := problems(report)
			for check, words := range tt.want {
				if !strings.Contains(found[check], words) || (found[check] == "") != (words == "") {
					t.Errorf("%s: want %q in\n%s", check, words, report)
				}
			}
		})
	}
}

// TestTryMasks: what the plugin quotes of the configuration that it is tried
// with is not in the report.
func TestTryMasks(t *testing.T) {
	t.Parallel()
	report := try(t, sdk.KindRegistry, "puppet", sdktest.Options{Config: sdk.Config(`{"do":"quote","password":"correct-horse"}`)})
	text := fmt.Sprintf("%+v", report)
	if report.OK() || !strings.Contains(text, mask) || strings.Contains(text, "correct-horse") {
		t.Errorf("%s", text)
	}
}

func TestTryWhatCannotBeTried(t *testing.T) {
	t.Parallel()
	d := Declaration{Name: "tried", Kind: sdk.KindIngest, Path: "relative"}
	if _, err := Try(t.Context(), d, sdktest.Options{}, Options{RuntimeDir: t.TempDir()}); err == nil {
		t.Error("a relative path is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path, _ := self(t)
	dir, err := os.MkdirTemp("", "ph")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d.Path = path
	if _, err := Try(ctx, d, sdktest.Options{}, Options{RuntimeDir: filepath.Join(dir, "p")}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
