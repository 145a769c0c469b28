package trivy

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Lengths in bytes, beyond anything seen in a real document.
const (
	maxName        = 1 << 10
	maxPath        = 8 << 10
	maxTitle       = 1 << 10
	maxDescription = 32 << 10
	maxLicenses    = 64 // of one package
)

// field is a text of the document that identifies something.
type field struct {
	name, value string
	max         int
}

// check refuses texts that are too long to be meant, or hold control characters,
// which would travel into logs and terminals.
func (p *parser) check(of string, fields ...field) error {
	for _, f := range fields {
		if len(f.value) > f.max {
			return fmt.Errorf("%w: at byte %d: %s of %.120s has %d bytes, the limit is %d",
				sdk.ErrLimit, p.dec.InputOffset(), f.name, of, len(f.value), f.max)
		}
		if i := strings.IndexFunc(f.value, control); i >= 0 {
			return fmt.Errorf("%w: at byte %d: %s of %.120s holds the control character %q",
				sdk.ErrInvalid, p.dec.InputOffset(), f.name, of, f.value[i])
		}
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7F }

// cut shortens prose, and drops the control characters in it but line ends and
// tabs.
func cut(s string, limit int) string {
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

// clip shortens a list, and its texts.
func clip(list []string, limit int) []string {
	var out []string
	for _, s := range list[:min(len(list), limit)] {
		out = append(out, cut(s, maxName))
	}
	return out
}
