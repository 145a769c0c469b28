// Package eol knows until when distributions publish security updates. After
// that day an image without findings is not an image without vulnerabilities.
package eol

import (
	"strings"
	"time"

	"github.com/muster-sec/muster/scanner/inventory"
)

// Of returns the last day (UTC) on which the release of an operating system gets
// security updates that anybody may have; for Ubuntu with extended maintenance
// enabled, those of that program. It returns false where no end is known: rolling
// distributions, and releases that are newer than the table.
func Of(os inventory.OS) (time.Time, bool) {
	release := os.Version
	switch os.Family {
	case "alpine":
		release = parts(firstOf(os.Repository, release), 2)
	case "debian", "redhat", "centos", "centos-stream", "alma", "rocky", "oracle":
		release = parts(release, 1)
	case "ubuntu":
		if os.Extended {
			release += "-ESM"
		}
	case "amazon":
		release = amazonRelease(release)
	case "cbl-mariner", "azurelinux", "photon":
		release = parts(release, 2)
	}
	day, ok := days(os.Family)[release]
	if !ok {
		return time.Time{}, false
	}
	end, err := time.Parse(time.DateOnly, day)
	return end, err == nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// parts cuts "3.17.10" down to as many parts.
func parts(version string, n int) string {
	words := strings.SplitN(version, ".", n+1)
	return strings.Join(words[:min(n, len(words))], ".")
}

// amazonRelease: everything before the second Amazon Linux was numbered by date.
func amazonRelease(version string) string {
	first, _, _ := strings.Cut(version, " ")
	switch release := parts(first, 1); release {
	case "2", "2022", "2023":
		return release
	}
	return "1"
}
