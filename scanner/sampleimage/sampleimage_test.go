package sampleimage_test

import (
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/muster-sec/muster/scanner/sampleimage"
)

func TestCatalogIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first, err := sampleimage.Catalog(created)
	if err != nil {
		t.Fatal(err)
	}
	second, err := sampleimage.Catalog(created)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, tagged := range first {
		a, errA := tagged.Image.Digest()
		b, errB := second[i].Image.Digest()
		if errA != nil || errB != nil || a != b {
			t.Errorf("%s:%s is %s and then %s (%v, %v)", tagged.Repository, tagged.Tag, a, b, errA, errB)
		}
		if seen[a.String()] {
			t.Errorf("%s:%s is the same image as another", tagged.Repository, tagged.Tag)
		}
		seen[a.String()] = true
		layers, err := tagged.Image.Layers()
		if err != nil || len(layers) == 0 {
			t.Fatalf("%s:%s has %d layers, %v", tagged.Repository, tagged.Tag, len(layers), err)
		}
		for _, l := range layers {
			if err := validate.Layer(l); err != nil {
				t.Errorf("%s:%s has an invalid layer: %v", tagged.Repository, tagged.Tag, err)
			}
		}
	}
}
