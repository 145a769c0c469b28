package registry_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
)

// A listing that tells digests costs no request for each tag.
func TestDigestsThatAListingTellsAreNotResolved(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tells    bool
		resolved int
	}{"by name alone": {false, 2}, "with digests": {true, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{})
			h.lister.tells = test.tells
			h.add(t, model.Registry{Name: "shop"})
			h.lister.set("a", "1", "one")
			h.lister.set("a", "2", "two")
			run := h.list(t, "shop")
			h.work(t, scanned)
			if run = h.run(t, "shop", run.ID); run.State != model.RunDone || counters(run) != "2 2 0 0 0" || h.lister.resolved != test.resolved {
				t.Errorf("%s %s, %d tags resolved, want %d", run.State, counters(run), h.lister.resolved, test.resolved)
			}
		})
	}
}

func TestManifestsWithoutATag(t *testing.T) {
	t.Parallel()
	child := model.Platform{OS: "linux", Architecture: "amd64"}
	other := model.Platform{OS: "linux", Architecture: "arm64"}
	tests := map[string]struct {
		settings model.Registry
		tags     []string
		counted  string
	}{
		"everything":           {model.Registry{}, []string{"a:1", "a:@" + string(digest("lost")), "a:index"}, "4 2 2 0 0"},
		"every tag":            {model.Registry{Filters: []string{"a"}}, []string{"a:1", "a:@" + string(digest("lost")), "a:index"}, "4 2 2 0 0"},
		"some tags":            {model.Registry{Filters: []string{"a:?"}}, []string{"a:1"}, "1 1 0 0 0"},
		"an index's platforms": {model.Registry{Platforms: []string{"linux/amd64"}}, []string{"a:1", "a:@" + string(digest("lost")), "a:index"}, "3 2 1 0 0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{})
			// Another run has read the index.
			h.add(t, model.Registry{Name: "before"})
			h.lister.set("a", "index", "index")
			before := h.list(t, "before")
			if err := h.Expand(t.Context(), before.ID, "before", "a", model.Index{Digest: digest("index"), Children: []model.IndexChild{
				{Digest: digest("child"), Platform: child}, {Digest: digest("other"), Platform: other},
			}}); err != nil {
				t.Fatal(err)
			}
			h.work(t, scanned)
			test.settings.Name = "shop"
			h.add(t, test.settings)
			h.lister.set("a", "1", "one")
			h.lister.set("a", "@1", "child")
			h.lister.set("a", "@2", "other")
			h.lister.set("a", "@3", "lost")
			run := h.list(t, "shop")
			h.work(t, scanned)
			if run = h.run(t, "shop", run.ID); run.State != model.RunDone || counters(run) != test.counted {
				t.Errorf("%s %q: %s, want %s", run.State, run.Error, counters(run), test.counted)
			}
			if diff := cmp.Diff(test.tags, h.tags(t, "shop")); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
			h.lister.remove("a", "@3")
			h.list(t, "shop")
			for _, tag := range h.tags(t, "shop") {
				if tag == "a:@"+string(digest("lost")) {
					t.Error("a manifest that is gone is still there")
				}
			}
		})
	}
}
