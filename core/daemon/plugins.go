package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/plughost"
	"github.com/muster-sec/muster/plugins/builtin"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/transport/direct"
)

// longestRuntimeDir leaves room for a socket's name in the 107 bytes that the
// kernel allows for its path.
const longestRuntimeDir = 70

// runtimeDir is where plugins have their sockets: inside the data directory,
// which nobody sweeps, or, where that path is too long, in a folder of the same
// daemon beside other temporary files.
func runtimeDir(dataDir string) string {
	dir := filepath.Join(dataDir, "run")
	if len(dir) <= longestRuntimeDir {
		return dir
	}
	sum := sha256.Sum256([]byte(dataDir))
	return filepath.Join(os.TempDir(), "muster-"+hex.EncodeToString(sum[:6]))
}

// newPluginHost makes the host of the built-in plugins and the declared ones.
func newPluginHost(c config.Config, selfExec []string, log *slog.Logger) (*plughost.Host, error) {
	o := plughost.Options{
		RuntimeDir: runtimeDir(c.DataDir),
		PluginDir:  c.PluginDir,
		SelfExec:   selfExec,
		Log:        log.With("part", "plugins"),
	}
	for _, p := range builtin.Plugins() {
		if p.Kind == sdk.KindTransport && p.Name == direct.Name {
			continue // runs in this process
		}
		o.Builtins = append(o.Builtins, plughost.Builtin{Kind: p.Kind, Name: p.Name})
	}
	o.Declared = declarations(c.Plugins)
	return plughost.New(o)
}

// declarations are the plugins of a configuration, as the host knows them.
func declarations(plugins []config.Plugin) []plughost.Declaration {
	declared := make([]plughost.Declaration, 0, len(plugins))
	for _, p := range plugins {
		declared = append(declared, plughost.Declaration{
			Name: p.Name, Kind: sdk.Kind(p.Kind), Path: p.Path, SHA256: p.SHA256, Args: p.Args, Env: p.Env,
			Limits: plughost.Limits{
				Memory: int64(p.Limits.Memory), CPU: p.Limits.CPU,
				OpenFiles: uint64(max(0, p.Limits.OpenFiles)), CallTimeout: p.Limits.CallTimeout,
			},
		})
	}
	return declared
}
