package dpkg

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	version "github.com/knqyf263/go-deb-version"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// maxLine bounds one line of a status file; long dependency lists have some ten
// kilobytes.
const maxLine = 1 << 20

// errVersion marks a package whose version cannot be compared with anything.
var errVersion = errors.New("dpkg: invalid version")

// stanza is one paragraph of a status file: the fields that matter here.
type stanza struct {
	name, version, source, status, arch, maintainer string
}

// parseStatus reads a file in the format of deb-control(5): paragraphs of
// "Field: value" lines, continued by lines that begin with a blank. Packages
// that are removed are left out. What was read before an error is returned
// with it; a package with an invalid version is skipped and reported.
func parseStatus(body io.Reader) ([]inventory.Package, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	var packages []inventory.Package
	var problem error
	var current stanza
	flush := func() {
		if p, ok, err := current.toPackage(); err != nil {
			problem = err
		} else if ok {
			packages = append(packages, p)
		}
		current = stanza{}
	}
	for lines.Scan() {
		if err := limit.Check("dpkg_packages", analyze.MaxPackages, int64(len(packages))); err != nil {
			return packages, err
		}
		line := lines.Text()
		switch {
		case strings.TrimRight(line, "\r") == "":
			flush()
		case line[0] != ' ' && line[0] != '\t':
			if name, value, ok := strings.Cut(line, ":"); ok {
				current.set(name, strings.TrimSpace(value))
			}
		}
	}
	flush()
	if err := lines.Err(); err != nil {
		return packages, fmt.Errorf("dpkg: read status: %w", err)
	}
	return packages, problem
}

func (s *stanza) set(field, value string) {
	switch strings.ToLower(field) {
	case "package":
		s.name = value
	case "version":
		s.version = value
	case "source":
		s.source = value
	case "status":
		s.status = value
	case "architecture":
		s.arch = value
	case "maintainer":
		s.maintainer = value
	}
}

// toPackage returns false for a paragraph that is not an installed package.
func (s *stanza) toPackage() (inventory.Package, bool, error) {
	if s.name == "" || s.version == "" || s.removed() {
		return inventory.Package{}, false, nil
	}
	p := inventory.Package{Name: s.name, Arch: s.arch, ThirdParty: thirdParty(s.maintainer)}
	var err error
	if p.Version, err = normalVersion(s.version); err != nil {
		return inventory.Package{}, false, fmt.Errorf("%w %.100q of package %.100q", errVersion, s.version, s.name)
	}
	// "Source: name (version)" where either differs from the binary package's.
	name, rest, _ := strings.Cut(s.source, " ")
	sourceVersion, _, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(rest), "("), ")")
	if found && sourceVersion != "" {
		if sourceVersion, err = normalVersion(sourceVersion); err != nil {
			return inventory.Package{}, false, fmt.Errorf("%w of the source of package %.100q", errVersion, s.name)
		}
		if sourceVersion != p.Version {
			p.SourceVersion = sourceVersion
		}
	}
	if name != s.name {
		p.SourceName = name
	}
	return p, true, nil
}

// removed reports whether the wanted state says that the package is gone.
// Distroless files have no status at all; they are installed.
func (s *stanza) removed() bool {
	for word := range strings.FieldsSeq(s.status) {
		if word == "deinstall" || word == "purge" {
			return true
		}
	}
	return false
}

// normalVersion checks a version against deb-version(7) and drops an epoch of zero.
func normalVersion(v string) (string, error) {
	parsed, err := version.NewVersion(v)
	if err != nil {
		return "", err
	}
	if parsed.Epoch() == 0 {
		_, after, found := strings.Cut(v, ":")
		if found {
			return after, nil
		}
		return v, nil
	}
	_, after, _ := strings.Cut(v, ":")
	return strconv.Itoa(parsed.Epoch()) + ":" + after, nil
}

// parseSums reads a *.md5sums file, lines of "digest  path", and hands on each path.
// A path that begins with a slash, which the format does not have, matches no file.
func parseSums(body io.Reader, owned func(path string)) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		_, file, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			return errors.New("dpkg: md5sums line without a path")
		}
		owned(file)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("dpkg: read md5sums: %w", err)
	}
	return nil
}
