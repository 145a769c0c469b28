package parity_test

import (
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/build"
)

// languageAdvisories are about the widget of each language: one with both ends,
// one without a fix, one for every version, the same vulnerability in two
// buckets, and ranges that a language has alone.
func languageAdvisories() []build.Advisory {
	var list []build.Advisory
	add := func(bucket, pkg, id string, vulnerable, patched []string) {
		list = append(list, build.Advisory{Bucket: bucket, Package: pkg, ID: id, Advisory: vulndb.Advisory{
			VulnerableVersions: vulnerable, PatchedVersions: patched,
		}})
	}
	for bucket, pkg := range map[string]string{
		"npm::GitHub Security Advisory npm": "widget", "pip::GitHub Security Advisory pip": "wid-get",
		"rubygems::GitHub Security Advisory RubyGems": "widget", "go::GitHub Security Advisory Go": "example.org/widget",
		"cargo::GitHub Security Advisory Rust": "widget", "maven::GitHub Security Advisory Maven": "org.example:widget",
		"composer::GitHub Security Advisory Composer": "acme/widget", "nuget::GitHub Security Advisory NuGet": "acme.widget",
		"julia::Julia Language Security Advisories": "Widget", "bitnami::Bitnami Vulnerability Database": "widget",
	} {
		add(bucket, pkg, "CVE-2020-1001", []string{">=1.0.0, <2.0.0"}, []string{"2.0.0"})
		add(bucket, pkg, "CVE-2020-1002", []string{"<=3.0.0"}, nil)
		add(bucket, pkg, "CVE-2020-1003", []string{""}, nil)
		add(bucket, pkg, "CVE-2020-1010", []string{"<1.5.0", ">=1.6.0, <1.7.0"}, []string{"1.5.0", "1.7.0"})
		add(bucket, pkg, "GHSA-aaaa-bbbb-cccc", []string{"<2.0.0", "<2.0.0"}, nil)
		add(bucket, pkg, "CVE-2020-1014", []string{"no range"}, []string{"2.0.0"})
	}
	add("bitnami::Bitnami Vulnerability Database", "acme", "CVE-2020-1001", []string{">=1.0.0, <2.0.0"}, []string{"2.0.0"})
	add("npm::Node.js", "widget", "CVE-2020-1001", []string{"<=1.2.0"}, []string{">=1.2.1"})
	add("npm::Node.js", "widget", "CVE-2020-1011", []string{"1.x || >=2.5.0 <=3.0.0-beta.2"}, []string{"^4.0.0", "~3.0.5"})
	add("npm::Node.js", "@acme/widget", "CVE-2020-1011", []string{"<2.0.0-rc.1"}, []string{"2.0.0-rc.1"})
	add("pip::OSV", "wid-get", "CVE-2020-1011", []string{">=1.0rc1, <1.0.post2", "==2.0.*"}, []string{"1.0.post2"})
	add("pip::OSV", "wid-get", "CVE-2020-1012", []string{"<1!0.5"}, []string{"1!0.5"})
	add("rubygems::GitHub Security Advisory RubyGems", "widget", "CVE-2020-1012", nil, []string{"~> 1.2.3", "~> 1.4", ">= 2.0.0.rc1"})
	add("go::The Go Vulnerability Database", "stdlib", "CVE-2020-1011", []string{"<1.20.5"}, []string{"1.20.5"})
	add("go::The Go Vulnerability Database", "example.org/widget", "CVE-2020-1012", []string{"<0.0.0-20200101000000-abcdefabcdef"}, []string{"0.0.0-20200101000000-abcdefabcdef"})
	add("go::The Go Vulnerability Database", "example.org/app", "CVE-2020-1012", []string{"<1.5.0"}, []string{"1.5.0"})
	add("maven::GitHub Security Advisory Maven", "org.example:widget", "CVE-2020-1012", []string{"[1.0,1.5.1)", "(,0.9]"}, []string{"1.5.1"})
	return list
}
