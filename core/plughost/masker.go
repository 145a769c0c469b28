package plughost

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
)

const (
	// minSecret is the length below which a secret cannot be told from any
	// other word.
	minSecret = 6
	// maxSecrets is how many secrets of one plugin are remembered, the latest.
	maxSecrets = 1024
	mask       = "****"
)

// masker remembers the secrets that a plugin was given and takes them out of
// what the plugin says: its errors and its log. It is safe for concurrent use.
type masker struct {
	mu       sync.Mutex
	secrets  []string // oldest first
	replacer *strings.Replacer
}

// add remembers secrets.
func (m *masker) add(secrets ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range secrets {
		if len(s) >= minSecret && !slices.Contains(m.secrets, s) {
			m.secrets = append(m.secrets, s)
			m.replacer = nil
		}
	}
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

func newReplacer(secrets []string) *strings.Replacer {
	var forms []string
	for _, s := range secrets {
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), url.UserPassword("", s).String()[1:],
			inJSON(s, true), inJSON(s, false))
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
