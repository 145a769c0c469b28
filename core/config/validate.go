package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/schedule"
)

var clusterName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._ -]{0,62}[A-Za-z0-9])?$`)

// Validate gives everything that cannot work, each with its key, or nil.
func (c Config) Validate() error {
	var p problems
	p.check(clusterName.MatchString(c.ClusterName), "cluster_name: %q is not 1 to 64 letters, digits, dots, dashes or spaces", c.ClusterName)
	p.check(c.DataDir != "", "data_dir: is empty")
	p.addresses(c)
	p.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	p.oneOf("log.format", c.Log.Format, "text", "json")
	p.between("scan.workers", c.Scan.Workers, 1, 256)
	p.between("scan.layer_parallel", c.Scan.LayerParallel, 1, 64)
	p.vulnDB(c.VulnDB)
	p.check((c.TLS.CertFile == "") == (c.TLS.KeyFile == ""), "tls: cert_file and key_file belong together; one of them is missing")
	p.check(c.Admission.Namespace != "", "admission.namespace: is empty")
	if c.Transport.Proxy != "" {
		p.proxy(c.Transport.Proxy)
	}
	seen := map[string]bool{}
	for i, plugin := range c.Plugins {
		p.plugin(fmt.Sprintf("plugins[%d]", i), plugin)
		id := plugin.Kind + "/" + plugin.Name
		p.check(!seen[id], "plugins[%d]: a plugin %q of kind %s is already declared", i, plugin.Name, plugin.Kind)
		seen[id] = true
	}
	if len(p) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "config: %w", errors.Join(p...))
}

type problems []error

func (p *problems) check(ok bool, format string, args ...any) {
	if !ok {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

func (p *problems) oneOf(key, value string, words ...string) {
	p.check(slices.Contains(words, value), "%s: %q is not one of %s", key, value, strings.Join(words, ", "))
}

func (p *problems) between(key string, value, low, high int) {
	p.check(value >= low && value <= high, "%s: %d is not between %d and %d", key, value, low, high)
}

// addresses checks the four listeners, and that no two share an address.
func (p *problems) addresses(c Config) {
	seen := map[string]string{}
	for _, l := range []struct{ key, addr string }{
		{"listen", c.Listen}, {"fed_listen", c.FedListen},
		{"admission_listen", c.AdmissionListen}, {"ops_listen", c.OpsListen},
	} {
		_, port, err := net.SplitHostPort(l.addr)
		number, convErr := strconv.ParseUint(port, 10, 16)
		if err != nil || convErr != nil {
			p.check(false, "%s: %q is not HOST:PORT or :PORT", l.key, l.addr)
			continue
		}
		if number == 0 {
			continue // any free port
		}
		p.check(seen[l.addr] == "", "%s: %q is already taken by %s", l.key, l.addr, seen[l.addr])
		seen[l.addr] = l.key
	}
}

func (p *problems) vulnDB(v VulnDB) {
	if v.Pulled() {
		_, err := schedule.Parse(v.Update)
		p.check(err == nil, "vulndb.update: %w", err)
	}
	p.check(v.MaxAge >= 0, "vulndb.max_age: is negative")
	for i, repository := range v.Repositories {
		p.check(repository != "" && !strings.Contains(repository, "@"), // a name in front of @ would be a login
			"vulndb.repositories[%d]: is not [http://]HOST/REPOSITORY[:TAG]", i)
	}
}

func (p *problems) proxy(text string) {
	u, err := url.Parse(text)
	ok := err == nil && u.Scheme == "http" && u.Host != "" && (u.Path == "" || u.Path == "/")
	p.check(ok, "transport.proxy: is not http://HOST:PORT") // the text may hold a password
}

func (p *problems) plugin(at string, plugin Plugin) {
	p.check(plugin.Name != "", "%s.name: is empty", at)
	p.oneOf(at+".kind", plugin.Kind, "registry", "ingest", "transport")
	if plugin.Path == "" { // changes a built-in: which there are the plugin host knows
		p.check(plugin.SHA256 == "" && len(plugin.Args) == 0, "%s: sha256 and args need a path; without one only env and limits of a built-in can be set", at)
	} else {
		p.check(filepath.IsAbs(plugin.Path), "%s.path: %q is not an absolute path", at, plugin.Path)
		sum, err := hex.DecodeString(plugin.SHA256)
		p.check(err == nil && len(sum) == 32, "%s.sha256: %q is not 64 hex digits; sha256sum %s prints them", at, plugin.SHA256, plugin.Path)
	}
	p.check(plugin.Limits.CPU >= 0, "%s.limits.cpu: is negative", at)
	p.check(plugin.Limits.OpenFiles >= 0, "%s.limits.open_files: is negative", at)
	p.check(plugin.Limits.CallTimeout >= 0, "%s.limits.call_timeout: is negative", at)
	for name := range plugin.Env {
		p.check(name != "" && !strings.ContainsAny(name, "=\x00"), "%s.env: %q cannot be the name of a variable", at, name)
	}
}

// Warning is something that works and is probably not meant.
type Warning struct {
	Path    string // the key, or the environment variable
	Message string
}

// Lint gives the warnings about a configuration and about variables that look
// like settings and are none.
func Lint(c Config, variables []string) []Warning {
	var warnings []Warning
	warn := func(when bool, path, format string, args ...any) {
		if when {
			warnings = append(warnings, Warning{Path: path, Message: fmt.Sprintf(format, args...)})
		}
	}
	warn(!filepath.IsAbs(c.DataDir), "data_dir", "%q depends on the folder the daemon is started in", c.DataDir)
	host, _, err := net.SplitHostPort(c.OpsListen)
	ip := net.ParseIP(host)
	warn(err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()), "ops_listen",
		"%s is plain HTTP without a login and not only on this machine", c.OpsListen)
	warn(c.VulnDB.File == "" && !c.VulnDB.Pulled(), "vulndb", "neither file nor update is set: nothing will be found in images")
	warn(c.VulnDB.File != "" && len(c.VulnDB.Repositories) > 0, "vulndb.repositories", "is not used: vulndb.file is set")
	warn(c.TLS.CertFile != "" && len(c.TLS.Hosts) > 0, "tls.hosts", "is used for the self-signed certificate only, and tls.cert_file is set")
	var known []string
	for _, s := range Settings() {
		known = append(known, strings.TrimPrefix(s.Env, envPrefix))
	}
	for _, pair := range variables {
		name, _, _ := strings.Cut(pair, "=")
		word, ours := strings.CutPrefix(name, envPrefix)
		if !ours || slices.Contains(known, word) {
			continue // Kubernetes sets MUSTER_SERVICE_HOST and its like: only near misses count
		}
		near, ok := nearest(word, known)
		warn(ok, name, "is not a setting; did you mean %s?", envPrefix+near)
	}
	return warnings
}
