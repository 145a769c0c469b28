package eol

// days returns the last days of a family's releases, as the distributions
// announce them on the pages named here (read in November 2026).
func days(family string) map[string]string {
	switch family {
	case "alpine": // https://alpinelinux.org/releases/
		return map[string]string{
			"3.3": "2017-11-01", "3.4": "2018-05-01", "3.5": "2018-11-01", "3.6": "2019-05-01", "3.7": "2019-11-01",
			"3.8": "2020-05-01", "3.9": "2020-11-01", "3.10": "2021-05-01", "3.11": "2021-11-01", "3.12": "2022-05-01",
			"3.13": "2022-11-01", "3.14": "2023-05-01", "3.15": "2023-11-01", "3.16": "2024-05-23", "3.17": "2024-11-22",
			"3.18": "2025-05-09", "3.19": "2025-11-01", "3.20": "2026-04-01", "3.21": "2026-11-01", "3.22": "2027-05-01",
			"3.23": "2027-11-01",
		}
	case "debian": // https://wiki.debian.org/LTS, the end of long term support
		return map[string]string{
			"5": "2012-02-06", "6": "2016-02-29", "7": "2018-05-31", "8": "2020-06-30", "9": "2022-06-30", "10": "2024-06-30", "11": "2026-08-31", "12": "2028-06-30", "13": "2030-06-30",
		}
	case "ubuntu": // https://wiki.ubuntu.com/Releases
		return map[string]string{
			"12.04": "2017-04-28", "12.04-ESM": "2019-04-28", "14.04": "2019-04-25", "14.04-ESM": "2024-04-25",
			"16.04": "2021-04-30", "16.04-ESM": "2026-04-30", "18.04": "2023-05-31", "18.04-ESM": "2028-04-30",
			"20.04": "2025-05-31", "20.04-ESM": "2030-04-30", "22.04": "2027-04-30", "22.04-ESM": "2032-04-30",
			"23.04": "2024-01-25", "23.10": "2024-07-11", "24.04": "2029-05-31", "24.04-ESM": "2034-04-30",
			"24.10": "2025-07-10", "25.04": "2026-01-15", "25.10": "2026-07-09", "26.04": "2031-05-31",
			"12.10": "2014-05-16", "13.04": "2014-01-27", "13.10": "2014-07-17", "14.10": "2015-07-23", "15.04": "2016-02-04",
			"15.10": "2016-07-28", "16.10": "2017-07-20", "17.04": "2018-01-13", "17.10": "2018-07-19", "18.10": "2019-07-18",
			"19.04": "2020-01-23", "19.10": "2020-07-17", "20.10": "2021-07-22", "21.04": "2022-01-20", "21.10": "2022-07-14",
			"22.10": "2023-07-20",
		}
	}
	return rpmDays(family)
}

// rpmDays is days for distributions with rpm packages.
func rpmDays(family string) map[string]string {
	switch family {
	case "redhat": // https://access.redhat.com/support/policy/updates/errata, the maintenance phase
		return map[string]string{"5": "2017-03-31", "6": "2020-11-30", "7": "2024-06-30", "8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"}
	case "centos": // https://www.centos.org/centos-linux-eol/
		return map[string]string{"5": "2017-03-31", "6": "2020-11-30", "7": "2024-06-30", "8": "2021-12-31"}
	case "centos-stream": // https://www.centos.org/cl-vs-cs/
		return map[string]string{"8": "2024-05-31", "9": "2027-05-31"}
	case "alma": // https://wiki.almalinux.org/release-notes/
		return map[string]string{"8": "2029-03-01", "9": "2032-05-31", "10": "2035-05-31"}
	case "rocky": // https://wiki.rockylinux.org/rocky/version/
		return map[string]string{"8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"}
	case "oracle": // https://www.oracle.com/a/ocom/docs/elsp-lifetime-069338.pdf, premier support
		return map[string]string{"5": "2017-06-30", "6": "2021-03-31", "7": "2024-12-31", "8": "2029-07-31", "9": "2032-06-30"}
	case "amazon": // https://aws.amazon.com/amazon-linux-2/faqs/ and /linux/amazon-linux-2023/faqs/
		return map[string]string{"1": "2023-12-31", "2": "2026-06-30", "2023": "2029-06-30"}
	case "fedora": // https://docs.fedoraproject.org/en-US/releases/eol/
		return map[string]string{"36": "2023-05-16", "37": "2023-12-05", "38": "2024-05-21", "39": "2024-11-26", "40": "2025-05-13", "41": "2025-12-15"}
	case "sles": // https://www.suse.com/lifecycle/, general support
		return map[string]string{
			"11.4": "2019-03-31", "12.3": "2019-06-30", "12.4": "2020-06-30", "12.5": "2024-10-31", "15": "2019-12-31", "15.1": "2021-01-31", "15.2": "2021-12-31",
			"15.3": "2022-12-31", "15.4": "2023-12-31", "15.5": "2024-12-31", "15.6": "2025-12-31", "15.7": "2031-07-31",
		}
	case "slem": // https://www.suse.com/lifecycle/
		return map[string]string{"5.1": "2025-10-31", "5.2": "2026-04-30", "5.3": "2026-10-30", "5.4": "2027-04-30", "5.5": "2027-10-31"}
	case "opensuse-leap": // https://en.opensuse.org/Lifetime
		return map[string]string{
			"42.3": "2019-06-30", "15.0": "2019-12-03", "15.1": "2021-02-02", "15.2": "2022-01-04", "15.3": "2022-12-31",
			"15.4": "2023-12-07", "15.5": "2024-12-31", "15.6": "2026-04-30",
		}
	case "photon": // https://blogs.vmware.com/vsphere/photon
		return map[string]string{"1.0": "2022-02-28", "2.0": "2022-12-31", "3.0": "2024-03-01", "4.0": "2026-03-01"}
	case "cbl-mariner": // https://learn.microsoft.com/en-us/lifecycle/products/
		return map[string]string{"1.0": "2023-07-31", "2.0": "2025-07-31"}
	}
	return nil
}
