package bottlerocket

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

const list = `{"Content":[
{"Name":"kernel-6.1","Publisher":"Bottlerocket","Version":"6.1.115","Release":"1.br1","Epoch":"0","Architecture":"x86_64"},
{"Name":"glibc","Version":"2.40","Release":"1.br1","Epoch":"1","Architecture":"x86_64"},
{"Name":"old","Version":"1.0","Architecture":"x86_64"},{"Version":"1.0"}]}`

func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    string
		want    []inventory.Package
		problem bool
	}{
		"inventory": {list, []inventory.Package{
			{Name: "glibc", Version: "1:2.40-1.br1", Arch: "x86_64"}, {Name: "kernel-6.1", Version: "6.1.115-1.br1", Arch: "x86_64"}, {Name: "old", Version: "1.0", Arch: "x86_64"},
		}, false},
		"empty":    {"{}", []inventory.Package{}, false},
		"epoch":    {`{"Content":[{"Name":"a","Version":"1","Epoch":"x"}]}`, []inventory.Package{}, true},
		"nonsense": {"[", []inventory.Package{}, true},
		"endless":  {strings.Repeat(" ", maxBytes+1), []inventory.Package{}, true},
	} {
		f := analyze.File{Path: "x86_64-bottlerocket-linux-gnu/sys-root/usr/share/bottlerocket/application-inventory.json"}
		if !(Analyzer{}).Required(f) {
			t.Fatal("not required")
		}
		r := Analyzer{}.Begin()
		if err := r.Read(f, strings.NewReader(c.text)); (err != nil) != c.problem {
			t.Errorf("%s: %v", name, err)
		}
		set := r.Result().Sets[0].Set
		if diff := cmp.Diff(c.want, set.Packages); diff != "" || set.Ecosystem != inventory.Rpm {
			t.Errorf("%s: %s (-want +got):\n%s", name, set.Ecosystem, diff)
		}
	}
	if (Analyzer{}).Required(analyze.File{Path: "usr/share/bottlerocket/application-inventory.json"}) {
		t.Error("another file is wanted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(list)
	f.Fuzz(func(t *testing.T, text string) {
		if packages, err := parse(strings.NewReader(text)); err != nil && packages != nil {
			t.Errorf("%d packages with error %v", len(packages), err)
		}
	})
}
