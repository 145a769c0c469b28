package sbom

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/muster-sec/muster/scanner/limit"
)

const (
	// tagValueHead begins an SPDX document of tags and values.
	tagValueHead = "SPDXVersion:"
	// maxLineBytes bounds one line of it.
	maxLineBytes = 64 << 10
	// maxLocators bounds the package URLs of one package.
	maxLocators = 16
)

// readTags reads an SPDX document of tags and values
// (https://spdx.github.io/spdx-spec/v2.3/conformance/#44-standard-data-format-requirements),
// the names and places of packages only. The lines of a package follow its name,
// those of a file its own.
func readTags(r io.Reader, packages int) (Document, error) {
	d := Document{Format: "spdx", most: packages}
	t := tags{places: places{files: map[string]string{}, of: map[string]string{}}, document: &d}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		tag, value, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			continue // the rest of a text of several lines
		}
		if err := t.line(strings.TrimSpace(tag), strings.TrimSpace(value)); err != nil {
			return Document{}, fmt.Errorf("sbom: read: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = limit.Check("sbom_line_bytes", maxLineBytes, maxLineBytes+1)
		}
		return Document{}, fmt.Errorf("sbom: read: %w", err)
	}
	if err := t.end(); err != nil {
		return Document{}, fmt.Errorf("sbom: read: %w", err)
	}
	if !strings.HasPrefix(d.Version, "2.") {
		return Document{}, fmt.Errorf("%w: SPDX %.20q", ErrFormat, d.Version)
	}
	t.places.settle(&d)
	return d, nil
}

// tags is the passage through the lines of a document.
type tags struct {
	document *Document
	places   places
	pkg      *spdxPackage
	locators []string
	told     map[string]string
	file     string
}

func (t *tags) line(tag, value string) error {
	switch tag {
	case "SPDXVersion":
		t.document.Version = strings.TrimPrefix(value, "SPDX-")
	case "DocumentName":
		t.document.Name = value
	case "PackageName":
		err := t.end()
		t.pkg, t.told = &spdxPackage{Name: value}, map[string]string{}
		return err
	case "FileName":
		err := t.end()
		t.file = value
		return err
	case "SPDXID":
		switch {
		case t.pkg != nil:
			t.pkg.ID = value
		case t.file != "":
			t.places.files[value] = t.file
		}
	case "Relationship":
		if words := strings.Fields(value); len(words) == 3 {
			t.places.relate(words[0], words[2], words[1])
		}
	default:
		if t.pkg != nil {
			t.describe(tag, value)
		}
	}
	return nil
}

// describe reads a line about the package that was named last.
func (t *tags) describe(tag, value string) {
	switch tag {
	case "PackageVersion":
		t.pkg.VersionInfo = value
	case "PrimaryPackagePurpose":
		t.pkg.Purpose = value
	case "PackageSourceInfo":
		t.pkg.SourceInfo = strings.TrimSuffix(strings.TrimPrefix(value, "<text>"), "</text>")
	case "ExternalRef":
		if words := strings.Fields(value); len(words) == 3 && words[1] == "purl" && len(t.locators) < maxLocators {
			t.locators = append(t.locators, words[2])
		}
	}
}

// end adds the package whose lines are over.
func (t *tags) end() error {
	pkg, locators := t.pkg, t.locators
	t.pkg, t.locators, t.file = nil, nil, ""
	if pkg == nil {
		return nil
	}
	return t.places.add(t.document, *pkg, locators, t.told)
}
