package registry

import (
	"strings"
	"testing"

	"github.com/muster-sec/muster/core/model"
)

func TestFilters(t *testing.T) {
	t.Parallel()
	tests := []struct {
		filters         []string
		repository, tag string
		want            bool
	}{
		{nil, "any/thing", "latest", true},
		{[]string{"*"}, "any/thing", "latest", true},
		{[]string{"base/*"}, "base/app", "1", true},
		{[]string{"base/*"}, "base/team/app", "1", true},
		{[]string{"base/*"}, "database/app", "1", false},
		{[]string{"*/web"}, "shop/web", "1", true},
		{[]string{"*/web"}, "web", "1", false},
		{[]string{"shop/web:v1.?"}, "shop/web", "v1.4", true},
		{[]string{"shop/web:v1.?"}, "shop/web", "v1.14", false},
		{[]string{"shop/web:v1.*"}, "shop/web", "v2.0", false},
		{[]string{"other", "shop/web:*-rc*"}, "shop/web", "2-rc1", true},
		{[]string{"other:1", "shop/web:2"}, "shop/web", "1", false},
		{[]string{"shop/web"}, "shop/web", "anything", true},
		{[]string{"shop/[ab]"}, "shop/a", "1", false}, // no character classes
		{[]string{"a*b*c"}, "axxbyyc", "1", true},
		{[]string{"a*b*c"}, "axxcyyb", "1", false},
	}
	for _, test := range tests {
		fs := newFilters(test.filters)
		if got := fs.tag(test.repository, test.tag); got != test.want {
			t.Errorf("%q selects %s:%s: %v, want %v", test.filters, test.repository, test.tag, got, test.want)
		}
		if test.want && !fs.repository(test.repository) {
			t.Errorf("%q would not list %s", test.filters, test.repository)
		}
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	arm := model.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	for _, test := range []struct {
		setting []string
		of      model.Platform
		want    bool
	}{
		{nil, arm, true},
		{[]string{"linux/arm64"}, arm, true},
		{[]string{"linux/arm64/v8"}, arm, true},
		{[]string{"linux/arm64/v9"}, arm, false},
		{[]string{"linux/arm"}, arm, false},
		{[]string{"linux/amd64", "linux/arm64"}, arm, true},
		{[]string{"linux/amd64"}, model.Platform{}, true},
	} {
		if got := selects(test.setting, test.of); got != test.want {
			t.Errorf("%q takes %s: %v, want %v", test.setting, test.of, got, test.want)
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("base/*:v?", "base/app:v1")
	f.Add("*a*b*", strings.Repeat("ab", 20))
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 512 || len(s) > 512 {
			return
		}
		got := glob(pattern, s)
		if got && !glob("*"+pattern, s) {
			t.Errorf("%q matches %q, but not with a star in front", pattern, s)
		}
		if !strings.ContainsAny(pattern, "*?") && got != (pattern == s) {
			t.Errorf("%q without wildcards matches %q: %v", pattern, s, got)
		}
	})
}
