package binary

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"golang.org/x/mod/module"

	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/spool"
)

// errGo is reported for a Go program whose build information cannot be read.
var errGo = errors.New("binary: unreadable build information of a Go program")

// goPackages returns the modules of a Go program; none for any other.
func goPackages(f *spool.File) ([]inventory.Package, error) {
	info, err := buildinfo.Read(f.Reader())
	if err != nil {
		// The package has no errors to compare with.
		if text := err.Error(); strings.HasSuffix(text, "not a Go executable") || strings.HasSuffix(text, "unrecognized file format") {
			return nil, nil
		}
		return nil, fmt.Errorf("%w: %w", errGo, err)
	}
	return modules(info, func() string { return symbolVersion(f, info.Main.Path) }), nil
}

// modules returns what build information names: the standard library under the
// name "stdlib", the modules as they were replaced, and the program's own. The
// last is asked for a stamped version where it has none of its own.
func modules(info *debug.BuildInfo, stamped func() string) []inventory.Package {
	packages := []inventory.Package{{Name: "stdlib", Version: "v" + release(info.GoVersion)}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Path != "" {
			packages = append(packages, inventory.Package{Name: m.Path, Version: moduleVersion(m.Version)})
		}
	}
	if info.Main.Path != "" {
		packages = append(packages, inventory.Package{Name: info.Main.Path, Version: mainVersion(info, stamped)})
	}
	return packages
}

// release cuts "go1.22.3 X:boringcrypto" down to "1.22.3".
func release(goVersion string) string {
	v := strings.TrimPrefix(goVersion, "go")
	v, _, _ = strings.Cut(v, " X:")
	v, _, _ = strings.Cut(v, "-X:")
	return v
}

// moduleVersion returns "" for a module that was built from a working copy.
func moduleVersion(v string) string {
	if v == "(devel)" {
		return ""
	}
	return v
}

// mainVersion: only "go install" records a release of the program's own module.
// Other builds stamp a version with -ldflags "-X main.version=…", which stands in
// the build settings, or where -trimpath hid those, in the symbol table.
func mainVersion(info *debug.BuildInfo, stamped func() string) string {
	v := moduleVersion(info.Main.Version)
	if v != "" && !module.IsPseudoVersion(v) {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "-ldflags" {
			if flagged := flagVersion(s.Value, info.Main.Path); flagged != "" {
				return flagged
			}
		}
	}
	if symbol := stamped(); symbol != "" {
		return symbol
	}
	return v
}
