package cargo

import (
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/aquasecurity/go-version/pkg/semver"
	generic "github.com/aquasecurity/go-version/pkg/version"
)

// manifest is the part of a Cargo.toml that tells what a program needs
// (https://doc.rust-lang.org/cargo/reference/manifest.html).
type manifest struct {
	name string
	// version is empty and inherits set where it is the workspace's.
	version   string
	inherits  bool
	workspace string
	// wants are version requirements by package. A dependency without one, from a
	// path or a repository, is empty.
	wants   map[string]string
	members []string
}

// requirements are the dependencies as they are written: a version, or a table.
type requirements map[string]any

func parseManifest(body io.Reader) (manifest, error) {
	var doc struct {
		Package struct {
			Name    string `toml:"name"`
			Version any    `toml:"version"`
		} `toml:"package"`
		Dependencies requirements                       `toml:"dependencies"`
		Target       map[string]map[string]requirements `toml:"target"`
		Workspace    struct {
			Dependencies requirements `toml:"dependencies"`
			Members      []string     `toml:"members"`
			Package      struct {
				Version string `toml:"version"`
			} `toml:"package"`
		} `toml:"workspace"`
	}
	if err := decode(body, "cargo_toml_bytes", maxManifestBytes, &doc); err != nil {
		return manifest{}, err
	}
	m := manifest{
		name: doc.Package.Name, workspace: doc.Workspace.Package.Version, members: doc.Workspace.Members, wants: map[string]string{},
	}
	switch version := doc.Package.Version.(type) {
	case nil:
		m.inherits = true
	case string:
		m.version = version
	case map[string]any:
		m.inherits = version["workspace"] == true
	}
	// Of one package wanted in several places, the workspace's word counts most.
	m.want(doc.Dependencies)
	for _, platform := range slices.Sorted(maps.Keys(doc.Target)) {
		m.want(doc.Target[platform]["dependencies"])
	}
	m.want(doc.Workspace.Dependencies)
	return m, nil
}

func (m manifest) want(list requirements) {
	for name, value := range list {
		m.wants[name] = ""
		switch v := value.(type) {
		case string:
			m.wants[name] = v
		case map[string]any:
			if version, ok := v["version"].(string); ok {
				m.wants[name] = version
			}
		}
	}
}

// id names the manifest's own package.
func (m manifest) id(workspace string) id {
	if m.inherits {
		return id{m.name, workspace}
	}
	return id{m.name, m.version}
}

// project is a manifest together with the members of its workspace.
type project struct {
	own   map[id]bool
	wants map[string]string
}

// open reads the members of a workspace. It returns false when there are more
// than anybody has.
func (r *run) open(dir string, root manifest) (project, bool) {
	p := project{own: map[id]bool{root.id(root.workspace): true}, wants: maps.Clone(root.wants)}
	for _, member := range root.members {
		for _, file := range r.find(path.Join(dir, member, manifestName)) {
			m := r.manifests[file]
			if r.steps -= 1 + len(m.wants); r.steps < 0 {
				return project{}, false
			}
			// Without a version of the root's, a member may have one of its own.
			workspace := root.workspace
			if workspace == "" {
				workspace = m.workspace
			}
			p.own[m.id(workspace)] = true
			for name, version := range m.wants {
				if _, known := p.wants[name]; !known {
					p.wants[name] = version
				}
			}
		}
	}
	return p, r.steps >= 0
}

// find returns the manifests that a member's path, which may be a pattern, names.
func (r *run) find(pattern string) []string {
	if !strings.ContainsAny(pattern, `*?[\`) {
		if _, known := r.manifests[pattern]; known {
			return []string{pattern}
		}
		return nil
	}
	if r.steps -= len(r.manifests); r.steps < 0 {
		return nil
	}
	var found []string
	for file := range r.manifests {
		if ok, err := path.Match(pattern, file); ok && err == nil {
			found = append(found, file)
		}
	}
	slices.Sort(found)
	return found
}

// needed returns the packages of a lock file that the program is made of: the
// project's own, what their manifests want, and what those need in turn. What
// only tests need is not among them.
func (r *run) needed(dir string, root manifest, l lock) []locked {
	p, ok := r.open(dir, root)
	if !ok {
		return l.packages
	}
	byID := map[id]locked{}
	for _, pkg := range l.packages {
		byID[pkg.id()] = pkg
	}
	kept := map[id]bool{}
	var queue []id
	take := func(i id) {
		if _, known := byID[i]; known && !kept[i] {
			kept[i] = true
			queue = append(queue, i)
		}
	}
	direct := map[string]bool{}
	for _, pkg := range l.packages {
		want := p.wants[pkg.Name]
		if want != "" && !direct[pkg.Name] && satisfies(pkg.Version, want) {
			direct[pkg.Name] = true
			take(pkg.id())
		}
	}
	for len(queue) > 0 {
		next := byID[queue[0]]
		queue = queue[1:]
		for _, text := range next.Dependencies {
			if i, ok := l.dependency(text); ok {
				take(i)
			}
		}
	}
	for i := range p.own {
		kept[i] = true
	}
	return slices.DeleteFunc(slices.Clone(l.packages), func(pkg locked) bool { return !kept[pkg.id()] })
}

// satisfies reports whether a version meets a requirement. One without an
// operator allows later compatible versions
// (https://doc.rust-lang.org/cargo/reference/specifying-dependencies.html).
func satisfies(version, want string) bool {
	if _, err := generic.Parse(want); err == nil {
		want = "^" + want
	}
	have, err := semver.Parse(version)
	if err != nil {
		return false
	}
	constraints, err := semver.NewConstraints(want)
	return err == nil && constraints.Check(have)
}
