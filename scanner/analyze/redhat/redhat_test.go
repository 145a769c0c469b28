package redhat

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

func TestRead(t *testing.T) {
	t.Parallel()
	const dockerfile = "root/buildinfo/Dockerfile-ubi7-7.7-140"
	ubi := &inventory.Build{Name: "ubi7-container-7.7-140-x86_64"}
	for name, tt := range map[string]struct {
		path, text string
		want       *inventory.Build
		problem    bool
	}{
		"content manifest": {path: "root/buildinfo/content_manifests/ubi8.json",
			text: `{"content_sets":["b","a__8"]}`, want: &inventory.Build{ContentSets: []string{"b", "a__8"}}},
		"content manifest of CoreOS": {path: "usr/share/buildinfo/x.json",
			text: `{"content_sets":["a"]}`, want: &inventory.Build{ContentSets: []string{"a"}}},
		"no content sets":          {path: "root/buildinfo/content_manifests/x.json", text: `{"content_sets":[]}`},
		"content set of many":      {path: "root/buildinfo/content_manifests/x.json", text: `{"content_sets":["a,b/c"]}`},
		"manifest no JSON":         {path: "root/buildinfo/content_manifests/x.json", text: `{`, problem: true},
		"too many content sets":    {path: "root/buildinfo/content_manifests/x.json", text: `{"content_sets":[` + strings.Repeat(`"a",`, 2000) + `"a"]}`, problem: true},
		"manifest too large":       {path: "root/buildinfo/content_manifests/x.json", text: strings.Repeat(" ", maxBytes+1), problem: true},
		"labels":                   {path: dockerfile, text: "FROM x\nLABEL com.redhat.component=\"ubi7-container\" \\\n  architecture=\"x86_64\"\n", want: ubi},
		"old label, old form":      {path: dockerfile, text: "LABEL BZComponent ubi7-container\nlabel architecture x86_64\n", want: ubi},
		"variables":                {path: dockerfile, text: "ENV N=ubi7 A=x86_64\nLABEL com.redhat.component=${N}-container architecture=$A\n", want: ubi},
		"no labels":                {path: dockerfile, text: "FROM x\n", problem: true},
		"variables that grow":      {path: dockerfile, text: "ENV A=$A$A\n" + strings.Repeat("ENV A=$A$A$A\n", 1000), problem: true},
		"a variable without a end": {path: dockerfile, text: "LABEL architecture=${X com.redhat.component=$\n", problem: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := analyze.File{Path: tt.path, Size: int64(len(tt.text))}
			if !(Analyzer{}).Required(f) {
				t.Fatalf("%s is not required", tt.path)
			}
			r := Analyzer{}.Begin()
			if err := r.Read(f, strings.NewReader(tt.text)); (err != nil) != tt.problem {
				t.Errorf("error %v, expected one: %v", err, tt.problem)
			}
			if diff := cmp.Diff(tt.want, r.Result().Build); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if (Analyzer{}).Required(analyze.File{Path: "root/buildinfo/labels.json"}) {
		t.Error("other files are not read")
	}
}

func FuzzLabels(f *testing.F) {
	f.Add("ENV A=$A\nLABEL architecture=$A com.redhat.component=\"x ${A}\"")
	f.Add("LABEL a \\\n b='c")
	f.Fuzz(func(t *testing.T, text string) {
		component, arch := labels(text)
		if len(component) > len(text)+maxValue || len(arch) > len(text)+maxValue {
			t.Error("a value grew beyond its bound")
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"metadata":{"icm_version":1},"content_sets":["rhel-8-for-x86_64-baseos-rpms","a,b",""]}`))
	f.Add([]byte(`{"content_sets":7}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := &run{}
		if err := r.manifest(text); err != nil && r.found {
			t.Error("both an answer and an error")
		}
		// What is kept comes back from the word that packages carry.
		for _, set := range inventory.SplitChannels(r.build.Channels()).ContentSets {
			if set == "" {
				t.Errorf("%q has an empty set", r.build.Channels())
			}
		}
	})
}
