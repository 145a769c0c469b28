package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func TestParseReference(t *testing.T) {
	t.Parallel()
	d := model.Digest("sha256:" + strings.Repeat("a", 64))
	d384, d512 := "sha384:"+strings.Repeat("b", 96), "sha512:"+strings.Repeat("c", 128)
	for in, want := range map[string]Reference{
		"nginx":                              {Host: "docker.io", Repository: "library/nginx", Tag: "latest"},
		"nginx:1.25":                         {Host: "docker.io", Repository: "library/nginx", Tag: "1.25"},
		"team/app":                           {Host: "docker.io", Repository: "team/app", Tag: "latest"},
		"docker.io/nginx":                    {Host: "docker.io", Repository: "library/nginx", Tag: "latest"},
		"docker.io/library/nginx":            {Host: "docker.io", Repository: "library/nginx", Tag: "latest"},
		"index.docker.io/team/app:1":         {Host: "docker.io", Repository: "team/app", Tag: "1"},
		"registry-1.docker.io/library/nginx": {Host: "docker.io", Repository: "library/nginx", Tag: "latest"},
		"localhost/app":                      {Host: "localhost", Repository: "app", Tag: "latest"},
		"localhost:5000/app:2":               {Host: "localhost:5000", Repository: "app", Tag: "2"},
		"REG.Example:5000/a/b/c:V1":          {Host: "reg.example:5000", Repository: "a/b/c", Tag: "V1"},
		"MyHost/app":                         {Host: "myhost", Repository: "app", Tag: "latest"},
		"[::1]:5000/app":                     {Host: "[::1]:5000", Repository: "app", Tag: "latest"},
		"REG.example:00443/app":              {Host: "reg.example", Repository: "app", Tag: "latest"},
		"reg.example:05000/app":              {Host: "reg.example:5000", Repository: "app", Tag: "latest"},
		"index.docker.io:443/nginx":          {Host: "docker.io", Repository: "library/nginx", Tag: "latest"},
		"[::1]:443/app":                      {Host: "[::1]", Repository: "app", Tag: "latest"},
		"[0:0::443]/app":                     {Host: "[::443]", Repository: "app", Tag: "latest"},
		"reg.example/app:1@" + d384:          {Host: "reg.example", Repository: "app", Digest: model.Digest(d384)},
		"reg.example/app@" + d512:            {Host: "reg.example", Repository: "app", Digest: model.Digest(d512)},
		"reg.example/app@" + string(d):       {Host: "reg.example", Repository: "app", Digest: d},
		"reg.example/app:1.0@" + string(d):   {Host: "reg.example", Repository: "app", Digest: d},
		"gcr.io/istio-release/proxyv2:1":     {Host: "gcr.io", Repository: "istio-release/proxyv2", Tag: "1"},
		"reg.example/a__b/c-d.e:latest":      {Host: "reg.example", Repository: "a__b/c-d.e", Tag: "latest"},
	} {
		got, err := ParseReference(in)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", in, err, diff)
		}
	}
	for _, in := range []string{
		"", ":", "/", "@", "nginx:", "nginx@", "nginx@sha256:short", "nginx@" + string(d) + "x", "nginx@sha512:" + strings.Repeat("a", 64), "nginx@md5:" + strings.Repeat("a", 32),
		"nginx@" + strings.ToUpper(d512),
		"NGINX", "reg.example/App", "reg.example/", "reg.example//app", "/app", "https://reg.example/app", "reg.example/app:1:2",
		"a b", "nginx:-1", "nginx:" + strings.Repeat("x", 129), "reg.example:port/app", "-reg.example/app", "reg.example./app", "reg_example.com/app",
		"nginx\n", strings.Repeat("a", 2000), "nginx:ä", "ngi\x00nx", "reg.example/../app", "user@reg.example/app",
	} {
		if got, err := ParseReference(in); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"nginx":                {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"},
		"reg.example/app":      {"reg.example", "reg.example:443"},
		"reg.example:443/app":  {"reg.example", "reg.example:443"},
		"reg.example:0443/app": {"reg.example", "reg.example:443"},
		"reg.example:5000/app": {"reg.example:5000"},
		"[::1]:5000/app":       {"[::1]:5000"},
		"[::1]/app":            {"[::1]", "[::1]:443"},
		"docker.io:443/nginx":  {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"},
	} {
		ref, err := ParseReference(in)
		if diff := cmp.Diff(want, ref.Hosts()); diff != "" || err != nil {
			t.Errorf("%s: %v %s", in, err, diff)
		}
	}
}

func TestPattern(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"*", "a/b", true},
		{"?", "", false}, {"?", "a", true}, {"a*", "abc", true}, {"a*c", "abc", true}, {"a*c", "abcd", false}, {"*c", "abc", true},
		{"a*b*c", "a-b-b-c", true}, {"a*b*c", "a-c-b", false}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"**", "x", true}, {"*?", "", false},
		{"a.c", "abc", false}, {"[a]", "a", false},
	}
	for _, tt := range tests {
		if got := newPattern(tt.pattern).match(tt.text); got != tt.want {
			t.Errorf("%q matches %q: %v", tt.pattern, tt.text, got)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"nginx", "reg.example:5000/a/b:1", "docker.io/nginx@sha256:" + strings.Repeat("a", 64), "[::1]/x", "a/b/c:d@e", "[0::443]:0443/x", "reg.example:00443/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := ParseReference(s)
		if err != nil {
			return
		}
		if (ref.Tag == "") != (ref.Digest != "") || ref.Host == "" || ref.Repository == "" {
			t.Fatalf("%q: %+v", s, ref)
		}
		if !strings.ContainsAny(ref.Host, ".:") && ref.Host != "localhost" {
			return // a host told by its capitals alone is not told any more in lower case
		}
		again, err := ParseReference(ref.String())
		if err != nil || again != ref {
			t.Fatalf("%q is %+v, its normal form %q is %+v, %v", s, ref, ref.String(), again, err)
		}
		if !newImagePattern(ref.String()).match(ref) {
			t.Fatalf("%q is not matched by itself", ref.String())
		}
	})
}
