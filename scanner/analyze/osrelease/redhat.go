package osrelease

import (
	"errors"
	"regexp"
	"strings"

	"github.com/muster-sec/muster/scanner/inventory"
)

// errRelease is reported for a release file that does not name a release.
var errRelease = errors.New("osrelease: no release in the release file")

var redHatRelease = regexp.MustCompile(`^(.*) release (\d[\d.]*)`)

// parseRedHat reads the release files of Red Hat's family, "NAME release VERSION
// (CODENAME)". Rebuilds keep the file's name and change the text.
func parseRedHat(text string) (inventory.OSFact, bool, error) {
	name, version, ok := cutRelease(text)
	if !ok {
		return inventory.OSFact{}, false, errRelease
	}
	fact := inventory.OSFact{Version: version}
	switch strings.ToLower(name) {
	case "centos", "centos linux":
		fact.Family = "centos"
	case "centos stream":
		fact.Family = "centos-stream"
	case "rocky", "rocky linux":
		fact.Family = "rocky"
	case "alma", "almalinux", "alma linux":
		fact.Family = "alma"
	case "oracle", "oracle linux", "oracle linux server":
		fact.Family = "oracle"
	case "fedora", "fedora linux":
		fact.Family = "fedora"
	default:
		fact.Family = "redhat"
	}
	return fact, true, nil
}

// parseOracle reads Oracle's own release file. Its redhat-release says that it
// is Red Hat.
func parseOracle(text string) (inventory.OSFact, bool, error) {
	_, version, ok := cutRelease(text)
	if !ok {
		return inventory.OSFact{}, false, errRelease
	}
	return inventory.OSFact{Family: "oracle", Version: version}, true, nil
}

func cutRelease(text string) (name, version string, ok bool) {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	m := redHatRelease.FindStringSubmatch(strings.TrimSpace(line))
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// parseAmazon reads system-release where it says Amazon Linux; elsewhere it is a
// copy of another release file.
func parseAmazon(text string) (inventory.OSFact, bool, error) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case !strings.HasPrefix(line, "Amazon Linux"):
		case !strings.HasPrefix(line, "Amazon Linux release 2"):
			return inventory.OSFact{Family: "amazon", Version: strings.Join(words[2:], " ")}, len(words) > 2, nil
		case len(words) >= 5:
			return inventory.OSFact{Family: "amazon", Version: strings.Join(words[3:], " ")}, true, nil
		}
	}
	return inventory.OSFact{}, false, nil
}
