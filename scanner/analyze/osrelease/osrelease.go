// Package osrelease reads the files in which a distribution says its name and
// release. It only collects what each file says; package squash weighs the
// facts of all layers against each other.
package osrelease

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	version "github.com/aquasecurity/go-version/pkg/version"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
)

// maxBytes bounds one release file; real ones have a few hundred bytes, the
// status file of Ubuntu's subscription some ten thousand.
const maxBytes = 1 << 20

// errMixed is reported for a list of repositories of several distributions.
var errMixed = errors.New("osrelease: repositories of different distributions")

// repositoryURL takes words before the URL for a tag and apk 3's type of the
// repository. It has no place for a port: a mirror that needs one does not count, as
// for Trivy.
var repositoryURL = regexp.MustCompile(`^\s*(?:[^#\s]\S*\s+){0,3}(?:https?|ftp)://[0-9A-Za-z.-]+/([A-Za-z]+)/v?([0-9A-Za-z_.-]+)/`)

// parser turns the text of one file into a fact; false means the file says nothing.
type parser func(text string) (inventory.OSFact, bool, error)

// Analyzer recognises the release files of the distributions.
type Analyzer struct{}

var _ analyze.Analyzer = Analyzer{}

// Name implements analyze.Analyzer.
func (Analyzer) Name() string { return "os" }

// Version implements analyze.Analyzer.
func (Analyzer) Version() int { return 5 }

// Required implements analyze.Analyzer.
func (Analyzer) Required(f analyze.File) bool { return parserFor(f.Path) != nil }

// Begin implements analyze.Analyzer.
func (Analyzer) Begin() analyze.Run { return &run{} }

func parserFor(path string) parser {
	switch path {
	case "etc/os-release", "usr/lib/os-release", "aarch64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release",
		"x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release":
		return parseOSRelease
	case "etc/redhat-release", "etc/almalinux-release", "etc/centos-release", "etc/rocky-release",
		"etc/fedora-release", "usr/lib/fedora-release":
		return parseRedHat
	case "etc/oracle-release":
		return parseOracle
	case "etc/system-release", "usr/lib/system-release":
		return parseAmazon
	case "etc/arch-release":
		// The file is empty, and the distribution has no releases.
		return func(string) (inventory.OSFact, bool, error) {
			return inventory.OSFact{Family: "arch", Version: "rolling"}, true, nil
		}
	case "etc/alpine-release":
		return firstLine("alpine")
	case "etc/debian_version":
		return firstLine("debian")
	case "etc/lsb-release":
		return parseLSB
	case "etc/apk/repositories":
		return parseRepositories
	case "var/lib/ubuntu-advantage/status.json":
		return parseSubscription
	}
	return nil
}

type run struct{ facts []inventory.OSFact }

func (r *run) Read(f analyze.File, body io.Reader) error {
	text, err := limit.ReadAll(body, "release_file_bytes", maxBytes)
	if err != nil {
		return fmt.Errorf("osrelease: read: %w", err)
	}
	fact, ok, err := parserFor(f.Path)(string(text))
	if ok && err == nil {
		fact.Path = f.Path
		r.facts = append(r.facts, fact)
	}
	return err
}

func (r *run) Result() analyze.Result { return analyze.Result{OS: r.facts} }

// parseOSRelease reads os-release(5).
func parseOSRelease(text string) (inventory.OSFact, bool, error) {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, "="); ok {
			fields[strings.TrimSpace(key)] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	family := familyOf(fields["ID"])
	if family == "centos" && fields["NAME"] == "CentOS Stream" {
		family = "centos-stream"
	}
	fact := inventory.OSFact{Family: family, Version: fields["VERSION_ID"]}
	if family == "arch" {
		fact.Version = "rolling"
	}
	return fact, fact.Family != "" && fact.Version != "", nil
}

// familyOf maps the ID of os-release(5) to the family under which advisories
// are published. Debian and Ubuntu are absent: derivatives copy their IDs, so
// only their own release files count.
func familyOf(id string) string {
	switch id {
	case "arch", "alpine", "wolfi", "chainguard", "minimos", "echo", "centos", "rocky", "fedora", "photon", "opensuse-tumbleweed",
		"coreos", "bottlerocket", "activestate":
		return id
	case "almalinux":
		return "alma"
	case "rhel":
		return "redhat"
	case "ol":
		return "oracle"
	case "amzn":
		return "amazon"
	case "opensuse", "opensuse-leap":
		return "opensuse-leap"
	case "sles":
		return "sles"
	case "sle-micro", "sl-micro", "sle-micro-rancher":
		return "slem"
	case "azurelinux":
		return "azurelinux"
	case "mariner":
		return "cbl-mariner"
	}
	return ""
}

// firstLine reads a file whose first line is the release.
func firstLine(family string) parser {
	return func(text string) (inventory.OSFact, bool, error) {
		line, _, _ := strings.Cut(text, "\n")
		line = strings.TrimSpace(line)
		return inventory.OSFact{Family: family, Version: line}, line != "", nil
	}
}

// parseLSB reads lsb-release, which counts only where it says Ubuntu.
func parseLSB(text string) (inventory.OSFact, bool, error) {
	fact := inventory.OSFact{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "DISTRIB_ID=Ubuntu" {
			fact.Family = "ubuntu"
		}
		if release, ok := strings.CutPrefix(line, "DISTRIB_RELEASE="); ok {
			fact.Version = strings.TrimSpace(release)
		}
	}
	return fact, fact.Family != "" && fact.Version != "", nil
}

// parseRepositories reads apk's list of repositories: the highest release among
// the URLs is the one whose advisories apply, and edge is higher than any.
func parseRepositories(text string) (inventory.OSFact, bool, error) {
	var fact inventory.OSFact
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		m := repositoryURL.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		if fact.Family != "" && fact.Family != m[1] {
			return fact, false, errMixed
		}
		fact.Family = m[1]
		fact.Repository = laterRelease(fact.Repository, m[2])
	}
	return fact, fact.Family == "alpine" && fact.Repository != "", lines.Err()
}

func laterRelease(a, b string) string {
	switch {
	case a == "":
		return b
	case a == "edge" || b == "edge":
		return "edge"
	}
	va, errA := version.Parse(a)
	vb, errB := version.Parse(b)
	if errA == nil && errB == nil && vb.GreaterThan(va) {
		return b
	}
	return a
}

// parseSubscription reads whether Ubuntu's extended maintenance is enabled.
func parseSubscription(text string) (inventory.OSFact, bool, error) {
	var status struct {
		Services []struct {
			Name   string `json:"name"`
			Status string `json:"status"`
		} `json:"services"`
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		return inventory.OSFact{}, false, fmt.Errorf("osrelease: parse subscription status: %w", err)
	}
	for _, s := range status.Services {
		if s.Name == "esm-infra" && s.Status == "enabled" {
			return inventory.OSFact{Family: "ubuntu", Extended: true}, true, nil
		}
	}
	return inventory.OSFact{}, false, nil
}
