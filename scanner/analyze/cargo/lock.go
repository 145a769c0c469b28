package cargo

import (
	"cmp"
	"io"
	"slices"
	"strings"
)

// lock is what a Cargo.lock says.
type lock struct {
	// packages are sorted by name and version.
	packages []locked
	// last has the last package of each name: lock files leave the version of a
	// dependency out where there is only one.
	last map[string]string
}

// locked is one package of a lock file
// (https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html).
type locked struct {
	Name    string `toml:"name"`
	Version string `toml:"version"`
	// Dependencies are "NAME", "NAME VERSION" or "NAME VERSION (SOURCE)".
	Dependencies []string `toml:"dependencies"`
}

// id names a package as it may occur once in a lock file.
type id struct{ name, version string }

func (l locked) id() id { return id{l.Name, l.Version} }

func parseLock(body io.Reader) (lock, error) {
	var doc struct {
		Packages []locked `toml:"package"`
	}
	if err := decode(body, "cargo_lock_bytes", maxLockBytes, &doc); err != nil {
		return lock{}, err
	}
	l := lock{last: map[string]string{}}
	for _, p := range doc.Packages {
		if p.Name == "" {
			continue
		}
		l.packages = append(l.packages, p)
		l.last[p.Name] = p.Version
	}
	slices.SortStableFunc(l.packages, func(a, b locked) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return l, nil
}

// dependency reads one entry of Dependencies.
func (l lock) dependency(text string) (id, bool) {
	words := strings.Fields(text)
	switch len(words) {
	case 1:
		version, known := l.last[words[0]]
		return id{words[0], version}, known
	case 2, 3:
		return id{words[0], words[1]}, true
	}
	return id{}, false
}
