package plughost

import (
	"io/fs"
	"log/slog"
	"path/filepath"
)

// maxUndeclared bounds the files of the plugin folder that are looked at: a
// folder that holds more is not one of plugins.
const maxUndeclared = 1000

// reportUndeclared warns of every file in the plugin folder that nothing
// declares, once in the life of the host. Such a file is never started; whoever
// put it there may think that it is.
func (h *Host) reportUndeclared() {
	if h.opts.PluginDir == "" {
		return
	}
	declared := map[string]bool{}
	for _, s := range h.placed() {
		if s.decl.Path != "" {
			declared[filepath.Clean(s.decl.Path)], declared[resolved(s.decl.Path)] = true, true
		}
	}
	looked := 0
	err := filepath.WalkDir(resolved(h.opts.PluginDir), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return nil
		case looked == maxUndeclared:
			return fs.SkipAll
		}
		looked++
		if !declared[path] && !declared[resolved(path)] && h.reportOnce(path) {
			h.opts.Log.Warn("a file in the plugin folder is not declared and is not used", "file", path,
				"hint", "declare it under plugins, with its sha256, or remove it")
		}
		return nil
	})
	if err != nil {
		h.opts.Log.Warn("the plugin folder cannot be read", "folder", h.opts.PluginDir, slog.Any("error", err))
	}
}

// reportOnce reports whether a file has not been warned of before.
func (h *Host) reportOnce(path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reported[path] {
		return false
	}
	h.reported[path] = true
	return true
}

// resolved is the path without links, or as it is where it leads nowhere.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
