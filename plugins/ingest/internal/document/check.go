package document

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Lengths in bytes, beyond anything seen in a real document.
const (
	MaxName        = 1 << 10
	MaxPath        = 8 << 10
	MaxTitle       = 1 << 10
	MaxDescription = 32 << 10
	MaxLicenses    = 64 // of one package
)

// field is a text of the document that identifies something.
type field struct {
	name, value string
	max         int // bytes
}

// CheckPackage refuses a package with texts that are none, see check, and counts
// it.
func (r *Reader) CheckPackage(p sdk.Package) error {
	err := r.check("package "+strconv.Quote(p.Name),
		field{"Name", p.Name, MaxName}, field{"Version", p.Version, MaxName}, field{"Arch", p.Arch, MaxName},
		field{"Ecosystem", p.Ecosystem, MaxName}, field{"SourceName", p.SourceName, MaxName},
		field{"SourceVersion", p.SourceVersion, MaxName}, field{"Path", p.Path, MaxPath}, field{"PURL", p.PURL, MaxPath},
		field{"Layer", p.Layer, MaxName})
	if err != nil {
		return err
	}
	return r.count()
}

// CheckFinding refuses a finding with texts that are none, see check, and counts
// it.
func (r *Reader) CheckFinding(f sdk.Finding) error {
	err := r.check("finding "+strconv.Quote(f.ID),
		field{"ID", f.ID, MaxName}, field{"Package", f.Package, MaxName}, field{"Ecosystem", f.Ecosystem, MaxName},
		field{"InstalledVersion", f.InstalledVersion, MaxName}, field{"FixedVersion", f.FixedVersion, MaxPath},
		field{"Status", f.Status, MaxName}, field{"URL", f.URL, MaxPath}, field{"Path", f.Path, MaxPath},
		field{"PURL", f.PURL, MaxPath}, field{"Layer", f.Layer, MaxName}, field{"Vector", f.Vector, MaxName})
	if err != nil {
		return err
	}
	return r.count()
}

// checkSubject refuses a subject with texts that are none, see check.
func (r *Reader) checkSubject(s sdk.Subject) error {
	return r.check("the document",
		field{"Registry", s.Registry, MaxName}, field{"Repository", s.Repository, MaxName}, field{"Tag", s.Tag, MaxName},
		field{"Platform", s.Platform, MaxName}, field{"OSFamily", s.OSFamily, MaxName}, field{"OSVersion", s.OSVersion, MaxName},
		field{"Tool", s.Tool, MaxName}, field{"ToolVersion", s.ToolVersion, MaxName})
}

// check refuses texts that are too long to be meant, or hold control characters,
// which would travel into logs and terminals.
func (r *Reader) check(of string, fields ...field) error {
	for _, f := range fields {
		if len(f.value) > f.max {
			return fmt.Errorf("%w: at byte %d: %s of %.120s has %d bytes, the limit is %d",
				sdk.ErrLimit, r.dec.InputOffset(), f.name, of, len(f.value), f.max)
		}
		if i := strings.IndexFunc(f.value, control); i >= 0 {
			return fmt.Errorf("%w: at byte %d: %s of %.120s holds the control character %q",
				sdk.ErrInvalid, r.dec.InputOffset(), f.name, of, f.value[i])
		}
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7F }

// Cut shortens prose, and drops the control characters in it but line ends and
// tabs.
func Cut(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
		for !utf8.ValidString(s) && len(s) > 0 {
			s = s[:len(s)-1]
		}
	}
	if strings.IndexFunc(s, control) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if control(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// Clip shortens a list, and its texts.
func Clip(list []string, limit int) []string {
	var out []string
	for _, s := range list[:min(len(list), limit)] {
		out = append(out, Cut(s, MaxName))
	}
	return out
}
