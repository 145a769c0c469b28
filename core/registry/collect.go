package registry

import (
	"context"

	"github.com/muster-sec/muster/core/model"
)

// partSize is how many tags are compared and written at a time.
const partSize = 200

// collect accounts for what was found, part by part, so that scans begin while
// the listing goes on. Manifests without a tag come last: many are the children
// of an index, which accounts for those of the platforms that are selected.
func (l *list) collect(ctx context.Context, in <-chan model.ListedImage) error {
	part := make([]model.ListedImage, 0, partSize)
	var untagged []model.ListedImage
	flush := func() error {
		if len(part) == 0 {
			return nil
		}
		indexes, err := l.account(ctx, l.registry, l.found(part))
		for _, ix := range indexes {
			for _, c := range ix.Children {
				l.children[c.Digest] = true
			}
		}
		part = part[:0]
		return err
	}
	add := func(img model.ListedImage) error {
		if part = append(part, img); len(part) < partSize {
			return nil
		}
		return flush()
	}
	for img := range in {
		if img.Tag == "" {
			untagged = append(untagged, img)
			continue
		}
		if err := add(img); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := flush(); err != nil {
		return err
	}
	for _, img := range untagged {
		if l.children[img.Digest] {
			l.vanished(img) // it is no image by itself
			continue
		}
		if err := add(img); err != nil {
			return err
		}
	}
	return flush()
}

// found turns tags into pointers to keep and digests to account for, each once.
func (l *list) found(part []model.ListedImage) model.ListedPart {
	f := model.ListedPart{Run: l.run.ID, Registry: l.registry.Name}
	for _, img := range part {
		f.Tags = append(f.Tags, model.Tag{
			Registry: l.registry.Name, Host: hostOf(l.registry.URL), Repository: img.Repository, Tag: tagOf(img),
			Digest: img.Digest, SeenAt: l.Now().UTC(),
		})
		if !l.digests[img.Digest] {
			l.digests[img.Digest] = true
			f.Items = append(f.Items, model.ListedItem{Repository: img.Repository, Digest: img.Digest, MediaType: img.MediaType})
		}
	}
	return f
}
