package eol

import (
	"testing"
	"time"

	"github.com/muster-sec/muster/scanner/inventory"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		os   inventory.OS
		want string
	}{
		{inventory.OS{Family: "alpine", Version: "3.9.0"}, "2020-11-01"},
		{inventory.OS{Family: "alpine", Version: "3.9.0", Repository: "3.17"}, "2024-11-22"},
		{inventory.OS{Family: "alpine", Version: "3.9.0", Repository: "edge"}, ""},
		{inventory.OS{Family: "debian", Version: "11.11"}, "2026-08-31"},
		{inventory.OS{Family: "debian", Version: "trixie/sid"}, ""},
		{inventory.OS{Family: "ubuntu", Version: "18.04"}, "2023-05-31"},
		{inventory.OS{Family: "ubuntu", Version: "18.04", Extended: true}, "2028-04-30"},
		{inventory.OS{Family: "centos", Version: "7.6.1810"}, "2024-06-30"},
		{inventory.OS{Family: "amazon", Version: "2 (Karoo)"}, "2026-06-30"},
		{inventory.OS{Family: "amazon", Version: "2023.1.2 (Amazon Linux)"}, "2029-06-30"},
		{inventory.OS{Family: "amazon", Version: "AMI release 2018.03"}, "2023-12-31"},
		{inventory.OS{Family: "sles", Version: "15.3"}, "2022-12-31"},
		{inventory.OS{Family: "photon", Version: "3.0"}, "2024-03-01"},
		{inventory.OS{Family: "photon", Version: "5.0"}, ""},
		{inventory.OS{Family: "azurelinux", Version: "3.0.20250102"}, "2027-08-31"},
		{inventory.OS{Family: "slem", Version: "6.1"}, "2028-11-30"},
		{inventory.OS{Family: "opensuse-leap", Version: "16.0"}, "2027-10-31"},
		{inventory.OS{Family: "ubuntu", Version: "19.10"}, "2020-07-17"},
		{inventory.OS{Family: "ubuntu", Version: "26.04"}, "2031-05-31"},
		{inventory.OS{Family: "debian", Version: "6.0.10"}, "2016-02-29"},
		{inventory.OS{Family: "alpine", Version: "3.23.1"}, "2027-11-01"},
		{inventory.OS{Family: "wolfi", Version: "20230201"}, ""},
		{inventory.OS{}, ""},
	} {
		end, known := Of(tt.os)
		if known != (tt.want != "") || known && end.Format(time.DateOnly) != tt.want {
			t.Errorf("%+v: %v %v, want %q", tt.os, end, known, tt.want)
		}
	}
}

func TestEveryDayIsADate(t *testing.T) {
	t.Parallel()
	for _, family := range []string{
		"alpine", "debian", "ubuntu", "redhat", "centos", "centos-stream", "alma", "rocky", "oracle", "amazon", "fedora",
		"sles", "slem", "opensuse-leap", "photon", "cbl-mariner", "azurelinux",
	} {
		if len(days(family)) == 0 {
			t.Errorf("nothing is known of %s", family)
		}
		for release, day := range days(family) {
			if _, err := time.Parse(time.DateOnly, day); err != nil {
				t.Errorf("%s %s: %v", family, release, err)
			}
		}
	}
}
