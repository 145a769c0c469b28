package sbomfile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/sbomfile"
	"github.com/muster-sec/muster/scanner/inventory"
)

const (
	redis = `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"redis","packages":[
  {"SPDXID":"SPDXRef-Package-redis","name":"redis","versionInfo":"7.2.3-1","externalRefs":[
    {"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:bitnami/redis@7.2.3-1?arch=amd64"}]},
  {"SPDXID":"SPDXRef-Package-agent","name":"co.elastic.apm:elastic-apm-agent","externalRefs":[
    {"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:maven/co.elastic.apm/elastic-apm-agent@1.36.0"}]},
  {"SPDXID":"SPDXRef-Package-x","name":"x","externalRefs":[
    {"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/x@1"}]}],
 "files":[{"SPDXID":"SPDXRef-File-1","fileName":"modules/agent.jar"}],
 "relationships":[{"spdxElementId":"SPDXRef-Package-agent","relationshipType":"CONTAINS","relatedSpdxElement":"SPDXRef-File-1"}]}`
	system = `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[
  {"type":"library","name":"musl","version":"1.2.3-r4","purl":"pkg:apk/alpine/musl@1.2.3-r4?distro=3.17.3"},
  {"type":"library","name":"busybox","version":"1.35-r1","purl":"pkg:apk/alpine/busybox@1.35-r1?distro=3.17.2"},
  {"type":"library","name":"glibc","version":"2.37-r1","purl":"pkg:apk/wolfi/glibc@2.37-r1"},
  {"type":"library","group":"@shop","name":"cart","version":"2","purl":"pkg:npm/%40shop/cart@2",
   "properties":[{"name":"aquasecurity:trivy:FilePath","value":"srv/cart/package.json"}]}]}`
)

func describe(s inventory.SourceSet) string {
	var words []string
	for _, p := range s.Set.Packages {
		words = append(words, strings.TrimSuffix(p.Name+"@"+p.Version+" "+p.Path, " "))
	}
	return strings.Join(append([]string{s.Path + " " + string(s.Set.Ecosystem) + " " + s.Claim.Namespace}, words...), ", ")
}

func TestPackages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, text string
		want       []string
		problem    bool
	}{
		{"opt/bitnami/redis/.spdx-redis.spdx", redis, []string{
			"opt/bitnami/redis/.spdx-redis.spdx bitnami , redis@7.2.3-1 opt/bitnami/redis",
			"opt/bitnami/redis/.spdx-redis.spdx maven , co.elastic.apm:elastic-apm-agent@1.36.0 opt/bitnami/redis/modules/agent.jar",
			"opt/bitnami/redis/.spdx-redis.spdx npm , x@1 opt/bitnami/redis",
		}, false},
		{"srv/redis.spdx.json", redis, []string{
			"srv/redis.spdx.json bitnami , redis@7.2.3-1",
			"srv/redis.spdx.json maven , co.elastic.apm:elastic-apm-agent@1.36.0 modules/agent.jar",
			"srv/redis.spdx.json npm , x@1",
		}, false},
		{"app.cdx.json", system, []string{
			"app.cdx.json apk alpine, busybox@1.35-r1, musl@1.2.3-r4",
			"app.cdx.json apk wolfi, glibc@2.37-r1",
			"app.cdx.json npm , @shop/cart@2 srv/cart/package.json",
		}, false},
		{"x.spdx", "SPDXVersion: SPDX-2.2\nPackageName: x\nExternalRef: PACKAGE-MANAGER purl pkg:npm/x@1\n", []string{"x.spdx npm , x@1"}, false},
		{"MIT.spdx", "Permission is hereby granted", []string{"MIT.spdx bitnami "}, false},
		{"x.cdx", `{"bomFormat":"CycloneDX","components":7}`, []string{"x.cdx bitnami "}, true},
		{"x.cdx", strings.Repeat(" ", 9<<20), []string{"x.cdx bitnami "}, true},
		{"x.cdx", `{"bomFormat":"CycloneDX","components":[` + strings.Repeat(`{"purl":"pkg:npm/x@1"},`, 60_000) + `{}]}`, []string{"x.cdx bitnami "}, true},
	} {
		f := analyze.File{Path: c.path, Size: int64(len(c.text))}
		if !(sbomfile.Packages{}).Required(f) {
			t.Errorf("%s is not wanted", c.path)
		}
		run := sbomfile.Packages{}.Begin()
		if err := run.Read(f, strings.NewReader(c.text)); (err != nil) != c.problem {
			t.Errorf("%s: %v", c.path, err)
		}
		var got []string
		for _, s := range run.Result().Sets {
			got = append(got, describe(s))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
	}
	for _, other := range []string{"usr/lib/python3/x.dist-info/sboms/x.cdx.json", "bom.json", "x.spdx.rdf"} {
		if (sbomfile.Packages{}).Required(analyze.File{Path: other}) {
			t.Errorf("%s is wanted", other)
		}
	}
}

// TestPackagesOfALayer has more documents than the packages of a layer may be.
func TestPackagesOfALayer(t *testing.T) {
	t.Parallel()
	text := `{"bomFormat":"CycloneDX","components":[` + strings.Repeat(`{"purl":"pkg:npm/x@1"},`, 45_000) + `{}]}`
	run := sbomfile.Packages{}.Begin()
	problems := 0
	for i := range 6 {
		if err := run.Read(analyze.File{Path: fmt.Sprintf("%d.cdx", i)}, strings.NewReader(text)); err != nil {
			problems++
		}
	}
	if problems != 2 {
		t.Errorf("%d problems, want 2", problems)
	}
}
