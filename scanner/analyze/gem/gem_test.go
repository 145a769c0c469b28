package gem

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
)

const rack = `# -*- encoding: utf-8 -*-
Gem::Specification.new do |s|
  s.name = "rack".freeze
  s.version = "2.0.1"
  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze)
end
`

func TestParse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text    string
		want    inventory.Package
		problem bool
	}{
		"installed":     {text: rack, want: inventory.Package{Name: "rack", Version: "2.0.1"}},
		"single quotes": {text: "Gem::Specification.new do |spec|\nspec.name='a'\nspec.version   = '1'\nend", want: inventory.Package{Name: "a", Version: "1"}},
		"assigned twice": {text: "Gem::Specification.new do |s|\ns.name='a'\ns.version='1'\ns.version='2'\ns.license='MIT'\ns.version='3'\nend",
			want: inventory.Package{Name: "a", Version: "2"}},
		"no version":          {text: "Gem::Specification.new do |s|\ns.name='a'\n", problem: true},
		"before the block":    {text: "s.name='a'\ns.version='1'\n", problem: true},
		"another variable":    {text: "Gem::Specification.new do |s|\nx.name='a'\nx.version='1'\n", problem: true},
		"nothing":             {problem: true},
		"a line too long":     {text: strings.Repeat("x", maxLine+1) + "\n" + rack, problem: true},
		"larger than allowed": {text: strings.Repeat("# x\n", maxBytes/4+1) + rack, problem: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(strings.NewReader(tt.text))
			if (err != nil) != tt.problem {
				t.Errorf("error %v, expected one: %v", err, tt.problem)
			}
			if diff := cmp.Diff(tt.want, got); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryFileMakesASet(t *testing.T) {
	t.Parallel()
	r := Analyzer{}.Begin()
	for path, text := range map[string]string{"a/specifications/rack.gemspec": rack, "a/specifications/default/b.gemspec": ""} {
		if !(Analyzer{}).Required(analyze.File{Path: path}) {
			t.Errorf("%s is not required", path)
		}
		if err := r.Read(analyze.File{Path: path}, strings.NewReader(text)); (err != nil) != (text == "") {
			t.Error(err)
		}
	}
	if got := len(r.Result().Sets); got != 2 {
		t.Errorf("%d sets, want 2", got)
	}
	if !(Analyzer{}).Required(analyze.File{Path: "a/specifications/rack.gemspec.bak"}) {
		t.Error("Trivy reads copies of specifications too")
	}
	if (Analyzer{}).Required(analyze.File{Path: "src/rack.gemspec"}) {
		t.Error("a gemspec in a source folder is not an installed gem")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(rack)
	f.Add("Gem::Specification.new do |s|\ns.name=\ns.version=''")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parse(strings.NewReader(text)); err == nil && (p.Name == "" || p.Version == "") {
			t.Errorf("accepted %+v", p)
		}
	})
}
