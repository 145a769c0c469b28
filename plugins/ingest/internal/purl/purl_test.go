package purl

import "testing"

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ ecosystem, name, version, image string }{
		"pkg:deb/debian/zlib1g@1%3A1.2.11-2?arch=amd64&distro=debian-11":                    {"deb", "zlib1g", "1:1.2.11-2", ""},
		"pkg:npm/%40angular/core@12.3.1":                                                    {"npm", "@angular/core", "12.3.1", ""},
		"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1":                              {"maven", "org.apache.logging.log4j:log4j-core", "2.14.1", ""},
		"pkg:golang/github.com/gorilla/mux@v1.8.0#sub/path":                                 {"golang", "github.com/gorilla/mux", "v1.8.0", ""},
		"pkg:PyPI/requests@2.0":                                                             {"pypi", "requests", "2.0", ""},
		"pkg:apk/alpine/zlib":                                                               {"apk", "zlib", "", ""},
		"pkg:oci/web@sha256%3Aabc?repository_url=r.example%2Fshop%2Fweb&arch=amd64&tag=1.0": {"oci", "web", "sha256:abc", "r.example/shop/web:1.0@sha256:abc"},
		"pkg:oci/web@sha256:abc":                                                            {"oci", "web", "sha256:abc", "web@sha256:abc"},
		"pkg:docker/shop/web@1.0?repository_url=r.example":                                  {"docker", "web", "1.0", "r.example/shop/web:1.0"},
	}
	for text, want := range tests {
		u, ok := Parse(text)
		if got := (struct{ ecosystem, name, version, image string }{u.Type, u.Package(), u.Version, u.Image()}); !ok || got != want {
			t.Errorf("%s is %+v, want %+v", text, got, want)
		}
	}
	for _, text := range []string{"", "pkg:", "pkg:deb", "deb/zlib", "pkg:deb//zlib", "pkg:deb/%zz", "pkg:deb/x?a=%zz", "pkg:deb/x@%zz"} {
		if u, ok := Parse(text); ok {
			t.Errorf("%s is read as %+v", text, u)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("pkg:deb/debian/zlib1g@1%3A1.2.11-2?arch=amd64")
	f.Add("pkg:oci/web@sha256:abc?repository_url=r.example")
	f.Fuzz(func(t *testing.T, text string) {
		if u, ok := Parse(text); ok && (u.Type == "" || u.Name == "" || u.Package() == "") {
			t.Errorf("%q is read as %+v", text, u)
		}
	})
}
