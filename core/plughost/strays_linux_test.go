package plughost

import (
	"strings"
	"testing"
)

func TestSocketDirBelow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		environ, dir string
		want         bool
	}{
		"the same":       {"A=1|PLUGIN_UNIX_SOCKET_DIR=/run/m/plugin-dir1|B=2|", "/run/m/plugin-dir1", true},
		"below":          {"PLUGIN_UNIX_SOCKET_DIR=/run/m/plugin-dir1|", "/run/m", true},
		"another's":      {"PLUGIN_UNIX_SOCKET_DIR=/run/m2/plugin-dir1|", "/run/m", false},
		"longer name":    {"PLUGIN_UNIX_SOCKET_DIR=/run/m/plugin-dir12|", "/run/m/plugin-dir1", false},
		"above":          {"PLUGIN_UNIX_SOCKET_DIR=/run|", "/run/m", false},
		"upward":         {"PLUGIN_UNIX_SOCKET_DIR=/run/m/../../etc|", "/run/m", false},
		"other variable": {"XPLUGIN_UNIX_SOCKET_DIR=/run/m|", "/run/m", false},
		"in a value":     {"A=PLUGIN_UNIX_SOCKET_DIR=/run/m|", "/run/m", false},
		"relative":       {"PLUGIN_UNIX_SOCKET_DIR=m|", "/run/m", false},
		"nothing":        {"", "/run/m", false},
	}
	for name, tt := range tests {
		if got := socketDirBelow([]byte(strings.ReplaceAll(tt.environ, "|", "\x00")), tt.dir); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if len(strays("")) != 0 {
		t.Error("no folder has strays")
	}
}

func FuzzSocketDirBelow(f *testing.F) {
	f.Add([]byte("PLUGIN_UNIX_SOCKET_DIR=/run/m/plugin-dir1\x00"))
	f.Add([]byte("PLUGIN_UNIX_SOCKET_DIR=/run/m/..\x00\x00="))
	f.Fuzz(func(t *testing.T, environ []byte) {
		if socketDirBelow(environ, "/run/m") && !strings.Contains(string(environ), "/run/m") {
			// Only a name that leads there without saying so could differ.
			if !strings.Contains(string(environ), "..") && !strings.Contains(string(environ), "/.") && !strings.Contains(string(environ), "//") {
				t.Errorf("%q is taken for ours", environ)
			}
		}
	})
}
