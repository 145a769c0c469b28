package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	after := Default()
	if got := Changes(Default(), after); len(got) > 0 {
		t.Errorf("equal configurations differ in %v", got)
	}
	after.Scan.Workers, after.Log.Level, after.TLS.Hosts = 7, "debug", []string{"h"}
	after.Plugins = []Plugin{{Name: "oci", Kind: "registry", Env: map[string]model.Secret{"A": "b"}}}
	if diff := cmp.Diff([]string{"log.level", "scan.workers", "plugins", "tls.hosts"}, Changes(Default(), after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPluginChanges(t *testing.T) {
	t.Parallel()
	a := Plugin{Name: "a", Kind: "ingest", Path: "/a", SHA256: "aa", Env: map[string]model.Secret{"KEY": "hunter2"}}
	b := Plugin{Name: "b", Kind: "ingest"}
	other := Plugin{Name: "a", Kind: "ingest", Path: "/b", SHA256: "bb", Args: []string{"-v"}, Limits: Limits{CallTimeout: time.Second}}
	upper := a
	upper.SHA256 = "AA"
	tests := map[string]struct {
		before, after []Plugin
		want          []string
	}{
		"nothing":        {[]Plugin{a, b}, []Plugin{upper, b}, nil},
		"in and out":     {[]Plugin{a}, []Plugin{b}, []string{"ingest/a removed", "ingest/b added"}},
		"everything":     {[]Plugin{a}, []Plugin{other}, []string{"ingest/a changed: path, sha256, args, env, limits"}},
		"asked in order": {[]Plugin{a, b}, []Plugin{b, a}, []string{"order changed"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, PluginChanges(tt.before, tt.after)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
