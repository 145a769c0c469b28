package parity_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/types"
	_ "modernc.org/sqlite" // writes the index of jars

	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

// databases writes the databases that the specimens are judged by.
func databases(t *testing.T) (db, java string) {
	t.Helper()
	db, java = t.TempDir(), t.TempDir()
	now := time.Now()
	content := build.Content{
		UpdatedAt: now, NextUpdate: now.Add(24 * time.Hour), Details: details(), Sources: map[string]types.DataSource{},
		Advisories: languageAdvisories(), Channels: map[vulndb.ChannelKind]map[string][]int{
			vulndb.ContentSet: {
				"rhel-7-server-rpms": {1}, "rhel-8-for-x86_64-baseos-rpms": {2}, "rhel-8-for-x86_64-appstream-rpms": {3},
				"rhel-9-for-x86_64-baseos-rpms": {4}, "rhel-8-for-x86_64-baseos-eus-rpms__8_DOT_4": {5},
			},
			vulndb.Build: {"ubi8-container-8.4-206-x86_64": {6}},
		},
	}
	for bucket, source := range buckets() {
		content.Sources[bucket] = types.DataSource{ID: source, Name: "a test's " + string(source)}
	}
	for bucket := range distributions() {
		content.Advisories = append(content.Advisories, distributionAdvisories(bucket)...)
	}
	content.Advisories = append(content.Advisories, redHatAdvisories()...)
	content.Advisories = append(content.Advisories, flavourAdvisories()...)
	if _, err := build.Write(db, content); err != nil {
		t.Fatal(err)
	}
	if err := writeJavaIndex(filepath.Join(java, "trivy-java.db")); err != nil {
		t.Fatal(err)
	}
	metadata := `{"Version":1,"NextUpdate":"2099-01-01T00:00:00Z","UpdatedAt":"2026-01-01T00:00:00Z","DownloadedAt":"2026-01-01T00:00:00Z"}`
	if err := os.WriteFile(filepath.Join(java, "metadata.json"), []byte(metadata), 0o600); err != nil {
		t.Fatal(err)
	}
	return db, java
}

func writeJavaIndex(path string) (err error) {
	index, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	_, sum := knownJar()
	for _, statement := range []string{
		`CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT)`,
		`CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT,
			foreign key (artifact_id) references artifacts(id))`,
		`CREATE UNIQUE INDEX artifacts_idx ON artifacts(artifact_id, group_id)`,
		`CREATE INDEX indices_artifact_idx ON indices(artifact_id)`,
		`CREATE UNIQUE INDEX indices_sha1_idx ON indices(sha1)`,
		`INSERT INTO artifacts VALUES (1, 'org.example', 'widget'), (2, 'org.example', 'known-by-name')`,
		`INSERT INTO indices VALUES (1, '1.5.0', x'` + sum + `', 'jar'), (2, '1.0.0', x'02', 'jar')`,
	} {
		if _, err := index.Exec(statement); err != nil {
			return err
		}
	}
	return nil
}

// distributions are the buckets of distributions with the version that repairs
// the widget, as the distribution writes it.
func distributions() map[string]string {
	return map[string]string{
		"alpine 3.17": "2.0.0-r3", "alpine edge": "2.0.1_rc2-r0", "alpine 3.4": "1.9a-r1", "wolfi": "2.0.0-r1", "chainguard": "2.0.0-r2",
		"debian 12": "1:2.0-3~deb12u1", "debian 11": "1:2.0-3~deb11u1", "ubuntu 22.04": "2.0-3ubuntu0.22.04.1",
		"ubuntu 18.04": "2.0-1", "ubuntu 18.04-ESM": "2.0-3ubuntu0.1~esm1", "ubuntu 26.04": "2.0-3",
		"alma 8": "2.0-3.el8_10", "alma 9": "1:2.0-3.el9", "rocky 8": "2.0-3.el8", "rocky 9": "2.0-3.el9_2", "Oracle Linux 8": "2.0-3.el8",
		"Oracle Linux 7": "2:2.0-3.el7", "amazon linux 1": "2.0-3.4.amzn1", "amazon linux 2": "2.0-3.amzn2.0.1",
		"amazon linux 2022": "2.0-3.amzn2022", "amazon linux 2023": "2.0-3.amzn2023",
		"Azure Linux 3.0": "0:2.0-3.azl3", "CBL-Mariner 2.0": "0:2.0-3.cm2", "Photon OS 4.0": "2.0-3.ph4",
		"SUSE Linux Enterprise 15.4": "2.0-150400.3.1", "SUSE Linux Enterprise Micro 5.3": "2.0-150400.3.1",
		"openSUSE Leap 15.4": "2.0-150400.3.1", "openSUSE Tumbleweed": "2.0-3.1",
		"echo": "2.0-3+e1", "minimos": "2.0.0-r1", "bottlerocket": "2.0-3.br1",
	}
}

// buckets are all buckets with their data sources.
func buckets() map[string]types.SourceID {
	all := map[string]types.SourceID{
		"Red Hat": "redhat", "npm::GitHub Security Advisory npm": "ghsa", "npm::Node.js": "nodejs-security-wg",
		"pip::GitHub Security Advisory pip": "ghsa", "pip::OSV": "osv", "rubygems::GitHub Security Advisory RubyGems": "ghsa",
		"go::GitHub Security Advisory Go": "ghsa", "go::The Go Vulnerability Database": "govulndb", "cargo::GitHub Security Advisory Rust": "ghsa",
		"maven::GitHub Security Advisory Maven": "ghsa", "composer::GitHub Security Advisory Composer": "ghsa",
		"nuget::GitHub Security Advisory NuGet": "ghsa", "julia::Julia Language Security Advisories": "julia",
		"bitnami::Bitnami Vulnerability Database": "bitnami",
	}
	for bucket := range distributions() {
		family, _, _ := cutLast(bucket, " ")
		source := types.SourceID(family)
		switch family {
		case "Oracle Linux":
			source = "oracle-oval"
		case "amazon linux":
			source = "amazon"
		case "Azure Linux":
			source = "azure"
		case "CBL-Mariner":
			source = "cbl-mariner"
		case "Photon OS":
			source = "photon"
		case "SUSE Linux Enterprise", "SUSE Linux Enterprise Micro", "openSUSE Leap", "openSUSE":
			source = "suse-cvrf"
		case "":
			source = types.SourceID(bucket)
		}
		all[bucket] = source
	}
	return all
}

// distributionAdvisories are about the widget: what can be said of a package.
func distributionAdvisories(bucket string) []build.Advisory {
	fixed := distributions()[bucket]
	var list []build.Advisory
	add := func(id string, a vulndb.Advisory) {
		list = append(list, build.Advisory{Bucket: bucket, Package: "widget", ID: id, Advisory: a})
	}
	add("CVE-2020-1001", vulndb.Advisory{FixedVersion: fixed})
	add("CVE-2020-1002", vulndb.Advisory{})
	add("CVE-2020-1003", vulndb.Advisory{Status: types.StatusWillNotFix})
	add("CVE-2020-1004", vulndb.Advisory{Status: types.StatusEndOfLife})
	add("CVE-2020-1005", vulndb.Advisory{Status: types.StatusFixDeferred})
	add("CVE-2020-1006", vulndb.Advisory{Status: types.StatusUnderInvestigation})
	add("CVE-2020-1007", vulndb.Advisory{Status: types.StatusAffected})
	add("CVE-2020-1008", vulndb.Advisory{FixedVersion: fixed, Status: types.StatusWillNotFix, Severity: types.SeverityCritical})
	add("CVE-2020-1009", vulndb.Advisory{FixedVersion: fixed, Severity: types.SeverityLow, VendorIDs: []string{"ADV-1"}})
	add("CVE-2020-1010", vulndb.Advisory{FixedVersion: fixed})
	add("CVE-2020-1011", vulndb.Advisory{FixedVersion: fixed})
	add("CVE-2020-1012", vulndb.Advisory{FixedVersion: fixed})
	add("CVE-2020-1013", vulndb.Advisory{FixedVersion: fixed})
	add("CVE-2020-1014", vulndb.Advisory{FixedVersion: fixed})
	add("CVE-2020-1015", vulndb.Advisory{FixedVersion: fixed, AffectedVersion: "1.5-r0"})
	add("CVE-2020-1016", vulndb.Advisory{FixedVersion: "0"})
	if bucket != "echo" { // Trivy's scan of Echo fails over it
		add("CVE-2020-1017", vulndb.Advisory{FixedVersion: "not a version"})
	}
	add("GHSA-aaaa-bbbb-cccc", vulndb.Advisory{FixedVersion: fixed})
	add("TEMP-0000001-ABCDEF", vulndb.Advisory{FixedVersion: fixed})
	return list
}

// details rate the vulnerabilities in all the ways there are.
func details() map[string]vulndb.Detail {
	all := types.VendorSeverity{
		"alpine": 1, "debian": 2, "ubuntu": 3, "alma": 1, "rocky": 2, "oracle-oval": 3, "amazon": 4, "azure": 1, "cbl-mariner": 2,
		"photon": 3, "suse-cvrf": 1, "redhat": 2, "wolfi": 4, "ghsa": 3, "govulndb": 1, "nodejs-security-wg": 2, "nvd": 4,
	}
	result := map[string]vulndb.Detail{
		"CVE-2020-1011":       {Severity: "LOW", VendorSeverity: types.VendorSeverity{"nvd": 3}},
		"CVE-2020-1012":       {Severity: "LOW", VendorSeverity: types.VendorSeverity{"nvd": 0, "arch": 3}},
		"CVE-2020-1013":       {Severity: "MEDIUM", VendorSeverity: types.VendorSeverity{"arch": 3, "ghsa": 4}},
		"CVE-2020-1014":       {Title: "nobody rated this"},
		"GHSA-aaaa-bbbb-cccc": {Severity: "LOW", VendorSeverity: types.VendorSeverity{"ghsa": 4, "nvd": 1}},
		"TEMP-0000001-ABCDEF": {VendorSeverity: types.VendorSeverity{"debian": 1}},
	}
	for _, id := range []string{"1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009", "1015", "1016", "1017", "3001", "3002", "3003"} {
		result["CVE-2020-"+id] = vulndb.Detail{Severity: "MEDIUM", VendorSeverity: all}
	}
	return result // of CVE-2020-1010 nothing is known: it was rejected
}

// redHatAdvisories are about the widget in Red Hat's products.
func redHatAdvisories() []build.Advisory {
	of := func(pkg, id string, a vulndb.Advisory) build.Advisory {
		return build.Advisory{Bucket: "Red Hat", Package: pkg, ID: id, Advisory: a}
	}
	return []build.Advisory{
		of("widget", "CVE-2020-1001", vulndb.Advisory{FixedVersion: "2.0-3.el8", CPEs: []int{2, 3}, VendorIDs: []string{"RHSA-2020:1"}, Severity: 3, Arches: []string{"x86_64", "aarch64"}}),
		of("widget", "CVE-2020-1001", vulndb.Advisory{FixedVersion: "0:2.0-2.el8", CPEs: []int{2}, VendorIDs: []string{"RHSA-2020:2"}, Severity: 2, Arches: []string{"x86_64"}}),
		of("widget", "CVE-2020-1002", vulndb.Advisory{CPEs: []int{1, 2, 4}, Severity: 1, Status: types.StatusWillNotFix}),
		of("widget", "CVE-2020-1003", vulndb.Advisory{CPEs: []int{2, 4}, Severity: 2, Status: types.StatusAffected}),
		of("widget", "CVE-2020-1004", vulndb.Advisory{CPEs: []int{2}, Severity: 2, Status: types.StatusEndOfLife}),
		of("widget", "CVE-2020-1005", vulndb.Advisory{CPEs: []int{2}, Severity: 4, Status: types.StatusFixDeferred}),
		of("widget", "CVE-2020-1006", vulndb.Advisory{CPEs: []int{2}, Status: types.StatusUnderInvestigation}),
		of("widget", "CVE-2020-1010", vulndb.Advisory{CPEs: []int{2}, Severity: 2, FixedVersion: "2.0-3.el8", VendorIDs: []string{"RHSA-2020:3"}}),
		of("widget", "CVE-2020-1011", vulndb.Advisory{CPEs: []int{5}, Severity: 3, FixedVersion: "2.0-3.el8_4", VendorIDs: []string{"RHSA-2020:4"}}),
		of("widget", "CVE-2020-1012", vulndb.Advisory{CPEs: []int{6}, Severity: 3, FixedVersion: "2.0-3.el8", VendorIDs: []string{"RHSA-2020:5"}}),
		of("widget", "CVE-2020-1013", vulndb.Advisory{CPEs: []int{4}, Severity: 3, FixedVersion: "2.0-3.el9", VendorIDs: []string{"RHSA-2020:6"}}),
		of("widget", "CVE-2020-1014", vulndb.Advisory{CPEs: []int{1}, Severity: 3, FixedVersion: "2.0-3.el7", VendorIDs: []string{"RHSA-2020:7"}}),
		of("tools:1::widget", "CVE-2020-1009", vulndb.Advisory{CPEs: []int{3}, Severity: 3, FixedVersion: "2.0-3.module_el8", VendorIDs: []string{"RHSA-2020:8"}}),
	}
}

// flavourAdvisories tell architectures, modules and Oracle's flavours apart.
func flavourAdvisories() []build.Advisory {
	of := func(bucket, pkg, id, fixed string, arches ...string) build.Advisory {
		return build.Advisory{Bucket: bucket, Package: pkg, ID: id, Advisory: vulndb.Advisory{FixedVersion: fixed, Arches: arches}}
	}
	var list []build.Advisory
	for _, bucket := range []string{"rocky 8", "Oracle Linux 8"} {
		list = append(list, of(bucket, "gadget", "CVE-2020-1001", "2.0-3.el8", "x86_64"), of(bucket, "gadget", "CVE-2020-1001", "2.0-4.el8", "aarch64"),
			of(bucket, "gadget", "CVE-2020-1009", "1:2.0-3.el8", "x86_64", "aarch64"), of(bucket, "tools:1::gadget", "CVE-2020-1011", "2.0-3.module+el8", "x86_64"))
	}
	for _, fixed := range []string{"2.0-3.ksplice1.el8", "10:2.0-3.el8_fips", "2.0-3.el8"} {
		list = append(list, of("Oracle Linux 8", "flavoured", "CVE-2020-1001", fixed, "x86_64"))
	}
	for _, bucket := range []string{"alma 8", "Red Hat"} {
		list = append(list, of(bucket, "tools:1::gadget", "CVE-2020-1001", "2.0-3.module_el8.4.0+1+abc"))
	}
	return list[:len(list)-1]
}
