package match

import (
	"cmp"
	"strconv"
	"unicode"

	deb "github.com/knqyf263/go-deb-version"
)

// debVersion is a version of go-deb-version, which Trivy uses, taken apart once:
// that library does so in every comparison, with regular expressions, and then
// comparing is most of what matching costs. The order is the same.
type debVersion struct {
	epoch              int
	upstream, revision []debPart
}

// debPart is a text without digits and the number behind it. The first text of a
// version and its last number may be missing, which is "" and 0.
type debPart struct {
	text   string
	number int
}

func parseDeb(text string) (debVersion, error) {
	v, err := deb.NewVersion(text)
	if err != nil {
		return debVersion{}, err
	}
	return debVersion{v.Epoch(), debParts(v.Version()), debParts(v.Revision())}, nil
}

func debParts(text string) []debPart {
	var parts []debPart
	for len(text) > 0 {
		digits := 0
		for digits < len(text) && !digit(text[digits]) {
			digits++
		}
		end := digits
		for end < len(text) && digit(text[end]) {
			end++
		}
		number, _ := strconv.Atoi(text[digits:end]) // too large a number is the largest there is
		parts = append(parts, debPart{text[:digits], number})
		text = text[end:]
	}
	return parts
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func lessDeb(a, b debVersion) bool {
	return cmp.Or(cmp.Compare(a.epoch, b.epoch), compareDebParts(a.upstream, b.upstream), compareDebParts(a.revision, b.revision)) < 0
}

func compareDebParts(a, b []debPart) int {
	for i := range max(len(a), len(b)) {
		var x, y debPart
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if c := compareDebText(x.text, y.text); c != 0 {
			return c
		}
		if c := cmp.Compare(x.number, y.number); c != 0 {
			return c
		}
	}
	return 0
}

func compareDebText(a, b string) int {
	if a == b {
		return 0
	}
	for i := range max(len(a), len(b)) {
		x, y := 0, 0
		if i < len(a) {
			x = debOrder(a[i])
		}
		if i < len(b) {
			y = debOrder(b[i])
		}
		if x != y {
			return x - y
		}
	}
	return 0
}

// debOrder sorts a tilde before the end, and letters before all else.
func debOrder(c byte) int {
	switch {
	case unicode.IsLetter(rune(c)):
		return int(c)
	case c == '~':
		return -1
	}
	return int(c) + 256
}
