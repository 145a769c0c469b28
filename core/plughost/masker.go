package plughost

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
)

const (
	// minSecret is the length below which a secret cannot be told from any
	// other word: masking it would leave nothing readable.
	minSecret = 4
	// minLine is the same for one line of a secret that has several.
	minLine = 6
	// maxSecrets is how many secrets of one plugin are remembered, the latest.
	maxSecrets = 1024
	mask       = "****"
)

// masker remembers the secrets that a plugin was given and takes them out of
// what the plugin says: its errors, its steps and its log. It is safe for
// concurrent use.
type masker struct {
	mu       sync.Mutex
	secrets  []hidden // oldest first
	replacer *strings.Replacer
}

// hidden is one secret. A login is a user's name and a secret as HTTP sends
// them, which is nobody's secret unless it is encoded.
type hidden struct {
	text  string
	login bool
}

// add remembers secrets and returns how many were too short for it.
func (m *masker) add(secrets ...string) (short int) {
	for _, s := range secrets {
		if len(s) < minSecret && s != "" {
			short++
		}
		m.remember(hidden{text: s})
	}
	return short
}

// addLogin remembers what a user name and a secret look like in a header of
// HTTP (RFC 7617).
func (m *masker) addLogin(user, secret string) {
	if len(secret) >= minSecret {
		m.remember(hidden{text: user + ":" + secret, login: true})
	}
}

func (m *masker) remember(s hidden) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(s.text) < minSecret || slices.Contains(m.secrets, s) {
		return
	}
	m.secrets = append(m.secrets, s)
	m.replacer = nil
	if n := len(m.secrets) - maxSecrets; n > 0 {
		m.secrets = slices.Delete(m.secrets, 0, n)
	}
}

// mask returns a text without them, however they are usually written.
func (m *masker) mask(text string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.secrets) == 0 {
		return text
	}
	if m.replacer == nil {
		m.replacer = newReplacer(m.secrets)
	}
	return m.replacer.Replace(text)
}

func newReplacer(secrets []hidden) *strings.Replacer {
	var forms []string
	for _, s := range secrets {
		forms = append(forms, s.forms()...)
	}
	slices.SortFunc(forms, func(a, b string) int { // a secret may contain another
		return cmp.Or(len(b)-len(a), strings.Compare(a, b))
	})
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range slices.Compact(forms) {
		pairs = append(pairs, f, mask)
	}
	return strings.NewReplacer(pairs...)
}

// forms are the ways in which a secret is usually written.
func (s hidden) forms() []string {
	if s.login {
		return encoded(s.text)
	}
	forms := append(written(s.text), encoded(s.text)...)
	if !strings.ContainsAny(s.text, "\r\n") {
		return forms
	}
	for line := range strings.Lines(s.text) { // of a key, say, which a log shows line by line
		if line = strings.TrimSpace(line); len(line) >= minLine {
			forms = append(forms, written(line)...)
		}
	}
	return forms
}

// written is a text as it stands, in a URL, and in JSON.
func written(text string) []string {
	forms := []string{text, inJSON(text, true), inJSON(text, false)}
	for _, escaped := range []string{url.QueryEscape(text), url.PathEscape(text), url.UserPassword("", text).String()[1:]} {
		forms = append(forms, escaped, lowerEscapes(escaped))
	}
	return forms
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(text string) string {
	b := []byte(text)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// encoded is a text in both alphabets of base64 (RFC 4648), alone and in the
// middle of something else, where what surrounds it decides which of three ways
// it looks. Of those the digits are taken that no neighbour has a share in.
func encoded(text string) []string {
	var forms []string
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		raw := enc.WithPadding(base64.NoPadding)
		forms = append(forms, enc.EncodeToString([]byte(text)), raw.EncodeToString([]byte(text)))
		for before := range 3 {
			digits := raw.EncodeToString(append(make([]byte, before), text...))
			whole := digits[(before*8+5)/6 : (before+len(text))*8/6]
			if len(whole) >= minSecret {
				forms = append(forms, whole)
			}
		}
	}
	return forms
}

// inJSON is how a text looks between the quotes of JSON: escapers differ in
// what they do about HTML.
func inJSON(text string, html bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	if err := enc.Encode(text); err != nil {
		return text
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(b.String(), "\n"), `"`), `"`)
}
