package squash

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/inventory"
)

// channelsOf squashes layers of one rpm database and returns the channels of
// each package.
func channelsOf(t *testing.T, family string, layers ...inventory.LayerAnalysis) map[string]string {
	t.Helper()
	layers[0].OS = []inventory.OSFact{{Path: "etc/redhat-release", Family: family, Version: "8.4"}}
	inv, sets := Squash(inventory.Image{}, layers)
	if len(inv.Sources) != 1 {
		t.Fatalf("sources %+v", inv.Sources)
	}
	result := map[string]string{}
	set := sets[inv.Sources[0].Set]
	if _, err := inventory.DecodeSet(set.ID(), set.Encode()); err != nil {
		t.Errorf("the set is not canonical: %v", err)
	}
	for _, p := range set.Packages {
		result[p.Name] = p.Channels
	}
	return result
}

func TestChannels(t *testing.T) {
	t.Parallel()
	const db = "var/lib/rpm/rpmdb.sqlite"
	base := []inventory.SourceSet{at(db, set(inventory.Rpm, "bash@4"))}
	more := []inventory.SourceSet{at(db, set(inventory.Rpm, "bash@4", "curl@7"))}
	a, b := &inventory.Build{ContentSets: []string{"a"}}, &inventory.Build{ContentSets: []string{"b"}, Name: "n"}
	for name, tt := range map[string]struct {
		family string
		layers []inventory.LayerAnalysis
		want   map[string]string
	}{
		"nobody tells": {"redhat", []inventory.LayerAnalysis{{Sets: base}, {Sets: more}}, map[string]string{"bash": "", "curl": ""}},
		"the layer's own": {"redhat", []inventory.LayerAnalysis{{Sets: base, Build: a}, {Sets: more, Build: b}},
			map[string]string{"bash": "a/", "curl": "b/n"}},
		"the base asks the layer above": {"redhat", []inventory.LayerAnalysis{{Sets: base}, {Build: a}, {Sets: more}},
			map[string]string{"bash": "a/", "curl": "a/"}},
		"the last that tells": {"centos", []inventory.LayerAnalysis{{Sets: base, Build: a}, {Build: b}, {Sets: more}},
			map[string]string{"bash": "a/", "curl": "b/n"}},
		"other distributions do not ask": {"rocky", []inventory.LayerAnalysis{{Sets: base, Build: a}},
			map[string]string{"bash": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, channelsOf(t, tt.family, tt.layers...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestChannelsComeBack(t *testing.T) {
	t.Parallel()
	for _, b := range []inventory.Build{{}, {Name: "n-1"}, {ContentSets: []string{"a", "b"}}, {ContentSets: []string{"a"}, Name: "n"}} {
		if diff := cmp.Diff(b, inventory.SplitChannels(b.Channels())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestOneFileOfTwoEcosystems(t *testing.T) {
	t.Parallel()
	const bin = "usr/bin/x"
	both := []inventory.SourceSet{at(bin, set(inventory.Go, "a@1")), at(bin, set(inventory.Rust, "b@1"))}
	inv, _ := Squash(inventory.Image{}, []inventory.LayerAnalysis{{Sets: both}})
	if len(inv.Sources) != 2 {
		t.Errorf("%d sources, want 2", len(inv.Sources))
	}
	inv, _ = Squash(inventory.Image{}, []inventory.LayerAnalysis{{Sets: both}, {Sets: []inventory.SourceSet{at(bin, set(inventory.Go, "a@2"))}}})
	if len(inv.Sources) != 1 || inv.Sources[0].Layer != 1 {
		t.Errorf("sources %+v: a replaced file is replaced as a whole", inv.Sources)
	}
}
