package baseimage_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/scanner/baseimage"
	"github.com/muster-sec/muster/scanner/inventory"
)

func image(reference string, layers ...string) inventory.Image {
	i := inventory.Image{Reference: reference, Digest: "sha256:" + reference}
	for _, l := range layers {
		i.Layers = append(i.Layers, inventory.Layer{DiffID: l})
	}
	return i
}

func step(text string, empty bool) inventory.HistoryStep {
	return inventory.HistoryStep{CreatedBy: text, Empty: empty}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	app := image("app", "a", "b", "c")
	built := image("app", "a", "b", "c")
	built.History = []inventory.HistoryStep{
		step("ADD file:1 in /", false), step(`/bin/sh -c #(nop)  CMD ["bash"]`, true),
		step("RUN apt-get update", false), step("COPY . /srv # buildkit", false), step(`CMD ["/srv/app"]`, true),
	}
	labelled := built
	labelled.Labels = map[string]string{"org.opencontainers.image.base.name": "docker.io/library/debian:12"}
	untold := built
	untold.History = untold.History[1:]
	for name, c := range map[string]struct {
		image inventory.Image
		known []inventory.Image
		want  *baseimage.Base
	}{
		"nothing": {image: app},
		"longest chain": {
			image: app, known: []inventory.Image{image("one", "a"), image("two", "a", "b"), image("other", "a", "x"), image("same", "a", "b", "c")},
			want: &baseimage.Base{Name: "two", Digest: "sha256:two", Evidence: baseimage.ByLayers, Layers: 2},
		},
		"no layers at all":  {image: app, known: []inventory.Image{image("scratch")}},
		"history":           {image: built, want: &baseimage.Base{Evidence: baseimage.ByHistory, Layers: 1}},
		"history with gaps": {image: untold},
		"labels":            {image: labelled, want: &baseimage.Base{Name: "docker.io/library/debian:12", Evidence: baseimage.ByLabels, Layers: 1}},
	} {
		if diff := cmp.Diff(c.want, baseimage.Detect(c.image, c.known)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	b := &baseimage.Base{Layers: 2}
	for layer, want := range map[int]bool{-1: false, 0: true, 1: true, 2: false} {
		if got := b.Has(layer); got != want {
			t.Errorf("layer %d: %v", layer, got)
		}
	}
	if (*baseimage.Base)(nil).Has(0) {
		t.Error("no base has a layer")
	}
}
