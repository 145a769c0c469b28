package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func TestATestTellsWhatWouldBeScanned(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		registry model.Registry
		prepare  func(*fakeLister)
		detail   string
		warning  string
		hint     string
		fails    bool
	}{
		"everything": {model.Registry{}, nil, "3 of 3 repositories match; 5 of 5 tags looked at in 3 of them: base:1, shop/api:1, shop/web:1, shop/web:2, shop/web:rc", "", "", false},
		"some": {model.Registry{Filters: []string{"shop/*:?"}}, nil,
			"2 of 3 repositories match; 3 of 4 tags looked at in 2 of them: shop/api:1, shop/web:1, shop/web:2", "", "", false},
		"no repository": {model.Registry{Filters: []string{"shop2/*"}}, nil, "0 of 3 repositories match", "no repository matches", "base, shop/api", false},
		"no tag":        {model.Registry{Filters: []string{"shop/*:v*"}}, nil, "2 of 3 repositories match; 0 of 4 tags", "no tag looked at matches", "REPOSITORY[:TAG]", false},
		"by name":       {model.Registry{Repositories: []string{"base"}}, nil, "1 of 1 repositories match; 1 of 1 tags looked at in 1 of them: base:1", "", "", false},
		"empty":         {model.Registry{}, func(f *fakeLister) { clear(f.content) }, "0 of 0", "lists no repository", "catalog", false},
		"many": {model.Registry{}, func(f *fakeLister) {
			for i := range 3000 {
				f.set(fmt.Sprintf("z%04d", i), "1", "x")
			}
		}, "2000 of the first 2000 repositories match; 7 of 7 tags looked at in 5 of them: base:1, shop/api:1, shop/web:1, shop/web:2, shop/web:rc, …", "", "", false},
		"without a tag": {model.Registry{Filters: []string{"lost"}}, func(f *fakeLister) { f.set("lost", "@1", "lost") },
			"1 of 4 repositories match; 1 of 1 tags looked at in 1 of them: lost@" + string(digest("lost")), "", "", false},
		"it breaks": {model.Registry{}, func(f *fakeLister) {
			f.afterTag = func(string, string) error {
				return fault.New(fault.Unavailable, "reset").WithHint("look at the network")
			}
		}, "reset", "", "look at the network", true},
		"another step fails": {model.Registry{Password: "wrong"}, nil, "", "", "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{})
			for _, image := range []string{"base:1", "shop/api:1", "shop/web:1", "shop/web:2", "shop/web:rc"} {
				repository, tag, _ := strings.Cut(image, ":")
				h.lister.set(repository, tag, image)
			}
			if test.prepare != nil {
				test.prepare(h.lister)
			}
			r := test.registry
			r.Name, r.Type, r.URL = "shop", "oci", "https://registry.example"
			if r.Password == "" {
				r.Password = "right"
			}
			steps, err := h.Test(t.Context(), model.System(), r)
			if err != nil {
				t.Fatal(err)
			}
			if r.Password == "wrong" {
				if len(steps) != 1 {
					t.Errorf("what cannot be read was listed: %+v", steps)
				}
				return
			}
			got := steps[len(steps)-1]
			if got.Name != "select" || got.OK == test.fails || !strings.HasPrefix(got.Detail, test.detail) ||
				!strings.Contains(got.Warning, test.warning) || (got.Warning == "") != (test.warning == "") || !strings.Contains(got.Hint, test.hint) {
				t.Errorf("%+v", got)
			}
			if _, err := h.Get(t.Context(), "shop"); fault.KindOf(err) != fault.NotFound {
				t.Errorf("a test has kept the registry: %v", err)
			}
		})
	}
}
