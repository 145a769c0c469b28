package cargo

import (
	"maps"

	"github.com/aquasecurity/go-version/pkg/semver"
	generic "github.com/aquasecurity/go-version/pkg/version"
)

// manifest is the part of a Cargo.toml that tells what a program needs to run
// (doc.rust-lang.org/cargo/reference/manifest.html).
type manifest struct {
	Package struct {
		Name    string `toml:"name"`
		Version any    `toml:"version"` // a text, or {workspace = true}
	} `toml:"package"`
	Dependencies map[string]any                       `toml:"dependencies"`
	Target       map[string]map[string]map[string]any `toml:"target"`
	Workspace    struct {
		Dependencies map[string]any `toml:"dependencies"`
		Members      []string       `toml:"members"`
		Package      struct {
			Version string `toml:"version"`
		} `toml:"package"`
	} `toml:"workspace"`
}

// id is the program's own name in a lock file; workspace is the version that
// members may inherit.
func (m manifest) id(workspace string) string {
	if workspace == "" {
		workspace = m.Workspace.Package.Version
	}
	version := workspace
	if text, ok := m.Package.Version.(string); ok {
		version = text
	}
	return m.Package.Name + "@" + version
}

// dependencies are constraints by name, of all platforms, without those for
// development and building.
func (m manifest) dependencies() map[string]string {
	all := map[string]any{}
	maps.Copy(all, m.Dependencies)
	for _, target := range m.Target {
		maps.Copy(all, target["dependencies"])
	}
	maps.Copy(all, m.Workspace.Dependencies)
	constraints := map[string]string{}
	for name, value := range all {
		switch v := value.(type) {
		case string:
			constraints[name] = v
		case map[string]any:
			if text, ok := v["version"].(string); ok {
				constraints[name] = text
			}
		}
	}
	return constraints
}

// satisfies reports whether a version meets a requirement; a bare version means
// one that is compatible with it.
func satisfies(version, constraint string) bool {
	if _, err := generic.Parse(constraint); err == nil {
		constraint = "^" + constraint
	}
	have, err := semver.Parse(version)
	if err != nil {
		return false
	}
	want, err := semver.NewConstraints(constraint)
	return err == nil && want.Check(have)
}
