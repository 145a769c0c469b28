package report

import (
	"cmp"
	"strings"
	"time"

	"github.com/muster-sec/muster/scanner/inventory"
)

// ended reports whether the system of the image got no security updates any more
// when the document was made.
func (d Document) ended(i Image) bool {
	return i.EndOfLife != nil && d.Created.After(i.EndOfLife.AddDate(0, 0, 1))
}

// systemName is the release as people call it, "Debian 10".
func systemName(os inventory.OS) string {
	names := map[string]string{
		"alma": "AlmaLinux", "alpine": "Alpine", "amazon": "Amazon Linux", "azurelinux": "Azure Linux", "cbl-mariner": "CBL-Mariner",
		"centos": "CentOS", "centos-stream": "CentOS Stream", "debian": "Debian", "fedora": "Fedora", "opensuse-leap": "openSUSE Leap",
		"oracle": "Oracle Linux", "photon": "Photon OS", "redhat": "Red Hat Enterprise Linux", "rocky": "Rocky Linux",
		"slem": "SUSE Linux Enterprise Micro", "sles": "SUSE Linux Enterprise", "ubuntu": "Ubuntu",
	}
	release, _, _ := strings.Cut(os.Version, " ")
	if os.Family == "debian" {
		release, _, _ = strings.Cut(release, ".")
	}
	return clean(strings.TrimSpace(cmp.Or(names[os.Family], os.Family) + " " + release))
}

// dayOf is a date without a time, empty for none.
func dayOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.DateOnly)
}
