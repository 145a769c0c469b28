package registry

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/schedule"
)

var (
	validName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	validPlatform = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$`)
)

// The bounds of a registry's settings.
const (
	maxURL     = 2048
	maxEntries = 1000
	maxEntry   = 512
	maxCACert  = 256 << 10
)

// normal brings settings into the form they are kept in.
func normal(r model.Registry) model.Registry {
	r.Name, r.Type = strings.TrimSpace(r.Name), strings.TrimSpace(r.Type)
	r.URL = strings.TrimRight(strings.TrimSpace(r.URL), "/")
	r.Schedule = strings.TrimSpace(r.Schedule)
	r.Repositories, r.Filters, r.Platforms = trimmed(r.Repositories), trimmed(r.Filters), trimmed(r.Platforms)
	return r
}

func trimmed(list []string) []string {
	var out []string
	for _, v := range list {
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// validate says precisely what of the settings cannot work.
func (s *Service) validate(r model.Registry) error {
	if !validName.MatchString(r.Name) {
		return fault.New(fault.Invalid, "%.100q cannot be the name of a registry", r.Name).
			WithHint("a name has up to 64 letters, digits, dots, dashes and underscores and begins with a letter or digit")
	}
	if types := s.Lister.Types(); !slices.Contains(types, r.Type) {
		return fault.New(fault.Invalid, "there is no registry type %.100q", r.Type).WithHint("the types are %s", strings.Join(types, ", "))
	}
	if err := validateURL(r.URL); err != nil {
		return err
	}
	if r.Schedule != "" {
		if _, err := schedule.Parse(r.Schedule); err != nil {
			return err
		}
	}
	for what, list := range map[string][]string{"repositories": r.Repositories, "filters": r.Filters, "platforms": r.Platforms} {
		if len(list) > maxEntries {
			return fault.New(fault.TooLarge, "%d %s, at most %d are allowed", len(list), what, maxEntries)
		}
		for _, v := range list {
			if len(v) > maxEntry {
				return fault.New(fault.TooLarge, "an entry of %s has %d bytes, at most %d are allowed", what, len(v), maxEntry)
			}
		}
	}
	for _, f := range r.Filters {
		if err := validateFilter(f); err != nil {
			return err
		}
	}
	for _, p := range r.Platforms {
		if !validPlatform.MatchString(p) {
			return fault.New(fault.Invalid, "platform %q cannot be understood", p).WithHint("write os/architecture[/variant], for example linux/amd64")
		}
	}
	return validateCA(r.CACert)
}

func validateURL(raw string) error {
	hint := "write https://HOST[:PORT]; http:// only for a registry without TLS"
	u, err := url.Parse(raw)
	switch {
	case len(raw) > maxURL:
		return fault.New(fault.TooLarge, "the URL has %d bytes, at most %d are allowed", len(raw), maxURL)
	case err != nil:
		// The parser's error repeats the URL, which may hold a password.
		return fault.New(fault.Invalid, "the URL cannot be parsed").WithHint("%s", hint)
	case u.Scheme != "https" && u.Scheme != "http":
		return fault.New(fault.Invalid, "the URL does not begin with https:// or http://").WithHint("%s", hint)
	case u.Hostname() == "":
		return fault.New(fault.Invalid, "the URL names no host").WithHint("%s", hint)
	case u.User != nil:
		return fault.New(fault.Invalid, "the URL holds credentials").WithHint("set user and password as such; they are then kept sealed")
	case u.RawQuery != "" || u.Fragment != "":
		return fault.New(fault.Invalid, "the URL has a query or a fragment").WithHint("%s", hint)
	}
	return nil
}

func validateCA(text string) error {
	if text == "" {
		return nil
	}
	if len(text) > maxCACert {
		return fault.New(fault.TooLarge, "the CA certificates have %d bytes, at most %d are allowed", len(text), maxCACert)
	}
	// Certificates are not sealed and travel to members, so nothing else may lie
	// between them: bundles often have their private key inside.
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return fault.New(fault.Invalid, "the CA certificate holds a %.40q beside certificates", block.Type).
				WithHint("give a file of certificates only; a key that was in it is best replaced")
		}
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(text)) {
		return fault.New(fault.Invalid, "the CA certificate is no PEM certificate").WithHint("give the file that begins with -----BEGIN CERTIFICATE-----")
	}
	return nil
}

// hostOf is what image references of a registry begin with: host[:port] in
// lower case, without the port that the scheme implies.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// isPlain says whether a registry is asked without TLS.
func isPlain(raw string) bool {
	u, err := url.Parse(raw)
	return err != nil || u.Scheme != "https"
}
