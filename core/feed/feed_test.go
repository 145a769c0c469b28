package feed_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

func TestKeysComeApartAsTheyWerePut(t *testing.T) {
	t.Parallel()
	for _, v := range []model.Verdict{
		{Digest: "sha256:0", Source: model.SourceScan},
		{Digest: "sha256:0", Source: model.SourceCI, Producer: "trivy/jenkins/nightly: a/b"},
	} {
		got, ok := feed.ParseVerdictKey(feed.VerdictKey(v))
		if diff := cmp.Diff(v, got); diff != "" || !ok {
			t.Errorf("%+v: %v %s", v, ok, diff)
		}
	}
	for _, tag := range []model.Tag{
		{Registry: "fed.prod", Repository: "app", Tag: "1"},
		{Registry: "fed.prod", Repository: "library/deep/app", Tag: "v1.2_3-4"},
	} {
		got, ok := feed.ParseTagKey(feed.TagKey(tag))
		if diff := cmp.Diff(tag, got); diff != "" || !ok {
			t.Errorf("%+v: %v %s", tag, ok, diff)
		}
	}
	for _, bad := range []string{"", "a", "a/b", "a:b"} {
		if _, ok := feed.ParseTagKey(bad); ok {
			t.Errorf("%q passes as the key of a tag", bad)
		}
		if _, ok := feed.ParseVerdictKey(bad); ok {
			t.Errorf("%q passes as the key of a verdict", bad)
		}
	}
}

func TestPutAndDecode(t *testing.T) {
	t.Parallel()
	want := model.Tag{Registry: "fed.prod", Host: "r.test", Repository: "app", Tag: "1", Digest: "sha256:0", SeenAt: time.Unix(1, 0).UTC()}
	r, err := feed.Put(feed.KindTag, feed.TagKey(want), want)
	if err != nil {
		t.Fatal(err)
	}
	var got model.Tag
	if err := feed.Decode(r, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r.Payload = []byte("{")
	if err := feed.Decode(r, &got); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a broken payload: %v", err)
	}
	if d := feed.Delete(feed.KindTag, r.Key); d.Payload != nil || d.Scope != r.Scope {
		t.Errorf("tombstone %+v", d)
	}
}

func TestWhatDecidesTravelsFirst(t *testing.T) {
	t.Parallel()
	p := feed.Priority()
	for _, order := range [][2]feed.Kind{
		{feed.KindRule, feed.KindFindings}, {feed.KindVerdict, feed.KindFindings}, {feed.KindIndex, feed.KindImage},
		{feed.KindFindings, feed.KindPackageSet}, {feed.KindImage, "of a later version"},
	} {
		if p.Class(string(order[0])) >= p.Class(string(order[1])) {
			t.Errorf("%s does not travel before %s", order[0], order[1])
		}
	}
}

// FuzzKeys parses keys as they come from a feed: what passes is put together again
// to the same key.
func FuzzKeys(f *testing.F) {
	f.Add("fed.prod/library/app:1")
	f.Add("sha256:0/ci/trivy/job")
	f.Add("/:")
	f.Fuzz(func(t *testing.T, key string) {
		if tag, ok := feed.ParseTagKey(key); ok && feed.TagKey(tag) != key {
			t.Errorf("tag %+v of %q", tag, key)
		}
		if v, ok := feed.ParseVerdictKey(key); ok && feed.VerdictKey(v) != key {
			t.Errorf("verdict %+v of %q", v, key)
		}
	})
}
